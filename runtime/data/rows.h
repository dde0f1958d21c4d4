/* rows.h: a batch under construction, as every decoder fills it: slots with typed memory, rows that
 * are committed one after the other, records that are rejected whole.
 *
 * A row that fails half-way costs nothing but `wr_rows_reject`: its cells are written over by the
 * next row, and validity bits, which are all set at first, are set again. */
#pragma once
#include <stdint.h>

#include "base/assert.h"
#include "data/codec.h"
#include "data/zone.h"

/* Where the cells of one column go. */
struct wr_slot {
    enum wr_type_kind kind;
    uint8_t stored;  /* the batch shows this column */
    uint8_t checked; /* its values are converted: stored, required or check_all */
    uint8_t required;
    uint8_t
        lenient; /* what cannot be converted is nil: rejects show it, and nobody else reads it */
    uint8_t has_nil; /* a valid bit has been cleared in this batch */
    void *data;      /* NULL when not checked */
    uint64_t *valid;
    const struct wr_field *field;
    const char *default_text; /* what stands for an absent value, as CSV text; NULL: nil */
    uint32_t default_length;
};

struct wr_rows {
    struct wr_decoder *decoder;
    struct wr_slot *slots;
    uint32_t slot_count;
    struct wr_batch *batch; /* NULL between batches */
    uint32_t row_count, row_max;
    uint8_t no_memory;   /* a cell found none: the call ends with WR_ENOMEM, no row is blamed */
    uint32_t rejected;   /* in this batch */
    const char *text;    /* where the bytes of this call begin */
    uint64_t byte, line; /* of `line_at` in the file; moved forward by rejects */
    const char *line_at;
    uint32_t *start, *length, *record;
    struct wr_arena arena;      /* the slots and defaults */
    const struct wr_zone *zone; /* of timestamps without offset; NULL: UTC */
    struct wr_arena *cells;     /* where cells put what does not lie in the input */
};

/* Prepares slots from decoder->setup; defaults are checked (W203). */
int wr_rows_open(struct wr_rows *rows, struct wr_decoder *decoder, struct wr_error *err);
void wr_rows_close(struct wr_rows *rows);
/* Begins a call of `decode`: a new batch that holds `buffer`. */
int wr_rows_begin(struct wr_rows *rows, struct wr_buffer *buffer, const char *text,
                  struct wr_error *err);
/* Ends it: moves decoder->byte behind `end` and decoder->line by `newlines` (UINT64_MAX: they are
 * counted here). Gives the batch, or NULL when no row came. */
struct wr_batch *wr_rows_end(struct wr_rows *rows, const char *end, uint64_t newlines);

/* What `decode` returns for the status of its loop: WR_EAGAIN (a piece of a record is left) is no
 * failure; at one the batch is given back and `err` filled. */
int wr_rows_result(const struct wr_rows *rows, int status, struct wr_batch **batch,
                   struct wr_error *err);

/* What is wrong with a record. */
struct wr_fault {
    int code;
    uint32_t column;            /* 1-based byte within the record; 0: unknown */
    const char *text;           /* the detail; NULL: the code says it all */
    const struct wr_slot *slot; /* W502, W512: the column meant … */
    const char *value;          /* … and the value that does not fit it */
    uint32_t value_length;
    char room[160]; /* where a made text stands */
};
/* Rejects the record at `record`, `length` bytes. Its number is taken. Returns what setup.reject
 * returned. */
int wr_rows_reject(struct wr_rows *rows, const struct wr_fault *fault, const char *record,
                   uint64_t length);

/* The current row is complete; its record is `length` bytes at `record`. WR_OK or WR_ENOMEM. */
int wr_rows_origin(struct wr_rows *rows, const char *record, uint64_t length);
static inline int wr_rows_commit(struct wr_rows *rows, const char *record, uint64_t length) {
    int status = WR_UNLIKELY(rows->start != NULL || rows->record != NULL)
                     ? wr_rows_origin(rows, record, length)
                     : 0;
    rows->row_count++;
    rows->decoder->record++;
    return status;
}

static inline void wr_slot_nil(struct wr_slot *slot, uint32_t row) {
    wr_bit_clear(slot->valid, row);
    slot->has_nil = 1;
}

/* Converts text, as CSV has it, into a cell of any type. Views point into `text`, which must live
 * as long as the batch. 1, or 0 when the value does not fit. */
int wr_slot_from_text(struct wr_rows *rows, struct wr_slot *slot, uint32_t row, const char *text,
                      uint32_t length);
/* What an absent value gives: the default, nil, or 0 when the column is required. */
int wr_slot_absent(struct wr_rows *rows, struct wr_slot *slot, uint32_t row);

/* A view made by one load: `bytes` has 16 readable bytes. */
static inline void wr_slot_str(struct wr_slot *slot, uint32_t row, const char *bytes,
                               uint32_t length) {
    ((struct wr_str *)slot->data)[row] = wr_str_of(bytes, length);
}
