/* functions_math.c: roots, powers, logarithms, angles, and what else Lua's `math` has. */
#include <math.h>

#include "expr/library.h"
#include "base/banned.h"

#define FLOAT_KERNEL(name, expression) \
    static int name##_kernel(struct wr_call *call) { \
        FN_EACH(call, row) { \
            double x = fn_float(call, 0, row); \
            FN_OUT_FLOAT(call)[row] = expression; \
        } \
        return WR_OK; \
    }
FLOAT_KERNEL(sqrt, sqrt(x))
/* The library's is off by a unit in the last place even for 27: one step of Newton's. */
static double cube_root(double x) {
    double root = cbrt(x);
    double square = root * root;
    return square > 0 && square - square == 0 ? root - (square * root - x) / (3 * square) : root;
}
FLOAT_KERNEL(cbrt, cube_root(x))
FLOAT_KERNEL(exp, exp(x))
FLOAT_KERNEL(ln, log(x))
FLOAT_KERNEL(log10, log10(x))
FLOAT_KERNEL(log2, log2(x))
FLOAT_KERNEL(sin, sin(x))
FLOAT_KERNEL(cos, cos(x))
FLOAT_KERNEL(tan, tan(x))
FLOAT_KERNEL(asin, asin(x))
FLOAT_KERNEL(acos, acos(x))
FLOAT_KERNEL(atan, atan(x))
FLOAT_KERNEL(sinh, sinh(x))
FLOAT_KERNEL(cosh, cosh(x))
FLOAT_KERNEL(tanh, tanh(x))
FLOAT_KERNEL(degrees, x *(180 / M_PI))
FLOAT_KERNEL(radians, x *(M_PI / 180))
FLOAT_KERNEL(modf, x >= 0 ? floor(x) : ceil(x))

#define FLOAT2_KERNEL(name, expression) \
    static int name##_kernel(struct wr_call *call) { \
        FN_EACH(call, row) { \
            double x = fn_float(call, 0, row); \
            double y = fn_float(call, 1, row); \
            FN_OUT_FLOAT(call)[row] = expression; \
        } \
        return WR_OK; \
    }
FLOAT2_KERNEL(pow, y == 2 ? x * x : pow(x, y))
FLOAT2_KERNEL(atan2, atan2(x, y))
FLOAT2_KERNEL(fmod, fmod(x, y))
FLOAT2_KERNEL(log_base, y == 2 ? log2(x) : y == 10 ? log10(x) : log(x) / log(y))

/* ---- integers ------------------------------------------------------------------------------- */

static int fmod_int_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        int64_t x = fn_int(call, 0, row);
        int64_t y = fn_int(call, 1, row);
        if (y == 0)
            wr_call_fail(call, row, WR_REJECT_DIVISION, "fmod(%lld, 0)", (long long)x);
        else
            FN_OUT_INT(call)[row] = y == -1 ? 0 : x % y;
    }
    return WR_OK;
}
static int tointeger_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        double x = fn_float(call, 0, row);
        if (x >= -0x1p63 && x < 0x1p63 && x == floor(x))
            FN_OUT_INT(call)[row] = (int64_t)x;
        else
            wr_call_nil(call, row);
    }
    return WR_OK;
}
static int int_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_INT(call)[row] = fn_int(call, 0, row);
    return WR_OK;
}
static int ult_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_BOOL(call)[row] = (uint64_t)fn_int(call, 0, row) < (uint64_t)fn_int(call, 1, row);
    return WR_OK;
}
static int type_kernel(struct wr_call *call) {
    const char *name = call->arg_types[0].kind == WR_INT64 ? "integer" : "float";
    FN_EACH(call, row)
    fn_piece(call, row, name, strlen(name));
    return WR_OK;
}

/* The first argument that no later one beats, as Lua's math.max and math.min go through them. */
static int extreme(struct wr_call *call, int largest) {
    FN_EACH(call, row) {
        if (call->type.kind == WR_FLOAT64) {
            double best = fn_float(call, 0, row);
            for (uint32_t a = 1; a < call->arg_count; a++) {
                double x = fn_float(call, a, row);
                best = (largest ? best < x : x < best) ? x : best;
            }
            FN_OUT_FLOAT(call)[row] = best;
            continue;
        }
        int64_t best = fn_int(call, 0, row);
        for (uint32_t a = 1; a < call->arg_count; a++) {
            int64_t x = fn_int(call, a, row);
            best = (largest ? best < x : x < best) ? x : best;
        }
        FN_OUT_INT(call)[row] = best;
    }
    return WR_OK;
}
static int max_kernel(struct wr_call *call) {
    return extreme(call, 1);
}
static int min_kernel(struct wr_call *call) {
    return extreme(call, 0);
}

#define FLOAT_ENTRY(own_name, kernel, own_doc, ...) \
    { \
        .name = own_name, .group = "numbers", .flags = FN_PURE, .doc = own_doc, \
        .signatures = FN_SIGNATURES({"(x float64) float64", kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }
#define FLOAT_PAIR(plain, kernel, own_doc, a, a_result, b, b_result) \
    FLOAT_ENTRY(plain, kernel, own_doc, {plain a, a_result}, {plain b, b_result}), \
        FLOAT_ENTRY("math." plain, kernel, own_doc, {"math." plain a, a_result}, \
                    {"math." plain b, b_result})
#define EXTREME(own_name, kernel, own_doc, ...) \
    { \
        .name = own_name, .group = "numbers", .flags = WR_FN_STRICT, .doc = own_doc, \
        .signatures = FN_SIGNATURES({"(x int64…) int64", kernel, NULL}, \
                                    {"(x float64…) float64", kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_math[] = {
    FLOAT_PAIR("sqrt", sqrt_kernel, "The square root; NaN of a negative number.", "(2.25)", "1.5",
               "(-1)", "nan"),
    FLOAT_PAIR("exp", exp_kernel, "e to the power of x.", "(0)", "1.0", "(1)", "2.718281828459045"),
    FLOAT_PAIR("sin", sin_kernel, "The sine of an angle in radians.", "(0)", "0.0", "(0.5)",
               "0.479425538604203"),
    FLOAT_PAIR("cos", cos_kernel, "The cosine of an angle in radians.", "(0)", "1.0", "(0.5)",
               "0.8775825618903728"),
    FLOAT_PAIR("tan", tan_kernel, "The tangent of an angle in radians.", "(0)", "0.0", "(0.5)",
               "0.5463024898437905"),
    FLOAT_PAIR("asin", asin_kernel, "The angle, in radians, that has this sine.", "(0)", "0.0",
               "(1)", "1.5707963267948966"),
    FLOAT_PAIR("acos", acos_kernel, "The angle, in radians, that has this cosine.", "(1)", "0.0",
               "(0)", "1.5707963267948966"),
    FLOAT_ENTRY("atan", atan_kernel, "The angle, in radians, that has this tangent.",
                {"atan(0)", "0.0"}, {"atan(1)", "0.7853981633974483"}),
    FLOAT_ENTRY("sinh", sinh_kernel, "The hyperbolic sine.", {"sinh(0)", "0.0"},
                {"sinh(1)", "1.1752011936438014"}),
    FLOAT_ENTRY("cosh", cosh_kernel, "The hyperbolic cosine.", {"cosh(0)", "1.0"},
                {"cosh(1)", "1.5430806348152437"}),
    FLOAT_ENTRY("tanh", tanh_kernel, "The hyperbolic tangent.", {"tanh(0)", "0.0"},
                {"tanh(1)", "0.7615941559557649"}),
    FLOAT_ENTRY("cbrt", cbrt_kernel, "The cube root.", {"cbrt(27)", "3.0"}, {"cbrt(-8)", "-2.0"}),
    FLOAT_ENTRY("ln", ln_kernel, "The natural logarithm.", {"ln(1)", "0.0"}, {"ln(0)", "-inf"}),
    FLOAT_ENTRY("log10", log10_kernel, "The logarithm to base 10.", {"log10(1000)", "3.0"},
                {"log10(1)", "0.0"}),
    FLOAT_ENTRY("log2", log2_kernel, "The logarithm to base 2.", {"log2(8)", "3.0"},
                {"log2(0.5)", "-1.0"}),
    FLOAT_ENTRY("degrees", degrees_kernel, "An angle in degrees.", {"degrees(0)", "0.0"},
                {"round(degrees(3.141592653589793), 9)", "180.0"}),
    FLOAT_ENTRY("radians", radians_kernel, "An angle in radians.", {"radians(0)", "0.0"},
                {"radians(180)", "3.141592653589793"}),
    {.name = "pow",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "x to the power of y, as `x ^ y`.",
     .signatures = FN_SIGNATURES({"(x float64, y float64) float64", pow_kernel, NULL}),
     .examples = FN_EXAMPLES({"pow(2, 10)", "1024.0"}, {"pow(2, -1)", "0.5"})},
    {.name = "atan2",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "The angle of the point (x, y), in radians; y comes first.",
     .signatures = FN_SIGNATURES({"(y float64, x float64) float64", atan2_kernel, NULL}),
     .examples = FN_EXAMPLES({"atan2(0, 1)", "0.0"}, {"atan2(1, 1)", "0.7853981633974483"})},
    {.name = "math.atan",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "The angle of the point (x, y), in radians; y comes first, x is 1 when left out.",
     .signatures = FN_SIGNATURES({"(y float64, x float64 = 1.0) float64", atan2_kernel, NULL}),
     .examples = FN_EXAMPLES({"math.atan(0)", "0.0"}, {"math.atan(1, 1)", "0.7853981633974483"})},
    {.name = "math.log",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "The logarithm: the natural one, or to a base.",
     .signatures = FN_SIGNATURES({"(x float64) float64", ln_kernel, NULL},
                                 {"(x float64, base float64) float64", log_base_kernel, NULL}),
     .examples = FN_EXAMPLES({"math.log(1)", "0.0"}, {"math.log(8, 2)", "3.0"})},
    {.name = "math.fmod",
     .group = "numbers",
     .flags = FN_PURE | WR_FN_CAN_FAIL,
     .doc = "The rest of a division that rounds towards zero (`%` rounds down).",
     .signatures = FN_SIGNATURES({"(x int64, y int64) int64", fmod_int_kernel, NULL},
                                 {"(x float64, y float64) float64", fmod_kernel, NULL}),
     .examples = FN_EXAMPLES({"math.fmod(-7, 3)", "-1"}, {"math.fmod(5.5, 2)", "1.5"},
                             {"math.fmod(1, 0)", "fails W503"})},
    {.name = "math.modf",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "The whole part of x, towards zero.",
     .signatures = FN_SIGNATURES({"(x int64) int64", int_kernel, NULL},
                                 {"(x float64) float64", modf_kernel, NULL}),
     .examples = FN_EXAMPLES({"math.modf(2.7)", "2.0"}, {"math.modf(-2.7)", "-2.0"})},
    {.name = "math.tointeger",
     .group = "numbers",
     .flags = FN_PURE | WR_FN_CAN_NIL,
     .doc = "A float that is a whole number as int64; any other gives nil.",
     .signatures = FN_SIGNATURES({"(x int64) int64", int_kernel, NULL},
                                 {"(x float64) int64", tointeger_kernel, NULL}),
     .examples = FN_EXAMPLES({"math.tointeger(3.0)", "3"}, {"math.tointeger(3.5)", "nil"})},
    {.name = "math.ult",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "Whether x is below y when both are read without sign.",
     .signatures = FN_SIGNATURES({"(x int64, y int64) bool", ult_kernel, NULL}),
     .examples = FN_EXAMPLES({"math.ult(1, 2)", "true"}, {"math.ult(-1, 2)", "false"})},
    {.name = "math.type",
     .group = "numbers",
     .flags = FN_PURE,
     .doc = "'integer' for int64, 'float' for float64.",
     .signatures = FN_SIGNATURES({"(x int64) string", type_kernel, NULL},
                                 {"(x float64) string", type_kernel, NULL}),
     .examples = FN_EXAMPLES({"math.type(1)", "'integer'"}, {"math.type(1.0)", "'float'"})},
    EXTREME("math.max", max_kernel,
            "The largest argument; nil when one is nil (max_of passes nils over).",
            {"math.max(1, 3, 2)", "3"}, {"math.max(1.5, -2.0)", "1.5"}),
    EXTREME("math.min", min_kernel,
            "The smallest argument; nil when one is nil (min_of passes nils over).",
            {"math.min(1, 3, 2)", "1"}, {"math.min(1.5, -2.0)", "-2.0"}),
    {0},
};
