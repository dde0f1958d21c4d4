/* bind_convert.c: the few conversions that the language makes by itself: int64 to float64 or
 * decimal, decimals to one scale, json to the type that is asked for, a bare nil to anything. */
#include "base/assert.h"
#include "base/status.h"
#include "expr/node.h"
#include "expr/program.h"
#include "base/banned.h"

#define INT64_DIGITS 19

static struct wr_type decimal_type(uint32_t whole, uint32_t scale) {
    scale = WR_MIN(scale, (uint32_t)WR_DECIMAL_DIGITS_MAX);
    uint32_t precision = WR_MIN(whole + scale, (uint32_t)WR_DECIMAL_DIGITS_MAX);
    struct wr_type type = {.kind = WR_DECIMAL};
    type.precision = (uint8_t)precision;
    type.scale = (uint8_t)scale;
    return type;
}

int wr_bind_common(const struct wr_type *a, const struct wr_type *b, struct wr_type *common) {
    if (a->kind == WR_NIL || b->kind == WR_NIL) {
        *common = a->kind == WR_NIL ? *b : *a;
        return 1;
    }
    if (a->kind == WR_DECIMAL && b->kind == WR_DECIMAL) {
        *common = decimal_type((uint32_t)WR_MAX(a->precision - a->scale, b->precision - b->scale),
                               WR_MAX(a->scale, b->scale));
        return 1;
    }
    if (a->kind == b->kind) {
        *common = *a;
        return a->kind < WR_LIST || wr_type_equal(a, b);
    }
    if ((a->kind == WR_INT64 && b->kind == WR_FLOAT64) ||
        (a->kind == WR_FLOAT64 && b->kind == WR_INT64)) {
        *common = WR_TYPE(WR_FLOAT64);
        return 1;
    }
    const struct wr_type *decimal = a->kind == WR_DECIMAL ? a : b;
    const struct wr_type *other = a->kind == WR_DECIMAL ? b : a;
    if (decimal->kind == WR_DECIMAL && other->kind == WR_INT64) {
        *common = decimal_type((uint32_t)WR_MAX(decimal->precision - decimal->scale, INT64_DIGITS),
                               decimal->scale);
        return 1;
    }
    return 0;
}

/* An int64 constant that a decimal holds needs no row to fail, so its digits are not rounded up. */
static const struct wr_node *to_decimal(struct wr_bind *bind, const struct wr_node *node,
                                        struct wr_type type) {
    const struct wr_kernel *kernel =
        node->type.kind == WR_INT64 ? &wr_kernel_int64_to_decimal : &wr_kernel_decimal_rescale;
    if (node->type.kind == WR_DECIMAL && node->type.scale > type.scale)
        return NULL;
    return wr_node_kernel(bind, kernel, type, &node, 1, NULL, node->from, node->to);
}

/* An expression that is nothing but nil, as `case(c, nil, nil)`: its conditions may still fail. */
static const struct wr_node *nil_of_type(struct wr_bind *bind, const struct wr_node *node,
                                         struct wr_type type) {
    if (node->kind != WR_NODE_IF)
        return wr_node_nil(bind, type, node->from, node->to);
    const struct wr_node *args[3] = {node->args[0], wr_bind_convert(bind, node->args[1], type),
                                     wr_bind_convert(bind, node->args[2], type)};
    return wr_node_lazy(bind, WR_NODE_IF, type, args, 3, node->from, node->to);
}

const struct wr_node *wr_bind_convert(struct wr_bind *bind, const struct wr_node *node,
                                      struct wr_type type) {
    if (node == NULL || wr_type_equal(&node->type, &type))
        return node;
    if (wr_node_is_nil(node))
        return wr_node_nil(bind, type, node->from, node->to);
    enum wr_type_kind from = node->type.kind;
    if (from == WR_NIL)
        return nil_of_type(bind, node, type);
    if (from == WR_INT64 && type.kind == WR_FLOAT64)
        return wr_node_kernel(bind, &wr_kernel_int64_to_float64, type, &node, 1, NULL, node->from,
                              node->to);
    if (type.kind == WR_DECIMAL && (from == WR_INT64 || from == WR_DECIMAL))
        return to_decimal(bind, node, type);
    if (from == WR_JSON)
        return wr_node_kernel(bind, &wr_kernel_json_to, type, &node, 1, NULL, node->from, node->to);
    return NULL;
}

/* Comparisons and `not` are never nil; what joins them is not either. */
int wr_node_is_truth(const struct wr_node *node) {
    if (node->type.kind != WR_BOOL || wr_node_is_constant(node))
        return 0;
    if (node->kind == WR_NODE_AND || node->kind == WR_NODE_OR)
        return wr_node_is_truth(node->args[0]) && wr_node_is_truth(node->args[1]);
    return node->kind == WR_NODE_KERNEL && node->kernel->flags & WR_KERNEL_NEVER_NIL;
}

const struct wr_node *wr_bind_truth(struct wr_bind *bind, const struct wr_node *node) {
    if (node == NULL)
        return NULL;
    if (node->type.kind == WR_NIL)
        return wr_node_bool(bind, 0, node->from, node->to);
    if (node->type.kind == WR_BOOL && wr_node_is_nil(node))
        return wr_node_bool(bind, 0, node->from, node->to);
    if (wr_node_is_truth(node))
        return node;
    const struct wr_kernel *kernel =
        node->type.kind == WR_BOOL ? &wr_kernel_truth : &wr_kernel_not_nil;
    return wr_node_kernel(bind, kernel, WR_TYPE(WR_BOOL), &node, 1, NULL, node->from, node->to);
}
