/* test_memory.c: budgets, arenas and buffers: limits, alignment, what is kept and given back. */
#include "test.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/status.h"

TEST(alloc_counts_its_budget_and_keeps_to_it) {
    struct wr_budget budget = WR_BUDGET_INIT("test", 1000);
    char *a = wr_alloc(&budget, 600);
    CHECK(a != NULL);
    CHECK_INT(budget.bytes_used, ==, 600);
    CHECK_PTR(wr_alloc(&budget, 401), ==, NULL);
    CHECK_INT(budget.bytes_used, ==, 600);
    char *b = wr_alloc(&budget, 400);
    CHECK(b != NULL);
    CHECK_INT(budget.bytes_peak, ==, 1000);
    wr_free(&budget, a);
    wr_free(&budget, b);
    wr_free(&budget, NULL);
    CHECK_INT(budget.bytes_used, ==, 0);
    CHECK_INT(budget.bytes_peak, ==, 1000);
    CHECK_PTR(wr_alloc(&budget, SIZE_MAX), ==, NULL);
}

TEST(alloc_aligns_to_lines_from_64_bytes_on) {
    for (size_t size = 1; size < 300; size++) {
        void *memory = wr_alloc_zero(&wr_budget_control, size);
        CHECK_INT((uintptr_t)memory % (size >= 64 ? 64 : 16), ==, 0);
        CHECK_INT(wr_alloc_size(memory), ==, size);
        for (size_t i = 0; i < size; i++)
            CHECK_INT(((char *)memory)[i], ==, 0);
        wr_free(&wr_budget_control, memory);
    }
}

TEST(alloc_leaves_the_old_memory_when_it_cannot_grow) {
    struct wr_budget budget = WR_BUDGET_INIT("test", 100);
    char *text = wr_strndup(&budget, "abcdef", 3);
    CHECK_STR(text, "abc");
    CHECK_PTR(wr_realloc(&budget, text, 200), ==, NULL);
    CHECK_STR(text, "abc");
    char *grown = wr_realloc(&budget, text, 50);
    CHECK_STR(grown, "abc");
    CHECK_INT(budget.bytes_used, ==, 50);
    wr_free(&budget, grown);
}

TEST(alloc_fails_where_it_is_told) {
    wr_alloc_fail_at(2, 0);
    void *first = wr_alloc(&wr_budget_control, 8);
    CHECK(first != NULL);
    CHECK_PTR(wr_alloc(&wr_budget_control, 8), ==, NULL);
    void *third = wr_alloc(&wr_budget_control, 8);
    CHECK(third != NULL);
    CHECK_INT(wr_alloc_count(), ==, 3);
    wr_alloc_fail_at(1, 1);
    CHECK_PTR(wr_alloc(&wr_budget_control, 8), ==, NULL);
    CHECK_PTR(wr_alloc(&wr_budget_control, 8), ==, NULL);
    wr_alloc_fail_at(0, 0);
    wr_free(&wr_budget_control, first);
    wr_free(&wr_budget_control, third);
}

TEST(arena_gives_aligned_memory_that_does_not_overlap) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 1024);
    static char *pieces[400];
    static size_t sizes[400];
    for (int life = 0; life < 3; life++) {
        for (size_t i = 0; i < 400; i++) {
            sizes[i] = i * 7 % 700;
            pieces[i] = wr_arena_alloc(&arena, sizes[i]);
            CHECK_INT((uintptr_t)pieces[i] % (sizes[i] >= 256 ? 64 : 16), ==, 0);
            memset(pieces[i], (int)i, sizes[i]);
        }
        for (size_t i = 0; i < 400; i++)
            for (size_t j = 0; j < sizes[i]; j++)
                CHECK_INT(pieces[i][j], ==, (char)i);
        wr_arena_reset(&arena);
    }
    wr_arena_release(&arena);
}

TEST(arena_allocates_nothing_in_its_second_life) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    for (int life = 0; life < 5; life++) {
        wr_alloc_fail_at(0, 0); /* counts from here */
        for (int i = 0; i < 100; i++)
            CHECK(wr_arena_alloc(&arena, 200) != NULL);
        if (life > 0)
            CHECK_INT(wr_alloc_count(), ==, 0);
        wr_arena_reset(&arena);
    }
    wr_arena_release(&arena);
}

TEST(arena_that_grows_begins_small_and_allocates_nothing_in_its_second_life) {
    struct wr_budget budget = WR_BUDGET_INIT("test", 0);
    struct wr_arena arena;
    wr_arena_init_growing(&arena, &budget, 256, 65536);
    CHECK(wr_arena_alloc(&arena, 100) != NULL);
    CHECK_INT(budget.bytes_used, <, 400);
    static const size_t sizes[] = {40, 200, 3000, 1000, 3000, 30000, 40000, 60000};
    for (uint32_t i = 0; i < WR_COUNT(sizes); i++)
        CHECK(wr_arena_alloc(&arena, sizes[i]) != NULL);
    uint64_t used = budget.bytes_used;
    wr_arena_reset(&arena);
    CHECK(wr_arena_alloc(&arena, 60000) != NULL); /* in another order */
    CHECK(wr_arena_alloc(&arena, 100) != NULL);
    for (uint32_t i = 0; i < 6; i++)
        CHECK(wr_arena_alloc(&arena, sizes[i]) != NULL);
    CHECK_INT(budget.bytes_used, ==, used);
    wr_arena_release(&arena);
    CHECK_INT(budget.bytes_used, ==, 0);
}

TEST(arena_rewinds_to_its_mark) {
    struct wr_budget budget = WR_BUDGET_INIT("test", 0);
    struct wr_arena arena;
    wr_arena_init(&arena, &budget, 1024);
    char *kept = wr_arena_strndup(&arena, "kept text", 4);
    struct wr_arena_mark mark = wr_arena_mark(&arena);
    char *first = wr_arena_alloc(&arena, 100);
    for (int i = 0; i < 50; i++)
        CHECK(wr_arena_alloc(&arena, 500) != NULL);
    CHECK(wr_arena_alloc(&arena, 100000) != NULL); /* an odd one goes back at once */
    uint64_t used = budget.bytes_used;
    wr_arena_rewind(&arena, mark);
    CHECK_INT(budget.bytes_used, <=, used - 100000);
    CHECK_PTR(wr_arena_alloc(&arena, 100), ==, first);
    CHECK_STR(kept, "kept");
    wr_arena_release(&arena);
    CHECK_INT(budget.bytes_used, ==, 0);
}

TEST(arena_keeps_to_its_budget) {
    struct wr_budget budget = WR_BUDGET_INIT("test", 5000);
    struct wr_arena arena;
    wr_arena_init(&arena, &budget, 1024);
    int count = 0;
    while (wr_arena_alloc(&arena, 500) != NULL)
        count++;
    CHECK_INT(count, >=, 4);
    CHECK_INT(budget.bytes_used, <=, 5000);
    CHECK_PTR(wr_arena_alloc(&arena, SIZE_MAX - 8), ==, NULL);
    wr_arena_release(&arena);
}

TEST(buf_appends_up_to_its_bound_and_remembers_a_failure) {
    struct wr_buf buf;
    wr_buf_init(&buf, &wr_budget_control, 10);
    CHECK_INT(wr_buf_add_text(&buf, "12345"), ==, WR_OK);
    CHECK_INT(wr_buf_addf(&buf, "%d", 678), ==, WR_OK);
    CHECK_STR(buf.bytes, "12345678");
    CHECK_INT(wr_buf_add_text(&buf, "abc"), ==, WR_ELIMIT);
    CHECK_INT(wr_buf_add_char(&buf, 'x'), ==, WR_ELIMIT); /* sticks */
    CHECK_STR(buf.bytes, "12345678");
    wr_buf_clear(&buf);
    CHECK_INT(wr_buf_add_char(&buf, 'x'), ==, WR_OK);
    CHECK_STR(buf.bytes, "x");
    wr_buf_release(&buf);
}

TEST(buf_and_reader_carry_integers) {
    static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    struct wr_buf buf;
    wr_buf_init(&buf, &wr_budget_control, 0);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        wr_buf_add_varint(&buf, values[i]);
        wr_buf_add_u64(&buf, values[i]);
        wr_buf_add_u32(&buf, (uint32_t)values[i]);
    }
    CHECK_INT(wr_buf_add(&buf, NULL, 0), ==, WR_OK);
    struct wr_reader reader = {.bytes = buf.bytes, .length = buf.length};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        CHECK_INT(wr_reader_varint(&reader), ==, values[i]);
        CHECK_INT(wr_reader_u64(&reader), ==, values[i]);
        CHECK_INT(wr_reader_u32(&reader), ==, (uint32_t)values[i]);
    }
    CHECK_INT(reader.at, ==, reader.length);
    CHECK(!reader.failed);
    CHECK_INT(wr_reader_u32(&reader), ==, 0);
    CHECK(reader.failed);
    CHECK_PTR(wr_reader_bytes(&reader, 0), ==, NULL); /* sticks */
    wr_buf_release(&buf);
}

TEST(reader_refuses_what_is_cut_or_too_long) {
    static const char cut[] = "\x80\x80", too_long[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
    struct wr_reader reader = {.bytes = cut, .length = 2};
    CHECK_INT(wr_reader_varint(&reader), ==, 0);
    CHECK(reader.failed);
    reader = (struct wr_reader){.bytes = too_long, .length = 10};
    wr_reader_varint(&reader);
    CHECK(reader.failed); /* more than 64 bits */
    reader = (struct wr_reader){.bytes = cut, .length = 2};
    CHECK_PTR(wr_reader_bytes(&reader, SIZE_MAX), ==, NULL);
    CHECK(reader.failed);
}

TEST(bits_are_set_and_cleared_one_by_one) {
    uint64_t bits[3] = {0};
    for (uint64_t i = 0; i < 192; i += 3)
        wr_bit_set(bits, i);
    for (uint64_t i = 0; i < 192; i++)
        CHECK_INT(wr_bit_get(bits, i), ==, i % 3 == 0);
    for (uint64_t i = 0; i < 192; i++)
        wr_bit_put(bits, i, i % 2 == 0);
    wr_bit_clear(bits, 2);
    for (uint64_t i = 0; i < 192; i++)
        CHECK_INT(wr_bit_get(bits, i), ==, i % 2 == 0 && i != 2);
    CHECK_INT(WR_BITS_WORDS(0), ==, 0);
    CHECK_INT(WR_BITS_WORDS(64), ==, 1);
    CHECK_INT(WR_BITS_WORDS(65), ==, 2);
}

TEST(error_grows_from_the_inside_out_and_is_cut_at_its_bound) {
    struct wr_error err;
    CHECK_INT(wr_error_set(&err, WR_EIO, "open %s: gone", "x"), ==, WR_EIO);
    CHECK_INT(wr_error_add(&err, WR_EIO, "pipeline %s", "y"), ==, WR_EIO);
    CHECK_STR(err.text, "pipeline y: open x: gone");
    CHECK_INT(wr_error_script(&err, "W103", "%0*d", 2000, 7), ==, WR_ESCRIPT);
    CHECK_INT(strlen(err.text), ==, WR_ERROR_TEXT_MAX - 1);
    CHECK_STR(err.code, "W103");
    CHECK_INT(wr_error_add(&err, WR_ESCRIPT, "%0*d", 2000, 7), ==, WR_ESCRIPT);
    CHECK_INT(strlen(err.text), ==, WR_ERROR_TEXT_MAX - 1);
    CHECK_INT(wr_error_set(NULL, WR_EIO, "nobody asks"), ==, WR_EIO);
    CHECK_STR(wr_status_text(WR_ECORRUPT), "stored data is damaged");
    CHECK_STR(wr_status_text(5), "unknown status");
}

TEST_EACH_ALLOCATION_FAILS(arena_and_buf_say_that_they_could_not) {
    struct wr_arena arena;
    struct wr_buf buf;
    wr_arena_init(&arena, &wr_budget_control, 256);
    wr_buf_init(&buf, &wr_budget_control, 0);
    for (int i = 0; i < 20; i++) {
        char *memory = wr_arena_alloc_zero(&arena, 100);
        if (memory != NULL)
            memset(memory, 1, 100);
        wr_buf_add(&buf, "0123456789", 10);
    }
    CHECK(buf.status == WR_OK ? buf.length == 200 : buf.status == WR_ENOMEM);
    wr_arena_release(&arena);
    wr_buf_release(&buf);
}
