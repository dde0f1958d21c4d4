/* node.c: makes the nodes of an expression: equal ones once, constant ones computed at once. */
#include "expr/node.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/text.h"
#include "expr/program.h"
#include "base/banned.h"

#define NODE_SEED UINT64_C(0x77656972)

void *wr_bind_no_memory(struct wr_bind *bind) {
    if (bind->status == WR_OK)
        bind->status = wr_error_set(bind->err, WR_ENOMEM, "out of memory");
    return NULL;
}

const struct wr_node *wr_bind_fault(struct wr_bind *bind, const char *code, int from, int to,
                                    const char *format, ...) {
    if (bind->status != WR_OK)
        return NULL;
    char text[WR_ERROR_TEXT_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    bind->status = wr_error_script(bind->err, code, "%s", text);
    wr_error_at(bind->err, NULL, from, to);
    return NULL;
}

/* ---- equality ---- */

static int constant_equal(const struct wr_node *a, const struct wr_node *b) {
    if ((a->constant.valid != NULL) != (b->constant.valid != NULL))
        return 0;
    if (a->constant.valid != NULL)
        return 1;
    if (wr_type_is_text(a->type.kind))
        return wr_str_equal(a->constant.data, b->constant.data);
    return memcmp(a->constant.data, b->constant.data, wr_type_bytes(a->type.kind)) == 0;
}

static int node_equal(const struct wr_node *a, const struct wr_node *b) {
    if (a->kind != b->kind || a->index != b->index || a->arg_count != b->arg_count ||
        a->kernel != b->kernel || a->signature != b->signature || a->user != b->user ||
        !wr_type_equal(&a->type, &b->type))
        return 0;
    if (a->kind == WR_NODE_CONSTANT)
        return constant_equal(a, b);
    if (a->kind == WR_NODE_KERNEL && a->aux != b->aux)
        return 0;
    for (uint32_t i = 0; i < a->arg_count; i++)
        if (a->args[i] != b->args[i])
            return 0;
    return 1;
}

static uint64_t node_hash(const struct wr_node *node) {
    uint64_t hash = wr_hash_u64(
        ((uint64_t)node->kind << 40) | ((uint64_t)node->type.kind << 32) | node->index, NODE_SEED);
    hash = wr_hash_join(hash, (uint64_t)(uintptr_t)node->kernel);
    hash = wr_hash_join(hash, (uint64_t)(uintptr_t)node->signature);
    if (node->kind == WR_NODE_CONSTANT) {
        if (node->constant.valid == NULL && wr_type_is_text(node->type.kind)) {
            const struct wr_str *str = node->constant.data;
            hash = wr_hash_join(hash, wr_hash_bytes(wr_str_bytes(str), str->length, NODE_SEED));
        } else if (node->constant.valid == NULL) {
            hash = wr_hash_join(hash, wr_hash_bytes(node->constant.data,
                                                    wr_type_bytes(node->type.kind), NODE_SEED));
        }
    }
    for (uint32_t i = 0; i < node->arg_count; i++)
        hash = wr_hash_join(hash, (uint64_t)(uintptr_t)node->args[i]);
    return hash;
}

static int table_grow(struct wr_bind *bind) {
    uint32_t size = bind->table_size == 0 ? 64 : bind->table_size * 2;
    const struct wr_node **table = WR_ARENA_ZEROS(bind->arena, const struct wr_node *, size);
    if (table == NULL) {
        wr_bind_no_memory(bind);
        return 0;
    }
    for (uint32_t i = 0; i < bind->table_size; i++) {
        if (bind->table[i] == NULL)
            continue;
        uint32_t at = (uint32_t)node_hash(bind->table[i]) & (size - 1);
        while (table[at] != NULL)
            at = (at + 1) & (size - 1);
        table[at] = bind->table[i];
    }
    bind->table = table;
    bind->table_size = size;
    return 1;
}

const struct wr_node *wr_node_intern(struct wr_bind *bind, const struct wr_node *draft) {
    if (bind->status != WR_OK)
        return NULL;
    if (bind->node_count * 2 >= bind->table_size && !table_grow(bind))
        return NULL;
    uint32_t mask = bind->table_size - 1, at = (uint32_t)node_hash(draft) & mask;
    for (; bind->table[at] != NULL; at = (at + 1) & mask)
        if (!(draft->flags & WR_NODE_VOLATILE) && node_equal(bind->table[at], draft))
            return bind->table[at];
    if (bind->node_count >= WR_NODES_MAX)
        return wr_bind_fault(bind, "W001", draft->from, draft->to,
                             "this list is too long: more than %d operators and calls",
                             WR_NODES_MAX);
    struct wr_node *node = WR_ARENA_ARRAY(bind->arena, struct wr_node, 1);
    if (node == NULL)
        return wr_bind_no_memory(bind);
    *node = *draft;
    node->id = bind->node_count++;
    bind->table[at] = node;
    return node;
}

/* ---- constants ---- */

static const struct wr_node *constant_of(struct wr_bind *bind, struct wr_type type,
                                         const void *element, int is_nil, int from, int to) {
    static const uint64_t nil_bits[1] = {0};
    struct wr_node draft = {
        .kind = WR_NODE_CONSTANT, .type = type, .from = from, .to = to, .constant.data = NULL};
    uint32_t width = type.kind == WR_NIL ? 1 : wr_type_bytes(type.kind);
    char *data = wr_arena_alloc_zero(bind->arena, 64); /* an element of any type */
    if (data == NULL)
        return wr_bind_no_memory(bind);
    if (is_nil) {
        draft.constant.valid = nil_bits;
    } else {
        memcpy(data, element, width);
        struct wr_str *str = (struct wr_str *)data;
        if (wr_type_is_text(type.kind) && str->length > WR_STR_INLINE_MAX) {
            const char *copy = wr_arena_strndup(bind->arena, str->pointer, str->length);
            if (copy == NULL)
                return wr_bind_no_memory(bind);
            str->pointer = copy;
        }
    }
    draft.constant.data = data;
    return wr_node_intern(bind, &draft);
}

const struct wr_node *wr_node_constant(struct wr_bind *bind, struct wr_type type,
                                       const void *element, int from, int to) {
    return constant_of(bind, type, element, 0, from, to);
}

const struct wr_node *wr_node_nil(struct wr_bind *bind, struct wr_type type, int from, int to) {
    return constant_of(bind, type, NULL, 1, from, to);
}

const struct wr_node *wr_node_bool(struct wr_bind *bind, int value, int from, int to) {
    uint8_t element = value != 0;
    return wr_node_constant(bind, WR_TYPE(WR_BOOL), &element, from, to);
}

const struct wr_node *wr_node_int64(struct wr_bind *bind, int64_t value, int from, int to) {
    return wr_node_constant(bind, WR_TYPE(WR_INT64), &value, from, to);
}

const struct wr_node *wr_node_string(struct wr_bind *bind, const char *text, uint32_t length,
                                     int from, int to) {
    struct wr_str str = wr_str_of(text, length);
    return wr_node_constant(bind, WR_TYPE(WR_STRING), &str, from, to);
}

struct wr_value *wr_node_value(struct wr_bind *bind, const struct wr_node *node) {
    WR_ASSERT(wr_node_is_constant(node));
    struct wr_value *value = WR_ARENA_ZEROS(bind->arena, struct wr_value, 1);
    if (value == NULL)
        return wr_bind_no_memory(bind);
    if (wr_node_is_nil(node))
        return value;
    const void *data = node->constant.data;
    if (node->type.kind == WR_BOOL) {
        value->kind = WR_VALUE_BOOL;
        value->boolean = *(const uint8_t *)data;
    } else if (node->type.kind == WR_FLOAT64) {
        value->kind = WR_VALUE_FLOAT;
        value->number = *(const double *)data;
    } else if (node->type.kind == WR_DECIMAL) {
        char text[WR_NUMBER_TEXT_MAX];
        size_t length = wr_decimal_format(*(const __int128 *)data, node->type.scale, text);
        value = wr_value_new_string(bind->arena, text, length);
    } else if (wr_type_is_text(node->type.kind)) {
        const struct wr_str *str = data;
        value = wr_value_new_string(bind->arena, wr_str_bytes(str), str->length);
    } else {
        value->kind = WR_VALUE_INT;
        value->integer = *(const int64_t *)data;
    }
    return value != NULL ? value : wr_bind_no_memory(bind);
}

/* ---- the rest ---- */

static int args_constant(const struct wr_node *const *args, uint32_t arg_count) {
    for (uint32_t i = 0; i < arg_count; i++)
        if (!wr_node_is_constant(args[i]))
            return 0;
    return 1;
}

const struct wr_node *wr_node_fold(struct wr_bind *bind, const struct wr_node *node) {
    if (node == NULL || wr_node_is_constant(node) || (node->flags & WR_NODE_VOLATILE) ||
        node->kind == WR_NODE_USER || node->kind == WR_NODE_HIDDEN || node->arg_count == 0 ||
        node->kind == WR_NODE_COLUMN || !args_constant(node->args, node->arg_count))
        return node;
    struct wr_column value = {0};
    int failed = 0;
    int status = wr_vm_fold(bind, node, &value, &failed);
    if (status != WR_OK) {
        if (bind->status == WR_OK)
            bind->status = wr_error_set(bind->err, status, "cannot compute a constant");
        return NULL;
    }
    if (failed) /* it fails when it runs, row by row, as if it were no constant */
        return node;
    return constant_of(bind, node->type, value.data, wr_column_is_nil(&value, 0), node->from,
                       node->to);
}

static uint8_t flags_of(const struct wr_node *const *args, uint32_t arg_count) {
    unsigned flags = 0;
    for (uint32_t i = 0; i < arg_count; i++)
        flags |= args[i]->flags;
    return (uint8_t)(flags & (WR_NODE_FAILS | WR_NODE_VOLATILE | WR_NODE_CALLS_LUA));
}

static const struct wr_node **copy_args(struct wr_bind *bind, const struct wr_node *const *args,
                                        uint32_t arg_count) {
    const struct wr_node **copy = WR_ARENA_ARRAY(bind->arena, const struct wr_node *, arg_count);
    if (copy == NULL)
        return wr_bind_no_memory(bind);
    memcpy(copy, args, sizeof(*copy) * arg_count);
    return copy;
}

static uint32_t cost_of(const struct wr_node *const *args, uint32_t arg_count) {
    uint32_t cost = 0;
    for (uint32_t i = 0; i < arg_count; i++)
        cost = WR_MIN(cost + args[i]->cost, 1000000u);
    return cost;
}

const struct wr_node *wr_node_kernel(struct wr_bind *bind, const struct wr_kernel *kernel,
                                     struct wr_type type, const struct wr_node *const *args,
                                     uint32_t arg_count, void *aux, int from, int to) {
    if (bind->status != WR_OK)
        return NULL;
    WR_ASSERT(kernel != NULL);
    int any_nil = 0;
    for (uint32_t i = 0; i < arg_count; i++) {
        if (args[i] == NULL)
            return NULL;
        any_nil |= wr_node_is_nil(args[i]);
    }
    /* What fails must still fail, so only then nothing need be computed. */
    if (any_nil && !(kernel->flags & WR_KERNEL_NILS) &&
        !(flags_of(args, arg_count) & WR_NODE_FAILS))
        return wr_node_nil(bind, type, from, to);
    struct wr_node draft = {.kind = WR_NODE_KERNEL,
                            .flags = flags_of(args, arg_count),
                            .cost = kernel->cost + cost_of(args, arg_count),
                            .arg_count = arg_count,
                            .type = type,
                            .kernel = kernel,
                            .aux = aux,
                            .from = from,
                            .to = to};
    if (kernel->flags & WR_KERNEL_FAILS)
        draft.flags |= WR_NODE_FAILS;
    draft.args = copy_args(bind, args, arg_count);
    if (draft.args == NULL)
        return NULL;
    return wr_node_fold(bind, wr_node_intern(bind, &draft));
}

const struct wr_node *wr_node_lazy(struct wr_bind *bind, enum wr_node_kind kind,
                                   struct wr_type type, const struct wr_node *const *args,
                                   uint32_t arg_count, int from, int to) {
    for (uint32_t i = 0; i < arg_count; i++)
        if (args[i] == NULL)
            return NULL;
    if (bind->status != WR_OK)
        return NULL;
    struct wr_node draft = {.kind = (uint8_t)kind,
                            .flags = flags_of(args, arg_count),
                            .cost = 2 + cost_of(args, arg_count),
                            .arg_count = arg_count,
                            .type = type,
                            .from = from,
                            .to = to};
    if (kind == WR_NODE_CATCH && !(args[1]->flags & WR_NODE_FAILS))
        draft.flags &= (uint8_t)~WR_NODE_FAILS;
    if (kind == WR_NODE_CATCH && !(args[0]->flags & WR_NODE_FAILS)) {
        draft.kind = WR_NODE_ELSE;
        draft.index = WR_WRITTEN_CATCH;
    }
    draft.args = copy_args(bind, args, arg_count);
    if (draft.args == NULL)
        return NULL;
    return wr_node_fold(bind, wr_node_intern(bind, &draft));
}

const struct wr_node *wr_node_guard(struct wr_bind *bind, const struct wr_node *node) {
    if (node == NULL || wr_node_is_constant(node))
        return node;
    struct wr_node draft = *node;
    draft.flags |= WR_NODE_GUARDED;
    draft.index |= WR_WRITTEN_GUARDED;
    return wr_node_intern(bind, &draft);
}
