/* unpivot.c: some columns of a row become as many rows, each with the name of its column and its
 * value, nil too, behind the other columns. State: none. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/expand.h"
#include "op/project.h"
#include "base/banned.h"

struct unpivot_config {
    struct project project; /* the columns that stay */
    struct wr_schema *schema;
    uint32_t count;
    uint32_t *columns; /* of the input: those that become rows */
    struct wr_str *names;
};

static int find_columns(struct unpivot_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *names = wr_value_get(bind->spec, "columns");
    config->count = wr_value_count(names);
    config->columns = WR_ARENA_ARRAY(bind->arena, uint32_t, config->count + 1);
    config->names = WR_ARENA_ARRAY(bind->arena, struct wr_str, config->count + 1);
    if (config->columns == NULL || config->names == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < config->count; i++) {
        const struct wr_value *name = wr_value_at(names, i);
        int at = wr_schema_find(input, name->string, name->count);
        if (at < 0) {
            wr_error_script(err, "W103", "unknown column `%s`", name->string);
            wr_error_at(err, "1", 0, 0);
            return WR_ESCRIPT;
        }
        const struct wr_field *field = &input->fields[at];
        const struct wr_field *first = i == 0 ? field : &input->fields[config->columns[0]];
        if (!wr_type_equal(&field->type, &first->type)) {
            char a[128], b[128];
            wr_error_script(err, "W104", "`unpivot` cannot put %s and %s into one column",
                            wr_type_text(&first->type, a, sizeof a),
                            wr_type_text(&field->type, b, sizeof b));
            wr_error_at(err, "1", 0, 0);
            wr_error_help(err, "convert `%s` in a `derive` before", field->name);
            return WR_ESCRIPT;
        }
        config->columns[i] = (uint32_t)at;
        config->names[i] = wr_str_of(field->name, field->name_length);
    }
    return WR_OK;
}

static int keep_others(struct unpivot_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    uint32_t *kept = WR_ARENA_ARRAY(bind->arena, uint32_t, input->field_count + 1), count = 0;
    if (kept == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t c = 0; c < input->field_count; c++) {
        uint32_t i = 0;
        while (i < config->count && config->columns[i] != c)
            i++;
        kept[count] = c;
        count += i == config->count;
    }
    return project_bind_columns(&config->project, bind, kept, count, NULL, err);
}

static int unpivot_bind(struct wr_bind *bind, struct wr_error *err) {
    struct unpivot_config *config = WR_ARENA_ZEROS(bind->arena, struct unpivot_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    int status = find_columns(config, bind, err);
    if (status == WR_OK)
        status = keep_others(config, bind, err);
    if (status != WR_OK)
        return status;
    const struct wr_schema *kept = config->project.schema;
    config->schema = wr_schema_new(bind->arena, kept->field_count + 2);
    if (config->schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    memcpy(config->schema->fields, kept->fields, kept->field_count * sizeof *kept->fields);
    config->schema->field_count = kept->field_count;
    static const char *const options[2] = {"name_column", "value"};
    for (uint32_t i = 0; i < 2; i++) {
        const struct wr_value *name = wr_value_get(bind->spec, options[i]);
        if (wr_schema_find(config->schema, name->string, name->count) >= 0) {
            wr_error_script(err, "W205", "`unpivot` adds a column `%s`, which is there already",
                            name->string);
            wr_error_help(err, "call it otherwise: `%s = \"…\"`", i == 0 ? "name" : "value");
            return WR_ESCRIPT;
        }
        struct wr_type value = bind->inputs[0]->schema->fields[config->columns[0]].type;
        config->schema->fields[config->schema->field_count++] =
            (struct wr_field){.name = name->string,
                              .name_length = name->count,
                              .type = i == 0 ? WR_TYPE(WR_STRING) : value};
    }
    project_set_stream(&config->project, bind);
    bind->out.schema = config->schema;
    if (bind->out.key_count > 0 && bind->out.key_count < WR_KEY_FIELDS_MAX)
        bind->out.key[bind->out.key_count++] = (uint16_t)kept->field_count;
    bind->config = config;
    return WR_OK;
}

static void unpivot_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                          const uint64_t *wanted, uint64_t *columns) {
    (void)input_number;
    const struct unpivot_config *self = config;
    project_needs(&self->project, input, wanted, columns);
    for (uint32_t i = 0; i < self->count; i++)
        wr_bit_set(columns, self->columns[i]);
}

/* Values first … first + count - 1 of all that the rows of `in` give, one row after the other. */
static int set_values(const struct unpivot_config *config, struct wr_batch *batch,
                      const struct wr_batch *in, const uint32_t *rows, uint64_t first) {
    uint32_t count = batch->row_count, at = config->project.schema->field_count;
    struct wr_str *names = wr_batch_column(batch, at, count);
    char *values = wr_batch_column(batch, at + 1, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    uint32_t bytes = wr_type_bytes(config->schema->fields[at + 1].type.kind);
    if (names == NULL || values == NULL || valid == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t which = (uint32_t)((first + i) % config->count);
        const struct wr_column *column = &in->columns[config->columns[which]];
        names[i] = config->names[which];
        memcpy(values + (size_t)i * bytes, (const char *)column->data + (size_t)rows[i] * bytes,
               bytes);
        wr_bit_put(valid, i, !wr_column_is_nil(column, rows[i]));
    }
    batch->columns[at + 1].valid = valid;
    return WR_OK;
}

static int unpivot_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    const struct unpivot_config *config = op->config;
    struct wr_batch *view = wr_batch_over(op->env->pool, config->project.schema, in);
    uint32_t *rows = WR_ARENA_ARRAY(op->env->scratch, uint32_t, op->env->batch_rows);
    int flow = view == NULL || rows == NULL ? WR_ENOMEM : WR_FLOW_MORE;
    uint64_t total = (uint64_t)in->sel_count * config->count;
    for (uint32_t c = 0; flow == WR_FLOW_MORE && c < view->schema->field_count; c++)
        view->columns[c] = in->columns[config->project.from[c]];
    for (uint64_t first = 0; first < total && flow == WR_FLOW_MORE;) {
        uint32_t count = (uint32_t)WR_MIN((uint64_t)op->env->batch_rows, total - first);
        for (uint32_t i = 0; i < count; i++)
            rows[i] = wr_batch_row(in, (uint32_t)((first + i) / config->count));
        struct wr_batch *batch = expand_rows(op, config->schema, view, in, rows, count);
        flow = batch == NULL ? WR_ENOMEM : set_values(config, batch, in, rows, first);
        if (flow == WR_OK)
            flow = out->emit(out, WR_PORT_MAIN, batch);
        else
            wr_batch_unref(batch);
        first += count;
    }
    wr_batch_unref(view);
    return flow;
}

const struct wr_op_type wr_op_unpivot = {
    .name = "unpivot",
    .size_bytes = sizeof(struct wr_op),
    .flags = WR_OP_ROW_BY_ROW | WR_OP_NEVER_REJECTS,
    .bind = unpivot_bind,
    .needs = unpivot_needs,
    .push = unpivot_push,
};
