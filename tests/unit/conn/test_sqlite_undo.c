/* test_sqlite_undo.c: rows of a SQLite sink by key that the state never heard of are taken back, in
 * tables of all kinds. */
#include "support_lives.h"

/* ---- what is taken back --------------------------------------------------------------------- */

TEST(undo_takes_back_the_rows_of_an_epoch_that_the_state_never_heard_of) {
    struct lives l;
    lives_begin(&l);
    all_of(&l, "+a,1\n+b,2\n+,3\n+d,4", 1);
    all_of(&l, "-a,1\n+a,7\n-b,2\n-,3\n+e,5\n-d,4\n+f,6\n-f,6\n+d,9", 0);
    CHECK_STR(rows_of(&l), "a|7\nd|9\ne|5\n");
    struct wr_sink *sink = live(&l);
    CHECK_STR(rows_of(&l), "a|7\nd|9\ne|5\n"); /* nobody sees it go back */
    CHECK_INT(sink->rows_written, ==, 4);
    CHECK_INT(write_rows(&l, sink, "+c,8", 1), ==, WR_OK);
    CHECK_STR(rows_of(&l), "null|3\na|1\nb|2\nc|8\nd|4\n");
    CHECK_INT(sink->rows_written, ==, 5);
    CHECK_INT(write_rows(&l, sink, NULL, 1), ==, WR_OK);
    end_in_order(&l, sink);
    CHECK_STR(rows_of(&l), "null|3\na|1\nb|2\nc|8\nd|4\n");
    check_nothing_is_kept(&l);
    lives_end(&l);
}

TEST(undo_goes_back_to_the_last_epoch_that_the_state_knows_and_no_further) {
    struct lives l;
    lives_begin(&l);
    struct wr_sink *sink = live(&l);
    CHECK_INT(write_rows(&l, sink, "+a,1\n+b,1", 1), ==, WR_OK);
    CHECK_INT(write_rows(&l, sink, "-a,1\n+a,2\n+c,2", 1), ==, WR_OK);
    CHECK_INT(write_rows(&l, sink, NULL, 1), ==, WR_OK);
    CHECK_INT(write_rows(&l, sink, "-b,1\n+d,3", 0), ==, WR_OK);
    close_sink(sink);
    all_of(&l, NULL, 0);
    CHECK_STR(rows_of(&l), "a|2\nb|1\nc|2\n");
    all_of(&l, "-c,2", 0); /* a second life that is lost too */
    all_of(&l, "+e,5", 1);
    CHECK_STR(rows_of(&l), "a|2\nb|1\nc|2\ne|5\n");
    lives_end(&l);
}

TEST(undo_that_is_cut_off_has_done_nothing_and_is_done_again) {
    struct lives l;
    lives_begin(&l);
    all_of(&l, "+a,1\n+b,2", 1);
    all_of(&l, "-a,1\n+b,7\n+c,3", 0);
    three_are_cut_off(&l, "+b,9\n+x,1");
    all_of(&l, NULL, 0);
    CHECK_STR(rows_of(&l), "a|1\nb|2\n");
    lives_end(&l);
}

TEST(undo_of_an_epoch_whose_rows_were_all_refused_takes_nothing_back) {
    struct lives l;
    lives_begin_with(&l, "k string,f float64", "k", "");
    struct wr_sink *sink = live(&l);
    CHECK_INT(write_rows(&l, sink, "a,1\nb,1", 1), ==, WR_OK);
    CHECK_INT(write_rows(&l, sink, "a,2", 1), ==, WR_OK);
    CHECK_INT(write_rows(&l, sink, "a,NaN", 0), ==, WR_OK);
    close_sink(sink);
    all_of(&l, NULL, 1);
    CHECK_STR(rows_of(&l), "a|2.0\nb|1.0\n");
    lives_end(&l);
}

TEST(undo_takes_rejects_back_too) {
    struct lives l;
    lives_begin(&l);
    run_sql(l.path, "create table t(k text primary key, n integer check (n > 0))");
    all_of(&l, "+a,1", 1);
    all_of(&l, "+b,-1\n+a,2", 0);
    wr_buf_clear(&l.w.rejects);
    all_of(&l, "+a,3\n+b,-1", 1);
    CHECK_CONTAINS(l.w.rejects.bytes, "CHECK constraint failed: n > 0");
    CHECK_STR(rows_of(&l), "a|3\n");
    lives_end(&l);
}

/* ---- all kinds of tables -------------------------------------------------------------------- */

#define EXTRA ", note, raw blob default x'00', big text generated always as (n * 2)"

static const char *const tables[] = {
    NULL,
    "create table t(k text primary key not null, n integer" EXTRA ")",
    "create table t(k text, n integer" EXTRA ", primary key (k)) without rowid",
    "create table t(k text collate nocase unique, n integer" EXTRA ")",
    "create table t(id integer primary key, k text unique, n integer" EXTRA ")",
    "create table t(n integer, k text not null collate nocase primary key" EXTRA ")",
    "create table t(k text unique, n integer" EXTRA "); create index by_n on t(n); "
    "create table seen(k, n); create trigger s after update on t begin insert into seen values "
    "(new.k, new.n); end",
};

/* Values of columns that the stream does not have, of all kinds. */
static const char set_extras[] =
    "update t set note = case n % 5 when 0 then null when 1 then 2.0 when 2 then x'0061' when 3 "
    "then cast(x'61006200' as text) else 7 end, raw = zeroblob(n % 3 + 1)";

/* Some changes over few keys, which may be the same but for their case. */
static void draw(uint64_t *dice, char csv[512]) {
    static const char *const keys[] = {"a", "b", "A", "c", "", "dd"};
    size_t length = 0;
    uint32_t count = (roll(dice) >> 27) + 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t drawn = roll(dice);
        length += (size_t)snprintf(csv + length, 512 - length, "%s%c%s,%u", i == 0 ? "" : "\n",
                                   drawn % 3 == 0 ? '-' : '+', keys[drawn / 3 % 6],
                                   drawn / 18 % 1000 + 1);
    }
}

/* What was there is there again, in a table of any kind, whatever was done to it. */
static const char *with_extras(struct lives *l, int extras) {
    return extras ? query(&l->w, l->path,
                          "select *, quote(k), quote(n), typeof(note), quote(note), hex(raw) from "
                          "t order by k, n")
                  : whole(l);
}

TEST(undo_gives_back_tables_of_all_kinds) {
    uint64_t dice = test_seed();
    do {
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
            struct lives l;
            int extras = tables[i] != NULL;
            lives_begin(&l);
            if (extras)
                run_sql(l.path, tables[i]);
            keep_three(&l, draw, &dice);
            if (extras)
                run_sql(l.path, set_extras);
            const char *before = with_extras(&l, extras);
            lose_three(&l, draw, &dice);
            all_of(&l, NULL, 1);
            CHECK_STR(with_extras(&l, extras), before);
            lives_end(&l);
        }
    } while (test_random_time_left());
}

TEST(undo_knows_keys_of_several_columns_and_types) {
    struct lives l;
    lives_begin_with(&l, "k string,d date,b bytes,f float64,at timestamp,n int64", "d,b,f,at,k",
                     "");
    all_of(&l,
           "+x,2024-02-03,AQ==,0.5,2024-01-01T00:00:00Z,1\n+y,,,,,2\n+,1999-12-31,YWI=,1e300,,3",
           1);
    const char *before = rows_of(&l);
    all_of(&l,
           "+x,2024-02-03,AQ==,0.5,2024-01-01T00:00:00Z,8\n-y,,,,,2\n+,1999-12-31,YWI=,1e300,,9\n+"
           "z,,,,,4",
           0);
    CHECK(strcmp(before, rows_of(&l)) != 0);
    all_of(&l, NULL, 1);
    CHECK_STR(rows_of(&l), before);
    lives_end(&l);
}

TEST(undo_goes_around_rows_that_stand_in_each_others_way) {
    struct lives l;
    lives_begin(&l);
    run_sql(l.path, "create table t(k text primary key, n integer unique)");
    all_of(&l, "+a,1\n+b,2\n+c,3", 1);
    all_of(&l, "+a,9\n+b,1\n+a,2\n+c,4\n+d,3", 0);
    CHECK_STR(rows_of(&l), "a|2\nb|1\nc|4\nd|3\n");
    all_of(&l, NULL, 1);
    CHECK_STR(rows_of(&l), "a|1\nb|2\nc|3\n");
    lives_end(&l);
}

TEST(undo_keeps_a_key_once_however_often_it_is_touched) {
    struct lives l;
    lives_begin(&l);
    struct wr_sink *sink = live(&l);
    CHECK_INT(write_rows(&l, sink, "+a,1\n+a,2\n-a,2\n+b,1\n+a,3\n-a,3\n+c,1\n+a,4", 1), ==, WR_OK);
    const char *name = query(&l.w, l.path,
                             "select name from sqlite_schema where name like 'weir\\_undo\\_%' "
                             "escape '\\'");
    char sql[128];
    snprintf(sql, sizeof sql, "select k0, had, gone, c0, c1 from %.*s order by rowid",
             (int)strcspn(name, "\n"), name);
    CHECK_STR(query(&l.w, l.path, sql),
              "a|0|0|null|null\na|1|1|a|2\nb|0|0|null|null\nc|0|0|null|null\n");
    CHECK_INT(write_rows(&l, sink, "+b,2", 1), ==, WR_OK);
    CHECK_STR(query(&l.w, l.path, sql), "b|1|0|b|1\n");
    close_sink(sink);
    lives_end(&l);
}

TEST(undo_stays_right_where_more_keys_are_touched_than_are_remembered) {
    struct lives l;
    lives_begin(&l);
    run_sql(l.path, "create table t(k text primary key, n integer) without rowid");
    struct wr_buf csv;
    wr_buf_init(&csv, &l.w.budget, 0);
    all_of(&l, "+k0,-1\n+k1,-1", 1);
    struct wr_sink *sink = live(&l);
    CHECK_INT(wr_sink_sqlite.begin(sink, 2, &l.w.err), ==, WR_OK);
    for (uint32_t round = 0; round < 40; round++) { /* about 24 MB of keys, the first two often */
        wr_buf_clear(&csv);
        wr_buf_addf(&csv, "k0,%u\nk1,%u", round, round);
        for (uint32_t i = 0; i < 2000; i++)
            wr_buf_addf(&csv, "\n%0250u,%u", round * 2000 + i, i);
        struct wr_batch *batch = batch_of(&l.w, l.schema, csv.bytes);
        CHECK_INT(wr_sink_sqlite.write(sink, batch, &l.w.err), ==, WR_OK);
        wr_batch_unref(batch);
    }
    CHECK_INT(wr_sink_sqlite.commit(sink, 2, &l.w.err), ==, WR_OK);
    close_sink(sink);
    CHECK_STR(query(&l.w, l.path, "select count(*) from t"), "80002\n");
    all_of(&l, NULL, 0);
    CHECK_STR(rows_of(&l), "k0|-1\nk1|-1\n");
    wr_buf_release(&csv);
    lives_end(&l);
}
