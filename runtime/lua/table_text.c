#include "lua/table_text.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/json_text.h"
#include "data/reject.h"
#include "data/schema.h"
#include "data/text.h"
#include "expr/json_value.h"
#include "data/json_members.h"
#include "data/json_put.h"
#include "lua/functions_private.h"
#include "lua/library_value.h"
#include "lua/sandbox.h"
#include "lua/time_value.h"
#include "base/banned.h"

#define ARENA_BYTES 1024

static const char scratch_key; /* registry */

static int l_scratch_gc(lua_State *L) {
    struct table_scratch *self = lua_touserdata(L, 1);
    wr_arena_release(&self->arena);
    wr_buf_release(&self->text);
    return 0;
}

struct table_scratch *table_scratch_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &scratch_key);
    struct table_scratch *self = lua_touserdata(L, -1);
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

/* ---- a table becomes text ---- */

struct writing {
    lua_State *L;
    struct table_scratch *scratch;
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

int table_is_list(lua_State *L, int index, lua_Integer *length, uint32_t *count) {
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
    if (++w->depth > TABLE_NESTING_MAX)
        luaL_error(L, "a table is nested too deeply");
    luaL_checkstack(L, 6, "a table");
    if (table_is_list(L, -1, &length, &count)) {
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
    struct writing writing = {.L = L, .scratch = table_scratch_of(L)};
    lua_pushvalue(L, index);
    write_value(&writing);
    lua_pop(L, 1);
    if (writing.scratch->text.status != WR_OK)
        luaL_error(L, "a table of more than 64 MB as text");
    lua_pushlstring(L, writing.scratch->text.bytes, writing.scratch->text.length);
}

/* ---- a table becomes text of a type ---- */

/* What is wrong is pushed, and 0 returned; each level puts its own place before it. */

static int write_typed(struct writing *w, const struct wr_type *type, int *code);

static int write_cell(struct writing *w, const struct wr_type *type, int *code) {
    lua_State *L = w->L;
    uint64_t valid = 1;
    _Alignas(16) char cell[16];
    __int128 number;
    struct wr_column column = {.data = cell};
    if (type->kind != WR_DECIMAL) {
        library_value_put(L, -1, type, &w->scratch->arena, cell, &valid);
    } else if (decimal_value_rescale(L, -1, type, &number)) {
        memcpy(cell, &number, sizeof number);
    } else {
        *code = WR_REJECT_OVERFLOW;
        lua_pushliteral(L, LUA_CELL_DIGITS);
        return 0;
    }
    wr_json_put_value(&w->scratch->text, type, &column, 0);
    return 1;
}

static int write_list(struct writing *w, const struct wr_type *type, int *code) {
    lua_State *L = w->L;
    lua_Integer length;
    uint32_t count;
    if (!table_is_list(L, -1, &length, &count)) {
        lua_pushliteral(L, "a table with other keys than 1, 2, … where a list is expected");
        return 0;
    }
    wr_buf_add_char(&w->scratch->text, '[');
    for (lua_Integer i = 1; i <= length; i++) {
        if (i > 1)
            wr_buf_add_char(&w->scratch->text, ',');
        lua_rawgeti(L, -1, i);
        if (!write_typed(w, &type->child->fields[0].type, code)) {
            lua_pushfstring(L, "item %I: %s", i, lua_tostring(L, -1));
            return 0;
        }
        lua_pop(L, 1);
    }
    wr_buf_add_char(&w->scratch->text, ']');
    return 1;
}

static void write_name(struct writing *w, const char *name, size_t length, int first) {
    if (!first)
        wr_buf_add_char(&w->scratch->text, ',');
    wr_json_add_string(&w->scratch->text, name, length);
    wr_buf_add_char(&w->scratch->text, ':');
}

/* The fields in the order of the type; those that the table has not are nil. */
static int write_struct(struct writing *w, const struct wr_type *type, int *code) {
    lua_State *L = w->L;
    const struct wr_schema *fields = type->child;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        size_t length = 0;
        int is_text = lua_type(L, -2) == LUA_TSTRING;
        const char *name = is_text ? lua_tolstring(L, -2, &length) : "";
        if (!is_text || wr_schema_find(fields, name, (uint32_t)length) < 0) {
            lua_pushvalue(L, -2);
            lua_pushfstring(L, "unknown field `%s`", luaL_tolstring(L, -1, NULL));
            return 0;
        }
    }
    wr_buf_add_char(&w->scratch->text, '{');
    for (uint32_t i = 0; i < fields->field_count; i++) {
        const struct wr_field *field = &fields->fields[i];
        write_name(w, field->name, field->name_length, i == 0);
        lua_pushlstring(L, field->name, field->name_length);
        lua_rawget(L, -2);
        if (!write_typed(w, &field->type, code)) {
            lua_pushfstring(L, "field `%s`: %s", field->name, lua_tostring(L, -1));
            return 0;
        }
        lua_pop(L, 1);
    }
    wr_buf_add_char(&w->scratch->text, '}');
    return 1;
}

/* 1 when the text of the key says a value of the type. */
static int key_fits(struct writing *w, const struct wr_type *type, const char *text,
                    size_t length) {
    _Alignas(16) char cell[16];
    struct wr_json_value value = {
        .is = WR_JSON_IS_STRING, .bytes = text, .length = (uint32_t)length};
    return wr_json_to_element(&w->scratch->arena, &value, type, 0, cell) == WR_JSON_FITS;
}

/* Pushes the text of each key, and then the keys: the members are in the order of the texts. */
static int map_keys(struct writing *w, const struct wr_type *type, struct member *members) {
    lua_State *L = w->L;
    char text[128];
    int table = lua_gettop(L);
    uint32_t at = 0;
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        int is = lua_type(L, -2);
        lua_pushvalue(L, -2);
        const char *name = luaL_tolstring(L, -1, &members[at].length);
        if ((is != LUA_TSTRING && !(lua_isinteger(L, -2) && type->kind == WR_INT64)) ||
            !key_fits(w, type, name, members[at].length)) {
            lua_pushfstring(L, "key `%s`: a %s where %s is expected", name, lua_typename(L, is),
                            wr_type_text(type, text, sizeof text));
            return 0;
        }
        members[at].name = name;
        at++;
        lua_pushvalue(L, -3); /* texts[text] = value; the table keeps the text */
        lua_rawset(L, table + 1);
        lua_pop(L, 1);
    }
    return 1;
}

static int write_map(struct writing *w, const struct wr_type *type, int *code) {
    lua_State *L = w->L;
    lua_Integer length;
    uint32_t count;
    table_is_list(L, -1, &length, &count);
    struct member *members = WR_ARENA_ARRAY(&w->scratch->arena, struct member, count + 1);
    if (members == NULL)
        luaL_error(L, "not enough memory");
    if (!map_keys(w, &type->child->fields[0].type, members))
        return 0;
    qsort(members, count, sizeof *members, member_compare);
    wr_buf_add_char(&w->scratch->text, '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && member_compare(&members[i - 1], &members[i]) == 0)
            continue; /* 1 and "1": one key */
        write_name(w, members[i].name, members[i].length, i == 0);
        lua_pushlstring(L, members[i].name, members[i].length);
        lua_rawget(L, -2);
        if (!write_typed(w, &type->child->fields[1].type, code)) {
            lua_pushfstring(L, "key `%s`: %s", members[i].name, lua_tostring(L, -1));
            return 0;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    wr_buf_add_char(&w->scratch->text, '}');
    return 1;
}

/* The value on top. */
static int write_typed(struct writing *w, const struct wr_type *type, int *code) {
    luaL_checkstack(w->L, 12, "a table");
    if (!lua_cell_fits(w->L, type))
        return lua_cell_misfit(w->L, type);
    if (lua_isnil(w->L, -1))
        return wr_buf_add_text(&w->scratch->text, "null") == WR_OK || 1;
    if (type->child != NULL && type->kind == WR_LIST)
        return write_list(w, type, code);
    if (type->child != NULL && type->kind == WR_STRUCT)
        return write_struct(w, type, code);
    if (type->child != NULL && type->kind == WR_MAP)
        return write_map(w, type, code);
    if (type->kind < WR_JSON)
        return write_cell(w, type, code);
    write_value(w);
    return 1;
}

int library_typed_push(lua_State *L, int index, const struct wr_type *type, int *code) {
    struct writing writing = {.L = L, .scratch = table_scratch_of(L)};
    int top = lua_gettop(L);
    lua_pushvalue(L, index);
    *code = WR_REJECT_KIND;
    if (!write_typed(&writing, type, code)) {
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
        return 0;
    }
    lua_settop(L, top);
    if (writing.scratch->text.status != WR_OK)
        luaL_error(L, "a table of more than 64 MB as text");
    lua_pushlstring(L, writing.scratch->text.bytes, writing.scratch->text.length);
    return 1;
}
