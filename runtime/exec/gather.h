/* gather.h: small batches behind a gate. */
#pragma once
#include "exec/unit.h"

/* When units, edges and gates are there, and it is known whether some stage may stop. */
void gather_init(struct unit *unit);
/* As unit_emit_whole, for the main port; the rows may go on later, at the latest when … */
int gather_emit(struct unit *unit, struct wr_batch *batch);
/* … this is called. wr_flow or a status. */
int gather_flush(struct unit *unit);
/* The same for one that is no unit's yet: takes a batch, small ones into *gathered, and gives on
 * what is whole. It may be called in any thread. */
typedef int (*gather_emit_fn)(void *ctx, struct wr_batch *batch);
int gather_put(const struct unit *unit, struct wr_batch_pool *pool, struct wr_batch **gathered,
               struct wr_batch *batch, gather_emit_fn emit, void *ctx);
