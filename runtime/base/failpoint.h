/* failpoint.h: named places at which a test makes the world fail or the process die.
 * WEIR_FAILPOINTS=name:action[:milliseconds][@n],… : the n-th time (from 1; default 1) that
 * `name` is reached, do `action`: kill (SIGKILL), stop (SIGSTOP), abort, sleep, or fail with eio,
 * enospc, enomem. `@n+` means the n-th and every later time. WEIR_FAILPOINTS_SEEN=FILE is appended
 * "name count" for each place that was reached, at exit, so that a test sees what it covered.
 * Release builds (NDEBUG, unless WEIR_FAILPOINTS_ON is defined) hold none of it.
 * Threads: any; the counts are atomic. */
#pragma once

#if !defined(NDEBUG) || defined(WEIR_FAILPOINTS_ON)
#include <stdatomic.h>
#include <stdint.h>

/* One place in the code, in static storage. */
struct wr_failpoint {
    const char *name;
    _Atomic uint64_t count; /* times reached */
    _Atomic int registered;
    struct wr_failpoint *next;
};

/* Counts, acts; returns 0 or the errno to fail with. */
int wr_failpoint_reach(struct wr_failpoint *point);
/* Sets what WEIR_FAILPOINTS would; NULL: none. Counts begin anew. 0 when the text is malformed. */
int wr_failpoint_set(const char *text);
/* Times that a name was reached since the last set. */
uint64_t wr_failpoint_count(const char *name);

#define WR_FP_ERRNO(point_name) \
    __extension__({ \
        static struct wr_failpoint point_ = {.name = (point_name)}; \
        wr_failpoint_reach(&point_); \
    })
#define WR_FAILPOINTS 1
#else
#define WR_FP_ERRNO(point_name) 0
#define WR_FAILPOINTS 0
#endif

/* A place where a process may die or stop; an error action means nothing here. */
#define WR_FP(point_name) ((void)WR_FP_ERRNO(point_name))
