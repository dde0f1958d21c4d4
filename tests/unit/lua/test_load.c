/* test_load.c: a script is loaded while allocations fail, those of Lua too: it is loaded or there
 * is an error, and all memory comes back. */
#include "test.h"

#include "base/alloc.h"
#include "base/env.h"
#include "lua/state.h"

#include <lauxlib.h>

/* Each stage, a function, a window, a branch, and a sink. */
static const char script[] =
    "local rows = weir.rows('v int64, k string', {{1, 'a'}, {2, 'b'}})\n"
    "local good = rows:filter 'v > 0':derive 'w = v * 2, u = upper(k)'\n"
    "good:group_by 'k':agg 'n = count(), s = sum(w)':sort 'n desc':print()\n"
    "good:filter(function(e) return e.v > 1 end):select 'v, k':write 'blackhole:'\n";

static const char load[] =
    "local script, text = require('weir.load').script, ...\n"
    "local made, err = script { native = require('weir.native'), name = 't.lua', text = text }\n"
    "return made ~= nil, err and err.message";

struct outcome {
    uint64_t nth;
    int reached, loaded;
    char message[256];
};

static int l_load(lua_State *L) {
    struct outcome *outcome = lua_touserdata(L, 1);
    if (luaL_loadstring(L, load) != LUA_OK)
        return lua_error(L);
    lua_pushstring(L, script);
    lua_call(L, 1, 2);
    outcome->loaded = lua_toboolean(L, -2);
    snprintf(outcome->message, sizeof outcome->message, "%s",
             lua_tostring(L, -1) == NULL ? "" : lua_tostring(L, -1));
    return 0;
}

/* native.plan {}, while the n-th of its allocations fails. */
static int l_plan(lua_State *L) {
    struct outcome *outcome = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushstring(L, "weir.native");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "plan");
    lua_createtable(L, 0, 0);
    wr_alloc_fail_at(outcome->nth, 0);
    int status = lua_pcall(L, 1, 2, 0);
    outcome->reached = wr_alloc_count() >= outcome->nth;
    wr_alloc_fail_at(0, 0);
    outcome->loaded = status == LUA_OK && !lua_isnil(L, -2);
    if (status == LUA_OK && !outcome->loaded)
        lua_getfield(L, -1, "message");
    snprintf(outcome->message, sizeof outcome->message, "%s",
             lua_tostring(L, -1) == NULL ? "" : lua_tostring(L, -1));
    return 0;
}

static void load_script(struct outcome *outcome) {
    memset(outcome, 0, sizeof *outcome);
    lua_State *L = wr_lua_new(wr_env_real());
    if (L == NULL) {
        snprintf(outcome->message, sizeof outcome->message, "no memory for Lua");
        return;
    }
    lua_pushcfunction(L, l_load);
    lua_pushlightuserdata(L, outcome);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        const char *message = lua_tostring(L, -1);
        snprintf(outcome->message, sizeof outcome->message, "%s",
                 message == NULL ? "an error that is no text" : message);
    }
    wr_lua_free(L);
}

/* One load whose n-th allocation fails; false once it makes fewer. */
static bool load_with_failure(uint64_t nth, int sticky) {
    struct outcome outcome;
    uint64_t used = wr_budget_control.bytes_used;
    wr_alloc_fail_at(nth, sticky);
    load_script(&outcome);
    bool reached = wr_alloc_count() >= nth;
    wr_alloc_fail_at(0, 0);
    if (!outcome.loaded && outcome.message[0] == 0)
        test_fail(__FILE__, __LINE__, "allocation %llu: neither loaded nor an error",
                  (unsigned long long)nth);
    if (sticky && reached && outcome.loaded && outcome.message[0] != 0)
        test_fail(__FILE__, __LINE__, "allocation %llu: both loaded and an error",
                  (unsigned long long)nth);
    CHECK_INT(wr_budget_control.bytes_used, ==, used);
    return reached;
}

TEST(script_is_loaded) {
    struct outcome outcome;
    load_script(&outcome);
    CHECK_STR(outcome.message, "");
    CHECK_INT(outcome.loaded, ==, 1);
}

TEST(plan_whose_allocation_fails_says_so) {
    struct outcome outcome = {.nth = 1, .reached = 1};
    for (; outcome.reached; outcome.nth++) {
        lua_State *L = wr_lua_new(wr_env_real());
        lua_pushcfunction(L, l_plan);
        lua_pushlightuserdata(L, &outcome);
        CHECK_INT(lua_pcall(L, 1, 0, 0), ==, LUA_OK);
        if (!outcome.loaded && outcome.message[0] == 0)
            test_fail(__FILE__, __LINE__, "allocation %llu: neither a plan nor an error",
                      (unsigned long long)outcome.nth);
        wr_lua_free(L);
    }
    CHECK_INT(outcome.loaded, ==, 1);
}

/* There are tens of thousands of them: the first hundred, then a random sample of all. */
TEST(script_whose_allocations_fail_is_refused_and_gives_everything_back) {
    uint64_t seed = test_seed() | 1, total = 1;
    while (load_with_failure(total, 0))
        total *= 2;
    for (uint64_t nth = 1; nth <= 100; nth++)
        load_with_failure(nth, nth % 2 == 0);
    do {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        load_with_failure(1 + seed % total, (int)(seed >> 60 & 1));
    } while (test_random_time_left());
}
