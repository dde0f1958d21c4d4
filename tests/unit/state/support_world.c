/* support_world.c: see support_world.h. */
#include "test.h"

#include "support_world.h"

#include "base/hash.h"
#include "base/status.h"

#define BATCH_MAX 512
#define KEY_BYTES_MAX 24
#define TEXT_MAX 64

static const struct wr_cell text_cells[] = {
    {WR_CELL_STRING, 8}, {WR_CELL_STRING, 40}, {WR_CELL_BLOB, 56}};

/* Every row holds the number and the counter behind its key. */
const struct wr_shape world_shapes[WORLD_KINDS] = {
    [WORLD_WORD] = {.key_bytes = 8, .row_bytes = 40},
    [WORLD_FIXED] = {.key_bytes = 24, .row_bytes = 48},
    [WORLD_TEXT] = {.key_bytes = 24, .row_bytes = 72, .cell_count = 3, .cells = text_cells},
    [WORLD_WIDE] = {.key_bytes = 8, .row_bytes = 8192},
};

uint64_t world_random(struct world *world, uint64_t below) {
    world->random += UINT64_C(0x9e3779b97f4a7c15);
    return wr_hash_u64(world->random, 1) % below;
}

struct world *world_new(enum world_kind kind, uint32_t key_count, uint64_t seed) {
    CHECK_INT(key_count, <=, WORLD_KEYS_MAX);
    struct world *world = wr_alloc_zero(&wr_budget_control, sizeof *world);
    CHECK(world != NULL);
    world->kind = kind;
    world->budget = (struct wr_budget)WR_BUDGET_INIT("test", 0);
    world->random = seed;
    world->key_count = key_count;
    world->table = wr_table_new(&world->budget, &world_shapes[kind], seed);
    CHECK(world->table != NULL);
    return world;
}

void world_free(struct world *world) {
    wr_table_free(world->table);
    CHECK_INT(world->budget.bytes_used, ==, 0);
    wr_free(&wr_budget_control, world);
}

void world_key(enum world_kind kind, uint64_t seed, uint32_t number, void *key, char *text,
               uint64_t *hash) {
    uint64_t words[3] = {0};
    switch (kind) {
    case WORLD_WORD:
    case WORLD_WIDE: words[0] = number * UINT64_C(1000003); break;
    case WORLD_FIXED:
        words[0] = number % 3;
        words[1] = number;
        words[2] = number / 7;
        break;
    case WORLD_TEXT: {
        int length = snprintf(text, TEXT_MAX, "%u%s", number,
                              number % 3 == 0 ? " is a number that is long" : "");
        struct wr_str str = wr_str_of(text, (uint32_t)length);
        words[0] = number % 2;
        memcpy(&words[1], &str, sizeof str);
        break;
    }
    case WORLD_KINDS: break;
    }
    memcpy(key, words, world_shapes[kind].key_bytes);
    *hash = wr_shape_hash(&world_shapes[kind], key, seed);
}

static void row_set(struct world *world, uint8_t *row, uint32_t number) {
    const struct wr_shape *shape = &world_shapes[world->kind];
    struct world_value *value = &world->values[number];
    uint64_t words[2] = {number, value->counter};
    memcpy(row + shape->key_bytes, words, sizeof words);
    if (world->kind != WORLD_TEXT)
        return;
    char text[TEXT_MAX];
    memset(text, 'a' + (int)(number % 26), sizeof text);
    value->text = (uint32_t)world_random(world, TEXT_MAX);
    CHECK_INT(wr_table_set_string(world->table, (struct wr_str *)(row + 40), text, value->text), ==,
              WR_OK);
    struct wr_blob *blob = (struct wr_blob *)(row + 56);
    CHECK_INT(wr_blob_reserve(world->table, blob, value->text), ==, WR_OK);
    blob->length = value->text;
    if (value->text > 0)
        memset(blob->bytes, (int)(number % 251), value->text);
}

int world_upsert(struct world *world, uint32_t count) {
    static uint8_t keys[BATCH_MAX * KEY_BYTES_MAX];
    static char texts[BATCH_MAX][TEXT_MAX];
    uint64_t hashes[BATCH_MAX] = {0};
    uint32_t numbers[BATCH_MAX];
    uint8_t *rows[BATCH_MAX], made[BATCH_MAX];
    uint32_t key_bytes = world_shapes[world->kind].key_bytes;
    CHECK_INT(count, <=, BATCH_MAX);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = (uint32_t)world_random(world, world->key_count);
        world_key(world->kind, wr_table_seed(world->table), numbers[i], keys + i * key_bytes,
                  texts[i], &hashes[i]);
    }
    int status = wr_table_upsert(world->table, keys, hashes, count, rows, made);
    if (status != WR_OK)
        return status;
    memset(texts, '?', sizeof texts); /* keys were copied */
    for (uint32_t i = 0; i < count; i++) {
        struct world_value *value = &world->values[numbers[i]];
        CHECK_INT(made[i], ==, !value->present);
        if (!value->present) {
            *value = (struct world_value){.present = true};
            world->present_count++;
        }
        uint64_t counter;
        memcpy(&counter, rows[i] + key_bytes + 8, 8);
        CHECK_INT(counter, ==, value->counter);
        value->counter++;
        row_set(world, rows[i], numbers[i]);
    }
    return WR_OK;
}

void world_delete(struct world *world) {
    uint32_t number = (uint32_t)world_random(world, world->key_count);
    uint64_t hash;
    uint8_t key[KEY_BYTES_MAX];
    char text[TEXT_MAX];
    world_key(world->kind, wr_table_seed(world->table), number, key, text, &hash);
    struct world_value *value = &world->values[number];
    CHECK_INT(wr_table_delete(world->table, key, hash), ==, value->present);
    world->present_count -= value->present;
    value->present = false;
    value->counter = 0;
}

static void row_check(const struct world *world, const uint8_t *row) {
    const struct wr_shape *shape = &world_shapes[world->kind];
    uint64_t words[2], hash;
    memcpy(words, row + shape->key_bytes, sizeof words);
    CHECK_INT(words[0], <, world->key_count);
    uint32_t number = (uint32_t)words[0];
    const struct world_value *value = &world->values[number];
    CHECK(value->present);
    CHECK_INT(words[1], ==, value->counter);
    uint8_t key[KEY_BYTES_MAX];
    char text[TEXT_MAX];
    world_key(world->kind, 0, number, key, text, &hash);
    if (world->kind != WORLD_TEXT) {
        CHECK_MEM(row, key, shape->key_bytes);
        return;
    }
    CHECK_MEM(row, key, 8);
    CHECK(wr_str_equal((const struct wr_str *)(row + 8), (const struct wr_str *)(key + 8)));
    const struct wr_str *str = (const struct wr_str *)(row + 40);
    const struct wr_blob *blob = (const struct wr_blob *)(row + 56);
    CHECK_INT(str->length, ==, value->text);
    CHECK_INT(blob->length, ==, value->text);
    for (uint32_t i = 0; i < value->text; i++) {
        CHECK_INT(wr_str_bytes(str)[i], ==, 'a' + (int)(number % 26));
        CHECK_INT((uint8_t)blob->bytes[i], ==, number % 251);
    }
}

void world_check(struct world *world, const struct wr_table *table) {
    struct wr_table_walk walk;
    uint32_t count = 0;
    wr_table_walk_begin(&walk, table);
    for (const uint8_t *row; (row = wr_table_walk_next(&walk)) != NULL; count++)
        row_check(world, row);
    CHECK_INT(count, ==, world->present_count);
    CHECK_INT(wr_table_count(table), ==, world->present_count);
    for (uint32_t number = 0; number < world->key_count; number++) {
        uint64_t hash;
        uint8_t key[KEY_BYTES_MAX], *row;
        char text[TEXT_MAX];
        world_key(world->kind, wr_table_seed(table), number, key, text, &hash);
        wr_table_find(table, key, &hash, 1, &row);
        CHECK_INT(row != NULL, ==, world->values[number].present);
        if (row != NULL)
            row_check(world, row);
    }
}
