#include "exec/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "base/workers.h"
#include "exec/ahead.h"
#include "exec/begin.h"
#include "exec/build.h"
#include "exec/checkpoint.h"
#include "exec/epoch.h"
#include "exec/evolve.h"
#include "exec/memory.h"
#include "exec/poison.h"
#include "exec/range.h"
#include "exec/refused.h"
#include "exec/reject_log.h"
#include "exec/reload.h"
#include "exec/restore.h"
#include "exec/threads.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "state/store.h"
#include "base/banned.h"

#define PIECE_BYTES_DEFAULT (UINT64_C(32) << 10)
#define IDLE_INPUT_PART \
    8u /* of what may be read are idle batches: they come and go in whole pieces */
#define DRAWN_ROWS_BYTES 64u /* where the order is drawn: small states have `state.rows` too */

static void set_defaults(struct wr_run *run) {
    struct wr_run_options *options = &run->options;
    options->workers = WR_MIN(WR_MAX(options->workers, 1u), (uint32_t)WR_WORKERS_MAX);
    run->shards_are_given = options->shards != 0;
    memory_set_defaults(options);
    if (options->piece_bytes == 0)
        options->piece_bytes = PIECE_BYTES_DEFAULT;
    const struct wr_env *env = run->plan->env;
    if (options->hash_seed == 0)
        options->hash_seed = env->random_u64(env) | 1;
}

static void prepare_services(struct wr_run *run) {
    memory_prepare(run);
    wr_arena_init(&run->arena, &wr_budget_control, 16384);
    wr_arena_init(&run->scratch, &run->state_budget, memory_scratch_bytes(run));
    wr_batch_pool_init(&run->pool, &run->input_budget);
    run->pool.idle_bytes_max = run->input_budget.bytes_max / IDLE_INPUT_PART;
    wr_batch_pool_init(&run->central_pool, &run->state_budget);
    run->op_env = (struct wr_op_env){
        .env = run->plan->env,
        .pool = &run->central_pool,
        .state_budget = &run->state_budget,
        .scratch = &run->scratch,
        .batch_rows = run->options.batch_rows,
        .batch_bytes = memory_batch_bytes(run),
        .piece_bytes = run->options.piece_bytes,
        .spill_bytes = run->options.spill_bytes,
        .seed = run->options.hash_seed,
        .shard_count = run->options.shards,
        .user_call = run->options.user_call,
        .user_ctx = run->options.user_ctx,
        .timezone = run->plan->timezone,
        .stop = run->options.stop,
        .err = &run->err,
    };
    run->lane_env = run->op_env;
    run->lane_env.pool = &run->pool;
}

static int run_make(struct wr_run **made, struct wr_plan *plan,
                    const struct wr_run_options *options, struct wr_error *err) {
    WR_ASSERT(plan->finished);
    struct wr_run *run = wr_alloc_zero(&wr_budget_control, sizeof *run);
    if (run == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    run->plan = plan;
    run->options = *options;
    run->err = err;
    set_defaults(run);
    run->started_us = plan->env->monotonic_us(plan->env);
    prepare_services(run);
    *made = run;
    return WR_OK;
}

int run_new_to_look(struct wr_run **made, struct wr_plan *plan,
                    const struct wr_run_options *options, int is_savepoint, struct wr_error *err) {
    int status = run_make(made, plan, options, err);
    struct wr_run *run = *made;
    if (status == WR_OK && options->state_directory != NULL)
        status = (is_savepoint ? run_look_at_savepoint : run_look_at_state)(
            &run->store, plan->env, options->state_directory, err);
    if (status == WR_OK && run->store != NULL && options->savepoint != NULL)
        run->goes_back = is_savepoint || wr_store_beginning(run->store) == WR_STORE_AS_COPIED;
    if (status == WR_OK)
        status = run_restore_seed(run, err);
    if (status == WR_OK)
        status = run_evolve(run, 0, err);
    return status == WR_OK ? run_build(run, err) : status;
}

static int sink_is_due(const struct wr_run *run) {
    int is_due = 0;
    for (uint32_t i = 0; i < run->unit_count && run->store != NULL; i++)
        is_due |= run->units[i]->sink != NULL && run->units[i]->sink->is_due;
    return is_due;
}

int wr_run_new(struct wr_run **made, struct wr_plan *plan, const struct wr_run_options *options,
               struct wr_error *err) {
    struct wr_run *run = NULL;
    struct state_before before = state_look_before(plan->env, options->state_directory);
    int status = run_make(&run, plan, options, err);
    if (status != WR_OK)
        return status;
    if (options->savepoint != NULL)
        status = run_begin_from(plan->env, options->savepoint, options->state_directory, err);
    if (status == WR_OK && options->state_directory != NULL) {
        poison_look(run);
        status = wr_store_open(&run->store, plan->env, options->state_directory, NULL, err);
    }
    if (status == WR_OK && run->store != NULL)
        run->goes_back =
            wr_store_beginning(run->store) == WR_STORE_AS_COPIED && options->savepoint != NULL;
    if (status == WR_OK && run->store != NULL && run_is_drawn(run))
        wr_store_set_rows_bytes(run->store, DRAWN_ROWS_BYTES);
    if (status == WR_OK)
        status = poison_begin(run, err);
    if (status == WR_OK)
        status = run_restore_seed(run, err);
    if (status == WR_OK)
        run_tell_seed(run, options->hash_seed);
    if (status == WR_OK)
        status = run_evolve(run, 1, err);
    run->was_restored = run->store != NULL && wr_store_number(run->store) > 0;
    if (status == WR_OK)
        status = run_build(run, err);
    if (status == WR_OK)
        status = memory_check(run, err);
    if (status == WR_OK)
        status = run_restore(run, err);
    if (status != WR_OK)
        state_unmake_refused(run, before, status, err);
    if (status == WR_OK)
        status = ranges_start(run, err);
    if (status == WR_OK)
        status = threads_init(run, err);
    if (status == WR_OK && writer_init(run) != WR_OK)
        status = wr_error_set(err, WR_ENOMEM, "cannot start the thread that writes checkpoints");
    if (status == WR_OK)
        run_tell_going_on(run);
    int is_due = run->is_changed || (run->store != NULL && wr_store_number(run->store) == 0);
    if (status == WR_OK && (is_due || sink_is_due(run)))
        status = run_checkpoint(run, err); /* so that a kill before the next one doubles nothing */
    if (status != WR_OK) {
        (void)memory_tell_failure(run, status, err);
        wr_run_free(run);
        return status;
    }
    sinks_tell_unseen(run);
    *made = run;
    return WR_OK;
}

void wr_run_free(struct wr_run *run) {
    if (run == NULL)
        return;
    wr_workers_free(run->workers); /* shards give the writer rows */
    writer_free(run);
    poison_close(run);
    reloads_free(run);
    run_close_units(run);
    reject_log_free(run->rejects);
    wr_store_close(run->store);
    wr_batch_pool_release(&run->pool);
    shard_pools_free(run);
    wr_batch_pool_release(&run->central_pool);
    wr_arena_release(&run->scratch);
    wr_arena_release(&run->arena);
    WR_ASSERT(run->state_budget.bytes_used == 0);
    WR_ASSERT(run->input_budget.bytes_used == 0);
    wr_free(&wr_budget_control, run);
}

const struct wr_summary *wr_run_summary(const struct wr_run *run) {
    return &run->summary;
}

void wr_run_counts(const struct wr_run *run, uint32_t node, struct wr_node_counts *counts) {
    memset(counts, 0, sizeof *counts);
    counts->frontier = WR_TIME_MIN;
    for (uint32_t u = 0; u < run->unit_counts[node]; u++) {
        const struct unit *unit = run->units[run->first_unit[node] + u];
        const struct wr_node_counts *one = &unit->counts;
        counts->nonfinite_count += unit->sink == NULL ? 0 : unit->sink->nonfinite_count;
        counts->left_out += unit->sink == NULL ? 0 : unit->sink->left_out;
        if (unit->sink != NULL)
            wr_trouble_add(&counts->trouble, &unit->sink->trouble);
        if (unit->sink != NULL && (unit->sink->shown == WR_SHOWN_AT_FINISH || unit->sink->unseen))
            counts->is_held = !run->finished;
        counts->rows_in += one->rows_in;
        counts->rows_out += one->rows_out;
        counts->batches_in += one->batches_in;
        counts->own_us += one->own_us;
        counts->state.rows += one->state.rows;
        counts->state.bytes += one->state.bytes;
        counts->state.spilled_bytes += one->state.spilled_bytes;
        counts->frontier = u == 0 ? one->frontier : WR_MIN(counts->frontier, one->frontier);
    }
}

void wr_run_progress(const struct wr_run *run, uint64_t *done, uint64_t *total) {
    *done = *total = 0;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        if (run->units[i]->source == NULL)
            continue;
        uint64_t one_done = 0, one_total = 0;
        lane_progress(run->units[i], &one_done, &one_total);
        *done += one_done;
        *total += one_total;
    }
}
