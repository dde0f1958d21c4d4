#include "data/show.h"

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/text.h"
#include "base/banned.h"

/* Ranges of Unicode 15 in short: what terminals agree about. */
static const struct range {
    uint32_t first, last;
    uint8_t width;
} ranges[] = {
    {0x0300, 0x036f, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05bd, 0},   {0x0610, 0x061a, 0},
    {0x064b, 0x065f, 0},   {0x0900, 0x0902, 0},   {0x093a, 0x093a, 0},   {0x0941, 0x0948, 0},
    {0x1100, 0x115f, 2},   {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},   {0x200b, 0x200f, 0},
    {0x20d0, 0x20ff, 0},   {0x231a, 0x231b, 2},   {0x2e80, 0x303e, 2},   {0x3041, 0x33ff, 2},
    {0x3400, 0x4dbf, 2},   {0x4e00, 0x9fff, 2},   {0xa000, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},
    {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},   {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},
    {0xfeff, 0xfeff, 0},   {0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2},
    {0x1f680, 0x1f6ff, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2}, {0xe0100, 0xe01ef, 0},
};

static uint32_t code_point_width(uint32_t code_point) {
    if (code_point < ranges[0].first)
        return 1;
    size_t low = 0, high = WR_COUNT(ranges);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code_point > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < WR_COUNT(ranges) && code_point >= ranges[low].first ? ranges[low].width : 1;
}

/* The bytes of the character at `text`, and its code point; 0 when it is not valid. */
static size_t character(const char *text, size_t length, uint32_t *code_point) {
    size_t size = (unsigned char)*text < 0x80   ? 1
                  : (unsigned char)*text < 0xe0 ? 2
                  : (unsigned char)*text < 0xf0 ? 3
                                                : 4;
    if (size > length || wr_utf8_valid_prefix(text, size) < size)
        return 0;
    uint32_t value = (unsigned char)*text & (size == 1 ? 0x7fu : 0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++)
        value = value << 6 | ((unsigned char)text[i] & 0x3f);
    *code_point = value;
    return size;
}

uint32_t wr_show_width(const char *text, size_t length) {
    uint32_t width = 0, code_point = 0;
    for (size_t at = 0; at < length;) {
        size_t size = character(text + at, length - at, &code_point);
        width += size == 0 ? 1 : code_point_width(code_point);
        at += WR_MAX(size, 1);
    }
    return width;
}

/* What is shown for the character at `text`; its bytes are `size` there. */
static size_t shown(const char *text, size_t length, char out[8], uint32_t *width, size_t *size) {
    static const char digits[] = "0123456789abcdef";
    static const char names[] = {['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r'};
    uint32_t code_point = 0;
    *size = character(text, length, &code_point);
    if (*size == 0) {
        *size = 1;
        *width = 1;
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
    }
    if (code_point >= 0x20 && code_point != 0x7f && !(code_point >= 0x80 && code_point < 0xa0)) {
        *width = code_point_width(code_point);
        memcpy(out, text, *size);
        return *size;
    }
    out[0] = '\\';
    if (code_point < sizeof names && names[code_point] != 0) {
        out[1] = names[code_point];
        return *width = 2;
    }
    out[1] = 'x';
    out[2] = digits[code_point >> 4 & 15];
    out[3] = digits[code_point & 15];
    return *width = 4;
}

uint32_t wr_show_text(struct wr_buf *out, const char *text, size_t length, uint32_t width_max) {
    uint32_t width = 0;
    size_t cut = out->length; /* where the text is cut when it turns out too wide … */
    uint32_t cut_width = 0;   /* … with a column left for the `…` */
    for (size_t at = 0, size; at < length; at += size) {
        char bytes[8];
        uint32_t more;
        size_t count = shown(text + at, length - at, bytes, &more, &size);
        if (width + more > width_max) {
            out->length = cut;
            wr_buf_add_text(out, "…");
            return cut_width + 1;
        }
        wr_buf_add(out, bytes, count);
        width += more;
        if (width + 1 <= width_max) {
            cut = out->length;
            cut_width = width;
        }
    }
    return width;
}

int wr_show_cell(struct wr_buf *out, const struct wr_batch *batch, uint32_t column, uint32_t row) {
    const struct wr_column *data = &batch->columns[column];
    if (data->data == NULL || wr_column_is_nil(data, row))
        return wr_buf_add_text(out, "nil");
    return wr_value_show(out, &batch->schema->fields[column].type, data, row);
}
