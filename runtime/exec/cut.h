/* cut.h: where batches are cut. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_batch;
struct wr_run;

int cuts_init(struct wr_run *run);
/* The next boundary behind `after` of the stages below a unit that makes cuts. */
int64_t cut_next(const struct unit *unit, int64_t after);
/* Whether a unit stands below another that makes cuts. */
int cut_reaches(const struct unit *cutting, const struct unit *unit);
/* unit_emit for what leaves a stage that sets the frontier. */
int cut_emit(struct unit *unit, struct wr_batch *batch);
