/* csv_fast_plain.c: a byte at a time, for other machines and for the tests. */
#define SCAN_BYTES 1

/* 1 when the byte is `a` or `b`; *above when it is above 0x7f. */
static inline unsigned scan_block(const char *at, char a, char b, unsigned *above) {
    *above = (unsigned char)*at >> 7;
    return *at == a || *at == b;
}

#define RUN wr_csv_run_plain
#include "data/csv_fast_body.inc"
