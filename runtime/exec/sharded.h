/* sharded.h: a keyed operator in several instances. */
#pragma once
#include "exec/unit.h"

struct sharded;
struct wr_workers;

int sharded_new(struct sharded **sharded, struct unit *unit, struct wr_error *err);
void sharded_free(struct sharded *sharded);
/* From now on its shards are worked on in other threads, and what they give comes later: see
 * shards.h. `shuffles`: who works when is drawn from the seed of the order, as far as threads let
 * it; with a pool of one thread it is the same each time. */
void sharded_use_workers(struct sharded *sharded, struct wr_workers *workers, int shuffles);
int sharded_push(struct sharded *sharded, uint32_t input, struct wr_batch *batch);
/* The frontier of its input, which has moved since the last call or not; sets that of the unit when
 * what was given before it has been delivered. */
int sharded_advance(struct sharded *sharded, int64_t frontier, int has_moved);
int sharded_tick(struct sharded *sharded);
/* Hands on what has come back, as far as the next frontier of the unit. */
int sharded_deliver(struct sharded *sharded);
/* Whether something has not been delivered. */
int sharded_is_ahead(const struct sharded *sharded);
/* Waits where that is more than memory should hold; whether it did. */
int sharded_keep_up(struct sharded *sharded);
/* Waits until nothing is left to be worked on, or something must be delivered before that. */
void sharded_wait(struct sharded *sharded);
/* Waits until no shard works: none does until more is given or delivered. */
void sharded_halt(struct sharded *sharded);
/* Whether that is so. */
int sharded_is_idle(struct sharded *sharded);
uint32_t sharded_count(const struct sharded *sharded);
struct wr_op *sharded_op(const struct sharded *sharded, uint32_t shard);

/* The instances of a unit's operator: one, one a shard, or none. */
static inline uint32_t unit_op_count(const struct unit *unit) {
    return unit->sharded != NULL ? sharded_count(unit->sharded) : unit->op != NULL;
}

static inline struct wr_op *unit_op_at(const struct unit *unit, uint32_t at) {
    return unit->sharded != NULL ? sharded_op(unit->sharded, at) : unit->op;
}

/* One that has no state, for what is the same in all. */
const struct wr_op *sharded_guide(const struct sharded *sharded);
