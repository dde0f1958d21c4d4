/* test.h: what a C test of weir is written with, on top of cmocka.
 *
 * A file tests/unit/<room>/test_<what>.c becomes one program. It includes this header first, and
 * has neither a main nor a list of its tests: TEST registers them in the order of the file.
 *
 *     TEST(ring_leaves_a_refused_batch_to_its_owner) {
 *         CHECK_INT(wr_ring_push(&ring, batch), ==, WR_EFULL);
 *     }
 *
 * A CHECK that does not hold prints both sides and ends its test. The program takes the names of
 * the tests to run (`*` and `?` allowed), or `--list`, and ends with `N passed, N failed`. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*test_fn)(void);

/* One test, in static storage; `next` is the registry's. */
struct test_case {
    const char *name;
    test_fn body;
    bool each_allocation_fails; /* run again and again, with a later allocation failing */
    struct test_case *next;
};

/* Adds `test` behind the others. Called before main. */
void test_register(struct test_case *test);

/* Prints the message behind `file:line: ` and ends the running test as failed. */
_Noreturn void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends the running test as failed unless the values are equal; the CHECK macros call these. */
void test_check_str(const char *file, int line, const char *text, const char *a, const char *b);
void test_check_mem(const char *file, int line, const char *text, const void *a, const void *b,
                    size_t size_bytes);
void test_check_contains(const char *file, int line, const char *text, const char *a,
                         const char *part);

/* The decimal digits of `value`, in one of a few static buffers that calls take in turn. */
const char *test_int_text(__int128 value);

/* The seed of this run: WEIR_SEED where it is set, else a fresh one. Printed by the first call. */
uint64_t test_seed(void);

/* True while a random test should go on: WEIR_RANDOM_SECONDS (1 where it is unset) have not yet
 * passed since the first call of this program. */
bool test_random_time_left(void);

#define TEST_REGISTER_(test_name, allocations) \
    static void test_name(void); \
    __attribute__((constructor)) static void test_name##_register(void) { \
        static struct test_case test = {#test_name, test_name, allocations, NULL}; \
        test_register(&test); \
    } \
    static void test_name(void)

/* A test, named as the sentence that it proves. */
#define TEST(test_name) TEST_REGISTER_(test_name, false)

/* A test whose body runs with its first allocation failing, then with its second, and so on until
 * a run in which none is left to fail; each time alone, and with all later ones failing too. The
 * body accepts success or WR_ENOMEM and gives everything back: wr_budget_control is compared after
 * each run, and the leak check of the asan build sees the rest. */
#define TEST_EACH_ALLOCATION_FAILS(test_name) TEST_REGISTER_(test_name, true)

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            test_fail(__FILE__, __LINE__, "%s", #condition); \
    } while (0)

/* CHECK_INT(a, <, b): any two integers, signed or not, compared by value. */
#define CHECK_INT(a, op, b) \
    do { \
        __int128 check_a_ = (a), check_b_ = (b); \
        if (!(check_a_ op check_b_)) \
            test_fail(__FILE__, __LINE__, "%s %s %s\n    left:  %s\n    right: %s", #a, #op, #b, \
                      test_int_text(check_a_), test_int_text(check_b_)); \
    } while (0)

/* CHECK_FLOAT(a, ==, b): exactly; write the tolerance out where one is meant. */
#define CHECK_FLOAT(a, op, b) \
    do { \
        double check_a_ = (a), check_b_ = (b); \
        if (!(check_a_ op check_b_)) \
            test_fail(__FILE__, __LINE__, "%s %s %s\n    left:  %.17g\n    right: %.17g", #a, #op, \
                      #b, check_a_, check_b_); \
    } while (0)

#define CHECK_PTR(a, op, b) \
    do { \
        const void *check_a_ = (a), *check_b_ = (b); \
        if (!(check_a_ op check_b_)) \
            test_fail(__FILE__, __LINE__, "%s %s %s\n    left:  %p\n    right: %p", #a, #op, #b, \
                      check_a_, check_b_); \
    } while (0)

/* Two strings; NULL equals only NULL. */
#define CHECK_STR(a, b) test_check_str(__FILE__, __LINE__, #a " == " #b, (a), (b))
/* `size_bytes` bytes; the first that differs is shown. */
#define CHECK_MEM(a, b, size_bytes) \
    test_check_mem(__FILE__, __LINE__, #a " == " #b, (a), (b), (size_bytes))
/* The string `part` occurs in `a`. */
#define CHECK_CONTAINS(a, part) \
    test_check_contains(__FILE__, __LINE__, #a " contains " #part, (a), (part))
