/* aggregates.h: what the files of aggregate kernels share. Only aggregate*.c include it.
 *
 * A kernel's `add` comes in four forms of one loop, by whether there is a selection and whether the
 * argument has nils, so that the common form has no branch in a row but its own. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/status.h"
#include "data/reject.h"
#include "data/value.h"
#include "expr/aggregate.h"
#include "expr/function.h"

/* The parameters of each `add`, of its loop, and the names that pass them on. */
#define AGG_ADD_PARAMS \
    const struct wr_aggregate *aggregate, struct wr_table *table, uint8_t *const *rows, \
        const struct wr_column *args, const struct wr_batch *batch, const uint32_t *sel, \
        uint32_t count
#define AGG_RESULT_PARAMS \
    const struct wr_aggregate *aggregate, uint8_t *const *rows, uint32_t count, void *out, \
        uint64_t *valid, uint16_t *fails, struct wr_arena *arena
#define AGG_MERGE_PARAMS \
    const struct wr_aggregate *aggregate, struct wr_table *table, uint8_t *into, const uint8_t *from
#define AGG_UNUSED_ADD ((void)table, (void)batch, (void)args, (void)sel)
#define AGG_UNUSED_RESULT ((void)valid, (void)fails, (void)arena)

/* Defines `static int name(AGG_ADD_PARAMS)`: for each row whose first argument of C type `ctype` is
 * not nil, `value` is the argument, `state` the state as `struct stype *`, and `body` runs. */
#define AGG_ADD_LOOP(name, stype, ctype, body) \
    static inline __attribute__((always_inline)) void name##_loop( \
        uint8_t *const *rows, uint32_t offset, const ctype *data, const uint64_t *bits, \
        const uint32_t *sel, uint32_t count, int selected, int nils) { \
        for (uint32_t i = 0; i < count; i++) { \
            uint32_t row = selected ? sel[i] : i; \
            if (nils && !wr_bit_get(bits, row)) \
                continue; \
            struct stype *state = (struct stype *)(void *)(rows[i] + offset); \
            ctype value = data[row]; \
            body \
        } \
    } \
    static int name(AGG_ADD_PARAMS) { \
        const ctype *data = args[0].data; \
        const uint64_t *bits = args[0].valid; \
        uint32_t offset = aggregate->offset; \
        if (sel == NULL && bits == NULL) \
            name##_loop(rows, offset, data, bits, sel, count, 0, 0); \
        else if (sel == NULL) \
            name##_loop(rows, offset, data, bits, sel, count, 0, 1); \
        else if (bits == NULL) \
            name##_loop(rows, offset, data, bits, sel, count, 1, 0); \
        else \
            name##_loop(rows, offset, data, bits, sel, count, 1, 1); \
        AGG_UNUSED_ADD; \
        return WR_OK; \
    }

/* Defines `static int name(AGG_RESULT_PARAMS)`: `state` of row `i`, result into `result[i]`. */
#define AGG_RESULT(name, stype, ctype, body) \
    static int name(AGG_RESULT_PARAMS) { \
        ctype *result = out; \
        for (uint32_t i = 0; i < count; i++) { \
            const struct stype *state = \
                (const struct stype *)(const void *)(rows[i] + aggregate->offset); \
            body \
        } \
        AGG_UNUSED_RESULT; \
        return WR_OK; \
    }

/* Defines `static int name(AGG_MERGE_PARAMS)`: `state` := `state` and then `other`. */
#define AGG_MERGE(name, stype, body) \
    static int name(AGG_MERGE_PARAMS) { \
        struct stype *state = (struct stype *)(void *)(into + aggregate->offset); \
        const struct stype *other = \
            (const struct stype *)(const void *)(from + aggregate->offset); \
        body; \
        (void)table; \
        return WR_OK; \
    }

/* A value that never is one: the result of row `i` is nil. */
#define AGG_NIL(i) (wr_bit_clear(valid, (i)), (void)0)

/* A float with one zero and one NaN, as grouping and ordering see it. */
static inline double agg_canonical(double value) {
    return value != value ? __builtin_nan("") : value + 0.0;
}
/* Bits of a float in an order that unsigned integers have: NaN after all numbers. */
static inline uint64_t agg_float_order(double value) {
    uint64_t bits;
    value = agg_canonical(value);
    memcpy(&bits, &value, 8);
    if (value != value)
        return UINT64_MAX;
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}
static inline uint64_t agg_int_order(int64_t value) {
    return (uint64_t)value ^ UINT64_C(1) << 63;
}

/* Kinds whose element is an int64_t, and those that are also ordered like it. */
static inline int agg_is_word(enum wr_type_kind kind) {
    return kind == WR_INT64 || kind == WR_TIMESTAMP || kind == WR_DATE || kind == WR_DURATION;
}
static inline int agg_is_text(enum wr_type_kind kind) {
    return kind == WR_STRING || kind == WR_BYTES;
}

double wr_decimal_to_float(__int128 value, uint8_t scale);

/* A literal argument as a float; 0 when it is no number. */
int wr_constant_number(const struct wr_value *constant, double *number);

/* low + (high - low) * between; the weighted form where the distance of the two is not finite. */
double wr_between_floats(double low, double high, double between);
/* Checks (x, q): q is a number from 0 to 1. As wr_aggregate_function.check. */
const char *wr_quantile_check(const struct wr_value *const *constants, uint32_t arg_count);
/* list<item>, and a list of structs with these fields, in `arena`. WR_OK or WR_ENOMEM. */
int wr_agg_list_of(struct wr_arena *arena, struct wr_type item, struct wr_type *type);
int wr_agg_list_of_structs(struct wr_arena *arena, uint32_t field_count, const char *const *names,
                           const struct wr_type *types, struct wr_type *type);
/* The result of aggregates that give lists: `put` appends the elements of a state as JSON behind
 * `[`, with commas between, or says in *fail why the row fails; it returns WR_OK or what the world
 * did. Without an element the result is nil. */
typedef int (*wr_agg_put_fn)(const struct wr_aggregate *aggregate, const uint8_t *state,
                             struct wr_buf *text, uint16_t *fail);
int wr_agg_lists_result(AGG_RESULT_PARAMS, wr_agg_put_fn put);

/* How `quantile` and what approximates it are called. */
#define AGG_QUANTILE_SIGNATURES \
    AGG_TEXTS("(x number, q const number) float64", "(x timestamp, q const number) timestamp", \
              "(x date, q const number) date", "(x duration, q const number) duration")

/* Makes room for `more` bytes behind blob->length, doubling. WR_OK, WR_ENOMEM or WR_ELIMIT. */
int wr_blob_more(struct wr_table *table, struct wr_blob *blob, uint32_t more);
#define WR_AGGREGATE_BLOB_BYTES_MAX (1u << 30)

/* How the tables below are written. */
#define AGG_TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AGG_EXAMPLES(...) ((const struct wr_example[]){__VA_ARGS__, {0}})

/* The function tables of the files, each closed by an entry without a name. */
extern const struct wr_aggregate_function wr_aggregates_sums[];
extern const struct wr_aggregate_function wr_aggregates_extremes[];
extern const struct wr_aggregate_function wr_aggregates_picks[];
extern const struct wr_aggregate_function wr_aggregates_sets[];
extern const struct wr_aggregate_function wr_aggregates_lists[];
extern const struct wr_aggregate_function wr_aggregates_pairs[];
extern const struct wr_aggregate_function wr_aggregates_histogram[];
extern const struct wr_aggregate_function wr_aggregates_funnel[];
extern const struct wr_aggregate_function wr_aggregates_approx[];
extern const struct wr_aggregate_function wr_aggregates_digest[];
extern const struct wr_aggregate_function wr_aggregates_samples[];

/* rank, dense_rank: known to the binder of frames only. */
extern const struct wr_aggregate_function wr_aggregates_ranks[];

/* Kernels for frames that move along rows (`choose_framed`). */
#define AGG_CHOOSE_PARAMS \
    struct wr_arena *arena, const struct wr_type *args, uint32_t arg_count, struct wr_type *type
const struct wr_aggregate_kernel *wr_sorted_min_choose(AGG_CHOOSE_PARAMS);
const struct wr_aggregate_kernel *wr_sorted_max_choose(AGG_CHOOSE_PARAMS);
const struct wr_aggregate_kernel *wr_sorted_quantile_kernel(void);
const struct wr_aggregate_kernel *wr_truths_all_choose(AGG_CHOOSE_PARAMS);
const struct wr_aggregate_kernel *wr_truths_any_choose(AGG_CHOOSE_PARAMS);
extern const struct wr_aggregate_kernel wr_exact_sum, wr_exact_avg;
/* count_distinct of a column of these elements. */
extern const struct wr_aggregate_kernel wr_words_ints, wr_words_floats, wr_words_bools;
/* Which quantile an aggregate wants, and the value `between` two neighbours as bits of its type. */
double wr_quantile_of(const struct wr_aggregate *aggregate);
int64_t wr_quantile_between(const struct wr_aggregate *aggregate, const int64_t pair[2],
                            double between);

/* Puts rows in order and feeds the first `limit` of them to aggregate->inner, at the result. */
extern const struct wr_aggregate_kernel wr_aggregate_collector;
