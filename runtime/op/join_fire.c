/* join_fire.c: rows that met none leave once nothing can meet them any more: slice by slice, by
 * time, side, key and coming. Then the slices are dropped. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/order.h"
#include "op/join.h"
#include "state/apart.h"
#include "base/banned.h"

#define PART_OF_MEMORY 8u /* that rows which leave in order take at once */
#define ROW_BYTES 256u    /* of a row that leaves, with its texts, about */
#define ROWS_AT_ONCE_MIN UINT64_C(16)

struct join_lone {
    int64_t time_us, mark;
    uint64_t id;
    struct wr_rowset_row *row;
};

static const struct join_config *config_of(const struct join *self) {
    return self->base.config;
}

static int compare_lone(const void *a, const void *b, void *ctx) {
    const struct join_lone *x = a, *y = b;
    if (x->time_us != y->time_us)
        return x->time_us < y->time_us ? -1 : 1;
    int order = wr_keys_compare(ctx, x->row->key, y->row->key);
    return order != 0 ? order : x->id < y->id ? -1 : x->id > y->id;
}

/* 0 without event time: one side may have times, but shards are not merged by them. */
static int64_t result_time(const struct join_config *config, const struct wr_rowset_row *row) {
    if (!config->timed)
        return 0;
    return config->windowed ? window_result_time(window_end(&config->window, row->from_us))
                            : row->time_us;
}

/* The rows of a slice that met none. */
static int collect(struct join *self, uint32_t side, const struct wr_rowset_slice *slice) {
    struct join_lone *lone =
        wr_alloc(self->base.env->state_budget, (slice->live + 1) * sizeof *lone);
    uint32_t count = 0;
    if (lone == NULL)
        return WR_ENOMEM;
    struct wr_rowset_walk walk = {.set = &self->sets[side], .slice = slice};
    for (struct wr_rowset_row *row; (row = wr_rowset_walk_next(&walk)) != NULL;)
        if (row->matches == 0)
            lone[count++] = (struct join_lone){.time_us = result_time(config_of(self), row),
                                               .mark = row->from_us,
                                               .id = row->id,
                                               .row = row};
    qsort_r(lone, count, sizeof *lone, compare_lone, (void *)(uintptr_t)&config_of(self)->layout);
    self->firing.lone = lone;
    self->firing.lone_at = 0;
    self->firing.lone_count = count;
    return WR_OK;
}

/* Slice, side and key behind the columns of the result. */
static int put_wide(struct join *self, struct wr_batch *batch, const struct join_lone *lone,
                    int64_t slice, uint32_t side) {
    const struct join_config *config = config_of(self);
    uint32_t count = batch->row_count, at = config->result.schema->field_count;
    int64_t *slices = wr_batch_column(batch, at, count);
    int64_t *sides = wr_batch_column(batch, at + 1, count);
    uint8_t **keys = WR_ARENA_ARRAY(self->base.env->scratch, uint8_t *, count + 1);
    if (slices == NULL || sides == NULL || keys == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        slices[i] = slice;
        sides[i] = side;
        keys[i] = lone[i].row->key;
    }
    return equi_put_keys(&config->layout, keys, count, batch, at + 2);
}

static int emit_lone(struct join *self, uint32_t side, int64_t slice, const struct join_lone *lone,
                     uint32_t count, struct wr_out *out) {
    const struct join_config *config = config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, config->wide);
    struct join_change *changes = WR_ARENA_ZEROS(scratch, struct join_change, count);
    if (batch == NULL || changes == NULL) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    int64_t *times = WR_ARENA_ARRAY(&batch->arena, int64_t, count);
    batch->row_count = batch->sel_count = count;
    batch->frontier = WR_TIME_MIN;
    for (uint32_t i = 0; i < count && times != NULL; i++) {
        changes[i] = (struct join_change){
            .row = -1, .stored = lone[i].row, .mark = lone[i].mark, .weight = 1};
        times[i] = lone[i].time_us;
    }
    int status = times == NULL ? WR_ENOMEM : put_wide(self, batch, lone, slice, side);
    if (status == WR_OK)
        status =
            join_fill(self, &config->result, self->base.needed, batch, NULL, side, changes, count);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    batch->schema = config->result.schema;
    batch->event_time = config->timed ? times : NULL;
    return out->emit(out, WR_PORT_MAIN, batch);
}

static uint32_t rows_at_once(const struct join *self) {
    const struct wr_op_env *env = self->base.env;
    uint64_t fit = WR_MAX(env->batch_bytes / ROW_BYTES, ROWS_AT_ONCE_MIN);
    return (uint32_t)WR_MIN(fit, (uint64_t)env->batch_rows);
}

static int64_t slice_at_hand(const struct join *self) {
    uint32_t side = self->firing.side;
    return self->sets[side].slices[self->firing.at[side] - 1]->start_us;
}

static void forget_lone(struct join *self) {
    wr_free(self->base.env->state_budget, self->firing.lone);
    self->firing.lone = NULL;
}

/* Some more of the slice at hand, while there is room for what that gives. */
static int fire_lone(struct join *self, struct wr_out *out) {
    uint32_t room = rows_at_once(self);
    int flow = WR_FLOW_MORE;
    do {
        uint32_t at = self->firing.lone_at, count = WR_MIN(room, self->firing.lone_count - at);
        struct wr_arena_mark mark = wr_arena_mark(self->base.env->scratch);
        if (count > 0)
            flow = emit_lone(self, self->firing.side, slice_at_hand(self), self->firing.lone + at,
                             count, out);
        wr_arena_rewind(self->base.env->scratch, mark);
        self->firing.lone_at += count;
    } while (flow == WR_FLOW_MORE && self->firing.lone_at < self->firing.lone_count &&
             !out->is_full);
    if (flow != WR_FLOW_MORE || self->firing.lone_at == self->firing.lone_count)
        forget_lone(self);
    return flow;
}

static int fires(const struct join_config *config) {
    return !config->update && (join_wants_alone(config, 0) || join_wants_alone(config, 1));
}

/* ---- slices of which rows rest ---- */

static int is_lone(void *ctx, const struct wr_rowset_row *row) {
    (void)ctx;
    return row->matches == 0;
}

/* As compare_lone. */
static int compare_rows(void *ctx, const struct wr_rowset_row *a, const struct wr_rowset_row *b) {
    const struct join_config *config = ctx;
    int64_t x = result_time(config, a), y = result_time(config, b);
    if (x != y)
        return x < y ? -1 : 1;
    int order = wr_keys_compare(&config->layout, a->key, b->key);
    return order != 0 ? order : a->id < b->id ? -1 : a->id > b->id;
}

static int begin_rested(struct join *self, struct wr_rowset_slice *slice) {
    struct wr_rowset_order order = {
        .wants = is_lone, .compare = compare_rows, .ctx = (void *)(uintptr_t)config_of(self)};
    int status =
        wr_rowset_sort(&self->sets[self->firing.side], slice, &order,
                       self->base.apart->memory_bytes / PART_OF_MEMORY, &self->firing.rows);
    return join_failed(self, status);
}

/* As many as a batch holds. *count 0: that was all. */
static int fire_rested(struct join *self, uint32_t *count, struct wr_out *out) {
    uint32_t side = self->firing.side, room = rows_at_once(self);
    struct wr_arena_mark mark = wr_arena_mark(self->base.env->scratch);
    struct wr_rowset_row **rows =
        WR_ARENA_ARRAY(self->base.env->scratch, struct wr_rowset_row *, room);
    struct join_lone *lone = WR_ARENA_ARRAY(self->base.env->scratch, struct join_lone, room);
    int flow = rows == NULL || lone == NULL
                   ? WR_ENOMEM
                   : join_failed(self, wr_rowset_sort_next(self->firing.rows, rows, room, count));
    for (uint32_t i = 0; flow == WR_OK && i < *count; i++)
        lone[i] = (struct join_lone){.time_us = result_time(config_of(self), rows[i]),
                                     .mark = rows[i]->from_us,
                                     .id = rows[i]->id,
                                     .row = rows[i]};
    if (flow == WR_OK && *count > 0)
        flow = emit_lone(self, side, slice_at_hand(self), lone, *count, out);
    wr_arena_rewind(self->base.env->scratch, mark);
    return flow;
}

/* ---- all that are due ---- */

/* The next slice of those that end first, left ones before right ones; NULL: none is due. */
static struct wr_rowset_slice *next_slice(struct join *self) {
    const struct join_config *config = config_of(self);
    uint32_t *at = self->firing.at, best = 2;
    for (uint32_t side = 0; side < 2; side++) {
        const struct wr_rowset *set = &self->sets[side];
        if (join_wants_alone(config, side) && at[side] < set->count &&
            (best == 2 || set->slices[at[side]]->start_us < self->sets[0].slices[at[0]]->start_us))
            best = side;
    }
    if (best == 2)
        return NULL;
    struct wr_rowset_slice *slice = self->sets[best].slices[at[best]];
    if (wr_rowset_slice_end(&self->sets[best], slice->start_us) > self->firing.frontier)
        return NULL;
    self->firing.side = best;
    at[best]++;
    return slice;
}

static int dropped(struct join *self, int flow) {
    wr_rowset_drop(&self->sets[0], self->firing.frontier);
    wr_rowset_drop(&self->sets[1], self->firing.frontier);
    return WR_MIN(flow, WR_OK);
}

/* Slices leave, up to one of which rows rest, or behind which there is no room: what is left leaves
 * some at a time, by join_fire_more. */
static int fire_slices(struct join *self, struct wr_out *out) {
    int flow = WR_FLOW_MORE;
    while (flow == WR_FLOW_MORE && fires(config_of(self))) {
        struct wr_rowset_slice *slice = next_slice(self);
        if (slice == NULL)
            break;
        int rests = slice->run_count > 0;
        flow = rests ? begin_rested(self, slice) : collect(self, self->firing.side, slice);
        if (flow == WR_OK && !rests)
            flow = fire_lone(self, out);
        self->base.has_more =
            flow == WR_FLOW_MORE && (rests || self->firing.lone != NULL || out->is_full);
        if (self->base.has_more)
            return WR_FLOW_MORE;
    }
    return dropped(self, flow);
}

int join_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct join *self = (struct join *)op;
    self->firing.frontier = frontier;
    self->firing.at[0] = self->firing.at[1] = 0;
    return fire_slices(self, out);
}

void join_fire_end(struct join *self) {
    wr_rowset_sort_end(self->firing.rows);
    self->firing.rows = NULL;
    forget_lone(self);
}

int join_fire_more(struct join *self, struct wr_out *out) {
    uint32_t count = 0;
    int in_memory = self->firing.lone != NULL, is_amid = in_memory || self->firing.rows != NULL;
    int flow = !is_amid    ? WR_FLOW_MORE
               : in_memory ? fire_lone(self, out)
                           : fire_rested(self, &count, out);
    if (flow == WR_FLOW_MORE && (self->firing.lone != NULL || count > 0))
        return flow;
    join_fire_end(self);
    if (flow == WR_FLOW_MORE && is_amid && out->is_full) /* the next slice waits */
        return flow;
    self->base.has_more = 0;
    return flow == WR_FLOW_MORE ? fire_slices(self, out) : dropped(self, flow);
}

int64_t join_next_boundary(const struct wr_op *op, int64_t after) {
    const struct join_config *config = op->config;
    const struct wr_rowset *set = &((const struct join *)op)->sets[0];
    if (!fires(config) || set->width_us == 0)
        return WR_TIME_MAX;
    if (config->windowed)
        return window_end_after(&config->window, after);
    int64_t end = wr_rowset_slice_end(set, wr_rowset_slice(set, after));
    return end > after ? end : wr_time_add(after, 1);
}

int join_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                 const struct wr_batch *b, uint32_t row_b) {
    const struct join_config *config = op->config;
    uint32_t first = config->result.schema->field_count, count = config->wide->field_count;
    if (WR_I64(&a->columns[first])[row_a] != WR_I64(&b->columns[first])[row_b])
        return WR_I64(&a->columns[first])[row_a] < WR_I64(&b->columns[first])[row_b] ? -1 : 1;
    if (WR_I64(&a->columns[first + 1])[row_a] != WR_I64(&b->columns[first + 1])[row_b])
        return WR_I64(&a->columns[first + 1])[row_a] < WR_I64(&b->columns[first + 1])[row_b] ? -1
                                                                                             : 1;
    if (config->timed && a->event_time[row_a] != b->event_time[row_b])
        return a->event_time[row_a] < b->event_time[row_b] ? -1 : 1;
    for (uint32_t c = first + 2; c < count; c++) {
        int order = wr_cell_compare(&config->wide->fields[c].type, &a->columns[c], row_a,
                                    &b->columns[c], row_b);
        if (order != 0)
            return order;
    }
    return 0;
}
