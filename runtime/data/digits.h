/* digits.h: digits to and from machine words; inlined into decoders and encoders. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern const char wr_digit_pairs[200];   /* "00" "01" … "99" */
extern const double wr_pow10_double[23]; /* 10^0 … 10^22, all exact */

#define WR_INT64_TEXT_MAX 20

/* Writes the digits of `value`; returns where they end. At most 20 bytes. */
static inline char *wr_put_u64(char *text, uint64_t value) {
    char reversed[24];
    char *at = reversed + 24;
    while (value >= 100) {
        uint64_t rest = value / 100;
        at -= 2;
        memcpy(at, wr_digit_pairs + (value - rest * 100) * 2, 2);
        value = rest;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(at, wr_digit_pairs + value * 2, 2);
    } else {
        *--at = (char)('0' + value);
    }
    size_t count = (size_t)(reversed + 24 - at);
    memcpy(text, at, count);
    return text + count;
}

static inline char *wr_put_int64(char *text, int64_t value) {
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *text = '-';
    return wr_put_u64(text + (value < 0), magnitude);
}
