/* stop.c: how far a run has read where a stage wants no more rows. Lanes are read ahead, by as much
 * as a batch holds, and what lay behind the last row that was wanted has not happened: its rejects
 * are dropped, its records are not counted. So a `limit` leaves the same behind for any batch size.
 *
 * A stage that stops (limit) keeps for each lane how many records went by, up to the last row that
 * it took. The stages above it have stopped there too, once nobody else wants their rows. */
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "exec/unit.h"
#include "base/banned.h"

int stops_init(struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        if (unit->node->op == NULL || !(unit->node->op->flags & WR_OP_STOPS))
            continue;
        unit->taken = WR_ARENA_ZEROS(&run->arena, uint64_t, run->lane_count + 1);
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

void stops_note(struct unit *unit, const struct wr_batch *batch, int flow) {
    uint32_t count = batch->sel_count;
    if (unit->has_stopped)
        return;
    if (flow == WR_FLOW_DONE && unit->out.rows_taken != UINT32_MAX) {
        unit->has_stopped = 1;
        count = unit->out.rows_taken;
    }
    if (batch->origin.source == NULL) {
        unit->takes_made_rows = 1;
        return;
    }
    /* Who takes none (`limit(0)`) has seen that the first one came. */
    uint32_t row = wr_batch_row(batch, count == 0 ? 0 : count - 1);
    unit->taken[run_lane(unit->run, batch->source, batch->partition)] =
        wr_origin_record(&batch->origin, row) + (count > 0);
}

uint64_t stops_records(const struct unit *unit, uint32_t lane) {
    if (unit->has_stopped) /* rows that stages made do not tell how far their inputs were read */
        return unit->takes_made_rows ? UINT64_MAX : unit->taken[lane];
    uint64_t records = 0;
    uint32_t edges = 0;
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t i = 0; i < unit->edge_count[port]; i++, edges++) {
            uint64_t one = stops_records(unit->edges[port][i].to, lane);
            records = WR_MAX(records, one);
        }
    return edges == 0 ? UINT64_MAX : records;
}

/* Nobody wants rows of the unit any more. */
static int is_closed(const struct unit *unit) {
    uint32_t edges = 0;
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t i = 0; i < unit->edge_count[port]; i++, edges++)
            if (!unit->edges[port][i].done && !is_closed(unit->edges[port][i].to))
                return 0;
    return unit->has_stopped || edges > 0;
}

void stops_end_lanes(struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        if (unit->source != NULL && !unit->ended && is_closed(unit))
            unit->ended = 1;
    }
}

uint64_t stops_rows_in(const struct wr_run *run) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct unit *unit = run->units[i];
        if (unit->source == NULL)
            continue;
        uint64_t records =
            stops_records(unit, run_lane(run, unit->source->source, unit->source->partition));
        total += WR_MIN(unit->records_in, records);
    }
    return total;
}

void stops_save(const struct unit *unit, struct wr_buf *out) {
    if (unit->taken == NULL)
        return;
    wr_buf_add_char(out, (char)unit->has_stopped);
    wr_buf_add_char(out, (char)unit->takes_made_rows);
    for (uint32_t lane = 0; lane < unit->run->lane_count; lane++)
        wr_buf_add_u64(out, unit->taken[lane]);
}

void stops_load(struct unit *unit, struct wr_reader *in) {
    if (unit->taken == NULL)
        return;
    const char *flags = wr_reader_bytes(in, 2);
    unit->has_stopped = flags != NULL && flags[0] != 0;
    unit->takes_made_rows = flags != NULL && flags[1] != 0;
    for (uint32_t lane = 0; lane < unit->run->lane_count; lane++)
        unit->taken[lane] = wr_reader_u64(in);
}
