/* aggregates_lists.c: median, quantile, list, string_agg: states that keep every value in a blob.
 * `list` and `string_agg` keep their result as text, in the order of arrival; where event time or
 * `order by` decides, the collector (aggregates_order.c) feeds them in that order. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "data/schema.h"
#include "expr/aggregates.h"
#include "data/json_members.h"
#include "data/json_put.h"
#include "base/banned.h"

struct values_state {
    struct wr_blob blob;
    uint64_t count;
};
static const struct wr_cell values_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct values_state, blob)}};

int wr_blob_more(struct wr_table *table, struct wr_blob *blob, uint32_t more) {
    uint64_t need = (uint64_t)blob->length + more;
    if (need <= blob->room)
        return WR_OK;
    if (need > WR_AGGREGATE_BLOB_BYTES_MAX)
        return WR_ELIMIT;
    uint64_t room = WR_MAX(need, (uint64_t)blob->room + blob->room / 2);
    room = WR_MAX(room, 32);
    return wr_blob_reserve(table, blob, (uint32_t)WR_MIN(room, WR_AGGREGATE_BLOB_BYTES_MAX));
}

static int blob_append(struct wr_table *table, struct wr_blob *blob, const void *bytes,
                       uint32_t length) {
    int status = wr_blob_more(table, blob, length);
    if (status == WR_OK && length > 0) {
        memcpy(blob->bytes + blob->length, bytes, length);
        blob->length += length;
    }
    return status;
}

/* ---- median, quantile ----------------------------------------------------------------------- */

static int words_add(AGG_ADD_PARAMS) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        struct values_state *state = (struct values_state *)(void *)(rows[i] + aggregate->offset);
        int64_t word = agg_is_word(aggregate->arg_types[0].kind) ? WR_I64(&args[0])[row] : 0;
        if (aggregate->arg_types[0].kind == WR_FLOAT64) {
            memcpy(&word, &WR_F64(&args[0])[row], 8);
        } else if (aggregate->arg_types[0].kind == WR_DECIMAL) {
            double value = wr_decimal_to_float(((const __int128 *)args[0].data)[row],
                                               aggregate->arg_types[0].scale);
            memcpy(&word, &value, 8);
        }
        status = blob_append(table, &state->blob, &word, 8);
        state->count += status == WR_OK;
    }
    (void)batch;
    return status;
}

static int values_merge(AGG_MERGE_PARAMS) {
    struct values_state *state = (struct values_state *)(void *)(into + aggregate->offset);
    const struct values_state *other =
        (const struct values_state *)(const void *)(from + aggregate->offset);
    int status = blob_append(table, &state->blob, other->blob.bytes, other->blob.length);
    state->count += status == WR_OK ? other->count : 0;
    return status;
}

static int word_compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}
static int float_compare(const void *a, const void *b) {
    uint64_t x = agg_float_order(*(const double *)a);
    uint64_t y = agg_float_order(*(const double *)b);
    return (x > y) - (x < y);
}

double wr_quantile_of(const struct wr_aggregate *aggregate) {
    double q = 0.5;
    if (aggregate->arg_count > 1)
        wr_constant_number(aggregate->constants[1], &q);
    return q;
}

/* The values of a state, sorted in `arena`: word `at` and the one behind it, and how far between
 * them the quantile lies. */
static int quantile_words(const struct wr_aggregate *aggregate, const struct values_state *state,
                          struct wr_arena *arena, int64_t pair[2], double *between) {
    int64_t *words = wr_arena_alloc(arena, state->blob.length);
    if (words == NULL)
        return WR_ENOMEM;
    memcpy(words, state->blob.bytes, state->blob.length);
    qsort(words, state->count, 8,
          agg_is_word(aggregate->arg_types[0].kind) ? word_compare : float_compare);
    double place = wr_quantile_of(aggregate) * (double)(state->count - 1);
    uint64_t at = (uint64_t)floor(place);
    *between = place - (double)at;
    pair[0] = words[at];
    pair[1] = words[WR_MIN(at + 1, state->count - 1)];
    return WR_OK;
}

/* The weighted form where the distance of the two is not finite: between -inf and 1 lies -inf. */
double wr_between_floats(double low, double high, double between) {
    if (between == 0 || low == high)
        return low;
    double distance = high - low;
    return isfinite(distance) ? low + distance * between : low * (1 - between) + high * between;
}

int64_t wr_quantile_between(const struct wr_aggregate *aggregate, const int64_t pair[2],
                            double between) {
    if (aggregate->type.kind != WR_FLOAT64) {
        double distance = (double)((__int128)pair[1] - pair[0]);
        return (int64_t)((__int128)pair[0] + (__int128)(distance * between));
    }
    double low = (double)pair[0];
    double high = (double)pair[1];
    if (!agg_is_word(aggregate->arg_types[0].kind)) {
        memcpy(&low, &pair[0], 8);
        memcpy(&high, &pair[1], 8);
    }
    /* Equal ones may be infinite, and then have no distance. */
    double value = wr_between_floats(low, high, between);
    int64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

static int quantile_result(AGG_RESULT_PARAMS) {
    for (uint32_t i = 0; i < count; i++) {
        const struct values_state *state =
            (const struct values_state *)(const void *)(rows[i] + aggregate->offset);
        ((int64_t *)out)[i] = 0;
        if (state->count == 0) {
            AGG_NIL(i);
            continue;
        }
        int64_t pair[2];
        double between;
        struct wr_arena_mark mark = wr_arena_mark(arena);
        int status = quantile_words(aggregate, state, arena, pair, &between);
        wr_arena_rewind(arena, mark);
        if (status != WR_OK)
            return status;
        ((int64_t *)out)[i] = wr_quantile_between(aggregate, pair, between);
    }
    (void)fails;
    return WR_OK;
}

static const struct wr_aggregate_kernel quantile_kernel = {.state_bytes =
                                                               sizeof(struct values_state),
                                                           .cell_count = 1,
                                                           .cells = values_cells,
                                                           .add = words_add,
                                                           .merge = values_merge,
                                                           .result = quantile_result};

static const struct wr_aggregate_kernel *quantile_choose(struct wr_arena *arena,
                                                         const struct wr_type *args,
                                                         uint32_t arg_count, struct wr_type *type) {
    (void)arena;
    if (arg_count == 2 && args[1].kind != WR_FLOAT64 && args[1].kind != WR_INT64)
        return NULL;
    switch (args[0].kind) {
    case WR_INT64:
    case WR_FLOAT64:
    case WR_DECIMAL: *type = WR_TYPE(WR_FLOAT64); return &quantile_kernel;
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION: *type = args[0]; return &quantile_kernel;
    default: return NULL;
    }
}

static const struct wr_aggregate_kernel *quantile_choose_framed(AGG_CHOOSE_PARAMS) {
    return quantile_choose(arena, args, arg_count, type) == NULL ? NULL
                                                                 : wr_sorted_quantile_kernel();
}

const char *wr_quantile_check(const struct wr_value *const *constants, uint32_t arg_count) {
    double q;
    if (arg_count < 2 || !wr_constant_number(constants[1], &q) || !(q >= 0 && q <= 1))
        return "q must be a number from 0 to 1";
    return NULL;
}

/* ---- list ----------------------------------------------------------------------------------- */

static int list_add(AGG_ADD_PARAMS) {
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, WR_AGGREGATE_BLOB_BYTES_MAX);
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        struct values_state *state = (struct values_state *)(void *)(rows[i] + aggregate->offset);
        wr_buf_clear(&text);
        if (state->count > 0)
            wr_buf_add_char(&text, ',');
        status = wr_json_put_value(&text, &aggregate->arg_types[0], &args[0], row);
        if (status == WR_OK)
            status = blob_append(table, &state->blob, text.bytes, (uint32_t)text.length);
        state->count += status == WR_OK;
    }
    wr_buf_release(&text);
    (void)batch;
    return status;
}

static int texts_merge(struct wr_table *table, struct values_state *state,
                       const struct values_state *other, const char *between, uint32_t length) {
    if (other->count == 0)
        return WR_OK;
    int status = state->count > 0 ? blob_append(table, &state->blob, between, length) : WR_OK;
    if (status == WR_OK)
        status = blob_append(table, &state->blob, other->blob.bytes, other->blob.length);
    state->count += status == WR_OK ? other->count : 0;
    return status;
}

static int list_merge(AGG_MERGE_PARAMS) {
    return texts_merge(table, (struct values_state *)(void *)(into + aggregate->offset),
                       (const struct values_state *)(const void *)(from + aggregate->offset), ",",
                       1);
}

static int list_result(AGG_RESULT_PARAMS) {
    for (uint32_t i = 0; i < count; i++) {
        const struct values_state *state =
            (const struct values_state *)(const void *)(rows[i] + aggregate->offset);
        uint32_t length = state->blob.length + 2;
        char *text = wr_arena_alloc(arena, length);
        if (text == NULL)
            return WR_ENOMEM;
        text[0] = '[';
        if (length > 2)
            memcpy(text + 1, state->blob.bytes, state->blob.length);
        text[length - 1] = ']';
        ((struct wr_str *)out)[i] = wr_str_of(text, length);
    }
    AGG_UNUSED_RESULT;
    return WR_OK;
}

static const struct wr_aggregate_kernel list_kernel = {.state_bytes = sizeof(struct values_state),
                                                       .cell_count = 1,
                                                       .cells = values_cells,
                                                       .add = list_add,
                                                       .merge = list_merge,
                                                       .result = list_result};

static const struct wr_aggregate_kernel *list_choose(struct wr_arena *arena,
                                                     const struct wr_type *args, uint32_t arg_count,
                                                     struct wr_type *type) {
    (void)arg_count;
    return args[0].kind == WR_NIL || wr_agg_list_of(arena, args[0], type) != WR_OK ? NULL
                                                                                   : &list_kernel;
}

/* ---- string_agg ----------------------------------------------------------------------------- */

static const char *separator_of(const struct wr_aggregate *aggregate, uint32_t *length) {
    if (aggregate->arg_count < 2) {
        *length = 1;
        return ",";
    }
    *length = aggregate->constants[1]->count;
    return aggregate->constants[1]->string;
}

static int string_agg_add(AGG_ADD_PARAMS) {
    uint32_t separator_length;
    const char *separator = separator_of(aggregate, &separator_length);
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        struct values_state *state = (struct values_state *)(void *)(rows[i] + aggregate->offset);
        const struct wr_str *str = &WR_STR(&args[0])[row];
        if (state->count > 0)
            status = blob_append(table, &state->blob, separator, separator_length);
        if (status == WR_OK)
            status = blob_append(table, &state->blob, wr_str_bytes(str), str->length);
        state->count++;
    }
    (void)batch;
    return status;
}

static int string_agg_merge(AGG_MERGE_PARAMS) {
    uint32_t length;
    const char *separator = separator_of(aggregate, &length);
    return texts_merge(table, (struct values_state *)(void *)(into + aggregate->offset),
                       (const struct values_state *)(const void *)(from + aggregate->offset),
                       separator, length);
}

AGG_RESULT(string_agg_result, values_state, struct wr_str, {
    const struct wr_blob *blob = &state->blob;
    result[i] = wr_str_of(blob->length == 0 ? "" : blob->bytes, blob->length);
    if (state->count == 0)
        AGG_NIL(i);
})

static const struct wr_aggregate_kernel string_agg_kernel = {.state_bytes =
                                                                 sizeof(struct values_state),
                                                             .cell_count = 1,
                                                             .cells = values_cells,
                                                             .add = string_agg_add,
                                                             .merge = string_agg_merge,
                                                             .result = string_agg_result};

static const struct wr_aggregate_kernel *string_agg_choose(struct wr_arena *arena,
                                                           const struct wr_type *args,
                                                           uint32_t arg_count,
                                                           struct wr_type *type) {
    (void)arena;
    *type = args[0];
    if (arg_count == 2 && args[1].kind != args[0].kind && args[1].kind != WR_STRING)
        return NULL;
    return agg_is_text(args[0].kind) ? &string_agg_kernel : NULL;
}

static const char *string_agg_check(const struct wr_value *const *constants, uint32_t arg_count) {
    if (arg_count == 2 && constants[1]->kind != WR_VALUE_STRING)
        return "the separator must be a string";
    return NULL;
}

#define ORDER_SIGNATURES \
    AGG_TEXTS("(x number) float64", "(x timestamp) timestamp", "(x date) date", \
              "(x duration) duration")

const struct wr_aggregate_function wr_aggregates_lists[] = {
    {.name = "median",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "The exact median: the middle value, or the mean of the two in the middle.",
     .signatures = ORDER_SIGNATURES,
     .arg_min = 1,
     .arg_max = 1,
     .choose = quantile_choose,
     .choose_framed = quantile_choose_framed,
     .examples = AGG_EXAMPLES({"median(x)", "2.5"}, {"median(x where x < 4)", "2.0"})},
    {.name = "quantile",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "The exact value below which the share q of all values lies, between two neighbours in "
            "proportion.",
     .signatures = AGG_QUANTILE_SIGNATURES,
     .arg_min = 2,
     .arg_max = 2,
     .constants = 2,
     .choose = quantile_choose,
     .choose_framed = quantile_choose_framed,
     .check = wr_quantile_check,
     .examples = AGG_EXAMPLES({"quantile(x, 0.9)", "3.7"}, {"quantile(x, 0)", "1.0"})},
    {.name = "list",
     .flags = WR_AGG_MERGES | WR_AGG_ORDERED | WR_AGG_COLLECTS,
     .doc = "A list of the values that are not nil, by `order by`, else event time, else arrival.",
     .signatures = AGG_TEXTS("(x T) list<T>"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = list_choose,
     .examples = AGG_EXAMPLES({"list(x)", "[1,2,3,4]"},
                              {"list(s order by x desc limit 2)", "[\"a\",\"b\"]"},
                              {"list(x where x > 9)", "[]"})},
    {.name = "string_agg",
     .flags = WR_AGG_MERGES | WR_AGG_ORDERED | WR_AGG_COLLECTS,
     .doc = "The strings that are not nil, joined by a separator (','), by `order by`, else event "
            "time, else arrival.",
     .signatures = AGG_TEXTS("(x string, separator const string = ',') string",
                             "(x bytes, separator const string = ',') bytes"),
     .arg_min = 1,
     .arg_max = 2,
     .constants = 2,
     .choose = string_agg_choose,
     .check = string_agg_check,
     .examples = AGG_EXAMPLES({"string_agg(s, '-')", "'a-b-b-a'"},
                              {"string_agg(s, '' order by s desc)", "'bbaa'"})},
    {0},
};
