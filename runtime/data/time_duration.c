/* time_duration.c: durations from text, "1h30m" and ISO 8601 "P1DT1H30M". */
#include <string.h>

#include "data/time.h"
#include "base/banned.h"

struct duration_scan {
    const char *at, *end;
    __int128 total_us; /* without the sign; stays below 2^64 */
};

/* A number with a fraction of at most 9 digits, times `unit_us`; what is left of a microsecond is
 * refused. The unit is not known until the number is read, so the two are kept apart. */
struct quantity {
    uint64_t whole, fraction_e9;
};

static int take_quantity(struct duration_scan *scan, struct quantity *quantity) {
    int digits = 0, behind = 0;
    *quantity = (struct quantity){0};
    for (; scan->at < scan->end && (unsigned)(*scan->at - '0') <= 9; scan->at++, digits++)
        if (__builtin_mul_overflow(quantity->whole, 10u, &quantity->whole) ||
            __builtin_add_overflow(quantity->whole, (unsigned)(*scan->at - '0'), &quantity->whole))
            return 0;
    if (scan->at < scan->end && *scan->at == '.' && digits > 0) {
        for (scan->at++; scan->at < scan->end && (unsigned)(*scan->at - '0') <= 9; scan->at++) {
            if (++behind > 9)
                return 0;
            quantity->fraction_e9 = quantity->fraction_e9 * 10 + (unsigned)(*scan->at - '0');
        }
        if (behind == 0)
            return 0;
        for (; behind < 9; behind++)
            quantity->fraction_e9 *= 10;
    }
    return digits > 0;
}

static int add_quantity(struct duration_scan *scan, const struct quantity *quantity,
                        int64_t unit_us) {
    __int128 fraction = (__int128)quantity->fraction_e9 * unit_us;
    if (fraction % 1000000000 != 0)
        return 0;
    scan->total_us += (__int128)quantity->whole * unit_us + fraction / 1000000000;
    return scan->total_us < (__int128)1 << 64;
}

static const struct unit {
    char name[3];
    int64_t us;
} short_units[] = {{"us", 1},
                   {"ms", 1000},
                   {"s", WR_US_PER_SECOND},
                   {"m", 60 * WR_US_PER_SECOND},
                   {"h", 3600 * WR_US_PER_SECOND},
                   {"d", WR_US_PER_DAY},
                   {"w", 7 * WR_US_PER_DAY}};

static int64_t take_short_unit(struct duration_scan *scan) {
    for (size_t i = 0; i < sizeof short_units / sizeof short_units[0]; i++) {
        size_t length = strlen(short_units[i].name);
        if ((size_t)(scan->end - scan->at) >= length &&
            memcmp(scan->at, short_units[i].name, length) == 0) {
            scan->at += length;
            return short_units[i].us;
        }
    }
    return 0;
}

static int parse_short(struct duration_scan *scan) {
    while (scan->at < scan->end) {
        struct quantity quantity;
        if (!take_quantity(scan, &quantity))
            return 0;
        int64_t unit_us = take_short_unit(scan);
        if (unit_us == 0 || !add_quantity(scan, &quantity, unit_us))
            return 0;
    }
    return 1;
}

/* Behind `P`: weeks and days, then `T` and hours, minutes, seconds, each at most once and in this
 * order. Months and years have no length and are refused. */
static int parse_iso(struct duration_scan *scan) {
    static const struct unit date_units[] = {{"W", 7 * WR_US_PER_DAY}, {"D", WR_US_PER_DAY}};
    static const struct unit time_units[] = {
        {"H", 3600 * WR_US_PER_SECOND}, {"M", 60 * WR_US_PER_SECOND}, {"S", WR_US_PER_SECOND}};
    const struct unit *unit = date_units, *units_end = date_units + 2;
    int count = 0, in_time = 0;
    while (scan->at < scan->end) {
        struct quantity quantity;
        if (*scan->at == 'T' && !in_time) {
            unit = time_units, units_end = time_units + 3;
            in_time = 1;
            if (++scan->at == scan->end)
                return 0;
        }
        if (!take_quantity(scan, &quantity) || scan->at == scan->end)
            return 0;
        while (unit < units_end && unit->name[0] != *scan->at)
            unit++;
        if (unit == units_end || !add_quantity(scan, &quantity, unit->us))
            return 0;
        scan->at++, unit++, count++;
    }
    return count > 0;
}

int wr_duration_parse(const char *text, size_t length, int64_t *duration_us) {
    struct duration_scan scan = {text, text + length, 0};
    int negative = length > 0 && *text == '-';
    scan.at += negative || (length > 0 && *text == '+');
    if (scan.at == scan.end)
        return 0;
    if (*scan.at == 'P') {
        scan.at++;
        if (!parse_iso(&scan))
            return 0;
    } else if (!parse_short(&scan)) {
        return 0;
    }
    if (scan.total_us > (__int128)INT64_MAX + negative)
        return 0;
    *duration_us = (int64_t)(negative ? -scan.total_us : scan.total_us);
    return 1;
}
