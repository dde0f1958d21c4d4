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
    if (!config->windowed && (!config->interval || work->in->behind == NULL)) { /* none is late */
        for (uint32_t i = 0; i < count; i++)
            work->rows[i] = sel == NULL ? i : sel[i];
        memset(work->marks, 0, count * sizeof *work->marks);
        work->count = count;
        return WR_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        uint32_t taken = marks_of_row(config, work->in, row, work->marks + work->count);
        for (uint32_t t = 0; t < taken; t++)
            work->rows[work->count++] = row;
        if (taken == 0)
            late[late_count++] = row;
    }
    return equi_refuse(&self->base, work->in, work->side, late, late_count, out);
}

static int build_keys(struct join *self, struct join_work *work) {
    const struct join_config *config = config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t on_bytes = config->equi.layout.key_bytes, bytes = config->layout.key_bytes;
    char *keys;
    work->hashes = WR_ARENA_ARRAY(scratch, uint64_t, work->count + 1);
    int status = equi_keys(&self->base, &config->equi, work->side, &self->keys_eval[work->side],
                           work->in, work->rows, work->count, &keys, work->hashes);
    work->keys = keys;
    if (status != WR_OK || !config->windowed)
        return status;
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

/* Rows of what is pushed for which there is no room now. Those that were refused are not in `work`
 * any more, and rows of several windows are in it more than once. */
static int leave_rows(struct join *self, const struct join_work *work, uint32_t done) {
    uint32_t *rows = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, work->count), count = 0;
    if (rows == NULL)
        return WR_ENOMEM;
    uint32_t windows = 0;
    while (windows < done && work->rows[done - windows - 1] == work->rows[done])
        windows++;
    int is_first = windows == done; /* of what is pushed: then some may have been done before */
    self->left_windows = windows + (is_first ? self->left_windows : 0);
    for (uint32_t i = done; i < work->count; i++)
        if (count == 0 || rows[count - 1] != work->rows[i])
            rows[count++] = work->rows[i];
    self->left_over = wr_batch_select(self->base.env->pool, work->in, rows, count);
    self->left_side = work->side;
    self->base.has_more = 1;
    return self->left_over == NULL ? WR_ENOMEM : WR_OK;
}

/* Results hold their own strings, so none of the state's is in use, but for matches of a row that
 * has met some of them. */
static int settle(struct join *self) {
    if (self->is_amid)
        return WR_OK;
    wr_rowset_settle(&self->sets[0]);
    wr_rowset_settle(&self->sets[1]);
    return join_relieve(self);
}

/* Windows of the first row that are done are not done again. */
static void skip_windows(struct join_work *work, uint32_t count) {
    work->rows += count;
    work->marks += count;
    work->count -= count;
}

static int take(struct join *self, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    struct wr_op *op = &self->base;
    const struct join_config *config = op->config;
    struct join_work work = {.in = in, .side = input};
    const uint32_t *sel = in->sel;
    uint32_t count = in->sel_count;
    int status = settle(self);
    if (status == WR_OK)
        status = equi_run_list(op, config->equi.keys[input], &self->keys_eval[input], in, &sel,
                               &count, out);
    if (status == WR_OK && input == 0 && config->bounds != NULL)
        status = equi_run_list(op, config->bounds, &self->bounds_eval, in, &sel, &count, out);
    if (status == WR_OK && input == 0 && config->bounds != NULL) {
        work.lo = bound_column(self, in, config->lo_item);
        work.hi = bound_column(self, in, config->hi_item);
        status = check_bounds(self, &work, &sel, &count, out);
    }
    if (status == WR_OK)
        status = spread_rows(self, &work, sel, count, out);
    if (status == WR_OK && work.count > 0)
        skip_windows(&work, self->left_windows);
    if (status == WR_OK && work.count > 0)
        status = build_keys(self, &work);
    if (status < 0 || work.count == 0)
        return WR_MIN(status, WR_FLOW_MORE);
    uint32_t done = work.count;
    int flow = join_meet(self, &work, out, &done);
    if (flow == WR_FLOW_MORE && done < work.count)
        flow = leave_rows(self, &work, done);
    return flow;
}

static int join_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    struct join *self = (struct join *)op;
    WR_ASSERT(!self->is_amid);
    self->left_windows = 0;
    return take(self, input, in, out);
}

static int join_go_on(struct wr_op *op, struct wr_out *out) {
    struct join *self = (struct join *)op;
    struct wr_batch *in = self->left_over;
    if (in == NULL)
        return join_fire_more(self, out);
    self->left_over = NULL;
    op->has_more = 0;
    int flow = take(self, self->left_side, in, out);
    wr_batch_unref(in);
    return flow;
}

static int join_route(struct wr_op *op, uint32_t input, const struct wr_batch *in,
                      uint64_t *hashes) {
    struct join *self = (struct join *)op;
    const struct join_config *config = op->config;
    return equi_route(op, &config->equi, input, &self->keys_eval[input], in, hashes);
}

const struct wr_op_type wr_op_join = {
    .name = "join",
    .size_bytes = sizeof(struct join),
    .flags = WR_OP_KEYED | WR_OP_MULTI_INPUT | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS |
             WR_OP_TAKES_UPDATES | WR_OP_GATHERS | WR_OP_TELLS_CAUSES,
    .bind = join_bind,
    .needs = join_needs,
    .open = join_open,
    .push = join_push,
    .advance = join_advance,
    .go_on = join_go_on,
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
