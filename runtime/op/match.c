/* match.c: rows of `match` as they come: refused where they are late, judged by the conditions that
 * look at no other row, stored under their group until the frontier has passed them. */
#include "op/match.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

static void match_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                        const uint64_t *wanted, uint64_t *columns) {
    (void)input_number;
    const struct match_config *self = config;
    for (uint32_t c = 0; c < input->schema->field_count; c++)
        if (wr_bit_get(self->reads, c) || (self->all_rows && wr_bit_get(wanted, c)))
            wr_bit_set(columns, c);
    if (self->keys != NULL)
        wr_list_reads(self->keys, columns); /* hidden columns too */
}

static struct wr_value *match_explain(const void *config, struct wr_arena *arena) {
    const struct match_config *self = config;
    const char *state = self->within_us < INT64_MAX
                            ? "rows of each group that may begin or go on a match, `within` long"
                            : "rows of each group that may begin or go on a match";
    if (self->numbers)
        state = "rows of each group that may begin or go on a match, and a number for each group";
    else if (self->back > 0)
        state = "rows of each group that may begin or go on a match, and those that `lag` looks at";
    return wr_op_explain(arena, self->measures, state);
}

/* ---- open, close ---- */

static int init_payload(struct match *self) {
    const struct match_config *config = match_config_of(self);
    uint32_t count = config->wide->field_count;
    uint64_t *wanted = WR_ARENA_ZEROS(&self->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    self->cells = WR_ARENA_ARRAY(&self->arena, int32_t, count + 1);
    if (wanted == NULL || self->cells == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < count; c++)
        if (wr_bit_get(config->kept, c) ||
            (config->all_rows && c < config->lead && wr_bit_get(self->base.needed, c)))
            wr_bit_set(wanted, c);
    if (wr_payload_init(&self->payload, &self->arena, config->wide, wanted) != WR_OK)
        return WR_ENOMEM;
    memset(self->cells, 0xff, count * sizeof *self->cells);
    for (uint32_t k = 0; k < self->payload.count; k++)
        self->cells[self->payload.columns[k]] = (int32_t)k;
    return WR_OK;
}

static int match_open(struct wr_op *op, struct wr_error *err) {
    struct match *self = (struct match *)op;
    const struct match_config *config = op->config;
    struct wr_budget *budget = op->env->state_budget;
    wr_time_heap_init(&self->waiting, budget);
    wr_eval_init(&self->keys_eval, budget);
    wr_eval_init(&self->inputs_eval, budget);
    wr_eval_init(&self->eval, budget);
    wr_eval_init(&self->totals_eval, budget);
    wr_arena_init(&self->arena, &wr_budget_control, 4096);
    if (init_payload(self) != WR_OK || match_steps_open(self) != WR_OK ||
        match_tell_open(self) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    uint32_t head = sizeof(struct match_stored), count = self->payload.cell_count;
    if (head + self->payload.bytes > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT, "rows of `match` are wider than %d bytes",
                            WR_ROW_BYTES_MAX);
    self->row_cells = WR_ARENA_ARRAY(&self->arena, struct wr_cell, count + 1);
    if (self->row_cells == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    for (uint32_t c = 0; c < count; c++) {
        self->row_cells[c] = self->payload.cells[c];
        self->row_cells[c].offset += head;
    }
    self->rows_shape = (struct wr_shape){.key_bytes = 8,
                                         .row_bytes = head + self->payload.bytes,
                                         .cell_count = count,
                                         .cells = self->row_cells};
    wr_slices_init(&self->index, budget, &config->index_shape, op->env->seed);
    wr_slices_init(&self->group_rows, budget, &config->groups_shape, op->env->seed);
    wr_slices_init(&self->rows, budget, &self->rows_shape, op->env->seed);
    return WR_OK;
}

static void group_release(struct match *self, struct match_group *group) {
    struct wr_budget *budget = self->base.env->state_budget;
    wr_free(budget, group->rows);
    wr_free(budget, group->memo);
    wr_free(budget, group->threads.bytes);
    *group = (struct match_group){.best = MATCH_NONE, .timer = MATCH_NONE};
}

static void match_close(struct wr_op *op) {
    struct match *self = (struct match *)op;
    struct wr_budget *budget = op->env->state_budget;
    for (uint32_t g = 0; g < self->group_count; g++)
        group_release(self, &self->groups[g]);
    match_steps_close(self);
    match_tell_close(self);
    void *arrays[] = {self->groups,    self->free_groups, self->timers, self->queue,    self->busy,
                      self->questions, self->results,     self->mapped, self->accounts, self->gone};
    for (size_t i = 0; i < WR_COUNT(arrays); i++)
        wr_free(budget, arrays[i]);
    wr_time_heap_release(&self->waiting);
    wr_slices_release(&self->index);
    wr_slices_release(&self->group_rows);
    wr_slices_release(&self->rows);
    wr_eval_release(&self->keys_eval);
    wr_eval_release(&self->inputs_eval);
    wr_eval_release(&self->eval);
    wr_eval_release(&self->totals_eval);
    wr_arena_release(&self->arena);
}

/* ---- groups ---- */

int match_group_at(struct match *self, uint32_t number, struct match_group **group) {
    while (self->group_count <= number) {
        if (MATCH_GROW(self, self->groups, self->group_count, self->group_room) != WR_OK)
            return WR_ENOMEM;
        self->groups[self->group_count++] =
            (struct match_group){.best = MATCH_NONE, .timer = MATCH_NONE};
    }
    *group = &self->groups[number];
    return WR_OK;
}

struct match_group_row *match_group_row(struct match *self, uint32_t number) {
    const struct wr_table *table = wr_slices_find(&self->group_rows, 0);
    uint8_t *row = table == NULL ? NULL : wr_table_find_word(table, number);
    return (struct match_group_row *)(void *)row;
}

/* A group for a key that is new, with its row under a number. */
static int group_new(struct match *self, const char *key, uint32_t *number) {
    const struct match_config *config = match_config_of(self);
    struct wr_table *table = wr_slices_at(&self->group_rows, 0);
    struct match_group *group;
    uint8_t *row;
    *number = self->free_count > 0 ? self->free_groups[self->free_count - 1] : self->group_count;
    if (table == NULL || match_group_at(self, *number, &group) != WR_OK)
        return WR_ENOMEM;
    uint64_t id = *number, hash = wr_shape_hash(&config->groups_shape, &id, wr_table_seed(table));
    int status = wr_table_upsert(table, &id, &hash, 1, &row, NULL);
    if (status != WR_OK)
        return status;
    status = wr_keys_put(&config->layout, table, row + sizeof(struct match_group_row), key);
    if (status != WR_OK)
        return status;
    self->free_count -= self->free_count > 0;
    group->is_used = 1;
    group->place = 1;
    group->start = group->cursor = 1;
    group->now = WR_TIME_MIN;
    return WR_OK;
}

/* The number of the group of a key, made where that is new. */
static int group_of(struct match *self, struct wr_table *index, const char *key, uint64_t hash,
                    uint32_t *number) {
    uint32_t key_bytes = match_config_of(self)->index_shape.key_bytes;
    uint64_t made;
    uint8_t *row;
    wr_table_find(index, key, &hash, 1, &row); /* a row before this one may have made it */
    if (row == NULL) {
        int status = group_new(self, key, number);
        if (status == WR_OK)
            status = wr_table_upsert(index, key, &hash, 1, &row, NULL);
        if (status != WR_OK)
            return status;
        made = *number;
        memcpy(row + key_bytes, &made, 8);
    }
    memcpy(&made, row + key_bytes, 8);
    *number = (uint32_t)made;
    return WR_OK;
}

/* The numbers of the groups of rows. */
static int groups_of(struct match *self, const char *keys, const uint64_t *hashes, uint32_t count,
                     uint32_t *numbers) {
    struct wr_table *index = wr_slices_at(&self->index, 0);
    uint32_t key_bytes = match_config_of(self)->index_shape.key_bytes;
    uint8_t **rows = WR_ARENA_ARRAY(self->base.env->scratch, uint8_t *, count + 1);
    if (index == NULL || rows == NULL)
        return WR_ENOMEM;
    wr_table_find(index, keys, hashes, count, rows);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t number = UINT64_MAX;
        if (rows[i] != NULL)
            memcpy(&number, rows[i] + key_bytes, 8);
        if (rows[i] != NULL && (number >= self->group_count || !self->groups[number].is_used))
            return WR_ECORRUPT; /* of a state that was read */
        numbers[i] = (uint32_t)number;
    }
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        if (numbers[i] == UINT32_MAX)
            status = group_of(self, index, keys + (size_t)i * key_bytes, hashes[i], &numbers[i]);
    return status;
}

static int group_delete(struct match *self, uint32_t number) {
    struct match_group_row *row = match_group_row(self, number);
    struct wr_table *index = wr_slices_find(&self->index, 0);
    struct wr_table *table = wr_slices_find(&self->group_rows, 0);
    if (row == NULL || index == NULL ||
        MATCH_GROW(self, self->free_groups, self->free_count, self->free_room) != WR_OK)
        return row == NULL || index == NULL ? WR_ECORRUPT : WR_ENOMEM;
    const struct match_config *config = match_config_of(self);
    uint64_t id = number, hash;
    hash = wr_shape_hash(&config->index_shape, match_key_of(row), wr_table_seed(index));
    wr_table_delete(index, match_key_of(row), hash);
    hash = wr_shape_hash(&config->groups_shape, &id, wr_table_seed(table));
    wr_table_delete(table, &id, hash);
    group_release(self, &self->groups[number]);
    self->free_groups[self->free_count++] = number;
    return WR_OK;
}

int match_group_settle(struct match *self, uint32_t number) {
    const struct match_config *config = match_config_of(self);
    struct match_group *group = &self->groups[number];
    while (group->count > 0 && group->place + config->back < group->start) {
        if (MATCH_GROW(self, self->gone, self->gone_count, self->gone_room) != WR_OK)
            return WR_ENOMEM;
        self->gone[self->gone_count++] = group->rows[group->head].id;
        group->head++;
        group->place++;
        group->count--;
    }
    if (group->count == 0 && group->waiting == 0 && !config->numbers)
        return group_delete(self, number);
    uint64_t first = group->start == match_end(group) ? 0 : match_row_at(group, group->start)->id;
    if (group->saved_first == first && group->saved_matches == group->matches)
        return WR_OK;
    struct match_group_row *row = match_group_row(self, number);
    if (row == NULL)
        return WR_ECORRUPT;
    row->first = group->saved_first = first;
    row->matches = group->saved_matches = group->matches;
    wr_table_touch(wr_slices_find(&self->group_rows, 0), (uint8_t *)row);
    return WR_OK;
}

/* ---- what is pushed ---- */

/* Runs a list over the rows that are left; those that fail leave as rejects. */
static int run_list(struct match *self, const struct wr_list *list, struct wr_eval *eval,
                    struct wr_batch *in, struct wr_batch *left, struct wr_out *out) {
    if (list == NULL || list->program == NULL)
        return WR_OK;
    wr_op_eval_begin(&self->base, eval);
    struct wr_batch view = wr_batch_look(in);
    view.sel = left->sel;
    view.sel_count = left->sel_count;
    int status = wr_list_run(list, eval, &view, self->base.env->scratch);
    if (status >= 0 && eval->fail_count > 0 && out != NULL) {
        status = wr_op_reject_fails(&self->base, eval, in, out);
        if (status >= 0)
            left->sel = wr_op_rows_left(&self->base, eval, &view, &left->sel_count, &status);
    }
    return WR_MIN(status, WR_OK);
}

static int build_keys(struct match *self, const struct wr_batch *in, const struct wr_batch *left,
                      char **keys, uint64_t **hashes) {
    const struct match_config *config = match_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t key_bytes = config->index_shape.key_bytes, count = left->sel_count;
    *keys = wr_arena_alloc_zero(scratch, (size_t)count * key_bytes + 1);
    *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (*keys == NULL || *hashes == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; config->keys == NULL && i < count; i++) /* one group: a word of zeros */
        (*hashes)[i] = wr_shape_hash(&config->index_shape, *keys, self->base.env->seed);
    if (config->keys == NULL)
        return WR_OK;
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    for (uint32_t k = 0; k < config->keys->item_count; k++) {
        const struct wr_item *item = &config->keys->items[k];
        columns[k] =
            item->column >= 0 ? in->columns[item->column] : self->keys_eval.outputs[item->output];
    }
    wr_keys_build(&config->layout, columns, left->sel, count, self->base.env->seed, *keys, *hashes);
    return WR_OK;
}

static int match_route(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes) {
    struct match *self = (struct match *)op;
    struct wr_batch left = wr_batch_look(in);
    char *keys;
    uint64_t *made;
    int status = run_list(self, match_config_of(self)->keys, &self->keys_eval,
                          (struct wr_batch *)(uintptr_t)in, &left, NULL);
    if (status >= 0)
        status = build_keys(self, in, &left, &keys, &made);
    if (status == WR_OK) /* a failed row has any key: its shard will reject it */
        memcpy(hashes, made, in->sel_count * sizeof *hashes);
    return status;
}

/* Rows behind their own frontier cannot stand where they belong any more. */
static int refuse_late(struct match *self, struct wr_batch *in, struct wr_batch *left,
                       struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t *good = WR_ARENA_ARRAY(scratch, uint32_t, in->sel_count + 1);
    uint32_t *late = WR_ARENA_ARRAY(scratch, uint32_t, in->sel_count + 1);
    uint32_t good_count = 0, late_count = 0;
    if (good == NULL || late == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < in->sel_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        if (in->behind != NULL && in->event_time[row] < in->behind[row])
            late[late_count++] = row;
        else
            good[good_count++] = row;
    }
    left->sel = good;
    left->sel_count = good_count;
    return wr_op_emit_late(&self->base, in, late, late_count, out);
}

/* `bits`, by physical row: variables whose conditions hold, as far as the row itself says. */
static int judge(struct match *self, struct wr_batch *in, struct wr_batch *left, uint64_t *bits,
                 struct wr_out *out) {
    const struct match_config *config = match_config_of(self);
    uint32_t *sel = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, left->sel_count + 1);
    if (sel == NULL)
        return WR_ENOMEM;
    memset(bits, 0xff, in->row_count * sizeof *bits);
    for (uint32_t i = 0; i < config->condition_count; i++) {
        const struct match_condition *condition = &config->conditions[i];
        if (condition->looks_back || condition->looks_ahead || left->sel_count == 0)
            continue;
        struct wr_batch view = wr_batch_look(in);
        view.sel = left->sel;
        view.sel_count = left->sel_count;
        uint32_t count = 0;
        uint64_t bit = UINT64_C(1) << condition->variable;
        wr_op_eval_begin(&self->base, &self->eval);
        int status = wr_list_filter(condition->list, &self->eval, &view, sel, &count);
        if (status >= 0 && self->eval.fail_count > 0) {
            status = wr_op_reject_fails(&self->base, &self->eval, in, out);
            if (status >= 0)
                left->sel =
                    wr_op_rows_left(&self->base, &self->eval, &view, &left->sel_count, &status);
        }
        if (status < 0)
            return status;
        for (uint32_t r = 0; r < left->sel_count; r++)
            bits[wr_batch_row(left, r)] &= ~bit;
        for (uint32_t r = 0; r < count; r++)
            bits[sel[r]] |= bit;
    }
    return WR_OK;
}

static int store_rows(struct match *self, const struct wr_batch *in, const struct wr_batch *wide,
                      const uint64_t *bits, const uint32_t *groups) {
    struct wr_table *table = wr_slices_at(&self->rows, 0);
    if (table == NULL)
        return WR_ENOMEM;
    int status = WR_OK;
    for (uint32_t i = 0; i < wide->sel_count && status == WR_OK; i++) {
        uint32_t row = wr_batch_row(wide, i);
        uint64_t id = ++self->next_id;
        uint64_t hash = wr_shape_hash(&self->rows_shape, &id, wr_table_seed(table));
        uint8_t *made;
        status = wr_table_upsert(table, &id, &hash, 1, &made, NULL);
        if (status != WR_OK)
            break;
        struct match_stored *stored = match_stored_of(made);
        *stored = (struct match_stored){
            .id = id, .time = in->event_time[row], .bits = bits[row], .group = groups[i]};
        status = wr_payload_put(&self->payload, table, made + sizeof *stored, wide, row);
        if (status == WR_OK)
            status = wr_time_heap_add(&self->waiting, stored->time, id);
        self->groups[groups[i]].waiting++;
    }
    return status;
}

static int match_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct match *self = (struct match *)op;
    const struct match_config *config = op->config;
    struct wr_arena *scratch = op->env->scratch;
    struct wr_batch wide = wr_batch_look(in);
    char *keys;
    uint64_t *hashes, *bits = WR_ARENA_ARRAY(scratch, uint64_t, in->row_count + 1);
    wide.schema = config->wide;
    wide.columns = WR_ARENA_ZEROS(scratch, struct wr_column, config->wide->field_count + 1);
    int status = bits == NULL || wide.columns == NULL ? WR_ENOMEM : match_restore(self, out);
    if (status == WR_OK)
        status = refuse_late(self, in, &wide, out);
    if (status == WR_OK && wide.sel_count > 0)
        status = run_list(self, config->keys, &self->keys_eval, in, &wide, out);
    const struct wr_list *inputs = config->aggregates == NULL ? NULL : config->aggregates->inputs;
    if (status == WR_OK && wide.sel_count > 0)
        status = run_list(self, inputs, &self->inputs_eval, in, &wide, out);
    if (status == WR_OK && wide.sel_count > 0)
        status = judge(self, in, &wide, bits, out);
    if (status != WR_OK || wide.sel_count == 0)
        return status;
    memcpy(wide.columns, in->columns, config->input_count * sizeof *in->columns);
    for (uint32_t i = 0; inputs != NULL && i < inputs->item_count; i++)
        if (inputs->items[i].column < 0)
            wide.columns[config->call_columns[i]] =
                self->inputs_eval.outputs[inputs->items[i].output];
    uint32_t *groups = WR_ARENA_ARRAY(scratch, uint32_t, wide.sel_count + 1);
    status = groups == NULL ? WR_ENOMEM : build_keys(self, in, &wide, &keys, &hashes);
    if (status == WR_OK)
        status = groups_of(self, keys, hashes, wide.sel_count, groups);
    if (status == WR_OK)
        status = store_rows(self, in, &wide, bits, groups);
    wr_slices_settle(&self->rows);
    wr_slices_settle(&self->index);
    wr_slices_settle(&self->group_rows);
    return status;
}

/* Results are decided at most `within` after the first row of their match. */
static int64_t match_shift(const struct wr_op *op) {
    return ((const struct match_config *)op->config)->within_us;
}

/* A match for which nothing says how long it may last may end where it began. */
static int64_t match_holds_back(const struct wr_op *op, int64_t frontier) {
    int64_t within_us = match_shift(op), held;
    if (frontier == WR_TIME_MAX || frontier == WR_TIME_MIN)
        return frontier;
    return within_us == INT64_MAX || __builtin_sub_overflow(frontier, within_us, &held)
               ? WR_TIME_MIN
               : held;
}

const struct wr_op_type wr_op_match = {
    .name = "match",
    .size_bytes = sizeof(struct match),
    .flags = WR_OP_KEYED | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS,
    .bind = match_bind,
    .needs = match_needs,
    .open = match_open,
    .push = match_push,
    .advance = match_advance,
    .holds_back = match_holds_back,
    .shift = match_shift,
    .route = match_route,
    .compare = match_compare,
    .measure = match_measure,
    .save = match_save,
    .load = match_load,
    .close = match_close,
    .explain = match_explain,
};
