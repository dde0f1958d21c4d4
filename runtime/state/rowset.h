/* rowset.h: the rows of one side of a join, by join key. Two sets of slices over the time until
 * which a row may still be met: an index (join key -> entries, in the order in which they came) and
 * the rows themselves by number, with the columns that somebody wants. What nothing can meet any
 * more is dropped whole.
 * A stored row: number (8, the table's key) · time (8) · from (8) · matches (8) · payload. */
#pragma once
#include <stdint.h>

#include "state/key.h"
#include "state/payload.h"
#include "state/slices.h"

struct wr_rowset_entry {
    int64_t time_us;           /* event time of the row */
    int64_t from_us, until_us; /* what it meets; the owner says what this is */
    uint64_t id;
};

struct wr_rowset {
    struct wr_payload payload;
    struct wr_shape index_shape, row_shape;
    struct wr_slices index, rows;
    int64_t width_us; /* of a slice; 0: all rows lie in one */
    uint64_t seed, next_id, saved_id;
};

#define WR_ROWSET_TIME 8u
#define WR_ROWSET_FROM 16u
#define WR_ROWSET_MATCHES 24u
#define WR_ROWSET_PAYLOAD 32u

/* Of rows of `schema`, of which the columns in `wanted` are kept. `keys` is borrowed. WR_OK,
 * WR_ENOMEM, or WR_ELIMIT: a row is too wide. */
int wr_rowset_init(struct wr_rowset *set, struct wr_arena *arena, struct wr_budget *budget,
                   const struct wr_key_layout *keys, const struct wr_schema *schema,
                   const uint64_t *wanted, int64_t width_us, uint64_t seed);
void wr_rowset_release(struct wr_rowset *set);
/* Adds row `row` of `in` under a key, to be there until `until_us` (at least that of the entry);
 * entry->id is set here. */
int wr_rowset_add(struct wr_rowset *set, const void *key, uint64_t hash,
                  struct wr_rowset_entry *entry, int64_t until_us, int64_t matches,
                  const struct wr_batch *in, uint32_t row);
/* Takes one row back that equals row `row` of `in` (and `from`), the last of them. *found: whether
 * there was one. */
int wr_rowset_remove(struct wr_rowset *set, const void *key, uint64_t hash, int64_t from_us,
                     const struct wr_batch *in, uint32_t row, int *found);
/* The entries of a row of the index. */
const struct wr_rowset_entry *wr_rowset_entries(const struct wr_rowset *set, const uint8_t *row,
                                                uint32_t *count);
/* The rows of numbers ids[0 … count-1] in the slice that starts at `start_us`. WR_ECORRUPT: a state
 * that was read back does not have one. */
int wr_rowset_find(const struct wr_rowset *set, int64_t start_us, const uint64_t *ids,
                   uint32_t count, struct wr_arena *scratch, uint8_t **rows);
/* Changes the number of matches of a stored row of a slice by `by`. Gives what it was. */
int64_t wr_rowset_match(struct wr_rowset *set, int64_t start_us, uint8_t *row, int64_t by);
/* The begin of the slice of rows that may be met until `until_us`, and the least frontier at which
 * nothing can meet them. */
int64_t wr_rowset_slice(const struct wr_rowset *set, int64_t until_us);
int64_t wr_rowset_slice_end(const struct wr_rowset *set, int64_t start_us);
/* Drops the slices that end at or before the frontier. */
void wr_rowset_drop(struct wr_rowset *set, int64_t frontier);
void wr_rowset_settle(struct wr_rowset *set);
/* As wr_slices_save and wr_slices_load. */
int wr_rowset_has_changed(const struct wr_rowset *set);
int wr_rowset_is_saving(const struct wr_rowset *set);
int wr_rowset_save(struct wr_rowset *set, struct wr_buf *out, int all, size_t piece_bytes);
void wr_rowset_save_none(struct wr_rowset *set, struct wr_buf *out);
int wr_rowset_load(struct wr_rowset *set, struct wr_reader *in);
