/* swar.h: eight digits at a time in a machine word (little-endian). All loads read 8 bytes, which
 * have to be readable; what stands behind the digits does not matter.
 * Source: Lemire, "Quickly parsing eight digits", 2018. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "data/digits.h"

static inline uint64_t wr_load64(const char *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}
static inline uint32_t wr_load32(const char *at) {
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

/* The digits of a word as numbers 0 to 9, first digit lowest; *count of them lead (0 to 8). */
static inline uint64_t wr_swar_digits(const char *at, unsigned *count) {
    uint64_t digits = wr_load64(at) ^ UINT64_C(0x3030303030303030);
    uint64_t other =
        (digits | (digits + UINT64_C(0x7676767676767676))) & UINT64_C(0x8080808080808080);
    *count = other == 0 ? 8 : (unsigned)__builtin_ctzll(other) / 8;
    return digits;
}
/* The value of eight digits. */
static inline uint64_t wr_swar_value(uint64_t digits) {
    digits = digits * 10 + (digits >> 8);
    return ((digits & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
            (digits >> 16 & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
           32;
}
/* The value of the first `count` of them, 1 to 8: shifted up, zeros come in front. */
static inline uint64_t wr_swar_value_of(uint64_t digits, unsigned count) {
    return wr_swar_value(digits << (64 - 8 * count));
}

/* Digits at `at`, up to 19 of them, into *value; returns how many, 0 when there are none or more.
 * 24 bytes are read. */
static inline unsigned wr_swar_u64(const char *at, uint64_t *value) {
    unsigned count, more, rest;
    uint64_t digits = wr_swar_digits(at, &count);
    if (count < 8) {
        *value = count == 0 ? 0 : wr_swar_value_of(digits, count);
        return count;
    }
    uint64_t sum = wr_swar_value(digits);
    digits = wr_swar_digits(at + 8, &more);
    if (more < 8) {
        *value = more == 0 ? sum : sum * wr_pow10_u64[more] + wr_swar_value_of(digits, more);
        return 8 + more;
    }
    sum = sum * 100000000 + wr_swar_value(digits);
    digits = wr_swar_digits(at + 16, &rest);
    if (rest > 3)
        return 0;
    *value = rest == 0 ? sum : sum * wr_pow10_u64[rest] + wr_swar_value_of(digits, rest);
    return 16 + rest;
}
