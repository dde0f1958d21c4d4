/* test_key.c: keys from columns: equal values have equal bytes and hashes; the order of keys. */
#include "test.h"

#include <math.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/key.h"

#define ROWS 6

static const int64_t ints[ROWS] = {5, -3, INT64_MIN, 7, 7, 0};
static const uint8_t bools[ROWS] = {1, 0, 1, 1, 1, 0};
static const double floats[ROWS] = {0.0, -0.0, NAN, -NAN, INFINITY, -1.5};
static const __int128 decimals[ROWS] = {1, -1, (__int128)1 << 100, 0, 0, 1};
static const uint64_t some_valid[1] = {0x2f}; /* row 4 is nil */

static struct wr_str strings[ROWS];

static void strings_init(void) {
    static const char *const texts[ROWS] = {"",   "b", "a long text, longer than twelve",
                                            "bb", "b", "a long text, longer than thirteen"};
    for (int i = 0; i < ROWS; i++)
        strings[i] = wr_str_of(texts[i], (uint32_t)strlen(texts[i]));
}

static const struct wr_type all_types[] = {{.kind = WR_INT64},
                                           {.kind = WR_BOOL},
                                           {.kind = WR_STRING},
                                           {.kind = WR_DECIMAL, .precision = 18, .scale = 2},
                                           {.kind = WR_FLOAT64}};

static void all_columns(struct wr_column *columns, const uint64_t *valid) {
    strings_init();
    const void *const data[] = {ints, bools, strings, decimals, floats};
    for (int c = 0; c < 5; c++)
        columns[c] = (struct wr_column){.data = (void *)(uintptr_t)data[c], .valid = valid};
}

TEST(key_layout_places_columns) {
    struct wr_key_layout layout;
    CHECK_INT(wr_key_layout_init(&layout, all_types, 5, 1), ==, WR_OK);
    CHECK_INT(layout.key_bytes, ==, 8 + 8 + 8 + 16 + 16 + 8);
    CHECK_INT(layout.nils, ==, 1);
    CHECK_INT(layout.offsets[2], ==, 24);
    CHECK_INT(layout.cell_count, ==, 1);
    CHECK_INT(layout.cells[0].offset, ==, 24);
    CHECK_INT(wr_key_layout_init(&layout, all_types, 1, 0), ==, WR_OK);
    CHECK_INT(layout.key_bytes, ==, 8);
    CHECK_INT(wr_key_layout_init(&layout, NULL, 0, 1), ==, WR_OK);
    CHECK_INT(layout.key_bytes, ==, 0);
    CHECK_INT(wr_key_layout_init(&layout, &WR_TYPE(WR_NIL), 1, 1), ==, WR_EUNSUPPORTED);
    struct wr_type many[WR_KEY_COLUMNS_MAX + 1] = {{.kind = WR_INT64}};
    CHECK_INT(wr_key_layout_init(&layout, many, WR_KEY_COLUMNS_MAX + 1, 1), ==, WR_ELIMIT);
}

/* For each layout: what is built has the hash that the table computes, and reads back. */
static void check_round_trip(uint32_t first, uint32_t count, int nils) {
    struct wr_column columns[5];
    struct wr_key_layout layout;
    static const uint32_t sel[] = {0, 2, 3, 4, 5};
    all_columns(columns, nils ? some_valid : NULL);
    CHECK_INT(wr_key_layout_init(&layout, all_types + first, count, nils), ==, WR_OK);
    struct wr_shape shape = {.key_bytes = layout.key_bytes,
                             .row_bytes = layout.key_bytes,
                             .cell_count = layout.cell_count,
                             .cells = layout.cells};
    uint8_t keys[ROWS * 64], *rows[ROWS];
    uint64_t hashes[ROWS], valid[1];
    wr_keys_build(&layout, columns + first, sel, 5, 99, keys, hashes);
    for (uint32_t i = 0; i < 5; i++) {
        rows[i] = keys + i * layout.key_bytes;
        CHECK_INT(hashes[i], ==, wr_shape_hash(&shape, rows[i], 99));
    }
    for (uint32_t c = 0; c < count; c++) {
        char out[ROWS * 16];
        uint32_t bytes = wr_type_bytes(layout.types[c].kind);
        wr_keys_read(&layout, c, rows, 5, out, valid);
        CHECK_INT(valid[0], ==, nils ? 0x17 : 0x1f);
        for (uint32_t i = 0; i < 5; i++) {
            const char *value = (const char *)columns[first + c].data + (size_t)sel[i] * bytes;
            static const char zeros[16];
            if (nils && sel[i] == 4)
                CHECK_MEM(out + i * bytes, zeros, bytes);
            else if (layout.types[c].kind != WR_FLOAT64 || sel[i] != 3)
                CHECK_MEM(out + i * bytes, value, bytes);
        }
    }
}

TEST(key_reads_back_and_hashes_as_the_table_does) {
    for (uint32_t first = 0; first < 5; first++)
        for (uint32_t count = 1; first + count <= 5; count++)
            for (int nils = 0; nils < 2; nils++)
                check_round_trip(first, count, nils);
}

TEST(key_of_equal_floats_is_equal) {
    struct wr_column columns[5];
    struct wr_key_layout layout;
    uint64_t keys[ROWS], hashes[ROWS];
    all_columns(columns, NULL);
    CHECK_INT(wr_key_layout_init(&layout, all_types + 4, 1, 0), ==, WR_OK);
    wr_keys_build(&layout, columns + 4, NULL, ROWS, 1, keys, hashes);
    CHECK_INT(keys[0], ==, 0);
    CHECK_INT(keys[1], ==, 0);       /* -0.0 */
    CHECK_INT(keys[2], ==, keys[3]); /* NaN of either sign */
    CHECK_INT(hashes[2], ==, hashes[3]);
    CHECK(keys[4] != keys[5]);
}

TEST(key_that_is_nil_differs_from_zero) {
    static const int64_t zeros[2] = {0, 0};
    static const uint64_t valid[1] = {2};
    struct wr_column column = {.data = (void *)(uintptr_t)zeros, .valid = valid};
    struct wr_key_layout layout;
    uint64_t keys[4], hashes[2];
    CHECK_INT(wr_key_layout_init(&layout, all_types, 1, 1), ==, WR_OK);
    wr_keys_build(&layout, &column, NULL, 2, 1, keys, hashes);
    CHECK(memcmp(&keys[0], &keys[2], 16) != 0);
    CHECK(hashes[0] != hashes[1]);
    CHECK_INT(wr_keys_compare(&layout, (uint8_t *)&keys[0], (uint8_t *)&keys[2]), >, 0);
    CHECK_INT(wr_keys_compare(&layout, (uint8_t *)&keys[0], (uint8_t *)&keys[0]), ==, 0);
}

/* Sorts all rows by one column and returns their numbers as text. */
static const char *sorted(uint32_t column, int nils) {
    static char text[ROWS + 1];
    struct wr_column columns[5];
    struct wr_key_layout layout;
    uint8_t keys[ROWS * 64], *rows[ROWS];
    uint64_t hashes[ROWS];
    all_columns(columns, nils ? some_valid : NULL);
    CHECK_INT(wr_key_layout_init(&layout, all_types + column, 1, nils), ==, WR_OK);
    wr_keys_build(&layout, columns + column, NULL, ROWS, 1, keys, hashes);
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = keys + i * layout.key_bytes;
    wr_keys_sort(&layout, rows, ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        text[i] = (char)('0' + (rows[i] - keys) / (ptrdiff_t)layout.key_bytes);
    return text;
}

TEST(key_order_is_by_value_with_nan_after_numbers_and_nil_last) {
    CHECK_STR(sorted(0, 0), "215034");
    CHECK_STR(sorted(0, 1), "215034");
    CHECK_STR(sorted(2, 0), "052143");
    CHECK_STR(sorted(2, 1), "052134");
    CHECK_STR(sorted(3, 0), "134052");
    CHECK_STR(sorted(4, 0), "501423");
    CHECK_STR(sorted(4, 1), "501234");
}

TEST(key_sort_agrees_with_compare_on_any_input) {
    enum { COUNT = 5000 };
    static uint64_t keys[COUNT];
    static uint8_t *rows[COUNT];
    struct wr_key_layout layout;
    uint64_t seed = test_seed();
    CHECK_INT(wr_key_layout_init(&layout, all_types, 1, 0), ==, WR_OK);
    for (int pattern = 0; pattern < 6; pattern++) {
        uint64_t sum = 0, sum_after = 0;
        for (uint64_t i = 0; i < COUNT; i++) {
            uint64_t values[] = {i,     COUNT - i, wr_hash_u64(i, seed),
                                 i % 7, 1,         i < COUNT / 2 ? i : COUNT - i};
            keys[i] = values[pattern];
            rows[i] = (uint8_t *)&keys[i];
            sum += keys[i];
        }
        wr_keys_sort(&layout, rows, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint64_t key;
            memcpy(&key, rows[i], 8);
            sum_after += key;
            if (i > 0)
                CHECK_INT(wr_keys_compare(&layout, rows[i - 1], rows[i]), <=, 0);
        }
        CHECK_INT(sum, ==, sum_after);
    }
}

/* Keys of one column of each type, with nils, in numbers that digits sort. */
TEST(key_sort_by_digits_agrees_with_compare_for_every_type) {
    enum { COUNT = 3000 };
    static char data[COUNT * 16], texts[COUNT][24], keys[COUNT * 24];
    static uint8_t *rows[COUNT];
    static uint64_t hashes[COUNT], valid[WR_BITS_WORDS(COUNT)];
    static const struct wr_type types[] = {{.kind = WR_INT64},   {.kind = WR_BOOL},
                                           {.kind = WR_STRING},  {.kind = WR_FLOAT64},
                                           {.kind = WR_DECIMAL}, {.kind = WR_TIMESTAMP}};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        struct wr_key_layout layout;
        uint32_t bytes = wr_type_bytes(types[t].kind);
        CHECK_INT(wr_key_layout_init(&layout, &types[t], 1, t % 2 == 0), ==, WR_OK);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint64_t random = wr_hash_u64(i, 5), words[2] = {random, wr_hash_u64(i % 50, 6)};
            double number = (double)(int64_t)random / (i % 2 ? 1e10 : 1e25);
            int length = snprintf(texts[i], sizeof texts[i], "%llx text %u",
                                  (unsigned long long)random % 8, i % 100);
            struct wr_str str = wr_str_of(texts[i], (uint32_t)length - i % 4);
            if (types[t].kind == WR_FLOAT64 && i % 16 != 0)
                memcpy(words, &number, 8);
            if (types[t].kind == WR_BOOL)
                words[0] &= 1;
            memcpy(data + i * bytes, types[t].kind == WR_STRING ? (void *)&str : words, bytes);
            wr_bit_put(valid, i, random % 7 != 0);
        }
        struct wr_column column = {.data = data, .valid = t % 2 == 0 ? valid : NULL};
        wr_keys_build(&layout, &column, NULL, COUNT, 1, keys, hashes);
        for (uint32_t i = 0; i < COUNT; i++)
            rows[i] = (uint8_t *)keys + i * layout.key_bytes;
        wr_keys_sort(&layout, rows, COUNT);
        for (uint32_t i = 1; i < COUNT; i++)
            CHECK_INT(wr_keys_compare(&layout, rows[i - 1], rows[i]), <=, 0);
    }
}

TEST(key_rows_with_strings_outlive_their_columns) {
    struct wr_key_layout layout;
    strings_init();
    char text[] = "a long text, longer than twelve";
    struct wr_str value = wr_str_of(text, (uint32_t)strlen(text));
    struct wr_column column = {.data = &value};
    CHECK_INT(wr_key_layout_init(&layout, all_types + 2, 1, 0), ==, WR_OK);
    struct wr_shape shape = {.key_bytes = layout.key_bytes,
                             .row_bytes = layout.key_bytes + 8,
                             .cell_count = layout.cell_count,
                             .cells = layout.cells};
    struct wr_table *table = wr_table_new(&wr_budget_control, &shape, 5);
    uint8_t key[16], *row, *again;
    uint64_t hash;
    wr_keys_build(&layout, &column, NULL, 1, 5, key, &hash);
    CHECK_INT(wr_table_upsert(table, key, &hash, 1, &row, NULL), ==, WR_OK);
    memset(text, 'x', sizeof text - 1);
    column.data = &strings[2];
    wr_keys_build(&layout, &column, NULL, 1, 5, key, &hash);
    wr_table_find(table, key, &hash, 1, &again);
    CHECK_PTR(row, ==, again);
    wr_table_free(table);
}

TEST(keys_put_into_rows_and_read_as_columns_hold_their_own_strings) {
    struct wr_column columns[5];
    all_columns(columns, some_valid);
    struct wr_key_layout layout;
    CHECK_INT(wr_key_layout_init(&layout, all_types, 5, 1), ==, WR_OK);
    char *keys = wr_alloc_zero(&wr_budget_control, (size_t)ROWS * layout.key_bytes);
    uint64_t hashes[ROWS];
    wr_keys_build(&layout, columns, NULL, ROWS, 1, keys, hashes);
    struct wr_cell cells[5];
    for (uint32_t i = 0; i < layout.cell_count; i++) {
        cells[i] = layout.cells[i];
        cells[i].offset += 8;
    }
    struct wr_shape shape = {.key_bytes = 8,
                             .row_bytes = 8 + layout.key_bytes,
                             .cell_count = layout.cell_count,
                             .cells = cells};
    struct wr_table *table = wr_table_new(&wr_budget_control, &shape, 1);
    uint8_t *rows[ROWS];
    for (uint64_t i = 0; i < ROWS; i++) {
        uint64_t hash = wr_shape_hash(&shape, &i, 1);
        CHECK_INT(wr_table_upsert(table, &i, &hash, 1, &rows[i], NULL), ==, WR_OK);
        CHECK_INT(wr_keys_put(&layout, table, rows[i] + 8, keys + i * layout.key_bytes), ==, WR_OK);
        CHECK_INT(wr_keys_put(&layout, table, rows[i] + 8, keys + i * layout.key_bytes), ==, WR_OK);
    }
    for (uint64_t i = 0; i < ROWS; i++) {
        uint64_t hash = wr_shape_hash(&shape, &i, 1);
        wr_table_find(table, &i, &hash, 1, &rows[i]);
        rows[i] += 8;
        CHECK_INT(wr_keys_compare(&layout, rows[i], (uint8_t *)keys + i * layout.key_bytes), ==, 0);
    }
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &wr_budget_control);
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 1024);
    struct wr_schema *schema = wr_schema_new(&arena, 5);
    schema->field_count = 5;
    for (uint32_t c = 0; c < 5; c++)
        schema->fields[c] = (struct wr_field){.name = "", .type = all_types[c]};
    struct wr_batch *batch = wr_batch_new(&pool, schema);
    CHECK_INT(wr_keys_column(&layout, 2, rows, ROWS, batch, 2), ==, WR_OK);
    wr_table_free(table);
    wr_free(&wr_budget_control, keys);
    for (uint32_t i = 0; i < ROWS; i++) {
        CHECK_INT(wr_column_is_nil(&batch->columns[2], i), ==, i == 4);
        if (i != 4)
            CHECK(wr_str_equal(&WR_STR(&batch->columns[2])[i], &strings[i]));
    }
    wr_batch_unref(batch);
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
}
