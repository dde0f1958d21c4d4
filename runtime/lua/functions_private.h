/* functions_private.h: what the operators of this room share with functions.c: how a row function
 * is called. Private to the room. */
#pragma once
#include <lua.h>

#include "conn/builder.h"
#include "expr/function.h"
#include "lua/functions.h"

struct wr_op_type;

lua_State *lua_functions_state(struct lua_functions *functions);
/* The columns that a function reads (`reads`: names, or anything else for all) as column numbers.
 */
int lua_functions_columns(struct wr_arena *arena, const struct wr_schema *schema,
                          const struct wr_value *reads, const uint32_t **columns, uint32_t *count,
                          struct wr_error *err);
/* Pushes the function of a callee and its row (or arguments). */
void lua_functions_push(struct lua_functions *functions, uint32_t callee,
                        const struct wr_call *call, uint32_t row);
/* lua_pcall under the watchdog. */
int lua_functions_pcall(struct lua_functions *functions, int arguments, int results);
/* Rows that a callee has kept are not valid any more. */
void lua_functions_release(struct lua_functions *functions, uint32_t callee);
/* Whether the value on top is nil or of the type; and puts such a value into a builder's row. */
int lua_cell_fits(lua_State *L, enum wr_type_kind kind);
int lua_cell_put(lua_State *L, struct wr_builder *builder, uint32_t column);

extern const struct wr_op_type wr_op_flat_map;
