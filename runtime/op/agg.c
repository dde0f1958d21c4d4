/* agg.c: one row a group, or a group and window. Rows are aggregated by slice (gcd of size and
 * slide), one table of keyed state a slice; a window that fires merges its slices in time order
 * and drops those that no later window needs.
 * Late: a window refuses a row iff its end <= the row's own frontier; a row that every window
 * refused leaves by the late port. Source: Krishnamurthy et al., "On-the-fly sharing for streamed
 * aggregation", 2006 (slices). */
#include "op/agg.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

static int map_results(struct agg_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_aggregates *aggregates = config->aggregates;
    uint32_t lead = (config->windowed ? 2 : 0) + aggregates->key_count;
    uint32_t count = aggregates->result->field_count;
    config->from = WR_ARENA_ARRAY(bind->arena, int32_t, count + 1);
    if (config->from == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t c = 0; c < count; c++) {
        const struct wr_item *item = c < lead ? NULL : &aggregates->items->items[c - lead];
        config->from[c] = item == NULL        ? (int32_t)c
                          : item->column >= 0 ? item->column
                                              : -1 - item->output;
    }
    bind->out.schema = aggregates->result;
    bind->out.key_count = 0;
    for (uint32_t c = 0; c < lead && c < WR_KEY_FIELDS_MAX; c++)
        bind->out.key[bind->out.key_count++] = (uint16_t)c;
    bind->out.has_time = (uint8_t)config->windowed;
    bind->out.max_delay_us = 0;
    bind->out.order = WR_ORDER_FIRING;
    bind->out.updates = 0;
    return WR_OK;
}

static int check_emit(struct wr_bind *bind, int windowed, struct wr_error *err) {
    const char *mode = wr_value_string(wr_value_get(bind->spec, "emit"), "mode", "final");
    if (strcmp(mode, "final") != 0)
        return wr_error_script(err, "W201", "emission `%s` is not in this version", mode);
    if (bind->inputs[0]->updates) {
        wr_error_script(err, "W305", "`agg` does not take updates in this version");
        return WR_ESCRIPT;
    }
    if (windowed && !bind->inputs[0]->has_time) {
        wr_error_script(err, "W301", "no event time: add `:event_time \"…\"` before the window");
        wr_error_at(err, "window", 0, 0);
        return WR_ESCRIPT;
    }
    if (!windowed && !bind->inputs[0]->bounded) {
        wr_error_script(err, "W303", "this `agg` never ends");
        wr_error_help(err, "add a window: `:window(weir.tumbling \"1m\")`");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int agg_bind(struct wr_bind *bind, struct wr_error *err) {
    struct agg_config *config = WR_ARENA_ZEROS(bind->arena, struct agg_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    const struct wr_value *window = wr_value_get(bind->spec, "window");
    config->windowed = window != NULL;
    int status = check_emit(bind, config->windowed, err);
    if (status == WR_OK && window != NULL)
        status = window_from_value(&config->window, window, err);
    if (status != WR_OK)
        return status;
    status =
        wr_aggregates_bind(&config->aggregates, &bind->scope, wr_value_get(bind->spec, "group_by"),
                           wr_value_get(bind->spec, "items"),
                           config->windowed ? WR_AGGREGATES_WINDOWED : 0, err);
    if (status != WR_OK)
        return status;
    bind->config = config;
    return map_results(config, bind, err);
}

static void agg_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                      const uint64_t *wanted, uint64_t *columns) {
    (void)input;
    (void)input_number;
    (void)wanted;
    wr_list_reads(((const struct agg_config *)config)->aggregates->inputs, columns);
}

static struct wr_value *agg_explain(const void *config, struct wr_arena *arena) {
    const struct agg_config *self = config;
    return wr_op_explain(arena, self->aggregates->inputs,
                         self->windowed ? "groups x open slices" : "groups");
}

static int agg_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    struct agg *self = (struct agg *)op;
    const struct agg_config *config = op->config;
    struct wr_budget *budget = op->env->state_budget;
    wr_eval_init(&self->inputs_eval, budget);
    wr_eval_init(&self->items_eval, budget);
    wr_slices_init(&self->slices, budget, &config->aggregates->shape, op->env->seed);
    wr_slices_init(&self->partial, budget, &config->aggregates->shape, op->env->seed);
    self->fired_us = self->saved_fired_us = WR_TIME_MIN;
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
                      uint32_t count, char **keys, uint64_t **hashes) {
    const struct wr_aggregates *aggregates =
        ((const struct agg_config *)self->base.config)->aggregates;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t built = aggregates->key_count == 0 ? WR_MIN(count, 1u) : count;
    size_t key_bytes = (size_t)built * aggregates->layout.key_bytes;
    *keys = wr_arena_alloc(scratch, key_bytes + 1);
    *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (*keys == NULL || *hashes == NULL)
        return WR_ENOMEM;
    if (aggregates->key_count == 0) /* one group: its key is a word of zeros */
        memset(*keys, 0, key_bytes);
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    key_columns(self, in, columns);
    wr_keys_build(&aggregates->layout, columns, sel, built, self->base.env->seed, *keys, *hashes);
    return WR_OK;
}

/* Adds rows first … first + count - 1 of the selection to one table. */
static int add_rows(struct agg *self, struct wr_table *table, const struct wr_batch *in,
                    const uint32_t *sel, const char *keys, const uint64_t *hashes, uint32_t first,
                    uint32_t count) {
    const struct wr_aggregates *aggregates =
        ((const struct agg_config *)self->base.config)->aggregates;
    if (table == NULL)
        return WR_ENOMEM;
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
        status = wr_table_upsert(table, keys + (size_t)first * aggregates->layout.key_bytes,
                                 hashes + first, count, rows, NULL);
    }
    if (status == WR_OK)
        status = wr_aggregates_add(aggregates, &self->inputs_eval, table, rows, in,
                                   sel != NULL ? sel + first : dense, count);
    wr_arena_rewind(scratch, mark);
    return status;
}

/* A row that windows before `frontier` refuse goes to each window that takes it, one by one. */
static int add_partly_late(struct agg *self, const struct wr_batch *in, const uint32_t *sel,
                           const char *keys, const uint64_t *hashes, uint32_t i) {
    const struct window *window = &((const struct agg_config *)self->base.config)->window;
    uint32_t row = sel == NULL ? i : sel[i];
    int64_t last = window_last(window, in->event_time[row]);
    int64_t start = window_first(window, in->event_time[row]);
    int status = WR_OK;
    for (; start <= last && status == WR_OK; start += window->every_us)
        if (window_end(window, start) > in->behind[row])
            status =
                add_rows(self, wr_slices_at(&self->partial, start), in, sel, keys, hashes, i, 1);
    return status;
}

static int emit_late(struct agg *self, struct wr_batch *in, const uint32_t *late, uint32_t count,
                     struct wr_out *out) {
    struct wr_batch *batch = wr_batch_select(self->base.env->pool, in, late, count);
    if (batch == NULL)
        return WR_ENOMEM;
    return out->emit(out, WR_PORT_LATE, batch);
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
            if (__builtin_add_overflow(slice, window->slice_us, &slice_end))
                slice_end = WR_TIME_MAX;
        } else if (verdict == VERDICT_LATE) {
            late[late_count++] = row;
        } else if (status == WR_OK) {
            status = add_partly_late(self, in, sel, keys, hashes, i);
        }
    }
    if (status == WR_OK && count > first && slice_end != INT64_MIN)
        status = add_rows(self, wr_slices_at(&self->slices, slice), in, sel, keys, hashes, first,
                          count - first);
    if (status == WR_OK && late_count > 0)
        status = emit_late(self, in, late, late_count, out);
    return status;
}

static int agg_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
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
    char *keys;
    uint64_t *hashes;
    if (status >= 0 && count > 0)
        status = build_keys(self, in, sel, count, &keys, &hashes);
    if (status < 0 || count == 0)
        return status;
    if (config->windowed)
        return add_windowed(self, in, sel, count, keys, hashes, out);
    return add_rows(self, wr_slices_at(&self->slices, 0), in, sel, keys, hashes, 0, count);
}

static int agg_route(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes) {
    struct agg *self = (struct agg *)op;
    const struct agg_config *config = op->config;
    wr_op_eval_begin(op, &self->inputs_eval);
    int status = wr_list_run(config->aggregates->inputs, &self->inputs_eval, in, op->env->scratch);
    if (status < 0)
        return status;
    if (config->aggregates->key_count == 0) {
        memset(hashes, 0, in->sel_count * sizeof *hashes);
        return WR_OK;
    }
    char *keys;
    uint64_t *made;
    status = build_keys(self, in, in->sel, in->sel_count, &keys, &made);
    if (status == WR_OK) /* a failed row has any key: its shard will reject it */
        memcpy(hashes, made, in->sel_count * sizeof *hashes);
    return status;
}

/* Without keys and window the whole stream is one group, which is there without a row too, as in
 * SQL. It belongs to shard 0 (see `agg_route`). */
static int ensure_group(struct agg *self) {
    char *keys;
    uint64_t *hashes;
    uint8_t *row;
    struct wr_table *table = wr_slices_at(&self->slices, 0);
    int status = table == NULL ? WR_ENOMEM : build_keys(self, NULL, NULL, 1, &keys, &hashes);
    return status == WR_OK ? wr_table_upsert(table, keys, hashes, 1, &row, NULL) : status;
}

static int agg_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct agg *self = (struct agg *)op;
    const struct agg_config *config = op->config;
    if (!config->windowed && (frontier != WR_TIME_MAX || self->fired_any))
        return WR_OK;
    int status = WR_OK;
    if (!config->windowed && config->aggregates->key_count == 0 && op->env->shard == 0)
        status = ensure_group(self);
    return status < 0 ? status : agg_fire(self, frontier, out);
}

static void agg_close(struct wr_op *op) {
    struct agg *self = (struct agg *)op;
    wr_slices_release(&self->slices);
    wr_slices_release(&self->partial);
    wr_eval_release(&self->inputs_eval);
    wr_eval_release(&self->items_eval);
}

const struct wr_op_type wr_op_agg = {
    .name = "agg",
    .size_bytes = sizeof(struct agg),
    .flags = WR_OP_KEYED | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS,
    .bind = agg_bind,
    .needs = agg_needs,
    .open = agg_open,
    .push = agg_push,
    .advance = agg_advance,
    .route = agg_route,
    .compare = agg_compare,
    .save = agg_save,
    .load = agg_load,
    .close = agg_close,
    .explain = agg_explain,
};
