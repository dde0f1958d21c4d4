#include "lua/state.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "lua/native.h"
#include "lua/watchdog.h"
#include "base/banned.h"

int luaopen_lpeg(lua_State *L);

/* The standard library as bytecode, made by the build (cmake/stdlib.cmake), closed by NULLs. */
struct wr_stdlib_file {
    const char *name, *text;
    uint64_t size_bytes;
};
extern const struct wr_stdlib_file wr_stdlib_files[];

/* A searcher of `package`: modules of the standard library lie in the program. */
static int l_stdlib_search(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    for (const struct wr_stdlib_file *file = wr_stdlib_files; file->name != NULL; file++) {
        if (strcmp(file->name, name) != 0)
            continue;
        lua_pushfstring(L, "@%s", name);
        if (luaL_loadbufferx(L, file->text, file->size_bytes, lua_tostring(L, -1), "b") != LUA_OK)
            return lua_error(L);
        lua_pushstring(L, name);
        return 2;
    }
    lua_pushfstring(L, "no module '%s' in the standard library", name);
    return 1;
}

int wr_lua_is_ours(const char *name) {
    for (const struct wr_stdlib_file *file = wr_stdlib_files; file->name != NULL; file++)
        if (strcmp(file->name, name) == 0)
            return 1;
    return 0;
}

static int open_all(lua_State *L) {
    lua_settop(L, 1); /* the env */
    lua_setfield(L, LUA_REGISTRYINDEX, WR_LUA_ENV_KEY);
    luaL_openlibs(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_lpeg);
    lua_setfield(L, -2, "lpeg");
    lua_pushcfunction(L, luaopen_weir_native);
    lua_setfield(L, -2, "weir.native");
    lua_pop(L, 1);
    lua_getfield(L, -1, "searchers");
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = count; i >= 2; i--) { /* behind preload, before the file system */
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, l_stdlib_search);
    lua_rawseti(L, -2, 2);
    return 0;
}

lua_State *wr_lua_new(const struct wr_env *env) {
    struct watchdog *watchdog = watchdog_new();
    lua_State *L = watchdog == NULL ? NULL : lua_newstate(watchdog_alloc, watchdog);
    if (L == NULL) {
        watchdog_free(watchdog);
        return NULL;
    }
    lua_pushcfunction(L, open_all); /* what allocates is called by it: outside, a failure aborts */
    lua_pushlightuserdata(L, (void *)(uintptr_t)env);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        wr_lua_free(L);
        return NULL;
    }
    return L;
}

void wr_lua_free(lua_State *L) {
    if (L == NULL)
        return;
    struct watchdog *watchdog = watchdog_of(L);
    lua_close(L);
    watchdog_free(watchdog);
}

static int l_traceback(lua_State *L) {
    const char *message = lua_tostring(L, 1);
    if (message == NULL)
        message = luaL_tolstring(L, 1, NULL);
    luaL_traceback(L, L, message, 1);
    return 1;
}

struct main_call {
    const char *module;
    int argc;
    char **argv;
};

static int l_main(lua_State *L) {
    const struct main_call *call = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushstring(L, call->module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_createtable(L, call->argc, 0);
    for (int i = 1; i < call->argc; i++) {
        lua_pushstring(L, call->argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_pushstring(L, call->argc > 0 ? call->argv[0] : "weir");
    lua_rawseti(L, -2, 0);
    lua_call(L, 1, 1);
    return 1;
}

int wr_lua_main(lua_State *L, const char *module, int argc, char **argv) {
    struct main_call call = {.module = module, .argc = argc, .argv = argv};
    lua_pushcfunction(L, l_traceback);
    lua_pushcfunction(L, l_main);
    lua_pushlightuserdata(L, &call);
    int status = lua_pcall(L, 1, 1, 1);
    if (status != LUA_OK) {
        /* Where Lua code catches an error and raises it anew, its words are all that is left. */
        const char *message = lua_tostring(L, -1);
        if (status == LUA_ERRMEM || (message != NULL && strstr(message, "not enough memory")))
            fputs(WR_LUA_NO_MEMORY, stderr);
        else
            fprintf(stderr, "weir: a bug in weir itself: %s\n", message);
        return 1;
    }
    return (int)lua_tointeger(L, -1);
}
