/* unit.h: what a run is made of. Private to the room.
 *
 * A *lane* is one partition of a source with its row-by-row stages: these have an instance a lane,
 * and rows reach them by a plain call. All other stages are *central*: one instance, or one a
 * shard when keyed. A central unit that rows of several lanes or inputs reach has a *gate*, which
 * puts them into one order.
 *
 *   lane 0: source -> filter -> event_time \
 *   lane 1: source -> filter -> event_time -> [gate] -> agg (shards) -> derive -> sink */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "exec/past.h"
#include "exec/run.h"
#include "graph/lanes.h"
#include "state/apart.h"
#include "state/store.h"

#define LANE_CENTRAL UINT32_MAX
#define NO_NODE UINT32_MAX

struct gate;
struct sharded;
struct unit;
struct reject_log;
struct reload;
struct watched;
struct ahead;
struct held;
struct writer;
struct poison;
struct range;
struct wr_workers;

struct edge {
    struct unit *to;
    uint32_t input; /* which input of `to` */
    uint32_t port;  /* its gate's port, when it has one */
    uint8_t done;   /* it wants no more */
};

/* Where a unit's rows come from, for frontiers. */
struct feeder {
    struct unit *from;
    uint32_t port; /* of the gate */
};

struct unit {
    struct wr_out out; /* first: operators emit into it */
    struct wr_run *run;
    const struct wr_node *node;
    uint32_t lane;
    /* one of these */
    struct wr_source *source;
    struct ahead *ahead; /* its source is read ahead; else NULL */
    struct range *range; /* its source is read from or to a place; NULL: as it comes */
    struct wr_op *op;
    struct sharded *sharded;
    struct wr_sink *sink;
    struct held *held;  /* of a sink: what waits for the end of a checkpoint; NULL: nothing has */
    uint64_t bases_due; /* of a stage with state, by shard: the checkpoint writes all of it */
    double *row_bytes; /* … and what a row took when all were written; 0: not known. NULL: none */
    struct gate *gate; /* or rows come straight */
    /* While the gate is pumped: what its stage gave, and has not gone on (gather.c). */
    struct wr_batch *gathered;
    uint8_t gathers, is_pumped;
    struct edge *edges[WR_PORTS_MAX];
    uint32_t edge_count[WR_PORTS_MAX];
    uint32_t watched_count; /* stages below, of a unit that makes cuts: see cut.c */
    struct watched *watched;
    uint64_t *below;       /* bits of the units that its rows get to, by number; NULL: no cuts */
    uint32_t place;        /* in run->units */
    uint8_t mixes_below;   /* a stage from here on gives rows as they come and at boundaries too */
    uint8_t comes_in_time; /* what it gives may not come later: see threads.c */
    int64_t cut_frontier;
    uint32_t feeder_count;
    struct feeder *feeders;
    int64_t frontier_in, frontier_out;
    int64_t quiet_since_us, polled_us; /* a source: by the monotonic clock */
    int64_t quiet_us; /* a source that had nothing when it was polled: for how long; else -1 */
    uint8_t is_idle;  /* no rows come, and nobody waits for them: see idle.c */
    uint8_t is_ahead; /* its frontier has gone past an idle input, now or before a restart */
    int64_t clock_frontier; /* while it is idle: how far time is by the clock */
    uint8_t opened;         /* its source or sink */
    uint8_t ended;          /* a source: nothing more will be polled */
    uint8_t stands;         /* a source that has not ended: the run goes no further, see range.c */
    uint8_t after_rejects;  /* stands below a rejects node: ends last */
    uint64_t records_in;    /* of a source: good and bad ones */
    uint8_t asks_origins;   /* a stage behind it may reject its rows */
    uint32_t last_maker;    /* of a lane's unit: that of the nearest such stage above it; else 0 */
    uint32_t maker;         /* of a stage that numbers rows: which one of the run, from 1; else 0 */
    /* Of a stage that may stop (see stop.c): by line, rows up to the last one that it took. */
    uint64_t *taken;
    uint8_t has_stopped, is_closed;
    /* Rows that count, by line (a lane's unit: of its lane, and of `last_maker`); NULL: all. In
     * `own_read_to` or in the `taken` of the unit. */
    const uint64_t *read_to;
    uint64_t *own_read_to;
    uint32_t number;              /* of a lane's unit: its lane in the run; else 0 */
    const struct unit *whole_for; /* the stage that stopped when all of this had gone by */
    const struct unit *way_for;   /* the stage that stopped and was asked for … */
    uint8_t is_on_way;            /* … and whether its last row came this way */
    struct wr_node_counts counts;
};

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
    uint8_t paused;             /* a gate or a stage has rows that go on when frontiers were told */
    uint64_t due_left;          /* rows that stages which give parts may still give in this step */
    uint8_t was_restored;       /* it goes on where a state ends */
    uint8_t goes_back;          /* … as it was copied, by the words of this run */
    int64_t saved_us;           /* … when that was written, by the clock */
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

/* change.c: compares the plan with the one that wrote the state (run->before): run->changes, and
 * the numbers of its stages (run->now). Columns that were kept before stay needed. */
int run_judge(struct wr_run *run, struct wr_error *err);
/* evolve.c: the same from the store on; refuses (W601) what would be lost and is not allowed to be,
 * unless only asked what it is (`runs` 0). */
int run_evolve(struct wr_run *run, int runs, struct wr_error *err);
/* Notes that the seed which was given has no effect, since the state has its own. */
void run_tell_seed(const struct wr_run *run, uint64_t given);
/* Notes that a life goes on from a state, once; when all is there for it. */
void run_tell_going_on(const struct wr_run *run);
/* A node cannot go on, whatever the comparison of the scripts has said of it. */
void run_refuse_node(struct wr_run *run, uint32_t node, const char *why);
/* run.c: a run with its units, and nothing restored or opened but the store, if there is a state;
 * `is_savepoint`: one that a state would begin from. *run is to be freed in any case. */
int run_new_to_look(struct wr_run **run, struct wr_plan *plan, const struct wr_run_options *options,
                    int is_savepoint, struct wr_error *err);
/* inspect.c: a state that must be there. WR_ENOENT, with what to do, where it is not. */
int run_open_state(struct wr_store **store, const struct wr_env *env, const char *path,
                   struct wr_error *err);
int run_open_savepoint(struct wr_store **store, const struct wr_env *env, const char *savepoint,
                       struct wr_error *err);
/* Whether there is a state in `directory` (which may be NULL) that began as a copy of the one in
 * `savepoint`; WR_EEXIST: there is one that did not. */
int run_began_from(const struct wr_env *env, const char *savepoint, const char *directory,
                   int *began, struct wr_error *err);
/* Makes the state in `directory` a copy of the one in `savepoint`; where it began as that copy
 * before, nothing is done. */
int run_begin_from(const struct wr_env *env, const char *savepoint, const char *directory,
                   struct wr_error *err);
/* The number of a live node's stage, under which the state has it. */
static inline uint32_t run_number(const struct wr_run *run, uint32_t node) {
    return run->now.stages[run->stage_of[node]].number;
}
/* The live node of a number; PAST_NONE: there is none. */
static inline uint32_t run_node_numbered(const struct wr_run *run, uint64_t number) {
    return number < run->now.next_number ? run->node_numbered[number] : PAST_NONE;
}

/* refused.c: what was there before a start … */
struct state_before {
    int directory; /* whoever made it wants to keep it */
    int state;
};
struct state_before state_look_before(const struct wr_env *env, const char *directory);
/* … and when it fails with `status`: where it was refused, and no sink had begun, what it has made
 * goes. Only wr_run_free may follow. */
void state_unmake_refused(struct wr_run *run, struct state_before before, int status,
                          const struct wr_error *err);

/* build.c: units, edges, gates of the plan's live nodes; opens them. */
int run_build(struct wr_run *run, struct wr_error *err);
/* How many units a node has. */
uint32_t run_units_of(const struct wr_plan *plan, const struct wr_node *node);
void run_close_units(struct wr_run *run);

/* unit.c */
void unit_out_init(struct unit *unit);
/* Gives a batch to one input of a unit: to its gate, or through it. Borrows. wr_flow or a status.
 */
int unit_push(struct unit *unit, uint32_t input, uint32_t port, struct wr_batch *batch);
/* Through it, now. */
int unit_process(struct unit *unit, uint32_t input, struct wr_batch *batch);
/* The same, where rows are not looked at one by one (poison.h). */
int unit_process_now(struct unit *unit, uint32_t input, struct wr_batch *batch);
/* Hands a batch to the edges of a port. Takes it. */
int unit_emit(struct unit *unit, enum wr_port port, struct wr_batch *batch);
/* A row that an operator refuses; one that is late counts as those of the late port. */
int unit_reject(struct unit *unit, const struct wr_reject *reject);
/* Says in `err` which sink it is that failed. Returns `status`. */
int unit_of_error(const struct unit *unit, int status, struct wr_error *err);
/* … and names it, or a source, where its text does not. */
int unit_failed(const struct unit *unit, int status, struct wr_error *err);
int unit_emit_whole(struct unit *unit, enum wr_port port, struct wr_batch *batch); /* uncut */
/* Whether it is a central unit of which no row comes behind the time of one before, but for late
 * rows: so the next row proves a frontier before it goes. */
int unit_ascends(const struct unit *unit);
/* Where the run measures: the time that a unit works, less that of the units that work meanwhile.
 * Begin gives what end takes. */
struct unit_watch {
    int64_t start_us, nested_us;
};
struct unit_watch unit_watch_begin(struct wr_run *run);
void unit_watch_end(struct unit *unit, struct unit_watch watch);
/* Notes what a unit keeps, and its frontier, at the end of a step. */
void unit_measure(struct unit *unit);
/* What its operators keep now. */
void unit_state(const struct unit *unit, struct wr_op_state *state);
/* Recomputes the frontiers; fires what they pass. */
int unit_advance(struct unit *unit);
/* Whether some stage has not given all that is due. */
int run_has_due(const struct wr_run *run);
/* There is no room for what it gives: stages behind it have not worked on what they have. */
int unit_waits_for_room(const struct unit *unit);
/* Lets its operator do what the clock asks for. */
int unit_tick(struct unit *unit);

/* again.c: whether all sources can be read again from the last checkpoint, in one process. */
int run_can_be_read_again(const struct wr_plan *plan);

/* build.c: the source of a unit, not open yet. */
int unit_new_source(struct unit *unit, struct wr_error *err);

/* run.c: counts records that were taken of a source. */
void lane_count(struct unit *lane, uint64_t records);
/* The source's own rejects: `lane` is its unit. */
int lane_reject(void *lane, const struct wr_reject *reject);

/* ahead.c: a source that other threads read ahead; it is open. */
int ahead_new(struct unit *lane, struct wr_workers *workers);
void ahead_free(struct ahead *ahead); /* when the workers have ended */
/* As the source's `poll`, `save_position`, watermark and `progress`, also where it is read ahead:
 * all as of this poll. */
int lane_poll(struct unit *lane, struct wr_batch **batch, struct wr_error *err);
int lane_save_position(const struct unit *lane, struct wr_buf *out);
int64_t lane_watermark(const struct unit *lane);
void lane_progress(const struct unit *lane, uint64_t *done, uint64_t *total);

/* range.c: the records that are taken of a source. */
/* When lanes are there, and no source is open yet. */
int ranges_init(struct wr_run *run, struct wr_error *err);
/* When sources are open and the stages of lanes are as they were at the last checkpoint. */
int ranges_start(struct wr_run *run, struct wr_error *err);
void range_free(struct unit *lane);
/* As the source's `poll`, of a lane that has a range; it counts what is taken. The lane stands, or
 * WR_EEND, where that is all. */
int range_poll(struct unit *lane, struct wr_batch **batch, struct wr_error *err);
/* *batch is what is left of it (NULL: nothing) without the records before the first one. */
int range_skip(const struct wr_source *source, uint64_t first, struct wr_batch **batch);
/* `record_limit` of a source, as far as it is the same for each reading of it. */
uint64_t range_record_limit(const struct wr_run *run, const struct wr_node *node);
/* All sources have ended or stand where --until says, and some stands. */
int ranges_have_reached(const struct wr_run *run);

/* reload.c: tables that are read again. */
int reloads_init(struct wr_run *run, struct wr_error *err);
/* Reads some, where the time has come. *busy: there is more to do at once. */
int reloads_step(struct wr_run *run, int *busy, struct wr_error *err);
void reloads_free(struct wr_run *run);

/* gather.c: small batches behind a gate. */
/* When units, edges and gates are there, and it is known whether some stage may stop. */
void gather_init(struct unit *unit);
/* As unit_emit_whole, for the main port; the rows may go on later, at the latest when … */
int gather_emit(struct unit *unit, struct wr_batch *batch);
/* … this is called. wr_flow or a status. */
int gather_flush(struct unit *unit);
/* The same for one that is no unit's yet: takes a batch, small ones into *gathered, and gives on
 * what is whole. It may be called in any thread. */
typedef int (*gather_emit_fn)(void *ctx, struct wr_batch *batch);
int gather_put(const struct unit *unit, struct wr_batch_pool *pool, struct wr_batch **gathered,
               struct wr_batch *batch, gather_emit_fn emit, void *ctx);

/* idle.c: inputs that are live and have nothing to read. */
/* A source was polled: it gave something, or had nothing (`is_empty`). */
void idle_note(struct unit *lane, int is_empty);
/* Whether a lane may be passed over, because it was found empty a moment ago. */
int idle_may_skip(const struct unit *lane);
/* Whether a unit is idle, when its inputs have been asked. */
void idle_update(struct unit *unit);
/* The least of the frontiers that a unit's inputs have, of those that do not step aside. */
int64_t unit_frontier_of_inputs(const struct unit *unit);
/* Rows that come behind the frontier of a stage, because it went on without them, say so: they are
 * judged by it. *made is `batch` or one over it; the caller's reference. */
int idle_raise(struct unit *unit, struct wr_batch *batch, struct wr_batch **made);

/* The pool for what leaves a unit. */
static inline struct wr_batch_pool *unit_pool(const struct unit *unit) {
    return unit->lane == LANE_CENTRAL ? &unit->run->central_pool : &unit->run->pool;
}

/* After a restart from a large state the first batches are small, so that the first results do not
 * wait for the state of many keys, of each of which every delta may have a part; each is twice the
 * one before. Who polls says so. */
#define FIRST_BATCH_ROWS 8u
static inline void lane_take_few(struct unit *lane) {
    lane->source->batch_rows = WR_MIN(lane->source->batch_rows, FIRST_BATCH_ROWS);
}
static inline void lane_take_more(struct unit *lane, const struct wr_batch *batch) {
    if (batch != NULL)
        lane->source->batch_rows =
            WR_MIN(lane->source->batch_rows * 2, lane->run->options.batch_rows);
}

/* run.c: operators see a clock that never goes back. */
void run_set_clock(struct wr_run *run, int64_t now_us);
/* Advances all units in their order, until no gate has more. */
int run_advance(struct wr_run *run, int after_rejects);
/* threads.c: a pool for what a shard makes; all of them are freed when no batch is left. NULL: no
 * memory. */
struct wr_batch_pool *shard_pool_new(struct wr_run *run);
void shard_pools_free(struct wr_run *run);
/* Whether operators may be worked on in other threads at all. */
int threads_may_help(const struct wr_run *run);
/* Lets shards be worked on in other threads where the plan allows it. */
int threads_init(struct wr_run *run, struct wr_error *err);
/* Whether shards have something that has not gone on. */
int run_is_ahead(const struct wr_run *run);
/* Waits for what shards do in other threads, and hands it on, until nothing is in flight. */
int run_settle(struct wr_run *run, int after_rejects);
/* The same, and the rejects of all that. */
int run_settle_step(struct wr_run *run);

/* cut.c: where batches are cut. */
int cuts_init(struct wr_run *run);
/* The next boundary behind `after` of the stages below a unit that makes cuts. */
int64_t cut_next(const struct unit *unit, int64_t after);
/* Whether a unit stands below another that makes cuts. */
int cut_reaches(const struct unit *cutting, const struct unit *unit);
/* unit_emit for what leaves a stage that sets the frontier. */
int cut_emit(struct unit *unit, struct wr_batch *batch);

/* gate.c: the one order of several inputs. */
int gate_new(struct gate **gate, struct wr_run *run, struct unit *unit, uint32_t port_count,
             enum wr_merge mode);
void gate_free(struct gate *gate);
void gate_set_port(struct gate *gate, uint32_t port, const struct unit *from, uint32_t input,
                   int first);
int gate_add(struct gate *gate, uint32_t port, struct wr_batch *batch);
/* Frontiers that the unit of a port says behind rows that wait are kept in their places. */
void gate_keep_said(struct gate *gate, uint32_t port);
/* Moves on whatever the order allows. */
int gate_pump(struct gate *gate);
/* All rows that will still leave the gate by `port` have event time >= this. */
int64_t gate_port_frontier(const struct gate *gate, uint32_t port);
/* Nothing of the port waits, and its input steps aside. */
int gate_port_is_idle(const struct gate *gate, uint32_t port);
/* The gate cannot go on without a row from `port`. */
int gate_wants(const struct gate *gate, uint32_t port);
/* Rows of a port go when they come, and not when those of another have ended or proved a time. */
int gate_is_by_offset(const struct gate *gate);
/* Whether rows of this port go by time. */
int gate_is_by_time(const struct gate *gate, uint32_t port);
/* Whether a row may leave it in a later push than the one that brought it. */
int gate_holds(const struct gate *gate);
/* Whether all rows of a port have gone before this one, which came by port `own`. */
int gate_port_went_before(const struct gate *gate, uint32_t port, uint32_t own,
                          const struct wr_batch *batch, uint32_t row);
/* The inputs that are read whole before the others have ended, and their rows have gone. */
int gate_has_tables(const struct gate *gate);
/* Which input of the unit a port is of. */
uint32_t gate_port_input(const struct gate *gate, uint32_t port);
/* How many rows wait. */
uint64_t gate_rows(const struct gate *gate);
/* The rows that wait, as bytes and back. */
int gate_save(const struct gate *gate, struct wr_buf *out);
int gate_load(struct gate *gate, struct wr_reader *in);

/* sharded.c: a keyed operator in several instances. */
int sharded_new(struct sharded **sharded, struct unit *unit, struct wr_error *err);
void sharded_free(struct sharded *sharded);
/* From now on its shards are worked on in other threads, and what they give comes later: see
 * shards.h. `shuffles`: who works when is drawn from the seed of the order, as far as threads let
 * it; with a pool of one thread it is the same each time. */
void sharded_use_workers(struct sharded *sharded, struct wr_workers *workers, int shuffles);
int sharded_push(struct sharded *sharded, uint32_t input, struct wr_batch *batch);
/* The frontier of its input, which has moved since the last call or not; sets that of the unit when
 * what was given before it has been delivered. */
int sharded_advance(struct sharded *sharded, int64_t frontier, int has_moved);
int sharded_tick(struct sharded *sharded);
/* Hands on what has come back, as far as the next frontier of the unit. */
int sharded_deliver(struct sharded *sharded);
/* Whether something has not been delivered. */
int sharded_is_ahead(const struct sharded *sharded);
/* Waits where that is more than memory should hold; whether it did. */
int sharded_keep_up(struct sharded *sharded);
/* Waits until nothing is left to be worked on, or something must be delivered before that. */
void sharded_wait(struct sharded *sharded);
/* Waits until no shard works: none does until more is given or delivered. */
void sharded_halt(struct sharded *sharded);
/* Whether that is so. */
int sharded_is_idle(struct sharded *sharded);
uint32_t sharded_count(const struct sharded *sharded);
struct wr_op *sharded_op(const struct sharded *sharded, uint32_t shard);
/* The instances of a unit's operator: one, one a shard, or none. */
static inline uint32_t unit_op_count(const struct unit *unit) {
    return unit->sharded != NULL ? sharded_count(unit->sharded) : unit->op != NULL;
}
static inline struct wr_op *unit_op_at(const struct unit *unit, uint32_t at) {
    return unit->sharded != NULL ? sharded_op(unit->sharded, at) : unit->op;
}
/* One that has no state, for what is the same in all. */
const struct wr_op *sharded_guide(const struct sharded *sharded);
/* Whether threads and the writer work in an order that is drawn from a seed, in one thread. */
static inline int run_is_drawn(const struct wr_run *run) {
    return run->options.shard_order_seed != 0;
}

/* copying.c: what is saved of an operator apart (state/apart.h), and where its pieces go. */
struct unit_apart {
    struct wr_apart apart;
    struct wr_run *run;
    char part[64]; /* of the checkpoint at hand, and … */
    enum wr_store_piece piece;
    uint64_t bytes; /* … what it has of it so far */
    uint64_t rows;  /* of the stage, when it began */
};
static inline struct unit_apart *unit_apart_of(const struct wr_op *op) {
    return (struct unit_apart *)((char *)op->apart - offsetof(struct unit_apart, apart));
}
void copying_init(struct unit_apart *apart, struct wr_run *run);
/* Its save begins. */
void copying_begin(struct unit_apart *apart, const char part[64], enum wr_store_piece piece);
/* Behind a call of the operator. A failure waits in `apart`. */
void copying_some(struct unit_apart *apart);
int copying_goes_on(const struct wr_run *run);
/* Of stages that nobody works on, some, or all that is left of the checkpoint. WR_OK: it is all
 * copied; WR_EAGAIN: not yet; or why it cannot be. */
int copying_step(struct wr_run *run);
int copying_finish(struct wr_run *run);
/* checkpoint.c: all rows of a stage took `bytes`. */
void unit_note_row_bytes(struct unit *unit, uint32_t shard, uint64_t bytes, uint64_t rows);
/* unit_op.c: an operator instance, opened; freed by unit_op_free. */
int unit_op_new(struct unit *unit, struct wr_op_env *env, struct wr_op **op, struct wr_error *err);
void unit_op_free(struct wr_op *op);
/* What a call of an operator gave; or why its tables could not read what they owe (apart.h). Reads
 * some more of that. */
int unit_op_outcome(struct wr_op *op, int flow);
/* What a frontier gives, and what is left of that or of a batch where the operator has more. */
int unit_op_advance(struct wr_op *op, int64_t frontier, struct wr_out *out);
int unit_op_go_on(struct wr_op *op, struct wr_out *out);
/* Until it has no more, or `out` is full. */
int unit_op_give_all(struct wr_op *op, int flow, struct wr_out *out);
/* A batch to an operator, in parts where its tables need that: what it gave. */
int unit_op_push(struct wr_op *op, uint32_t input, struct wr_batch *batch, struct wr_out *out);

/* reject_log.c: rejects in order (see reject.h), counted and handed to `rejects()`. */
int reject_log_new(struct reject_log **log, struct wr_run *run);
void reject_log_free(struct reject_log *log);
/* Shards work in other threads: rejects of a step may come in a later one. */
void reject_log_expect_later(struct reject_log *log);
int reject_log_add(struct reject_log *log, struct unit *unit, const struct wr_reject *reject);
/* Rejects of the push that has ended go out in their order, or are held; where the order of a step
 * is all that is needed, they wait for its end. */
int reject_log_flush(struct reject_log *log);
int reject_log_flush_step(struct reject_log *log);
/* The same at the end of a step, if shards have nothing of it left that they may reject; whether so
 * many wait for that by now that it is time to wait for the shards. */
int reject_log_end_step(struct reject_log *log);
int reject_log_is_long(const struct reject_log *log);
/* When all inputs have ended and all windows have fired: gives readers some of the rejects that
 * were held. WR_OK: call again; WR_EEND: that was all. */
int reject_log_end(struct reject_log *log, struct wr_error *err);
/* A checkpoint would free memory. */
int reject_log_is_full(const struct reject_log *log);
/* Some wait to be handed on. */
int reject_log_has_any(const struct reject_log *log);
/* Whether rejects are kept in the state for the end; whether anybody reads them. */
int reject_log_is_kept(const struct reject_log *log);
int reject_log_is_read(const struct reject_log *log);
/* Within a checkpoint's transaction. */
int reject_log_save(struct reject_log *log, struct wr_buf *out, struct wr_error *err);
int reject_log_load(struct reject_log *log, struct wr_reader *in);

/* stop.c: how far lines are read where a stage wants no more. A *line* is a lane of a source, or
 * the rows that one stage numbered: lane_count + maker - 1. */
int stops_init(struct wr_run *run);
/* The line that a row stands in. */
uint32_t run_line(const struct wr_run *run, const struct wr_batch *batch);
/* A lane's number, from its source's ordinal and its partition. */
uint32_t run_lane(const struct wr_run *run, uint32_t source, uint32_t partition);
int run_has_lane(const struct wr_run *run, uint32_t source, uint32_t partition);
/* A unit that may stop has processed `batch`, with this result. */
void stops_note(struct unit *unit, const struct wr_batch *batch, int flow);
/* How many rows of a line count for a unit; UINT64_MAX: all. */
uint64_t stops_rows(const struct unit *unit, uint32_t line);
/* Of endless inputs: those whose rows nobody wants have ended. A bounded one is read on where
 * stages made rows of many, since how far it was read by then depends on the batch size. */
void stops_end_lanes(struct wr_run *run);
/* Records of all sources, as far as they count. */
uint64_t stops_rows_in(const struct wr_run *run);
void stops_save(const struct unit *unit, struct wr_buf *out);
void stops_load(struct unit *unit, struct wr_reader *in);

/* savepoint.c: copies the state, where somebody has asked for it, when the checkpoint that is on
 * its way stands. A copy that cannot be made is told to who asked, and is no failure of the run. */
int run_answer_save(struct wr_run *run, struct wr_error *err);

/* restore.c */
/* The seed of the keys' hashes must be known before tables are made. */
int run_restore_seed(struct wr_run *run, struct wr_error *err);
/* Opens sources and sinks, where the last checkpoint left them. */
int run_restore(struct wr_run *run, struct wr_error *err);
/* Loads one instance of a stage from the store. */
int run_restore_op(struct wr_run *run, struct unit *unit, struct wr_op *op, uint32_t shard,
                   struct wr_error *err);
/* Reads run->before, where there is a state. */
int run_restore_past(struct wr_run *run, struct wr_error *err);
/* Whether a lane of a source, by its number in the state, had come to its end. */
int run_source_had_ended(struct wr_run *run, uint32_t number, uint32_t lane);
/* Of a run that only looks (run_new_to_look): whether the state is complete; then a sink of files
 * is opened, which looks and changes nothing. */
void run_note_complete(struct wr_run *run);
int run_look_at_sink(struct wr_run *run, struct unit *unit, struct wr_error *err);

/* checkpoint.c */
#define RUN_PART_NAME_MAX 64
/* The parts of a checkpoint are named by kind, stage and instance. A stage has its number for as
 * long as the state lives (past.h), wherever it stands in the script. */
void run_part_name(char text[RUN_PART_NAME_MAX], const char *kind, const struct unit *unit,
                   uint32_t shard);
int run_checkpoint(struct wr_run *run, struct wr_error *err);
/* The same, which may be on its way when this returns: see writer.h. */
int run_checkpoint_begin(struct wr_run *run, struct wr_error *err);
/* epoch.c: all sinks begin the next one. */
int run_begin_epoch(struct wr_run *run, struct wr_error *err);
/* Rows that are audited are kept beside their place before they are judged, so that they are there
 * for looking at, and the state is of a run that has read all and published nothing. */
int sinks_keep_held(struct wr_run *run, struct wr_error *err);
/* Ends what all sinks have written, or those that show at once, where no state is kept. */
int sinks_commit(struct wr_run *run, int at_once, struct wr_error *err);
/* All rows of the epoch have come: sinks reject those that cannot be there (wr_sink_type.check). */
int sinks_check(struct wr_run *run, struct wr_error *err);
/* Those that show at once come before the state, which then knows that their end is there, and
 * behind them those that stand in it. */
int sinks_finish(struct wr_run *run, int before_state, struct wr_error *err);
/* Notes of those that nobody will see anything of, as their input never ends. */
void sinks_tell_unseen(const struct wr_run *run);
