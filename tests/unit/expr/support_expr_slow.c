/* support_expr_slow.c: the slow interpreter that fast programs are compared with. */
#include "support_expr_slow.h"

#include <math.h>

#include "base/assert.h"
#include "data/text.h"

static struct val run(const struct slow *slow, const struct wr_value *ast, uint32_t row);

static struct val failure(int code) {
    return (struct val){.kind = FAIL, .i = code};
}
static struct val boolean(int truth) {
    return (struct val){.kind = BOOL, .i = truth != 0};
}
static struct val integer(int64_t i) {
    return (struct val){.kind = INT, .i = i};
}
static struct val number(double f) {
    return (struct val){.kind = FLOAT, .f = f};
}
static int is_true(struct val v) {
    return v.kind != NIL && !(v.kind == BOOL && v.i == 0);
}
static double real(struct val v) {
    return v.kind == INT ? (double)v.i : v.f;
}

/* -1, 0, 1, or 2 with NaN; int64 with float64 by long double, which holds both (x86: 64 bits). */
static int order(struct val a, struct val b) {
    if (a.kind == STRING) {
        int c = memcmp(a.s, b.s, WR_MIN(a.length, b.length));
        return c != 0 ? (c > 0) - (c < 0) : (a.length > b.length) - (a.length < b.length);
    }
    if (a.kind == BOOL || (a.kind == INT && b.kind == INT))
        return (a.i > b.i) - (a.i < b.i);
    long double x = a.kind == INT ? (long double)a.i : (long double)a.f;
    long double y = b.kind == INT ? (long double)b.i : (long double)b.f;
    return x != x || y != y ? 2 : (x > y) - (x < y);
}

static int equal(struct val a, struct val b) {
    if (a.kind == NIL || b.kind == NIL)
        return a.kind == b.kind;
    return order(a, b) == 0;
}

static struct val int_op(const char *op, int64_t x, int64_t y) {
    uint64_t a = (uint64_t)x, b = (uint64_t)y;
    if (strcmp(op, "<<") == 0 || strcmp(op, ">>") == 0) {
        int left = *op == '<';
        if (y < 0) {
            left = !left;
            b = 0 - b;
        }
        return integer(b >= 64 ? 0 : left ? (int64_t)(a << b) : (int64_t)(a >> b));
    }
    if (strcmp(op, "//") == 0 || *op == '%') {
        if (y == 0)
            return failure(503);
        __int128 q = (__int128)x / y, r = (__int128)x % y;
        if (r != 0 && (r < 0) != (y < 0)) {
            q -= 1;
            r += y;
        }
        return integer(*op == '%' ? (int64_t)r : (int64_t)(uint64_t)q);
    }
    switch (*op) {
    case '+': return integer((int64_t)(a + b));
    case '-': return integer((int64_t)(a - b));
    case '*': return integer((int64_t)(a * b));
    case '&': return integer((int64_t)(a & b));
    case '|': return integer((int64_t)(a | b));
    default: CHECK_STR(op, "~"); return integer((int64_t)(a ^ b));
    }
}

static struct val float_op(const char *op, double a, double b) {
    if (strcmp(op, "//") == 0)
        return number(floor(a / b));
    switch (*op) {
    case '+': return number(a + b);
    case '-': return number(a - b);
    case '*': return number(a * b);
    case '/': return number(a / b);
    case '^': return number(b == 2 ? a * a : pow(a, b)); /* as Lua has it */
    default: {
        CHECK_STR(op, "%");
        double r = fmod(a, b);
        if (r * b < 0 || (r != 0 && (r < 0) != (b < 0)))
            r += b;
        return number(r);
    }
    }
}

static struct val text_value(const struct slow *slow, struct val v) {
    char digits[64];
    if (v.kind == STRING)
        return v;
    size_t length = v.kind == BOOL ? (size_t)snprintf(digits, 64, "%s", v.i ? "true" : "false")
                                   : wr_int64_format(v.i, digits);
    return (struct val){.kind = STRING,
                        .s = wr_arena_strndup(slow->arena, digits, length),
                        .length = (uint32_t)length};
}

static struct val concat(const struct slow *slow, struct val a, struct val b) {
    struct val x = text_value(slow, a), y = text_value(slow, b);
    char *bytes = wr_arena_alloc(slow->arena, x.length + y.length + 1);
    memcpy(bytes, x.s, x.length);
    memcpy(bytes + x.length, y.s, y.length);
    return (struct val){.kind = STRING, .s = bytes, .length = x.length + y.length};
}

static int like(const char *s, const char *end, const char *p, const char *p_end) {
    if (p == p_end)
        return s == end;
    if (*p == '%')
        return like(s, end, p + 1, p_end) || (s < end && like(s + 1, end, p, p_end));
    return s < end && (*p == '_' || *p == *s) && like(s + 1, end, p + 1, p_end);
}

static struct val logic(const struct slow *slow, const char *op, const struct wr_value *ast,
                        uint32_t row) {
    struct val a = run(slow, wr_value_get(ast, "a"), row);
    if (strcmp(op, "??") == 0)
        return a.kind == NIL || a.kind == FAIL ? run(slow, wr_value_get(ast, "b"), row) : a;
    if (a.kind == FAIL || is_true(a) == (*op == 'o'))
        return a;
    return run(slow, wr_value_get(ast, "b"), row);
}

static struct val binary(const struct slow *slow, const struct wr_value *ast, uint32_t row) {
    const char *op = wr_value_string(ast, "op", "");
    if (strcmp(op, "and") == 0 || strcmp(op, "or") == 0 || strcmp(op, "??") == 0)
        return logic(slow, op, ast, row);
    struct val a = run(slow, wr_value_get(ast, "a"), row);
    if (a.kind == FAIL)
        return a;
    struct val b = run(slow, wr_value_get(ast, "b"), row);
    if (b.kind == FAIL)
        return b;
    int none = a.kind == NIL || b.kind == NIL;
    if (strcmp(op, "like") == 0)
        return boolean((!none && like(a.s, a.s + a.length, b.s, b.s + b.length)) !=
                       wr_value_bool(ast, "neg", 0));
    if (strcmp(op, "==") == 0)
        return boolean(equal(a, b));
    if (strcmp(op, "~=") == 0)
        return boolean(!equal(a, b));
    if ((*op == '<' || *op == '>') && op[1] != *op) {
        int c = none ? 2 : order(a, b);
        return boolean(c != 2 && (*op == '<' ? c < 0 || (op[1] == '=' && c == 0)
                                             : c > 0 || (op[1] == '=' && c == 0)));
    }
    if (none)
        return (struct val){.kind = NIL};
    if (strcmp(op, "..") == 0)
        return concat(slow, a, b);
    if (a.kind == INT && b.kind == INT && strcmp(op, "/") != 0 && strcmp(op, "^") != 0)
        return int_op(op, a.i, b.i);
    return float_op(op, real(a), real(b));
}

static struct val unary(const struct slow *slow, const struct wr_value *ast, uint32_t row) {
    const char *op = wr_value_string(ast, "op", "");
    struct val a = run(slow, wr_value_get(ast, "a"), row);
    if (a.kind == FAIL)
        return a;
    if (strcmp(op, "not") == 0)
        return boolean(!is_true(a));
    if (a.kind == NIL)
        return a;
    if (*op == '#')
        return integer(a.length);
    if (*op == '~')
        return integer(~a.i);
    return a.kind == INT ? integer((int64_t)(0 - (uint64_t)a.i)) : number(-a.f);
}

/* Arguments one after the other; the first failure is the result. */
static struct val extreme(struct val *args, uint32_t count, int sign) {
    struct val best = {.kind = NIL};
    for (uint32_t i = 0; i < count; i++) {
        if (args[i].kind == NIL)
            continue;
        int nan_new = args[i].kind == FLOAT && args[i].f != args[i].f;
        int nan_best = best.kind == FLOAT && best.f != best.f;
        int c = best.kind == NIL      ? sign
                : nan_new != nan_best ? nan_new - nan_best
                : nan_new             ? 0
                                      : order(args[i], best);
        if (c * sign > 0)
            best = args[i];
    }
    return best;
}

static struct val convert_int64(struct val v) {
    int64_t i = 0;
    if (v.kind == STRING)
        return wr_int64_parse(v.s, v.length, &i) ? integer(i) : failure(501);
    if (v.kind != FLOAT)
        return v;
    return v.f >= -0x1p63 && v.f < 0x1p63 && floor(v.f) == v.f ? integer((int64_t)v.f)
                                                               : failure(502);
}

static struct val call(const struct slow *slow, const struct wr_value *ast, uint32_t row) {
    const char *name = wr_value_string(ast, "name", "");
    const struct wr_value *args = wr_value_get(ast, "args");
    uint32_t count = wr_value_count(args);
    struct val v[8] = {{.kind = NIL}};
    if (strcmp(name, "case") == 0) {
        for (uint32_t i = 0; i + 1 < count; i += 2) {
            struct val c = run(slow, wr_value_at(args, i), row);
            if (c.kind == FAIL)
                return c;
            if (is_true(c))
                return run(slow, wr_value_at(args, i + 1), row);
        }
        return count % 2 == 1 ? run(slow, wr_value_at(args, count - 1), row) : v[0];
    }
    for (uint32_t i = 0; i < count; i++) {
        v[i] = run(slow, wr_value_at(args, i), row);
        if (v[i].kind == FAIL || (strcmp(name, "coalesce") == 0 && v[i].kind != NIL))
            return v[i];
    }
    if (strcmp(name, "coalesce") == 0)
        return (struct val){.kind = NIL};
    if (strcmp(name, "is_nil") == 0)
        return boolean(v[0].kind == NIL);
    if (strcmp(name, "min_of") == 0)
        return extreme(v, count, -1);
    if (strcmp(name, "max_of") == 0)
        return extreme(v, count, 1);
    if (v[0].kind == NIL)
        return v[0];
    if (strcmp(name, "nullif") == 0)
        return equal(v[0], v[1]) ? (struct val){.kind = NIL} : v[0];
    if (strcmp(name, "string") == 0)
        return text_value(slow, v[0]);
    CHECK_STR(name, "int64");
    return convert_int64(v[0]);
}

static struct val in(const struct slow *slow, const struct wr_value *ast, uint32_t row) {
    struct val a = run(slow, wr_value_get(ast, "a"), row);
    const struct wr_value *set = wr_value_get(ast, "set");
    int found = 0;
    if (a.kind == FAIL)
        return a;
    for (uint32_t i = 0; i < wr_value_count(set) && !found; i++) {
        struct val member = run(slow, wr_value_at(set, i), row);
        if (member.kind == FAIL)
            return member;
        found = equal(a, member);
    }
    return boolean(found != wr_value_bool(ast, "neg", 0));
}

static struct val literal(const struct wr_value *ast) {
    const char *type = wr_value_string(ast, "type", "");
    const struct wr_value *v = wr_value_get(ast, "v");
    if (strcmp(type, "nil") == 0)
        return (struct val){.kind = NIL};
    if (strcmp(type, "bool") == 0)
        return boolean(v->boolean);
    if (strcmp(type, "int64") == 0)
        return integer(v->integer);
    if (strcmp(type, "float64") == 0)
        return number(v->number);
    return (struct val){.kind = STRING, .s = v->string, .length = v->count};
}

static struct val run(const struct slow *slow, const struct wr_value *ast, uint32_t row) {
    const char *k = wr_value_string(ast, "k", "");
    if (strcmp(k, "lit") == 0)
        return literal(ast);
    if (strcmp(k, "bin") == 0)
        return binary(slow, ast, row);
    if (strcmp(k, "un") == 0)
        return unary(slow, ast, row);
    if (strcmp(k, "call") == 0)
        return call(slow, ast, row);
    if (strcmp(k, "in") == 0)
        return in(slow, ast, row);
    CHECK_STR(k, "name");
    return slow->column(wr_value_string(ast, "name", ""), row);
}

struct val slow_run(const struct slow *slow, const struct wr_value *ast, uint32_t row) {
    return run(slow, ast, row);
}

int slow_is_true(struct val v) {
    return is_true(v);
}
