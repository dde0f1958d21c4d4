/* lookup_match.c: rows of the stream and their matches in the table of `lookup`. */
#include "op/lookup.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/expand.h"
#include "base/banned.h"

static int emit_asked(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                      const uint64_t *first, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    uint32_t *kept = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, count + 1), kept_count = 0;
    if (kept == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        kept[kept_count] = sel == NULL ? i : sel[i];
        kept_count += (first[i] != NO_ROW) == (config->how == HOW_SEMI);
    }
    if (kept_count == 0)
        return WR_FLOW_MORE;
    struct wr_batch *batch = wr_batch_select(self->base.env->pool, in, kept, kept_count);
    return batch == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_MAIN, batch);
}

/* Long strings get a place of the result's own. */
static int own_strings(struct wr_batch *batch, struct wr_str *strings, uint32_t count) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += strings[i].length > WR_STR_INLINE_MAX ? strings[i].length : 0;
    char *next = bytes == 0 ? NULL : wr_arena_alloc(&batch->arena, bytes);
    if (bytes > 0 && next == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        if (strings[i].length <= WR_STR_INLINE_MAX)
            continue;
        memcpy(next, strings[i].pointer, strings[i].length);
        strings[i].pointer = next;
        next += strings[i].length;
    }
    return WR_OK;
}

/* Right column `r` of the result, of rows right[i] of the table (or none). */
static int put_right(struct lookup *self, struct wr_batch *batch, const uint64_t *right,
                     uint32_t count, uint32_t r) {
    const struct lookup_config *config = self->base.config;
    uint32_t to = config->result->field_count - config->right_count + r;
    uint32_t from = (uint32_t)config->right_of[r];
    if (self->table.rest != NULL)
        return wr_bit_get(self->base.needed, to)
                   ? lookup_rest_column(self, from, right, count, batch, to)
                   : WR_OK;
    enum wr_type_kind kind = config->result->fields[to].type.kind;
    uint32_t bytes = wr_type_bytes(kind);
    char *data = wr_batch_column(batch, to, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count));
    if (data == NULL || valid == NULL)
        return WR_ENOMEM;
    batch->columns[to].valid = valid;
    memset(data, 0, (size_t)count * bytes);
    for (uint32_t i = 0; i < count; i++) {
        if (right[i] == NO_ROW)
            continue;
        uint64_t place = self->table.rows[right[i]].place;
        const struct wr_column *column = &self->table.batches[place >> 32]->columns[from];
        uint32_t row = (uint32_t)place;
        if (column->data == NULL || wr_column_is_nil(column, row))
            continue;
        wr_bit_set(valid, i);
        memcpy(data + (size_t)i * bytes, (const char *)column->data + (size_t)row * bytes, bytes);
    }
    return wr_type_is_text(kind) && lookup_may_rest(self)
               ? own_strings(batch, (struct wr_str *)data, count)
               : WR_OK;
}

/* Left columns as they are when each row has at most one partner: physical rows stay. */
static int emit_in_place(struct lookup *self, struct wr_batch *in, const uint64_t *right,
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
        status = put_right(self, batch, right, in->row_count, r);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    return out->emit(out, WR_PORT_MAIN, batch);
}

static int emit_single(struct lookup *self, struct wr_batch *in, const uint32_t *sel,
                       uint32_t count, const uint64_t *first, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    uint64_t *right = WR_ARENA_ARRAY(scratch, uint64_t, in->row_count);
    uint32_t *kept = WR_ARENA_ARRAY(scratch, uint32_t, count), kept_count = 0;
    if (right == NULL || kept == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < in->row_count; i++)
        right[i] = NO_ROW;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        right[row] = first[i];
        kept[kept_count] = row;
        kept_count += config->how == HOW_LEFT || first[i] != NO_ROW;
    }
    return kept_count == 0 ? WR_FLOW_MORE : emit_in_place(self, in, right, kept, kept_count, out);
}

int lookup_emit_firsts(struct lookup *self, struct wr_batch *in, const uint32_t *sel,
                       uint32_t count, const uint64_t *first, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    return config->how >= HOW_SEMI ? emit_asked(self, in, sel, count, first, out)
                                   : emit_single(self, in, sel, count, first, out);
}

/* ---- rows with more than one match ---- */

int lookup_pairs_begin(struct lookup *self, struct wr_batch *in, struct lookup_pairs *pairs) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t room = self->base.env->batch_rows;
    *pairs = (struct lookup_pairs){.in = in,
                                   .room = room,
                                   .left = WR_ARENA_ARRAY(scratch, uint32_t, room),
                                   .right = WR_ARENA_ARRAY(scratch, uint64_t, room)};
    return pairs->left == NULL || pairs->right == NULL ? WR_ENOMEM : WR_FLOW_MORE;
}

/* As a dense batch of their own. */
int lookup_pairs_flush(struct lookup *self, struct lookup_pairs *pairs, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    uint32_t count = pairs->count;
    if (count == 0)
        return WR_FLOW_MORE;
    pairs->count = 0;
    struct wr_batch *batch =
        expand_rows(&self->base, config->result, pairs->in, pairs->in, pairs->left, count);
    int status = batch == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t r = 0; r < config->right_count && status == WR_OK; r++)
        status = put_right(self, batch, pairs->right, count, r);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    return out->emit(out, WR_PORT_MAIN, batch);
}

int lookup_pairs_add(struct lookup *self, struct lookup_pairs *pairs, uint32_t left, uint64_t right,
                     struct wr_out *out) {
    pairs->left[pairs->count] = left;
    pairs->right[pairs->count++] = right;
    return pairs->count == pairs->room ? lookup_pairs_flush(self, pairs, out) : WR_FLOW_MORE;
}

static int emit_many(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                     const uint64_t *first, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct lookup_pairs pairs;
    int flow = lookup_pairs_begin(self, in, &pairs);
    for (uint32_t i = 0; i < count && flow == WR_FLOW_MORE; i++) {
        uint64_t match = first[i];
        if (match == NO_ROW && config->how == HOW_INNER)
            continue;
        do {
            flow = lookup_pairs_add(self, &pairs, sel == NULL ? i : sel[i], match, out);
            match = match == NO_ROW ? NO_ROW : self->table.rows[match].next;
        } while (match != NO_ROW && flow == WR_FLOW_MORE);
    }
    return flow == WR_FLOW_MORE ? lookup_pairs_flush(self, &pairs, out) : flow;
}

/* The first match of each row; NO_ROW: none. */
static int find_firsts(struct lookup *self, const char *keys, const uint64_t *hashes,
                       uint32_t count, uint64_t *first) {
    const struct lookup_config *config = self->base.config;
    uint8_t **found = WR_ARENA_ARRAY(self->base.env->scratch, uint8_t *, count);
    if (found == NULL)
        return WR_ENOMEM;
    wr_table_find(self->table.index, keys, hashes, count, found);
    for (uint32_t i = 0; i < count; i++) {
        const char *key = keys + (size_t)i * config->layout.key_bytes;
        int has = found[i] != NULL && !equi_matches_nothing(&config->layout, key);
        first[i] = has ? lookup_key_of(self, found[i])->first : NO_ROW;
    }
    return WR_OK;
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
    uint64_t *hashes, *first = WR_ARENA_ARRAY(op->env->scratch, uint64_t, count);
    status = lookup_keys(self, config->left_keys, &self->left_eval, in, sel, count, &keys, &hashes);
    if (status != WR_OK || first == NULL)
        return WR_ENOMEM;
    if (self->table.rest != NULL)
        return lookup_rest_push(self, in, sel, count, keys, hashes, out);
    if (config->asked != NULL)
        status = lookup_ask(self, in, sel, count, keys, hashes, out);
    if (status == WR_OK)
        status = find_firsts(self, keys, hashes, count, first);
    if (status != WR_OK)
        return status;
    if (config->many && config->how < HOW_SEMI)
        return emit_many(self, in, sel, count, first, out);
    return lookup_emit_firsts(self, in, sel, count, first, out);
}
