/* test_sqlite_sink.c: tables that are made, upserted, replaced and refused; nil keys; rows that
 * SQLite does not take; several sinks of one file. */
#include "support_conn.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- tables and values --------------------------------------------------------------------- */

TEST(sqlite_sink_makes_the_table_with_declared_types) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    const struct wr_schema *schema =
        schema_of(&w, "b bool,i int64,f float64,d decimal(10.2),s string,y bytes,t timestamp,"
                      "a date,u duration,j json");
    struct wr_value *append = sqlite_spec(&w, path, "'mode':'append'");
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
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1\nb,2\na,3"), ==, WR_OK);
    CHECK_INT(sqlite_put(&w, path, "", "k", "b,4\nc,5"), ==, WR_OK);
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
        CHECK_INT(write_all(&w, &wr_sink_sqlite, sqlite_spec(&w, path, ""), schema, "k, y, i",
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
        CHECK_INT(sqlite_put(&w, path, "", "k, n", "a,1\na,2\na,1"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t order by n"), "a|1\na|2\n");
    world_end(&w);
}

TEST(sqlite_sink_uses_a_primary_key_that_is_there) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    run_sql(path, "create table t(k text not null primary key, n integer, extra text default 'x')");
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1\nb,2\na,3"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t order by k"), "a|3|x\nb|2|x\n");
    CHECK_STR(query(&w, path, "select count(*) from sqlite_schema where name like 'weir%'"), "0\n");
    run_sql(path, "drop table t; create table t(k text primary key, n integer)"); /* takes nulls */
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1\n,2\n,3\na,4"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t order by k"), "null|3\na|4\n");
    run_sql(path, "drop table t; create table t(k text, n integer, id integer primary key)");
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1\na,2"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "a|2|1\n");
    world_end(&w);
}

TEST(sqlite_sink_appends_every_run) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(sqlite_put(&w, path, "'mode':'append'", NULL, "a,1\na,1"), ==, WR_OK);
    CHECK_INT(sqlite_put(&w, path, "'mode':'append'", "k", "a,1"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\na|1\na|1\n");
    world_end(&w);
}

TEST(sqlite_sink_replaces_rows_and_keeps_indexes_of_the_same_table) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(sqlite_put(&w, path, "'mode':'replace'", NULL, "a,1\nb,2"), ==, WR_OK);
    run_sql(path, "create index mine on t(n); create view v as select n from t");
    CHECK_INT(sqlite_put(&w, path, "'mode':'replace'", NULL, "c,3"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "c|3\n");
    CHECK_STR(query(&w, path, "select name from sqlite_schema order by name"), "mine\nt\nv\n");
    CHECK_INT(sqlite_put(&w, path, "'mode':'replace'", "k", "d,1\nd,2"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "d|2\n");
    CHECK_STR(query(&w, path, "select name from sqlite_schema order by name"),
              "mine\nt\nv\nweir_key_t\n");
    CHECK_INT(sqlite_put(&w, path, "'mode':'replace'", NULL, NULL), ==, WR_OK); /* no row at all */
    CHECK_STR(query(&w, path, "select count(*) from t"), "0\n");
    world_end(&w);
}

TEST(sqlite_sink_replaces_a_table_of_other_columns_whole) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    run_sql(path, "create table t(a text, b text); insert into t values(1, 2);"
                  "create view v as select * from t");
    CHECK_INT(sqlite_put(&w, path, "'mode':'replace'", "k", "a,1\na,2"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from v"), "a|2\n");
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,5"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from v"), "a|5\n");
    CHECK_STR(query(&w, path, "select name from sqlite_schema order by name"),
              "t\nv\nweir_key_t\n");
    world_end(&w);
}

TEST(sqlite_sink_refuses_a_table_that_must_be_new) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(sqlite_put(&w, path, "'mode':'new'", NULL, "a,1"), ==, WR_OK);
    CHECK_INT(sqlite_put(&w, path, "'mode':'new'", NULL, "a,1"), ==, WR_EEXIST);
    CHECK_CONTAINS(error_text(&w), "the table exists already | ");
    world_end(&w);
}

/* ---- changelogs ---------------------------------------------------------------------------- */

TEST(sqlite_sink_deletes_rows_taken_back) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(sqlite_put(&w, path, "", "k", "+a,1\n+b,2\n+,3\n-a,1\n+a,4\n-b,2\n-,3\n+c,5"), ==,
              WR_OK);
    CHECK_STR(query(&w, path, "select k, n, rowid from t order by k"), "a|4|1\nc|5|2\n");
    CHECK_INT(sqlite_put(&w, path, "", "k", "-a,4"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select k from t order by k"), "c\n");
    world_end(&w);
}

/* ---- rows that are refused ----------------------------------------------------------------- */

TEST(sqlite_sink_rejects_what_sqlite_refuses_and_goes_on) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    run_sql(path, "create table t(k text, n integer check (n > 0))");
    CHECK_INT(sqlite_put(&w, path, "'mode':'append'", NULL, "a,1\nb,-2\nc,3"), ==, WR_OK);
    CHECK_STR(query(&w, path, "select * from t"), "a|1\nc|3\n");
    CHECK_STR(w.rejects.bytes, "W509 record 0: CHECK constraint failed: n > 0\n");
    world_end(&w);
}

TEST(sqlite_sink_rejects_nan) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(write_all(&w, &wr_sink_sqlite, sqlite_spec(&w, path, "'mode':'append'"),
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
    CHECK_INT(sqlite_put(&w, path, "", NULL, NULL), ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W404 upsert needs a key; without one say `mode = \"append\"` or "
                              "\"replace\" | `key = \"column, …\"` names the key");
    CHECK_INT(sqlite_put(&w, path, "'mode':'upsert'", NULL, NULL), ==, WR_ESCRIPT);
    CHECK_STR(w.err.code, "W404");
    CHECK_INT(sqlite_put(&w, path, "'mode':'upsurt'", "k", NULL), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W203 option `mode` must be \"append\", \"upsert\", \"replace\" "
                                   "or \"new\", got 'upsurt'");
    CHECK_INT(sqlite_put(&w, path, "'options':{'tabel':'x'}", "k", NULL), ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W202 unknown option `tabel` of `sqlite` | did you mean `table`?");
    CHECK_INT(sqlite_put(&w, path, "'options':{'timeout':'soon'}", "k", NULL), ==, WR_ESCRIPT);
    CHECK_STR(error_text(&w), "W203 option `timeout` must be a duration like \"30s\", got 'soon'");
    const struct wr_schema *schema = schema_of(&w, TABLE_SCHEMA);
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
    CHECK_INT(write_all(&w, &wr_sink_sqlite, sqlite_spec(&w, path, ""),
                        schema_of(&w, "a int64,A int64"), "a", NULL),
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
        CHECK_INT(sqlite_put(&w, path, "", "k", "a,1"), ==, WR_ESCRIPT);
        CHECK_CONTAINS(error_text(&w), cases[i].text);
        CHECK_STR(query(&w, path, "select count(*) from t"), "0\n");
    }
    run_sql(path, "drop table t; create view t as select 1 as k, 2 as n");
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1"), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W403 `t` is a view");
    run_sql(path, "drop view t; create table t(k any, n)"); /* no types: anything goes in */
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1"), ==, WR_OK);
    world_end(&w);
}

TEST(sqlite_sink_tells_keys_that_do_not_fit) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1\nb,1"), ==, WR_OK);
    CHECK_INT(sqlite_put(&w, path, "", "n", "a,1"), ==, WR_ESCRIPT);
    CHECK_CONTAINS(error_text(&w), "W307 key of the sink (ifnull(\"k\", x'')) is not the stream's "
                                   "key (n)");
    run_sql(path, "drop table t; create table t(k text, n integer);"
                  "insert into t values('a', 1), ('a', 2)");
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1"), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&w), "table `t` holds several rows with one key (k)");
    CHECK_STR(query(&w, path, "select n from t"), "1\n2\n");
    world_end(&w);
}

TEST(sqlite_sink_tells_files_that_are_no_database) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "o.db");
    put_text(path, "this is not a database, but text that is long enough to be looked at");
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1"), ==, WR_ECORRUPT);
    CHECK_CONTAINS(error_text(&w), "file is not a database");
    CHECK_STR(w.err.code, "W613");
    CHECK_INT(sqlite_put(&w, in_folder(&w, "no/o.db"), "", "k", "a,1"), ==, WR_ENOENT);
    CHECK_CONTAINS(error_text(&w), "No such file or directory | there is no directory `");
    CHECK_STR(w.err.code, "W401");
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
    CHECK_INT(sqlite_put(&w, path, "'options':{'timeout':'20ms'}", "k", "a,1"), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&w), "database is locked | another program writes to this file");
    CHECK_STR(w.err.code, "W612");
    sqlite3_exec(db, "rollback", NULL, NULL, NULL);
    sqlite3_close(db);
    CHECK_INT(sqlite_put(&w, path, "", "k", "a,1"), ==, WR_OK);
    world_end(&w);
}
