/* changes: a changelog as rows that stay. Each change is a row with `op` behind its columns:
 * insert, update (the new row), delete (the row taken back), and with `before` update_before (the
 * old one). Where only one side of an update went through a filter it is a delete or an insert.
 * State: none. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/op.h"
#include "base/banned.h"

struct changes_config {
    struct wr_schema *schema;
    int before;
};

static int changes_bind(struct wr_bind *bind, struct wr_error *err) {
    const struct wr_stream *input = bind->inputs[0];
    struct changes_config *config = WR_ARENA_ZEROS(bind->arena, struct changes_config, 1);
    uint32_t count = input->schema->field_count;
    struct wr_schema *schema = wr_schema_new(bind->arena, count + 1);
    if (config == NULL || schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    if (wr_schema_find(input->schema, "op", 2) >= 0) {
        wr_error_script(err, "W205", "`changes` adds a column `op`, which is there already");
        wr_error_help(err, "`:rename \"… = op\"` before it");
        return WR_ESCRIPT;
    }
    memcpy(schema->fields, input->schema->fields, count * sizeof *schema->fields);
    schema->fields[count] = (struct wr_field){
        .name = "op", .name_length = 2, .type = WR_TYPE(WR_STRING), .required = 1};
    config->schema = schema;
    config->before = wr_value_bool(bind->spec, "before", 0);
    bind->out.schema = schema;
    bind->out.updates = 0;
    bind->out.key_count = 0;
    bind->config = config;
    return WR_OK;
}

static void changes_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                          const uint64_t *wanted, uint64_t *columns) {
    (void)config;
    (void)input_number;
    for (uint32_t c = 0; c < input->schema->field_count; c++)
        if (wr_bit_get(wanted, c))
            wr_bit_set(columns, c);
}

static struct wr_value *changes_explain(const void *config, struct wr_arena *arena) {
    (void)config;
    return wr_op_explain(arena, NULL, "none");
}

static int changes_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    const struct changes_config *config = op->config;
    struct wr_batch *batch = wr_batch_over(op->env->pool, config->schema, in);
    if (batch == NULL)
        return WR_ENOMEM;
    uint32_t last = config->schema->field_count - 1, count = 0;
    memcpy(batch->columns, in->columns, last * sizeof *in->columns);
    struct wr_str *ops = wr_batch_column(batch, last, in->row_count);
    uint32_t *sel = WR_ARENA_ARRAY(&batch->arena, uint32_t, in->sel_count + 1);
    if (ops == NULL || sel == NULL) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    memset(ops, 0, in->row_count * sizeof *ops);
    int updates = 0; /* the row before was the old one of this */
    for (uint32_t i = 0; i < in->sel_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        int back = in->weight != NULL && in->weight[row] < 0;
        int is_old = back && wr_batch_is_replaced(in, i);
        const char *name = is_old    ? "update_before"
                           : back    ? "delete"
                           : updates ? "update"
                                     : "insert";
        ops[row] = wr_str_of(name, (uint32_t)strlen(name));
        sel[count] = row;
        count += !is_old || config->before;
        updates = is_old;
    }
    batch->sel = sel;
    batch->sel_count = count;
    batch->weight = NULL;
    batch->changed = NULL;
    return out->emit(out, WR_PORT_MAIN, batch);
}

const struct wr_op_type wr_op_changes = {
    .name = "changes",
    .size_bytes = sizeof(struct wr_op),
    .flags = WR_OP_TAKES_UPDATES | WR_OP_OBSERVES | WR_OP_NEVER_REJECTS,
    .bind = changes_bind,
    .needs = changes_needs,
    .push = changes_push,
    .explain = changes_explain,
};
