/* aggregates.c: aggregates of a script. A state is a blob: its fields one behind the other, each a
 * byte that says whether it is nil, and its element (texts with their length). Without bytes it is
 * the first state, whose fields have their defaults. A call gets it as a table, which is read back
 * when another state is wanted: rows of one group that follow each other share it.
 *
 * A call of `add`, `retract` or `merge` that fails cannot reject its row any more, which other
 * aggregates have counted: the state keeps why, and its group fails when it is read. */
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/reject.h"
#include "data/schema.h"
#include "expr/aggregate.h"
#include "lua/aggregates.h"
#include "lua/functions_private.h"
#include "lua/library_value.h"
#include "lua/sandbox.h"
#include "lua/time_value.h"
#include "expr/frames.h"
#include "base/banned.h"

#define STATE_BYTES_MAX (1u << 20) /* of one group */
#define DETAIL_BYTES_MAX 200

struct aggregate {
    struct wr_aggregate_function function;
    struct wr_user_aggregate user;
    struct lua_functions *functions;
    const struct wr_schema *state;
    int add_ref, merge_ref, retract_ref, result_ref;
};

struct state {
    struct wr_blob blob; /* fields; or what went wrong, and a 0 */
    uint64_t code;       /* of reject.h, when a call failed; else 0 */
};
static const struct wr_cell state_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct state, blob)}};

static const struct aggregate *aggregate_of(const struct wr_aggregate *aggregate) {
    return aggregate->function->user->ctx;
}

/* ---- states as tables ---- */

static void push_default(lua_State *L, const struct wr_field *field) {
    const struct wr_value *value = field->default_value;
    if (value == NULL)
        lua_pushnil(L);
    else if (value->kind == WR_VALUE_BOOL)
        lua_pushboolean(L, value->boolean);
    else if (value->kind == WR_VALUE_INT && field->type.kind == WR_INT64)
        lua_pushinteger(L, value->integer);
    else if (value->kind == WR_VALUE_INT)
        lua_pushnumber(L, (double)value->integer);
    else if (value->kind == WR_VALUE_FLOAT)
        lua_pushnumber(L, value->number);
    else
        lua_pushlstring(L, value->string, value->count);
}

/* Pushes the table of a state. */
static void push_state(lua_State *L, const struct aggregate *self, const struct wr_blob *blob) {
    const char *at = blob->bytes;
    lua_createtable(L, 0, (int)self->state->field_count);
    for (uint32_t f = 0; f < self->state->field_count; f++) {
        const struct wr_field *field = &self->state->fields[f];
        lua_pushlstring(L, field->name, field->name_length);
        if (blob->length == 0) {
            push_default(L, field);
        } else if (*at++ == 0) {
            lua_pushnil(L);
        } else {
            uint64_t element[2];
            struct wr_column column = {.data = element};
            uint32_t length = wr_type_bytes(field->type.kind);
            if (wr_type_is_text(field->type.kind)) {
                memcpy(&length, at, sizeof length);
                at += sizeof length;
                struct wr_str text = wr_str_of(at, length);
                memcpy(element, &text, sizeof text);
            } else {
                memcpy(element, at, length);
            }
            at += length;
            library_cell_push(L, &field->type, &column, 0);
        }
        lua_rawset(L, -3);
    }
}

/* The bytes of the checked value on top: an element in `room` (16 bytes), or a text that Lua
 * lends. */
static const char *value_bytes(lua_State *L, const struct wr_type *type, void *room,
                               size_t *length) {
    if (wr_type_is_text(type->kind))
        return lua_tolstring(L, -1, length);
    int64_t word = 0;
    *length = wr_type_bytes(type->kind);
    if (type->kind == WR_BOOL) {
        word = lua_toboolean(L, -1);
    } else if (type->kind == WR_FLOAT64) {
        double number = lua_tonumber(L, -1);
        memcpy(&word, &number, sizeof word);
    } else if (type->kind == WR_INT64) {
        word = lua_tointeger(L, -1);
    } else if (type->kind == WR_DECIMAL) {
        __int128 number;
        int fits = decimal_value_rescale(L, -1, type, &number);
        WR_ASSERT(fits);
        memcpy(room, &number, sizeof number);
        return room;
    } else {
        word = time_value_test(L, -1)->value;
    }
    memcpy(room, &word, *length);
    return room;
}

/* Why the table on top is no state: the name of a field that it has and the schema has not. */
static int check_names(lua_State *L, const struct aggregate *self) {
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        size_t length = 0;
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &length) : "?";
        if (wr_schema_find(self->state, name, (uint32_t)length) < 0) {
            lua_pushfstring(L, "the state has no field `%s`", name);
            return 0;
        }
        lua_pop(L, 1);
    }
    return 1;
}

/* The state on top as bytes. 1; or 0, with code and the detail on top. */
static int write_state(lua_State *L, const struct aggregate *self, struct wr_buf *out, int *code) {
    *code = WR_REJECT_KIND;
    if (!check_names(L, self))
        return 0;
    for (uint32_t f = 0; f < self->state->field_count; f++) {
        const struct wr_field *field = &self->state->fields[f];
        lua_pushlstring(L, field->name, field->name_length);
        lua_rawget(L, -2);
        if (!lua_cell_check(L, field, code))
            return 0;
        wr_buf_add_char(out, (char)!lua_isnil(L, -1));
        if (!lua_isnil(L, -1)) {
            char room[16];
            size_t length;
            const char *bytes = value_bytes(L, &field->type, room, &length);
            if (length > STATE_BYTES_MAX) {
                lua_pushliteral(L, "the state has more than 1 MB");
                return 0;
            }
            if (wr_type_is_text(field->type.kind))
                wr_buf_add_u32(out, (uint32_t)length);
            wr_buf_add(out, bytes, length);
        }
        lua_pop(L, 1);
    }
    if (out->status == WR_ELIMIT)
        lua_pushliteral(L, "the state has more than 1 MB");
    return out->status != WR_ELIMIT;
}

static int set_bytes(struct wr_table *table, struct wr_blob *blob, const char *bytes,
                     size_t length) {
    int status = blob->room >= length ? WR_OK : wr_blob_reserve(table, blob, (uint32_t)length);
    if (status != WR_OK)
        return status;
    if (length > 0)
        memcpy(blob->bytes, bytes, length);
    blob->length = (uint32_t)length;
    return WR_OK;
}

static int fail_state(struct wr_table *table, struct state *state, int code, const char *detail) {
    size_t length = strnlen(detail, DETAIL_BYTES_MAX);
    char text[DETAIL_BYTES_MAX + 1];
    memcpy(text, detail, length);
    text[length] = 0;
    state->code = (uint64_t)code;
    return set_bytes(table, &state->blob, text, length + 1);
}

/* ---- calls ---- */

/* What one batch of calls works on: the state whose table stands at `top`, if any. */
struct calls {
    const struct aggregate *self;
    lua_State *L;
    struct wr_table *table;
    struct state *state; /* NULL: none */
    int top;
    struct wr_buf bytes;
};

static int calls_begin(struct calls *calls, const struct wr_aggregate *aggregate,
                       struct wr_table *table) {
    const struct aggregate *self = aggregate_of(aggregate);
    *calls =
        (struct calls){.self = self, .L = lua_functions_state(self->functions), .table = table};
    wr_buf_init(&calls->bytes, &wr_budget_control, STATE_BYTES_MAX);
    if (!lua_checkstack(calls->L, (int)(self->user.param_count + 16)))
        return WR_ENOMEM;
    calls->top = lua_gettop(calls->L) + 1;
    lua_functions_begin(self->functions);
    return WR_OK;
}

/* The table goes back into its state. */
static int calls_flush(struct calls *calls) {
    lua_State *L = calls->L;
    struct state *state = calls->state;
    int code, status = WR_OK;
    if (state != NULL) {
        wr_buf_clear(&calls->bytes);
        lua_settop(L, calls->top);
        if (!write_state(L, calls->self, &calls->bytes, &code))
            status = fail_state(calls->table, state, code, lua_tostring(L, -1));
        else if (calls->bytes.status != WR_OK)
            status = calls->bytes.status;
        else
            status = set_bytes(calls->table, &state->blob, calls->bytes.bytes, calls->bytes.length);
    }
    calls->state = NULL;
    lua_settop(L, calls->top - 1);
    return status;
}

static int calls_end(struct calls *calls, int status) {
    int flushed = calls_flush(calls);
    lua_functions_leave(calls->self->functions);
    wr_buf_release(&calls->bytes);
    return status == WR_OK ? flushed : status;
}

/* Makes `state` the one at the top. */
static int calls_take(struct calls *calls, struct state *state) {
    if (calls->state == state)
        return WR_OK;
    int status = calls_flush(calls);
    push_state(calls->L, calls->self, &state->blob);
    calls->state = state;
    return status;
}

/* Calls what stands below `arguments`; the state at the top has failed when it does. */
static int calls_run(struct calls *calls, int arguments) {
    int status = lua_functions_pcall(calls->self->functions, arguments, 0), code;
    if (status == LUA_OK)
        return WR_OK;
    const char *detail;
    status = lua_functions_failed(calls->self->functions, status, &code, &detail, NULL);
    if (status == WR_OK)
        status = fail_state(calls->table, calls->state, code, detail);
    calls->state = NULL;
    lua_settop(calls->L, calls->top - 1);
    return status;
}

static void push_argument(lua_State *L, const struct wr_type *got, const struct wr_type *wanted,
                          const struct wr_column *column, uint32_t row) {
    if (got->kind == WR_INT64 && wanted->kind == WR_FLOAT64)
        lua_pushnumber(L, (double)WR_I64(column)[row]);
    else
        library_cell_push(L, got, column, row);
}

static int rows_move(const struct wr_aggregate *aggregate, struct wr_table *table,
                     uint8_t *const *rows, const struct wr_column *args, const uint32_t *sel,
                     uint32_t count, int function_ref) {
    struct calls calls;
    int status = calls_begin(&calls, aggregate, table);
    if (status != WR_OK)
        return status;
    const struct wr_user_aggregate *user = &calls.self->user;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        struct state *state = (struct state *)(void *)(rows[i] + aggregate->offset);
        int nil = 0;
        for (uint32_t a = 0; a < user->param_count; a++)
            nil |= wr_column_is_nil(&args[a], row);
        if (nil || state->code != 0)
            continue;
        status = calls_take(&calls, state);
        if (status != WR_OK)
            break;
        lua_functions_next(calls.self->functions);
        lua_rawgeti(calls.L, LUA_REGISTRYINDEX, function_ref);
        lua_pushvalue(calls.L, calls.top);
        for (uint32_t a = 0; a < user->param_count; a++)
            push_argument(calls.L, &aggregate->arg_types[a], &user->params[a], &args[a], row);
        status = calls_run(&calls, (int)user->param_count + 1);
    }
    return calls_end(&calls, status);
}

static int user_add(const struct wr_aggregate *aggregate, struct wr_table *table,
                    uint8_t *const *rows, const struct wr_column *args,
                    const struct wr_batch *batch, const uint32_t *sel, uint32_t count) {
    (void)batch;
    return rows_move(aggregate, table, rows, args, sel, count, aggregate_of(aggregate)->add_ref);
}

static int user_retract(const struct wr_aggregate *aggregate, struct wr_table *table,
                        uint8_t *const *rows, const struct wr_column *args,
                        const struct wr_batch *batch, const uint32_t *sel, uint32_t count) {
    (void)batch;
    return rows_move(aggregate, table, rows, args, sel, count,
                     aggregate_of(aggregate)->retract_ref);
}

static int user_merge(const struct wr_aggregate *aggregate, struct wr_table *table, uint8_t *into,
                      const uint8_t *from) {
    struct state *state = (struct state *)(void *)(into + aggregate->offset);
    const struct state *other = (const struct state *)(const void *)(from + aggregate->offset);
    if (state->code != 0 || (other->code == 0 && other->blob.length == 0))
        return WR_OK;
    if (other->code != 0 || state->blob.length == 0) {
        state->code = other->code;
        return set_bytes(table, &state->blob, other->blob.bytes, other->blob.length);
    }
    struct calls calls;
    int status = calls_begin(&calls, aggregate, table);
    if (status != WR_OK)
        return status;
    status = calls_take(&calls, state);
    if (status == WR_OK) {
        lua_rawgeti(calls.L, LUA_REGISTRYINDEX, calls.self->merge_ref);
        lua_pushvalue(calls.L, calls.top);
        push_state(calls.L, calls.self, &other->blob);
        status = calls_run(&calls, 2);
    }
    return calls_end(&calls, status);
}

/* The value on top as element `at` of a column. WR_OK, or WR_ENOMEM. */
static int put_result(lua_State *L, const struct wr_type *type, void *out, uint32_t at,
                      struct wr_arena *arena) {
    char room[16];
    size_t length;
    const char *bytes = value_bytes(L, type, room, &length);
    char *to = (char *)out + (size_t)at * wr_type_bytes(type->kind);
    if (!wr_type_is_text(type->kind)) {
        memcpy(to, bytes, length);
        return WR_OK;
    }
    const char *copy = length > UINT32_MAX ? NULL : wr_arena_strndup(arena, bytes, length);
    if (copy == NULL)
        return WR_ENOMEM;
    struct wr_str text = wr_str_of(copy, (uint32_t)length);
    memcpy(to, &text, sizeof text);
    return WR_OK;
}

static int user_result(const struct wr_aggregate *aggregate, uint8_t *const *rows, uint32_t count,
                       void *out, uint64_t *valid, uint16_t *fails, struct wr_arena *arena) {
    struct calls calls;
    const struct wr_type *type = &aggregate->type;
    int status = calls_begin(&calls, aggregate, NULL);
    if (status != WR_OK)
        return status;
    lua_State *L = calls.L;
    const struct wr_field field = {.name = "result", .name_length = 6, .type = *type};
    memset(out, 0, (size_t)count * wr_type_bytes(type->kind));
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        const struct state *state =
            (const struct state *)(const void *)(rows[i] + aggregate->offset);
        fails[i] = (uint16_t)state->code;
        if (state->code != 0)
            continue;
        lua_functions_next(calls.self->functions);
        lua_rawgeti(L, LUA_REGISTRYINDEX, calls.self->result_ref);
        push_state(L, calls.self, &state->blob);
        int code = 0, done = lua_functions_pcall(calls.self->functions, 1, 1);
        const char *detail;
        if (done != LUA_OK)
            status = lua_functions_failed(calls.self->functions, done, &code, &detail, NULL);
        else if (lua_cell_check(L, &field, &code))
            code = 0;
        if (code != 0)
            fails[i] = (uint16_t)code;
        else if (status == WR_OK && lua_isnil(L, -1))
            wr_bit_clear(valid, i);
        else if (status == WR_OK)
            status = put_result(L, type, out, i, arena);
        lua_settop(L, calls.top - 1);
    }
    return calls_end(&calls, status);
}

static const char *user_detail(const struct wr_aggregate *aggregate, const uint8_t *row) {
    const struct state *state = (const struct state *)(const void *)(row + aggregate->offset);
    return state->code == 0 ? NULL : state->blob.bytes;
}

/* ---- definitions ---- */

#define KERNEL(merge_fn, retract_fn) \
    { \
        .state_bytes = sizeof(struct state), .cell_count = 1, .cells = state_cells, \
        .add = user_add, .merge = merge_fn, .retract = retract_fn, .result = user_result, \
        .detail = user_detail \
    }
static const struct wr_aggregate_kernel kernels[2][2] = {
    {KERNEL(NULL, NULL), KERNEL(NULL, user_retract)},
    {KERNEL(user_merge, NULL), KERNEL(user_merge, user_retract)},
};

static int function_ref(const struct lua_functions *functions, const struct wr_value *spec,
                        const char *name) {
    return lua_functions_ref(functions, wr_value_int(wr_value_get(spec, name), "id", 0));
}

/* Functions, aggregates and functions of rows share their names; also those of the script. */
static int is_taken(const struct wr_plan *plan, const char *name) {
    uint32_t length = (uint32_t)strlen(name);
    const struct wr_scope scope = {.user_aggregates = plan->user_aggregates,
                                   .user_aggregate_count = plan->user_aggregate_count};
    for (uint32_t i = 0; i < plan->user_function_count; i++)
        if (strcmp(plan->user_functions[i].name, name) == 0)
            return 1;
    return wr_function_find(name, length) != NULL ||
           wr_window_function_find(name, length) != NULL ||
           wr_aggregate_in(&scope, name, length) != NULL;
}

int lua_aggregates_define(struct lua_functions *functions, struct wr_plan *plan,
                          const struct wr_value *spec, struct wr_error *err) {
    struct wr_arena *arena = &plan->arena;
    const char *name = wr_value_string(spec, "name", "");
    if (is_taken(plan, name)) {
        wr_error_script(err, "W105", "duplicate name `%s`", name);
        wr_error_help(err, "a function or an aggregate has it: give this one another name");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    struct aggregate *made = WR_ARENA_ZEROS(arena, struct aggregate, 1);
    const char **signatures = WR_ARENA_ZEROS(arena, const char *, 2);
    if (made == NULL || signatures == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    made->functions = functions;
    made->add_ref = function_ref(functions, spec, "add");
    made->merge_ref = function_ref(functions, spec, "merge");
    made->retract_ref = function_ref(functions, spec, "retract");
    made->result_ref = function_ref(functions, spec, "result");
    int status = wr_schema_from_value(&made->state, arena, wr_value_get(spec, "state"), err);
    if (status == WR_OK)
        status = lua_functions_types(arena, spec, "type", &made->user.params,
                                     &made->user.param_count, &made->user.result, err);
    if (status != WR_OK)
        return status;
    signatures[0] = wr_value_string(spec, "text", "");
    int merges = made->merge_ref != LUA_NOREF, retracts = made->retract_ref != LUA_NOREF;
    made->user.kernel = &kernels[merges][retracts];
    made->user.ctx = made;
    made->user.is_volatile = wr_value_bool(spec, "volatile", 0);
    made->function = (struct wr_aggregate_function){.name = name,
                                                    .doc = "",
                                                    .signatures = signatures,
                                                    .arg_min = made->user.param_count,
                                                    .arg_max = made->user.param_count,
                                                    .user = &made->user};
    status = wr_plan_defined(plan, spec, err);
    return status != WR_OK ? status : wr_plan_define_aggregate(plan, &made->function, err);
}
