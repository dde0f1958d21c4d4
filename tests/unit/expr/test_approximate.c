/* test_approximate.c: approximate aggregates over many rows, beside what is exact: how far they are
 * off, that parts merge to the same, and that a state that was saved goes on as it was. */
#include "support_aggregates.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"
#include "expr/aggregate.h"
#include "state/key.h"
#include "state/table.h"

#define ROWS 60000

/* One column x of float64 and its batch, for stages of one group. */
struct many {
    struct stage stage;
    double *x;
};

static void many_open(struct many *many, const char *item) {
    static struct wr_column columns[1];
    static double values[ROWS];
    struct test_world *world = &many->stage.world;
    memset(many, 0, sizeof *many);
    test_world_init(world);
    struct wr_schema *schema = wr_schema_new(&world->arena, 1);
    schema->fields[0].name = "x";
    schema->fields[0].name_length = 1;
    schema->fields[0].type = WR_TYPE(WR_FLOAT64);
    columns[0] = (struct wr_column){.data = values};
    world->schema = schema;
    world->scope.input = schema;
    world->scope.flags = 0;
    world->batch.schema = schema;
    world->batch.columns = columns;
    world->batch.row_count = world->batch.sel_count = ROWS;
    many->x = values;
    CHECK_INT(stage_bind(&many->stage, NULL, item, 0), ==, WR_OK);
    table_open(&many->stage);
}

static uint8_t *only_row(const struct wr_table *table) {
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, table);
    return wr_table_walk_next(&walk);
}

static uint8_t *row_for(struct stage *stage, struct wr_table *table) {
    uint64_t key = 0, hash;
    uint8_t *row;
    wr_keys_build(&stage->aggregates->layout, NULL, NULL, 1, wr_table_seed(table), &key, &hash);
    CHECK_INT(wr_table_upsert(table, &key, &hash, 1, &row, NULL), ==, WR_OK);
    return row;
}

/* Merges tables of `parts` pieces of the rows, in their order. */
static void many_merge(struct many *many, uint32_t count, uint32_t parts) {
    for (uint32_t p = 0; p < parts; p++) {
        struct wr_table *part =
            wr_table_new(&wr_budget_control, &many->stage.aggregates->shape, 100 + p);
        stage_add(&many->stage, part, count / parts * p,
                  p + 1 == parts ? count : count / parts * (p + 1));
        uint8_t *into = row_for(&many->stage, many->stage.table);
        if (only_row(part) != NULL)
            CHECK_INT(wr_aggregates_merge(many->stage.aggregates, many->stage.table, into,
                                          only_row(part)),
                      ==, WR_OK);
        wr_table_free(part);
    }
}

static const char *many_show(struct many *many, uint32_t item) {
    if (many->stage.middle == NULL)
        stage_fire(&many->stage, many->stage.table);
    return stage_show(&many->stage, item, 0);
}

/* ---- approx_count_distinct ---- */

TEST(a_cardinality_is_exact_while_it_is_small_and_within_four_errors_beyond) {
    static const uint32_t counts[] = {0, 1, 7, 100, 3000, 5000, 20000, 60000};
    for (uint32_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        double whole = 0;
        for (uint32_t parts = 1; parts <= 9; parts += 4) {
            struct many many;
            many_open(&many, "n = approx_count_distinct(x)");
            for (uint32_t i = 0; i < ROWS; i++)
                many.x[i] = i % (counts[c] + 1) * 1.5;
            uint32_t rows = counts[c] + 1 > ROWS ? ROWS : counts[c] + 1;
            many_merge(&many, rows, parts);
            double found = strtod(many_show(&many, 0), NULL);
            CHECK(fabs(found - rows) <= (rows <= 3072 ? 0 : rows * 4 * 0.0081));
            if (parts == 1)
                whole = found;
            CHECK(found == whole); /* however it is split */
            stage_close(&many.stage);
        }
    }
}

TEST(a_cardinality_counts_no_value_twice_and_its_state_stays_small) {
    struct many many;
    many_open(&many, "n = approx_count_distinct(x)");
    for (uint32_t i = 0; i < ROWS; i++)
        many.x[i] = i % 50;
    stage_add(&many.stage, many.stage.table, 0, ROWS);
    CHECK_STR(many_show(&many, 0), "50");
    CHECK_INT(wr_table_bytes(many.stage.table), <, 8192);
    stage_close(&many.stage);
    many_open(&many, "n = approx_count_distinct(x)");
    for (uint32_t i = 0; i < ROWS; i++)
        many.x[i] = i;
    stage_add(&many.stage, many.stage.table, 0, ROWS);
    CHECK_INT(wr_table_bytes(many.stage.table), <, 32768);
    stage_close(&many.stage);
}

/* ---- approx_quantile ---- */

static int double_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double uniform(uint32_t i) {
    return (double)(wr_hash_u64(i, 7) >> 11) * 0x1p-53;
}
static double shape_uniform(uint32_t i) {
    return uniform(i);
}
static double shape_skewed(uint32_t i) {
    return exp(8 * uniform(i));
}
static double shape_rising(uint32_t i) {
    return i;
}
static double shape_falling(uint32_t i) {
    return -(double)i;
}
static double shape_few(uint32_t i) {
    return floor(uniform(i) * 5);
}
static double shape_two_heaps(uint32_t i) {
    return uniform(i) + (i % 2 == 0 ? 0 : 1e9);
}

/* The share of values below, less q: 0 where q lies within the share of equal ones. */
static double share_error(const double *sorted, uint32_t count, double value, double q) {
    uint32_t below = 0, upto = 0;
    while (below < count && sorted[below] < value)
        below++;
    upto = below;
    while (upto < count && sorted[upto] <= value)
        upto++;
    double low = (double)below / count, high = (double)upto / count;
    return q < low ? low - q : q > high ? q - high : 0;
}

TEST(a_quantile_is_off_by_less_than_a_hundredth_of_the_values) {
    static double (*const shapes[])(uint32_t) = {shape_uniform, shape_skewed, shape_rising,
                                                 shape_falling, shape_few,    shape_two_heaps};
    static const double qs[] = {0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1};
    const char *items = "q0 = approx_quantile(x, 0), q1 = approx_quantile(x, 0.001)\n"
                        "q2 = approx_quantile(x, 0.01), q3 = approx_quantile(x, 0.1)\n"
                        "q4 = approx_quantile(x, 0.25), q5 = approx_quantile(x, 0.5)\n"
                        "q6 = approx_quantile(x, 0.75), q7 = approx_quantile(x, 0.9)\n"
                        "q8 = approx_quantile(x, 0.99), q9 = approx_quantile(x, 0.999)\n"
                        "q10 = approx_quantile(x, 1)";
    static double sorted[ROWS];
    for (uint32_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        for (uint32_t parts = 1; parts <= 61; parts += 60) {
            struct many many;
            many_open(&many, items);
            for (uint32_t i = 0; i < ROWS; i++)
                many.x[i] = sorted[i] = shapes[s](i);
            qsort(sorted, ROWS, sizeof *sorted, double_compare);
            many_merge(&many, ROWS, parts);
            for (uint32_t q = 0; q < sizeof qs / sizeof qs[0]; q++) {
                double value = strtod(many_show(&many, q), NULL);
                double most = qs[q] < 0.02 || qs[q] > 0.98 ? 0.002 : 0.01;
                if (share_error(sorted, ROWS, value, qs[q]) > most)
                    test_fail(__FILE__, __LINE__, "shape %u, %u parts, q %g: %g", s, parts, qs[q],
                              value);
            }
            CHECK(strtod(many_show(&many, 0), NULL) == sorted[0]);
            CHECK(strtod(many_show(&many, 10), NULL) == sorted[ROWS - 1]);
            CHECK_INT(wr_table_bytes(many.stage.table), <, 11 * 16384);
            stage_close(&many.stage);
        }
    }
}

TEST(a_quantile_of_few_values_is_the_exact_one) {
    struct many many;
    many_open(&many, "a = approx_quantile(x, 0.3), b = quantile(x, 0.3)");
    for (uint32_t i = 0; i < 512; i++)
        many.x[i] = i % 7 == 0 ? INFINITY : i % 11 == 0 ? -INFINITY : uniform(i);
    many_merge(&many, 512, 3);
    CHECK_STR(many_show(&many, 0), many_show(&many, 1));
    stage_close(&many.stage);
}

TEST(infinities_and_nan_stand_at_their_ends_of_many_values) {
    struct many many;
    many_open(&many, "a = approx_quantile(x, 0.1), b = approx_quantile(x, 0.45)\n"
                     "c = approx_quantile(x, 0.7), d = approx_quantile(x, 0.9)");
    for (uint32_t i = 0; i < ROWS; i++)
        many.x[i] = i % 5 == 0   ? -INFINITY
                    : i % 5 == 1 ? INFINITY
                    : i % 5 == 2 ? NAN
                                 : (double)(i % 1000);
    many_merge(&many, ROWS, 4);
    CHECK_STR(many_show(&many, 0), "-inf");
    CHECK(fabs(strtod(many_show(&many, 1), NULL) - 625) < 20);
    CHECK_STR(many_show(&many, 2), "inf");
    CHECK_STR(many_show(&many, 3), "nan");
    stage_close(&many.stage);
}

/* ---- approx_top and sample ---- */

TEST(a_top_has_what_is_frequent_and_counts_no_value_too_often) {
    for (uint32_t parts = 1; parts <= 31; parts += 15) {
        struct many many;
        static uint32_t counts[4];
        memset(counts, 0, sizeof counts);
        many_open(&many, "t = approx_top(x, 3)");
        for (uint32_t i = 0; i < ROWS; i++) { /* 8 %, 4 %, 2 %, and all others once */
            uint32_t dice = (uint32_t)(uniform(i) * 100);
            uint32_t value = dice < 8 ? 1 : dice < 12 ? 2 : dice < 14 ? 3 : 0;
            many.x[i] = value == 0 ? 1000 + i : value;
            counts[value]++;
        }
        many_merge(&many, ROWS, parts);
        const char *text = many_show(&many, 0);
        for (uint32_t v = 1; v <= 3; v++) {
            char start[64];
            snprintf(start, sizeof start, "{\"value\":%u.0,\"count\":", v);
            const char *found = strstr(text, start);
            CHECK(found != NULL);
            uint32_t count = (uint32_t)strtoul(found + strlen(start), NULL, 10);
            CHECK_INT(count, <=, counts[v]);
            CHECK_INT(count + ROWS * 4 / 1000, >=, counts[v]);
        }
        stage_close(&many.stage);
    }
}

TEST(a_sample_takes_early_and_late_rows_with_the_same_chance) {
    uint32_t tenths[10] = {0};
    struct many many;
    many_open(&many, "s = sample(x, 300)");
    for (uint32_t i = 0; i < ROWS; i++)
        many.x[i] = i;
    many_merge(&many, ROWS, 6);
    const char *text = many_show(&many, 0);
    uint32_t count = 0;
    double before = -1;
    for (const char *at = text; *at != 0 && *at != ']'; count++) {
        char *end;
        double value = strtod(at + 1, &end);
        CHECK(value > before); /* in the order of arrival */
        before = value;
        tenths[(uint32_t)value * 10 / ROWS]++;
        at = end;
    }
    CHECK_INT(count, ==, 300);
    for (uint32_t t = 0; t < 10; t++)
        CHECK(tenths[t] > 12 && tenths[t] < 50);
    stage_close(&many.stage);
}

/* ---- states ---- */

static const char *const all_items =
    "a = approx_count_distinct(x), b = approx_quantile(x, 0.37), c = approx_top(x, 5)\n"
    "d = sample(x, 20), e = corr(x, 3 - x * x), f = histogram(x, 0.1)\n"
    "g = funnel(x > 0.5, x < 0.1, x > 0.9, x < 0.001)";

TEST(a_state_that_was_saved_goes_on_as_it_was) {
    struct many once, again;
    static const uint32_t stops[] = {1, 511, 513, 3100, 30000};
    for (uint32_t s = 0; s < sizeof stops / sizeof stops[0]; s++) {
        many_open(&once, all_items);
        for (uint32_t i = 0; i < ROWS; i++)
            once.x[i] = floor(uniform(i) * 40000) / 40000;
        stage_add(&once.stage, once.stage.table, 0, ROWS);
        many_open(&again, all_items);
        stage_add(&again.stage, again.stage.table, 0, stops[s]);
        struct wr_buf bytes;
        wr_buf_init(&bytes, &wr_budget_control, SIZE_MAX);
        CHECK_INT(wr_table_save(again.stage.table, &bytes, 1, SIZE_MAX), ==, WR_OK);
        wr_table_free(again.stage.table);
        table_open(&again.stage);
        struct wr_reader reader = {.bytes = bytes.bytes, .length = bytes.length};
        CHECK_INT(wr_table_load(again.stage.table, &reader), ==, WR_OK);
        stage_add(&again.stage, again.stage.table, stops[s], ROWS);
        for (uint32_t item = 0; item < 7; item++) {
            char text[4096];
            snprintf(text, sizeof text, "%s", many_show(&once, item));
            CHECK_STR(many_show(&again, item), text);
        }
        wr_buf_release(&bytes);
        stage_close(&once.stage);
        stage_close(&again.stage);
    }
}

TEST(a_copy_of_a_state_goes_on_as_what_it_is_of) {
    struct many once, copy;
    many_open(&once, all_items);
    for (uint32_t i = 0; i < ROWS; i++)
        once.x[i] = uniform(i);
    stage_add(&once.stage, once.stage.table, 0, 20000);
    many_open(&copy, all_items);
    CHECK_INT(wr_aggregates_merge(copy.stage.aggregates, copy.stage.table,
                                  row_for(&copy.stage, copy.stage.table),
                                  only_row(once.stage.table)),
              ==, WR_OK);
    stage_add(&once.stage, once.stage.table, 20000, ROWS);
    stage_add(&copy.stage, copy.stage.table, 20000, ROWS);
    for (uint32_t item = 0; item < 7; item++) {
        char text[4096];
        snprintf(text, sizeof text, "%s", many_show(&once, item));
        CHECK_STR(many_show(&copy, item), text);
    }
    stage_close(&once.stage);
    stage_close(&copy.stage);
}
