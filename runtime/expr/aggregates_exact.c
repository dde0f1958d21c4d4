/* aggregates_exact.c: sums of floats without rounding, so that a frame which moves along rows is
 * the sum of what is in it and of nothing else: what came and went leaves no trace, and neither the
 * order nor the way there matters. The result is the one float nearest to the true sum.
 *
 * A float is m * 2^(p - 1074) with a whole m of 53 bits; the sum is held in digits of 32 bits, each
 * in a word of 64, from the lowest that was needed to the highest. Taking a value back subtracts
 * the same digits, so 2^31 values can be held without a carry; carries are done for the result.
 * Source: Neal, "Fast exact summation using small and large superaccumulators", 2015. */
#include <math.h>

#include "expr/aggregates.h"
#include "base/banned.h"

struct exact_state {
    struct wr_blob blob; /* digits, lowest first */
    uint32_t low;        /* the number of the first digit: its weight is 2^(32 * low - 1074) */
    uint32_t nans, plus, minus;
    uint64_t count;
};
static const struct wr_cell exact_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct exact_state, blob)}};

#define DIGITS_MAX 68
#define VALUE_DIGITS 3 /* of one float: 53 bits from any of 32 */

/* Room for digits first … first + VALUE_DIGITS - 1. */
static int make_room(struct wr_table *table, struct exact_state *state, uint32_t first) {
    uint32_t count = state->blob.length / 8;
    uint32_t low = count == 0 ? first : WR_MIN(state->low, first);
    uint32_t end = WR_MAX(first + VALUE_DIGITS, count == 0 ? 0 : state->low + count);
    if (count > 0 && low == state->low && end == low + count)
        return WR_OK;
    uint32_t bytes = (end - low) * 8, ahead = count == 0 ? 0 : (state->low - low) * 8;
    int status = wr_blob_more(table, &state->blob, bytes - state->blob.length);
    if (status != WR_OK)
        return status;
    memmove(state->blob.bytes + ahead, state->blob.bytes, count * 8);
    memset(state->blob.bytes, 0, ahead);
    memset(state->blob.bytes + ahead + count * 8, 0, bytes - ahead - count * 8);
    state->blob.length = bytes;
    state->low = low;
    return WR_OK;
}

static int exact_put(struct wr_table *table, struct exact_state *state, double value, int sign) {
    uint32_t one = sign > 0 ? 1 : UINT32_MAX;
    state->count += (uint64_t)(int64_t)sign;
    if (value != value) {
        state->nans += one;
        return WR_OK;
    }
    if (value - value != 0) {
        *(value > 0 ? &state->plus : &state->minus) += one;
        return WR_OK;
    }
    uint64_t bits;
    memcpy(&bits, &value, 8);
    uint32_t exponent = (uint32_t)(bits >> 52) & 0x7ff;
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent > 0)
        mantissa |= UINT64_C(1) << 52;
    if (mantissa == 0)
        return WR_OK;
    uint32_t place = exponent > 0 ? exponent - 1 : 0, first = place / 32;
    if (WR_UNLIKELY(state->blob.length == 0 || first < state->low ||
                    first + VALUE_DIGITS > state->low + state->blob.length / 8)) {
        int status = make_room(table, state, first);
        if (status != WR_OK)
            return status;
    }
    unsigned __int128 shifted = (unsigned __int128)mantissa << place % 32;
    int64_t *digits = (int64_t *)(void *)state->blob.bytes + (first - state->low);
    int64_t by = (bits >> 63 ? -1 : 1) * sign;
    digits[0] += by * (int64_t)(uint32_t)shifted;
    digits[1] += by * (int64_t)(uint32_t)(shifted >> 32);
    digits[2] += by * (int64_t)(uint32_t)(shifted >> 64);
    return WR_OK;
}

/* The top 64 bits of a number of digits below 2^32 each, the last of which is not 0, with a low
 * bit set where anything lies below; and the place of the lowest of them. */
static uint64_t top_bits(const uint32_t *digits, uint32_t count, int *place) {
    uint64_t top = (uint64_t)digits[count - 1] << 32 | (count > 1 ? digits[count - 2] : 0);
    int shift = __builtin_clzll(top);
    uint32_t next = count > 2 ? digits[count - 3] : 0;
    uint64_t rest = 0;
    if (shift > 0) {
        top = top << shift | (uint64_t)next >> (32 - shift);
        rest = (uint64_t)next << shift & UINT32_MAX;
    } else {
        rest = next;
    }
    for (uint32_t i = 0; i + 3 < count; i++)
        rest |= digits[i];
    *place = ((int)count - 2) * 32 - shift;
    return top | (rest != 0);
}

static double exact_sum(const struct exact_state *state) {
    if (state->nans > 0 || (state->plus > 0 && state->minus > 0))
        return __builtin_nan("");
    if (state->plus > 0 || state->minus > 0)
        return state->plus > 0 ? __builtin_inf() : -__builtin_inf();
    uint32_t count = state->blob.length / 8, digits[DIGITS_MAX + 2];
    const int64_t *words = (const int64_t *)(const void *)state->blob.bytes;
    int64_t carry = 0;
    for (uint32_t i = 0; i < count; i++) {
        carry += words[i];
        digits[i] = (uint32_t)carry;
        carry >>= 32;
    }
    digits[count] = (uint32_t)carry;
    digits[count + 1] = (uint32_t)(carry >> 32);
    count += 2;
    int negative = carry < 0;
    for (uint32_t i = 0, one = 1; negative && i < count; i++) {
        digits[i] = ~digits[i] + one;
        one = one && digits[i] == 0;
    }
    while (count > 0 && digits[count - 1] == 0)
        count--;
    if (count == 0)
        return 0;
    int place;
    uint64_t top = top_bits(digits, count, &place);
    place += (int)state->low * 32 - 1074;
    if (place < -1074) { /* below the smallest float there is nothing: these bits are zeros */
        top >>= -1074 - place;
        place = -1074;
    }
    /* Rounded once, to 53 bits: what is below the normal floats has fewer. */
    double sum = ldexp((double)top, place);
    return negative ? -sum : sum;
}

static int exact_move(AGG_ADD_PARAMS, int sign) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (!wr_column_is_nil(&args[0], row))
            status = exact_put(table, (struct exact_state *)(void *)(rows[i] + aggregate->offset),
                               WR_F64(&args[0])[row], sign);
    }
    (void)batch;
    return status;
}
static int exact_add(AGG_ADD_PARAMS) {
    return exact_move(aggregate, table, rows, args, batch, sel, count, 1);
}
static int exact_retract(AGG_ADD_PARAMS) {
    return exact_move(aggregate, table, rows, args, batch, sel, count, -1);
}
AGG_RESULT(exact_sum_result, exact_state, double, {
    result[i] = exact_sum(state);
    if (state->count == 0)
        AGG_NIL(i);
})
AGG_RESULT(exact_avg_result, exact_state, double, {
    result[i] = 0;
    if (state->count == 0)
        AGG_NIL(i);
    else
        result[i] = exact_sum(state) / (double)state->count;
})
#define EXACT_KERNEL(name) \
    const struct wr_aggregate_kernel wr_exact_##name = {.state_bytes = sizeof(struct exact_state), \
                                                        .cell_count = 1, \
                                                        .cells = exact_cells, \
                                                        .add = exact_add, \
                                                        .retract = exact_retract, \
                                                        .result = exact_##name##_result};
EXACT_KERNEL(sum)
EXACT_KERNEL(avg)
