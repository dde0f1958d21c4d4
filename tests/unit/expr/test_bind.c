/* test_bind.c: lists of items, names, faults with their places, what is folded, shared and read. */
#include "support_expr.h"

#include "base/assert.h"
#include "base/bits.h"
#include "base/buf.h"
#include "expr/function.h"

/* id int64, name string, amount float64 (nil in row 1), with two rows. */
static void small_world(struct test_world *world) {
    static const char *const id[] = {"1", "0"}, *const name[] = {"'ab'", "'c'"};
    static const char *const amount[] = {"2.5", "nil"};
    test_world_init(world);
    test_world_column(world, "id", "int64", 2, id);
    test_world_column(world, "name", "string", 2, name);
    test_world_column(world, "amount", "float64", 2, amount);
}

static struct wr_list *bind_list(struct test_world *world, enum wr_list_kind kind,
                                 const char *text) {
    struct wr_list *list = NULL;
    memset(&world->err, 0, sizeof world->err);
    struct wr_value *ast = kind == WR_LIST_CONDITION ? test_parse_expr(&world->arena, text)
                           : kind == WR_LIST_ORDER   ? test_parse_order(&world->arena, text)
                                                     : test_parse_list(&world->arena, text);
    int status = wr_list_bind(&list, &world->scope, kind, ast, &world->err);
    return status == WR_OK ? list : NULL;
}

static const char *item_text(struct test_world *world, const struct wr_list *list, uint32_t index,
                             uint32_t row) {
    const struct wr_item *item = &list->items[index];
    return test_show(&item->type,
                     item->output >= 0 ? &world->eval.outputs[item->output]
                                       : &world->batch.columns[item->column],
                     row);
}

static void check_fault(struct test_world *world, enum wr_list_kind kind, const char *text,
                        const char *code, int from, int to, const char *message, const char *help) {
    CHECK(bind_list(world, kind, text) == NULL);
    CHECK_STR(world->err.code, code);
    CHECK_CONTAINS(world->err.text, message);
    CHECK_CONTAINS(world->err.help, help);
    CHECK_INT(world->err.from, ==, from);
    CHECK_INT(world->err.to, ==, to);
}

TEST(later_items_see_earlier_ones_and_redefined_columns) {
    struct test_world world;
    small_world(&world);
    struct wr_list *list = bind_list(
        &world, WR_LIST_DERIVE, "local twice = id * 2, id = twice + 1, sum = id + 10, same = sum");
    CHECK(list != NULL);
    CHECK_INT(list->item_count, ==, 3);
    CHECK_INT(wr_list_run(list, &world.eval, &world.batch, &world.arena), ==, WR_OK);
    CHECK_STR(list->items[0].name, "id");
    CHECK_STR(item_text(&world, list, 0, 0), "3");
    CHECK_STR(item_text(&world, list, 1, 0), "13");
    CHECK_STR(item_text(&world, list, 1, 1), "11");
    CHECK_INT(list->items[2].output, ==, list->items[1].output);
    test_world_release(&world);
}

TEST(bare_columns_pass_through_and_are_not_computed) {
    struct test_world world;
    small_world(&world);
    struct wr_list *list = bind_list(&world, WR_LIST_SELECT, "name, amount, other = id, one = 1");
    CHECK(list != NULL);
    CHECK_INT(list->items[0].column, ==, 1);
    CHECK_INT(list->items[1].column, ==, 2);
    CHECK_INT(list->items[2].column, ==, 0);
    CHECK_STR(list->items[2].name, "other");
    CHECK_INT(list->items[3].output, ==, 0);
    CHECK_INT(wr_list_run(list, &world.eval, &world.batch, &world.arena), ==, WR_OK);
    CHECK_STR(item_text(&world, list, 3, 1), "1");
    test_world_release(&world);
}

TEST(an_order_keeps_its_directions) {
    struct test_world world;
    small_world(&world);
    struct wr_list *list = bind_list(&world, WR_LIST_ORDER, "amount desc, #name, id asc");
    CHECK(list != NULL);
    CHECK_INT(list->item_count, ==, 3);
    CHECK_INT(list->items[0].desc, ==, 1);
    CHECK_INT(list->items[1].desc, ==, 0);
    CHECK_INT(list->items[0].column, ==, 2);
    CHECK_INT(list->items[1].output, ==, 0);
    test_world_release(&world);
}

TEST(conditions_are_true_or_false_for_every_row) {
    struct test_world world;
    small_world(&world);
    uint32_t sel[2], count = 9;
    struct wr_list *list = bind_list(&world, WR_LIST_CONDITION, "amount > 1 and id // id == 1");
    CHECK(list != NULL);
    CHECK_INT(wr_list_filter(list, &world.eval, &world.batch, sel, &count), ==, WR_OK);
    CHECK_INT(count, ==, 1);
    CHECK_INT(sel[0], ==, 0);
    CHECK_INT(world.eval.fail_count, ==, 0); /* row 1 has no amount: the division is not reached */
    list = bind_list(&world, WR_LIST_CONDITION, "id // id == 1");
    CHECK_INT(wr_list_filter(list, &world.eval, &world.batch, sel, &count), ==, WR_OK);
    CHECK_INT(count, ==, 1);
    CHECK_INT(world.eval.fail_count, ==, 1);
    CHECK_INT(world.eval.fails[0].row, ==, 1);
    CHECK_INT(world.eval.fails[0].code, ==, 503);
    CHECK_STR(world.eval.fails[0].detail, "0 // 0");
    CHECK_INT(world.eval.fails[0].from, ==, 1);
    CHECK_INT(world.eval.fails[0].to, ==, 8);
    static const struct {
        const char *text;
        uint32_t count;
    } constants[] = {
        {"true", 2}, {"false", 0}, {"nil", 0}, {"1 < 2 and bool(nil)", 0}, {"not nil", 2}};
    for (uint32_t i = 0; i < WR_COUNT(constants); i++) {
        list = bind_list(&world, WR_LIST_CONDITION, constants[i].text);
        CHECK(list != NULL);
        CHECK_INT(wr_list_filter(list, &world.eval, &world.batch, sel, &count), ==, WR_OK);
        CHECK_INT(count, ==, constants[i].count);
    }
    list = bind_list(&world, WR_LIST_CONDITIONS, "some = amount > 1, none = amount == nil or nil");
    CHECK(list != NULL);
    CHECK_INT(wr_list_run(list, &world.eval, &world.batch, &world.arena), ==, WR_OK);
    CHECK_STR(item_text(&world, list, 1, 0), "false");
    CHECK_STR(item_text(&world, list, 1, 1), "true");
    test_world_release(&world);
}

TEST(a_failed_row_leaves_before_later_items) {
    struct test_world world;
    small_world(&world);
    struct wr_list *list =
        bind_list(&world, WR_LIST_DERIVE, "a = 1 // id, b = int64('x' .. id), c = id");
    CHECK(list != NULL);
    CHECK_INT(wr_list_can_fail(list), ==, 1);
    CHECK_INT(wr_list_run(list, &world.eval, &world.batch, &world.arena), ==, WR_OK);
    CHECK_INT(world.eval.fail_count, ==, 2);
    CHECK_INT(world.eval.fails[0].row, ==, 0);
    CHECK_INT(world.eval.fails[0].item, ==, 1);
    CHECK_INT(world.eval.fails[0].code, ==, 501);
    CHECK_STR(world.eval.fails[0].detail, "`b`: 'x1' is no int64");
    CHECK_INT(world.eval.fails[1].row, ==, 1);
    CHECK_INT(world.eval.fails[1].item, ==, 0);
    CHECK_INT(world.eval.fails[1].code, ==, 503);
    test_world_release(&world);
}

TEST(what_can_fail_is_known_before_it_runs) {
    static const struct {
        const char *text;
        int fails;
    } cases[] = {{"id + 1", 0},
                 {"id // 2", 0},
                 {"id // 0", 1},
                 {"id // id", 1},
                 {"id // id ?? 0", 0},
                 {"int64(name) ?? id // id", 1},
                 {"amount / id", 0},
                 {"int64(name)", 1},
                 {"case(id > 0, id, id // id)", 1},
                 {"name .. 'x'", 1},
                 {"timestamp'2024-01-01'", 0}};
    struct test_world world;
    small_world(&world);
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        char item[128];
        snprintf(item, sizeof item, "x = %s", cases[i].text);
        struct wr_list *list = bind_list(&world, WR_LIST_DERIVE, item);
        CHECK(list != NULL);
        if (wr_list_can_fail(list) != cases[i].fails)
            test_fail(__FILE__, __LINE__, "`%s`: can fail is %d", cases[i].text,
                      wr_list_can_fail(list));
    }
    test_world_release(&world);
}

TEST(reads_are_the_columns_that_are_needed) {
    struct test_world world;
    small_world(&world);
    uint64_t bits[2] = {0};
    struct wr_list *list =
        bind_list(&world, WR_LIST_DERIVE,
                  "local unused = name, x = id + 1, y = _line, z = true or amount > 1");
    CHECK(list != NULL);
    wr_list_reads(list, bits);
    CHECK_INT(bits[0], ==, 1 | 1 << (3 + WR_HIDDEN_LINE) | 4);
    test_world_release(&world);
}

TEST(hidden_columns_come_from_the_origin) {
    struct test_world world;
    small_world(&world);
    static const uint32_t start[] = {0, 9}, length[] = {4, 3};
    world.batch.origin = (struct wr_origin){.source = "src",
                                            .file = "a.csv",
                                            .base_byte = 100,
                                            .base_line = 5,
                                            .first_record = 7,
                                            .text = "one\ntwo\n\nthr\n",
                                            .start = start,
                                            .length = length};
    world.batch.partition = 3;
    CHECK_STR(test_eval(&world, "_file .. ':' .. _line", 1), "'a.csv:8'");
    CHECK_STR(test_eval(&world, "_line", 0), "5");
    CHECK_STR(test_eval(&world, "_source", 0), "'src'");
    CHECK_STR(test_eval(&world, "_offset", 1), "109");
    CHECK_STR(test_eval(&world, "_partition", 0), "3");
    world.scope.flags = 0;
    CHECK_STR(test_bind(&world, "_line"), "W103");
    test_world_release(&world);
}

TEST(faults_of_names_and_types_say_where_and_what_to_write) {
    struct test_world world;
    small_world(&world);
    check_fault(&world, WR_LIST_DERIVE, "x = amuont + 1", "W103", 5, 10, "unknown column `amuont`",
                "did you mean `amount`?  columns: id, name, amount");
    check_fault(&world, WR_LIST_DERIVE, "total = 1, x = totl", "W103", 16, 19,
                "unknown column `totl`", "did you mean `total`?");
    check_fault(&world, WR_LIST_DERIVE, "x = 1 + lowre(name)", "W101", 9, 13,
                "unknown function `lowre`", "did you mean `lower`?");
    check_fault(&world, WR_LIST_DERIVE, "x = is_nil(1, 2)", "W102", 5, 16,
                "`is_nil` takes `is_nil(x any) bool`, got (int64, int64)", "");
    check_fault(&world, WR_LIST_DERIVE, "x = id + name", "W104", 5, 13,
                "`+` cannot take int64 and string", "no coercion");
    check_fault(&world, WR_LIST_DERIVE, "x = name + name", "W104", 5, 15,
                "`+` cannot take string and string", "text is joined by `..`");
    check_fault(&world, WR_LIST_DERIVE, "x = amount .. name", "W104", 5, 18,
                "`..` cannot take float64 and string", "`string(x)`");
    check_fault(&world, WR_LIST_DERIVE, "a = 1, a = 2", "W105", 8, 8, "duplicate name `a`", "");
    check_fault(&world, WR_LIST_DERIVE, "id + 1", "W009", 1, 6, "this item needs a name",
                "`name = …`");
    check_fault(&world, WR_LIST_CONDITION, "id", "W107", 1, 2,
                "a condition must be bool, this is int64", "`id ~= nil`");
    check_fault(&world, WR_LIST_CONDITIONS, "x = name", "W107", 5, 8, "a condition must be bool",
                "`name ~= nil`");
    check_fault(&world, WR_LIST_DERIVE, "x = count()", "W109", 5, 11, "aggregate `count`",
                "group_by");
    check_fault(&world, WR_LIST_CONDITION, "sum(id) > 5", "W109", 1, 7, "aggregate `sum`", "");
    check_fault(&world, WR_LIST_DERIVE, "x = id:sum()", "W108", 8, 10, "`sum` is an aggregate", "");
    check_fault(&world, WR_LIST_DERIVE, "x = lower(name where true)", "W102", 5, 26,
                "`lower` is no aggregate", "");
    check_fault(&world, WR_LIST_DERIVE, "x = id over '1h'", "W112", 5, 16,
                "`over` stands behind an aggregate", "");
    world.scope.flags = 0;
    check_fault(&world, WR_LIST_DERIVE, "x = event_time()", "W301", 5, 16, "no event time",
                "before");
    check_fault(&world, WR_LIST_DERIVE, "x = date'2024-13-01'", "W114", 9, 20,
                "`2024-13-01` is no date", "");
    check_fault(&world, WR_LIST_DERIVE, "x = name like 'a\\\\'", "W115", 15, 19,
                "bad pattern at byte 2", "");
    test_world_release(&world);
}

TEST(long_chains_and_deep_calls_are_bound) {
    enum { LINKS = 3000 };
    static char text[LINKS * 16 + 64];
    struct test_world world;
    small_world(&world);
    size_t length = (size_t)snprintf(text, sizeof text, "x = id");
    for (int i = 0; i < LINKS; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, " + id");
    struct wr_list *list = bind_list(&world, WR_LIST_DERIVE, text);
    CHECK(list != NULL);
    CHECK_INT(wr_list_run(list, &world.eval, &world.batch, &world.arena), ==, WR_OK);
    CHECK_STR(item_text(&world, list, 0, 0), "3001");
    length = (size_t)snprintf(text, sizeof text, "x = name");
    for (int i = 0; i < LINKS; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, ":nullif('c')");
    list = bind_list(&world, WR_LIST_DERIVE, text);
    CHECK(list != NULL);
    CHECK_INT(wr_list_run(list, &world.eval, &world.batch, &world.arena), ==, WR_OK);
    CHECK_STR(item_text(&world, list, 0, 0), "'ab'");
    CHECK_STR(item_text(&world, list, 0, 1), "nil");
    test_world_release(&world);
}

TEST(many_items_are_bound_quickly_enough) {
    enum { ITEMS = 450 };
    static char text[ITEMS * 200];
    struct test_world world;
    small_world(&world);
    size_t length = 0;
    for (int i = 0; i < ITEMS; i++)
        length += (size_t)snprintf(
            text + length, sizeof text - length,
            "c%d = case(id == %d, 'x' .. %d + 1, name like '%d%%', name) .. id\n", i, i, i, i);
    struct wr_list *list = bind_list(&world, WR_LIST_DERIVE, text);
    CHECK(list != NULL);
    CHECK_INT(wr_list_run(list, &world.eval, &world.batch, &world.arena), ==, WR_OK);
    CHECK_STR(item_text(&world, list, 1, 0), "'x21'");
    CHECK_STR(item_text(&world, list, 7, 0), "nil");
    test_world_release(&world);
}

TEST(explain_shows_the_bound_expressions) {
    struct test_world world;
    small_world(&world);
    struct wr_list *list = bind_list(
        &world, WR_LIST_DERIVE, "x = id + 2 * 3, y = case(id > 1, 'a', name), z = id // id ?? 0");
    CHECK(list != NULL);
    struct wr_value out = {0};
    CHECK_INT(wr_list_explain(list, &world.arena, &out), ==, WR_OK);
    CHECK_STR(wr_value_string(wr_value_at(&out, 0), "expr", ""), "(id + 6)");
    CHECK_STR(wr_value_string(wr_value_at(&out, 0), "how", ""), "native");
    CHECK_STR(wr_value_string(wr_value_at(&out, 0), "type", ""), "int64");
    CHECK_STR(wr_value_string(wr_value_at(&out, 1), "expr", ""), "case((id > 1), 'a', name)");
    CHECK_STR(wr_value_string(wr_value_at(&out, 2), "expr", ""), "((id // id) ?? 0)");
    test_world_release(&world);
}

static void check_explained(struct test_world *world, const char *text, const char *expected) {
    struct wr_buf buf;
    wr_buf_init(&buf, &wr_budget_control, 0);
    wr_buf_addf(&buf, "x = %s", text);
    struct wr_list *list = bind_list(world, WR_LIST_DERIVE, buf.bytes);
    struct wr_value out = {0};
    CHECK(list != NULL);
    CHECK_INT(wr_list_explain(list, &world->arena, &out), ==, WR_OK);
    CHECK_STR(wr_value_string(wr_value_at(&out, 0), "expr", ""), expected);
    wr_buf_release(&buf);
}

TEST(explain_shows_operators_as_they_are_written) {
    struct test_world world;
    small_world(&world);
    check_explained(&world, "id ?? 3", "(id ?? 3)"); /* id cannot fail: computed as `or` is */
    check_explained(&world, "id or 3", "(id or 3)");
    check_explained(&world, "(id ?? 3) + (id or 3)", "((id ?? 3) + (id or 3))");
    check_explained(&world, "name like '%a_\\\\%b%'", "(name like '%a_\\%b%')");
    check_explained(&world, "name like '%'", "(name like '%')");
    check_explained(&world, "name not like 'a%'", "not((name like 'a%'))");
    check_explained(&world, "id in (1, 2, nil)", "(id in (3 values))");
    check_explained(&world, "-id ^ 2", "-((float64(id) ^ 2.0))");
    test_world_release(&world);
}

TEST(a_case_of_nothing_but_nil_takes_the_type_beside_it) {
    struct test_world world;
    small_world(&world);
    CHECK_STR(test_eval(&world, "case(id == 1, nil, nil) ?? 7", 0), "7");
    CHECK_STR(test_eval(&world, "case(id == 1, nil) or 'x'", 0), "'x'");
    CHECK_STR(test_eval(&world, "case(id == 1, nil, nil) + 1", 0), "nil");
    CHECK_STR(test_eval(&world, "case(1 // (id - id) == 1, nil, nil) ?? 7", 0), "7");
    CHECK_STR(test_eval(&world, "case(1 // (id - id) == 1, nil, nil) or 7", 0), "fails W503");
    CHECK_STR(test_eval(&world, "coalesce(case(id == 1, nil, nil), 2.5)", 0), "2.5");
    CHECK_STR(test_bind(&world, "case(id == 1, nil, nil)"), "W104");
    test_world_release(&world);
}

/* ---- functions of the script ---- */

struct seen {
    uint32_t rows;
    uint32_t calls;
};

static int add_one(void *ctx, const struct wr_user_function *function, struct wr_call *call) {
    struct seen *seen = ctx;
    CHECK_INT(function->id, ==, 4);
    seen->calls++;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = wr_call_at(call, i);
        seen->rows++;
        if (wr_column_is_nil(&call->args[0], wr_call_row(call, 0, row)))
            wr_call_nil(call, row);
        else if (WR_F64(&call->args[0])[wr_call_row(call, 0, row)] > 100)
            wr_call_fail(call, row, 511, "too much");
        else
            ((double *)call->out)[row] = WR_F64(&call->args[0])[wr_call_row(call, 0, row)] + 1;
    }
    return WR_OK;
}

TEST(functions_of_the_script_get_the_rows_that_need_them) {
    struct test_world world;
    small_world(&world);
    struct wr_type param = WR_TYPE(WR_FLOAT64);
    struct wr_user_function user = {"risk", 1, &param, WR_TYPE(WR_FLOAT64), 4, 0};
    struct seen seen = {0};
    world.scope.user_functions = &user;
    world.scope.user_function_count = 1;
    world.eval.user_call = add_one;
    world.eval.user_ctx = &seen;
    CHECK_STR(test_eval(&world, "risk(id)", 0), "2.0");
    CHECK_INT(seen.rows, ==, 2);
    CHECK_STR(test_eval(&world, "id > 0 and risk(amount) or 7", 0), "3.5");
    CHECK_INT(seen.rows, ==, 3);
    CHECK_STR(test_eval(&world, "risk(amount) + risk(amount)", 0), "7.0");
    CHECK_INT(seen.calls, ==, 3); /* once, though it stands there twice */
    CHECK_STR(test_eval(&world, "risk(1000)", 0), "fails W511");
    CHECK_STR(test_eval(&world, "risk(1000) ?? -1", 0), "-1.0");
    CHECK_STR(test_bind(&world, "risk('a')"), "W102");
    CHECK_STR(test_bind(&world, "risk(1, 2)"), "W102");
    struct wr_list *list = bind_list(&world, WR_LIST_DERIVE, "x = risk(id) + 1, y = id");
    struct wr_value out = {0};
    CHECK_INT(list->items[0].native, ==, 0);
    CHECK_INT(list->items[1].native, ==, 1);
    CHECK_INT(wr_list_explain(list, &world.arena, &out), ==, WR_OK);
    CHECK_STR(wr_value_string(wr_value_at(&out, 0), "how", ""), "vm: risk");
    test_world_release(&world);
}

/* The tree is made before main: making it does not fail. */
static struct wr_arena trees;
static struct wr_value *tree;
__attribute__((constructor)) static void make_tree(void) {
    wr_arena_init(&trees, &wr_budget_control, 65536);
    tree = test_parse_list(&trees, "x = id // id ?? 2 + 3, y = 'a long constant of text' .. id,"
                                   "z = case(id in (1, 2), string(id), 'x'),"
                                   "r = regex_find('is ' .. id, '(*NO_JIT)([0-9]+)$')");
}

TEST_EACH_ALLOCATION_FAILS(binding_and_running_give_everything_back) {
    struct wr_arena arena;
    struct wr_eval eval;
    wr_arena_init(&arena, &wr_budget_control, 1024);
    wr_eval_init(&eval, &wr_budget_control);
    static union {
        struct wr_schema schema;
        char room[sizeof(struct wr_schema) + sizeof(struct wr_field)];
    } fields;
    static int64_t id[2] = {1, 0};
    fields.schema.field_count = 1;
    fields.schema.fields[0] =
        (struct wr_field){.name = "id", .name_length = 2, .type = WR_TYPE(WR_INT64)};
    struct wr_column column = {id, NULL};
    struct wr_batch batch = {
        .row_count = 2, .sel_count = 2, .schema = &fields.schema, .columns = &column};
    struct wr_scope scope = {.arena = &arena, .input = &fields.schema, .timezone = "UTC"};
    struct wr_list *list;
    int status = wr_list_bind(&list, &scope, WR_LIST_DERIVE, tree, NULL);
    uint64_t count = wr_alloc_count();
    if (status == WR_OK)
        status = wr_list_run(list, &eval, &batch, &arena);
    CHECK(status == WR_OK || status == WR_ENOMEM);
    CHECK(status != WR_OK || wr_alloc_count() - count >= 4); /* those of PCRE2 are among them */
    wr_eval_release(&eval);
    wr_arena_release(&arena);
}
