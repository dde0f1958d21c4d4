#include "lua/native.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "data/zone.h"
#include "expr/aggregate.h"
#include "expr/frames.h"
#include "expr/function.h"
#include "expr/unicode.h"
#include "lua/functions_private.h"
#include "lua/library.h"
#include "base/banned.h"

#define TERMINAL_COLUMNS_DEFAULT 80

const struct wr_env *native_env(lua_State *L) {
    lua_getfield(L, LUA_REGISTRYINDEX, WR_LUA_ENV_KEY);
    const struct wr_env *env = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return env;
}

void native_set_env(lua_State *L, const struct wr_env *env) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)env);
    lua_setfield(L, LUA_REGISTRYINDEX, WR_LUA_ENV_KEY);
}

void native_set_int(lua_State *L, const char *name, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

void native_set_text(lua_State *L, const char *name, const char *text) {
    if (text == NULL || text[0] == 0)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* native.terminal() -> {stdout=bool, stderr=bool, columns=n} */
static int l_terminal(lua_State *L) {
    struct winsize size = {0};
    int columns = TERMINAL_COLUMNS_DEFAULT;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    lua_createtable(L, 0, 3);
    lua_pushboolean(L, isatty(STDOUT_FILENO));
    lua_setfield(L, -2, "stdout");
    lua_pushboolean(L, isatty(STDERR_FILENO));
    lua_setfield(L, -2, "stderr");
    lua_pushinteger(L, columns);
    lua_setfield(L, -2, "columns");
    return 1;
}

static void set_string(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void push_examples(lua_State *L, const struct wr_example *example) {
    lua_newtable(L);
    for (lua_Integer i = 1; example != NULL && example->text != NULL; example++, i++) {
        lua_createtable(L, 0, 2);
        set_string(L, "text", example->text);
        set_string(L, "result", example->result);
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "examples");
}

static void push_flags(lua_State *L, unsigned flags) {
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {{WR_FN_STRICT, "strict"}, {WR_FN_CAN_FAIL, "can_fail"},
                 {WR_FN_METHOD, "method"}, {WR_FN_VOLATILE, "volatile"},
                 {WR_FN_LAZY, "lazy"},     {WR_FN_CAN_NIL, "can_nil"},
                 {WR_FN_LUA, "lua"}};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_pushboolean(L, (flags & names[i].flag) != 0);
        lua_setfield(L, -2, names[i].name);
    }
    lua_setfield(L, -2, "flags");
}

int native_functions(lua_State *L) {
    lua_newtable(L);
    const struct wr_function *function;
    for (uint32_t i = 0; (function = wr_function_at(i)) != NULL; i++) {
        lua_createtable(L, 0, 6);
        set_string(L, "name", function->name);
        set_string(L, "group", function->group);
        set_string(L, "doc", function->doc);
        push_flags(L, function->flags);
        lua_newtable(L);
        for (lua_Integer s = 0; function->signatures[s].text != NULL; s++) {
            lua_pushstring(L, function->signatures[s].text);
            lua_rawseti(L, -2, s + 1);
        }
        lua_setfield(L, -2, "signatures");
        push_examples(L, function->examples);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int native_foreign(lua_State *L) {
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    lua_pushstring(L, wr_function_foreign(name, (uint32_t)length));
    return 1;
}

int native_aggregates(lua_State *L) {
    lua_newtable(L);
    const struct wr_aggregate_function *function;
    for (uint32_t i = 0; (function = wr_aggregate_at(i)) != NULL; i++) {
        lua_createtable(L, 0, 5);
        set_string(L, "name", function->name);
        set_string(L, "group", "aggregates");
        set_string(L, "doc", function->doc);
        lua_newtable(L);
        for (lua_Integer s = 0; function->signatures[s] != NULL; s++) {
            lua_pushstring(L, function->signatures[s]);
            lua_rawseti(L, -2, s + 1);
        }
        lua_setfield(L, -2, "signatures");
        push_examples(L, function->examples);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    const struct wr_window_function *other;
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (uint32_t i = 0; (other = wr_window_function_at(i)) != NULL; i++) {
        lua_createtable(L, 0, 4);
        set_string(L, "name", other->name);
        set_string(L, "group", "of rows, in a `derive` behind `group_by`");
        set_string(L, "doc", other->doc);
        lua_createtable(L, 1, 0);
        lua_pushstring(L, other->signature);
        lua_rawseti(L, -2, 1);
        lua_setfield(L, -2, "signatures");
        lua_rawseti(L, -2, count + (lua_Integer)i + 1);
    }
    return 1;
}

/* from_local(zone, us): the time at which clocks of the zone show that; nil: there is none. */
static int l_from_local(lua_State *L) {
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    int64_t time_us = luaL_checkinteger(L, 2);
    const struct wr_zone *zone;
    if (wr_zone_find(&zone, name, length, NULL) != WR_OK || !wr_zone_from_local_us(zone, &time_us))
        return 0;
    lua_pushinteger(L, time_us);
    return 1;
}

/* is_nfc(text): whether its letters are composed as NFC has them. */
static int l_is_nfc(lua_State *L) {
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    if (wr_nfc_is_plain(text, length)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    struct wr_buf composed;
    wr_buf_init(&composed, &wr_budget_control, 0);
    int status = wr_nfc_add(&composed, text, length, 0);
    int same =
        status == WR_OK && composed.length == length && memcmp(composed.bytes, text, length) == 0;
    wr_buf_release(&composed);
    lua_pushboolean(L, same);
    return 1;
}

/* connectors() → {sources = {name, …}, sinks = {{name=, delivery=}, …}} */
static int l_connectors(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_newtable(L);
    for (uint32_t i = 0; wr_source_at(i) != NULL; i++) {
        lua_pushstring(L, wr_source_at(i)->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "sources");
    lua_newtable(L);
    for (uint32_t i = 0; wr_sink_at(i) != NULL; i++) {
        lua_createtable(L, 0, 2);
        set_string(L, "name", wr_sink_at(i)->name);
        set_string(L, "delivery", wr_delivery_text(wr_sink_at(i)->delivery));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "sinks");
    return 1;
}

static const luaL_Reg functions[] = {
    {"is_nfc", l_is_nfc},
    {"from_local", l_from_local},
    {"plan", native_plan_new},
    {"harness", native_harness},
    {"run", native_run},
    {"sim", native_sim},
    {"sim_faults", native_sim_faults},
    {"compare", native_compare},
    {"least_memory", native_least_memory},
    {"explain", native_explain},
    {"connectors", l_connectors},
    {"state", native_state},
    {"state_save", native_state_save},
    {"state_reset", native_state_reset},
    {"state_rows", native_state_rows},
    {"functions", native_functions},
    {"aggregates", native_aggregates},
    {"foreign", native_foreign},
    {"sandbox", native_sandbox},
    {"terminal", l_terminal},
    {"call_user", native_call_user},
    {"library", native_library},
    {NULL, NULL},
};

int luaopen_weir_native(lua_State *L) {
    wr_op_register(&wr_op_flat_map);
    native_plan_type(L);
    native_harness_type(L);
    native_sim_type(L);
    luaL_newlib(L, functions);
    set_string(L, "version", WR_VERSION_TEXT);
    return 1;
}
