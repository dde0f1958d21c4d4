/* functions.h: the Lua functions of a script, called from expressions. A function that stands in
 * the place of an expression becomes a call of itself over the columns that it reads, so that
 * every stage that takes an expression takes a function by the same path. One lua_State; the
 * functions live in its registry. */
#pragma once
#include <stdint.h>

#include "expr/expr.h"
#include "graph/plan.h"

struct lua_State;
struct lua_functions;

int lua_functions_new(struct lua_functions **functions, struct lua_State *L);
void lua_functions_free(struct lua_functions *functions);
/* Keeps the function at stack `index` under `id`. */
int lua_functions_set(struct lua_functions *functions, struct lua_State *L, uint32_t id, int index);
/* `weir.def`: {name=, params={types}, result=type, id=}. */
int lua_functions_define(struct lua_functions *functions, struct wr_plan *plan,
                         const struct wr_value *spec, struct wr_error *err);
/* Replaces `fn=` of a spec by a list or expression that calls it. */
int lua_functions_rewrite(struct lua_functions *functions, struct wr_plan *plan,
                          struct wr_value *spec, struct wr_error *err);
/* A wr_user_call_fn; ctx is the lua_functions. */
int lua_functions_call(void *ctx, const struct wr_user_function *function, struct wr_call *call);
