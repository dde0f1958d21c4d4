/* match_state.c: state of `match` as pieces of a log, and what is made anew from it: rows that
 * wait, the order of groups, attempts. An attempt is run again from its first row on, which gives
 * what it gave before; nothing leaves by that. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/match.h"
#include "base/banned.h"

void match_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct match *self = (const struct match *)op;
    const struct wr_slices *sets[] = {&self->index, &self->group_rows, &self->rows};
    state->rows += wr_slices_rows(&self->rows);
    for (size_t i = 0; i < WR_COUNT(sets); i++)
        state->bytes += wr_slices_bytes(sets[i]);
}

int match_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct match *self = (struct match *)op;
    struct wr_slices *sets[3] = {&self->index, &self->group_rows, &self->rows};
    if (!all && self->next_id == self->saved_next_id && !wr_slices_sets_have_changed(sets, 3))
        return WR_OK;
    wr_buf_add_u64(out, self->next_id);
    int status = wr_slices_save_sets(sets, 3, out, all, op->env->piece_bytes);
    if (status == WR_OK)
        self->saved_next_id = self->next_id;
    return out->status == WR_OK ? status : out->status;
}

int match_load(struct wr_op *op, struct wr_reader *in) {
    struct match *self = (struct match *)op;
    struct wr_slices *sets[3] = {&self->index, &self->group_rows, &self->rows};
    self->next_id = self->saved_next_id = wr_reader_u64(in);
    self->must_restore = 1;
    return in->failed ? WR_ECORRUPT : wr_slices_load_sets(sets, 3, in);
}

/* Groups by number; the numbers between them are free. */
static int restore_groups(struct match *self) {
    struct wr_table *table = wr_slices_find(&self->group_rows, 0);
    struct wr_table_walk walk;
    if (table == NULL)
        return WR_OK;
    uint64_t most = 4 * wr_table_count(table) + UINT32_MAX / 16;
    wr_table_walk_begin(&walk, table);
    for (uint8_t *at; (at = wr_table_walk_next(&walk)) != NULL;) {
        const struct match_group_row *row = (const struct match_group_row *)(void *)at;
        struct match_group *group;
        if (row->number > most)
            return WR_ECORRUPT;
        if (match_group_at(self, (uint32_t)row->number, &group) != WR_OK)
            return WR_ENOMEM;
        group->is_used = 1;
        group->place = 1;
        group->now = WR_TIME_MIN;
        group->matches = group->saved_matches = row->matches;
        group->saved_first = row->first;
    }
    for (uint32_t g = self->group_count; g-- > 0;) {
        if (self->groups[g].is_used)
            continue;
        if (MATCH_GROW(self, self->free_groups, self->free_count, self->free_room) != WR_OK)
            return WR_ENOMEM;
        self->free_groups[self->free_count++] = g;
    }
    return WR_OK;
}

static int compare_stored(const void *a, const void *b) {
    const struct match_stored *x = *(const struct match_stored *const *)a;
    const struct match_stored *y = *(const struct match_stored *const *)b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Rows into the order of their groups, or among those that wait. */
static int restore_rows(struct match *self) {
    struct wr_budget *budget = self->base.env->state_budget;
    struct wr_table *table = wr_slices_find(&self->rows, 0);
    struct wr_table_walk walk;
    if (table == NULL)
        return WR_OK;
    uint64_t due_count = 0;
    const struct match_stored **due = wr_alloc(budget, (wr_table_count(table) + 1) * sizeof *due);
    int status = due == NULL ? WR_ENOMEM : WR_OK;
    wr_table_walk_begin(&walk, table);
    for (uint8_t *at; status == WR_OK && (at = wr_table_walk_next(&walk)) != NULL;) {
        const struct match_stored *stored = match_stored_of(at);
        if (stored->group >= self->group_count || !self->groups[stored->group].is_used) {
            status = WR_ECORRUPT;
        } else if (stored->is_due) {
            due[due_count++] = stored;
        } else {
            self->groups[stored->group].waiting++;
            status = wr_time_heap_add(&self->waiting, stored->time, stored->id);
        }
    }
    if (status == WR_OK)
        qsort(due, due_count, sizeof *due, compare_stored);
    for (uint64_t i = 0; i < due_count && status == WR_OK; i++) {
        struct match_row row = {.id = due[i]->id, .time = due[i]->time, .bits = due[i]->bits};
        status = match_append(self, &self->groups[due[i]->group], &row);
    }
    wr_free(budget, due);
    return status;
}

/* Attempts begin where they began. */
static int restore_attempts(struct match *self) {
    for (uint32_t g = 0; g < self->group_count; g++) {
        struct match_group *group = &self->groups[g];
        if (!group->is_used)
            continue;
        const struct match_group_row *row = match_group_row(self, g);
        group->start = group->place;
        while (row->first != 0 && group->start < match_end(group) &&
               match_row_at(group, group->start)->id != row->first)
            group->start++;
        if (row->first == 0)
            group->start = match_end(group);
        else if (group->start == match_end(group))
            return WR_ECORRUPT;
        group->cursor = group->start;
        if (match_queue(self, g) != WR_OK)
            return WR_ENOMEM;
    }
    return WR_OK;
}

int match_restore(struct match *self, struct wr_out *out) {
    if (!self->must_restore)
        return WR_OK;
    self->must_restore = 0;
    int status = restore_groups(self);
    if (status == WR_OK)
        status = restore_rows(self);
    if (status == WR_OK)
        status = restore_attempts(self);
    if (status == WR_OK)
        status = match_run(self, 0, out);
    for (uint32_t i = 0; i < self->queue_count; i++)
        self->groups[self->queue[i]].is_queued = 0;
    self->queue_count = 0;
    return status == WR_OK && self->result_count > 0 ? WR_ECORRUPT : status;
}
