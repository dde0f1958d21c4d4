/* unnest.c: a row for each element of a list (or of a json array), in its order; with the other
 * columns, and if wanted the element's place from 1. A row whose list is nil or empty gives none,
 * or with `keep_empty` one without an element. An element is computed as `list[place]` would be.
 * State: none. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/json_members.h"
#include "op/expand.h"
#include "base/banned.h"

/* Names that no script can write. */
#define LIST_NAME "\1list"
#define PLACE_NAME "\1place"

struct unnest_config {
    struct wr_list *list;     /* one item: what is taken apart */
    struct wr_list *element;  /* over the middle: the element at the place */
    struct wr_schema *wide;   /* the input's columns, then the list */
    struct wr_schema *middle; /* those, then the place */
    int32_t *from;            /* by output column: of the middle; -1: the element */
    const struct wr_schema *schema;
    uint32_t input_count;
    int keep_empty;
};

struct unnest {
    struct wr_op base;
    struct wr_eval list_eval, element_eval;
};

static void set_field(struct wr_field *field, const char *name, uint32_t length,
                      struct wr_type type) {
    *field = (struct wr_field){.name = name, .name_length = length, .type = type};
}

/* A copy of `from` with room for `more` columns. */
static struct wr_schema *wider(struct wr_bind *bind, const struct wr_schema *from, uint32_t more) {
    struct wr_schema *schema = wr_schema_new(bind->arena, from->field_count + more);
    if (schema == NULL)
        return NULL;
    memcpy(schema->fields, from->fields, from->field_count * sizeof *from->fields);
    schema->field_count = from->field_count;
    return schema;
}

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

static int bind_lists(struct unnest_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    int status = wr_list_bind(&config->list, &bind->scope, WR_LIST_SELECT,
                              wr_value_get(bind->spec, "items"), err);
    if (status != WR_OK) {
        wr_error_at(err, "1", err == NULL ? 0 : err->from, err == NULL ? 0 : err->to);
        return status;
    }
    const struct wr_item *item = &config->list->items[0];
    if (item->type.kind != WR_LIST && item->type.kind != WR_JSON) {
        char text[128];
        wr_error_script(err, "W104", "`unnest` cannot take %s",
                        wr_type_text(&item->type, text, sizeof text));
        wr_error_at(err, "1", item->from, item->to);
        wr_error_help(err, "it takes a list, as `split(tags, ',')` gives, or a json array");
        return WR_ESCRIPT;
    }
    config->wide = wider(bind, input, 1);
    if (config->wide == NULL)
        return no_memory(err);
    set_field(&config->wide->fields[config->wide->field_count++], LIST_NAME, sizeof LIST_NAME - 1,
              item->type);
    config->middle = wider(bind, config->wide, 1);
    if (config->middle == NULL)
        return no_memory(err);
    set_field(&config->middle->fields[config->middle->field_count++], PLACE_NAME,
              sizeof PLACE_NAME - 1, WR_TYPE(WR_INT64));
    struct wr_scope scope = bind->scope;
    scope.input = config->middle;
    return wr_list_bind(&config->element, &scope, WR_LIST_SELECT,
                        wr_value_get(bind->spec, "element"), err);
}

static int make_output(struct unnest_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *index = wr_value_get(bind->spec, "index");
    const struct wr_item *item = &config->list->items[0];
    struct wr_schema *schema = wider(bind, input, 2);
    config->from = WR_ARENA_ARRAY(bind->arena, int32_t, input->field_count + 3);
    if (schema == NULL || config->from == NULL)
        return no_memory(err);
    for (uint32_t c = 0; c < input->field_count; c++)
        config->from[c] = (int32_t)c;
    int at = wr_schema_find(schema, item->name, item->name_length);
    if (at < 0)
        at = (int)schema->field_count++;
    set_field(&schema->fields[at], item->name, item->name_length, config->element->items[0].type);
    config->from[at] = -1;
    struct wr_stream *out = &bind->out;
    for (uint32_t k = 0; k < out->key_count; k++)
        if (out->key[k] == at || index == NULL)
            out->key_count = 0;
    if (index != NULL) {
        if (wr_schema_find(schema, index->string, index->count) >= 0) {
            wr_error_script(err, "W205", "`unnest` adds a column `%s`, which is there already",
                            index->string);
            wr_error_at(err, "index", 0, 0);
            return WR_ESCRIPT;
        }
        if (out->key_count > 0 && out->key_count < WR_KEY_FIELDS_MAX)
            out->key[out->key_count++] = (uint16_t)schema->field_count;
        config->from[schema->field_count] = (int32_t)config->middle->field_count - 1;
        set_field(&schema->fields[schema->field_count++], index->string, index->count,
                  WR_TYPE(WR_INT64));
    }
    config->schema = out->schema = schema;
    return WR_OK;
}

static int unnest_bind(struct wr_bind *bind, struct wr_error *err) {
    struct unnest_config *config = WR_ARENA_ZEROS(bind->arena, struct unnest_config, 1);
    if (config == NULL)
        return no_memory(err);
    config->input_count = bind->inputs[0]->schema->field_count;
    config->keep_empty = wr_value_bool(bind->spec, "keep_empty", 0);
    int status = bind_lists(config, bind, err);
    if (status == WR_OK)
        status = make_output(config, bind, err);
    bind->config = config;
    return status;
}

static void unnest_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                         const uint64_t *wanted, uint64_t *columns) {
    (void)input;
    (void)input_number;
    const struct unnest_config *self = config;
    for (uint32_t c = 0; c < self->schema->field_count; c++)
        if (self->from[c] >= 0 && (uint32_t)self->from[c] < self->input_count &&
            wr_bit_get(wanted, c))
            wr_bit_set(columns, (uint32_t)self->from[c]);
    wr_list_reads(self->list, columns);
}

static struct wr_value *unnest_explain(const void *config, struct wr_arena *arena) {
    return wr_op_explain(arena, ((const struct unnest_config *)config)->list, NULL);
}

static int unnest_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    struct unnest *self = (struct unnest *)op;
    wr_eval_init(&self->list_eval, op->env->state_budget);
    wr_eval_init(&self->element_eval, op->env->state_budget);
    return WR_OK;
}

static void unnest_close(struct wr_op *op) {
    wr_eval_release(&((struct unnest *)op)->list_eval);
    wr_eval_release(&((struct unnest *)op)->element_eval);
}

/* Rows that are being made. */
struct unnesting {
    struct unnest *self;
    struct wr_batch *in, *view;
    struct wr_out *out;
    uint32_t count, room;
    uint32_t *rows;
    int64_t *places; /* 0: there is no element */
};

static int emit_made(struct unnesting *u) {
    const struct unnest_config *config = u->self->base.config;
    struct wr_op *op = &u->self->base;
    uint32_t count = u->count;
    if (count == 0)
        return WR_FLOW_MORE;
    u->count = 0;
    struct wr_batch *middle = expand_rows(op, config->middle, u->view, u->in, u->rows, count);
    if (middle == NULL)
        return WR_ENOMEM;
    uint32_t last = config->middle->field_count - 1;
    int64_t *places = wr_batch_column(middle, last, count);
    uint64_t *valid = WR_ARENA_ZEROS(&middle->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    struct wr_batch *batch = wr_batch_over(op->env->pool, op->schema, middle);
    int status = places == NULL || valid == NULL || batch == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        places[i] = u->places[i];
        wr_bit_put(valid, i, places[i] > 0);
    }
    if (status == WR_OK) {
        middle->columns[last].valid = valid;
        wr_op_eval_begin(op, &u->self->element_eval);
        status = wr_list_run(config->element, &u->self->element_eval, middle, &batch->arena);
    }
    if (status >= 0)
        status = wr_op_drop_fails(op, &u->self->element_eval, middle, batch, u->out);
    for (uint32_t c = 0; status >= 0 && c < op->schema->field_count; c++)
        batch->columns[c] = config->from[c] >= 0 ? middle->columns[config->from[c]]
                                                 : u->self->element_eval.outputs[0];
    wr_batch_unref(middle);
    if (status >= 0 && batch->sel_count > 0)
        return u->out->emit(u->out, WR_PORT_MAIN, batch);
    wr_batch_unref(batch);
    return status;
}

static int add(struct unnesting *u, uint32_t row, int64_t place) {
    u->rows[u->count] = row;
    u->places[u->count++] = place;
    return u->count == u->room ? emit_made(u) : WR_FLOW_MORE;
}

static int reject_kind(struct unnesting *u, uint32_t row) {
    struct wr_reject reject = {.code = WR_REJECT_KIND,
                               .detail = "no array where `unnest` takes one apart",
                               .stage = u->self->base.node,
                               .row = row,
                               .batch = u->in};
    return u->out->reject(u->out, &reject);
}

static int take_row(struct unnesting *u, uint32_t row) {
    const struct unnest_config *config = u->self->base.config;
    const struct wr_column *lists = &u->view->columns[config->input_count];
    struct wr_json value = {0}, key = {0};
    struct wr_json_walk walk;
    int64_t place = 0;
    int flow = WR_FLOW_MORE;
    if (!wr_column_is_nil(lists, row)) {
        const struct wr_str *text = &WR_STR(lists)[row];
        if (!wr_json_value_of(&value, wr_str_bytes(text), text->length))
            return reject_kind(u, row);
        int is_null = wr_json_kind(&value) == WR_JSON_NULL;
        if (!is_null && wr_json_kind(&value) != WR_JSON_ARRAY)
            return reject_kind(u, row);
        if (!is_null && wr_json_walk(&walk, &value))
            while (flow == WR_FLOW_MORE && wr_json_next(&walk, &key, &value))
                flow = add(u, row, ++place);
    }
    return place == 0 && config->keep_empty ? add(u, row, 0) : flow;
}

static int unnest_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    const struct unnest_config *config = op->config;
    struct wr_arena *scratch = op->env->scratch;
    struct unnesting u = {
        .self = (struct unnest *)op, .in = in, .out = out, .room = op->env->batch_rows};
    u.rows = WR_ARENA_ARRAY(scratch, uint32_t, u.room);
    u.places = WR_ARENA_ARRAY(scratch, int64_t, u.room);
    u.view = wr_batch_over(op->env->pool, config->wide, in);
    int status = u.rows == NULL || u.places == NULL || u.view == NULL ? WR_ENOMEM : WR_OK;
    if (status == WR_OK && config->list->program != NULL) {
        wr_op_eval_begin(op, &u.self->list_eval);
        status = wr_list_run(config->list, &u.self->list_eval, in, &u.view->arena);
        if (status >= 0)
            status = wr_op_drop_fails(op, &u.self->list_eval, in, u.view, out);
    }
    int flow = WR_MIN(status, WR_FLOW_MORE);
    if (flow == WR_FLOW_MORE) {
        const struct wr_item *item = &config->list->items[0];
        memcpy(u.view->columns, in->columns, config->input_count * sizeof *in->columns);
        u.view->columns[config->input_count] =
            item->column >= 0 ? in->columns[item->column] : u.self->list_eval.outputs[item->output];
    }
    for (uint32_t i = 0; flow == WR_FLOW_MORE && i < u.view->sel_count; i++)
        flow = take_row(&u, wr_batch_row(u.view, i));
    if (flow == WR_FLOW_MORE)
        flow = emit_made(&u);
    wr_batch_unref(u.view);
    return flow;
}

const struct wr_op_type wr_op_unnest = {
    .name = "unnest",
    .size_bytes = sizeof(struct unnest),
    .flags = WR_OP_ROW_BY_ROW,
    .bind = unnest_bind,
    .needs = unnest_needs,
    .open = unnest_open,
    .push = unnest_push,
    .close = unnest_close,
    .explain = unnest_explain,
};
