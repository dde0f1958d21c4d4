/* cut.c: batches end where time does something. A stage whose results depend on where among its
 * rows the frontier passes a time (a window that fires and late rows that correct it, an outer row
 * that finds no match any more) says which times these are (`next_boundary`). Rows are put through
 * as if each were a step of its own, but only there it is done: the batch is cut, the frontier is
 * told to all stages, and the rest follows. So results do not depend on batches.
 *
 * Cuts are made where frontiers come from: behind `event_time` in its lane, or a source that sets
 * it itself, for all stages that the lane feeds, and in gates, which let rows of several lanes go
 * in an order of their own. */
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/status.h"
#include "exec/cut.h"
#include "exec/gate.h"
#include "exec/sharded.h"
#include "exec/step.h"
#include "exec/unit.h"
#include "base/banned.h"

struct watched {
    struct unit *unit;
    int64_t shift; /* of the frontier on the way there, or WR_SHIFT_BY_ROWS */
};

static int64_t shift_of(const struct unit *unit) {
    const struct wr_op *op = unit->sharded != NULL ? sharded_guide(unit->sharded) : unit->op;
    return op == NULL || op->type->shift == NULL ? 0 : op->type->shift(op);
}

static int has_boundaries(const struct unit *unit) {
    return unit->node->op != NULL && unit->node->op->next_boundary != NULL;
}

static int64_t boundary_of(const struct unit *unit, int64_t after) {
    const struct wr_op *op = unit->sharded != NULL ? sharded_guide(unit->sharded) : unit->op;
    return op->type->next_boundary(op, after);
}

/* Whether rows leave a stage both as they come and at boundaries. */
static int mixes(const struct unit *unit) {
    return has_boundaries(unit) && !unit_ascends(unit) && boundary_of(unit, 0) != WR_TIME_MAX;
}

static int reach(struct unit *at, struct unit *unit, int64_t shift, uint32_t *room) {
    for (uint32_t i = 0; i < at->watched_count; i++)
        if (at->watched[i].unit == unit && at->watched[i].shift == shift)
            return WR_OK;
    if (at->watched_count == *room) {
        *room = *room == 0 ? 4 : 2 * *room;
        struct watched *grown = WR_ARENA_ARRAY(&at->run->arena, struct watched, *room);
        if (grown == NULL)
            return WR_ENOMEM;
        if (at->watched_count > 0)
            memcpy(grown, at->watched, at->watched_count * sizeof *grown);
        at->watched = grown;
    }
    at->watched[at->watched_count++] = (struct watched){.unit = unit, .shift = shift};
    return WR_OK;
}

/* Rows that wait in a gate do not prove the frontiers that their stage said between them, unless
 * they ascend. Where a stage behind the gate gives rows both as they come and at boundaries, it
 * matters where among them these were: each is told. */
static int must_tell_all(const struct unit *from, const struct edge *edge) {
    if (from->lane != LANE_CENTRAL || unit_ascends(from) || edge->to->gate == NULL ||
        !gate_is_by_time(edge->to->gate, edge->port))
        return 0;
    return edge->to->mixes_below;
}

/* Collects the stages from `at` on, each once for each shift of a way there (streams that part and
 * meet again have many ways), and leaves those that have boundaries. */
static int watch_below(struct unit *at) {
    uint32_t room = 0, kept = 0;
    int status = reach(at, at, 0, &room);
    for (uint32_t next = 0; next < at->watched_count; next++) {
        const struct unit *unit = at->watched[next].unit;
        int64_t before = at->watched[next].shift, more = shift_of(unit);
        int by_rows = before == WR_SHIFT_BY_ROWS || more == WR_SHIFT_BY_ROWS;
        for (int port = 0; port < WR_PORTS_MAX; port++)
            for (uint32_t i = 0; i < unit->edge_count[port] && status == WR_OK; i++) {
                const struct edge *edge = &unit->edges[port][i];
                int64_t shift = by_rows || must_tell_all(unit, edge) ? WR_SHIFT_BY_ROWS
                                                                     : wr_time_add(before, more);
                status = reach(at, edge->to, shift, &room);
            }
    }
    for (uint32_t i = 0; i < at->watched_count; i++)
        if (has_boundaries(at->watched[i].unit))
            at->watched[kept++] = at->watched[i];
    at->watched_count = kept;
    return status;
}

/* Units stand behind those whose rows they get. */
static int mark_below(struct unit *at) {
    struct wr_run *run = at->run;
    at->below = WR_ARENA_ZEROS(&run->arena, uint64_t, WR_BITS_WORDS(run->unit_count) + 1);
    if (at->below == NULL)
        return WR_ENOMEM;
    wr_bit_set(at->below, at->place);
    for (uint32_t i = at->place; i < run->unit_count; i++)
        for (int port = 0; port < WR_PORTS_MAX && wr_bit_get(at->below, i); port++)
            for (uint32_t e = 0; e < run->units[i]->edge_count[port]; e++)
                wr_bit_set(at->below, run->units[i]->edges[port][e].to->place);
    return WR_OK;
}

/* Whether a stage that rows of `unit` come to without a gate between has boundaries: then it
 * matters what frontier was said between them. Gates see to it themselves. */
static int is_watched(const struct unit *unit) {
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t e = 0; e < unit->edge_count[port]; e++) {
            const struct unit *to = unit->edges[port][e].to;
            if (to->gate == NULL && (has_boundaries(to) || is_watched(to)))
                return 1;
        }
    return 0;
}

int cut_reaches(const struct unit *cutting, const struct unit *unit) {
    return wr_bit_get(cutting->below, unit->place) != 0;
}

int cuts_init(struct wr_run *run) {
    int any = 0;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        run->units[i]->place = i;
        any |= has_boundaries(run->units[i]);
    }
    for (uint32_t i = 0; any && i < run->unit_count; i++)
        if (run->units[i]->op != NULL)
            run->units[i]->op->is_watched = (uint8_t)is_watched(run->units[i]);
    for (uint32_t i = run->unit_count; any && i-- > 0;) { /* those behind a unit before it */
        struct unit *unit = run->units[i];
        unit->mixes_below = (uint8_t)mixes(unit);
        for (int port = 0; port < WR_PORTS_MAX; port++)
            for (uint32_t e = 0; e < unit->edge_count[port]; e++)
                unit->mixes_below |= unit->edges[port][e].to->mixes_below;
    }
    for (uint32_t i = 0; any && i < run->unit_count; i++)
        for (int port = 0; port < WR_PORTS_MAX; port++)
            for (uint32_t e = 0; e < run->units[i]->edge_count[port]; e++) {
                const struct edge *edge = &run->units[i]->edges[port][e];
                if (must_tell_all(run->units[i], edge))
                    gate_keep_said(edge->to->gate, edge->port);
            }
    for (uint32_t i = 0; any && i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        int sets = unit->node->op != NULL && (unit->node->op->flags & WR_OP_SETS_FRONTIER);
        sets |= unit->source != NULL && unit->node->out.has_time;
        if ((sets || unit->gate != NULL) && watch_below(unit) != WR_OK)
            return WR_ENOMEM;
        if (unit->watched_count > 0 && mark_below(unit) != WR_OK)
            return WR_ENOMEM;
    }
    return WR_OK;
}

int64_t cut_next(const struct unit *unit, int64_t after) {
    int64_t least = WR_TIME_MAX;
    for (uint32_t i = 0; i < unit->watched_count; i++) {
        const struct watched *watched = &unit->watched[i];
        int64_t there;
        if (watched->shift == WR_TIME_MAX) /* it is told nothing before the end */
            continue;
        if (watched->shift == WR_SHIFT_BY_ROWS) /* any row may bring it to the next boundary */
            return wr_time_add(after, 1);
        if (__builtin_sub_overflow(after, watched->shift, &there))
            there = WR_TIME_MIN;
        int64_t one = boundary_of(watched->unit, there);
        one = one == WR_TIME_MAX ? one : wr_time_add(one, watched->shift);
        if (one > after)
            least = WR_MIN(least, one);
    }
    return least;
}

/* The stages below are told a frontier in the midst of a batch, which may be a part of one that is
 * cut itself: where times are given anew. */
static int tell(struct unit *unit, int64_t frontier) {
    struct wr_run *run = unit->run;
    const struct unit *before = run->cutting;
    unit->cut_frontier = frontier;
    run->cutting = unit;
    int status = run_advance(run, 0);
    run->cutting = before;
    return status;
}

/* Rows first … first + count - 1 of the selection. */
static int emit_part(struct unit *unit, struct wr_batch *batch, uint32_t first, uint32_t count) {
    struct wr_batch *part = wr_batch_part(unit_pool(unit), batch, first, count);
    if (part == NULL)
        return WR_ENOMEM;
    part->frontier = batch->behind[wr_batch_row(batch, first + count - 1)];
    return unit_emit_whole(unit, WR_PORT_MAIN, part);
}

int cut_emit(struct unit *unit, struct wr_batch *batch) {
    uint32_t first = 0, at = 0;
    int flow = WR_FLOW_MORE;
    int64_t after = unit->frontier_out, boundary = cut_next(unit, after);
    for (; at < batch->sel_count && flow == WR_FLOW_MORE; at++) {
        int64_t reached = batch->behind[wr_batch_row(batch, at)];
        if (reached < boundary)
            continue;
        if (at > first)
            flow = emit_part(unit, batch, first, at - first);
        first = at;
        int status = flow < 0 ? flow : tell(unit, reached);
        if (status < 0)
            flow = status;
        after = reached;
        boundary = cut_next(unit, after);
    }
    if (flow == WR_FLOW_MORE && first == 0)
        return unit_emit_whole(unit, WR_PORT_MAIN, batch);
    if (flow == WR_FLOW_MORE && first < batch->sel_count)
        flow = emit_part(unit, batch, first, batch->sel_count - first);
    wr_batch_unref(batch);
    return flow;
}
