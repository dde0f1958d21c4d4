/* fill_state.c: what `fill` keeps: opened, saved in pieces, read back, closed. */
#include <string.h>

#include "base/buf.h"
#include "base/status.h"
#include "op/fill.h"
#include "base/banned.h"

/* The columns of a row but for its key: what somebody reads, and what rows are made from. */
static int open_payload(struct fill *self) {
    const struct fill_config *config = fill_config_of(self);
    uint32_t count = config->schema->field_count;
    uint64_t *wanted = WR_ARENA_ZEROS(&self->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    self->kept = WR_ARENA_ARRAY(&self->arena, int32_t, count + 1);
    if (wanted == NULL || self->kept == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < count; c++) {
        self->kept[c] = -1;
        int is_read = wr_bit_get(config->wide_reads, count + c) ||
                      wr_bit_get(config->wide_reads, 2 * count + c);
        if (is_read || (wr_bit_get(self->base.needed, c) && !config->is_key[c]))
            wr_bit_set(wanted, c);
    }
    if (wr_payload_init(&self->payload, &self->arena, config->schema, wanted) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t k = 0; k < self->payload.count; k++)
        self->kept[self->payload.columns[k]] = (int32_t)k;
    return WR_OK;
}

int fill_open(struct wr_op *op, struct wr_error *err) {
    struct fill *self = (struct fill *)op;
    const struct fill_config *config = fill_config_of(self);
    struct wr_budget *budget = op->env->state_budget;
    wr_eval_init(&self->eval, budget);
    wr_arena_init(&self->arena, budget, 4096);
    wr_slices_init(&self->rows, budget, &self->shape, op->env->seed);
    wr_slices_init(&self->last, budget, &self->shape, op->env->seed);
    self->next_us = self->last_us = self->saved_next_us = self->saved_last_us = WR_TIME_MIN;
    if (open_payload(self) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    uint32_t head = config->key_bytes + (uint32_t)sizeof(struct fill_row), count = 0;
    struct wr_cell *cells = WR_ARENA_ARRAY(
        &self->arena, struct wr_cell, config->layout.cell_count + self->payload.cell_count + 1);
    if (cells == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    for (uint32_t i = 0; i < config->layout.cell_count; i++)
        cells[count++] = config->layout.cells[i];
    for (uint32_t i = 0; i < self->payload.cell_count; i++) {
        cells[count] = self->payload.cells[i];
        cells[count++].offset += head;
    }
    self->shape = (struct wr_shape){.key_bytes = config->key_bytes,
                                    .row_bytes = head + self->payload.bytes,
                                    .cell_count = count,
                                    .cells = cells};
    if (self->shape.row_bytes > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT, "rows of `fill` are wider than %d bytes",
                            WR_ROW_BYTES_MAX);
    return WR_OK;
}

void fill_close(struct wr_op *op) {
    struct fill *self = (struct fill *)op;
    wr_slices_release(&self->rows);
    wr_slices_release(&self->last);
    wr_eval_release(&self->eval);
    wr_arena_release(&self->arena);
}

void fill_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct fill *self = (const struct fill *)op;
    state->rows += wr_slices_rows(&self->rows) + wr_slices_rows(&self->last);
    state->bytes += wr_slices_bytes(&self->rows) + wr_slices_bytes(&self->last);
}

/* i64, the next window · i64, the last one · the logs of waiting rows and of last rows. */
int fill_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct fill *self = (struct fill *)op;
    struct wr_slices *sets[2] = {&self->rows, &self->last};
    int is_same = self->next_us == self->saved_next_us && self->last_us == self->saved_last_us;
    if (!all && is_same && !wr_slices_sets_have_changed(sets, 2))
        return WR_OK;
    wr_buf_add_u64(out, (uint64_t)self->next_us);
    wr_buf_add_u64(out, (uint64_t)self->last_us);
    int status = wr_slices_save_sets(sets, 2, out, all, op->env->piece_bytes);
    if (status == WR_OK) {
        self->saved_next_us = self->next_us;
        self->saved_last_us = self->last_us;
    }
    return out->status == WR_OK ? status : out->status;
}

int fill_load(struct wr_op *op, struct wr_reader *in) {
    struct fill *self = (struct fill *)op;
    struct wr_slices *sets[2] = {&self->rows, &self->last};
    self->next_us = self->saved_next_us = (int64_t)wr_reader_u64(in);
    self->last_us = self->saved_last_us = (int64_t)wr_reader_u64(in);
    return in->failed ? WR_ECORRUPT : wr_slices_load_sets(sets, 2, in);
}
