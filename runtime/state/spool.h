/* spool.h: rows that have to wait until all of them are there, and then leave in the order of their
 * keys: bytes by bytes, in memory while they are few, else in SQLite. With a state file they lie in
 * it and are part of its checkpoints; without, in a temporary database that nobody else sees.
 * Invariant: keys are unique (a second row of a key takes the place of the first).
 * Threads:   one. */
#pragma once
#include <stdint.h>

struct wr_budget;
struct wr_env;
struct wr_error;
struct wr_spool;
struct wr_store;

#define WR_SPOOL_MEMORY_BYTES (UINT64_C(4) << 20) /* in memory at most, and one row */

/* `store` may be NULL, and outlives the spool otherwise. Opens nothing yet.
 * `memory_bytes` 0: WR_SPOOL_MEMORY_BYTES. */
int wr_spool_new(struct wr_spool **spool, const struct wr_env *env, struct wr_store *store,
                 struct wr_budget *budget, uint64_t memory_bytes);
void wr_spool_free(struct wr_spool *spool);
/* Copies both. With a store rows stay in memory until the next checkpoint: see `is_full`. */
int wr_spool_put(struct wr_spool *spool, const void *key, uint32_t key_bytes, const void *value,
                 uint32_t value_bytes, struct wr_error *err);
/* A checkpoint is wanted, so that the rows in memory can leave it. */
int wr_spool_is_full(const struct wr_spool *spool);
/* Between wr_store_begin and wr_store_commit: what was put goes into the state file, what was taken
 * leaves it. */
int wr_spool_save(struct wr_spool *spool, struct wr_error *err);
/* Takes up to `row_max` rows in the order of their keys; all must have been put, and with a store
 * saved. Strings are lent to `fn`, which stops by a negative status. WR_OK: call again; WR_EEND:
 * none is left. */
typedef int (*wr_spool_fn)(void *ctx, const void *key, uint32_t key_bytes, const void *value,
                           uint32_t value_bytes);
int wr_spool_take(struct wr_spool *spool, uint32_t row_max, wr_spool_fn fn, void *ctx,
                  struct wr_error *err);
