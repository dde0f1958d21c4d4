/* test_match_steps.c: the automaton of `match`: which threads there are, in which order, what they
 * have taken, and that rows which no thread has taken are given back. */
#include "test.h"

#include "base/alloc.h"
#include "base/status.h"
#include "op/match.h"

#define ROW(v, n) \
    { .op = MATCH_ROW, .variable = (v), .a = (n) }
#define SPLIT(first, second) \
    { .op = MATCH_SPLIT, .a = (first), .b = (second) }

struct machine {
    struct match match;
    struct match_config config;
    struct wr_op_env env;
    struct match_group group;
};

static int machine_open(struct machine *machine, struct match_step *steps, uint32_t count,
                        uint32_t account_bytes) {
    memset(machine, 0, sizeof *machine);
    machine->config.program = (struct match_program){.step_count = count, .steps = steps};
    for (uint32_t i = 0; i < count; i++)
        machine->config.program.row_count += steps[i].op == MATCH_ROW;
    machine->config.account_bytes = account_bytes;
    machine->env.state_budget = &wr_budget_control;
    machine->match.base.env = &machine->env;
    machine->match.base.config = &machine->config;
    machine->group = (struct match_group){
        .best = MATCH_NONE, .timer = MATCH_NONE, .place = 1, .start = 1, .cursor = 1};
    wr_arena_init(&machine->match.arena, &wr_budget_control, 4096);
    return match_steps_open(&machine->match);
}

static void machine_close(struct machine *machine) {
    match_threads_clear(&machine->match, &machine->group);
    match_taken_unref(&machine->match, machine->group.best);
    uint32_t free_count = 0;
    for (uint32_t at = machine->match.taken_free; at != MATCH_NONE && free_count < 1000000;
         at = machine->match.taken[at].ref_count)
        free_count++;
    uint32_t taken_count = machine->match.taken_count;
    wr_free(&wr_budget_control, machine->group.rows);
    wr_free(&wr_budget_control, machine->group.memo);
    wr_free(&wr_budget_control, machine->group.threads.bytes);
    match_steps_close(&machine->match);
    wr_arena_release(&machine->match.arena);
    CHECK_INT(free_count, ==, taken_count); /* nobody holds any */
}

/* A row for which the variables of `bits` hold. */
static int give(struct machine *machine, uint64_t bits) {
    struct match_row row = {.id = match_end(&machine->group), .bits = bits};
    int status = match_append(&machine->match, &machine->group, &row);
    if (status == WR_OK)
        status = match_step(&machine->match, &machine->group, NULL, NULL);
    machine->group.cursor++;
    return status;
}

/* The variables of the rows of the last complete match, as letters. */
static const char *best(const struct machine *machine) {
    static char text[64];
    uint32_t at = machine->group.best, count = 0;
    for (; at != MATCH_NONE; at = machine->match.taken[at].before)
        count++;
    text[count] = 0;
    for (at = machine->group.best; at != MATCH_NONE; at = machine->match.taken[at].before)
        text[--count] = (char)('a' + machine->match.taken[at].variable);
    return text;
}

enum { A = 1, B = 2, C = 4 };

TEST(match_steps_go_on_while_a_preferred_way_is_open) {
    struct match_step steps[] = {ROW(0, 0), ROW(1, 1), SPLIT(1, 3)}; /* a b+ */
    struct machine m;
    CHECK_INT(machine_open(&m, steps, 3, 0), ==, WR_OK);
    CHECK_INT(match_begin(&m.match, &m.group), ==, WR_OK);
    CHECK_INT(m.group.threads.count, ==, 1);
    CHECK_INT(give(&m, A), ==, WR_OK);
    CHECK_STR(best(&m), "");
    CHECK_INT(give(&m, A | B), ==, WR_OK);
    CHECK_STR(best(&m), "ab");
    CHECK_INT(m.group.threads.count, ==, 1);
    CHECK_INT(give(&m, B), ==, WR_OK);
    CHECK_STR(best(&m), "abb");
    CHECK_INT(give(&m, A), ==, WR_OK);
    CHECK_INT(m.group.threads.count, ==, 0);
    CHECK_STR(best(&m), "abb");
    machine_close(&m);
}

TEST(match_steps_end_with_the_first_row_where_fewer_are_preferred) {
    struct match_step steps[] = {ROW(0, 0), ROW(1, 1), SPLIT(3, 1)}; /* a b+? */
    struct machine m;
    CHECK_INT(machine_open(&m, steps, 3, 0), ==, WR_OK);
    CHECK_INT(match_begin(&m.match, &m.group), ==, WR_OK);
    CHECK_INT(give(&m, A), ==, WR_OK);
    CHECK_INT(give(&m, B), ==, WR_OK);
    CHECK_INT(m.group.threads.count, ==, 0);
    CHECK_STR(best(&m), "ab");
    machine_close(&m);
}

TEST(match_steps_keep_one_thread_a_step_the_preferred_one) {
    /* (a | b) c, where the row is both */
    struct match_step steps[] = {
        SPLIT(1, 3), ROW(0, 0), {.op = MATCH_JUMP, .a = 4}, ROW(1, 1), ROW(2, 2)};
    struct machine m;
    CHECK_INT(machine_open(&m, steps, 5, 0), ==, WR_OK);
    CHECK_INT(match_begin(&m.match, &m.group), ==, WR_OK);
    CHECK_INT(m.group.threads.count, ==, 2);
    CHECK_INT(give(&m, A | B), ==, WR_OK);
    CHECK_INT(m.group.threads.count, ==, 1);
    CHECK_INT(give(&m, C), ==, WR_OK);
    CHECK_STR(best(&m), "ac");
    machine_close(&m);
}

TEST(match_steps_end_at_a_loop_of_nothing) {
    /* (a*)* b */
    struct match_step steps[] = {
        SPLIT(1, 5), SPLIT(2, 4), ROW(0, 0), {.op = MATCH_JUMP, .a = 1}, {.op = MATCH_JUMP, .a = 0},
        ROW(1, 1)};
    struct machine m;
    CHECK_INT(machine_open(&m, steps, 6, 0), ==, WR_OK);
    CHECK_INT(match_begin(&m.match, &m.group), ==, WR_OK);
    CHECK_INT(m.group.threads.count, ==, 2);
    CHECK_INT(give(&m, A), ==, WR_OK);
    CHECK_INT(give(&m, B), ==, WR_OK);
    CHECK_STR(best(&m), "ab");
    machine_close(&m);
}

TEST(match_steps_keep_threads_apart_that_know_other_things) {
    /* (a | b)+ c: both go on to the same steps, with the accounts that their questions have */
    struct match_step steps[] = {SPLIT(1, 3), ROW(0, 0),   {.op = MATCH_JUMP, .a = 4},
                                 ROW(1, 1),   SPLIT(0, 5), ROW(2, 2)};
    struct match_question questions[] = {{.holds = 1}, {.holds = 1}};
    struct match_row row = {.id = 1};
    for (uint64_t second = 7; second <= 8; second++) {
        uint64_t accounts[] = {7, second};
        struct machine m;
        CHECK_INT(machine_open(&m, steps, 6, 8), ==, WR_OK);
        CHECK_INT(match_begin(&m.match, &m.group), ==, WR_OK);
        CHECK_INT(match_append(&m.match, &m.group, &row), ==, WR_OK);
        CHECK_INT(match_step(&m.match, &m.group, questions, (const char *)accounts), ==, WR_OK);
        CHECK_INT(m.group.threads.count, ==, second == 7 ? 3 : 6);
        machine_close(&m);
    }
}

TEST(match_steps_refuse_more_threads_than_there_may_be) {
    /* (a | b)+ c, where no two ways know the same: twice as many with each row */
    struct match_step steps[] = {SPLIT(1, 3), ROW(0, 0),   {.op = MATCH_JUMP, .a = 4},
                                 ROW(1, 1),   SPLIT(0, 5), ROW(2, 2)};
    static struct match_question questions[MATCH_THREADS_MAX];
    static uint64_t accounts[MATCH_THREADS_MAX];
    struct machine m;
    CHECK_INT(machine_open(&m, steps, 6, 8), ==, WR_OK);
    CHECK_INT(match_begin(&m.match, &m.group), ==, WR_OK);
    int status = WR_OK, rows = 0;
    for (uint64_t next = 1; status == WR_OK && rows < 20; rows++) {
        struct match_row row = {.id = match_end(&m.group)};
        for (uint32_t t = 0; t < m.group.threads.count; t++) {
            const struct match_thread *thread = match_thread_at(&m.config, &m.group.threads, t);
            questions[t].holds = steps[thread->step].variable != 2;
            accounts[t] = next++;
        }
        CHECK_INT(match_append(&m.match, &m.group, &row), ==, WR_OK);
        status = match_step(&m.match, &m.group, questions, (const char *)accounts);
        m.group.cursor++;
    }
    CHECK_INT(status, ==, WR_ELIMIT);
    CHECK_INT(rows, ==, 9); /* 3 * 2^9 threads are more than 1000 */
    machine_close(&m);
}

TEST_EACH_ALLOCATION_FAILS(match_steps_give_everything_back) {
    struct match_step steps[] = {ROW(0, 0), ROW(1, 1), SPLIT(1, 3)};
    struct machine m;
    int status = machine_open(&m, steps, 3, 0);
    if (status == WR_OK)
        status = match_begin(&m.match, &m.group);
    for (int i = 0; i < 30 && status == WR_OK; i++)
        status = give(&m, A | B);
    CHECK(status == WR_OK || status == WR_ENOMEM);
    machine_close(&m);
}
