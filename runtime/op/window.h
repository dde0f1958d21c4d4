/* window.h: which windows a time belongs to, and the count and session windows that a script may
 * say. Private to the room.
 *
 * Aligned windows are the same for all keys, and each is known by its mark, which ascends in the
 * order in which they end: its start; of a cumulative window (they share a start) the start of its
 * last step. Windows are [start, end). */
#pragma once
#include <stdint.h>

#include "data/batch.h"
#include "data/value.h"

struct wr_arena;
struct wr_bind;
struct wr_error;
struct wr_list;
struct wr_scope;
struct window_calendar;

enum window_kind {
    WINDOW_FIXED,      /* tumbling and hopping: start at offset + k * every */
    WINDOW_CUMULATIVE, /* of each period `size` its first `every`, the first two, … */
    WINDOW_CALENDAR,   /* one after the other, of days, weeks, months, or from cron to cron */
    WINDOW_SESSION,    /* a key's rows with no gap between them */
    WINDOW_COUNT,      /* a key's rows in the order in which they come */
};

struct window {
    enum window_kind kind;
    int64_t size_us, every_us, offset_us;
    int64_t slice_us;                       /* FIXED: gcd of size and every; rows go by slice */
    const struct window_calendar *calendar; /* CALENDAR */
    int64_t gap_us;                         /* SESSION: 0: `gap`, an expression, says it */
    const struct wr_value *gap;             /* a list of one item, or NULL */
    int64_t max_us;                         /* SESSION: the longest; WR_TIME_MAX: any */
    int64_t rows, every_rows;               /* COUNT */
    int64_t pane_rows;                      /* COUNT: their gcd; rows go by pane */
};

/* From a spec `{kind=, size=, every=, offset=, …}`; `arena` keeps what it takes to know. */
int window_from_value(struct window *window, struct wr_arena *arena, const struct wr_value *spec,
                      struct wr_error *err);
/* The window of a stage that is bound, for stages whose results are rows of aligned windows. */
int window_of_rows(struct window *window, struct wr_bind *bind, const char *stage,
                   struct wr_error *err);
/* SESSION: binds the expression of the gap; errors stand at `arg`. */
int window_bind_gap(struct wr_list **gap, const struct window *window, const struct wr_scope *scope,
                    const char *arg, struct wr_error *err);
static inline int window_is_aligned(const struct window *window) {
    return window->kind <= WINDOW_CALENDAR;
}

/* The event time of a result: the end of its window less 1 us, so that a next window of the same
 * width takes it into the right one. */
#define WINDOW_RESULT_DELAY_US 1
static inline int64_t window_result_time(int64_t end_us) {
    return wr_time_add(end_us, -WINDOW_RESULT_DELAY_US);
}

/* ---- aligned windows ---- */

/* The start of the slice that holds `time_us` (saturating at the ends of time), and its end. */
int64_t window_slice(const struct window *window, int64_t time_us);
int64_t window_slice_end(const struct window *window, int64_t slice_us);
/* The mark of the last window that holds `time_us` … and of the first one. */
int64_t window_last(const struct window *window, int64_t time_us);
int64_t window_first(const struct window *window, int64_t time_us);
/* The mark of the window behind that one; WR_TIME_MAX: there is none. */
int64_t window_next(const struct window *window, int64_t mark);
int64_t window_start(const struct window *window, int64_t mark);
int64_t window_end(const struct window *window, int64_t mark); /* at most WR_TIME_MAX */
/* Whether a window has this mark. */
int window_is(const struct window *window, int64_t mark);
/* The most windows that hold one time. */
uint32_t window_overlap(const struct window *window);
/* The least end of a window that is > after_us. */
int64_t window_end_after(const struct window *window, int64_t after_us);
/* The least multiple of `every_us` that is > after_us. */
int64_t window_multiple_after(int64_t every_us, int64_t after_us);

/* ---- window_calendar.c ---- */

int window_calendar_new(const struct window_calendar **calendar, struct wr_arena *arena,
                        const struct wr_value *spec, struct wr_error *err);
/* The start of the window that holds a time, and the one behind it; at the ends of time
 * WR_TIME_MIN and WR_TIME_MAX. */
void window_calendar_at(const struct window_calendar *calendar, int64_t time_us, int64_t *start_us,
                        int64_t *end_us);
