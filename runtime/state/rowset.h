/* rowset.h: the rows of one side of a join, by join key, with the columns that somebody wants. They
 * lie in slices over the time until which a row may still be met, in the order in which they came;
 * a slice that nothing can meet any more is dropped whole.
 *
 * An index is made only as far as it pays: rows that were just added are in none. A probe walks the
 * ring of its hash (rowset_index.c), then the blocks of rows in no ring whose zone, the least and
 * the greatest of what their rows say, does not rule them out. When that has cost as much as the
 * index would, they are put into it. So rows that are dropped before anything could meet them cost
 * no index, and one probe in ten thousand rows is a look at their hashes.
 *
 * A stored row is a struct wr_rowset_row, its key and its payload; it stays where it is until
 * wr_rowset_settle, and where rows may rest, wr_rowset_tend and wr_rowset_relieve.
 *
 * Rows that do not fit into memory rest in a scratch file, in runs that are in the order of their
 * hashes (rowset_runs.c, rowset_rest.c): of a slice all that are in memory go at once, those of the
 * slice first that ends first, since it has the fewest probes before it. A run that rests costs 40
 * bytes for 4 KB of rows and a filter of 11 bits a row; a probe reads a block of those runs only
 * that may have its hash. Blocks that were read stay for a while (clock, second chance), and are
 * written again where rows of them were changed. Runs of a slice become fewer by merges of eight.
 * Source: zone maps: Moerkotte, "Small materialized aggregates", 1998; runs: O'Neil et al., "The
 * log-structured merge-tree", 1996; filters: Putze et al., "Cache-, hash- and space-efficient Bloom
 * filters", 2007. */
#pragma once
#include <stdint.h>

#include "state/key.h"
#include "state/payload.h"

struct wr_apart;
struct wr_buf;
struct wr_reader;
struct wr_rowset_cold;
struct wr_rowset_page;
struct wr_rowset_run;

struct wr_rowset_entry {
    int64_t time_us;           /* event time of the row */
    int64_t from_us, until_us; /* what it meets; the owner says what this is */
    int64_t stays_us;          /* it is there until then, or `until_us`, which is later */
    int64_t matches;
};

enum wr_rowset_flag { WR_ROWSET_DIRTY = 1, WR_ROWSET_SAVED = 2, WR_ROWSET_GONE = 4 };

struct wr_rowset_row {
    uint64_t id; /* in the order in which they came */
    int64_t time_us, from_us, until_us;
    int64_t matches;
    uint64_t hash; /* of the key */
    /* The ring of rows of its hash, in the order in which they came into it; NULL: in none. */
    struct wr_rowset_row *before, *next;
    uint32_t place; /* in its block */
    uint32_t flags; /* enum wr_rowset_flag */
    uint8_t key[];  /* then the payload */
};

/* The least and the greatest of rows. */
struct wr_rowset_zone {
    int64_t time_min, time_max, until_max;
    uint64_t word_min, word_max; /* of the first value of their keys */
};

struct wr_rowset_block {
    struct wr_rowset_slice *slice;
    uint32_t number;      /* in its slice */
    uint32_t count, room; /* rows */
    uint8_t is_dirty;     /* some of them */
    int64_t until_upto;   /* the greatest of this block and those before it in its slice */
    struct wr_rowset_zone zone;
    /* A block that was read back: where it rests, whether it has changed since, whether it was
     * asked for since the hand came by last. */
    struct wr_rowset_run *run; /* NULL: it has never rested */
    struct wr_rowset_cold *cold;
    uint8_t has_changed, was_used;
    struct wr_rowset_block *behind; /* in a list of blocks that are used up */
    _Alignas(16) uint8_t rows[];
};

/* A row that was taken back. */
struct wr_rowset_deleted {
    uint64_t id, hash;
};

struct wr_rowset_slice {
    int64_t start_us;
    struct wr_arena arena; /* of blocks and long strings */
    struct wr_rowset_block **blocks;
    uint32_t block_count, block_room;
    uint32_t indexed_blocks, indexed_rows; /* whole ones in the index, then rows of the next */
    uint32_t dirty_from;                   /* no block before it is dirty */
    uint8_t is_dirty, was_saved;
    uint64_t live;                     /* rows, at rest or not */
    uint64_t gone;                     /* in memory: rows that were taken back */
    uint64_t bytes;                    /* in memory */
    struct wr_rowset_zone zone;        /* of rows in memory */
    struct wr_rowset_deleted *deleted; /* that a save has seen, since the last one */
    uint32_t deleted_count, deleted_room;
    /* Rows at rest, the largest run first. */
    uint64_t rested; /* rows that were not taken back */
    uint32_t run_count, run_room;
    struct wr_rowset_run **runs;
};

struct wr_rowset {
    struct wr_budget *budget;
    const struct wr_key_layout *keys;
    struct wr_payload payload;
    struct wr_shape shape; /* of a key and its payload, for the log */
    uint8_t has_gone;      /* rows were taken back since the last wr_rowset_settle */
    uint32_t row_bytes, payload_at, word_at; /* in a row; in a key */
    int64_t width_us;                        /* of a slice; 0: all rows lie in one */
    uint64_t seed, next_id, saved_id;
    uint32_t count, room, last;        /* slices; the one found last */
    struct wr_rowset_slice **slices;   /* ascending start */
    struct wr_rowset_slice *spare;     /* one that was dropped: its memory serves the next */
    uint64_t unindexed, scanned;       /* rows in no ring, and what looking at them has cost */
    struct wr_rowset_page **directory; /* 2^depth; NULL: nothing is indexed */
    uint32_t depth, page_count;
    uint32_t dropped_count, dropped_room;
    int64_t *dropped; /* starts dropped since the last save */
    struct {
        uint8_t active, all;
        uint32_t slice, block, row;
        uint32_t run, cold; /* a block at rest of that slice */
        struct wr_rowset_block
            *given;         /* wr_rowset_save_rows: that block, where it was read for it */
    } saving;               /* how far a save in pieces has come */
    struct wr_apart *apart; /* where rows may rest; NULL: nowhere */
    uint8_t stays;          /* none does now: a log as it was written before is being read */
    uint8_t adds_saved;     /* rows that are added have been saved by who adds them */
    uint64_t rested;        /* rows at rest */
    uint64_t run_bytes;     /* of memory, for runs */
    /* Blocks that were read back. */
    uint32_t awake_count, awake_room, hand;
    uint64_t awake_bytes;
    struct wr_rowset_block **awake;
};

/* What rows of a probe may be: all three are necessary, none is enough. */
struct wr_rowset_bounds {
    int64_t time_min, time_max; /* of the stored row */
    int64_t until_min;
};

/* Of rows of `schema`, of which the columns in `wanted` are kept. `keys` is borrowed. WR_OK,
 * WR_ENOMEM, or WR_ELIMIT: a row is too wide. */
int wr_rowset_init(struct wr_rowset *set, struct wr_arena *arena, struct wr_budget *budget,
                   const struct wr_key_layout *keys, const struct wr_schema *schema,
                   const uint64_t *wanted, int64_t width_us, uint64_t seed);
void wr_rowset_release(struct wr_rowset *set);
/* Adds rows rows[0 … count-1] of `in`, whose keys are dense. After WR_ENOMEM some of them are
 * there: the run ends with it. */
int wr_rowset_add(struct wr_rowset *set, const char *keys, const uint64_t *hashes,
                  const struct wr_rowset_entry *entries, const struct wr_batch *in,
                  const uint32_t *rows, uint32_t count);
/* Takes one row back that equals row `row` of `in` (and `from`), the last of them in the last slice
 * that has one. *found: whether there was one. */
int wr_rowset_remove(struct wr_rowset *set, const char *key, uint64_t hash, int64_t from_us,
                     const struct wr_batch *in, uint32_t row, int *found);
/* Changes the number of matches of a stored row by `by`. Gives what it was. */
int64_t wr_rowset_match(struct wr_rowset *set, struct wr_rowset_row *row, int64_t by);

/* ---- probing ---- */

/* A walk over the rows of one key within bounds. */
struct wr_rowset_probe {
    struct wr_rowset *set;
    const char *key;
    uint64_t hash, word;
    struct wr_rowset_bounds bounds;
    struct wr_rowset_row *head, *at; /* of the ring */
    uint32_t slice, block, row;      /* of rows in no ring */
    struct {
        uint32_t slice, run, block, row;
    } cold;     /* of rows at rest */
    int status; /* WR_OK, or why rows at rest could not be read */
};

/* Before `count` probes of a batch: decides what is in the index. heads[i]: the ring of a hash, or
 * NULL. WR_OK or WR_ENOMEM. */
int wr_rowset_heads(struct wr_rowset *set, const char *keys, const uint64_t *hashes,
                    const struct wr_rowset_bounds *bounds, uint32_t count,
                    struct wr_rowset_row **heads);
void wr_rowset_probe_begin(struct wr_rowset_probe *probe, struct wr_rowset *set, const char *key,
                           uint64_t hash, const struct wr_rowset_bounds *bounds,
                           struct wr_rowset_row *head);
/* Whether a row lies in a block that was read back. */
int wr_rowset_is_at_rest(const struct wr_rowset *set, struct wr_rowset_row *row);
/* The row at rest of a hash and a number; NULL: there is none, or *status is not WR_OK. */
struct wr_rowset_row *wr_rowset_find_rested(struct wr_rowset *set, uint64_t hash, uint64_t id,
                                            int *status);
/* The next row of that key; NULL: no more, or probe->status is not WR_OK. Rows come in no promised
 * order, and some of them may be out of bounds. Nothing is added or taken back meanwhile. */
struct wr_rowset_row *wr_rowset_probe_next(struct wr_rowset_probe *probe);

/* ---- slices ---- */

static inline const uint8_t *wr_rowset_payload(const struct wr_rowset *set,
                                               const struct wr_rowset_row *row) {
    return (const uint8_t *)row + set->payload_at;
}
/* Of its long strings. */
size_t wr_rowset_text_bytes(const struct wr_rowset *set, const struct wr_rowset_row *row);
/* All rows of a slice that are in memory, in the order in which they came. */
struct wr_rowset_walk {
    const struct wr_rowset *set;
    const struct wr_rowset_slice *slice;
    uint32_t block, row;
};
struct wr_rowset_row *wr_rowset_walk_next(struct wr_rowset_walk *walk);
/* The begin of the slice of rows that may be met until `until_us`, and the least frontier at which
 * nothing can meet them. */
int64_t wr_rowset_slice(const struct wr_rowset *set, int64_t until_us);
int64_t wr_rowset_slice_end(const struct wr_rowset *set, int64_t start_us);
/* Drops the slices that end at or before the frontier. */
void wr_rowset_drop(struct wr_rowset *set, int64_t frontier);
/* When no row and no string of one is in use: moves the rows of a slice together of which most were
 * taken back. */
void wr_rowset_settle(struct wr_rowset *set);
uint64_t wr_rowset_rows(const struct wr_rowset *set);  /* at rest or not */
uint64_t wr_rowset_bytes(const struct wr_rowset *set); /* in memory */

/* ---- at rest ---- */

/* Rows may rest where apart->env opens a scratch file. Before any row comes. */
void wr_rowset_may_rest(struct wr_rowset *set, struct wr_apart *apart);
/* When no row is in use: lets rows rest until so many bytes at most are in memory, or what runs
 * cost, which is more. WR_OK or a negative status, with which the run ends. */
int wr_rowset_relieve(struct wr_rowset *set, uint64_t bytes_max);
/* When no row is in use: sends blocks that were read back to rest until so many bytes of them are
 * left. The same. */
int wr_rowset_tend(struct wr_rowset *set, uint64_t awake_bytes_max);

/* Some rows of a slice that rests in part, in an order of their own. */
struct wr_rowset_order {
    int (*wants)(void *ctx, const struct wr_rowset_row *row);
    int (*compare)(void *ctx, const struct wr_rowset_row *a, const struct wr_rowset_row *b);
    void *ctx;
};
struct wr_rowset_sorting;
/* Puts them in order, in parts of about so many bytes. `order` is copied. The slice must not change
 * until the end, and nothing else is asked of the set. WR_OK or a negative status. */
int wr_rowset_sort(struct wr_rowset *set, struct wr_rowset_slice *slice,
                   const struct wr_rowset_order *order, uint64_t bytes_max,
                   struct wr_rowset_sorting **made);
/* The next ones, up to `room`; *count 0: there are no more. They are there until the next call. */
int wr_rowset_sort_next(struct wr_rowset_sorting *sorting, struct wr_rowset_row **rows,
                        uint32_t room, uint32_t *count);
void wr_rowset_sort_end(struct wr_rowset_sorting *sorting); /* NULL is allowed */

/* ---- saving ---- */

/* As wr_slices_save and wr_slices_load. */
int wr_rowset_has_changed(const struct wr_rowset *set);
int wr_rowset_save(struct wr_rowset *set, struct wr_buf *out, int all, size_t piece_bytes);
void wr_rowset_save_none(const struct wr_rowset *set, struct wr_buf *out);
int wr_rowset_load(struct wr_rowset *set, struct wr_reader *in);
#define WR_ROWSET_SAVE_ROWS_MIN 64u
/* Where the owner has a log of its own, in the place of wr_rowset_save: the next rows that have
 * changed since the last save (`all`: the next of all), up to `room`, which is at least
 * WR_ROWSET_SAVE_ROWS_MIN. *count 0: there are no more.
 * They are there until the next call, and count as saved. Rows of one key come in the order in
 * which they came. WR_OK or a negative status. */
int wr_rowset_save_rows(struct wr_rowset *set, int all, struct wr_rowset_row **rows, uint32_t room,
                        uint32_t *count);
