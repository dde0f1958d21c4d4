/* reject.h: a row that leaves by the rejects port, and its codes (W5xx of the language). */
#pragma once
#include <stdint.h>

struct wr_arena;
struct wr_batch;

/* X(name, number, reason) */
#define WR_REJECT_TABLE(X) \
    X(PARSE, 501, "cannot parse") \
    X(TYPE, 502, "value does not fit the type") \
    X(DIVISION, 503, "division by zero") \
    X(OVERFLOW, 504, "overflow") \
    X(KIND, 505, "wrong kind of value") \
    X(NO_TIME, 506, "no event time") \
    X(LATE, 507, "late") \
    X(EXPECT, 508, "expectation not met") \
    X(SINK, 509, "sink refused the row") \
    X(LENGTH, 510, "row too long") \
    X(LUA, 511, "Lua error") \
    X(MISSING, 512, "missing required column") \
    X(MATCH, 513, "match rejected") \
    X(QUARANTINED, 514, "the run died at it")

enum wr_reject_code {
    WR_REJECT_NONE = 0,
#define WR_REJECT_ENUM(name, number, text) WR_REJECT_##name = number,
    WR_REJECT_TABLE(WR_REJECT_ENUM)
#undef WR_REJECT_ENUM
};

const char *wr_reject_text(int code); /* the reason's fixed part */

/* One rejected row. Strings are lent until the call that it is given to returns. */
struct wr_reject {
    int code;
    const char *reason;     /* one of few, to group by; NULL: the code's text */
    const char *detail;     /* what is particular to the row: its value, "late by 3s"; or NULL */
    uint8_t only_warns;     /* the row goes on: counted, but no row of `rejects` */
    uint8_t ends_run;       /* the run fails with this as its error … */
    const char *help;       /* … and this, a constant, is what to do about it; or NULL */
    uint32_t stage;         /* plan node that rejects */
    uint32_t row;           /* physical row of `batch` */
    struct wr_batch *batch; /* borrowed; NULL for a record that could not be decoded at all … */
    const char *raw;        /* … then its text, `raw_length` bytes, … */
    uint32_t raw_length;
    const char *file; /* … and where it stands */
    uint64_t record;  /* number in the partition, from 0 */
    uint64_t line;    /* from 1 */
    uint64_t byte;    /* from 0 */
    uint32_t tried;   /* how often it was rejected before: of a record that is read again */
    uint32_t column;  /* 1-based byte within the record at which it went wrong; 0: unknown */
    uint32_t source, partition;
};
