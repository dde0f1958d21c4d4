/* sandbox.h: the environment of scripts, shared by its files (sandbox_*.c). Everything that a
 * script can reach is made here, by an allowlist. What takes long in C polls the watchdog; nothing
 * depends on addresses, clocks or the order of hash tables.
 *
 * The metatables of nil, bool, number and string are of the whole lua_State: they are put in place
 * while a script runs, and the standard library has Lua's own at other times. */
#pragma once
#include <stdint.h>

#include <lua.h>

#define SANDBOX_ELEMENTS_MAX (INT64_C(1) << 27) /* of what a table function walks over */
#define SANDBOX_STRING_MAX (UINT64_C(64) << 20) /* bytes of a string that a function makes */

/* Runs the function below its arguments, as lua_pcall does, under the watchdog: `budget_us` of
 * processor time where no script runs yet. `handler`: of the message, 0: none. An error that is
 * no plain value has become text; when time or memory was used up the text says so, with its code
 * and place, and WR_SANDBOX_STOPPED is set in what it returns. */
#define SANDBOX_STOPPED 1024
int sandbox_call(lua_State *L, int arguments, int results, int handler, int64_t budget_us);
/* Many calls of one batch, with sandbox_pcall, between these. */
void sandbox_enter(lua_State *L, int64_t budget_us);
void sandbox_leave(lua_State *L);
/* lua_pcall in which the script has no more than its memory. */
int sandbox_pcall(lua_State *L, int arguments, int results, int handler);
/* After one that failed: the error on top becomes text. 1 when the script is to stop. */
int sandbox_failed(lua_State *L, int status);

/* Each pushes a table of functions. */
void sandbox_base_new(lua_State *L);
void sandbox_string_new(lua_State *L);
void sandbox_table_new(lua_State *L);
void sandbox_math_new(lua_State *L);
void sandbox_utf8_new(lua_State *L);
void sandbox_coroutine_new(lua_State *L);
/* Sets pairs and next of the table on top. */
void sandbox_order_add(lua_State *L);
/* Sets find, match, gmatch and gsub of the table on top. */
void sandbox_patterns_add(lua_State *L);

/* Pushes function `name` of Lua's own `library`, guarded: a nil among its first `strict` arguments
 * gives nil; with `numbers`, anything else but numbers raises. */
void sandbox_guarded(lua_State *L, const char *library, const char *name, int strict, int numbers);
/* Pushes the text of a value, without addresses. */
void sandbox_tostring(lua_State *L, int index);
/* Whether the table at `index` is a metatable that a script has set. */
int sandbox_is_users(lua_State *L, int index);
/* The table on top becomes a view of it that cannot be changed; `name` stands in messages. Reading
 * what it does not have raises. */
void sandbox_seal(lua_State *L, const char *name);
/* Starts math.random again, at a row. */
void sandbox_random_seed(lua_State *L, uint64_t seed);
