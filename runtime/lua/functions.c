#include "lua/functions.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/reject.h"
#include "data/schema.h"
#include "expr/aggregate.h"
#include "expr/function.h"
#include "lua/functions_private.h"
#include "lua/library.h"
#include "lua/library_value.h"
#include "lua/sandbox.h"
#include "lua/watchdog.h"
#include "base/banned.h"

#define ROW_TYPE "weir.row"
#define NAME_MAX_BYTES 32

/* One way to call a Lua function: row functions get a proxy of the row, defined ones plain values.
 */
struct callee {
    int function_ref, row_ref; /* row_ref: LUA_NOREF for a defined function */
    int result;                /* which of its results, from 1 */
    const char *required;      /* the column that takes it, when it must not be nil; or NULL */
};

struct lua_functions {
    lua_State *L;
    uint32_t ref_count, ref_room;
    int *refs; /* by id - 1: as set by plan:set_function */
    uint32_t callee_count, callee_room;
    uint32_t until_deadline; /* calls until there is a new one */
    struct callee *callees;  /* by wr_user_function.id */
};

/* The row that a row function sees; valid during the call. Its user value maps names to arguments.
 */
struct row {
    const struct wr_call *call;
    uint32_t row;
};

int lua_functions_new(struct lua_functions **made, lua_State *L) {
    struct lua_functions *self = wr_alloc_zero(&wr_budget_control, sizeof *self);
    if (self == NULL)
        return WR_ENOMEM;
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    self->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    *made = self;
    return WR_OK;
}

void lua_functions_free(struct lua_functions *functions) {
    if (functions == NULL)
        return; /* the refs go with the state */
    wr_free(&wr_budget_control, functions->refs);
    wr_free(&wr_budget_control, functions->callees);
    wr_free(&wr_budget_control, functions);
}

int lua_functions_set(struct lua_functions *functions, lua_State *L, uint32_t id, int index) {
    if (id == 0 || id > functions->ref_count + 1)
        return WR_EARG;
    if (wr_grow(&wr_budget_control, (void **)&functions->refs, id - 1, &functions->ref_room,
                sizeof *functions->refs) != WR_OK)
        return WR_ENOMEM;
    lua_pushvalue(L, index);
    functions->refs[id - 1] = luaL_ref(L, LUA_REGISTRYINDEX);
    functions->ref_count = WR_MAX(functions->ref_count, id);
    return WR_OK;
}

static int callee_new(struct lua_functions *functions, struct callee callee, uint32_t *id) {
    if (wr_grow(&wr_budget_control, (void **)&functions->callees, functions->callee_count,
                &functions->callee_room, sizeof *functions->callees) != WR_OK)
        return WR_ENOMEM;
    *id = functions->callee_count;
    functions->callees[functions->callee_count++] = callee;
    return WR_OK;
}

/* ---- values ---- */

static void push_argument(lua_State *L, const struct wr_call *call, uint32_t arg, uint32_t row) {
    library_cell_push(L, &call->arg_types[arg], &call->args[arg], wr_call_row(call, arg, row));
}

static int l_row_index(lua_State *L) {
    const struct row *self = luaL_checkudata(L, 1, ROW_TYPE);
    if (self->call == NULL)
        return luaL_error(L, "a row is valid only during the call of its function");
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1))
        return luaL_error(L, "unknown column `%s`", luaL_tolstring(L, 2, NULL));
    push_argument(L, self->call, (uint32_t)lua_tointeger(L, -1), self->row);
    return 1;
}

static int l_row_newindex(lua_State *L) {
    return luaL_error(L, "a row cannot be changed: give back the new values");
}

static void row_new(lua_State *L, const struct wr_schema *schema, const uint32_t *columns,
                    uint32_t count) {
    struct row *self = lua_newuserdatauv(L, sizeof *self, 1);
    *self = (struct row){0};
    if (luaL_newmetatable(L, ROW_TYPE)) {
        lua_pushcfunction(L, l_row_index);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, l_row_newindex);
        lua_setfield(L, -2, "__newindex");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    lua_createtable(L, 0, (int)count);
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_field *field = &schema->fields[columns[i]];
        lua_pushlstring(L, field->name, field->name_length);
        lua_pushinteger(L, i);
        lua_rawset(L, -3);
    }
    lua_setiuservalue(L, -2, 1);
}

/* ---- calls ---- */

lua_State *lua_functions_state(struct lua_functions *functions) {
    return functions->L;
}

int lua_functions_pcall(struct lua_functions *functions, int arguments, int results) {
    return sandbox_pcall(functions->L, arguments, results, 0);
}

void lua_functions_begin(struct lua_functions *functions) {
    sandbox_enter(functions->L, WATCHDOG_CALL_US);
    functions->until_deadline = WATCHDOG_CALLS;
}

void lua_functions_leave(struct lua_functions *functions) {
    library_at(functions->L, NULL, 0);
    sandbox_leave(functions->L);
}

void lua_functions_end(struct lua_functions *functions, uint32_t callee) {
    lua_functions_release(functions, callee);
    lua_functions_leave(functions);
}

void lua_functions_next(struct lua_functions *functions) {
    if (functions->until_deadline-- == 0) {
        functions->until_deadline = WATCHDOG_CALLS;
        watchdog_next(watchdog_of(functions->L));
    }
}

int lua_functions_ref(const struct lua_functions *functions, int64_t id) {
    return id < 1 || id > functions->ref_count ? LUA_NOREF : functions->refs[id - 1];
}

static struct row *proxy_of(struct lua_functions *functions, uint32_t callee) {
    int ref = functions->callees[callee].row_ref;
    if (ref == LUA_NOREF)
        return NULL;
    lua_rawgeti(functions->L, LUA_REGISTRYINDEX, ref);
    struct row *proxy = lua_touserdata(functions->L, -1);
    lua_pop(functions->L, 1);
    return proxy;
}

void lua_functions_push(struct lua_functions *functions, uint32_t id, const struct wr_call *call,
                        uint32_t row) {
    const struct callee *callee = &functions->callees[id];
    lua_State *L = functions->L;
    lua_functions_next(functions);
    library_at(L, call, row);
    lua_rawgeti(L, LUA_REGISTRYINDEX, callee->function_ref);
    if (callee->row_ref == LUA_NOREF) {
        for (uint32_t a = 0; a < call->arg_count; a++)
            push_argument(L, call, a, row);
        return;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, callee->row_ref);
    struct row *proxy = lua_touserdata(L, -1);
    proxy->call = call;
    proxy->row = row;
}

void lua_functions_release(struct lua_functions *functions, uint32_t callee) {
    struct row *proxy = proxy_of(functions, callee);
    if (proxy != NULL)
        proxy->call = NULL;
}

/* The text of the error on top; a table has none, but weir's own errors have a message. A place in
 * weir's own Lua, which ran when the stack was full, says nothing to the author of a function. */
static const char *detail_of(lua_State *L) {
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "message");
        lua_rawget(L, -2);
        lua_remove(L, lua_isstring(L, -1) ? -2 : -1);
    }
    if (!lua_isstring(L, -1)) {
        lua_pushfstring(L, lua_isnil(L, -1) ? "%s" : "a %s", luaL_typename(L, -1));
        lua_replace(L, -2);
    }
    const char *text = lua_tostring(L, -1);
    if (strcmp(text, "error in error handling") == 0)
        return "stack overflow";
    const char *place = strncmp(text, "weir.", 5) == 0 ? strstr(text, ": ") : NULL;
    return place == NULL ? text : place + 2;
}

/* What Lua itself says of operands, and the library of arguments, has the code that the same
 * mistake has in an expression. */
static const struct {
    const char *text;
    int code;
} lua_texts[] = {
    {"attempt to divide by zero", WR_REJECT_DIVISION},
    {"attempt to perform 'n%0'", WR_REJECT_DIVISION},
    {"attempt to perform arithmetic on a", WR_REJECT_KIND},
    {"attempt to perform bitwise operation on a", WR_REJECT_KIND},
    {"attempt to concatenate a", WR_REJECT_KIND},
    {"attempt to compare ", WR_REJECT_KIND},
    {"attempt to get length of a", WR_REJECT_KIND},
    {"W104: ", WR_REJECT_KIND},
};

/* The code of an error's text, which begins behind the places where it was raised. */
static int code_of(const char **detail) {
    for (const char *text = *detail; text != NULL;) {
        int found = 0, length = 0;
        if (sscanf(text, "W%3d: %n", &found, &length) == 1 && length == 6 &&
            wr_reject_text(found) != NULL) {
            *detail = text + 6;
            return found;
        }
        for (uint32_t i = 0; i < WR_COUNT(lua_texts); i++)
            if (strncmp(text, lua_texts[i].text, strlen(lua_texts[i].text)) == 0)
                return lua_texts[i].code;
        text = strstr(text, ": ");
        text = text == NULL ? NULL : text + 2;
    }
    return WR_REJECT_LUA;
}

int lua_functions_failed(struct lua_functions *functions, int status, int *code,
                         const char **detail, struct wr_eval *eval) {
    lua_State *L = functions->L;
    int stopped = sandbox_failed(L, status);
    *detail = detail_of(L);
    *code = WR_REJECT_LUA;
    if (stopped) {
        if (eval != NULL)
            eval->fatal = watchdog_of(L)->message;
        return WR_ELUA;
    }
    *code = code_of(detail);
    return WR_OK;
}

static int call_one(struct lua_functions *self, uint32_t id, struct wr_call *call, uint32_t row) {
    const struct callee *callee = &self->callees[id];
    lua_State *L = self->L;
    lua_functions_push(self, id, call, row);
    int arguments = callee->row_ref == LUA_NOREF ? (int)call->arg_count : 1, code;
    int status = lua_functions_pcall(self, arguments, callee->result);
    if (status == LUA_OK) {
        if (callee->required != NULL && lua_isnil(L, -1))
            wr_call_fail(call, row, WR_REJECT_MISSING, LUA_CELL_REQUIRED, callee->required);
        else
            lua_result_take(L, call, row);
        return WR_OK;
    }
    const char *detail;
    status = lua_functions_failed(self, status, &code, &detail, call->eval);
    if (status == WR_OK)
        wr_call_fail(call, row, code, "%.200s", detail);
    return status;
}

int lua_functions_call(void *ctx, const struct wr_user_function *function, struct wr_call *call) {
    struct lua_functions *self = ctx;
    lua_State *L = self->L;
    if (!lua_checkstack(L, (int)call->arg_count + self->callees[function->id].result + 16))
        return WR_ENOMEM;
    int top = lua_gettop(L), status = WR_OK;
    lua_functions_begin(self);
    for (uint32_t i = 0; i < call->count && status == WR_OK; i++) {
        status = call_one(self, function->id, call, wr_call_at(call, i));
        lua_settop(L, top);
    }
    lua_functions_end(self, function->id);
    return status;
}

/* ---- from specs to calls ---- */

int lua_functions_types(struct wr_arena *arena, const struct wr_value *spec, const char *of_result,
                        const struct wr_type **params, uint32_t *count, struct wr_type *result,
                        struct wr_error *err) {
    const struct wr_value *given = wr_value_get(spec, "params");
    *count = wr_value_count(given);
    /* A schema of the parameters and the result, so that types are read in one place. */
    struct wr_value *fields = wr_value_new_list(arena, *count + 1);
    struct wr_type *types = WR_ARENA_ZEROS(arena, struct wr_type, *count + 1);
    if (fields == NULL || types == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i <= *count; i++) {
        char name[NAME_MAX_BYTES];
        int length = snprintf(name, sizeof name, "%u", i);
        struct wr_value *field = wr_value_new_map(arena, 2);
        struct wr_value *text = wr_value_new_string(arena, name, (size_t)length);
        const struct wr_value *type =
            i < *count ? wr_value_at(given, i) : wr_value_get(spec, of_result);
        if (field == NULL || text == NULL || type == NULL)
            return wr_error_set(err, WR_EARG, "a function without types");
        field->names[0] = "name";
        field->items[0] = *text;
        field->names[1] = "type";
        field->items[1] = *type;
        fields->items[i] = *field;
    }
    const struct wr_schema *schema;
    int status = wr_schema_from_value(&schema, arena, fields, err);
    if (status != WR_OK)
        return status;
    for (uint32_t i = 0; i <= *count; i++)
        types[i] = schema->fields[i].type;
    *params = types;
    *result = types[*count];
    return WR_OK;
}

int lua_functions_define(struct lua_functions *functions, struct wr_plan *plan,
                         const struct wr_value *spec, struct wr_error *err) {
    int64_t id = wr_value_int(spec, "id", 0);
    if (id < 1 || id > functions->ref_count)
        return wr_error_set(err, WR_EARG, "function %lld is not set", (long long)id);
    struct wr_user_function function = {.name = wr_value_string(spec, "name", ""),
                                        .is_volatile = wr_value_bool(spec, "volatile", 0)};
    int status = lua_functions_types(&plan->arena, spec, "result", &function.params,
                                     &function.param_count, &function.result, err);
    if (status != WR_OK)
        return status;
    for (uint32_t i = 0; i < plan->user_aggregate_count; i++)
        if (strcmp(plan->user_aggregates[i]->name, function.name) == 0)
            return wr_error_script(err, "W105", "duplicate name `%s`: an aggregate has it",
                                   function.name);
    struct callee callee = {
        .function_ref = functions->refs[id - 1], .row_ref = LUA_NOREF, .result = 1};
    if (callee_new(functions, callee, &function.id) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for a function");
    status = wr_plan_defined(plan, spec, err);
    return status != WR_OK ? status : wr_plan_define(plan, &function, err);
}

int lua_functions_columns(struct wr_arena *arena, const struct wr_schema *schema,
                          const struct wr_value *reads, const uint32_t **columns, uint32_t *count,
                          struct wr_error *err) {
    int all = reads == NULL || reads->kind != WR_VALUE_LIST;
    uint32_t total = all ? schema->field_count : wr_value_count(reads);
    uint32_t *made = WR_ARENA_ARRAY(arena, uint32_t, total + 1);
    if (made == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < total; i++) {
        int at = (int)i;
        if (!all) {
            const struct wr_value *name = wr_value_at(reads, i);
            at = wr_schema_find(schema, name->string, name->count);
            if (at < 0) {
                wr_error_script(err, "W103", "unknown column `%s`", name->string);
                wr_error_at(err, "1", 0, 0);
                return WR_ESCRIPT;
            }
        }
        made[i] = (uint32_t)at;
    }
    *columns = made;
    *count = total;
    return WR_OK;
}

static void put(struct wr_value *map, uint32_t at, const char *name, struct wr_value value) {
    map->names[at] = name;
    map->items[at] = value;
}

/* {k="call", name=…, args={names of the columns of the input}} */
static struct wr_value *call_node(struct wr_arena *arena, const char *name,
                                  const struct wr_schema *schema, const uint32_t *columns,
                                  uint32_t count) {
    struct wr_value *node = wr_value_new_map(arena, 3);
    struct wr_value *args = wr_value_new_list(arena, count);
    if (node == NULL || args == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_field *field = &schema->fields[columns[i]];
        struct wr_value *arg = wr_value_new_map(arena, 3);
        struct wr_value *text = wr_value_new_string(arena, field->name, field->name_length);
        if (arg == NULL || text == NULL)
            return NULL;
        put(arg, 0, "k", *wr_value_new_string(arena, "name", 4));
        put(arg, 1, "name", *text);
        put(arg, 2, "of_input", (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = 1});
        wr_value_sort(arg);
        args->items[i] = *arg;
    }
    put(node, 0, "args", *args);
    put(node, 1, "k", *wr_value_new_string(arena, "call", 4));
    put(node, 2, "name", *wr_value_new_string(arena, name, strlen(name)));
    wr_value_sort(node);
    return node;
}

struct rewrite {
    struct lua_functions *functions;
    struct wr_plan *plan;
    const struct wr_schema *input;
    const uint32_t *columns;
    uint32_t count;
    struct wr_type *params;
    int function_ref, row_ref, is_volatile;
    int64_t id;
    struct wr_error *err;
};

/* A user function for result `result` of the row function, and the node that calls it. */
static int make_call(struct rewrite *r, int result, const struct wr_field *field,
                     struct wr_value **node) {
    struct wr_arena *arena = &r->plan->arena;
    char name[NAME_MAX_BYTES];
    int length = snprintf(name, sizeof name, "function %lld.%d", (long long)r->id, result);
    struct wr_user_function function = {.name = wr_arena_strndup(arena, name, (size_t)length),
                                        .param_count = r->count,
                                        .params = r->params,
                                        .result = field->type,
                                        .is_volatile = r->is_volatile};
    struct callee callee = {.function_ref = r->function_ref,
                            .row_ref = r->row_ref,
                            .result = result,
                            .required = field->required ? field->name : NULL};
    *node = call_node(arena, name, r->input, r->columns, r->count);
    if (function.name == NULL || *node == NULL ||
        callee_new(r->functions, callee, &function.id) != WR_OK)
        return wr_error_set(r->err, WR_ENOMEM, "no memory for a function");
    return wr_plan_define(r->plan, &function, r->err);
}

static int prepare(struct rewrite *r, const struct wr_value *fn) {
    struct lua_functions *functions = r->functions;
    r->id = wr_value_int(fn, "id", 0);
    r->is_volatile = wr_value_bool(fn, "volatile", 0);
    if (r->id < 1 || r->id > functions->ref_count)
        return wr_error_set(r->err, WR_EARG, "function %lld is not set", (long long)r->id);
    int status = lua_functions_columns(&r->plan->arena, r->input, wr_value_get(fn, "reads"),
                                       &r->columns, &r->count, r->err);
    if (status != WR_OK)
        return status;
    r->params = WR_ARENA_ZEROS(&r->plan->arena, struct wr_type, r->count + 1);
    if (r->params == NULL)
        return wr_error_set(r->err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < r->count; i++)
        r->params[i] = r->input->fields[r->columns[i]].type;
    lua_State *L = functions->L;
    row_new(L, r->input, r->columns, r->count);
    r->row_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    r->function_ref = functions->refs[r->id - 1];
    return WR_OK;
}

/* The items of a list that a function gives: `("name type, …", function)`. */
static int make_items(struct rewrite *r, const struct wr_value *outputs, struct wr_value **items) {
    struct wr_arena *arena = &r->plan->arena;
    uint32_t count = wr_value_count(outputs);
    for (uint32_t i = 0; i < count; i++)
        if (wr_value_get(wr_value_at(outputs, i), "type") == NULL) {
            wr_error_script(r->err, "W111", "the result type of this function is not known");
            wr_error_help(r->err, "write it behind the name: \"%s string\"",
                          wr_value_string(wr_value_at(outputs, i), "name", "name"));
            wr_error_at(r->err, "1", 0, 0);
            return WR_ESCRIPT;
        }
    const struct wr_schema *schema;
    int status = wr_schema_from_value(&schema, arena, outputs, r->err);
    *items = wr_value_new_list(arena, count);
    if (status == WR_OK && *items == NULL)
        status = wr_error_set(r->err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct wr_value *node;
        status = make_call(r, (int)i + 1, &schema->fields[i], &node);
        struct wr_value *item = wr_value_new_map(arena, 2);
        struct wr_value *name =
            wr_value_new_string(arena, schema->fields[i].name, schema->fields[i].name_length);
        if (status == WR_OK && (item == NULL || name == NULL))
            status = wr_error_set(r->err, WR_ENOMEM, "no memory for the plan");
        if (status != WR_OK)
            break;
        put(item, 0, "expr", *node);
        put(item, 1, "name", *name);
        (*items)->items[i] = *item;
    }
    return status;
}

/* Adds `name = value` to a map in the arena. */
static int map_add(struct wr_arena *arena, struct wr_value *map, const char *name,
                   const struct wr_value *value) {
    struct wr_value *grown = wr_value_new_map(arena, map->count + 1);
    if (grown == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < map->count; i++)
        put(grown, i, map->names[i], map->items[i]);
    put(grown, map->count, name, *value);
    wr_value_sort(grown);
    *map = *grown;
    return WR_OK;
}

static int rewrite_one(struct rewrite *r, struct wr_value *spec, const char *key,
                       const char *list_key) {
    const struct wr_value *fn = wr_value_get(spec, key);
    if (fn == NULL)
        return WR_OK;
    const struct wr_value *outputs = wr_value_get(fn, "outputs");
    if (outputs == NULL)
        outputs = wr_value_get(spec, "schema"); /* map("schema", f) */
    int status = prepare(r, fn);
    if (status != WR_OK)
        return status;
    struct wr_value *made = NULL;
    if (strcmp(wr_value_string(spec, "op", ""), "flat_map") == 0) { /* calls it itself */
        struct callee callee = {
            .function_ref = r->function_ref, .row_ref = r->row_ref, .result = 1};
        uint32_t id;
        if (callee_new(r->functions, callee, &id) != WR_OK)
            return wr_error_set(r->err, WR_ENOMEM, "no memory for a function");
        struct wr_value number = {.kind = WR_VALUE_INT, .integer = id};
        if (map_add(&r->plan->arena, spec, "callee", &number) != WR_OK)
            return wr_error_set(r->err, WR_ENOMEM, "no memory for the plan");
        return WR_OK;
    }
    if (wr_value_count(outputs) > 0)
        status = make_items(r, outputs, &made);
    else
        status = make_call(r, 1, &(struct wr_field){.type = WR_TYPE(WR_BOOL)}, &made);
    if (status != WR_OK)
        return status;
    if (strcmp(wr_value_string(spec, "op", ""), "map") == 0) { /* the row anew: a select */
        struct wr_value *select = wr_value_new_string(&r->plan->arena, "select", 6);
        for (uint32_t i = 0; select != NULL && i < spec->count; i++)
            if (strcmp(spec->names[i], "op") == 0)
                spec->items[i] = *select;
        const struct wr_value *name = wr_value_new_string(&r->plan->arena, "map", 3);
        if (name == NULL || (wr_value_get(spec, "name") == NULL &&
                             map_add(&r->plan->arena, spec, "name", name) != WR_OK))
            return wr_error_set(r->err, WR_ENOMEM, "no memory for the plan");
    }
    const char *name = wr_value_count(outputs) > 0 ? list_key : "expr";
    if (map_add(&r->plan->arena, spec, name, made) != WR_OK)
        return wr_error_set(r->err, WR_ENOMEM, "no memory for the plan");
    return WR_OK;
}

int lua_functions_rewrite(struct lua_functions *functions, struct wr_plan *plan,
                          struct wr_value *spec, struct wr_error *err) {
    const struct wr_value *inputs = wr_value_get(spec, "inputs");
    const struct wr_value *first = wr_value_at(inputs, 0);
    int has = wr_value_get(spec, "fn") != NULL || wr_value_get(spec, "group_fn") != NULL;
    if (!has || first == NULL || first->kind != WR_VALUE_INT || first->integer < 0 ||
        first->integer >= plan->node_count)
        return WR_OK;
    struct rewrite r = {.functions = functions,
                        .plan = plan,
                        .input = plan->nodes[first->integer]->out.schema,
                        .err = err};
    int status = rewrite_one(&r, spec, "fn", "items");
    return status == WR_OK ? rewrite_one(&r, spec, "group_fn", "group_by") : status;
}
