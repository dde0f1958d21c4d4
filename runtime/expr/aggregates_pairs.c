/* aggregates_pairs.c: corr, covar: how two numbers go together. Rows with a nil in either are
 * skipped. Source: Welford, 1962 (one variable); Pébay, "Formulas for robust, one-pass parallel
 * computation of covariances and arbitrary-order statistical moments", 2008. Where rows are taken
 * back, sums of products in two doubles (twofold.h), since distances from a mean cannot be. */
#include <math.h>

#include "expr/aggregates.h"
#include "expr/twofold.h"
#include "base/banned.h"

struct pair_state {
    uint64_t count;
    double mean_x, mean_y;
    double xx, yy, xy; /* sums of products of distances from the means */
};

static double number_at(const struct wr_type *type, const struct wr_column *column, uint32_t row) {
    switch (type->kind) {
    case WR_INT64: return (double)WR_I64(column)[row];
    case WR_DECIMAL: return wr_decimal_to_float(((const __int128 *)column->data)[row], type->scale);
    default: return WR_F64(column)[row];
    }
}

static inline void pair_add(struct pair_state *state, double x, double y) {
    double n = (double)++state->count;
    double from_x = x - state->mean_x, from_y = y - state->mean_y;
    state->mean_x += from_x / n;
    state->mean_y += from_y / n;
    state->xx += from_x * (x - state->mean_x);
    state->yy += from_y * (y - state->mean_y);
    state->xy += from_x * (y - state->mean_y);
}

static int pairs_add(AGG_ADD_PARAMS) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row) || wr_column_is_nil(&args[1], row))
            continue;
        pair_add((struct pair_state *)(void *)(rows[i] + aggregate->offset),
                 number_at(&aggregate->arg_types[0], &args[0], row),
                 number_at(&aggregate->arg_types[1], &args[1], row));
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}

AGG_MERGE(pairs_merge, pair_state, {
    if (other->count > 0 && state->count == 0)
        *state = *other;
    else if (other->count > 0) {
        double a = (double)state->count;
        double b = (double)other->count;
        double x = other->mean_x - state->mean_x;
        double y = other->mean_y - state->mean_y;
        state->count += other->count;
        state->mean_x += x * b / (a + b);
        state->mean_y += y * b / (a + b);
        state->xx += other->xx + x * x * a * b / (a + b);
        state->yy += other->yy + y * y * a * b / (a + b);
        state->xy += other->xy + x * y * a * b / (a + b);
    }
})

/* Of the sums: a number that does not vary goes together with nothing (0: nil). */
static int correlation(const struct pair_state *sums, double *result) {
    *result = 0;
    if (sums->count < 2 || sums->xx == 0 || sums->yy == 0)
        return 0;
    double product = sums->xx * sums->yy;
    double r = sums->xy / (isnormal(product) ? sqrt(product) : sqrt(sums->xx) * sqrt(sums->yy));
    *result = r > 1 ? 1 : r < -1 ? -1 : r;
    return 1;
}
static int covariance(const struct pair_state *sums, double *result) {
    *result = 0;
    if (sums->count < 2)
        return 0;
    *result = sums->xy / ((double)sums->count - 1);
    return 1;
}
static int covariance_pop(const struct pair_state *sums, double *result) {
    *result = 0;
    if (sums->count < 1)
        return 0;
    *result = sums->xy / (double)sums->count;
    return 1;
}

/* ---- where rows are taken back -------------------------------------------------------------- */

enum { SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY, SUMS };
struct twofold_pairs {
    uint64_t count, odd; /* odd: rows whose numbers or products are not finite */
    struct wr_twofold sums[SUMS];
};

/* The product and what its rounding lost. */
static void product_move(struct wr_twofold *sum, double x, double y, double sign) {
    double product = x * y;
    wr_twofold_add(sum, sign * product);
    wr_twofold_add(sum, sign * fma(x, y, -product));
}

static void twofold_move(struct twofold_pairs *state, double x, double y, int sign) {
    state->count += (uint64_t)(int64_t)sign;
    if (!(fabs(x) < 1e150 && fabs(y) < 1e150)) {
        state->odd += (uint64_t)(int64_t)sign;
        return;
    }
    wr_twofold_add(&state->sums[SUM_X], sign * x);
    wr_twofold_add(&state->sums[SUM_Y], sign * y);
    product_move(&state->sums[SUM_XX], x, x, sign);
    product_move(&state->sums[SUM_YY], y, y, sign);
    product_move(&state->sums[SUM_XY], x, y, sign);
}

static int twofold_rows(AGG_ADD_PARAMS, int sign) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row) || wr_column_is_nil(&args[1], row))
            continue;
        twofold_move((struct twofold_pairs *)(void *)(rows[i] + aggregate->offset),
                     number_at(&aggregate->arg_types[0], &args[0], row),
                     number_at(&aggregate->arg_types[1], &args[1], row), sign);
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}
static int twofold_pairs_add(AGG_ADD_PARAMS) {
    return twofold_rows(aggregate, table, rows, args, batch, sel, count, 1);
}
static int twofold_pairs_retract(AGG_ADD_PARAMS) {
    return twofold_rows(aggregate, table, rows, args, batch, sel, count, -1);
}
AGG_MERGE(twofold_pairs_merge, twofold_pairs, {
    state->count += other->count;
    state->odd += other->odd;
    for (uint32_t s = 0; s < SUMS; s++)
        wr_twofold_join(&state->sums[s], &other->sums[s]);
})

/* The sum of products less the product of sums over n; 0 where only rounding is left. */
static double distances(const struct twofold_pairs *state, int products, int a, int b) {
    const struct wr_twofold *sum = &state->sums[products];
    const struct wr_twofold *x = &state->sums[a], *y = &state->sums[b];
    double n = (double)state->count;
    double product = x->high * y->high;
    double lost = fma(x->high, y->high, -product) + (x->high * y->low + x->low * y->high);
    double share = product / n;
    double rest = (fma(-share, n, product) + lost) / n;
    double left = (sum->high - share) + (sum->low - rest);
    return fabs(left) <= fabs(share) * 0x1p-96 * n ? 0 : left;
}
static struct pair_state pair_of(const struct twofold_pairs *state) {
    struct pair_state sums = {.count = state->count};
    if (state->odd > 0)
        sums.xx = sums.yy = sums.xy = __builtin_nan("");
    if (state->odd > 0 || state->count == 0)
        return sums;
    sums.xx = distances(state, SUM_XX, SUM_X, SUM_X);
    sums.yy = distances(state, SUM_YY, SUM_Y, SUM_Y);
    sums.xy = distances(state, SUM_XY, SUM_X, SUM_Y);
    return sums;
}

/* ---- functions ------------------------------------------------------------------------------ */

static const struct wr_aggregate_kernel *kernel_for(const struct wr_aggregate_kernel *kernel,
                                                    const struct wr_type *args,
                                                    struct wr_type *type) {
    *type = WR_TYPE(WR_FLOAT64);
    for (uint32_t a = 0; a < 2; a++)
        if (args[a].kind != WR_INT64 && args[a].kind != WR_FLOAT64 && args[a].kind != WR_DECIMAL)
            return NULL;
    return kernel;
}

/* The kernels of a function, and what chooses them. */
#define PAIR_FUNCTION(name, of) \
    AGG_RESULT(name##_result, pair_state, double, { \
        if (!of(state, &result[i])) \
            AGG_NIL(i); \
    }) \
    AGG_RESULT(name##_twofold_result, twofold_pairs, double, { \
        struct pair_state sums = pair_of(state); \
        if (!of(&sums, &result[i])) \
            AGG_NIL(i); \
    }) \
    static const struct wr_aggregate_kernel name##_kernel = {.state_bytes = \
                                                                 sizeof(struct pair_state), \
                                                             .add = pairs_add, \
                                                             .merge = pairs_merge, \
                                                             .result = name##_result}; \
    static const struct wr_aggregate_kernel name##_twofold = {.state_bytes = \
                                                                  sizeof(struct twofold_pairs), \
                                                              .add = twofold_pairs_add, \
                                                              .retract = twofold_pairs_retract, \
                                                              .merge = twofold_pairs_merge, \
                                                              .result = name##_twofold_result}; \
    static const struct wr_aggregate_kernel *name##_choose( \
        struct wr_arena *arena, const struct wr_type *args, uint32_t arg_count, \
        struct wr_type *type) { \
        (void)arena; \
        (void)arg_count; \
        return kernel_for(&name##_kernel, args, type); \
    } \
    static const struct wr_aggregate_kernel *name##_choose_retracting( \
        struct wr_arena *arena, const struct wr_type *args, uint32_t arg_count, \
        struct wr_type *type) { \
        (void)arena; \
        (void)arg_count; \
        return kernel_for(&name##_twofold, args, type); \
    }
PAIR_FUNCTION(corr, correlation)
PAIR_FUNCTION(covar, covariance)
PAIR_FUNCTION(covar_pop, covariance_pop)

/* What the entries of all of them have alike. */
#define PAIR_ENTRY(of) \
    .signatures = AGG_TEXTS("(x number, y number) float64"), .arg_min = 2, .arg_max = 2, \
    .choose = of##_choose, .choose_retracting = of##_choose_retracting

const struct wr_aggregate_function wr_aggregates_pairs[] = {
    {.name = "corr",
     .doc = "The correlation (Pearson's) of x and y, from -1 to 1, over the rows in which neither "
            "is nil; nil for fewer than two, or where one of them never changes.",
     PAIR_ENTRY(corr),
     .examples = AGG_EXAMPLES({"corr(x, 7 - 2 * x)", "-1.0"},
                              {"corr(x, f) > 0.928 and corr(x, f) < 0.929", "true"},
                              {"corr(x, x * 0)", "nil"})},
    {.name = "covar",
     .doc = "The covariance of x and y of a sample (divided by n - 1), over the rows in which "
            "neither is nil; nil for fewer than two.",
     PAIR_ENTRY(covar),
     .examples = AGG_EXAMPLES({"covar(x, 3 * x where x ~= 4)", "3.0"},
                              {"covar(x, f where x == 1)", "nil"})},
    {.name = "covar_pop",
     .doc = "The covariance of x and y of the whole population (divided by n), over the rows in "
            "which neither is nil.",
     PAIR_ENTRY(covar_pop),
     .examples =
         AGG_EXAMPLES({"covar_pop(x, 2 * x)", "2.5"}, {"covar_pop(x, f where x == 1)", "0.0"})},
    {0},
};
