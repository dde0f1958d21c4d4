/* pair.h: which stage of a plan is which of those that a state knows. Private to comparing. */
#pragma once
#include "exec/unit.h"

struct pairs {
    struct wr_run *run;
    const struct wr_identity *of; /* by node */
    /* By node: which of the stages before means the same, with the same behind all of its inputs;
     * or, where none does, which it seems to have been. PAST_NONE. */
    uint32_t *same, *was;
    uint32_t *taken;  /* by stage before: the node that is it, or was it; PAST_NONE */
    uint8_t *unsure;  /* by node: several stages could be it, and it matters which */
    uint8_t *gathers; /* by node: rows of several units meet before it, and may wait there */
};

/* Of the run's plan and run->before. WR_OK or WR_ENOMEM. */
int pairs_find(struct pairs *pairs);
/* Whether a node has something in a state that its next run needs. */
int pairs_keeps(const struct pairs *pairs, const struct wr_node *node);
