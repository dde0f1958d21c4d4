/* aggregates_sorted.c: kernels for frames that move along rows: the values of the frame in their
 * order, in one blob, from which min, max, median, quantile and ranks are read. A value comes and
 * goes by a binary search and a memmove, which for frames of thousands of rows is less than one
 * row of anything cleverer. */
#include <math.h>

#include "expr/aggregates.h"
#include "base/banned.h"

struct sorted_state {
    struct wr_blob blob; /* values as words in an order that unsigned integers have */
    uint64_t place;      /* ranks: of the value added last */
};
static const struct wr_cell sorted_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct sorted_state, blob)}};

static inline uint64_t *sorted_words(const struct sorted_state *state) {
    return (uint64_t *)(void *)state->blob.bytes;
}
static inline uint64_t sorted_count(const struct sorted_state *state) {
    return state->blob.length / 8;
}

/* How many values are less than `word`. */
static uint64_t sorted_find(const struct sorted_state *state, uint64_t word) {
    const uint64_t *words = sorted_words(state);
    uint64_t low = 0, high = sorted_count(state);
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (words[middle] < word)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int sorted_insert(struct wr_table *table, struct sorted_state *state, uint64_t at,
                         uint64_t word) {
    int status = wr_blob_more(table, &state->blob, 8);
    if (status != WR_OK)
        return status;
    uint64_t *words = sorted_words(state);
    memmove(words + at + 1, words + at, (sorted_count(state) - at) * 8);
    words[at] = word;
    state->blob.length += 8;
    return WR_OK;
}

static uint64_t word_of(const struct wr_type *type, const struct wr_column *column, uint32_t row) {
    switch (type->kind) {
    case WR_FLOAT64: return agg_float_order(WR_F64(column)[row]);
    case WR_BOOL: return WR_BOOLS(column)[row];
    case WR_DECIMAL:
        return agg_float_order(
            wr_decimal_to_float(((const __int128 *)column->data)[row], type->scale));
    default: return agg_int_order(WR_I64(column)[row]);
    }
}

/* The value that stands as `word`: the reverse of agg_int_order and agg_float_order. */
static int64_t value_of(const struct wr_type *type, uint64_t word) {
    if (agg_is_word(type->kind))
        return (int64_t)(word ^ UINT64_C(1) << 63);
    double value = __builtin_nan("");
    uint64_t bits = word >> 63 ? word & ~(UINT64_C(1) << 63) : ~word;
    if (word != UINT64_MAX)
        memcpy(&value, &bits, 8);
    memcpy(&bits, &value, 8);
    return (int64_t)bits;
}

static int sorted_move(AGG_ADD_PARAMS, int retracts) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        struct sorted_state *state = (struct sorted_state *)(void *)(rows[i] + aggregate->offset);
        uint64_t word = word_of(&aggregate->arg_types[0], &args[0], row);
        uint64_t at = sorted_find(state, word);
        if (!retracts) {
            status = sorted_insert(table, state, at, word);
            continue;
        }
        uint64_t *words = sorted_words(state), left = sorted_count(state);
        if (at == left || words[at] != word)
            continue;
        memmove(words + at, words + at + 1, (left - at - 1) * 8);
        state->blob.length -= 8;
    }
    (void)batch;
    return status;
}
static int sorted_add(AGG_ADD_PARAMS) {
    return sorted_move(aggregate, table, rows, args, batch, sel, count, 0);
}
static int sorted_retract(AGG_ADD_PARAMS) {
    return sorted_move(aggregate, table, rows, args, batch, sel, count, 1);
}
AGG_RESULT(sorted_min_result, sorted_state, int64_t, {
    result[i] = 0;
    if (sorted_count(state) == 0)
        AGG_NIL(i);
    else
        result[i] = value_of(&aggregate->arg_types[0], sorted_words(state)[0]);
})
AGG_RESULT(sorted_max_result, sorted_state, int64_t, {
    uint64_t n = sorted_count(state);
    result[i] = 0;
    if (n == 0)
        AGG_NIL(i);
    else
        result[i] = value_of(&aggregate->arg_types[0], sorted_words(state)[n - 1]);
})
AGG_RESULT(sorted_quantile_result, sorted_state, int64_t, {
    uint64_t n = sorted_count(state);
    result[i] = 0;
    if (n == 0) {
        AGG_NIL(i);
        continue;
    }
    double place = wr_quantile_of(aggregate) * (double)(n - 1);
    uint64_t at = (uint64_t)floor(place);
    const struct wr_type *type = &aggregate->arg_types[0];
    int64_t pair[2];
    pair[0] = value_of(type, sorted_words(state)[at]);
    pair[1] = value_of(type, sorted_words(state)[WR_MIN(at + 1, n - 1)]);
    result[i] = wr_quantile_between(aggregate, pair, place - (double)at);
})

#define SORTED_KERNEL(name) \
    static const struct wr_aggregate_kernel name = {.state_bytes = sizeof(struct sorted_state), \
                                                    .cell_count = 1, \
                                                    .cells = sorted_cells, \
                                                    .add = sorted_add, \
                                                    .retract = sorted_retract, \
                                                    .result = name##_result};
SORTED_KERNEL(sorted_min)
SORTED_KERNEL(sorted_max)
SORTED_KERNEL(sorted_quantile)

const struct wr_aggregate_kernel *wr_sorted_min_choose(AGG_CHOOSE_PARAMS) {
    (void)arena;
    (void)arg_count;
    *type = args[0];
    return agg_is_word(args[0].kind) || args[0].kind == WR_FLOAT64 ? &sorted_min : NULL;
}
const struct wr_aggregate_kernel *wr_sorted_max_choose(AGG_CHOOSE_PARAMS) {
    const struct wr_aggregate_kernel *kernel = wr_sorted_min_choose(arena, args, arg_count, type);
    return kernel == NULL ? NULL : &sorted_max;
}
const struct wr_aggregate_kernel *wr_sorted_quantile_kernel(void) {
    return &sorted_quantile;
}

/* ---- ranks ---------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) int rank_move(AGG_ADD_PARAMS, int dense) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        struct sorted_state *state = (struct sorted_state *)(void *)(rows[i] + aggregate->offset);
        state->place = sorted_count(state) + 1; /* of nil */
        if (wr_column_is_nil(&args[0], row))
            continue;
        uint64_t word = word_of(&aggregate->arg_types[0], &args[0], row);
        uint64_t at = sorted_find(state, word);
        state->place = at + 1;
        if (!dense || at == sorted_count(state) || sorted_words(state)[at] != word)
            status = sorted_insert(table, state, at, word);
    }
    (void)batch;
    return status;
}
static int rank_add(AGG_ADD_PARAMS) {
    return rank_move(aggregate, table, rows, args, batch, sel, count, 0);
}
static int dense_rank_add(AGG_ADD_PARAMS) {
    return rank_move(aggregate, table, rows, args, batch, sel, count, 1);
}
AGG_RESULT(rank_result, sorted_state, int64_t, { result[i] = (int64_t)state->place; })

/* The second of each: of values that are no words, which only a window can rank. */
static const struct wr_aggregate_kernel rank_kernels[] = {
    {.state_bytes = sizeof(struct sorted_state),
     .cell_count = 1,
     .cells = sorted_cells,
     .add = rank_add,
     .result = rank_result},
    {.state_bytes = 8, .result = rank_result},
    {.state_bytes = sizeof(struct sorted_state),
     .cell_count = 1,
     .cells = sorted_cells,
     .add = dense_rank_add,
     .result = rank_result},
};

static const struct wr_aggregate_kernel *choose_rank(const struct wr_type *args, int dense,
                                                     struct wr_type *type) {
    *type = WR_TYPE(WR_INT64);
    if (agg_is_word(args[0].kind) || args[0].kind == WR_FLOAT64 || args[0].kind == WR_BOOL)
        return &rank_kernels[dense ? 2 : 0];
    return agg_is_text(args[0].kind) || args[0].kind == WR_DECIMAL ? &rank_kernels[1] : NULL;
}
static const struct wr_aggregate_kernel *rank_choose(AGG_CHOOSE_PARAMS) {
    (void)arena;
    (void)arg_count;
    return choose_rank(args, 0, type);
}
static const struct wr_aggregate_kernel *dense_rank_choose(AGG_CHOOSE_PARAMS) {
    (void)arena;
    (void)arg_count;
    return choose_rank(args, 1, type);
}

const struct wr_aggregate_function wr_aggregates_ranks[] = {
    {.name = "rank",
     .signatures = AGG_TEXTS("(x any) int64"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = rank_choose},
    {.name = "dense_rank",
     .signatures = AGG_TEXTS("(x any) int64"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = dense_rank_choose},
    {0},
};

/* ---- all, any ------------------------------------------------------------------------------- */

struct truths_state {
    uint64_t count[2]; /* of false, of true */
};

static int truths_add(AGG_ADD_PARAMS) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (!wr_column_is_nil(&args[0], row))
            ((struct truths_state *)(void *)(rows[i] + aggregate->offset))
                ->count[WR_BOOLS(&args[0])[row] != 0]++;
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}
static int truths_retract(AGG_ADD_PARAMS) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (!wr_column_is_nil(&args[0], row))
            ((struct truths_state *)(void *)(rows[i] + aggregate->offset))
                ->count[WR_BOOLS(&args[0])[row] != 0]--;
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}
AGG_RESULT(truths_all_result, truths_state, uint8_t, {
    result[i] = state->count[0] == 0;
    if (state->count[0] + state->count[1] == 0)
        AGG_NIL(i);
})
AGG_RESULT(truths_any_result, truths_state, uint8_t, {
    result[i] = state->count[1] > 0;
    if (state->count[0] + state->count[1] == 0)
        AGG_NIL(i);
})
#define TRUTHS_KERNEL(name) \
    static const struct wr_aggregate_kernel truths_##name = {.state_bytes = \
                                                                 sizeof(struct truths_state), \
                                                             .add = truths_add, \
                                                             .retract = truths_retract, \
                                                             .result = truths_##name##_result}; \
    const struct wr_aggregate_kernel *wr_truths_##name##_choose(AGG_CHOOSE_PARAMS) { \
        (void)arena; \
        (void)arg_count; \
        *type = args[0]; \
        return args[0].kind == WR_BOOL ? &truths_##name : NULL; \
    }
TRUTHS_KERNEL(all)
TRUTHS_KERNEL(any)
