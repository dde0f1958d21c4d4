/* ndjson_fast_plain.c: a byte at a time, for other machines and for the tests. */
#include "data/ndjson_fast.h"

static inline int literal_differs(const struct wr_step *step, const char *at) {
    return memcmp(step->literal, at, step->literal_length) != 0;
}

/* The first `"`, `\` or control byte; *high is not 0 when a byte before it is above 0x7f. */
static inline const char *string_scan(const char *at, unsigned *high) {
    for (; *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20; at++)
        *high |= (unsigned)*at & 0x80;
    return at;
}

#define RUN wr_fast_run_plain
#include "data/ndjson_fast_body.inc"
