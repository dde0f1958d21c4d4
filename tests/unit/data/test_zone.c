/* test_zone.c: time zones against the C library's, on both sides of every change of clocks. */
#include "test.h"

#include <time.h>

#include "base/status.h"
#include "data/time.h"
#include "data/zone.h"

static const struct wr_zone *zone(const char *name) {
    const struct wr_zone *found = NULL;
    struct wr_error err = {0};
    if (wr_zone_find(&found, name, strlen(name), &err) != WR_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", name, err.text);
    return found;
}

static int64_t seconds(const char *text) {
    int64_t us;
    CHECK(wr_timestamp_parse(text, strlen(text), &us));
    return us / WR_US_PER_SECOND;
}

/* What the C library says with TZ set: the zone must be current. */
static int32_t library_offset(int64_t time_s, int *is_dst) {
    time_t t = (time_t)time_s;
    struct tm tm;
    CHECK(localtime_r(&t, &tm) != NULL);
    *is_dst = tm.tm_isdst;
    return (int32_t)tm.tm_gmtoff;
}

static const char *const names[] = {
    "Europe/Berlin",   "America/New_York",    "America/Sao_Paulo",
    "Asia/Kolkata",    "Australia/Lord_Howe", "Africa/Casablanca",
    "Europe/Dublin",   "Pacific/Apia",        "Asia/Tehran",
    "America/Nuuk",    "Antarctica/Troll",    "Asia/Gaza",
    "Pacific/Chatham", "Etc/GMT+5",           "UTC",
};

static uint64_t random_state;
static uint64_t random_next(void) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 20;
}

TEST(offsets_agree_with_the_c_library_at_random_times) {
    random_state = test_seed();
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        setenv("TZ", names[i], 1);
        tzset();
        const struct wr_zone *z = zone(names[i]);
        for (int n = 0; n < 4000; n++) {
            /* From 1900 to 2300. */
            int64_t at = (int64_t)(random_next() % 12622780800) - 2208988800;
            struct wr_zone_span span;
            int is_dst;
            wr_zone_span_at(z, at, &span);
            int32_t want = library_offset(at, &is_dst);
            if (span.offset_s != want || (span.is_dst != 0) != (is_dst > 0))
                test_fail(__FILE__, __LINE__, "%s at %lld: %d, not %d", names[i], (long long)at,
                          span.offset_s, want);
            CHECK_INT(span.from_s, <=, at);
            CHECK_INT(span.to_s, >, at);
        }
    }
    setenv("TZ", "UTC", 1);
    tzset();
}

TEST(spans_meet_and_differ) {
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct wr_zone *z = zone(names[i]);
        int64_t at = seconds("1950-01-01T00:00:00Z");
        for (int n = 0; n < 400; n++) {
            struct wr_zone_span span;
            wr_zone_span_at(z, at, &span);
            if (span.to_s == INT64_MAX)
                break;
            struct wr_zone_span next;
            wr_zone_span_at(z, span.to_s, &next);
            CHECK_INT(next.from_s, ==, span.to_s);
            at = span.to_s;
        }
    }
}

TEST(a_local_time_comes_back_from_its_utc_time) {
    random_state = test_seed();
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct wr_zone *z = zone(names[i]);
        for (int n = 0; n < 4000; n++) {
            int64_t at = (int64_t)(random_next() % 6311390400) - 631152000; /* 1950 to 2150 */
            int64_t local = at + wr_zone_offset(z, at);
            int64_t back = wr_zone_from_local(z, local);
            /* The same, or the earlier one of two that show the same. */
            CHECK_INT(back, <=, at);
            CHECK_INT(back + wr_zone_offset(z, back), ==, local);
            if (back != at)
                CHECK_INT(at - back, <=, 86400);
        }
    }
}

TEST(clocks_put_forward_skip_and_clocks_put_back_repeat) {
    const struct wr_zone *berlin = zone("Europe/Berlin");
    CHECK_INT(wr_zone_offset(berlin, seconds("2024-03-31T00:59:59Z")), ==, 3600);
    CHECK_INT(wr_zone_offset(berlin, seconds("2024-03-31T01:00:00Z")), ==, 7200);
    CHECK_INT(wr_zone_offset(berlin, seconds("2024-10-27T00:59:59Z")), ==, 7200);
    CHECK_INT(wr_zone_offset(berlin, seconds("2024-10-27T01:00:00Z")), ==, 3600);
    /* 02:30 does not exist on that day: 03:30 of the new time. */
    CHECK_INT(wr_zone_from_local(berlin, seconds("2024-03-31T02:30:00Z")), ==,
              seconds("2024-03-31T01:30:00Z"));
    /* 02:30 comes twice: the first, of summer time. */
    CHECK_INT(wr_zone_from_local(berlin, seconds("2024-10-27T02:30:00Z")), ==,
              seconds("2024-10-27T00:30:00Z"));
}

TEST(a_time_beyond_the_rules_that_are_written_out_follows_the_cycle) {
    const struct wr_zone *z = zone("Europe/Berlin");
    int64_t cycle = INT64_C(146097) * 86400;
    int64_t summer = seconds("2100-07-01T12:00:00Z");
    int64_t winter = seconds("2100-01-01T12:00:00Z");
    for (int64_t n = 0; n < 20; n++) {
        CHECK_INT(wr_zone_offset(z, summer + n * cycle), ==, 7200);
        CHECK_INT(wr_zone_offset(z, winter + n * cycle), ==, 3600);
    }
}

TEST(offsets_are_zones_and_nonsense_is_refused) {
    static const char *const bad[] = {
        "",       "Nowhere/Town", "../../etc/passwd", "/etc/passwd", "Europe",
        "+19:00", "+02:0",        "+1:2:3",           "a b",         "Europe/Berlin\n"};
    CHECK_INT(wr_zone_offset(zone("+02:00"), 0), ==, 7200);
    CHECK_INT(wr_zone_offset(zone("-0530"), 0), ==, -19800);
    CHECK_INT(wr_zone_offset(zone("+2"), 0), ==, 7200);
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct wr_zone *z;
        struct wr_error err = {0};
        CHECK_INT(wr_zone_find(&z, bad[i], strlen(bad[i]), &err), ==, WR_ESCRIPT);
        CHECK_STR(err.code, "W114");
    }
}

TEST(a_zone_is_loaded_once) {
    CHECK_PTR(zone("Europe/Berlin"), ==, zone("Europe/Berlin"));
    CHECK_PTR(zone("UTC"), ==, wr_zone_utc());
}
