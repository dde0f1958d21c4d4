/* kernel_decimal.c: decimals: 128-bit integers scaled by 10^scale. What has more digits than its
 * type holds fails the row with W504.
 *   +, -, %   both arguments have the result's scale
 *   *         the result's scale is the sum of the arguments'
 *   /, //     the first argument has been raised so that the quotient has the result's scale */
#include "base/assert.h"
#include "base/status.h"
#include "data/text.h"
#include "expr/program.h"
#include "base/banned.h"

typedef __int128 decimal;

static decimal power_of_10(uint32_t exponent) {
    decimal power = 1;
    WR_ASSERT(exponent <= WR_DECIMAL_DIGITS_MAX);
    for (uint32_t i = 0; i < exponent; i++)
        power *= 10;
    return power;
}

static void overflow(struct wr_vm *vm, const struct wr_ins *ins, uint32_t row, decimal *out) {
    *out = 0;
    wr_vm_fail(vm, ins, row, WR_REJECT_OVERFLOW, "overflow of %s: more than %d digits",
               ins->node->kernel->name, ins->node->type.precision);
}

static inline int fits(decimal value, decimal bound) {
    return value < bound && value > -bound;
}

#define DECIMAL_2(name, FIT) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        const decimal *a = vm->regs[ins->args[0]].data, *b = vm->regs[ins->args[1]].data; \
        decimal *restrict out = vm->regs[ins->out].data; \
        const decimal bound = power_of_10(ins->node->type.precision); \
        WR_ROWS_BEGIN(vm, ins) \
        const decimal x = a[ra], y = b[rb]; \
        decimal *const result = &out[row]; \
        if (WR_UNLIKELY(!(FIT) || !fits(*result, bound))) \
            overflow(vm, ins, row, result); \
        WR_ROWS_END \
        return wr_vm_valid_both(vm, ins); \
    }
DECIMAL_2(add, !__builtin_add_overflow(x, y, result))
DECIMAL_2(sub, !__builtin_sub_overflow(x, y, result))
DECIMAL_2(mul, !__builtin_mul_overflow(x, y, result))

/* The quotient of x * 10^raise by y, to the nearest (halves away from 0) or down. */
static int divide(decimal x, decimal y, decimal raise, int nearest, decimal *result) {
    decimal raised;
    if (__builtin_mul_overflow(x, raise, &raised))
        return 0;
    decimal quotient = raised / y, rest = raised % y;
    if (rest != 0 && nearest) {
        decimal left = rest < 0 ? -rest : rest, by = y < 0 ? -y : y;
        if (left >= by - left)
            quotient += (raised < 0) == (y < 0) ? 1 : -1;
    } else if (rest != 0 && (rest < 0) != (y < 0)) {
        quotient -= 1;
    }
    *result = quotient;
    return 1;
}

static int division(struct wr_vm *vm, const struct wr_ins *ins, int nearest) {
    const decimal *a = vm->regs[ins->args[0]].data, *b = vm->regs[ins->args[1]].data;
    decimal *restrict out = vm->regs[ins->out].data;
    const struct wr_type *type = &ins->node->type;
    uint32_t raise =
        (uint32_t)type->scale + ins->node->args[1]->type.scale - ins->node->args[0]->type.scale;
    const decimal bound = power_of_10(type->precision), factor = power_of_10(raise);
    WR_ROWS_BEGIN(vm, ins)
    out[row] = 0;
    if (b[rb] == 0)
        wr_vm_fail(vm, ins, row, WR_REJECT_DIVISION, "a decimal %s 0", ins->node->kernel->name);
    else if (!divide(a[ra], b[rb], factor, nearest, &out[row]) || !fits(out[row], bound))
        overflow(vm, ins, row, &out[row]);
    WR_ROWS_END
    return wr_vm_valid_both(vm, ins);
}
static int div_nearest(struct wr_vm *vm, const struct wr_ins *ins) {
    return division(vm, ins, 1);
}
static int idiv(struct wr_vm *vm, const struct wr_ins *ins) {
    return division(vm, ins, 0);
}
static int mod(struct wr_vm *vm, const struct wr_ins *ins) {
    const decimal *a = vm->regs[ins->args[0]].data, *b = vm->regs[ins->args[1]].data;
    decimal *restrict out = vm->regs[ins->out].data;
    WR_ROWS_BEGIN(vm, ins)
    out[row] = 0;
    if (b[rb] == 0) {
        wr_vm_fail(vm, ins, row, WR_REJECT_DIVISION, "a decimal %% 0");
    } else if (b[rb] != -1) {
        decimal rest = a[ra] % b[rb];
        out[row] = rest != 0 && (rest < 0) != (b[rb] < 0) ? rest + b[rb] : rest;
    }
    WR_ROWS_END
    return wr_vm_valid_both(vm, ins);
}

static int neg(struct wr_vm *vm, const struct wr_ins *ins) {
    WR_LOOP_1(vm, ins, decimal, decimal, -(unsigned __int128)x);
    return wr_vm_valid_both(vm, ins);
}

static int from_int64(struct wr_vm *vm, const struct wr_ins *ins) {
    const int64_t *a = vm->regs[ins->args[0]].data;
    decimal *restrict out = vm->regs[ins->out].data;
    const struct wr_type *type = &ins->node->type;
    const decimal factor = power_of_10(type->scale), bound = power_of_10(type->precision);
    WR_ROWS_BEGIN(vm, ins)
    if (__builtin_mul_overflow((decimal)a[ra], factor, &out[row]) || !fits(out[row], bound))
        overflow(vm, ins, row, &out[row]);
    WR_ROWS_END
    return wr_vm_valid_both(vm, ins);
}

/* To a scale that is not smaller. */
static int rescale(struct wr_vm *vm, const struct wr_ins *ins) {
    const decimal *a = vm->regs[ins->args[0]].data;
    decimal *restrict out = vm->regs[ins->out].data;
    const struct wr_type *type = &ins->node->type;
    const decimal bound = power_of_10(type->precision);
    const decimal factor = power_of_10((uint32_t)type->scale - ins->node->args[0]->type.scale);
    WR_ROWS_BEGIN(vm, ins)
    if (__builtin_mul_overflow(a[ra], factor, &out[row]) || !fits(out[row], bound))
        overflow(vm, ins, row, &out[row]);
    WR_ROWS_END
    return wr_vm_valid_both(vm, ins);
}

/* By way of the text, so that the nearest float64 results. */
static int to_float64(struct wr_vm *vm, const struct wr_ins *ins) {
    const decimal *a = vm->regs[ins->args[0]].data;
    double *restrict out = vm->regs[ins->out].data;
    WR_ROWS_BEGIN(vm, ins)
    char text[WR_NUMBER_TEXT_MAX];
    size_t length = wr_decimal_format(a[ra], ins->node->args[0]->type.scale, text);
    out[row] = 0;
    wr_float64_parse(text, length, 0, &out[row]);
    WR_ROWS_END
    return wr_vm_valid_both(vm, ins);
}

static const struct wr_kernel kernels[WR_OP_COUNT] = {
    [WR_OP_ADD] = {"+", add, WR_KERNEL_FAILS, 3},
    [WR_OP_SUB] = {"-", sub, WR_KERNEL_FAILS, 3},
    [WR_OP_MUL] = {"*", mul, WR_KERNEL_FAILS, 5},
    [WR_OP_DIV] = {"/", div_nearest, WR_KERNEL_FAILS, 30},
    [WR_OP_IDIV] = {"//", idiv, WR_KERNEL_FAILS, 30},
    [WR_OP_MOD] = {"%", mod, WR_KERNEL_FAILS, 30},
};
const struct wr_kernel wr_kernel_neg_decimal = {"-", neg, 0, 1};
const struct wr_kernel wr_kernel_int64_to_decimal = {"decimal", from_int64, WR_KERNEL_FAILS, 3};
const struct wr_kernel wr_kernel_decimal_rescale = {"decimal", rescale, WR_KERNEL_FAILS, 3};
const struct wr_kernel wr_kernel_decimal_to_float64 = {"float64", to_float64, 0, 60};

const struct wr_kernel *wr_kernel_decimal(enum wr_operator op) {
    return kernels[op].run != NULL ? &kernels[op] : NULL;
}
