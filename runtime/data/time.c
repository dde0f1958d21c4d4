/* time.c: the calendar, and times as text. Reading them is in time_parse.c. */
#include "data/time.h"

#include <string.h>

#include "data/digits.h"
#include "data/time_write.h"
#include "base/assert.h"
#include "base/banned.h"

int64_t wr_days_from_civil(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void wr_civil_from_days(int64_t days, int64_t *year, int *month, int *day) {
    /* A day beyond any calendar is taken for the last one that can be reckoned with. */
    days = WR_MAX(WR_MIN(days, INT64_C(1) << 60), -(INT64_C(1) << 60));
    int64_t shifted = days + 719468; /* days since 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    uint32_t day_of_era = (uint32_t)(shifted - era * 146097);
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *year = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

void wr_civil_from_timestamp(int64_t timestamp_us, struct wr_civil *civil) {
    int64_t days = timestamp_us / WR_US_PER_DAY, rest = timestamp_us % WR_US_PER_DAY;
    if (rest < 0) {
        days--;
        rest += WR_US_PER_DAY;
    }
    wr_civil_from_days(days, &civil->year, &civil->month, &civil->day);
    uint32_t seconds = (uint32_t)((uint64_t)rest / WR_US_PER_SECOND);
    civil->microsecond = (int)((uint64_t)rest - seconds * (uint64_t)WR_US_PER_SECOND);
    civil->hour = (int)(seconds / 3600);
    civil->minute = (int)(seconds / 60 % 60);
    civil->second = (int)(seconds % 60);
}

int wr_timestamp_from_civil(const struct wr_civil *civil, int64_t *timestamp_us) {
    static const unsigned char month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (civil->month < 1 || civil->month > 12 || civil->day < 1 || civil->hour < 0 ||
        civil->hour > 23 || civil->minute < 0 || civil->minute > 59 || civil->second < 0 ||
        civil->second > 59 || civil->microsecond < 0 || civil->microsecond > 999999)
        return 0;
    if (civil->year < -400000 || civil->year > 400000) /* far outside, and the sums stay small */
        return 0;
    int leap = civil->year % 4 == 0 && (civil->year % 100 != 0 || civil->year % 400 == 0);
    if (civil->day > month_days[civil->month - 1] + (leap && civil->month == 2))
        return 0;
    int64_t days = wr_days_from_civil(civil->year, civil->month, civil->day);
    int64_t within =
        ((civil->hour * INT64_C(60) + civil->minute) * 60 + civil->second) * WR_US_PER_SECOND +
        civil->microsecond;
    /* The first day that begins in range only in part: counted from its end. */
    int64_t borrow = days < 0;
    return !__builtin_mul_overflow(days + borrow, WR_US_PER_DAY, timestamp_us) &&
           !__builtin_add_overflow(*timestamp_us, within - borrow * WR_US_PER_DAY, timestamp_us);
}

static char *put_pair(char *at, int value) {
    memcpy(at, wr_digit_pairs + value * 2, 2);
    return at + 2;
}

/* Four digits; outside 0 … 9999 a sign and six, as ISO 8601 has it. */
static char *put_date(char *at, int64_t year, int month, int day) {
    if (year < 0 || year > 9999) {
        *at++ = year < 0 ? '-' : '+';
        uint64_t magnitude = (uint64_t)(year < 0 ? -year : year);
        for (uint64_t power = 100000; magnitude < power && power > 1; power /= 10)
            *at++ = '0';
        at = wr_put_u64(at, magnitude);
    } else {
        at = put_pair(at, (int)year / 100);
        at = put_pair(at, (int)year % 100);
    }
    *at++ = '-';
    at = put_pair(at, month);
    *at++ = '-';
    return put_pair(at, day);
}

/* `.123` or `.123456`; nothing for 0. */
static char *put_fraction(char *at, int microsecond) {
    if (microsecond == 0)
        return at;
    *at++ = '.';
    int millis = microsecond / 1000, micros = microsecond % 1000;
    *at++ = (char)('0' + millis / 100);
    at = put_pair(at, millis % 100);
    if (micros == 0)
        return at;
    *at++ = (char)('0' + micros / 100);
    return put_pair(at, micros % 100);
}

static size_t ended(const char *text, char *at) {
    *at = 0;
    return (size_t)(at - text);
}

size_t wr_timestamp_format(int64_t timestamp_us, char text[WR_TIME_TEXT_MAX]) {
    struct wr_civil civil;
    wr_civil_from_timestamp(timestamp_us, &civil);
    char *at = put_date(text, civil.year, civil.month, civil.day);
    *at++ = 'T';
    at = put_pair(at, civil.hour);
    *at++ = ':';
    at = put_pair(at, civil.minute);
    *at++ = ':';
    at = put_fraction(put_pair(at, civil.second), civil.microsecond);
    *at++ = 'Z';
    return ended(text, at);
}

void wr_day_memo_set(struct wr_day_memo *memo, int64_t timestamp_us) {
    struct wr_civil civil;
    wr_civil_from_timestamp(timestamp_us, &civil);
    char *end = put_date(memo->text, civil.year, civil.month, civil.day);
    *end++ = 'T';
    memo->length = (uint32_t)(end - memo->text);
    uint64_t within = ((uint64_t)(civil.hour * 60 + civil.minute) * 60 + (uint64_t)civil.second) *
                          WR_US_PER_SECOND +
                      (uint64_t)civil.microsecond;
    memo->day_us = (int64_t)((uint64_t)timestamp_us - within);
    /* The first day begins before the range, and the last one ends behind it: what wraps into the
     * other is not kept. */
    memo->known =
        timestamp_us >= INT64_MIN + WR_US_PER_DAY && timestamp_us <= INT64_MAX - WR_US_PER_DAY;
}

size_t wr_date_format(int64_t days, char text[WR_TIME_TEXT_MAX]) {
    int64_t year;
    int month, day;
    wr_civil_from_days(days, &year, &month, &day);
    return ended(text, put_date(text, year, month, day));
}

struct duration_parts {
    int negative;
    uint64_t days;
    unsigned hours, minutes, seconds, microseconds;
};

static struct duration_parts duration_take_apart(int64_t duration_us) {
    struct duration_parts parts = {.negative = duration_us < 0};
    uint64_t rest = duration_us < 0 ? 0 - (uint64_t)duration_us : (uint64_t)duration_us;
    parts.microseconds = (unsigned)(rest % WR_US_PER_SECOND);
    rest /= WR_US_PER_SECOND;
    parts.days = rest / 86400;
    parts.hours = (unsigned)(rest % 86400 / 3600);
    parts.minutes = (unsigned)(rest % 3600 / 60);
    parts.seconds = (unsigned)(rest % 60);
    return parts;
}

static char *put_part(char *at, uint64_t value, const char *unit) {
    if (value == 0)
        return at;
    at = wr_put_u64(at, value);
    while (*unit != 0)
        *at++ = *unit++;
    return at;
}

size_t wr_duration_format(int64_t duration_us, char text[WR_TIME_TEXT_MAX]) {
    struct duration_parts parts = duration_take_apart(duration_us);
    char *at = text;
    if (parts.negative)
        *at++ = '-';
    *at++ = 'P';
    at = put_part(at, parts.days, "D");
    if (parts.hours + parts.minutes + parts.seconds + parts.microseconds == 0) {
        if (parts.days == 0) {
            memcpy(at, "T0S", 3);
            at += 3;
        }
        return ended(text, at);
    }
    *at++ = 'T';
    at = put_part(at, parts.hours, "H");
    at = put_part(at, parts.minutes, "M");
    if (parts.seconds + parts.microseconds > 0) {
        at = put_fraction(wr_put_u64(at, parts.seconds), (int)parts.microseconds);
        *at++ = 'S';
    }
    return ended(text, at);
}

size_t wr_duration_format_short(int64_t duration_us, char text[WR_TIME_TEXT_MAX]) {
    struct duration_parts parts = duration_take_apart(duration_us);
    char *at = text;
    if (duration_us == 0) {
        memcpy(text, "0s", 3);
        return 2;
    }
    if (parts.negative)
        *at++ = '-';
    at = put_part(at, parts.days, "d");
    at = put_part(at, parts.hours, "h");
    at = put_part(at, parts.minutes, "m");
    at = put_part(at, parts.seconds, "s");
    at = put_part(at, parts.microseconds / 1000, "ms");
    at = put_part(at, parts.microseconds % 1000, "us");
    return ended(text, at);
}
