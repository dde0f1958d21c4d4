/* kernel_number.c: arithmetic and bits of int64 and float64, with Lua's results.
 * Source of the rules: Lua 5.4 Reference Manual, 3.4.1 and 3.4.2. */
#include <math.h>

#include "base/assert.h"
#include "base/status.h"
#include "expr/program.h"
#include "base/banned.h"

#define U(v) ((uint64_t)(v))

static inline int64_t floor_div(int64_t x, int64_t y) {
    if (y == -1)
        return (int64_t)(0 - U(x)); /* min // -1 wraps */
    int64_t quotient = x / y;
    return quotient - ((x % y != 0) & ((x ^ y) < 0));
}

static inline int64_t floor_mod(int64_t x, int64_t y) {
    if (y == -1)
        return 0;
    int64_t rest = x % y;
    return rest != 0 && (rest ^ y) < 0 ? rest + y : rest;
}

static inline double float_mod(double x, double y) {
    double rest = fmod(x, y);
    return (rest > 0 ? y < 0 : (rest < 0 && y > 0)) ? rest + y : rest;
}

static inline double power(double x, double y) {
    return y == 2 ? x * x : pow(x, y);
}

static inline int64_t shift_left(int64_t x, int64_t y) {
    if (y <= -64 || y >= 64)
        return 0;
    return y >= 0 ? (int64_t)(U(x) << y) : (int64_t)(U(x) >> -y);
}

#define KERNEL_2(name, TA, TB, TO, EXPR) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        WR_LOOP_2(vm, ins, TA, TB, TO, EXPR); \
        return wr_vm_valid_both(vm, ins); \
    }
#define KERNEL_1(name, TA, TO, EXPR) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        WR_LOOP_1(vm, ins, TA, TO, EXPR); \
        return wr_vm_valid_both(vm, ins); \
    }

/* Compiled twice, for AVX2 too, and chosen when the program starts: half the time of the loops in
 * which the arithmetic is all there is. Other kernels gain nothing by it. Not under sanitizers,
 * which are not ready yet when the choice is made. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(WEIR_SANITIZE_ADDRESS) && !defined(WEIR_SANITIZE_THREAD)
#define FOR_AVX2_TOO __attribute__((target_clones("avx2", "default")))
#else
#define FOR_AVX2_TOO
#endif

FOR_AVX2_TOO
KERNEL_2(add_int64, int64_t, int64_t, int64_t, U(x) + U(y))
FOR_AVX2_TOO
KERNEL_2(sub_int64, int64_t, int64_t, int64_t, U(x) - U(y))
FOR_AVX2_TOO
KERNEL_2(mul_int64, int64_t, int64_t, int64_t, U(x) * U(y))
KERNEL_2(band_int64, int64_t, int64_t, int64_t, U(x) & U(y))
KERNEL_2(bor_int64, int64_t, int64_t, int64_t, U(x) | U(y))
KERNEL_2(bxor_int64, int64_t, int64_t, int64_t, U(x) ^ U(y))
KERNEL_2(shl_int64, int64_t, int64_t, int64_t, shift_left(x, y))
KERNEL_2(shr_int64, int64_t, int64_t, int64_t, y == INT64_MIN ? 0 : shift_left(x, -y))
FOR_AVX2_TOO
KERNEL_2(add_float64, double, double, double, x + y)
FOR_AVX2_TOO
KERNEL_2(sub_float64, double, double, double, x - y)
FOR_AVX2_TOO
KERNEL_2(mul_float64, double, double, double, x *y)
FOR_AVX2_TOO
KERNEL_2(div_float64, double, double, double, x / y)
KERNEL_2(idiv_float64, double, double, double, floor(x / y))
KERNEL_2(mod_float64, double, double, double, float_mod(x, y))
KERNEL_2(pow_float64, double, double, double, power(x, y))
KERNEL_1(neg_int64, int64_t, int64_t, 0 - U(x))
KERNEL_1(neg_float64, double, double, -x)
KERNEL_1(bnot_int64, int64_t, int64_t, ~U(x))
FOR_AVX2_TOO
KERNEL_1(int64_to_float64, int64_t, double, (double)x)

/* ---- division by a constant that is not 0: cannot fail ---- */

/* A positive divisor as a multiplication. With n = x for x >= 0 and n = ~x else (so n < 2^63),
 * floor(x / d) is n / d or its complement, and n / d = (n * magic) >> (63 + bits) where
 * bits = ceil(log2 d) and magic = floor(2^(63 + bits) / d) + 1.
 * Source: Granlund & Montgomery, "Division by invariant integers using multiplication", 1994. */
struct divisor {
    int64_t d;
    uint64_t magic; /* 0: a power of two, 2^bits */
    uint32_t bits;
};

static struct divisor divisor_of(int64_t d) {
    struct divisor divisor = {.d = d};
    divisor.bits = d == 1 ? 0 : 64 - (uint32_t)__builtin_clzll(U(d) - 1);
    if ((d & (d - 1)) != 0)
        divisor.magic =
            (uint64_t)(((unsigned __int128)1 << (63 + divisor.bits)) / (unsigned __int128)d) + 1;
    return divisor;
}

static inline int64_t divide(int64_t x, const struct divisor *by) {
    uint64_t sign = U(x >> 63), n = U(x) ^ sign;
    uint64_t high = (uint64_t)(((unsigned __int128)n * by->magic) >> 64);
    return (int64_t)((high >> (by->bits - 1)) ^ sign);
}

static int idiv_safe(struct wr_vm *vm, const struct wr_ins *ins) {
    const int64_t d = ins->constant_b ? *(const int64_t *)vm->regs[ins->args[1]].data : 0;
    const struct divisor by = d > 0 ? divisor_of(d) : (struct divisor){0};
    if (d > 0 && by.magic == 0)
        WR_LOOP_1(vm, ins, int64_t, int64_t, x >> by.bits);
    else if (d > 0)
        WR_LOOP_1(vm, ins, int64_t, int64_t, divide(x, &by));
    else
        WR_LOOP_2(vm, ins, int64_t, int64_t, int64_t, floor_div(x, y));
    return wr_vm_valid_both(vm, ins);
}

static int mod_safe(struct wr_vm *vm, const struct wr_ins *ins) {
    const int64_t d = ins->constant_b ? *(const int64_t *)vm->regs[ins->args[1]].data : 0;
    const struct divisor by = d > 0 ? divisor_of(d) : (struct divisor){0};
    if (d > 0 && by.magic == 0)
        WR_LOOP_1(vm, ins, int64_t, int64_t, x & (d - 1));
    else if (d > 0)
        WR_LOOP_1(vm, ins, int64_t, int64_t, U(x) - U(divide(x, &by)) * U(d));
    else
        WR_LOOP_2(vm, ins, int64_t, int64_t, int64_t, floor_mod(x, y));
    return wr_vm_valid_both(vm, ins);
}

#define DIVISION(name, FUNCTION, SIGN) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        const int64_t *a = vm->regs[ins->args[0]].data, *b = vm->regs[ins->args[1]].data; \
        int64_t *restrict out = vm->regs[ins->out].data; \
        WR_ROWS_BEGIN(vm, ins) \
        if (WR_UNLIKELY(b[rb] == 0)) { \
            out[row] = 0; \
            wr_vm_fail(vm, ins, row, WR_REJECT_DIVISION, "%lld " SIGN " 0", (long long)a[ra]); \
        } else { \
            out[row] = FUNCTION(a[ra], b[rb]); \
        } \
        WR_ROWS_END \
        return wr_vm_valid_both(vm, ins); \
    }
DIVISION(idiv_int64, floor_div, "//")
DIVISION(mod_int64, floor_mod, "%%")

static const struct wr_kernel int64_kernels[WR_OP_COUNT] = {
    [WR_OP_ADD] = {"+", add_int64, 0, 1},
    [WR_OP_SUB] = {"-", sub_int64, 0, 1},
    [WR_OP_MUL] = {"*", mul_int64, 0, 1},
    [WR_OP_IDIV] = {"//", idiv_int64, WR_KERNEL_FAILS, 5},
    [WR_OP_MOD] = {"%", mod_int64, WR_KERNEL_FAILS, 5},
    [WR_OP_BAND] = {"&", band_int64, 0, 1},
    [WR_OP_BOR] = {"|", bor_int64, 0, 1},
    [WR_OP_BXOR] = {"~", bxor_int64, 0, 1},
    [WR_OP_SHL] = {"<<", shl_int64, 0, 2},
    [WR_OP_SHR] = {">>", shr_int64, 0, 2},
};
static const struct wr_kernel float64_kernels[WR_OP_COUNT] = {
    [WR_OP_ADD] = {"+", add_float64, 0, 1},    [WR_OP_SUB] = {"-", sub_float64, 0, 1},
    [WR_OP_MUL] = {"*", mul_float64, 0, 1},    [WR_OP_DIV] = {"/", div_float64, 0, 1},
    [WR_OP_IDIV] = {"//", idiv_float64, 0, 2}, [WR_OP_MOD] = {"%", mod_float64, 0, 8},
    [WR_OP_POW] = {"^", pow_float64, 0, 20},
};
const struct wr_kernel wr_kernel_neg_int64 = {"-", neg_int64, 0, 1};
const struct wr_kernel wr_kernel_neg_float64 = {"-", neg_float64, 0, 1};
const struct wr_kernel wr_kernel_bnot = {"~", bnot_int64, 0, 1};
const struct wr_kernel wr_kernel_idiv_safe = {"//", idiv_safe, 0, 4};
const struct wr_kernel wr_kernel_mod_safe = {"%", mod_safe, 0, 4};
const struct wr_kernel wr_kernel_int64_to_float64 = {"float64", int64_to_float64, 0, 1};

const struct wr_kernel *wr_kernel_number(enum wr_operator op, enum wr_type_kind kind) {
    const struct wr_kernel *table = kind == WR_INT64     ? int64_kernels
                                    : kind == WR_FLOAT64 ? float64_kernels
                                                         : NULL;
    return table != NULL && table[op].run != NULL ? &table[op] : NULL;
}
