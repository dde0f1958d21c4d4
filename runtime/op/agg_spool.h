/* agg_spool.h: groups without a window that do not fit: rows of keys that are not in memory wait in
 * a file; where there is a state, all rows do, until the next checkpoint. Private to the room. */
#pragma once
#include "op/agg.h"

/* agg_spool.c. WR_OK or WR_ENOMEM. */
int agg_spool_open(struct agg *self);
/* Adds rows to groups that are in memory or may be; the others wait. WR_OK or a negative status. */
int agg_spool_push(struct agg *self, const struct wr_batch *in, const uint32_t *sel, uint32_t count,
                   const char *keys, const uint64_t *hashes);
/* Whether rows wait. */
int agg_spool_has_rows(const struct agg *self);
/* No more rows come: from now on agg_spool_step takes those that wait. */
int agg_spool_end(struct agg *self);
/* Makes groups of some of them. Groups that are complete leave (agg_spill_leave). */
int agg_spool_step(struct agg *self);
/* Where a state is kept: adds the rows that wait, before it is saved or groups leave. */
int agg_spool_settle(struct agg *self);
void agg_spool_free(struct agg_spool *spool); /* NULL is allowed */
