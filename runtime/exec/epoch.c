/* epoch.c: what sinks do in each turn of a checkpoint, and the end of what they write. */
#include <string.h>

#include "base/status.h"
#include "exec/checkpoint.h"
#include "exec/epoch.h"
#include "exec/reject_log.h"
#include "exec/threads.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "base/banned.h"

/* What a sink is called for in a turn; NULL: nothing. A sink that decides itself (a SQLite file)
 * commits before the state, and knows after a restart what it has already; all others follow. */
static int (*call_of(const struct wr_sink *sink, enum epoch_turn turn))(struct wr_sink *, uint64_t,
                                                                        struct wr_error *) {
    if (turn == EPOCH_CHECK)
        return sink->type->check;
    if (turn == EPOCH_PREPARE)
        return sink->type->prepare;
    if (turn == EPOCH_SYNC)
        return sink->type->sync;
    int is_first = sink->type->delivery == WR_DELIVERY_IDEMPOTENT;
    return is_first == (turn == EPOCH_COMMIT_FIRST) ? sink->type->commit : NULL;
}

int epoch_turn(struct wr_run *run, uint64_t epoch, enum epoch_turn turn, struct wr_error *err) {
    for (uint32_t i = 0; i < run->unit_count && !run->options.dry_run; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        int (*call)(struct wr_sink *, uint64_t, struct wr_error *) =
            sink == NULL ? NULL : call_of(sink, turn);
        int status = call == NULL ? WR_OK : call(sink, epoch, err);
        if (status == WR_EAGAIN) { /* what a signal cut off has failed: nobody tries it again */
            status = WR_EIO;
            if (err != NULL)
                err->status = status;
        }
        if (status != WR_OK)
            return unit_failed(run->units[i], status, err);
    }
    return WR_OK;
}

int sinks_check(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    for (int any = 1; any && status == WR_OK;) { /* rejects may be rows of sinks, too */
        status = epoch_turn(run, run->epoch, EPOCH_CHECK, err);
        any = reject_log_has_any(run->rejects);
        if (status == WR_OK)
            status = reject_log_flush_step(run->rejects);
        if (status == WR_OK && any) /* shards may be given some */
            status = run_settle(run, 0);
        any |= reject_log_has_any(run->rejects);
    }
    return status;
}

static int begin(struct unit *unit, struct wr_error *err) {
    struct wr_sink *sink = unit->sink;
    int status = sink->type->begin == NULL ? WR_OK : sink->type->begin(sink, unit->run->epoch, err);
    return status == WR_OK ? WR_OK : unit_failed(unit, status, err);
}

/* Databases first: they look at their place only now, and who refuses has changed no file. */
int run_begin_epoch(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    run->epoch++;
    for (int decides = 1; decides >= 0; decides--)
        for (uint32_t i = 0; i < run->unit_count && !run->options.dry_run && status == WR_OK; i++) {
            const struct wr_sink *sink = run->units[i]->sink;
            if (sink != NULL && (sink->type->delivery == WR_DELIVERY_IDEMPOTENT) == decides)
                status = begin(run->units[i], err);
        }
    return status;
}

/* ---- where no state is kept ---- */

static int prepare_and_commit(struct unit *unit, struct wr_error *err) {
    struct wr_sink *sink = unit->sink;
    uint64_t epoch = unit->run->epoch;
    int status = sink->type->prepare == NULL ? WR_OK : sink->type->prepare(sink, epoch, err);
    if (status == WR_OK && sink->type->commit != NULL)
        status = sink->type->commit(sink, epoch, err);
    return status == WR_OK ? WR_OK : unit_failed(unit, status, err);
}

int sinks_commit(struct wr_run *run, int at_once, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t i = 0; i < run->unit_count && !run->options.dry_run && status == WR_OK; i++) {
        const struct wr_sink *sink = run->units[i]->sink;
        if (sink != NULL && (!at_once || sink->shown == WR_SHOWN_AT_ONCE))
            status = prepare_and_commit(run->units[i], err);
    }
    return status;
}

int sinks_keep_held(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK, held = 0;
    for (uint32_t i = 0; i < run->unit_count && !run->options.dry_run && status == WR_OK; i++) {
        const struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL || !sink->held || sink->kept == NULL)
            continue;
        if (run->store != NULL)
            return run_checkpoint(run, err);
        held = 1;
        status = prepare_and_commit(run->units[i], err);
    }
    for (uint32_t i = 0; i < run->unit_count && held && status == WR_OK; i++) {
        const struct wr_sink *sink = run->units[i]->sink;
        if (sink != NULL && sink->held && sink->kept != NULL)
            status = begin(run->units[i], err);
    }
    return status;
}

/* ---- what nobody will see ---- */

/* An input that never ends does when nobody wants its rows any more. */
static int has_limit(const struct wr_plan *plan) {
    int has = 0;
    for (uint32_t i = 0; i < plan->node_count; i++)
        has |= plan->nodes[i]->live && strcmp(plan->nodes[i]->stage, "limit") == 0;
    return has;
}

/* A file that is replaced, or a table beside: it appears when the input has ended. */
static int is_never_seen(const struct wr_run *run, const struct unit *unit) {
    const struct wr_node *node = unit->node;
    if (unit->sink == NULL || (unit->sink->shown != WR_SHOWN_AT_FINISH && !unit->sink->unseen))
        return 0;
    int of_rejects = run->plan->nodes[node->inputs[0]]->kind == WR_NODE_REJECTS;
    return of_rejects || !node->out.bounded;
}

static const char *how_it_is_seen(const struct wr_node *node) {
    if (wr_value_get(node->spec, "script") == NULL)
        return "the input never ends, and this file would appear at the end of that: "
               "`weir.rejects():write(…, { mode = \"append\" })` in the script has rows after each "
               "checkpoint";
    if (strcmp(node->sink->name, "partitions") == 0)
        return "its input never ends, and it would appear at the end of that: with `roll` each "
               "file is there when it is complete";
    return "its input never ends, and it would appear at the end of that: rows are there after "
           "each checkpoint with `mode = \"append\"`, or in a `directory/` with `roll`";
}

void sinks_tell_unseen(const struct wr_run *run) {
    const struct wr_run_options *options = &run->options;
    int has_end = options->record_limit > 0 || options->until_rows > 0 || options->has_until_time ||
                  has_limit(run->plan);
    if (!run->is_endless || has_end || options->is_live || options->dry_run ||
        options->note == NULL || options->is_again || options->replace_source != NULL)
        return;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct unit *unit = run->units[i];
        if (!is_never_seen(run, unit))
            continue;
        options->note(options->note_ctx, unit->node->name, how_it_is_seen(unit->node));
    }
}

/* ---- the end ---- */

/* Audits are among the first. */
static enum finish_turn { FINISH_FIRST, FINISH_IN_STATE, FINISH_LAST } turn_of(uint8_t shown) {
    return shown == WR_SHOWN_AT_ONCE    ? FINISH_FIRST
           : shown == WR_SHOWN_BY_STATE ? FINISH_IN_STATE
                                        : FINISH_LAST;
}

static int finish_turn(struct wr_run *run, enum finish_turn turn, struct wr_error *err) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL || run->options.dry_run || sink->type->finish == NULL ||
            turn_of(sink->shown) != turn)
            continue;
        int status = sink->type->finish(sink, err);
        if (status != WR_OK)
            return unit_failed(run->units[i], status, err);
    }
    return WR_OK;
}

int sinks_finish(struct wr_run *run, int before_state, struct wr_error *err) {
    if (!before_state)
        return finish_turn(run, FINISH_LAST, err);
    int status = finish_turn(run, FINISH_FIRST, err);
    return status == WR_OK ? finish_turn(run, FINISH_IN_STATE, err) : status;
}
