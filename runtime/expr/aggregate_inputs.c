/* aggregate_inputs.c: the side of the inputs: keys, helpers, and what aggregate calls take. */
#include <stdio.h>

#include "expr/aggregate_bind.h"
#include "expr/frames.h"
#include "base/banned.h"

/* ---- the side of the inputs ----------------------------------------------------------------- */

static int entry_add(struct wr_agg_bind *b, const char *name, const struct wr_value *expr,
                     int is_local, uint32_t *index) {
    static const char *const names[] = {"name", "expr", "is_local", "from", "to"};
    WR_ASSERT(b->entry_count < b->entry_room);
    struct wr_value values[] = {wr_agg_text(name == NULL ? "" : name), *expr, wr_agg_bool(is_local),
                                wr_agg_int(wr_agg_from(expr)), wr_agg_int(wr_agg_to(expr))};
    struct wr_value *map = name == NULL ? NULL : wr_ast_map(b->arena, 5, names, values);
    if (map == NULL)
        return WR_ENOMEM;
    *index = b->entry_count;
    b->entries[b->entry_count++] = (struct wr_agg_entry){.item = *map,
                                                         .label = b->label,
                                                         .is_local = (uint8_t)is_local,
                                                         .needed = (uint8_t)!is_local};
    return WR_OK;
}

/* Names in an argument: helpers get the name of their entry, columns stay. */
static int input_name(struct wr_agg_bind *b, const struct wr_value *node, struct wr_value *out) {
    const struct wr_value *name = wr_value_get(node, "name");
    const struct wr_agg_known *known = wr_agg_known_find(b, name->string, name->count);
    if (known != NULL && known->input >= 0) {
        const struct wr_value *entry_name = wr_value_get(&b->entries[known->input].item, "name");
        int status = wr_agg_name_node(b->arena, entry_name->string, node, out);
        return status == WR_OK ? 1 : status;
    }
    if (wr_schema_find(b->scope->input, name->string, name->count) >= 0)
        return 0;
    if (known == NULL) /* a hidden column is the binder's */
        return b->scope->flags & WR_SCOPE_HIDDEN && name->string[0] == '_'
                   ? 0
                   : wr_agg_unknown(b, node, 0);
    wr_agg_fault(b, node, "W110", "`%s` is a result of this stage", name->string);
    wr_error_help(b->err,
                  known->aggregated
                      ? "an aggregate of an aggregate needs a second stage"
                      : "an argument is made of input columns and of a `local` made of them");
    return b->status;
}

static int input_rewrite(void *ctx, const struct wr_value *node, struct wr_value *out) {
    struct wr_agg_bind *b = ctx;
    if (wr_ast_is(node, "name"))
        return input_name(b, node, out);
    const struct wr_aggregate_function *function = wr_agg_function(b, node);
    const struct wr_value *name = wr_ast_is(node, "call") ? wr_value_get(node, "name") : NULL;
    if (b->apart && name != NULL && wr_window_function_find(name->string, name->count) != NULL)
        wr_agg_fault(b, node, "W110", "`%s` inside an aggregate", name->string);
    else if (function == NULL)
        return 0;
    else
        wr_agg_fault(b, node, "W110", "aggregate `%s` inside an aggregate", function->name);
    wr_error_help(b->err, "compute the inner one in a stage of its own before this one");
    return b->status;
}

int wr_agg_bind_helper(struct wr_agg_bind *b, const struct wr_value *expr, int32_t *index) {
    struct wr_value copy;
    uint32_t entry = 0;
    int status = wr_ast_rewrite(b->arena, expr, input_rewrite, b, &copy);
    if (status == WR_OK)
        status = entry_add(b, wr_agg_hidden_name(b->arena, 'l', b->entry_count), &copy, 1, &entry);
    *index = (int32_t)entry;
    return status;
}

/* Marks the helpers that `node` is made of. */
static void entries_mark(struct wr_agg_bind *b, const struct wr_value *node) {
    if (node->kind == WR_VALUE_MAP && wr_ast_is(node, "name")) {
        const struct wr_value *name = wr_value_get(node, "name");
        for (uint32_t i = 0; i < b->entry_count; i++) {
            const struct wr_value *entry = wr_value_get(&b->entries[i].item, "name");
            if (wr_agg_name_is(entry, name->string, name->count))
                b->entries[i].needed = 1;
        }
        return;
    }
    if (node->kind == WR_VALUE_MAP || node->kind == WR_VALUE_LIST)
        for (uint32_t i = 0; i < node->count; i++)
            entries_mark(b, &node->items[i]);
}

/* ---- one aggregate call --------------------------------------------------------------------- */

/* An expression of the inputs that is only looked at where `where` is true, so that it cannot fail
 * where the condition keeps it from being asked. */
static int guarded(struct wr_agg_bind *b, const struct wr_value *where, const struct wr_value *expr,
                   struct wr_value *out) {
    static const char *const names[] = {"k", "name", "args", "from", "to", "name_from", "name_to"};
    if (where == NULL || wr_ast_is(expr, "name") || wr_ast_is(expr, "lit")) {
        *out = *expr;
        return WR_OK;
    }
    struct wr_value *args = wr_value_new_list(b->arena, 2);
    if (args == NULL)
        return WR_ENOMEM;
    args->items[0] = *where;
    args->items[1] = *expr;
    struct wr_value values[] = {
        wr_agg_text("call"),           wr_agg_text("case"),         *args,
        wr_agg_int(wr_agg_from(expr)), wr_agg_int(wr_agg_to(expr)), wr_agg_int(wr_agg_from(expr)),
        wr_agg_int(wr_agg_to(expr)),
    };
    struct wr_value *map = wr_ast_map(b->arena, 7, names, values);
    if (map == NULL)
        return WR_ENOMEM;
    *out = *map;
    return WR_OK;
}

int wr_agg_bind_input(struct wr_agg_bind *b, const struct wr_value *where,
                      const struct wr_value *expr, uint32_t *index) {
    struct wr_value copy;
    struct wr_value guard;
    int status = wr_ast_rewrite(b->arena, expr, input_rewrite, b, &copy);
    if (status == WR_OK)
        status = guarded(b, where, &copy, &guard);
    if (status == WR_OK)
        status = entry_add(b, wr_agg_hidden_name(b->arena, 'a', b->entry_count), &guard, 0, index);
    return status;
}

static int literal_type(const struct wr_value *node, struct wr_type *type) {
    const char *name = wr_value_string(node, "type", "");
    enum wr_type_kind kind = wr_type_kind_named(name, strlen(name));
    *type = WR_TYPE(kind == WR_TYPE_KINDS ? WR_NIL : kind);
    return wr_ast_is(node, "lit");
}

/* The value of a literal argument: -5 is one too. NULL: it is none, or out of memory. */
static const struct wr_value *literal_value(struct wr_arena *arena, const struct wr_value *node,
                                            struct wr_type *type) {
    static const struct wr_value nil;
    const struct wr_value *of = wr_value_get(node, "a");
    int negative = wr_ast_is(node, "un") && strcmp(wr_value_string(node, "op", ""), "-") == 0 &&
                   of != NULL && wr_ast_is(of, "lit");
    if (!literal_type(negative ? of : node, type))
        return NULL;
    const struct wr_value *value = wr_value_get(negative ? of : node, "v");
    if (!negative || value == NULL)
        return value == NULL ? &nil : value;
    struct wr_value *made = wr_arena_alloc(arena, sizeof *made);
    if (made == NULL || (value->kind != WR_VALUE_INT && value->kind != WR_VALUE_FLOAT))
        return NULL;
    *made = *value;
    if (value->kind == WR_VALUE_INT)
        made->integer = (int64_t)(0 - (uint64_t)value->integer);
    else
        made->number = -value->number;
    return made;
}

static int bind_args(struct wr_agg_bind *b, struct wr_aggregate *aggregate,
                     const struct wr_value *call, const struct wr_value *where) {
    const struct wr_value *args = wr_value_get(call, "args");
    uint32_t count = wr_value_count(args);
    const struct wr_aggregate_function *function = aggregate->function;
    if (count < function->arg_min || count > function->arg_max) {
        wr_agg_fault(b, call, "W102", "`%s` takes %u%s%.0u argument%s, got %u", function->name,
                     function->arg_min, function->arg_max > function->arg_min ? " to " : "",
                     function->arg_max > function->arg_min ? function->arg_max : 0,
                     function->arg_max == 1 ? "" : "s", count);
        wr_agg_signatures_help(b, function);
        return b->status;
    }
    aggregate->arg_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *arg = wr_value_at(args, i);
        if ((function->constants >> i & 1) == 0) {
            int status = wr_agg_bind_input(b, where, arg, &aggregate->args[i]);
            if (status != WR_OK)
                return status;
            continue;
        }
        aggregate->constants[i] = literal_value(b->arena, arg, &aggregate->arg_types[i]);
        if (aggregate->constants[i] == NULL)
            return wr_agg_fault(b, arg, "W102",
                                "argument %u of `%s` must be a literal or a parameter", i + 1,
                                function->name);
    }
    const char *wrong =
        function->check == NULL ? NULL : function->check(aggregate->constants, count);
    if (wrong != NULL)
        return wr_agg_fault(b, wr_value_at(args, count - 1), "W102", "`%s`: %s", function->name,
                            wrong);
    return WR_OK;
}

static int bind_order(struct wr_agg_bind *b, struct wr_aggregate *aggregate,
                      const struct wr_value *call, const struct wr_value *where) {
    const struct wr_value *order = wr_value_get(call, "order");
    uint32_t count = wr_value_count(order);
    if (count > WR_AGGREGATE_ORDER_MAX)
        return wr_agg_fault(b, call, "W102", "at most %d items in `order by`",
                            WR_AGGREGATE_ORDER_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *item = wr_value_at(order, i);
        int status = wr_agg_bind_input(b, where, wr_value_get(item, "expr"), &aggregate->order[i]);
        if (status != WR_OK)
            return status;
        aggregate->order_desc[i] = (uint8_t)wr_value_bool(item, "desc", 0);
    }
    aggregate->order_count = count;
    const struct wr_value *limit = wr_value_get(call, "limit");
    if (limit == NULL)
        return WR_OK;
    const struct wr_value *number = wr_value_get(limit, "v");
    if (!wr_ast_is(limit, "lit") || number == NULL || number->kind != WR_VALUE_INT ||
        number->integer < 1 || number->integer > INT32_MAX)
        return wr_agg_fault(b, limit, "W102", "`limit` takes a whole number of at least 1");
    aggregate->limit = number->integer;
    return WR_OK;
}

/* The number of the aggregate that computes `call`, made when there is none yet. */
int wr_agg_bind_call(struct wr_agg_bind *b, const struct wr_value *call, uint32_t *number) {
    const struct wr_aggregate_function *function = wr_agg_function(b, call);
    if (wr_value_bool(call, "method", 0)) {
        wr_agg_fault(b, call, "W108", "`%s` is an aggregate: write `%s(x)`", function->name,
                     function->name);
        return b->status;
    }
    for (uint32_t i = 0; i < b->call_count && !b->apart; i++) {
        if (!wr_ast_equal(b->calls[i], call))
            continue;
        *number = i;
        return WR_OK;
    }
    WR_ASSERT(b->call_count < b->call_room);
    struct wr_aggregate *aggregate = &b->aggregates[b->call_count];
    *aggregate = (struct wr_aggregate){.function = function,
                                       .where = -1,
                                       .limit = -1,
                                       .from = wr_agg_from(call),
                                       .to = wr_agg_to(call),
                                       .label = b->label};
    const struct wr_value *where = wr_value_get(call, "where");
    struct wr_value condition;
    int status = WR_OK;
    if (where != NULL) {
        uint32_t index;
        status = wr_ast_rewrite(b->arena, where, input_rewrite, b, &condition);
        /* Neighbours with one condition share it. */
        for (uint32_t i = 0; i < b->call_count && status == WR_OK; i++) {
            const struct wr_value *other = wr_value_get(b->calls[i], "where");
            if (other != NULL && wr_ast_equal(other, where))
                aggregate->where = b->aggregates[i].where;
        }
        if (status == WR_OK && aggregate->where < 0) {
            status = entry_add(b, wr_agg_hidden_name(b->arena, 'w', b->entry_count), &condition, 0,
                               &index);
            if (status == WR_OK)
                aggregate->where = (int32_t)index;
        }
    }
    const struct wr_value *guard = where == NULL ? NULL : &condition;
    if (status == WR_OK)
        status = bind_args(b, aggregate, call, guard);
    if (status == WR_OK)
        status = bind_order(b, aggregate, call, guard);
    *number = b->call_count;
    b->calls[b->call_count++] = call;
    return status;
}

/* ---- keys ----------------------------------------------------------------------------------- */

struct key_names {
    struct wr_arena *arena;
    const struct wr_value *group_by;
    uint32_t upto; /* items before this one are known */
};

/* In a key's expression, an earlier key or helper goes by the name that it has in the inputs. */
static int key_rewrite(void *ctx, const struct wr_value *node, struct wr_value *out) {
    struct key_names *keys = ctx;
    if (!wr_ast_is(node, "name"))
        return 0;
    const struct wr_value *name = wr_value_get(node, "name");
    for (uint32_t i = keys->upto; i > 0; i--) {
        const struct wr_value *other = wr_value_get(wr_value_at(keys->group_by, i - 1), "name");
        if (other == NULL || !wr_agg_name_is(other, name->string, name->count))
            continue;
        int status =
            wr_agg_name_node(keys->arena, wr_agg_hidden_name(keys->arena, 'k', i - 1), node, out);
        return status == WR_OK ? 1 : status;
    }
    return 0;
}

int wr_agg_bind_keys(struct wr_agg_bind *b, const struct wr_value *group_by) {
    uint32_t count = wr_value_count(group_by);
    if (count == 0)
        return WR_OK;
    struct wr_scope scope = *b->scope;
    scope.flags &= ~(unsigned)WR_SCOPE_AGGREGATES;
    struct wr_list *keys;
    int status = wr_list_bind(&keys, &scope, WR_LIST_KEYS, group_by, b->err);
    b->keys = keys;
    if (status != WR_OK) {
        wr_error_at(b->err, "group_by", b->err == NULL ? 0 : b->err->from,
                    b->err == NULL ? 0 : b->err->to);
        return status;
    }
    if (keys->item_count > WR_KEY_COLUMNS_MAX)
        return wr_agg_fault(b, group_by, "W102", "at most %d group keys", WR_KEY_COLUMNS_MAX);
    b->out->key_count = keys->item_count;
    struct key_names names = {.arena = b->arena, .group_by = group_by};
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        const struct wr_value *item = wr_value_at(group_by, i);
        const struct wr_value *name = wr_value_get(item, "name");
        struct wr_value copy;
        uint32_t index;
        int is_local = wr_value_bool(item, "is_local", 0);
        names.upto = i;
        b->label = wr_value_string(item, "name", NULL);
        status = wr_ast_rewrite(b->arena, wr_value_get(item, "expr"), key_rewrite, &names, &copy);
        if (status == WR_OK)
            status = entry_add(b, wr_agg_hidden_name(b->arena, 'k', i), &copy, is_local, &index);
        if (status == WR_OK)
            b->entries[index].needed = 1;
        if (status == WR_OK && name != NULL && wr_agg_is_window(b, name->string, name->count)) {
            wr_error_script(b->err, "W205", "`%s` is written by the window", name->string);
            wr_error_at(b->err, "group_by", wr_agg_from(item), wr_agg_to(item));
            wr_error_help(b->err, "give the key another name");
            status = WR_ESCRIPT;
        }
    }
    return status;
}

/* ---- the list of inputs --------------------------------------------------------------------- */

int wr_agg_bind_inputs(struct wr_agg_bind *b) {
    struct wr_value *list = wr_value_new_list(b->arena, b->entry_count);
    if (list == NULL)
        return WR_ENOMEM;
    for (uint32_t i = b->entry_count; i > 0; i--)
        if (b->entries[i - 1].needed) /* names only earlier ones */
            entries_mark(b, wr_value_get(&b->entries[i - 1].item, "expr"));
    uint32_t count = 0;
    uint32_t index = 0;
    for (uint32_t i = 0; i < b->entry_count; i++) {
        b->entries[i].index = index;
        index += !b->entries[i].is_local;
        if (b->entries[i].needed)
            list->items[count++] = b->entries[i].item;
    }
    list->count = count;
    if (index == 0) {
        b->out->inputs = WR_ARENA_ZEROS(b->arena, struct wr_list, 1);
        return b->out->inputs == NULL ? WR_ENOMEM : WR_OK;
    }
    struct wr_scope scope = *b->scope;
    scope.flags &= ~(unsigned)WR_SCOPE_AGGREGATES;
    int status = wr_list_bind(&b->out->inputs, &scope, WR_LIST_DERIVE, list, b->err);
    if (status != WR_OK && b->err != NULL)
        wr_error_at(b->err, "1", b->err->from, b->err->to);
    for (uint32_t i = 0; i < b->entry_count && status == WR_OK; i++)
        if (!b->entries[i].is_local)
            b->out->inputs->items[b->entries[i].index].label = b->entries[i].label;
    return status;
}
