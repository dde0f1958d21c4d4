/* reload.c: tables of `lookup` that are read again while the pipeline runs. Beside the lanes that
 * read a table first, each such stage has others of the same nodes, which no gate sees: they are
 * opened when the time has come, give their rows to the stage one batch a step, and are closed.
 * Rows of the other input find the old table meanwhile, and when the new one cannot be read or
 * kept. Nothing of it is state: after a restart the table of the last checkpoint is used until it
 * has been read again, at once. */
#include "exec/reload.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "exec/build.h"
#include "exec/gate.h"
#include "exec/range.h"
#include "exec/reject_log.h"
#include "exec/unit.h"
#include "exec/unit_op.h"
#include "base/banned.h"

/* The end of a lane: what comes goes to an input of the stage. */
struct refill {
    struct wr_op base;
    struct wr_out out; /* of the stage, while it takes a row of a reading */
    struct unit *stage;
    uint32_t input;
    struct wr_error *why; /* it cannot take a row */
};

#define NOTES_MAX 8

struct lane {
    struct unit *source; /* its edges lead through the others */
    struct refill end;
    uint64_t rejected; /* rows of this reading */
    uint32_t note_count;
    uint64_t noted[NOTES_MAX]; /* hashes of notes that were told */
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
    return stage->type->push(stage, self->input, in, &self->out);
}

static struct lane *lane_of_end(struct wr_out *out) {
    struct refill *end = (struct refill *)(void *)((char *)out - offsetof(struct refill, out));
    return (struct lane *)(void *)((char *)end - offsetof(struct lane, end));
}

/* The first reading has told bad rows one by one; of later ones they are counted. A row that would
 * end the run ends the reading. */
static int refill_reject(struct wr_out *out, const struct wr_reject *reject) {
    struct lane *lane = lane_of_end(out);
    lane->rejected++;
    return reject->ends_run ? wr_error_set(lane->end.why, WR_EBADROW, "%s: %s", reject->reason,
                                           reject->detail == NULL ? "" : reject->detail)
                            : WR_OK;
}

static const struct wr_op_type refill_type = {.name = "reload", .push = refill_push};

/* ---- made with the run ---- */

static int source_reject(void *ctx, const struct wr_reject *reject) {
    (void)reject;
    ((struct lane *)ctx)->rejected++;
    return WR_OK;
}

static struct unit *unit_below(const struct unit *twin) {
    return twin->edges[WR_PORT_MAIN][0].to;
}

static int twin_reject(struct wr_out *out, const struct wr_reject *reject) {
    const struct unit *twin = (const struct unit *)out;
    while (twin->op == NULL || twin->op->type != &refill_type)
        twin = unit_below(twin);
    return refill_reject(&((struct refill *)twin->op)->out, reject);
}

/* What is not known from before. */
static void tell(void *ctx, const char *file, const char *text) {
    struct lane *lane = ctx;
    const struct wr_run_options *options = &lane->source->run->options;
    uint64_t hash = wr_hash_bytes(text, strlen(text), 1);
    uint32_t count = WR_MIN(lane->note_count, NOTES_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (lane->noted[i] == hash)
            return;
    lane->noted[lane->note_count++ % NOTES_MAX] = hash;
    if (options->note != NULL)
        options->note(options->note_ctx, file, text);
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
    twin->out.reject = twin_reject;
    edge->to = below;
    twin->edges[WR_PORT_MAIN] = edge;
    twin->edge_count[WR_PORT_MAIN] = 1;
    return twin;
}

/* The twins of a lane, from its last unit up to its source. */
static int lane_new(struct lane *lane, struct unit *stage, uint32_t input, const struct unit *last,
                    struct wr_error *err) {
    struct unit *end = WR_ARENA_ZEROS(&stage->run->arena, struct unit, 1);
    lane->end = (struct refill){.base = {.type = &refill_type},
                                .out = {.emit = stage->out.emit, .reject = refill_reject},
                                .stage = stage,
                                .input = input};
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
    int status = unit_new_source(source, err);
    if (status == WR_OK) {
        source->source->reject = source_reject;
        source->source->note = tell;
        source->source->reject_ctx = lane;
    }
    lane->rejected = 0;
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
    struct lane *lane = &reload->lanes[reload->at];
    const char *name = lane->source->node->name;
    int dropped = end_reading(reload, WR_RELOAD_DROP);
    if (dropped != WR_OK)
        return wr_error_set(err, dropped, "%s: it cannot be read again", name);
    if (status == WR_ENOMEM)
        wr_error_set(why, status, "no memory for its old and its new rows together");
    wr_error_add(why, status, "not read again, its rows of before stay");
    tell(lane, name, why->text);
    return WR_OK;
}

static void tell_rejected(struct lane *lane) {
    char text[96];
    if (lane->rejected == 0)
        return;
    snprintf(text, sizeof text, "read again, %llu of its rows were bad and are left out",
             (unsigned long long)lane->rejected);
    tell(lane, lane->source->node->name, text);
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
    uint64_t first = lane->source->node->endpoint.range.first;
    if (batch != NULL && first > 0 && range_skip(source, first, &batch) != WR_OK)
        return give_up(reload, WR_ENOMEM, &why, err);
    if (batch != NULL && batch->sel_count == 0) {
        wr_batch_unref(batch);
        batch = NULL;
    }
    lane->end.why = &why;
    int flow = batch == NULL ? WR_OK : unit_emit(lane->source, WR_PORT_MAIN, batch);
    lane->end.why = NULL;
    if (flow < 0)
        return give_up(reload, flow, &why, err);
    if (status == WR_EEND) {
        tell_rejected(lane);
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
