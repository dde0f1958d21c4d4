/* rowset_parts.h: what the files of `rowset.h` share. Private to them. */
#pragma once
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "state/rowset.h"
#include "state/scratch.h"

static inline struct wr_rowset_row *wr_rowset_at(const struct wr_rowset *set,
                                                 struct wr_rowset_block *block, uint32_t place) {
    return (struct wr_rowset_row *)(void *)(block->rows + (size_t)place * set->row_bytes);
}
static inline struct wr_rowset_block *wr_rowset_block_of(const struct wr_rowset *set,
                                                         struct wr_rowset_row *row) {
    uint8_t *rows = (uint8_t *)row - (size_t)row->place * set->row_bytes;
    return (struct wr_rowset_block *)(void *)(rows - offsetof(struct wr_rowset_block, rows));
}
static inline uint64_t wr_rowset_word(const struct wr_rowset *set, const void *key) {
    uint64_t word = 0;
    if (set->keys->key_bytes > 0)
        memcpy(&word, (const char *)key + set->word_at, sizeof word);
    return word;
}

/* Rows of a run that lie next to each other in the file:
 *   blob:  rows, each as in memory · their long strings, by row and cell */
struct wr_rowset_cold {
    struct wr_scratch_blob blob;   /* empty: its rows have moved on */
    uint64_t hash_first, id_first; /* of its first row */
    struct wr_rowset_block *awake;
    uint32_t count;             /* rows, those too that were taken back */
    uint8_t is_dirty, is_saved; /* some rows are; all are saved, whatever the blob says */
};

struct wr_rowset_run {
    struct wr_rowset_cold *blocks;
    uint32_t block_count, block_room;
    uint32_t level;      /* how often its rows were merged */
    uint64_t rows, gone; /* of them, taken back */
    uint64_t id_min, id_max;
    struct wr_rowset_zone zone;
    uint32_t filter_words;
    uint64_t filter[];
};

/* Rows of the block are dirty. */
static inline void wr_rowset_mark(struct wr_rowset_block *block) {
    block->is_dirty = 1;
    block->slice->is_dirty = 1;
    if (block->cold != NULL) {
        block->cold->is_dirty = 1;
        block->has_changed = 1;
        return;
    }
    block->slice->dirty_from = WR_MIN(block->slice->dirty_from, block->number);
}

static inline void wr_rowset_zone_widen(struct wr_rowset_zone *zone,
                                        const struct wr_rowset_zone *by) {
    zone->time_min = WR_MIN(zone->time_min, by->time_min);
    zone->time_max = WR_MAX(zone->time_max, by->time_max);
    zone->until_max = WR_MAX(zone->until_max, by->until_max);
    zone->word_min = WR_MIN(zone->word_min, by->word_min);
    zone->word_max = WR_MAX(zone->word_max, by->word_max);
}
/* What rows of a zone cannot be. */
static inline int wr_rowset_rules_out(const struct wr_rowset_zone *zone,
                                      const struct wr_rowset_bounds *bounds, uint64_t word_min,
                                      uint64_t word_max) {
    return zone->until_max < bounds->until_min || zone->time_max < bounds->time_min ||
           zone->time_min > bounds->time_max || zone->word_max < word_min ||
           zone->word_min > word_max;
}

extern const struct wr_rowset_zone wr_rowset_no_zone;

/* The slice that starts at `start_us`, made when missing; NULL: no memory. */
struct wr_rowset_slice *wr_rowset_slice_at(struct wr_rowset *set, int64_t start_us);
/* Drops the slice of number `at`. */
void wr_rowset_slice_drop(struct wr_rowset *set, uint32_t at);
/* A row at the end of a slice, with its facts and its key (whose long strings are copied). The
 * payload is not set. NULL: no memory. */
struct wr_rowset_row *wr_rowset_append(struct wr_rowset *set, struct wr_rowset_slice *slice,
                                       uint64_t id, const char *key, uint64_t hash,
                                       const struct wr_rowset_entry *entry);
/* Copies a payload, of this set or with its strings elsewhere. */
int wr_rowset_set_payload(struct wr_rowset *set, struct wr_rowset_row *row, const uint8_t *payload);
/* Takes a row, which is in a ring, out of that and out of its slice. */
int wr_rowset_take(struct wr_rowset *set, struct wr_rowset_row *row);
/* All rows of a slice that are in memory go out of it; they are counted no more as such. */
void wr_rowset_slice_empty(struct wr_rowset *set, struct wr_rowset_slice *slice);

/* rowset_index.c: puts all rows into the index; WR_OK or WR_ENOMEM. */
int wr_rowset_index_all(struct wr_rowset *set);
struct wr_rowset_row *wr_rowset_ring(const struct wr_rowset *set, uint64_t hash);
int wr_rowset_key_equal(const struct wr_rowset *set, const void *a, const void *b);
/* Takes a row out of its ring, if it is in one; puts `to` into the place of `row`. */
void wr_rowset_unlink(struct wr_rowset *set, struct wr_rowset_row *row);
void wr_rowset_relink(struct wr_rowset *set, struct wr_rowset_row *row, struct wr_rowset_row *to);
void wr_rowset_index_release(struct wr_rowset *set);
uint64_t wr_rowset_index_bytes(const struct wr_rowset *set);

/* ---- rowset_runs.c: runs ---- */

/* Writes rows into a run, in the order in which they are given. */
struct wr_rowset_writer {
    struct wr_rowset *set;
    struct wr_rowset_run *run;
    struct wr_buf rows, texts; /* of the block at hand */
    struct wr_rowset_cold cold;
};

/* For up to `rows` rows, which are looked for by their hashes; 0: they are not. */
int wr_rowset_write_begin(struct wr_rowset_writer *writer, struct wr_rowset *set, uint64_t rows);
int wr_rowset_write(struct wr_rowset_writer *writer, const struct wr_rowset_row *row);
/* The run, when `status` and what was left to write are WR_OK; else nothing of it is left. */
int wr_rowset_write_end(struct wr_rowset_writer *writer, int status, struct wr_rowset_run **run);
void wr_rowset_run_free(struct wr_rowset *set, struct wr_rowset_run *run); /* NULL is allowed */
/* Whether rows of a hash may be in it. */
int wr_rowset_run_may_have(const struct wr_rowset_run *run, uint64_t hash);

/* A block of a run, read for who asks, who gives it back by wr_free of set->budget; `slice` may be
 * NULL. */
int wr_rowset_block_read(struct wr_rowset *set, struct wr_rowset_slice *slice,
                         struct wr_rowset_run *run, struct wr_rowset_cold *cold,
                         struct wr_rowset_block **block);
/* The same for all, until it goes to rest. */
int wr_rowset_block_wake(struct wr_rowset *set, struct wr_rowset_slice *slice,
                         struct wr_rowset_run *run, struct wr_rowset_cold *cold,
                         struct wr_rowset_block **block);
/* All blocks of a run that are awake, written where they have changed. */
int wr_rowset_run_settle(struct wr_rowset *set, const struct wr_rowset_run *run);

/* ---- rowset_merge.c: rows of runs in order ---- */

#define WR_ROWSET_FAN 8u       /* runs of a level that become one */
#define WR_ROWSET_RUNS_MAX 96u /* more levels than files have bytes */

typedef int (*wr_rowset_compare_fn)(void *ctx, const struct wr_rowset_row *a,
                                    const struct wr_rowset_row *b);

struct wr_rowset_cursor {
    struct wr_rowset_run *run;
    struct wr_rowset_block *at; /* NULL: at its end */
    uint32_t block, row;
};

/* Rows of runs, which are used up: a block that was read rests no more. */
struct wr_rowset_merge {
    struct wr_rowset *set;
    wr_rowset_compare_fn compare;
    void *ctx;
    uint32_t count;
    struct wr_rowset_cursor cursors[WR_ROWSET_RUNS_MAX];
    struct wr_rowset_block *left; /* blocks whose last row was given */
};

int wr_rowset_merge_begin(struct wr_rowset_merge *merge, struct wr_rowset *set,
                          struct wr_rowset_run *const *runs, uint32_t count,
                          wr_rowset_compare_fn compare, void *ctx);
/* The next row that was not taken back, or NULL. It is there until wr_rowset_merge_forget. */
int wr_rowset_merge_next(struct wr_rowset_merge *merge, struct wr_rowset_row **row);
void wr_rowset_merge_forget(struct wr_rowset_merge *merge);
void wr_rowset_merge_end(struct wr_rowset_merge *merge);
/* Puts a run behind those of a list, whose levels never grow from one to the next, and takes it;
 * while there are WR_ROWSET_FAN of the last level, they become one. `searched`: as for writing. */
int wr_rowset_runs_add(struct wr_rowset *set, struct wr_rowset_run ***runs, uint32_t *count,
                       uint32_t *room, struct wr_rowset_run *run, int searched,
                       wr_rowset_compare_fn compare, void *ctx);
/* Runs of a list from `first` on become one. */
int wr_rowset_runs_join(struct wr_rowset *set, struct wr_rowset_run **runs, uint32_t *count,
                        uint32_t first, uint32_t level, int searched, wr_rowset_compare_fn compare,
                        void *ctx);
/* By hash, then in the order in which they came. */
int wr_rowset_by_hash(void *ctx, const struct wr_rowset_row *a, const struct wr_rowset_row *b);

/* ---- rowset_rest.c ---- */

/* The next row at rest of a probe. */
struct wr_rowset_row *wr_rowset_probe_rested(struct wr_rowset_probe *probe);
/* Whether more is awake than that. */
int wr_rowset_is_crowded(const struct wr_rowset *set);
/* wr_rowset_tend, to what may be awake while rows are read or taken back. */
int wr_rowset_tend_some(struct wr_rowset *set);
/* Gives back what rests of a slice. */
void wr_rowset_slice_forget(struct wr_rowset *set, struct wr_rowset_slice *slice);
/* Blocks of `from` that are awake are those of `to` now. */
void wr_rowset_hand_over(struct wr_rowset *set, struct wr_rowset_slice *from,
                         struct wr_rowset_slice *to);
