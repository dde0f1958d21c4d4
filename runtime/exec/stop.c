/* stop.c: how far a run has read where a stage wants no more rows. Lanes are read ahead, by as much
 * as a batch holds, and what lay behind the last row that was wanted has not happened: its rejects
 * are dropped, its records are not counted. So a `limit` leaves the same behind for any batch size.
 *
 * A stage that stops (limit) keeps for each line how many rows went by, up to the last one that it
 * took. The stages above it have stopped there too, once nobody else wants their rows, up to those
 * that numbered the rows. Where such a one knows which row of its input made the last one that was
 * taken (`cause`), and is told at once, it has stopped at that one, as a limit does. Else it works
 * on to the end of its input: a window is told its end, and rows leave a gate, at a place among the
 * rows before it which depends on how they lie in batches. */
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "exec/gate.h"
#include "exec/stop.h"
#include "exec/unit.h"
#include "base/banned.h"

static uint32_t lines_of(const struct wr_run *run) {
    return run->lane_count + run->maker_count;
}

/* Makers keep their numbers in the state, as sources do. */
static uint32_t first_maker(const struct unit *unit) {
    const struct wr_run *run = unit->run;
    return run->now.stages[run->stage_of[unit->node->id]].first_maker;
}

/* Whether all that a unit feeds are told at once what it gives, so that it hears at once that no
 * more is wanted. *stops: one of them may say so. A `limit(0)` says so of a row that it does not
 * take, which nobody above it knows. */
static int is_told_at_once(const struct unit *unit, int *stops) {
    int at_once = unit->edge_count[WR_PORT_LATE] == 0;
    for (uint32_t i = 0; i < unit->edge_count[WR_PORT_MAIN] && at_once; i++) {
        const struct unit *to = unit->edges[WR_PORT_MAIN][i].to;
        if (to->gate != NULL)
            return 0;
        if (to->node->op == NULL)
            continue;
        if (to->node->op->flags & WR_OP_KEYED) /* its shards may answer later */
            return 0;
        if (to->node->op->flags & WR_OP_STOPS) {
            *stops = 1;
            at_once = wr_value_int(to->node->spec, "rows", 0) > 0;
        } else {
            at_once = is_told_at_once(to, stops);
        }
    }
    return at_once;
}

static int may_stop_too(const struct unit *unit) {
    const unsigned flags = WR_OP_MAKES_ROWS | WR_OP_TELLS_CAUSES;
    int stops = 0;
    return (unit->node->op->flags & flags) == flags && is_told_at_once(unit, &stops) && stops;
}

int stops_init(struct wr_run *run) {
    run->maker_count = run->now.maker_count;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        unsigned flags = unit->node->op == NULL ? 0 : unit->node->op->flags;
        if (flags & (WR_OP_MAKES_ROWS | WR_OP_REPEATS))
            unit->maker = first_maker(unit) + (unit->lane == LANE_CENTRAL ? 0 : unit->lane);
        if (unit->lane == LANE_CENTRAL || unit->source != NULL || unit->feeder_count == 0)
            continue;
        const struct unit *above = unit->feeders[0].from;
        unit->last_maker = above->maker != 0 ? above->maker : above->last_maker;
    }
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        if (unit->node->op == NULL)
            continue;
        unit->stops_too = (uint8_t)may_stop_too(unit);
        if (!unit->stops_too && !(unit->node->op->flags & WR_OP_STOPS))
            continue;
        unit->taken = WR_ARENA_ZEROS(&run->arena, uint64_t, lines_of(run) + 1);
        if (unit->taken == NULL)
            return WR_ENOMEM;
        run->may_stop = 1;
    }
    return WR_OK;
}

int run_has_lane(const struct wr_run *run, uint32_t source, uint32_t partition) {
    return source < run->source_count &&
           partition < run->lane_first[source + 1] - run->lane_first[source];
}

uint32_t run_lane(const struct wr_run *run, uint32_t source, uint32_t partition) {
    WR_ASSERT(run_has_lane(run, source, partition));
    return run->lane_first[source] + partition;
}

uint32_t run_line(const struct wr_run *run, const struct wr_batch *batch) {
    if (batch->origin.maker != 0)
        return run->lane_count + batch->origin.maker - 1;
    if (batch->origin.source != NULL)
        return run_lane(run, batch->source, batch->partition);
    return UINT32_MAX;
}

/* All lines above the unit, which `stopping` has taken whole. */
static void mark_whole(struct unit *stopping, struct unit *unit) {
    if (unit->whole_for == stopping)
        return;
    unit->whole_for = stopping;
    if (unit->source != NULL)
        stopping->taken[unit->number] = UINT64_MAX;
    if (unit->maker != 0)
        stopping->taken[unit->run->lane_count + unit->maker - 1] = UINT64_MAX;
    for (uint32_t i = 0; i < unit->feeder_count; i++)
        mark_whole(stopping, unit->feeders[i].from);
}

/* A stage that stops, at a row of `batch` that came from unit `origin` (NULL: not known). */
struct stop {
    struct unit *stopping;
    const struct unit *origin;
    const struct wr_batch *batch;
    uint32_t row;
};

/* Finds the units between the origin and `unit`; whether it is one of them. */
static int find_way(const struct stop *stop, struct unit *unit) {
    if (unit->way_for == stop->stopping)
        return unit->is_on_way;
    unit->way_for = stop->stopping;
    unit->is_on_way = unit == stop->origin;
    for (uint32_t i = 0; i < unit->feeder_count; i++)
        unit->is_on_way |= (uint8_t)find_way(stop, unit->feeders[i].from);
    return unit->is_on_way;
}

/* Lanes that were read whole before the row: at each gate on its way those behind the ports that
 * had ended. Where it came by several ports, the first says which. */
static void mark_complete(const struct stop *stop, struct unit *unit) {
    while (unit != stop->origin) {
        uint32_t own = 0;
        while (own < unit->feeder_count && !unit->feeders[own].from->is_on_way)
            own++;
        if (own == unit->feeder_count)
            return;
        for (uint32_t i = 0; unit->gate != NULL && i < unit->feeder_count; i++)
            if (!unit->feeders[i].from->is_on_way &&
                gate_port_went_before(unit->gate, unit->feeders[i].port, unit->feeders[own].port,
                                      stop->batch, stop->row))
                mark_whole(stop->stopping, unit->feeders[i].from);
        unit = unit->feeders[own].from;
    }
}

/* Where a row was numbered: the unit of its lane, or the stage that made it. */
static const struct unit *origin_of(const struct wr_run *run, const struct wr_batch *batch) {
    int is_of_lane = batch->origin.source != NULL;
    if (!is_of_lane && batch->origin.maker == 0)
        return NULL;
    uint32_t lane = is_of_lane ? run_lane(run, batch->source, batch->partition) : 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (is_of_lane ? run->units[i]->source != NULL && run->units[i]->number == lane
                       : run->units[i]->maker == batch->origin.maker)
            return run->units[i];
    return NULL;
}

/* What the rows of a unit's line (a lane's unit: 0 its lane, 1 its last maker) are to one that it
 * feeds. */
static uint64_t read_by(const struct unit *unit, uint32_t line, const struct unit *to) {
    const struct wr_run *run = unit->run;
    if (unit->lane == LANE_CENTRAL)
        return to->read_to[line];
    if (to->lane != LANE_CENTRAL) /* a maker numbers them anew */
        return line == 1 && to->maker != 0 ? UINT64_MAX : to->read_to[line];
    if (line == 0)
        return to->read_to[unit->number];
    return unit->last_maker == 0 ? UINT64_MAX : to->read_to[run->lane_count + unit->last_maker - 1];
}

/* How many rows of each line count for a unit, by those that it feeds; units stand in the order of
 * the plan. A lane's own units know two lines alone. */
static void settle_unit(struct unit *unit) {
    struct wr_run *run = unit->run;
    uint32_t lines = unit->lane == LANE_CENTRAL ? lines_of(run) : 2, edges = 0;
    unit->read_to = unit->has_stopped ? unit->taken : NULL;
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t i = 0; i < unit->edge_count[port]; i++, edges++)
            if (unit->edges[port][i].to->read_to == NULL)
                return;
    if (edges == 0)
        return;
    if (unit->node->op != NULL && (unit->node->op->flags & WR_OP_MAKES_ROWS) &&
        unit->edge_count[WR_PORT_MAIN] > 0)
        return; /* what was taken of its rows does not tell how far its input was read */
    if (unit->own_read_to == NULL)
        unit->own_read_to = WR_ARENA_ARRAY(&run->arena, uint64_t, lines);
    if (unit->own_read_to == NULL)
        return; /* no memory: all records count */
    memset(unit->own_read_to, 0, lines * sizeof *unit->own_read_to);
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t i = 0; i < unit->edge_count[port]; i++)
            for (uint32_t line = 0; line < lines; line++) {
                uint64_t one = read_by(unit, line, unit->edges[port][i].to);
                unit->own_read_to[line] = WR_MAX(unit->own_read_to[line], one);
            }
    uint32_t first_made = unit->lane == LANE_CENTRAL ? run->lane_count : 1;
    for (uint32_t line = first_made; unit->maker != 0 && line < lines; line++)
        unit->own_read_to[line] = UINT64_MAX; /* it repeats them under numbers of its own */
    for (uint32_t line = 0; unit->has_stopped && line < lines; line++)
        unit->own_read_to[line] = WR_MIN(unit->own_read_to[line], unit->taken[line]);
    unit->read_to = unit->own_read_to;
}

static void settle(struct wr_run *run) {
    for (uint32_t i = run->unit_count; i-- > 0;)
        settle_unit(run->units[i]);
}

/* How many rows of a batch go by up to a physical one. */
static uint32_t rows_up_to(const struct wr_batch *batch, uint32_t row) {
    uint32_t count = 0;
    while (count < batch->sel_count && wr_batch_row(batch, count) <= row)
        count++;
    return count;
}

int stops_making(struct unit *unit, const struct wr_batch *batch, const uint32_t *cause) {
    const struct wr_run *run = unit->run;
    if (unit->node->op == NULL || !(unit->node->op->flags & WR_OP_MAKES_ROWS) || unit->has_stopped)
        return 1;
    uint64_t taken = 0, first = batch->origin.made_first;
    for (uint32_t i = 0; i < unit->edge_count[WR_PORT_MAIN]; i++) {
        const uint64_t *read_to = unit->edges[WR_PORT_MAIN][i].to->read_to;
        if (read_to == NULL) /* a sink's doing, whose reader has gone */
            return 1;
        taken = WR_MAX(taken, read_to[run->lane_count + unit->maker - 1]);
    }
    int knows = unit->stops_too && (unit->knows_before || !run->was_restored);
    if (!knows || unit->in_hand == NULL || cause == NULL || taken <= first ||
        taken - first > batch->sel_count)
        return 0;
    uint32_t last = wr_batch_row(batch, (uint32_t)(taken - first) - 1);
    unit->out.rows_taken = rows_up_to(unit->in_hand, cause[last]);
    return 1;
}

void stops_note(struct unit *unit, const struct wr_batch *batch, int flow) {
    uint32_t count = batch->sel_count;
    if (unit->has_stopped)
        return;
    if (flow == WR_FLOW_DONE && unit->out.rows_taken != UINT32_MAX) {
        unit->has_stopped = 1;
        count = unit->out.rows_taken;
    }
    /* Who takes none (`limit(0)`) has seen that the first one came. */
    uint32_t row = wr_batch_row(batch, count == 0 ? 0 : count - 1);
    if (unit->has_stopped) {
        struct stop stop = {unit, origin_of(unit->run, batch), batch, row};
        if (find_way(&stop, unit))
            mark_complete(&stop, unit);
    }
    uint32_t line = run_line(unit->run, batch);
    if (line != UINT32_MAX)
        unit->taken[line] = wr_origin_number(&batch->origin, row) + (count > 0);
    if (batch->origin.source != NULL)
        unit->taken[run_lane(unit->run, batch->source, batch->partition)] =
            wr_origin_record(&batch->origin, row) + (count > 0);
    if (unit->has_stopped)
        settle(unit->run);
}

uint64_t stops_rows(const struct unit *unit, uint32_t line) {
    if (unit->read_to == NULL)
        return UINT64_MAX;
    if (unit->lane == LANE_CENTRAL)
        return unit->read_to[line];
    int made = line >= unit->run->lane_count;
    if (made && line - unit->run->lane_count + 1 != unit->last_maker)
        return UINT64_MAX;
    return unit->read_to[made];
}

/* Nobody wants rows of the unit any more; those that it feeds have been asked. */
static int is_closed(const struct unit *unit) {
    uint32_t edges = 0;
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t i = 0; i < unit->edge_count[port]; i++, edges++)
            if (!unit->edges[port][i].done && !unit->edges[port][i].to->is_closed)
                return 0;
    return unit->has_stopped || edges > 0;
}

void stops_end_lanes(struct wr_run *run) {
    for (uint32_t i = run->unit_count; i-- > 0;) {
        struct unit *unit = run->units[i];
        unit->is_closed = (uint8_t)is_closed(unit);
        if (unit->source != NULL && unit->is_closed)
            unit->ended = 1;
    }
}

uint64_t stops_rows_in(const struct wr_run *run) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct unit *unit = run->units[i];
        if (unit->source == NULL)
            continue;
        uint64_t records = stops_rows(unit, unit->number);
        if (records != UINT64_MAX && unit->source->type->rows_before != NULL)
            records = unit->source->type->rows_before(unit->source, records);
        total += WR_MIN(unit->records_in, records);
    }
    return total;
}

void stops_save(const struct unit *unit, struct wr_buf *out) {
    if (unit->taken == NULL)
        return;
    wr_buf_add_char(out, (char)unit->has_stopped);
    wr_buf_add_varint(out, unit->run->lane_count);
    wr_buf_add_varint(out, unit->run->maker_count);
    for (uint32_t line = 0; line < lines_of(unit->run); line++)
        wr_buf_add_u64(out, unit->taken[line]);
}

/* Lines of lanes and makers that have come since stand behind those that were there. */
void stops_load(struct unit *unit, struct wr_reader *in) {
    const struct wr_run *run = unit->run;
    if (unit->taken == NULL || (unit->stops_too && in->at == in->length))
        return; /* a script, or a version, by which it did not stop */
    unit->knows_before = 1;
    const char *flag = wr_reader_bytes(in, 1);
    unit->has_stopped = flag != NULL && *flag != 0;
    uint64_t lanes = wr_reader_varint(in), makers = wr_reader_varint(in);
    if (lanes > run->lane_count || makers > run->maker_count)
        in->failed = 1;
    for (uint64_t line = 0; !in->failed && line < lanes + makers; line++)
        unit->taken[line < lanes ? line : line - lanes + run->lane_count] = wr_reader_u64(in);
    if (unit->has_stopped)
        settle(unit->run);
}
