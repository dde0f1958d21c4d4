#include "data/zone_rule.h"

#include <string.h>

#include "base/assert.h"
#include "data/time.h"
#include "base/banned.h"

struct cursor {
    const char *at, *end;
    int failed;
};

static int take(struct cursor *c, char byte) {
    if (c->at < c->end && *c->at == byte) {
        c->at++;
        return 1;
    }
    return 0;
}

static int number(struct cursor *c, int max) {
    int value = 0;
    const char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && value <= max)
        value = value * 10 + (*c->at++ - '0');
    c->failed |= c->at == start || value > max;
    return value;
}

/* [+-]h[h][h][:mm[:ss]] */
static int32_t hours(struct cursor *c) {
    int sign = take(c, '-') ? -1 : 1;
    if (sign == 1)
        take(c, '+');
    int32_t seconds = number(c, 167) * 3600;
    if (take(c, ':'))
        seconds += number(c, 59) * 60;
    if (take(c, ':'))
        seconds += number(c, 59);
    return sign * seconds;
}

static void name(struct cursor *c, char *out, size_t size) {
    int quoted = take(c, '<');
    size_t length = 0;
    while (c->at < c->end) {
        char byte = *c->at;
        int letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        int inside = letter || (byte >= '0' && byte <= '9') || byte == '+' || byte == '-';
        if (!(quoted ? inside : letter))
            break;
        if (length < size - 1)
            out[length++] = byte;
        c->at++;
    }
    out[length] = 0;
    c->failed |= length == 0 || (quoted && !take(c, '>'));
}

static struct wr_zone_rule_day day(struct cursor *c) {
    struct wr_zone_rule_day day = {.kind = 'n', .time_s = 7200};
    if (take(c, 'M')) {
        day.kind = 'M';
        day.month = number(c, 12);
        c->failed |= !take(c, '.');
        day.week = number(c, 5);
        c->failed |= !take(c, '.');
        day.day = number(c, 6);
        c->failed |= day.month < 1 || day.week < 1;
    } else {
        if (take(c, 'J'))
            day.kind = 'J';
        day.day = number(c, 365);
    }
    if (take(c, '/'))
        day.time_s = hours(c);
    return day;
}

int wr_zone_rule_parse(struct wr_zone_rule *rule, const char *text, size_t length) {
    struct cursor c = {.at = text, .end = text + length};
    memset(rule, 0, sizeof *rule);
    name(&c, rule->standard.name, sizeof rule->standard.name);
    rule->standard.offset_s = -hours(&c);
    if (c.at < c.end) {
        rule->has_dst = 1;
        name(&c, rule->dst.name, sizeof rule->dst.name);
        rule->dst.offset_s = rule->standard.offset_s + 3600;
        if (c.at < c.end && *c.at != ',')
            rule->dst.offset_s = -hours(&c);
        c.failed |= !take(&c, ',');
        rule->begin = day(&c);
        c.failed |= !take(&c, ',');
        rule->end = day(&c);
    }
    rule->has = !c.failed && c.at == c.end;
    return rule->has;
}

static int is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int64_t wr_zone_rule_change(const struct wr_zone_rule *rule, int64_t year, int end) {
    const struct wr_zone_rule_day *day = end ? &rule->end : &rule->begin;
    int32_t offset_s = end ? rule->dst.offset_s : rule->standard.offset_s;
    int64_t days;
    if (day->kind == 'M') {
        int64_t first = wr_days_from_civil(year, day->month, 1);
        int64_t next = day->month == 12 ? wr_days_from_civil(year + 1, 1, 1)
                                        : wr_days_from_civil(year, day->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday; 0: Sunday */
        days = first + (day->day - weekday + 7) % 7 + 7 * (day->week - 1);
        if (days >= next)
            days -= 7;
    } else {
        days = wr_days_from_civil(year, 1, 1) + day->day;
        if (day->kind == 'J')
            days -= !(is_leap(year) && day->day >= 60);
    }
    return days * 86400 + day->time_s - offset_s;
}
