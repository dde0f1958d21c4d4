/* functions_conversion.c: conversions between types, by the name of the type that results: int64,
 * float64, string, bytes, bool, decimal; parse_number, to_bool. They fail rather than lose. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/reject.h"
#include "data/text.h"
#include "data/time.h"
#include "expr/functions.h"
#include "expr/functions_shared.h"
#include "base/banned.h"

#define INT64_END 9223372036854775808.0 /* 2^63 */

/* ---- the same type ---- */

static int same(struct wr_call *call) {
    uint32_t width = wr_type_bytes(call->type.kind);
    const char *x = call->args[0].data;
    WR_CALL_EACH(call, row) {
        memcpy((char *)call->out + (size_t)row * width,
               x + (size_t)wr_call_row(call, 0, row) * width, width);
    }
    return WR_OK;
}

/* ---- int64 ---- */

static int int64_of_float64(struct wr_call *call) {
    int64_t *out = call->out;
    WR_CALL_EACH(call, row) {
        double x = WR_ARG(call, 0, row, double);
        if (x >= -INT64_END && x < INT64_END && floor(x) == x) {
            out[row] = (int64_t)x;
        } else {
            char text[WR_NUMBER_TEXT_MAX];
            size_t length = wr_float64_format(x, text);
            wr_call_fail(call, row, WR_REJECT_TYPE, "%.*s is no int64", (int)length, text);
        }
    }
    return WR_OK;
}

static int int64_of_string(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        if (!wr_int64_parse(wr_str_bytes(x), x->length, &((int64_t *)call->out)[row]))
            wr_call_no(call, row, x, "int64");
    }
    return WR_OK;
}

static int int64_of_bool(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        ((int64_t *)call->out)[row] = WR_ARG(call, 0, row, uint8_t);
    }
    return WR_OK;
}

static int int64_of_decimal(struct wr_call *call) {
    __int128 power = 1;
    for (int i = 0; i < call->arg_types[0].scale; i++)
        power *= 10;
    WR_CALL_EACH(call, row) {
        __int128 x = WR_ARG(call, 0, row, __int128), whole = x / power;
        if (x % power == 0 && whole >= INT64_MIN && whole <= INT64_MAX) {
            ((int64_t *)call->out)[row] = (int64_t)whole;
        } else {
            char text[WR_NUMBER_TEXT_MAX];
            size_t length = wr_decimal_format(x, call->arg_types[0].scale, text);
            wr_call_fail(call, row, WR_REJECT_TYPE, "%.*s is no int64", (int)length, text);
        }
    }
    return WR_OK;
}

/* ---- float64 ---- */

static int float64_of_int64(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        int64_t x = WR_ARG(call, 0, row, int64_t);
        double y = (double)x;
        ((double *)call->out)[row] = y;
        if (y >= INT64_END || (int64_t)y != x)
            wr_call_fail(call, row, WR_REJECT_TYPE, "%lld is no float64: it would be rounded",
                         (long long)x);
    }
    return WR_OK;
}

static int float64_of_string(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        if (!wr_float64_parse(wr_str_bytes(x), x->length, 1, &((double *)call->out)[row]))
            wr_call_no(call, row, x, "float64");
    }
    return WR_OK;
}

static int float64_of_decimal(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        char text[WR_NUMBER_TEXT_MAX];
        size_t length =
            wr_decimal_format(WR_ARG(call, 0, row, __int128), call->arg_types[0].scale, text);
        if (!wr_float64_parse(text, length, 0, &((double *)call->out)[row]))
            wr_call_nil(call, row);
    }
    return WR_OK;
}

/* ---- string ---- */

static size_t text_of(const struct wr_call *call, uint32_t row, char *text) {
    switch (call->arg_types[0].kind) {
    case WR_BOOL:
        memcpy(text, WR_ARG(call, 0, row, uint8_t) ? "true" : "false", 5);
        return WR_ARG(call, 0, row, uint8_t) ? 4 : 5;
    case WR_INT64: return wr_int64_format(WR_ARG(call, 0, row, int64_t), text);
    case WR_FLOAT64: return wr_float64_format(WR_ARG(call, 0, row, double), text);
    case WR_DECIMAL:
        return wr_decimal_format(WR_ARG(call, 0, row, __int128), call->arg_types[0].scale, text);
    case WR_TIMESTAMP: return wr_timestamp_format(WR_ARG(call, 0, row, int64_t), text);
    case WR_DATE: return wr_date_format(WR_ARG(call, 0, row, int64_t), text);
    case WR_DURATION: return wr_duration_format(WR_ARG(call, 0, row, int64_t), text);
    default: WR_ASSERT(0);
    }
    return 0;
}

static int string_of_value(struct wr_call *call) {
    _Static_assert(WR_NUMBER_TEXT_MAX >= WR_TIME_TEXT_MAX, "one room for both");
    WR_CALL_EACH(call, row) {
        char text[WR_NUMBER_TEXT_MAX];
        int status = wr_call_copy(call, row, text, (uint32_t)text_of(call, row, text));
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

static int string_of_bytes(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        if (wr_utf8_valid_prefix(wr_str_bytes(x), x->length) == x->length)
            ((struct wr_str *)call->out)[row] = *x;
        else
            wr_call_fail(call, row, WR_REJECT_TYPE, "bytes that are no UTF-8");
    }
    return WR_OK;
}

/* ---- bool ---- */

static int bool_of_int64(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        int64_t x = WR_ARG(call, 0, row, int64_t);
        ((uint8_t *)call->out)[row] = x == 1;
        if (x != 0 && x != 1)
            wr_call_fail(call, row, WR_REJECT_TYPE, "%lld is no bool: 0 and 1 are", (long long)x);
    }
    return WR_OK;
}

static int is_text(const struct wr_str *x, const char *text) {
    return x->length == strlen(text) && strncasecmp(wr_str_bytes(x), text, x->length) == 0;
}

static int bool_of_string(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        int is_true = x->length == 4 && memcmp(wr_str_bytes(x), "true", 4) == 0;
        ((uint8_t *)call->out)[row] = (uint8_t)is_true;
        if (!is_true && (x->length != 5 || memcmp(wr_str_bytes(x), "false", 5) != 0))
            wr_call_no(call, row, x, "bool");
    }
    return WR_OK;
}

static int to_bool(struct wr_call *call) {
    static const char *const words[][2] = {{"true", "false"}, {"yes", "no"}, {"1", "0"},
                                           {"t", "f"},        {"y", "n"},    {"on", "off"}};
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        int found = -1;
        for (uint32_t i = 0; i < WR_COUNT(words) && found < 0; i++)
            found = is_text(x, words[i][0]) ? 1 : is_text(x, words[i][1]) ? 0 : -1;
        ((uint8_t *)call->out)[row] = found == 1;
        if (found < 0)
            wr_call_no(call, row, x, "bool");
    }
    return WR_OK;
}

/* ---- decimal ---- */

static int decimal_of_text(struct wr_call *call, uint32_t row, const char *text, size_t length) {
    __int128 *out = &((__int128 *)call->out)[row];
    if (!wr_decimal_parse(text, length, call->type.precision, call->type.scale, out)) {
        *out = 0;
        wr_call_fail(call, row, WR_REJECT_TYPE, "'%.*s' is no decimal(%d,%d)",
                     (int)WR_MIN(length, (size_t)WR_DETAIL_BYTES_MAX), text, call->type.precision,
                     call->type.scale);
    }
    return WR_OK;
}

static int decimal_of_string(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        decimal_of_text(call, row, wr_str_bytes(x), x->length);
    }
    return WR_OK;
}

static int decimal_of_number(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        char text[WR_NUMBER_TEXT_MAX];
        decimal_of_text(call, row, text, text_of(call, row, text));
    }
    return WR_OK;
}

/* ---- numbers as people write them ---- */

/* How a place writes numbers. Groups have three digits, in India all but the last one two. */
struct locale {
    char name[6];
    char group, point;
    uint8_t group_digits;
};

static const struct locale *locale_of(const struct wr_str *name) {
    static const struct locale locales[] = {
        {"en-IN", ',', '.', 2}, {"de-CH", '\'', '.', 3}, {"it-CH", '\'', '.', 3},
        {"en", ',', '.', 3},    {"de", '.', ',', 3},     {"es", '.', ',', 3},
        {"it", '.', ',', 3},    {"nl", '.', ',', 3},     {"pt", '.', ',', 3},
        {"fr", ' ', ',', 3},    {"ru", ' ', ',', 3},     {"pl", ' ', ',', 3},
        {"cs", ' ', ',', 3},    {"sv", ' ', ',', 3},     {"ch", '\'', '.', 3},
        {"hi", ',', '.', 2}};
    char text[WR_NUMBER_TEXT_MAX];
    uint32_t length = WR_MIN(name->length, (uint32_t)sizeof text - 1);
    for (uint32_t i = 0; i < length; i++)
        text[i] = (char)(wr_str_bytes(name)[i] == '_' ? '-' : wr_str_bytes(name)[i]);
    for (uint32_t i = 0; i < WR_COUNT(locales); i++) {
        uint32_t known = (uint32_t)strlen(locales[i].name);
        if (length >= known && strncasecmp(text, locales[i].name, known) == 0 &&
            (length == known || text[known] == '-'))
            return &locales[i];
    }
    return NULL;
}

/* Bytes of a blank: white space of ASCII, U+00A0, U+202F; 0: there is none. */
static uint32_t blank_length(const char *text, uint32_t length) {
    if (length >= 1 && isspace((unsigned char)*text))
        return 1;
    if (length >= 2 && memcmp(text, "\xc2\xa0", 2) == 0)
        return 2;
    return length >= 3 && memcmp(text, "\xe2\x80\xaf", 3) == 0 ? 3 : 0;
}

/* Bytes of a mark between groups; any blank is one where a blank is, and U+2019 where ' is. */
static uint32_t group_length(const struct locale *locale, const char *text, uint32_t length) {
    if (locale->group == ' ')
        return length == 0 || (isspace((unsigned char)*text) && *text != ' ')
                   ? 0
                   : blank_length(text, length);
    if (length >= 1 && *text == locale->group)
        return 1;
    return locale->group == '\'' && length >= 3 && memcmp(text, "\xe2\x80\x99", 3) == 0 ? 3 : 0;
}

/* Copies the digits before the point without their marks; 0 where the marks are not those of
 * groups, so that `12,34` and `0,123` are no 1234 and no 123. */
static int whole_digits(const struct locale *locale, const char *bytes, uint32_t *at, uint32_t end,
                        char *text, uint32_t *out) {
    uint32_t groups = 0, digits = 0, first = *out;
    for (; *at < end && *out < WR_NUMBER_TEXT_MAX; (*at)++) {
        uint32_t mark = group_length(locale, bytes + *at, end - *at);
        if (mark > 0) {
            if (digits == 0 || digits > locale->group_digits || text[first] == '0' ||
                (groups > 0 && digits != locale->group_digits))
                return 0;
            groups++;
            digits = 0;
            *at += mark - 1;
        } else if (isdigit((unsigned char)bytes[*at])) {
            text[(*out)++] = bytes[*at];
            digits++;
        } else {
            break;
        }
    }
    return groups == 0 || digits == 3;
}

/* The number in the notation of wr_float64_parse, which refuses what the rest must not have. */
static int plain_number(const struct wr_str *x, const struct locale *locale, char *text,
                        uint32_t *length) {
    const char *bytes = wr_str_bytes(x);
    uint32_t at = 0, end = x->length, out = 0, blank;
    while ((blank = blank_length(bytes + at, end - at)) > 0)
        at += blank;
    for (uint32_t size = 1; size <= 3 && end > at; size++) {
        if (end - at >= size && blank_length(bytes + end - size, size) == size) {
            end -= size;
            size = 0;
        }
    }
    if (at < end && (bytes[at] == '-' || bytes[at] == '+'))
        text[out++] = bytes[at++];
    if (!whole_digits(locale, bytes, &at, end, text, &out))
        return 0;
    if (at < end && bytes[at] != locale->point && (bytes[at] | 32) != 'e')
        return 0;
    for (int first = 1; at < end && out < WR_NUMBER_TEXT_MAX; at++, first = 0)
        text[out++] = first && bytes[at] == locale->point ? '.' : bytes[at];
    *length = out;
    return at == end;
}

static int parse_number(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        const struct wr_str *locale = &WR_ARG(call, 1, row, struct wr_str);
        const struct locale *place = locale_of(locale);
        char text[WR_NUMBER_TEXT_MAX];
        uint32_t length = 0;
        if (place == NULL)
            wr_call_no(call, row, locale, "locale that is known");
        else if (!plain_number(x, place, text, &length) ||
                 !wr_float64_parse(text, length, 0, &((double *)call->out)[row]))
            wr_call_no(call, row, x, "number");
    }
    return WR_OK;
}

#define CONVERSION (WR_FN_STRICT | WR_FN_CAN_FAIL | WR_FN_METHOD)

const struct wr_function wr_functions_conversion[] = {
    {.name = "int64",
     .group = "conversion",
     .flags = CONVERSION,
     .doc =
         "As int64: a float64 or decimal that is a whole number and fits, decimal digits, a bool "
         "(true is 1), a json number or string. Fails rather than rounds: `floor`, `round`, "
         "`trunc` do that.",
     .signatures = WR_SIGNATURES(
         {"(x int64) int64", same, NULL}, {"(x float64) int64", int64_of_float64, NULL},
         {"(x decimal) int64", int64_of_decimal, NULL}, {"(x string) int64", int64_of_string, NULL},
         {"(x bool) int64", int64_of_bool, NULL}, {"(x json) int64", wr_call_from_json, NULL}),
     .examples = WR_EXAMPLES({"int64('-12')", "-12"}, {"int64(3.0)", "3"},
                             {"int64(2.7)", "fails W502"}, {"int64('1x')", "fails W501"})},
    {.name = "float64",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As float64: an int64 that a float64 holds exactly, a decimal (the nearest), text in "
            "decimal notation or `nan`, `inf`, `-inf`, a json number or string.",
     .signatures = WR_SIGNATURES({"(x float64) float64", same, NULL},
                                 {"(x int64) float64", float64_of_int64, NULL},
                                 {"(x decimal) float64", float64_of_decimal, NULL},
                                 {"(x string) float64", float64_of_string, NULL},
                                 {"(x json) float64", wr_call_from_json, NULL}),
     .examples = WR_EXAMPLES({"float64('1e3')", "1000.0"}, {"float64(2)", "2.0"},
                             {"float64(9007199254740993)", "fails W502"})},
    {.name = "string",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As text: numbers (a float64 as the shortest text that reads back equal), true and "
            "false, times in RFC 3339, durations in ISO 8601, bytes that are UTF-8; a json string "
            "without its quotes, all other json as JSON text.",
     .signatures = WR_SIGNATURES(
         {"(x string) string", same, NULL}, {"(x bytes) string", string_of_bytes, NULL},
         {"(x json) string", wr_call_from_json, NULL}, {"(x int64) string", string_of_value, NULL},
         {"(x float64) string", string_of_value, NULL},
         {"(x decimal) string", string_of_value, NULL}, {"(x bool) string", string_of_value, NULL},
         {"(x timestamp) string", string_of_value, NULL},
         {"(x date) string", string_of_value, NULL}, {"(x duration) string", string_of_value, NULL},
         {"(x list) string", same, NULL}, {"(x struct) string", same, NULL},
         {"(x map) string", same, NULL}),
     .examples = WR_EXAMPLES({"string(0.1)", "'0.1'"}, {"string(true)", "'true'"},
                             {"string(duration'90m')", "'PT1H30M'"}, {"string(nil)", "nil"})},
    {.name = "bytes",
     .group = "conversion",
     .flags = WR_FN_STRICT | WR_FN_METHOD,
     .doc = "The bytes of a text.",
     .signatures = WR_SIGNATURES({"(x bytes) bytes", same, NULL}, {"(x string) bytes", same, NULL}),
     .examples = WR_EXAMPLES({"#bytes('ab')", "2"}, {"string(bytes('ab'))", "'ab'"})},
    {.name = "bool",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As bool: the text `true` or `false`, the number 1 or 0, a json bool. `to_bool` takes "
            "more.",
     .signatures = WR_SIGNATURES(
         {"(x bool) bool", same, NULL}, {"(x int64) bool", bool_of_int64, NULL},
         {"(x string) bool", bool_of_string, NULL}, {"(x json) bool", wr_call_from_json, NULL}),
     .examples = WR_EXAMPLES({"bool('true')", "true"}, {"bool(0)", "false"},
                             {"bool('yes')", "fails W501"}, {"bool(2)", "fails W502"})},
    {.name = "to_bool",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As bool, from the words people use, in any case: true yes 1 t y on, false no 0 f n "
            "off.",
     .signatures = WR_SIGNATURES({"(x string) bool", to_bool, NULL}),
     .examples = WR_EXAMPLES({"to_bool('Yes')", "true"}, {"to_bool('off')", "false"},
                             {"to_bool('maybe')", "fails W501"})},
    {.name = "decimal",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As decimal with `p` digits, `s` of them behind the point; without them as many as a "
            "literal has, 19 and 0 for int64, else 38 and 10. Fails where digits would be lost.",
     .signatures = WR_SIGNATURES(
         {"(x decimal) decimal", decimal_of_number, NULL},
         {"(x int64) decimal", decimal_of_number, NULL},
         {"(x float64) decimal", decimal_of_number, NULL},
         {"(x string) decimal", decimal_of_string, NULL},
         {"(x json) decimal", wr_call_from_json, NULL},
         {"(x decimal, p const int64, s const int64) decimal", decimal_of_number, NULL},
         {"(x int64, p const int64, s const int64) decimal", decimal_of_number, NULL},
         {"(x float64, p const int64, s const int64) decimal", decimal_of_number, NULL},
         {"(x string, p const int64, s const int64) decimal", decimal_of_string, NULL},
         {"(x json, p const int64, s const int64) decimal", wr_call_from_json, NULL}),
     .examples = WR_EXAMPLES({"decimal'0.908'", "0.908"}, {"decimal('1.5', 10, 2)", "1.50"},
                             {"decimal(7)", "7"}, {"decimal('1.555', 10, 2)", "fails W502"})},
    {.name = "parse_number",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "A number as people of a place write it, as float64: groups and point by `locale` (en, "
            "de, es, it, nl, pt, fr, ru, pl, cs, sv, hi, ch; de-AT is de, de-CH and it-CH are ch, "
            "en-IN is hi). Groups have three digits (hi: all but the last one two) and end at the "
            "point, or it fails: `12,34` is no number of `en`.",
     .signatures = WR_SIGNATURES({"(x string, locale string = 'en') float64", parse_number, NULL}),
     .examples = WR_EXAMPLES(
         {"parse_number('1,234.5')", "1234.5"}, {"parse_number('1.234,5', 'de')", "1234.5"},
         {"parse_number('12,34,567', 'en-IN')", "1234567.0"},
         {"parse_number('900,00')", "fails W501"}, {"parse_number('x')", "fails W501"})},
    {0},
};
