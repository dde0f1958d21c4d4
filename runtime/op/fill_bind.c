/* fill_bind.c: what a script says of `fill`. See fill.h. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/fill.h"
#include "base/banned.h"

#define WINDOWS_MAX_DEFAULT \
    1000000                  /* a longer gap is a wrong time, if nobody says how far it goes */
#define PREVIOUS "previous(" /* as stdlib/weir/fill.lua names them */
#define NEXT "next("
#define RATIO "part("

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

static int bind_window(struct wr_bind *bind, struct fill_config *config, struct wr_error *err) {
    int status = window_of_rows(&config->window, bind, "fill", err);
    if (status == WR_OK && config->window.kind == WINDOW_CUMULATIVE) {
        wr_error_script(err, "W203", "`fill` does not take `cumulative` windows");
        wr_error_help(err, "tumbling, hopping and calendar windows follow one another");
        return WR_ESCRIPT;
    }
    if (status == WR_OK && bind->inputs[0]->updates) {
        wr_error_script(err, "W305", "`fill` does not take updates");
        wr_error_help(err, "results that change no more: no `allowed_lateness` and no `:emit "
                           "\"update\"` before its `agg`");
        return WR_ESCRIPT;
    }
    return status;
}

/* The key of the stream: window columns, and the others. */
static int bind_key(struct wr_bind *bind, struct fill_config *config, struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    uint32_t count = 0, found = 0;
    config->is_key = WR_ARENA_ZEROS(bind->arena, uint8_t, in->schema->field_count + 1);
    if (config->is_key == NULL)
        return no_memory(err);
    for (uint32_t k = 0; k < in->key_count; k++) {
        const struct wr_field *field = &in->schema->fields[in->key[k]];
        config->is_key[in->key[k]] = 1;
        int is_time = field->type.kind == WR_TIMESTAMP;
        if (is_time && strcmp(field->name, "window_start") == 0) {
            config->start_column = in->key[k];
            found |= 1;
        } else if (is_time && strcmp(field->name, "window_end") == 0) {
            config->end_column = in->key[k];
            found |= 2;
        } else if (count < WR_KEY_COLUMNS_MAX) {
            config->keys[count] = in->key[k];
            types[count++] = field->type;
        }
    }
    if (found != 3) {
        wr_error_script(err, "W203", "`fill` needs all columns of the key of its `agg`");
        wr_error_help(err, "put the `select`, `drop` or `rename` of them behind it");
        return WR_ESCRIPT;
    }
    config->key_bytes = 8;
    if (count == 0)
        return WR_OK;
    if (wr_key_layout_init(&config->layout, types, count, 1) != WR_OK)
        return wr_error_set(err, WR_EARG, "the columns are no key");
    config->key_bytes = config->layout.key_bytes;
    return WR_OK;
}

static int add_field(struct wr_bind *bind, struct wr_schema *schema, const char *before,
                     const char *name, struct wr_type type) {
    size_t length = strlen(before), rest = strlen(name);
    char *text = wr_arena_alloc(bind->arena, length + rest + 2);
    if (text == NULL)
        return WR_ENOMEM;
    memcpy(text, before, length);
    memcpy(text + length, name, rest);
    memcpy(text + length + rest, ")", 2);
    schema->fields[schema->field_count++] =
        (struct wr_field){.name = text, .name_length = (uint32_t)(length + rest + 1), .type = type};
    return WR_OK;
}

static int make_wide(struct wr_bind *bind, struct fill_config *config) {
    const struct wr_schema *input = config->schema;
    uint32_t count = input->field_count;
    struct wr_schema *wide = wr_schema_new(bind->arena, 3 * count + 1);
    if (wide == NULL)
        return WR_ENOMEM;
    memcpy(wide->fields, input->fields, count * sizeof *input->fields);
    wide->field_count = count;
    int status = WR_OK;
    for (uint32_t c = 0; c < count && status == WR_OK; c++)
        status = add_field(bind, wide, PREVIOUS, input->fields[c].name, input->fields[c].type);
    for (uint32_t c = 0; c < count && status == WR_OK; c++)
        status = add_field(bind, wide, NEXT, input->fields[c].name, input->fields[c].type);
    if (status == WR_OK)
        status = add_field(bind, wide, RATIO, "", WR_TYPE(WR_FLOAT64));
    for (uint32_t c = 0; c < wide->field_count; c++)
        wide->fields[c].required = wide->fields[c].key = 0;
    config->wide = wide;
    return status;
}

/* What `previous` and `interpolate` are called with, over a row as it is. */
static int check_arguments(struct wr_bind *bind, struct fill_config *config, struct wr_error *err) {
    const struct wr_value *checks = wr_value_get(bind->spec, "checks");
    struct wr_scope scope = bind->scope;
    scope.flags = 0;
    for (uint32_t i = 0; i < wr_value_count(checks); i++) {
        const struct wr_value *check = wr_value_at(checks, i);
        struct wr_value *one = wr_value_new_list(bind->arena, 1);
        struct wr_list *list;
        if (one == NULL)
            return no_memory(err);
        one->items[0] = *check;
        int status = wr_list_bind(&list, &scope, WR_LIST_SELECT, one, err);
        if (status != WR_OK)
            return status;
        int is_number = wr_value_bool(check, "is_number", 0);
        config->waits |= (uint8_t)is_number;
        enum wr_type_kind kind = list->items[0].type.kind;
        if (!is_number || kind == WR_INT64 || kind == WR_FLOAT64)
            continue;
        char text[64];
        wr_error_script(err, "W104", "`interpolate` cannot take %s",
                        wr_type_text(&list->items[0].type, text, sizeof text));
        wr_error_at(err, "1", list->items[0].from, list->items[0].to);
        wr_error_help(err, "it takes int64 and float64");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int check_type(const struct wr_item *item, const struct wr_field *field,
                      struct wr_error *err) {
    char x[64], y[64];
    if (wr_type_equal(&item->type, &field->type))
        return WR_OK;
    wr_error_script(err, "W104", "column `%s` is %s, and this is %s", field->name,
                    wr_type_text(&field->type, x, sizeof x),
                    wr_type_text(&item->type, y, sizeof y));
    wr_error_at(err, "1", item->from, item->to);
    int rounds = field->type.kind == WR_INT64 && item->type.kind == WR_FLOAT64;
    wr_error_help(err, rounds ? "`int64(round(…))` makes a whole number"
                              : "a filled row has the types of the others");
    return WR_ESCRIPT;
}

static int bind_items(struct wr_bind *bind, struct fill_config *config, struct wr_error *err) {
    struct wr_scope scope = bind->scope;
    scope.input = config->wide;
    scope.flags = 0;
    int status = wr_list_bind(&config->items, &scope, WR_LIST_DERIVE,
                              wr_value_get(bind->spec, "items"), err);
    uint32_t count = config->schema->field_count;
    config->item_of = WR_ARENA_ARRAY(bind->arena, int32_t, count + 1);
    if (status == WR_OK && config->item_of == NULL)
        return no_memory(err);
    for (uint32_t c = 0; c < count && status == WR_OK; c++)
        config->item_of[c] = -1;
    for (uint32_t i = 0; status == WR_OK && i < config->items->item_count; i++) {
        const struct wr_item *item = &config->items->items[i];
        int32_t c = wr_schema_find(config->schema, item->name, item->name_length);
        WR_ASSERT(c >= 0);
        config->item_of[c] = (int32_t)i;
        status = check_type(item, &config->schema->fields[c], err);
    }
    return status;
}

/* The columns of the row before and of the row behind that the items read, and the key. */
static int bind_reads(struct wr_bind *bind, struct fill_config *config) {
    uint32_t count = config->schema->field_count;
    size_t words = WR_BITS_WORDS(config->wide->field_count + WR_HIDDEN_COUNT) + 1;
    config->wide_reads = WR_ARENA_ZEROS(bind->arena, uint64_t, words);
    config->reads = WR_ARENA_ZEROS(bind->arena, uint64_t, words);
    if (config->wide_reads == NULL || config->reads == NULL)
        return WR_ENOMEM;
    wr_list_reads(config->items, config->wide_reads);
    for (uint32_t c = 0; c < count; c++)
        if (wr_bit_get(config->wide_reads, count + c) ||
            wr_bit_get(config->wide_reads, 2 * count + c))
            wr_bit_set(config->reads, c);
    for (uint32_t k = 0; k < config->layout.column_count; k++)
        wr_bit_set(config->reads, config->keys[k]);
    wr_bit_set(config->reads, config->start_column);
    return WR_OK;
}

static int check_gap(struct wr_bind *bind, struct fill_config *config, struct wr_error *err) {
    config->stop_after_us = wr_value_int(bind->spec, "stop_after", WR_TIME_MAX);
    config->max_gap_us = wr_value_int(bind->spec, "max_gap", WR_TIME_MAX);
    int is_bounded = config->stop_after_us != WR_TIME_MAX || config->max_gap_us != WR_TIME_MAX;
    int64_t windows_max =
        wr_value_int(bind->spec, "max_windows", is_bounded ? 0 : WINDOWS_MAX_DEFAULT);
    config->windows_max = windows_max == 0 ? UINT64_MAX : (uint64_t)windows_max;
    int is_open = config->waits && config->max_gap_us == WR_TIME_MAX;
    config->waits |= config->max_gap_us != WR_TIME_MAX;
    if (!is_open || bind->inputs[0]->bounded)
        return WR_OK;
    wr_error_script(err, "W304",
                    "state grows without bound: `interpolate` waits for the next row "
                    "of each key");
    wr_error_help(err, "say how far that may be: `max_gap = \"10m\"`");
    return WR_ESCRIPT;
}

int fill_bind(struct wr_bind *bind, struct wr_error *err) {
    struct fill_config *config = WR_ARENA_ZEROS(bind->arena, struct fill_config, 1);
    if (config == NULL)
        return no_memory(err);
    struct wr_schema *schema = wr_schema_new(bind->arena, bind->inputs[0]->schema->field_count);
    if (schema == NULL)
        return no_memory(err);
    int status = bind_window(bind, config, err);
    if (status == WR_OK)
        status = bind_key(bind, config, err);
    config->schema = bind->inputs[0]->schema;
    if (status == WR_OK && make_wide(bind, config) != WR_OK)
        status = no_memory(err);
    if (status == WR_OK)
        status = check_arguments(bind, config, err);
    if (status == WR_OK)
        status = bind_items(bind, config, err);
    if (status == WR_OK && bind_reads(bind, config) != WR_OK)
        status = no_memory(err);
    if (status != WR_OK && err != NULL && err->arg[0] == 0 && err->from > 0)
        wr_error_at(err, "1", err->from, err->to);
    if (status == WR_OK)
        status = check_gap(bind, config, err);
    if (status != WR_OK)
        return status;
    memcpy(schema->fields, config->schema->fields,
           config->schema->field_count * sizeof *schema->fields);
    schema->field_count = config->schema->field_count;
    for (uint32_t c = 0; c < schema->field_count; c++) /* a value may be nil now */
        schema->fields[c].required &= schema->fields[c].key;
    bind->out.schema = schema;
    bind->out.order = WR_ORDER_FIRING;
    bind->out.max_delay_us = 0;
    bind->config = config;
    return WR_OK;
}

void fill_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                const uint64_t *wanted, uint64_t *columns) {
    const struct fill_config *self = config;
    (void)input_number;
    for (uint32_t c = 0; c < input->schema->field_count; c++)
        if (wr_bit_get(wanted, c) || wr_bit_get(self->reads, c))
            wr_bit_set(columns, c);
}

struct wr_value *fill_explain(const void *config, struct wr_arena *arena) {
    const struct fill_config *self = config;
    const char *state = "the last row of each key";
    if (self->stop_after_us != WR_TIME_MAX)
        state = "the last row of each key, until `stop_after`";
    if (self->waits && self->max_gap_us != WR_TIME_MAX)
        state = "the last row of each key, and rows as long as `max_gap`";
    else if (self->waits)
        state = "all rows";
    return wr_op_explain(arena, self->items, state);
}
