/* idle.h: inputs that are live and have nothing to read. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_batch;

/* A source was polled: it gave something, or had nothing (`is_empty`). */
void idle_note(struct unit *lane, int is_empty);
/* Whether a lane may be passed over, because it was found empty a moment ago. */
int idle_may_skip(const struct unit *lane);
/* Whether a unit is idle, when its inputs have been asked. */
void idle_update(struct unit *unit);
/* The least of the frontiers that a unit's inputs have, of those that do not step aside. */
int64_t unit_frontier_of_inputs(const struct unit *unit);
/* Rows that come behind the frontier of a stage, because it went on without them, say so: they are
 * judged by it. *made is `batch` or one over it; the caller's reference. */
int idle_raise(struct unit *unit, struct wr_batch *batch, struct wr_batch **made);
