/* test_time.c: the calendar; timestamps, dates and durations as text. */
#include "test.h"

#include <time.h>

#include "data/time.h"
#include "data/time_write.h"

static const char *timestamp_text(int64_t us) {
    static char text[WR_TIME_TEXT_MAX];
    CHECK_INT(wr_timestamp_format(us, text), ==, strlen(text));
    return text;
}

/* The text of what was read, or NULL. */
static const char *again(const char *text) {
    int64_t us;
    return wr_timestamp_parse(text, strlen(text), &us) ? timestamp_text(us) : NULL;
}

static const char *again_as(const char *format, const char *text) {
    int64_t us;
    return wr_timestamp_parse_as(format, text, strlen(text), &us) ? timestamp_text(us) : NULL;
}

TEST(days_and_civil_dates_agree_over_many_centuries) {
    int64_t days = wr_days_from_civil(-4800, 1, 1);
    for (int64_t year = -4800; year <= 4800; year++) {
        int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (int month = 1; month <= 12; month++) {
            int count = month == 2 ? 28 + leap : 30 + (month + month / 8) % 2;
            for (int day = 1; day <= count; day++, days++) {
                int64_t y;
                int m, d;
                wr_civil_from_days(days, &y, &m, &d);
                if (y != year || m != month || d != day ||
                    wr_days_from_civil(year, month, day) != days)
                    test_fail(__FILE__, __LINE__, "day %lld is %lld-%d-%d", (long long)days,
                              (long long)year, month, day);
            }
        }
    }
    CHECK_INT(wr_days_from_civil(1970, 1, 1), ==, 0);
}

TEST(timestamp_text_is_rfc_3339_with_a_trimmed_fraction) {
    CHECK_STR(timestamp_text(0), "1970-01-01T00:00:00Z");
    CHECK_STR(timestamp_text(1711879200000000), "2024-03-31T10:00:00Z");
    CHECK_STR(timestamp_text(1711879200120000), "2024-03-31T10:00:00.120Z");
    CHECK_STR(timestamp_text(1711879200000001), "2024-03-31T10:00:00.000001Z");
    CHECK_STR(timestamp_text(-1), "1969-12-31T23:59:59.999999Z");
    CHECK_STR(timestamp_text(INT64_MAX), "+294247-01-10T04:00:54.775807Z");
    CHECK_STR(timestamp_text(INT64_MIN), "-290308-12-21T19:59:05.224192Z");
}

TEST(timestamp_reads_the_forms_of_iso_8601) {
    CHECK_STR(again("2024-03-31T10:00:00Z"), "2024-03-31T10:00:00Z");
    CHECK_STR(again("2024-03-31t10:00:00z"), "2024-03-31T10:00:00Z");
    CHECK_STR(again("2024-03-31 10:00"), "2024-03-31T10:00:00Z");
    CHECK_STR(again("2024-03-31T10:00:00.5+02:00"), "2024-03-31T08:00:00.500Z");
    CHECK_STR(again("2024-03-31T10:00:00.123456789-0130"), "2024-03-31T11:30:00.123456Z");
    CHECK_STR(again("2024-03-31 10:00:00+00"), "2024-03-31T10:00:00Z");
    CHECK_STR(again("2024-03-31 10:00+01"), "2024-03-31T09:00:00Z");
    CHECK_STR(again("2000-02-29T23:59:59Z"), "2000-02-29T23:59:59Z");
    CHECK_STR(again("0000-01-01T00:00:00Z"), "0000-01-01T00:00:00Z");
    CHECK_STR(again("-290308-12-21T19:59:05.224192Z"), "-290308-12-21T19:59:05.224192Z");
    CHECK_STR(again("+294247-01-10T04:00:54.775807Z"), "+294247-01-10T04:00:54.775807Z");
}

TEST(timestamp_refuses_what_is_none) {
    const char *bad[] = {"",
                         "2024",
                         "2024-03-31",
                         "2024-03-31T",
                         "2024-03-31T10",
                         "2024-3-31T10:00",
                         "2024-13-01T10:00",
                         "2024-00-01T10:00",
                         "2023-02-29T10:00",
                         "1900-02-29T10:00",
                         "2024-04-31T10:00",
                         "2024-03-31T24:00",
                         "2024-03-31T10:60",
                         "2024-03-31T10:00:60",
                         "2024-03-31T10:00:00.",
                         "2024-03-31T10:00:00.1234567890",
                         "2024-03-31T10:00:00+24:00",
                         "2024-03-31T10:00:00+1",
                         "2024-03-31T10:00:00+01:0",
                         "2024-03-31T10:00:00ZZ",
                         "2024-03-31T10:00:00 Z",
                         " 2024-03-31T10:00:00Z",
                         "2024-03-31T10:00:00Z ",
                         "+294247-01-10T04:00:54.775808Z",
                         "-290308-12-21T19:59:05.224191Z",
                         "+999999-01-01T00:00:00Z",
                         "2024/03/31 10:00",
                         "2024-03-31T1O:00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (again(bad[i]) != NULL)
            test_fail(__FILE__, __LINE__, "`%s` is refused, not %s", bad[i], again(bad[i]));
}

TEST(timestamp_written_reads_back_equal) {
    uint64_t state = test_seed();
    for (int i = 0; i < 300000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int64_t us = (int64_t)(state ^ state >> 29) >> (i % 40), back = 0;
        const char *text = timestamp_text(us);
        CHECK(wr_timestamp_parse(text, strlen(text), &back));
        CHECK_INT(back, ==, us);
    }
}

TEST(date_text_reads_back_and_refuses_more) {
    char text[WR_TIME_TEXT_MAX];
    int64_t days = 0;
    CHECK(wr_date_parse("2024-02-29", 10, &days));
    CHECK_INT(days, ==, 19782);
    CHECK_INT(wr_date_format(days, text), ==, 10);
    CHECK_STR(text, "2024-02-29");
    CHECK(!wr_date_parse("2023-02-29", 10, &days));
    CHECK(!wr_date_parse("2024-02-29T", 11, &days));
    CHECK(!wr_date_parse("2024-2-9", 8, &days));
}

TEST(timestamp_reads_numbers_since_1970) {
    CHECK_STR(again_as("ms", "1711879200123"), "2024-03-31T10:00:00.123Z");
    CHECK_STR(again_as("s", "1711879200"), "2024-03-31T10:00:00Z");
    CHECK_STR(again_as("s", "1711879200.25"), "2024-03-31T10:00:00.250Z");
    CHECK_STR(again_as("us", "-1"), "1969-12-31T23:59:59.999999Z");
    CHECK_STR(again_as("ns", "-1"), "1969-12-31T23:59:59.999999Z");
    CHECK_STR(again_as("ns", "1999"), "1970-01-01T00:00:00.000001Z");
    CHECK_STR(again_as("s", "1.0000000001"), "1970-01-01T00:00:01Z");
    CHECK_STR(again_as("s", "1.0000000001x"), NULL);
    CHECK_STR(again_as("s", "9223372036855"), NULL);
    CHECK_STR(again_as("s", "9223372036854.775807"), "+294247-01-10T04:00:54.775807Z");
    CHECK_STR(again_as("ms", "-9223372036854775.808"), "-290308-12-21T19:59:05.224192Z");
    CHECK_STR(again_as("us", "9223372036854775807"), "+294247-01-10T04:00:54.775807Z");
    CHECK_STR(again_as("us", "9223372036854775808"), NULL);
    CHECK_STR(again_as("ns", "9223372036854775807999"), "+294247-01-10T04:00:54.775807Z");
    CHECK_STR(again_as("s", "99999999999999999999"), NULL);
    CHECK_STR(again_as("ms", ""), NULL);
    CHECK_STR(again_as("ms", "12a"), NULL);
}

TEST(timestamp_reads_by_a_format) {
    CHECK_STR(again_as("%d.%m.%Y", "31.03.2024"), "2024-03-31T00:00:00Z");
    CHECK_STR(again_as("%Y%m%d %H%M%S.%f", "20240331 101112.5"), "2024-03-31T10:11:12.500Z");
    CHECK_STR(again_as("%d/%b/%Y:%H:%M:%S %z", "31/Mar/2024:10:00:00 +0200"),
              "2024-03-31T08:00:00Z");
    CHECK_STR(again_as("%A, %d %B %Y %I:%M %p", "Sunday, 31 March 2024 12:05 AM"),
              "2024-03-31T00:05:00Z");
    CHECK_STR(again_as("%e %b %y %I %p", " 1 jun 69 12 pm"), "1969-06-01T12:00:00Z");
    CHECK_STR(again_as("%F %T %Z", "2024-03-31 10:00:00 UTC"), "2024-03-31T10:00:00Z");
    CHECK_STR(again_as("%Y-%j", "2024-366"), "2024-12-31T00:00:00Z");
    CHECK_STR(again_as("%Y-%j", "2023-366"), NULL);
    CHECK_STR(again_as("%s", "1711879200"), "2024-03-31T10:00:00Z");
    CHECK_STR(again_as("100%% %Y", "100% 2024"), "2024-01-01T00:00:00Z");
    CHECK_STR(again_as("%d.%m.%Y", "31.03.2024 "), NULL);
    CHECK_STR(again_as("%d.%m.%Y", "31.03"), NULL);
    CHECK_STR(again_as("%d.%m.%Y", "32.03.2024"), NULL);
    CHECK_STR(again_as("%b", "Xyz"), NULL);
    CHECK_STR(again_as("%I %p", "13 pm"), NULL);
    CHECK_STR(again_as("%Q", "1"), NULL);
}

TEST(timestamp_tells_whether_its_text_had_an_offset) {
    int64_t us;
    int has_offset = 7;
    CHECK(wr_timestamp_parse_local(NULL, "2024-03-31 10:00", 16, &us, &has_offset));
    CHECK_INT(has_offset, ==, 0);
    CHECK(wr_timestamp_parse_local(NULL, "2024-03-31 10:00Z", 17, &us, &has_offset));
    CHECK_INT(has_offset, ==, 1);
    CHECK(wr_timestamp_parse_local("%Y", "2024", 4, &us, &has_offset) && has_offset == 0);
    CHECK(wr_timestamp_parse_local("%Y%z", "2024Z", 5, &us, &has_offset) && has_offset == 1);
    CHECK(wr_timestamp_parse_local("ms", "2024", 4, &us, &has_offset) && has_offset == 1);
}

static const char *duration_again(const char *text) {
    static char out[WR_TIME_TEXT_MAX];
    int64_t us;
    if (!wr_duration_parse(text, strlen(text), &us))
        return NULL;
    CHECK_INT(wr_duration_format(us, out), ==, strlen(out));
    return out;
}

static const char *duration_short(const char *text) {
    static char out[WR_TIME_TEXT_MAX];
    int64_t us, back;
    CHECK(wr_duration_parse(text, strlen(text), &us));
    CHECK_INT(wr_duration_format_short(us, out), ==, strlen(out));
    CHECK(wr_duration_parse(out, strlen(out), &back) && back == us);
    return out;
}

TEST(duration_text_goes_both_ways) {
    CHECK_STR(duration_again("1h30m"), "PT1H30M");
    CHECK_STR(duration_again("0s"), "PT0S");
    CHECK_STR(duration_again("36h"), "P1DT12H");
    CHECK_STR(duration_again("2w"), "P14D");
    CHECK_STR(duration_again("-1.5s"), "-PT1.500S");
    CHECK_STR(duration_again("7us"), "PT0.000007S");
    CHECK_STR(duration_again("P1DT1H1M1.25S"), "P1DT1H1M1.250S");
    CHECK_STR(duration_again("-P2W"), "-P14D");
    CHECK_STR(duration_again("PT90M"), "PT1H30M");
    CHECK_STR(duration_short("90m"), "1h30m");
    CHECK_STR(duration_short("-1500ms"), "-1s500ms");
    CHECK_STR(duration_short("0s"), "0s");
    CHECK_STR(duration_short("-9223372036854775808us"), "-106751991d4h54s775ms808us");
    CHECK_STR(duration_again("9223372036854775807us"), "P106751991DT4H54.775807S");
    const char *bad[] = {"",
                         "1",
                         "h",
                         "1x",
                         "1h-5m",
                         "-",
                         "P",
                         "PT",
                         "P1M",
                         "P1Y",
                         "PT1H1H",
                         "PT1S1H",
                         "1.s",
                         "0.5us",
                         "1 h",
                         "P1H",
                         "9223372036854775808us",
                         "99999999999999w",
                         "PT",
                         "P1DT",
                         "--1h",
                         "1hm"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (duration_again(bad[i]) != NULL)
            test_fail(__FILE__, __LINE__, "`%s` is refused", bad[i]);
}

/* The midnights of the first and the last day are outside the range. */
TEST(timestamps_one_after_the_other_are_written_with_their_own_days) {
    static const int64_t days[] = {INT64_MAX, INT64_MIN, 0, INT64_MAX - WR_US_PER_DAY, 1};
    struct wr_day_memo memo = {0};
    char expected[WR_TIME_TEXT_MAX], text[2 * WR_TIME_TEXT_MAX];
    for (int i = 0; i < 25; i++) { /* each behind each */
        int64_t before = days[i / 5], after = days[i % 5];
        wr_put_timestamp(&memo, text, before);
        *wr_put_timestamp(&memo, text, after) = 0;
        wr_timestamp_format(after, expected);
        CHECK_STR(text, expected);
    }
}
