/* frames_state.c: the state of a grouped `derive` as pieces of a log, and the order of rows that
 * wait, which follows from them. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/frames.h"
#include "base/banned.h"

/* ---- a binary heap ---- */

static int before(const struct frames_place *a, const struct frames_place *b) {
    return a->time != b->time ? a->time < b->time : a->seq < b->seq;
}

int frames_heap_push(struct frames *self, struct frames_heap *heap, struct frames_place place) {
    int status = wr_grow(self->base.env->state_budget, (void **)&heap->items, heap->count,
                         &heap->room, sizeof *heap->items);
    if (status != WR_OK)
        return status;
    uint32_t at = heap->count++;
    for (; at > 0 && before(&place, &heap->items[(at - 1) / 2]); at = (at - 1) / 2)
        heap->items[at] = heap->items[(at - 1) / 2];
    heap->items[at] = place;
    return WR_OK;
}

struct frames_place frames_heap_pop(struct frames_heap *heap) {
    WR_ASSERT(heap->count > 0);
    struct frames_place least = heap->items[0], last = heap->items[--heap->count];
    uint32_t at = 0, count = heap->count;
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && before(&heap->items[child + 1], &heap->items[child]);
        if (!before(&heap->items[child], &last))
            break;
        heap->items[at] = heap->items[child];
    }
    if (count > 0)
        heap->items[at] = last;
    return least;
}

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
        struct frames_place place;
        memcpy(&place.seq, row, 8);
        memcpy(&place.time, row + FRAMES_WAITING_TIME, 8);
        status = frames_heap_push(self, place.time < self->passed_us ? &self->pending : &self->heap,
                                  place);
    }
    self->unordered = status != WR_OK;
    return status;
}

/* ---- pieces ---- */

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
