/* test_file_source.c: files of all kinds, read in pieces, entered again, and what is said when they
 * cannot be read. */
#include "support_conn.h"

#include "conn/stdin_head.h"

static struct wr_value *file_spec(struct world *w, const char *path, const char *options) {
    return value_of_json(w, "{'endpoint':{'kind':'file','address':'%s'},'options':{%s}}", path,
                         options);
}

static const char *rows_of(struct world *w, const char *path, const char *options) {
    return all_rows(w, &wr_source_file, file_spec(w, path, options), 4);
}

/* `count` rows "i,text" with a header; texts have many lengths. */
static const char *many_rows(struct world *w, int count, size_t *length) {
    char *text = wr_arena_alloc(&w->arena, (size_t)count * 64 + 16);
    CHECK(text != NULL);
    size_t at = (size_t)snprintf(text, 16, "id,name\n");
    for (int i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, 64, "%d,%.*s\n", i, 10 + i * 7 % 31,
                               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    *length = at;
    return text;
}

TEST(file_source_reads_a_csv_file_by_its_header) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "id,name\n1,anna\n2,bert\n,\n");
    for (uint32_t rows = 1; rows <= 4; rows++)
        CHECK_STR(all_rows(&w, &wr_source_file, file_spec(&w, path, ""), rows),
                  "1,anna\n2,bert\nnil,nil\n");
    world_end(&w);
}

TEST(file_source_says_from_how_many_rows_it_saw_the_schema) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "id,name\n1,anna\n2,bert\n");
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_file, file_spec(&w, path, ""), &bind), ==, WR_OK);
    CHECK_INT(bind.inferred_rows, ==, 2);
    CHECK_INT(bind.schema->fields[0].type.kind, ==, WR_INT64);
    CHECK_STR(bind.name, path);
    CHECK_INT(bind.partition_count, ==, 1);
    CHECK_INT(bind.bounded, ==, 1);
    world_end(&w);
}

TEST(file_source_passes_options_of_the_format_on) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.txt");
    put_text(path, "1;NA\nNA;x\n");
    CHECK_STR(all_rows(&w, &wr_source_file,
                       value_of_json(&w,
                                     "{'endpoint':{'address':'%s'},'format':{'name':'csv',"
                                     "'options':{'delimiter':';'}},'options':{'null':'NA',"
                                     "'header':false},'schema':[{'name':'a','type':{'kind':"
                                     "'int64'}},{'name':'b','type':{'kind':'string'}}]}",
                                     path),
                       4),
              "1,nil\nnil,x\n");
    world_end(&w);
}

TEST(file_source_reads_lines_without_a_schema) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.log");
    put_text(path, "one, two\nthree\n");
    CHECK_STR(rows_of(&w, path, ""), "one, two\nthree\n");
    world_end(&w);
}

/* ---- globs --------------------------------------------------------------------------------- */

TEST(file_source_reads_a_glob_in_the_order_of_names_by_each_header) {
    struct world w;
    world_begin(&w);
    put_text(in_folder(&w, "b.csv"), "name,id,more\nbert,2,x\n");
    put_text(in_folder(&w, "a.csv"), "id,name\n1,anna\n");
    put_text(in_folder(&w, "c.csv"), "id\n3\n");
    struct wr_value *spec = value_of_json(
        &w,
        "{'endpoint':{'address':'%s'},'schema':[{'name':'id','type':{'kind':'int64'}},"
        "{'name':'name','type':{'kind':'string'}}]}",
        in_folder(&w, "*.csv"));
    for (uint32_t rows = 1; rows < 4; rows++)
        CHECK_STR(all_rows(&w, &wr_source_file, spec, rows), "1,anna\n2,bert\n3,nil\n");
    CHECK_CONTAINS(w.notes.bytes, "`more`");
    world_end(&w);
}

TEST(file_source_tells_extra_columns_once) {
    struct world w;
    world_begin(&w);
    put_text(in_folder(&w, "a.csv"), "id,more\n1,x\n");
    put_text(in_folder(&w, "b.csv"), "id,more\n2,x\n");
    put_text(in_folder(&w, "c.csv"), "id,other\n3,x\n");
    struct wr_value *spec = value_of_json(
        &w, "{'endpoint':{'address':'%s'},'schema':[{'name':'id','type':{'kind':'int64'}}]}",
        in_folder(&w, "*.csv"));
    CHECK_STR(all_rows(&w, &wr_source_file, spec, 10), "1\n2\n3\n");
    CHECK_STR(w.notes.bytes, "columns that are not in the schema: `other`\n");
    world_end(&w);
}

TEST(file_source_widens_types_over_the_files_of_a_glob) {
    struct world w;
    world_begin(&w);
    put_text(in_folder(&w, "a.csv"), "x,y,z\n1,2,t\n");
    put_text(in_folder(&w, "b.csv"), "x,y,new\n1.5,text,7\n");
    CHECK_STR(rows_of(&w, in_folder(&w, "*.csv"), ""), "1.0,2,t,nil\n1.5,text,nil,7\n");
    world_end(&w);
}

TEST(file_source_makes_each_file_a_partition_when_asked) {
    struct world w;
    world_begin(&w);
    put_text(in_folder(&w, "a.csv"), "x\n1\n");
    put_text(in_folder(&w, "b.csv"), "x\n2\n");
    struct wr_endpoint_bind bind;
    struct wr_value *spec = file_spec(&w, in_folder(&w, "?.csv"), "'partitions':'each'");
    CHECK_INT(bind_source(&w, &wr_source_file, spec, &bind), ==, WR_OK);
    CHECK_INT(bind.partition_count, ==, 2);
    for (uint32_t p = 0; p < 2; p++) {
        struct wr_source *source = wr_alloc_zero(&wr_budget_control, wr_source_file.size_bytes);
        *source = (struct wr_source){.type = &wr_source_file,
                                     .config = bind.config,
                                     .schema = bind.schema,
                                     .env = w.env,
                                     .pool = &w.pool,
                                     .input_budget = &w.budget,
                                     .partition = p,
                                     .source = 3,
                                     .batch_rows = 10,
                                     .name = "s"};
        CHECK_INT(wr_source_file.open(source, NULL, &w.err), ==, WR_OK);
        struct wr_batch *batch;
        CHECK_INT(wr_source_file.poll(source, &batch, &w.err), ==, WR_OK);
        CHECK_INT(WR_I64(&batch->columns[0])[0], ==, p + 1);
        CHECK_INT(batch->partition, ==, p);
        CHECK_INT(batch->source, ==, 3);
        CHECK_CONTAINS(batch->origin.file, p == 0 ? "/a.csv" : "/b.csv");
        wr_batch_unref(batch);
        CHECK_INT(wr_source_file.poll(source, &batch, &w.err), ==, WR_EEND);
        close_source(source);
    }
    world_end(&w);
}

/* ---- pieces -------------------------------------------------------------------------------- */

TEST(file_source_keeps_records_whole_over_the_ends_of_its_pieces) {
    struct world w;
    world_begin(&w);
    size_t length;
    const char *text = many_rows(&w, 40000, &length), *path = in_folder(&w, "a.csv");
    CHECK_INT(length, >, 1200u << 10); /* more than two pieces */
    put_file(path, text, length);
    struct wr_buf out;
    wr_buf_init(&out, &w.budget, 0);
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_file, file_spec(&w, path, ""), &bind), ==, WR_OK);
    struct wr_source *source = open_source(&w, &wr_source_file, &bind, 1024, NULL);
    CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
    uint64_t done, total;
    wr_source_file.progress(source, &done, &total);
    CHECK_INT(done, ==, length);
    CHECK_INT(total, ==, length);
    close_source(source);
    CHECK_STR(out.bytes, strchr(text, '\n') + 1);
    CHECK_INT(w.rejects.length, ==, 0);
    wr_buf_release(&out);
    world_end(&w);
}

TEST(file_source_allocates_nothing_in_a_steady_run) {
    struct world w;
    world_begin(&w);
    size_t length;
    const char *text = many_rows(&w, 150000, &length), *path = in_folder(&w, "a.csv");
    put_file(path, text, length);
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_file, file_spec(&w, path, ""), &bind), ==, WR_OK);
    struct wr_source *source = open_source(&w, &wr_source_file, &bind, 1024, NULL);
    uint64_t used = 0;
    struct wr_batch *batch;
    for (int i = 0; wr_source_file.poll(source, &batch, &w.err) == WR_OK; i++) {
        wr_batch_unref(batch);
        if (i == 60)
            used = w.budget.bytes_used;
        if (i > 60)
            CHECK_INT(w.budget.bytes_used, ==, used);
    }
    CHECK_INT(used, >, 0);
    close_source(source);
    world_end(&w);
}

static void long_record(struct world *w, const char *path, size_t bytes) {
    struct wr_buf text;
    wr_buf_init(&text, &w->budget, 0);
    wr_buf_add_text(&text, "a,b\n1,x\n2,");
    for (size_t i = 0; i < bytes; i++)
        wr_buf_add_char(&text, 'y');
    wr_buf_add_text(&text, "\n3,z\n");
    put_file(path, text.bytes, text.length);
    wr_buf_release(&text);
}

TEST(file_source_takes_records_longer_than_a_piece_up_to_the_limit) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    long_record(&w, path, 900u << 10);
    const char *rows = rows_of(&w, path, "");
    CHECK_INT(strlen(rows), ==, strlen("1,x\n2,\n3,z\n") + (900u << 10));
    CHECK_INT(w.rejects.length, ==, 0);
    long_record(&w, path, 1500u << 10);
    CHECK_STR(rows_of(&w, path, "'header':true"), "1,x\n3,z\n");
    CHECK_CONTAINS(w.rejects.bytes, "W510 line 3");
    wr_buf_clear(&w.rejects);
    CHECK_INT(strlen(rows_of(&w, path, "'max_record':'2MB'")), >, 1500u << 10);
    CHECK_INT(w.rejects.length, ==, 0);
    world_end(&w);
}

TEST(file_source_reads_the_same_however_few_bytes_come_at_a_time) {
    struct world w;
    world_begin(&w);
    struct odd_env odd;
    odd_env_init(&odd, &w);
    const char *path = in_folder(&w, "a.csv"), *gz = in_folder(&w, "b.csv.gz");
    const char *text = "id,name\n1,\"a\nb\"\n2,c\r\nx,d\n3,\"e\"\"\"";
    size_t size;
    const char *bytes = gzip_of(&w, text, strlen(text), &size);
    put_text(path, text);
    put_file(gz, bytes, size);
    for (odd.chunk = 1; odd.chunk < 9; odd.chunk++) {
        CHECK_STR(rows_of(&w, path, ""), "1,a\nb\n2,c\nx,d\n3,e\"\n");
        CHECK_STR(rows_of(&w, gz, ""), "1,a\nb\n2,c\nx,d\n3,e\"\n");
    }
    world_end(&w);
}

/* ---- limits and failures ------------------------------------------------------------------- */

TEST(file_source_stops_at_the_limit) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "x\n1\n2\n3\n4\n5\n");
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_file, file_spec(&w, path, ""), &bind), ==, WR_OK);
    w.record_limit = 3;
    for (uint32_t batch_rows = 1; batch_rows <= 6; batch_rows++) {
        struct wr_source *source = open_source(&w, &wr_source_file, &bind, batch_rows, NULL);
        struct wr_buf out;
        wr_buf_init(&out, &w.budget, 0);
        CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
        CHECK_STR(out.bytes, "1\n2\n3\n");
        wr_buf_release(&out);
        close_source(source);
    }
    world_end(&w);
}

TEST(file_source_counts_bad_records_towards_the_limit) {
    static const char *const files[][2] = {
        {"a.csv", "x\n1\ntwo\n3\nfour\nfive\n6\n"},
        {"a.ndjson", "{\"x\":1}\n{\"x\":\"two\"}\n{\"x\":3}\n{\n{\n{\"x\":6}\n"},
        {"a.json", "[{\"x\":1},{\"x\":\"two\"},{\"x\":3},{\"x\":\"4\"},{\"x\":[]},{\"x\":6}]"}};
    struct world w;
    world_begin(&w);
    for (uint32_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = in_folder(&w, files[i][0]);
        put_text(path, files[i][1]);
        struct wr_value *spec = value_of_json(
            &w, "{'endpoint':{'address':'%s'},'schema':[{'name':'x','type':{'kind':'int64'}}]}",
            path);
        for (uint32_t batch_rows = 1; batch_rows <= 7; batch_rows++) {
            wr_buf_clear(&w.rejects);
            w.record_limit = 4;
            CHECK_STR(all_rows(&w, &wr_source_file, spec, batch_rows), "1\n3\n");
            CHECK_CONTAINS(w.rejects.bytes, "record 3");
            CHECK(strstr(w.rejects.bytes, "record 4") == NULL);
            w.record_limit = 6;
            CHECK_STR(all_rows(&w, &wr_source_file, spec, batch_rows), "1\n3\n6\n");
        }
    }
    world_end(&w);
}

TEST(file_source_notes_a_misspelt_column_when_it_reads_the_header) {
    struct world w;
    world_begin(&w);
    put_text(in_folder(&w, "a0.csv"), "id,dep_dealy,b\n1,2,3\n");
    struct wr_value *spec = value_of_json(
        &w,
        "{'endpoint':{'address':'%s'},'schema':[{'name':'id','type':{'kind':'int64'}},"
        "{'name':'dep_delay','type':{'kind':'int64'}},{'name':'late','type':{'kind':'int64'},"
        "'default':7},{'name':'carrier','type':{'kind':'string'}}]}",
        in_folder(&w, "a0.csv"));
    static const char said[] = "columns that are not in the schema: `dep_dealy`, `b`\n"
                               "`dep_delay` of the schema is not in the header, so it is nil: "
                               "did you mean `dep_dealy`?\n";
    CHECK_STR(all_rows(&w, &wr_source_file, spec, 10), "1,nil,7,nil\n");
    CHECK_CONTAINS(w.notes.bytes, said);
    CHECK_CONTAINS(w.notes.bytes, "`carrier` of the schema is not in the header, so it is nil: is "
                                  "it spelled as in the file?\n");
    world_end(&w);
}

TEST(file_source_notes_a_name_of_the_schema_that_no_record_has) {
    static const char *const files[][2] = {{"a.csv", "x\n1\n2\n"},
                                           {"a.ndjson", "{\"x\":1}\n{\"x\":2}\n"},
                                           {"a.json", "[{\"x\":1},{\"x\":2}]"}};
    struct world w;
    world_begin(&w);
    for (uint32_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = in_folder(&w, files[i][0]);
        put_text(path, files[i][1]);
        struct wr_value *spec = value_of_json(
            &w,
            "{'endpoint':{'address':'%s'},'schema':[{'name':'x','type':{'kind':'int64'}},"
            "{'name':'ex','type':{'kind':'int64'}}]}",
            path);
        wr_buf_clear(&w.notes);
        CHECK_STR(all_rows(&w, &wr_source_file, spec, 1), "1,nil\n2,nil\n");
        CHECK_STR(w.notes.bytes,
                  i == 0 ? "`ex` of the schema is not in the header, so it is nil: is it spelled "
                           "as in the file?\n"
                         : "`ex` of the schema was in none of 2 records, so it is always nil: is "
                           "it spelled as in the file?\n");
    }
    wr_buf_clear(&w.notes);
    put_text(in_folder(&w, "b0.csv"), "x\n1\n");
    put_text(in_folder(&w, "b1.csv"), "ex\n1\n");
    struct wr_value *spec =
        value_of_json(&w,
                      "{'endpoint':{'address':'%s'},'schema':[{'name':'x','type':{'kind':'int64'}},"
                      "{'name':'ex','type':{'kind':'int64'}}]}",
                      in_folder(&w, "b*.csv"));
    CHECK_STR(all_rows(&w, &wr_source_file, spec, 1), "1,nil\nnil,1\n");
    CHECK_INT(w.notes.length, ==, 0);
    world_end(&w);
}

TEST(file_source_gives_bad_records_to_rejects_with_their_place) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "x\n1\ntwo\n3\n");
    struct wr_value *spec = value_of_json(
        &w, "{'endpoint':{'address':'%s'},'schema':[{'name':'x','type':{'kind':'int64'}}]}", path);
    CHECK_STR(all_rows(&w, &wr_source_file, spec, 10), "1\n3\n");
    CHECK_CONTAINS(w.rejects.bytes, "W502 line 3 record 1");
    CHECK_CONTAINS(w.rejects.bytes, "[two]");
    spec = value_of_json(&w,
                         "{'endpoint':{'address':'%s'},'options':{'on_error':'fail'},"
                         "'schema':[{'name':'x','type':{'kind':'int64'}}]}",
                         path);
    const char *rows = all_rows(&w, &wr_source_file, spec, 10);
    CHECK_CONTAINS(rows, "a.csv:3:1: ");
    CHECK_CONTAINS(rows, "on_error");
    world_end(&w);
}

TEST(file_source_says_which_file_is_not_there_and_which_may_be_meant) {
    struct world w;
    world_begin(&w);
    put_text(in_folder(&w, "flights.csv"), "x\n1\n");
    const char *text = rows_of(&w, in_folder(&w, "flihgts.csv"), "");
    CHECK_CONTAINS(text, "W401 no such file: `");
    CHECK_CONTAINS(text, "did you mean `");
    CHECK_CONTAINS(text, "/flights.csv`?");
    CHECK_STR(w.err.arg, "1");
    CHECK_CONTAINS(rows_of(&w, in_folder(&w, "zzz*.csv"), ""), "W401 no file matches `");
    CHECK_CONTAINS(rows_of(&w, in_folder(&w, "no/where.csv"), ""), "there is nothing in `");
    CHECK_CONTAINS(rows_of(&w, "", ""), "W401 no such file: the path is empty");
    CHECK_CONTAINS(rows_of(&w, w.folder, ""), "is a directory | `");
    world_end(&w);
}

TEST(file_source_opens_a_file_with_a_schema_only_when_it_runs) {
    struct world w;
    world_begin(&w);
    struct wr_endpoint_bind bind;
    struct wr_value *spec = value_of_json(
        &w, "{'endpoint':{'address':'%s'},'schema':[{'name':'x','type':{'kind':'int64'}}]}",
        in_folder(&w, "later.csv"));
    CHECK_INT(bind_source(&w, &wr_source_file, spec, &bind), ==, WR_OK);
    CHECK(open_source(&w, &wr_source_file, &bind, 10, NULL) == NULL);
    CHECK_CONTAINS(error_text(&w), "W401 no such file: `");
    put_text(in_folder(&w, "later.csv"), "x\n5\n");
    struct wr_source *source = open_source(&w, &wr_source_file, &bind, 10, NULL);
    CHECK(source != NULL);
    close_source(source);
    world_end(&w);
}

TEST(file_source_tells_wrong_options_at_the_call) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "x\n1\n");
    CHECK_STR(rows_of(&w, path, "'partitions':'all'"),
              "W203 option `partitions` must be \"one\" or \"each\", got 'all'");
    CHECK_STR(w.err.arg, "partitions");
    CHECK_STR(rows_of(&w, path, "'max_record':'20MB'"),
              "W203 option `max_record` must be at most 16MB");
    CHECK_STR(rows_of(&w, path, "'max_ratio':'many'"),
              "W203 option `max_ratio` must be a whole number of at least 0, got 'many'");
    CHECK_STR(rows_of(&w, path, "'timezone':7"), "W203 option `timezone` must be a text, got 7");
    CHECK_STR(rows_of(&w, path, "'wait':'1h'"),
              "W203 option `wait` is not in this version for this endpoint");
    CHECK_CONTAINS(rows_of(&w, path, "'delimitre':';'"), "W202 unknown option `delimitre`");
    CHECK_CONTAINS(all_rows(&w, &wr_source_file,
                            value_of_json(&w, "{'endpoint':{'address':'%s'},'format':'cvs'}", path),
                            1),
                   "W402 unknown format `cvs` | did you mean `csv`?");
    put_text(in_folder(&w, "data.xyz"), "x\n1\n");
    CHECK_CONTAINS(rows_of(&w, in_folder(&w, "data.xyz"), ""), "W402 the format of `");
    CHECK_CONTAINS(rows_of(&w, "ftp://me:secret@host/a.csv", ""), "W405 password in a URL");
    world_end(&w);
}

TEST(file_source_needs_a_schema_where_it_may_not_look) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "");
    CHECK_CONTAINS(rows_of(&w, path, ""), "W408 `");
    CHECK_CONTAINS(w.err.text, "is empty");
    struct wr_endpoint_bind bind = {
        .arena = &w.arena, .env = w.env, .timezone = "UTC", .spec = file_spec(&w, path, "")};
    CHECK_INT(wr_source_file.bind(&bind, &w.err), ==, WR_ESCRIPT);
    CHECK_STR(w.err.code, "W408");
    CHECK_CONTAINS(w.err.help, "weir schema pull");
    world_end(&w);
}

TEST(file_source_says_when_its_memory_is_used_up) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "x\n1\n");
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_file, file_spec(&w, path, ""), &bind), ==, WR_OK);
    struct wr_source *source = open_source(&w, &wr_source_file, &bind, 10, NULL);
    struct wr_budget small = WR_BUDGET_INIT("input", 200u << 10);
    source->input_budget = &small;
    struct wr_batch *batch;
    CHECK_INT(wr_source_file.poll(source, &batch, &w.err), ==, WR_ENOMEM);
    CHECK_CONTAINS(error_text(&w), "W602 memory budget `input` is used up");
    close_source(source);
    world_end(&w);
}
