/* bits.h: bitmaps of one bit a row, 64 rows a word, as validity and dirty marks use them. */
#pragma once
#include <stdint.h>

#define WR_BITS_WORDS(count) (((uint64_t)(count) + 63) / 64)

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
