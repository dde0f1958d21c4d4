/* ahead.h: a lane's source, which other threads may read ahead. */
#pragma once
#include "base/assert.h"
#include "exec/unit.h"

struct ahead;
struct wr_buf;
struct wr_workers;

/* Its source, which is open, is read ahead from now on. */
int ahead_new(struct unit *lane, struct wr_workers *workers);
void ahead_free(struct ahead *ahead); /* when the workers have ended */
/* As the source's `poll`, `save_position`, watermark and `progress`, also where it is read ahead:
 * all as of this poll. */
int lane_poll(struct unit *lane, struct wr_batch **batch, struct wr_error *err);
int lane_save_position(const struct unit *lane, struct wr_buf *out);
int64_t lane_watermark(const struct unit *lane);
void lane_progress(const struct unit *lane, uint64_t *done, uint64_t *total);
/* After a restart from a large state the first batches are small, so that the first results do not
 * wait for the state of many keys, of each of which every delta may have a part; each is twice the
 * one before. Who polls says so. */
#define FIRST_BATCH_ROWS 8u

static inline void lane_take_few(struct unit *lane) {
    lane->source->batch_rows = WR_MIN(lane->source->batch_rows, FIRST_BATCH_ROWS);
}

static inline void lane_take_more(struct unit *lane, const struct wr_batch *batch) {
    if (batch != NULL)
        lane->source->batch_rows =
            WR_MIN(lane->source->batch_rows * 2, lane->run->options.batch_rows);
}
