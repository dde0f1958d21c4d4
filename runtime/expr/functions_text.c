/* functions_text.c: case, trimming, cutting, padding, repeating, joining. Bytes, as in Lua; letters
 * are those of ASCII. */
#include "expr/library.h"
#include "base/banned.h"

/* ---- case, reverse -------------------------------------------------------------------------- */

static inline char byte_lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
}
static inline char byte_upper(char c) {
    return (char)(c >= 'a' && c <= 'z' ? c & ~32 : c);
}

/* A result as long as argument 0, byte for byte. */
#define BYTES_KERNEL(name, expression) \
    static int name##_kernel(struct wr_call *call) { \
        FN_EACH(call, row) { \
            const struct wr_str *str = fn_str(call, 0, row); \
            const char *from = wr_str_bytes(str); \
            uint32_t n = str->length; \
            char small[WR_STR_INLINE_MAX]; \
            char *to = fn_room(call, row, n, small); \
            if (to == NULL) \
                continue; \
            for (uint32_t i = 0; i < n; i++) \
                to[i] = expression; \
            fn_piece(call, row, to, n); \
        } \
        return WR_OK; \
    }
BYTES_KERNEL(lower, byte_lower(from[i]))
BYTES_KERNEL(upper, byte_upper(from[i]))
BYTES_KERNEL(reverse, from[n - 1 - i])

static int is_word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80 || c == '\'';
}
BYTES_KERNEL(initcap,
             i == 0 || !is_word_byte(from[i - 1]) ? byte_upper(from[i]) : byte_lower(from[i]))

/* ---- lengths -------------------------------------------------------------------------------- */

static int len_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_INT(call)[row] = fn_str(call, 0, row)->length;
    return WR_OK;
}

/* ---- trimming ------------------------------------------------------------------------------- */

enum side { SIDE_LEFT = 1, SIDE_RIGHT = 2 };

static void trim_row(struct wr_call *call, uint32_t row, const uint64_t set[4], unsigned sides) {
    const struct wr_str *str = fn_str(call, 0, row);
    const char *start = wr_str_bytes(str);
    const char *end = start + str->length;
    while (sides & SIDE_LEFT && start < end && wr_bit_get(set, (unsigned char)*start))
        start++;
    while (sides & SIDE_RIGHT && start < end && wr_bit_get(set, (unsigned char)end[-1]))
        end--;
    fn_piece(call, row, start, (size_t)(end - start));
}

static int trim_rows(struct wr_call *call, unsigned sides) {
    FN_EACH(call, row) {
        uint64_t set[4] = {0};
        static const char blanks[] = " \t\n\v\f\r";
        const char *bytes = blanks;
        uint32_t length = sizeof blanks - 1;
        if (call->arg_count > 1) {
            bytes = wr_str_bytes(fn_str(call, 1, row));
            length = fn_str(call, 1, row)->length;
        }
        for (uint32_t i = 0; i < length; i++)
            wr_bit_set(set, (unsigned char)bytes[i]);
        trim_row(call, row, set, sides);
    }
    return WR_OK;
}
static int trim_kernel(struct wr_call *call) {
    return trim_rows(call, SIDE_LEFT | SIDE_RIGHT);
}
static int ltrim_kernel(struct wr_call *call) {
    return trim_rows(call, SIDE_LEFT);
}
static int rtrim_kernel(struct wr_call *call) {
    return trim_rows(call, SIDE_RIGHT);
}

/* ---- cutting -------------------------------------------------------------------------------- */

static int sub_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        int64_t length = str->length;
        int64_t from = fn_int(call, 1, row);
        int64_t to = fn_int(call, 2, row);
        if (from < 0)
            from = from < -length ? 1 : length + from + 1;
        else if (from == 0)
            from = 1;
        if (to > length)
            to = length;
        else if (to < 0)
            to = to < -length ? 0 : length + to + 1;
        if (from > to)
            fn_piece(call, row, "", 0);
        else
            fn_piece(call, row, wr_str_bytes(str) + from - 1, (size_t)(to - from + 1));
    }
    return WR_OK;
}

/* How many bytes `n` asks for: a negative n leaves that many out. */
static uint32_t side_bytes(uint32_t length, int64_t n) {
    if (n >= 0)
        return (uint32_t)WR_MIN((int64_t)length, n);
    return n < -(int64_t)length ? 0 : (uint32_t)((int64_t)length + n);
}
static int left_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        fn_piece(call, row, wr_str_bytes(str), side_bytes(str->length, fn_int(call, 1, row)));
    }
    return WR_OK;
}
static int right_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        uint32_t n = side_bytes(str->length, fn_int(call, 1, row));
        fn_piece(call, row, wr_str_bytes(str) + str->length - n, n);
    }
    return WR_OK;
}

/* ---- repeating, padding --------------------------------------------------------------------- */

/* Fills `to` with `unit` again and again. */
static void fill(char *to, uint64_t length, const char *unit, uint64_t unit_length) {
    uint64_t done = WR_MIN(length, unit_length);
    memcpy(to, unit, done);
    while (done < length) {
        uint64_t piece = WR_MIN(done / unit_length * unit_length, length - done);
        memcpy(to + done, to, piece);
        done += piece;
    }
}

static int rep_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        const struct wr_str *between = fn_str(call, 2, row);
        int64_t n = fn_int(call, 1, row);
        uint64_t unit = (uint64_t)str->length + between->length;
        char small[WR_STR_INLINE_MAX];
        if (n <= 0 || unit == 0) {
            fn_piece(call, row, "", 0);
            continue;
        }
        uint64_t total; /* what it would be, for the message, as far as it can be said */
        if (__builtin_mul_overflow((uint64_t)n, unit, &total))
            total = UINT64_MAX;
        else
            total -= between->length;
        char *to = fn_room(call, row, total, small);
        if (to == NULL)
            continue;
        if (n > 1) {
            /* One unit, then as often as needed; the last text has nothing behind it. */
            memcpy(to, wr_str_bytes(str), str->length);
            memcpy(to + str->length, wr_str_bytes(between),
                   WR_MIN(total - str->length, between->length));
            if (total > unit)
                fill(to + unit, total - unit, to, unit);
        } else {
            memcpy(to, wr_str_bytes(str), str->length);
        }
        fn_piece(call, row, to, total);
    }
    return WR_OK;
}

static int pad_rows(struct wr_call *call, enum side side) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        const struct wr_str *with = fn_str(call, 2, row);
        int64_t n = WR_MAX(fn_int(call, 1, row), 0);
        uint64_t keep = WR_MIN((uint64_t)n, str->length);
        uint64_t pad = with->length == 0 ? 0 : (uint64_t)n - keep;
        char small[WR_STR_INLINE_MAX];
        char *to = fn_room(call, row, keep + pad, small);
        if (to == NULL)
            continue;
        memcpy(to + (side == SIDE_LEFT ? pad : 0), wr_str_bytes(str), keep);
        if (pad > 0)
            fill(to + (side == SIDE_LEFT ? 0 : keep), pad, wr_str_bytes(with), with->length);
        fn_piece(call, row, to, keep + pad);
    }
    return WR_OK;
}
static int lpad_kernel(struct wr_call *call) {
    return pad_rows(call, SIDE_LEFT);
}
static int rpad_kernel(struct wr_call *call) {
    return pad_rows(call, SIDE_RIGHT);
}

/* ---- joining -------------------------------------------------------------------------------- */

/* Joins arguments from `first` on that are not nil. */
static void join_row(struct wr_call *call, uint32_t row, uint32_t first, const char *between,
                     uint32_t between_length) {
    uint64_t total = 0;
    uint32_t parts = 0;
    for (uint32_t a = first; a < call->arg_count; a++) {
        if (fn_is_nil(call, a, row))
            continue;
        total += fn_str(call, a, row)->length;
        parts++;
    }
    total += (uint64_t)between_length * (parts > 0 ? parts - 1 : 0);
    char small[WR_STR_INLINE_MAX];
    char *to = fn_room(call, row, total, small);
    if (to == NULL)
        return;
    char *end = to;
    uint32_t joined = 0;
    for (uint32_t a = first; a < call->arg_count; a++) {
        if (fn_is_nil(call, a, row))
            continue;
        if (joined++ > 0) {
            memcpy(end, between, between_length);
            end += between_length;
        }
        const struct wr_str *str = fn_str(call, a, row);
        memcpy(end, wr_str_bytes(str), str->length);
        end += str->length;
    }
    fn_piece(call, row, to, (size_t)(end - to));
}

int wr_text_concat_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    join_row(call, row, 0, "", 0);
    return WR_OK;
}
static int concat_ws_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        if (fn_is_nil(call, 0, row)) {
            wr_call_nil(call, row);
            continue;
        }
        const struct wr_str *between = fn_str(call, 0, row);
        join_row(call, row, 1, wr_str_bytes(between), between->length);
    }
    return WR_OK;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static int byte_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        int64_t at = fn_int(call, 1, row);
        if (at < 0)
            at += (int64_t)str->length + 1;
        if (at < 1 || at > (int64_t)str->length)
            wr_call_nil(call, row);
        else
            FN_OUT_INT(call)[row] = (unsigned char)wr_str_bytes(str)[at - 1];
    }
    return WR_OK;
}

static int char_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        char small[WR_STR_INLINE_MAX];
        char *to = fn_room(call, row, call->arg_count, small);
        uint32_t n = 0;
        for (; to != NULL && n < call->arg_count; n++) {
            int64_t byte = fn_int(call, n, row);
            if (byte < 0 || byte > 255) {
                wr_call_fail(call, row, WR_REJECT_TYPE, "%lld is no byte", (long long)byte);
                break;
            }
            to[n] = (char)byte;
        }
        if (to != NULL && n == call->arg_count)
            fn_piece(call, row, to, n);
    }
    return WR_OK;
}

/* ---- the table ------------------------------------------------------------------------------ */

#define LOWER(own_name) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE, \
        .doc = "In lower case: A to Z only, other bytes stay.", \
        .signatures = FN_SIGNATURES({"(x string) string", lower_kernel, NULL}), \
        .examples = FN_EXAMPLES({own_name "('Weir')", "'weir'"}, {own_name "('ÄB')", "'Äb'"}) \
    }
#define UPPER(own_name) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE, \
        .doc = "In upper case: a to z only, other bytes stay.", \
        .signatures = FN_SIGNATURES({"(x string) string", upper_kernel, NULL}), \
        .examples = FN_EXAMPLES({own_name "('weir')", "'WEIR'"}, {own_name "('äb')", "'äB'"}) \
    }
#define LEN(own_name) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE, \
        .doc = "The length in bytes, as `#x`. Characters are counted by char_length.", \
        .signatures = FN_SIGNATURES({"(x text) int64", len_kernel, NULL}), \
        .examples = FN_EXAMPLES({own_name "('weir')", "4"}, {own_name "('größe')", "7"}) \
    }
#define SUB(own_name) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE, \
        .doc = "The bytes `from` to `to`, both included, counted from 1; negative ones from the " \
               "end. A letter like `ö` has two: `regex_find(x, '^.{3}')` is three characters.", \
        .signatures = FN_SIGNATURES({"(x text, from int64, to int64 = -1) T", sub_kernel, NULL}), \
        .examples = FN_EXAMPLES({own_name "('weir', 2, 3)", "'ei'"}, \
                                {own_name "('weir', -2)", "'ir'"}, {own_name "('weir', 9)", "''"}) \
    }
#define REVERSE(own_name) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE, .doc = "The bytes in reverse order.", \
        .signatures = FN_SIGNATURES({"(x text) T", reverse_kernel, NULL}), \
        .examples = FN_EXAMPLES({own_name "('weir')", "'riew'"}, {own_name "('')", "''"}) \
    }
#define REP(own_name) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE | WR_FN_CAN_FAIL, \
        .doc = "The text n times, with `between` in between.", \
        .signatures = \
            FN_SIGNATURES({"(x string, n int64, between string = '') string", rep_kernel, NULL}), \
        .examples = \
            FN_EXAMPLES({own_name "('ab', 3)", "'ababab'"}, {own_name "('a', 3, '-')", "'a-a-a'"}, \
                        {own_name "('a', 0)", "''"}, {own_name "('a', 100000000)", "fails W504"}) \
    }
#define BYTE(own_name) \
    { \
        .name = own_name, .group = "patterns", .flags = FN_PURE | WR_FN_CAN_NIL, \
        .doc = "The value of the byte at a place; negative ones from the end; nil where there is " \
               "none.", \
        .signatures = FN_SIGNATURES({"(x text, at int64 = 1) int64", byte_kernel, NULL}), \
        .examples = FN_EXAMPLES({own_name "('A')", "65"}, {own_name "('AB', -1)", "66"}, \
                                {own_name "('A', 2)", "nil"}) \
    }
#define CHAR(own_name) \
    { \
        .name = own_name, .group = "patterns", .flags = WR_FN_STRICT | WR_FN_CAN_FAIL, \
        .doc = "The string of these bytes, each from 0 to 255.", \
        .signatures = FN_SIGNATURES({"(byte int64…) string", char_kernel, NULL}), \
        .examples = FN_EXAMPLES({own_name "(119, 101)", "'we'"}, {own_name "(256)", "fails W502"}) \
    }

#define TEXT_ENTRY(own_name, own_flags, own_doc, signature, own_kernel, ...) \
    { \
        .name = own_name, .group = "text", .flags = own_flags, .doc = own_doc, \
        .signatures = FN_SIGNATURES({signature, own_kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }
#define TRIM_ENTRY(own_name, own_doc, own_kernel, ...) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE, .doc = own_doc, \
        .signatures = FN_SIGNATURES({"(x string) string", own_kernel, NULL}, \
                                    {"(x string, bytes string) string", own_kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_text[] = {
    LOWER("lower"),
    LOWER("string.lower"),
    UPPER("upper"),
    UPPER("string.upper"),
    LEN("len"),
    LEN("string.len"),
    SUB("sub"),
    SUB("string.sub"),
    REVERSE("reverse"),
    REVERSE("string.reverse"),
    REP("rep"),
    REP("string.rep"),
    BYTE("byte"),
    BYTE("string.byte"),
    CHAR("char"),
    CHAR("string.char"),
    TRIM_ENTRY("trim", "Without blanks, tabs and line ends, or the bytes given, at both ends.",
               trim_kernel, {"trim('  a b ')", "'a b'"}, {"trim('--a-', '-')", "'a'"}),
    TRIM_ENTRY("ltrim", "Without blanks, tabs and line ends, or the bytes given, at the start.",
               ltrim_kernel, {"ltrim('  a ')", "'a '"}, {"ltrim('007', '0')", "'7'"}),
    TRIM_ENTRY("rtrim", "Without blanks, tabs and line ends, or the bytes given, at the end.",
               rtrim_kernel, {"rtrim(' a  ')", "' a'"}, {"rtrim('1.500', '0')", "'1.5'"}),
    TEXT_ENTRY(
        "left", FN_PURE,
        "The first n bytes (a letter like `ö` has two: see `sub`); with a negative n all but the "
        "last -n.",
        "(x text, n int64) T", left_kernel, {"left('weir', 2)", "'we'"},
        {"left('weir', -1)", "'wei'"}),
    TEXT_ENTRY(
        "right", FN_PURE,
        "The last n bytes (a letter like `ö` has two); with a negative n all but the first -n.",
        "(x text, n int64) T", right_kernel, {"right('weir', 2)", "'ir'"},
        {"right('weir', -1)", "'eir'"}),
    TEXT_ENTRY("lpad", FN_PURE | WR_FN_CAN_FAIL,
               "Padded at the start to n bytes; a longer text is cut to n bytes.",
               "(x string, n int64, with string = ' ') string", lpad_kernel,
               {"lpad('7', 3, '0')", "'007'"}, {"lpad('weir', 2)", "'we'"},
               {"lpad('x', 100000000)", "fails W504"}),
    TEXT_ENTRY("rpad", FN_PURE | WR_FN_CAN_FAIL,
               "Padded at the end to n bytes; a longer text is cut to n bytes.",
               "(x string, n int64, with string = ' ') string", rpad_kernel,
               {"rpad('7', 3, 'ab')", "'7ab'"}, {"rpad('weir', 6, '.')", "'weir..'"}),
    TEXT_ENTRY("concat_ws", WR_FN_CAN_FAIL,
               "The texts that are not nil, with `between` in between. A nil `between` gives nil.",
               "(between string, x string…) string", concat_ws_kernel,
               {"concat_ws('-', 'a', string(nil), 'b')", "'a-b'"}, {"concat_ws(', ', 'a')", "'a'"}),
    TEXT_ENTRY("initcap", FN_PURE,
               "Each word with a capital first letter and small ones behind: ASCII letters only.",
               "(x string) string", initcap_kernel, {"initcap('new YORK')", "'New York'"},
               {"initcap('o-k fine')", "'O-K Fine'"}),
    {0},
};
