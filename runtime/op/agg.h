/* agg.h: `agg` in two files: agg.c (bind, rows in), agg_fire.c (results out, state). Private to the
 * room. */
#pragma once
#include "expr/aggregate.h"
#include "op/op.h"
#include "op/window.h"
#include "state/slices.h"

struct agg_config {
    struct wr_aggregates *aggregates;
    int windowed;
    struct window window;
    int32_t *from; /* result column: >= 0 a middle column, else output -1 - x of `items` */
};

struct agg {
    struct wr_op base;
    struct wr_eval inputs_eval, items_eval;
    struct wr_slices slices; /* without a window: one slice at 0 */
    /* Rows that some windows of their slice had refused: a table a window, merged behind its
     * slices. */
    struct wr_slices partial;
    int64_t fired_us;       /* windows that start before this have fired; WR_TIME_MIN: none yet */
    int64_t saved_fired_us; /* the same at the last save */
    int fired_any;
};

/* Fires all windows that end at or before the frontier, in order. */
int agg_fire(struct agg *self, int64_t frontier, struct wr_out *out);
int agg_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                const struct wr_batch *b, uint32_t row_b);
int agg_save(struct wr_op *op, struct wr_buf *out, int all);
int agg_load(struct wr_op *op, struct wr_reader *in);
