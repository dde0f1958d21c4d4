/* functions_numbers.c: signs, rounding, ranges, integers. Floats are rounded to whole numbers of
 * type int64, as Lua's math.floor does; one that does not fit fails its row (W504). */
#include <math.h>

#include "expr/library.h"
#include "base/banned.h"

/* ---- abs, sign ------------------------------------------------------------------------------ */

#define UNARY_KERNEL(name, in, out_type, expression) \
    static int name##_kernel(struct wr_call *call) { \
        FN_EACH(call, row) { \
            in x = ((const in *)call->args[0].data)[wr_call_row(call, 0, row)]; \
            ((out_type *)call->out)[row] = (out_type)(expression); \
        } \
        return WR_OK; \
    }
UNARY_KERNEL(abs_int, int64_t, int64_t, x < 0 ? (int64_t)(0 - (uint64_t)x) : x)
UNARY_KERNEL(abs_float, double, double, fabs(x))
UNARY_KERNEL(abs_decimal, __int128, __int128, x < 0 ? -x : x)
UNARY_KERNEL(sign_int, int64_t, int64_t, (x > 0) - (x < 0))
UNARY_KERNEL(sign_float, double, int64_t, (x > 0) - (x < 0))
UNARY_KERNEL(sign_decimal, __int128, int64_t, (x > 0) - (x < 0))
UNARY_KERNEL(same_int, int64_t, int64_t, x)
UNARY_KERNEL(is_nan, double, uint8_t, x != x)
UNARY_KERNEL(is_finite, double, uint8_t, x - x == 0)
UNARY_KERNEL(popcount, int64_t, int64_t, __builtin_popcountll((uint64_t)x))

/* ---- rounding ------------------------------------------------------------------------------- */

/* A whole float as int64. */
static inline void put_whole(struct wr_call *call, uint32_t row, double whole) {
    FN_OUT_INT(call)[row] = 0;
    if (whole >= -0x1p63 && whole < 0x1p63)
        FN_OUT_INT(call)[row] = (int64_t)whole;
    else
        wr_call_fail(call, row, WR_REJECT_OVERFLOW, "%g does not fit int64", whole);
}
#define WHOLE_KERNEL(name, function) \
    static int name##_float_kernel(struct wr_call *call) { \
        FN_EACH(call, row) \
        put_whole(call, row, function(fn_float(call, 0, row))); \
        return WR_OK; \
    }
WHOLE_KERNEL(floor, floor)
WHOLE_KERNEL(ceil, ceil)
WHOLE_KERNEL(trunc, trunc)
WHOLE_KERNEL(round, round)

enum direction { TOWARDS_LOW, TOWARDS_HIGH, TOWARDS_ZERO, TOWARDS_NEAREST };

static __int128 power_of_ten(unsigned exponent) {
    __int128 power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* `value` to a multiple of `unit`; halves away from zero. */
static __int128 round_to(__int128 value, __int128 unit, enum direction direction) {
    __int128 rest = value % unit;
    __int128 base = value - rest; /* towards zero */
    if (direction == TOWARDS_LOW && rest < 0)
        return base - unit;
    if (direction == TOWARDS_HIGH && rest > 0)
        return base + unit;
    if (direction == TOWARDS_NEAREST && rest >= unit - rest)
        return base + unit;
    if (direction == TOWARDS_NEAREST && -rest >= unit + rest)
        return base - unit;
    return base;
}

static int round_decimals(struct wr_call *call, enum direction direction) {
    unsigned scale = call->type.scale;
    __int128 most = power_of_ten(call->type.precision);
    FN_EACH(call, row) {
        int64_t digits = call->arg_count > 1 ? fn_int(call, 1, row) : 0;
        digits = WR_MAX(WR_MIN(digits, 1000), -1000);
        __int128 value = fn_decimal(call, 0, row);
        int64_t drop = (int64_t)scale - digits;
        if (drop > 38 || digits < -38)
            value = 0;
        else if (drop > 0)
            value = round_to(value, power_of_ten((unsigned)drop), direction);
        ((__int128 *)call->out)[row] = value;
        if (value >= most || value <= -most)
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "rounded it has more than %d digits",
                         call->type.precision);
    }
    return WR_OK;
}
static int floor_decimal_kernel(struct wr_call *call) {
    return round_decimals(call, TOWARDS_LOW);
}
static int ceil_decimal_kernel(struct wr_call *call) {
    return round_decimals(call, TOWARDS_HIGH);
}
int wr_trunc_decimal_kernel(struct wr_call *call) {
    return round_decimals(call, TOWARDS_ZERO);
}
static int round_decimal_kernel(struct wr_call *call) {
    return round_decimals(call, TOWARDS_NEAREST);
}
int wr_trunc_float_kernel(struct wr_call *call) {
    return trunc_float_kernel(call);
}
int wr_trunc_int_kernel(struct wr_call *call) {
    return same_int_kernel(call);
}

/* round(int64, digits): digits below zero round to tens, hundreds, … */
static int round_int_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        int64_t digits = fn_int(call, 1, row);
        int64_t x = fn_int(call, 0, row);
        if (digits >= 0) {
            FN_OUT_INT(call)[row] = x;
            continue;
        }
        __int128 unit = digits < -19 ? 0 : power_of_ten((unsigned)-digits);
        __int128 value = unit == 0 ? 0 : round_to(x, unit, TOWARDS_NEAREST);
        FN_OUT_INT(call)[row] = (int64_t)value;
        if (value != (int64_t)value)
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "round(%lld, %lld)", (long long)x,
                         (long long)digits);
    }
    return WR_OK;
}

/* A decimal place of a float: the power of ten is exact up to 22 digits, and the float nearest to
 * the rounded number comes of the division. */
static double round_places(double x, int64_t digits) {
    if (digits > 22 || fabs(x) >= 0x1p52 || !(x - x == 0))
        return digits < 0 && x - x == 0 ? 0 : x;
    if (digits < -308)
        return 0;
    double power = pow(10, fabs((double)digits));
    double scaled = digits >= 0 ? x * power : x / power;
    if (!(fabs(scaled) < 0x1p52))
        return x;
    double whole = round(scaled);
    /* A product that is a half only by rounding is put on the right side. */
    if (digits >= 0 && fabs(scaled - trunc(scaled)) == 0.5) {
        double error = fma(x, power, -scaled);
        if ((scaled > 0 && error < 0) || (scaled < 0 && error > 0))
            whole = trunc(scaled);
    }
    return digits >= 0 ? whole / power : whole * power;
}
static int round_places_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_FLOAT(call)[row] = round_places(fn_float(call, 0, row), fn_int(call, 1, row));
    return WR_OK;
}

/* ---- ranges --------------------------------------------------------------------------------- */

static int clamp_int_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        int64_t x = fn_int(call, 0, row);
        int64_t low = fn_int(call, 1, row);
        int64_t high = fn_int(call, 2, row);
        FN_OUT_INT(call)[row] = x < low ? low : x > high ? high : x;
    }
    return WR_OK;
}
static int clamp_float_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        double x = fn_float(call, 0, row);
        double low = fn_float(call, 1, row);
        double high = fn_float(call, 2, row);
        FN_OUT_FLOAT(call)[row] = x < low ? low : x > high ? high : x;
    }
    return WR_OK;
}
static int clamp_decimal_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        __int128 x = fn_decimal(call, 0, row);
        __int128 low = fn_decimal(call, 1, row);
        __int128 high = fn_decimal(call, 2, row);
        ((__int128 *)call->out)[row] = x < low ? low : x > high ? high : x;
    }
    return WR_OK;
}

static int width_bucket_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        double x = fn_float(call, 0, row);
        double low = fn_float(call, 1, row);
        double high = fn_float(call, 2, row);
        int64_t n = fn_int(call, 3, row);
        if (n < 1 || !(low != high) || !(low - high - (low - high) == 0) || x != x) {
            wr_call_fail(call, row, WR_REJECT_TYPE, "width_bucket(%g, %g, %g, %lld)", x, low, high,
                         (long long)n);
            continue;
        }
        double share = (x - low) / (high - low);
        int64_t bucket = share < 0 ? 0 : share >= 1 ? n + 1 : (int64_t)(share * (double)n) + 1;
        FN_OUT_INT(call)[row] = share >= 0 && share < 1 ? WR_MIN(bucket, n) : bucket;
    }
    return WR_OK;
}

/* ---- integers ------------------------------------------------------------------------------- */

static int gcd_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        int64_t x = fn_int(call, 0, row);
        int64_t y = fn_int(call, 1, row);
        uint64_t a = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
        uint64_t b = y < 0 ? 0 - (uint64_t)y : (uint64_t)y;
        while (b != 0) {
            uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        FN_OUT_INT(call)[row] = (int64_t)a;
        if (a > INT64_MAX)
            wr_call_fail(call, row, WR_REJECT_OVERFLOW, "gcd(%lld, %lld)", (long long)x,
                         (long long)y);
    }
    return WR_OK;
}

#define ROUNDING(own_name, kernel, own_doc, ...) \
    { \
        .name = own_name, .group = "numbers", .flags = FN_PURE | WR_FN_CAN_FAIL, .doc = own_doc, \
        .signatures = FN_SIGNATURES({"(x int64) int64", same_int_kernel, NULL}, \
                                    {"(x float64) int64", kernel##_float_kernel, NULL}, \
                                    {"(x decimal) decimal", kernel##_decimal_kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }
#define FLOOR(own_name) \
    ROUNDING(own_name, floor, "The largest whole number that is not above x.", \
             {own_name "(2.7)", "2"}, {own_name "(-2.1)", "-3"}, \
             {own_name "(1e300)", "fails W504"})
#define CEIL(own_name) \
    ROUNDING(own_name, ceil, "The smallest whole number that is not below x.", \
             {own_name "(2.1)", "3"}, {own_name "(-2.7)", "-2"})
#define ABS(own_name, ...) \
    { \
        .name = own_name, .group = "numbers", .flags = FN_PURE, \
        .doc = "The distance from zero; that of the smallest int64 wraps, as in Lua.", \
        .signatures = FN_SIGNATURES({"(x int64) int64", abs_int_kernel, NULL}, \
                                    {"(x float64) float64", abs_float_kernel, NULL}, \
                                    {"(x decimal) decimal", abs_decimal_kernel, NULL}, \
                                    {"(x duration) duration", abs_int_kernel, NULL}), \
        .examples = FN_EXAMPLES({own_name "(-3)", "3"}, {own_name "(-2.5)", "2.5"}, __VA_ARGS__) \
    }

const struct wr_function wr_functions_numbers[] = {
    ABS("abs", {"abs(decimal'-2.50')", "2.50"}),
    ABS("math.abs", {"math.abs(0)", "0"}),
    FLOOR("floor"),
    FLOOR("math.floor"),
    CEIL("ceil"),
    CEIL("math.ceil"),
    {.name = "sign",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "-1, 0 or 1; 0 for NaN.",
     .signatures = FN_SIGNATURES({"(x int64) int64", sign_int_kernel, NULL},
                                 {"(x float64) int64", sign_float_kernel, NULL},
                                 {"(x decimal) int64", sign_decimal_kernel, NULL},
                                 {"(x duration) int64", sign_int_kernel, NULL}),
     .examples = FN_EXAMPLES({"sign(-2.5)", "-1"}, {"sign(0)", "0"})},
    {.name = "round",
     .group = "numbers",
     .flags = FN_PURE | WR_FN_CAN_FAIL,
     .doc = "To the nearest whole number, halves away from zero; with `digits` to so many places "
            "behind the point, or before it when negative.",
     .signatures = FN_SIGNATURES({"(x int64) int64", same_int_kernel, NULL},
                                 {"(x float64) int64", round_float_kernel, NULL},
                                 {"(x decimal) decimal", round_decimal_kernel, NULL},
                                 {"(x int64, digits int64) int64", round_int_kernel, NULL},
                                 {"(x float64, digits int64) float64", round_places_kernel, NULL},
                                 {"(x decimal, digits int64) decimal", round_decimal_kernel, NULL}),
     .examples = FN_EXAMPLES({"round(2.5)", "3"}, {"round(-2.5)", "-3"}, {"round(2.345, 1)", "2.3"},
                             {"round(1.005, 2)", "1.0"}, {"round(1250, -2)", "1300"},
                             {"round(decimal'2.55', 1)", "2.60"})},
    {.name = "clamp",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "x, but not below `low` and not above `high`.",
     .signatures = FN_SIGNATURES(
         {"(x int64, low int64, high int64) int64", clamp_int_kernel, NULL},
         {"(x float64, low float64, high float64) float64", clamp_float_kernel, NULL},
         {"(x decimal, low decimal, high decimal) decimal", clamp_decimal_kernel, NULL},
         {"(x timestamp, low timestamp, high timestamp) timestamp", clamp_int_kernel, NULL},
         {"(x date, low date, high date) date", clamp_int_kernel, NULL},
         {"(x duration, low duration, high duration) duration", clamp_int_kernel, NULL}),
     .examples = FN_EXAMPLES({"clamp(7, 0, 5)", "5"}, {"clamp(-0.5, 0, 1)", "0.0"},
                             {"clamp(decimal'2.5', 0, decimal'1.25')", "1.25"})},
    {.name = "width_bucket",
     .group = "numbers",
     .flags = FN_PURE | WR_FN_CAN_FAIL,
     .doc = "In which of n equal parts of [low, high) x lies, from 1; 0 below, n + 1 above.",
     .signatures = FN_SIGNATURES(
         {"(x float64, low float64, high float64, n int64) int64", width_bucket_kernel, NULL}),
     .examples =
         FN_EXAMPLES({"width_bucket(35, 0, 100, 10)", "4"}, {"width_bucket(-1, 0, 100, 10)", "0"},
                     {"width_bucket(100, 0, 100, 10)", "11"})},
    {.name = "is_nan",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "Whether x is the float that is no number.",
     .signatures = FN_SIGNATURES({"(x float64) bool", is_nan_kernel, NULL}),
     .examples = FN_EXAMPLES({"is_nan(0.0 / 0.0)", "true"}, {"is_nan(1.5)", "false"})},
    {.name = "is_finite",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "Whether x is neither infinite nor NaN.",
     .signatures = FN_SIGNATURES({"(x float64) bool", is_finite_kernel, NULL}),
     .examples = FN_EXAMPLES({"is_finite(1.5)", "true"}, {"is_finite(1.0 / 0.0)", "false"})},
    {.name = "gcd",
     .group = "numbers",
     .flags = FN_PURE | WR_FN_CAN_FAIL,
     .doc = "The greatest common divisor; of 0 and x the distance of x from zero.",
     .signatures = FN_SIGNATURES({"(x int64, y int64) int64", gcd_kernel, NULL}),
     .examples = FN_EXAMPLES({"gcd(12, -18)", "6"}, {"gcd(0, 5)", "5"})},
    {.name = "popcount",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "The number of bits that are 1.",
     .signatures = FN_SIGNATURES({"(x int64) int64", popcount_kernel, NULL}),
     .examples = FN_EXAMPLES({"popcount(7)", "3"}, {"popcount(-1)", "64"})},
    {0},
};
