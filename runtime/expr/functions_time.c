/* functions_time.c: parts of times, and times made of parts. A zone stands last; without one it
 * is the script's. Dates have no zone. */
#include "base/hash.h"
#include "expr/calendar.h"
#include "expr/expr.h"
#include "expr/library.h"
#include "base/banned.h"

/* ---- parts ---------------------------------------------------------------------------------- */

enum part {
    PART_YEAR,
    PART_QUARTER,
    PART_MONTH,
    PART_WEEK,
    PART_ISO_YEAR,
    PART_DAY,
    PART_DAY_OF_WEEK,
    PART_DAY_OF_YEAR,
    PART_HOUR,
    PART_MINUTE,
    PART_SECOND,
    PART_MICROSECOND,
};

static int64_t day_part(int64_t days, enum part part) {
    int64_t year;
    int month;
    int day;
    int week;
    wr_civil_from_days(days, &year, &month, &day);
    switch (part) {
    case PART_YEAR: return year;
    case PART_QUARTER: return (month - 1) / 3 + 1;
    case PART_MONTH: return month;
    case PART_DAY: return day;
    case PART_DAY_OF_WEEK: return wr_weekday(days);
    case PART_DAY_OF_YEAR: return days - wr_days_from_civil(year, 1, 1) + 1;
    case PART_WEEK: wr_iso_week(days, &year, &week); return week;
    case PART_ISO_YEAR: wr_iso_week(days, &year, &week); return year;
    default: return 0;
    }
}

static inline __attribute__((always_inline)) int timestamp_part(struct wr_call *call,
                                                                enum part part) {
    struct wr_zones zones;
    int64_t last_days = INT64_MIN;
    int64_t last_part = 0;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        if (wr_zones_get(&zones, call, 1, row) == NULL)
            continue;
        int64_t us = fn_int(call, 0, row);
        int64_t days = wr_floor_div(us, WR_US_PER_DAY);
        int64_t rest = wr_floor_mod(us, WR_US_PER_DAY);
        rest += (int64_t)wr_zones_offset(&zones, us) * WR_US_PER_SECOND;
        if (rest < 0 || rest >= WR_US_PER_DAY) {
            int64_t move = wr_floor_div(rest, WR_US_PER_DAY);
            days += move;
            rest -= move * WR_US_PER_DAY;
        }
        int64_t result;
        switch (part) {
        case PART_HOUR: result = rest / (3600 * WR_US_PER_SECOND); break;
        case PART_MINUTE: result = rest / (60 * WR_US_PER_SECOND) % 60; break;
        case PART_SECOND: result = rest / WR_US_PER_SECOND % 60; break;
        case PART_MICROSECOND: result = rest % WR_US_PER_SECOND; break;
        default:
            if (days != last_days) { /* neighbours are of one day, as a rule */
                last_days = days;
                last_part = day_part(days, part);
            }
            result = last_part;
        }
        FN_OUT_INT(call)[row] = result;
    }
    return WR_OK;
}

#define PART_KERNEL(name, part) \
    static int name##_kernel(struct wr_call *call) { \
        return timestamp_part(call, part); \
    }
#define DAY_KERNEL(name, part) \
    PART_KERNEL(name, part) \
    static int name##_date_kernel(struct wr_call *call) { \
        FN_EACH(call, row) \
        FN_OUT_INT(call)[row] = day_part(wr_days_within(fn_int(call, 0, row)), part); \
        return WR_OK; \
    }
DAY_KERNEL(year, PART_YEAR)
DAY_KERNEL(quarter, PART_QUARTER)
DAY_KERNEL(month, PART_MONTH)
DAY_KERNEL(week, PART_WEEK)
DAY_KERNEL(iso_year, PART_ISO_YEAR)
DAY_KERNEL(day, PART_DAY)
DAY_KERNEL(day_of_week, PART_DAY_OF_WEEK)
DAY_KERNEL(day_of_year, PART_DAY_OF_YEAR)
PART_KERNEL(hour, PART_HOUR)
PART_KERNEL(minute, PART_MINUTE)
PART_KERNEL(second, PART_SECOND)
PART_KERNEL(microsecond, PART_MICROSECOND)

static int epoch_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_INT(call)[row] = wr_floor_div(fn_int(call, 0, row), WR_US_PER_SECOND);
    return WR_OK;
}
static int epoch_ms_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_INT(call)[row] = wr_floor_div(fn_int(call, 0, row), 1000);
    return WR_OK;
}
static int epoch_date_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        if (__builtin_mul_overflow(fn_int(call, 0, row), 86400, &FN_OUT_INT(call)[row]))
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "a date beyond the seconds of int64");
    }
    return WR_OK;
}

/* ---- the row and the clock ------------------------------------------------------------------ */

static int now_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_INT(call)[row] = call->eval->now_us;
    return WR_OK;
}
static int event_time_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        if (call->batch == NULL || call->batch->event_time == NULL)
            wr_call_nil(call, row);
        else
            FN_OUT_INT(call)[row] = call->batch->event_time[row];
    }
    return WR_OK;
}
/* A number of the row: of its source, partition and record, so that a replay gives it again. */
static int random_kernel(struct wr_call *call) {
    const struct wr_batch *batch = call->batch;
    FN_EACH(call, row) {
        uint64_t hash = call->eval->random_seed;
        if (batch != NULL) {
            uint32_t record = batch->origin.record == NULL ? row : batch->origin.record[row];
            hash = wr_hash_join(hash, (uint64_t)batch->source << 32 | batch->partition);
            hash = wr_hash_join(hash, batch->origin.first_record + record);
        } else {
            hash = wr_hash_join(hash, row);
        }
        FN_OUT_FLOAT(call)[row] = (double)(hash >> 11) * 0x1p-53;
    }
    return WR_OK;
}

/* ---- made of parts -------------------------------------------------------------------------- */

static int make_date_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        int64_t year = fn_int(call, 0, row);
        int64_t month = fn_int(call, 1, row);
        int64_t day = fn_int(call, 2, row);
        if (year < -200000 || year > 200000 || month < 1 || month > 12 || day < 1 ||
            day > wr_days_in_month(year, (int)month))
            wr_call_fail(call, row, WR_REJECT_TYPE, "there is no date %lld-%02lld-%02lld",
                         (long long)year, (long long)month, (long long)day);
        else
            FN_OUT_INT(call)[row] = wr_days_from_civil(year, (int)month, (int)day);
    }
    return WR_OK;
}

static int make_timestamp_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        const struct wr_zone *zone = wr_zones_get(&zones, call, 6, row);
        if (zone == NULL)
            continue;
        int64_t year = fn_int(call, 0, row);
        int64_t month = fn_int(call, 1, row);
        int64_t day = fn_int(call, 2, row);
        int64_t hour = fn_int(call, 3, row);
        int64_t minute = fn_int(call, 4, row);
        double second = fn_float(call, 5, row);
        if (year < -200000 || year > 200000 || month < 1 || month > 12 || day < 1 ||
            day > wr_days_in_month(year, (int)month) || hour < 0 || hour > 23 || minute < 0 ||
            minute > 59 || !(second >= 0 && second < 60)) {
            wr_call_fail(call, row, WR_REJECT_TYPE,
                         "there is no time %lld-%02lld-%02lld %02lld:%02lld:%g", (long long)year,
                         (long long)month, (long long)day, (long long)hour, (long long)minute,
                         second);
            continue;
        }
        __int128 local_us =
            (__int128)wr_days_from_civil(year, (int)month, (int)day) * WR_US_PER_DAY +
            (hour * 60 + minute) * 60 * WR_US_PER_SECOND + (int64_t)(second * 1e6 + 0.5);
        if (!wr_local_to_timestamp(zone, local_us, &FN_OUT_INT(call)[row]))
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "a time in the year %lld", (long long)year);
    }
    return WR_OK;
}

/* ---- the table ------------------------------------------------------------------------------ */

#define DAY_ENTRY(own_name, own_doc, a, a_result, b, b_result) \
    { \
        .name = #own_name, .group = "time", .flags = FN_PURE | WR_FN_CAN_FAIL, .doc = own_doc, \
        .signatures = FN_SIGNATURES( \
            {"(x timestamp, zone string = '') int64", own_name##_kernel, wr_zone_prepare}, \
            {"(x date) int64", own_name##_date_kernel, NULL}), \
        .examples = FN_EXAMPLES({#own_name a, a_result}, {#own_name b, b_result}) \
    }
#define CLOCK_ENTRY(own_name, own_doc, a, a_result, b, b_result) \
    { \
        .name = #own_name, .group = "time", .flags = FN_PURE | WR_FN_CAN_FAIL, .doc = own_doc, \
        .signatures = FN_SIGNATURES( \
            {"(x timestamp, zone string = '') int64", own_name##_kernel, wr_zone_prepare}), \
        .examples = FN_EXAMPLES({#own_name a, a_result}, {#own_name b, b_result}) \
    }

const struct wr_function wr_functions_time[] = {
    DAY_ENTRY(year, "The year.", "(date'2024-03-31')", "2024",
              "(timestamp'2024-12-31T23:30:00Z', 'Europe/Berlin')", "2025"),
    DAY_ENTRY(quarter, "The quarter of the year, 1 to 4.", "(date'2024-03-31')", "1",
              "(timestamp'2024-04-01T00:00:00Z')", "2"),
    DAY_ENTRY(month, "The month, 1 to 12.", "(date'2024-03-31')", "3",
              "(timestamp'2024-03-31T23:00:00Z', 'Europe/Berlin')", "4"),
    DAY_ENTRY(week, "The week of ISO 8601, 1 to 53; weeks begin on Monday.", "(date'2024-12-30')",
              "1", "(date'2021-01-01')", "53"),
    DAY_ENTRY(iso_year, "The year to which the ISO week belongs.", "(date'2024-12-30')", "2025",
              "(date'2021-01-01')", "2020"),
    DAY_ENTRY(day, "The day of the month, 1 to 31.", "(date'2024-03-31')", "31",
              "(timestamp'2024-03-31T23:00:00Z', '+01:00')", "1"),
    DAY_ENTRY(day_of_week, "The day of the week: Monday is 1, Sunday 7.", "(date'2024-03-31')", "7",
              "(date'2024-04-01')", "1"),
    DAY_ENTRY(day_of_year, "The day of the year, from 1.", "(date'2024-03-01')", "61",
              "(date'2023-03-01')", "60"),
    CLOCK_ENTRY(hour, "The hour, 0 to 23.", "(timestamp'2024-03-31T10:20:30Z')", "10",
                "(timestamp'2024-03-31T10:20:30Z', 'Europe/Berlin')", "12"),
    CLOCK_ENTRY(minute, "The minute, 0 to 59.", "(timestamp'2024-03-31T10:20:30Z')", "20",
                "(timestamp'2024-03-31T10:20:30Z', 'Asia/Kolkata')", "50"),
    CLOCK_ENTRY(second, "The second, 0 to 59.", "(timestamp'2024-03-31T10:20:30Z')", "30",
                "(timestamp'1969-12-31T23:59:59.5Z')", "59"),
    CLOCK_ENTRY(microsecond, "The fraction of the second, in microseconds.",
                "(timestamp'2024-03-31T10:20:30.25Z')", "250000",
                "(timestamp'1969-12-31T23:59:59.5Z')", "500000"),
    {.name = "epoch",
     .group = "time",
     .flags = FN_PURE | WR_FN_CAN_FAIL,
     .doc = "Whole seconds since 1970-01-01T00:00:00Z; of a duration its whole seconds.",
     .signatures = FN_SIGNATURES({"(x timestamp) int64", epoch_kernel, NULL},
                                 {"(x date) int64", epoch_date_kernel, NULL},
                                 {"(x duration) int64", epoch_kernel, NULL}),
     .examples = FN_EXAMPLES({"epoch(timestamp'1970-01-02T00:00:01Z')", "86401"},
                             {"epoch(duration'1h')", "3600"})},
    {.name = "epoch_ms",
     .group = "time",
     .flags = FN_PURE,
     .doc = "Whole milliseconds since 1970-01-01T00:00:00Z; of a duration its whole ones.",
     .signatures = FN_SIGNATURES({"(x timestamp) int64", epoch_ms_kernel, NULL},
                                 {"(x duration) int64", epoch_ms_kernel, NULL}),
     .examples = FN_EXAMPLES({"epoch_ms(timestamp'1970-01-01T00:00:01.5Z')", "1500"},
                             {"epoch_ms(duration'2s')", "2000"})},
    {.name = "now",
     .group = "time",
     .flags = WR_FN_VOLATILE,
     .doc = "The clock of the step: the same for all rows of one step, virtual in tests.",
     .signatures = FN_SIGNATURES({"() timestamp", now_kernel, NULL}),
     .examples = FN_EXAMPLES({"now() == now()", "true"},
                             {"now() < timestamp'1970-01-01T00:00:00Z'", "false"})},
    {.name = "event_time",
     .group = "time",
     .flags = WR_FN_VOLATILE | WR_FN_CAN_NIL,
     .doc = "The event time of the row; nil before `event_time` has set one.",
     .signatures = FN_SIGNATURES({"() timestamp", event_time_kernel, NULL}),
     .examples = FN_EXAMPLES({"event_time()", "nil"}, {"event_time() == nil", "true"})},
    {.name = "random",
     .group = "numbers",
     .flags = WR_FN_VOLATILE,
     .doc = "A number in [0, 1) that belongs to the row: a replay with the same seed gives it "
            "again, and two calls in one row give the same.",
     .signatures = FN_SIGNATURES({"() float64", random_kernel, NULL}),
     .examples = FN_EXAMPLES({"random() < 1", "true"}, {"random() >= 0", "true"})},
    {.name = "make_date",
     .group = "time",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL,
     .doc = "The date of a year, month and day.",
     .signatures =
         FN_SIGNATURES({"(year int64, month int64, day int64) date", make_date_kernel, NULL}),
     .examples = FN_EXAMPLES({"make_date(2024, 2, 29)", "2024-02-29"},
                             {"make_date(2023, 2, 29)", "fails W502"})},
    {.name = "make_timestamp",
     .group = "time",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL,
     .doc = "The timestamp at which clocks of the zone show this.",
     .signatures =
         FN_SIGNATURES({"(year int64, month int64, day int64, hour int64 = 0, minute int64 = 0, "
                        "second float64 = 0.0, zone string = '') timestamp",
                        make_timestamp_kernel, wr_zone_prepare}),
     .examples = FN_EXAMPLES(
         {"make_timestamp(2024, 3, 31, 10)", "2024-03-31T10:00:00Z"},
         {"make_timestamp(2024, 7, 1, 12, 30, 1.5, 'Europe/Berlin')", "2024-07-01T10:30:01.500Z"},
         {"make_timestamp(2024, 3, 31, 24)", "fails W502"})},
    {0},
};
