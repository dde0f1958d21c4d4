/* functions_conditions.c: case, coalesce, nullif, min_of, max_of, is_nil. The compiler itself
 * orders the evaluation of `case` and `coalesce`; their signatures are for people. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "expr/functions.h"
#include "expr/functions_shared.h"
#include "base/banned.h"

/* ---- orders of values: NaN above all numbers, as everywhere ---- */

static int compare_int64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}
static int compare_float64(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    if (x != x || y != y)
        return (x != x) - (y != y);
    return (x > y) - (x < y);
}
static int compare_decimal(const void *a, const void *b) {
    __int128 x = *(const __int128 *)a, y = *(const __int128 *)b;
    return (x > y) - (x < y);
}
static int compare_string(const void *a, const void *b) {
    return wr_str_compare(a, b);
}
static int compare_bool(const void *a, const void *b) {
    return *(const uint8_t *)a - *(const uint8_t *)b;
}

typedef int (*compare_fn)(const void *a, const void *b);

static compare_fn comparer(enum wr_type_kind kind) {
    switch (kind) {
    case WR_BOOL: return compare_bool;
    case WR_FLOAT64: return compare_float64;
    case WR_DECIMAL: return compare_decimal;
    case WR_INT64:
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION: return compare_int64;
    case WR_STRING:
    case WR_BYTES: return compare_string;
    default: return NULL;
    }
}

static const char *element(const struct wr_call *call, uint32_t arg, uint32_t row, size_t width) {
    return (const char *)call->args[arg].data + wr_call_row(call, arg, row) * width;
}

static int is_nil_at(const struct wr_call *call, uint32_t arg, uint32_t row) {
    return wr_column_is_nil(&call->args[arg], wr_call_row(call, arg, row));
}

/* ---- kernels ---- */

static int extreme(struct wr_call *call, int sign) {
    compare_fn compare = comparer(call->type.kind);
    size_t width = wr_type_bytes(call->type.kind);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = wr_call_at(call, i);
        const char *best = NULL;
        for (uint32_t arg = 0; arg < call->arg_count; arg++) {
            const char *value = element(call, arg, row, width);
            if (is_nil_at(call, arg, row))
                continue;
            if (best == NULL || (compare != NULL && compare(value, best) * sign > 0))
                best = value;
        }
        if (best != NULL)
            memcpy((char *)call->out + (size_t)row * width, best, width);
        else
            wr_call_nil(call, row);
    }
    return WR_OK;
}
static int min_of(struct wr_call *call) {
    return extreme(call, -1);
}
static int max_of(struct wr_call *call) {
    return extreme(call, 1);
}

static int nullif(struct wr_call *call) {
    compare_fn compare = comparer(call->type.kind);
    size_t width = wr_type_bytes(call->type.kind);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = wr_call_at(call, i);
        const char *x = element(call, 0, row, width), *y = element(call, 1, row, width);
        int same =
            !is_nil_at(call, 0, row) && !is_nil_at(call, 1, row) &&
            (compare != NULL ? compare(x, y) == 0 : wr_str_equal((const void *)x, (const void *)y));
        if (same || is_nil_at(call, 0, row))
            wr_call_nil(call, row);
        else
            memcpy((char *)call->out + (size_t)row * width, x, width);
    }
    return WR_OK;
}

static int is_nil(struct wr_call *call) {
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = wr_call_at(call, i);
        ((uint8_t *)call->out)[row] = (uint8_t)is_nil_at(call, 0, row);
    }
    return WR_OK;
}

const struct wr_function wr_functions_conditions[] = {
    {.name = "case",
     .group = "conditions",
     .flags = WR_FN_LAZY,
     .doc = "The value behind the first condition that is true; without one the last argument, or "
            "nil. "
            "Values are computed only where they are chosen.",
     .signatures = WR_SIGNATURES({"(condition bool, value T, otherwise T = nil) T", NULL, NULL}),
     .examples = WR_EXAMPLES({"case(2 > 1, 'yes', 'no')", "'yes'"}, {"case(2 < 1, 'yes')", "nil"},
                             {"case(false, 1, true, 2, 3)", "2"})},
    {.name = "coalesce",
     .group = "conditions",
     .flags = WR_FN_LAZY,
     .doc = "The first argument that is not nil. Later ones are not computed. A failing argument "
            "fails the row: `??` answers nil and failure.",
     .signatures = WR_SIGNATURES({"(x T…) T", NULL, NULL}),
     .examples = WR_EXAMPLES({"coalesce(nil, 2, 3)", "2"}, {"coalesce(string(nil), 'x')", "'x'"})},
    {.name = "nullif",
     .group = "conditions",
     .flags = WR_FN_METHOD | WR_FN_CAN_NIL,
     .doc = "nil where both are equal, else the first. A nan is equal to a nan here, so that "
            "`nullif(x, 0/0)` makes nil of it.",
     .signatures = WR_SIGNATURES({"(x T, y T) T", nullif, NULL}),
     .examples = WR_EXAMPLES({"nullif(5, 5)", "nil"}, {"nullif('a', 'b')", "'a'"},
                             {"nullif(0/0, 0/0)", "nil"})},
    {.name = "min_of",
     .group = "conditions",
     .flags = 0,
     .doc = "The smallest argument; nil ones are skipped, NaN is above all numbers.",
     .signatures = WR_SIGNATURES({"(x T…) T", min_of, NULL}),
     .examples = WR_EXAMPLES({"min_of(3, 1, 2)", "1"}, {"min_of(nil, 'b', 'a')", "'a'"},
                             {"min_of(1, 0.5)", "0.5"})},
    {.name = "max_of",
     .group = "conditions",
     .flags = 0,
     .doc = "The largest argument; nil ones are skipped, NaN is above all numbers.",
     .signatures = WR_SIGNATURES({"(x T…) T", max_of, NULL}),
     .examples = WR_EXAMPLES({"max_of(3, 1, 2)", "3"}, {"max_of(int64(nil), int64(nil))", "nil"})},
    {.name = "is_nil",
     .group = "conditions",
     .flags = WR_FN_METHOD,
     .doc = "Whether the argument is nil; the same as `x == nil`.",
     .signatures = WR_SIGNATURES({"(x any) bool", is_nil, NULL}),
     .examples = WR_EXAMPLES({"is_nil(nil)", "true"}, {"is_nil(0)", "false"})},
    {0},
};
