/* test_csv_random.c: the CSV decoder against a plain reader that goes byte by byte, over random
 * files: with every vector form, and however the input is cut. */
#include "test.h"

#include <errno.h>
#include <math.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/simd.h"
#include "data/text.h"
#include "data/time.h"
#include "data/utf8.h"
#include "support_decode.h"

#define SCHEMA "i int64, f float64, s string, t timestamp, d decimal(6,2), r int64 required, a bool"
#define COLUMNS 7

static uint64_t state;

static uint32_t random_below(uint32_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % bound);
}

/* ---- the plain reader ---- */

struct field {
    char *text; /* 0-terminated, in a pool of the record */
    size_t length;
    int quoted;
};

/* Reads one record; returns what is behind it. */
static const char *read_record(const char *at, const char *end, char delimiter,
                               struct field *fields, int *count, int *bad) {
    static char pool[400000];
    char *room = pool;
    *count = *bad = 0;
    for (;;) {
        struct field *field = &fields[*count < 20 ? (*count)++ : 19];
        *field = (struct field){.text = room, .quoted = at < end && *at == '"'};
        if (field->quoted) {
            for (at++; at < end; at++) {
                if (*at == '"' && (at + 1 == end || at[1] != '"'))
                    break;
                at += *at == '"';
                field->text[field->length++] = *at;
            }
            *bad |= at == end;
            at += at < end;
            if (at < end && *at == '\r' && (at + 1 == end || at[1] == '\n'))
                at++;
            *bad |= at < end && *at != delimiter && *at != '\n';
            while (at < end && *at != delimiter && *at != '\n')
                at++;
        } else {
            for (; at < end && *at != delimiter && *at != '\n'; at++)
                field->text[field->length++] = *at;
            if ((at == end || *at == '\n') && field->length > 0 &&
                field->text[field->length - 1] == '\r')
                field->length--;
        }
        field->text[field->length] = 0;
        room += field->length + 1;
        if (at == end || *at == '\n')
            return at + (at < end);
        at++;
    }
}

static int show(struct wr_buf *out, int column, const struct field *field, int has_null) {
    const char *text = field->text;
    char number_text[WR_NUMBER_TEXT_MAX + 1];
    __int128 decimal;
    int64_t us;
    if (!field->quoted && (field->length == 0 || (has_null && strcmp(text, "NA") == 0)))
        return wr_buf_add_text(out, "nil") == WR_OK && column != 5;
    switch (column) {
    case 0:
    case 5: {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        wr_buf_addf(out, "%lld", value);
        return errno == 0 && *end == 0 && field->length == strlen(text) && field->length > 0 &&
               strspn(text, "+-0123456789") == field->length;
    }
    case 1: {
        char *end;
        double value = strtod(text, &end);
        wr_buf_add(out, number_text, wr_float64_format(value, number_text));
        return *end == 0 && field->length == strlen(text) && field->length > 0 &&
               strspn(text, "+-0123456789.eE") == field->length && !isinf(value);
    }
    case 2: return wr_buf_addf(out, "%.*s", (int)field->length, text) == WR_OK;
    case 3:
        if (!wr_timestamp_parse(text, field->length, &us))
            return 0;
        wr_timestamp_format(us, number_text);
        return wr_buf_add_text(out, number_text) == WR_OK;
    case 4:
        if (!wr_decimal_parse(text, field->length, 6, 2, &decimal))
            return 0;
        return wr_buf_add(out, number_text, wr_decimal_format(decimal, 2, number_text)) == WR_OK;
    default:
        wr_buf_add_text(out, strcasecmp(text, "true") == 0 ? "true" : "false");
        return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0;
    }
}

/* Rows as `1|2.5|x`, rejects as `! W502`; `order` tells the column of each field, -1 for none. */
static void expect_all(struct wr_buf *out, const char *at, const char *end, const int *order,
                       int field_count, char delimiter, int has_null) {
    static struct field fields[20];
    static char no_text[1];
    static const struct field nothing = {.text = no_text};
    while (at < end) {
        const char *line = at;
        int count, bad;
        at = read_record(at, end, delimiter, fields, &count, &bad);
        size_t length = (size_t)(at - line), before = out->length;
        if (length > 0 && line[length - 1] == '\n')
            length--;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length == 0)
            continue;
        if (wr_utf8_valid_prefix_plain(line, length) < length || bad || count != field_count) {
            wr_buf_add_text(out, "! W501\n");
            continue;
        }
        int code = 0;
        struct wr_buf cells[COLUMNS];
        const struct field *of[COLUMNS];
        for (int i = 0; i < COLUMNS; i++) {
            wr_buf_init(&cells[i], &wr_budget_control, 0);
            of[i] = &nothing;
        }
        for (int i = 0; i < count; i++) /* the first fault in the order of the fields counts */
            if (order[i] >= 0 && (of[order[i]] = &fields[i]) != NULL && code == 0 &&
                !show(&cells[order[i]], order[i], &fields[i], has_null))
                code = cells[order[i]].length == 3 && memcmp(cells[order[i]].bytes, "nil", 3) == 0
                           ? 512
                           : 502;
        for (int i = 0; i < COLUMNS; i++) {
            if (of[i] == &nothing && !show(&cells[i], i, &nothing, has_null) && code == 0)
                code = 512;
            wr_buf_add_text(out, i == 0 ? "" : "|");
            wr_buf_add(out, cells[i].bytes, cells[i].length);
            wr_buf_release(&cells[i]);
        }
        wr_buf_add_char(out, '\n');
        if (code != 0) {
            out->length = before;
            wr_buf_addf(out, "! W%d\n", code);
        }
    }
}

/* ---- random files ---- */

static const char *const odd_fields[] = {
    "",
    "NA",
    "\"\"",
    "\"NA\"",
    "\"a,b\"",
    "\"a;b\"",
    "\"c\nd\"",
    "\"e\"\"f\"",
    "\"\"\"\"",
    "g\"h",
    "\"i\"j",
    "\xc3\xa9",
    "\"\xe2\x82\xac\"",
    "\xff",
    "0",
    "-0",
    "+5",
    "007",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "1e3",
    "-1.25E-2",
    ".5",
    "5.",
    "1e400",
    "true",
    "FALSE",
    "yes",
    "\"1\"",
    " 1",
    "1 ",
    "2024-03-31T10:00:00Z",
    "2024-03-31 10:00:00.25Z",
    "2024-03-31T10:00",
    "2024-02-30T10:00:00Z",
    "\"2024-03-31T10:00:00Z\"",
    "12345.67",
    "1.234",
    "twelve bytes",
    "thirteen byte",
    "a text of more than thirty-two bytes, \xc3\xa9 inside",
    "a text of more than sixty-four bytes in which nothing at all is odd and on it goes",
    "\r",
    "x\ry",
    "12345678",
    "1234567890123456",
    "12345678901234567890",
    "\"open"};

static size_t random_field(char *to, int column) {
    static const char *const usual[COLUMNS] = {"%u",   "%u.25", "word-%u", "2024-03-%02uT10:00:01Z",
                                               "%u.5", "%u",    "true"};
    if (random_below(12) == 0) {
        const char *odd = odd_fields[random_below(sizeof odd_fields / sizeof *odd_fields)];
        memcpy(to, odd, strlen(odd));
        return strlen(odd);
    }
    uint32_t number = random_below(column == 4 ? 9999 : 1000000) >> random_below(20);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return (size_t)snprintf(to, 100, usual[column], column == 3 ? 1 + number % 28 : number);
#pragma GCC diagnostic pop
}

static size_t random_record(char *to, const int *order, int field_count, char delimiter) {
    size_t length = 0;
    if (random_below(60) == 0)
        return 0;
    int count = random_below(40) == 0 ? (int)random_below(9) : field_count;
    for (int i = 0; i < count; i++) {
        if (i > 0)
            to[length++] = delimiter;
        length += random_field(to + length, i < field_count && order[i] >= 0 ? order[i] : 2);
    }
    return length;
}

static size_t random_header(char *to, int *order, int field_count, char delimiter) {
    static const char names[] = "ifstdra";
    size_t length = 0;
    unsigned used = 0;
    for (int i = 0; i < field_count; i++) {
        uint32_t column = random_below(COLUMNS + 1);
        if (random_below(2) == 0)
            column = (uint32_t)i % (COLUMNS + 1);
        if (i > 0)
            to[length++] = delimiter;
        if (i == field_count - 1 && (used >> 5 & 1) == 0)
            column = 5; /* it is required: without it all rows would be alike */
        if (column == COLUMNS || (used >> column & 1) != 0) {
            order[i] = -1;
            to[length++] = 'z';
        } else {
            used |= 1u << column;
            order[i] = (int)column;
            to[length++] = names[column];
        }
    }
    return length;
}

/* Of rejects only their codes. */
static void plain(struct wr_buf *text) {
    size_t to = 0, from = 0;
    for (; text->bytes[from] != 0; from++) {
        if (text->bytes[from] == '!') { /* a reject: its code */
            memmove(text->bytes + to, text->bytes + from, 6);
            to += 6;
            from += strcspn(text->bytes + from, "\n") - 1;
        } else {
            text->bytes[to++] = text->bytes[from];
        }
    }
    text->bytes[to] = 0;
    text->length = to;
}

static size_t compare(const char *a, const char *b) {
    size_t at = 0;
    while (a[at] == b[at] && a[at] != 0)
        at++;
    if (a[at] == b[at])
        return SIZE_MAX;
    while (at > 0 && a[at - 1] != '\n')
        at--;
    return at;
}

static int line_order(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_lines(struct wr_buf *text) {
    static char *lines[8192], copy[1 << 20];
    size_t count = 0, used = 0;
    CHECK_INT(text->length, <, sizeof copy);
    memcpy(copy, text->bytes, text->length + 1);
    for (char *at = copy; *at != 0; at += strlen(at) + 1) {
        lines[count++] = at;
        at[strcspn(at, "\n")] = 0;
    }
    qsort(lines, count, sizeof *lines, line_order);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text->bytes + used, text->room + 1 - used, "%s\n", lines[i]);
}

TEST(csv_agrees_with_a_plain_reader_whatever_the_vectors_and_the_cuts) {
    static char text[200000];
    state = test_seed();
    for (int round = 0; round < 200 || test_random_time_left(); round++) {
        int order[9], field_count = 2 + (int)random_below(7), has_null = (int)random_below(2);
        char delimiter = random_below(4) == 0 ? ';' : ',';
        const char *line_end = random_below(4) == 0 ? "\r\n" : "\n";
        char options[40];
        snprintf(options, sizeof options, "delimiter=%c%s", delimiter, has_null ? "&null=NA" : "");
        size_t length = random_header(text, order, field_count, delimiter);
        length += (size_t)snprintf(text + length, 3, "%s", line_end);
        size_t header = length;
        for (uint32_t rows = random_below(120); rows > 0; rows--) {
            length += random_record(text + length, order, field_count, delimiter);
            if (rows > 1 || random_below(2) == 0)
                length += (size_t)snprintf(text + length, 3, "%s", line_end);
        }
        text[length] = 0;
        struct wr_buf expected, got;
        wr_buf_init(&expected, &wr_budget_control, 0);
        wr_buf_add(&expected, "", 0);
        expect_all(&expected, text + header, text + length, order, field_count, delimiter,
                   has_null);
        struct test_decode run = {.format = "csv",
                                  .schema = SCHEMA,
                                  .options = options,
                                  .text = text,
                                  .length = length,
                                  .batch_rows = 1,
                                  .plain_strings = 1};
        for (int level = WR_SIMD_NONE; level <= WR_SIMD_AVX2; level++) {
            wr_simd_cap((enum wr_simd)level);
            test_decode_run(&run, &got);
            plain(&got);
            size_t at = compare(expected.bytes, got.bytes);
            if (at != SIZE_MAX)
                test_fail(__FILE__, __LINE__,
                          "round %d level %d: expected\n%.200s\n--- got\n%.200s"
                          "\n--- of\n%s",
                          round, level, expected.bytes + at, got.bytes + at, text);
            wr_buf_release(&got);
        }
        wr_buf_release(&expected);
        run.positions = 1;
        run.plain_strings = 0;
        run.batch_rows = 0;
        test_decode_run(&run, &expected);
        sort_lines(&expected);
        run.seed = state | 1;
        run.piece = 1 + random_below(2000);
        run.batch_rows = 1 + random_below(50);
        run.restart = (int)random_below(2);
        test_decode_run(&run, &got);
        sort_lines(&got);
        size_t at = compare(expected.bytes, got.bytes);
        if (at != SIZE_MAX)
            test_fail(__FILE__, __LINE__, "round %d: whole\n%.300s\n--- cut\n%.300s", round,
                      expected.bytes + at, got.bytes + at);
        wr_buf_release(&got);
        wr_buf_release(&expected);
    }
}
