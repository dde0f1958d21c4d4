/* agg_own.c: what an expression says of the end of a group's own window: the gap of a session, or
 * the time at which a group ends (`emit("final", { at = … })`). Rows for which it says nothing are
 * rejects. */
#include "base/assert.h"
#include "base/status.h"
#include "op/agg.h"
#include "op/window.h"
#include "base/banned.h"

int agg_own_bind(struct agg_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    if (config->windowed) {
        wr_error_script(err, "W203", "`at` says when groups end, and so does the window");
        wr_error_at(err, "window", 0, 0);
        return WR_ESCRIPT;
    }
    if (config->mode != AGG_FINAL) {
        wr_error_script(err, "W203", "`at` is of the emission `final`");
        wr_error_at(err, "emit", 0, 0);
        return WR_ESCRIPT;
    }
    if (in->updates) {
        wr_error_script(err, "W305", "groups that end `at` a time do not take updates");
        wr_error_at(err, "emit", 0, 0);
        wr_error_help(err, "add `:changes()` before it: each change becomes a row, with `op` = "
                           "insert, update or delete");
        return WR_ESCRIPT;
    }
    /* A group is a session of its own: it ends, fires, and is kept for a while behind its end. */
    config->ends_at = 1;
    config->window = (struct window){.kind = WINDOW_SESSION, .max_us = WR_TIME_MAX};
    int64_t delay = in->max_delay_us == WR_DELAY_UNKNOWN ? 0 : in->max_delay_us;
    config->keeps_us = WR_MAX(delay - 1, 0); /* a part's end stands 1us behind the time */
    return wr_op_bind_time(&config->own, bind, wr_value_get(wr_value_get(bind->spec, "emit"), "at"),
                           "emit", err);
}

static int reject_row(struct agg *self, struct wr_batch *in, uint32_t row,
                      const struct wr_fail *fail, struct wr_out *out) {
    int ends_at = ((const struct agg_config *)self->base.config)->ends_at;
    struct wr_reject reject = {.code = fail != NULL ? fail->code
                                       : ends_at    ? WR_REJECT_NO_TIME
                                                    : WR_REJECT_TYPE,
                               .detail = fail != NULL ? fail->detail
                                         : ends_at    ? "the time at which its group ends is nil"
                                                      : "the gap of a session must be above zero",
                               .stage = self->base.node,
                               .row = row,
                               .batch = in};
    return out->reject(out, &reject);
}

int agg_own_ends(struct agg *self, struct wr_batch **in, struct wr_out *out) {
    const struct agg_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_batch *from = *in;
    wr_op_eval_begin(&self->base, &self->own_eval);
    int status = wr_list_run(config->own, &self->own_eval, from, scratch);
    uint32_t *sel = WR_ARENA_ARRAY(scratch, uint32_t, from->sel_count + 1), left = 0, fail = 0;
    if (status < 0 || sel == NULL)
        return status < 0 ? status : WR_ENOMEM;
    const struct wr_item *item = &config->own->items[0];
    self->own_column =
        item->column >= 0 ? &from->columns[item->column] : &self->own_eval.outputs[item->output];
    const int64_t *values = self->own_column->data;
    const struct wr_fail *fails = self->own_eval.fails;
    for (uint32_t i = 0; i < from->sel_count && status >= 0; i++) {
        uint32_t row = wr_batch_row(from, i);
        while (fail < self->own_eval.fail_count && fails[fail].row < row)
            fail++;
        int failed = fail < self->own_eval.fail_count && fails[fail].row == row;
        if (failed || wr_column_is_nil(self->own_column, row) ||
            (!config->ends_at && values[row] <= 0))
            status = reject_row(self, from, row, failed ? &fails[fail] : NULL, out);
        else
            sel[left++] = row;
    }
    if (status < 0 || left == from->sel_count)
        return status;
    *in = wr_batch_select(self->base.env->pool, from, sel, left);
    return *in == NULL ? WR_ENOMEM : WR_OK;
}
