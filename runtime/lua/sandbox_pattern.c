/* sandbox_pattern.c: find, match, gmatch and gsub on our own matcher, which counts its steps, and
 * raises where Lua's would run for hours. Results are Lua's (reference manual, 6.4). */
#include <lauxlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/status.h"
#include "expr/lua_pattern.h"
#include "lua/sandbox.h"
#include "lua/watchdog.h"
#include "base/banned.h"

#define PATTERN_TYPE "weir.pattern"
#define PATTERNS_MAX 256             /* compiled ones that are kept */
#define STEPS_MAX INT64_C(200000000) /* of one call: about a second */
#define ARENA_BYTES 512

static const char patterns_key; /* registry: pattern text -> compiled */

struct pattern {
    struct wr_arena arena;
    const struct wr_lua_pattern *compiled;
};

static int l_pattern_gc(lua_State *L) {
    struct pattern *self = luaL_checkudata(L, 1, PATTERN_TYPE);
    wr_arena_release(&self->arena);
    return 0;
}

/* The cache, emptied when it is full. Its field 1 counts; patterns are texts, so no key is 1. */
static void push_cache(lua_State *L) {
    lua_Integer count = 0;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &patterns_key) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        count = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    if (lua_isnil(L, -1) || count >= PATTERNS_MAX) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &patterns_key);
        count = 0;
    }
    lua_pushinteger(L, count + 1);
    lua_rawseti(L, -2, 1);
}

/* Pushes the compiled pattern of the text at `index`, and lends it. */
static const struct wr_lua_pattern *compile(lua_State *L, int index) {
    size_t length;
    const char *text = luaL_checklstring(L, index, &length);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &patterns_key) == LUA_TTABLE) {
        lua_pushvalue(L, index);
        lua_rawget(L, -2);
        struct pattern *known = lua_touserdata(L, -1);
        if (known != NULL)
            return known->compiled;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    struct pattern *made = lua_newuserdatauv(L, sizeof *made, 0);
    wr_arena_init(&made->arena, &wr_budget_control, ARENA_BYTES);
    if (luaL_newmetatable(L, PATTERN_TYPE)) {
        lua_pushcfunction(L, l_pattern_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    struct wr_error err = {0};
    int status = wr_lua_pattern_compile(&made->compiled, &made->arena, text, length, &err);
    if (status != WR_OK)
        luaL_error(L, "%s", err.text);
    push_cache(L);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return made->compiled;
}

static void match_begin(lua_State *L, struct wr_lua_match *match, int index) {
    size_t length;
    const char *subject = luaL_checklstring(L, index, &length);
    wr_lua_match_init(match, subject, length);
    if (match->steps > STEPS_MAX)
        match->steps = STEPS_MAX;
}

static int find(lua_State *L, const struct wr_lua_pattern *pattern, struct wr_lua_match *match,
                size_t from) {
    int found = wr_lua_pattern_find(pattern, match, from);
    if (found < 0)
        luaL_error(L, "the pattern takes too many steps on a text of %d bytes",
                   (int)(match->end - match->subject));
    return found;
}

static void push_capture(lua_State *L, const struct wr_lua_match *match, uint32_t i) {
    const struct wr_lua_capture *capture = &match->captures[i];
    if (match->capture_count == 0)
        lua_pushlstring(L, match->match_start, (size_t)(match->match_end - match->match_start));
    else if (capture->length == WR_LUA_POSITION)
        lua_pushinteger(L, capture->start - match->subject + 1);
    else
        lua_pushlstring(L, capture->start, (size_t)capture->length);
}

static int push_captures(lua_State *L, const struct wr_lua_match *match, int whole_too) {
    uint32_t count = match->capture_count == 0 ? (uint32_t)whole_too : match->capture_count;
    luaL_checkstack(L, (int)count, "too many captures");
    for (uint32_t i = 0; i < count; i++)
        push_capture(L, match, i);
    return (int)count;
}

/* Where a search starts, as an offset; beyond the end: -1. */
static ptrdiff_t start_of(lua_State *L, int index, size_t length) {
    lua_Integer at = luaL_optinteger(L, index, 1);
    if (at < 0)
        at = -at > (lua_Integer)length ? 1 : (lua_Integer)length + at + 1;
    else if (at == 0)
        at = 1;
    return at > (lua_Integer)length + 1 ? -1 : (ptrdiff_t)(at - 1);
}

static int is_plain(const char *pattern, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (pattern[i] != 0 && strchr("^$*+?.([%-", pattern[i]) != NULL)
            return 0;
    return 1;
}

static int any_nil(lua_State *L, int count) {
    for (int i = 1; i <= count; i++)
        if (lua_isnil(L, i)) {
            lua_pushnil(L);
            return 1;
        }
    return 0;
}

static int find_or_match(lua_State *L, int is_find) {
    if (any_nil(L, 2))
        return 1;
    size_t length, pattern_length;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *pattern = luaL_checklstring(L, 2, &pattern_length);
    ptrdiff_t from = start_of(L, 3, length);
    if (from < 0) {
        lua_pushnil(L);
        return 1;
    }
    if (is_find && (lua_toboolean(L, 4) || is_plain(pattern, pattern_length))) {
        const char *at = memmem(text + from, length - (size_t)from, pattern, pattern_length);
        if (at == NULL) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, at - text + 1);
        lua_pushinteger(L, at - text + (lua_Integer)pattern_length);
        return 2;
    }
    struct wr_lua_match match;
    match_begin(L, &match, 1);
    if (!find(L, compile(L, 2), &match, (size_t)from)) {
        lua_pushnil(L);
        return 1;
    }
    if (!is_find)
        return push_captures(L, &match, 1);
    lua_pushinteger(L, match.match_start - text + 1);
    lua_pushinteger(L, match.match_end - text);
    return 2 + push_captures(L, &match, 0);
}

static int l_find(lua_State *L) {
    return find_or_match(L, 1);
}

static int l_match(lua_State *L) {
    return find_or_match(L, 0);
}

/* ---- gmatch ---- */

/* upvalues: text, pattern, the offset of the next search, the end of the last match or -1 */
static int l_gmatch_next(lua_State *L) {
    struct wr_lua_match match;
    const struct pattern *pattern = lua_touserdata(L, lua_upvalueindex(2));
    match_begin(L, &match, lua_upvalueindex(1));
    size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    size_t length = (size_t)(match.end - match.subject);
    for (; from <= length && find(L, pattern->compiled, &match, from);
         from = (size_t)(match.match_start - match.subject) + 1) {
        lua_Integer end = match.match_end - match.subject;
        if (end == last)
            continue; /* empty, behind the last one */
        lua_pushinteger(L, end);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_copy(L, -1, lua_upvalueindex(4));
        return push_captures(L, &match, 1);
    }
    return 0;
}

static int l_gmatch(lua_State *L) {
    if (any_nil(L, 2))
        return 1;
    size_t length, pattern_length;
    luaL_checklstring(L, 1, &length);
    const char *pattern = luaL_checklstring(L, 2, &pattern_length);
    ptrdiff_t from = start_of(L, 3, length);
    lua_settop(L, 2);
    if (pattern_length > 0 && pattern[0] == '^') { /* here it stands for itself */
        lua_pushliteral(L, "%");
        lua_pushvalue(L, 2);
        lua_concat(L, 2);
        lua_replace(L, 2);
    }
    compile(L, 2);
    lua_replace(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, from < 0 ? (lua_Integer)length + 1 : from);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, l_gmatch_next, 4);
    return 1;
}

/* ---- gsub ---- */

static void add_template(lua_State *L, luaL_Buffer *buffer, const struct wr_lua_match *match) {
    size_t length;
    const char *text = lua_tolstring(L, 3, &length), *end = text + length, *at;
    while ((at = memchr(text, '%', (size_t)(end - text))) != NULL) {
        luaL_addlstring(buffer, text, (size_t)(at - text));
        text = at + 2;
        char c = at + 1 < end ? at[1] : 0;
        if (c == '%') {
            luaL_addchar(buffer, '%');
        } else if (c == '0') {
            luaL_addlstring(buffer, match->match_start,
                            (size_t)(match->match_end - match->match_start));
        } else if (c >= '1' && c <= '9') {
            uint32_t i = (uint32_t)(c - '1');
            if (i > 0 && i >= match->capture_count)
                luaL_error(L, "invalid capture index %%%d in replacement string", (int)i + 1);
            push_capture(L, match, i);
            luaL_tolstring(L, -1, NULL);
            lua_remove(L, -2);
            luaL_addvalue(buffer);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
    luaL_addlstring(buffer, text, (size_t)(end - text));
}

/* Adds what the match becomes. */
static void add_value(lua_State *L, luaL_Buffer *buffer, const struct wr_lua_match *match) {
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_template(L, buffer, match);
        return;
    }
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, match, 1), 1);
    } else {
        push_capture(L, match, 0);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(buffer, match->match_start,
                        (size_t)(match->match_end - match->match_start));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    } else {
        luaL_addvalue(buffer);
    }
}

static int l_gsub(lua_State *L) {
    if (any_nil(L, 3))
        return 1;
    int type = lua_type(L, 3);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    struct wr_lua_match match;
    match_begin(L, &match, 1);
    size_t length = (size_t)(match.end - match.subject), from = 0;
    lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)length + 1), count = 0;
    lua_settop(L, 4);
    const struct wr_lua_pattern *pattern = compile(L, 2);
    const char *text = match.subject, *copied = text, *last = NULL;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    while (count < max && from <= length && find(L, pattern, &match, from)) {
        if (match.match_end != last) {
            luaL_addlstring(&buffer, copied, (size_t)(match.match_start - copied));
            add_value(L, &buffer, &match);
            if (luaL_bufflen(&buffer) > SANDBOX_STRING_MAX)
                return luaL_error(L, "resulting string too large");
            count++;
            copied = last = match.match_end;
            from = (size_t)(last - text);
        } else { /* empty, behind the last one */
            from = (size_t)(match.match_start - text) + 1;
        }
        watchdog_poll(L);
        if (wr_lua_pattern_anchored(pattern))
            break;
    }
    luaL_addlstring(&buffer, copied, (size_t)(text + length - copied));
    luaL_pushresult(&buffer);
    lua_pushinteger(L, count);
    return 2;
}

void sandbox_patterns_add(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch}, {"gsub", l_gsub}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
