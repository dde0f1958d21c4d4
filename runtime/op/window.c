#include "op/window.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

static int64_t gcd(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int window_from_value(struct window *window, const struct wr_value *spec, struct wr_error *err) {
    const char *kind = wr_value_string(spec, "kind", "");
    int hopping = strcmp(kind, "hopping") == 0;
    if (!hopping && strcmp(kind, "tumbling") != 0)
        return wr_error_script(err, "W201", "no `%s` windows in this version", kind);
    window->size_us = wr_value_int(spec, "size", 0);
    window->every_us = hopping ? wr_value_int(spec, "every", 0) : window->size_us;
    window->offset_us = wr_value_int(spec, "offset", 0);
    if (window->size_us <= 0 || window->every_us <= 0)
        return wr_error_script(err, "W203", "a window must be at least 1us long");
    if (window->every_us > window->size_us)
        return wr_error_script(err, "W203", "`every` must not be longer than the window");
    window->slice_us = gcd(window->size_us, window->every_us);
    return WR_OK;
}

/* The largest offset + k * step that is <= time; 128 bits, since times may lie far out. */
static int64_t floor_to(int64_t time_us, int64_t step_us, int64_t offset_us) {
    __int128 moved = (__int128)time_us - offset_us;
    __int128 rest = moved % step_us;
    if (rest < 0)
        rest += step_us;
    __int128 start = (__int128)time_us - rest;
    return start < WR_TIME_MIN ? WR_TIME_MIN : (int64_t)start;
}

int64_t window_slice(const struct window *window, int64_t time_us) {
    return floor_to(time_us, window->slice_us, window->offset_us);
}

int64_t window_last(const struct window *window, int64_t time_us) {
    return floor_to(time_us, window->every_us, window->offset_us);
}

int64_t window_first(const struct window *window, int64_t time_us) {
    int64_t before;
    if (__builtin_sub_overflow(time_us, window->size_us, &before))
        return window_last(window, time_us);
    return floor_to(before, window->every_us, window->offset_us) + window->every_us;
}

int64_t window_end(const struct window *window, int64_t start_us) {
    int64_t end;
    return __builtin_add_overflow(start_us, window->size_us, &end) ? WR_TIME_MAX : end;
}

int64_t window_end_after(const struct window *window, int64_t after_us) {
    int64_t end = window_end(window, window_first(window, after_us));
    return end > after_us || end == WR_TIME_MAX ? end : after_us + 1;
}

int64_t window_multiple_after(int64_t every_us, int64_t after_us) {
    int64_t next;
    if (__builtin_add_overflow(floor_to(after_us, every_us, 0), every_us, &next))
        return WR_TIME_MAX;
    return next > after_us ? next : after_us + 1;
}
