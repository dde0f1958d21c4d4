/* kernel_json.c: operators over json, list, struct and map columns, row by row, as Lua would: a
 * wrong kind of value in arithmetic or an ordering fails the row with W505; `==` with another
 * kind is false. Operands of plain types are read as what they would be in JSON. */
#include <math.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/text.h"
#include "expr/json_value.h"
#include "expr/program.h"
#include "base/banned.h"

#define INT64_END 9223372036854775808.0 /* 2^63 */

/* ---- rows ---- */

struct rows {
    struct wr_vm *vm;
    const struct wr_ins *ins;
    const struct wr_sel *sel;
    uint64_t *valid; /* of the result; NULL while no row is nil */
};

static struct rows rows_start(struct wr_vm *vm, const struct wr_ins *ins) {
    vm->regs[ins->out].valid = NULL;
    return (struct rows){.vm = vm, .ins = ins, .sel = &vm->sels[ins->sel]};
}

static uint32_t rows_at(const struct rows *rows, uint32_t i) {
    return rows->sel->rows == NULL ? i : rows->sel->rows[i];
}

static int rows_nil(struct rows *rows, uint32_t row) {
    if (rows->valid == NULL) {
        rows->valid = wr_vm_bits(rows->vm);
        if (rows->valid == NULL)
            return WR_ENOMEM;
        rows->vm->regs[rows->ins->out].valid = rows->valid;
    }
    wr_bit_clear(rows->valid, row);
    return WR_OK;
}

static int read_arg(const struct rows *rows, uint32_t arg, uint32_t row,
                    struct wr_json_value *value) {
    uint32_t reg = rows->ins->args[arg];
    int constant = rows->vm->program->regs[reg].kind == WR_REG_CONSTANT;
    return wr_json_operand(rows->vm->scratch, &rows->ins->node->args[arg]->type,
                           &rows->vm->regs[reg], constant ? 0 : row, value);
}

static const struct wr_str *text_arg(const struct rows *rows, uint32_t arg, uint32_t row) {
    uint32_t reg = rows->ins->args[arg];
    int constant = rows->vm->program->regs[reg].kind == WR_REG_CONSTANT;
    const struct wr_column *column = &rows->vm->regs[reg];
    uint32_t at = constant ? 0 : row;
    return wr_column_is_nil(column, at) ? NULL : &WR_STR(column)[at];
}

static void wrong_kind(const struct rows *rows, uint32_t row, const struct wr_json_value *value,
                       const char *wanted) {
    wr_vm_fail(rows->vm, rows->ins, row, WR_REJECT_KIND, "`%s`: %s where %s is expected",
               rows->ins->node->kernel->name, wr_json_is_text(value->is), wanted);
}

/* ---- arithmetic ---- */

static int is_number(const struct wr_json_value *value) {
    return value->is == WR_JSON_IS_INT || value->is == WR_JSON_IS_FLOAT;
}

static double as_float(const struct wr_json_value *value) {
    return value->is == WR_JSON_IS_INT ? (double)value->integer : value->number;
}

static int put_number(struct rows *rows, uint32_t row, const struct wr_json_value *value) {
    char text[WR_NUMBER_TEXT_MAX];
    struct wr_str *out = &((struct wr_str *)rows->vm->regs[rows->ins->out].data)[row];
    *out = (struct wr_str){0};
    if (value->is == WR_JSON_IS_FLOAT && !isfinite(value->number)) /* JSON has no such number */
        return rows_nil(rows, row);
    uint32_t length =
        (uint32_t)(value->is == WR_JSON_IS_INT ? wr_int64_format(value->integer, text)
                                               : wr_float64_format(value->number, text));
    const char *bytes = text;
    if (length > WR_STR_INLINE_MAX) {
        bytes = wr_arena_strndup(rows->vm->text, text, length);
        if (bytes == NULL)
            return WR_ENOMEM;
    }
    *out = wr_str_of(bytes, length);
    return WR_OK;
}

static double float_mod(double x, double y) {
    double rest = fmod(x, y);
    return (rest > 0 ? y < 0 : (rest < 0 && y > 0)) ? rest + y : rest;
}

static void int_operation(enum wr_operator op, struct wr_json_value *x, int64_t y) {
    uint64_t a = (uint64_t)x->integer, b = (uint64_t)y;
    int64_t down = op == WR_OP_IDIV || op == WR_OP_MOD ? (y == -1 ? 0 : x->integer % y) : 0;
    int fix = down != 0 && (down ^ y) < 0;
    switch (op) {
    case WR_OP_ADD: x->integer = (int64_t)(a + b); break;
    case WR_OP_SUB: x->integer = (int64_t)(a - b); break;
    case WR_OP_MUL: x->integer = (int64_t)(a * b); break;
    case WR_OP_IDIV: x->integer = y == -1 ? (int64_t)(0 - a) : x->integer / y - fix; break;
    case WR_OP_MOD: x->integer = fix ? down + y : down; break;
    case WR_OP_BAND: x->integer = (int64_t)(a & b); break;
    case WR_OP_BOR: x->integer = (int64_t)(a | b); break;
    case WR_OP_BXOR: x->integer = (int64_t)(a ^ b); break;
    case WR_OP_SHL:
    case WR_OP_SHR: {
        int64_t left = op == WR_OP_SHL ? y : y == INT64_MIN ? 64 : -y;
        x->integer = left <= -64 || left >= 64 ? 0
                     : left >= 0               ? (int64_t)(a << left)
                                               : (int64_t)(a >> -left);
        break;
    }
    default: WR_ASSERT(0);
    }
}

static void float_operation(enum wr_operator op, struct wr_json_value *x, double a, double b) {
    x->is = WR_JSON_IS_FLOAT;
    switch (op) {
    case WR_OP_ADD: x->number = a + b; break;
    case WR_OP_SUB: x->number = a - b; break;
    case WR_OP_MUL: x->number = a * b; break;
    case WR_OP_DIV: x->number = a / b; break;
    case WR_OP_IDIV: x->number = floor(a / b); break;
    case WR_OP_MOD: x->number = float_mod(a, b); break;
    case WR_OP_POW: x->number = b == 2 ? a * a : pow(a, b); break;
    default: WR_ASSERT(0);
    }
}

/* A float64 that is a whole number serves as an integer, as in Lua. */
static int as_integer(struct wr_json_value *value) {
    if (value->is == WR_JSON_IS_INT)
        return 1;
    if (value->is != WR_JSON_IS_FLOAT || !(fabs(value->number) < INT64_END) ||
        floor(value->number) != value->number)
        return 0;
    value->is = WR_JSON_IS_INT;
    value->integer = (int64_t)value->number;
    return 1;
}

static int arithmetic_row(struct rows *rows, enum wr_operator op, uint32_t row,
                          struct wr_json_value *x, struct wr_json_value *y) {
    int bits = op >= WR_OP_BAND && op <= WR_OP_SHR;
    struct wr_json_value *wrong = (bits ? !as_integer(x) : !is_number(x))   ? x
                                  : (bits ? !as_integer(y) : !is_number(y)) ? y
                                                                            : NULL;
    if (wrong != NULL) {
        wrong_kind(rows, row, wrong, bits ? "an integer" : "a number");
        return rows_nil(rows, row);
    }
    int whole =
        x->is == WR_JSON_IS_INT && y->is == WR_JSON_IS_INT && op != WR_OP_DIV && op != WR_OP_POW;
    if (whole && y->integer == 0 && (op == WR_OP_IDIV || op == WR_OP_MOD)) {
        wr_vm_fail(rows->vm, rows->ins, row, WR_REJECT_DIVISION, "%lld %s 0", (long long)x->integer,
                   rows->ins->node->kernel->name);
        return rows_nil(rows, row);
    }
    if (whole)
        int_operation(op, x, y->integer);
    else
        float_operation(op, x, as_float(x), as_float(y));
    return put_number(rows, row, x);
}

static int arithmetic(struct wr_vm *vm, const struct wr_ins *ins, enum wr_operator op) {
    struct rows rows = rows_start(vm, ins);
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        struct wr_json_value x, y;
        if (!read_arg(&rows, 0, row, &x) || !read_arg(&rows, 1, row, &y))
            return WR_ENOMEM;
        status = x.is == WR_JSON_IS_NIL || y.is == WR_JSON_IS_NIL
                     ? rows_nil(&rows, row)
                     : arithmetic_row(&rows, op, row, &x, &y);
    }
    return status;
}

/* ---- comparisons ---- */

static int equality(struct wr_vm *vm, const struct wr_ins *ins, int equal) {
    struct rows rows = rows_start(vm, ins);
    uint8_t *out = vm->regs[ins->out].data;
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        struct wr_json_value x, y;
        if (!read_arg(&rows, 0, row, &x) || !read_arg(&rows, 1, row, &y))
            return WR_ENOMEM;
        out[row] = wr_json_equal(vm->scratch, &x, &y, &status) == equal;
    }
    return status;
}

/* int64 with float64 as exact as everywhere: -1, 0, 1; 2 with NaN. */
static int number_order(const struct wr_json_value *x, const struct wr_json_value *y) {
    if (x->is == WR_JSON_IS_INT && y->is == WR_JSON_IS_INT)
        return (x->integer > y->integer) - (x->integer < y->integer);
    if (x->is == y->is) {
        double a = x->number, b = y->number;
        return a != a || b != b ? 2 : (a > b) - (a < b);
    }
    int sign = x->is == WR_JSON_IS_INT ? 1 : -1;
    int64_t integer = sign > 0 ? x->integer : y->integer;
    double number = sign > 0 ? y->number : x->number;
    if (number != number)
        return 2;
    if (number >= INT64_END)
        return -sign;
    if (number < -INT64_END)
        return sign;
    int64_t whole = (int64_t)floor(number);
    if (integer != whole)
        return integer < whole ? -sign : sign;
    return number > (double)whole ? -sign : 0;
}

static int ordering(struct wr_vm *vm, const struct wr_ins *ins, enum wr_operator op) {
    struct rows rows = rows_start(vm, ins);
    uint8_t *out = vm->regs[ins->out].data;
    for (uint32_t i = 0; i < rows.sel->count; i++) {
        uint32_t row = rows_at(&rows, i);
        struct wr_json_value x, y;
        int order;
        if (!read_arg(&rows, 0, row, &x) || !read_arg(&rows, 1, row, &y))
            return WR_ENOMEM;
        out[row] = 0;
        if (x.is == WR_JSON_IS_NIL || y.is == WR_JSON_IS_NIL)
            continue;
        if (is_number(&x) && is_number(&y)) {
            order = number_order(&x, &y);
        } else if (x.is == WR_JSON_IS_STRING && y.is == WR_JSON_IS_STRING) {
            struct wr_str a = wr_str_of(x.bytes, x.length), b = wr_str_of(y.bytes, y.length);
            order = wr_str_compare(&a, &b);
            order = (order > 0) - (order < 0);
        } else {
            wr_vm_fail(vm, ins, row, WR_REJECT_KIND, "`%s`: %s and %s have no order",
                       ins->node->kernel->name, wr_json_is_text(x.is), wr_json_is_text(y.is));
            continue;
        }
        if (order != 2)
            out[row] = op == WR_OP_LT   ? order < 0
                       : op == WR_OP_LE ? order <= 0
                       : op == WR_OP_GT ? order > 0
                                        : order >= 0;
    }
    return WR_OK;
}

#define ARITHMETIC(name, op) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        return arithmetic(vm, ins, op); \
    }
#define ORDERING(name, op) \
    static int name(struct wr_vm *vm, const struct wr_ins *ins) { \
        return ordering(vm, ins, op); \
    }
ARITHMETIC(add, WR_OP_ADD)
ARITHMETIC(sub, WR_OP_SUB)
ARITHMETIC(mul, WR_OP_MUL)
ARITHMETIC(divide, WR_OP_DIV)
ARITHMETIC(idiv, WR_OP_IDIV)
ARITHMETIC(mod, WR_OP_MOD)
ARITHMETIC(power, WR_OP_POW)
ARITHMETIC(band, WR_OP_BAND)
ARITHMETIC(bor, WR_OP_BOR)
ARITHMETIC(bxor, WR_OP_BXOR)
ARITHMETIC(shl, WR_OP_SHL)
ARITHMETIC(shr, WR_OP_SHR)
ORDERING(lt, WR_OP_LT)
ORDERING(le, WR_OP_LE)
ORDERING(gt, WR_OP_GT)
ORDERING(ge, WR_OP_GE)
static int eq(struct wr_vm *vm, const struct wr_ins *ins) {
    return equality(vm, ins, 1);
}
static int ne(struct wr_vm *vm, const struct wr_ins *ins) {
    return equality(vm, ins, 0);
}

/* ---- unary ---- */

static int negate(struct wr_vm *vm, const struct wr_ins *ins) {
    struct rows rows = rows_start(vm, ins);
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        struct wr_json_value x;
        if (!read_arg(&rows, 0, row, &x))
            return WR_ENOMEM;
        if (!is_number(&x)) {
            if (x.is != WR_JSON_IS_NIL)
                wrong_kind(&rows, row, &x, "a number");
            status = rows_nil(&rows, row);
            continue;
        }
        x.integer = (int64_t)(0 - (uint64_t)x.integer);
        x.number = -x.number;
        status = put_number(&rows, row, &x);
    }
    return status;
}

static int invert(struct wr_vm *vm, const struct wr_ins *ins) {
    struct rows rows = rows_start(vm, ins);
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        struct wr_json_value x;
        if (!read_arg(&rows, 0, row, &x))
            return WR_ENOMEM;
        if (!as_integer(&x)) {
            if (x.is != WR_JSON_IS_NIL)
                wrong_kind(&rows, row, &x, "an integer");
            status = rows_nil(&rows, row);
            continue;
        }
        x.integer = ~x.integer;
        status = put_number(&rows, row, &x);
    }
    return status;
}

/* Bytes of a string, elements of an array, members of an object. */
static int length(struct wr_vm *vm, const struct wr_ins *ins) {
    struct rows rows = rows_start(vm, ins);
    int64_t *out = vm->regs[ins->out].data;
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        const struct wr_str *text = text_arg(&rows, 0, row);
        struct wr_json_value x;
        if (!read_arg(&rows, 0, row, &x))
            return WR_ENOMEM;
        out[row] = 0;
        if (x.is == WR_JSON_IS_STRING) {
            out[row] = x.length;
        } else if (x.is >= WR_JSON_IS_LIST) {
            out[row] = wr_json_count(text);
        } else {
            if (x.is != WR_JSON_IS_NIL)
                wrong_kind(&rows, row, &x, "a string, list or object");
            status = rows_nil(&rows, row);
        }
    }
    return status;
}

/* ---- json as another type ---- */

/* A value that is not null as element `out` of the result; the row fails where it does not fit. */
static int put_element(struct rows *rows, uint32_t row, const struct wr_json_value *x, char *out) {
    const struct wr_type *type = &rows->ins->node->type;
    enum wr_json_fit fit = wr_json_to_element(rows->vm->text, x, type, 1, out);
    if (fit == WR_JSON_NO_MEMORY)
        return WR_ENOMEM;
    if (fit != WR_JSON_MISFIT)
        return WR_OK;
    char wanted[128];
    memset(out, 0, wr_type_bytes(type->kind));
    wr_vm_fail(rows->vm, rows->ins, row, WR_REJECT_KIND, "%s where %s is expected",
               wr_json_is_text(x->is), wr_type_text(type, wanted, sizeof wanted));
    return rows_nil(rows, row);
}

static int convert(struct wr_vm *vm, const struct wr_ins *ins) {
    struct rows rows = rows_start(vm, ins);
    uint32_t width = wr_type_bytes(ins->node->type.kind);
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        const struct wr_str *text = text_arg(&rows, 0, row);
        char *out = (char *)vm->regs[ins->out].data + (size_t)row * width;
        struct wr_json_value x = {0};
        memset(out, 0, width);
        if (text != NULL && !wr_json_value_read(vm->text, wr_str_bytes(text), text->length, &x))
            return WR_ENOMEM;
        if (x.is == WR_JSON_IS_NIL) {
            status = rows_nil(&rows, row);
            continue;
        }
        status = put_element(&rows, row, &x, out);
    }
    return status;
}

/* A string or an integer as text, for `..`. */
static int as_text(struct wr_vm *vm, const struct wr_ins *ins) {
    struct rows rows = rows_start(vm, ins);
    struct wr_str *out = vm->regs[ins->out].data;
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        const struct wr_str *text = text_arg(&rows, 0, row);
        struct wr_json_value x = {0};
        out[row] = (struct wr_str){0};
        if (text != NULL && !wr_json_value_read(vm->text, wr_str_bytes(text), text->length, &x))
            return WR_ENOMEM;
        if (x.is == WR_JSON_IS_STRING || x.is == WR_JSON_IS_INT) {
            out[row] = wr_str_of(x.bytes, x.length);
            continue;
        }
        if (x.is != WR_JSON_IS_NIL)
            wr_vm_fail(vm, ins, row, WR_REJECT_KIND,
                       "`..`: %s where a string or an integer is expected", wr_json_is_text(x.is));
        status = rows_nil(&rows, row);
    }
    return status;
}

/* ---- paths: what is missing is nil ---- */

/* The text of one step, or 0. */
static int step(const struct rows *rows, uint32_t row, struct wr_str *found) {
    const struct wr_node *by = rows->ins->node->args[1];
    const struct wr_str *text = text_arg(rows, 0, row);
    if (text == NULL)
        return 0;
    if (by->type.kind == WR_STRING) {
        const struct wr_str *name = text_arg(rows, 1, row);
        return name != NULL && wr_json_member(text, wr_str_bytes(name), name->length, found);
    }
    uint32_t reg = rows->ins->args[1];
    const struct wr_column *column = &rows->vm->regs[reg];
    uint32_t at = rows->vm->program->regs[reg].kind == WR_REG_CONSTANT ? 0 : row;
    return !wr_column_is_nil(column, at) && wr_json_element(text, WR_I64(column)[at], found);
}

static int path(struct wr_vm *vm, const struct wr_ins *ins) {
    struct rows rows = rows_start(vm, ins);
    const struct wr_type *type = &ins->node->type;
    uint32_t width = wr_type_bytes(type->kind);
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        char *out = (char *)vm->regs[ins->out].data + (size_t)row * width;
        struct wr_str found;
        struct wr_json_value x = {0};
        memset(out, 0, width);
        if (step(&rows, row, &found)) {
            if (!wr_json_value_read(vm->text, wr_str_bytes(&found), found.length, &x))
                return WR_ENOMEM;
        }
        if (x.is == WR_JSON_IS_NIL) {
            status = rows_nil(&rows, row);
            continue;
        }
        if (type->kind == WR_JSON) { /* the very text: nothing is copied */
            memcpy(out, &found, sizeof found);
            continue;
        }
        status = put_element(&rows, row, &x, out);
    }
    return status;
}

/* ---- x in list ---- */

static int in_list(struct wr_vm *vm, const struct wr_ins *ins) {
    struct rows rows = rows_start(vm, ins);
    uint8_t *out = vm->regs[ins->out].data;
    const struct wr_type *type = &ins->node->args[0]->type;
    int plain = type->kind == WR_DECIMAL || type->kind == WR_BYTES ||
                (type->kind >= WR_TIMESTAMP && type->kind <= WR_DURATION);
    uint32_t width = wr_type_bytes(type->kind);
    int status = WR_OK;
    for (uint32_t i = 0; i < rows.sel->count && status == WR_OK; i++) {
        uint32_t row = rows_at(&rows, i);
        const struct wr_str *list = text_arg(&rows, 1, row);
        struct wr_json_value x = {0}, y, all = {0};
        const char *at = NULL;
        struct wr_str element;
        out[row] = 0;
        if (list == NULL)
            continue;
        if (!wr_json_value_read(vm->scratch, wr_str_bytes(list), list->length, &all) ||
            (!plain && !read_arg(&rows, 0, row, &x)))
            return WR_ENOMEM;
        if (all.is != WR_JSON_IS_LIST) {
            if (all.is != WR_JSON_IS_NIL)
                wrong_kind(&rows, row, &all, "a list");
            continue;
        }
        uint32_t x_row = ins->constant_a ? 0 : row;
        const struct wr_column *column = &vm->regs[ins->args[0]];
        int x_is_nil = wr_column_is_nil(column, x_row);
        while (!out[row] && status == WR_OK && wr_json_next_element(list, &at, &element)) {
            __int128 member[1] = {0};
            if (!wr_json_value_read(vm->scratch, wr_str_bytes(&element), element.length, &y))
                return WR_ENOMEM;
            if (!plain)
                out[row] = (uint8_t)wr_json_equal(vm->scratch, &x, &y, &status);
            else if (x_is_nil || y.is == WR_JSON_IS_NIL)
                out[row] = x_is_nil && y.is == WR_JSON_IS_NIL;
            else if (wr_json_to_element(vm->scratch, &y, type, 1, member) == WR_JSON_FITS)
                out[row] = type->kind == WR_BYTES
                               ? (uint8_t)wr_str_equal((const struct wr_str *)member,
                                                       &WR_STR(column)[x_row])
                               : memcmp(member, (const char *)column->data + (size_t)x_row * width,
                                        width) == 0;
        }
    }
    return status;
}

#define ROWS WR_KERNEL_FAILS
static const struct wr_kernel kernels[WR_OP_COUNT] = {
    [WR_OP_ADD] = {"+", add, ROWS, 100},
    [WR_OP_SUB] = {"-", sub, ROWS, 100},
    [WR_OP_MUL] = {"*", mul, ROWS, 100},
    [WR_OP_DIV] = {"/", divide, ROWS, 100},
    [WR_OP_IDIV] = {"//", idiv, ROWS, 100},
    [WR_OP_MOD] = {"%", mod, ROWS, 100},
    [WR_OP_POW] = {"^", power, ROWS, 120},
    [WR_OP_BAND] = {"&", band, ROWS, 100},
    [WR_OP_BOR] = {"|", bor, ROWS, 100},
    [WR_OP_BXOR] = {"~", bxor, ROWS, 100},
    [WR_OP_SHL] = {"<<", shl, ROWS, 100},
    [WR_OP_SHR] = {">>", shr, ROWS, 100},
    [WR_OP_EQ] = {"==", eq, WR_KERNEL_TRUTH, 60},
    [WR_OP_NE] = {"~=", ne, WR_KERNEL_TRUTH, 60},
    [WR_OP_LT] = {"<", lt, ROWS | WR_KERNEL_TRUTH, 60},
    [WR_OP_LE] = {"<=", le, ROWS | WR_KERNEL_TRUTH, 60},
    [WR_OP_GT] = {">", gt, ROWS | WR_KERNEL_TRUTH, 60},
    [WR_OP_GE] = {">=", ge, ROWS | WR_KERNEL_TRUTH, 60},
};
const struct wr_kernel wr_kernel_json_path = {"[]", path, ROWS, 100};
const struct wr_kernel wr_kernel_json_length = {"#", length, ROWS, 60};
const struct wr_kernel wr_kernel_json_neg = {"-", negate, ROWS, 80};
const struct wr_kernel wr_kernel_json_bnot = {"~", invert, ROWS, 80};
const struct wr_kernel wr_kernel_json_to = {"from json", convert, ROWS, 60};
const struct wr_kernel wr_kernel_json_text = {"string", as_text, ROWS, 40};
const struct wr_kernel wr_kernel_in_list = {"in", in_list, ROWS | WR_KERNEL_TRUTH, 200};

const struct wr_kernel *wr_kernel_json(enum wr_operator op) {
    return kernels[op].run != NULL ? &kernels[op] : NULL;
}
