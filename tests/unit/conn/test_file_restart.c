/* test_file_restart.c: files entered again where a source stood, and standard input. */
#include "support_conn.h"

#include "conn/stdin_head.h"

static struct wr_value *file_spec(struct world *w, const char *path, const char *options) {
    return value_of_json(w, "{'endpoint':{'kind':'file','address':'%s'},'options':{%s}}", path,
                         options);
}

/* ---- positions ----------------------------------------------------------------------------- */

/* Stops after every number of batches, goes on in a new source from the position, and compares. */
static void check_restarts(struct world *w, struct wr_value *spec, uint32_t batch_rows,
                           const char *expected) {
    struct wr_endpoint_bind bind;
    if (bind_source(w, &wr_source_file, spec, &bind) != WR_OK)
        test_fail(__FILE__, __LINE__, "%s", error_text(w));
    for (uint32_t stop = 1;; stop++) {
        struct wr_buf out, position;
        wr_buf_init(&out, &w->budget, 0);
        wr_buf_init(&position, &w->budget, 0);
        struct wr_source *source = open_source(w, &wr_source_file, &bind, batch_rows, NULL);
        CHECK(source != NULL);
        int status = read_source(w, source, stop, &out);
        CHECK_INT(wr_source_file.save_position(source, &position), ==, WR_OK);
        close_source(source);
        struct wr_reader from = {.bytes = position.bytes, .length = position.length};
        source = open_source(w, &wr_source_file, &bind, batch_rows, &from);
        if (source == NULL)
            test_fail(__FILE__, __LINE__, "after %u: %s", stop, error_text(w));
        CHECK_INT(read_source(w, source, 0, &out), ==, WR_EEND);
        close_source(source);
        CHECK_STR(out.bytes, expected);
        wr_buf_release(&out);
        wr_buf_release(&position);
        if (status == WR_EEND)
            return;
        CHECK_INT(status, ==, WR_OK);
    }
}

TEST(file_source_goes_on_from_every_position) {
    struct world w;
    world_begin(&w);
    put_text(in_folder(&w, "a.csv"), "id,name\n1,anna\n2,\"b\nb\"\n3,c\n");
    put_text(in_folder(&w, "b.csv"), "name,id\nd,4\ne,5\n");
    size_t size;
    const char *bytes = gzip_of(&w, "id,name\n6,f\n7,g\n", 16, &size);
    put_file(in_folder(&w, "c.csv.gz"), bytes, size);
    for (uint32_t rows = 1; rows < 4; rows++)
        check_restarts(&w, file_spec(&w, in_folder(&w, "*"), ""), rows,
                       "1,anna\n2,b\nb\n3,c\n4,d\n5,e\n6,f\n7,g\n");
    world_end(&w);
}

/* Behind a restart the first batches are small, and then they grow. */
TEST(file_source_gives_larger_batches_of_pieces_where_they_are_asked_for) {
    struct world w;
    world_begin(&w);
    struct wr_buf text;
    wr_buf_init(&text, &w.budget, 0);
    wr_buf_add_text(&text, "id\n");
    for (int id = 100000; id < 300000; id++)
        wr_buf_addf(&text, "%d\n", id);
    wr_buf_add_char(&text, 0);
    put_text(in_folder(&w, "a.csv"), text.bytes);
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_file, file_spec(&w, in_folder(&w, "a.csv"), ""), &bind),
              ==, WR_OK);
    for (w.threads = 0; w.threads < 4; w.threads++) {
        struct wr_source *source = open_source(&w, &wr_source_file, &bind, 64, NULL);
        uint32_t rows = 0, batches = 0;
        for (int status = WR_OK; status == WR_OK; batches++) {
            struct wr_batch *batch = NULL;
            status = source->type->poll(source, &batch, &w.err);
            CHECK(status == WR_OK || status == WR_EEND);
            rows += batch == NULL ? 0 : batch->sel_count;
            wr_batch_unref(batch);
            source->batch_rows = 1000;
        }
        CHECK_INT(rows, ==, 200000);
        CHECK_INT(batches, <, 1200); /* of 64 rows each it were 3,125; some are made ahead */
        close_source(source);
    }
    wr_buf_release(&text);
    world_end(&w);
}

/* Pieces have 512 bytes for a row of a batch: so these files are of several. */
TEST(file_source_goes_on_from_every_position_of_a_piece) {
    struct world w;
    world_begin(&w);
    static char text[6000], rows[6000];
    size_t length = (size_t)snprintf(text, sizeof text, "\xef\xbb\xbfid,name\r\n"), used = 0;
    for (int i = 0; i < 20; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "%d,\"%0*d\n\"\"x\"\n", i,
                                   i * 10, i);
        used += (size_t)snprintf(rows + used, sizeof rows - used, "%d,%0*d\n\"x\n", i, i * 10, i);
        if (i % 7 == 3)
            length += (size_t)snprintf(text + length, sizeof text - length,
                                       "no,number\n%d,%0700d\n", i, 0);
    }
    size_t size;
    const char *bytes = gzip_of(&w, text, length, &size);
    put_text(in_folder(&w, "a.csv"), text);
    put_file(in_folder(&w, "b.csv.gz"), bytes, size);
    memcpy(rows + used, rows, used);
    struct wr_value *spec = value_of_json(
        &w,
        "{'endpoint':{'address':'%s'},'format':{'name':'csv'},'options':{'max_record':'500B'},"
        "'schema':[{'name':'id','type':{'kind':'int64'}},{'name':'name','type':{'kind':'string'}}]"
        "}",
        in_folder(&w, "*"));
    for (w.threads = 0; w.threads <= 3; w.threads++) {
        check_restarts(&w, spec, 1, rows);
        check_restarts(&w, spec, 3, rows);
        w.rejects.length = 0;
        CHECK_STR(all_rows(&w, &wr_source_file, spec, 2), rows);
        CHECK_CONTAINS(w.rejects.bytes, "W502 line 10 record 4: ");
        CHECK_CONTAINS(w.rejects.bytes, "W510 line 11 record 5: row longer than 500 bytes");
        CHECK_CONTAINS(w.rejects.bytes, "W510 line 11 record 31: row longer than 500 bytes");
    }
    world_end(&w);
}

TEST(file_source_goes_on_in_every_format) {
    struct world w;
    world_begin(&w);
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"a.ndjson", "{\"id\":1,\"name\":\"anna\"}\n{\"name\":\"b\",\"id\":2}\n{\"id\":3}\n"},
        {"a.json", "[{\"id\":1,\"name\":\"anna\"}, {\"name\":\"b\",\"id\":2},\n{\"id\":3}]"},
        {"b.json", "{\"id\":1,\"name\":\"anna\"} {\"name\":\"b\",\"id\":2}\n{\"id\":3}"},
        {"a.tsv", "id\tname\n1\tanna\n2\tb\n3\t"},
        {"a.jsonl.zst", "{\"id\":1,\"name\":\"anna\"}\n{\"name\":\"b\",\"id\":2}\n{\"id\":3}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = in_folder(&w, cases[i].name);
        size_t size = strlen(cases[i].text);
        const char *bytes = cases[i].text;
        if (strstr(path, ".zst") != NULL)
            bytes = zstd_of(&w, cases[i].text, size, &size);
        put_file(path, bytes, size);
        for (uint32_t rows = 1; rows < 4; rows++)
            check_restarts(&w, file_spec(&w, path, ""), rows, "1,anna\n2,b\n3,nil\n");
        CHECK_INT(w.rejects.length, ==, 0);
    }
    put_text(in_folder(&w, "a.log"), "one\ntwo\r\n\nfour");
    check_restarts(&w, file_spec(&w, in_folder(&w, "a.log"), ""), 1, "one\ntwo\n\nfour\n");
    world_end(&w);
}

TEST(file_source_keeps_line_and_record_numbers_over_a_restart) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "x\n1\n2\nbad\n");
    struct wr_value *spec = value_of_json(
        &w, "{'endpoint':{'address':'%s'},'schema':[{'name':'x','type':{'kind':'int64'}}]}", path);
    check_restarts(&w, spec, 1, "1\n2\n");
    CHECK_CONTAINS(w.rejects.bytes, "W502 line 4 record 2");
    CHECK(strstr(w.rejects.bytes, "line 3") == NULL);
    world_end(&w);
}

TEST(file_source_refuses_a_position_in_what_is_no_longer_there) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "x\n1\n2\n3\n4\n");
    struct wr_endpoint_bind bind;
    struct wr_value *spec = value_of_json(
        &w, "{'endpoint':{'address':'%s'},'schema':[{'name':'x','type':{'kind':'int64'}}]}",
        in_folder(&w, "*.csv"));
    CHECK_INT(bind_source(&w, &wr_source_file, spec, &bind), ==, WR_OK);
    struct wr_source *source = open_source(&w, &wr_source_file, &bind, 2, NULL);
    struct wr_buf out, position;
    wr_buf_init(&out, &w.budget, 0);
    wr_buf_init(&position, &w.budget, 0);
    CHECK_INT(read_source(&w, source, 1, &out), ==, WR_OK);
    CHECK_INT(wr_source_file.save_position(source, &position), ==, WR_OK);
    close_source(source);
    put_text(path, "x\n");
    struct wr_reader from = {.bytes = position.bytes, .length = position.length};
    CHECK(open_source(&w, &wr_source_file, &bind, 2, &from) == NULL);
    CHECK_CONTAINS(w.err.text, "has only 2 bytes of data");
    remove(path);
    put_text(in_folder(&w, "b.csv"), "x\n");
    from = (struct wr_reader){.bytes = position.bytes, .length = position.length};
    CHECK(open_source(&w, &wr_source_file, &bind, 2, &from) == NULL);
    CHECK_CONTAINS(w.err.text, "is no longer there");
    for (size_t cut = 0; cut < position.length; cut++) {
        from = (struct wr_reader){.bytes = position.bytes, .length = cut};
        CHECK(open_source(&w, &wr_source_file, &bind, 2, &from) == NULL);
    }
    wr_buf_release(&out);
    wr_buf_release(&position);
    world_end(&w);
}

/* The byte at `at` is another after the stop, counted from the position where `from_position`;
 * whether the source goes on. */
static int goes_on_after_change(struct world *w, const char *text, uint32_t batches,
                                int from_position, int64_t at, int packed) {
    const char *path = in_folder(w, packed ? "a.csv.gz" : "a.csv");
    size_t length = strlen(text), size = length;
    const char *bytes = packed ? gzip_of(w, text, length, &size) : text;
    put_file(path, bytes, size);
    struct wr_endpoint_bind bind;
    struct wr_buf out, position;
    wr_buf_init(&out, &w->budget, 0);
    wr_buf_init(&position, &w->budget, 0);
    if (bind_source(w, &wr_source_file, file_spec(w, path, ""), &bind) != WR_OK)
        test_fail(__FILE__, __LINE__, "%s", error_text(w));
    struct wr_source *source = open_source(w, &wr_source_file, &bind, 100, NULL);
    CHECK_INT(read_source(w, source, batches, &out), ==, WR_OK);
    CHECK_INT(wr_source_file.save_position(source, &position), ==, WR_OK);
    close_source(source);
    for (size_t i = 0; from_position && i < out.length; i++)
        at += out.bytes[i] == '\n' ? 10 : 0; /* a row of the text */
    at += from_position ? 2 : 0;             /* its header */
    char *changed = wr_arena_strndup(&w->arena, text, length);
    changed[at] = changed[at] == '7' ? '8' : '7';
    bytes = packed ? gzip_of(w, changed, length, &size) : changed;
    put_file(path, bytes, size);
    struct wr_reader from = {.bytes = position.bytes, .length = position.length};
    source = open_source(w, &wr_source_file, &bind, 100, &from);
    int goes_on = source != NULL;
    if (goes_on) {
        CHECK_INT(read_source(w, source, 0, &out), ==, WR_EEND);
        close_source(source);
    } else {
        CHECK_STR(w->err.code, "W616");
        CHECK_CONTAINS(w->err.text, path);
        CHECK_CONTAINS(w->err.text, "was changed");
    }
    wr_buf_release(&out);
    wr_buf_release(&position);
    return goes_on;
}

TEST(file_source_refuses_a_file_that_was_changed) {
    struct world w;
    struct wr_buf text;
    world_begin(&w);
    wr_buf_init(&text, &w.budget, 0);
    wr_buf_add_text(&text, "x\n");
    for (int i = 0; i < 120000; i++) /* two pieces, in batches of 1,000 bytes behind the header */
        wr_buf_addf(&text, "%09u\n", (unsigned)i * 79190773 % 1000000000);
    for (int packed = 0; packed < 2; packed++) {
        if (packed)
            text.bytes[100002] = 0;
        for (uint32_t batches = 1; batches <= (packed ? 90 : 1100); batches += 3 + batches * 2) {
            CHECK(!goes_on_after_change(&w, text.bytes, batches, 0, 2, packed));
            CHECK(!goes_on_after_change(&w, text.bytes, batches, 0, 500, packed));
            CHECK(!goes_on_after_change(&w, text.bytes, batches, 1, -2, packed));
            CHECK(!goes_on_after_change(&w, text.bytes, batches, 1, -700, packed));
            if (batches > 8)
                CHECK(!goes_on_after_change(&w, text.bytes, batches, 1, -4093, packed));
            CHECK(goes_on_after_change(&w, text.bytes, batches, 1, 0, packed));
        }
    }
    wr_buf_release(&text);
    world_end(&w);
}

/* ---- standard input ------------------------------------------------------------------------ */

TEST(file_source_reads_standard_input_again_after_its_sample) {
    struct world w;
    world_begin(&w);
    struct odd_env odd;
    odd_env_init(&odd, &w);
    for (odd.chunk = 1; odd.chunk < 12; odd.chunk += 3) {
        odd.text = "id,name\n1,anna\n2,bert\n";
        odd.length = strlen(odd.text);
        odd.at = 0;
        struct wr_value *spec =
            value_of_json(&w, "{'endpoint':{'address':'-'},'format':{'name':'csv'}}");
        struct wr_endpoint_bind bind;
        CHECK_INT(bind_source(&w, &wr_source_file, spec, &bind), ==, WR_OK);
        CHECK_INT(bind_source(&w, &wr_source_file, spec, &bind), ==, WR_OK); /* and once more */
        CHECK_STR(bind.name, "standard input");
        struct wr_source *source = open_source(&w, &wr_source_file, &bind, 10, NULL);
        struct wr_buf out;
        wr_buf_init(&out, &w.budget, 0);
        CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
        CHECK_STR(out.bytes, "1,anna\n2,bert\n");
        wr_buf_release(&out);
        struct wr_source *second = open_source(&w, &wr_source_file, &bind, 10, NULL);
        struct wr_batch *batch;
        CHECK_INT(wr_source_file.poll(second, &batch, &w.err), ==, WR_EEXIST);
        CHECK_CONTAINS(w.err.text, "standard input can be read only once");
        close_source(second);
        close_source(source);
        wr_stdin_reset();
    }
    world_end(&w);
}

TEST(file_source_takes_standard_input_for_ndjson_byte_by_byte) {
    struct world w;
    world_begin(&w);
    struct odd_env odd;
    odd_env_init(&odd, &w);
    odd.text = "{\"a\":1,\"b\":\"x\\ny\"}\n\n{\"b\":null,\"a\":2}\nno\n{\"a\":3}";
    odd.length = strlen(odd.text);
    odd.chunk = 1;
    CHECK_STR(all_rows(&w, &wr_source_file, value_of_json(&w, "{'endpoint':{'address':'-'}}"), 10),
              "1,x\ny\n2,nil\n3,nil\n");
    CHECK_CONTAINS(w.rejects.bytes, "W501 line 4 record 2");
    world_end(&w);
}

TEST(file_source_unpacks_standard_input) {
    struct world w;
    world_begin(&w);
    struct odd_env odd;
    odd_env_init(&odd, &w);
    odd.text = gzip_of(&w, "id\n1\n2\n", 7, &odd.length);
    odd.chunk = 3;
    CHECK_STR(all_rows(&w, &wr_source_file,
                       value_of_json(&w, "{'endpoint':{'address':'-'},'format':{'name':'csv'}}"),
                       10),
              "1\n2\n");
    world_end(&w);
}

static void read_without_memory(struct wr_workers *workers) {
    struct wr_env env = *wr_env_real();
    struct wr_budget budget = WR_BUDGET_INIT("input", 16 << 20);
    struct wr_arena arena;
    struct wr_batch_pool pool;
    struct wr_error err = {0};
    wr_arena_init(&arena, &budget, 4096);
    wr_batch_pool_init(&pool, &budget);
    struct wr_value *spec = wr_value_new_map(&arena, 1);
    struct wr_value *endpoint = wr_value_new_map(&arena, 1);
    struct wr_value *address = wr_value_new_string(&arena, "examples/data/airlines.csv.gz", 29);
    if (spec != NULL && endpoint != NULL && address != NULL) {
        spec->names[0] = "endpoint";
        endpoint->names[0] = "address";
        endpoint->items[0] = *address;
        spec->items[0] = *endpoint;
        struct wr_endpoint_bind bind = {
            .arena = &arena, .env = &env, .spec = spec, .timezone = "UTC", .may_sample = 1};
        int status = wr_source_file.bind(&bind, &err);
        struct wr_source *source =
            status == WR_OK ? wr_alloc_zero(&wr_budget_control, wr_source_file.size_bytes) : NULL;
        if (source != NULL) {
            *source = (struct wr_source){.type = &wr_source_file,
                                         .config = bind.config,
                                         .schema = bind.schema,
                                         .env = &env,
                                         .pool = &pool,
                                         .input_budget = &budget,
                                         .batch_rows = 10,
                                         .name = "a"};
            status = wr_source_file.open(source, NULL, &err);
            int is_open = status == WR_OK;
            if (is_open && workers != NULL)
                status = wr_source_file.use_workers(source, workers);
            if (is_open) {
                struct wr_batch *batch = NULL;
                uint32_t rows = 0;
                while (status == WR_OK) {
                    status = wr_source_file.poll(source, &batch, &err);
                    rows += batch == NULL ? 0 : batch->row_count;
                    wr_batch_unref(batch);
                }
                CHECK(status == WR_ENOMEM || (status == WR_EEND && rows == 16));
                wr_source_file.close(source);
            }
        }
        if (status != WR_EEND && status != WR_OK)
            CHECK_INT(status, ==, WR_ENOMEM);
        wr_free(&wr_budget_control, source);
    }
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
}

TEST_EACH_ALLOCATION_FAILS(file_source_gives_everything_back) {
    read_without_memory(NULL);
}

TEST_EACH_ALLOCATION_FAILS(file_source_in_pieces_gives_everything_back) {
    struct wr_workers *workers = NULL;
    if (wr_workers_new(&workers, &wr_budget_control, 1) == WR_OK)
        read_without_memory(workers);
    wr_workers_free(workers);
}
