/* evolve.h: a run goes on from the state of this script, or of another. */
#pragma once
#include <stdint.h>

struct wr_error;
struct wr_run;

/* As run_judge (change.h), from the store on; refuses (W601) what would be lost and is not allowed
 * to be, unless only asked what it is (`runs` 0). */
int run_evolve(struct wr_run *run, int runs, struct wr_error *err);
/* Notes that the seed which was given has no effect, since the state has its own. */
void run_tell_seed(const struct wr_run *run, uint64_t given);
/* Notes that a life goes on from a state, once; when all is there for it. */
void run_tell_going_on(const struct wr_run *run);
