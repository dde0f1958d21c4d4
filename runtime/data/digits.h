/* digits.h: digits to and from machine words; inlined into decoders and encoders. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern const char wr_digit_pairs[200];   /* "00" "01" … "99" */
extern const double wr_pow10_double[23]; /* 10^0 … 10^22, all exact */

#define WR_INT64_TEXT_MAX 20

extern const uint64_t wr_pow10_u64[20]; /* 10^0 … 10^19 */

/* Digits of `value`, 1 to 20. */
static inline unsigned wr_digit_count(uint64_t value) {
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12; /* bits times log10(2) */
    return guess + (value >= wr_pow10_u64[guess < 20 ? guess : 19]) + (value == 0);
}

/* Eight digits of a value below 10^8 as text in a word: halves, quarters, digits, each in its own
 * part of the word. */
static inline uint64_t wr_eight_digits(uint32_t value) {
    uint64_t halves = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = halves * 10486 >> 20 & UINT64_C(0x0000007f0000007f);
    uint64_t quarters = hundreds | (halves - hundreds * 100) << 16;
    uint64_t tens = quarters * 103 >> 10 & UINT64_C(0x000f000f000f000f);
    return (tens | (quarters - tens * 10) << 8) + UINT64_C(0x3030303030303030);
}

/* Writes the digits of `value`; returns where they end. At most 20 bytes, and never fewer than 8
 * are written over. */
static inline char *wr_put_u64(char *text, uint64_t value) {
    uint64_t word;
    unsigned count = wr_digit_count(value);
    if (value >= 10000000000000000u) {
        uint64_t high = value / 10000000000000000u;
        unsigned high_count = count - 16;
        word = wr_eight_digits((uint32_t)high) >> (64 - 8 * high_count);
        memcpy(text, &word, 8);
        text += high_count;
        value -= high * 10000000000000000u;
        count = 16;
    }
    if (count > 8) {
        uint64_t high = value / 100000000;
        word = wr_eight_digits((uint32_t)high) >> (8 * (16 - count));
        memcpy(text, &word, 8);
        text += count - 8;
        value -= high * 100000000;
        count = 8;
    }
    word = wr_eight_digits((uint32_t)value) >> (64 - 8 * count);
    memcpy(text, &word, 8);
    return text + count;
}

static inline char *wr_put_int64(char *text, int64_t value) {
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *text = '-';
    return wr_put_u64(text + (value < 0), magnitude);
}
