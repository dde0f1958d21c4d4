/* frames_update.c: results that are corrected. */
#include "op/frames_update.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

int frames_update_push(struct frames *self, struct wr_batch *in, const struct wr_batch *wide,
                       const uint32_t *rows, uint32_t count, struct wr_out *out) {
    (void)self, (void)in, (void)wide, (void)rows, (void)count, (void)out;
    return WR_EARG;
}
