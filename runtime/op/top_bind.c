/* top_bind.c: what a script says of `top`, `dedup` and `as_table`. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/top.h"
#include "base/banned.h"

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

static int bind_list(struct wr_list **list, struct wr_bind *bind, enum wr_list_kind kind,
                     const struct wr_value *items, const char *arg, struct wr_error *err) {
    if (wr_value_count(items) == 0 && kind != WR_LIST_CONDITION)
        return WR_OK;
    int status = wr_list_bind(list, &bind->scope, kind, items, err);
    if (status != WR_OK && err != NULL)
        wr_error_at(err, arg, err->from, err->to);
    return status;
}

/* A group that has the end of a window among its keys is of that window. */
static void find_window_end(struct top_config *config, const struct wr_bind *bind) {
    const struct wr_stream *in = bind->inputs[0];
    config->end_column = -1;
    if (config->windowed || !in->has_time || config->keys == NULL || in->corrects_us == WR_TIME_MAX)
        return;
    for (uint32_t k = 0; k < config->keys->item_count; k++) {
        int32_t column = config->keys->items[k].column;
        const struct wr_field *field = column < 0 ? NULL : &in->schema->fields[column];
        if (field != NULL && field->ends_window)
            config->end_column = column;
    }
    if (config->end_column >= 0)
        config->lateness_us = in->corrects_us;
}

static int bind_group(struct top_config *config, struct wr_bind *bind, const char *arg,
                      struct wr_error *err) {
    int status = bind_list(&config->keys, bind, WR_LIST_KEYS, wr_value_get(bind->spec, "group_by"),
                           arg, err);
    if (status != WR_OK)
        return status;
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    uint32_t count = config->keys == NULL ? 0 : config->keys->item_count;
    if (count > WR_KEY_COLUMNS_MAX)
        return wr_error_script(err, "W203", "`%s` takes at most %d keys", config->stage,
                               WR_KEY_COLUMNS_MAX);
    for (uint32_t k = 0; k < count; k++)
        types[k] = config->keys->items[k].type;
    if (count > 0 && wr_key_layout_init(&config->layout, types, count, 1) != WR_OK)
        return wr_error_set(err, WR_EARG, "the columns are no key");
    uint32_t key_bytes = count == 0 ? 8 : config->layout.key_bytes;
    config->groups_shape = (struct wr_shape){.key_bytes = key_bytes,
                                             .row_bytes = key_bytes + 8,
                                             .cell_count = config->layout.cell_count,
                                             .cells = config->layout.cells};
    config->finder_shape = (struct wr_shape){.key_bytes = 8, .row_bytes = 16};
    find_window_end(config, bind);
    return WR_OK;
}

/* When results leave: once, or as they change where the input itself changes. */
static int bind_emission(struct top_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    const struct wr_value *emit = wr_value_get(bind->spec, "emit");
    const char *mode = wr_value_string(
        emit, "mode", in->updates || config->mode == TOP_UPDATE ? "update" : "final");
    config->mode = strcmp(mode, "final") == 0 ? TOP_FINAL : TOP_UPDATE;
    if (strcmp(mode, "delta") == 0 || wr_value_int(emit, "every", 0) > 0) {
        wr_error_script(err, "W203", "`%s` has no emission `%s`", config->stage,
                        strcmp(mode, "delta") == 0 ? "delta" : "every");
        wr_error_at(err, "emit", 0, 0);
        wr_error_help(err, "`:emit \"update\"` gives each change, `:emit \"final\"` the result");
        return WR_ESCRIPT;
    }
    if (config->windowed && !in->has_time) {
        wr_error_script(err, "W301", "no event time: add `:event_time \"…\"` before the window");
        wr_error_at(err, "window", 0, 0);
        return WR_ESCRIPT;
    }
    if (!top_closes(config) && !in->bounded && config->mode == TOP_FINAL) {
        wr_error_script(err, "W303", "this `%s` never ends", config->stage);
        wr_error_help(err, "add `:emit \"update\"`, a window, or `window_end` to the keys");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int bind_window(struct top_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_value *window = wr_value_get(bind->spec, "window");
    config->windowed = window != NULL;
    config->lateness_us = wr_value_int(window, "allowed_lateness", 0);
    return window_of_rows(&config->window, bind, config->stage, err);
}

/* ---- the columns ---- */

static int add_column(struct wr_bind *bind, struct wr_schema *schema, const char *name,
                      uint32_t length, enum wr_type_kind kind, const char *stage,
                      struct wr_error *err) {
    if (wr_schema_find(bind->inputs[0]->schema, name, length) >= 0) {
        wr_error_script(err, "W205", "`%s` adds a column `%s`, which is there already", stage,
                        name);
        if (strncmp(name, "window_", 7) == 0)
            wr_error_help(err, "the rows are of windows already: `:group_by \"window_start, "
                               "window_end\"` in place of `:window`");
        else
            wr_error_help(err, "`:rename \"… = %s\"` before it", name);
        return WR_ESCRIPT;
    }
    schema->fields[schema->field_count++] = (struct wr_field){
        .name = name, .name_length = length, .type = WR_TYPE(kind), .required = 1};
    return WR_OK;
}

/* The input's columns, those of the order behind them where they are computed. */
static int make_wide(struct top_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    uint32_t items = config->order == NULL ? 0 : config->order->item_count;
    config->wide = wr_schema_new(bind->arena, input->field_count + items);
    config->order_columns = WR_ARENA_ARRAY(bind->arena, uint32_t, items + 1);
    if (config->wide == NULL || config->order_columns == NULL)
        return no_memory(err);
    config->input_count = config->first_order = input->field_count;
    memcpy(config->wide->fields, input->fields, input->field_count * sizeof *input->fields);
    uint32_t at = input->field_count;
    for (uint32_t i = 0; i < items; i++) {
        const struct wr_item *item = &config->order->items[i];
        config->order_columns[i] = item->column >= 0 ? (uint32_t)item->column : at;
        if (item->column < 0)
            config->wide->fields[at++] = (struct wr_field){.name = "", .type = item->type};
    }
    config->wide->field_count = at;
    return WR_OK;
}

static int make_output(struct top_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *rank = wr_value_get(bind->spec, "rank");
    uint32_t keys = config->layout.column_count;
    struct wr_schema *schema = wr_schema_new(bind->arena, input->field_count + 3);
    config->hidden = wr_schema_new(bind->arena, input->field_count + 4 + keys);
    if (schema == NULL || config->hidden == NULL)
        return no_memory(err);
    memcpy(schema->fields, input->fields, input->field_count * sizeof *input->fields);
    schema->field_count = input->field_count;
    config->rank_column = rank == NULL ? -1 : (int32_t)schema->field_count;
    int status = WR_OK;
    if (rank != NULL)
        status = add_column(bind, schema, rank->string, rank->count, WR_INT64, config->stage, err);
    if (status == WR_ESCRIPT)
        wr_error_at(err, "rank", 0, 0);
    if (status == WR_OK && config->windowed)
        status = add_column(bind, schema, "window_start", 12, WR_TIMESTAMP, config->stage, err);
    if (status == WR_OK && config->windowed)
        status = add_column(bind, schema, "window_end", 10, WR_TIMESTAMP, config->stage, err);
    if (status != WR_OK)
        return status;
    if (config->windowed) {
        wr_schema_forget_windows(schema);
        schema->fields[schema->field_count - 1].ends_window = 1;
    }
    struct wr_schema *hidden = config->hidden;
    memcpy(hidden->fields, schema->fields, schema->field_count * sizeof *schema->fields);
    hidden->field_count = schema->field_count;
    hidden->fields[hidden->field_count++] =
        (struct wr_field){.name = "", .type = WR_TYPE(WR_TIMESTAMP)};
    for (uint32_t k = 0; k < keys; k++)
        hidden->fields[hidden->field_count++] =
            (struct wr_field){.name = "", .type = config->layout.types[k]};
    bind->out.schema = schema;
    return WR_OK;
}

/* One row a group: the group is the key; with ranks each rank of it; else rows are who they were.
 */
static void set_key(const struct top_config *config, struct wr_bind *bind) {
    struct wr_stream *out = &bind->out;
    int by_group = !config->with_ties && (config->rows == 1 || config->rank_column >= 0);
    uint32_t count = config->keys == NULL ? 0 : config->keys->item_count;
    for (uint32_t k = 0; k < count; k++)
        by_group &= config->keys->items[k].column >= 0;
    if (by_group) {
        out->key_count = 0;
        for (uint32_t k = 0; k < count; k++)
            out->key[out->key_count++] = (uint16_t)config->keys->items[k].column;
        if (config->rows > 1)
            out->key[out->key_count++] = (uint16_t)config->rank_column;
    }
    if (config->windowed && (by_group || out->key_count > 0))
        for (uint32_t i = 2; i > 0 && out->key_count < WR_KEY_FIELDS_MAX; i--)
            out->key[out->key_count++] = (uint16_t)(out->schema->field_count - i);
}

static int finish(struct top_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    config->by_time = in->has_time;
    config->retracts = in->updates;
    int status = bind_emission(config, bind, err);
    if (status == WR_OK)
        status = make_wide(config, bind, err);
    if (status == WR_OK)
        status = make_output(config, bind, err);
    if (status != WR_OK)
        return status;
    int changes = config->mode == TOP_UPDATE || config->lateness_us > 0;
    bind->out.updates = (uint8_t)changes;
    if (config->windowed)
        bind->out.corrects_us = config->lateness_us;
    else if (changes && !top_closes(config)) /* any row may push out an old one */
        bind->out.corrects_us = WR_TIME_MAX;
    bind->out.has_time = in->has_time && (top_closes(config) || changes);
    bind->out.max_delay_us = changes ? WR_DELAY_UNKNOWN : 0;
    bind->out.order = WR_ORDER_FIRING;
    set_key(config, bind);
    bind->config = config;
    bind->type = !top_is_few(config)          ? &wr_op_top
                 : config->mode == TOP_UPDATE ? &wr_op_top_few
                                              : &wr_op_top_kept;
    return WR_OK;
}

static struct top_config *begin(struct wr_bind *bind) {
    struct top_config *config = WR_ARENA_ZEROS(bind->arena, struct top_config, 1);
    if (config == NULL)
        return NULL;
    config->stage = wr_value_string(bind->spec, "op", "top");
    config->rows = 1;
    config->end_column = config->rank_column = -1;
    return config;
}

int top_bind(struct wr_bind *bind, struct wr_error *err) {
    struct top_config *config = begin(bind);
    if (config == NULL)
        return no_memory(err);
    config->rows = (uint32_t)wr_value_int(bind->spec, "rows", 1);
    config->with_ties = (uint8_t)wr_value_bool(bind->spec, "ties", 0);
    const struct wr_value *order = wr_value_get(bind->spec, "order");
    if (order == NULL)
        order = wr_value_get(bind->spec, "items"); /* what a key function gives */
    int status = bind_window(config, bind, err);
    if (status == WR_OK)
        status = bind_list(&config->order, bind, WR_LIST_ORDER, order, "2", err);
    if (status == WR_OK)
        status = bind_group(config, bind, "1", err);
    return status == WR_OK ? finish(config, bind, err) : status;
}

int top_bind_dedup(struct wr_bind *bind, struct wr_error *err) {
    struct top_config *config = begin(bind);
    if (config == NULL)
        return no_memory(err);
    const char *keep = wr_value_string(bind->spec, "keep", "first");
    config->ties = strcmp(keep, "last") == 0 ? TOP_TIES_LAST : TOP_TIES_FIRST;
    int status = bind_window(config, bind, err);
    if (status == WR_OK)
        status = bind_group(config, bind, "1", err);
    return status == WR_OK ? finish(config, bind, err) : status;
}

int top_bind_table(struct wr_bind *bind, struct wr_error *err) {
    struct top_config *config = begin(bind);
    if (config == NULL)
        return no_memory(err);
    config->ties = TOP_TIES_LAST; /* the later one to arrive wins */
    config->mode = TOP_UPDATE;
    int status = bind_group(config, bind, "1", err);
    config->end_column = -1;
    if (status == WR_OK)
        status = bind_list(&config->order, bind, WR_LIST_ORDER, wr_value_get(bind->spec, "order"),
                           "version", err);
    const struct wr_value *gone = wr_value_get(bind->spec, "delete");
    if (status == WR_OK && gone != NULL)
        status = bind_list(&config->gone, bind, WR_LIST_CONDITION, gone, "delete", err);
    if (status == WR_OK)
        status = finish(config, bind, err);
    config->by_time = 0;
    return status;
}
