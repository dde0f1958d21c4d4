/* library_value.h: one cell of a column and one value of Lua, both ways. Lists, maps, structs and
 * json are tables: a list has the elements 1 … n, with nil where it has null; other tables are
 * objects. */
#pragma once
#include <lua.h>

#include "data/batch.h"

struct wr_arena;

/* Pushes the cell; nil, Lua's own types, times, decimals, tables. */
void library_cell_push(lua_State *L, const struct wr_type *type, const struct wr_column *column,
                       uint32_t row);
/* The type that the value at `index` has in an expression. Inner types live in `arena`; NULL:
 * a table's inner types are left out. Raises for what is no value of a row. */
struct wr_type library_value_type(lua_State *L, int index, struct wr_arena *arena);
/* Writes it as an element of a column of that type; `valid` (one word) is cleared for nil. Texts
 * are lent by Lua, or lie in `arena`. Raises when memory runs out. */
void library_value_put(lua_State *L, int index, const struct wr_type *type, struct wr_arena *arena,
                       void *element, uint64_t *valid);
/* The JSON text of a table, as a string at the stack's top. */
void library_json_push(lua_State *L, int index);
/* The same of a value of a column of `type`, whose items are checked: 1; or 0, the code of the
 * reject, and its detail at the top, which says the place: "item 2: string where int64 is
 * expected". */
int library_typed_push(lua_State *L, int index, const struct wr_type *type, int *code);
