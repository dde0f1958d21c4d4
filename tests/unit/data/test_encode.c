/* test_encode.c: batches as text, in every format. */
#include "test.h"

#include "base/alloc.h"
#include "base/status.h"
#include "data/rows.h"
#include "support_decode.h"

/* Decodes CSV with this schema and encodes it again; a lent text. */
static const char *encode(const char *format, const char *options, const char *schema_text,
                          const char *csv, uint32_t batch_rows) {
    static struct wr_buf outs[4];
    static unsigned turn;
    struct wr_buf *out = &outs[turn++ % 4];
    struct wr_arena arena;
    struct wr_batch_pool pool;
    struct wr_error err = {0};
    wr_buf_release(out->budget == NULL ? (wr_buf_init(out, &wr_budget_control, 0), out) : out);
    wr_buf_init(out, &wr_budget_control, 0);
    wr_arena_init(&arena, &wr_budget_control, 4096);
    wr_batch_pool_init(&pool, &wr_budget_control);
    const struct wr_schema *schema = test_schema(&arena, schema_text);
    const struct wr_decoder_type *csv_type = wr_decoder_find("csv");
    struct wr_decoder *decoder = wr_alloc_zero(&wr_budget_control, csv_type->size_bytes);
    decoder->type = csv_type;
    decoder->setup =
        (struct wr_decoder_setup){.schema = schema,
                                  .pool = &pool,
                                  .batch_rows = batch_rows,
                                  .options = test_options(&arena, "header=false&null=~")};
    CHECK_INT(csv_type->open(decoder, &err), ==, WR_OK);
    CHECK_INT(csv_type->begin_file(decoder, "f", &err), ==, WR_OK);
    const struct wr_encoder_type *type = wr_encoder_find(format);
    struct wr_encoder *encoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    encoder->type = type;
    encoder->schema = schema;
    encoder->options = test_options(&arena, options);
    encoder->at_start = 1;
    int status = type->open(encoder, &err);
    if (status != WR_OK) {
        wr_buf_addf(out, "%s %s", err.code, err.text);
    } else {
        struct wr_buffer *buffer = wr_buffer_new(&wr_budget_control, strlen(csv));
        memcpy(buffer->bytes, csv, strlen(csv));
        CHECK(type->begin == NULL || type->begin(encoder, out) == WR_OK);
        for (size_t at = 0; at < strlen(csv);) {
            uint64_t used;
            struct wr_batch *batch;
            CHECK_INT(csv_type->decode(decoder, buffer, buffer->bytes + at, strlen(csv) - at, 1,
                                       &used, &batch, &err),
                      ==, WR_OK);
            if (batch != NULL)
                CHECK_INT(type->encode(encoder, batch, out), ==, WR_OK);
            wr_batch_unref(batch);
            at += used;
        }
        CHECK(type->end == NULL || type->end(encoder, out) == WR_OK);
        wr_buf_add(out, "", 0);
        wr_buffer_unref(buffer);
        if (encoder->nonfinite_count > 0)
            wr_buf_addf(out, "(%llu not finite)", (unsigned long long)encoder->nonfinite_count);
        if (type->close != NULL)
            type->close(encoder);
    }
    csv_type->close(decoder);
    wr_free(&wr_budget_control, decoder);
    wr_free(&wr_budget_control, encoder);
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
    return out->bytes;
}

static const char all_types[] = "i int64, f float64, b bool, s string, d decimal(9,2), "
                                "t timestamp, a date, u duration, y bytes, j json";
static const char all_values[] =
    "-9223372036854775808,0.1,true,x,1.5,2024-03-31T10:00:00.5Z,2024-02-29,1h30m,aGk=,\"[1,\n2]\"\n"
    "~,~,~,~,~,~,~,~,~,~\n";

TEST(ndjson_writes_values_as_the_language_says) {
    CHECK_STR(encode("ndjson", NULL, all_types, all_values, 0),
              "{\"i\":-9223372036854775808,\"f\":0.1,\"b\":true,\"s\":\"x\",\"d\":\"1.50\","
              "\"t\":\"2024-03-31T10:00:00.500Z\",\"a\":\"2024-02-29\",\"u\":\"PT1H30M\","
              "\"y\":\"aGk=\",\"j\":[1, 2]}\n"
              "{\"i\":null,\"f\":null,\"b\":null,\"s\":null,\"d\":null,\"t\":null,\"a\":null,"
              "\"u\":null,\"y\":null,\"j\":null}\n");
    CHECK_STR(encode("ndjson", "int_as=string&decimal_as=number", "i int64, d decimal(9,2)",
                     "7,1.5\n", 0),
              "{\"i\":\"7\",\"d\":1.50}\n");
    CHECK_STR(encode("ndjson", "int_as=text", "i int64", "7\n", 0),
              "W203 option `int_as` must be \"number\" or \"string\"");
}

TEST(ndjson_counts_floats_that_json_cannot_say) {
    CHECK_STR(encode("ndjson", NULL, "f float64", "nan\n-inf\n1e300\n-0.0\n", 0),
              "{\"f\":null}\n{\"f\":null}\n{\"f\":1e+300}\n{\"f\":-0.0}\n(2 not finite)");
}

TEST(ndjson_escapes_strings_and_names) {
    CHECK_STR(encode("ndjson", NULL, "a\"b string", "\"q\"\"\\\n\t\x01 \xc3\xa9\"\n", 0),
              "{\"a\\\"b\":\"q\\\"\\\\\\n\\t\\u0001 \xc3\xa9\"}\n");
}

TEST(json_writes_one_array_of_all_batches) {
    CHECK_STR(encode("json", NULL, "i int64", "1\n2\n3\n", 2),
              "[\n{\"i\":1},\n{\"i\":2},\n{\"i\":3}\n]\n");
    CHECK_STR(encode("json", NULL, "i int64", "", 0), "[\n]\n");
}

TEST(csv_quotes_only_what_needs_it) {
    CHECK_STR(encode("csv", NULL, all_types, all_values, 0),
              "i,f,b,s,d,t,a,u,y,j\n"
              "-9223372036854775808,0.1,true,x,1.50,2024-03-31T10:00:00.500Z,2024-02-29,PT1H30M,"
              "aGk=,\"[1,\n2]\"\n,,,,,,,,,\n");
    CHECK_STR(encode("csv", NULL, "s string, t string",
                     "\"\",~\n\"a,b\",\"c\"\"d\"\n\"e\nf\", g \nNA,x\n", 0),
              "s,t\n\"\",\n\"a,b\",\"c\"\"d\"\n\"e\nf\", g \nNA,x\n");
    CHECK_STR(encode("csv", "null=NA&header=false&delimiter=;", "s string, t string",
                     "NA,~\n\"a;b\",\"\"\n", 0),
              "\"NA\";NA\n\"a;b\";\"\"\n");
    CHECK_STR(encode("csv", "null=0&header=false", "i int64, f float64", "0,0.0\n~,~\n", 0),
              "\"0\",0.0\n0,0\n");
    CHECK_STR(encode("csv", "delimiter=-&header=false", "i int64, a date", "-5,2024-02-29\n", 0),
              "\"-5\"-\"2024-02-29\"\n");
    CHECK_STR(encode("tsv", NULL, "s string, f float64", "\"a\tb\",nan\n\"c,d\",inf\n", 0),
              "s\tf\n\"a\tb\"\tnan\nc,d\tinf\n");
    CHECK_STR(encode("csv", "header=false", "s string, t string", "\"\xef\xbb\xbfx\",y\n", 0),
              "\"\xef\xbb\xbfx\",y\n"); /* or the reader takes it for that of the file */
    CHECK_STR(encode("csv", "quote=&header=false", "s string", "\"a,b\nc\"\n", 0), "a b c\n");
    CHECK_STR(encode("csv", "quote=&header=false", "s string",
                     "\"\xef\xbb\xbfx\"\n\"\xef\xbb\xbfy\"\n", 0),
              "\xef\xbb\xbf\xef\xbb\xbfx\n\xef\xbb\xbfy\n"); /* the reader drops the first */
}

TEST(csv_written_reads_back_equal) {
    const char *rows = "\"\",a\n~,\" \"\n\"x\"\"y\",\"1\n2\"\n\"\r\",b\n";
    const char *first = encode("csv", NULL, "s string, t string", rows, 0);
    const char *again = test_decode_text(
        &(struct test_decode){.format = "csv", .schema = "s string, t string", .text = first});
    CHECK_STR(again, "\"\"|\"a\"\nnil|\" \"\n\"x\\\"y\"|\"1\\n2\"\n\"\\r\"|\"b\"\n");
}

TEST(markdown_escapes_what_would_break_its_table) {
    CHECK_STR(encode("md", NULL, "name string, n int64", "\"a|b\nc\",1\n~,~\n", 0),
              "| name | n |\n| --- | ---: |\n| a\\|b<br>c | 1 |\n|  |  |\n");
}

TEST(table_aligns_columns_under_names_and_types) {
    CHECK_STR(encode("table", NULL, "name string, n int64",
                     "\xe6\xbc\xa2\xe5\xad\x97,1\nab,~\n"
                     "\"l\n\",12345\n",
                     0),
              "name        n\n"
              "string  int64\n"
              "------  -----\n"
              "\xe6\xbc\xa2\xe5\xad\x97        1\n"
              "ab        nil\n"
              "l\\n     12345\n");
}

TEST(table_tells_how_many_rows_it_did_not_show) {
    static char csv[40000];
    size_t used = 0;
    for (int i = 0; i < 5000; i++)
        used += (size_t)snprintf(csv + used, sizeof csv - used, "%d\n", i);
    CHECK_STR(encode("table", "rows=2", "n int64", csv, 100),
              "W203 option `rows` must be a whole number from 0 to 10000"); /* a text is none */
    const char *text = encode("table", NULL, "n int64", csv, 100);
    CHECK_CONTAINS(text, "\n   39\n40 of 5,000 rows\n");
    CHECK(strstr(text, "\n   40\n") == NULL);
}

TEST(table_cuts_long_cells_between_characters) {
    char csv[200] = "\"";
    for (int i = 0; i < 35; i++)
        memcpy(csv + 1 + 3 * i, "\xe6\xbc\xa2", 3);
    memcpy(csv + 106, "\"\n", 3);
    const char *text = encode("table", NULL, "s string", csv, 0);
    CHECK_CONTAINS(text, "\xe6\xbc\xa2\xe2\x80\xa6\n");
}
