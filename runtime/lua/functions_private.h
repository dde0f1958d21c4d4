/* functions_private.h: what the operators of this room share with functions.c: how a row function
 * is called. Private to the room. */
#pragma once
#include <lua.h>

#include "conn/builder.h"
#include "expr/function.h"
#include "lua/functions.h"

struct wr_op_type;

#define LUA_CELL_DIGITS "the decimal has too many digits"
#define LUA_CELL_REQUIRED "column `%s`: nil where a value is required"

lua_State *lua_functions_state(struct lua_functions *functions);
/* The columns that a function reads (`reads`: names, or anything else for all) as column numbers.
 */
int lua_functions_columns(struct wr_arena *arena, const struct wr_schema *schema,
                          const struct wr_value *reads, const uint32_t **columns, uint32_t *count,
                          struct wr_error *err);
/* Pushes the function of a callee and its row (or arguments). */
void lua_functions_push(struct lua_functions *functions, uint32_t callee,
                        const struct wr_call *call, uint32_t row);
/* The calls of a batch stand between these two: they run under the watchdog. */
void lua_functions_begin(struct lua_functions *functions);
void lua_functions_end(struct lua_functions *functions, uint32_t callee);
void lua_functions_leave(struct lua_functions *functions); /* the same without a row */
/* Before each call that lua_functions_push does not prepare. */
void lua_functions_next(struct lua_functions *functions);
/* The function that was set under `id`, in the registry; LUA_NOREF: none. */
int lua_functions_ref(const struct lua_functions *functions, int64_t id);
/* The types of {params={…}, <of_result>=}. */
int lua_functions_types(struct wr_arena *arena, const struct wr_value *spec, const char *of_result,
                        const struct wr_type **params, uint32_t *count, struct wr_type *result,
                        struct wr_error *err);
/* lua_pcall with the memory of a script. */
int lua_functions_pcall(struct lua_functions *functions, int arguments, int results);
/* After one that failed: WR_OK when the row is to be rejected, with `code` and `detail` (lent by
 * the Lua stack); WR_ELUA when the script has used up its time or memory: the run ends. */
int lua_functions_failed(struct lua_functions *functions, int status, int *code,
                         const char **detail, struct wr_eval *eval);
/* Rows that a callee has kept are not valid any more. */
void lua_functions_release(struct lua_functions *functions, uint32_t callee);
/* The value on top as the result of a row, or why it is none. */
void lua_result_take(lua_State *L, struct wr_call *call, uint32_t row);
/* Whether the value on top is nil or of the type. */
int lua_cell_fits(lua_State *L, const struct wr_type *type);
/* Pushes what the value on top is, where the type is expected. 0. */
int lua_cell_misfit(lua_State *L, const struct wr_type *type);
/* 1, and the value on top is one that lua_cell_put takes: nested values are their text; or 0, the
 * code of the reject, and its detail on top, which names the column. */
int lua_cell_check(lua_State *L, const struct wr_field *field, int *code);
/* Puts a checked value into a builder's row: WR_OK or WR_ENOMEM. */
int lua_cell_put(lua_State *L, struct wr_builder *builder, uint32_t column);

extern const struct wr_op_type wr_op_flat_map;
