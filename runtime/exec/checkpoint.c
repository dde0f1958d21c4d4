/* checkpoint.c: what a run keeps between two processes. A checkpoint stands at the end of a step:
 * nothing is in flight but the rows that wait in a gate, which are kept as they are. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/reject.h"
#include "state/store.h"
#include "base/banned.h"

/* The parts of a checkpoint are named by kind, stage and instance. A stage has its number for as
 * long as the state lives (past.h), wherever it stands in the script. */
static void part_name(char text[64], const char *kind, const struct unit *unit, uint32_t shard) {
    uint32_t lane = unit->lane == LANE_CENTRAL ? 0 : unit->lane;
    snprintf(text, 64, "%s %u %u %u", kind, run_number(unit->run, unit->node->id), lane, shard);
}

static int put_op(struct wr_run *run, struct unit *unit, struct wr_op *op, uint32_t shard,
                  struct wr_buf *bytes, struct wr_error *err) {
    if (op == NULL || op->type->save == NULL)
        return WR_OK;
    char part[64];
    part_name(part, "op", unit, shard);
    int base = wr_store_base_due(run->store, part), saved = WR_EAGAIN;
    enum wr_store_piece piece = base ? WR_STORE_BASE : WR_STORE_DELTA;
    while (saved == WR_EAGAIN) {
        wr_buf_clear(bytes);
        saved = op->type->save(op, bytes, base);
        if (saved != WR_OK && saved != WR_EAGAIN && err != NULL && err->status == saved)
            return wr_error_add(err, saved, "save the state of %s", unit->node->name);
        if (saved != WR_OK && saved != WR_EAGAIN)
            return wr_error_set(err, saved, "save the state of %s: %s", unit->node->name,
                                wr_status_text(saved));
        if (bytes->length == 0 && piece != WR_STORE_BASE)
            break;
        int status = wr_store_put(run->store, part, bytes->bytes, bytes->length, piece, err);
        if (status != WR_OK)
            return status;
        piece = base ? WR_STORE_BASE_MORE : WR_STORE_DELTA;
    }
    return WR_OK;
}

static int put_lane(struct wr_run *run, struct unit *unit, struct wr_buf *bytes,
                    struct wr_error *err) {
    char part[64];
    part_name(part, "source", unit, 0);
    wr_buf_clear(bytes);
    wr_buf_add_char(bytes, (char)unit->ended);
    int status = unit->ahead != NULL ? ahead_save_position(unit->ahead, bytes)
                                     : unit->source->type->save_position(unit->source, bytes);
    if (status != WR_OK)
        return wr_error_set(err, status, "save the position of %s", unit->node->name);
    return wr_store_put(run->store, part, bytes->bytes, bytes->length, WR_STORE_BASE, err);
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
    return wr_store_put(run->store, part, bytes->bytes, bytes->length, WR_STORE_BASE, err);
}

static int put_gate(struct wr_run *run, struct unit *unit, struct wr_buf *bytes,
                    struct wr_error *err) {
    char part[64];
    part_name(part, "gate", unit, 0);
    wr_buf_clear(bytes);
    int status = gate_save(unit->gate, bytes);
    if (status != WR_OK)
        return wr_error_set(err, status, "save the rows that wait for %s", unit->node->name);
    return wr_store_put(run->store, part, bytes->bytes, bytes->length, WR_STORE_BASE, err);
}

static int put_seed(struct wr_run *run, struct wr_error *err) {
    uint64_t facts[2] = {run->options.hash_seed, run->options.shards};
    return wr_store_put(run->store, "seed", facts, sizeof facts, WR_STORE_BASE, err);
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
    struct wr_op_state state = {0};
    for (uint32_t s = 0; unit->sharded != NULL && s < sharded_count(unit->sharded); s++) {
        const struct wr_op *op = sharded_op(unit->sharded, s);
        if (op->type->measure != NULL)
            op->type->measure(op, &state);
    }
    if (unit->op != NULL && unit->op->type->measure != NULL)
        unit->op->type->measure(unit->op, &state);
    return state.rows;
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
    if (bytes->status != WR_OK)
        return wr_error_set(err, bytes->status, "save the run's facts");
    return wr_store_put(run->store, "run", bytes->bytes, bytes->length, WR_STORE_BASE, err);
}

/* Apart from the run's facts, which change with each checkpoint. */
static int put_rejects(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    wr_buf_clear(bytes);
    if (reject_counts_save(run, bytes) != WR_OK)
        return wr_error_set(err, bytes->status, "save the counts of rejects");
    return wr_store_put(run->store, "rejects", bytes->bytes, bytes->length, WR_STORE_BASE, err);
}

static int put_plan(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    wr_buf_clear(bytes);
    int status = past_save(&run->now, bytes);
    if (status != WR_OK)
        return wr_error_set(err, status, "save what is known of the script");
    return wr_store_put(run->store, "plan", bytes->bytes, bytes->length, WR_STORE_BASE, err);
}

/* Whose stage is gone, or begins anew, is in nobody's way. */
static int drop_parts(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t s = 0; run->is_changed && s < run->before.stage_count && status == WR_OK; s++)
        if (run_node_numbered(run, run->before.stages[s].number) == PAST_NONE)
            status = wr_store_drop_stage(run->store, run->before.stages[s].number, err);
    if (status == WR_OK)
        run->is_changed = 0;
    return status;
}

static int put_all(struct wr_run *run, struct wr_buf *bytes, struct wr_error *err) {
    int status = put_seed(run, err);
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
        else if (unit->sharded != NULL)
            for (uint32_t s = 0; s < sharded_count(unit->sharded) && status == WR_OK; s++)
                status = put_op(run, unit, sharded_op(unit->sharded, s), s, bytes, err);
        else
            status = put_op(run, unit, unit->op, 0, bytes, err);
        if (status == WR_OK && unit->gate != NULL)
            status = put_gate(run, unit, bytes, err);
    }
    return status;
}

/* A sink that decides itself (a SQLite file) commits before the state, and knows after a restart
 * what it has already; all others follow the state. */
enum sink_turn { TURN_PREPARE, TURN_COMMIT_FIRST, TURN_COMMIT };

static int for_sinks(struct wr_run *run, enum sink_turn turn, struct wr_error *err) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL || run->options.dry_run)
            continue;
        int decides = sink->type->delivery == WR_DELIVERY_IDEMPOTENT;
        if (turn != TURN_PREPARE && decides != (turn == TURN_COMMIT_FIRST))
            continue;
        int (*call)(struct wr_sink *, uint64_t, struct wr_error *) =
            turn == TURN_PREPARE ? sink->type->prepare : sink->type->commit;
        int status = call == NULL ? WR_OK : call(sink, run->epoch, err);
        if (status != WR_OK)
            return unit_failed(run->units[i], status, err);
    }
    return WR_OK;
}

int run_begin_epoch(struct wr_run *run, struct wr_error *err) {
    run->epoch++;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL || run->options.dry_run || sink->type->begin == NULL)
            continue;
        int status = sink->type->begin(sink, run->epoch, err);
        if (status != WR_OK)
            return unit_failed(run->units[i], status, err);
    }
    return WR_OK;
}

int run_checkpoint(struct wr_run *run, struct wr_error *err) {
    struct wr_buf bytes;
    wr_buf_init(&bytes, &run->checkpoint_budget, 0);
    int status = for_sinks(run, TURN_PREPARE, err);
    if (status == WR_OK)
        status = wr_store_begin(run->store, err);
    if (status == WR_OK) {
        status = put_all(run, &bytes, err);
        if (status == WR_OK)
            status = for_sinks(run, TURN_COMMIT_FIRST, err);
        if (status == WR_OK)
            status = wr_store_commit(run->store, err);
        else
            wr_store_rollback(run->store);
    }
    wr_buf_release(&bytes);
    if (status == WR_OK)
        status = for_sinks(run, TURN_COMMIT, err);
    return status == WR_OK ? run_begin_epoch(run, err) : status;
}

/* ---- back ---- */

static int load_op(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct wr_op *op = ctx;
    return op->type->load(op, bytes);
}

int run_restore_op(struct wr_run *run, struct unit *unit, struct wr_op *op, uint32_t shard,
                   struct wr_error *err) {
    if (op == NULL || op->type->load == NULL)
        return WR_OK;
    char part[64];
    part_name(part, "op", unit, shard);
    return wr_store_read(run->store, part, load_op, op, err);
}

struct opening {
    struct unit *unit;
    struct wr_error *err;
    int found;
};

static int open_source_at(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct opening *opening = ctx;
    const char *ended = wr_reader_bytes(bytes, 1);
    if (ended == NULL)
        return WR_ECORRUPT;
    opening->unit->ended = (uint8_t)*ended;
    opening->found = 1;
    struct wr_source *source = opening->unit->source;
    return source->type->open(source, bytes, opening->err);
}

static int open_sink_at(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct opening *opening = ctx;
    opening->found = 1;
    struct wr_sink *sink = opening->unit->sink;
    return sink->type->open(sink, bytes, opening->err);
}

static int open_end(struct wr_run *run, struct unit *unit, struct wr_error *err) {
    struct opening opening = {.unit = unit, .err = err};
    int status = WR_OK;
    if (run->store != NULL && wr_store_number(run->store) > 0) {
        char part[64];
        part_name(part, unit->source != NULL ? "source" : "sink", unit, 0);
        status = wr_store_read(run->store, part,
                               unit->source != NULL ? open_source_at : open_sink_at, &opening, err);
    }
    if (status == WR_OK && !opening.found) {
        if (unit->source != NULL)
            status = unit->source->type->open(unit->source, NULL, err);
        else if (!run->options.dry_run)
            status = unit->sink->type->open(unit->sink, NULL, err);
    }
    unit->opened = status == WR_OK && !(unit->sink != NULL && run->options.dry_run);
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
    wr_reader_u64(bytes); /* when it was */
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
    if (unit->sharded == NULL)
        return run_restore_op(run, unit, unit->op, 0, err);
    for (uint32_t s = 0; s < sharded_count(unit->sharded) && status == WR_OK; s++)
        status = run_restore_op(run, unit, sharded_op(unit->sharded, s), s, err);
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
    run->summary.was_complete = run->epoch > 0;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        run->units[i]->is_ahead = run->steps_aside && run->units[i]->lane == LANE_CENTRAL;
        if (run->units[i]->source != NULL && !run->units[i]->ended)
            run->summary.was_complete = 0;
    }
    return status == WR_OK ? run_begin_epoch(run, err) : status;
}
