#include "expr/calendar.h"

#include "expr/library.h"
#include "base/banned.h"

/* ---- units ---------------------------------------------------------------------------------- */

struct wr_unit wr_unit_of_duration(int64_t duration_us) {
    if (duration_us <= 0)
        return (struct wr_unit){.kind = WR_UNIT_NONE};
    if (duration_us == 7 * WR_US_PER_DAY)
        return (struct wr_unit){.kind = WR_UNIT_WEEK, .count = 1};
    if (duration_us % WR_US_PER_DAY == 0)
        return (struct wr_unit){.kind = WR_UNIT_DAY, .count = duration_us / WR_US_PER_DAY};
    return (struct wr_unit){.kind = WR_UNIT_FIXED, .width_us = duration_us};
}

struct wr_unit wr_unit_parse(const char *text, uint32_t length) {
    static const struct {
        const char *name;
        struct wr_unit unit;
    } units[] = {
        {"microsecond", {.kind = WR_UNIT_FIXED, .width_us = 1}},
        {"millisecond", {.kind = WR_UNIT_FIXED, .width_us = 1000}},
        {"second", {.kind = WR_UNIT_FIXED, .width_us = 1000000}},
        {"minute", {.kind = WR_UNIT_FIXED, .width_us = 60 * WR_US_PER_SECOND}},
        {"hour", {.kind = WR_UNIT_FIXED, .width_us = 3600 * WR_US_PER_SECOND}},
        {"day", {.kind = WR_UNIT_DAY, .count = 1}},
        {"week", {.kind = WR_UNIT_WEEK, .count = 1}},
        {"month", {.kind = WR_UNIT_MONTH, .count = 1}},
        {"quarter", {.kind = WR_UNIT_MONTH, .count = 3}},
        {"year", {.kind = WR_UNIT_MONTH, .count = 12}},
        {"decade", {.kind = WR_UNIT_MONTH, .count = 120}},
    };
    uint32_t plain = length > 1 && text[length - 1] == 's' ? length - 1 : length;
    for (uint32_t i = 0; i < WR_COUNT(units); i++) {
        uint32_t n = (uint32_t)strlen(units[i].name);
        if ((n == length || n == plain) && memcmp(units[i].name, text, n) == 0)
            return units[i].unit;
    }
    int64_t duration_us;
    if (wr_duration_parse(text, length, &duration_us))
        return wr_unit_of_duration(duration_us);
    return (struct wr_unit){.kind = WR_UNIT_NONE};
}

/* ---- zones ---------------------------------------------------------------------------------- */

void wr_zones_init(struct wr_zones *zones) {
    memset(zones, 0, sizeof *zones);
}

const struct wr_zone *wr_zones_get(struct wr_zones *zones, struct wr_call *call, uint32_t arg,
                                   uint32_t row) {
    const struct wr_str *name = fn_str(call, arg, row);
    if (name == zones->said && zones->zone != NULL) /* a constant */
        return zones->zone;
    const char *text = wr_str_bytes(name);
    uint32_t length = name->length;
    if (length == 0) {
        text = call->timezone == NULL ? "UTC" : call->timezone;
        length = (uint32_t)strlen(text);
    }
    if (!zones->known || zones->name_length != length || memcmp(zones->name, text, length) != 0) {
        zones->known = length <= sizeof zones->name;
        zones->name_length = length;
        if (zones->known)
            memcpy(zones->name, text, length);
        if (wr_zone_find(&zones->zone, text, length, NULL) != WR_OK)
            zones->zone = NULL;
        zones->span.from_s = zones->span.to_s = 0;
    }
    zones->said = name;
    if (zones->zone == NULL)
        wr_call_fail(call, row, WR_REJECT_TYPE, "'%.*s' is no time zone", (int)WR_MIN(length, 64u),
                     text);
    return zones->zone;
}

int32_t wr_zones_offset(struct wr_zones *zones, int64_t timestamp_us) {
    int64_t time_s = wr_floor_div(timestamp_us, WR_US_PER_SECOND);
    if (time_s < zones->span.from_s || time_s >= zones->span.to_s)
        wr_zone_span_at(zones->zone, time_s, &zones->span);
    return zones->span.offset_s;
}

void wr_zones_day_at(struct wr_zones *zones, int64_t timestamp_us, struct wr_zones_day *day) {
    const struct wr_zone_span *span = &zones->span;
    int64_t days = wr_floor_div(timestamp_us, WR_US_PER_DAY);
    int64_t rest = wr_floor_mod(timestamp_us, WR_US_PER_DAY);
    int64_t offset_us = (int64_t)wr_zones_offset(zones, timestamp_us) * WR_US_PER_SECOND;
    days += wr_floor_div(rest + offset_us, WR_US_PER_DAY);
    *day = (struct wr_zones_day){.zone = zones->zone, .days = days};
    int64_t from_us, to_us; /* near the ends of all time they do not fit */
    if (__builtin_mul_overflow(days, WR_US_PER_DAY, &from_us) ||
        __builtin_sub_overflow(from_us, offset_us, &from_us) ||
        __builtin_add_overflow(from_us, WR_US_PER_DAY, &to_us))
        return;
    if (wr_floor_div(from_us, WR_US_PER_SECOND) < span->from_s ||
        to_us / WR_US_PER_SECOND >= span->to_s)
        return;
    day->from_us = from_us;
    day->to_us = to_us;
}

int wr_zone_prepare(struct wr_arena *arena, uint32_t arg_count,
                    const struct wr_value *const *constants, void **prepared,
                    struct wr_error *err) {
    (void)arena;
    *prepared = NULL;
    const struct wr_value *name = constants[arg_count - 1];
    const struct wr_zone *zone;
    if (name == NULL || name->kind != WR_VALUE_STRING || name->count == 0)
        return WR_OK;
    return wr_zone_find(&zone, name->string, name->count, err);
}

int wr_local_to_timestamp(const struct wr_zone *zone, __int128 local_us, int64_t *timestamp_us) {
    __int128 local_s = local_us / WR_US_PER_SECOND - (local_us % WR_US_PER_SECOND < 0);
    if (local_s > INT64_MAX / WR_US_PER_SECOND || local_s < INT64_MIN / WR_US_PER_SECOND)
        return 0;
    __int128 time_us = (__int128)wr_zone_from_local(zone, (int64_t)local_s) * WR_US_PER_SECOND +
                       (local_us - local_s * WR_US_PER_SECOND);
    *timestamp_us = (int64_t)time_us;
    return time_us == (int64_t)time_us;
}

/* Of two times that show the same, the first is wanted: near either end it is looked up. */
int wr_zones_from_local(struct wr_zones *zones, __int128 local_us, int64_t *timestamp_us) {
    if (local_us == (int64_t)local_us) {
        int64_t local_s = wr_floor_div((int64_t)local_us, WR_US_PER_SECOND);
        int64_t time_s = local_s - zones->span.offset_s;
        if (time_s / 2 > zones->span.from_s / 2 + 86400 &&
            time_s / 2 < zones->span.to_s / 2 - 86400)
            return !__builtin_sub_overflow(
                (int64_t)local_us, (int64_t)zones->span.offset_s * WR_US_PER_SECOND, timestamp_us);
    }
    return wr_local_to_timestamp(zones->zone, local_us, timestamp_us);
}

/* ---- days ----------------------------------------------------------------------------------- */

int wr_days_in_month(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

int64_t wr_days_add_months(int64_t days, int64_t months) {
    int64_t year;
    int month;
    int day;
    wr_civil_from_days(days, &year, &month, &day);
    int64_t total = year * 12 + (month - 1) + months;
    year = wr_floor_div(total, 12);
    month = (int)(total - year * 12) + 1;
    return wr_days_from_civil(year, month, WR_MIN(day, wr_days_in_month(year, month)));
}

int64_t wr_days_floor(int64_t days, const struct wr_unit *unit) {
    if (unit->kind == WR_UNIT_DAY)
        return wr_floor_div(days, unit->count) * unit->count;
    if (unit->kind == WR_UNIT_WEEK)
        return days - (wr_weekday(days) - 1);
    int64_t year;
    int month;
    int day;
    wr_civil_from_days(days, &year, &month, &day);
    int64_t total = wr_floor_div(year * 12 + month - 1, unit->count) * unit->count;
    year = wr_floor_div(total, 12);
    return wr_days_from_civil(year, (int)(total - year * 12) + 1, 1);
}

void wr_iso_week(int64_t days, int64_t *year, int *week) {
    int64_t thursday = days - (wr_weekday(days) - 1) + 3; /* its year is the week's */
    int month;
    int day;
    wr_civil_from_days(thursday, year, &month, &day);
    *week = (int)((thursday - wr_days_from_civil(*year, 1, 1)) / 7) + 1;
}
