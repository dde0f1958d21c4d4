/* test_time_heap.c: a heap gives back what was put in, by time and then by number. */
#include "test.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/time_heap.h"

TEST(time_heap_gives_the_earliest_first_and_equal_times_by_number) {
    static const struct wr_timer put[] = {{5, 2},         {-3, 9}, {5, 1},
                                          {INT64_MAX, 4}, {5, 3},  {INT64_MIN, 7}};
    static const uint64_t wanted[] = {7, 9, 1, 2, 3, 4};
    struct wr_time_heap heap;
    wr_time_heap_init(&heap, &wr_budget_control);
    for (uint32_t i = 0; i < WR_COUNT(put); i++)
        CHECK_INT(wr_time_heap_add(&heap, put[i].time_us, put[i].id), ==, WR_OK);
    for (uint32_t i = 0; i < WR_COUNT(put); i++)
        CHECK_INT(wr_time_heap_take(&heap).id, ==, wanted[i]);
    CHECK_INT(heap.count, ==, 0);
    wr_time_heap_release(&heap);
}

TEST(time_heap_counts_those_until_a_time) {
    struct wr_time_heap heap;
    wr_time_heap_init(&heap, &wr_budget_control);
    CHECK_INT(wr_time_heap_count(&heap, INT64_MAX), ==, 0);
    for (int64_t i = 0; i < 50; i++)
        CHECK_INT(wr_time_heap_add(&heap, i * 7 % 10, (uint64_t)i), ==, WR_OK);
    CHECK_INT(wr_time_heap_count(&heap, -1), ==, 0);
    CHECK_INT(wr_time_heap_count(&heap, 0), ==, 5);
    CHECK_INT(wr_time_heap_count(&heap, 3), ==, 20);
    CHECK_INT(wr_time_heap_count(&heap, INT64_MAX), ==, 50);
    wr_time_heap_release(&heap);
}

/* Puts and takes in any order: what is taken is never earlier than what was taken since the last
 * put, and nothing is lost. */
TEST(time_heap_keeps_its_order_under_random_use) {
    struct wr_time_heap heap;
    uint64_t random = test_seed(), sum_in = 0, sum_out = 0;
    int64_t last = INT64_MIN;
    wr_time_heap_init(&heap, &wr_budget_control);
    for (uint64_t i = 0; i < 20000; i++) {
        random = wr_hash_u64(random, 1);
        if (heap.count == 0 || random % 5 < (i < 10000 ? 3u : 1u)) {
            CHECK_INT(wr_time_heap_add(&heap, (int64_t)(random >> 32) % 1000, i), ==, WR_OK);
            sum_in += i;
            last = INT64_MIN;
            continue;
        }
        struct wr_timer first = wr_time_heap_take(&heap);
        CHECK(first.time_us >= last);
        last = first.time_us;
        sum_out += first.id;
    }
    while (heap.count > 0)
        sum_out += wr_time_heap_take(&heap).id;
    CHECK(sum_in == sum_out);
    wr_time_heap_release(&heap);
}

TEST(time_heap_is_as_before_when_there_is_no_memory) {
    struct wr_budget budget = WR_BUDGET_INIT("small", 1);
    struct wr_time_heap heap;
    wr_time_heap_init(&heap, &budget);
    CHECK_INT(wr_time_heap_add(&heap, 1, 1), ==, WR_ENOMEM);
    CHECK_INT(heap.count, ==, 0);
    wr_time_heap_release(&heap);
}
