/* test_small_endpoints.c: literal rows, computed rows, stdout, the blackhole, and what all share.
 * */
#include "support_conn.h"

#include "conn/endpoint.h"

#define FIELD(name, kind) "{'name':'" name "','type':{'kind':'" kind "'}}"

/* ---- rows ---------------------------------------------------------------------------------- */

static const char *literal(struct world *w, const char *schema, const char *rows,
                           uint32_t batch_rows) {
    return all_rows(w, &wr_source_rows,
                    value_of_json(w, "{'endpoint':{'kind':'rows',%s},'schema':[%s]}", rows, schema),
                    batch_rows);
}

TEST(rows_source_takes_values_by_position_and_by_name) {
    struct world w;
    world_begin(&w);
    const char *schema =
        FIELD("id", "int64") "," FIELD("at", "timestamp") "," FIELD("f", "float64");
    for (uint32_t batch_rows = 1; batch_rows < 5; batch_rows++)
        CHECK_STR(literal(&w, schema,
                          "'rows':[[1,'2013-01-01T00:00:00Z',1.5],{'id':2,'f':3},[3],[],"
                          "{'1':4,'3':0.5}]",
                          batch_rows),
                  "1,2013-01-01T00:00:00Z,1.5\n2,nil,3.0\n3,nil,nil\nnil,nil,nil\n4,nil,0.5\n");
    CHECK_STR(literal(&w, schema, "'rows':[]", 2), "");
    CHECK_STR(literal(&w, FIELD("b", "bool") "," FIELD("j", "json") "," FIELD("d", "date"),
                      "'rows':[[true,{'a':[1,2]},'2013-01-01'],[false,'[1]',null],[null,7,null]]",
                      2),
              "true,{\"a\": [1, 2]},2013-01-01\nfalse,[1],nil\nnil,7,nil\n");
    world_end(&w);
}

TEST(rows_source_tells_values_of_another_type_at_the_call) {
    struct world w;
    world_begin(&w);
    const char *schema = FIELD("id", "int64") "," FIELD("at", "timestamp");
    CHECK_STR(literal(&w, schema, "'rows':[[1],[2.5]]", 2),
              "W203 row 2: column `id` must be int64, got 2.5");
    CHECK_STR(w.err.arg, "2");
    CHECK_STR(literal(&w, schema, "'rows':[[1,'noon']]", 2),
              "W203 row 1: column `at` must be timestamp, got 'noon'");
    CHECK_STR(literal(&w, schema, "'rows':[['1']]", 2),
              "W203 row 1: column `id` must be int64, got '1'");
    CHECK_STR(literal(&w, schema, "'rows':[[1,null,3]]", 2),
              "W203 row 1 has 3 values, the schema has 2 columns");
    CHECK_STR(literal(&w, schema, "'rows':[7]", 2), "W203 row 1 must be a table of values");
    CHECK_STR(
        literal(&w, "{'name':'id','type':{'kind':'int64'},'required':true}", "'rows':[[]]", 2),
        "W203 row 1: column `id` is required");
    world_end(&w);
}

TEST(rows_source_reads_a_csv_text_with_its_header) {
    struct world w;
    world_begin(&w);
    const char *schema = FIELD("id", "int64") "," FIELD("name", "string");
    for (uint32_t batch_rows = 1; batch_rows < 4; batch_rows++)
        CHECK_STR(literal(&w, schema, "'text':'name,id\\nanna,1\\nbert,x\\nc,3'", batch_rows),
                  "1,anna\n3,c\n");
    CHECK_CONTAINS(w.rejects.bytes, "W502 line 3 record 1");
    CHECK_CONTAINS(literal(&w, schema, "'text':'1,anna\\n2,bert'", 2),
                   "W203 the first line of a CSV text is its header: `1,anna` names no column");
    world_end(&w);
}

TEST(rows_source_goes_on_from_every_position) {
    struct world w;
    world_begin(&w);
    static const char *const data[] = {"'rows':[[1],[2],[3]]", "'text':'id\\n1\\n2\\n3\\n'"};
    for (int i = 0; i < 2; i++)
        for (uint32_t stop = 1; stop < 5; stop++) {
            struct wr_endpoint_bind bind;
            struct wr_buf out, position;
            wr_buf_init(&out, &w.budget, 0);
            wr_buf_init(&position, &w.budget, 0);
            struct wr_value *spec =
                value_of_json(&w, "{'endpoint':{%s},'schema':[%s]}", data[i], FIELD("id", "int64"));
            CHECK_INT(bind_source(&w, &wr_source_rows, spec, &bind), ==, WR_OK);
            struct wr_source *source = open_source(&w, &wr_source_rows, &bind, 1, NULL);
            read_source(&w, source, stop, &out);
            CHECK_INT(wr_source_rows.save_position(source, &position), ==, WR_OK);
            close_source(source);
            struct wr_reader from = {.bytes = position.bytes, .length = position.length};
            source = open_source(&w, &wr_source_rows, &bind, 1, &from);
            CHECK(source != NULL);
            CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
            close_source(source);
            CHECK_STR(out.bytes, "1\n2\n3\n");
            wr_buf_release(&out);
            wr_buf_release(&position);
        }
    world_end(&w);
}

/* ---- stdout and the blackhole -------------------------------------------------------------- */

static const char *printed(struct world *w, const char *spec, int terminal, const char *csv) {
    struct wr_endpoint_bind bind;
    const struct wr_schema *schema = schema_of(w, "id int64,name string");
    wr_buf_clear(&w->shown);
    if (bind_sink(w, &wr_sink_print, value_of_json(w, "%s", spec), schema, NULL, &bind) != WR_OK)
        return error_text(w);
    struct wr_sink *sink = open_sink(w, &wr_sink_print, &bind, NULL);
    if (sink == NULL)
        return error_text(w);
    close_sink(sink);
    sink = wr_alloc_zero(&wr_budget_control, wr_sink_print.size_bytes);
    *sink = (struct wr_sink){.type = &wr_sink_print,
                             .config = bind.config,
                             .schema = schema,
                             .env = w->env,
                             .budget = &w->budget,
                             .terminal = terminal,
                             .terminal_columns = 80,
                             .show = show_in_world,
                             .show_ctx = w};
    CHECK_INT(wr_sink_print.open(sink, NULL, &w->err), ==, WR_OK);
    CHECK_INT(write_epoch(w, sink, 1, batch_of(w, schema, csv)), ==, WR_OK);
    CHECK_INT(wr_sink_print.finish(sink, &w->err), ==, WR_OK);
    close_sink(sink);
    return w->shown.bytes == NULL ? "" : w->shown.bytes;
}

TEST(print_shows_a_table_on_a_terminal_and_ndjson_elsewhere) {
    struct world w;
    world_begin(&w);
    const char *ndjson = "{\"id\":1,\"name\":\"anna\"}\n{\"id\":2,\"name\":\"bert\"}\n";
    CHECK_STR(printed(&w, "{'op':'print'}", 0, "1,anna\n2,bert"), ndjson);
    const char *table = printed(&w, "{'op':'print'}", 1, "1,anna\n2,bert");
    CHECK_CONTAINS(table, "int64");
    CHECK_CONTAINS(table, "1  anna");
    CHECK_STR(printed(&w, "{'op':'print','format':{'name':'ndjson'}}", 1, "1,anna\n2,bert"),
              ndjson);
    CHECK_STR(printed(&w, "{'op':'print','format':{'name':'csv'}}", 1, "1,anna\n2,bert"),
              "id,name\n1,anna\n2,bert\n");
    world_end(&w);
}

TEST(print_cuts_at_its_rows_and_a_table_says_so) {
    struct world w;
    world_begin(&w);
    CHECK_STR(printed(&w, "{'op':'print','rows':1}", 0, "1,anna\n2,bert"),
              "{\"id\":1,\"name\":\"anna\"}\n");
    const char *table = printed(&w, "{'op':'print','rows':1}", 1, "1,anna\n2,bert");
    CHECK_CONTAINS(table, "1 of 2 rows");
    CHECK(strstr(table, "bert") == NULL);
    char many[2048];
    size_t length = 0;
    for (int i = 1; i <= 50; i++)
        length += (size_t)snprintf(many + length, sizeof many - length, "%d,n\n", i);
    table = printed(&w, "{'op':'print'}", 1, many);
    CHECK_CONTAINS(table, "40 of 50 rows");
    world_end(&w);
}

TEST(print_tells_wrong_options) {
    struct world w;
    world_begin(&w);
    CHECK_CONTAINS(printed(&w, "{'rows':0}", 0, "1,a"),
                   "W203 option `rows` must be a whole number");
    CHECK_CONTAINS(printed(&w, "{'format':'cvs'}", 0, "1,a"), "did you mean `csv`?");
    CHECK_STR(printed(&w, "{'options':{'colour':1}}", 0, "1,a"),
              "W202 unknown option `colour` of `print`");
    world_end(&w);
}

TEST(blackhole_counts_and_hashes_rows_in_their_order) {
    struct world w;
    world_begin(&w);
    const struct wr_schema *schema = schema_of(&w, "id int64,name string");
    static const char *const rows[] = {"1,a\n2,b", "1,a\n2,b", "2,b\n1,a", "1,a\n2,",
                                       "1,a\n2,\"\""};
    char first[64] = "";
    for (int i = 0; i < 5; i++) {
        wr_buf_clear(&w.shown);
        CHECK_INT(write_all(&w, &wr_sink_blackhole, value_of_json(&w, "{'options':{'hash':true}}"),
                            schema, NULL, rows[i]),
                  ==, WR_OK);
        CHECK_CONTAINS(w.shown.bytes, "{\"rows\":2,\"hash\":\"");
        if (i == 0)
            snprintf(first, sizeof first, "%s", w.shown.bytes);
        CHECK_INT(strcmp(first, w.shown.bytes) == 0, ==, i < 2);
    }
    wr_buf_clear(&w.shown);
    CHECK_INT(write_all(&w, &wr_sink_blackhole, value_of_json(&w, "{}"), schema, NULL, rows[0]), ==,
              WR_OK);
    CHECK_INT(w.shown.length, ==, 0);
    CHECK_INT(write_all(&w, &wr_sink_blackhole, value_of_json(&w, "{'options':{'hash':1}}"), schema,
                        NULL, NULL),
              ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W203 option `hash` must be true or false, got 1");
    world_end(&w);
}

/* ---- what all share ------------------------------------------------------------------------ */

TEST(endpoint_knows_formats_by_the_name_of_a_file) {
    static const struct {
        const char *name, *format;
        enum wr_compression compression;
    } cases[] = {
        {"a.csv", "csv", WR_COMPRESSION_NONE},         {"a.CSV.GZ", "csv", WR_COMPRESSION_GZIP},
        {"x/a.tsv.zst", "tsv", WR_COMPRESSION_ZSTD},   {"a.ndjson", "ndjson", WR_COMPRESSION_NONE},
        {"a.jsonl.gz", "ndjson", WR_COMPRESSION_GZIP}, {"a.json", "json", WR_COMPRESSION_NONE},
        {"a.log", "lines", WR_COMPRESSION_NONE},       {"a.txt", "lines", WR_COMPRESSION_NONE},
        {"a.gz", NULL, WR_COMPRESSION_GZIP},           {"csv", NULL, WR_COMPRESSION_NONE},
        {".csv", NULL, WR_COMPRESSION_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum wr_compression compression;
        CHECK_STR(wr_format_of_name(cases[i].name, &compression), cases[i].format);
        CHECK_INT(compression, ==, cases[i].compression);
    }
}

TEST(endpoint_measures_how_far_names_are_apart) {
    CHECK_INT(wr_name_distance("table", "table", 3), ==, 0);
    CHECK_INT(wr_name_distance("tabel", "table", 3), ==, 1);
    CHECK_INT(wr_name_distance("tble", "table", 3), ==, 1);
    CHECK_INT(wr_name_distance("", "abc", 5), ==, 3);
    CHECK_INT(wr_name_distance("kitten", "sitting", 5), ==, 3);
    CHECK_INT(wr_name_distance("abc", "xyzuvw", 2), ==, 3);
    const char *best = NULL;
    uint32_t distance = WR_NAME_FAR;
    wr_name_nearer("tabel", "query", &best, &distance);
    CHECK(best == NULL);
    wr_name_nearer("tabel", "label", &best, &distance);
    wr_name_nearer("tabel", "mode", &best, &distance);
    CHECK_STR(best, "label");
}

TEST(endpoint_sees_passwords_in_urls_and_nowhere_else) {
    struct world w;
    world_begin(&w);
    static const struct {
        const char *address;
        int refused;
    } cases[] = {{"a.csv", 0},
                 {"me:secret@host/db", 1},
                 {"x://me:secret@host", 1},
                 {"x://me@host:5432", 0},
                 {"dir/a:b@c.csv", 0},
                 {"host:9092/topic@x", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wr_options options;
        struct wr_endpoint_bind bind = {
            .arena = &w.arena,
            .spec = value_of_json(&w, "{'endpoint':{'address':'%s'}}", cases[i].address)};
        int status = wr_options_read(&options, &bind, &w.err);
        if (status != (cases[i].refused ? WR_ESCRIPT : WR_OK))
            test_fail(__FILE__, __LINE__, "%s: %d", cases[i].address, status);
    }
    world_end(&w);
}
