#include "expr/time_text.h"

#include <stdio.h>

#include "expr/calendar.h"
#include "expr/library.h"
#include "base/banned.h"

static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};
static const char *const day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};

/* A time taken apart. */
struct moment {
    struct wr_civil civil;
    int64_t days, time_s;
    const struct wr_zone_span *span;
};

static void put(struct fn_text *out, const char *text) {
    fn_text_add(out, text, strlen(text));
}
static void put_number(struct fn_text *out, int64_t value, int digits, char pad) {
    char text[32];
    int at = sizeof text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    while ((int)sizeof text - at < digits)
        text[--at] = pad;
    if (value < 0)
        text[--at] = '-';
    fn_text_add(out, text + at, sizeof text - (size_t)at);
}
static void put_offset(struct fn_text *out, int32_t offset_s, const char *colon) {
    char text[16];
    int32_t minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
    snprintf(text, sizeof text, "%c%02d%s%02d", offset_s < 0 ? '-' : '+', minutes / 60, colon,
             minutes % 60);
    put(out, text);
}

static int put_day(struct fn_text *out, char letter, const struct moment *m) {
    int64_t iso_year = 0;
    int week = 0;
    if (letter == 'G' || letter == 'V')
        wr_iso_week(m->days, &iso_year, &week);
    const struct wr_civil *c = &m->civil;
    switch (letter) {
    case 'Y': put_number(out, c->year, 4, '0'); return 1;
    case 'y': put_number(out, ((c->year % 100) + 100) % 100, 2, '0'); return 1;
    case 'C': put_number(out, wr_floor_div(c->year, 100), 2, '0'); return 1;
    case 'm': put_number(out, c->month, 2, '0'); return 1;
    case 'd': put_number(out, c->day, 2, '0'); return 1;
    case 'e': put_number(out, c->day, 2, ' '); return 1;
    case 'j': put_number(out, m->days - wr_days_from_civil(c->year, 1, 1) + 1, 3, '0'); return 1;
    case 'B': put(out, month_names[c->month - 1]); return 1;
    case 'b': fn_text_add(out, month_names[c->month - 1], 3); return 1;
    case 'A': put(out, day_names[wr_weekday(m->days) - 1]); return 1;
    case 'a': fn_text_add(out, day_names[wr_weekday(m->days) - 1], 3); return 1;
    case 'u': put_number(out, wr_weekday(m->days), 1, '0'); return 1;
    case 'w': put_number(out, wr_weekday(m->days) % 7, 1, '0'); return 1;
    case 'G': put_number(out, iso_year, 4, '0'); return 1;
    case 'V': put_number(out, week, 2, '0'); return 1;
    default: return 0;
    }
}

static int put_clock(struct fn_text *out, char letter, const struct moment *m) {
    const struct wr_civil *c = &m->civil;
    switch (letter) {
    case 'H': put_number(out, c->hour, 2, '0'); return 1;
    case 'I': put_number(out, (c->hour + 11) % 12 + 1, 2, '0'); return 1;
    case 'M': put_number(out, c->minute, 2, '0'); return 1;
    case 'S': put_number(out, c->second, 2, '0'); return 1;
    case 'f': put_number(out, c->microsecond, 6, '0'); return 1;
    case 'p': put(out, c->hour < 12 ? "AM" : "PM"); return 1;
    case 's': put_number(out, m->time_s, 1, '0'); return 1;
    case 'z': put_offset(out, m->span->offset_s, ""); return 1;
    case 'Z': put(out, m->span->name); return 1;
    case 'n': put(out, "\n"); return 1;
    case 't': put(out, "\t"); return 1;
    case '%': put(out, "%"); return 1;
    default: return 0;
    }
}

/* The conversions behind letters that stand for several. */
static const char *expanded(char letter) {
    switch (letter) {
    case 'T': return "%H:%M:%S";
    case 'F': return "%Y-%m-%d";
    case 'R': return "%H:%M";
    case 'D': return "%m/%d/%y";
    default: return NULL;
    }
}

int wr_time_format_check(const char *format, uint32_t length, uint32_t *bad) {
    static const char letters[] = "YyCmdejBbAauwGVHIMSfpszZnt%TFRD";
    for (uint32_t i = 0; i < length; i++) {
        if (format[i] != '%')
            continue;
        *bad = i + 1;
        if (++i < length && format[i] == ':')
            i += i + 1 < length && format[i + 1] == 'z';
        if (i >= length || format[i] == 0 || strchr(letters, format[i]) == NULL)
            return 0;
    }
    return 1;
}

int wr_time_format_has_zone(const char *format) {
    static const char *const numbers[] = {"s", "ms", "us", "ns"};
    for (uint32_t i = 0; i < WR_COUNT(numbers); i++)
        if (strcmp(format, numbers[i]) == 0)
            return 1;
    for (const char *at = format; (at = strchr(at, '%')) != NULL && at[1] != 0; at += 2)
        if (at[1] == 'z' || at[1] == 'Z' || at[1] == 's' || at[1] == ':')
            return 1;
    return 0;
}

int wr_time_format_is_by_minute(const char *format, uint32_t length) {
    for (uint32_t i = 0; i + 1 < length; i++) {
        if (format[i] != '%')
            continue;
        char letter = format[++i];
        if (letter == 'S' || letter == 'f' || letter == 's' || letter == 'T')
            return 0;
    }
    return 1;
}

static int put_format(struct fn_text *out, const char *format, uint32_t length,
                      const struct moment *m) {
    for (uint32_t i = 0; i < length; i++) {
        if (format[i] != '%') {
            fn_text_add(out, &format[i], 1);
            continue;
        }
        if (++i == length)
            return 0;
        const char *inner = expanded(format[i]);
        if (inner != NULL) {
            put_format(out, inner, (uint32_t)strlen(inner), m);
        } else if (format[i] == ':' && i + 1 < length && format[i + 1] == 'z') {
            put_offset(out, m->span->offset_s, ":");
            i++;
        } else if (!put_day(out, format[i], m) && !put_clock(out, format[i], m)) {
            return 0;
        }
    }
    return 1;
}

int wr_time_text(struct fn_text *out, const char *format, uint32_t length, int64_t timestamp_us,
                 const struct wr_zone_span *span) {
    struct moment m = {.span = span, .time_s = wr_floor_div(timestamp_us, WR_US_PER_SECOND)};
    int64_t local_s = m.time_s + span->offset_s;
    m.days = wr_floor_div(local_s, 86400);
    int64_t rest = local_s - m.days * 86400;
    wr_civil_from_days(m.days, &m.civil.year, &m.civil.month, &m.civil.day);
    m.civil.hour = (int)(rest / 3600);
    m.civil.minute = (int)(rest / 60 % 60);
    m.civil.second = (int)(rest % 60);
    m.civil.microsecond = (int)wr_floor_mod(timestamp_us, WR_US_PER_SECOND);
    return put_format(out, format, length, &m);
}
