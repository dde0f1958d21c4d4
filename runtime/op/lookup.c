/* lookup.c: adds the columns of a bounded table to each row, by key. The table (input 1) is read
 * whole before the first row of input 0; a nil key matches nothing. State: the table's rows,
 * dense, and an index from key to its first row; rows of one key are chained. `how = "left"` keeps
 * rows without a match (their columns are nil), "inner" drops them, "semi" and "anti" only ask
 * whether there is one. A second row for a key is W607 unless `many`. */
#include "op/lookup.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec.h"
#include "base/banned.h"

#define WR_SHOWN_MAX 200 /* bytes of a key or row in a message */

static struct wr_value *lookup_explain(const void *config, struct wr_arena *arena) {
    const struct lookup_config *self = config;
    const char *state = self->asked == NULL ? "all rows of the table"
                        : self->asked_scans ? "answers, as long as they hold (no index has the "
                                              "key: each reads all rows)"
                                            : "answers, as long as they hold";
    return wr_op_explain(arena, self->left_keys, state);
}

int lookup_table_open(struct lookup *self, struct lookup_table *table) {
    const struct lookup_config *config = self->base.config;
    struct wr_op_env *env = self->base.env;
    *table =
        (struct lookup_table){.index = wr_table_new(env->state_budget, &config->shape, env->seed)};
    return table->index == NULL ? WR_ENOMEM : WR_OK;
}

void lookup_table_release(struct lookup *self, struct lookup_table *table) {
    struct wr_budget *budget = self->base.env->state_budget;
    for (uint32_t i = 0; i < table->batch_count; i++)
        wr_batch_unref(table->batches[i]);
    wr_free(budget, table->batches);
    wr_free(budget, table->rows);
    wr_table_free(table->index);
    lookup_rest_free(self, table);
    *table = (struct lookup_table){0};
}

static int lookup_open(struct wr_op *op, struct wr_error *err) {
    struct lookup *self = (struct lookup *)op;
    const struct lookup_config *config = op->config;
    wr_eval_init(&self->left_eval, op->env->state_budget);
    wr_eval_init(&self->right_eval, op->env->state_budget);
    wr_batch_pool_init(&self->pool, op->env->state_budget);
    self->filling = &self->table;
    if (lookup_table_open(self, &self->table) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for keys");
    return config->asked == NULL ? WR_OK : lookup_asked_open(self, err);
}

void lookup_columns(const struct wr_list *list, const struct wr_eval *eval,
                    const struct wr_batch *in, struct wr_column *columns) {
    for (uint32_t k = 0; k < list->item_count; k++) {
        const struct wr_item *item = &list->items[k];
        columns[k] = item->column >= 0 ? in->columns[item->column] : eval->outputs[item->output];
    }
}

int lookup_keys(struct lookup *self, struct wr_list *list, struct wr_eval *eval,
                const struct wr_batch *in, const uint32_t *sel, uint32_t count, char **keys,
                uint64_t **hashes) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    lookup_columns(list, eval, in, columns);
    *keys = wr_arena_alloc_zero(scratch, (size_t)count * config->layout.key_bytes + 8);
    *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (*keys == NULL || *hashes == NULL)
        return WR_ENOMEM;
    wr_keys_build(&config->layout, columns, sel, count, self->base.env->seed, *keys, *hashes);
    return WR_OK;
}

static void show_cell(struct wr_buf *text, const char *name, const struct wr_type *type,
                      const struct wr_column *column, uint32_t row) {
    wr_buf_addf(text, "%s%s%s", text->length > 0 ? ", " : "", name, name[0] != 0 ? " = " : "");
    if (wr_column_is_nil(column, row))
        wr_buf_add_text(text, "nil");
    else
        wr_value_show(text, type, column, row);
}

/* "k = 1", and of the row that had this key first "k = 1, v = a", as far as columns are there. */
static void show_rows(struct lookup *self, const struct wr_batch *in, uint32_t row,
                      const struct wr_column *columns, uint32_t first, struct wr_buf *key,
                      struct wr_buf *before) {
    const struct lookup_config *config = self->base.config;
    const struct wr_list *list = config->right_keys;
    for (uint32_t k = 0; k < list->item_count; k++) {
        const struct wr_item *item = &list->items[k];
        const struct wr_column *column = item->column >= 0
                                             ? &in->columns[item->column]
                                             : &self->right_eval.outputs[item->output];
        show_cell(key, item->column >= 0 ? in->schema->fields[item->column].name : "", &item->type,
                  column, row);
    }
    for (uint32_t c = 0; c < config->right->field_count; c++)
        if (columns[c].data != NULL)
            show_cell(before, config->right->fields[c].name, &config->right->fields[c].type,
                      &columns[c], first);
}

int lookup_second_row(struct lookup *self, struct wr_batch *in, uint32_t row,
                      const struct wr_column *columns, uint32_t first, struct wr_out *out) {
    char reason[WR_SHOWN_MAX] = "second row for a lookup key", detail[WR_SHOWN_MAX] = "";
    struct wr_buf key, before;
    wr_buf_init(&key, &wr_budget_control, 0);
    wr_buf_init(&before, &wr_budget_control, 0);
    show_rows(self, in, row, columns, first, &key, &before);
    if (key.status == WR_OK && before.status == WR_OK) {
        snprintf(reason, sizeof reason, "second row for lookup key %.*s",
                 (int)WR_MIN(key.length, (size_t)WR_SHOWN_MAX), key.bytes);
        snprintf(detail, sizeof detail, "the first one is %.*s",
                 (int)WR_MIN(before.length, (size_t)WR_SHOWN_MAX), before.bytes);
    }
    wr_buf_release(&key);
    wr_buf_release(&before);
    struct wr_reject reject = {
        .code = 607,
        .reason = reason,
        .detail = detail,
        .help = "`many = true` gives a row for each, `:dedup(\"key\")` or `:agg` "
                "before it leaves one",
        .ends_run = 1,
        .stage = self->base.node,
        .row = row,
        .batch = in};
    return out->reject(out, &reject);
}

int lookup_add_row(struct lookup *self, struct wr_batch *in, uint32_t in_row, struct table_key *key,
                   uint64_t place, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct lookup_table *table = self->filling;
    if (key->first != NO_ROW && !config->many) {
        uint64_t at = table->rows[key->first].place;
        return lookup_second_row(self, in, in_row, table->batches[at >> 32]->columns, (uint32_t)at,
                                 out);
    }
    if (wr_grow(self->base.env->state_budget, (void **)&table->rows, table->row_count,
                &table->row_room, sizeof *table->rows) != WR_OK)
        return WR_ENOMEM;
    table->rows[table->row_count] = (struct table_row){.next = NO_ROW, .place = place};
    if (key->first == NO_ROW)
        key->first = table->row_count;
    else /* behind the others, so that matches leave in the order of the table */
        table->rows[key->last].next = table->row_count;
    key->last = table->row_count++;
    return WR_OK;
}

int lookup_keep(struct lookup *self, const struct wr_batch *in) {
    struct lookup_table *table = self->filling;
    int status = wr_grow(self->base.env->state_budget, (void **)&table->batches, table->batch_count,
                         &table->batch_room, sizeof *table->batches);
    struct wr_batch *copy = status == WR_OK ? wr_batch_copy(&self->pool, in) : NULL;
    if (copy == NULL)
        return WR_ENOMEM;
    table->batches[table->batch_count++] = copy;
    table->bytes += wr_arena_bytes(&copy->arena);
    return WR_OK;
}

static int push_table(struct lookup *self, struct wr_batch *in, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_op *op = &self->base;
    wr_op_eval_begin(op, &self->right_eval);
    int status = wr_list_run(config->right_keys, &self->right_eval, in, op->env->scratch);
    if (status >= 0)
        status = wr_op_reject_fails(op, &self->right_eval, in, out);
    uint32_t count = 0;
    const uint32_t *sel =
        status < 0 ? NULL : wr_op_rows_left(op, &self->right_eval, in, &count, &status);
    if (status < 0 || count == 0)
        return status;
    char *keys;
    uint64_t *hashes;
    status =
        lookup_keys(self, config->right_keys, &self->right_eval, in, sel, count, &keys, &hashes);
    if (status == WR_OK && self->filling->rest != NULL)
        return lookup_rest_add(self, in, sel, count, keys, hashes, out);
    struct wr_batch view = wr_batch_look(in);
    view.sel = sel;
    view.sel_count = count;
    if (status == WR_OK)
        status = lookup_keep(self, &view);
    for (uint32_t i = 0; i < count && status >= 0; i++) {
        const char *key = keys + (size_t)i * config->layout.key_bytes;
        uint8_t *row, made = 0;
        if (equi_matches_nothing(&config->layout, key))
            continue;
        status = wr_table_upsert(self->filling->index, key, hashes + i, 1, &row, &made);
        if (status != WR_OK)
            return status;
        struct table_key *found = lookup_key_of(self, row);
        if (made)
            found->first = NO_ROW;
        status = lookup_add_row(self, in, sel == NULL ? i : sel[i], found,
                                (uint64_t)(self->filling->batch_count - 1) << 32 | i, out);
    }
    return status;
}

static int lookup_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    struct lookup *self = (struct lookup *)op;
    int status = lookup_relieve(self, input == 0 ? &self->table : self->filling);
    if (status != WR_OK)
        return status;
    return input == 0 ? lookup_push_rows(self, in, out) : push_table(self, in, out);
}

/* The table is read again, beside the one that is used until all is there. */
static int lookup_reload(struct wr_op *op, enum wr_reload what) {
    struct lookup *self = (struct lookup *)op;
    if (what == WR_RELOAD_BEGIN) {
        self->filling = &self->next;
        return lookup_table_open(self, &self->next);
    }
    self->filling = &self->table;
    if (what == WR_RELOAD_DROP) {
        lookup_table_release(self, &self->next);
        return WR_OK;
    }
    lookup_table_release(self, &self->table);
    self->table = self->next;
    self->next = (struct lookup_table){0};
    self->is_new = 1;
    return WR_OK;
}

static int64_t lookup_reload_after(const struct wr_op *op) {
    return ((const struct lookup_config *)op->config)->reload_us;
}

/* A piece: u8 whether the table begins anew · u32 count · batches of the table's rows. A table only
 * grows, so a delta is what has come since. */
static int lookup_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct lookup *self = (struct lookup *)op;
    struct lookup_table *table = &self->table;
    if (table->rest != NULL)
        return lookup_rest_save(self, out, all);
    int anew = !self->saving && (all || self->is_new);
    if (!self->saving)
        self->save_next = anew ? 0 : self->saved_batches;
    if (!anew && self->save_next == table->batch_count)
        return WR_OK;
    wr_buf_add_char(out, (char)anew);
    size_t start = out->length;
    uint32_t count = 0;
    int status = wr_buf_add_u32(out, 0);
    for (; status == WR_OK && self->save_next < table->batch_count; count++) {
        if (count > 0 && out->length - start >= op->env->piece_bytes)
            break;
        status = wr_batch_save(table->batches[self->save_next++], out);
    }
    if (status != WR_OK)
        return status;
    memcpy(out->bytes + start, &count, sizeof count);
    self->saving = self->save_next < table->batch_count;
    if (self->saving)
        return WR_EAGAIN;
    self->saved_batches = table->batch_count;
    self->is_new = 0;
    return WR_OK;
}

static int reject_nothing(struct wr_out *out, const struct wr_reject *reject) {
    (void)out;
    (void)reject;
    return WR_OK; /* these rows had been accepted before they were saved */
}

/* Rows that were read back have the columns that their key is made of. */
static int check_keys(const struct lookup *self, const struct wr_batch *batch) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = config->right->field_count;
    uint64_t *reads = WR_ARENA_ZEROS(scratch, uint64_t, WR_BITS_WORDS(count + WR_HIDDEN_COUNT));
    if (reads == NULL)
        return WR_ENOMEM;
    wr_list_reads(config->right_keys, reads);
    for (uint32_t c = 0; c < count; c++)
        if (wr_bit_get(reads, c) && batch->columns[c].data == NULL)
            return WR_ECORRUPT;
    return WR_OK;
}

static int lookup_load(struct wr_op *op, struct wr_reader *in) {
    struct lookup *self = (struct lookup *)op;
    const struct lookup_config *config = op->config;
    const char *anew = wr_reader_bytes(in, 1);
    uint32_t count = wr_reader_u32(in);
    int status = in->failed ? WR_ECORRUPT : WR_OK;
    if (status == WR_OK && *anew != 0) {
        lookup_table_release(self, &self->table);
        status = lookup_table_open(self, &self->table);
    }
    struct wr_out nowhere = {.reject = reject_nothing};
    self->loading = 1;
    for (uint32_t i = 0; i < count && status >= 0; i++) {
        struct wr_batch *batch = NULL;
        status = wr_batch_load(op->env->pool, config->right, in, &batch);
        struct wr_arena_mark mark = wr_arena_mark(op->env->scratch);
        if (status == WR_OK)
            status = check_keys(self, batch);
        if (status == WR_OK)
            status = lookup_relieve(self, &self->table);
        if (status == WR_OK)
            status = push_table(self, batch, &nowhere);
        wr_arena_rewind(op->env->scratch, mark);
        wr_batch_unref(batch);
    }
    self->loading = 0;
    self->saved_batches = self->table.batch_count;
    return WR_MIN(status, WR_OK);
}

static void lookup_close(struct wr_op *op) {
    struct lookup *self = (struct lookup *)op;
    lookup_asked_close(self);
    lookup_table_release(self, &self->table);
    lookup_table_release(self, &self->next);
    wr_batch_pool_release(&self->pool);
    wr_eval_release(&self->left_eval);
    wr_eval_release(&self->right_eval);
}

const struct wr_op_type wr_op_lookup = {
    .name = "lookup",
    .size_bytes = sizeof(struct lookup),
    .flags = WR_OP_MULTI_INPUT | WR_OP_BUILD_FIRST | WR_OP_REPEATS | WR_OP_TAKES_UPDATES,
    .bind = lookup_bind,
    .needs = lookup_needs,
    .open = lookup_open,
    .push = lookup_push,
    .reload_after = lookup_reload_after,
    .reload = lookup_reload,
    .save = lookup_save,
    .load = lookup_load,
    .close = lookup_close,
    .explain = lookup_explain,
};

/* Answers are no state: a restart asks again. */
const struct wr_op_type wr_op_lookup_asked = {
    .name = "lookup",
    .size_bytes = sizeof(struct lookup),
    .flags = WR_OP_MULTI_INPUT | WR_OP_BUILD_FIRST | WR_OP_REPEATS,
    .bind = lookup_bind,
    .needs = lookup_needs,
    .open = lookup_open,
    .push = lookup_push,
    .close = lookup_close,
    .explain = lookup_explain,
};
