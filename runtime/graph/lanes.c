/* lanes.c: see lanes.h. */
#include "graph/lanes.h"

#include <stddef.h>

#include "base/banned.h"

const struct wr_node *wr_lane_source(const struct wr_plan *plan, const struct wr_node *node) {
    while (node->kind == WR_NODE_OP && (node->op->flags & WR_OP_ROW_BY_ROW) &&
           node->input_count == 1)
        node = plan->nodes[node->inputs[0]];
    return node->kind == WR_NODE_SOURCE ? node : NULL;
}

uint32_t wr_lane_count(const struct wr_plan *plan, const struct wr_node *node) {
    const struct wr_node *source = wr_lane_source(plan, node);
    return source == NULL ? 1 : source->endpoint.partition_count;
}

const struct wr_node *wr_producer_of(const struct wr_plan *plan, const struct wr_node *node,
                                     uint32_t input, enum wr_port *port) {
    const struct wr_node *producer = plan->nodes[node->inputs[input]];
    *port = WR_PORT_MAIN;
    if (producer->kind == WR_NODE_LATE) {
        *port = WR_PORT_LATE;
        producer = plan->nodes[producer->inputs[0]];
    }
    return producer;
}

/* That side of a stage has no part in the order. */
static int is_read_first(const struct wr_node *node, uint32_t input) {
    return node->op != NULL && (node->op->flags & WR_OP_BUILD_FIRST) && input > 0;
}

enum wr_merge wr_merge_of(const struct wr_plan *plan, const struct wr_node *node) {
    int all_timed = 1, one_lane = 1, may_not_end = 0, waits = 0;
    const struct wr_node *first_source = NULL;
    for (uint32_t i = 0; i < node->input_count && !is_read_first(node, i); i++) {
        enum wr_port port;
        const struct wr_node *producer = wr_producer_of(plan, node, i, &port);
        const struct wr_node *source = wr_lane_source(plan, producer);
        uint32_t lanes = wr_lane_count(plan, producer);
        all_timed &= producer->out.has_time;
        one_lane &=
            source != NULL && lanes == 1 && (first_source == NULL || first_source == source);
        first_source = source;
        waits |= may_not_end || (lanes > 1 && !producer->out.bounded);
        may_not_end |= !producer->out.bounded;
    }
    if (one_lane)
        return WR_MERGE_OFFSET;
    if (all_timed)
        return WR_MERGE_TIME;
    return waits ? WR_MERGE_ARRIVAL : WR_MERGE_SEQUENTIAL;
}

void wr_node_judge_order(const struct wr_plan *plan, struct wr_node *node) {
    if (wr_lane_source(plan, node) != NULL || wr_merge_of(plan, node) != WR_MERGE_ARRIVAL)
        return;
    node->by_arrival = 1;
    node->out.repeatable = node->out.same_rows = 0;
    if (node->out.order == WR_ORDER_SOURCE)
        node->out.order = WR_ORDER_ARRIVAL;
}
