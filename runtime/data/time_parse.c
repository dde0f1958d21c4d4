/* time_parse.c: timestamps, dates and durations from text. */
#include <string.h>

#include "data/text.h"
#include "data/time.h"
#include "data/type.h"
#include "base/banned.h"

/* A cursor over text that is not 0-terminated. */
struct scan {
    const char *at, *end;
};

static int take(struct scan *scan, char byte) {
    if (scan->at == scan->end || *scan->at != byte)
        return 0;
    scan->at++;
    return 1;
}

/* Between digits_min and digits_max digits; -1 when there are fewer. */
static int64_t take_number(struct scan *scan, int digits_min, int digits_max) {
    int64_t value = 0;
    int count = 0;
    for (; count < digits_max && scan->at < scan->end; count++, scan->at++) {
        unsigned digit = (unsigned)(*scan->at - '0');
        if (digit > 9)
            break;
        value = value * 10 + (int64_t)digit;
    }
    return count < digits_min ? -1 : value;
}

/* `YYYY-MM-DD`, or a sign and six digits for years beyond four. */
static int take_date(struct scan *scan, struct wr_civil *civil) {
    int negative = take(scan, '-');
    int digits = negative || take(scan, '+') ? 6 : 4;
    civil->year = take_number(scan, digits, digits);
    if (civil->year < 0 || !take(scan, '-'))
        return 0;
    civil->year = negative ? -civil->year : civil->year;
    civil->month = (int)take_number(scan, 2, 2);
    if (!take(scan, '-'))
        return 0;
    civil->day = (int)take_number(scan, 2, 2);
    return 1;
}

/* Up to 9 digits, cut to microseconds; -1 when there is none, or more. */
static int take_fraction(struct scan *scan) {
    const char *first = scan->at;
    int64_t value = take_number(scan, 1, 9);
    if (value < 0 || (scan->at < scan->end && (unsigned)(*scan->at - '0') <= 9))
        return -1;
    for (int64_t count = scan->at - first; count < 9; count++)
        value *= 10;
    return (int)(value / 1000);
}

/* `Z`, `+hh:mm`, `+hhmm`, `+hh`; microseconds east of UTC. 0 when it is none of these. */
static int take_offset(struct scan *scan, int64_t *offset_us) {
    *offset_us = 0;
    if (take(scan, 'Z') || take(scan, 'z'))
        return 1;
    int negative = take(scan, '-');
    if (!negative && !take(scan, '+'))
        return 0;
    int64_t hours = take_number(scan, 2, 2), minutes = 0;
    if (take(scan, ':'))
        minutes = take_number(scan, 2, 2);
    else if (scan->at < scan->end && (unsigned)(*scan->at - '0') <= 9)
        minutes = take_number(scan, 2, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return 0;
    *offset_us = (hours * 60 + minutes) * 60 * WR_US_PER_SECOND * (negative ? -1 : 1);
    return 1;
}

static int finish(const struct wr_civil *civil, int64_t offset_us, int64_t *timestamp_us) {
    return wr_timestamp_from_civil(civil, timestamp_us) &&
           !__builtin_sub_overflow(*timestamp_us, offset_us, timestamp_us);
}

static int parse_rfc3339(const char *text, size_t length, int64_t *timestamp_us, int *has_offset) {
    struct scan scan = {text, text + length};
    struct wr_civil civil = {0};
    int64_t offset_us = 0;
    if (!take_date(&scan, &civil) || !(take(&scan, 'T') || take(&scan, ' ') || take(&scan, 't')))
        return 0;
    civil.hour = (int)take_number(&scan, 2, 2);
    if (!take(&scan, ':'))
        return 0;
    civil.minute = (int)take_number(&scan, 2, 2);
    if (take(&scan, ':')) {
        civil.second = (int)take_number(&scan, 2, 2);
        if (take(&scan, '.') || take(&scan, ','))
            civil.microsecond = take_fraction(&scan);
    }
    *has_offset = scan.at < scan.end;
    if (*has_offset && (!take_offset(&scan, &offset_us) || scan.at < scan.end))
        return 0;
    return finish(&civil, offset_us, timestamp_us);
}

int wr_date_parse(const char *text, size_t length, int64_t *days) {
    struct scan scan = {text, text + length};
    struct wr_civil civil = {0};
    int64_t unused;
    if (!take_date(&scan, &civil) || scan.at < scan.end ||
        !wr_timestamp_from_civil(&civil, &unused))
        return 0;
    *days = wr_days_from_civil(civil.year, civil.month, civil.day);
    return 1;
}

/* A number since 1970 in units of `unit_ns`, with a fraction if it has one; cut toward the past. */
static int parse_epoch(const char *text, size_t length, int64_t unit_ns, int64_t *timestamp_us) {
    enum { SCALE = 9 };
    __int128 value, limit = ((__int128)1 << 120) / unit_ns; /* so that no product overflows */
    const char *point = memchr(text, '.', length);
    if (point != NULL && text + length - point - 1 > SCALE) { /* digits that cannot count */
        for (const char *digit = point + 1 + SCALE; digit < text + length; digit++)
            if ((unsigned)(*digit - '0') > 9)
                return 0;
        length = (size_t)(point - text) + 1 + SCALE;
    }
    if (length == 0 || !wr_decimal_parse(text, length, WR_DECIMAL_DIGITS_MAX, SCALE, &value) ||
        value > limit || value < -limit)
        return 0;
    __int128 product = value * unit_ns, divisor = (__int128)1000 * 1000000000;
    __int128 result = product / divisor - (product % divisor < 0);
    *timestamp_us = (int64_t)result;
    return result == *timestamp_us;
}

static int64_t epoch_unit_ns(const char *format) {
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(format, units[i].name) == 0)
            return units[i].ns;
    return 0;
}

/* What the parts of a strptime format have given so far. */
struct parsed {
    struct wr_civil civil;
    int64_t offset_us, epoch_s;
    int has_offset, has_epoch, afternoon, hour12, day_of_year;
};

/* The index of the name (or its first three letters) that stands here, or -1. */
static int take_name(struct scan *scan, const char *const *names, int count) {
    size_t left = (size_t)(scan->end - scan->at);
    for (int i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (left >= length && strncasecmp(scan->at, names[i], length) == 0) {
            scan->at += length;
            return i;
        }
    }
    for (int i = 0; i < count; i++) {
        if (left >= 3 && strncasecmp(scan->at, names[i], 3) == 0) {
            scan->at += 3;
            return i;
        }
    }
    return -1;
}

static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};
static const char *const day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};

static int take_spec(struct scan *scan, char spec, struct parsed *parsed);

static int take_sequence(struct scan *scan, const char *specs, struct parsed *parsed) {
    for (; *specs != 0; specs++)
        if (specs[0] >= 'A' ? !take_spec(scan, *specs, parsed) : !take(scan, *specs))
            return 0;
    return 1;
}

static int take_half(struct scan *scan, struct parsed *parsed) {
    if (scan->end - scan->at < 2 || (scan->at[1] | 32) != 'm')
        return 0;
    parsed->afternoon = (scan->at[0] | 32) == 'p';
    int known = parsed->afternoon || (scan->at[0] | 32) == 'a';
    scan->at += 2;
    parsed->hour12 |= 2;
    return known;
}

static int take_zone_name(struct scan *scan, struct parsed *parsed) {
    static const char *const zones[] = {"UTC", "GMT"};
    parsed->has_offset = 1;
    return take(scan, 'Z') || take_name(scan, zones, 2) >= 0;
}

static int take_epoch(struct scan *scan, struct parsed *parsed) {
    int negative = take(scan, '-');
    int64_t seconds = take_number(scan, 1, 15);
    parsed->has_epoch = parsed->has_offset = 1;
    parsed->epoch_s = negative ? -seconds : seconds;
    return seconds >= 0;
}

static int take_small(struct scan *scan, int digits, int *part) {
    *part = (int)take_number(scan, 1, digits);
    return *part >= 0;
}

static int take_spec(struct scan *scan, char spec, struct parsed *parsed) {
    struct wr_civil *civil = &parsed->civil;
    switch (spec) {
    case 'Y': {
        int negative = take(scan, '-');
        civil->year = take_number(scan, 1, 4);
        int found = civil->year >= 0;
        civil->year = negative ? -civil->year : civil->year;
        return found;
    }
    case 'y':
        civil->year = take_number(scan, 2, 2);
        civil->year += civil->year < 0 ? 0 : civil->year < 69 ? 2000 : 1900;
        return civil->year >= 0;
    case 'm': return take_small(scan, 2, &civil->month);
    case 'e': take(scan, ' '); return take_small(scan, 2, &civil->day);
    case 'd': return take_small(scan, 2, &civil->day);
    case 'H': return take_small(scan, 2, &civil->hour);
    case 'I':
        parsed->hour12 |= 1;
        return take_small(scan, 2, &civil->hour) && civil->hour >= 1 && civil->hour <= 12;
    case 'M': return take_small(scan, 2, &civil->minute);
    case 'S': return take_small(scan, 2, &civil->second);
    case 'f': civil->microsecond = take_fraction(scan); return civil->microsecond >= 0;
    case 'j': return take_small(scan, 3, &parsed->day_of_year) && parsed->day_of_year >= 1;
    case 'b':
    case 'h':
    case 'B': civil->month = take_name(scan, month_names, 12) + 1; return civil->month > 0;
    case 'a':
    case 'A': return take_name(scan, day_names, 7) >= 0;
    case 'p': return take_half(scan, parsed);
    case 'z': parsed->has_offset = 1; return take_offset(scan, &parsed->offset_us);
    case 'Z': return take_zone_name(scan, parsed);
    case 's': return take_epoch(scan, parsed);
    case 'T': return take_sequence(scan, "H:M:S", parsed);
    case 'F': return take_sequence(scan, "Y-m-d", parsed);
    case '%': return take(scan, '%');
    default: return 0;
    }
}

static int parsed_finish(struct parsed *parsed, int64_t *timestamp_us) {
    struct wr_civil *civil = &parsed->civil;
    if (parsed->has_epoch) {
        return !__builtin_mul_overflow(parsed->epoch_s, WR_US_PER_SECOND, timestamp_us) &&
               !__builtin_add_overflow(*timestamp_us, civil->microsecond, timestamp_us);
    }
    if (parsed->hour12 == 3) /* %I with %p */
        civil->hour = civil->hour % 12 + 12 * parsed->afternoon;
    if (parsed->day_of_year > 0) {
        int64_t days = wr_days_from_civil(civil->year, 1, 1) + parsed->day_of_year - 1, year;
        wr_civil_from_days(days, &year, &civil->month, &civil->day);
        if (year != civil->year)
            return 0;
    }
    return finish(civil, parsed->offset_us, timestamp_us);
}

static int is_blank(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static int parse_strptime(const char *format, const char *text, size_t length,
                          int64_t *timestamp_us, int *has_offset) {
    struct scan scan = {text, text + length};
    struct parsed parsed = {.civil = {.year = 1970, .month = 1, .day = 1}};
    for (; *format != 0; format++) {
        if (*format == '%' && format[1] != 0) {
            if (!take_spec(&scan, *++format, &parsed))
                return 0;
        } else if (is_blank(*format)) { /* any number of blanks, none too */
            while (scan.at < scan.end && is_blank(*scan.at))
                scan.at++;
        } else if (!take(&scan, *format)) {
            return 0;
        }
    }
    *has_offset = parsed.has_offset;
    return scan.at == scan.end && parsed_finish(&parsed, timestamp_us);
}

int wr_timestamp_parse_local(const char *format, const char *text, size_t length,
                             int64_t *timestamp_us, int *has_offset) {
    if (format == NULL)
        return parse_rfc3339(text, length, timestamp_us, has_offset);
    int64_t unit_ns = epoch_unit_ns(format);
    *has_offset = 1;
    if (unit_ns != 0)
        return parse_epoch(text, length, unit_ns, timestamp_us);
    return parse_strptime(format, text, length, timestamp_us, has_offset);
}

int wr_timestamp_parse(const char *text, size_t length, int64_t *timestamp_us) {
    int has_offset;
    return parse_rfc3339(text, length, timestamp_us, &has_offset);
}

int wr_timestamp_parse_as(const char *format, const char *text, size_t length,
                          int64_t *timestamp_us) {
    int has_offset;
    return wr_timestamp_parse_local(format, text, length, timestamp_us, &has_offset);
}
