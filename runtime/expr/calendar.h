/* calendar.h: units of time and arithmetic by the calendar of a zone; what the functions over times
 * share. Weeks are those of ISO 8601: they begin on Monday. */
#pragma once
#include <stdint.h>

#include "data/time.h"
#include "data/zone.h"

struct wr_call;

enum wr_unit_kind {
    WR_UNIT_NONE,  /* no such unit */
    WR_UNIT_FIXED, /* `width_us` of elapsed time: up to hours, and durations like '15m' */
    WR_UNIT_DAY,
    WR_UNIT_WEEK,
    WR_UNIT_MONTH, /* `count` months: quarter is 3, year is 12 */
};

struct wr_unit {
    enum wr_unit_kind kind;
    int64_t width_us; /* FIXED */
    int64_t count;    /* days of a DAY, months of a MONTH */
};

/* "month", "months", "quarter", "15m", "2d", … WR_UNIT_NONE when it is none. */
struct wr_unit wr_unit_parse(const char *text, uint32_t length);
/* A duration as a unit: whole days are days of the calendar, whole weeks weeks. */
struct wr_unit wr_unit_of_duration(int64_t duration_us);

/* The zone of rows: argument `arg`, an empty string for the script's. Looked up again only where it
 * differs from the row before. */
struct wr_zones {
    const struct wr_zone *zone;
    const struct wr_str *said; /* the argument that says it */
    char name[72];
    uint32_t name_length;
    int known;
    struct wr_zone_span span; /* of the last lookup */
};
void wr_zones_init(struct wr_zones *zones);
/* NULL: the row has failed. */
const struct wr_zone *wr_zones_get(struct wr_zones *zones, struct wr_call *call, uint32_t arg,
                                   uint32_t row);
/* The offset at a time in µs, in seconds; fast for neighbours in time. */
int32_t wr_zones_offset(struct wr_zones *zones, int64_t timestamp_us);

/* The local day of a time, and from when to when it is that of others in that zone (to <= from: of
 * no other). */
struct wr_zones_day {
    const struct wr_zone *zone;
    int64_t days, from_us, to_us;
};
void wr_zones_day_at(struct wr_zones *zones, int64_t timestamp_us, struct wr_zones_day *day);

/* Fails a row for a time that a timestamp cannot hold. */
void wr_time_too_far(struct wr_call *call, uint32_t row);
/* A `prepare` of calls whose last argument is a zone: a literal must name one (W114). */
struct wr_arena;
struct wr_error;
struct wr_value;
int wr_zone_prepare(struct wr_arena *arena, uint32_t arg_count,
                    const struct wr_value *const *constants, void **prepared, struct wr_error *err);

/* Local microseconds (as if UTC) to a timestamp; 0 when it does not fit. */
int wr_local_to_timestamp(const struct wr_zone *zone, __int128 local_us, int64_t *timestamp_us);
/* The same; fast where it is well inside the span of the last lookup. */
int wr_zones_from_local(struct wr_zones *zones, __int128 local_us, int64_t *timestamp_us);
/* Day number `days` moved by months; the day of the month is cut to the month's length. */
int64_t wr_days_add_months(int64_t days, int64_t months);
/* The start of the unit in which a local day lies. */
int64_t wr_days_floor(int64_t days, const struct wr_unit *unit);
static inline int64_t wr_floor_div(int64_t a, int64_t b) {
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}
/* A date column may hold any int64: days beyond this are taken for it. */
#define WR_DAYS_MAX (INT64_C(1) << 60)
static inline int64_t wr_days_within(int64_t days) {
    return days > WR_DAYS_MAX ? WR_DAYS_MAX : days < -WR_DAYS_MAX ? -WR_DAYS_MAX : days;
}
/* a - wr_floor_div(a, b) * b, without the product; b is above 0. */
static inline int64_t wr_floor_mod(int64_t a, int64_t b) {
    return a % b + (a % b < 0 ? b : 0);
}
int wr_days_in_month(int64_t year, int month);
/* ISO week of a day, and the year it belongs to. 1 is Monday. */
void wr_iso_week(int64_t days, int64_t *year, int *week);
static inline int wr_weekday(int64_t days) {
    return (int)((days % 7 + 10) % 7) + 1;
}

/* An entry of the function tables of functions_calendar.c and functions_time_text.c. */
#define CALENDAR_ENTRY(own_name, own_doc, ...) \
    { \
        .name = own_name, .group = "time", .flags = FN_PURE | WR_FN_CAN_FAIL, .doc = own_doc, \
        __VA_ARGS__ \
    }
