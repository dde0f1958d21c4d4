/* native_plan.c: a plan under construction, as the standard library sees it. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/schema.h"
#include "lua/aggregates.h"
#include "lua/convert.h"
#include "lua/functions.h"
#include "lua/library.h"
#include "lua/native.h"
#include "lua/watchdog.h"
#include "base/banned.h"

struct native_plan *native_check_plan(lua_State *L, int index) {
    struct native_plan *self = luaL_checkudata(L, index, WR_LUA_PLAN_TYPE);
    luaL_argcheck(L, self->plan != NULL, index, "the plan is closed");
    return self;
}

static void tell_wait(const char *place, const char *why) {
    fprintf(stderr, "note: %s: it is waited for: %s\n", place, why);
}

int native_plan_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    struct native_plan *self = lua_newuserdatauv(L, sizeof *self, 1);
    *self = (struct native_plan){0};
    luaL_setmetatable(L, WR_LUA_PLAN_TYPE);
    lua_getfield(L, 1, "timezone");
    lua_getfield(L, 1, "directory");
    struct wr_error err = {0};
    int status = wr_plan_new(&self->plan, native_env(L), luaL_optstring(L, -2, "UTC"),
                             luaL_optstring(L, -1, "."), &err);
    library_timezone(L, luaL_optstring(L, -2, "UTC"));
    lua_pop(L, 2);
    lua_getfield(L, 1, "waits");
    if (status == WR_OK && lua_toboolean(L, -1))
        self->plan->tell_wait = tell_wait;
    lua_pop(L, 1);
    lua_getfield(L, 1, "script");
    if (status == WR_OK && lua_isstring(L, -1))
        status = wr_plan_set_script(self->plan, lua_tostring(L, -1), &err);
    lua_pop(L, 1);
    if (status == WR_OK && lua_functions_new(&self->functions, L) != WR_OK)
        status = wr_error_set(&err, WR_ENOMEM, "no memory for the functions of a plan");
    return status == WR_OK ? 1 : wr_error_push(L, &err);
}

static int l_plan_gc(lua_State *L) {
    struct native_plan *self = luaL_checkudata(L, 1, WR_LUA_PLAN_TYPE);
    wr_plan_free(self->plan);
    lua_functions_free(self->functions);
    self->plan = NULL;
    self->functions = NULL;
    return 0;
}

static void set_flag(lua_State *L, const char *name, int value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* By column: {text=, line=, file=} of the value that makes a string of what looked otherwise. */
static void push_why_strings(lua_State *L, const struct wr_schema *schema) {
    lua_newtable(L);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wr_field *field = &schema->fields[i];
        if (field->why_string == NULL)
            continue;
        lua_pushlstring(L, field->name, field->name_length);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, field->why_string);
        lua_setfield(L, -2, "text");
        lua_pushinteger(L, (lua_Integer)field->why_line);
        lua_setfield(L, -2, "line");
        lua_pushstring(L, field->why_file);
        lua_setfield(L, -2, "file");
        lua_rawset(L, -3);
    }
}

/* Pushes, by column of the schema whose type nobody declared, what it was inferred from. */
static void push_guesses(lua_State *L, const struct wr_schema *schema) {
    static const char *const names[] = {
        [WR_GUESS_TEXT] = "text", [WR_GUESS_VALUE] = "value", [WR_GUESS_NOTHING] = "nothing"};
    lua_createtable(L, 0, 0);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wr_field *field = &schema->fields[i];
        if (field->guess == WR_GUESS_NONE)
            continue;
        lua_pushlstring(L, field->name, field->name_length);
        lua_pushstring(L, names[field->guess]);
        lua_rawset(L, -3);
    }
}

void native_push_info(lua_State *L, struct wr_arena *arena, const struct wr_stream *stream,
                      const struct wr_node *node) {
    static const char *const orders[] = {"source", "time", "firing", "arrival"};
    lua_createtable(L, 0, 8);
    wr_value_push(L, wr_schema_to_value(arena, stream->schema));
    lua_setfield(L, -2, "schema");
    lua_createtable(L, (int)stream->key_count, 0);
    for (uint32_t k = 0; k < stream->key_count; k++) {
        const struct wr_field *field = &stream->schema->fields[stream->key[k]];
        lua_pushlstring(L, field->name, field->name_length);
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    lua_setfield(L, -2, "key");
    set_flag(L, "has_time", stream->has_time);
    set_flag(L, "bounded", stream->bounded);
    set_flag(L, "updates", stream->updates);
    set_flag(L, "repeatable", stream->repeatable);
    lua_pushstring(L, orders[stream->order]);
    lua_setfield(L, -2, "order");
    if (node != NULL && node->endpoint.inferred_rows > 0) {
        lua_pushinteger(L, (lua_Integer)node->endpoint.inferred_rows);
        lua_setfield(L, -2, "inferred_rows");
        push_why_strings(L, stream->schema);
        lua_setfield(L, -2, "why_strings");
    }
}

/* The spec at stack index 2 in the plan's arena; a Lua function in it becomes a call of itself. */
static int take_spec(lua_State *L, struct native_plan *self, struct wr_value **spec,
                     struct wr_error *err) {
    luaL_checktype(L, 2, LUA_TTABLE);
    *spec = WR_ARENA_ZEROS(&self->plan->arena, struct wr_value, 1);
    if (*spec == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    int status = wr_value_from_lua(L, 2, &self->plan->arena, *spec, err);
    return status == WR_OK ? lua_functions_rewrite(self->functions, self->plan, *spec, err)
                           : status;
}

/* plan:add(spec) -> id, info | nil, err */
static int l_plan_add(lua_State *L) {
    struct native_plan *self = native_check_plan(L, 1);
    struct wr_error err = {0};
    struct wr_value *spec;
    struct wr_node *node = NULL;
    int status = take_spec(L, self, &spec, &err);
    watchdog_pause(watchdog_of(L)); /* files are read, schemas inferred */
    if (status == WR_OK)
        status = wr_plan_add(self->plan, spec, &node, &err);
    watchdog_resume(watchdog_of(L));
    if (status != WR_OK)
        return wr_error_push(L, &err);
    lua_pushinteger(L, node->id);
    native_push_info(L, &self->plan->arena, &node->out, node);
    return 2;
}

/* plan:probe(spec) -> info, with `guesses` | nil, err */
static int l_plan_probe(lua_State *L) {
    struct native_plan *self = native_check_plan(L, 1);
    struct wr_error err = {0};
    struct wr_value *spec;
    struct wr_stream out;
    int status = take_spec(L, self, &spec, &err);
    watchdog_pause(watchdog_of(L));
    if (status == WR_OK)
        status = wr_plan_probe(self->plan, spec, &out, &err);
    watchdog_resume(watchdog_of(L));
    if (status != WR_OK)
        return wr_error_push(L, &err);
    native_push_info(L, &self->plan->arena, &out, NULL);
    push_guesses(L, out.schema);
    lua_setfield(L, -2, "guesses");
    return 1;
}

/* plan:set_function(id, f, stage): the Lua function that specs call `id` */
static int l_plan_set_function(lua_State *L) {
    struct native_plan *self = native_check_plan(L, 1);
    lua_Integer id = luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    if (lua_functions_set(self->functions, L, (uint32_t)id, 3) != WR_OK)
        return luaL_error(L, "no memory for a function");
    return 0;
}

static int define(lua_State *L, int (*of)(struct lua_functions *functions, struct wr_plan *plan,
                                          const struct wr_value *spec, struct wr_error *err)) {
    struct native_plan *self = native_check_plan(L, 1);
    struct wr_error err = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    struct wr_value *spec = WR_ARENA_ZEROS(&self->plan->arena, struct wr_value, 1);
    if (spec == NULL)
        return luaL_error(L, "no memory for the plan");
    int status = wr_value_from_lua(L, 2, &self->plan->arena, spec, &err);
    if (status == WR_OK)
        status = of(self->functions, self->plan, spec, &err);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* plan:define{name=, params={types}, result=type, id=k} -> true | nil, err */
static int l_plan_define(lua_State *L) {
    return define(L, lua_functions_define);
}

/* plan:define_aggregate{…} (aggregates.h) -> true | nil, err */
static int l_plan_define_aggregate(lua_State *L) {
    return define(L, lua_aggregates_define);
}

/* plan:hash() -> 32 hex digits */
static int l_plan_hash(lua_State *L) {
    char text[33];
    wr_plan_hash(native_check_plan(L, 1)->plan, text);
    lua_pushstring(L, text);
    return 1;
}

static const luaL_Reg plan_methods[] = {
    {"add", l_plan_add},
    {"probe", l_plan_probe},
    {"set_function", l_plan_set_function},
    {"define", l_plan_define},
    {"define_aggregate", l_plan_define_aggregate},
    {"hash", l_plan_hash},
    {"__gc", l_plan_gc},
    {NULL, NULL},
};

void native_plan_type(lua_State *L) {
    luaL_newmetatable(L, WR_LUA_PLAN_TYPE);
    luaL_setfuncs(L, plan_methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

int native_explain(lua_State *L) {
    struct native_plan *self = native_check_plan(L, 1);
    struct wr_error err = {0};
    int status = wr_plan_finish(self->plan, &err);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    wr_value_push(L, wr_plan_explain(self->plan));
    return 1;
}
