/* test_sqlite_sink.c: tables that are made, upserted, replaced and refused; nil keys; rows that
 * SQLite does not take; several sinks of one file. */
#include "support_conn.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#define SCHEMA "k string,n int64"

static struct wr_value *spec(struct world *w, const char *path, const char *more) {
    return value_of_json(w,
                         "{'endpoint':{'kind':'sqlite','address':'%s','options':{'table':'t'}}"
                         "%s%s}",
                         path, more[0] == 0 ? "" : ",", more);
}

static int put(struct world *w, const char *path, const char *more, const char *key,
               const char *csv) {
    return write_all(w, &wr_sink_sqlite, spec(w, path, more), schema_of(w, SCHEMA), key, csv);
}

static void run_sql(const char *path, const char *sql) {
    sqlite3 *db;
    CHECK_INT(sqlite3_open(path, &db), ==, SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* ---- tables and values --------------------------------------------------------------------- */

TEST(sqlite_sink_makes_the_table_with_declared_types) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    const struct wr_schema *schema =
        schema_of(&w, "b bool,i int64,f float64,d decimal(10.2),s string,y bytes,t timestamp,"
                      "a date,u duration,j json");
    struct wr_value *append = spec(&w, path, "'mode':'append'");
    CHECK_INT(
        write_all(&w, &wr_sink_sqlite, append, schema, NULL,
                  "true,-9223372036854775808,0.1,12.50,text,aGk=,2013-01-02T03:04:05.5Z,"
                  "2013-01-02,PT1H,\"{\"\"a\"\":1}\"\n,,,,,,,,,\nfalse,1,-inf,0.00,\"\",,,,,7"),
        ==, WR_OK);
    CHECK_INT(w.rejects.length, ==, 0);
    CHECK_STR(query(&w, path, "select * from t"),
              "1|-9223372036854775808|0.1|12.50|text|hi|2013-01-02T03:04:05.500Z|2013-01-02|PT1H|"
              "{\"a\":1}\nnull|null|null|null|null|null|null|null|null|null\n"
              "0|1|-Inf|0.00||null|null|null|null|7\n");
    CHECK_STR(query(&w, path,
                    "select typeof(b),typeof(i),typeof(f),typeof(d),typeof(s),typeof(y),typeof(t),"
                    "typeof(a),typeof(u),typeof(j) from t limit 1"),
              "integer|integer|real|text|text|blob|text|text|text|text\n");
    CHECK_STR(query(&w, path, "select typeof(j) from t where j = '7'"), "text\n");
    CHECK_STR(query(&w, path, "select name, type from pragma_table_info('t')"),
              "b|BOOLEAN\ni|INTEGER\nf|REAL\nd|DECIMAL TEXT(10,2)\ns|TEXT\ny|BLOB\n"
              "t|TIMESTAMP TEXT\na|DATE TEXT\nu|DURATION TEXT\nj|JSON TEXT\n");
    /* and the way back */
    CHECK_STR(
        all_rows(&w, &wr_source_sqlite,
                 value_of_json(&w, "{'endpoint':{'address':'%s','options':{'table':'t'}}}", path),
                 2),
        "true,-9223372036854775808,0.1,12.50,text,aGk=,2013-01-02T03:04:05.500Z,2013-01-02,"
        "PT1H,{\"a\":1}\nnil,nil,nil,nil,nil,nil,nil,nil,nil,nil\n"
        "false,1,-inf,0.00,,nil,nil,nil,nil,7\n");
    world_end(&w);
}

TEST(sqlite_sink_takes_any_names) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    struct wr_value *value = value_of_json(
        &w, "{'endpoint':{'address':'%s','options':{'table':'my \\\"table\\\" [x]'}}}", path);
    const struct wr_schema *schema = schema_of(&w, "select int64,a[b int64,größe int64");
    CHECK_INT(write_all(&w, &wr_sink_sqlite, value, schema, "a[b, select", "1,2,3\n1,2,4"), ==,
              WR_OK);
    CHECK_STR(query(&w, path, "select * from \"my \"\"table\"\" [x]\""), "1|2|4\n");
    world_end(&w);
}

/* ---- modes --------------------------------------------------------------------------------- */

TEST(sqlite_sink_upserts_by_its_key_over_runs) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(put(&w, path, "", "k", "a,1\nb,2\na,3"), ==, WR_OK);
    CHECK_INT(put(&w, path, "", "k", "b,4\nc,5"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t order by k"), "a|3\nb|4\nc|5\n");
    CHECK_INT(w.rejects.length, ==, 0);
    world_end(&w);
}

TEST(sqlite_sink_holds_nil_to_be_one_key) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    const struct wr_schema *schema = schema_of(&w, "k string,y bytes,i int64,n int64");
    for (int run = 0; run < 2; run++)
        CHECK_INT(write_all(&w, &wr_sink_sqlite, spec(&w, path, ""), schema, "k, y, i",
                            ",,,1\n,,,2\n\"\",,,3\na,,,4\n,aGk=,,5\n,,0,6\n,,0,7\n\"\",,,8"),
                  ==, WR_OK);
    CHECK_STR(query(&w, path, "select k, y, i, n from t order by n"),
              "null|null|null|2\na|null|null|4\nnull|hi|null|5\nnull|null|0|7\n|null|null|8\n");
    world_end(&w);
}

TEST(sqlite_sink_writes_rows_that_are_all_key) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    for (int run = 0; run < 2; run++)
        CHECK_INT(put(&w, path, "", "k, n", "a,1\na,2\na,1"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t order by n"), "a|1\na|2\n");
    world_end(&w);
}

TEST(sqlite_sink_uses_a_primary_key_that_is_there) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    run_sql(path, "create table t(k text not null primary key, n integer, extra text default 'x')");
    CHECK_INT(put(&w, path, "", "k", "a,1\nb,2\na,3"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t order by k"), "a|3|x\nb|2|x\n");
    CHECK_STR(query(&w, path, "select count(*) from sqlite_schema where name like 'weir%'"), "0\n");
    run_sql(path, "drop table t; create table t(k text primary key, n integer)"); /* takes nulls */
    CHECK_INT(put(&w, path, "", "k", "a,1\n,2\n,3\na,4"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t order by k"), "null|3\na|4\n");
    run_sql(path, "drop table t; create table t(k text, n integer, id integer primary key)");
    CHECK_INT(put(&w, path, "", "k", "a,1\na,2"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "a|2|1\n");
    world_end(&w);
}

TEST(sqlite_sink_appends_every_run) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(put(&w, path, "'mode':'append'", NULL, "a,1\na,1"), ==, WR_OK);
    CHECK_INT(put(&w, path, "'mode':'append'", "k", "a,1"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\na|1\na|1\n");
    world_end(&w);
}

TEST(sqlite_sink_replaces_rows_and_keeps_indexes_of_the_same_table) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(put(&w, path, "'mode':'replace'", NULL, "a,1\nb,2"), ==, WR_OK);
    run_sql(path, "create index mine on t(n); create view v as select n from t");
    CHECK_INT(put(&w, path, "'mode':'replace'", NULL, "c,3"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "c|3\n");
    CHECK_STR(query(&w, path, "select name from sqlite_schema order by name"), "mine\nt\nv\n");
    CHECK_INT(put(&w, path, "'mode':'replace'", "k", "d,1\nd,2"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "d|2\n");
    CHECK_STR(query(&w, path, "select name from sqlite_schema order by name"),
              "mine\nt\nv\nweir_key_t\n");
    CHECK_INT(put(&w, path, "'mode':'replace'", NULL, NULL), ==, WR_OK); /* no row at all */
    CHECK_STR(query(&w, path, "select count(*) from t"), "0\n");
    world_end(&w);
}

TEST(sqlite_sink_replaces_a_table_of_other_columns_whole) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    run_sql(path, "create table t(a text, b text); insert into t values(1, 2);"
                  "create view v as select * from t");
    CHECK_INT(put(&w, path, "'mode':'replace'", "k", "a,1\na,2"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from v"), "a|2\n");
    CHECK_INT(put(&w, path, "", "k", "a,5"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from v"), "a|5\n");
    CHECK_STR(query(&w, path, "select name from sqlite_schema order by name"),
              "t\nv\nweir_key_t\n");
    world_end(&w);
}

TEST(sqlite_sink_refuses_a_table_that_must_be_new) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(put(&w, path, "'mode':'new'", NULL, "a,1"), ==, WR_OK);
    CHECK_INT(put(&w, path, "'mode':'new'", NULL, "a,1"), ==, WR_EEXIST);
    CHECK_CONTAINS(error_text(&w), "the table exists already | ");
    world_end(&w);
}

/* ---- a stop before the end ----------------------------------------------------------------- */

TEST(sqlite_sink_takes_back_what_no_commit_followed) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    static const char *const modes[] = {"'mode':'append'", "'mode':'replace'"};
    for (int i = 0; i < 2; i++) {
        unlink(path);
        CHECK_INT(put(&w, path, modes[i], NULL, "old,1"), ==, WR_OK);
        struct wr_endpoint_bind bind;
        const struct wr_schema *schema = schema_of(&w, SCHEMA);
        CHECK_INT(bind_sink(&w, &wr_sink_sqlite, spec(&w, path, modes[i]), schema, NULL, &bind), ==,
                  WR_OK);
        struct wr_sink *sink = open_sink(&w, &wr_sink_sqlite, &bind, NULL);
        CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "a,1")), ==, WR_OK);
        CHECK_INT(wr_sink_sqlite.begin(sink, 2, &w.err), ==, WR_OK);
        struct wr_batch *batch = batch_of(&w, schema, "b,2");
        CHECK_INT(wr_sink_sqlite.write(sink, batch, &w.err), ==, WR_OK);
        wr_batch_unref(batch);
        close_sink(sink);
        CHECK_STR(query(&w, path, "select * from t"), i == 0 ? "old|1\na|1\n" : "old|1\n");
        CHECK_STR(query(&w, path, "select count(*) from sqlite_schema"), i == 0 ? "1\n" : "2\n");
        CHECK_INT(put(&w, path, modes[i], NULL, "new,1"), ==, WR_OK);
        CHECK_STR(query(&w, path, "select k from t where k not in ('old', 'a')"), "new\n");
        CHECK_STR(query(&w, path, "select count(*) from sqlite_schema"), "1\n");
    }
    world_end(&w);
}

TEST(sqlite_sink_goes_on_replacing_after_a_restart) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(put(&w, path, "'mode':'replace'", NULL, "old,1"), ==, WR_OK);
    struct wr_endpoint_bind bind;
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
    struct wr_buf saved;
    wr_buf_init(&saved, &w.budget, 0);
    CHECK_INT(
        bind_sink(&w, &wr_sink_sqlite, spec(&w, path, "'mode':'replace'"), schema, NULL, &bind), ==,
        WR_OK);
    struct wr_sink *sink = open_sink(&w, &wr_sink_sqlite, &bind, NULL);
    CHECK_INT(write_epoch(&w, sink, 1, batch_of(&w, schema, "a,1")), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.save(sink, &saved), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "old|1\n");
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    sink = open_sink(&w, &wr_sink_sqlite, &bind, &from);
    CHECK_INT(sink->rows_written, ==, 1);
    CHECK_INT(write_epoch(&w, sink, 2, batch_of(&w, schema, "b,2")), ==, WR_OK);
    wr_buf_clear(&saved);
    CHECK_INT(wr_sink_sqlite.save(sink, &saved), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.finish(sink, &w.err), ==, WR_OK); /* and then the power went */
    close_sink(sink);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nb|2\n");
    from = (struct wr_reader){.bytes = saved.bytes, .length = saved.length};
    sink = open_sink(&w, &wr_sink_sqlite, &bind, &from);
    CHECK_INT(write_epoch(&w, sink, 3, NULL), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.finish(sink, &w.err), ==, WR_OK);
    close_sink(sink);
    wr_buf_release(&saved);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nb|2\n");
    CHECK_STR(query(&w, path, "select count(*) from sqlite_schema"), "1\n");
    world_end(&w);
}

/* ---- changelogs ---------------------------------------------------------------------------- */

TEST(sqlite_sink_deletes_rows_taken_back) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(put(&w, path, "", "k", "+a,1\n+b,2\n+,3\n-a,1\n+a,4\n-b,2\n-,3\n+c,5"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select k, n, rowid from t order by k"), "a|4|1\nc|5|2\n");
    CHECK_INT(put(&w, path, "", "k", "-a,4"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select k from t order by k"), "c\n");
    world_end(&w);
}

/* ---- rows that are refused ----------------------------------------------------------------- */

TEST(sqlite_sink_rejects_what_sqlite_refuses_and_goes_on) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    run_sql(path, "create table t(k text, n integer check (n > 0))");
    CHECK_INT(put(&w, path, "'mode':'append'", NULL, "a,1\nb,-2\nc,3"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nc|3\n");
    CHECK_STR(w.rejects.bytes, "W509 record 0: CHECK constraint failed: n > 0\n");
    world_end(&w);
}

TEST(sqlite_sink_rejects_nan) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(write_all(&w, &wr_sink_sqlite, spec(&w, path, "'mode':'append'"),
                        schema_of(&w, "f float64"), NULL, "1.5\nnan\ninf"),
              ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "1.5\nInf\n");
    CHECK_STR(w.rejects.bytes, "W509 record 0: column `f` is NaN, which SQLite cannot hold\n");
    world_end(&w);
}

/* ---- what is told -------------------------------------------------------------------------- */

TEST(sqlite_sink_tells_wrong_options_at_the_call) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(put(&w, path, "", NULL, NULL), ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W404 upsert needs a key; without one say `mode = \"append\"` or "
                              "\"replace\" | `key = \"column, …\"` names the key");
    CHECK_INT(put(&w, path, "'mode':'upsert'", NULL, NULL), ==, WR_ESCRIPT);
    CHECK_STR(w.err.code, "W404");
    CHECK_INT(put(&w, path, "'mode':'upsurt'", "k", NULL), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W203 option `mode` must be \"append\", \"upsert\", \"replace\" "
                                   "or \"new\", got 'upsurt'");
    CHECK_INT(put(&w, path, "'options':{'tabel':'x'}", "k", NULL), ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W202 unknown option `tabel` of `sqlite` | did you mean `table`?");
    CHECK_INT(put(&w, path, "'options':{'timeout':'soon'}", "k", NULL), ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W203 option `timeout` must be a duration like \"30s\", got 'soon'");
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
    CHECK_INT(write_all(&w, &wr_sink_sqlite,
                        value_of_json(&w, "{'endpoint':{'address':'%s'}}", path), schema, "k",
                        NULL),
              ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W203 `sqlite` needs the option `table`: which table?");
    CHECK_INT(write_all(&w, &wr_sink_sqlite,
                        value_of_json(&w,
                                      "{'endpoint':{'address':'%s'},'options':{'table':"
                                      "'sqlite_x'}}",
                                      path),
                        schema, "k", NULL),
              ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "SQLite's own");
    CHECK_INT(write_all(&w, &wr_sink_sqlite, spec(&w, path, ""), schema_of(&w, "a int64,A int64"),
                        "a", NULL),
              ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W403 to SQLite `a` and `A` are one column");
    CHECK_INT(access(path, F_OK), ==, -1); /* nothing was touched */
    world_end(&w);
}

TEST(sqlite_sink_tells_tables_that_do_not_fit) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    static const struct {
        const char *table, *text;
    } cases[] = {
        {"t(k text, n text)", "W403 table `t` has column `n` of type TEXT, the stream has int64"},
        {"t(k integer, n integer)",
         "W403 table `t` has column `k` of type INTEGER, the stream has string"},
        {"t(k numeric, n integer)",
         "W403 table `t` has column `k` of type numeric, the stream has string"},
        {"t(k text)", "W403 table `t` has no column `n`, the stream has it (int64)"},
        {"t(k text, n integer, m text not null)", "W403 table `t` has column `m`, which must not "
                                                  "be null, and the stream has no such column"},
        {"t(k text, n integer as (1))",
         "W403 table `t` computes its column `n` itself: it cannot be written"},
        {"t(k text, n integer primary key)",
         "W307 key of the sink (n) is not the stream's key (k)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "drop table if exists t; create table %s", cases[i].table);
        run_sql(path, sql);
        CHECK_INT(put(&w, path, "", "k", "a,1"), ==, WR_ESCRIPT);
        CHECK_CONTAINS(error_text(&w), cases[i].text);
        CHECK_STR(query(&w, path, "select count(*) from t"), "0\n");
    }
    run_sql(path, "drop table t; create view t as select 1 as k, 2 as n");
    CHECK_INT(put(&w, path, "", "k", "a,1"), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W403 `t` is a view");
    run_sql(path, "drop view t; create table t(k any, n)"); /* no types: anything goes in */
    CHECK_INT(put(&w, path, "", "k", "a,1"), ==, WR_OK);
    world_end(&w);
}

TEST(sqlite_sink_tells_keys_that_do_not_fit) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(put(&w, path, "", "k", "a,1\nb,1"), ==, WR_OK);
    CHECK_INT(put(&w, path, "", "n", "a,1"), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W307 key of the sink (ifnull(\"k\", x'')) is not the stream's "
                                   "key (n)");
    run_sql(path, "drop table t; create table t(k text, n integer);"
                  "insert into t values('a', 1), ('a', 2)");
    CHECK_INT(put(&w, path, "", "k", "a,1"), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&w), "table `t` holds several rows with one key (k)");
    CHECK_STR(query(&w, path, "select n from t"), "1\n2\n");
    world_end(&w);
}

TEST(sqlite_sink_tells_files_that_are_no_database) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    put_text(path, "this is not a database, but text that is long enough to be looked at");
    CHECK_INT(put(&w, path, "", "k", "a,1"), ==, WR_ECORRUPT);
    CHECK_CONTAINS(error_text(&w), "file is not a database");
    CHECK_INT(put(&w, in_folder(&w, "no/o.db"), "", "k", "a,1"), ==, WR_EIO);
    CHECK_CONTAINS(error_text(&w), "unable to open database file");
    world_end(&w);
}

TEST(sqlite_sink_waits_for_a_lock_and_then_says_so) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    run_sql(path, "create table t(k text, n integer)");
    sqlite3 *db;
    CHECK_INT(sqlite3_open(path, &db), ==, SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "begin immediate", NULL, NULL, NULL), ==, SQLITE_OK);
    CHECK_INT(put(&w, path, "'options':{'timeout':'20ms'}", "k", "a,1"), ==, WR_EIO);
    CHECK_CONTAINS(error_text(&w), "database is locked | another program writes to this file");
    sqlite3_exec(db, "rollback", NULL, NULL, NULL);
    sqlite3_close(db);
    CHECK_INT(put(&w, path, "", "k", "a,1"), ==, WR_OK);
    world_end(&w);
}

/* ---- several sinks of one file ------------------------------------------------------------- */

TEST(sqlite_sinks_of_one_file_share_a_transaction) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
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
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
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
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
    run_sql(path, "create table t(k text, n integer);"
                  "create trigger g before insert on t when new.n = 7 begin "
                  "select raise(rollback, 'no sevens'); end");
    struct wr_endpoint_bind bind;
    CHECK_INT(
        bind_sink(&w, &wr_sink_sqlite, spec(&w, path, "'mode':'append'"), schema, NULL, &bind), ==,
        WR_OK);
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
    CHECK_INT(put(&w, path, "'mode':'append'", NULL, "a,1"), ==, WR_OK);
    struct wr_endpoint_bind bind;
    const struct wr_schema *schema = schema_of(&w, SCHEMA);
    CHECK_INT(
        bind_sink(&w, &wr_sink_sqlite, spec(&w, path, "'mode':'append'"), schema, NULL, &bind), ==,
        WR_OK);
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
    CHECK_INT(put(&w, path, "'mode':'append'", NULL, csv), ==, WR_OK);
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
