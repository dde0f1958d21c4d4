/* csv_fast.h: rows of CSV whose fields are what their columns expect: as many as the header has,
 * numbers in their usual form, quotes only around whole fields. Any other row is left to the
 * caller, who reads it byte by byte. */
#pragma once
#include <stdint.h>

#include "data/csv.h"
#include "data/rows.h"
#include "data/time_fast.h"

enum wr_csv_op {
    WR_CSV_SKIP,
    WR_CSV_INT64,
    WR_CSV_FLOAT64,
    WR_CSV_STRING,
    WR_CSV_TIMESTAMP,
    WR_CSV_OTHER,
};

struct wr_csv_step {
    uint8_t op;
    uint32_t slot;
    void *data; /* the column's, in this batch */
};

struct wr_csv_fast {
    struct wr_rows *rows;
    const struct wr_csv_options *options;
    uint32_t step_count; /* fields of a record; 0: not known yet */
    struct wr_csv_step *steps;
    uint32_t absent_count;
    uint32_t *absent;         /* slots that the file does not have */
    uint64_t newlines;        /* passed in this call … */
    uint8_t newlines_unknown; /* … unless there were some inside quotes */
    uint64_t record_bytes_max;
    struct wr_time_memo memo;
    const char *(*run)(struct wr_csv_fast *fast, const char *at, const char *limit);
};

/* Picks the vector form. */
void wr_csv_fast_open(struct wr_csv_fast *fast, struct wr_rows *rows,
                      const struct wr_csv_options *options);
/* The header is known: field i belongs to slot slot_of[i] (UINT32_MAX: none). */
int wr_csv_fast_map(struct wr_csv_fast *fast, struct wr_arena *arena, uint32_t field_count,
                    const uint32_t *slot_of, const uint8_t *slot_present);
/* A batch has begun: the columns lie elsewhere. */
void wr_csv_fast_begin(struct wr_csv_fast *fast);
/* Reads rows from `at` while they are usual and the batch has room. There is a `\n` before `limit`;
 * 64 bytes behind it are readable. Returns where the first row begins that is not. */
const char *wr_csv_fast_rows(struct wr_csv_fast *fast, const char *at, const char *limit);

/* The forms of `run`. */
const char *wr_csv_run_plain(struct wr_csv_fast *fast, const char *at, const char *limit);
const char *wr_csv_run_sse(struct wr_csv_fast *fast, const char *at, const char *limit);
const char *wr_csv_run_avx2(struct wr_csv_fast *fast, const char *at, const char *limit);
