/* kernel_compare.c: comparisons and logic. A comparison with nil is false (`~=`: true unless both
 * are nil, `==`: true if both are), so results are never nil. */
#include <math.h>

#include "base/status.h"
#include "expr/program.h"
#include "base/banned.h"

typedef __int128 decimal;

/* ---- nil in == and ~= ---- */

/* Puts what `==` (equal 1) or `~=` (equal 0) gives into the rows in which an argument is nil. */
static void equal_for_nil(struct wr_vm *vm, const struct wr_ins *ins, uint8_t equal) {
    uint8_t *out = vm->regs[ins->out].data;
    const uint64_t *a = ins->constant_a ? NULL : vm->regs[ins->args[0]].valid;
    const uint64_t *b = ins->constant_b ? NULL : vm->regs[ins->args[1]].valid;
    vm->regs[ins->out].valid = NULL;
    if (a == NULL && b == NULL)
        return;
    for (uint32_t row = 0; row < vm->row_count; row += 8) {
        uint64_t nil_a = a == NULL ? 0 : ~a[row / 64] >> (row % 64);
        uint64_t nil_b = b == NULL ? 0 : ~b[row / 64] >> (row % 64);
        uint64_t any = (nil_a | nil_b) & 0xff, both = nil_a & nil_b, eight;
        if (any == 0)
            continue;
        memcpy(&eight, out + row, 8);
        eight &= ~(wr_bits_spread(any) * 0xff); /* a nil row holds anything */
        eight |= wr_bits_spread(any & (equal ? both : ~both));
        memcpy(out + row, &eight, 8);
    }
}

#define ORDERING(name, TA, TB, EXPR) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        WR_LOOP_2(vm, ins, TA, TB, uint8_t, EXPR); \
        wr_vm_false_for_nil(vm, ins); \
        return WR_OK; \
    }
#define EQUALITY(name, TA, TB, EQUAL, EXPR) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        WR_LOOP_2(vm, ins, TA, TB, uint8_t, EXPR); \
        equal_for_nil(vm, ins, EQUAL); \
        return WR_OK; \
    }
#define COMPARISONS(suffix, TA, TB, LT, LE, EQ) \
    EQUALITY(eq_##suffix, TA, TB, 1, EQ) \
    EQUALITY(ne_##suffix, TA, TB, 0, !(EQ)) \
    ORDERING(lt_##suffix, TA, TB, LT) \
    ORDERING(le_##suffix, TA, TB, LE)

COMPARISONS(int64, int64_t, int64_t, x < y, x <= y, x == y)
ORDERING(gt_int64, int64_t, int64_t, x > y)
ORDERING(ge_int64, int64_t, int64_t, x >= y)
COMPARISONS(float64, double, double, x < y, x <= y, x == y)
ORDERING(gt_float64, double, double, x > y)
ORDERING(ge_float64, double, double, x >= y)
COMPARISONS(decimal, decimal, decimal, x < y, x <= y, x == y)
ORDERING(gt_decimal, decimal, decimal, x > y)
ORDERING(ge_decimal, decimal, decimal, x >= y)
EQUALITY(eq_bool, uint8_t, uint8_t, 1, x == y)
EQUALITY(ne_bool, uint8_t, uint8_t, 0, x != y)

/* ---- int64 with float64, exactly: a float64 of 2^53 and more says less than an int64 does ---- */

#define INT64_END 9223372036854775808.0 /* 2^63 */

static inline int mixed_lt(int64_t x, double y) { /* x < y */
    if (y >= INT64_END)
        return 1;
    if (!(y >= -INT64_END)) /* below, or NaN */
        return 0;
    double up = ceil(y);
    return up >= INT64_END || x < (int64_t)up;
}
static inline int mixed_le(int64_t x, double y) { /* x <= y */
    if (y >= INT64_END)
        return 1;
    if (!(y >= -INT64_END))
        return 0;
    return x <= (int64_t)floor(y);
}
static inline int mixed_eq(int64_t x, double y) {
    return y >= -INT64_END && y < INT64_END && floor(y) == y && (int64_t)y == x;
}
#define NUMBER(y) ((y) == (y))
COMPARISONS(mixed, int64_t, double, mixed_lt(x, y), mixed_le(x, y), mixed_eq(x, y))
ORDERING(gt_mixed, int64_t, double, NUMBER(y) && !mixed_le(x, y))
ORDERING(ge_mixed, int64_t, double, NUMBER(y) && !mixed_lt(x, y))

/* ---- strings ---- */

#define STRINGS(name, EXPR, FOR_NIL) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        const struct wr_str *a = vm->regs[ins->args[0]].data, *b = vm->regs[ins->args[1]].data; \
        uint8_t *restrict out = vm->regs[ins->out].data; \
        WR_ROWS_BEGIN(vm, ins) \
        out[row] = (uint8_t)(EXPR); \
        WR_ROWS_END \
        FOR_NIL; \
        return WR_OK; \
    }
STRINGS(ne_string_rows, !wr_str_equal(&a[ra], &b[rb]), equal_for_nil(vm, ins, 0))
STRINGS(lt_string, wr_str_compare(&a[ra], &b[rb]) < 0, wr_vm_false_for_nil(vm, ins))
STRINGS(le_string, wr_str_compare(&a[ra], &b[rb]) <= 0, wr_vm_false_for_nil(vm, ins))
STRINGS(gt_string, wr_str_compare(&a[ra], &b[rb]) > 0, wr_vm_false_for_nil(vm, ins))
STRINGS(ge_string, wr_str_compare(&a[ra], &b[rb]) >= 0, wr_vm_false_for_nil(vm, ins))
STRINGS(eq_string_rows, wr_str_equal(&a[ra], &b[rb]), equal_for_nil(vm, ins, 1))

/* With a short constant a string is two words, and nothing is followed: nil rows may be compared.
 * */
static void equal_short(const struct wr_vm *vm, const struct wr_ins *ins, uint8_t equal) {
    const struct wr_sel *sel = &vm->sels[ins->sel];
    const uint64_t *words = vm->regs[ins->args[0]].data;
    const uint64_t *want = vm->regs[ins->args[1]].data;
    const uint64_t want_0 = want[0], want_1 = want[1];
    uint8_t *restrict out = vm->regs[ins->out].data;
    if (equal)
        WR_EACH_(vm, sel, const uint64_t *x = words + (size_t)row * 2;
                 out[row] = ((x[0] ^ want_0) | (x[1] ^ want_1)) == 0);
    else
        WR_EACH_(vm, sel, const uint64_t *x = words + (size_t)row * 2;
                 out[row] = ((x[0] ^ want_0) | (x[1] ^ want_1)) != 0);
}

#define STRING_EQUALITY(name, ROWS, EQUAL) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        const struct wr_str *constant = vm->regs[ins->args[1]].data; \
        if (!ins->constant_b || constant->length > WR_STR_INLINE_MAX) \
            return ROWS(vm, ins); \
        equal_short(vm, ins, EQUAL); \
        equal_for_nil(vm, ins, EQUAL); \
        return WR_OK; \
    }
STRING_EQUALITY(eq_string, eq_string_rows, 1)
STRING_EQUALITY(ne_string, ne_string_rows, 0)

/* ---- tables ---- */

#define SIX(suffix, cost) \
    { \
        [WR_OP_EQ] = {"==", eq_##suffix, WR_KERNEL_TRUTH, cost}, \
        [WR_OP_NE] = {"~=", ne_##suffix, WR_KERNEL_TRUTH, cost}, \
        [WR_OP_LT] = {"<", lt_##suffix, WR_KERNEL_TRUTH, cost}, \
        [WR_OP_LE] = {"<=", le_##suffix, WR_KERNEL_TRUTH, cost}, \
        [WR_OP_GT] = {">", gt_##suffix, WR_KERNEL_TRUTH, cost}, \
        [WR_OP_GE] = {">=", ge_##suffix, WR_KERNEL_TRUTH, cost}, \
    }
static const struct wr_kernel int64_table[WR_OP_COUNT] = SIX(int64, 1);
static const struct wr_kernel float64_table[WR_OP_COUNT] = SIX(float64, 1);
static const struct wr_kernel decimal_table[WR_OP_COUNT] = SIX(decimal, 2);
static const struct wr_kernel mixed_table[WR_OP_COUNT] = SIX(mixed, 3);
static const struct wr_kernel string_table[WR_OP_COUNT] = SIX(string, 4);
static const struct wr_kernel bool_table[WR_OP_COUNT] = {
    [WR_OP_EQ] = {"==", eq_bool, WR_KERNEL_TRUTH, 1},
    [WR_OP_NE] = {"~=", ne_bool, WR_KERNEL_TRUTH, 1},
};

const struct wr_kernel *wr_kernel_compare(enum wr_operator op, enum wr_type_kind kind) {
    static const struct wr_kernel *const tables[WR_TYPE_KINDS] = {
        [WR_NIL] = mixed_table,       [WR_BOOL] = bool_table,       [WR_INT64] = int64_table,
        [WR_FLOAT64] = float64_table, [WR_DECIMAL] = decimal_table, [WR_STRING] = string_table,
        [WR_BYTES] = string_table,    [WR_TIMESTAMP] = int64_table, [WR_DATE] = int64_table,
        [WR_DURATION] = int64_table,
    };
    const struct wr_kernel *table = tables[kind];
    return table != NULL && table[op].run != NULL ? &table[op] : NULL;
}

/* ---- nil tests and logic ---- */

static void valid_to_bools(struct wr_vm *vm, const struct wr_ins *ins, uint64_t flip) {
    uint8_t *restrict out = vm->regs[ins->out].data;
    const uint64_t *valid = vm->regs[ins->args[0]].valid;
    vm->regs[ins->out].valid = NULL;
    if (ins->constant_a) {
        memset(out, (int)((valid == NULL) ^ (flip & 1)), vm->row_count);
        return;
    }
    if (valid == NULL) {
        memset(out, (int)(1 ^ (flip & 1)), vm->row_count);
        return;
    }
    for (uint32_t row = 0; row < vm->row_count; row += 8) {
        uint64_t eight = wr_bits_spread((valid[row / 64] ^ flip) >> (row % 64));
        memcpy(out + row, &eight, 8);
    }
}

static int is_nil(struct wr_vm *vm, const struct wr_ins *ins) {
    valid_to_bools(vm, ins, UINT64_MAX);
    return WR_OK;
}
static int not_nil(struct wr_vm *vm, const struct wr_ins *ins) {
    valid_to_bools(vm, ins, 0);
    return WR_OK;
}
static int truth(struct wr_vm *vm, const struct wr_ins *ins) {
    WR_LOOP_1(vm, ins, uint8_t, uint8_t, x);
    wr_vm_false_for_nil(vm, ins);
    return WR_OK;
}
static int not_bool(struct wr_vm *vm, const struct wr_ins *ins) {
    int status = truth(vm, ins);
    uint8_t *out = vm->regs[ins->out].data;
    WR_EACH_(vm, &vm->sels[ins->sel], out[row] ^= 1);
    return status;
}

/* `a and b`, both computed: b where a is true, else a. */
static int and_eager(struct wr_vm *vm, const struct wr_ins *ins) {
    WR_LOOP_2(vm, ins, uint8_t, uint8_t, uint8_t, x & y);
    const struct wr_column *a = &vm->regs[ins->args[0]], *b = &vm->regs[ins->args[1]];
    struct wr_column *out = &vm->regs[ins->out];
    out->valid = NULL;
    if (a->valid == NULL && b->valid == NULL)
        return WR_OK;
    uint64_t *bits = wr_vm_bits(vm);
    if (bits == NULL)
        return WR_ENOMEM;
    WR_EACH_(vm, &vm->sels[ins->sel], int a_valid = !wr_vm_is_nil(a, ins->constant_a, row);
             int b_valid = !wr_vm_is_nil(b, ins->constant_b, row);
             int a_true = a_valid & WR_BOOLS(a)[ins->constant_a ? 0 : row];
             wr_bit_put(bits, row, a_true ? b_valid : a_valid));
    out->valid = bits;
    return WR_OK;
}

/* `a or b`, both computed: a where it is true, else b. */
static int or_eager(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_column *a = &vm->regs[ins->args[0]], *b = &vm->regs[ins->args[1]];
    struct wr_column *out = &vm->regs[ins->out];
    if (a->valid == NULL && b->valid == NULL) {
        WR_LOOP_2(vm, ins, uint8_t, uint8_t, uint8_t, x | y);
        out->valid = NULL;
        return WR_OK;
    }
    uint64_t *bits = wr_vm_bits(vm);
    uint8_t *values = out->data;
    if (bits == NULL)
        return WR_ENOMEM;
    WR_EACH_(vm, &vm->sels[ins->sel], int a_valid = !wr_vm_is_nil(a, ins->constant_a, row);
             int b_valid = !wr_vm_is_nil(b, ins->constant_b, row);
             int a_true = a_valid & WR_BOOLS(a)[ins->constant_a ? 0 : row];
             values[row] = a_true ? 1 : WR_BOOLS(b)[ins->constant_b ? 0 : row];
             wr_bit_put(bits, row, a_true | b_valid));
    out->valid = bits;
    return WR_OK;
}

const struct wr_kernel wr_kernel_is_nil = {"== nil", is_nil, WR_KERNEL_TRUTH, 1};
const struct wr_kernel wr_kernel_not_nil = {"~= nil", not_nil, WR_KERNEL_TRUTH, 1};
const struct wr_kernel wr_kernel_truth = {"true", truth, WR_KERNEL_TRUTH, 1};
const struct wr_kernel wr_kernel_not = {"not", not_bool, WR_KERNEL_TRUTH, 1};
const struct wr_kernel wr_kernel_and = {"and", and_eager, WR_KERNEL_NILS, 1};
const struct wr_kernel wr_kernel_or = {"or", or_eager, WR_KERNEL_NILS, 1};
