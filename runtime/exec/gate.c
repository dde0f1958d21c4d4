/* gate.c: several inputs in one order, which no batch size and no timing can change.
 * Time: the port whose head row is earliest goes first, so a port without a row holds all others
 * back until it has one or has ended. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "exec/cut.h"
#include "exec/gate_parts.h"
#include "exec/idle.h"
#include "exec/reject_log.h"
#include "exec/stop.h"
#include "exec/unit.h"
#include "base/banned.h"

int gate_new(struct gate **gate, struct wr_run *run, struct unit *unit, uint32_t port_count,
             enum wr_merge mode) {
    struct gate *self = WR_ARENA_ZEROS(&run->arena, struct gate, 1);
    if (self == NULL)
        return WR_ENOMEM;
    self->run = run;
    self->unit = unit;
    self->mode = mode;
    self->port_count = port_count;
    self->ports = WR_ARENA_ZEROS(&run->arena, struct gate_port, port_count);
    if (self->ports == NULL)
        return WR_ENOMEM;
    for (uint32_t p = 0; p < port_count; p++)
        self->ports[p].consumed = WR_TIME_MIN;
    *gate = self;
    return WR_OK;
}

void gate_set_port(struct gate *gate, uint32_t port, const struct unit *from, uint32_t input,
                   int first) {
    gate->ports[port].from = from;
    gate->ports[port].input = input;
    gate->ports[port].first = (uint8_t)first;
}

/* Nobody wants what still waits. */
static void drop_queues(struct gate *gate) {
    for (uint32_t p = 0; p < gate->port_count; p++) {
        struct gate_port *port = &gate->ports[p];
        for (; port->head < port->count; port->head++)
            wr_batch_unref(port->queue[port->head].batch);
        port->at = 0;
    }
}

void gate_free(struct gate *gate) {
    if (gate == NULL)
        return;
    drop_queues(gate);
    for (uint32_t p = 0; p < gate->port_count; p++) {
        wr_free(&gate->run->input_budget, gate->ports[p].queue);
        gate->ports[p].queue = NULL;
        gate->ports[p].count = gate->ports[p].head = 0;
    }
}

int gate_port_add(struct gate *gate, struct gate_port *port, struct wr_batch *batch) {
    if (port->head == port->count)
        port->head = port->count = 0;
    if (port->count == port->room && port->head > port->count / 2) { /* room at the front */
        port->count -= port->head;
        memmove(port->queue, port->queue + port->head, port->count * sizeof *port->queue);
        port->head = 0;
    }
    if (wr_grow(&gate->run->input_budget, (void **)&port->queue, port->count, &port->room,
                sizeof *port->queue) != WR_OK)
        return WR_ENOMEM;
    port->queue[port->count++] = (struct waiter){
        .batch = batch == NULL ? NULL : wr_batch_ref(batch), .said = port->from->frontier_out};
    return WR_OK;
}

int gate_add(struct gate *gate, uint32_t port_index, struct wr_batch *batch) {
    if (gate->done)
        return WR_FLOW_DONE;
    int status = gate_port_add(gate, &gate->ports[port_index], batch);
    return status == WR_OK ? WR_FLOW_MORE : status;
}

void gate_keep_said(struct gate *gate, uint32_t port) {
    gate->ports[port].keeps_said = 1;
}

/* Frontiers that are said behind rows that wait. */
static int note_said(struct gate *gate) {
    int status = WR_OK;
    for (uint32_t p = 0; p < gate->port_count && status == WR_OK; p++) {
        struct gate_port *port = &gate->ports[p];
        int64_t frontier = port->from->frontier_out;
        if (port->keeps_said && port->head < port->count && frontier != WR_TIME_MAX &&
            frontier > port->queue[port->count - 1].said)
            status = gate_port_add(gate, port, NULL);
    }
    return status;
}

static struct wr_batch *port_batch(const struct gate_port *port) {
    return port->head < port->count ? port->queue[port->head].batch : NULL;
}

static int port_ended(const struct gate_port *port) {
    return port->head == port->count && port->from->frontier_out == WR_TIME_MAX;
}

/* The frontier that a row proves, of the rows after it. What the row and its batch say of their
 * own partition holds in a lane alone, and there not between rows that a stage made of one: the
 * row's own time counts from the next one on. Behind a stage that merged several, another partition
 * may be far behind. There it holds that rows were merged by time: when this one left, no input had
 * anything earlier than its time less the delay. */
static int64_t frontier_behind(const struct gate_port *port, const struct wr_batch *batch,
                               uint32_t row) {
    int64_t delay = port->from->node->out.max_delay_us, reached;
    if (batch->event_time == NULL)
        return WR_TIME_MIN;
    if (port->from->lane != LANE_CENTRAL && batch->behind != NULL)
        return batch->behind[row];
    if (delay == WR_DELAY_UNKNOWN ||
        __builtin_sub_overflow(batch->event_time[row], delay, &reached))
        reached = WR_TIME_MIN;
    return reached;
}

static struct place place_of(const struct wr_batch *batch, uint32_t row, uint32_t port) {
    struct place place = {.port = port, .has_origin = batch->origin.source != NULL};
    if (batch->event_time != NULL)
        place.time_us = batch->event_time[row];
    if (place.has_origin) {
        place.source = batch->source;
        place.partition = batch->partition;
        place.record = wr_origin_record(&batch->origin, row);
    }
    return place;
}

static int place_before(const struct gate *gate, const struct place *a, const struct place *b) {
    if (gate->mode == WR_MERGE_TIME && a->time_us != b->time_us)
        return a->time_us < b->time_us;
    /* Rows made of several have no origin; they come behind those that have one, by their port. */
    if (!a->has_origin || !b->has_origin)
        return a->has_origin == b->has_origin ? a->port < b->port : a->has_origin;
    if (gate->run->family[a->source] != gate->run->family[b->source])
        return a->source < b->source;
    if (a->partition != b->partition)
        return a->partition < b->partition;
    return a->record != b->record ? a->record < b->record : a->port < b->port;
}

/* Whether row a of port p goes before row b of port q. */
static int goes_before(const struct gate *gate, const struct wr_batch *a, uint32_t row_a,
                       uint32_t p, const struct wr_batch *b, uint32_t row_b, uint32_t q) {
    if (gate->mode == WR_MERGE_TIME && a->event_time[row_a] != b->event_time[row_b])
        return a->event_time[row_a] < b->event_time[row_b]; /* mostly: no need of the rest */
    struct place place_a = place_of(a, row_a, p), place_b = place_of(b, row_b, q);
    return place_before(gate, &place_a, &place_b);
}

/* The frontier that the next row proves before it is consumed, of itself and those after it. */
static int64_t frontier_before(const struct gate_port *port, const struct wr_batch *batch,
                               uint32_t row) {
    if (unit_ascends(port->from) && batch->event_time != NULL)
        return batch->event_time[row];
    return port->from->lane == LANE_CENTRAL || batch->behind == NULL ? WR_TIME_MIN
                                                                     : batch->behind[row];
}

/* Takes `count` rows from the port's head and puts them through the unit. */
static int port_consume(struct gate *gate, struct gate_port *port, uint32_t count) {
    struct wr_batch *batch = port_batch(port);
    port->consumed = WR_MAX(port->consumed, port->queue[port->head].said);
    uint32_t last = wr_batch_row(batch, port->at + count - 1);
    struct wr_batch *slice = count == batch->sel_count
                                 ? wr_batch_ref(batch)
                                 : wr_batch_part(&gate->run->central_pool, batch, port->at, count);
    if (slice == NULL)
        return WR_ENOMEM;
    /* The last row of a lane proves most; behind a stage that merged several, late rows may follow
     * one that proved more. */
    uint32_t first = port->from->lane == LANE_CENTRAL ? port->at : port->at + count - 1;
    for (uint32_t i = first; i < port->at + count; i++) {
        int64_t behind = frontier_behind(port, batch, wr_batch_row(batch, i));
        port->consumed = WR_MAX(port->consumed, behind);
    }
    port->at += count;
    port->last = place_of(batch, last, (uint32_t)(port - gate->ports));
    port->has_last = 1;
    if (port->at == batch->sel_count) {
        if (port->from->lane != LANE_CENTRAL)
            port->consumed = WR_MAX(port->consumed, batch->frontier);
        port->head++;
        port->at = 0;
        wr_batch_unref(batch);
    }
    int flow = unit_process(gate->unit, port->input, slice);
    wr_batch_unref(slice);
    if (flow < 0)
        return flow;
    if (flow == WR_FLOW_DONE)
        gate->done = 1;
    int status = reject_log_flush(gate->run->rejects);
    return status < 0 ? status : flow;
}

static int head_before(const struct gate *gate, uint32_t p, uint32_t q) {
    const struct gate_port *a = &gate->ports[p], *b = &gate->ports[q];
    return goes_before(gate, port_batch(a), wr_batch_row(port_batch(a), a->at), p, port_batch(b),
                       wr_batch_row(port_batch(b), b->at), q);
}

/* How many rows of port p, from its head on, go before the head of port q. */
static uint32_t run_before(const struct gate *gate, uint32_t p, uint32_t q) {
    const struct gate_port *a = &gate->ports[p], *b = &gate->ports[q];
    const struct wr_batch *batch = port_batch(a), *other = port_batch(b);
    uint32_t other_row = wr_batch_row(other, b->at);
    uint32_t count = 1;
    while (a->at + count < batch->sel_count &&
           goes_before(gate, batch, wr_batch_row(batch, a->at + count), p, other, other_row, q))
        count++;
    return count;
}

/* Whether the frontier has come to a boundary of a stage below: it is told before more rows go. */
static int stands_at_boundary(const struct gate *gate) {
    const struct unit *unit = gate->unit;
    if (unit->watched_count == 0)
        return 0;
    int64_t boundary = cut_next(unit, unit->frontier_in);
    return boundary != WR_TIME_MAX && boundary <= unit_frontier_of_inputs(unit);
}

/* How many of the next `count` rows of a port go before its frontier comes to the next boundary. */
static uint32_t rows_before_boundary(const struct gate *gate, const struct gate_port *port,
                                     uint32_t count) {
    const struct unit *unit = gate->unit;
    if (unit->watched_count == 0)
        return count;
    int64_t boundary = cut_next(unit, unit->frontier_in);
    for (uint32_t p = 0; p < gate->port_count; p++)
        if (&gate->ports[p] != port && !gate_port_is_idle(gate, p) &&
            gate_port_frontier(gate, p) < boundary)
            return count; /* another one holds it back */
    const struct wr_batch *batch = port_batch(port);
    for (uint32_t i = 1; i < count; i++)
        if (frontier_behind(port, batch, wr_batch_row(batch, port->at + i - 1)) >= boundary ||
            frontier_before(port, batch, wr_batch_row(batch, port->at + i)) >= boundary)
            return i;
    return count;
}

/* Ports that are read whole before the others. 1: still busy with them. */
static int pump_first(struct gate *gate, int *status) {
    for (uint32_t p = 0; p < gate->port_count; p++) {
        struct gate_port *port = &gate->ports[p];
        if (!port->first)
            continue;
        while (*status >= 0 && !gate->done && port_batch(port) != NULL)
            *status = port_consume(gate, port, port_batch(port)->sel_count - port->at);
        if (*status < 0 || !port_ended(port))
            return 1;
    }
    return 0;
}

/* One port after the other; where that has no end, all as far as they have rows. */
static int pump_sequential(struct gate *gate) {
    int status = WR_OK;
    for (uint32_t p = 0; p < gate->port_count && status >= 0; p++) {
        struct gate_port *port = &gate->ports[p];
        while (status >= 0 && !gate->done && port_batch(port) != NULL)
            status = port_consume(gate, port, port_batch(port)->sel_count - port->at);
        if (!port_ended(port) && gate->mode == WR_MERGE_SEQUENTIAL)
            break;
    }
    return status;
}

/* A frontier that was said has been told, if it had to be. Whether there was one. */
static int pass_said(struct gate *gate) {
    int any = 0;
    for (uint32_t p = 0; p < gate->port_count; p++) {
        struct gate_port *port = &gate->ports[p];
        if (port->head == port->count || port->queue[port->head].batch != NULL)
            continue;
        port->consumed = WR_MAX(port->consumed, port->queue[port->head].said);
        port->head++;
        any = 1;
    }
    return any;
}

static int pump_ordered(struct gate *gate) {
    while (!gate->done) {
        if (stands_at_boundary(gate)) {
            gate->run->paused = 1;
            return WR_OK;
        }
        if (pass_said(gate))
            continue;
        uint32_t best = UINT32_MAX, second = UINT32_MAX;
        for (uint32_t p = 0; p < gate->port_count; p++) {
            if (gate->ports[p].first)
                continue;
            if (port_batch(&gate->ports[p]) == NULL) {
                if (gate->mode == WR_MERGE_TIME && !port_ended(&gate->ports[p]) &&
                    !gate_port_is_idle(gate, p))
                    return WR_OK;
                continue;
            }
            if (best == UINT32_MAX || head_before(gate, p, best)) {
                second = best;
                best = p;
            } else if (second == UINT32_MAX || head_before(gate, p, second)) {
                second = p;
            }
        }
        if (best == UINT32_MAX)
            return WR_OK;
        struct gate_port *port = &gate->ports[best];
        uint32_t count = port_batch(port)->sel_count - port->at;
        if (second != UINT32_MAX)
            count = run_before(gate, best, second);
        count = rows_before_boundary(gate, port, count);
        int status = port_consume(gate, port, count);
        if (status < 0)
            return status;
    }
    return WR_OK;
}

/* Branches of one source meet: while the batch of one is cut, another may not have had its rows of
 * it yet, unless it stands below the cut too. */
static int waits_for_branches(const struct gate *gate) {
    const struct unit *cut = gate->run->cutting;
    for (uint32_t p = 0; p < gate->port_count && cut != NULL && gate->mode == WR_MERGE_OFFSET;
         p++) {
        const struct unit *unit = gate->ports[p].from;
        while (unit != NULL && unit != cut && !gate->ports[p].first)
            unit = unit->feeder_count == 0 ? NULL : unit->feeders[0].from;
        if (unit == NULL)
            return 1;
    }
    return 0;
}

int gate_pump(struct gate *gate) {
    int status = note_said(gate);
    if (status != WR_OK || waits_for_branches(gate))
        return status;
    if (!gate->done && !pump_first(gate, &status))
        status = gate->mode == WR_MERGE_TIME || gate->mode == WR_MERGE_OFFSET
                     ? pump_ordered(gate)
                     : pump_sequential(gate);
    if (gate->done)
        drop_queues(gate);
    return WR_MIN(status, WR_OK);
}

int gate_port_went_before(const struct gate *gate, uint32_t port_index, uint32_t own,
                          const struct wr_batch *batch, uint32_t row) {
    const struct gate_port *port = &gate->ports[port_index];
    if (port_index == own || gate->ports[own].first)
        return 0;
    if (port->first)
        return 1;
    if (gate->mode != WR_MERGE_TIME)
        return gate->mode == WR_MERGE_SEQUENTIAL && port_index < own;
    if (!port_ended(port) || !port->has_last)
        return port_ended(port);
    struct place place = place_of(batch, row, own);
    return place_before(gate, &port->last, &place);
}

int gate_holds(const struct gate *gate) {
    int holds = gate->mode == WR_MERGE_TIME || gate->mode == WR_MERGE_SEQUENTIAL;
    for (uint32_t p = 0; p < gate->port_count; p++)
        holds |= gate->ports[p].first;
    return holds;
}

int gate_is_by_offset(const struct gate *gate) {
    return gate->mode == WR_MERGE_OFFSET;
}

int gate_is_by_time(const struct gate *gate, uint32_t port) {
    return gate->mode == WR_MERGE_TIME && !gate->ports[port].first;
}

int gate_has_tables(const struct gate *gate) {
    int has = 1;
    for (uint32_t p = 0; p < gate->port_count; p++)
        has &= !gate->ports[p].first || port_ended(&gate->ports[p]);
    return has;
}

uint32_t gate_port_input(const struct gate *gate, uint32_t port) {
    return gate->ports[port].input;
}

int64_t gate_port_frontier(const struct gate *gate, uint32_t port_index) {
    const struct gate_port *port = &gate->ports[port_index];
    const struct wr_batch *batch = port_batch(port);
    if (batch == NULL && port->head < port->count)
        return WR_MAX(port->consumed, port->queue[port->head].said);
    if (batch != NULL) { /* rows that were dropped between the last one and this have moved it */
        int64_t before = frontier_before(port, batch, wr_batch_row(batch, port->at));
        before = WR_MAX(before, port->queue[port->head].said);
        return WR_MAX(port->consumed, before);
    }
    return WR_MAX(port->consumed, port->from->frontier_out);
}

int gate_port_is_idle(const struct gate *gate, uint32_t port_index) {
    const struct gate_port *port = &gate->ports[port_index];
    return port->from->is_idle && !port->first && port_batch(port) == NULL;
}

int gate_wants(const struct gate *gate, uint32_t port_index) {
    const struct gate_port *port = &gate->ports[port_index];
    if (gate->done || port_batch(port) != NULL)
        return 0;
    for (uint32_t p = 0; p < gate->port_count; p++) {
        const struct gate_port *other = &gate->ports[p];
        if (p == port_index)
            continue;
        if (other->first && !port->first && !port_ended(other))
            return 0;
        if (gate->mode == WR_MERGE_SEQUENTIAL && other->first == port->first && p < port_index &&
            !port_ended(other))
            return 0;
    }
    return 1;
}
