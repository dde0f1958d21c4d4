/* aggregates.h: aggregates that a script defines (`weir.aggregate`): Lua functions over a state of
 * typed fields, as kernels that `agg` runs like its own. */
#pragma once
#include "lua/functions.h"

/* `weir.aggregate`: {name=, text=, params={types}, type=of the result, state={fields}, add={id=},
 * result={id=}, merge={id=}?, retract={id=}?, volatile=}; ids as set by lua_functions_set. */
int lua_aggregates_define(struct lua_functions *functions, struct wr_plan *plan,
                          const struct wr_value *spec, struct wr_error *err);
