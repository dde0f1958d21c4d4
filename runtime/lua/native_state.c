/* native_state.c: a state that no run holds, as `weir state` looks into it. */
#include <lauxlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/time.h"
#include "exec/inspect.h"
#include "lua/convert.h"
#include "lua/native.h"
#include "base/banned.h"

static void set_time(lua_State *L, const char *name, int64_t time_us) {
    char text[WR_TIME_TEXT_MAX];
    if (time_us == WR_TIME_MIN || time_us == WR_TIME_MAX)
        return;
    lua_pushlstring(L, text, wr_timestamp_format(time_us, text));
    lua_setfield(L, -2, name);
}

static void push_stage(lua_State *L, const struct wr_state_stage *stage) {
    lua_createtable(L, 0, 14);
    native_set_int(L, "number", stage->number);
    native_set_text(L, "kind", stage->kind);
    native_set_text(L, "stage", stage->stage);
    native_set_text(L, "name", stage->name);
    native_set_text(L, "address", stage->address);
    native_set_text(L, "place", stage->place);
    native_set_int(L, "bytes", stage->bytes);
    native_set_int(L, "parts", stage->part_count);
    native_set_int(L, "rows_in", stage->rows_in);
    native_set_int(L, "rows_out", stage->rows_out);
    native_set_int(L, "rows", stage->rows);
    native_set_int(L, "waiting", stage->waiting);
    native_set_int(L, "waiting_bytes", stage->waiting_bytes);
    set_time(L, "frontier", stage->frontier);
    if (strcmp(stage->kind, "source") == 0) {
        lua_pushboolean(L, stage->ended && stage->part_count > 0);
        lua_setfield(L, -2, "ended");
    }
}

static void push_tables(lua_State *L, const struct wr_state *state) {
    lua_createtable(L, (int)state->table_count, 0);
    for (uint32_t i = 0; i < state->table_count; i++) {
        lua_createtable(L, 0, 2);
        native_set_text(L, "name", state->tables[i].name);
        native_set_int(L, "rows", state->tables[i].rows);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "tables");
}

/* native.state(directory, checks) -> {number=, saved=, …, stage… } | nil, err */
int native_state(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct wr_error err = {0};
    struct wr_arena arena;
    struct wr_state state;
    wr_arena_init(&arena, &wr_budget_control, 16384);
    int status = wr_state_read(&state, &arena, native_env(L), path, lua_toboolean(L, 2), &err);
    if (status != WR_OK) {
        wr_arena_release(&arena);
        return wr_error_push(L, &err);
    }
    lua_createtable(L, (int)state.count, 10);
    native_set_text(L, "state", path);
    native_set_text(L, "script", state.script);
    native_set_int(L, "checkpoint", state.number);
    if (state.number > 0)
        set_time(L, "saved", state.saved_us);
    native_set_int(L, "rows_in", state.rows_in);
    native_set_int(L, "rejected", state.rejected);
    native_set_int(L, "late", state.late);
    native_set_int(L, "rejects_waiting", state.rejects_waiting);
    native_set_int(L, "bytes", state.bytes);
    native_set_int(L, "parts", state.part_count);
    native_set_int(L, "shards", state.shards);
    push_tables(L, &state);
    for (uint32_t i = 0; i < state.count; i++) {
        push_stage(L, &state.stages[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    wr_arena_release(&arena);
    return 1;
}

static int done(lua_State *L, int status, const struct wr_error *err) {
    if (status != WR_OK)
        return wr_error_push(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* native.state_save(directory, to, limit_us) -> true | nil, err */
int native_state_save(lua_State *L) {
    struct wr_error err = {0};
    int status = wr_state_save(native_env(L), luaL_checkstring(L, 1), luaL_checkstring(L, 2),
                               luaL_checkinteger(L, 3), &err);
    return done(L, status, &err);
}

/* native.state_reset(directory, number or nil) -> true | nil, err */
int native_state_reset(lua_State *L) {
    struct wr_error err = {0};
    uint32_t number = (uint32_t)luaL_optinteger(L, 2, UINT32_MAX);
    return done(L, wr_state_reset(native_env(L), luaL_checkstring(L, 1), number, &err), &err);
}

/* native.state_rows(plan, options, number, spec of a sink) -> rows | nil, err */
int native_state_rows(lua_State *L) {
    struct native_plan *self = native_check_plan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    struct wr_error err = {0};
    struct wr_value *to = WR_ARENA_ZEROS(&self->plan->arena, struct wr_value, 1);
    int status = to == NULL ? wr_error_set(&err, WR_ENOMEM, "no memory for the plan")
                            : wr_value_from_lua(L, 4, &self->plan->arena, to, &err);
    if (status == WR_OK)
        status = wr_plan_finish(self->plan, &err);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    struct wr_run_options options = native_run_options(L, self);
    uint64_t rows = 0;
    status =
        wr_state_rows(self->plan, &options, (uint32_t)luaL_checkinteger(L, 3), to, &rows, &err);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    lua_pushinteger(L, (lua_Integer)rows);
    return 1;
}
