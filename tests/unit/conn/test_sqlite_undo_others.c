/* test_sqlite_undo_others.c: what was done to a table, its file or its sink before rows of an epoch
 * were taken back. */
#include "support_lives.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- what others did meanwhile -------------------------------------------------------------- */

TEST(undo_keeps_what_somebody_wrote_into_columns_that_are_not_the_streams) {
    struct lives l;
    lives_begin(&l);
    run_sql(l.path, "create table t(k text primary key, n integer, note text)");
    all_of(&l, "+a,1\n+b,2\n+c,3", 1);
    all_of(&l, "+a,5\n+b,6\n-c,3", 0);
    run_sql(l.path, "update t set note = 'mine', n = 0 where k = 'a'; delete from t where k = 'b'; "
                    "insert into t values ('c', 0, 'mine too'), ('x', 1, 'all mine')");
    all_of(&l, NULL, 1);
    CHECK_STR(rows_of(&l), "a|1|mine\nb|2|null\nc|3|null\nx|1|all mine\n");
    lives_end(&l);
}

TEST(undo_says_what_is_in_its_way_and_goes_on_when_it_is_gone) {
    struct lives l;
    lives_begin(&l);
    run_sql(l.path, "create table t(k text primary key, n integer unique, note text)");
    all_of(&l, "+a,1", 1);
    all_of(&l, "+a,5", 0);
    run_sql(l.path, "insert into t values ('x', 1, 'in the way')");
    for (int i = 0; i < 2; i++) {
        struct wr_sink *sink = live(&l);
        CHECK_INT(wr_sink_sqlite.begin(sink, 2, &l.w.err), ==, WR_OK);
        CHECK_INT(wr_sink_sqlite.prepare(sink, 2, &l.w.err), ==, WR_EREFUSED);
        CHECK_CONTAINS(error_text(&l.w), "W623");
        CHECK_CONTAINS(error_text(&l.w), "/t: rows that the state does not know of cannot be "
                                         "taken back: UNIQUE constraint failed: t.n");
        close_sink(sink);
        CHECK_STR(rows_of(&l), "a|5|null\nx|1|in the way\n");
    }
    run_sql(l.path, "delete from t where k = 'x'; alter table t rename note to other");
    struct wr_sink *sink = live(&l);
    CHECK_INT(wr_sink_sqlite.begin(sink, 2, &l.w.err), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.prepare(sink, 2, &l.w.err), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&l.w), "has no column named note");
    close_sink(sink);
    run_sql(l.path, "alter table t rename other to note; alter table t add column more default 3");
    all_of(&l, NULL, 1);
    CHECK_STR(rows_of(&l), "a|1|null|3\n");
    lives_end(&l);
}

TEST(undo_makes_no_table_in_the_place_of_one_that_was_dropped) {
    struct lives l;
    lives_begin(&l);
    all_of(&l, "+a,1\n+b,2", 1);
    all_of(&l, "-a,1\n+c,3", 0);
    run_sql(l.path, "drop table t");
    CHECK(open_varying(&l, 1) == NULL);
    CHECK_CONTAINS(error_text(&l.w), "4 rows of this state went into the table `t`, and it is not "
                                     "there");
    CHECK_STR(query(&l.w, l.path, "select name from sqlite_schema where name = 't'"), "");
    lives_end(&l);
}

TEST(undo_refuses_a_state_that_is_older_than_what_it_leads_back_to) {
    struct lives l;
    lives_begin(&l);
    all_of(&l, "+a,1", 1);
    struct wr_buf old;
    wr_buf_init(&old, &l.w.budget, 0);
    wr_buf_add(&old, l.saved.bytes, l.saved.length);
    all_of(&l, "+a,2\n+b,1", 1);
    all_of(&l, "+a,3", 0);
    wr_buf_clear(&l.saved);
    wr_buf_add(&l.saved, old.bytes, old.length);
    CHECK(open_varying(&l, 1) == NULL);
    CHECK_CONTAINS(error_text(&l.w), "this state directory is older than the file: by the state 1 "
                                     "rows went into it, and the file can be taken back to 3");
    CHECK_STR(rows_of(&l), "a|3\nb|1\n");
    wr_buf_release(&old);
    lives_end(&l);
}

TEST(undo_lets_only_the_instance_write_that_came_last) {
    struct lives l;
    lives_begin(&l);
    all_of(&l, "+a,1", 1);
    struct wr_sink *first = live(&l);
    CHECK_INT(write_rows(&l, first, "+a,2\n+b,1", 0), ==, WR_OK);
    all_of(&l, "+a,5\n+c,1", 0); /* a copy of the state: as many rows, and others */
    CHECK_INT(write_rows(&l, first, "+a,3", 0), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&l.w), "another instance of this pipeline has written to it");
    close_sink(first);
    CHECK_STR(rows_of(&l), "a|5\nc|1\n");
    struct wr_sink *late = live(&l); /* opened before another one, and begins behind it */
    all_of(&l, "+a,6\n+d,1", 0);
    CHECK_INT(write_rows(&l, late, "+a,7", 0), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&l.w), "W617");
    close_sink(late);
    CHECK_STR(rows_of(&l), "a|6\nd|1\n");
    lives_end(&l);
}

/* ---- modes ---------------------------------------------------------------------------------- */

TEST(undo_is_of_the_table_beside_where_one_is_filled) {
    struct lives l;
    lives_begin_with(&l, TABLE_SCHEMA, "k", "'mode':'replace'");
    run_sql(l.path, "create table t(k text, n integer); insert into t values ('old', 1)");
    all_of(&l, "+a,1\n+b,2", 1);
    all_of(&l, "-a,1\n+c,3", 0);
    struct wr_sink *sink = live(&l);
    CHECK_INT(write_rows(&l, sink, "+b,5", 1), ==, WR_OK);
    CHECK_STR(rows_of(&l), "old|1\n");
    CHECK_INT(wr_sink_sqlite.begin(sink, 9, &l.w.err), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.finish(sink, &l.w.err), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(rows_of(&l), "a|1\nb|5\n");
    CHECK_STR(query(&l.w, l.path, "select name from sqlite_schema where type = 'table' order by 1"),
              "t\nweir_commit\nweir_undo\n");
    lives_end(&l);
}

TEST(undo_takes_back_keys_that_an_audited_write_was_to_delete) {
    struct lives l;
    lives_begin(&l);
    l.held = 1;
    l.bind.updates = 1;
    CHECK_INT(wr_sink_sqlite.bind(&l.bind, &l.w.err), ==, WR_OK);
    run_sql(l.path, "create table t(k text primary key, n integer); "
                    "insert into t values ('x', 1), ('y', 2), ('z', 3)");
    all_of(&l, "+a,1\n-z,3", 1);
    all_of(&l, "+x,5\n-x,5\n-a,1\n-y,2", 0);
    struct wr_sink *sink = live(&l);
    CHECK_INT(write_rows(&l, sink, "+y,7", 1), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.begin(sink, 9, &l.w.err), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.finish(sink, &l.w.err), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(rows_of(&l), "a|1\nx|1\ny|7\n");
    lives_end(&l);
}

TEST(undo_is_paid_by_those_alone_whose_rows_vary) {
    struct lives l;
    lives_begin(&l);
    struct wr_sink *sink = open_varying(&l, 0);
    CHECK_INT(write_rows(&l, sink, "+a,1", 1), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(query(&l.w, l.path, "select count(*) from sqlite_schema where name like 'weir_un%'"),
              "0\n");
    all_of(&l, "+b,2", 1); /* a script that varies goes on with the state */
    all_of(&l, "+c,3", 0);
    sink = open_varying(&l, 0); /* and one that does not */
    CHECK_INT(write_rows(&l, sink, "+d,4", 1), ==, WR_OK);
    CHECK_STR(rows_of(&l), "a|1\nb|2\nd|4\n");
    CHECK_STR(query(&l.w, l.path, "select count(*) from weir_undo"), "0\n");
    CHECK_INT(write_rows(&l, sink, "+e,5", 0), ==, WR_OK);
    close_sink(sink);
    sink = open_varying(&l, 0);
    CHECK_INT(write_rows(&l, sink, "+e,9\n+f,6", 1), ==, WR_OK); /* passed over by count */
    close_sink(sink);
    CHECK_STR(rows_of(&l), "a|1\nb|2\nd|4\ne|5\nf|6\n");
    lives_end(&l);
}

TEST(undo_of_several_sinks_of_a_file_is_of_each_its_own) {
    struct lives l, other;
    lives_begin(&l);
    lives_begin(&other);
    const char *path = in_folder(&l.w, "o.db");
    struct wr_value *spec =
        value_of_json(&l.w, "{'endpoint':{'address':'%s','options':{'table':'u'}}}", path);
    CHECK_INT(bind_sink(&l.w, &wr_sink_sqlite, spec, l.schema, "k", &other.bind), ==, WR_OK);
    for (int life = 0; life < 3; life++) {
        struct wr_sink *a = live(&l), *b;
        const char *csv = life == 0 ? "+a,1\n+b,2" : life == 1 ? "-a,1\n+c,3" : "+z,1";
        struct lives with = {.w = l.w, .bind = other.bind, .saved = other.saved, .identity = 78};
        b = open_varying(&with, 1);
        other.saved = with.saved;
        CHECK_INT(wr_sink_sqlite.begin(a, 1, &l.w.err), ==, WR_OK);
        CHECK_INT(wr_sink_sqlite.begin(b, 1, &l.w.err), ==, WR_OK);
        struct wr_batch *batch = batch_of(&l.w, l.schema, csv);
        CHECK_INT(wr_sink_sqlite.write(a, batch, &l.w.err), ==, WR_OK);
        if (life != 1)
            CHECK_INT(wr_sink_sqlite.write(b, batch, &l.w.err), ==, WR_OK);
        wr_batch_unref(batch);
        if (life == 0) {
            CHECK_INT(wr_sink_sqlite.save(a, &l.saved), ==, WR_OK);
            CHECK_INT(wr_sink_sqlite.save(b, &other.saved), ==, WR_OK);
        }
        CHECK_INT(wr_sink_sqlite.commit(a, 1, &l.w.err), ==, WR_OK);
        CHECK_INT(wr_sink_sqlite.commit(b, 1, &l.w.err), ==, WR_OK);
        close_sink(a);
        close_sink(b);
    }
    CHECK_STR(rows_of(&l), "a|1\nb|2\nz|1\n");
    CHECK_STR(query(&l.w, l.path, "select * from u order by 1"), "a|1\nb|2\nz|1\n");
    lives_end(&other);
    lives_end(&l);
}

/* ---- failures ------------------------------------------------------------------------------- */

TEST(undo_for_which_the_disk_has_no_room_is_done_later) {
    struct lives l;
    lives_begin(&l);
    char csv[8192];
    size_t length = 0;
    for (int i = 0; i < 200; i++)
        length += (size_t)snprintf(csv + length, sizeof csv - length, "%s%030d,%d",
                                   i == 0 ? "" : "\n", i, i);
    all_of(&l, csv, 1);
    const char *before = rows_of(&l);
    run_sql(l.path, "update t set n = n"); /* no room is left in its pages either */
    struct wr_sink *sink = live(&l);
    CHECK_INT(wr_sink_sqlite.begin(sink, 2, &l.w.err), ==, WR_OK);
    struct wr_batch *batch = batch_of(&l.w, l.schema, "+x,1");
    CHECK_INT(wr_sink_sqlite.write(sink, batch, &l.w.err), ==, WR_OK);
    wr_batch_unref(batch);
    CHECK_INT(wr_sink_sqlite.commit(sink, 2, &l.w.err), ==, WR_OK);
    close_sink(sink);
    run_sql(l.path, "delete from t where k <> 'x'");
    struct rlimit was, small = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &was), ==, 0);
    small.rlim_max = was.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    sink = live(&l);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    int status = write_rows(&l, sink, "+y,1", 0);
    close_sink(sink);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &was), ==, 0);
    CHECK_INT(status, ==, WR_EIO);
    CHECK_STR(rows_of(&l), "x|1\n");
    all_of(&l, csv, 1);
    CHECK_STR(rows_of(&l), before);
    lives_end(&l);
}

/* Two epochs, of which the state hears the first; or one that takes the second one back. */
static int live_without_memory(struct wr_sink *sink, struct wr_batch *batch, struct wr_buf *saved) {
    struct wr_reader from = {.bytes = saved->bytes, .length = saved->length};
    struct wr_error err = {0};
    int is_first = saved->length == 0;
    int status = wr_sink_sqlite.open(sink, is_first ? NULL : &from, &err);
    if (status != WR_OK)
        return status;
    for (uint64_t epoch = 1; epoch < 3 && status == WR_OK; epoch++) {
        status = wr_sink_sqlite.begin(sink, epoch, &err);
        if (status == WR_OK && is_first)
            status = wr_sink_sqlite.write(sink, batch, &err);
        if (status == WR_OK && epoch == 1 && is_first)
            status = wr_sink_sqlite.save(sink, saved);
        if (status == WR_OK)
            status = wr_sink_sqlite.commit(sink, epoch, &err);
    }
    wr_sink_sqlite.close(sink);
    return status;
}

TEST_EACH_ALLOCATION_FAILS(undo_gives_everything_back) {
    static char state;
    struct wr_budget budget = WR_BUDGET_INIT("sink", 0);
    struct wr_arena arena;
    struct wr_error err = {0};
    struct wr_buf saved;
    char path[64];
    uint16_t key = 0;
    int64_t numbers[2] = {1, 2}, weights[2] = {1, -1};
    snprintf(path, sizeof path, "/tmp/weir-conn-%d.db", (int)getpid());
    wr_arena_init(&arena, &budget, 4096);
    wr_buf_init(&saved, &budget, 0);
    struct wr_schema *schema = wr_schema_new(&arena, 1);
    struct wr_value *spec = wr_value_new_map(&arena, 2);
    if (schema != NULL && spec != NULL) {
        schema->fields[0] =
            (struct wr_field){.name = "k", .name_length = 1, .type = WR_TYPE(WR_INT64)};
        static const char *names[] = {"endpoint", "table"};
        static const char *address_name[] = {"address"};
        struct wr_value address = {
            .kind = WR_VALUE_STRING, .string = path, .count = (uint32_t)strlen(path)};
        spec->items[0] = (struct wr_value){
            .kind = WR_VALUE_MAP, .count = 1, .items = &address, .names = address_name};
        spec->items[1] = (struct wr_value){.kind = WR_VALUE_STRING, .string = "t", .count = 1};
        memcpy(spec->names, names, sizeof names);
        struct wr_column column = {.data = numbers};
        struct wr_batch batch = {.schema = schema,
                                 .columns = &column,
                                 .row_count = 2,
                                 .sel_count = 2,
                                 .weight = weights};
        struct wr_endpoint_bind bind = {.arena = &arena,
                                        .env = wr_env_real(),
                                        .spec = spec,
                                        .timezone = "UTC",
                                        .input = schema,
                                        .key = &key,
                                        .key_count = 1,
                                        .bounded_input = 1};
        int status = wr_sink_sqlite.bind(&bind, &err);
        for (int life = 0; life < 2 && status == WR_OK; life++) {
            struct wr_sink *sink = wr_alloc_zero(&budget, wr_sink_sqlite.size_bytes);
            status = WR_ENOMEM;
            if (sink != NULL) {
                *sink = (struct wr_sink){.type = &wr_sink_sqlite,
                                         .config = bind.config,
                                         .schema = schema,
                                         .env = wr_env_real(),
                                         .budget = &budget,
                                         .store = (struct wr_store *)(void *)&state,
                                         .identity = 77,
                                         .varies = 1,
                                         .name = bind.name};
                status = live_without_memory(sink, &batch, &saved);
            }
            wr_free(&budget, sink);
        }
        if (status != WR_OK)
            CHECK_INT(status, ==, WR_ENOMEM);
    }
    wr_buf_release(&saved);
    wr_arena_release(&arena);
    unlink(path);
    CHECK_INT(budget.bytes_used, ==, 0);
}
