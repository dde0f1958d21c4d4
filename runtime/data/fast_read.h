/* fast_read.h: reading numbers and making views in the loops that guess what comes. Each reads up
 * to 24 bytes from `at`, which have to be readable, and returns behind what it took, or NULL when
 * the text is not the usual one: then an exact reader has to look at it. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "data/swar.h"
#include "data/type.h"

/* Bytes of a short string that stay, as two words: of the first 4, of the next 8. */
static const uint32_t wr_head_masks[13] = {
    0,          0xff,       0xffff,     0xffffff,   0xffffffff, 0xffffffff, 0xffffffff,
    0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
static const uint64_t wr_tail_masks[13] = {0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0xff,
                                           0xffff,
                                           0xffffff,
                                           0xffffffff,
                                           0xffffffffff,
                                           0xffffffffffff,
                                           0xffffffffffffff,
                                           UINT64_MAX};

/* A view without a branch on its length. */
static inline void wr_put_view(struct wr_str *out, const char *at, uint32_t length) {
    uint32_t index = length < 12 ? length : 12;
    uint64_t words[2] = {length | (uint64_t)(wr_load32(at) & wr_head_masks[index]) << 32,
                         wr_load64(at + 4) & wr_tail_masks[index]};
    words[1] = length > WR_STR_INLINE_MAX ? (uint64_t)(uintptr_t)at : words[1];
    memcpy(out, words, sizeof words);
}

static inline const char *wr_read_int64(int64_t *out, const char *at) {
    uint64_t value, negative = *at == '-';
    unsigned count = wr_swar_u64(at + negative, &value);
    if (WR_UNLIKELY(count == 0 || value > (uint64_t)INT64_MAX + negative))
        return NULL;
    *out = (int64_t)((value ^ (0 - negative)) + negative);
    return at + negative + count;
}

/* Up to 7 digits on each side of the point are exact by one division. No exponent is taken.
 * Source: Clinger, "How to read floating point numbers accurately", 1990. */
static inline const char *wr_read_float64(double *out, const char *at) {
    unsigned whole_count, count = 0;
    const char *first = at + (*at == '-');
    uint64_t digits = wr_swar_digits(first, &whole_count);
    if (WR_UNLIKELY(whole_count == 0 || whole_count == 8))
        return NULL;
    uint64_t whole = wr_swar_value_of(digits, whole_count);
    double value = (double)whole;
    const char *end = first + whole_count;
    if (*end == '.') {
        digits = wr_swar_digits(end + 1, &count);
        if (WR_UNLIKELY(count == 0 || count == 8))
            return NULL;
        whole = whole * wr_pow10_u64[count] + wr_swar_value_of(digits, count);
        value = (double)whole / wr_pow10_double[count];
        end += 1 + count;
    }
    *out = *at == '-' ? -value : value;
    return end;
}

/* The same by the grammar of JSON: a leading 0 stands alone, an exponent may follow. */
static inline int wr_json_leading_zero(const char *at) {
    at += *at == '-';
    return *at == '0' && (unsigned)(at[1] - '0') <= 9;
}
