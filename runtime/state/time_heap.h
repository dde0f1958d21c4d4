/* time_heap.h: what must be looked at when the frontier passes a time: numbers by time, the
 * earliest first, those of one time by number. Not saved: its owner makes it anew from what it
 * keeps. A binary heap (Williams, "Algorithm 232: Heapsort", 1964). */
#pragma once
#include <stdint.h>

struct wr_budget;

struct wr_timer {
    int64_t time_us;
    uint64_t id;
};

struct wr_time_heap {
    struct wr_budget *budget;
    uint32_t count, room;
    struct wr_timer *items; /* items[0] is the first; NULL while there was none */
};

void wr_time_heap_init(struct wr_time_heap *heap, struct wr_budget *budget);
void wr_time_heap_release(struct wr_time_heap *heap);
/* O(log n), O(1) for the latest of all. WR_OK or WR_ENOMEM. */
int wr_time_heap_add(struct wr_time_heap *heap, int64_t time_us, uint64_t id);
/* Takes the first one out; there must be one. O(log n). */
struct wr_timer wr_time_heap_take(struct wr_time_heap *heap);
/* How many have time <= until_us. O(of these). */
uint32_t wr_time_heap_count(const struct wr_time_heap *heap, int64_t until_us);
