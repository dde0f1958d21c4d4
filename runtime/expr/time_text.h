/* time_text.h: times as text by a format like strftime's, in English and without a locale. */
#pragma once
#include <stdint.h>

struct fn_text;
struct wr_zone_span;

/* 1; or 0 with the 1-based byte of the first conversion that is none. */
int wr_time_format_check(const char *format, uint32_t length, uint32_t *bad);
/* How long a text of this format stays the same at most, in seconds: it changes only where a local
 * clock that begins at midnight has gone on by as much, or the offset changes. 0: at any time, or
 * the format is wrong. */
int64_t wr_time_format_step_s(const char *format, uint32_t length);
/* Whether a text of this format says its own offset (%z, %Z, %s, or "s", "ms", "us", "ns"). */
int wr_time_format_has_zone(const char *format);
/* Appends the time as clocks with the offset of `span` show it. 0: the format is wrong. */
int wr_time_text(struct fn_text *out, const char *format, uint32_t length, int64_t timestamp_us,
                 const struct wr_zone_span *span);
