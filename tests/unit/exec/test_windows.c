/* test_windows.c: event time, frontiers and windows of whole runs. Times are microseconds. */
#include "test.h"
#include "support_run.h"

/* read -> event_time -> agg(window) -> sink. */
struct windows {
    struct stand stand;
    uint32_t read, sink, late;
};

static void windows_begin(struct windows *w, uint32_t partitions, int delay, const char *window) {
    stand_begin(&w->stand);
    w->read = stand_source(&w->stand, "t timestamp, k string, v int64", partitions);
    uint32_t timed =
        test_add(w->stand.plan, "{'op':'event_time','inputs':[%u],'items':l`t`,'max_delay':%d}",
                 w->read, delay);
    uint32_t agg = test_add(w->stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`n = count(), s = sum(v)`,"
                            "'group_by':l`k`,'window':{%s}}",
                            timed, window);
    w->sink = stand_sink(&w->stand, agg);
    uint32_t late = test_add(w->stand.plan, "{'op':'late','inputs':[%u]}", agg);
    w->late = stand_sink(&w->stand, late);
}

static const char *windows_of(struct windows *w, const char *rows) {
    stand_forget(&w->stand);
    stand_feed(&w->stand, w->read, 0, rows);
    stand_run_all(&w->stand);
    return stand_rows(&w->stand, w->sink);
}

TEST(window_takes_a_row_on_its_start_and_not_on_its_end) {
    struct windows w;
    windows_begin(&w, 1, 0, "'kind':'tumbling','size':10");
    CHECK_STR(windows_of(&w, "0 a 1|9 a 2|10 a 4|19 a 8|20 a 16"),
              "0 10 a 2 3|10 20 a 2 12|20 30 a 1 16");
    stand_end(&w.stand);
}

TEST(window_begins_at_its_offset_also_before_1970) {
    struct windows w;
    windows_begin(&w, 1, 100, "'kind':'tumbling','size':10,'offset':3");
    CHECK_STR(windows_of(&w, "-8 a 1|-7 a 2|2 a 4|3 a 8"), "-17 -7 a 1 1|-7 3 a 2 6|3 13 a 1 8");
    stand_end(&w.stand);
    windows_begin(&w, 1, 100, "'kind':'tumbling','size':10,'offset':-3");
    CHECK_STR(windows_of(&w, "-4 a 1|-3 a 2|6 a 4|7 a 8"), "-13 -3 a 1 1|-3 7 a 2 6|7 17 a 1 8");
    stand_end(&w.stand);
}

TEST(window_leaves_out_times_without_rows) {
    struct windows w;
    windows_begin(&w, 1, 0, "'kind':'tumbling','size':10");
    CHECK_STR(windows_of(&w, "5 a 1|1000000000005 b 2"),
              "0 10 a 1 1|1000000000000 1000000000010 b 1 2");
    stand_end(&w.stand);
    windows_begin(&w, 1, 0, "'kind':'hopping','size':10,'every':5");
    CHECK_STR(windows_of(&w, "5 a 1|1000 b 2"),
              "0 10 a 1 1|5 15 a 1 1|995 1005 b 1 2|1000 1010 b 1 2");
    stand_end(&w.stand);
}

TEST(window_fires_by_window_then_key) {
    struct windows w;
    windows_begin(&w, 1, 100, "'kind':'tumbling','size':10");
    CHECK_STR(windows_of(&w, "15 b 1|5 b 2|5 nil 3|5 a 4|15 a 5|15 nil 6"),
              "0 10 a 1 4|0 10 b 1 2|0 10 nil 1 3|10 20 a 1 5|10 20 b 1 1|10 20 nil 1 6");
    stand_end(&w.stand);
}

TEST(window_hops_by_a_step_that_does_not_divide_its_size) {
    struct windows w;
    windows_begin(&w, 1, 100, "'kind':'hopping','size':10,'every':4");
    CHECK_STR(windows_of(&w, "0 a 1|5 a 2|9 a 4"),
              "-8 2 a 1 1|-4 6 a 2 3|0 10 a 3 7|4 14 a 2 6|8 18 a 1 4");
    stand_end(&w.stand);
}

TEST(window_reaches_the_ends_of_time) {
    struct windows w;
    windows_begin(&w, 1, 0, "'kind':'tumbling','size':10");
    CHECK_STR(windows_of(&w, "-9223372036854775808 a 1|9223372036854775806 b 2"),
              "-9223372036854775808 -9223372036854775798 a 1 1|"
              "9223372036854775800 9223372036854775807 b 1 2");
    stand_end(&w.stand);
    windows_begin(&w, 1, 0, "'kind':'hopping','size':10,'every':5");
    CHECK_CONTAINS(windows_of(&w, "9223372036854775806 b 2"), "9223372036854775807 b 1 2");
    CHECK_CONTAINS(windows_of(&w, "-9223372036854775808 b 2"), "-9223372036854775808");
    stand_end(&w.stand);
}

TEST(window_refuses_a_row_exactly_when_its_end_is_reached) {
    struct windows w;
    windows_begin(&w, 1, 0, "'kind':'tumbling','size':10");
    CHECK_STR(windows_of(&w, "9 a 1|10 a 2|9 a 4|10 a 8"), "0 10 a 1 1|10 20 a 2 10");
    CHECK_STR(stand_rows(&w.stand, w.late), "9 a 4");
    CHECK_INT(w.stand.summary.late, ==, 1);
    CHECK_INT(w.stand.summary.rejected, ==, 0); /* somebody reads them: no rejects */
    stand_end(&w.stand);
    windows_begin(&w, 1, 1, "'kind':'tumbling','size':10"); /* with one more microsecond not yet */
    CHECK_STR(windows_of(&w, "9 a 1|10 a 2|9 a 4|11 a 8|9 a 16"), "0 10 a 2 5|10 20 a 2 10");
    CHECK_STR(stand_rows(&w.stand, w.late), "9 a 16");
    stand_end(&w.stand);
}

TEST(window_takes_what_is_behind_but_not_late) {
    struct windows w;
    windows_begin(&w, 1, 0, "'kind':'tumbling','size':10");
    CHECK_STR(windows_of(&w, "9 a 1|3 a 2"), "0 10 a 2 3");
    CHECK_STR(stand_rows(&w.stand, w.late), "");
    stand_end(&w.stand);
}

TEST(window_hopping_takes_a_partly_late_row_where_it_still_can) {
    struct windows w;
    windows_begin(&w, 1, 0, "'kind':'hopping','size':10,'every':5");
    /* W is 12 before the second 8: [0, 10) has ended, [5, 15) has not. */
    CHECK_STR(windows_of(&w, "8 a 1|12 a 2|8 a 4"), "0 10 a 1 1|5 15 a 3 7|10 20 a 1 2");
    CHECK_STR(stand_rows(&w.stand, w.late), "");
    CHECK_STR(windows_of(&w, "8 a 1|15 a 2|8 a 4"),
              "0 10 a 1 1|5 15 a 1 1|10 20 a 1 2|15 25 a 1 2");
    CHECK_STR(stand_rows(&w.stand, w.late), "8 a 4");
    stand_end(&w.stand);
}

TEST(window_rows_do_not_depend_on_batches) {
    const char *rows =
        "8 a 1|12 b 2|8 a 4|30 a 8|7 c 3|29 b 5|31 a 6|50 nil 7|20 a 1|41 c 2|60 a 1";
    struct windows w;
    for (int hopping = 0; hopping < 2; hopping++) {
        windows_begin(&w, 1, 4,
                      hopping ? "'kind':'hopping','size':10,'every':4"
                              : "'kind':'tumbling','size':10");
        char first[2048], late[512];
        for (uint32_t split = 1; split <= 12; split++) {
            w.stand.split = split;
            w.stand.options.batch_rows = split;
            const char *got = windows_of(&w, rows);
            if (split == 1) {
                snprintf(first, sizeof first, "%s", got);
                snprintf(late, sizeof late, "%s", stand_rows(&w.stand, w.late));
            }
            CHECK_STR(got, first);
            CHECK_STR(stand_rows(&w.stand, w.late), late);
        }
        stand_end(&w.stand);
    }
}

/* ---- event_time ---- */

TEST(event_time_rejects_a_row_without_a_time) {
    struct windows w;
    windows_begin(&w, 1, 0, "'kind':'tumbling','size':10");
    CHECK_STR(windows_of(&w, "1 a 1|nil a 2|3 a 4"), "0 10 a 2 5");
    CHECK_INT(w.stand.summary.rejected, ==, 1);
    CHECK_INT(w.stand.summary.kind_count, ==, 1);
    CHECK_INT(w.stand.summary.kinds[0].code, ==, 506);
    CHECK_STR(w.stand.summary.kinds[0].position, "row 2");
    CHECK_STR(windows_of(&w, "nil a 1|nil a 2"), "");
    CHECK_INT(w.stand.summary.rejected, ==, 2);
    stand_end(&w.stand);
}

TEST(event_time_rejects_a_row_whose_time_cannot_be_computed_as_one_without) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "t timestamp, v int64", 1);
    uint32_t timed = test_add(
        stand.plan,
        "{'op':'event_time','inputs':[%u],'items':l`ts = t + (10 // v) * duration'1us'`}", read);
    uint32_t sink = stand_sink(&stand, timed);
    stand_feed(&stand, read, 0, "1 1|2 0|3 10");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, sink), "1 1 11|3 10 4");
    CHECK_INT(stand.summary.kind_count, ==, 1);
    CHECK_INT(stand.summary.kinds[0].code, ==, 506);
    stand_end(&stand);
}

TEST(event_time_of_each_partition_decides_what_is_late) {
    struct windows w;
    windows_begin(&w, 2, 0, "'kind':'tumbling','size':10");
    stand_feed(&w.stand, w.read, 0, "5 a 1|25 a 2|5 a 4");
    stand_feed(&w.stand, w.read, 1, "5 a 8|6 a 16|26 a 32");
    stand_run_all(&w.stand);
    /* 5 is late in partition 0, whose W is 25; 6 is not in partition 1, whose W is 5. */
    CHECK_STR(stand_rows(&w.stand, w.sink), "0 10 a 3 25|20 30 a 2 34");
    CHECK_STR(stand_rows(&w.stand, w.late), "5 a 4");
    stand_end(&w.stand);
}

TEST(event_time_of_the_source_moves_by_its_watermark_only) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "t timestamp, v int64", 1);
    uint32_t timed =
        test_add(stand.plan, "{'op':'event_time','inputs':[%u],'items':l`t`,'source':true}", read);
    uint32_t agg = test_add(stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`s = sum(v)`,"
                            "'window':{'kind':'tumbling','size':10}}",
                            timed);
    uint32_t sink = stand_sink(&stand, agg);
    stand_feed(&stand, read, 0, "30 1|5 2/7 4/w10/9 8|35 16");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, sink), "0 10 6|30 40 17");
    CHECK_INT(stand.summary.late, ==, 1);
    stand_end(&stand);
}

TEST(event_time_of_the_source_waits_in_a_gate_for_its_watermark) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "t timestamp, v int64", 2);
    uint32_t timed =
        test_add(stand.plan, "{'op':'event_time','inputs':[%u],'items':l`t`,'source':true}", read);
    uint32_t agg = test_add(stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`s = sum(v)`,"
                            "'window':{'kind':'tumbling','size':10}}",
                            timed);
    uint32_t sink = stand_sink(&stand, agg);
    stand_feed(&stand, read, 0, "1 1/30 2/5 4");
    stand_feed(&stand, read, 1, "40 8/6 16");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, sink), "0 10 21|30 40 2|40 50 8");
    CHECK_INT(stand.summary.late, ==, 0);
    stand_end(&stand);
}

TEST(event_time_stays_where_its_column_goes) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "t timestamp, v int64", 1);
    uint32_t timed = test_add(stand.plan, "{'op':'event_time','inputs':[%u],'items':l`t`}", read);
    uint32_t drop = test_add(stand.plan, "{'op':'drop','inputs':[%u],'columns':['t']}", timed);
    uint32_t agg = test_add(stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`s = sum(v)`,"
                            "'window':{'kind':'tumbling','size':10}}",
                            drop);
    uint32_t again = test_add(stand.plan,
                              "{'op':'agg','inputs':[%u],'items':l`s = sum(s), n = count()`,"
                              "'window':{'kind':'tumbling','size':20}}",
                              agg);
    uint32_t one = stand_sink(&stand, agg), two = stand_sink(&stand, again);
    stand_feed(&stand, read, 0, "1 1|11 2/21 4|39 8");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, one), "0 10 1|10 20 2|20 30 4|30 40 8");
    CHECK_STR(stand_rows(&stand, two), "0 20 3 2|20 40 12 2"); /* a result lies in its window */
    stand_end(&stand);
}

TEST(event_time_of_rows_that_a_filter_drops_still_passes) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "t timestamp, v int64", 1);
    uint32_t timed = test_add(stand.plan, "{'op':'event_time','inputs':[%u],'items':l`t`}", read);
    uint32_t filter = test_add(stand.plan, "{'op':'filter','inputs':[%u],'expr':e`v > 0`}", timed);
    uint32_t agg = test_add(stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`s = sum(v)`,"
                            "'window':{'kind':'tumbling','size':10}}",
                            filter);
    uint32_t sink = stand_sink(&stand, agg);
    stand_feed(&stand, read, 0, "1 1/20 0/2 2");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, sink), "0 10 1");
    CHECK_INT(stand.summary.late, ==, 1);
    stand_end(&stand);
}
