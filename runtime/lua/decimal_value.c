/* decimal_value.c: decimals inside Lua functions. Their operators are those of expressions. */
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "data/text.h"
#include "lua/library.h"
#include "lua/time_value.h"
#include "base/banned.h"

#define DECIMAL_TYPE "weir.decimal"

void decimal_value_push(lua_State *L, __int128 number, uint8_t precision, uint8_t scale) {
    struct decimal_value *self = lua_newuserdatauv(L, sizeof *self, 0);
    memcpy(self->halves, &number, sizeof number);
    self->precision = precision;
    self->scale = scale;
    luaL_setmetatable(L, DECIMAL_TYPE);
}

const struct decimal_value *decimal_value_test(lua_State *L, int index) {
    return luaL_testudata(L, index, DECIMAL_TYPE);
}

__int128 decimal_value_number(const struct decimal_value *decimal) {
    __int128 number;
    memcpy(&number, decimal->halves, sizeof number);
    return number;
}

static int l_decimal_tostring(lua_State *L) {
    const struct decimal_value *self = luaL_checkudata(L, 1, DECIMAL_TYPE);
    char text[WR_NUMBER_TEXT_MAX];
    lua_pushlstring(L, text, wr_decimal_format(decimal_value_number(self), self->scale, text));
    return 1;
}

/* upvalue 1: the operator */
static int l_decimal_operate(lua_State *L) {
    return library_operate(L, lua_tostring(L, lua_upvalueindex(1)));
}

static int l_decimal_index(lua_State *L) {
    return library_method(L, "a decimal");
}

void decimal_value_type(lua_State *L) {
    static const char *const operators[][2] = {{"__add", "+"}, {"__sub", "-"},   {"__mul", "*"},
                                               {"__div", "/"}, {"__idiv", "//"}, {"__mod", "%"},
                                               {"__pow", "^"}, {"__eq", "=="},   {"__lt", "<"},
                                               {"__le", "<="}, {"__unm", "neg"}};
    if (luaL_newmetatable(L, DECIMAL_TYPE)) {
        for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
            lua_pushstring(L, operators[i][1]);
            lua_pushcclosure(L, l_decimal_operate, 1);
            lua_setfield(L, -2, operators[i][0]);
        }
        lua_pushcfunction(L, l_decimal_tostring);
        lua_setfield(L, -2, "__tostring");
        lua_pushcfunction(L, l_decimal_index);
        lua_setfield(L, -2, "__index");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}

int decimal_value_rescale(lua_State *L, int index, const struct wr_type *type, __int128 *number) {
    const struct decimal_value *decimal = decimal_value_test(L, index);
    char text[WR_NUMBER_TEXT_MAX];
    size_t length = decimal == NULL
                        ? wr_int64_format(lua_tointeger(L, index), text)
                        : wr_decimal_format(decimal_value_number(decimal), decimal->scale, text);
    if (memchr(text, '.', length) != NULL) /* zeros at the end are no digits */
        while (length > 1 && (text[length - 1] == '0' || text[length - 1] == '.'))
            if (text[--length] == '.')
                break;
    return wr_decimal_parse(text, length, type->precision, type->scale, number);
}
