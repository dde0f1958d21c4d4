/* csv_encode.c: batches as CSV and TSV. A field is quoted only when it has to be. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/csv.h"
#include "data/encode.h"
#include "data/text.h"
#include "data/time_write.h"
#include "base/banned.h"

/* Room for a byte of text: the three of U+FFFD, and three more while a mended text is quoted. */
#define TEXT_FACTOR 6

struct csv_encoder {
    struct wr_encoder base; /* first, so that the runtime's pointer is ours */
    struct wr_csv_options options;
    const char *null;
    uint32_t null_length;
    char special[256];     /* bytes for which a field is quoted: 1, or looked at again: 2 */
    uint8_t numbers_plain; /* no number or time ever has one, nor is the null text */
    struct wr_day_memo memo;
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
    memset(csv->special + 0x80, 2, 0x80);
    csv->special[(unsigned char)csv->options.delimiter] = 1;
    csv->special['\n'] = csv->special['\r'] = 1;
    csv->numbers_plain = csv->null_length == 0 && strchr(",;|\t", csv->options.delimiter) != NULL &&
                         (csv->options.quote == '"' || csv->options.quote < 0);
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

/* Copies `length` bytes, none beyond either end; 0 when one of them is special: then the field may
 * have to be quoted, or is not all ASCII. */
static inline int copy_plain(const struct csv_encoder *csv, char *at, const char *text,
                             size_t length) {
    int special = 0;
#ifdef __SSE2__
    if (length >= 16) {
        const __m128i delimiter = _mm_set1_epi8((char)csv->options.delimiter);
        const __m128i quote =
            _mm_set1_epi8(csv->options.quote < 0 ? '\n' : (char)csv->options.quote);
        const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
        __m128i found = _mm_setzero_si128();
        for (size_t done = 0;; done = done + 32 <= length ? done + 16 : length - 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(text + done));
            _mm_storeu_si128((__m128i *)(at + done), bytes);
            found = _mm_or_si128(found, bytes); /* the top bit: above 0x7f */
            found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, delimiter));
            found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, quote));
            found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, lf));
            found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, cr));
            if (done + 16 == length)
                return _mm_movemask_epi8(found) == 0;
        }
    }
#endif
    for (size_t i = 0; i < length; i++) {
        at[i] = text[i];
        special |= csv->special[(unsigned char)text[i]];
    }
    return !special;
}

#define MARK "\xef\xbb\xbf" /* the byte order mark: a reader drops it where a file begins */

/* What was written first, from `from` on. Where it begins with a mark, a second one goes in front,
 * which is the reader's. A text in quotes does not begin with one. */
static __attribute__((noinline)) int first_written(struct wr_encoder *encoder, struct wr_buf *out,
                                                   size_t from) {
    encoder->at_start = 0;
    if (out->length - from < 3 || memcmp(out->bytes + from, MARK, 3) != 0)
        return WR_OK;
    if (wr_buf_reserve(out, 4) != WR_OK)
        return out->status;
    memmove(out->bytes + from + 3, out->bytes + from, out->length - from);
    out->length += 3;
    return WR_OK;
}

static int has_to_be_quoted(const struct csv_encoder *csv, const char *text, size_t length) {
    if (length == csv->null_length && memcmp(text, csv->null, length) == 0)
        return 1;
    if (length >= 3 && memcmp(text, MARK, 3) == 0)
        return 1;
    for (size_t i = 0; i < length; i++)
        if (csv->special[(unsigned char)text[i]] == 1)
            return 1;
    return length == 0;
}

/* A text that is not plain: in quotes. Without a quote character a special byte is written as a
 * blank, since nothing else would read back as one field. */
static __attribute__((noinline)) char *put_quoted(const struct csv_encoder *csv, char *at,
                                                  const char *text, size_t length) {
    int quote = csv->options.quote;
    if (quote < 0) {
        for (size_t i = 0; i < length; i++)
            *at++ = csv->special[(unsigned char)text[i]] == 1 ? ' ' : text[i];
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

/* A text that may have to be quoted or mended. */
static __attribute__((noinline)) char *put_slow(const struct csv_encoder *csv, char *at,
                                                const char *text, size_t length) {
    if (wr_utf8_valid_prefix(text, length) == length) {
        if (has_to_be_quoted(csv, text, length))
            return put_quoted(csv, at, text, length);
        memcpy(at, text, length);
        return at + length;
    }
    /* Mended at the end of the room, so that quoting can read it from there. */
    size_t mended = wr_utf8_mend(text, length, at + 3 * length + 2);
    text = at + 3 * length + 2;
    if (has_to_be_quoted(csv, text, mended))
        return put_quoted(csv, at, text, mended);
    memmove(at, text, mended);
    return at + mended;
}

/* A text value; at most TEXT_FACTOR * length + 2 bytes, what is used on the way included. The empty
 * one and the null text are quoted. */
static inline char *put_text(const struct csv_encoder *csv, char *at, const char *text,
                             size_t length) {
    if (WR_LIKELY(copy_plain(csv, at, text, length)) &&
        WR_LIKELY(length != csv->null_length || memcmp(text, csv->null, length) != 0) &&
        WR_LIKELY(length > 0))
        return at + length;
    return put_slow(csv, at, text, length);
}

static int csv_begin(struct wr_encoder *encoder, struct wr_buf *out) {
    const struct csv_encoder *csv = (const struct csv_encoder *)encoder;
    size_t from = out->length;
    if (!csv->options.header)
        return WR_OK;
    for (uint32_t i = 0; i < encoder->schema->field_count; i++) {
        const struct wr_field *field = &encoder->schema->fields[i];
        if (wr_buf_reserve(out, TEXT_FACTOR * (size_t)field->name_length + 4) != WR_OK)
            return out->status;
        char *at = out->bytes + out->length;
        if (i > 0)
            *at++ = (char)csv->options.delimiter;
        out->length = (size_t)(put_text(csv, at, field->name, field->name_length) - out->bytes);
    }
    if (encoder->at_start && first_written(encoder, out, from) != WR_OK)
        return out->status;
    return wr_buf_add_char(out, '\n');
}

/* A cell that is no string and no common number. */
static __attribute__((noinline)) char *put_other(const struct csv_encoder *csv, char *at,
                                                 const struct wr_type *type,
                                                 const struct wr_column *column, uint32_t row) {
    if (type->kind == WR_BYTES) {
        const struct wr_str *bytes = &WR_STR(column)[row];
        if (bytes->length == 0)
            return put_text(csv, at, "", 0);
        return at + wr_base64_encode(wr_str_bytes(bytes), bytes->length, at);
    }
    char copy[WR_CELL_TEXT_MAX];
    size_t length = (size_t)(wr_cell_put(copy, type, column->data, row) - copy);
    return put_text(csv, at, copy, length);
}

static inline char *put_cell(struct csv_encoder *csv, char *at, const struct wr_type *type,
                             const struct wr_column *column, uint32_t row) {
    if (column->data == NULL || wr_column_is_nil(column, row)) {
        memcpy(at, csv->null, csv->null_length);
        return at + csv->null_length;
    }
    if (wr_type_is_text(type->kind) && type->kind != WR_BYTES) {
        const struct wr_str *string = &WR_STR(column)[row];
        return put_text(csv, at, wr_str_bytes(string), string->length);
    }
    if (WR_LIKELY(csv->numbers_plain)) {
        if (type->kind == WR_INT64)
            return wr_put_int64(at, WR_I64(column)[row]);
        if (type->kind == WR_TIMESTAMP)
            return wr_put_timestamp(&csv->memo, at, WR_I64(column)[row]);
        if (type->kind == WR_FLOAT64)
            return at + wr_float64_format(WR_F64(column)[row], at);
    }
    return put_other(csv, at, type, column, row);
}

static int csv_encode(struct wr_encoder *encoder, const struct wr_batch *batch,
                      struct wr_buf *out) {
    struct csv_encoder *csv = (struct csv_encoder *)encoder;
    const struct wr_schema *schema = batch->schema;
    size_t fixed = (size_t)schema->field_count * (2 * WR_CELL_TEXT_MAX + 4 + csv->null_length) + 8;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        if (wr_buf_reserve(out, fixed + TEXT_FACTOR * wr_row_text_bytes(batch, row)) != WR_OK)
            return out->status;
        char *at = out->bytes + out->length;
        for (uint32_t column = 0; column < schema->field_count; column++) {
            if (column > 0)
                *at++ = (char)csv->options.delimiter;
            at = put_cell(csv, at, &schema->fields[column].type, &batch->columns[column], row);
        }
        *at++ = '\n';
        size_t from = out->length;
        out->length = (size_t)(at - out->bytes);
        if (WR_UNLIKELY(encoder->at_start) && !csv->options.header &&
            first_written(encoder, out, from) != WR_OK)
            return out->status;
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
