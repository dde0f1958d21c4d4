/* bind_call.c: calls: the function by its name, the signature by the arguments, what the compiler
 * orders by itself (case, coalesce), literals that are written as calls. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "expr/aggregate.h"
#include "expr/frames.h"
#include "expr/functions.h"
#include "expr/names.h"
#include "expr/node.h"
#include "expr/program.h"
#include "expr/signature.h"
#include "base/banned.h"

#define ARGS_MORE WR_SIGNATURE_PARAMS_MAX /* arguments that defaults may add */

struct call {
    struct wr_bind *bind;
    const struct wr_value *ast, *args_ast;
    const char *name;
    uint32_t name_length;
    int is_method;
    int from, to, name_from, name_to;
    uint32_t arg_count;
    const struct wr_node *
        *args; /* room for the defaults too; not on the stack: calls nest deeply */
    struct wr_type *types;
};

/* `dateiff`: another dialect's name, with an error in it. */
static void help_misspelt_foreign(const struct call *x) {
    struct wr_names names;
    wr_names_init(&names, x->name, x->name_length);
    const char *name, *ours;
    for (uint32_t i = 0; wr_function_foreign_at(i, &name, &ours); i++)
        wr_names_offer(&names, name, (uint32_t)strlen(name));
    if (names.nearest != NULL && names.distance == 1)
        wr_error_help(x->bind->err, "did you mean `%s`?",
                      wr_function_foreign(names.nearest, names.nearest_length));
}

static const struct wr_node *unknown_function(const struct call *x) {
    struct wr_bind *bind = x->bind;
    const char *foreign = wr_function_foreign(x->name, x->name_length);
    if (wr_function_is_later(x->name, x->name_length)) {
        wr_bind_fault(bind, "W101", x->name_from, x->name_to, "`%s` is not in this version",
                      x->name);
        return NULL;
    }
    wr_bind_fault(bind, "W101", x->name_from, x->name_to, "unknown function `%s`", x->name);
    if (foreign != NULL) {
        wr_error_help(bind->err, "weir calls it `%s`", foreign);
        return NULL;
    }
    if (wr_value_bool(x->ast, "newline", 0)) {
        wr_error_help(bind->err, "`,` is missing before the `(` on the next line");
        return NULL;
    }
    struct wr_names names;
    wr_names_init(&names, x->name, x->name_length);
    for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
        const char *name = wr_function_at(i)->name;
        wr_names_offer(&names, name, (uint32_t)strlen(name));
    }
    for (uint32_t i = 0; i < bind->scope->user_aggregate_count; i++) {
        const char *name = bind->scope->user_aggregates[i]->name;
        wr_names_offer(&names, name, (uint32_t)strlen(name));
    }
    for (uint32_t i = 0; bind->scope->flags & WR_SCOPE_AGGREGATES && wr_aggregate_at(i) != NULL;
         i++) {
        const char *name = wr_aggregate_at(i)->name;
        wr_names_offer(&names, name, (uint32_t)strlen(name));
    }
    for (uint32_t i = 0; i < bind->scope->user_function_count; i++) {
        const char *name = bind->scope->user_functions[i].name;
        wr_names_offer(&names, name, (uint32_t)strlen(name));
    }
    if (names.nearest == NULL)
        help_misspelt_foreign(x);
    wr_names_help(&names, bind->err, NULL);
    return NULL;
}

static const struct wr_node *aggregate_call(const struct call *x) {
    if (x->bind->scope->flags & WR_SCOPE_AGGREGATES)
        wr_bind_fault(x->bind, "W110", x->from, x->to, "aggregate `%s` inside an aggregate",
                      x->name);
    else
        wr_bind_fault(x->bind, "W109", x->from, x->to,
                      "aggregate `%s` outside `agg` or a grouped `derive`", x->name);
    wr_error_help(
        x->bind->err, "%s",
        x->bind->scope->flags & WR_SCOPE_AGGREGATES
            ? "use a second stage"
            : "write `:agg \"n = count()\"`; `:group_by()` before a `derive` makes all rows "
              "one group, and the result runs from row to row; a share of the whole divides by "
              "what `:agg` gave and `:lookup` adds");
    return NULL;
}

static const struct wr_node *window_call(const struct call *x) {
    wr_bind_fault(x->bind, "W109", x->name_from, x->name_to, "`%s` outside a grouped `derive`",
                  x->name);
    wr_error_help(x->bind->err, "`:group_by \"…\"` before `derive`; without a list: one group");
    return NULL;
}

static void type_list(const struct call *x, char *text, size_t size) {
    size_t length = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < x->arg_count && length + 2 < size; i++) {
        char type[128];
        int more = snprintf(text + length, size - length, "%s%s", i > 0 ? ", " : "",
                            wr_type_text(&x->types[i], type, sizeof type));
        length = WR_MIN(length + (size_t)WR_MAX(more, 0), size - 1);
    }
}

static const struct wr_node *no_signature(const struct call *x,
                                          const struct wr_function *function) {
    char got[256], forms[512];
    size_t length = 0;
    type_list(x, got, sizeof got);
    for (const struct wr_signature *s = function->signatures; s->text != NULL; s++) {
        int more = snprintf(forms + length, sizeof forms - length, "%s`%s%s`",
                            length > 0 ? " or " : "", x->name, s->text);
        if (more < 0 || length + (size_t)more >= sizeof forms)
            break;
        length += (size_t)more;
    }
    forms[length] = 0;
    wr_bind_fault(x->bind, "W102", x->from, x->to, "`%s` takes %s, got (%s)", x->name, forms, got);
    return NULL;
}

/* ---- one signature ---- */

static const struct wr_node *default_node(const struct call *x, const struct wr_param_pattern *p,
                                          struct wr_type type) {
    struct wr_bind *bind = x->bind;
    double number = p->default_float;
    switch ((enum wr_default_kind)p->default_kind) {
    case WR_DEFAULT_BOOL: return wr_node_bool(bind, (int)p->default_int, x->from, x->to);
    case WR_DEFAULT_STRING:
        return wr_node_string(bind, p->default_text, p->default_length, x->from, x->to);
    case WR_DEFAULT_FLOAT:
        return wr_node_constant(bind, WR_TYPE(WR_FLOAT64), &number, x->from, x->to);
    case WR_DEFAULT_INT: {
        const struct wr_node *node = wr_node_int64(bind, p->default_int, x->from, x->to);
        return type.kind == WR_INT64 ? node : wr_bind_convert(bind, node, type);
    }
    default: return wr_node_nil(bind, type, x->from, x->to);
    }
}

/* Arguments as the signature wants them, the defaults behind. 0 after a fault. */
static int arrange(struct call *x, const struct wr_signature_form *form,
                   const struct wr_signature_fit *fit) {
    uint32_t total = WR_MAX(x->arg_count, form->param_count);
    for (uint32_t i = 0; i < total; i++) {
        const struct wr_param_pattern *p = &form->params[wr_signature_param_of(form, i)];
        const struct wr_type *own = i < x->arg_count ? &x->types[i] : NULL;
        struct wr_type type;
        if (!wr_signature_param_type(form, fit, i, own, x->bind->arena, &type)) {
            wr_bind_no_memory(x->bind);
            return 0;
        }
        if (i >= x->arg_count) {
            x->args[i] = default_node(x, p, type);
        } else if (type.kind != WR_NIL) {
            int from = x->args[i]->from, to = x->args[i]->to;
            x->args[i] = wr_bind_convert(x->bind, x->args[i], type);
            if (x->args[i] == NULL && x->bind->status == WR_OK) {
                char got[128], want[128];
                wr_bind_fault(x->bind, "W102", from, to, "`%s` takes %s here, got %s", x->name,
                              wr_type_text(&type, want, sizeof want),
                              wr_type_text(own, got, sizeof got));
            }
        }
        if (x->args[i] == NULL)
            return 0;
        if (p->is_constant && !wr_node_is_constant(x->args[i])) {
            wr_bind_fault(x->bind, "W102", x->args[i]->from, x->args[i]->to,
                          "`%.*s` of `%s` must be a literal or a parameter", (int)p->name_length,
                          p->name, x->name);
            return 0;
        }
    }
    x->arg_count = total;
    return 1;
}

static int prepare(const struct call *x, const struct wr_signature *signature, void **prepared) {
    const struct wr_value *constants[WR_ARGS_MAX];
    *prepared = NULL;
    if (signature->prepare == NULL)
        return 1;
    for (uint32_t i = 0; i < x->arg_count; i++) {
        constants[i] = NULL;
        if (wr_node_is_constant(x->args[i]) &&
            (constants[i] = wr_node_value(x->bind, x->args[i])) == NULL)
            return 0;
    }
    struct wr_error err = {0};
    int status = signature->prepare(x->bind->arena, x->arg_count, constants, prepared, &err);
    if (status == WR_OK)
        return 1;
    if (status != WR_ESCRIPT) {
        x->bind->status = wr_error_set(x->bind->err, status, "%s", err.text);
        return 0;
    }
    const struct wr_node *guilty = x->args[x->arg_count > 1 ? 1 : 0];
    for (uint32_t i = x->arg_count; i > 0; i--) /* the pattern or format: a constant string */
        if (wr_node_is_constant(x->args[i - 1]) && x->args[i - 1]->type.kind == WR_STRING)
            guilty = x->args[i - 1];
    wr_bind_fault(x->bind, err.code, guilty->from, guilty->to, "%s", err.text);
    if (err.help[0] != 0)
        wr_error_help(x->bind->err, "%s", err.help);
    return 0;
}

/* `decimal(x, p, s)` names its result's type by its arguments; a literal has the digits it is
 * written with. */
static struct wr_type decimal_result(const struct call *x) {
    struct wr_type type = {.kind = WR_DECIMAL, .precision = WR_DECIMAL_DIGITS_MAX, .scale = 10};
    if (x->arg_count >= 3 && !wr_node_is_nil(x->args[1]) && !wr_node_is_nil(x->args[2])) {
        int64_t precision = *(const int64_t *)x->args[1]->constant.data;
        int64_t scale = *(const int64_t *)x->args[2]->constant.data;
        if (precision >= 1 && precision <= WR_DECIMAL_DIGITS_MAX && scale >= 0 &&
            scale <= precision) {
            type.precision = (uint8_t)precision;
            type.scale = (uint8_t)scale;
            return type;
        }
        wr_bind_fault(x->bind, "W114", x->args[1]->from, x->args[2]->to,
                      "a decimal has 1 to 38 digits, of them 0 to all behind the point");
        return type;
    }
    if (x->types[0].kind == WR_DECIMAL)
        return x->types[0];
    if (x->types[0].kind == WR_INT64) {
        type.precision = 19;
        type.scale = 0;
    }
    if (wr_node_is_constant(x->args[0]) && x->types[0].kind == WR_STRING &&
        !wr_node_is_nil(x->args[0])) {
        const struct wr_str *str = x->args[0]->constant.data;
        const char *text = wr_str_bytes(str), *point = memchr(text, '.', str->length);
        uint32_t scale = point == NULL ? 0 : (uint32_t)(text + str->length - point - 1);
        type.scale = (uint8_t)WR_MIN(scale, (uint32_t)WR_DECIMAL_DIGITS_MAX);
    }
    return type;
}

static const struct wr_node *call_node(struct call *x, const struct wr_function *function,
                                       const struct wr_signature *signature, struct wr_type type) {
    struct wr_bind *bind = x->bind;
    struct wr_node draft = {.kind = WR_NODE_CALL,
                            .function = function,
                            .signature = signature,
                            .type = type,
                            .arg_count = x->arg_count,
                            .from = x->from,
                            .to = x->to,
                            .cost = 20};
    if (!prepare(x, signature, &draft.aux))
        return NULL;
    draft.args = WR_ARENA_ARRAY(bind->arena, const struct wr_node *, x->arg_count + 1);
    if (draft.args == NULL)
        return wr_bind_no_memory(bind);
    for (uint32_t i = 0; i < x->arg_count; i++) {
        draft.args[i] = x->args[i];
        draft.flags |= x->args[i]->flags & (WR_NODE_FAILS | WR_NODE_VOLATILE | WR_NODE_CALLS_LUA);
        draft.cost = WR_MIN(draft.cost + x->args[i]->cost, 1000000u);
    }
    if (function->flags & WR_FN_CAN_FAIL)
        draft.flags |= WR_NODE_FAILS;
    if (function->flags & WR_FN_VOLATILE) {
        draft.flags |= WR_NODE_VOLATILE;
        if (bind->scope->is_volatile != NULL)
            *bind->scope->is_volatile = 1;
    }
    return wr_node_fold(bind, wr_node_intern(bind, &draft));
}

static int is_literal_name(const struct call *x) {
    static const char *const names[] = {"timestamp", "date", "duration", "decimal"};
    for (uint32_t i = 0; i < WR_COUNT(names); i++)
        if (strcmp(names[i], x->name) == 0)
            return 1;
    return 0;
}

/* Whether an argument that is json is wanted as `kind`. */
static int takes_json_as(const struct call *x, const struct wr_signature_form *form,
                         enum wr_type_kind kind) {
    for (uint32_t i = 0; i < x->arg_count; i++) {
        const struct wr_pattern *pattern =
            &form->patterns[form->params[wr_signature_param_of(form, i)].pattern];
        if (x->types[i].kind == WR_JSON && pattern->kind == WR_PATTERN_TYPE &&
            pattern->type.kind == kind)
            return 1;
    }
    return 0;
}

/* The first signature that fits at the lowest level; of those that take json, one for float64
 * rather than one for int64: that takes every number. NULL: none; or a fault. */
static const struct wr_signature *choose(struct call *x, const struct wr_function *function,
                                         struct wr_signature_form *form,
                                         struct wr_signature_fit *fit) {
    for (enum wr_fit_level level = WR_FIT_EXACT; level < WR_FIT_LEVELS; level++) {
        const struct wr_signature *found = NULL;
        for (const struct wr_signature *s = function->signatures; s->text != NULL; s++) {
            struct wr_signature_form each;
            struct wr_signature_fit each_fit;
            if (!wr_signature_parse(s->text, &each)) {
                wr_error_set(x->bind->err, WR_EARG, "signature of %s: %s", x->name, s->text);
                x->bind->status = WR_EARG;
                return NULL;
            }
            if ((found != NULL && !takes_json_as(x, &each, WR_FLOAT64)) ||
                !wr_signature_fits(&each, x->types, x->arg_count, level, &each_fit))
                continue;
            found = s;
            *form = each;
            *fit = each_fit;
            if (!takes_json_as(x, form, WR_INT64))
                break;
        }
        if (found != NULL)
            return found;
    }
    return NULL;
}

static const struct wr_node *library_call(struct call *x, const struct wr_function *function) {
    struct wr_signature_form form;
    struct wr_signature_fit fit;
    const struct wr_signature *signature = choose(x, function, &form, &fit);
    if (signature == NULL)
        return x->bind->status == WR_OK ? no_signature(x, function) : NULL;
    int is_literal = x->arg_count == 1 && wr_node_is_constant(x->args[0]) &&
                     x->types[0].kind == WR_STRING && is_literal_name(x);
    const struct wr_node *literal = x->args[0];
    if (!arrange(x, &form, &fit))
        return NULL;
    struct wr_type type;
    if (!wr_signature_result_type(&form, &fit, x->bind->arena, &type))
        return wr_bind_no_memory(x->bind);
    if (type.kind == WR_DECIMAL && strcmp(x->name, "decimal") == 0)
        type = decimal_result(x);
    const struct wr_node *node = call_node(x, function, signature, type);
    if (node != NULL && is_literal && !wr_node_is_constant(node)) {
        const struct wr_str *str = literal->constant.data;
        return wr_bind_fault(x->bind, "W114", literal->from, literal->to,
                             "bad literal: `%.*s` is no %s", (int)str->length, wr_str_bytes(str),
                             x->name);
    }
    return node;
}

/* ---- what the compiler orders ---- */

static int bind_args(struct call *x) {
    for (uint32_t i = 0; i < x->arg_count; i++) {
        if (i > 0 || !x->is_method) /* a method's own value is bound already */
            x->args[i] = wr_bind_operand(x->bind, wr_value_at(x->args_ast, i));
        if (x->args[i] == NULL)
            return 0;
        x->types[i] = x->args[i]->type;
    }
    return 1;
}

/* The common type of every `step`-th value from `first` on, and of the last when it stands alone.
 * */
static int common_type(struct call *x, uint32_t first, uint32_t step, struct wr_type *type) {
    *type = WR_TYPE(WR_NIL);
    for (uint32_t i = 0; i < x->arg_count; i++) {
        int is_value = step == 1 || i % 2 == 1 || (i == x->arg_count - 1 && x->arg_count % 2 == 1);
        if (i < first || !is_value)
            continue;
        struct wr_type before = *type;
        if (!wr_bind_common(&before, &x->types[i], type)) {
            char a[128], b[128];
            wr_bind_fault(x->bind, "W104", x->args[i]->from, x->args[i]->to,
                          "`%s` cannot take %s and %s", x->name, wr_type_text(&before, a, sizeof a),
                          wr_type_text(&x->types[i], b, sizeof b));
            wr_error_help(x->bind->err, "all its values have one type");
            return 0;
        }
    }
    return 1;
}

static const struct wr_node *bind_case(struct call *x) {
    struct wr_bind *bind = x->bind;
    if (x->arg_count < 2)
        return wr_bind_fault(bind, "W102", x->from, x->to,
                             "`case` takes (condition, value, …, otherwise), got %u arguments",
                             x->arg_count);
    for (uint32_t i = 0; i < x->arg_count; i++) {
        int is_condition = i % 2 == 0 && i + 1 < x->arg_count;
        const struct wr_value *ast = wr_value_at(x->args_ast, i);
        x->args[i] = is_condition ? wr_bind_condition(bind, ast) : wr_bind_operand(bind, ast);
        if (x->args[i] == NULL)
            return NULL;
        x->types[i] = x->args[i]->type;
    }
    struct wr_type type;
    if (!common_type(x, 0, 2, &type))
        return NULL;
    uint32_t pairs = x->arg_count / 2;
    const struct wr_node *rest = x->arg_count % 2 == 1
                                     ? wr_bind_convert(bind, x->args[x->arg_count - 1], type)
                                     : wr_node_nil(bind, type, x->from, x->to);
    for (uint32_t i = pairs; i > 0 && rest != NULL; i--) {
        const struct wr_node *condition = x->args[2 * i - 2];
        const struct wr_node *args[3] = {condition, wr_bind_convert(bind, x->args[2 * i - 1], type),
                                         rest};
        if (wr_node_is_constant(condition)) {
            int is_true = !wr_node_is_nil(condition) && *WR_BOOLS(&condition->constant);
            rest = is_true ? args[1] : rest;
            continue;
        }
        rest = wr_node_lazy(bind, WR_NODE_IF, type, args, 3, x->from, x->to);
    }
    return rest;
}

static const struct wr_node *bind_coalesce(struct call *x) {
    struct wr_type type;
    if (x->arg_count == 0)
        return wr_bind_fault(x->bind, "W102", x->from, x->to, "`coalesce` takes (x T…), got ()");
    if (!bind_args(x) || !common_type(x, 0, 1, &type))
        return NULL;
    const struct wr_node *rest = wr_bind_convert(x->bind, x->args[x->arg_count - 1], type);
    for (uint32_t i = x->arg_count - 1; i > 0 && rest != NULL; i--) {
        const struct wr_node *args[2] = {wr_bind_convert(x->bind, x->args[i - 1], type), rest};
        rest = wr_node_lazy(x->bind, WR_NODE_ELSE, type, args, 2, x->from, x->to);
    }
    return rest;
}

/* ---- functions that take a function ---- */

static const struct wr_node *lua_only(const struct call *x) {
    wr_bind_fault(x->bind, "W102", x->name_from, x->name_to,
                  "`%s` takes a Lua function: write the stage with `function(e)`", x->name);
    wr_error_help(x->bind->err,
                  "`:derive(\"name type\", function(e) return %s(e.items, function(x) … end) end)`",
                  x->name);
    return NULL;
}

/* ---- functions of the script ---- */

static const struct wr_node *user_call(struct call *x, const struct wr_user_function *function) {
    struct wr_bind *bind = x->bind;
    if (!bind_args(x))
        return NULL;
    if (x->arg_count > function->param_count)
        return wr_bind_fault(bind, "W102", x->from, x->to, "`%s` takes %u arguments, got %u",
                             x->name, function->param_count, x->arg_count);
    struct wr_node draft = {.kind = WR_NODE_USER,
                            .flags = WR_NODE_FAILS | WR_NODE_CALLS_LUA,
                            .user = function,
                            .type = function->result,
                            .arg_count = function->param_count,
                            .from = x->from,
                            .to = x->to,
                            .cost = 150};
    draft.args = WR_ARENA_ARRAY(bind->arena, const struct wr_node *, function->param_count + 1);
    if (draft.args == NULL)
        return wr_bind_no_memory(bind);
    if (function->is_volatile && bind->scope->is_volatile != NULL)
        *bind->scope->is_volatile = 1;
    for (uint32_t i = 0; i < function->param_count; i++) {
        struct wr_type type = function->params[i];
        if (i >= x->arg_count) {
            draft.args[i] = wr_node_nil(bind, type, x->from, x->to);
        } else {
            draft.args[i] = wr_bind_convert(bind, x->args[i], type);
            char got[128], want[128];
            if (draft.args[i] == NULL)
                return wr_bind_fault(bind, "W102", x->args[i]->from, x->args[i]->to,
                                     "`%s` takes %s here, got %s", x->name,
                                     wr_type_text(&type, want, sizeof want),
                                     wr_type_text(&x->types[i], got, sizeof got));
        }
        if (draft.args[i] == NULL)
            return NULL;
        draft.flags |= draft.args[i]->flags & WR_NODE_VOLATILE;
    }
    return wr_node_intern(bind, &draft);
}

/* ---- all together ---- */

static const struct wr_user_function *user_find(const struct call *x) {
    for (uint32_t i = 0; i < x->bind->scope->user_function_count; i++)
        if (strcmp(x->bind->scope->user_functions[i].name, x->name) == 0)
            return &x->bind->scope->user_functions[i];
    return NULL;
}

static const struct wr_node *check_method(struct call *x, const struct wr_function *function) {
    const struct wr_node *self = wr_bind_operand(x->bind, wr_value_at(x->args_ast, 0));
    if (self == NULL)
        return NULL;
    enum wr_type_kind kind = self->type.kind;
    if (kind == WR_JSON || kind == WR_STRUCT || kind == WR_MAP) {
        char type[128];
        return wr_bind_fault(x->bind, "W113", x->name_from, x->name_to,
                             "`x:%s()` on %s is a field: write `%s(x)`", x->name,
                             wr_type_text(&self->type, type, sizeof type), x->name);
    }
    if (function != NULL && !(function->flags & WR_FN_METHOD))
        return wr_bind_fault(x->bind, "W108", x->name_from, x->name_to,
                             "`%s` is not a method: write `%s(x)`", x->name, x->name);
    return self;
}

const struct wr_node *wr_bind_call(struct wr_bind *bind, const struct wr_value *ast) {
    const struct wr_value *name = wr_value_get(ast, "name");
    struct call x = {.bind = bind,
                     .ast = ast,
                     .args_ast = wr_value_get(ast, "args"),
                     .name = name->string,
                     .name_length = name->count,
                     .is_method = wr_value_bool(ast, "method", 0),
                     .from = wr_ast_from(ast),
                     .to = wr_ast_to(ast)};
    x.name_from = (int)wr_value_int(ast, "name_from", x.from);
    x.name_to = (int)wr_value_int(ast, "name_to", x.to);
    x.arg_count = wr_value_count(x.args_ast);
    x.args = WR_ARENA_ZEROS(bind->arena, const struct wr_node *, x.arg_count + ARGS_MORE);
    x.types = WR_ARENA_ZEROS(bind->arena, struct wr_type, x.arg_count + ARGS_MORE);
    if (x.args == NULL || x.types == NULL)
        return wr_bind_no_memory(bind);
    const struct wr_user_function *user = user_find(&x);
    const struct wr_function *function = wr_function_find(x.name, x.name_length);
    if (user == NULL && function == NULL &&
        wr_aggregate_in(bind->scope, x.name, x.name_length) != NULL) {
        if (x.is_method)
            return wr_bind_fault(bind, "W108", x.name_from, x.name_to,
                                 "`%s` is an aggregate, no method: write `%s(x)`", x.name, x.name);
        return aggregate_call(&x);
    }
    if (user == NULL && function == NULL && wr_window_function_find(x.name, x.name_length) != NULL)
        return window_call(&x);
    if (user == NULL && function == NULL)
        return unknown_function(&x);
    if (user == NULL && function->flags & WR_FN_LUA)
        return lua_only(&x);
    if (user == NULL && !(bind->scope->flags & WR_SCOPE_EVENT_TIME) &&
        strcmp(function->name, "event_time") == 0) {
        wr_bind_fault(bind, "W301", x.from, x.to, "no event time");
        wr_error_help(bind->err, "add `:event_time \"…\"` before");
        return NULL;
    }
    if (x.arg_count > WR_ARGS_MAX - ARGS_MORE)
        return wr_bind_fault(bind, "W102", x.from, x.to, "`%s` got %u arguments", x.name,
                             x.arg_count);
    if (wr_value_get(ast, "where") != NULL || wr_value_get(ast, "order") != NULL ||
        wr_value_get(ast, "limit") != NULL)
        return wr_bind_fault(bind, "W102", x.from, x.to,
                             "`%s` is no aggregate: it takes no `where`, `order by` or `limit`",
                             x.name);
    if (x.is_method && (x.args[0] = check_method(&x, user == NULL ? function : NULL)) == NULL)
        return NULL;
    if (user != NULL)
        return user_call(&x, user);
    if (function->flags & WR_FN_LAZY)
        return strcmp(function->name, "case") == 0 ? bind_case(&x) : bind_coalesce(&x);
    return bind_args(&x) ? library_call(&x, function) : NULL;
}
