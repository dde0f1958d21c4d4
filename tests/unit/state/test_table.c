/* test_table.c: keyed state against a simple model: batches, splits, deletions, memory. */
#include "test.h"

#include "support_world.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"

static void run_world(enum world_kind kind, uint32_t key_count, uint32_t steps, uint64_t seed) {
    struct world *world = world_new(kind, key_count, seed);
    for (uint32_t step = 0; step < steps; step++) {
        uint64_t what = world_random(world, 10);
        if (what < 6) {
            CHECK_INT(world_upsert(world, (uint32_t)world_random(world, 512)), ==, WR_OK);
        } else if (what < 9) {
            /* Deletions win for a while, so that pages empty and the table starts again. */
            uint64_t count = world_random(world, step / 16 % 2 == 0 ? 100 : 2000);
            for (uint64_t i = 0; i < count; i++)
                world_delete(world);
        } else {
            wr_table_settle(world->table);
        }
        if (step % 8 == 0)
            world_check(world, world->table);
    }
    world_check(world, world->table);
    world_free(world);
}

TEST(table_does_what_a_simple_model_does) {
    uint64_t seed = test_seed();
    do {
        run_world(WORLD_WORD, 4000, 64, seed++);
        run_world(WORLD_FIXED, 1000, 32, seed++);
        run_world(WORLD_TEXT, 1500, 64, seed++);
        run_world(WORLD_TEXT, 20, 20, seed++);
        run_world(WORLD_WIDE, 100, 32, seed++);
    } while (test_random_time_left());
}

static uint64_t word_hash(uint64_t key) {
    return wr_hash_u64(key, 7);
}

#define CROWD 80u

/* Numbers of the same page, of which there are more than it takes, while there is no other. */
static void crowd(uint64_t seed, uint64_t numbers[CROWD]) {
    uint32_t count = 0;
    for (uint64_t run = 0; count < CROWD; run++)
        if (wr_hash_u64(run, seed) >> 54 == 0)
            for (uint64_t i = 0; i < 16 && count < CROWD; i++)
                numbers[count++] = run * 16 + i;
}

/* In an order that empties the last page of the chain, of which the first was full. */
TEST(rows_of_a_crowded_page_go_in_any_order) {
    static const struct wr_shape shape = {.key_bytes = 8, .row_bytes = 8192, .by_number = 1};
    uint64_t seed = test_seed(), numbers[CROWD];
    crowd(seed, numbers);
    for (uint32_t from = 0; from < CROWD; from += 7) {
        struct wr_table *table = wr_table_new(&wr_budget_control, &shape, seed);
        CHECK(table != NULL);
        for (uint32_t i = 0; i < CROWD; i++) {
            uint64_t hash = wr_shape_hash(&shape, &numbers[i], seed);
            uint8_t *row;
            CHECK_INT(wr_table_upsert(table, &numbers[i], &hash, 1, &row, NULL), ==, WR_OK);
        }
        for (uint32_t i = 0; i < CROWD; i++) { /* from `from` on backwards, then the others */
            uint32_t at = i <= from ? from - i : i;
            uint64_t hash = wr_shape_hash(&shape, &numbers[CROWD - 1 - at], seed);
            CHECK(wr_table_delete(table, &numbers[CROWD - 1 - at], hash));
            uint64_t left = 0;
            struct wr_table_walk walk;
            wr_table_walk_begin(&walk, table);
            while (wr_table_walk_next(&walk) != NULL)
                left++;
            CHECK_INT(left, ==, CROWD - 1 - i);
        }
        wr_table_free(table);
    }
}

/* A table of `count` keys from `from` on, upserted `batch_rows` at a time; the log of all of it. */
static void build(uint64_t count, uint32_t batch_rows, struct wr_buf *log) {
    struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[WORLD_WORD], 7);
    CHECK(table != NULL);
    static uint64_t keys[4096], hashes[4096];
    static uint8_t *rows[4096];
    for (uint64_t from = 0; from < count; from += batch_rows) {
        uint32_t rows_now = (uint32_t)(count - from < batch_rows ? count - from : batch_rows);
        for (uint32_t i = 0; i < rows_now; i++) {
            keys[i] = wr_hash_u64(from + i, 3) % (count / 3);
            hashes[i] = word_hash(keys[i]);
        }
        CHECK_INT(wr_table_upsert(table, keys, hashes, rows_now, rows, NULL), ==, WR_OK);
        for (uint32_t i = 0; i < rows_now; i++) {
            uint64_t sums[2];
            memcpy(sums, rows[i] + 8, sizeof sums);
            sums[0]++;
            sums[1] = sums[1] * 31 + from + i;
            memcpy(rows[i] + 8, sums, sizeof sums);
        }
    }
    CHECK_INT(wr_table_save(table, log, 1, SIZE_MAX), ==, WR_OK);
    wr_table_free(table);
}

TEST(table_is_the_same_whatever_the_batches) {
    static const uint32_t batches[] = {1, 7, 1000, 4096};
    struct wr_buf logs[4];
    for (int i = 0; i < 4; i++) {
        wr_buf_init(&logs[i], &wr_budget_control, 0);
        build(30000, batches[i], &logs[i]);
        CHECK_INT(logs[i].length, ==, logs[0].length);
        CHECK_MEM(logs[i].bytes, logs[0].bytes, logs[0].length);
    }
    for (int i = 0; i < 4; i++)
        wr_buf_release(&logs[i]);
}

TEST(table_gives_one_row_to_equal_keys_of_a_batch) {
    struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[WORLD_WORD], 7);
    static uint64_t keys[4096], hashes[4096];
    static uint8_t *rows[4096], made[4096];
    for (uint32_t i = 0; i < 4096; i++) {
        keys[i] = i % 2048;
        hashes[i] = word_hash(keys[i]);
    }
    /* Pages split all through this batch. */
    CHECK_INT(wr_table_upsert(table, keys, hashes, 4096, rows, made), ==, WR_OK);
    CHECK_INT(wr_table_count(table), ==, 2048);
    for (uint32_t i = 0; i < 2048; i++) {
        CHECK_PTR(rows[i], ==, rows[i + 2048]);
        CHECK_MEM(rows[i], &keys[i], 8);
        CHECK_INT(made[i], ==, 1);
        CHECK_INT(made[i + 2048], ==, 0);
    }
    wr_table_free(table);
}

/* The value whose hash under seed 7 is `hash`: each step of wr_hash_u64 backwards. */
static uint64_t unhash(uint64_t hash) {
    uint64_t inverse = UINT64_C(0xd6e8feb86659fd93);
    for (int i = 0; i < 5; i++)
        inverse *= 2 - UINT64_C(0xd6e8feb86659fd93) * inverse;
    hash ^= hash >> 32;
    hash *= inverse;
    hash ^= hash >> 32;
    hash *= inverse;
    hash ^= hash >> 32;
    return hash ^ 7;
}

TEST(table_stays_small_and_right_when_hashes_collide_on_purpose) {
    enum { KEYS = 8000 };
    struct wr_budget budget = WR_BUDGET_INIT("test", 0);
    struct wr_table *table = wr_table_new(&budget, &world_shapes[WORLD_WORD], 7);
    static uint64_t keys[KEYS], hashes[KEYS];
    static uint8_t *rows[KEYS];
    for (uint64_t i = 0; i < KEYS; i++) {
        hashes[i] = UINT64_C(0xabcdef0123) << 24 | i; /* the directory sees no difference */
        keys[i] = unhash(hashes[i]);
        CHECK_INT(word_hash(keys[i]), ==, hashes[i]);
    }
    CHECK_INT(wr_table_upsert(table, keys, hashes, KEYS, rows, NULL), ==, WR_OK);
    CHECK_INT(wr_table_count(table), ==, KEYS);
    CHECK_INT(wr_table_bytes(table) / KEYS, <=, 72);
    CHECK_INT(budget.bytes_used, ==, wr_table_bytes(table));
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK_MEM(rows[i], &keys[i], 8);
    /* Other keys come, the directory may grow, and the chain splits away from them. */
    static uint64_t more[KEYS], more_hashes[KEYS];
    for (uint64_t i = 0; i < KEYS; i++)
        more_hashes[i] = word_hash(more[i] = i);
    CHECK_INT(wr_table_upsert(table, more, more_hashes, KEYS, rows, NULL), ==, WR_OK);
    CHECK_INT(wr_table_bytes(table) / (2 * KEYS), <=, 72);
    for (uint32_t i = 0; i < KEYS; i += 3) {
        CHECK_INT(wr_table_delete(table, &keys[i], hashes[i]), ==, 1);
        CHECK_INT(wr_table_delete(table, &keys[i], hashes[i]), ==, 0);
    }
    wr_table_find(table, keys, hashes, KEYS, rows);
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK_INT(rows[i] == NULL, ==, i % 3 == 0);
    for (uint32_t i = 0; i < KEYS; i++)
        wr_table_delete(table, &keys[i], hashes[i]);
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK_INT(wr_table_delete(table, &more[i], more_hashes[i]), ==, 1);
    CHECK_INT(wr_table_count(table), ==, 0);
    CHECK_INT(wr_table_bytes(table), <, 4096); /* it began anew */
    wr_table_free(table);
    CHECK_INT(budget.bytes_used, ==, 0);
}

TEST(table_takes_at_most_72_bytes_a_key_of_a_40_byte_row) {
    enum { BATCH = 100 };
    struct wr_budget budget = WR_BUDGET_INIT("test", 0);
    struct wr_table *table = wr_table_new(&budget, &world_shapes[WORLD_WORD], 7);
    uint64_t keys[BATCH], hashes[BATCH];
    uint8_t *rows[BATCH];
    for (uint64_t from = 0; from < 300000; from += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++)
            hashes[i] = word_hash(keys[i] = from + i);
        CHECK_INT(wr_table_upsert(table, keys, hashes, BATCH, rows, NULL), ==, WR_OK);
        CHECK_INT(wr_table_bytes(table), <=, 72 * wr_table_count(table));
        CHECK_INT(wr_table_bytes(table), ==, budget.bytes_used);
    }
    wr_table_free(table);
}

TEST(table_of_few_rows_takes_about_a_kilobyte) {
    struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[WORLD_WORD], 7);
    uint64_t keys[8], hashes[8];
    uint8_t *rows[8];
    for (uint64_t i = 0; i < 8; i++)
        hashes[i] = word_hash(keys[i] = i);
    CHECK_INT(wr_table_upsert(table, keys, hashes, 8, rows, NULL), ==, WR_OK);
    CHECK_INT(wr_table_bytes(table), <=, 1600);
    wr_table_free(table);
}

TEST(table_without_key_columns_has_one_row) {
    struct wr_shape shape = {.key_bytes = 0, .row_bytes = 16};
    struct wr_table *table = wr_table_new(&wr_budget_control, &shape, 7);
    uint64_t hashes[3] = {0};
    uint8_t *rows[3], made[3];
    CHECK_INT(wr_shape_hash(&shape, "", 7), ==, 0);
    CHECK_INT(wr_table_upsert(table, "", hashes, 3, rows, made), ==, WR_OK);
    CHECK_PTR(rows[0], ==, rows[2]);
    CHECK_INT(wr_table_count(table), ==, 1);
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    CHECK_INT(wr_table_save(table, &log, 0, SIZE_MAX), ==, WR_OK);
    CHECK_INT(wr_table_delete(table, "", 0), ==, 1);
    struct wr_reader in = {.bytes = log.bytes, .length = log.length};
    CHECK_INT(wr_table_load(table, &in), ==, WR_OK);
    CHECK_INT(wr_table_count(table), ==, 1);
    wr_buf_release(&log);
    wr_table_free(table);
}

TEST(table_gives_dead_string_bytes_back_when_it_settles) {
    struct wr_budget budget = WR_BUDGET_INIT("test", 0);
    struct wr_table *table = wr_table_new(&budget, &world_shapes[WORLD_TEXT], 7);
    uint8_t key[24], *row;
    char text[64], value[1000];
    uint64_t hash;
    world_key(WORLD_TEXT, 7, 3, key, text, &hash);
    CHECK_INT(wr_table_upsert(table, key, &hash, 1, &row, NULL), ==, WR_OK);
    struct wr_str *cell = (struct wr_str *)(row + 40);
    for (int i = 0; i < 200; i++) {
        memset(value, 'a' + i % 26, sizeof value);
        CHECK_INT(wr_table_set_string(table, cell, value, sizeof value), ==, WR_OK);
    }
    CHECK_INT(wr_table_bytes(table), >, 200000);
    const char *before = cell->pointer;
    CHECK_MEM(before, value, sizeof value);
    wr_table_settle(table);
    CHECK_INT(wr_table_bytes(table), <, 4096);
    CHECK_PTR(cell->pointer, !=, before);
    CHECK_MEM(cell->pointer, value, sizeof value);
    CHECK_INT(wr_table_set_string(table, cell, "short", 5), ==, WR_OK);
    CHECK_STR(cell->inlined, "short");
    wr_table_free(table);
    CHECK_INT(budget.bytes_used, ==, 0);
}

TEST_EACH_ALLOCATION_FAILS(table_upserts_all_of_a_batch_or_nothing) {
    enum { KEYS = 600, BATCH = 100 };
    struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[WORLD_TEXT], 7);
    static uint8_t keys[KEYS * 24], *rows[KEYS];
    static char texts[KEYS][64];
    static uint64_t hashes[KEYS];
    if (table == NULL)
        return;
    for (uint32_t i = 0; i < KEYS; i++)
        world_key(WORLD_TEXT, 7, i, keys + i * 24, texts[i], &hashes[i]);
    uint32_t upserted = 0;
    for (uint32_t from = 0; from + BATCH <= KEYS; from += BATCH / 2) {
        int status = wr_table_upsert(table, keys + from * 24, hashes + from, BATCH, rows, NULL);
        CHECK(status == WR_OK || status == WR_ENOMEM);
        if (status == WR_OK && from <= upserted)
            upserted = from + BATCH;
        else if (status == WR_ENOMEM)
            CHECK_INT(wr_table_count(table), ==, upserted);
        if (status == WR_ENOMEM)
            break;
        wr_blob_reserve(table, (struct wr_blob *)(rows[0] + 56), 40);
        wr_table_set_string(table, (struct wr_str *)(rows[0] + 40), texts[0], 30);
    }
    wr_table_find(table, keys, hashes, KEYS, rows);
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK_INT(rows[i] != NULL, ==, i < upserted);
    wr_table_settle(table);
    wr_table_free(table);
}
