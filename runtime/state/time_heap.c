/* time_heap.c: see time_heap.h. */
#include "state/time_heap.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

void wr_time_heap_init(struct wr_time_heap *heap, struct wr_budget *budget) {
    *heap = (struct wr_time_heap){.budget = budget};
}

void wr_time_heap_release(struct wr_time_heap *heap) {
    wr_free(heap->budget, heap->items);
    heap->items = NULL;
    heap->count = heap->room = 0;
}

static int is_before(const struct wr_timer *a, const struct wr_timer *b) {
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->id < b->id;
}

int wr_time_heap_add(struct wr_time_heap *heap, int64_t time_us, uint64_t id) {
    void *items = heap->items;
    int status = wr_grow(heap->budget, &items, heap->count, &heap->room, sizeof *heap->items);
    if (status != WR_OK)
        return status;
    heap->items = items;
    struct wr_timer timer = {.time_us = time_us, .id = id};
    uint32_t at = heap->count++;
    for (; at > 0 && is_before(&timer, &heap->items[(at - 1) / 2]); at = (at - 1) / 2)
        heap->items[at] = heap->items[(at - 1) / 2];
    heap->items[at] = timer;
    return WR_OK;
}

struct wr_timer wr_time_heap_take(struct wr_time_heap *heap) {
    WR_ASSERT(heap->count > 0);
    struct wr_timer *items = heap->items, first = items[0], last = items[--heap->count];
    uint32_t at = 0;
    for (uint32_t child = 1; child < heap->count; child = 2 * at + 1) {
        if (child + 1 < heap->count && is_before(&items[child + 1], &items[child]))
            child++;
        if (!is_before(&items[child], &last))
            break;
        items[at] = items[child];
        at = child;
    }
    items[at] = last;
    return first;
}

/* Entries at `at` and below it: there are none below one that is later. */
static uint32_t count_from(const struct wr_time_heap *heap, uint32_t at, int64_t until_us) {
    if (at >= heap->count || heap->items[at].time_us > until_us)
        return 0;
    return 1 + count_from(heap, 2 * at + 1, until_us) + count_from(heap, 2 * at + 2, until_us);
}

uint32_t wr_time_heap_count(const struct wr_time_heap *heap, int64_t until_us) {
    return count_from(heap, 0, until_us);
}
