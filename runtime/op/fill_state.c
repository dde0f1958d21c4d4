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

/* A key, `facts_bytes` of facts, so many payloads. */
static int open_shape(struct fill *self, struct wr_shape *shape, size_t facts_bytes,
                      uint32_t payload_count) {
    const struct fill_config *config = fill_config_of(self);
    const struct wr_payload *payload = &self->payload;
    uint32_t head = config->key_bytes + (uint32_t)facts_bytes, count = 0;
    struct wr_cell *cells =
        WR_ARENA_ARRAY(&self->arena, struct wr_cell,
                       config->layout.cell_count + payload_count * payload->cell_count + 1);
    if (cells == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < config->layout.cell_count; i++)
        cells[count++] = config->layout.cells[i];
    for (uint32_t p = 0; p < payload_count; p++)
        for (uint32_t i = 0; i < payload->cell_count; i++) {
            cells[count] = payload->cells[i];
            cells[count++].offset += head + p * payload->bytes;
        }
    *shape = (struct wr_shape){.key_bytes = config->key_bytes,
                               .row_bytes = head + payload_count * payload->bytes,
                               .cell_count = count,
                               .cells = cells};
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
    wr_slices_init(&self->gaps, budget, &self->gap_shape, op->env->seed);
    wr_slices_init(&self->open, budget, &self->gap_shape, op->env->seed);
    self->told_us = WR_TIME_MIN;
    self->next_us = self->last_us = self->saved_next_us = self->saved_last_us = WR_TIME_MIN;
    if (open_payload(self) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    if (open_shape(self, &self->shape, sizeof(struct fill_row), 1) != WR_OK ||
        open_shape(self, &self->gap_shape, sizeof(struct fill_gap), 2) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    uint32_t bytes = config->waits ? self->gap_shape.row_bytes : self->shape.row_bytes;
    if (bytes > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT, "rows of `fill` are wider than %d bytes",
                            WR_ROW_BYTES_MAX);
    return WR_OK;
}

void fill_close(struct wr_op *op) {
    struct fill *self = (struct fill *)op;
    struct wr_slices *sets[FILL_SETS] = FILL_SETS_OF(self);
    for (uint32_t s = 0; s < FILL_SETS; s++)
        wr_slices_release(sets[s]);
    wr_eval_release(&self->eval);
    wr_arena_release(&self->arena);
}

void fill_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct fill *self = (const struct fill *)op;
    const struct wr_slices *sets[FILL_SETS] = FILL_SETS_OF(self);
    for (uint32_t s = 0; s < FILL_SETS; s++) {
        state->rows += wr_slices_rows(sets[s]);
        state->bytes += wr_slices_bytes(sets[s]);
    }
}

/* i64, the next window · i64, the last one · the logs of all that is kept; gaps where it waits. */
int fill_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct fill *self = (struct fill *)op;
    struct wr_slices *sets[FILL_SETS] = FILL_SETS_OF(self);
    uint32_t count = fill_config_of(self)->waits ? FILL_SETS : FILL_SETS_WITHOUT_GAPS;
    int is_same = self->next_us == self->saved_next_us && self->last_us == self->saved_last_us;
    if (!all && is_same && !wr_slices_sets_have_changed(sets, count))
        return WR_OK;
    wr_buf_add_u64(out, (uint64_t)self->next_us);
    wr_buf_add_u64(out, (uint64_t)self->last_us);
    int status = wr_slices_save_sets(sets, count, out, all, op->env->piece_bytes);
    if (status == WR_OK) {
        self->saved_next_us = self->next_us;
        self->saved_last_us = self->last_us;
    }
    return out->status == WR_OK ? status : out->status;
}

/* A state may be of the version before: it kept no gaps, and their rows among those that wait. */
int fill_load(struct wr_op *op, struct wr_reader *in) {
    struct fill *self = (struct fill *)op;
    struct wr_slices *sets[FILL_SETS] = FILL_SETS_OF(self);
    self->next_us = self->saved_next_us = (int64_t)wr_reader_u64(in);
    self->last_us = self->saved_last_us = (int64_t)wr_reader_u64(in);
    if (in->failed)
        return WR_ECORRUPT;
    int status = wr_slices_load_sets(sets, FILL_SETS_WITHOUT_GAPS, in);
    self->is_of_before = fill_config_of(self)->waits && in->at == in->length;
    if (status == WR_OK && in->at < in->length)
        status = wr_slices_load_sets(sets + FILL_SETS_WITHOUT_GAPS,
                                     FILL_SETS - FILL_SETS_WITHOUT_GAPS, in);
    op->has_due = (uint8_t)(fill_has_windows(self) || self->is_of_before);
    return status;
}
