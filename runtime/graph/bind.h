/* bind.h: how a stage becomes a node, by kind. Private to the room. */
#pragma once
#include "graph/plan.h"

/* Each fills kind, stage, out, type and config of `node`, whose spec and inputs are set. */
int wr_bind_source(struct wr_plan *plan, struct wr_node *node, struct wr_error *err);
int wr_bind_sink(struct wr_plan *plan, struct wr_node *node, struct wr_error *err);
int wr_bind_op(struct wr_plan *plan, struct wr_node *node, struct wr_error *err);
int wr_bind_late(struct wr_plan *plan, struct wr_node *node, struct wr_error *err);
int wr_bind_rejects(struct wr_plan *plan, struct wr_node *node, struct wr_error *err);

/* When rows come again, in batches cut elsewhere: whether `in` is to an operator as it was. */
uint8_t wr_node_takes_same(const struct wr_node *node, const struct wr_stream *in);
/* All inputs of a node of rejects are known: whether what leaves it is. Of an endless input rejects
 * leave as they come (exec/reject.h): where several lanes, or stages that are not row by row, bring
 * them, the steps of a run decide their order. */
void wr_rejects_judge(const struct wr_plan *plan, struct wr_node *node);

/* W410: a sink that writes what the script reads, or what another sink writes. `node` is bound and
 * is not yet in the plan. */
int wr_check_written(const struct wr_plan *plan, const struct wr_node *node, struct wr_error *err);

/* Room for one more in an array of the plan's arena, where the old one stays. NULL: no memory. */
void *wr_bind_grow(struct wr_plan *plan, void *array, uint32_t count, uint32_t *room, size_t size);
