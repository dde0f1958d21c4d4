/* bind.c: binds lists of items: names to columns, items to nodes, nodes to a program. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "expr/aggregate.h"
#include "expr/names.h"
#include "expr/node.h"
#include "expr/program.h"
#include "base/banned.h"

#define FOLD_BLOCK_BYTES ((size_t)16 * 1024)

static const struct hidden {
    const char *name;
    enum wr_type_kind kind;
} hidden_columns[WR_HIDDEN_COUNT] = {
    [WR_HIDDEN_SOURCE] = {"_source", WR_STRING},      [WR_HIDDEN_FILE] = {"_file", WR_STRING},
    [WR_HIDDEN_LINE] = {"_line", WR_INT64},           [WR_HIDDEN_OFFSET] = {"_offset", WR_INT64},
    [WR_HIDDEN_PARTITION] = {"_partition", WR_INT64}, [WR_HIDDEN_EVENT] = {"_event", WR_INT64},
};

const char *wr_hidden_name(uint32_t index) {
    WR_ASSERT(index < WR_HIDDEN_COUNT);
    return hidden_columns[index].name;
}
int wr_ast_from(const struct wr_value *ast) {
    return (int)wr_value_int(ast, "from", 0);
}
int wr_ast_to(const struct wr_value *ast) {
    return (int)wr_value_int(ast, "to", 0);
}

/* ---- names ---- */

static const struct wr_bound_name *name_find(const struct wr_bind *bind, const char *name,
                                             uint32_t length) {
    for (uint32_t i = bind->name_count; i > 0; i--) {
        const struct wr_bound_name *bound = &bind->names[i - 1];
        if (bound->name_length == length && memcmp(bound->name, name, length) == 0)
            return bound;
    }
    return NULL;
}

static int name_add(struct wr_bind *bind, const char *name, uint32_t length, int is_local,
                    const struct wr_node *node) {
    if (bind->name_count == bind->name_room) {
        uint32_t room = bind->name_room == 0 ? 16 : bind->name_room * 2;
        struct wr_bound_name *names = WR_ARENA_ARRAY(bind->arena, struct wr_bound_name, room);
        if (names == NULL) {
            wr_bind_no_memory(bind);
            return bind->status;
        }
        if (bind->name_count > 0)
            memcpy(names, bind->names, sizeof *names * bind->name_count);
        bind->names = names;
        bind->name_room = room;
    }
    bind->names[bind->name_count++] = (struct wr_bound_name){name, length, (uint8_t)is_local, node};
    return WR_OK;
}

static const struct wr_node *unknown_column(struct wr_bind *bind, const struct wr_value *ast,
                                            const char *name, uint32_t length) {
    struct wr_names names;
    wr_names_init(&names, name, length);
    const struct wr_schema *input = bind->scope->input;
    for (uint32_t i = 0; i < bind->name_count; i++)
        wr_names_offer(&names, bind->names[i].name, bind->names[i].name_length);
    for (uint32_t i = 0; i < input->field_count; i++)
        if (name_find(bind, input->fields[i].name, input->fields[i].name_length) == NULL)
            wr_names_offer(&names, input->fields[i].name, input->fields[i].name_length);
    wr_bind_fault(bind, "W103", wr_ast_from(ast), wr_ast_to(ast), "unknown column `%s`", name);
    wr_names_help(&names, bind->err, "columns");
    return NULL;
}

static const struct wr_node *bind_column(struct wr_bind *bind, uint32_t index, int from, int to) {
    struct wr_node draft = {.kind = WR_NODE_COLUMN,
                            .index = index,
                            .type = bind->scope->input->fields[index].type,
                            .from = from,
                            .to = to};
    return wr_node_intern(bind, &draft);
}

static const struct wr_node *bind_name(struct wr_bind *bind, const struct wr_value *ast) {
    const struct wr_value *name = wr_value_get(ast, "name");
    WR_ASSERT(name != NULL && name->kind == WR_VALUE_STRING);
    /* What a row function reads is its row, whatever its other results are called. */
    const struct wr_bound_name *bound =
        wr_value_bool(ast, "of_input", 0) ? NULL : name_find(bind, name->string, name->count);
    if (bound != NULL)
        return bound->node;
    int column = wr_schema_find(bind->scope->input, name->string, name->count);
    if (column >= 0)
        return bind_column(bind, (uint32_t)column, wr_ast_from(ast), wr_ast_to(ast));
    for (uint32_t i = 0; bind->scope->flags & WR_SCOPE_HIDDEN && i < WR_HIDDEN_COUNT; i++) {
        if (strcmp(hidden_columns[i].name, name->string) != 0 ||
            (i == WR_HIDDEN_EVENT && !(bind->scope->flags & WR_SCOPE_EVENTS)))
            continue;
        struct wr_node draft = {.kind = WR_NODE_HIDDEN,
                                .index = i,
                                .cost = 2,
                                .type = WR_TYPE(hidden_columns[i].kind),
                                .from = wr_ast_from(ast),
                                .to = wr_ast_to(ast)};
        return wr_node_intern(bind, &draft);
    }
    return unknown_column(bind, ast, name->string, name->count);
}

/* ---- expressions ---- */

static const struct wr_node *bind_literal(struct wr_bind *bind, const struct wr_value *ast) {
    const char *type = wr_value_string(ast, "type", "");
    const struct wr_value *v = wr_value_get(ast, "v");
    int from = wr_ast_from(ast), to = wr_ast_to(ast);
    if (strcmp(type, "nil") == 0 || v == NULL)
        return wr_node_nil(bind, WR_TYPE(WR_NIL), from, to);
    if (strcmp(type, "bool") == 0)
        return wr_node_bool(bind, v->boolean, from, to);
    if (strcmp(type, "string") == 0)
        return wr_node_string(bind, v->string, v->count, from, to);
    if (strcmp(type, "float64") == 0) {
        double number = v->kind == WR_VALUE_INT ? (double)v->integer : v->number;
        return wr_node_constant(bind, WR_TYPE(WR_FLOAT64), &number, from, to);
    }
    enum wr_type_kind kind = wr_type_kind_named(type, strlen(type));
    WR_ASSERT(kind == WR_INT64 || kind == WR_TIMESTAMP || kind == WR_DATE || kind == WR_DURATION);
    return wr_node_constant(bind, WR_TYPE(kind), &v->integer, from, to);
}

const struct wr_node *wr_bind_expr(struct wr_bind *bind, const struct wr_value *ast) {
    if (bind->status != WR_OK)
        return NULL;
    const char *k = wr_value_string(ast, "k", "");
    if (strcmp(k, "name") == 0)
        return bind_name(bind, ast);
    if (strcmp(k, "lit") == 0)
        return bind_literal(bind, ast);
    if (strcmp(k, "bin") == 0)
        return wr_bind_binary(bind, ast);
    if (strcmp(k, "un") == 0)
        return wr_bind_unary(bind, ast);
    if (strcmp(k, "call") == 0)
        return wr_bind_call(bind, ast);
    if (strcmp(k, "in") == 0)
        return wr_bind_in(bind, ast);
    if (strcmp(k, "field") == 0 || strcmp(k, "index") == 0)
        return wr_bind_path(bind, ast);
    int from = wr_ast_from(ast), to = wr_ast_to(ast);
    if (strcmp(k, "over") == 0) {
        wr_bind_fault(bind, "W112", from, to,
                      "`over` stands behind an aggregate in a grouped `derive`");
        wr_error_help(bind->err, "`:group_by \"…\"` before `derive`; without a list: one group");
        return NULL;
    }
    if (strcmp(k, "list") == 0)
        return wr_bind_fault(bind, "W104", from, to, "a list stands only behind `in`");
    if (strcmp(k, "param") == 0)
        return wr_bind_fault(bind, "W106", from, to, "no value for `$%s`",
                             wr_value_string(ast, "name", "?"));
    wr_bind_fault(bind, "W001", from, to, "unexpected node `%s`", k);
    return NULL;
}

const struct wr_node *wr_bind_operand(struct wr_bind *bind, const struct wr_value *ast) {
    const struct wr_node *node = wr_bind_expr(bind, ast);
    if (node == NULL || !(node->flags & WR_NODE_GUARDED))
        return node;
    char type[128];
    wr_bind_fault(bind, "W104", wr_ast_from(ast), wr_ast_to(ast), "`and` gives bool or %s here",
                  wr_type_text(&node->type, type, sizeof type));
    wr_error_help(bind->err, "write `case(condition, value)`, or `condition and x or y`");
    return NULL;
}

const struct wr_node *wr_bind_condition(struct wr_bind *bind, const struct wr_value *ast) {
    const struct wr_node *node = wr_bind_expr(bind, ast);
    if (node == NULL || node->type.kind == WR_BOOL)
        return node;
    if (node->flags & WR_NODE_GUARDED || node->type.kind == WR_NIL)
        return wr_bind_truth(bind, node);
    char type[128];
    wr_bind_fault(bind, "W107", wr_ast_from(ast), wr_ast_to(ast),
                  "a condition must be bool, this is %s",
                  wr_type_text(&node->type, type, sizeof type));
    const char *name = wr_value_string(ast, "name", NULL);
    wr_error_help(bind->err, "write `%s ~= nil`", name != NULL ? name : "x");
    return NULL;
}

/* ---- lists ---- */

/* A value that a column can hold: it has a type. */
static const struct wr_node *bind_value(struct wr_bind *bind, const struct wr_value *ast) {
    const struct wr_node *node = wr_bind_operand(bind, ast);
    if (node == NULL || node->type.kind != WR_NIL)
        return node;
    wr_bind_fault(bind, "W104", wr_ast_from(ast), wr_ast_to(ast), "a bare `nil` has no type");
    wr_error_help(bind->err, "write `string(nil)` or another type");
    return NULL;
}

static int check_name(struct wr_bind *bind, const struct wr_value *item,
                      const struct wr_value *name) {
    if (name == NULL || name->kind != WR_VALUE_STRING) {
        const struct wr_value *expr = wr_value_get(item, "expr");
        wr_bind_fault(bind, "W009", wr_ast_from(expr), wr_ast_to(expr), "this item needs a name");
        wr_error_help(bind->err, "write `name = …`");
        return bind->status;
    }
    if (name_find(bind, name->string, name->count) == NULL)
        return WR_OK;
    int from = (int)wr_value_int(item, "name_from", wr_ast_from(item));
    int to = (int)wr_value_int(item, "name_to", wr_ast_to(item));
    wr_bind_fault(bind, "W105", from, to, "duplicate name `%s`", name->string);
    return bind->status;
}

static int bind_named(struct wr_bind *bind, const struct wr_value *ast, enum wr_list_kind kind,
                      struct wr_item *item, const struct wr_node **node, int *is_local) {
    const struct wr_value *name = wr_value_get(ast, "name"), *expr = wr_value_get(ast, "expr");
    int status = check_name(bind, ast, name);
    if (status != WR_OK)
        return status;
    *is_local = wr_value_bool(ast, "is_local", 0);
    *node = kind == WR_LIST_CONDITIONS && !*is_local ? wr_bind_condition(bind, expr)
            : *is_local                              ? wr_bind_expr(bind, expr)
                                                     : bind_value(bind, expr);
    if (kind == WR_LIST_CONDITIONS && !*is_local && *node != NULL)
        *node = wr_bind_truth(bind, *node);
    if (*node == NULL)
        return bind->status;
    *item = (struct wr_item){.name = name->string,
                             .name_length = name->count,
                             .type = (*node)->type,
                             .from = wr_ast_from(expr),
                             .to = wr_ast_to(expr)};
    return name_add(bind, name->string, name->count, *is_local, *node);
}

static int bind_unnamed(struct wr_bind *bind, const struct wr_value *ast, enum wr_list_kind kind,
                        struct wr_item *item, const struct wr_node **node) {
    const struct wr_value *expr = kind == WR_LIST_ORDER ? wr_value_get(ast, "expr") : ast;
    *node = kind == WR_LIST_ORDER ? bind_value(bind, expr) : wr_bind_condition(bind, expr);
    if (*node == NULL)
        return bind->status;
    *item = (struct wr_item){.type = (*node)->type,
                             .desc = (uint8_t)wr_value_bool(ast, "desc", 0),
                             .from = wr_ast_from(expr),
                             .to = wr_ast_to(expr)};
    return WR_OK;
}

static int copy_names(struct wr_bind *bind, struct wr_list *list) {
    for (uint32_t i = 0; i < list->item_count; i++) {
        struct wr_item *item = &list->items[i];
        if (item->name == NULL)
            continue;
        item->name = wr_arena_strndup(bind->arena, item->name, item->name_length);
        if (item->name == NULL) {
            wr_bind_no_memory(bind);
            return bind->status;
        }
    }
    return WR_OK;
}

static int bind_list(struct wr_bind *bind, struct wr_list **result, enum wr_list_kind kind,
                     const struct wr_value *ast) {
    uint32_t count = kind == WR_LIST_CONDITION ? 1 : wr_value_count(ast);
    struct wr_list *list = WR_ARENA_ZEROS(bind->arena, struct wr_list, 1);
    const struct wr_node **nodes = WR_ARENA_ZEROS(bind->arena, const struct wr_node *, count + 1);
    if (list != NULL)
        list->items = WR_ARENA_ZEROS(bind->arena, struct wr_item, count + 1);
    if (list == NULL || nodes == NULL || list->items == NULL) {
        wr_bind_no_memory(bind);
        return bind->status;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *item = kind == WR_LIST_CONDITION ? ast : wr_value_at(ast, i);
        int is_local = 0, status;
        uint32_t at = list->item_count;
        if (kind == WR_LIST_CONDITION || kind == WR_LIST_ORDER)
            status = bind_unnamed(bind, item, kind, &list->items[at], &nodes[at]);
        else
            status = bind_named(bind, item, kind, &list->items[at], &nodes[at], &is_local);
        if (status != WR_OK)
            return status;
        list->item_count += !is_local;
    }
    if (list->item_count == 0) {
        wr_bind_fault(bind, "W008", 0, 0, "empty list");
        return bind->status;
    }
    int status = copy_names(bind, list);
    if (status == WR_OK)
        status = wr_compile(bind, list, kind, nodes, &list->program);
    *result = list;
    return status;
}

int wr_list_bind(struct wr_list **list, const struct wr_scope *scope, enum wr_list_kind kind,
                 const struct wr_value *ast, struct wr_error *err) {
    WR_ASSERT(scope->input != NULL && scope->arena != NULL && ast != NULL);
    struct wr_bind bind = {.arena = scope->arena, .scope = scope, .err = err};
    *list = NULL;
    wr_eval_init(&bind.eval, &wr_budget_control);
    wr_arena_init(&bind.fold, &wr_budget_control, FOLD_BLOCK_BYTES);
    int status = bind_list(&bind, list, kind, ast);
    wr_arena_release(&bind.fold);
    wr_eval_release(&bind.eval);
    return status;
}

void wr_list_computes_from(const struct wr_list *list, uint64_t *columns) {
    if (list->program == NULL)
        return;
    for (uint32_t i = 0; i < list->program->column_words; i++)
        columns[i] |= list->program->reads[i];
}

void wr_list_reads(const struct wr_list *list, uint64_t *columns) {
    wr_list_computes_from(list, columns);
    for (uint32_t i = 0; i < list->item_count && list->program != NULL; i++)
        if (list->items[i].column >= 0)
            wr_bit_set(columns, (uint32_t)list->items[i].column);
}

int wr_list_can_fail(const struct wr_list *list) {
    return list->program != NULL && list->program->can_fail;
}
