#include "op/window_cron.h"

#include <string.h>

#include "base/assert.h"
#include "expr/calendar.h"
#include "base/banned.h"

#define MINUTES_A_DAY 1440
#define DAYS_MAX 4000 /* from one day of a line to the next: 29 February, over a year like 1900 */

/* ---- reading -------------------------------------------------------------------------------- */

struct field {
    int least, most;
    const char *names; /* of three letters each, from `least` on, or NULL */
};

static int read_number(const char **text, const struct field *field, int *number) {
    const char *at = *text;
    if (*at >= '0' && *at <= '9') {
        int value = 0;
        for (; *at >= '0' && *at <= '9' && value < 1000; at++)
            value = value * 10 + (*at - '0');
        *number = value;
        *text = at;
        return 1;
    }
    for (int i = 0; field->names != NULL && field->names[i * 3] != 0; i++) {
        const char *name = field->names + (size_t)i * 3;
        int k = 0;
        while (k < 3 && (at[k] | 0x20) == name[k])
            k++;
        if (k < 3)
            continue;
        *number = field->least + i;
        *text = at + 3;
        return 1;
    }
    return 0;
}

/* One field: parts `*`, `a`, `a-b`, each with `/step` or without, between commas. */
static int read_field(const char **text, const struct field *field, uint64_t *bits) {
    *bits = 0;
    for (;;) {
        int from = field->least, to = field->most, step = 1;
        if (**text == '*') {
            ++*text;
        } else {
            if (!read_number(text, field, &from))
                return 0;
            to = from;
            int has_end = **text == '-';
            *text += has_end;
            if (has_end && !read_number(text, field, &to))
                return 0;
            to = !has_end && **text == '/' ? field->most : to;
        }
        if (**text == '/') {
            ++*text;
            if (!read_number(text, &(struct field){0}, &step) || step == 0)
                return 0;
        }
        if (from < field->least || to > field->most || from > to)
            return 0;
        for (int i = from; i <= to; i += step)
            *bits |= UINT64_C(1) << i;
        if (**text != ',')
            return 1;
        ++*text;
    }
}

static int is_day(const struct cron *cron, int64_t day) {
    int64_t year;
    int month, of_month;
    wr_civil_from_days(day, &year, &month, &of_month);
    if (!(cron->months >> month & 1))
        return 0;
    int by_month = cron->days >> of_month & 1;
    int by_week = cron->weekdays >> (wr_weekday(day) % 7) & 1;
    if (cron->any_day || cron->any_weekday)
        return by_month && by_week;
    return by_month || by_week;
}

const char *cron_parse(struct cron *cron, const char *text) {
    static const struct field fields[5] = {
        {0, 59, NULL},
        {0, 23, NULL},
        {1, 31, NULL},
        {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
        {0, 7, "sunmontuewedthufrisat"},
    };
    static const char *const wrong[5] = {
        "its minutes are not of 0 to 59", "its hours are not of 0 to 23",
        "its days are not of 1 to 31", "its months are not of 1 to 12 or jan to dec",
        "its days of the week are not of 0 to 7 or sun to sat"};
    uint64_t bits[5];
    for (int f = 0; f < 5; f++) {
        while (*text == ' ')
            text++;
        if (f == 2)
            cron->any_day = *text == '*';
        if (f == 4)
            cron->any_weekday = *text == '*';
        if (!read_field(&text, &fields[f], &bits[f]) || (*text != ' ' && *text != 0))
            return wrong[f];
    }
    while (*text == ' ')
        text++;
    if (*text != 0)
        return "it has more than five fields";
    cron->minutes = bits[0];
    cron->hours = (uint32_t)bits[1];
    cron->days = (uint32_t)bits[2];
    cron->months = (uint32_t)bits[3];
    cron->weekdays = (uint32_t)(bits[4] | bits[4] >> 7); /* 7 is Sunday too */
    for (int64_t day = 0; day < DAYS_MAX; day++)
        if (is_day(cron, day))
            return NULL;
    return "no day is one of its days";
}

/* ---- times ---------------------------------------------------------------------------------- */

static int is_time(const struct cron *cron, int minute) {
    return (cron->hours >> (minute / 60) & 1) && (cron->minutes >> (minute % 60) & 1);
}

int64_t cron_before(const struct cron *cron, int64_t minute) {
    int64_t day = wr_floor_div(minute, MINUTES_A_DAY);
    int at = (int)wr_floor_mod(minute, MINUTES_A_DAY);
    for (int n = 0; n < DAYS_MAX; n++, day--, at = MINUTES_A_DAY - 1) {
        if (!is_day(cron, day))
            continue;
        while (at >= 0 && !is_time(cron, at))
            at--;
        if (at >= 0)
            return day * MINUTES_A_DAY + at;
    }
    WR_ASSERT(!"a cron line without a day");
    return minute;
}

int64_t cron_after(const struct cron *cron, int64_t minute) {
    minute++;
    int64_t day = wr_floor_div(minute, MINUTES_A_DAY);
    int at = (int)wr_floor_mod(minute, MINUTES_A_DAY);
    for (int n = 0; n < DAYS_MAX; n++, day++, at = 0) {
        if (!is_day(cron, day))
            continue;
        while (at < MINUTES_A_DAY && !is_time(cron, at))
            at++;
        if (at < MINUTES_A_DAY)
            return day * MINUTES_A_DAY + at;
    }
    WR_ASSERT(!"a cron line without a day");
    return minute;
}
