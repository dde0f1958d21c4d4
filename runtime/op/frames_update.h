/* frames_update.h: a grouped `derive` whose results are corrected. Private to the room. */
#pragma once
#include "op/frames.h"

/* Takes rows of a push, or takes them back, and emits what this changes. */
int frames_update_push(struct frames *self, struct wr_batch *in, const struct wr_batch *wide,
                       const uint32_t *rows, uint32_t count, struct wr_out *out);
