/* ndjson_decode.c: NDJSON into batches, a line a row. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec_options.h"
#include "data/json.h"
#include "data/json_row.h"
#include "data/json_text.h"
#include "data/lines.h"
#include "data/ndjson_fast.h"
#include "data/record_limit.h"
#include "base/banned.h"

struct ndjson {
    struct wr_decoder base; /* first, so that the runtime's pointer is ours */
    struct wr_json_row row;
    struct wr_fast fast; /* its `newlines`: passed in this call */
    uint8_t at_start, skipping;
};

static void ndjson_close(struct wr_decoder *decoder) {
    struct ndjson *ndjson = (struct ndjson *)decoder;
    wr_fast_close(&ndjson->fast);
    wr_json_row_close(&ndjson->row);
}

static int ndjson_open(struct wr_decoder *decoder, struct wr_error *err) {
    static const char *const names[] = {NULL};
    struct ndjson *ndjson = (struct ndjson *)decoder;
    int status = wr_options_known(decoder->setup.options, decoder->type->name, names, err);
    if (status == WR_OK)
        status = wr_json_row_open(&ndjson->row, decoder, err);
    if (status != WR_OK)
        ndjson_close(decoder);
    else
        wr_fast_open(&ndjson->fast, &ndjson->row);
    return status;
}

static int ndjson_begin_file(struct wr_decoder *decoder, const char *file, struct wr_error *err) {
    struct ndjson *ndjson = (struct ndjson *)decoder;
    (void)err;
    decoder->file = file;
    ndjson->at_start = 1;
    ndjson->skipping = 0;
    return WR_OK;
}

/* The line from `at` up to `end`, without its line end. */
static int one_line(struct ndjson *ndjson, const char *at, const char *end) {
    struct wr_rows *rows = &ndjson->row.rows;
    struct wr_fault fault;
    if (end > at && end[-1] == '\r')
        end--;
    uint64_t length = (uint64_t)(end - at);
    if (length > wr_record_limit(&ndjson->base))
        return wr_reject_long(rows, at);
    if (wr_json_blanks_end(at, end) == end)
        return WR_OK;
    if (wr_json_row_read(&ndjson->row, at, end, &fault))
        return wr_rows_commit(rows, at, length);
    return wr_rows_reject(rows, &fault, at, length);
}

/* A line that has not ended: WR_EAGAIN, or it is too long already and is passed over. */
static int partial(struct ndjson *ndjson, const char **at, const char *end) {
    if ((uint64_t)(end - *at) <= wr_record_limit(&ndjson->base) + 1) /* the CR of its end */
        return WR_EAGAIN;
    int status = wr_reject_long(&ndjson->row.rows, *at);
    ndjson->skipping = 1;
    *at = end;
    return status;
}

static const char *skip_line(struct ndjson *ndjson, const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    if (newline == NULL)
        return end;
    ndjson->skipping = 0;
    ndjson->fast.newlines++;
    return newline + 1;
}

static int lines(struct ndjson *ndjson, const char **at, const char *end, int last) {
    struct wr_rows *rows = &ndjson->row.rows;
    const char *newline_last = memrchr(*at, '\n', (size_t)(end - *at));
    const char *limit = newline_last == NULL ? *at : newline_last + 1;
    for (;;) {
        *at = wr_fast_rows(&ndjson->fast, *at, limit);
        if (*at == end || rows->row_count == rows->row_max)
            return WR_OK;
        const char *line = *at, *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL && !last)
            return partial(ndjson, at, end);
        *at = newline == NULL ? end : newline + 1;
        ndjson->fast.newlines += newline != NULL;
        uint32_t before = rows->row_count;
        int status = one_line(ndjson, line, newline == NULL ? end : newline);
        if (status == WR_OK && newline != NULL && rows->row_count > before)
            status = wr_fast_learn(&ndjson->fast, line, newline + 1);
        if (status != WR_OK)
            return status;
    }
}

static int ndjson_decode(struct wr_decoder *decoder, struct wr_buffer *buffer, const char *bytes,
                         uint64_t length, int last, uint64_t *used, struct wr_batch **batch,
                         struct wr_error *err) {
    struct ndjson *ndjson = (struct ndjson *)decoder;
    const char *at = bytes, *end = bytes + length;
    *used = 0;
    *batch = NULL;
    if (ndjson->at_start) {
        if ((at = wr_byte_order_mark_end(at, end, last)) == NULL)
            return WR_OK;
        ndjson->at_start = 0;
    }
    if (at == end && at == bytes)
        return WR_OK;
    int status = wr_rows_begin(&ndjson->row.rows, buffer, bytes, err);
    if (status != WR_OK)
        return status;
    ndjson->fast.newlines = 0;
    wr_fast_begin(&ndjson->fast);
    if (ndjson->skipping)
        at = skip_line(ndjson, at, end);
    status = lines(ndjson, &at, end, last);
    *used = (uint64_t)(at - bytes);
    *batch = wr_rows_end(&ndjson->row.rows, at, ndjson->fast.newlines);
    return wr_rows_result(&ndjson->row.rows, status, batch, err);
}

static int ndjson_save(const struct wr_decoder *decoder, struct wr_buf *out) {
    const struct ndjson *ndjson = (const struct ndjson *)decoder;
    return wr_buf_add_varint(out, ndjson->at_start | (uint64_t)ndjson->skipping << 1);
}

static int ndjson_load(struct wr_decoder *decoder, struct wr_reader *from, struct wr_error *err) {
    struct ndjson *ndjson = (struct ndjson *)decoder;
    uint64_t flags = wr_reader_varint(from);
    if (from->failed || flags > 3)
        return wr_error_set(err, WR_ECORRUPT, "ndjson: the saved position is damaged");
    ndjson->at_start = flags & 1;
    ndjson->skipping = flags >> 1 & 1;
    return WR_OK;
}

static int ndjson_is_between(const struct wr_decoder *decoder) {
    const struct ndjson *ndjson = (const struct ndjson *)decoder;
    return !ndjson->at_start && !ndjson->skipping;
}

const struct wr_decoder_type wr_ndjson_decoder = {
    .name = "ndjson",
    .size_bytes = sizeof(struct ndjson),
    .open = ndjson_open,
    .begin_file = ndjson_begin_file,
    .decode = ndjson_decode,
    .save = ndjson_save,
    .load = ndjson_load,
    .close = ndjson_close,
    .records_end = wr_lines_end,
    .is_between = ndjson_is_between,
    .infer = wr_ndjson_infer,
};
