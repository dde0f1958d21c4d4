/* checkpoint.c: what a run keeps between two processes. A checkpoint stands at the end of a step:
 * nothing is in flight but the rows that wait in a gate, which are kept as they are. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/reject.h"
#include "exec/writer.h"
#include "state/apart.h"
#include "state/store.h"
#include "base/banned.h"

#define OWED_BYTES_SMALL (UINT64_C(4) << 20) /* as much is read back in one step without harm */
#define BASE_AT_ONCE_BYTES 65536u            /* where no more is stored, all is written */

/* The parts of a checkpoint are named by kind, stage and instance. A stage has its number for as
 * long as the state lives (past.h), wherever it stands in the script. */
static void part_name(char text[64], const char *kind, const struct unit *unit, uint32_t shard) {
    uint32_t lane = unit->lane == LANE_CENTRAL ? 0 : unit->lane;
    snprintf(text, 64, "%s %u %u %u", kind, run_number(unit->run, unit->node->id), lane, shard);
}

static uint64_t rows_of(const struct wr_op *op) {
    struct wr_op_state state = {0};
    if (op->type->measure != NULL)
        op->type->measure(op, &state);
    return state.rows;
}

static void note_sink_due(const struct wr_run *run, struct unit *unit) {
    char part[64];
    part_name(part, "sink", unit, 0);
    int gives_changes = (unit->sink->type->flags & WR_SINK_CHANGES) != 0;
    unit->bases_due = !gives_changes || wr_store_part_bytes(run->store, part) == 0 ||
                      wr_store_base_due(run->store, part, 0);
    unit->sink->saves_all = (uint8_t)unit->bases_due;
}

/* Before anything is handed over, since the store belongs to the writer then. How many bytes the
 * rows of a stage take when all are written is known from when they last were. */
static void note_bases_due(struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        unit->bases_due = 0;
        if (unit->sink != NULL)
            note_sink_due(run, unit);
        for (uint32_t s = 0; s < unit_op_count(unit); s++) {
            char part[64];
            part_name(part, "op", unit, s);
            const struct wr_op *op = unit_op_at(unit, s);
            double row_bytes = unit->row_bytes == NULL ? 0 : unit->row_bytes[s];
            uint64_t live_bytes = row_bytes == 0 ? 0 : (uint64_t)(row_bytes * (double)rows_of(op));
            if (op->apart != NULL && op->apart->owing != NULL)
                continue; /* most of it is not in memory */
            if (wr_store_base_due(run->store, part, live_bytes))
                unit->bases_due |= UINT64_C(1) << s;
            if (row_bytes == 0 && wr_store_part_bytes(run->store, part) < BASE_AT_ONCE_BYTES)
                unit->bases_due |= UINT64_C(1) << s;
        }
    }
}

/* All rows of a stage took `bytes`. */
void unit_note_row_bytes(struct unit *unit, uint32_t shard, uint64_t bytes, uint64_t rows) {
    if (unit->row_bytes == NULL)
        unit->row_bytes = WR_ARENA_ZEROS(&unit->run->arena, double, unit_op_count(unit));
    if (unit->row_bytes != NULL && rows > 0)
        unit->row_bytes[shard] = (double)bytes / (double)rows;
}

static int put_op(struct wr_run *run, struct unit *unit, struct wr_op *op, uint32_t shard,
                  struct wr_buf *bytes, struct wr_error *err) {
    if (op->type->save == NULL)
        return WR_OK;
    char part[64];
    part_name(part, "op", unit, shard);
    int base = (int)(unit->bases_due >> shard & 1), saved = WR_EAGAIN;
    uint64_t total = 0;
    enum wr_store_piece piece = base ? WR_STORE_BASE : WR_STORE_DELTA;
    struct wr_buf *rows = op->apart == NULL ? NULL : &op->apart->rows;
    if (op->apart != NULL)
        copying_begin(unit_apart_of(op), part, piece);
    while (saved == WR_EAGAIN) {
        wr_buf_clear(bytes);
        if (rows != NULL)
            wr_buf_clear(rows);
        saved = op->type->save(op, bytes, base);
        if (saved != WR_OK && saved != WR_EAGAIN && err != NULL && err->status == saved)
            return wr_error_add(err, saved, "save the state of %s", unit->node->name);
        if (saved != WR_OK && saved != WR_EAGAIN)
            return wr_error_set(err, saved, "save the state of %s: %s", unit->node->name,
                                wr_status_text(saved));
        if (bytes->length == 0 && piece != WR_STORE_BASE)
            break;
        total += bytes->length + (rows == NULL ? 0 : rows->length);
        int status = writer_put(run, part, bytes, rows, piece, err);
        if (status != WR_OK)
            return status;
        piece = base ? WR_STORE_BASE_MORE : WR_STORE_DELTA;
    }
    if (op->apart != NULL && op->apart->frozen_count > 0) {
        unit_apart_of(op)->bytes += total;
        unit_apart_of(op)->rows = rows_of(op);
    } else if (base) {
        unit_note_row_bytes(unit, shard, total, rows_of(op));
    }
    return WR_OK;
}

static int put_lane(struct wr_run *run, struct unit *unit, struct wr_buf *bytes,
                    struct wr_error *err) {
    char part[64];
    part_name(part, "source", unit, 0);
    wr_buf_clear(bytes);
    wr_buf_add_char(bytes, (char)unit->ended);
    int status = lane_save_position(unit, bytes);
    if (status != WR_OK)
        return wr_error_set(err, status, "save the position of %s", unit->node->name);
    return writer_put(run, part, bytes, NULL, WR_STORE_BASE, err);
}

static int put_sink(struct wr_run *run, struct unit *unit, struct wr_buf *bytes,
                    struct wr_error *err) {
    if (unit->sink->type->save == NULL)
        return WR_OK;
    char part[64];
    part_name(part, "sink", unit, 0);
    wr_buf_clear(bytes);
    int status = unit->sink->type->save(unit->sink, bytes);
    if (status != WR_OK)
        return wr_error_set(err, status, "save the state of sink %s", unit->node->name);
    enum wr_store_piece piece = unit->bases_due != 0 ? WR_STORE_BASE : WR_STORE_DELTA;
    return writer_put(run, part, bytes, NULL, piece, err);
}

static int put_gate(struct wr_run *run, struct unit *unit, struct wr_buf *bytes,
                    struct wr_error *err) {
    char part[64];
    part_name(part, "gate", unit, 0);
    wr_buf_clear(bytes);
    int status = gate_save(unit->gate, bytes);
    if (status != WR_OK)
        return wr_error_set(err, status, "save the rows that wait for %s", unit->node->name);
    return writer_put(run, part, bytes, NULL, WR_STORE_BASE, err);
}

static int put_seed(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    uint64_t facts[2] = {run->options.hash_seed, run->options.shards};
    wr_buf_clear(bytes);
    if (wr_buf_add(bytes, facts, sizeof facts) != WR_OK)
        return wr_error_set(err, bytes->status, "save the run's seed");
    return writer_put(run, "seed", bytes, NULL, WR_STORE_BASE, err);
}

/* Which edges want no more rows: a source that was to stop must not be read on. */
static void put_edges(const struct unit *unit, struct wr_buf *bytes) {
    uint32_t count = 0;
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t i = 0; i < unit->edge_count[port]; i++)
            count += unit->edges[port][i].done;
    wr_buf_add_varint(bytes, count);
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t i = 0; i < unit->edge_count[port]; i++)
            if (unit->edges[port][i].done) {
                wr_buf_add_varint(bytes, (uint64_t)port);
                wr_buf_add_varint(bytes, run_number(unit->run, unit->edges[port][i].to->node->id));
                wr_buf_add_varint(bytes, unit->edges[port][i].input);
            }
}

static uint64_t unit_state_rows(const struct unit *unit) {
    uint64_t rows = 0;
    for (uint32_t s = 0; s < unit_op_count(unit); s++)
        rows += rows_of(unit_op_at(unit, s));
    return rows;
}

/* How many rows wait for which stages: told by inspect.c alone. */
static void put_waiting(const struct wr_run *run, struct wr_buf *bytes) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        count += run->units[i]->gate != NULL && gate_rows(run->units[i]->gate) > 0;
    wr_buf_add_u32(bytes, count);
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct unit *unit = run->units[i];
        uint64_t rows = unit->gate == NULL ? 0 : gate_rows(unit->gate);
        if (rows > 0) {
            wr_buf_add_varint(bytes, run_number(run, unit->node->id));
            wr_buf_add_varint(bytes, rows);
        }
    }
}

/* Frontiers and counters of all units. inspect.c reads it too. */
static int put_run(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    const struct wr_env *env = run->plan->env;
    wr_buf_clear(bytes);
    wr_buf_add_u64(bytes, (uint64_t)env->now_us(env));
    wr_buf_add_u64(bytes, run->summary.rows_in);
    wr_buf_add_u64(bytes, run->summary.rejected);
    wr_buf_add_u64(bytes, run->summary.late);
    wr_buf_add_char(bytes, (char)run->steps_aside);
    int status = reject_log_save(run->rejects, bytes, err);
    if (status != WR_OK)
        return status;
    wr_buf_add_u32(bytes, run->unit_count);
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct unit *unit = run->units[i];
        wr_buf_add_varint(bytes, run_number(run, unit->node->id));
        wr_buf_add_varint(bytes, unit->lane == LANE_CENTRAL ? 0 : unit->lane);
        size_t length_at = bytes->length;
        wr_buf_add_u32(bytes, 0);
        wr_buf_add_u64(bytes, (uint64_t)unit->frontier_in);
        wr_buf_add_u64(bytes, (uint64_t)unit->frontier_out);
        wr_buf_add_u64(bytes, unit->counts.rows_in);
        wr_buf_add_u64(bytes, unit->counts.rows_out);
        wr_buf_add_u64(bytes, unit->records_in);
        wr_buf_add_u64(bytes, unit_state_rows(unit));
        put_edges(unit, bytes);
        stops_save(unit, bytes);
        uint32_t length = (uint32_t)(bytes->length - length_at - sizeof(uint32_t));
        if (bytes->status == WR_OK)
            memcpy(bytes->bytes + length_at, &length, sizeof length);
    }
    put_waiting(run, bytes);
    if (bytes->status != WR_OK)
        return wr_error_set(err, bytes->status, "save the run's facts");
    return writer_put(run, "run", bytes, NULL, WR_STORE_BASE, err);
}

/* Apart from the run's facts, which change with each checkpoint. */
static int put_rejects(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    wr_buf_clear(bytes);
    if (reject_counts_save(run, bytes) != WR_OK)
        return wr_error_set(err, bytes->status, "save the counts of rejects");
    return writer_put(run, "rejects", bytes, NULL, WR_STORE_BASE, err);
}

static int put_plan(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    wr_buf_clear(bytes);
    int status = past_save(&run->now, bytes);
    if (status != WR_OK)
        return wr_error_set(err, status, "save what is known of the script");
    return writer_put(run, "plan", bytes, NULL, WR_STORE_BASE, err);
}

/* Whose stage is gone, or begins anew, is in nobody's way. */
static int drop_parts(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t s = 0; run->is_changed && s < run->before.stage_count && status == WR_OK; s++)
        if (run_node_numbered(run, run->before.stages[s].number) == PAST_NONE)
            status = writer_drop_stage(run, run->before.stages[s].number, err);
    if (status == WR_OK)
        run->is_changed = 0;
    return status;
}

static int put_all(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    int status = put_seed(run, bytes, err);
    if (status == WR_OK)
        status = put_plan(run, bytes, err);
    if (status == WR_OK)
        status = drop_parts(run, err);
    if (status == WR_OK)
        status = put_run(run, bytes, err);
    if (status == WR_OK)
        status = put_rejects(run, bytes, err);
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct unit *unit = run->units[i];
        if (unit->source != NULL)
            status = put_lane(run, unit, bytes, err);
        else if (unit->sink != NULL)
            status = put_sink(run, unit, bytes, err);
        for (uint32_t s = 0; s < unit_op_count(unit) && status == WR_OK; s++)
            status = put_op(run, unit, unit_op_at(unit, s), s, bytes, err);
        if (status == WR_OK && unit->gate != NULL)
            status = put_gate(run, unit, bytes, err);
    }
    return status;
}

/* `goes_on`: it may be on its way when this returns. */
static int checkpoint(struct wr_run *run, int goes_on, struct wr_error *err) {
    int status = writer_settle(run, err);
    if (status == WR_OK) /* rejects of rows that had waited for their sink are there, too */
        status = sinks_check(run, err);
    if (status == WR_OK)
        status = epoch_turn(run, run->epoch, EPOCH_PREPARE, err);
    if (status != WR_OK)
        return status;
    note_bases_due(run);
    status = writer_begin(run, goes_on && writer_may_go_on(run), err);
    if (status != WR_OK)
        return status;
    struct wr_buf bytes;
    wr_buf_init(&bytes, &run->checkpoint_budget, 0);
    status = writer_end(run, put_all(run, &bytes, err), err);
    wr_buf_release(&bytes);
    return status;
}

int run_checkpoint(struct wr_run *run, struct wr_error *err) {
    return checkpoint(run, 0, err);
}

int run_checkpoint_begin(struct wr_run *run, struct wr_error *err) {
    return checkpoint(run, 1, err);
}

/* ---- back ---- */

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
    char part[64];
    part_name(part, "op", unit, shard);
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

static int open_sink(struct wr_run *run, struct opening *opening, const char *part) {
    struct wr_sink *sink = opening->unit->sink;
    struct wr_buf all;
    wr_buf_init(&all, &run->checkpoint_budget, 0);
    int status = wr_store_read(run->store, part, gather_sink, &all, opening->err);
    if (status == WR_OK && all.length > 0) {
        struct wr_reader from = {.bytes = all.bytes, .length = all.length};
        opening->found = 1;
        status = opened(opening, sink->type->open(sink, &from, opening->err));
    }
    wr_buf_release(&all);
    return status;
}

static int open_end(struct wr_run *run, struct unit *unit, struct wr_error *err) {
    struct opening opening = {.unit = unit, .err = err};
    int status = WR_OK;
    if (run->store != NULL && wr_store_number(run->store) > 0) {
        char part[64];
        part_name(part, unit->source != NULL ? "source" : "sink", unit, 0);
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

static void restore_unit_facts(struct unit *unit, struct wr_reader *bytes) {
    struct wr_run *run = unit->run;
    unit->frontier_in = (int64_t)wr_reader_u64(bytes);
    unit->frontier_out = (int64_t)wr_reader_u64(bytes);
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

static int restore_run(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct wr_run *run = ctx;
    run->saved_us = (int64_t)wr_reader_u64(bytes);
    run->summary.rows_in = wr_reader_u64(bytes);
    run->summary.rejected = wr_reader_u64(bytes);
    run->summary.late = wr_reader_u64(bytes);
    const char *aside = wr_reader_bytes(bytes, 1);
    run->steps_aside = aside != NULL && *aside != 0;
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
    if (unit->gate != NULL && run->store != NULL) {
        char part[64];
        part_name(part, "gate", unit, 0);
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

int run_source_had_ended(struct wr_run *run, uint32_t number, uint32_t lane) {
    char part[64];
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

int run_restore(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    if (run->store != NULL) {
        run->epoch = wr_store_number(run->store);
        status = wr_store_read(run->store, "run", restore_run, run, err);
        if (status == WR_OK)
            status = wr_store_read(run->store, "rejects", restore_rejects, run, err);
    }
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++)
        status = restore_unit(run, run->units[i], err);
    begin_small(run);
    run->summary.was_complete = run->epoch > 0 && !run_has_due(run);
    for (uint32_t i = 0; i < run->unit_count; i++) {
        run->units[i]->is_ahead = run->steps_aside && run->units[i]->lane == LANE_CENTRAL;
        if (run->units[i]->source != NULL && !run->units[i]->ended)
            run->summary.was_complete = 0;
    }
    if (status == WR_OK)
        status = run_begin_epoch(run, err); /* some sinks look at their place only now */
    tell_sources(run);
    return status;
}
