/* test_window_kinds.c: cumulative, calendar, session and count windows of whole runs. */
#include "test.h"
#include "support_run.h"

/* read -> event_time -> agg(window) -> sink. */
struct kinds {
    struct stand stand;
    uint32_t read, sink, late;
};

static void kinds_begin(struct kinds *w, const char *window, const char *more) {
    stand_begin(&w->stand);
    w->read = stand_source(&w->stand, "t timestamp, k string, v int64", 1);
    uint32_t timed = test_add(
        w->stand.plan, "{'op':'event_time','inputs':[%u],'items':l`t`,'max_delay':0}", w->read);
    uint32_t agg = test_add(w->stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`n = count(), s = sum(v)`,"
                            "'group_by':l`k`,'window':{%s}%s}",
                            timed, window, more);
    uint32_t late = test_add(w->stand.plan, "{'op':'late','inputs':[%u]}", agg);
    w->late = stand_sink(&w->stand, late);
    if (*more != 0) /* results that change: each change as a row */
        agg = test_add(w->stand.plan, "{'op':'changes','inputs':[%u],'before':true}", agg);
    w->sink = stand_sink(&w->stand, agg);
}

static const char *kinds_of(struct kinds *w, const char *rows) {
    static char first[4096], late[2048];
    for (uint32_t split = 1; split <= 9; split += split == 1 ? 1 : 7) {
        stand_forget(&w->stand);
        w->stand.split = split;
        w->stand.options.batch_rows = split;
        stand_feed(&w->stand, w->read, 0, rows);
        stand_run_all(&w->stand);
        if (split == 1) {
            snprintf(first, sizeof first, "%s", stand_rows(&w->stand, w->sink));
            snprintf(late, sizeof late, "%s", stand_rows(&w->stand, w->late));
        }
        CHECK_STR(stand_rows(&w->stand, w->sink), first);
        CHECK_STR(stand_rows(&w->stand, w->late), late);
    }
    return first;
}

/* ---- cumulative ---- */

TEST(cumulative_window_grows_to_its_period) {
    struct kinds w;
    kinds_begin(&w, "'kind':'cumulative','size':30,'every':10", "");
    CHECK_STR(kinds_of(&w, "0 a 1|9 a 2|10 a 4|30 a 8"),
              "0 10 a 2 3|0 20 a 3 7|0 30 a 3 7|30 40 a 1 8|30 50 a 1 8|30 60 a 1 8");
    CHECK_STR(kinds_of(&w, ""), "");
    /* Only the last step has a row: there is one window, and it begins with the period. */
    CHECK_STR(kinds_of(&w, "25 a 1"), "0 30 a 1 1");
    CHECK_STR(kinds_of(&w, "-1 a 1"), "-30 0 a 1 1");
    stand_end(&w.stand);
    kinds_begin(&w, "'kind':'cumulative','size':20,'every':10,'offset':5", "");
    CHECK_STR(kinds_of(&w, "4 a 1|5 a 2|24 a 4"), "-15 5 a 1 1|5 15 a 1 2|5 25 a 2 6");
    stand_end(&w.stand);
}

TEST(cumulative_window_takes_a_partly_late_row_where_it_still_can) {
    struct kinds w;
    kinds_begin(&w, "'kind':'cumulative','size':30,'every':10", "");
    CHECK_STR(kinds_of(&w, "1 a 1|12 a 2|2 a 4"), "0 10 a 1 1|0 20 a 3 7|0 30 a 3 7");
    CHECK_STR(kinds_of(&w, "1 a 1|30 a 2|2 a 4"),
              "0 10 a 1 1|0 20 a 1 1|0 30 a 1 1|30 40 a 1 2|30 50 a 1 2|30 60 a 1 2");
    CHECK_STR(stand_rows(&w.stand, w.late), "2 a 4");
    stand_end(&w.stand);
}

TEST(cumulative_window_reaches_the_ends_of_time) {
    struct kinds w;
    kinds_begin(&w, "'kind':'cumulative','size':20,'every':10", "");
    CHECK_CONTAINS(kinds_of(&w, "9223372036854775806 b 2"), "9223372036854775807 b 1 2");
    CHECK_CONTAINS(kinds_of(&w, "-9223372036854775808 b 2"), "-9223372036854775808");
    stand_end(&w.stand);
}

/* ---- calendar ---- */

#define HOUR INT64_C(3600000000)

TEST(calendar_days_have_23_and_25_hours) {
    struct kinds w;
    kinds_begin(&w, "'kind':'calendar','unit':'day','timezone':'Europe/Berlin'", "");
    /* 2026-03-28T23:00Z to 2026-03-29T22:00Z, and 2026-10-24T22:00Z to 2026-10-25T23:00Z */
    CHECK_STR(kinds_of(&w, "1774738799999999 a 1|1774738800000000 a 2|1774821599999999 a 4|"
                           "1774821600000000 a 8"),
              "1774652400000000 1774738800000000 a 1 1|1774738800000000 1774821600000000 a 2 6|"
              "1774821600000000 1774908000000000 a 1 8");
    CHECK_STR(kinds_of(&w, "1792879200000000 a 1|1792969199999999 a 2|1792969200000000 a 4"),
              "1792879200000000 1792969200000000 a 2 3|1792969200000000 1793055600000000 a 1 4");
    stand_end(&w.stand);
}

TEST(calendar_knows_months_leap_years_and_origins) {
    struct kinds w;
    kinds_begin(&w, "'kind':'calendar','unit':'month'", "");
    /* 2024-02-29T23:59:59.999999Z is in February of a leap year */
    CHECK_STR(kinds_of(&w, "1709251199999999 a 1|1709251200000000 a 2"),
              "1706745600000000 1709251200000000 a 1 1|1709251200000000 1711929600000000 a 1 2");
    CHECK_STR(kinds_of(&w, "-1 a 1|0 a 2"), "-2678400000000 0 a 1 1|0 2678400000000 a 1 2");
    stand_end(&w.stand);
    /* months from the 31st: 2023-01-31 is day 19388; then 02-28, then 03-31 */
    kinds_begin(&w, "'kind':'calendar','unit':'month','origin':19388", "");
    CHECK_STR(kinds_of(&w, "1677542399999999 a 1|1677542400000000 a 2"),
              "1675123200000000 1677542400000000 a 1 1|1677542400000000 1680220800000000 a 1 2");
    stand_end(&w.stand);
    /* weeks begin on Monday: 1970-01-05 */
    kinds_begin(&w, "'kind':'calendar','unit':'week'", "");
    CHECK_STR(kinds_of(&w, "345599999999 a 1|345600000000 a 2"),
              "-259200000000 345600000000 a 1 1|345600000000 950400000000 a 1 2");
    stand_end(&w.stand);
    kinds_begin(&w, "'kind':'calendar','unit':'day','every':2,'origin':1", "");
    CHECK_STR(kinds_of(&w, "0 a 1|86400000000 a 2"),
              "-86400000000 86400000000 a 1 1|86400000000 259200000000 a 1 2");
    stand_end(&w.stand);
}

TEST(calendar_goes_by_a_cron_line) {
    struct kinds w;
    kinds_begin(&w, "'kind':'calendar','unit':'30 2 * * *','timezone':'Europe/Berlin'", "");
    /* 2026-03-29 02:30 is skipped: where the clocks are put forward, 01:00Z */
    CHECK_STR(kinds_of(&w, "1774745999999999 a 1|1774746000000000 a 2"),
              "1774661400000000 1774746000000000 a 1 1|1774746000000000 1774830600000000 a 1 2");
    /* 2026-10-25 02:30 is shown twice: the first, 00:30Z */
    CHECK_STR(kinds_of(&w, "1792888199999999 a 1|1792888200000000 a 2|1792891800000000 a 4"),
              "1792801800000000 1792888200000000 a 1 1|1792888200000000 1792978200000000 a 2 6");
    stand_end(&w.stand);
    /* working days: from Friday to Monday is one window; 1970-01-01 was a Thursday */
    kinds_begin(&w, "'kind':'calendar','unit':'0 0 * * mon-fri'", "");
    CHECK_STR(kinds_of(&w, "0 a 1|86400000000 a 2|259200000000 a 4"),
              "0 86400000000 a 1 1|86400000000 345600000000 a 2 6");
    stand_end(&w.stand);
}

TEST(calendar_reaches_the_ends_of_time) {
    struct kinds w;
    kinds_begin(&w, "'kind':'calendar','unit':'year','timezone':'Europe/Berlin'", "");
    CHECK_CONTAINS(kinds_of(&w, "9223372036854775806 b 2"), "9223372036854775807 b 1 2");
    CHECK_CONTAINS(kinds_of(&w, "-9223372036854775808 b 2"), "-9223372036854775808");
    stand_end(&w.stand);
}

TEST(calendar_windows_are_corrected_by_late_rows) {
    struct kinds w;
    kinds_begin(&w, "'kind':'calendar','unit':'day','allowed_lateness':1000000", " ");
    CHECK_STR(kinds_of(&w, "1 a 1|86400000000 a 2|2 a 4|86401000000 a 8|3 a 16"),
              "0 86400000000 a 1 1 insert|0 86400000000 a 1 1 update_before|"
              "0 86400000000 a 2 5 update|86400000000 172800000000 a 2 10 insert");
    CHECK_STR(stand_rows(&w.stand, w.late), "3 a 16");
    stand_end(&w.stand);
}

/* ---- sessions ---- */

TEST(session_joins_rows_whose_gap_is_exactly_as_long) {
    struct kinds w;
    kinds_begin(&w, "'kind':'session','gap':10", "");
    CHECK_STR(kinds_of(&w, ""), "");
    CHECK_STR(kinds_of(&w, "0 a 1|10 a 2|21 a 4"), "0 20 a 2 3|21 31 a 1 4");
    CHECK_STR(kinds_of(&w, "-25 a 1|-15 a 2|-4 a 4"), "-25 -5 a 2 3|-4 6 a 1 4");
    /* By ends, then starts, then keys. */
    CHECK_STR(kinds_of(&w, "0 b 1|0 a 2|5 c 1|10 c 2|10 d 1|nil e 1|10 nil 1"),
              "0 10 a 1 2|0 10 b 1 1|5 20 c 2 3|10 20 d 1 1|10 20 nil 1 1");
    stand_end(&w.stand);
}

TEST(session_refuses_a_row_whose_merged_window_has_ended) {
    struct kinds w;
    kinds_begin(&w, "'kind':'session','gap':10", "");
    /* [1, 11) has ended when the frontier is 12: a row at 11 would have joined it. */
    CHECK_STR(kinds_of(&w, "0 c 1|12 a 2|1 b 4|2 b 8"), "0 10 c 1 1|2 12 b 1 8|12 22 a 1 2");
    CHECK_STR(stand_rows(&w.stand, w.late), "1 b 4");
    CHECK_STR(kinds_of(&w, "0 b 1|31 a 2|20 b 4|21 b 8"), "0 10 b 1 1|21 31 b 1 8|31 41 a 1 2");
    CHECK_STR(stand_rows(&w.stand, w.late), "20 b 4");
    /* Alone it would have ended: the session that takes it has not. */
    CHECK_STR(kinds_of(&w, "5 b 1|15 a 2|4 b 4"), "4 15 b 2 5|15 25 a 1 2");
    CHECK_STR(stand_rows(&w.stand, w.late), "");
    /* A session that has ended takes none, though the row's own window has not. */
    CHECK_STR(kinds_of(&w, "0 b 1|12 a 2|9 b 4"), "0 10 b 1 1|9 19 b 1 4|12 22 a 1 2");
    stand_end(&w.stand);
}

TEST(session_of_a_row_that_two_meet_is_one) {
    struct kinds w;
    kinds_begin(&w, "'kind':'session','gap':10", "");
    CHECK_STR(kinds_of(&w, "0 a 1|19 a 2|10 a 4"), "0 10 a 1 1|10 29 a 2 6");
    stand_end(&w.stand);
    kinds_begin(&w, "'kind':'session','gap':10,'allowed_lateness':100", " ");
    CHECK_STR(kinds_of(&w, "0 a 1|19 a 2|10 a 4|9 a 8"),
              "0 10 a 1 1 insert|0 10 a 1 1 delete|0 29 a 4 15 insert");
    stand_end(&w.stand);
}

TEST(session_that_a_late_row_merges_is_taken_back_and_leaves_anew) {
    struct kinds w;
    kinds_begin(&w, "'kind':'session','gap':10,'allowed_lateness':20", " ");
    /* Both have fired when 15 comes: it makes one of them, at once. */
    CHECK_STR(kinds_of(&w, "5 a 1|23 a 2|34 b 4|15 a 8|16 a 16"),
              "5 15 a 1 1 insert|23 33 a 1 2 insert|5 15 a 1 1 delete|23 33 a 1 2 delete|"
              "5 33 a 3 11 insert|5 33 a 3 11 update_before|5 33 a 4 27 update|34 44 b 1 4 insert");
    CHECK_STR(stand_rows(&w.stand, w.late), "");
    /* Past the end plus what is allowed it is late: [0, 10) is closed behind 30. */
    CHECK_STR(kinds_of(&w, "0 a 1|30 b 2|0 a 4|31 b 8|0 a 16"),
              "0 10 a 1 1 insert|0 10 a 1 1 update_before|0 10 a 2 5 update|30 41 b 2 10 insert");
    CHECK_STR(stand_rows(&w.stand, w.late), "0 a 16");
    stand_end(&w.stand);
}

TEST(session_has_a_longest_duration) {
    struct kinds w;
    kinds_begin(&w, "'kind':'session','gap':10,'max':15", "");
    CHECK_STR(kinds_of(&w, "0 a 1|7 a 2|14 a 4|15 a 8|24 a 16"), "0 15 a 3 7|15 30 a 2 24");
    CHECK_STR(kinds_of(&w, "0 a 1|4 a 2"), "0 14 a 2 3");
    stand_end(&w.stand);
}

TEST(session_takes_the_gap_of_each_row) {
    struct kinds w;
    kinds_begin(&w, "'kind':'session','gap_items':l`gap = v * duration'1us'`", "");
    CHECK_STR(kinds_of(&w, "0 a 10|5 a 2|11 a 3|15 a 0|16 a nil"), "0 10 a 2 12|11 14 a 1 3");
    CHECK_INT(w.stand.summary.rejected, ==, 2);
    stand_end(&w.stand);
}

TEST(session_reaches_the_ends_of_time) {
    struct kinds w;
    kinds_begin(&w, "'kind':'session','gap':10,'max':20,'allowed_lateness':5", " ");
    CHECK_CONTAINS(kinds_of(&w, "-9223372036854775808 a 1|9223372036854775806 b 2"),
                   "9223372036854775806 9223372036854775807 b 1 2 insert");
    stand_end(&w.stand);
}

TEST(session_emits_each_update) {
    struct kinds w;
    kinds_begin(&w, "'kind':'session','gap':10", ",'emit':{'mode':'update'}");
    CHECK_STR(kinds_of(&w, "0 a 1|0 a 2|5 a 4"),
              "0 10 a 1 1 insert|0 10 a 1 1 update_before|0 10 a 2 3 update|0 10 a 2 3 delete|"
              "0 15 a 3 7 insert");
    stand_end(&w.stand);
}

/* ---- counts ---- */

TEST(count_window_takes_rows_as_they_come) {
    struct kinds w;
    kinds_begin(&w, "'kind':'count','rows':2", "");
    CHECK_STR(kinds_of(&w, ""), "");
    /* None is late; what is not full leaves at the end, by key. */
    CHECK_STR(kinds_of(&w, "9 a 1|1 b 2|3 a 4|1 c 8|0 a 16"),
              "3 10 a 2 5|0 1 a 1 16|1 2 b 1 2|1 2 c 1 8");
    stand_end(&w.stand);
    kinds_begin(&w, "'kind':'count','rows':1", "");
    CHECK_STR(kinds_of(&w, "1 a 1|1 a 2|2 b 4"), "1 2 a 1 1|1 2 a 1 2|2 3 b 1 4");
    stand_end(&w.stand);
}

TEST(count_windows_overlap) {
    struct kinds w;
    kinds_begin(&w, "'kind':'count','rows':3,'every':2", "");
    CHECK_STR(kinds_of(&w, "1 a 1|2 a 2|3 a 4|4 a 8|5 a 16"), "1 3 a 2 3|2 5 a 3 14|4 6 a 2 24");
    stand_end(&w.stand);
}
