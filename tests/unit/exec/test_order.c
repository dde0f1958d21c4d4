/* test_order.c: several inputs in one order that no batch size, no timing and no number of shards
 * can change; what gates wait for; that a limit stops its source. */
#include "test.h"
#include "support_run.h"

static uint32_t timed_source(struct stand *stand, uint32_t partitions, const char *delay) {
    uint32_t read = stand_source(stand, "t timestamp, v int64", partitions);
    test_add(stand->plan, "{'op':'event_time','inputs':[%u],'items':l`t`,'max_delay':%s}", read,
             delay);
    return read; /* the timed stream is the next node */
}

TEST(union_by_time_then_source_then_partition_then_offset) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t a = timed_source(&stand, 2, "100"), b = timed_source(&stand, 1, "100");
    uint32_t both = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", b + 1, a + 1);
    uint32_t sink = stand_sink(&stand, both);
    stand_feed(&stand, a, 0, "1 1|5 2|5 3|7 4");
    stand_feed(&stand, a, 1, "5 11|6 12");
    stand_feed(&stand, b, 0, "5 21|5 22|3 23|8 24");
    /* Source a is the first of the script, though the second of the union. The head of b is its
     * 5, behind which 3 waits. */
    for (uint32_t split = 1; split <= 5; split++) {
        stand_forget(&stand);
        stand.split = stand.options.batch_rows = split;
        stand_run_all(&stand);
        CHECK_STR(stand_rows(&stand, sink), "1 1|5 2|5 3|5 11|5 21|5 22|3 23|6 12|7 4|8 24");
    }
    stand_end(&stand);
}

TEST(union_of_branches_of_one_source_goes_by_offset) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "v int64", 1);
    uint32_t odd =
        test_add(stand.plan, "{'op':'filter','inputs':[%u],'expr':e`v %% 2 == 1`}", read);
    uint32_t large = test_add(stand.plan, "{'op':'filter','inputs':[%u],'expr':e`v > 3`}", read);
    uint32_t both = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", large, odd);
    uint32_t sink = stand_sink(&stand, both);
    stand_feed(&stand, read, 0, "1|2|3|4|5|6|7");
    for (uint32_t split = 1; split <= 8; split++) {
        stand_forget(&stand);
        stand.split = stand.options.batch_rows = split;
        stand_run_all(&stand);
        CHECK_STR(stand_rows(&stand, sink), "1|3|4|5|5|6|7|7");
    }
    stand_end(&stand);
}

TEST(union_without_time_takes_one_input_after_the_other) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t a = stand_source(&stand, "v int64", 1), b = stand_source(&stand, "v int64", 2);
    uint32_t both = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", b, a);
    uint32_t sink = stand_sink(&stand, both);
    stand_feed(&stand, a, 0, "1|2|3");
    stand_feed(&stand, b, 0, "-/11|12");
    stand_feed(&stand, b, 1, "21/-/22");
    for (uint32_t split = 1; split <= 3; split++) {
        stand_forget(&stand);
        stand.split = stand.options.batch_rows = split;
        stand_run_all(&stand);
        CHECK_STR(stand_rows(&stand, sink), "11|12|21|22|1|2|3");
    }
    stand_end(&stand);
}

/* Results of two windowed stages have no origin: those of the first come first. */
TEST(union_of_results_of_one_time_does_not_depend_on_batches) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t a = timed_source(&stand, 1, "0");
    uint32_t agg[2];
    for (int i = 0; i < 2; i++)
        agg[i] = test_add(stand.plan,
                          "{'op':'agg','inputs':[%u],'items':l`n = count()`,'group_by':l`v`,"
                          "'window':{'kind':'tumbling','size':10}}",
                          a + 1);
    uint32_t both = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", agg[0], agg[1]);
    uint32_t sink = stand_sink(&stand, both);
    stand_feed(&stand, a, 0, "1 1|2 2|3 3|11 1|12 2|21 3");
    char first[1024] = "";
    for (uint32_t split = 1; split <= 7; split++) {
        stand_forget(&stand);
        stand.split = stand.options.batch_rows = split;
        stand_run_all(&stand);
        if (split == 1)
            snprintf(first, sizeof first, "%s", stand_rows(&stand, sink));
        CHECK_STR(stand_rows(&stand, sink), first);
    }
    stand_end(&stand);
}

/* The frontier of one partition is none of what several of them were merged to. */
TEST(union_of_a_union_does_not_run_ahead_of_its_slowest_input) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t a = timed_source(&stand, 1, "0"), b = timed_source(&stand, 1, "0");
    uint32_t c = timed_source(&stand, 1, "0");
    uint32_t inner = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", a + 1, b + 1);
    uint32_t outer = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", inner, c + 1);
    uint32_t agg = test_add(stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`n = count()`,"
                            "'window':{'kind':'tumbling','size':10}}",
                            outer);
    uint32_t sink = stand_sink(&stand, agg);
    stand_feed(&stand, a, 0, "5 1|1000 2|4 3");
    stand_feed(&stand, b, 0, "6 4/7 5/8 6");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, sink), "0 10 4|1000 1010 1");
    CHECK_INT(stand.summary.late, ==, 1);
    stand_end(&stand);
}

TEST(union_frontier_stands_while_rows_wait) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t a = timed_source(&stand, 1, "0"), b = timed_source(&stand, 1, "0");
    uint32_t kept = test_add(stand.plan, "{'op':'filter','inputs':[%u],'expr':e`v > 0`}", a + 1);
    uint32_t both = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", kept, b + 1);
    uint32_t agg = test_add(stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`n = count()`,"
                            "'window':{'kind':'tumbling','size':10}}",
                            both);
    uint32_t sink = stand_sink(&stand, agg);
    /* The dropped row moves a's frontier to 50; then its 51 waits for b. */
    stand_feed(&stand, a, 0, "50 0/51 1/52 1");
    stand_feed(&stand, b, 0, "40 1/45 1/60 1");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, sink), "40 50 2|50 60 2|60 70 1");
    stand_end(&stand);
}

/* ---- what is polled ---- */

TEST(gate_polls_the_input_that_it_waits_for) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t a = timed_source(&stand, 1, "0"), b = timed_source(&stand, 1, "0");
    uint32_t both = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", a + 1, b + 1);
    stand_sink(&stand, both);
    stand_feed(&stand, a, 0, "1000 1/1001 1/1002 1/1003 1");
    stand_feed(&stand, b, 0, "1 1/2 1/3 1/4 1/5 1/6 1/7 1/8 1");
    CHECK_INT(stand_open(&stand), ==, WR_OK);
    while (stand.polls[1] < 8) {
        CHECK_INT(wr_run_step(stand.run, &stand.err), ==, WR_OK);
        CHECK_INT(stand.polls[0], <=, 1); /* its rows would only wait */
    }
    CHECK_INT(test_run_all(stand.run, &stand.err), ==, WR_OK);
    stand_end(&stand);
}

TEST(gate_reads_a_table_before_the_rows_that_look_it_up) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t left = stand_source(&stand, "k int64", 1);
    uint32_t right = stand_source(&stand, "k int64, name string", 1);
    uint32_t both = test_add(stand.plan, "{'op':'lookup','inputs':[%u,%u],'on':l`k`}", left, right);
    uint32_t sink = stand_sink(&stand, both);
    stand_feed(&stand, left, 0, "1/2/3");
    stand_feed(&stand, right, 0, "3 c/-/2 b/-/1 a");
    CHECK_INT(stand_open(&stand), ==, WR_OK);
    while (stand.polls[1] < 3) {
        int status = wr_run_step(stand.run, &stand.err);
        CHECK(status == WR_OK || status == WR_EAGAIN);
        CHECK_INT(stand.polls[0], ==, 0);
    }
    CHECK_INT(test_run_all(stand.run, &stand.err), ==, WR_OK);
    CHECK_STR(stand_rows(&stand, sink), "1 a|2 b|3 c");
    stand_end(&stand);
}

/* ---- limit ---- */

TEST(limit_stops_its_source) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "v int64", 1);
    uint32_t limit = test_add(stand.plan, "{'op':'limit','inputs':[%u],'rows':3}", read);
    uint32_t sink = stand_sink(&stand, limit);
    stand_feed(&stand, read, 0, "1|2/3|4/5|6/7/8/!");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, sink), "1|2|3");
    CHECK_INT(stand.polls[0], ==, 2);
    stand_end(&stand);
}

TEST(limit_passes_over_an_offset) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "v int64", 1);
    uint32_t limit = test_add(stand.plan, "{'op':'limit','inputs':[%u],'rows':3,'offset':2}", read);
    uint32_t sink = stand_sink(&stand, limit);
    uint32_t none = test_add(stand.plan, "{'op':'limit','inputs':[%u],'rows':0}", read);
    uint32_t empty = stand_sink(&stand, none);
    stand_feed(&stand, read, 0, "1|2|3|4|5|6|7");
    for (uint32_t split = 1; split <= 8; split++) {
        stand_forget(&stand);
        stand.split = split;
        stand_run_all(&stand);
        CHECK_STR(stand_rows(&stand, sink), "3|4|5");
        CHECK_STR(stand_rows(&stand, empty), "");
    }
    stand_end(&stand);
}

TEST(limit_leaves_the_source_to_those_who_want_more) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "v int64", 1);
    uint32_t limit = test_add(stand.plan, "{'op':'limit','inputs':[%u],'rows':1}", read);
    uint32_t some = stand_sink(&stand, limit), all = stand_sink(&stand, read);
    stand_feed(&stand, read, 0, "1/2/3");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, some), "1");
    CHECK_STR(stand_rows(&stand, all), "1|2|3");
    stand_end(&stand);
}

TEST(limit_behind_a_union_stops_all_its_sources) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t a = timed_source(&stand, 1, "0"), b = timed_source(&stand, 1, "0");
    uint32_t both = test_add(stand.plan, "{'op':'union','inputs':[%u,%u]}", a + 1, b + 1);
    uint32_t limit = test_add(stand.plan, "{'op':'limit','inputs':[%u],'rows':2}", both);
    uint32_t sink = stand_sink(&stand, limit);
    stand_feed(&stand, a, 0, "1 1/4 2/5 1/!");
    stand_feed(&stand, b, 0, "2 3/3 4/6 1/!");
    stand_run_all(&stand);
    CHECK_STR(stand_rows(&stand, sink), "1 1|2 3");
    stand_end(&stand);
}

/* ---- shards ---- */

TEST(shards_give_the_rows_of_one_in_its_order) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = timed_source(&stand, 1, "5");
    uint32_t agg = test_add(stand.plan,
                            "{'op':'agg','inputs':[%u],'items':l`n = count(), s = sum(v)`,"
                            "'group_by':l`k = v %% 5`,'window':{'kind':'hopping','size':10,"
                            "'every':5}}",
                            read + 1);
    uint32_t one = stand_sink(&stand, agg);
    uint32_t late = stand_sink(&stand, test_add(stand.plan, "{'op':'late','inputs':[%u]}", agg));
    uint32_t distinct = stand_sink(
        &stand, test_add(stand.plan, "{'op':'distinct','inputs':[%u],'columns':['v']}", read));
    stand_feed(&stand, read, 0,
               "1 1|2 7|4 3|12 9|3 1|11 2|13 4|30 8|4 6|5 5|31 1|32 11|8 3|50 4|51 9|44 2|60 1");
    char rows[3][2048];
    for (uint64_t seed = 0; seed < 3; seed++)
        for (uint32_t shards = 1; shards <= 4; shards++)
            for (uint32_t split = 1; split < 20; split += 6) {
                stand_forget(&stand);
                stand.split = stand.options.batch_rows = split;
                stand.options.shards = shards;
                stand.options.shard_order_seed = seed;
                stand.options.hash_seed = seed + 1;
                stand_run_all(&stand);
                uint32_t sinks[3] = {one, late, distinct};
                for (int i = 0; i < 3; i++) {
                    if (seed == 0 && shards == 1 && split == 1)
                        snprintf(rows[i], sizeof rows[i], "%s", stand_rows(&stand, sinks[i]));
                    CHECK_STR(stand_rows(&stand, sinks[i]), rows[i]);
                }
            }
    CHECK_CONTAINS(rows[1], "4 6|5 5");
    stand_end(&stand);
}
