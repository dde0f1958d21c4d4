/* time_text.h: times as text by a format like strftime's, in English and without a locale. */
#pragma once
#include <stdint.h>

struct fn_text;
struct wr_zone_span;

/* 1; or 0 with the 1-based byte of the first conversion that is none. */
int wr_time_format_check(const char *format, uint32_t length, uint32_t *bad);
/* Whether a text of this format says its own offset (%z, %Z, %s, or "s", "ms", "us", "ns"). */
int wr_time_format_has_zone(const char *format);
/* Whether it is the same for all times of a minute. */
int wr_time_format_is_by_minute(const char *format, uint32_t length);
/* Appends the time as clocks with the offset of `span` show it. 0: the format is wrong. */
int wr_time_text(struct fn_text *out, const char *format, uint32_t length, int64_t timestamp_us,
                 const struct wr_zone_span *span);
