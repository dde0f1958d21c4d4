/* origin.h: where the rows of a batch came from, for rejects, hidden columns and order.
 *
 * A batch of a source has one origin: rows of one partition, numbered in its order. Rows that a
 * stage puts together from several batches (sort) are numbered by that stage, which is their order
 * from then on; the place in a source that each came from goes with them in `struct wr_origins`. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_batch;
struct wr_batch_pool;
struct wr_places;

/* Physical row i is record number first_record + (record == NULL ? i : record[i]) of its partition;
 * its text is `length[i]` bytes at text + start[i], `start[i]` bytes behind byte `base_byte` of the
 * file. */
struct wr_origin {
    const char
        *source;      /* the name of the source stage, as messages show it; NULL: a stage's rows */
    const char *file; /* the file (or topic); NULL: the source has none */
    uint64_t base_byte; /* decompressed offset of `text` in the file */
    uint64_t base_line; /* line number of the first byte of `text`, from 1; 0: unknown */
    uint64_t first_record;
    const char *text;                        /* NULL: raw text is not kept */
    const uint32_t *start, *length, *record; /* by physical row; may be NULL */
    /* Of rows that were put together from several places: line and byte of each in the file (then
     * text + start[i] is only the raw text). NULL: as above. */
    const uint64_t *line, *byte;
    /* Which stage of the run numbered the rows, from 1; 0: a source did. One that repeats rows of a
     * source leaves them their records and numbers them beside: made_first + made[i], or + i. */
    uint32_t maker;
    uint64_t made_first;
    const uint32_t *made;
    uint32_t tried; /* how often its records were rejected before: they are read again (`replay`) */
    uint8_t is_event; /* records are numbers of events, of which other sources have some too */
};

/* A file, or a partition that has none. One for each in a run, as long as the run. */
struct wr_place {
    const char *source, *file; /* as above */
    uint32_t number, partition, tried;
    uint64_t hash;
    struct wr_place *next;
};

/* By physical row. Arrays have room for `room` rows and lie in the batch's arena. */
struct wr_origins {
    uint32_t room;
    const struct wr_place **place; /* NULL: the row was made of many */
    uint64_t *record;
    uint64_t *line, *byte; /* NULL, like those below: no row so far has text */
    const char **raw;      /* NULL: this one has none */
    uint32_t *length;
};

/* What is known about the origin of one row. Borrowed from its batch. */
struct wr_row_origin {
    const char *source, *file;
    uint32_t number, partition; /* the source's in the plan */
    uint32_t tried;
    uint64_t record;
    uint64_t line, byte; /* line 0: not known */
    const char *raw;     /* NULL: not kept */
    uint32_t raw_length;
    uint32_t start; /* of a row of one origin: as there */
    uint8_t has_byte;
};

/* The record number of a row, and where its text stands. */
uint64_t wr_origin_record(const struct wr_origin *origin, uint32_t row);
/* The number that the stage gave which numbered it last, if one did; else its record. */
uint64_t wr_origin_number(const struct wr_origin *origin, uint32_t row);
uint64_t wr_origin_byte(const struct wr_origin *origin, uint32_t row);
uint64_t wr_origin_line(const struct wr_origin *origin, uint32_t row); /* counts newlines */

/* 1, or 0 when the row was made of many. */
int wr_batch_origin(const struct wr_batch *batch, uint32_t row, struct wr_row_origin *made);
/* The same for one row after the other: `made` is zero, or of another row of the batch, from which
 * lines are counted on. */
int wr_batch_origin_next(const struct wr_batch *batch, uint32_t row, struct wr_row_origin *made);
/* Row i of `batch` gets the origin of row rows[i] of `in`: record, line, byte and raw text, to
 * which `batch` holds a reference. WR_OK or WR_ENOMEM. */
int wr_origin_gather(struct wr_batch *batch, struct wr_batch *in, const uint32_t *rows);

/* From now on `batch`, empty yet, keeps the origin of each of up to `room` rows that are appended.
 * WR_OK or WR_ENOMEM. */
int wr_origins_keep(struct wr_batch *batch, uint32_t room);
/* Rows rows[0 … count-1] of `in` are becoming the next ones of `out`, which keeps origins. Texts
 * are copied. */
int wr_origins_append(struct wr_batch *out, const struct wr_batch *in, const uint32_t *rows,
                      uint32_t count);
/* Row `row` of `batch`, which keeps origins, gets one; raw text is copied. */
int wr_origins_put(struct wr_batch *batch, uint32_t row, const struct wr_row_origin *origin);
void wr_places_free(struct wr_places *places);
