/* checkpoint.c: what a run keeps between two processes; restore.c brings it back. A checkpoint
 * stands at the end of a step: nothing is in flight but the rows that wait in a gate, which are
 * kept as they are. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/ahead.h"
#include "exec/checkpoint.h"
#include "exec/copying.h"
#include "exec/epoch.h"
#include "exec/gate.h"
#include "exec/past.h"
#include "exec/reject.h"
#include "exec/reject_log.h"
#include "exec/sharded.h"
#include "exec/stop.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "state/apart.h"
#include "state/store.h"
#include "base/banned.h"

#define BASE_AT_ONCE_BYTES 65536u /* where no more is stored, all is written */

void run_part_name(char text[RUN_PART_NAME_MAX], const char *kind, const struct unit *unit,
                   uint32_t shard) {
    uint32_t lane = unit->lane == LANE_CENTRAL ? 0 : unit->lane;
    snprintf(text, RUN_PART_NAME_MAX, "%s %u %u %u", kind, run_number(unit->run, unit->node->id),
             lane, shard);
}

static uint64_t rows_of(const struct wr_op *op) {
    struct wr_op_state state = {0};
    if (op->type->measure != NULL)
        op->type->measure(op, &state);
    return state.rows;
}

static void note_sink_due(const struct wr_run *run, struct unit *unit) {
    char part[RUN_PART_NAME_MAX];
    run_part_name(part, "sink", unit, 0);
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
            char part[RUN_PART_NAME_MAX];
            run_part_name(part, "op", unit, s);
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
    char part[RUN_PART_NAME_MAX];
    run_part_name(part, "op", unit, shard);
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
    char part[RUN_PART_NAME_MAX];
    run_part_name(part, "source", unit, 0);
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
    char part[RUN_PART_NAME_MAX];
    run_part_name(part, "sink", unit, 0);
    wr_buf_clear(bytes);
    int status = unit->sink->type->save(unit->sink, bytes);
    if (status != WR_OK)
        return wr_error_set(err, status, "save the state of sink %s", unit->node->name);
    enum wr_store_piece piece = unit->bases_due != 0 ? WR_STORE_BASE : WR_STORE_DELTA;
    return writer_put(run, part, bytes, NULL, piece, err);
}

static int put_gate(struct wr_run *run, struct unit *unit, struct wr_buf *bytes,
                    struct wr_error *err) {
    char part[RUN_PART_NAME_MAX];
    run_part_name(part, "gate", unit, 0);
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

static void put_flags(const struct wr_run *run, struct wr_buf *bytes) {
    int flags = run->steps_aside ? RUN_STEPS_ASIDE : 0;
    if (run->says_complete)
        flags |= RUN_SAYS_COMPLETE | (run->is_complete ? RUN_IS_COMPLETE : 0);
    wr_buf_add_char(bytes, (char)flags);
}

/* Frontiers and counters of all units. inspect.c reads it too. */
static int put_run(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    const struct wr_env *env = run->plan->env;
    wr_buf_clear(bytes);
    wr_buf_add_u64(bytes, (uint64_t)env->now_us(env));
    wr_buf_add_u64(bytes, run->summary.rows_in);
    wr_buf_add_u64(bytes, run->summary.rejected);
    wr_buf_add_u64(bytes, run->summary.late);
    put_flags(run, bytes);
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
