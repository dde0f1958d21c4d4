/* sort_order.c: the order of rows, merging sources that are in order, and what leaves. */
#include <stdlib.h>

#include "data/order.h"
#include "op/sort.h"
#include "base/banned.h"

#define PENDING_ROWS 64u /* of one batch that are copied together */

/* ---- order ---- */

/* By the items of the order, then by event time; 0: a tie, which goes by who came first. */
static int compare_rows(const struct sort_config *config, const struct wr_batch *x, uint32_t row_x,
                        const struct wr_batch *y, uint32_t row_y) {
    const struct wr_list *list = config->order;
    for (uint32_t k = 0; list != NULL && k < list->item_count; k++) {
        const struct wr_item *item = &list->items[k];
        const struct wr_column *p = &x->columns[config->first_key + k];
        const struct wr_column *q = &y->columns[config->first_key + k];
        int nils = wr_column_is_nil(p, row_x) || wr_column_is_nil(q, row_y);
        int by = wr_cell_compare(&item->type, p, row_x, q, row_y);
        if (by != 0)
            return item->desc && !nils ? -by : by;
    }
    if (config->has_time) {
        int64_t s = x->event_time[row_x], t = y->event_time[row_y];
        if (s != t)
            return s < t ? -1 : 1;
    }
    return 0;
}

static int compare_places(const void *a, const void *b, void *ctx) {
    const struct sort_place *x = a, *y = b;
    const struct sort *self = ctx;
    int by =
        compare_rows(self->base.config, self->held[x->batch], x->row, self->held[y->batch], y->row);
    if (by != 0)
        return by;
    if (x->batch != y->batch)
        return x->batch < y->batch ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

void sort_places(struct sort *self, struct sort_place *places, uint64_t count) {
    if (count > 1)
        qsort_r(places, count, sizeof *places, compare_places, self);
}

/* ---- a merge ---- */

/* A source while it is merged. Its next row is row `row` of `batch`. */
struct head {
    struct sort_source source;
    uint32_t number;
    uint64_t place;
    const struct wr_batch *batch;
    uint32_t row;
};

struct merge {
    struct sort *self;
    int64_t frontier;
    uint32_t count; /* a heap: the least row stands first */
    struct head heads[SORT_RUNS_MAX + 1];
    /* Rows of one batch that are still to be copied. */
    const struct wr_batch *pending;
    uint32_t pending_count, rows[PENDING_ROWS];
};

/* Looks at the next row of a source; *there: one leaves. */
static int head_look(struct merge *merge, struct head *head, int *there) {
    struct sort_run *run = head->source.run;
    *there = run == NULL ? head->place < head->source.place_count
                         : run->row_count > 0 && (merge->frontier == WR_TIME_MAX ||
                                                  sort_run_head_us(run) < merge->frontier);
    if (!*there)
        return WR_OK;
    if (run == NULL) {
        const struct sort_place *place = &head->source.places[head->place];
        head->batch = merge->self->held[place->batch];
        head->row = place->row;
        return WR_OK;
    }
    int status =
        run->batch != NULL ? WR_OK : sort_run_load(merge->self, run, run->block, &run->batch);
    head->batch = run->batch;
    head->row = run->at;
    return status;
}

static int is_before(const struct merge *merge, const struct head *a, const struct head *b) {
    int by = compare_rows(merge->self->base.config, a->batch, a->row, b->batch, b->row);
    return by != 0 ? by < 0 : a->number < b->number;
}

static void sift_down(struct merge *merge, uint32_t at) {
    struct head moved = merge->heads[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= merge->count)
            break;
        if (child + 1 < merge->count &&
            is_before(merge, &merge->heads[child + 1], &merge->heads[child]))
            child++;
        if (!is_before(merge, &merge->heads[child], &moved))
            break;
        merge->heads[at] = merge->heads[child];
        at = child;
    }
    merge->heads[at] = moved;
}

static int begin(struct merge *merge, const struct sort_source *sources, uint32_t source_count) {
    int status = WR_OK;
    for (uint32_t i = 0; i < source_count && status == WR_OK; i++) {
        struct head *head = &merge->heads[merge->count];
        *head = (struct head){.source = sources[i], .number = i};
        int there;
        status = head_look(merge, head, &there);
        merge->count += there != 0;
    }
    for (uint32_t at = merge->count / 2; at-- > 0 && status == WR_OK;)
        sift_down(merge, at);
    return status;
}

/* ---- where rows go ---- */

static int sink_begin(struct sort_sink *sink) {
    uint32_t rows = (uint32_t)WR_MIN((uint64_t)sink->row_max, sink->rows_left);
    sink->out = wr_batch_room(sink->pool, sink->schema, rows, sink->timed);
    if (sink->out == NULL)
        return WR_ENOMEM;
    return sink->self->base.keeps_origins ? wr_origins_keep(sink->out, rows) : WR_OK;
}

static int sink_end(struct sort_sink *sink) {
    struct wr_batch *batch = sink->out;
    sink->out = NULL;
    return batch == NULL ? WR_FLOW_MORE : sink->full(sink, batch);
}

/* Copies the rows that wait. */
static int flush(struct merge *merge, struct sort_sink *sink) {
    int flow = WR_FLOW_MORE;
    for (uint32_t at = 0; at < merge->pending_count && flow == WR_FLOW_MORE;) {
        flow = sink->out == NULL ? sink_begin(sink) : WR_OK;
        if (flow != WR_OK)
            break;
        struct wr_batch view = wr_batch_look(merge->pending);
        view.schema = sink->schema;
        uint32_t count = WR_MIN(merge->pending_count - at, sink->row_max - sink->out->row_count);
        flow = wr_batch_append(sink->out, &view, merge->rows + at, count);
        sink->rows_left -= count;
        at += count;
        if (flow == WR_OK &&
            (sink->out->row_count == sink->row_max ||
             (sink->bytes_max != 0 && wr_arena_bytes(&sink->out->arena) >= sink->bytes_max)))
            flow = sink_end(sink);
    }
    merge->pending_count = 0;
    return flow;
}

static int take_first(struct merge *merge, struct sort_sink *sink) {
    struct head *head = &merge->heads[0];
    struct sort_run *run = head->source.run;
    int flow = WR_FLOW_MORE, there;
    if (merge->pending_count == PENDING_ROWS || merge->pending != head->batch)
        flow = flush(merge, sink);
    merge->pending = head->batch;
    merge->rows[merge->pending_count++] = head->row;
    if (run == NULL) {
        head->place++;
    } else {
        if (flow == WR_FLOW_MORE && run->at + 1 == run->blocks[run->block].row_count)
            flow = flush(merge, sink); /* its batch goes */
        if (flow == WR_FLOW_MORE)
            sort_run_step(merge->self, run);
    }
    if (flow != WR_FLOW_MORE)
        return flow;
    int status = head_look(merge, head, &there);
    if (status == WR_OK && !there)
        *head = merge->heads[--merge->count];
    if (status == WR_OK)
        sift_down(merge, 0);
    return status;
}

int sort_merge(struct sort *self, const struct sort_source *sources, uint32_t source_count,
               int64_t frontier, struct sort_sink *sink) {
    WR_ASSERT(source_count <= SORT_RUNS_MAX + 1);
    struct wr_budget *budget = self->base.env->state_budget;
    struct merge *merge = wr_alloc_zero(budget, sizeof *merge);
    if (merge == NULL)
        return WR_ENOMEM;
    merge->self = self;
    merge->frontier = frontier;
    int flow = begin(merge, sources, source_count);
    while (flow == WR_FLOW_MORE && merge->count > 0)
        flow = take_first(merge, sink);
    if (flow == WR_FLOW_MORE)
        flow = flush(merge, sink);
    if (flow == WR_FLOW_MORE)
        flow = sink_end(sink);
    wr_batch_unref(sink->out);
    sink->out = NULL;
    wr_free(budget, merge);
    return flow;
}

/* ---- what leaves ---- */

static int emit_batch(struct sort_sink *sink, struct wr_batch *batch) {
    return sink->to->emit(sink->to, WR_PORT_MAIN, batch);
}

/* Emits rows in their order, as batches of at most batch_rows, under the output's schema: the head
 * of the wide one. Rows that were put into another order have no event time any more. */
static int emit(struct sort *self, const struct sort_place *places, uint64_t place_count,
                int64_t frontier, struct wr_out *out) {
    const struct sort_config *config = self->base.config;
    struct sort_source sources[SORT_RUNS_MAX + 1];
    struct sort_sink sink = {
        .self = self,
        .pool = self->base.env->pool,
        .schema = self->base.schema,
        .timed = config->has_time && config->order == NULL,
        .row_max = self->base.env->batch_rows,
        .rows_left = place_count,
        .full = emit_batch,
        .to = out,
    };
    for (uint32_t r = 0; r < self->run_count; r++) {
        sources[r] = (struct sort_source){.run = &self->runs[r]};
        sink.rows_left += self->runs[r].row_count;
    }
    sources[self->run_count] = (struct sort_source){.places = places, .place_count = place_count};
    return sort_merge(self, sources, self->run_count + 1, frontier, &sink);
}

/* Puts the rows that stay together anew, in their order, so that those that leave free their
 * memory. */
static int keep_rest(struct sort *self, const struct sort_place *rest, uint64_t count) {
    struct sort old = *self;
    self->held = NULL;
    self->held_count = self->held_room = 0;
    self->row_count = self->held_bytes = 0;
    int status = WR_OK;
    for (uint64_t at = 0; at < count && status == WR_OK;) {
        uint32_t rows[SORT_HELD_ROWS], run = 0, batch = rest[at].batch;
        for (; at < count && rest[at].batch == batch; at++)
            rows[run++] = rest[at].row;
        status = sort_keep_rows(self, old.held[batch], rows, run);
    }
    for (uint32_t i = 0; i < old.held_count; i++)
        wr_batch_unref(old.held[i]);
    wr_free(self->base.env->state_budget, old.held);
    return status;
}

/* Parts the rows that are held, each in their order: those that leave at `frontier` stand first in
 * `places`, and the others from *ready on. Counts what leaves of what the store knows. */
static int part_rows(struct sort *self, int64_t frontier, struct sort_place **made,
                     uint64_t *ready) {
    uint64_t leaving = 0, rest = self->row_count, row = 0, saved_leaving = 0;
    *ready = 0;
    *made = NULL;
    if (self->row_count == 0)
        return WR_OK;
    struct sort_place *places =
        wr_alloc(self->base.env->state_budget, self->row_count * sizeof *places);
    if (places == NULL)
        return WR_ENOMEM;
    for (uint32_t b = 0; b < self->held_count; b++)
        for (uint32_t i = 0; i < self->held[b]->row_count; i++, row++) {
            int goes = frontier == WR_TIME_MAX || self->held[b]->event_time[i] < frontier;
            places[goes ? leaving++ : --rest] = (struct sort_place){.batch = b, .row = i};
            saved_leaving += goes && row < self->saved_rows;
        }
    for (uint64_t from = leaving, to = self->row_count; from + 1 < to; from++) {
        struct sort_place place = places[--to];
        places[to] = places[from];
        places[from] = place;
    }
    self->saved_rows -= saved_leaving;
    if (saved_leaving > 0)
        self->released_us = frontier;
    *ready = leaving;
    *made = places;
    return WR_OK;
}

/* Of runs too. */
static void count_released(struct sort *self, int64_t frontier) {
    for (uint32_t r = 0; r < self->run_count; r++) {
        const struct sort_run *run = &self->runs[r];
        if (run->is_saved && (frontier == WR_TIME_MAX || sort_run_head_us(run) < frontier))
            self->released_us = frontier;
    }
}

static int drop_from_runs(struct sort *self, int64_t frontier) {
    int status = WR_OK;
    for (uint32_t r = 0; r < self->run_count && status == WR_OK; r++)
        status = sort_run_drop(self, &self->runs[r], frontier);
    sort_runs_clear(self);
    return status;
}

/* `places` are all that are held, of which the first `ready` have left. */
static int leave(struct sort *self, const struct sort_place *places, uint64_t ready) {
    if (ready == self->row_count)
        sort_forget_held(self);
    else if (ready > 0)
        return keep_rest(self, places + ready, self->row_count - ready);
    return WR_OK;
}

int sort_release(struct sort *self, int64_t frontier, struct wr_out *out) {
    struct sort_place *places;
    uint64_t ready;
    int flow = part_rows(self, frontier, &places, &ready);
    if (flow == WR_OK) {
        sort_places(self, places, ready);
        count_released(self, frontier);
        flow = emit(self, places, ready, frontier, out);
    }
    int status = WR_MIN(flow, WR_OK);
    if (status == WR_OK) /* nobody may want the last of them */
        status = drop_from_runs(self, frontier);
    if (status == WR_OK)
        status = leave(self, places, ready);
    wr_free(self->base.env->state_budget, places);
    return status != WR_OK ? status : flow;
}

int sort_drop(struct sort *self, int64_t frontier) {
    struct sort_place *places;
    uint64_t ready;
    int status = drop_from_runs(self, frontier);
    if (status == WR_OK)
        status = part_rows(self, frontier, &places, &ready);
    if (status != WR_OK)
        return status;
    status = leave(self, places, ready);
    wr_free(self->base.env->state_budget, places);
    return status;
}
