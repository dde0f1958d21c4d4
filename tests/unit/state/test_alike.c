/* test_alike.c: rows of a batch that have the same key, beside wr_table_upsert. */
#include "test.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/alike.h"
#include "state/key.h"
#include "state/table.h"

#define ROWS_MAX 700
#define SEED 11

static const struct wr_cell text_cell = {.offset = 0, .kind = WR_CELL_STRING};
static const struct wr_shape shapes[] = {
    {.key_bytes = 8, .row_bytes = 24},
    {.key_bytes = 24, .row_bytes = 32},
    {.key_bytes = 16, .row_bytes = 24, .cell_count = 1, .cells = &text_cell},
};
static char texts[ROWS_MAX][8];

static void key_of(const struct wr_shape *shape, uint32_t number, char *key) {
    memset(key, 0, shape->key_bytes);
    if (shape->cell_count > 0) {
        int length = snprintf(texts[number], sizeof texts[number], "k%u", number);
        struct wr_str text = wr_str_of(texts[number], (uint32_t)length);
        memcpy(key, &text, sizeof text);
        return;
    }
    uint64_t word = number;
    memcpy(key + shape->key_bytes - 8, &word, 8);
}

/* Batches of random keys into two tables: rows are of the same keys, made by the same rows. */
static void check_batches(const struct wr_shape *shape, uint32_t key_count, int with_before,
                          uint64_t *random) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 65536);
    struct wr_table *alike = wr_table_new(&wr_budget_control, shape, SEED);
    struct wr_table *plain = wr_table_new(&wr_budget_control, shape, SEED);
    static char keys[ROWS_MAX * 24];
    static uint64_t hashes[ROWS_MAX];
    static uint32_t numbers[ROWS_MAX], before[ROWS_MAX];
    static uint8_t *rows[2][ROWS_MAX], made[2][ROWS_MAX];
    for (int batch = 0; batch < 30; batch++) {
        uint32_t count = 1 + (uint32_t)(*random = wr_hash_u64(*random, 5)) % ROWS_MAX;
        for (uint32_t i = 0; i < count; i++) {
            *random = wr_hash_u64(*random, 5);
            numbers[i] = (uint32_t)(*random >> 8) % key_count;
            key_of(shape, numbers[i], keys + (size_t)i * shape->key_bytes);
            hashes[i] = wr_shape_hash(shape, keys + (size_t)i * shape->key_bytes, SEED);
        }
        CHECK_INT(wr_table_upsert_alike(alike, keys, hashes, count, &arena, rows[0], made[0],
                                        with_before ? before : NULL),
                  ==, WR_OK);
        CHECK_INT(wr_table_upsert(plain, keys, hashes, count, rows[1], made[1]), ==, WR_OK);
        for (uint32_t i = 0; i < count; i++) {
            CHECK_INT(made[0][i], ==, made[1][i]);
            const char *key = keys + (size_t)i * shape->key_bytes;
            for (int t = 0; t < 2 && shape->cell_count == 0; t++)
                CHECK_INT(memcmp(rows[t][i], key, shape->key_bytes), ==, 0);
            uint32_t expected = i;
            while (expected > 0 && numbers[expected - 1] != numbers[i])
                expected--;
            if (with_before)
                CHECK_INT(before[i], ==, expected - 1); /* of row 0: WR_ALIKE_NONE */
            CHECK(expected == 0 || rows[0][i] == rows[0][expected - 1]);
        }
        CHECK_INT(wr_table_count(alike), ==, wr_table_count(plain));
        wr_arena_reset(&arena);
    }
    wr_table_free(alike);
    wr_table_free(plain);
    wr_arena_release(&arena);
}

TEST(rows_of_a_key_get_its_row_and_know_each_other) {
    uint64_t random = test_seed();
    for (size_t s = 0; s < WR_COUNT(shapes); s++)
        for (int with_before = 0; with_before < 2; with_before++) {
            check_batches(&shapes[s], 1, with_before, &random);
            check_batches(&shapes[s], 5, with_before, &random);
            check_batches(&shapes[s], ROWS_MAX, with_before, &random);
        }
}

TEST(keys_with_the_same_hash_stay_apart) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 65536);
    struct wr_table *table = wr_table_new(&wr_budget_control, &shapes[0], SEED);
    uint64_t keys[40], hashes[40];
    uint8_t *rows[40];
    uint32_t before[40];
    for (uint32_t i = 0; i < 40; i++) {
        keys[i] = i % 4;
        hashes[i] = 77;
    }
    CHECK_INT(
        wr_table_upsert_alike(table, (const char *)keys, hashes, 40, &arena, rows, NULL, before),
        ==, WR_OK);
    CHECK_INT(wr_table_count(table), ==, 4);
    for (uint32_t i = 0; i < 40; i++)
        CHECK_INT(before[i], ==, i < 4 ? WR_ALIKE_NONE : i - 4);
    wr_table_free(table);
    wr_arena_release(&arena);
}

TEST_EACH_ALLOCATION_FAILS(alike_upserts_all_of_a_batch_or_nothing) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 64);
    struct wr_table *table = wr_table_new(&wr_budget_control, &shapes[0], SEED);
    for (uint32_t same = 0; table != NULL && same < 2; same++) { /* by hashes, and by rows */
        uint64_t keys[40], hashes[40];
        uint8_t *rows[40];
        uint32_t before[40];
        uint64_t had = wr_table_count(table);
        for (uint32_t i = 0; i < 40; i++) {
            keys[i] = 10 * same + i % 4;
            hashes[i] = same ? 77 : wr_shape_hash(&shapes[0], &keys[i], SEED);
        }
        int status = wr_table_upsert_alike(table, (const char *)keys, hashes, 40, &arena, rows,
                                           NULL, before);
        CHECK_INT(wr_table_count(table), ==, status == WR_OK ? had + 4 : had);
    }
    wr_table_free(table);
    wr_arena_release(&arena);
}

static uint64_t bytes_of_table(uint64_t expected) {
    struct wr_table *table = wr_table_new(&wr_budget_control, &shapes[0], SEED);
    CHECK_INT(wr_table_expect(table, expected), ==, WR_OK);
    uint64_t bytes = wr_table_bytes(table);
    wr_table_free(table);
    return bytes;
}

TEST(a_table_that_expects_rows_holds_them_and_more) {
    CHECK_INT(bytes_of_table(100), >, bytes_of_table(0));
    CHECK_INT(bytes_of_table(1000), >, bytes_of_table(100));
    for (uint64_t expected = 0; expected < 5000; expected = expected * 3 + 1) {
        struct wr_table *table = wr_table_new(&wr_budget_control, &shapes[0], SEED);
        CHECK_INT(wr_table_expect(table, expected), ==, WR_OK);
        for (uint64_t key = 0; key < expected * 2 + 10; key++) {
            uint64_t hash = wr_shape_hash(&shapes[0], &key, SEED);
            uint8_t *row;
            CHECK_INT(wr_table_upsert(table, &key, &hash, 1, &row, NULL), ==, WR_OK);
        }
        CHECK_INT(wr_table_count(table), ==, expected * 2 + 10);
        for (uint64_t key = 0; key < expected * 2 + 10; key++)
            CHECK(wr_table_find_word(table, key) != NULL);
        wr_table_free(table);
    }
}
