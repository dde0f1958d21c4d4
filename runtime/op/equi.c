/* equi.c: see equi.h. What is done with keys while running is in equi_run.c. */
#include "op/equi.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "expr/ast.h"
#include "base/banned.h"

#define INT64_DIGITS 19

/* Splits `on` items (`k`, `l == r`) into a list over the left stream and one over the right. */
static int split_on(struct wr_bind *bind, const char *stage, struct wr_value **left,
                    struct wr_value **right, struct wr_error *err) {
    const struct wr_value *on = wr_value_get(bind->spec, "on");
    uint32_t count = wr_value_count(on);
    *left = wr_value_new_list(bind->arena, count);
    *right = wr_value_new_list(bind->arena, count);
    if (count == 0 || *left == NULL || *right == NULL)
        return wr_error_script(err, "W203", "`%s` needs `on`: the columns that must be equal",
                               stage);
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *item = wr_value_at(on, i), *expr = wr_value_get(item, "expr");
        int equal = strcmp(wr_value_string(expr, "k", ""), "bin") == 0 &&
                    strcmp(wr_value_string(expr, "op", ""), "==") == 0;
        const struct wr_value *sides[2] = {equal ? wr_value_get(expr, "a") : expr,
                                           equal ? wr_value_get(expr, "b") : expr};
        struct wr_value *lists[2] = {*left, *right};
        for (int side = 0; side < 2; side++) {
            struct wr_value *one = wr_value_new_map(bind->arena, 2);
            char name[16];
            if (one == NULL)
                return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
            int length = 0;
            name[length++] = 'k';
            name[length++] = (char)('0' + i / 10 % 10);
            name[length++] = (char)('0' + i % 10);
            one->names[0] = "expr";
            one->items[0] = *sides[side];
            one->names[1] = "name";
            one->items[1] = *wr_value_new_string(bind->arena, name, (size_t)length);
            lists[side]->items[i] = *one;
        }
    }
    return WR_OK;
}

/* The one type in which two keys of different number types are compared: each value of the other
 * side that it cannot hold exactly equals none of this side. 0: they have none. */
static int common_key_type(const struct wr_type *a, const struct wr_type *b, struct wr_type *type) {
    if (wr_type_equal(a, b)) {
        *type = *a;
        return 1;
    }
    if (a->kind > b->kind) {
        const struct wr_type *swap = a;
        a = b;
        b = swap;
    }
    if (a->kind == WR_INT64 && b->kind == WR_FLOAT64) {
        *type = *b;
        return 1;
    }
    if (b->kind != WR_DECIMAL || (a->kind != WR_DECIMAL && a->kind != WR_INT64))
        return 0;
    int whole_a = a->kind == WR_INT64 ? INT64_DIGITS : a->precision - a->scale;
    int scale = a->kind == WR_INT64 ? b->scale : WR_MAX(a->scale, b->scale);
    int precision = WR_MAX(whole_a, b->precision - b->scale) + scale;
    *type = (struct wr_type){.kind = WR_DECIMAL,
                             .precision = (uint8_t)WR_MIN(precision, WR_DECIMAL_DIGITS_MAX),
                             .scale = (uint8_t)scale};
    return 1;
}

static struct wr_value text_value(const char *text) {
    return (struct wr_value){
        .kind = WR_VALUE_STRING, .string = text, .count = (uint32_t)strlen(text)};
}

static struct wr_value *literal(struct wr_arena *arena, const char *type, struct wr_value v) {
    const char *const names[] = {"k", "type", "v"};
    const struct wr_value values[] = {text_value("lit"), text_value(type), v};
    return wr_ast_map(arena, v.kind == WR_VALUE_NIL ? 2 : 3, names, values);
}

static struct wr_value *binary(struct wr_arena *arena, const char *op, const struct wr_value *a,
                               const struct wr_value *b) {
    const char *const names[] = {"a", "b", "k", "op"};
    const struct wr_value values[] = {*a, *b, text_value("bin"), text_value(op)};
    return wr_ast_map(arena, 4, names, values);
}

/* `case(expr == nil, nil, type(expr) ?? nil)`: a value that does not fit is no value, and matches
 * nothing; but where the expression itself fails, the row does. */
static struct wr_value *as_key_type(struct wr_arena *arena, const struct wr_value *expr,
                                    const struct wr_type *type) {
    int is_decimal = type->kind == WR_DECIMAL;
    struct wr_value *args = wr_value_new_list(arena, is_decimal ? 3 : 1);
    if (args == NULL)
        return NULL;
    args->items[0] = *expr;
    for (uint32_t i = 1; i < args->count; i++) {
        struct wr_value digits = {.kind = WR_VALUE_INT,
                                  .integer = i == 1 ? type->precision : type->scale};
        const struct wr_value *item = literal(arena, "int64", digits);
        if (item == NULL)
            return NULL;
        args->items[i] = *item;
    }
    const char *const call_names[] = {"args", "k", "name"};
    const struct wr_value call_values[] = {*args, text_value("call"),
                                           text_value(is_decimal ? "decimal" : "float64")};
    const struct wr_value *call = wr_ast_map(arena, 3, call_names, call_values);
    const struct wr_value *nil = literal(arena, "nil", (struct wr_value){.kind = WR_VALUE_NIL});
    if (call == NULL || nil == NULL)
        return NULL;
    const struct wr_value *fits = binary(arena, "??", call, nil);
    const struct wr_value *none = binary(arena, "==", expr, nil);
    struct wr_value *branches = wr_value_new_list(arena, 3);
    if (fits == NULL || none == NULL || branches == NULL)
        return NULL;
    branches->items[0] = *none;
    branches->items[1] = *nil;
    branches->items[2] = *fits;
    const struct wr_value case_values[] = {*branches, text_value("call"), text_value("case")};
    return wr_ast_map(arena, 3, call_names, case_values);
}

/* Converts the keys of one side that are not of the common types, and binds that again. */
static int convert_keys(struct wr_bind *bind, struct wr_scope *scope, struct wr_list **keys,
                        struct wr_value *items, const struct wr_type *types, struct wr_error *err) {
    int has_changed = 0;
    for (uint32_t i = 0; i < items->count; i++) {
        if (wr_type_equal(&(*keys)->items[i].type, &types[i]))
            continue;
        struct wr_value *expr = &items->items[i].items[0];
        const struct wr_value *converted = as_key_type(bind->arena, expr, &types[i]);
        if (converted == NULL)
            return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
        *expr = *converted;
        has_changed = 1;
    }
    return has_changed ? wr_list_bind(keys, scope, WR_LIST_SELECT, items, err) : WR_OK;
}

/* The types in which keys are compared (2.4: one type, or both numbers, exactly). */
static int key_types(struct equi *equi, struct wr_error *err) {
    for (uint32_t i = 0; i < equi->keys[0]->item_count; i++) {
        const struct wr_type *a = &equi->keys[0]->items[i].type;
        const struct wr_type *b = &equi->keys[1]->items[i].type;
        if (!common_key_type(a, b, &equi->types[i])) {
            char x[64], y[64];
            wr_error_script(err, "W104", "`==` cannot take %s and %s", wr_type_text(a, x, sizeof x),
                            wr_type_text(b, y, sizeof y));
            return WR_ESCRIPT;
        }
    }
    return WR_OK;
}

static int find_twins(struct wr_bind *bind, struct equi *equi) {
    uint32_t count = bind->inputs[1]->schema->field_count;
    equi->twins = WR_ARENA_ARRAY(bind->arena, int32_t, count + 1);
    if (equi->twins == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < count; c++)
        equi->twins[c] = -1;
    for (uint32_t i = 0; i < equi->keys[1]->item_count; i++) {
        int32_t l = equi->keys[0]->items[i].column, r = equi->keys[1]->items[i].column;
        if (l >= 0 && r >= 0 && equi->twins[r] < 0)
            equi->twins[r] = l;
    }
    return WR_OK;
}

int equi_bind(struct equi *equi, struct wr_bind *bind, const char *stage, struct wr_error *err) {
    struct wr_value *left, *right;
    int status = split_on(bind, stage, &left, &right, err);
    struct wr_scope left_scope = bind->scope, right_scope = bind->scope;
    right_scope.input = bind->inputs[1]->schema;
    right_scope.flags = 0;
    if (status == WR_OK)
        status = wr_list_bind(&equi->keys[0], &left_scope, WR_LIST_SELECT, left, err);
    if (status == WR_OK)
        status = wr_list_bind(&equi->keys[1], &right_scope, WR_LIST_SELECT, right, err);
    if (status == WR_OK && (status = find_twins(bind, equi)) == WR_OK)
        status = key_types(equi, err);
    if (status == WR_OK)
        status = convert_keys(bind, &left_scope, &equi->keys[0], left, equi->types, err);
    if (status == WR_OK)
        status = convert_keys(bind, &right_scope, &equi->keys[1], right, equi->types, err);
    for (int side = 0; side < 2 && status == WR_OK; side++)
        for (uint32_t i = 0; i < equi->keys[side]->item_count; i++)
            equi->keys[side]->items[i].label = ""; /* their names are ours */
    if (status != WR_OK) {
        wr_error_at(err, "on", err == NULL ? 0 : err->from, err == NULL ? 0 : err->to);
        return status;
    }
    return wr_key_layout_init(&equi->layout, equi->types, equi->keys[0]->item_count, 1);
}

int equi_matches_nothing(const struct wr_key_layout *layout, const char *key) {
    uint64_t nils = 0;
    if (layout->nils)
        memcpy(&nils, key, sizeof nils);
    for (uint32_t k = 0; k < layout->column_count && nils == 0; k++) {
        double value = 0;
        if (layout->types[k].kind == WR_FLOAT64)
            memcpy(&value, key + layout->offsets[k], sizeof value);
        nils = value != value;
    }
    return nils != 0;
}

int equi_add_right(struct wr_bind *bind, struct wr_schema *schema, uint32_t c,
                   struct wr_error *err) {
    const char *prefix = wr_value_string(bind->spec, "prefix", "");
    struct wr_field field = bind->inputs[1]->schema->fields[c];
    size_t room = strlen(prefix) + field.name_length;
    char *name = wr_arena_alloc(bind->arena, room + 1);
    if (name == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    memcpy(name, prefix, strlen(prefix));
    memcpy(name + strlen(prefix), field.name, field.name_length);
    name[room] = 0;
    if (wr_schema_find(schema, name, (uint32_t)room) >= 0) {
        wr_error_script(err, "W205", "column `%s` exists on both sides", name);
        wr_error_help(err, "give the right columns a name of their own: `prefix = \"p_\"`");
        return WR_ESCRIPT;
    }
    field.name = name;
    field.name_length = (uint32_t)room;
    field.key = field.required = field.ends_window = 0;
    schema->fields[schema->field_count++] = field;
    return WR_OK;
}
