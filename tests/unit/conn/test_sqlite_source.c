/* test_sqlite_source.c: tables and queries read with their types, values that are of another type,
 * positions, and what is said of what cannot be read. */
#include "support_conn.h"

static struct wr_value *spec(struct world *w, const char *path, const char *options) {
    return value_of_json(w, "{'endpoint':{'kind':'sqlite','address':'%s','options':{%s}}}", path,
                         options);
}

static const char *rows_of(struct world *w, const char *path, const char *options) {
    return all_rows(w, &wr_source_sqlite, spec(w, path, options), 3);
}

static const char *types_of(struct world *w, const struct wr_schema *schema) {
    char *text = wr_arena_alloc(&w->arena, 1024), type[64];
    CHECK(text != NULL);
    size_t length = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < schema->field_count; i++)
        length += (size_t)snprintf(text + length, 1024 - length, "%s%s %s", i == 0 ? "" : ", ",
                                   schema->fields[i].name,
                                   wr_type_text(&schema->fields[i].type, type, sizeof type));
    return text;
}

TEST(sqlite_source_maps_declared_types) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "i.db");
    run_sql(path, "create table t(a integer, b bigint, c real, d double precision, e varchar(10),"
                  "f text, g blob, h boolean, i timestamp, j datetime, k date, l decimal(10,2),"
                  "m numeric, n json, o \"unsigned big int\", p duration);"
                  "insert into t values(1, 2, 1.5, 2, 'e', 'f', x'6869', 1, '2013-01-02T03:04:05Z',"
                  "'2013-01-02 03:04:05', '2013-01-02', 12.5, 3, '{\"a\": [1]}', 7, 'PT1M')");
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_sqlite, spec(&w, path, "'table':'t'"), &bind), ==, WR_OK);
    CHECK_STR(types_of(&w, bind.schema),
              "a int64, b int64, c float64, d float64, e string, f string, g bytes, h bool, "
              "i timestamp, j timestamp, k date, l decimal(10,2), m float64, n json, o int64, "
              "p duration");
    CHECK_CONTAINS(bind.name, "/i.db/t");
    CHECK_STR(rows_of(&w, path, "'table':'t'"),
              "1,2,1.5,2.0,e,f,aGk=,true,2013-01-02T03:04:05Z,2013-01-02T03:04:05Z,2013-01-02,"
              "12.50,3.0,{\"a\": [1]},7,PT1M\n");
    CHECK_INT(w.rejects.length, ==, 0);
    world_end(&w);
}

TEST(sqlite_source_looks_at_values_where_no_type_is_declared) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "i.db");
    run_sql(path, "create table t(a, b integer); insert into t values('x', 1), (null, 2)");
    struct wr_endpoint_bind bind;
    const char *query_option = "'query':'select a, b, b + 1 as c, b / 2.0 as d, null as e, "
                               "count(*) over () as f from t'";
    CHECK_INT(bind_source(&w, &wr_source_sqlite, spec(&w, path, query_option), &bind), ==, WR_OK);
    CHECK_STR(types_of(&w, bind.schema),
              "a string, b int64, c int64, d float64, e string, f int64");
    CHECK_INT(bind.inferred_rows, ==, 2);
    CHECK_STR(rows_of(&w, path, query_option), "x,1,2,0.5,nil,2\nnil,2,3,1.0,nil,2\n");
    world_end(&w);
}

TEST(sqlite_source_rejects_values_of_another_type) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "i.db");
    run_sql(path, "create table t(a integer, b boolean); insert into t values(1, 1), ('two', 0),"
                  "(3, 1), (4.5, 0), (5, 2), (6, null)");
    CHECK_STR(rows_of(&w, path, "'table':'t'"), "1,true\n3,true\n6,nil\n");
    CHECK_STR(w.rejects.bytes,
              "W502 record 1: text `two` does not fit int64 (column `a`) [two]\n"
              "W502 record 3: a real `4.5` does not fit int64 (column `a`) [4.5]\n"
              "W502 record 4: an integer `2` does not fit bool (column `b`) [2]\n");
    CHECK_CONTAINS(rows_of(&w, path, "'table':'t','on_error':'fail'"),
                   "row 2: text `two` does not fit int64 (column `a`)");
    world_end(&w);
}

TEST(sqlite_source_reads_by_a_given_schema) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "i.db");
    run_sql(path, "create table t(at integer, n integer, x text);"
                  "insert into t values(1357000000000, 1, 'a'), (0, null, 'b')");
    struct wr_value *value =
        value_of_json(&w,
                      "{'endpoint':{'address':'%s','options':{'table':'t'}},'schema':["
                      "{'name':'at','type':{'kind':'timestamp'},'time_format':'ms'},"
                      "{'name':'n','type':{'kind':'int64'},'required':true}]}",
                      path);
    CHECK_STR(all_rows(&w, &wr_source_sqlite, value, 5), "2013-01-01T00:26:40Z,1\n");
    CHECK_STR(w.rejects.bytes, "W512 record 1: column `n` is required and null\n");
    value = value_of_json(&w,
                          "{'endpoint':{'address':'%s','options':{'table':'t'}},'schema':["
                          "{'name':'n','type':{'kind':'int64'}}]}",
                          path);
    CHECK_CONTAINS(all_rows(&w, &wr_source_sqlite, value, 5),
                   "column 1 is `at`, the schema says `n`");
    world_end(&w);
}

TEST(sqlite_source_goes_on_from_every_position) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "i.db");
    run_sql(path, "create table t(a integer);"
                  "insert into t values(1), (2), ('x'), (4), (5), ('y'), (7)");
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_sqlite, spec(&w, path, "'table':'t'"), &bind), ==, WR_OK);
    for (uint32_t batch_rows = 1; batch_rows < 4; batch_rows++)
        for (uint32_t stop = 1; stop < 8; stop++) {
            struct wr_buf out, position;
            wr_buf_init(&out, &w.budget, 0);
            wr_buf_init(&position, &w.budget, 0);
            wr_buf_clear(&w.rejects);
            struct wr_source *source = open_source(&w, &wr_source_sqlite, &bind, batch_rows, NULL);
            read_source(&w, source, stop, &out);
            CHECK_INT(wr_source_sqlite.save_position(source, &position), ==, WR_OK);
            close_source(source);
            struct wr_reader from = {.bytes = position.bytes, .length = position.length};
            source = open_source(&w, &wr_source_sqlite, &bind, batch_rows, &from);
            CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
            close_source(source);
            CHECK_STR(out.bytes, "1\n2\n4\n5\n7\n");
            CHECK_STR(w.rejects.bytes,
                      "W502 record 2: text `x` does not fit int64 (column `a`) [x]\n"
                      "W502 record 5: text `y` does not fit int64 (column `a`) [y]\n");
            wr_buf_release(&out);
            wr_buf_release(&position);
        }
    world_end(&w);
}

TEST(sqlite_source_lets_a_sink_of_its_file_commit) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "i.db");
    run_sql(path, "create table t(a integer); insert into t values(1), (2), (3), (4)");
    struct wr_endpoint_bind bind, out_bind;
    struct wr_buf out;
    wr_buf_init(&out, &w.budget, 0);
    CHECK_INT(bind_source(&w, &wr_source_sqlite,
                          spec(&w, path, "'query':'select a from t order by a desc ;'"), &bind),
              ==, WR_OK);
    const struct wr_schema *schema = schema_of(&w, "a int64");
    CHECK_INT(bind_sink(&w, &wr_sink_sqlite,
                        spec(&w, path, "'table':'t','mode':'append','timeout':'10ms'"), schema,
                        NULL, &out_bind),
              ==, WR_OK);
    struct wr_source *source = open_source(&w, &wr_source_sqlite, &bind, 1, NULL);
    struct wr_sink *sink = open_sink(&w, &wr_sink_sqlite, &out_bind, NULL);
    for (uint64_t epoch = 1; epoch < 4; epoch++) {
        CHECK_INT(read_source(&w, source, 1, &out), ==, WR_OK);
        if (write_epoch(&w, sink, epoch, batch_of(&w, schema, "7")) != WR_OK)
            test_fail(__FILE__, __LINE__, "%s", error_text(&w));
    }
    CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
    CHECK_STR(out.bytes, "4\n3\n2\n1\n"); /* as the table was when it was first asked */
    close_sink(sink);
    close_source(source);
    CHECK_STR(query(&w, path, "select count(*) from t where a = 7"), "3\n");
    wr_buf_release(&out);
    world_end(&w);
}

TEST(sqlite_source_reads_only_the_columns_that_are_needed) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "i.db");
    run_sql(path, "create table t(a integer, b integer); insert into t values('x', 1), (2, 3)");
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_sqlite, spec(&w, path, "'table':'t'"), &bind), ==, WR_OK);
    struct wr_source *source = open_source(&w, &wr_source_sqlite, &bind, 10, NULL);
    uint64_t needed = 2;
    source->needed = &needed;
    struct wr_buf out;
    wr_buf_init(&out, &w.budget, 0);
    CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
    CHECK_STR(out.bytes, "nil,1\nnil,3\n");
    CHECK_INT(w.rejects.length, ==, 0);
    wr_buf_release(&out);
    close_source(source);
    world_end(&w);
}

TEST(sqlite_source_tells_what_is_not_there) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "orders.db");
    run_sql(path, "create table orders(a integer); insert into orders values(1)");
    CHECK_CONTAINS(rows_of(&w, in_folder(&w, "ordres.db"), "'table':'orders'"),
                   "W401 no such file: `");
    CHECK_CONTAINS(w.err.help, "/orders.db`?");
    CHECK_CONTAINS(rows_of(&w, path, "'table':'oders'"), "W401 no table `oders` in `");
    CHECK_STR(w.err.help, "did you mean `orders`?");
    CHECK_STR(rows_of(&w, path, ""), "W203 `sqlite` needs the option `table` or `query`");
    CHECK_STR(rows_of(&w, path, "'table':'orders','query':'select 1'"),
              "W203 `table` and `query` are given: one of them is meant");
    CHECK_STR(rows_of(&w, path, "'query':'selec 1'"),
              "W203 option `query`: SQLite says: near \"selec\": syntax error");
    static const char *const bad[] = {"delete from orders", "select 1 as a; select 2", "",
                                      "select ?1 as a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char option[128];
        snprintf(option, sizeof option, "'query':'%s'", bad[i]);
        CHECK_STR(rows_of(&w, path, option), "W203 option `query` must be one `select`");
    }
    CHECK_STR(rows_of(&w, path, "'query':'select 1 as a, 2 as a'"),
              "W105 duplicate name `a` in the query: `… as other_name`");
    CHECK_CONTAINS(rows_of(&w, path, "'table':'orders','tabel':1"), "W202 unknown option `tabel`");
    struct wr_endpoint_bind bind = {.arena = &w.arena,
                                    .env = w.env,
                                    .timezone = "UTC",
                                    .spec = spec(&w, path, "'table':'orders'")};
    CHECK_INT(wr_source_sqlite.bind(&bind, &w.err), ==, WR_ESCRIPT);
    CHECK_STR(w.err.code, "W408");
    world_end(&w);
}
