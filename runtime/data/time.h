/* time.h: timestamps (microseconds since 1970, UTC), dates (days), durations (microseconds), as
 * text and by the calendar. Proleptic Gregorian; no leap seconds.
 * Source: Hinnant, "chrono-compatible low-level date algorithms". */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define WR_US_PER_SECOND INT64_C(1000000)
#define WR_US_PER_DAY (INT64_C(86400) * WR_US_PER_SECOND)
#define WR_TIME_TEXT_MAX 40 /* bytes that any text below needs, with its 0 */

struct wr_civil {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int microsecond;
};

int64_t wr_days_from_civil(int64_t year, int month, int day);
void wr_civil_from_days(int64_t days, int64_t *year, int *month, int *day);
void wr_civil_from_timestamp(int64_t timestamp_us, struct wr_civil *civil);
/* 0 when a part is out of range, or the result does not fit. */
int wr_timestamp_from_civil(const struct wr_civil *civil, int64_t *timestamp_us);

/* Parse exactly `length` bytes; return 1, or 0 when the text is no such value.
 * Timestamps: RFC 3339 and ISO 8601 (`T`, `t` or a blank between; seconds and fraction optional,
 * up to 9 digits, cut to 6; offset `Z`, `+hh:mm`, `+hhmm`, `+hh` or none: UTC). */
int wr_timestamp_parse(const char *text, size_t length, int64_t *timestamp_us);
int wr_date_parse(const char *text, size_t length, int64_t *days);
/* "1h30m" (us ms s m h d w, an optional sign) and ISO 8601 ("PT1H30M", days and below). */
int wr_duration_parse(const char *text, size_t length, int64_t *duration_us);

/* Write text and a 0; return its length. RFC 3339 with `Z`, fraction trimmed to 0, 3 or 6 digits;
 * ISO 8601 for durations; durations for people ("1h30m"). */
size_t wr_timestamp_format(int64_t timestamp_us, char text[WR_TIME_TEXT_MAX]);
size_t wr_date_format(int64_t days, char text[WR_TIME_TEXT_MAX]);
size_t wr_duration_format(int64_t duration_us, char text[WR_TIME_TEXT_MAX]);
size_t wr_duration_format_short(int64_t duration_us, char text[WR_TIME_TEXT_MAX]);

/* By a format: NULL as above; "s" "ms" "us" "ns" numbers since 1970; else strptime-like with
 * %Y %m %d %H %M %S %f %z %Z(UTC only) %b %B %a %A %j %p %I %y %e %s %T %F %%. */
int wr_timestamp_parse_as(const char *format, const char *text, size_t length,
                          int64_t *timestamp_us);
/* The same (`format` NULL: RFC 3339), and whether the text says its offset: one that does not was
 * read as UTC and may be meant in another zone. */
int wr_timestamp_parse_local(const char *format, const char *text, size_t length,
                             int64_t *timestamp_us, int *has_offset);
