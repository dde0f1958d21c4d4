/* csv.h: what the parts of the CSV codec share: options, a record as fields, the decoder.
 *
 * RFC 4180, and what files in the world do beyond it: any one-byte delimiter, LF or CRLF, a quote
 * inside an unquoted field is itself, blank lines are no records (unless there is just one column,
 * where one is a nil). */
#pragma once
#include <stdint.h>

#include "data/codec.h"
#include "data/codec_options.h"
#include "data/rows.h"

struct wr_csv_options {
    int delimiter, quote; /* quote -1: none */
    int header;
    struct wr_null_texts nulls;
};

/* `delimiter`: what it is when the options do not say. */
int wr_csv_options_read(struct wr_csv_options *csv, const struct wr_value *options,
                        const char *format, int delimiter, struct wr_error *err);

/* A field as it stands: between the quotes when it is quoted. */
struct wr_csv_field {
    const char *at;
    uint32_t length;
    uint8_t quoted, doubled; /* doubled: has `""` inside */
};

/* A record taken apart. */
struct wr_csv_record {
    const char *end;      /* of its text, without the line end */
    const char *next;     /* where the next one begins */
    uint32_t field_count; /* may be more than were stored */
    uint32_t field_max;
    struct wr_csv_field *fields;  /* the first field_max */
    const char *fault;            /* what is wrong with it, or NULL … */
    const char *fault_at;         /* … and where */
    uint8_t has_quotes, has_high; /* bytes above 0x7f */
};

/* A field without quotes holds a CR: a header whose lines end in CR alone is the whole file. */
int wr_csv_has_lone_cr(const struct wr_csv_record *record);
/* Takes the record at `at` apart. 0: it does not end before `end` (and more may come). */
int wr_csv_record_read(const struct wr_csv_options *csv, struct wr_csv_record *record,
                       const char *at, const char *end, int last);
/* As `records_end`: goes over quotes and newlines alone. */
uint64_t wr_csv_records_end(const struct wr_csv_options *csv, const char *bytes, uint64_t length);
/* Takes `""` apart; returns the length, never longer. */
size_t wr_csv_unquote(const struct wr_csv_field *field, int quote, char *out);
int wr_csv_is_null(const struct wr_null_texts *nulls, const char *text, uint32_t length);

int wr_csv_infer(struct wr_arena *arena, const struct wr_value *options, int delimiter,
                 const char *bytes, uint64_t length, int complete, const struct wr_schema **schema,
                 uint64_t *rows, struct wr_error *err);

extern const struct wr_decoder_type wr_csv_decoder, wr_tsv_decoder;
extern const struct wr_encoder_type wr_csv_encoder, wr_tsv_encoder;
