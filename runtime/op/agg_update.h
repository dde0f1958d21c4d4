/* agg_update.h: what agg_update.c, agg_every.c and agg_flat.c share. */
#pragma once
#include "op/agg.h"

/* A row and a window (or the one group) that takes it. */
struct pair {
    uint32_t at;   /* its number in the selection */
    uint32_t next; /* of the pairs of one window: the next, or UINT32_MAX */
    int64_t mark;
    struct wr_table *table;
    uint8_t *state;
    uint8_t made;
};

/* What is worked on at a time: rows first … end - 1 of the selection of what was pushed. */
struct rows {
    struct wr_batch *in;
    const uint32_t *sel;
    uint32_t first, end;
    const char *keys;
    const uint64_t *hashes;
    struct pair *pairs;
    uint32_t count;
};

/* Adds pairs first … first + count - 1, those of one table together. */
int agg_add_pairs(struct agg *self, const struct rows *rows, uint32_t first, uint32_t count);
/* Groups that have no row left, of pairs first … first + count - 1. */
int agg_forget_dead(struct agg *self, const struct rows *rows, uint32_t first, uint32_t pair_count);
/* Whether a group has rows. The one group of a whole stream is there without a row, as in SQL. */
static inline int agg_is_live(const struct agg *self, const uint8_t *state) {
    const struct agg_config *config = self->base.config;
    const struct wr_aggregates *aggregates = config->aggregates;
    int always = aggregates->live < 0 || (!config->windowed && aggregates->key_count == 0);
    return always || wr_aggregates_live(aggregates, state) > 0;
}

/* Takes rows whose changes leave later. */
int agg_every_take(struct agg *self, const struct rows *rows);
/* What has changed since the last emission, of windows that start before `limit`. */
int agg_every_emit(struct agg *self, int64_t limit, struct wr_out *out);

/* Groups that rows have touched: what they were and are (rows of state; NULL: they had or have no
 * result), their windows, and the row that touched each first. */
struct agg_touched {
    uint32_t count;
    uint8_t **old, **now;
    struct agg_span *spans;
    uint32_t *cause;
};
int agg_touched_init(struct agg_touched *touched, struct wr_arena *scratch, uint32_t room);
/* Puts copies, before rows are added, in the place of the rows of `old`. */
int agg_touched_keep(const struct agg *self, struct agg_touched *touched);
/* How many rows of state may be copied at a time. */
uint32_t agg_flat_rows_max(const struct agg *self);
/* Emits the changes of groups whose results lie in their rows (config->flat). */
int agg_tell(struct agg *self, const struct agg_touched *touched, const struct wr_batch *in,
             struct wr_out *out);
/* Takes what is pushed where there is neither a window nor `every`, and no row is taken back. */
int agg_flat_push(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                  const char *keys, const uint64_t *hashes, struct wr_out *out);
