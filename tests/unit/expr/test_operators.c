/* test_operators.c: the table of operators of the language: types, nil, failures, precedence. */
#include "support_expr.h"

#include "base/assert.h"

struct row {
    const char *text, *result;
};

static void check_all(struct test_world *world, const struct row *rows, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const char *result = test_eval(world, rows[i].text, 0);
        if (strcmp(result, rows[i].result) != 0)
            test_fail(__FILE__, __LINE__, "`%s` gives %s, expected %s (%s)", rows[i].text, result,
                      rows[i].result, world->err.text);
    }
}

/* One row: a value of each type, and a nil of each (n…). */
static void world_of_types(struct test_world *world) {
    test_world_init(world);
    static const char *const values[][3] = {
        {"i", "int64", "7"},     {"j", "int64", "-2"},     {"zero", "int64", "0"},
        {"f", "float64", "2.5"}, {"s", "string", "'abc'"}, {"b", "bool", "true"},
        {"c", "bool", "false"},  {"ni", "int64", "nil"},   {"nf", "float64", "nil"},
        {"ns", "string", "nil"}, {"nb", "bool", "nil"},
    };
    for (uint32_t i = 0; i < WR_COUNT(values); i++)
        test_world_column(world, values[i][0], values[i][1], 1, &values[i][2]);
}

TEST(arithmetic_is_that_of_lua) {
    static const struct row rows[] = {
        {"i + j", "5"},
        {"i - j", "9"},
        {"i * j", "-14"},
        {"i / j", "-3.5"},
        {"i // j", "-4"},
        {"i % j", "-1"},
        {"j // i", "-1"},
        {"j % i", "5"},
        {"i // zero", "fails W503"},
        {"i % zero", "fails W503"},
        {"i // 0", "fails W503"},
        {"i / zero", "inf"},
        {"f // j", "-2.0"},
        {"f % j", "-1.5"},
        {"f // 0", "inf"},
        {"i + f", "9.5"},
        {"i ^ 2", "49.0"},
        {"-i ^ 2", "-49.0"},
        {"2 ^ -1", "0.5"},
        {"2^3^2", "512.0"},
        {"-i", "-7"},
        {"9223372036854775807 + 1", "-9223372036854775808"},
        {"(-9223372036854775807 - 1) // -1", "-9223372036854775808"},
        {"(-9223372036854775807 - i // 7) // (j // 2)", "-9223372036854775808"},
        {"(-9223372036854775807 - i // 7) % (j // 2)", "0"},
        {"i & 3", "3"},
        {"i | 8", "15"},
        {"i ~ 1", "6"},
        {"~i", "-8"},
        {"i << 1", "14"},
        {"i >> 1", "3"},
        {"i << 64", "0"},
        {"i << -1", "3"},
        {"-1 >> 63", "1"},
        {"i .. s", "'7abc'"},
        {"s .. 'x' .. i", "'abcx7'"},
        {"#s", "3"},
        {"5.5 % -2", "-0.5"},
        {"-5.5 % 2", "0.5"},
        {"f - 2.5", "0.0"},
    };
    struct test_world world;
    world_of_types(&world);
    check_all(&world, rows, WR_COUNT(rows));
    test_world_release(&world);
}

TEST(nil_goes_through_arithmetic_and_makes_orderings_false) {
    static const struct row rows[] = {
        {"ni + 1", "nil"},
        {"1 - ni", "nil"},
        {"ni // zero", "nil"},
        {"ni % 2", "nil"},
        {"-ni", "nil"},
        {"ni ^ 2", "nil"},
        {"ni & 1", "nil"},
        {"~ni", "nil"},
        {"ns .. 'a'", "nil"},
        {"'a' .. ns .. 'b'", "nil"},
        {"#ns", "nil"},
        {"ni < 5", "false"},
        {"5 < ni", "false"},
        {"ni <= ni", "false"},
        {"ni >= 5", "false"},
        {"ns < 'a'", "false"},
        {"nf < 1", "false"},
        {"ni < 1.5", "false"},
        {"ni == nil", "true"},
        {"i == nil", "false"},
        {"i ~= nil", "true"},
        {"ni == 5", "false"},
        {"ni ~= 5", "true"},
        {"ni == ni", "true"},
        {"ni ~= ni", "false"},
        {"ns == 'a'", "false"},
        {"ns ~= 'a'", "true"},
        {"ns == ns", "true"},
        {"ni == nf", "true"},
        {"nb == true", "false"},
        {"nb ~= true", "true"},
        {"not nb", "true"},
        {"not ni", "true"},
        {"not (ni < 5)", "true"},
        {"ni in (1, 2)", "false"},
        {"ni not in (1, 2)", "true"},
        {"ni in (1, nil)", "true"},
        {"ni not in (1, nil)", "false"},
        {"i in (7, nil)", "true"},
        {"ns in ('a', 'b')", "false"},
        {"ns in ('a', nil)", "true"},
        {"ns like '%'", "false"},
        {"ns not like 'a'", "true"},
        {"nil + i", "nil"},
        {"i < nil", "false"},
        {"nil == nil", "true"},
    };
    struct test_world world;
    world_of_types(&world);
    check_all(&world, rows, WR_COUNT(rows));
    test_world_release(&world);
}

TEST(logic_is_that_of_lua) {
    static const struct row rows[] = {
        {"b and c", "false"},
        {"c and b", "false"},
        {"b and nb", "nil"},
        {"nb and b", "nil"},
        {"c and nb", "false"},
        {"nb and c", "nil"},
        {"b or c", "true"},
        {"c or nb", "nil"},
        {"nb or c", "false"},
        {"nb or b", "true"},
        {"c or b", "true"},
        {"ni or 3", "3"},
        {"i or 3", "7"},
        {"b and i or j", "7"},
        {"c and i or j", "-2"},
        {"nb and i or j", "-2"},
        {"b and ni or j", "-2"},
        {"not 0", "false"},
        {"not ''", "false"},
        {"ni ?? 4", "4"},
        {"i ?? 4", "7"},
        {"ni ?? ni ?? 5", "5"},
        {"i // zero ?? -1", "-1"},
        {"i // zero ?? i % zero ?? 9", "9"},
        {"i // zero ?? i % zero", "fails W503"},
        {"ni ?? 0 > 100", "false"},
        {"i ?? j + 1", "7"},
        {"(i // zero == nil) ?? false", "false"},
        {"c and i // zero == 1", "false"},
        {"b or i // zero == 1", "true"},
        {"case(c, i // zero, 8)", "8"},
        {"case(b, i, i // zero)", "7"},
        {"case(nb, 1)", "nil"},
        {"case(nb, 1, b, 2, 3)", "2"},
        {"coalesce(ni, nil, 4)", "4"},
        {"coalesce(ni, f)", "2.5"},
        {"ni ?? f", "2.5"},
        {"i ?? f", "7.0"},
        {"case(b and i, 1, 2)", "1"},
        {"case(b and ni, 1, 2)", "2"},
        {"not c == b", "true"},
        {"i or i // zero", "7"},
    };
    struct test_world world;
    world_of_types(&world);
    check_all(&world, rows, WR_COUNT(rows));
    test_world_release(&world);
}

TEST(comparisons_are_exact) {
    static const struct row rows[] = {
        {"9007199254740993 == 9007199254740992.0", "false"},
        {"i * 0 + 9007199254740993 == f * 0 + 9007199254740992.0", "false"},
        {"i * 0 + 9007199254740993 > f * 0 + 9007199254740992.0", "true"},
        {"i < 7.5", "true"},
        {"i <= 6.5", "false"},
        {"i > 6.5", "true"},
        {"i >= 7.5", "false"},
        {"7.5 > i", "true"},
        {"i == 7.0", "true"},
        {"i ~= 7.5", "true"},
        {"f > 2", "true"},
        {"2 < f", "true"},
        {"i < 0.0/0.0", "false"},
        {"0.0/0.0 == 0.0/0.0", "false"},
        {"0.0/0.0 ~= 0.0/0.0", "true"},
        {"i < 1e300", "true"},
        {"i > -1e300", "true"},
        {"s == 'abc'", "true"},
        {"s ~= 'abc'", "false"},
        {"s < 'abd'", "true"},
        {"s > 'ab'", "true"},
        {"s >= 'abc'", "true"},
        {"'B' < 'a'", "true"},
        {"i in (1, 7)", "true"},
        {"i in (1, 7.0)", "true"},
        {"i in (1, 7.5)", "false"},
        {"f in (1, 2.5)", "true"},
        {"s in ('x', 'abc')", "true"},
        {"s not in ('x', 'y')", "true"},
        {"i in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)", "true"},
        {"i in (j + 9, 3)", "true"},
        {"s like 'a%'", "true"},
        {"s like '_b_'", "true"},
        {"s like 'b%'", "false"},
        {"s like '%c'", "true"},
        {"s like '%b%'", "true"},
        {"s not like 'abc'", "false"},
        {"'a%c' like 'a\\\\%c'", "true"},
        {"'abc' like 'a\\\\%c'", "false"},
        {"'Mäx' like 'M_x'", "true"},
        {"'' like '%'", "true"},
        {"'ab' like '%a%b%'", "true"},
        {"'aab' like '%ab'", "true"},
        {"'ab' like 'ab_'", "false"},
        {"'' like ''", "true"},
        {"b == true", "true"},
        {"b ~= c", "true"},
    };
    struct test_world world;
    world_of_types(&world);
    check_all(&world, rows, WR_COUNT(rows));
    test_world_release(&world);
}

TEST(wrong_types_are_refused) {
    static const struct row rows[] = {
        {"i + s", "W104"},
        {"s + s", "W104"},
        {"i + b", "W104"},
        {"f & 1", "W104"},
        {"i < s", "W104"},
        {"b < c", "W104"},
        {"i == s", "W104"},
        {"f .. s", "W104"},
        {"b .. s", "W104"},
        {"#i", "W104"},
        {"-s", "W104"},
        {"~f", "W104"},
        {"i and b or s", "W104"},
        {"b and i", "W104"},
        {"(b and i) + 1", "W104"},
        {"i or s", "W104"},
        {"i ?? s", "W104"},
        {"i in ('a')", "W104"},
        {"i like 'a'", "W104"},
        {"s like s", "W104"},
        {"s like 'a\\\\'", "W115"},
        {"case(i, 1, 2)", "W107"},
        {"case(b, 1, 's')", "W104"},
        {"amout + 1", "W103"},
        {"lowr(s)", "W101"},
        {"nil", "W104"},
        {"nil + nil", "W104"},
        {"i in s", "W104"},
        {"case(b)", "W102"},
        {"is_nil(1, 2)", "W102"},
    };
    struct test_world world;
    world_of_types(&world);
    for (uint32_t i = 0; i < WR_COUNT(rows); i++) {
        const char *code = test_bind(&world, rows[i].text);
        if (strcmp(code, rows[i].result) != 0)
            test_fail(__FILE__, __LINE__, "`%s` gives `%s`, expected %s (%s)", rows[i].text, code,
                      rows[i].result, world.err.text);
    }
    test_world_release(&world);
}
