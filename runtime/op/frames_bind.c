/* frames_bind.c: what a script says of a grouped `derive`. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/time.h"
#include "op/frames.h"
#include "base/banned.h"

#define STATE_BYTES 192 /* of what explain says */

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

static int refuse(struct wr_error *err, const char *code, const char *arg, const char *message,
                  const char *help) {
    wr_error_script(err, code, "%s", message);
    wr_error_at(err, arg, 0, 0);
    wr_error_help(err, "%s", help);
    return WR_ESCRIPT;
}

static int bind_mode(struct frames_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    const struct wr_value *emit = wr_value_get(bind->spec, "emit");
    const struct wr_value *window = wr_value_get(bind->spec, "window");
    const char *mode = wr_value_string(emit, "mode", in->updates ? "update" : "final");
    int arrival = strcmp(wr_value_string(bind->spec, "order", "time"), "arrival") == 0;
    config->has_time = in->has_time;
    config->retracts = in->updates;
    if (strcmp(mode, "delta") == 0 || wr_value_int(emit, "every", 0) > 0)
        return refuse(err, "W203", "emit", "`derive` has no emission `delta`, nor `every`",
                      "`:emit \"update\"` corrects rows when others come; without it they leave "
                      "once");
    if (window != NULL) {
        config->mode = FRAMES_WINDOW;
        if (in->updates)
            return refuse(err, "W305", "window", "`derive` under a window does not take updates",
                          "add `:changes()` before it: each change becomes a row, with `op`");
        if (strcmp(mode, "update") == 0)
            return refuse(err, "W203", "emit", "`derive` under a window emits `final` only",
                          "its rows leave when the window closes");
        if (wr_value_int(window, "allowed_lateness", 0) > 0)
            return refuse(err, "W203", "window",
                          "`allowed_lateness` of the window of a `derive` is not in this version",
                          "its rows leave once, when the window closes");
        if (arrival)
            return refuse(err, "W203", "order", "under a window rows leave when it closes",
                          "leave `order` out");
        int status = window_of_rows(&config->window, bind, "derive", err);
        if (status == WR_OK && !in->has_time)
            status = refuse(err, "W301", "window",
                            "no event time: add `:event_time \"…\"` before the window", "");
        return status;
    }
    if (strcmp(mode, "update") == 0) {
        config->mode = FRAMES_UPDATE;
        if (arrival)
            return refuse(err, "W203", "order",
                          "`order = \"arrival\"` never corrects, `update` does",
                          "leave one of them out");
        return WR_OK;
    }
    if (in->updates)
        return refuse(err, "W305", "emit", "`derive` gives updates of updates",
                      "leave `:emit \"final\"` out, or add `:changes()` before it");
    config->mode = in->has_time && !arrival ? FRAMES_TIME : FRAMES_ARRIVAL;
    return WR_OK;
}

/* How far calls look. */
static int measure(struct frames_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_frames *frames = config->frames;
    int late_order = config->mode == FRAMES_ARRIVAL && config->has_time;
    config->span_us = -1;
    config->keeps = config->mode == FRAMES_UPDATE;
    config->recomputed = WR_ARENA_ZEROS(bind->arena, uint8_t, frames->aggregate_count + 1);
    if (config->recomputed == NULL)
        return no_memory(err);
    for (uint32_t f = 1; f < frames->frame_count; f++) {
        const struct wr_frame *frame = &frames->frames[f];
        if (frame->kind == WR_FRAME_TIME)
            config->span_us = WR_MAX(config->span_us, frame->span);
        else
            config->rows_max = WR_MAX(config->rows_max, frame->span - 1);
        config->keeps = 1;
    }
    config->forgets = config->span_us >= 0 && config->rows_max == 0;
    for (uint32_t i = 0; i < frames->call_count; i++) {
        const struct wr_frame_call *call = &frames->calls[i];
        config->forgets &= call->kind == WR_FRAME_AGGREGATE && call->frame > 0;
        if (call->kind == WR_FRAME_LAG && call->distance < 0 && late_order) {
            wr_error_script(err, "W203",
                            "`lead` waits for a later row, `order = \"arrival\"` never");
            wr_error_at(err, "1", call->from, call->to);
            wr_error_help(err,
                          "leave `order` out, or `:emit \"update\"`: nil first, then corrected");
            return WR_ESCRIPT;
        }
        if (call->kind == WR_FRAME_LAG) {
            config->keeps = 1;
            config->lag_max = WR_MAX(config->lag_max, call->distance);
            config->lead_max = WR_MAX(config->lead_max, -call->distance);
        }
        if (call->kind == WR_FRAME_AGGREGATE && call->frame > 0) {
            const struct wr_aggregate *aggregate = &frames->aggregates[call->aggregate];
            config->recomputed[call->aggregate] =
                aggregate->inner != NULL || aggregate->kernel->retract == NULL;
        }
        int ranks = call->kind == WR_FRAME_RANK || call->kind == WR_FRAME_DENSE_RANK;
        if (ranks && frames->aggregates[call->aggregate].kernel->add == NULL &&
            config->mode != FRAMES_WINDOW) {
            char type[64];
            wr_type_text(&frames->aggregates[call->aggregate].arg_types[0], type, sizeof type);
            wr_error_script(err, "W104", "a running `rank` cannot take %s", type);
            wr_error_at(err, "1", call->from, call->to);
            wr_error_help(err, "under a window it can");
            return WR_ESCRIPT;
        }
    }
    return WR_OK;
}

/* ---- shapes ---- */

/* Places of the states of the aggregates that are of a frame (or not), behind `bytes`. */
static int lay_out(struct frames_config *config, struct wr_bind *bind, int framed, uint32_t bytes,
                   uint32_t key_cells, struct wr_shape *shape, struct wr_error *err) {
    const struct wr_frames *frames = config->frames;
    uint32_t cell_count = key_cells;
    for (uint32_t i = 0; i < frames->aggregate_count; i++)
        cell_count += frames->aggregates[i].kernel->cell_count;
    struct wr_cell *cells = WR_ARENA_ARRAY(bind->arena, struct wr_cell, cell_count + 1);
    if (cells == NULL)
        return no_memory(err);
    uint32_t n = 0;
    for (; n < key_cells; n++)
        cells[n] = config->layout.cells[n];
    for (uint32_t i = 0; i < frames->aggregate_count; i++) {
        struct wr_aggregate *aggregate = &frames->aggregates[i];
        if (aggregate->framed != framed)
            continue;
        aggregate->offset = bytes;
        bytes += aggregate->kernel->state_bytes;
        for (uint32_t c = 0; c < aggregate->kernel->cell_count; c++)
            cells[n++] =
                (struct wr_cell){.kind = aggregate->kernel->cells[c].kind,
                                 .offset = aggregate->kernel->cells[c].offset + aggregate->offset};
        if (bytes > WR_ROW_BYTES_MAX)
            return wr_error_set(err, WR_ELIMIT,
                                "the aggregates of one stage take more than %d bytes a group",
                                WR_ROW_BYTES_MAX);
    }
    shape->row_bytes = bytes;
    shape->cell_count = n;
    shape->cells = cells;
    return WR_OK;
}

static int make_shapes(struct frames_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_frames *frames = config->frames;
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    for (uint32_t k = 0; k < frames->key_count; k++)
        types[k] = frames->inputs->items[k].type;
    if (frames->key_count > 0 &&
        wr_key_layout_init(&config->layout, types, frames->key_count, 1) != WR_OK)
        return wr_error_set(err, WR_EARG, "the columns are no key");
    uint32_t key_bytes = frames->key_count == 0 ? 8 : config->layout.key_bytes;
    config->groups_shape.key_bytes = key_bytes;
    config->live_shape.key_bytes = 8;
    uint32_t live = 8 + (uint32_t)sizeof(struct frames_live) +
                    frames->frame_count * (uint32_t)sizeof(struct frames_span);
    int status = lay_out(config, bind, 0, key_bytes + (uint32_t)sizeof(struct frames_group),
                         config->layout.cell_count, &config->groups_shape, err);
    return status == WR_OK ? lay_out(config, bind, 1, live, 0, &config->live_shape, err) : status;
}

/* ---- columns ---- */

static int make_wide(struct frames_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    const struct wr_list *inputs = config->frames->inputs;
    config->input_count = input->field_count;
    config->input = input;
    config->wide = wr_schema_new(bind->arena, input->field_count + inputs->item_count);
    config->item_columns = WR_ARENA_ARRAY(bind->arena, uint32_t, inputs->item_count + 1);
    if (config->wide == NULL || config->item_columns == NULL)
        return no_memory(err);
    memcpy(config->wide->fields, input->fields, input->field_count * sizeof *input->fields);
    uint32_t at = input->field_count;
    for (uint32_t i = 0; i < inputs->item_count; i++) {
        const struct wr_item *item = &inputs->items[i];
        int is_column = item->column >= 0 && (uint32_t)item->column < input->field_count;
        config->item_columns[i] = is_column ? (uint32_t)item->column : at;
        if (!is_column)
            config->wide->fields[at++] = (struct wr_field){.name = "", .type = item->type};
    }
    config->wide->field_count = at;
    return WR_OK;
}

static void add_field(struct wr_schema *schema, const char *name, struct wr_type type) {
    schema->fields[schema->field_count++] = (struct wr_field){
        .name = name, .name_length = (uint32_t)strlen(name), .type = type, .required = *name != 0};
}

/* The columns that the stage writes itself behind those of the items. */
static int add_extra(struct frames_config *config, struct wr_bind *bind, struct wr_error *err) {
    static const char *const windows[] = {"window_start", "window_end"};
    const struct wr_schema *calls = config->frames->middle;
    uint32_t keys = config->frames->key_count;
    struct wr_schema *middle = wr_schema_new(bind->arena, calls->field_count + 3 + keys);
    struct wr_schema *out = (struct wr_schema *)(uintptr_t)config->project.schema;
    struct wr_schema *visible = wr_schema_new(bind->arena, out->field_count + 2);
    if (middle == NULL || visible == NULL)
        return no_memory(err);
    memcpy(middle->fields, calls->fields, calls->field_count * sizeof *calls->fields);
    middle->field_count = config->extra_columns = calls->field_count;
    if (config->mode == FRAMES_WINDOW)
        wr_schema_forget_windows(out);
    for (int i = 0; i < 2 && config->mode == FRAMES_WINDOW; i++) {
        if (wr_schema_find(out, windows[i], (uint32_t)strlen(windows[i])) >= 0) {
            wr_error_script(err, "W205", "`derive` adds a column `%s`, which is there already",
                            windows[i]);
            wr_error_help(err, "`:rename \"… = %s\"` before it", windows[i]);
            return WR_ESCRIPT;
        }
        config->project.from[out->field_count] = (int32_t)middle->field_count;
        add_field(middle, windows[i], WR_TYPE(WR_TIMESTAMP));
        add_field(out, windows[i], WR_TYPE(WR_TIMESTAMP));
        out->fields[out->field_count - 1].ends_window = i == 1;
    }
    memcpy(visible->fields, out->fields, out->field_count * sizeof *out->fields);
    visible->field_count = out->field_count;
    for (uint32_t k = 0; k <= keys; k++) {
        config->project.from[out->field_count] = (int32_t)middle->field_count;
        struct wr_type type = k == 0 ? WR_TYPE(WR_TIMESTAMP) : config->layout.types[k - 1];
        add_field(middle, "", type);
        add_field(out, "", type);
    }
    config->middle = middle;
    bind->out.schema = visible;
    return WR_OK;
}

static int make_output(struct frames_config *config, struct wr_bind *bind, struct wr_error *err) {
    const struct wr_frames *frames = config->frames;
    uint32_t fields = frames->middle->field_count;
    uint64_t *reads =
        WR_ARENA_ZEROS(bind->arena, uint64_t, WR_BITS_WORDS(fields + WR_HIDDEN_COUNT) + 1);
    if (reads == NULL)
        return no_memory(err);
    int status = project_bind_items(&config->project, bind->arena, frames->middle,
                                    config->input_count, 3 + frames->key_count, frames->items, err);
    if (status == WR_OK)
        status = add_extra(config, bind, err);
    if (status != WR_OK)
        return status;
    wr_list_reads(frames->items, reads);
    config->reads = reads;
    return WR_OK;
}

/* The input's key, where all of it passes through. */
static void set_key(const struct frames_config *config, struct wr_bind *bind) {
    struct wr_stream *out = &bind->out;
    const struct wr_stream *in = bind->inputs[0];
    uint32_t count = out->schema->field_count;
    out->key_count = 0;
    for (uint32_t k = 0; k < in->key_count; k++) {
        if (config->project.from[in->key[k]] != in->key[k]) {
            out->key_count = 0;
            return;
        }
        out->key[out->key_count++] = in->key[k];
    }
    for (uint32_t i = 2; i > 0 && config->mode == FRAMES_WINDOW && out->key_count > 0 &&
                         out->key_count < WR_KEY_FIELDS_MAX;
         i--)
        out->key[out->key_count++] = (uint16_t)(count - i);
}

static int describe(struct frames_config *config, struct wr_bind *bind, struct wr_error *err) {
    char *text = wr_arena_alloc(bind->arena, STATE_BYTES);
    if (text == NULL)
        return no_memory(err);
    size_t length = 0;
    int running = 0;
    for (uint32_t i = 0; i < config->frames->aggregate_count; i++)
        running |= !config->frames->aggregates[i].framed;
    text[0] = 0;
#define SAY(...) \
    length += (size_t)snprintf(text + length, STATE_BYTES - length, "%s", length > 0 ? ", " : ""), \
        length += (size_t)snprintf(text + length, STATE_BYTES - length, __VA_ARGS__)
    if (config->mode == FRAMES_UPDATE)
        SAY("all rows of each group");
    else if (config->mode == FRAMES_WINDOW)
        SAY("rows of open windows");
    else {
        if (config->mode == FRAMES_TIME)
            SAY("rows that the frontier has not passed");
        if (config->span_us >= 0) {
            char span[WR_TIME_TEXT_MAX];
            wr_duration_format_short(config->span_us, span);
            SAY("rows of the last %s", span);
        }
        int64_t rows = WR_MAX(config->rows_max, WR_MAX(config->lag_max, config->lead_max));
        if (rows > 0)
            SAY("%lld row%s of each group", (long long)rows, rows == 1 ? "" : "s");
        if (running)
            SAY("accumulators of each group");
        if (length == 0)
            SAY("groups");
    }
#undef SAY
    config->state = text;
    return WR_OK;
}

int frames_bind(struct wr_bind *bind, struct wr_error *err) {
    struct frames_config *config = WR_ARENA_ZEROS(bind->arena, struct frames_config, 1);
    if (config == NULL)
        return no_memory(err);
    int status = bind_mode(config, bind, err);
    if (status == WR_OK)
        status =
            wr_frames_bind(&config->frames, &bind->scope, wr_value_get(bind->spec, "group_by"),
                           wr_value_get(bind->spec, "items"), config->mode != FRAMES_ARRIVAL, err);
    if (status == WR_OK)
        status = measure(config, bind, err);
    if (status == WR_OK)
        status = make_shapes(config, bind, err);
    if (status == WR_OK)
        status = make_wide(config, bind, err);
    if (status == WR_OK)
        status = make_output(config, bind, err);
    if (status == WR_OK)
        status = describe(config, bind, err);
    if (status != WR_OK)
        return status;
    set_key(config, bind);
    bind->out.updates = config->mode == FRAMES_UPDATE;
    if (config->mode == FRAMES_UPDATE)
        bind->out.corrects_us = WR_TIME_MAX;
    if (config->mode == FRAMES_TIME)
        bind->out.order = WR_ORDER_TIME;
    if (config->mode == FRAMES_WINDOW)
        bind->out.order = WR_ORDER_FIRING;
    if (config->lead_max > 0 || config->mode == FRAMES_UPDATE)
        bind->out.max_delay_us = WR_DELAY_UNKNOWN;
    bind->type = &wr_op_frames;
    bind->config = config;
    return WR_OK;
}

void frames_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                  const uint64_t *wanted, uint64_t *columns) {
    const struct frames_config *self = config;
    (void)input_number;
    wr_list_reads(self->frames->inputs, columns);
    uint32_t count = input->schema->field_count;
    for (uint32_t c = 0; c < count; c++)
        if (wr_bit_get(self->reads, c))
            wr_bit_set(columns, c);
    for (uint32_t c = 0; c < self->project.schema->field_count; c++) {
        int32_t from = self->project.from[c];
        if (from >= 0 && (uint32_t)from < count && wr_bit_get(wanted, c))
            wr_bit_set(columns, (uint32_t)from);
    }
}
