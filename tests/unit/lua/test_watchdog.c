/* test_watchdog.c: what a script is told that used up its time or memory. */
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

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

/* A function in C that never looks at the watchdog: the process is ended from outside of it. */
static void spin_for_ever(int standard_error) {
    dup2(standard_error, STDERR_FILENO);
    lua_State *L = wr_lua_new(wr_env_real());
    watchdog_enter(watchdog_of(L), L, 1000);
    for (volatile uint64_t i = 0;; i++) {}
}

TEST(watchdog_ends_a_process_whose_function_does_not_return) {
    int ends[2], status = 0;
    char said[256] = "";
    CHECK_INT(pipe(ends), ==, 0);
    pid_t child = fork();
    CHECK_INT(child, >=, 0);
    if (child == 0)
        spin_for_ever(ends[1]);
    close(ends[1]);
    for (size_t at = 0; at < sizeof said - 1;) {
        ssize_t count = read(ends[0], said + at, sizeof said - 1 - at);
        if (count <= 0)
            break;
        at += (size_t)count;
    }
    CHECK_INT(waitpid(child, &status, 0), ==, child);
    close(ends[0]);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), ==, 70);
    CHECK_STR(said, "weir: a function of the script does not return; ended\n");
}
