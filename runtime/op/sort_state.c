/* sort_state.c: what a checkpoint keeps of a sort: all rows, those of runs too, since the scratch
 * file ends with the process. A delta has the rows that have come since, in the order of the runs
 * and then as they came; put in order again, ties stand as they stood. */
#include <string.h>

#include "base/buf.h"
#include "op/sort.h"
#include "base/banned.h"

#define SAVED_ROWS 64u /* of one batch in a checkpoint */

/* Up to SAVED_ROWS rows of a batch, from row `from` on. */
static int save_rows(const struct wr_batch *batch, uint32_t from, uint32_t *count,
                     struct wr_buf *out) {
    struct wr_batch view = wr_batch_look(batch);
    uint32_t rows[SAVED_ROWS];
    view.sel = rows;
    view.sel_count = *count = WR_MIN(view.row_count - from, SAVED_ROWS);
    for (uint32_t i = 0; i < view.sel_count; i++)
        rows[i] = from + i;
    return wr_batch_save(&view, out);
}

/* Goes on to the next block of a run with rows that are to be saved. */
static void seek(struct sort *self, int all) {
    for (; self->save.run < self->run_count;
         self->save.run++, self->save.block = self->save.row = 0) {
        const struct sort_run *run = &self->runs[self->save.run];
        if (run->is_saved && !all)
            continue;
        self->save.block = WR_MAX(self->save.block, run->block);
        if (self->save.block == run->block)
            self->save.row = WR_MAX(self->save.row, run->at);
        if (self->save.block < run->block_count)
            return;
    }
}

/* Some rows of one block. */
static int save_of_run(struct sort *self, struct wr_buf *out) {
    const struct sort_run *run = &self->runs[self->save.run];
    uint32_t block = self->save.block, count = 0;
    int status = WR_OK;
    if (self->save.batch == NULL && block == run->block && run->batch != NULL)
        self->save.batch = wr_batch_ref(run->batch);
    else if (self->save.batch == NULL)
        status = sort_run_load(self, run, block, &self->save.batch);
    if (status == WR_OK)
        status = save_rows(self->save.batch, self->save.row, &count, out);
    self->save.row += count;
    if (status == WR_OK && self->save.row == run->blocks[block].row_count) {
        wr_batch_unref(self->save.batch);
        self->save.batch = NULL;
        self->save.block++;
        self->save.row = 0;
    }
    return status;
}

static int save_of_held(struct sort *self, struct wr_buf *out) {
    uint64_t at = self->save.held;
    uint32_t count;
    int status =
        save_rows(self->held[at / SORT_HELD_ROWS], (uint32_t)(at % SORT_HELD_ROWS), &count, out);
    self->save.held += count;
    return status;
}

/* Whether there are more rows to be saved. */
static int has_more(struct sort *self, int all) {
    seek(self, all);
    return self->save.run < self->run_count || self->save.held < self->row_count;
}

static void saved_all(struct sort *self) {
    for (uint32_t r = 0; r < self->run_count; r++)
        self->runs[r].is_saved = 1;
    self->saved_rows = self->row_count;
    self->released_us = WR_TIME_MIN;
}

/* A piece: u64, rows before it have left · u32 count · batches of rows that have come. */
int sort_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct sort *self = (struct sort *)op;
    int64_t released_us = WR_TIME_MIN;
    if (!self->saving) {
        self->save.run = self->save.block = self->save.row = 0;
        self->save.held = all ? 0 : self->saved_rows;
        released_us = all ? WR_TIME_MIN : self->released_us;
        if (!all && released_us == WR_TIME_MIN && !has_more(self, all))
            return WR_OK;
    }
    size_t start = out->length;
    wr_buf_add_u64(out, (uint64_t)released_us);
    size_t count_at = out->length;
    uint32_t count = 0;
    int status = wr_buf_add_u32(out, 0);
    for (; status == WR_OK && has_more(self, all); count++) {
        if (count > 0 && out->length - start >= op->env->piece_bytes)
            break;
        status =
            self->save.run < self->run_count ? save_of_run(self, out) : save_of_held(self, out);
    }
    if (status != WR_OK)
        return status;
    memcpy(out->bytes + count_at, &count, sizeof count);
    self->saving = (uint8_t)has_more(self, all);
    if (self->saving)
        return WR_EAGAIN;
    saved_all(self);
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
    if (frontier == WR_TIME_MIN || sort_row_count(self) == 0)
        return WR_OK;
    if (!config->has_time && frontier != WR_TIME_MAX)
        return WR_ECORRUPT;
    return sort_drop(self, frontier);
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
        status = sort_keep(self, batch);
    wr_arena_rewind(env->scratch, mark);
    wr_batch_unref(batch);
    return status;
}

int sort_load(struct wr_op *op, struct wr_reader *in) {
    struct sort *self = (struct sort *)op;
    int64_t released_us = (int64_t)wr_reader_u64(in);
    uint32_t count = wr_reader_u32(in);
    self->loading = 1;
    int status = in->failed ? WR_ECORRUPT : drop(self, released_us);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        status = load_batch(self, in);
    self->loading = 0;
    saved_all(self);
    return status;
}
