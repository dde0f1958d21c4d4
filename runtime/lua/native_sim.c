/* native_sim.c: a simulation as the standard library sees it: see sim/sim.h. It is Lua that reads
 * the script, before each life where its functions may keep something. */
#include <lauxlib.h>
#include <stdio.h>

#include "base/status.h"
#include "lua/convert.h"
#include "lua/functions.h"
#include "lua/native.h"
#include "sim/sim.h"
#include "base/banned.h"

#define TYPE "weir.simulation"

struct simulation {
    struct wr_simulation *simulation;
    const struct wr_env *env; /* of the program, while scripts are read in the simulated world */
    int tells;
};

static struct simulation *check_simulation(lua_State *L) {
    struct simulation *self = luaL_checkudata(L, 1, TYPE);
    luaL_argcheck(L, self->simulation != NULL, 1, "the simulation is closed");
    return self;
}

static int l_simulation_close(lua_State *L) {
    struct simulation *self = luaL_checkudata(L, 1, TYPE);
    wr_simulation_free(self->simulation);
    self->simulation = NULL;
    return 0;
}

/* Written at once and not kept: what is told must not take memory that a simulated fault counts. */
static void tell(void *ctx, const char *text) {
    const struct simulation *self = ctx;
    if (!self->tells)
        return;
    fprintf(stdout, "%s\n", text);
    fflush(stdout);
}

/* Calls f(…) with the simulated world in the place of the machine's, and gives what it gives. */
static int l_simulation_inside(lua_State *L) {
    struct simulation *self = check_simulation(L);
    int count = lua_gettop(L);
    native_set_env(L, wr_simulation_env(self->simulation));
    int status = lua_pcall(L, count - 2, LUA_MULTRET, 0);
    native_set_env(L, self->env);
    return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

static uint64_t option(lua_State *L, const char *name) {
    lua_getfield(L, 2, name);
    lua_Integer value = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return (uint64_t)(value > 0 ? value : 0);
}

/* sim:sql(path) -> true | nil, err: what servers have at the start */
static int l_simulation_sql(lua_State *L) {
    struct simulation *self = check_simulation(L);
    struct wr_error err = {0};
    if (wr_simulation_sql(self->simulation, luaL_checkstring(L, 2), &err) != WR_OK)
        return wr_error_push(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* sim:set({state=, checkpoint=µs, steps=, limit=, memory=, seed=, fail_on_error=bool})
 * -> true | nil, err */
static int l_simulation_set(lua_State *L) {
    struct simulation *self = check_simulation(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "state");
    lua_getfield(L, 2, "fail_on_error");
    struct wr_simulation_options options = {
        .steps_max = option(L, "steps"),
        .record_limit = option(L, "limit"),
        .hash_seed = option(L, "seed"),
        .memory_bytes = option(L, "memory"),
        .checkpoint_us = (int64_t)option(L, "checkpoint"),
        .fail_on_error = lua_toboolean(L, -1),
        .state_directory = luaL_checkstring(L, -2),
        .tell = tell,
        .tell_ctx = self,
    };
    struct wr_error err = {0};
    if (wr_simulation_set(self->simulation, &options, &err) != WR_OK)
        return wr_error_push(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static struct wr_sim_script script_of(struct native_plan *plan) {
    return (struct wr_sim_script){
        .plan = plan->plan, .user_call = lua_functions_call, .user_ctx = plan->functions};
}

/* sim:prepare(plan, options) -> {has_functions=} | nil, err: adds what --rejects asks for */
static int l_simulation_prepare(lua_State *L) {
    check_simulation(L);
    lua_remove(L, 1); /* the plan and the options stand where native.run has them */
    struct native_plan *plan = native_check_plan(L, 1);
    struct wr_error err = {0};
    if (native_complete_plan(L, plan, &err) != WR_OK)
        return wr_error_push(L, &err);
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, plan->plan->user_function_count + plan->plan->user_aggregate_count > 0);
    lua_setfield(L, -2, "has_functions");
    return 1;
}

/* sim:reference(plan) -> {rows_in=, rejected=, late=, steps=, bytes=} | nil, err */
static int l_simulation_reference(lua_State *L) {
    struct simulation *self = check_simulation(L);
    struct wr_sim_script script = script_of(native_check_plan(L, 2));
    struct wr_error err = {0};
    int status = wr_simulation_reference(self->simulation, &script, &err);
    if (status == WR_ELUA)
        return native_push_stopped(L);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    const struct wr_sim_counts *counts = wr_simulation_counts(self->simulation);
    lua_createtable(L, 0, 5);
    native_set_int(L, "rows_in", counts->rows_in);
    native_set_int(L, "rejected", counts->rejected);
    native_set_int(L, "late", counts->late);
    native_set_int(L, "steps", counts->steps);
    native_set_int(L, "bytes", wr_simulation_bytes_in(self->simulation));
    return 1;
}

static int add_left(void *ctx, const char *name, const char *bytes, uint64_t size) {
    lua_State *L = ctx;
    lua_createtable(L, 0, 2);
    native_set_text(L, "name", name);
    lua_pushlstring(L, bytes, (size_t)size);
    lua_setfield(L, -2, "bytes");
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    return WR_OK;
}

/* sim:left() -> {{name=, bytes=} …}: what the undisturbed run left */
static int l_simulation_left(lua_State *L) {
    struct simulation *self = check_simulation(L);
    lua_newtable(L);
    wr_simulation_left(self->simulation, add_left, L);
    return 1;
}

/* sim:begin(seed, faults, tells) -> true | nil, err */
static int l_simulation_begin(lua_State *L) {
    struct simulation *self = check_simulation(L);
    struct wr_error err = {0};
    self->tells = lua_toboolean(L, 4);
    int status = wr_simulation_begin(self->simulation, (uint64_t)luaL_checkinteger(L, 2),
                                     (unsigned)luaL_checkinteger(L, 3), &err);
    if (status != WR_OK)
        return wr_error_push(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static void push_verdict(lua_State *L, const struct wr_sim_verdict *verdict) {
    lua_createtable(L, 0, 8);
    native_set_text(L, "violation", verdict->violation);
    native_set_text(L, "expected", verdict->expected);
    native_set_text(L, "found", verdict->found);
    native_set_int(L, "lives", verdict->lives);
    native_set_int(L, "steps", verdict->steps);
    native_set_int(L, "print", verdict->print);
    lua_createtable(L, 0, WR_SIM_FAULT_COUNT);
    for (unsigned kind = 0; kind < WR_SIM_FAULT_COUNT; kind++)
        native_set_int(L, wr_sim_fault_word(kind), verdict->hit[kind]);
    lua_setfield(L, -2, "hit");
}

/* sim:live(plan) -> verdict when the seed is over, false when another life is to come
 * | nil, err */
static int l_simulation_live(lua_State *L) {
    struct simulation *self = check_simulation(L);
    struct wr_sim_script script = script_of(native_check_plan(L, 2));
    struct wr_error err = {0};
    struct wr_sim_verdict verdict;
    if (wr_simulation_live(self->simulation, &script, &verdict, &err) != WR_OK)
        return wr_error_push(L, &err);
    if (verdict.is_over)
        push_verdict(L, &verdict);
    else
        lua_pushboolean(L, 0);
    return 1;
}

/* native.sim_faults() -> {{word=, doc=} …}, in the order of their bits */
int native_sim_faults(lua_State *L) {
    static const char *const docs[] = {
#define DOC(name, word, doc) doc,
        WR_SIM_FAULTS(DOC)
#undef DOC
    };
    lua_newtable(L);
    for (unsigned kind = 0; kind < WR_SIM_FAULT_COUNT; kind++) {
        lua_createtable(L, 0, 2);
        native_set_text(L, "word", wr_sim_fault_word(kind));
        native_set_text(L, "doc", docs[kind]);
        lua_rawseti(L, -2, (lua_Integer)kind + 1);
    }
    return 1;
}

static const luaL_Reg methods[] = {
    {"inside", l_simulation_inside},
    {"sql", l_simulation_sql},
    {"set", l_simulation_set},
    {"prepare", l_simulation_prepare},
    {"reference", l_simulation_reference},
    {"left", l_simulation_left},
    {"begin", l_simulation_begin},
    {"live", l_simulation_live},
    {"close", l_simulation_close},
    {"__gc", l_simulation_close},
    {NULL, NULL},
};

/* native.sim() -> simulation | nil, err */
int native_sim(lua_State *L) {
    struct simulation *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (struct simulation){.env = native_env(L)};
    luaL_setmetatable(L, TYPE);
    struct wr_error err = {0};
    int status = wr_simulation_new(&self->simulation, self->env, &err);
    return status == WR_OK ? 1 : wr_error_push(L, &err);
}

void native_sim_type(lua_State *L) {
    luaL_newmetatable(L, TYPE);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
