/* batch.h: what moves through the graph: up to a few thousand rows of one schema, by column.
 *
 * Rows have *physical* numbers 0 … row_count-1, the same in every column. A filter only narrows
 * `sel`, a stage that adds columns shares those it was given: physical numbers stay through all
 * row-by-row stages, so `origin` and `behind` keep their meaning.
 * Invariant: sel is NULL (all rows) or sel_count ascending physical numbers below row_count.
 * Ownership: counted (`ref`, `unref`); immutable once pushed. Columns live in the batch's arena, in
 *            the arena of a parent batch or in a buffer, which it holds by reference.
 * Threads:   the counts are atomic; filling is by one thread. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/bits.h"
#include "data/origin.h"
#include "data/schema.h"
#include "data/type.h"

struct wr_buf;
struct wr_budget;
struct wr_reader;

#define WR_BATCH_ROWS_DEFAULT 1024 /* --batch-rows */
#define WR_BATCH_ROWS_MAX 65536
#define WR_BATCH_REFS_MAX 8 /* parents and buffers of one batch */

#define WR_TIME_MIN INT64_MIN /* a frontier before any time */
#define WR_TIME_MAX INT64_MAX /* a frontier after all: the input has ended */

/* A time and a duration; at the ends of time it stays there. */
static inline int64_t wr_time_add(int64_t time_us, int64_t by_us) {
    int64_t sum;
    if (__builtin_add_overflow(time_us, by_us, &sum))
        return by_us < 0 ? WR_TIME_MIN : WR_TIME_MAX;
    return sum;
}

struct wr_column {
    void *data;            /* NULL: this column was not asked for (see `wr_source.needed`) */
    const uint64_t *valid; /* a set bit: not nil. NULL: no nils */
};

/* Bytes that columns point into, counted. */
struct wr_buffer {
    _Atomic uint32_t ref_count;
    struct wr_budget *budget;
    uint64_t size_bytes;
    char *bytes; /* 64 readable bytes stand behind */
};

struct wr_batch {
    _Atomic uint32_t ref_count;
    uint32_t row_count;  /* physical rows */
    uint32_t sel_count;  /* rows that count */
    const uint32_t *sel; /* NULL: all */
    const struct wr_schema *schema;
    struct wr_column *columns; /* schema->field_count of them */
    /* Order: the source's ordinal in the plan, its partition, and the origin of each row. */
    uint32_t source, partition;
    struct wr_origin origin;
    struct wr_origins *origins; /* of rows of several batches: where each is from; NULL: `origin` */
    const int64_t *event_time;  /* by physical row; NULL before `event_time` */
    const int64_t *behind; /* W_i: the frontier of the row's own partition before it; or NULL */
    const int64_t *weight; /* +1, -1; NULL: all +1 (append-only) */
    /* Of a changelog: bits of rows taken back for the row behind them, which is the same one anew:
     * an update is two rows, next to each other, while both are selected. NULL: none. */
    const uint64_t *replaced;
    /* Of a changelog: the event time of what made each change, where that is not its own: a row
     * that is taken back has the time that it came with. NULL: `event_time`. */
    const int64_t *changed;
    /* Of rows that a stage made while a batch was pushed: the physical row of that batch that
     * caused each, never descending; NULL: rows keep the numbers of the batch. */
    const uint32_t *cause;
    /* Of rows that were sent to a shard: their keys and hashes, as `route` made them, in the order
     * of the selection. NULL: the operator makes them itself. */
    const char *keys;
    const uint64_t *hashes;
    int64_t frontier; /* the partition's W after the last row (all rows, also dropped ones
                                * that event_time saw); WR_TIME_MIN before event_time */
    struct wr_arena arena;
    uint8_t is_view; /* nothing of its own but `columns` and `sel`: views of it hold its parents */
    uint32_t parent_count, buffer_count;
    uint64_t idle_bytes; /* while it is idle: its memory */
    struct wr_batch *parents[WR_BATCH_REFS_MAX];
    struct wr_buffer *buffers[WR_BATCH_REFS_MAX];
    struct wr_batch_pool *pool;
};
/* `to` shows what `from` does, for who holds that. It is no batch that is counted: other threads
 * may count `from` meanwhile. */
static inline void wr_batch_show(struct wr_batch *to, const struct wr_batch *from) {
    size_t at = offsetof(struct wr_batch, row_count);
    atomic_init(&to->ref_count, 0);
    memcpy((char *)to + at, (const char *)from + at, sizeof *to - at);
}

/* Recycles batches with their memory. Threads: any may take and give. */
struct wr_batch_pool {
    struct wr_budget *budget;
    pthread_mutex_t lock;
    size_t block_bytes; /* of the memory of a batch */
    struct wr_batch *idle;
    uint32_t idle_count, idle_max;
    uint64_t idle_bytes, idle_bytes_max; /* of those that are idle; max 0: no bound of its own */
    struct wr_places *places;   /* that rows of its batches are from; made when the first is */
    struct wr_batch_pool *home; /* the one whose places it uses; NULL: its own */
};
#define WR_BATCH_POOL_IDLE_MAX 64 /* but for one that is used in several threads */

void wr_batch_pool_init(struct wr_batch_pool *pool, struct wr_budget *budget);
void wr_batch_pool_release(struct wr_batch_pool *pool);

/* An empty batch of `schema` with its `columns` array cleared (no column data yet).
 * NULL when the budget is used up. */
struct wr_batch *wr_batch_new(struct wr_batch_pool *pool, const struct wr_schema *schema);
/* Column memory for `row_max` rows in the batch's arena; validity is left NULL. NULL: no memory. */
void *wr_batch_column(struct wr_batch *batch, uint32_t column, uint32_t row_max);
/* A batch of `schema` over the rows of `in`: same row_count, sel, origin, times; holds a reference
 * to `in`. Columns are cleared: the caller shares or sets each. */
struct wr_batch *wr_batch_over(struct wr_batch_pool *pool, const struct wr_schema *schema,
                               struct wr_batch *in);
/* The same for a stage that has no columns of its own: it shares those of `in`, in other places. */
struct wr_batch *wr_batch_view(struct wr_batch_pool *pool, const struct wr_schema *schema,
                               struct wr_batch *in);
/* All of `in` (columns too) under another selection, which must lie in memory that outlives it
 * (its own arena: `wr_batch_select` copies `sel` there). NULL: no memory. */
struct wr_batch *wr_batch_select(struct wr_batch_pool *pool, struct wr_batch *in,
                                 const uint32_t *sel, uint32_t sel_count);
/* Rows first … first + count - 1 of those that count in `in`. NULL: no memory. */
struct wr_batch *wr_batch_part(struct wr_batch_pool *pool, struct wr_batch *in, uint32_t first,
                               uint32_t count);
/* What `in` is, for who shows it with another selection or other columns while it is borrowed: it
 * holds nothing, and is not handed on to who may keep it. How many hold `in` is left out, which
 * other threads may be changing. */
static inline struct wr_batch wr_batch_look(const struct wr_batch *in) {
    const size_t from = offsetof(struct wr_batch, row_count);
    struct wr_batch look = {.row_count = 0};
    memcpy((char *)&look + from, (const char *)in + from, sizeof look - from);
    return look;
}
struct wr_batch *wr_batch_ref(struct wr_batch *batch);
void wr_batch_unref(struct wr_batch *batch); /* NULL is allowed */
/* Holds a reference to what columns of `batch` point into. */
void wr_batch_hold(struct wr_batch *batch, struct wr_batch *parent);
void wr_batch_hold_buffer(struct wr_batch *batch, struct wr_buffer *buffer);

struct wr_buffer *wr_buffer_new(struct wr_budget *budget, uint64_t size_bytes);
struct wr_buffer *wr_buffer_ref(struct wr_buffer *buffer);
void wr_buffer_unref(struct wr_buffer *buffer);

/* Whether the i-th row that counts is the old one of an update whose new one is the next. */
int wr_batch_is_replaced(const struct wr_batch *batch, uint32_t i);
/* The physical number of the i-th row that counts. */
static inline uint32_t wr_batch_row(const struct wr_batch *batch, uint32_t i) {
    return batch->sel == NULL ? i : batch->sel[i];
}
static inline int wr_column_is_nil(const struct wr_column *column, uint32_t row) {
    return column->valid != NULL && !wr_bit_get(column->valid, row);
}
#define WR_I64(column) ((const int64_t *)(column)->data)
#define WR_F64(column) ((const double *)(column)->data)
#define WR_STR(column) ((const struct wr_str *)(column)->data)
#define WR_BOOLS(column) ((const uint8_t *)(column)->data)

/* Copies the rows `rows[0 … count-1]` of `in` (physical numbers) densely behind row_count of `out`,
 * which has the same schema and column memory for them; long strings are copied into out's arena,
 * event times too when both have them. A column that the first rows do not have (data == NULL) is
 * not there in `out` from then on; where only later rows miss it, they are nil.
 * WR_OK or WR_ENOMEM. */
int wr_batch_append(struct wr_batch *out, const struct wr_batch *in, const uint32_t *rows,
                    uint32_t count);

/* Copies all rows of `in`, which are dense, behind those of `out`: a batch of the same schema with
 * room for them in the same columns, times and weights (wr_batch_facts_room). Long strings stay
 * where they are: `out` must hold `in` where there are some. WR_OK or WR_ENOMEM. */
int wr_batch_join(struct wr_batch *out, const struct wr_batch *in);
/* Gives `out` room for `row_max` times and weights, of the kinds that `in` has. */
int wr_batch_facts_room(struct wr_batch *out, const struct wr_batch *in, uint32_t row_max);

/* Fills `out`, of the same schema and without columns yet, with row rows[i] of from[which[i]] for
 * i in 0 … count-1; long strings stay where they are, and `out` holds all of the batches, up to
 * WR_BATCH_REFS_MAX, which have the same columns. Times and weights are the caller's, or those of
 * the rows by `wr_batch_pick_facts`, where all batches have the same kinds of them. WR_OK or
 * WR_ENOMEM. */
int wr_batch_pick(struct wr_batch *out, struct wr_batch *const *from, uint32_t from_count,
                  const uint8_t *which, const uint32_t *rows, uint32_t count);
int wr_batch_pick_facts(struct wr_batch *out, struct wr_batch *const *from, uint32_t from_count,
                        const uint8_t *which, const uint32_t *rows);
int wr_batch_facts_alike(const struct wr_batch *a, const struct wr_batch *b);
/* Whether two batches of one schema have the same columns. */
int wr_batch_columns_alike(const struct wr_batch *a, const struct wr_batch *b);
/* What goes with rows beside their columns: row i of `batch` gets the origin, times and weight of
 * row rows[i] of `in`, and the batch its source and partition. WR_OK or WR_ENOMEM. */
int wr_batch_carry(struct wr_batch *batch, struct wr_batch *in, const uint32_t *rows);
/* Appends the selected rows with times, weights and origins as bytes, so that wr_batch_load makes a
 * dense batch that no stage can tell from it. WR_OK or WR_ENOMEM. */
int wr_batch_save(const struct wr_batch *batch, struct wr_buf *out);
/* WR_OK, WR_ENOMEM, or WR_ECORRUPT. */
int wr_batch_load(struct wr_batch_pool *pool, const struct wr_schema *schema, struct wr_reader *in,
                  struct wr_batch **batch);

/* A batch without rows that has column memory for `row_max` of them (event times too when `timed`),
 * for wr_batch_append. NULL: no memory. */
struct wr_batch *wr_batch_room(struct wr_batch_pool *pool, const struct wr_schema *schema,
                               uint32_t row_max, int timed);
/* A dense copy of the rows that count, with event times; it holds nothing of `in`. */
struct wr_batch *wr_batch_copy(struct wr_batch_pool *pool, const struct wr_batch *in);
