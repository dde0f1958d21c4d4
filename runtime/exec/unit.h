/* unit.h: a stage at work, in a lane or in the middle. Private to the room.
 *
 * A *lane* is one partition of a source with its row-by-row stages: these have an instance a lane,
 * and rows reach them by a plain call. All other stages are *central*: one instance, or one a
 * shard when keyed. A central unit that rows of several lanes or inputs reach has a *gate*, which
 * puts them into one order.
 *
 *   lane 0: source -> filter -> event_time \
 *   lane 1: source -> filter -> event_time -> [gate] -> agg (shards) -> derive -> sink */
#pragma once
#include <stdint.h>

#include "exec/run_inside.h"

struct ahead;
struct gate;
struct held;
struct range;
struct sharded;
struct watched;
struct wr_op_state;
struct wr_reject;

#define LANE_CENTRAL UINT32_MAX
#define NO_NODE UINT32_MAX

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
    uint8_t has_more;     /* of a restart: a source above it has not come to its end */
    uint8_t stops_too;    /* … since a stage behind it has: one that makes rows of its own */
    uint8_t knows_before; /* … and what lives before this one took of its input */
    const struct wr_batch *in_hand; /* of such a one: what is pushed into it */
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

void unit_out_init(struct unit *unit);
/* Gives a batch to one input of a unit: to its gate, or through it. Borrows. wr_flow or a
 * status. */
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
/* There is no room for what it gives: stages behind it have not worked on what they have. */
int unit_waits_for_room(const struct unit *unit);
/* Lets its operator do what the clock asks for. */
int unit_tick(struct unit *unit);

/* The pool for what leaves a unit. */
static inline struct wr_batch_pool *unit_pool(const struct unit *unit) {
    return unit->lane == LANE_CENTRAL ? &unit->run->central_pool : &unit->run->pool;
}
