/* agg_bind.c: what a script says of `agg`, its group, window and emission. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/agg.h"
#include "base/banned.h"

/* A key that ends a window still does where its group leaves with the rows of that window: at once,
 * or when this very time has come. */
static void keep_window_ends(const struct agg_config *config, const struct wr_bind *bind) {
    const struct wr_aggregates *aggregates = config->aggregates;
    const struct wr_schema *input = bind->inputs[0]->schema;
    struct wr_schema *result = (struct wr_schema *)(uintptr_t)aggregates->result;
    int at_once = config->changes && config->every_us == 0 && !config->ends_at;
    for (uint32_t k = 0; k < aggregates->key_count && !config->windowed; k++) {
        int32_t column = aggregates->inputs->items[k].column;
        if (column >= 0 && input->fields[column].ends_window)
            result->fields[k].ends_window =
                (uint8_t)(at_once || (config->ends_at && config->own->items[0].column == column));
    }
}

static int map_results(struct agg_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_aggregates *aggregates = config->aggregates;
    uint32_t lead = (config->windowed ? 2 : 0) + aggregates->key_count;
    uint32_t count = aggregates->result->field_count;
    config->from = WR_ARENA_ARRAY(bind->arena, int32_t, count + 1);
    if (config->from == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t c = 0; c < count; c++) {
        const struct wr_item *item = c < lead ? NULL : &aggregates->items->items[c - lead];
        config->from[c] = item == NULL        ? (int32_t)c
                          : item->column >= 0 ? item->column
                                              : -1 - item->output;
    }
    bind->out.schema = aggregates->result;
    bind->out.key_count = 0;
    for (uint32_t c = 0; c < lead && c < WR_KEY_FIELDS_MAX; c++)
        bind->out.key[bind->out.key_count++] = (uint16_t)c;
    int changes = config->changes = config->mode == AGG_UPDATE || config->lateness_us > 0;
    keep_window_ends(config, bind);
    /* Without a window a result that leaves at once has the time of the row that changed it. */
    bind->out.has_time = config->windowed || config->ends_at ||
                         (changes && config->every_us == 0 && bind->inputs[0]->has_time);
    bind->out.max_delay_us = changes ? WR_DELAY_UNKNOWN : 0;
    bind->out.order = WR_ORDER_FIRING;
    bind->out.updates = (uint8_t)changes;
    bind->settles = !changes;
    if (config->windowed) /* what a count window ends with is no frontier */
        bind->out.corrects_us =
            config->window.kind == WINDOW_COUNT ? WR_TIME_MAX : config->lateness_us;
    bind->out.repeatable &= !config->by_clock;
    if (config->windowed && config->window.kind == WINDOW_COUNT) {
        bind->out.has_time = bind->inputs[0]->has_time;
        bind->out.max_delay_us = WR_DELAY_UNKNOWN;
        bind->out.repeatable = 0;
    }
    return WR_OK;
}

static int bad_mode(const char *mode, struct wr_error *err) {
    wr_error_script(err, "W203", "no emission `%s`", mode);
    wr_error_at(err, "emit", 0, 0);
    return WR_ESCRIPT;
}

/* When results leave. Without a word: once, or as they change where the input itself changes. */
static int read_emit(struct agg_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    const struct wr_value *emit = wr_value_get(bind->spec, "emit");
    const char *mode = wr_value_string(emit, "mode", in->updates ? "update" : "final");
    config->mode = strcmp(mode, "final") == 0    ? AGG_FINAL
                   : strcmp(mode, "update") == 0 ? AGG_UPDATE
                                                 : AGG_DELTA;
    if (config->mode == AGG_DELTA && strcmp(mode, "delta") != 0)
        return bad_mode(mode, err);
    config->every_us = wr_value_int(emit, "every", 0);
    config->by_clock = strcmp(wr_value_string(emit, "clock", "event"), "processing") == 0;
    if (config->mode == AGG_DELTA && config->every_us == 0) {
        wr_error_script(err, "W203", "emission `delta` needs `every`");
        wr_error_at(err, "emit", 0, 0);
        wr_error_help(err, "what came since when? `:emit(\"delta\", { every = \"10s\" })`");
        return WR_ESCRIPT;
    }
    if (config->mode == AGG_DELTA && in->updates) {
        wr_error_script(err, "W305", "emission `delta` does not take updates");
        wr_error_at(err, "emit", 0, 0);
        wr_error_help(err, "`:emit \"update\"` does");
        return WR_ESCRIPT;
    }
    if (config->mode == AGG_FINAL && config->every_us > 0) {
        wr_error_script(err, "W203", "emission `final` has no `every`: it happens once");
        wr_error_at(err, "emit", 0, 0);
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int check_time(const struct agg_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    int needs_time = config->windowed
                         ? config->window.kind != WINDOW_COUNT
                         : (config->every_us > 0 && !config->by_clock) || config->ends_at;
    if (needs_time && !in->has_time) {
        wr_error_script(err, "W301", "no event time: add `:event_time \"…\"` before %s",
                        config->windowed ? "the window" : "`emit`");
        wr_error_at(err, config->windowed ? "window" : "emit", 0, 0);
        return WR_ESCRIPT;
    }
    if (!config->windowed && !config->ends_at && !in->bounded && config->mode == AGG_FINAL) {
        wr_error_script(err, "W303", "this `agg` never ends");
        wr_error_help(err, "add a window: `:window(weir.tumbling \"1m\")`, or `:emit \"update\"`; "
                           "`:emit(\"final\", { at = … })` where a group ends at a time");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

/* Sessions and count windows: what they do not have. */
static int check_own_windows(struct agg_config *config, struct wr_bind *bind,
                             struct wr_error *err) {
    int is_session = config->window.kind == WINDOW_SESSION;
    const char *name = is_session ? "session" : "count";
    if (bind->inputs[0]->updates) {
        wr_error_script(err, "W305", "a %s window does not take updates", name);
        wr_error_at(err, "window", 0, 0);
        wr_error_help(err, "add `:changes()` before it: each change becomes a row, with `op` = "
                           "insert, update or delete");
        return WR_ESCRIPT;
    }
    if (config->mode == AGG_DELTA || config->every_us > 0 ||
        (config->mode == AGG_UPDATE && !is_session)) {
        wr_error_script(err, "W203", "a %s window %s", name,
                        is_session ? "emits `final`, or each `update`" : "emits `final` only");
        wr_error_at(err, "emit", 0, 0);
        return WR_ESCRIPT;
    }
    if (config->lateness_us > 0 && !is_session) {
        wr_error_script(err, "W203", "a count window has no `allowed_lateness`");
        wr_error_at(err, "window", 0, 0);
        wr_error_help(err, "it takes every row that comes");
        return WR_ESCRIPT;
    }
    return config->window.gap == NULL
               ? WR_OK
               : window_bind_gap(&config->own, &config->window, &bind->scope, "window", err);
}

int agg_bind(struct wr_bind *bind, struct wr_error *err) {
    struct agg_config *config = WR_ARENA_ZEROS(bind->arena, struct agg_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    const struct wr_value *window = wr_value_get(bind->spec, "window");
    int takes_back = bind->inputs[0]->updates;
    config->windowed = window != NULL;
    config->lateness_us = config->keeps_us = wr_value_int(window, "allowed_lateness", 0);
    config->has_time = bind->inputs[0]->has_time;
    int status = read_emit(config, bind, err);
    if (status == WR_OK && window != NULL)
        status = window_from_value(&config->window, bind->arena, window, err);
    if (status == WR_OK && wr_value_get(wr_value_get(bind->spec, "emit"), "at") != NULL)
        status = agg_own_bind(config, bind, err);
    if (status == WR_OK)
        status = check_time(config, bind, err);
    if (status == WR_OK && window != NULL && !window_is_aligned(&config->window))
        status = check_own_windows(config, bind, err);
    if (status != WR_OK)
        return status;
    config->by_window = config->mode != AGG_FINAL || config->lateness_us > 0 || takes_back;
    unsigned flags = (config->windowed ? WR_AGGREGATES_WINDOWED : 0u) |
                     (takes_back ? WR_AGGREGATES_RETRACT : 0u) | WR_AGGREGATES_SHARE;
    status =
        wr_aggregates_bind(&config->aggregates, &bind->scope, wr_value_get(bind->spec, "group_by"),
                           wr_value_get(bind->spec, "items"), flags, err);
    if (status != WR_OK)
        return status;
    config->flat = status == WR_OK && wr_aggregates_in_row(config->aggregates);
    if (config->ends_at || (window != NULL && !window_is_aligned(&config->window)))
        status = agg_shapes_bind(&config->shapes, bind->arena, config->aggregates, err);
    if (status == WR_OK && config->every_us > 0 && config->mode == AGG_UPDATE)
        status = agg_every_bind(config, bind->arena, err);
    bind->config = config;
    return status != WR_OK ? status : map_results(config, bind, err);
}
