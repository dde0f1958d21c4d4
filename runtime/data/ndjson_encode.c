/* ndjson_encode.c: batches as NDJSON (a row a line) and as JSON (an array of rows). */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/codec_options.h"
#include "data/encode.h"
#include "data/json.h"
#include "data/json_text.h"
#include "data/text.h"
#include "base/banned.h"

struct json_encoder {
    struct wr_encoder base; /* first, so that the runtime's pointer is ours */
    int int_as_string, decimal_as_number;
    uint8_t as_array, rows_before; /* the `json` format; a row has been written */
    struct wr_arena arena;
    struct literal { /* `,"name":` of each column; the first with `{` in front */
        const char *text;
        uint32_t length;
    } * keys;
    size_t keys_length;
};

static void json_close(struct wr_encoder *encoder) {
    wr_arena_release(&((struct json_encoder *)encoder)->arena);
}

static int key_literal(struct json_encoder *json, uint32_t index, struct wr_buf *buf) {
    const struct wr_field *field = &json->base.schema->fields[index];
    wr_buf_clear(buf);
    wr_buf_add_char(buf, index == 0 ? '{' : ',');
    wr_json_add_string(buf, field->name, field->name_length);
    int status = wr_buf_add_char(buf, ':');
    if (status != WR_OK)
        return status;
    struct literal *key = &json->keys[index];
    key->text = wr_arena_strndup(&json->arena, buf->bytes, buf->length);
    key->length = (uint32_t)buf->length;
    json->keys_length += buf->length;
    return key->text == NULL ? WR_ENOMEM : WR_OK;
}

static int json_open(struct wr_encoder *encoder, struct wr_error *err) {
    static const char *const names[] = {"int_as", "decimal_as", NULL};
    static const char *const int_as[] = {"number", "string", NULL};
    static const char *const decimal_as[] = {"string", "number", NULL};
    struct json_encoder *json = (struct json_encoder *)encoder;
    uint32_t count = encoder->schema->field_count;
    wr_arena_init(&json->arena, &wr_budget_control, 1024);
    json->as_array = encoder->type == &wr_json_encoder;
    json->rows_before = encoder->resumed != 0;
    int status = wr_options_known(encoder->options, encoder->type->name, names, err);
    if (status == WR_OK)
        status = wr_options_choice(encoder->options, "int_as", int_as, &json->int_as_string, err);
    if (status == WR_OK)
        status = wr_options_choice(encoder->options, "decimal_as", decimal_as,
                                   &json->decimal_as_number, err);
    if (status != WR_OK)
        return status;
    struct wr_buf buf;
    wr_buf_init(&buf, &wr_budget_control, 0);
    json->keys = WR_ARENA_ZEROS(&json->arena, struct literal, count);
    status = json->keys == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        status = key_literal(json, i, &buf);
    wr_buf_release(&buf);
    if (status == WR_OK)
        return WR_OK;
    json_close(encoder);
    return wr_error_set(err, status, "%s: out of memory", encoder->type->name);
}

static inline char *put_literal(char *at, const char *text, size_t length) {
    memcpy(at, text, length);
    return at + length;
}

/* A string in quotes; at most 6 * length + 2 bytes. */
static char *put_string(char *at, const char *text, size_t length) {
    const char *end = text + length;
    *at++ = '"';
    if (wr_utf8_valid_prefix(text, length) == length) {
        for (;;) {
            const char *plain = wr_json_plain_end(text, end);
            at = put_literal(at, text, (size_t)(plain - text));
            if (plain == end)
                break;
            at += wr_json_put_escape((unsigned char)*plain, at);
            text = plain + 1;
        }
    } else { /* a function made bytes of it: each byte that cannot stand becomes U+FFFD */
        while (text < end) {
            size_t valid = wr_utf8_valid_prefix(text, (size_t)(end - text));
            for (size_t i = 0; i < valid; i++, text++) {
                unsigned char byte = (unsigned char)*text;
                if (byte < 0x20 || byte == '"' || byte == '\\')
                    at += wr_json_put_escape(byte, at);
                else
                    *at++ = (char)byte;
            }
            if (text < end) {
                at = put_literal(at, "\xef\xbf\xbd", 3);
                text++;
            }
        }
    }
    *at++ = '"';
    return at;
}

/* JSON text on one line: line ends in it can only stand between its tokens. */
static char *put_json(char *at, const char *text, size_t length) {
    memcpy(at, text, length);
    for (size_t i = 0; i < length; i++)
        if (at[i] == '\n' || at[i] == '\r')
            at[i] = ' ';
    return at + length;
}

static inline char *put_quoted(char *at, const struct wr_type *type, const void *data,
                               uint32_t row) {
    *at++ = '"';
    at = wr_cell_put(at, type, data, row);
    *at++ = '"';
    return at;
}

static char *put_cell(struct json_encoder *json, char *at, const struct wr_type *type,
                      const struct wr_column *column, uint32_t row) {
    const void *data = column->data;
    if (data == NULL || wr_column_is_nil(column, row))
        return put_literal(at, "null", 4);
    switch (type->kind) {
    case WR_STRING: {
        const struct wr_str *string = (const struct wr_str *)data + row;
        return put_string(at, wr_str_bytes(string), string->length);
    }
    case WR_INT64:
        if (json->int_as_string)
            return put_quoted(at, type, data, row);
        return wr_put_int64(at, ((const int64_t *)data)[row]);
    case WR_FLOAT64:
        if (!isfinite(((const double *)data)[row])) {
            json->base.nonfinite_count++;
            return put_literal(at, "null", 4);
        }
        return wr_cell_put(at, type, data, row);
    case WR_DECIMAL:
        if (!json->decimal_as_number)
            return put_quoted(at, type, data, row);
        return wr_cell_put(at, type, data, row);
    case WR_BOOL: return wr_cell_put(at, type, data, row);
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION: return put_quoted(at, type, data, row);
    case WR_BYTES: {
        const struct wr_str *bytes = (const struct wr_str *)data + row;
        *at++ = '"';
        at += wr_base64_encode(wr_str_bytes(bytes), bytes->length, at);
        *at++ = '"';
        return at;
    }
    default: {
        const struct wr_str *string = (const struct wr_str *)data + row;
        return put_json(at, wr_str_bytes(string), string->length);
    }
    }
}

static int json_encode(struct wr_encoder *encoder, const struct wr_batch *batch,
                       struct wr_buf *out) {
    struct json_encoder *json = (struct json_encoder *)encoder;
    const struct wr_schema *schema = batch->schema;
    size_t fixed = (size_t)schema->field_count * (WR_CELL_TEXT_MAX + 4) + json->keys_length + 16;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        if (wr_buf_reserve(out, fixed + 6 * wr_row_text_bytes(batch, row)) != WR_OK)
            return out->status;
        char *at = out->bytes + out->length;
        if (json->as_array)
            at = put_literal(at, json->rows_before ? ",\n" : "\n", json->rows_before ? 2 : 1);
        json->rows_before = 1;
        if (schema->field_count == 0)
            *at++ = '{';
        for (uint32_t column = 0; column < schema->field_count; column++) {
            at = put_literal(at, json->keys[column].text, json->keys[column].length);
            at = put_cell(json, at, &schema->fields[column].type, &batch->columns[column], row);
        }
        *at++ = '}';
        if (!json->as_array)
            *at++ = '\n';
        out->length = (size_t)(at - out->bytes);
    }
    if (out->bytes != NULL)
        out->bytes[out->length] = 0;
    return out->status;
}

static int json_begin(struct wr_encoder *encoder, struct wr_buf *out) {
    ((struct json_encoder *)encoder)->rows_before = 0;
    return wr_buf_add_char(out, '[');
}

static int json_end(struct wr_encoder *encoder, struct wr_buf *out) {
    (void)encoder;
    return wr_buf_add_text(out, "\n]\n");
}

const struct wr_encoder_type wr_ndjson_encoder = {
    .name = "ndjson",
    .size_bytes = sizeof(struct json_encoder),
    .open = json_open,
    .encode = json_encode,
    .close = json_close,
};

const struct wr_encoder_type wr_json_encoder = {
    .name = "json",
    .size_bytes = sizeof(struct json_encoder),
    .open = json_open,
    .begin = json_begin,
    .encode = json_encode,
    .end = json_end,
    .close = json_close,
};
