/* agg_spill.c: groups without a window that take more memory than they may. Where what was added to
 * a group in parts can be merged exactly, and no checkpoint has to know of groups one by one, all
 * of them leave as sorted runs and the table begins anew; the results merge the runs. Else pages of
 * the table rest (state/page_rest.c), and the results sort what rests. */
#include "base/status.h"
#include "op/agg.h"
#include "state/apart.h"
#include "state/table_sorted.h"
#include "base/banned.h"

static const struct wr_aggregates *aggregates_of(const struct agg *self) {
    return ((const struct agg_config *)self->base.config)->aggregates;
}

static int merges_exactly(const struct wr_aggregates *aggregates) {
    const unsigned exact = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT;
    for (uint32_t i = 0; i < aggregates->aggregate_count; i++) {
        const struct wr_aggregate *aggregate = &aggregates->aggregates[i];
        if ((aggregate->flags & exact) != exact || aggregate->inner != NULL)
            return 0;
    }
    return 1;
}

void agg_spill_open(struct agg *self) {
    const struct agg_config *config = self->base.config;
    struct wr_apart *apart = self->base.apart;
    if (apart->is_kept || config->windowed || config->by_window || config->shapes != NULL ||
        !merges_exactly(config->aggregates))
        return;
    self->run_bytes = apart->memory_bytes;
    apart->pages_stay = 1;
}

/* Its rows are in runs then, and it is only good to be dropped. */
static int leave(struct agg *self, struct wr_table *table) {
    int status = WR_OK;
    if (self->runs == NULL)
        status = wr_sorted_new(&self->runs, &aggregates_of(self)->layout, table, self->base.apart);
    return status == WR_OK ? wr_sorted_take(self->runs, table) : status;
}

int agg_spill_relieve(struct agg *self, struct wr_table *table) {
    if (self->run_bytes == 0 || wr_table_bytes(table) <= self->run_bytes)
        return WR_OK;
    int status = leave(self, table);
    wr_slices_drop_before(&self->slices, WR_TIME_MAX);
    return status;
}

int agg_spill_is_due(const struct agg *self, const struct wr_table *table) {
    return self->runs != NULL || (table != NULL && wr_table_is_large(table, self->base.apart));
}

static int merge(void *ctx, struct wr_table *table, uint8_t *into, const uint8_t *from) {
    return wr_aggregates_merge(aggregates_of(ctx), table, into, from);
}

int agg_spill_fire(struct agg *self, struct wr_table *table) {
    int status = table == NULL ? WR_OK : leave(self, table);
    self->base.has_more = status == WR_OK;
    return status;
}

int agg_spill_go_on(struct wr_op *op, struct wr_out *out) {
    struct agg *self = (struct agg *)op;
    struct wr_table *rows;
    int status = wr_sorted_next(self->runs, op->env->batch_rows, merge, self, &rows);
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
