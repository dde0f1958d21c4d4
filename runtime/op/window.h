/* window.h: which windows a time belongs to: tumbling and hopping, aligned to the epoch plus an
 * offset. Windows are [start, start + size) and start at offset + k * every. Private to the room.
 */
#pragma once
#include <stdint.h>

#include "data/value.h"

struct wr_error;

struct window {
    int64_t size_us, every_us, offset_us;
    int64_t slice_us; /* gcd of size and every: rows are aggregated by slice */
};

/* From a spec `{kind=, size=, every=, offset=, allowed_lateness=}`. */
int window_from_value(struct window *window, const struct wr_value *spec, struct wr_error *err);
/* The start of the slice that holds `time_us` (saturating at the ends of time). */
int64_t window_slice(const struct window *window, int64_t time_us);
/* The start of the last window that holds `time_us` … and of the first one. */
int64_t window_last(const struct window *window, int64_t time_us);
int64_t window_first(const struct window *window, int64_t time_us);
/* The least end of a window that is > after_us. */
int64_t window_end_after(const struct window *window, int64_t after_us);
/* The least multiple of `every_us` that is > after_us. */
int64_t window_multiple_after(int64_t every_us, int64_t after_us);
/* start + size, at most WR_TIME_MAX. */
int64_t window_end(const struct window *window, int64_t start_us);
