/* test_functions.c: the table of the function library: every entry is whole, every example holds,
 * alone and over many rows. */
#include "support_expr.h"

#include "expr/aggregate.h"
#include "base/assert.h"
#include "base/bits.h"
#include "expr/ast.h"
#include "expr/function.h"
#include "expr/functions.h"
#include "expr/signature.h"

TEST(every_function_is_described_and_has_examples) {
    for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
        const struct wr_function *f = wr_function_at(i);
        uint32_t examples = 0;
        if (f->doc == NULL || f->group == NULL || f->signatures[0].text == NULL)
            test_fail(__FILE__, __LINE__, "%s lacks doc, group or signature", f->name);
        for (const struct wr_signature *s = f->signatures; s->text != NULL; s++) {
            struct wr_signature_form form;
            if (!(f->flags & WR_FN_LUA) && !wr_signature_parse(s->text, &form))
                test_fail(__FILE__, __LINE__, "%s: bad signature %s", f->name, s->text);
        }
        for (const struct wr_example *e = f->examples; e != NULL && e->text != NULL; e++)
            examples++;
        if (examples < 2)
            test_fail(__FILE__, __LINE__, "%s has %u examples", f->name, examples);
        CHECK_PTR(wr_function_find(f->name, (uint32_t)strlen(f->name)), ==, f);
        if (wr_function_foreign(f->name, (uint32_t)strlen(f->name)) != NULL)
            test_fail(__FILE__, __LINE__, "%s is also a foreign name", f->name);
    }
}

TEST(every_example_gives_what_it_says) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
        const struct wr_function *f = wr_function_at(i);
        if (f->flags & WR_FN_LUA)
            continue; /* spec/sandbox_spec.lua runs them */
        for (const struct wr_example *e = f->examples; e != NULL && e->text != NULL; e++) {
            struct test_world world;
            test_world_init(&world);
            const char *got = test_eval(&world, e->text, 0);
            if (strcmp(got, e->result) != 0) {
                printf("%s: %s, not %s\n", e->text, got, e->result);
                wrong++;
            }
            test_world_release(&world);
        }
    }
    CHECK_INT(wrong, ==, 0);
}

/* ---- over columns --------------------------------------------------------------------------- */

#define ROWS 130
#define COLUMNS_MAX 24

/* The literals of an example as columns, so that nothing is folded and kernels see rows. */
struct spread {
    struct test_world world;
    uint32_t count;
    struct wr_schema *schema;
    struct wr_column columns[COLUMNS_MAX];
    uint64_t valid[ROWS / 64 + 1];
};

static int row_is_nil(uint32_t row) {
    return row % 5 == 3;
}

static void column_fill(struct spread *s, enum wr_type_kind kind, const struct wr_value *value) {
    uint32_t width = wr_type_bytes(kind);
    char *data = wr_arena_alloc_zero(&s->world.arena, (size_t)width * ROWS);
    CHECK(data != NULL && s->count < COLUMNS_MAX);
    for (uint32_t row = 0; row < ROWS; row++) {
        if (kind == WR_STRING)
            ((struct wr_str *)(void *)data)[row] = wr_str_of(value->string, value->count);
        else if (kind == WR_FLOAT64)
            ((double *)(void *)data)[row] = value->number;
        else if (kind == WR_BOOL)
            ((uint8_t *)data)[row] = (uint8_t)value->boolean;
        else
            ((int64_t *)(void *)data)[row] = value->integer;
    }
    char *name = wr_arena_alloc(&s->world.arena, 16);
    snprintf(name, 16, "c%u", s->count);
    struct wr_field *field = &s->schema->fields[s->count];
    field->name = name;
    field->name_length = (uint32_t)strlen(name);
    field->type = WR_TYPE(kind);
    s->columns[s->count++] = (struct wr_column){.data = data, .valid = s->valid};
}

static int spread_literal(void *ctx, const struct wr_value *node, struct wr_value *out) {
    struct spread *s = ctx;
    static const char *const names[] = {"k", "name"};
    const char *type = wr_value_string(node, "type", "");
    const struct wr_value *value = wr_value_get(node, "v");
    const char *call = wr_value_string(node, "name", "");
    if (wr_ast_is(node, "call") && (strcmp(call, "date") == 0 || strcmp(call, "timestamp") == 0 ||
                                    strcmp(call, "duration") == 0 || strcmp(call, "json") == 0 ||
                                    strcmp(call, "decimal") == 0)) {
        *out = *node; /* a typed literal stays one */
        return 1;
    }
    enum wr_type_kind kind = wr_type_kind_named(type, strlen(type));
    if (!wr_ast_is(node, "lit") || value == NULL || kind == WR_TYPE_KINDS)
        return 0;
    column_fill(s, kind, value);
    struct wr_value values[] = {
        {.kind = WR_VALUE_STRING, .count = 4, .string = "name"},
        {.kind = WR_VALUE_STRING,
         .count = s->schema->fields[s->count - 1].name_length,
         .string = s->schema->fields[s->count - 1].name},
    };
    struct wr_value *map = wr_ast_map(&s->world.arena, 2, names, values);
    CHECK(map != NULL);
    *out = *map;
    return 1;
}

/* Runs over the rows of `sel` and checks each: the example's result, or nil where the literals were
 * nil and the function is strict. Returns rows compared. */
static uint32_t spread_run(struct spread *s, const struct wr_list *list, const struct wr_example *e,
                           const uint32_t *sel, uint32_t sel_count, int strict) {
    s->world.batch.sel = sel;
    s->world.batch.sel_count = sel_count;
    CHECK_INT(wr_list_run(list, &s->world.eval, &s->world.batch, &s->world.arena), ==, WR_OK);
    const struct wr_item *item = &list->items[0];
    const struct wr_column *column =
        item->output >= 0 ? &s->world.eval.outputs[item->output] : &s->columns[item->column];
    uint32_t compared = 0;
    uint32_t fail = 0;
    for (uint32_t i = 0; i < sel_count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        char text[32];
        const char *got = test_show(&item->type, column, row);
        while (fail < s->world.eval.fail_count && s->world.eval.fails[fail].row < row)
            fail++;
        if (fail < s->world.eval.fail_count && s->world.eval.fails[fail].row == row) {
            snprintf(text, sizeof text, "fails W%u", s->world.eval.fails[fail].code);
            got = text;
        }
        if (row_is_nil(row) && s->count > 0 && !strict)
            continue;
        const char *want = row_is_nil(row) && s->count > 0 ? "nil" : e->result;
        if (strcmp(got, want) != 0)
            test_fail(__FILE__, __LINE__, "%s in row %u of columns: %s, not %s", e->text, row, got,
                      want);
        compared++;
    }
    return compared;
}

static uint32_t spread_example(const struct wr_function *f, const struct wr_example *e) {
    struct spread s = {.count = 0};
    test_world_init(&s.world);
    s.schema = wr_schema_new(&s.world.arena, COLUMNS_MAX);
    memset(s.valid, 0xff, sizeof s.valid);
    for (uint32_t row = 0; row < ROWS; row++)
        if (row_is_nil(row))
            wr_bit_clear(s.valid, row);
    char text[512];
    snprintf(text, sizeof text, "x = %s", e->text);
    struct wr_value ast;
    CHECK_INT(wr_ast_rewrite(&s.world.arena, test_parse_list(&s.world.arena, text), spread_literal,
                             &s, &ast),
              ==, WR_OK);
    s.schema->field_count = s.count;
    s.world.schema = s.schema;
    s.world.scope.input = s.schema;
    s.world.batch.schema = s.schema;
    s.world.batch.columns = s.columns;
    s.world.batch.row_count = ROWS;
    struct wr_list *list;
    uint32_t compared = 0;
    /* Where a parameter must be a literal it does not bind: not this test's. */
    if (wr_list_bind(&list, &s.world.scope, WR_LIST_DERIVE, &ast, &s.world.err) == WR_OK) {
        uint32_t sel[ROWS];
        uint32_t sel_count = 0;
        for (uint32_t row = 1; row < ROWS; row += 1 + row % 3)
            sel[sel_count++] = row;
        const struct wr_value *expr = wr_value_get(wr_value_at(&ast, 0), "expr");
        int strict = f->flags & WR_FN_STRICT && wr_ast_is(expr, "call") &&
                     strcmp(wr_value_string(expr, "name", ""), f->name) == 0;
        compared += spread_run(&s, list, e, NULL, ROWS, strict);
        compared += spread_run(&s, list, e, sel, sel_count, strict);
    }
    test_world_release(&s.world);
    return compared;
}

TEST(every_example_holds_over_columns_with_nils_and_selections) {
    uint32_t rows = 0;
    for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
        const struct wr_function *f = wr_function_at(i);
        if (f->flags & WR_FN_LUA)
            continue; /* spec/sandbox_spec.lua runs them */
        for (const struct wr_example *e = f->examples; e != NULL && e->text != NULL; e++)
            rows += strncmp(e->result, "error", 5) == 0 ? 0 : spread_example(f, e);
    }
    CHECK_INT(rows, >, 50000);
}

TEST(functions_that_take_a_function_are_for_lua) {
    static const char *const texts[] = {"list_filter(split('a', ','), 'x')", "list_map()",
                                        "split('a', ','):list_map(1)"};
    for (uint32_t i = 0; i < WR_COUNT(texts); i++) {
        struct test_world world;
        test_world_init(&world);
        CHECK_STR(test_eval(&world, texts[i], 0), "error W102");
        CHECK(strstr(world.err.text, "takes a Lua function: write the stage with") != NULL);
        CHECK(strstr(world.err.help, "function(e) return list_") != NULL);
        test_world_release(&world);
    }
}

TEST(names_of_other_dialects_lead_to_names_that_are_there) {
    const char *name;
    const char *ours;
    uint32_t count = 0;
    for (; wr_function_foreign_at(count, &name, &ours); count++) {
        uint32_t length = (uint32_t)strlen(name);
        if (wr_function_find(name, length) != NULL || wr_aggregate_find(name, length) != NULL)
            test_fail(__FILE__, __LINE__, "%s is a name of weir's own", name);
        CHECK_STR(wr_function_foreign(name, length), ours);
        uint32_t word = (uint32_t)strspn(ours, "abcdefghijklmnopqrstuvwxyz_0123456789");
        if (ours[word] == 0 && wr_function_find(ours, word) == NULL &&
            wr_aggregate_find(ours, word) == NULL)
            test_fail(__FILE__, __LINE__, "%s leads to %s, which is not there", name, ours);
    }
    CHECK_INT(count, >=, 60);
    CHECK_STR(wr_function_foreign("DATE_TRUNC", 10), "trunc");
    CHECK(wr_function_foreign("no_such_name", 12) == NULL);
}
