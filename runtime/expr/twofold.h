/* twofold.h: sums in two doubles, about 106 bits, so that what was added and taken back leaves
 * nothing behind. Source: Dekker, "A floating-point technique for extending the available
 * precision", 1971. */
#pragma once

/* high + low; low is at most half a unit in the last place of high. All zero: 0. */
struct wr_twofold {
    double high, low;
};

static inline void wr_twofold_add(struct wr_twofold *to, double value) {
    double sum = to->high + value, part = sum - to->high;
    double lost = (to->high - (sum - part)) + (value - part);
    to->low += lost;
    to->high = sum;
    sum = to->high + to->low;
    to->low -= sum - to->high;
    to->high = sum;
}

static inline void wr_twofold_join(struct wr_twofold *to, const struct wr_twofold *other) {
    wr_twofold_add(to, other->high);
    wr_twofold_add(to, other->low);
}
