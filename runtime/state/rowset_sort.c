/* rowset_sort.c: rows of a slice that rests in part, in an order of who asks: put in order part by
 * part, written as runs of their own, and merged as they are asked for. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/rowset_parts.h"
#include "base/banned.h"

#define PART_BYTES_MIN 65536u

struct wr_rowset_sorting {
    struct wr_rowset *set;
    struct wr_rowset_order order;
    uint64_t bytes_max;
    /* Copies of rows of the part at hand. */
    struct wr_arena arena;
    uint64_t bytes;
    uint32_t row_count, row_room;
    struct wr_rowset_row **rows;
    uint32_t run_count, run_room;
    struct wr_rowset_run **runs;
    uint8_t is_merging;
    struct wr_rowset_merge merge;
};

static int compare_rows(const void *a, const void *b, void *ctx) {
    const struct wr_rowset_row *const *x = a, *const *y = b;
    const struct wr_rowset_sorting *self = ctx;
    return self->order.compare(self->order.ctx, *x, *y);
}

static int end_part(struct wr_rowset_sorting *self) {
    struct wr_rowset_writer writer;
    struct wr_rowset_run *run;
    if (self->row_count == 0)
        return WR_OK;
    qsort_r(self->rows, self->row_count, sizeof *self->rows, compare_rows, self);
    int status = wr_rowset_write_begin(&writer, self->set, 0);
    for (uint32_t i = 0; i < self->row_count && status == WR_OK; i++)
        status = wr_rowset_write(&writer, self->rows[i]);
    status = wr_rowset_write_end(&writer, status, &run);
    wr_arena_reset(&self->arena);
    self->row_count = 0;
    self->bytes = 0;
    if (status != WR_OK)
        return status;
    return wr_rowset_runs_add(self->set, &self->runs, &self->run_count, &self->run_room, run, 0,
                              self->order.compare, self->order.ctx);
}

/* A copy of a row, its long strings behind it. */
static struct wr_rowset_row *copy_row(struct wr_rowset_sorting *self,
                                      const struct wr_rowset_row *row) {
    const struct wr_rowset *set = self->set;
    size_t bytes = set->row_bytes + wr_rowset_text_bytes(set, row);
    struct wr_rowset_row *copy = wr_arena_alloc(&self->arena, bytes);
    if (copy == NULL)
        return NULL;
    memcpy(copy, row, set->row_bytes);
    char *text = (char *)copy + set->row_bytes;
    for (uint32_t c = 0; c < set->shape.cell_count; c++) {
        struct wr_str *str = (struct wr_str *)(void *)(copy->key + set->shape.cells[c].offset);
        if (str->length <= WR_STR_INLINE_MAX)
            continue;
        str->pointer = memcpy(text, str->pointer, str->length);
        text += str->length;
    }
    self->bytes += bytes + sizeof(struct wr_rowset_row *);
    return copy;
}

static int take(struct wr_rowset_sorting *self, const struct wr_rowset_row *row) {
    if ((row->flags & WR_ROWSET_GONE) || !self->order.wants(self->order.ctx, row))
        return WR_OK;
    if (wr_grow(self->set->budget, (void **)&self->rows, self->row_count, &self->row_room,
                sizeof *self->rows) != WR_OK)
        return WR_ENOMEM;
    self->rows[self->row_count] = copy_row(self, row);
    if (self->rows[self->row_count] == NULL)
        return WR_ENOMEM;
    self->row_count++;
    return self->bytes >= self->bytes_max ? end_part(self) : WR_OK;
}

static int take_run(struct wr_rowset_sorting *self, struct wr_rowset_slice *slice,
                    struct wr_rowset_run *run) {
    int status = WR_OK;
    for (uint32_t b = 0; b < run->block_count && status == WR_OK; b++) {
        struct wr_rowset_cold *cold = &run->blocks[b];
        struct wr_rowset_block *block = cold->awake;
        if (block == NULL)
            status = wr_rowset_block_read(self->set, slice, run, cold, &block);
        for (uint32_t i = 0; status == WR_OK && i < block->count; i++)
            status = take(self, wr_rowset_at(self->set, block, i));
        if (block != cold->awake)
            wr_free(self->set->budget, block);
    }
    return status;
}

int wr_rowset_sort(struct wr_rowset *set, struct wr_rowset_slice *slice,
                   const struct wr_rowset_order *order, uint64_t bytes_max,
                   struct wr_rowset_sorting **made) {
    struct wr_rowset_sorting *self = wr_alloc_zero(set->budget, sizeof *self);
    *made = self;
    if (self == NULL)
        return WR_ENOMEM;
    self->set = set;
    self->order = *order;
    self->bytes_max = WR_MAX(bytes_max, (uint64_t)PART_BYTES_MIN);
    wr_arena_init(&self->arena, set->budget, PART_BYTES_MIN);
    int status = WR_OK;
    struct wr_rowset_walk walk = {.set = set, .slice = slice};
    for (struct wr_rowset_row *row; status == WR_OK && (row = wr_rowset_walk_next(&walk)) != NULL;)
        status = take(self, row);
    for (uint32_t r = 0; r < slice->run_count && status == WR_OK; r++)
        status = take_run(self, slice, slice->runs[r]);
    if (status == WR_OK)
        status = end_part(self);
    if (status == WR_OK) {
        wr_arena_release(&self->arena);
        self->is_merging = 1;
        status = wr_rowset_merge_begin(&self->merge, set, self->runs, self->run_count,
                                       order->compare, order->ctx);
    }
    return status;
}

int wr_rowset_sort_next(struct wr_rowset_sorting *self, struct wr_rowset_row **rows, uint32_t room,
                        uint32_t *count) {
    wr_rowset_merge_forget(&self->merge);
    for (*count = 0; *count < room; ++*count) {
        int status = wr_rowset_merge_next(&self->merge, &rows[*count]);
        if (status != WR_OK)
            return status;
        if (rows[*count] == NULL)
            break;
    }
    return WR_OK;
}

void wr_rowset_sort_end(struct wr_rowset_sorting *self) {
    if (self == NULL)
        return;
    struct wr_rowset *set = self->set;
    if (self->is_merging)
        wr_rowset_merge_end(&self->merge);
    for (uint32_t r = 0; r < self->run_count; r++)
        wr_rowset_run_free(set, self->runs[r]);
    wr_free(set->budget, self->runs);
    wr_free(set->budget, self->rows);
    wr_arena_release(&self->arena);
    wr_free(set->budget, self);
}
