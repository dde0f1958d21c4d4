/* lookup_bind.c: `lookup` at plan time: keys of both sides, columns of the result. */
#include "op/lookup.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/equi.h"
#include "base/banned.h"

/* A right column that is only the key under the left one's name says nothing new. */
static int bind_keys(struct wr_bind *bind, struct lookup_config *config, struct wr_error *err) {
    struct equi equi;
    int status = equi_bind(&equi, bind, "lookup", err);
    if (status != WR_OK)
        return status;
    config->left_keys = equi.keys[0];
    config->right_keys = equi.keys[1];
    config->layout = equi.layout;
    config->is_twin = WR_ARENA_ZEROS(bind->arena, uint8_t, config->right->field_count + 1);
    if (config->is_twin == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t c = 0; c < config->right->field_count; c++)
        config->is_twin[c] = equi.twins[c] >= 0;
    return WR_OK;
}

static int bind_result(struct wr_bind *bind, struct lookup_config *config, struct wr_error *err) {
    const struct wr_schema *left = bind->inputs[0]->schema, *right = bind->inputs[1]->schema;
    struct wr_schema *schema = wr_schema_new(bind->arena, left->field_count + right->field_count);
    config->right_of = WR_ARENA_ARRAY(bind->arena, int32_t, right->field_count + 1);
    if (schema == NULL || config->right_of == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    memcpy(schema->fields, left->fields, left->field_count * sizeof *left->fields);
    schema->field_count = left->field_count;
    for (uint32_t c = 0; c < right->field_count && config->how <= HOW_INNER; c++) {
        if (config->is_twin[c])
            continue;
        int status = equi_add_right(bind, schema, c, err);
        if (status != WR_OK)
            return status;
        config->right_of[config->right_count++] = (int32_t)c;
    }
    config->result = bind->out.schema = schema;
    return WR_OK;
}

int lookup_bind(struct wr_bind *bind, struct wr_error *err) {
    static const char *const hows[] = {"left", "inner", "semi", "anti"};
    struct lookup_config *config = WR_ARENA_ZEROS(bind->arena, struct lookup_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    const char *how = wr_value_string(bind->spec, "how", "left");
    size_t at = 0;
    while (at < WR_COUNT(hows) && strcmp(hows[at], how) != 0)
        at++;
    if (at == WR_COUNT(hows)) {
        wr_error_script(err, "W203", "option `how` must be left, inner, semi or anti, got `%s`",
                        how);
        wr_error_at(err, "how", 0, 0);
        return WR_ESCRIPT;
    }
    if (bind->asked != NULL && bind->inputs[0]->updates) {
        wr_error_script(err, "W305", "`lookup` into a database does not take updates");
        wr_error_help(err, "what it answers may have changed when a row is taken back: "
                           "`weir.read(…)` of it is read whole");
        return WR_ESCRIPT;
    }
    if (bind->input_count != 2 || !bind->inputs[1]->bounded || bind->inputs[1]->updates) {
        wr_error_script(err, "W210", "`lookup` takes a bounded stream in this version");
        if (bind->input_count == 2 && bind->inputs[1]->updates)
            wr_error_help(err, "this one corrects its rows: `:join` takes it, with `how = "
                               "\"left\"` as here");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    config->reload_us = wr_value_int(bind->spec, "reload", 0);
    if (config->reload_us > 0 && !bind->inputs[1]->row_by_row) {
        wr_error_script(err, "W203",
                        "only a source with stages that work row by row is read again");
        wr_error_help(err, "as `weir.read(…):filter(…):derive(…)`, without `agg`, joins or `sort`");
        wr_error_at(err, "reload", 0, 0);
        return WR_ESCRIPT;
    }
    bind->out.repeatable &= config->reload_us == 0;
    config->how = (enum how)at;
    config->many = wr_value_bool(bind->spec, "many", 0);
    config->right = bind->inputs[1]->schema;
    int status = bind_keys(bind, config, err);
    if (status == WR_OK)
        status = bind_result(bind, config, err);
    if (status != WR_OK)
        return status;
    uint32_t known = bind->asked != NULL ? (uint32_t)sizeof(struct table_key)
                                         : (uint32_t)offsetof(struct table_key, asked_us);
    config->shape = (struct wr_shape){.key_bytes = config->layout.key_bytes,
                                      .row_bytes = config->layout.key_bytes + known,
                                      .cell_count = config->layout.cell_count,
                                      .cells = config->layout.cells};
    if (config->many && config->how <= HOW_INNER)
        bind->out.key_count = 0;
    if (bind->asked != NULL)
        status = lookup_asked_bind(bind, config, err);
    bind->config = config;
    return status;
}

void lookup_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                  const uint64_t *wanted, uint64_t *columns) {
    const struct lookup_config *self = config;
    uint32_t left = self->result->field_count - self->right_count;
    if (input_number == 0) {
        for (uint32_t c = 0; c < input->schema->field_count; c++)
            if (wr_bit_get(wanted, c))
                wr_bit_set(columns, c);
        wr_list_reads(self->left_keys, columns);
        return;
    }
    for (uint32_t i = 0; i < self->right_count; i++)
        if (wr_bit_get(wanted, left + i))
            wr_bit_set(columns, (uint32_t)self->right_of[i]);
    wr_list_reads(self->right_keys, columns);
}
