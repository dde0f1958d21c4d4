/* twin_numeric.c: decimal numbers of the twin: as text of digits, and in the binary form of the
 * server (`numeric_send`): groups of four digits. See twin_value.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "conn/postgres_type.h"
#include "sim/twin_value.h"
#include "base/banned.h"

#define DIGITS_MAX 400     /* of a number, on both sides of the point */
#define INT_DIGITS_MAX 18u /* that any int64 holds */
#define REAL_DIGITS_MAX 15u
#define GROUP 4
#define NEGATIVE 0x4000

/* Digits of a number without zeros at either end: 0.d1d2d3… * 10^point. */
struct digits {
    char all[DIGITS_MAX];
    int count, point, negative;
};

static void trim(struct digits *digits) {
    int first = 0;
    while (first < digits->count && digits->all[first] == '0')
        first++;
    memmove(digits->all, digits->all + first, (size_t)(digits->count - first));
    digits->count -= first;
    digits->point -= first;
    while (digits->count > 0 && digits->all[digits->count - 1] == '0')
        digits->count--;
    if (digits->count == 0)
        digits->point = digits->negative = 0;
}

/* "-12.50", "1e3". */
static int read_text(struct digits *digits, const char *text, size_t length) {
    size_t at = 0;
    int seen = 0, has_point = 0;
    *digits = (struct digits){0};
    if (at < length && (text[at] == '-' || text[at] == '+'))
        digits->negative = text[at++] == '-';
    for (; at < length && (isdigit((unsigned char)text[at]) || text[at] == '.'); at++) {
        if (text[at] == '.') {
            if (has_point++)
                return -1;
            continue;
        }
        seen = 1;
        digits->point += !has_point;
        if (digits->count == 0 && text[at] == '0' && has_point)
            digits->point--;
        else if (digits->count == 0 && text[at] == '0')
            digits->point = 0;
        else if (digits->count < DIGITS_MAX)
            digits->all[digits->count++] = text[at];
    }
    if (at < length && (text[at] == 'e' || text[at] == 'E')) {
        char *end = NULL, exponent[16];
        snprintf(exponent, sizeof exponent, "%.*s", (int)WR_MIN(length - at - 1, (size_t)15),
                 text + at + 1);
        digits->point += (int)strtol(exponent, &end, 10);
        if (end == exponent || *end != 0)
            return -1;
        at = length;
    }
    trim(digits);
    return seen && at == length && abs(digits->point) < DIGITS_MAX / 2 ? 0 : -1;
}

/* Digits without an exponent; `scale` -1: as many behind the point as there are. */
static void write_text(struct wr_buf *out, const struct digits *digits, int scale) {
    int fraction = WR_MAX(digits->count - digits->point, 0);
    if (digits->negative)
        wr_buf_add_char(out, '-');
    if (digits->point <= 0)
        wr_buf_add_char(out, '0');
    for (int i = 0; i < digits->point; i++)
        wr_buf_add_char(out, i < digits->count ? digits->all[i] : '0');
    fraction = scale >= 0 ? scale : fraction;
    if (fraction > 0)
        wr_buf_add_char(out, '.');
    for (int i = digits->point; i < digits->point + fraction; i++)
        wr_buf_add_char(out, i >= 0 && i < digits->count ? digits->all[i] : '0');
}

static int keep(struct twin_value *value, const struct digits *digits, struct wr_arena *arena) {
    char text[2 * DIGITS_MAX + 8];
    struct wr_buf out;
    wr_buf_init(&out, &wr_budget_control, 0);
    write_text(&out, digits, -1);
    size_t length = WR_MIN(out.length, sizeof text - 1);
    memcpy(text, out.bytes, length);
    text[length] = 0;
    wr_buf_release(&out);
    *value = (struct twin_value){.kind = TWIN_INT};
    if (digits->point >= digits->count && digits->point <= (int)INT_DIGITS_MAX) {
        value->number = strtoll(text, NULL, 10);
        return 0;
    }
    if (digits->count <= (int)REAL_DIGITS_MAX && digits->point > -4 && digits->point < 15) {
        value->kind = TWIN_REAL;
        value->real = strtod(text, NULL);
        return 0;
    }
    value->kind = TWIN_TEXT;
    value->bytes = wr_arena_strndup(arena, text, length);
    value->length = length;
    WR_ASSERT(value->bytes != NULL);
    return 0;
}

static void digits_of(struct digits *digits, const struct twin_value *value) {
    char text[64];
    int status = 0;
    if (value->kind == TWIN_TEXT) {
        status = read_text(digits, value->bytes, value->length);
    } else {
        if (value->kind == TWIN_REAL)
            snprintf(text, sizeof text, "%.15g", value->real);
        else
            snprintf(text, sizeof text, "%lld", (long long)value->number);
        status = read_text(digits, text, strlen(text));
    }
    WR_ASSERT(status == 0);
}

int twin_numeric_parse(struct twin_value *value, const char *text, size_t length,
                       struct wr_arena *arena) {
    struct digits digits;
    return read_text(&digits, text, length) == 0 ? keep(value, &digits, arena) : -1;
}

void twin_numeric_write(struct wr_buf *out, const struct twin_value *value, int scale) {
    struct digits digits;
    digits_of(&digits, value);
    write_text(out, &digits, scale);
}

static unsigned get16(const char *bytes) {
    return (unsigned)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1];
}

int twin_numeric_receive(struct twin_value *value, const char *bytes, size_t length,
                         struct wr_arena *arena) {
    struct digits digits = {0};
    if (length < 8 || length < 8 + 2 * (size_t)get16(bytes))
        return -1;
    int count = (int)get16(bytes), weight = (int16_t)get16(bytes + 2);
    digits.negative = get16(bytes + 4) == NEGATIVE;
    if (count * GROUP > DIGITS_MAX || (get16(bytes + 4) != 0 && !digits.negative))
        return -1;
    for (int i = 0; i < count; i++) {
        unsigned group = get16(bytes + 8 + 2 * i);
        for (unsigned unit = 1000; unit > 0; unit /= 10)
            digits.all[digits.count++] = (char)('0' + group / unit % 10);
    }
    digits.point = (weight + 1) * GROUP;
    trim(&digits);
    return keep(value, &digits, arena);
}

void twin_numeric_send(struct wr_buf *out, const struct twin_value *value) {
    struct digits digits;
    uint16_t groups[DIGITS_MAX / GROUP + 2];
    digits_of(&digits, value);
    /* The power of 10,000 of the first group, so that all its digits are in it. */
    int weight = digits.point > 0 ? (digits.point - 1) / GROUP : -((-digits.point) / GROUP) - 1;
    int count = 0, at = digits.point - (weight + 1) * GROUP;
    for (; at < digits.count && digits.count > 0; at += GROUP) {
        unsigned group = 0;
        for (int i = at; i < at + GROUP; i++)
            group = group * 10 + (i >= 0 && i < digits.count ? (unsigned)(digits.all[i] - '0') : 0);
        groups[count++] = (uint16_t)group;
    }
    wr_postgres_put16(out, (uint16_t)count);
    wr_postgres_put16(out, (uint16_t)(count == 0 ? 0 : weight));
    wr_postgres_put16(out, digits.negative ? NEGATIVE : 0);
    wr_postgres_put16(out, (uint16_t)WR_MAX(digits.count - digits.point, 0));
    for (int i = 0; i < count; i++)
        wr_postgres_put16(out, groups[i]);
}

/* Rounds half away from zero, as the server does. */
static void round_to(struct digits *digits, int scale) {
    int kept = digits->point + scale;
    if (kept >= digits->count)
        return;
    int up = kept >= 0 && digits->all[kept] >= '5';
    digits->count = WR_MAX(kept, 0);
    int i = digits->count - 1;
    for (; up && i >= 0 && digits->all[i] == '9'; i--)
        digits->all[i] = '0';
    if (up && i >= 0) {
        digits->all[i]++;
    } else if (up) {
        memmove(digits->all + 1, digits->all, (size_t)digits->count);
        digits->all[0] = '1';
        digits->count++;
        digits->point = WR_MAX(digits->point, -scale) + 1;
    }
    trim(digits);
}

int twin_numeric_fit(struct twin_value *value, int32_t modifier, struct wr_arena *arena,
                     struct twin_error *error) {
    struct digits digits;
    digits_of(&digits, value);
    if (modifier >= 4) {
        int precision = (modifier - 4) >> 16 & 0xffff;
        int scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
        round_to(&digits, scale);
        if (digits.count > 0 && digits.point > precision - scale)
            return twin_fail(error, "22003", "numeric field overflow");
    }
    return keep(value, &digits, arena);
}
