/* frames.c: a grouped `derive`: rows in, and rows out with what was computed. See frames.h. */
#include "op/frames.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/frames_update.h"
#include "base/banned.h"

static struct wr_value *frames_explain(const void *config, struct wr_arena *arena) {
    const struct frames_config *self = config;
    return wr_op_explain(arena, self->project.list, self->state);
}

/* ---- open, close ---- */

static void want(uint64_t *wanted, const struct frames_config *config, uint32_t item) {
    wr_bit_set(wanted, config->item_columns[item]);
}

/* Of rows that wait: what somebody reads of them later. */
static int init_wait(struct frames *self) {
    const struct frames_config *config = frames_config_of(self);
    uint32_t words = (uint32_t)WR_BITS_WORDS(config->wide->field_count + WR_HIDDEN_COUNT) + 1;
    uint64_t *wanted = WR_ARENA_ZEROS(&self->arena, uint64_t, words);
    if (wanted == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < self->base.schema->field_count; c++) {
        int32_t from = config->project.from[c];
        if (from >= 0 && (uint32_t)from < config->input_count && wr_bit_get(self->base.needed, c))
            wr_bit_set(wanted, (uint32_t)from);
    }
    for (uint32_t c = 0; c < config->input_count; c++)
        if (wr_bit_get(config->reads, c) || (config->retracts && wr_bit_get(wanted, c)))
            wr_bit_set(wanted, c);
    for (uint32_t i = 0; i < config->frames->inputs->item_count; i++)
        want(wanted, config, i);
    return wr_payload_init(&self->wait, &self->arena, config->wide, wanted);
}

/* Of rows that are kept: the arguments of calls that look at them. */
static int init_keep(struct frames *self) {
    const struct frames_config *config = frames_config_of(self);
    const struct wr_frames *frames = config->frames;
    uint32_t words = (uint32_t)WR_BITS_WORDS(config->wide->field_count) + 1;
    uint64_t *wanted = WR_ARENA_ZEROS(&self->arena, uint64_t, words);
    for (uint32_t k = 0; wanted != NULL && config->mode == FRAMES_UPDATE && k < self->wait.count;
         k++)
        wr_bit_set(wanted, self->wait.columns[k]); /* rows stay whole */
    self->kept_items = WR_ARENA_ARRAY(&self->arena, uint32_t, frames->inputs->item_count + 1);
    if (wanted == NULL || self->kept_items == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < frames->call_count; c++) {
        const struct wr_frame_call *call = &frames->calls[c];
        if (call->kind == WR_FRAME_LAG)
            want(wanted, config, call->item);
        if (call->kind != WR_FRAME_AGGREGATE || call->frame == 0)
            continue;
        const struct wr_aggregate *aggregate = &frames->aggregates[call->aggregate];
        for (uint32_t a = 0; a < aggregate->arg_count; a++)
            if (aggregate->constants[a] == NULL)
                want(wanted, config, aggregate->args[a]);
        for (uint32_t o = 0; o < aggregate->order_count; o++)
            want(wanted, config, aggregate->order[o]);
        if (aggregate->where >= 0)
            want(wanted, config, (uint32_t)aggregate->where);
    }
    int status = wr_payload_init(&self->keep, &self->arena, config->wide, wanted);
    for (uint32_t i = 0; i < frames->inputs->item_count && status == WR_OK; i++) {
        self->kept_items[i] = FRAMES_NOT_KEPT;
        for (uint32_t k = 0; k < self->keep.count; k++)
            if (self->keep.columns[k] == config->item_columns[i])
                self->kept_items[i] = k;
    }
    return status;
}

static int make_shape(struct frames *self, const struct wr_payload *payload, uint32_t key_bytes,
                      uint32_t ahead, struct wr_shape *shape) {
    struct wr_cell *cells = WR_ARENA_ARRAY(&self->arena, struct wr_cell, payload->cell_count + 1);
    if (cells == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < payload->cell_count; c++) {
        cells[c] = payload->cells[c];
        cells[c].offset += ahead;
    }
    *shape = (struct wr_shape){.key_bytes = key_bytes,
                               .row_bytes = ahead + payload->bytes,
                               .cell_count = payload->cell_count,
                               .cells = cells};
    return shape->row_bytes > WR_ROW_BYTES_MAX ? WR_ELIMIT : WR_OK;
}

static int frames_open(struct wr_op *op, struct wr_error *err) {
    struct frames *self = (struct frames *)op;
    const struct frames_config *config = op->config;
    struct wr_budget *budget = op->env->state_budget;
    wr_time_heap_init(&self->heap, budget);
    wr_time_heap_init(&self->pending, budget);
    wr_eval_init(&self->inputs_eval, budget);
    wr_eval_init(&self->items_eval, budget);
    wr_arena_init(&self->arena, &wr_budget_control, 4096);
    self->passed_us = self->saved_passed_us = WR_TIME_MIN;
    self->frontier_us = self->swept_us = WR_TIME_MIN;
    int status = init_wait(self);
    if (status == WR_OK)
        status = init_keep(self);
    if (status == WR_OK)
        status = make_shape(self, &self->wait, 8, FRAMES_WAITING_PAYLOAD, &self->waiting_shape);
    if (status == WR_OK)
        status =
            make_shape(self, &self->keep, FRAMES_KEPT_KEY, FRAMES_KEPT_PAYLOAD, &self->kept_shape);
    if (status == WR_ELIMIT)
        return wr_error_set(err, WR_ELIMIT, "rows of `derive` are wider than %d bytes",
                            WR_ROW_BYTES_MAX);
    if (status != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    uint64_t seed = op->env->seed;
    wr_slices_init(&self->groups, budget, &config->groups_shape, seed);
    wr_slices_init(&self->kept, budget, &self->kept_shape, seed);
    wr_slices_init(&self->waiting, budget, &self->waiting_shape, seed);
    wr_slices_init(&self->live, budget, &config->live_shape, seed);
    return WR_OK;
}

static void frames_close(struct wr_op *op) {
    struct frames *self = (struct frames *)op;
    wr_slices_release(&self->groups);
    wr_slices_release(&self->kept);
    wr_slices_release(&self->waiting);
    wr_slices_release(&self->live);
    wr_eval_release(&self->inputs_eval);
    wr_eval_release(&self->items_eval);
    wr_arena_release(&self->arena);
    wr_time_heap_release(&self->heap);
    wr_time_heap_release(&self->pending);
}

/* ---- keys ---- */

static int build_keys(struct frames *self, const struct wr_batch *wide, const uint32_t *rows,
                      uint32_t count, char **keys, uint64_t **hashes) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t key_bytes = config->groups_shape.key_bytes;
    *keys = wr_arena_alloc_zero(scratch, (size_t)count * key_bytes + 1);
    *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (*keys == NULL || *hashes == NULL)
        return WR_ENOMEM;
    uint64_t seed = self->base.env->seed;
    if (config->frames->key_count == 0) { /* one group: its key is a word of zeros */
        for (uint32_t i = 0; i < count; i++)
            (*hashes)[i] = wr_shape_hash(&config->groups_shape, *keys, seed);
        return WR_OK;
    }
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    for (uint32_t k = 0; k < config->frames->key_count; k++)
        columns[k] = wide->columns[config->item_columns[k]];
    wr_keys_build(&config->layout, columns, rows, count, seed, *keys, *hashes);
    return WR_OK;
}

int frames_groups_find(struct frames *self, const struct wr_batch *wide, const uint32_t *rows,
                       struct frames_ref *refs, uint32_t count) {
    struct wr_table *table = wr_slices_at(&self->groups, 0);
    struct wr_arena *scratch = self->base.env->scratch;
    char *keys;
    uint64_t *hashes;
    uint8_t **found = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint8_t *made = WR_ARENA_ARRAY(scratch, uint8_t, count + 1);
    if (table == NULL || found == NULL || made == NULL)
        return WR_ENOMEM;
    int status = build_keys(self, wide, rows, count, &keys, &hashes);
    if (status == WR_OK)
        status = wr_table_upsert(table, keys, hashes, count, found, made);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        refs[i].group = found[i];
        if (made[i])
            frames_group_of(self, found[i])->id = ++self->next_group;
    }
    return status;
}

/* ---- what is pushed ---- */

/* A view with the wide schema over the rows of `in` whose arguments do not fail; rejects those. */
static int widen(struct frames *self, struct wr_batch *in, struct wr_batch *wide,
                 struct wr_out *out) {
    const struct frames_config *config = frames_config_of(self);
    const struct wr_list *inputs = config->frames->inputs;
    struct wr_op *op = &self->base;
    wr_batch_show(wide, in);
    wide->schema = config->wide;
    wide->columns =
        WR_ARENA_ZEROS(op->env->scratch, struct wr_column, config->wide->field_count + 1);
    if (wide->columns == NULL)
        return WR_ENOMEM;
    memcpy(wide->columns, in->columns, config->input_count * sizeof *in->columns);
    if (inputs->program != NULL) {
        wr_op_eval_begin(op, &self->inputs_eval);
        int status = wr_list_run(inputs, &self->inputs_eval, in, op->env->scratch);
        if (status >= 0 && self->inputs_eval.fail_count > 0 && out != NULL) {
            status = wr_op_reject_fails(op, &self->inputs_eval, in, out);
            if (status >= 0)
                wide->sel = wr_op_rows_left(op, &self->inputs_eval, in, &wide->sel_count, &status);
        }
        if (status < 0)
            return status;
    }
    for (uint32_t i = 0; i < inputs->item_count; i++) {
        const struct wr_item *item = &inputs->items[i];
        if (item->output >= 0)
            wide->columns[config->item_columns[i]] = self->inputs_eval.outputs[item->output];
    }
    return WR_OK;
}

static int frames_route(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes) {
    struct frames *self = (struct frames *)op;
    struct wr_batch wide;
    char *keys;
    uint64_t *made;
    uint32_t *rows = WR_ARENA_ARRAY(op->env->scratch, uint32_t, in->sel_count + 1);
    int status =
        rows == NULL ? WR_ENOMEM : widen(self, (struct wr_batch *)(uintptr_t)in, &wide, NULL);
    for (uint32_t i = 0; i < in->sel_count && status >= 0; i++)
        rows[i] = wr_batch_row(in, i);
    if (status >= 0)
        status = build_keys(self, &wide, rows, in->sel_count, &keys, &made);
    if (status == WR_OK) /* a failed row has any key: its shard will reject it */
        memcpy(hashes, made, in->sel_count * sizeof *hashes);
    return status;
}

/* Parts rows that are in time from those that are late. */
static int part_late(struct frames *self, struct wr_batch *in, const struct wr_batch *wide,
                     uint32_t **rows, uint32_t *count, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t *late = WR_ARENA_ARRAY(scratch, uint32_t, wide->sel_count + 1), late_count = 0;
    *rows = WR_ARENA_ARRAY(scratch, uint32_t, wide->sel_count + 1);
    *count = 0;
    if (late == NULL || *rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < wide->sel_count; i++) {
        uint32_t row = wr_batch_row(wide, i);
        if (!frames_config_of(self)->retracts && in->event_time != NULL && in->behind != NULL &&
            in->event_time[row] < in->behind[row])
            late[late_count++] = row;
        else
            (*rows)[(*count)++] = row;
    }
    return wr_op_emit_late(&self->base, in, late, late_count, out);
}

static int push_time(struct frames *self, const struct wr_batch *wide, const uint32_t *rows,
                     uint32_t count) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint64_t seq;
        status = frames_wait(self, wide, rows[i], 0, &seq);
        if (status == WR_OK)
            status = wr_time_heap_add(&self->heap, wide->event_time[rows[i]], seq);
    }
    return status;
}

/* Each window that is open takes a row; late is one that none took. */
static int push_windows(struct frames *self, struct wr_batch *in, const struct wr_batch *wide,
                        struct wr_out *out) {
    const struct window *window = &frames_config_of(self)->window;
    uint32_t *late = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, wide->sel_count + 1);
    uint32_t late_count = 0;
    int status = late == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < wide->sel_count && status == WR_OK; i++) {
        uint32_t row = wr_batch_row(wide, i);
        int64_t time = in->event_time[row], last = window_last(window, time), taken = 0;
        for (int64_t mark = window_first(window, time); status == WR_OK;) {
            if (in->behind == NULL || window_end(window, mark) > in->behind[row]) {
                uint64_t seq;
                status = frames_wait(self, wide, row, mark, &seq);
                taken = 1;
            }
            if (mark >= last)
                break;
            mark = window_next(window, mark);
        }
        if (!taken)
            late[late_count++] = row;
    }
    return status == WR_OK ? wr_op_emit_late(&self->base, in, late, late_count, out) : status;
}

/* Rows go as they come, with the columns that they have. */
static int push_arrival(struct frames *self, struct wr_batch *in, const struct wr_batch *wide,
                        uint32_t *rows, uint32_t count, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct frames_ref *refs = WR_ARENA_ZEROS(scratch, struct frames_ref, count + 1);
    struct wr_arena arena; /* of the results, until a batch holds them */
    if (refs == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        refs[i].time = in->event_time == NULL ? 0 : in->event_time[rows[i]];
        refs[i].seq = ++self->next_seq;
    }
    int status = frames_groups_find(self, wide, rows, refs, count);
    if (status != WR_OK)
        return status;
    wr_arena_init_growing(&arena, self->base.env->state_budget, 1024, 1 << 16);
    struct frames_chunk chunk = {
        .count = count, .refs = refs, .rows = rows, .wide = wide, .by = in, .arena = &arena};
    status = frames_chunk_open(self, &chunk, in->row_count);
    if (status == WR_OK)
        status = frames_compute(self, &chunk);
    if (status == WR_OK)
        status = frames_emit(self, &chunk, in, NULL, out);
    for (uint32_t i = 0; i < count && status >= 0 && in->event_time != NULL; i++) {
        int trimmed = frames_config_of(self)->keeps
                          ? frames_trim(self, refs[i].group, self->frontier_us)
                          : WR_OK;
        status = trimmed == WR_OK ? status : trimmed;
    }
    wr_arena_release(&arena);
    return status;
}

/* Without event time, and each waits for one behind it. */
static int push_waiting(struct frames *self, struct wr_batch *in, const struct wr_batch *wide,
                        const uint32_t *rows, uint32_t count, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct frames_ref *refs = WR_ARENA_ZEROS(scratch, struct frames_ref, count + 1);
    int status = refs == NULL ? WR_ENOMEM : frames_groups_find(self, wide, rows, refs, count);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        status = frames_wait(self, wide, rows[i], 0, &refs[i].seq);
    return status == WR_OK ? frames_take(self, refs, count, rows, in, out) : status;
}

static int frames_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct frames *self = (struct frames *)op;
    const struct frames_config *config = op->config;
    struct wr_batch wide;
    uint32_t *rows = NULL, count = 0;
    wr_slices_settle(&self->groups);
    wr_slices_settle(&self->kept);
    wr_slices_settle(&self->waiting);
    wr_slices_settle(&self->live);
    int status = frames_order(self);
    if (status == WR_OK)
        status = widen(self, in, &wide, out);
    if (status < 0 || wide.sel_count == 0)
        return status;
    if (config->mode == FRAMES_WINDOW)
        return push_windows(self, in, &wide, out);
    status = part_late(self, in, &wide, &rows, &count, out);
    if (status != WR_OK || count == 0)
        return status;
    if (config->mode == FRAMES_TIME)
        return push_time(self, &wide, rows, count);
    if (config->mode == FRAMES_UPDATE)
        return frames_update_push(self, in, &wide, rows, count, out);
    return config->lead_max > 0 ? push_waiting(self, in, &wide, rows, count, out)
                                : push_arrival(self, in, &wide, rows, count, out);
}

/* ---- out ---- */

/* The rows of the chunk that have results; those whose aggregates failed are rejected. */
static int select_rows(struct frames *self, const struct frames_chunk *chunk,
                       struct wr_batch *shown, struct wr_batch *middle, struct wr_out *out) {
    uint32_t *sel = WR_ARENA_ARRAY(&middle->arena, uint32_t, chunk->count + 1), count = 0;
    if (sel == NULL)
        return WR_ENOMEM;
    int status = WR_OK;
    for (uint32_t i = 0; i < chunk->count && status >= 0; i++) {
        uint32_t row = chunk->rows[i];
        if (chunk->fails[row] == 0) {
            sel[count++] = row;
            continue;
        }
        struct wr_reject reject = {.code = chunk->fails[row],
                                   .detail = FRAMES_FAILED,
                                   .stage = self->base.node,
                                   .row = row,
                                   .batch = shown};
        status = out == NULL ? WR_OK : out->reject(out, &reject);
    }
    middle->sel = sel;
    middle->sel_count = count;
    return WR_MIN(status, WR_OK);
}

/* Order and keys behind the other columns of the middle, for frames_compare. */
static int set_order(struct frames *self, const struct frames_chunk *chunk,
                     struct wr_batch *middle) {
    const struct frames_config *config = frames_config_of(self);
    uint32_t keys = config->frames->key_count;
    uint32_t at = config->middle->field_count - keys - 1;
    int64_t *order = wr_batch_column(middle, at, middle->row_count);
    if (order == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < chunk->count; i++)
        order[chunk->rows[i]] = chunk->refs[i].order_us;
    for (uint32_t k = 0; k < keys; k++)
        middle->columns[at + 1 + k] = chunk->wide->columns[config->item_columns[k]];
    if (config->mode != FRAMES_WINDOW)
        return WR_OK;
    int64_t *starts = wr_batch_column(middle, config->extra_columns, middle->row_count);
    int64_t *ends = wr_batch_column(middle, config->extra_columns + 1, middle->row_count);
    if (starts == NULL || ends == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < chunk->count; i++) {
        starts[chunk->rows[i]] = window_start(&config->window, chunk->refs[i].order_us);
        ends[chunk->rows[i]] = window_end(&config->window, chunk->refs[i].order_us);
    }
    return WR_OK;
}

/* Results live as long as the batch. */
static int copy_results(struct frames *self, const struct frames_chunk *chunk,
                        struct wr_batch *middle) {
    const struct frames_config *config = frames_config_of(self);
    const struct wr_frames *frames = config->frames;
    for (uint32_t c = 0; c < frames->call_count; c++) {
        uint32_t width = wr_type_bytes(frames->calls[c].type.kind);
        struct wr_column *column = &middle->columns[config->input_count + c];
        *column = chunk->results[c];
        if (chunk->arena == &middle->arena)
            continue;
        uint64_t words = WR_BITS_WORDS(middle->row_count) + 1;
        char *data = wr_arena_alloc(&middle->arena, (size_t)middle->row_count * width + 16);
        uint64_t *valid = WR_ARENA_ARRAY(&middle->arena, uint64_t, words);
        if (data == NULL || valid == NULL)
            return WR_ENOMEM;
        memcpy(data, chunk->results[c].data, (size_t)middle->row_count * width);
        memcpy(valid, chunk->valid[c], words * 8);
        *column = (struct wr_column){.data = data, .valid = valid};
        if (!wr_type_is_text(frames->calls[c].type.kind))
            continue;
        struct wr_str *texts = (struct wr_str *)(void *)data;
        for (uint32_t i = 0; i < chunk->count; i++) {
            struct wr_str *text = &texts[chunk->rows[i]];
            if (!wr_bit_get(valid, chunk->rows[i]) || text->length <= WR_STR_INLINE_MAX)
                continue;
            text->pointer = wr_arena_strndup(&middle->arena, text->pointer, text->length);
            if (text->pointer == NULL)
                return WR_ENOMEM;
        }
    }
    return WR_OK;
}

/* Puts the items over the middle. *made: the rows that leave, or NULL. */
static int run_items(struct frames *self, struct wr_batch *middle, struct wr_batch *shown,
                     struct wr_out *out, struct wr_batch **made) {
    const struct project *project = &frames_config_of(self)->project;
    struct wr_batch *batch = wr_batch_over(self->base.env->pool, project->schema, middle);
    if (batch == NULL)
        return WR_ENOMEM;
    int status = WR_OK;
    if (project->list->program != NULL) {
        wr_op_eval_begin(&self->base, &self->items_eval);
        status = wr_list_run(project->list, &self->items_eval, middle, &batch->arena);
        if (status >= 0 && self->items_eval.fail_count > 0) {
            shown->sel = middle->sel;
            shown->sel_count = middle->sel_count;
            status = wr_op_drop_fails(&self->base, &self->items_eval, shown, batch, out);
        }
    }
    for (uint32_t c = 0; c < project->schema->field_count && status >= 0; c++)
        batch->columns[c] = project->from[c] >= 0 ? middle->columns[project->from[c]]
                                                  : self->items_eval.outputs[-1 - project->from[c]];
    if (status < 0 || batch->sel_count == 0) {
        wr_batch_unref(batch);
        batch = NULL;
    }
    *made = batch;
    return WR_MIN(status, WR_OK);
}

/* Rows leave with the time of their window's end. */
static int set_times(struct frames *self, const struct frames_chunk *chunk, struct wr_batch *made) {
    const struct window *window = &frames_config_of(self)->window;
    int64_t *times = WR_ARENA_ARRAY(&made->arena, int64_t, made->row_count + 1);
    if (times == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < chunk->count; i++)
        times[chunk->rows[i]] = window_result_time(window_end(window, chunk->refs[i].order_us));
    made->event_time = times;
    return WR_OK;
}

/* In batches of at most batch_rows, whose schema does not say that order and keys are behind it.
 * Takes the reference. */
static int emit_parts(struct frames *self, struct wr_batch *made, struct wr_out *out) {
    uint32_t room = self->base.env->batch_rows, total = made->sel_count;
    if (total <= room) {
        made->schema = self->base.schema;
        return out->emit(out, WR_PORT_MAIN, made);
    }
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0; first < total && flow == WR_FLOW_MORE; first += room) {
        struct wr_batch *part =
            wr_batch_part(self->base.env->pool, made, first, WR_MIN(room, total - first));
        if (part != NULL)
            part->schema = self->base.schema;
        flow = part == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_MAIN, part);
    }
    wr_batch_unref(made);
    return flow;
}

int frames_make(struct frames *self, struct frames_chunk *chunk, struct wr_batch *over,
                struct wr_out *out, struct wr_batch **made) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_batch_pool *pool = self->base.env->pool;
    struct wr_batch *middle = wr_batch_over(pool, config->middle, over);
    struct wr_batch *shown = wr_batch_over(pool, config->input, over);
    int status = middle == NULL || shown == NULL ? WR_ENOMEM : WR_OK;
    *made = NULL;
    if (status == WR_OK) {
        memcpy(middle->columns, over->columns, config->input_count * sizeof *over->columns);
        memcpy(shown->columns, over->columns, config->input_count * sizeof *over->columns);
        status = copy_results(self, chunk, middle);
    }
    if (status == WR_OK && over->schema == config->wide)
        status = set_order(self, chunk, middle);
    if (status == WR_OK)
        status = select_rows(self, chunk, shown, middle, out);
    if (status == WR_OK && middle->sel_count > 0)
        status = run_items(self, middle, shown, out, made);
    if (status == WR_OK && *made != NULL && config->mode == FRAMES_WINDOW)
        status = set_times(self, chunk, *made);
    wr_batch_unref(middle);
    wr_batch_unref(shown);
    return status;
}

int frames_emit(struct frames *self, struct frames_chunk *chunk, struct wr_batch *over,
                const uint32_t *cause, struct wr_out *out) {
    struct wr_batch *made;
    int status = frames_make(self, chunk, over, out, &made);
    if (status != WR_OK || made == NULL) {
        wr_batch_unref(made);
        return status;
    }
    made->cause = cause;
    return emit_parts(self, made, out);
}

const struct wr_op_type wr_op_frames = {
    .name = "frames",
    .size_bytes = sizeof(struct frames),
    .flags =
        WR_OP_KEYED | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS | WR_OP_TAKES_UPDATES | WR_OP_OBSERVES,
    .bind = frames_bind,
    .needs = frames_needs,
    .open = frames_open,
    .push = frames_push,
    .advance = frames_advance,
    .holds_back = frames_holds_back,
    .shift = frames_shift,
    .route = frames_route,
    .compare = frames_compare,
    .measure = frames_measure,
    .save = frames_save,
    .load = frames_load,
    .close = frames_close,
    .explain = frames_explain,
};
