#include "lua/time_value.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "data/time.h"
#include "lua/library.h"
#include "base/banned.h"

#define TIME_TYPE "weir.time"

void time_value_push(lua_State *L, enum wr_type_kind kind, int64_t value) {
    struct time_value *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (struct time_value){.kind = kind, .value = value};
    luaL_setmetatable(L, TIME_TYPE);
}

const struct time_value *time_value_test(lua_State *L, int index) {
    return luaL_testudata(L, index, TIME_TYPE);
}

static const char *kind_name(enum wr_type_kind kind) {
    return kind == WR_TIMESTAMP ? "timestamp" : kind == WR_DATE ? "date" : "duration";
}

/* With nil: nil, as everywhere. */
static int refuse(lua_State *L, const char *operator) {
    if (lua_isnil(L, 1) || lua_isnil(L, 2)) {
        lua_pushnil(L);
        return 1;
    }
    const struct time_value *a = time_value_test(L, 1), *b = time_value_test(L, 2);
    return luaL_error(L, "W505: `%s` cannot take %s and %s", operator,
                      a != NULL ? kind_name(a->kind) : luaL_typename(L, 1),
                      b != NULL ? kind_name(b->kind) : luaL_typename(L, 2));
}

/* What is not done here, and what overflows, is done by the expression's own operator. */

/* A time and a duration (or a date and whole days); the operands in either order for `+`. */
static int add(lua_State *L, int sign) {
    const char *op = sign > 0 ? "+" : "-";
    const struct time_value *a = time_value_test(L, 1), *b = time_value_test(L, 2);
    int64_t sum;
    if (a == NULL || b == NULL)
        return (a != NULL && a->kind == WR_DATE) || (b != NULL && b->kind == WR_DATE)
                   ? library_operate(L, op)
                   : refuse(L, op);
    if (sign > 0 && a->kind == WR_DURATION && b->kind == WR_TIMESTAMP) {
        const struct time_value *swap = a;
        a = b;
        b = swap;
    }
    int is_distance = sign < 0 && a->kind == WR_TIMESTAMP && b->kind == WR_TIMESTAMP;
    int is_shift = b->kind == WR_DURATION && a->kind != WR_DATE;
    if ((!is_distance && !is_shift) ||
        (sign > 0 ? __builtin_add_overflow(a->value, b->value, &sum)
                  : __builtin_sub_overflow(a->value, b->value, &sum)))
        return library_operate(L, op);
    time_value_push(L, is_distance ? WR_DURATION : a->kind, sum);
    return 1;
}

static int l_time_add(lua_State *L) {
    return add(L, 1);
}

static int l_time_sub(lua_State *L) {
    return add(L, -1);
}

static int l_time_mul(lua_State *L) {
    return library_operate(L, "*");
}

static int l_time_div(lua_State *L) {
    return library_operate(L, "/");
}

static int l_time_idiv(lua_State *L) {
    return library_operate(L, "//");
}

static int l_time_eq(lua_State *L) {
    const struct time_value *a = time_value_test(L, 1), *b = time_value_test(L, 2);
    lua_pushboolean(L, a != NULL && b != NULL && a->kind == b->kind && a->value == b->value);
    return 1;
}

static int compare(lua_State *L, int or_equal) {
    const struct time_value *a = time_value_test(L, 1), *b = time_value_test(L, 2);
    if (lua_isnil(L, 1) || lua_isnil(L, 2)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    if (a == NULL || b == NULL || a->kind != b->kind)
        return refuse(L, or_equal ? "<=" : "<");
    lua_pushboolean(L, or_equal ? a->value <= b->value : a->value < b->value);
    return 1;
}

static int l_time_lt(lua_State *L) {
    return compare(L, 0);
}

static int l_time_le(lua_State *L) {
    return compare(L, 1);
}

static int l_time_tostring(lua_State *L) {
    const struct time_value *self = luaL_checkudata(L, 1, TIME_TYPE);
    char text[WR_TIME_TEXT_MAX];
    size_t length = self->kind == WR_TIMESTAMP ? wr_timestamp_format(self->value, text)
                    : self->kind == WR_DATE    ? wr_date_format(self->value, text)
                                               : wr_duration_format(self->value, text);
    lua_pushlstring(L, text, length);
    return 1;
}

static int l_time_unm(lua_State *L) {
    return library_operate(L, "neg");
}

static int l_time_mod(lua_State *L) {
    return library_operate(L, "%");
}

static int l_time_index(lua_State *L) {
    return library_method(L, "a time");
}

static const luaL_Reg time_methods[] = {
    {"__add", l_time_add}, {"__sub", l_time_sub},   {"__mul", l_time_mul},
    {"__div", l_time_div}, {"__idiv", l_time_idiv}, {"__eq", l_time_eq},
    {"__lt", l_time_lt},   {"__le", l_time_le},     {"__tostring", l_time_tostring},
    {"__unm", l_time_unm}, {"__mod", l_time_mod},   {"__index", l_time_index},
    {NULL, NULL},
};

void time_value_type(lua_State *L) {
    if (luaL_newmetatable(L, TIME_TYPE)) {
        luaL_setfuncs(L, time_methods, 0);
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}
