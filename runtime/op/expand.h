/* expand.h: several rows for each row of a batch, as `unnest`, `unpivot` and
 * `lookup` make them. Private to
 * the room. */
#pragma once
#include "op/op.h"

/* A batch of `schema` whose first columns are those of `view`, a batch over the rows of `in`, with
 * rows rows[0 … count-1] (ascending, they may repeat): columns, origin, times and weights. NULL:
 * out of memory. */
struct wr_batch *expand_rows(struct wr_op *op, const struct wr_schema *schema,
                             struct wr_batch *view, struct wr_batch *in, const uint32_t *rows,
                             uint32_t count);
