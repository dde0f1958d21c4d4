/* time_write.h: RFC 3339 timestamps written one after the other: the date of the last one is kept,
 * since rows of one batch share it for the most part. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "data/digits.h"
#include "data/time.h"

struct wr_day_memo {
    int64_t day_us;  /* its midnight … */
    uint32_t known;  /* … once there is one */
    uint32_t length; /* of `text`: 11, or more for far years */
    char text[32];   /* "2024-03-31T" */
};

/* Another day than before: its midnight is remembered with its text. */
void wr_day_memo_set(struct wr_day_memo *memo, int64_t timestamp_us);

/* Writes at most WR_TIME_TEXT_MAX bytes (32 of them at once); returns behind the `Z`. */
static inline char *wr_put_timestamp(struct wr_day_memo *memo, char *at, int64_t timestamp_us) {
    uint64_t within = (uint64_t)timestamp_us - (uint64_t)memo->day_us;
    if (within >= (uint64_t)WR_US_PER_DAY || !memo->known) {
        wr_day_memo_set(memo, timestamp_us);
        within = (uint64_t)timestamp_us - (uint64_t)memo->day_us;
    }
    uint32_t seconds = (uint32_t)(within / WR_US_PER_SECOND);
    uint32_t micros = (uint32_t)(within - (uint64_t)seconds * WR_US_PER_SECOND);
    uint32_t minutes = seconds / 60, hour = minutes / 60;
    memcpy(at, memo->text, 32);
    at += memo->length;
    memcpy(at, wr_digit_pairs + hour * 2, 2);
    at[2] = ':';
    memcpy(at + 3, wr_digit_pairs + (minutes - hour * 60) * 2, 2);
    at[5] = ':';
    memcpy(at + 6, wr_digit_pairs + (seconds - minutes * 60) * 2, 2);
    at += 8;
    if (micros != 0) {
        uint32_t millis = micros / 1000, rest = micros - millis * 1000;
        *at++ = '.';
        *at++ = (char)('0' + millis / 100);
        memcpy(at, wr_digit_pairs + millis % 100 * 2, 2);
        at += 2;
        if (rest != 0) {
            *at++ = (char)('0' + rest / 100);
            memcpy(at, wr_digit_pairs + rest % 100 * 2, 2);
            at += 2;
        }
    }
    *at++ = 'Z';
    return at;
}
