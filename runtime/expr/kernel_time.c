/* kernel_time.c: arithmetic of timestamps, dates and durations. What does not fit fails the row. */
#include <math.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/time.h"
#include "expr/program.h"
#include "base/banned.h"

#define INT64_END 9223372036854775808.0 /* 2^63 */

static inline int div_floor(int64_t x, int64_t y, int64_t *result) {
    if (x == INT64_MIN && y == -1)
        return 0;
    *result = x / y - ((x % y != 0) & ((x ^ y) < 0));
    return 1;
}

static inline int64_t mod_floor(int64_t x, int64_t y) {
    if (y == -1)
        return 0;
    int64_t rest = x % y;
    return rest != 0 && (rest ^ y) < 0 ? rest + y : rest;
}

static inline int from_float(double x, int64_t *result) {
    double whole = round(x);
    if (!(whole >= -INT64_END && whole < INT64_END))
        return 0;
    *result = (int64_t)whole;
    return 1;
}

/* x / y to the nearest microsecond, halves away from 0. */
static inline int div_nearest(int64_t x, int64_t y, int64_t *result) {
    __int128 wide = x, half = y < 0 ? -(__int128)y : y;
    wide = 2 * (wide < 0 ? -wide : wide) + half;
    wide /= 2 * half;
    if ((x < 0) != (y < 0))
        wide = -wide;
    *result = (int64_t)wide;
    return wide >= INT64_MIN && wide <= INT64_MAX;
}

/* FIT is 0 where the result does not fit; x and y are the operands. */
#define TIME_2(function, TA, TB, TO, FIT) \
    static int function(struct wr_vm *vm, const struct wr_ins *ins) { \
        const TA *a = vm->regs[ins->args[0]].data; \
        const TB *b = vm->regs[ins->args[1]].data; \
        TO *restrict out = vm->regs[ins->out].data; \
        WR_ROWS_BEGIN(vm, ins) \
        const TA x = a[ra]; \
        const TB y = b[rb]; \
        TO *const result = &out[row]; \
        if (WR_UNLIKELY(!(FIT))) { \
            *result = 0; \
            wr_vm_fail(vm, ins, row, WR_REJECT_OVERFLOW, "overflow of %s", \
                       ins->node->kernel->name); \
        } \
        WR_ROWS_END \
        return wr_vm_valid_both(vm, ins); \
    }
TIME_2(add, int64_t, int64_t, int64_t, !__builtin_add_overflow(x, y, result))
TIME_2(sub, int64_t, int64_t, int64_t, !__builtin_sub_overflow(x, y, result))
TIME_2(mul_int64, int64_t, int64_t, int64_t, !__builtin_mul_overflow(x, y, result))
TIME_2(mul_float64, int64_t, double, int64_t, from_float((double)x *y, result))
TIME_2(mul_float64_first, double, int64_t, int64_t, from_float(x *(double)y, result))
TIME_2(div_float64, int64_t, double, int64_t, from_float((double)x / y, result))
TIME_2(date_sub_date, int64_t, int64_t, int64_t,
       !__builtin_sub_overflow(x, y, result) &&
           !__builtin_mul_overflow(*result, WR_US_PER_DAY, result))

static int div_duration(struct wr_vm *vm, const struct wr_ins *ins) {
    WR_LOOP_2(vm, ins, int64_t, int64_t, double, (double)x / (double)y);
    return wr_vm_valid_both(vm, ins);
}

/* The divisor 0 fails with W503. */
#define TIME_DIVISION(function, STATEMENT) \
    static int function(struct wr_vm *vm, const struct wr_ins *ins) { \
        const int64_t *a = vm->regs[ins->args[0]].data, *b = vm->regs[ins->args[1]].data; \
        int64_t *restrict out = vm->regs[ins->out].data; \
        WR_ROWS_BEGIN(vm, ins) \
        const int64_t x = a[ra], y = b[rb]; \
        int64_t *const result = &out[row]; \
        *result = 0; \
        if (WR_UNLIKELY(y == 0)) \
            wr_vm_fail(vm, ins, row, WR_REJECT_DIVISION, "a duration %s 0", \
                       ins->node->kernel->name); \
        else \
            STATEMENT; \
        WR_ROWS_END \
        return wr_vm_valid_both(vm, ins); \
    }
#define OR_OVERFLOW(FIT) \
    if (!(FIT)) \
    wr_vm_fail(vm, ins, row, WR_REJECT_OVERFLOW, "overflow of %s", ins->node->kernel->name)
TIME_DIVISION(div_int64, OR_OVERFLOW(div_nearest(x, y, result)))
TIME_DIVISION(idiv_duration, OR_OVERFLOW(div_floor(x, y, result)))
TIME_DIVISION(mod_duration, *result = mod_floor(x, y))

/* date ± duration: whole days only. */
static int date_shift(struct wr_vm *vm, const struct wr_ins *ins, const int64_t *dates,
                      const int64_t *durations, int dates_first, int sign) {
    int64_t *restrict out = vm->regs[ins->out].data;
    WR_ROWS_BEGIN(vm, ins)
    int64_t date = dates[dates_first ? ra : rb], duration = durations[dates_first ? rb : ra];
    int64_t days = duration / WR_US_PER_DAY * sign;
    out[row] = 0;
    if (duration % WR_US_PER_DAY != 0) {
        char text[WR_TIME_TEXT_MAX];
        wr_duration_format_short(duration, text);
        wr_vm_fail(vm, ins, row, WR_REJECT_TYPE, "%s is not a number of whole days", text);
    } else if (__builtin_add_overflow(date, days, &out[row])) {
        wr_vm_fail(vm, ins, row, WR_REJECT_OVERFLOW, "overflow of %s", ins->node->kernel->name);
    }
    WR_ROWS_END
    return wr_vm_valid_both(vm, ins);
}
static int date_add_duration(struct wr_vm *vm, const struct wr_ins *ins) {
    return date_shift(vm, ins, vm->regs[ins->args[0]].data, vm->regs[ins->args[1]].data, 1, 1);
}
static int duration_add_date(struct wr_vm *vm, const struct wr_ins *ins) {
    return date_shift(vm, ins, vm->regs[ins->args[1]].data, vm->regs[ins->args[0]].data, 0, 1);
}
static int date_sub_duration(struct wr_vm *vm, const struct wr_ins *ins) {
    return date_shift(vm, ins, vm->regs[ins->args[0]].data, vm->regs[ins->args[1]].data, 1, -1);
}

static int neg(struct wr_vm *vm, const struct wr_ins *ins) {
    const int64_t *a = vm->regs[ins->args[0]].data;
    int64_t *restrict out = vm->regs[ins->out].data;
    WR_ROWS_BEGIN(vm, ins)
    if (__builtin_sub_overflow((int64_t)0, a[ra], &out[row])) {
        out[row] = 0;
        wr_vm_fail(vm, ins, row, WR_REJECT_OVERFLOW, "overflow of -");
    }
    WR_ROWS_END
    return wr_vm_valid_both(vm, ins);
}
const struct wr_kernel wr_kernel_neg_duration = {"-", neg, WR_KERNEL_FAILS, 2};

struct time_kernel {
    enum wr_operator op;
    enum wr_type_kind a, b;
    struct wr_kernel kernel;
};
static const struct time_kernel kernels[] = {
    {WR_OP_SUB, WR_TIMESTAMP, WR_TIMESTAMP, {"-", sub, WR_KERNEL_FAILS, 2}},
    {WR_OP_ADD, WR_TIMESTAMP, WR_DURATION, {"+", add, WR_KERNEL_FAILS, 2}},
    {WR_OP_ADD, WR_DURATION, WR_TIMESTAMP, {"+", add, WR_KERNEL_FAILS, 2}},
    {WR_OP_SUB, WR_TIMESTAMP, WR_DURATION, {"-", sub, WR_KERNEL_FAILS, 2}},
    {WR_OP_SUB, WR_DATE, WR_DATE, {"-", date_sub_date, WR_KERNEL_FAILS, 2}},
    {WR_OP_ADD, WR_DATE, WR_INT64, {"+", add, WR_KERNEL_FAILS, 2}},
    {WR_OP_ADD, WR_INT64, WR_DATE, {"+", add, WR_KERNEL_FAILS, 2}},
    {WR_OP_SUB, WR_DATE, WR_INT64, {"-", sub, WR_KERNEL_FAILS, 2}},
    {WR_OP_ADD, WR_DATE, WR_DURATION, {"+", date_add_duration, WR_KERNEL_FAILS, 6}},
    {WR_OP_ADD, WR_DURATION, WR_DATE, {"+", duration_add_date, WR_KERNEL_FAILS, 6}},
    {WR_OP_SUB, WR_DATE, WR_DURATION, {"-", date_sub_duration, WR_KERNEL_FAILS, 6}},
    {WR_OP_ADD, WR_DURATION, WR_DURATION, {"+", add, WR_KERNEL_FAILS, 2}},
    {WR_OP_SUB, WR_DURATION, WR_DURATION, {"-", sub, WR_KERNEL_FAILS, 2}},
    {WR_OP_MUL, WR_DURATION, WR_INT64, {"*", mul_int64, WR_KERNEL_FAILS, 2}},
    {WR_OP_MUL, WR_INT64, WR_DURATION, {"*", mul_int64, WR_KERNEL_FAILS, 2}},
    {WR_OP_MUL, WR_DURATION, WR_FLOAT64, {"*", mul_float64, WR_KERNEL_FAILS, 4}},
    {WR_OP_MUL, WR_FLOAT64, WR_DURATION, {"*", mul_float64_first, WR_KERNEL_FAILS, 4}},
    {WR_OP_DIV, WR_DURATION, WR_DURATION, {"/", div_duration, 0, 2}},
    {WR_OP_DIV, WR_DURATION, WR_INT64, {"/", div_int64, WR_KERNEL_FAILS, 10}},
    {WR_OP_DIV, WR_DURATION, WR_FLOAT64, {"/", div_float64, WR_KERNEL_FAILS, 4}},
    {WR_OP_IDIV, WR_DURATION, WR_DURATION, {"//", idiv_duration, WR_KERNEL_FAILS, 6}},
    {WR_OP_MOD, WR_DURATION, WR_DURATION, {"%", mod_duration, WR_KERNEL_FAILS, 6}},
};

const struct wr_kernel *wr_kernel_time(enum wr_operator op, enum wr_type_kind a,
                                       enum wr_type_kind b) {
    for (uint32_t i = 0; i < WR_COUNT(kernels); i++)
        if (kernels[i].op == op && kernels[i].a == a && kernels[i].b == b)
            return &kernels[i].kernel;
    return NULL;
}
