/* test_conversion.c: the examples of conversions and conditions, json values, times and decimals.
 * */
#include "support_expr.h"

#include "base/assert.h"
#include "expr/function.h"

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

TEST(each_example_of_conversions_and_conditions_holds) {
    struct test_world world;
    test_world_init(&world);
    uint32_t ran = 0;
    for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
        const struct wr_function *function = wr_function_at(i);
        if (strcmp(function->group, "conversion") != 0 &&
            strcmp(function->group, "conditions") != 0)
            continue;
        CHECK(function->examples != NULL && function->doc != NULL);
        for (const struct wr_example *e = function->examples; e->text != NULL; e++, ran++) {
            struct row row = {e->text, e->result};
            if (strcmp(test_bind(&world, e->text), "") == 0 || strcmp(e->result, "nil") != 0)
                check_all(&world, &row, 1);
        }
    }
    CHECK_INT(ran, >, 30);
    test_world_release(&world);
}

TEST(times_add_subtract_and_compare) {
    static const struct row rows[] = {
        {"ts - timestamp'2024-03-31T00:00:00Z'", "PT10H"},
        {"ts + duration'90m'", "2024-03-31T11:30:00Z"},
        {"duration'1d' + ts", "2024-04-01T10:00:00Z"},
        {"ts - duration'1us'", "2024-03-31T09:59:59.999999Z"},
        {"d - date'2024-02-28'", "P2D"},
        {"d + 1", "2024-03-02"},
        {"1 + d", "2024-03-02"},
        {"d - 1", "2024-02-29"},
        {"d + duration'48h'", "2024-03-03"},
        {"d + duration'1h'", "fails W502"},
        {"dur + dur", "PT3H"},
        {"dur * 2", "PT3H"},
        {"0.5 * dur", "PT45M"},
        {"dur / duration'30m'", "3.0"},
        {"dur / 2", "PT45M"},
        {"dur / 0", "fails W503"},
        {"dur // duration'1h'", "1"},
        {"dur % duration'1h'", "PT30M"},
        {"-dur % duration'1h'", "PT30M"},
        {"-dur // duration'1h'", "-2"},
        {"dur // (dur - dur)", "fails W503"},
        {"ts + duration(9223372036854775807, 'us')", "fails W504"},
        {"dur * 9223372036854775807", "fails W504"},
        {"dur * 1e300", "fails W504"},
        {"ts > timestamp'2024-03-31'", "true"},
        {"d == date'2024-03-01'", "true"},
        {"dur < duration'2h'", "true"},
        {"ts in (timestamp'2024-03-31T10:00:00Z', nil)", "true"},
        {"-dur", "-PT1H30M"},
        {"nts + dur", "nil"},
        {"nts < ts", "false"},
        {"string(ts)", "'2024-03-31T10:00:00Z'"},
        {"date(ts)", "2024-03-31"},
        {"timestamp(d)", "2024-03-01T00:00:00Z"},
        {"timestamp(1711879200000, 'ms')", "2024-03-31T10:00:00Z"},
    };
    struct test_world world;
    test_world_init(&world);
    static const char *const ts[] = {"timestamp'2024-03-31T10:00:00Z'"}, *const nts[] = {"nil"};
    static const char *const d[] = {"date'2024-03-01'"}, *const dur[] = {"duration'90m'"};
    test_world_column(&world, "ts", "timestamp", 1, ts);
    test_world_column(&world, "nts", "timestamp", 1, nts);
    test_world_column(&world, "d", "date", 1, d);
    test_world_column(&world, "dur", "duration", 1, dur);
    check_all(&world, rows, WR_COUNT(rows));
    CHECK_STR(test_bind(&world, "ts + ts"), "W104");
    CHECK_STR(test_bind(&world, "ts * 2"), "W104");
    CHECK_STR(test_bind(&world, "ts == '2024'"), "W104");
    CHECK_STR(test_bind(&world, "ts == d"), "W104");
    CHECK_STR(test_bind(&world, "ts - d"), "W104");
    CHECK_STR(test_bind(&world, "timestamp'31.3.24'"), "W114");
    CHECK_CONTAINS(world.err.text, "`31.3.24` is no timestamp");
    CHECK_INT(world.err.from, ==, 14);
    CHECK_STR(test_bind(&world, "date'2024-02-30'"), "W114");
    CHECK_STR(test_bind(&world, "duration'5 parsecs'"), "W114");
    CHECK_STR(test_bind(&world, "decimal'x'"), "W114");
    test_world_release(&world);
}

TEST(parse_number_takes_groups_of_digits_for_what_they_are) {
    static const struct row rows[] = {
        {"parse_number('1,234,567.89')", "1234567.89"},
        {"parse_number(' -12,345 ')", "-12345.0"},
        {"parse_number('+1234567.5')", "1234567.5"},
        {"parse_number('0.125')", "0.125"},
        {"parse_number('1.5e3')", "1500.0"},
        {"parse_number('900,00')", "fails W501"},
        {"parse_number('1.250,50')", "fails W501"},
        {"parse_number('12,34')", "fails W501"},
        {"parse_number('1,2,3')", "fails W501"},
        {"parse_number('1234,567')", "fails W501"},
        {"parse_number('0,125')", "fails W501"},
        {"parse_number('1,,234')", "fails W501"},
        {"parse_number('1,234,')", "fails W501"},
        {"parse_number(',123')", "fails W501"},
        {"parse_number('1.234,567')", "fails W501"},
        {"parse_number('12,34,567')", "fails W501"},
        {"parse_number('1,234,567', 'en-IN')", "fails W501"},
        {"parse_number('12,34,567.5', 'en_IN')", "1234567.5"},
        {"parse_number('12,34,567', 'hi')", "1234567.0"},
        {"parse_number('12,345', 'hi-IN')", "12345.0"},
        {"parse_number('1.234.567,5', 'de')", "1234567.5"},
        {"parse_number('900.00', 'de')", "fails W501"},
        {"parse_number('1,234.5', 'de')", "fails W501"},
        {"parse_number('1 234\xc2\xa0"
         "567,5', 'fr')",
         "1234567.5"},
        {"parse_number('1\xe2\x80\xaf"
         "234 ', 'sv')",
         "1234.0"},
        {"parse_number('1 23', 'fr')", "fails W501"},
        {"parse_number('1.5', 'fr')", "fails W501"},
        {"parse_number('- 5', 'fr')", "fails W501"},
        {"parse_number(\"12'34\", 'ch')", "fails W501"},
        {"parse_number('1\xe2\x80\x99"
         "234.5', 'de-CH')",
         "1234.5"},
        {"parse_number('', 'de')", "fails W501"},
        {"parse_number('1', 'xx')", "fails W501"},
    };
    struct test_world world;
    test_world_init(&world);
    check_all(&world, rows, WR_COUNT(rows));
    test_world_release(&world);
}

TEST(times_without_an_offset_are_of_the_script) {
    static const struct row rows[] = {
        {"timestamp'2024-07-01T10:00:00'", "2024-07-01T08:00:00Z"},
        {"timestamp'2024-07-01T10:00:00Z'", "2024-07-01T10:00:00Z"},
        {"timestamp'2024-07-01T10:00:00-01:00'", "2024-07-01T11:00:00Z"},
        {"timestamp'2024-01-01'", "2023-12-31T23:00:00Z"},
        {"timestamp('1.1.2024 12:00', '%d.%m.%Y %H:%M')", "2024-01-01T11:00:00Z"},
        {"timestamp('2024-01-01 12:00 +0000', '%Y-%m-%d %H:%M %z')", "2024-01-01T12:00:00Z"},
        {"timestamp('1704067200', 's')", "2024-01-01T00:00:00Z"},
        {"timestamp(date'2024-01-01')", "2023-12-31T23:00:00Z"},
        {"timestamp(date'2024-01-01', 'UTC')", "2024-01-01T00:00:00Z"},
        {"date(timestamp'2023-12-31T23:00:00Z')", "2024-01-01"},
        {"date(timestamp'2023-12-31T23:00:00Z', 'UTC')", "2023-12-31"},
    };
    struct test_world world;
    test_world_init(&world);
    world.scope.timezone = "Europe/Berlin";
    check_all(&world, rows, WR_COUNT(rows));
    test_world_release(&world);
}

TEST(decimals_are_exact_or_fail) {
    static const struct row rows[] = {
        {"p + q", "12.840"},
        {"p - q", "11.840"},
        {"p * q", "6.17000"},
        {"p * 3", "37.02"},
        {"p / q", "24.680000"},
        {"p // q", "24"},
        {"p % q", "0.340"},
        {"-p // q", "-25"},
        {"-p % q", "0.160"},
        {"p / zero", "fails W503"},
        {"p > q", "true"},
        {"p == decimal'12.340'", "true"},
        {"p > 12", "true"},
        {"12 < p", "true"},
        {"p in (decimal'12.34', nil)", "true"},
        {"p + 1", "13.34"},
        {"-p", "-12.34"},
        {"big + big", "fails W504"},
        {"big * big", "fails W504"},
        {"float64(p)", "12.34"},
        {"int64(p)", "fails W502"},
        {"int64(zero)", "0"},
        {"string(p)", "'12.34'"},
        {"np + p", "nil"},
        {"np < p", "false"},
        {"decimal(0.5, 4, 2)", "0.50"},
        {"decimal(1234, 3, 0)", "fails W502"},
        {"decimal'1' / decimal'3'", "0.333333"},
        {"decimal'2' / decimal'3'", "0.666667"},
        {"coalesce(np, q)", "0.500"},
        {"case(p > q, p, q)", "12.340"},
    };
    struct test_world world;
    test_world_init(&world);
    static const char *const p[] = {"decimal'12.34'"}, *const q[] = {"decimal'0.500'"};
    static const char *const zero[] = {"decimal('0', 10, 2)"}, *const np[] = {"nil"};
    static const char *const big[] = {"decimal('99999999999999999999999999999999999999', 38, 0)"};
    test_world_column(&world, "p", "decimal(10,2)", 1, p);
    test_world_column(&world, "q", "decimal(6,3)", 1, q);
    test_world_column(&world, "zero", "decimal(10,2)", 1, zero);
    test_world_column(&world, "np", "decimal(10,2)", 1, np);
    test_world_column(&world, "big", "decimal(38,0)", 1, big);
    check_all(&world, rows, WR_COUNT(rows));
    CHECK_STR(test_bind(&world, "p + 0.5"), "W104");
    CHECK_STR(test_bind(&world, "p < 0.5"), "W104");
    CHECK_STR(test_bind(&world, "p ^ 2"), "W104");
    test_world_release(&world);
}

static const struct row json_rows[] = {
    {"j.a", "5"},
    {"j.a + 1", "6"},
    {"j.a / 2", "2.5"},
    {"j.f * 2", "3.0"},
    {"j.s .. 'x'", "'hix'"},
    {"j.s + 1", "fails W505"},
    {"j.s + 1 ?? json'0'", "0"},
    {"j.missing", "nil"},
    {"j.missing.b[3].c", "nil"},
    {"j.l[1]", "1"},
    {"j.l[3].x", "true"},
    {"j.l[4]", "nil"},
    {"j.l[0]", "nil"},
    {"#j.l", "3"},
    {"#j.s", "2"},
    {"#j.a", "fails W505"},
    {"j.a == 5", "true"},
    {"j.a == 5.0", "true"},
    {"j.a == 'x'", "false"},
    {"j.s == 'hi'", "true"},
    {"j.s ~= 5", "true"},
    {"j.a < 6", "true"},
    {"j.a < 'x'", "fails W505"},
    {"j.s < 'z'", "true"},
    {"j.missing < 5", "false"},
    {"j.n == nil", "true"},
    {"j.a & 4", "4"},
    {"j.a // 0", "fails W503"},
    {"-j.a", "-5"},
    {"~j.a", "-6"},
    {"int64(j.a)", "5"},
    {"int64(j.d)", "12"},
    {"int64(j.s)", "fails W502"},
    {"float64(j.f)", "1.5"},
    {"string(j.s)", "'hi'"},
    {"string(j.l)", "'[1,\"b\",{\"x\":true}]'"},
    {"abs(j.f)", "1.5"}, /* a function of both int64 and float64 takes json as float64 */
    {"abs(j.f - 32)", "30.5"},
    {"abs(j.a)", "5.0"},
    {"round(j.f - 32)", "-31"},
    {"round(j.f + j.a, 1)", "6.5"},
    {"bool(j.l[3].x)", "true"},
    {"j.e", "\"a\\n\\u00e9\""},
    {"j.e == 'a\\n\xc3\xa9'", "true"},
    {"l[2]", "20"},
    {"l[9]", "nil"},
    {"#l", "2"},
    {"20 in l", "true"},
    {"5 in l", "false"},
    {"5 not in l", "true"},
    {"nil in l", "false"},
    {"l == l", "true"},
    {"st.x", "3"},
    {"st.y", "'q'"},
    {"st.x + 1", "4"},
    {"m['k']", "7"},
    {"m.k", "7"},
    {"m['z']", "nil"},
    {"#m", "1"},
    {"'b' in j.l", "true"},
    {"2 in j.l", "false"},
    {"1 in j.s", "fails W505"},
    {"j.l == json'[1, \"b\", {\"x\": true}]'", "true"},
    {"json'{\"a\":1,\"b\":[2]}' == json'{\"b\":[2.0],\"a\":1}'", "true"},
    {"j == j", "true"},
    {"nj.a", "nil"},
    {"nj == nil", "true"},
    {"coalesce(j.missing, j.a)", "5"},
    {"j.a in (4, 5)", "true"},
    {"j.s in ('hi', nil)", "true"},
    {"abs_of(1)", "error W101"},
};

static void world_of_json(struct test_world *world) {
    test_world_init(world);
    static const char *const j[] = {
        "'{\"a\":5,\"f\":1.5,\"s\":\"hi\",\"l\":[1,\"b\",{\"x\":true}],\"n\":null,\"d\":\"12\","
        "\"e\":\"a\\\\n\\\\u00e9\"}'"};
    static const char *const nj[] = {"nil"}, *const l[] = {"'[10,20]'"};
    static const char *const st[] = {"'{\"x\":3,\"y\":\"q\"}'"}, *const m[] = {"'{\"k\":7}'"};
    test_world_column(world, "j", "json", 1, j);
    test_world_column(world, "nj", "json", 1, nj);
    test_world_column(world, "l", "list<int64>", 1, l);
    test_world_column(world, "st", "struct<x int64,y string>", 1, st);
    test_world_column(world, "m", "map<string,int64>", 1, m);
}

TEST(json_is_looked_at_row_by_row) {
    struct test_world world;
    world_of_json(&world);
    check_all(&world, json_rows, WR_COUNT(json_rows));
    test_world_release(&world);
}

TEST(paths_refuse_what_has_no_parts) {
    struct test_world world;
    world_of_json(&world);
    CHECK_STR(test_bind(&world, "st.z"), "W103");
    CHECK_STR(test_bind(&world, "l.x"), "W104");
    CHECK_STR(test_bind(&world, "j < true"), "W104");
    CHECK_STR(test_bind(&world, "j:int64()"), "W113");
    CHECK_STR(test_bind(&world, "'x' in l"), "W104");
    CHECK_STR(test_bind(&world, "j.t == timestamp'2024-01-01'"), "W104");
    CHECK_STR(test_bind(&world, "l < l"), "W104");
    test_world_release(&world);
}
