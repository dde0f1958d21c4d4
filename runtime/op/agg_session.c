/* agg_session.c: `agg` over sessions: a key's rows of which none is further than the gap from the
 * next. A row that comes opens a window [time, time + gap); all sessions of its key that this
 * window meets or touches become one with it, and lateness is judged on what they become.
 *
 * A session is closed for a row whose own frontier is behind its end plus allowed lateness: so it
 * does not matter when closed ones are dropped, nor how rows are cut into batches, also where rows
 * come in the order of time and have no frontier of their own. A session fires when the frontier
 * has passed its end, in the order of ends. With a longest duration, a row
 * joins a session only while the last row stays less than that behind the first.
 * Source: Akidau et al., "The Dataflow Model", 2015; MergingWindowSet of Flink (gap exactly equal
 * merges). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/agg.h"
#include "base/banned.h"

/* A row and what it makes of its group's sessions. */
struct plan {
    uint32_t at; /* its number in the selection */
    uint32_t row;
    uint8_t *group;
    struct agg_part merged;
    uint32_t first_old, old_count; /* places of the sessions that it merges, in `olds` */
    uint8_t is_late;
};

struct old {
    uint32_t place; /* in the group's list */
    int64_t id;
    struct agg_span span;
};

/* Rows of one push. */
struct work {
    struct wr_batch *in;
    const uint32_t *sel;
    const char *keys;
    const uint64_t *hashes;
    uint8_t **groups;
    struct plan *plans; /* of this run */
    uint32_t plan_count;
    struct old *olds;
    uint32_t old_count, old_room;
    int64_t *ids; /* rows that wait to be added: their sessions */
    const char **state_keys;
    uint32_t *rows;
    uint32_t waiting;
};

static const struct agg_config *config_of(const struct agg *self) {
    return self->base.config;
}

/* ---- what a row does ------------------------------------------------------------------------ */

static int joins(const struct agg *self, const struct agg_part *a, const struct agg_part *b) {
    if (a->first > agg_session_end(self, b) || b->first > agg_session_end(self, a))
        return 0;
    int64_t max_us = config_of(self)->window.max_us, length;
    int64_t first = WR_MIN(a->first, b->first), last = WR_MAX(a->last, b->last);
    return max_us == WR_TIME_MAX ||
           (!__builtin_sub_overflow(last, first, &length) && length < max_us);
}

static int olds_reserve(struct agg *self, struct work *work, uint32_t more) {
    if (work->old_count + more <= work->old_room)
        return WR_OK;
    uint32_t room = 2 * (work->old_count + more) + 64;
    struct old *olds = WR_ARENA_ARRAY(self->base.env->scratch, struct old, room);
    if (olds == NULL)
        return WR_ENOMEM;
    if (work->old_count > 0)
        memcpy(olds, work->olds, work->old_count * sizeof *olds);
    work->olds = olds;
    work->old_room = room;
    return WR_OK;
}

static int by_place(const void *a, const void *b) {
    const struct old *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Which sessions the row merges, and what comes of it; nothing is changed yet. */
static int plan_session(struct agg *self, struct work *work, uint32_t at, int64_t gap_us,
                        struct plan *plan) {
    uint32_t row = work->sel == NULL ? at : work->sel[at], count;
    int64_t time = work->in->event_time[row];
    int64_t behind = work->in->behind == NULL ? WR_TIME_MIN : work->in->behind[row];
    behind = agg_session_frontier(config_of(self), behind);
    struct agg_part *list = agg_group_parts(&self->parts, work->groups[at], &count);
    *plan = (struct plan){
        .at = at, .row = row, .group = work->groups[at], .first_old = work->old_count};
    struct agg_part *merged = &plan->merged;
    *merged =
        (struct agg_part){.id = -1, .first = time, .last = time, .end = wr_time_add(time, gap_us)};
    if (olds_reserve(self, work, count) != WR_OK)
        return WR_ENOMEM;
    struct old *olds = work->olds + work->old_count;
    for (int again = 1; again;) { /* what is merged may meet further ones */
        again = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t k = 0;
            while (k < plan->old_count && olds[k].place != i)
                k++;
            if (k < plan->old_count || agg_session_closes(self, &list[i]) <= behind ||
                !joins(self, merged, &list[i]))
                continue;
            merged->first = WR_MIN(merged->first, list[i].first);
            merged->last = WR_MAX(merged->last, list[i].last);
            merged->end = WR_MAX(merged->end, list[i].end);
            olds[plan->old_count++] = (struct old){
                .place = i, .id = list[i].id, .span = agg_session_span(self, &list[i])};
            again = 1;
        }
    }
    if (plan->old_count > 1)
        qsort(olds, plan->old_count, sizeof *olds, by_place);
    plan->is_late = agg_session_closes(self, merged) <= behind;
    if (plan->is_late)
        plan->old_count = 0;
    work->old_count += plan->old_count;
    return WR_OK;
}

/* The same where a group ends at a time that its rows say, the latest of them: the newest part that
 * is not forgotten takes the row, or has ended and refuses it. A row that a window made has no
 * frontier of its own: those came in the order of their times. */
static int plan_group(struct agg *self, struct work *work, uint32_t at, int64_t at_us,
                      struct plan *plan) {
    uint32_t row = work->sel == NULL ? at : work->sel[at], count;
    const struct wr_batch *in = work->in;
    int64_t behind = in->behind == NULL ? in->event_time[row] : in->behind[row];
    struct agg_part *list = agg_group_parts(&self->parts, work->groups[at], &count);
    *plan = (struct plan){
        .at = at, .row = row, .group = work->groups[at], .first_old = work->old_count};
    plan->merged = (struct agg_part){.id = -1, .end = wr_time_add(at_us, WINDOW_RESULT_DELAY_US)};
    if (olds_reserve(self, work, 1) != WR_OK)
        return WR_ENOMEM;
    uint32_t newest = count; /* parts stand in the order of their ends */
    if (count > 0 && agg_session_closes(self, &list[count - 1]) > behind)
        newest = count - 1;
    if (newest < count) {
        plan->is_late = list[newest].end <= behind;
        plan->merged.end = WR_MAX(plan->merged.end, list[newest].end);
        work->olds[work->old_count] = (struct old){.place = newest, .id = list[newest].id};
        plan->old_count = plan->is_late ? 0 : 1;
    } else {
        plan->is_late = plan->merged.end <= behind;
    }
    work->old_count += plan->old_count;
    return WR_OK;
}

/* Adds the rows that wait to the states of their sessions. */
static int flush(struct agg *self, struct work *work) {
    if (work->waiting == 0)
        return WR_OK;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint8_t **states = WR_ARENA_ARRAY(scratch, uint8_t *, work->waiting);
    int status = states == NULL ? WR_ENOMEM
                                : agg_states_at(&self->parts, scratch, work->ids, work->state_keys,
                                                work->waiting, states);
    if (status == WR_OK)
        status = wr_aggregates_add(config_of(self)->aggregates, &self->inputs_eval,
                                   self->parts.states, states, work->in, work->rows, work->waiting);
    wr_arena_rewind(scratch, mark);
    work->waiting = 0;
    return status;
}

/* The later sessions of a plan go into its first. */
static int merge_states(struct agg *self, struct work *work, const struct plan *plan) {
    struct wr_arena *scratch = self->base.env->scratch;
    const struct old *olds = work->olds + plan->first_old;
    int status = flush(self, work);
    for (uint32_t i = 1; i < plan->old_count && status == WR_OK; i++) {
        const int64_t ids[2] = {olds[0].id, olds[i].id};
        const char *none[2] = {NULL, NULL};
        uint8_t *states[2];
        agg_states_find(&self->parts, scratch, ids, 2, states);
        if (states[0] == NULL || states[1] == NULL)
            return WR_ECORRUPT;
        status = agg_states_at(&self->parts, scratch, ids, none, 2, states);
        if (status == WR_OK)
            status = wr_aggregates_merge(config_of(self)->aggregates, self->parts.states, states[0],
                                         states[1]);
        agg_state_delete(&self->parts, ids[1]);
    }
    return status;
}

/* Does what the plan says to the group's list, and lets the row wait. */
static int apply(struct agg *self, struct work *work, struct plan *plan) {
    const struct old *olds = work->olds + plan->first_old;
    struct agg_part *merged = &plan->merged;
    int status = plan->old_count > 1 ? merge_states(self, work, plan) : WR_OK;
    if (status != WR_OK)
        return status;
    uint32_t count;
    struct agg_part *list = agg_group_parts(&self->parts, plan->group, &count);
    merged->due = WR_TIME_MAX;
    if (plan->old_count > 0) {
        merged->id = olds[0].id;
        merged->due = list[olds[0].place].due;
    } else {
        merged->id = self->parts.next_id++;
    }
    if (plan->old_count == 0 || agg_session_end(self, merged) < merged->due)
        status = agg_due_add(&self->parts, merged, agg_session_end(self, merged));
    for (uint32_t i = plan->old_count; i > 0; i--)
        agg_group_remove(&self->parts, plan->group, olds[i - 1].place);
    list = agg_group_parts(&self->parts, plan->group, &count);
    uint32_t place = count;
    while (place > 0 && list[place - 1].first > merged->first)
        place--;
    if (status == WR_OK)
        status = agg_group_insert(&self->parts, plan->group, place, merged);
    work->ids[work->waiting] = merged->id;
    work->state_keys[work->waiting] = agg_key_at(self, work->keys, plan->at);
    work->rows[work->waiting++] = plan->row;
    return status;
}

/* ---- changes -------------------------------------------------------------------------------- */

/* Whether the result of a session has left: each change leaves, or it has fired. */
static int has_left(const struct agg *self, int64_t end) {
    return config_of(self)->mode == AGG_UPDATE || (self->fired_any && end <= self->fired_us);
}

struct results {
    uint32_t count;
    int64_t *ids;
    struct agg_span *spans;
    uint32_t *of; /* the change that each belongs to */
    uint8_t **states;
    uint8_t *is_good;
};

static int results_room(struct agg *self, struct results *results, uint32_t room) {
    struct wr_arena *scratch = self->base.env->scratch;
    results->count = 0;
    results->ids = WR_ARENA_ARRAY(scratch, int64_t, room + 1);
    results->spans = WR_ARENA_ARRAY(scratch, struct agg_span, room + 1);
    results->of = WR_ARENA_ARRAY(scratch, uint32_t, room + 1);
    results->states = WR_ARENA_ARRAY(scratch, uint8_t *, room + 1);
    results->is_good = WR_ARENA_ARRAY(scratch, uint8_t, room + 1);
    return results->ids == NULL || results->spans == NULL || results->of == NULL ||
                   results->states == NULL || results->is_good == NULL
               ? WR_ENOMEM
               : WR_OK;
}

static void results_want(struct results *results, int64_t id, struct agg_span span, uint32_t of) {
    results->ids[results->count] = id;
    results->spans[results->count] = span;
    results->of[results->count++] = of;
}

static int results_make(struct agg *self, struct results *results, struct wr_out *out,
                        struct wr_batch **batch) {
    agg_states_find(&self->parts, self->base.env->scratch, results->ids, results->count,
                    results->states);
    for (uint32_t i = 0; i < results->count; i++)
        if (results->states[i] == NULL)
            return WR_ECORRUPT;
    return agg_results(self, results->states, results->spans, results->count, out, batch,
                       results->is_good);
}

/* A change for each session that goes, and for what they become; one where that has the same
 * window, so that it is an update. */
static uint32_t list_changes(const struct agg *self, const struct work *work,
                             struct agg_change *changes, struct results *old, struct results *new) {
    uint32_t count = 0;
    for (uint32_t p = 0; p < work->plan_count; p++) {
        const struct plan *plan = &work->plans[p];
        if (plan->is_late)
            continue;
        struct agg_span span = agg_session_span(self, &plan->merged);
        uint32_t same = UINT32_MAX;
        for (uint32_t i = 0; i < plan->old_count; i++) {
            const struct old *one = &work->olds[plan->first_old + i];
            if (!has_left(self, one->span.end))
                continue;
            if (one->span.start == span.start && one->span.end == span.end &&
                i + 1 == plan->old_count)
                same = count;
            results_want(old, one->id, one->span, count);
            changes[count++] = (struct agg_change){.old_row = -1,
                                                   .new_row = -1,
                                                   .old_end = one->span.end,
                                                   .new_end = one->span.end,
                                                   .cause = plan->row};
        }
        if (!has_left(self, span.end))
            continue;
        uint32_t of = same != UINT32_MAX ? same : count;
        results_want(new, (int64_t)p, span, of); /* its id is known once the row was taken */
        if (of == count)
            changes[count++] = (struct agg_change){.old_row = -1,
                                                   .new_row = -1,
                                                   .old_end = span.end,
                                                   .new_end = span.end,
                                                   .cause = plan->row};
    }
    return count;
}

/* Takes the rows of a run, in which each group comes once, and emits what they changed. */
static int take_run(struct agg *self, struct work *work, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t room = work->plan_count + work->old_count;
    struct agg_change *changes = WR_ARENA_ARRAY(scratch, struct agg_change, room + 1);
    struct results old, new;
    struct wr_batch *before = NULL, *after = NULL;
    if (changes == NULL || results_room(self, &old, room) != WR_OK ||
        results_room(self, &new, room) != WR_OK)
        return WR_ENOMEM;
    uint32_t count = list_changes(self, work, changes, &old, &new);
    int status = results_make(self, &old, NULL, &before);
    for (uint32_t i = 0; i < old.count && status == WR_OK; i++)
        changes[old.of[i]].old_row = old.is_good[i] ? (int32_t)i : -1;
    for (uint32_t p = 0; p < work->plan_count && status == WR_OK; p++)
        if (!work->plans[p].is_late)
            status = apply(self, work, &work->plans[p]);
    if (status == WR_OK)
        status = flush(self, work);
    for (uint32_t i = 0; i < new.count; i++)
        new.ids[i] = work->plans[new.ids[i]].merged.id;
    if (status == WR_OK)
        status = results_make(self, &new, out, &after);
    for (uint32_t i = 0; i < new.count &&status == WR_OK; i++)
        changes[new.of[i]].new_row = new.is_good[i] ? (int32_t)i : -1;
    int flow =
        status < 0 ? status : agg_emit_changes(self, changes, count, before, after, work->in, out);
    wr_batch_unref(before);
    wr_batch_unref(after);
    return flow;
}

/* ---- push ----------------------------------------------------------------------------------- */

static int plan_row(struct agg *self, struct work *work, uint32_t at, struct plan *plan) {
    const struct agg_config *config = config_of(self);
    uint32_t row = work->sel == NULL ? at : work->sel[at];
    int64_t own = config->own == NULL ? config->window.gap_us : WR_I64(self->own_column)[row];
    return (config->ends_at ? plan_group : plan_session)(self, work, at, own, plan);
}

static int work_begin(struct agg *self, struct work *work, uint32_t count) {
    struct wr_arena *scratch = self->base.env->scratch;
    work->groups = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    work->plans = WR_ARENA_ARRAY(scratch, struct plan, count + 1);
    work->ids = WR_ARENA_ARRAY(scratch, int64_t, count + 1);
    work->state_keys = WR_ARENA_ARRAY(scratch, const char *, count + 1);
    work->rows = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    if (work->groups == NULL || work->plans == NULL || work->ids == NULL ||
        work->state_keys == NULL || work->rows == NULL)
        return WR_ENOMEM;
    agg_parts_settle(&self->parts);
    return agg_groups_at(&self->parts, work->keys, work->hashes, count, work->groups);
}

/* Groups that late rows made, and no other. */
static void drop_empty(struct agg *self, const struct work *work, const uint8_t *is_late,
                       uint32_t count) {
    for (uint32_t at = 0; at < count; at++) {
        if (!is_late[at])
            continue;
        uint32_t parts;
        uint64_t hash = agg_hash_at(self, work->hashes, at);
        const char *key = agg_key_at(self, work->keys, at);
        uint8_t *group = agg_group_find(&self->parts, key, hash);
        if (group == NULL)
            continue;
        agg_group_parts(&self->parts, group, &parts);
        if (parts == 0)
            agg_group_delete(&self->parts, key, hash);
    }
}

/* Plans rows from `first` on until a group comes again (with changes), and takes them. */
static int take_rows(struct agg *self, struct work *work, uint32_t first, uint32_t count,
                     uint32_t *next, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int changes = config_of(self)->changes, status = WR_OK;
    struct agg_seen seen;
    if (changes && agg_seen_init(&seen, scratch, count - first) != WR_OK)
        return WR_ENOMEM;
    work->plan_count = work->old_count = work->old_room = 0;
    uint32_t at = first;
    for (; at < count && status == WR_OK; at++) {
        if (changes && agg_seen_add(&seen, work->groups[at]))
            break;
        struct plan *plan = &work->plans[work->plan_count++];
        work->old_count = changes ? work->old_count : 0;
        status = plan_row(self, work, at, plan);
        if (status == WR_OK && !changes && !plan->is_late)
            status = apply(self, work, plan);
    }
    *next = at;
    if (status != WR_OK)
        return status;
    return changes ? take_run(self, work, out) : flush(self, work);
}

int agg_session_push(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                     const char *keys, const uint64_t *hashes, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct work work = {.in = in, .sel = sel, .keys = keys, .hashes = hashes};
    uint32_t *late = WR_ARENA_ARRAY(scratch, uint32_t, count + 1), late_count = 0;
    uint8_t *is_late = WR_ARENA_ZEROS(scratch, uint8_t, count + 1);
    if (late == NULL || is_late == NULL)
        return WR_ENOMEM;
    int flow = work_begin(self, &work, count);
    for (uint32_t first = 0, next; first < count && flow == WR_FLOW_MORE; first = next) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        flow = take_rows(self, &work, first, count, &next, out);
        for (uint32_t p = 0; p < work.plan_count && flow >= 0; p++) {
            is_late[work.plans[p].at] = work.plans[p].is_late;
            if (work.plans[p].is_late)
                late[late_count++] = work.plans[p].row;
        }
        wr_arena_rewind(scratch, mark);
    }
    if (flow < 0 || late_count == 0)
        return flow;
    drop_empty(self, &work, is_late, count);
    return wr_op_emit_late(&self->base, in, late, late_count, out);
}
