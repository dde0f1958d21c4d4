/* sandbox_table.c: `table`. Lengths and loops are bounded, and the loops poll the watchdog; `sort`
 * is stable, so that equal elements keep one order in every run. */
#include <lauxlib.h>

#include "lua/sandbox.h"
#include "lua/watchdog.h"
#include "base/banned.h"

static lua_Integer check_length(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Integer length = luaL_len(L, index);
    if (length < 0 || length > SANDBOX_ELEMENTS_MAX)
        luaL_argerror(L, index, "table is too long");
    return length;
}

static inline void poll(lua_State *L, const struct watchdog *watchdog) {
    if (watchdog->over)
        watchdog_raise(L);
}

static int l_insert(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer behind = check_length(L, 1) + 1;
    switch (lua_gettop(L)) {
    case 2: lua_seti(L, 1, behind); return 0;
    case 3: {
        lua_Integer at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, at >= 1 && at <= behind, 2, "position out of bounds");
        for (lua_Integer i = behind; i > at; i--) {
            poll(L, watchdog);
            lua_geti(L, 1, i - 1);
            lua_seti(L, 1, i);
        }
        lua_seti(L, 1, at);
        return 0;
    }
    default: return luaL_error(L, "wrong number of arguments to 'insert'");
    }
}

static int l_remove(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer length = check_length(L, 1), at = luaL_optinteger(L, 2, length);
    if (lua_gettop(L) > 1)
        luaL_argcheck(L, (at >= 1 && at <= length + 1) || (length == 0 && at == 0), 2,
                      "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < length; at++) {
        poll(L, watchdog);
        lua_geti(L, 1, at + 1);
        lua_seti(L, 1, at);
    }
    if (at >= 1 || length == 0) {
        lua_pushnil(L);
        lua_seti(L, 1, at);
    }
    return 1;
}

static int l_move(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
    lua_Integer target = luaL_checkinteger(L, 4);
    int into = lua_isnoneornil(L, 5) ? 1 : 5;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, into, LUA_TTABLE);
    if (to >= from) {
        luaL_argcheck(L, from > 0 || to < LUA_MAXINTEGER + from, 3, "too many elements to move");
        lua_Integer count = to - from + 1;
        luaL_argcheck(L, count <= SANDBOX_ELEMENTS_MAX, 3, "too many elements to move");
        luaL_argcheck(L, target <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
        int upward =
            target > to || target <= from || (into != 1 && !lua_compare(L, 1, into, LUA_OPEQ));
        for (lua_Integer i = 0; i < count; i++) {
            lua_Integer at = upward ? i : count - 1 - i;
            poll(L, watchdog);
            lua_geti(L, 1, from + at);
            lua_seti(L, into, target + at);
        }
    }
    lua_pushvalue(L, into);
    return 1;
}

static void add_element(lua_State *L, luaL_Buffer *buffer, lua_Integer i, uint64_t *bytes) {
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
    *bytes += lua_rawlen(L, -1);
    if (*bytes > SANDBOX_STRING_MAX)
        luaL_error(L, "resulting string too large");
    luaL_addvalue(buffer);
}

static int l_concat(lua_State *L) {
    if (lua_isnil(L, 1))
        return 1;
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer length = check_length(L, 1);
    size_t separator_length;
    const char *separator = luaL_optlstring(L, 2, "", &separator_length);
    lua_Integer from = luaL_optinteger(L, 3, 1), to = luaL_optinteger(L, 4, length);
    if (to >= from && (uint64_t)to - (uint64_t)from >= (uint64_t)SANDBOX_ELEMENTS_MAX)
        return luaL_error(L, "too many elements in 'concat'");
    uint64_t bytes = 0;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (lua_Integer i = from; i <= to; i++) {
        poll(L, watchdog);
        add_element(L, &buffer, i, &bytes);
        if (i == to)
            break; /* which may be the last integer */
        luaL_addlstring(&buffer, separator, separator_length);
        bytes += separator_length;
    }
    luaL_pushresult(&buffer);
    return 1;
}

static int l_pack(lua_State *L) {
    int count = lua_gettop(L);
    lua_createtable(L, count, 1);
    lua_insert(L, 1);
    for (int i = count; i >= 1; i--)
        lua_seti(L, 1, i);
    lua_pushinteger(L, count);
    lua_setfield(L, 1, "n");
    return 1;
}

static int l_unpack(lua_State *L) {
    if (lua_isnil(L, 1))
        return 1;
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer from = luaL_optinteger(L, 2, 1);
    lua_Integer to = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    if (from > to)
        return 0;
    uint64_t count = (uint64_t)to - (uint64_t)from;
    if (count >= INT32_MAX || !lua_checkstack(L, (int)++count))
        return luaL_error(L, "too many results to unpack");
    for (uint64_t i = 0; i < count; i++) {
        poll(L, watchdog);
        lua_geti(L, 1, from + (lua_Integer)i);
    }
    return (int)count;
}

/* ---- sort ---- */

/* Whether the value on top stands before the one below it; pops neither. */
static int before(lua_State *L) {
    if (lua_isnil(L, 2))
        return lua_compare(L, -1, -2, LUA_OPLT);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -4);
    lua_call(L, 2, 1);
    int is_before = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_before;
}

/* Merges [low, middle) and [middle, high) of the table at `from` into that at `to`. */
static void merge(lua_State *L, int from, int to, lua_Integer low, lua_Integer middle,
                  lua_Integer high) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer a = low, b = middle;
    for (lua_Integer i = low; i < high; i++) {
        poll(L, watchdog);
        int take_b = a >= middle;
        if (a < middle && b < high) {
            lua_rawgeti(L, from, a);
            lua_rawgeti(L, from, b);
            take_b = before(L);
            lua_pop(L, 2);
        }
        lua_rawgeti(L, from, take_b ? b++ : a++);
        lua_rawseti(L, to, i);
    }
}

/* Merge sort, bottom-up: Knuth, "The Art of Computer Programming", volume 3, 5.2.4. */
static int l_sort(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer length = check_length(L, 1);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    int size = (int)(length < 1 << 20 ? length : 1 << 20);
    lua_createtable(L, size, 0);
    lua_createtable(L, size, 0);
    for (lua_Integer i = 1; i <= length; i++) {
        poll(L, watchdog);
        lua_geti(L, 1, i);
        lua_rawseti(L, 3, i);
    }
    int from = 3, to = 4;
    for (lua_Integer width = 1; width < length; width *= 2) {
        for (lua_Integer low = 1; low <= length; low += 2 * width) {
            lua_Integer middle = low + width, high = low + 2 * width;
            middle = middle < length + 1 ? middle : length + 1;
            merge(L, from, to, low, middle, high < length + 1 ? high : length + 1);
        }
        int swap = from;
        from = to;
        to = swap;
    }
    for (lua_Integer i = 1; i <= length; i++) {
        poll(L, watchdog);
        lua_rawgeti(L, from, i);
        lua_seti(L, 1, i);
    }
    return 0;
}

void sandbox_table_new(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"insert", l_insert}, {"remove", l_remove}, {"move", l_move}, {"concat", l_concat},
        {"pack", l_pack},     {"unpack", l_unpack}, {"sort", l_sort}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
