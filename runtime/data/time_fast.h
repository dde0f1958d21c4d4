/* time_fast.h: the timestamp that machines write, `YYYY-MM-DDThh:mm:ss[.ffffff]Z`, in few steps.
 * Rows of one source have the same date for a long time, so the last one is remembered. */
#pragma once
#include <stdint.h>

#include "data/swar.h"
#include "data/time.h"

struct wr_time_memo {
    uint64_t year_month; /* the bytes `YYYY-MM-`; 0: nothing yet */
    uint32_t day;        /* the bytes `DD` */
    int64_t day_us;
};

/* Another date than before: remembers it. 0 when it is none. */
int wr_time_memo_set(struct wr_time_memo *memo, const char *text);

/* 1, or 0 for any other text: it may still be a timestamp. 32 bytes have to be readable. */
static inline int wr_timestamp_fast(struct wr_time_memo *memo, const char *text, uint32_t length,
                                    int64_t *timestamp_us) {
    uint16_t day;
    if (length < 20 || length > 27 || text[length - 1] != 'Z' ||
        (text[10] != 'T' && text[10] != ' '))
        return 0;
    memcpy(&day, text + 8, 2);
    if ((wr_load64(text) != memo->year_month || day != memo->day) && !wr_time_memo_set(memo, text))
        return 0;
    /* "00:00:00": the digits as numbers, 0 where the colons are. */
    uint64_t clock = wr_load64(text + 11) ^ UINT64_C(0x30303a30303a3030);
    if (((clock | (clock + UINT64_C(0x7676767676767676))) & UINT64_C(0x8080808080808080)) != 0 ||
        (clock & UINT64_C(0x0000ff0000ff0000)) != 0)
        return 0;
    uint32_t hour = (uint32_t)(clock & 15) * 10 + (uint32_t)(clock >> 8 & 15);
    uint32_t minute = (uint32_t)(clock >> 24 & 15) * 10 + (uint32_t)(clock >> 32 & 15);
    uint32_t second = (uint32_t)(clock >> 48 & 15) * 10 + (uint32_t)(clock >> 56 & 15);
    if (hour > 23 || minute > 59 || second > 59)
        return 0;
    int64_t us = memo->day_us + ((hour * 60 + minute) * 60 + second) * WR_US_PER_SECOND;
    if (length > 20) {
        unsigned count, expected = length - 21; /* behind the point, before the Z */
        uint64_t digits = wr_swar_digits(text + 20, &count);
        if (text[19] != '.' || count != expected || count == 0)
            return 0;
        us += (int64_t)(wr_swar_value_of(digits, count) * wr_pow10_u64[6 - count]);
    }
    *timestamp_us = us;
    return 1;
}
