/* key.h: group keys from columns to normalised bytes, and their hashes.
 * Layout of a key: [8 bytes: a bit for each nil column, only when `nils`], then for each column
 * 8 bytes (bool, int64, float64, timestamp, date, duration), 16 (decimal) or a struct wr_str (16).
 * Equal values have equal bytes (or equal strings): -0.0 is 0.0, all NaN are one; nil is zeros and
 * its bit. A single column that cannot be nil is 8 bytes and takes the fast path. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "data/batch.h"
#include "state/table.h"

#define WR_KEY_COLUMNS_MAX 64

struct wr_key_layout {
    uint32_t column_count;
    uint32_t key_bytes;
    uint8_t nils; /* the nil word is there */
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    uint32_t offsets[WR_KEY_COLUMNS_MAX];
    uint32_t cell_count;
    struct wr_cell cells[WR_KEY_COLUMNS_MAX];
};

/* `can_be_nil`: whether the nil word is needed. */
int wr_key_layout_init(struct wr_key_layout *layout, const struct wr_type *types,
                       uint32_t column_count, int can_be_nil);
/* Writes the keys of the selected rows densely: keys[i * key_bytes …], hashes[i]. Long strings are
 * views into what the columns point to. */
void wr_keys_build(const struct wr_key_layout *layout, const struct wr_column *columns,
                   const uint32_t *sel, uint32_t count, uint64_t seed, void *keys,
                   uint64_t *hashes);
/* The hashes of keys that were built before (or lie in rows): the same as wr_keys_build gives. */
void wr_keys_hash(const struct wr_key_layout *layout, const void *keys, uint32_t count,
                  uint64_t seed, uint64_t *hashes);
/* Copies a key, whose long strings lie elsewhere, to `at` in a row of `table`, over whatever is
 * there. WR_OK or WR_ENOMEM. */
int wr_keys_put(const struct wr_key_layout *layout, struct wr_table *table, uint8_t *at,
                const char *key);
/* The reverse: key column `column` of `count` keys (rows[i] points at a key) into dense elements.
 */
void wr_keys_read(const struct wr_key_layout *layout, uint32_t column, uint8_t *const *rows,
                  uint32_t count, void *out, uint64_t *valid);
/* The same as column `to` of a batch of as many rows, whose strings it then owns. WR_OK or
 * WR_ENOMEM. */
int wr_keys_column(const struct wr_key_layout *layout, uint32_t column, uint8_t *const *rows,
                   uint32_t count, struct wr_batch *batch, uint32_t to);
/* Total order of keys, column by column ascending, NaN after numbers, nil last: for firing order.
 */
int wr_keys_compare(const struct wr_key_layout *layout, const uint8_t *a, const uint8_t *b);
/* All rows of a table, in `arena`, in the order of their keys. NULL: no memory. */
uint8_t **wr_keys_rows(const struct wr_key_layout *layout, const struct wr_table *table,
                       struct wr_arena *arena);
/* Whether a key is one word, whose prefix says all of it. */
int wr_keys_are_words(const struct wr_key_layout *layout);
/* All rows of several tables with such keys, in the order of the keys; those of one key in the
 * order of their tables. NULL: out of memory. */
uint8_t **wr_keys_rows_of(const struct wr_key_layout *layout, const struct wr_table *const *tables,
                          uint32_t table_count, struct wr_arena *arena, uint64_t *count);
/* Sorts row pointers by key. */
void wr_keys_sort(const struct wr_key_layout *layout, uint8_t **rows, uint32_t count);
