/* test_overflow.c: pages of a table that was read back have others behind them, since its rows come
 * in the order of their hashes: what is deleted from them, and what is saved of them. */
#include "test.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/key.h"
#include "state/page.h"
#include "state/scratch.h"
#include "state/table.h"

#define ROWS 8000u
#define LOGS_MAX 64u

static const struct wr_shape shape = {.key_bytes = 8, .row_bytes = 208};

struct rows {
    struct wr_budget budget;
    struct wr_table *table;
    uint64_t seed;
    struct wr_buf logs[LOGS_MAX];
    uint32_t log_count;
};

static uint8_t *find(const struct rows *s, uint64_t id) {
    uint64_t hash = wr_shape_hash(&shape, &id, s->seed);
    uint8_t *row = NULL;
    wr_table_find(s->table, &id, &hash, 1, &row);
    return row;
}

static void add(struct rows *s, uint64_t from, uint64_t to) {
    for (uint64_t id = from; id < to; id++) {
        uint64_t hash = wr_shape_hash(&shape, &id, s->seed);
        uint8_t *row;
        CHECK_INT(wr_table_upsert(s->table, &id, &hash, 1, &row, NULL), ==, WR_OK);
        memcpy(row + 8, &id, 8);
    }
}

static void save(struct rows *s, int all) {
    int status;
    do {
        CHECK_INT(s->log_count, <, LOGS_MAX);
        struct wr_buf *log = &s->logs[s->log_count++];
        wr_buf_init(log, &s->budget, 0);
        status = wr_table_save(s->table, log, all, 1u << 20);
        CHECK(status == WR_OK || status == WR_EAGAIN);
    } while (status == WR_EAGAIN);
}

/* Another process: what it knows is what was saved. */
static void load(struct rows *s) {
    wr_table_free(s->table);
    s->table = wr_table_new(&s->budget, &shape, s->seed);
    for (uint32_t i = 0; i < s->log_count; i++) {
        struct wr_reader in = {.bytes = s->logs[i].bytes, .length = s->logs[i].length};
        CHECK_INT(wr_table_load(s->table, &in), ==, WR_OK);
    }
}

static void check(const struct rows *s, uint64_t from, uint64_t to) {
    CHECK_INT(wr_table_count(s->table), ==, to - from);
    for (uint64_t id = from; id < to; id++) {
        const uint8_t *row = find(s, id);
        CHECK(row != NULL);
        CHECK(memcmp(row + 8, &id, 8) == 0);
    }
}

static void begin(struct rows *s, uint64_t seed) {
    *s = (struct rows){.budget = WR_BUDGET_INIT("test", 0), .seed = seed};
    s->table = wr_table_new(&s->budget, &shape, seed);
    add(s, 1, ROWS);
    save(s, 1);
    load(s);
}

static void end(struct rows *s) {
    wr_table_free(s->table);
    for (uint32_t i = 0; i < s->log_count; i++)
        wr_buf_release(&s->logs[i]);
    CHECK_INT(s->budget.bytes_used, ==, 0);
}

/* Those of the first pages, which had to take others behind them. */
static uint64_t first_rows(uint64_t seed, uint64_t ids[ROWS]) {
    uint64_t count = 0;
    for (uint64_t id = 1; id < ROWS; id++)
        if (wr_shape_hash(&shape, &id, seed) >> 58 == 0)
            ids[count++] = id;
    for (uint64_t i = count - 1; i > 0; i--) {
        uint64_t other = wr_hash_u64(i, seed) % (i + 1), id = ids[i];
        ids[i] = ids[other];
        ids[other] = id;
    }
    return count;
}

TEST(rows_go_from_pages_behind_others_in_any_order) {
    for (uint64_t seed = 1; seed <= 300; seed++) {
        static uint64_t ids[ROWS];
        struct rows s;
        begin(&s, seed);
        uint64_t count = first_rows(seed, ids);
        for (uint64_t i = 0; i < count; i++)
            CHECK(wr_table_delete(s.table, &ids[i], wr_shape_hash(&shape, &ids[i], seed)));
        CHECK_INT(wr_table_count(s.table), ==, ROWS - 1 - count);
        end(&s);
    }
}

TEST(rows_that_move_to_a_page_which_was_saved_are_saved) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rows s;
        begin(&s, seed);
        save(&s, 1); /* of a page that has more rows behind it nothing is to be saved */
        add(&s, ROWS, ROWS * 3);
        save(&s, 0);
        load(&s);
        check(&s, 1, ROWS * 3);
        end(&s);
    }
}

static uint64_t walk(const struct rows *s) {
    struct wr_table_walk walk;
    uint64_t count = 0;
    wr_table_walk_begin(&walk, s->table);
    while (wr_table_walk_next(&walk) != NULL)
        count++;
    return count;
}

/* Keys whose hashes begin alike are in a chain of pages that may not split while there are few. It
 * rests; when it comes back there are so many others that it splits, and the directory grows. */
TEST(overflow_pages_that_rested_are_all_there) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct rows s = {.budget = WR_BUDGET_INIT("test", 0), .seed = seed};
        struct wr_apart apart = {.env = wr_env_real()};
        uint64_t alike = 0;
        s.table = wr_table_new(&s.budget, &shape, seed);
        CHECK_INT(wr_apart_make_scratch(&apart, &wr_budget_control), ==, WR_OK);
        for (uint64_t id = ROWS; alike < 600; id++)
            if (wr_shape_hash(&shape, &id, seed) >> 52 == 0xabc) {
                add(&s, id, id + 1);
                alike++;
            }
        CHECK_INT(wr_table_relieve(s.table, &apart, 0), ==, WR_OK);
        for (uint64_t id = 1; id < ROWS; id++)
            if (wr_shape_hash(&shape, &id, seed) >> 60 != 0xa) {
                add(&s, id, id + 1);
                alike++;
            }
        uint32_t depth = s.table->depth;
        CHECK_INT(wr_table_count(s.table), ==, alike);
        CHECK_INT(wr_table_relieve(s.table, &apart, 0), ==, WR_OK);
        CHECK_INT(walk(&s), ==, alike);
        CHECK_INT(s.table->depth, >, depth);
        end(&s);
        wr_scratch_free(apart.scratch);
    }
}

/* Those that were split since, too: a table that grows stays within what it may take. */
TEST(overflow_pages_rest_until_there_are_no_more_than_may_be) {
    struct rows s = {.budget = WR_BUDGET_INIT("test", 0), .seed = 1};
    struct wr_apart apart = {.env = wr_env_real()};
    const uint64_t bytes_max = 512 << 10, rows = 30000;
    s.table = wr_table_new(&s.budget, &shape, s.seed);
    CHECK_INT(wr_apart_make_scratch(&apart, &wr_budget_control), ==, WR_OK);
    for (uint64_t id = 1; id < rows; id += 16) {
        add(&s, id, id + 16);
        CHECK_INT(wr_table_relieve(s.table, &apart, bytes_max), ==, WR_OK);
        CHECK_INT(wr_table_live_bytes(s.table), <=, bytes_max);
    }
    CHECK(wr_apart_resting_bytes(&apart) > bytes_max);
    CHECK_INT(walk(&s), ==, rows);
    end(&s);
    wr_scratch_free(apart.scratch);
}
