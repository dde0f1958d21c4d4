/* agg.c: one row a group, or a group and window. Rows are aggregated by slice (gcd of size and
 * slide), one table of keyed state a slice; a window that fires merges its slices in time order
 * and drops those that no later window needs.
 * Late: a window refuses a row iff its end <= the row's own frontier; a row that every window
 * refused leaves by the late port. Source: Krishnamurthy et al., "On-the-fly sharing for streamed
 * aggregation", 2006 (slices). */
#include "op/agg_spool.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "state/alike.h"
#include "state/table_sorted.h"
#include "base/banned.h"

static void agg_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                      const uint64_t *wanted, uint64_t *columns) {
    (void)input;
    (void)input_number;
    (void)wanted;
    const struct agg_config *self = config;
    wr_list_reads(self->aggregates->inputs, columns);
    if (self->own != NULL)
        wr_list_reads(self->own, columns);
}

#define EXPLAIN_BYTES_MAX 4096 /* of what the state is */

/* The state, and what the aggregates keep of a group that say so. NULL: out of memory. */
static const char *explain_state(const struct wr_aggregates *aggregates, const char *state,
                                 struct wr_arena *arena) {
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, EXPLAIN_BYTES_MAX);
    wr_buf_add_text(&text, state);
    for (uint32_t i = 0; i < aggregates->aggregate_count; i++) {
        const struct wr_aggregate *aggregate = &aggregates->aggregates[i];
        if (aggregate->inner == NULL && aggregate->function->keeps != NULL)
            wr_buf_addf(&text, ", `%s` at most %s each", aggregate->function->name,
                        aggregate->function->keeps);
    }
    const char *made =
        text.status == WR_ENOMEM ? NULL : wr_arena_strndup(arena, text.bytes, text.length);
    wr_buf_release(&text);
    return made;
}

static struct wr_value *agg_explain(const void *config, struct wr_arena *arena) {
    const struct agg_config *self = config;
    const char *state = "groups";
    if (self->windowed && self->window.kind == WINDOW_SESSION)
        state = "groups x open sessions";
    else if (self->windowed && self->window.kind == WINDOW_COUNT)
        state = "groups x steps of a window";
    else if (self->windowed)
        state = "groups x open slices";
    else if (self->ends_at)
        state = self->keeps_us > 0 ? "groups that have not ended, and keys of those that have for "
                                     "as long as a row may come behind"
                                   : "groups that have not ended";
    state = explain_state(self->aggregates, state, arena);
    return state == NULL ? NULL : wr_op_explain(arena, self->aggregates->inputs, state);
}

static int agg_open(struct wr_op *op, struct wr_error *err) {
    struct agg *self = (struct agg *)op;
    const struct agg_config *config = op->config;
    struct wr_budget *budget = op->env->state_budget;
    wr_eval_init(&self->inputs_eval, budget);
    wr_eval_init(&self->items_eval, budget);
    wr_slices_init(&self->slices, budget, &config->aggregates->shape, op->env->seed);
    wr_slices_init(&self->partial, budget, &config->aggregates->shape, op->env->seed);
    wr_slices_init(&self->before, budget,
                   config->told.count > 0 ? &config->told_shape : &config->aggregates->shape,
                   op->env->seed);
    int rests = config->windowed && !config->by_window && config->shapes == NULL;
    if (rests)
        wr_slices_may_rest(&self->slices, op->env->env,
                           2 * op->env->spill_bytes / WR_MAX(op->env->shard_count, 1u),
                           op->env->err);
    if (config->shapes == NULL && !rests) {
        wr_slices_keep_apart(&self->slices, op->apart);
        wr_slices_keep_apart(&self->partial, op->apart);
        wr_slices_keep_apart(&self->before, op->apart);
    }
    self->fired_us = self->saved_fired_us = WR_TIME_MIN;
    self->emitted_us = self->saved_emitted_us = WR_TIME_MIN;
    wr_eval_init(&self->own_eval, budget);
    if (agg_spill_open(self) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the state of `agg`");
    if (config->shapes != NULL && agg_parts_open(&self->parts, config->shapes, config->aggregates,
                                                 budget, op->env->seed) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the state of `agg`");
    return WR_OK;
}

/* The key columns of a batch whose inputs have been run. */
static void key_columns(const struct agg *self, const struct wr_batch *in,
                        struct wr_column *columns) {
    const struct wr_aggregates *aggregates =
        ((const struct agg_config *)self->base.config)->aggregates;
    for (uint32_t k = 0; k < aggregates->key_count; k++) {
        const struct wr_item *item = &aggregates->inputs->items[k];
        columns[k] =
            item->column >= 0 ? in->columns[item->column] : self->inputs_eval.outputs[item->output];
    }
}

static int build_keys(struct agg *self, const struct wr_batch *in, const uint32_t *sel,
                      uint32_t count, const char **keys, const uint64_t **hashes) {
    const struct wr_aggregates *aggregates =
        ((const struct agg_config *)self->base.config)->aggregates;
    if (in != NULL && in->keys != NULL && sel == in->sel && count == in->sel_count) {
        *keys = in->keys;
        *hashes = in->hashes;
        return WR_OK;
    }
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t built = aggregates->key_count == 0 ? WR_MIN(count, 1u) : count;
    size_t key_bytes = (size_t)built * aggregates->layout.key_bytes;
    char *made = wr_arena_alloc(scratch, key_bytes + 1);
    uint64_t *made_hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (made == NULL || made_hashes == NULL)
        return WR_ENOMEM;
    if (aggregates->key_count == 0) /* one group: its key is a word of zeros */
        memset(made, 0, key_bytes);
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    key_columns(self, in, columns);
    wr_keys_build(&aggregates->layout, columns, sel, built, self->base.env->seed, made,
                  made_hashes);
    *keys = made;
    *hashes = made_hashes;
    return WR_OK;
}

/* Adds rows first … first + count - 1 of the selection to one table. */
static int add_rows(struct agg *self, struct wr_table *table, const struct wr_batch *in,
                    const uint32_t *sel, const char *keys, const uint64_t *hashes, uint32_t first,
                    uint32_t count) {
    const struct wr_aggregates *aggregates =
        ((const struct agg_config *)self->base.config)->aggregates;
    if (table == NULL)
        return wr_slices_failure(&self->slices);
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    uint32_t *dense = NULL;
    if (sel == NULL && first > 0) { /* a part of a dense batch needs its row numbers */
        dense = WR_ARENA_ARRAY(scratch, uint32_t, count);
        for (uint32_t i = 0; dense != NULL && i < count; i++)
            dense[i] = first + i;
    }
    int status = rows == NULL || (sel == NULL && first > 0 && dense == NULL) ? WR_ENOMEM : WR_OK;
    if (status == WR_OK && aggregates->key_count == 0) { /* one row for all */
        status = wr_table_upsert(table, keys, hashes, 1, rows, NULL);
        for (uint32_t i = 1; i < count; i++)
            rows[i] = rows[0];
    } else if (status == WR_OK) {
        status = wr_table_upsert_alike(table, keys + (size_t)first * aggregates->layout.key_bytes,
                                       hashes + first, count, scratch, rows, NULL, NULL);
    }
    if (status == WR_OK)
        status = wr_aggregates_add(aggregates, &self->inputs_eval, table, rows, in,
                                   sel != NULL ? sel + first : dense, count);
    wr_arena_rewind(scratch, mark);
    return status == WR_OK ? wr_slices_relieve(&self->slices) : status;
}

/* A row that windows before `frontier` refuse goes to each window that takes it, one by one. */
static int add_partly_late(struct agg *self, const struct wr_batch *in, const uint32_t *sel,
                           const char *keys, const uint64_t *hashes, uint32_t i) {
    const struct window *window = &((const struct agg_config *)self->base.config)->window;
    uint32_t row = sel == NULL ? i : sel[i];
    int64_t last = window_last(window, in->event_time[row]);
    int64_t mark = window_first(window, in->event_time[row]);
    for (;; mark = window_next(window, mark)) {
        int status = WR_OK;
        if (window_end(window, mark) > in->behind[row])
            status =
                add_rows(self, wr_slices_at(&self->partial, mark), in, sel, keys, hashes, i, 1);
        if (mark >= last || status != WR_OK)
            return status;
    }
}

enum verdict { VERDICT_ON_TIME, VERDICT_PARTLY, VERDICT_LATE };

static enum verdict judge(const struct window *window, const struct wr_batch *in, uint32_t row) {
    int64_t behind = in->behind == NULL ? WR_TIME_MIN : in->behind[row];
    int64_t time = in->event_time[row];
    if (behind <= time) /* the usual case: not behind at all */
        return VERDICT_ON_TIME;
    if (window_end(window, window_last(window, time)) <= behind)
        return VERDICT_LATE;
    return window_end(window, window_first(window, time)) <= behind ? VERDICT_PARTLY
                                                                    : VERDICT_ON_TIME;
}

/* Rows that are on time, in the order of the batch. */
struct on_time {
    int64_t slice;
    uint32_t at;
};

static int by_slice(const void *a, const void *b) {
    const struct on_time *x = a, *y = b;
    if (x->slice != y->slice)
        return x->slice < y->slice ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Where slices rest, each is asked for once a batch. Rows keep their order within their slice. */
static int add_by_slice(struct agg *self, const struct wr_batch *in, const uint32_t *sel,
                        const char *keys, const uint64_t *hashes, struct on_time *rows,
                        uint32_t count) {
    const struct wr_aggregates *aggregates =
        ((const struct agg_config *)self->base.config)->aggregates;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t key_bytes = aggregates->layout.key_bytes, is_keyed = aggregates->key_count > 0;
    uint32_t *sorted = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    uint64_t *sorted_hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    char *sorted_keys = wr_arena_alloc(scratch, (size_t)count * key_bytes + 1);
    if (sorted == NULL || sorted_hashes == NULL || sorted_keys == NULL)
        return WR_ENOMEM;
    qsort(rows, count, sizeof *rows, by_slice);
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = sel == NULL ? rows[i].at : sel[rows[i].at];
        sorted_hashes[i] = hashes[rows[i].at];
        if (is_keyed)
            memcpy(sorted_keys + (size_t)i * key_bytes, keys + (size_t)rows[i].at * key_bytes,
                   key_bytes);
    }
    int status = WR_OK;
    for (uint32_t first = 0, end; first < count && status == WR_OK; first = end) {
        end = first + 1;
        while (end < count && rows[end].slice == rows[first].slice)
            end++;
        status = add_rows(self, wr_slices_at(&self->slices, rows[first].slice), in, sorted,
                          is_keyed ? sorted_keys : keys, is_keyed ? sorted_hashes : hashes, first,
                          end - first);
    }
    return status;
}

/* As add_windowed. */
static int add_scattered(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                         const char *keys, const uint64_t *hashes, struct wr_out *out) {
    const struct window *window = &((const struct agg_config *)self->base.config)->window;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t *late = WR_ARENA_ARRAY(scratch, uint32_t, count + 1), late_count = 0;
    struct on_time *rows = WR_ARENA_ARRAY(scratch, struct on_time, count + 1);
    uint32_t row_count = 0;
    int status = late == NULL || rows == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        enum verdict verdict = judge(window, in, row);
        if (verdict == VERDICT_ON_TIME)
            rows[row_count++] =
                (struct on_time){.slice = window_slice(window, in->event_time[row]), .at = i};
        else if (verdict == VERDICT_LATE)
            late[late_count++] = row;
        else
            status = add_partly_late(self, in, sel, keys, hashes, i);
    }
    if (status == WR_OK)
        status = add_by_slice(self, in, sel, keys, hashes, rows, row_count);
    return status < 0 ? status : wr_op_emit_late(&self->base, in, late, late_count, out);
}

/* Rows in runs of one slice, since neighbours in time are neighbours in the batch. */
static int add_windowed(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                        const char *keys, const uint64_t *hashes, struct wr_out *out) {
    const struct window *window = &((const struct agg_config *)self->base.config)->window;
    uint32_t *late = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, count + 1), late_count = 0;
    if (late == NULL)
        return WR_ENOMEM;
    uint32_t first = 0;
    int64_t slice = 0, slice_end = INT64_MIN;
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        int64_t time = in->event_time[row];
        enum verdict verdict = judge(window, in, row);
        if (verdict == VERDICT_ON_TIME && time >= slice && time < slice_end)
            continue;
        if (i > first)
            status = add_rows(self, wr_slices_at(&self->slices, slice), in, sel, keys, hashes,
                              first, i - first);
        first = i + 1;
        slice_end = INT64_MIN;
        if (verdict == VERDICT_ON_TIME) {
            first = i;
            slice = window_slice(window, time);
            slice_end = window_slice_end(window, slice);
        } else if (verdict == VERDICT_LATE) {
            late[late_count++] = row;
        } else if (status == WR_OK) {
            status = add_partly_late(self, in, sel, keys, hashes, i);
        }
    }
    if (status == WR_OK && count > first && slice_end != INT64_MIN)
        status = add_rows(self, wr_slices_at(&self->slices, slice), in, sel, keys, hashes, first,
                          count - first);
    return status < 0 ? status : wr_op_emit_late(&self->base, in, late, late_count, out);
}

static int push_rows(struct wr_op *op, struct wr_batch *in, struct wr_out *out) {
    struct agg *self = (struct agg *)op;
    const struct agg_config *config = op->config;
    wr_op_eval_begin(op, &self->inputs_eval);
    /* Results hold their own strings, so none of the state's is in use here. */
    wr_slices_settle(&self->slices);
    wr_slices_settle(&self->partial);
    int status = wr_list_run(config->aggregates->inputs, &self->inputs_eval, in, op->env->scratch);
    if (status < 0)
        return status;
    uint32_t count = 0;
    const uint32_t *sel = wr_op_rows_left(op, &self->inputs_eval, in, &count, &status);
    if (status == WR_OK && self->inputs_eval.fail_count > 0)
        status = wr_op_reject_fails(op, &self->inputs_eval, in, out);
    const char *keys;
    const uint64_t *hashes;
    if (status >= 0 && count > 0)
        status = build_keys(self, in, sel, count, &keys, &hashes);
    if (status < 0 || count == 0)
        return status;
    if (config->shapes != NULL)
        return (config->window.kind == WINDOW_SESSION ? agg_session_push : agg_count_push)(
            self, in, sel, count, keys, hashes, out);
    if (config->by_window)
        return agg_update_push(self, in, sel, count, keys, hashes, out);
    if (config->windowed && wr_slices_rest(&self->slices))
        return add_scattered(self, in, sel, count, keys, hashes, out);
    if (config->windowed)
        return add_windowed(self, in, sel, count, keys, hashes, out);
    if (self->spool != NULL)
        return agg_spill_status(self, agg_spool_push(self, in, sel, count, keys, hashes));
    struct wr_table *table = wr_slices_at(&self->slices, 0);
    return add_rows(self, table, in, sel, keys, hashes, 0, count);
}

static int agg_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct agg *self = (struct agg *)op;
    int status = agg_check_loaded(self);
    if (status != WR_OK)
        return status;
    if (((const struct agg_config *)op->config)->own == NULL)
        return push_rows(op, in, out);
    struct wr_batch *left = in;
    status = agg_own_ends(self, &left, out);
    if (status >= 0 && left->sel_count > 0)
        status = push_rows(op, left, out);
    if (left != in)
        wr_batch_unref(left);
    return status;
}

/* Keys that are columns need nothing computed. Those that are can only be handed on where they hold
 * no text, which would lie in the scratch of who made them. */
static int agg_route(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes) {
    struct agg *self = (struct agg *)op;
    const struct wr_aggregates *aggregates = ((const struct agg_config *)op->config)->aggregates;
    int computes = 0, status = WR_OK;
    op->routed = NULL;
    if (aggregates->key_count == 0) {
        memset(hashes, 0, in->sel_count * sizeof *hashes);
        return WR_OK;
    }
    for (uint32_t k = 0; k < aggregates->key_count; k++)
        computes |= aggregates->inputs->items[k].column < 0;
    wr_op_eval_begin(op, &self->inputs_eval);
    if (computes)
        status = wr_list_run(aggregates->inputs, &self->inputs_eval, in, op->env->scratch);
    const char *keys;
    const uint64_t *made;
    if (status >= 0)
        status = build_keys(self, in, in->sel, in->sel_count, &keys, &made);
    if (status < 0)
        return status;
    /* A row that failed has any key: its shard will reject it. */
    memcpy(hashes, made, in->sel_count * sizeof *hashes);
    if (!computes || aggregates->layout.cell_count == 0) {
        op->routed = keys;
        op->routed_bytes = aggregates->layout.key_bytes;
    }
    return WR_OK;
}

int agg_ensure_group(struct agg *self, uint8_t *made) {
    const char *keys;
    const uint64_t *hashes;
    uint8_t *row;
    struct wr_table *table = wr_slices_at(&self->slices, 0);
    int status = table == NULL ? WR_ENOMEM : build_keys(self, NULL, NULL, 1, &keys, &hashes);
    return status == WR_OK ? wr_table_upsert(table, keys, hashes, 1, &row, made) : status;
}

static int agg_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct agg *self = (struct agg *)op;
    const struct agg_config *config = op->config;
    if (agg_check_loaded(self) != WR_OK)
        return WR_ECORRUPT;
    if (config->shapes != NULL && config->window.kind == WINDOW_SESSION)
        return agg_session_fire(self, frontier, out);
    if (config->shapes != NULL)
        return frontier == WR_TIME_MAX ? agg_count_fire(self, out) : WR_OK;
    if (config->by_window)
        return agg_update_fire(self, frontier, out);
    if (!config->windowed && (frontier != WR_TIME_MAX || self->fired_any))
        return WR_OK;
    int status = WR_OK;
    if (agg_is_one_group(self))
        status = agg_ensure_group(self, NULL);
    return status < 0 ? status : agg_fire(self, frontier, out);
}

/* What leaves for late rows stands behind the first result of their window, and what `every` holds
 * back in its place among the rows that came. */
static int64_t agg_next_boundary(const struct wr_op *op, int64_t after) {
    const struct agg_config *config = op->config;
    int64_t least = WR_TIME_MAX;
    if (config->shapes != NULL) /* sessions may end anywhere */
        return config->changes && config->mode == AGG_FINAL && after < WR_TIME_MAX ? after + 1
                                                                                   : least;
    if (config->every_us > 0 && !config->by_clock)
        least = window_multiple_after(config->every_us, after);
    if (!config->windowed || !config->by_window)
        return least;
    if (config->mode == AGG_FINAL) {
        int64_t end = window_end_after(&config->window, after);
        least = WR_MIN(least, end);
    } else if (config->every_us > 0) { /* what is left of a window leaves when it closes */
        int64_t before = wr_time_add(after, -config->lateness_us);
        int64_t closes = window_end_after(&config->window, before);
        closes = wr_time_add(closes, config->lateness_us);
        least = WR_MIN(least, closes);
    }
    return least;
}

static int agg_tick(struct wr_op *op, struct wr_out *out) {
    const struct agg_config *config = op->config;
    return config->by_clock ? agg_update_tick((struct agg *)op, out) : WR_OK;
}

static int64_t agg_shift(const struct wr_op *op) {
    return agg_session_lag(op->config);
}

static int64_t agg_holds_back(const struct wr_op *op, int64_t frontier) {
    return agg_session_frontier(op->config, frontier);
}

static void agg_close(struct wr_op *op) {
    struct agg *self = (struct agg *)op;
    wr_slices_release(&self->slices);
    wr_slices_release(&self->partial);
    wr_slices_release(&self->before);
    wr_eval_release(&self->inputs_eval);
    wr_eval_release(&self->items_eval);
    wr_eval_release(&self->own_eval);
    agg_parts_close(&self->parts);
    wr_arena_release(&self->firing.arena);
    wr_sorted_free(self->runs);
    agg_spool_free(self->spool);
}

const struct wr_op_type wr_op_agg = {
    .name = "agg",
    .size_bytes = sizeof(struct agg),
    .flags = WR_OP_KEYED | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS | WR_OP_TAKES_UPDATES,
    .bind = agg_bind,
    .needs = agg_needs,
    .open = agg_open,
    .push = agg_push,
    .advance = agg_advance,
    .go_on = agg_go_on,
    .tick = agg_tick,
    .holds_back = agg_holds_back,
    .shift = agg_shift,
    .next_boundary = agg_next_boundary,
    .route = agg_route,
    .compare = agg_compare,
    .save = agg_save,
    .load = agg_load,
    .close = agg_close,
    .measure = agg_measure,
    .explain = agg_explain,
};
