/* text.c: numbers as text. UTF-8 is in utf8.c. */
#include "data/text.h"

#include <math.h>
#include <string.h>

#include "data/digits.h"
#include "data/float_text.h"
#include "data/type.h"
#include "base/banned.h"

int wr_int64_parse(const char *text, size_t length, int64_t *value) {
    size_t at = length > 0 && (text[0] == '-' || text[0] == '+');
    int negative = at == 1 && text[0] == '-';
    if (at == length)
        return 0;
    uint64_t limit = negative ? UINT64_C(1) << 63 : INT64_MAX, sum = 0;
    for (; at < length; at++) {
        unsigned digit = (unsigned char)text[at] - (unsigned)'0';
        if (digit > 9 || sum > limit / 10 || sum * 10 > limit - digit)
            return 0;
        sum = sum * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return 1;
}

#define EXPONENT_MAX 1000000 /* of a number's text; beyond it every double is 0 or infinite */

/* A decimal number taken apart: sign, up to 19 digits as an integer, and the power of ten. */
struct parts {
    int negative, dropped; /* dropped: digits behind the 19th that are not 0 */
    uint64_t digits;
    int64_t exponent;
};

static const char *scan_digits(const char *at, const char *end, struct parts *parts, int fraction,
                               size_t *count) {
    for (; at < end && (unsigned)(*at - '0') <= 9; at++) {
        unsigned digit = (unsigned)(*at - '0');
        (*count)++;
        if (parts->digits <= (UINT64_MAX - 9) / 10) {
            parts->digits = parts->digits * 10 + digit;
            parts->exponent -= fraction;
        } else {
            parts->dropped |= digit != 0;
            parts->exponent += !fraction;
        }
    }
    return at;
}

/* Takes the whole text apart; 0 when it is no number. `*body` skips a leading `+`. */
static int scan_number(const char *text, size_t length, struct parts *parts, const char **body) {
    const char *at = text, *end = text + length;
    size_t count = 0;
    *parts = (struct parts){0};
    *body = text;
    if (at < end && (*at == '-' || *at == '+')) {
        parts->negative = *at == '-';
        *body += *at == '+';
        at++;
    }
    at = scan_digits(at, end, parts, 0, &count);
    if (at < end && *at == '.')
        at = scan_digits(at + 1, end, parts, 1, &count);
    if (count == 0)
        return 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        int64_t exponent = 0;
        int negative = 0;
        at++;
        if (at < end && (*at == '-' || *at == '+'))
            negative = *at++ == '-';
        if (at == end)
            return 0;
        for (; at < end && (unsigned)(*at - '0') <= 9; at++)
            exponent = exponent > EXPONENT_MAX ? exponent : exponent * 10 + (*at - '0');
        parts->exponent += negative ? -exponent : exponent;
    }
    return at == end;
}

static int special_parse(const char *text, size_t length, double *value) {
    static const struct {
        const char *name;
        double value;
    } specials[] = {{"nan", NAN}, {"inf", INFINITY}, {"infinity", INFINITY}};
    size_t sign = length > 0 && (text[0] == '-' || text[0] == '+');
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        const char *name = specials[i].name;
        if (strlen(name) != length - sign || strncasecmp(text + sign, name, length - sign) != 0)
            continue;
        *value = sign == 1 && text[0] == '-' && i > 0 ? -specials[i].value : specials[i].value;
        return 1;
    }
    return 0;
}

/* Source of the exact case: Clinger, "How to read floating point numbers accurately", 1990. */
int wr_float64_parse(const char *text, size_t length, int specials, double *value) {
    struct parts parts;
    const char *body;
    if (!scan_number(text, length, &parts, &body))
        return specials && special_parse(text, length, value);
    double read;
    if (parts.digits == 0) {
        read = 0;
    } else if (!parts.dropped && parts.digits <= UINT64_C(1) << 53 && parts.exponent >= -22 &&
               parts.exponent <= 22) {
        read = (double)parts.digits;
        read = parts.exponent < 0 ? read / wr_pow10_double[-parts.exponent]
                                  : read * wr_pow10_double[parts.exponent];
    } else {
        int kind = wr_float64_read(body, (size_t)(text + length - body), value);
        if (kind != WR_FLOAT_RANGE)
            return kind == WR_FLOAT_OK;
        if (parts.exponent > 0) /* at least 19 digits or a large power: beyond the largest */
            return 0;
        read = 0;
    }
    *value = parts.negative ? -read : read;
    return 1;
}

const double wr_pow10_double[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Digits with a point, `scale` of them behind it: exact, or it fails. */
int wr_decimal_parse(const char *text, size_t length, uint8_t precision, uint8_t scale,
                     __int128 *value) {
    struct parts parts;
    const char *body, *end = text + length;
    if (!scan_number(text, length, &parts, &body))
        return 0;
    if (precision == 0)
        precision = WR_DECIMAL_DIGITS_MAX;
    /* Once more over the digits, since there may be 38. The power of ten of the last digit read is
     * -(digits behind the point) + exponent; it has to become -scale. */
    unsigned __int128 sum = 0, limit = 1;
    for (int i = 0; i < precision; i++)
        limit *= 10;
    int64_t behind = 0, exponent = 0;
    int point = 0;
    const char *at = body + (body < end && *body == '-');
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            point = 1;
            continue;
        }
        behind += point;
        if (sum >= limit / 10) { /* full: only zeros may follow, and they are taken off */
            if (*at != '0')
                return 0;
            behind--;
            continue;
        }
        sum = sum * 10 + (unsigned)(*at - '0');
    }
    if (at < end) {
        int negative = *++at == '-';
        for (at += *at == '-' || *at == '+'; at < end; at++)
            exponent = exponent > EXPONENT_MAX ? exponent : exponent * 10 + (*at - '0');
        exponent = negative ? -exponent : exponent;
    }
    int64_t shift = exponent - behind + scale;
    if (sum == 0)
        shift = 0;
    for (; shift < 0; shift++, sum /= 10)
        if (sum % 10 != 0)
            return 0;
    for (; shift > 0; shift--) {
        if (sum >= limit)
            return 0;
        sum *= 10;
    }
    if (sum >= limit)
        return 0;
    *value = parts.negative ? -(__int128)sum : (__int128)sum;
    return 1;
}

const uint64_t wr_pow10_u64[20] = {UINT64_C(1),
                                   UINT64_C(10),
                                   UINT64_C(100),
                                   UINT64_C(1000),
                                   UINT64_C(10000),
                                   UINT64_C(100000),
                                   UINT64_C(1000000),
                                   UINT64_C(10000000),
                                   UINT64_C(100000000),
                                   UINT64_C(1000000000),
                                   UINT64_C(10000000000),
                                   UINT64_C(100000000000),
                                   UINT64_C(1000000000000),
                                   UINT64_C(10000000000000),
                                   UINT64_C(100000000000000),
                                   UINT64_C(1000000000000000),
                                   UINT64_C(10000000000000000),
                                   UINT64_C(100000000000000000),
                                   UINT64_C(1000000000000000000),
                                   UINT64_C(10000000000000000000)};

const char wr_digit_pairs[200] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

size_t wr_int64_format(int64_t value, char *text) {
    return (size_t)(wr_put_int64(text, value) - text);
}

/* Lays out digits d.ddd x 10^exponent as people write them: plain from 1e-4 up to below 1e16,
 * else with an exponent of at least two digits. */
static size_t float_layout(const char *digits, size_t count, int exponent, char *text) {
    char *at = text;
    if (exponent >= 16 || exponent < -4) {
        *at++ = digits[0];
        if (count > 1) {
            *at++ = '.';
            memcpy(at, digits + 1, count - 1);
            at += count - 1;
        }
        *at++ = 'e';
        *at++ = exponent < 0 ? '-' : '+';
        unsigned magnitude = (unsigned)(exponent < 0 ? -exponent : exponent);
        if (magnitude >= 100)
            *at++ = (char)('0' + magnitude / 100);
        memcpy(at, wr_digit_pairs + magnitude % 100 * 2, 2);
        return (size_t)(at + 2 - text);
    }
    if (exponent < 0) {
        memcpy(at, "0.000", 5);
        at += 1 - exponent;
        memcpy(at, digits, count);
        return (size_t)(at + count - text);
    }
    size_t whole = (size_t)exponent + 1;
    for (size_t i = 0; i < whole; i++)
        *at++ = i < count ? digits[i] : '0';
    *at++ = '.';
    if (count <= whole) {
        *at++ = '0';
    } else {
        memcpy(at, digits + whole, count - whole);
        at += count - whole;
    }
    return (size_t)(at - text);
}

/* Prices and the like, at most 15 digits with 0 to 4 behind the point. Two decimals of up to 15
 * digits never are the same double, so the one found is the shortest. Returns 0 when not such. */
static size_t float_format_short(double magnitude, char *text) {
    static const double scales[] = {1e0, 1e1, 1e2, 1e3, 1e4};
    if (!(magnitude < 1e11) || magnitude < 1e-3)
        return 0;
    for (unsigned i = 0; i < 5; i++) {
        uint64_t scaled = (uint64_t)(magnitude * scales[i] + 0.5);
        if ((double)scaled / scales[i] != magnitude)
            continue;
        uint64_t power = (uint64_t)scales[i];
        char *at = wr_put_u64(text, scaled / power);
        *at++ = '.';
        if (i == 0) {
            *at++ = '0';
            return (size_t)(at - text);
        }
        uint64_t rest = scaled % power;
        for (unsigned digit = i; digit-- > 0; rest /= 10)
            at[digit] = (char)('0' + rest % 10);
        return (size_t)(at + i - text);
    }
    return 0;
}

size_t wr_float64_format(double value, char *text) {
    if (isnan(value)) {
        memcpy(text, "nan", 3);
        return 3;
    }
    size_t sign = signbit(value) != 0;
    text[0] = '-';
    text += sign;
    double magnitude = fabs(value);
    if (isinf(value)) {
        memcpy(text, "inf", 3);
        return sign + 3;
    }
    if (magnitude == 0) {
        memcpy(text, "0.0", 3);
        return sign + 3;
    }
    size_t length = float_format_short(magnitude, text);
    if (length > 0)
        return sign + length;
    char raw[WR_FLOAT_DIGITS_MAX], digits[WR_FLOAT_DIGITS_MAX];
    size_t raw_length = wr_float64_digits(magnitude, raw), count = 0, at = 0;
    for (; raw[at] != 'e'; at++)
        if (raw[at] != '.')
            digits[count++] = raw[at];
    int exponent = 0, negative = raw[at + 1] == '-';
    for (at += 2; at < raw_length; at++)
        exponent = exponent * 10 + (raw[at] - '0');
    return sign + float_layout(digits, count, negative ? -exponent : exponent, text);
}

size_t wr_decimal_format(__int128 value, uint8_t scale, char *text) {
    char digits[WR_NUMBER_TEXT_MAX];
    size_t count = 0;
    unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    for (; rest != 0 || count <= scale; rest /= 10) /* lowest first; one digit before the point */
        digits[count++] = (char)('0' + (int)(rest % 10));
    char *at = text;
    if (value < 0)
        *at++ = '-';
    while (count > 0) {
        *at++ = digits[--count];
        if (count == scale && scale > 0)
            *at++ = '.';
    }
    return (size_t)(at - text);
}
