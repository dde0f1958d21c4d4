/* frames_fire.c: rows that wait, and leave: in the order of time when the frontier has passed them,
 * when the row comes that they look at, when their window closes. Rows of one time stand in the
 * order of their keys, then as they came, so that shards make no difference. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/order.h"
#include "op/frames.h"
#include "base/banned.h"

int frames_wait(struct frames *self, const struct wr_batch *wide, uint32_t row, int64_t mark,
                uint64_t *seq) {
    struct wr_table *table = wr_slices_at(&self->waiting, mark);
    if (table == NULL)
        return WR_ENOMEM;
    *seq = ++self->next_seq;
    uint64_t hash = frames_hash_one(*seq, wr_table_seed(table));
    uint8_t *made;
    int status = wr_table_upsert(table, seq, &hash, 1, &made, NULL);
    if (status != WR_OK)
        return status;
    int64_t time = wide->event_time == NULL ? 0 : wide->event_time[row];
    memcpy(made + FRAMES_WAITING_TIME, &time, sizeof time);
    return wr_payload_put(&self->wait, table, made + FRAMES_WAITING_PAYLOAD, wide, row);
}

/* The waiting rows of refs[i].seq. */
static int find_waiting(struct frames *self, struct frames_ref *refs, uint32_t count) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_table *table = wr_slices_at(&self->waiting, 0);
    uint64_t *seqs = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    if (table == NULL || seqs == NULL || hashes == NULL || rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        seqs[i] = refs[i].seq;
        hashes[i] = frames_hash_one(seqs[i], wr_table_seed(table));
    }
    wr_table_find(table, seqs, hashes, count, rows);
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i] == NULL)
            return WR_ECORRUPT;
        refs[i].waiting = rows[i];
        memcpy(&refs[i].time, rows[i] + FRAMES_WAITING_TIME, sizeof refs[i].time);
    }
    return WR_OK;
}

static void forget_waiting(struct frames *self, const struct frames_ref *refs, uint32_t count) {
    struct wr_table *table = wr_slices_at(&self->waiting, 0);
    for (uint32_t i = 0; i < count; i++)
        wr_table_delete(table, &refs[i].seq, frames_hash_one(refs[i].seq, wr_table_seed(table)));
}

/* Waiting rows as a batch with the wide schema: the columns of all, or those of the keys. */
static int read_waiting(struct frames *self, const struct frames_ref *refs, uint32_t count,
                        int keys_only, struct wr_batch *batch) {
    const struct frames_config *config = frames_config_of(self);
    const uint8_t **at = WR_ARENA_ARRAY(self->base.env->scratch, const uint8_t *, count + 1);
    int64_t *times = WR_ARENA_ARRAY(&batch->arena, int64_t, count + 1);
    if (at == NULL || times == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        at[i] = refs[i].waiting + FRAMES_WAITING_PAYLOAD;
        times[i] = refs[i].time;
    }
    for (uint32_t k = 0; k < self->wait.count; k++) {
        int is_key = 0;
        for (uint32_t i = 0; i < config->frames->key_count; i++)
            is_key |= config->item_columns[i] == self->wait.columns[k];
        if (keys_only && !is_key)
            continue;
        int status = wr_payload_read(&self->wait, k, at, count, &batch->arena,
                                     &batch->columns[self->wait.columns[k]]);
        if (status != WR_OK)
            return status;
    }
    batch->row_count = batch->sel_count = count;
    if (config->has_time)
        batch->event_time = times;
    return WR_OK;
}

/* ---- order ---- */

static int compare_keys(const struct frames_config *config, const struct frames_ref *a,
                        const struct frames_ref *b) {
    return a->group == b->group || config->frames->key_count == 0
               ? 0
               : wr_keys_compare(&config->layout, a->group, b->group);
}

static int by_arrival(const struct frames_ref *a, const struct frames_ref *b) {
    return (a->seq > b->seq) - (a->seq < b->seq);
}

/* Time, keys, arrival. */
static int by_time(const void *x, const void *y, void *ctx) {
    const struct frames_ref *a = x, *b = y;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    int by = compare_keys(ctx, a, b);
    return by != 0 ? by : by_arrival(a, b);
}

/* Keys, time, arrival. */
static int by_group(const void *x, const void *y, void *ctx) {
    const struct frames_ref *a = x, *b = y;
    int by = compare_keys(ctx, a, b);
    if (by == 0)
        by = (a->time > b->time) - (a->time < b->time);
    return by != 0 ? by : by_arrival(a, b);
}

/* The groups of waiting rows, by their keys. */
static int find_groups(struct frames *self, struct frames_ref *refs, uint32_t count) {
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, frames_config_of(self)->wide);
    uint32_t *rows = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, count + 1);
    int status = batch == NULL || rows == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        rows[i] = i;
    if (status == WR_OK)
        status = read_waiting(self, refs, count, 1, batch);
    if (status == WR_OK)
        status = frames_groups_find(self, batch, rows, refs, count);
    wr_batch_unref(batch);
    return status;
}

/* ---- rows of a chunk ---- */

struct taken {
    struct wr_batch *batch; /* of the wide schema */
    struct frames_chunk chunk;
};

/* Waiting rows in their order as a chunk; its results go into the batch. */
static int open_taken(struct frames *self, struct frames_ref *refs, uint32_t count,
                      struct taken *taken) {
    struct wr_arena *scratch = self->base.env->scratch;
    taken->batch = wr_batch_new(self->base.env->pool, frames_config_of(self)->wide);
    uint32_t *rows = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    static const struct wr_batch no_order;
    if (taken->batch == NULL || rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        rows[i] = i;
    taken->chunk = (struct frames_chunk){.count = count,
                                         .refs = refs,
                                         .rows = rows,
                                         .wide = taken->batch,
                                         .by = &no_order,
                                         .arena = &taken->batch->arena};
    int status = read_waiting(self, refs, count, 0, taken->batch);
    return status == WR_OK ? frames_chunk_open(self, &taken->chunk, count) : status;
}

/* The end of each row's peers, which may have come later than the chunk. */
static int find_kept_peers(struct frames *self, struct frames_chunk *chunk) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint8_t **groups = WR_ARENA_ARRAY(scratch, uint8_t *, chunk->count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, chunk->count + 1);
    uint64_t *numbers = WR_ARENA_ARRAY(scratch, uint64_t, chunk->count + 1);
    uint32_t *which = WR_ARENA_ARRAY(scratch, uint32_t, chunk->count + 1);
    if (groups == NULL || rows == NULL || numbers == NULL || which == NULL)
        return WR_ENOMEM;
    uint32_t open = chunk->count;
    for (uint32_t i = 0; i < open; i++) {
        which[i] = i;
        chunk->refs[i].peers_end = chunk->refs[i].number + 1;
    }
    int status = WR_OK;
    while (open > 0 && status == WR_OK) {
        for (uint32_t i = 0; i < open; i++) {
            groups[i] = chunk->refs[which[i]].group;
            numbers[i] = chunk->refs[which[i]].peers_end;
        }
        status = frames_kept_find(self, groups, numbers, open, rows);
        uint32_t left = 0;
        for (uint32_t i = 0; i < open && status == WR_OK; i++) {
            struct frames_ref *ref = &chunk->refs[which[i]];
            if (rows[i] == NULL || frames_kept_time(rows[i]) != ref->time)
                continue;
            ref->peers_end++;
            which[left++] = which[i];
        }
        open = left;
    }
    return status;
}

/* Of `refs` in their order: rows that wait for no other any more leave. */
static int leave(struct frames *self, struct frames_ref *refs, uint32_t count,
                 const uint32_t *causes, const struct wr_batch *in, struct wr_out *out) {
    struct taken taken = {0};
    int status = find_waiting(self, refs, count);
    if (status == WR_OK)
        status = open_taken(self, refs, count, &taken);
    if (status == WR_OK)
        status = find_kept_peers(self, &taken.chunk);
    if (status == WR_OK)
        status = frames_compute(self, &taken.chunk);
    if (status == WR_OK) {
        forget_waiting(self, refs, count);
        uint32_t *copy = NULL;
        if (causes != NULL) {
            copy = WR_ARENA_ARRAY(&taken.batch->arena, uint32_t, count + 1);
            status = copy == NULL ? WR_ENOMEM : WR_OK;
        }
        if (copy != NULL)
            memcpy(copy, causes, count * sizeof *copy);
        (void)in;
        if (status == WR_OK)
            status = frames_emit(self, &taken.chunk, taken.batch, copy, out);
    }
    wr_batch_unref(taken.batch);
    return status;
}

int frames_take(struct frames *self, struct frames_ref *refs, uint32_t count, const uint32_t *cause,
                const struct wr_batch *in, struct wr_out *out) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    struct taken taken = {0};
    uint32_t *all = WR_ARENA_ARRAY(scratch, uint32_t, count + 1), leaving = 0;
    uint32_t *causes = cause == NULL ? NULL : WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    struct frames_ref *next = WR_ARENA_ZEROS(scratch, struct frames_ref, count + 1);
    uint8_t **groups = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint64_t *numbers = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    int status = all == NULL || next == NULL || groups == NULL || rows == NULL || numbers == NULL ||
                         (cause != NULL && causes == NULL)
                     ? WR_ENOMEM
                     : WR_OK;
    if (status == WR_OK && count > 0 && refs[0].waiting == NULL)
        status = find_waiting(self, refs, count);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        all[i] = i;
    if (status == WR_OK)
        status = open_taken(self, refs, count, &taken);
    if (status == WR_OK)
        status = frames_append(self, &taken.chunk, all, count);
    if (status == WR_OK && config->lead_max == 0) {
        frames_find_peers(&taken.chunk);
        status = frames_compute(self, &taken.chunk);
        if (status == WR_OK) {
            forget_waiting(self, refs, count);
            status = frames_emit(self, &taken.chunk, taken.batch, NULL, out);
        }
        wr_batch_unref(taken.batch);
        return status;
    }
    wr_batch_unref(taken.batch);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct frames_group *group = frames_group_of(self, refs[i].group);
        if (config->has_time)
            status = wr_time_heap_add(&self->pending, refs[i].time, refs[i].seq);
        if (refs[i].number - group->out < (uint64_t)config->lead_max)
            continue;
        groups[leaving] = refs[i].group;
        numbers[leaving] = group->out;
        if (causes != NULL)
            causes[leaving] = cause[i];
        next[leaving++] = (struct frames_ref){
            .group = refs[i].group, .number = group->out++, .order_us = refs[i].time};
    }
    if (status == WR_OK)
        status = frames_kept_find(self, groups, numbers, leaving, rows);
    for (uint32_t i = 0; i < leaving && status == WR_OK; i++) {
        status = rows[i] == NULL ? WR_ECORRUPT : WR_OK;
        if (status == WR_OK)
            next[i].seq = frames_kept_seq(rows[i]);
    }
    return status == WR_OK && leaving > 0 ? leave(self, next, leaving, causes, in, out) : status;
}

/* ---- the frontier ---- */

/* Takes the rows that the frontier has passed off the heap: about a chunk of them, with all that
 * have the time of the last. */
static int pop_rows(struct frames *self, int64_t frontier, struct frames_ref **refs,
                    uint32_t *count) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t room = WR_MIN(self->heap.count, 2 * FRAMES_CHUNK_ROWS);
    *refs = WR_ARENA_ZEROS(scratch, struct frames_ref, room + 1);
    *count = 0;
    if (*refs == NULL)
        return WR_ENOMEM;
    while (self->heap.count > 0) {
        struct wr_timer least = self->heap.items[0];
        if (least.time_us >= frontier && frontier != WR_TIME_MAX)
            break;
        if (*count >= FRAMES_CHUNK_ROWS && (*refs)[*count - 1].time != least.time_us)
            break;
        if (*count == room) { /* very many of one time */
            struct frames_ref *more = WR_ARENA_ZEROS(scratch, struct frames_ref, room * 2 + 1);
            if (more == NULL)
                return WR_ENOMEM;
            memcpy(more, *refs, room * sizeof *more);
            room *= 2;
            *refs = more;
        }
        (*refs)[(*count)++] =
            (struct frames_ref){.time = least.time_us, .order_us = least.time_us, .seq = least.id};
        wr_time_heap_take(&self->heap);
    }
    return WR_OK;
}

static int release(struct frames *self, int64_t frontier, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int flow = WR_OK;
    for (;;) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        struct frames_ref *refs;
        uint32_t count;
        flow = pop_rows(self, frontier, &refs, &count);
        if (flow != WR_OK || count == 0)
            break;
        flow = find_waiting(self, refs, count);
        if (flow == WR_OK)
            flow = find_groups(self, refs, count);
        if (flow == WR_OK) {
            qsort_r(refs, count, sizeof *refs, by_time, (void *)(uintptr_t)frames_config_of(self));
            flow = frames_take(self, refs, count, NULL, NULL, out);
        }
        wr_arena_rewind(scratch, mark);
        if (flow < 0)
            break;
        self->passed_us = refs[count - 1].time;
    }
    return WR_MIN(flow, WR_OK);
}

/* At the end nothing comes that `lead` could wait for. */
static int flush(struct frames *self, struct wr_out *out) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_table *table = wr_slices_at(&self->groups, 0);
    struct wr_arena *scratch = self->base.env->scratch;
    if (table == NULL)
        return WR_ENOMEM;
    uint64_t total = wr_table_count(table);
    uint8_t **groups = config->frames->key_count > 0 ? wr_keys_rows(&config->layout, table, scratch)
                                                     : WR_ARENA_ARRAY(scratch, uint8_t *, 1);
    if (groups == NULL)
        return WR_ENOMEM;
    if (config->frames->key_count == 0 && total > 0) {
        struct wr_table_walk walk;
        wr_table_walk_begin(&walk, table);
        groups[0] = wr_table_walk_next(&walk);
    }
    int status = WR_OK;
    for (uint64_t g = 0; g < total && status >= 0; g++) {
        struct frames_group *group = frames_group_of(self, groups[g]);
        uint32_t count = (uint32_t)(group->next - group->out);
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        struct frames_ref *refs = WR_ARENA_ZEROS(scratch, struct frames_ref, count + 1);
        status = refs == NULL ? WR_ENOMEM : WR_OK;
        for (uint32_t i = 0; i < count && status == WR_OK; i++) {
            uint8_t *row;
            refs[i] = (struct frames_ref){
                .group = groups[g], .number = group->out++, .order_us = WR_TIME_MAX};
            status = frames_kept_find(self, &refs[i].group, &refs[i].number, 1, &row);
            if (status == WR_OK && row == NULL)
                status = WR_ECORRUPT;
            if (status == WR_OK)
                refs[i].seq = frames_kept_seq(row);
        }
        if (status == WR_OK && count > 0)
            status = leave(self, refs, count, NULL, NULL, out);
        wr_table_touch(table, groups[g]);
        wr_arena_rewind(scratch, mark);
    }
    return WR_MIN(status, WR_OK);
}

/* ---- windows ---- */

/* Ranks among all rows of a window's group: sorted by the value, nil last. */
struct ranking {
    const struct wr_type *type;
    const struct wr_column *column;
};
static int by_value(const void *x, const void *y, void *ctx) {
    const struct ranking *ranking = ctx;
    return wr_cell_compare(ranking->type, ranking->column, *(const uint32_t *)x, ranking->column,
                           *(const uint32_t *)y);
}

static int rank_group(struct frames *self, struct frames_chunk *chunk, uint32_t call_number,
                      uint32_t first, uint32_t end) {
    const struct frames_config *config = frames_config_of(self);
    const struct wr_frame_call *call = &config->frames->calls[call_number];
    const struct wr_aggregate *aggregate = &config->frames->aggregates[call->aggregate];
    struct ranking ranking = {.type = &aggregate->arg_types[0],
                              .column =
                                  &chunk->wide->columns[config->item_columns[aggregate->args[0]]]};
    uint32_t *rows = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, end - first + 1);
    int64_t *ranks = chunk->results[call_number].data, dense = 0;
    if (rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = first; i < end; i++)
        rows[i - first] = chunk->rows[i];
    qsort_r(rows, end - first, sizeof *rows, by_value, &ranking);
    for (uint32_t i = 0; i < end - first; i++) {
        int equal = i > 0 && by_value(&rows[i - 1], &rows[i], &ranking) == 0;
        dense += !equal;
        if (call->kind == WR_FRAME_DENSE_RANK)
            ranks[rows[i]] = dense;
        else
            ranks[rows[i]] = equal ? ranks[rows[i - 1]] : (int64_t)i + 1;
    }
    return WR_OK;
}

static int rank_rows(struct frames *self, struct frames_chunk *chunk) {
    const struct wr_frames *frames = frames_config_of(self)->frames;
    int status = WR_OK;
    for (uint32_t c = 0; c < frames->call_count; c++) {
        if (frames->calls[c].kind != WR_FRAME_RANK && frames->calls[c].kind != WR_FRAME_DENSE_RANK)
            continue;
        for (uint32_t first = 0, end; first < chunk->count && status == WR_OK; first = end) {
            for (end = first;
                 end < chunk->count && chunk->refs[end].group == chunk->refs[first].group;)
                end++;
            status = rank_group(self, chunk, c, first, end);
        }
    }
    return status;
}

/* Whole groups of a window, in their order. */
static int fire_rows(struct frames *self, struct frames_ref *refs, uint32_t count,
                     struct wr_out *out) {
    struct taken taken = {0};
    uint32_t *all = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, count + 1);
    int status = all == NULL ? WR_ENOMEM : open_taken(self, refs, count, &taken);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        all[i] = i;
    if (status == WR_OK)
        status = frames_append(self, &taken.chunk, all, count);
    if (status == WR_OK) {
        taken.chunk.whole = 1;
        frames_find_peers(&taken.chunk);
        status = frames_compute(self, &taken.chunk);
    }
    if (status == WR_OK)
        status = rank_rows(self, &taken.chunk);
    if (status == WR_OK)
        status = frames_emit(self, &taken.chunk, taken.batch, NULL, out);
    wr_batch_unref(taken.batch);
    return status;
}

/* What is known of the groups of a window goes with it. */
static void forget_groups(struct frames *self) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_budget *budget = self->base.env->state_budget;
    uint64_t seed = self->base.env->seed;
    wr_slices_release(&self->groups);
    wr_slices_release(&self->kept);
    wr_slices_release(&self->live);
    wr_slices_init(&self->groups, budget, &config->groups_shape, seed);
    wr_slices_init(&self->kept, budget, &self->kept_shape, seed);
    wr_slices_init(&self->live, budget, &config->live_shape, seed);
}

static int fire_window(struct frames *self, const struct wr_slice *slice, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint64_t total = wr_table_count(slice->table);
    if (total >= UINT32_MAX)
        return WR_ELIMIT;
    struct frames_ref *refs = WR_ARENA_ZEROS(scratch, struct frames_ref, total + 1);
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, slice->table);
    int status = refs == NULL ? WR_ENOMEM : WR_OK;
    for (uint64_t i = 0; i < total && status == WR_OK; i++) {
        uint8_t *row = wr_table_walk_next(&walk);
        refs[i].waiting = row;
        refs[i].order_us = slice->start_us;
        memcpy(&refs[i].seq, row, 8);
        memcpy(&refs[i].time, row + FRAMES_WAITING_TIME, 8);
    }
    if (status == WR_OK)
        status = find_groups(self, refs, (uint32_t)total);
    if (status == WR_OK)
        qsort_r(refs, total, sizeof *refs, by_group, (void *)(uintptr_t)frames_config_of(self));
    for (uint64_t first = 0, end; first < total && status >= 0; first = end) {
        for (end = WR_MIN(first + FRAMES_CHUNK_ROWS, total);
             end < total && refs[end].group == refs[end - 1].group;)
            end++;
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        status = fire_rows(self, refs + first, (uint32_t)(end - first), out);
        wr_arena_rewind(scratch, mark);
    }
    forget_groups(self);
    return status;
}

static int fire_due(struct frames *self, int64_t frontier, struct wr_out *out) {
    const struct frames_config *config = frames_config_of(self);
    int flow = WR_OK;
    while (self->waiting.count > 0 && flow >= 0) {
        const struct wr_slice *slice = &self->waiting.items[0];
        int64_t mark = slice->start_us;
        if (frontier != WR_TIME_MAX && window_end(&config->window, mark) > frontier)
            break;
        struct wr_arena_mark before = wr_arena_mark(self->base.env->scratch);
        flow = fire_window(self, slice, out);
        wr_arena_rewind(self->base.env->scratch, before);
        wr_slices_drop_before(&self->waiting, mark == INT64_MAX ? mark : mark + 1);
    }
    return WR_MIN(flow, WR_OK);
}

/* ---- */

/* Groups that nobody comes back to are looked for once in as much time as a frame is long. */
static int sweep_due(struct frames *self, int64_t frontier) {
    const struct frames_config *config = frames_config_of(self);
    if (config->span_us < 0 || config->mode == FRAMES_UPDATE || frontier == WR_TIME_MAX)
        return WR_OK;
    if (self->swept_us == WR_TIME_MIN) {
        self->swept_us = frontier;
        return WR_OK;
    }
    const struct wr_table *groups = wr_slices_find(&self->groups, 0);
    if (groups == NULL || self->next_seq - self->swept_seq < wr_table_count(groups))
        return WR_OK; /* so that it costs each row no more than one group */
    if (frontier < wr_time_add(self->swept_us, config->span_us))
        return WR_OK;
    self->swept_us = frontier;
    self->swept_seq = self->next_seq;
    return frames_sweep(self, frontier);
}

int frames_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct frames *self = (struct frames *)op;
    const struct frames_config *config = op->config;
    int status = frames_order(self);
    if (status != WR_OK || config->mode == FRAMES_UPDATE)
        return status;
    if (config->mode == FRAMES_WINDOW)
        return fire_due(self, frontier, out);
    self->frontier_us = WR_MAX(self->frontier_us, frontier);
    if (config->mode == FRAMES_TIME)
        status = release(self, frontier, out);
    if (status == WR_OK && config->mode == FRAMES_TIME)
        self->passed_us = frontier;
    if (status == WR_OK && frontier == WR_TIME_MAX && config->lead_max > 0)
        status = flush(self, out);
    if (status == WR_OK)
        status = sweep_due(self, frontier);
    /* Of rows that wait for `lead` the first holds the frontier back. */
    struct wr_table *table = wr_slices_at(&self->waiting, 0);
    while (self->pending.count > 0 && table != NULL) {
        if (wr_table_find_word(table, self->pending.items[0].id) != NULL)
            break;
        wr_time_heap_take(&self->pending);
    }
    return status;
}

int64_t frames_holds_back(const struct wr_op *op, int64_t frontier) {
    struct frames *self = (struct frames *)(uintptr_t)op;
    if (frames_order(self) != WR_OK) /* no memory: nothing is known, so nothing is passed */
        return WR_TIME_MIN;
    return self->pending.count > 0 ? WR_MIN(frontier, self->pending.items[0].time_us) : frontier;
}

/* A row that waits for `lead` may leave with any row of its group. */
int64_t frames_shift(const struct wr_op *op) {
    const struct frames_config *config = op->config;
    return config->lead_max > 0 ? WR_SHIFT_BY_ROWS : 0;
}

int frames_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                   const struct wr_batch *b, uint32_t row_b) {
    const struct frames_config *config = op->config;
    return wr_op_compare_behind(config->project.schema, op->schema->field_count, a, row_a, b,
                                row_b);
}
