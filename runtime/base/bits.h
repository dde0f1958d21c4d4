/* bits.h: bitmaps of one bit a row, 64 rows a word, as validity and dirty marks use them. */
#pragma once
#include <stdint.h>

#define WR_BITS_WORDS(count) (((uint64_t)(count) + 63) / 64)

/* Of a value that is not 0: the greatest power of two in it, and which one it is. */
static inline uint32_t wr_log2_floor(uint32_t value) {
    return 31 - (uint32_t)__builtin_clz(value);
}
static inline uint32_t wr_power_floor(uint32_t value) {
    return UINT32_C(1) << wr_log2_floor(value);
}

static inline int wr_bit_get(const uint64_t *bits, uint64_t index) {
    return (int)(bits[index / 64] >> (index % 64) & 1);
}
static inline void wr_bit_set(uint64_t *bits, uint64_t index) {
    bits[index / 64] |= UINT64_C(1) << (index % 64);
}
static inline void wr_bit_clear(uint64_t *bits, uint64_t index) {
    bits[index / 64] &= ~(UINT64_C(1) << (index % 64));
}
static inline void wr_bit_put(uint64_t *bits, uint64_t index, int value) {
    uint64_t mask = UINT64_C(1) << (index % 64);
    bits[index / 64] = (bits[index / 64] & ~mask) | (value ? mask : 0);
}
