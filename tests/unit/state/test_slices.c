/* test_slices.c: one table a time slice: made, found, dropped whole, saved and loaded. */
#include "test.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/slices.h"

static const struct wr_shape shape = {.key_bytes = 8, .row_bytes = 16};

static int add(struct wr_slices *slices, int64_t start_us, uint64_t key, uint64_t value) {
    struct wr_table *table = wr_slices_at(slices, start_us);
    uint64_t hash = wr_hash_u64(key, slices->seed);
    uint8_t *row;
    if (table == NULL || wr_table_upsert(table, &key, &hash, 1, &row, NULL) != WR_OK)
        return WR_ENOMEM;
    memcpy(row + 8, &value, 8);
    return WR_OK;
}

/* The value, or 0. */
static uint64_t get(struct wr_slices *slices, int64_t start_us, uint64_t key) {
    struct wr_table *table;
    uint64_t hash = wr_hash_u64(key, slices->seed), value = 0;
    uint8_t *row = NULL;
    CHECK_INT(wr_slices_get(slices, start_us, &table), ==, WR_OK);
    CHECK(slices->env != NULL || table == wr_slices_find(slices, start_us));
    if (table != NULL)
        wr_table_find(table, &key, &hash, 1, &row);
    if (row != NULL)
        memcpy(&value, row + 8, 8);
    return value;
}

TEST(slices_stand_in_order_of_time_whenever_they_came) {
    struct wr_slices slices;
    wr_slices_init(&slices, &wr_budget_control, &shape, 3);
    static const int64_t starts[] = {50, 10, 30, -20, 40, 60, 20, 30};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        CHECK_INT(add(&slices, starts[i], 1, (uint64_t)(starts[i] + 100)), ==, WR_OK);
    CHECK_INT(slices.count, ==, 7);
    for (uint32_t i = 0; i < slices.count; i++) {
        if (i > 0)
            CHECK_INT(slices.items[i - 1].start_us, <, slices.items[i].start_us);
        CHECK_INT(get(&slices, slices.items[i].start_us, 1), ==, slices.items[i].start_us + 100);
    }
    CHECK_PTR(wr_slices_find(&slices, 35), ==, NULL);
    wr_slices_drop_before(&slices, 30);
    CHECK_INT(slices.count, ==, 4);
    CHECK_PTR(wr_slices_find(&slices, 20), ==, NULL);
    CHECK_INT(get(&slices, 30, 1), ==, 130);
    CHECK_INT(slices.dropped_count, ==, 0); /* no save has seen them */
    wr_slices_drop_before(&slices, INT64_MAX);
    CHECK_INT(slices.count, ==, 0);
    CHECK_INT(wr_slices_bytes(&slices), <, 1024);
    wr_slices_release(&slices);
}

/* Returns the number of pieces. */
static uint32_t ship(struct wr_slices *from, struct wr_slices *to, int all, size_t piece_bytes) {
    struct wr_buf log;
    uint32_t pieces = 0;
    int status;
    wr_buf_init(&log, &wr_budget_control, 0);
    do {
        wr_buf_clear(&log);
        status = wr_slices_save(from, &log, all, piece_bytes);
        CHECK(status == WR_OK || status == WR_EAGAIN);
        struct wr_reader in = {.bytes = log.bytes, .length = log.length};
        CHECK_INT(wr_slices_load(to, &in), ==, WR_OK);
        CHECK_INT(in.at, ==, log.length);
        pieces++;
    } while (status == WR_EAGAIN);
    wr_buf_release(&log);
    return pieces;
}

static uint64_t count_at(const struct wr_slices *slices, uint32_t at) {
    const struct wr_slice *slice = &slices->items[at];
    return slice->table == NULL ? slice->rest.row_count : wr_table_count(slice->table);
}

static void arrive_by_deltas(size_t piece_bytes, int rests) {
    struct wr_slices slices, twin, base;
    struct wr_sim *sim = wr_sim_new(1);
    wr_slices_init(&slices, &wr_budget_control, &shape, 3);
    wr_slices_init(&twin, &wr_budget_control, &shape, 3);
    wr_slices_init(&base, &wr_budget_control, &shape, 3);
    if (rests) {
        wr_slices_may_rest(&slices, wr_sim_env(sim), 1, NULL);
        wr_slices_may_rest(&twin, wr_sim_env(sim), 1, NULL);
    }
    for (int64_t epoch = 0; epoch < 40; epoch++) {
        for (uint64_t key = 0; key < 20; key++)
            CHECK_INT(add(&slices, (epoch + (int64_t)key % 3) * 10, key, key + 1), ==, WR_OK);
        wr_slices_drop_before(&slices, (epoch - 3) * 10);
        if (epoch == 20) { /* a slice that was dropped comes again, empty of what it was */
            wr_slices_drop_before(&slices, 19 * 10);
            CHECK_INT(add(&slices, 18 * 10, 77, 5), ==, WR_OK);
        }
        CHECK_INT(wr_slices_relieve(&slices), ==, WR_OK);
        for (uint32_t i = 0; i < slices.count; i++)
            CHECK((slices.items[i].table == NULL) == rests || i == slices.last);
        CHECK(wr_slices_has_changed(&slices));
        ship(&slices, &twin, 0, piece_bytes);
        CHECK(!wr_slices_has_changed(&slices));
        CHECK_INT(twin.count, ==, slices.count);
        for (uint32_t i = 0; i < twin.count; i++) {
            CHECK_INT(twin.items[i].start_us, ==, slices.items[i].start_us);
            CHECK_INT(count_at(&twin, i), ==, count_at(&slices, i));
        }
        if (epoch == 20)
            CHECK_INT(get(&twin, 180, 77), ==, 5);
        CHECK_INT(get(&twin, epoch * 10, 3), ==, 4);
    }
    uint32_t pieces = ship(&slices, &base, 1, piece_bytes);
    uint64_t rows = 0;
    for (uint32_t i = 0; i < base.count; i++)
        rows += wr_table_count(base.items[i].table);
    CHECK_INT(rows, ==, wr_slices_rows(&slices));
    if (piece_bytes == 0 || piece_bytes == SIZE_MAX)
        CHECK_INT(pieces, ==, piece_bytes == 0 ? rows : 1);
    CHECK_INT(base.count, ==, slices.count);
    CHECK_INT(get(&base, 400, 1), ==, 2);
    wr_slices_release(&slices);
    wr_slices_release(&twin);
    wr_slices_release(&base);
    wr_sim_free(sim);
}

TEST(slices_arrive_by_deltas) {
    arrive_by_deltas(SIZE_MAX, 0);
}

TEST(slices_arrive_in_pieces_of_a_row) {
    arrive_by_deltas(0, 0);
}

TEST(slices_that_rest_arrive_too) {
    arrive_by_deltas(SIZE_MAX, 1);
    arrive_by_deltas(0, 1);
    arrive_by_deltas(100, 1);
}

TEST(slices_arrive_in_pieces_of_any_size) {
    for (size_t piece_bytes = 1; piece_bytes < 4000; piece_bytes += 1 + piece_bytes / 8) {
        struct wr_slices slices, twin;
        wr_slices_init(&slices, &wr_budget_control, &shape, 3);
        wr_slices_init(&twin, &wr_budget_control, &shape, 3);
        for (int64_t start = 0; start < 6; start++)
            for (uint64_t key = 0; key < 1 + 30 * (uint64_t)(start % 2); key++)
                CHECK_INT(add(&slices, start, key, key + 7), ==, WR_OK);
        ship(&slices, &twin, piece_bytes % 2 == 0, piece_bytes);
        CHECK_INT(twin.count, ==, 6);
        for (uint32_t i = 0; i < twin.count; i++) {
            CHECK_INT(wr_table_count(twin.items[i].table), ==, 1 + 30 * (i % 2));
            CHECK_INT(get(&twin, i, 0), ==, 7);
        }
        wr_slices_release(&slices);
        wr_slices_release(&twin);
    }
}

TEST(slices_log_that_was_cut_is_refused) {
    struct wr_slices slices;
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    wr_slices_init(&slices, &wr_budget_control, &shape, 3);
    for (int64_t start = 0; start < 5; start++)
        CHECK_INT(add(&slices, start, 1, 2), ==, WR_OK);
    CHECK_INT(wr_slices_save(&slices, &log, 1, SIZE_MAX), ==, WR_OK);
    for (size_t length = 0; length < log.length; length++) {
        struct wr_slices twin;
        struct wr_reader in = {.bytes = log.bytes, .length = length};
        wr_slices_init(&twin, &wr_budget_control, &shape, 3);
        CHECK_INT(wr_slices_load(&twin, &in), ==, WR_ECORRUPT);
        wr_slices_release(&twin);
    }
    wr_slices_release(&slices);
    wr_buf_release(&log);
}

TEST_EACH_ALLOCATION_FAILS(slices_give_everything_back) {
    struct wr_slices slices, twin;
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    wr_slices_init(&slices, &wr_budget_control, &shape, 3);
    wr_slices_init(&twin, &wr_budget_control, &shape, 3);
    int status = WR_OK;
    for (int64_t start = 0; start < 12 && status == WR_OK; start++)
        status = add(&slices, start, 1, 2);
    if (status == WR_OK)
        status = wr_slices_save(&slices, &log, 0, SIZE_MAX);
    wr_slices_drop_before(&slices, 6); /* never fails */
    if (status == WR_OK) {
        struct wr_reader in = {.bytes = log.bytes, .length = log.length};
        status = wr_slices_load(&twin, &in);
    }
    CHECK(status == WR_OK || status == WR_ENOMEM);
    wr_slices_release(&slices);
    wr_slices_release(&twin);
    wr_buf_release(&log);
}
