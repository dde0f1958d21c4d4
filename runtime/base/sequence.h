/* sequence.h: pieces of work that the threads of a pool make at the same time, and one thread takes
 * in their order. Each piece is *cut* first, one at a time and in order (what says where the next
 * one begins), and then *made*, several at a time. So who takes them sees what one thread would
 * have made.
 *
 *     cut 0 | cut 1 | cut 2 …        in whatever thread
 *           make 0 ------ | take 0
 *                   make 1 ------ | take 1
 *
 * Threads: init, take and release by the thread that made the pool; cut and make by any. What a cut
 *          leaves is seen by the next one, and what was cut and made by who takes the piece. */
#pragma once
#include <stdint.h>

#include "base/workers.h"

#define WR_SEQUENCE_PIECES_MAX 64 /* cut, and not given back */

struct wr_sequence;

struct wr_sequence_type {
    /* Cuts the next piece, which is kept in a slot of the owner. Returns whether another one may be
     * cut before this is taken; 0: not before the next `take`. */
    int (*cut)(void *ctx, uint32_t slot);
    void (*make)(void *ctx, uint32_t slot); /* NULL: nothing is left to do */
    /* Whether there is memory for one more; not asked when `take` waits for it. NULL: always. */
    int (*has_room)(const void *ctx);
};

struct wr_sequence_slot {
    struct wr_task task;
    struct wr_sequence *sequence;
    uint8_t is_made;
};

struct wr_sequence {
    const struct wr_sequence_type *type;
    void *ctx;
    struct wr_workers *workers;
    uint32_t slot_count;
    /* By the lock of the workers. */
    uint32_t first, count; /* of the ring: from the piece that was taken, or comes next, on */
    uint8_t is_cutting, is_paused, awaits;
    uint8_t has_taken; /* slot `first` is with who took it */
    struct wr_sequence_slot slots[WR_SEQUENCE_PIECES_MAX];
};

/* Of at most `slot_count` pieces at a time, 2 at least: the one that was taken is among them. */
void wr_sequence_init(struct wr_sequence *sequence, const struct wr_sequence_type *type, void *ctx,
                      struct wr_workers *workers, uint32_t slot_count);
/* Gives back the piece that was taken last, and waits for the next one, working meanwhile. Returns
 * its slot. There is nothing to release: the pool is freed before what its tasks work on. */
uint32_t wr_sequence_take(struct wr_sequence *sequence);
