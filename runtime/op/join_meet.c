/* join_meet.c: rows of both sides by key. A row that comes meets those of the other side that are
 * there, in the order of their times (then of their coming), and is kept for those to come. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/join.h"
#include "base/banned.h"

struct match {
    int64_t time_us;
    uint64_t id;
    struct wr_rowset_row *row;
};

/* Matches of a row, and rows on their way out. */
struct desk {
    struct join *self;
    const struct join_work *work;
    struct wr_out *out;
    /* Of each row: what it is, whether it can meet anything, and rows of the other side that have
     * its hash. */
    struct wr_rowset_entry *entries;
    struct wr_rowset_bounds *bounds;
    uint8_t *own_meets;
    struct wr_rowset_row **heads;
    uint32_t match_count, match_room;
    struct match *matches;
    uint32_t old_count, old_room; /* of the old row of an update */
    struct match *old_matches;
    uint32_t count, room;
    struct join_change *changes;
    uint32_t done; /* rows of `work` that have met all */
    int flow;
};

static const struct join_config *config_of(const struct join *self) {
    return self->base.config;
}

static int64_t weight_of(const struct wr_batch *in, uint32_t row) {
    return in->weight == NULL ? 1 : in->weight[row];
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
static int prepare(struct desk *desk) {
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

static int match_before(const struct match *a, const struct match *b) {
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->id < b->id;
}

static int compare_matches(const void *a, const void *b) {
    return match_before(a, b) ? -1 : match_before(b, a);
}

static int match_room(struct desk *desk) {
    if (desk->match_count < desk->match_room)
        return WR_OK;
    uint32_t room = WR_MAX(2 * desk->match_room, 64u);
    struct match *grown = WR_ARENA_ARRAY(desk->self->base.env->scratch, struct match, room);
    if (grown == NULL)
        return WR_ENOMEM;
    if (desk->match_count > 0)
        memcpy(grown, desk->matches, desk->match_count * sizeof *grown);
    desk->matches = grown;
    desk->match_room = room;
    return WR_OK;
}

/* All rows of the other side that row `i` meets, in order. */
static int find_matches(struct desk *desk, uint32_t i) {
    const struct join_config *config = config_of(desk->self);
    const struct join_work *work = desk->work;
    struct wr_rowset *other = &desk->self->sets[1 - work->side];
    if (desk->heads[i] == NULL && other->unindexed == 0 && other->rested == 0)
        return WR_OK;
    int sorted = 1;
    struct wr_rowset_probe probe;
    wr_rowset_probe_begin(&probe, other, work->keys + (size_t)i * config->layout.key_bytes,
                          work->hashes[i], &desk->bounds[i], desk->heads[i]);
    for (struct wr_rowset_row *row; (row = wr_rowset_probe_next(&probe)) != NULL;) {
        if (!meets(config, work->side, &desk->entries[i], &desk->bounds[i], row))
            continue;
        if (match_room(desk) != WR_OK)
            return WR_ENOMEM;
        struct match *match = &desk->matches[desk->match_count++];
        *match = (struct match){.time_us = row->time_us, .id = row->id, .row = row};
        sorted &= desk->match_count == 1 || match_before(match - 1, match);
    }
    if (probe.status != WR_OK)
        return join_failed(desk->self, probe.status);
    if (!sorted)
        qsort(desk->matches, desk->match_count, sizeof *desk->matches, compare_matches);
    return WR_OK;
}

/* ---- rows out ---- */

static int flush(struct desk *desk) {
    struct wr_arena *scratch = desk->self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    int status = WR_OK;
    if (desk->flow == WR_FLOW_MORE)
        status = join_emit(desk->self, desk->work->in, 1 - desk->work->side, desk->changes,
                           desk->count, desk->out);
    wr_arena_rewind(scratch, mark);
    desk->count = 0;
    if (status > 0)
        desk->flow = status;
    return WR_MIN(status, WR_OK);
}

static int64_t result_time(const struct desk *desk, uint32_t i, int is_row,
                           const struct wr_rowset_row *stored) {
    const struct join_config *config = config_of(desk->self);
    if (config->windowed)
        return window_result_time(window_end(&config->window, desk->work->marks[i]));
    int64_t own = join_time_of(desk->work->in, desk->work->rows[i]);
    if (stored == NULL)
        return own;
    int64_t other = stored->time_us;
    if (!is_row)
        return other;
    int64_t left = desk->work->side == 0 ? own : other, right = own + other - left;
    return config->time == JOIN_LATER       ? WR_MAX(left, right)
           : config->time == JOIN_TIME_LEFT ? left
                                            : right;
}

/* A row leaves: of row `i`, of a stored one, or both. */
static void put(struct desk *desk, uint32_t i, int is_row, struct wr_rowset_row *stored,
                int64_t time, int64_t weight) {
    uint32_t row = desk->work->rows[i];
    desk->changes[desk->count++] = (struct join_change){.row = is_row ? (int32_t)row : -1,
                                                        .stored = stored,
                                                        .time_us = time,
                                                        .mark = desk->work->marks[i],
                                                        .weight = weight,
                                                        .cause = row};
}

/* Before row `i`, and not among the windows of one row: whether that waits, since there is no room
 * for what was given for those before. */
static int stops(struct desk *desk, uint32_t i) {
    const uint32_t *rows = desk->work->rows;
    int stops = desk->out->is_full && i > 0 && rows[i] != rows[i - 1] && desk->flow == WR_FLOW_MORE;
    desk->done = stops ? i : desk->work->count;
    return stops;
}

/* Between two rows: what was read back for those before leaves, so that it may go to rest. */
static int let_go(struct desk *desk) {
    if (!join_is_crowded(desk->self))
        return WR_OK;
    int status = flush(desk);
    return status == WR_OK ? join_tend(desk->self) : status;
}

/* Room for two rows that stay together. */
static int reserve(struct desk *desk) {
    return desk->count + 2 > desk->room ? flush(desk) : WR_OK;
}

/* Row `i` meets one: their pair, and what that does to the other one. */
static int put_match(struct desk *desk, uint32_t i, const struct match *match, int64_t weight) {
    struct join *self = desk->self;
    const struct join_config *config = config_of(self);
    uint32_t other = 1 - desk->work->side;
    int alone = join_wants_alone(config, other), met = config->how == JOIN_SEMI && other == 0;
    int64_t before = 1, after = 1;
    int64_t pair_time = result_time(desk, i, 1, match->row);
    int64_t other_time = result_time(desk, i, 0, match->row);
    int status = reserve(desk);
    if (status != WR_OK)
        return status;
    if (alone || met) {
        before = match->row->matches;
        after = before + weight;
        /* Where nothing is taken back, one that was met stays so: no row changes for that. */
        if (before == 0 || config->updates[0] || config->updates[1])
            wr_rowset_match(&self->sets[other], match->row, weight);
    }
    if (alone && config->update && before == 0)
        put(desk, i, 0, match->row, other_time, -1);
    if (met && (before == 0 || after == 0))
        put(desk, i, 0, match->row, pair_time, weight);
    if (join_wants_pairs(config))
        put(desk, i, 1, match->row, pair_time, weight);
    if (alone && config->update && after == 0)
        put(desk, i, 0, match->row, other_time, 1);
    return WR_OK;
}

/* Those of `count` pairs from match `at` on for which `where` is true: *kept of them, in `sel`. */
static int ask_where(struct desk *desk, const struct join_change *pairs, uint32_t count,
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
static int keep_true(struct desk *desk, uint32_t i) {
    struct wr_arena *scratch = desk->self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint32_t room = WR_MIN(desk->self->base.env->batch_rows, desk->match_count), left = 0;
    struct join_change *pairs = WR_ARENA_ARRAY(scratch, struct join_change, room);
    uint32_t *sel = WR_ARENA_ARRAY(scratch, uint32_t, room);
    int status = pairs == NULL || sel == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t at = 0; at < desk->match_count && status == WR_OK;) {
        uint32_t count = WR_MIN(room, desk->match_count - at), kept = 0;
        for (uint32_t k = 0; k < count; k++)
            pairs[k] = (struct join_change){.row = (int32_t)desk->work->rows[i],
                                            .stored = desk->matches[at + k].row,
                                            .mark = desk->work->marks[i]};
        status = ask_where(desk, pairs, count, sel, &kept);
        for (uint32_t k = 0; k < kept && status == WR_OK; k++)
            desk->matches[left++] = desk->matches[at + sel[k]];
        at += count;
    }
    wr_arena_rewind(scratch, mark);
    desk->match_count = left;
    return status;
}

/* Keeps row `i`, or takes its like back. *is_there: whether there is or was one. */
static int store(struct desk *desk, uint32_t i, int64_t weight, int *is_there) {
    const struct join_work *work = desk->work;
    struct join *self = desk->self;
    const char *key = work->keys + (size_t)i * config_of(self)->layout.key_bytes;
    struct wr_rowset_entry *entry = &desk->entries[i];
    *is_there = 1;
    entry->matches = desk->match_count;
    if (weight < 0)
        return join_failed(self,
                           wr_rowset_remove(&self->sets[work->side], key, work->hashes[i],
                                            entry->from_us, work->in, work->rows[i], is_there));
    if (work->in->weight == NULL)
        return WR_OK; /* all at once, by store_all */
    return wr_rowset_add(&self->sets[work->side], key, &work->hashes[i], entry, work->in,
                         &work->rows[i], 1);
}

/* Keeps all rows that can meet something, of those that are done. */
static int store_all(struct desk *desk) {
    const struct join_work *work = desk->work;
    struct wr_arena *scratch = desk->self->base.env->scratch;
    struct wr_rowset *set = &desk->self->sets[work->side];
    uint32_t bytes = config_of(desk->self)->layout.key_bytes, count = 0;
    while (count < desk->done && desk->own_meets[count])
        count++;
    if (count == desk->done)
        return wr_rowset_add(set, work->keys, work->hashes, desk->entries, work->in, work->rows,
                             count);
    uint32_t *rows = WR_ARENA_ARRAY(scratch, uint32_t, desk->done);
    if (rows == NULL)
        return WR_ENOMEM;
    memcpy(rows, work->rows, count * sizeof *rows);
    for (uint32_t i = count; i < desk->done; i++) {
        if (!desk->own_meets[i])
            continue;
        memmove(work->keys + (size_t)count * bytes, work->keys + (size_t)i * bytes, bytes);
        work->hashes[count] = work->hashes[i];
        desk->entries[count] = desk->entries[i];
        rows[count++] = work->rows[i];
    }
    return wr_rowset_add(set, work->keys, work->hashes, desk->entries, work->in, rows, count);
}

/* What row `i` meets. */
static int look(struct desk *desk, uint32_t i) {
    desk->match_count = 0;
    int status = desk->own_meets[i] ? find_matches(desk, i) : WR_OK;
    if (status == WR_OK && config_of(desk->self)->where != NULL && desk->match_count > 0)
        status = keep_true(desk, i);
    return status;
}

/* Whether row `i` leaves without a partner, and with which time. */
static int leaves_alone(const struct desk *desk, uint32_t i, int64_t *time) {
    const struct join_config *config = config_of(desk->self);
    int met = config->how == JOIN_SEMI && desk->work->side == 0 && desk->match_count > 0;
    *time = result_time(desk, i, 1, met ? desk->matches[0].row : NULL);
    int alone = join_wants_alone(config, desk->work->side) && desk->match_count == 0;
    return met || (alone && (config->update || !desk->own_meets[i]));
}

static int put_row(struct desk *desk, uint32_t i) {
    int64_t weight = weight_of(desk->work->in, desk->work->rows[i]), time;
    int is_there = 1;
    int status = look(desk, i);
    if (status == WR_OK && desk->own_meets[i])
        status = store(desk, i, weight, &is_there);
    if (!is_there)
        return status; /* a row taken back that had been dropped */
    for (uint32_t m = 0; m < desk->match_count && status == WR_OK; m++)
        status = put_match(desk, i, &desk->matches[m], weight);
    if (status != WR_OK || !leaves_alone(desk, i, &time))
        return status;
    status = reserve(desk);
    if (status == WR_OK)
        put(desk, i, 1, NULL, time, weight);
    return status;
}

/* ---- updates ---- */

/* Whether row i is the old one of an update of the next, under the same key. */
static int is_update(const struct desk *desk, uint32_t i) {
    const struct join_work *work = desk->work;
    const struct wr_key_layout *layout = &config_of(desk->self)->layout;
    if (work->in->replaced == NULL || i + 1 >= work->count || config_of(desk->self)->windowed)
        return 0;
    const char *key = work->keys + (size_t)i * layout->key_bytes;
    return wr_bit_get(work->in->replaced, work->rows[i]) &&
           work->rows[i + 1] == work->rows[i] + 1 &&
           wr_keys_compare(layout, (const uint8_t *)key,
                           (const uint8_t *)key + layout->key_bytes) == 0;
}

static int same_matches(const struct desk *desk) {
    if (desk->match_count != desk->old_count)
        return 0;
    for (uint32_t m = 0; m < desk->match_count; m++)
        if (desk->matches[m].row != desk->old_matches[m].row)
            return 0;
    return 1;
}

/* The old row out and the new one in, next to each other. */
static int put_both(struct desk *desk, uint32_t i, struct wr_rowset_row *stored, int64_t old_time,
                    int64_t new_time) {
    int status = reserve(desk);
    if (status != WR_OK)
        return status;
    put(desk, i, 1, stored, old_time, -1);
    desk->changes[desk->count - 1].replaced = 1;
    put(desk, i + 1, 1, stored, new_time, 1);
    desk->changes[desk->count - 1].cause = desk->work->rows[i];
    return WR_OK;
}

/* Rows i and i + 1. What they meet is the same, or each goes for itself. */
static int put_update(struct desk *desk, uint32_t i) {
    const struct join_config *config = config_of(desk->self);
    int is_there = 1, is_kept;
    int64_t old_time, new_time;
    int status = look(desk, i);
    int old_alone = status == WR_OK && leaves_alone(desk, i, &old_time);
    struct match *old_matches = desk->old_matches;
    uint32_t old_room = desk->old_room;
    desk->old_count = desk->match_count;
    desk->old_matches = desk->matches;
    desk->old_room = desk->match_room;
    desk->matches = old_matches;
    desk->match_room = old_room;
    if (status == WR_OK)
        status = look(desk, i + 1);
    if (status != WR_OK)
        return status;
    if (!same_matches(desk) || desk->own_meets[i] != desk->own_meets[i + 1]) {
        status = put_row(desk, i);
        return status == WR_OK ? put_row(desk, i + 1) : status;
    }
    if (desk->own_meets[i])
        status = store(desk, i, -1, &is_there);
    if (status == WR_OK && !is_there)
        return put_row(desk, i + 1);
    if (status == WR_OK && desk->own_meets[i + 1])
        status = store(desk, i + 1, 1, &is_kept);
    for (uint32_t m = 0; m < desk->match_count && status == WR_OK; m++)
        if (join_wants_pairs(config))
            status = put_both(desk, i, desk->matches[m].row,
                              result_time(desk, i, 1, desk->matches[m].row),
                              result_time(desk, i + 1, 1, desk->matches[m].row));
    if (status == WR_OK && leaves_alone(desk, i + 1, &new_time) && old_alone)
        status = put_both(desk, i, NULL, old_time, new_time);
    return status;
}

/* Rows of which only their pairs leave, none is taken back, and no condition is asked. */
static int put_pairs(struct desk *desk) {
    const struct join_work *work = desk->work;
    const struct wr_rowset *other = &desk->self->sets[1 - work->side];
    int knows_all = other->unindexed == 0 && other->rested == 0, status = WR_OK;
    for (uint32_t i = 0; i < work->count && status == WR_OK && !stops(desk, i); i++) {
        desk->entries[i].matches = 0;
        if ((desk->heads[i] == NULL && knows_all) || !desk->own_meets[i])
            continue;
        desk->match_count = 0;
        status = find_matches(desk, i);
        desk->entries[i].matches = desk->match_count;
        for (uint32_t m = 0; m < desk->match_count && status == WR_OK; m++) {
            status = reserve(desk);
            struct wr_rowset_row *row = desk->matches[m].row;
            if (status == WR_OK)
                put(desk, i, 1, row, result_time(desk, i, 1, row), 1);
        }
        if (status == WR_OK)
            status = let_go(desk);
    }
    return status;
}

static int put_rows(struct desk *desk) {
    int status = WR_OK;
    for (uint32_t i = 0; i < desk->work->count && status == WR_OK && !stops(desk, i); i++) {
        if (is_update(desk, i)) {
            status = put_update(desk, i);
            i++;
        } else {
            status = put_row(desk, i);
        }
        if (status == WR_OK)
            status = let_go(desk);
    }
    return status;
}

int join_meet(struct join *self, const struct join_work *work, struct wr_out *out, uint32_t *done) {
    struct desk desk = {.self = self, .work = work, .out = out, .done = work->count};
    desk.room = WR_MAX(self->base.env->batch_rows, 2u);
    desk.changes = WR_ARENA_ARRAY(self->base.env->scratch, struct join_change, desk.room);
    int status = desk.changes == NULL ? WR_ENOMEM : prepare(&desk);
    const struct join_config *config = config_of(self);
    int plain = config->how == JOIN_INNER && config->where == NULL && work->in->weight == NULL;
    if (status == WR_OK)
        status = plain ? put_pairs(&desk) : put_rows(&desk);
    if (status == WR_OK)
        status = flush(&desk);
    if (status == WR_OK && work->in->weight == NULL)
        status = store_all(&desk);
    *done = desk.done;
    return status == WR_OK ? desk.flow : status;
}
