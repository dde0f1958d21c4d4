/* build.h: units, edges and gates of the plan's live nodes. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_error;
struct wr_node;
struct wr_plan;
struct wr_run;

/* Makes and opens them. */
int run_build(struct wr_run *run, struct wr_error *err);
/* How many units a node has. */
uint32_t run_units_of(const struct wr_plan *plan, const struct wr_node *node);
void run_close_units(struct wr_run *run);
/* The source of a unit, not open yet. */
int unit_new_source(struct unit *unit, struct wr_error *err);
