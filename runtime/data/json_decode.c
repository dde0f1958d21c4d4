/* json_decode.c: JSON files (an object, an array of objects, objects one after the other). */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec_options.h"
#include "data/json.h"
#include "data/json_row.h"
#include "data/json_split.h"
#include "data/record_limit.h"
#include "base/banned.h"

struct json {
    struct wr_decoder base; /* first, so that the runtime's pointer is ours */
    struct wr_json_row row;
    struct wr_json_split split;
    uint8_t at_start;
};

static void json_close(struct wr_decoder *decoder) {
    wr_json_row_close(&((struct json *)decoder)->row);
}

static int json_open(struct wr_decoder *decoder, struct wr_error *err) {
    static const char *const names[] = {NULL};
    int status = wr_options_known(decoder->setup.options, decoder->type->name, names, err);
    if (status == WR_OK)
        status = wr_json_row_open(&((struct json *)decoder)->row, decoder, err);
    if (status != WR_OK)
        json_close(decoder);
    return status;
}

static int json_begin_file(struct wr_decoder *decoder, const char *file, struct wr_error *err) {
    struct json *json = (struct json *)decoder;
    (void)err;
    decoder->file = file;
    json->at_start = 1;
    json->split = (struct wr_json_split){0};
    return WR_OK;
}

static int one_piece(struct json *json, const struct wr_json_piece *piece) {
    struct wr_rows *rows = &json->row.rows;
    struct wr_fault fault = {.code = WR_REJECT_PARSE, .text = piece->fault};
    uint64_t length = (uint64_t)(piece->end - piece->at);
    if (length > wr_record_limit(&json->base))
        return wr_reject_long(rows, piece->at);
    if (piece->fault == NULL && wr_json_row_read(&json->row, piece->at, piece->end, &fault))
        return wr_rows_commit(rows, piece->at, length);
    return wr_rows_reject(rows, &fault, piece->at, length);
}

static int pieces(struct json *json, int last) {
    struct wr_json_split *split = &json->split;
    struct wr_rows *rows = &json->row.rows;
    struct wr_json_piece piece;
    if (split->skipping && !wr_json_split_skip(split)) {
        if (!last)
            return WR_OK;
        split->skipping = 0; /* the file ends inside it */
    }
    while (rows->row_count < rows->row_max) {
        if (!wr_json_split_next(split, &piece, last)) {
            if ((uint64_t)(split->end - split->at) <= wr_record_limit(&json->base))
                return WR_OK;
            int status = wr_reject_long(rows, split->at);
            wr_json_split_skip(split);
            if (status != WR_OK || !last)
                return status;
            split->skipping = 0;
            continue;
        }
        int status = one_piece(json, &piece);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

static int json_decode(struct wr_decoder *decoder, struct wr_buffer *buffer, const char *bytes,
                       uint64_t length, int last, uint64_t *used, struct wr_batch **batch,
                       struct wr_error *err) {
    struct json *json = (struct json *)decoder;
    const char *at = bytes, *end = bytes + length;
    *used = 0;
    *batch = NULL;
    if (json->at_start) {
        if ((at = wr_byte_order_mark_end(at, end, last)) == NULL)
            return WR_OK;
        json->at_start = 0;
    }
    if (at == end && at == bytes && !(last && json->split.in_array))
        return WR_OK;
    int status = wr_rows_begin(&json->row.rows, buffer, bytes, err);
    if (status != WR_OK)
        return status;
    json->split.at = at;
    json->split.end = end;
    status = pieces(json, last);
    *used = (uint64_t)(json->split.at - bytes);
    *batch = wr_rows_end(&json->row.rows, json->split.at, UINT64_MAX);
    return wr_rows_result(&json->row.rows, status, batch, err);
}

static int json_save(const struct wr_decoder *decoder, struct wr_buf *out) {
    const struct json *json = (const struct json *)decoder;
    const struct wr_json_split *split = &json->split;
    wr_buf_add_varint(out, json->at_start | (uint64_t)split->in_array << 1 |
                               (uint64_t)split->after << 2 | (uint64_t)split->after_comma << 3 |
                               (uint64_t)split->skipping << 4 | (uint64_t)split->in_string << 5 |
                               (uint64_t)split->escape << 6);
    return wr_buf_add_varint(out, split->depth);
}

static int json_load(struct wr_decoder *decoder, struct wr_reader *from, struct wr_error *err) {
    struct json *json = (struct json *)decoder;
    uint64_t flags = wr_reader_varint(from), depth = wr_reader_varint(from);
    if (from->failed || flags > 127 || depth > UINT32_MAX)
        return wr_error_set(err, WR_ECORRUPT, "json: the saved position is damaged");
    json->at_start = flags & 1;
    json->split = (struct wr_json_split){
        .in_array = flags >> 1 & 1,
        .after = flags >> 2 & 1,
        .after_comma = flags >> 3 & 1,
        .skipping = flags >> 4 & 1,
        .in_string = flags >> 5 & 1,
        .escape = flags >> 6 & 1,
        .depth = (uint32_t)depth,
    };
    return WR_OK;
}

const struct wr_decoder_type wr_json_decoder = {
    .name = "json",
    .size_bytes = sizeof(struct json),
    .open = json_open,
    .begin_file = json_begin_file,
    .decode = json_decode,
    .save = json_save,
    .load = json_load,
    .close = json_close,
    .infer = wr_json_infer,
};
