/* native.h: the module `weir.native`, which the standard library calls. Shared inside the room. */
#pragma once
#include <lua.h>

#include "exec/run.h"
#include "graph/plan.h"

#define WR_LUA_ENV_KEY "weir.env"    /* registry: the wr_env, light userdata */
#define WR_LUA_PLAN_TYPE "weir.plan" /* metatables */
#define WR_LUA_HARNESS_TYPE "weir.harness"
#define WR_VERSION_TEXT WEIR_VERSION

int luaopen_weir_native(lua_State *L);
const struct wr_env *native_env(lua_State *L);
/* Scripts are read in another world from here on. */
void native_set_env(lua_State *L, const struct wr_env *env);
/* Sets a field of the table at the top. */
void native_set_int(lua_State *L, const char *name, uint64_t value);
/* The same, where there is a text; NULL and "": none. */
void native_set_text(lua_State *L, const char *name, const char *text);

/* A plan as Lua holds it. */
struct native_plan {
    struct wr_plan *plan;
    struct lua_functions *functions; /* user functions, by id */
    int running;                     /* a run borrows it */
};
struct native_plan *native_check_plan(lua_State *L, int index);
int native_plan_new(lua_State *L);     /* native.plan(options) -> plan | nil, err */
void native_plan_type(lua_State *L);   /* makes the metatable */
int native_run(lua_State *L);          /* native.run(plan, options) */
int native_least_memory(lua_State *L); /* native.least_memory(plan, options) -> bytes */
int native_compare(lua_State *L); /* native.compare(plan, options): what a state would become */
int native_explain(lua_State *L); /* native.explain(plan) */
int native_state(lua_State *L);   /* native.state(directory, checks), and what is done with it */
int native_state_save(lua_State *L);
int native_state_reset(lua_State *L);
int native_state_rows(lua_State *L);
/* The table at stack index 2 as options of a run. */
struct wr_run_options native_run_options(lua_State *L, struct native_plan *plan);
int native_functions(lua_State *L);  /* native.functions() */
int native_foreign(lua_State *L);    /* native.foreign(name) -> what weir calls it | nil */
int native_aggregates(lua_State *L); /* native.aggregates() */
int native_harness(lua_State *L);    /* native.harness(plan, options) */
void native_harness_type(lua_State *L);
/* Adds the script's rejects and a sink of `kind`, `address` and `format` for them; *sink is that
 * node. */
int native_add_rejects(lua_State *L, struct native_plan *plan, const char *kind,
                       const char *address, const char *format, struct wr_node **sink,
                       struct wr_error *err);
/* Adds what the option `rejects` of the table at stack index 2 asks for, and finishes the plan. */
int native_complete_plan(lua_State *L, struct native_plan *plan, struct wr_error *err);
int native_sim(lua_State *L);        /* native.sim(): see native_sim.c */
int native_sim_faults(lua_State *L); /* native.sim_faults() */
void native_sim_type(lua_State *L);
int native_sandbox(lua_State *L);   /* native.sandbox(globals) */
int native_call_user(lua_State *L); /* native.call_user(f, handler) */
/* Pushes `nil, err` for a run that a function of the script has stopped (WR_ELUA): W701, W702. */
int native_push_stopped(lua_State *L);
/* Pushes what is known of a stream: {schema=, key=, has_time=, …}. */
void native_push_info(lua_State *L, struct wr_arena *arena, const struct wr_stream *stream,
                      const struct wr_node *node);
