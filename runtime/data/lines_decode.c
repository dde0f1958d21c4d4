/* lines_decode.c: each line is a row with one string, `line`. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec_options.h"
#include "data/lines.h"
#include "data/record_limit.h"
#include "data/text.h"
#include "base/banned.h"

struct lines {
    struct wr_decoder base; /* first, so that the runtime's pointer is ours */
    struct wr_rows rows;
    uint64_t newlines;
    uint8_t at_start, skipping;
};

static void lines_close(struct wr_decoder *decoder) {
    wr_rows_close(&((struct lines *)decoder)->rows);
}

/* Mostly somebody who has not said what a `.log` holds. */
static int not_one_string(struct wr_error *err) {
    wr_error_script(err, "W203", "the schema of `lines` must be one string column");
    wr_error_help(err, "a file with the ending `.log` or `.txt` is read line by line: where it has "
                       "JSON or CSV in it say `format = \"ndjson\"` or `\"csv\"`; else `schema = "
                       "\"line string\"`");
    return WR_ESCRIPT;
}

static int lines_open(struct wr_decoder *decoder, struct wr_error *err) {
    static const char *const names[] = {NULL};
    struct lines *lines = (struct lines *)decoder;
    const struct wr_schema *schema = decoder->setup.schema;
    int status = wr_options_known(decoder->setup.options, decoder->type->name, names, err);
    if (status == WR_OK && (schema->field_count != 1 || schema->fields[0].type.kind != WR_STRING))
        status = not_one_string(err);
    if (status == WR_OK)
        status = wr_rows_open(&lines->rows, decoder, err);
    if (status != WR_OK)
        lines_close(decoder);
    return status;
}

static int lines_begin_file(struct wr_decoder *decoder, const char *file, struct wr_error *err) {
    struct lines *lines = (struct lines *)decoder;
    (void)err;
    decoder->file = file;
    lines->at_start = 1;
    lines->skipping = 0;
    decoder->came[0] = 1;
    return WR_OK;
}

static int one_line(struct lines *lines, const char *at, const char *end) {
    if (end > at && end[-1] == '\r')
        end--;
    size_t length = (size_t)(end - at);
    if (length > wr_record_limit(&lines->base))
        return wr_reject_long(&lines->rows, at);
    size_t valid = wr_utf8_valid_prefix(at, length);
    if (valid < length) {
        struct wr_fault fault = {.code = WR_REJECT_PARSE, .text = "not valid UTF-8"};
        fault.column = (uint32_t)valid + 1;
        return wr_rows_reject(&lines->rows, &fault, at, length);
    }
    if (lines->rows.slots[0].checked)
        wr_slot_str(&lines->rows.slots[0], lines->rows.row_count, at, (uint32_t)length);
    return wr_rows_commit(&lines->rows, at, length);
}

/* A line that has not ended: WR_EAGAIN, or it is too long already and is passed over. */
static int partial(struct lines *lines, const char **at, const char *end) {
    if ((uint64_t)(end - *at) <= wr_record_limit(&lines->base) + 1) /* the CR of its end */
        return WR_EAGAIN;
    int status = wr_reject_long(&lines->rows, *at);
    lines->skipping = 1;
    *at = end;
    return status;
}

static int all_lines(struct lines *lines, const char **at, const char *end, int last) {
    while (*at < end && lines->rows.row_count < lines->rows.row_max) {
        const char *line = *at, *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL && !last && !lines->skipping)
            return partial(lines, at, end);
        *at = newline == NULL ? end : newline + 1;
        lines->newlines += newline != NULL;
        int status = WR_OK;
        if (!lines->skipping)
            status = one_line(lines, line, newline == NULL ? end : newline);
        lines->skipping &= newline == NULL;
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

static int lines_decode(struct wr_decoder *decoder, struct wr_buffer *buffer, const char *bytes,
                        uint64_t length, int last, uint64_t *used, struct wr_batch **batch,
                        struct wr_error *err) {
    struct lines *lines = (struct lines *)decoder;
    const char *at = bytes, *end = bytes + length;
    *used = 0;
    *batch = NULL;
    if (lines->at_start) {
        if ((at = wr_byte_order_mark_end(at, end, last)) == NULL)
            return WR_OK;
        lines->at_start = 0;
    }
    if (at == end && at == bytes)
        return WR_OK;
    int status = wr_rows_begin(&lines->rows, buffer, bytes, err);
    if (status != WR_OK)
        return status;
    lines->newlines = 0;
    status = all_lines(lines, &at, end, last);
    *used = (uint64_t)(at - bytes);
    *batch = wr_rows_end(&lines->rows, at, lines->newlines);
    return wr_rows_result(&lines->rows, status, batch, err);
}

static int lines_save(const struct wr_decoder *decoder, struct wr_buf *out) {
    const struct lines *lines = (const struct lines *)decoder;
    return wr_buf_add_varint(out, lines->at_start | (uint64_t)lines->skipping << 1);
}

static int lines_load(struct wr_decoder *decoder, struct wr_reader *from, struct wr_error *err) {
    struct lines *lines = (struct lines *)decoder;
    uint64_t flags = wr_reader_varint(from);
    if (from->failed || flags > 3)
        return wr_error_set(err, WR_ECORRUPT, "lines: the saved position is damaged");
    lines->at_start = flags & 1;
    lines->skipping = flags >> 1 & 1;
    return WR_OK;
}

uint64_t wr_lines_end(const struct wr_decoder *decoder, const char *bytes, uint64_t length) {
    (void)decoder;
    const char *newline = memrchr(bytes, '\n', length);
    return newline == NULL ? 0 : (uint64_t)(newline + 1 - bytes);
}

static int lines_is_between(const struct wr_decoder *decoder) {
    const struct lines *lines = (const struct lines *)decoder;
    return !lines->at_start && !lines->skipping;
}

const struct wr_decoder_type wr_lines_decoder = {
    .name = "lines",
    .size_bytes = sizeof(struct lines),
    .open = lines_open,
    .begin_file = lines_begin_file,
    .decode = lines_decode,
    .save = lines_save,
    .load = lines_load,
    .close = lines_close,
    .records_end = wr_lines_end,
    .is_between = lines_is_between,
};
