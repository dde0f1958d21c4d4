/* test_sqlite_restart.c: SQLite sinks that are stopped, go on, fail in the middle, or share a file.
 * */
#include "support_conn.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- a stop before the end ----------------------------------------------------------------- */

TEST(sqlite_sink_takes_back_what_no_commit_followed) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    static const char *const modes[] = {"'mode':'append'", "'mode':'replace'"};
    for (int i = 0; i < 2; i++) {
        unlink(path);
        CHECK_INT(sqlite_put(&w, path, modes[i], NULL, "old,1"), ==, WR_OK);
        struct wr_endpoint_bind bind;
        const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
        CHECK_INT(
            bind_sink(&w, &wr_sink_sqlite, sqlite_spec(&w, path, modes[i]), schema, NULL, &bind),
            ==, WR_OK);
        struct wr_sink *sink = open_sink(&w, &wr_sink_sqlite, &bind, NULL);
        CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "a,1")), ==, WR_OK);
        CHECK_INT(wr_sink_sqlite.begin(sink, 2, &w.err), ==, WR_OK);
        struct wr_batch *batch = batch_of(&w, schema, "b,2");
        CHECK_INT(wr_sink_sqlite.write(sink, batch, &w.err), ==, WR_OK);
        wr_batch_unref(batch);
        close_sink(sink);
        CHECK_STR(query(&w, path, "select * from t"), i == 0 ? "old|1\na|1\n" : "old|1\n");
        CHECK_STR(query(&w, path, "select count(*) from sqlite_schema"), i == 0 ? "1\n" : "2\n");
        CHECK_INT(sqlite_put(&w, path, modes[i], NULL, "new,1"), ==, WR_OK);
        CHECK_STR(query(&w, path, "select k from t where k not in ('old', 'a')"), "new\n");
        CHECK_STR(query(&w, path, "select count(*) from sqlite_schema"), "1\n");
    }
    world_end(&w);
}

/* The state is only asked for being there. */
static struct wr_sink *open_with_state(struct world *w, const struct wr_endpoint_bind *bind,
                                       const struct wr_buf *saved) {
    static char state;
    struct wr_sink *sink = wr_alloc_zero(&wr_budget_control, wr_sink_sqlite.size_bytes);
    *sink = (struct wr_sink){.type = &wr_sink_sqlite,
                             .config = bind->config,
                             .schema = bind->input,
                             .env = w->env,
                             .budget = &w->budget,
                             .store = (struct wr_store *)(void *)&state,
                             .reject = take_reject,
                             .reject_ctx = w,
                             .name = bind->name};
    struct wr_reader from = {0};
    if (saved != NULL)
        from = (struct wr_reader){.bytes = saved->bytes, .length = saved->length};
    if (wr_sink_sqlite.open(sink, saved == NULL ? NULL : &from, &w->err) == WR_OK)
        return sink;
    wr_free(&wr_budget_control, sink);
    return NULL;
}

TEST(sqlite_sink_goes_on_replacing_after_a_restart) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(sqlite_put(&w, path, "'mode':'replace'", NULL, "old,1"), ==, WR_OK);
    struct wr_endpoint_bind bind;
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
    struct wr_buf saved;
    wr_buf_init(&saved, &w.budget, 0);
    CHECK_INT(bind_sink(&w, &wr_sink_sqlite, sqlite_spec(&w, path, "'mode':'replace'"), schema,
                        NULL, &bind),
              ==, WR_OK);
    struct wr_sink *sink = open_with_state(&w, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "a,1")), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.save(sink, &saved), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "old|1\n");
    sink = open_with_state(&w, &bind, &saved);
    CHECK_INT(sink->rows_written, ==, 1);
    CHECK_INT(write_epoch(&w, sink, 2, batch_of(&w, schema, "b,2")), ==, WR_OK);
    wr_buf_clear(&saved);
    CHECK_INT(wr_sink_sqlite.save(sink, &saved), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.finish(sink, &w.err), ==, WR_OK); /* and then the power went */
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nb|2\n");
    sink = open_with_state(&w, &bind, &saved);
    CHECK_INT(write_epoch(&w, sink, 3, NULL), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.finish(sink, &w.err), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nb|2\n");
    CHECK_STR(query(&w, path, "select name from sqlite_schema order by 1"), "t\nweir_commit\n");
    CHECK_STR(query(&w, path, "select published from weir_commit order by 1"), "1\n");
    /* Who fills a table of that name now is somebody else. */
    run_sql(path, "create table weir_new_t(k text, n integer)");
    sink = open_with_state(&w, &bind, &saved);
    CHECK_INT(wr_sink_sqlite.finish(sink, &w.err), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nb|2\n");
    wr_buf_release(&saved);
    world_end(&w);
}

TEST(sqlite_sink_passes_over_rows_that_the_file_has_and_the_state_has_not) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db"), *copy = in_folder(&w, "copy.db");
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
    struct wr_endpoint_bind bind;
    struct wr_buf saved, later;
    wr_buf_init(&saved, &w.budget, 0);
    wr_buf_init(&later, &w.budget, 0);
    CHECK_INT(bind_sink(&w, &wr_sink_sqlite, sqlite_spec(&w, path, "'mode':'append'"), schema, NULL,
                        &bind),
              ==, WR_OK);
    struct wr_sink *sink = open_with_state(&w, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "a,1\nb,2")), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.save(sink, &saved), ==, WR_OK);
    size_t length;
    const char *bytes = file_text(&w, path, &length);
    put_file(copy, bytes, length);
    CHECK_INT(write_epoch(&w, sink, 2, batch_of(&w, schema, "c,3\nd,4\ne,5")), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.save(sink, &later), ==, WR_OK);
    close_sink(sink); /* and the state never heard of epoch 2 */
    sink = open_with_state(&w, &bind, &saved);
    CHECK(sink != NULL);
    CHECK_INT(sink->rows_written, ==, 2);
    CHECK_INT(write_epoch(&w, sink, 2, batch_of(&w, schema, "c,3\nd,4")), ==, WR_OK);
    CHECK_INT(write_epoch(&w, sink, 3, batch_of(&w, schema, "e,5\nf,6")), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.finish(sink, &w.err), ==, WR_OK);
    CHECK_INT(sink->rows_written, ==, 6);
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nb|2\nc|3\nd|4\ne|5\nf|6\n");
    CHECK_STR(query(&w, path, "select name, rows, sink <> 0 from weir_commit"), "t|6|1\n");
    rename(copy, path); /* somebody puts an older copy back */
    CHECK(open_with_state(&w, &bind, &later) == NULL);
    CHECK_CONTAINS(error_text(&w), "by the state 5 rows went into it, by the file 2");
    wr_buf_release(&saved);
    wr_buf_release(&later);
    world_end(&w);
}

TEST(sqlite_sink_rejects_once_more_what_the_file_refused_before_the_state_knew) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    run_sql(path, "create table t(k text unique, n integer check (n > 0))");
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
    struct wr_endpoint_bind bind;
    struct wr_buf saved;
    wr_buf_init(&saved, &w.budget, 0);
    CHECK_INT(bind_sink(&w, &wr_sink_sqlite, sqlite_spec(&w, path, "'mode':'append'"), schema, NULL,
                        &bind),
              ==, WR_OK);
    struct wr_sink *sink = open_with_state(&w, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "a,1\nb,-2")), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.save(sink, &saved), ==, WR_OK);
    CHECK_INT(write_epoch(&w, sink, 2, batch_of(&w, schema, "a,3\nc,4\nd,-5")), ==, WR_OK);
    CHECK_INT(sink->rows_written, ==, 2);
    close_sink(sink); /* and the state never heard of epoch 2 */
    wr_buf_clear(&w.rejects);
    sink = open_with_state(&w, &bind, &saved);
    CHECK_INT(write_epoch(&w, sink, 2, batch_of(&w, schema, "a,3\nc,4")), ==, WR_OK);
    CHECK_CONTAINS(w.rejects.bytes, "UNIQUE constraint failed: t.k");
    CHECK_INT(write_epoch(&w, sink, 3, batch_of(&w, schema, "d,-5\ne,6")), ==, WR_OK);
    CHECK_CONTAINS(w.rejects.bytes, "CHECK constraint failed: n > 0");
    CHECK_INT(wr_sink_sqlite.finish(sink, &w.err), ==, WR_OK);
    CHECK_INT(sink->rows_written, ==, 3);
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nc|4\ne|6\n");
    CHECK_STR(query(&w, path, "select count(*) from weir_refused where row < 5"), "0\n");
    wr_buf_release(&saved);
    world_end(&w);
}

TEST(sqlite_sinks_of_copies_of_one_state_do_not_both_write) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
    struct wr_endpoint_bind bind;
    struct wr_buf saved;
    wr_buf_init(&saved, &w.budget, 0);
    CHECK_INT(bind_sink(&w, &wr_sink_sqlite, sqlite_spec(&w, path, "'mode':'append'"), schema, NULL,
                        &bind),
              ==, WR_OK);
    struct wr_sink *sink = open_with_state(&w, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "a,1")), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.save(sink, &saved), ==, WR_OK);
    struct wr_sink *other = open_with_state(&w, &bind, &saved);
    CHECK_INT(write_epoch(&w, other, 2, batch_of(&w, schema, "b,2\nc,3")), ==, WR_OK);
    CHECK_INT(write_epoch(&w, other, 3, batch_of(&w, schema, "d,4")), ==, WR_OK);
    CHECK_INT(write_epoch(&w, sink, 2, batch_of(&w, schema, "b,2")), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&w), "another instance of this pipeline has written to it");
    close_sink(sink);
    close_sink(other);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nb|2\nc|3\nd|4\n");
    wr_buf_release(&saved);
    world_end(&w);
}

/* ---- several sinks of one file ------------------------------------------------------------- */

TEST(sqlite_sinks_of_one_file_share_a_transaction) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
    struct wr_endpoint_bind binds[2];
    struct wr_sink *sinks[2];
    for (int i = 0; i < 2; i++) {
        struct wr_value *value =
            value_of_json(&w, "{'endpoint':{'address':'%s','options':{'table':'t%d'}}}", path, i);
        CHECK_INT(bind_sink(&w, &wr_sink_sqlite, value, schema, "k", &binds[i]), ==, WR_OK);
        sinks[i] = open_sink(&w, &wr_sink_sqlite, &binds[i], NULL);
        CHECK(sinks[i] != NULL);
    }
    for (uint64_t epoch = 1; epoch < 3; epoch++) {
        for (int i = 0; i < 2; i++)
            CHECK_INT(wr_sink_sqlite.begin(sinks[i], epoch, &w.err), ==, WR_OK);
        for (int i = 0; i < 2; i++) {
            struct wr_batch *batch = batch_of(&w, schema, epoch == 1 ? "a,1" : "a,2\nb,3");
            CHECK_INT(wr_sink_sqlite.write(sinks[i], batch, &w.err), ==, WR_OK);
            wr_batch_unref(batch);
        }
        for (int i = 0; i < 2; i++)
            CHECK_INT(wr_sink_sqlite.commit(sinks[i], epoch, &w.err), ==, WR_OK);
        CHECK_STR(query(&w, path, "select n from t1 order by k"), epoch == 1 ? "1\n" : "2\n3\n");
    }
    /* One stops in the middle of an epoch: nothing of it stays, in either table. */
    for (int i = 0; i < 2; i++) {
        CHECK_INT(wr_sink_sqlite.begin(sinks[i], 3, &w.err), ==, WR_OK);
        struct wr_batch *batch = batch_of(&w, schema, "a,9");
        CHECK_INT(wr_sink_sqlite.write(sinks[i], batch, &w.err), ==, WR_OK);
        wr_batch_unref(batch);
    }
    close_sink(sinks[0]);
    CHECK_INT(wr_sink_sqlite.commit(sinks[1], 3, &w.err), ==, WR_EIO);
    CHECK_CONTAINS(w.err.text, "an earlier error stopped all writing");
    close_sink(sinks[1]);
    CHECK_STR(query(&w, path, "select n from t0 order by k"), "2\n3\n");
    CHECK_STR(query(&w, path, "select n from t1 order by k"), "2\n3\n");
    world_end(&w);
}

TEST(sqlite_sinks_finish_in_an_epoch_that_has_begun) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
    static const char *const modes[] = {"append", "replace", "upsert"};
    struct wr_endpoint_bind binds[3];
    struct wr_sink *sinks[3];
    for (int i = 0; i < 3; i++) {
        struct wr_value *value =
            value_of_json(&w, "{'endpoint':{'address':'%s','options':{'table':'t%d','mode':'%s'}}}",
                          path, i, modes[i]);
        CHECK_INT(bind_sink(&w, &wr_sink_sqlite, value, schema, i == 2 ? "k" : NULL, &binds[i]), ==,
                  WR_OK);
        sinks[i] = open_sink(&w, &wr_sink_sqlite, &binds[i], NULL);
        CHECK(sinks[i] != NULL);
        CHECK_INT(write_epoch(&w, sinks[i], 1, batch_of(&w, schema, "a,1")), ==, WR_OK);
    }
    for (int i = 0; i < 3; i++)
        CHECK_INT(wr_sink_sqlite.begin(sinks[i], 2, &w.err), ==, WR_OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(wr_sink_sqlite.finish(sinks[i], &w.err), ==, WR_OK);
    for (int i = 0; i < 3; i++)
        close_sink(sinks[i]);
    CHECK_STR(query(&w, path,
                    "select * from t0 union all select * from t1 union all "
                    "select * from t2"),
              "a|1\na|1\na|1\n");
    world_end(&w);
}

TEST(sqlite_sink_stops_at_the_first_error_that_is_not_of_a_row) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
    run_sql(path, "create table t(k text, n integer);"
                  "create trigger g before insert on t when new.n = 7 begin "
                  "select raise(rollback, 'no sevens'); end");
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_sink(&w, &wr_sink_sqlite, sqlite_spec(&w, path, "'mode':'append'"), schema, NULL,
                        &bind),
              ==, WR_OK);
    struct wr_sink *sink = open_sink(&w, &wr_sink_sqlite, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "a,1\nb,7\nc,2")), ==, WR_EIO);
    CHECK_CONTAINS(w.err.text, "no sevens");
    CHECK_INT(wr_sink_sqlite.prepare(sink, 1, &w.err), ==, WR_EIO);
    close_sink(sink);
    CHECK_STR(query(&w, path, "select count(*) from t"), "0\n");
    world_end(&w);
}

TEST(sqlite_sink_takes_back_an_epoch_that_the_disk_has_no_room_for) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(sqlite_put(&w, path, "'mode':'append'", NULL, "a,1"), ==, WR_OK);
    struct wr_endpoint_bind bind;
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
    CHECK_INT(bind_sink(&w, &wr_sink_sqlite, sqlite_spec(&w, path, "'mode':'append'"), schema, NULL,
                        &bind),
              ==, WR_OK);
    struct wr_sink *sink = open_sink(&w, &wr_sink_sqlite, &bind, NULL);
    char csv[200 * 40];
    size_t length = 0;
    for (int i = 0; i < 200; i++)
        length += (size_t)snprintf(csv + length, sizeof csv - length, "%030d,%d\n", i, i);
    struct rlimit before, small = {.rlim_cur = 8192, .rlim_max = RLIM_INFINITY};
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    int status = write_epoch(&w, sink, 1, batch_of(&w, schema, csv));
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    CHECK_INT(status, ==, WR_EIO);
    CHECK_INT(wr_sink_sqlite.prepare(sink, 2, &w.err), ==, WR_EIO);
    CHECK_CONTAINS(w.err.text, "an earlier error stopped all writing");
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\n");
    CHECK_INT(sqlite_put(&w, path, "'mode':'append'", NULL, csv), ==, WR_OK);
    CHECK_STR(query(&w, path, "select count(*) from t"), "201\n");
    world_end(&w);
}

TEST_EACH_ALLOCATION_FAILS(sqlite_sink_gives_everything_back) {
    struct wr_budget budget = WR_BUDGET_INIT("sink", 0);
    struct wr_arena arena;
    struct wr_error err = {0};
    char path[64];
    snprintf(path, sizeof path, "/tmp/weir-conn-%d.db", (int)getpid());
    wr_arena_init(&arena, &budget, 4096);
    struct wr_schema *schema = wr_schema_new(&arena, 1);
    struct wr_value *spec = wr_value_new_map(&arena, 3);
    if (schema != NULL && spec != NULL) {
        schema->fields[0] =
            (struct wr_field){.name = "k", .name_length = 1, .type = WR_TYPE(WR_STRING)};
        static const char *names[] = {"endpoint", "mode", "table"};
        static const char *address_name[] = {"address"};
        struct wr_value address = {
            .kind = WR_VALUE_STRING, .string = path, .count = (uint32_t)strlen(path)};
        spec->items[0] = (struct wr_value){
            .kind = WR_VALUE_MAP, .count = 1, .items = &address, .names = address_name};
        spec->items[1] =
            (struct wr_value){.kind = WR_VALUE_STRING, .string = "replace", .count = 7};
        spec->items[2] = (struct wr_value){.kind = WR_VALUE_STRING, .string = "t", .count = 1};
        memcpy(spec->names, names, sizeof names);
        struct wr_endpoint_bind bind = {.arena = &arena,
                                        .env = wr_env_real(),
                                        .spec = spec,
                                        .timezone = "UTC",
                                        .input = schema,
                                        .bounded_input = 1};
        int status = wr_sink_sqlite.bind(&bind, &err);
        struct wr_sink *sink =
            status == WR_OK ? wr_alloc_zero(&budget, wr_sink_sqlite.size_bytes) : NULL;
        if (sink != NULL) {
            *sink = (struct wr_sink){.type = &wr_sink_sqlite,
                                     .config = bind.config,
                                     .schema = schema,
                                     .env = wr_env_real(),
                                     .budget = &budget,
                                     .name = bind.name};
            status = wr_sink_sqlite.open(sink, NULL, &err);
            if (status == WR_OK) {
                status = wr_sink_sqlite.begin(sink, 1, &err);
                if (status == WR_OK)
                    status = wr_sink_sqlite.commit(sink, 1, &err);
                if (status == WR_OK)
                    status = wr_sink_sqlite.finish(sink, &err);
                wr_sink_sqlite.close(sink);
            }
        }
        if (status != WR_OK)
            CHECK_INT(status, ==, WR_ENOMEM);
        wr_free(&budget, sink);
    }
    wr_arena_release(&arena);
    unlink(path);
}
