/* signature.c: reads and matches signature texts.
 *
 *   signature <- '(' (param (',' param)*)? ')' type
 *   param     <- name 'const'? type '…'? 'const'? ('=' default)?
 *   type      <- 'list<' type '>' / 'map<' type ',' type '>' / 'decimal(' p ',' s ')' / name */
#include "expr/signature.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "data/schema.h"
#include "base/banned.h"

struct reader {
    const char *at;
    struct wr_signature_form *form;
};

static void blanks(struct reader *r) {
    while (*r->at == ' ')
        r->at++;
}

static int take(struct reader *r, const char *text) {
    blanks(r);
    size_t length = strlen(text);
    if (strncmp(r->at, text, length) != 0)
        return 0;
    r->at += length;
    return 1;
}

static uint32_t word(struct reader *r, const char **start) {
    blanks(r);
    *start = r->at;
    while (isalnum((unsigned char)*r->at) || *r->at == '_')
        r->at++;
    return (uint32_t)(r->at - *start);
}

static int is_word(const char *start, uint32_t length, const char *text) {
    return strlen(text) == length && memcmp(start, text, length) == 0;
}

/* The index of the pattern read, or 255. */
static uint8_t pattern_read(struct reader *r) {
    static const struct {
        const char *name;
        enum wr_pattern_kind kind;
    } classes[] = {{"any", WR_PATTERN_ANY},
                   {"number", WR_PATTERN_NUMBER},
                   {"time", WR_PATTERN_TIME},
                   {"text", WR_PATTERN_TEXT}};
    struct wr_signature_form *form = r->form;
    const char *start;
    uint32_t length = word(r, &start);
    if (length == 0 || form->pattern_count >= WR_PATTERNS_MAX)
        return 255;
    uint8_t index = (uint8_t)form->pattern_count++;
    struct wr_pattern *pattern = &form->patterns[index];
    *pattern = (struct wr_pattern){.kind = WR_PATTERN_TYPE};
    if (length == 1 && (*start == 'T' || *start == 'U')) {
        pattern->kind = WR_PATTERN_VARIABLE;
        pattern->variable = *start == 'U';
        return index;
    }
    for (uint32_t i = 0; i < WR_COUNT(classes); i++) {
        if (is_word(start, length, classes[i].name)) {
            pattern->kind = (uint8_t)classes[i].kind;
            return index;
        }
    }
    pattern->type.kind = is_word(start, length, "list")     ? WR_LIST
                         : is_word(start, length, "map")    ? WR_MAP
                         : is_word(start, length, "struct") ? WR_STRUCT
                                                            : wr_type_kind_named(start, length);
    if (pattern->type.kind >= WR_TYPE_KINDS || pattern->type.kind == WR_NIL)
        return 255;
    uint32_t inner_count = pattern->type.kind == WR_LIST ? 1 : pattern->type.kind == WR_MAP ? 2 : 0;
    if (inner_count > 0 && *r->at == '<') {
        r->at++;
        for (uint32_t i = 0; i < inner_count; i++) {
            uint8_t inner = pattern_read(r);
            if (inner == 255 || !take(r, i + 1 < inner_count ? "," : ">"))
                return 255;
            form->patterns[index].inner[i] = inner;
        }
    }
    if (pattern->type.kind == WR_DECIMAL && *r->at == '(') {
        char *end;
        pattern->type.precision = (uint8_t)strtoul(r->at + 1, &end, 10);
        r->at = end;
        if (!take(r, ","))
            return 255;
        pattern->type.scale = (uint8_t)strtoul(r->at, &end, 10);
        r->at = end;
        if (!take(r, ")"))
            return 255;
    }
    return index;
}

static int default_read(struct reader *r, struct wr_param_pattern *param) {
    blanks(r);
    if (*r->at == '\'') {
        const char *start = ++r->at;
        while (*r->at != '\'' && *r->at != 0)
            r->at++;
        param->default_kind = WR_DEFAULT_STRING;
        param->default_text = start;
        param->default_length = (uint32_t)(r->at - start);
        return take(r, "'");
    }
    if (isdigit((unsigned char)*r->at) || *r->at == '-') {
        char *end;
        errno = 0;
        param->default_kind = WR_DEFAULT_INT;
        param->default_int = strtoll(r->at, &end, 10);
        if (*end == '.' || *end == 'e') {
            param->default_kind = WR_DEFAULT_FLOAT;
            param->default_float = strtod(r->at, &end);
        }
        r->at = end;
        return errno == 0;
    }
    const char *start;
    uint32_t length = word(r, &start);
    param->default_kind = is_word(start, length, "nil") ? WR_DEFAULT_NIL : WR_DEFAULT_BOOL;
    param->default_int = is_word(start, length, "true");
    return param->default_kind == WR_DEFAULT_NIL || param->default_int ||
           is_word(start, length, "false");
}

static int param_read(struct reader *r) {
    struct wr_signature_form *form = r->form;
    if (form->param_count >= WR_SIGNATURE_PARAMS_MAX)
        return 0;
    struct wr_param_pattern *param = &form->params[form->param_count++];
    memset(param, 0, sizeof *param);
    param->name_length = word(r, &param->name);
    if (take(r, "const "))
        param->is_constant = 1;
    param->pattern = pattern_read(r);
    if (param->name_length == 0 || param->pattern == 255)
        return 0;
    param->is_variadic = (uint8_t)(take(r, "…") || take(r, "..."));
    if (take(r, "const"))
        param->is_constant = 1;
    if (!take(r, "="))
        return 1;
    return default_read(r, param);
}

int wr_signature_parse(const char *text, struct wr_signature_form *form) {
    struct reader r = {.at = text, .form = form};
    memset(form, 0, sizeof *form);
    form->patterns[0].kind = WR_PATTERN_ANY;
    form->pattern_count = 1;
    if (!take(&r, "("))
        return 0;
    if (!take(&r, ")")) {
        do {
            if (!param_read(&r))
                return 0;
        } while (take(&r, ","));
        if (!take(&r, ")"))
            return 0;
    }
    form->result = pattern_read(&r);
    blanks(&r);
    return form->result != 255 && *r.at == 0;
}

/* ---- matching ---- */

static int same_type(const struct wr_type *a, const struct wr_type *b) {
    return a->kind == b->kind && (a->kind < WR_LIST || wr_type_equal(a, b));
}

/* The wider of two: int64 below float64 and decimal, decimals by digits. */
static int widen(const struct wr_type *a, const struct wr_type *b, struct wr_type *common) {
    if (a->kind == WR_DECIMAL && b->kind == WR_DECIMAL) {
        uint32_t whole = (uint32_t)WR_MAX(a->precision - a->scale, b->precision - b->scale);
        struct wr_type type = {.kind = WR_DECIMAL, .scale = WR_MAX(a->scale, b->scale)};
        type.precision = (uint8_t)WR_MIN(whole + type.scale, (uint32_t)WR_DECIMAL_DIGITS_MAX);
        *common = type;
        return 1;
    }
    if (same_type(a, b)) {
        *common = *a;
        return 1;
    }
    const struct wr_type *other = a->kind == WR_INT64 ? b : b->kind == WR_INT64 ? a : NULL;
    if (other == NULL || (other->kind != WR_FLOAT64 && other->kind != WR_DECIMAL))
        return 0;
    *common = *other;
    return 1;
}

static int fit_pattern(const struct wr_signature_form *form, uint8_t index,
                       const struct wr_type *arg, enum wr_fit_level level,
                       struct wr_signature_fit *fit) {
    const struct wr_pattern *pattern = &form->patterns[index];
    enum wr_type_kind kind = arg->kind;
    if (pattern->kind == WR_PATTERN_ANY || kind == WR_NIL)
        return 1;
    if (pattern->kind == WR_PATTERN_VARIABLE) {
        struct wr_type *variable = &fit->variables[pattern->variable];
        if (!fit->bound[pattern->variable]) {
            fit->bound[pattern->variable] = 1;
            *variable = *arg;
            return 1;
        }
        if (same_type(variable, arg) && kind != WR_DECIMAL)
            return 1;
        return (level >= WR_FIT_WIDEN || kind == WR_DECIMAL) && widen(variable, arg, variable);
    }
    if (pattern->kind != WR_PATTERN_TYPE) {
        int fits = pattern->kind == WR_PATTERN_NUMBER
                       ? kind == WR_INT64 || kind == WR_FLOAT64 || kind == WR_DECIMAL
                   : pattern->kind == WR_PATTERN_TIME ? kind == WR_TIMESTAMP || kind == WR_DATE
                                                      : kind == WR_STRING || kind == WR_BYTES;
        int from_json = level >= WR_FIT_JSON && kind == WR_JSON;
        if ((fits || from_json) && !fit->class_bound) {
            fit->class_bound = 1;
            fit->first_class = !from_json                           ? *arg
                               : pattern->kind == WR_PATTERN_NUMBER ? WR_TYPE(WR_FLOAT64)
                               : pattern->kind == WR_PATTERN_TIME   ? WR_TYPE(WR_TIMESTAMP)
                                                                    : WR_TYPE(WR_STRING);
        }
        return fits || from_json;
    }
    if (pattern->type.kind == kind) {
        if (kind == WR_DECIMAL && pattern->type.precision == 0) { /* the digits of all of them */
            if (!fit->class_bound || !widen(&fit->first_class, arg, &fit->first_class))
                fit->first_class = *arg;
            fit->class_bound = 1;
        }
        const struct wr_schema *child = arg->child;
        for (uint32_t i = 0; child != NULL && i < 2; i++)
            if (pattern->inner[i] != 0 && i < child->field_count &&
                !fit_pattern(form, pattern->inner[i], &child->fields[i].type, level, fit))
                return 0;
        return 1;
    }
    if (level >= WR_FIT_WIDEN && kind == WR_INT64 &&
        (pattern->type.kind == WR_FLOAT64 || pattern->type.kind == WR_DECIMAL))
        return 1;
    return level >= WR_FIT_JSON && kind == WR_JSON;
}

int wr_signature_fits(const struct wr_signature_form *form, const struct wr_type *args,
                      uint32_t count, enum wr_fit_level level, struct wr_signature_fit *fit) {
    memset(fit, 0, sizeof *fit);
    int variadic = form->param_count > 0 && form->params[form->param_count - 1].is_variadic;
    if (count > form->param_count && !variadic)
        return 0;
    for (uint32_t i = count; i < form->param_count; i++)
        if (form->params[i].default_kind == WR_DEFAULT_NONE)
            return 0;
    for (uint32_t i = 0; i < count; i++)
        if (!fit_pattern(form, form->params[wr_signature_param_of(form, i)].pattern, &args[i],
                         level, fit))
            return 0;
    return 1;
}

static int pattern_type(const struct wr_signature_form *form, const struct wr_signature_fit *fit,
                        uint8_t index, const struct wr_type *arg, struct wr_arena *arena,
                        struct wr_type *result) {
    const struct wr_pattern *pattern = &form->patterns[index];
    *result = arg != NULL ? *arg : WR_TYPE(WR_STRING);
    if (pattern->kind == WR_PATTERN_ANY)
        return 1;
    if (pattern->kind == WR_PATTERN_VARIABLE) {
        if (fit->bound[pattern->variable])
            *result = fit->variables[pattern->variable];
        else if (fit->class_bound)
            *result = fit->first_class;
        else
            *result = WR_TYPE(WR_NIL);
        return 1;
    }
    if (pattern->kind != WR_PATTERN_TYPE) {
        if (arg == NULL || arg->kind == WR_JSON || arg->kind == WR_NIL)
            *result = fit->class_bound                     ? fit->first_class
                      : pattern->kind == WR_PATTERN_NUMBER ? WR_TYPE(WR_FLOAT64)
                      : pattern->kind == WR_PATTERN_TIME   ? WR_TYPE(WR_TIMESTAMP)
                                                           : WR_TYPE(WR_STRING);
        return 1;
    }
    if (arg != NULL && arg->kind == pattern->type.kind && arg->kind != WR_DECIMAL)
        return 1;
    *result = pattern->type;
    if (result->kind == WR_DECIMAL && result->precision == 0) {
        int known = fit->class_bound && fit->first_class.kind == WR_DECIMAL;
        struct wr_type wide = {.kind = WR_DECIMAL, .precision = WR_DECIMAL_DIGITS_MAX};
        *result = known ? fit->first_class : wide;
    }
    uint32_t inner_count = result->kind == WR_LIST ? 1 : result->kind == WR_MAP ? 2 : 0;
    if (inner_count == 0 || pattern->inner[0] == 0)
        return 1;
    static const char *const names[2][2] = {{"item", ""}, {"key", "value"}};
    struct wr_schema *child = wr_schema_new(arena, inner_count);
    if (child == NULL)
        return 0;
    for (uint32_t i = 0; i < inner_count; i++) {
        struct wr_field *field = &child->fields[i];
        field->name = names[inner_count - 1][i];
        field->name_length = (uint32_t)strlen(field->name);
        if (!pattern_type(form, fit, pattern->inner[i], NULL, arena, &field->type))
            return 0;
        if (form->patterns[pattern->inner[i]].kind == WR_PATTERN_ANY)
            field->type = WR_TYPE(WR_JSON);
    }
    result->child = child;
    return 1;
}

int wr_signature_param_type(const struct wr_signature_form *form,
                            const struct wr_signature_fit *fit, uint32_t arg,
                            const struct wr_type *type, struct wr_arena *arena,
                            struct wr_type *result) {
    uint8_t pattern = form->params[wr_signature_param_of(form, arg)].pattern;
    return pattern_type(form, fit, pattern, type, arena, result);
}

int wr_signature_result_type(const struct wr_signature_form *form,
                             const struct wr_signature_fit *fit, struct wr_arena *arena,
                             struct wr_type *result) {
    return pattern_type(form, fit, form->result, NULL, arena, result);
}
