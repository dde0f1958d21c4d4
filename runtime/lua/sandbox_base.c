/* sandbox_base.c: the global functions of Lua that scripts have: pcall that cannot swallow the
 * watchdog, metatables that cannot run code behind it, texts without addresses. */
#include <lauxlib.h>
#include <string.h>

#include "lua/sandbox.h"
#include "lua/watchdog.h"
#include "base/banned.h"

static const char users_key; /* registry: a weak set of the metatables that scripts have set */

/* ---- guarded functions ---- */

/* upvalues: the function, the number of strict arguments, whether they must be numbers */
static int l_guarded(lua_State *L) {
    int strict = (int)lua_tointeger(L, lua_upvalueindex(2));
    int numbers = lua_toboolean(L, lua_upvalueindex(3)), top = lua_gettop(L);
    for (int i = 1; i <= top && i <= strict; i++) {
        if (lua_isnil(L, i)) {
            lua_pushnil(L);
            return 1;
        }
        if (numbers && lua_type(L, i) != LUA_TNUMBER)
            return luaL_typeerror(L, i, "number");
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, top, LUA_MULTRET);
    return lua_gettop(L);
}

void sandbox_guarded(lua_State *L, const char *library, const char *name, int strict, int numbers) {
    lua_getglobal(L, library);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    lua_pushinteger(L, strict);
    lua_pushboolean(L, numbers);
    lua_pushcclosure(L, l_guarded, 3);
}

/* ---- texts ---- */

void sandbox_tostring(lua_State *L, int index) {
    index = lua_absindex(L, index);
    if (luaL_callmeta(L, index, "__tostring")) {
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "'__tostring' must return a string");
        return;
    }
    int type = lua_type(L, index);
    if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING)
        luaL_tolstring(L, index, NULL);
    else
        lua_pushstring(L, luaL_typename(L, index));
}

static int l_tostring(lua_State *L) {
    luaL_checkany(L, 1);
    sandbox_tostring(L, 1);
    return 1;
}

/* ---- errors ---- */

static int finish_pcall(lua_State *L, int status, lua_KContext context) {
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L);
    watchdog_poll(L); /* nobody catches the end of the time */
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
}

static int l_pcall(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

/* ---- metatables ---- */

static void push_users(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &users_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &users_key);
}

int sandbox_is_users(lua_State *L, int index) {
    index = lua_absindex(L, index);
    push_users(L);
    lua_pushvalue(L, index);
    int is_users = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    return is_users;
}

/* Code that Lua runs by itself, where no hook or no pcall of ours sees it; or what depends on when
 * the collector runs. */
static const char *const refused[] = {"__gc", "__close", "__mode", NULL};

/* A metatable gets no refused name later either. */
static int l_metatable_newindex(lua_State *L) {
    lua_settop(L, 3);
    if (lua_type(L, 2) == LUA_TSTRING)
        for (int i = 0; refused[i] != NULL; i++)
            if (strcmp(lua_tostring(L, 2), refused[i]) == 0)
                return luaL_error(L, "W703: `%s` is not available in a pipeline", refused[i]);
    lua_rawset(L, 1);
    return 0;
}

/* Watches over the metatable at `index`; `guard` is at upvalue 1. */
static void watch_metatable(lua_State *L, int index) {
    if (!lua_getmetatable(L, index)) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_setmetatable(L, index);
        return;
    }
    lua_pushliteral(L, "__newindex");
    if (sandbox_is_users(L, -2) && lua_rawget(L, -2) == LUA_TNIL) {
        lua_pushcfunction(L, l_metatable_newindex);
        lua_setfield(L, -3, "__newindex");
    }
    lua_pop(L, 2);
}

static int l_setmetatable(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    int type = lua_type(L, 2);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (lua_getmetatable(L, 1)) {
        lua_pushliteral(L, "__metatable");
        int is_guard = lua_rawequal(L, -2, lua_upvalueindex(1));
        if (!is_guard && (!sandbox_is_users(L, -2) || lua_rawget(L, -2) != LUA_TNIL))
            return luaL_error(L, "cannot change a protected metatable");
    }
    lua_settop(L, 2);
    if (type == LUA_TTABLE) {
        for (int i = 0; refused[i] != NULL; i++) {
            lua_pushstring(L, refused[i]);
            if (lua_rawget(L, 2) != LUA_TNIL)
                return luaL_error(L, "W703: `%s` is not available in a pipeline", refused[i]);
            lua_pop(L, 1);
        }
        watch_metatable(L, 2);
        push_users(L);
        lua_pushvalue(L, 2);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
        lua_settop(L, 2);
    }
    lua_setmetatable(L, 1);
    return 1;
}

/* Metatables of our own stay hidden: false. */
static int l_getmetatable(lua_State *L) {
    luaL_checkany(L, 1);
    if (!lua_getmetatable(L, 1) || lua_rawequal(L, -1, lua_upvalueindex(1))) {
        lua_pushnil(L);
        return 1;
    }
    if (!sandbox_is_users(L, -1)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    lua_pushliteral(L, "__metatable");
    if (lua_rawget(L, -2) == LUA_TNIL)
        lua_pop(L, 1);
    return 1;
}

/* ---- all ---- */

static void add_lua(lua_State *L, const char *name) {
    lua_getglobal(L, name);
    lua_setfield(L, -2, name);
}

void sandbox_base_new(lua_State *L) {
    static const char *const same[] = {"assert", "error",  "ipairs", "rawequal", "rawget",
                                       "rawlen", "select", "type",   "_VERSION", NULL};
    lua_newtable(L);
    for (int i = 0; same[i] != NULL; i++)
        add_lua(L, same[i]);
    sandbox_guarded(L, "_G", "tonumber", 1, 0);
    lua_setfield(L, -2, "tonumber");
    lua_pushcfunction(L, l_tostring);
    lua_setfield(L, -2, "tostring");
    lua_pushcfunction(L, l_pcall);
    lua_setfield(L, -2, "pcall");
    lua_createtable(L, 0, 1); /* the guard of metatables */
    lua_pushcfunction(L, l_metatable_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, l_setmetatable, 1);
    lua_setfield(L, -3, "setmetatable");
    lua_pushcclosure(L, l_getmetatable, 1);
    lua_setfield(L, -2, "getmetatable");
    sandbox_order_add(L);
}
