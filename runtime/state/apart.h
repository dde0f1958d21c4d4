/* apart.h: rows of tables that lie in the store apart from what else is saved of a stage. A save
 * puts them into a buffer of their own, and says in its log only where they are and which hashes
 * they have. So a restart reads the logs, which are few bytes, and a table the rows when somebody
 * asks for their keys: see table_owed.c. One for each instance of a stage.
 * Threads: one at a time; `read` may be called from any. */
#pragma once
#include <stdint.h>

#include "base/buf.h"

struct wr_error;
struct wr_owing;
struct wr_reader;

typedef int (*wr_apart_fn)(void *ctx, struct wr_reader *rows);

struct wr_apart {
    struct wr_buf rows; /* saving: of the piece at hand */
    int64_t piece;      /* loading: the piece at hand */
    /* Gives `fn` the rows of a piece. WR_OK or a negative status. */
    int (*read)(void *ctx, int64_t piece, wr_apart_fn fn, void *fn_ctx, struct wr_error *err);
    void *ctx;
    struct wr_error *const *err; /* of the step; *err may be NULL */
    struct wr_owing *owing;      /* of tables whose rows have not all been read; a list */
    int failure; /* the first one. What tables said since then is not to be trusted: the run ends */
};

/* Reads some of what tables owe, about `bytes` of it, while memory is at hand. WR_OK or a negative
 * status. */
int wr_apart_catch_up(struct wr_apart *apart, uint64_t bytes);
