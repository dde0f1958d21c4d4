/* test_file_sink.c: final names appear at the end, nothing half-written before; modes, formats,
 * restarts, a full disk. */
#include "support_conn.h"

#include "state/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include "conn/input.h"

#define SCHEMA "id int64,name string"

static struct wr_value *sink_spec(struct world *w, const char *path, const char *more) {
    return value_of_json(w, "{'endpoint':{'kind':'file','address':'%s'}%s%s}", path,
                         more[0] == 0 ? "" : ",", more);
}

static int write_rows(struct world *w, const char *path, const char *more, const char *csv) {
    return write_all(w, &wr_sink_file, sink_spec(w, path, more), schema_of(w, SCHEMA), NULL, csv);
}

/* The data of a file that may be compressed. */
static const char *data_of(struct world *w, const char *path) {
    struct wr_input input;
    uint64_t got;
    char *text = wr_arena_alloc_zero(&w->arena, 1u << 20);
    CHECK(text != NULL);
    CHECK_INT(wr_input_open(&input, wr_env_real(), &w->budget, path, 0, 0, &w->err), ==, WR_OK);
    CHECK_INT(wr_input_read(&input, text, (1u << 20) - 1, &got, &w->err), ==, WR_OK);
    wr_input_close(&input);
    return text;
}

TEST(file_sink_takes_the_format_from_the_name_or_the_option) {
    struct world w;
    world_begin(&w);
    static const struct {
        const char *name, *more, *text;
    } cases[] = {
        {"a.csv", "", "id,name\n1,anna\n,\n"},
        {"a.tsv", "", "id\tname\n1\tanna\n\t\n"},
        {"a.ndjson", "", "{\"id\":1,\"name\":\"anna\"}\n{\"id\":null,\"name\":null}\n"},
        {"a.jsonl", "", "{\"id\":1,\"name\":\"anna\"}\n{\"id\":null,\"name\":null}\n"},
        {"a.out", "'format':{'name':'csv','options':{'delimiter':';','null':'NA'}}",
         "id;name\n1;anna\nNA;NA\n"},
        {"a.csv", "'format':'ndjson'",
         "{\"id\":1,\"name\":\"anna\"}\n{\"id\":null,\"name\":null}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = in_folder(&w, cases[i].name);
        if (write_rows(&w, path, cases[i].more, "1,anna\n,") != WR_OK)
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i].name, error_text(&w));
        CHECK_STR(file_text(&w, path, NULL), cases[i].text);
    }
    CHECK_INT(file_count(&w), ==, 5);
    world_end(&w);
}

TEST(file_sink_writes_json_and_markdown_with_their_ends) {
    struct world w;
    world_begin(&w);
    const char *json = in_folder(&w, "a.json"), *md = in_folder(&w, "a.md");
    CHECK_INT(write_rows(&w, json, "", "1,anna\n2,bert"), ==, WR_OK);
    const char *text = file_text(&w, json, NULL);
    CHECK_CONTAINS(text, "[");
    CHECK_CONTAINS(text, "]");
    CHECK_CONTAINS(text, "{\"id\":2,\"name\":\"bert\"}");
    CHECK_INT(write_rows(&w, md, "", "1,anna\n2,bert"), ==, WR_OK);
    CHECK_CONTAINS(file_text(&w, md, NULL), "| bert");
    world_end(&w);
}

TEST(file_sink_compresses_by_the_name) {
    struct world w;
    world_begin(&w);
    static const char *const names[] = {"a.csv.gz", "a.csv.zst"};
    for (int i = 0; i < 2; i++) {
        const char *path = in_folder(&w, names[i]);
        CHECK_INT(write_rows(&w, path, "", "1,anna\n2,bert"), ==, WR_OK);
        CHECK_STR(data_of(&w, path), "id,name\n1,anna\n2,bert\n");
        CHECK_INT((unsigned char)file_text(&w, path, NULL)[0], ==, i == 0 ? 0x1f : 0x28);
    }
    size_t first, second;
    const char *before = file_text(&w, in_folder(&w, "a.csv.gz"), &first);
    CHECK_INT(write_rows(&w, in_folder(&w, "a.csv.gz"), "", "1,anna\n2,bert"), ==, WR_OK);
    const char *after = file_text(&w, in_folder(&w, "a.csv.gz"), &second);
    CHECK_INT(first, ==, second);
    CHECK_MEM(before, after, first); /* no time of day in the header */
    CHECK_INT(write_rows(&w, in_folder(&w, "b.csv"), "'options':{'compression':'gzip'}", "1,x"), ==,
              WR_OK);
    CHECK_STR(data_of(&w, in_folder(&w, "b.csv")), "id,name\n1,x\n");
    world_end(&w);
}

TEST(file_sink_lets_the_old_file_stand_until_the_run_is_complete) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "old\n");
    struct wr_endpoint_bind bind;
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
    CHECK_INT(bind_sink(&w, &wr_sink_file, sink_spec(&w, path, ""), schema, NULL, &bind), ==,
              WR_OK);
    struct wr_sink *sink = open_sink(&w, &wr_sink_file, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "1,anna")), ==, WR_OK);
    CHECK_STR(file_text(&w, path, NULL), "old\n");
    CHECK_INT(file_count(&w), ==, 2);
    close_sink(sink); /* stopped: as if nothing had been */
    CHECK_STR(file_text(&w, path, NULL), "old\n");
    CHECK_INT(file_count(&w), ==, 1);
    CHECK_INT(write_rows(&w, path, "", "1,anna"), ==, WR_OK);
    CHECK_STR(file_text(&w, path, NULL), "id,name\n1,anna\n");
    CHECK_INT(file_count(&w), ==, 1);
    world_end(&w);
}

TEST(file_sink_writes_an_empty_result_with_its_header) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    CHECK_INT(write_rows(&w, path, "", NULL), ==, WR_OK);
    CHECK_STR(file_text(&w, path, NULL), "id,name\n");
    world_end(&w);
}

TEST(file_sink_appends_below_the_same_header_only) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    CHECK_INT(write_rows(&w, path, "'mode':'append'", "1,anna"), ==, WR_OK);
    CHECK_INT(write_rows(&w, path, "'mode':'append'", "2,bert"), ==, WR_OK);
    CHECK_STR(file_text(&w, path, NULL), "id,name\n1,anna\n2,bert\n");
    put_text(path, "id,name\n1,anna"); /* no newline at its end */
    CHECK_INT(write_rows(&w, path, "'mode':'append'", "2,bert"), ==, WR_OK);
    CHECK_STR(file_text(&w, path, NULL), "id,name\n1,anna\n2,bert\n");
    put_text(path, "name,id\nanna,1\n");
    CHECK_INT(write_rows(&w, path, "'mode':'append'", "2,bert"), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "has other columns than the stream, whose header is `id,name`");
    CHECK_STR(w.err.code, "W403");
    CHECK_STR(file_text(&w, path, NULL), "name,id\nanna,1\n");
    const char *gz = in_folder(&w, "a.csv.gz");
    CHECK_INT(write_rows(&w, gz, "'mode':'append'", "1,anna"), ==, WR_OK);
    CHECK_INT(write_rows(&w, gz, "'mode':'append'", "2,bert"), ==, WR_OK);
    CHECK_STR(data_of(&w, gz), "id,name\n1,anna\n2,bert\n");
    world_end(&w);
}

TEST(file_sink_writes_the_mark_that_a_reader_drops_where_a_file_begins_only) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    const char *more = "'mode':'append','format':{'name':'csv','options':{'header':false,"
                       "'null':'\xef\xbb\xbf'}}";
    CHECK_INT(write_rows(&w, path, more, ",anna\n,bert"), ==, WR_OK);
    CHECK_INT(write_rows(&w, path, more, ",carl"), ==, WR_OK);
    CHECK_STR(file_text(&w, path, NULL), "\xef\xbb\xbf\xef\xbb\xbf,anna\n"
                                         "\xef\xbb\xbf,bert\n\xef\xbb\xbf,carl\n");
    world_end(&w);
}

TEST(file_sink_cuts_an_appended_file_to_its_last_commit_when_stopped) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.ndjson");
    put_text(path, "{\"id\":0}\n");
    struct wr_endpoint_bind bind;
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
    CHECK_INT(
        bind_sink(&w, &wr_sink_file, sink_spec(&w, path, "'mode':'append'"), schema, NULL, &bind),
        ==, WR_OK);
    struct wr_sink *sink = open_sink(&w, &wr_sink_file, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "1,anna")), ==, WR_OK);
    CHECK_INT(wr_sink_file.begin(sink, 2, &w.err), ==, WR_OK);
    struct wr_batch *batch = batch_of(&w, schema, "2,bert");
    CHECK_INT(wr_sink_file.write(sink, batch, &w.err), ==, WR_OK);
    wr_batch_unref(batch);
    CHECK_INT(wr_sink_file.prepare(sink, 2, &w.err), ==, WR_OK);
    CHECK_CONTAINS(file_text(&w, path, NULL), "bert");
    close_sink(sink);
    CHECK_STR(file_text(&w, path, NULL), "{\"id\":0}\n{\"id\":1,\"name\":\"anna\"}\n");
    world_end(&w);
}

TEST(file_sink_refuses_what_is_there_when_it_must_be_new) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    CHECK_INT(write_rows(&w, path, "'mode':'new'", "1,anna"), ==, WR_OK);
    CHECK_INT(write_rows(&w, path, "'mode':'new'", "1,anna"), ==, WR_EEXIST);
    CHECK_CONTAINS(error_text(&w), "it exists already | `mode = \"new\"`");
    world_end(&w);
}

TEST(file_sink_tells_wrong_addresses_and_options_at_the_call) {
    struct world w;
    world_begin(&w);
    CHECK_INT(write_rows(&w, "out/", "", NULL), ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W401 `out/` is no name of a file to write | `roll = \"1h\"` or "
                              "`partition_by = \"…\"` writes files into a directory; without "
                              "them name the file, as `dir/out.csv`");
    CHECK_INT(write_rows(&w, "out/*.csv", "", NULL), ==, WR_ESCRIPT);
    CHECK_INT(write_rows(&w, "a.xyz", "", NULL), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W402 the format of `a.xyz` is not known by its name");
    CHECK_INT(write_rows(&w, "a.csv", "'mode':'upsert'", NULL), ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W203 option `mode` must be \"replace\", \"append\" or \"new\", got "
                              "'upsert'");
    CHECK_INT(write_rows(&w, "a.json", "'mode':'append'", NULL), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W203 format `json` has an end");
    CHECK_INT(write_rows(&w, "a.csv", "'partition_by':[{}]", NULL), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W203 option `partition_by` is not in this version");
    CHECK_INT(write_rows(&w, "a.csv", "'options':{'colour':1}", NULL), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W202 unknown option `colour`");
    CHECK_INT(write_rows(&w, in_folder(&w, "no/a.csv"), "", NULL), ==, WR_ENOENT);
    CHECK_CONTAINS(error_text(&w), "there is no directory `");
    CHECK_INT(mkdir(in_folder(&w, "d.csv"), 0700), ==, 0);
    CHECK_INT(write_rows(&w, in_folder(&w, "d.csv"), "", NULL), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "d.csv` is a directory");
    world_end(&w);
}

TEST(file_sink_replaces_files_only) {
    struct world w;
    struct stat info;
    world_begin(&w);
    CHECK_INT(mkfifo(in_folder(&w, "p.csv"), 0600), ==, 0);
    CHECK_INT(write_rows(&w, in_folder(&w, "p.csv"), "", "1,anna"), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W401");
    CHECK_CONTAINS(error_text(&w), "p.csv` is no regular file");
    CHECK_INT(write_rows(&w, in_folder(&w, "p.csv"), "'mode':'append'", "1,anna"), ==, WR_ESCRIPT);
    CHECK_INT(stat(in_folder(&w, "p.csv"), &info), ==, 0);
    CHECK(S_ISFIFO(info.st_mode));
    CHECK_INT(write_rows(&w, "/dev/stdout", "'format':'csv'", "1,anna"), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "`/dev/stdout` is no regular file");
    CHECK_INT(write_rows(&w, "/dev/null", "'format':'csv'", "1,anna"), ==, WR_ESCRIPT);
    world_end(&w);
}

TEST(file_sink_shows_what_goes_to_a_dash) {
    struct world w;
    world_begin(&w);
    CHECK_INT(write_rows(&w, "-", "", "1,anna"), ==, WR_OK);
    CHECK_STR(w.shown.bytes, "{\"id\":1,\"name\":\"anna\"}\n");
    wr_buf_clear(&w.shown);
    CHECK_INT(write_rows(&w, "-", "'format':'csv'", "1,anna"), ==, WR_OK);
    CHECK_STR(w.shown.bytes, "id,name\n1,anna\n");
    world_end(&w);
}

/* ---- restarts ------------------------------------------------------------------------------ */

/* Writes one row an epoch; stops after `stop` of them with half an epoch written; goes on from what
 * was saved in a new sink. */
static void check_restart(struct world *w, const char *name, const char *more, uint32_t stop,
                          const char *expected) {
    const char *path = in_folder(w, name);
    const struct wr_schema *schema = schema_of(w, SCHEMA);
    struct wr_endpoint_bind bind;
    remove(path);
    CHECK_INT(bind_sink(w, &wr_sink_file, sink_spec(w, path, more), schema, NULL, &bind), ==,
              WR_OK);
    struct wr_sink *sink = open_sink(w, &wr_sink_file, &bind, NULL);
    CHECK(sink != NULL);
    char row[32];
    struct wr_buf saved;
    wr_buf_init(&saved, &w->budget, 0);
    for (uint32_t i = 1; i <= stop; i++) {
        snprintf(row, sizeof row, "%u,x", i);
        wr_buf_clear(&saved);
        CHECK_INT(write_epoch(w, sink, i, batch_of(w, schema, row)), ==, WR_OK);
        CHECK_INT(wr_sink_file.save(sink, &saved), ==, WR_OK);
    }
    struct wr_batch *lost = batch_of(w, schema, "99,lost");
    CHECK_INT(wr_sink_file.begin(sink, stop + 1, &w->err), ==, WR_OK);
    CHECK_INT(wr_sink_file.write(sink, lost, &w->err), ==, WR_OK);
    CHECK_INT(wr_sink_file.prepare(sink, stop + 1, &w->err), ==, WR_OK);
    wr_batch_unref(lost);
    close_sink(sink);
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    sink = open_sink(w, &wr_sink_file, &bind, &from);
    if (sink == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", name, error_text(w));
    CHECK_INT(sink->rows_written, ==, stop);
    CHECK_INT(wr_sink_file.begin(sink, stop + 1, &w->err), ==, WR_OK);
    for (uint32_t i = stop + 1; i <= 4; i++) {
        snprintf(row, sizeof row, "%u,x", i);
        CHECK_INT(write_epoch(w, sink, i, batch_of(w, schema, row)), ==, WR_OK);
    }
    CHECK_INT(wr_sink_file.finish(sink, &w->err), ==, WR_OK);
    close_sink(sink);
    wr_buf_release(&saved);
    CHECK_STR(data_of(w, path), expected);
    CHECK_INT(file_count(w), ==, 1);
    remove(path);
}

TEST(file_sink_goes_on_where_the_state_says) {
    struct world w;
    world_begin(&w);
    const char *csv = "id,name\n1,x\n2,x\n3,x\n4,x\n";
    const char *json = "[\n{\"id\":1,\"name\":\"x\"},\n{\"id\":2,\"name\":\"x\"},\n"
                       "{\"id\":3,\"name\":\"x\"},\n{\"id\":4,\"name\":\"x\"}\n]\n";
    for (uint32_t stop = 1; stop <= 4; stop++) {
        check_restart(&w, "a.json", "", stop, json);
        check_restart(&w, "a.csv", "", stop, csv);
        check_restart(&w, "a.csv.gz", "", stop, csv);
        check_restart(&w, "a.csv.zst", "", stop, csv);
        check_restart(&w, "a.csv", "'mode':'append'", stop, csv);
        check_restart(&w, "a.csv.gz", "'mode':'append'", stop, csv);
    }
    world_end(&w);
}

TEST(file_sink_knows_that_it_was_complete) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
    struct wr_endpoint_bind bind;
    struct wr_buf saved;
    wr_buf_init(&saved, &w.budget, 0);
    CHECK_INT(bind_sink(&w, &wr_sink_file, sink_spec(&w, path, ""), schema, NULL, &bind), ==,
              WR_OK);
    struct wr_sink *sink = open_sink(&w, &wr_sink_file, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "1,x")), ==, WR_OK);
    CHECK_INT(wr_sink_file.save(sink, &saved), ==, WR_OK);
    CHECK_INT(wr_sink_file.finish(sink, &w.err), ==, WR_OK); /* and then the power went */
    close_sink(sink);
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    CHECK(open_sink(&w, &wr_sink_file, &bind, &from) == NULL); /* more rows are to come */
    CHECK_CONTAINS(w.err.text, "a.csv` was complete already, and more rows come");
    CHECK_CONTAINS(w.err.help, "or rename it to `");
    w.is_complete = 1;
    from = (struct wr_reader){.bytes = saved.bytes, .length = saved.length};
    sink = open_sink(&w, &wr_sink_file, &bind, &from);
    CHECK(sink != NULL);
    CHECK_INT(wr_sink_file.finish(sink, &w.err), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(file_text(&w, path, NULL), "id,name\n1,x\n");
    remove(path);
    from = (struct wr_reader){.bytes = saved.bytes, .length = saved.length};
    CHECK(open_sink(&w, &wr_sink_file, &bind, &from) == NULL);
    CHECK_CONTAINS(w.err.text, "the state goes on behind 12 bytes of `");
    CHECK_CONTAINS(w.err.text, "and it is not there");
    CHECK_CONTAINS(w.err.help, "begin anew with another --state");
    put_text(path, "older\n"); /* which cannot be it: it has fewer bytes */
    from = (struct wr_reader){.bytes = saved.bytes, .length = saved.length};
    CHECK(open_sink(&w, &wr_sink_file, &bind, &from) == NULL);
    CHECK_CONTAINS(w.err.text, "and it is not there");
    CHECK_STR(file_text(&w, path, NULL), "older\n");
    put_text(path, "an older result\n"); /* the same, and it looks like the finished file … */
    w.is_complete = 0;                   /* … by its length */
    from = (struct wr_reader){.bytes = saved.bytes, .length = saved.length};
    CHECK(open_sink(&w, &wr_sink_file, &bind, &from) == NULL);
    CHECK_CONTAINS(w.err.text, "and it is not there");
    w.is_complete = 1;
    from = (struct wr_reader){.bytes = saved.bytes, .length = saved.length};
    sink = open_sink(&w, &wr_sink_file, &bind, &from);
    CHECK(sink != NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "2,y")), ==, WR_EEXIST);
    CHECK_CONTAINS(w.err.text, "a.csv` was complete already, and more rows come");
    close_sink(sink);
    CHECK_STR(file_text(&w, path, NULL), "an older result\n");
    wr_buf_release(&saved);
    world_end(&w);
}

/* ---- a full disk --------------------------------------------------------------------------- */

TEST(file_sink_goes_on_behind_a_file_that_a_reader_has_taken) {
    struct world w;
    struct wr_endpoint_bind bind;
    struct wr_buf saved;
    world_begin(&w);
    wr_buf_init(&saved, &w.budget, 0);
    const struct wr_schema *schema = schema_of(&w, "id int64");
    const char *path = in_folder(&w, "o.csv"), *state = in_folder(&w, "state");
    CHECK_INT(wr_store_open(&w.store, w.env, state, "plan", &w.err), ==, WR_OK);
    CHECK_INT(bind_sink(&w, &wr_sink_file, sink_spec(&w, path, ""), schema, NULL, &bind), ==,
              WR_OK);
    struct wr_sink *sink = open_sink(&w, &wr_sink_file, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "1\n2")), ==, WR_OK);
    CHECK_INT(wr_sink_file.save(sink, &saved), ==, WR_OK);
    CHECK_INT(wr_sink_file.finish(sink, &w.err), ==, WR_OK);
    close_sink(sink);
    CHECK_INT(remove(path), ==, 0);
    for (int life = 0; life < 2; life++) {
        wr_store_close(w.store);
        CHECK_INT(wr_store_open(&w.store, w.env, state, "plan", &w.err), ==, WR_OK);
        struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
        sink = open_sink(&w, &wr_sink_file, &bind, &from);
        if (life == 1) { /* what it was named, nobody knows */
            CHECK(sink == NULL);
            CHECK_CONTAINS(w.err.text, "the state goes on behind 7 bytes of");
            break;
        }
        CHECK(sink != NULL);
        CHECK_STR(wr_buf_add_char(&w.notes, 0) == WR_OK ? w.notes.bytes : "",
                  "it was complete, and was taken away\n");
        CHECK_INT(wr_sink_file.finish(sink, &w.err), ==, WR_OK);
        CHECK(file_text(&w, path, NULL) == NULL);
        CHECK_INT(write_epoch(&w, sink, 2, batch_of(&w, schema, "3")), ==, WR_EEXIST);
        close_sink(sink);
        CHECK_INT(remove(in_folder(&w, "state/NAMED")), ==, 0);
    }
    wr_store_close(w.store);
    wr_buf_release(&saved);
    world_end(&w);
}

TEST(file_sink_leaves_nothing_behind_on_a_full_disk) {
    struct world w;
    world_begin(&w);
    struct odd_env odd;
    odd_env_init(&odd, &w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "old\n");
    for (odd.full_at = 1; odd.full_at < 15; odd.full_at++) {
        odd.written = 0;
        CHECK_INT(write_rows(&w, path, "", "1,anna"), ==, WR_EIO);
        CHECK_CONTAINS(w.err.text, "No space left on device");
        CHECK_STR(file_text(&w, path, NULL), "old\n");
        CHECK_INT(file_count(&w), ==, 1);
        odd.written = 0;
        CHECK_INT(write_rows(&w, in_folder(&w, "b.csv.gz"), "", "1,anna"), ==, WR_EIO);
        CHECK_INT(file_count(&w), ==, 1);
    }
    odd.written = 0;
    CHECK_INT(write_rows(&w, path, "", "1,anna"), ==, WR_OK);
    world_end(&w);
}

TEST(file_sink_refuses_a_damaged_state) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_sink(&w, &wr_sink_file, sink_spec(&w, path, ""), schema, NULL, &bind), ==,
              WR_OK);
    for (size_t length = 0; length < 6; length++) {
        struct wr_reader from = {.bytes = "\x01\xff\xff\xff\x7f\x00", .length = length};
        CHECK(open_sink(&w, &wr_sink_file, &bind, &from) == NULL);
        CHECK_INT(w.err.status, ==, WR_ECORRUPT);
    }
    world_end(&w);
}
