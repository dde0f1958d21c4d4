#include "lua/library_value.h"

#include <lauxlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/schema.h"
#include "expr/json_value.h"
#include "data/json_members.h"
#include "lua/sandbox.h"
#include "lua/table_text.h"
#include "lua/time_value.h"
#include "base/banned.h"

/* ---- a cell becomes a value ---- */

struct reading {
    lua_State *L;
    struct wr_arena *arena; /* for strings with escapes */
    int depth;
};

/* Pushes a value by the type that it should have; one of another kind as the json that it is. */
static void push_json(struct reading *r, const struct wr_type *type, const struct wr_json *json);
static void push_scalar(struct reading *r, const struct wr_json *json) {
    struct wr_json_value value;
    if (!wr_json_value_read(r->arena, json->bytes, json->length, &value)) {
        lua_pushnil(r->L); /* no memory for an unescaped text: told by the caller's arena */
        return;
    }
    switch (value.is) {
    case WR_JSON_IS_BOOL: lua_pushboolean(r->L, value.integer != 0); break;
    case WR_JSON_IS_INT: lua_pushinteger(r->L, value.integer); break;
    case WR_JSON_IS_FLOAT: lua_pushnumber(r->L, value.number); break;
    case WR_JSON_IS_STRING: lua_pushlstring(r->L, value.bytes, value.length); break;
    default: lua_pushnil(r->L);
    }
}

/* A scalar inside a list, struct or map is what a column of its type would give. */
static void push_typed(struct reading *r, const struct wr_type *type, const struct wr_json *json) {
    struct wr_json_value value;
    _Alignas(16) char cell[16];
    struct wr_column column = {.data = cell};
    if (type->kind != WR_STRING && wr_json_kind(json) != WR_JSON_NULL &&
        wr_json_value_read(r->arena, json->bytes, json->length, &value) &&
        wr_json_to_element(r->arena, &value, type, 1, cell) == WR_JSON_FITS)
        library_cell_push(r->L, type, &column, 0);
    else
        push_scalar(r, json);
}

static const struct wr_type *inner_type(const struct wr_type *type, const struct wr_json *key,
                                        int object) {
    static const struct wr_type json = {.kind = WR_JSON};
    const struct wr_schema *child = type->child;
    if (child == NULL || type->kind == WR_JSON || object == (type->kind == WR_LIST))
        return &json;
    if (type->kind != WR_STRUCT)
        return &child->fields[type->kind == WR_MAP].type;
    for (uint32_t i = 0; i < child->field_count; i++)
        if (wr_json_string_is(key, child->fields[i].name, child->fields[i].name_length))
            return &child->fields[i].type;
    return &json;
}

static void push_container(struct reading *r, const struct wr_type *type,
                           const struct wr_json *json) {
    struct wr_json_walk walk;
    struct wr_json key, value;
    if (++r->depth > TABLE_NESTING_MAX)
        luaL_error(r->L, "a json value is nested too deeply");
    luaL_checkstack(r->L, 4, "a json value");
    lua_newtable(r->L);
    wr_json_walk(&walk, json);
    for (lua_Integer i = 1; wr_json_next(&walk, &key, &value); i++) {
        if (walk.object)
            push_scalar(r, &key);
        push_json(r, inner_type(type, &key, walk.object), &value);
        if (walk.object)
            lua_rawset(r->L, -3);
        else
            lua_rawseti(r->L, -2, i);
    }
    r->depth--;
}

static void push_json(struct reading *r, const struct wr_type *type, const struct wr_json *json) {
    enum wr_json_kind kind = wr_json_kind(json);
    if (kind == WR_JSON_ARRAY || kind == WR_JSON_OBJECT)
        push_container(r, type, json);
    else if (type->kind < WR_JSON)
        push_typed(r, type, json);
    else
        push_scalar(r, json);
}

static void push_json_text(lua_State *L, const struct wr_type *type, const struct wr_str *str) {
    struct wr_json json;
    struct reading reading = {.L = L, .arena = &table_scratch_of(L)->arena};
    if (wr_json_value_of(&json, wr_str_bytes(str), str->length))
        push_json(&reading, type, &json);
    else
        lua_pushnil(L);
}

void library_cell_push(lua_State *L, const struct wr_type *type, const struct wr_column *column,
                       uint32_t row) {
    if (column->data == NULL || wr_column_is_nil(column, row)) {
        lua_pushnil(L);
        return;
    }
    switch (type->kind) {
    case WR_NIL: lua_pushnil(L); break;
    case WR_BOOL: lua_pushboolean(L, WR_BOOLS(column)[row]); break;
    case WR_INT64: lua_pushinteger(L, WR_I64(column)[row]); break;
    case WR_FLOAT64: lua_pushnumber(L, WR_F64(column)[row]); break;
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION: time_value_push(L, type->kind, WR_I64(column)[row]); break;
    case WR_DECIMAL:
        decimal_value_push(L, ((const __int128 *)column->data)[row], type->precision, type->scale);
        break;
    case WR_STRING:
    case WR_BYTES:
        lua_pushlstring(L, wr_str_bytes(&WR_STR(column)[row]), WR_STR(column)[row].length);
        break;
    default: push_json_text(L, type, &WR_STR(column)[row]);
    }
}

/* ---- a value becomes an element ---- */

/* The type that all elements of the list have, or json. */
static enum wr_type_kind element_kind(lua_State *L, int index, lua_Integer length) {
    enum wr_type_kind kind = WR_NIL;
    for (lua_Integer i = 1; i <= length; i++) {
        int type = lua_rawgeti(L, index, i);
        enum wr_type_kind own = type == LUA_TBOOLEAN   ? WR_BOOL
                                : lua_isinteger(L, -1) ? WR_INT64
                                : type == LUA_TNUMBER  ? WR_FLOAT64
                                : type == LUA_TSTRING  ? WR_STRING
                                : type == LUA_TNIL     ? WR_NIL
                                                       : WR_JSON;
        const struct time_value *time = time_value_test(L, -1);
        if (time != NULL)
            own = time->kind;
        lua_pop(L, 1);
        if (own == WR_NIL || own == kind)
            continue;
        if ((own == WR_INT64 && kind == WR_FLOAT64) || (own == WR_FLOAT64 && kind == WR_INT64))
            kind = WR_FLOAT64;
        else if (kind == WR_NIL)
            kind = own;
        else
            return WR_JSON;
    }
    return kind == WR_NIL ? WR_JSON : kind;
}

static struct wr_type table_type(lua_State *L, int index, struct wr_arena *arena) {
    lua_Integer length;
    uint32_t count;
    struct wr_type type = WR_TYPE(WR_JSON);
    if (!table_is_list(L, index, &length, &count))
        return type;
    enum wr_type_kind kind = element_kind(L, index, length);
    type.kind = WR_LIST;
    type.precision = (uint8_t)kind; /* tells lists apart in keys of the cache */
    if (arena == NULL)
        return type;
    struct wr_schema *child = wr_schema_new(arena, 1);
    if (child == NULL)
        luaL_error(L, "not enough memory");
    child->fields[0] = (struct wr_field){.name = "item", .name_length = 4, .type = WR_TYPE(kind)};
    type.precision = 0;
    type.child = child;
    return type;
}

struct wr_type library_value_type(lua_State *L, int index, struct wr_arena *arena) {
    index = lua_absindex(L, index);
    switch (lua_type(L, index)) {
    case LUA_TNIL: return WR_TYPE(WR_NIL);
    case LUA_TBOOLEAN: return WR_TYPE(WR_BOOL);
    case LUA_TNUMBER: return lua_isinteger(L, index) ? WR_TYPE(WR_INT64) : WR_TYPE(WR_FLOAT64);
    case LUA_TSTRING: return WR_TYPE(WR_STRING);
    case LUA_TTABLE: return table_type(L, index, arena);
    default: break;
    }
    const struct time_value *time = time_value_test(L, index);
    if (time != NULL)
        return WR_TYPE(time->kind);
    const struct decimal_value *decimal = decimal_value_test(L, index);
    if (decimal == NULL)
        luaL_error(L, "a %s is no value of a row", luaL_typename(L, index));
    return (struct wr_type){
        .kind = WR_DECIMAL, .precision = decimal->precision, .scale = decimal->scale};
}

static void put_text(lua_State *L, int index, struct wr_arena *arena, struct wr_str *element) {
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    if (length > SANDBOX_STRING_MAX)
        luaL_error(L, "a string of %d bytes, at most 64 MB", (int)length);
    if (arena != NULL && length > WR_STR_INLINE_MAX) {
        text = wr_arena_strndup(arena, text, length);
        if (text == NULL)
            luaL_error(L, "not enough memory");
    }
    *element = wr_str_of(text, (uint32_t)length);
}

void library_value_put(lua_State *L, int index, const struct wr_type *type, struct wr_arena *arena,
                       void *element, uint64_t *valid) {
    index = lua_absindex(L, index);
    *valid = !lua_isnil(L, index);
    if (!*valid)
        return;
    switch (type->kind) {
    case WR_BOOL: *(uint8_t *)element = (uint8_t)lua_toboolean(L, index); break;
    case WR_INT64: *(int64_t *)element = lua_tointeger(L, index); break;
    case WR_FLOAT64: *(double *)element = lua_tonumber(L, index); break;
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION: *(int64_t *)element = time_value_test(L, index)->value; break;
    case WR_DECIMAL: {
        __int128 value = decimal_value_number(decimal_value_test(L, index));
        memcpy(element, &value, sizeof value);
        break;
    }
    case WR_STRING:
    case WR_BYTES: put_text(L, index, NULL, element); break;
    default:
        library_json_push(L, index);
        put_text(L, -1, arena, element);
        lua_pop(L, 1);
    }
}
