/* frames_state.c: the state of a grouped `derive` as pieces of a log, and the order of rows that
 * wait, which follows from them. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/frames.h"
#include "base/banned.h"

/* Rows before `passed_us` have been taken and wait for `lead`; the others wait for the frontier. */
int frames_order(struct frames *self) {
    if (!self->unordered)
        return WR_OK;
    self->heap.count = self->pending.count = 0;
    const struct frames_config *config = frames_config_of(self);
    struct wr_table *table = wr_slices_find(&self->waiting, 0);
    self->unordered = 0;
    if (config->mode != FRAMES_TIME || table == NULL)
        return WR_OK;
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, table);
    int status = WR_OK;
    for (uint8_t *row; status == WR_OK && (row = wr_table_walk_next(&walk)) != NULL;) {
        int64_t time_us;
        uint64_t seq;
        memcpy(&seq, row, 8);
        memcpy(&time_us, row + FRAMES_WAITING_TIME, 8);
        status = wr_time_heap_add(time_us < self->passed_us ? &self->pending : &self->heap, time_us,
                                  seq);
    }
    self->unordered = status != WR_OK;
    return status;
}

/* ---- pieces ---- */

void frames_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct frames *self = (const struct frames *)op;
    const struct wr_slices *sets[] = {&self->groups, &self->kept, &self->waiting, &self->live};
    state->rows += wr_slices_rows(&self->kept) + wr_slices_rows(&self->waiting);
    for (size_t i = 0; i < WR_COUNT(sets); i++)
        state->bytes += wr_slices_bytes(sets[i]);
}

int frames_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct frames *self = (struct frames *)op;
    struct wr_slices *sets[3] = {&self->groups, &self->kept, &self->waiting};
    if (!all && self->passed_us == self->saved_passed_us && self->next_seq == self->saved_seq &&
        !wr_slices_sets_have_changed(sets, 3))
        return WR_OK;
    wr_buf_add_u64(out, (uint64_t)self->passed_us);
    wr_buf_add_u64(out, self->next_seq);
    wr_buf_add_u64(out, self->next_group);
    int status = wr_slices_save_sets(sets, 3, out, all, op->env->piece_bytes);
    if (status == WR_OK) {
        self->saved_passed_us = self->passed_us;
        self->saved_seq = self->next_seq;
    }
    return out->status == WR_OK ? status : out->status;
}

int frames_load(struct wr_op *op, struct wr_reader *in) {
    struct frames *self = (struct frames *)op;
    struct wr_slices *sets[3] = {&self->groups, &self->kept, &self->waiting};
    self->passed_us = self->saved_passed_us = (int64_t)wr_reader_u64(in);
    self->next_seq = self->saved_seq = wr_reader_u64(in);
    self->next_group = wr_reader_u64(in);
    self->unordered = 1;
    return in->failed ? WR_ECORRUPT : wr_slices_load_sets(sets, 3, in);
}
