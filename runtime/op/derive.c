/* derive.c: the stages that give rows other columns: derive, select, drop, rename. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/frames.h"
#include "base/banned.h"

struct derive {
    struct wr_op base;
    struct wr_eval eval;
};

static int bind_end(struct wr_bind *bind, struct project *project, int status) {
    if (status != WR_OK)
        return status;
    project_set_stream(project, bind);
    bind->config = project;
    bind->never_rejects = project->list == NULL || !wr_list_can_fail(project->list);
    bind->keeps_rows = bind->never_rejects;
    return WR_OK;
}

static int bind_list(struct wr_bind *bind, enum wr_list_kind kind, struct wr_list **list,
                     struct project **project, struct wr_error *err) {
    *project = WR_ARENA_ZEROS(bind->arena, struct project, 1);
    if (*project == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    int status = wr_list_bind(list, &bind->scope, kind, wr_value_get(bind->spec, "items"), err);
    if (status != WR_OK && err != NULL && err->arg[0] == 0)
        wr_error_at(err, "1", err->from, err->to);
    return status;
}

static int derive_bind(struct wr_bind *bind, struct wr_error *err) {
    if (wr_value_get(bind->spec, "grouped") != NULL)
        return frames_bind(bind, err);
    struct wr_list *list = NULL;
    struct project *project = NULL;
    int status = bind_list(bind, WR_LIST_DERIVE, &list, &project, err);
    if (status == WR_OK)
        status = project_bind_derive(project, bind, list, err);
    return bind_end(bind, project, status);
}

/* Exactly the items, in their order: a derive over no columns. */
static int select_bind(struct wr_bind *bind, struct wr_error *err) {
    struct wr_list *list = NULL;
    struct project *project = NULL;
    int status = bind_list(bind, WR_LIST_SELECT, &list, &project, err);
    if (status != WR_OK)
        return status;
    struct wr_schema *schema = wr_schema_new(bind->arena, list->item_count);
    project->from = WR_ARENA_ARRAY(bind->arena, int32_t, list->item_count + 1);
    if (schema == NULL || project->from == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < list->item_count; i++) {
        const struct wr_item *item = &list->items[i];
        struct wr_field *field = &schema->fields[i];
        if (item->column >= 0)
            *field = bind->inputs[0]->schema->fields[item->column];
        field->name = item->name;
        field->name_length = item->name_length;
        field->type = item->type;
        project->from[i] = item->column >= 0 ? item->column : -1 - item->output;
    }
    project->schema = schema;
    project->list = list;
    return bind_end(bind, project, WR_OK);
}

/* The column that a name of a list of names means, or W103. */
static int column_named(struct wr_bind *bind, const struct wr_value *name, uint32_t *column,
                        struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    int at = name == NULL || name->kind != WR_VALUE_STRING
                 ? -1
                 : wr_schema_find(input, name->string, name->count);
    if (at < 0) {
        wr_error_script(err, "W103", "unknown column `%s`",
                        name != NULL && name->kind == WR_VALUE_STRING ? name->string : "?");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    *column = (uint32_t)at;
    return WR_OK;
}

static int drop_bind(struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *names = wr_value_get(bind->spec, "columns");
    uint8_t *gone = WR_ARENA_ZEROS(bind->arena, uint8_t, input->field_count + 1);
    uint32_t *kept = WR_ARENA_ARRAY(bind->arena, uint32_t, input->field_count + 1);
    struct project *project = WR_ARENA_ZEROS(bind->arena, struct project, 1);
    if (gone == NULL || kept == NULL || project == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < wr_value_count(names); i++) {
        uint32_t column = 0;
        int status = column_named(bind, wr_value_at(names, i), &column, err);
        if (status != WR_OK)
            return status;
        gone[column] = 1;
    }
    uint32_t count = 0;
    for (uint32_t c = 0; c < input->field_count; c++)
        if (!gone[c])
            kept[count++] = c;
    if (count == 0)
        return wr_error_script(err, "W008", "no column would be left");
    return bind_end(bind, project, project_bind_columns(project, bind, kept, count, NULL, err));
}

static int rename_bind(struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *pairs = wr_value_get(bind->spec, "pairs");
    uint32_t count = input->field_count;
    uint32_t *columns = WR_ARENA_ARRAY(bind->arena, uint32_t, count + 1);
    const struct wr_value **names = WR_ARENA_ZEROS(bind->arena, const struct wr_value *, count + 1);
    struct project *project = WR_ARENA_ZEROS(bind->arena, struct project, 1);
    if (columns == NULL || names == NULL || project == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t c = 0; c < count; c++)
        columns[c] = c;
    for (uint32_t i = 0; i < wr_value_count(pairs); i++) {
        const struct wr_value *pair = wr_value_at(pairs, i);
        uint32_t column = 0;
        int status = column_named(bind, wr_value_get(pair, "old"), &column, err);
        if (status != WR_OK)
            return status;
        if (names[column] != NULL) {
            wr_error_script(err, "W105", "`%s` is renamed twice", input->fields[column].name);
            wr_error_at(err, "1", 0, 0);
            wr_error_help(err, "`:derive` it under the second name first");
            return WR_ESCRIPT;
        }
        names[column] = wr_value_get(pair, "new");
    }
    int status = project_bind_columns(project, bind, columns, count, names, err);
    for (uint32_t c = 0; c < count && status == WR_OK; c++) {
        const struct wr_field *field = &project->schema->fields[c];
        if (wr_schema_find(project->schema, field->name, field->name_length) != (int)c) {
            status = wr_error_script(err, "W105", "duplicate name `%s`", field->name);
            wr_error_at(err, "1", 0, 0);
        }
    }
    return bind_end(bind, project, status);
}

static void derive_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                         const uint64_t *wanted, uint64_t *columns) {
    (void)input_number;
    project_needs(config, input, wanted, columns);
}

static struct wr_value *derive_explain(const void *config, struct wr_arena *arena) {
    return wr_op_explain(arena, ((const struct project *)config)->list, NULL);
}

static int derive_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    wr_eval_init(&((struct derive *)op)->eval, op->env->state_budget);
    return WR_OK;
}

static int derive_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct wr_batch *made;
    int status = project_run(op, op->config, &((struct derive *)op)->eval, in, out, &made);
    if (status < 0 || made == NULL)
        return status;
    return out->emit(out, WR_PORT_MAIN, made);
}

static void derive_close(struct wr_op *op) {
    wr_eval_release(&((struct derive *)op)->eval);
}

#define DERIVE_TYPE(type_name, type_bind) \
    { \
        .name = (type_name), .size_bytes = sizeof(struct derive), .flags = WR_OP_ROW_BY_ROW, \
        .bind = (type_bind), .needs = derive_needs, .open = derive_open, .push = derive_push, \
        .close = derive_close, .explain = derive_explain, \
    }

const struct wr_op_type wr_op_derive = DERIVE_TYPE("derive", derive_bind);
const struct wr_op_type wr_op_select = DERIVE_TYPE("select", select_bind);
const struct wr_op_type wr_op_drop = DERIVE_TYPE("drop", drop_bind);
const struct wr_op_type wr_op_rename = DERIVE_TYPE("rename", rename_bind);
