/* aggregate.c: binds `group_by` and `agg` together; see aggregate_bind.h. */
#include <stdarg.h>
#include <stdio.h>

#include "expr/aggregate_bind.h"
#include "expr/names.h"
#include "base/banned.h"

#define NAME_BYTES 24 /* of a name that weir makes */

/* ---- small parts ---------------------------------------------------------------------------- */

int wr_agg_fault(struct wr_agg_bind *b, const struct wr_value *node, const char *code,
                 const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    b->status = wr_error_script(b->err, code, "%s", text);
    wr_error_at(b->err, "1", wr_agg_from(node), wr_agg_to(node));
    return b->status;
}

const char *wr_agg_hidden_name(struct wr_arena *arena, char letter, uint32_t number) {
    char *name = wr_arena_alloc(arena, NAME_BYTES);
    if (name != NULL)
        snprintf(name, NAME_BYTES, "\x01%c\x02%u", letter, number);
    return name;
}

int wr_agg_name_node(struct wr_arena *arena, const char *name, const struct wr_value *node,
                     struct wr_value *out) {
    static const char *const names[] = {"k", "name", "from", "to"};
    struct wr_value values[] = {wr_agg_text("name"), wr_agg_text(name == NULL ? "" : name),
                                wr_agg_int(wr_agg_from(node)), wr_agg_int(wr_agg_to(node))};
    struct wr_value *map = name == NULL ? NULL : wr_ast_map(arena, 4, names, values);
    if (map == NULL)
        return WR_ENOMEM;
    *out = *map;
    return WR_OK;
}

const struct wr_aggregate_function *wr_agg_function(const struct wr_agg_bind *b,
                                                    const struct wr_value *node) {
    if (!wr_ast_is(node, "call"))
        return NULL;
    const struct wr_value *name = wr_value_get(node, "name");
    return name == NULL ? NULL : wr_aggregate_in(b->scope, name->string, name->count);
}

/* Whether an aggregate is called somewhere in `node`; the first in *found. */
static int has_aggregate(const struct wr_agg_bind *b, const struct wr_value *node,
                         const struct wr_value **found, int depth) {
    if (depth > WR_AST_DEPTH_MAX)
        return 0;
    if (node->kind == WR_VALUE_MAP && wr_agg_function(b, node) != NULL) {
        *found = node;
        return 1;
    }
    if (node->kind != WR_VALUE_MAP && node->kind != WR_VALUE_LIST)
        return 0;
    for (uint32_t i = 0; i < node->count; i++)
        if (has_aggregate(b, &node->items[i], found, depth + 1))
            return 1;
    return 0;
}

const struct wr_agg_known *wr_agg_known_find(const struct wr_agg_bind *b, const char *name,
                                             uint32_t length) {
    for (uint32_t i = b->known_count; i > 0; i--)
        if (wr_agg_name_is(b->known[i - 1].name, name, length))
            return &b->known[i - 1];
    return NULL;
}

int wr_agg_is_key(const struct wr_agg_bind *b, const char *name, uint32_t length) {
    for (uint32_t i = 0; i < b->out->key_count; i++) {
        const struct wr_item *key = &b->keys->items[i];
        if (key->name_length == length && memcmp(key->name, name, length) == 0)
            return (int)i + 1;
    }
    return 0;
}

int wr_agg_is_window(const struct wr_agg_bind *b, const char *name, uint32_t length) {
    return b->out->windowed && ((length == 12 && memcmp(name, "window_start", 12) == 0) ||
                                (length == 10 && memcmp(name, "window_end", 10) == 0));
}

int wr_agg_names_known(const struct wr_agg_bind *b, const struct wr_value *node, int middle) {
    if (node->kind == WR_VALUE_MAP && wr_ast_is(node, "name")) {
        const struct wr_value *name = wr_value_get(node, "name");
        const struct wr_agg_known *known = wr_agg_known_find(b, name->string, name->count);
        if (middle)
            return known != NULL ? known->middle
                                 : wr_agg_is_key(b, name->string, name->count) ||
                                       wr_agg_is_window(b, name->string, name->count);
        return (known != NULL && known->input >= 0) ||
               wr_schema_find(b->scope->input, name->string, name->count) >= 0;
    }
    if (node->kind != WR_VALUE_MAP && node->kind != WR_VALUE_LIST)
        return 1;
    if (middle && node->kind == WR_VALUE_MAP && wr_agg_function(b, node) != NULL)
        return 1;
    for (uint32_t i = 0; i < node->count; i++)
        if (!wr_agg_names_known(b, &node->items[i], middle))
            return 0;
    return 1;
}

void wr_agg_signatures_help(struct wr_agg_bind *b, const struct wr_aggregate_function *function) {
    char text[WR_ERROR_HELP_MAX];
    size_t length = 0;
    for (uint32_t i = 0; function->signatures[i] != NULL && length < sizeof text; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s%s",
                                   i == 0 ? "" : " · ", function->name, function->signatures[i]);
    wr_error_help(b->err, "%s", text);
}

/* ---- the side of the items ------------------------------------------------------------------ */

int wr_agg_unknown(struct wr_agg_bind *b, const struct wr_value *node, int middle) {
    const struct wr_value *name = wr_value_get(node, "name");
    struct wr_names names;
    wr_names_init(&names, name->string, name->count);
    for (uint32_t i = 0; i < b->known_count; i++)
        if (middle ? b->known[i].middle : b->known[i].input >= 0)
            wr_names_offer(&names, b->known[i].name->string, b->known[i].name->count);
    const struct wr_schema *input = b->scope->input;
    for (uint32_t i = 0; middle && i < b->out->key_count; i++) {
        const struct wr_item *key = &b->keys->items[i];
        if (wr_schema_find(input, key->name, key->name_length) < 0)
            wr_names_offer(&names, key->name, key->name_length);
    }
    if (middle && b->out->windowed) {
        wr_names_offer(&names, "window_start", 12);
        wr_names_offer(&names, "window_end", 10);
    }
    for (uint32_t i = 0; i < input->field_count; i++)
        wr_names_offer(&names, input->fields[i].name, input->fields[i].name_length);
    wr_agg_fault(b, node, "W103", "unknown column `%s`", name->string);
    wr_names_help(&names, b->err, "columns");
    return b->status;
}

/* A bare name in an item that is nothing there. */
static int item_name(struct wr_agg_bind *b, const struct wr_value *node) {
    const struct wr_value *name = wr_value_get(node, "name");
    if (wr_agg_known_find(b, name->string, name->count) == NULL &&
        wr_schema_find(b->scope->input, name->string, name->count) < 0)
        return wr_agg_unknown(b, node, 1);
    wr_agg_fault(b, node, "W109", "`%s` is neither key nor inside an aggregate", name->string);
    wr_error_help(b->err, "write `any_value(%s)`, or add it to `group_by`", name->string);
    return b->status;
}

/* Whether a call means nothing: the binder says so, and does not stumble over a name in it. */
static int is_unknown_call(const struct wr_agg_bind *b, const struct wr_value *node) {
    const struct wr_value *name = wr_value_get(node, "name");
    if (name == NULL || wr_function_find(name->string, name->count) != NULL)
        return 0;
    for (uint32_t i = 0; i < b->scope->user_function_count; i++)
        if (strcmp(b->scope->user_functions[i].name, name->string) == 0)
            return 0;
    return 1;
}

static int call_without_args(struct wr_agg_bind *b, const struct wr_value *node,
                             struct wr_value *out) {
    struct wr_value *copy = wr_ast_map(b->arena, node->count, node->names, node->items);
    if (copy == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < copy->count; i++)
        if (strcmp(copy->names[i], "args") == 0)
            copy->items[i].count = 0;
    *out = *copy;
    return 1;
}

static int item_rewrite(void *ctx, const struct wr_value *node, struct wr_value *out) {
    struct wr_agg_bind *b = ctx;
    if (wr_ast_is(node, "name"))
        return wr_agg_names_known(b, node, 1) ? 0 : item_name(b, node);
    if (wr_ast_is(node, "over")) {
        wr_agg_fault(b, node, "W112", "`over` stands in a grouped `derive`, not in `agg`");
        wr_error_help(b->err, "`:group_by \"…\":derive \"n = count() over '1h'\"` keeps each row");
        return b->status;
    }
    if (wr_agg_function(b, node) == NULL)
        return wr_ast_is(node, "call") && is_unknown_call(b, node) ? call_without_args(b, node, out)
                                                                   : 0;
    uint32_t number = 0;
    int status = wr_agg_bind_call(b, node, &number);
    if (status == WR_OK)
        status = wr_agg_name_node(b->arena, wr_agg_hidden_name(b->arena, 'g', number), node, out);
    return status == WR_OK ? 1 : status;
}

int wr_agg_item_with(struct wr_arena *arena, const struct wr_value *item,
                     const struct wr_value *expr, struct wr_value *out) {
    struct wr_value *copy = wr_ast_map(arena, item->count, item->names, item->items);
    if (copy == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < copy->count; i++)
        if (strcmp(copy->names[i], "expr") == 0)
            copy->items[i] = *expr;
    *out = *copy;
    return WR_OK;
}

int wr_agg_unnamed(struct wr_agg_bind *b, const struct wr_value *expr) {
    wr_agg_fault(b, expr, "W009", "this item needs a name");
    const struct wr_aggregate_function *function = wr_agg_function(b, expr);
    wr_error_help(b->err, "write `name = %s%s`", function == NULL ? "…" : function->name,
                  function == NULL ? "" : "(…)");
    return b->status;
}

static int check_item_name(struct wr_agg_bind *b, const struct wr_value *item,
                           const struct wr_value *name, const struct wr_value *expr) {
    if (name == NULL || name->kind != WR_VALUE_STRING)
        return wr_agg_unnamed(b, expr);
    int key = wr_agg_is_key(b, name->string, name->count);
    int window = wr_agg_is_window(b, name->string, name->count);
    if (!key && !window && wr_agg_known_find(b, name->string, name->count) == NULL)
        return WR_OK;
    if (wr_value_bool(item, "is_local", 0) && !window &&
        wr_agg_known_find(b, name->string, name->count) == NULL)
        return WR_OK; /* a helper may hide a key */
    wr_agg_fault(b, item, window ? "W205" : "W105",
                 window ? "`%s` is written by the window" : "duplicate name `%s`", name->string);
    int from = (int)wr_value_int(item, "name_from", wr_agg_from(item));
    wr_error_at(b->err, "1", from, (int)wr_value_int(item, "name_to", wr_agg_to(item)));
    if (key && wr_ast_is(expr, "name"))
        wr_error_help(b->err, "group keys are in the result without being named: leave it out");
    else
        wr_error_help(b->err, "give it another name");
    return b->status;
}

/* One item of agg: to the side, or sides, where it belongs. *to_items: it stands in the items. */
static int bind_item(struct wr_agg_bind *b, const struct wr_value *item, struct wr_value *out,
                     int *to_items) {
    const struct wr_value *name = wr_value_get(item, "name");
    const struct wr_value *expr = wr_value_get(item, "expr");
    const struct wr_value *found = NULL;
    int is_local = wr_value_bool(item, "is_local", 0);
    b->label = wr_value_string(item, "name", NULL);
    int status = check_item_name(b, item, name, expr);
    if (status != WR_OK)
        return status;
    int aggregated = has_aggregate(b, expr, &found, 0);
    struct wr_agg_known known = {.name = name, .input = -1, .aggregated = (uint8_t)aggregated};
    known.middle = (uint8_t)(!is_local || wr_agg_names_known(b, expr, 1));
    if (is_local && !aggregated && wr_agg_names_known(b, expr, 0))
        status = wr_agg_bind_helper(b, expr, &known.input);
    else if (is_local)
        known.middle = 1; /* on neither side: the items say which name is wrong */
    *to_items = known.middle;
    if (status == WR_OK && known.middle) {
        struct wr_value copy;
        status = wr_ast_rewrite(b->arena, expr, item_rewrite, b, &copy);
        if (status == WR_OK)
            status = wr_agg_item_with(b->arena, item, &copy, out);
    }
    b->known[b->known_count++] = known;
    return status;
}

static int bind_items(struct wr_agg_bind *b, const struct wr_value *items) {
    struct wr_aggregates *out = b->out;
    uint32_t n;
    struct wr_schema *middle = wr_agg_lead_schema(b, out->aggregate_count, &n);
    if (middle == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < out->aggregate_count; i++) {
        const char *name = wr_agg_hidden_name(b->arena, 'g', i);
        if (name == NULL)
            return WR_ENOMEM;
        wr_agg_field_set(&middle->fields[n++], name, (uint32_t)strlen(name),
                         out->aggregates[i].type);
    }
    out->middle = middle;
    struct wr_scope scope = *b->scope;
    scope.input = middle;
    scope.flags = WR_SCOPE_AGGREGATES; /* for the names that an unknown one may have meant */
    int status = wr_list_bind(&out->items, &scope, WR_LIST_DERIVE, items, b->err);
    if (status != WR_OK) {
        if (b->err != NULL)
            wr_error_at(b->err, "1", b->err->from, b->err->to);
        return status;
    }
    struct wr_schema *result = wr_agg_lead_schema(b, out->items->item_count, &n);
    if (result == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < out->items->item_count; i++) {
        const struct wr_item *item = &out->items->items[i];
        wr_agg_field_set(&result->fields[n++], item->name, item->name_length, item->type);
    }
    out->result = result;
    return WR_OK;
}

/* `count()`: how many rows of a changelog a group has. */
static int bind_live(struct wr_agg_bind *b) {
    static const char *const names[] = {"k", "name", "args"};
    struct wr_value *none = wr_value_new_list(b->arena, 0);
    if (none == NULL)
        return WR_ENOMEM;
    const struct wr_value values[] = {wr_agg_text("call"), wr_agg_text("count"), *none};
    const struct wr_value *call = wr_ast_map(b->arena, 3, names, values);
    uint32_t number = 0;
    int status = call == NULL ? WR_ENOMEM : wr_agg_bind_call(b, call, &number);
    b->out->live = (int32_t)number;
    return status;
}

static int bind_all(struct wr_agg_bind *b, const struct wr_value *group_by,
                    const struct wr_value *agg) {
    int status = wr_agg_bind_keys(b, group_by);
    uint32_t count = wr_value_count(agg);
    struct wr_value *items = wr_value_new_list(b->arena, count);
    if (items == NULL)
        return WR_ENOMEM;
    uint32_t item_count = 0;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        int to_items = 0;
        status = bind_item(b, wr_value_at(agg, i), &items->items[item_count], &to_items);
        item_count += (uint32_t)to_items;
    }
    items->count = item_count;
    if (status == WR_OK && item_count == 0)
        return wr_agg_fault(b, agg, "W008", "empty list");
    b->label = NULL;
    if (status == WR_OK && b->out->live >= 0)
        status = bind_live(b);
    if (status == WR_OK)
        status = wr_agg_bind_inputs(b);
    if (status == WR_OK)
        status = wr_agg_choose_kernels(b);
    if (status == WR_OK && b->shares)
        status = wr_agg_share(b);
    if (status == WR_OK)
        status = wr_agg_lay_out(b);
    if (status == WR_OK)
        status = bind_items(b, items);
    return status;
}

/* An entry for each argument, order item and condition. */
void wr_agg_rooms_count(struct wr_agg_bind *b, const struct wr_value *node) {
    if (node->kind != WR_VALUE_MAP && node->kind != WR_VALUE_LIST)
        return;
    if (node->kind == WR_VALUE_MAP && wr_agg_function(b, node) != NULL) {
        b->call_room++;
        b->entry_room += 1 + wr_value_count(wr_value_get(node, "args")) +
                         wr_value_count(wr_value_get(node, "order"));
    }
    for (uint32_t i = 0; i < node->count; i++)
        wr_agg_rooms_count(b, &node->items[i]);
}

int wr_agg_rooms_make(struct wr_agg_bind *b, uint32_t known_room) {
    if (b->entry_room > WR_AGGREGATE_ITEMS_MAX)
        return wr_error_script(b->err, "W102", "more than %d items and arguments in one stage",
                               WR_AGGREGATE_ITEMS_MAX);
    b->out = WR_ARENA_ZEROS(b->arena, struct wr_aggregates, 1);
    b->known = WR_ARENA_ARRAY(b->arena, struct wr_agg_known, known_room + 1);
    b->entries = WR_ARENA_ARRAY(b->arena, struct wr_agg_entry, b->entry_room + 1);
    b->aggregates = WR_ARENA_ARRAY(b->arena, struct wr_aggregate, b->call_room + 1);
    b->calls = WR_ARENA_ARRAY(b->arena, const struct wr_value *, b->call_room + 1);
    if (b->out == NULL || b->known == NULL || b->entries == NULL || b->aggregates == NULL ||
        b->calls == NULL)
        return wr_error_set(b->err, WR_ENOMEM, "out of memory");
    return WR_OK;
}

int wr_aggregates_bind(struct wr_aggregates **aggregates, const struct wr_scope *scope,
                       const struct wr_value *group_by, const struct wr_value *agg, unsigned flags,
                       struct wr_error *err) {
    struct wr_agg_bind b = {.arena = scope->arena, .scope = scope, .err = err};
    *aggregates = NULL;
    b.entry_room = wr_value_count(agg) + wr_value_count(group_by) + 1;
    if (agg != NULL)
        wr_agg_rooms_count(&b, agg);
    b.call_room += (flags & WR_AGGREGATES_RETRACT) != 0;
    int status = wr_agg_rooms_make(&b, wr_value_count(agg));
    if (status != WR_OK)
        return status;
    b.out->windowed = (flags & WR_AGGREGATES_WINDOWED) != 0;
    b.shares = (flags & WR_AGGREGATES_SHARE) != 0;
    b.out->live = flags & WR_AGGREGATES_RETRACT ? INT32_MAX : -1;
    status = bind_all(&b, group_by, agg);
    if (status == WR_ENOMEM)
        return wr_error_set(err, status, "out of memory");
    if (status == WR_ELIMIT && b.status == WR_OK && err != NULL && err->status != WR_ELIMIT)
        return wr_error_set(err, status, "an expression is nested too deeply");
    if (status == WR_OK)
        *aggregates = b.out;
    return status;
}
