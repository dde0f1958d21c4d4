/* aggregates_sums.c: count, sum, avg, stddev, variance.
 *
 * Integers are summed in 128 bits. A state holds the low word, and the high word shifted left by
 * one with a bit for "there was a value", so that it takes 16 bytes and no branch: 63 high bits are
 * enough for 2^63 values. Source of the variance: Welford, "Note on a method for calculating
 * corrected sums of squares and products", 1962; merging: Chan, Golub, LeVeque, 1979. */
#include <math.h>

#include "expr/aggregates.h"
#include "expr/twofold.h"
#include "base/banned.h"

/* ---- count ---------------------------------------------------------------------------------- */

struct count_state {
    uint64_t count;
};

static int count_rows_add(AGG_ADD_PARAMS) {
    uint32_t offset = aggregate->offset;
    for (uint32_t i = 0; i < count; i++)
        ((struct count_state *)(void *)(rows[i] + offset))->count++;
    AGG_UNUSED_ADD;
    return WR_OK;
}

static void count_rows_add_where(const struct wr_aggregate *aggregate, uint8_t *const *rows,
                                 const struct wr_column *where, const uint32_t *sel,
                                 uint32_t count) {
    uint32_t offset = aggregate->offset;
    const uint8_t *truth = WR_BOOLS(where);
    for (uint32_t i = 0; i < count; i++) { /* no branch that goes by the data */
        uint32_t row = sel == NULL ? i : sel[i];
        uint64_t is_true = truth[row] != 0;
        if (where->valid != NULL)
            is_true &= (uint64_t)wr_bit_get(where->valid, row);
        ((struct count_state *)(void *)(rows[i] + offset))->count += is_true;
    }
}

static int count_args_add(AGG_ADD_PARAMS) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        uint64_t one = 1;
        for (uint32_t a = 0; a < aggregate->arg_count; a++)
            one &= (uint64_t)!wr_column_is_nil(&args[a], row);
        ((struct count_state *)(void *)(rows[i] + aggregate->offset))->count += one;
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}

static int count_rows_retract(AGG_ADD_PARAMS) {
    uint32_t offset = aggregate->offset;
    for (uint32_t i = 0; i < count; i++)
        ((struct count_state *)(void *)(rows[i] + offset))->count--;
    AGG_UNUSED_ADD;
    return WR_OK;
}

static int count_args_retract(AGG_ADD_PARAMS) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        uint64_t one = 1;
        for (uint32_t a = 0; a < aggregate->arg_count; a++)
            one &= (uint64_t)!wr_column_is_nil(&args[a], row);
        ((struct count_state *)(void *)(rows[i] + aggregate->offset))->count -= one;
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}

AGG_MERGE(count_merge, count_state, state->count += other->count)
AGG_RESULT(count_result, count_state, int64_t, { result[i] = (int64_t)state->count; })

static const struct wr_aggregate_kernel count_rows = {.state_bytes = 8,
                                                      .add = count_rows_add,
                                                      .add_where = count_rows_add_where,
                                                      .retract = count_rows_retract,
                                                      .merge = count_merge,
                                                      .result = count_result};
static const struct wr_aggregate_kernel count_args = {.state_bytes = 8,
                                                      .add = count_args_add,
                                                      .retract = count_args_retract,
                                                      .merge = count_merge,
                                                      .result = count_result};

static const struct wr_aggregate_kernel *count_choose(struct wr_arena *arena,
                                                      const struct wr_type *args,
                                                      uint32_t arg_count, struct wr_type *type) {
    (void)arena;
    (void)args;
    *type = WR_TYPE(WR_INT64);
    return arg_count == 0 ? &count_rows : &count_args;
}

/* ---- sums of words -------------------------------------------------------------------------- */

struct sum_state {
    uint64_t low;
    uint64_t high; /* high word << 1 | a value was seen */
};

static inline __int128 sum_read(const struct sum_state *state) {
    return (__int128)((unsigned __int128)(uint64_t)((int64_t)state->high >> 1) << 64 | state->low);
}

static inline void sum_add(struct sum_state *state, int64_t value) {
    uint64_t low = state->low + (uint64_t)value;
    uint64_t carry = low < state->low;
    state->low = low;
    state->high = (state->high + ((carry + (uint64_t)(value >> 63)) << 1)) | 1;
}

static void sum_join(struct sum_state *state, const struct sum_state *other) {
    __int128 sum = sum_read(state) + sum_read(other);
    uint64_t seen = (state->high | other->high) & 1;
    state->low = (uint64_t)sum;
    state->high = (uint64_t)(sum >> 64) << 1 | seen;
}

AGG_ADD_LOOP(sum_words_add, sum_state, int64_t, { sum_add(state, value); })
AGG_MERGE(sum_words_merge, sum_state, sum_join(state, other))
AGG_RESULT(sum_words_result, sum_state, int64_t, {
    __int128 sum = sum_read(state);
    result[i] = (int64_t)sum;
    if ((state->high & 1) == 0)
        AGG_NIL(i);
    else if (sum != (int64_t)sum)
        fails[i] = WR_REJECT_OVERFLOW;
})
static const struct wr_aggregate_kernel sum_words = {.state_bytes = sizeof(struct sum_state),
                                                     .add = sum_words_add,
                                                     .merge = sum_words_merge,
                                                     .result = sum_words_result};

/* ---- averages of words ---------------------------------------------------------------------- */

struct avg_state {
    struct sum_state sum;
    uint64_t count;
};

AGG_ADD_LOOP(avg_words_add, avg_state, int64_t, {
    sum_add(&state->sum, value);
    state->count++;
})
AGG_ADD_LOOP(avg_words_retract, avg_state, int64_t, {
    __int128 sum = sum_read(&state->sum) - value;
    state->sum.low = (uint64_t)sum;
    state->sum.high = (uint64_t)(sum >> 64) << 1 | 1;
    state->count--;
})
AGG_MERGE(avg_words_merge, avg_state, {
    sum_join(&state->sum, &other->sum);
    state->count += other->count;
})
AGG_RESULT(avg_words_result, avg_state, double, {
    result[i] = (double)sum_read(&state->sum) / (double)state->count;
    if (state->count == 0)
        AGG_NIL(i);
})
/* A sum that rows are taken back from counts them, to know when there is none. */
AGG_RESULT(sum_counted_result, avg_state, int64_t, {
    __int128 sum = sum_read(&state->sum);
    result[i] = (int64_t)sum;
    if (state->count == 0)
        AGG_NIL(i);
    else if (sum != (int64_t)sum)
        fails[i] = WR_REJECT_OVERFLOW;
})
static const struct wr_aggregate_kernel sum_counted = {.state_bytes = sizeof(struct avg_state),
                                                       .add = avg_words_add,
                                                       .retract = avg_words_retract,
                                                       .merge = avg_words_merge,
                                                       .result = sum_counted_result};
/* Times and durations: cut to a whole microsecond or day, towards the past. */
AGG_RESULT(avg_times_result, avg_state, int64_t, {
    if (state->count == 0) {
        result[i] = 0;
        AGG_NIL(i);
        continue;
    }
    __int128 sum = sum_read(&state->sum);
    __int128 whole = sum / (__int128)state->count;
    result[i] = (int64_t)(whole - (sum % (__int128)state->count < 0));
})
static const struct wr_aggregate_kernel avg_words = {.state_bytes = sizeof(struct avg_state),
                                                     .add = avg_words_add,
                                                     .retract = avg_words_retract,
                                                     .merge = avg_words_merge,
                                                     .result = avg_words_result};
static const struct wr_aggregate_kernel avg_times = {.state_bytes = sizeof(struct avg_state),
                                                     .add = avg_words_add,
                                                     .retract = avg_words_retract,
                                                     .merge = avg_words_merge,
                                                     .result = avg_times_result};

/* ---- floats --------------------------------------------------------------------------------- */

struct float_state {
    double sum;
    uint64_t count;
};

AGG_ADD_LOOP(floats_add, float_state, double, {
    state->sum += value;
    state->count++;
})
AGG_MERGE(floats_merge, float_state, {
    state->sum += other->sum;
    state->count += other->count;
})
AGG_RESULT(sum_floats_result, float_state, double, {
    result[i] = state->sum;
    if (state->count == 0)
        AGG_NIL(i);
})
AGG_RESULT(avg_floats_result, float_state, double, {
    result[i] = state->sum / (double)state->count;
    if (state->count == 0)
        AGG_NIL(i);
})
static const struct wr_aggregate_kernel sum_floats = {.state_bytes = sizeof(struct float_state),
                                                      .add = floats_add,
                                                      .merge = floats_merge,
                                                      .result = sum_floats_result};
static const struct wr_aggregate_kernel avg_floats = {.state_bytes = sizeof(struct float_state),
                                                      .add = floats_add,
                                                      .merge = floats_merge,
                                                      .result = avg_floats_result};

/* Where rows are taken back, values that are no numbers are counted. */
struct twofold_state {
    struct wr_twofold sum;
    uint64_t count;
    uint32_t nans, plus, minus, unused;
};

static inline void twofold_move(struct twofold_state *state, double value, uint32_t by) {
    state->count += (uint64_t)(int64_t)(int32_t)by;
    if (value != value)
        state->nans += by;
    else if (value - value != 0)
        *(value > 0 ? &state->plus : &state->minus) += by;
    else
        wr_twofold_add(&state->sum, by == 1 ? value : -value);
}

AGG_ADD_LOOP(twofold_rows_add, twofold_state, double, { twofold_move(state, value, 1); })
AGG_ADD_LOOP(twofold_rows_retract, twofold_state, double,
             { twofold_move(state, value, UINT32_MAX); })
AGG_MERGE(twofold_merge, twofold_state, {
    wr_twofold_join(&state->sum, &other->sum);
    state->count += other->count;
    state->nans += other->nans;
    state->plus += other->plus;
    state->minus += other->minus;
})
static double twofold_sum(const struct twofold_state *state) {
    if (state->nans > 0 || (state->plus > 0 && state->minus > 0))
        return __builtin_nan("");
    if (state->plus > 0 || state->minus > 0)
        return state->plus > 0 ? __builtin_inf() : -__builtin_inf();
    return state->sum.high + state->sum.low;
}
AGG_RESULT(twofold_sum_result, twofold_state, double, {
    result[i] = twofold_sum(state);
    if (state->count == 0)
        AGG_NIL(i);
})
AGG_RESULT(twofold_avg_result, twofold_state, double, {
    result[i] = twofold_sum(state) / (double)state->count;
    if (state->count == 0)
        AGG_NIL(i);
})
static const struct wr_aggregate_kernel sum_twofold = {.state_bytes = sizeof(struct twofold_state),
                                                       .add = twofold_rows_add,
                                                       .retract = twofold_rows_retract,
                                                       .merge = twofold_merge,
                                                       .result = twofold_sum_result};
static const struct wr_aggregate_kernel avg_twofold = {.state_bytes = sizeof(struct twofold_state),
                                                       .add = twofold_rows_add,
                                                       .retract = twofold_rows_retract,
                                                       .merge = twofold_merge,
                                                       .result = twofold_avg_result};

/* ---- decimals ------------------------------------------------------------------------------- */

struct decimal_state {
    uint64_t sum[2]; /* an __int128, which wants more alignment than a row has */
    uint64_t count;
    uint64_t overflow;
};

static __int128 decimal_read(const struct decimal_state *state) {
    __int128 sum;
    memcpy(&sum, state->sum, 16);
    return sum;
}

static void decimal_add(struct decimal_state *state, __int128 value, uint64_t count) {
    __int128 sum = decimal_read(state);
    state->overflow |= (uint64_t)__builtin_add_overflow(sum, value, &sum);
    memcpy(state->sum, &sum, 16);
    state->count += count;
}

static int decimal_too_big(__int128 value) {
    const __int128 limit =
        (__int128)UINT64_C(10000000000000000000) * UINT64_C(10000000000000000000);
    return value >= limit || value <= -limit;
}

AGG_ADD_LOOP(decimals_add, decimal_state, __int128, { decimal_add(state, value, 1); })
AGG_ADD_LOOP(decimals_retract, decimal_state, __int128, { decimal_add(state, -value, UINT64_MAX); })
AGG_MERGE(decimals_merge, decimal_state, {
    decimal_add(state, decimal_read(other), other->count);
    state->overflow |= other->overflow;
})
AGG_RESULT(sum_decimals_result, decimal_state, __int128, {
    result[i] = decimal_read(state);
    if (state->count == 0)
        AGG_NIL(i);
    else if (state->overflow || decimal_too_big(result[i]))
        fails[i] = WR_REJECT_OVERFLOW;
})
/* An average keeps up to six more digits behind the point than its argument; halves go up. */
AGG_RESULT(avg_decimals_result, decimal_state, __int128, {
    if (state->count == 0) {
        result[i] = 0;
        AGG_NIL(i);
        continue;
    }
    __int128 sum = decimal_read(state);
    int overflow = state->overflow != 0;
    for (uint8_t s = aggregate->arg_types[0].scale; s < aggregate->type.scale; s++)
        overflow |= __builtin_mul_overflow(sum, (__int128)10, &sum);
    __int128 divisor = (__int128)state->count;
    __int128 rest = sum % divisor;
    result[i] = sum / divisor + (rest * 2 >= divisor) - (rest * 2 <= -divisor);
    if (overflow || decimal_too_big(result[i]))
        fails[i] = WR_REJECT_OVERFLOW;
})
static const struct wr_aggregate_kernel sum_decimals = {.state_bytes = sizeof(struct decimal_state),
                                                        .add = decimals_add,
                                                        .retract = decimals_retract,
                                                        .merge = decimals_merge,
                                                        .result = sum_decimals_result};
static const struct wr_aggregate_kernel avg_decimals = {.state_bytes = sizeof(struct decimal_state),
                                                        .add = decimals_add,
                                                        .retract = decimals_retract,
                                                        .merge = decimals_merge,
                                                        .result = avg_decimals_result};

static const struct wr_aggregate_kernel *sum_choose(struct wr_arena *arena,
                                                    const struct wr_type *args, uint32_t arg_count,
                                                    struct wr_type *type) {
    (void)arena;
    (void)arg_count;
    *type = args[0];
    switch (args[0].kind) {
    case WR_INT64:
    case WR_DURATION: return &sum_words;
    case WR_FLOAT64: return &sum_floats;
    case WR_DECIMAL: type->precision = WR_DECIMAL_DIGITS_MAX; return &sum_decimals;
    default: return NULL;
    }
}

static const struct wr_aggregate_kernel *sum_choose_retracting(struct wr_arena *arena,
                                                               const struct wr_type *args,
                                                               uint32_t arg_count,
                                                               struct wr_type *type) {
    const struct wr_aggregate_kernel *kernel = sum_choose(arena, args, arg_count, type);
    return kernel == &sum_words ? &sum_counted : kernel == &sum_floats ? &sum_twofold : kernel;
}

static const struct wr_aggregate_kernel *avg_choose(struct wr_arena *arena,
                                                    const struct wr_type *args, uint32_t arg_count,
                                                    struct wr_type *type) {
    (void)arena;
    (void)arg_count;
    *type = args[0];
    switch (args[0].kind) {
    case WR_INT64: *type = WR_TYPE(WR_FLOAT64); return &avg_words;
    case WR_FLOAT64: return &avg_floats;
    case WR_DURATION:
    case WR_TIMESTAMP:
    case WR_DATE: return &avg_times;
    case WR_DECIMAL:
        type->precision = WR_DECIMAL_DIGITS_MAX;
        type->scale = (uint8_t)WR_MIN(args[0].scale + 6, WR_MAX(args[0].scale, 18));
        return &avg_decimals;
    default: return NULL;
    }
}

static const struct wr_aggregate_kernel *avg_choose_retracting(struct wr_arena *arena,
                                                               const struct wr_type *args,
                                                               uint32_t arg_count,
                                                               struct wr_type *type) {
    const struct wr_aggregate_kernel *kernel = avg_choose(arena, args, arg_count, type);
    return kernel == &avg_floats ? &avg_twofold : kernel;
}

/* Of a frame: integers and decimals are exact anyway. */
static const struct wr_aggregate_kernel *sum_choose_framed(AGG_CHOOSE_PARAMS) {
    const struct wr_aggregate_kernel *kernel = sum_choose_retracting(arena, args, arg_count, type);
    return kernel == &sum_twofold ? &wr_exact_sum : kernel;
}

static const struct wr_aggregate_kernel *avg_choose_framed(AGG_CHOOSE_PARAMS) {
    const struct wr_aggregate_kernel *kernel = avg_choose(arena, args, arg_count, type);
    return kernel == &avg_floats ? &wr_exact_avg : kernel;
}

/* ---- stddev and variance -------------------------------------------------------------------- */

struct spread_state {
    uint64_t count;
    double mean;
    double squares; /* sum of squared distances from the mean */
};

static inline void spread_add(struct spread_state *state, double value) {
    state->count++;
    double delta = value - state->mean;
    state->mean += delta / (double)state->count;
    state->squares += delta * (value - state->mean);
}

static void spread_join(struct spread_state *state, const struct spread_state *other) {
    if (other->count == 0)
        return;
    double a = (double)state->count;
    double b = (double)other->count;
    double delta = other->mean - state->mean;
    state->count += other->count;
    state->mean += delta * b / (a + b);
    state->squares += other->squares + delta * delta * a * b / (a + b);
}

AGG_ADD_LOOP(spread_words_add, spread_state, int64_t, { spread_add(state, (double)value); })
AGG_ADD_LOOP(spread_floats_add, spread_state, double, { spread_add(state, value); })
static int spread_decimals_add(AGG_ADD_PARAMS) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        __int128 value = ((const __int128 *)args[0].data)[row];
        spread_add((struct spread_state *)(void *)(rows[i] + aggregate->offset),
                   wr_decimal_to_float(value, aggregate->arg_types[0].scale));
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}
AGG_MERGE(spread_merge, spread_state, spread_join(state, other))

/* Samples of one value have no spread: nil. */
#define SPREAD_RESULT(name, least, divisor, wrap) \
    AGG_RESULT(name, spread_state, double, { \
        double n = (double)state->count; \
        (void)n; \
        if (state->count < least) { \
            result[i] = 0; \
            AGG_NIL(i); \
        } else { \
            result[i] = wrap(state->squares / (divisor)); \
        } \
    })
SPREAD_RESULT(variance_result, 2, n - 1, )
SPREAD_RESULT(variance_pop_result, 1, n, )
SPREAD_RESULT(stddev_result, 2, n - 1, sqrt)
SPREAD_RESULT(stddev_pop_result, 1, n, sqrt)

#define SPREAD_KERNELS(name) \
    static const struct wr_aggregate_kernel name##_kernels[] = { \
        {.state_bytes = sizeof(struct spread_state), \
         .add = spread_words_add, \
         .merge = spread_merge, \
         .result = name##_result}, \
        {.state_bytes = sizeof(struct spread_state), \
         .add = spread_floats_add, \
         .merge = spread_merge, \
         .result = name##_result}, \
        {.state_bytes = sizeof(struct spread_state), \
         .add = spread_decimals_add, \
         .merge = spread_merge, \
         .result = name##_result}, \
    }; \
    static const struct wr_aggregate_kernel *name##_choose( \
        struct wr_arena *arena, const struct wr_type *args, uint32_t arg_count, \
        struct wr_type *type) { \
        (void)arena; \
        (void)arg_count; \
        *type = WR_TYPE(WR_FLOAT64); \
        switch (args[0].kind) { \
        case WR_INT64: return &name##_kernels[0]; \
        case WR_FLOAT64: return &name##_kernels[1]; \
        case WR_DECIMAL: return &name##_kernels[2]; \
        default: return NULL; \
        } \
    }
/* tidy: long: the table of the functions stands behind */
SPREAD_KERNELS(variance)
SPREAD_KERNELS(variance_pop)
SPREAD_KERNELS(stddev)
SPREAD_KERNELS(stddev_pop)

const struct wr_aggregate_function wr_aggregates_sums[] = {
    {.name = "count",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "The number of rows; with arguments, of rows in which none of them is nil.",
     .signatures = AGG_TEXTS("() int64", "(x any…) int64"),
     .arg_max = WR_AGGREGATE_ARGS_MAX,
     .choose = count_choose,
     .examples = AGG_EXAMPLES({"count()", "5"}, {"count(x)", "4"}, {"count(where x > 2)", "2"})},
    {.name = "sum",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "The sum. Of int64 it is kept in 128 bits, and the row fails (W504) when the result "
            "does not fit; floats are added row after row.",
     .signatures = AGG_TEXTS("(x int64) int64", "(x float64) float64", "(x decimal) decimal",
                             "(x duration) duration"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = sum_choose,
     .choose_retracting = sum_choose_retracting,
     .choose_framed = sum_choose_framed,
     .examples = AGG_EXAMPLES({"sum(x)", "10"}, {"sum(f)", "4.0"}, {"sum(x where s == 'a')", "5"})},
    {.name = "avg",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "The mean. A decimal keeps up to six more digits than its argument; a time or duration "
            "is cut to a whole unit.",
     .signatures = AGG_TEXTS("(x int64) float64", "(x float64) float64", "(x decimal) decimal",
                             "(x duration) duration", "(x timestamp) timestamp", "(x date) date"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = avg_choose,
     .choose_retracting = avg_choose_retracting,
     .choose_framed = avg_choose_framed,
     .examples = AGG_EXAMPLES({"avg(x)", "2.5"}, {"avg(x where x > 100)", "nil"})},
    {.name = "stddev",
     .doc = "The standard deviation of a sample (divided by n - 1); of one value nil.",
     .signatures = AGG_TEXTS("(x number) float64"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = stddev_choose,
     .examples = AGG_EXAMPLES({"stddev(x) > 1.29 and stddev(x) < 1.292", "true"},
                              {"stddev(x where x == 1)", "nil"})},
    {.name = "stddev_pop",
     .doc = "The standard deviation of the whole population (divided by n).",
     .signatures = AGG_TEXTS("(x number) float64"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = stddev_pop_choose,
     .examples = AGG_EXAMPLES({"stddev_pop(x) > 1.118 and stddev_pop(x) < 1.1181", "true"},
                              {"stddev_pop(x where x == 1)", "0.0"})},
    {.name = "variance",
     .doc = "The variance of a sample (divided by n - 1); of one value nil.",
     .signatures = AGG_TEXTS("(x number) float64"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = variance_choose,
     .examples = AGG_EXAMPLES({"variance(x) > 1.666 and variance(x) < 1.667", "true"},
                              {"variance(x where x == 1)", "nil"})},
    {.name = "variance_pop",
     .doc = "The variance of the whole population (divided by n).",
     .signatures = AGG_TEXTS("(x number) float64"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = variance_pop_choose,
     .examples =
         AGG_EXAMPLES({"variance_pop(x)", "1.25"}, {"variance_pop(x where x == 1)", "0.0"})},
    {0},
};
