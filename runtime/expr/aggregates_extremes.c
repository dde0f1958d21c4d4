/* aggregates_extremes.c: min, max, all, any. Floats have NaN after all numbers, and one zero. */
#include "expr/aggregates.h"
#include "base/banned.h"

struct word_state {
    int64_t value;
    uint64_t seen;
};
struct float_state {
    double value;
    uint64_t seen;
};
struct decimal_state {
    uint64_t value[2];
    uint64_t seen;
};
struct text_state {
    struct wr_str value;
    uint64_t seen;
};
static const struct wr_cell text_cells[] = {
    {.kind = WR_CELL_STRING, .offset = offsetof(struct text_state, value)}};

/* `better`: whether `value` beats what the state holds. */
#define WORD_KEEP(better) \
    do { \
        state->value = ((state->seen == 0) | (better)) ? value : state->value; \
        state->seen = 1; \
    } while (0)

AGG_ADD_LOOP(min_words_add, word_state, int64_t, { WORD_KEEP(value < state->value); })
AGG_ADD_LOOP(max_words_add, word_state, int64_t, { WORD_KEEP(value > state->value); })
AGG_ADD_LOOP(min_floats_add, float_state, double, {
    value += 0.0;
    WORD_KEEP((value < state->value) | (state->value != state->value));
})
AGG_ADD_LOOP(max_floats_add, float_state, double, {
    value += 0.0;
    WORD_KEEP((value > state->value) | (value != value));
})

#define MERGE_KEEP(name, stype, ctype, better) \
    AGG_MERGE(name, stype, { \
        ctype value = other->value; \
        if (other->seen) \
            WORD_KEEP(better); \
    })
MERGE_KEEP(min_words_merge, word_state, int64_t, value < state->value)
MERGE_KEEP(max_words_merge, word_state, int64_t, value > state->value)
MERGE_KEEP(min_floats_merge, float_state, double,
           (value < state->value) | (state->value != state->value))
MERGE_KEEP(max_floats_merge, float_state, double, (value > state->value) | (value != value))

AGG_RESULT(words_result, word_state, int64_t, {
    result[i] = state->value;
    if (!state->seen)
        AGG_NIL(i);
})
AGG_RESULT(floats_result, float_state, double, {
    result[i] = state->value;
    if (!state->seen)
        AGG_NIL(i);
})

/* ---- decimals ------------------------------------------------------------------------------- */

static inline void decimal_keep(struct decimal_state *state, __int128 value, int largest) {
    __int128 have;
    memcpy(&have, state->value, 16);
    if (!state->seen || (largest ? value > have : value < have))
        memcpy(state->value, &value, 16);
    state->seen = 1;
}
static void decimal_join(struct decimal_state *state, const struct decimal_state *other,
                         int largest) {
    __int128 value;
    memcpy(&value, other->value, 16);
    if (other->seen)
        decimal_keep(state, value, largest);
}
AGG_ADD_LOOP(min_decimals_add, decimal_state, __int128, { decimal_keep(state, value, 0); })
AGG_ADD_LOOP(max_decimals_add, decimal_state, __int128, { decimal_keep(state, value, 1); })
AGG_MERGE(min_decimals_merge, decimal_state, decimal_join(state, other, 0))
AGG_MERGE(max_decimals_merge, decimal_state, decimal_join(state, other, 1))
AGG_RESULT(decimals_result, decimal_state, __int128, {
    memcpy(&result[i], state->value, 16);
    if (!state->seen)
        AGG_NIL(i);
})

/* ---- strings -------------------------------------------------------------------------------- */

static inline int text_keep(struct text_state *state, struct wr_table *table,
                            const struct wr_str *value, int largest) {
    if (state->seen) {
        int order = wr_str_compare(value, &state->value);
        if (largest ? order <= 0 : order >= 0)
            return WR_OK;
    }
    state->seen = 1;
    return wr_table_set_string(table, &state->value, wr_str_bytes(value), value->length);
}

static inline int texts_add(AGG_ADD_PARAMS, int largest) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (!wr_column_is_nil(&args[0], row))
            status = text_keep((struct text_state *)(void *)(rows[i] + aggregate->offset), table,
                               &WR_STR(&args[0])[row], largest);
    }
    AGG_UNUSED_ADD;
    return status;
}
static int min_texts_add(AGG_ADD_PARAMS) {
    return texts_add(aggregate, table, rows, args, batch, sel, count, 0);
}
static int max_texts_add(AGG_ADD_PARAMS) {
    return texts_add(aggregate, table, rows, args, batch, sel, count, 1);
}
static int texts_merge(AGG_MERGE_PARAMS, int largest) {
    const struct text_state *other =
        (const struct text_state *)(const void *)(from + aggregate->offset);
    if (!other->seen)
        return WR_OK;
    return text_keep((struct text_state *)(void *)(into + aggregate->offset), table, &other->value,
                     largest);
}
static int min_texts_merge(AGG_MERGE_PARAMS) {
    return texts_merge(aggregate, table, into, from, 0);
}
static int max_texts_merge(AGG_MERGE_PARAMS) {
    return texts_merge(aggregate, table, into, from, 1);
}
AGG_RESULT(texts_result, text_state, struct wr_str, {
    result[i] = state->value;
    if (!state->seen)
        AGG_NIL(i);
})

#define EXTREME_KERNELS(name) \
    static const struct wr_aggregate_kernel name##_words = {.state_bytes = \
                                                                sizeof(struct word_state), \
                                                            .add = name##_words_add, \
                                                            .merge = name##_words_merge, \
                                                            .result = words_result}; \
    static const struct wr_aggregate_kernel name##_floats = {.state_bytes = \
                                                                 sizeof(struct float_state), \
                                                             .add = name##_floats_add, \
                                                             .merge = name##_floats_merge, \
                                                             .result = floats_result}; \
    static const struct wr_aggregate_kernel name##_decimals = {.state_bytes = \
                                                                   sizeof(struct decimal_state), \
                                                               .add = name##_decimals_add, \
                                                               .merge = name##_decimals_merge, \
                                                               .result = decimals_result}; \
    static const struct wr_aggregate_kernel name##_texts = {.state_bytes = \
                                                                sizeof(struct text_state), \
                                                            .cell_count = 1, \
                                                            .cells = text_cells, \
                                                            .add = name##_texts_add, \
                                                            .merge = name##_texts_merge, \
                                                            .result = texts_result}; \
    static const struct wr_aggregate_kernel *name##_choose( \
        struct wr_arena *arena, const struct wr_type *args, uint32_t arg_count, \
        struct wr_type *type) { \
        (void)arena; \
        (void)arg_count; \
        *type = args[0]; \
        if (agg_is_word(args[0].kind)) \
            return &name##_words; \
        if (args[0].kind == WR_FLOAT64) \
            return &name##_floats; \
        if (args[0].kind == WR_DECIMAL) \
            return &name##_decimals; \
        return agg_is_text(args[0].kind) ? &name##_texts : NULL; \
    }
EXTREME_KERNELS(min)
EXTREME_KERNELS(max)

/* ---- all, any ------------------------------------------------------------------------------- */

struct truth_state {
    uint64_t seen; /* bit 0: a false was seen; bit 1: a true was seen */
};
AGG_ADD_LOOP(truths_add, truth_state, uint8_t, { state->seen |= UINT64_C(1) << (value != 0); })
AGG_MERGE(truths_merge, truth_state, state->seen |= other->seen)
AGG_RESULT(all_result, truth_state, uint8_t, {
    result[i] = state->seen == 2;
    if (state->seen == 0)
        AGG_NIL(i);
})
AGG_RESULT(any_result, truth_state, uint8_t, {
    result[i] = (state->seen & 2) != 0;
    if (state->seen == 0)
        AGG_NIL(i);
})
static const struct wr_aggregate_kernel all_truths = {
    .state_bytes = 8, .add = truths_add, .merge = truths_merge, .result = all_result};
static const struct wr_aggregate_kernel any_truths = {
    .state_bytes = 8, .add = truths_add, .merge = truths_merge, .result = any_result};

static const struct wr_aggregate_kernel *all_choose(struct wr_arena *arena,
                                                    const struct wr_type *args, uint32_t arg_count,
                                                    struct wr_type *type) {
    (void)arena;
    (void)arg_count;
    *type = args[0];
    return args[0].kind == WR_BOOL ? &all_truths : NULL;
}
static const struct wr_aggregate_kernel *any_choose(struct wr_arena *arena,
                                                    const struct wr_type *args, uint32_t arg_count,
                                                    struct wr_type *type) {
    (void)arena;
    (void)arg_count;
    *type = args[0];
    return args[0].kind == WR_BOOL ? &any_truths : NULL;
}

#define EXTREME_SIGNATURES \
    AGG_TEXTS("(x number) T", "(x string) string", "(x bytes) bytes", "(x timestamp) timestamp", \
              "(x date) date", "(x duration) duration")

const struct wr_aggregate_function wr_aggregates_extremes[] = {
    {.name = "min",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "The smallest value; strings by their bytes. Of several columns of one row: min_of.",
     .signatures = EXTREME_SIGNATURES,
     .arg_min = 1,
     .arg_max = 1,
     .choose = min_choose,
     .choose_framed = wr_sorted_min_choose,
     .examples = AGG_EXAMPLES({"min(x)", "1"}, {"min(s)", "'a'"}, {"min(f where x > 1)", "1.0"})},
    {.name = "max",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc =
         "The largest value; NaN comes after all numbers. Of several columns of one row: max_of.",
     .signatures = EXTREME_SIGNATURES,
     .arg_min = 1,
     .arg_max = 1,
     .choose = max_choose,
     .choose_framed = wr_sorted_max_choose,
     .examples = AGG_EXAMPLES({"max(x)", "4"}, {"max(s)", "'b'"}, {"max(x where x > 9)", "nil"})},
    {.name = "all",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "Whether the condition is true in every row where it is not nil.",
     .signatures = AGG_TEXTS("(condition bool) bool"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = all_choose,
     .choose_framed = wr_truths_all_choose,
     .examples = AGG_EXAMPLES({"all(x + 0 > 0)", "false"}, {"all(x > 0 where x ~= nil)", "true"})},
    {.name = "any",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "Whether the condition is true in at least one row.",
     .signatures = AGG_TEXTS("(condition bool) bool"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = any_choose,
     .choose_framed = wr_truths_any_choose,
     .examples = AGG_EXAMPLES({"any(s == 'b')", "true"}, {"any(x > 9)", "false"})},
    {0},
};
