/* join.c: rows come in: which of them take part, in which windows, and their keys. See join.h. */
#include "op/join.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

static const struct join_config *config_of(const struct join *self) {
    return self->base.config;
}

/* ---- rows that take part ---- */

static int run_list(struct join *self, const struct wr_list *list, struct wr_eval *eval,
                    struct wr_batch *in, const uint32_t **sel, uint32_t *count,
                    struct wr_out *out) {
    struct wr_batch view = *in;
    view.sel = *sel;
    view.sel_count = *count;
    wr_op_eval_begin(&self->base, eval);
    int status = wr_list_run(list, eval, &view, self->base.env->scratch);
    if (status < 0)
        return status;
    *sel = wr_op_rows_left(&self->base, eval, &view, count, &status);
    if (status == WR_OK && eval->fail_count > 0)
        status = wr_op_reject_fails(&self->base, eval, in, out);
    return WR_MIN(status, WR_OK);
}

/* Late rows of the left side leave by the late port; those of the right one, which have another
 * schema, are rejects. */
static int refuse(struct join *self, struct wr_batch *in, uint32_t side, const uint32_t *late,
                  uint32_t count, struct wr_out *out) {
    int status = WR_OK;
    for (uint32_t i = 0; side == 1 && i < count && status >= 0; i++) {
        struct wr_reject reject = {
            .code = WR_REJECT_LATE, .stage = self->base.node, .row = late[i], .batch = in};
        status = out->reject(out, &reject);
    }
    return side == 1 ? WR_MIN(status, WR_OK) : wr_op_emit_late(&self->base, in, late, count, out);
}

/* The windows that take a row, or 1 where there are none; 0: it is late. */
static uint32_t marks_of_row(const struct join_config *config, const struct wr_batch *in,
                             uint32_t row, int64_t *marks) {
    int64_t time = join_time_of(in, row), behind = join_behind_of(in, row);
    marks[0] = 0;
    if (!config->windowed)
        return !(config->interval && time < behind);
    int64_t last = window_last(&config->window, time);
    uint32_t count = 0;
    for (int64_t mark = window_first(&config->window, time);;
         mark = window_next(&config->window, mark)) {
        if (window_end(&config->window, mark) > behind)
            marks[count++] = mark;
        if (mark >= last)
            break;
    }
    return count;
}

static int spread_rows(struct join *self, struct join_work *work, const uint32_t *sel,
                       uint32_t count, struct wr_out *out) {
    const struct join_config *config = config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    size_t each = config->windowed ? window_overlap(&config->window) : 1;
    work->rows = WR_ARENA_ARRAY(scratch, uint32_t, count * each + 1);
    work->marks = WR_ARENA_ARRAY(scratch, int64_t, count * each + 1);
    uint32_t *late = WR_ARENA_ARRAY(scratch, uint32_t, count + 1), late_count = 0;
    if (work->rows == NULL || work->marks == NULL || late == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        uint32_t taken = marks_of_row(config, work->in, row, work->marks + work->count);
        for (uint32_t t = 0; t < taken; t++)
            work->rows[work->count++] = row;
        if (taken == 0)
            late[late_count++] = row;
    }
    return refuse(self, work->in, work->side, late, late_count, out);
}

static int build_keys(struct join *self, struct join_work *work) {
    const struct join_config *config = config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    const struct wr_list *list = config->equi.keys[work->side];
    const struct wr_eval *eval = &self->keys_eval[work->side];
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    for (uint32_t k = 0; k < list->item_count; k++)
        columns[k] = list->items[k].column >= 0 ? work->in->columns[list->items[k].column]
                                                : eval->outputs[list->items[k].output];
    uint32_t on_bytes = config->equi.layout.key_bytes, bytes = config->layout.key_bytes;
    char *keys = wr_arena_alloc_zero(scratch, (size_t)work->count * on_bytes + 8);
    work->hashes = WR_ARENA_ARRAY(scratch, uint64_t, work->count + 1);
    if (keys == NULL || work->hashes == NULL)
        return WR_ENOMEM;
    wr_keys_build(&config->equi.layout, columns, work->rows, work->count, self->base.env->seed,
                  keys, work->hashes);
    work->keys = keys;
    if (!config->windowed)
        return WR_OK;
    work->keys = wr_arena_alloc_zero(scratch, (size_t)work->count * bytes + 8);
    if (work->keys == NULL)
        return WR_ENOMEM;
    uint32_t at = config->layout.offsets[config->layout.column_count - 1];
    for (uint32_t i = 0; i < work->count; i++) {
        memcpy(work->keys + (size_t)i * bytes, keys + (size_t)i * on_bytes, on_bytes);
        memcpy(work->keys + (size_t)i * bytes + at, &work->marks[i], 8);
    }
    wr_keys_hash(&config->layout, work->keys, work->count, self->base.env->seed, work->hashes);
    return WR_OK;
}

/* Left rows whose lower bound lies before their own time would meet rows that are gone. */
static int check_bounds(struct join *self, struct join_work *work, const uint32_t **sel,
                        uint32_t *count, struct wr_out *out) {
    const struct join_config *config = config_of(self);
    if (config->lo_item < 0 || config->retain_us >= 0)
        return WR_OK;
    uint32_t *good = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, *count + 1), left = 0;
    if (good == NULL)
        return WR_ENOMEM;
    int status = WR_OK;
    for (uint32_t i = 0; i < *count && status >= 0; i++) {
        uint32_t row = *sel == NULL ? i : (*sel)[i];
        good[left++] = row;
        if (wr_column_is_nil(work->lo, row) || WR_I64(work->lo)[row] >= join_time_of(work->in, row))
            continue;
        left--;
        struct wr_reject reject = {.code = 505,
                                   .reason = "lower bound before the event time: `join` needs "
                                             "`retain` for that",
                                   .stage = self->base.node,
                                   .row = row,
                                   .batch = work->in};
        status = out->reject(out, &reject);
    }
    *sel = good;
    *count = left;
    return WR_MIN(status, WR_OK);
}

static const struct wr_column *bound_column(struct join *self, const struct wr_batch *in,
                                            int32_t number) {
    if (number < 0)
        return NULL;
    const struct wr_item *item = &config_of(self)->bounds->items[number];
    return item->column >= 0 ? &in->columns[item->column]
                             : &self->bounds_eval.outputs[item->output];
}

static int join_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    struct join *self = (struct join *)op;
    const struct join_config *config = op->config;
    struct join_work work = {.in = in, .side = input};
    const uint32_t *sel = in->sel;
    uint32_t count = in->sel_count;
    /* Results hold their own strings, so none of the state's is in use here. */
    wr_rowset_settle(&self->sets[0]);
    wr_rowset_settle(&self->sets[1]);
    int status =
        run_list(self, config->equi.keys[input], &self->keys_eval[input], in, &sel, &count, out);
    if (status == WR_OK && input == 0 && config->bounds != NULL)
        status = run_list(self, config->bounds, &self->bounds_eval, in, &sel, &count, out);
    if (status == WR_OK && input == 0 && config->bounds != NULL) {
        work.lo = bound_column(self, in, config->lo_item);
        work.hi = bound_column(self, in, config->hi_item);
        status = check_bounds(self, &work, &sel, &count, out);
    }
    if (status == WR_OK)
        status = spread_rows(self, &work, sel, count, out);
    if (status == WR_OK && work.count > 0)
        status = build_keys(self, &work);
    if (status < 0 || work.count == 0)
        return WR_MIN(status, WR_FLOW_MORE);
    return join_meet(self, &work, out);
}

static int join_route(struct wr_op *op, uint32_t input, const struct wr_batch *in,
                      uint64_t *hashes) {
    struct join *self = (struct join *)op;
    const struct join_config *config = op->config;
    struct wr_eval *eval = &self->keys_eval[input];
    struct join_work work = {.in = (struct wr_batch *)(uintptr_t)in, .side = input};
    wr_op_eval_begin(op, eval);
    int status = wr_list_run(config->equi.keys[input], eval, in, op->env->scratch);
    const struct wr_list *list = config->equi.keys[input];
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    for (uint32_t k = 0; k < list->item_count; k++)
        columns[k] = list->items[k].column >= 0 ? in->columns[list->items[k].column]
                                                : eval->outputs[list->items[k].output];
    work.keys = wr_arena_alloc_zero(op->env->scratch,
                                    (size_t)in->sel_count * config->equi.layout.key_bytes + 8);
    if (status < 0 || work.keys == NULL)
        return status < 0 ? status : WR_ENOMEM;
    wr_keys_build(&config->equi.layout, columns, in->sel, in->sel_count, op->env->seed, work.keys,
                  hashes);
    return WR_OK;
}

const struct wr_op_type wr_op_join = {
    .name = "join",
    .size_bytes = sizeof(struct join),
    .flags =
        WR_OP_KEYED | WR_OP_MULTI_INPUT | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS | WR_OP_TAKES_UPDATES,
    .bind = join_bind,
    .needs = join_needs,
    .open = join_open,
    .push = join_push,
    .advance = join_advance,
    .next_boundary = join_next_boundary,
    .holds_back = join_holds_back,
    .shift = join_shift,
    .route_input = join_route,
    .compare = join_compare,
    .save = join_save,
    .load = join_load,
    .close = join_close,
    .measure = join_measure,
    .explain = join_explain,
};
