/* aggregates_histogram.c: histogram: how many values lie in each bucket.
 *
 * With edges, a state is a count for each bucket, in the row. With a width, it is a blob with the
 * buckets that hold anything, in their order, each by its number: floor(x / width), of floats as a
 * float. */
#include <math.h>

#include "base/buf.h"
#include "data/schema.h"
#include "data/time.h"
#include "expr/aggregates.h"
#include "data/json_members.h"
#include "data/json_put.h"
#include "base/banned.h"

#define HISTOGRAM_BUCKETS_MAX 10000 /* of one group, with a width; with more the result fails */

/* A number of a literal, as the values are counted: as words or as floats. */
struct edge {
    int64_t word;
    double number;
};

static int literal_us(const struct wr_value *constant, int64_t *us) {
    return constant->kind == WR_VALUE_STRING &&
           wr_duration_parse(constant->string, constant->count, us);
}

static struct edge edge_of(const struct wr_aggregate *aggregate, uint32_t arg) {
    const struct wr_value *constant = aggregate->constants[arg];
    struct edge edge = {0};
    if (constant->kind == WR_VALUE_INT)
        edge.word = constant->integer;
    else
        literal_us(constant, &edge.word);
    wr_constant_number(constant, &edge.number);
    return edge;
}

/* The type of the result's `low` and `high`. */
static const struct wr_type *bound_type(const struct wr_aggregate *aggregate) {
    const struct wr_type *bucket = &aggregate->type.child->fields[0].type;
    return &bucket->child->fields[0].type;
}

static int counts_words(const struct wr_aggregate *aggregate) {
    return agg_is_word(bound_type(aggregate)->kind);
}

static double float_at(const struct wr_aggregate *aggregate, const struct wr_column *column,
                       uint32_t row) {
    const struct wr_type *type = &aggregate->arg_types[0];
    if (type->kind == WR_DECIMAL)
        return wr_decimal_to_float(((const __int128 *)column->data)[row], type->scale);
    return type->kind == WR_INT64 ? (double)WR_I64(column)[row] : WR_F64(column)[row];
}

/* ---- the result ----------------------------------------------------------------------------- */

struct bound {
    uint64_t bits; /* a word or a float */
    int open;      /* no bound: nil */
};

static void put_bucket(struct wr_buf *text, const struct wr_type *type, struct bound low,
                       struct bound high, uint64_t count) {
    const struct wr_type whole = WR_TYPE(WR_INT64);
    uint64_t bits[] = {low.bits, high.bits, count};
    uint64_t valid = (low.open ? 0u : 1u) | (high.open ? 0u : 2u) | 4u;
    struct wr_column column = {.data = bits, .valid = &valid};
    wr_buf_add_text(text, text->length == 1 ? "{\"low\":" : ",{\"low\":");
    wr_json_put_value(text, type, &column, 0);
    wr_buf_add_text(text, ",\"high\":");
    wr_json_put_value(text, type, &column, 1);
    wr_buf_add_text(text, ",\"count\":");
    wr_json_put_value(text, &whole, &column, 2);
    wr_buf_add_char(text, '}');
}

/* ---- edges ---------------------------------------------------------------------------------- */

static int edges_move(AGG_ADD_PARAMS, uint64_t by) {
    struct edge edges[WR_AGGREGATE_ARGS_MAX];
    uint32_t edge_count = aggregate->arg_count - 1;
    int words = counts_words(aggregate);
    for (uint32_t e = 0; e < edge_count; e++)
        edges[e] = edge_of(aggregate, e + 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        uint32_t bucket = 0;
        if (words) {
            while (bucket < edge_count && WR_I64(&args[0])[row] >= edges[bucket].word)
                bucket++;
        } else {
            double value = float_at(aggregate, &args[0], row);
            while (bucket < edge_count && value >= edges[bucket].number)
                bucket++;
            if (value != value)
                continue;
        }
        ((uint64_t *)(void *)(rows[i] + aggregate->offset))[bucket] += by;
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}
static int edges_add(AGG_ADD_PARAMS) {
    return edges_move(aggregate, table, rows, args, batch, sel, count, 1);
}
static int edges_retract(AGG_ADD_PARAMS) {
    return edges_move(aggregate, table, rows, args, batch, sel, count, UINT64_MAX);
}

static int edges_merge(AGG_MERGE_PARAMS) {
    for (uint32_t b = 0; b < aggregate->arg_count; b++)
        ((uint64_t *)(void *)(into + aggregate->offset))[b] +=
            ((const uint64_t *)(const void *)(from + aggregate->offset))[b];
    (void)table;
    return WR_OK;
}

static int edges_put(const struct wr_aggregate *aggregate, const uint8_t *state,
                     struct wr_buf *text, uint16_t *fail) {
    const struct wr_type *type = bound_type(aggregate);
    const uint64_t *counts = (const uint64_t *)(const void *)state;
    int words = counts_words(aggregate), any = 0;
    for (uint32_t b = 0; b < aggregate->arg_count; b++)
        any |= counts[b] != 0;
    struct bound low = {.open = 1};
    for (uint32_t b = 0; any && b < aggregate->arg_count; b++) {
        struct bound high = {.open = b + 1 == aggregate->arg_count};
        if (!high.open) {
            struct edge edge = edge_of(aggregate, b + 1);
            memcpy(&high.bits, words ? (const void *)&edge.word : &edge.number, 8);
        }
        put_bucket(text, type, low, high, counts[b]);
        low = high;
    }
    (void)fail;
    return text->status;
}
static int edges_result(AGG_RESULT_PARAMS) {
    return wr_agg_lists_result(aggregate, rows, count, out, valid, fails, arena, edges_put);
}

/* ---- width ---------------------------------------------------------------------------------- */

struct width_state {
    struct wr_blob blob; /* buckets */
    uint64_t too_many;
};
static const struct wr_cell width_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct width_state, blob)}};
struct bucket {
    uint64_t order; /* of its number, as unsigned integers have it */
    uint64_t count;
};

static uint64_t float_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}
static double float_of_order(uint64_t order) {
    uint64_t bits = order >> 63 ? order ^ UINT64_C(1) << 63 : ~order;
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

/* The number of the bucket of a row, whose bounds are number * width and (number + 1) * width as
 * the result has them. 0: in none. */
static int bucket_of(const struct wr_aggregate *aggregate, struct edge width,
                     const struct wr_column *column, uint32_t row, uint64_t *order) {
    if (counts_words(aggregate)) {
        int64_t value = WR_I64(column)[row];
        int64_t number = value / width.word;
        *order = agg_int_order(number - (value % width.word < 0));
        return 1;
    }
    double value = float_at(aggregate, column, row);
    double number = floor(value / width.number);
    if (!isfinite(number))
        return 0;
    if (value < number * width.number)
        number -= 1;
    else if (value >= (number + 1) * width.number)
        number += 1;
    *order = agg_float_order(number);
    return 1;
}

/* The place of a bucket among those of a state, or where it belongs. */
static uint32_t bucket_find(const struct width_state *state, uint64_t order) {
    const struct bucket *buckets = (const struct bucket *)(const void *)state->blob.bytes;
    uint32_t low = 0, high = state->blob.length / (uint32_t)sizeof(struct bucket);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (buckets[middle].order < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* `by` more in a bucket (modulo 2^64); one that is empty again goes. */
static int bucket_move(struct wr_table *table, struct width_state *state, uint64_t order,
                       uint64_t by) {
    struct bucket *buckets = (struct bucket *)(void *)state->blob.bytes;
    uint32_t count = state->blob.length / (uint32_t)sizeof *buckets;
    uint32_t at = bucket_find(state, order);
    if (at < count && buckets[at].order == order) {
        buckets[at].count += by;
        if (buckets[at].count != 0)
            return WR_OK;
        memmove(&buckets[at], &buckets[at + 1], (count - at - 1) * sizeof *buckets);
        state->blob.length -= (uint32_t)sizeof *buckets;
        return WR_OK;
    }
    if (count >= HISTOGRAM_BUCKETS_MAX) {
        state->too_many = 1;
        return WR_OK;
    }
    int status = wr_blob_more(table, &state->blob, sizeof *buckets);
    if (status != WR_OK)
        return status;
    buckets = (struct bucket *)(void *)state->blob.bytes;
    memmove(&buckets[at + 1], &buckets[at], (count - at) * sizeof *buckets);
    buckets[at] = (struct bucket){.order = order, .count = by};
    state->blob.length += (uint32_t)sizeof *buckets;
    return WR_OK;
}

static int width_move(AGG_ADD_PARAMS, uint64_t by) {
    struct edge width = edge_of(aggregate, 1);
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        uint64_t order;
        if (wr_column_is_nil(&args[0], row) || !bucket_of(aggregate, width, &args[0], row, &order))
            continue;
        status = bucket_move(table, (struct width_state *)(void *)(rows[i] + aggregate->offset),
                             order, by);
    }
    (void)batch;
    return status;
}
static int width_add(AGG_ADD_PARAMS) {
    return width_move(aggregate, table, rows, args, batch, sel, count, 1);
}
static int width_retract(AGG_ADD_PARAMS) {
    return width_move(aggregate, table, rows, args, batch, sel, count, UINT64_MAX);
}

static int width_merge(AGG_MERGE_PARAMS) {
    struct width_state *state = (struct width_state *)(void *)(into + aggregate->offset);
    const struct width_state *other =
        (const struct width_state *)(const void *)(from + aggregate->offset);
    const struct bucket *buckets = (const struct bucket *)(const void *)other->blob.bytes;
    int status = WR_OK;
    for (uint32_t b = 0; b < other->blob.length / sizeof *buckets && status == WR_OK; b++)
        status = bucket_move(table, state, buckets[b].order, buckets[b].count);
    state->too_many |= other->too_many;
    return status;
}

static int width_put(const struct wr_aggregate *aggregate, const uint8_t *state_bytes,
                     struct wr_buf *text, uint16_t *fail) {
    const struct wr_type *type = bound_type(aggregate);
    const struct width_state *state = (const struct width_state *)(const void *)state_bytes;
    const struct bucket *buckets = (const struct bucket *)(const void *)state->blob.bytes;
    struct edge width = edge_of(aggregate, 1);
    int words = counts_words(aggregate);
    if (state->too_many)
        *fail = WR_REJECT_OVERFLOW;
    for (uint32_t b = 0; b < state->blob.length / sizeof *buckets; b++) {
        struct bound low = {0}, high = {0};
        if (words) { /* a bound beyond int64 is open */
            int64_t number = (int64_t)(buckets[b].order ^ UINT64_C(1) << 63), bound = 0;
            low.open = __builtin_mul_overflow(number, width.word, &bound);
            low.bits = (uint64_t)bound;
            high.open = __builtin_add_overflow(number, 1, &number) ||
                        __builtin_mul_overflow(number, width.word, &bound);
            high.bits = (uint64_t)bound;
        } else {
            double number = float_of_order(buckets[b].order);
            low.bits = float_bits(number * width.number + 0.0);
            high.bits = float_bits((number + 1) * width.number + 0.0);
        }
        put_bucket(text, type, low, high, buckets[b].count);
    }
    return text->status;
}
static int width_result(AGG_RESULT_PARAMS) {
    return wr_agg_lists_result(aggregate, rows, count, out, valid, fails, arena, width_put);
}

static const struct wr_aggregate_kernel width_kernel = {.state_bytes = sizeof(struct width_state),
                                                        .cell_count = 1,
                                                        .cells = width_cells,
                                                        .add = width_add,
                                                        .retract = width_retract,
                                                        .merge = width_merge,
                                                        .result = width_result};

/* ---- the function --------------------------------------------------------------------------- */

/* The type of the bounds; WR_NIL: the literals are not of the values' kind. */
static enum wr_type_kind bound_kind(const struct wr_type *args, uint32_t arg_count) {
    enum wr_type_kind kind = args[0].kind == WR_DECIMAL ? WR_FLOAT64 : args[0].kind;
    for (uint32_t a = 1; a < arg_count; a++) {
        if (kind == WR_DURATION || (kind == WR_TIMESTAMP && arg_count == 2)) {
            if (args[a].kind != WR_STRING)
                return WR_NIL;
        } else if (kind == WR_INT64 && args[a].kind == WR_FLOAT64) {
            kind = WR_FLOAT64;
        } else if ((kind != WR_INT64 && kind != WR_FLOAT64) ||
                   (args[a].kind != WR_INT64 && args[a].kind != WR_FLOAT64)) {
            return WR_NIL;
        }
    }
    return kind;
}

static const struct wr_aggregate_kernel *histogram_choose(struct wr_arena *arena,
                                                          const struct wr_type *args,
                                                          uint32_t arg_count,
                                                          struct wr_type *type) {
    enum wr_type_kind kind = bound_kind(args, arg_count);
    const struct wr_type fields[] = {WR_TYPE(kind), WR_TYPE(kind), WR_TYPE(WR_INT64)};
    static const char *const names[] = {"low", "high", "count"};
    if (kind == WR_NIL || wr_agg_list_of_structs(arena, 3, names, fields, type) != WR_OK)
        return NULL;
    if (arg_count == 2)
        return &width_kernel;
    struct wr_aggregate_kernel *kernel = wr_arena_alloc(arena, sizeof *kernel);
    if (kernel != NULL)
        *kernel = (struct wr_aggregate_kernel){.state_bytes = arg_count * 8,
                                               .add = edges_add,
                                               .retract = edges_retract,
                                               .merge = edges_merge,
                                               .result = edges_result};
    return kernel;
}

static const char *histogram_check(const struct wr_value *const *constants, uint32_t arg_count) {
    double before = 0;
    for (uint32_t a = 1; a < arg_count; a++) {
        int64_t us = 0;
        double number = 0;
        if (literal_us(constants[a], &us))
            number = (double)us;
        else if (!wr_constant_number(constants[a], &number))
            return "widths and edges are numbers, of durations and times texts such as '10s'";
        if (!isfinite(number))
            return "widths and edges are finite";
        if (arg_count == 2 && !(number > 0))
            return "a width is greater than 0; edges are two or more";
        if (a > 1 && !(number > before))
            return "edges ascend";
        before = number;
    }
    return NULL;
}

const struct wr_aggregate_function wr_aggregates_histogram[] = {
    {.name = "histogram",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "How many values lie in each bucket [low, high), in ascending order. With one literal, "
            "buckets of that width from 0 on: those that hold a value, at most 10,000 of them "
            "(else the group fails with W504). With two or more, all buckets between these edges, "
            "and one on each side, whose `low` or `high` is nil. Of durations and timestamps the "
            "literals are texts: '10ms'. NaN is in no bucket, nor is an infinity where there is a "
            "width.",
     .signatures = AGG_TEXTS(
         "(x number, width const number) list<struct<low number, high number, count int64>>",
         "(x duration, width const string) list<struct<low duration, high duration, count int64>>",
         "(x timestamp, width const string) list<struct<low timestamp, high timestamp, count "
         "int64>>",
         "(x number, edge const number…) list<struct<low number, high number, count int64>>",
         "(x duration, edge const string…) list<struct<low duration, high duration, count "
         "int64>>"),
     .arg_min = 2,
     .arg_max = WR_AGGREGATE_ARGS_MAX,
     .constants = ~UINT32_C(1),
     .choose = histogram_choose,
     .check = histogram_check,
     .examples = AGG_EXAMPLES(
         {"histogram(x, 2)", "[{\"low\":0,\"high\":2,\"count\":1},{\"low\":2,\"high\":4,"
                             "\"count\":2},{\"low\":4,\"high\":6,\"count\":1}]"},
         {"histogram(f, 0.5, 2)", "[{\"low\":null,\"high\":0.5,\"count\":0},{\"low\":0.5,"
                                  "\"high\":2.0,\"count\":3},{\"low\":2.0,\"high\":null,"
                                  "\"count\":1}]"},
         {"histogram(x, 2 where x > 9)", "nil"})},
    {0},
};
