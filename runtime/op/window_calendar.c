/* window_calendar.c: windows by the calendar of a zone: every so many days, weeks or months from an
 * origin on, or from one time of a cron line to the next.
 *
 * Boundaries are local times in their order, each known by its place: the number of the step from
 * the origin, or of the local minute that cron names. A boundary that the clocks skip stands where
 * they are put forward, and one that they show twice at the first: so a window is [start, next
 * start) in elapsed time, and days of 23 and 25 hours need no care elsewhere. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/batch.h"
#include "expr/calendar.h"
#include "op/window.h"
#include "op/window_cron.h"
#include "base/banned.h"

#define STEPS_MAX 100000 /* units of one window */
#define EPOCH_MONDAY 4   /* 1970-01-05 */

struct window_calendar {
    const struct wr_zone *zone;
    struct wr_unit unit; /* NONE: cron */
    int64_t every;       /* days or months of one window */
    int64_t origin;      /* day on which one begins */
    struct cron cron;
};

/* ---- places --------------------------------------------------------------------------------- */

static int64_t months_of(int64_t day) {
    int64_t year;
    int month, day_of_month;
    wr_civil_from_days(day, &year, &month, &day_of_month);
    return year * 12 + month - 1;
}

static int64_t place_day(const struct window_calendar *self, int64_t place) {
    int64_t steps = place * self->every;
    return self->unit.kind == WR_UNIT_MONTH ? wr_days_add_months(self->origin, steps)
                                            : self->origin + steps;
}

/* The place of the last boundary at or before a local time, or a place near it. */
static int64_t place_of(const struct window_calendar *self, int64_t local_s) {
    if (self->unit.kind == WR_UNIT_NONE)
        return cron_before(&self->cron, wr_floor_div(local_s, 60));
    int64_t day = wr_floor_div(local_s, 86400);
    int64_t steps = self->unit.kind == WR_UNIT_MONTH ? months_of(day) - months_of(self->origin)
                                                     : day - self->origin;
    return wr_floor_div(steps, self->every);
}

static int64_t place_next(const struct window_calendar *self, int64_t place) {
    return self->unit.kind == WR_UNIT_NONE ? cron_after(&self->cron, place) : place + 1;
}

static int64_t place_before(const struct window_calendar *self, int64_t place) {
    return self->unit.kind == WR_UNIT_NONE ? cron_before(&self->cron, place - 1) : place - 1;
}

static int64_t place_time(const struct window_calendar *self, int64_t place) {
    __int128 local_s = self->unit.kind == WR_UNIT_NONE ? (__int128)place * 60
                                                       : (__int128)place_day(self, place) * 86400;
    int64_t limit_s = INT64_MAX / WR_US_PER_SECOND;
    if (local_s > limit_s - 2 * 86400)
        return WR_TIME_MAX;
    if (local_s < -limit_s + 2 * 86400)
        return WR_TIME_MIN;
    int64_t time_s = wr_zone_from_local(self->zone, (int64_t)local_s);
    struct wr_zone_span span;
    wr_zone_span_at(self->zone, time_s, &span);
    if (time_s + span.offset_s != local_s && span.from_s > time_s - 86400)
        time_s = span.from_s; /* skipped */
    return time_s * WR_US_PER_SECOND;
}

void window_calendar_at(const struct window_calendar *self, int64_t time_us, int64_t *start_us,
                        int64_t *end_us) {
    int64_t time_s = wr_floor_div(time_us, WR_US_PER_SECOND);
    int64_t place = place_of(self, time_s + wr_zone_offset(self->zone, time_s));
    int64_t start = place_time(self, place);
    while (start > time_us) {
        place = place_before(self, place);
        start = place_time(self, place);
    }
    int64_t end;
    for (;;) {
        place = place_next(self, place);
        end = place_time(self, place);
        if (end > time_us || end == WR_TIME_MAX)
            break;
        start = end;
    }
    *start_us = start;
    *end_us = end;
}

/* ---- what a script says --------------------------------------------------------------------- */

static int read_unit(struct window_calendar *self, const struct wr_value *spec, const char *unit,
                     struct wr_error *err) {
    self->unit = wr_unit_parse(unit, (uint32_t)strlen(unit));
    if (self->unit.kind == WR_UNIT_NONE || self->unit.kind == WR_UNIT_FIXED) {
        wr_error_script(err, "W203", "`%s` is no unit of the calendar", unit);
        wr_error_help(err, "\"day\", \"week\", \"month\", \"quarter\", \"year\", or a cron line");
        return WR_ESCRIPT;
    }
    int64_t every = wr_value_int(spec, "every", 1);
    if (every < 1 || every > STEPS_MAX)
        return wr_error_script(err, "W203", "`every` must be 1 to %d units", STEPS_MAX);
    int64_t unit_steps = self->unit.kind == WR_UNIT_WEEK ? 7 : self->unit.count;
    self->every = every * unit_steps;
    self->origin = wr_value_int(spec, "origin", self->unit.kind == WR_UNIT_WEEK ? EPOCH_MONDAY : 0);
    if (self->origin > WR_DAYS_MAX / 1024 || self->origin < -WR_DAYS_MAX / 1024)
        return wr_error_script(err, "W203", "`origin` is too far out");
    return WR_OK;
}

int window_calendar_new(const struct window_calendar **calendar, struct wr_arena *arena,
                        const struct wr_value *spec, struct wr_error *err) {
    struct window_calendar *self = WR_ARENA_ZEROS(arena, struct window_calendar, 1);
    if (self == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    const char *zone = wr_value_string(spec, "timezone", "UTC");
    int status = wr_zone_find(&self->zone, zone, strlen(zone), err);
    if (status != WR_OK)
        return status;
    const char *unit = wr_value_string(spec, "unit", "");
    *calendar = self;
    if (strchr(unit, ' ') == NULL)
        return read_unit(self, spec, unit, err);
    const char *wrong = cron_parse(&self->cron, unit);
    if (wrong == NULL)
        return WR_OK;
    wr_error_script(err, "W203", "`%s` is no cron line: %s", unit, wrong);
    wr_error_help(err, "minute, hour, day, month, day of the week: `0 6 * * 1-5`");
    return WR_ESCRIPT;
}
