#include "lua/library_lists.h"

#include <lauxlib.h>
#include <string.h>

#include "base/assert.h"
#include "lua/table_text.h"
#include "lua/watchdog.h"
#include "base/banned.h"

/* The length of the list at 1, with the function at 2, and a new list on top for the result; -1:
 * the list is nil, and so is the result. */
static lua_Integer begin_list(lua_State *L, const char *name) {
    lua_Integer length;
    uint32_t count;
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TFUNCTION)
        return luaL_error(L, "W505: `%s` takes (list, function), got %s behind the list", name,
                          luaL_typename(L, 2));
    if (lua_isnil(L, 1)) {
        lua_pushnil(L);
        return -1;
    }
    if (lua_type(L, 1) != LUA_TTABLE)
        return luaL_error(L, "W505: `%s` takes (list, function), got %s", name,
                          luaL_typename(L, 1));
    if (!table_is_list(L, 1, &length, &count))
        return luaL_error(L, "W505: `%s` takes a list, got a table with other keys", name);
    lua_newtable(L);
    return length;
}

/* Calls the function with element `at`: the element and the result are on top. */
static void call_with(lua_State *L, const struct watchdog *watchdog, lua_Integer at) {
    if (watchdog->over)
        watchdog_raise(L);
    lua_rawgeti(L, 1, at);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 1);
}

static int l_filter(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer length = begin_list(L, "list_filter"), kept = 0;
    for (lua_Integer i = 1; i <= length; i++) {
        call_with(L, watchdog, i);
        int is = lua_type(L, -1), keep = lua_toboolean(L, -1);
        if (is != LUA_TBOOLEAN && is != LUA_TNIL)
            return luaL_error(L, "W505: item %I: %s where bool is expected", i,
                              lua_typename(L, is));
        lua_pop(L, 1);
        if (keep)
            lua_rawseti(L, 3, ++kept);
        else
            lua_pop(L, 1);
    }
    return 1;
}

static int l_map(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer length = begin_list(L, "list_map");
    for (lua_Integer i = 1; i <= length; i++) {
        call_with(L, watchdog, i);
        lua_rawseti(L, 3, i);
        lua_pop(L, 1);
    }
    return 1;
}

lua_CFunction library_list_function(const char *name) {
    static const luaL_Reg functions[] = {{"list_filter", l_filter}, {"list_map", l_map}};
    for (uint32_t i = 0; i < WR_COUNT(functions); i++)
        if (strcmp(functions[i].name, name) == 0)
            return functions[i].func;
    WR_ASSERT(!"every function with WR_FN_LUA is here");
    return NULL;
}
