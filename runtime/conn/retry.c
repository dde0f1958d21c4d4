/* retry.c: see retry.h. */
#include "conn/retry.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "base/banned.h"

#define COOLDOWN_US (INT64_C(10) * 1000000)
#define SLICE_US (INT64_C(50) * 1000) /* a signal that another thread takes ends no sleep here */
#define TEXT_MAX 400
#define DURATION_US_MAX (INT64_C(365) * 24 * 3600 * 1000000)

/* ---- options -------------------------------------------------------------------------------- */

static int read_duration(const struct wr_options *options, const char *name, int64_t *us,
                         struct wr_error *err) {
    uint64_t read_us = (uint64_t)*us;
    int status = wr_option_duration(options, name, &read_us, err);
    *us = (int64_t)WR_MIN(read_us, (uint64_t)DURATION_US_MAX);
    return status;
}

/* `true`, `false`, or the numbers of a table, which the stage has checked. */
static void read_breaker(struct wr_retry *retry, const struct wr_value *value, int is_endless) {
    int is_on = value == NULL ? is_endless : value->kind != WR_VALUE_BOOL || value->boolean;
    if (!is_on) {
        retry->failures = 0;
        return;
    }
    retry->cooldown_us = COOLDOWN_US;
    if (value == NULL || value->kind != WR_VALUE_MAP)
        return;
    retry->failures = (uint64_t)wr_value_int(value, "failures", (int64_t)retry->failures);
    retry->cooldown_us = wr_value_int(value, "cooldown", COOLDOWN_US);
    retry->limit_us = wr_value_int(value, "limit", 0);
}

int wr_retry_bind(struct wr_retry *retry, const struct wr_endpoint_bind *bind,
                  const struct wr_options *options, int has_budget, struct wr_error *err) {
    int status = WR_OK;
    if (has_budget)
        status = wr_option_count(options, "retries", 0, &retry->retries, err);
    if (status == WR_OK && has_budget)
        status = read_duration(options, "timeout", &retry->timeout_us, err);
    if (status == WR_OK)
        status = read_duration(options, "retry_min", &retry->pause_us_min, err);
    if (status == WR_OK)
        status = read_duration(options, "retry_max", &retry->pause_us_max, err);
    if (status != WR_OK)
        return status;
    int has_min = wr_option(options, "retry_min") != NULL;
    if (retry->pause_us_min > retry->pause_us_max && has_min &&
        wr_option(options, "retry_max") != NULL)
        return wr_option_wrong("retry_min", "option `retry_min` is longer than `retry_max`", err);
    if (has_min)
        retry->pause_us_max = WR_MAX(retry->pause_us_max, retry->pause_us_min);
    else
        retry->pause_us_min = WR_MIN(retry->pause_us_max, retry->pause_us_min);
    read_breaker(retry, wr_option(options, "breaker"), !bind->bounded_input);
    return WR_OK;
}

/* ---- waiting -------------------------------------------------------------------------------- */

void wr_patience_init(struct wr_patience *patience, const struct wr_retry *retry, const char *place,
                      struct wr_sink *sink) {
    *patience = (struct wr_patience){
        .retry = retry,
        .env = sink->env,
        .place = place,
        .stop = sink->stop,
        .warn = sink->warn,
        .warn_ctx = sink->warn_ctx,
        .trouble = &sink->trouble,
    };
}

static int64_t lasted_us(const struct wr_patience *patience) {
    return patience->env->monotonic_us(patience->env) - patience->since_us;
}

static int is_stopped(const struct wr_patience *patience) {
    return patience->stop != NULL && *patience->stop != 0;
}

static int wait_for(struct wr_patience *patience, int64_t us) {
    const struct wr_env *env = patience->env;
    int64_t begin_us = env->monotonic_us(env), left_us = us;
    while (left_us > 0 && !is_stopped(patience)) {
        env->sleep(env, WR_MIN(left_us, SLICE_US));
        left_us = begin_us + us - env->monotonic_us(env);
    }
    if (patience->trouble != NULL)
        patience->trouble->waited_us += env->monotonic_us(env) - begin_us;
    return is_stopped(patience) ? WR_ECANCEL : WR_OK;
}

/* Full jitter. */
static int64_t draw_pause(const struct wr_patience *patience) {
    const struct wr_retry *retry = patience->retry;
    int64_t bound_us = retry->pause_us_min;
    for (uint64_t i = 1; i < patience->failures && bound_us < retry->pause_us_max; i++)
        bound_us *= 2;
    bound_us = WR_MAX(WR_MIN(bound_us, retry->pause_us_max), INT64_C(1));
    return (int64_t)(patience->env->random_u64(patience->env) % (uint64_t)bound_us) + 1;
}

static void tell(const struct wr_patience *patience, const char *code, const char *text) {
    if (patience->warn != NULL)
        patience->warn(patience->warn_ctx, code, text);
}

static void seconds_text(int64_t us, char text[32]) {
    snprintf(text, 32, "%lld.%llds", (long long)(us / 1000000), (long long)(us / 100000 % 10));
}

static void open_circuit(struct wr_patience *patience, const char *why) {
    char text[TEXT_MAX + 512], lasted[32], cooldown[32];
    seconds_text(lasted_us(patience), lasted);
    seconds_text(patience->retry->cooldown_us, cooldown);
    snprintf(text, sizeof text,
             "%s: %llu attempts failed in %s (%.*s): nothing more is read, and one attempt is made "
             "every %s",
             patience->place, (unsigned long long)patience->failures, lasted, TEXT_MAX, why,
             cooldown);
    patience->is_open = 1;
    if (patience->trouble != NULL)
        patience->trouble->openings++;
    tell(patience, "W619", text);
}

int wr_patience_again(struct wr_patience *patience, const char *why) {
    const struct wr_retry *retry = patience->retry;
    if (patience->failures++ == 0)
        patience->since_us = patience->env->monotonic_us(patience->env);
    if (patience->trouble != NULL)
        patience->trouble->failures++;
    if (is_stopped(patience))
        return WR_ECANCEL;
    int has_breaker = retry->failures > 0;
    int64_t lasts_us = has_breaker ? retry->limit_us : retry->timeout_us;
    int64_t left_us =
        has_breaker && lasts_us == 0 ? DURATION_US_MAX : lasts_us - lasted_us(patience);
    if (left_us <= 0 || (!has_breaker && patience->failures > retry->retries))
        return WR_EEND;
    if (!has_breaker || patience->failures < retry->failures) {
        int64_t pause_us = draw_pause(patience);
        return wait_for(patience, WR_MIN(pause_us, left_us));
    }
    if (!patience->is_open)
        open_circuit(patience, why);
    return wait_for(patience, WR_MIN(retry->cooldown_us, left_us));
}

void wr_patience_well(struct wr_patience *patience) {
    if (patience->is_open) {
        char text[512], lasted[32];
        seconds_text(lasted_us(patience), lasted);
        snprintf(text, sizeof text, "%s: it is there again after %s and %llu failed attempts",
                 patience->place, lasted, (unsigned long long)patience->failures);
        tell(patience, "W620", text);
    }
    patience->failures = 0;
    patience->is_open = 0;
}

int wr_patience_gone(const struct wr_patience *patience, const char *code, struct wr_error *err) {
    char lasted[32];
    seconds_text(lasted_us(patience), lasted);
    int status =
        err == NULL || err->status == WR_EAGAIN || err->status == WR_OK ? WR_EIO : err->status;
    wr_error_add(err, status, "it is down for %s, %llu attempts failed, the last with", lasted,
                 (unsigned long long)patience->failures);
    wr_error_code(err, code);
    wr_error_help(err, "the options `retries`, `timeout` and `breaker` of the sink, where it has "
                       "them, say how long it is waited for; with `--state` the next run goes on "
                       "from the last checkpoint");
    return status;
}

int wr_patience_stopped(const struct wr_patience *patience, struct wr_error *err) {
    size_t length = strlen(patience->place);
    if (err != NULL && strncmp(err->text, patience->place, length) == 0 &&
        strncmp(err->text + length, ": ", 2) == 0) /* it is named once */
        memmove(err->text, err->text + length + 2, strlen(err->text + length + 2) + 1);
    return wr_error_add(err, WR_ECANCEL, "stopped while %s was waited for", patience->place);
}
