/* join_bind.c: what a script says of `join`: keys, which rows may meet, how long they are kept,
 * columns of the result. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/join.h"
#include "base/banned.h"

#define WIDTH_MIN_US 1000000   /* of a slice: 1 s */
#define WIDTH_OPEN_US 10000000 /* where each row has an end of its own */
#define SLICES_AT_A_TIME 8

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

/* ---- columns ---- */

static int add_right(struct wr_bind *bind, struct join_config *config, uint32_t c,
                     struct wr_error *err) {
    struct wr_schema *schema = (struct wr_schema *)(uintptr_t)config->joined.schema;
    config->joined.items[schema->field_count] =
        (struct join_column){.from = JOIN_FROM_RIGHT, .column = c, .twin = -1};
    return equi_add_right(bind, schema, c, err);
}

static int window_taken(const char *name, struct wr_error *err) {
    wr_error_script(err, "W205", "column `%s` exists on both sides", name);
    wr_error_help(err, "`join` adds it under a window: `rename` that one");
    return WR_ESCRIPT;
}

static int add_windows(struct join_columns *columns, struct wr_error *err) {
    static const char *const names[] = {"window_start", "window_end"};
    struct wr_schema *schema = (struct wr_schema *)(uintptr_t)columns->schema;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t length = (uint32_t)strlen(names[i]);
        if (wr_schema_find(schema, names[i], length) >= 0)
            return window_taken(names[i], err);
        columns->items[schema->field_count] =
            (struct join_column){.from = i == 0 ? JOIN_WINDOW_START : JOIN_WINDOW_END, .twin = -1};
        schema->fields[schema->field_count++] = (struct wr_field){.name = names[i],
                                                                  .name_length = length,
                                                                  .type = WR_TYPE(WR_TIMESTAMP),
                                                                  .ends_window = i == 1};
    }
    return WR_OK;
}

static int left_columns(struct wr_bind *bind, struct join_config *config,
                        struct join_columns *columns) {
    const struct wr_schema *left = config->sides[0];
    uint32_t room = left->field_count + config->sides[1]->field_count + 2;
    struct wr_schema *schema = wr_schema_new(bind->arena, room);
    columns->items = WR_ARENA_ZEROS(bind->arena, struct join_column, room);
    if (schema == NULL || columns->items == NULL)
        return WR_ENOMEM;
    memcpy(schema->fields, left->fields, left->field_count * sizeof *left->fields);
    schema->field_count = left->field_count;
    columns->schema = schema;
    for (uint32_t c = 0; c < left->field_count; c++) {
        columns->items[c] = (struct join_column){.from = JOIN_FROM_LEFT, .column = c, .twin = -1};
        if (config->how == JOIN_RIGHT || config->how == JOIN_FULL)
            schema->fields[c].key = schema->fields[c].required = 0;
    }
    return WR_OK;
}

/* Where rows of the right side leave alone, a key that is a column on both sides is theirs too. */
static int find_twins(struct join_config *config, struct wr_error *err) {
    if (config->how != JOIN_RIGHT && config->how != JOIN_FULL)
        return WR_OK;
    for (uint32_t r = 0; r < config->sides[1]->field_count; r++) {
        int32_t l = config->equi.twins[r];
        if (l < 0)
            continue;
        const struct wr_type *a = &config->sides[0]->fields[l].type;
        const struct wr_type *b = &config->sides[1]->fields[r].type;
        if (!wr_type_equal(a, b)) {
            char x[64], y[64];
            wr_error_script(err, "W104", "the key column would be %s and %s",
                            wr_type_text(a, x, sizeof x), wr_type_text(b, y, sizeof y));
            wr_error_at(err, "on", 0, 0);
            wr_error_help(err, "convert one of them before the join");
            return WR_ESCRIPT;
        }
        config->joined.items[l].twin = (int32_t)r;
    }
    return WR_OK;
}

static int bind_columns(struct wr_bind *bind, struct join_config *config, struct wr_error *err) {
    if (left_columns(bind, config, &config->joined) != WR_OK ||
        left_columns(bind, config, &config->result) != WR_OK)
        return no_memory(err);
    int status = find_twins(config, err);
    for (uint32_t c = 0; c < config->sides[1]->field_count && status == WR_OK; c++)
        if (config->equi.twins[c] < 0 &&
            (join_wants_pairs(config) || wr_value_get(bind->spec, "where") != NULL))
            status = add_right(bind, config, c, err);
    if (status == WR_OK && config->windowed)
        status = add_windows(&config->joined, err);
    if (status == WR_OK && config->windowed && !join_wants_pairs(config))
        status = add_windows(&config->result, err);
    if (join_wants_pairs(config))
        config->result = config->joined;
    return status;
}

/* What shards are merged by, behind the result: slice, side, key. */
static int bind_wide(struct wr_bind *bind, struct join_config *config) {
    const struct wr_schema *result = config->result.schema;
    uint32_t count = result->field_count + 2 + config->layout.column_count;
    struct wr_schema *wide = wr_schema_new(bind->arena, count);
    if (wide == NULL)
        return WR_ENOMEM;
    memcpy(wide->fields, result->fields, result->field_count * sizeof *wide->fields);
    wide->field_count = count;
    for (uint32_t c = result->field_count; c < count; c++)
        wide->fields[c] = (struct wr_field){.name = "", .type = WR_TYPE(WR_INT64)};
    for (uint32_t k = 0; k < config->layout.column_count; k++)
        wide->fields[result->field_count + 2 + k].type = config->layout.types[k];
    config->wide = wide;
    return WR_OK;
}

/* The key of a pair is both keys; of those of the right side that are in `on` nothing is new. */
static void bind_key(struct wr_bind *bind, const struct join_config *config) {
    if (!join_wants_pairs(config))
        return; /* the left one stays */
    const struct wr_stream *right = bind->inputs[1];
    uint32_t count = right->key_count == 0 ? 0 : bind->out.key_count;
    for (uint32_t k = 0; k < right->key_count && count > 0; k++) {
        if (config->equi.twins[right->key[k]] >= 0)
            continue;
        for (uint32_t c = 0; c < config->joined.schema->field_count; c++)
            if (config->joined.items[c].from == JOIN_FROM_RIGHT &&
                config->joined.items[c].column == right->key[k] && count < WR_KEY_FIELDS_MAX)
                bind->out.key[count++] = (uint16_t)c;
    }
    bind->out.key_count = count;
}

/* ---- which rows meet ---- */

static int no_time(const char *arg, struct wr_error *err) {
    wr_error_script(err, "W301", "no event time: `join` needs it on both sides here");
    wr_error_at(err, arg, 0, 0);
    wr_error_help(err, "add `:event_time \"…\"` to both streams");
    return WR_ESCRIPT;
}

static int bind_bounds(struct wr_bind *bind, struct join_config *config, struct wr_error *err) {
    const struct wr_value *within = wr_value_get(bind->spec, "within");
    const struct wr_value *items = wr_value_get(within, "bounds");
    config->lo_item = config->hi_item = -1;
    config->lo_us = wr_value_int(within, "lo", 0);
    config->hi_us = wr_value_int(within, "hi", 0);
    if (items == NULL || wr_value_count(items) == 0)
        return WR_OK;
    int status = wr_list_bind(&config->bounds, &bind->scope, WR_LIST_SELECT, items, err);
    if (status != WR_OK) {
        wr_error_at(err, "within", err == NULL ? 0 : err->from, err == NULL ? 0 : err->to);
        return status;
    }
    for (uint32_t i = 0; i < config->bounds->item_count; i++) {
        const struct wr_item *item = &config->bounds->items[i];
        if (item->type.kind != WR_TIMESTAMP) {
            char text[64];
            wr_error_script(err, "W104", "a bound of `within` is a timestamp or a duration, not %s",
                            wr_type_text(&item->type, text, sizeof text));
            wr_error_at(err, "within", 0, 0);
            return WR_ESCRIPT;
        }
        *(strcmp(item->name, "$lo") == 0 ? &config->lo_item : &config->hi_item) = (int32_t)i;
    }
    return WR_OK;
}

static int is_outer(const struct join_config *config) {
    return join_wants_alone(config, 0) || join_wants_alone(config, 1);
}

static int bind_emit(struct wr_bind *bind, struct join_config *config, struct wr_error *err) {
    int updates = config->updates[0] || config->updates[1];
    int bounded = bind->inputs[0]->bounded && bind->inputs[1]->bounded;
    int ends = bounded || config->interval || config->windowed;
    const struct wr_value *emit = wr_value_get(bind->spec, "emit");
    const char *mode = wr_value_string(emit, "mode", updates || !ends ? "update" : "final");
    const char *problem = NULL;
    if (wr_value_int(emit, "every", 0) > 0 || strcmp(mode, "delta") == 0)
        problem = "`join` has no `every` and no `delta`";
    else if (strcmp(mode, "final") == 0 && updates && is_outer(config))
        problem = "a join of a changelog has no final result";
    else if (strcmp(mode, "final") == 0 && !ends && config->retain_us < 0 && is_outer(config))
        problem = "rows that meet none are never known: `retain` is \"forever\"";
    if (problem != NULL) {
        wr_error_script(err, "W203", "%s", problem);
        wr_error_at(err, "emit", 0, 0);
        return WR_ESCRIPT;
    }
    config->update = strcmp(mode, "update") == 0 && is_outer(config);
    return WR_OK;
}

static int check_state(struct wr_bind *bind, struct join_config *config, struct wr_error *err) {
    const struct wr_stream *left = bind->inputs[0], *right = bind->inputs[1];
    int bounded = left->bounded && right->bounded, timed = left->has_time && right->has_time;
    int forever = wr_value_bool(bind->spec, "forever", 0);
    config->timed = (uint8_t)timed;
    if ((config->interval || config->windowed || config->retain_us >= 0) && !timed)
        return no_time(config->interval ? "within" : config->windowed ? "window" : "retain", err);
    if (!bounded && !timed)
        return no_time("1", err);
    if (config->interval || config->windowed || config->retain_us >= 0 || forever || bounded ||
        (left->updates && right->updates))
        return WR_OK;
    wr_error_script(err, "W304", "state grows without bound: `join` keeps every row");
    wr_error_help(err, "add `within = \"1h\"`, or `retain = \"1d\"` (or \"forever\")");
    return WR_ESCRIPT;
}

static int64_t least_width(int64_t span_us, int64_t delay_us, int64_t least_us) {
    int64_t span = WR_MIN(span_us, INT64_MAX / 4) + WR_MIN(delay_us, INT64_MAX / 4);
    return WR_MAX(span / SLICES_AT_A_TIME, least_us);
}

/* How wide slices are, and by how much rows that meet none come behind the frontier. */
static void set_widths(struct wr_bind *bind, struct join_config *config) {
    int64_t delay = WR_MAX(bind->inputs[0]->max_delay_us, bind->inputs[1]->max_delay_us);
    int64_t known = delay == WR_DELAY_UNKNOWN ? 0 : delay;
    int64_t left = 0, right = 0, width = 0; /* how long a row is kept; of slices */
    if (config->windowed) {
        width = 1; /* a slice for each end of windows */
        left = right = -1;
    } else if (config->interval) {
        int64_t back = config->lo_us == WR_TIME_MIN ? WR_TIME_MAX : -config->lo_us;
        left = config->hi_item >= 0 ? WR_TIME_MAX : WR_MAX(config->hi_us, 0);
        right = config->lo_item < 0 ? WR_MAX(back, 0) : WR_MAX(config->retain_us, 0);
        int64_t span = config->hi_item >= 0 ? 0 : wr_time_add(left, right);
        width = least_width(span, known, config->hi_item >= 0 ? WIDTH_OPEN_US : WIDTH_MIN_US);
    } else if (config->retain_us >= 0) {
        left = right = config->retain_us;
        width = least_width(left, known, WIDTH_MIN_US);
    } else {
        left = right = WR_TIME_MAX;
    }
    config->widths_us[0] = config->widths_us[1] = width;
    int updates = config->updates[0] || config->updates[1];
    if (config->interval && config->hi_item >= 0 && !is_outer(config) && !updates)
        config->widths_us[1] = least_width(right, known, WIDTH_MIN_US);
    int64_t lag_left = wr_time_add(left, width);
    int64_t lag_right = wr_time_add(right, width);
    int64_t lag = 0;
    if (!config->update && join_wants_alone(config, 0))
        lag = WR_MAX(lag, lag_left);
    if (!config->update && join_wants_alone(config, 1))
        lag = WR_MAX(lag, lag_right);
    if (config->time != JOIN_LATER)
        lag = WR_MAX(lag, config->time == JOIN_TIME_LEFT ? left : right);
    config->lag_us = lag;
    config->left_stays_us = left;
    bind->out.max_delay_us = WR_DELAY_UNKNOWN;
    int64_t ahead = !config->windowed                        ? 0
                    : config->window.kind != WINDOW_CALENDAR ? config->window.size_us
                                                             : WR_TIME_MAX;
    int64_t behind = wr_time_add(delay, lag);
    /* Rows without a match wait for the frontier of the other side, however far that is behind. */
    int waits = !config->update && (join_wants_alone(config, 0) || join_wants_alone(config, 1));
    if (!waits && delay != WR_DELAY_UNKNOWN && lag < WR_TIME_MAX / 2 && ahead < WR_TIME_MAX / 4)
        bind->out.max_delay_us = wr_time_add(behind, ahead);
}

/* Whether rows meet only those of the same window, which ends with this column of the left side. */
static int is_window_of_both(const struct join_config *config, uint32_t column) {
    const struct wr_list *const *keys = (const struct wr_list *const *)config->equi.keys;
    for (uint32_t k = 0; k < keys[0]->item_count; k++) {
        int32_t right = keys[1]->items[k].column;
        if (keys[0]->items[k].column == (int32_t)column && right >= 0 &&
            config->sides[0]->fields[column].ends_window &&
            config->sides[1]->fields[right].ends_window)
            return 1;
    }
    return 0;
}

/* A column of the left side says when its window is complete only where its rows do not meet
 * others long after that: those of the same window, or before the frontier has come so far. */
static void keep_window_ends(const struct join_config *config, struct join_columns *columns) {
    struct wr_schema *schema = (struct wr_schema *)(uintptr_t)columns->schema;
    int in_time = config->widths_us[0] > 0 && config->left_stays_us <= config->lag_us &&
                  config->how != JOIN_RIGHT && config->how != JOIN_FULL;
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (columns->items[c].from == JOIN_FROM_LEFT &&
            (config->windowed ||
             (!in_time && !is_window_of_both(config, columns->items[c].column))))
            schema->fields[c].ends_window = 0;
}

static int bind_options(struct wr_bind *bind, struct join_config *config, struct wr_error *err) {
    static const char *const hows[] = {"inner", "left", "right", "full", "semi", "anti"};
    static const char *const times[] = {"later", "left", "right"};
    const char *how = wr_value_string(bind->spec, "how", "inner");
    const char *time = wr_value_string(bind->spec, "time", "later");
    const struct wr_value *window = wr_value_get(bind->spec, "window");
    for (size_t i = 0; i < WR_COUNT(hows); i++)
        if (strcmp(hows[i], how) == 0)
            config->how = (enum join_how)i;
    for (size_t i = 0; i < WR_COUNT(times); i++)
        if (strcmp(times[i], time) == 0)
            config->time = (enum join_time)i;
    config->interval = wr_value_get(bind->spec, "within") != NULL;
    config->windowed = window != NULL;
    config->retain_us = wr_value_int(bind->spec, "retain", -1);
    int status = window_of_rows(&config->window, bind, "join", err);
    if (status != WR_OK || (!config->windowed || wr_value_int(window, "allowed_lateness", 0) == 0))
        return status;
    wr_error_script(err, "W203", "`join` under a window has no `allowed_lateness`");
    wr_error_at(err, "window", 0, 0);
    return WR_ESCRIPT;
}

static int bind_where(struct wr_bind *bind, struct join_config *config, struct wr_error *err) {
    const struct wr_value *where = wr_value_get(bind->spec, "where");
    if (where == NULL)
        return WR_OK;
    struct wr_scope scope = bind->scope;
    scope.input = config->joined.schema;
    scope.flags = 0;
    int status = wr_list_bind(&config->where, &scope, WR_LIST_CONDITION, where, err);
    if (status != WR_OK) {
        wr_error_at(err, "where", err == NULL ? 0 : err->from, err == NULL ? 0 : err->to);
        return status;
    }
    size_t words = WR_BITS_WORDS(scope.input->field_count + WR_HIDDEN_COUNT);
    config->where_reads = WR_ARENA_ZEROS(bind->arena, uint64_t, words);
    if (config->where_reads == NULL)
        return no_memory(err);
    wr_list_reads(config->where, config->where_reads);
    return WR_OK;
}

static int bind_layout(struct join_config *config) {
    if (!config->windowed) {
        config->layout = config->equi.layout;
        return WR_OK;
    }
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    uint32_t count = config->equi.layout.column_count;
    if (count == WR_KEY_COLUMNS_MAX)
        return WR_ELIMIT;
    memcpy(types, config->equi.types, count * sizeof *types);
    types[count] = WR_TYPE(WR_TIMESTAMP);
    return wr_key_layout_init(&config->layout, types, count + 1, 1);
}

int join_bind(struct wr_bind *bind, struct wr_error *err) {
    struct join_config *config = WR_ARENA_ZEROS(bind->arena, struct join_config, 1);
    if (config == NULL)
        return no_memory(err);
    if (bind->input_count != 2)
        return wr_error_script(err, "W210", "`join` takes two streams");
    for (uint32_t side = 0; side < 2; side++) {
        config->sides[side] = bind->inputs[side]->schema;
        config->updates[side] = bind->inputs[side]->updates;
    }
    int status = bind_options(bind, config, err);
    if (status == WR_OK)
        status = equi_bind(&config->equi, bind, "join", err);
    if (status == WR_OK)
        status = bind_bounds(bind, config, err);
    if (status == WR_OK)
        status = check_state(bind, config, err);
    if (status == WR_OK)
        status = bind_emit(bind, config, err);
    if (status == WR_OK)
        status = bind_columns(bind, config, err);
    if (status == WR_OK)
        status = bind_where(bind, config, err);
    if (status != WR_OK)
        return status;
    if (bind_layout(config) != WR_OK || bind_wide(bind, config) != WR_OK)
        return no_memory(err);
    bind->out.schema = config->result.schema;
    bind->out.has_time = config->timed;
    bind->out.bounded = bind->inputs[0]->bounded && bind->inputs[1]->bounded;
    bind->out.updates = config->update || config->updates[0] || config->updates[1];
    bind->out.corrects_us =
        config->update ? WR_TIME_MAX
                       : WR_MAX(bind->inputs[0]->corrects_us, bind->inputs[1]->corrects_us);
    set_widths(bind, config);
    keep_window_ends(config, &config->joined);
    keep_window_ends(config, &config->result);
    bind_key(bind, config);
    bind->config = config;
    return WR_OK;
}

/* ---- what it reads and keeps ---- */

void join_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                const uint64_t *wanted, uint64_t *columns) {
    const struct join_config *self = config;
    (void)input;
    for (uint32_t c = 0; c < self->result.schema->field_count; c++) {
        const struct join_column *item = &self->result.items[c];
        if (!wr_bit_get(wanted, c))
            continue;
        if (item->from == (enum join_from)input_number)
            wr_bit_set(columns, item->column);
        if (item->twin >= 0 && input_number == 1)
            wr_bit_set(columns, (uint32_t)item->twin);
    }
    wr_list_reads(self->equi.keys[input_number], columns);
    if (input_number == 0 && self->bounds != NULL)
        wr_list_reads(self->bounds, columns);
    uint32_t count = self->where == NULL ? 0 : self->joined.schema->field_count;
    for (uint32_t c = 0; c < count; c++) {
        const struct join_column *item = &self->joined.items[c];
        if (wr_bit_get(self->where_reads, c) && item->from == (enum join_from)input_number)
            wr_bit_set(columns, item->column);
        if (wr_bit_get(self->where_reads, c) && item->twin >= 0 && input_number == 1)
            wr_bit_set(columns, (uint32_t)item->twin);
    }
}

struct wr_value *join_explain(const void *config, struct wr_arena *arena) {
    const struct join_config *self = config;
    const char *state = "all rows of both sides";
    if (self->windowed)
        state = "rows of open windows";
    else if (self->interval && self->hi_item >= 0)
        state = "left rows until their upper bound, right rows from the lower bound on";
    else if (self->interval)
        state = "rows of both sides as long as the interval";
    else if (self->retain_us >= 0)
        state = "rows of both sides as long as `retain`";
    return wr_op_explain(arena, self->equi.keys[0], state);
}
