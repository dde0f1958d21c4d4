/* match_run.c: rows of `match` that the frontier has passed go through the automaton in the order
 * of their times, group by group; attempts end, by their rows, by `within`, by the end of the
 * input.
 *
 * Nothing here depends on how far the frontier jumps: what is decided is decided at a time, that of
 * the row behind which nothing can change it any more, or at which `within` is over, and leaves in
 * the order of these times. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/match.h"
#include "base/banned.h"

#define ROWS_MAX 2048u      /* that become due at a time, but for equal times */
#define QUESTIONS_MAX 8192u /* of a round, but for those of one group */
#define MAPPED_MAX 65536u   /* rows of matches that are decided, before they leave */

/* ---- attempts that `within` ends ---- */

static int64_t ends_at(const struct match *self, uint32_t number) {
    struct match_group *group = &self->groups[number];
    return wr_time_add(match_row_at(group, group->start)->time, match_config_of(self)->within_us);
}

static void timer_put(struct match *self, uint32_t at, uint32_t number) {
    self->timers[at] = number;
    self->groups[number].timer = at;
}

/* Moves an entry to where it belongs, up or down. */
static void timer_sift(struct match *self, uint32_t at) {
    uint32_t number = self->timers[at];
    int64_t end = ends_at(self, number);
    for (; at > 0 && end < ends_at(self, self->timers[(at - 1) / 2]); at = (at - 1) / 2)
        timer_put(self, at, self->timers[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < self->timer_count; at = child) {
        if (child + 1 < self->timer_count &&
            ends_at(self, self->timers[child + 1]) < ends_at(self, self->timers[child]))
            child++;
        if (end <= ends_at(self, self->timers[child]))
            break;
        timer_put(self, at, self->timers[child]);
    }
    timer_put(self, at, number);
}

static void timer_remove(struct match *self, uint32_t number) {
    uint32_t at = self->groups[number].timer;
    if (at == MATCH_NONE)
        return;
    self->groups[number].timer = MATCH_NONE;
    uint32_t last = self->timers[--self->timer_count];
    if (last == number)
        return;
    timer_put(self, at, last);
    timer_sift(self, at);
}

static int timer_set(struct match *self, uint32_t number) {
    struct match_group *group = &self->groups[number];
    WR_ASSERT(group->timer == MATCH_NONE);
    if (match_config_of(self)->within_us == INT64_MAX || group->start == match_end(group))
        return WR_OK;
    if (MATCH_GROW(self, self->timers, self->timer_count, self->timer_room) != WR_OK)
        return WR_ENOMEM;
    timer_put(self, self->timer_count++, number);
    timer_sift(self, group->timer);
    return WR_OK;
}

/* ---- rows of a group ---- */

int match_append(struct match *self, struct match_group *group, const struct match_row *row) {
    struct wr_budget *budget = self->base.env->state_budget;
    uint64_t words = 2 * match_memo_words(match_config_of(self));
    if (group->head > group->count) { /* more than half have gone */
        memmove(group->rows, group->rows + group->head, group->count * sizeof *group->rows);
        if (words > 0)
            memmove(group->memo, group->memo + words * group->head,
                    words * group->count * sizeof *group->memo);
        group->head = 0;
    }
    uint32_t used = group->head + group->count, room = group->room;
    if (wr_grow(budget, (void **)&group->rows, used, &room, sizeof *group->rows) != WR_OK)
        return WR_ENOMEM;
    if (room != group->room && words > 0) {
        uint64_t *memo = wr_realloc(budget, group->memo, words * room * sizeof *memo);
        if (memo == NULL)
            return WR_ENOMEM; /* the run ends; `room` stays that of both */
        group->memo = memo;
    }
    group->room = room;
    if (words > 0)
        memset(group->memo + words * used, 0, words * sizeof *group->memo);
    group->rows[used] = *row;
    group->count++;
    return WR_OK;
}

int match_queue(struct match *self, uint32_t number) {
    struct match_group *group = &self->groups[number];
    if (MATCH_GROW(self, self->queue, self->queue_count, self->queue_room) != WR_OK ||
        MATCH_GROW(self, self->busy, self->busy_count, self->busy_room) != WR_OK)
        return WR_ENOMEM;
    if (!group->is_queued)
        self->queue[self->queue_count++] = number;
    if (!group->is_busy)
        self->busy[self->busy_count++] = number;
    group->is_queued = group->is_busy = 1;
    timer_remove(self, number);
    return WR_OK;
}

/* ---- attempts ---- */

/* What the attempt has found out about its rows. A match makes that of no use: its threads were
 * given up before they had come to an end. */
static void remember(struct match *self, struct match_group *group, int expired) {
    uint64_t words = match_memo_words(match_config_of(self));
    int has_match = group->best != MATCH_NONE;
    uint64_t end = has_match ? match_end(group) : group->cursor;
    for (uint64_t at = group->start; at < end && words > 0; at++) {
        uint64_t *reached = group->memo + 2 * words * (group->head + (at - group->place));
        for (uint64_t w = 0; w < words; w++) {
            if (has_match)
                reached[words + w] = 0;
            else if (!expired)
                reached[words + w] |= reached[w];
            reached[w] = 0;
        }
    }
}

/* An attempt is over: its match leaves, or the next row is tried. */
static int conclude(struct match *self, uint32_t number, int expired) {
    struct match_group *group = &self->groups[number];
    uint64_t next = group->start + 1;
    int status = WR_OK;
    remember(self, group, expired);
    if (group->best != MATCH_NONE)
        status = match_decide(self, number, &next);
    match_threads_clear(self, group);
    match_taken_unref(self, group->best);
    group->best = MATCH_NONE;
    group->start = group->cursor = next;
    group->is_running = 0;
    return status;
}

/* There are too many ways to go on: the row that the attempt begins with is rejected. */
static int give_up(struct match *self, uint32_t number) {
    struct match_group *group = &self->groups[number];
    struct match_told told = {.now = group->now,
                              .serial = ++self->serial,
                              .id = match_row_at(group, group->start)->id,
                              .group = number,
                              .code = WR_REJECT_MATCH};
    int status = match_tell(self, &told, "more than 1000 ways to go on at once");
    match_taken_unref(self, group->best);
    group->best = MATCH_NONE;
    return status == WR_OK ? conclude(self, number, 1) : status;
}

/* Asks for all threads of a group whether they may take the row at the cursor. */
static int ask(struct match *self, uint32_t number) {
    const struct match_config *config = match_config_of(self);
    struct match_group *group = &self->groups[number];
    uint64_t bits = match_row_at(group, group->cursor)->bits;
    group->question = self->question_count;
    group->question_count = group->threads.count;
    for (uint32_t i = 0; i < group->threads.count; i++) {
        uint32_t at = self->question_count;
        if (MATCH_GROW(self, self->questions, at, self->question_room) != WR_OK)
            return WR_ENOMEM;
        if (self->account_room < self->question_room) {
            char *accounts = wr_realloc(self->base.env->state_budget, self->accounts,
                                        (size_t)self->question_room * config->account_bytes);
            if (accounts == NULL)
                return WR_ENOMEM;
            self->accounts = accounts;
            self->account_room = self->question_room;
        }
        struct match_thread *thread = match_thread_at(config, &group->threads, i);
        uint32_t variable = config->program.steps[thread->step].variable;
        self->questions[at] = (struct match_question){.at = group->cursor,
                                                      .group = number,
                                                      .variable = variable,
                                                      .holds = (uint8_t)(bits >> variable & 1)};
        memcpy(self->accounts + (size_t)at * config->account_bytes, match_account(thread),
               config->account_bytes);
        self->question_count++;
    }
    return WR_OK;
}

/* The row at the cursor, with the answers where there are questions. */
static int step(struct match *self, uint32_t number) {
    const struct match_config *config = match_config_of(self);
    struct match_group *group = &self->groups[number];
    const struct match_question *questions =
        group->question_count == 0 ? NULL : self->questions + group->question;
    const char *accounts =
        questions == NULL ? NULL : self->accounts + (size_t)group->question * config->account_bytes;
    int status = match_step(self, group, questions, accounts);
    group->cursor++;
    group->question_count = 0;
    if (status == WR_ELIMIT)
        return give_up(self, number);
    return status == WR_OK && group->threads.count == 0 ? conclude(self, number, 0) : status;
}

/* Whether nothing that other groups decide can come before what this run decides. */
static int is_alone(const struct match *self, int ends) {
    return self->busy_count == 1 && (ends || self->group_count - self->free_count == 1);
}

/* Runs a group until it waits for a row, or for answers (then it has questions). */
static int run_group(struct match *self, uint32_t number, int ends, struct wr_out *out) {
    const struct match_config *config = match_config_of(self);
    struct match_group *group = &self->groups[number];
    int status = WR_OK;
    while (status == WR_OK && group->start < match_end(group)) {
        if (!group->is_running) {
            status = match_begin(self, group);
            group->is_running = status == WR_OK;
            continue;
        }
        if (group->cursor == match_end(group)) {
            if (!ends)
                break;
            group->now = WR_TIME_MAX;
            status = conclude(self, number, 0);
            continue;
        }
        int64_t time = match_row_at(group, group->cursor)->time;
        int64_t end = config->within_us == INT64_MAX ? WR_TIME_MAX : ends_at(self, number);
        if (time >= end) {
            group->now = WR_MAX(group->now, end);
            status = conclude(self, number, 1);
            continue;
        }
        group->now = WR_MAX(group->now, time + 1);
        if (config->account_bytes > 0)
            return ask(self, number);
        status = step(self, number);
        if (status == WR_OK && self->mapped_count > MAPPED_MAX && is_alone(self, ends))
            status = match_flush(self, out);
    }
    return status;
}

/* One round: questions of all groups that are busy, and their answers. *busy_count: how many go
 * on. */
static int run_round(struct match *self, uint32_t *busy, uint32_t *busy_count, int ends,
                     struct wr_out *out) {
    uint32_t left = 0, asked = 0;
    int status = WR_OK;
    self->question_count = 0;
    for (uint32_t i = 0; i < *busy_count && status == WR_OK; i++) {
        uint32_t number = busy[i];
        if (self->question_count >= QUESTIONS_MAX) { /* the next round's */
            busy[left++] = number;
            continue;
        }
        status = run_group(self, number, ends, out);
        if (self->groups[number].question_count == 0)
            continue;
        busy[left++] = number;
        asked = left;
    }
    if (status == WR_OK && self->question_count > 0)
        status = match_ask(self);
    for (uint32_t i = 0; i < asked && status == WR_OK; i++)
        status = step(self, busy[i]);
    *busy_count = left;
    return status;
}

int match_run(struct match *self, int ends, struct wr_out *out) {
    struct wr_budget *budget = self->base.env->state_budget;
    uint32_t *busy = wr_alloc(budget, (self->busy_count + 1u) * sizeof *busy);
    uint32_t count = self->busy_count;
    int status = busy == NULL ? WR_ENOMEM : WR_OK;
    if (busy != NULL && count > 0)
        memcpy(busy, self->busy, count * sizeof *busy);
    while (count > 0 && status == WR_OK)
        status = run_round(self, busy, &count, ends, out);
    wr_free(budget, busy);
    for (uint32_t i = 0; i < self->busy_count && status == WR_OK; i++) {
        self->groups[self->busy[i]].is_busy = 0;
        status = timer_set(self, self->busy[i]);
    }
    self->busy_count = 0;
    return status;
}

/* What was decided leaves, and the groups come to rest. */
static int rest(struct match *self, struct wr_out *out) {
    int status = match_flush(self, out);
    if (status == WR_OK)
        status = match_tell_all(self, out);
    for (uint32_t i = 0; i < self->queue_count && status == WR_OK; i++) {
        uint32_t number = self->queue[i];
        self->groups[number].is_queued = 0;
        status = match_group_settle(self, number);
    }
    self->queue_count = 0;
    struct wr_table *table = wr_slices_find(&self->rows, 0);
    for (uint32_t i = 0; i < self->gone_count && status == WR_OK; i++) {
        uint64_t hash = wr_shape_hash(&self->rows_shape, &self->gone[i], wr_table_seed(table));
        wr_table_delete(table, &self->gone[i], hash);
    }
    self->gone_count = 0;
    return status;
}

/* ---- the frontier ---- */

/* Whether the attempt that ends first is over at `frontier`. *end: when. */
static int is_over(const struct match *self, int64_t frontier, int64_t *end) {
    *end = self->timer_count > 0 ? ends_at(self, self->timers[0]) : WR_TIME_MAX;
    return self->timer_count > 0 && *end <= frontier;
}

/* Attempts that are over at `frontier`, in the order of their ends; those that follow them in their
 * groups end no earlier. */
static int expire(struct match *self, int64_t frontier, struct wr_out *out) {
    int status = WR_OK;
    int64_t end, other;
    while (status == WR_OK && is_over(self, frontier, &end)) {
        while (status == WR_OK && is_over(self, end, &other)) {
            uint32_t number = self->timers[0];
            struct match_group *group = &self->groups[number];
            group->now = WR_MAX(group->now, end);
            status = match_queue(self, number);
            if (status == WR_OK)
                status = conclude(self, number, 1);
        }
        if (status == WR_OK)
            status = match_run(self, 0, out);
        if (status == WR_OK && self->mapped_count > MAPPED_MAX && !is_over(self, end, &other))
            status = match_flush(self, out);
    }
    return status;
}

/* Stored rows stand behind those of their groups; conditions look back at once. */
static int arrange(struct match *self, const uint64_t *ids, uint32_t count) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint32_t *groups = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    uint64_t *places = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (rows == NULL || groups == NULL || places == NULL)
        return WR_ENOMEM;
    struct wr_table *table = wr_slices_find(&self->rows, 0);
    int status = match_find(self, ids, count, rows);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct match_stored *stored = match_stored_of(rows[i]);
        struct match_group *group = &self->groups[stored->group];
        struct match_row row = {.id = stored->id, .time = stored->time, .bits = stored->bits};
        groups[i] = stored->group;
        places[i] = match_end(group);
        stored->is_due = 1;
        wr_table_touch(table, rows[i]);
        group->waiting--;
        status = match_append(self, group, &row);
        if (status == WR_OK)
            status = match_queue(self, stored->group);
    }
    if (status == WR_OK)
        status = match_look_back(self, groups, places, count);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        match_stored_of(rows[i])->bits = match_row_at(&self->groups[groups[i]], places[i])->bits;
    return status;
}

/* Some rows that are due, all of those with the last time among them. *count: how many. */
static int take_due(struct match *self, int64_t frontier, uint32_t *count, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint32_t room = WR_MIN(self->waiting.count, ROWS_MAX);
    uint64_t *ids = wr_alloc(self->base.env->state_budget, (room + 1) * sizeof *ids);
    int64_t last = WR_TIME_MIN;
    int status = ids == NULL ? WR_ENOMEM : WR_OK;
    *count = 0;
    while (status == WR_OK && self->waiting.count > 0) {
        int64_t time = self->waiting.items[0].time_us;
        if ((frontier != WR_TIME_MAX && time >= frontier) || (*count >= ROWS_MAX && time != last))
            break;
        status = wr_grow(self->base.env->state_budget, (void **)&ids, *count, &room, sizeof *ids);
        if (status == WR_OK)
            ids[(*count)++] = wr_time_heap_take(&self->waiting).id;
        last = time;
    }
    if (status == WR_OK && *count > 0)
        status = arrange(self, ids, *count);
    wr_free(self->base.env->state_budget, ids);
    wr_arena_rewind(scratch, mark);
    if (status == WR_OK && *count > 0)
        status = match_run(self, 0, out);
    /* Later rows have later times, so what ends just behind this one ends before they count. */
    if (status == WR_OK && *count > 0)
        status = expire(self, WR_MIN(frontier, last == WR_TIME_MAX ? last : last + 1), out);
    return status;
}

struct group_order {
    struct match *self;
    const struct wr_key_layout *layout;
};

static int compare_groups(const void *a, const void *b, void *ctx) {
    const struct group_order *order = ctx;
    const struct match_group_row *x = match_group_row(order->self, *(const uint32_t *)a);
    const struct match_group_row *y = match_group_row(order->self, *(const uint32_t *)b);
    return order->layout->column_count == 0
               ? 0
               : wr_keys_compare(order->layout, match_key_of(x), match_key_of(y));
}

/* The input has ended: attempts are over as if no row followed, group after group by their keys. */
static int finish(struct match *self, struct wr_out *out) {
    struct wr_budget *budget = self->base.env->state_budget;
    uint32_t *numbers = wr_alloc(budget, (self->group_count + 1u) * sizeof *numbers), count = 0;
    if (numbers == NULL)
        return WR_ENOMEM;
    for (uint32_t g = 0; g < self->group_count; g++)
        if (self->groups[g].is_used && self->groups[g].start < match_end(&self->groups[g]))
            numbers[count++] = g;
    struct group_order order = {.self = self, .layout = &match_config_of(self)->layout};
    qsort_r(numbers, count, sizeof *numbers, compare_groups, &order);
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK;) {
        uint32_t most = match_config_of(self)->account_bytes == 0 ? 1 : ROWS_MAX;
        for (uint32_t n = 0; n < most && i < count && status == WR_OK; n++)
            status = match_queue(self, numbers[i++]);
        if (status == WR_OK)
            status = match_run(self, 1, out);
        if (status == WR_OK)
            status = rest(self, out);
    }
    wr_free(budget, numbers);
    return status;
}

int match_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct match *self = (struct match *)op;
    int status = match_restore(self, out);
    for (uint32_t count = 1; status == WR_OK && count > 0;) {
        status = take_due(self, frontier, &count, out);
        if (status == WR_OK && count > 0)
            status = rest(self, out);
    }
    /* `within` ends attempts at their times at the end of the input too, so the order of matches
     * depends on no row of another group. */
    if (status == WR_OK)
        status = expire(self, frontier, out);
    if (status == WR_OK)
        status = rest(self, out);
    return status == WR_OK && frontier == WR_TIME_MAX ? finish(self, out) : status;
}
