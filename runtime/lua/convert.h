/* convert.h: plain data between Lua and C. Threads: those of the lua_State. */
#pragma once
#include "data/batch.h"
#include "data/value.h"

struct lua_State;
struct wr_arena;
struct wr_error;

#define WR_CONVERT_DEPTH_MAX 200 /* nesting of plain data */

/* The value at `index` as plain data in `arena`. A table with keys 1 … n is a list (an empty table
 * too), one with string keys a map. Functions, userdata and keys of other kinds are WR_EARG in
 * `err`. */
int wr_value_from_lua(struct lua_State *L, int index, struct wr_arena *arena,
                      struct wr_value *value, struct wr_error *err);
/* Pushes it; NULL pushes nil. */
void wr_value_push(struct lua_State *L, const struct wr_value *value);
/* Pushes `nil, err` as the stdlib expects errors: {code=, message=, help=, arg=, from=, to=}. */
int wr_error_push(struct lua_State *L, const struct wr_error *err);
/* Pushes one cell: nil, Lua's own types, or {type="timestamp", v=…} where `typed`. */
void wr_cell_push(struct lua_State *L, const struct wr_type *type, const struct wr_column *column,
                  uint32_t row);
