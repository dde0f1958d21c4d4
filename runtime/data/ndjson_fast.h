/* ndjson_fast.h: rows of NDJSON that look like a row seen before.
 *
 * A template is what a row is made of besides its values: the bytes `{"a":`, `,"b":`, … `}\n`, each
 * compared at once, and the way in which the value behind each is read. What does not fit one
 * to the byte (another order of keys, a blank, a value of another kind) is left to the caller, who
 * reads that row by its structure and may learn it. A row that fits has been checked as fully:
 * numbers by JSON's grammar, strings for control bytes, escapes and UTF-8.
 * Source: Li et al., "Mison: a fast JSON parser for data analytics", 2017 (speculation). */
#pragma once
#include <stdint.h>

#include "data/json_row.h"
#include "data/time_fast.h"

#define WR_TEMPLATES_MAX 4
#define WR_TEMPLATE_STEPS_MAX 128
#define WR_LITERAL_MAX 32 /* bytes of one step; longer ones take several steps */

enum wr_step_op {
    WR_STEP_LITERAL, /* no value behind it */
    WR_STEP_END,     /* the row is complete */
    WR_STEP_SKIP,
    WR_STEP_INT64,
    WR_STEP_FLOAT64,
    WR_STEP_BOOL,
    WR_STEP_STRING,
    WR_STEP_TIMESTAMP,
    WR_STEP_EPOCH, /* a number since 1970, times `factor` */
    WR_STEP_OTHER,
};

struct wr_step {
    _Alignas(32) char literal[WR_LITERAL_MAX]; /* padded with 0 */
    uint32_t literal_mask;                     /* a bit for each byte of it */
    uint8_t literal_length;
    uint8_t op;
    uint16_t factor; /* of WR_STEP_EPOCH: microseconds of its unit are 10^factor */
    uint32_t slot;
    void *data; /* the column's, in this batch */
};

struct wr_template {
    uint32_t step_count, line_end_length; /* 1 or 2 bytes */
    uint32_t absent_count;
    uint32_t *absent; /* slots that such a row does not have */
    uint64_t used_at; /* when it was last good for a row */
    struct wr_step *steps;
};

struct wr_fast {
    struct wr_json_row *row;
    struct wr_template templates[WR_TEMPLATES_MAX + 1]; /* the last is where one is learned */
    uint32_t template_count, current;
    uint64_t clock;    /* rows that were not read by a template */
    uint64_t newlines; /* of the rows read */
    uint64_t record_bytes_max;
    struct wr_time_memo memo;
    struct wr_arena arena;
    const char *(*run)(struct wr_fast *fast, struct wr_template *template, const char *at,
                       const char *limit);
};

void wr_fast_open(struct wr_fast *fast, struct wr_json_row *row);
void wr_fast_close(struct wr_fast *fast);
/* A batch has begun: the columns lie elsewhere. */
void wr_fast_begin(struct wr_fast *fast);
/* Reads rows from `at` while they fit a template and the batch has room. There is a `\n` before
 * `limit`, where rows end; 64 bytes behind it are readable. Returns where the first row begins that
 * does not fit. */
const char *wr_fast_rows(struct wr_fast *fast, const char *at, const char *limit);
/* The row at `line` (up to behind its `\n`) has just been read by its structure: learns it. */
int wr_fast_learn(struct wr_fast *fast, const char *line, const char *line_end);

/* The forms of `run`. */
const char *wr_fast_run_plain(struct wr_fast *fast, struct wr_template *template, const char *at,
                              const char *limit);
const char *wr_fast_run_sse(struct wr_fast *fast, struct wr_template *template, const char *at,
                            const char *limit);
const char *wr_fast_run_avx2(struct wr_fast *fast, struct wr_template *template, const char *at,
                             const char *limit);
