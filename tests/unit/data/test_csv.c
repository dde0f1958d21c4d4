/* test_csv.c: reading CSV and TSV. */
#include "test.h"

#include "base/alloc.h"
#include "base/status.h"
#include "support_decode.h"

#define DECODE(...) test_decode_text(&(struct test_decode){.format = "csv", __VA_ARGS__})
#define DECODE_TSV(...) test_decode_text(&(struct test_decode){.format = "tsv", __VA_ARGS__})

TEST(csv_reads_every_type) {
    CHECK_STR(
        DECODE(.schema = "i int64, f float64, b bool, s string, d decimal(9,2), t timestamp, "
                         "a date, u duration, y bytes, j json, l list",
               .text = "i,f,b,s,d,t,a,u,y,j,l\n"
                       "-1,2.5,true,x,1.5,2024-03-31T10:00:00Z,2024-02-29,1h30m,aGk=,"
                       "\"{\"\"a\"\":1}\",[]\n"),
        "-1|2.5|true|\"x\"|1.50|2024-03-31T10:00:00Z|2024-02-29|PT1H30M|\"hi\"|{\"a\":1}|[]\n");
}

TEST(csv_finds_columns_by_the_name_in_the_header) {
    CHECK_STR(DECODE(.schema = "b int64, a string, c float64", .text = "a,z,b\nx,1,2\n"),
              "2|\"x\"|nil\n");
    CHECK_STR(test_decode_note, "f: columns that are not in the schema: `z`");
    CHECK_STR(DECODE(.schema = "b int64", .text = "a,z,b\nx,1,2\n"), "2\n");
    CHECK_STR(test_decode_note, ""); /* a schema may leave columns out */
}

TEST(csv_rejects_every_row_of_a_file_without_a_required_column) {
    CHECK_STR(DECODE(.schema = "a int64, b int64 required", .text = "a\n1\n2\n"),
              "! W512 0:2:2:0 missing required column `b` \"1\"\n"
              "! W512 1:3:4:0 missing required column `b` \"2\"\n");
    CHECK_STR(DECODE(.schema = "a int64, b int64 required", .text = "a,b\n1,\n2,3\n"),
              "! W512 0:2:4:3 missing required column `b` \"1,\"\n2|3\n");
}

TEST(csv_reads_times_without_offset_in_the_zone_of_the_script) {
    const char *text = "t,u\n2024-07-01T12:00:00,2024-07-01T12:00:00Z\n"
                       "2024-03-31 02:30:00.5,01.02.2024\n";
    CHECK_STR(DECODE(.schema = "t timestamp, u timestamp", .timezone = "Europe/Berlin",
                     .text = "t,u\n2024-07-01T12:00:00,2024-07-01T12:00:00Z\n"),
              "2024-07-01T10:00:00Z|2024-07-01T12:00:00Z\n");
    CHECK_STR(DECODE(.schema = "t timestamp, u timestamp(%d.%m.%Y)", .timezone = "Europe/Berlin",
                     .text = "t,u\n2024-12-31 02:30:00.5,01.02.2024\n"),
              "2024-12-31T01:30:00.500Z|2024-01-31T23:00:00Z\n");
    CHECK_CONTAINS(DECODE(.schema = "t timestamp", .timezone = "Mars/Base", .text = text),
                   "error: W114");
}

TEST(csv_fills_a_column_that_the_file_lacks_with_its_default) {
    CHECK_STR(DECODE(.schema = "a int64, b int64 = 7", .text = "a\n1\n"), "1|7\n");
    CHECK_STR(DECODE(.schema = "a int64, b int64 = x", .text = "a\n1\n"),
              "error: W203 the default of `b` must be int64, got `x`\n");
}

TEST(csv_tells_nil_from_the_empty_string) {
    CHECK_STR(DECODE(.schema = "a string, b string, c int64", .text = "a,b,c\n,\"\",\n"),
              "nil|\"\"|nil\n");
    CHECK_STR(DECODE(.schema = "a string, b string, c int64", .options = "null=NA",
                     .text = "a,b,c\nNA,\"NA\",NA\nNAN,,5\n"),
              "nil|\"NA\"|nil\n\"NAN\"|nil|5\n");
}

TEST(csv_reads_quotes_line_ends_and_doubled_quotes_inside_quotes) {
    CHECK_STR(DECODE(.schema = "a string, b string", .positions = 1,
                     .text = "a,b\r\n\"x,\r\ny\",\"say \"\"hi\"\" to me\"\r\n5\" pipe,z\r\n"),
              "0:2:5 \"\\\"x,\\r\\ny\\\",\\\"say \\\"\\\"hi\\\"\\\" to me\\\"\" "
              "\"x,\\r\\ny\"|\"say \\\"hi\\\" to me\"\n"
              "1:4:33 \"5\\\" pipe,z\" \"5\\\" pipe\"|\"z\"\n");
}

TEST(csv_rejects_a_broken_record_and_goes_on) {
    CHECK_STR(DECODE(.schema = "a int64, b string", .positions = 1,
                     .text = "a,b\n1,x\n2\n3,x,y\n\"4\"5,x\n\n6,\xff\n7,x\n"),
              "! W501 1:3:8:0 1 field, expected 2 \"2\"\n"
              "! W501 2:4:10:0 3 fields, expected 2 \"3,x,y\"\n"
              "! W501 3:5:16:4 text behind a closing quote \"\\\"4\\\"5,x\"\n"
              "! W501 4:7:24:3 not valid UTF-8 \"6,\xef\xbf\xbd\"\n"
              "0:2:4 \"1,x\" 1|\"x\"\n5:8:28 \"7,x\" 7|\"x\"\n");
}

TEST(csv_rejects_a_value_that_does_not_fit_its_column) {
    CHECK_STR(DECODE(.schema = "a int64, b decimal(4,2)",
                     .text = "a,b\n1.5,1\n1,1.234\n99999999999999999999,1\n 1,1\n1,1\n"),
              "! W502 0:2:4:1 value `1.5` does not fit int64 (column `a`) \"1.5,1\"\n"
              "! W502 1:3:10:3 value `1.234` does not fit decimal(4,2) (column `b`) \"1,1.234\"\n"
              "! W502 2:4:18:1 value `99999999999999999999` does not fit int64 (column `a`) "
              "\"99999999999999999999,1\"\n"
              "! W502 3:5:41:1 value ` 1` does not fit int64 (column `a`) \" 1,1\"\n1|1.00\n");
}

TEST(csv_reads_a_file_without_a_newline_at_its_end) {
    CHECK_STR(DECODE(.schema = "a int64, b string", .text = "a,b\n1,x\n2,"), "1|\"x\"\n2|nil\n");
    CHECK_STR(DECODE(.schema = "a int64, b string", .text = "a,b"), "");
    CHECK_STR(DECODE(.schema = "a int64, b string", .text = "a,b\n1,\"x"),
              "! W501 0:2:4:3 the quote is not closed \"1,\\\"x\"\n");
    CHECK_STR(DECODE(.schema = "a int64, b string", .text = "a,b\n1,\"x\""), "1|\"x\"\n");
}

TEST(csv_skips_a_byte_order_mark_and_blank_lines) {
    CHECK_STR(DECODE(.schema = "a int64, b string", .text = "\xef\xbb\xbf\n\na,b\n\n1,x\r\n\r\n"),
              "1|\"x\"\n");
}

TEST(csv_reads_a_blank_line_of_one_column_as_nil) {
    CHECK_STR(DECODE(.schema = "a string", .text = "a\nx\n\n\"\"\n"), "\"x\"\nnil\n\"\"\n");
}

TEST(csv_gives_a_name_by_place_only_where_no_other_column_has_it) {
    CHECK_STR(DECODE(.schema = "a int64, column2 int64", .text = "a,,column2\n1,2,3\n"), "1|3\n");
    CHECK_STR(test_decode_note,
              "f: columns that are not in the schema: field 2, which has no name");
    CHECK_STR(DECODE(.schema = "a int64, column2 int64", .text = "column2,a,\n1,2,3\n"), "2|1\n");
    CHECK_STR(test_decode_note, "");
    CHECK_STR(DECODE(.schema = "a int64, column2 int64", .text = "a,\"\",c\n1,2,3\n"), "1|2\n");
    CHECK_STR(test_decode_note, "");
    CHECK_CONTAINS(DECODE(.text = "a,,column2\n1,2,3\n"),
                   "error: W105 duplicate name `column2` in the header");
}

TEST(csv_reads_other_delimiters_quotes_and_no_header) {
    CHECK_STR(DECODE(.schema = "a int64, b string", .options = "delimiter=;&quote='&header=false",
                     .text = "1;'a;''b'\n2;\"c\n"),
              "1|\"a;'b\"\n2|\"\\\"c\"\n");
    CHECK_STR(DECODE(.schema = "a int64, b string", .options = "quote=", .text = "a,b\n1,\"c\n"),
              "1|\"\\\"c\"\n");
    CHECK_STR(DECODE_TSV(.schema = "a int64, b string", .text = "a\tb\n1\t\"x\ty\"\n"),
              "1|\"x\\ty\"\n");
}

TEST(csv_refuses_unknown_and_impossible_options) {
    CHECK_STR(DECODE(.schema = "a int64", .options = "seperator=;", .text = ""),
              "error: W202 unknown option `seperator` of the format `csv`\n");
    CHECK_STR(DECODE(.schema = "a int64", .options = "delimiter=ab", .text = ""),
              "error: W203 option `delimiter` must be one ASCII character, no line end\n");
    CHECK_STR(DECODE(.schema = "a int64", .options = "header=yes", .text = ""),
              "error: W203 option `header` must be true or false\n");
}

TEST(csv_converts_only_needed_and_required_columns) {
    const char *text = "a,b,c\n1,x,2\n1,2,x\ny,2,2\n";
    CHECK_STR(DECODE(.schema = "a int64 required, b int64, c int64", .needed = 4, .text = text),
              "! W502 1:3:12:5 value `x` does not fit int64 (column `c`) \"1,2,x\"\n"
              "! W502 2:4:18:1 value `y` does not fit int64 (column `a`) \"y,2,2\"\n-|-|2\n");
    CHECK_STR(
        DECODE(.schema = "a int64, b int64, c int64", .needed = 4, .check_all = 1, .text = text),
        "! W502 0:2:6:3 value `x` does not fit int64 (column `b`) \"1,x,2\"\n"
        "! W502 1:3:12:5 value `x` does not fit int64 (column `c`) \"1,2,x\"\n"
        "! W502 2:4:18:1 value `y` does not fit int64 (column `a`) \"y,2,2\"\n");
}

TEST(csv_rejects_a_record_beyond_the_limit_once_wherever_it_is_cut) {
    char text[400];
    int length = snprintf(text, sizeof text, "a,b\n1,x\n2,\"%s\n,\"\"%s\"\n3,y\n",
                          "0123456789012345678901234567890123456789",
                          "0123456789012345678901234567890123456789");
    const char *expected =
        DECODE(.schema = "a int64, b string", .record_bytes_max = 32, .text = text);
    CHECK_CONTAINS(expected, "! W510 1:3:8:0 row longer than 32 bytes \"2,\\\"0123");
    for (size_t piece = 1; piece < (size_t)length; piece++) {
        const char *got = DECODE(.schema = "a int64, b string", .record_bytes_max = 32,
                                 .text = text, .piece = piece, .batch_rows = 1);
        CHECK_CONTAINS(got, "1|\"x\"\n");
        CHECK_CONTAINS(got, "3|\"y\"\n");
        CHECK_CONTAINS(got, "! W510 1:3:8:0 row longer than 32 bytes");
        CHECK(strstr(strstr(got, "W510") + 1, "! W") == NULL);
    }
}

TEST(csv_types_are_inferred_and_widened) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    struct wr_inferred inferred = {0};
    struct wr_error err = {0};
    const char *text = "int,wide,zip,empty,bool,ts,day,mix,big,nan,quoted,phone\n"
                       "1,1,01234,NA,true,2024-03-31 10:00:00,2024-03-31,2024-03-31,"
                       "99999999999999999999,nan,\"1\",+49\n"
                       "-2,0.5,1,,false,2024-03-31T10:00Z,2024-04-01,2024-03-31T10:00Z,1,1,\"\","
                       "+50\n3,4,5,,tr";
    CHECK_INT(wr_decoder_find("csv")->infer(&arena, test_options(&arena, "null=NA"), text,
                                            strlen(text), 0, &inferred, &err),
              ==, 0);
    CHECK_INT(inferred.rows, ==, 2);
    CHECK(inferred.mixed == NULL);
    const struct wr_schema *schema = inferred.schema;
    const char *expected[] = {"int64", "float64", "string", "string",  "bool",   "timestamp",
                              "date",  "string",  "string", "float64", "string", "string"};
    for (uint32_t i = 0; i < schema->field_count; i++) {
        char type[32];
        CHECK_STR(wr_type_text(&schema->fields[i].type, type, sizeof type), expected[i]);
    }
    wr_arena_release(&arena);
}

TEST(csv_inference_names_what_has_no_name_and_refuses_duplicates) {
    CHECK_STR(DECODE(.options = "header=false", .text = "1,x\n2,y\n"), "1|\"x\"\n2|\"y\"\n");
    CHECK_STR(DECODE(.text = "a,,c\n1,2,3\n"), "1|2|3\n");
    CHECK_STR(DECODE(.text = "a,\"\",c\n1,2,3\n"), "1|2|3\n");
    CHECK_STR(DECODE(.text = "a,b,a\n1,2,3\n"), "error: W105 duplicate name `a` in the header\n");
    CHECK_STR(DECODE(.text = ""),
              "error: W408 there is nothing to take a schema from: `schema =`\n");
}

/* A CSV text of random damage, of which a part is fine. */
static size_t random_csv(uint64_t *state, char *text, size_t room) {
    static const char *const bits[] = {"1",
                                       "23",
                                       "x",
                                       "\"",
                                       "\"\"",
                                       ",",
                                       ",",
                                       ",",
                                       "\n",
                                       "\n",
                                       "\r\n",
                                       "\"a,b\"",
                                       "\"c\nd\"",
                                       "\xc3\xa9",
                                       "\xff",
                                       "4\"5",
                                       "0123456789012345678901234567890",
                                       " ",
                                       "NA",
                                       "-7,y\n8,z\n"};
    size_t length = 0;
    int count = 0;
    do {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        const char *bit = bits[(*state >> 33) % (sizeof bits / sizeof *bits)];
        size_t size = strlen(bit);
        if (length + size >= room)
            break;
        memcpy(text + length, bit, size);
        length += size;
    } while (++count < 60);
    text[length] = 0;
    return length;
}

/* Sorted lines: rejects come before the rows of their batch, so order depends on the batch size. */
static int line_compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *sorted(const char *text) {
    static char copies[2][65536];
    static unsigned turn;
    char lines_text[65536], *lines[2048], *copy = copies[turn++ % 2];
    size_t count = 0;
    CHECK(strlen(text) < sizeof lines_text);
    snprintf(lines_text, sizeof lines_text, "%s", text);
    for (char *line = lines_text; *line != 0; line += strlen(line) + 1) {
        char *end = strchr(line, '\n');
        *(end == NULL ? line + strlen(line) - 1 : end) = 0;
        lines[count++] = line;
    }
    qsort(lines, count, sizeof *lines, line_compare);
    *copy = 0;
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(copy + used, sizeof copies[0] - used, "%s\n", lines[i]);
    return copy;
}

TEST(csv_any_cut_of_the_input_gives_the_same_rows_and_rejects) {
    uint64_t state = test_seed();
    static char text[4096];
    for (int round = 0; round < 300 || test_random_time_left(); round++) {
        memcpy(text, "a,b\n", 4);
        size_t length = 4 + random_csv(&state, text + 4, sizeof text - 8);
        struct test_decode run = {.format = "csv",
                                  .schema = "a int64, b string",
                                  .text = text,
                                  .length = length,
                                  .positions = 1,
                                  .options = round % 3 == 0 ? "null=NA" : NULL,
                                  .record_bytes_max = round % 2 == 0 ? 40 : 0};
        char *expected = sorted(test_decode_text(&run));
        run.seed = state | 1;
        run.piece = 1 + (state >> 40) % 50;
        run.batch_rows = 1 + (uint32_t)(state >> 50) % 5;
        run.restart = round % 2;
        char *got = sorted(test_decode_text(&run));
        if (strcmp(expected, got) != 0)
            test_fail(__FILE__, __LINE__, "round %d:\n%s\n--- whole\n%s--- cut\n%s", round, text,
                      expected, got);
    }
}
