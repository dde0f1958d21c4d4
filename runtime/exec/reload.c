/* reload.c: tables of `lookup` that are read again while the pipeline runs. Beside the lanes that
 * read a table first, each such stage has others of the same nodes, which no gate sees: they are
 * opened when the time has come, give their rows to the stage one batch a step, and are closed.
 * Rows of the other input find the old table meanwhile. Nothing of it is state: after a restart the
 * table of the last checkpoint is used until it has been read again, at once. */
#include "exec/unit.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

/* The end of a lane: what comes goes to an input of the stage. */
struct refill {
    struct wr_op base;
    struct unit *stage;
    uint32_t input;
};

struct lane {
    struct unit *source; /* its edges lead through the others */
    uint32_t ordinal;    /* among sources */
    struct refill end;
};

struct reload {
    struct unit *stage;
    uint32_t lane_count, at; /* lanes are read one after the other */
    struct lane *lanes;
    int64_t due_us; /* WR_TIME_MAX: when the first reading is complete */
    uint8_t is_reading;
    struct reload *next;
};

static int refill_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    struct refill *self = (struct refill *)op;
    (void)input;
    (void)out;
    struct wr_op *stage = self->stage->op;
    return stage->type->push(stage, self->input, in, &self->stage->out);
}

static const struct wr_op_type refill_type = {.name = "reload", .push = refill_push};

/* ---- made with the run ---- */

static int reload_reject(void *ctx, const struct wr_reject *reject) {
    struct unit *unit = ctx;
    return reject_log_add(unit->run->rejects, unit, reject);
}

/* A unit of the same node, which feeds `below`. */
static struct unit *twin_of(const struct unit *unit, struct unit *below) {
    struct wr_arena *arena = &unit->run->arena;
    struct unit *twin = WR_ARENA_ZEROS(arena, struct unit, 1);
    struct edge *edge = WR_ARENA_ZEROS(arena, struct edge, 1);
    if (twin == NULL || edge == NULL)
        return NULL;
    *twin = (struct unit){.run = unit->run,
                          .node = unit->node,
                          .lane = unit->lane,
                          .number = unit->number,
                          .maker = unit->maker,
                          .last_maker = unit->last_maker,
                          .asks_origins = unit->asks_origins,
                          .quiet_us = -1,
                          .frontier_in = WR_TIME_MIN,
                          .frontier_out = WR_TIME_MIN};
    unit_out_init(twin);
    edge->to = below;
    twin->edges[WR_PORT_MAIN] = edge;
    twin->edge_count[WR_PORT_MAIN] = 1;
    return twin;
}

/* The twins of a lane, from its last unit up to its source. */
static int lane_new(struct lane *lane, struct unit *stage, uint32_t input, const struct unit *last,
                    struct wr_error *err) {
    struct unit *end = WR_ARENA_ZEROS(&stage->run->arena, struct unit, 1);
    lane->end = (struct refill){.base = {.type = &refill_type}, .stage = stage, .input = input};
    if (end == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    *end = (struct unit){.run = stage->run, .node = stage->node, .op = &lane->end.base};
    struct unit *below = end;
    for (const struct unit *unit = last;; unit = unit->feeders[0].from) {
        struct unit *twin = twin_of(unit, below);
        if (twin == NULL)
            return wr_error_set(err, WR_ENOMEM, "no memory for the run");
        below = twin;
        if (unit->source == NULL)
            continue;
        lane->source = twin;
        lane->ordinal = unit->source->source;
        return WR_OK;
    }
}

static int reload_new(struct unit *stage, struct wr_error *err) {
    struct wr_run *run = stage->run;
    struct reload *reload = WR_ARENA_ZEROS(&run->arena, struct reload, 1);
    struct lane *lanes = WR_ARENA_ZEROS(&run->arena, struct lane, stage->feeder_count);
    if (reload == NULL || lanes == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    *reload = (struct reload){
        .stage = stage, .lanes = lanes, .due_us = WR_TIME_MAX, .next = run->reloads};
    run->reloads = reload;
    int status = WR_OK;
    for (uint32_t f = 0; f < stage->feeder_count && status == WR_OK; f++) {
        uint32_t input = gate_port_input(stage->gate, stage->feeders[f].port);
        if (input == 0)
            continue;
        WR_ASSERT(stage->feeders[f].from->lane != LANE_CENTRAL);
        status = lane_new(&lanes[reload->lane_count++], stage, input, stage->feeders[f].from, err);
    }
    return status;
}

int reloads_init(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    if (run->options.replace_source != NULL) /* what a test feeds is there once */
        return WR_OK;
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct unit *unit = run->units[i];
        const struct wr_op_type *type = unit->op == NULL ? NULL : unit->op->type;
        if (type != NULL && type->reload_after != NULL && type->reload_after(unit->op) > 0)
            status = reload_new(unit, err);
    }
    return status;
}

/* ---- one reading ---- */

static struct unit *unit_below(const struct unit *unit) {
    return unit->edges[WR_PORT_MAIN][0].to;
}

static void lane_close(struct lane *lane) {
    struct unit *source = lane->source;
    if (source == NULL)
        return;
    if (source->opened)
        source->source->type->close(source->source);
    wr_free(&wr_budget_control, source->source);
    source->source = NULL;
    source->opened = 0;
    for (struct unit *unit = unit_below(source); unit->op != &lane->end.base;
         unit = unit_below(unit)) {
        unit_op_free(unit->op);
        unit->op = NULL;
    }
}

static int lane_open(struct lane *lane, struct wr_error *err) {
    struct unit *source = lane->source;
    struct wr_run *run = source->run;
    int status = unit_new_source(source, lane->ordinal, err);
    if (status == WR_OK) { /* what the first reading noted is known */
        source->source->reject = reload_reject;
        source->source->note = NULL;
    }
    for (struct unit *unit = unit_below(source); status == WR_OK && unit->op != &lane->end.base;
         unit = unit_below(unit))
        status = unit_op_new(unit, &run->lane_env, &unit->op, err);
    if (status == WR_OK)
        status = source->source->type->open(source->source, NULL, err);
    source->opened = status == WR_OK;
    return status;
}

static int tell_stage(struct reload *reload, enum wr_reload what) {
    struct wr_op *op = reload->stage->op;
    return op->type->reload(op, what);
}

/* The reading is over, one way or the other. */
static int end_reading(struct reload *reload, enum wr_reload what) {
    struct wr_run *run = reload->stage->run;
    struct wr_op *op = reload->stage->op;
    if (reload->at < reload->lane_count)
        lane_close(&reload->lanes[reload->at]);
    reload->is_reading = 0;
    reload->due_us = wr_time_add(run->op_env.now_us, op->type->reload_after(op));
    return tell_stage(reload, what);
}

/* What cannot be read now is no reason to stop: the rows of before stay. */
static int give_up(struct reload *reload, int status, struct wr_error *why, struct wr_error *err) {
    const struct wr_run_options *options = &reload->stage->run->options;
    const struct unit *source = reload->lanes[reload->at].source;
    int dropped = end_reading(reload, WR_RELOAD_DROP);
    if (status == WR_ENOMEM || dropped != WR_OK)
        return wr_error_set(err, status, "%s: no memory to read it again", source->node->name);
    wr_error_add(why, status, "not read again, its rows of before stay");
    if (options->note != NULL)
        options->note(options->note_ctx, source->node->name, why->text);
    return WR_OK;
}

static int read_some(struct reload *reload, struct wr_error *err) {
    struct lane *lane = &reload->lanes[reload->at];
    struct wr_error why = {0};
    struct wr_batch *batch = NULL;
    int status = lane->source->opened ? WR_OK : lane_open(lane, &why);
    struct wr_source *source = lane->source->source;
    if (status == WR_OK)
        status = source->type->poll(source, &batch, &why);
    if (status == WR_EAGAIN)
        return WR_OK;
    if (status < 0 && status != WR_EEND) {
        wr_batch_unref(batch);
        return give_up(reload, status, &why, err);
    }
    if (batch != NULL && batch->sel_count == 0) {
        wr_batch_unref(batch);
        batch = NULL;
    }
    int flow = batch == NULL ? WR_OK : unit_emit(lane->source, WR_PORT_MAIN, batch);
    if (flow < 0)
        return flow;
    if (status == WR_EEND) {
        lane_close(lane);
        reload->at++;
    }
    return reload->at == reload->lane_count ? end_reading(reload, WR_RELOAD_END) : WR_OK;
}

/* When the first reading is complete the time begins; that of a state is old already. */
static void set_due(struct reload *reload) {
    const struct wr_run *run = reload->stage->run;
    if (reload->due_us != WR_TIME_MAX || !gate_has_tables(reload->stage->gate))
        return;
    const struct wr_op *op = reload->stage->op;
    reload->due_us = run->was_restored
                         ? run->op_env.now_us
                         : wr_time_add(run->op_env.now_us, op->type->reload_after(op));
}

int reloads_step(struct wr_run *run, int *busy, struct wr_error *err) {
    int status = WR_OK;
    *busy = 0;
    for (struct reload *reload = run->reloads; reload != NULL && status == WR_OK;
         reload = reload->next) {
        set_due(reload);
        if (!reload->is_reading && run->op_env.now_us >= reload->due_us) {
            reload->is_reading = 1;
            reload->at = 0;
            status = tell_stage(reload, WR_RELOAD_BEGIN);
        }
        if (!reload->is_reading)
            continue;
        *busy = 1;
        if (status == WR_OK)
            status = read_some(reload, err);
        if (status == WR_OK)
            status = reject_log_flush(run->rejects);
    }
    return status;
}

void reloads_free(struct wr_run *run) {
    for (struct reload *reload = run->reloads; reload != NULL; reload = reload->next)
        for (uint32_t i = 0; i < reload->lane_count; i++)
            lane_close(&reload->lanes[i]);
}
