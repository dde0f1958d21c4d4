/* native_run.c: native.run(plan, options): the whole run, and what came of it. */
#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "base/workers.h"
#include "data/time.h"
#include "lua/convert.h"
#include "lua/functions.h"
#include "lua/native.h"
#include "lua/progress.h"
#include "base/banned.h"

static volatile sig_atomic_t stop_signal;

static void on_signal(int number) {
    if (stop_signal != 0) /* the second time: at once */
        _exit(128 + number);
    stop_signal = number;
}

static int show_stdout(void *ctx, const char *bytes, uint64_t length) {
    (void)ctx;
    while (length > 0) {
        ssize_t count = write(STDOUT_FILENO, bytes, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return WR_EIO;
        bytes += count;
        length -= (uint64_t)count;
    }
    return WR_OK;
}

static void note_stderr(void *ctx, const char *file, const char *text) {
    (void)ctx;
    fprintf(stderr, "note: %s: %s\n", file, text);
}

static void warn_stderr(void *ctx, const char *code, const char *text) {
    (void)ctx;
    fprintf(stderr, "weir: warning[%s]: %s\n", code, text);
}

static lua_Integer int_option(lua_State *L, const char *name, lua_Integer otherwise) {
    lua_getfield(L, 2, name);
    lua_Integer value = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : otherwise;
    lua_pop(L, 1);
    return value;
}

/* Lent: the table keeps it. */
static const char *text_option(lua_State *L, const char *name) {
    lua_getfield(L, 2, name);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return text;
}

static void set_text(lua_State *L, const char *name, const char *text) {
    if (text[0] == 0)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* (options, changes): see tell_changes. No Lua error may jump over a run that is open. */
static int l_tell(lua_State *L) {
    static const char *const words[] = {
        [WR_CHANGE_KEPT] = "kept",       [WR_CHANGE_MIGRATED] = "migrated",
        [WR_CHANGE_NEW] = "new",         [WR_CHANGE_REBUILT] = "rebuilt",
        [WR_CHANGE_REFUSED] = "refused", [WR_CHANGE_DROPPED] = "dropped"};
    const struct wr_changes *changes = lua_touserdata(L, 2);
    lua_getfield(L, 1, "tell");
    if (!lua_isfunction(L, -1))
        return 0;
    lua_createtable(L, (int)changes->count, 4);
    set_text(L, "state", changes->directory);
    native_set_int(L, "checkpoint", changes->number);
    native_set_int(L, "loses", changes->loses);
    native_set_int(L, "refused", changes->refused);
    for (uint32_t i = 0; i < changes->count; i++) {
        const struct wr_change *change = &changes->items[i];
        lua_createtable(L, 0, 8);
        set_text(L, "what", words[change->what]);
        lua_pushboolean(L, change->loses);
        lua_setfield(L, -2, "loses");
        set_text(L, "kind", change->kind);
        set_text(L, "stage", change->stage);
        set_text(L, "name", change->name == NULL ? "" : change->name);
        set_text(L, "address", change->address == NULL ? "" : change->address);
        set_text(L, "place", change->place);
        set_text(L, "reason", change->reason);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_call(L, 1, 0);
    return 0;
}

/* Gives what becomes of a state to `options.tell`, a Lua function, while the run is opened. */
static void tell_changes(void *ctx, const struct wr_changes *changes) {
    lua_State *L = ctx;
    lua_pushcfunction(L, l_tell);
    lua_pushvalue(L, 2);
    lua_pushlightuserdata(L, (void *)(uintptr_t)changes);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) { /* it shows; the run goes on */
        fprintf(stderr, "weir: %s\n", lua_tostring(L, -1));
        lua_pop(L, 1);
    }
}

struct wr_run_options native_run_options(lua_State *L, struct native_plan *plan) {
    lua_Integer batch_rows = int_option(L, "batch_rows", 0);
    const char *on_error = text_option(L, "on_error");
    const struct wr_env *env = plan->plan->env;
    lua_Integer workers = int_option(L, "workers", 0);
    if (workers <= 0)
        workers = env->cores(env);
    return (struct wr_run_options){
        .batch_rows = (uint32_t)WR_MIN(WR_MAX(batch_rows, 0), WR_BATCH_ROWS_MAX),
        .workers = (uint32_t)WR_MIN(workers, WR_WORKERS_MAX),
        .shards = (uint32_t)WR_MIN(WR_MAX(int_option(L, "shards", 0), 0), WR_SHARDS_MAX),
        .shard_order_seed = (uint64_t)int_option(L, "shard_seed", 0),
        .hash_seed = (uint64_t)int_option(L, "seed", 0),
        .record_limit = (uint64_t)WR_MAX(int_option(L, "limit", 0), 0),
        .until_rows = (uint64_t)WR_MAX(int_option(L, "until_rows", 0), 0),
        .until_us = int_option(L, "until_us", 0),
        .has_until_time = int_option(L, "until_us", WR_TIME_MIN) != WR_TIME_MIN,
        .drains = int_option(L, "drains", 0) != 0,
        .memory_bytes = (uint64_t)WR_MAX(int_option(L, "memory", 0), 0),
        .spill_bytes = (uint64_t)WR_MAX(int_option(L, "spill_bytes", 0), 0),
        .state_directory = text_option(L, "state"),
        .savepoint = text_option(L, "from"),
        .allow_rebuild = int_option(L, "allow_rebuild", 0) != 0,
        .tell_changes = tell_changes,
        .tell_ctx = L,
        .checkpoint_us = int_option(L, "checkpoint", 1000000),
        .quarantine = int_option(L, "quarantine", 1) != 0,
        .fail_on_error = on_error != NULL && strcmp(on_error, "fail") == 0,
        .keep_text = 1,
        .measures = int_option(L, "measures", 0) != 0,
        .dry_run = int_option(L, "measures", 0) != 0,
        .user_call = lua_functions_call,
        .user_ctx = plan->functions,
        .show = show_stdout,
        .note = note_stderr,
        .warn = warn_stderr,
        .terminal = isatty(STDOUT_FILENO),
        .terminal_columns = (int)int_option(L, "columns", 80),
        .stop = &stop_signal,
    };
}

static struct wr_value *spec_new(lua_State *L, struct wr_arena *arena, struct wr_error *err) {
    struct wr_value *spec = WR_ARENA_ZEROS(arena, struct wr_value, 1);
    int status = spec == NULL ? wr_error_set(err, WR_ENOMEM, "no memory for the plan")
                              : wr_value_from_lua(L, -1, arena, spec, err);
    lua_pop(L, 1);
    return status == WR_OK ? spec : NULL;
}

static void push_pair(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

int native_add_rejects(lua_State *L, struct native_plan *self, const char *kind,
                       const char *address, const char *format, struct wr_node **sink,
                       struct wr_error *err) {
    struct wr_arena *arena = &self->plan->arena;
    struct wr_node *node;
    lua_newtable(L);
    push_pair(L, "op", "rejects");
    struct wr_value *spec = spec_new(L, arena, err);
    int status = spec == NULL ? WR_ENOMEM : wr_plan_add(self->plan, spec, &node, err);
    if (status != WR_OK)
        return status;
    lua_newtable(L);
    push_pair(L, "op", "write");
    lua_createtable(L, 1, 0);
    lua_pushinteger(L, node->id);
    lua_rawseti(L, -2, 1);
    lua_setfield(L, -2, "inputs");
    lua_newtable(L);
    push_pair(L, "kind", kind);
    push_pair(L, "address", address);
    lua_setfield(L, -2, "endpoint");
    lua_newtable(L);
    push_pair(L, "name", format);
    lua_setfield(L, -2, "format");
    spec = spec_new(L, arena, err);
    return spec == NULL ? WR_ENOMEM : wr_plan_add(self->plan, spec, sink, err);
}

static void push_kinds(lua_State *L, const struct wr_plan *plan, const struct wr_summary *summary) {
    lua_createtable(L, (int)summary->kind_count, 0);
    for (uint32_t i = 0; i < summary->kind_count; i++) {
        const struct wr_reject_kind *kind = &summary->kinds[i];
        char code[8];
        snprintf(code, sizeof code, "W%03d", kind->code);
        lua_createtable(L, 0, 6);
        set_text(L, "code", code);
        native_set_int(L, "n", kind->count);
        lua_pushboolean(L, kind->only_warns);
        lua_setfield(L, -2, "only_warns");
        set_text(L, "reason", wr_reject_text(kind->code));
        set_text(L, "stage", plan->nodes[kind->node]->name);
        lua_createtable(L, 0, 5);
        set_text(L, "source", kind->source);
        set_text(L, "position", kind->position);
        set_text(L, "reason", kind->reason);
        set_text(L, "detail", kind->detail);
        set_text(L, "raw", kind->raw);
        lua_setfield(L, -2, "example");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* What was waited for, where something was. */
static void set_trouble(lua_State *L, const struct wr_trouble *trouble) {
    if (trouble->failures == 0)
        return;
    native_set_int(L, "failures", trouble->failures);
    native_set_int(L, "openings", trouble->openings);
    lua_pushnumber(L, (double)trouble->waited_us / 1e6);
    lua_setfield(L, -2, "waited");
}

static void push_summary(lua_State *L, const struct wr_plan *plan, const struct wr_run *run,
                         const struct wr_trouble *trouble) {
    const struct wr_summary *summary = wr_run_summary(run);
    lua_createtable(L, 0, 15);
    set_trouble(L, trouble);
    set_text(L, "cut_off", summary->cut_off);
    native_set_int(L, "rows_in", summary->rows_in);
    native_set_int(L, "late", summary->late);
    native_set_int(L, "rejected_total", summary->rejected);
    native_set_int(L, "steps", summary->steps);
    native_set_int(L, "state_bytes_peak", summary->state_bytes_peak);
    lua_pushnumber(L, (double)summary->elapsed_us / 1e6);
    lua_setfield(L, -2, "seconds");
    lua_pushboolean(L, summary->was_complete);
    lua_setfield(L, -2, "was_complete");
    lua_pushboolean(L, summary->has_reached);
    lua_setfield(L, -2, "has_reached");
    if (stop_signal != 0)
        native_set_int(L, "interrupted", (uint64_t)stop_signal);
    push_kinds(L, plan, summary);
    lua_setfield(L, -2, "rejected");
    lua_newtable(L);
    lua_Integer at = 0;
    for (uint32_t n = 0; n < plan->node_count; n++) {
        if (plan->nodes[n]->kind != WR_NODE_SINK || (plan->nodes[n]->sink->flags & WR_SINK_AUDITS))
            continue;
        struct wr_node_counts counts;
        wr_run_counts(run, n, &counts);
        lua_createtable(L, 0, 8);
        set_text(L, "name", plan->nodes[n]->name);
        set_trouble(L, &counts.trouble);
        native_set_int(L, "rows", counts.rows_in);
        native_set_int(L, "nonfinite", counts.nonfinite_count);
        native_set_int(L, "left_out", counts.left_out);
        lua_pushboolean(L, counts.is_held);
        lua_setfield(L, -2, "is_held");
        lua_rawseti(L, -2, ++at);
    }
    lua_setfield(L, -2, "sinks");
}

/* What was measured, by node: [id] = {…}. */
static void push_measured(lua_State *L, const struct wr_plan *plan, const struct wr_run *run) {
    lua_createtable(L, 0, (int)plan->node_count);
    for (uint32_t n = 0; n < plan->node_count; n++) {
        if (!plan->nodes[n]->live)
            continue;
        struct wr_node_counts counts;
        wr_run_counts(run, n, &counts);
        lua_createtable(L, 0, 8);
        native_set_int(L, "rows_in", counts.rows_in);
        native_set_int(L, "rows_out", counts.rows_out);
        native_set_int(L, "batches_in", counts.batches_in);
        lua_pushnumber(L, (double)counts.own_us / 1e6);
        lua_setfield(L, -2, "seconds");
        if (counts.state.rows > 0)
            native_set_int(L, "state_rows", counts.state.rows);
        if (counts.state.rows > 0 && counts.state.bytes > 0)
            native_set_int(L, "state_bytes", counts.state.bytes);
        if (counts.state.spilled_bytes > 0)
            native_set_int(L, "spilled_bytes", counts.state.spilled_bytes);
        if (counts.frontier != WR_TIME_MIN && counts.frontier != WR_TIME_MAX) {
            char text[WR_TIME_TEXT_MAX];
            lua_pushlstring(L, text, wr_timestamp_format(counts.frontier, text));
            lua_setfield(L, -2, "watermark");
        }
        lua_rawseti(L, -2, (lua_Integer)n);
    }
}

/* A run with nothing to do sleeps, for a part of the time for which it has had nothing to do: so a
 * row is late by no more than that part of what it let wait for it, and one that comes seldom costs
 * little. A step that has waited for a pipe itself goes on at once. */
#define SLEEP_US_MIN 200
#define SLEEP_US_MAX 10000
#define SLEEP_PART 8

static void rest(const struct wr_env *env, int status, int64_t step_us, int64_t *quiet_us) {
    if (status != WR_EAGAIN)
        *quiet_us = 0;
    if (status != WR_EAGAIN || step_us >= SLEEP_US_MAX / 2)
        return;
    int64_t sleep_us = WR_MIN(WR_MAX(*quiet_us / SLEEP_PART, SLEEP_US_MIN), SLEEP_US_MAX);
    *quiet_us += sleep_us;
    if (stop_signal == 0)
        env->sleep(env, sleep_us);
}

/* `stop_after`: steps after which the run is stopped as by a signal; 0: none. */
static int step_all(const struct wr_env *env, struct wr_run *run, struct wr_again *again,
                    struct progress *progress, lua_Integer stop_after, struct wr_error *err) {
    int status;
    int64_t quiet_us = 0;
    do {
        int64_t begin_us = env->monotonic_us(env);
        status = wr_run_step(run, err);
        wr_run_goes_on(again, run);
        rest(env, status, env->monotonic_us(env) - begin_us, &quiet_us);
        int goes_on = status == WR_OK || status == WR_EAGAIN;
        if (goes_on && stop_after > 0 && --stop_after == 0 && stop_signal == 0)
            stop_signal = SIGINT;
        progress_tick(progress, run);
    } while ((status == WR_OK || status == WR_EAGAIN) && !wr_run_wants_again(run));
    progress_end(progress);
    if (status == WR_OK)
        return WR_EAGAIN;
    if (status == WR_ECANCEL)
        return wr_run_stop(run, err);
    return status == WR_EEND ? WR_OK : status;
}

int native_complete_plan(lua_State *L, struct native_plan *self, struct wr_error *err) {
    const char *rejects = text_option(L, "rejects");
    struct wr_node *sink;
    const char *format = text_option(L, "rejects_format");
    int status = rejects == NULL
                     ? WR_OK
                     : native_add_rejects(L, self, "file", rejects,
                                          format == NULL ? "ndjson" : format, &sink, err);
    return status == WR_OK ? wr_plan_finish(self->plan, err) : status;
}

/* native.compare(plan, options) -> true | nil, err; `options.tell` is given the changes. */
int native_compare(lua_State *L) {
    struct native_plan *self = native_check_plan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct wr_error err = {0};
    int status = native_complete_plan(L, self, &err);
    struct wr_run_options options = native_run_options(L, self);
    if (status == WR_OK)
        status = wr_run_compare(self->plan, &options, &err);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* native.least_memory(plan, options) -> bytes | nil, err */
int native_least_memory(lua_State *L) {
    struct native_plan *self = native_check_plan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct wr_error err = {0};
    uint64_t bytes = 0;
    int status = native_complete_plan(L, self, &err);
    struct wr_run_options options = native_run_options(L, self);
    if (status == WR_OK)
        status = wr_run_least_memory(self->plan, &options, &bytes, &err);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    lua_pushinteger(L, (lua_Integer)bytes);
    return 1;
}

/* (plan, run, whether it measured, the trouble of runs before this one) -> summary */
static int l_summary(lua_State *L) {
    const struct wr_plan *plan = lua_touserdata(L, 1);
    const struct wr_run *run = lua_touserdata(L, 2);
    push_summary(L, plan, run, lua_touserdata(L, 4));
    if (lua_toboolean(L, 3)) {
        push_measured(L, plan, run);
        lua_setfield(L, -2, "nodes");
    }
    return 1;
}

/* native.run(plan, options) -> summary | nil, err */
int native_run(lua_State *L) {
    struct native_plan *self = native_check_plan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct wr_error err = {0};
    struct wr_run *run = NULL;
    int status = native_complete_plan(L, self, &err);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    struct wr_run_options options = native_run_options(L, self);
    struct sigaction action = {.sa_handler = on_signal}, old_int, old_term, old_hup;
    stop_signal = 0;
    sigaction(SIGINT, &action, &old_int);
    sigaction(SIGTERM, &action, &old_term);
    sigaction(SIGHUP, NULL, &old_hup);
    if (old_hup.sa_handler != SIG_IGN) /* as nohup has it */
        sigaction(SIGHUP, &action, NULL);
    struct progress progress;
    progress_begin(&progress, native_env(L), text_option(L, "progress"));
    lua_Integer stop_after = int_option(L, "stop_after", 0);
    struct wr_again again = {0};
    status = wr_run_new(&run, self->plan, &options, &err);
    for (int is_over = 0; !is_over;) {
        if (status == WR_OK)
            status = step_all(native_env(L), run, &again, &progress, stop_after, &err);
        is_over = status == WR_OK;
        if (!is_over)
            status = wr_run_again(&again, &run, self->plan, &options, status, &err);
        is_over |= status != WR_OK;
    }
    int code = LUA_OK;
    if (status == WR_OK) { /* an error of Lua, for want of memory, must not jump over the run */
        lua_pushcfunction(L, l_summary);
        lua_pushlightuserdata(L, self->plan);
        lua_pushlightuserdata(L, run);
        lua_pushboolean(L, options.measures);
        lua_pushlightuserdata(L, &again.trouble);
        code = lua_pcall(L, 4, 1, 0);
    }
    wr_run_free(run);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    sigaction(SIGHUP, &old_hup, NULL);
    if (code != LUA_OK)
        return lua_error(L);
    if (status == WR_OK)
        return 1;
    int count = status == WR_ELUA ? native_push_stopped(L) : wr_error_push(L, &err);
    if (status == WR_ECANCEL) /* while it waited to go on */
        native_set_int(L, "interrupted", (uint64_t)stop_signal);
    return count;
}
