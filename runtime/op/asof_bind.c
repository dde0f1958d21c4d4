/* asof_bind.c: what a script says of `asof_join`. */
#include <string.h>

#include "base/status.h"
#include "op/asof.h"
#include "base/banned.h"

#define LATE_RULE "rows of either stream that are behind the frontier of their partition"

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

static int bind_options(struct wr_bind *bind, struct asof_config *config, struct wr_error *err) {
    config->inner = strcmp(wr_value_string(bind->spec, "how", "left"), "inner") == 0;
    config->forward = strcmp(wr_value_string(bind->spec, "direction", "backward"), "forward") == 0;
    config->before = (uint8_t)wr_value_bool(bind->spec, "before", 0);
    config->max_age_us = wr_value_int(bind->spec, "max_age", WR_TIME_MAX);
    config->lag_us = config->forward ? config->max_age_us : 0;
    config->updates = bind->inputs[1]->updates;
    if (config->before && config->forward) {
        wr_error_script(err, "W203", "`before` is of the direction \"backward\"");
        wr_error_at(err, "before", 0, 0);
        wr_error_help(err, "forward takes the oldest row at or behind the time: leave one out");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

/* A table has one version a key at a time only where its whole key is in `on`. */
static int check_table(struct wr_bind *bind, const struct asof_config *config,
                       struct wr_error *err) {
    const struct wr_stream *right = bind->inputs[1];
    if (!config->updates)
        return WR_OK;
    int is_whole = right->key_count > 0;
    for (uint32_t k = 0; k < right->key_count; k++)
        is_whole &= config->equi.twins[right->key[k]] >= 0;
    if (config->forward) {
        wr_error_script(err, "W305", "`asof_join` forward does not take updates");
        wr_error_at(err, "direction", 0, 0);
        wr_error_help(err, "add `:changes()` to the other stream: each change becomes a row");
        return WR_ESCRIPT;
    }
    if (is_whole)
        return WR_OK;
    wr_error_script(err, "W305", "`asof_join` takes updates of a table only by its whole key");
    wr_error_at(err, "on", 0, 0);
    wr_error_help(err, "name all columns of its key in `on`, or add `:changes()` to it: each "
                       "change becomes a row");
    return WR_ESCRIPT;
}

static int check_sides(struct wr_bind *bind, const struct asof_config *config,
                       struct wr_error *err) {
    const struct wr_stream *left = bind->inputs[0], *right = bind->inputs[1];
    if (left->updates) {
        wr_error_script(err, "W305", "`asof_join` does not take updates");
        wr_error_help(err, "add `:changes()` before it: each change becomes a row, with `op` = "
                           "insert, update or delete");
        return WR_ESCRIPT;
    }
    if (!left->has_time || !right->has_time) {
        wr_error_script(err, "W301", "no event time: `asof_join` needs it on both sides");
        if (left->has_time)
            wr_error_at(err, "1", 0, 0);
        wr_error_help(err, "add `:event_time \"…\"` to %s stream",
                      left->has_time    ? "the other"
                      : right->has_time ? "this"
                                        : "each");
        return WR_ESCRIPT;
    }
    if (config->forward && config->max_age_us == WR_TIME_MAX &&
        !(left->bounded && right->bounded)) {
        wr_error_script(err, "W304",
                        "state grows without bound: `asof_join` forward waits for the "
                        "next row of each key");
        wr_error_help(err, "say how far that may be: `max_age = \"1h\"`");
        return WR_ESCRIPT;
    }
    return check_table(bind, config, err);
}

/* The left columns, then those of the right side that say something new. */
static int bind_columns(struct wr_bind *bind, struct asof_config *config, struct wr_error *err) {
    const struct wr_schema *left = config->sides[0], *right = config->sides[1];
    struct wr_schema *schema = wr_schema_new(bind->arena, left->field_count + right->field_count);
    config->right_of = WR_ARENA_ARRAY(bind->arena, uint32_t, right->field_count + 1);
    if (schema == NULL || config->right_of == NULL)
        return no_memory(err);
    memcpy(schema->fields, left->fields, left->field_count * sizeof *left->fields);
    schema->field_count = left->field_count;
    for (uint32_t c = 0; c < right->field_count; c++) {
        if (config->equi.twins[c] >= 0)
            continue;
        int status = equi_add_right(bind, schema, c, err);
        if (status != WR_OK)
            return status;
        config->right_of[config->right_count++] = c;
    }
    config->result = schema;
    uint32_t keys = config->equi.layout.column_count, count = schema->field_count + 2 + keys;
    struct wr_schema *wide = wr_schema_new(bind->arena, count);
    if (wide == NULL)
        return no_memory(err);
    memcpy(wide->fields, schema->fields, schema->field_count * sizeof *wide->fields);
    wide->field_count = count;
    for (uint32_t c = schema->field_count; c < count; c++)
        wide->fields[c] = (struct wr_field){.name = "", .type = WR_TYPE(WR_INT64)};
    for (uint32_t k = 0; k < keys; k++)
        wide->fields[schema->field_count + 2 + k].type = config->equi.layout.types[k];
    config->wide = wide;
    return WR_OK;
}

int asof_bind(struct wr_bind *bind, struct wr_error *err) {
    struct asof_config *config = WR_ARENA_ZEROS(bind->arena, struct asof_config, 1);
    if (config == NULL)
        return no_memory(err);
    if (bind->input_count != 2)
        return wr_error_script(err, "W210", "`asof_join` takes two streams");
    config->sides[0] = bind->inputs[0]->schema;
    config->sides[1] = bind->inputs[1]->schema;
    int status = bind_options(bind, config, err);
    if (status == WR_OK)
        status = equi_bind(&config->equi, bind, "asof_join", err);
    if (status == WR_OK)
        status = check_sides(bind, config, err);
    if (status == WR_OK)
        status = bind_columns(bind, config, err);
    if (status != WR_OK)
        return status;
    bind->out.schema = config->result;
    bind->out.bounded = bind->inputs[0]->bounded && bind->inputs[1]->bounded;
    bind->out.order = WR_ORDER_TIME;
    bind->out.max_delay_us = 0;
    bind->config = config;
    return WR_OK;
}

void asof_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                const uint64_t *wanted, uint64_t *columns) {
    const struct asof_config *self = config;
    uint32_t left = self->sides[0]->field_count;
    (void)input;
    for (uint32_t c = 0; input_number == 0 && c < left; c++)
        if (wr_bit_get(wanted, c))
            wr_bit_set(columns, c);
    for (uint32_t c = 0; input_number == 1 && c < self->right_count; c++)
        if (wr_bit_get(wanted, left + c))
            wr_bit_set(columns, self->right_of[c]);
    wr_list_reads(self->equi.keys[input_number], columns);
}

struct wr_value *asof_explain(const void *config, struct wr_arena *arena) {
    const struct asof_config *self = config;
    const char *state = "the newest row of each key of the other stream, rows that the frontier "
                        "has not passed";
    if (self->forward && self->max_age_us == WR_TIME_MAX)
        state = "all rows of both streams";
    else if (self->forward)
        state = "rows of both streams as long as `max_age` behind the frontier";
    else if (self->max_age_us != WR_TIME_MAX)
        state = "the newest row of each key of the other stream as long as `max_age`, rows that "
                "the frontier has not passed";
    const struct wr_value *facts = wr_op_explain(arena, self->equi.keys[0], state);
    struct wr_value *map = facts == NULL ? NULL : wr_value_new_map(arena, facts->count + 1);
    if (map == NULL)
        return NULL;
    memcpy(map->names, facts->names, facts->count * sizeof *map->names);
    memcpy(map->items, facts->items, facts->count * sizeof *map->items);
    map->names[facts->count] = "late";
    map->items[facts->count] = *wr_value_new_string(arena, LATE_RULE, (uint32_t)strlen(LATE_RULE));
    return map;
}
