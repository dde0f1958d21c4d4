/* table_text.h: tables of Lua as the JSON text that columns of json, lists, structs and maps hold:
 * library_json_push and library_typed_push of library_value.h, and what reading shares with them.
 * Private to the room. */
#pragma once
#include <stdint.h>

#include <lua.h>

#include "base/arena.h"
#include "base/buf.h"

#define TABLE_NESTING_MAX 100 /* levels of one value */

/* Memory for one conversion; nothing in it calls Lua, so one is enough. */
struct table_scratch {
    struct wr_arena arena;
    struct wr_buf text;
};

/* The one of the state, cleared. */
struct table_scratch *table_scratch_of(lua_State *L);
/* 1 when the keys of the table at `index` are 1 … n, or most of them. */
int table_is_list(lua_State *L, int index, lua_Integer *length, uint32_t *count);
