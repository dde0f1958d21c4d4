/* agg_change.c: results of groups before and after rows came, and their difference as changes. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/order.h"
#include "op/agg.h"
#include "base/banned.h"

static const struct agg_config *config_of(const struct agg *self) {
    return self->base.config;
}

/* Event times of groups that ended at a time of their own. */
static int set_ends(struct wr_batch *middle, const struct agg_span *spans) {
    int64_t *times = WR_ARENA_ARRAY(&middle->arena, int64_t, middle->row_count + 1);
    if (times == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < middle->row_count; i++)
        times[i] = window_result_time(spans[i].end);
    middle->event_time = times;
    return WR_OK;
}

/* Window columns and event times of results. */
static int set_windows(const struct agg *self, struct wr_batch *middle,
                       const struct agg_span *spans) {
    uint32_t count = middle->row_count;
    int64_t *columns[2] = {wr_batch_column(middle, 0, count), wr_batch_column(middle, 1, count)};
    int64_t *times = WR_ARENA_ARRAY(&middle->arena, int64_t, count + 1);
    if (columns[0] == NULL || columns[1] == NULL || times == NULL)
        return WR_ENOMEM;
    uint32_t none = 0;
    for (uint32_t i = 0; i < count; i++) {
        columns[0][i] = spans[i].start;
        columns[1][i] = spans[i].end;
        times[i] = window_result_time(spans[i].end);
        none += spans[i].start > spans[i].end;
    }
    if (none == 0) {
        middle->event_time = times;
        return WR_OK;
    }
    WR_ASSERT(none == count && !config_of(self)->has_time); /* count windows without time */
    for (uint32_t c = 0; c < 2; c++) {
        uint64_t *valid = WR_ARENA_ZEROS(&middle->arena, uint64_t, WR_BITS_WORDS(count) + 1);
        if (valid == NULL)
            return WR_ENOMEM;
        memset(columns[c], 0, count * sizeof *columns[c]);
        middle->columns[c].valid = valid;
    }
    return WR_OK;
}

/* Rows whose aggregates failed leave the selection; with `out` they are rejects. */
static int drop_failed(struct agg *self, struct wr_batch *middle, const uint16_t *fails,
                       const uint16_t *guilty, uint8_t *const *rows, struct wr_out *out) {
    const struct agg_config *config = self->base.config;
    uint32_t *sel = WR_ARENA_ARRAY(&middle->arena, uint32_t, middle->row_count + 1), left = 0;
    if (sel == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < middle->row_count; i++) {
        sel[left] = i;
        left += fails[i] == 0;
        if (fails[i] == 0 || out == NULL)
            continue;
        struct wr_reject reject = {
            .code = fails[i],
            .detail = wr_aggregates_detail(config->aggregates, guilty[i], rows[i], &middle->arena),
            .stage = self->base.node,
            .row = i,
            .batch = middle};
        int status = out->reject(out, &reject);
        if (status < 0)
            return status;
    }
    if (left < middle->row_count) {
        middle->sel = sel;
        middle->sel_count = left;
    }
    return WR_OK;
}

/* From the middle to result columns, in a batch over its rows. */
static int run_items(struct agg *self, struct wr_batch *middle, struct wr_out *out,
                     struct wr_batch **result) {
    const struct agg_config *config = config_of(self);
    struct wr_batch *batch =
        wr_batch_over(self->base.env->pool, config->aggregates->result, middle);
    if (batch == NULL)
        return WR_ENOMEM;
    *result = batch;
    wr_op_eval_begin(&self->base, &self->items_eval);
    int status = wr_list_run(config->aggregates->items, &self->items_eval, middle, &batch->arena);
    if (status >= 0)
        status = wr_op_drop_fails(&self->base, &self->items_eval, middle, batch, out);
    for (uint32_t c = 0; status >= 0 && c < batch->schema->field_count; c++)
        batch->columns[c] = config->from[c] >= 0 ? middle->columns[config->from[c]]
                                                 : self->items_eval.outputs[-1 - config->from[c]];
    return status;
}

int agg_results(struct agg *self, uint8_t *const *rows, const struct agg_span *spans,
                uint32_t count, struct wr_out *out, struct wr_batch **result, uint8_t *is_good) {
    const struct agg_config *config = config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    *result = NULL;
    if (is_good != NULL)
        memset(is_good, 0, count);
    if (count == 0)
        return WR_OK;
    struct wr_batch *middle = wr_batch_new(self->base.env->pool, config->aggregates->middle);
    if (middle == NULL)
        return WR_ENOMEM;
    middle->row_count = middle->sel_count = count;
    uint16_t *fails = WR_ARENA_ZEROS(scratch, uint16_t, count);
    uint16_t *guilty = WR_ARENA_ZEROS(scratch, uint16_t, count);
    int status = fails == NULL || guilty == NULL ? WR_ENOMEM : WR_OK;
    if (status == WR_OK && config->windowed)
        status = set_windows(self, middle, spans);
    if (status == WR_OK && config->ends_at)
        status = set_ends(middle, spans);
    if (status == WR_OK)
        status = wr_aggregates_result(config->aggregates, rows, count, middle, fails, guilty);
    if (status == WR_OK)
        status = drop_failed(self, middle, fails, guilty, rows, out);
    if (status >= 0 && middle->sel_count > 0)
        status = run_items(self, middle, out, result);
    int tells = status >= 0 && *result != NULL && is_good != NULL;
    for (uint32_t i = 0; tells && i < (*result)->sel_count; i++)
        is_good[wr_batch_row(*result, i)] = 1;
    wr_batch_unref(middle);
    return WR_MIN(status, WR_OK);
}

/* Whether the items of a group are what they were. */
static int is_unchanged(const struct agg *self, const struct wr_batch *before, uint32_t old,
                        const struct wr_batch *after, uint32_t new) {
    const struct wr_schema *schema = after->schema;
    uint32_t lead = (config_of(self)->windowed ? 2u : 0u) + config_of(self)->aggregates->key_count;
    for (uint32_t c = lead; c < schema->field_count; c++)
        if (wr_cell_compare(&schema->fields[c].type, &before->columns[c], old, &after->columns[c],
                            new) != 0)
            return 0;
    return 1;
}

/* Rows of one batch of changes. */
struct picked {
    uint32_t count;
    uint8_t *which;
    uint32_t *rows, *cause;
    int64_t *weights, *times, *behind;
    uint64_t *replaced;
};

static int pick_room(struct wr_batch *batch, struct picked *picked, uint32_t room) {
    struct wr_arena *arena = &batch->arena;
    picked->count = 0;
    picked->which = WR_ARENA_ARRAY(arena, uint8_t, room);
    picked->rows = WR_ARENA_ARRAY(arena, uint32_t, room);
    picked->cause = WR_ARENA_ARRAY(arena, uint32_t, room);
    picked->weights = WR_ARENA_ARRAY(arena, int64_t, room);
    picked->times = WR_ARENA_ARRAY(arena, int64_t, room);
    picked->behind = WR_ARENA_ARRAY(arena, int64_t, room);
    picked->replaced = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(room) + 1);
    return picked->which == NULL || picked->rows == NULL || picked->cause == NULL ||
                   picked->weights == NULL || picked->times == NULL || picked->behind == NULL ||
                   picked->replaced == NULL
               ? WR_ENOMEM
               : WR_OK;
}

static void pick(const struct agg *self, struct picked *picked, const struct agg_change *change,
                 const struct wr_batch *in, int is_new) {
    const struct agg_config *config = config_of(self);
    uint32_t at = picked->count++;
    picked->which[at] = (uint8_t)is_new;
    picked->rows[at] = (uint32_t)(is_new ? change->new_row : change->old_row);
    picked->cause[at] = change->cause;
    picked->weights[at] = is_new ? 1 : -1;
    picked->times[at] = config->windowed
                            ? window_result_time(is_new ? change->new_end : change->old_end)
                        : in != NULL && in->event_time != NULL ? in->event_time[change->cause]
                                                               : 0;
    picked->behind[at] = in == NULL || in->behind == NULL
                             ? WR_TIME_MIN
                             : agg_session_frontier(config, in->behind[change->cause]);
}

static int emit_picked(struct agg *self, struct wr_batch *batch, const struct picked *picked,
                       struct wr_batch *const from[2], const struct wr_batch *in,
                       struct wr_out *out) {
    const struct agg_config *config = config_of(self);
    int status = wr_batch_pick(batch, from, 2, picked->which, picked->rows, picked->count);
    if (status != WR_OK || picked->count == 0) {
        wr_batch_unref(batch);
        return status;
    }
    if (config->changes) {
        batch->weight = picked->weights;
        batch->replaced = picked->replaced;
    }
    if (in != NULL)
        batch->cause = picked->cause;
    int aligned = config->windowed && config->has_time;
    if (aligned || (in != NULL && in->event_time != NULL))
        batch->event_time = picked->times;
    if (in != NULL && in->behind != NULL)
        batch->behind = picked->behind;
    return out->emit(out, WR_PORT_MAIN, batch);
}

int agg_emit_changes(struct agg *self, const struct agg_change *changes, uint32_t count,
                     struct wr_batch *before, struct wr_batch *after, const struct wr_batch *in,
                     struct wr_out *out) {
    struct wr_batch *const from[2] = {before != NULL ? before : after,
                                      after != NULL ? after : before};
    uint32_t room_max = WR_MAX(self->base.env->batch_rows, 2u);
    int flow = WR_FLOW_MORE;
    for (uint32_t i = 0; i < count && from[0] != NULL && flow == WR_FLOW_MORE;) {
        uint32_t room = (uint32_t)WR_MIN((uint64_t)room_max, 2 * (uint64_t)(count - i));
        struct picked picked;
        struct wr_batch *batch = wr_batch_new(self->base.env->pool, from[0]->schema);
        if (batch == NULL || pick_room(batch, &picked, room) != WR_OK) {
            wr_batch_unref(batch);
            return WR_ENOMEM;
        }
        for (; i < count && picked.count + 2 <= room; i++) {
            const struct agg_change *change = &changes[i];
            if (change->old_row >= 0 && change->new_row >= 0 &&
                is_unchanged(self, before, (uint32_t)change->old_row, after,
                             (uint32_t)change->new_row))
                continue;
            if (change->old_row >= 0 && change->new_row >= 0)
                wr_bit_set(picked.replaced, picked.count);
            if (change->old_row >= 0)
                pick(self, &picked, change, in, 0);
            if (change->new_row >= 0)
                pick(self, &picked, change, in, 1);
        }
        flow = emit_picked(self, batch, &picked, from, in, out);
    }
    return flow;
}
