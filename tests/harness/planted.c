/* planted.c: tests of test.h. Those named `fails_...` must fail, the others must pass; planted.py
 * reads the output. */
#include "test.h"
#include "base/alloc.h"
#include "base/status.h"

TEST(passes_with_equal_values_of_different_types) {
    uint32_t rows = 2;
    uint64_t most = UINT64_MAX;
    CHECK_INT(rows, ==, 2);
    CHECK_INT(most, >, -1);
    CHECK_INT(INT64_MIN, <, most);
    CHECK_FLOAT(0.5, <=, 0.5);
    CHECK_STR(NULL, NULL);
    CHECK_STR("a", "a");
    CHECK_MEM("a\0b", "a\0b", 3);
    CHECK_CONTAINS("a row is late", "late");
    CHECK_PTR(NULL, ==, NULL);
}

TEST(fails_check) {
    CHECK(1 > 2);
}
TEST(fails_int_of_two_signs) {
    CHECK_INT(UINT64_MAX, <, -1);
}
TEST(fails_float) {
    CHECK_FLOAT(0.1 + 0.2, ==, 0.3);
}
TEST(fails_str) {
    CHECK_STR("a", "b");
}
TEST(fails_str_with_null) {
    CHECK_STR("NULL", NULL);
}
TEST(fails_mem_behind_a_zero) {
    CHECK_MEM("a\0b", "a\0c", 3);
}
TEST(fails_contains) {
    CHECK_CONTAINS("a row", "rows");
}
TEST(fails_ptr) {
    CHECK_PTR("a", ==, NULL);
}

/* Two allocations; `leak` forgets the first where the second fails. Returns a status. */
static int two_allocations(bool leak) {
    char *first = wr_alloc(&wr_budget_control, 10);
    if (first == NULL)
        return WR_ENOMEM;
    char *second = wr_alloc(&wr_budget_control, 10);
    if (second == NULL && leak)
        return WR_ENOMEM;
    int status = second == NULL ? WR_ENOMEM : WR_OK;
    wr_free(&wr_budget_control, second);
    wr_free(&wr_budget_control, first);
    return status;
}

static uint32_t run_count, failed_count;

TEST_EACH_ALLOCATION_FAILS(passes_when_everything_is_given_back) {
    int status = two_allocations(false);
    CHECK(status == WR_OK || status == WR_ENOMEM);
    run_count++;
    failed_count += status == WR_ENOMEM;
}
TEST(passes_each_allocation_failed_alone_and_with_all_later_ones) {
    CHECK_INT(run_count, ==, 5); /* two allocations in two ways, and the run in which none fails */
    CHECK_INT(failed_count, ==, 4);
}
TEST_EACH_ALLOCATION_FAILS(fails_when_memory_is_lost) {
    int status = two_allocations(true);
    CHECK(status == WR_OK || status == WR_ENOMEM);
}
TEST_EACH_ALLOCATION_FAILS(fails_when_success_is_claimed) {
    CHECK(two_allocations(false) == WR_OK);
}
TEST_EACH_ALLOCATION_FAILS(fails_when_nothing_is_allocated) {}
