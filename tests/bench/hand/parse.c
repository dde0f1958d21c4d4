/* parse.c: a bid from a line of NDJSON or CSV; see hand.h.
 *
 * The fast way expects the keys in their usual order, and falls back to reading the structure.
 * Strings are scanned 16 bytes at a time for what ends them or needs care. */
#include "hand.h"

#include <emmintrin.h>
#include <string.h>

#define NESTING_MAX 64

bool is_utf8(const char *text, size_t length) {
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    while (at < end) {
        if (*at < 0x80) {
            at++;
            continue;
        }
        int more = *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : 1;
        if (*at < 0xc2 || *at > 0xf4 || end - at <= more)
            return false;
        unsigned char low = *at == 0xe0 ? 0xa0 : *at == 0xf0 ? 0x90 : 0x80;
        unsigned char high = *at == 0xed ? 0x9f : *at == 0xf4 ? 0x8f : 0xbf;
        if (at[1] < low || at[1] > high)
            return false;
        for (int i = 2; i <= more; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        at += more + 1;
    }
    return true;
}

bool parse_int(const char **at, const char *end, int64_t *value) {
    const char *here = *at;
    bool negative = here < end && *here == '-';
    here += negative;
    const char *first = here;
    uint64_t sum = 0;
    while (here < end && (unsigned char)(*here - '0') < 10)
        sum = sum * 10 + (uint64_t)(*here++ - '0');
    if (here == first || here - first > 18 || (*first == '0' && here - first > 1))
        return false;
    *value = negative ? -(int64_t)sum : (int64_t)sum;
    *at = here;
    return true;
}

static bool two(const char *at, int max, int *value) {
    unsigned tens = (unsigned char)(at[0] - '0'), ones = (unsigned char)(at[1] - '0');
    *value = (int)(tens * 10 + ones);
    return tens < 10 && ones < 10 && *value <= max;
}

static bool parse_date(const char *at, int64_t *days) {
    static char last[10];
    static int64_t last_days;
    if (memcmp(at, last, 10) == 0) {
        *days = last_days;
        return true;
    }
    int century, year, month, day;
    if (!two(at, 99, &century) || !two(at + 2, 99, &year) || at[4] != '-' ||
        !two(at + 5, 12, &month) || at[7] != '-' || !two(at + 8, 31, &day) || month == 0 ||
        day == 0)
        return false;
    year += century * 100;
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && leap))
        return false;
    /* Days from civil: Hinnant, "chrono-compatible low-level date algorithms", 2013. */
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
    memcpy(last, at, 10);
    last_days = *days;
    return true;
}

bool parse_time(struct text text, int64_t *time_us) {
    const char *at = text.at;
    int64_t days;
    int hour, minute, second, fraction = 0, digits = (int)text.length - 21;
    if (text.length < 20 || !parse_date(at, &days) || (at[10] != 'T' && at[10] != ' ') ||
        !two(at + 11, 23, &hour) || at[13] != ':' || !two(at + 14, 59, &minute) || at[16] != ':' ||
        !two(at + 17, 59, &second) || at[text.length - 1] != 'Z')
        return false;
    if (text.length > 20) {
        if (at[19] != '.' || (digits != 3 && digits != 6))
            return false;
        for (int i = 0; i < digits; i++) {
            if ((unsigned char)(at[20 + i] - '0') > 9)
                return false;
            fraction = fraction * 10 + (at[20 + i] - '0');
        }
        fraction *= digits == 3 ? 1000 : 1;
    }
    *time_us = ((days * 86400) + hour * 3600 + minute * 60 + second) * 1000000 + fraction;
    return true;
}

char *put_time(char *out, int64_t time_us) {
    static int64_t last_days = INT64_MIN;
    static char date[11];
    int64_t days = time_us / 86400000000 - (time_us % 86400000000 < 0);
    int64_t rest = time_us - days * 86400000000;
    if (days != last_days) {
        int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
        int64_t doe = z - era * 146097;
        int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
        int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
        int64_t year = yoe + era * 400 + (month <= 2);
        int64_t parts[8] = {year / 1000 % 10, year / 100 % 10, year / 10 % 10, year % 10,
                            month / 10,       month % 10,      day / 10,       day % 10};
        for (int i = 0, k = 0; i < 8; i++) {
            if (i == 4 || i == 6)
                date[k++] = '-';
            date[k++] = (char)('0' + parts[i]);
        }
        last_days = days;
    }
    out = put_text(out, date, 10);
    int64_t seconds = rest / 1000000, fraction = rest % 1000000;
    int64_t values[3] = {seconds / 3600, seconds / 60 % 60, seconds % 60};
    for (int i = 0; i < 3; i++) {
        *out++ = i == 0 ? 'T' : ':';
        *out++ = (char)('0' + values[i] / 10);
        *out++ = (char)('0' + values[i] % 10);
    }
    int digits = fraction == 0 ? 0 : fraction % 1000 == 0 ? 3 : 6;
    if (digits > 0)
        *out++ = '.';
    for (int i = 0, unit = 100000; i < digits; i++, unit /= 10)
        *out++ = (char)('0' + fraction / unit % 10);
    *out++ = 'Z';
    return out;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static int hex(const char *at) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, int code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

/* Decodes the escape at `at` (behind the backslash); the end, or NULL. */
static const char *escape(const char *at, const char *end, char **out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (at < end && *at != 'u') {
        const char *found = memchr(from, *at, 8);
        if (found == NULL)
            return NULL;
        *(*out)++ = to[found - from];
        return at + 1;
    }
    int code = end - at >= 5 ? hex(at + 1) : -1;
    if (code < 0 || (code >= 0xdc00 && code < 0xe000))
        return NULL;
    at += 5;
    if (code >= 0xd800 && code < 0xdc00) {
        int low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex(at + 2) : -1;
        if (low < 0xdc00 || low >= 0xe000)
            return NULL;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
    }
    *out = put_utf8(*out, code);
    return at;
}

static const char *slow_string(struct bid *bid, const char *at, const char *end,
                               struct text *text) {
    char *start = bid->scratch + bid->scratch_used, *out = start;
    const char *limit = bid->scratch + sizeof bid->scratch - 8;
    while (at < end && *at != '"') {
        if (out >= limit || (unsigned char)*at < 0x20)
            return NULL;
        if (*at != '\\')
            *out++ = *at++;
        else if ((at = escape(at + 1, end, &out)) == NULL)
            return NULL;
    }
    if (at >= end || !is_utf8(start, (size_t)(out - start)))
        return NULL;
    *text = (struct text){start, (size_t)(out - start)};
    bid->scratch_used += text->length;
    return at + 1;
}

/* The string whose first byte is at `at`; behind its closing quote, or NULL. */
static inline const char *string(struct bid *bid, const char *at, const char *end,
                                 struct text *text) {
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  low = _mm_set1_epi8(0x1f);
    const char *start = at;
    int high = 0;
    for (;; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, low), bytes);
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(bytes, slash), control);
        int stops = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), special));
        int highs = _mm_movemask_epi8(bytes);
        if (stops == 0) {
            high |= highs;
            if (at >= end)
                return NULL;
            continue;
        }
        int first = __builtin_ctz((unsigned)stops);
        high |= highs & ((1 << first) - 1);
        at += first;
        break;
    }
    if (at >= end)
        return NULL;
    if (*at != '"')
        return slow_string(bid, start, end, text);
    *text = (struct text){start, (size_t)(at - start)};
    if (high != 0 && !is_utf8(start, text->length))
        return NULL;
    return at + 1;
}

#define EXPECT(literal) \
    if (memcmp(at, literal, sizeof(literal) - 1) != 0) \
        return false; \
    at += sizeof(literal) - 1

/* The seven keys in their usual order without blanks. */
static bool usual_bid(struct bid *bid, struct text line) {
    const char *at = line.at, *end = line.at + line.length;
    EXPECT("{\"auction\":");
    if (!parse_int(&at, end, &bid->auction))
        return false;
    EXPECT(",\"bidder\":");
    if (!parse_int(&at, end, &bid->bidder))
        return false;
    EXPECT(",\"price\":");
    if (!parse_int(&at, end, &bid->price))
        return false;
    EXPECT(",\"channel\":\"");
    if ((at = string(bid, at, end, &bid->channel)) == NULL)
        return false;
    EXPECT(",\"url\":\"");
    if ((at = string(bid, at, end, &bid->url)) == NULL)
        return false;
    EXPECT(",\"dateTime\":\"");
    if ((at = string(bid, at, end, &bid->time)) == NULL)
        return false;
    EXPECT(",\"extra\":\"");
    if ((at = string(bid, at, end, &bid->extra)) == NULL)
        return false;
    return end - at == 1 && *at == '}' && parse_time(bid->time, &bid->time_us);
}

static const char *blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

static const char *skip(struct bid *bid, const char *at, const char *end, int depth);

/* The members of an object or the items of an array that nobody asked for. */
static const char *skip_inside(struct bid *bid, const char *at, const char *end, int depth) {
    char close = *at == '{' ? '}' : ']';
    at = blanks(at + 1, end);
    if (at < end && *at == close)
        return at + 1;
    for (;;) {
        if (close == '}') {
            struct text name;
            if (at >= end || *at != '"' || (at = string(bid, at + 1, end, &name)) == NULL)
                return NULL;
            at = blanks(at, end);
            if (at >= end || *at++ != ':')
                return NULL;
        }
        if ((at = skip(bid, blanks(at, end), end, depth + 1)) == NULL)
            return NULL;
        at = blanks(at, end);
        if (at < end && *at == close)
            return at + 1;
        if (at >= end || *at++ != ',')
            return NULL;
        at = blanks(at, end);
    }
}

/* A value that nobody asked for; behind it, or NULL. */
static const char *skip(struct bid *bid, const char *at, const char *end, int depth) {
    if (at >= end || depth > NESTING_MAX)
        return NULL;
    if (*at == '"') {
        struct text text;
        return string(bid, at + 1, end, &text);
    }
    if (*at == '{' || *at == '[')
        return skip_inside(bid, at, end, depth);
    static const struct text words[3] = {{"true", 4}, {"false", 5}, {"null", 4}};
    for (int i = 0; i < 3; i++)
        if ((size_t)(end - at) >= words[i].length && memcmp(at, words[i].at, words[i].length) == 0)
            return at + words[i].length;
    const char *first = at;
    while (at < end && memchr("+-.0123456789eE", *at, 15) != NULL)
        at++;
    return at > first ? at : NULL;
}

/* Any order of keys, blanks, unknown keys; the last of two equal keys counts. */
static bool any_bid(struct bid *bid, struct text line) {
    static const struct text names[7] = {{"auction", 7}, {"bidder", 6}, {"price", 5},
                                         {"channel", 7}, {"url", 3},    {"dateTime", 8},
                                         {"extra", 5}};
    const char *end = line.at + line.length, *at = blanks(line.at, end);
    int64_t *numbers[3] = {&bid->auction, &bid->bidder, &bid->price};
    struct text *texts[4] = {&bid->channel, &bid->url, &bid->time, &bid->extra};
    unsigned found = 0;
    bid->scratch_used = 0;
    if (at >= end || *at++ != '{')
        return false;
    for (;;) {
        struct text name;
        at = blanks(at, end);
        if (at >= end || *at != '"' || (at = string(bid, at + 1, end, &name)) == NULL)
            return false;
        at = blanks(at, end);
        if (at >= end || *at++ != ':')
            return false;
        at = blanks(at, end);
        int which = 0;
        while (which < 7 && (names[which].length != name.length ||
                             memcmp(names[which].at, name.at, name.length) != 0))
            which++;
        if (which == 7)
            at = skip(bid, at, end, 0);
        else if (which < 3)
            at = parse_int(&at, end, numbers[which]) ? at : NULL;
        else
            at = at < end && *at == '"' ? string(bid, at + 1, end, texts[which - 3]) : NULL;
        if (at == NULL)
            return false;
        found |= 1u << which;
        at = blanks(at, end);
        if (at < end && *at == '}')
            break;
        if (at >= end || *at++ != ',')
            return false;
    }
    return blanks(at + 1, end) == end && (found & 127) == 127 &&
           parse_time(bid->time, &bid->time_us);
}

bool json_bid(struct bid *bid, struct text line) {
    bid->scratch_used = 0;
    return usual_bid(bid, line) || any_bid(bid, line);
}

/* ---- CSV ----------------------------------------------------------------------------------- */

/* A field up to the comma or the end; its end, or NULL. */
static const char *csv_field(struct bid *bid, const char *at, const char *end, struct text *text) {
    if (at < end && *at == '"') {
        char *start = bid->scratch + bid->scratch_used, *out = start;
        const char *limit = bid->scratch + sizeof bid->scratch - 8;
        for (at++; at < end && out < limit; at++) {
            if (*at == '"' && (at + 1 == end || at[1] != '"'))
                break;
            at += *at == '"';
            *out++ = *at;
        }
        if (at >= end || out >= limit || !is_utf8(start, (size_t)(out - start)))
            return NULL;
        *text = (struct text){start, (size_t)(out - start)};
        bid->scratch_used += text->length;
        at++;
        return at == end || *at == ',' ? at : NULL;
    }
    const __m128i comma = _mm_set1_epi8(',');
    const char *start = at;
    int high = 0;
    for (; at < end; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        int stops = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, comma));
        int highs = _mm_movemask_epi8(bytes);
        if (stops != 0) {
            int first = __builtin_ctz((unsigned)stops);
            high |= highs & ((1 << first) - 1);
            at += first;
            break;
        }
        high |= highs;
    }
    at = at < end ? at : end;
    *text = (struct text){start, (size_t)(at - start)};
    return high != 0 && !is_utf8(start, text->length) ? NULL : at;
}

bool csv_bid(struct bid *bid, struct text line) {
    const char *at = line.at, *end = line.at + line.length;
    if (end > at && end[-1] == '\r')
        end--;
    int64_t *numbers[3] = {&bid->auction, &bid->bidder, &bid->price};
    struct text *texts[4] = {&bid->channel, &bid->url, &bid->time, &bid->extra};
    bid->scratch_used = 0;
    for (int i = 0; i < 3; i++)
        if (!parse_int(&at, end, numbers[i]) || at >= end || *at++ != ',')
            return false;
    for (int i = 0; i < 4; i++) {
        if ((at = csv_field(bid, at, end, texts[i])) == NULL)
            return false;
        if (i < 3 && (at >= end || *at++ != ','))
            return false;
    }
    return at == end && parse_time(bid->time, &bid->time_us);
}
