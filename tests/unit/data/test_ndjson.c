/* test_ndjson.c: reading NDJSON, JSON files and lines. */
#include "test.h"

#include "base/alloc.h"
#include "base/status.h"
#include "support_decode.h"

#define DECODE(...) test_decode_text(&(struct test_decode){.format = "ndjson", __VA_ARGS__})
#define DECODE_JSON(...) test_decode_text(&(struct test_decode){.format = "json", __VA_ARGS__})
#define DECODE_LINES(...) test_decode_text(&(struct test_decode){.format = "lines", __VA_ARGS__})

TEST(ndjson_reads_every_type) {
    CHECK_STR(
        DECODE(.schema = "i int64, f float64, b bool, s string, d decimal(9,2), t timestamp, "
                         "m timestamp(ms), a date, u duration, y bytes, j json, l list, o map",
               .text = "{\"i\":-1,\"f\":2.5e1,\"b\":true,\"s\":\"x\",\"d\":\"1.5\","
                       "\"t\":\"2024-03-31T10:00:00Z\",\"m\":1711879200123,\"a\":\"2024-02-29\","
                       "\"u\":\"PT1H\",\"y\":\"aGk=\",\"j\":{\"a\": [1, null]},\"l\":[],\"o\":{}}\n"
                       "{\"i\":0,\"f\":-0,\"b\":false,\"s\":\"\",\"d\":1.25,\"j\":\"q\"}\n"
                       "{\"j\":null,\"i\":null,\"s\":null,\"b\":null}\n{}\n"),
        "-1|25.0|true|\"x\"|1.50|2024-03-31T10:00:00Z|2024-03-31T10:00:00.123Z|2024-02-29|PT1H|"
        "\"hi\"|{\"a\": [1, null]}|[]|{}\n"
        "0|-0.0|false|\"\"|1.25|nil|nil|nil|nil|nil|\"q\"|nil|nil\n"
        "nil|nil|nil|nil|nil|nil|nil|nil|nil|nil|nil|nil|nil\n"
        "nil|nil|nil|nil|nil|nil|nil|nil|nil|nil|nil|nil|nil\n");
}

TEST(ndjson_keys_come_in_any_order_and_the_last_of_two_counts) {
    CHECK_STR(DECODE(.schema = "a int64, b string",
                     .text = "{\"b\":\"x\",\"a\":1}\n"
                             "{\"a\":\"no\",\"b\":\"y\",\"z\":[{}],\"a\":2}\n"
                             "{\"a\":1,\"a\":null,\"\\u0062\":\"z\"}\n{\"a\":null,\"a\":3}\n"),
              "1|\"x\"\n2|\"y\"\nnil|\"z\"\n3|nil\n");
}

TEST(ndjson_unescapes_strings) {
    CHECK_STR(DECODE(.schema = "s string",
                     .text = "{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\"}\n"
                             "{\"s\":\"a\\u0000b, a longer text than twelve bytes\"}\n"
                             "{\"s\":\"\xf0\x9f\x98\x80 is four bytes\"}\n"),
              "\"\\\"\\\\/\\b\\f\\n\\r\\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"\n"
              "\"a\\u0000b, a longer text than twelve bytes\"\n"
              "\"\xf0\x9f\x98\x80 is four bytes\"\n");
}

/* The reject of one line, without its raw text. */
static const char *reject_of(const char *schema, const char *line, size_t length) {
    static char text[300];
    const char *got = DECODE(.schema = schema, .text = line, .length = length);
    size_t size = strcspn(got, "\n");
    const char *raw = strstr(got, " \"");
    if (got[0] == '!' && raw != NULL)
        size = (size_t)(raw - got);
    snprintf(text, sizeof text, "%.*s", (int)size, got);
    return text;
}

TEST(ndjson_rejects_what_is_no_json_with_its_place) {
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"{\"s\":\"\\ud800\"}", "7 a lone surrogate"},
        {"{\"s\":\"\\udc00x\"}", "7 a lone surrogate"},
        {"{\"s\":\"\\ud800\\u0041\"}", "7 a lone surrogate"},
        {"{\"s\":\"a\\x\"}", "8 an unknown escape"},
        {"{\"s\":\"\\u12g4\"}", "7 `\\u` needs four hexadecimal digits"},
        {"{\"s\":\"a\tb\"}", "8 a control byte inside a string"},
        {"{\"s\":\"ab", "9 the string is not closed"},
        {"{\"s\":\"ab\"", "10 `,` or `}` is expected"},
        {"{\"s\":\"ab\"}}", "11 more text behind the object"},
        {"{\"s\":\"ab\"} {", "12 more text behind the object"},
        {"{\"s\" \"ab\"}", "6 `:` is expected"},
        {"{s:\"ab\"}", "2 a key in quotes is expected"},
        {"{\"s\":\"ab\",}", "11 a key in quotes is expected"},
        {"{\"s\":}", "6 a value is expected"},
        {"{\"s\":nul}", "6 a value is expected"},
        {"[1]", "1 an object is expected"},
        {"x", "1 an object is expected"},
        {"{\"s\":01}", "6 a number does not begin with 0"},
        {"{\"s\":-}", "7 a digit is expected"},
        {"{\"s\":+1}", "6 a value is expected"},
        {"{\"s\":1.}", "8 a digit is expected"},
        {"{\"s\":.5}", "6 a value is expected"},
        {"{\"s\":1e}", "8 a digit is expected"},
        {"{\"s\":NaN}", "6 a value is expected"},
        {"{\"x\":[1,]}", "9 a value is expected"},
        {"{\"x\":[1 2]}", "9 `,` or `]` is expected"},
        {"{\"x\":{\"a\":1]}", "12 `,` or `}` is expected"},
        {"{\"x\":\"\xff\"}", "7 not valid UTF-8"},
        {"{\"x\":\"\xed\xa0\x80\"}", "7 not valid UTF-8"},
        {"{\"x\":\"\xc0\xaf\"}", "7 not valid UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[200];
        snprintf(expected, sizeof expected, "! W501 0:1:0:%s", cases[i].reason);
        CHECK_STR(reject_of("s string", cases[i].line, 0), expected);
    }
    CHECK_STR(reject_of("s string", "{\"s\":\"a\0b\"}", 11),
              "! W501 0:1:0:8 a control byte inside a string");
}

TEST(ndjson_bounds_nesting_without_a_stack) {
    static char deep[20000];
    memcpy(deep, "{\"x\":", 6);
    memset(deep + 5, '[', 63);
    memset(deep + 68, ']', 63);
    deep[131] = '}';
    CHECK_STR(DECODE(.schema = "s string", .text = deep), "nil\n");
    memset(deep + 5, '[', 10000);
    deep[10005] = 0;
    CHECK_STR(reject_of("s string", deep, 0), "! W501 0:1:0:70 nested more than 64 levels");
}

TEST(ndjson_rejects_values_that_do_not_fit) {
    static const struct {
        const char *schema, *value, *shown;
    } cases[] = {
        {"a int64", "1.0", "int64"},
        {"a int64", "1e3", "int64"},
        {"a int64", "9223372036854775808", "int64"},
        {"a int64", "-9223372036854775809", "int64"},
        {"a int64", "true", "int64"},
        {"a float64", "1e400", "float64"},
        {"a bool", "1", "bool"},
        {"a string", "1", "string"},
        {"a string", "{}", "string"},
        {"a string", "false", "string"},
        {"a decimal(4,2)", "1.234", "decimal(4,2)"},
        {"a timestamp", "1711879200", "timestamp"},
        {"a timestamp(ms)", "1.7e400", "timestamp"},
        {"a list", "{}", "list"},
        {"a map", "[]", "map"},
        {"a duration", "5", "duration"},
        {"a date", "[\"2024-02-30\"]", "date"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[100], expected[200];
        snprintf(line, sizeof line, "{\"a\": %s}", cases[i].value);
        snprintf(expected, sizeof expected,
                 "! W502 0:1:0:7 value `%s` does not fit %s (column `a`)", cases[i].value,
                 cases[i].shown);
        if (strchr(cases[i].value, '"') == NULL)
            CHECK_STR(reject_of(cases[i].schema, line, 0), expected);
        else
            CHECK(strncmp(reject_of(cases[i].schema, line, 0), expected, 22) == 0);
    }
    CHECK_STR(DECODE(.schema = "a int64",
                     .text = "{\"a\":9223372036854775807}\n{\"a\":-9223372036854775808}\n"
                             "{\"a\":-0}\n"),
              "9223372036854775807\n-9223372036854775808\n0\n");
}

TEST(ndjson_required_columns_have_to_come) {
    CHECK_STR(DECODE(.schema = "a int64 required, b int64 = 5",
                     .text = "{\"b\":1}\n{\"a\":null}\n{\"a\":1}\n{\"a\":1,\"b\":null}\n"),
              "! W512 0:1:0:0 missing required column `a` \"{\\\"b\\\":1}\"\n"
              "! W512 1:2:8:6 missing required column `a` \"{\\\"a\\\":null}\"\n1|5\n1|nil\n");
}

TEST(ndjson_takes_any_line_end_and_blank_lines) {
    CHECK_STR(DECODE(.schema = "a int64", .positions = 1,
                     .text = "\xef\xbb\xbf{\"a\":1}\r\n\n  \t\r\n { \"a\" : 2 } \n{\"a\":3}"),
              "0:1:3 \"{\\\"a\\\":1}\" 1\n1:4:18 \" { \\\"a\\\" : 2 } \" 2\n"
              "2:5:32 \"{\\\"a\\\":3}\" 3\n");
    CHECK_STR(DECODE(.schema = "a int64", .text = "\n\n"), "");
}

TEST(ndjson_converts_only_needed_columns_but_checks_all_structure) {
    const char *text = "{\"a\":\"x\",\"b\":1}\n{\"a\":1,\"b\":\"x\"}\n{\"a\":01,\"b\":1}\n";
    CHECK_STR(DECODE(.schema = "a int64, b int64", .needed = 2, .text = text),
              "! W502 1:2:16:12 value `\"x\"` does not fit int64 (column `b`) "
              "\"{\\\"a\\\":1,\\\"b\\\":\\\"x\\\"}\"\n"
              "! W501 2:3:32:6 a number does not begin with 0 \"{\\\"a\\\":01,\\\"b\\\":1}\"\n"
              "-|1\n");
    CHECK_CONTAINS(DECODE(.schema = "a int64, b int64", .needed = 2, .check_all = 1, .text = text),
                   "! W502 0:1:0:6 value `\"x\"` does not fit int64 (column `a`)");
}

TEST(ndjson_rejects_a_line_beyond_the_limit_once_wherever_it_is_cut) {
    char text[600];
    int length =
        snprintf(text, sizeof text, "{\"a\":1}\n{\"a\":2,\"x\":\"%0200d\"}\n{\"a\":3}\r\n", 7);
    struct test_decode run = {.format = "ndjson", .schema = "a int64", .record_bytes_max = 64};
    run.text = text;
    char expected[1000];
    snprintf(expected, sizeof expected, "%s", test_decode_text(&run));
    CHECK_CONTAINS(expected,
                   "! W510 1:2:8:0 row longer than 64 bytes \"{\\\"a\\\":2,\\\"x\\\":\\\"000");
    run.batch_rows = 1;
    for (size_t piece = 1; piece < (size_t)length; piece++) {
        run.piece = piece;
        const char *got = test_decode_text(&run);
        CHECK_INT(strlen(got), ==, strlen(expected));
        CHECK_CONTAINS(got, strstr(expected, "! W510 1:2:8:0") == NULL ? "" : "! W510 1:2:8:0");
        CHECK_CONTAINS(got, "3\n");
    }
}

TEST(ndjson_types_are_inferred_in_the_order_of_appearance) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    struct wr_inferred inferred = {0};
    const char *text = "{\"i\":1,\"w\":1,\"n\":null,\"b\":true,\"t\":\"2024-03-31T10:00:00Z\"}\n"
                       "not json\n"
                       "{\"w\":0.5,\"i\":2,\"o\":{\"x\":1},\"d\":\"2024-03-31\",\"s\":\"007\","
                       "\"m\":1,\"big\":99999999999999999999}\n"
                       "{\"m\":\"x\",\"b\":null,\"l\":[1]}\n{\"i\":\"cut";
    CHECK_INT(
        wr_decoder_find("ndjson")->infer(&arena, NULL, text, strlen(text), 0, &inferred, NULL), ==,
        WR_OK);
    CHECK_INT(inferred.rows, ==, 3);
    const struct wr_schema *schema = inferred.schema;
    static const char *const expected[] = {"i int64",     "w float64",   "n string", "b bool",
                                           "t timestamp", "o json",      "d date",   "s string",
                                           "m json",      "big float64", "l json"};
    CHECK_INT(schema->field_count, ==, 11);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        char type[32], both[64];
        snprintf(both, sizeof both, "%s %s", schema->fields[i].name,
                 wr_type_text(&schema->fields[i].type, type, sizeof type));
        CHECK_STR(both, expected[i]);
        if (strcmp(schema->fields[i].name, "m") == 0)
            CHECK_STR(inferred.mixed[i], "number (line 3), string (line 4)");
        else
            CHECK(inferred.mixed[i] == NULL);
    }
    wr_arena_release(&arena);
}

TEST(json_reads_an_object_an_array_and_objects_one_after_the_other) {
    CHECK_STR(DECODE_JSON(.schema = "a int64", .text = "{\n \"a\": 1\n}"), "1\n");
    CHECK_STR(DECODE_JSON(.schema = "a int64", .text = "[]"), "");
    CHECK_STR(
        DECODE_JSON(.schema = "a int64", .positions = 1, .text = " [ {\"a\":1},\n{\"a\":\n2} ]\n"),
        "0:1:3 \"{\\\"a\\\":1}\" 1\n1:2:12 \"{\\\"a\\\":\\n2}\" 2\n");
    CHECK_STR(DECODE_JSON(.schema = "a int64", .text = "{\"a\":1}{\"a\":2}\n\n[{\"a\":3}]"),
              "1\n2\n3\n");
    CHECK_STR(DECODE_JSON(.schema = "s string", .text = "[{\"s\":\"]}\\\"[{\"}]"),
              "\"]}\\\"[{\"\n");
}

TEST(json_rejects_what_is_broken_and_goes_on) {
    CHECK_STR(DECODE_JSON(.schema = "a int64",
                          .text = "[{\"a\":1} {\"a\":2}, 7, {\"a\" 3}, {\"a\":4},, {\"a\":5},]"),
              "! W501 1:1:9:0 `,` or `]` is expected \"{\\\"a\\\":2}\"\n"
              "! W501 2:1:18:1 an object is expected \"7\"\n"
              "! W501 3:1:21:6 `:` is expected \"{\\\"a\\\" 3}\"\n"
              "! W501 5:1:38:0 a record is expected, not `,` \",\"\n"
              "! W501 7:1:48:0 a record is expected, not `]` \"]\"\n"
              "1\n4\n5\n");
}

TEST(json_tells_that_its_array_is_cut_off) {
    CHECK_STR(DECODE_JSON(.schema = "a int64", .text = "[{\"a\":1},{\"a\":"),
              "! W501 1:1:9:6 a value is expected \"{\\\"a\\\":\"\n"
              "! W501 2:1:14:0 the array is not closed \"\"\n1\n");
}

TEST(lines_are_rows) {
    CHECK_STR(DECODE_LINES(.schema = "line string", .positions = 1, .text = "a\r\n\nb\xff\nc"),
              "! W501 2:3:4:2 not valid UTF-8 \"b\xef\xbf\xbd\"\n"
              "0:1:0 \"a\" \"a\"\n1:2:3 \"\" \"\"\n3:4:7 \"c\" \"c\"\n");
}
