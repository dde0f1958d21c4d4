/* test_random.c: random expressions over random columns, against a slow interpreter that takes
 * one row and one node at a time, as Lua would. The same values must come from any selection and
 * from batches of any size. */
#include <math.h>

#include "support_expr.h"

#include "base/assert.h"
#include "data/reject.h"
#include "data/text.h"

#define ROWS_MAX 4096

enum kind { NIL, BOOL, INT, FLOAT, STRING, FAIL };

struct val {
    enum kind kind;
    int64_t i; /* bool too; the code of a failure */
    double f;
    const char *s;
    uint32_t length;
};

/* ---- columns ---- */

static int64_t ints[2][ROWS_MAX];
static double floats[2][ROWS_MAX];
static uint8_t bools[2][ROWS_MAX];
static struct wr_str strings[2][ROWS_MAX];
static uint64_t valid[8][WR_BITS_WORDS(ROWS_MAX)];
static const char *const column_names[8] = {"i1", "i2", "f1", "f2", "b1", "b2", "s1", "s2"};
static const enum wr_type_kind column_kinds[8] = {WR_INT64, WR_INT64, WR_FLOAT64, WR_FLOAT64,
                                                  WR_BOOL,  WR_BOOL,  WR_STRING,  WR_STRING};

static uint64_t state;

static uint32_t pick(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 20) % below);
}

static void fill_rows(void) {
    static const int64_t edges[] = {0, 1, -1, 2, -3, 7, 100, INT64_MAX, INT64_MIN, 63, 64, -64};
    static const double numbers[] = {0,      1,   -1, 2.5,   -0.5, 1e18,
                                     -1e300, 0.1, 3,  -7.25, 1e-9, 9007199254740993.0};
    static const char *const words[] = {"",
                                        "a",
                                        "b",
                                        "abc",
                                        "12",
                                        "-7",
                                        "a longer string",
                                        "a_b",
                                        "a%b",
                                        "x",
                                        "9999999999999999999",
                                        "abcabcabcabcabc"};
    uint32_t nils = pick(3); /* none, few, half */
    memset(valid, 0xff, sizeof valid);
    for (uint32_t row = 0; row < ROWS_MAX; row++) {
        for (uint32_t c = 0; c < 2; c++) {
            ints[c][row] = pick(2) ? edges[pick(WR_COUNT(edges))] : (int64_t)pick(20) - 10;
            floats[c][row] = pick(20) == 0 ? NAN : numbers[pick(WR_COUNT(numbers))];
            bools[c][row] = (uint8_t)pick(2);
            const char *word = words[pick(WR_COUNT(words))];
            strings[c][row] = wr_str_of(word, (uint32_t)strlen(word));
        }
        for (uint32_t c = 0; c < 8; c++)
            if (nils > 0 && pick(nils == 1 ? 10 : 2) == 0)
                wr_bit_clear(valid[c], row);
    }
}

static struct val column_value(uint32_t column, uint32_t row) {
    struct val v = {.kind = NIL};
    if (!wr_bit_get(valid[column], row))
        return v;
    if (column < 2)
        return (struct val){.kind = INT, .i = ints[column][row]};
    if (column < 4)
        return (struct val){.kind = FLOAT, .f = floats[column - 2][row]};
    if (column < 6)
        return (struct val){.kind = BOOL, .i = bools[column - 4][row]};
    const struct wr_str *str = &strings[column - 6][row];
    return (struct val){.kind = STRING, .s = wr_str_bytes(str), .length = str->length};
}

/* ---- random texts ---- */

static char text[65536];
static size_t text_length;

static void put(const char *part) {
    size_t length = strlen(part);
    CHECK_INT(text_length + length + 1, <, sizeof text);
    memcpy(text + text_length, part, length + 1);
    text_length += length;
}

static void gen(char type, int depth);

/* A template: I F S B N (int or float) stand for random expressions of that type. */
static void gen_form(const char *form, int depth) {
    for (; *form != 0; form++) {
        char part[2] = {*form, 0};
        if (strchr("IFSBN", *form) != NULL)
            gen(*form, depth - 1);
        else
            put(part);
    }
}

static const char *const int_leaves[] = {
    "i1", "i2", "i1", "i2", "0", "1", "-1", "7", "(-3)", "9223372036854775807", "63", "i1"};
static const char *const float_leaves[] = {"f1", "f2", "f1", "f2", "0.0", "2.5", "-1.0", "1e18"};
static const char *const bool_leaves[] = {"b1", "b2", "b1", "b2", "true", "false"};
static const char *const string_leaves[] = {
    "s1", "s2", "s1", "s2", "'a'", "'12'", "'a longer constant'", "''"};
static const char *const int_forms[] = {"(I + I)",
                                        "(I - I)",
                                        "(I * I)",
                                        "(I // I)",
                                        "(I % I)",
                                        "(I & I)",
                                        "(I | I)",
                                        "(I ~ I)",
                                        "(I << I)",
                                        "(I >> I)",
                                        "(-I)",
                                        "(~I)",
                                        "(#S)",
                                        "case(B, I, I)",
                                        "case(B, I)",
                                        "coalesce(I, I)",
                                        "(I ?? I)",
                                        "(I or I)",
                                        "(B and I or I)",
                                        "int64(S)",
                                        "min_of(I, I)",
                                        "nullif(I, I)",
                                        "(int64(S) ?? I)",
                                        "case(B, I, B, I, I)",
                                        "(I // I ?? I % I ?? I)",
                                        "int64(F)",
                                        "(I // 7)",
                                        "(I % -3)",
                                        "max_of(I, I, I)"};
static const char *const float_forms[] = {
    "(F + N)",      "(N - F)",       "(F * N)",        "(N / N)",  "(F // N)", "(N % F)",
    "(-F)",         "case(B, F, F)", "coalesce(F, F)", "(F ?? F)", "(F or F)", "(B and F or F)",
    "(N / N ?? F)", "(N ^ 2)",       "min_of(F, F)",   "(F * I)"};
static const char *const string_forms[] = {"(S .. S)",      "(S .. I)",       "(I .. S)",
                                           "case(B, S, S)", "coalesce(S, S)", "(S ?? S)",
                                           "(S or S)",      "(B and S or S)", "string(I)",
                                           "(S .. S .. S)", "string(B)",      "case(B, 'x', 'y')"};
static const char *const bool_forms[] = {"(N < N)",
                                         "(N <= N)",
                                         "(N > N)",
                                         "(N >= N)",
                                         "(N == N)",
                                         "(N ~= N)",
                                         "(S < S)",
                                         "(S >= S)",
                                         "(S == S)",
                                         "(S ~= S)",
                                         "(I == nil)",
                                         "(S ~= nil)",
                                         "(not B)",
                                         "(not I)",
                                         "(not S)",
                                         "(B and B)",
                                         "(B or B)",
                                         "(I in (1, 7, -1))",
                                         "(I not in (0, 2, nil))",
                                         "(S in ('a', 'abc', '12'))",
                                         "(S like 'a%')",
                                         "(B == B)",
                                         "(S not like '%b%')",
                                         "is_nil(F)",
                                         "case(B, B, B)",
                                         "(B ?? B)",
                                         "(S == 'a')",
                                         "(S ~= 'abc')",
                                         "(I > 1)",
                                         "(I < 2.5)",
                                         "(F > 1)",
                                         "(F in (1, 2.5, 3))",
                                         "(I in (1,2,3,4,5,6,7,8,9,10))",
                                         "(N < N and N > N)",
                                         "(I in (I, I))",
                                         "(S like 'a_b')",
                                         "(I // I == 1)",
                                         "coalesce(B, B)"};

#define GEN(leaves, forms) \
    do { \
        if (depth <= 0 || pick(8) == 0) \
            put(leaves[pick(WR_COUNT(leaves))]); \
        else \
            gen_form(forms[pick(WR_COUNT(forms))], depth); \
    } while (0)

static void gen(char type, int depth) {
    if (type == 'N')
        type = pick(2) ? 'I' : 'F';
    if (type == 'I')
        GEN(int_leaves, int_forms);
    else if (type == 'F')
        GEN(float_leaves, float_forms);
    else if (type == 'S')
        GEN(string_leaves, string_forms);
    else
        GEN(bool_leaves, bool_forms);
}

/* ---- the interpreter ---- */

static struct wr_arena slow; /* strings that it makes */

static struct val run(const struct wr_value *ast, uint32_t row);

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
    case '^': return number(pow(a, b));
    default: {
        CHECK_STR(op, "%");
        double r = fmod(a, b);
        if (r * b < 0 || (r != 0 && (r < 0) != (b < 0)))
            r += b;
        return number(r);
    }
    }
}

static struct val text_value(struct val v) {
    char digits[64];
    if (v.kind == STRING)
        return v;
    size_t length = v.kind == BOOL ? (size_t)snprintf(digits, 64, "%s", v.i ? "true" : "false")
                                   : wr_int64_format(v.i, digits);
    return (struct val){
        .kind = STRING, .s = wr_arena_strndup(&slow, digits, length), .length = (uint32_t)length};
}

static struct val concat(struct val a, struct val b) {
    struct val x = text_value(a), y = text_value(b);
    char *bytes = wr_arena_alloc(&slow, x.length + y.length + 1);
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

static struct val logic(const char *op, const struct wr_value *ast, uint32_t row) {
    struct val a = run(wr_value_get(ast, "a"), row);
    if (strcmp(op, "??") == 0)
        return a.kind == NIL || a.kind == FAIL ? run(wr_value_get(ast, "b"), row) : a;
    if (a.kind == FAIL || is_true(a) == (*op == 'o'))
        return a;
    return run(wr_value_get(ast, "b"), row);
}

static struct val binary(const struct wr_value *ast, uint32_t row) {
    const char *op = wr_value_string(ast, "op", "");
    if (strcmp(op, "and") == 0 || strcmp(op, "or") == 0 || strcmp(op, "??") == 0)
        return logic(op, ast, row);
    struct val a = run(wr_value_get(ast, "a"), row);
    if (a.kind == FAIL)
        return a;
    struct val b = run(wr_value_get(ast, "b"), row);
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
        return concat(a, b);
    if (a.kind == INT && b.kind == INT && strcmp(op, "/") != 0 && strcmp(op, "^") != 0)
        return int_op(op, a.i, b.i);
    return float_op(op, real(a), real(b));
}

static struct val unary(const struct wr_value *ast, uint32_t row) {
    const char *op = wr_value_string(ast, "op", "");
    struct val a = run(wr_value_get(ast, "a"), row);
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

static struct val call(const struct wr_value *ast, uint32_t row) {
    const char *name = wr_value_string(ast, "name", "");
    const struct wr_value *args = wr_value_get(ast, "args");
    uint32_t count = wr_value_count(args);
    struct val v[8] = {{.kind = NIL}};
    if (strcmp(name, "case") == 0) {
        for (uint32_t i = 0; i + 1 < count; i += 2) {
            struct val c = run(wr_value_at(args, i), row);
            if (c.kind == FAIL)
                return c;
            if (is_true(c))
                return run(wr_value_at(args, i + 1), row);
        }
        return count % 2 == 1 ? run(wr_value_at(args, count - 1), row) : v[0];
    }
    for (uint32_t i = 0; i < count; i++) {
        v[i] = run(wr_value_at(args, i), row);
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
        return text_value(v[0]);
    CHECK_STR(name, "int64");
    return convert_int64(v[0]);
}

static struct val in(const struct wr_value *ast, uint32_t row) {
    struct val a = run(wr_value_get(ast, "a"), row);
    const struct wr_value *set = wr_value_get(ast, "set");
    int found = 0;
    if (a.kind == FAIL)
        return a;
    for (uint32_t i = 0; i < wr_value_count(set) && !found; i++) {
        struct val member = run(wr_value_at(set, i), row);
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

static struct val run(const struct wr_value *ast, uint32_t row) {
    const char *k = wr_value_string(ast, "k", "");
    if (strcmp(k, "lit") == 0)
        return literal(ast);
    if (strcmp(k, "bin") == 0)
        return binary(ast, row);
    if (strcmp(k, "un") == 0)
        return unary(ast, row);
    if (strcmp(k, "call") == 0)
        return call(ast, row);
    if (strcmp(k, "in") == 0)
        return in(ast, row);
    CHECK_STR(k, "name");
    for (uint32_t c = 0; c < 8; c++)
        if (strcmp(wr_value_string(ast, "name", ""), column_names[c]) == 0)
            return column_value(c, row);
    test_fail(__FILE__, __LINE__, "no column %s", wr_value_string(ast, "name", ""));
}

/* ---- comparison ---- */

static const char *show(struct val v, const struct wr_type *type) {
    static char shown[4][8192];
    static unsigned next;
    char *out = shown[next++ % 4];
    if (v.kind == INT && type->kind == WR_FLOAT64) /* where int64 was widened */
        v = number((double)v.i);
    if (v.kind == NIL)
        snprintf(out, 8192, "nil");
    else if (v.kind == FAIL)
        snprintf(out, 8192, "fails W%d", (int)v.i);
    else if (v.kind == STRING)
        snprintf(out, 8192, "'%.*s'", (int)WR_MIN(v.length, 4000u), v.s);
    else if (v.kind == FLOAT)
        out[wr_float64_format(v.f, out)] = 0;
    else if (v.kind == BOOL)
        snprintf(out, 8192, "%s", v.i ? "true" : "false");
    else
        snprintf(out, 8192, "%lld", (long long)v.i);
    return out;
}

struct engine {
    struct wr_arena plan, out;
    struct wr_schema *schema;
    struct wr_eval eval;
    struct wr_column columns[8];
    uint32_t sel[ROWS_MAX];
};

/* The rows [first, first + count), of which a random part is selected. */
static struct wr_batch random_batch(struct engine *e, uint32_t first, uint32_t count) {
    const void *data[8] = {ints[0],  ints[1],  floats[0],  floats[1],
                           bools[0], bools[1], strings[0], strings[1]};
    for (uint32_t c = 0; c < 8; c++) {
        uint32_t width = wr_type_bytes(column_kinds[c]);
        uint64_t *bits = WR_ARENA_ARRAY(&e->out, uint64_t, WR_BITS_WORDS(count) + 1);
        memset(bits, 0xff, (WR_BITS_WORDS(count) + 1) * 8);
        int any = 0;
        for (uint32_t row = 0; row < count; row++) {
            if (!wr_bit_get(valid[c], first + row)) {
                wr_bit_clear(bits, row);
                any = 1;
            }
        }
        e->columns[c].data = (char *)(uintptr_t)data[c] + (size_t)first * width;
        e->columns[c].valid = any ? bits : NULL;
    }
    struct wr_batch batch = {
        .row_count = count, .sel_count = count, .schema = e->schema, .columns = e->columns};
    uint32_t keep = pick(4);
    if (keep == 0)
        return batch;
    batch.sel = e->sel;
    batch.sel_count = 0;
    for (uint32_t row = 0; row < count; row++)
        if (pick(keep == 1 ? 2 : keep == 2 ? 20 : 1) == 0)
            e->sel[batch.sel_count++] = row;
    return batch;
}

static const char *engine_text(struct engine *e, const struct wr_list *list,
                               const struct wr_batch *batch, uint32_t row, uint32_t *fail) {
    static char failed[32];
    if (*fail < e->eval.fail_count && e->eval.fails[*fail].row == row) {
        snprintf(failed, sizeof failed, "fails W%d", e->eval.fails[(*fail)++].code);
        return failed;
    }
    const struct wr_item *item = &list->items[0];
    const struct wr_column *column =
        item->output >= 0 ? &e->eval.outputs[item->output] : &batch->columns[item->column];
    return test_show(&item->type, column, row);
}

static void check_filter(struct engine *e, const struct wr_value *ast, const struct wr_scope *scope,
                         const struct wr_batch *batch, uint32_t first) {
    static uint32_t kept[ROWS_MAX];
    struct wr_list *list;
    uint32_t count = 0, next = 0;
    CHECK_INT(wr_list_bind(&list, scope, WR_LIST_CONDITION, ast, NULL), ==, WR_OK);
    CHECK_INT(wr_list_filter(list, &e->eval, batch, kept, &count), ==, WR_OK);
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        struct val v = run(ast, first + row);
        int is_kept = next < count && kept[next] == row;
        next += (uint32_t)is_kept;
        if (is_kept != (v.kind != FAIL && is_true(v)))
            test_fail(__FILE__, __LINE__, "filter `%s` in row %u of %u: %s", text, row,
                      batch->row_count, is_kept ? "kept" : "dropped");
    }
    CHECK_INT(next, ==, count);
}

static void check_text(struct engine *e) {
    struct wr_scope scope = {.arena = &e->plan, .input = e->schema, .timezone = "UTC"};
    struct wr_list *list;
    struct wr_error err = {0};
    static char item[sizeof text + 8];
    snprintf(item, sizeof item, "x = %s", text);
    struct wr_value *items = test_parse_list(&e->plan, item);
    const struct wr_value *ast = wr_value_get(wr_value_at(items, 0), "expr");
    if (wr_list_bind(&list, &scope, WR_LIST_DERIVE, items, &err) != WR_OK)
        test_fail(__FILE__, __LINE__, "`%s`: %s %s", text, err.code, err.text);
    static const uint32_t sizes[] = {1, 2, 7, 63, 64, 65, 200, 1000, 4096};
    uint32_t count = sizes[pick(WR_COUNT(sizes))];
    uint32_t first = pick(ROWS_MAX - count + 1);
    struct wr_batch batch = random_batch(e, first, count);
    CHECK_INT(wr_list_run(list, &e->eval, &batch, &e->out), ==, WR_OK);
    uint32_t fail = 0;
    for (uint32_t i = 0; i < batch.sel_count; i++) {
        uint32_t row = wr_batch_row(&batch, i);
        const char *fast = engine_text(e, list, &batch, row, &fail);
        const char *right = show(run(ast, first + row), &list->items[0].type);
        if (strncmp(fast, right, 3900) != 0)
            test_fail(__FILE__, __LINE__, "`%s` in row %u of %u (%u selected): %s, should be %s",
                      text, row, count, batch.sel_count, fast, right);
        if (i % 64 == 63)
            wr_arena_reset(&slow);
    }
    CHECK_INT(fail, ==, e->eval.fail_count);
    if (list->items[0].type.kind == WR_BOOL)
        check_filter(e, ast, &scope, &batch, first);
}

TEST(random_expressions_give_what_a_slow_interpreter_gives) {
    struct engine *e = calloc(1, sizeof *e);
    state = test_seed() | 1;
    wr_arena_init(&e->plan, &wr_budget_control, 65536);
    wr_arena_init(&e->out, &wr_budget_control, 65536);
    wr_arena_init(&slow, &wr_budget_control, 65536);
    wr_eval_init(&e->eval, &wr_budget_control);
    uint32_t count = 0;
    while (test_random_time_left() || count < 500) {
        if (count % 50 == 0)
            fill_rows();
        wr_arena_reset(&e->plan);
        wr_arena_reset(&e->out);
        wr_arena_reset(&slow);
        e->schema = wr_schema_new(&e->plan, 8);
        for (uint32_t c = 0; c < 8; c++)
            e->schema->fields[c] = (struct wr_field){
                .name = column_names[c], .name_length = 2, .type = WR_TYPE(column_kinds[c])};
        text_length = 0;
        gen("IFSB"[pick(4)], 1 + (int)pick(4));
        check_text(e);
        count++;
    }
    printf("%u expressions\n", count);
    wr_eval_release(&e->eval);
    wr_arena_release(&slow);
    wr_arena_release(&e->out);
    wr_arena_release(&e->plan);
    free(e);
}
