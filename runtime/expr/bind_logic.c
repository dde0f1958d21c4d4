/* bind_logic.c: `and`, `or`, `??`, unary operators and `in`. */
#include "base/assert.h"
#include "base/status.h"
#include "expr/node.h"
#include "expr/program.h"
#include "expr/set.h"
#include "base/banned.h"

const struct wr_node *wr_bind_not(struct wr_bind *bind, const struct wr_node *node, int from,
                                  int to) {
    if (node == NULL)
        return NULL;
    if (wr_node_is_nil(node))
        return wr_node_bool(bind, 1, from, to);
    const struct wr_kernel *kernel =
        node->type.kind == WR_BOOL ? &wr_kernel_not : &wr_kernel_is_nil;
    return wr_node_kernel(bind, kernel, WR_TYPE(WR_BOOL), &node, 1, NULL, from, to);
}

/* ---- and, or, ?? ---- */

struct logic {
    struct wr_bind *bind;
    const struct wr_node *a, *b;
    int from, to;
};

static const struct wr_node *refuse(const struct logic *x, const char *op, const char *help) {
    char a[128], b[128];
    wr_bind_fault(x->bind, "W104", x->from, x->to, "`%s` cannot take %s and %s", op,
                  wr_type_text(&x->a->type, a, sizeof a), wr_type_text(&x->b->type, b, sizeof b));
    if (help != NULL)
        wr_error_help(x->bind->err, "%s", help);
    return NULL;
}

/* bool and bool is Lua's. `c and x` of another type is x where c is true; where it is not, the
 * value would be false or nil: only what does not tell them apart may use it (`or`, conditions). */
static const struct wr_node *bind_and(const struct logic *x) {
    if (x->b->type.kind == WR_NIL)
        return wr_bind_fault(x->bind, "W104", x->b->from, x->b->to, "a bare `nil` has no type");
    if (x->a->type.kind == WR_BOOL && x->b->type.kind == WR_BOOL) {
        const struct wr_node *args[2] = {x->a, x->b};
        return wr_node_lazy(x->bind, WR_NODE_AND, WR_TYPE(WR_BOOL), args, 2, x->from, x->to);
    }
    const struct wr_node *args[3] = {wr_bind_truth(x->bind, x->a), x->b,
                                     wr_node_nil(x->bind, x->b->type, x->from, x->to)};
    const struct wr_node *node =
        wr_node_lazy(x->bind, WR_NODE_IF, x->b->type, args, 3, x->from, x->to);
    return x->b->type.kind == WR_BOOL ? node : wr_node_guard(x->bind, node);
}

static const struct wr_node *bind_or(struct logic *x) {
    struct wr_type type;
    if (!wr_bind_common(&x->a->type, &x->b->type, &type))
        return refuse(x, "or",
                      x->a->type.kind == WR_BOOL
                          ? "both sides of `or` have one type; `case(c, x, y)` chooses"
                          : "both sides of `or` have one type");
    if (type.kind == WR_NIL)
        return x->a;
    const struct wr_node *args[2] = {wr_bind_convert(x->bind, x->a, type),
                                     wr_bind_convert(x->bind, x->b, type)};
    if (type.kind == WR_BOOL)
        return wr_node_lazy(x->bind, WR_NODE_OR, type, args, 2, x->from, x->to);
    int is_guarded = (x->b->flags & WR_NODE_GUARDED) != 0;
    const struct wr_node *node = wr_node_lazy(x->bind, WR_NODE_ELSE, type, args, 2, x->from, x->to);
    return is_guarded ? wr_node_guard(x->bind, node) : node;
}

static const struct wr_node *bind_catch(struct logic *x) {
    struct wr_type type;
    if (!wr_bind_common(&x->a->type, &x->b->type, &type))
        return refuse(x, "??", "both sides of `??` have one type");
    if (type.kind == WR_NIL)
        return x->a;
    const struct wr_node *args[2] = {wr_bind_convert(x->bind, x->a, type),
                                     wr_bind_convert(x->bind, x->b, type)};
    return wr_node_lazy(x->bind, WR_NODE_CATCH, type, args, 2, x->from, x->to);
}

const struct wr_node *wr_bind_logic(struct wr_bind *bind, const struct wr_value *ast,
                                    const char *op) {
    struct logic x = {.bind = bind, .from = wr_ast_from(ast), .to = wr_ast_to(ast)};
    int is_catch = strcmp(op, "??") == 0;
    const struct wr_value *a = wr_value_get(ast, "a"), *b = wr_value_get(ast, "b");
    x.a = is_catch ? wr_bind_operand(bind, a) : wr_bind_expr(bind, a);
    if (x.a == NULL)
        return NULL;
    x.b = is_catch ? wr_bind_operand(bind, b) : wr_bind_expr(bind, b);
    if (x.b == NULL)
        return NULL;
    if (is_catch)
        return bind_catch(&x);
    return strcmp(op, "and") == 0 ? bind_and(&x) : bind_or(&x);
}

/* ---- unary ---- */

static const struct wr_kernel *unary_kernel(const char *op, enum wr_type_kind kind,
                                            struct wr_type *type) {
    if (strcmp(op, "-") == 0) {
        return kind == WR_INT64      ? &wr_kernel_neg_int64
               : kind == WR_FLOAT64  ? &wr_kernel_neg_float64
               : kind == WR_DECIMAL  ? &wr_kernel_neg_decimal
               : kind == WR_DURATION ? &wr_kernel_neg_duration
               : kind == WR_JSON     ? &wr_kernel_json_neg
                                     : NULL;
    }
    if (strcmp(op, "~") == 0)
        return kind == WR_INT64 ? &wr_kernel_bnot : kind == WR_JSON ? &wr_kernel_json_bnot : NULL;
    *type = WR_TYPE(WR_INT64);
    if (kind == WR_STRING || kind == WR_BYTES)
        return &wr_kernel_length;
    return kind == WR_LIST || kind == WR_MAP || kind == WR_JSON ? &wr_kernel_json_length : NULL;
}

const struct wr_node *wr_bind_unary(struct wr_bind *bind, const struct wr_value *ast) {
    const char *op = wr_value_string(ast, "op", "");
    int from = wr_ast_from(ast), to = wr_ast_to(ast);
    const struct wr_value *a = wr_value_get(ast, "a");
    if (strcmp(op, "not") == 0)
        return wr_bind_not(bind, wr_bind_expr(bind, a), from, to);
    const struct wr_node *node = wr_bind_operand(bind, a);
    if (node == NULL)
        return NULL;
    struct wr_type type = node->type;
    const struct wr_kernel *kernel = unary_kernel(op, node->type.kind, &type);
    char text[128];
    if (kernel == NULL)
        return wr_bind_fault(bind, "W104", from, to, "`%s` cannot take %s", op,
                             wr_type_text(&node->type, text, sizeof text));
    return wr_node_kernel(bind, kernel, type, &node, 1, NULL, from, to);
}

/* ---- in ---- */

static const struct wr_value *set_items(const struct wr_value *ast) {
    const struct wr_value *set = wr_value_get(ast, "set");
    const struct wr_value *list = wr_value_get(ast, "list");
    if (set == NULL && strcmp(wr_value_string(list, "k", ""), "list") == 0)
        return wr_value_get(list, "items");
    return set;
}

/* Members that are computed: `x == m1 or x == m2 …`. */
static const struct wr_node *in_members(struct wr_bind *bind, const struct wr_node *x,
                                        const struct wr_node **members, uint32_t count, int from,
                                        int to) {
    const struct wr_node *any = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_node *equal = wr_bind_equal(bind, x, members[i], from, to);
        if (equal == NULL)
            return NULL;
        const struct wr_node *args[2] = {any, equal};
        any = any == NULL ? equal
                          : wr_node_lazy(bind, WR_NODE_OR, WR_TYPE(WR_BOOL), args, 2, from, to);
        if (any == NULL)
            return NULL;
    }
    return any;
}

static const struct wr_node *in_set(struct wr_bind *bind, const struct wr_node *x,
                                    const struct wr_value *items, int from, int to) {
    uint32_t count = wr_value_count(items);
    const struct wr_node **members = WR_ARENA_ARRAY(bind->arena, const struct wr_node *, count + 1);
    if (members == NULL)
        return wr_bind_no_memory(bind);
    int all_constant = 1;
    struct wr_type common = x->type;
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *item = wr_value_at(items, i);
        members[i] = wr_bind_operand(bind, item);
        if (members[i] == NULL)
            return NULL;
        char a[128], b[128];
        int fits = x->type.kind == WR_JSON || members[i]->type.kind == WR_JSON ||
                   wr_bind_common(&common, &members[i]->type, &common);
        if (!fits)
            return wr_bind_fault(bind, "W104", wr_ast_from(item), wr_ast_to(item),
                                 "`in` cannot take %s and %s", wr_type_text(&x->type, a, sizeof a),
                                 wr_type_text(&members[i]->type, b, sizeof b));
        all_constant &= wr_node_is_constant(members[i]);
    }
    if (count == 0)
        return wr_node_bool(bind, 0, from, to);
    if (!all_constant || count < 2 || !wr_set_takes(x->type.kind))
        return in_members(bind, x, members, count, from, to);
    struct wr_set *set = wr_set_new(bind, x->type, members, count);
    if (set == NULL)
        return NULL;
    if (wr_node_is_nil(x))
        return wr_node_bool(bind, set->has_nil, from, to);
    return wr_node_kernel(bind, &wr_kernel_in_set, WR_TYPE(WR_BOOL), &x, 1, set, from, to);
}

static const struct wr_node *in_list(struct wr_bind *bind, const struct wr_node *x,
                                     const struct wr_value *ast, int from, int to) {
    const struct wr_node *list = wr_bind_operand(bind, ast);
    if (list == NULL)
        return NULL;
    if (list->type.kind != WR_LIST && list->type.kind != WR_JSON) {
        char type[128];
        wr_bind_fault(bind, "W104", list->from, list->to, "`in` takes a list, this is %s",
                      wr_type_text(&list->type, type, sizeof type));
        wr_error_help(bind->err, "write `x in (a, b)`");
        return NULL;
    }
    if (list->type.kind == WR_LIST && list->type.child != NULL && x->type.kind != WR_NIL &&
        x->type.kind != WR_JSON) {
        struct wr_type common;
        const struct wr_type *member = &list->type.child->fields[0].type;
        char a[128], b[128];
        if (!wr_bind_common(&x->type, member, &common))
            return wr_bind_fault(bind, "W104", from, to, "`in` cannot take %s and list<%s>",
                                 wr_type_text(&x->type, a, sizeof a),
                                 wr_type_text(member, b, sizeof b));
    }
    const struct wr_node *args[2] = {x, list};
    if (x->type.kind == WR_NIL)
        args[0] = wr_node_nil(bind, WR_TYPE(WR_JSON), x->from, x->to);
    return wr_node_kernel(bind, &wr_kernel_in_list, WR_TYPE(WR_BOOL), args, 2, NULL, from, to);
}

const struct wr_node *wr_bind_in(struct wr_bind *bind, const struct wr_value *ast) {
    int from = wr_ast_from(ast), to = wr_ast_to(ast);
    const struct wr_node *x = wr_bind_operand(bind, wr_value_get(ast, "a"));
    if (x == NULL)
        return NULL;
    const struct wr_value *items = set_items(ast);
    const struct wr_node *node = items != NULL
                                     ? in_set(bind, x, items, from, to)
                                     : in_list(bind, x, wr_value_get(ast, "list"), from, to);
    return wr_value_bool(ast, "neg", 0) ? wr_bind_not(bind, node, from, to) : node;
}
