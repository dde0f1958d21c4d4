/* scratch.h: bytes that do not fit into memory and that no other process will ever read: runs of a
 * sort, state that rests. One file without a name (`env->open_scratch`), in units of one size that
 * are chained as in a file allocation table; what is dropped is written over. It is no part of a
 * checkpoint.
 * Memory:  4 bytes a unit.
 * Damage:  a hash of each blob stays in memory; other bytes than were put are WR_ECORRUPT.
 * Threads: one. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_budget;
struct wr_env;
struct wr_error;
struct wr_scratch;

#define WR_SCRATCH_LENGTH_MAX (UINT64_C(1) << 31) /* bytes of one blob */

/* Where something lies. Its owner keeps it, and drops it once. */
struct wr_scratch_blob {
    uint64_t hash;
    uint32_t first, length; /* its first unit; bytes, 0: nothing was put */
};

/* Opens nothing yet. WR_OK or WR_ENOMEM. */
int wr_scratch_new(struct wr_scratch **made, const struct wr_env *env, struct wr_budget *budget,
                   uint32_t unit_bytes);
void wr_scratch_free(struct wr_scratch *scratch); /* NULL is allowed */
/* Writes `length` > 0 bytes; after a failure nothing is kept. WR_OK or a negative status. */
int wr_scratch_put(struct wr_scratch *scratch, const void *bytes, size_t length,
                   struct wr_scratch_blob *blob, struct wr_error *err);
/* Reads all blob->length bytes of it. WR_OK or a negative status. */
int wr_scratch_get(const struct wr_scratch *scratch, const struct wr_scratch_blob *blob,
                   void *bytes, struct wr_error *err);
/* Its units are free; the blob becomes empty. One that is empty is allowed. */
void wr_scratch_drop(struct wr_scratch *scratch, struct wr_scratch_blob *blob);
/* Bytes of the units in use, and the most that were ever. NULL: 0. */
uint64_t wr_scratch_bytes(const struct wr_scratch *scratch);
uint64_t wr_scratch_bytes_peak(const struct wr_scratch *scratch);
