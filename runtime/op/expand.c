/* expand.c: see expand.h. */
#include "op/expand.h"

#include "base/status.h"
#include "base/banned.h"

static const int64_t *gather(struct wr_batch *batch, const int64_t *values, const uint32_t *rows,
                             int *status) {
    if (values == NULL)
        return NULL;
    int64_t *made = WR_ARENA_ARRAY(&batch->arena, int64_t, batch->row_count);
    for (uint32_t i = 0; made != NULL && i < batch->row_count; i++)
        made[i] = values[rows[i]];
    *status = made == NULL ? WR_ENOMEM : *status;
    return made;
}

struct wr_batch *expand_rows(struct wr_op *op, const struct wr_schema *schema,
                             struct wr_batch *view, struct wr_batch *in, const uint32_t *rows,
                             uint32_t count) {
    struct wr_batch *batch = wr_batch_new(op->env->pool, schema);
    uint8_t *which = WR_ARENA_ZEROS(op->env->scratch, uint8_t, count + 1);
    struct wr_batch *const from[2] = {view, NULL};
    int status = batch == NULL || which == NULL ? WR_ENOMEM : WR_OK;
    if (status == WR_OK) {
        batch->schema = view->schema;
        status = wr_batch_pick(batch, from, which, rows, count);
        batch->schema = schema;
    }
    if (status == WR_OK) {
        batch->source = in->source;
        batch->partition = in->partition;
        batch->frontier = in->frontier;
        status = wr_origin_gather(batch, in, rows);
    }
    if (status == WR_OK)
        batch->event_time = gather(batch, in->event_time, rows, &status);
    if (status == WR_OK)
        batch->behind = gather(batch, in->behind, rows, &status);
    if (status == WR_OK)
        batch->weight = gather(batch, in->weight, rows, &status);
    if (status == WR_OK)
        return batch;
    wr_batch_unref(batch);
    return NULL;
}
