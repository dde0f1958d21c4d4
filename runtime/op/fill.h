/* fill.h: `fill` in several files: fill_bind.c (plan time), fill.c (rows in, windows out),
 * fill_gaps.c (gaps whose end is known), fill_make.c (rows that are made), fill_state.c. Private to
 * the room.
 *
 * Rows wait in a table a window and leave window by window, in the order of keys. Without `max_gap`
 * and `interpolate` a key has rows made in each window from its first row on. With them (`waits`)
 * only in gaps, each of which is kept with the rows before and behind it when the latter has come,
 * or at the end; a window leaves once no row can come that ends a gap over it. Either way rows are
 * made when their window leaves, so that the length of a gap takes no memory, and an `advance`
 * gives a part of it: where the next one begins is in the state. No window leaves before the stream
 * has a row in it or in a later one, so that it makes no difference how far the frontier has been
 * told. */
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
    uint64_t windows_max;              /* of a gap; a longer one ends the run */
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

/* A gap of a key: the key, this, the payloads of the rows before and behind it. Rows are made in
 * the windows from the next one on and before that of `until`. */
struct fill_gap {
    int64_t before, until; /* marks */
    uint64_t has_next;     /* `until` is that of a row; else nobody knows what comes */
};

struct fill {
    struct wr_op base;
    struct wr_eval eval;
    struct wr_arena arena;
    struct wr_payload payload;
    struct wr_shape shape, gap_shape;
    int32_t *kept;         /* by column: its number in the payload, or -1 */
    struct wr_slices rows; /* a table a window, by its mark */
    struct wr_slices last; /* the last row of each key */
    struct wr_slices gaps; /* WAITS: by the mark of the first window to fill */
    struct wr_slices open; /* WAITS: the gaps that the next window lies in, in one table */
    int64_t next_us;       /* the mark of the window that leaves next; WR_TIME_MIN: none yet */
    int64_t last_us;       /* the greatest mark of a row */
    int64_t saved_next_us, saved_last_us;
    int64_t told_us; /* the mark of a window whose rows may follow what `holds_back` said */
    uint64_t taken;  /* rows since keys were forgotten */
    uint8_t is_done; /* nobody wants more rows */
    /* WAITS: read back as the version before kept it, for whom windows left that gaps at the end of
     * the stream might still reach to; until it was told how far that was. */
    uint8_t is_of_before;
};

/* A row to make: of `key` in the window `mark`, between rows of the windows `before_mark` and
 * `next_mark` (`next` NULL: none is known). */
struct fill_made {
    const uint8_t *key, *before, *next; /* next and before: payloads */
    int64_t mark, before_mark, next_mark;
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

static inline struct fill_gap *fill_gap_of(const struct fill *self, const uint8_t *key) {
    return (struct fill_gap *)(uintptr_t)(key + fill_config_of(self)->key_bytes);
}
static inline uint8_t *fill_gap_before(const struct fill_gap *gap) {
    return (uint8_t *)(uintptr_t)gap + sizeof *gap;
}
static inline uint8_t *fill_gap_next(const struct fill *self, const struct fill_gap *gap) {
    return fill_gap_before(gap) + self->payload.bytes;
}
/* All that is kept, in the order in which it is saved. */
#define FILL_SETS 4
#define FILL_SETS_WITHOUT_GAPS 2
#define FILL_SETS_OF(self) \
    { &(self)->rows, &(self)->last, &(self)->gaps, &(self)->open }

int fill_bind(struct wr_bind *bind, struct wr_error *err);
void fill_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                const uint64_t *wanted, uint64_t *columns);
struct wr_value *fill_explain(const void *config, struct wr_arena *arena);

/* fill.c: whether a window waits that may leave once the frontier says so. */
int fill_has_windows(const struct fill *self);

/* fill_make.c: makes rows, into the tables of their windows. */
int fill_make(struct fill *self, const struct fill_made *rows, uint32_t count, struct wr_out *out);
/* Refuses windows from `first` up to `until` that are more than somebody means who does not say how
 * far a gap is filled: a row with a wrong time would make rows without end. */
int fill_check_gap(const struct fill *self, int64_t first, int64_t until);

/* fill_gaps.c, WAITS: the key's row is there, in the window `mark`: what lies between the one
 * before and this one is known. */
int fill_close_gap(struct fill *self, const uint8_t *key, uint64_t hash, int64_t mark,
                   const struct wr_batch *in, uint32_t row);
/* At the end: gaps that reach to the last window of the stream. */
int fill_close_gaps(struct fill *self);
/* Makes the rows of the window `mark`, which leaves next. */
int fill_gaps_window(struct fill *self, int64_t mark, struct wr_out *out);
/* The mark of the first window in which there is a row to make; WR_TIME_MAX: none. */
int64_t fill_gaps_first(const struct fill *self);

/* fill_state.c */
int fill_open(struct wr_op *op, struct wr_error *err);
void fill_close(struct wr_op *op);
void fill_measure(const struct wr_op *op, struct wr_op_state *state);
int fill_save(struct wr_op *op, struct wr_buf *out, int all);
int fill_load(struct wr_op *op, struct wr_reader *in);
