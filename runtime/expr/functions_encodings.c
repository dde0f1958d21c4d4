/* functions_encodings.c: hex, base64, URLs, HTML entities. */
#include "data/base64.h"
#include "data/text.h"
#include "expr/hex.h"
#include "expr/html_entities.h"
#include "expr/library.h"
#include "base/banned.h"

/* ---- hex, base64 ---------------------------------------------------------------------------- */

static int hex_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        char small[WR_STR_INLINE_MAX];
        char *to = fn_room(call, row, 2 * (uint64_t)str->length, small);
        if (to == NULL)
            continue;
        wr_hex_encode(wr_str_bytes(str), str->length, to);
        fn_piece(call, row, to, 2 * (size_t)str->length);
    }
    return WR_OK;
}
static int hex_int_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        uint64_t value = (uint64_t)fn_int(call, 0, row);
        char bytes[8];
        char text[16];
        for (int i = 0; i < 8; i++)
            bytes[i] = (char)(value >> (56 - 8 * i));
        wr_hex_encode(bytes, 8, text);
        uint32_t zeros = 0;
        while (zeros < 15 && text[zeros] == '0')
            zeros++;
        char *to = wr_call_room(call, 16);
        if (to == NULL)
            continue;
        memcpy(to, text + zeros, 16 - zeros);
        fn_piece(call, row, to, 16 - zeros);
    }
    return WR_OK;
}
static int unhex_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        char small[WR_STR_INLINE_MAX];
        char *to = fn_room(call, row, str->length / 2, small);
        if (to == NULL)
            continue;
        if (wr_hex_decode(wr_str_bytes(str), str->length, to))
            fn_piece(call, row, to, str->length / 2);
        else
            wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no hex",
                         (int)WR_MIN(str->length, 60u), wr_str_bytes(str));
    }
    return WR_OK;
}
static int base64_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        char small[WR_STR_INLINE_MAX];
        char *to = fn_room(call, row, wr_base64_length(str->length), small);
        if (to != NULL)
            fn_piece(call, row, to, wr_base64_encode(wr_str_bytes(str), str->length, to));
    }
    return WR_OK;
}
static int unbase64_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        char *to = wr_call_room(call, str->length / 4 * 3 + 3);
        size_t length;
        if (to == NULL)
            continue;
        if (wr_base64_decode(wr_str_bytes(str), str->length, to, &length))
            fn_piece(call, row, to, length);
        else
            wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no base64",
                         (int)WR_MIN(str->length, 60u), wr_str_bytes(str));
    }
    return WR_OK;
}

/* ---- URLs ----------------------------------------------------------------------------------- */

static int is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}
static int url_encode_kernel(struct wr_call *call) {
    static const char digits[] = "0123456789ABCDEF";
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        const char *from = wr_str_bytes(str);
        uint64_t length = 0;
        for (uint32_t i = 0; i < str->length; i++)
            length += is_unreserved(from[i]) ? 1 : 3;
        char small[WR_STR_INLINE_MAX];
        char *to = fn_room(call, row, length, small);
        if (to == NULL)
            continue;
        char *end = to;
        for (uint32_t i = 0; i < str->length; i++) {
            if (is_unreserved(from[i])) {
                *end++ = from[i];
                continue;
            }
            *end++ = '%';
            *end++ = digits[(unsigned char)from[i] >> 4];
            *end++ = digits[(unsigned char)from[i] & 15];
        }
        fn_piece(call, row, to, length);
    }
    return WR_OK;
}

/* Decodes %xx (what is no such stays as it is), and `+` where `plus`; returns the length. */
static size_t url_decode(const char *from, size_t length, char *to, int plus) {
    char *end = to;
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '%' && i + 2 < length && wr_hex_decode(from + i + 1, 2, end)) {
            end++;
            i += 2;
        } else {
            *end++ = plus && from[i] == '+' ? ' ' : from[i];
        }
    }
    return (size_t)(end - to);
}
static int url_decode_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        char *to = wr_call_room(call, str->length);
        if (to != NULL)
            fn_piece(call, row, to, url_decode(wr_str_bytes(str), str->length, to, 0));
    }
    return WR_OK;
}

/* A URL taken apart (RFC 3986, 3): scheme://user@host:port/path?query#fragment. */
struct url {
    const char *host, *path, *query; /* NULL: there is none */
    size_t host_length, path_length, query_length;
};

static void url_parse(const struct wr_str *str, struct url *url) {
    const char *at = wr_str_bytes(str);
    const char *end = at + str->length;
    memset(url, 0, sizeof *url);
    const char *fragment = memchr(at, '#', (size_t)(end - at));
    end = fragment == NULL ? end : fragment;
    const char *query = memchr(at, '?', (size_t)(end - at));
    if (query != NULL) {
        url->query = query + 1;
        url->query_length = (size_t)(end - query - 1);
        end = query;
    }
    const char *slashes = memmem(at, (size_t)(end - at), "//", 2);
    const char *colon = memchr(at, ':', (size_t)(end - at));
    int has_host = slashes != NULL && (slashes == at || (colon != NULL && colon + 1 == slashes));
    if (has_host) {
        const char *host = slashes + 2;
        const char *path = memchr(host, '/', (size_t)(end - host));
        const char *host_end = path == NULL ? end : path;
        const char *user = memrchr(host, '@', (size_t)(host_end - host));
        host = user == NULL ? host : user + 1;
        const char *bracket =
            *host == '[' && host < host_end ? memchr(host, ']', (size_t)(host_end - host)) : NULL;
        const char *from = bracket == NULL ? host : bracket;
        const char *port = memchr(from, ':', (size_t)(host_end - from));
        url->host = host;
        url->host_length = (size_t)((port == NULL ? host_end : port) - host);
        at = host_end;
    } else if (colon != NULL) {
        at = colon + 1; /* mailto:… */
    }
    url->path = at;
    url->path_length = (size_t)(end - at);
}

static int url_host_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        struct url url;
        url_parse(fn_str(call, 0, row), &url);
        if (url.host == NULL || url.host_length == 0)
            wr_call_nil(call, row);
        else
            fn_piece(call, row, url.host, url.host_length);
    }
    return WR_OK;
}
static int url_path_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        struct url url;
        url_parse(fn_str(call, 0, row), &url);
        fn_piece(call, row, url.path, url.path_length);
    }
    return WR_OK;
}
static int url_query_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *key = fn_str(call, 1, row);
        struct url url;
        url_parse(fn_str(call, 0, row), &url);
        char *room = wr_call_room(call, (uint32_t)url.query_length);
        const char *at = url.query;
        const char *end = at == NULL ? NULL : at + url.query_length;
        int found = 0;
        while (room != NULL && at != NULL && at < end && !found) {
            const char *next = memchr(at, '&', (size_t)(end - at));
            const char *part_end = next == NULL ? end : next;
            const char *equals = memchr(at, '=', (size_t)(part_end - at));
            const char *name_end = equals == NULL ? part_end : equals;
            size_t length = url_decode(at, (size_t)(name_end - at), room, 1);
            found = length == key->length && memcmp(room, wr_str_bytes(key), length) == 0;
            if (found) {
                const char *value = equals == NULL ? part_end : equals + 1;
                length = url_decode(value, (size_t)(part_end - value), room, 1);
                fn_piece(call, row, room, length);
            }
            at = part_end + 1;
        }
        if (!found)
            wr_call_nil(call, row);
    }
    return WR_OK;
}

/* ---- HTML ----------------------------------------------------------------------------------- */

/* The character of the entity at `at` (a `&`), and the byte behind it; 0: it is none. */
static uint32_t entity_read(const char *at, const char *end, const char **behind) {
    const char *stop = memchr(at, ';', (size_t)WR_MIN(end - at, 34));
    if (stop == NULL || stop == at + 1)
        return 0;
    *behind = stop + 1;
    if (at[1] != '#')
        return wr_html_entity(at + 1, (size_t)(stop - at - 1));
    int hex = at[2] == 'x' || at[2] == 'X';
    uint32_t code = 0;
    const char *digit = at + 2 + hex;
    if (digit == stop)
        return 0;
    for (; digit < stop; digit++) {
        int lower = *digit | 32;
        uint32_t value = *digit >= '0' && *digit <= '9'        ? (uint32_t)(*digit - '0')
                         : hex && lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a' + 10)
                                                               : 99;
        code = code * (hex ? 16 : 10) + value;
        if (value == 99 || code > 0x10ffff)
            return 0;
    }
    return code >= 0xd800 && code < 0xe000 ? 0xfffd : code;
}
static int html_unescape_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        const char *at = wr_str_bytes(str);
        const char *end = at + str->length;
        if (memchr(at, '&', str->length) == NULL) {
            FN_OUT_STR(call)[row] = *str;
            continue;
        }
        struct fn_text out = {.call = call};
        while (at < end) {
            const char *sign = memchr(at, '&', (size_t)(end - at));
            fn_text_add(&out, at, (size_t)((sign == NULL ? end : sign) - at));
            if (sign == NULL)
                break;
            const char *behind = sign + 1;
            uint32_t code = entity_read(sign, end, &behind);
            char text[4] = {'&'};
            if (code == 0)
                behind = sign + 1;
            fn_text_add(&out, text, code == 0 ? 1 : wr_utf8_put(code, text));
            at = behind;
        }
        fn_text_end(&out, row);
    }
    return WR_OK;
}

#define ENCODING_ENTRY(own_name, own_flags, own_doc, signature, kernel, ...) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE | (own_flags), .doc = own_doc, \
        .signatures = FN_SIGNATURES({signature, kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_encodings[] = {
    {.name = "hex",
     .group = "text",
     .flags = FN_PURE | WR_FN_CAN_FAIL,
     .doc = "The bytes as small hex digits; a number in hex, without leading zeros.",
     .signatures = FN_SIGNATURES({"(x text) string", hex_kernel, NULL},
                                 {"(x int64) string", hex_int_kernel, NULL}),
     .examples = FN_EXAMPLES({"hex('weir')", "'77656972'"}, {"hex(255)", "'ff'"})},
    ENCODING_ENTRY("unhex", WR_FN_CAN_FAIL, "The bytes that hex digits say.", "(x string) bytes",
                   unhex_kernel, {"unhex('7765') == bytes('we')", "true"},
                   {"unhex('7')", "fails W501"}),
    ENCODING_ENTRY("base64", WR_FN_CAN_FAIL, "The bytes in base64, with padding (RFC 4648).",
                   "(x text) string", base64_kernel, {"base64('weir')", "'d2Vpcg=='"},
                   {"base64('')", "''"}),
    ENCODING_ENTRY("unbase64", WR_FN_CAN_FAIL,
                   "The bytes that base64 says; both alphabets, padding may be missing.",
                   "(x string) bytes", unbase64_kernel,
                   {"unbase64('d2Vpcg') == bytes('weir')", "true"},
                   {"unbase64('?')", "fails W501"}),
    ENCODING_ENTRY("url_encode", WR_FN_CAN_FAIL,
                   "With all bytes but letters, digits and `-._~` as %XX.", "(x string) string",
                   url_encode_kernel, {"url_encode('a b/c')", "'a%20b%2Fc'"},
                   {"url_encode('ü')", "'%C3%BC'"}),
    ENCODING_ENTRY("url_decode", 0, "With %XX as the bytes they say; `+` stays.",
                   "(x string) string", url_decode_kernel, {"url_decode('a%20b+c')", "'a b+c'"},
                   {"url_decode('100%')", "'100%'"}),
    ENCODING_ENTRY("url_host", WR_FN_CAN_NIL, "The host of a URL, without user and port.",
                   "(x string) string", url_host_kernel,
                   {"url_host('https://me@example.com:8080/a?b=c')", "'example.com'"},
                   {"url_host('/a/b')", "nil"}),
    ENCODING_ENTRY("url_path", 0, "The path of a URL, as it is written.", "(x string) string",
                   url_path_kernel, {"url_path('https://example.com/a/b?c=d#e')", "'/a/b'"},
                   {"url_path('https://example.com')", "''"}),
    ENCODING_ENTRY("url_query", WR_FN_CAN_NIL,
                   "The decoded value of a key in the query of a URL; the first, or nil.",
                   "(x string, key string) string", url_query_kernel,
                   {"url_query('/s?q=a+b&n=1', 'q')", "'a b'"},
                   {"url_query('/s?q=a', 'x')", "nil"}),
    ENCODING_ENTRY("html_unescape", WR_FN_CAN_FAIL,
                   "With HTML's character references as the characters they say.",
                   "(x string) string", html_unescape_kernel,
                   {"html_unescape('a &lt; b &amp; c')", "'a < b & c'"},
                   {"html_unescape('&#x41;&#66; &x;')", "'AB &x;'"}),
    {0},
};
