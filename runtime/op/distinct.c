/* distinct.c: the given columns only, each combination once: the row that brings it first goes
 * through at once, so the result is append-only. State: the combinations seen. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/project.h"
#include "state/key.h"
#include "base/banned.h"

struct distinct_config {
    struct project project;
    struct wr_key_layout layout;
    struct wr_shape shape;
};

struct distinct {
    struct wr_op base;
    struct wr_table *table;
};

static int distinct_columns(struct wr_bind *bind, uint32_t *columns, uint32_t *count,
                            struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *names = wr_value_get(bind->spec, "columns");
    *count = names == NULL ? input->field_count : wr_value_count(names);
    for (uint32_t i = 0; i < *count && i < WR_KEY_COLUMNS_MAX; i++) {
        int at = (int)i;
        if (names != NULL) {
            const struct wr_value *name = wr_value_at(names, i);
            int is_text = name->kind == WR_VALUE_STRING;
            at = is_text ? wr_schema_find(input, name->string, name->count) : -1;
            if (at < 0) {
                wr_error_script(err, "W103", "unknown column `%s`", is_text ? name->string : "?");
                wr_error_at(err, "1", 0, 0);
                return WR_ESCRIPT;
            }
        }
        columns[i] = (uint32_t)at;
    }
    if (*count > WR_KEY_COLUMNS_MAX)
        return wr_error_script(err, "W203", "`distinct` takes at most %d columns",
                               WR_KEY_COLUMNS_MAX);
    return WR_OK;
}

static int distinct_bind(struct wr_bind *bind, struct wr_error *err) {
    struct distinct_config *config = WR_ARENA_ZEROS(bind->arena, struct distinct_config, 1);
    uint32_t columns[WR_KEY_COLUMNS_MAX], count = 0;
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    if (!bind->inputs[0]->bounded) {
        wr_error_script(err, "W304", "state grows without bound: `distinct` keeps every key");
        wr_error_help(err, "`:window(…):group_by \"…\":agg \"n = count()\"` forgets them");
        return WR_ESCRIPT;
    }
    int status = distinct_columns(bind, columns, &count, err);
    if (status == WR_OK)
        status = project_bind_columns(&config->project, bind, columns, count, NULL, err);
    if (status != WR_OK)
        return status;
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < count; i++)
        types[i] = config->project.schema->fields[i].type;
    status = wr_key_layout_init(&config->layout, types, count, 1);
    if (status != WR_OK)
        return wr_error_set(err, status, "the columns are no key");
    config->shape = (struct wr_shape){.key_bytes = config->layout.key_bytes,
                                      .row_bytes = config->layout.key_bytes,
                                      .cell_count = config->layout.cell_count,
                                      .cells = config->layout.cells};
    bind->out.schema = config->project.schema;
    bind->out.key_count = 0;
    for (uint32_t i = 0; i < count; i++)
        bind->out.key[bind->out.key_count++] = (uint16_t)i;
    bind->config = config;
    return WR_OK;
}

static void distinct_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                           const uint64_t *wanted, uint64_t *columns) {
    (void)input;
    (void)input_number;
    (void)wanted;
    const struct project *project = &((const struct distinct_config *)config)->project;
    for (uint32_t c = 0; c < project->schema->field_count; c++)
        wr_bit_set(columns, (uint32_t)project->from[c]);
}

static struct wr_value *distinct_explain(const void *config, struct wr_arena *arena) {
    (void)config;
    return wr_op_explain(arena, NULL, "every combination seen");
}

static int distinct_open(struct wr_op *op, struct wr_error *err) {
    struct distinct *self = (struct distinct *)op;
    const struct distinct_config *config = op->config;
    self->table = wr_table_new(op->env->state_budget, &config->shape, op->env->seed);
    return self->table == NULL ? wr_error_set(err, WR_ENOMEM, "no memory for keys") : WR_OK;
}

static int build_keys(struct wr_op *op, const struct wr_batch *in, char **keys, uint64_t *hashes) {
    const struct distinct_config *config = op->config;
    *keys = wr_arena_alloc(op->env->scratch, (size_t)in->sel_count * config->layout.key_bytes + 1);
    if (*keys == NULL)
        return WR_ENOMEM;
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    for (uint32_t c = 0; c < config->project.schema->field_count; c++)
        columns[c] = in->columns[config->project.from[c]];
    wr_keys_build(&config->layout, columns, in->sel, in->sel_count, op->env->seed, *keys, hashes);
    return WR_OK;
}

static int distinct_route(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes) {
    char *keys;
    return build_keys(op, in, &keys, hashes);
}

static int distinct_push(struct wr_op *op, uint32_t input, struct wr_batch *in,
                         struct wr_out *out) {
    (void)input;
    struct distinct *self = (struct distinct *)op;
    const struct distinct_config *config = op->config;
    struct wr_arena *scratch = op->env->scratch;
    uint32_t count = in->sel_count;
    char *keys;
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    uint8_t *made = WR_ARENA_ZEROS(scratch, uint8_t, count);
    if (hashes == NULL || rows == NULL || made == NULL || build_keys(op, in, &keys, hashes) < 0)
        return WR_ENOMEM;
    int status = wr_table_upsert(self->table, keys, hashes, count, rows, made);
    if (status != WR_OK)
        return status;
    struct wr_batch *batch = wr_batch_over(op->env->pool, config->project.schema, in);
    uint32_t *sel = batch == NULL ? NULL : WR_ARENA_ARRAY(&batch->arena, uint32_t, count);
    if (sel == NULL) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    batch->sel_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (made[i])
            sel[batch->sel_count++] = wr_batch_row(in, i);
    batch->sel = sel;
    for (uint32_t c = 0; c < config->project.schema->field_count; c++)
        batch->columns[c] = in->columns[config->project.from[c]];
    if (batch->sel_count == 0) {
        wr_batch_unref(batch);
        return WR_FLOW_MORE;
    }
    return out->emit(out, WR_PORT_MAIN, batch);
}

static int distinct_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct wr_table *table = ((struct distinct *)op)->table;
    if (!all && !wr_table_has_changed(table))
        return WR_OK;
    return wr_table_save(table, out, all, op->env->piece_bytes);
}

static int distinct_load(struct wr_op *op, struct wr_reader *in) {
    return wr_table_load(((struct distinct *)op)->table, in);
}

static void distinct_close(struct wr_op *op) {
    wr_table_free(((struct distinct *)op)->table);
}

const struct wr_op_type wr_op_distinct = {
    .name = "distinct",
    .size_bytes = sizeof(struct distinct),
    .flags = WR_OP_KEYED,
    .bind = distinct_bind,
    .needs = distinct_needs,
    .open = distinct_open,
    .push = distinct_push,
    .route = distinct_route,
    .save = distinct_save,
    .load = distinct_load,
    .close = distinct_close,
    .explain = distinct_explain,
};
