/* ndjson_encode.c: batches as NDJSON (a row a line) and as JSON (an array of rows). */
#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/codec_options.h"
#include "data/encode.h"
#include "data/json.h"
#include "data/json_text.h"
#include "data/text.h"
#include "data/time_write.h"
#include "base/banned.h"

/* A column and what stands before its value. */
struct json_column {
    _Alignas(32) char key[32]; /* `,"name":`, or its first bytes; the first column's has `{` */
    const char *key_text;      /* all of it */
    uint32_t key_length;
    enum wr_type_kind kind;
    const struct wr_type *type;
    const void *data; /* of this batch; NULL: all nil */
    const uint64_t *valid;
};

struct json_encoder {
    struct wr_encoder base; /* first, so that the runtime's pointer is ours */
    int int_as_string, decimal_as_number;
    uint8_t as_array, rows_before; /* the `json` format; a row has been written */
    struct wr_arena arena;
    struct json_column *columns;
    uint32_t *texts; /* the columns of text types */
    uint32_t text_count;
    size_t fixed_bytes; /* that a row needs besides its texts */
    struct wr_day_memo memo;
};

#define COPY_SLACK 64 /* bytes that a fixed-size copy may write too much */

static void json_close(struct wr_encoder *encoder) {
    wr_arena_release(&((struct json_encoder *)encoder)->arena);
}

static int column_open(struct json_encoder *json, uint32_t index, struct wr_buf *buf) {
    const struct wr_field *field = &json->base.schema->fields[index];
    struct json_column *column = &json->columns[index];
    wr_buf_clear(buf);
    wr_buf_add_char(buf, index == 0 ? '{' : ',');
    wr_json_add_string(buf, field->name, field->name_length);
    int status = wr_buf_add_char(buf, ':');
    if (status != WR_OK)
        return status;
    column->key_text = wr_arena_strndup(&json->arena, buf->bytes, buf->length);
    column->key_length = (uint32_t)buf->length;
    memcpy(column->key, buf->bytes, WR_MIN(buf->length, sizeof column->key));
    column->type = &field->type;
    column->kind = field->type.kind;
    if (wr_type_is_text(column->kind))
        json->texts[json->text_count++] = index;
    json->fixed_bytes += buf->length + WR_CELL_TEXT_MAX + 4;
    return column->key_text == NULL ? WR_ENOMEM : WR_OK;
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
    char *columns = wr_arena_alloc_zero(&json->arena, sizeof(struct json_column) * count + 256);
    json->columns = (struct json_column *)columns;
    json->texts = WR_ARENA_ARRAY(&json->arena, uint32_t, count);
    json->fixed_bytes = 16 + COPY_SLACK;
    status = columns == NULL || json->texts == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        status = column_open(json, i, &buf);
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

/* Not 0 when one of eight bytes needs an escape or is above 0x7f. */
static inline uint64_t has_special(uint64_t bytes) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = bytes ^ ones * '"', slash = bytes ^ ones * '\\';
    return (bytes | (bytes - ones * 0x20) | (quote - ones) | (slash - ones)) & ones * 0x80;
}

#ifdef __SSE2__
/* The same by 16 bytes, of which there are that many. */
static inline int copy_plain_16(char *at, const char *text, size_t length) {
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    __m128i special = _mm_setzero_si128();
    for (size_t done = 0;; done = done + 32 <= length ? done + 16 : length - 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(text + done));
        _mm_storeu_si128((__m128i *)(at + done), bytes);
        special = _mm_or_si128(special, bytes); /* the top bit: above 0x7f */
        special = _mm_or_si128(special, _mm_cmpeq_epi8(bytes, quote));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(bytes, slash));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        if (done + 16 == length)
            return _mm_movemask_epi8(special) == 0;
    }
}
#endif

/* Copies `length` bytes, none beyond either end; 0 when one of them is special. */
static inline int copy_plain(char *at, const char *text, size_t length) {
    uint64_t first, last, special = 0;
    uint32_t head, tail;
    if (length >= 8) {
        size_t done = 0;
#ifdef __SSE2__
        if (length >= 16)
            return copy_plain_16(at, text, length);
#endif
        for (; done + 8 <= length; done += 8) {
            memcpy(&first, text + done, 8);
            memcpy(at + done, &first, 8);
            special |= has_special(first);
        }
        memcpy(&last, text + length - 8, 8);
        memcpy(at + length - 8, &last, 8);
        return (special | has_special(last)) == 0;
    }
    if (length >= 4) {
        memcpy(&head, text, 4);
        memcpy(&tail, text + length - 4, 4);
        memcpy(at, &head, 4);
        memcpy(at + length - 4, &tail, 4);
        return has_special(head | (uint64_t)tail << 32) == 0;
    }
    for (size_t i = 0; i < length; i++) {
        at[i] = text[i];
        special |= has_special((unsigned char)text[i] | UINT64_C(0x2323232323232300));
    }
    return special == 0;
}

static __attribute__((noinline)) char *put_string_slow(char *at, const char *text, size_t length) {
    const char *end = text + length;
    if (wr_utf8_valid_prefix(text, length) == length) {
        for (;;) {
            const char *plain = wr_json_plain_end(text, end);
            at = put_literal(at, text, (size_t)(plain - text));
            if (plain == end)
                return at;
            at += wr_json_put_escape((unsigned char)*plain, at);
            text = plain + 1;
        }
    }
    while (text < end) { /* a function made bytes of it: what cannot stand becomes U+FFFD */
        size_t valid = wr_utf8_valid_prefix(text, (size_t)(end - text));
        if (valid > 0) {
            at = put_string_slow(at, text, valid);
            text += valid;
        } else {
            at = put_literal(at, "\xef\xbf\xbd", 3);
            text++;
        }
    }
    return at;
}

/* A string in quotes; at most 6 * length + 2 bytes. */
static inline char *put_string(char *at, const char *text, size_t length) {
    *at++ = '"';
    if (WR_LIKELY(copy_plain(at, text, length)))
        at += length;
    else
        at = put_string_slow(at, text, length);
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

/* A cell of a kind without a case of its own below. */
static char *put_other(struct json_encoder *json, char *at, const struct json_column *column,
                       uint32_t row) {
    const struct wr_str *string = (const struct wr_str *)column->data + row;
    switch (column->kind) {
    case WR_FLOAT64: json->base.nonfinite_count++; return put_literal(at, "null", 4);
    case WR_DECIMAL:
        if (json->decimal_as_number)
            return wr_cell_put(at, column->type, column->data, row);
        return put_quoted(at, column->type, column->data, row);
    case WR_BOOL: return wr_cell_put(at, column->type, column->data, row);
    case WR_INT64:
    case WR_DATE:
    case WR_DURATION: return put_quoted(at, column->type, column->data, row);
    case WR_BYTES:
        *at++ = '"';
        at += wr_base64_encode(wr_str_bytes(string), string->length, at);
        *at++ = '"';
        return at;
    default: return put_json(at, wr_str_bytes(string), string->length);
    }
}

static inline char *put_cell(struct json_encoder *json, char *at, const struct json_column *column,
                             uint32_t row) {
    if (column->valid != NULL && !wr_bit_get(column->valid, row))
        return put_literal(at, "null", 4);
    switch (column->kind) {
    case WR_STRING: {
        const struct wr_str *string = (const struct wr_str *)column->data + row;
        return put_string(at, wr_str_bytes(string), string->length);
    }
    case WR_INT64:
        if (WR_UNLIKELY(json->int_as_string))
            break;
        return wr_put_int64(at, ((const int64_t *)column->data)[row]);
    case WR_FLOAT64:
        if (WR_UNLIKELY(!isfinite(((const double *)column->data)[row])))
            break;
        return at + wr_float64_format(((const double *)column->data)[row], at);
    case WR_TIMESTAMP:
        *at++ = '"';
        at = wr_put_timestamp(&json->memo, at, ((const int64_t *)column->data)[row]);
        *at++ = '"';
        return at;
    default: break;
    }
    return put_other(json, at, column, row);
}

static inline char *put_key(char *at, const struct json_column *column) {
    if (WR_LIKELY(column->key_length <= sizeof column->key))
        memcpy(at, column->key, sizeof column->key);
    else
        memcpy(at, column->key_text, column->key_length);
    return at + column->key_length;
}

/* Bytes that a row may take at most. */
static inline size_t row_bytes_max(const struct json_encoder *json, uint32_t row) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < json->text_count; i++) {
        const struct json_column *column = &json->columns[json->texts[i]];
        if (column->data != NULL && (column->valid == NULL || wr_bit_get(column->valid, row)))
            bytes += ((const struct wr_str *)column->data)[row].length;
    }
    return json->fixed_bytes + 6 * bytes;
}

static int json_encode(struct wr_encoder *encoder, const struct wr_batch *batch,
                       struct wr_buf *out) {
    static const uint64_t all_nil[WR_BITS_WORDS(WR_BATCH_ROWS_MAX)];
    struct json_encoder *json = (struct json_encoder *)encoder;
    uint32_t column_count = batch->schema->field_count;
    for (uint32_t i = 0; i < column_count; i++) {
        json->columns[i].data = batch->columns[i].data;
        json->columns[i].valid = batch->columns[i].data == NULL ? all_nil : batch->columns[i].valid;
    }
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        if (wr_buf_reserve(out, row_bytes_max(json, row)) != WR_OK)
            return out->status;
        char *at = out->bytes + out->length;
        if (json->as_array)
            at = put_literal(at, json->rows_before ? ",\n" : "\n", json->rows_before ? 2 : 1);
        json->rows_before = 1;
        if (column_count == 0)
            *at++ = '{';
        for (uint32_t column = 0; column < column_count; column++) {
            at = put_key(at, &json->columns[column]);
            at = put_cell(json, at, &json->columns[column], row);
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
