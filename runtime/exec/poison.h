/* poison.h: a row at which the process dies each time it comes: a function that does not end, a
 * crash, memory of the system that ends. With a state such a run would die for ever; here it finds
 * the row, and goes on without it.
 *
 *   level   rows in a step   begins when
 *     0     as always        a life begins behind one that died: how many died about here
 *     1     1,024            DEATHS_MAX of them did: from here on each step is kept
 *     2     32               one more died: now the last checkpoint is 1,024 rows before it at most
 *     3     1                one more did. Before a stage takes a row it is written down which
 *
 * When ROW_DEATHS_MAX lives have died at one row in one stage, the next one rejects it there
 * (W514), in a step that is kept like all others. A level ends when so many rows have gone by that
 * it must have been met, or some time; then everything is as always. Lives that die at level 3
 * outside of any row (a window that fires) give up: it is told, and nothing more is tried about
 * there.
 *
 * What is known of lives that died lies beside the state, in `deaths` and `deaths.row`, and not in
 * it, since there was no checkpoint to put it into. A life behind one that ended well reads and
 * writes none of it: that SQLite has left its log says that a life did not end well. A function
 * that was stopped by the watchdog (WR_ELUA) ends in order; its life writes down its own death.
 * Nothing of it is synced: what kills a process leaves what was written; the power does not, and
 * is no death of this kind. */
#pragma once
#include <stdint.h>

struct poison;
struct unit;
struct wr_batch;
struct wr_error;
struct wr_run;

/* Before the state is opened: whether it was left as by a life that died. */
void poison_look(struct wr_run *run);
/* When it is open, before units are made. WR_OK or a failure. */
int poison_begin(struct wr_run *run, struct wr_error *err);
/* Whether rows are taken one by one, by … */
int poison_watches(const struct wr_run *run);
/* … this, in the place of unit_process_now. */
int poison_process(struct unit *unit, uint32_t input, struct wr_batch *batch);
/* A step went well, and what was due is kept. */
void poison_step(struct wr_run *run);
/* The run has failed because a function was stopped. */
void poison_died(struct wr_run *run);
/* When the run has ended, in whatever way; before its state is closed. */
void poison_close(struct wr_run *run);
