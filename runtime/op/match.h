/* match.h: rows of a group that follow each other in a pattern (`match`), in several files:
 * match_bind.c (what a script says), match_steps.c (the automaton), match.c (rows as they come),
 * match_run.c (rows in their order through the automaton), match_ask.c (conditions that look at
 * other rows), match_emit.c (matches that are decided), match_tell.c (rejects), match_state.c
 * (state). Private to the room.
 *
 * A row waits until the frontier has passed it, and goes behind the rows of its group that came
 * before it in event time. One attempt a group is under way: from one first row, all ways to go on
 * at once, in the order in which the pattern prefers them (*threads*). It ends when no thread is
 * left, and then the last complete one is the match, or the next row is tried as the first. So a
 * match leaves as soon as no later row can change it.
 *
 * Bound: where conditions do not look at the match, threads that stand at the same step are one,
 * and what an attempt from an earlier row has found to lead nowhere is not tried again (`dead`): a
 * row costs at most as much as the pattern has steps, unless `within` ends attempts. Else threads
 * are one where everything that conditions may ask is the same, and more than MATCH_THREADS_MAX of
 * them reject the attempt.
 *
 * State: rows by number, with the columns that somebody asks for; groups by key and by number. All
 * else follows from them, and is made anew when a state is read: attempts are run again.
 * Source: Thompson, "Regular expression search algorithm", 1968; Agrawal et al., "Efficient pattern
 * matching over event streams", 2008 (shared buffers). */
#pragma once
#include "expr/aggregate.h"
#include "op/op.h"
#include "state/key.h"
#include "state/payload.h"
#include "state/slices.h"
#include "state/time_heap.h"

#define MATCH_VARIABLES_MAX 64 /* bits of a word */
#define MATCH_THREADS_MAX 1000 /* of an attempt */
#define MATCH_STATE_HEAD 8u    /* bytes before an aggregates' row: its number */
#define MATCH_NONE UINT32_MAX

enum match_step_op { MATCH_ROW, MATCH_SPLIT, MATCH_JUMP };
struct match_step {
    uint8_t op;
    uint8_t variable; /* ROW */
    uint32_t a, b;    /* SPLIT: both, `a` preferred; JUMP: a; ROW: its number among the ROWs in a */
};

/* The automaton; a match is complete behind the last step. */
struct match_program {
    uint32_t step_count, row_count; /* row_count: steps that take a row */
    struct match_step *steps;
};

enum match_after { MATCH_PAST_LAST, MATCH_NEXT, MATCH_FIRST, MATCH_LAST };

/* A column of the first or last row that a match has taken as a variable. */
struct match_pick {
    int32_t variable; /* -1: any */
    uint8_t last;
    uint32_t column; /* of the input */
    uint32_t slot;   /* define: which of the numbers of rows that a thread keeps */
};

struct match_lag {
    uint32_t column, rows;
};

/* An aggregate over the rows that a match has taken as a variable. */
struct match_call {
    int32_t variable; /* -1: all */
    uint32_t aggregate;
    uint32_t offset; /* define: of its state in a thread's account */
};

/* A condition of `define`. */
struct match_condition {
    uint8_t variable;
    uint8_t looks_back;  /* reads a lag */
    uint8_t looks_ahead; /* reads picks or aggregates: depends on what a match has taken */
    struct wr_list *list;
};

/* What a thread knows of its rows: places of rows in the group's order by slot, then states. Places
 * begin with 1. */
struct match_slot {
    int32_t variable;
    uint8_t last;
};

struct match_config {
    struct match_program program;
    uint32_t variable_count;
    const char **names; /* of the variables */
    struct wr_list *keys;
    struct wr_key_layout layout;
    struct wr_shape index_shape, groups_shape;
    uint32_t input_count;
    /* define: the columns that conditions see are the input's, lags, picks, calls */
    struct wr_schema *seen;
    uint32_t lag_count, pick_count, call_count, condition_count, slot_count, back;
    struct match_lag *lags;
    struct match_pick *picks;
    struct match_call *calls;
    struct match_slot *slots;
    struct match_condition *conditions;
    struct wr_aggregates *aggregates; /* of define; NULL: none */
    uint32_t *call_columns;           /* of `wide`, by item of aggregates->inputs */
    uint32_t account_bytes;           /* 0: no condition depends on what a match has taken */
    struct wr_schema *wide;           /* the input, then computed inputs of aggregates */
    uint64_t *kept;                   /* bits of columns of `wide`, but for what leaves */
    uint64_t *reads; /* bits of the input's columns: those and what is asked at once */
    /* measures: they see the input's columns (of the last row), picks, calls, number, variable */
    struct wr_schema *measured;
    uint32_t told_count, found_count, sum_count;
    int32_t *tells; /* variables whose rows are told from others, by column of `taken` */
    struct match_pick *found;
    struct match_call *sums;
    struct wr_aggregates *totals; /* of measures; NULL: none */
    struct wr_shape states_shape; /* of their states: a number, then the aggregates' row */
    struct wr_schema *taken;      /* what totals are over: the input, then a bool a told variable */
    struct wr_list *measures;     /* NULL: none */
    struct wr_schema *hidden;     /* the output, then what results are put in order by */
    uint32_t lead;                /* columns of the output before the measures */
    int64_t within_us;            /* INT64_MAX: for ever */
    enum match_after after;
    uint32_t after_variable;
    uint8_t all_rows;
    uint8_t numbers; /* a measure counts the matches of its group */
};

/* A stored row: these, then the payload. `id` is the table's key; ids ascend in the order of
 * coming. */
struct match_stored {
    uint64_t id;
    int64_t time;
    uint64_t bits;  /* variables whose conditions hold, as far as they are known */
    uint32_t group; /* its number */
    uint8_t is_due; /* stands in its group's order */
    uint8_t told;   /* a condition failed for it, which is among the rejects */
    uint16_t unused;
};

/* A row of the table of groups: its number (the key), these, then the key of the group. */
struct match_group_row {
    uint64_t number;
    uint64_t matches; /* so far */
    uint64_t first; /* id of the row that the attempt begins with; 0: a row that is still to come */
};

struct match_row { /* of a group, in its order */
    uint64_t id;
    int64_t time;
    uint64_t bits;
};

/* A row that an attempt has taken; a chain back to the first. */
struct match_taken {
    uint64_t at; /* its place in the group's order */
    uint32_t before;
    uint32_t ref_count; /* the next free one, when this is free */
    uint32_t variable;
};

struct match_thread { /* its account follows */
    uint32_t step, taken;
    uint32_t same; /* the thread before it in the list that stands at the same step */
    uint32_t unused;
};

struct match_threads {
    uint32_t count, room;
    char *bytes;
};

struct match_group {
    struct match_row *rows; /* `head` ones that have gone, then those from place `place` on */
    uint64_t *memo;         /* two sets of ROW steps a row: reached by the attempt; dead */
    uint32_t head, count, room, waiting; /* waiting: rows that are not due */
    uint64_t place;
    uint64_t start, cursor; /* places: where the attempt begins; the next row */
    int64_t now;            /* when what is decided now is decided */
    struct match_threads threads;
    uint32_t best; /* the chain of the last complete match; or MATCH_NONE */
    uint64_t matches;
    uint64_t saved_first, saved_matches; /* as the table of groups has them */
    uint32_t timer;                      /* its place among the timers; or MATCH_NONE */
    uint32_t question;                   /* its first question in this round, … */
    uint32_t question_count;             /* … and how many */
    uint8_t is_used, is_running, is_queued, is_busy;
};

/* A thread that asks whether it may take a row. */
struct match_question {
    uint64_t at;
    uint32_t group, variable;
    uint8_t holds;
};

enum match_fault { MATCH_GOOD, MATCH_STANDS_STILL, MATCH_FAILED };
struct match_result {
    int64_t now;
    uint64_t number, serial;
    uint64_t first;                    /* in `mapped`: ascends in the order of decisions */
    const struct match_group_row *key; /* while results leave */
    uint32_t group, count;
    uint8_t fault; /* `after` leads nowhere, or a measure has failed */
};

struct match_told { /* a reject */
    int64_t now;
    uint64_t serial; /* in the order in which they were found */
    uint64_t id;     /* of its row */
    uint32_t group;
    int code;
    char *detail;
};

struct match_mapped {
    uint64_t id;
    int64_t time;
    uint32_t variable;
};

struct match {
    struct wr_op base;
    struct wr_eval keys_eval, inputs_eval, eval, totals_eval;
    struct wr_arena arena; /* of the payload */
    struct wr_payload payload;
    int32_t *cells; /* by column of `wide`: the kept column, or -1 */
    struct wr_shape rows_shape;
    struct wr_cell *row_cells;
    struct wr_slices index, group_rows, rows; /* one table each, at 0 */
    uint64_t next_id, saved_next_id;
    uint8_t must_restore; /* a state was read: the rest is made anew from it */
    struct match_group *groups;
    uint32_t group_count, group_room;
    uint32_t *free_groups;
    uint32_t free_count, free_room;
    struct wr_time_heap waiting; /* rows that are not due, by time and coming */
    uint32_t *timers;            /* groups with an attempt that `within` ends, a heap */
    uint32_t timer_count, timer_room;
    uint32_t *queue; /* groups that have had something to do, and come to rest */
    uint32_t queue_count, queue_room;
    uint32_t *busy; /* those that have something to do now */
    uint32_t busy_count, busy_room;
    struct match_taken *taken;
    uint32_t taken_count, taken_room, taken_free;
    /* one step of an attempt */
    struct match_threads next;
    uint32_t *stack, *heads;
    uint64_t *stamps, stamp;
    char *nothing; /* the account of a thread without rows */
    /* questions of a round */
    struct match_question *questions;
    uint32_t question_count, question_room, account_room;
    char *accounts; /* of the questions */
    /* what is decided and has not left; rows that nobody wants once it has */
    struct match_result *results;
    uint32_t result_count, result_room;
    struct match_mapped *mapped;
    uint64_t mapped_count;
    uint32_t mapped_room;
    uint64_t *gone;
    uint32_t gone_count, gone_room;
    struct match_told *told;
    uint32_t told_count, told_room;
    uint64_t serial;               /* of what was found last */
    struct wr_schema *told_schema; /* the keys, then the columns of the input that are kept … */
    uint32_t *told_cells;          /* … in these cells */
};

static inline const struct match_config *match_config_of(const struct match *self) {
    return self->base.config;
}
static inline struct match_row *match_row_at(struct match_group *group, uint64_t place) {
    return &group->rows[group->head + (place - group->place)];
}
static inline uint64_t match_end(const struct match_group *group) {
    return group->place + group->count;
}
static inline uint64_t match_memo_words(const struct match_config *config) {
    return config->account_bytes > 0 ? 0 : (config->program.row_count + 63) / 64;
}
/* One more element behind `count` in an array of the state's budget. */
#define MATCH_GROW(self, array, count, room) \
    wr_grow((self)->base.env->state_budget, (void **)&(array), (count), &(room), sizeof *(array))

/* ---- match_bind.c ---- */
int match_bind(struct wr_bind *bind, struct wr_error *err);

/* ---- match_steps.c ---- */
static inline uint32_t match_thread_bytes(const struct match_config *config) {
    return (uint32_t)sizeof(struct match_thread) + config->account_bytes;
}
static inline struct match_thread *match_thread_at(const struct match_config *config,
                                                   const struct match_threads *threads,
                                                   uint32_t i) {
    return (struct match_thread *)(void *)(threads->bytes + (size_t)i * match_thread_bytes(config));
}
static inline char *match_account(struct match_thread *thread) {
    return (char *)(thread + 1);
}
int match_steps_open(struct match *self);
void match_steps_close(struct match *self);
void match_taken_unref(struct match *self, uint32_t taken);
void match_threads_clear(struct match *self, struct match_group *group);
/* The threads of an attempt before its first row. */
int match_begin(struct match *self, struct match_group *group);
/* All threads take the row at the cursor, or end. `questions`: by thread, whether it may; NULL: as
 * the row's bits say. `accounts`: what they know behind the row. WR_OK, WR_ENOMEM, or WR_ELIMIT:
 * more than MATCH_THREADS_MAX. */
int match_step(struct match *self, struct match_group *group,
               const struct match_question *questions, const char *accounts);

/* ---- match_run.c ---- */
int match_advance(struct wr_op *op, int64_t frontier, struct wr_out *out);
/* Puts a row behind those of its group. */
int match_append(struct match *self, struct match_group *group, const struct match_row *row);
/* A group has something to do. */
int match_queue(struct match *self, uint32_t number);
/* Runs the groups that are busy until each waits for a row. `ends`: none will come. */
int match_run(struct match *self, int ends, struct wr_out *out);

/* ---- match_ask.c ---- */
/* Conditions that look at the rows before, for rows of groups: `bits` of each. */
int match_look_back(struct match *self, const uint32_t *groups, const uint64_t *places,
                    uint32_t count);
/* Answers the questions. */
int match_ask(struct match *self);
/* Stored rows by id; every one is there, else WR_ECORRUPT. */
int match_find(const struct match *self, const uint64_t *ids, uint32_t count, uint8_t **rows);
/* Their payloads; NULL where an id is 0. */
int match_payloads(const struct match *self, const uint64_t *ids, uint32_t count,
                   const uint8_t **payloads);
static inline struct match_stored *match_stored_of(uint8_t *row) {
    return (struct match_stored *)(void *)row;
}

/* ---- match_emit.c ---- */
/* The match of an attempt that is decided; the place where the next may begin in *next. */
int match_decide(struct match *self, uint32_t number, uint64_t *next);
/* What is decided leaves, and rows that nobody wants any more go. */
int match_flush(struct match *self, struct wr_out *out);
int match_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                  const struct wr_batch *b, uint32_t row_b);

/* ---- match_tell.c ---- */
int match_tell_open(struct match *self);
void match_tell_close(struct match *self);
/* A reject; `detail` is copied, and may be NULL. */
int match_tell(struct match *self, const struct match_told *told, const char *detail);
/* Rejects leave. Their rows are there, and their groups. */
int match_tell_all(struct match *self, struct wr_out *out);

/* ---- match.c ---- */
/* The row of the table of groups; NULL: there is none. */
struct match_group_row *match_group_row(struct match *self, uint32_t number);
static inline const uint8_t *match_key_of(const struct match_group_row *row) {
    return (const uint8_t *)(row + 1);
}
/* Drops what a group does not need any more, and the group where that is all. */
int match_group_settle(struct match *self, uint32_t number);
/* A group of a number, made where it is missing. */
int match_group_at(struct match *self, uint32_t number, struct match_group **group);

/* ---- match_state.c ---- */
void match_measure(const struct wr_op *op, struct wr_op_state *state);
int match_save(struct wr_op *op, struct wr_buf *out, int all);
int match_load(struct wr_op *op, struct wr_reader *in);
/* Makes anew what follows from a state that was read. */
int match_restore(struct match *self, struct wr_out *out);
