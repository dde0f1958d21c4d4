/* agg_count.c: `agg` over count windows: the rows of a key in the order in which they come, `rows`
 * of them in a window, a new window after each `every_rows`. Rows are aggregated in panes of the
 * greatest common divisor of both; a window that is full merges its panes and leaves in the push of
 * the row that filled it. The first windows of a key that overlap have fewer rows, and what has
 * come since the last full one leaves at the end of the input. A window's time goes from its least
 * time to just behind its greatest; without event time it has none. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/agg.h"
#include "base/banned.h"

/* Rows of one push. */
struct work {
    struct wr_batch *in;
    const uint32_t *sel;
    uint8_t **groups;
    int64_t *ids; /* rows that wait to be added: their panes */
    const char **state_keys;
    uint32_t *rows;
    uint32_t waiting;
    struct full *full;
    uint32_t full_count;
};

/* A window that leaves. */
struct full {
    uint8_t *group;
    uint32_t cause;
};

static const struct agg_config *config_of(const struct agg *self) {
    return self->base.config;
}

/* Counts a row into the newest pane of its group; *is_full: its window leaves. */
static int take_row(struct agg *self, struct work *work, uint32_t row, uint32_t at,
                    const char *keys, int *is_full) {
    uint8_t *group = work->groups[at];
    uint32_t count;
    struct agg_part *list = agg_group_parts(&self->parts, group, &count);
    int64_t time = work->in->event_time == NULL ? 0 : work->in->event_time[row];
    if (count == 0 || list[count - 1].end == config_of(self)->window.pane_rows) {
        struct agg_part pane = {
            .id = self->parts.next_id++, .first = time, .last = time, .due = WR_TIME_MAX};
        int status = agg_group_insert(&self->parts, group, count, &pane);
        if (status != WR_OK)
            return status;
        list = agg_group_parts(&self->parts, group, &count);
    }
    struct agg_part *pane = &list[count - 1];
    pane->end++;
    pane->first = WR_MIN(pane->first, time);
    pane->last = WR_MAX(pane->last, time);
    *is_full = ++*agg_group_counter(&self->parts, group) == config_of(self)->window.every_rows;
    work->ids[work->waiting] = pane->id;
    work->state_keys[work->waiting] = agg_key_at(self, keys, at);
    work->rows[work->waiting++] = row;
    return WR_OK;
}

static int flush(struct agg *self, struct work *work) {
    if (work->waiting == 0)
        return WR_OK;
    struct wr_arena *scratch = self->base.env->scratch;
    uint8_t **states = WR_ARENA_ARRAY(scratch, uint8_t *, work->waiting);
    int status = states == NULL ? WR_ENOMEM
                                : agg_states_at(&self->parts, scratch, work->ids, work->state_keys,
                                                work->waiting, states);
    if (status == WR_OK)
        status = wr_aggregates_add(config_of(self)->aggregates, &self->inputs_eval,
                                   self->parts.states, states, work->in, work->rows, work->waiting);
    work->waiting = 0;
    return status;
}

/* ---- windows that leave --------------------------------------------------------------------- */

/* The first pane of the window that ends with the newest row. */
static uint32_t first_pane(const struct agg *self, const struct agg_part *list, uint32_t count) {
    int64_t rows = 0;
    uint32_t at = count;
    while (at > 0 && rows + list[at - 1].end <= config_of(self)->window.rows)
        rows += list[--at].end;
    return at;
}

/* Merges the panes of a window into a row of `merged`. */
static int merge_panes(struct agg *self, struct wr_table *merged, const struct agg_part *list,
                       uint32_t count, uint8_t **row) {
    const struct wr_aggregates *aggregates = config_of(self)->aggregates;
    struct wr_arena *scratch = self->base.env->scratch;
    int status = WR_OK;
    *row = NULL;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint8_t *state;
        agg_states_find(&self->parts, scratch, &list[i].id, 1, &state);
        if (state == NULL)
            return WR_ECORRUPT;
        uint64_t hash;
        wr_keys_hash(&aggregates->layout, state, 1, wr_table_seed(merged), &hash);
        status = wr_table_upsert(merged, state, &hash, 1, row, NULL);
        if (status == WR_OK)
            status = wr_aggregates_merge(aggregates, merged, *row, state);
    }
    return *row == NULL && status == WR_OK ? WR_ECORRUPT : status;
}

/* States and spans of the windows that end with the newest row of each group. */
static int find_windows(struct agg *self, uint8_t *const *groups, uint32_t count,
                        struct wr_table *merged, uint8_t **rows, struct agg_span *spans) {
    struct wr_arena *scratch = self->base.env->scratch;
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t panes;
        const struct agg_part *list = agg_group_parts(&self->parts, groups[i], &panes);
        uint32_t first = first_pane(self, list, panes);
        spans[i] = (struct agg_span){WR_TIME_MAX, WR_TIME_MIN};
        for (uint32_t p = first; p < panes && config_of(self)->has_time; p++) {
            spans[i].start = WR_MIN(spans[i].start, list[p].first);
            spans[i].end = WR_MAX(spans[i].end, list[p].last + WINDOW_RESULT_DELAY_US);
        }
        if (panes - first == 1)
            agg_states_find(&self->parts, scratch, &list[first].id, 1, &rows[i]);
        else
            status = merge_panes(self, merged, list + first, panes - first, &rows[i]);
        if (status == WR_OK && rows[i] == NULL)
            status = WR_ECORRUPT;
    }
    for (uint32_t i = 0; i < count && status == WR_OK; i++) { /* rows move as others come */
        uint32_t panes;
        const struct agg_part *list = agg_group_parts(&self->parts, groups[i], &panes);
        uint32_t first = first_pane(self, list, panes);
        if (panes - first == 1)
            continue;
        uint8_t *state;
        uint64_t hash;
        agg_states_find(&self->parts, scratch, &list[first].id, 1, &state);
        wr_keys_hash(&config_of(self)->aggregates->layout, state, 1, wr_table_seed(merged), &hash);
        wr_table_find(merged, state, &hash, 1, &rows[i]);
    }
    return status;
}

/* Panes that no later window has, and groups that have none left, go. */
static void drop_panes(struct agg *self, uint8_t *group) {
    int64_t kept_max = config_of(self)->window.rows - config_of(self)->window.every_rows;
    uint32_t count;
    struct agg_part *list = agg_group_parts(&self->parts, group, &count);
    int64_t kept = 0;
    uint32_t at = count;
    while (at > 0 && kept + list[at - 1].end <= kept_max)
        kept += list[--at].end;
    for (; at > 0; at--) {
        agg_state_delete(&self->parts, list[0].id);
        agg_group_remove(&self->parts, group, 0);
    }
    *agg_group_counter(&self->parts, group) = 0;
}

static struct wr_table *new_merged(struct agg *self) {
    return wr_table_new(self->base.env->state_budget, &config_of(self)->aggregates->shape,
                        self->base.env->seed);
}

/* Emits the windows that rows of this push have filled, each group once. */
static int emit_full(struct agg *self, struct work *work, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = work->full_count;
    uint8_t **groups = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, count + 1);
    struct agg_change *changes = WR_ARENA_ARRAY(scratch, struct agg_change, count + 1);
    uint8_t *is_good = WR_ARENA_ARRAY(scratch, uint8_t, count + 1);
    struct wr_table *merged = new_merged(self);
    struct wr_batch *after = NULL;
    int flow = merged == NULL || groups == NULL || rows == NULL || spans == NULL ||
                       changes == NULL || is_good == NULL
                   ? WR_ENOMEM
                   : WR_OK;
    for (uint32_t i = 0; i < count && flow == WR_OK; i++)
        groups[i] = work->full[i].group;
    if (flow == WR_OK)
        flow = find_windows(self, groups, count, merged, rows, spans);
    if (flow == WR_OK)
        flow = agg_results(self, rows, spans, count, out, &after, is_good);
    for (uint32_t i = 0; i < count && flow == WR_OK; i++)
        changes[i] = (struct agg_change){.old_row = -1,
                                         .new_row = is_good[i] ? (int32_t)i : -1,
                                         .new_end = spans[i].end,
                                         .cause = work->full[i].cause};
    if (flow == WR_OK)
        flow = agg_emit_changes(self, changes, count, NULL, after, work->in, out);
    wr_batch_unref(after);
    if (merged != NULL)
        wr_table_free(merged);
    for (uint32_t i = 0; i < count && flow >= 0; i++)
        drop_panes(self, groups[i]);
    work->full_count = 0;
    return flow;
}

/* ---- push ----------------------------------------------------------------------------------- */

static int work_begin(struct agg *self, struct work *work, uint32_t count, const char *keys,
                      const uint64_t *hashes) {
    struct wr_arena *scratch = self->base.env->scratch;
    work->groups = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    work->ids = WR_ARENA_ARRAY(scratch, int64_t, count + 1);
    work->state_keys = WR_ARENA_ARRAY(scratch, const char *, count + 1);
    work->rows = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    work->full = WR_ARENA_ARRAY(scratch, struct full, count + 1);
    if (work->groups == NULL || work->ids == NULL || work->state_keys == NULL ||
        work->rows == NULL || work->full == NULL)
        return WR_ENOMEM;
    agg_parts_settle(&self->parts);
    return agg_groups_at(&self->parts, keys, hashes, count, work->groups);
}

/* Groups that have nothing left are forgotten: they begin anew. */
static void forget_empty(struct agg *self, const char *keys, const uint64_t *hashes,
                         uint32_t count) {
    if (config_of(self)->window.rows != config_of(self)->window.every_rows)
        return;
    uint32_t built = config_of(self)->aggregates->key_count == 0 ? WR_MIN(count, 1u) : count;
    for (uint32_t at = 0; at < built; at++) {
        uint8_t *group =
            agg_group_find(&self->parts, agg_key_at(self, keys, at), agg_hash_at(self, hashes, at));
        uint32_t panes = 1;
        if (group != NULL)
            agg_group_parts(&self->parts, group, &panes);
        if (panes == 0)
            agg_group_delete(&self->parts, agg_key_at(self, keys, at),
                             agg_hash_at(self, hashes, at));
    }
}

int agg_count_push(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                   const char *keys, const uint64_t *hashes, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct work work = {.in = in, .sel = sel};
    int flow = work_begin(self, &work, count, keys, hashes);
    int any_full = 0;
    for (uint32_t at = 0; at < count && flow == WR_FLOW_MORE;) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        struct agg_seen left; /* groups whose window leaves in this run */
        if (agg_seen_init(&left, scratch, count - at) != WR_OK)
            return WR_ENOMEM;
        for (; at < count && flow == WR_FLOW_MORE; at++) {
            int is_full = 0;
            uint32_t row = sel == NULL ? at : sel[at];
            if (work.full_count > 0 && agg_seen_has(&left, work.groups[at]))
                break;
            flow = take_row(self, &work, row, at, keys, &is_full);
            if (!is_full)
                continue;
            agg_seen_add(&left, work.groups[at]);
            work.full[work.full_count++] = (struct full){.group = work.groups[at], .cause = row};
        }
        any_full |= work.full_count > 0;
        if (flow == WR_FLOW_MORE)
            flow = flush(self, &work);
        if (flow == WR_FLOW_MORE && work.full_count > 0)
            flow = emit_full(self, &work, out);
        wr_arena_rewind(scratch, mark);
    }
    if (flow >= 0 && any_full)
        forget_empty(self, keys, hashes, count);
    return flow;
}

/* ---- the end of the input ------------------------------------------------------------------- */

int agg_count_fire(struct agg *self, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint64_t total = wr_table_count(self->parts.groups);
    uint8_t **groups = WR_ARENA_ARRAY(scratch, uint8_t *, total + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, total + 1);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, total + 1);
    struct wr_table *merged = new_merged(self);
    int status =
        groups == NULL || rows == NULL || spans == NULL || merged == NULL ? WR_ENOMEM : WR_OK;
    uint32_t count = 0;
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, self->parts.groups);
    for (uint8_t *group; status == WR_OK && (group = wr_table_walk_next(&walk)) != NULL;)
        if (*agg_group_counter(&self->parts, group) > 0)
            groups[count++] = group;
    if (status == WR_OK) {
        wr_keys_sort(&config_of(self)->aggregates->layout, groups, count);
        status = find_windows(self, groups, count, merged, rows, spans);
    }
    if (status == WR_OK)
        status = agg_emit_groups(self, rows, spans, count, out);
    for (uint32_t i = 0; i < count && status >= 0; i++)
        *agg_group_counter(&self->parts, groups[i]) = 0; /* the end may be told twice */
    if (merged != NULL)
        wr_table_free(merged);
    wr_arena_rewind(scratch, mark);
    return status;
}
