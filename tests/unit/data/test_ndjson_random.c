/* test_ndjson_random.c: the NDJSON decoder against a plain parser that knows no tricks, over random
 * rows: many alike (so that templates are learned), some odd, some broken; with every vector form,
 * and however the input is cut. */
#include "test.h"

#include <errno.h>
#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/simd.h"
#include "base/assert.h"
#include "data/text.h"
#include "data/time.h"
#include "data/utf8.h"
#include "support_decode.h"

#define SCHEMA \
    "i int64, f float64, b bool, s string, t timestamp, e timestamp(ms), j json, r int64 required"
#define COLUMNS 8

static uint64_t state;

static uint32_t random_below(uint32_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % bound);
}

/* ---- the plain parser ---- */

struct value {
    char kind; /* 0 absent, n t f, 's'tring, '0' number, '{', '[' */
    const char *at, *end;
    char text[1024]; /* of a string, unescaped */
    size_t length;
};

struct parser {
    const char *at, *end;
    int bad;
};

static void blanks(struct parser *p) {
    while (p->at < p->end && strchr(" \t\r\n", *p->at) != NULL && *p->at != 0)
        p->at++;
}

static int eat(struct parser *p, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0)
        return 0;
    p->at += length;
    return 1;
}

static uint32_t hex(struct parser *p) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdefABCDEF", *found;
        if (p->at == p->end || *p->at == 0 || (found = strchr(digits, *p->at)) == NULL) {
            p->bad = 1;
            return 0;
        }
        uint32_t digit = (uint32_t)(found - digits);
        value = value * 16 + (digit > 15 ? digit - 6 : digit);
        p->at++;
    }
    return value;
}

static void string(struct parser *p, struct value *value) {
    value->length = 0;
    p->at++;
    while (!p->bad) {
        if (p->at == p->end || (unsigned char)*p->at < 0x20) {
            p->bad = 1;
        } else if (*p->at == '"') {
            p->at++;
            return;
        } else if (*p->at != '\\') {
            value->text[value->length++] = *p->at++;
        } else {
            static const char names[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
            p->at++;
            const char *name = p->at < p->end && *p->at != 0 ? strchr(names, *p->at) : NULL;
            if (name != NULL) {
                value->text[value->length++] = plain[name - names];
                p->at++;
            } else if (eat(p, "u")) {
                uint32_t code = hex(p);
                if (code >= 0xd800 && code < 0xdc00) {
                    uint32_t low = eat(p, "\\u") ? hex(p) : 0;
                    p->bad |= low < 0xdc00 || low > 0xdfff;
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                } else {
                    p->bad |= code >= 0xdc00 && code < 0xe000;
                }
                if (!p->bad)
                    value->length += wr_utf8_put(code, value->text + value->length);
            } else {
                p->bad = 1;
            }
        }
    }
}

static int digits(struct parser *p) {
    const char *first = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return (int)(p->at - first);
}

static void number(struct parser *p) {
    eat(p, "-");
    const char *first = p->at;
    int count = digits(p);
    p->bad |= count == 0 || (count > 1 && *first == '0');
    if (eat(p, "."))
        p->bad |= digits(p) == 0;
    if (eat(p, "e") || eat(p, "E")) {
        if (!eat(p, "+"))
            eat(p, "-");
        p->bad |= digits(p) == 0;
    }
}

static void any(struct parser *p, struct value *value, int depth);

static void members(struct parser *p, struct value *values, int depth) {
    static struct value scratch[70], key;
    static const char *const names[COLUMNS] = {"i", "f", "b", "s", "t", "e", "j", "r"};
    p->at++;
    blanks(p);
    if (eat(p, "}"))
        return;
    while (!p->bad) {
        blanks(p);
        if (p->at == p->end || *p->at != '"') {
            p->bad = 1;
            return;
        }
        string(p, &key);
        struct value *to = &scratch[depth];
        for (int i = 0; values != NULL && i < COLUMNS; i++)
            if (key.length == strlen(names[i]) && memcmp(key.text, names[i], key.length) == 0)
                to = &values[i];
        blanks(p);
        p->bad |= !eat(p, ":");
        any(p, to, depth);
        blanks(p);
        if (eat(p, "}"))
            return;
        p->bad |= !eat(p, ",");
    }
}

static void any(struct parser *p, struct value *value, int depth) {
    static struct value scratch[70];
    blanks(p);
    value->at = p->at;
    value->kind = p->at == p->end ? 0 : *p->at;
    if (depth > 64) {
        p->bad = 1;
    } else if (value->kind == '"') {
        value->kind = 's';
        string(p, value);
    } else if (value->kind == '{') {
        members(p, NULL, depth + 1);
    } else if (value->kind == '[') {
        p->at++;
        blanks(p);
        if (!eat(p, "]")) {
            do
                any(p, &scratch[depth], depth + 1);
            while (!p->bad && (blanks(p), eat(p, ",")));
            p->bad |= !eat(p, "]");
        }
    } else if (!eat(p, "true") && !eat(p, "false") && !eat(p, "null")) {
        value->kind = '0';
        number(p);
    }
    value->end = p->at;
}

/* Appends what a column shows; 0 when the value does not fit. */
static int show(struct wr_buf *out, int column, const struct value *value) {
    char number_text[64] = "";
    int64_t us;
    char time_text[WR_TIME_TEXT_MAX];
    if (value->kind == 0 || value->kind == 'n')
        return wr_buf_add_text(out, "nil") == WR_OK && column != 7;
    if (value->kind == '0')
        snprintf(number_text, sizeof number_text, "%.*s", (int)WR_MIN(value->end - value->at, 60),
                 value->at);
    int whole = strspn(number_text, "-0123456789") == strlen(number_text);
    switch (column) {
    case 0:
    case 7:
        errno = 0;
        if (value->kind != '0' || !whole)
            return 0;
        wr_buf_addf(out, "%lld", strtoll(number_text, NULL, 10));
        return errno == 0;
    case 1: {
        double real = strtod(number_text, NULL);
        char text[WR_NUMBER_TEXT_MAX];
        if (value->kind != '0' || isinf(real))
            return 0;
        return wr_buf_add(out, text, wr_float64_format(real, text)) == WR_OK;
    }
    case 2:
        wr_buf_add_text(out, value->kind == 't' ? "true" : "false");
        return value->kind == 't' || value->kind == 'f';
    case 4:
        if (value->kind != 's' || !wr_timestamp_parse(value->text, value->length, &us))
            return 0;
        wr_timestamp_format(us, time_text);
        return wr_buf_add_text(out, time_text) == WR_OK;
    case 5:
        if (!(value->kind == '0'
                  ? wr_timestamp_parse_as("ms", number_text, strlen(number_text), &us)
                  : value->kind == 's' &&
                        wr_timestamp_parse_as("ms", value->text, value->length, &us)))
            return 0;
        wr_timestamp_format(us, time_text);
        return wr_buf_add_text(out, time_text) == WR_OK;
    case 3: {
        char quoted[6000];
        size_t length = 0;
        if (value->kind != 's')
            return 0;
        for (size_t i = 0; i < value->length; i++) {
            static const char escapes[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                           ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
            unsigned char byte = (unsigned char)value->text[i];
            if (byte < sizeof escapes && escapes[byte] != 0)
                length += (size_t)snprintf(quoted + length, 8, "\\%c", escapes[byte]);
            else if (byte < 0x20)
                length += (size_t)snprintf(quoted + length, 8, "\\u%04x", byte);
            else
                quoted[length++] = (char)byte;
        }
        wr_buf_add_char(out, '"');
        wr_buf_add(out, quoted, length);
        return wr_buf_add_char(out, '"') == WR_OK;
    }
    default: return wr_buf_add(out, value->at, (size_t)(value->end - value->at)) == WR_OK;
    }
}

/* What a line gives: a row, or "! W501". Nothing for a blank line. */
static void expect_line(struct wr_buf *out, const char *line, const char *end) {
    static struct value values[COLUMNS];
    struct parser p = {line, end, 0};
    memset(values, 0, sizeof values);
    blanks(&p);
    if (p.at == end)
        return;
    if (wr_utf8_valid_prefix_plain(line, (size_t)(end - line)) != (size_t)(end - line) ||
        *p.at != '{') {
        wr_buf_add_text(out, "! W501\n");
        return;
    }
    members(&p, values, 1);
    blanks(&p);
    if (p.bad || p.at < end) {
        wr_buf_add_text(out, "! W501\n");
        return;
    }
    size_t before = out->length;
    for (int i = 0; i < COLUMNS; i++) {
        if (i > 0)
            wr_buf_add_char(out, '|');
        if (show(out, i, &values[i]))
            continue;
        out->length = before;
        wr_buf_addf(out, "! W%d\n", values[i].kind == 0 || values[i].kind == 'n' ? 512 : 502);
        return;
    }
    wr_buf_add_char(out, '\n');
}

/* ---- random rows ---- */

static size_t put(char *to, const char *text) {
    size_t length = strlen(text);
    memcpy(to, text, length);
    return length;
}

static const char *const odd_values[] = {
    "null",
    "true",
    "false",
    "\"\"",
    "0",
    "-0",
    "-",
    "01",
    "1.5",
    "1e3",
    "1E-2",
    "-1.25e+2",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e400",
    "1e-400",
    "12345678",
    "123456789",
    "1234567890123456",
    "12345678901234567",
    "1234567890123456789",
    "99999999999999999999",
    "0.1",
    "00.1",
    "1234567.1234567",
    "12345678.5",
    "1.12345678",
    "{}",
    "[]",
    "[1,{\"a\":[null,\"x\"]}]",
    "{\"i\":7,\"s\":\"q\"}",
    "[1,]",
    "{\"a\"}",
    "nul",
    "tru",
    "truex",
    "\"2024-03-31T10:00:00Z\"",
    "\"2024-03-31 10:00:00.5Z\"",
    "\"2024-02-30T10:00:00Z\"",
    "\"2024-03-31T10:00:00.123456Z\"",
    "\"2024-03-31T10:00:00.1234567Z\"",
    "\"2024-03-31T25:00:00Z\"",
    "\"2024-03-31T10:00\"",
    "\"2024-03-31T10:00:00+02:00\"",
    "\"2024-03:31T10-00:00Z\"",
    "\"1711879200123\"",
    "\"\\u00e9\\n\\\\\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\x\"",
    "\"a\tb\"",
    "\"\xc3\xa9\xe2\x82\xac\"",
    "\"\xff\"",
    "\"\xed\xa0\x80\"",
    "\"twelve bytes\"",
    "\"thirteen bytes\"",
    "\"a text of more than thirty-two bytes, with \xc3\xa9 in it\"",
    "\"a text of more than thirty-two bytes, with \\\" in it\"",
    "\"a text of more than sixty-four bytes, in which nothing is odd at all and on it goes\"",
    "\"cut",
    "1 ",
    " 1",
    "\"tab\\t\"",
    "[[[[[[[[1]]]]]]]]",
    "253402300799999",
    "-1"};

static size_t random_value(char *to, int column) {
    static const char *const usual[COLUMNS] = {
        "%u",           "%u.25",      "true", "\"word-%u\"", "\"2024-03-%02uT10:00:%02uZ\"",
        "17118792%05u", "{\"x\":%u}", "%u"};
    if (random_below(12) == 0)
        return put(to, odd_values[random_below(sizeof odd_values / sizeof *odd_values)]);
    uint32_t number = random_below(100000) >> random_below(17);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    return (size_t)snprintf(to, 100, usual[column], column == 4 ? 1 + number % 28 : number,
                            number % 60);
#pragma GCC diagnostic pop
}

static size_t random_row(char *to, int shape) {
    static const char *const names[COLUMNS + 3] = {
        "i",      "f", "b", "s",       "t",
        "e",      "j", "r", "unknown", "a key of more than thirty-two bytes",
        "\\u0069"};
    size_t length = 0;
    int odd = random_below(10) == 0;
    uint32_t first = (uint32_t)shape * 3;
    if (random_below(40) == 0)
        return put(to, random_below(2) == 0 ? "" : "garbage");
    to[length++] = '{';
    for (uint32_t i = 0; i < COLUMNS + 2; i++) {
        uint32_t name = (first + i * (uint32_t)(1 + 2 * (shape % 3))) % (COLUMNS + 2);
        if (odd && random_below(8) == 0)
            name = random_below(COLUMNS + 3);
        if ((odd && random_below(8) == 0) || (shape == 2 && name == 3))
            continue;
        if (length > 1)
            length += put(to + length, shape == 1 ? ", " : ",");
        to[length++] = '"';
        length += put(to + length, names[name]);
        length += put(to + length, shape == 1 ? "\": " : "\":");
        length += random_value(to + length, (int)(name < COLUMNS ? name : random_below(COLUMNS)));
    }
    to[length++] = '}';
    if (odd && random_below(6) == 0)
        to[random_below((uint32_t)length)] = (char)(random_below(2) == 0 ? random_below(256) : '"');
    return length;
}

/* Codes of rejects and rows, sorted, since rejects come before the rows of their batch. */
static int line_compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void normalise(struct wr_buf *text, int codes_only, int in_order) {
    static char *lines[8192];
    struct wr_buf out;
    size_t count = 0;
    wr_buf_init(&out, &wr_budget_control, 0);
    wr_buf_add(&out, "", 0);
    for (char *at = text->bytes; *at != 0;) {
        char *end = strchr(at, '\n');
        *end = 0;
        if (codes_only && at[0] == '!')
            at[6] = 0;
        CHECK_INT(count, <, sizeof lines / sizeof *lines);
        lines[count++] = at;
        at = end + 1;
    }
    if (!in_order)
        qsort(lines, count, sizeof *lines, line_compare);
    for (size_t i = 0; i < count; i++) {
        wr_buf_add_text(&out, lines[i]);
        wr_buf_add_char(&out, '\n');
    }
    wr_buf_release(text);
    *text = out;
}

static void check_same(int round, const char *what, const char *input, const struct wr_buf *a,
                       const struct wr_buf *b) {
    if (strcmp(a->bytes, b->bytes) == 0)
        return;
    size_t at = 0, record = 0;
    for (; a->bytes[at] == b->bytes[at]; at++)
        record += a->bytes[at] == '\n';
    while (at > 0 && a->bytes[at - 1] != '\n')
        at--;
    for (;;) { /* the record of that number, where the results are in its order */
        size_t length = strcspn(input, "\n");
        if (strspn(input, " \t\r") < length && record-- == 0)
            break;
        if (input[length] == 0)
            break;
        input += length + 1;
    }
    test_fail(__FILE__, __LINE__, "round %d, %s: expected\n%.300s\n--- got\n%.300s\n--- of\n%.600s",
              round, what, a->bytes + at, b->bytes + at, input);
}

TEST(ndjson_agrees_with_a_plain_parser_whatever_the_vectors_and_the_cuts) {
    static char text[200000];
    state = test_seed();
    for (int round = 0; round < 200 || test_random_time_left(); round++) {
        struct wr_buf expected, got;
        size_t length = 0;
        int shapes = 1 + (int)random_below(6);
        wr_buf_init(&expected, &wr_budget_control, 0);
        wr_buf_add(&expected, "", 0);
        for (uint32_t rows = random_below(120); rows > 0; rows--) {
            char *line = text + length;
            length += random_row(line, (int)random_below((uint32_t)shapes));
            char *end = text + length;
            for (char *at = line; at < end; at++) /* damage may have cut the line */
                if (*at == '\n' || *at == 0)
                    *at = ' ';
            if (rows > 1 || random_below(2) == 0)
                length += put(text + length, shapes == 3 ? "\r\n" : "\n");
            int cr = length > 1 && text[length - 1] == '\n' && text[length - 2] == '\r';
            (void)cr;
            expect_line(&expected, line, end);
        }
        text[length] = 0;
        if (length == 0) {
            wr_buf_release(&expected);
            continue;
        }
        normalise(&expected, 0, 1);
        struct test_decode run = {
            .format = "ndjson", .schema = SCHEMA, .text = text, .length = length, .batch_rows = 1};
        for (int level = WR_SIMD_NONE; level <= WR_SIMD_AVX2; level++) {
            wr_simd_cap((enum wr_simd)level);
            test_decode_run(&run, &got);
            normalise(&got, 1, 1);
            check_same(round, "codes", text, &expected, &got);
            wr_buf_release(&got);
        }
        run.positions = 1;
        run.batch_rows = 0;
        test_decode_run(&run, &got);
        normalise(&got, 0, 0);
        wr_buf_release(&expected);
        expected = got;
        run.seed = state | 1;
        run.piece = 1 + random_below(2000);
        run.batch_rows = 1 + random_below(50);
        run.restart = (int)random_below(2);
        test_decode_run(&run, &got);
        normalise(&got, 0, 0);
        check_same(round, "cut", text, &expected, &got);
        wr_buf_release(&got);
        wr_buf_release(&expected);
    }
}
