/* event_time.c: gives each row its time, and its partition a frontier W = maximum - max_delay, or
 * the latest of the times that an expression of its rows says (`watermark`), or what the source
 * says. Lateness is decided per row by the prefix maximum: `behind[i]` is W before row i, so it
 * depends on no batch size. A row without a time is a reject (W506).
 * processing_time: the same by the clock of the step, which is the frontier too, with rows or
 * without. */
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/project.h"
#include "base/banned.h"

struct event_time_config {
    struct project project;
    uint32_t column; /* of the output: the time */
    int64_t max_delay_us, idle_us;
    int of_source;             /* W is what the source says, not what rows tell */
    int by_clock;              /* processing_time */
    struct wr_list *watermark; /* what moves W; NULL: the times of rows */
};

struct event_time {
    struct wr_op base;
    struct wr_eval eval, watermark_eval;
    int64_t frontier;
};

static int event_time_bind(struct wr_bind *bind, struct wr_error *err) {
    struct event_time_config *config = WR_ARENA_ZEROS(bind->arena, struct event_time_config, 1);
    struct wr_list *list = NULL;
    const char *stage = wr_value_string(bind->spec, "op", "event_time");
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    if (!bind->inputs[0]->row_by_row) {
        const char *by = bind->inputs[0]->merged_by;
        wr_error_script(err, "W302", "`%s` must come before %s%s%s", stage, by ? "`" : "",
                        by ? by : "stages that merge rows", by ? "`" : "");
        int has_streams = by != NULL && strcmp(by, "union") == 0;
        wr_error_help(err,
                      "put it before %s%s%s%s: only stages that work row by row, as `derive`, "
                      "`filter` and `expect`, may stand before it",
                      by ? "`:" : "them", by ? by : "", by ? "`" : "",
                      has_streams ? ", into each of the streams that meet there" : "");
        return WR_ESCRIPT;
    }
    int status =
        wr_list_bind(&list, &bind->scope, WR_LIST_DERIVE, wr_value_get(bind->spec, "items"), err);
    if (status != WR_OK) {
        wr_error_at(err, "1", err->from, err->to);
        return status;
    }
    const struct wr_item *item = &list->items[0];
    if (list->item_count != 1 || item->type.kind != WR_TIMESTAMP) {
        char type[64];
        wr_error_script(err, "W104", "event time must be one timestamp, this is %s",
                        list->item_count != 1 ? "a list" : wr_type_text(&item->type, type, 64));
        wr_error_help(err, "`timestamp(x, 'ms')` and `timestamp(x, format)` make one");
        wr_error_at(err, "1", item->from, item->to);
        return WR_ESCRIPT;
    }
    status = project_bind_derive(&config->project, bind, list, err);
    if (status != WR_OK)
        return status;
    project_set_stream(&config->project, bind);
    config->column =
        (uint32_t)wr_schema_find(config->project.schema, item->name, item->name_length);
    config->max_delay_us = wr_value_int(bind->spec, "max_delay", 0);
    config->idle_us = wr_value_int(bind->spec, "idle", WR_TIME_MAX);
    config->of_source = wr_value_bool(bind->spec, "source", 0);
    config->by_clock = wr_value_bool(bind->spec, "clock", 0);
    const struct wr_value *watermark = wr_value_get(bind->spec, "watermark");
    if (watermark != NULL)
        status = wr_op_bind_time(&config->watermark, bind, watermark, "watermark", err);
    if (status != WR_OK)
        return status;
    bind->out.has_time = 1;
    /* Where another one says what W is, the time of a row says nothing of the rows behind it. */
    bind->out.max_delay_us =
        config->of_source || watermark != NULL ? WR_DELAY_UNKNOWN : config->max_delay_us;
    bind->out.repeatable &= !config->by_clock;
    bind->keeps_rows = config->by_clock != 0;
    bind->out.order = WR_ORDER_TIME;
    bind->out.corrects_us = WR_TIME_MAX; /* windows ended by another time */
    bind->config = config;
    return WR_OK;
}

static void event_time_needs(const void *config, const struct wr_stream *input,
                             uint32_t input_number, const uint64_t *wanted, uint64_t *columns) {
    (void)input_number;
    const struct event_time_config *self = config;
    project_needs(&self->project, input, wanted, columns);
    if (self->project.from[self->column] >= 0)
        wr_bit_set(columns, (uint32_t)self->project.from[self->column]);
    if (self->watermark != NULL)
        wr_list_reads(self->watermark, columns);
}

static struct wr_value *event_time_explain(const void *config, struct wr_arena *arena) {
    const struct event_time_config *self = config;
    return wr_op_explain(arena, self->project.list,
                         self->by_clock    ? "the clock"
                         : self->of_source ? "the frontier that its source says"
                         : self->watermark != NULL
                             ? "the frontier of each partition, which `watermark` moves"
                             : "the frontier of each partition");
}

static int event_time_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    struct event_time *self = (struct event_time *)op;
    wr_eval_init(&self->eval, op->env->state_budget);
    wr_eval_init(&self->watermark_eval, op->env->state_budget);
    self->frontier = WR_TIME_MIN;
    return WR_OK;
}

/* A time that cannot be computed is none: the code of its failure becomes the detail. */
struct no_time_out {
    struct wr_out base; /* first */
    struct wr_out *real;
};

static int no_time_reject(struct wr_out *out, const struct wr_reject *reject) {
    struct wr_out *real = ((struct no_time_out *)out)->real;
    struct wr_reject other = *reject;
    other.code = WR_REJECT_NO_TIME;
    if (other.detail == NULL)
        other.detail = wr_reject_text(reject->code);
    return real->reject(real, &other);
}

/* Rows without a time leave; `batch` keeps the others. */
static int reject_nils(struct wr_op *op, struct wr_batch *batch, const struct wr_column *time,
                       struct wr_out *out) {
    uint32_t *sel = WR_ARENA_ARRAY(&batch->arena, uint32_t, batch->sel_count + 1);
    if (sel == NULL)
        return WR_ENOMEM;
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        sel[count] = row;
        if (!wr_column_is_nil(time, row)) {
            count++;
            continue;
        }
        struct wr_reject reject = {
            .code = WR_REJECT_NO_TIME, .stage = op->node, .row = row, .batch = batch};
        int status = out->reject(out, &reject);
        if (status < 0)
            return status;
    }
    batch->sel = sel;
    batch->sel_count = count;
    return WR_OK;
}

/* Computes the watermarks of rows. Those for which that fails leave; `batch` keeps the others. */
static int run_watermark(struct event_time *self, struct wr_batch *in, struct wr_batch *batch,
                         struct wr_out *out, struct wr_column *marks) {
    const struct event_time_config *config = self->base.config;
    struct wr_batch rows = wr_batch_look(in); /* those that have a time */
    rows.sel = batch->sel;
    rows.sel_count = batch->sel_count;
    wr_op_eval_begin(&self->base, &self->watermark_eval);
    int status =
        wr_list_run(config->watermark, &self->watermark_eval, &rows, self->base.env->scratch);
    if (status >= 0)
        status = wr_op_reject_fails(&self->base, &self->watermark_eval, in, out);
    if (status < 0)
        return status;
    const struct wr_item *item = &config->watermark->items[0];
    *marks =
        item->column >= 0 ? in->columns[item->column] : self->watermark_eval.outputs[item->output];
    return wr_op_drop_fails(&self->base, &self->watermark_eval, &rows, batch, NULL);
}

/* The frontier that a row proves, of those behind it. */
static int64_t reached_by(const struct event_time_config *config, const struct wr_column *marks,
                          const int64_t *times, uint32_t row) {
    int64_t reached;
    if (config->watermark != NULL)
        return wr_column_is_nil(marks, row) ? WR_TIME_MIN : WR_I64(marks)[row];
    return __builtin_sub_overflow(times[row], config->max_delay_us, &reached) ? WR_TIME_MIN
                                                                              : reached;
}

static int set_times(struct event_time *self, struct wr_batch *batch, const int64_t *times,
                     const struct wr_column *marks) {
    const struct event_time_config *config = self->base.config;
    int64_t *behind = WR_ARENA_ARRAY(&batch->arena, int64_t, batch->row_count);
    if (behind == NULL)
        return WR_ENOMEM;
    int64_t frontier = self->frontier;
    if (config->of_source)
        frontier = batch->frontier;
    else if (config->by_clock)
        frontier = WR_MAX(frontier, self->base.env->now_us);
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        behind[row] = frontier;
        if (config->of_source || config->by_clock)
            continue;
        int64_t reached = reached_by(config, marks, times, row);
        frontier = WR_MAX(frontier, reached);
    }
    self->frontier = frontier;
    batch->event_time = times;
    batch->behind = behind;
    batch->frontier = frontier;
    return WR_OK;
}

static int event_time_push(struct wr_op *op, uint32_t input, struct wr_batch *in,
                           struct wr_out *out) {
    (void)input;
    struct event_time *self = (struct event_time *)op;
    const struct event_time_config *config = op->config;
    struct no_time_out no_time = {.base = {.reject = no_time_reject}, .real = out};
    struct wr_batch *batch;
    int status = project_run(op, &config->project, &self->eval, in, &no_time.base, &batch);
    if (status < 0 || batch == NULL)
        return status;
    const struct wr_column *time = &batch->columns[config->column];
    if (time->valid != NULL)
        status = reject_nils(op, batch, time, out);
    struct wr_column marks = {0};
    if (status >= 0 && config->watermark != NULL)
        status = run_watermark(self, in, batch, out, &marks);
    if (status >= 0)
        status = set_times(self, batch, WR_I64(time), &marks);
    if (status < 0 || batch->sel_count == 0) {
        wr_batch_unref(batch);
        return status;
    }
    return out->emit(out, WR_PORT_MAIN, batch);
}

static int64_t event_time_holds_back(const struct wr_op *op, int64_t frontier) {
    const struct event_time_config *config = op->config;
    if (frontier == WR_TIME_MAX || config->of_source)
        return frontier;
    int64_t own = ((const struct event_time *)op)->frontier;
    return config->by_clock ? WR_MAX(own, op->env->now_us) : own;
}

/* A source that says how far it is does so when it has no rows too. */
static int64_t event_time_idle_after(const struct wr_op *op, int *by_clock) {
    const struct event_time_config *config = op->config;
    *by_clock = config->watermark == NULL && !config->by_clock;
    return config->by_clock ? 0 : config->of_source ? WR_TIME_MAX : config->idle_us;
}

static int event_time_save(struct wr_op *op, struct wr_buf *out, int all) {
    (void)all;
    return wr_buf_add_u64(out, (uint64_t)((struct event_time *)op)->frontier);
}

static int event_time_load(struct wr_op *op, struct wr_reader *in) {
    ((struct event_time *)op)->frontier = (int64_t)wr_reader_u64(in);
    return in->failed ? WR_ECORRUPT : WR_OK;
}

static void event_time_close(struct wr_op *op) {
    wr_eval_release(&((struct event_time *)op)->eval);
    wr_eval_release(&((struct event_time *)op)->watermark_eval);
}

/* What both stages have in common. */
#define EVENT_TIME_SLOTS \
    .size_bytes = sizeof(struct event_time), .bind = event_time_bind, .needs = event_time_needs, \
    .open = event_time_open, .push = event_time_push, .holds_back = event_time_holds_back, \
    .idle_after = event_time_idle_after, .save = event_time_save, .load = event_time_load, \
    .close = event_time_close, .explain = event_time_explain

const struct wr_op_type wr_op_event_time = {
    EVENT_TIME_SLOTS,
    .name = "event_time",
    .flags = WR_OP_ROW_BY_ROW | WR_OP_SETS_FRONTIER,
};

const struct wr_op_type wr_op_processing_time = {
    EVENT_TIME_SLOTS,
    .name = "processing_time",
    .flags = WR_OP_ROW_BY_ROW | WR_OP_SETS_FRONTIER | WR_OP_BY_CLOCK,
};
