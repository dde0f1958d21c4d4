/* sort.c: `sort(O)`: all rows of a bounded input in the given order; `sort()`: rows of an endless
 * one by event time, held until the frontier has passed them (a row that is behind is late). Ties
 * keep the order of the edge, after event time. nil is last in both directions. State: all rows
 * that are held, in memory and beyond a quarter of it in a scratch file (sort.h). */
#include "op/sort.h"

#include <string.h>

#include "base/banned.h"

#define BLOCKS_IN_MEMORY 64u /* at least, in the memory of held rows */
#define BLOCK_BYTES_MIN (UINT64_C(4) << 10)
#define BLOCK_BYTES_MAX (UINT64_C(64) << 10)
#define APPEND_ROWS 64u /* at a time, so that memory is looked at in between */

static int make_wide(struct wr_bind *bind, struct sort_config *config) {
    const struct wr_schema *input = bind->inputs[0]->schema;
    uint32_t keys = config->order == NULL ? 0 : config->order->item_count;
    config->first_key = input->field_count;
    config->wide = wr_schema_new(bind->arena, input->field_count + keys);
    if (config->wide == NULL)
        return WR_ENOMEM;
    memcpy(config->wide->fields, input->fields, input->field_count * sizeof *input->fields);
    for (uint32_t k = 0; k < keys; k++)
        config->wide->fields[input->field_count + k] =
            (struct wr_field){.name = "", .type = config->order->items[k].type};
    return WR_OK;
}

static int sort_bind(struct wr_bind *bind, struct wr_error *err) {
    struct sort_config *config = WR_ARENA_ZEROS(bind->arena, struct sort_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    const struct wr_value *order = wr_value_get(bind->spec, "order");
    if (order == NULL)
        order = wr_value_get(bind->spec, "items"); /* what a key function gives */
    config->has_time = bind->inputs[0]->has_time;
    if (order == NULL && !config->has_time) {
        wr_error_script(err, "W301", "no event time: add `:event_time \"…\"` before");
        wr_error_help(err, "or say by what: `:sort \"amount desc\"`");
        return WR_ESCRIPT;
    }
    if (order != NULL && !bind->inputs[0]->bounded) {
        wr_error_script(err, "W303", "this `sort` never ends");
        wr_error_help(err, "`:sort()` sorts an endless stream by event time");
        return WR_ESCRIPT;
    }
    int status = order == NULL
                     ? WR_OK
                     : wr_list_bind(&config->order, &bind->scope, WR_LIST_ORDER, order, err);
    if (status != WR_OK) {
        wr_error_at(err, "1", err == NULL ? 0 : err->from, err == NULL ? 0 : err->to);
        return status;
    }
    if (make_wide(bind, config) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    if (order != NULL) { /* rows leave in another order than that of time */
        bind->out.has_time = 0;
        bind->out.order = WR_ORDER_FIRING;
    }
    bind->config = config;
    return WR_OK;
}

static void sort_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                       const uint64_t *wanted, uint64_t *columns) {
    (void)input_number;
    for (uint32_t w = 0; w < WR_BITS_WORDS(input->schema->field_count + WR_HIDDEN_COUNT); w++)
        columns[w] |= wanted[w];
    if (((const struct sort_config *)config)->order != NULL)
        wr_list_reads(((const struct sort_config *)config)->order, columns);
}

static struct wr_value *sort_explain(const void *config, struct wr_arena *arena) {
    const struct sort_config *self = config;
    return wr_op_explain(arena, self->order,
                         self->order != NULL ? "all rows"
                                             : "rows that the frontier has not passed");
}

static int sort_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    struct sort *self = (struct sort *)op;
    wr_eval_init(&self->eval, op->env->state_budget);
    wr_batch_pool_init(&self->pool, op->env->state_budget);
    self->pool.home = op->env->pool;
    self->released_us = WR_TIME_MIN;
    uint64_t memory = op->env->spill_bytes;
    uint64_t block = WR_MIN(WR_MAX(memory / BLOCKS_IN_MEMORY, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX);
    uint64_t runs = memory / 4 / block; /* a block of each is in memory while they are merged */
    self->block_bytes = (uint32_t)block;
    self->runs_max = (uint32_t)WR_MIN(WR_MAX(runs, SORT_RUNS_MIN), SORT_RUNS_MAX);
    return WR_OK;
}

struct wr_error *sort_error(const struct sort *self) {
    return self->base.env->err == NULL ? NULL : *self->base.env->err;
}

uint64_t sort_row_count(const struct sort *self) {
    uint64_t rows = self->row_count;
    for (uint32_t r = 0; r < self->run_count; r++)
        rows += self->runs[r].row_count;
    return rows;
}

static int add_held(struct sort *self) {
    const struct sort_config *config = self->base.config;
    if (wr_grow(self->base.env->state_budget, (void **)&self->held, self->held_count,
                &self->held_room, sizeof *self->held) != WR_OK)
        return WR_ENOMEM;
    struct wr_batch *batch =
        wr_batch_room(&self->pool, config->wide, SORT_HELD_ROWS, config->has_time);
    if (batch == NULL)
        return WR_ENOMEM;
    if (self->base.keeps_origins && wr_origins_keep(batch, SORT_HELD_ROWS) != WR_OK) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    if (self->held_count > 0)
        self->held_bytes += wr_arena_bytes(&self->held[self->held_count - 1]->arena);
    self->held[self->held_count++] = batch;
    return WR_OK;
}

/* Appends some of the rows, as many as the last batch has room for. */
static int append(struct sort *self, const struct wr_batch *wide, const uint32_t *rows,
                  uint32_t row_count, uint32_t *done) {
    struct wr_batch *last = self->held_count == 0 ? NULL : self->held[self->held_count - 1];
    if (last == NULL || last->row_count == SORT_HELD_ROWS) {
        if (add_held(self) != WR_OK)
            return WR_ENOMEM;
        last = self->held[self->held_count - 1];
    }
    uint32_t count = WR_MIN(row_count, SORT_HELD_ROWS - last->row_count);
    int status = wr_batch_append(last, wide, rows, count);
    *done = status == WR_OK ? count : 0;
    self->row_count += *done;
    return status;
}

/* Appends dense copies of rows of a batch to those that are held. Where memory is refused, what is
 * held leaves it first. */
int sort_keep_rows(struct sort *self, const struct wr_batch *wide, const uint32_t *rows,
                   uint32_t row_count) {
    int status = WR_OK;
    for (uint32_t at = 0; at < row_count && status == WR_OK;) {
        uint32_t done = 0;
        status = append(self, wide, rows + at, WR_MIN(row_count - at, APPEND_ROWS), &done);
        at += done;
        if (status == WR_ENOMEM && self->row_count > 0)
            status = sort_spill(self);
        else if (status == WR_OK && sort_must_spill(self))
            status = sort_spill(self);
    }
    return status;
}

/* Keeps a dense copy of the rows, since input buffers would pin far more than the rows. */
int sort_keep(struct sort *self, const struct wr_batch *wide) {
    uint32_t *rows = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, wide->sel_count);
    if (rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < wide->sel_count; i++)
        rows[i] = wr_batch_row(wide, i);
    return sort_keep_rows(self, wide, rows, wide->sel_count);
}

void sort_forget_held(struct sort *self) {
    for (uint32_t i = 0; i < self->held_count; i++)
        wr_batch_unref(self->held[i]);
    wr_free(self->base.env->state_budget, self->held);
    self->held = NULL;
    self->held_count = self->held_room = 0;
    self->row_count = self->saved_rows = self->held_bytes = 0;
}

/* The rows with the columns that they are ordered by; those whose order fails are rejected. */
static int widen(struct sort *self, struct wr_batch *in, struct wr_out *out) {
    const struct sort_config *config = self->base.config;
    struct wr_op *op = &self->base;
    struct wr_batch *wide = wr_batch_over(op->env->pool, config->wide, in);
    if (wide == NULL)
        return WR_ENOMEM;
    memcpy(wide->columns, in->columns, config->first_key * sizeof *in->columns);
    int status = WR_OK;
    if (config->order != NULL) {
        wr_op_eval_begin(op, &self->eval);
        status = wr_list_run(config->order, &self->eval, in, &wide->arena);
        if (status >= 0)
            status = wr_op_reject_fails(op, &self->eval, in, out);
        if (status >= 0)
            wide->sel = wr_op_rows_left(op, &self->eval, in, &wide->sel_count, &status);
        for (uint32_t k = 0; status >= 0 && k < config->order->item_count; k++) {
            const struct wr_item *item = &config->order->items[k];
            wide->columns[config->first_key + k] =
                item->column >= 0 ? in->columns[item->column] : self->eval.outputs[item->output];
        }
    }
    if (status >= 0 && wide->sel_count > 0)
        status = sort_keep(self, wide);
    wr_batch_unref(wide);
    return status;
}

/* Rows behind their own frontier cannot be put where they belong any more. */
static int refuse_behind(struct sort *self, struct wr_batch *in, struct wr_batch **kept,
                         struct wr_out *out) {
    struct wr_op_env *env = self->base.env;
    uint32_t *good = WR_ARENA_ARRAY(env->scratch, uint32_t, in->sel_count);
    uint32_t *late = WR_ARENA_ARRAY(env->scratch, uint32_t, in->sel_count);
    uint32_t good_count = 0, late_count = 0;
    if (good == NULL || late == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < in->sel_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        uint32_t is_late = in->behind != NULL && in->event_time[row] < in->behind[row];
        good[good_count] = late[late_count] = row;
        good_count += is_late == 0;
        late_count += is_late;
    }
    *kept = good_count == 0 ? NULL : wr_batch_select(env->pool, in, good, good_count);
    if (good_count > 0 && *kept == NULL)
        return WR_ENOMEM;
    return wr_op_emit_late(&self->base, in, late, late_count, out);
}

static int sort_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct sort *self = (struct sort *)op;
    const struct sort_config *config = op->config;
    struct wr_batch *kept = wr_batch_ref(in);
    int status = WR_OK;
    if (config->order == NULL) {
        wr_batch_unref(kept);
        kept = NULL;
        status = refuse_behind(self, in, &kept, out);
    }
    if (status == WR_OK && kept != NULL)
        status = widen(self, kept, out);
    wr_batch_unref(kept);
    return status;
}

static int sort_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct sort *self = (struct sort *)op;
    const struct sort_config *config = op->config;
    if (config->order != NULL && frontier != WR_TIME_MAX)
        return WR_OK;
    int flow = sort_release(self, frontier, out);
    return WR_MIN(flow, WR_OK);
}

static void sort_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct sort *self = (const struct sort *)op;
    state->rows += sort_row_count(self); /* of any width */
    state->spilled_bytes += wr_scratch_bytes_peak(self->scratch);
}

static void sort_close(struct wr_op *op) {
    struct sort *self = (struct sort *)op;
    sort_forget_held(self);
    sort_runs_forget(self);
    wr_scratch_free(self->scratch);
    wr_batch_pool_release(&self->pool);
    wr_eval_release(&self->eval);
}

const struct wr_op_type wr_op_sort = {
    .name = "sort",
    .size_bytes = sizeof(struct sort),
    .flags = WR_OP_LATE_PORT | WR_OP_MAKES_ROWS | WR_OP_HOLDS_ROWS,
    .bind = sort_bind,
    .needs = sort_needs,
    .open = sort_open,
    .push = sort_push,
    .advance = sort_advance,
    .save = sort_save,
    .load = sort_load,
    .close = sort_close,
    .measure = sort_measure,
    .explain = sort_explain,
};
