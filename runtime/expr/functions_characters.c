/* functions_characters.c: texts as characters (code points of UTF-8), and texts made by a format.
 * A byte that is no UTF-8 counts as one character. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "data/codec.h"
#include "data/text.h"
#include "expr/expr.h"
#include "expr/library.h"
#include "expr/unicode.h"
#include "base/banned.h"

#define CHARS_MAX 255 /* arguments of one call */

static int char_length_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        const char *at = wr_str_bytes(str);
        size_t left = str->length;
        int64_t count = 0;
        for (;;) {
            size_t valid = wr_utf8_valid_prefix(at, left);
            count += (int64_t)wr_utf8_length(at, valid);
            if (valid == left)
                break;
            count++;
            at += valid + 1;
            left -= valid + 1;
        }
        FN_OUT_INT(call)[row] = count;
    }
    return WR_OK;
}
static int utf8_len_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        if (wr_utf8_valid_prefix(wr_str_bytes(str), str->length) != str->length)
            wr_call_nil(call, row);
        else
            FN_OUT_INT(call)[row] = (int64_t)wr_utf8_length(wr_str_bytes(str), str->length);
    }
    return WR_OK;
}
static int ascii_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        uint32_t length;
        if (str->length == 0)
            wr_call_nil(call, row);
        else
            FN_OUT_INT(call)
        [row] =
            wr_utf8_get(wr_str_bytes(str), wr_str_bytes(str) + str->length, &length) & ~WR_UTF8_BAD;
    }
    return WR_OK;
}
static int chr_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        char text[CHARS_MAX * 4];
        size_t length = 0;
        uint32_t a = 0;
        for (; a < call->arg_count && a < CHARS_MAX; a++) {
            int64_t code = fn_int(call, a, row);
            if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
                wr_call_fail(call, row, WR_REJECT_TYPE, "%lld is no character", (long long)code);
                break;
            }
            length += wr_utf8_put((uint32_t)code, text + length);
        }
        if (a < call->arg_count)
            continue;
        char small[WR_STR_INLINE_MAX];
        char *to = fn_room(call, row, length, small);
        if (to == NULL)
            continue;
        memcpy(to, text, length);
        fn_piece(call, row, to, length);
    }
    return WR_OK;
}

/* ---- normalization -------------------------------------------------------------------------- */

static int normalized(struct wr_call *call, int strip) {
    struct wr_buf buf;
    wr_buf_init(&buf, call->eval->budget, WR_RESULT_BYTES_MAX);
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        if (wr_nfc_is_plain(wr_str_bytes(str), str->length)) {
            FN_OUT_STR(call)[row] = *str;
            continue;
        }
        wr_buf_clear(&buf);
        wr_nfc_add(&buf, wr_str_bytes(str), str->length, strip);
        struct fn_text out = {.call = call, .failed = buf.status != WR_OK};
        if (buf.status == WR_ENOMEM)
            break;
        if (buf.status == WR_OK && buf.length > 0)
            fn_text_add(&out, buf.bytes, buf.length);
        fn_text_end(&out, row);
    }
    int status = buf.status == WR_ENOMEM ? WR_ENOMEM : WR_OK;
    wr_buf_release(&buf);
    return status;
}
static int normalize_kernel(struct wr_call *call) {
    return normalized(call, 0);
}
static int strip_accents_kernel(struct wr_call *call) {
    return normalized(call, 1);
}

/* ---- format --------------------------------------------------------------------------------- */

/* One conversion of a format: its text with a 0 behind, as C's printf takes it. */
struct spec {
    char text[24];
    char letter;
    const char *end; /* behind it in the format */
};

/* Reads %[flags][width][.precision]letter, with two digits at most, as Lua does. 0: it is none. */
static int spec_read(struct spec *spec, const char *at, const char *end) {
    const char *start = at++;
    while (at < end && strchr("-+ #0", *at) != NULL && *at != 0 && at - start < 7)
        at++;
    for (int digits = 0; at < end && *at >= '0' && *at <= '9' && digits < 2; digits++)
        at++;
    if (at < end && *at == '.') {
        at++;
        for (int digits = 0; at < end && *at >= '0' && *at <= '9' && digits < 2; digits++)
            at++;
    }
    if (at == end || *at == 0 || strchr("diouxXcaAeEfFgGsq%", *at) == NULL)
        return 0;
    size_t length = (size_t)(at - start);
    memcpy(spec->text, start, length);
    spec->letter = *at;
    int whole = strchr("dioxXu", *at) != NULL;
    snprintf(spec->text + length, sizeof spec->text - length, "%s%c", whole ? "ll" : "", *at);
    spec->end = at + 1;
    return 1;
}

static int format_number(struct fn_text *out, const struct spec *spec, struct wr_call *call,
                         uint32_t arg, uint32_t row) {
    char text[512];
    enum wr_type_kind kind = call->arg_types[arg].kind;
    double number = kind == WR_FLOAT64 ? fn_float(call, arg, row)
                    : kind == WR_INT64 ? (double)fn_int(call, arg, row)
                                       : wr_decimal_to_float(fn_decimal(call, arg, row),
                                                             call->arg_types[arg].scale);
    int length;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (strchr("aAeEfFgG", spec->letter) != NULL) {
        length = snprintf(text, sizeof text, spec->text, number);
    } else {
        int64_t whole = kind == WR_INT64 ? fn_int(call, arg, row) : (int64_t)0;
        if (kind != WR_INT64) {
            if (!(number >= -0x1p63 && number < 0x1p63) || (double)(int64_t)number != number)
                return 0;
            whole = (int64_t)number;
        }
        length = spec->letter == 'c' ? snprintf(text, sizeof text, spec->text, (int)whole)
                                     : snprintf(text, sizeof text, spec->text, (long long)whole);
    }
#pragma GCC diagnostic pop
    fn_text_add(out, text, (size_t)WR_MIN(length, (int)sizeof text - 1));
    return 1;
}

/* %s: any value as text, with width and precision. */
static void format_text(struct fn_text *out, const struct spec *spec, struct wr_call *call,
                        uint32_t arg, uint32_t row, struct wr_buf *buf) {
    uint32_t at = wr_call_row(call, arg, row);
    wr_buf_clear(buf);
    wr_value_show(buf, &call->arg_types[arg], &call->args[arg], at);
    const char *bytes = buf->length == 0 ? "" : buf->bytes;
    size_t length = buf->length;
    const char *point = strchr(spec->text, '.');
    if (point != NULL)
        length = WR_MIN(length, strtoul(point + 1, NULL, 10));
    int left =
        strchr(spec->text, '-') != NULL && (point == NULL || strchr(spec->text, '-') < point);
    size_t width = strtoul(spec->text + strspn(spec->text, "%-+ #0"), NULL, 10);
    for (size_t i = length; i < width && !left; i++)
        fn_text_add(out, " ", 1);
    fn_text_add(out, bytes, length);
    for (size_t i = length; i < width && left; i++)
        fn_text_add(out, " ", 1);
}

/* %q: a text as Lua's source has it. */
static void format_quoted(struct fn_text *out, const struct wr_str *str) {
    const char *bytes = wr_str_bytes(str);
    fn_text_add(out, "\"", 1);
    for (uint32_t i = 0; i < str->length; i++) {
        char text[8];
        unsigned char c = (unsigned char)bytes[i];
        int digit_next = i + 1 < str->length && bytes[i + 1] >= '0' && bytes[i + 1] <= '9';
        int length;
        if (c == '"' || c == '\\' || c == '\n')
            length = snprintf(text, sizeof text, "\\%c", c);
        else if (c < 32 || c == 127)
            length = snprintf(text, sizeof text, digit_next ? "\\%03d" : "\\%d", c);
        else
            length = snprintf(text, sizeof text, "%c", c);
        if (c == 0 && length == 0)
            length = 1;
        fn_text_add(out, text, (size_t)length);
    }
    fn_text_add(out, "\"", 1);
}

static int is_number(enum wr_type_kind kind) {
    return kind == WR_INT64 || kind == WR_FLOAT64 || kind == WR_DECIMAL;
}

/* One row; NULL, or what is wrong. */
static const char *format_row(struct wr_call *call, uint32_t row, struct fn_text *out,
                              struct wr_buf *buf) {
    const struct wr_str *format = fn_str(call, 0, row);
    const char *at = wr_str_bytes(format);
    const char *end = at + format->length;
    uint32_t arg = 1;
    while (at < end) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        fn_text_add(out, at, (size_t)((percent == NULL ? end : percent) - at));
        if (percent == NULL)
            break;
        struct spec spec;
        if (!spec_read(&spec, percent, end))
            return "a conversion that is none";
        at = spec.end;
        if (spec.letter == '%') {
            fn_text_add(out, "%", 1);
            continue;
        }
        if (arg >= call->arg_count)
            return "more conversions than values";
        enum wr_type_kind kind = call->arg_types[arg].kind;
        if (spec.letter == 's')
            format_text(out, &spec, call, arg, row, buf);
        else if (spec.letter == 'q' && kind == WR_STRING)
            format_quoted(out, fn_str(call, arg, row));
        else if (spec.letter == 'q' || !is_number(kind))
            return "a value of another type than its conversion";
        else if (!format_number(out, &spec, call, arg, row))
            return "a number without a whole value for %d";
        arg++;
    }
    return NULL;
}
static int format_kernel(struct wr_call *call) {
    struct wr_buf buf;
    wr_buf_init(&buf, call->eval->budget, WR_RESULT_BYTES_MAX);
    FN_EACH(call, row) {
        struct fn_text out = {.call = call};
        const char *wrong = format_row(call, row, &out, &buf);
        if (wrong != NULL)
            wr_call_fail(call, row, WR_REJECT_KIND, "format: %s", wrong);
        else
            fn_text_end(&out, row);
    }
    int status = buf.status == WR_ENOMEM ? WR_ENOMEM : WR_OK;
    wr_buf_release(&buf);
    return status;
}
static int format_prepare(struct wr_arena *arena, uint32_t arg_count,
                          const struct wr_value *const *constants, void **prepared,
                          struct wr_error *err) {
    (void)arena;
    *prepared = NULL;
    if (constants[0] == NULL || constants[0]->kind != WR_VALUE_STRING)
        return WR_OK;
    const char *at = constants[0]->string;
    const char *start = at;
    const char *end = at + constants[0]->count;
    uint32_t wanted = 0;
    while (at < end && (at = memchr(at, '%', (size_t)(end - at))) != NULL) {
        struct spec spec;
        if (!spec_read(&spec, at, end))
            return wr_error_script(err, "W115", "bad format at byte %td", at - start + 1);
        wanted += spec.letter != '%';
        at = spec.end;
    }
    if (wanted != arg_count - 1)
        return wr_error_script(err, "W115", "the format has %u conversions for %u values", wanted,
                               arg_count - 1);
    return WR_OK;
}

#define FORMAT_ENTRY(own_name) \
    { \
        .name = own_name, .group = "text", .flags = WR_FN_STRICT | WR_FN_METHOD | WR_FN_CAN_FAIL, \
        .doc = \
            "A text made by a format as C's printf has it: %d %i %u %x %X %o %c %e %f %g %a, %s " \
            "for any value, %q for a quoted text, %% for a percent sign.", \
        .signatures = \
            FN_SIGNATURES({"(format string) string", format_kernel, format_prepare}, \
                          {"(format string, x any…) string", format_kernel, format_prepare}), \
        .examples = FN_EXAMPLES({own_name "('%05.1f|%d|%s', 3.14159, 42, 'x')", "'003.1|42|x'"}, \
                                {own_name "('%d', 2.5)", "fails W505"}, \
                                {own_name "('%y', 1)", "error W115"}) \
    }
#define CHAR_ENTRY(own_name, own_flags, own_doc, signature, kernel, ...) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE | (own_flags), .doc = own_doc, \
        .signatures = FN_SIGNATURES({signature, kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_characters[] = {
    CHAR_ENTRY("char_length", 0, "The number of characters (code points of UTF-8).",
               "(x string) int64", char_length_kernel, {"char_length('größe')", "5"},
               {"char_length('')", "0"}),
    CHAR_ENTRY("utf8.len", WR_FN_CAN_NIL,
               "The number of characters; nil where the text is not valid UTF-8.",
               "(x string) int64", utf8_len_kernel, {"utf8.len('größe')", "5"},
               {"utf8.len(char(255))", "nil"}),
    CHAR_ENTRY("ascii", WR_FN_CAN_NIL,
               "The code of the first character; nil of an empty text. Of a byte: byte(x).",
               "(x string) int64", ascii_kernel, {"ascii('A')", "65"}, {"ascii('é')", "233"},
               {"ascii('')", "nil"}),
    CHAR_ENTRY("chr", WR_FN_CAN_FAIL, "The character of a code. Of a byte: char(n).",
               "(code int64) string", chr_kernel, {"chr(233)", "'é'"}, {"chr(-1)", "fails W502"}),
    CHAR_ENTRY("utf8.char", WR_FN_CAN_FAIL, "The text of these characters, by their codes.",
               "(code int64…) string", chr_kernel, {"utf8.char(72, 233)", "'Hé'"},
               {"utf8.char(55296)", "fails W502"}),
    CHAR_ENTRY("normalize", WR_FN_CAN_FAIL,
               "In Unicode's normalization form C, so that equal characters are equal bytes.",
               "(x string) string", normalize_kernel, {"normalize('e' .. chr(769)) == 'é'", "true"},
               {"normalize('weir')", "'weir'"}),
    CHAR_ENTRY("strip_accents", WR_FN_CAN_FAIL,
               "Letters without their accents; what has no accent stays.", "(x string) string",
               strip_accents_kernel, {"strip_accents('Łódź crème')", "'Łodz creme'"},
               {"strip_accents('weir')", "'weir'"}),
    FORMAT_ENTRY("format"),
    FORMAT_ENTRY("string.format"),
    {0},
};
