/* window_cron.h: the times of a cron line, as local minutes since 1970. Private to the room.
 * Source: crontab(5): where both days are given, a day of either kind is one. */
#pragma once
#include <stdint.h>

struct cron {
    uint64_t minutes;                       /* a bit for each that is one */
    uint32_t hours, days, months, weekdays; /* days and months from 1; weekday 0 is Sunday */
    uint8_t any_day, any_weekday;           /* written `*` */
};

/* NULL, or what is wrong. */
const char *cron_parse(struct cron *cron, const char *text);
/* The last minute of the line that is <= minute, and the first one that is > minute. */
int64_t cron_before(const struct cron *cron, int64_t minute);
int64_t cron_after(const struct cron *cron, int64_t minute);
