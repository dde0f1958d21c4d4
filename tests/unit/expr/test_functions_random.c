/* test_functions_random.c: every function with arguments that nobody would think of: the extremes
 * of each type, odd texts, invalid UTF-8. Nothing may crash; a result is a value, nil, or a failed
 * row. (The sanitizers' builds make this a search for overflows and stray reads.) */
#include "support_expr.h"

#include <math.h>

#include "base/bits.h"
#include "expr/function.h"
#include "expr/signature.h"

#define ROWS 96

static uint64_t random_state;
static uint32_t random_below(uint32_t n) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}
static uint64_t random_word(void) {
    return (uint64_t)random_below(1u << 31) << 33 ^ (uint64_t)random_below(1u << 31) << 11 ^
           random_below(4096);
}

static int64_t random_int(void) {
    static const int64_t odd[] = {0,
                                  1,
                                  -1,
                                  2,
                                  -2,
                                  7,
                                  INT64_MIN,
                                  INT64_MAX,
                                  INT64_MIN + 1,
                                  INT32_MAX,
                                  38,
                                  -400,
                                  INT64_C(1700000000000000),
                                  INT64_C(253402300800000000),
                                  12,
                                  1000};
    return random_below(3) ? odd[random_below(sizeof odd / sizeof odd[0])] : (int64_t)random_word();
}
static double random_float(void) {
    const double odd[] = {0,        -0.0,      1,     -1,      0.5,  NAN,
                          INFINITY, -INFINITY, 1e308, -1e-308, 89.9, 1e18};
    return random_below(3) ? odd[random_below(sizeof odd / sizeof odd[0])]
                           : ldexp((double)(int64_t)random_word(), -(int)random_below(80));
}

/* A text in `arena`, of one of several sorts. */
static struct wr_str random_text(struct wr_arena *arena) {
    static const char *const odd[] = {
        "",
        "a",
        "%d+",
        "(a",
        "[^a-z]+",
        "%",
        "%b()",
        "2024-03-31T10:20:30Z",
        "10.0.0.0/8",
        "::1",
        "https://u@h:1/p?q=1&r=%41#f",
        "&lt;&#x41;&bad;",
        "a,b,,c",
        "{\"a\":[1,{\"b\":null}]}",
        "[1,2,[3]]",
        "%Y-%m-%d",
        "month",
        "15m",
        "Europe/Berlin",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "01ARYZ6S410000000000000000",
        "\xff\xfe",
        "gr\xc3\xb6\xc3\x9f"
        "e",
        "e\xcc\x81",
        "d2Vpcg==",
        "$1",
        "a long text that is not inline, with more than one word in it",
        "\xf0\x9f\x98\x80",
        "-1.5e3"};
    if (random_below(4)) {
        const char *text = odd[random_below(sizeof odd / sizeof odd[0])];
        return wr_str_of(text, (uint32_t)strlen(text));
    }
    uint32_t length = random_below(60);
    char *bytes = wr_arena_alloc(arena, length + 1);
    CHECK(bytes != NULL);
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = (char)(random_below(8) ? 32 + random_below(95) : random_below(256));
    return wr_str_of(bytes, length);
}
static struct wr_str random_json(int list) {
    static const char *const lists[] = {"[]",
                                        "[1,2,3]",
                                        "[\"a\",null,\"b\\u00e9\"]",
                                        "[[1],[2,3]]",
                                        "[1.5,-2,9223372036854775807]",
                                        "[{\"a\":1}]",
                                        "[null]"};
    static const char *const others[] = {
        "1", "\"x\"", "{\"a\":1,\"b\":{\"c\":[1,2]},\"a\":2}", "true", "{}", "1e400", "-0"};
    const char *text = list || random_below(2) ? lists[random_below(7)] : others[random_below(7)];
    return wr_str_of(text, (uint32_t)strlen(text));
}

static const struct {
    const char *name, *type;
} columns[] = {{"s", "string"},
               {"y", "bytes"},
               {"i", "int64"},
               {"f", "float64"},
               {"b", "bool"},
               {"e", "decimal(20,4)"},
               {"t", "timestamp"},
               {"d", "date"},
               {"u", "duration"},
               {"j", "json"},
               {"l", "list<string>"},
               {"n", "list<int64>"},
               {"m", "map<string,int64>"}};
#define COLUMNS (sizeof columns / sizeof columns[0])

static void column_fill(struct test_world *world, uint32_t index, struct wr_column *column) {
    struct wr_type *type = &world->schema->fields[index].type;
    uint32_t width = wr_type_bytes(type->kind);
    char *data = wr_arena_alloc_zero(&world->arena, (size_t)width * ROWS);
    uint64_t *valid = wr_arena_alloc_zero(&world->arena, (ROWS / 64 + 1) * 8);
    CHECK(data != NULL && valid != NULL);
    for (uint32_t row = 0; row < ROWS; row++) {
        char *to = data + (size_t)row * width;
        wr_bit_put(valid, row, random_below(8) != 0);
        if (type->kind == WR_STRING || type->kind == WR_BYTES)
            *(struct wr_str *)(void *)to = random_text(&world->arena);
        else if (type->kind == WR_MAP)
            *(struct wr_str *)(void *)to = wr_str_of("{\"a\":1}", 7);
        else if (type->kind >= WR_JSON)
            *(struct wr_str *)(void *)to = random_json(type->kind == WR_LIST);
        else if (type->kind == WR_FLOAT64)
            *(double *)(void *)to = random_float();
        else if (type->kind == WR_BOOL)
            *to = (char)random_below(2);
        else if (type->kind == WR_DECIMAL)
            *(__int128 *)(void *)to = (__int128)random_int() * (int64_t)(random_below(10) + 1);
        else
            *(int64_t *)(void *)to = random_int();
    }
    *column = (struct wr_column){.data = data, .valid = valid};
}

static void world_fill(struct test_world *world, struct wr_column *data) {
    test_world_init(world);
    world->schema->field_count = COLUMNS;
    for (uint32_t i = 0; i < COLUMNS; i++) {
        world->schema->fields[i].name = columns[i].name;
        world->schema->fields[i].name_length = 1;
        world->schema->fields[i].type = test_type(&world->arena, columns[i].type);
        column_fill(world, i, &data[i]);
    }
    world->batch.columns = data;
    world->batch.row_count = world->batch.sel_count = ROWS;
}

/* A column's name, or a literal, for one parameter. */
static const char *argument(const struct wr_signature_form *form, uint32_t param) {
    static const char *const literals[] = {"'%d+'",   "'[a-z]+'", "'month'", "'15m'",
                                           "'%Y %H'", "'w%'",     "','",     "'a'"};
    const struct wr_pattern *pattern = &form->patterns[form->params[param].pattern];
    if (form->params[param].is_constant)
        return pattern->type.kind == WR_INT64 ? "3" : literals[random_below(8)];
    if (pattern->kind == WR_PATTERN_NUMBER)
        return (const char *const[]){"i", "f", "e"}[random_below(3)];
    if (pattern->kind == WR_PATTERN_TIME)
        return random_below(2) ? "t" : "d";
    if (pattern->kind == WR_PATTERN_TEXT)
        return random_below(2) ? "s" : "y";
    if (pattern->kind != WR_PATTERN_TYPE)
        return columns[random_below(COLUMNS)].name;
    if (pattern->type.kind == WR_STRING && random_below(3) == 0)
        return literals[random_below(8)];
    if (pattern->type.kind == WR_LIST)
        return (const char *const[]){"l", "n", "j"}[random_below(3)];
    for (uint32_t i = 0; i < COLUMNS; i++) {
        size_t length = strcspn(columns[i].type, "<(");
        if (wr_type_kind_named(columns[i].type, length) == pattern->type.kind)
            return columns[i].name;
    }
    return "j";
}

static void call_text(char *text, size_t size, const char *name,
                      const struct wr_signature_form *form) {
    size_t length = (size_t)snprintf(text, size, "x = %s(", name);
    uint32_t count = form->param_count;
    while (count > 0 && form->params[count - 1].default_kind != WR_DEFAULT_NONE && random_below(2))
        count--;
    int variadic = form->param_count > 0 && form->params[form->param_count - 1].is_variadic;
    count += variadic ? random_below(3) : 0;
    for (uint32_t a = 0; a < count; a++)
        length += (size_t)snprintf(text + length, size - length, "%s%s", a > 0 ? ", " : "",
                                   argument(form, wr_signature_param_of(form, a)));
    snprintf(text + length, size - length, ")");
}

/* Every value is whole: it can be shown, and a bool is 0 or 1. */
static void check_results(struct test_world *world, const struct wr_list *list) {
    const struct wr_item *item = &list->items[0];
    if (item->output < 0)
        return;
    const struct wr_column *column = &world->eval.outputs[item->output];
    uint32_t fail = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        while (fail < world->eval.fail_count && world->eval.fails[fail].row < row)
            fail++;
        if (fail < world->eval.fail_count && world->eval.fails[fail].row == row)
            continue;
        if (wr_column_is_nil(column, row))
            continue;
        CHECK(test_show(&item->type, column, row) != NULL);
        if (item->type.kind == WR_BOOL)
            CHECK_INT(WR_BOOLS(column)[row], <=, 1);
    }
}

TEST(no_function_minds_odd_arguments) {
    uint32_t ran = 0;
    random_state = test_seed();
    do {
        struct wr_column data[COLUMNS];
        struct test_world world;
        world_fill(&world, data);
        for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
            const struct wr_function *f = wr_function_at(i);
            if (f->flags & WR_FN_LUA)
                continue;
            for (const struct wr_signature *s = f->signatures; s->text != NULL; s++) {
                struct wr_signature_form form;
                struct wr_list *list;
                char text[512];
                CHECK(wr_signature_parse(s->text, &form));
                call_text(text, sizeof text, f->name, &form);
                if (wr_list_bind(&list, &world.scope, WR_LIST_DERIVE,
                                 test_parse_list(&world.arena, text), &world.err) != WR_OK)
                    continue; /* a literal or a type that does not fit */
                int status = wr_list_run(list, &world.eval, &world.batch, &world.arena);
                if (status != WR_OK)
                    test_fail(__FILE__, __LINE__, "%s: status %d", text, status);
                check_results(&world, list);
                ran++;
            }
        }
        test_world_release(&world);
    } while (test_random_time_left());
    CHECK_INT(ran, >, 150);
}
