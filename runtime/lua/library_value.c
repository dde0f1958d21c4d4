#include "lua/library_value.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/json_text.h"
#include "data/schema.h"
#include "data/text.h"
#include "expr/json_value.h"
#include "expr/json_walk.h"
#include "lua/sandbox.h"
#include "lua/time_value.h"
#include "base/banned.h"

#define NESTING_MAX 100
#define ARENA_BYTES 1024

/* ---- a cell becomes a value ---- */

struct reading {
    lua_State *L;
    struct wr_arena *arena; /* for strings with escapes */
    int depth;
};

static void push_json(struct reading *r, const struct wr_json *json);

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

static void push_container(struct reading *r, const struct wr_json *json) {
    struct wr_json_walk walk;
    struct wr_json key, value;
    if (++r->depth > NESTING_MAX)
        luaL_error(r->L, "a json value is nested too deeply");
    luaL_checkstack(r->L, 4, "a json value");
    lua_newtable(r->L);
    wr_json_walk(&walk, json);
    for (lua_Integer i = 1; wr_json_next(&walk, &key, &value); i++) {
        if (walk.object)
            push_scalar(r, &key);
        push_json(r, &value);
        if (walk.object)
            lua_rawset(r->L, -3);
        else
            lua_rawseti(r->L, -2, i);
    }
    r->depth--;
}

static void push_json(struct reading *r, const struct wr_json *json) {
    enum wr_json_kind kind = wr_json_kind(json);
    if (kind == WR_JSON_ARRAY || kind == WR_JSON_OBJECT)
        push_container(r, json);
    else
        push_scalar(r, json);
}

/* Memory for one conversion; nothing in it calls Lua, so one is enough. */
struct scratch {
    struct wr_arena arena;
    struct wr_buf text;
};
static const char scratch_key; /* registry */

static int l_scratch_gc(lua_State *L) {
    struct scratch *self = lua_touserdata(L, 1);
    wr_arena_release(&self->arena);
    wr_buf_release(&self->text);
    return 0;
}

static struct scratch *scratch_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &scratch_key);
    struct scratch *self = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (self == NULL) {
        self = lua_newuserdatauv(L, sizeof *self, 0);
        wr_arena_init(&self->arena, &wr_budget_control, ARENA_BYTES);
        wr_buf_init(&self->text, &wr_budget_control, SANDBOX_STRING_MAX);
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, l_scratch_gc);
        lua_setfield(L, -2, "__gc");
        lua_setmetatable(L, -2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &scratch_key);
    }
    wr_arena_reset(&self->arena);
    wr_buf_clear(&self->text);
    return self;
}

static void push_json_text(lua_State *L, const struct wr_str *str) {
    struct wr_json json;
    struct reading reading = {.L = L, .arena = &scratch_of(L)->arena};
    if (wr_json_value_of(&json, wr_str_bytes(str), str->length))
        push_json(&reading, &json);
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
    default: push_json_text(L, &WR_STR(column)[row]);
    }
}

/* ---- a table becomes text ---- */

struct writing {
    lua_State *L;
    struct scratch *scratch;
    int depth;
};

/* A key of an object; the Lua string lends it. */
struct member {
    const char *name;
    size_t length;
};

static void write_value(struct writing *w);

static void write_number(struct writing *w) {
    char text[WR_NUMBER_TEXT_MAX];
    double number = lua_tonumber(w->L, -1);
    size_t length = 0;
    if (lua_isinteger(w->L, -1))
        length = wr_int64_format(lua_tointeger(w->L, -1), text);
    else if (isfinite(number))
        length = wr_float64_format(number, text);
    if (length > 0)
        wr_buf_add(&w->scratch->text, text, length);
    else
        wr_buf_add_text(&w->scratch->text, "null");
}

static int member_compare(const void *left, const void *right) {
    const struct member *a = left, *b = right;
    size_t both = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->name, b->name, both);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* The members of the table on top, in the order of their names. */
static void write_object(struct writing *w, uint32_t count) {
    lua_State *L = w->L;
    struct member *members = WR_ARENA_ARRAY(&w->scratch->arena, struct member, count);
    if (members == NULL)
        luaL_error(L, "not enough memory");
    uint32_t at = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "a table with a %s as a key is no value of a row", luaL_typename(L, -2));
        members[at].name = lua_tolstring(L, -2, &members[at].length);
        at++;
    }
    qsort(members, count, sizeof *members, member_compare);
    wr_buf_add_char(&w->scratch->text, '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            wr_buf_add_char(&w->scratch->text, ',');
        wr_json_add_string(&w->scratch->text, members[i].name, members[i].length);
        wr_buf_add_char(&w->scratch->text, ':');
        lua_pushlstring(L, members[i].name, members[i].length);
        lua_rawget(L, -2);
        write_value(w);
        lua_pop(L, 1);
    }
    wr_buf_add_char(&w->scratch->text, '}');
}

/* A list has the keys 1 … n, or some of them. */
static int is_list(lua_State *L, int index, lua_Integer *length, uint32_t *count) {
    int list = 1;
    index = lua_absindex(L, index);
    *length = 0;
    *count = 0;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        list = list && key > 0;
        *length = key > *length ? key : *length;
        ++*count;
    }
    return list && *length <= 2 * (lua_Integer)*count + 16;
}

static void write_table(struct writing *w) {
    lua_State *L = w->L;
    lua_Integer length;
    uint32_t count;
    if (++w->depth > NESTING_MAX)
        luaL_error(L, "a table is nested too deeply");
    luaL_checkstack(L, 6, "a table");
    if (is_list(L, -1, &length, &count)) {
        wr_buf_add_char(&w->scratch->text, '[');
        for (lua_Integer i = 1; i <= length; i++) {
            if (i > 1)
                wr_buf_add_char(&w->scratch->text, ',');
            lua_rawgeti(L, -1, i);
            write_value(w);
            lua_pop(L, 1);
        }
        wr_buf_add_char(&w->scratch->text, ']');
    } else {
        write_object(w, count);
    }
    w->depth--;
}

/* The value on top. */
static void write_value(struct writing *w) {
    struct wr_buf *out = &w->scratch->text;
    size_t length;
    const char *text;
    switch (lua_type(w->L, -1)) {
    case LUA_TNIL: wr_buf_add_text(out, "null"); break;
    case LUA_TBOOLEAN: wr_buf_add_text(out, lua_toboolean(w->L, -1) ? "true" : "false"); break;
    case LUA_TNUMBER: write_number(w); break;
    case LUA_TSTRING:
        text = lua_tolstring(w->L, -1, &length);
        wr_json_add_string(out, text, length);
        break;
    case LUA_TTABLE: write_table(w); break;
    default:
        if (time_value_test(w->L, -1) == NULL && decimal_value_test(w->L, -1) == NULL)
            luaL_error(w->L, "a %s is no value of a row", luaL_typename(w->L, -1));
        text = luaL_tolstring(w->L, -1, &length);
        if (decimal_value_test(w->L, -2) != NULL)
            wr_buf_add(out, text, length);
        else
            wr_json_add_string(out, text, length);
        lua_pop(w->L, 1);
    }
}

void library_json_push(lua_State *L, int index) {
    struct writing writing = {.L = L, .scratch = scratch_of(L)};
    lua_pushvalue(L, index);
    write_value(&writing);
    lua_pop(L, 1);
    if (writing.scratch->text.status != WR_OK)
        luaL_error(L, "a table of more than 64 MB as text");
    lua_pushlstring(L, writing.scratch->text.bytes, writing.scratch->text.length);
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
    if (!is_list(L, index, &length, &count))
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
