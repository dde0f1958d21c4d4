/* csv_encode.c: batches as CSV and TSV. A field is quoted only when it has to be. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/csv.h"
#include "data/encode.h"
#include "base/banned.h"

struct csv_encoder {
    struct wr_encoder base; /* first, so that the runtime's pointer is ours */
    struct wr_csv_options options;
    const char *null;
    uint32_t null_length;
    char special[256]; /* bytes for which a field is quoted */
};

static int open_as(struct wr_encoder *encoder, int delimiter, struct wr_error *err) {
    struct csv_encoder *csv = (struct csv_encoder *)encoder;
    int status =
        wr_csv_options_read(&csv->options, encoder->options, encoder->type->name, delimiter, err);
    if (status != WR_OK)
        return status;
    if (csv->options.nulls.count > 1) {
        wr_error_script(err, "W203", "option `null` must be one text where a file is written");
        wr_error_at(err, "null", 0, 0);
        return WR_ESCRIPT;
    }
    csv->null = csv->options.nulls.count == 1 ? csv->options.nulls.text[0] : "";
    csv->null_length = csv->options.nulls.count == 1 ? csv->options.nulls.length[0] : 0;
    csv->special[(unsigned char)csv->options.delimiter] = 1;
    csv->special['\n'] = csv->special['\r'] = 1;
    if (csv->options.quote >= 0)
        csv->special[(unsigned char)csv->options.quote] = 1;
    return WR_OK;
}

static int csv_open(struct wr_encoder *encoder, struct wr_error *err) {
    return open_as(encoder, ',', err);
}

static int tsv_open(struct wr_encoder *encoder, struct wr_error *err) {
    return open_as(encoder, '\t', err);
}

/* A text value; at most 2 * length + 2 bytes. Without a quote character a special byte is written
 * as a blank, since nothing else would read back as one field. */
static char *put_text(const struct csv_encoder *csv, char *at, const char *text, size_t length) {
    int special =
        length == 0 || (length == csv->null_length && memcmp(text, csv->null, length) == 0);
    for (size_t i = 0; i < length; i++)
        special |= csv->special[(unsigned char)text[i]];
    if (!special) {
        memcpy(at, text, length);
        return at + length;
    }
    int quote = csv->options.quote;
    if (quote < 0) {
        for (size_t i = 0; i < length; i++)
            *at++ = csv->special[(unsigned char)text[i]] ? ' ' : text[i];
        return at;
    }
    *at++ = (char)quote;
    for (size_t i = 0; i < length; i++) {
        *at++ = text[i];
        if (text[i] == (char)quote)
            *at++ = text[i];
    }
    *at++ = (char)quote;
    return at;
}

static int csv_begin(struct wr_encoder *encoder, struct wr_buf *out) {
    const struct csv_encoder *csv = (const struct csv_encoder *)encoder;
    if (!csv->options.header)
        return WR_OK;
    for (uint32_t i = 0; i < encoder->schema->field_count; i++) {
        const struct wr_field *field = &encoder->schema->fields[i];
        if (wr_buf_reserve(out, 2 * (size_t)field->name_length + 4) != WR_OK)
            return out->status;
        char *at = out->bytes + out->length;
        if (i > 0)
            *at++ = (char)csv->options.delimiter;
        out->length = (size_t)(put_text(csv, at, field->name, field->name_length) - out->bytes);
    }
    return wr_buf_add_char(out, '\n');
}

static char *put_cell(const struct csv_encoder *csv, char *at, const struct wr_type *type,
                      const struct wr_column *column, uint32_t row) {
    if (column->data == NULL || wr_column_is_nil(column, row)) {
        memcpy(at, csv->null, csv->null_length);
        return at + csv->null_length;
    }
    if (!wr_type_is_text(type->kind)) {
        /* A number has a special byte only for an odd delimiter or a null text that is one. */
        char *end = wr_cell_put(at, type, column->data, row);
        int special =
            csv->null_length == (size_t)(end - at) && memcmp(at, csv->null, csv->null_length) == 0;
        for (const char *byte = at; byte < end; byte++)
            special |= csv->special[(unsigned char)*byte];
        if (!special)
            return end;
        char copy[WR_CELL_TEXT_MAX];
        size_t length = (size_t)(end - at);
        memcpy(copy, at, length);
        return put_text(csv, at, copy, length);
    }
    const struct wr_str *string = &WR_STR(column)[row];
    if (type->kind != WR_BYTES)
        return put_text(csv, at, wr_str_bytes(string), string->length);
    if (string->length == 0)
        return put_text(csv, at, "", 0);
    return at + wr_base64_encode(wr_str_bytes(string), string->length, at);
}

static int csv_encode(struct wr_encoder *encoder, const struct wr_batch *batch,
                      struct wr_buf *out) {
    const struct csv_encoder *csv = (const struct csv_encoder *)encoder;
    const struct wr_schema *schema = batch->schema;
    size_t fixed = (size_t)schema->field_count * (2 * WR_CELL_TEXT_MAX + 4 + csv->null_length) + 8;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        if (wr_buf_reserve(out, fixed + 2 * wr_row_text_bytes(batch, row)) != WR_OK)
            return out->status;
        char *at = out->bytes + out->length;
        for (uint32_t column = 0; column < schema->field_count; column++) {
            if (column > 0)
                *at++ = (char)csv->options.delimiter;
            at = put_cell(csv, at, &schema->fields[column].type, &batch->columns[column], row);
        }
        *at++ = '\n';
        out->length = (size_t)(at - out->bytes);
    }
    if (out->bytes != NULL)
        out->bytes[out->length] = 0;
    return out->status;
}

const struct wr_encoder_type wr_csv_encoder = {
    .name = "csv",
    .size_bytes = sizeof(struct csv_encoder),
    .open = csv_open,
    .begin = csv_begin,
    .encode = csv_encode,
};

const struct wr_encoder_type wr_tsv_encoder = {
    .name = "tsv",
    .size_bytes = sizeof(struct csv_encoder),
    .open = tsv_open,
    .begin = csv_begin,
    .encode = csv_encode,
};
