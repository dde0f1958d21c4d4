/* asked.h: an endpoint that is asked for the rows of keys while a pipeline runs, as `lookup` asks a
 * database. conn has the types, op the stage. What it answers may change from one call to the next,
 * and so may what a run gives. */
#pragma once
#include <signal.h>
#include <stdint.h>

#include "data/batch.h"

struct wr_arena;
struct wr_asked_type;
struct wr_env;
struct wr_error;

struct wr_asked {
    const struct wr_asked_type *type;
    const void *config; /* of bind */
    const struct wr_schema *schema;
    const struct wr_env *env;
    struct wr_batch_pool *pool; /* of the answers */
    const uint64_t *needed;     /* bits of columns that anybody reads */
    uint32_t batch_rows;
    const char *name; /* as messages call it */
    /* While it waits for what it asks: not 0 when the run is to stop. May be NULL. */
    const volatile sig_atomic_t *stop;
};

struct wr_asked_type {
    uint32_t size_bytes; /* of the struct that begins with struct wr_asked */
    /* Plan time: `source` is what the source's bind made; keys[0 … count-1] are columns of `schema`
     * that will be compared. *scans: each key reads all rows, since no index has it. Errors stand
     * at the option `on`. */
    int (*bind)(struct wr_arena *arena, const struct wr_env *env, const void *source,
                const struct wr_schema *schema, const uint16_t *keys, uint32_t count, void **config,
                int *scans, struct wr_error *err);
    int (*open)(struct wr_asked *asked, struct wr_error *err);
    /* Whether what has been answered may be another one now. */
    int (*changed)(struct wr_asked *asked, int *changed, struct wr_error *err);
    /* Asks for keys rows[0 … count-1] of `columns` (a column a key, of the type of its column;
     * none is nil), which are lent until `next` has said WR_EEND. */
    int (*ask)(struct wr_asked *asked, const struct wr_column *columns, const uint32_t *rows,
               uint32_t count, struct wr_error *err);
    /* Some rows (a reference for the caller), and the place in `rows` of the key for which each was
     * found: it has that key, or one that the endpoint takes for it (letters of another case).
     * WR_OK or WR_EEND. */
    int (*next)(struct wr_asked *asked, struct wr_batch **batch, const uint32_t **of,
                struct wr_error *err);
    void (*close)(struct wr_asked *asked); /* after an open that failed too */
};
