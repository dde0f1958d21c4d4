#include "op/window.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/batch.h"
#include "expr/expr.h"
#include "op/op.h"
#include "base/banned.h"

static int64_t gcd(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static const struct {
    const char *name;
    enum window_kind kind;
} kinds[] = {
    {"tumbling", WINDOW_FIXED},    {"hopping", WINDOW_FIXED},   {"cumulative", WINDOW_CUMULATIVE},
    {"calendar", WINDOW_CALENDAR}, {"session", WINDOW_SESSION}, {"count", WINDOW_COUNT},
};

static int read_steps(struct window *window, const struct wr_value *spec, struct wr_error *err) {
    window->size_us = wr_value_int(spec, "size", 0);
    int is_tumbling = strcmp(wr_value_string(spec, "kind", ""), "tumbling") == 0;
    window->every_us = is_tumbling ? window->size_us : wr_value_int(spec, "every", 0);
    window->offset_us = wr_value_int(spec, "offset", 0);
    if (window->size_us <= 0 || window->every_us <= 0)
        return wr_error_script(err, "W203", "a window must be at least 1us long");
    if (window->every_us > window->size_us)
        return wr_error_script(err, "W203", "`every` must not be longer than the window");
    window->slice_us = gcd(window->size_us, window->every_us);
    if (window->kind == WINDOW_CUMULATIVE && window->slice_us != window->every_us)
        return wr_error_script(err, "W203", "`every` must divide the length of the window");
    return WR_OK;
}

static int read_session(struct window *window, const struct wr_value *spec, struct wr_error *err) {
    window->gap_us = wr_value_int(spec, "gap", 0);
    window->gap = wr_value_get(spec, "gap_items");
    window->max_us = wr_value_int(spec, "max", WR_TIME_MAX);
    if ((window->gap == NULL && window->gap_us <= 0) || window->max_us < window->gap_us)
        return wr_error_script(err, "W203",
                               "a session's gap must be at least 1us, and at most "
                               "its `max`");
    return WR_OK;
}

static int read_count(struct window *window, const struct wr_value *spec, struct wr_error *err) {
    window->rows = wr_value_int(spec, "rows", 0);
    window->every_rows = wr_value_int(spec, "every", window->rows);
    if (window->rows <= 0 || window->every_rows <= 0 || window->every_rows > window->rows)
        return wr_error_script(err, "W203",
                               "a count window must have at least 1 row, and begin "
                               "anew within its rows");
    window->pane_rows = gcd(window->rows, window->every_rows);
    return WR_OK;
}

int window_from_value(struct window *window, struct wr_arena *arena, const struct wr_value *spec,
                      struct wr_error *err) {
    const char *name = wr_value_string(spec, "kind", "");
    *window = (struct window){0};
    size_t k = 0;
    while (k < WR_COUNT(kinds) && strcmp(kinds[k].name, name) != 0)
        k++;
    if (k == WR_COUNT(kinds))
        return wr_error_script(err, "W201", "no `%s` windows in this version", name);
    window->kind = kinds[k].kind;
    switch (window->kind) {
    case WINDOW_CALENDAR:
        window->size_us = window->every_us = window->slice_us = 1; /* one slice a window */
        return window_calendar_new(&window->calendar, arena, spec, err);
    case WINDOW_SESSION: return read_session(window, spec, err);
    case WINDOW_COUNT: return read_count(window, spec, err);
    case WINDOW_FIXED:
    case WINDOW_CUMULATIVE: break;
    }
    return read_steps(window, spec, err);
}

int window_of_rows(struct window *window, struct wr_bind *bind, const char *stage,
                   struct wr_error *err) {
    const struct wr_value *spec = wr_value_get(bind->spec, "window");
    int status = spec == NULL ? WR_OK : window_from_value(window, bind->arena, spec, err);
    if (spec == NULL || status != WR_OK || window_is_aligned(window))
        return status;
    wr_error_script(err, "W203", "`%s` does not take `%s` windows", stage,
                    wr_value_string(spec, "kind", ""));
    wr_error_at(err, "window", 0, 0);
    wr_error_help(err, "their ends depend on the rows; `agg` takes them");
    return WR_ESCRIPT;
}

int window_bind_gap(struct wr_list **gap, const struct window *window, const struct wr_scope *scope,
                    const char *arg, struct wr_error *err) {
    int status = wr_list_bind(gap, scope, WR_LIST_SELECT, window->gap, err);
    if (status == WR_OK && ((*gap)->item_count != 1 || (*gap)->items[0].type.kind != WR_DURATION)) {
        status = wr_error_script(err, "W203", "the gap of a session must be a duration");
        wr_error_help(err, "`weir.session \"30m\"`, or an expression: `n * duration'1m'`");
    }
    if (status != WR_OK)
        wr_error_at(err, arg, 0, 0);
    return status;
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

static int64_t calendar_start(const struct window *window, int64_t time_us) {
    int64_t start, end;
    window_calendar_at(window->calendar, time_us, &start, &end);
    return start;
}

static int64_t calendar_end(const struct window *window, int64_t time_us) {
    int64_t start, end;
    window_calendar_at(window->calendar, time_us, &start, &end);
    return end;
}

int64_t window_slice(const struct window *window, int64_t time_us) {
    WR_ASSERT_DEBUG(window_is_aligned(window));
    if (window->kind == WINDOW_CALENDAR)
        return calendar_start(window, time_us);
    return floor_to(time_us, window->slice_us, window->offset_us);
}

int64_t window_slice_end(const struct window *window, int64_t slice_us) {
    return window->kind == WINDOW_CALENDAR ? calendar_end(window, slice_us)
                                           : wr_time_add(slice_us, window->slice_us);
}

int64_t window_last(const struct window *window, int64_t time_us) {
    if (window->kind == WINDOW_CALENDAR)
        return calendar_start(window, time_us);
    if (window->kind == WINDOW_CUMULATIVE)
        return wr_time_add(floor_to(time_us, window->size_us, window->offset_us),
                           window->size_us - window->every_us);
    return floor_to(time_us, window->every_us, window->offset_us);
}

int64_t window_first(const struct window *window, int64_t time_us) {
    if (window->kind == WINDOW_CALENDAR)
        return calendar_start(window, time_us);
    int64_t before;
    if (window->kind == WINDOW_CUMULATIVE ||
        __builtin_sub_overflow(time_us, window->size_us, &before))
        return floor_to(time_us, window->every_us, window->offset_us);
    return floor_to(before, window->every_us, window->offset_us) + window->every_us;
}

int64_t window_next(const struct window *window, int64_t mark) {
    return window->kind == WINDOW_CALENDAR ? calendar_end(window, mark)
                                           : wr_time_add(mark, window->every_us);
}

int64_t window_start(const struct window *window, int64_t mark) {
    return window->kind == WINDOW_CUMULATIVE ? floor_to(mark, window->size_us, window->offset_us)
                                             : mark;
}

int64_t window_end(const struct window *window, int64_t mark) {
    if (window->kind == WINDOW_CALENDAR)
        return calendar_end(window, mark);
    return wr_time_add(mark,
                       window->kind == WINDOW_CUMULATIVE ? window->every_us : window->size_us);
}

int window_is(const struct window *window, int64_t mark) {
    if (window->kind == WINDOW_CALENDAR)
        return calendar_start(window, mark) == mark;
    return floor_to(mark, window->every_us, window->offset_us) == mark;
}

uint32_t window_overlap(const struct window *window) {
    return (uint32_t)(window->size_us / window->every_us) + 1;
}

int64_t window_end_after(const struct window *window, int64_t after_us) {
    int64_t end = window_end(window, window_first(window, after_us));
    return end > after_us || end == WR_TIME_MAX ? end : after_us + 1;
}

int64_t window_multiple_after(int64_t every_us, int64_t after_us) {
    int64_t next = wr_time_add(floor_to(after_us, every_us, 0), every_us);
    return next > after_us || next == WR_TIME_MAX ? next : after_us + 1;
}
