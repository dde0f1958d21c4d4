/* aggregates_digest.c: approx_quantile: a t-digest, the shape of a distribution in at most 11 KB.
 *
 * A state keeps values as they come while they are few (VALUES_MAX): so long the result is that of
 * `quantile`. When there are too many, all are sorted and neighbours joined to centroids, a mean
 * and how many values it stands for: few at both ends, more in the middle. What a state holds is a
 * function of its values in the order of the edge, and of the states merged into it, in theirs.
 *   head, then centroids by their mean, then values that wait
 * Sources: Dunning, Ertl, "Computing extremely accurate quantiles using t-digests", 2019: the
 * merging form with the scale k1, whose arc sine is taken by the addition formula here, so that
 * only a square root is left. */
#include <math.h>
#include <stdlib.h>

#include "expr/aggregates.h"
#include "base/banned.h"

#define VALUES_MAX 512
/* The scale has 200 steps, and any two neighbours make more than one: so never more than 401. */
#define CENTROIDS_MAX 416
/* cos and sin of pi / 200, a step: at most 0.8 % of all values, in the middle. */
#define STEP_COS 0.9998766324816606
#define STEP_SIN 0.015707317311820675

struct digest_state {
    struct wr_blob blob;
};
static const struct wr_cell digest_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct digest_state, blob)}};

struct digest_head {
    uint64_t minus, plus, nans; /* values that have no place among numbers */
    uint64_t total;             /* finite values, those of centroids included */
    double least, most;
    uint32_t centroids, values;
};
struct centroid {
    double mean, weight;
};

static inline struct digest_head *head_of(const struct wr_blob *blob) {
    return (struct digest_head *)(void *)blob->bytes;
}
static inline struct centroid *centroids_of(const struct wr_blob *blob) {
    return (struct centroid *)(void *)(blob->bytes + sizeof(struct digest_head));
}
static inline double *values_of(const struct wr_blob *blob) {
    return (double *)(void *)(centroids_of(blob) + head_of(blob)->centroids);
}

static int double_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The centroids and values of a state as one row of centroids, in order; returns how many. `row`
 * has room for CENTROIDS_MAX + VALUES_MAX. */
static uint32_t row_read(const struct wr_blob *blob, struct centroid *row) {
    const struct digest_head *head = head_of(blob);
    const struct centroid *centroids = centroids_of(blob);
    double values[VALUES_MAX];
    uint32_t count = 0, c = 0;
    WR_ASSERT(head->values <= VALUES_MAX && head->centroids <= CENTROIDS_MAX);
    memcpy(values, values_of(blob), head->values * sizeof *values);
    qsort(values, head->values, sizeof *values, double_compare);
    for (uint32_t v = 0; v < head->values; v++) {
        while (c < head->centroids && centroids[c].mean <= values[v])
            row[count++] = centroids[c++];
        row[count++] = (struct centroid){.mean = values[v], .weight = 1};
    }
    while (c < head->centroids)
        row[count++] = centroids[c++];
    return count;
}

static struct centroid joined(struct centroid a, struct centroid b) {
    double weight = a.weight + b.weight;
    double distance = b.mean - a.mean;
    double mean = isfinite(distance) ? a.mean + distance * (b.weight / weight)
                                     : a.mean * (a.weight / weight) + b.mean * (b.weight / weight);
    return (struct centroid){.mean = mean, .weight = weight};
}

/* Up to which share of all values a centroid may reach that begins at `share`. */
static double share_limit(double share) {
    double sine = 2 * share - 1;
    if (sine >= STEP_COS)
        return 1;
    double cosine = 2 * sqrt(share * (1 - share));
    return (sine * STEP_COS + cosine * STEP_SIN + 1) / 2;
}

/* Joins neighbours of a row in place; returns how many are left. */
static uint32_t row_compress(struct centroid *row, uint32_t count, double total) {
    uint32_t made = 0;
    double done = 0; /* values before the centroid that is being made */
    double limit = share_limit(0) * total;
    for (uint32_t i = 1; i < count; i++) {
        if (done + row[made].weight + row[i].weight <= limit) {
            row[made] = joined(row[made], row[i]);
            continue;
        }
        done += row[made].weight;
        limit = share_limit(done / total) * total;
        row[++made] = row[i];
    }
    WR_ASSERT(made < CENTROIDS_MAX);
    return made + 1;
}

/* The state's centroids are `row`, and no value waits. */
static int row_write(struct wr_table *table, struct wr_blob *blob, const struct centroid *row,
                     uint32_t count) {
    uint32_t bytes = (uint32_t)(sizeof(struct digest_head) + count * sizeof *row);
    int status = blob->room >= bytes ? WR_OK : wr_blob_reserve(table, blob, bytes);
    if (status != WR_OK)
        return status;
    memcpy(centroids_of(blob), row, count * sizeof *row);
    head_of(blob)->centroids = count;
    head_of(blob)->values = 0;
    blob->length = bytes;
    return WR_OK;
}

static int digest_compress(struct wr_table *table, struct wr_blob *blob) {
    struct centroid row[CENTROIDS_MAX + VALUES_MAX];
    uint32_t count = row_compress(row, row_read(blob, row), (double)head_of(blob)->total);
    return row_write(table, blob, row, count);
}

static int digest_open(struct wr_table *table, struct wr_blob *blob) {
    if (blob->length > 0)
        return WR_OK;
    int status = wr_blob_more(table, blob, sizeof(struct digest_head));
    if (status != WR_OK)
        return status;
    *head_of(blob) = (struct digest_head){.least = INFINITY, .most = -INFINITY};
    blob->length = sizeof(struct digest_head);
    return WR_OK;
}

static int digest_put(struct wr_table *table, struct wr_blob *blob, double value) {
    int status = digest_open(table, blob);
    if (status != WR_OK)
        return status;
    struct digest_head *head = head_of(blob);
    if (!isfinite(value)) {
        *(value != value ? &head->nans : value > 0 ? &head->plus : &head->minus) += 1;
        return WR_OK;
    }
    if (head->values == VALUES_MAX)
        status = digest_compress(table, blob);
    if (status == WR_OK)
        status = wr_blob_more(table, blob, 8);
    if (status != WR_OK)
        return status;
    head = head_of(blob);
    values_of(blob)[head->values++] = value + 0.0;
    blob->length += 8;
    head->total++;
    head->least = WR_MIN(head->least, value);
    head->most = WR_MAX(head->most, value);
    return WR_OK;
}

static int digest_add(AGG_ADD_PARAMS) {
    const struct wr_type *type = &aggregate->arg_types[0];
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        double value = type->kind == WR_FLOAT64 ? WR_F64(&args[0])[row] : 0;
        if (type->kind == WR_DECIMAL)
            value = wr_decimal_to_float(((const __int128 *)args[0].data)[row], type->scale);
        else if (type->kind != WR_FLOAT64)
            value = (double)WR_I64(&args[0])[row];
        struct digest_state *state = (struct digest_state *)(void *)(rows[i] + aggregate->offset);
        status = digest_put(table, &state->blob, value);
    }
    (void)batch;
    return status;
}

/* Two rows of centroids become one, those of the first before equal ones of the second. */
static uint32_t rows_merge(const struct centroid *a, uint32_t a_count, const struct centroid *b,
                           uint32_t b_count, struct centroid *row) {
    uint32_t x = 0, y = 0;
    while (x < a_count || y < b_count) {
        int first = y == b_count || (x < a_count && a[x].mean <= b[y].mean);
        row[x + y] = first ? a[x] : b[y];
        *(first ? &x : &y) += 1;
    }
    return x + y;
}

static int digest_merge(AGG_MERGE_PARAMS) {
    struct wr_blob *blob = &((struct digest_state *)(void *)(into + aggregate->offset))->blob;
    const struct wr_blob *other =
        &((const struct digest_state *)(const void *)(from + aggregate->offset))->blob;
    if (other->length == 0)
        return WR_OK;
    if (blob->length == 0) { /* the same state, so that a copy goes on like what it is of */
        int status = wr_blob_more(table, blob, other->length);
        if (status == WR_OK)
            memcpy(blob->bytes, other->bytes, blob->length = other->length);
        return status;
    }
    struct digest_head sums = *head_of(other);
    int status = WR_OK;
    if (sums.centroids == 0) {
        for (uint32_t v = 0; v < sums.values && status == WR_OK; v++)
            status = digest_put(table, blob, values_of(other)[v]);
    } else {
        struct centroid a[CENTROIDS_MAX + VALUES_MAX], b[CENTROIDS_MAX + VALUES_MAX];
        struct centroid row[WR_COUNT(a) + WR_COUNT(b)];
        struct digest_head *head = head_of(blob);
        uint32_t count = rows_merge(a, row_read(blob, a), b, row_read(other, b), row);
        head->total += sums.total;
        head->least = WR_MIN(head->least, sums.least);
        head->most = WR_MAX(head->most, sums.most);
        status = row_write(table, blob, row, row_compress(row, count, (double)head->total));
    }
    if (status == WR_OK) {
        head_of(blob)->minus += sums.minus;
        head_of(blob)->plus += sums.plus;
        head_of(blob)->nans += sums.nans;
    }
    return status;
}

/* ---- the result ----------------------------------------------------------------------------- */

/* A walk along values by their place in the order of all, from 0: those before `place`, and the
 * first at or behind it. */
struct between {
    double place;
    double low_place, low, high_place, high;
    int found;
};

static void at_place(struct between *between, double place, double value) {
    if (between->found)
        return;
    if (place <= between->place) {
        between->low_place = place;
        between->low = value;
    }
    between->high_place = place;
    between->high = value;
    between->found = place >= between->place;
}

static void at_run(struct between *between, double first, uint64_t count, double value) {
    if (count > 0) {
        at_place(between, first, value);
        at_place(between, first + (double)(count - 1), value);
    }
}

static double digest_quantile(const struct wr_blob *blob, double q) {
    const struct digest_head *head = head_of(blob);
    struct centroid row[CENTROIDS_MAX + VALUES_MAX];
    uint32_t count = row_read(blob, row);
    uint64_t all = head->minus + head->total + head->plus + head->nans;
    struct between between = {.place = q * (double)(all - 1)};
    double done = (double)head->minus;
    at_run(&between, 0, head->minus, -INFINITY);
    if (count > 0) /* the least may be part of a centroid, and so the greatest */
        at_place(&between, done, head->least);
    for (uint32_t c = 0; c < count; c++) {
        at_place(&between, done + (row[c].weight - 1) / 2, row[c].mean);
        done += row[c].weight;
    }
    if (count > 0)
        at_place(&between, done - 1, head->most);
    at_run(&between, done, head->plus, INFINITY);
    at_run(&between, done + (double)head->plus, head->nans, NAN);
    if (between.high_place <= between.low_place)
        return between.low;
    return wr_between_floats(between.low, between.high,
                             (between.place - between.low_place) /
                                 (between.high_place - between.low_place));
}

static int digest_result(AGG_RESULT_PARAMS) {
    double q = 0;
    wr_constant_number(aggregate->constants[1], &q);
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_blob *blob =
            &((const struct digest_state *)(const void *)(rows[i] + aggregate->offset))->blob;
        ((int64_t *)out)[i] = 0;
        if (blob->length == 0) {
            AGG_NIL(i);
            continue;
        }
        double value = digest_quantile(blob, q);
        if (aggregate->type.kind == WR_FLOAT64)
            ((double *)out)[i] = value;
        else if (value < -0x1p63 || value >= 0x1p63)
            ((int64_t *)out)[i] = value < 0 ? INT64_MIN : INT64_MAX;
        else
            ((int64_t *)out)[i] = (int64_t)floor(value);
    }
    AGG_UNUSED_RESULT;
    return WR_OK;
}

static const struct wr_aggregate_kernel digest_kernel = {.state_bytes = sizeof(struct digest_state),
                                                         .cell_count = 1,
                                                         .cells = digest_cells,
                                                         .add = digest_add,
                                                         .merge = digest_merge,
                                                         .result = digest_result};

static const struct wr_aggregate_kernel *digest_choose(struct wr_arena *arena,
                                                       const struct wr_type *args,
                                                       uint32_t arg_count, struct wr_type *type) {
    const struct wr_aggregate_function *exact = wr_aggregate_find("quantile", 8);
    return exact->choose(arena, args, arg_count, type) == NULL ? NULL : &digest_kernel;
}

const struct wr_aggregate_function wr_aggregates_digest[] = {
    {.name = "approx_quantile",
     .flags = WR_AGG_NO_RETRACT,
     .doc = "About the value below which the share q of all values lies: exactly as `quantile` up "
            "to 512 values, beyond that in at most 11 KB a group (t-digest). Of the values really "
            "below it the share is then off by less than 0.01, near q = 0 and 1 by much less. The "
            "same rows in the same order give the same result.",
     .instead = "quantile",
     .signatures = AGG_QUANTILE_SIGNATURES,
     .arg_min = 2,
     .arg_max = 2,
     .constants = 2,
     .choose = digest_choose,
     .check = wr_quantile_check,
     .examples = AGG_EXAMPLES({"approx_quantile(x, 0.9)", "3.7"}, {"approx_quantile(f, 0)", "0.5"},
                              {"approx_quantile(x, 0.5 where x > 9)", "nil"})},
    {0},
};
