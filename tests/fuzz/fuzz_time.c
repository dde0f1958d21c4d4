/* fuzz_time.c: times and durations. What was read and written reads back; the short way to read a
 * timestamp agrees with the long one. An input is a text, or a format, a 0 and a text. */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "data/time.h"
#include "data/time_fast.h"
#include "data/time_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void check_timestamp(int64_t us) {
    char text[WR_TIME_TEXT_MAX], again[2 * WR_TIME_TEXT_MAX];
    static struct wr_day_memo memo;
    int64_t back;
    size_t length = wr_timestamp_format(us, text);
    WR_ASSERT(wr_timestamp_parse(text, length, &back) && back == us);
    WR_ASSERT((size_t)(wr_put_timestamp(&memo, again, us) - again) == length);
    WR_ASSERT(memcmp(text, again, length) == 0);
}

static void check_duration(int64_t us) {
    char text[WR_TIME_TEXT_MAX];
    int64_t back;
    WR_ASSERT(wr_duration_parse(text, wr_duration_format(us, text), &back) && back == us);
    WR_ASSERT(wr_duration_parse(text, wr_duration_format_short(us, text), &back) && back == us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    static struct wr_time_memo memo;
    int64_t us, fast_us, days;
    char *text = wr_alloc(&wr_budget_control, size_bytes + 64);
    memcpy(text, data, size_bytes);
    memset(text + size_bytes, '0', 64);
    int parsed = wr_timestamp_parse(text, size_bytes, &us);
    if (parsed)
        check_timestamp(us);
    if (size_bytes < UINT32_MAX && wr_timestamp_fast(&memo, text, (uint32_t)size_bytes, &fast_us))
        WR_ASSERT(parsed && us == fast_us);
    if (wr_date_parse(text, size_bytes, &days)) {
        char date[WR_TIME_TEXT_MAX];
        int64_t back;
        WR_ASSERT(wr_date_parse(date, wr_date_format(days, date), &back) && back == days);
    }
    if (wr_duration_parse(text, size_bytes, &us))
        check_duration(us);
    if (size_bytes >= 8) {
        memcpy(&us, text, 8);
        check_timestamp(us);
        check_duration(us);
    }
    const char *end = memchr(text, 0, size_bytes);
    if (end != NULL &&
        wr_timestamp_parse_as(text, end + 1, (size_t)(text + size_bytes - end - 1), &us))
        check_timestamp(us);
    static const char *const units[] = {"s", "ms", "us", "ns"};
    for (int i = 0; i < 4; i++)
        if (wr_timestamp_parse_as(units[i], text, size_bytes, &us))
            check_timestamp(us);
    wr_free(&wr_budget_control, text);
    return 0;
}
