/* support_expr_parse.c: a small parser of expressions for tests: precedence climbing after
 * language 2.1.
 * Source of the method: Richards, "The BCPL Cintcode and Cintpos User Guide" (precedence
 * climbing). */
#include <ctype.h>

#include "base/assert.h"
#include "support_expr.h"

struct parser {
    struct wr_arena *arena;
    const char *text, *at;
};

static _Noreturn void fault(const struct parser *p, const char *what) {
    test_fail(__FILE__, __LINE__, "in `%s` at byte %d: %s", p->text, (int)(p->at - p->text) + 1,
              what);
}

static void blanks(struct parser *p) {
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static int offset(const struct parser *p) {
    return (int)(p->at - p->text) + 1;
}

static int is_name_byte(char byte) {
    return isalnum((unsigned char)byte) || byte == '_' || (unsigned char)byte >= 0x80;
}

/* Takes a symbol or a whole word. */
static int take(struct parser *p, const char *token) {
    blanks(p);
    size_t length = strlen(token);
    if (strncmp(p->at, token, length) != 0 ||
        (is_name_byte(token[0]) && is_name_byte(p->at[length])))
        return 0;
    p->at += length;
    return 1;
}

/* ---- nodes ---- */

struct field {
    const char *name;
    const struct wr_value *value; /* NULL: left out */
};

static struct wr_value *string_value(struct parser *p, const char *text, size_t length) {
    return wr_value_new_string(p->arena, text, length);
}

static struct wr_value *int_value(struct parser *p, int64_t number) {
    struct wr_value *value = WR_ARENA_ZEROS(p->arena, struct wr_value, 1);
    value->kind = WR_VALUE_INT;
    value->integer = number;
    return value;
}

static struct wr_value *bool_value(struct parser *p, int truth) {
    struct wr_value *value = WR_ARENA_ZEROS(p->arena, struct wr_value, 1);
    value->kind = WR_VALUE_BOOL;
    value->boolean = truth;
    return value;
}

static struct wr_value *map_of(struct parser *p, const struct field *fields, uint32_t count) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++)
        used += fields[i].value != NULL;
    struct wr_value *map = wr_value_new_map(p->arena, used);
    used = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].value == NULL)
            continue;
        map->names[used] = fields[i].name;
        map->items[used++] = *fields[i].value;
    }
    wr_value_sort(map);
    return map;
}

static struct wr_value *list_of(struct parser *p, struct wr_value **items, uint32_t count) {
    struct wr_value *list = wr_value_new_list(p->arena, count);
    for (uint32_t i = 0; i < count; i++)
        list->items[i] = *items[i];
    return list;
}

/* A node of kind `k` from byte `from` to the last byte read, with up to five fields. */
static struct wr_value *node(struct parser *p, const char *k, int from, int to,
                             const struct field *more, uint32_t count) {
    struct field fields[12] = {{"k", string_value(p, k, strlen(k))},
                               {"from", int_value(p, from)},
                               {"to", int_value(p, to)}};
    memcpy(fields + 3, more, sizeof *more * count);
    return map_of(p, fields, count + 3);
}

/* The last byte read that is no blank. */
static int last_byte(const struct parser *p) {
    const char *at = p->at;
    while (at > p->text && isspace((unsigned char)at[-1]))
        at--;
    return (int)(at - p->text);
}

/* ---- operands ---- */

static struct wr_value *expr(struct parser *p, int level);

static struct wr_value *literal(struct parser *p, int from, const char *type,
                                const struct wr_value *v) {
    struct field fields[2] = {{"type", string_value(p, type, strlen(type))}, {"v", v}};
    return node(p, "lit", from, last_byte(p), fields, 2);
}

static struct wr_value *number(struct parser *p, int from) {
    const char *start = p->at;
    char *end;
    int is_hex = start[0] == '0' && (start[1] == 'x' || start[1] == 'X');
    size_t length = strspn(start, is_hex ? "0123456789abcdefABCDEFxX" : "0123456789");
    int is_float = start[length] == '.' ? start[length + 1] != '.'
                                        : !is_hex && (start[length] == 'e' || start[length] == 'E');
    if (is_float) {
        struct wr_value *value = WR_ARENA_ZEROS(p->arena, struct wr_value, 1);
        value->kind = WR_VALUE_FLOAT;
        value->number = strtod(start, &end);
        p->at = end;
        return literal(p, from, "float64", value);
    }
    int64_t integer = (int64_t)strtoull(start, &end, is_hex ? 16 : 10);
    p->at = end;
    return literal(p, from, "int64", int_value(p, integer));
}

static struct wr_value *string_literal(struct parser *p, int from) {
    char quote = *p->at++, bytes[8192];
    size_t length = 0;
    while (*p->at != quote) {
        if (*p->at == 0 || length + 1 >= sizeof bytes)
            fault(p, "string is not closed");
        char byte = *p->at++;
        if (byte == '\\') {
            static const char codes[] = "n\nt\tr\r\\\\'\'\"\"";
            byte = *p->at++;
            if (byte == 'x') {
                char digits[3] = {p->at[0], p->at[1], 0};
                byte = (char)strtoul(digits, NULL, 16);
                p->at += 2;
            } else if (byte == '0') {
                byte = 0;
            } else {
                const char *code = codes;
                while (*code != byte && *code != 0)
                    code += 2;
                if (*code == 0)
                    fault(p, "unknown escape");
                byte = code[1];
            }
        }
        bytes[length++] = byte;
    }
    p->at++;
    return literal(p, from, "string", string_value(p, bytes, length));
}

static struct wr_value *name_string(struct parser *p) {
    blanks(p);
    if (*p->at == '`') {
        const char *start = ++p->at;
        while (*p->at != '`')
            p->at++;
        return string_value(p, start, (size_t)(p->at++ - start));
    }
    const char *start = p->at;
    while (is_name_byte(*p->at))
        p->at++;
    if (p->at == start)
        fault(p, "a name is expected");
    return string_value(p, start, (size_t)(p->at - start));
}

static struct wr_value *call(struct parser *p, int from, struct wr_value *name, int name_from,
                             struct wr_value *self) {
    struct wr_value *args[256], *where = NULL, *order = NULL, *limit = NULL;
    uint32_t count = 0;
    int name_to = last_byte(p);
    if (self != NULL)
        args[count++] = self;
    blanks(p);
    if (*p->at == '\'' || *p->at == '"') {
        args[count++] = string_literal(p, offset(p));
    } else {
        if (!take(p, "("))
            fault(p, "( is expected");
        while (!take(p, ")")) {
            if (take(p, "where"))
                where = expr(p, 0);
            else if (take(p, "order")) {
                take(p, "by");
                struct wr_value *key = expr(p, 0);
                struct field fields[2] = {{"expr", key}, {"desc", bool_value(p, take(p, "desc"))}};
                struct wr_value *item = map_of(p, fields, 2);
                order = list_of(p, &item, 1);
            } else if (take(p, "limit")) {
                limit = expr(p, 0);
            } else {
                args[count++] = expr(p, 0);
                take(p, ",");
            }
        }
    }
    struct field fields[] = {{"name", name},
                             {"args", list_of(p, args, count)},
                             {"name_from", int_value(p, name_from)},
                             {"name_to", int_value(p, name_to)},
                             {"method", self != NULL ? bool_value(p, 1) : NULL},
                             {"where", where},
                             {"order", order},
                             {"limit", limit}};
    return node(p, "call", from, last_byte(p), fields, 8);
}

static struct wr_value *name_or_call(struct parser *p, int from) {
    int quoted = *p->at == '`';
    const char *start = p->at;
    struct wr_value *name = name_string(p);
    if (!quoted && *p->at == '.' && is_name_byte(p->at[1])) { /* math.floor(x)? */
        const char *end = p->at + 1;
        while (is_name_byte(*end))
            end++;
        if (*end == '(') {
            p->at = end;
            name = string_value(p, start, (size_t)(end - start));
        }
    }
    const char *after = p->at;
    blanks(p);
    if (!quoted && (*p->at == '(' || *p->at == '\'' || *p->at == '"')) {
        p->at = after;
        return call(p, from, name, from, NULL);
    }
    p->at = after;
    struct field field = {"name", name};
    return node(p, "name", from, last_byte(p), &field, 1);
}

static struct wr_value *primary(struct parser *p) {
    blanks(p);
    int from = offset(p);
    if (take(p, "nil"))
        return literal(p, from, "nil", NULL);
    if (take(p, "true"))
        return literal(p, from, "bool", bool_value(p, 1));
    if (take(p, "false"))
        return literal(p, from, "bool", bool_value(p, 0));
    if (isdigit((unsigned char)*p->at))
        return number(p, from);
    if (*p->at == '\'' || *p->at == '"')
        return string_literal(p, from);
    if (take(p, "(")) {
        struct wr_value *inner = expr(p, 0);
        if (!take(p, ")"))
            fault(p, ") is expected");
        return inner;
    }
    if (!is_name_byte(*p->at) && *p->at != '`')
        fault(p, "an expression is expected");
    return name_or_call(p, from);
}

static struct wr_value *postfix(struct parser *p) {
    blanks(p);
    int from = offset(p);
    struct wr_value *value = primary(p);
    for (;;) {
        if (take(p, ":")) {
            blanks(p);
            int name_from = offset(p);
            struct wr_value *name = name_string(p);
            value = call(p, from, name, name_from, value);
        } else if (*p->at == '.' && p->at[1] != '.' && take(p, ".")) {
            struct field fields[2] = {{"a", value}, {"name", name_string(p)}};
            value = node(p, "field", from, last_byte(p), fields, 2);
        } else if (take(p, "[")) {
            struct field fields[2] = {{"a", value}, {"i", expr(p, 0)}};
            take(p, "]");
            value = node(p, "index", from, last_byte(p), fields, 2);
        } else if (take(p, "over")) {
            struct field fields[2] = {{"a", value}, {"frame", primary(p)}};
            value = node(p, "over", from, last_byte(p), fields, 2);
        } else {
            return value;
        }
    }
}

/* ---- operators ---- */

enum { LEVEL_CMP = 3, LEVEL_UNARY = 13 };

static const struct operator{
    const char *text;
    int level;
    int right; /* level of the right side */
}
operators[] = {
    {"or", 1, 2},  {"and", 2, 3},  {"==", 3, 4},  {"~=", 3, 4},   {"<=", 3, 4},   {">=", 3, 4},
    {"<<", 9, 10}, {">>", 9, 10},  {"<", 3, 4},   {">", 3, 4},    {"like", 3, 4}, {"??", 5, 5},
    {"|", 6, 7},   {"~", 7, 8},    {"&", 8, 9},   {"..", 10, 10}, {"+", 11, 12},  {"-", 11, 12},
    {"*", 12, 13}, {"//", 12, 13}, {"/", 12, 13}, {"%", 12, 13},
};

static struct wr_value *binary(struct parser *p, const char *op, int from, int at,
                               struct wr_value *a, struct wr_value *b, int neg) {
    struct field fields[] = {{"op", string_value(p, op, strlen(op))},
                             {"a", a},
                             {"b", b},
                             {"at", int_value(p, at)},
                             {"neg", neg ? bool_value(p, 1) : NULL}};
    return node(p, "bin", from, last_byte(p), fields, 5);
}

static struct wr_value *unary(struct parser *p) {
    static const char *const ops[] = {"not", "-", "#", "~"};
    blanks(p);
    int from = offset(p);
    for (uint32_t i = 0; i < 4; i++) {
        if (!take(p, ops[i]))
            continue;
        struct wr_value *a = unary(p);
        struct field fields[2] = {{"op", string_value(p, ops[i], strlen(ops[i]))}, {"a", a}};
        return node(p, "un", from, last_byte(p), fields, 2);
    }
    struct wr_value *base = postfix(p);
    blanks(p);
    int at = offset(p);
    if (take(p, "^"))
        return binary(p, "^", from, at, base, unary(p), 0);
    return base;
}

static struct wr_value *in_set(struct parser *p, int from, struct wr_value *a, int neg) {
    struct wr_value *items[512], *list = NULL;
    uint32_t count = 0;
    blanks(p);
    if (take(p, "(")) {
        do {
            items[count++] = expr(p, 0);
        } while (take(p, ","));
        if (!take(p, ")"))
            fault(p, ") is expected");
    } else {
        list = expr(p, LEVEL_CMP + 1);
    }
    struct field fields[] = {{"a", a},
                             {"neg", bool_value(p, neg)},
                             {"set", list == NULL ? list_of(p, items, count) : NULL},
                             {"list", list}};
    return node(p, "in", from, last_byte(p), fields, 4);
}

static struct wr_value *expr(struct parser *p, int level) {
    blanks(p);
    int from = offset(p);
    struct wr_value *left = unary(p);
    for (;;) {
        blanks(p);
        int at = offset(p), neg = 0;
        const char *start = p->at;
        if (level <= LEVEL_CMP && take(p, "not"))
            neg = 1;
        if (level <= LEVEL_CMP && take(p, "in")) {
            left = in_set(p, from, left, neg);
            continue;
        }
        const struct operator* found = NULL;
        for (uint32_t i = 0; i < WR_COUNT(operators) && found == NULL; i++)
            if (operators[i].level >= level &&
                strncmp(p->at, "~=", operators[i].level == 7 ? 2 : 9) && take(p, operators[i].text))
                found = &operators[i];
        if (found == NULL) {
            p->at = start;
            return left;
        }
        left = binary(p, found->text, from, at, left, expr(p, found->right), neg);
    }
}

/* ---- whole texts ---- */

struct wr_value *test_parse_expr(struct wr_arena *arena, const char *text) {
    struct parser p = {.arena = arena, .text = text, .at = text};
    struct wr_value *value = expr(&p, 0);
    blanks(&p);
    if (*p.at != 0)
        fault(&p, "the end is expected");
    return value;
}

static struct wr_value *item(struct parser *p) {
    blanks(p);
    int from = offset(p), is_local = take(p, "local");
    blanks(p);
    const char *start = p->at;
    int name_from = offset(p), name_to = 0;
    struct wr_value *name = NULL;
    if (is_name_byte(*p->at) || *p->at == '`') {
        name = name_string(p);
        name_to = last_byte(p);
        blanks(p);
        if (*p->at != '=' || p->at[1] == '=') {
            name = NULL;
            p->at = start;
        } else {
            p->at++;
        }
    }
    struct wr_value *value = expr(p, 0);
    const char *k = wr_value_string(value, "k", "");
    int bare = name == NULL && (strcmp(k, "name") == 0 || strcmp(k, "field") == 0);
    if (bare)
        name = string_value(p, wr_value_get(value, "name")->string,
                            wr_value_get(value, "name")->count);
    struct field fields[] = {{"name", name},
                             {"bare", bare ? bool_value(p, 1) : NULL},
                             {"is_local", bool_value(p, is_local)},
                             {"expr", value},
                             {"from", int_value(p, from)},
                             {"to", int_value(p, last_byte(p))},
                             {"name_from", int_value(p, name_from)},
                             {"name_to", int_value(p, name_to)}};
    return map_of(p, fields, 8);
}

struct wr_value *test_parse_list(struct wr_arena *arena, const char *text) {
    struct parser p = {.arena = arena, .text = text, .at = text};
    struct wr_value *items[512];
    uint32_t count = 0;
    for (blanks(&p); *p.at != 0; blanks(&p)) {
        items[count++] = item(&p);
        take(&p, ",");
    }
    return list_of(&p, items, count);
}

struct wr_value *test_parse_order(struct wr_arena *arena, const char *text) {
    struct parser p = {.arena = arena, .text = text, .at = text};
    struct wr_value *items[64];
    uint32_t count = 0;
    for (blanks(&p); *p.at != 0; blanks(&p)) {
        struct wr_value *value = expr(&p, 0);
        int desc = take(&p, "desc");
        take(&p, "asc");
        struct field fields[2] = {{"expr", value}, {"desc", bool_value(&p, desc)}};
        items[count++] = map_of(&p, fields, 2);
        take(&p, ",");
    }
    return list_of(&p, items, count);
}
