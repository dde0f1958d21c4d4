/* top.c: rows into and out of their groups. Each row (or an update: the old row and the new one)
 * changes one group of each window that takes it, and what this changes of the result is recorded
 * at once, so that batches make no difference. */
#include "op/top.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "state/table_sorted.h"
#include "base/banned.h"

#define NO_ROW UINT32_MAX
#define CHANGES_MAX 4096u /* recorded before they leave */

void top_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
               const uint64_t *wanted, uint64_t *columns) {
    (void)input_number;
    const struct top_config *self = config;
    for (uint32_t c = 0; c < input->schema->field_count; c++)
        if (wr_bit_get(wanted, c))
            wr_bit_set(columns, c);
    if (self->keys != NULL)
        wr_list_reads(self->keys, columns);
    if (self->order != NULL)
        wr_list_reads(self->order, columns);
    if (self->gone != NULL)
        wr_list_reads(self->gone, columns);
    if (self->end_column >= 0)
        wr_bit_set(columns, (uint32_t)self->end_column);
}

struct wr_value *top_explain(const void *config, struct wr_arena *arena) {
    const struct top_config *self = config;
    const char *state = self->retracts       ? "all rows of each group"
                        : self->gone != NULL ? "the newest row of each key, deleted ones too"
                        : self->rows == 1    ? "one row of each group"
                        : top_closes(self)   ? "the first rows of each group x open windows"
                                             : "the first rows of each group";
    if (self->retracts && top_closes(self))
        state = "all rows of each group x open windows";
    return wr_op_explain(arena, self->order != NULL ? self->order : self->keys, state);
}

/* ---- open, close ---- */

/* The columns of a row that is kept: what somebody reads, what it is ordered by, and what tells it
 * from other rows when it is taken back. */
static int init_payload(struct top *self) {
    const struct top_config *config = top_config_of(self);
    uint32_t words = (uint32_t)WR_BITS_WORDS(config->wide->field_count + WR_HIDDEN_COUNT + 1);
    uint64_t *wanted = WR_ARENA_ZEROS(&self->arena, uint64_t, words);
    if (wanted == NULL)
        return WR_ENOMEM;
    if (config->retracts && config->keys != NULL)
        wr_list_reads(config->keys, wanted);
    for (uint32_t c = config->input_count; c < words * 64; c++)
        wr_bit_clear(wanted, c);
    for (uint32_t c = 0; c < config->input_count; c++)
        if (wr_bit_get(self->base.needed, c))
            wr_bit_set(wanted, c);
    uint32_t items = config->order == NULL ? 0 : config->order->item_count;
    for (uint32_t i = 0; i < items; i++)
        wr_bit_set(wanted, config->order_columns[i]);
    self->order_cells = WR_ARENA_ARRAY(&self->arena, uint32_t, items + 1);
    if (self->order_cells == NULL ||
        wr_payload_init(&self->payload, &self->arena, config->wide, wanted) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < items; i++)
        for (uint32_t k = 0; k < self->payload.count; k++)
            if (self->payload.columns[k] == config->order_columns[i])
                self->order_cells[i] = k;
    return WR_OK;
}

int top_init(struct top *self) {
    struct wr_budget *budget = self->base.env->state_budget;
    wr_eval_init(&self->keys_eval, budget);
    wr_eval_init(&self->order_eval, budget);
    wr_eval_init(&self->gone_eval, budget);
    wr_arena_init(&self->arena, &wr_budget_control, 4096);
    self->fired_us = self->saved_fired_us = WR_TIME_MIN;
    return init_payload(self);
}

int top_open(struct wr_op *op, struct wr_error *err) {
    struct top *self = (struct top *)op;
    const struct top_config *config = op->config;
    struct wr_budget *budget = op->env->state_budget;
    uint64_t seed = op->env->seed;
    if (top_init(self) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    uint32_t node_bytes = sizeof(struct top_node), count = self->payload.cell_count;
    if (node_bytes + self->payload.bytes > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT, "rows of `%s` are wider than %d bytes", config->stage,
                            WR_ROW_BYTES_MAX);
    self->cells = WR_ARENA_ARRAY(&self->arena, struct wr_cell, count + 1);
    if (self->cells == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    for (uint32_t c = 0; c < count; c++) {
        self->cells[c] = self->payload.cells[c];
        self->cells[c].offset += node_bytes;
    }
    self->rows_shape = (struct wr_shape){.key_bytes = 8,
                                         .row_bytes = node_bytes + self->payload.bytes,
                                         .cell_count = count,
                                         .cells = self->cells,
                                         .by_number = 1};
    wr_slices_init(&self->groups, budget, &config->groups_shape, seed);
    wr_slices_init(&self->rows, budget, &self->rows_shape, seed);
    wr_slices_init(&self->finder, budget, &config->finder_shape, seed);
    return WR_OK;
}

void top_close(struct wr_op *op) {
    struct top *self = (struct top *)op;
    wr_arena_release(&self->firing.arena);
    wr_sorted_free(self->runs);
    wr_slices_release(&self->groups);
    wr_slices_release(&self->rows);
    wr_slices_release(&self->finder);
    wr_eval_release(&self->keys_eval);
    wr_eval_release(&self->order_eval);
    wr_eval_release(&self->gone_eval);
    wr_arena_release(&self->arena);
    wr_free(op->env->state_budget, self->changes);
    wr_free(op->env->state_budget, self->graves);
}

/* ---- what is pushed ---- */

static int run_list(struct top *self, const struct wr_list *list, struct wr_eval *eval,
                    struct wr_batch *in, struct wr_batch *wide, struct wr_out *out) {
    if (list == NULL || list->program == NULL)
        return WR_OK;
    wr_op_eval_begin(&self->base, eval);
    struct wr_batch view = wr_batch_look(in);
    view.sel = wide->sel;
    view.sel_count = wide->sel_count;
    int status = wr_list_run(list, eval, &view, self->base.env->scratch);
    if (status < 0 || eval->fail_count == 0 || out == NULL)
        return status;
    status = wr_op_reject_fails(&self->base, eval, in, out);
    if (status >= 0)
        wide->sel = wr_op_rows_left(&self->base, eval, &view, &wide->sel_count, &status);
    return WR_MIN(status, WR_OK);
}

static const struct wr_column *item_column(const struct wr_item *item, const struct wr_eval *eval,
                                           const struct wr_batch *in) {
    return item->column >= 0 ? &in->columns[item->column] : &eval->outputs[item->output];
}

static int build_keys(struct top *self, const struct wr_batch *in, const struct wr_batch *wide,
                      char **keys, uint64_t **hashes) {
    const struct top_config *config = top_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t key_bytes = config->groups_shape.key_bytes, count = wide->sel_count;
    *keys = wr_arena_alloc(scratch, (size_t)count * key_bytes + 1);
    *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (*keys == NULL || *hashes == NULL)
        return WR_ENOMEM;
    if (config->keys == NULL) { /* one group: its key is a word of zeros */
        memset(*keys, 0, (size_t)count * key_bytes);
        for (uint32_t i = 0; i < count; i++)
            (*hashes)[i] = wr_shape_hash(&config->groups_shape, *keys, self->base.env->seed);
        return WR_OK;
    }
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    for (uint32_t k = 0; k < config->keys->item_count; k++)
        columns[k] = *item_column(&config->keys->items[k], &self->keys_eval, in);
    wr_keys_build(&config->layout, columns, wide->sel, count, self->base.env->seed, *keys, *hashes);
    return WR_OK;
}

int top_route(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes) {
    struct top *self = (struct top *)op;
    struct wr_batch wide = wr_batch_look(in);
    char *keys;
    uint64_t *made;
    int status = run_list(self, top_config_of(self)->keys, &self->keys_eval,
                          (struct wr_batch *)(uintptr_t)in, &wide, NULL);
    if (status >= 0)
        status = build_keys(self, in, &wide, &keys, &made);
    if (status == WR_OK) /* a failed row has any key: its shard will reject it */
        memcpy(hashes, made, in->sel_count * sizeof *hashes);
    return status;
}

/* Bits of rows that delete their key. */
static int find_gone(struct top *self, struct top_rows *rows, struct wr_out *out) {
    const struct top_config *config = top_config_of(self);
    struct wr_batch *wide = &rows->wide;
    if (config->gone == NULL)
        return WR_OK;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_batch view = wr_batch_look(rows->in);
    view.sel = wide->sel;
    view.sel_count = wide->sel_count;
    uint32_t *sel = WR_ARENA_ARRAY(scratch, uint32_t, wide->sel_count + 1), count = 0;
    uint8_t *gone = WR_ARENA_ZEROS(scratch, uint8_t, rows->in->row_count + 1);
    if (sel == NULL || gone == NULL)
        return WR_ENOMEM;
    wr_op_eval_begin(&self->base, &self->gone_eval);
    int status = wr_list_filter(config->gone, &self->gone_eval, &view, sel, &count);
    if (status >= 0 && self->gone_eval.fail_count > 0) {
        status = wr_op_reject_fails(&self->base, &self->gone_eval, rows->in, out);
        if (status >= 0)
            wide->sel =
                wr_op_rows_left(&self->base, &self->gone_eval, &view, &wide->sel_count, &status);
    }
    for (uint32_t i = 0; i < count; i++)
        gone[sel[i]] = 1;
    rows->gone = gone;
    return WR_MIN(status, WR_OK);
}

int top_prepare(struct top *self, struct wr_batch *in, struct wr_out *out, struct top_rows *rows) {
    const struct top_config *config = top_config_of(self);
    struct wr_batch *wide = &rows->wide;
    *rows = (struct top_rows){.in = in};
    wr_batch_show(wide, in);
    wide->schema = config->wide;
    wide->columns =
        WR_ARENA_ZEROS(self->base.env->scratch, struct wr_column, config->wide->field_count + 1);
    if (wide->columns == NULL)
        return WR_ENOMEM;
    int status = run_list(self, config->keys, &self->keys_eval, in, wide, out);
    if (status >= 0 && wide->sel_count > 0)
        status = run_list(self, config->order, &self->order_eval, in, wide, out);
    if (status >= 0 && wide->sel_count > 0)
        status = find_gone(self, rows, out);
    if (status < 0 || wide->sel_count == 0)
        return status;
    memcpy(wide->columns, in->columns, config->input_count * sizeof *in->columns);
    for (uint32_t i = 0; config->order != NULL && i < config->order->item_count; i++)
        wide->columns[config->order_columns[i]] =
            *item_column(&config->order->items[i], &self->order_eval, in);
    return build_keys(self, in, wide, &rows->keys, &rows->hashes);
}

/* ---- one group ---- */

static int add_node(struct top *self, const struct top_tables *tables, const struct top_rows *rows,
                    uint32_t at, uint64_t *id) {
    uint32_t row = wr_batch_row(&rows->wide, at);
    uint64_t seed = wr_table_seed(tables->rows), hash;
    uint8_t *made;
    *id = ++self->next_id;
    self->bound.node = NULL; /* nodes move */
    hash = wr_shape_hash(&self->rows_shape, id, seed);
    int status = wr_table_upsert(tables->rows, id, &hash, 1, &made, NULL);
    if (status != WR_OK)
        return status;
    struct top_node *node = (struct top_node *)(void *)made;
    node->time = rows->in->event_time == NULL ? 0 : rows->in->event_time[row];
    node->gone = rows->gone != NULL && rows->gone[row];
    status = wr_payload_put(&self->payload, tables->rows, made + sizeof *node, &rows->wide, row);
    if (status != WR_OK || tables->finder == NULL)
        return status;
    uint64_t key = wr_payload_hash(&self->payload, &rows->wide, row, rows->hashes[at]);
    uint8_t *entry;
    hash = wr_shape_hash(&top_config_of(self)->finder_shape, &key, seed);
    status = wr_table_upsert(tables->finder, &key, &hash, 1, &entry, NULL);
    if (status != WR_OK)
        return status;
    memcpy(&node->twin, entry + 8, 8);
    memcpy(entry + 8, id, 8);
    return WR_OK;
}

/* The row that is taken back, out of the finder; 0: there is none. */
static int find_node(struct top *self, const struct top_tables *tables, const struct top_rows *rows,
                     uint32_t at, uint64_t *id) {
    uint32_t row = wr_batch_row(&rows->wide, at);
    uint64_t seed = wr_table_seed(tables->rows);
    uint64_t key = wr_payload_hash(&self->payload, &rows->wide, row, rows->hashes[at]);
    uint64_t hash = wr_shape_hash(&top_config_of(self)->finder_shape, &key, seed), next;
    uint8_t *entry;
    *id = 0;
    wr_table_find(tables->finder, &key, &hash, 1, &entry);
    if (entry == NULL)
        return WR_OK;
    struct top_node *before = NULL;
    for (memcpy(&next, entry + 8, 8); next != 0;) {
        struct top_node *node = top_node(tables->rows, next);
        if (wr_payload_holds(&self->payload, top_payload(node), &rows->wide, row)) {
            *id = next;
            if (before != NULL) {
                before->twin = node->twin;
                wr_table_touch(tables->rows, (uint8_t *)before);
            } else if (node->twin != 0) {
                memcpy(entry + 8, &node->twin, 8);
                wr_table_touch(tables->finder, entry);
            } else {
                wr_table_delete(tables->finder, &key, hash);
            }
            return WR_OK;
        }
        before = node;
        next = node->twin;
    }
    return WR_OK;
}

/* Rows that can never be among the first again. */
static int prune(struct top *self, const struct top_tables *tables, uint64_t *root) {
    const struct top_config *config = top_config_of(self);
    int status = WR_OK;
    if (config->retracts)
        return WR_OK;
    uint32_t size = top_size(tables->rows, *root);
    if (size <= config->rows)
        return WR_OK;
    uint32_t keep = config->gone != NULL ? 1 : top_visible(self, tables->rows, *root);
    for (; size > keep && status == WR_OK; size--) {
        uint64_t last = top_select(tables->rows, *root, size - 1);
        *root = top_erase(self, tables->rows, *root, last);
        status = top_bury(self, tables->rows, last);
    }
    return status;
}

/* Takes row number `back` out of a group and puts row number `come` in (NO_ROW: none). */
static int change_tree(struct top *self, const struct top_tables *tables,
                       const struct top_rows *rows, uint32_t back, uint32_t come, int records,
                       uint64_t *root) {
    const struct top_config *config = top_config_of(self);
    const struct wr_batch *wide = &rows->wide;
    struct top_view before, after;
    uint64_t gone = 0, made = 0;
    uint32_t first = UINT32_MAX;
    int status = back == NO_ROW ? WR_OK : find_node(self, tables, rows, back, &gone);
    if (status != WR_OK)
        return status;
    if (gone != 0)
        first = top_position(self, tables->rows, *root, top_node(tables->rows, gone));
    if (come != NO_ROW) {
        uint32_t at =
            top_position_of_row(self, tables->rows, *root, wide, wr_batch_row(wide, come));
        first = WR_MIN(first, at);
        if (!config->retracts && at >= config->rows &&
            (!config->with_ties ||
             top_is_beaten(self, tables->rows, *root, wide, wr_batch_row(wide, come)))) {
            uint64_t last = top_select(tables->rows, *root, config->rows - 1);
            self->bound = (struct top_bound){
                .mark = tables->mark, .at = come, .node = top_node(tables->rows, last)};
            return WR_OK; /* it is not among the first, and never will be */
        }
    }
    if (records)
        status = top_look(self, tables, *root, first, &before);
    if (status == WR_OK && gone != 0) {
        *root = top_erase(self, tables->rows, *root, gone);
        status = top_bury(self, tables->rows, gone);
    }
    if (status == WR_OK && come != NO_ROW)
        status = add_node(self, tables, rows, come, &made);
    if (status == WR_OK && made != 0) {
        *root = top_insert(self, tables->rows, *root, made);
        status = prune(self, tables, root);
    }
    if (status == WR_OK && records)
        status = top_look(self, tables, *root, first, &after);
    if (status == WR_OK && records)
        status = top_record(self, tables, &before, &after, gone, made,
                            wr_batch_row(wide, back != NO_ROW ? back : come));
    return status;
}

/* Whether results of a window leave as they change: not before it has fired, where only late rows
 * correct it. */
static int leaves(const struct top *self, int64_t mark) {
    return top_config_of(self)->mode == TOP_UPDATE || mark < self->fired_us;
}

/* Whether a row stands behind all that its group keeps, so far as is known without a look. */
static int is_beyond(const struct top *self, const struct top_tables *tables,
                     const struct top_rows *rows, uint32_t come) {
    const struct top_config *config = top_config_of(self);
    const struct top_bound *bound = &self->bound;
    size_t key_bytes = config->groups_shape.key_bytes;
    if (bound->node == NULL || bound->mark != tables->mark ||
        memcmp(rows->keys + come * key_bytes, rows->keys + bound->at * key_bytes, key_bytes) != 0)
        return 0;
    return top_compare_row(self, &rows->wide, wr_batch_row(&rows->wide, come), bound->node,
                           !config->with_ties) > 0;
}

static int change_group(struct top *self, const struct top_tables *tables,
                        const struct top_rows *rows, uint32_t back, uint32_t come) {
    const struct top_config *config = top_config_of(self);
    uint32_t at = back != NO_ROW ? back : come, key_bytes = config->groups_shape.key_bytes;
    const char *key = rows->keys + (size_t)at * key_bytes;
    uint64_t root;
    uint8_t *group;
    if (back == NO_ROW && is_beyond(self, tables, rows, come))
        return WR_OK;
    struct wr_arena_mark mark = wr_arena_mark(self->base.env->scratch);
    int status = wr_table_upsert(tables->groups, key, &rows->hashes[at], 1, &group, NULL);
    if (status != WR_OK)
        return status;
    memcpy(&root, group + key_bytes, sizeof root);
    status = change_tree(self, tables, rows, back, come, leaves(self, tables->mark), &root);
    if (root == 0)
        wr_table_delete(tables->groups, key, rows->hashes[at]);
    else
        memcpy(group + key_bytes, &root, sizeof root);
    wr_arena_rewind(self->base.env->scratch, mark);
    return status;
}

/* ---- windows ---- */

static int tables_at(struct top *self, int64_t mark, struct top_tables *tables) {
    int retracts = top_config_of(self)->retracts;
    if (tables->groups != NULL && tables->mark == mark)
        return WR_OK;
    tables->mark = mark;
    tables->groups = wr_slices_at(&self->groups, mark);
    tables->rows = wr_slices_at(&self->rows, mark);
    tables->finder = retracts ? wr_slices_at(&self->finder, mark) : NULL;
    return tables->groups == NULL || tables->rows == NULL || (retracts && tables->finder == NULL)
               ? WR_ENOMEM
               : WR_OK;
}

/* The windows of a row, from the first to the last mark. */
static void windows_of(const struct top_config *config, const struct wr_batch *in, uint32_t row,
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
}

static int is_open(const struct top_config *config, const struct wr_batch *in, uint32_t row,
                   int64_t mark) {
    return !top_closes(config) || in->behind == NULL ||
           top_closes_at(config, mark) > in->behind[row];
}

/* Whether the row behind number `at` is the same one anew, in the same group and windows. */
static int is_update(const struct top *self, const struct top_rows *rows, uint32_t at) {
    const struct top_config *config = top_config_of(self);
    const struct wr_batch *in = rows->in;
    uint32_t key_bytes = config->groups_shape.key_bytes, row = wr_batch_row(&rows->wide, at);
    if (!wr_batch_is_replaced(&rows->wide, at) || rows->hashes[at] != rows->hashes[at + 1])
        return 0;
    const uint8_t *a = (const uint8_t *)rows->keys + (size_t)at * key_bytes;
    if (config->keys != NULL && wr_keys_compare(&config->layout, a, a + key_bytes) != 0)
        return 0;
    if (!top_closes(config))
        return 1;
    int64_t first[2], last[2];
    for (uint32_t i = 0; i < 2; i++)
        windows_of(config, in, row + i, &first[i], &last[i]);
    int same_behind = in->behind == NULL || in->behind[row] == in->behind[row + 1];
    return same_behind && first[0] == first[1] && last[0] == last[1];
}

/* Row number `at`, or an update from it to the next. */
static int take(struct top *self, struct top_tables *tables, const struct top_rows *rows,
                uint32_t at, int update, int *refused) {
    const struct top_config *config = top_config_of(self);
    const struct wr_batch *in = rows->in;
    uint32_t row = wr_batch_row(&rows->wide, at), back = NO_ROW, come = at;
    int status = WR_OK;
    if (in->weight != NULL && in->weight[row] < 0) {
        back = at;
        come = update ? at + 1 : NO_ROW;
    }
    *refused = 1;
    int64_t mark, last;
    windows_of(config, in, row, &mark, &last);
    for (int more = 1; more && status == WR_OK;) {
        if (is_open(config, in, row, mark)) {
            *refused = 0;
            status = tables_at(self, mark, tables);
            if (status == WR_OK)
                status = change_group(self, tables, rows, back, come);
        }
        more = mark < last;
        mark = more ? window_next(&config->window, mark) : mark;
    }
    return status;
}

int top_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct top *self = (struct top *)op;
    struct top_tables tables = {0};
    struct top_rows rows;
    self->bound.node = NULL;
    wr_slices_settle(&self->rows);
    wr_slices_settle(&self->groups);
    uint32_t *late = WR_ARENA_ARRAY(op->env->scratch, uint32_t, in->sel_count + 1), late_count = 0;
    int flow = late == NULL ? WR_ENOMEM : top_prepare(self, in, out, &rows);
    for (uint32_t at = 0; flow >= 0 && at < rows.wide.sel_count; at++) {
        int update = is_update(self, &rows, at), refused;
        int status = take(self, &tables, &rows, at, update, &refused);
        for (int i = 0; i <= update && refused; i++)
            late[late_count++] = wr_batch_row(&rows.wide, at + (uint32_t)i);
        at += (uint32_t)update;
        flow = status;
        if (status == WR_OK && self->change_count >= CHANGES_MAX)
            flow = top_flush(self, in, out);
        if (flow > 0)
            return flow;
    }
    if (flow >= 0)
        flow = top_flush(self, in, out);
    int status = flow < 0 ? flow : wr_op_emit_late(op, in, late, late_count, out);
    return status < 0 ? status : flow;
}

const struct wr_op_type wr_op_top = {
    .name = "top",
    .size_bytes = sizeof(struct top),
    .flags = TOP_FLAGS,
    .bind = top_bind,
    .needs = top_needs,
    .open = top_open,
    .push = top_push,
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
