/* functions_calendar.c: arithmetic by the calendar: trunc, ceil_time, add, diff, age, last_day, and
 * times as text in a zone. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "expr/calendar.h"
#include "expr/library.h"
#include "expr/time_text.h"
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

static void too_far(struct wr_call *call, uint32_t row) {
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
            too_far(call, row);
        else if (!up || start == us)
            *result = start;
        else if (!time_next(&zones, start, &unit, result))
            too_far(call, row);
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
            too_far(call, row);
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
            too_far(call, row);
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

/* ---- text ----------------------------------------------------------------------------------- */

/* 1; or 0: the row has failed. */
static int put_local(struct wr_call *call, uint32_t row, struct wr_zones *zones, int64_t us,
                     const char *format, uint32_t format_length) {
    struct fn_text out = {.call = call};
    wr_zones_offset(zones, us);
    if (!wr_time_text(&out, format, format_length, us, &zones->span)) {
        wr_call_fail(call, row, WR_REJECT_TYPE, "'%.*s' is no format of times",
                     (int)WR_MIN(format_length, 64u), format);
        return 0;
    }
    fn_text_end(&out, row);
    return !out.failed;
}

/* The text that was made last, and the times that have the same one: most rows lie next to others
 * of the same minute or day. */
struct text_memo {
    struct wr_str format;
    const struct wr_zone *zone;
    int64_t step_s;       /* of the format */
    int64_t from_s, to_s; /* seconds since 1970 UTC; an empty stretch: none */
    struct wr_str text;
};

static void memo_set(struct text_memo *memo, const struct wr_zones *zones, int64_t time_s,
                     const struct wr_str *text) {
    const struct wr_zone_span *span = &zones->span;
    int64_t from_s = time_s - wr_floor_mod(time_s + span->offset_s, memo->step_s);
    memo->zone = zones->zone;
    memo->from_s = WR_MAX(from_s, span->from_s);
    memo->to_s = WR_MIN(from_s + memo->step_s, span->to_s);
    memo->text = *text;
}

static int format_time_kernel(struct wr_call *call) {
    struct wr_zones zones;
    struct text_memo memo = {0};
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        const struct wr_zone *zone = wr_zones_get(&zones, call, 2, row);
        if (zone == NULL)
            continue;
        const struct wr_str *format = fn_str(call, 1, row);
        int64_t us = fn_int(call, 0, row), time_s = wr_floor_div(us, WR_US_PER_SECOND);
        if (memo.text.length == 0 || !wr_str_equal(format, &memo.format)) {
            memo = (struct text_memo){.format = *format};
            memo.step_s = wr_time_format_step_s(wr_str_bytes(format), format->length);
        } else if (time_s >= memo.from_s && time_s < memo.to_s && zone == memo.zone) {
            FN_OUT_STR(call)[row] = memo.text;
            continue;
        }
        if (put_local(call, row, &zones, us, wr_str_bytes(format), format->length) &&
            memo.step_s > 0)
            memo_set(&memo, &zones, time_s, &FN_OUT_STR(call)[row]);
    }
    return WR_OK;
}
static int format_date_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    zones.zone = wr_zone_utc();
    FN_EACH(call, row) {
        const struct wr_str *format = fn_str(call, 1, row);
        int64_t us;
        if (__builtin_mul_overflow(fn_int(call, 0, row), WR_US_PER_DAY, &us))
            too_far(call, row);
        else
            put_local(call, row, &zones, us, wr_str_bytes(format), format->length);
    }
    return WR_OK;
}
static int to_zone_kernel(struct wr_call *call) {
    static const char whole[] = "%Y-%m-%dT%H:%M:%S%:z";
    static const char fraction[] = "%Y-%m-%dT%H:%M:%S.%f%:z";
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        if (wr_zones_get(&zones, call, 1, row) == NULL)
            continue;
        int64_t us = fn_int(call, 0, row);
        int has_fraction = us % WR_US_PER_SECOND != 0;
        put_local(call, row, &zones, us, has_fraction ? fraction : whole,
                  (uint32_t)(has_fraction ? sizeof fraction : sizeof whole) - 1);
    }
    return WR_OK;
}

static int parse_time_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        const struct wr_zone *zone = wr_zones_get(&zones, call, 2, row);
        if (zone == NULL)
            continue;
        const struct wr_str *text = fn_str(call, 0, row);
        const struct wr_str *format = fn_str(call, 1, row);
        char room[256];
        int64_t us;
        if (format->length < sizeof room) {
            memcpy(room, wr_str_bytes(format), format->length);
            room[format->length] = 0;
        }
        if (format->length >= sizeof room ||
            !wr_timestamp_parse_as(room, wr_str_bytes(text), text->length, &us)) {
            wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no time of this format",
                         (int)WR_MIN(text->length, 64u), wr_str_bytes(text));
            continue;
        }
        FN_OUT_INT(call)[row] = us;
        if (!wr_time_format_has_zone(room) &&
            !wr_local_to_timestamp(zone, us, &FN_OUT_INT(call)[row]))
            too_far(call, row);
    }
    return WR_OK;
}

/* `HH:mm` as others write it → `%H:%M`; 0 when a letter is none that is known, or does not fit. */
static int translate_format(const char *format, uint32_t length, char *out, size_t size) {
    static const char *const letters[][2] = {
        {"yyyy", "%Y"}, {"YYYY", "%Y"}, {"yy", "%y"},   {"YY", "%y"},  {"MMMM", "%B"},
        {"MMM", "%b"},  {"MM", "%m"},   {"DD", "%d"},   {"dd", "%d"},  {"d", "%e"},
        {"HH", "%H"},   {"hh", "%I"},   {"mm", "%M"},   {"MI", "%M"},  {"ss", "%S"},
        {"SSS", "%f"},  {"SS", "%S"},   {"EEEE", "%A"}, {"EEE", "%a"}, {"a", "%p"},
    };
    size_t at = 0;
    for (uint32_t i = 0; i < length;) {
        uint32_t run = 1;
        while (i + run < length && format[i + run] == format[i])
            run++;
        const char *piece = NULL;
        int is_letter = (format[i] | 32) >= 'a' && (format[i] | 32) <= 'z';
        for (uint32_t k = 0; is_letter && piece == NULL && k < WR_COUNT(letters); k++)
            if (strlen(letters[k][0]) == run && memcmp(letters[k][0], format + i, run) == 0)
                piece = letters[k][1];
        if (piece == NULL && is_letter)
            return 0;
        int wrote = piece != NULL ? snprintf(out + at, size - at, "%s", piece)
                                  : snprintf(out + at, size - at, "%.*s", (int)run, format + i);
        at += (size_t)wrote;
        if (at >= size)
            return 0;
        i += run;
    }
    return 1;
}

/* W115 for a format that is the same for every time: its letters are not those of strftime. */
static int refuse_constant(const struct wr_value *format, struct wr_error *err) {
    char meant[128];
    if (memchr(format->string, '%', format->count) != NULL || format->count == 0)
        return WR_OK;
    wr_error_script(err, "W115",
                    "the format `%.60s` has no `%%` and would not tell one time from "
                    "another",
                    format->string);
    if (translate_format(format->string, format->count, meant, sizeof meant))
        wr_error_help(err, "it is written as strftime has it: `%s`", meant);
    else
        wr_error_help(err, "it is written as strftime has it: `%%Y-%%m-%%d %%H:%%M:%%S`");
    return WR_ESCRIPT;
}

static int format_prepare(struct wr_arena *arena, uint32_t arg_count,
                          const struct wr_value *const *constants, void **prepared,
                          struct wr_error *err) {
    *prepared = NULL;
    int status = arg_count < 3 ? WR_OK /* dates have no zone */
                               : wr_zone_prepare(arena, arg_count, constants, prepared, err);
    if (status != WR_OK)
        return status;
    uint32_t bad;
    if (constants[1] != NULL && constants[1]->kind == WR_VALUE_STRING &&
        (status = refuse_constant(constants[1], err)) != WR_OK)
        return status;
    if (constants[1] == NULL || constants[1]->kind != WR_VALUE_STRING ||
        wr_time_format_check(constants[1]->string, constants[1]->count, &bad))
        return WR_OK;
    wr_error_script(err, "W115", "bad format at byte %u", bad);
    wr_error_help(err, "%%Y %%m %%d %%H %%M %%S %%f %%z %%:z %%Z %%b %%B %%a %%A %%j %%p %%I %%y "
                       "%%e %%s %%T %%F %%V %%G %%u %%%%");
    return WR_ESCRIPT;
}

static int parse_prepare(struct wr_arena *arena, uint32_t arg_count,
                         const struct wr_value *const *constants, void **prepared,
                         struct wr_error *err) {
    int status = wr_zone_prepare(arena, arg_count, constants, prepared, err);
    return status != WR_OK || constants[1] == NULL || constants[1]->kind != WR_VALUE_STRING
               ? status
               : refuse_constant(constants[1], err);
}

#define CALENDAR_ENTRY(own_name, own_doc, ...) \
    { \
        .name = own_name, .group = "time", .flags = FN_PURE | WR_FN_CAN_FAIL, .doc = own_doc, \
        __VA_ARGS__ \
    }

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
    CALENDAR_ENTRY(
        "format_time", "A time as text, by a format as strftime has it (%f: microseconds).",
        .signatures =
            FN_SIGNATURES({"(x timestamp, format string, zone string = '') string",
                           format_time_kernel, format_prepare},
                          {"(x date, format string) string", format_date_kernel, format_prepare}),
        .examples = FN_EXAMPLES(
            {"format_time(date'2024-03-31', '%d.%m.%Y')", "'31.03.2024'"},
            {"format_time(timestamp'2024-03-31T10:20:30Z', '%H:%M %Z', 'Europe/Berlin')",
             "'12:20 CEST'"},
            {"format_time(date'2024-12-30', '%G-W%V-%u %a')", "'2025-W01-1 Mon'"})),
    CALENDAR_ENTRY(
        "parse_time",
        "The timestamp that a text says in a format as strptime has it; without an offset in the "
        "text it is read in the zone.",
        .signatures = FN_SIGNATURES({"(x string, format string, zone string = '') timestamp",
                                     parse_time_kernel, parse_prepare}),
        .examples =
            FN_EXAMPLES({"parse_time('31.03.2024 12:20', '%d.%m.%Y %H:%M', 'Europe/Berlin')",
                         "2024-03-31T10:20:00Z"},
                        {"parse_time('2024-03-31 10:20:30 +0200', '%Y-%m-%d %H:%M:%S %z')",
                         "2024-03-31T08:20:30Z"},
                        {"parse_time('noon', '%H:%M')", "fails W501"})),
    CALENDAR_ENTRY(
        "to_zone", "A time as text with the offset of the zone (RFC 3339).",
        .signatures =
            FN_SIGNATURES({"(x timestamp, zone string) string", to_zone_kernel, wr_zone_prepare}),
        .examples = FN_EXAMPLES({"to_zone(timestamp'2024-07-01T10:00:00Z', 'Europe/Berlin')",
                                 "'2024-07-01T12:00:00+02:00'"},
                                {"to_zone(timestamp'2024-01-01T00:00:00.25Z', 'UTC')",
                                 "'2024-01-01T00:00:00.250000+00:00'"})),
    {0},
};
