/* numbers.h: the plan as the next checkpoint will name it: its stages get the numbers that they had
 * in the state, or new ones. */
#pragma once
#include <stdint.h>

struct pairs;
struct wr_run;

/* run->now, and what leads from nodes to it and back. `keeps_number`: by node, whether it goes on
 * as the stage that it is or was. WR_OK, WR_ENOMEM or WR_ELIMIT. */
int numbers_give(struct wr_run *run, const struct pairs *pairs, const uint8_t *keeps_number);
