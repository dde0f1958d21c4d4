/* join_look.c: which rows of the other side a row meets. Where they are more than may be in memory
 * at once, those that rest are found by their numbers, and read back as they leave. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/join_desk.h"
#include "base/banned.h"

static const struct join_config *config_of(const struct join *self) {
    return self->base.config;
}

static int bound(const struct wr_column *column, uint32_t row, int64_t time, int64_t by,
                 int64_t *at) {
    if (column == NULL) {
        *at = wr_time_add(time, by);
        return 1;
    }
    *at = WR_I64(column)[row];
    return !wr_column_is_nil(column, row);
}

/* What a row meets, as its entry says it. 0: nothing, a bound is nil. */
static int entry_of(const struct join_config *config, const struct join_work *work, uint32_t i,
                    struct wr_rowset_entry *entry) {
    uint32_t row = work->rows[i];
    int64_t time = join_time_of(work->in, row), behind = join_behind_of(work->in, row);
    *entry = (struct wr_rowset_entry){.time_us = time, .until_us = WR_TIME_MAX};
    /* One whose bounds lie before the frontier is kept until that passes the next end of a slice,
     * so that it does not matter how far it has been told. */
    entry->stays_us = WR_MAX(time, behind);
    if (config->windowed) {
        entry->from_us = work->marks[i];
        entry->until_us = window_end(&config->window, work->marks[i]) - 1;
    } else if (config->interval && work->side == 0) {
        return bound(work->lo, row, time, config->lo_us, &entry->from_us) &&
               bound(work->hi, row, time, config->hi_us, &entry->until_us);
    } else if (config->interval) {
        int64_t keep = config->lo_item < 0      ? -config->lo_us
                       : config->retain_us >= 0 ? config->retain_us
                                                : 0;
        entry->until_us = wr_time_add(time, keep);
    } else if (config->retain_us >= 0) {
        entry->until_us = wr_time_add(entry->stays_us, config->retain_us);
    }
    return 1;
}

/* What rows that meet this one say, but for what only a left one says of a right one. */
static struct wr_rowset_bounds bounds_of(const struct join_config *config,
                                         const struct join_work *work,
                                         const struct wr_rowset_entry *own) {
    struct wr_rowset_bounds bounds = {WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN};
    if (config->windowed)
        return bounds;
    bounds.until_min = own->time_us;
    if (!config->interval) {
        bounds.until_min = WR_MAX(own->time_us, own->stays_us);
    } else if (work->side == 0) {
        bounds.time_min = own->from_us;
        bounds.time_max = own->until_us;
    } else {
        bounds.time_max = own->until_us;
    }
    return bounds;
}

static inline int meets(const struct join_config *config, uint32_t side,
                        const struct wr_rowset_entry *own, const struct wr_rowset_bounds *bounds,
                        const struct wr_rowset_row *other) {
    return other->until_us >= bounds->until_min && other->time_us >= bounds->time_min &&
           other->time_us <= bounds->time_max &&
           (!config->interval || side == 0 || other->from_us <= own->time_us);
}

/* What all rows are, and what of the other side has their hashes. */
int join_prepare(struct join_desk *desk) {
    struct join *self = desk->self;
    const struct join_config *config = config_of(self);
    const struct join_work *work = desk->work;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = work->count;
    desk->entries = WR_ARENA_ARRAY(scratch, struct wr_rowset_entry, count + 1);
    desk->bounds = WR_ARENA_ARRAY(scratch, struct wr_rowset_bounds, count + 1);
    desk->own_meets = WR_ARENA_ARRAY(scratch, uint8_t, count + 1);
    desk->heads = WR_ARENA_ARRAY(scratch, struct wr_rowset_row *, count + 1);
    if (desk->entries == NULL || desk->bounds == NULL || desk->own_meets == NULL ||
        desk->heads == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const char *key = work->keys + (size_t)i * config->layout.key_bytes;
        desk->own_meets[i] = (uint8_t)(entry_of(config, work, i, &desk->entries[i]) &&
                                       !equi_matches_nothing(&config->layout, key));
        desk->bounds[i] = bounds_of(config, work, &desk->entries[i]);
    }
    return wr_rowset_heads(&self->sets[1 - work->side], work->keys, work->hashes, desk->bounds,
                           count, desk->heads);
}

static int match_before(const struct join_match *a, const struct join_match *b) {
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->id < b->id;
}

static int compare_matches(const void *a, const void *b) {
    return match_before(a, b) ? -1 : match_before(b, a);
}

/* Those of a list that lie in blocks which may go back to rest. */
static void forget_rested(struct join_desk *desk, struct join_match *from, uint32_t count) {
    const struct wr_rowset *other = &desk->self->sets[1 - desk->work->side];
    for (uint32_t m = 0; m < count; m++)
        if (from[m].row != NULL && wr_rowset_is_at_rest(other, from[m].row))
            from[m].row = NULL;
}

/* `match` is the last of those found so far. Where they are more than may be awake, those that were
 * read back rest again. */
static int let_rest(struct join_desk *desk, struct join_match *match) {
    struct join_matches *met = &desk->self->met;
    if (!met->rest && !join_is_crowded(desk->self))
        return WR_OK;
    if (met->rest)
        forget_rested(desk, match, 1);
    else
        forget_rested(desk, met->items, met->count);
    met->rest = 1;
    if (!join_is_crowded(desk->self))
        return WR_OK;
    int status = join_flush(desk); /* what rows before have met is in use */
    return status == WR_OK ? join_tend(desk->self) : status;
}

/* All rows of the other side that row `i` meets, in order. */
int join_find(struct join_desk *desk, uint32_t i) {
    const struct join_config *config = config_of(desk->self);
    const struct join_work *work = desk->work;
    struct wr_rowset *other = &desk->self->sets[1 - work->side];
    struct join_matches *met = &desk->self->met;
    struct wr_budget *budget = desk->self->base.env->state_budget;
    if (desk->heads[i] == NULL && other->unindexed == 0 && other->rested == 0)
        return WR_OK;
    int sorted = 1;
    struct wr_rowset_probe probe;
    wr_rowset_probe_begin(&probe, other, work->keys + (size_t)i * config->layout.key_bytes,
                          work->hashes[i], &desk->bounds[i], desk->heads[i]);
    for (struct wr_rowset_row *row; (row = wr_rowset_probe_next(&probe)) != NULL;) {
        if (!meets(config, work->side, &desk->entries[i], &desk->bounds[i], row))
            continue;
        if (met->count == met->room && wr_grow(budget, (void **)&met->items, met->count, &met->room,
                                               sizeof *met->items) != WR_OK)
            return WR_ENOMEM;
        struct join_match *match = &met->items[met->count++];
        *match = (struct join_match){.time_us = row->time_us, .id = row->id, .row = row};
        sorted &= met->count == 1 || match_before(match - 1, match);
        int status = other->rested > 0 ? let_rest(desk, match) : WR_OK;
        if (status != WR_OK)
            return status;
    }
    if (probe.status != WR_OK)
        return join_failed(desk->self, probe.status);
    if (!sorted)
        qsort(met->items, met->count, sizeof *met->items, compare_matches);
    return WR_OK;
}

/* ---- memory ---- */

/* The row of a match, which may have to be read back. */
static int read_back(struct join_desk *desk, uint32_t i, struct join_match *match) {
    struct join *self = desk->self;
    int status = WR_OK;
    if (match->row == NULL)
        match->row = wr_rowset_find_rested(&self->sets[1 - desk->work->side], desk->work->hashes[i],
                                           match->id, &status);
    WR_ASSERT(status != WR_OK || match->row != NULL);
    return join_failed(self, status);
}

/* The same; others go back to rest, when what was given for them has left. */
int join_wake_rested(struct join_desk *desk, uint32_t i, struct join_match *match) {
    int status = join_let_go(desk);
    return status == WR_OK ? read_back(desk, i, match) : status;
}

/* ---- `where` ---- */

/* Those of `count` pairs from match `at` on for which `where` is true: *kept of them, in `sel`. */
static int ask_where(struct join_desk *desk, const struct join_change *pairs, uint32_t count,
                     uint32_t *sel, uint32_t *kept) {
    struct join *self = desk->self;
    const struct join_config *config = config_of(self);
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, config->joined.schema);
    if (batch == NULL)
        return WR_ENOMEM;
    batch->row_count = batch->sel_count = count;
    uint32_t *cause = WR_ARENA_ARRAY(&batch->arena, uint32_t, count);
    for (uint32_t i = 0; cause != NULL && i < count; i++)
        cause[i] = (uint32_t)pairs[i].row;
    batch->cause = cause;
    int status = cause == NULL ? WR_ENOMEM
                               : join_fill(self, &config->joined, config->where_reads, batch,
                                           desk->work->in, 1 - desk->work->side, pairs, count);
    wr_op_eval_begin(&self->base, &self->where_eval);
    if (status == WR_OK)
        status = wr_list_filter(config->where, &self->where_eval, batch, sel, kept);
    if (status >= 0 && self->where_eval.fail_count > 0)
        status = wr_op_reject_fails(&self->base, &self->where_eval, batch, desk->out);
    wr_batch_unref(batch);
    return WR_MIN(status, WR_OK);
}

/* Drops the matches for which `where` is not true. */
static int keep_true(struct join_desk *desk, uint32_t i) {
    struct wr_arena *scratch = desk->self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct join_matches *met = &desk->self->met;
    uint32_t room = WR_MIN(desk->self->base.env->batch_rows, met->count), left = 0;
    struct join_change *pairs = WR_ARENA_ARRAY(scratch, struct join_change, room);
    uint32_t *sel = WR_ARENA_ARRAY(scratch, uint32_t, room);
    int status = pairs == NULL || sel == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t at = 0; at < met->count && status == WR_OK;) {
        uint32_t most = WR_MIN(room, met->count - at), count = 0, kept = 0;
        status = met->rest ? join_let_go(desk) : WR_OK;
        for (; count < most && status == WR_OK; count++) {
            if (count > 0 && met->rest && join_is_crowded(desk->self))
                break;
            status = read_back(desk, i, &met->items[at + count]);
            pairs[count] = (struct join_change){.row = (int32_t)desk->work->rows[i],
                                                .stored = met->items[at + count].row,
                                                .mark = desk->work->marks[i]};
        }
        if (status == WR_OK)
            status = ask_where(desk, pairs, count, sel, &kept);
        if (met->rest)
            forget_rested(desk, met->items + at, count);
        for (uint32_t k = 0; k < kept && status == WR_OK; k++)
            met->items[left++] = met->items[at + sel[k]];
        at += count;
    }
    wr_arena_rewind(scratch, mark);
    met->count = left;
    return status;
}

/* ---- all of it ---- */

/* What row `i` meets. */
int join_look(struct join_desk *desk, uint32_t i) {
    struct join *self = desk->self;
    self->met.count = self->met_at = 0;
    self->met.rest = 0;
    int status = desk->own_meets[i] ? join_find(desk, i) : WR_OK;
    if (status == WR_OK && config_of(self)->where != NULL && self->met.count > 0)
        status = keep_true(desk, i);
    return status;
}
