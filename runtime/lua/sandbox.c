#include "lua/sandbox.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "lua/library.h"
#include "lua/native.h"
#include "lua/time_value.h"
#include "lua/watchdog.h"
#include "base/banned.h"

static const char shared_key; /* registry: what the environments of all scripts have */
static const char types_key;  /* registry: {metatables of scripts: nil, bool, number, string;
                               * then Lua's own of string} */

enum { TYPE_NIL = 1, TYPE_BOOL, TYPE_NUMBER, TYPE_STRING, TYPE_STRING_OWN };

/* ---- tables that cannot be changed ---- */

static int l_sealed(lua_State *L) {
    return luaL_error(L, "`%s` cannot be changed", lua_tostring(L, lua_upvalueindex(1)));
}

/* upvalues: what it is, whether it has the methods of the library */
static int l_no_member(lua_State *L) {
    if (lua_toboolean(L, lua_upvalueindex(2)) && lua_type(L, 2) == LUA_TSTRING &&
        library_push(L, lua_tostring(L, 2), 1)) {
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 1); /* found at once the next time */
        return 1;
    }
    sandbox_tostring(L, 2);
    return luaL_error(L, "%s has no `%s`", lua_tostring(L, lua_upvalueindex(1)),
                      lua_tostring(L, -1));
}

/* Reading what the table on top does not have raises. */
static void complete(lua_State *L, const char *name, int methods) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, name);
    lua_pushboolean(L, methods);
    lua_pushcclosure(L, l_no_member, 2);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

static int l_walk(lua_State *L) {
    lua_getglobal(L, "next");
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "__index");
    lua_remove(L, -2);
    lua_pushnil(L);
    return 3;
}

void sandbox_seal(lua_State *L, const char *name) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "`%s`", name);
    complete(L, quoted, 0);
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_pushcclosure(L, l_sealed, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, l_walk);
    lua_setfield(L, -2, "__pairs");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* ---- metatables of types ---- */

static int l_nil(lua_State *L) {
    lua_pushnil(L);
    return 1;
}

static int l_false(lua_State *L) {
    lua_pushboolean(L, 0);
    return 1;
}

static void nil_type_new(lua_State *L) {
    static const char *const nils[] = {"__add",  "__sub",   "__mul",  "__div",  "__mod",
                                       "__pow",  "__unm",   "__idiv", "__band", "__bor",
                                       "__bxor", "__shl",   "__shr",  "__bnot", "__concat",
                                       "__len",  "__index", "__call", NULL};
    lua_createtable(L, 0, 24);
    for (int i = 0; nils[i] != NULL; i++) {
        lua_pushcfunction(L, l_nil);
        lua_setfield(L, -2, nils[i]);
    }
    lua_pushcfunction(L, l_false);
    lua_setfield(L, -2, "__lt");
    lua_pushcfunction(L, l_false);
    lua_setfield(L, -2, "__le");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

/* A metatable whose methods are in the table on top, which it takes. */
static void methods_type_new(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_insert(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

static void copy_into(lua_State *L, int from, int to) {
    from = lua_absindex(L, from);
    to = lua_absindex(L, to);
    for (lua_pushnil(L); lua_next(L, from) != 0;) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, to);
    }
}

/* Makes the metatables; Lua's own `string` functions stand before those of the library. */
static void make_types(lua_State *L) {
    lua_createtable(L, TYPE_STRING_OWN, 0);
    nil_type_new(L);
    lua_rawseti(L, -2, TYPE_NIL);
    static const char *const names[] = {"a bool", "a number", "a string"};
    for (int i = TYPE_BOOL; i <= TYPE_STRING; i++) {
        if (i == TYPE_STRING)
            sandbox_string_new(L);
        else
            lua_newtable(L);
        complete(L, names[i - TYPE_BOOL], 1);
        methods_type_new(L);
        lua_rawseti(L, -2, i);
    }
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_rawseti(L, -3, TYPE_STRING_OWN);
    lua_pop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &types_key);
}

static void set_types(lua_State *L, int scripts) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &types_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        return; /* no script yet */
    }
    int types = lua_gettop(L);
    lua_pushnil(L);
    lua_pushboolean(L, 0);
    lua_pushinteger(L, 0);
    lua_pushliteral(L, "");
    for (int i = TYPE_NIL; i <= TYPE_STRING; i++) {
        if (scripts)
            lua_rawgeti(L, types, i);
        else if (i == TYPE_STRING)
            lua_rawgeti(L, types, TYPE_STRING_OWN);
        else
            lua_pushnil(L);
        lua_setmetatable(L, types + i);
    }
    lua_settop(L, types - 1);
}

/* ---- running scripts ---- */

void sandbox_enter(lua_State *L, int64_t budget_us) {
    struct watchdog *watchdog = watchdog_of(L);
    luaL_checkstack(L, 8, "a script");
    if (watchdog->depth == 0)
        set_types(L, 1);
    watchdog_enter(watchdog, L, budget_us);
}

void sandbox_leave(lua_State *L) {
    struct watchdog *watchdog = watchdog_of(L);
    watchdog_leave(watchdog, L);
    if (watchdog->depth == 0)
        set_types(L, 0);
}

static int l_text_of(lua_State *L) {
    sandbox_tostring(L, 1);
    return 1;
}

/* The text of a table of a script runs code of the script. */
int sandbox_failed(lua_State *L, int status) {
    struct watchdog *watchdog = watchdog_of(L);
    int is_table = lua_type(L, -1) == LUA_TTABLE && lua_getmetatable(L, -1);
    if (is_table) {
        is_table = sandbox_is_users(L, -1);
        lua_pop(L, 1);
    }
    if (is_table && !watchdog->over) {
        lua_pushcfunction(L, l_text_of);
        lua_insert(L, -2);
        if (sandbox_pcall(L, 1, 1, 0) != LUA_OK && lua_type(L, -1) != LUA_TSTRING) {
            lua_pop(L, 1);
            lua_pushliteral(L, "an error without a text");
        }
    }
    if (!watchdog_stopped(watchdog, status))
        return 0;
    lua_pop(L, 1);
    watchdog_push(L);
    return 1;
}

int sandbox_pcall(lua_State *L, int arguments, int results, int handler) {
    struct watchdog *watchdog = watchdog_of(L);
    int outer = watchdog->capped;
    watchdog->capped = 1;
    int status = lua_pcall(L, arguments, results, handler);
    watchdog->capped = outer;
    return status;
}

int sandbox_call(lua_State *L, int arguments, int results, int handler, int64_t budget_us) {
    sandbox_enter(L, budget_us);
    int status = sandbox_pcall(L, arguments, results, handler);
    int stopped = status != LUA_OK && sandbox_failed(L, status);
    sandbox_leave(L);
    return stopped ? status | SANDBOX_STOPPED : status;
}

/* native.call_user(f[, handler[, budget_us[, own_bytes]]]) -> true, results | false, err: as xpcall
 * does, under the watchdog. With `own_bytes` f works for us (it parses a script): it has so much
 * memory, and what it keeps does not count for the script. */
int native_call_user(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_Integer budget_us = luaL_optinteger(L, 3, WATCHDOG_LOAD_US);
    lua_Integer own_bytes = luaL_optinteger(L, 4, 0);
    luaL_argcheck(L, budget_us > 0, 3, "no time");
    lua_settop(L, 2);
    int handler = lua_isnil(L, 2) ? 0 : 2;
    struct watchdog *watchdog = watchdog_of(L);
    uint64_t bytes_max = watchdog->bytes_max, before = watchdog->bytes_used;
    if (own_bytes > 0)
        watchdog->bytes_max = (uint64_t)own_bytes;
    lua_pushvalue(L, 1);
    int status = sandbox_call(L, 0, LUA_MULTRET, handler, budget_us);
    watchdog->bytes_max = bytes_max;
    if (own_bytes > 0 && watchdog->bytes_used > before)
        watchdog->bytes_base += watchdog->bytes_used - before;
    lua_pushboolean(L, status == LUA_OK);
    lua_replace(L, 2);
    return lua_gettop(L) - 1;
}

int native_push_stopped(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_pushnil(L);
    lua_createtable(L, 0, 4);
    lua_pushlstring(L, watchdog->message, 4);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, watchdog->message + 6);
    lua_setfield(L, -2, "message");
    if (watchdog->line > 0) {
        lua_pushstring(L, watchdog->file);
        lua_setfield(L, -2, "file");
        lua_pushinteger(L, watchdog->line);
        lua_setfield(L, -2, "line");
    }
    return 2;
}

/* ---- environments ---- */

static void add_library(lua_State *L, const char *name) {
    sandbox_seal(L, name);
    lua_setfield(L, -2, name);
}

static int l_convert_to_string(lua_State *L) {
    lua_remove(L, 1);
    int arguments = lua_gettop(L);
    library_push(L, "string", 0);
    lua_insert(L, 1);
    lua_call(L, arguments, 1);
    return 1;
}

/* What all environments have. The function library is found when a name is missing. */
static void make_shared(lua_State *L) {
    sandbox_base_new(L);
    sandbox_string_new(L);
    sandbox_seal(L, "string");
    lua_getmetatable(L, -1); /* string(x) converts */
    lua_pushcfunction(L, l_convert_to_string);
    lua_setfield(L, -2, "__call");
    lua_pop(L, 1);
    lua_setfield(L, -2, "string");
    sandbox_table_new(L);
    add_library(L, "table");
    sandbox_math_new(L);
    add_library(L, "math");
    sandbox_utf8_new(L);
    add_library(L, "utf8");
    sandbox_coroutine_new(L);
    add_library(L, "coroutine");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &shared_key);
}

/* native.sandbox(globals) -> env */
int native_sandbox(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    time_value_type(L);
    decimal_value_type(L);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &shared_key) != LUA_TTABLE) {
        make_shared(L);
        make_types(L);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &shared_key);
    }
    lua_newtable(L);
    copy_into(L, -2, -1);
    copy_into(L, 1, -1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
    sandbox_random_seed(L, 0);
    watchdog_limit(watchdog_of(L), WATCHDOG_MEMORY);
    return 1;
}
