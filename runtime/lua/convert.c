#include "lua/convert.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/text.h"
#include "lua/native.h"
#include "base/banned.h"

struct conversion {
    lua_State *L;
    struct wr_arena *arena;
    struct wr_error *err;
};

static int convert(struct conversion *c, int index, struct wr_value *value, int depth);

static int convert_string(struct conversion *c, int index, struct wr_value *value) {
    size_t length;
    const char *text = lua_tolstring(c->L, index, &length);
    if (length > UINT32_MAX / 2)
        return wr_error_set(c->err, WR_ELIMIT, "a string of %zu bytes is too long", length);
    value->kind = WR_VALUE_STRING;
    value->count = (uint32_t)length;
    value->string = wr_arena_strndup(c->arena, text, length);
    return value->string == NULL ? wr_error_set(c->err, WR_ENOMEM, "no memory for the plan")
                                 : WR_OK;
}

static int convert_list(struct conversion *c, int index, uint32_t count, struct wr_value *value,
                        int depth) {
    value->kind = WR_VALUE_LIST;
    value->count = count;
    value->names = NULL;
    value->items = WR_ARENA_ZEROS(c->arena, struct wr_value, count + 1);
    if (value->items == NULL)
        return wr_error_set(c->err, WR_ENOMEM, "no memory for the plan");
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        lua_rawgeti(c->L, index, (lua_Integer)i + 1);
        status = convert(c, lua_gettop(c->L), &value->items[i], depth + 1);
        lua_pop(c->L, 1);
    }
    return status;
}

static int convert_map(struct conversion *c, int index, uint32_t count, struct wr_value *value,
                       int depth) {
    value->kind = WR_VALUE_MAP;
    value->count = 0;
    value->items = WR_ARENA_ZEROS(c->arena, struct wr_value, count + 1);
    value->names = WR_ARENA_ZEROS(c->arena, const char *, count + 1);
    if (value->items == NULL || value->names == NULL)
        return wr_error_set(c->err, WR_ENOMEM, "no memory for the plan");
    int status = WR_OK;
    lua_pushnil(c->L);
    while (status == WR_OK && lua_next(c->L, index) != 0) {
        size_t length;
        if (lua_type(c->L, -2) != LUA_TSTRING && !lua_isinteger(c->L, -2)) {
            status = wr_error_set(c->err, WR_EARG, "a table of plain data has odd keys");
            lua_pop(c->L, 2);
            break;
        }
        lua_pushvalue(c->L, -2); /* a list with holes keeps its positions as names: "1", "3" */
        const char *name = lua_tolstring(c->L, -1, &length);
        uint32_t at = value->count++;
        value->names[at] = wr_arena_strndup(c->arena, name, length);
        lua_pop(c->L, 1);
        if (value->names[at] == NULL)
            status = wr_error_set(c->err, WR_ENOMEM, "no memory for the plan");
        else
            status = convert(c, lua_gettop(c->L), &value->items[at], depth + 1);
        lua_pop(c->L, status == WR_OK ? 1 : 2);
    }
    if (status == WR_OK)
        wr_value_sort(value);
    return status;
}

/* A list has the keys 1 … total and no others. The length does not tell: in a table with holes Lua
 * gives any border, one that happens to be as large as the number of keys among them. */
static int convert_table(struct conversion *c, int index, struct wr_value *value, int depth) {
    if (depth > WR_CONVERT_DEPTH_MAX)
        return wr_error_set(c->err, WR_ELIMIT, "plain data is nested too deeply");
    luaL_checkstack(c->L, 4, "plain data");
    uint32_t total = 0;
    lua_Integer largest = 0;
    int positions = 1;
    lua_pushnil(c->L);
    while (lua_next(c->L, index) != 0) {
        total++;
        lua_pop(c->L, 1);
        lua_Integer at = lua_isinteger(c->L, -1) ? lua_tointeger(c->L, -1) : 0;
        positions &= at >= 1;
        largest = WR_MAX(largest, at);
    }
    if (positions && largest == (lua_Integer)total)
        return convert_list(c, index, total, value, depth);
    return convert_map(c, index, total, value, depth);
}

static int convert(struct conversion *c, int index, struct wr_value *value, int depth) {
    switch (lua_type(c->L, index)) {
    case LUA_TNIL: value->kind = WR_VALUE_NIL; return WR_OK;
    case LUA_TBOOLEAN:
        value->kind = WR_VALUE_BOOL;
        value->boolean = lua_toboolean(c->L, index);
        return WR_OK;
    case LUA_TNUMBER:
        if (lua_isinteger(c->L, index)) {
            value->kind = WR_VALUE_INT;
            value->integer = lua_tointeger(c->L, index);
        } else {
            value->kind = WR_VALUE_FLOAT;
            value->number = lua_tonumber(c->L, index);
        }
        return WR_OK;
    case LUA_TSTRING: return convert_string(c, index, value);
    case LUA_TTABLE: return convert_table(c, index, value, depth);
    default:
        return wr_error_set(c->err, WR_EARG, "a %s is no plain data", luaL_typename(c->L, index));
    }
}

int wr_value_from_lua(lua_State *L, int index, struct wr_arena *arena, struct wr_value *value,
                      struct wr_error *err) {
    struct conversion c = {.L = L, .arena = arena, .err = err};
    int top = lua_gettop(L);
    int status = convert(&c, lua_absindex(L, index), value, 0);
    lua_settop(L, top);
    return status;
}

void wr_value_push(lua_State *L, const struct wr_value *value) {
    luaL_checkstack(L, 4, "plain data");
    if (value == NULL) {
        lua_pushnil(L);
        return;
    }
    switch (value->kind) {
    case WR_VALUE_NIL: lua_pushnil(L); break;
    case WR_VALUE_BOOL: lua_pushboolean(L, value->boolean); break;
    case WR_VALUE_INT: lua_pushinteger(L, value->integer); break;
    case WR_VALUE_FLOAT: lua_pushnumber(L, value->number); break;
    case WR_VALUE_STRING: lua_pushlstring(L, value->string, value->count); break;
    case WR_VALUE_LIST:
    case WR_VALUE_MAP:
        lua_createtable(L, (int)value->count, 0);
        for (uint32_t i = 0; i < value->count; i++) {
            wr_value_push(L, &value->items[i]);
            if (value->kind == WR_VALUE_LIST)
                lua_rawseti(L, -2, (lua_Integer)i + 1);
            else
                lua_setfield(L, -2, value->names[i]);
        }
        break;
    }
}

static void set_text(lua_State *L, const char *name, const char *text) {
    if (text[0] == 0)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

int wr_error_push(lua_State *L, const struct wr_error *err) {
    if (err->status == WR_ELUA && err->code[0] == 0)
        return native_push_stopped(L);
    lua_pushnil(L);
    lua_createtable(L, 0, 6);
    set_text(L, "code", err->code);
    set_text(L, "message", err->text);
    set_text(L, "help", err->help);
    set_text(L, "arg", err->arg);
    lua_pushinteger(L, err->status);
    lua_setfield(L, -2, "status");
    lua_pushboolean(L, err->status == WR_ENOINPUT);
    lua_setfield(L, -2, "no_input");
    if (err->from > 0) {
        lua_pushinteger(L, err->from);
        lua_setfield(L, -2, "from");
        lua_pushinteger(L, err->to);
        lua_setfield(L, -2, "to");
    }
    return 2;
}

static void push_typed(lua_State *L, const char *type, int64_t value) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, value);
    lua_setfield(L, -2, "v");
}

void wr_cell_push(lua_State *L, const struct wr_type *type, const struct wr_column *column,
                  uint32_t row) {
    if (column->data == NULL || wr_column_is_nil(column, row)) {
        lua_pushnil(L);
        return;
    }
    switch (type->kind) {
    case WR_BOOL: lua_pushboolean(L, WR_BOOLS(column)[row]); return;
    case WR_INT64: lua_pushinteger(L, WR_I64(column)[row]); return;
    case WR_FLOAT64: lua_pushnumber(L, WR_F64(column)[row]); return;
    case WR_TIMESTAMP: push_typed(L, "timestamp", WR_I64(column)[row]); return;
    case WR_DATE: push_typed(L, "date", WR_I64(column)[row]); return;
    case WR_DURATION: push_typed(L, "duration", WR_I64(column)[row]); return;
    case WR_DECIMAL: {
        char text[WR_NUMBER_TEXT_MAX];
        size_t length = wr_decimal_format(((const __int128 *)column->data)[row], type->scale, text);
        lua_createtable(L, 0, 2);
        lua_pushliteral(L, "decimal");
        lua_setfield(L, -2, "type");
        lua_pushlstring(L, text, length);
        lua_setfield(L, -2, "v");
        return;
    }
    default: {
        const struct wr_str *str = &WR_STR(column)[row];
        lua_pushlstring(L, wr_str_bytes(str), str->length);
    }
    }
}
