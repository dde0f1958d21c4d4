/* test_retry.c: how often and how long something that fails is tried again, by a clock that the
 * test moves; when the breaker opens and closes, and what is said then. */
#include "support_conn.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/env_sim.h"
#include "conn/retry.h"

#define MS INT64_C(1000)
#define SECOND (1000 * MS)

struct trial {
    struct wr_sim *sim;
    const struct wr_env *env;
    struct wr_retry retry;
    struct wr_trouble trouble;
    struct wr_patience patience;
    volatile sig_atomic_t stop;
    char said[2048];
};

static void take_warning(void *ctx, const char *code, const char *text) {
    struct trial *trial = ctx;
    size_t length = strlen(trial->said);
    snprintf(trial->said + length, sizeof trial->said - length, "%s %s\n", code, text);
}

static void trial_begin(struct trial *trial, struct wr_retry retry) {
    *trial = (struct trial){.retry = retry};
    trial->sim = wr_sim_new(test_seed());
    CHECK(trial->sim != NULL);
    trial->env = wr_sim_env(trial->sim);
    trial->patience = (struct wr_patience){
        .retry = &trial->retry,
        .env = trial->env,
        .place = "sqlite:o.db",
        .stop = &trial->stop,
        .warn = take_warning,
        .warn_ctx = trial,
        .trouble = &trial->trouble,
    };
}

static void trial_end(struct trial *trial) {
    wr_sim_free(trial->sim);
}

/* A failed attempt; *waited_us: how long the next one was away. */
static int fail(struct trial *trial, int64_t *waited_us) {
    int64_t begin_us = trial->env->monotonic_us(trial->env);
    int status = wr_patience_again(&trial->patience, "database is locked");
    *waited_us = trial->env->monotonic_us(trial->env) - begin_us;
    return status;
}

TEST(retry_pauses_are_drawn_below_a_bound_that_doubles) {
    struct trial t;
    trial_begin(&t, (struct wr_retry){.retries = 1000,
                                      .timeout_us = 100000 * SECOND,
                                      .pause_us_min = 100 * MS,
                                      .pause_us_max = 5 * SECOND});
    int64_t longest_us = 0, sum_us = 0;
    int below_half = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t bound_us = WR_MIN((100 * MS) << WR_MIN(i, 20), 5 * SECOND), waited_us = 0;
        CHECK_INT(fail(&t, &waited_us), ==, WR_OK);
        CHECK_INT(waited_us, >=, 1);
        CHECK_INT(waited_us, <=, bound_us);
        longest_us = WR_MAX(longest_us, waited_us);
        sum_us += waited_us;
        below_half += waited_us < bound_us / 2;
    }
    /* Evenly: far beyond what a thousand draws would give one time in a million. */
    CHECK_INT(longest_us, >, 4900 * MS);
    CHECK_INT(below_half, >, 420);
    CHECK_INT(below_half, <, 580);
    CHECK_INT(t.trouble.failures, ==, 1000);
    CHECK_INT(t.trouble.waited_us, ==, sum_us);
    CHECK_STR(t.said, "");
    trial_end(&t);
}

TEST(retry_ends_with_its_count) {
    struct trial t;
    int64_t us;
    trial_begin(&t, (struct wr_retry){.retries = 2, .timeout_us = SECOND, .pause_us_max = MS});
    CHECK_INT(fail(&t, &us), ==, WR_OK);
    CHECK_INT(fail(&t, &us), ==, WR_OK);
    CHECK_INT(fail(&t, &us), ==, WR_EEND);
    CHECK_INT(us, ==, 0);
    struct wr_error err = {0};
    wr_error_set(&err, WR_EAGAIN, "sqlite:o.db: begin: database is locked");
    CHECK_INT(wr_patience_gone(&t.patience, "W603", &err), ==, WR_EIO);
    CHECK_STR(err.code, "W603");
    CHECK_INT(err.status, ==, WR_EIO);
    CHECK_CONTAINS(err.text, "it is down for 0.0s, 3 attempts failed, the last with: sqlite:o.db: "
                             "begin: database is locked");
    /* What went well begins anew. */
    wr_patience_well(&t.patience);
    CHECK_INT(fail(&t, &us), ==, WR_OK);
    CHECK_STR(t.said, "");
    trial_end(&t);
}

TEST(retry_ends_with_its_time_and_never_waits_beyond_it) {
    struct trial t;
    int64_t us, sum_us = 0;
    int status;
    trial_begin(&t, (struct wr_retry){.retries = UINT64_MAX,
                                      .timeout_us = SECOND,
                                      .pause_us_min = 400 * MS,
                                      .pause_us_max = 900 * MS});
    do {
        status = fail(&t, &us);
        sum_us += us;
    } while (status == WR_OK && sum_us < 10 * SECOND);
    CHECK_INT(status, ==, WR_EEND);
    CHECK_INT(sum_us, ==, SECOND);
    trial_end(&t);
}

TEST(retry_of_nothing_ends_at_once) {
    struct trial t;
    int64_t us;
    trial_begin(&t, (struct wr_retry){.pause_us_max = MS});
    CHECK_INT(fail(&t, &us), ==, WR_EEND);
    CHECK_INT(us, ==, 0);
    trial_end(&t);
}

TEST(breaker_opens_probes_and_closes) {
    struct trial t;
    int64_t us;
    trial_begin(&t, (struct wr_retry){.pause_us_min = MS,
                                      .pause_us_max = 10 * MS,
                                      .failures = 3,
                                      .cooldown_us = 10 * SECOND});
    for (int round = 1; round <= 2; round++) {
        t.said[0] = 0;
        CHECK_INT(fail(&t, &us), ==, WR_OK);
        CHECK_INT(fail(&t, &us), ==, WR_OK);
        CHECK_INT(us, <=, 2 * MS);
        CHECK_STR(t.said, "");
        CHECK_INT(t.trouble.openings, ==, round - 1);
        for (int probe = 0; probe < 5; probe++) { /* each fails, and nothing more is said */
            CHECK_INT(fail(&t, &us), ==, WR_OK);
            CHECK_INT(us, ==, 10 * SECOND);
        }
        CHECK_INT(t.trouble.openings, ==, round);
        CHECK_CONTAINS(t.said, "W619 sqlite:o.db: 3 attempts failed in 0.0s (database is locked): "
                               "nothing more is read, and one attempt is made every 10.0s\n");
        CHECK(strstr(t.said, "W620") == NULL);
        wr_patience_well(&t.patience);
        CHECK_CONTAINS(t.said, "W620 sqlite:o.db: it is there again after 50.0s and 7 failed "
                               "attempts\n");
        size_t length = strlen(t.said);
        wr_patience_well(&t.patience); /* it is closed */
        CHECK_INT(strlen(t.said), ==, length);
    }
    trial_end(&t);
}

TEST(breaker_ends_with_its_limit) {
    struct trial t;
    int64_t us, sum_us = 0;
    int status;
    trial_begin(&t, (struct wr_retry){.pause_us_max = MS,
                                      .failures = 2,
                                      .cooldown_us = 10 * SECOND,
                                      .limit_us = 25 * SECOND});
    do {
        status = fail(&t, &us);
        sum_us += us;
    } while (status == WR_OK && sum_us < 100 * SECOND);
    CHECK_INT(status, ==, WR_EEND);
    CHECK_INT(sum_us, ==, 25 * SECOND);
    trial_end(&t);
}

TEST(a_signal_ends_all_waiting) {
    struct trial t;
    int64_t us;
    trial_begin(&t, (struct wr_retry){.failures = 1, .cooldown_us = 3600 * SECOND});
    t.stop = SIGTERM;
    CHECK_INT(fail(&t, &us), ==, WR_ECANCEL);
    CHECK_INT(us, ==, 0);
    struct wr_error err = {0};
    wr_error_set(&err, WR_EREFUSED, "database is locked");
    CHECK_INT(wr_patience_stopped(&t.patience, &err), ==, WR_ECANCEL);
    CHECK_INT(err.status, ==, WR_ECANCEL);
    CHECK_STR(err.text, "stopped while sqlite:o.db was waited for: database is locked");
    wr_error_set(&err, WR_EAGAIN, "sqlite:o.db: connect: refused");
    CHECK_INT(wr_patience_stopped(&t.patience, &err), ==, WR_ECANCEL);
    CHECK_STR(err.text, "stopped while sqlite:o.db was waited for: connect: refused");
    trial_end(&t);
}

/* ---- options ------------------------------------------------------------------------------- */

/* What a sink of SQLite reads from these options. */
static const struct wr_retry *retry_of(struct world *w, const char *options, uint8_t bounded) {
    struct wr_endpoint_bind bind = {
        .arena = &w->arena,
        .env = w->env,
        .spec = value_of_json(w,
                              "{'endpoint':{'kind':'sqlite','address':'o.db','options':{'table':"
                              "'t','mode':'append'%s}}}",
                              options),
        .input = schema_of(w, TABLE_SCHEMA),
        .bounded_input = bounded,
    };
    return wr_sink_sqlite.bind(&bind, &w->err) == WR_OK ? bind.retry : NULL;
}

TEST(breaker_is_on_where_the_input_never_ends) {
    struct world w;
    world_begin(&w);
    CHECK_INT(retry_of(&w, "", 1)->failures, ==, 0);
    CHECK_INT(retry_of(&w, "", 0)->failures, ==, 20);
    CHECK_INT(retry_of(&w, "", 0)->cooldown_us, ==, 10 * SECOND);
    CHECK_INT(retry_of(&w, "", 0)->limit_us, ==, 0);
    CHECK_INT(retry_of(&w, ",\"breaker\":false", 0)->failures, ==, 0);
    CHECK_INT(retry_of(&w, ",\"breaker\":true", 1)->failures, ==, 20);
    const struct wr_retry *made =
        retry_of(&w, ",\"breaker\":{\"failures\":7,\"cooldown\":2000000,\"limit\":5000000}", 1);
    CHECK_INT(made->failures, ==, 7);
    CHECK_INT(made->cooldown_us, ==, 2 * SECOND);
    CHECK_INT(made->limit_us, ==, 5 * SECOND);
    world_end(&w);
}

TEST(bounds_of_pauses_follow_each_other) {
    struct world w;
    world_begin(&w);
    const struct wr_retry *made = retry_of(&w, ",\"retry_min\":\"3s\"", 1);
    CHECK_INT(made->pause_us_min, ==, 3 * SECOND);
    CHECK_INT(made->pause_us_max, ==, 3 * SECOND);
    made = retry_of(&w, ",\"retry_max\":\"1ms\"", 1);
    CHECK_INT(made->pause_us_min, ==, MS);
    CHECK_INT(made->pause_us_max, ==, MS);
    made = retry_of(&w, ",\"timeout\":\"7s\",\"retries\":3", 1);
    CHECK_INT(made->timeout_us, ==, 7 * SECOND);
    CHECK_INT(made->retries, ==, 3);
    CHECK(retry_of(&w, ",\"retry_min\":\"3s\",\"retry_max\":\"1s\"", 1) == NULL);
    CHECK_STR(error_text(&w), "W203 option `retry_min` is longer than `retry_max`");
    world_end(&w);
}
