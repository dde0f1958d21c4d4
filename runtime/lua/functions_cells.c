/* functions_cells.c: what Lua functions give, as elements of columns. */
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/reject.h"
#include "data/text.h"
#include "lua/functions_private.h"
#include "lua/library_value.h"
#include "lua/time_value.h"
#include "base/banned.h"

int lua_cell_fits(lua_State *L, const struct wr_type *type) {
    enum wr_type_kind kind = type->kind;
    int is = lua_type(L, -1);
    if (is == LUA_TNIL)
        return 1;
    switch (kind) {
    case WR_BOOL: return is == LUA_TBOOLEAN;
    case WR_INT64: return lua_isinteger(L, -1);
    case WR_FLOAT64: return is == LUA_TNUMBER;
    case WR_DECIMAL: return lua_isinteger(L, -1) || decimal_value_test(L, -1) != NULL;
    case WR_STRING:
    case WR_BYTES: return is == LUA_TSTRING;
    case WR_JSON: return is != LUA_TFUNCTION && is != LUA_TTHREAD;
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: return is == LUA_TTABLE;
    default: break;
    }
    const struct time_value *time = time_value_test(L, -1);
    return time != NULL && time->kind == kind;
}

/* (value, type) -> text | nil, code, detail */
static int l_text(lua_State *L) {
    int code;
    if (library_typed_push(L, 1, lua_touserdata(L, 2), &code))
        return 1;
    lua_pushnil(L);
    lua_pushinteger(L, code);
    lua_rotate(L, -3, 2);
    return 3;
}

/* Replaces the value on top by its text; 0: it has none, and the detail is on top. */
static int to_text(lua_State *L, const struct wr_type *type, int *code) {
    int top = lua_gettop(L);
    lua_pushcfunction(L, l_text);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, (void *)(uintptr_t)type);
    *code = WR_REJECT_KIND;
    if (lua_pcall(L, 2, LUA_MULTRET, 0) != LUA_OK)
        return 0;
    if (lua_gettop(L) == top)
        return 1;
    *code = (int)lua_tointeger(L, -2);
    return 0;
}

static void take_text(lua_State *L, struct wr_call *call, uint32_t row) {
    size_t length;
    const char *bytes = lua_tolstring(L, -1, &length);
    char *room = length > UINT32_MAX ? NULL : wr_call_room(call, (uint32_t)length);
    if (room == NULL)
        return;
    memcpy(room, bytes, length);
    wr_call_string(call, row, room, (uint32_t)length);
}

void lua_result_take(lua_State *L, struct wr_call *call, uint32_t row) {
    enum wr_type_kind kind = call->type.kind;
    int code;
    if (!lua_cell_fits(L, &call->type)) {
        char type[64];
        wr_call_fail(call, row, WR_REJECT_KIND, "%s where %s is expected", luaL_typename(L, -1),
                     wr_type_text(&call->type, type, sizeof type));
    } else if (lua_isnil(L, -1)) {
        wr_call_nil(call, row);
    } else if (kind == WR_BOOL) {
        ((uint8_t *)call->out)[row] = (uint8_t)lua_toboolean(L, -1);
    } else if (kind == WR_INT64) {
        ((int64_t *)call->out)[row] = lua_tointeger(L, -1);
    } else if (kind == WR_FLOAT64) {
        ((double *)call->out)[row] = lua_tonumber(L, -1);
    } else if (kind == WR_DECIMAL) {
        if (!decimal_value_rescale(L, -1, &call->type, &((__int128 *)call->out)[row]))
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, LUA_CELL_DIGITS);
    } else if (kind == WR_STRING || kind == WR_BYTES) {
        take_text(L, call, row);
    } else if (!wr_type_is_text(kind)) {
        ((int64_t *)call->out)[row] = time_value_test(L, -1)->value;
    } else if (to_text(L, &call->type, &code)) {
        take_text(L, call, row);
    } else {
        wr_call_fail(call, row, code, "%.200s", lua_tostring(L, -1));
    }
}

int lua_cell_misfit(lua_State *L, const struct wr_type *type) {
    char text[128];
    lua_pushfstring(L, "%s where %s is expected", luaL_typename(L, -1),
                    wr_type_text(type, text, sizeof text));
    return 0;
}

/* The detail without the column. */
static int check_value(lua_State *L, const struct wr_type *type, int *code) {
    __int128 number;
    *code = WR_REJECT_KIND;
    if (!lua_cell_fits(L, type))
        return lua_cell_misfit(L, type);
    if (lua_isnil(L, -1))
        return 1;
    if (type->kind == WR_DECIMAL && !decimal_value_rescale(L, -1, type, &number)) {
        *code = WR_REJECT_OVERFLOW;
        lua_pushliteral(L, LUA_CELL_DIGITS);
        return 0;
    }
    return !wr_type_is_text(type->kind) || type->kind == WR_STRING || type->kind == WR_BYTES ||
           to_text(L, type, code);
}

int lua_cell_check(lua_State *L, const struct wr_field *field, int *code) {
    if (field->required && lua_isnil(L, -1)) {
        *code = WR_REJECT_MISSING;
        lua_pushfstring(L, LUA_CELL_REQUIRED, field->name);
        return 0;
    }
    if (check_value(L, &field->type, code))
        return 1;
    lua_pushfstring(L, "column `%s`: %s", field->name, lua_tostring(L, -1));
    return 0;
}

int lua_cell_put(lua_State *L, struct wr_builder *builder, uint32_t column) {
    const struct wr_type *type = &builder->batch->schema->fields[column].type;
    size_t length;
    __int128 number;
    if (lua_isnil(L, -1)) {
        wr_builder_nil(builder, column);
        return WR_OK;
    }
    switch (type->kind) {
    case WR_BOOL: wr_builder_bool(builder, column, lua_toboolean(L, -1)); return WR_OK;
    case WR_INT64: wr_builder_int64(builder, column, lua_tointeger(L, -1)); return WR_OK;
    case WR_FLOAT64: wr_builder_float64(builder, column, lua_tonumber(L, -1)); return WR_OK;
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION:
        wr_builder_int64(builder, column, time_value_test(L, -1)->value);
        return WR_OK;
    case WR_DECIMAL: {
        int fits = decimal_value_rescale(L, -1, type, &number);
        WR_ASSERT(fits);
        wr_builder_decimal(builder, column, number);
        return WR_OK;
    }
    default: {
        const char *text = lua_tolstring(L, -1, &length);
        return wr_builder_bytes(builder, column, text, (uint32_t)length);
    }
    }
}
