/* union.c: the rows of several streams under the columns of the first, by name. Which row comes
 * first is decided by the gate before it (exec), not here. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/op.h"
#include "base/banned.h"

struct union_config {
    const struct wr_schema *schema;
    int has_time;
    uint32_t *from[WR_INPUTS_MAX]; /* by input, then output column: the input's column */
};

struct union_op {
    struct wr_op base;
};

static int match_input(struct wr_bind *bind, struct union_config *config, uint32_t input,
                       struct wr_error *err) {
    const struct wr_schema *first = bind->inputs[0]->schema;
    const struct wr_schema *other = bind->inputs[input]->schema;
    config->from[input] = WR_ARENA_ARRAY(bind->arena, uint32_t, first->field_count + 1);
    if (config->from[input] == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t c = 0; c < first->field_count; c++) {
        const struct wr_field *field = &first->fields[c];
        int at = wr_schema_find(other, field->name, field->name_length);
        if (at < 0) {
            wr_error_script(err, "W204", "union: `%s` is missing in stream %u", field->name,
                            input + 1);
            wr_error_help(err, "`:derive` it there, or `:select` it away here");
            return WR_ESCRIPT;
        }
        if (!wr_type_equal(&field->type, &other->fields[at].type)) {
            char type[64];
            wr_error_script(err, "W204", "union: `%s` has type %s in stream %u", field->name,
                            wr_type_text(&other->fields[at].type, type, sizeof type), input + 1);
            wr_error_help(err, "make it %s there", wr_type_text(&field->type, type, sizeof type));
            return WR_ESCRIPT;
        }
        config->from[input][c] = (uint32_t)at;
    }
    for (uint32_t c = 0; c < other->field_count; c++) {
        const struct wr_field *field = &other->fields[c];
        if (wr_schema_find(first, field->name, field->name_length) >= 0)
            continue;
        wr_error_script(err, "W204", "union: `%s` of stream %u is missing in stream 1", field->name,
                        input + 1);
        wr_error_help(err, "`:derive` it in the first stream, or `:drop` it there");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int union_bind(struct wr_bind *bind, struct wr_error *err) {
    struct union_config *config = WR_ARENA_ZEROS(bind->arena, struct union_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    config->schema = bind->inputs[0]->schema;
    for (uint32_t i = 0; i < bind->input_count; i++) {
        const struct wr_stream *in = bind->inputs[i];
        int status = match_input(bind, config, i, err);
        if (status != WR_OK)
            return status;
        bind->out.has_time &= in->has_time;
        for (uint32_t c = 0; c < config->schema->field_count; c++)
            if (config->schema->fields[c].ends_window &&
                !in->schema->fields[config->from[i][c]].ends_window)
                bind->out.corrects_us = WR_TIME_MAX;
        bind->out.bounded &= in->bounded;
        bind->out.updates |= in->updates;
        bind->out.corrects_us = WR_MAX(bind->out.corrects_us, in->corrects_us);
        bind->out.repeatable &= in->repeatable;
        bind->out.max_delay_us = WR_MAX(bind->out.max_delay_us, in->max_delay_us);
    }
    bind->out.key_count = 0;
    bind->out.order = bind->out.has_time ? WR_ORDER_TIME : WR_ORDER_SOURCE;
    config->has_time = bind->out.has_time;
    bind->config = config;
    return WR_OK;
}

static void union_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                        const uint64_t *wanted, uint64_t *columns) {
    (void)input;
    const struct union_config *self = config;
    for (uint32_t c = 0; c < self->schema->field_count; c++)
        if (wr_bit_get(wanted, c))
            wr_bit_set(columns, self->from[input_number][c]);
}

static int union_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    const struct union_config *config = op->config;
    struct wr_batch *batch = wr_batch_view(op->env->pool, config->schema, in);
    if (batch == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < config->schema->field_count; c++)
        batch->columns[c] = in->columns[config->from[input][c]];
    if (!config->has_time)
        batch->event_time = batch->behind = NULL;
    return out->emit(out, WR_PORT_MAIN, batch);
}

const struct wr_op_type wr_op_union = {
    .name = "union",
    .size_bytes = sizeof(struct union_op),
    .flags = WR_OP_MULTI_INPUT | WR_OP_NEVER_REJECTS | WR_OP_TAKES_UPDATES,
    .bind = union_bind,
    .needs = union_needs,
    .push = union_push,
};
