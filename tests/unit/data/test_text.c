/* test_text.c: numbers and UTF-8 as text, both ways. */
#include "test.h"

#include <math.h>

#include "data/base64.h"
#include "data/simd.h"
#include "data/text.h"
#include "data/utf8.h"

static uint64_t random_state;

static uint64_t next_random(void) {
    random_state += 0x9e3779b97f4a7c15u;
    uint64_t x = random_state;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static const char *float_text(double value) {
    static char text[WR_NUMBER_TEXT_MAX + 1];
    text[wr_float64_format(value, text)] = 0;
    return text;
}

static const char *int_text(int64_t value) {
    static char text[WR_NUMBER_TEXT_MAX + 1];
    text[wr_int64_format(value, text)] = 0;
    return text;
}

TEST(int64_text_is_exact_at_the_limits) {
    CHECK_STR(int_text(0), "0");
    CHECK_STR(int_text(-7), "-7");
    CHECK_STR(int_text(100), "100");
    CHECK_STR(int_text(INT64_MAX), "9223372036854775807");
    CHECK_STR(int_text(INT64_MIN), "-9223372036854775808");
}

TEST(int64_text_agrees_with_printf_for_all_lengths) {
    char expected[32];
    uint64_t power = 1;
    random_state = test_seed() + 3;
    for (int length = 0; length < 19; length++, power *= 10) {
        for (int i = 0; i < 2000; i++) {
            int64_t value =
                (int64_t)(i < 4 ? power - 2 + (uint64_t)i : power + next_random() % (9 * power));
            value = i % 2 == 0 ? value : -value;
            snprintf(expected, sizeof expected, "%lld", (long long)value);
            CHECK_STR(int_text(value), expected);
        }
    }
}

static int int_parse(const char *text, int64_t *value) {
    return wr_int64_parse(text, strlen(text), value);
}

TEST(int64_parse_takes_all_digits_or_nothing) {
    int64_t value = 0;
    CHECK(int_parse("-9223372036854775808", &value) && value == INT64_MIN);
    CHECK(int_parse("9223372036854775807", &value) && value == INT64_MAX);
    CHECK(int_parse("+0042", &value) && value == 42);
    const char *bad[] = {"",   "-",  "+",   "9223372036854775808",     "-9223372036854775809",
                         " 1", "1 ", "1.0", "99999999999999999999999", "0x1",
                         "1e3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (int_parse(bad[i], &value))
            test_fail(__FILE__, __LINE__, "`%s` is refused", bad[i]);
}

TEST(float64_text_is_the_shortest_that_reads_back) {
    CHECK_STR(float_text(0.1), "0.1");
    CHECK_STR(float_text(1), "1.0");
    CHECK_STR(float_text(-0.0), "-0.0");
    CHECK_STR(float_text(100000), "100000.0");
    CHECK_STR(float_text(0.1 + 0.2), "0.30000000000000004");
    CHECK_STR(float_text(1e15), "1000000000000000.0");
    CHECK_STR(float_text(1e16), "1e+16");
    CHECK_STR(float_text(1.5e300), "1.5e+300");
    CHECK_STR(float_text(1e-4), "0.0001");
    CHECK_STR(float_text(1e-5), "1e-05");
    CHECK_STR(float_text(0.00012345), "0.00012345");
    CHECK_STR(float_text(123456789.125), "123456789.125");
    CHECK_STR(float_text(5e-324), "5e-324");
    CHECK_STR(float_text(1.7976931348623157e308), "1.7976931348623157e+308");
    CHECK_STR(float_text(9007199254740993.0), "9007199254740992.0");
    CHECK_STR(float_text(NAN), "nan");
    CHECK_STR(float_text(-INFINITY), "-inf");
}

/* Digits between the first and the last that is not 0, in front of an exponent. */
static int significant_digits(const char *text) {
    int count = 0, zeros = 0;
    for (; *text != 0 && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && count == 0))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        count++;
    }
    return count - zeros;
}

static int fewest_digits(double value) {
    char text[64];
    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            return value == 0 ? 0 : digits;
    }
    return 17;
}

TEST(float64_text_agrees_with_printf_about_the_shortest_digits) {
    random_state = test_seed();
    for (int i = 0; i < 200000 || test_random_time_left(); i++) {
        uint64_t bits = next_random();
        double value;
        memcpy(&value, &bits, sizeof value);
        if (i % 2 == 0) /* amounts of money and the like */
            value =
                (double)(int64_t)(bits % 2000000000000u) / (double[]){1, 10, 100, 1000, 7}[i % 5];
        if (!isfinite(value))
            continue;
        double back = 0;
        const char *text = float_text(value);
        CHECK(wr_float64_parse(text, strlen(text), 0, &back));
        if (memcmp(&back, &value, sizeof back) != 0 || strtod(text, NULL) != value)
            test_fail(__FILE__, __LINE__, "%s does not read back as %.17g", text, value);
        if (significant_digits(text) > fewest_digits(value))
            test_fail(__FILE__, __LINE__, "%s has more digits than %.17g needs", text, value);
    }
}

static int float_parse(const char *text, double *value) {
    return wr_float64_parse(text, strlen(text), 1, value);
}

TEST(float64_parse_is_correctly_rounded) {
    random_state = test_seed() + 1;
    char text[80];
    for (int i = 0; i < 200000; i++) {
        snprintf(text, sizeof text, "%s%llu.%llue%d", i % 2 ? "-" : "",
                 (unsigned long long)(next_random() >> next_random() % 64),
                 (unsigned long long)(next_random() >> next_random() % 64),
                 (int)(next_random() % 680) - 340);
        double value = 0, expected = strtod(text, NULL);
        if (!float_parse(text, &value) ? !isinf(expected) : value != expected)
            test_fail(__FILE__, __LINE__, "%s: %.17g, not %.17g", text, value, expected);
    }
}

TEST(float64_parse_knows_the_edges) {
    double value = 1;
    CHECK(float_parse("1e-400", &value) && value == 0 && !signbit(value));
    CHECK(float_parse("-1e-400", &value) && value == 0 && signbit(value));
    CHECK(float_parse("0e999999999999", &value) && value == 0);
    CHECK(float_parse("-0", &value) && signbit(value));
    CHECK(float_parse("+1.5", &value) && value == 1.5);
    CHECK(float_parse(".5", &value) && value == 0.5);
    CHECK(float_parse("5.", &value) && value == 5);
    CHECK(float_parse("NaN", &value) && isnan(value));
    CHECK(float_parse("-Infinity", &value) && value == -INFINITY);
    CHECK(!wr_float64_parse("nan", 3, 0, &value));
    const char *bad[] = {"",
                         "1e400",
                         "-1e400",
                         "1e",
                         ".",
                         "-",
                         "+",
                         "1e+",
                         "1 ",
                         "0x10",
                         "1..2",
                         "1e5.0",
                         "e5",
                         "--1",
                         "+-1",
                         "1,5",
                         "i",
                         "infi",
                         "1e99999999999999999999",
                         "na"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (float_parse(bad[i], &value))
            test_fail(__FILE__, __LINE__, "`%s` is refused", bad[i]);
}

static const char *decimal_round_trip(const char *text, uint8_t precision, uint8_t scale) {
    static char out[WR_NUMBER_TEXT_MAX + 1];
    __int128 value;
    if (!wr_decimal_parse(text, strlen(text), precision, scale, &value))
        return NULL;
    out[wr_decimal_format(value, scale, out)] = 0;
    return out;
}

TEST(decimal_text_is_exact_or_refused) {
    CHECK_STR(decimal_round_trip("12.3", 18, 2), "12.30");
    CHECK_STR(decimal_round_trip("-0.05", 18, 2), "-0.05");
    CHECK_STR(decimal_round_trip("12.300000000", 4, 2), "12.30");
    CHECK_STR(decimal_round_trip("000123.00", 5, 2), "123.00");
    CHECK_STR(decimal_round_trip("1.5e3", 6, 2), "1500.00");
    CHECK_STR(decimal_round_trip("1500e-3", 6, 2), "1.50");
    CHECK_STR(decimal_round_trip("0e50", 6, 2), "0.00");
    CHECK_STR(decimal_round_trip("7", 1, 0), "7");
    CHECK_STR(decimal_round_trip("99999999999999999999999999999999999999", 38, 0),
              "99999999999999999999999999999999999999");
    CHECK_STR(decimal_round_trip("-0.99999999999999999999999999999999999999", 38, 38),
              "-0.99999999999999999999999999999999999999");
    CHECK_STR(decimal_round_trip("12.345", 18, 2), NULL);
    CHECK_STR(decimal_round_trip("1000", 5, 2), NULL);
    CHECK_STR(decimal_round_trip("100000000000000000000000000000000000000", 38, 0), NULL);
    CHECK_STR(decimal_round_trip("999999999999999999999999999999999999999", 38, 0), NULL);
    CHECK_STR(decimal_round_trip("1e38", 38, 0), NULL);
    CHECK_STR(decimal_round_trip("", 5, 2), NULL);
    CHECK_STR(decimal_round_trip(".", 5, 2), NULL);
    CHECK_STR(decimal_round_trip("1x", 5, 2), NULL);
}

/* One sequence by the table of RFC 3629. */
static size_t slow_sequence(const unsigned char *s, size_t length) {
    for (uint32_t size = 1; size <= 4 && size <= length; size++) {
        uint32_t cp = s[0], low[] = {0, 0, 0x80, 0x800, 0x10000};
        if (size == 1 ? s[0] >= 0x80
                      : ((uint32_t)s[0] >> (7 - size)) != ((2u << size) - 2)) /* 110 1110 11110 */
            continue;
        cp &= size == 1 ? 0x7fu : 0x7fu >> size;
        for (uint32_t i = 1; i < size; i++) {
            if (s[i] < 0x80 || s[i] > 0xbf)
                return 0;
            cp = cp << 6 | (s[i] & 0x3f);
        }
        return cp < low[size] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff) ? 0 : size;
    }
    return 0;
}

static size_t slow_prefix(const char *text, size_t length) {
    size_t at = 0, size;
    while (at < length && (size = slow_sequence((const unsigned char *)text + at, length - at)) > 0)
        at += size;
    return at;
}

static void check_utf8(const char *text, size_t length) {
    size_t expected = slow_prefix(text, length);
    CHECK_INT(wr_utf8_valid_prefix_plain(text, length), ==, expected);
    CHECK_INT(wr_utf8_valid_prefix(text, length), ==, expected);
#if defined(__x86_64__)
    CHECK_INT(wr_utf8_valid_prefix_sse(text, length), ==, expected);
    if (wr_simd_level() == WR_SIMD_AVX2)
        CHECK_INT(wr_utf8_valid_prefix_avx2(text, length), ==, expected);
#endif
}

TEST(utf8_check_agrees_with_the_definition_on_all_short_sequences) {
    char text[80];
    for (uint32_t bits = 0; bits < 0x1000000; bits += bits < 0x20000 ? 1 : 251) {
        memset(text, 'a', sizeof text);
        memcpy(text + 30, &bits, 3);
        check_utf8(text + 28, 5);
        check_utf8(text, 33);
        check_utf8(text, 70);
    }
}

TEST(utf8_check_agrees_with_the_definition_on_damaged_text) {
    random_state = test_seed() + 2;
    char text[400];
    for (int round = 0; round < 100000; round++) {
        size_t length = 0;
        while (length < 300 && next_random() % 100 != 0) {
            uint64_t kind = next_random() % 8;
            uint32_t cp = (uint32_t)(next_random() % (kind < 5    ? 0x80
                                                      : kind == 5 ? 0x800
                                                                  : 0x110000));
            if (cp < 0xd800 || cp > 0xdfff)
                length += wr_utf8_put(cp, text + length);
        }
        CHECK_INT(wr_utf8_valid_prefix(text, length), ==, length);
        if (length > 0 && round % 4 != 0)
            text[next_random() % length] = (char)next_random();
        check_utf8(text, length);
    }
}

TEST(base64_reads_back_what_it_wrote) {
    char bytes[40], text[80], back[64];
    size_t count;
    for (size_t length = 0; length < sizeof bytes; length++) {
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)(i * 37 + length);
        size_t size = wr_base64_encode(bytes, length, text);
        CHECK_INT(size, ==, wr_base64_length(length));
        CHECK(wr_base64_decode(text, size, back, &count));
        CHECK_INT(count, ==, length);
        CHECK_MEM(back, bytes, length);
    }
    CHECK_INT(wr_base64_encode("light w", 7, text), ==, 12);
    CHECK_MEM(text, "bGlnaHQgdw==", 12);
    CHECK(wr_base64_decode("-_8", 3, back, &count) && count == 2);
    CHECK(!wr_base64_decode("AB==", 4, back, &count)); /* bits that belong to no byte */
    CHECK(!wr_base64_decode("A", 1, back, &count));
    CHECK(!wr_base64_decode("AA=A", 4, back, &count));
}
