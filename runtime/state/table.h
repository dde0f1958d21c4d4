/* table.h: keyed state. An extendible hash: directory (high hash bits) -> pages of about 16 KB,
 * each a small open-addressing table with its rows; a full page splits in two and nothing else
 * moves. Tables below one page skip the directory; a first page begins at 1 KB and doubles. A dirty
 * bit a row; a checkpoint takes the dirty rows as a log by key (log.c).
 *
 * A row is `row_bytes`: the normalised key (`key_bytes`, state/key.h) first, then the owner's
 * bytes. Cells that hold strings or blobs are listed in the shape, so that the table can save,
 * load, copy, free. Rows move when a page splits or grows: a row pointer is valid until the next
 * upsert or delete. Threads: one at a time. Source: Fagin et al., "Extendible hashing", 1979. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "data/type.h"

struct wr_apart;
struct wr_buf;
struct wr_reader;
struct wr_budget;
struct wr_shape;
struct wr_table;

enum wr_cell_kind {
    WR_CELL_STRING, /* struct wr_str: <= 12 bytes inline, longer ones in the table's segments */
    WR_CELL_BLOB,   /* struct wr_blob: bytes that grow; a value set, a list, … */
};

struct wr_cell {
    enum wr_cell_kind kind;
    uint32_t offset; /* in the row (or in the aggregate's state, before it is placed) */
};

/* Bytes owned by one row. All zero: empty. Long values of an aggregate live here. */
struct wr_blob {
    char *bytes;
    uint32_t length, room;
};

struct wr_shape {
    uint32_t key_bytes; /* multiple of 8 */
    uint32_t row_bytes; /* multiple of 8, at most WR_ROW_BYTES_MAX */
    uint32_t cell_count;
    const struct wr_cell *cells; /* ascending offsets; those below key_bytes are parts of the key */
    uint8_t by_number;           /* keys are numbers (one word) that were given out in order: rows
                                    of neighbouring numbers lie in the same page */
    /* Whether a row that was read back says nothing that would be acted upon wrongly. NULL: any. */
    int (*is_sound)(const struct wr_shape *shape, const uint8_t *row);
};
#define WR_ROW_BYTES_MAX 8192

/* The hash of a normalised key; `wr_keys_build` gives the same. Words and strings of the key are
 * joined in their order, so equal keys with strings in different memory have equal hashes. */
uint64_t wr_shape_hash(const struct wr_shape *shape, const void *key, uint64_t seed);
/* Those of `count` rows that lie one behind the other. */
void wr_shape_hash_rows(const struct wr_shape *shape, const uint8_t *rows, uint32_t count,
                        uint64_t seed, uint64_t *hashes);

/* `seed` hashes keys (random for each pipeline, stored with its state). Borrows `shape` until
 * wr_table_free. NULL: out of memory. */
struct wr_table *wr_table_new(struct wr_budget *budget, const struct wr_shape *shape,
                              uint64_t seed);
/* The same with pages of about so many bytes: small ones where few are to be in memory. */
#define WR_TABLE_PAGE_BYTES 20480u
struct wr_table *wr_table_new_paged(struct wr_budget *budget, const struct wr_shape *shape,
                                    uint64_t seed, uint32_t page_bytes);
void wr_table_free(struct wr_table *table); /* drops all rows; O(pages) */

/* Finds or makes the rows of `count` keys (dense, key_bytes each; hashes from wr_keys_build with
 * the table's seed). rows[i] is valid until the next upsert or delete; equal keys give equal rows.
 * A made row has its key (long strings copied) and zeros; made[i] is set to 1 then, else to 0
 * (made may be NULL). All rows found are marked dirty. On a failure no row of this call was made;
 * but for WR_ENOMEM it is one of reading what the table owes (wr_table_load_apart).
 * Batches probe with prefetch. */
int wr_table_upsert(struct wr_table *table, const void *keys, const uint64_t *hashes,
                    uint32_t count, uint8_t **rows, uint8_t *made);
/* The same without making: rows[i] is NULL where there is none; marks nothing. */
void wr_table_find(const struct wr_table *table, const void *keys, const uint64_t *hashes,
                   uint32_t count, uint8_t **rows);
/* The row of a key of one word; NULL: there is none. */
uint8_t *wr_table_find_word(const struct wr_table *table, uint64_t key);
/* Removes a key (remembered for the next delta, if a save has seen its row). 1 when it was there.
 * `key` may lie in the row itself. */
int wr_table_delete(struct wr_table *table, const void *key, uint64_t hash);
/* The row was changed outside an upsert. */
void wr_table_touch(struct wr_table *table, uint8_t *row);
uint64_t wr_table_count(const struct wr_table *table);
uint64_t wr_table_bytes(const struct wr_table *table); /* memory, for `explain --analyze` */
/* An empty table, as it was made, will soon have so many rows. WR_OK or WR_ENOMEM. */
int wr_table_expect(struct wr_table *table, uint64_t row_count);
uint64_t wr_table_seed(const struct wr_table *table);
/* Whether the next delta says anything; whether a save or load has ever happened. */
int wr_table_has_changed(const struct wr_table *table);
int wr_table_was_saved(const struct wr_table *table);

/* Puts bytes into a STRING cell (long ones into the segments), replacing what was there. */
int wr_table_set_string(struct wr_table *table, struct wr_str *cell, const char *bytes,
                        uint32_t length);
/* When no view of a string in it is held: moves the long strings together once over half of their
 * bytes are dead. Rows stay where they are. */
void wr_table_settle(struct wr_table *table);
/* Makes a blob's room at least `room` bytes; length stays. WR_OK or WR_ENOMEM. */
int wr_blob_reserve(struct wr_table *table, struct wr_blob *blob, uint32_t room);
void wr_blob_release(struct wr_table *table, struct wr_blob *blob);

/* All rows, in no promised order. Nothing may be inserted or deleted meanwhile. */
struct wr_table_walk {
    const struct wr_table *table;
    uint64_t page, slot;
};
void wr_table_walk_begin(struct wr_table_walk *walk, const struct wr_table *table);
uint8_t *wr_table_walk_next(struct wr_table_walk *walk); /* NULL at the end */

/* Appends the log of what changed since the last save (deleted keys, dirty rows with their strings
 * and blobs), and clears the dirty bits; `all`: every row, as a base. The bytes do not depend on
 * slots, pages or the history of splits other than by order. Then settles.
 * In pieces: a log ends with the row that reaches `piece_bytes` (SIZE_MAX: one log). WR_EAGAIN:
 * there is more, call again before the table is used in another way. Loading the logs of a save
 * one after the other is loading the save. After a failure (WR_ENOMEM, WR_ELIMIT) everything
 * counts as unsaved still, and `out` is as long as before. */
int wr_table_save(struct wr_table *table, struct wr_buf *out, int all, size_t piece_bytes);
/* The same with the rows apart, in apart->rows (NULL: with the rest); or, of a large table, through
 * apart->give until wr_apart_copy says that it is complete, as they are now. Before that is so the
 * table must not be saved again. */
int wr_table_save_apart(struct wr_table *table, struct wr_buf *out, struct wr_apart *apart, int all,
                        size_t piece_bytes);
/* Applies such a log; its rows count as saved. WR_OK, WR_ENOMEM, or WR_ECORRUPT: damaged, or of a
 * table of another shape (nothing is read out of bounds, and nothing of a log whose checksum is
 * wrong is applied). After a failure the table is only good for wr_table_free. */
int wr_table_load(struct wr_table *table, struct wr_reader *in);
/* The same for a log whose rows are apart, in the piece `apart` stands at: they are owed. The table
 * reads those of a key when it is asked for it, and all before it is walked or saved as a whole; if
 * that fails, apart->failure says so, and rows are missing. `apart` must outlive it. */
int wr_table_load_apart(struct wr_table *table, struct wr_reader *in, struct wr_apart *apart);
