/* agg_fire.c: results of `agg`: windows that have ended, in the order of window and keys. */
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/order.h"
#include "op/agg_spool.h"
#include "state/apart.h"
#include "base/banned.h"

#define LIST_BLOCK_BYTES 4096u

static const struct wr_aggregates *aggregates_of(const struct agg *self) {
    return ((const struct agg_config *)self->base.config)->aggregates;
}

/* Merges all rows of `from` into `into`. */
static int merge_table(struct agg *self, struct wr_table *into, const struct wr_table *from) {
    const struct wr_aggregates *aggregates = aggregates_of(self);
    uint32_t key_bytes = aggregates->layout.key_bytes;
    enum { CHUNK = 256 };
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    char *keys = wr_arena_alloc(scratch, (size_t)CHUNK * key_bytes);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, CHUNK);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, CHUNK);
    const uint8_t **sources = WR_ARENA_ARRAY(scratch, const uint8_t *, CHUNK);
    int status =
        keys == NULL || hashes == NULL || rows == NULL || sources == NULL ? WR_ENOMEM : WR_OK;
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, from);
    for (int more = 1; more && status == WR_OK;) {
        uint32_t count = 0;
        for (uint8_t *row; count < CHUNK && (row = wr_table_walk_next(&walk)) != NULL; count++) {
            memcpy(keys + (size_t)count * key_bytes, row, key_bytes);
            sources[count] = row;
        }
        more = count == CHUNK;
        wr_keys_hash(&aggregates->layout, keys, count, wr_table_seed(into), hashes);
        status = wr_table_upsert(into, keys, hashes, count, rows, NULL);
        for (uint32_t i = 0; i < count && status == WR_OK; i++)
            status = wr_aggregates_merge(aggregates, into, rows[i], sources[i]);
    }
    wr_arena_rewind(scratch, mark);
    return status;
}

static int emit_rows(struct agg *self, uint8_t **rows, const struct agg_span *spans, uint32_t count,
                     struct wr_out *out) {
    struct wr_batch *batch;
    int status = agg_results(self, rows, spans, count, out, &batch, NULL);
    if (status == WR_OK && batch != NULL && batch->sel_count > 0)
        return out->emit(out, WR_PORT_MAIN, batch);
    wr_batch_unref(batch);
    return status;
}

int agg_emit_groups(struct agg *self, uint8_t **rows, const struct agg_span *spans, uint64_t total,
                    struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int status = WR_OK;
    for (uint64_t at = 0; at < total && status >= 0;) {
        struct wr_arena_mark part = wr_arena_mark(scratch);
        uint32_t count = (uint32_t)WR_MIN((uint64_t)self->base.env->batch_rows, total - at);
        status = emit_rows(self, rows + at, spans + at, count, out);
        wr_arena_rewind(scratch, part);
        at += count;
    }
    return status;
}

int agg_fire_table(struct agg *self, const struct wr_table *table, int64_t mark,
                   struct wr_out *out) {
    uint64_t total = wr_table_count(table);
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark start = wr_arena_mark(scratch);
    struct agg_span span = agg_span_of(self, mark);
    uint8_t **rows = wr_keys_rows(&aggregates_of(self)->layout, table, scratch);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, total + 1);
    int status = rows == NULL || spans == NULL ? WR_ENOMEM : WR_OK;
    for (uint64_t i = 0; i < total && status == WR_OK; i++)
        spans[i] = span;
    if (status == WR_OK)
        status = agg_emit_groups(self, rows, spans, total, out);
    wr_arena_rewind(scratch, start);
    return status;
}

static int is_of(const struct agg_span *span, const struct wr_slice *slice) {
    return slice->start_us >= span->start && slice->start_us < span->end;
}

/* Whether all slices of a window are in memory. */
static int is_awake(const struct agg *self, int64_t mark) {
    struct agg_span span = agg_span_of(self, mark);
    for (uint32_t i = 0; i < self->slices.count; i++)
        if (is_of(&span, &self->slices.items[i]) && self->slices.items[i].table == NULL)
            return 0;
    return 1;
}

/* What a window is merged of, in order: its slices, then its rows of its own. NULL: no memory. */
static const struct wr_table **tables_of(struct agg *self, int64_t mark, uint32_t *count) {
    struct agg_span span = agg_span_of(self, mark);
    uint32_t room = self->slices.count + 1;
    const struct wr_table **tables =
        WR_ARENA_ARRAY(self->base.env->scratch, const struct wr_table *, room);
    const struct wr_table *own = wr_slices_find(&self->partial, mark);
    *count = 0;
    for (uint32_t i = 0; tables != NULL && i < self->slices.count; i++) {
        const struct wr_slice *slice = &self->slices.items[i];
        if (is_of(&span, slice))
            tables[(*count)++] = slice->table;
    }
    if (tables != NULL && own != NULL)
        tables[(*count)++] = own;
    return tables;
}

/* Up to `groups_max` groups of rows from `from` on, which are sorted: rows of one key are merged in
 * a copy of the first. *end: behind the rows that were taken. */
static uint32_t merge_groups(struct agg *self, uint8_t *const *sorted, uint64_t from,
                             uint64_t total, uint32_t groups_max, uint8_t *copies, uint8_t **groups,
                             uint64_t *end, int *status) {
    const struct wr_aggregates *aggregates = aggregates_of(self);
    uint32_t bytes = aggregates->shape.row_bytes, count = 0;
    uint64_t at = from;
    while (at < total && count < groups_max && *status == WR_OK) {
        uint8_t *group = sorted[at];
        uint64_t next = at + 1;
        if (next < total && memcmp(sorted[next], group, 8) == 0) {
            group = memcpy(copies + (size_t)count * bytes, group, bytes);
            for (; next < total && memcmp(sorted[next], group, 8) == 0 && *status == WR_OK; next++)
                *status = wr_aggregates_merge(aggregates, NULL, group, sorted[next]);
        }
        groups[count++] = group;
        at = next;
    }
    *end = at;
    return count;
}

/* Where keys are words and states own nothing outside of themselves, rows of all slices are sorted
 * and neighbours merged: no table is made for it. */
static int fire_sorted(struct agg *self, int64_t mark, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark start = wr_arena_mark(scratch);
    const struct wr_aggregates *aggregates = aggregates_of(self);
    uint32_t table_count, groups_max = self->base.env->batch_rows;
    uint64_t total = 0;
    const struct wr_table **tables = tables_of(self, mark, &table_count);
    uint8_t **sorted =
        tables == NULL ? NULL
                       : wr_keys_rows_of(&aggregates->layout, tables, table_count, scratch, &total);
    uint8_t *copies = wr_arena_alloc(scratch, (size_t)groups_max * aggregates->shape.row_bytes);
    uint8_t **groups = WR_ARENA_ARRAY(scratch, uint8_t *, groups_max);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, groups_max);
    int status =
        sorted == NULL || copies == NULL || groups == NULL || spans == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; status == WR_OK && i < groups_max; i++)
        spans[i] = agg_span_of(self, mark);
    for (uint64_t at = 0; at < total && status == WR_OK;) {
        uint32_t count =
            merge_groups(self, sorted, at, total, groups_max, copies, groups, &at, &status);
        if (status == WR_OK)
            status = agg_emit_groups(self, groups, spans, count, out);
    }
    wr_arena_rewind(scratch, start);
    return status;
}

/* A window over several slices, or with rows of its own: everything into one table first. */
static int fire_merged(struct agg *self, int64_t mark, struct wr_out *out) {
    const struct agg_config *config = self->base.config;
    const struct wr_aggregates *aggregates = config->aggregates;
    if (config->flat && aggregates->shape.cell_count == 0 &&
        wr_keys_are_words(&aggregates->layout) && is_awake(self, mark))
        return fire_sorted(self, mark, out);
    struct agg_span span = agg_span_of(self, mark);
    const struct wr_table *own = wr_slices_find(&self->partial, mark);
    struct wr_table *merged =
        wr_table_new(self->base.env->state_budget, &aggregates->shape, self->base.env->seed);
    int status = merged == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < self->slices.count && status == WR_OK; i++) {
        if (!is_of(&span, &self->slices.items[i]))
            continue;
        status = wr_slices_wake(&self->slices, i);
        if (status == WR_OK)
            status = merge_table(self, merged, self->slices.items[i].table);
        if (status == WR_OK)
            status = wr_slices_relieve(&self->slices);
    }
    if (status == WR_OK && own != NULL)
        status = merge_table(self, merged, own);
    if (status == WR_OK)
        status = agg_fire_table(self, merged, mark, out);
    wr_table_free(merged);
    return status;
}

/* No window takes a row of the steps behind a cumulative window that fires: they become one. */
static int merge_steps(struct agg *self, int64_t mark) {
    struct agg_span span = agg_span_of(self, mark);
    struct wr_table *first = NULL;
    int status = WR_OK;
    for (uint32_t i = 0; i < self->slices.count && status == WR_OK; i++) {
        if (!is_of(&span, &self->slices.items[i]))
            continue;
        if (first == NULL) {
            int is_first = self->slices.items[i].start_us == span.start;
            first = wr_slices_at(&self->slices, span.start);
            if (first == NULL)
                return wr_slices_failure(&self->slices);
            if (is_first)
                continue;
            i++; /* it stands behind the new one */
        }
        status = wr_slices_wake(&self->slices, i);
        if (status == WR_OK)
            status = merge_table(self, first, self->slices.items[i].table);
    }
    wr_slices_drop_between(&self->slices, span.start, span.end);
    return status;
}

static int fire_window(struct agg *self, int64_t mark, struct wr_out *out) {
    const struct window *window = &((const struct agg_config *)self->base.config)->window;
    int in_one = window->slice_us == window->size_us;
    if (window->kind == WINDOW_CUMULATIVE) {
        int merged = merge_steps(self, mark);
        if (merged != WR_OK)
            return merged;
        in_one = 1;
    }
    if (!in_one || wr_slices_find(&self->partial, mark) != NULL)
        return fire_merged(self, mark, out);
    struct wr_table *table;
    int status = wr_slices_get(&self->slices, window_start(window, mark), &table);
    if (status != WR_OK)
        return status;
    /* Rows of a window that has fired: their times were read back from a damaged state. */
    return table == NULL ? WR_ECORRUPT : agg_fire_table(self, table, mark, out);
}

/* The mark of the earliest window that has not fired and holds anything. 0: there is none. */
static int next_window(const struct agg *self, int64_t *mark) {
    const struct window *window = &((const struct agg_config *)self->base.config)->window;
    int found = 0;
    if (self->slices.count > 0) {
        *mark = window_first(window, self->slices.items[0].start_us);
        found = 1;
    }
    if (self->partial.count > 0 && (!found || self->partial.items[0].start_us < *mark)) {
        *mark = self->partial.items[0].start_us;
        found = 1;
    }
    if (found && self->fired_any && *mark < self->fired_us)
        *mark = self->fired_us;
    return found;
}

static void end_groups(struct agg *self) {
    wr_arena_release(&self->firing.arena);
    self->firing.groups = NULL;
    self->base.apart->pages_stay = self->firing.pages_stayed;
}

/* Some more groups of the list, while there is room for what they give. */
static int fire_groups(struct agg *self, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t rows_max = self->base.env->batch_rows;
    struct agg_span span = agg_span_of(self, 0);
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, rows_max);
    int status = spans == NULL ? WR_ENOMEM : WR_OK, is_full = 0;
    for (uint32_t i = 0; i < rows_max && status == WR_OK; i++)
        spans[i] = span;
    while (status == WR_FLOW_MORE && self->firing.at < self->firing.count && !is_full) {
        uint64_t count = WR_MIN(self->firing.count - self->firing.at, (uint64_t)rows_max);
        status = agg_emit_groups(self, self->firing.groups + self->firing.at, spans, count, out);
        self->firing.at += count;
        is_full = out->is_full;
    }
    wr_arena_rewind(scratch, mark);
    self->base.has_more = status == WR_FLOW_MORE && self->firing.at < self->firing.count;
    if (self->base.has_more)
        return status;
    end_groups(self);
    wr_slices_drop_before(&self->slices, WR_TIME_MAX);
    return status;
}

/* All groups of the table leave, now or in agg_go_on. */
static int begin_groups(struct agg *self, const struct wr_table *table, struct wr_out *out) {
    struct wr_budget *budget = self->base.env->state_budget;
    wr_arena_init(&self->firing.arena, budget, LIST_BLOCK_BYTES);
    wr_apart_hold_pages(self->base.apart, &self->firing.pages_stayed);
    self->firing.at = 0;
    self->firing.count = wr_table_count(table);
    self->firing.groups = wr_keys_rows(&aggregates_of(self)->layout, table, &self->firing.arena);
    if (self->firing.groups != NULL)
        return fire_groups(self, out);
    end_groups(self);
    return WR_ENOMEM;
}

static int fire_all(struct agg *self, struct wr_out *out) {
    int status = agg_spill_status(self, agg_spool_settle(self));
    if (status != WR_OK)
        return status;
    struct wr_table *table = wr_slices_find(&self->slices, 0);
    int spills = agg_spill_is_due(self, table);
    self->fired_any = 1;
    self->fired_us = WR_TIME_MAX;
    if (!spills && table != NULL)
        return begin_groups(self, table, out);
    status = spills ? agg_spill_fire(self, table) : WR_OK;
    wr_slices_drop_before(&self->slices, WR_TIME_MAX);
    return status;
}

/* Whether a window is due. */
static int is_due(const struct agg *self, int64_t *mark) {
    const struct agg_config *config = self->base.config;
    return next_window(self, mark) && window_end(&config->window, *mark) <= self->firing.frontier;
}

static int fire_windows(struct agg *self, struct wr_out *out) {
    const struct agg_config *config = self->base.config;
    const struct window *window = &config->window;
    int64_t mark;
    int status = WR_OK, is_full = 0;
    while (status >= 0 && !is_full && is_due(self, &mark)) {
        status = fire_window(self, mark, out);
        self->fired_any = 1;
        self->fired_us = window_next(window, mark);
        int64_t needed =
            self->fired_us == WR_TIME_MAX ? WR_TIME_MAX : window_start(window, self->fired_us);
        wr_slices_drop_before(&self->slices, needed);
        wr_slices_drop_before(&self->partial, self->fired_us);
        is_full = out->is_full;
    }
    self->base.has_more = status >= 0 && is_full && is_due(self, &mark);
    return status;
}

int agg_fire(struct agg *self, int64_t frontier, struct wr_out *out) {
    self->firing.frontier = frontier;
    return ((const struct agg_config *)self->base.config)->windowed ? fire_windows(self, out)
                                                                    : fire_all(self, out);
}

int agg_go_on(struct wr_op *op, struct wr_out *out) {
    struct agg *self = (struct agg *)op;
    if (self->firing.groups != NULL)
        return fire_groups(self, out);
    return ((const struct agg_config *)op->config)->windowed ? fire_windows(self, out)
                                                             : agg_spill_go_on(op, out);
}

/* Windows by their ends; those that end together (sessions) by their starts; groups by keys. Count
 * windows are compared at the end of the input only, where their groups come in order. Groups that
 * end at a time of their own: by that, then keys. */
int agg_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                const struct wr_batch *b, uint32_t row_b) {
    const struct agg_config *config = op->config;
    uint32_t windows = config->windowed ? 2 : 0, lead = windows + config->aggregates->key_count;
    int by_window = windows > 0 && config->window.kind != WINDOW_COUNT;
    if (config->ends_at && a->event_time[row_a] != b->event_time[row_b])
        return a->event_time[row_a] < b->event_time[row_b] ? -1 : 1;
    for (uint32_t i = by_window ? 0 : windows; i < lead; i++) {
        uint32_t c = i < windows ? windows - 1 - i : i;
        int order = wr_cell_compare(&a->schema->fields[c].type, &a->columns[c], row_a,
                                    &b->columns[c], row_b);
        if (order != 0)
            return order;
    }
    return 0;
}
