/* test_sqlite_undo_rows.c: rows of a SQLite sink without a key that the state never heard of are
 * taken back, in tables of all kinds; or it is said that they cannot be. */
#include "support_lives.h"

static void begin_appending(struct lives *l, const char *more) {
    lives_begin_with(l, TABLE_SCHEMA, "", more);
}

static const char *kept_of(struct lives *l, const char *what) {
    const char *name = query(&l->w, l->path,
                             "select name from sqlite_schema where name like 'weir\\_undo\\_%' "
                             "escape '\\'");
    char sql[128];
    snprintf(sql, sizeof sql, "select %s from %.*s", what, (int)strcspn(name, "\n"), name);
    return query(&l->w, l->path, sql);
}

/* ---- what is taken back --------------------------------------------------------------------- */

TEST(undo_rows_that_the_state_never_heard_of_are_there_once) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    all_of(&l, "a,1\nb,2", 1);
    all_of(&l, "c,3\na,1\nd,4", 0);
    CHECK_STR(rows_of(&l), "a|1\na|1\nb|2\nc|3\nd|4\n");
    struct wr_sink *sink = live(&l);
    CHECK_STR(rows_of(&l), "a|1\na|1\nb|2\nc|3\nd|4\n"); /* nobody sees it go back */
    CHECK_INT(sink->rows_written, ==, 2);
    CHECK_INT(write_rows(&l, sink, "d,4\ne,5", 1), ==, WR_OK);
    CHECK_STR(rows_of(&l), "a|1\nb|2\nd|4\ne|5\n");
    CHECK_INT(sink->rows_written, ==, 4);
    end_in_order(&l, sink);
    check_nothing_is_kept(&l);
    CHECK_STR(l.notes.length == 0 ? "" : l.notes.bytes, "");
    lives_end(&l);
}

TEST(undo_rows_goes_back_to_the_last_epoch_that_the_state_knows_and_no_further) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    struct wr_sink *sink = live(&l);
    CHECK_INT(write_rows(&l, sink, "a,1\nb,1", 1), ==, WR_OK);
    CHECK_INT(write_rows(&l, sink, "c,2", 1), ==, WR_OK);
    CHECK_STR(kept_of(&l, "r"), "3\n");
    CHECK_INT(write_rows(&l, sink, NULL, 1), ==, WR_OK);
    CHECK_INT(write_rows(&l, sink, "d,3\ne,3", 0), ==, WR_OK);
    CHECK_STR(kept_of(&l, "r"), "4\n5\n");
    close_sink(sink);
    all_of(&l, NULL, 0);
    CHECK_STR(rows_of(&l), "a|1\nb|1\nc|2\n");
    all_of(&l, "x,9", 0); /* a second life that is lost too */
    all_of(&l, "e,5", 1);
    CHECK_STR(rows_of(&l), "a|1\nb|1\nc|2\ne|5\n");
    lives_end(&l);
}

TEST(undo_rows_that_is_cut_off_has_done_nothing_and_is_done_again) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    all_of(&l, "a,1", 1);
    all_of(&l, "b,7\nc,3", 0);
    three_are_cut_off(&l, "b,9\nx,1");
    all_of(&l, NULL, 0);
    CHECK_STR(rows_of(&l), "a|1\n");
    lives_end(&l);
}

TEST(undo_rows_of_an_epoch_whose_rows_were_all_refused_takes_nothing_back) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    run_sql(l.path, "create table t(k text, n integer check (n > 0))");
    all_of(&l, "a,1", 1);
    all_of(&l, "b,-1", 0);
    wr_buf_clear(&l.w.rejects);
    all_of(&l, "a,3\nb,-1", 1);
    CHECK_CONTAINS(l.w.rejects.bytes, "CHECK constraint failed: n > 0");
    CHECK_STR(rows_of(&l), "a|1\na|3\n");
    lives_end(&l);
}

/* ---- all kinds of tables -------------------------------------------------------------------- */

static const char *const tables[] = {
    NULL,
    "create table t(k text, n integer, note default 'none', big generated always as (n * 2))",
    "create table t(id integer primary key, k text, n integer)",
    "create table t(id integer primary key autoincrement, k text, n integer)",
    "create table t(k text, n integer, \"rowid\" text, \"a, b\" default 1, \"c\"\"d\" default 'x')",
    "create table t(k text, n numeric, unique (k, n))",
    "create table t(k text, n integer primary key)",
    "create table t(k text, n integer, at text); create trigger s after insert on t begin "
    "update t set at = new.k || new.n where rowid = new.rowid; insert into t values ('more', 0, "
    "null); delete from t where k = 'more'; end",
    "create table t(k text, n integer); create trigger s before insert on t when new.n % 3 = 0 "
    "begin select raise(ignore); end",
    "create table t(k text, n integer); insert into t(rowid, k, n) values (9223372036854775806, "
    "'last', 1)",
};

static void draw(uint64_t *dice, char csv[512]) {
    size_t length = 0;
    uint32_t count = (roll(dice) >> 27) + 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t drawn = roll(dice);
        length += (size_t)snprintf(csv + length, 512 - length, "%s%c,%u", i == 0 ? "" : "\n",
                                   'a' + (char)(drawn % 4), drawn / 4 % 1000 + 1);
    }
}

TEST(undo_rows_gives_back_tables_of_all_kinds) {
    uint64_t dice = test_seed();
    do {
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
            struct lives l;
            begin_appending(&l, "'mode':'append'");
            if (tables[i] != NULL)
                run_sql(l.path, tables[i]);
            keep_three(&l, draw, &dice);
            const char *before = whole(&l);
            lose_three(&l, draw, &dice);
            all_of(&l, NULL, 1);
            CHECK_STR(whole(&l), before);
            CHECK(l.notes.length == 0 || strstr(l.notes.bytes, "come again") == NULL);
            lives_end(&l);
        }
    } while (test_random_time_left());
}

TEST(undo_rows_knows_rows_of_many_columns_and_all_types) {
    struct lives l;
    struct wr_buf table;
    lives_begin_with(&l, "k string,d date,b bytes,f float64,at timestamp,n int64", "",
                     "'mode':'append'");
    wr_buf_init(&table, &l.w.budget, 0);
    wr_buf_add_text(&table, "create table t(k text, d DATE TEXT, b BLOB, f REAL, at TIMESTAMP TEXT,"
                            " n integer");
    for (uint32_t i = 0; i < 350; i++)
        wr_buf_addf(&table, ", \"x, %u\" default %u", i, i);
    wr_buf_add_char(&table, ')');
    run_sql(l.path, table.bytes);
    static const char rows[] = "x,2024-02-03,AQ==,0.5,2024-01-01T00:00:00Z,1\n,,,,,\ny,,,1e300,,2";
    all_of(&l, rows, 1);
    all_of(&l, rows, 0);
    all_of(&l, rows, 0);
    run_sql(l.path, "update t set \"x, 349\" = 7 where rowid = 4");
    all_of(&l, NULL, 1);
    CHECK_STR(query(&l.w, l.path, "select count(*), group_concat(rowid) from t"), "4|1,2,3,4\n");
    CHECK_CONTAINS(l.notes.bytes, "of 3 rows that the state does not know of 1 were changed");
    wr_buf_release(&table);
    lives_end(&l);
}

/* ---- tables that cannot be taken back ------------------------------------------------------- */

static const struct {
    const char *table, *why, *left;
} plain[] = {
    {"create table t(k text, n integer, primary key (k, n)) without rowid",
     "it is a table `without rowid`", "a|1\nb|2\nc|3\n"},
    {"create virtual table t using fts5(k, n)", "it is a virtual table", "a|1\nb|2\nb|2\nc|3\n"},
    {"create table t(k text unique on conflict replace, n integer)", "on conflict replace",
     "a|1\nb|2\nc|3\n"},
    {"create table t(k text, n integer, rowid, _rowid_, OID)", "all names", "a|1\nb|2\nb|2\nc|3\n"},
};

TEST(undo_rows_says_of_which_tables_some_may_be_there_twice) {
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        struct lives l;
        begin_appending(&l, "'mode':'append'");
        run_sql(l.path, plain[i].table);
        all_of(&l, "a,1", 1);
        CHECK_CONTAINS(l.notes.bytes,
                       "may be there twice behind a kill, since the table has no key");
        CHECK_CONTAINS(l.notes.bytes, plain[i].why);
        all_of(&l, "b,2", 0);
        all_of(&l, i == 0 ? "c,3" : "b,2\nc,3", 1);
        CHECK_STR(query(&l.w, l.path, "select k, n from t order by 1, 2"), plain[i].left);
        CHECK_STR(query(&l.w, l.path, "select 1 from sqlite_schema where name = 'weir_undo'"), "");
        lives_end(&l);
    }
}

TEST(undo_rows_says_which_trigger_does_something_that_stays) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    run_sql(l.path,
            "create table t(k text, n integer); create table seen(k); create trigger mirror "
            "after insert on t begin insert into seen values (new.k); end");
    all_of(&l, "a,1", 1);
    CHECK_CONTAINS(l.notes.bytes, "the trigger or rule `mirror` of the table");
    all_of(&l, "b,2", 0);
    all_of(&l, "b,2", 1);
    CHECK_STR(rows_of(&l), "a|1\nb|2\n");
    CHECK_STR(query(&l.w, l.path, "select k from seen order by rowid"), "a\nb\nb\n");
    lives_end(&l);
}

/* ---- what others did meanwhile -------------------------------------------------------------- */

TEST(undo_rows_leaves_what_somebody_changed_or_put_in_their_place_and_says_so) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    all_of(&l, "a,1\nb,2", 1);
    all_of(&l, "c,3\nd,4\ne,5\nf,6", 0);
    run_sql(l.path, "update t set n = 40 where k = 'd'; delete from t where k in ('e', 'f'); "
                    "insert into t values ('mine', 1); insert into t values ('mine', 2)");
    all_of(&l, "c,3", 1);
    CHECK_STR(rows_of(&l), "a|1\nb|2\nc|3\nd|40\nmine|1\nmine|2\n");
    CHECK_CONTAINS(l.notes.bytes,
                   "of 4 rows that the state does not know of 3 were changed, taken away");
    lives_end(&l);
}

TEST(undo_rows_never_takes_others_where_a_vacuum_gave_new_numbers) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    all_of(&l, "a,1\nb,2\nc,3", 1);
    all_of(&l, "d,4\ne,5", 0);
    run_sql(l.path, "delete from t where k = 'a'; vacuum");
    run_sql(l.path, "insert into t values ('x', 6), ('y', 7)");
    all_of(&l, NULL, 1);
    CHECK_STR(rows_of(&l), "b|2\nc|3\nd|4\ne|5\nx|6\ny|7\n");
    CHECK_CONTAINS(l.notes.bytes, "of 2 rows that the state does not know of 2 were");
    lives_end(&l);
}

TEST(undo_rows_says_what_is_in_its_way) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    run_sql(l.path, "create table t(k text, n integer, note text)");
    all_of(&l, "a,1", 1);
    all_of(&l, "b,2", 0);
    run_sql(l.path, "create trigger no before delete on t begin select raise(abort, 'never'); end");
    struct wr_sink *sink = live(&l);
    CHECK_INT(write_rows(&l, sink, NULL, 0), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&l.w), "W623");
    CHECK_CONTAINS(error_text(&l.w), "cannot be taken back: never");
    close_sink(sink);
    run_sql(l.path, "drop trigger no; alter table t drop column note");
    sink = live(&l);
    CHECK_INT(write_rows(&l, sink, NULL, 0), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&l.w), "no such column: note");
    close_sink(sink);
    run_sql(l.path, "alter table t add column note text");
    all_of(&l, NULL, 1);
    CHECK_STR(rows_of(&l), "a|1|null\n");
    lives_end(&l);
}

TEST(undo_rows_lets_only_the_instance_write_that_came_last) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    all_of(&l, "a,1", 1);
    struct wr_sink *first = live(&l);
    CHECK_INT(write_rows(&l, first, "b,1", 0), ==, WR_OK);
    all_of(&l, "c,1", 0); /* a copy of the state: as many rows, and others */
    CHECK_INT(write_rows(&l, first, "d,3", 0), ==, WR_EREFUSED);
    CHECK_CONTAINS(error_text(&l.w), "W617");
    close_sink(first);
    CHECK_STR(rows_of(&l), "a|1\nc|1\n");
    lives_end(&l);
}

/* ---- modes ---------------------------------------------------------------------------------- */

TEST(undo_rows_is_of_the_table_beside_where_one_is_filled) {
    for (int held = 0; held < 2; held++) {
        struct lives l;
        begin_appending(&l, held ? "'mode':'append'" : "'mode':'replace'");
        l.held = (uint8_t)held;
        run_sql(l.path, "create table t(k text, n integer); insert into t values ('old', 1)");
        all_of(&l, "a,1\nb,2", 1);
        all_of(&l, "c,3", 0);
        struct wr_sink *sink = live(&l);
        CHECK_INT(write_rows(&l, sink, "d,5", 1), ==, WR_OK);
        CHECK_STR(rows_of(&l), "old|1\n");
        end_in_order(&l, sink);
        CHECK_STR(rows_of(&l), held ? "a|1\nb|2\nd|5\nold|1\n" : "a|1\nb|2\nd|5\n");
        lives_end(&l);
    }
}

/* What was kept is used where the rows do not vary any more, and where they had a key then. */
TEST(undo_rows_of_a_script_that_was_changed) {
    struct lives l;
    begin_appending(&l, "'mode':'append'");
    all_of(&l, "a,1", 1);
    all_of(&l, "b,2", 0);
    struct wr_sink *sink = open_varying(&l, 0);
    CHECK(sink != NULL);
    CHECK_INT(write_rows(&l, sink, "c,3", 1), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(rows_of(&l), "a|1\nc|3\n");
    CHECK_STR(query(&l.w, l.path, "select count(*) from weir_undo"), "0\n");
    lives_end(&l);
}
