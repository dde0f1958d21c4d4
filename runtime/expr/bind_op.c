/* bind_op.c: operators: which kernel for which types, and what is refused. */
#include <math.h>

#include "base/assert.h"
#include "base/status.h"
#include "expr/like.h"
#include "expr/node.h"
#include "expr/program.h"
#include "base/banned.h"

struct op {
    const char *text;
    enum wr_operator op;
};
static const struct op ops[] = {
    {"+", WR_OP_ADD},     {"-", WR_OP_SUB},  {"*", WR_OP_MUL},  {"/", WR_OP_DIV},
    {"//", WR_OP_IDIV},   {"%", WR_OP_MOD},  {"^", WR_OP_POW},  {"&", WR_OP_BAND},
    {"|", WR_OP_BOR},     {"~", WR_OP_BXOR}, {"<<", WR_OP_SHL}, {">>", WR_OP_SHR},
    {"..", WR_OP_CONCAT}, {"==", WR_OP_EQ},  {"~=", WR_OP_NE},  {"<", WR_OP_LT},
    {"<=", WR_OP_LE},     {">", WR_OP_GT},   {">=", WR_OP_GE},  {"like", WR_OP_LIKE},
};

struct binary {
    struct wr_bind *bind;
    const char *text;
    enum wr_operator op;
    const struct wr_node *a, *b;
    int from, to; /* of the whole */
    int reversed; /* a and b have changed places */
};

static const struct wr_node *refuse(const struct binary *x, const char *help) {
    char a[128], b[128];
    wr_bind_fault(x->bind, "W104", x->from, x->to, "`%s` cannot take %s and %s", x->text,
                  wr_type_text(&x->a->type, a, sizeof a), wr_type_text(&x->b->type, b, sizeof b));
    if (help != NULL)
        wr_error_help(x->bind->err, "%s", help);
    return NULL;
}

static const struct wr_node *kernel_2(const struct binary *x, const struct wr_kernel *kernel,
                                      struct wr_type type) {
    const struct wr_node *args[2] = {x->a, x->b};
    void *aux = x->reversed ? (void *)(uintptr_t)wr_args_reversed : NULL;
    return wr_node_kernel(x->bind, kernel, type, args, 2, aux, x->from, x->to);
}

static int is_number(const struct wr_node *node) {
    return node->type.kind == WR_INT64 || node->type.kind == WR_FLOAT64;
}

static int same_kind(const struct binary *x, enum wr_type_kind kind) {
    return x->a->type.kind == kind && x->b->type.kind == kind;
}

/* ---- arithmetic ---- */

static struct wr_type decimal_of(uint32_t whole, uint32_t scale) {
    struct wr_type type = {.kind = WR_DECIMAL};
    scale = WR_MIN(scale, (uint32_t)WR_DECIMAL_DIGITS_MAX);
    type.scale = (uint8_t)scale;
    type.precision = (uint8_t)WR_MIN(whole + scale, (uint32_t)WR_DECIMAL_DIGITS_MAX);
    return type;
}

#define DIVISION_SCALE_MIN 6 /* digits that a decimal quotient has behind the point at least */

static const struct wr_node *bind_decimal(struct binary *x) {
    const struct wr_kernel *kernel = wr_kernel_decimal(x->op);
    struct wr_type common;
    if (kernel == NULL || !wr_bind_common(&x->a->type, &x->b->type, &common) ||
        common.kind != WR_DECIMAL)
        return refuse(x, "write `decimal(x)` or `float64(x)`");
    struct wr_type as_decimal = {.kind = WR_DECIMAL, .precision = 19};
    if (x->a->type.kind == WR_INT64)
        x->a = wr_bind_convert(x->bind, x->a, as_decimal);
    if (x->b->type.kind == WR_INT64)
        x->b = wr_bind_convert(x->bind, x->b, as_decimal);
    if (x->a == NULL || x->b == NULL)
        return NULL;
    uint32_t whole_a = (uint32_t)(x->a->type.precision - x->a->type.scale);
    uint32_t whole_b = (uint32_t)(x->b->type.precision - x->b->type.scale);
    uint32_t scale_a = x->a->type.scale, scale_b = x->b->type.scale;
    if (x->op == WR_OP_MUL)
        return scale_a + scale_b > WR_DECIMAL_DIGITS_MAX
                   ? refuse(x, "round one of them first: the product has more than 38 digits")
                   : kernel_2(x, kernel, decimal_of(whole_a + whole_b, scale_a + scale_b));
    if (x->op == WR_OP_DIV || x->op == WR_OP_IDIV) {
        uint32_t scale = x->op == WR_OP_IDIV
                             ? 0
                             : WR_MAX(WR_MAX(scale_a, scale_b), (uint32_t)DIVISION_SCALE_MIN);
        if (scale + scale_b < scale_a) { /* `//`: the divisor takes the dividend's digits */
            x->b = wr_bind_convert(x->bind, x->b, decimal_of(whole_b, scale_a));
            scale_b = scale_a;
        }
        if (x->b == NULL || scale + scale_b - scale_a > WR_DECIMAL_DIGITS_MAX)
            return refuse(x, "write `float64(x)`");
        return kernel_2(x, kernel, decimal_of(whole_a + scale_b, scale));
    }
    struct wr_type type = decimal_of(WR_MAX(whole_a, whole_b), WR_MAX(scale_a, scale_b));
    x->a = wr_bind_convert(x->bind, x->a, type);
    x->b = wr_bind_convert(x->bind, x->b, type);
    if (x->op != WR_OP_MOD)
        type = decimal_of(WR_MAX(whole_a, whole_b) + 1, type.scale);
    return x->a == NULL || x->b == NULL ? NULL : kernel_2(x, kernel, type);
}

static int is_nonzero_int(const struct wr_node *node) {
    return wr_node_is_constant(node) && !wr_node_is_nil(node) &&
           *(const int64_t *)node->constant.data != 0;
}

static const struct wr_node *bind_number(struct binary *x) {
    enum wr_type_kind kind = same_kind(x, WR_INT64) ? WR_INT64 : WR_FLOAT64;
    if (x->op == WR_OP_DIV || x->op == WR_OP_POW)
        kind = WR_FLOAT64;
    const struct wr_kernel *kernel = wr_kernel_number(x->op, kind);
    if (kernel == NULL)
        return refuse(x, "write `int64(x)`");
    if (kind == WR_INT64 && is_nonzero_int(x->b)) {
        if (x->op == WR_OP_IDIV)
            kernel = &wr_kernel_idiv_safe;
        else if (x->op == WR_OP_MOD)
            kernel = &wr_kernel_mod_safe;
    }
    x->a = wr_bind_convert(x->bind, x->a, WR_TYPE(kind));
    x->b = wr_bind_convert(x->bind, x->b, WR_TYPE(kind));
    return kernel_2(x, kernel, WR_TYPE(kind));
}

static struct wr_type time_result(const struct binary *x) {
    enum wr_type_kind a = x->a->type.kind, b = x->b->type.kind;
    if (a == b) {
        if (x->op == WR_OP_DIV)
            return WR_TYPE(WR_FLOAT64);
        return WR_TYPE(x->op == WR_OP_IDIV ? WR_INT64 : WR_DURATION);
    }
    if (a == WR_TIMESTAMP || b == WR_TIMESTAMP)
        return WR_TYPE(WR_TIMESTAMP);
    return WR_TYPE(a == WR_DATE || b == WR_DATE ? WR_DATE : WR_DURATION);
}

/* What a time and another operand may have meant together; NULL: nothing that is known. */
static const char *time_help(const struct binary *x) {
    enum wr_type_kind a = x->a->type.kind, b = x->b->type.kind;
    enum wr_type_kind time = is_number(x->a) ? b : a;
    int with_number = is_number(x->a) != is_number(x->b);
    if ((a == WR_TIMESTAMP && b == WR_DATE) || (a == WR_DATE && b == WR_TIMESTAMP))
        return "`date(ts)` or `timestamp(d)` makes both one type";
    if (with_number && time == WR_BOOL)
        return "`case(c, 1, 0)` makes a number of a condition";
    if (with_number && time == WR_DATE)
        return "a date takes whole days; `timestamp(d) + duration'12h'` takes parts of them";
    if (!with_number || (time != WR_TIMESTAMP && time != WR_DURATION))
        return NULL;
    if (time == WR_TIMESTAMP && x->op >= WR_OP_EQ)
        return "a number is no time: write `timestamp(n, 's')`, or `epoch(ts)` for its seconds";
    return "a number has no unit: write `duration'30s'`, or `n * duration'1s'`";
}

static const struct wr_node *bind_arithmetic(struct binary *x) {
    enum wr_type_kind a = x->a->type.kind, b = x->b->type.kind;
    if (a == WR_JSON || b == WR_JSON) {
        const struct wr_kernel *kernel = wr_kernel_json(x->op);
        int other_fits = (a == WR_JSON || is_number(x->a)) && (b == WR_JSON || is_number(x->b));
        return kernel != NULL && other_fits ? kernel_2(x, kernel, WR_TYPE(WR_JSON))
                                            : refuse(x, NULL);
    }
    if (is_number(x->a) && is_number(x->b))
        return bind_number(x);
    if (a == WR_DECIMAL || b == WR_DECIMAL)
        return bind_decimal(x);
    const struct wr_kernel *kernel = wr_kernel_time(x->op, a, b);
    if (kernel != NULL)
        return kernel_2(x, kernel, time_result(x));
    if (x->op == WR_OP_ADD && a == WR_STRING && b == WR_STRING)
        return refuse(x, "text is joined by `..`");
    return refuse(x, a == WR_STRING || b == WR_STRING
                         ? "there is no coercion: write `int64(x)`, `float64(x)`, `timestamp(x)`"
                         : time_help(x));
}

/* ---- `..` ---- */

static const struct wr_node *as_text(const struct binary *x, const struct wr_node *node) {
    if (node->type.kind == WR_STRING || node->type.kind == WR_NIL)
        return wr_bind_convert(x->bind, node, WR_TYPE(WR_STRING));
    if (node->type.kind == WR_INT64)
        return wr_node_kernel(x->bind, &wr_kernel_int64_text, WR_TYPE(WR_STRING), &node, 1, NULL,
                              node->from, node->to);
    if (node->type.kind == WR_JSON)
        return wr_node_kernel(x->bind, &wr_kernel_json_text, WR_TYPE(WR_STRING), &node, 1, NULL,
                              node->from, node->to);
    return refuse(x, "write `string(x)`");
}

/* `a .. b .. c` is one node over all pieces: the bytes are copied once. */
static const struct wr_node *bind_concat(struct binary *x) {
    const struct wr_node *args[WR_ARGS_MAX];
    uint32_t count = 0;
    const struct wr_node *a = as_text(x, x->a), *b = a == NULL ? NULL : as_text(x, x->b);
    if (a == NULL || b == NULL)
        return NULL;
    args[count++] = a;
    if (b->kind == WR_NODE_KERNEL && b->kernel == &wr_kernel_concat &&
        b->arg_count + 1 < WR_ARGS_MAX) {
        memcpy(args + count, b->args, sizeof *args * b->arg_count);
        count += b->arg_count;
    } else {
        args[count++] = b;
    }
    return wr_node_kernel(x->bind, &wr_kernel_concat, WR_TYPE(WR_STRING), args, count, NULL,
                          x->from, x->to);
}

/* ---- comparisons ---- */

static enum wr_operator flipped(enum wr_operator op) {
    switch (op) {
    case WR_OP_LT: return WR_OP_GT;
    case WR_OP_LE: return WR_OP_GE;
    case WR_OP_GT: return WR_OP_LT;
    case WR_OP_GE: return WR_OP_LE;
    default: return op;
    }
}

static void swap(struct binary *x) {
    const struct wr_node *a = x->a;
    x->a = x->b;
    x->b = a;
    x->op = flipped(x->op);
    x->reversed = !x->reversed;
}

/* int64 with float64: as one type where a constant allows it, else exactly. */
static const struct wr_node *bind_mixed(struct binary *x) {
    if (x->a->type.kind == WR_FLOAT64)
        swap(x);
    if (wr_node_is_constant(x->a)) {
        int64_t value = *(const int64_t *)x->a->constant.data;
        if (value >= -(INT64_C(1) << 53) && value <= INT64_C(1) << 53) {
            x->a = wr_bind_convert(x->bind, x->a, WR_TYPE(WR_FLOAT64));
            swap(x);
            return kernel_2(x, wr_kernel_compare(x->op, WR_FLOAT64), WR_TYPE(WR_BOOL));
        }
    } else if (wr_node_is_constant(x->b)) {
        double value = *(const double *)x->b->constant.data, whole = value;
        if (x->op == WR_OP_LT || x->op == WR_OP_GE)
            whole = ceil(value);
        else if (x->op == WR_OP_LE || x->op == WR_OP_GT)
            whole = floor(value);
        if (whole == floor(whole) && fabs(whole) < 0x1p62) {
            x->b = wr_node_int64(x->bind, (int64_t)whole, x->b->from, x->b->to);
            return x->b == NULL ? NULL
                                : kernel_2(x, wr_kernel_compare(x->op, WR_INT64), WR_TYPE(WR_BOOL));
        }
    }
    return kernel_2(x, wr_kernel_compare(x->op, WR_NIL), WR_TYPE(WR_BOOL));
}

static const struct wr_node *bind_nil_comparison(struct binary *x) {
    const struct wr_node *other = wr_node_is_nil(x->a) ? x->b : x->a;
    if (x->op != WR_OP_EQ && x->op != WR_OP_NE) {
        if (!(other->flags & WR_NODE_FAILS))
            return wr_node_bool(x->bind, 0, x->from, x->to);
        const struct wr_node *args[3] = {/* false, where it does not fail */
                                         wr_bind_truth(x->bind, other),
                                         wr_node_bool(x->bind, 0, x->from, x->to),
                                         wr_node_bool(x->bind, 0, x->from, x->to)};
        return wr_node_lazy(x->bind, WR_NODE_IF, WR_TYPE(WR_BOOL), args, 3, x->from, x->to);
    }
    const struct wr_kernel *kernel = x->op == WR_OP_EQ ? &wr_kernel_is_nil : &wr_kernel_not_nil;
    return wr_node_kernel(x->bind, kernel, WR_TYPE(WR_BOOL), &other, 1, NULL, x->from, x->to);
}

/* What a text and a value of another type may have meant together. */
static const char *text_help(const struct binary *x) {
    enum wr_type_kind other = x->a->type.kind == WR_STRING ? x->b->type.kind : x->a->type.kind;
    switch (other) {
    case WR_INT64:
    case WR_FLOAT64:
    case WR_DECIMAL:
        return "there is no coercion: write `decimal(x)`, `float64(x)` or, of whole numbers, "
               "`int64(x)`";
    case WR_TIMESTAMP: return "there is no coercion: write `timestamp'…'` or `timestamp(x)`";
    case WR_DATE: return "there is no coercion: write `date'…'` or `date(x)`";
    case WR_DURATION: return "there is no coercion: write `duration'…'` or `duration(x)`";
    case WR_BOOL: return "there is no coercion: write `true`, `false` or `bool(x)`";
    default: return "there is no coercion: write `string(x)`";
    }
}

static const struct wr_node *bind_comparison(struct binary *x) {
    enum wr_type_kind a = x->a->type.kind, b = x->b->type.kind;
    int equality = x->op == WR_OP_EQ || x->op == WR_OP_NE;
    struct wr_type common;
    if (a == WR_NIL || b == WR_NIL)
        return bind_nil_comparison(x);
    if (a == WR_JSON || b == WR_JSON) {
        enum wr_type_kind other = a == WR_JSON ? b : a;
        if (other == WR_DECIMAL || other == WR_BYTES ||
            (other >= WR_TIMESTAMP && other <= WR_DURATION))
            return refuse(x, "json has no such values: convert one side, as in `timestamp(x)`");
        if (!equality && (other >= WR_LIST || other == WR_BOOL))
            return refuse(x, NULL);
        return wr_node_is_nil(x->a) || wr_node_is_nil(x->b)
                   ? bind_nil_comparison(x)
                   : kernel_2(x, wr_kernel_json(x->op), WR_TYPE(WR_BOOL));
    }
    if (!wr_bind_common(&x->a->type, &x->b->type, &common))
        return refuse(x, (a == WR_STRING) != (b == WR_STRING) ? text_help(x) : time_help(x));
    if (a >= WR_LIST && !equality)
        return refuse(x, NULL);
    if (wr_node_is_nil(x->a) || wr_node_is_nil(x->b))
        return a == WR_BOOL && !equality ? refuse(x, NULL) : bind_nil_comparison(x);
    if (a >= WR_LIST)
        return kernel_2(x, wr_kernel_json(x->op), WR_TYPE(WR_BOOL));
    if (is_number(x->a) && is_number(x->b) && a != b)
        return bind_mixed(x);
    const struct wr_kernel *kernel = wr_kernel_compare(x->op, common.kind);
    if (kernel == NULL)
        return refuse(x, NULL);
    x->a = wr_bind_convert(x->bind, x->a, common);
    x->b = wr_bind_convert(x->bind, x->b, common);
    if (x->a == NULL || x->b == NULL)
        return NULL;
    if (wr_node_is_constant(x->a) && !wr_node_is_constant(x->b)) {
        swap(x);
        kernel = wr_kernel_compare(x->op, common.kind);
    }
    return kernel_2(x, kernel, WR_TYPE(WR_BOOL));
}

static const struct wr_node *bind_like(struct binary *x, int is_negated) {
    struct wr_bind *bind = x->bind;
    if (x->a->type.kind == WR_JSON)
        x->a = wr_bind_convert(bind, x->a, WR_TYPE(WR_STRING));
    if (x->a == NULL)
        return NULL;
    if (x->a->type.kind != WR_STRING && x->a->type.kind != WR_BYTES && x->a->type.kind != WR_NIL)
        return refuse(x, NULL);
    if (!wr_node_is_constant(x->b) || wr_node_is_nil(x->b) || x->b->type.kind != WR_STRING) {
        wr_bind_fault(bind, "W104", x->b->from, x->b->to,
                      "the pattern of `like` must be a string literal or a parameter");
        return NULL;
    }
    if (wr_node_is_nil(x->a))
        return wr_node_bool(bind, is_negated, x->from, x->to);
    const struct wr_str *pattern = x->b->constant.data;
    uint32_t bad = 0;
    struct wr_like *like = wr_like_new(bind->arena, wr_str_bytes(pattern), pattern->length, &bad);
    if (like == NULL)
        return wr_bind_no_memory(bind);
    if (bad != 0)
        return wr_bind_fault(bind, "W115", x->b->from, x->b->to,
                             "bad pattern at byte %u: `\\` at its end", bad);
    const struct wr_node *node =
        wr_node_kernel(bind, &wr_kernel_like, WR_TYPE(WR_BOOL), &x->a, 1, like, x->from, x->to);
    return is_negated ? wr_bind_not(bind, node, x->from, x->to) : node;
}

/* ---- all together ---- */

static int find_op(const char *text, enum wr_operator *op) {
    for (uint32_t i = 0; i < WR_COUNT(ops); i++) {
        if (strcmp(ops[i].text, text) == 0) {
            *op = ops[i].op;
            return 1;
        }
    }
    return 0;
}

/* A bare nil is of the other operand's type; of two, nothing is known. */
static int type_nils(struct binary *x) {
    if (x->a->type.kind != WR_NIL && x->b->type.kind != WR_NIL)
        return 1;
    if (x->op == WR_OP_EQ || x->op == WR_OP_NE || x->op == WR_OP_CONCAT || x->op == WR_OP_LIKE ||
        (x->op >= WR_OP_LT && x->op <= WR_OP_GE))
        return 1;
    if (x->a->type.kind == x->b->type.kind) {
        wr_bind_fault(x->bind, "W104", x->from, x->to, "`%s` cannot take nil and nil", x->text);
        wr_error_help(x->bind->err, "a bare `nil` has no type: write `int64(nil)`");
        return 0;
    }
    if (x->a->type.kind == WR_NIL)
        x->a = wr_bind_convert(x->bind, x->a, x->b->type);
    else
        x->b = wr_bind_convert(x->bind, x->b, x->a->type);
    return x->a != NULL && x->b != NULL;
}

const struct wr_node *wr_bind_binary(struct wr_bind *bind, const struct wr_value *ast) {
    const char *text = wr_value_string(ast, "op", "");
    if (strcmp(text, "and") == 0 || strcmp(text, "or") == 0 || strcmp(text, "??") == 0)
        return wr_bind_logic(bind, ast, text);
    struct binary x = {.bind = bind, .text = text, .from = wr_ast_from(ast), .to = wr_ast_to(ast)};
    if (!find_op(text, &x.op))
        return wr_bind_fault(bind, "W001", x.from, x.to, "unexpected operator `%s`", text);
    x.a = wr_bind_operand(bind, wr_value_get(ast, "a"));
    x.b = x.a == NULL ? NULL : wr_bind_operand(bind, wr_value_get(ast, "b"));
    if (x.b == NULL || !type_nils(&x))
        return NULL;
    if (x.op == WR_OP_LIKE)
        return bind_like(&x, wr_value_bool(ast, "neg", 0));
    if (x.op == WR_OP_CONCAT)
        return bind_concat(&x);
    return x.op >= WR_OP_EQ ? bind_comparison(&x) : bind_arithmetic(&x);
}

const struct wr_node *wr_bind_equal(struct wr_bind *bind, const struct wr_node *a,
                                    const struct wr_node *b, int from, int to) {
    struct binary x = {
        .bind = bind, .text = "==", .op = WR_OP_EQ, .a = a, .b = b, .from = from, .to = to};
    return bind_comparison(&x);
}
