/* test_random.c: random expressions over random columns, against a slow interpreter that takes
 * one row and one node at a time, as Lua would. The same values must come from any selection and
 * from batches of any size. */
#include <math.h>

#include "support_expr_slow.h"

#include "base/assert.h"
#include "data/reject.h"
#include "data/text.h"

#define ROWS_MAX 4096

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

static struct wr_arena slow_arena;

#define ITEMS_MAX 5
/* The items of the list that is being made: later ones may name earlier ones. */
static struct random_item {
    char type, name[4];
    const struct wr_value *ast;
} items[ITEMS_MAX];
static uint32_t item_count;

static struct val slow_item(uint32_t item, uint32_t row);

static struct val column_value(const char *name, uint32_t row) {
    struct val v = {.kind = NIL};
    uint32_t column = 0;
    if (name[0] == 'x')
        return slow_item((uint32_t)(name[1] - '0'), row);
    while (strcmp(column_names[column], name) != 0)
        column++;
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

static const struct slow slow = {&slow_arena, column_value};

static struct val slow_item(uint32_t item, uint32_t row) {
    return slow_run(&slow, items[item].ast, row);
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
                                        "(I // 8)",
                                        "(I % 16)",
                                        "(I % 1000000007)",
                                        "(I // 9223372036854775807)",
                                        "(I // 1)",
                                        "(I % 4611686018427387905)",
                                        "(I // -1)",
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

/* Texts made before, to be used again: common subexpressions. */
#define POOL 32
#define POOL_BYTES 200
static struct { char type, text[POOL_BYTES]; } pool[POOL];
static uint32_t pool_count;

static int gen_again(char type) {
    if (item_count > 0 && pick(8) == 0) {
        uint32_t item = pick(item_count);
        if (items[item].type == type) {
            put(items[item].name);
            return 1;
        }
    }
    if (pool_count > 0 && pick(5) == 0) {
        uint32_t again = pick(WR_MIN(pool_count, (uint32_t)POOL));
        if (pool[again].type == type) {
            put(pool[again].text);
            return 1;
        }
    }
    return 0;
}

static void gen_new(char type, int depth);

static void gen(char type, int depth) {
    if (type == 'N')
        type = pick(2) ? 'I' : 'F';
    size_t start = text_length;
    if (gen_again(type))
        return;
    gen_new(type, depth);
    size_t length = text_length - start;
    if (length + 1 < POOL_BYTES && length > 4) {
        uint32_t place = pool_count++ % POOL;
        pool[place].type = type;
        memcpy(pool[place].text, text + start, length + 1);
    }
}

static void gen_new(char type, int depth) {
    if (type == 'I')
        GEN(int_leaves, int_forms);
    else if (type == 'F')
        GEN(float_leaves, float_forms);
    else if (type == 'S')
        GEN(string_leaves, string_forms);
    else
        GEN(bool_leaves, bool_forms);
}

/* ---- comparison ---- */

static const char *show(struct val v, const struct wr_type *type) {
    static char shown[4][8192];
    static unsigned next;
    char *out = shown[next++ % 4];
    if (v.kind == INT && type->kind == WR_FLOAT64) /* where int64 was widened */
        v = (struct val){.kind = FLOAT, .f = (double)v.i};
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

static const char *engine_text(struct engine *e, const struct wr_list *list, uint32_t index,
                               const struct wr_batch *batch, uint32_t row) {
    const struct wr_item *item = &list->items[index];
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
        struct val v = slow_run(&slow, ast, first + row);
        int is_kept = next < count && kept[next] == row;
        next += (uint32_t)is_kept;
        if (is_kept != (v.kind != FAIL && slow_is_true(v)))
            test_fail(__FILE__, __LINE__, "filter `%s` in row %u of %u: %s", text, row,
                      batch->row_count, is_kept ? "kept" : "dropped");
    }
    CHECK_INT(next, ==, count);
}

/* The row fails at its first failing item, or every item is right. */
static void check_row(struct engine *e, const struct wr_list *list, const struct wr_batch *batch,
                      uint32_t first, uint32_t row, uint32_t *fail) {
    const struct wr_fail *failed = NULL;
    if (*fail < e->eval.fail_count && e->eval.fails[*fail].row == row)
        failed = &e->eval.fails[(*fail)++];
    for (uint32_t k = 0; k < item_count; k++) {
        struct val v = slow_item(k, first + row);
        char shown[32];
        const char *fast, *right = show(v, &list->items[k].type);
        if (failed != NULL && failed->item == k) {
            snprintf(shown, sizeof shown, "fails W%d", failed->code);
            fast = shown;
        } else {
            fast = v.kind == FAIL ? "no failure" : engine_text(e, list, k, batch, row);
        }
        if (strncmp(fast, right, 3900) != 0)
            test_fail(__FILE__, __LINE__,
                      "`%s` item %u in row %u of %u (%u selected): %s, should be %s", text, k, row,
                      batch->row_count, batch->sel_count, fast, right);
        if (v.kind == FAIL)
            return;
    }
    CHECK(failed == NULL);
}

static void check_text(struct engine *e) {
    struct wr_scope scope = {.arena = &e->plan, .input = e->schema, .timezone = "UTC"};
    struct wr_list *list;
    struct wr_error err = {0};
    struct wr_value *ast = test_parse_list(&e->plan, text);
    for (uint32_t k = 0; k < item_count; k++)
        items[k].ast = wr_value_get(wr_value_at(ast, k), "expr");
    if (wr_list_bind(&list, &scope, WR_LIST_DERIVE, ast, &err) != WR_OK)
        test_fail(__FILE__, __LINE__, "`%s`: %s %s", text, err.code, err.text);
    static const uint32_t sizes[] = {1, 2, 7, 63, 64, 65, 200, 1000, 4096};
    uint32_t count = sizes[pick(WR_COUNT(sizes))];
    uint32_t first = pick(ROWS_MAX - count + 1), fail = 0;
    struct wr_batch batch = random_batch(e, first, count);
    CHECK_INT(wr_list_run(list, &e->eval, &batch, &e->out), ==, WR_OK);
    for (uint32_t i = 0; i < batch.sel_count; i++) {
        check_row(e, list, &batch, first, wr_batch_row(&batch, i), &fail);
        if (i % 64 == 63)
            wr_arena_reset(&slow_arena);
    }
    CHECK_INT(fail, ==, e->eval.fail_count);
    if (item_count == 1 && list->items[0].type.kind == WR_BOOL)
        check_filter(e, items[0].ast, &scope, &batch, first);
}

/* One to five items, most often one. */
static void gen_list(void) {
    uint32_t count = pick(2) ? 1 : 1 + pick(ITEMS_MAX);
    text_length = 0;
    item_count = pool_count = 0;
    for (uint32_t k = 0; k < count; k++) {
        struct random_item *item = &items[k];
        item->type = "IFSB"[pick(4)];
        snprintf(item->name, sizeof item->name, "x%u", k % 10);
        put(k > 0 ? ", " : "");
        put(item->name);
        put(" = ");
        gen(item->type, 1 + (int)pick(4));
        item_count++;
    }
}

TEST(random_expressions_give_what_a_slow_interpreter_gives) {
    struct engine *e = wr_alloc_zero(&wr_budget_control, sizeof *e);
    state = test_seed() | 1;
    wr_arena_init(&e->plan, &wr_budget_control, 65536);
    wr_arena_init(&e->out, &wr_budget_control, 65536);
    wr_arena_init(&slow_arena, &wr_budget_control, 65536);
    wr_eval_init(&e->eval, &wr_budget_control);
    uint32_t count = 0;
    while (test_random_time_left() || count < 500) {
        if (count % 50 == 0)
            fill_rows();
        wr_arena_reset(&e->plan);
        wr_arena_reset(&e->out);
        wr_arena_reset(&slow_arena);
        e->schema = wr_schema_new(&e->plan, 8);
        for (uint32_t c = 0; c < 8; c++)
            e->schema->fields[c] = (struct wr_field){
                .name = column_names[c], .name_length = 2, .type = WR_TYPE(column_kinds[c])};
        gen_list();
        check_text(e);
        count++;
    }
    printf("%u expressions\n", count);
    wr_eval_release(&e->eval);
    wr_arena_release(&slow_arena);
    wr_arena_release(&e->out);
    wr_arena_release(&e->plan);
    wr_free(&wr_budget_control, e);
}
