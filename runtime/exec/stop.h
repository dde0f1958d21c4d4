/* stop.h: how far lines are read where a stage wants no more. A *line* is a lane of a source, or
 * the rows that one stage numbered: lane_count + maker - 1. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_batch;
struct wr_buf;
struct wr_reader;
struct wr_run;

int stops_init(struct wr_run *run);
/* The line that a row stands in. */
uint32_t run_line(const struct wr_run *run, const struct wr_batch *batch);
/* A lane's number, from its source's ordinal and its partition. */
uint32_t run_lane(const struct wr_run *run, uint32_t source, uint32_t partition);
int run_has_lane(const struct wr_run *run, uint32_t source, uint32_t partition);
/* A unit that may stop has processed `batch`, with this result. */
void stops_note(struct unit *unit, const struct wr_batch *batch, int flow);
/* Those that a unit feeds want no more behind `batch`, which it has just given: whether it may stop
 * there. `cause`: of each row of it, or NULL. */
int stops_making(struct unit *unit, const struct wr_batch *batch, const uint32_t *cause);
/* How many rows of a line count for a unit; UINT64_MAX: all. */
uint64_t stops_rows(const struct unit *unit, uint32_t line);
/* Of endless inputs: those whose rows nobody wants have ended. A bounded one is read on where
 * stages made rows of many, since how far it was read by then depends on the batch size. */
void stops_end_lanes(struct wr_run *run);
/* Records of all sources, as far as they count. */
uint64_t stops_rows_in(const struct wr_run *run);
void stops_save(const struct unit *unit, struct wr_buf *out);
void stops_load(struct unit *unit, struct wr_reader *in);
