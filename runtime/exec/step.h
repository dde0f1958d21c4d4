/* step.h: a step of a run, and what else lets its units go on. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_run;

/* Counts records that were taken of a source. */
void lane_count(struct unit *lane, uint64_t records);
/* Operators see a clock that never goes back. */
void run_set_clock(struct wr_run *run, int64_t now_us);
/* Advances all units in their order, until no gate has more. */
int run_advance(struct wr_run *run, int after_rejects);
/* Whether some stage has not given all that is due. */
int run_has_due(const struct wr_run *run);
