/* bind_path.c: paths `a.b[1].c`, `m['k']` into json, struct, list and map columns. */
#include "base/assert.h"
#include "base/status.h"
#include "expr/node.h"
#include "expr/program.h"
#include "expr/names.h"
#include "base/banned.h"

static const struct wr_node *no_path(struct wr_bind *bind, const struct wr_node *container,
                                     const struct wr_node *key, int from, int to) {
    char a[128], b[128];
    wr_bind_fault(bind, "W104", from, to, "`%s` cannot take %s and %s",
                  key->type.kind == WR_STRING ? "." : "[]",
                  wr_type_text(&container->type, a, sizeof a),
                  wr_type_text(&key->type, b, sizeof b));
    wr_error_help(bind->err, "paths go into json, struct, list and map columns");
    return NULL;
}

/* The type of the field `name` of a struct. 0 after a fault. */
static int field_type(struct wr_bind *bind, const struct wr_node *container,
                      const struct wr_node *key, int from, int to, struct wr_type *type) {
    const struct wr_schema *fields = container->type.child;
    if (fields == NULL) {
        *type = WR_TYPE(WR_JSON);
        return 1;
    }
    if (!wr_node_is_constant(key) || wr_node_is_nil(key)) {
        wr_bind_fault(bind, "W104", key->from, key->to, "the field of a struct must be a literal");
        return 0;
    }
    const struct wr_str *name = key->constant.data;
    int index = wr_schema_find(fields, wr_str_bytes(name), name->length);
    if (index >= 0) {
        *type = fields->fields[index].type;
        return 1;
    }
    struct wr_names names;
    wr_names_init(&names, wr_str_bytes(name), name->length);
    for (uint32_t i = 0; i < fields->field_count; i++)
        wr_names_offer(&names, fields->fields[i].name, fields->fields[i].name_length);
    wr_bind_fault(bind, "W103", from, to, "unknown field `%.*s`", (int)name->length,
                  wr_str_bytes(name));
    wr_names_help(&names, bind->err, "fields");
    return 0;
}

static const struct wr_node *step(struct wr_bind *bind, const struct wr_node *container,
                                  const struct wr_node *key, int from, int to) {
    if (container == NULL || key == NULL)
        return NULL;
    if (key->type.kind == WR_FLOAT64 || key->type.kind == WR_NIL)
        return no_path(bind, container, key, from, to);
    int by_name = key->type.kind == WR_STRING, by_index = key->type.kind == WR_INT64;
    const struct wr_schema *child = container->type.child;
    struct wr_type type = WR_TYPE(WR_JSON);
    switch (container->type.kind) {
    case WR_JSON:
        if (!by_name && !by_index)
            return no_path(bind, container, key, from, to);
        break;
    case WR_LIST:
        if (!by_index)
            return no_path(bind, container, key, from, to);
        if (child != NULL)
            type = child->fields[0].type;
        break;
    case WR_MAP:
        if (!by_name)
            return no_path(bind, container, key, from, to);
        if (child != NULL && child->field_count > 1)
            type = child->fields[1].type;
        break;
    case WR_STRUCT:
        if (!by_name)
            return no_path(bind, container, key, from, to);
        if (!field_type(bind, container, key, from, to, &type))
            return NULL;
        break;
    case WR_NIL: return wr_node_nil(bind, WR_TYPE(WR_NIL), from, to);
    default: return no_path(bind, container, key, from, to);
    }
    const struct wr_node *args[2] = {container, key};
    return wr_node_kernel(bind, &wr_kernel_json_path, type, args, 2, NULL, from, to);
}

const struct wr_node *wr_bind_path(struct wr_bind *bind, const struct wr_value *ast) {
    int from = wr_ast_from(ast), to = wr_ast_to(ast);
    const struct wr_node *container = wr_bind_operand(bind, wr_value_get(ast, "a"));
    if (container == NULL)
        return NULL;
    const struct wr_value *name = wr_value_get(ast, "name");
    const struct wr_node *key = name != NULL
                                    ? wr_node_string(bind, name->string, name->count, from, to)
                                    : wr_bind_operand(bind, wr_value_get(ast, "i"));
    return step(bind, container, key, from, to);
}
