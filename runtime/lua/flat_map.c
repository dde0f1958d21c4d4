/* flat_map.c: `flat_map("schema", function(e, emit) … end)`: any number of rows for each row, made
 * by Lua. What a call emits is kept until it has returned, so a call that fails gives no rows and
 * one reject. The rows of a record keep its position, event time and frontier. */
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "conn/builder.h"
#include "lua/functions.h"
#include "lua/functions_private.h"
#include "op/op.h"
#include "base/banned.h"

#define EMITTED_MAX 1000000 /* rows of one call */

struct flat_map_config {
    const struct wr_schema *schema;
    uint32_t callee;
    uint32_t column_count; /* that the function reads */
    const uint32_t *columns;
    const struct wr_type *types;
};

struct flat_map {
    struct wr_op base;
};

static int flat_map_bind(struct wr_bind *bind, struct wr_error *err) {
    struct flat_map_config *config = WR_ARENA_ZEROS(bind->arena, struct flat_map_config, 1);
    const struct wr_schema *input = bind->inputs[0]->schema;
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    int status =
        wr_schema_from_value(&config->schema, bind->arena, wr_value_get(bind->spec, "schema"), err);
    if (status != WR_OK)
        return status;
    const struct wr_value *reads = wr_value_get(wr_value_get(bind->spec, "fn"), "reads");
    status = lua_functions_columns(bind->arena, input, reads, &config->columns,
                                   &config->column_count, err);
    if (status != WR_OK)
        return status;
    struct wr_type *types = WR_ARENA_ZEROS(bind->arena, struct wr_type, config->column_count + 1);
    if (types == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < config->column_count; i++)
        types[i] = input->fields[config->columns[i]].type;
    config->types = types;
    config->callee = (uint32_t)wr_value_int(bind->spec, "callee", 0);
    bind->out.schema = config->schema;
    bind->out.key_count = 0;
    bind->out.repeatable &= !wr_value_bool(wr_value_get(bind->spec, "fn"), "volatile", 0);
    bind->config = config;
    return WR_OK;
}

static void flat_map_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                           const uint64_t *wanted, uint64_t *columns) {
    (void)input;
    (void)input_number;
    (void)wanted;
    const struct flat_map_config *self = config;
    for (uint32_t i = 0; i < self->column_count; i++)
        wr_bit_set(columns, self->columns[i]);
}

/* emit(v1, …): keeps the values in the table that is its upvalue. */
static int l_emit(lua_State *L) {
    int count = lua_gettop(L);
    lua_Integer rows = (lua_Integer)lua_rawlen(L, lua_upvalueindex(1));
    if (rows >= EMITTED_MAX)
        return luaL_error(L, "more than %d rows from one call", EMITTED_MAX);
    lua_createtable(L, count, 1);
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    lua_pushinteger(L, count);
    lua_setfield(L, -2, "n");
    lua_rawseti(L, lua_upvalueindex(1), rows + 1);
    return 0;
}

/* The batch that is being filled, and where its rows come from. */
struct filling {
    struct flat_map *self;
    struct wr_batch *in;
    struct wr_out *out;
    struct wr_builder builder;
    uint32_t row_max;
    uint32_t *from; /* by row: the physical row of `in` */
};

static int begin(struct filling *filling) {
    const struct flat_map_config *config = filling->self->base.config;
    int status = wr_builder_init(&filling->builder, filling->self->base.env->pool, config->schema,
                                 NULL, filling->row_max);
    if (status != WR_OK)
        return status;
    filling->from = WR_ARENA_ARRAY(&filling->builder.batch->arena, uint32_t, filling->row_max);
    return filling->from == NULL ? WR_ENOMEM : WR_OK;
}

static int finish(struct filling *filling) {
    struct wr_batch *batch = wr_builder_finish(&filling->builder);
    if (batch == NULL)
        return WR_FLOW_MORE;
    batch->sel = NULL;
    batch->sel_count = batch->row_count;
    if (wr_batch_carry(batch, filling->in, filling->from) != WR_OK) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    return filling->out->emit(filling->out, WR_PORT_MAIN, batch);
}

static int reject(struct filling *filling, uint32_t row, int code, const char *detail) {
    struct wr_reject rejected = {.code = code,
                                 .detail = detail,
                                 .stage = filling->self->base.node,
                                 .row = row,
                                 .batch = filling->in};
    return filling->out->reject(filling->out, &rejected);
}

/* The values of emitted rows are of their types, or the record is a reject: its code, and its
 * detail on top. The table is on top; nested values become their text in it. */
static int check_rows(lua_State *L, const struct wr_schema *schema) {
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    int code;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        for (uint32_t c = 0; c < schema->field_count; c++) {
            lua_rawgeti(L, -1, (lua_Integer)c + 1);
            if (!lua_cell_check(L, &schema->fields[c], &code))
                return code;
            lua_rawseti(L, -2, (lua_Integer)c + 1);
        }
        lua_pop(L, 1);
    }
    return 0;
}

static int take_rows(lua_State *L, struct filling *filling, uint32_t row) {
    const struct flat_map_config *config = filling->self->base.config;
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    int flow = WR_FLOW_MORE, code = check_rows(L, config->schema);
    if (code != 0)
        return reject(filling, row, code, lua_tostring(L, -1));
    for (lua_Integer i = 1; i <= count && flow == WR_FLOW_MORE; i++) {
        lua_rawgeti(L, -1, i);
        for (uint32_t c = 0; c < config->schema->field_count && flow == WR_FLOW_MORE; c++) {
            lua_rawgeti(L, -1, (lua_Integer)c + 1);
            flow = lua_cell_put(L, &filling->builder, c);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
        filling->from[filling->builder.row] = row;
        wr_builder_next(&filling->builder, 0);
        if (filling->builder.row == filling->row_max && flow == WR_FLOW_MORE) {
            flow = finish(filling);
            if (flow == WR_FLOW_MORE)
                flow = begin(filling);
        }
    }
    return flow;
}

static int call_row(lua_State *L, struct filling *filling, const struct wr_call *call,
                    uint32_t row) {
    const struct flat_map_config *config = filling->self->base.config;
    struct lua_functions *functions = filling->self->base.env->user_ctx;
    lua_newtable(L); /* what it emits */
    int emitted = lua_gettop(L);
    lua_functions_push(functions, config->callee, call, row);
    lua_pushvalue(L, emitted);
    lua_pushcclosure(L, l_emit, 1);
    int status = lua_functions_pcall(functions, 2, 0), code;
    if (status != LUA_OK) {
        const char *detail;
        status = lua_functions_failed(functions, status, &code, &detail, NULL);
        return status == WR_OK ? reject(filling, row, code, detail) : status;
    }
    lua_settop(L, emitted);
    return take_rows(L, filling, row);
}

static int flat_map_push(struct wr_op *op, uint32_t input, struct wr_batch *in,
                         struct wr_out *out) {
    (void)input;
    struct filling filling = {
        .self = (struct flat_map *)op, .in = in, .out = out, .row_max = op->env->batch_rows};
    const struct flat_map_config *config = op->config;
    struct lua_functions *functions = op->env->user_ctx;
    lua_State *L = lua_functions_state(functions);
    struct wr_column columns[WR_COLUMNS_MAX];
    for (uint32_t i = 0; i < config->column_count; i++)
        columns[i] = in->columns[config->columns[i]];
    static const uint8_t no_constants[WR_COLUMNS_MAX];
    struct wr_call call = {.batch = in,
                           .arg_count = config->column_count,
                           .args = columns,
                           .arg_types = config->types,
                           .arg_constant = no_constants};
    if (!lua_checkstack(L, 64))
        return WR_ENOMEM;
    int top = lua_gettop(L), flow = begin(&filling);
    lua_functions_begin(functions);
    for (uint32_t i = 0; i < in->sel_count && flow == WR_FLOW_MORE; i++) {
        flow = call_row(L, &filling, &call, wr_batch_row(in, i));
        lua_settop(L, top);
    }
    lua_functions_end(functions, config->callee);
    if (flow != WR_FLOW_MORE) {
        wr_batch_unref(filling.builder.batch);
        return flow;
    }
    return finish(&filling);
}

const struct wr_op_type wr_op_flat_map = {
    .name = "flat_map",
    .size_bytes = sizeof(struct flat_map),
    .flags = WR_OP_ROW_BY_ROW | WR_OP_OBSERVES | WR_OP_REPEATS,
    .bind = flat_map_bind,
    .needs = flat_map_needs,
    .push = flat_map_push,
};
