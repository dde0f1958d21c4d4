/* agg.h: `agg` in several files: agg_bind.c, agg.c (rows in), agg_fire.c (results of windows that
 * have ended), agg_update.c, agg_flat.c, agg_every.c and agg_change.c (results that change),
 * agg_session.c and agg_count.c (windows that each group has for itself, kept by agg_parts.c),
 * agg_session_fire.c, agg_own.c, agg_spill.c, agg_spool.c, agg_state.c. Private to the room.
 */
#pragma once
#include "expr/aggregate.h"
#include "op/agg_parts.h"
#include "op/op.h"
#include "op/window.h"
#include "state/payload.h"
#include "state/slices.h"

enum agg_mode { AGG_FINAL, AGG_UPDATE, AGG_DELTA };

struct agg_config {
    struct wr_aggregates *aggregates;
    int windowed;
    enum agg_mode mode;
    int64_t lateness_us, every_us; /* every: 0, or results leave at its multiples */
    uint8_t by_window;             /* a table a window and no slices: see agg_update.c */
    uint8_t changes;               /* results are a changelog */
    uint8_t has_time;              /* rows that come have event time */
    uint8_t by_clock;              /* `every` is of the clock, not of event time */
    uint8_t flat;                  /* results lie in rows of state: see agg_flat.c */
    uint8_t ends_at;               /* each group ends at a time that its rows say: `own` */
    int64_t keeps_us; /* how long a session, or a group that ends, is kept behind its end */
    struct window window;
    struct wr_list *own;        /* what an expression says: the gap of a session, or ends_at */
    struct agg_shapes *shapes;  /* of sessions, groups that end, count windows; else NULL */
    struct wr_payload told;     /* `every`: a result as it was told last, */
    struct wr_shape told_shape; /* in a row of `before` */
    int32_t *from; /* result column: >= 0 a middle column, else output -1 - x of `items` */
};

struct agg_spool;
struct wr_sorted;

struct agg {
    struct wr_op base;
    struct wr_eval inputs_eval, items_eval;
    struct wr_slices slices; /* without a window: one slice at 0 */
    /* Rows that some windows of their slice had refused: a table a window, merged behind its
     * slices. */
    struct wr_slices partial;
    int64_t fired_us;       /* windows of marks before this have fired; WR_TIME_MIN: none yet */
    int64_t saved_fired_us; /* the same at the last save */
    int fired_any;
    uint8_t is_unchecked; /* pieces were loaded; whether they fit is seen when all are there */
    struct wr_slices
        before;         /* `every`: what was told of the groups touched since the last emission */
    int64_t emitted_us; /* the frontier that was told last, or the clock where `by_clock` */
    int64_t saved_emitted_us;
    struct agg_parts parts; /* where config->shapes */
    struct wr_eval own_eval;
    const struct wr_column *own_column; /* of the batch that is pushed */
    /* What leaves as there is room for it: windows up to a frontier, or groups, in order. */
    struct {
        int64_t frontier;
        struct wr_arena arena; /* of the list of groups */
        uint8_t **groups;      /* NULL: there is none */
        uint64_t at, count;
        uint8_t pages_stayed; /* before there was a list */
    } firing;
    struct wr_sorted *runs;  /* of groups that have left; NULL: none has */
    struct agg_spool *spool; /* of rows that may have to wait; NULL: they do not */
};

/* A window of a result; start > end: there is none. */
struct agg_span {
    int64_t start, end;
};
static inline struct agg_span agg_span_of(const struct agg *self, int64_t mark) {
    const struct agg_config *config = self->base.config;
    if (!config->windowed)
        return (struct agg_span){0, 0};
    return (struct agg_span){window_start(&config->window, mark),
                             window_end(&config->window, mark)};
}
int agg_bind(struct wr_bind *bind, struct wr_error *err);
/* agg_every.c: what is kept of a result. */
int agg_every_bind(struct agg_config *config, struct wr_arena *arena, struct wr_error *err);

/* Fires all windows that end at or before the frontier, in order. */
int agg_fire(struct agg *self, int64_t frontier, struct wr_out *out);
/* Without keys and window the whole stream is one group, which is there without a row too, as in
 * SQL. It belongs to shard 0 (see `agg_route`). */
static inline int agg_is_one_group(const struct agg *self) {
    const struct agg_config *config = self->base.config;
    return !config->windowed && !config->ends_at && config->aggregates->key_count == 0 &&
           self->base.env->shard == 0;
}
int agg_ensure_group(struct agg *self, uint8_t *made);
/* Results of groups (of the windows `spans`) in the order given, in batches. */
int agg_emit_groups(struct agg *self, uint8_t **rows, const struct agg_span *spans, uint64_t total,
                    struct wr_out *out);
/* Some more of what is due. */
int agg_go_on(struct wr_op *op, struct wr_out *out);
/* All groups of a table, in the order of their keys. */
int agg_fire_table(struct agg *self, const struct wr_table *table, int64_t mark,
                   struct wr_out *out);
/* The same for tables of windows; windows that no row can reach any more are dropped. */
int agg_update_fire(struct agg *self, int64_t frontier, struct wr_out *out);
/* The clock has moved: a multiple of `every` may have been passed. */
int agg_update_tick(struct agg *self, struct wr_out *out);
int agg_update_push(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                    const char *keys, const uint64_t *hashes, struct wr_out *out);

/* A group that rows have touched: its results before and after, as rows of two batches (-1: it had
 * or has none), its window, and the row that touched it first. */
struct agg_change {
    int32_t old_row, new_row;
    int64_t old_end, new_end;
    uint32_t cause;
};
/* Results of `count` groups (of the windows `spans`); is_good: 0 for those that failed, which are
 * rejects where `out` is given (is_good may be NULL). *result is NULL when there are none. */
int agg_results(struct agg *self, uint8_t *const *rows, const struct agg_span *spans,
                uint32_t count, struct wr_out *out, struct wr_batch **result, uint8_t *is_good);
/* Emits the changes of groups whose result is another one; `in`: what caused them, or NULL. */
int agg_emit_changes(struct agg *self, const struct agg_change *changes, uint32_t count,
                     struct wr_batch *before, struct wr_batch *after, const struct wr_batch *in,
                     struct wr_out *out);
/* The key and hash of row `at` of the selection. */
static inline const char *agg_key_at(const struct agg *self, const char *keys, uint32_t at) {
    const struct agg_config *config = self->base.config;
    const struct wr_aggregates *aggregates = config->aggregates;
    return keys + (size_t)(aggregates->key_count == 0 ? 0 : at) * aggregates->layout.key_bytes;
}
static inline uint64_t agg_hash_at(const struct agg *self, const uint64_t *hashes, uint32_t at) {
    const struct agg_config *config = self->base.config;
    return hashes[config->aggregates->key_count == 0 ? 0 : at];
}

/* A set of rows of state, by address. */
struct agg_seen {
    uint32_t mask;
    uint8_t **slots;
};
int agg_seen_init(struct agg_seen *seen, struct wr_arena *scratch, uint32_t count);
int agg_seen_add(struct agg_seen *seen, uint8_t *state); /* 1 when it was there already */
int agg_seen_has(const struct agg_seen *seen, const uint8_t *state);

/* `at` of the emission: checks that the stage can have it. */
int agg_own_bind(struct agg_config *config, struct wr_bind *bind, struct wr_error *err);
/* Computes `own` of rows. Those without one are rejects; then *in is a batch without them, which is
 * the caller's. */
int agg_own_ends(struct agg *self, struct wr_batch **in, struct wr_out *out);
int agg_session_push(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                     const char *keys, const uint64_t *hashes, struct wr_out *out);
int agg_session_fire(struct agg *self, int64_t frontier, struct wr_out *out);
/* A row at the end of a session still joins it, so sessions go by the frontier less 1us. */
static inline int64_t agg_session_lag(const struct agg_config *config) {
    return config->windowed && config->window.kind == WINDOW_SESSION ? 1 : 0;
}
static inline int64_t agg_session_frontier(const struct agg_config *config, int64_t frontier) {
    return frontier == WR_TIME_MAX ? frontier : wr_time_add(frontier, -agg_session_lag(config));
}
/* Where a session ends, when it is dropped, and its window. */
static inline int64_t agg_session_end(const struct agg *self, const struct agg_part *part) {
    const struct agg_config *config = self->base.config;
    int64_t longest = wr_time_add(part->first, config->window.max_us);
    return part->end < longest ? part->end : longest;
}
static inline int64_t agg_session_closes(const struct agg *self, const struct agg_part *part) {
    const struct agg_config *config = self->base.config;
    return wr_time_add(agg_session_end(self, part), config->keeps_us);
}
static inline struct agg_span agg_session_span(const struct agg *self,
                                               const struct agg_part *part) {
    return (struct agg_span){part->first, agg_session_end(self, part)};
}
int agg_count_push(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                   const char *keys, const uint64_t *hashes, struct wr_out *out);
int agg_count_fire(struct agg *self, struct wr_out *out);
int agg_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                const struct wr_batch *b, uint32_t row_b);
void agg_measure(const struct wr_op *op, struct wr_op_state *state);
/* agg_spill.c: groups that do not fit. WR_OK or WR_ENOMEM. */
int agg_spill_open(struct agg *self);
/* A status that is returned: what the file says of a failure names the stage. */
int agg_spill_status(const struct agg *self, int status);
/* All groups, which are in this table, become runs; it is gone then. WR_OK or a negative status. */
int agg_spill_leave(struct agg *self, struct wr_table *table);
int agg_spill_is_due(const struct agg *self, const struct wr_table *table);
/* Begins to give all groups, which go on in agg_go_on; the table is empty then. */
int agg_spill_fire(struct agg *self, struct wr_table *table);
int agg_spill_go_on(struct wr_op *op, struct wr_out *out);
int agg_save(struct wr_op *op, struct wr_buf *out, int all);
int agg_load(struct wr_op *op, struct wr_reader *in);
/* Before the first work behind a load: WR_OK, or WR_ECORRUPT. */
int agg_check_loaded(struct agg *self);
