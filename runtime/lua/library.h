/* library.h: the function library of expressions for Lua: globals, methods, and the operators of
 * decimals. A call is bound as the expression `f(a, b)` over columns of its arguments' types, once
 * for each list of types, and run over a batch of one row, so that strings and functions cannot
 * disagree. A failing call raises `W5xx: detail`.
 * Threads: those of the lua_State. */
#pragma once
#include <stdint.h>

#include <lua.h>

struct wr_call;

/* Pushes function `name`; with `is_method` only when it is one. 0: there is none, and nothing is
 * pushed. */
int library_push(lua_State *L, const char *name, int is_method);
/* An `__index`: pushes the method that the key at 2 names, or raises that `what` has none. */
int library_method(lua_State *L, const char *what);
/* Evaluates `a op b` (`-a` for op "neg") over the values at 1 and 2; one result. */
int library_operate(lua_State *L, const char *op);
/* The row that a function of the script is called for: what now(), random() and event_time() go
 * by; NULL: none. Borrows `call` until the next one. */
void library_at(lua_State *L, const struct wr_call *call, uint32_t row);
/* 1 when a row has begun since the last time; then `seed` is its own. */
int library_row_seed(lua_State *L, uint64_t *seed);
/* The time zone of the script. */
void library_timezone(lua_State *L, const char *timezone);
/* native.library(name) -> function | nil */
int native_library(lua_State *L);
