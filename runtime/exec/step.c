/* step.c: a step of a run: a batch of one source, and all that comes of it; and its stop. */
#include "exec/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/ahead.h"
#include "exec/checkpoint.h"
#include "exec/epoch.h"
#include "exec/gate.h"
#include "exec/idle.h"
#include "exec/memory.h"
#include "exec/poison.h"
#include "exec/range.h"
#include "exec/reject.h"
#include "exec/reject_log.h"
#include "exec/reload.h"
#include "exec/savepoint.h"
#include "exec/step.h"
#include "exec/stop.h"
#include "exec/threads.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "base/banned.h"

#define DUE_BATCHES UINT64_C(16) /* of what stages give in parts: so many in a step */

/* The last checkpoint of a life that ends in order. */
static int last_checkpoint(struct wr_run *run, struct wr_error *err) {
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (run->units[i]->sink != NULL)
            run->units[i]->sink->ends = 1;
    return run_checkpoint(run, err);
}

/* Whether rows of `unit` are waited for: by a gate below it, or there is no gate at all. */
static int is_wanted(const struct unit *unit, int *gated) {
    int wanted = 0;
    for (int port = 0; port < WR_PORTS_MAX; port++)
        for (uint32_t i = 0; i < unit->edge_count[port]; i++) {
            const struct edge *edge = &unit->edges[port][i];
            if (edge->done)
                continue;
            if (edge->to->gate != NULL) {
                *gated = 1;
                wanted |= gate_wants(edge->to->gate, edge->port);
            } else {
                wanted |= is_wanted(edge->to, gated);
            }
        }
    return wanted;
}

/* The lane to poll next: of those that a gate waits for, first the ones that may have rows; else
 * any that has not ended. */
static struct unit *next_lane(struct wr_run *run) {
    struct unit *fallback = NULL, *quiet = NULL;
    uint32_t behind_quiet = 0;
    int is_awaited = 0; /* one that stands */
    for (uint32_t k = 0; k < run->unit_count; k++) {
        struct unit *unit = run->units[(run->next_lane + k) % run->unit_count];
        if (unit->source == NULL || unit->ended)
            continue;
        int gated = 0;
        uint32_t behind = (run->next_lane + k + 1) % run->unit_count;
        int wanted = is_wanted(unit, &gated) || !gated;
        if (unit->stands) {
            is_awaited |= wanted;
            continue;
        }
        if (wanted && !idle_may_skip(unit)) {
            run->next_lane = behind;
            return unit;
        }
        if (wanted && quiet == NULL) {
            quiet = unit;
            behind_quiet = behind;
        }
        if (fallback == NULL)
            fallback = unit;
    }
    if (quiet == NULL) /* how far the others are read behind it is not said by a number of rows */
        return is_awaited && run->options.until_rows > 0 ? NULL : fallback;
    run->next_lane = behind_quiet;
    return quiet;
}

void lane_count(struct unit *lane, uint64_t records) {
    lane->run->summary.rows_in += records;
    lane->counts.rows_in += records;
    lane->records_in += records;
}

static int poll_lane(struct wr_run *run, struct unit *lane, struct wr_error *err) {
    struct wr_batch *batch = NULL;
    struct unit_watch watch = unit_watch_begin(run);
    int status = lane_poll(lane, &batch, err);
    unit_watch_end(lane, watch);
    idle_note(lane, status == WR_EAGAIN && batch == NULL && !lane->source->has_more);
    if (status == WR_EEND) {
        lane->ended = 1;
        status = WR_OK;
    }
    if (status < 0 && status != WR_EAGAIN && err != NULL && err->status == status)
        return unit_failed(lane, status, err);
    if (status < 0)
        return status;
    if (batch != NULL) {
        int64_t watermark = lane_watermark(lane);
        batch->frontier = WR_MAX(lane->frontier_out, watermark);
        if (lane->range == NULL)
            lane_count(lane, batch->row_count);
        if (batch->sel_count == 0)
            wr_batch_unref(batch);
        else
            status = unit_emit(lane, WR_PORT_MAIN, batch);
        if (status == WR_FLOW_DONE)
            lane->ended = 1;
    }
    return status < 0 ? status : reject_log_flush(run->rejects);
}

static int advance_all(struct wr_run *run, int after_rejects) {
    int status = WR_OK;
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct unit *unit = run->units[i];
        if (unit->node->kind == WR_NODE_REJECTS)
            unit->frontier_out = after_rejects ? WR_TIME_MAX : unit->frontier_out;
        else if (unit->after_rejects == after_rejects || !after_rejects)
            status = unit_advance(unit);
    }
    return status;
}

int run_advance(struct wr_run *run, int after_rejects) {
    int status;
    do {
        run->paused = 0;
        status = advance_all(run, after_rejects);
    } while (run->paused && status == WR_OK);
    return status;
}

int run_has_due(const struct wr_run *run) {
    int has = 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        has |= run->units[i]->op != NULL && run->units[i]->op->has_due;
    return has;
}

/* Behind the rejects, with which the input ends; a signal ends it too. */
static int advance_to_end(struct wr_run *run) {
    int status;
    do {
        run->due_left = DUE_BATCHES * run->options.batch_rows;
        status = run_advance(run, 1);
        if (status == WR_OK && run->options.stop != NULL && *run->options.stop)
            return run_has_due(run) ? WR_ECANCEL : WR_OK;
    } while (status == WR_OK && run_has_due(run));
    return status;
}

void run_set_clock(struct wr_run *run, int64_t now_us) {
    run->op_env.now_us = run->lane_env.now_us = WR_MAX(run->op_env.now_us, now_us);
}

static int tick_all(struct wr_run *run) {
    int status = WR_OK;
    for (uint32_t i = 0; i < run->unit_count && status >= 0; i++)
        status = unit_tick(run->units[i]);
    return WR_MIN(status, WR_OK);
}

static int all_ended(const struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (run->units[i]->source != NULL && !run->units[i]->ended)
            return 0;
    return 1;
}

/* A failure inside a step: the text says what ran, unless the place where it happened did. */
static int step_failed(struct wr_run *run, int status, struct wr_error *err) {
    if (err == NULL)
        return status;
    if (memory_tell_failure(run, status, err))
        return status;
    if (err->status == status)
        return status;
    const char *where = run->failed == NULL ? "" : run->failed->node->name;
    if (where[0] != 0)
        return wr_error_set(err, status, "stage %s: %s", where, wr_status_text(status));
    return wr_error_set(err, status, "%s", wr_status_text(status));
}

/* Where the rows are that an audit did not let through. */
static void tell_kept(const struct wr_run *run, struct wr_error *err) {
    char text[WR_ERROR_HELP_MAX] = "";
    size_t length = 0;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL || sink->kept == NULL || length >= sizeof text / 2)
            continue;
        int more = snprintf(text + length, sizeof text - length, "%s those of %s are in `%s`",
                            length == 0 ? "; rows for looking at:" : ",", sink->name, sink->kept);
        length += more > 0 ? (size_t)more : 0;
    }
    wr_error_help(err, "nothing of %s was published%s",
                  run->store == NULL ? "this run" : "what is audited", text);
}

static void settle_counts(struct wr_run *run) {
    if (run->may_stop)
        run->summary.rows_in = stops_rows_in(run);
    reject_counts_sort(run);
}

static int finish(struct wr_run *run, struct wr_error *err) {
    int status = writer_settle(run, err);
    if (status == WR_OK)
        status = sinks_check(run, err);
    if (status == WR_OK)
        status = reject_log_end(run->rejects, err);
    if (status != WR_EEND)
        return status;
    status = advance_to_end(run);
    if (status == WR_OK)
        status = run_settle(run, 1);
    if (status == WR_OK)
        status = advance_to_end(run); /* of what shards gave */
    if (status == WR_OK)
        status = reject_log_flush_step(run->rejects);
    settle_counts(run);
    if (status == WR_OK)
        status = sinks_keep_held(run, err);
    if (status == WR_OK)
        status = sinks_finish(run, 1, err);
    if (status == WR_EREFUSED && err != NULL && strcmp(err->code, "W608") == 0)
        tell_kept(run, err);
    if (status == WR_OK) /* the state says so before files get their names */
        run->is_complete = run->says_complete = 1;
    if (status == WR_OK)
        status = run->store != NULL ? last_checkpoint(run, err) : sinks_commit(run, 0, err);
    if (status == WR_OK)
        status = sinks_finish(run, 0, err);
    const struct wr_env *env = run->plan->env;
    run->summary.elapsed_us = env->monotonic_us(env) - run->started_us;
    run->summary.state_bytes_peak = run->state_budget.bytes_peak;
    run->finished = status == WR_OK;
    return status == WR_OK ? WR_EEND : status;
}

/* Whether something is to be said of all rows before others see any. */
static int is_audited(const struct wr_run *run) {
    unsigned audits = 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (run->units[i]->sink != NULL)
            audits |= run->units[i]->sink->type->flags & WR_SINK_AUDITS;
    return audits != 0;
}

/* What a run without a state has written is there for others, now and then, where it never ends. */
static int commit_unkept(struct wr_run *run, struct wr_error *err) {
    if (is_audited(run))
        return WR_OK;
    int status = sinks_check(run, err);
    if (status == WR_OK)
        status = sinks_commit(run, 0, err);
    return status == WR_OK ? run_begin_epoch(run, err) : status;
}

static int checkpoint_if_due(struct wr_run *run, struct wr_error *err) {
    const struct wr_env *env = run->plan->env;
    if (run->store == NULL && (!run->is_endless || run->options.is_live || run->finished))
        return WR_OK;
    int is_full = run->store != NULL && reject_log_is_full(run->rejects);
    if (!is_full && (env->monotonic_us(env) < run->checkpoint_due_us || writer_is_busy(run)))
        return WR_OK;
    int status = run_settle_step(run);
    if (status == WR_OK)
        status = run->store == NULL ? commit_unkept(run, err) : run_checkpoint_begin(run, err);
    if (status == WR_OK && run->store != NULL)
        status = run_answer_save(run, err);
    /* From its end: one that takes longer than the time between two must leave time for work. */
    run->checkpoint_due_us = env->monotonic_us(env) + run->options.checkpoint_us;
    return status;
}

/* All stand, or what was settled is not enough for one that does not. */
static int has_reached(struct wr_run *run, const struct unit *lane) {
    uint32_t next = run->next_lane;
    if (run->options.until_rows == 0 && !run->options.has_until_time)
        return 0;
    run->summary.has_reached = ranges_have_reached(run) || (lane == NULL && next_lane(run) == NULL);
    run->next_lane = next;
    return run->summary.has_reached;
}

/* What is waited for when the signal comes is waited for no longer. */
static void note_cut_off(struct wr_run *run, const struct wr_error *err) {
    int is_told = err != NULL && err->status == WR_ECANCEL;
    const struct wr_env *env = run->plan->env;
    run->summary.elapsed_us = env->monotonic_us(env) - run->started_us;
    snprintf(run->summary.cut_off, sizeof run->summary.cut_off, "%s",
             is_told ? err->text : "stopped while its last rows were made");
}

int wr_run_step(struct wr_run *run, struct wr_error *err) {
    if (run->finished)
        return WR_EEND;
    run->err = err;
    if (err != NULL)
        err->status = WR_OK;
    if (run->options.stop != NULL && *run->options.stop)
        return WR_ECANCEL;
    run->summary.steps++;
    run->is_complete &= run->says_complete && run->summary.was_complete;
    const struct wr_env *env = run->plan->env;
    run_set_clock(run, env->now_us(env));
    int status = writer_poll(run, err);
    if (status == WR_OK || status == WR_EAGAIN)
        status = tick_all(run);
    int has_due = run_has_due(run);
    struct unit *lane = status == WR_OK && !has_due ? next_lane(run) : NULL;
    run->due_left = DUE_BATCHES * run->options.batch_rows;
    if (lane != NULL)
        status = poll_lane(run, lane, err);
    else if (status == WR_OK && !has_due && !all_ended(run))
        status = run_settle_step(run);
    int busy = writer_is_copying(run) || (run->held_rows > 0 && !writer_is_busy(run));
    int idle = status == WR_EAGAIN;
    if (idle)
        status = WR_OK;
    if (status == WR_OK && run->reloads != NULL)
        status = reloads_step(run, &busy, err);
    if (status == WR_OK)
        status = run_advance(run, 0);
    int settles = idle || all_ended(run) || reject_log_is_long(run->rejects);
    if (status == WR_OK)
        status = settles ? run_settle_step(run) : reject_log_end_step(run->rejects);
    for (uint32_t i = 0; run->options.measures && i < run->unit_count; i++)
        unit_measure(run->units[i]);
    if (status == WR_OK && run->is_endless)
        stops_end_lanes(run);
    if (status == WR_OK && idle && run->store == NULL) /* nobody waits for rows that are there */
        status = sinks_commit(run, 1, err);
    has_due = run_has_due(run);
    if (status == WR_OK && all_ended(run) && !has_due)
        status = finish(run, err);
    else if (status == WR_OK && !has_due && has_reached(run, lane))
        return WR_ECANCEL;
    if (status == WR_OK)
        status = checkpoint_if_due(run, err);
    if (status == WR_OK)
        poison_step(run);
    else if (status == WR_ELUA)
        poison_died(run);
    if (status == WR_OK || status == WR_EEND)
        return status == WR_OK && idle && !busy && !has_due ? WR_EAGAIN : status;
    if (status == WR_ECANCEL)
        note_cut_off(run, err);
    return step_failed(run, status, err);
}

static int stop(struct wr_run *run, struct wr_error *err) {
    run->err = err;
    if (run->finished || run->summary.cut_off[0] != 0)
        return WR_OK;
    const struct wr_env *env = run->plan->env;
    run->summary.elapsed_us = env->monotonic_us(env) - run->started_us;
    int status = writer_settle(run, err);
    if (status == WR_OK)
        status = run_settle_step(run);
    if (status == WR_OK)
        status = sinks_check(run, err);
    while (run->store == NULL && status == WR_OK) /* what is held goes out with what is complete */
        status = reject_log_end(run->rejects, err);
    settle_counts(run);
    if (status < 0 && status != WR_EEND)
        return status;
    if (run->store != NULL)
        return last_checkpoint(run, err);
    if (is_audited(run))
        return WR_OK;
    status = sinks_commit(run, 0, err);
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        if (sink != NULL && sink->shown == WR_SHOWN_IN_PARTS && !run->options.dry_run)
            status = unit_of_error(run->units[i], sink->type->finish(sink, err), err);
    }
    return status;
}

int wr_run_stop(struct wr_run *run, struct wr_error *err) {
    int status = stop(run, err);
    if (status == WR_ECANCEL)
        note_cut_off(run, err);
    return status == WR_ECANCEL ? WR_OK : status < 0 ? step_failed(run, status, err) : status;
}
