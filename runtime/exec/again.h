/* again.h: whether a run can go on from its last checkpoint in the same process. */
#pragma once

struct wr_plan;

/* Whether all sources can be read again from the last checkpoint, in one process. */
int run_can_be_read_again(const struct wr_plan *plan);
