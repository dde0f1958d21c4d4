/* expand.c: see expand.h. */
#include "op/expand.h"

#include "base/status.h"
#include "base/banned.h"

struct wr_batch *expand_rows(struct wr_op *op, const struct wr_schema *schema,
                             struct wr_batch *view, struct wr_batch *in, const uint32_t *rows,
                             uint32_t count) {
    struct wr_batch *batch = wr_batch_new(op->env->pool, schema);
    uint8_t *which = WR_ARENA_ZEROS(op->env->scratch, uint8_t, count + 1);
    int status = batch == NULL || which == NULL ? WR_ENOMEM : WR_OK;
    if (status == WR_OK) {
        batch->schema = view->schema;
        status = wr_batch_pick(batch, &view, 1, which, rows, count);
        batch->schema = schema;
    }
    if (status == WR_OK)
        status = wr_batch_carry(batch, in, rows);
    if (status == WR_OK)
        return batch;
    wr_batch_unref(batch);
    return NULL;
}
