#include "lua/library.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/schema.h"
#include "data/value.h"
#include "expr/expr.h"
#include "expr/function.h"
#include "expr/signature.h"
#include "lua/library_lists.h"
#include "lua/library_value.h"
#include "lua/sandbox.h"
#include "base/banned.h"

#define ARGUMENTS_MAX 64
#define PROGRAMS_MAX 4096 /* bound calls that are kept */
#define KEY_BYTES_MAX 2048
#define BUDGET_BYTES (UINT64_C(256) << 20)
#define ARENA_BYTES 2048
#define TIMEZONE_MAX 64

static const char library_key; /* registry: the library, with the programs as user value */

struct library {
    struct wr_budget budget;
    struct wr_eval eval;
    struct wr_arena rows; /* of one call */
    uint32_t program_count;
    const struct wr_call *call; /* of the row that a function is called for; NULL: none */
    uint32_t row;
    int row_is_new;
    char timezone[TIMEZONE_MAX];
};

/* A call bound to types of arguments. */
struct program {
    struct wr_arena arena;
    struct wr_list *list; /* NULL: nil, whatever is called */
    struct wr_schema *schema;
    uint32_t column_count;
    uint8_t args[ARGUMENTS_MAX]; /* by column: which argument it is */
};

/* What is called: a function, or an operator. */
struct target {
    const struct wr_function *function; /* NULL: `op` */
    const char *op;
    uint32_t constants; /* bits of the arguments that are to be literals */
};

/* ---- the library of a state ---- */

static int l_library_gc(lua_State *L) {
    struct library *self = lua_touserdata(L, 1);
    wr_eval_release(&self->eval);
    wr_arena_release(&self->rows);
    return 0;
}

static int l_program_gc(lua_State *L) {
    struct program *self = lua_touserdata(L, 1);
    wr_arena_release(&self->arena);
    return 0;
}

static void set_gc(lua_State *L, const char *type, lua_CFunction gc) {
    if (luaL_newmetatable(L, type)) {
        lua_pushcfunction(L, gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
}

/* Pushes it, too. */
static struct library *push_library(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &library_key) == LUA_TUSERDATA)
        return lua_touserdata(L, -1);
    lua_pop(L, 1);
    struct library *self = lua_newuserdatauv(L, sizeof *self, 1);
    memset(self, 0, sizeof *self);
    self->budget.name = "functions";
    self->budget.bytes_max = BUDGET_BYTES;
    wr_eval_init(&self->eval, &self->budget);
    wr_arena_init(&self->rows, &self->budget, ARENA_BYTES);
    memcpy(self->timezone, "UTC", 4);
    set_gc(L, "weir.library", l_library_gc);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &library_key);
    return self;
}

static void forget_programs(lua_State *L, struct library *self, int library) {
    lua_newtable(L);
    lua_setiuservalue(L, library, 1);
    self->program_count = 0;
}

void library_timezone(lua_State *L, const char *timezone) {
    struct library *self = push_library(L);
    if (strcmp(self->timezone, timezone) != 0 && strlen(timezone) < TIMEZONE_MAX) {
        memcpy(self->timezone, timezone, strlen(timezone) + 1);
        forget_programs(L, self, lua_gettop(L));
    }
    lua_pop(L, 1);
}

void library_at(lua_State *L, const struct wr_call *call, uint32_t row) {
    struct library *self = push_library(L);
    self->call = call;
    self->row = row;
    self->row_is_new = call != NULL;
    lua_pop(L, 1);
}

int library_row_seed(lua_State *L, uint64_t *seed) {
    struct library *self = push_library(L);
    lua_pop(L, 1);
    if (!self->row_is_new)
        return 0;
    const struct wr_batch *batch = self->call->batch;
    uint64_t hash = self->call->eval == NULL ? 0 : self->call->eval->random_seed;
    if (batch != NULL) {
        hash = wr_hash_join(hash, (uint64_t)batch->source << 32 | batch->partition);
        hash = wr_hash_join(hash, wr_origin_record(&batch->origin, self->row));
    }
    *seed = hash;
    self->row_is_new = 0;
    return 1;
}

/* ---- binding ---- */

struct binding {
    lua_State *L;
    struct library *library;
    const struct target *target;
    uint32_t arg_count; /* at stack indices 1 … */
    int nil_is_text;    /* a nil is bound as a column of strings */
    struct program *program;
};

static struct wr_value *node_new(struct binding *b, const char *kind, uint32_t more) {
    struct wr_value *node = wr_value_new_map(&b->program->arena, more + 1);
    const struct wr_value *text = wr_value_new_string(&b->program->arena, kind, strlen(kind));
    if (node == NULL || text == NULL)
        luaL_error(b->L, "not enough memory");
    node->names[0] = "k";
    node->items[0] = *text;
    return node;
}

static void node_set(struct binding *b, struct wr_value *node, uint32_t at, const char *name,
                     const struct wr_value *value) {
    if (value == NULL)
        luaL_error(b->L, "not enough memory");
    node->names[at] = name;
    node->items[at] = *value;
}

static struct wr_value *text_new(struct binding *b, const char *text, size_t length) {
    return wr_value_new_string(&b->program->arena, text, length);
}

/* A literal of the plain value at stack `index`. */
static struct wr_value *literal_node(struct binding *b, int index) {
    struct wr_value *node = node_new(b, "lit", 2), value = {.kind = WR_VALUE_NIL};
    const char *type = "nil";
    size_t length;
    switch (lua_type(b->L, index)) {
    case LUA_TSTRING: {
        type = "string";
        const char *text = lua_tolstring(b->L, index, &length);
        node_set(b, node, 2, "v", text_new(b, text, length));
        break;
    }
    case LUA_TNUMBER:
        type = lua_isinteger(b->L, index) ? "int64" : "float64";
        if (lua_isinteger(b->L, index))
            value = (struct wr_value){.kind = WR_VALUE_INT, .integer = lua_tointeger(b->L, index)};
        else
            value = (struct wr_value){.kind = WR_VALUE_FLOAT, .number = lua_tonumber(b->L, index)};
        break;
    case LUA_TBOOLEAN:
        type = "bool";
        value = (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = lua_toboolean(b->L, index)};
        break;
    default: break;
    }
    if (lua_type(b->L, index) != LUA_TSTRING)
        node_set(b, node, 2, "v", &value);
    node_set(b, node, 1, "type", text_new(b, type, strlen(type)));
    wr_value_sort(node);
    return node;
}

static int is_literal(const struct target *target, lua_State *L, uint32_t arg) {
    int type = lua_type(L, (int)arg + 1);
    if (type == LUA_TNIL)
        return 1; /* unless its type is missing: see argument_node */
    /* struct(name, value, …): the names make its type. */
    if (target->function != NULL && arg % 2 == 0 && strcmp(target->function->name, "struct") == 0)
        return type == LUA_TSTRING;
    return arg < 32 && (target->constants >> arg & 1) &&
           (type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN);
}

/* The argument as a literal, or as a new column. */
static struct wr_value *argument_node(struct binding *b, uint32_t arg) {
    int is_nil = lua_isnil(b->L, (int)arg + 1);
    if (is_literal(b->target, b->L, arg) && !(is_nil && b->nil_is_text))
        return literal_node(b, (int)arg + 1);
    char name[16];
    struct program *program = b->program;
    int length = snprintf(name, sizeof name, "a%u", arg + 1);
    struct wr_value *node = node_new(b, "name", 1), *text = text_new(b, name, (size_t)length);
    node_set(b, node, 1, "name", text);
    wr_value_sort(node);
    program->args[program->column_count] = (uint8_t)arg;
    program->schema->fields[program->column_count++] =
        (struct wr_field){.name = text->string,
                          .name_length = (uint32_t)length,
                          .type = is_nil ? WR_TYPE(WR_STRING)
                                         : library_value_type(b->L, (int)arg + 1, &program->arena)};
    return node;
}

static struct wr_value *call_node(struct binding *b) {
    const struct target *target = b->target;
    if (target->function != NULL) {
        struct wr_value *node = node_new(b, "call", 2);
        struct wr_value *args = wr_value_new_list(&b->program->arena, b->arg_count);
        if (args == NULL)
            luaL_error(b->L, "not enough memory");
        for (uint32_t i = 0; i < b->arg_count; i++)
            args->items[i] = *argument_node(b, i);
        const char *name = target->function->name;
        node_set(b, node, 1, "name", text_new(b, name, strlen(name)));
        node_set(b, node, 2, "args", args);
        wr_value_sort(node);
        return node;
    }
    int unary = strcmp(target->op, "neg") == 0;
    struct wr_value *node = node_new(b, unary ? "un" : "bin", unary ? 2 : 3);
    node_set(b, node, 1, "op",
             text_new(b, unary ? "-" : target->op, unary ? 1 : strlen(target->op)));
    node_set(b, node, 2, "a", argument_node(b, 0));
    if (!unary)
        node_set(b, node, 3, "b", argument_node(b, 1));
    wr_value_sort(node);
    return node;
}

static uint32_t nil_count(lua_State *L, uint32_t count) {
    uint32_t nils = 0;
    for (uint32_t i = 1; i <= count; i++)
        nils += lua_isnil(L, (int)i);
    return nils;
}

/* Binds the call into the program on top. */
static int bind_call(struct binding *b, struct wr_error *err) {
    struct wr_arena *arena = &b->program->arena;
    b->program->column_count = 0;
    b->program->schema = wr_schema_new(arena, b->arg_count + 1);
    struct wr_value *items = wr_value_new_list(arena, 1);
    struct wr_value *item = wr_value_new_map(arena, 2);
    if (b->program->schema == NULL || items == NULL || item == NULL)
        luaL_error(b->L, "not enough memory");
    node_set(b, item, 0, "expr", call_node(b));
    node_set(b, item, 1, "name", text_new(b, "result", 6));
    items->items[0] = *item;
    b->program->schema->field_count = b->program->column_count;
    struct wr_scope scope = {
        .arena = arena, .input = b->program->schema, .timezone = b->library->timezone};
    if (b->library->call != NULL && b->library->call->batch != NULL &&
        b->library->call->batch->event_time != NULL)
        scope.flags |= WR_SCOPE_EVENT_TIME;
    return wr_list_bind(&b->program->list, &scope, WR_LIST_DERIVE, items, err);
}

/* Pushes the program of the arguments at 1 … `arg_count`. */
static struct program *bind(struct binding *b) {
    lua_State *L = b->L;
    b->program = lua_newuserdatauv(L, sizeof *b->program, 0);
    memset(b->program, 0, sizeof *b->program);
    wr_arena_init(&b->program->arena, &b->library->budget, ARENA_BYTES);
    set_gc(L, "weir.program", l_program_gc);
    struct wr_error err = {0}, again = {0};
    int status = bind_call(b, &err);
    uint32_t nils = nil_count(L, b->arg_count);
    if (status == WR_ESCRIPT && nils > 0 && nils == b->arg_count) {
        b->program->list = NULL; /* nothing but nil: the type is missing, the value is known */
        return b->program;
    }
    if (status == WR_ESCRIPT && nils > 0) { /* as `case(c, nil, nil)`: any type will do */
        b->nil_is_text = 1;
        int with_text = bind_call(b, &again);
        status = with_text == WR_OK ? WR_OK : status;
    }
    if (status != WR_OK)
        luaL_error(L, "%s%s%s", err.code, err.code[0] == 0 ? "" : ": ", err.text);
    return b->program;
}

/* ---- keys: what a program depends on ---- */

/* Pushes it as a string, or returns 0 when it would be too long to be kept. */
static int push_key(struct binding *b) {
    char key[KEY_BYTES_MAX];
    size_t at = 0, length;
    const struct target *target = b->target;
    memcpy(key,
           target->function != NULL ? (const void *)&target->function : (const void *)&target->op,
           sizeof(void *));
    at += sizeof(void *);
    key[at++] = b->library->call != NULL && b->library->call->batch != NULL &&
                b->library->call->batch->event_time != NULL;
    for (uint32_t i = 0; i < b->arg_count; i++) {
        struct wr_type type = library_value_type(b->L, (int)i + 1, NULL);
        key[at++] = (char)type.kind;
        key[at++] = (char)type.precision;
        key[at++] = (char)type.scale;
        if (type.kind == WR_NIL || !is_literal(target, b->L, i)) {
            key[at++] = 0;
            continue;
        }
        lua_pushvalue(b->L, (int)i + 1); /* a number becomes text in the copy */
        const char *text = lua_type(b->L, -1) == LUA_TBOOLEAN
                               ? (length = 1, lua_toboolean(b->L, -1) ? "t" : "f")
                               : lua_tolstring(b->L, -1, &length);
        int fits = at + length + 16 + 4 * (size_t)(b->arg_count - i) <= sizeof key;
        if (fits) {
            key[at++] = 1;
            memcpy(key + at, &length, sizeof length);
            memcpy(key + at + sizeof length, text, length);
            at += sizeof length + length;
        }
        lua_pop(b->L, 1);
        if (!fits)
            return 0;
    }
    lua_pushlstring(b->L, key, at);
    return 1;
}

/* The program of a call, at the stack's top. `library` is its index. */
static struct program *program_of(struct binding *b, int library) {
    lua_State *L = b->L;
    if (!push_key(b))
        return bind(b);
    int key = lua_gettop(L);
    lua_getiuservalue(L, library, 1);
    lua_pushvalue(L, key);
    if (lua_rawget(L, -2) == LUA_TUSERDATA)
        return lua_touserdata(L, -1);
    lua_settop(L, key);
    struct program *program = bind(b);
    if (b->library->program_count >= PROGRAMS_MAX)
        forget_programs(L, b->library, library);
    b->library->program_count++;
    lua_getiuservalue(L, library, 1);
    lua_pushvalue(L, key);
    lua_pushvalue(L, key + 1);
    lua_rawset(L, -3);
    lua_settop(L, key + 1);
    return program;
}

/* ---- running ---- */

struct cell {
    _Alignas(16) char bytes[16];
};

static void set_row(struct library *self, struct wr_batch *batch, int64_t *event_time) {
    const struct wr_call *call = self->call;
    self->eval.now_us = 0;
    self->eval.random_seed = 0;
    if (call == NULL)
        return;
    if (call->eval != NULL) {
        self->eval.now_us = call->eval->now_us;
        self->eval.random_seed = call->eval->random_seed;
    }
    if (call->batch == NULL)
        return;
    batch->source = call->batch->source;
    batch->partition = call->batch->partition;
    batch->origin.first_record = wr_origin_record(&call->batch->origin, self->row);
    if (call->batch->event_time != NULL) {
        *event_time = call->batch->event_time[self->row];
        batch->event_time = event_time;
    }
}

static int run(lua_State *L, struct library *self, const struct program *program) {
    struct cell cells[ARGUMENTS_MAX];
    uint64_t valid[ARGUMENTS_MAX];
    struct wr_column columns[ARGUMENTS_MAX];
    int64_t event_time;
    if (program->list == NULL) {
        lua_pushnil(L);
        return 1;
    }
    wr_arena_reset(&self->rows);
    for (uint32_t i = 0; i < program->column_count; i++) {
        library_value_put(L, program->args[i] + 1, &program->schema->fields[i].type, &self->rows,
                          cells[i].bytes, &valid[i]);
        columns[i] =
            (struct wr_column){.data = cells[i].bytes, .valid = valid[i] != 0 ? NULL : &valid[i]};
    }
    struct wr_batch batch = {.row_count = 1,
                             .sel_count = 1,
                             .schema = program->schema,
                             .columns = columns,
                             .frontier = WR_TIME_MIN};
    set_row(self, &batch, &event_time);
    const struct wr_item *item = &program->list->items[0];
    if (item->column >= 0 && item->output < 0) {
        lua_pushvalue(L, program->args[item->column] + 1);
        return 1;
    }
    int status = wr_list_run(program->list, &self->eval, &batch, &self->rows);
    if (status == WR_ENOMEM || status == WR_ELIMIT)
        return luaL_error(L, "W702: a function used up its memory of %d MB",
                          (int)(BUDGET_BYTES >> 20));
    if (status != WR_OK)
        return luaL_error(L, "%s", wr_status_text(status));
    if (self->eval.fail_count > 0)
        return luaL_error(L, "W%d: %s", self->eval.fails[0].code, self->eval.fails[0].detail);
    library_cell_push(L, &item->type, &self->eval.outputs[item->output], 0);
    return 1;
}

static int call(lua_State *L, const struct target *target) {
    int top = lua_gettop(L);
    if (top > ARGUMENTS_MAX)
        return luaL_error(L, "more than %d arguments", ARGUMENTS_MAX);
    if (target->function == NULL || target->function->flags & WR_FN_STRICT)
        for (int i = 1; i <= top; i++)
            if (lua_isnil(L, i)) {
                lua_pushnil(L);
                return 1;
            }
    struct library *self = push_library(L);
    if (self->call == NULL && target->function != NULL && target->function->flags & WR_FN_VOLATILE)
        return luaL_error(L, "`%s` is known only while rows are worked on", target->function->name);
    struct binding binding = {
        .L = L, .library = self, .target = target, .arg_count = (uint32_t)top};
    return run(L, self, program_of(&binding, top + 1));
}

/* upvalues: the function, the bits of literal arguments */
static int l_call(lua_State *L) {
    struct target target = {.function = lua_touserdata(L, lua_upvalueindex(1)),
                            .constants = (uint32_t)lua_tointeger(L, lua_upvalueindex(2))};
    return call(L, &target);
}

int library_operate(lua_State *L, const char *op) {
    static const char *const comparisons[] = {"<", "<=", "=="};
    struct target target = {.op = op};
    lua_settop(L, strcmp(op, "neg") == 0 ? 1 : 2);
    if (lua_isnil(L, 1) || lua_isnil(L, -1))
        for (int i = 0; i < 3; i++)
            if (strcmp(op, comparisons[i]) == 0) {
                lua_pushboolean(L, 0);
                return 1;
            }
    return call(L, &target);
}

/* ---- names ---- */

static uint32_t literal_arguments(const struct wr_function *function) {
    uint32_t bits = 0;
    struct wr_signature_form form;
    for (const struct wr_signature *s = function->signatures; s->text != NULL; s++)
        if (wr_signature_parse(s->text, &form))
            for (uint32_t i = 0; i < form.param_count; i++)
                bits |= (uint32_t)form.params[i].is_constant << i;
    return bits;
}

int library_push(lua_State *L, const char *name, int is_method) {
    const struct wr_function *function = wr_function_find(name, (uint32_t)strlen(name));
    if (function == NULL || (is_method && !(function->flags & WR_FN_METHOD)))
        return 0;
    if (function->flags & WR_FN_LUA) {
        lua_pushcfunction(L, library_list_function(function->name));
        return 1;
    }
    lua_pushlightuserdata(L, (void *)(uintptr_t)function);
    lua_pushinteger(L, literal_arguments(function));
    lua_pushcclosure(L, l_call, 2);
    return 1;
}

int library_method(lua_State *L, const char *what) {
    if (lua_type(L, 2) == LUA_TSTRING && library_push(L, lua_tostring(L, 2), 1))
        return 1;
    sandbox_tostring(L, 2);
    return luaL_error(L, "%s has no `%s`", what, lua_tostring(L, -1));
}

int native_library(lua_State *L) {
    const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : "";
    if (strchr(name, '.') != NULL || !library_push(L, name, 0))
        lua_pushnil(L);
    return 1;
}
