/* match_steps.c: the automaton of `match`: threads of an attempt, in the order of preference, take
 * a row all at once. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/match.h"
#include "base/banned.h"

int match_steps_open(struct match *self) {
    uint32_t steps = match_config_of(self)->program.step_count + 1;
    /* Each step goes onto the stack once by each step that leads to it: twice at most. */
    self->stack = WR_ARENA_ARRAY(&self->arena, uint32_t, 2 * (size_t)steps + 2);
    self->heads = WR_ARENA_ARRAY(&self->arena, uint32_t, steps);
    self->stamps = WR_ARENA_ZEROS(&self->arena, uint64_t, steps);
    self->nothing = wr_arena_alloc_zero(&self->arena, match_config_of(self)->account_bytes + 8u);
    self->taken_free = MATCH_NONE;
    return self->stack == NULL || self->heads == NULL || self->stamps == NULL ||
                   self->nothing == NULL
               ? WR_ENOMEM
               : WR_OK;
}

void match_steps_close(struct match *self) {
    wr_free(self->base.env->state_budget, self->taken);
    wr_free(self->base.env->state_budget, self->next.bytes);
}

/* ---- rows that were taken ---- */

static uint32_t taken_new(struct match *self, uint32_t before, uint64_t at, uint32_t variable) {
    uint32_t made = self->taken_free;
    if (made != MATCH_NONE) {
        self->taken_free = self->taken[made].ref_count;
    } else {
        if (MATCH_GROW(self, self->taken, self->taken_count, self->taken_room) != WR_OK)
            return MATCH_NONE;
        made = self->taken_count++;
    }
    self->taken[made] =
        (struct match_taken){.at = at, .before = before, .ref_count = 1, .variable = variable};
    if (before != MATCH_NONE)
        self->taken[before].ref_count++;
    return made;
}

void match_taken_unref(struct match *self, uint32_t taken) {
    while (taken != MATCH_NONE && --self->taken[taken].ref_count == 0) {
        uint32_t before = self->taken[taken].before;
        self->taken[taken].ref_count = self->taken_free;
        self->taken_free = taken;
        taken = before;
    }
}

void match_threads_clear(struct match *self, struct match_group *group) {
    for (uint32_t i = 0; i < group->threads.count; i++)
        match_taken_unref(self, match_thread_at(match_config_of(self), &group->threads, i)->taken);
    group->threads.count = 0;
}

/* ---- threads ---- */

static int reserve(struct match *self, struct match_threads *threads, uint32_t room) {
    if (room <= threads->room)
        return WR_OK;
    room = WR_MAX(room, 2 * threads->room);
    char *bytes = wr_realloc(self->base.env->state_budget, threads->bytes,
                             (size_t)room * match_thread_bytes(match_config_of(self)));
    if (bytes == NULL)
        return WR_ENOMEM;
    threads->bytes = bytes;
    threads->room = room;
    return WR_OK;
}

/* Whether a thread before it stands at the same step and knows the same. */
static int is_known(const struct match *self, uint32_t step, const char *account) {
    const struct match_config *config = match_config_of(self);
    for (uint32_t i = self->heads[step]; i != MATCH_NONE;) {
        struct match_thread *thread = match_thread_at(config, &self->next, i);
        if (memcmp(match_account(thread), account, config->account_bytes) == 0)
            return 1;
        i = thread->same;
    }
    return 0;
}

static int add_thread(struct match *self, uint32_t step, uint32_t taken, const char *account) {
    const struct match_config *config = match_config_of(self);
    int keeps = config->account_bytes > 0;
    if (keeps && is_known(self, step, account))
        return WR_OK;
    if (self->next.count == MATCH_THREADS_MAX)
        return WR_ELIMIT;
    if (reserve(self, &self->next, self->next.count + 1) != WR_OK)
        return WR_ENOMEM;
    struct match_thread *thread = match_thread_at(config, &self->next, self->next.count);
    *thread = (struct match_thread){.step = step, .taken = taken, .same = MATCH_NONE};
    if (keeps) {
        memcpy(match_account(thread), account, config->account_bytes);
        thread->same = self->heads[step];
        self->heads[step] = self->next.count;
    }
    if (taken != MATCH_NONE)
        self->taken[taken].ref_count++;
    self->next.count++;
    return WR_OK;
}

/* Follows the steps that take no row from `step` on, in the order of preference. *complete: a match
 * is; what would have come behind it is not wanted. */
static int follow(struct match *self, uint32_t step, uint32_t taken, const char *account,
                  int *complete) {
    const struct match_program *program = &match_config_of(self)->program;
    uint32_t depth = 0;
    self->stack[depth++] = step;
    while (depth > 0) {
        uint32_t at = self->stack[--depth];
        if (at == program->step_count) {
            *complete = 1;
            return WR_OK;
        }
        if (self->stamps[at] == self->stamp)
            continue;
        self->stamps[at] = self->stamp;
        const struct match_step *here = &program->steps[at];
        if (here->op == MATCH_SPLIT) {
            self->stack[depth++] = here->b;
            self->stack[depth++] = here->a;
        } else if (here->op == MATCH_JUMP) {
            self->stack[depth++] = here->a;
        } else {
            int status = add_thread(self, at, taken, account);
            if (status != WR_OK)
                return status;
        }
    }
    return WR_OK;
}

static void next_begin(struct match *self) {
    const struct match_config *config = match_config_of(self);
    self->next.count = 0;
    self->stamp++;
    if (config->account_bytes > 0)
        memset(self->heads, 0xff, config->program.step_count * sizeof *self->heads);
}

/* The threads of a group become the next ones. */
static int next_take(struct match *self, struct match_group *group) {
    int status = reserve(self, &group->threads, self->next.count);
    if (status == WR_OK) {
        match_threads_clear(self, group);
        if (self->next.count > 0)
            memcpy(group->threads.bytes, self->next.bytes,
                   (size_t)self->next.count * match_thread_bytes(match_config_of(self)));
        group->threads.count = self->next.count;
    } else {
        for (uint32_t i = 0; i < self->next.count; i++)
            match_taken_unref(self, match_thread_at(match_config_of(self), &self->next, i)->taken);
    }
    self->next.count = 0;
    return status;
}

int match_begin(struct match *self, struct match_group *group) {
    int complete = 0;
    next_begin(self);
    int status = follow(self, 0, MATCH_NONE, self->nothing, &complete);
    WR_ASSERT(!complete); /* a pattern takes a row at least */
    int taken = next_take(self, group);
    return status == WR_OK ? taken : status;
}

/* Whether an earlier attempt has found that this step leads nowhere from this row on. Notes that
 * this one was here. */
static int is_dead(struct match *self, struct match_group *group, const struct match_step *step) {
    uint64_t words = match_memo_words(match_config_of(self));
    if (words == 0)
        return 0;
    uint64_t *reached = group->memo + 2 * words * (group->head + (group->cursor - group->place));
    if (wr_bit_get(reached + words, step->a))
        return 1;
    wr_bit_set(reached, step->a);
    return 0;
}

/* One thread takes the row. */
static int take(struct match *self, struct match_group *group, const struct match_thread *thread,
                const char *account, int *complete) {
    const struct match_step *step = &match_config_of(self)->program.steps[thread->step];
    uint32_t made = taken_new(self, thread->taken, group->cursor, step->variable);
    if (made == MATCH_NONE)
        return WR_ENOMEM;
    if (match_config_of(self)->account_bytes > 0)
        self->stamp++; /* each thread goes its own ways */
    int status = follow(self, thread->step + 1, made, account, complete);
    if (*complete && status == WR_OK) {
        match_taken_unref(self, group->best);
        self->taken[made].ref_count++;
        group->best = made;
    }
    match_taken_unref(self, made);
    return status;
}

int match_step(struct match *self, struct match_group *group,
               const struct match_question *questions, const char *accounts) {
    const struct match_config *config = match_config_of(self);
    uint64_t bits = match_row_at(group, group->cursor)->bits;
    int status = WR_OK, complete = 0;
    next_begin(self);
    for (uint32_t i = 0; i < group->threads.count && status == WR_OK && !complete; i++) {
        const struct match_thread *thread = match_thread_at(config, &group->threads, i);
        const struct match_step *step = &config->program.steps[thread->step];
        int holds = questions != NULL ? questions[i].holds : (int)(bits >> step->variable & 1);
        if (is_dead(self, group, step) || !holds)
            continue;
        const char *account =
            accounts == NULL ? NULL : accounts + (size_t)i * config->account_bytes;
        status = take(self, group, thread, account, &complete);
    }
    int taken = next_take(self, group);
    return status == WR_OK ? taken : status;
}
