/* change.h: the plan of a script beside the one that wrote the state. */
#pragma once

struct wr_error;
struct wr_run;

/* Compares the plan with the one that wrote the state (run->before): run->changes, and the numbers
 * of its stages (run->now). Columns that were kept before stay needed. */
int run_judge(struct wr_run *run, struct wr_error *err);
