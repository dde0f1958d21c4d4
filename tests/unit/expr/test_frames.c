/* test_frames.c: kernels of frames that move along rows: what has left a frame leaves no trace. */
#include "test.h"

#include <math.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "expr/aggregates.h"

#define VALUES 64

struct frame {
    struct wr_aggregate aggregate;
    struct wr_shape shape;
    struct wr_table *table;
    uint8_t *row;
};

static void frame_open(struct frame *frame, const char *name, enum wr_type_kind kind) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 1024);
    const struct wr_aggregate_function *function = wr_aggregate_find(name, (uint32_t)strlen(name));
    struct wr_type type = WR_TYPE(kind);
    frame->aggregate = (struct wr_aggregate){
        .function = function, .where = -1, .limit = -1, .arg_count = 1, .offset = 8};
    frame->aggregate.arg_types[0] = type;
    frame->aggregate.kernel = function->choose_framed(&arena, &type, 1, &frame->aggregate.type);
    wr_arena_release(&arena);
    static struct wr_cell cells[4];
    const struct wr_aggregate_kernel *kernel = frame->aggregate.kernel;
    CHECK(kernel != NULL && kernel->retract != NULL);
    for (uint32_t c = 0; c < kernel->cell_count; c++)
        cells[c] = (struct wr_cell){kernel->cells[c].kind, kernel->cells[c].offset + 8};
    frame->shape = (struct wr_shape){.key_bytes = 8,
                                     .row_bytes = 8 + kernel->state_bytes,
                                     .cell_count = kernel->cell_count,
                                     .cells = cells};
    frame->table = wr_table_new(&wr_budget_control, &frame->shape, 1);
    uint64_t key = 1, hash = wr_shape_hash(&frame->shape, &key, 1);
    CHECK_INT(wr_table_upsert(frame->table, &key, &hash, 1, &frame->row, NULL), ==, WR_OK);
}

static void frame_close(struct frame *frame) {
    wr_table_free(frame->table);
}

static void frame_move(struct frame *frame, const void *values, uint32_t row, int retracts) {
    static const struct wr_batch none;
    const struct wr_aggregate_kernel *kernel = frame->aggregate.kernel;
    struct wr_column column = {.data = (void *)(uintptr_t)values};
    int status = (retracts ? kernel->retract : kernel->add)(&frame->aggregate, frame->table,
                                                            &frame->row, &column, &none, &row, 1);
    CHECK_INT(status, ==, WR_OK);
}

static int frame_result(struct frame *frame, void *out) {
    struct wr_arena arena;
    uint64_t valid = UINT64_MAX;
    uint16_t fails = 0;
    wr_arena_init(&arena, &wr_budget_control, 1024);
    CHECK_INT(frame->aggregate.kernel->result(&frame->aggregate, &frame->row, 1, out, &valid,
                                              &fails, &arena),
              ==, WR_OK);
    wr_arena_release(&arena);
    return (int)(valid & 1);
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double sum_of(const double *values, uint32_t count) {
    struct frame frame;
    double sum = 0;
    frame_open(&frame, "sum", WR_FLOAT64);
    for (uint32_t i = 0; i < count; i++)
        frame_move(&frame, values, i, 0);
    CHECK_INT(frame_result(&frame, &sum), ==, count > 0);
    frame_close(&frame);
    return sum;
}

#define CHECK_SUM(expected, ...) \
    do { \
        const double values_[] = {__VA_ARGS__}; \
        double sum_ = sum_of(values_, sizeof values_ / sizeof *values_); \
        CHECK(bits_of(sum_) == bits_of(expected)); \
    } while (0)

TEST(a_sum_is_the_float_nearest_to_the_true_sum) {
    CHECK_SUM(1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1);
    CHECK_SUM(1.0, 1e300, 1.0, -1e300);
    CHECK_SUM(1e308, 1e308, 1e308, -1e308);
    CHECK_SUM((double)INFINITY, 1.7976931348623157e308, 1.7976931348623157e308);
    CHECK_SUM(1.0, 1.0, 0x1p-53);                      /* half of the last place: to even */
    CHECK_SUM(1.0 + 0x1p-52, 1.0, 0x1p-53, 0x1p-1074); /* a little more than half */
    CHECK_SUM(1.0 + 0x1p-51, 1.0 + 0x1p-52, 0x1p-53);
    CHECK_SUM(-1.0 - 0x1p-51, -1.0 - 0x1p-52, -0x1p-53);
    CHECK_SUM(0x1p-1074, 0x1p-1074);
    CHECK_SUM(0x1p-1073, 0x1p-1074, 0x1p-1074);
    CHECK_SUM(0x1p-1022, 0x1p-1023, 0x1p-1023);
    CHECK_SUM(-0x1p-1074, 0x1p-1022, -0x1p-1022, -0x1p-1074);
    CHECK_SUM(0.0, -0.0);
    CHECK_SUM(0.0, 5.0, -5.0);
    CHECK_SUM((double)INFINITY, INFINITY, -1e308);
    double sum = 0;
    const double both[] = {INFINITY, -INFINITY};
    sum = sum_of(both, 2);
    CHECK(sum != sum);
}

static double any_float(uint64_t *state) {
    *state = wr_hash_u64(*state, 7);
    uint64_t bits = *state;
    double value;
    if (bits % 5 == 0) /* near each other, so that they cancel */
        return (double)(int64_t)(bits >> 40) * 0.01 * (bits >> 39 & 1 ? 1 : -1);
    memcpy(&value, &bits, sizeof value);
    return value - value == 0 ? value / 1e6 : (bits & 64 ? INFINITY : NAN);
}

/* The bits of the result of `name` over values first … end - 1, moved there, and made anew. */
static void compare(const char *name, enum wr_type_kind kind, uint64_t seed) {
    double floats[VALUES];
    int64_t words[VALUES];
    const void *values = kind == WR_FLOAT64 ? (const void *)floats : words;
    for (uint32_t i = 0; i < VALUES; i++) {
        floats[i] = any_float(&seed);
        words[i] = (int64_t)(wr_hash_u64(seed, i) % 9) - 4;
    }
    struct frame moved;
    frame_open(&moved, name, kind);
    for (uint32_t first = 0, end = 0; end < VALUES || first < VALUES;) {
        seed = wr_hash_u64(seed, 3);
        if (end < VALUES && (first == end || seed % 2))
            frame_move(&moved, values, end++, 0);
        else
            frame_move(&moved, values, first++, 1);
        struct frame made;
        frame_open(&made, name, kind);
        for (uint32_t i = first; i < end; i++)
            frame_move(&made, values, i, 0);
        uint64_t a = 0, b = 0;
        int is_a = frame_result(&moved, &a), is_b = frame_result(&made, &b);
        CHECK_INT(is_a, ==, is_b);
        if (is_a && a != b)
            test_fail(__FILE__, __LINE__, "%s of rows %u to %u: %llx, not %llx", name, first, end,
                      (unsigned long long)a, (unsigned long long)b);
        frame_close(&made);
    }
    frame_close(&moved);
}

TEST(what_has_left_a_frame_leaves_no_trace) {
    static const char *const names[] = {"sum",    "avg",  "min",           "max",
                                        "median", "mode", "count_distinct"};
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            compare(names[i], WR_FLOAT64, seed);
            compare(names[i], WR_INT64, seed);
        }
}
