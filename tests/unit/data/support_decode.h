/* support_decode.h: runs a decoder over text in pieces and shows all that came as one text, so that
 * tests compare whole results. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "data/codec.h"

/* A schema from "name type, name type required"; types as in `wr_type_kind_named`, decimal(p,s),
 * timestamp(ms). In `arena`. */
const struct wr_schema *test_schema(struct wr_arena *arena, const char *text);
/* Options from "name=value, …": true, false, else a text; \t is a tab. NULL when `text` is. */
const struct wr_value *test_options(struct wr_arena *arena, const char *text);

struct test_decode {
    const char *format;  /* "csv" */
    const char *schema;  /* as test_schema has it; NULL: inferred */
    const char *options; /* as test_options has it; NULL: none */
    const char *text;
    size_t length;       /* 0: strlen(text) */
    size_t piece;        /* bytes that come at a time; 0: all */
    uint64_t seed;       /* != 0: pieces of random size up to `piece` */
    uint32_t batch_rows; /* 0: the default */
    uint32_t record_bytes_max;
    uint64_t needed; /* bits; 0: all */
    int check_all, keep_text;
    const char *timezone; /* NULL: UTC */
    int plain_strings;    /* show strings as they are, without quotes and escapes */
    int positions;        /* show record, line and byte of each row too (implies keep_text) */
    int restart;          /* a new decoder by save and load after every batch */
};

/* Rows as `a|b|nil` a line, strings escaped; rejects as
 * `! W502 record:line:byte:column detail raw`;
 * an error as `error: …`. The text is the caller's (wr_buf_release). */
void test_decode_run(const struct test_decode *run, struct wr_buf *out);
/* A lent 0-terminated text of the same, valid until the call after the next three. */
const char *test_decode_text(const struct test_decode *run);
/* How often a file was told about its extra columns, and the last text. */
extern char test_decode_note[256];
