/* savepoint.h: copies of the state for who asks for them. */
#pragma once

struct wr_error;
struct wr_run;

/* Copies the state, where somebody has asked for it, when the checkpoint that is on its way
 * stands. A copy that cannot be made is told to who asked, and is no failure of the run. */
int run_answer_save(struct wr_run *run, struct wr_error *err);
