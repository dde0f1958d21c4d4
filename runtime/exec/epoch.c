/* epoch.c: what sinks do in each turn of a checkpoint, and the end of what they write. */
#include "base/status.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "base/banned.h"

/* What a sink is called for in a turn; NULL: nothing. A sink that decides itself (a SQLite file)
 * commits before the state, and knows after a restart what it has already; all others follow. */
static int (*call_of(const struct wr_sink *sink, enum epoch_turn turn))(struct wr_sink *, uint64_t,
                                                                        struct wr_error *) {
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

int run_begin_epoch(struct wr_run *run, struct wr_error *err) {
    run->epoch++;
    for (uint32_t i = 0; i < run->unit_count && !run->options.dry_run; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL || sink->type->begin == NULL)
            continue;
        int status = sink->type->begin(sink, run->epoch, err);
        if (status != WR_OK)
            return unit_failed(run->units[i], status, err);
    }
    return WR_OK;
}

int sinks_commit(struct wr_run *run, int at_once, struct wr_error *err) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL || run->options.dry_run || (at_once && sink->shown != WR_SHOWN_AT_ONCE))
            continue;
        int status =
            sink->type->prepare == NULL ? WR_OK : sink->type->prepare(sink, run->epoch, err);
        if (status == WR_OK && sink->type->commit != NULL)
            status = sink->type->commit(sink, run->epoch, err);
        if (status != WR_OK)
            return unit_failed(run->units[i], status, err);
    }
    return WR_OK;
}

int sinks_finish(struct wr_run *run, int at_once, struct wr_error *err) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL || run->options.dry_run || sink->type->finish == NULL ||
            (sink->shown == WR_SHOWN_AT_ONCE) != at_once)
            continue;
        int status = sink->type->finish(sink, err);
        if (status != WR_OK)
            return unit_failed(run->units[i], status, err);
    }
    return WR_OK;
}
