/* functions_calendar.c: arithmetic by the calendar: trunc, ceil_time, add, diff, age, last_day. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "expr/calendar.h"
#include "expr/library.h"
#include "base/banned.h"

#define UNITS "microsecond … second, minute, hour, day, week, month, quarter, year"

/* ---- units of calls ------------------------------------------------------------------------- */

static int unit_prepare_at(struct wr_arena *arena, const struct wr_value *constant, void **prepared,
                           struct wr_error *err) {
    *prepared = NULL;
    if (constant == NULL || constant->kind != WR_VALUE_STRING)
        return WR_OK;
    struct wr_unit unit = wr_unit_parse(constant->string, constant->count);
    if (unit.kind == WR_UNIT_NONE) {
        wr_error_script(err, "W114", "`%s` is no unit of time", constant->string);
        wr_error_help(err, "units: " UNITS ", or a duration like '15m'");
        return WR_ESCRIPT;
    }
    struct wr_unit *kept = wr_arena_alloc(arena, sizeof *kept);
    if (kept == NULL)
        return WR_ENOMEM;
    *kept = unit;
    *prepared = kept;
    return WR_OK;
}
/* Dates have no zone: their signatures are shorter by that argument. */
static int unit_and_zone_prepare(struct wr_arena *arena, uint32_t arg_count,
                                 const struct wr_value *const *constants, uint32_t unit_arg,
                                 uint32_t zone_arg, void **prepared, struct wr_error *err) {
    int status =
        arg_count <= zone_arg ? WR_OK : wr_zone_prepare(arena, arg_count, constants, prepared, err);
    return status == WR_OK ? unit_prepare_at(arena, constants[unit_arg], prepared, err) : status;
}
static int unit_first_prepare(struct wr_arena *arena, uint32_t arg_count,
                              const struct wr_value *const *constants, void **prepared,
                              struct wr_error *err) {
    return unit_and_zone_prepare(arena, arg_count, constants, 0, 3, prepared, err);
}
static int unit_second_prepare(struct wr_arena *arena, uint32_t arg_count,
                               const struct wr_value *const *constants, void **prepared,
                               struct wr_error *err) {
    return unit_and_zone_prepare(arena, arg_count, constants, 1, 2, prepared, err);
}
static int unit_third_prepare(struct wr_arena *arena, uint32_t arg_count,
                              const struct wr_value *const *constants, void **prepared,
                              struct wr_error *err) {
    return unit_and_zone_prepare(arena, arg_count, constants, 2, 3, prepared, err);
}

/* The unit in argument `arg`; 0: the row has failed. */
static int unit_get(struct wr_call *call, uint32_t arg, uint32_t row, struct wr_unit *unit) {
    if (call->prepared != NULL) {
        *unit = *(const struct wr_unit *)call->prepared;
        return 1;
    }
    if (call->arg_types[arg].kind == WR_DURATION) {
        *unit = wr_unit_of_duration(fn_int(call, arg, row));
        if (unit->kind == WR_UNIT_NONE)
            wr_call_fail(call, row, WR_REJECT_TYPE, "a duration of more than 0 is needed");
        return unit->kind != WR_UNIT_NONE;
    }
    const struct wr_str *text = fn_str(call, arg, row);
    *unit = wr_unit_parse(wr_str_bytes(text), text->length);
    if (unit->kind == WR_UNIT_NONE)
        wr_call_fail(call, row, WR_REJECT_TYPE, "'%.*s' is no unit of time",
                     (int)WR_MIN(text->length, 64u), wr_str_bytes(text));
    return unit->kind != WR_UNIT_NONE;
}

void wr_time_too_far(struct wr_call *call, uint32_t row) {
    wr_call_fail(call, row, WR_REJECT_OVERFLOW, "a time beyond the years that a timestamp holds");
}

/* ---- trunc, ceil_time ----------------------------------------------------------------------- */

/* The start of the unit in which a time lies. Fixed widths go by the local clock, but never over a
 * change of clocks that lies between. */
static int time_floor(struct wr_zones *zones, int64_t us, const struct wr_unit *unit,
                      int64_t *result) {
    int64_t offset_us = (int64_t)wr_zones_offset(zones, us) * WR_US_PER_SECOND;
    __int128 local = (__int128)us + offset_us;
    if (local != (int64_t)local)
        return 0;
    if (unit->kind == WR_UNIT_FIXED) {
        __int128 start = (__int128)wr_floor_div((int64_t)local, unit->width_us) * unit->width_us;
        *result = (int64_t)(start - offset_us);
        if (*result != start - offset_us)
            return 0;
        if (wr_zones_offset(zones, *result) * WR_US_PER_SECOND == offset_us)
            return 1;
        return wr_local_to_timestamp(zones->zone, start, result);
    }
    int64_t days = wr_days_floor(wr_floor_div((int64_t)local, WR_US_PER_DAY), unit);
    return wr_zones_from_local(zones, (__int128)days * WR_US_PER_DAY, result);
}

static int64_t days_next(int64_t days, const struct wr_unit *unit) {
    if (unit->kind == WR_UNIT_MONTH)
        return wr_days_add_months(days, unit->count);
    return days + (unit->kind == WR_UNIT_WEEK ? 7 : unit->count);
}

/* The start of the unit behind the one that begins at `start`. */
static int time_next(struct wr_zones *zones, int64_t start, const struct wr_unit *unit,
                     int64_t *result) {
    if (unit->kind == WR_UNIT_FIXED)
        return !__builtin_add_overflow(start, unit->width_us, result);
    int64_t local_s = wr_floor_div(start, WR_US_PER_SECOND) + wr_zones_offset(zones, start);
    int64_t days = wr_floor_div(local_s, 86400);
    return wr_zones_from_local(zones, (__int128)days_next(days, unit) * WR_US_PER_DAY, result);
}

static int round_times(struct wr_call *call, int up) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        struct wr_unit unit;
        if (wr_zones_get(&zones, call, 2, row) == NULL || !unit_get(call, 1, row, &unit))
            continue;
        int64_t us = fn_int(call, 0, row);
        int64_t *result = &FN_OUT_INT(call)[row];
        *result = 0;
        int64_t start;
        if (!time_floor(&zones, us, &unit, &start))
            wr_time_too_far(call, row);
        else if (!up || start == us)
            *result = start;
        else if (!time_next(&zones, start, &unit, result))
            wr_time_too_far(call, row);
    }
    return WR_OK;
}
static int trunc_time_kernel(struct wr_call *call) {
    return round_times(call, 0);
}
static int ceil_time_kernel(struct wr_call *call) {
    return round_times(call, 1);
}

static int round_dates(struct wr_call *call, int up) {
    FN_EACH(call, row) {
        struct wr_unit unit;
        if (!unit_get(call, 1, row, &unit))
            continue;
        int64_t days = wr_days_within(fn_int(call, 0, row));
        int64_t start = unit.kind == WR_UNIT_FIXED ? days : wr_days_floor(days, &unit);
        FN_OUT_INT(call)[row] = !up || start == days ? start : days_next(start, &unit);
    }
    return WR_OK;
}
static int trunc_date_kernel(struct wr_call *call) {
    return round_dates(call, 0);
}
static int ceil_date_kernel(struct wr_call *call) {
    return round_dates(call, 1);
}

/* ---- add ------------------------------------------------------------------------------------ */

/* A local day moved by n units of the calendar; 0: too far. */
static int days_add(int64_t days, int64_t n, const struct wr_unit *unit, int64_t *result) {
    int64_t step;
    int64_t per_unit = unit->kind == WR_UNIT_WEEK ? 7 : unit->count;
    if (__builtin_mul_overflow(n, per_unit, &step) || step > 400000000 || step < -400000000)
        return 0;
    *result = unit->kind == WR_UNIT_MONTH ? wr_days_add_months(days, step) : days + step;
    return 1;
}

static int time_add(struct wr_zones *zones, int64_t us, int64_t n, const struct wr_unit *unit,
                    int64_t *result) {
    int64_t step;
    if (unit->kind == WR_UNIT_FIXED)
        return !__builtin_mul_overflow(n, unit->width_us, &step) &&
               !__builtin_add_overflow(us, step, result);
    __int128 local = (__int128)us + (__int128)wr_zones_offset(zones, us) * WR_US_PER_SECOND;
    if (local != (int64_t)local)
        return 0;
    int64_t days = wr_floor_div((int64_t)local, WR_US_PER_DAY);
    int64_t rest = wr_floor_mod((int64_t)local, WR_US_PER_DAY);
    return days_add(days, n, unit, &days) &&
           wr_zones_from_local(zones, (__int128)days * WR_US_PER_DAY + rest, result);
}

static int add_time_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        struct wr_unit unit;
        if (wr_zones_get(&zones, call, 3, row) != NULL && unit_get(call, 2, row, &unit) &&
            !time_add(&zones, fn_int(call, 0, row), fn_int(call, 1, row), &unit,
                      &FN_OUT_INT(call)[row]))
            wr_time_too_far(call, row);
    }
    return WR_OK;
}
static int add_date_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        struct wr_unit unit;
        if (!unit_get(call, 2, row, &unit))
            continue;
        if (unit.kind == WR_UNIT_FIXED)
            wr_call_fail(call, row, WR_REJECT_TYPE, "a date moves by whole days");
        else if (!days_add(wr_days_within(fn_int(call, 0, row)), fn_int(call, 1, row), &unit,
                           &FN_OUT_INT(call)[row]))
            wr_time_too_far(call, row);
    }
    return WR_OK;
}

/* ---- diff ----------------------------------------------------------------------------------- */

/* Whole months from local time a to b, b not before a. */
static int64_t months_between(__int128 a, __int128 b) {
    int64_t days_a = (int64_t)(a / WR_US_PER_DAY - (a % WR_US_PER_DAY < 0));
    int64_t days_b = (int64_t)(b / WR_US_PER_DAY - (b % WR_US_PER_DAY < 0));
    int64_t year_a;
    int64_t year_b;
    int month_a;
    int month_b;
    int day;
    wr_civil_from_days(days_a, &year_a, &month_a, &day);
    wr_civil_from_days(days_b, &year_b, &month_b, &day);
    int64_t months = (year_b - year_a) * 12 + month_b - month_a;
    __int128 rest = a - (__int128)days_a * WR_US_PER_DAY;
    while (months > 0 && (__int128)wr_days_add_months(days_a, months) * WR_US_PER_DAY + rest > b)
        months--;
    return months;
}

/* Whole units from a to b; with b before a the negative of the way back. */
static int64_t units_between(const struct wr_unit *unit, __int128 a, __int128 b) {
    if (b < a)
        return -units_between(unit, b, a);
    if (unit->kind == WR_UNIT_MONTH)
        return months_between(a, b) / unit->count;
    __int128 width = unit->kind == WR_UNIT_FIXED  ? unit->width_us
                     : unit->kind == WR_UNIT_WEEK ? 7 * WR_US_PER_DAY
                                                  : (__int128)unit->count * WR_US_PER_DAY;
    return (int64_t)((b - a) / width);
}

static int diff_time_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        struct wr_unit unit;
        if (wr_zones_get(&zones, call, 3, row) == NULL || !unit_get(call, 0, row, &unit))
            continue;
        __int128 a = fn_int(call, 1, row);
        __int128 b = fn_int(call, 2, row);
        if (unit.kind != WR_UNIT_FIXED) { /* days and longer by the local clock */
            a += (__int128)wr_zones_offset(&zones, (int64_t)a) * WR_US_PER_SECOND;
            b += (__int128)wr_zones_offset(&zones, (int64_t)b) * WR_US_PER_SECOND;
        }
        FN_OUT_INT(call)[row] = units_between(&unit, a, b);
    }
    return WR_OK;
}
static int diff_date_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        struct wr_unit unit;
        if (unit_get(call, 0, row, &unit))
            FN_OUT_INT(call)
        [row] = units_between(&unit, (__int128)wr_days_within(fn_int(call, 1, row)) * WR_US_PER_DAY,
                              (__int128)wr_days_within(fn_int(call, 2, row)) * WR_US_PER_DAY);
    }
    return WR_OK;
}

static int age_date_kernel(struct wr_call *call) {
    static const struct wr_unit year = {.kind = WR_UNIT_MONTH, .count = 12};
    FN_EACH(call, row)
    FN_OUT_INT(call)
    [row] = units_between(&year, (__int128)wr_days_within(fn_int(call, 0, row)) * WR_US_PER_DAY,
                          (__int128)wr_days_within(fn_int(call, 1, row)) * WR_US_PER_DAY);
    return WR_OK;
}

/* ---- last_day, is_dst ----------------------------------------------------------------------- */

static int64_t month_end(int64_t days) {
    int64_t year;
    int month;
    int day;
    wr_civil_from_days(days, &year, &month, &day);
    return wr_days_from_civil(year, month, wr_days_in_month(year, month));
}
static int last_day_date_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_INT(call)[row] = month_end(wr_days_within(fn_int(call, 0, row)));
    return WR_OK;
}
static int last_day_time_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        if (wr_zones_get(&zones, call, 1, row) == NULL)
            continue;
        int64_t us = fn_int(call, 0, row);
        int64_t local_s = wr_floor_div(us, WR_US_PER_SECOND) + wr_zones_offset(&zones, us);
        FN_OUT_INT(call)[row] = month_end(wr_floor_div(local_s, 86400));
    }
    return WR_OK;
}
static int is_dst_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        if (wr_zones_get(&zones, call, 1, row) == NULL)
            continue;
        wr_zones_offset(&zones, fn_int(call, 0, row));
        FN_OUT_BOOL(call)[row] = zones.span.is_dst;
    }
    return WR_OK;
}

/* ---- the table --------------------------------------------------------------------------- */

const struct wr_function wr_functions_calendar[] = {
    {.name = "trunc",
     .group = "time",
     .flags = FN_PURE | WR_FN_CAN_FAIL,
     .doc = "Of a time: the start of the " UNITS ", or of the piece of a duration ('15m'), in "
            "which it lies. Weeks begin on Monday. Of a number: its whole part, towards zero.",
     .signatures =
         FN_SIGNATURES({"(x int64) int64", wr_trunc_int_kernel, NULL},
                       {"(x float64) int64", wr_trunc_float_kernel, NULL},
                       {"(x decimal) decimal", wr_trunc_decimal_kernel, NULL},
                       {"(x timestamp, unit string, zone string = '') timestamp", trunc_time_kernel,
                        unit_second_prepare},
                       {"(x timestamp, unit duration, zone string = '') timestamp",
                        trunc_time_kernel, wr_zone_prepare},
                       {"(x date, unit string) date", trunc_date_kernel, unit_second_prepare}),
     .examples =
         FN_EXAMPLES({"trunc(timestamp'2024-03-31T10:20:30Z', 'hour')", "2024-03-31T10:00:00Z"},
                     {"trunc(timestamp'2024-03-31T10:20:30Z', '15m')", "2024-03-31T10:15:00Z"},
                     {"trunc(timestamp'2024-03-31T10:20:30Z', 'month', 'Europe/Berlin')",
                      "2024-02-29T23:00:00Z"},
                     {"trunc(date'2024-03-31', 'week')", "2024-03-25"}, {"trunc(-2.7)", "-2"},
                     {"trunc(timestamp'2024-03-31T10:20:30Z', 'fortnight')", "error W114"})},
    CALENDAR_ENTRY("ceil_time", "The start of the next unit; a time that is a start stays.",
                   .signatures = FN_SIGNATURES(
                       {"(x timestamp, unit string, zone string = '') timestamp", ceil_time_kernel,
                        unit_second_prepare},
                       {"(x timestamp, unit duration, zone string = '') timestamp",
                        ceil_time_kernel, wr_zone_prepare},
                       {"(x date, unit string) date", ceil_date_kernel, unit_second_prepare}),
                   .examples = FN_EXAMPLES(
                       {"ceil_time(timestamp'2024-03-31T10:20:30Z', '1h')", "2024-03-31T11:00:00Z"},
                       {"ceil_time(date'2024-03-01', 'month')", "2024-03-01"})),
    CALENDAR_ENTRY(
        "add",
        "A time moved by n units. Months keep the day, or take the month's last; days and longer "
        "keep the clock of the zone.",
        .signatures = FN_SIGNATURES(
            {"(x timestamp, n int64, unit string, zone string = '') timestamp", add_time_kernel,
             unit_third_prepare},
            {"(x date, n int64, unit string) date", add_date_kernel, unit_third_prepare}),
        .examples = FN_EXAMPLES(
            {"add(date'2024-01-31', 1, 'month')", "2024-02-29"},
            {"add(timestamp'2024-03-30T12:00:00Z', 1, 'day', 'Europe/Berlin')",
             "2024-03-31T11:00:00Z"},
            {"add(timestamp'2024-03-30T12:00:00Z', -90, 'minutes')", "2024-03-30T10:30:00Z"})),
    {.name = "diff",
     .group = "time",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL,
     .doc = "Whole units from a to b; negative when b is before a.",
     .signatures = FN_SIGNATURES(
         {"(unit string, a timestamp, b timestamp, zone string = '') int64", diff_time_kernel,
          unit_first_prepare},
         {"(unit string, a date, b date) int64", diff_date_kernel, unit_first_prepare}),
     .examples = FN_EXAMPLES({"diff('month', date'2024-01-31', date'2024-02-29')", "1"},
                             {"diff('day', date'2024-03-01', date'2024-02-01')", "-29"},
                             {"diff('hour', timestamp'2024-03-31T00:00:00Z', "
                              "timestamp'2024-03-31T01:59:00Z')",
                              "1"})},
    CALENDAR_ENTRY("age", "Whole years from a day to another, as the age of a person.",
                   .signatures = FN_SIGNATURES({"(x date, at date) int64", age_date_kernel, NULL}),
                   .examples = FN_EXAMPLES({"age(date'2000-02-29', date'2024-02-28')", "23"},
                                           {"age(date'2000-02-29', date'2024-02-29')", "24"})),
    CALENDAR_ENTRY("last_day", "The last day of the month.",
                   .signatures = FN_SIGNATURES({"(x timestamp, zone string = '') date",
                                                last_day_time_kernel, wr_zone_prepare},
                                               {"(x date) date", last_day_date_kernel, NULL}),
                   .examples = FN_EXAMPLES(
                       {"last_day(date'2024-02-01')", "2024-02-29"},
                       {"last_day(timestamp'2024-01-31T23:30:00Z', '+01:00')", "2024-02-29"})),
    CALENDAR_ENTRY("is_dst", "Whether the zone has daylight saving time at that time.",
                   .signatures = FN_SIGNATURES(
                       {"(x timestamp, zone string = '') bool", is_dst_kernel, wr_zone_prepare}),
                   .examples = FN_EXAMPLES(
                       {"is_dst(timestamp'2024-07-01T00:00:00Z', 'Europe/Berlin')", "true"},
                       {"is_dst(timestamp'2024-07-01T00:00:00Z')", "false"},
                       {"is_dst(timestamp'2024-07-01T00:00:00Z', 'Europe/Berln')", "error W114"})),
    {0},
};
