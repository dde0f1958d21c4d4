/* join_meet.c: rows of both sides by key. A row that comes meets those of the other side that are
 * there, in the order of their times (then of their coming), and is kept for those to come. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/join_desk.h"
#include "base/banned.h"

#define TEXT_BYTES_LEAST 1024u /* of a row of which no text is counted */
#define MATCHES_KEPT 1024u     /* room for so many stays where memory is short */

static const struct join_config *config_of(const struct join *self) {
    return self->base.config;
}

static int64_t weight_of(const struct wr_batch *in, uint32_t row) {
    return in->weight == NULL ? 1 : in->weight[row];
}

/* ---- rows out ---- */

int join_flush(struct join_desk *desk) {
    struct wr_arena *scratch = desk->self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    int status = WR_OK;
    if (desk->flow == WR_FLOW_MORE)
        status = join_emit(desk->self, desk->work->in, 1 - desk->work->side, desk->changes,
                           desk->count, desk->out);
    wr_arena_rewind(scratch, mark);
    desk->has_given |= desk->count > 0;
    desk->count = 0;
    desk->bytes = 0;
    if (status > 0)
        desk->flow = status;
    return WR_MIN(status, WR_OK);
}

static int64_t result_time(const struct join_desk *desk, uint32_t i, int is_row,
                           const struct join_match *match) {
    const struct join_config *config = config_of(desk->self);
    if (config->windowed)
        return window_result_time(window_end(&config->window, desk->work->marks[i]));
    int64_t own = join_time_of(desk->work->in, desk->work->rows[i]);
    if (match == NULL)
        return own;
    int64_t other = match->time_us;
    if (!is_row)
        return other;
    int64_t left = desk->work->side == 0 ? own : other, right = own + other - left;
    return config->time == JOIN_LATER       ? WR_MAX(left, right)
           : config->time == JOIN_TIME_LEFT ? left
                                            : right;
}

/* A row leaves: of row `i`, of a stored one, or both. */
static void put(struct join_desk *desk, uint32_t i, int is_row, struct wr_rowset_row *stored,
                int64_t time, int64_t weight) {
    uint32_t row = desk->work->rows[i];
    if (desk->bytes_max != 0 && stored != NULL)
        desk->bytes += wr_rowset_text_bytes(&desk->self->sets[1 - desk->work->side], stored);
    desk->changes[desk->count++] = (struct join_change){.row = is_row ? (int32_t)row : -1,
                                                        .stored = stored,
                                                        .time_us = time,
                                                        .mark = desk->work->marks[i],
                                                        .weight = weight,
                                                        .cause = row};
}

/* Before row `i`, and not among the windows of one row: whether that waits, since there is no room
 * for what was given for those before. */
static int stops(struct join_desk *desk, uint32_t i) {
    const uint32_t *rows = desk->work->rows;
    int stops = desk->out->is_full && i > 0 && rows[i] != rows[i - 1] && desk->flow == WR_FLOW_MORE;
    desk->done = stops ? i : desk->work->count;
    return stops;
}

/* The same among the matches of row `i`, when some have left. */
static int stops_amid(struct join_desk *desk, uint32_t i) {
    int stops = desk->out->is_full && desk->has_given && desk->flow == WR_FLOW_MORE;
    if (stops)
        desk->done = i;
    desk->self->is_amid = (uint8_t)stops;
    return stops;
}

/* Between two rows: what was read back for those before leaves, so that it may go to rest. */
int join_let_go(struct join_desk *desk) {
    if (!join_is_crowded(desk->self))
        return WR_OK;
    int status = join_flush(desk);
    return status == WR_OK ? join_tend(desk->self) : status;
}

/* Room for two rows that stay together. */
static int reserve(struct join_desk *desk) {
    int is_full = desk->count + 2 > desk->room || desk->bytes > desk->bytes_max;
    return is_full && desk->count > 0 ? join_flush(desk) : WR_OK;
}

/* Row `i` meets one: their pair, and what that does to the other one. */
static int put_match(struct join_desk *desk, uint32_t i, struct join_match *match, int64_t weight) {
    struct join *self = desk->self;
    const struct join_config *config = config_of(self);
    uint32_t other = 1 - desk->work->side;
    int alone = join_wants_alone(config, other), met = config->how == JOIN_SEMI && other == 0;
    int64_t before = 1, after = 1;
    int64_t pair_time = result_time(desk, i, 1, match);
    int64_t other_time = result_time(desk, i, 0, match);
    int status = reserve(desk);
    if (status == WR_OK)
        status = join_wake(desk, i, match);
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

/* Keeps row `i`, or takes its like back. *is_there: whether there is or was one. */
static int store(struct join_desk *desk, uint32_t i, int64_t weight, int *is_there) {
    const struct join_work *work = desk->work;
    struct join *self = desk->self;
    const char *key = work->keys + (size_t)i * config_of(self)->layout.key_bytes;
    struct wr_rowset_entry *entry = &desk->entries[i];
    *is_there = 1;
    entry->matches = self->met.count;
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
static int store_all(struct join_desk *desk) {
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

/* Whether row `i` leaves without a partner, and with which time. */
static int leaves_alone(const struct join_desk *desk, uint32_t i, int64_t *time) {
    const struct join_config *config = config_of(desk->self);
    const struct join_matches *matches = &desk->self->met;
    int met = config->how == JOIN_SEMI && desk->work->side == 0 && matches->count > 0;
    *time = result_time(desk, i, 1, met ? &matches->items[0] : NULL);
    int alone = join_wants_alone(config, desk->work->side) && matches->count == 0;
    return met || (alone && (config->update || !desk->own_meets[i]));
}

/* Row `i` has been looked at and kept; it stops among its matches where it may. */
static int put_looked_at(struct join_desk *desk, uint32_t i, int64_t weight, int may_stop) {
    struct join *self = desk->self;
    int status = WR_OK;
    for (; self->met_at < self->met.count && status == WR_OK; self->met_at++) {
        if (may_stop && stops_amid(desk, i))
            return WR_OK;
        status = put_match(desk, i, &self->met.items[self->met_at], weight);
    }
    self->is_amid = 0;
    int64_t time;
    if (status != WR_OK || !leaves_alone(desk, i, &time))
        return status;
    status = reserve(desk);
    if (status == WR_OK)
        put(desk, i, 1, NULL, time, weight);
    return status;
}

static int put_row(struct join_desk *desk, uint32_t i, int may_stop) {
    int64_t weight = weight_of(desk->work->in, desk->work->rows[i]);
    if (desk->self->is_amid) {
        desk->entries[i].matches = desk->self->met.count;
        return put_looked_at(desk, i, weight, may_stop);
    }
    int is_there = 1;
    int status = join_look(desk, i);
    if (status == WR_OK && desk->own_meets[i])
        status = store(desk, i, weight, &is_there);
    if (status != WR_OK || !is_there) /* one that is taken back had been dropped */
        return status;
    return put_looked_at(desk, i, weight, may_stop);
}

/* ---- updates ---- */

/* Whether row i is the old one of an update of the next, under the same key. */
static int is_update(const struct join_desk *desk, uint32_t i) {
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

static int same_matches(const struct join *self) {
    const struct join_matches *now = &self->met, *before = &self->met_before;
    if (now->count != before->count)
        return 0;
    for (uint32_t m = 0; m < now->count; m++)
        if (now->items[m].id != before->items[m].id)
            return 0;
    return 1;
}

/* The old row out and the new one in, next to each other. */
static int put_both(struct join_desk *desk, uint32_t i, struct join_match *match, int64_t old_time,
                    int64_t new_time) {
    int status = reserve(desk);
    if (status == WR_OK && match != NULL)
        status = join_wake(desk, i, match);
    if (status != WR_OK)
        return status;
    struct wr_rowset_row *stored = match == NULL ? NULL : match->row;
    put(desk, i, 1, stored, old_time, -1);
    desk->changes[desk->count - 1].replaced = 1;
    put(desk, i + 1, 1, stored, new_time, 1);
    desk->changes[desk->count - 1].cause = desk->work->rows[i];
    return WR_OK;
}

/* Rows i and i + 1. What they meet is the same, or each goes for itself. */
static int put_update(struct join_desk *desk, uint32_t i) {
    struct join *self = desk->self;
    const struct join_config *config = config_of(self);
    int is_there = 1, is_kept;
    int64_t old_time, new_time;
    int status = join_look(desk, i);
    int old_alone = status == WR_OK && leaves_alone(desk, i, &old_time);
    struct join_matches before = self->met_before;
    self->met_before = self->met;
    self->met = before;
    if (status == WR_OK)
        status = join_look(desk, i + 1);
    if (status != WR_OK)
        return status;
    if (!same_matches(self) || desk->own_meets[i] != desk->own_meets[i + 1]) {
        status = put_row(desk, i, 0);
        return status == WR_OK ? put_row(desk, i + 1, 0) : status;
    }
    if (desk->own_meets[i])
        status = store(desk, i, -1, &is_there);
    if (status == WR_OK && !is_there)
        return put_row(desk, i + 1, 0);
    if (status == WR_OK && desk->own_meets[i + 1])
        status = store(desk, i + 1, 1, &is_kept);
    for (uint32_t m = 0; m < self->met.count && status == WR_OK; m++) {
        struct join_match *match = &self->met.items[m];
        if (join_wants_pairs(config))
            status = put_both(desk, i, match, result_time(desk, i, 1, match),
                              result_time(desk, i + 1, 1, match));
    }
    if (status == WR_OK && leaves_alone(desk, i + 1, &new_time) && old_alone)
        status = put_both(desk, i, NULL, old_time, new_time);
    return status;
}

/* ---- all rows ---- */

/* Row `i` leaves with each that it meets, and with nothing else. */
static int put_pairs_of(struct join_desk *desk, uint32_t i) {
    struct join *self = desk->self;
    int status = WR_OK;
    if (!self->is_amid) {
        self->met.count = self->met_at = 0;
        self->met.rest = 0;
        status = join_find(desk, i);
    }
    self->is_amid = 0;
    desk->entries[i].matches = self->met.count;
    for (; self->met_at < self->met.count && status == WR_OK; self->met_at++) {
        if (stops_amid(desk, i))
            return WR_OK;
        struct join_match *match = &self->met.items[self->met_at];
        status = reserve(desk);
        if (status == WR_OK)
            status = join_wake(desk, i, match);
        if (status == WR_OK)
            put(desk, i, 1, match->row, result_time(desk, i, 1, match), 1);
    }
    return status;
}

/* Rows of which only their pairs leave, none is taken back, and no condition is asked. */
static int put_pairs(struct join_desk *desk) {
    const struct join_work *work = desk->work;
    const struct wr_rowset *other = &desk->self->sets[1 - work->side];
    int knows_all = other->unindexed == 0 && other->rested == 0, status = WR_OK;
    for (uint32_t i = 0; i < work->count && status == WR_OK && !stops(desk, i); i++) {
        desk->entries[i].matches = 0;
        if (!desk->self->is_amid && ((desk->heads[i] == NULL && knows_all) || !desk->own_meets[i]))
            continue;
        status = put_pairs_of(desk, i);
        if (desk->self->is_amid)
            break;
        if (status == WR_OK)
            status = join_let_go(desk);
    }
    return status;
}

static int put_rows(struct join_desk *desk) {
    int status = WR_OK;
    for (uint32_t i = 0; i < desk->work->count && status == WR_OK && !stops(desk, i); i++) {
        if (!desk->self->is_amid && is_update(desk, i)) {
            status = put_update(desk, i);
            i++;
        } else {
            status = put_row(desk, i, 1);
        }
        if (desk->self->is_amid)
            break;
        if (status == WR_OK)
            status = join_let_go(desk);
    }
    return status;
}

/* Room for the matches of a row that met very many goes back. */
static void give_back(struct join *self, struct join_matches *matches) {
    struct wr_budget *budget = self->base.env->state_budget;
    if (self->is_amid || matches->room <= MATCHES_KEPT || !wr_budget_is_tight(budget))
        return;
    wr_free(budget, matches->items);
    *matches = (struct join_matches){NULL};
}

/* Texts of stored rows are copied for each row that leaves: they count where room is little. */
static uint64_t text_bytes_max(const struct join *self, uint32_t side) {
    const struct wr_op_env *env = self->base.env;
    int is_counted = self->sets[side].shape.cell_count > 0 &&
                     env->batch_bytes / TEXT_BYTES_LEAST < env->batch_rows;
    return is_counted ? env->batch_bytes : 0;
}

int join_meet(struct join *self, const struct join_work *work, struct wr_out *out, uint32_t *done) {
    struct join_desk desk = {.self = self, .work = work, .out = out, .done = work->count};
    desk.room = WR_MAX(self->base.env->batch_rows, 2u);
    desk.bytes_max = text_bytes_max(self, 1 - work->side);
    desk.changes = WR_ARENA_ARRAY(self->base.env->scratch, struct join_change, desk.room);
    int status = desk.changes == NULL ? WR_ENOMEM : join_prepare(&desk);
    const struct join_config *config = config_of(self);
    int plain = config->how == JOIN_INNER && config->where == NULL && work->in->weight == NULL;
    if (status == WR_OK)
        status = plain ? put_pairs(&desk) : put_rows(&desk);
    if (status == WR_OK)
        status = join_flush(&desk);
    if (status == WR_OK && work->in->weight == NULL)
        status = store_all(&desk);
    if (status != WR_OK || desk.flow != WR_FLOW_MORE) { /* nobody goes on with the row */
        self->is_amid = 0;
        self->met.count = self->met_at = 0;
    }
    give_back(self, &self->met);
    give_back(self, &self->met_before);
    *done = desk.done;
    return status == WR_OK ? desk.flow : status;
}
