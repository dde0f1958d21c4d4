/* twin_link.c: what goes over a link to the twin, and what befalls it: see twin.h. */
#include "sim/twin_link.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/env_sim.h"
#include "base/banned.h"

#define AGAIN_ONE_IN 24u               /* exchanges behind the first thing that happens */
#define DOWN_US_MAX INT64_C(60000000)  /* a server is away for so long at most … */
#define DOWN_US_SHORT INT64_C(3000000) /* … and half of the time for this */
#define SLOW_US_MAX INT64_C(20000000)
#define COMMIT_ONE_IN 4u /* commits, at the first of which it happens before its time */
#define WHAT_BYTES 100
#define SILENT_ONE_IN 4u /* attempts to connect to a server that is away, and nothing is heard */

static void tell(const struct twin *twin, const char *text) {
    if (twin->tell != NULL)
        twin->tell(twin->tell_ctx, text);
}

void link_lose(struct pg_conn *link, int commits) {
    struct backend *backend = link->backend;
    link->status = CONNECTION_BAD;
    link->backend = NULL;
    snprintf(link->message, sizeof link->message, "server closed the connection unexpectedly");
    if (backend == NULL)
        return;
    if (commits && backend->in_transaction && !backend->failed)
        backend_leave_pending(backend);
    else
        backend_free(backend);
}

/* The server ends and begins: each commit has happened or not, and nothing else is left. */
static void restart(struct twin *twin) {
    for (struct pg_conn *link = twin->links; link != NULL; link = link->next)
        link_lose(link, 0);
    twin_settle(twin);
}

static void go_down(struct twin *twin) {
    const struct wr_env *env = wr_sim_env(twin->sim);
    int64_t most = dice_one_in(&twin->dice, 2) ? DOWN_US_SHORT : DOWN_US_MAX;
    twin->down_until_us = env->monotonic_us(env) + (int64_t)dice_below(&twin->dice, (uint64_t)most);
}

/* Errors that a statement may meet at any time. */
static const struct {
    const char *state, *message;
} refusals[] = {
    {"40001", "could not serialize access due to read/write dependencies among transactions"},
    {"40P01", "deadlock detected"},
    {"57014", "canceling statement due to statement timeout"},
    {"55P03", "canceling statement due to lock timeout"},
    {"53100", "could not extend file: No space left on device"},
    {"57P01", "terminating connection due to administrator command"},
};

enum event {
    LOST,
    LOST_TOO,
    BEHIND,
    BEHIND_TOO,
    REFUSED,
    REFUSED_TOO,
    RESTARTED,
    TAKEN,
    AWAY,
    SLOW,
    EVENTS
};

static enum fate befall(struct pg_conn *link, struct twin_error *error, const char **word) {
    static const char *const words[EVENTS] = {
        "the link is lost before", "the link is lost before",
        "the link is lost behind", "the link is lost behind",
        "the server refuses",      "the server refuses",
        "the server restarts in",  "another instance takes over before",
        "the server goes away in", "the server is slow with"};
    struct twin *twin = link->twin;
    enum event event = (enum event)dice_below(&twin->dice, EVENTS);
    *word = words[event];
    switch (event) {
    case LOST:
    case LOST_TOO: return FATE_LOST;
    case BEHIND:
    case BEHIND_TOO: return FATE_BEHIND;
    case AWAY: go_down(twin); return dice_one_in(&twin->dice, 2) ? FATE_LOST : FATE_BEHIND;
    case RESTARTED:
        go_down(twin);
        restart(twin);
        return FATE_LOST;
    case TAKEN:
        for (struct database *one = twin->databases; one != NULL; one = one->next)
            database_take(one);
        return FATE_GOES;
    case SLOW:
        wr_sim_advance(twin->sim, (int64_t)dice_below(&twin->dice, (uint64_t)SLOW_US_MAX));
        return FATE_GOES;
    case REFUSED:
    case REFUSED_TOO:
    case EVENTS: break;
    }
    if (link->backend == NULL) /* while it connects */
        return FATE_LOST;
    size_t at = (size_t)dice_below(&twin->dice, WR_COUNT(refusals));
    twin_fail(error, refusals[at].state, "%s", refusals[at].message);
    return FATE_FAILS;
}

/* Whether it is time that something happens: most is decided in a commit. */
static int is_due(struct twin *twin, const char *what) {
    if (!twin->is_armed)
        return 0;
    if (strcmp(what, "commit") == 0 && dice_one_in(&twin->dice, COMMIT_ONE_IN)) {
        twin->nth = 0;
        return 1;
    }
    if (twin->nth > 0)
        return --twin->nth == 0;
    return twin->sticky && dice_one_in(&twin->dice, AGAIN_ONE_IN);
}

enum fate link_ask(struct pg_conn *link, const char *what, uint64_t print,
                   struct twin_error *error) {
    struct twin *twin = link->twin;
    char text[SIM_PATH_MAX + WHAT_BYTES + 8];
    const char *word = "";
    int happens = 0;
    if (link->status == CONNECTION_BAD)
        return FATE_LOST;
    snprintf(text, sizeof text, "%s: %.*s", link->name, WHAT_BYTES, what);
    if (wr_sim_call(twin->sim, "ask", text, print, &happens) != 0)
        return happens ? FATE_BEHIND : FATE_LOST;
    if (!is_due(twin, what))
        return FATE_GOES;
    enum fate fate = befall(link, error, &word);
    if (twin->met[0] == 0)
        snprintf(twin->met, sizeof twin->met, "%s %.100s", word, what);
    snprintf(text, sizeof text, "    (%s %.60s%s%s)", word, what, fate == FATE_FAILS ? ": " : "",
             fate == FATE_FAILS ? error->message : "");
    tell(twin, text);
    return fate;
}

/* ---- connecting ----------------------------------------------------------------------------- */

static int not_connected(struct pg_conn *link, const char *why) {
    snprintf(link->message, sizeof link->message, "connection to server failed: %s", why);
    return -1;
}

int link_open(struct pg_conn *link, const char *mark) {
    static const char *const away[] = {"Connection refused",
                                       "FATAL:  the database system is "
                                       "starting up",
                                       "FATAL:  sorry, too many clients already"};
    struct twin *twin = link->twin;
    const struct wr_env *env = wr_sim_env(twin->sim);
    struct twin_error error;
    twin->was_used = 1;
    link->status = CONNECTION_STARTED;
    enum fate fate = link_ask(link, "connect", 0, &error);
    link->status = CONNECTION_BAD;
    if (fate != FATE_GOES)
        return not_connected(link, "server closed the connection unexpectedly");
    if (env->monotonic_us(env) < twin->down_until_us && dice_one_in(&twin->dice, SILENT_ONE_IN)) {
        link->status = CONNECTION_STARTED; /* and nobody answers */
        return -1;
    }
    if (env->monotonic_us(env) < twin->down_until_us)
        return not_connected(link, away[dice_below(&twin->dice, WR_COUNT(away))]);
    twin->down_until_us = 0;
    link->backend = backend_new(database_find(twin, link->name), mark);
    link->status = CONNECTION_OK;
    return 0;
}

/* ---- the server ----------------------------------------------------------------------------- */

struct twin *twin_new(struct wr_sim *sim, const struct twin_start *start, uint64_t seed) {
    struct twin *twin = wr_alloc_zero(&wr_budget_control, sizeof *twin);
    if (twin == NULL)
        return NULL;
    twin->sim = sim;
    twin->start = start;
    twin->dice.state = seed;
    return twin;
}

void twin_free(struct twin *twin) {
    if (twin == NULL)
        return;
    WR_ASSERT(twin->links == NULL); /* else somebody still speaks to it */
    while (twin->databases != NULL) {
        struct database *database = twin->databases;
        twin->databases = database->next;
        while (database->pending != NULL) {
            struct backend *backend = database->pending;
            database->pending = backend->next;
            backend_free(backend);
        }
        sqlite3_free(database->bytes);
        wr_arena_release(&database->arena);
        wr_free(&wr_budget_control, database);
    }
    wr_free(&wr_budget_control, twin);
}

void twin_watch(struct twin *twin, void (*to)(void *ctx, const char *text), void *ctx) {
    twin->tell = to;
    twin->tell_ctx = ctx;
}

int twin_was_used(const struct twin *twin) {
    return twin->was_used;
}

void twin_arm(struct twin *twin, uint64_t nth, int sticky) {
    twin->is_armed = 1;
    twin->nth = nth;
    twin->sticky = sticky;
    twin->met[0] = 0;
}

const char *twin_violation(const struct twin *twin) {
    return twin->violation;
}

const char *twin_met(const struct twin *twin) {
    return twin->met;
}

void twin_leave(struct twin *twin) {
    twin->is_armed = twin->sticky = 0;
    twin->met[0] = 0;
    twin->fenced_count = 0;
    twin->down_until_us = 0;
}

void twin_settle(struct twin *twin) {
    for (struct database *database = twin->databases; database != NULL; database = database->next)
        database_settle(database);
}

int twin_each(struct twin *twin, twin_database_fn fn, void *ctx) {
    int status = 0;
    for (struct database *database = twin->databases; database != NULL && status == 0;
         database = database->next) {
        struct backend *backend = backend_new(database, "");
        status = fn(ctx, database->name, backend->db);
        backend_free(backend);
    }
    return status;
}
