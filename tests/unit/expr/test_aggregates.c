/* test_aggregates.c: aggregates bound from text, over small worlds and against slow models. */
#include "support_aggregates.h"

#include <math.h>

#include "data/reject.h"
#include "expr/aggregate.h"
#include "expr/function.h"
#include "state/key.h"
#include "state/table.h"

TEST(each_aggregate_does_what_its_examples_say) {
    uint32_t count = 0;
    for (uint32_t i = 0; wr_aggregate_at(i) != NULL; i++) {
        const struct wr_aggregate_function *f = wr_aggregate_at(i);
        uint32_t examples = 0;
        CHECK(f->doc != NULL && f->signatures[0] != NULL);
        CHECK_PTR(wr_aggregate_find(f->name, (uint32_t)strlen(f->name)), ==, f);
        for (const struct wr_example *e = f->examples; e->text != NULL; e++, examples++) {
            struct stage stage = {0};
            sample_rows(&stage.world);
            const char *got = one(&stage, e->text);
            if (strcmp(got, e->result) != 0)
                test_fail(__FILE__, __LINE__, "%s: %s, not %s", e->text, got, e->result);
            stage_close(&stage);
            count++;
        }
        CHECK_INT(examples, >=, 2);
    }
    CHECK_INT(count, >=, 40);
}

TEST(the_examples_hold_however_rows_are_split_and_merged) {
    for (uint32_t i = 0; wr_aggregate_at(i) != NULL; i++) {
        for (const struct wr_example *e = wr_aggregate_at(i)->examples; e->text != NULL; e++) {
            struct stage stage = {0};
            char text[256];
            snprintf(text, sizeof text, "r = %s", e->text);
            sample_rows(&stage.world);
            CHECK_INT(stage_bind(&stage, NULL, text, 0), ==, WR_OK);
            table_open(&stage);
            for (uint32_t row = 0; row < 5; row++) { /* a table a row, merged in order */
                struct wr_table *part =
                    wr_table_new(&wr_budget_control, &stage.aggregates->shape, 7 + row);
                stage_add(&stage, part, row, row + 1);
                struct wr_table_walk walk;
                wr_table_walk_begin(&walk, part);
                uint8_t *from = wr_table_walk_next(&walk);
                uint64_t key = 0, hash;
                uint8_t *into;
                wr_keys_build(&stage.aggregates->layout, NULL, NULL, 1, wr_table_seed(stage.table),
                              &key, &hash);
                CHECK_INT(wr_table_upsert(stage.table, &key, &hash, 1, &into, NULL), ==, WR_OK);
                CHECK_INT(wr_aggregates_merge(stage.aggregates, stage.table, into, from), ==,
                          WR_OK);
                wr_table_free(part);
            }
            stage_fire(&stage, stage.table);
            const char *got = stage_show(&stage, 0, 0);
            if (strcmp(got, e->result) != 0)
                test_fail(__FILE__, __LINE__, "%s: %s, not %s", e->text, got, e->result);
            stage_close(&stage);
        }
    }
}

TEST(groups_have_their_keys_and_items_see_earlier_ones) {
    struct stage stage = {0};
    sample_rows(&stage.world);
    CHECK_INT(stage_bind(&stage, "s, big = x > 1",
                         "local v = x * 2\n n = count(), total = sum(v), twice = total * 2\n"
                         "what = case(big, 'big', 'small') .. n",
                         0),
              ==, WR_OK);
    table_open(&stage);
    stage_add(&stage, stage.table, 0, 5);
    stage_fire(&stage, stage.table);
    CHECK_INT(stage.row_count, ==, 5);
    CHECK_INT(stage.aggregates->result->field_count, ==, 6);
    CHECK_STR(stage.aggregates->result->fields[1].name, "big");
    CHECK_STR(stage_show(&stage, 2, 0), "4"); /* ('a', false): x = 1 */
    CHECK_STR(stage_show(&stage, 3, 0), "'small1'");
    CHECK_STR(stage_show(&stage, 1, 1), "8");      /* ('a', true): x = 4 */
    CHECK_STR(stage_show(&stage, 1, 2), "nil");    /* ('b', false): x = nil */
    CHECK_STR(stage_show(&stage, 3, 4), "'big1'"); /* (nil, true): x = 3 */
    stage_close(&stage);
}

TEST(equal_calls_share_one_state) {
    struct stage stage = {0};
    sample_rows(&stage.world);
    CHECK_INT(stage_bind(&stage, "s", "a = sum(x), b = sum(x) + count(), c = count( )", 0), ==,
              WR_OK);
    CHECK_INT(stage.aggregates->aggregate_count, ==, 2);
    stage_close(&stage);
}

TEST(an_argument_may_be_a_key_that_hides_a_column) {
    struct stage stage = {0};
    sample_rows(&stage.world);
    CHECK_INT(stage_bind(&stage, "x = x // 100", "total = sum(x where x ~= nil), k = x", 0), ==,
              WR_OK);
    table_open(&stage);
    stage_add(&stage, stage.table, 0, 5);
    stage_fire(&stage, stage.table);
    CHECK_INT(stage.row_count, ==, 2); /* 0 and nil */
    CHECK_STR(stage_show(&stage, 0, 0), "10");
    CHECK_STR(stage_show(&stage, 1, 0), "0");
    stage_close(&stage);
}

TEST(a_condition_keeps_an_argument_from_failing) {
    struct stage stage = {0};
    sample_rows(&stage.world);
    CHECK_STR(one(&stage, "sum(12 // (x - 1) where x ~= 1 and x ~= nil)"), "22");
    stage_close(&stage);
}

static const char *bind_code(const char *group_by, const char *agg) {
    static char text[512];
    struct stage stage = {0};
    sample_rows(&stage.world);
    int status = stage_bind(&stage, group_by, agg, 1);
    snprintf(text, sizeof text, "%s %s %d-%d", status == WR_OK ? "ok" : stage.world.err.code,
             stage.world.err.arg, stage.world.err.from, stage.world.err.to);
    if (status == WR_OK)
        snprintf(text, sizeof text, "ok");
    stage_close(&stage);
    return text;
}

TEST(mistakes_are_told_with_code_and_place) {
    CHECK_STR(bind_code("s", "n = count()"), "ok");
    CHECK_STR(bind_code("s", "m = x"), "W109 1 5-5");
    CHECK_STR(bind_code("s", "m = any_value(x) + f"), "W109 1 20-20");
    CHECK_STR(bind_code("s", "m = sum(max(x))"), "W110 1 9-14");
    CHECK_STR(bind_code("s", "n = count(), m = sum(n)"), "W110 1 22-22");
    CHECK_STR(bind_code("s", "n = count(), n = sum(x)"), "W105 1 14-14");
    CHECK_STR(bind_code("s", "s = count()"), "W105 1 1-1");
    CHECK_STR(bind_code("s", "window_end = count()"), "W205 1 1-10");
    CHECK_STR(bind_code("window_start = x", "n = count()"), "W205 group_by 1-16");
    CHECK_STR(bind_code("y", "n = count()"), "W103 group_by 1-1");
    CHECK_STR(bind_code("s", "n = sum(y)"), "W103 1 9-9");
    CHECK_STR(bind_code("s", "n = count() + y"), "W103 1 15-15");
    CHECK_STR(bind_code("s", "n = sum(s)"), "W102 1 5-10");
    CHECK_STR(bind_code("s", "n = sum(x, x)"), "W102 1 5-13");
    CHECK_STR(bind_code("s", "n = sum()"), "W102 1 5-9");
    CHECK_STR(bind_code("s", "n = quantile(x, x)"), "W102 1 17-17");
    CHECK_STR(bind_code("s", "n = quantile(x, 2)"), "W102 1 17-17");
    CHECK_STR(bind_code("s", "n = count(where x)"), "W107 1 17-17");
    CHECK_STR(bind_code("s", "n = nosuch(x)"), "W101 1 5-10");
    CHECK_STR(bind_code("s", "n = sum(x) + 'a'"), "W104 1 5-16");
    CHECK_STR(bind_code("s, sum(x)", "n = count()"), "W009 group_by 4-9");
    CHECK_STR(bind_code("a = sum(x)", "n = count()"), "W109 group_by 5-10");
}

TEST(a_name_near_an_aggregate_leads_to_it) {
    struct stage stage = {0};
    sample_rows(&stage.world);
    CHECK_INT(stage_bind(&stage, "s", "n = summ(x)", 0), ==, WR_ESCRIPT);
    CHECK_STR(stage.world.err.code, "W101");
    CHECK_CONTAINS(stage.world.err.help, "`sum`");
    stage_close(&stage);
}

TEST(an_unnamed_item_asks_for_a_name) {
    struct stage stage = {0};
    sample_rows(&stage.world);
    CHECK_INT(stage_bind(&stage, NULL, "count()", 0), ==, WR_ESCRIPT);
    CHECK_STR(stage.world.err.code, "W009");
    CHECK_CONTAINS(stage.world.err.help, "name = count(…)");
    stage_close(&stage);
}

TEST(a_sum_beyond_int64_fails_and_one_that_comes_back_does_not) {
    static const char *const big[] = {"9223372036854775807", "1", "nil"};
    static const char *const back[] = {"9223372036854775807", "1", "-5"};
    struct stage stage = {0};
    test_world_init(&stage.world);
    test_world_column(&stage.world, "x", "int64", 3, big);
    CHECK_STR(one(&stage, "sum(x)"), "fails W504");
    stage_close(&stage);
    stage = (struct stage){0};
    test_world_init(&stage.world);
    test_world_column(&stage.world, "x", "int64", 3, back);
    CHECK_STR(one(&stage, "sum(x)"), "9223372036854775803");
    stage_close(&stage);
}

TEST(nan_is_behind_all_numbers_and_zero_is_one) {
    static const char *const f[] = {"0.0/0.0", "-0.0", "0.0", "5.0"};
    static const char *const items[][2] = {
        {"min(f)", "0.0"},
        {"max(f)", "nan"},
        {"count_distinct(f)", "3"},
        {"max_by(f, f)", "nan"},
        {"median(1 / (f * 0) where f > 0)", "inf"},
        {"quantile(-1 / (f * 0 + 0.0), 0.1 where f == 0)", "-inf"},
        {"min_by(f, f)", "-0.0"},
        {"mode(f)", "0.0"},
        {"list(f order by f limit 2)", "[-0.0,0.0]"},
        {"list(f order by f desc limit 2)", "[null,5.0]"}, /* JSON has no NaN */
        {"first(f order by f desc)", "nan"},               /* as `sort` has it */
    };
    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        struct stage stage = {0};
        test_world_init(&stage.world);
        test_world_column(&stage.world, "f", "float64", 4, f);
        const char *got = one(&stage, items[i][0]);
        if (strcmp(got, items[i][1]) != 0)
            test_fail(__FILE__, __LINE__, "%s: %s, not %s", items[i][0], got, items[i][1]);
        stage_close(&stage);
    }
}

TEST(quantile_lies_between_its_neighbours_also_where_their_distance_is_no_number) {
    static const char *const f[] = {"-1.0/0.0", "1.0", "1.7e308", "-1.7e308"};
    static const char *const items[][2] = {
        {"quantile(f, 0.1)", "-inf"},
        {"median(f where f > -1e308 - 1e308)", "1.0"},
        {"median(f where abs(f) > 2.0 and f > -1e308 - 1e308)", "0.0"},
        {"median(-f)", "8.5e+307"},
    };
    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        struct stage stage = {0};
        test_world_init(&stage.world);
        test_world_column(&stage.world, "f", "float64", 4, f);
        CHECK_STR(one(&stage, items[i][0]), items[i][1]);
        stage_close(&stage);
    }
}

/* ---- random rows against slow models -------------------------------------------------------- */

static uint64_t random_state;
static uint64_t random_next(void) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33;
}

#define ROWS 600
#define GROUPS 7

struct model {
    int64_t x[ROWS], key[ROWS];
    uint8_t nil[ROWS];
    int64_t time[ROWS];
    char text[ROWS][24];
};

static void model_fill(struct model *m, struct stage *stage) {
    static struct wr_column columns[4];
    static uint64_t valid[ROWS / 64 + 1];
    static struct wr_str strings[ROWS];
    memset(valid, 0xff, sizeof valid);
    for (uint32_t i = 0; i < ROWS; i++) {
        m->x[i] = (int64_t)(random_next() % 50) - 25;
        m->key[i] = (int64_t)(random_next() % GROUPS);
        m->nil[i] = random_next() % 5 == 0;
        m->time[i] = (int64_t)(random_next() % 40);
        snprintf(m->text[i], sizeof m->text[i], "%s%lld", random_next() % 2 ? "" : "a long text ",
                 (long long)m->x[i]);
        strings[i] = wr_str_of(m->text[i], (uint32_t)strlen(m->text[i]));
        if (m->nil[i])
            wr_bit_clear(valid, i);
    }
    test_world_init(&stage->world);
    struct wr_schema *schema = wr_schema_new(&stage->world.arena, 3);
    static const char *const names[] = {"k", "x", "s"};
    for (uint32_t i = 0; i < 3; i++) {
        schema->fields[i].name = names[i];
        schema->fields[i].name_length = 1;
        schema->fields[i].type = WR_TYPE(i == 2 ? WR_STRING : WR_INT64);
    }
    columns[0] = (struct wr_column){.data = m->key};
    columns[1] = (struct wr_column){.data = m->x, .valid = valid};
    columns[2] = (struct wr_column){.data = strings, .valid = valid};
    stage->world.schema = schema;
    stage->world.scope.input = schema;
    stage->world.scope.flags |= WR_SCOPE_EVENT_TIME;
    stage->world.batch.schema = schema;
    stage->world.batch.columns = columns;
    stage->world.batch.row_count = stage->world.batch.sel_count = ROWS;
    stage->world.batch.event_time = m->time;
}

static int64_t model_distinct(const struct model *m, int64_t key) {
    int64_t count = 0;
    for (int64_t v = -25; v < 25; v++) {
        int seen = 0;
        for (uint32_t i = 0; i < ROWS; i++)
            seen |= !m->nil[i] && m->key[i] == key && m->x[i] == v;
        count += seen;
    }
    return count;
}

/* list(x): the values that are not nil, by event time, ties by arrival. */
static void model_list(const struct model *m, int64_t key, char *text) {
    int first = 1;
    *text++ = '[';
    for (int64_t at = 0; at < 40; at++) {
        for (uint32_t i = 0; i < ROWS; i++) {
            if (m->nil[i] || m->key[i] != key || m->time[i] != at)
                continue;
            text += snprintf(text, 24, "%s%lld", first ? "" : ",", (long long)m->x[i]);
            first = 0;
        }
    }
    snprintf(text, 2, "]");
}

static void model_check(const struct model *m, struct stage *stage, uint32_t row, int64_t key) {
    int64_t count = 0, some = 0, sum = 0, largest = INT64_MIN, where = 0;
    int64_t first = -1, last = -1, by_text = -1;
    char text[64];
    for (uint32_t i = 0; i < ROWS; i++) {
        if (m->key[i] != key)
            continue;
        count++;
        if (m->nil[i])
            continue;
        some++;
        sum += m->x[i];
        largest = m->x[i] > largest ? m->x[i] : largest;
        where += m->x[i] > 3;
        if (first < 0 || m->time[i] < m->time[first])
            first = i;
        if (last < 0 || m->time[i] >= m->time[last])
            last = i;
        int order = by_text < 0 ? -1 : strcmp(m->text[i], m->text[by_text]);
        if (order < 0 || (order == 0 && m->time[i] < m->time[by_text]))
            by_text = i;
    }
    const int64_t want[] = {count,      some,          sum,
                            largest,    where,         m->x[first],
                            m->x[last], m->x[by_text], model_distinct(m, key)};
    for (uint32_t item = 0; item < sizeof want / sizeof want[0]; item++) {
        snprintf(text, sizeof text, "%lld", (long long)want[item]);
        CHECK_STR(stage_show(stage, item, row), text);
    }
    static char list[ROWS * 8];
    model_list(m, key, list);
    CHECK_STR(stage_show(stage, 9, row), list);
}

TEST(random_rows_agree_with_a_slow_model_in_any_split) {
    random_state = test_seed();
    while (test_random_time_left()) {
        static struct model m;
        struct stage stage = {0};
        model_fill(&m, &stage);
        CHECK_INT(stage_bind(&stage, "k",
                             "n = count(), some = count(x), total = sum(x), top = max(x)\n"
                             "high = count(where x > 3), a = first(x), z = last(x)\n"
                             "low = min_by(x, s), d = count_distinct(x), l = list(x)\n"
                             "e = count_distinct(s), t = string_agg(s, ';' order by x limit 9)",
                             0),
                  ==, WR_OK);
        table_open(&stage);
        for (uint32_t at = 0; at < ROWS;) {
            uint32_t piece = (uint32_t)(random_next() % 100) + 1;
            piece = piece > ROWS - at ? ROWS - at : piece;
            stage_add(&stage, stage.table, at, at + piece);
            at += piece;
        }
        stage_fire(&stage, stage.table);
        for (uint32_t row = 0; row < stage.row_count; row++) {
            int64_t key;
            struct wr_column *keys = &stage.middle->columns[0];
            key = WR_I64(keys)[row];
            model_check(&m, &stage, row, key);
        }
        stage_close(&stage);
    }
}

/* `n = list(x order by x limit 2), m = max(x)` as the grammar gives it, without an allocation. */
static struct wr_value ast_text(const char *text) {
    return (struct wr_value){
        .kind = WR_VALUE_STRING, .count = (uint32_t)strlen(text), .string = text};
}
#define AST_MAP(values, ...) \
    ((struct wr_value){.kind = WR_VALUE_MAP, \
                       .count = sizeof values / sizeof values[0], \
                       .items = values, \
                       .names = (const char *[]){__VA_ARGS__}})
#define AST_LIST(values) \
    ((struct wr_value){ \
        .kind = WR_VALUE_LIST, .count = sizeof values / sizeof values[0], .items = values})

static int state_once(struct wr_arena *arena, const struct wr_scope *scope,
                      const struct wr_value *agg, const struct wr_batch *batch,
                      struct wr_budget *budget) {
    struct wr_aggregates *aggregates;
    struct wr_error err = {0};
    int status = wr_aggregates_bind(&aggregates, scope, NULL, agg, 0, &err);
    if (status != WR_OK)
        return status;
    struct wr_eval eval;
    uint64_t key = 0;
    uint64_t hash;
    uint8_t *rows[64];
    wr_eval_init(&eval, budget);
    struct wr_table *table = wr_table_new(budget, &aggregates->shape, 3);
    status = table == NULL ? WR_ENOMEM : wr_list_run(aggregates->inputs, &eval, batch, arena);
    if (status == WR_OK) {
        wr_keys_build(&aggregates->layout, NULL, NULL, 1, 3, &key, &hash);
        status = wr_table_upsert(table, &key, &hash, 1, rows, NULL);
    }
    for (uint32_t i = 1; i < batch->row_count; i++)
        rows[i] = rows[0];
    if (status == WR_OK)
        status = wr_aggregates_add(aggregates, &eval, table, rows, batch, NULL, batch->row_count);
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, budget);
    struct wr_batch *middle = status == WR_OK ? wr_batch_new(&pool, aggregates->middle) : NULL;
    uint16_t fails[1], guilty[1];
    if (status == WR_OK)
        status = middle == NULL ? WR_ENOMEM
                                : wr_aggregates_result(aggregates, rows, 1, middle, fails, guilty);
    if (status == WR_OK)
        CHECK_MEM(wr_str_bytes(&WR_STR(&middle->columns[0])[0]), "[0,1]", 5);
    wr_batch_unref(middle);
    wr_batch_pool_release(&pool);
    if (table != NULL)
        wr_table_free(table);
    wr_eval_release(&eval);
    return status;
}

TEST_EACH_ALLOCATION_FAILS(binding_adding_and_firing_give_everything_back) {
    struct wr_value name[] = {ast_text("name"), ast_text("x")};
    struct wr_value column = AST_MAP(name, "k", "name");
    struct wr_value limit[] = {
        ast_text("lit"), ast_text("int64"), {.kind = WR_VALUE_INT, .integer = 2}};
    struct wr_value order[] = {column};
    struct wr_value orders[] = {AST_MAP(order, "expr")};
    struct wr_value args[] = {column};
    struct wr_value list[] = {AST_LIST(args), ast_text("call"), AST_MAP(limit, "k", "type", "v"),
                              ast_text("list"), AST_LIST(orders)};
    struct wr_value max[] = {AST_LIST(args), ast_text("call"), ast_text("max")};
    struct wr_value first[] = {AST_MAP(list, "args", "k", "limit", "name", "order"), ast_text("n")};
    struct wr_value second[] = {AST_MAP(max, "args", "k", "name"), ast_text("m")};
    struct wr_value items[] = {AST_MAP(first, "expr", "name"), AST_MAP(second, "expr", "name")};
    struct wr_value agg = AST_LIST(items);
    struct wr_budget budget = WR_BUDGET_INIT("test", 0);
    struct wr_arena arena;
    static int64_t x[40];
    for (int64_t i = 0; i < 40; i++)
        x[i] = 39 - i;
    struct wr_column columns[] = {{.data = x}};
    wr_arena_init(&arena, &budget, 4096);
    struct wr_schema *schema = wr_schema_new(&arena, 1);
    if (schema != NULL) {
        schema->fields[0].name = "x";
        schema->fields[0].name_length = 1;
        schema->fields[0].type = WR_TYPE(WR_INT64);
        struct wr_scope scope = {.arena = &arena, .input = schema, .timezone = "UTC"};
        struct wr_batch batch = {
            .schema = schema, .columns = columns, .row_count = 40, .sel_count = 40};
        int status = state_once(&arena, &scope, &agg, &batch, &budget);
        CHECK(status == WR_OK || status == WR_ENOMEM);
    }
    wr_arena_release(&arena);
    CHECK_INT(budget.bytes_used, ==, 0);
}
