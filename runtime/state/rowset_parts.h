/* rowset_parts.h: what the files of `rowset.h` share. Private to them. */
#pragma once
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "state/rowset.h"

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
/* Rows of the block are dirty. */
static inline void wr_rowset_mark(struct wr_rowset_block *block) {
    block->is_dirty = 1;
    block->slice->is_dirty = 1;
    block->slice->dirty_from = WR_MIN(block->slice->dirty_from, block->number);
}

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

/* rowset_index.c: puts all rows into the index; WR_OK or WR_ENOMEM. */
int wr_rowset_index_all(struct wr_rowset *set);
struct wr_rowset_row *wr_rowset_ring(const struct wr_rowset *set, uint64_t hash);
int wr_rowset_key_equal(const struct wr_rowset *set, const void *a, const void *b);
/* Takes a row out of its ring, if it is in one; puts `to` into the place of `row`. */
void wr_rowset_unlink(struct wr_rowset *set, struct wr_rowset_row *row);
void wr_rowset_relink(struct wr_rowset *set, struct wr_rowset_row *row, struct wr_rowset_row *to);
void wr_rowset_index_release(struct wr_rowset *set);
uint64_t wr_rowset_index_bytes(const struct wr_rowset *set);
