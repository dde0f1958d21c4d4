/* seen.c: rows that bring a key for the first time. Keys of a window have a table of their own,
 * dropped when it closes. With `within` a key may come again: a row is a duplicate iff a row of its
 * key that was kept lies nearer than that in event time. Kept rows of a key are at least so far
 * apart, so a table for each `within` of time holds at most one of each key, and those around have
 * all that can be near. An entry does not count for a row whose own frontier has passed its time by
 * `within`. Of a changelog rows are counted: a key comes with its first row and goes with its last.
 */
#include "op/seen.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/project.h"
#include "op/window.h"
#include "state/key.h"
#include "state/slices.h"
#include "base/banned.h"

struct seen_config {
    struct project project; /* the columns that leave, but for those of the window */
    struct wr_schema *schema;
    uint32_t keys[WR_KEY_COLUMNS_MAX], key_count; /* columns of the input */
    struct wr_key_layout layout;
    struct wr_shape shape; /* a key, then its time or how many rows have it */
    uint8_t windowed, counts, has_time;
    int32_t end_column;  /* `window_end` among the keys, or -1 */
    int64_t corrects_us; /* of the input */
    struct window window;
    int64_t within_us; /* 0: once and for all */
};

struct seen {
    struct wr_op base;
    struct wr_slices slices;
};

static const struct seen_config *config_of(const struct wr_op *op) {
    return op->config;
}

/* ---- plan time ---- */

static int find_columns(struct seen_config *config, struct wr_bind *bind,
                        const struct wr_value *names, const char *stage, struct wr_error *err) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    config->key_count = names == NULL ? input->field_count : wr_value_count(names);
    if (config->key_count > WR_KEY_COLUMNS_MAX)
        return wr_error_script(err, "W203", "`%s` takes at most %d columns", stage,
                               WR_KEY_COLUMNS_MAX);
    config->end_column = -1;
    config->corrects_us = bind->inputs[0]->corrects_us;
    for (uint32_t i = 0; i < config->key_count; i++) {
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
        const struct wr_field *field = &input->fields[at];
        if (!config->windowed && bind->inputs[0]->has_time && config->corrects_us < WR_TIME_MAX &&
            field->ends_window)
            config->end_column = at;
        config->keys[i] = (uint32_t)at;
    }
    return WR_OK;
}

static int check_time(const struct seen_config *config, struct wr_bind *bind, const char *stage,
                      struct wr_error *err) {
    const struct wr_stream *in = bind->inputs[0];
    if ((config->windowed || config->within_us > 0) && !in->has_time) {
        wr_error_script(err, "W301", "no event time: add `:event_time \"…\"` before %s",
                        config->windowed ? "the window" : "`dedup` with `within`");
        wr_error_at(err, config->windowed ? "window" : "within", 0, 0);
        return WR_ESCRIPT;
    }
    if (in->bounded || config->windowed || config->within_us > 0 || config->end_column >= 0)
        return WR_OK;
    wr_error_script(err, "W304", "state grows without bound: `%s` keeps every key", stage);
    if (strcmp(stage, "dedup") == 0)
        wr_error_help(err, "say how far apart duplicates can be: `within = \"1h\"`");
    else
        wr_error_help(err, "`:window(…)` before it forgets them, as `window_end` among the "
                           "columns does");
    return WR_ESCRIPT;
}

static int add_window(struct seen_config *config, struct wr_bind *bind, const char *stage,
                      struct wr_error *err) {
    static const char *const names[2] = {"window_start", "window_end"};
    const struct wr_schema *columns = config->project.schema;
    uint32_t count = columns->field_count;
    config->schema = wr_schema_new(bind->arena, count + 2);
    if (config->schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    memcpy(config->schema->fields, columns->fields, count * sizeof *columns->fields);
    config->schema->field_count = count;
    if (config->windowed)
        wr_schema_forget_windows(config->schema);
    for (uint32_t i = 0; i < 2 && config->windowed; i++) {
        uint32_t length = (uint32_t)strlen(names[i]);
        if (wr_schema_find(columns, names[i], length) >= 0) {
            wr_error_script(err, "W205", "`%s` adds a column `%s`, which is there already", stage,
                            names[i]);
            wr_error_help(err, "the rows are of windows already: leave `:window` out, and name "
                               "`window_start, window_end` beside the other columns");
            return WR_ESCRIPT;
        }
        config->schema->fields[config->schema->field_count++] =
            (struct wr_field){.name = names[i],
                              .name_length = length,
                              .type = WR_TYPE(WR_TIMESTAMP),
                              .required = 1,
                              .ends_window = i == 1};
    }
    return WR_OK;
}

static void set_stream(const struct seen_config *config, struct wr_bind *bind, int all_columns) {
    struct wr_stream *out = &bind->out;
    out->schema = config->schema;
    out->key_count = 0;
    for (uint32_t i = 0; i < config->key_count && i < WR_KEY_FIELDS_MAX - 2; i++)
        out->key[out->key_count++] = (uint16_t)(all_columns ? config->keys[i] : i);
    if (config->windowed) {
        out->key[out->key_count++] = (uint16_t)(out->schema->field_count - 2);
        out->key[out->key_count++] = (uint16_t)(out->schema->field_count - 1);
        out->max_delay_us = WR_DELAY_UNKNOWN;
    }
}

static int lay_out(struct seen_config *config, struct wr_bind *bind, struct wr_error *err) {
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < config->key_count; i++)
        types[i] = bind->inputs[0]->schema->fields[config->keys[i]].type;
    int status = wr_key_layout_init(&config->layout, types, config->key_count, 1);
    if (status != WR_OK)
        return wr_error_set(err, status, "the columns are no key");
    int values = config->counts || config->within_us > 0;
    config->shape = (struct wr_shape){.key_bytes = config->layout.key_bytes,
                                      .row_bytes = config->layout.key_bytes + (values ? 8 : 0),
                                      .cell_count = config->layout.cell_count,
                                      .cells = config->layout.cells};
    return WR_OK;
}

int seen_bind(struct wr_bind *bind, const struct wr_value *keys, int all_columns,
              struct wr_error *err) {
    struct seen_config *config = WR_ARENA_ZEROS(bind->arena, struct seen_config, 1);
    const struct wr_value *window = wr_value_get(bind->spec, "window");
    const char *stage = wr_value_string(bind->spec, "op", "distinct");
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    config->windowed = window != NULL;
    config->within_us = wr_value_int(bind->spec, "within", 0);
    config->counts = bind->inputs[0]->updates;
    config->has_time = bind->inputs[0]->has_time;
    if (wr_value_int(window, "allowed_lateness", 0) > 0 || (window != NULL && config->within_us)) {
        wr_error_script(err, "W203", "%s says nothing to `%s`: rows go through at once",
                        config->within_us ? "`within` under a window" : "`allowed_lateness`",
                        stage);
        wr_error_at(err, config->within_us ? "within" : "window", 0, 0);
        return WR_ESCRIPT;
    }
    int status = window_of_rows(&config->window, bind, stage, err);
    if (status == WR_OK)
        status = find_columns(config, bind, keys, stage, err);
    if (status == WR_OK)
        status = check_time(config, bind, stage, err);
    uint32_t all[WR_COLUMNS_MAX], count = bind->inputs[0]->schema->field_count;
    for (uint32_t c = 0; c < count; c++)
        all[c] = c;
    if (status == WR_OK)
        status = project_bind_columns(&config->project, bind, all_columns ? all : config->keys,
                                      all_columns ? count : config->key_count, NULL, err);
    if (status == WR_OK)
        status = add_window(config, bind, stage, err);
    if (status == WR_OK)
        status = lay_out(config, bind, err);
    if (status != WR_OK)
        return status;
    set_stream(config, bind, all_columns);
    bind->type = config->windowed          ? &wr_op_seen_windowed
                 : config->end_column >= 0 ? &wr_op_seen_in_turn
                                           : &wr_op_seen;
    bind->config = config;
    return WR_OK;
}

static void seen_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                       const uint64_t *wanted, uint64_t *columns) {
    (void)input;
    (void)input_number;
    const struct seen_config *self = config;
    for (uint32_t c = 0; c < self->project.schema->field_count; c++)
        if (wr_bit_get(wanted, c))
            wr_bit_set(columns, (uint32_t)self->project.from[c]);
    for (uint32_t i = 0; i < self->key_count; i++)
        wr_bit_set(columns, self->keys[i]);
}

static struct wr_value *seen_explain(const void *config, struct wr_arena *arena) {
    const struct seen_config *self = config;
    return wr_op_explain(arena, NULL,
                         self->windowed || self->end_column >= 0 ? "keys x open windows"
                         : self->within_us > 0                   ? "keys of the time `within`"
                                                                 : "every combination seen");
}

static int seen_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    wr_slices_init(&((struct seen *)op)->slices, op->env->state_budget, &config_of(op)->shape,
                   op->env->seed);
    wr_slices_keep_apart(&((struct seen *)op)->slices, op->apart);
    return WR_OK;
}

/* ---- rows ---- */

static int build_keys(struct wr_op *op, const struct wr_batch *in, char **keys, uint64_t *hashes) {
    const struct seen_config *config = config_of(op);
    *keys = wr_arena_alloc(op->env->scratch, (size_t)in->sel_count * config->layout.key_bytes + 1);
    if (*keys == NULL || hashes == NULL)
        return WR_ENOMEM;
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < config->key_count; i++)
        columns[i] = in->columns[config->keys[i]];
    wr_keys_build(&config->layout, columns, in->sel, in->sel_count, op->env->seed, *keys, hashes);
    return WR_OK;
}

static int seen_route(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes) {
    char *keys;
    return build_keys(op, in, &keys, hashes);
}

/* What is worked on: rows of a batch with their keys, and which of them leave. */
struct passing {
    struct seen *self;
    struct wr_batch *in;
    char *keys;
    uint64_t *hashes;
    uint32_t *rows; /* that leave, ascending */
    int64_t *starts;
    uint32_t *late;
    uint32_t count, room, late_count;
};

/* Whether an entry at slice `start` makes a row of time `time` a duplicate. */
static int is_near(struct passing *p, uint32_t at, int64_t start, int64_t time, int64_t behind) {
    const struct seen_config *config = config_of(&p->self->base);
    const struct wr_table *table = wr_slices_find(&p->self->slices, start);
    uint32_t key_bytes = config->layout.key_bytes;
    uint8_t *entry = NULL;
    int64_t kept;
    if (table == NULL)
        return 0;
    wr_table_find(table, p->keys + (size_t)at * key_bytes, &p->hashes[at], 1, &entry);
    if (entry == NULL)
        return 0;
    memcpy(&kept, entry + key_bytes, sizeof kept);
    __int128 apart = (__int128)time - kept;
    return apart < config->within_us && -apart < config->within_us &&
           (__int128)kept + config->within_us > behind;
}

/* 1: the row is kept. */
static int pass_within(struct passing *p, uint32_t at, uint32_t row) {
    const struct seen_config *config = config_of(&p->self->base);
    const struct window part = {
        .kind = WINDOW_FIXED, .size_us = config->within_us, .every_us = config->within_us};
    int64_t time = p->in->event_time[row], start = window_last(&part, time), next;
    int64_t behind = p->in->behind == NULL ? WR_TIME_MIN : p->in->behind[row];
    if (is_near(p, at, start, time, behind))
        return 0;
    if (!__builtin_sub_overflow(start, config->within_us, &next) &&
        is_near(p, at, next, time, behind))
        return 0;
    if (!__builtin_add_overflow(start, config->within_us, &next) &&
        is_near(p, at, next, time, behind))
        return 0;
    struct wr_table *table = wr_slices_at(&p->self->slices, start);
    uint32_t key_bytes = config->layout.key_bytes;
    uint8_t *entry;
    if (table == NULL || wr_table_upsert(table, p->keys + (size_t)at * key_bytes, &p->hashes[at], 1,
                                         &entry, NULL) != WR_OK)
        return WR_ENOMEM;
    memcpy(entry + key_bytes, &time, sizeof time);
    return 1;
}

/* Counts a row in or out; 1: the key has come or gone with it. */
static int pass_counted(struct passing *p, uint32_t at, uint32_t row, int64_t start) {
    const struct seen_config *config = config_of(&p->self->base);
    struct wr_table *table = wr_slices_at(&p->self->slices, start);
    uint32_t key_bytes = config->layout.key_bytes;
    const char *key = p->keys + (size_t)at * key_bytes;
    uint8_t *entry, made = 0;
    if (table == NULL || wr_table_upsert(table, key, &p->hashes[at], 1, &entry, &made) != WR_OK)
        return WR_ENOMEM;
    if (!config->counts)
        return made;
    int64_t weight = p->in->weight == NULL ? 1 : p->in->weight[row], count;
    memcpy(&count, entry + key_bytes, sizeof count);
    count += weight;
    memcpy(entry + key_bytes, &count, sizeof count);
    if (count > 0)
        return made;
    wr_table_delete(table, key, p->hashes[at]);
    return !made; /* else there was nothing to take back */
}

static int windows_of(const struct seen_config *config, const struct wr_batch *in, uint32_t row,
                      int64_t *first, int64_t *last) {
    *first = *last = 0;
    if (config->windowed) {
        *first = window_first(&config->window, in->event_time[row]);
        *last = window_last(&config->window, in->event_time[row]);
    } else if (config->end_column >= 0) { /* nil: one that ends with the stream */
        const struct wr_column *ends = &in->columns[config->end_column];
        int nil = wr_column_is_nil(ends, row);
        *first = *last = nil ? WR_TIME_MAX - 1 : WR_MIN(WR_I64(ends)[row], WR_TIME_MAX - 1);
    }
    return config->windowed || config->end_column >= 0;
}

static int64_t end_of(const struct seen_config *config, int64_t start) {
    return config->windowed ? window_end(&config->window, start)
                            : wr_time_add(start, config->corrects_us);
}

static int pass_row(struct passing *p, uint32_t at) {
    const struct seen_config *config = config_of(&p->self->base);
    uint32_t row = wr_batch_row(p->in, at);
    int64_t start, last, behind = p->in->behind == NULL ? WR_TIME_MIN : p->in->behind[row];
    int ends = windows_of(config, p->in, row, &start, &last), refused = 1, keeps = 0;
    for (int more = 1; more && keeps >= 0;) {
        if (!ends || end_of(config, start) > behind) {
            refused = 0;
            keeps =
                config->within_us > 0 ? pass_within(p, at, row) : pass_counted(p, at, row, start);
            WR_ASSERT(p->count < p->room);
            p->starts[p->count] = start;
            p->rows[p->count] = row;
            p->count += keeps > 0;
        }
        more = start < last;
        start = more ? window_next(&config->window, start) : start;
    }
    if (refused)
        p->late[p->late_count++] = row;
    return WR_MIN(keeps, WR_OK);
}

/* Many at once, where each key has one place and rows are only counted in. */
static int pass_all(struct passing *p) {
    const struct seen_config *config = config_of(&p->self->base);
    struct wr_arena *scratch = p->self->base.env->scratch;
    struct wr_table *table = wr_slices_at(&p->self->slices, 0);
    uint8_t **entries = WR_ARENA_ARRAY(scratch, uint8_t *, p->in->sel_count);
    uint8_t *made = WR_ARENA_ZEROS(scratch, uint8_t, p->in->sel_count);
    if (table == NULL || entries == NULL || made == NULL)
        return WR_ENOMEM;
    WR_ASSERT(!config->counts);
    int status = wr_table_upsert(table, p->keys, p->hashes, p->in->sel_count, entries, made);
    for (uint32_t i = 0; i < p->in->sel_count && status == WR_OK; i++)
        if (made[i])
            p->rows[p->count++] = wr_batch_row(p->in, i);
    return status;
}

/* ---- out ---- */

static int emit_kept(struct passing *p, struct wr_out *out) {
    struct wr_op *op = &p->self->base;
    const struct project *project = &config_of(op)->project;
    struct wr_batch *batch = wr_batch_over(op->env->pool, op->schema, p->in);
    uint32_t *sel = batch == NULL ? NULL : WR_ARENA_ARRAY(&batch->arena, uint32_t, p->count);
    if (sel == NULL) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    memcpy(sel, p->rows, p->count * sizeof *sel);
    batch->sel = sel;
    batch->sel_count = p->count;
    batch->replaced = NULL; /* keys come and go, none becomes another one */
    for (uint32_t c = 0; c < project->schema->field_count; c++)
        batch->columns[c] = p->in->columns[project->from[c]];
    return out->emit(out, WR_PORT_MAIN, batch);
}

/* Columns and times of rows first … first + count - 1 of those that leave, once for each window. */
static int fill_windows(struct passing *p, struct wr_batch *batch, struct wr_batch *view,
                        uint32_t first, uint32_t count) {
    const struct seen_config *config = config_of(&p->self->base);
    struct wr_arena *arena = &batch->arena;
    uint8_t *which = WR_ARENA_ZEROS(p->self->base.env->scratch, uint8_t, count);
    int64_t *times = WR_ARENA_ARRAY(arena, int64_t, count);
    int64_t *behind = WR_ARENA_ARRAY(arena, int64_t, count);
    int64_t *weights = WR_ARENA_ARRAY(arena, int64_t, count);
    uint32_t *cause = WR_ARENA_ARRAY(arena, uint32_t, count);
    if (which == NULL || times == NULL || behind == NULL || weights == NULL || cause == NULL)
        return WR_ENOMEM;
    batch->schema = config->project.schema;
    int status = wr_batch_pick(batch, &view, 1, which, p->rows + first, count);
    batch->schema = p->self->base.schema;
    uint32_t column = batch->schema->field_count - 2;
    int64_t *starts = wr_batch_column(batch, column, count);
    int64_t *ends = wr_batch_column(batch, column + 1, count);
    if (status != WR_OK || starts == NULL || ends == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = p->rows[first + i];
        starts[i] = window_start(&config->window, p->starts[first + i]);
        ends[i] = window_end(&config->window, p->starts[first + i]);
        times[i] = ends[i] - 1;
        behind[i] = p->in->behind == NULL ? WR_TIME_MIN : p->in->behind[row];
        weights[i] = p->in->weight == NULL ? 1 : p->in->weight[row];
        cause[i] = row;
    }
    batch->event_time = times;
    batch->behind = p->in->behind == NULL ? NULL : behind;
    batch->weight = p->in->weight == NULL ? NULL : weights;
    batch->cause = cause;
    return WR_OK;
}

static int emit_windows(struct passing *p, struct wr_out *out) {
    struct wr_op *op = &p->self->base;
    const struct project *project = &config_of(op)->project;
    struct wr_batch *view = wr_batch_over(op->env->pool, project->schema, p->in);
    if (view == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < project->schema->field_count; c++)
        view->columns[c] = p->in->columns[project->from[c]];
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0; first < p->count && flow == WR_FLOW_MORE;) {
        uint32_t count = WR_MIN(p->count - first, op->env->batch_rows);
        struct wr_batch *batch = wr_batch_new(op->env->pool, op->schema);
        flow = batch == NULL ? WR_ENOMEM : fill_windows(p, batch, view, first, count);
        if (flow != WR_OK)
            wr_batch_unref(batch);
        else
            flow = out->emit(out, WR_PORT_MAIN, batch);
        first += count;
    }
    wr_batch_unref(view);
    return flow;
}

static int seen_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct seen *self = (struct seen *)op;
    const struct seen_config *config = op->config;
    struct wr_arena *scratch = op->env->scratch;
    uint32_t each = config->windowed ? window_overlap(&config->window) : 1;
    struct passing p = {.self = self, .in = in, .room = in->sel_count * each + 1};
    p.hashes = WR_ARENA_ARRAY(scratch, uint64_t, in->sel_count);
    p.rows = WR_ARENA_ARRAY(scratch, uint32_t, p.room);
    p.starts = WR_ARENA_ARRAY(scratch, int64_t, p.room);
    p.late = WR_ARENA_ARRAY(scratch, uint32_t, in->sel_count);
    if (p.rows == NULL || p.starts == NULL || p.late == NULL ||
        build_keys(op, in, &p.keys, p.hashes) != WR_OK)
        return WR_ENOMEM;
    wr_slices_settle(&self->slices);
    int one_by_one =
        config->windowed || config->counts || config->within_us > 0 || config->end_column >= 0;
    int status = one_by_one ? WR_OK : pass_all(&p);
    for (uint32_t at = 0; one_by_one && at < in->sel_count && status >= 0; at++)
        status = pass_row(&p, at);
    int flow = WR_FLOW_MORE;
    if (status >= 0 && p.count > 0)
        flow = config->windowed ? emit_windows(&p, out) : emit_kept(&p, out);
    if (status >= 0 && flow >= 0)
        status = wr_op_emit_late(op, in, p.late, p.late_count, out);
    return status < 0 ? status : flow;
}

/* Keys that no row can meet any more. */
static int seen_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    (void)out;
    struct seen *self = (struct seen *)op;
    const struct seen_config *config = op->config;
    int64_t open = WR_TIME_MAX;
    if (!config->windowed && config->within_us == 0 && config->end_column < 0)
        return WR_OK;
    for (uint32_t s = 0; s < self->slices.count && frontier != WR_TIME_MAX; s++) {
        int64_t start = self->slices.items[s].start_us;
        __int128 closes = config->within_us > 0
                              ? (__int128)start + 2 * (__int128)config->within_us - 1
                              : end_of(config, start);
        if (closes > frontier) {
            open = start;
            break;
        }
    }
    wr_slices_drop_before(&self->slices, open);
    return WR_OK;
}

static int seen_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                        const struct wr_batch *b, uint32_t row_b) {
    (void)op; /* nothing leaves from `advance` */
    (void)a;
    (void)b;
    return row_a < row_b ? -1 : row_a > row_b;
}

static int seen_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct wr_slices *slices = &((struct seen *)op)->slices;
    if (!all && !slices->saving && !wr_slices_has_changed(slices))
        return WR_OK;
    return wr_slices_save(slices, out, all, op->env->piece_bytes);
}

static int seen_load(struct wr_op *op, struct wr_reader *in) {
    return wr_slices_load(&((struct seen *)op)->slices, in);
}

static void seen_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct wr_slices *slices = &((const struct seen *)op)->slices;
    state->rows += wr_slices_rows(slices);
    state->bytes += wr_slices_bytes(slices);
}

static void seen_close(struct wr_op *op) {
    wr_slices_release(&((struct seen *)op)->slices);
}

#define SEEN_TYPE(type_flags) \
    { \
        .name = "seen", .size_bytes = sizeof(struct seen), \
        .flags = WR_OP_KEYED | WR_OP_TAKES_UPDATES | (type_flags), .needs = seen_needs, \
        .open = seen_open, .push = seen_push, .advance = seen_advance, .route = seen_route, \
        .compare = seen_compare, .save = seen_save, .load = seen_load, .close = seen_close, \
        .measure = seen_measure, .explain = seen_explain, \
    }

const struct wr_op_type wr_op_seen = SEEN_TYPE(0);
const struct wr_op_type wr_op_seen_in_turn = SEEN_TYPE(WR_OP_LATE_PORT);
const struct wr_op_type wr_op_seen_windowed =
    SEEN_TYPE(WR_OP_LATE_PORT | WR_OP_MAKES_ROWS | WR_OP_TELLS_CAUSES);
