/* bench.h: queries of Nexmark, each a loop written by hand in C, what weir is measured against.
 *
 * A patient programmer's work for these columns alone: flat hash tables, rows laid out for the
 * query, nothing general. The same generator feeds both (conn/nexmark.h), in batches of
 * BATCH_ROWS, and the same results leave: columns of rows to a sink, a change as the old row with
 * weight -1 and the new one with +1, at most one change a key and batch.
 * Memory that is missing ends the program. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conn/nexmark.h"

#define BATCH_ROWS 1024
#define DAY_US INT64_C(86400000000)
#define SECOND_US INT64_C(1000000)

/* Columns of bids to be made. */
enum { AUCTION = 1, BIDDER = 2, PRICE = 4, CHANNEL = 8, URL = 16, EXTRA = 32 };

/* The bids of the next events. Texts live as long as the feed. */
struct feed {
    struct wr_nexmark nexmark;
    struct wr_nexmark_texts texts;
    struct wr_nexmark_rows rows;
    uint64_t next, end;
    unsigned columns;
    uint32_t count;
    int64_t *auction, *bidder, *price, *time, *behind;
    struct wr_str *channel, *url, *extra;
};
void feed_open(struct feed *feed, uint64_t events, uint64_t rate, unsigned columns);
/* False at the end. */
bool feed_next(struct feed *feed);

/* Where results go: counted, and written as CSV where `file` is not NULL. `kinds` has a letter a
 * column: i int64, t timestamp in microseconds, d decimal of three digits behind the point in 128
 * bits, s text. `weights` NULL: rows stay. */
struct sink {
    FILE *file;
    uint64_t row_count;
};
void sink_take(struct sink *sink, const char *kinds, const void *const *columns,
               const int8_t *weights, uint32_t count);

struct query {
    const char *name;
    unsigned columns;
    void (*run)(struct feed *feed, struct sink *sink);
};
extern const struct query stateless_queries[], window_queries[], update_queries[];

void *room(size_t count, size_t size); /* zeros */
void *more_room(void *old, size_t bytes);

/* ---- a flat table: open addressing over the numbers of rows, half full at most ---- */

/* Rows of `row_bytes` that begin with a key of one or two integers. A slot holds the upper half of
 * the hash beside the row's number + 1, so that few others are looked at. */
struct table {
    uint64_t *slots, mask;
    char *rows;
    size_t row_bytes;
    int key_ints; /* 1 or 2 */
    uint32_t row_count, row_max;
};
void table_init(struct table *table, int key_ints, size_t row_bytes);
void table_release(struct table *table);
void table_clear(struct table *table);
void table_grow(struct table *table);

static inline uint64_t hash_of(int64_t a, int64_t b) {
    uint64_t x = (uint64_t)a * 0x9e3779b97f4a7c15u ^ (uint64_t)b * 0xc2b2ae3d27d4eb4fu;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 29;
}

/* The row of a key, zeros behind the key where it is new. `key_ints` is a constant 1 or 2. Valid
 * until the next one is made. */
static inline void *table_row(struct table *table, int64_t a, int64_t b, int key_ints) {
    if ((uint64_t)table->row_count * 2 > table->mask)
        table_grow(table);
    uint64_t hash = hash_of(a, b), tag = hash >> 32 << 32, slot = hash & table->mask;
    for (;; slot = (slot + 1) & table->mask) {
        uint64_t entry = table->slots[slot];
        if (entry == 0)
            break;
        int64_t *row = (int64_t *)(table->rows + ((uint32_t)entry - 1) * table->row_bytes);
        if ((entry & ~(uint64_t)UINT32_MAX) == tag && row[0] == a && (key_ints == 1 || row[1] == b))
            return row;
    }
    if (table->row_count == table->row_max) {
        table->row_max *= 2;
        table->rows = more_room(table->rows, table->row_max * table->row_bytes);
    }
    int64_t *row = (int64_t *)(table->rows + table->row_count * table->row_bytes);
    __builtin_memset(row, 0, table->row_bytes);
    row[0] = a;
    if (key_ints == 2)
        row[1] = b;
    table->slots[slot] = tag | ++table->row_count;
    return row;
}

/* The start of the span of `width` that a time is in. Times are not negative. */
static inline int64_t start_of(int64_t time, int64_t width) {
    return time - time % width;
}
