/* sandbox_order.c: `pairs` and `next` in an order that is the same in every run: numbers ascending,
 * then strings by bytes, then false and true. Keys of other kinds have no order that could be kept;
 * they come last, as the table has them. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "lua/sandbox.h"
#include "lua/watchdog.h"
#include "base/banned.h"

enum rank { RANK_NUMBER, RANK_STRING, RANK_BOOLEAN, RANK_OTHER };

/* A key; `text` is lent by the Lua string. No field asks for more than the 8 bytes to which Lua
 * aligns userdata. */
struct key {
    enum rank rank;
    int is_float;
    union {
        lua_Integer integer; /* booleans too */
        lua_Number number;
    };
    const char *text;
    size_t length;
    lua_Integer place; /* in the list of keys */
};

static struct key key_read(lua_State *L, int index) {
    struct key key = {.rank = RANK_OTHER};
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        key.rank = RANK_NUMBER;
        key.is_float = !lua_isinteger(L, index);
        if (key.is_float)
            key.number = lua_tonumber(L, index);
        else
            key.integer = lua_tointeger(L, index);
        break;
    case LUA_TSTRING:
        key.rank = RANK_STRING;
        key.text = lua_tolstring(L, index, &key.length);
        break;
    case LUA_TBOOLEAN:
        key.rank = RANK_BOOLEAN;
        key.integer = lua_toboolean(L, index);
        break;
    default: break;
    }
    return key;
}

/* Holds each int64 and each double. */
static long double key_number(const struct key *key) {
    return key->is_float ? (long double)key->number : (long double)key->integer;
}

static int key_compare(const void *left, const void *right) {
    const struct key *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->rank == RANK_STRING) {
        size_t both = a->length < b->length ? a->length : b->length;
        int order = memcmp(a->text, b->text, both);
        return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
    }
    if (a->rank != RANK_OTHER && key_number(a) != key_number(b))
        return key_number(a) < key_number(b) ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* upvalues: the table, its keys in order (userdata with the list as user value), the next place */
struct keys {
    lua_Integer count, at;
    struct key keys[];
};

static int l_pairs_next(lua_State *L) {
    struct keys *keys = lua_touserdata(L, lua_upvalueindex(2));
    lua_getiuservalue(L, lua_upvalueindex(2), 1);
    int list = lua_gettop(L);
    while (keys->at < keys->count) {
        lua_rawgeti(L, list, keys->keys[keys->at++].place);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
            return 2;
        lua_pop(L, 2); /* taken away meanwhile */
    }
    lua_pushnil(L);
    return 1;
}

/* Keeps the keys of the table at 1 in a list at 2; 0 when they are 1, 2, … as the table has them,
 * which Lua's own `next` walks in that order. */
static lua_Integer collect(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    lua_Integer count = 0;
    int plain = 1;
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        plain = plain && lua_isinteger(L, -2) && lua_tointeger(L, -2) == count + 1;
        lua_pushvalue(L, -2);
        lua_rawseti(L, 2, ++count);
        if (watchdog->over)
            watchdog_raise(L);
    }
    return plain ? 0 : count;
}

/* upvalue 1: Lua's own next */
static int l_pairs(lua_State *L) {
    luaL_checkany(L, 1);
    if (lua_isnil(L, 1))
        return 1;
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_Integer count = collect(L);
    if (count == 0) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_pushvalue(L, 1);
        lua_pushnil(L);
        return 3;
    }
    struct keys *keys =
        lua_newuserdatauv(L, sizeof *keys + (size_t)count * sizeof keys->keys[0], 1);
    keys->count = count;
    keys->at = 0;
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, 2, i + 1);
        keys->keys[i] = key_read(L, -1);
        keys->keys[i].place = i + 1;
        lua_pop(L, 1);
    }
    qsort(keys->keys, (size_t)count, sizeof keys->keys[0], key_compare);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 3, 1);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 3);
    lua_pushcclosure(L, l_pairs_next, 2);
    return 1;
}

/* The least key behind the one at 2 (nil: of all) among those with an order, at the stack's top;
 * 0: there is none. */
static int least_behind(lua_State *L) {
    const struct watchdog *watchdog = watchdog_of(L);
    int all = lua_isnil(L, 2), found = 0;
    struct key from = key_read(L, 2), best = {0};
    lua_pushnil(L); /* 3: the best */
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        struct key key = key_read(L, -2);
        if (watchdog->over)
            watchdog_raise(L);
        if (key.rank == RANK_OTHER || (!all && key_compare(&key, &from) <= 0) ||
            (found && key_compare(&key, &best) >= 0))
            continue;
        lua_pushvalue(L, -2);
        lua_replace(L, 3);
        best = key;
        found = 1;
    }
    return found;
}

/* next(t, key) -> key, value */
static int l_next(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_isnil(L, 2) || key_read(L, 2).rank != RANK_OTHER) {
        if (least_behind(L)) {
            lua_pushvalue(L, 3);
            lua_rawget(L, 1);
            return 2;
        }
        lua_settop(L, 1);
        lua_pushnil(L); /* now those without an order */
    }
    while (lua_next(L, 1) != 0) {
        if (key_read(L, -2).rank == RANK_OTHER)
            return 2;
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    return 1;
}

void sandbox_order_add(lua_State *L) {
    lua_getglobal(L, "next");
    lua_pushcclosure(L, l_pairs, 1);
    lua_setfield(L, -2, "pairs");
    lua_pushcfunction(L, l_next);
    lua_setfield(L, -2, "next");
}
