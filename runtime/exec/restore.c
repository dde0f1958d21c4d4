/* restore.c: what a run goes on with: its state of the last checkpoint, its sources where they
 * stood then, and its sinks. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/ahead.h"
#include "exec/checkpoint.h"
#include "exec/epoch.h"
#include "exec/gate.h"
#include "exec/past.h"
#include "exec/reject.h"
#include "exec/reject_log.h"
#include "exec/restore.h"
#include "exec/sharded.h"
#include "exec/step.h"
#include "exec/stop.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "state/apart.h"
#include "state/store.h"
#include "base/banned.h"

#define OWED_BYTES_SMALL (UINT64_C(4) << 20) /* as much is read back in one step without harm */

static int read_apart(void *ctx, int64_t piece, wr_apart_fn fn, void *fn_ctx,
                      struct wr_error *err) {
    return wr_store_read_rows(ctx, piece, fn, fn_ctx, err);
}

struct loading {
    struct wr_op *op;
    struct wr_store *store;
};

static int load_op(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    const struct loading *loading = ctx;
    struct wr_op *op = loading->op;
    if (op->apart != NULL) {
        op->apart->piece = wr_store_piece(loading->store);
        int status = wr_apart_load(op->apart, bytes);
        if (status != WR_EAGAIN)
            return status;
    }
    return op->type->load(op, bytes);
}

int run_restore_op(struct wr_run *run, struct unit *unit, struct wr_op *op, uint32_t shard,
                   struct wr_error *err) {
    if (op == NULL || op->type->load == NULL)
        return WR_OK;
    char part[RUN_PART_NAME_MAX];
    run_part_name(part, "op", unit, shard);
    struct loading loading = {.op = op, .store = run->store};
    if (op->apart != NULL) {
        op->apart->read = read_apart;
        op->apart->ctx = run->store;
    }
    return wr_store_read(run->store, part, load_op, &loading, err);
}

struct opening {
    struct unit *unit;
    struct wr_error *err;
    int found;
};

/* What was opened is closed with the run, also when what comes behind it is damaged. */
static int opened(struct opening *opening, int status) {
    struct unit *unit = opening->unit;
    unit->opened = status == WR_OK && !(unit->sink != NULL && unit->run->options.dry_run);
    return status;
}

static int open_source_at(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct opening *opening = ctx;
    const char *ended = wr_reader_bytes(bytes, 1);
    if (ended == NULL || opening->found) /* an end has one piece, and is opened once */
        return WR_ECORRUPT;
    opening->unit->ended = (uint8_t)*ended;
    opening->found = 1;
    struct wr_source *source = opening->unit->source;
    return opened(opening, source->type->open(source, bytes, opening->err));
}

/* A sink is opened when all that it gave is there. */
static int gather_sink(void *ctx, struct wr_reader *bytes, int base) {
    struct wr_buf *all = ctx;
    if (base)
        wr_buf_clear(all);
    return wr_buf_add(all, bytes->bytes, bytes->length);
}

/* Whether anything that feeds a sink is to be read; any source may have rejects. */
static int gets_more(const struct unit *sink) {
    const struct wr_run *run = sink->run;
    int any = 0;
    for (uint32_t i = 0; i < run->unit_count; i++) { /* units stand behind those that feed them */
        struct unit *unit = run->units[i];
        unit->has_more = unit->source != NULL && !unit->ended;
        for (uint32_t f = 0; f < unit->feeder_count; f++)
            unit->has_more |= unit->feeders[f].from->has_more;
        any |= unit->has_more;
    }
    return sink->after_rejects ? any : sink->has_more;
}

static int open_sink(struct wr_run *run, struct opening *opening, const char *part) {
    struct wr_sink *sink = opening->unit->sink;
    struct wr_buf all;
    wr_buf_init(&all, &run->checkpoint_budget, 0);
    int status = wr_store_read(run->store, part, gather_sink, &all, opening->err);
    if (status == WR_OK && all.length > 0) {
        struct wr_reader from = {.bytes = all.bytes, .length = all.length};
        opening->found = 1;
        sink->is_complete = run->is_complete;
        sink->goes_further = !run->says_complete || !run->summary.was_complete;
        sink->gets_more = (uint8_t)gets_more(opening->unit);
        status = opened(opening, sink->type->open(sink, &from, opening->err));
    }
    wr_buf_release(&all);
    return status;
}

static int open_end(struct wr_run *run, struct unit *unit, struct wr_error *err) {
    struct opening opening = {.unit = unit, .err = err};
    int status = WR_OK;
    if (run->store != NULL && wr_store_number(run->store) > 0) {
        char part[RUN_PART_NAME_MAX];
        run_part_name(part, unit->source != NULL ? "source" : "sink", unit, 0);
        status = unit->source != NULL
                     ? wr_store_read(run->store, part, open_source_at, &opening, err)
                     : open_sink(run, &opening, part);
    }
    if (status == WR_OK && !opening.found) {
        if (unit->source != NULL)
            status = opened(&opening, unit->source->type->open(unit->source, NULL, err));
        else if (!run->options.dry_run)
            status = opened(&opening, unit->sink->type->open(unit->sink, NULL, err));
    }
    return status == WR_OK ? WR_OK : unit_failed(unit, status, err);
}

static void take_edges(struct unit *unit, struct wr_reader *bytes) {
    uint64_t count = wr_reader_varint(bytes);
    for (; count > 0 && !bytes->failed; count--) {
        uint64_t port = wr_reader_varint(bytes);
        uint32_t to = run_node_numbered(unit->run, wr_reader_varint(bytes));
        uint64_t input = wr_reader_varint(bytes);
        if (port >= WR_PORTS_MAX)
            bytes->failed = 1;
        for (uint32_t i = 0; !bytes->failed && i < unit->edge_count[port]; i++)
            if (unit->edges[port][i].to->node->id == to && unit->edges[port][i].input == input)
                unit->edges[port][i].done = 1;
    }
}

/* A sink that goes on behind rows of another script begins with the frontiers of its inputs, of
 * which some may be new: nothing that it was told before holds for their rows. */
static void restore_frontiers(struct unit *unit, struct wr_reader *bytes) {
    int64_t in = (int64_t)wr_reader_u64(bytes), out = (int64_t)wr_reader_u64(bytes);
    if (unit->run->differs[unit->node->id])
        return;
    unit->frontier_in = in;
    unit->frontier_out = out;
}

static void restore_unit_facts(struct unit *unit, struct wr_reader *bytes) {
    struct wr_run *run = unit->run;
    restore_frontiers(unit, bytes);
    int by_clock = unit->node->op != NULL && (unit->node->op->flags & WR_OP_BY_CLOCK);
    if (by_clock && unit->frontier_out != WR_TIME_MAX) /* where the clock was put back */
        run_set_clock(run, unit->frontier_out);
    unit->counts.rows_in = wr_reader_u64(bytes);
    unit->counts.rows_out = wr_reader_u64(bytes);
    unit->records_in = wr_reader_u64(bytes);
    wr_reader_u64(bytes); /* rows that it kept: for who looks into the state */
    take_edges(unit, bytes);
    stops_load(unit, bytes);
}

static void load_flags(struct wr_run *run, struct wr_reader *bytes) {
    const char *flags = wr_reader_bytes(bytes, 1);
    run->steps_aside = flags != NULL && (*flags & RUN_STEPS_ASIDE) != 0;
    run->is_complete = flags != NULL && (*flags & RUN_IS_COMPLETE) != 0;
    run->says_complete = flags != NULL && (*flags & RUN_SAYS_COMPLETE) != 0;
}

static int restore_run(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct wr_run *run = ctx;
    run->saved_us = (int64_t)wr_reader_u64(bytes);
    run->summary.rows_in = wr_reader_u64(bytes);
    run->summary.rejected = wr_reader_u64(bytes);
    run->summary.late = wr_reader_u64(bytes);
    load_flags(run, bytes);
    if (reject_log_load(run->rejects, bytes) != WR_OK)
        return WR_ECORRUPT;
    for (uint32_t count = wr_reader_u32(bytes); count > 0 && !bytes->failed; count--) {
        uint32_t node = run_node_numbered(run, wr_reader_varint(bytes));
        uint64_t lane = wr_reader_varint(bytes);
        struct wr_reader one = {.length = wr_reader_u32(bytes)};
        one.bytes = wr_reader_bytes(bytes, one.length);
        if (node == PAST_NONE || one.bytes == NULL) /* its stage is gone, or begins anew */
            continue;
        if (lane >= run->unit_counts[node])
            return WR_ECORRUPT;
        restore_unit_facts(run->units[run->first_unit[node] + lane], &one);
        if (one.failed)
            return WR_ECORRUPT;
    }
    return bytes->failed ? WR_ECORRUPT : WR_OK;
}

static int restore_rejects(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    return reject_counts_load(ctx, bytes);
}

static int load_gate(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    return gate_load(ctx, bytes);
}

static int restore_unit(struct wr_run *run, struct unit *unit, struct wr_error *err) {
    int status = WR_OK;
    if (unit->gate != NULL && run->store != NULL && !run->differs[unit->node->id]) {
        char part[RUN_PART_NAME_MAX];
        run_part_name(part, "gate", unit, 0);
        status = wr_store_read(run->store, part, load_gate, unit->gate, err);
    }
    if (status == WR_OK && (unit->source != NULL || unit->sink != NULL))
        return open_end(run, unit, err);
    if (status != WR_OK || run->store == NULL)
        return status;
    for (uint32_t s = 0; s < unit_op_count(unit) && status == WR_OK; s++)
        status = run_restore_op(run, unit, unit_op_at(unit, s), s, err);
    return status;
}

static int load_seed(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct wr_run *run = ctx;
    run->options.hash_seed = wr_reader_u64(bytes);
    run->op_env.seed = run->lane_env.seed = run->options.hash_seed;
    run->shards_before = wr_reader_u64(bytes);
    return bytes->failed ? WR_ECORRUPT : WR_OK;
}

static int load_past(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct wr_run *run = ctx;
    return past_load(&run->before, &run->arena, bytes);
}

int run_restore_past(struct wr_run *run, struct wr_error *err) {
    if (run->store == NULL || wr_store_number(run->store) == 0)
        return WR_OK;
    return wr_store_read(run->store, "plan", load_past, run, err);
}

static int load_ended(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    const char *ended = wr_reader_bytes(bytes, 1);
    *(int *)ctx = ended != NULL && *ended != 0;
    return WR_OK;
}

struct rows_of {
    uint32_t number;
    uint64_t rows;
};

/* As put_run of checkpoint.c has written it. */
static int count_rows(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct rows_of *of = ctx;
    wr_reader_bytes(bytes, RUN_FLAGS_AT + 1);
    wr_reader_bytes(bytes, 8 + 8 + 1); /* of the reject log */
    for (uint32_t count = wr_reader_u32(bytes); count > 0 && !bytes->failed; count--) {
        int is_it = wr_reader_varint(bytes) == of->number;
        wr_reader_varint(bytes); /* which instance */
        struct wr_reader one = {.length = wr_reader_u32(bytes)};
        one.bytes = wr_reader_bytes(bytes, one.length);
        wr_reader_bytes(&one, 8 + 8); /* frontiers */
        of->rows += is_it ? wr_reader_u64(&one) : 0;
    }
    return bytes->failed ? WR_ECORRUPT : WR_OK;
}

uint64_t run_rows_of(struct wr_run *run, uint32_t number) {
    struct rows_of of = {.number = number};
    struct wr_error err = {0}; /* who goes on reads it once more, and tells */
    (void)wr_store_read(run->store, "run", count_rows, &of, &err);
    return of.rows;
}

int run_source_had_ended(struct wr_run *run, uint32_t number, uint32_t lane) {
    char part[RUN_PART_NAME_MAX];
    int ended = 0;
    struct wr_error err = {0};
    snprintf(part, sizeof part, "source %u %u 0", number, lane);
    return wr_store_read(run->store, part, load_ended, &ended, &err) == WR_OK && ended;
}

int run_restore_seed(struct wr_run *run, struct wr_error *err) {
    if (run->store == NULL)
        return WR_OK;
    int status = wr_store_read(run->store, "seed", load_seed, run, err);
    uint64_t before = run->shards_before;
    if (status != WR_OK || before == 0 || before == run->options.shards)
        return status;
    if (!run->shards_are_given &&
        before <= WR_SHARDS_MAX) { /* any number of threads can step them */
        run->options.shards = run->op_env.shard_count = run->lane_env.shard_count =
            (uint32_t)before;
        return WR_OK;
    }
    wr_error_script(err, "W601", "the state was written with %llu shards, this run has %u",
                    (unsigned long long)before, run->options.shards);
    wr_error_help(err, "`--shards %llu` goes on; keys stay with the shard that they began in",
                  (unsigned long long)before);
    return WR_EREFUSED;
}

/* Where much is to be read back for the first rows, they come in small batches. */
static void begin_small(struct wr_run *run) {
    uint64_t owed_bytes = 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        for (uint32_t s = 0; s < unit_op_count(run->units[i]); s++) {
            const struct wr_op *op = unit_op_at(run->units[i], s);
            owed_bytes += op == NULL || op->apart == NULL ? 0 : wr_apart_owes(op->apart);
        }
    for (uint32_t i = 0; i < run->unit_count && owed_bytes > OWED_BYTES_SMALL; i++)
        if (run->units[i]->source != NULL)
            lane_take_few(run->units[i]);
}

static void tell_sources(struct wr_run *run) {
    uint8_t passes_over = 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (run->units[i]->sink != NULL)
            passes_over |= run->units[i]->sink->passes_over;
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (run->units[i]->source != NULL)
            run->units[i]->source->must_repeat = passes_over;
}

static int restore_units(struct wr_run *run, int are_sinks, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        if ((run->units[i]->sink != NULL) != are_sinks)
            continue;
        status = restore_unit(run, run->units[i], err);
        if (status != WR_OK)
            run->failed = run->units[i];
    }
    return status;
}

/* What was complete may go on: the script may have got another source since. */
static void note_complete(struct wr_run *run) {
    run->summary.was_complete =
        run->epoch > 0 && !run_has_due(run) && (run->is_complete || !run->says_complete);
    for (uint32_t i = 0; i < run->unit_count; i++) {
        run->units[i]->is_ahead = run->steps_aside && run->units[i]->lane == LANE_CENTRAL;
        if (run->units[i]->source != NULL && !run->units[i]->ended)
            run->summary.was_complete = 0;
    }
    if (!run->says_complete)
        run->is_complete = (uint8_t)run->summary.was_complete;
}

static int has_source(const struct wr_run *run) {
    int has = 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        has |= run->units[i]->source != NULL && !run->units[i]->ended;
    return has;
}

/* Rejects end behind all else: where a source is still to be read they have not ended yet. */
static void begin_rejects_again(struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (run->units[i]->after_rejects)
            run->units[i]->frontier_in = run->units[i]->frontier_out = WR_TIME_MIN;
    reject_log_go_on(run->rejects);
}

static int look_at_flags(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct wr_run *run = ctx;
    wr_reader_u64(bytes); /* when it was written */
    run->read_before = wr_reader_u64(bytes);
    wr_reader_bytes(bytes, RUN_FLAGS_AT - 16);
    load_flags(run, bytes);
    return bytes->failed ? WR_ECORRUPT : WR_OK;
}

int run_restore_flags(struct wr_run *run, struct wr_error *err) {
    return wr_store_read(run->store, "run", look_at_flags, run, err);
}

int run_note_complete(struct wr_run *run, struct wr_error *err) {
    run->epoch = wr_store_number(run->store);
    int status = run_restore_flags(run, err);
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        uint32_t lane = unit->lane == LANE_CENTRAL ? 0 : unit->lane;
        if (unit->source != NULL)
            unit->ended = (uint8_t)run_source_had_ended(run, run_number(run, unit->node->id), lane);
    }
    note_complete(run);
    return status;
}

int run_look_at_sink(struct wr_run *run, struct unit *unit, struct wr_error *err) {
    struct opening opening = {.unit = unit, .err = err};
    char part[RUN_PART_NAME_MAX];
    if (unit->sink == NULL || (unit->sink->type->flags & WR_SINK_LOOKS) == 0)
        return WR_OK;
    run_part_name(part, "sink", unit, 0);
    return open_sink(run, &opening, part);
}

/* Sinks come last: what they find in their place may depend on whether rows are still to come. */
int run_restore(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    run->says_complete = 1;
    if (run->store != NULL) {
        run->epoch = wr_store_number(run->store);
        status = wr_store_read(run->store, "run", restore_run, run, err);
        if (status == WR_OK)
            status = wr_store_read(run->store, "rejects", restore_rejects, run, err);
    }
    if (status == WR_OK)
        status = restore_units(run, 0, err);
    begin_small(run);
    note_complete(run);
    int has_more = has_source(run);
    if (has_more)
        begin_rejects_again(run);
    if (status == WR_OK)
        status = restore_units(run, 1, err);
    run->is_complete &= !has_more;
    if (status == WR_OK)
        status = run_begin_epoch(run, err); /* some sinks look at their place only now */
    tell_sources(run);
    return status;
}
