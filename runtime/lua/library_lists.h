/* library_lists.h: the functions of the library that take a Lua function (WR_FN_LUA). They walk
 * over a table as a row gives it: the elements 1 … n, of which some may be nil. */
#pragma once
#include <lua.h>

/* The one of that name, which is in the table of functions. */
lua_CFunction library_list_function(const char *name);
