/* sandbox_string.c: `string`, `utf8` and `math`: Lua's own where they are bounded, with two
 * changes: nil gives nil, and what is made has a limit. */
#include <lauxlib.h>
#include <string.h>

#include "lua/library.h"
#include "lua/sandbox.h"
#include "lua/watchdog.h"
#include "base/banned.h"

#define ALL_STRICT 255

/* ---- string ---- */

/* upvalue 1: Lua's own rep */
static int l_rep(lua_State *L) {
    for (int i = 1; i <= 3 && i <= lua_gettop(L); i++)
        if (lua_isnil(L, i)) {
            lua_pushnil(L);
            return 1;
        }
    size_t length, separator_length;
    luaL_checklstring(L, 1, &length);
    lua_Integer count = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &separator_length);
    if (count <= 0 || length + separator_length == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((uint64_t)count > SANDBOX_STRING_MAX / (length + separator_length))
        return luaL_error(L, "resulting string too large");
    lua_settop(L, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    if (lua_isnil(L, 4))
        lua_pop(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

/* The conversion that begins behind the `%` at `at`, or 0 at the format's end. */
static char conversion(const char **at, const char *end) {
    while (*at < end && strchr("-+ #0123456789.", **at) != NULL)
        (*at)++;
    return *at < end ? *(*at)++ : 0;
}

/* upvalue 1: Lua's own format. Its arguments become what has a text without addresses. */
static int l_format(lua_State *L) {
    if (lua_isnil(L, 1))
        return 1;
    size_t length;
    const char *at = luaL_checklstring(L, 1, &length), *end = at + length;
    int arg = 1, top = lua_gettop(L);
    while (at < end) {
        if (*at++ != '%')
            continue;
        char what = conversion(&at, end);
        if (what == '%' || what == 0)
            continue;
        if (++arg > top)
            return luaL_argerror(L, arg, "no value");
        if (what == 'p')
            return luaL_error(L, "W703: `%%p` is not available in a pipeline");
        if (what == 's' && lua_type(L, arg) != LUA_TSTRING) {
            sandbox_tostring(L, arg);
            lua_replace(L, arg);
        } else if (what != 's' && what != 'q' && lua_isnil(L, arg)) {
            lua_pushnil(L);
            return 1;
        }
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, top, 1);
    return 1;
}

static void add_with_own(lua_State *L, const char *name, lua_CFunction function) {
    lua_getglobal(L, "string");
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

static void add_guarded(lua_State *L, const char *library, const char *const *names, int strict,
                        int numbers) {
    for (int i = 0; names[i] != NULL; i++) {
        sandbox_guarded(L, library, names[i], strict, numbers);
        lua_setfield(L, -2, names[i]);
    }
}

void sandbox_string_new(lua_State *L) {
    static const char *const guarded[] = {"byte",    "char", "len",   "lower",  "pack", "packsize",
                                          "reverse", "sub",  "upper", "unpack", NULL};
    lua_newtable(L);
    add_guarded(L, "string", guarded, ALL_STRICT, 0);
    add_with_own(L, "rep", l_rep);
    add_with_own(L, "format", l_format);
    sandbox_patterns_add(L);
}

void sandbox_utf8_new(lua_State *L) {
    static const char *const guarded[] = {"char", "codes", "codepoint", "len", "offset", NULL};
    lua_newtable(L);
    add_guarded(L, "utf8", guarded, 1, 0);
    lua_getglobal(L, "utf8");
    lua_getfield(L, -1, "charpattern");
    lua_setfield(L, -3, "charpattern");
    lua_pop(L, 1);
}

/* ---- math ---- */

static const char random_key; /* registry: the state of math.random */

/* Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t *random_state(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &random_key) == LUA_TNIL) {
        uint64_t *made = lua_newuserdatauv(L, sizeof *made, 0);
        *made = 0;
        lua_rawsetp(L, LUA_REGISTRYINDEX, &random_key);
        lua_pop(L, 1);
        return made;
    }
    uint64_t *state = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return state;
}

void sandbox_random_seed(lua_State *L, uint64_t seed) {
    *random_state(L) = seed;
}

/* A number below `count` (0: of all 2^64), each as likely: numbers beyond a multiple are drawn
 * again. */
static uint64_t below(uint64_t *state, uint64_t count) {
    uint64_t x = next_random(state);
    if (count == 0)
        return x;
    uint64_t rest = (UINT64_MAX % count + 1) % count;
    while (x > UINT64_MAX - rest)
        x = next_random(state);
    return x % count;
}

static int l_random(lua_State *L) {
    uint64_t *state = lua_touserdata(L, lua_upvalueindex(1)), seed;
    lua_Integer low = 1, high;
    if (library_row_seed(L, &seed)) /* the same at a row, wherever the run began */
        *state = seed;
    switch (lua_gettop(L)) {
    case 0: lua_pushnumber(L, (double)(next_random(state) >> 11) * 0x1p-53); return 1;
    case 1:
        high = luaL_checkinteger(L, 1);
        if (high == 0) {
            lua_pushinteger(L, (lua_Integer)next_random(state));
            return 1;
        }
        break;
    case 2:
        low = luaL_checkinteger(L, 1);
        high = luaL_checkinteger(L, 2);
        break;
    default: return luaL_error(L, "wrong number of arguments");
    }
    luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
    uint64_t count = (uint64_t)high - (uint64_t)low + 1;
    lua_pushinteger(L, (lua_Integer)((uint64_t)low + below(state, count)));
    return 1;
}

static int l_randomseed(lua_State *L) {
    uint64_t *state = lua_touserdata(L, lua_upvalueindex(1)), seed;
    library_row_seed(L, &seed); /* a row that seeds it keeps that */
    double number = luaL_checknumber(L, 1);
    if (lua_isinteger(L, 1))
        *state = (uint64_t)lua_tointeger(L, 1);
    else
        memcpy(state, &number, sizeof *state);
    return 0;
}

void sandbox_math_new(lua_State *L) {
    static const char *const numbers[] = {"abs", "acos",  "asin", "atan", "ceil", "cos", "deg",
                                          "exp", "floor", "fmod", "log",  "max",  "min", "modf",
                                          "rad", "sin",   "sqrt", "tan",  "ult",  NULL};
    static const char *const others[] = {"tointeger", "type", NULL};
    static const char *const constants[] = {"huge", "maxinteger", "mininteger", "pi", NULL};
    lua_newtable(L);
    add_guarded(L, "math", numbers, ALL_STRICT, 1);
    add_guarded(L, "math", others, 1, 0);
    lua_getglobal(L, "math");
    for (int i = 0; constants[i] != NULL; i++) {
        lua_getfield(L, -1, constants[i]);
        lua_setfield(L, -3, constants[i]);
    }
    lua_pop(L, 1);
    random_state(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &random_key);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, l_random, 1);
    lua_setfield(L, -3, "random");
    lua_pushcclosure(L, l_randomseed, 1);
    lua_setfield(L, -2, "randomseed");
}
