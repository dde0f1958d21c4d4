/* range.h: the records that are taken of a source. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_batch;
struct wr_error;
struct wr_node;
struct wr_run;
struct wr_source;

/* When lanes are there, and no source is open yet. */
int ranges_init(struct wr_run *run, struct wr_error *err);
/* When sources are open and the stages of lanes are as they were at the last checkpoint. */
int ranges_start(struct wr_run *run, struct wr_error *err);
void range_free(struct unit *lane);
/* As the source's `poll`, of a lane that has a range; it counts what is taken. The lane stands, or
 * WR_EEND, where that is all. */
int range_poll(struct unit *lane, struct wr_batch **batch, struct wr_error *err);
/* *batch is what is left of it (NULL: nothing) without the records before the first one. */
int range_skip(const struct wr_source *source, uint64_t first, struct wr_batch **batch);
/* `record_limit` of a source, as far as it is the same for each reading of it. */
uint64_t range_record_limit(const struct wr_run *run, const struct wr_node *node);
/* All sources have ended or stand where --until says, and some stands. */
int ranges_have_reached(const struct wr_run *run);
