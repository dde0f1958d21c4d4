#include "op/project.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

static void field_of_item(struct wr_field *field, const struct wr_item *item,
                          const struct wr_schema *input) {
    if (item->column >= 0) /* a column under its own or another name keeps what is declared of it */
        *field = input->fields[item->column];
    field->name = item->name;
    field->name_length = item->name_length;
    field->type = item->type;
}

static int32_t from_of_item(const struct wr_item *item) {
    return item->column >= 0 ? item->column : -1 - item->output;
}

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

int project_bind_derive(struct project *project, struct wr_bind *bind, struct wr_list *list,
                        struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    return project_bind_items(project, bind->arena, input, input->field_count, 0, list, err);
}

int project_bind_items(struct project *project, struct wr_arena *arena,
                       const struct wr_schema *input, uint32_t count, uint32_t more,
                       struct wr_list *list, struct wr_error *err) {
    uint32_t room = count + list->item_count + more;
    struct wr_schema *schema = wr_schema_new(arena, room);
    project->from = WR_ARENA_ARRAY(arena, int32_t, room + 1);
    if (schema == NULL || project->from == NULL)
        return no_memory(err);
    for (uint32_t c = 0; c < count; c++) {
        schema->fields[c] = input->fields[c];
        project->from[c] = (int32_t)c;
    }
    schema->field_count = count;
    for (uint32_t i = 0; i < list->item_count; i++) {
        const struct wr_item *item = &list->items[i];
        int at = wr_schema_find(schema, item->name, item->name_length);
        if (at < 0) {
            at = (int)count++;
            schema->field_count = count;
        } else if (item->column != at) {
            schema->fields[at] = (struct wr_field){0}; /* redefined: nothing declared is left */
        }
        field_of_item(&schema->fields[at], item, input);
        project->from[at] = from_of_item(item);
    }
    if (count > WR_COLUMNS_MAX)
        return wr_error_script(err, "W203", "more than %d columns", WR_COLUMNS_MAX);
    project->schema = schema;
    project->list = list;
    return WR_OK;
}

int project_bind_columns(struct project *project, struct wr_bind *bind, const uint32_t *columns,
                         uint32_t count, const struct wr_value *const *names,
                         struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    struct wr_schema *schema = wr_schema_new(bind->arena, count);
    project->from = WR_ARENA_ARRAY(bind->arena, int32_t, count + 1);
    if (schema == NULL || project->from == NULL)
        return no_memory(err);
    for (uint32_t c = 0; c < count; c++) {
        schema->fields[c] = input->fields[columns[c]];
        if (names != NULL && names[c] != NULL) {
            schema->fields[c].name = names[c]->string;
            schema->fields[c].name_length = names[c]->count;
        }
        project->from[c] = (int32_t)columns[c];
    }
    project->schema = schema;
    return WR_OK;
}

void project_set_stream(const struct project *project, struct wr_bind *bind) {
    const struct wr_stream *in = bind->inputs[0];
    bind->out.schema = project->schema;
    bind->out.key_count = 0;
    for (uint32_t k = 0; k < in->key_count; k++) {
        uint32_t at = 0;
        while (at < project->schema->field_count && project->from[at] != in->key[k])
            at++;
        if (at == project->schema->field_count) {
            bind->out.key_count = 0;
            return;
        }
        bind->out.key[bind->out.key_count++] = (uint16_t)at;
    }
}

void project_needs(const struct project *project, const struct wr_stream *input,
                   const uint64_t *wanted, uint64_t *columns) {
    (void)input;
    for (uint32_t c = 0; c < project->schema->field_count; c++)
        if (project->from[c] >= 0 && wr_bit_get(wanted, c))
            wr_bit_set(columns, (uint32_t)project->from[c]);
    /* All items are computed, wanted or not: a row that fails in one is a reject either way. */
    if (project->list != NULL)
        wr_list_computes_from(project->list, columns);
}

int project_run(struct wr_op *op, const struct project *project, struct wr_eval *eval,
                struct wr_batch *in, struct wr_out *out, struct wr_batch **made) {
    *made = NULL;
    struct wr_batch *batch = wr_batch_over(op->env->pool, project->schema, in);
    if (batch == NULL)
        return WR_ENOMEM;
    int status = WR_OK;
    if (project->list != NULL && project->list->program != NULL) {
        wr_op_eval_begin(op, eval);
        status = wr_list_run(project->list, eval, in, &batch->arena);
        if (status >= 0)
            status = wr_op_drop_fails(op, eval, in, batch, out);
    }
    if (status < 0 || batch->sel_count == 0) {
        wr_batch_unref(batch);
        return status;
    }
    for (uint32_t c = 0; c < project->schema->field_count; c++)
        batch->columns[c] = project->from[c] >= 0 ? in->columns[project->from[c]]
                                                  : eval->outputs[-1 - project->from[c]];
    *made = batch;
    return WR_OK;
}
