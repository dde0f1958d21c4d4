/* test_table_sorted.c: rows of tables that were taken one after the other, in the order of their
 * keys, beside one table that has them all. */
#include "test.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/page.h"
#include "state/scratch.h"
#include "state/table_sorted.h"

#define SEED 11
#define TAKES 4u
#define TEXT_MAX 40u

/* A row: its key, a sum, a blob in which each addition leaves a byte. */
struct stand {
    struct wr_key_layout layout;
    struct wr_cell cells[2];
    struct wr_shape shape;
    struct wr_apart apart;
    struct wr_budget budget;
    uint64_t random;
};

static uint64_t below(struct stand *stand, uint64_t count) {
    stand->random = wr_hash_u64(stand->random + 1, 5);
    return stand->random % count;
}

static void begin(struct stand *stand, int has_text, int has_blob, uint64_t seed) {
    struct wr_type type = WR_TYPE(has_text ? WR_STRING : WR_INT64);
    memset(stand, 0, sizeof *stand);
    CHECK_INT(wr_key_layout_init(&stand->layout, &type, 1, 0), ==, WR_OK);
    uint32_t key_bytes = stand->layout.key_bytes;
    memcpy(stand->cells, stand->layout.cells, stand->layout.cell_count * sizeof *stand->cells);
    stand->cells[stand->layout.cell_count] =
        (struct wr_cell){.kind = WR_CELL_BLOB, .offset = key_bytes + 8};
    stand->shape = (struct wr_shape){.key_bytes = key_bytes,
                                     .row_bytes = key_bytes + (has_blob ? 24 : 8),
                                     .cell_count = stand->layout.cell_count + (has_blob ? 1 : 0),
                                     .cells = stand->cells};
    stand->budget = (struct wr_budget)WR_BUDGET_INIT("test", 0);
    stand->random = seed;
    stand->apart = (struct wr_apart){.env = wr_env_real(), .memory_bytes = 1 + below(stand, 40000)};
}

static void add_to(const struct stand *stand, struct wr_table *table, uint8_t *row, uint64_t value,
                   char mark) {
    uint64_t sum;
    memcpy(&sum, row + stand->shape.key_bytes, 8);
    sum += value;
    memcpy(row + stand->shape.key_bytes, &sum, 8);
    if (stand->shape.row_bytes == stand->shape.key_bytes + 8)
        return;
    struct wr_blob *blob = (struct wr_blob *)(void *)(row + stand->shape.key_bytes + 8);
    CHECK_INT(wr_blob_reserve(table, blob, blob->length + 1), ==, WR_OK);
    blob->bytes[blob->length++] = mark;
}

static void add(const struct stand *stand, struct wr_table *table, uint64_t number, uint64_t value,
                char mark) {
    char text[TEXT_MAX];
    int length = snprintf(text, sizeof text, "%d%s", (int)number - 500,
                          number % 3 == 0 ? " is a key that is long" : "");
    struct wr_str str = wr_str_of(text, (uint32_t)length);
    int64_t word = (int64_t)number - 500;
    struct wr_column column = {.data = stand->layout.cell_count > 0 ? (void *)&str : &word};
    _Alignas(16) char key[16];
    uint64_t hash;
    uint8_t *row;
    wr_keys_build(&stand->layout, &column, NULL, 1, SEED, key, &hash);
    CHECK_INT(wr_table_upsert(table, key, &hash, 1, &row, NULL), ==, WR_OK);
    add_to(stand, table, row, value, mark);
}

static int merge(void *ctx, struct wr_table *table, uint8_t *into, const uint8_t *from) {
    const struct stand *stand = ctx;
    uint64_t value;
    memcpy(&value, from + stand->shape.key_bytes, 8);
    const struct wr_blob *blob = (const struct wr_blob *)(from + stand->shape.key_bytes + 8);
    int has_blob = stand->shape.row_bytes > stand->shape.key_bytes + 8;
    add_to(stand, table, into, value, has_blob ? blob->bytes[0] : 0);
    for (uint32_t i = 1; has_blob && i < blob->length; i++)
        add_to(stand, table, into, 0, blob->bytes[i]);
    return WR_OK;
}

static void check_row(const struct stand *stand, const uint8_t *expected, const uint8_t *found) {
    uint32_t key_bytes = stand->shape.key_bytes;
    CHECK_INT(wr_keys_compare(&stand->layout, expected, found), ==, 0);
    CHECK_INT(memcmp(expected + key_bytes, found + key_bytes, 8), ==, 0);
    if (stand->shape.row_bytes == key_bytes + 8)
        return;
    const struct wr_blob *x = (const struct wr_blob *)(expected + key_bytes + 8);
    const struct wr_blob *y = (const struct wr_blob *)(found + key_bytes + 8);
    CHECK_INT(x->length, ==, y->length);
    CHECK_INT(memcmp(x->bytes, y->bytes, x->length), ==, 0);
}

/* Pages of a table may rest when its rows are taken. */
static struct wr_table *fill(struct stand *stand, struct wr_table *all, uint64_t keys, char mark) {
    struct wr_table *table = wr_table_new_paged(&stand->budget, &stand->shape, SEED, 512);
    CHECK(table != NULL);
    for (uint64_t i = below(stand, 2 * keys + 1); i > 0; i--) {
        uint64_t number = below(stand, keys), value = below(stand, 1000);
        add(stand, table, number, value, mark);
        add(stand, all, number, value, mark);
    }
    if (below(stand, 2) == 0)
        CHECK_INT(wr_table_relieve(table, &stand->apart, below(stand, wr_table_bytes(table))), ==,
                  WR_OK);
    return table;
}

static void check_merge(struct stand *stand, struct wr_sorted *sorted, const struct wr_table *all) {
    struct wr_arena arena;
    wr_arena_init(&arena, &stand->budget, 4096);
    uint8_t **expected = wr_keys_rows(&stand->layout, all, &arena);
    uint64_t at = 0, count = wr_table_count(all);
    for (;;) {
        struct wr_table *rows;
        uint32_t rows_max = 1 + (uint32_t)below(stand, 100);
        CHECK_INT(wr_sorted_next(sorted, rows_max, merge, stand, &rows), ==, WR_OK);
        if (rows == NULL)
            break;
        CHECK_INT(wr_table_count(rows), <=, rows_max);
        uint8_t **found = wr_keys_rows(&stand->layout, rows, &arena);
        for (uint64_t i = 0; i < wr_table_count(rows); i++) {
            CHECK_INT(at, <, count);
            check_row(stand, expected[at++], found[i]);
        }
        wr_table_free(rows);
    }
    CHECK_INT(at, ==, count);
    wr_arena_release(&arena);
}

static void run(int has_text, int has_blob, uint64_t seed) {
    struct stand stand;
    begin(&stand, has_text, has_blob, seed);
    struct wr_table *all = wr_table_new(&stand.budget, &stand.shape, SEED);
    struct wr_sorted *sorted;
    CHECK_INT(wr_sorted_new(&sorted, &stand.layout, all, &stand.apart), ==, WR_OK);
    uint64_t keys = 1 + below(&stand, 1000);
    for (uint32_t take = 0; take < TAKES; take++) {
        struct wr_table *table = fill(&stand, all, keys, (char)('a' + take));
        CHECK_INT(wr_sorted_take(sorted, table), ==, WR_OK);
        wr_table_free(table);
    }
    if (below(&stand, 8) > 0) /* else nobody wants more of it */
        check_merge(&stand, sorted, all);
    wr_sorted_free(sorted);
    wr_table_free(all);
    if (stand.apart.scratch != NULL)
        CHECK_INT(wr_scratch_bytes(stand.apart.scratch), ==, 0);
    wr_scratch_free(stand.apart.scratch);
    CHECK_INT(stand.budget.bytes_used, ==, 0);
}

TEST(sorted_rows_of_several_tables_are_those_of_one) {
    uint64_t seed = test_seed();
    do {
        run(0, 0, seed++);
        run(1, 0, seed++);
        run(0, 1, seed++);
        run(1, 1, seed++);
    } while (test_random_time_left());
}

/* What cannot be read is an error, and all is given back. */
TEST(sorted_rows_without_memory_are_an_error) {
    for (uint64_t bytes = 1000; bytes < 200000; bytes += 997) {
        struct stand stand;
        begin(&stand, 1, 1, 3);
        stand.apart.memory_bytes = 2000;
        struct wr_table *all = wr_table_new(&stand.budget, &stand.shape, SEED);
        struct wr_table *table = fill(&stand, all, 400, 'a'), *rows = NULL;
        struct wr_sorted *sorted = NULL;
        stand.budget.bytes_max = stand.budget.bytes_used + bytes;
        int status = wr_sorted_new(&sorted, &stand.layout, all, &stand.apart);
        if (status == WR_OK)
            status = wr_sorted_take(sorted, table);
        do {
            wr_table_free(rows);
            rows = NULL;
            if (status == WR_OK)
                status = wr_sorted_next(sorted, 50, merge, &stand, &rows);
        } while (status == WR_OK && rows != NULL);
        CHECK(status == WR_OK || status == WR_ENOMEM);
        wr_sorted_free(sorted);
        wr_table_free(table);
        wr_table_free(all);
        wr_scratch_free(stand.apart.scratch);
        CHECK_INT(stand.budget.bytes_used, ==, 0);
    }
}
