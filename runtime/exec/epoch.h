/* epoch.h: the turns of the sinks. */
#pragma once
#include <stdint.h>

struct wr_error;
struct wr_run;

/* The turns of a checkpoint that sinks take. Without rows written nothing is done. */
enum epoch_turn {
    EPOCH_CHECK,        /* all its rows have come: those that cannot be there are rejects */
    EPOCH_PREPARE,      /* what was written leaves their buffers */
    EPOCH_SYNC,         /* and is durable */
    EPOCH_COMMIT_FIRST, /* of those that decide themselves: before the state does */
    EPOCH_COMMIT,       /* of all others, which follow it */
};
int epoch_turn(struct wr_run *run, uint64_t epoch, enum epoch_turn turn, struct wr_error *err);
/* All sinks begin the next one. */
int run_begin_epoch(struct wr_run *run, struct wr_error *err);
/* Rows that are audited are kept beside their place before they are judged, so that they are there
 * for looking at, and the state is of a run that has read all and published nothing. */
int sinks_keep_held(struct wr_run *run, struct wr_error *err);
/* Ends what all sinks have written, or those that show at once, where no state is kept. */
int sinks_commit(struct wr_run *run, int at_once, struct wr_error *err);
/* All rows of the epoch have come: sinks reject those that cannot be there (wr_sink_type.check). */
int sinks_check(struct wr_run *run, struct wr_error *err);
/* Those that show at once come before the state, which then knows that their end is there, and
 * behind them those that stand in it. */
int sinks_finish(struct wr_run *run, int before_state, struct wr_error *err);
/* Notes of those that nobody will see anything of, as their input never ends. */
void sinks_tell_unseen(const struct wr_run *run);
