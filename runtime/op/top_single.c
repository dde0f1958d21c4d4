/* top_single.c: `top(1, …)`, `dedup` and `as_table` over rows that stay, where the one row of each
 * group leaves as it changes. The group's row in the table holds the row itself, so a row that
 * comes is one look: it is compared with the one that is there, and stays in the batch until the
 * push is over, when the last one of each group is put into the table.
 * A table row: the key · event time (8) · place among the groups of this push, from 1; else 0 (8) ·
 * the payload. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/order.h"
#include "op/top.h"
#include "base/banned.h"

#define HEAD_BYTES 16u /* between key and payload */

/* A row of the result: one that was in the table, or a row of the batch. */
struct single_row {
    const uint8_t *stored; /* NULL: row `row` of the batch */
    int64_t time;
    uint32_t row;
};

/* A group whose row a push replaced. */
struct single_group {
    uint8_t *at; /* its row of the table */
    struct single_row before, now;
    uint32_t cause;   /* the first row of the batch that did */
    uint8_t had_none; /* `before` is not there */
};

struct single_change {
    struct single_row row;
    uint32_t cause;
    int8_t weight;
    uint8_t replaced;
};

/* A push under way. */
struct single_push {
    struct top *self;
    const struct top_rows *rows;
    uint32_t key_bytes;
    struct single_group *groups;
    struct single_change *changes; /* room for two a row of the batch */
    uint32_t group_count, change_count;
};

int top_is_single(const struct top_config *config) {
    return config->rows == 1 && !config->with_ties && !config->retracts && config->gone == NULL &&
           config->mode == TOP_UPDATE && !top_closes(config);
}

static int single_open(struct wr_op *op, struct wr_error *err) {
    struct top *self = (struct top *)op;
    const struct wr_shape *groups = &top_config_of(self)->groups_shape;
    if (top_init(self) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    uint32_t before = groups->key_bytes + HEAD_BYTES, count = self->payload.cell_count;
    if (before + self->payload.bytes > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT, "rows of `%s` are wider than %d bytes",
                            top_config_of(self)->stage, WR_ROW_BYTES_MAX);
    self->cells = WR_ARENA_ARRAY(&self->arena, struct wr_cell, groups->cell_count + count + 1);
    if (self->cells == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    memcpy(self->cells, groups->cells, groups->cell_count * sizeof *self->cells);
    for (uint32_t c = 0; c < count; c++) {
        struct wr_cell *cell = &self->cells[groups->cell_count + c];
        *cell = self->payload.cells[c];
        cell->offset += before;
    }
    self->rows_shape = (struct wr_shape){.key_bytes = groups->key_bytes,
                                         .row_bytes = before + self->payload.bytes,
                                         .cell_count = groups->cell_count + count,
                                         .cells = self->cells};
    struct wr_budget *budget = op->env->state_budget;
    wr_slices_init(&self->groups, budget, &self->rows_shape, op->env->seed);
    wr_slices_init(&self->rows, budget, &self->rows_shape, op->env->seed);
    wr_slices_init(&self->finder, budget, &self->rows_shape, op->env->seed);
    return WR_OK;
}

/* ---- which row is the first ---- */

static struct wr_column column_of(const struct single_push *push, uint32_t k,
                                  const struct single_row *row, uint32_t *at) {
    const struct wr_payload *payload = &push->self->payload;
    if (row->stored == NULL) {
        *at = row->row;
        return push->rows->wide.columns[payload->columns[k]];
    }
    static const uint64_t none;
    *at = 0;
    return (struct wr_column){.data = (void *)(uintptr_t)(row->stored + payload->offsets[k]),
                              .valid = wr_payload_is_nil(row->stored, k) ? &none : NULL};
}

/* Whether row `row` of the batch, which comes after `old`, takes its place. */
static int comes_first(const struct single_push *push, const struct single_row *old, uint32_t row) {
    const struct top_config *config = top_config_of(push->self);
    const struct wr_list *order = config->order;
    for (uint32_t i = 0; order != NULL && i < order->item_count; i++) {
        uint32_t k = push->self->order_cells[i], at;
        const struct wr_column *new = &push->rows->wide.columns[config->order_columns[i]];
        struct wr_column column = column_of(push, k, old, &at);
        int by = wr_cell_compare(&push->self->payload.types[k], new, row, &column, at);
        if (by == 0)
            continue;
        int nils = wr_column_is_nil(new, row) || wr_column_is_nil(&column, at);
        return order->items[i].desc && !nils ? by > 0 : by < 0;
    }
    const int64_t *times = push->rows->in->event_time;
    int is_last = config->ties == TOP_TIES_LAST;
    if (config->by_time && times != NULL && times[row] != old->time)
        return is_last ? times[row] > old->time : times[row] < old->time;
    return is_last;
}

/* Whether nobody could tell the two rows apart. */
static int is_same(const struct single_push *push, const struct single_row *a,
                   const struct single_row *b) {
    const struct wr_payload *payload = &push->self->payload;
    if (a->time != b->time)
        return 0;
    for (uint32_t k = 0; k < payload->count; k++) {
        uint32_t at_a, at_b;
        struct wr_column x = column_of(push, k, a, &at_a), y = column_of(push, k, b, &at_b);
        if (wr_cell_compare(&payload->types[k], &x, at_a, &y, at_b) != 0)
            return 0;
    }
    return 1;
}

/* ---- rows in ---- */

static void add_changes(struct single_push *push, const struct single_row *old,
                        const struct single_row *new, uint32_t cause) {
    if (old != NULL && is_same(push, old, new))
        return;
    struct single_change *change = &push->changes[push->change_count];
    if (old != NULL)
        *change++ =
            (struct single_change){.row = *old, .cause = cause, .weight = -1, .replaced = 1};
    *change++ = (struct single_change){.row = *new, .cause = cause, .weight = 1};
    push->change_count = (uint32_t)(change - push->changes);
}

/* The group of a row of the table among those of this push, with what the table has as its row. */
static int begin_group(struct single_push *push, uint8_t *at, int is_made, uint32_t row,
                       struct single_group **group) {
    struct wr_arena *scratch = push->self->base.env->scratch;
    uint8_t *head = at + push->key_bytes;
    uint64_t place = ++push->group_count;
    struct single_group *made = *group = &push->groups[place - 1];
    memcpy(head + 8, &place, 8);
    *made = (struct single_group){.at = at, .cause = row, .had_none = (uint8_t)is_made};
    if (is_made)
        return WR_OK;
    uint8_t *copy = wr_arena_alloc(scratch, push->self->payload.bytes + 1);
    if (copy == NULL)
        return WR_ENOMEM;
    memcpy(copy, head + HEAD_BYTES, push->self->payload.bytes);
    memcpy(&made->before.time, head, 8);
    made->before.stored = copy;
    return WR_OK;
}

static int take_row(struct single_push *push, uint8_t *at, int is_made, uint32_t row) {
    const struct wr_batch *in = push->rows->in;
    uint8_t *head = at + push->key_bytes;
    struct single_row new = {.row = row, .time = in->event_time == NULL ? 0 : in->event_time[row]};
    uint64_t place;
    memcpy(&place, head + 8, 8);
    struct single_group *group = place == 0 ? NULL : &push->groups[place - 1];
    struct single_row old = {.stored = head + HEAD_BYTES};
    memcpy(&old.time, head, 8);
    if (group != NULL)
        old = group->now;
    if (!is_made && !comes_first(push, &old, row))
        return WR_OK;
    if (group == NULL && begin_group(push, at, is_made, row, &group) != WR_OK)
        return WR_ENOMEM;
    if (push->self->base.observed)
        add_changes(push, is_made ? NULL : place == 0 ? &group->before : &old, &new, row);
    group->now = new;
    return WR_OK;
}

/* The rows that are there now into the table. */
static int store_groups(struct single_push *push, struct wr_table *table) {
    int status = WR_OK;
    for (uint32_t g = 0; g < push->group_count && status == WR_OK; g++) {
        const struct single_group *group = &push->groups[g];
        uint8_t *head = group->at + push->key_bytes;
        if (!push->self->base.observed)
            add_changes(push, group->had_none ? NULL : &group->before, &group->now, group->cause);
        memcpy(head, &group->now.time, 8);
        memset(head + 8, 0, 8);
        status = wr_payload_put(&push->self->payload, table, head + HEAD_BYTES, &push->rows->wide,
                                group->now.row);
    }
    return status;
}

/* ---- rows out ---- */

/* Kept column `k` of the changes: long strings of the table are copied, those of the batch stay. */
static int fill_column(const struct single_push *push, uint32_t k,
                       const struct single_change *changes, uint32_t count, struct wr_batch *batch,
                       uint32_t c) {
    const struct wr_payload *payload = &push->self->payload;
    const struct wr_column *from = &push->rows->in->columns[c];
    int is_text = wr_type_is_text(payload->types[k].kind);
    uint32_t bytes = wr_type_bytes(payload->types[k].kind), nils = 0;
    char *data = wr_batch_column(batch, c, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (data == NULL || valid == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct single_row *row = &changes[i].row;
        char *to = data + (size_t)i * bytes;
        if (row->stored != NULL ? wr_payload_is_nil(row->stored, k)
                                : from->data == NULL || wr_column_is_nil(from, row->row)) {
            memset(to, 0, bytes);
            nils++;
            continue;
        }
        wr_bit_set(valid, i);
        const char *cell = row->stored != NULL
                               ? (const char *)row->stored + payload->offsets[k]
                               : (const char *)from->data + (size_t)row->row * bytes;
        if (bytes == 8)
            memcpy(to, cell, 8);
        else if (bytes == 16)
            memcpy(to, cell, 16);
        else
            memcpy(to, cell, bytes);
        struct wr_str *str = (struct wr_str *)(void *)to;
        if (!is_text || row->stored == NULL || str->length <= WR_STR_INLINE_MAX)
            continue;
        str->pointer = wr_arena_strndup(&batch->arena, str->pointer, str->length);
        if (str->pointer == NULL)
            return WR_ENOMEM;
    }
    batch->columns[c].valid = nils > 0 ? valid : NULL;
    return WR_OK;
}

static int fill_facts(const struct single_push *push, const struct single_change *changes,
                      uint32_t count, struct wr_batch *batch) {
    const struct wr_batch *in = push->rows->in;
    struct wr_arena *arena = &batch->arena;
    int64_t *times = WR_ARENA_ARRAY(arena, int64_t, count);
    int64_t *behind = WR_ARENA_ARRAY(arena, int64_t, count);
    int64_t *weights = WR_ARENA_ARRAY(arena, int64_t, count);
    uint32_t *cause = WR_ARENA_ARRAY(arena, uint32_t, count);
    uint64_t *replaced = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (times == NULL || behind == NULL || weights == NULL || cause == NULL || replaced == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        times[i] = changes[i].row.time;
        weights[i] = changes[i].weight;
        cause[i] = changes[i].cause;
        wr_bit_put(replaced, i, changes[i].replaced);
        if (in->behind != NULL)
            behind[i] = in->behind[cause[i]];
    }
    batch->weight = weights;
    batch->replaced = replaced;
    batch->cause = cause;
    if (in->event_time != NULL)
        batch->event_time = times;
    if (in->behind != NULL)
        batch->behind = behind;
    return WR_OK;
}

static int emit(const struct single_push *push, const struct single_change *changes, uint32_t count,
                struct wr_out *out) {
    const struct top *self = push->self;
    const struct top_config *config = top_config_of(self);
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, self->base.schema);
    if (batch == NULL)
        return WR_ENOMEM;
    batch->row_count = batch->sel_count = count;
    int status = fill_facts(push, changes, count, batch);
    for (uint32_t k = 0; k < self->payload.count && status == WR_OK; k++) {
        uint32_t c = self->payload.columns[k];
        if (c < config->input_count)
            status = fill_column(push, k, changes, count, batch, c);
    }
    if (status == WR_OK && config->rank_column >= 0) {
        int64_t *ranks = wr_batch_column(batch, (uint32_t)config->rank_column, count);
        for (uint32_t i = 0; ranks != NULL && i < count; i++)
            ranks[i] = 1;
        status = ranks == NULL ? WR_ENOMEM : WR_OK;
    }
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    wr_batch_hold(batch, push->rows->in);
    return out->emit(out, WR_PORT_MAIN, batch);
}

static int emit_all(const struct single_push *push, struct wr_out *out) {
    uint32_t room = WR_MAX(push->self->base.env->batch_rows, 2u);
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0, end; first < push->change_count && flow == WR_FLOW_MORE; first = end) {
        end = WR_MIN(first + room, push->change_count);
        end -= end < push->change_count && push->changes[end - 1].replaced; /* not torn */
        flow = emit(push, push->changes + first, end - first, out);
    }
    return flow;
}

static int single_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct top *self = (struct top *)op;
    struct wr_arena *scratch = op->env->scratch;
    struct top_rows rows;
    wr_slices_settle(&self->groups);
    int status = top_prepare(self, in, out, &rows);
    uint32_t count = rows.wide.sel_count;
    if (status < 0 || count == 0)
        return status;
    struct wr_table *table = wr_slices_at(&self->groups, 0);
    uint8_t **at = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    uint8_t *made = WR_ARENA_ARRAY(scratch, uint8_t, count);
    struct single_push push = {.self = self,
                               .rows = &rows,
                               .key_bytes = self->rows_shape.key_bytes,
                               .groups = WR_ARENA_ARRAY(scratch, struct single_group, count),
                               .changes = WR_ARENA_ARRAY(scratch, struct single_change, 2 * count)};
    if (table == NULL || at == NULL || made == NULL || push.groups == NULL || push.changes == NULL)
        return WR_ENOMEM;
    status = wr_table_upsert(table, rows.keys, rows.hashes, count, at, made);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        status = take_row(&push, at[i], made[i], wr_batch_row(&rows.wide, i));
    if (status == WR_OK)
        status = store_groups(&push, table);
    return status == WR_OK ? emit_all(&push, out) : status;
}

const struct wr_op_type wr_op_top_single = {
    .name = "top_single",
    .size_bytes = sizeof(struct top),
    .flags = TOP_FLAGS,
    .bind = top_bind,
    .needs = top_needs,
    .open = single_open,
    .push = single_push,
    .advance = top_advance,
    .next_boundary = top_next_boundary,
    .route = top_route,
    .compare = top_compare_fired,
    .save = top_save,
    .load = top_load,
    .close = top_close,
    .measure = top_measure,
    .explain = top_explain,
};
