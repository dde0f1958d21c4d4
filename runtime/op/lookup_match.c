/* lookup_match.c: rows of the stream and their matches in the table of `lookup`. */
#include "op/lookup.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/expand.h"
#include "base/banned.h"

/* The first of the matches of row i; NO_ROW: none. */
static uint64_t first_match(const struct lookup *self, uint8_t *const *found, uint32_t i) {
    return found[i] == NULL ? NO_ROW : lookup_key_of(self, found[i])->first;
}

static int emit_asked(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                      uint8_t *const *found, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    uint32_t *kept = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, count + 1), kept_count = 0;
    if (kept == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        kept[kept_count] = sel == NULL ? i : sel[i];
        kept_count += (first_match(self, found, i) != NO_ROW) == (config->how == HOW_SEMI);
    }
    if (kept_count == 0)
        return WR_FLOW_MORE;
    struct wr_batch *batch = wr_batch_select(self->base.env->pool, in, kept, kept_count);
    return batch == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_MAIN, batch);
}

/* One output row: a row of the left batch and a row of the table (or none). */
struct pair {
    uint32_t left;
    uint64_t right;
};

static int put_right(struct lookup *self, struct wr_batch *batch, const struct pair *pairs,
                     uint32_t count, uint32_t r) {
    const struct lookup_config *config = self->base.config;
    uint32_t to = config->result->field_count - config->right_count + r;
    uint32_t from = (uint32_t)config->right_of[r];
    enum wr_type_kind kind = config->result->fields[to].type.kind;
    uint32_t bytes = wr_type_bytes(kind);
    char *data = wr_batch_column(batch, to, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count));
    if (data == NULL || valid == NULL)
        return WR_ENOMEM;
    batch->columns[to].valid = valid;
    memset(data, 0, (size_t)count * bytes);
    for (uint32_t i = 0; i < count; i++) {
        if (pairs[i].right == NO_ROW)
            continue;
        uint64_t place = self->table.rows[pairs[i].right].place;
        const struct wr_column *column = &self->table.batches[place >> 32]->columns[from];
        uint32_t row = (uint32_t)place;
        if (column->data == NULL || wr_column_is_nil(column, row))
            continue;
        wr_bit_set(valid, i);
        memcpy(data + (size_t)i * bytes, (const char *)column->data + (size_t)row * bytes, bytes);
    }
    return WR_OK;
}

/* Left columns as they are when each row has at most one partner: physical rows stay. */
static int emit_in_place(struct lookup *self, struct wr_batch *in, const struct pair *pairs,
                         const uint32_t *kept, uint32_t kept_count, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_batch *batch = wr_batch_over(self->base.env->pool, config->result, in);
    uint32_t *sel = batch == NULL ? NULL : WR_ARENA_ARRAY(&batch->arena, uint32_t, kept_count);
    if (sel == NULL) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    uint32_t left = config->result->field_count - config->right_count;
    memcpy(batch->columns, in->columns, left * sizeof *in->columns);
    memcpy(sel, kept, kept_count * sizeof *sel);
    batch->sel = sel;
    batch->sel_count = kept_count;
    int status = WR_OK;
    for (uint32_t r = 0; r < config->right_count && status == WR_OK; r++)
        status = put_right(self, batch, pairs, in->row_count, r);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    return out->emit(out, WR_PORT_MAIN, batch);
}

static int emit_single(struct lookup *self, struct wr_batch *in, const uint32_t *sel,
                       uint32_t count, uint8_t *const *found, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    struct pair *pairs = WR_ARENA_ARRAY(scratch, struct pair, in->row_count);
    uint32_t *kept = WR_ARENA_ARRAY(scratch, uint32_t, count), kept_count = 0;
    if (pairs == NULL || kept == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < in->row_count; i++)
        pairs[i] = (struct pair){.left = i, .right = NO_ROW};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        pairs[row].right = first_match(self, found, i);
        kept[kept_count] = row;
        kept_count += config->how == HOW_LEFT || pairs[row].right != NO_ROW;
    }
    return kept_count == 0 ? WR_FLOW_MORE : emit_in_place(self, in, pairs, kept, kept_count, out);
}

/* Up to batch_rows pairs as a dense batch of their own. */
static int emit_pairs(struct lookup *self, struct wr_batch *in, const struct pair *pairs,
                      uint32_t count, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    uint32_t *rows = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, count);
    if (rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        rows[i] = pairs[i].left;
    struct wr_batch *batch = expand_rows(&self->base, config->result, in, in, rows, count);
    int status = batch == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t r = 0; r < config->right_count && status == WR_OK; r++)
        status = put_right(self, batch, pairs, count, r);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    return out->emit(out, WR_PORT_MAIN, batch);
}

static int emit_many(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                     uint8_t *const *found, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    uint32_t room = self->base.env->batch_rows, used = 0;
    struct pair *pairs = WR_ARENA_ARRAY(self->base.env->scratch, struct pair, room);
    int flow = pairs == NULL ? WR_ENOMEM : WR_FLOW_MORE;
    for (uint32_t i = 0; i < count && flow == WR_FLOW_MORE; i++) {
        uint64_t match = first_match(self, found, i);
        if (match == NO_ROW && config->how == HOW_INNER)
            continue;
        do {
            pairs[used++] = (struct pair){.left = sel == NULL ? i : sel[i], .right = match};
            if (used == room) {
                flow = emit_pairs(self, in, pairs, used, out);
                used = 0;
            }
            match = match == NO_ROW ? NO_ROW : self->table.rows[match].next;
        } while (match != NO_ROW && flow == WR_FLOW_MORE);
    }
    return flow == WR_FLOW_MORE && used > 0 ? emit_pairs(self, in, pairs, used, out) : flow;
}

int lookup_push_rows(struct lookup *self, struct wr_batch *in, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_op *op = &self->base;
    wr_op_eval_begin(op, &self->left_eval);
    int status = wr_list_run(config->left_keys, &self->left_eval, in, op->env->scratch);
    if (status >= 0)
        status = wr_op_reject_fails(op, &self->left_eval, in, out);
    uint32_t count = 0;
    const uint32_t *sel =
        status < 0 ? NULL : wr_op_rows_left(op, &self->left_eval, in, &count, &status);
    if (status < 0 || count == 0)
        return status;
    char *keys;
    uint64_t *hashes;
    uint8_t **found = WR_ARENA_ARRAY(op->env->scratch, uint8_t *, count);
    status = lookup_keys(self, config->left_keys, &self->left_eval, in, sel, count, &keys, &hashes);
    if (status != WR_OK || found == NULL)
        return WR_ENOMEM;
    if (config->asked != NULL)
        status = lookup_ask(self, in, sel, count, keys, hashes, out);
    if (status != WR_OK)
        return status;
    wr_table_find(self->table.index, keys, hashes, count, found);
    for (uint32_t i = 0; i < count; i++)
        if (equi_matches_nothing(&config->layout, keys + (size_t)i * config->layout.key_bytes))
            found[i] = NULL;
    if (config->how >= HOW_SEMI)
        return emit_asked(self, in, sel, count, found, out);
    if (config->many)
        return emit_many(self, in, sel, count, found, out);
    return emit_single(self, in, sel, count, found, out);
}
