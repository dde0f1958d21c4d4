/* agg_state.c: the state of `agg` as pieces of a log, and back. */
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/agg_spool.h"
#include "base/banned.h"

/* A piece: the facts, then a log of each set of tables. */
static void all_slices(struct agg *self, struct wr_slices *all[3]) {
    all[0] = &self->slices;
    all[1] = &self->partial;
    all[2] = &self->before;
}

void agg_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct agg *self = (const struct agg *)op;
    const struct wr_table *const tables[2] = {self->parts.groups, self->parts.states};
    state->rows += wr_slices_rows(&self->slices) + wr_slices_rows(&self->partial);
    state->bytes += wr_slices_bytes(&self->slices) + wr_slices_bytes(&self->partial) +
                    wr_slices_bytes(&self->before);
    state->spilled_bytes += wr_slices_spilled_bytes(&self->slices);
    for (uint32_t t = 0; t < WR_COUNT(tables) && tables[t] != NULL; t++) {
        state->rows += t == 1 ? wr_table_count(tables[t]) : 0;
        state->bytes += wr_table_bytes(tables[t]);
    }
}

/* Sessions and count windows: the facts, then a piece of their tables. */
static int save_parts(struct agg *self, struct wr_buf *out, int all) {
    if (!all && self->fired_us == self->saved_fired_us && !agg_parts_has_changed(&self->parts))
        return WR_OK;
    wr_buf_add_u64(out, (uint64_t)self->fired_us);
    wr_buf_add_u64(out, (uint64_t)self->fired_any);
    int status = agg_parts_save(&self->parts, out, all, self->base.env->piece_bytes);
    if (status == WR_OK)
        self->saved_fired_us = self->fired_us;
    return out->status == WR_OK ? status : out->status;
}

int agg_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct agg *self = (struct agg *)op;
    if (((const struct agg_config *)op->config)->shapes != NULL)
        return save_parts(self, out, all);
    int settled = agg_spill_status(self, agg_spool_settle(self));
    if (settled != WR_OK)
        return settled;
    struct wr_slices *sets[3];
    all_slices(self, sets);
    if (!all && self->fired_us == self->saved_fired_us &&
        self->emitted_us == self->saved_emitted_us && !wr_slices_sets_have_changed(sets, 3))
        return WR_OK;
    wr_buf_add_u64(out, (uint64_t)self->fired_us);
    wr_buf_add_u64(out, (uint64_t)self->fired_any);
    wr_buf_add_u64(out, (uint64_t)self->emitted_us);
    int status = wr_slices_save_sets(sets, 3, out, all, op->env->piece_bytes);
    if (status == WR_OK) {
        self->saved_fired_us = self->fired_us;
        self->saved_emitted_us = self->emitted_us;
    }
    return out->status == WR_OK ? status : out->status;
}

/* Tables that were read back stand where windows have theirs, and none before the windows that have
 * fired: firing relies on both. */
static int slices_fit(const struct agg *self) {
    const struct agg_config *config = self->base.config;
    const struct wr_slices *of_windows = config->by_window ? &self->slices : &self->partial;
    int64_t needed = self->fired_us; /* steps of a cumulative window that has fired */
    if (config->windowed && config->window.kind == WINDOW_CUMULATIVE && needed != WR_TIME_MAX)
        needed = window_start(&config->window, needed);
    for (uint32_t i = 0; i < self->slices.count && !config->by_window; i++) {
        int64_t start = self->slices.items[i].start_us;
        if (!config->windowed ? start != 0 : window_slice(&config->window, start) != start)
            return 0;
        if (self->fired_any && start < needed)
            return 0;
    }
    for (uint32_t i = 0; i < of_windows->count; i++) {
        int64_t start = of_windows->items[i].start_us;
        if (config->windowed ? !window_is(&config->window, start) : start != 0)
            return 0;
        if (!config->by_window &&
            (!config->windowed || (self->fired_any && start < self->fired_us)))
            return 0;
    }
    return 1;
}

int agg_load(struct wr_op *op, struct wr_reader *in) {
    struct agg *self = (struct agg *)op;
    if (((const struct agg_config *)op->config)->shapes != NULL) {
        self->fired_us = self->saved_fired_us = (int64_t)wr_reader_u64(in);
        self->fired_any = (int)wr_reader_u64(in);
        return in->failed ? WR_ECORRUPT : agg_parts_load(&self->parts, in);
    }
    struct wr_slices *sets[3];
    all_slices(self, sets);
    self->fired_us = (int64_t)wr_reader_u64(in);
    self->fired_any = (int)wr_reader_u64(in);
    self->emitted_us = (int64_t)wr_reader_u64(in);
    self->is_unchecked = 1; /* what one piece drops may be of windows that fired in another */
    return in->failed ? WR_ECORRUPT : wr_slices_load_sets(sets, 3, in);
}

int agg_check_loaded(struct agg *self) {
    if (!self->is_unchecked)
        return WR_OK;
    self->is_unchecked = 0;
    return slices_fit(self) ? WR_OK : WR_ECORRUPT;
}
