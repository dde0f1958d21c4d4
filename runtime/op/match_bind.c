/* match_bind.c: what a script says of `match`. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/match.h"
#include "base/banned.h"

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

/* An error of a text says in which option it stands. */
static int at_option(int status, struct wr_error *err, const char *option) {
    if (status == WR_ESCRIPT && err != NULL)
        wr_error_at(err, option, err->from, err->to);
    return status;
}

static const struct wr_value *part(const struct wr_bind *bind, const char *option,
                                   const char *name) {
    return wr_value_get(wr_value_get(bind->spec, option), name);
}

/* ---- the automaton ---- */

static int bind_program(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_value *steps = wr_value_get(bind->spec, "program");
    const struct wr_value *names = wr_value_get(bind->spec, "variables");
    struct match_program *program = &config->program;
    program->step_count = wr_value_count(steps);
    program->steps = WR_ARENA_ZEROS(bind->arena, struct match_step, program->step_count + 1);
    config->variable_count = wr_value_count(names);
    config->names = WR_ARENA_ARRAY(bind->arena, const char *, config->variable_count + 1);
    if (program->steps == NULL || config->names == NULL)
        return no_memory(err);
    WR_ASSERT(config->variable_count <= MATCH_VARIABLES_MAX);
    for (uint32_t v = 0; v < config->variable_count; v++)
        config->names[v] = wr_value_at(names, v)->string;
    for (uint32_t i = 0; i < program->step_count; i++) {
        const struct wr_value *from = wr_value_at(steps, i);
        struct match_step *step = &program->steps[i];
        const char *op = wr_value_string(from, "op", "");
        if (strcmp(op, "row") == 0) {
            step->op = MATCH_ROW;
            step->variable = (uint8_t)wr_value_int(from, "variable", 0);
            step->a = program->row_count++;
        } else if (strcmp(op, "split") == 0) {
            step->op = MATCH_SPLIT;
            step->a = (uint32_t)wr_value_int(from, "first", 0);
            step->b = (uint32_t)wr_value_int(from, "second", 0);
        } else {
            step->op = MATCH_JUMP;
            step->a = (uint32_t)wr_value_int(from, "to", 0);
        }
        WR_ASSERT(step->op == MATCH_ROW || step->a <= program->step_count);
        WR_ASSERT(step->b <= program->step_count && step->variable < config->variable_count);
    }
    return WR_OK;
}

/* ---- the group ---- */

static int bind_keys(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_value *items = wr_value_get(bind->spec, "group_by");
    if (wr_value_count(items) > 0) {
        int status = wr_list_bind(&config->keys, &bind->scope, WR_LIST_KEYS, items, err);
        if (status != WR_OK)
            return status;
    }
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    uint32_t count = config->keys == NULL ? 0 : config->keys->item_count;
    if (count > WR_KEY_COLUMNS_MAX)
        return wr_error_script(err, "W203", "`match` takes at most %d keys", WR_KEY_COLUMNS_MAX);
    for (uint32_t k = 0; k < count; k++)
        types[k] = config->keys->items[k].type;
    if (count > 0 && wr_key_layout_init(&config->layout, types, count, 1) != WR_OK)
        return wr_error_set(err, WR_EARG, "the columns are no key");
    uint32_t key_bytes = count == 0 ? 8 : config->layout.key_bytes;
    config->index_shape = (struct wr_shape){.key_bytes = key_bytes,
                                            .row_bytes = key_bytes + 8,
                                            .cell_count = config->layout.cell_count,
                                            .cells = config->layout.cells};
    struct wr_cell *cells =
        WR_ARENA_ARRAY(bind->arena, struct wr_cell, config->layout.cell_count + 1);
    if (cells == NULL)
        return no_memory(err);
    for (uint32_t c = 0; c < config->layout.cell_count; c++) {
        cells[c] = config->layout.cells[c];
        cells[c].offset += (uint32_t)sizeof(struct match_group_row);
    }
    config->groups_shape =
        (struct wr_shape){.key_bytes = 8,
                          .row_bytes = (uint32_t)sizeof(struct match_group_row) + key_bytes,
                          .cell_count = config->layout.cell_count,
                          .cells = cells};
    return WR_OK;
}

/* ---- what conditions and measures ask ---- */

static void add_field(struct wr_schema *schema, const struct wr_value *item,
                      const struct wr_type *type) {
    const struct wr_value *name = wr_value_get(item, "name");
    schema->fields[schema->field_count++] =
        (struct wr_field){.name = name->string, .name_length = name->count, .type = *type};
}

/* The input's column that an asked one is of; the script has looked whether it is there. */
static uint32_t column_of(const struct wr_bind *bind, const struct wr_value *item) {
    const struct wr_value *name = wr_value_get(item, "column");
    int column = wr_schema_find(bind->inputs[0]->schema, name->string, name->count);
    WR_ASSERT(column >= 0);
    return (uint32_t)column;
}

/* `schema` gets the picks, each with the type of its column. */
static struct match_pick *bind_picks(struct wr_bind *bind, const struct wr_value *list,
                                     struct wr_schema *schema) {
    uint32_t count = wr_value_count(list);
    struct match_pick *picks = WR_ARENA_ZEROS(bind->arena, struct match_pick, count + 1);
    for (uint32_t i = 0; picks != NULL && i < count; i++) {
        const struct wr_value *item = wr_value_at(list, i);
        picks[i].variable = (int32_t)wr_value_int(item, "variable", -1);
        picks[i].last = (uint8_t)wr_value_bool(item, "last", 0);
        picks[i].column = column_of(bind, item);
        add_field(schema, item, &bind->inputs[0]->schema->fields[picks[i].column].type);
    }
    return picks;
}

/* The same of aggregates. `over` is the schema of their rows. */
static int bind_calls(struct wr_bind *bind, const struct wr_schema *over, const char *option,
                      struct wr_schema *schema, struct match_call **calls,
                      struct wr_aggregates **aggregates, struct wr_error *err) {
    const struct wr_value *list = part(bind, option, "calls");
    uint32_t count = wr_value_count(list);
    *calls = WR_ARENA_ZEROS(bind->arena, struct match_call, count + 1);
    if (*calls == NULL)
        return no_memory(err);
    if (count == 0)
        return WR_OK;
    struct wr_scope scope = bind->scope;
    scope.input = over;
    scope.flags &= WR_SCOPE_EVENT_TIME;
    int status = wr_aggregates_bind(aggregates, &scope, NULL, list, 0, err);
    if (status != WR_OK)
        return at_option(status, err, option);
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_item *item = &(*aggregates)->items->items[i];
        WR_ASSERT(item->column >= 0);
        (*calls)[i].variable = (int32_t)wr_value_int(wr_value_at(list, i), "variable", -1);
        (*calls)[i].aggregate = (uint32_t)item->column;
        add_field(schema, wr_value_at(list, i), &item->type);
    }
    return WR_OK;
}

/* ---- define ---- */

/* Picks of one variable and end share a number in a thread's account. */
static int lay_out_slots(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    config->slots = WR_ARENA_ARRAY(bind->arena, struct match_slot, config->pick_count + 1);
    if (config->slots == NULL)
        return no_memory(err);
    for (uint32_t p = 0; p < config->pick_count; p++) {
        struct match_pick *pick = &config->picks[p];
        uint32_t s = 0;
        while (s < config->slot_count &&
               (config->slots[s].variable != pick->variable || config->slots[s].last != pick->last))
            s++;
        if (s == config->slot_count)
            config->slots[config->slot_count++] =
                (struct match_slot){.variable = pick->variable, .last = pick->last};
        pick->slot = s;
    }
    config->account_bytes = config->slot_count * 8;
    return WR_OK;
}

/* A thread's state of an aggregate is copied as bytes. */
static int lay_out_calls(struct match_config *config, struct wr_error *err) {
    for (uint32_t i = 0; i < config->call_count; i++) {
        struct match_call *call = &config->calls[i];
        const struct wr_aggregate *aggregate = &config->aggregates->aggregates[call->aggregate];
        if (aggregate->kernel->cell_count > 0 || aggregate->inner != NULL) {
            wr_error_script(err, "W203", "`%s` of this type is not in this version in `define`",
                            aggregate->function->name);
            wr_error_at(err, "define", aggregate->from, aggregate->to);
            wr_error_help(err, "count, sum, avg, min and max of numbers and times are");
            return WR_ESCRIPT;
        }
        call->offset = config->account_bytes;
        config->account_bytes += aggregate->kernel->state_bytes;
    }
    return WR_OK;
}

static int bind_lags(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_value *list = part(bind, "define", "lags");
    config->lag_count = wr_value_count(list);
    config->back = (uint32_t)wr_value_int(wr_value_get(bind->spec, "define"), "back", 0);
    config->lags = WR_ARENA_ZEROS(bind->arena, struct match_lag, config->lag_count + 1);
    if (config->lags == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < config->lag_count; i++) {
        const struct wr_value *item = wr_value_at(list, i);
        config->lags[i].rows = (uint32_t)wr_value_int(item, "rows", 1);
        config->lags[i].column = column_of(bind, item);
        add_field(config->seen, item,
                  &bind->inputs[0]->schema->fields[config->lags[i].column].type);
    }
    return WR_OK;
}

static int bind_conditions(struct match_config *config, struct wr_bind *bind,
                           struct wr_error *err) {
    const struct wr_value *list = part(bind, "define", "conditions");
    config->condition_count = wr_value_count(list);
    config->conditions =
        WR_ARENA_ZEROS(bind->arena, struct match_condition, config->condition_count + 1);
    uint64_t *reads = WR_ARENA_ARRAY(
        bind->arena, uint64_t, WR_BITS_WORDS(config->seen->field_count + WR_HIDDEN_COUNT) + 1);
    if (config->conditions == NULL || reads == NULL)
        return no_memory(err);
    struct wr_scope scope = bind->scope;
    scope.input = config->seen;
    scope.flags &= WR_SCOPE_EVENT_TIME;
    for (uint32_t i = 0; i < config->condition_count; i++) {
        struct match_condition *condition = &config->conditions[i];
        const struct wr_value *item = wr_value_at(list, i);
        condition->variable = (uint8_t)wr_value_int(item, "variable", 0);
        int status = wr_list_bind(&condition->list, &scope, WR_LIST_CONDITION,
                                  wr_value_get(item, "expr"), err);
        if (status != WR_OK)
            return at_option(status, err, "define");
        memset(reads, 0, WR_BITS_WORDS(config->seen->field_count + WR_HIDDEN_COUNT) * 8);
        wr_list_reads(condition->list, reads);
        for (uint32_t c = config->input_count; c < config->seen->field_count; c++) {
            int is_lag = c < config->input_count + config->lag_count;
            condition->looks_back |= wr_bit_get(reads, c) && is_lag;
            condition->looks_ahead |= wr_bit_get(reads, c) && !is_lag;
        }
    }
    return WR_OK;
}

/* The input with the computed arguments of aggregates behind it. */
static int make_wide(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_list *inputs = config->aggregates == NULL ? NULL : config->aggregates->inputs;
    uint32_t items = inputs == NULL ? 0 : inputs->item_count;
    config->wide = wr_schema_new(bind->arena, input->field_count + items);
    config->call_columns = WR_ARENA_ARRAY(bind->arena, uint32_t, items + 1);
    if (config->wide == NULL || config->call_columns == NULL)
        return no_memory(err);
    memcpy(config->wide->fields, input->fields, input->field_count * sizeof *input->fields);
    uint32_t at = input->field_count;
    for (uint32_t i = 0; i < items; i++) {
        const struct wr_item *item = &inputs->items[i];
        config->call_columns[i] = item->column >= 0 ? (uint32_t)item->column : at;
        if (item->column < 0)
            config->wide->fields[at++] = (struct wr_field){.name = "\x01i", .type = item->type};
    }
    config->wide->field_count = at;
    return WR_OK;
}

static int bind_define(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    uint32_t asked = wr_value_count(part(bind, "define", "lags")) +
                     wr_value_count(part(bind, "define", "picks")) +
                     wr_value_count(part(bind, "define", "calls"));
    config->seen = wr_schema_new(bind->arena, input->field_count + asked);
    if (config->seen == NULL)
        return no_memory(err);
    memcpy(config->seen->fields, input->fields, input->field_count * sizeof *input->fields);
    config->seen->field_count = input->field_count;
    config->pick_count = wr_value_count(part(bind, "define", "picks"));
    config->call_count = wr_value_count(part(bind, "define", "calls"));
    int status = bind_lags(config, bind, err);
    if (status == WR_OK) {
        config->picks = bind_picks(bind, part(bind, "define", "picks"), config->seen);
        status = config->picks == NULL ? no_memory(err) : lay_out_slots(config, bind, err);
    }
    if (status == WR_OK)
        status = bind_calls(bind, input, "define", config->seen, &config->calls,
                            &config->aggregates, err);
    if (status == WR_OK)
        status = lay_out_calls(config, err);
    if (status == WR_OK)
        status = make_wide(config, bind, err);
    return status == WR_OK ? bind_conditions(config, bind, err) : status;
}

/* ---- measures ---- */

static void add_plain(struct wr_schema *schema, const char *name, enum wr_type_kind kind) {
    schema->fields[schema->field_count++] = (struct wr_field){
        .name = name, .name_length = (uint32_t)strlen(name), .type = WR_TYPE(kind)};
}

/* The rows that totals are over: the input's columns, then for each variable that somebody tells
 * from others whether the row was taken as it. */
static int make_taken(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *tells = part(bind, "measures", "tells");
    config->told_count = wr_value_count(tells);
    config->tells = WR_ARENA_ARRAY(bind->arena, int32_t, config->told_count + 1);
    config->taken = wr_schema_new(bind->arena, input->field_count + config->told_count);
    if (config->tells == NULL || config->taken == NULL)
        return no_memory(err);
    memcpy(config->taken->fields, input->fields, input->field_count * sizeof *input->fields);
    config->taken->field_count = input->field_count;
    for (uint32_t i = 0; i < config->told_count; i++) {
        char *name = wr_arena_alloc(bind->arena, 8);
        if (name == NULL)
            return no_memory(err);
        config->tells[i] = (int32_t)wr_value_at(tells, i)->integer;
        int variable = config->tells[i];
        name[0] = 1, name[1] = 'v', name[2] = 2; /* as stdlib/weir/row_pattern.lua has it */
        uint32_t length = 3;
        if (variable >= 10)
            name[length++] = (char)('0' + variable / 10);
        name[length++] = (char)('0' + variable % 10);
        name[length] = 0;
        add_plain(config->taken, name, WR_BOOL);
    }
    return WR_OK;
}

/* States of totals lie in a table of their own while matches leave. */
static int lay_out_states(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    if (config->totals == NULL)
        return WR_OK;
    const struct wr_shape *shape = &config->totals->shape;
    struct wr_cell *cells = WR_ARENA_ARRAY(bind->arena, struct wr_cell, shape->cell_count + 1);
    if (cells == NULL)
        return no_memory(err);
    for (uint32_t c = 0; c < shape->cell_count; c++) {
        cells[c] = shape->cells[c];
        cells[c].offset += MATCH_STATE_HEAD;
    }
    config->states_shape = (struct wr_shape){.key_bytes = MATCH_STATE_HEAD,
                                             .row_bytes = shape->row_bytes + MATCH_STATE_HEAD,
                                             .cell_count = shape->cell_count,
                                             .cells = cells};
    return WR_OK;
}

static int bind_measures(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *items = part(bind, "measures", "items");
    config->found_count = wr_value_count(part(bind, "measures", "picks"));
    config->sum_count = wr_value_count(part(bind, "measures", "calls"));
    config->numbers = (uint8_t)wr_value_bool(wr_value_get(bind->spec, "measures"), "numbers", 0);
    config->measured = wr_schema_new(bind->arena, input->field_count + config->found_count +
                                                      config->sum_count + 2);
    if (config->measured == NULL)
        return no_memory(err);
    memcpy(config->measured->fields, input->fields, input->field_count * sizeof *input->fields);
    config->measured->field_count = input->field_count;
    config->found = bind_picks(bind, part(bind, "measures", "picks"), config->measured);
    int status = config->found == NULL ? no_memory(err) : make_taken(config, bind, err);
    if (status == WR_OK)
        status = bind_calls(bind, config->taken, "measures", config->measured, &config->sums,
                            &config->totals, err);
    if (status == WR_OK)
        status = lay_out_states(config, bind, err);
    if (status != WR_OK || wr_value_count(items) == 0)
        return status;
    add_plain(config->measured, "\x01n", WR_INT64);
    add_plain(config->measured,
              "\x01"
              "c",
              WR_STRING);
    struct wr_scope scope = bind->scope;
    scope.input = config->measured;
    scope.flags &= WR_SCOPE_EVENT_TIME;
    return at_option(wr_list_bind(&config->measures, &scope, WR_LIST_DERIVE, items, err), err,
                     "measures");
}

/* ---- the output ---- */

static int check_measure(const struct wr_schema *schema, const struct wr_value *item, int all_rows,
                         struct wr_error *err) {
    const struct wr_value *name = wr_value_get(item, "name");
    if (wr_value_bool(item, "is_local", 0) || wr_schema_find(schema, name->string, name->count) < 0)
        return WR_OK;
    if (all_rows)
        wr_error_script(err, "W205", "`match` adds a column `%s`, which is there already",
                        name->string);
    else
        wr_error_script(err, "W105", "duplicate name `%s`", name->string);
    wr_error_at(err, "measures", (int)wr_value_int(item, "name_from", 0),
                (int)wr_value_int(item, "name_to", 0));
    wr_error_help(err, all_rows ? "give it another name"
                                : "group keys are in the result without being named");
    return WR_ESCRIPT;
}

static int make_output(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_value *items = part(bind, "measures", "items");
    uint32_t keys = config->layout.column_count;
    uint32_t measures = config->measures == NULL ? 0 : config->measures->item_count;
    config->lead = config->all_rows ? input->field_count : keys;
    struct wr_schema *schema = wr_schema_new(bind->arena, config->lead + measures);
    config->hidden = wr_schema_new(bind->arena, config->lead + measures + 1 + keys);
    if (schema == NULL || config->hidden == NULL)
        return no_memory(err);
    for (uint32_t c = 0; c < config->lead; c++) {
        const struct wr_item *key = config->all_rows ? NULL : &config->keys->items[c];
        schema->fields[c] = config->all_rows ? input->fields[c]
                                             : (struct wr_field){.name = key->name,
                                                                 .name_length = key->name_length,
                                                                 .type = key->type};
    }
    schema->field_count = config->lead;
    for (uint32_t i = 0; i < wr_value_count(items); i++) {
        int status = check_measure(schema, wr_value_at(items, i), config->all_rows, err);
        if (status != WR_OK)
            return status;
    }
    for (uint32_t i = 0; i < measures; i++) {
        const struct wr_item *item = &config->measures->items[i];
        schema->fields[schema->field_count++] = (struct wr_field){
            .name = item->name, .name_length = item->name_length, .type = item->type};
    }
    memcpy(config->hidden->fields, schema->fields, schema->field_count * sizeof *schema->fields);
    config->hidden->field_count = schema->field_count;
    add_plain(config->hidden, "\x01t", WR_TIMESTAMP);
    for (uint32_t k = 0; k < keys; k++)
        config->hidden->fields[config->hidden->field_count++] =
            (struct wr_field){.name = "\x01k", .type = config->layout.types[k]};
    bind->out.schema = schema;
    return WR_OK;
}

/* The columns of a row that are kept until its match is known. */
static int find_kept(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    uint32_t most = WR_MAX(config->seen->field_count, config->measured->field_count);
    most = WR_MAX(most, WR_MAX(config->wide->field_count, config->taken->field_count));
    uint64_t words = WR_BITS_WORDS(most + WR_HIDDEN_COUNT) + 1;
    config->kept = WR_ARENA_ZEROS(bind->arena, uint64_t, words);
    config->reads = WR_ARENA_ZEROS(bind->arena, uint64_t, words);
    if (config->kept == NULL || config->reads == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < config->condition_count; i++)
        if (config->conditions[i].looks_back || config->conditions[i].looks_ahead)
            wr_list_reads(config->conditions[i].list, config->kept);
    if (config->measures != NULL)
        wr_list_reads(config->measures, config->kept);
    if (config->totals != NULL)
        wr_list_reads(config->totals->inputs, config->kept);
    for (uint32_t c = config->input_count; c < words * 64; c++)
        wr_bit_clear(config->kept, c); /* those that are made, and not kept */
    for (uint32_t i = 0; i < config->lag_count; i++)
        wr_bit_set(config->kept, config->lags[i].column);
    for (uint32_t i = 0; i < config->pick_count; i++)
        wr_bit_set(config->kept, config->picks[i].column);
    for (uint32_t i = 0; i < config->found_count; i++)
        wr_bit_set(config->kept, config->found[i].column);
    for (uint32_t i = 0; i < config->condition_count; i++)
        wr_list_reads(config->conditions[i].list, config->reads);
    if (config->aggregates != NULL)
        wr_list_reads(config->aggregates->inputs, config->reads);
    if (config->keys != NULL)
        wr_list_reads(config->keys, config->reads);
    for (uint64_t w = 0; w < words; w++)
        config->reads[w] |= config->kept[w];
    uint32_t items = config->aggregates == NULL ? 0 : config->aggregates->inputs->item_count;
    for (uint32_t i = 0; i < items; i++)
        wr_bit_set(config->kept, config->call_columns[i]);
    return WR_OK;
}

static int check_time(struct match_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    const struct wr_value *within = wr_value_get(bind->spec, "within");
    config->within_us = within == NULL ? INT64_MAX : within->integer;
    if (!in->has_time) {
        wr_error_script(err, "W301", "no event time: add `:event_time \"…\"` before `match`");
        wr_error_help(err, "rows follow each other in the order of event time");
        return WR_ESCRIPT;
    }
    if (within == NULL && !in->bounded && !wr_value_bool(bind->spec, "forever", 0)) {
        wr_error_script(err, "W304",
                        "state grows without bound: an attempt of `match` may never "
                        "end");
        wr_error_help(err, "add `within = \"1h\"` (or \"forever\")");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

int match_bind(struct wr_bind *bind, struct wr_error *err) {
    struct match_config *config = WR_ARENA_ZEROS(bind->arena, struct match_config, 1);
    if (config == NULL)
        return no_memory(err);
    const struct wr_value *after = wr_value_get(bind->spec, "after");
    const char *kind = wr_value_string(after, "kind", "past last");
    config->after = strcmp(kind, "next") == 0    ? MATCH_NEXT
                    : strcmp(kind, "first") == 0 ? MATCH_FIRST
                    : strcmp(kind, "last") == 0  ? MATCH_LAST
                                                 : MATCH_PAST_LAST;
    config->after_variable = (uint32_t)wr_value_int(after, "variable", 0);
    config->all_rows = (uint8_t)wr_value_bool(bind->spec, "all", 0);
    config->input_count = bind->inputs[0]->schema->field_count;
    int status = check_time(config, bind, err);
    if (status == WR_OK)
        status = bind_program(config, bind, err);
    if (status == WR_OK)
        status = bind_keys(config, bind, err);
    if (status == WR_OK)
        status = bind_define(config, bind, err);
    if (status == WR_OK)
        status = bind_measures(config, bind, err);
    if (status == WR_OK)
        status = make_output(config, bind, err);
    if (status == WR_OK)
        status = find_kept(config, bind, err);
    if (status != WR_OK)
        return status;
    bind->out.key_count = 0;
    bind->out.order = WR_ORDER_FIRING;
    bind->out.max_delay_us = config->within_us == INT64_MAX ? WR_DELAY_UNKNOWN : config->within_us;
    bind->config = config;
    return WR_OK;
}
