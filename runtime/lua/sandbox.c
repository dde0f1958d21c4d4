/* sandbox.c: the environment of scripts: an allowlist, never what is left after deleting from _G.
 */
#include <lauxlib.h>
#include <string.h>

#include "lua/native.h"
#include "lua/time_value.h"
#include "base/banned.h"

static void copy_names(lua_State *L, const char *library, const char *const *names) {
    if (library == NULL)
        lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    else
        lua_getglobal(L, library);
    for (size_t i = 0; names[i] != NULL; i++) {
        lua_getfield(L, -1, names[i]);
        lua_setfield(L, -3, names[i]);
    }
    lua_pop(L, 1);
}

/* native.sandbox(globals) -> env */
int native_sandbox(lua_State *L) {
    static const char *const base[] = {"assert", "error",    "ipairs", "next",     "pairs",
                                       "pcall",  "print",    "select", "tonumber", "tostring",
                                       "type",   "_VERSION", NULL};
    static const char *const string[] = {"byte",    "char", "find",  "format", "gmatch",
                                         "gsub",    "len",  "lower", "match",  "rep",
                                         "reverse", "sub",  "upper", NULL};
    static const char *const table[] = {"concat", "insert", "move",   "pack",
                                        "remove", "sort",   "unpack", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    time_value_type(L);
    lua_newtable(L);
    copy_names(L, NULL, base);
    lua_newtable(L);
    copy_names(L, "string", string);
    lua_setfield(L, -2, "string");
    lua_newtable(L);
    copy_names(L, "table", table);
    lua_setfield(L, -2, "table");
    lua_getglobal(L, "math");
    lua_setfield(L, -2, "math");
    lua_getglobal(L, "utf8");
    lua_setfield(L, -2, "utf8");
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    return 1;
}
