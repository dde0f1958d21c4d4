/* test.c: main, registry and checks of the C tests; see test.h. */
#include "test.h"
#include "base/alloc.h"

#include <setjmp.h>
#include <cmocka.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <time.h>

#define TEST_CASES_MAX 1024
#define TEST_MESSAGE_BYTES_MAX 4096
#define TEST_ALLOCATIONS_MAX 100000 /* runs of one TEST_EACH_ALLOCATION_FAILS */

static struct test_case *test_first;
static struct test_case **test_end = &test_first;
static const struct test_case *test_running;

void test_register(struct test_case *test) {
    *test_end = test;
    test_end = &test->next;
}

void test_fail(const char *file, int line, const char *format, ...) {
    char message[TEST_MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    print_error("%s:%d: %s: not so: %s\n", file, line, test_running->name, message);
    _fail(file, line);
    abort();
}

void test_check_str(const char *file, int line, const char *text, const char *a, const char *b) {
    if (a == b || (a != NULL && b != NULL && strcmp(a, b) == 0))
        return;
    test_fail(file, line, "%s\n    left:  %s%s%s\n    right: %s%s%s", text, a ? "\"" : "",
              a ? a : "NULL", a ? "\"" : "", b ? "\"" : "", b ? b : "NULL", b ? "\"" : "");
}

void test_check_mem(const char *file, int line, const char *text, const void *a, const void *b,
                    size_t size_bytes) {
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < size_bytes; i++)
        if (left[i] != right[i])
            test_fail(file, line, "%s\n    byte %zu of %zu: left 0x%02x, right 0x%02x", text, i,
                      size_bytes, left[i], right[i]);
}

void test_check_contains(const char *file, int line, const char *text, const char *a,
                         const char *part) {
    if (a == NULL || part == NULL || strstr(a, part) == NULL)
        test_fail(file, line, "%s\n    text: %s\n    part: %s", text, a ? a : "NULL",
                  part ? part : "NULL");
}

const char *test_int_text(__int128 value) {
    static char buffers[4][48];
    static unsigned turn;
    char *at = buffers[turn++ % 4] + sizeof buffers[0] - 1;
    unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    *at = '\0';
    do
        *--at = (char)('0' + (int)(rest % 10));
    while ((rest /= 10) != 0);
    if (value < 0)
        *--at = '-';
    return at;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t test_seed(void) {
    static uint64_t seed;
    static bool known;
    if (!known) {
        const char *text = getenv("WEIR_SEED");
        seed = text != NULL ? strtoull(text, NULL, 0) : now_ns();
        known = true;
        printf("seed: WEIR_SEED=%" PRIu64 "\n", seed);
    }
    return seed;
}

bool test_random_time_left(void) {
    static uint64_t end_ns;
    if (end_ns == 0) {
        const char *text = getenv("WEIR_RANDOM_SECONDS");
        end_ns = now_ns() + 1000000000u * (text != NULL ? strtoull(text, NULL, 0) : 1u);
    }
    return now_ns() < end_ns;
}

/* One run with the allocation of this number failing, alone or with all later ones. False once the
 * body made fewer allocations. */
static bool run_with_failure(const struct test_case *test, uint64_t nth, bool sticky) {
    uint64_t used_before = wr_budget_control.bytes_used;
    wr_alloc_fail_at(nth, sticky);
    test->body();
    bool reached = wr_alloc_count() >= nth;
    wr_alloc_fail_at(0, false);
    uint64_t used_after = wr_budget_control.bytes_used;
    if (used_after != used_before)
        test_fail(__FILE__, __LINE__,
                  "the control budget is as before with allocation %" PRIu64 " failing%s: "
                  "%" PRIu64 " bytes before, %" PRIu64 " after",
                  nth, sticky ? " and all later ones" : "", used_before, used_after);
    return reached;
}

static void run_each_allocation(const struct test_case *test) {
    uint64_t nth = 1;
    for (; nth <= TEST_ALLOCATIONS_MAX; nth++) {
        bool reached = run_with_failure(test, nth, false);
        if (!reached)
            break;
        run_with_failure(test, nth, true);
    }
    if (nth == 1)
        test_fail(__FILE__, __LINE__, "the body allocates");
    if (nth > TEST_ALLOCATIONS_MAX)
        test_fail(__FILE__, __LINE__, "at most %d allocations", TEST_ALLOCATIONS_MAX);
}

static void run_one(void **state) {
    test_running = *state;
    if (test_running->each_allocation_fails)
        run_each_allocation(test_running);
    else
        test_running->body();
}

static bool is_wanted(const struct test_case *test, char **patterns) {
    if (patterns[0] == NULL)
        return true;
    for (; *patterns != NULL; patterns++)
        if (fnmatch(*patterns, test->name, 0) == 0)
            return true;
    return false;
}

int main(int argc, char **argv) {
    static struct CMUnitTest tests[TEST_CASES_MAX];
    size_t test_count = 0;
    bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct test_case *test = test_first; test != NULL; test = test->next) {
        if (list)
            puts(test->name);
        else if (is_wanted(test, argv + (argc > 0))) {
            if (test_count == TEST_CASES_MAX) {
                fprintf(stderr, "more than %d tests in one file\n", TEST_CASES_MAX);
                return 1;
            }
            tests[test_count++] = (struct CMUnitTest){test->name, run_one, NULL, NULL, test};
        }
    }
    if (list)
        return 0;
    int failed = _cmocka_run_group_tests(argv[0], tests, test_count, NULL, NULL);
    printf("%d passed, %d failed\n", (int)test_count - failed, failed);
    return failed != 0 || test_count == 0;
}
