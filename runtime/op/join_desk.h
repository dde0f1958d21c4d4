/* join_desk.h: rows that are pushed, while they meet those of the other side: join_meet.c, and
 * join_look.c. Private to `join`. */
#pragma once
#include "base/status.h"
#include "op/join.h"

/* Matches of a row, and rows on their way out. */
struct join_desk {
    struct join *self;
    const struct join_work *work;
    struct wr_out *out;
    /* Of each row: what it is, whether it can meet anything, and rows of the other side that have
     * its hash. */
    struct wr_rowset_entry *entries;
    struct wr_rowset_bounds *bounds;
    uint8_t *own_meets;
    struct wr_rowset_row **heads;
    uint32_t count, room;
    struct join_change *changes;
    uint64_t bytes, bytes_max; /* of their texts, where they are counted; else bytes_max is 0 */
    uint32_t done;             /* rows of `work` that have met all */
    uint8_t has_given;
    int flow;
};

/* join_look.c: what all rows are, and what of the other side has their hashes. */
int join_prepare(struct join_desk *desk);
/* All rows of the other side that row `i` meets, in order, in `met`; and those for which `where` is
 * true. */
int join_find(struct join_desk *desk, uint32_t i);
int join_look(struct join_desk *desk, uint32_t i);
/* The row of a match that leaves with row `i`; it may have to be read back. */
int join_wake_rested(struct join_desk *desk, uint32_t i, struct join_match *match);
static inline int join_wake(struct join_desk *desk, uint32_t i, struct join_match *match) {
    return match->row != NULL ? WR_OK : join_wake_rested(desk, i, match);
}

/* join_meet.c: what was given so far leaves. */
int join_flush(struct join_desk *desk);
/* What was read back may go to rest, behind what was given of it. */
int join_let_go(struct join_desk *desk);
