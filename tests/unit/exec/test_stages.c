/* test_stages.c: what single stages make of rows, and which rows they reject. */
#include "test.h"
#include "support_run.h"

/* One stage behind a source: the rows behind it. */
static const char *rows_of(struct stand *stand, const char *schema, const char *feed,
                           const char *stage) {
    static char rows[4][4096];
    static unsigned turn;
    char *text = rows[turn++ % 4];
    stand_begin(stand);
    uint32_t read = stand_source(stand, schema, 1);
    uint32_t sink = stand_sink(stand, test_add(stand->plan, "{'inputs':[%u],%s}", read, stage));
    stand_feed(stand, read, 0, feed);
    stand_run_all(stand);
    snprintf(text, sizeof rows[0], "%s", stand_rows(stand, sink));
    stand_end(stand);
    return text;
}

TEST(filter_keeps_rows_for_which_it_is_true) {
    struct stand s;
    CHECK_STR(rows_of(&s, "v int64", "1|nil|3|2", "'op':'filter','expr':e`v > 1`"), "3|2");
    CHECK_STR(rows_of(&s, "v int64", "1|nil", "'op':'filter','expr':e`v > 1`"), "");
}

TEST(derive_rejects_the_row_whose_item_fails) {
    struct stand s;
    CHECK_STR(rows_of(&s, "v int64", "2|0|nil|5", "'op':'derive','items':l`q = 10 // v`"),
              "2 5|nil nil|5 2");
    CHECK_INT(s.summary.rejected, ==, 1);
    CHECK_INT(s.summary.kinds[0].code, ==, 503);
    CHECK_STR(s.summary.kinds[0].position, "row 2");
}

TEST(agg_without_keys_is_one_row_and_none_without_rows) {
    struct stand s;
    CHECK_STR(rows_of(&s, "v int64", "1|2/3|nil", "'op':'agg','items':l`n = count(), s = sum(v)`"),
              "4 6");
    CHECK_STR(
        rows_of(&s, "v int64", "1|nil/1", "'op':'agg','items':l`n = count()`,'group_by':l`v`"),
        "1 2|nil 1");
}

TEST(agg_rejects_a_group_whose_sum_is_too_large) {
    struct stand s;
    CHECK_STR(rows_of(&s, "k string, v int64", "a 9223372036854775807|b 1|a 1",
                      "'op':'agg','items':l`s = sum(v)`,'group_by':l`k`"),
              "b 1");
    CHECK_INT(s.summary.kinds[0].code, ==, 504);
    CHECK_STR(s.summary.kinds[0].position, "");
}

TEST(sort_puts_nil_last_both_ways_and_keeps_ties) {
    struct stand s;
    const char *feed = "2 a|nil b|1 c/2 d|nil e|1 f";
    CHECK_STR(rows_of(&s, "v int64, k string", feed, "'op':'sort','order':o`v`"),
              "1 c|1 f|2 a|2 d|nil b|nil e");
    CHECK_STR(rows_of(&s, "v int64, k string", feed, "'op':'sort','order':o`v desc`"),
              "2 a|2 d|1 c|1 f|nil b|nil e");
    CHECK_STR(rows_of(&s, "v int64, k string", feed, "'op':'sort','order':o`v desc, k desc`"),
              "2 d|2 a|1 f|1 c|nil e|nil b");
}

TEST(sort_of_columns_that_nobody_reads) {
    struct stand s;
    stand_begin(&s);
    uint32_t read = stand_source(&s, "k string, v int64, w float64", 1);
    uint32_t sorted = test_add(s.plan, "{'inputs':[%u],'op':'sort','order':o`v`}", read);
    uint32_t one = test_add(s.plan, "{'inputs':[%u],'op':'select','items':l`v`}", sorted);
    uint32_t sink = stand_sink(&s, one);
    stand_feed(&s, read, 0, "a_string_beyond_the_inline_room 3 1.5|b 1 2.5|c 2 nil");
    stand_run_all(&s);
    CHECK_STR(stand_rows(&s, sink), "1|2|3");
    CHECK_INT(s.columns_given[0], ==, 1); /* k and w are not even decoded */
    stand_end(&s);
}

TEST(sort_by_time_refuses_rows_that_are_behind) {
    struct stand s;
    stand_begin(&s);
    uint32_t read = stand_source(&s, "t timestamp, v int64", 1);
    uint32_t timed =
        test_add(s.plan, "{'inputs':[%u],'op':'event_time','items':l`t`,'max_delay':5}", read);
    uint32_t sorted = test_add(s.plan, "{'inputs':[%u],'op':'sort'}", timed);
    uint32_t sink = stand_sink(&s, sorted);
    uint32_t late = stand_sink(&s, test_add(s.plan, "{'inputs':[%u],'op':'late'}", sorted));
    stand_feed(&s, read, 0, "10 1|7 2|10 3|5 4/20 5|14 6|15 7|30 8");
    for (uint32_t split = 0; split < 9; split++) {
        stand_forget(&s);
        s.split = split;
        stand_run_all(&s);
        CHECK_STR(stand_rows(&s, sink), "5 4|7 2|10 1|10 3|15 7|20 5|30 8");
        CHECK_STR(stand_rows(&s, late), "14 6");
    }
    stand_end(&s);
}

TEST(distinct_gives_each_combination_once_with_its_first_row) {
    struct stand s;
    CHECK_STR(rows_of(&s, "k string, v int64", "a 1|b 1|a 1/a 2|nil 1|nil 1", "'op':'distinct'"),
              "a 1|b 1|a 2|nil 1");
    CHECK_STR(rows_of(&s, "k string, v int64", "a 1|b 1|a 1/a 2|nil 1|nil 1",
                      "'op':'distinct','columns':['v']"),
              "1|2");
}

/* ---- lookup ---- */

static const char *looked_up(struct stand *s, const char *left, const char *right,
                             const char *options, int *status) {
    static char rows[4][2048];
    static unsigned turn;
    char *text = rows[turn++ % 4];
    stand_begin(s);
    uint32_t a = stand_source(s, "k int64, v string", 1);
    uint32_t b = stand_source(s, "id int64, name string", 1);
    uint32_t sink =
        stand_sink(s, test_add(s->plan, "{'op':'lookup','inputs':[%u,%u],'on':l`x = k == id`%s}", a,
                               b, options));
    stand_feed(s, a, 0, left);
    stand_feed(s, b, 0, right);
    *status = stand_run(s);
    snprintf(text, sizeof rows[0], "%s", stand_rows(s, sink));
    stand_end(s);
    return text;
}

TEST(lookup_of_many_keeps_the_place_of_each_row) {
    struct stand s;
    stand_begin(&s);
    uint32_t a = stand_source(&s, "k int64, v int64", 1);
    uint32_t b = stand_source(&s, "id int64, w int64", 1);
    uint32_t both =
        test_add(s.plan, "{'op':'lookup','inputs':[%u,%u],'on':l`x = k == id`,'many':true}", a, b);
    uint32_t failing =
        test_add(s.plan, "{'inputs':[%u],'op':'derive','items':l`q = 10 // (v - w)`}", both);
    stand_sink(&s, failing);
    uint32_t sink =
        stand_sink(&s, test_add(s.plan, "{'inputs':[%u],'op':'select','items':l`source, position`}",
                                test_add(s.plan, "{'inputs':[%u],'op':'rejects'}", failing)));
    stand_feed(&s, a, 0, "7 1|1 5|7 2|1 6");
    stand_feed(&s, b, 0, "1 5|1 6|1 7|1 5");
    stand_run_all(&s);
    CHECK_CONTAINS(stand_rows(&s, sink), "row 2");
    CHECK_CONTAINS(stand_rows(&s, sink), "row 4");
    CHECK_INT(s.summary.rejected, ==, 3); /* 5 - 5 twice, 6 - 6 */
    CHECK_STR(s.summary.kinds[0].position, "row 2");
    stand_end(&s);
}

TEST(lookup_adds_the_columns_of_the_table) {
    struct stand s;
    int status;
    const char *left = "2 a|9 b/nil c|1 d", *right = "1 one/2 two|nil nothing";
    CHECK_STR(looked_up(&s, left, right, "", &status), "2 a two|9 b nil|nil c nil|1 d one");
    CHECK_INT(status, ==, WR_OK);
    CHECK_STR(looked_up(&s, left, right, ",'how':'inner'", &status), "2 a two|1 d one");
    CHECK_STR(looked_up(&s, left, right, ",'how':'semi'", &status), "2 a|1 d");
    CHECK_STR(looked_up(&s, left, right, ",'how':'anti'", &status), "9 b|nil c");
    CHECK_STR(looked_up(&s, left, "", "", &status), "2 a nil|9 b nil|nil c nil|1 d nil");
}

TEST(lookup_of_many_gives_matches_in_the_order_of_the_table) {
    struct stand s;
    int status;
    const char *right = "1 one|2 two/1 uno|2 due|1 eins";
    CHECK_STR(looked_up(&s, "2 a|9 b|1 c", right, ",'many':true", &status),
              "2 a two|2 a due|9 b nil|1 c one|1 c uno|1 c eins");
    CHECK_STR(looked_up(&s, "2 a|9 b|1 c", right, ",'many':true,'how':'inner'", &status),
              "2 a two|2 a due|1 c one|1 c uno|1 c eins");
}

TEST(lookup_ends_the_run_at_a_second_row_for_a_key) {
    struct stand s;
    int status;
    looked_up(&s, "1 a", "1 one|2 two|1 uno", "", &status);
    CHECK_INT(status, ==, WR_EREFUSED);
    CHECK_STR(s.err.code, "W607");
    CHECK_CONTAINS(s.err.help, "row 3");
    CHECK_CONTAINS(s.err.help, "`many = true`");
    CHECK_CONTAINS(s.err.text, "second row for lookup key id = 1: the first one is id = 1, ");
    looked_up(&s, "1 a", "nil one|2 two|nil uno", "", &status); /* nil is no key */
    CHECK_INT(status, ==, WR_OK);
}

/* ---- expect, rejects ---- */

TEST(expect_rejects_warns_or_ends_the_run) {
    struct stand s;
    const char *feed = "1|20|nil|300";
    const char *items = "'items':l`small = v < 100, tiny = v < 10`";
    char stage[128];
    snprintf(stage, sizeof stage, "'op':'expect',%s", items);
    CHECK_STR(rows_of(&s, "v int64", feed, stage), "1");
    CHECK_INT(s.summary.rejected, ==, 3);
    snprintf(stage, sizeof stage, "'op':'expect','on_fail':'warn',%s", items);
    CHECK_STR(rows_of(&s, "v int64", feed, stage), "1|20|nil|300");
    CHECK_INT(s.summary.rejected, ==, 0);
    CHECK_INT(s.summary.kind_count, ==, 1);
    CHECK_INT(s.summary.kinds[0].count, ==, 3);
    CHECK_STR(s.summary.kinds[0].reason, "tiny");
    stand_begin(&s);
    uint32_t read = stand_source(&s, "v int64", 1);
    stand_sink(&s,
               test_add(s.plan, "{'inputs':[%u],'op':'expect','on_fail':'fail',%s}", read, items));
    stand_feed(&s, read, 0, feed);
    CHECK_INT(stand_run(&s), ==, WR_EREFUSED);
    CHECK_STR(s.err.code, "W508");
    stand_end(&s);
}

TEST(rejects_come_in_the_order_of_records_with_their_place) {
    struct stand s;
    stand_begin(&s);
    uint32_t read = stand_source(&s, "v int64", 1);
    uint32_t one =
        test_add(s.plan, "{'inputs':[%u],'op':'derive','items':l`a = 10 // (v - 2)`}", read);
    uint32_t two =
        test_add(s.plan, "{'inputs':[%u],'op':'derive','items':l`b = 10 // (v - 1)`}", one);
    stand_sink(&s, two);
    uint32_t chain = test_add(s.plan, "{'inputs':[%u],'op':'rejects'}", one);
    uint32_t all = test_add(s.plan, "{'inputs':[],'op':'rejects'}");
    const char *what = "'op':'select','items':l`code, position, raw, row`";
    uint32_t of_chain = stand_sink(&s, test_add(s.plan, "{'inputs':[%u],%s}", chain, what));
    uint32_t of_all = stand_sink(&s, test_add(s.plan, "{'inputs':[%u],%s}", all, what));
    stand_feed(&s, read, 0, "3|2|1|2/xbroken/2|1");
    stand_run_all(&s);
    CHECK_CONTAINS(stand_rows(&s, of_chain),
                   "W503 row 2 nil {\"v\":2}|W503 row 4 nil {\"v\":2}|W501");
    CHECK_CONTAINS(stand_rows(&s, of_all), "W503 row 2 nil {\"v\":2}|W503 row 3 nil {\"v\":1,");
    CHECK_INT(s.summary.rejected, ==, 6);
    stand_end(&s);
}

TEST(rejects_of_their_own_reader_are_counted_and_not_read) {
    struct stand s;
    stand_begin(&s);
    uint32_t read = stand_source(&s, "v int64", 1);
    uint32_t derived =
        test_add(s.plan, "{'inputs':[%u],'op':'derive','items':l`a = 10 // v`}", read);
    stand_sink(&s, derived);
    uint32_t rejects = test_add(s.plan, "{'inputs':[],'op':'rejects'}");
    uint32_t sink = stand_sink(&s, rejects);
    s.captures[sink].refuses = 1;
    stand_feed(&s, read, 0, "1|0/0|2");
    stand_run_all(&s);
    CHECK_INT(s.summary.rejected, ==, 4); /* two by the derive, two by the sink */
    CHECK_INT(s.captures[sink].batches, ==, 2);
    stand_end(&s);
}

TEST(rejects_of_groups_do_not_depend_on_shards) {
    char first[2048] = "";
    for (uint32_t shards = 1; shards <= 4; shards++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            struct stand s;
            stand_begin(&s);
            uint32_t read = stand_source(&s, "k string, v int64", 1);
            uint32_t agg = test_add(
                s.plan, "{'inputs':[%u],'op':'agg','items':l`s = sum(v)`,'group_by':l`k`}", read);
            stand_sink(&s, agg);
            uint32_t sink = stand_sink(&s, test_add(s.plan, "{'inputs':[%u],'op':'rejects'}", agg));
            stand_feed(&s, read, 0,
                       "a 9223372036854775807|b 9223372036854775807|c 9223372036854775807|"
                       "d 9223372036854775807|e 9223372036854775807|a 1|b 1|c 1|d 1|e 1");
            s.options.shards = shards;
            s.options.shard_order_seed = seed;
            s.options.hash_seed = seed + 1;
            stand_run_all(&s);
            if (first[0] == 0)
                snprintf(first, sizeof first, "%s", stand_rows(&s, sink));
            CHECK_STR(stand_rows(&s, sink), first);
            stand_end(&s);
        }
    CHECK_CONTAINS(first, "W504");
}
