/* test_log.c: what a table saves is what it loads, and damaged logs are refused. */
#include "test.h"

#include "support_world.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"

static int load(struct wr_table *table, const struct wr_buf *log) {
    struct wr_reader in = {.bytes = log->bytes, .length = log->length};
    int status = wr_table_load(table, &in);
    if (status == WR_OK)
        CHECK_INT(in.at, ==, log->length);
    return status;
}

/* Saves in pieces of `piece_bytes`, each loaded by itself. Returns how many they were. */
static uint32_t ship(struct wr_table *from, struct wr_table *to, int all, size_t piece_bytes,
                     struct wr_buf *log) {
    uint32_t pieces = 0;
    int status;
    do {
        wr_buf_clear(log);
        status = wr_table_save(from, log, all, piece_bytes);
        CHECK(status == WR_OK || status == WR_EAGAIN);
        CHECK_INT(load(to, log), ==, WR_OK);
        pieces++;
    } while (status == WR_EAGAIN);
    return pieces;
}

/* A table and its twin, which sees nothing but the logs. */
static void run_twins(enum world_kind kind, uint32_t key_count, uint64_t seed) {
    struct world *world = world_new(kind, key_count, seed);
    struct wr_table *twin = wr_table_new(&world->budget, &world_shapes[kind], seed);
    struct wr_buf log;
    wr_buf_init(&log, &world->budget, 0);
    for (int epoch = 0; epoch < 24; epoch++) {
        uint64_t upserts = world_random(world, 4), deletions = world_random(world, key_count);
        for (uint64_t i = 0; i < upserts; i++)
            CHECK_INT(world_upsert(world, (uint32_t)world_random(world, 300)), ==, WR_OK);
        for (uint64_t i = 0; i < deletions; i++)
            world_delete(world);
        int all = world_random(world, 6) == 0;
        if (all) { /* a base stands by itself */
            wr_table_free(twin);
            twin = wr_table_new(&world->budget, &world_shapes[kind], seed);
        }
        size_t piece_bytes = world_random(world, 2) ? SIZE_MAX : world_random(world, 20000);
        ship(world->table, twin, all, piece_bytes, &log);
        CHECK(!wr_table_has_changed(world->table));
        world_check(world, twin);
    }
    wr_buf_clear(&log);
    CHECK_INT(wr_table_save(world->table, &log, 0, SIZE_MAX), ==, WR_OK);
    CHECK_INT(log.length, <, 64); /* nothing has changed since */
    wr_buf_release(&log);
    wr_table_free(twin);
    world_free(world);
}

TEST(log_deltas_give_the_same_table) {
    uint64_t seed = test_seed();
    do {
        run_twins(WORLD_WORD, 3000, seed++);
        run_twins(WORLD_FIXED, 700, seed++);
        run_twins(WORLD_TEXT, 900, seed++);
        run_twins(WORLD_WIDE, 40, seed++);
    } while (test_random_time_left());
}

/* Every boundary between two rows is one between two pieces, and their bytes are bounded. */
TEST(log_comes_in_pieces_of_any_size) {
    for (int kind = 0; kind < WORLD_KINDS; kind++)
        for (size_t piece_bytes = 0; piece_bytes < 700; piece_bytes += 1 + piece_bytes / 4) {
            struct world *world = world_new((enum world_kind)kind, 60, 5);
            struct wr_buf log;
            wr_buf_init(&log, &world->budget, 0);
            struct wr_table *twin = wr_table_new(&world->budget, &world_shapes[kind], 5);
            CHECK_INT(world_upsert(world, 60), ==, WR_OK);
            uint32_t rows = (uint32_t)wr_table_count(world->table);
            uint32_t pieces = ship(world->table, twin, piece_bytes % 2 == 0, piece_bytes, &log);
            CHECK_INT(pieces, <=, rows);
            if (piece_bytes == 0)
                CHECK_INT(pieces, ==, rows);
            world_check(world, twin);
            for (int i = 0; i < 20; i++)
                world_delete(world);
            CHECK_INT(world_upsert(world, 10), ==, WR_OK);
            ship(world->table, twin, 0, piece_bytes, &log);
            world_check(world, twin);
            wr_buf_release(&log);
            wr_table_free(twin);
            world_free(world);
        }
}

TEST(log_of_a_loaded_log_is_the_same) {
    for (int kind = 0; kind < WORLD_KINDS; kind++) {
        struct world *world = world_new((enum world_kind)kind, kind == WORLD_WIDE ? 60 : 2000, 5);
        for (int i = 0; i < 12; i++)
            CHECK_INT(world_upsert(world, 512), ==, WR_OK);
        struct wr_buf first, second;
        wr_buf_init(&first, &wr_budget_control, 0);
        wr_buf_init(&second, &wr_budget_control, 0);
        CHECK_INT(wr_table_save(world->table, &first, 1, SIZE_MAX), ==, WR_OK);
        struct wr_table *twin = wr_table_new(&wr_budget_control, &world_shapes[kind], 5);
        CHECK_INT(load(twin, &first), ==, WR_OK);
        CHECK(wr_table_was_saved(twin));
        CHECK_INT(wr_table_save(twin, &second, 1, SIZE_MAX), ==, WR_OK);
        CHECK_INT(first.length, ==, second.length);
        CHECK_MEM(first.bytes, second.bytes, first.length);
        wr_table_free(twin);
        wr_buf_release(&first);
        wr_buf_release(&second);
        world_free(world);
    }
}

TEST(log_forgets_rows_that_no_save_has_seen) {
    struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[WORLD_WORD], 7);
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    CHECK_INT(wr_table_save(table, &log, 0, SIZE_MAX), ==, WR_OK);
    size_t empty_length = log.length;
    for (uint64_t key = 0; key < 1000; key++) {
        uint64_t hash = wr_hash_u64(key, 7);
        uint8_t *row;
        CHECK_INT(wr_table_upsert(table, &key, &hash, 1, &row, NULL), ==, WR_OK);
        CHECK_INT(wr_table_delete(table, row, hash), ==, 1);
    }
    wr_buf_clear(&log);
    CHECK_INT(wr_table_save(table, &log, 0, SIZE_MAX), ==, WR_OK);
    CHECK_INT(log.length, ==, empty_length);
    wr_buf_release(&log);
    wr_table_free(table);
}

TEST(log_holds_a_row_that_was_touched) {
    struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[WORLD_WORD], 7);
    struct wr_table *twin = wr_table_new(&wr_budget_control, &world_shapes[WORLD_WORD], 7);
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    uint64_t key = 5, hash = wr_hash_u64(key, 7), value = 77;
    uint8_t *row;
    CHECK_INT(wr_table_upsert(table, &key, &hash, 1, &row, NULL), ==, WR_OK);
    CHECK_INT(wr_table_save(table, &log, 0, SIZE_MAX), ==, WR_OK);
    CHECK_INT(load(twin, &log), ==, WR_OK);
    wr_table_find(table, &key, &hash, 1, &row);
    memcpy(row + 8, &value, 8);
    CHECK(!wr_table_has_changed(table));
    wr_table_touch(table, row);
    CHECK(wr_table_has_changed(table));
    wr_buf_clear(&log);
    CHECK_INT(wr_table_save(table, &log, 0, SIZE_MAX), ==, WR_OK);
    CHECK_INT(load(twin, &log), ==, WR_OK);
    wr_table_find(twin, &key, &hash, 1, &row);
    CHECK_MEM(row + 8, &value, 8);
    wr_buf_release(&log);
    wr_table_free(table);
    wr_table_free(twin);
}

/* A log of a text table, for damage. */
static void sample(struct wr_buf *log) {
    struct world *world = world_new(WORLD_TEXT, 40, 11);
    CHECK_INT(world_upsert(world, 60), ==, WR_OK);
    CHECK_INT(wr_table_save(world->table, log, 0, SIZE_MAX), ==, WR_OK);
    world_delete(world);
    for (int i = 0; i < 20; i++)
        world_delete(world);
    CHECK_INT(world_upsert(world, 20), ==, WR_OK);
    wr_buf_clear(log);
    CHECK_INT(wr_table_save(world->table, log, 0, SIZE_MAX), ==, WR_OK);
    world_free(world);
}

TEST(log_that_was_cut_or_changed_is_refused) {
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    sample(&log);
    for (size_t i = 0; i < log.length; i++) {
        struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[WORLD_TEXT], 11);
        struct wr_reader cut = {.bytes = log.bytes, .length = i};
        CHECK_INT(wr_table_load(table, &cut), ==, WR_ECORRUPT);
        log.bytes[i] ^= (char)(1 << i % 8);
        CHECK_INT(load(table, &log), ==, WR_ECORRUPT);
        log.bytes[i] ^= (char)(1 << i % 8);
        CHECK_INT(wr_table_count(table), ==, 0); /* nothing was applied */
        wr_table_free(table);
    }
    wr_buf_release(&log);
}

TEST(log_of_another_shape_is_refused) {
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    sample(&log);
    for (int kind = 0; kind < WORLD_KINDS; kind++) {
        struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[kind], 11);
        CHECK_INT(load(table, &log), ==, kind == WORLD_TEXT ? WR_OK : WR_ECORRUPT);
        wr_table_free(table);
    }
    wr_buf_release(&log);
}

/* A wrong body under a right checksum: what the checksum cannot see. */
TEST(log_with_a_wrong_body_never_reads_out_of_bounds) {
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    sample(&log);
    char *body = log.bytes + 20;
    uint64_t length = log.length - 20;
    for (uint64_t i = 0; i < length * 4; i++) {
        char before = body[i / 4];
        body[i / 4] = (char[]){0, -1, (char)(before + 1), (char)(before ^ 0x80)}[i % 4];
        uint64_t sum = wr_hash_bytes(body, length, 0);
        memcpy(log.bytes + 12, &sum, 8);
        struct wr_table *table = wr_table_new(&wr_budget_control, &world_shapes[WORLD_TEXT], 11);
        int status = load(table, &log);
        CHECK(status == WR_OK || status == WR_ECORRUPT);
        wr_table_free(table);
        body[i / 4] = before;
    }
    wr_buf_release(&log);
}

TEST_EACH_ALLOCATION_FAILS(log_saves_and_loads_or_says_that_it_did_not) {
    struct wr_budget budget = WR_BUDGET_INIT("test", 0);
    struct wr_table *table = wr_table_new(&budget, &world_shapes[WORLD_TEXT], 7);
    struct wr_table *twin = wr_table_new(&budget, &world_shapes[WORLD_TEXT], 7);
    struct wr_buf log;
    wr_buf_init(&log, &budget, 0);
    if (table == NULL || twin == NULL)
        goto done;
    for (uint32_t i = 0; i < 60; i++) {
        uint8_t key[24], *row;
        char text[64];
        uint64_t hash;
        world_key(WORLD_TEXT, 7, i, key, text, &hash);
        if (wr_table_upsert(table, key, &hash, 1, &row, NULL) != WR_OK ||
            wr_table_set_string(table, (struct wr_str *)(row + 40), text, 20) != WR_OK ||
            wr_blob_reserve(table, (struct wr_blob *)(row + 56), i) != WR_OK)
            goto done;
        ((struct wr_blob *)(row + 56))->length = i;
        if (i > 0)
            memset(((struct wr_blob *)(row + 56))->bytes, 1, i);
    }
    int status = wr_table_save(table, &log, 0, SIZE_MAX);
    CHECK(status == WR_OK || status == WR_ENOMEM);
    CHECK_INT(wr_table_has_changed(table), ==, status != WR_OK);
    if (status == WR_OK) {
        status = load(twin, &log);
        CHECK(status == WR_OK || status == WR_ENOMEM);
        if (status == WR_OK)
            CHECK_INT(wr_table_count(twin), ==, 60);
    }
done:
    wr_table_free(table);
    wr_table_free(twin);
    wr_buf_release(&log);
    CHECK_INT(budget.bytes_used, ==, 0);
}
