/* touched.h: which keys a sink by key has touched in its epoch, so that what a key had before is
 * kept once and not with each of its rows. It may forget, to stay within its memory: then what a
 * key has meanwhile is kept once more, behind what it had first.
 * Threads: one. */
#pragma once
#include "state/key.h"

#define WR_TOUCHED_BYTES_MAX (UINT64_C(16) << 20) /* then it begins anew */

enum wr_touch {
    WR_TOUCH_KEPT = 1,    /* what the key had is kept … */
    WR_TOUCH_REMOVED = 2, /* … and what it had when it was deleted */
};

struct wr_touched {
    struct wr_budget *budget;
    const uint16_t *key;
    uint64_t seed;
    struct wr_key_layout layout;
    struct wr_shape shape;
    struct wr_table *table; /* NULL: nothing was touched */
    int is_off;             /* keys of a type that is not compared: all are kept each time */
    /* Of the batch at hand: */
    char *keys;
    uint64_t *hashes;
    uint8_t **rows;
    uint32_t row_room;
};

/* `seed`: of the hash; drawn, so that nobody can choose keys that collide. */
void wr_touched_init(struct wr_touched *touched, struct wr_budget *budget,
                     const struct wr_schema *schema, const uint16_t *key, uint32_t key_count,
                     uint64_t seed);
void wr_touched_release(struct wr_touched *touched);
/* Looks for the keys of the selected rows of a batch. WR_OK or WR_ENOMEM. */
int wr_touched_look(struct wr_touched *touched, const struct wr_batch *batch);
/* Whether the key of the `i`-th of these rows was touched before in the epoch; with `removes`,
 * whether it was removed. */
int wr_touched_was(const struct wr_touched *touched, uint32_t i, int removes);
/* What it had is kept: it was. */
void wr_touched_mark(struct wr_touched *touched, uint32_t i, int removes);
/* An epoch begins: nothing was touched. */
void wr_touched_forget(struct wr_touched *touched);
