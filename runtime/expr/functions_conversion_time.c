/* functions_conversion_time.c: timestamp, date, duration from text, numbers and each other. */
#include <math.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/reject.h"
#include "data/text.h"
#include "data/time.h"
#include "expr/calendar.h"
#include "expr/functions.h"
#include "expr/functions_shared.h"
#include "base/banned.h"

static int same(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        ((int64_t *)call->out)[row] = WR_ARG(call, 0, row, int64_t);
    }
    return WR_OK;
}

/* ---- timestamp ---- */

static const struct wr_zone *script_zone(const struct wr_call *call) {
    const struct wr_zone *zone = NULL;
    const char *name = call->timezone;
    if (name == NULL || strcmp(name, "UTC") == 0 ||
        wr_zone_find(&zone, name, strlen(name), NULL) != WR_OK)
        return wr_zone_utc();
    return zone;
}

/* Whether a text that is a timestamp says its offset: a sign or Z behind the date. */
static int has_offset(const struct wr_str *x) {
    const char *text = wr_str_bytes(x);
    for (uint32_t i = WR_MIN(x->length, 10u); i < x->length; i++)
        if (strchr("Zz+-", text[i]) != NULL)
            return 1;
    return 0;
}

/* Without an offset it is what clocks of `zone` show; a date alone is the day's first instant. */
static int read_timestamp(const struct wr_str *x, const struct wr_zone *zone,
                          int64_t *timestamp_us) {
    int64_t days;
    if (wr_timestamp_parse(wr_str_bytes(x), x->length, timestamp_us))
        return has_offset(x) || wr_local_to_timestamp(zone, *timestamp_us, timestamp_us);
    return wr_date_parse(wr_str_bytes(x), x->length, &days) &&
           wr_local_to_timestamp(zone, (__int128)days * WR_US_PER_DAY, timestamp_us);
}

static int timestamp_of_string(struct wr_call *call) {
    const struct wr_zone *zone = script_zone(call);
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        if (!read_timestamp(x, zone, &((int64_t *)call->out)[row]))
            wr_call_no(call, row, x, "timestamp");
    }
    return WR_OK;
}

/* The format of argument 1 as a string with a 0 behind, in the call's scratch. */
static const char *format_of(struct wr_call *call, uint32_t row, char *room, size_t size) {
    const struct wr_str *format = &WR_ARG(call, 1, row, struct wr_str);
    if (format->length >= size)
        return NULL;
    memcpy(room, wr_str_bytes(format), format->length);
    room[format->length] = 0;
    return room;
}

static int parse_as(struct wr_call *call, uint32_t row, int64_t *timestamp_us) {
    char room[256];
    const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
    const char *format = format_of(call, row, room, sizeof room);
    if (format != NULL && wr_timestamp_parse_as(format, wr_str_bytes(x), x->length, timestamp_us))
        return 1;
    wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no %s in the format '%s'",
                 (int)WR_MIN(x->length, (uint32_t)WR_DETAIL_BYTES_MAX), wr_str_bytes(x),
                 call->type.kind == WR_DATE ? "date" : "timestamp",
                 format != NULL ? format : "(too long)");
    return 0;
}

/* Formats with %z or %Z, and numbers since 1970, say an instant; others what clocks show. */
static int format_is_local(struct wr_call *call, uint32_t row) {
    static const char *const numbers[] = {"s", "ms", "us", "ns"};
    char room[256];
    const char *format = format_of(call, row, room, sizeof room);
    for (uint32_t i = 0; format != NULL && i < WR_COUNT(numbers); i++)
        if (strcmp(format, numbers[i]) == 0)
            return 0;
    return format != NULL && strstr(format, "%z") == NULL && strstr(format, "%Z") == NULL;
}

static int timestamp_by_format(struct wr_call *call) {
    const struct wr_zone *zone = script_zone(call);
    WR_CALL_EACH(call, row) {
        int64_t *out = &((int64_t *)call->out)[row];
        if (parse_as(call, row, out) && format_is_local(call, row) &&
            !wr_local_to_timestamp(zone, *out, out))
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "overflow of a timestamp");
    }
    return WR_OK;
}

/* Microseconds in the unit named, as numerator and denominator; 0: unknown. */
static int unit_of(const struct wr_str *unit, int64_t *times, int64_t *by) {
    static const struct {
        const char *name;
        int64_t times, by;
    } units[] = {{"ns", 1, 1000},
                 {"us", 1, 1},
                 {"ms", 1000, 1},
                 {"s", WR_US_PER_SECOND, 1},
                 {"m", 60 * WR_US_PER_SECOND, 1},
                 {"h", 3600 * WR_US_PER_SECOND, 1},
                 {"d", WR_US_PER_DAY, 1},
                 {"w", 7 * WR_US_PER_DAY, 1}};
    for (uint32_t i = 0; i < WR_COUNT(units); i++) {
        if (strlen(units[i].name) == unit->length &&
            memcmp(units[i].name, wr_str_bytes(unit), unit->length) == 0) {
            *times = units[i].times;
            *by = units[i].by;
            return 1;
        }
    }
    return 0;
}

static void unknown_unit(struct wr_call *call, uint32_t row, const struct wr_str *unit) {
    wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no unit: ns us ms s m h d w",
                 (int)WR_MIN(unit->length, (uint32_t)WR_DETAIL_BYTES_MAX), wr_str_bytes(unit));
}

static int time_of_int64(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        int64_t x = WR_ARG(call, 0, row, int64_t), times, by, *out = &((int64_t *)call->out)[row];
        const struct wr_str *unit = &WR_ARG(call, 1, row, struct wr_str);
        if (!unit_of(unit, &times, &by)) {
            unknown_unit(call, row, unit);
            continue;
        }
        *out = x / by - (x % by < 0); /* down, as the past is cut like the future */
        if (__builtin_mul_overflow(*out, times, out))
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "overflow: %lld %.*s", (long long)x,
                         (int)unit->length, wr_str_bytes(unit));
    }
    return WR_OK;
}

static int time_of_float64(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        int64_t times, by;
        const struct wr_str *unit = &WR_ARG(call, 1, row, struct wr_str);
        if (!unit_of(unit, &times, &by)) {
            unknown_unit(call, row, unit);
            continue;
        }
        double us = round(WR_ARG(call, 0, row, double) * (double)times / (double)by);
        if (us >= -0x1p63 && us < 0x1p63)
            ((int64_t *)call->out)[row] = (int64_t)us;
        else
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "overflow of a time");
    }
    return WR_OK;
}

static int timestamp_of_date(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    WR_CALL_EACH(call, row) {
        const struct wr_zone *zone = wr_zones_get(&zones, call, 1, row);
        __int128 local_us = (__int128)WR_ARG(call, 0, row, int64_t) * WR_US_PER_DAY;
        if (zone != NULL && !wr_local_to_timestamp(zone, local_us, &((int64_t *)call->out)[row]))
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "overflow of a timestamp");
    }
    return WR_OK;
}

/* ---- date ---- */

static int date_of_string(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        if (!wr_date_parse(wr_str_bytes(x), x->length, &((int64_t *)call->out)[row]))
            wr_call_no(call, row, x, "date");
    }
    return WR_OK;
}

static int date_by_format(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        int64_t timestamp_us = 0;
        if (parse_as(call, row, &timestamp_us))
            ((int64_t *)call->out)[row] = wr_floor_div(timestamp_us, WR_US_PER_DAY);
    }
    return WR_OK;
}

static int date_of_timestamp(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    struct wr_zones_day day = {0};
    WR_CALL_EACH(call, row) {
        int64_t us = WR_ARG(call, 0, row, int64_t);
        if (wr_zones_get(&zones, call, 1, row) == NULL)
            continue;
        if (us < day.from_us || us >= day.to_us || zones.zone != day.zone)
            wr_zones_day_at(&zones, us, &day);
        ((int64_t *)call->out)[row] = day.days;
    }
    return WR_OK;
}

/* ---- duration ---- */

static int duration_of_string(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        if (!wr_duration_parse(wr_str_bytes(x), x->length, &((int64_t *)call->out)[row]))
            wr_call_no(call, row, x, "duration");
    }
    return WR_OK;
}

#define CONVERSION (WR_FN_STRICT | WR_FN_CAN_FAIL | WR_FN_METHOD)

const struct wr_function wr_functions_conversion_time[] = {
    {.name = "timestamp",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As timestamp: text in RFC 3339 or in a format (`%Y-%m-%d %H:%M:%S`, …), a date (its "
            "first instant), a number of ns, us, ms, s since 1970. What says no offset is what "
            "clocks of the script's `timezone` show.",
     .signatures = WR_SIGNATURES({"(x timestamp) timestamp", same, NULL},
                                 {"(x string) timestamp", timestamp_of_string, NULL},
                                 {"(x date, zone string = '') timestamp", timestamp_of_date, NULL},
                                 {"(x string, format string) timestamp", timestamp_by_format, NULL},
                                 {"(x int64, unit string) timestamp", time_of_int64, NULL},
                                 {"(x float64, unit string) timestamp", time_of_float64, NULL}),
     .examples = WR_EXAMPLES({"timestamp'2024-03-31T10:00:00Z'", "2024-03-31T10:00:00Z"},
                             {"timestamp('31.03.2024', '%d.%m.%Y')", "2024-03-31T00:00:00Z"},
                             {"timestamp(1500, 'ms')", "1970-01-01T00:00:01.500Z"},
                             {"timestamp(string('x'), '%Y')", "fails W501"})},
    {.name = "date",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As date: text `YYYY-MM-DD` or in a format, or the day of a timestamp in "
            "a zone (else the script's).",
     .signatures =
         WR_SIGNATURES({"(x date) date", same, NULL}, {"(x string) date", date_of_string, NULL},
                       {"(x timestamp, zone string = '') date", date_of_timestamp, NULL},
                       {"(x string, format string) date", date_by_format, NULL}),
     .examples =
         WR_EXAMPLES({"date'2024-02-29'", "2024-02-29"},
                     {"date(timestamp'1969-12-31T23:00:00Z')", "1969-12-31"},
                     {"date(timestamp'1969-12-31T23:00:00Z', 'Europe/Berlin')", "1970-01-01"},
                     {"date('29/02/2024', '%d/%m/%Y')", "2024-02-29"})},
    {.name = "duration",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As duration: text such as `1h30m` or ISO 8601, or a number of ns, us, ms, s, m, h, d, "
            "w.",
     .signatures = WR_SIGNATURES({"(x duration) duration", same, NULL},
                                 {"(x string) duration", duration_of_string, NULL},
                                 {"(x int64, unit string) duration", time_of_int64, NULL},
                                 {"(x float64, unit string) duration", time_of_float64, NULL}),
     .examples = WR_EXAMPLES({"duration'1h30m'", "PT1H30M"}, {"duration(90, 's')", "PT1M30S"},
                             {"duration(1.5, 'h')", "PT1H30M"})},
    {0},
};
