/* zone_rule.h: the rule at the end of a TZif file (POSIX TZ, with the hours of RFC 8536):
 * "CET-1CEST,M3.5.0,M10.5.0/3". Only zone.c includes it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_zone_rule_part {
    char name[11];
    int32_t offset_s; /* added to UTC (the text has the opposite sign) */
};
struct wr_zone_rule_day {
    char kind; /* 'M' month.week.day, 'J' day 1 … 365 without 29 February, 'n' day 0 … 365 */
    int month, week, day;
    int32_t time_s; /* of the local day */
};
struct wr_zone_rule {
    int has, has_dst;
    struct wr_zone_rule_part standard, dst;
    struct wr_zone_rule_day begin, end; /* of the daylight saving time */
};

/* 0: the text is no rule. */
int wr_zone_rule_parse(struct wr_zone_rule *rule, const char *text, size_t length);
/* When daylight saving time begins (`end` 0) or ends (1) in a year: seconds since 1970 UTC. */
int64_t wr_zone_rule_change(const struct wr_zone_rule *rule, int64_t year, int end);
