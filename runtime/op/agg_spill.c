/* agg_spill.c: groups without a window, whose results leave once, that take more memory than they
 * may: rows of keys that are not in memory wait (agg_spool.c), and groups leave as sorted runs,
 * which the results merge. Where a checkpoint has to know of groups one by one, and elsewhere,
 * pages of the table rest (state/page_rest.c), and the results sort what rests. */
#include "base/status.h"
#include "op/agg_spool.h"
#include "state/apart.h"
#include "state/table_sorted.h"
#include "base/banned.h"

static const struct wr_aggregates *aggregates_of(const struct agg *self) {
    return ((const struct agg_config *)self->base.config)->aggregates;
}

int agg_spill_open(struct agg *self) {
    const struct agg_config *config = self->base.config;
    struct wr_apart *apart = self->base.apart;
    if (apart->memory_bytes == 0 || config->windowed || config->by_window ||
        config->shapes != NULL || config->aggregates->key_count == 0)
        return WR_OK;
    apart->pages_stay = !apart->is_kept;
    return agg_spool_open(self);
}

int agg_spill_status(const struct agg *self, int status) {
    struct wr_error *err = wr_apart_error(self->base.apart);
    return status < 0 && err != NULL && err->status == status
               ? wr_error_add(err, status, "stage agg")
               : status;
}

int agg_spill_leave(struct agg *self, struct wr_table *table) {
    int status = WR_OK;
    if (self->runs == NULL)
        status = wr_sorted_new(&self->runs, &aggregates_of(self)->layout, table, self->base.apart);
    if (status == WR_OK)
        status = wr_sorted_take(self->runs, table);
    wr_slices_drop_before(&self->slices, WR_TIME_MAX);
    return status;
}

int agg_spill_is_due(const struct agg *self, const struct wr_table *table) {
    return self->runs != NULL || agg_spool_has_rows(self) ||
           (table != NULL && wr_table_is_large(table, self->base.apart));
}

static int merge(void *ctx, struct wr_table *table, uint8_t *into, const uint8_t *from) {
    return wr_aggregates_merge(aggregates_of(ctx), table, into, from);
}

int agg_spill_fire(struct agg *self, struct wr_table *table) {
    int status = agg_spool_has_rows(self) ? agg_spool_end(self)
                 : table != NULL          ? agg_spill_leave(self, table)
                                          : WR_OK;
    self->base.has_more = status == WR_OK;
    return agg_spill_status(self, status);
}

int agg_spill_go_on(struct wr_op *op, struct wr_out *out) {
    struct agg *self = (struct agg *)op;
    struct wr_table *rows;
    if (agg_spool_has_rows(self))
        return agg_spill_status(self, agg_spool_step(self));
    int status = wr_sorted_next(self->runs, op->env->batch_rows, merge, self, &rows);
    status = agg_spill_status(self, status);
    if (status == WR_OK && rows != NULL)
        status = agg_fire_table(self, rows, 0, out);
    op->has_more = status == WR_OK && rows != NULL;
    wr_table_free(rows);
    if (op->has_more)
        return WR_FLOW_MORE;
    wr_sorted_free(self->runs);
    self->runs = NULL;
    return status;
}
