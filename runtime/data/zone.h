/* zone.h: time zones of the system's zoneinfo (TZif files, RFC 8536), read by our own reader.
 * A zone is loaded once in a process and kept; lookups are pure functions of what was loaded.
 * Times beyond a file's last change follow its rule for all years, by the 400-year cycle of the
 * calendar. Threads: all functions may be called from any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_error;
struct wr_zone;

/* A stretch of time with one offset: [from_s, to_s) in seconds since 1970 UTC. */
struct wr_zone_span {
    int64_t from_s, to_s;
    int32_t offset_s; /* local time is UTC plus this */
    uint8_t is_dst;
    char name[11]; /* "CET"; at most 10 bytes */
};

/* The zone of this name: "Europe/Berlin", "UTC", or a fixed offset "+02:00". Lent for ever.
 * WR_OK, WR_ENOMEM, or WR_ESCRIPT with W114 (no such zone) in `err`. */
int wr_zone_find(const struct wr_zone **zone, const char *name, size_t length,
                 struct wr_error *err);
const struct wr_zone *wr_zone_utc(void);
/* The span that contains a time. */
void wr_zone_span_at(const struct wr_zone *zone, int64_t time_s, struct wr_zone_span *span);
/* The offset at a time, in seconds. */
int32_t wr_zone_offset(const struct wr_zone *zone, int64_t time_s);
/* The time at which the clocks of the zone show `local_s` (seconds, as if it were UTC). Where they
 * show it twice, the first; where they skip it, what a clock that was not put forward shows. */
int64_t wr_zone_from_local(const struct wr_zone *zone, int64_t local_s);
/* The same in microseconds, in place. 0: it lies beyond the ends of time. */
int wr_zone_from_local_us(const struct wr_zone *zone, int64_t *time_us);
