/* sandbox_coroutine.c: coroutines of which the watchdog always knows the running one. */
#include <lauxlib.h>

#include "lua/sandbox.h"
#include "lua/watchdog.h"
#include "base/banned.h"

static lua_State *check_coroutine(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co != NULL, 1, "coroutine");
    return co;
}

static const char *status_text(lua_State *L, lua_State *co) {
    if (L == co)
        return "running";
    switch (lua_status(co)) {
    case LUA_YIELD: return "suspended";
    case LUA_OK: {
        lua_Debug frame;
        if (lua_getstack(co, 0, &frame))
            return "normal"; /* it runs another one */
        return lua_gettop(co) == 0 ? "dead" : "suspended";
    }
    default: return "dead";
    }
}

static int l_status(lua_State *L) {
    lua_pushstring(L, status_text(L, check_coroutine(L)));
    return 1;
}

/* Runs `co` with the top `arguments` values; its results, or -1 with the error on top. */
static int resume(lua_State *L, lua_State *co, int arguments) {
    struct watchdog *watchdog = watchdog_of(L);
    if (!lua_checkstack(co, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    if (lua_status(co) != LUA_YIELD && (lua_status(co) != LUA_OK || lua_gettop(co) == 0)) {
        lua_pushliteral(L, "cannot resume dead coroutine");
        return -1;
    }
    watchdog_poll(L);
    lua_xmove(L, co, arguments);
    int results = 0;
    watchdog->current = co;
    int status = lua_resume(co, L, arguments, &results);
    watchdog->current = L;
    if (watchdog->over) {
        watchdog_arm(L);
        return watchdog_raise(L);
    }
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static int l_resume(lua_State *L) {
    lua_State *co = check_coroutine(L);
    int results = resume(L, co, lua_gettop(L) - 1);
    if (results < 0) {
        lua_pushboolean(L, 0);
        lua_insert(L, -2);
        return 2;
    }
    lua_pushboolean(L, 1);
    lua_insert(L, -(results + 1));
    return results + 1;
}

/* Closes what a failed or abandoned coroutine has open. */
static int reset(lua_State *L, lua_State *co) {
    struct watchdog *watchdog = watchdog_of(L);
    watchdog->current = co;
    int status = lua_resetthread(co);
    watchdog->current = L;
    if (watchdog->over) {
        watchdog_arm(L);
        return watchdog_raise(L);
    }
    return status;
}

static int l_wrapped(lua_State *L) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int results = resume(L, co, lua_gettop(L));
    if (results >= 0)
        return results;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD && reset(L, co) != LUA_OK) {
        lua_pop(L, 1);
        lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int l_create(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int l_wrap(lua_State *L) {
    l_create(L);
    lua_pushcclosure(L, l_wrapped, 1);
    return 1;
}

static int l_yield(lua_State *L) {
    return lua_yield(L, lua_gettop(L));
}

static int l_isyieldable(lua_State *L) {
    lua_pushboolean(L, lua_isyieldable(L));
    return 1;
}

static int l_running(lua_State *L) {
    lua_pushboolean(L, lua_pushthread(L));
    return 2;
}

static int l_close(lua_State *L) {
    lua_State *co = check_coroutine(L);
    const char *text = status_text(L, co);
    if (text[0] != 'd' && text[0] != 's')
        return luaL_error(L, "cannot close a %s coroutine", text);
    if (reset(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

void sandbox_coroutine_new(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"create", l_create},   {"resume", l_resume}, {"wrap", l_wrap},
        {"yield", l_yield},     {"status", l_status}, {"isyieldable", l_isyieldable},
        {"running", l_running}, {"close", l_close},   {NULL, NULL}};
    luaL_newlib(L, functions);
}
