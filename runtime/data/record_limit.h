/* record_limit.h: the longest record of a decoder, and its reject. */
#pragma once
#include <stdio.h>

#include "data/rows.h"

static inline uint64_t wr_record_limit(const struct wr_decoder *decoder) {
    uint32_t given = decoder->setup.record_bytes_max;
    return given == 0 ? WR_RECORD_BYTES_MAX : WR_MIN(given, WR_RECORD_BYTES_HARD);
}

/* Rejects the record at `at`, of which at least the limit is there. Shown are bytes that are there
 * wherever the input is cut. */
static inline int wr_reject_long(struct wr_rows *rows, const char *at) {
    struct wr_fault fault = {.code = WR_REJECT_LENGTH};
    uint64_t limit = wr_record_limit(rows->decoder);
    snprintf(fault.room, sizeof fault.room, "row longer than %llu bytes",
             (unsigned long long)limit);
    fault.text = fault.room;
    return wr_rows_reject(rows, &fault, at, limit);
}

/* Behind the byte order mark at the start of a file; NULL while it is not known to be one. */
static inline const char *wr_byte_order_mark_end(const char *at, const char *end, int last) {
    size_t length = (size_t)(end - at);
    if (length >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        return at + 3;
    return length < 3 && !last && memcmp(at, "\xef\xbb\xbf", length) == 0 ? NULL : at;
}
