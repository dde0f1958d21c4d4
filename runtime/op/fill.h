/* fill.h: `fill` in several files: fill_bind.c (plan time), fill.c (rows in, windows out),
 * fill_make.c (rows that are made), fill_state.c. Private to the room.
 *
 * Rows wait in a table a window and leave window by window, in the order of keys. Without `max_gap`
 * and `interpolate` rows are made when their window leaves, for each key that has a row before and
 * none in it. With them they are made when the key's next row has come, or at the end; a window
 * leaves once no row can come that ends a gap over it. No window leaves before the stream has a row
 * in it or in a later one, so that it makes no difference how far the frontier has been told. */
#pragma once
#include "op/op.h"
#include "op/window.h"
#include "state/key.h"
#include "state/payload.h"
#include "state/slices.h"

struct fill_config {
    const struct wr_schema *schema; /* of input and output */
    const struct wr_schema *wide;   /* what items are over: the columns, those of the key's row */
                                    /* before, those of the row behind, the ratio */
    struct window window;
    int64_t stop_after_us, max_gap_us; /* WR_TIME_MAX: any */
    uint8_t waits;                     /* rows are made when the next one of their key has come */
    uint32_t start_column, end_column;
    struct wr_key_layout layout; /* of the key without the window; no columns: one group */
    uint32_t key_bytes;
    uint16_t keys[WR_KEY_COLUMNS_MAX]; /* their columns */
    uint8_t *is_key;                   /* by column: of the key or the window */
    struct wr_list *items;             /* over `wide` */
    int32_t *item_of;                  /* by column: its item, or -1 */
    uint64_t *wide_reads;              /* bits of `wide` that items read */
    uint64_t *reads;                   /* bits of columns that are kept for them, and of the key */
};

/* A row of a key in a window, or the last one of a key: the key, this, the payload. */
struct fill_row {
    int64_t mark; /* of its window */
    uint64_t is_made;
};

struct fill {
    struct wr_op base;
    struct wr_eval eval;
    struct wr_arena arena;
    struct wr_payload payload;
    struct wr_shape shape;
    int32_t *kept;         /* by column: its number in the payload, or -1 */
    struct wr_slices rows; /* a table a window, by its mark */
    struct wr_slices last; /* the last row of each key */
    int64_t next_us;       /* the mark of the window that leaves next; WR_TIME_MIN: none yet */
    int64_t last_us;       /* the greatest mark of a row */
    int64_t saved_next_us, saved_last_us;
    uint64_t taken; /* rows since keys were forgotten */
};

/* A row to make: of `key` in the window `mark`, between a stored row and row `next` of the batch
 * that is pushed, of the window next_mark (next_mark WR_TIME_MAX: none). */
struct fill_gap {
    const uint8_t *key;
    const struct fill_row *before;
    int64_t mark, next_mark;
    uint32_t next;
};

static inline const struct fill_config *fill_config_of(const struct fill *self) {
    return self->base.config;
}
static inline struct fill_row *fill_row_of(const struct fill *self, const uint8_t *key) {
    return (struct fill_row *)(uintptr_t)(key + fill_config_of(self)->key_bytes);
}
static inline uint8_t *fill_payload(const struct fill_row *row) {
    return (uint8_t *)(uintptr_t)row + sizeof *row;
}

int fill_bind(struct wr_bind *bind, struct wr_error *err);
void fill_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                const uint64_t *wanted, uint64_t *columns);
struct wr_value *fill_explain(const void *config, struct wr_arena *arena);

/* fill_make.c: makes rows for `gaps`; `in` is the batch of their next rows, or NULL. */
int fill_make(struct fill *self, const struct fill_gap *gaps, uint32_t count, struct wr_batch *in,
              struct wr_out *out);
/* Refuses windows from `first` up to `until` that are more than somebody means who does not say how
 * far a gap is filled: a row with a wrong time would make rows without end. */
int fill_check_gap(const struct fill *self, int64_t first, int64_t until);
/* The rows of the windows behind that of `before` and before `next_mark` (`until` where there is no
 * next row), if the gap is not too long. */
int fill_between(struct fill *self, const uint8_t *key, const struct fill_row *before,
                 int64_t next_mark, int64_t until, uint32_t next, struct wr_batch *in,
                 struct wr_out *out);

/* fill_state.c */
int fill_open(struct wr_op *op, struct wr_error *err);
void fill_close(struct wr_op *op);
void fill_measure(const struct wr_op *op, struct wr_op_state *state);
int fill_save(struct wr_op *op, struct wr_buf *out, int all);
int fill_load(struct wr_op *op, struct wr_reader *in);
