/* node.h: the typed form of an expression between binder and compiler: a graph of nodes in which
 * equal expressions are one node.
 * Ownership: nodes live in the plan's arena, never change once made, and may be shared. */
#pragma once
#include <stdint.h>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"
#include "data/value.h"
#include "expr/expr.h"
#include "expr/function.h"

struct wr_kernel;
struct wr_bind;

#define WR_NODES_MAX 65536 /* nodes of one list */

enum wr_node_kind {
    WR_NODE_CONSTANT, /* `constant` */
    WR_NODE_COLUMN,   /* input column `index` */
    WR_NODE_HIDDEN,   /* hidden column `index` */
    WR_NODE_KERNEL,   /* an operator: `kernel` over the arguments */
    WR_NODE_CALL,     /* a library function */
    WR_NODE_USER,     /* a function of the script */
    WR_NODE_AND,      /* bool and bool */
    WR_NODE_OR,       /* bool or bool */
    WR_NODE_IF,       /* condition, value, otherwise */
    WR_NODE_ELSE,     /* x, y: y where x is nil */
    WR_NODE_CATCH,    /* x ?? y: y where x is nil or fails */
};

enum wr_node_flags {
    WR_NODE_FAILS = 1,    /* a row can fail in it, or in what it computes first */
    WR_NODE_VOLATILE = 2, /* differs from call to call: never shared or folded */
    WR_NODE_CALLS_LUA = 4,
    WR_NODE_GUARDED = 8, /* `c and x` with x of another type than bool: false stands as nil */
};

/* `index` of lazy nodes: how they are written, where the kind does not say it. Nodes that are
 * written in different ways are different ones. */
enum wr_node_written { WR_WRITTEN_GUARDED = 1, WR_WRITTEN_CATCH = 2 };

struct wr_node {
    uint8_t kind; /* enum wr_node_kind */
    uint8_t flags;
    uint32_t index;
    uint32_t id;   /* the k-th node of its bind */
    uint32_t cost; /* rough nanoseconds a row of the whole expression, for lazy or eager */
    uint32_t arg_count;
    struct wr_type type;
    const struct wr_node **args;
    const struct wr_kernel *kernel;
    const struct wr_function *function;
    const struct wr_signature *signature;
    const struct wr_user_function *user;
    void *aux;                 /* of the kernel: a set, a pattern, a name; of a call: `prepared` */
    struct wr_column constant; /* one element */
    int from, to;              /* its first place in the text */
};

/* The state of one wr_list_bind. */
struct wr_bind {
    struct wr_arena *arena;
    const struct wr_scope *scope;
    struct wr_error *err;
    int status;                   /* WR_OK until the first fault */
    const struct wr_node **table; /* open hash of all nodes */
    uint32_t table_size, node_count;
    struct wr_eval eval;  /* folds constants */
    struct wr_arena fold; /* what one fold needs */
    uint32_t name_count, name_room;
    struct wr_bound_name *names; /* helpers and items so far */
};

struct wr_bound_name {
    const char *name;
    uint32_t name_length;
    uint8_t is_local;
    const struct wr_node *node;
};

/* ---- making nodes (node.c). All return NULL after a fault, which `bind` remembers. ---- */
const struct wr_node *wr_node_intern(struct wr_bind *bind, const struct wr_node *draft);
const struct wr_node *wr_node_constant(struct wr_bind *bind, struct wr_type type,
                                       const void *element, int from, int to);
const struct wr_node *wr_node_nil(struct wr_bind *bind, struct wr_type type, int from, int to);
const struct wr_node *wr_node_bool(struct wr_bind *bind, int value, int from, int to);
const struct wr_node *wr_node_int64(struct wr_bind *bind, int64_t value, int from, int to);
const struct wr_node *wr_node_string(struct wr_bind *bind, const char *text, uint32_t length,
                                     int from, int to);
/* An operator; folded when its arguments are constant. `aux_key` distinguishes nodes that differ
 * only in `aux` (0: none). */
const struct wr_node *wr_node_kernel(struct wr_bind *bind, const struct wr_kernel *kernel,
                                     struct wr_type type, const struct wr_node *const *args,
                                     uint32_t arg_count, void *aux, int from, int to);
const struct wr_node *wr_node_lazy(struct wr_bind *bind, enum wr_node_kind kind,
                                   struct wr_type type, const struct wr_node *const *args,
                                   uint32_t arg_count, int from, int to);
/* The same value, marked WR_NODE_GUARDED. */
const struct wr_node *wr_node_guard(struct wr_bind *bind, const struct wr_node *node);
/* `node` itself, or the constant that it always gives. */
const struct wr_node *wr_node_fold(struct wr_bind *bind, const struct wr_node *node);
static inline int wr_node_is_constant(const struct wr_node *node) {
    return node->kind == WR_NODE_CONSTANT;
}
static inline int wr_node_is_nil(const struct wr_node *node) {
    return node->kind == WR_NODE_CONSTANT && node->constant.valid != NULL;
}
/* The constant as plain data (times as integers, decimals as text). */
struct wr_value *wr_node_value(struct wr_bind *bind, const struct wr_node *node);

/* ---- binding (bind*.c) ---- */
const struct wr_node *wr_bind_expr(struct wr_bind *bind, const struct wr_value *ast);
/* An expression as an operand or argument: never `c and x` that may be false in place of x. */
const struct wr_node *wr_bind_operand(struct wr_bind *bind, const struct wr_value *ast);
const struct wr_node *wr_bind_condition(struct wr_bind *bind, const struct wr_value *ast);
const struct wr_node *wr_bind_unary(struct wr_bind *bind, const struct wr_value *ast);
const struct wr_node *wr_bind_binary(struct wr_bind *bind, const struct wr_value *ast);
/* `and`, `or`, `??`. */
const struct wr_node *wr_bind_logic(struct wr_bind *bind, const struct wr_value *ast,
                                    const char *op);
/* `not node`, of any type. */
const struct wr_node *wr_bind_not(struct wr_bind *bind, const struct wr_node *node, int from,
                                  int to);
/* `a == b`; a fault names `==`. */
const struct wr_node *wr_bind_equal(struct wr_bind *bind, const struct wr_node *a,
                                    const struct wr_node *b, int from, int to);
const struct wr_node *wr_bind_in(struct wr_bind *bind, const struct wr_value *ast);
const struct wr_node *wr_bind_path(struct wr_bind *bind, const struct wr_value *ast);
const struct wr_node *wr_bind_call(struct wr_bind *bind, const struct wr_value *ast);
/* `node` as `type`: int64 to float64 or decimal, decimals to another scale, json to a plain type,
 * a bare nil to anything. NULL without a fault when there is no such way. */
const struct wr_node *wr_bind_convert(struct wr_bind *bind, const struct wr_node *node,
                                      struct wr_type type);
/* The type that both can be turned into by wr_bind_convert: 1, or 0 when there is none. */
int wr_bind_common(const struct wr_type *a, const struct wr_type *b, struct wr_type *common);
/* The bool "is neither nil nor false". */
const struct wr_node *wr_bind_truth(struct wr_bind *bind, const struct wr_node *node);
/* Whether it is a bool that is never nil, and no constant. */
int wr_node_is_truth(const struct wr_node *node);
/* Faults. All return NULL. */
const struct wr_node *wr_bind_fault(struct wr_bind *bind, const char *code, int from, int to,
                                    const char *format, ...) __attribute__((format(printf, 5, 6)));
void *wr_bind_no_memory(struct wr_bind *bind);
/* The name of hidden column `index` (enum wr_hidden). */
const char *wr_hidden_name(uint32_t index);
int wr_ast_from(const struct wr_value *ast);
int wr_ast_to(const struct wr_value *ast);
