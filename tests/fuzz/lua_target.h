/* lua_target.h: what fuzz targets share that feed a function of the standard library.
 *
 * The function is the result of a Lua chunk, is called with each input as a string, and raises an
 * error when something is wrong: then the target aborts. libFuzzer sees no branches of Lua, so a
 * hook counts the lines that run, as counters of its own. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "base/env.h"
#include "lua/state.h"

#define LINE_COUNTERS (1 << 15)
__attribute__((used,
               section("__libfuzzer_extra_counters"))) static uint8_t line_counters[LINE_COUNTERS];

/* The first and the last line of the function tell the files apart, well enough. */
static void count_line(lua_State *L, lua_Debug *event) {
    lua_getinfo(L, "S", event);
    uint32_t hash = (uint32_t)event->currentline * 2654435761u ^
                    (uint32_t)event->linedefined * 40503u ^ (uint32_t)event->lastlinedefined * 97u;
    line_counters[hash % LINE_COUNTERS]++;
}

static void stop(lua_State *L) {
    fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    abort();
}

/* Gives `data` to the function that `chunk` returns. */
static int feed_lua(const char *chunk, const uint8_t *data, size_t size_bytes) {
    static lua_State *L;
    if (L == NULL) {
        L = wr_lua_new(wr_env_real());
        if (L == NULL)
            abort();
        if (luaL_dostring(L, chunk))
            stop(L);
        lua_sethook(L, count_line, LUA_MASKLINE, 0);
    }
    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)data, size_bytes);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        stop(L);
    return 0;
}
