/* apart.h: rows of tables that lie in the store apart from what else is saved of a stage. A save
 * puts them into a buffer of their own, and says in its log only where they are and which hashes
 * they have. So a restart reads the logs, which are few bytes, and a table the rows when somebody
 * asks for their keys: see table_owed.c. Rows of a large table may be copied behind its save, while
 * it is changed: see table_frozen.c. One for each instance of a stage.
 * Threads: one at a time; `read` may be called from any. */
#pragma once
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

struct wr_budget;
struct wr_env;
struct wr_error;
struct wr_frozen;
struct wr_owing;
struct wr_reader;
struct wr_scratch;
struct wr_slices;

#define WR_APART_SETS_MAX 4u

typedef int (*wr_apart_fn)(void *ctx, struct wr_reader *rows);

struct wr_apart {
    struct wr_slices *sets[WR_APART_SETS_MAX]; /* those that are saved so (slices.h) */
    uint32_t set_count;
    struct wr_buf rows; /* saving: of the piece at hand */
    /* Saving: tables with so many dirty pages or more are copied later; 0: none is. */
    uint32_t freeze_pages_min;
    uint32_t set; /* saving: the table at hand is the slice `start_us` of this set */
    int64_t start_us;
    /* Gives the place of a table, behind it what its log says, and the rows of a piece that was
     * copied later; may take the memory of both. WR_OK or a negative status. */
    int (*give)(void *ctx, struct wr_buf *bytes, struct wr_buf *rows);
    void *give_ctx;
    uint64_t piece_bytes;          /* rows of such a piece, about */
    struct wr_frozen *frozen;      /* tables that are being copied; a list */
    _Atomic uint32_t frozen_count; /* of it: may be read by others */
    int64_t piece;                 /* loading: the piece at hand */
    /* Gives `fn` the rows of a piece. WR_OK or a negative status. */
    int (*read)(void *ctx, int64_t piece, wr_apart_fn fn, void *fn_ctx, struct wr_error *err);
    void *ctx;
    struct wr_error *const *err; /* of the step; *err may be NULL */
    /* Where pages of the tables may rest. */
    const struct wr_env *env;
    uint64_t memory_bytes;      /* that the tables may take; 0: all that there is */
    uint8_t is_kept;            /* there is a store: saves happen */
    uint8_t pages_stay;         /* who owns the tables sees to it that they take no more */
    uint32_t page_bytes;        /* of pages of the tables; 0: as always */
    struct wr_scratch *scratch; /* made with the first page that rests */
    struct wr_owing *owing;     /* of tables whose rows have not all been read; a list */
    /* The first one. What tables said since then is not to be trusted, and what was copied is not
     * all: the run ends. Others may read it behind frozen_count. */
    _Atomic int failure;
};

/* Where what fails is told; may be NULL. */
static inline struct wr_error *wr_apart_error(const struct wr_apart *apart) {
    return apart->err == NULL ? NULL : *apart->err;
}
/* Notes a failure; the first one stays. Returns `status`. */
static inline int wr_apart_note(struct wr_apart *apart, int status) {
    if (status != WR_OK && apart->failure == WR_OK)
        apart->failure = status;
    return status;
}

/* Copies some of what is frozen, about `bytes` of rows. WR_OK: that was all; WR_EAGAIN: there is
 * more; or the failure. */
int wr_apart_copy(struct wr_apart *apart, uint64_t bytes);
/* Nothing more of it is wanted. */
void wr_apart_drop_frozen(struct wr_apart *apart);
/* Where the table of a piece that was copied later is to be found. */
void wr_apart_add_place(struct wr_buf *out, uint32_t set, int64_t start_us);
/* Whether these are the bytes of such a piece; they are loaded then. WR_OK, WR_EAGAIN: they are
 * others, or a negative status. */
int wr_apart_load(struct wr_apart *apart, struct wr_reader *in);

/* Lets pages rest in a scratch file (page_rest.c) where the tables take more than memory_bytes. No
 * pointer to a row may be held. WR_OK or a negative status. */
int wr_apart_relieve(struct wr_apart *apart);
/* Pointers to rows are held from call to call: no page rests until who holds them puts back into
 * pages_stay what was `before`. */
static inline void wr_apart_hold_pages(struct wr_apart *apart, uint8_t *before) {
    *before = apart->pages_stay;
    apart->pages_stay = 1;
}
/* Whether the tables take more than that, while the budget is used by half. */
int wr_apart_is_full(const struct wr_apart *apart);
int wr_apart_make_scratch(struct wr_apart *apart, struct wr_budget *budget);
/* Memory of the tables that is in use. */
uint64_t wr_apart_live_bytes(const struct wr_apart *apart);
/* What comes to memory for a key of a page that rests, about: of the table where that is most. */
uint64_t wr_apart_chain_bytes(const struct wr_apart *apart);
/* Bytes in the scratch file, and the most that there ever were. */
uint64_t wr_apart_resting_bytes(const struct wr_apart *apart);
uint64_t wr_apart_spilled_bytes(const struct wr_apart *apart);

/* What tables owe, in bytes of what was saved. */
uint64_t wr_apart_owes(const struct wr_apart *apart);
/* Reads some of what tables owe, about `bytes` of it, while memory is at hand. WR_OK or a negative
 * status. */
int wr_apart_catch_up(struct wr_apart *apart, uint64_t bytes);
/* Where tables owe more than they may take, reads all of it, and lets it rest meanwhile. No pointer
 * to a row or to its strings may be held. WR_OK or a negative status. */
int wr_apart_read_large(struct wr_apart *apart);
