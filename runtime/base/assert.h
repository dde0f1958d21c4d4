/* assert.h: a bug stops the process, in every build.
 * WR_ASSERT guards what crosses a file; WR_ASSERT_DEBUG stands in row loops, debug builds only. */
#pragma once

/* Prints the place and the broken condition to stderr, and aborts. */
_Noreturn void wr_assert_failed(const char *file, int line, const char *condition);

#define WR_ASSERT(condition) \
    ((condition) ? (void)0 : wr_assert_failed(__FILE__, __LINE__, #condition))
#ifdef WR_DEBUG
#define WR_ASSERT_DEBUG(condition) WR_ASSERT(condition)
#else
#define WR_ASSERT_DEBUG(condition) ((void)sizeof(condition))
#endif

#define WR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define WR_MAX(a, b) ((a) > (b) ? (a) : (b))
#define WR_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WR_LIKELY(x) __builtin_expect(!!(x), 1)
#define WR_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* A local array of a hot path that is written before it is read: the build's zeroing of all locals
 * would cost more than what the function does with a few rows. */
#define WR_UNINITIALIZED __attribute__((uninitialized))
