/* json_walk.c: checking JSON text and finding where its values end. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "data/codec.h"
#include "data/json_text.h"
#include "data/text.h"
#include "base/banned.h"

static const char *fail(struct wr_json_scan *scan, const char *at, const char *error) {
    scan->at = at;
    scan->error = error;
    return NULL;
}

static inline int is_special(char byte) {
    return (unsigned char)byte < 0x20 || byte == '"' || byte == '\\';
}

const char *wr_json_plain_end(const char *at, const char *end) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        unsigned mask = (unsigned)_mm_movemask_epi8(found);
        if (mask != 0)
            return at + __builtin_ctz(mask);
    }
#endif
    while (at < end && !is_special(*at))
        at++;
    return at;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(const char *at, const char *end) {
    int32_t value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned digit = (unsigned)(at[i] - '0'), letter = (unsigned)((at[i] | 32) - 'a');
        if (digit > 9 && letter > 5)
            return -1;
        value = value * 16 + (int32_t)(digit <= 9 ? digit : letter + 10);
    }
    return value;
}

/* Behind the escape at `at` (a backslash), or NULL. */
static const char *escape_end(struct wr_json_scan *scan, const char *at, const char *end) {
    if (end - at < 2)
        return fail(scan, end, "the string is not closed");
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return at + 2;
    case 'u': break;
    default: return fail(scan, at, "an unknown escape");
    }
    int32_t unit = hex4(at + 2, end);
    if (unit < 0)
        return fail(scan, at, "`\\u` needs four hexadecimal digits");
    if (unit < 0xd800 || unit > 0xdfff)
        return at + 6;
    if (unit > 0xdbff || end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return fail(scan, at, "a lone surrogate");
    int32_t low = hex4(at + 8, end);
    if (low < 0xdc00 || low > 0xdfff)
        return fail(scan, at, "a lone surrogate");
    return at + 12;
}

const char *wr_json_string_end(struct wr_json_scan *scan, const char *at, const char *end,
                               int *escaped) {
    for (;;) {
        at = wr_json_plain_end(at, end);
        if (at == end)
            return fail(scan, end, "the string is not closed");
        if (*at == '"')
            return at;
        if (*at != '\\')
            return fail(scan, at, "a control byte inside a string");
        *escaped = 1;
        at = escape_end(scan, at, end);
        if (at == NULL)
            return NULL;
    }
}

static const char *digits_end(const char *at, const char *end) {
    while (at < end && (unsigned)(*at - '0') <= 9)
        at++;
    return at;
}

const char *wr_json_number_end(struct wr_json_scan *scan, const char *at, const char *end) {
    const char *first = at + (at < end && *at == '-');
    at = digits_end(first, end);
    if (at == first)
        return fail(scan, at, "a digit is expected");
    if (*first == '0' && at - first > 1)
        return fail(scan, first, "a number does not begin with 0");
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = digits_end(at, end);
        if (at == fraction)
            return fail(scan, at, "a digit is expected");
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const char *exponent = at;
        at = digits_end(at, end);
        if (at == exponent)
            return fail(scan, at, "a digit is expected");
    }
    return at;
}

static const char *literal_end(struct wr_json_scan *scan, const char *at, const char *end,
                               const char *word) {
    size_t length = strlen(word);
    if ((size_t)(end - at) < length || memcmp(at, word, length) != 0)
        return fail(scan, at, "a value is expected");
    return at + length;
}

/* A value that is neither object nor array. */
static const char *scalar_end(struct wr_json_scan *scan, const char *at, const char *end) {
    int escaped = 0;
    switch (*at) {
    case '"':
        at = wr_json_string_end(scan, at + 1, end, &escaped);
        return at == NULL ? NULL : at + 1;
    case 't': return literal_end(scan, at, end, "true");
    case 'f': return literal_end(scan, at, end, "false");
    case 'n': return literal_end(scan, at, end, "null");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return wr_json_number_end(scan, at, end);
    default: return fail(scan, at, "a value is expected");
    }
}

/* Behind `"key" :` and the blanks around it, or NULL. */
static const char *key_end(struct wr_json_scan *scan, const char *at, const char *end) {
    int escaped = 0;
    at = wr_json_blanks_end(at, end);
    if (at == end || *at != '"')
        return fail(scan, at, "a key in quotes is expected");
    at = wr_json_string_end(scan, at + 1, end, &escaped);
    if (at == NULL)
        return NULL;
    at = wr_json_blanks_end(at + 1, end);
    if (at == end || *at != ':')
        return fail(scan, at, "`:` is expected");
    return at + 1;
}

/* `objects` has a bit for each open bracket: 1 for an object. The innermost is bit 0. */
const char *wr_json_value_end(struct wr_json_scan *scan, const char *at, const char *end) {
    uint64_t objects = 0;
    int depth = 0;
    _Static_assert(WR_NESTING_MAX <= 64, "one bit for each level");
    for (;;) {
        at = wr_json_blanks_end(at, end);
        if (at == end)
            return fail(scan, at, "a value is expected");
        if (*at == '{' || *at == '[') { /* opens */
            int is_object = *at == '{';
            if (depth++ == WR_NESTING_MAX)
                return fail(scan, at, "nested more than 64 levels");
            objects = objects << 1 | (uint64_t)is_object;
            at = wr_json_blanks_end(at + 1, end);
            if (at == end || *at != (is_object ? '}' : ']')) {
                if (is_object && (at = key_end(scan, at, end)) == NULL)
                    return NULL;
                continue;
            }
            at++;
            depth--;
            objects >>= 1;
        } else {
            at = scalar_end(scan, at, end);
            if (at == NULL)
                return NULL;
        }
        for (;;) { /* behind a value: closes, or goes on */
            if (depth == 0)
                return at;
            at = wr_json_blanks_end(at, end);
            int is_object = (int)(objects & 1);
            if (at == end)
                return fail(scan, at,
                            is_object ? "`,` or `}` is expected" : "`,` or `]` is expected");
            if (*at == ',') {
                at++;
                if (is_object && (at = key_end(scan, at, end)) == NULL)
                    return NULL;
                break;
            }
            if (*at != (is_object ? '}' : ']'))
                return fail(scan, at,
                            is_object ? "`,` or `}` is expected" : "`,` or `]` is expected");
            at++;
            depth--;
            objects >>= 1;
        }
    }
}

size_t wr_json_unescape(const char *at, const char *end, char *out) {
    static const char plain[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    char *to = out;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((slash == NULL ? end : slash) - at);
        memcpy(to, at, run);
        to += run;
        at += run;
        if (at == end)
            break;
        if (at[1] != 'u') {
            *to++ = plain[(unsigned char)at[1]];
            at += 2;
            continue;
        }
        uint32_t code = (uint32_t)hex4(at + 2, end);
        at += 6;
        if (code >= 0xd800 && code <= 0xdbff) {
            code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)hex4(at + 2, end) - 0xdc00);
            at += 6;
        }
        to += wr_utf8_put(code, to);
    }
    return (size_t)(to - out);
}

int wr_json_check(struct wr_json_scan *scan, const char *at, const char *end) {
    size_t valid = wr_utf8_valid_prefix(at, (size_t)(end - at));
    if (at + valid != end)
        return fail(scan, at + valid, "not valid UTF-8") != NULL;
    if (at < end && wr_json_is_blank(*at))
        return fail(scan, at, "a value is expected") != NULL;
    const char *behind = wr_json_value_end(scan, at, end);
    if (behind != NULL && behind < end)
        return fail(scan, behind, "more text behind the value") != NULL;
    return behind == end;
}
