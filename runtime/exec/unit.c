#include "exec/unit.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/ahead.h"
#include "exec/cut.h"
#include "exec/gate.h"
#include "exec/gather.h"
#include "exec/held.h"
#include "exec/idle.h"
#include "exec/memory.h"
#include "exec/poison.h"
#include "exec/reject_log.h"
#include "exec/sharded.h"
#include "exec/stop.h"
#include "exec/unit_op.h"
#include "exec/writer.h"
#include "state/apart.h"
#include "base/banned.h"

static int out_emit(struct wr_out *out, enum wr_port port, struct wr_batch *batch) {
    return unit_emit((struct unit *)out, port, batch);
}

int unit_reject(struct unit *unit, const struct wr_reject *reject) {
    return reject_log_add(unit->run->rejects, unit, reject);
}

static int out_reject(struct wr_out *out, const struct wr_reject *reject) {
    return unit_reject((struct unit *)out, reject);
}

int unit_of_error(const struct unit *unit, int status, struct wr_error *err) {
    if (status < 0 && err != NULL && unit->sink != NULL)
        err->sink = unit->node->id + 1;
    return status;
}

int unit_failed(const struct unit *unit, int status, struct wr_error *err) {
    const char *name = unit->node->name;
    (void)unit_of_error(unit, status, err);
    if (err == NULL || status == WR_ECANCEL || strstr(err->text, name) != NULL)
        return status; /* of a signal the text says what was waited for, as a part of a sentence */
    return wr_error_add(err, status, "%s %s", unit->source != NULL ? "source" : "sink", name);
}

void unit_out_init(struct unit *unit) {
    unit->out = (struct wr_out){.emit = out_emit, .reject = out_reject, .rows_taken = UINT32_MAX};
}

/* Late rows that nobody reads are rejects of the stage that refused them. */
static int reject_late(struct unit *unit, struct wr_batch *batch) {
    int status = WR_OK;
    for (uint32_t i = 0; i < batch->sel_count && status == WR_OK; i++) {
        struct wr_reject reject = {.code = WR_REJECT_LATE,
                                   .stage = unit->node->id,
                                   .row = wr_batch_row(batch, i),
                                   .batch = batch};
        status = reject_log_add(unit->run->rejects, unit, &reject);
    }
    return status;
}

/* Rows that a stage made are numbered in the order in which they leave it. Later stages break ties
 * of event time by these numbers, which therefore must not depend on how rows lie in batches. Rows
 * of a source that a stage repeats keep their records, and have these numbers beside. */
static int number_rows(struct unit *unit, struct wr_batch *batch) {
    struct wr_origin *origin = &batch->origin;
    if (unit->maker == 0)
        return WR_OK;
    uint32_t *number = NULL;
    if (batch->sel != NULL) {
        number = WR_ARENA_ZEROS(&batch->arena, uint32_t, batch->row_count);
        if (number == NULL)
            return WR_ENOMEM;
        for (uint32_t i = 0; i < batch->sel_count; i++)
            number[batch->sel[i]] = i;
    }
    batch->is_view = 0;
    origin->maker = unit->maker;
    origin->made_first = unit->counts.rows_out;
    origin->made = number;
    if (origin->source == NULL) {
        origin->first_record = origin->made_first;
        origin->record = number;
    }
    return WR_OK;
}

int unit_emit(struct unit *unit, enum wr_port port, struct wr_batch *batch) {
    if (unit->gathers && unit->is_pumped && port == WR_PORT_MAIN)
        return gather_emit(unit, batch);
    int cuts = port == WR_PORT_MAIN && unit->watched_count > 0 && unit->lane != LANE_CENTRAL;
    return cuts ? cut_emit(unit, batch) : unit_emit_whole(unit, port, batch);
}

int unit_emit_whole(struct unit *unit, enum wr_port port, struct wr_batch *batch) {
    WR_ASSERT(batch->sel_count > 0);
    const uint32_t *cause = batch->cause;
    batch->cause = NULL; /* of the batch that was pushed here, which later stages do not see */
    /* Rows that nobody takes are worked on for what is read beside them: rejects, late rows. */
    int flow = unit->edge_count[port] == 0 ? WR_FLOW_MORE : WR_FLOW_DONE;
    if (port == WR_PORT_MAIN && number_rows(unit, batch) != WR_OK) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    if (port == WR_PORT_MAIN)
        unit->counts.rows_out += batch->sel_count;
    else if (unit->edge_count[port] > 0) /* else each is a reject, and counted with them */
        unit->run->summary.late += batch->sel_count;
    for (uint32_t i = 0; i < unit->edge_count[port]; i++) {
        struct edge *edge = &unit->edges[port][i];
        if (edge->done)
            continue;
        int status = unit_push(edge->to, edge->input, edge->port, batch);
        if (status < 0) {
            wr_batch_unref(batch);
            return status;
        }
        edge->done = status == WR_FLOW_DONE;
        if (!edge->done)
            flow = WR_FLOW_MORE;
    }
    if (port == WR_PORT_LATE) {
        int status = unit->edge_count[port] == 0 ? reject_late(unit, batch) : WR_OK;
        wr_batch_unref(batch);
        return status < 0 ? status : WR_FLOW_MORE;
    }
    if (flow == WR_FLOW_DONE && unit->run->may_stop && !stops_making(unit, batch, cause))
        flow = WR_FLOW_MORE;
    wr_batch_unref(batch);
    return flow;
}

/* Whether what waits in its gate may go on in the midst of what is pushed. Where branches of one
 * source meet, all must have had a batch of it before. */
static int may_pump(const struct unit *unit) {
    const struct unit *cutting = unit->run->cutting;
    return !unit->is_pumped && !gate_is_by_offset(unit->gate) &&
           (cutting == NULL || cut_reaches(cutting, unit));
}

static int pump(struct unit *unit);

int unit_push(struct unit *unit, uint32_t input, uint32_t port, struct wr_batch *batch) {
    if (unit->gate == NULL)
        return unit_process(unit, input, batch);
    int flow = gate_add(unit->gate, port, batch);
    if (flow != WR_FLOW_MORE || memory_has_room(unit->run) || !may_pump(unit))
        return flow;
    int status = pump(unit);
    return WR_MIN(status, WR_FLOW_MORE);
}

int unit_ascends(const struct unit *unit) {
    const struct wr_stream *out = &unit->node->out;
    return unit->lane == LANE_CENTRAL && out->has_time && !out->updates && out->max_delay_us == 0;
}

struct unit_watch unit_watch_begin(struct wr_run *run) {
    if (!run->options.measures)
        return (struct unit_watch){0};
    const struct wr_env *env = run->plan->env;
    struct unit_watch watch = {.start_us = env->monotonic_us(env), .nested_us = run->nested_us};
    run->nested_us = 0;
    return watch;
}

void unit_watch_end(struct unit *unit, struct unit_watch watch) {
    struct wr_run *run = unit->run;
    if (!run->options.measures)
        return;
    int64_t taken_us = run->plan->env->monotonic_us(run->plan->env) - watch.start_us;
    unit->counts.own_us += taken_us - run->nested_us;
    run->nested_us = watch.nested_us + taken_us;
}

void unit_state(const struct unit *unit, struct wr_op_state *state) {
    for (uint32_t i = 0; i < unit_op_count(unit); i++) {
        const struct wr_op *op = unit_op_at(unit, i);
        if (op->type->measure != NULL)
            op->type->measure(op, state);
        state->spilled_bytes += op->apart == NULL ? 0 : wr_apart_spilled_bytes(op->apart);
    }
}

void unit_measure(struct unit *unit) {
    struct wr_op_state state = {0};
    unit_state(unit, &state);
    struct wr_op_state *most = &unit->counts.state;
    uint64_t spilled_bytes = WR_MAX(state.spilled_bytes, most->spilled_bytes);
    if (state.bytes > most->bytes || (state.bytes == most->bytes && state.rows > most->rows))
        *most = state;
    most->spilled_bytes = spilled_bytes;
    if (unit->frontier_out != WR_TIME_MAX)
        unit->counts.frontier = unit->frontier_out;
}

/* What a sink may refuse, and somebody reads, leaves with the push that brought it. */
static int must_have_sink(const struct unit *unit) {
    return (unit->sink->type->flags & WR_SINK_REFUSES) && reject_log_is_read(unit->run->rejects);
}

/* Gives rows, or a frontier alone, to a sink, or puts them aside while a checkpoint has it, or
 * others wait. */
static int give_sink(struct unit *unit, struct wr_batch *batch, int64_t frontier) {
    struct wr_run *run = unit->run;
    struct wr_sink *sink = unit->sink;
    if (run->options.dry_run)
        return WR_OK;
    int waits = writer_is_busy(run) || held_waits(unit), status = WR_OK;
    if (waits && ((batch != NULL && must_have_sink(unit)) || held_is_full(run))) {
        status = writer_settle(run, run->err);
        waits = 0;
    }
    if (status != WR_OK)
        return status;
    if (waits)
        return held_add(unit, batch, frontier);
    status = batch != NULL ? sink->type->write(sink, batch, run->err)
                           : sink->type->advance(sink, frontier, run->err);
    return unit_of_error(unit, status, run->err);
}

/* Its late rows are read, whether others want the rest or not. */
static int wants_late(const struct unit *unit) {
    int wants = 0;
    for (uint32_t i = 0; i < unit->edge_count[WR_PORT_LATE]; i++)
        wants |= !unit->edges[WR_PORT_LATE][i].done;
    return wants;
}

static int process(struct unit *unit, uint32_t input, struct wr_batch *batch) {
    if (unit->has_stopped && unit->stops_too)
        return WR_FLOW_DONE;
    unit->in_hand = batch;
    unit->counts.rows_in += batch->sel_count;
    unit->counts.batches_in++;
    struct unit_watch watch = unit_watch_begin(unit->run);
    struct wr_arena *scratch = &unit->run->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    int flow;
    if (unit->sharded != NULL) {
        flow = sharded_push(unit->sharded, input, batch);
    } else if (unit->op != NULL) {
        flow = unit_op_push(unit->op, input, batch, &unit->out);
        flow = unit_op_give_all(unit->op, flow, &unit->out);
    } else {
        _Static_assert(WR_SINK_DONE == (int)WR_FLOW_DONE, "sinks and operators say it alike");
        WR_ASSERT(unit->sink != NULL);
        flow = give_sink(unit, batch, 0);
    }
    wr_arena_rewind(scratch, mark);
    unit_watch_end(unit, watch);
    unit->in_hand = NULL;
    if (flow < 0 && unit->run->failed == NULL)
        unit->run->failed = unit;
    if (flow == WR_FLOW_DONE && wants_late(unit))
        flow = WR_FLOW_MORE;
    if (flow >= 0 && unit->taken != NULL)
        stops_note(unit, batch, flow);
    return flow;
}

int unit_process(struct unit *unit, uint32_t input, struct wr_batch *batch) {
    if (WR_UNLIKELY(unit->run->poison != NULL) && poison_watches(unit->run))
        return poison_process(unit, input, batch);
    return unit_process_now(unit, input, batch);
}

int unit_process_now(struct unit *unit, uint32_t input, struct wr_batch *batch) {
    if (!unit->is_ahead || unit->node->op == NULL)
        return process(unit, input, batch);
    struct wr_batch *raised;
    if (idle_raise(unit, batch, &raised) != WR_OK)
        return WR_ENOMEM;
    int flow = process(unit, input, raised);
    if (raised != batch)
        wr_batch_unref(raised);
    return flow;
}

int unit_tick(struct unit *unit) {
    const struct wr_op_type *type = unit->node->op;
    if (type == NULL || type->tick == NULL)
        return WR_OK;
    struct unit_watch watch = unit_watch_begin(unit->run);
    struct wr_arena_mark mark = wr_arena_mark(&unit->run->scratch);
    int status = unit->sharded != NULL
                     ? sharded_tick(unit->sharded)
                     : unit_op_outcome(unit->op, type->tick(unit->op, &unit->out));
    wr_arena_rewind(&unit->run->scratch, mark);
    unit_watch_end(unit, watch);
    if (status < 0 && unit->run->failed == NULL)
        unit->run->failed = unit;
    return status < 0 ? status : reject_log_flush(unit->run->rejects);
}

/* Lets rows go as far as the gate can, and what they give. */
static int pump(struct unit *unit) {
    unit->is_pumped = 1;
    int status = gate_pump(unit->gate);
    unit->is_pumped = 0;
    if (status < 0 || unit->gathered == NULL)
        return status;
    status = gather_flush(unit);
    return status < 0 ? status : reject_log_flush(unit->run->rejects);
}

static int tell_frontier(struct unit *unit, int64_t frontier, int has_moved) {
    struct unit_watch watch = unit_watch_begin(unit->run);
    struct wr_arena_mark mark = wr_arena_mark(&unit->run->scratch);
    int status = WR_OK;
    if (unit->sharded != NULL)
        status = sharded_advance(unit->sharded, frontier, has_moved);
    else if (unit->op != NULL && unit->op->type->advance != NULL)
        status =
            unit_op_give_all(unit->op, unit_op_advance(unit->op, frontier, &unit->out), &unit->out);
    else if (unit->sink != NULL && unit->sink->type->advance != NULL && unit->opened)
        status = give_sink(unit, NULL, frontier);
    wr_arena_rewind(&unit->run->scratch, mark);
    unit_watch_end(unit, watch);
    if (status < 0 && unit->run->failed == NULL)
        unit->run->failed = unit;
    return status < 0 ? status : reject_log_flush(unit->run->rejects);
}

/* Of a stage that has more that is due, as long as it is not too much for one step. */
static int give_part(struct unit *unit, int64_t frontier) {
    struct wr_run *run = unit->run;
    uint64_t rows_before = unit->counts.rows_out;
    if (run->due_left == 0)
        return WR_OK;
    int status = tell_frontier(unit, frontier, 1);
    uint64_t given = unit->counts.rows_out - rows_before + 1;
    run->due_left -= WR_MIN(run->due_left, given);
    return status;
}

int unit_waits_for_room(const struct unit *unit) {
    const struct wr_run *run = unit->run;
    if (memory_has_room(run))
        return 0;
    for (uint32_t i = unit->place + 1; i < run->unit_count; i++)
        if (run->units[i]->sharded != NULL && sharded_is_ahead(run->units[i]->sharded))
            return 1;
    return 0;
}

/* What shards have given in other threads goes on; not in the midst of a batch. */
static int deliver(struct unit *unit) {
    struct wr_run *run = unit->run;
    if (run->cutting != NULL || !sharded_is_ahead(unit->sharded))
        return WR_OK;
    if (unit_waits_for_room(unit)) {
        run->paused = 1;
        return WR_OK;
    }
    int64_t before = unit->frontier_out;
    struct wr_arena_mark mark = wr_arena_mark(&run->scratch);
    int status = sharded_deliver(unit->sharded);
    wr_arena_rewind(&run->scratch, mark);
    if (status < 0 && run->failed == NULL)
        run->failed = unit;
    if (status >= 0)
        run->paused |= (uint8_t)sharded_keep_up(unit->sharded);
    if (unit->frontier_out != before ||
        unit_waits_for_room(unit)) /* more may have come back behind it */
        run->paused |= (uint8_t)sharded_is_ahead(unit->sharded);
    return status;
}

/* Behind a changed script a stage may have begun anew above one that goes on: until what its shards
 * do in other threads has come, it has said no frontier. */
static int waits_for_shards(const struct unit *unit) {
    int waits = unit->sharded != NULL && sharded_is_ahead(unit->sharded);
    for (uint32_t i = 0; i < unit->feeder_count && !waits; i++)
        waits = waits_for_shards(unit->feeders[i].from);
    return waits;
}

int unit_advance(struct unit *unit) {
    const struct unit *cutting = unit->run->cutting;
    if (cutting == unit) {
        unit->frontier_out = unit->cut_frontier;
        unit->is_idle = 0; /* it has rows */
        return WR_OK;
    }
    /* What others say holds behind the batch that is cut, and they may be in the midst of it. */
    if (cutting != NULL && !cut_reaches(cutting, unit))
        return WR_OK;
    if (unit->source != NULL) {
        /* After a restart the source has not yet said again how far it is. */
        int64_t watermark = unit->ended ? WR_TIME_MAX : lane_watermark(unit);
        unit->frontier_out = WR_MAX(unit->frontier_out, watermark);
        return WR_OK;
    }
    int status = unit->gate != NULL ? pump(unit) : WR_OK;
    if (status < 0)
        return status;
    int64_t frontier = unit_frontier_of_inputs(unit);
    if (frontier < unit->frontier_in && unit->run->was_restored && waits_for_shards(unit))
        frontier = unit->frontier_in;
    if (WR_UNLIKELY(frontier <
                    unit->frontier_in)) /* no row could be trusted: nothing is committed */
        return wr_error_set(unit->run->err, WR_ECORRUPT,
                            "stage %s: its frontier went back: the state is damaged, or this is a "
                            "bug in weir",
                            unit->node->name);
    int has_moved = frontier > unit->frontier_in;
    unit->frontier_in = frontier;
    if (unit->has_stopped && unit->stops_too) {
        unit->frontier_out = frontier;
        idle_update(unit);
        return WR_OK;
    }
    int has_due = unit->op != NULL && unit->op->has_due;
    if (has_due)
        status = give_part(unit, frontier);
    else if (has_moved || unit->sharded != NULL)
        status = tell_frontier(unit, frontier, has_moved);
    if (status < 0)
        return status;
    if (unit->op != NULL && unit->op->has_due) /* there are more steps for what this one leaves */
        unit->run->paused |= unit->run->due_left > 0;
    if (unit->sharded != NULL)
        status = deliver(unit);
    else if (unit->op != NULL && unit->op->type->holds_back != NULL)
        unit->frontier_out = unit->op->type->holds_back(unit->op, frontier);
    else
        unit->frontier_out = frontier;
    idle_update(unit);
    int comes = unit->sharded != NULL && sharded_is_ahead(unit->sharded);
    if (comes || (unit->op != NULL && unit->op->has_due))
        unit->is_idle = 0; /* rows of it come yet */
    return status < 0 ? status : WR_OK;
}
