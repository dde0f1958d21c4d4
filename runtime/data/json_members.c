#include "data/json_members.h"

#include <string.h>

#include "base/buf.h"
#include "base/status.h"
#include "data/json_text.h"
#include "data/text.h"
#include "base/banned.h"

static inline const char *blanks_skip(const char *at, const char *end) {
    return wr_json_blanks_end(at, end);
}

int wr_json_value_of(struct wr_json *value, const char *text, size_t length) {
    struct wr_json_scan scan;
    const char *end = text + length;
    const char *at = blanks_skip(text, end);
    while (end > at && wr_json_is_blank(end[-1]))
        end--;
    *value = (struct wr_json){.bytes = at, .length = (uint32_t)(end - at)};
    return wr_json_check(&scan, at, end);
}

/* ---- walking -------------------------------------------------------------------------------- */

enum wr_json_kind wr_json_kind(const struct wr_json *value) {
    switch (value->length == 0 ? 'n' : value->bytes[0]) {
    case 'n': return WR_JSON_NULL;
    case 't':
    case 'f': return WR_JSON_BOOL;
    case '"': return WR_JSON_STRING;
    case '[': return WR_JSON_ARRAY;
    case '{': return WR_JSON_OBJECT;
    default: return WR_JSON_NUMBER;
    }
}

static const char *string_skip(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at < end ? at + 1 : end;
}

/* The byte behind a value of checked text. */
static const char *value_skip(const char *at, const char *end) {
    int depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = string_skip(at, end);
        } else if (c == '[' || c == '{') {
            depth++;
            at++;
            continue;
        } else if (c == ']' || c == '}') {
            if (depth == 0)
                return at;
            depth--;
            at++;
        } else if (c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            if (depth == 0)
                return at;
            at++;
            continue;
        } else {
            while (at < end && memchr(",:]} \t\n\r", *at, 8) == NULL)
                at++;
        }
        if (depth == 0)
            return at;
    }
    return end;
}

int wr_json_walk(struct wr_json_walk *walk, const struct wr_json *value) {
    enum wr_json_kind kind = wr_json_kind(value);
    if (kind != WR_JSON_ARRAY && kind != WR_JSON_OBJECT)
        return 0;
    *walk = (struct wr_json_walk){.at = value->bytes + 1,
                                  .end = value->bytes + value->length - 1,
                                  .object = kind == WR_JSON_OBJECT};
    return 1;
}

int wr_json_next(struct wr_json_walk *walk, struct wr_json *key, struct wr_json *value) {
    const char *at = blanks_skip(walk->at, walk->end);
    if (at < walk->end && *at == ',')
        at = blanks_skip(at + 1, walk->end);
    if (at >= walk->end)
        return 0;
    if (walk->object) {
        const char *behind = string_skip(at, walk->end);
        *key = (struct wr_json){.bytes = at, .length = (uint32_t)(behind - at)};
        at = blanks_skip(behind, walk->end);
        if (at < walk->end && *at == ':')
            at = blanks_skip(at + 1, walk->end);
    }
    const char *behind = value_skip(at, walk->end);
    *value = (struct wr_json){.bytes = at, .length = (uint32_t)(behind - at)};
    walk->at = behind;
    return behind > at;
}

/* ---- strings -------------------------------------------------------------------------------- */

static uint32_t hex4(const char *at) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit = (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
        value = value << 4 | digit;
    }
    return value;
}

/* One escape at *at (a backslash) into `text`; moves *at behind it. Returns the bytes written. */
static size_t unescape(const char **at, const char *end, char *text) {
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    const char *escape = *at + 1;
    if (escape >= end) {
        *at = end;
        return 0;
    }
    *at = escape + 1;
    if (*escape != 'u' || end - escape < 5) {
        const char *found = strchr(from, *escape);
        text[0] = found != NULL && *escape != 0 ? to[found - from] : *escape;
        return 1;
    }
    *at = escape + 5;
    uint32_t code = hex4(escape + 1);
    if (code >= 0xd800 && code < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        uint32_t low = hex4(*at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *at += 6;
            return wr_utf8_put(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), text);
        }
    }
    return wr_utf8_put(code >= 0xd800 && code < 0xe000 ? 0xfffd : code, text);
}

int wr_json_unquote(struct wr_buf *out, const struct wr_json *string) {
    const char *at = string->bytes + 1;
    const char *end = string->bytes + string->length - 1;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *plain_end = escape == NULL ? end : escape;
        wr_buf_add(out, at, (size_t)(plain_end - at));
        at = plain_end;
        if (at < end) {
            char text[4];
            size_t length = unescape(&at, end, text);
            wr_buf_add(out, text, length);
        }
    }
    return out->status;
}

int wr_json_string_is(const struct wr_json *string, const char *bytes, size_t length) {
    const char *at = string->bytes + 1;
    const char *end = string->bytes + string->length - 1;
    const char *want_end = bytes + length;
    if (memchr(at, '\\', (size_t)(end - at)) == NULL)
        return (size_t)(end - at) == length && memcmp(at, bytes, length) == 0;
    while (at < end) {
        char text[4] = {*at};
        size_t text_length = 1;
        if (*at == '\\')
            text_length = unescape(&at, end, text);
        else
            at++;
        if ((size_t)(want_end - bytes) < text_length || memcmp(bytes, text, text_length) != 0)
            return 0;
        bytes += text_length;
    }
    return bytes == want_end;
}

int wr_json_put_compact(struct wr_buf *out, const struct wr_json *value) {
    const char *at = value->bytes;
    const char *end = at + value->length;
    while (at < end) {
        if (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') {
            at++;
            continue;
        }
        const char *behind = *at == '"' ? string_skip(at, end) : at + 1;
        wr_buf_add(out, at, (size_t)(behind - at));
        at = behind;
    }
    return out->status;
}
