/* frames_move.c: frames that move along the rows of a group: rows enter and leave the states of
 * their aggregates, or the frame is gone through anew for each row. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/frames.h"
#include "base/banned.h"

static const struct wr_batch no_batch; /* rows come in order: nothing is told of it */

static int has_calls(const struct frames_config *config, uint32_t frame, int recomputed) {
    for (uint32_t c = 0; c < config->frames->call_count; c++) {
        const struct wr_frame_call *call = &config->frames->calls[c];
        if (frames_is_aggregate(call) && call->frame == frame &&
            config->recomputed[call->aggregate] == recomputed)
            return 1;
    }
    return 0;
}

static void clear_frame(struct frames *self, struct wr_table *table, uint32_t frame, int recomputed,
                        uint8_t *live) {
    const struct frames_config *config = frames_config_of(self);
    for (uint32_t c = 0; c < config->frames->call_count; c++) {
        const struct wr_frame_call *call = &config->frames->calls[c];
        if (frames_is_aggregate(call) && call->frame == frame &&
            config->recomputed[call->aggregate] == recomputed)
            frames_clear(table, &config->frames->aggregates[call->aggregate], live);
    }
}

struct moving {
    struct frames *self;
    struct frames_chunk *chunk;
    const struct frames_round *round;
    const struct wr_column *items; /* of the chunk */
    struct wr_column *kept;        /* of kept rows */
    struct wr_table *table;        /* of the live states */
    uint32_t frame;
    const struct wr_frame *is;
    int counts; /* some aggregate takes rows back */
};

static const struct frames_ref *ref_at(const struct moving *m, uint32_t at) {
    return &m->chunk->refs[m->round->which[at]];
}
static struct frames_span *span_at(const struct moving *m, uint32_t at) {
    return &frames_live_of(m->round->live[at])->spans[m->frame];
}
static int64_t bound_at(const struct moving *m, uint32_t at) {
    return wr_time_add(ref_at(m, at)->time, -m->is->span);
}
static uint64_t end_at(const struct moving *m, uint32_t at) {
    const struct frames_ref *ref = ref_at(m, at);
    return m->is->kind == WR_FRAME_TIME ? ref->peers_end : ref->number + 1;
}
/* FRAMES_ROWS: the number of the first row of the frame. */
static uint64_t first_at(const struct moving *m, uint32_t at) {
    uint64_t end = ref_at(m, at)->number + 1, rows = (uint64_t)m->is->span;
    return end > rows ? end - rows : 0;
}

/* Adds kept rows to the live states of their groups, or takes them back. */
static int move_rows(const struct moving *m, struct frames_list *list, int retracts) {
    if (!m->counts || list->count == 0)
        return WR_OK;
    struct wr_arena *scratch = m->self->base.env->scratch;
    for (uint32_t i = 0; i < list->count; i++)
        list->live[i] = m->round->live[list->at[i]];
    int status = frames_kept_read(m->self, list->rows, list->count, scratch, m->kept);
    return status == WR_OK ? frames_feed(m->self, m->frame, 0, m->table, list->live, m->kept,
                                         &no_batch, NULL, list->count, retracts)
                           : status;
}

/* Rows that may be out of the frame: those whose first row is not known to be in it. */
static void find_leavers(const struct moving *m, struct frames_list *list) {
    list->count = 0;
    for (uint32_t i = 0; i < m->round->count; i++) {
        const struct frames_span *span = span_at(m, i);
        int stays = m->is->kind == WR_FRAME_TIME
                        ? span->low_time != WR_TIME_MIN && span->low_time >= bound_at(m, i)
                        : span->low >= first_at(m, i);
        if (span->low < span->high && !stays)
            frames_list_add(list, m->round, i, span->low);
    }
}

static int leave(const struct moving *m) {
    struct wr_arena *scratch = m->self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct frames_list list;
    int status = frames_list_open(&list, scratch, m->round->count);
    for (;;) {
        if (status == WR_OK)
            find_leavers(m, &list);
        if (status != WR_OK || list.count == 0)
            break;
        status = frames_list_find(m->self, &list);
        uint32_t left = 0;
        for (uint32_t i = 0; i < list.count && status == WR_OK; i++) {
            struct frames_span *span = span_at(m, list.at[i]);
            int64_t time = frames_kept_time(list.rows[i]);
            span->low_time = time;
            if (m->is->kind == WR_FRAME_TIME && time >= bound_at(m, list.at[i]))
                continue;
            span->low++;
            span->low_time = WR_TIME_MIN;
            list.at[left] = list.at[i];
            list.rows[left++] = list.rows[i];
        }
        list.count = left;
        struct wr_arena_mark inner = wr_arena_mark(scratch);
        if (status == WR_OK)
            status = move_rows(m, &list, 1);
        wr_arena_rewind(scratch, inner);
    }
    wr_arena_rewind(scratch, mark);
    return status;
}

/* Each row of the round enters by itself, as it nearly always is: no kept row is looked for. */
static int enter_rows(const struct moving *m) {
    for (uint32_t i = 0; i < m->round->count; i++) {
        struct frames_span *span = span_at(m, i);
        const struct frames_ref *ref = ref_at(m, i);
        if (span->low == span->high) {
            span->low = ref->number;
            span->low_time = ref->time;
        }
        span->high = ref->number + 1;
    }
    return m->counts ? frames_feed(m->self, m->frame, 0, m->table, m->round->live, m->items,
                                   &no_batch, m->round->rows, m->round->count, 0)
                     : WR_OK;
}

/* Kept rows from the end of the frame on enter, up to the row or its last peer. */
static int enter_kept(const struct moving *m) {
    struct wr_arena *scratch = m->self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint64_t total = 0;
    for (uint32_t i = 0; i < m->round->count; i++) {
        struct frames_span *span = span_at(m, i);
        if (m->is->kind == WR_FRAME_ROWS && span->low == span->high && span->high < first_at(m, i))
            span->low = span->high = first_at(m, i);
        total += end_at(m, i) > span->high ? end_at(m, i) - span->high : 0;
    }
    struct frames_list list;
    int status = total > UINT32_MAX - 1 ? WR_ELIMIT : frames_list_open(&list, scratch, total);
    for (uint32_t i = 0; i < m->round->count && status == WR_OK; i++)
        for (uint64_t n = span_at(m, i)->high; n < end_at(m, i); n++)
            frames_list_add(&list, m->round, i, n);
    if (status == WR_OK)
        status = frames_list_find(m->self, &list);
    uint32_t entering = 0;
    for (uint32_t i = 0; i < list.count && status == WR_OK; i++) {
        struct frames_span *span = span_at(m, list.at[i]);
        int64_t time = frames_kept_time(list.rows[i]);
        span->high = list.numbers[i] + 1;
        if (span->low == list.numbers[i]) { /* it would be the first */
            if (m->is->kind == WR_FRAME_TIME && time < bound_at(m, list.at[i])) {
                span->low = span->high;
                continue;
            }
            span->low_time = time;
        }
        list.at[entering] = list.at[i];
        list.rows[entering++] = list.rows[i];
    }
    list.count = entering;
    if (status == WR_OK)
        status = move_rows(m, &list, 0);
    wr_arena_rewind(scratch, mark);
    return status;
}

static int enter(const struct moving *m) {
    int alone = 1;
    for (uint32_t i = 0; i < m->round->count && alone; i++) {
        const struct frames_ref *ref = ref_at(m, i);
        alone = span_at(m, i)->high == ref->number && end_at(m, i) == ref->number + 1;
    }
    return alone ? enter_rows(m) : enter_kept(m);
}

/* Goes through the frame of each row for the aggregates that cannot take rows back. */
static int recompute(const struct moving *m) {
    struct wr_arena *scratch = m->self->base.env->scratch;
    int status = WR_OK;
    for (uint32_t i = 0; i < m->round->count && status == WR_OK; i++) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        const struct frames_span *span = span_at(m, i);
        uint64_t total = span->high - span->low;
        struct frames_list list;
        status = total > UINT32_MAX - 1 ? WR_ELIMIT : frames_list_open(&list, scratch, total);
        for (uint64_t n = span->low; n < span->high && status == WR_OK; n++) {
            list.live[list.count] = m->round->live[i];
            frames_list_add(&list, m->round, i, n);
        }
        if (status == WR_OK)
            status = frames_list_find(m->self, &list);
        if (status == WR_OK)
            status = frames_kept_read(m->self, list.rows, list.count, scratch, m->kept);
        clear_frame(m->self, m->table, m->frame, 1, m->round->live[i]);
        if (status == WR_OK)
            status = frames_feed(m->self, m->frame, 1, m->table, list.live, m->kept, &no_batch,
                                 NULL, list.count, 0);
        wr_arena_rewind(scratch, mark);
    }
    return status;
}

/* A row before others, or one that the frame has gone past: the frame begins anew. */
static void restart_frames(struct frames *self, const struct frames_chunk *chunk,
                           const struct frames_round *round, struct wr_table *table) {
    const struct frames_config *config = frames_config_of(self);
    for (uint32_t i = 0; i < round->count; i++) {
        const struct frames_ref *ref = &chunk->refs[round->which[i]];
        struct frames_live *live = frames_live_of(round->live[i]);
        int stale = ref->time < live->time;
        for (uint32_t f = 1; f < config->frames->frame_count; f++)
            stale |= live->spans[f].high > ref->number;
        for (uint32_t f = 1; stale && f < config->frames->frame_count; f++) {
            clear_frame(self, table, f, 0, round->live[i]);
            live->spans[f].low = live->spans[f].high = frames_group_of(self, ref->group)->first;
            live->spans[f].low_time = WR_TIME_MIN;
        }
        live->time = ref->time;
    }
}

int frames_run_moving(struct frames *self, struct frames_chunk *chunk,
                      const struct frames_round *round, const struct wr_column *items,
                      struct wr_column *kept) {
    const struct frames_config *config = frames_config_of(self);
    struct moving m = {.self = self, .chunk = chunk, .round = round, .items = items, .kept = kept};
    if (config->frames->frame_count == 1)
        return WR_OK;
    m.table = wr_slices_at(&self->live, 0);
    if (config->mode == FRAMES_ARRIVAL && config->has_time)
        restart_frames(self, chunk, round, m.table);
    int status = WR_OK;
    for (m.frame = 1; m.frame < config->frames->frame_count && status == WR_OK; m.frame++) {
        m.is = &config->frames->frames[m.frame];
        m.counts = has_calls(config, m.frame, 0);
        status = leave(&m);
        if (status == WR_OK)
            status = enter(&m);
        if (status == WR_OK && has_calls(config, m.frame, 1))
            status = recompute(&m);
        if (status == WR_OK)
            status =
                frames_put_results(self, chunk, m.frame, round->live, round->rows, round->count);
    }
    return status;
}
