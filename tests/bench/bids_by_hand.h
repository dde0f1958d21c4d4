/* bids_by_hand.h: what a C programmer writes who has nothing to read but these bids: the keys are
 * known, and so are their order and types. It checks what a parser has to check (digits, control
 * bytes, escapes, UTF-8, the calendar) and counts the lines that are otherwise. */
#pragma once
#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HAND_ROWS 1024

struct hand_text {
    const char *at;
    uint32_t length;
};

struct hand_batch {
    int64_t auction[HAND_ROWS], bidder[HAND_ROWS], price[HAND_ROWS], time_us[HAND_ROWS];
    struct hand_text channel[HAND_ROWS], url[HAND_ROWS], extra[HAND_ROWS];
};

static inline const char *hand_key(const char *at, const char *key, size_t length) {
    return at != NULL && memcmp(at, key, length) == 0 ? at + length : NULL;
}
#define HAND_KEY(at, key) hand_key(at, key, sizeof(key) - 1)

static inline const char *hand_int(const char *at, int64_t *value) {
    uint64_t sum = 0;
    if (at == NULL)
        return NULL;
    const char *first = at;
    for (; (unsigned)(*at - '0') <= 9; at++)
        sum = sum * 10 + (unsigned)(*at - '0');
    if (at == first || at - first > 18 || (*first == '0' && at - first > 1))
        return NULL;
    *value = (int64_t)sum;
    return at;
}

static bool hand_utf8(const char *text, size_t length) {
    for (size_t i = 0; i < length;) {
        unsigned char byte = (unsigned char)text[i];
        size_t more = byte < 0x80 ? 0 : byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
        if ((more > 0 && byte < 0xc2) || byte > 0xf4 || length - i <= more)
            return false;
        for (size_t k = 1; k <= more; k++)
            if (((unsigned char)text[i + k] & 0xc0) != 0x80)
                return false;
        i += more + 1;
    }
    return true;
}

/* Up to the quote; a string with an escape is not taken. */
static inline const char *hand_string(const char *at, struct hand_text *text) {
    if (at == NULL)
        return NULL;
    const char *first = at;
    int high = 0;
    for (;; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        found =
            _mm_or_si128(found, _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes));
        int mask = _mm_movemask_epi8(found);
        high |= _mm_movemask_epi8(bytes);
        if (mask != 0) {
            at += __builtin_ctz((unsigned)mask);
            break;
        }
    }
    text->at = first;
    text->length = (uint32_t)(at - first);
    return *at == '"' && (high == 0 || hand_utf8(first, text->length)) ? at + 1 : NULL;
}

static inline int hand_two(const char *at) {
    unsigned a = (unsigned)(at[0] - '0'), b = (unsigned)(at[1] - '0');
    return a <= 9 && b <= 9 ? (int)(a * 10 + b) : -1000000;
}

/* `2020-09-13T12:26:40.123Z"`; the day of the line before is kept. */
static inline const char *hand_time(const char *at, int64_t *time_us) {
    static char day[10];
    static int64_t day_us;
    if (at == NULL)
        return NULL;
    if (memcmp(at, day, 10) != 0) {
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        int year = hand_two(at) * 100 + hand_two(at + 2), month = hand_two(at + 5);
        int date = hand_two(at + 8), leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        if (year < 0 || month < 1 || month > 12 || date < 1 || at[4] != '-' || at[7] != '-' ||
            date > lengths[month - 1] + (month == 2 && leap))
            return NULL;
        int64_t y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
        int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + date - 1;
        day_us = (era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468) *
                 INT64_C(86400000000);
        memcpy(day, at, 10);
    }
    int hour = hand_two(at + 11), minute = hand_two(at + 14), second = hand_two(at + 17);
    int millis = hand_two(at + 20) * 10 + hand_two(at + 21) % 10;
    if (at[10] != 'T' || at[13] != ':' || at[16] != ':' || at[19] != '.' || at[23] != 'Z' ||
        at[24] != '"' || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
        second > 59 || millis < 0)
        return NULL;
    *time_us = day_us + ((hour * 60 + minute) * INT64_C(60) + second) * 1000000 + millis * 1000;
    return at + 25;
}

static inline const char *hand_row(const char *at, struct hand_batch *to, uint32_t row) {
    at = hand_int(HAND_KEY(at, "{\"auction\":"), &to->auction[row]);
    at = hand_int(HAND_KEY(at, ",\"bidder\":"), &to->bidder[row]);
    at = hand_int(HAND_KEY(at, ",\"price\":"), &to->price[row]);
    at = hand_string(HAND_KEY(at, ",\"channel\":\""), &to->channel[row]);
    at = hand_string(HAND_KEY(at, ",\"url\":\""), &to->url[row]);
    at = hand_time(HAND_KEY(at, ",\"dateTime\":\""), &to->time_us[row]);
    at = hand_string(HAND_KEY(at, ",\"extra\":\""), &to->extra[row]);
    return HAND_KEY(at, "}\n");
}
