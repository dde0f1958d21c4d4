/* retry.h: what is done when the other side of a sink fails for a while: how often it is tried
 * again, with which pauses, for how long, and what then. One policy for all sinks, read from the
 * options of `write`; each sink decides what may be tried again (a statement that waits for a lock,
 * a transaction on a new connection), and calls `wr_patience_again` where it does.
 *
 *            an attempt fails: a pause, another one           `failures` in a row
 *   [closed] ------------------------------------> [closed] ---------------------> [open]
 *      ^                                                                          |   ^
 *      |  an attempt goes well                             `cooldown` has passed  v   | it fails
 *      +----------------------------------------------------------------- [one attempt]
 *
 * Without a breaker there is no open state: `retries` and `timeout` end it with W603.
 * While it waits the sink blocks who called it, and so the run: nothing is read meanwhile, and
 * nothing is kept but what the sink and the run hold anyway. A signal ends the wait.
 * Pauses have full jitter: drawn evenly between 0 and a bound that doubles with each failure.
 * Source: Brooker, "Exponential Backoff And Jitter", 2015; Nygard, "Release It!", 2007, chapter 5.
 *
 * Threads: one at a time, that which has the sink. */
#pragma once
#include <signal.h>
#include <stdint.h>

struct wr_endpoint_bind;
struct wr_env;
struct wr_error;
struct wr_options;
struct wr_sink;

/* The policy; lies in the plan. */
struct wr_retry {
    uint64_t retries;                   /* attempts behind the first one, … */
    int64_t timeout_us;                 /* … within this time of the first failure */
    int64_t pause_us_min, pause_us_max; /* the bound of the first pause, and of all */
    /* The breaker: after so many failures in a row it opens; 0: there is none. Then neither
     * `retries` nor `timeout` ends the run, but `limit_us` does, where it is not 0. */
    uint64_t failures;
    int64_t cooldown_us, limit_us;
};

#define WR_RETRY_FAILURES 5 /* by default, where an attempt takes its time */
#define WR_RETRY_OPTIONS "retry_min", "retry_max", "breaker"

/* What files have before: a disk may be full for a while. Nothing is tried again in place, since an
 * unknown part of what was to be written stands there: with a breaker the run goes back to its last
 * checkpoint (exec/again.c). */
#define WR_RETRY_OF_FILES \
    ((struct wr_retry){.pause_us_min = INT64_C(500) * 1000, \
                       .pause_us_max = INT64_C(5) * 1000000, \
                       .failures = WR_RETRY_FAILURES})

/* Reads the options over what `retry` holds (the defaults of the endpoint), `retries` and `timeout`
 * too where `has_budget`. The breaker is on where the input never ends, else where it is asked for.
 * W203. */
int wr_retry_bind(struct wr_retry *retry, const struct wr_endpoint_bind *bind,
                  const struct wr_options *options, int has_budget, struct wr_error *err);

/* What a sink had to wait for, in this run. One thread counts, others may look. */
struct wr_trouble {
    _Atomic uint64_t failures, openings; /* attempts that failed; how often the breaker opened */
    _Atomic int64_t waited_us;
};
static inline void wr_trouble_add(struct wr_trouble *to, const struct wr_trouble *more) {
    to->failures += more->failures;
    to->openings += more->openings;
    to->waited_us += more->waited_us;
}

/* An episode of failures, and how far it is. Zero but for what `wr_patience_init` sets. */
struct wr_patience {
    const struct wr_retry *retry;
    const struct wr_env *env;
    const char *place; /* what fails: "sqlite:out.db" */
    /* May be NULL: a flag that ends all waiting; who is told when the breaker opens and closes;
     * where what happened is counted. */
    const volatile sig_atomic_t *stop;
    void (*warn)(void *ctx, const char *code, const char *text);
    void *warn_ctx;
    struct wr_trouble *trouble;
    int64_t since_us; /* of the first failure */
    uint64_t failures;
    int is_open;
};

/* For a sink: its env, its `stop`, `warn` and `trouble`. */
void wr_patience_init(struct wr_patience *patience, const struct wr_retry *retry, const char *place,
                      struct wr_sink *sink);
/* An attempt failed, for `why`. Waits. WR_OK: now it is to be tried again; WR_EEND: no more, see
 * wr_patience_gone; WR_ECANCEL: a signal came, and nothing is to be tried any more. */
int wr_patience_again(struct wr_patience *patience, const char *why);
/* An attempt went well: the episode is over. */
void wr_patience_well(struct wr_patience *patience);
/* Behind WR_EEND: puts before the last error, in `err`, for how long and how often it was tried,
 * and what to do. `code`: that it gets. Returns its status, WR_EIO where that is WR_EAGAIN. */
int wr_patience_gone(const struct wr_patience *patience, const char *code, struct wr_error *err);
/* Behind WR_ECANCEL: the same, and returns that. */
int wr_patience_stopped(const struct wr_patience *patience, struct wr_error *err);
