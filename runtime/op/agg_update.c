/* agg_update.c: `agg` whose results change: of `emit "update"`, of a changelog, of windows that
 * late rows may still correct. Each window has a table of its own; rows are taken in runs in which
 * no group comes twice (or, where nobody sees each change, in one run), and what a run did to the
 * results leaves as changes: the old result back, the new one out. `every`: agg_every.c. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/agg_update.h"
#include "base/banned.h"

#define PAIRS_MAX 65536u

static const struct agg_config *config_of(const struct agg *self) {
    return self->base.config;
}

static const struct wr_aggregates *aggregates_of(const struct agg *self) {
    return config_of(self)->aggregates;
}

static int64_t closes_at(const struct agg_config *config, int64_t start) {
    return wr_time_add(window_end(&config->window, start), config->lateness_us);
}

/* ---- rows to their windows ---- */

/* The windows that take a row; 0 of them: it is late. */
static uint32_t pairs_of_row(const struct agg *self, const struct wr_batch *in, uint32_t row,
                             struct pair *pairs) {
    const struct agg_config *config = config_of(self);
    const struct window *window = &config->window;
    if (!config->windowed) {
        pairs[0].mark = 0;
        return 1;
    }
    int64_t behind = in->behind == NULL ? WR_TIME_MIN : in->behind[row];
    int64_t last = window_last(window, in->event_time[row]);
    int64_t mark = window_first(window, in->event_time[row]);
    for (uint32_t count = 0;; mark = window_next(window, mark)) {
        if (closes_at(config, mark) > behind)
            pairs[count++].mark = mark;
        if (mark >= last)
            return count;
    }
}

static uint32_t windows_of_row(const struct agg_config *config) {
    return config->windowed ? window_overlap(&config->window) : 1;
}

static int pair_rows(struct agg *self, struct rows *rows, uint32_t each, uint32_t *late,
                     uint32_t *late_count) {
    uint64_t room = (uint64_t)(rows->end - rows->first) * each;
    rows->pairs = WR_ARENA_ARRAY(self->base.env->scratch, struct pair, room + 1);
    if (rows->pairs == NULL)
        return WR_ENOMEM;
    for (uint32_t at = rows->first; at < rows->end; at++) {
        uint32_t row = rows->sel == NULL ? at : rows->sel[at];
        uint32_t taken = pairs_of_row(self, rows->in, row, rows->pairs + rows->count);
        for (uint32_t i = 0; i < taken; i++)
            rows->pairs[rows->count++].at = at;
        if (taken == 0)
            late[(*late_count)++] = row;
    }
    return WR_OK;
}

/* Chains the pairs of each window; *heads: the first of each. */
static int chain_windows(struct agg *self, struct rows *rows, uint32_t **heads, uint32_t *count) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t *tails = WR_ARENA_ARRAY(scratch, uint32_t, rows->count + 1);
    *heads = WR_ARENA_ARRAY(scratch, uint32_t, rows->count + 1);
    *count = 0;
    if (tails == NULL || *heads == NULL)
        return WR_ENOMEM;
    uint32_t last = 0;
    for (uint32_t p = 0; p < rows->count; p++) {
        uint32_t w = last;
        rows->pairs[p].next = UINT32_MAX;
        if (w >= *count || rows->pairs[(*heads)[w]].mark != rows->pairs[p].mark)
            for (w = 0; w < *count; w++)
                if (rows->pairs[(*heads)[w]].mark == rows->pairs[p].mark)
                    break;
        if (w == *count) {
            (*heads)[w] = p;
            (*count)++;
        } else {
            rows->pairs[tails[w]].next = p;
        }
        tails[w] = p;
        last = w;
    }
    return WR_OK;
}

/* The group of each pair of one window, made where missing. */
static int find_groups(struct agg *self, struct rows *rows, uint32_t head) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t key_bytes = aggregates_of(self)->layout.key_bytes, count = 0;
    for (uint32_t p = head; p != UINT32_MAX; p = rows->pairs[p].next)
        count++;
    struct wr_table *table = wr_slices_at(&self->slices, rows->pairs[head].mark);
    char *keys = wr_arena_alloc(scratch, (size_t)count * key_bytes);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count);
    uint8_t **states = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    uint8_t *made = WR_ARENA_ZEROS(scratch, uint8_t, count);
    if (table == NULL || keys == NULL || hashes == NULL || states == NULL || made == NULL)
        return WR_ENOMEM;
    uint32_t i = 0;
    for (uint32_t p = head; p != UINT32_MAX; p = rows->pairs[p].next, i++) {
        memcpy(keys + (size_t)i * key_bytes, agg_key_at(self, rows->keys, rows->pairs[p].at),
               key_bytes);
        hashes[i] = agg_hash_at(self, rows->hashes, rows->pairs[p].at);
    }
    int status = wr_table_upsert(table, keys, hashes, count, states, made);
    i = 0;
    for (uint32_t p = head; status == WR_OK && p != UINT32_MAX; p = rows->pairs[p].next, i++) {
        rows->pairs[p].table = table;
        rows->pairs[p].state = states[i];
        rows->pairs[p].made = made[i];
    }
    return status;
}

/* ---- a run ---- */

int agg_seen_init(struct agg_seen *seen, struct wr_arena *scratch, uint32_t count) {
    uint32_t size = 16;
    while (size < 2 * count)
        size *= 2;
    seen->mask = size - 1;
    seen->slots = WR_ARENA_ZEROS(scratch, uint8_t *, size);
    return seen->slots == NULL ? WR_ENOMEM : WR_OK;
}

int agg_seen_add(struct agg_seen *seen, uint8_t *state) {
    uint32_t at = (uint32_t)((uintptr_t)state >> 3) * 2654435761u & seen->mask;
    for (; seen->slots[at] != NULL; at = (at + 1) & seen->mask)
        if (seen->slots[at] == state)
            return 1;
    seen->slots[at] = state;
    return 0;
}

int agg_seen_has(const struct agg_seen *seen, const uint8_t *state) {
    uint32_t at = (uint32_t)((uintptr_t)state >> 3) * 2654435761u & seen->mask;
    for (; seen->slots[at] != NULL; at = (at + 1) & seen->mask)
        if (seen->slots[at] == state)
            return 1;
    return 0;
}

int agg_add_pairs(struct agg *self, const struct rows *rows, uint32_t first, uint32_t count) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t *sel = WR_ARENA_ARRAY(scratch, uint32_t, count);
    uint8_t **states = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    uint8_t *done = WR_ARENA_ZEROS(scratch, uint8_t, count);
    int status = sel == NULL || states == NULL || done == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct wr_table *table = rows->pairs[first + i].table;
        uint32_t n = 0;
        for (uint32_t k = i; k < count && !done[i]; k++) {
            const struct pair *pair = &rows->pairs[first + k];
            if (pair->table != table)
                continue;
            done[k] = k != i;
            sel[n] = rows->sel == NULL ? pair->at : rows->sel[pair->at];
            states[n++] = pair->state;
        }
        if (n > 0)
            status = wr_aggregates_add(aggregates_of(self), &self->inputs_eval, table, states,
                                       rows->in, sel, n);
    }
    return status;
}

/* Whether results of a window leave as they change: not before it has fired, where only late rows
 * correct it. */
static int leaves(const struct agg *self, int64_t start) {
    const struct agg_config *config = config_of(self);
    return config->mode == AGG_UPDATE || (self->fired_any && start < self->fired_us);
}

/* Groups of a run: their pairs, the first of each group. */
struct touched {
    uint32_t count;
    uint32_t *pairs;
};

static int results_of(struct agg *self, const struct rows *rows, const struct touched *touched,
                      int old, struct agg_change *changes, struct wr_out *out,
                      struct wr_batch **result) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint8_t **states = WR_ARENA_ARRAY(scratch, uint8_t *, touched->count + 1);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, touched->count + 1);
    uint32_t *of = WR_ARENA_ARRAY(scratch, uint32_t, touched->count + 1), count = 0;
    uint8_t *is_good = WR_ARENA_ARRAY(scratch, uint8_t, touched->count + 1);
    if (states == NULL || spans == NULL || of == NULL || is_good == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < touched->count; i++) {
        const struct pair *pair = &rows->pairs[touched->pairs[i]];
        if ((old && pair->made) || !agg_is_live(self, pair->state))
            continue;
        states[count] = pair->state;
        spans[count] = agg_span_of(self, pair->mark);
        of[count++] = i;
    }
    int status = agg_results(self, states, spans, count, out, result, is_good);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        *(old ? &changes[of[i]].old_row : &changes[of[i]].new_row) = is_good[i] ? (int32_t)i : -1;
    return status;
}

int agg_forget_dead(struct agg *self, const struct rows *rows, uint32_t first,
                    uint32_t pair_count) {
    if (aggregates_of(self)->live < 0 ||
        (!config_of(self)->windowed && aggregates_of(self)->key_count == 0))
        return WR_OK;
    uint32_t *dead = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, pair_count + 1);
    uint32_t count = 0;
    if (dead == NULL)
        return WR_ENOMEM;
    for (uint32_t p = first; p < first + pair_count; p++) {
        dead[count] = p;
        count += !agg_is_live(self, rows->pairs[p].state);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pair *pair = &rows->pairs[dead[i]];
        wr_table_delete(pair->table, agg_key_at(self, rows->keys, pair->at),
                        agg_hash_at(self, rows->hashes, pair->at));
    }
    return WR_OK;
}

static int is_replaced(const struct rows *rows, uint32_t at) {
    const struct wr_batch *in = rows->in;
    uint32_t row = rows->sel == NULL ? at : rows->sel[at];
    if (in->replaced == NULL || !wr_bit_get(in->replaced, row) || at + 1 >= rows->end)
        return 0;
    return (rows->sel == NULL ? at + 1 : rows->sel[at + 1]) == row + 1;
}

/* The same where results lie in the rows of state. */
static int take_flat(struct agg *self, const struct rows *rows, uint32_t first, uint32_t count,
                     struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct agg_touched touched;
    struct agg_seen seen;
    if (agg_touched_init(&touched, scratch, count) != WR_OK ||
        agg_seen_init(&seen, scratch, count) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t p = first; p < first + count; p++) {
        const struct pair *pair = &rows->pairs[p];
        if (!leaves(self, pair->mark) || agg_seen_add(&seen, pair->state))
            continue;
        uint32_t at = touched.count++;
        touched.old[at] = pair->made ? NULL : pair->state;
        touched.now[at] = pair->state;
        touched.spans[at] = agg_span_of(self, pair->mark);
        touched.cause[at] = rows->sel == NULL ? pair->at : rows->sel[pair->at];
    }
    int status = agg_touched_keep(self, &touched);
    if (status == WR_OK)
        status = agg_add_pairs(self, rows, first, count);
    for (uint32_t i = 0; i < touched.count; i++)
        if (!agg_is_live(self, touched.now[i]))
            touched.now[i] = NULL;
    return status == WR_OK ? agg_tell(self, &touched, rows->in, out) : status;
}

/* Takes pairs first … first + count - 1 and emits what they changed. `*deleted`: states of later
 * pairs may have moved. */
static int take_run(struct agg *self, const struct rows *rows, uint32_t first, uint32_t count,
                    struct wr_out *out, int *deleted) {
    struct wr_arena *scratch = self->base.env->scratch;
    *deleted = aggregates_of(self)->live >= 0;
    if (config_of(self)->flat && count <= agg_flat_rows_max(self)) {
        int flow = take_flat(self, rows, first, count, out);
        int status = flow < 0 ? flow : agg_forget_dead(self, rows, first, count);
        return status < 0 ? status : flow;
    }
    struct touched touched = {.pairs = WR_ARENA_ARRAY(scratch, uint32_t, count)};
    struct agg_change *changes = WR_ARENA_ARRAY(scratch, struct agg_change, count);
    struct agg_seen seen;
    if (touched.pairs == NULL || changes == NULL || agg_seen_init(&seen, scratch, count) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t p = first; p < first + count; p++) {
        const struct pair *pair = &rows->pairs[p];
        if (!leaves(self, pair->mark) || agg_seen_add(&seen, pair->state))
            continue;
        changes[touched.count] =
            (struct agg_change){.old_row = -1,
                                .new_row = -1,
                                .old_end = agg_span_of(self, pair->mark).end,
                                .new_end = agg_span_of(self, pair->mark).end,
                                .cause = rows->sel == NULL ? pair->at : rows->sel[pair->at]};
        touched.pairs[touched.count++] = p;
    }
    struct wr_batch *before = NULL, *after = NULL;
    int status = results_of(self, rows, &touched, 1, changes, NULL, &before);
    if (status == WR_OK)
        status = agg_add_pairs(self, rows, first, count);
    if (status == WR_OK)
        status = results_of(self, rows, &touched, 0, changes, out, &after);
    int flow = status < 0
                   ? status
                   : agg_emit_changes(self, changes, touched.count, before, after, rows->in, out);
    wr_batch_unref(before);
    wr_batch_unref(after);
    status = flow < 0 ? flow : agg_forget_dead(self, rows, first, count);
    return status < 0 ? status : flow;
}

/* ---- push ---- */

/* Whether pair p takes back the row that the next pair of the same group brings anew. */
static int replaces(const struct rows *rows, uint32_t p) {
    const struct pair *pair = &rows->pairs[p];
    return pair[1].state == pair->state && pair[1].at == pair->at + 1 &&
           is_replaced(rows, pair->at);
}

/* Runs in which no group comes twice, but for the two sides of an update. */
static int take_runs(struct agg *self, struct rows *rows, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0; first < rows->count && flow == WR_FLOW_MORE;) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        struct agg_seen seen;
        uint32_t end = first;
        int deleted = 0;
        if (agg_seen_init(&seen, scratch, rows->count - first) != WR_OK)
            return WR_ENOMEM;
        while (end < rows->count && (!agg_seen_add(&seen, rows->pairs[end].state) ||
                                     (end > first && replaces(rows, end - 1))))
            end++;
        flow = take_run(self, rows, first, end - first, out, &deleted);
        first = end;
        if (deleted && first < rows->count) { /* what is left is found again */
            struct rows rest = *rows;
            uint32_t *heads, count;
            rest.pairs += first;
            rest.count -= first;
            int status = chain_windows(self, &rest, &heads, &count);
            for (uint32_t w = 0; w < count && status == WR_OK; w++)
                status = find_groups(self, &rest, heads[w]);
            flow = status < 0 ? status : flow;
        }
        wr_arena_rewind(scratch, mark);
    }
    return flow;
}

static int take_rows(struct agg *self, struct rows *rows, struct wr_out *out) {
    const struct agg_config *config = config_of(self);
    uint32_t *heads, windows = 0;
    int status = chain_windows(self, rows, &heads, &windows), deleted;
    for (uint32_t w = 0; w < windows && status == WR_OK; w++)
        status = find_groups(self, rows, heads[w]);
    if (status != WR_OK || rows->count == 0)
        return status;
    if (config->mode == AGG_DELTA)
        return agg_add_pairs(self, rows, 0, rows->count);
    if (config->every_us > 0)
        return agg_every_take(self, rows);
    return self->base.observed ? take_runs(self, rows, out)
                               : take_run(self, rows, 0, rows->count, out, &deleted);
}

int agg_update_push(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                    const char *keys, const uint64_t *hashes, struct wr_out *out) {
    const struct agg_config *config = config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t *late = WR_ARENA_ARRAY(scratch, uint32_t, count + 1), late_count = 0;
    uint32_t each = windows_of_row(config);
    uint32_t step = WR_MAX(PAIRS_MAX / each, 1u);
    if (late == NULL)
        return WR_ENOMEM;
    wr_slices_settle(&self->before);
    if (config->flat && !config->windowed && config->mode == AGG_UPDATE && config->every_us == 0 &&
        config->aggregates->live < 0)
        return agg_flat_push(self, in, sel, count, keys, hashes, out);
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0, end; first < count && flow == WR_FLOW_MORE; first = end) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        struct rows rows = {.in = in, .sel = sel, .keys = keys, .hashes = hashes, .first = first};
        rows.end = count;
        end = WR_MIN(first + step, count);
        end += (uint32_t)is_replaced(&rows, end - 1); /* an update is not torn */
        rows.end = end;
        flow = pair_rows(self, &rows, each, late, &late_count);
        if (flow == WR_OK)
            flow = take_rows(self, &rows, out);
        wr_arena_rewind(scratch, mark);
    }
    int status = flow < 0 ? flow : wr_op_emit_late(&self->base, in, late, late_count, out);
    return status < 0 ? status : flow;
}

/* ---- firing ---- */

/* Windows that end at or before the frontier, whose first results are due. */
static int fire_due(struct agg *self, int64_t frontier, struct wr_out *out) {
    const struct agg_config *config = config_of(self);
    int flow = WR_FLOW_MORE;
    for (uint32_t s = 0; s < self->slices.count && flow == WR_FLOW_MORE; s++) {
        const struct wr_slice *slice = &self->slices.items[s];
        int64_t end = config->windowed ? window_end(&config->window, slice->start_us) : WR_TIME_MAX;
        if (self->fired_any && slice->start_us < self->fired_us)
            continue;
        if (end > frontier)
            break;
        flow = agg_fire_table(self, slice->table, slice->start_us, out);
    }
    if (!config->windowed)
        return flow;
    /* The windows that end by now have fired, also those that nobody is in yet. */
    int64_t last = window_first(&config->window, frontier);
    if (!self->fired_any || last > self->fired_us) {
        self->fired_us = frontier == WR_TIME_MAX ? WR_TIME_MAX : last;
        self->fired_any = 1;
    }
    return flow;
}

/* What came since the last emission, of windows that start before `limit`. */
static int fire_deltas(struct agg *self, int64_t limit, struct wr_out *out) {
    int flow = WR_FLOW_MORE;
    for (uint32_t s = 0; s < self->slices.count && flow == WR_FLOW_MORE; s++)
        if (self->slices.items[s].start_us < limit)
            flow = agg_fire_table(self, self->slices.items[s].table, self->slices.items[s].start_us,
                                  out);
    wr_slices_drop_before(&self->slices, limit);
    return flow;
}

/* Whether a multiple of `every` has been passed since then, by the frontier or by the clock. */
static int is_due(struct agg *self, int64_t frontier) {
    int64_t every = config_of(self)->every_us, last = self->emitted_us;
    self->emitted_us = frontier;
    return frontier == WR_TIME_MAX ||
           (last != WR_TIME_MIN && window_multiple_after(every, last) <= frontier);
}

/* The start of the first window that rows can still reach; WR_TIME_MAX: of none that is here. */
static int64_t first_open(const struct agg *self, int64_t frontier) {
    const struct agg_config *config = config_of(self);
    if (!config->windowed)
        return frontier == WR_TIME_MAX ? WR_TIME_MAX : WR_TIME_MIN;
    for (uint32_t s = 0; s < self->slices.count; s++)
        if (closes_at(config, self->slices.items[s].start_us) > frontier)
            return self->slices.items[s].start_us;
    return WR_TIME_MAX;
}

/* At the end of a stream without a row; a `final` result is due anyway. No row has given it a time:
 * it stands at 0. */
static int fire_empty(struct agg *self, struct wr_out *out) {
    const struct agg_config *config = config_of(self);
    uint8_t made = 0;
    int status = agg_ensure_group(self, &made);
    if (status < 0 || !made || config->mode == AGG_FINAL)
        return status;
    struct agg_span span = agg_span_of(self, 0);
    uint8_t **rows = wr_keys_rows(&config->aggregates->layout, wr_slices_find(&self->slices, 0),
                                  self->base.env->scratch);
    struct wr_batch *batch = NULL;
    status = rows == NULL ? WR_ENOMEM : agg_results(self, rows, &span, 1, out, &batch, NULL);
    int64_t *time = batch == NULL ? NULL : WR_ARENA_ZEROS(&batch->arena, int64_t, 1);
    if (status == WR_OK && batch != NULL && time == NULL)
        status = WR_ENOMEM;
    if (status != WR_OK || batch == NULL || batch->sel_count == 0) {
        wr_batch_unref(batch);
        return status;
    }
    if (batch->event_time == NULL && config->has_time && config->every_us == 0)
        batch->event_time = time;
    return out->emit(out, WR_PORT_MAIN, batch);
}

/* What `every` held back, of windows that start before `limit`. */
static int fire_every(struct agg *self, int64_t limit, struct wr_out *out) {
    return config_of(self)->mode == AGG_DELTA ? fire_deltas(self, limit, out)
                                              : agg_every_emit(self, limit, out);
}

int agg_update_tick(struct agg *self, struct wr_out *out) {
    return is_due(self, self->base.env->now_us) ? fire_every(self, WR_TIME_MAX, out) : WR_OK;
}

int agg_update_fire(struct agg *self, int64_t frontier, struct wr_out *out) {
    const struct agg_config *config = config_of(self);
    int64_t open = first_open(self, frontier);
    int flow = frontier == WR_TIME_MAX && agg_is_one_group(self) && !self->fired_any
                   ? fire_empty(self, out)
                   : WR_FLOW_MORE;
    if (config->every_us > 0) { /* all windows, or those that are closing */
        int all = config->by_clock ? frontier == WR_TIME_MAX : is_due(self, frontier);
        flow = fire_every(self, all ? WR_TIME_MAX : open, out);
    }
    if (config->mode == AGG_FINAL)
        flow = fire_due(self, frontier, out);
    if (frontier == WR_TIME_MAX && !config->windowed)
        self->fired_any = 1;
    wr_slices_drop_before(&self->slices, open);
    return flow;
}
