/* run_inside.h: what a run is made of, beside its units (unit.h). Private to the room. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "exec/past.h"
#include "exec/run.h"
#include "graph/lanes.h"
#include "state/store.h"

struct poison;
struct reject_log;
struct reload;
struct unit;
struct wr_error;
struct wr_plan;
struct wr_reject;
struct wr_store;
struct wr_workers;
struct writer;

/* What one shard makes, so that no batch of another thread comes back to it: batches outlive it. */
struct shard_pool {
    struct wr_batch_pool pool;
    struct shard_pool *next;
};

struct wr_run {
    struct wr_plan *plan;
    struct wr_run_options options;
    struct wr_arena arena;   /* units, edges, gates: as long as the run */
    struct wr_arena scratch; /* one push */
    struct wr_budget input_budget, state_budget, epoch_budget, checkpoint_budget;
    struct wr_batch_pool pool;         /* of lanes: rows that sources gave */
    struct wr_batch_pool central_pool; /* of central units: a firing may wait whole in a gate */
    struct shard_pool *shard_pools;
    struct wr_op_env lane_env, op_env; /* of operators in lanes, and of central ones */
    uint32_t unit_count, unit_room;
    struct unit **units;   /* in the order of the plan */
    uint32_t *first_unit;  /* by node: its first unit … */
    uint32_t *unit_counts; /* … and how many it has */
    uint32_t lane_count, source_count, maker_count;
    uint32_t *lane_first; /* by source's ordinal: the number of its first lane … */
    uint32_t *family;     /* … and the first source of its family (itself, where it has none) */
    uint8_t may_stop;     /* some stage may want no more rows */
    uint8_t is_endless;   /* some source is, or rows come while it runs */
    const struct unit *cutting; /* the stages are told a frontier in the midst of its batch */
    int64_t nested_us;          /* where it measures: of the units below the one that works */
    uint8_t steps_aside;        /* some input was idle, now or before a restart */
    uint8_t is_complete;        /* nothing has come behind the end of its input */
    uint8_t says_complete;      /* the state tells it: one of a version before does not */
    uint8_t paused;             /* a gate or a stage has rows that go on when frontiers were told */
    uint64_t due_left;          /* rows that stages which give parts may still give in this step */
    uint8_t was_restored;       /* it goes on where a state ends */
    uint8_t goes_back;          /* … as it was copied, by the words of this run */
    int64_t saved_us;           /* … when that was written, by the clock */
    uint64_t read_before;       /* … and how many records were read */
    struct reject_log *rejects;
    struct wr_workers *workers; /* NULL: one thread does all */
    struct reload *reloads;     /* tables that are read again; NULL: none */
    struct wr_store *store;
    struct writer *writer;   /* NULL: checkpoints are written in their step */
    uint64_t held_rows;      /* that wait for sinks: see held.c … */
    uint64_t held_new_rows;  /* … and came since some of them were handed on */
    struct poison *poison;   /* NULL: the life before ended well (poison.h) */
    uint8_t was_left;        /* the state is as a life leaves it that does not end well */
    uint8_t wants_again;     /* it goes on from its last checkpoint in another life, at once */
    struct past before, now; /* the plan that wrote the state, and as the next checkpoint has it */
    uint32_t *stage_of;      /* by node: which of now.stages; PAST_NONE: it does not live */
    uint32_t *node_numbered; /* by a stage's number: its node, or PAST_NONE */
    uint8_t *asks;           /* by node: a stage behind it may reject its rows, or might have */
    uint8_t *differs;        /* by node: a sink goes on behind rows of another script */
    uint8_t is_changed;      /* the state is of another script than this one */
    struct wr_changes changes;
    uint64_t epoch;
    uint8_t shards_are_given;
    uint64_t shards_before; /* of the run that wrote the state; 0: there is none */
    int64_t checkpoint_due_us;
    struct wr_summary summary;
    int64_t started_us;
    uint32_t next_lane;        /* round robin among the wanted */
    int finished;              /* all inputs have ended and all sinks are complete */
    struct wr_error *err;      /* of the step that runs */
    const struct unit *failed; /* where it failed; NULL: nowhere, or not known */
};

/* A run with its units, and nothing restored or opened but the store, if there is a state;
 * `is_savepoint`: one that a state would begin from. run is to be freed in any case. */
int run_new_to_look(struct wr_run **run, struct wr_plan *plan, const struct wr_run_options *options,
                    int is_savepoint, struct wr_error *err);

/* The number of a live node's stage, under which the state has it. */
static inline uint32_t run_number(const struct wr_run *run, uint32_t node) {
    return run->now.stages[run->stage_of[node]].number;
}

/* The live node of a number; PAST_NONE: there is none. */
static inline uint32_t run_node_numbered(const struct wr_run *run, uint64_t number) {
    return number < run->now.next_number ? run->node_numbered[number] : PAST_NONE;
}

/* The source's own rejects: `lane` is its unit. */
int lane_reject(void *lane, const struct wr_reject *reject);
/* Whether threads and the writer work in an order that is drawn from a seed, in one thread. */
static inline int run_is_drawn(const struct wr_run *run) {
    return run->options.shard_order_seed != 0;
}
