/* lanes.h: which stages run in the lanes of a source, and in which order the rows of several lanes
 * or inputs go through a stage where they meet. */
#pragma once
#include <stdint.h>

#include "graph/plan.h"

/* How rows that meet are put into one order. */
enum wr_merge {
    WR_MERGE_TIME,       /* (event time of the head, source, partition, offset, port) */
    WR_MERGE_OFFSET,     /* branches of one lane: (offset, port) */
    WR_MERGE_SEQUENTIAL, /* one port after the other */
    WR_MERGE_ARRIVAL,    /* as they come: a port before the last one may never end */
};

/* Row-by-row stages that hang on one source run in its lanes. The source; NULL: it does not. */
const struct wr_node *wr_lane_source(const struct wr_plan *plan, const struct wr_node *node);
/* The lanes that a node runs in. */
uint32_t wr_lane_count(const struct wr_plan *plan, const struct wr_node *node);
/* The node that really feeds input `input` of a node, and by which port. */
const struct wr_node *wr_producer_of(const struct wr_plan *plan, const struct wr_node *node,
                                     uint32_t input, enum wr_port *port);
/* Of a node that is no lane's own. */
enum wr_merge wr_merge_of(const struct wr_plan *plan, const struct wr_node *node);
/* Sets what follows for the rows of a node, when its inputs and what runs it are known. */
void wr_node_judge_order(const struct wr_plan *plan, struct wr_node *node);
