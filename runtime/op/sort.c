/* sort.c: `sort(O)`: all rows of a bounded input in the given order; `sort()`: rows of an endless
 * one by event time, held until the frontier has passed them (a row that is behind is late). Ties
 * keep the order of the edge, after event time. nil is last in both directions. State: all rows
 * that are held, as batches; a limit is the state budget. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/order.h"
#include "op/op.h"
#include "base/banned.h"

#define HELD_ROWS 1024u /* of one held batch */
#define SAVED_ROWS 64u  /* of one batch in a checkpoint */

struct sort_config {
    struct wr_list *order; /* NULL: by event time */
    int has_time;
    /* Held rows: the input's columns, then a column for each item of the order. */
    struct wr_schema *wide;
    uint32_t first_key;
};

struct sort {
    struct wr_op base;
    struct wr_eval eval;
    struct wr_batch_pool pool; /* of held rows, from the state's budget */
    uint32_t held_count, held_room;
    struct wr_batch **held; /* dense copies, of the wide schema; all full but the last */
    uint64_t row_count;
    /* What the store knows: the first rows of `held`, and others that have left since. */
    uint64_t saved_rows;
    int64_t released_us; /* rows before this have left since the last save; WR_TIME_MIN: none */
    uint64_t save_next;  /* the row that the next piece begins with */
    int saving;          /* between two pieces */
};

struct place {
    uint32_t batch, row;
};

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
    return WR_OK;
}

static int add_held(struct sort *self) {
    const struct sort_config *config = self->base.config;
    if (wr_grow(self->base.env->state_budget, (void **)&self->held, self->held_count,
                &self->held_room, sizeof *self->held) != WR_OK)
        return WR_ENOMEM;
    struct wr_batch *batch = wr_batch_room(&self->pool, config->wide, HELD_ROWS, config->has_time);
    if (batch == NULL)
        return WR_ENOMEM;
    self->held[self->held_count++] = batch;
    return self->base.keeps_origins ? wr_origins_keep(batch, HELD_ROWS) : WR_OK;
}

/* Appends dense copies of rows of a batch to those that are held. */
static int keep_rows(struct sort *self, const struct wr_batch *wide, const uint32_t *rows,
                     uint32_t row_count) {
    int status = WR_OK;
    for (uint32_t at = 0; at < row_count && status == WR_OK;) {
        struct wr_batch *last = self->held_count == 0 ? NULL : self->held[self->held_count - 1];
        if (last == NULL || last->row_count == HELD_ROWS) {
            status = add_held(self);
            continue;
        }
        uint32_t count = WR_MIN(row_count - at, HELD_ROWS - last->row_count);
        status = wr_batch_append(last, wide, rows + at, count);
        self->row_count += count;
        at += count;
    }
    return status;
}

/* Keeps a dense copy of the rows, since input buffers would pin far more than the rows. */
static int keep(struct sort *self, const struct wr_batch *wide) {
    uint32_t *rows = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, wide->sel_count);
    if (rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < wide->sel_count; i++)
        rows[i] = wr_batch_row(wide, i);
    return keep_rows(self, wide, rows, wide->sel_count);
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
        status = keep(self, wide);
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

struct order {
    const struct sort *self;
    const struct sort_config *config;
};

static int compare_keys(const struct order *order, const struct place *a, const struct place *b) {
    const struct wr_batch *x = order->self->held[a->batch], *y = order->self->held[b->batch];
    const struct wr_list *list = order->config->order;
    for (uint32_t k = 0; list != NULL && k < list->item_count; k++) {
        const struct wr_item *item = &list->items[k];
        const struct wr_column *p = &x->columns[order->config->first_key + k];
        const struct wr_column *q = &y->columns[order->config->first_key + k];
        int nils = wr_column_is_nil(p, a->row) || wr_column_is_nil(q, b->row);
        int by = wr_cell_compare(&item->type, p, a->row, q, b->row);
        if (by != 0)
            return item->desc && !nils ? -by : by;
    }
    if (order->config->has_time) {
        int64_t s = x->event_time[a->row], t = y->event_time[b->row];
        if (s != t)
            return s < t ? -1 : 1;
    }
    return 0;
}

static int compare_places(const void *a, const void *b, void *ctx) {
    const struct place *x = a, *y = b;
    int by = compare_keys(ctx, x, y);
    if (by != 0)
        return by;
    if (x->batch != y->batch)
        return x->batch < y->batch ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* `count` rows from `places`, dense, under the output's schema: the head of the wide one. Rows that
 * were put into another order have no event time any more. */
static struct wr_batch *gather(struct sort *self, const struct place *places, uint32_t count) {
    const struct wr_schema *schema = self->base.schema;
    const struct sort_config *config = self->base.config;
    int has_time = config->has_time && config->order == NULL;
    struct wr_batch *batch = wr_batch_room(self->base.env->pool, schema, count, has_time);
    if (batch != NULL && self->base.keeps_origins && wr_origins_keep(batch, count) != WR_OK) {
        wr_batch_unref(batch);
        return NULL;
    }
    for (uint32_t i = 0; batch != NULL && i < count; i++) {
        struct wr_batch view = *self->held[places[i].batch];
        view.schema = schema;
        if (wr_batch_append(batch, &view, &places[i].row, 1) != WR_OK) {
            wr_batch_unref(batch);
            return NULL;
        }
    }
    return batch;
}

/* Emits places in their order, as batches of at most batch_rows. */
static int emit_places(struct sort *self, const struct place *places, uint64_t count,
                       struct wr_out *out) {
    int flow = WR_FLOW_MORE;
    for (uint64_t at = 0; at < count && flow == WR_FLOW_MORE;) {
        uint32_t rows = (uint32_t)WR_MIN((uint64_t)self->base.env->batch_rows, count - at);
        struct wr_batch *batch = gather(self, places + at, rows);
        flow = batch == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_MAIN, batch);
        at += rows;
    }
    return flow;
}

static void forget(struct sort *self, struct wr_batch **held, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        wr_batch_unref(held[i]);
    wr_free(self->base.env->state_budget, held);
}

static void forget_all(struct sort *self) {
    forget(self, self->held, self->held_count);
    self->held = NULL;
    self->held_count = self->held_room = 0;
    self->row_count = self->saved_rows = 0;
}

/* Puts the rows that stay together anew, in their order, so that those that leave free their
 * memory. */
static int keep_rest(struct sort *self, const struct place *rest, uint64_t count) {
    struct sort old = *self;
    self->held = NULL;
    self->held_count = self->held_room = 0;
    self->row_count = 0;
    int status = WR_OK;
    for (uint64_t at = 0; at < count && status == WR_OK;) {
        uint32_t rows[HELD_ROWS], run = 0, batch = rest[at].batch;
        for (; at < count && rest[at].batch == batch; at++)
            rows[run++] = rest[at].row;
        status = keep_rows(self, old.held[batch], rows, run);
    }
    forget(self, old.held, old.held_count);
    return status;
}

/* Parts the rows, each in their order: those that leave at `frontier` stand first in `places`, and
 * the others from *ready on. Counts what leaves of what the store knows. */
static struct place *part_rows(struct sort *self, int64_t frontier, uint64_t *ready) {
    struct wr_budget *budget = self->base.env->state_budget;
    struct place *places = wr_alloc(budget, self->row_count * sizeof *places);
    uint64_t leaving = 0, rest = self->row_count, row = 0, saved_leaving = 0;
    if (places == NULL)
        return NULL;
    for (uint32_t b = 0; b < self->held_count; b++)
        for (uint32_t i = 0; i < self->held[b]->row_count; i++, row++) {
            int goes = frontier == WR_TIME_MAX || self->held[b]->event_time[i] < frontier;
            places[goes ? leaving++ : --rest] = (struct place){.batch = b, .row = i};
            saved_leaving += goes && row < self->saved_rows;
        }
    for (uint64_t from = leaving, to = self->row_count; from + 1 < to; from++) {
        struct place place = places[--to];
        places[to] = places[from];
        places[from] = place;
    }
    self->saved_rows -= saved_leaving;
    if (saved_leaving > 0)
        self->released_us = frontier;
    *ready = leaving;
    return places;
}

/* Rows with event time below `frontier` leave, in their order; the rest is kept. */
static int release(struct sort *self, int64_t frontier, struct wr_out *out) {
    if (self->row_count == 0)
        return WR_OK;
    uint64_t ready, row_count = self->row_count;
    struct place *places = part_rows(self, frontier, &ready);
    if (places == NULL)
        return WR_ENOMEM;
    struct order order = {.self = self, .config = self->base.config};
    qsort_r(places, ready, sizeof *places, compare_places, &order);
    int status = emit_places(self, places, ready, out);
    if (ready == row_count)
        forget_all(self);
    else if (ready > 0 && status >= 0)
        status = keep_rest(self, places + ready, row_count - ready);
    wr_free(self->base.env->state_budget, places);
    return status;
}

static int sort_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct sort *self = (struct sort *)op;
    const struct sort_config *config = op->config;
    if (config->order != NULL && frontier != WR_TIME_MAX)
        return WR_OK;
    int flow = release(self, frontier, out);
    return WR_MIN(flow, WR_OK);
}

/* Some rows from `save_next` on, which all lie in one held batch. */
static int save_some(struct sort *self, struct wr_buf *out) {
    struct wr_batch view = *self->held[self->save_next / HELD_ROWS];
    uint32_t from = (uint32_t)(self->save_next % HELD_ROWS), rows[SAVED_ROWS];
    view.sel = rows;
    view.sel_count = WR_MIN(view.row_count - from, SAVED_ROWS);
    for (uint32_t i = 0; i < view.sel_count; i++)
        rows[i] = from + i;
    self->save_next += view.sel_count;
    return wr_batch_save(&view, out);
}

/* A piece: u64, rows before it have left · u32 count · batches of rows that have come. */
static int sort_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct sort *self = (struct sort *)op;
    int64_t released_us = WR_TIME_MIN;
    if (!self->saving) {
        self->save_next = all ? 0 : self->saved_rows;
        released_us = all ? WR_TIME_MIN : self->released_us;
        if (!all && released_us == WR_TIME_MIN && self->save_next == self->row_count)
            return WR_OK;
    }
    size_t start = out->length;
    wr_buf_add_u64(out, (uint64_t)released_us);
    size_t count_at = out->length;
    uint32_t count = 0;
    int status = wr_buf_add_u32(out, 0);
    for (; status == WR_OK && self->save_next < self->row_count; count++) {
        if (count > 0 && out->length - start >= op->env->piece_bytes)
            break;
        status = save_some(self, out);
    }
    if (status != WR_OK)
        return status;
    memcpy(out->bytes + count_at, &count, sizeof count);
    self->saving = self->save_next < self->row_count;
    if (self->saving)
        return WR_EAGAIN;
    self->saved_rows = self->row_count;
    self->released_us = WR_TIME_MIN;
    return WR_OK;
}

/* Rows that were read back have what they are ordered by, and what somebody reads. */
static int is_whole(const struct sort *self, const struct wr_batch *batch) {
    const struct sort_config *config = self->base.config;
    if (config->has_time && batch->event_time == NULL)
        return 0;
    for (uint32_t c = 0; c < config->wide->field_count; c++)
        if (batch->columns[c].data == NULL &&
            (c >= config->first_key || wr_bit_get(self->base.needed, c)))
            return 0;
    return 1;
}

/* Rows that had left since the piece before. */
static int drop(struct sort *self, int64_t frontier) {
    const struct sort_config *config = self->base.config;
    if (frontier == WR_TIME_MIN || self->row_count == 0)
        return WR_OK;
    if (!config->has_time && frontier != WR_TIME_MAX)
        return WR_ECORRUPT;
    uint64_t ready, row_count = self->row_count;
    struct place *places = part_rows(self, frontier, &ready);
    if (places == NULL)
        return WR_ENOMEM;
    int status = keep_rest(self, places + ready, row_count - ready);
    wr_free(self->base.env->state_budget, places);
    return status;
}

static int load_batch(struct sort *self, struct wr_reader *in) {
    const struct sort_config *config = self->base.config;
    struct wr_op_env *env = self->base.env;
    struct wr_batch *batch = NULL;
    struct wr_arena_mark mark = wr_arena_mark(env->scratch);
    int status = wr_batch_load(env->pool, config->wide, in, &batch);
    if (status == WR_OK && !is_whole(self, batch))
        status = WR_ECORRUPT;
    if (status == WR_OK)
        status = keep(self, batch);
    wr_arena_rewind(env->scratch, mark);
    wr_batch_unref(batch);
    return status;
}

static int sort_load(struct wr_op *op, struct wr_reader *in) {
    struct sort *self = (struct sort *)op;
    int64_t released_us = (int64_t)wr_reader_u64(in);
    uint32_t count = wr_reader_u32(in);
    int status = in->failed ? WR_ECORRUPT : drop(self, released_us);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        status = load_batch(self, in);
    self->saved_rows = self->row_count;
    self->released_us = WR_TIME_MIN;
    return status;
}

static void sort_measure(const struct wr_op *op, struct wr_op_state *state) {
    state->rows += ((const struct sort *)op)->row_count; /* of any width */
}

static void sort_close(struct wr_op *op) {
    struct sort *self = (struct sort *)op;
    forget_all(self);
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
