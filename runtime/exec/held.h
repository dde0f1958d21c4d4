/* held.h: rows for a sink, and frontiers between them, while the writer has it, and behind those
 * that wait. */
#pragma once
#include <stdint.h>

struct held;
struct unit;
struct wr_batch;
struct wr_error;
struct wr_run;

int held_add(struct unit *unit, struct wr_batch *batch, int64_t frontier); /* or NULL: a frontier */
/* Whether more should not wait. */
int held_is_full(const struct wr_run *run);
/* Whether something waits for the sink of a unit; of all of them run->held_rows do. */
int held_waits(const struct unit *unit);
/* Hands on what waits for all sinks: all of it, or so much as a step should. */
int held_flush(struct wr_run *run, int all, struct wr_error *err);
void held_free(struct unit *unit);
