/* test_watchdog.c: what a script is told that used up its time or memory. */
#include "test.h"

#include "base/env.h"
#include "lua/state.h"
#include "lua/watchdog.h"

/* What is said of a call that ended with `status`, and whose time was up by then. */
static const char *said_when_over(lua_State *L, int status) {
    struct watchdog *watchdog = watchdog_of(L);
    watchdog_enter(watchdog, L, 100000);
    watchdog->over = 1; /* as a tick does that comes after the last instruction */
    int stopped = watchdog_stopped(watchdog, status);
    watchdog_leave(watchdog, L);
    CHECK_INT(stopped, ==, status != LUA_OK);
    return watchdog->message;
}

TEST(watchdog_whose_tick_comes_behind_the_end_says_what_was_used_up) {
    lua_State *L = wr_lua_new(wr_env_real());
    CHECK_STR(said_when_over(L, LUA_OK), "");
    CHECK_CONTAINS(said_when_over(L, LUA_ERRMEM), "W702: used up its memory");
    CHECK_STR(said_when_over(L, LUA_ERRRUN), "W701: ran longer than 100 ms");
    wr_lua_free(L);
}
