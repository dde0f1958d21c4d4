/* codec.h: formats. A decoder turns bytes into batches, an encoder batches into bytes. One file a
 * format; both are tables, found by the format's name ("ndjson", "json", "csv", "tsv", "lines"). */
#pragma once
#include <stdint.h>

#include "data/batch.h"
#include "data/reject.h"
#include "data/value.h"

struct wr_buf;
struct wr_error;
struct wr_reader;
struct wr_decoder_type;
struct wr_encoder_type;

/* A longer record is rejected (W510); an option raises it, up to the hard limit. */
#define WR_RECORD_BYTES_MAX (1u << 20)
#define WR_RECORD_BYTES_HARD (16u << 20)
#define WR_NESTING_MAX 64 /* of JSON */

/* What a decoder is made for. Borrowed for its life. */
struct wr_decoder_setup {
    const struct wr_schema *schema;
    const struct wr_value *options; /* of the format: delimiter, header, quote, null, … */
    const uint64_t *needed;         /* bits of columns to convert; NULL: all */
    const uint64_t *shown;          /* those of them that are nil where they cannot be converted */
    int check_all;                  /* convert every field for its rejects, also those not needed */
    int keep_text;                  /* fill origin.text, start, length */
    uint32_t batch_rows;
    uint64_t record_end; /* number of the first record that is no longer read; 0: none */
    uint32_t record_bytes_max;
    struct wr_batch_pool *pool;
    const char *timezone;                                     /* of timestamps without offset */
    int (*reject)(void *ctx, const struct wr_reject *reject); /* row, batch, stage unset */
    /* Told once a file: "columns that are not in the schema: `x`". NULL: nobody listens. */
    void (*note)(void *ctx, const char *file, const char *text);
    /* Told of each header, when `came` is set by it: `unknown` are the names in it that the schema
     * does not have, each with a 0 behind, `length` bytes of all. NULL: nobody listens. */
    void (*header)(void *ctx, const char *file, const char *unknown, uint64_t length);
    void *reject_ctx; /* of reject, note and header */
};

struct wr_decoder {
    const struct wr_decoder_type *type;
    struct wr_decoder_setup setup;
    const char *file; /* for rejects and origins */
    uint64_t record;  /* number of the next record in the partition (good and bad ones count) */
    uint64_t line;    /* line of the next byte, from 1 */
    uint64_t byte;    /* decompressed offset of the next byte in the file */
    uint8_t *came;    /* for each column: a header or a record has had it. Lent by the format */
};

/* What the head of a file says of its columns. */
struct wr_inferred {
    const struct wr_schema *schema;
    uint64_t rows; /* seen */
    /* One a field: what its values are where they are of several kinds, "number (line 1), string
     * (line 7)"; else NULL. NULL: the format's values are texts. */
    const char *const *mixed;
};

struct wr_decoder_type {
    const char *name;
    uint32_t size_bytes;
    /* Checks options (a fault is W202/W203 in `err`). */
    int (*open)(struct wr_decoder *decoder, struct wr_error *err);
    /* A new file begins (a CSV header comes again, a BOM may come). */
    int (*begin_file)(struct wr_decoder *decoder, const char *file, struct wr_error *err);
    /* Decodes records from `bytes` (`length` of `buffer`, which the batch will hold; 64 readable
     * bytes behind) until the batch is full, record_end is reached, or only a piece of a record is
     * left (`last`: nothing comes behind, the piece is a record). *used bytes are done with. *batch
     * is NULL when no good row came. Rejects are given to setup.reject in record order. */
    int (*decode)(struct wr_decoder *decoder, struct wr_buffer *buffer, const char *bytes,
                  uint64_t length, int last, uint64_t *used, struct wr_batch **batch,
                  struct wr_error *err);
    /* What decoding needs, besides record, line and byte, to go on behind the last record in
     * another process: the names of a CSV header, the nesting of a JSON array. `load` comes behind
     * begin_file and before any byte. NULL, both: nothing. */
    int (*save)(const struct wr_decoder *decoder, struct wr_buf *out);
    int (*load)(struct wr_decoder *decoder, struct wr_reader *from, struct wr_error *err);
    void (*close)(struct wr_decoder *decoder);
    /* Of formats in which it is seen where records end without reading them, so that pieces of a
     * file can be read by several decoders: the last end of a record in `bytes`, which begin with
     * one; 0: none ends there. A decoder that stands *between* records, and another one that took
     * its state by `save` and `load`, read the same behind it. NULL, both: not in this format. */
    uint64_t (*records_end)(const struct wr_decoder *decoder, const char *bytes, uint64_t length);
    /* The head of the file has been read, if there is one, and no record is being passed over. */
    int (*is_between)(const struct wr_decoder *decoder);
    /* Infers a schema from the head of a file (`complete`: all of it). NULL: the format has a
     * fixed schema (lines: `line string`). */
    int (*infer)(struct wr_arena *arena, const struct wr_value *options, const char *bytes,
                 uint64_t length, int complete, struct wr_inferred *inferred, struct wr_error *err);
};

struct wr_encoder {
    const struct wr_encoder_type *type;
    const struct wr_schema *schema;
    const struct wr_value *options;
    int resumed;              /* rows stand in the file already: `begin` is not called again */
    int at_start;             /* nothing stands in the file yet; the encoder clears it */
    uint64_t nonfinite_count; /* NaN and Inf that JSON cannot say, written as null */
};

struct wr_encoder_type {
    const char *name;
    uint32_t size_bytes;
    int (*open)(struct wr_encoder *encoder, struct wr_error *err);
    int (*begin)(struct wr_encoder *encoder, struct wr_buf *out); /* a header; NULL: none */
    int (*encode)(struct wr_encoder *encoder, const struct wr_batch *batch, struct wr_buf *out);
    int (*end)(struct wr_encoder *encoder, struct wr_buf *out); /* a closing bracket; NULL: none */
    void (*close)(struct wr_encoder *encoder);
    /* What it holds back (a table, until its end), so that a restart can go on. NULL: nothing. */
    int (*save)(const struct wr_encoder *encoder, struct wr_buf *out);
    int (*load)(struct wr_encoder *encoder, struct wr_reader *in);
};

const struct wr_decoder_type *wr_decoder_find(const char *format);
const struct wr_encoder_type *wr_encoder_find(const char *format);
/* One value as text of the language (2.8), as CSV shows it without quoting; for tables, messages,
 * keys. */
int wr_value_show(struct wr_buf *out, const struct wr_type *type, const struct wr_column *column,
                  uint32_t row);
