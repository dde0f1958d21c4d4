/* bench_state.c: keyed count and sum: what a probe costs, the worst insert, bytes a key, beside one
 * flat open-addressing table of C in the same program. Rows are 40 bytes: key, count, 128-bit sum
 * and a count of values that were not nil. Usage: bench_state [PROBES [KEYS...]] */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/key.h"
#include "state/table.h"

#define BATCH 1024u
#define SEED UINT64_C(0x1234567890abcdef)
#define DIRTY_ROWS 10000u
#define ROUNDS 3

struct row {
    uint64_t key;
    uint64_t count;
    uint64_t sum[2];
    uint64_t valid;
};
static const struct wr_shape shape = {.key_bytes = 8, .row_bytes = sizeof(struct row)};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double per(uint64_t ns, uint64_t count) {
    return (double)ns / (double)count;
}

/* The `i`-th key: spread over 64 bits, never 0. */
static uint64_t key_of(uint64_t i) {
    return wr_hash_u64(i + 1, 77) | 1;
}

static inline void update(struct row *row, uint64_t value) {
    unsigned __int128 sum;
    memcpy(&sum, row->sum, sizeof sum);
    sum += value;
    memcpy(row->sum, &sum, sizeof sum);
    row->count++;
    row->valid++;
}

/* ---- the flat table ---- */

struct flat {
    struct row *rows;
    uint64_t mask, count;
};

static struct row *flat_rows(uint64_t count) {
    return wr_alloc_zero(&wr_budget_control, count * sizeof(struct row));
}

static void flat_grow(struct flat *flat) {
    struct flat grown = {.mask = flat->mask * 2 + 1, .count = flat->count};
    grown.rows = flat_rows(grown.mask + 1);
    for (uint64_t i = 0; i <= flat->mask; i++) {
        if (flat->rows[i].key == 0)
            continue;
        uint64_t at = wr_hash_u64(flat->rows[i].key, SEED) & grown.mask;
        while (grown.rows[at].key != 0)
            at = (at + 1) & grown.mask;
        grown.rows[at] = flat->rows[i];
    }
    wr_free(&wr_budget_control, flat->rows);
    *flat = grown;
}

static inline struct row *flat_at(struct flat *flat, uint64_t key) {
    uint64_t at = wr_hash_u64(key, SEED) & flat->mask;
    while (flat->rows[at].key != key) {
        if (flat->rows[at].key == 0) {
            if (flat->count >= flat->mask / 4 * 3) {
                flat_grow(flat);
                return flat_at(flat, key);
            }
            flat->count++;
            flat->rows[at].key = key;
            break;
        }
        at = (at + 1) & flat->mask;
    }
    return &flat->rows[at];
}

static void flat_run(struct flat *flat, const uint64_t *keys, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        update(flat_at(flat, keys[i]), i);
}

/* ---- ours ---- */

static void table_run(struct wr_table *table, const uint64_t *keys, uint64_t count) {
    uint64_t hashes[BATCH];
    uint8_t *rows[BATCH];
    for (uint64_t from = 0; from < count; from += BATCH) {
        uint32_t batch = (uint32_t)WR_MIN(count - from, BATCH);
        for (uint32_t i = 0; i < batch; i++)
            hashes[i] = wr_hash_u64(keys[from + i], SEED);
        int status = wr_table_upsert(table, keys + from, hashes, batch, rows, NULL);
        WR_ASSERT(status == WR_OK);
        for (uint32_t i = 0; i < batch; i++)
            update((struct row *)rows[i], from + i);
    }
}

/* The longest single insert, in microseconds, of three fills: the least of them, since the machine
 * interrupts now and then. */
static double worst_insert_us(uint64_t key_count, int flat_too, double *flat_us) {
    uint64_t best = UINT64_MAX, flat_best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t worst = 0, flat_worst = 0;
        struct wr_table *table = wr_table_new(&wr_budget_control, &shape, SEED);
        struct flat flat = {.rows = flat_rows(1024), .mask = 1023};
        uint64_t before = now_ns();
        for (uint64_t i = 0; i < key_count; i++) {
            uint64_t key = key_of(i), hash = wr_hash_u64(key, SEED), after;
            uint8_t *row;
            int status = wr_table_upsert(table, &key, &hash, 1, &row, NULL);
            WR_ASSERT(status == WR_OK);
            after = now_ns();
            worst = WR_MAX(worst, after - before);
            before = after;
        }
        for (uint64_t i = 0; flat_too && i < key_count; i++) {
            before = now_ns();
            flat_at(&flat, key_of(i));
            flat_worst = WR_MAX(flat_worst, now_ns() - before);
        }
        best = WR_MIN(best, worst);
        flat_best = WR_MIN(flat_best, flat_worst);
        wr_free(&wr_budget_control, flat.rows);
        wr_table_free(table);
    }
    *flat_us = (double)flat_best / 1000;
    return (double)best / 1000;
}

/* Microseconds of a delta of 10,000 rows spread over the table. */
static double delta_us(struct wr_table *table, uint64_t key_count) {
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    int status = wr_table_save(table, &log, 1, SIZE_MAX);
    WR_ASSERT(status == WR_OK);
    uint64_t keys[BATCH];
    for (uint64_t from = 0; from < DIRTY_ROWS; from += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++)
            keys[i] = key_of(wr_hash_u64(from + i, 5) % key_count);
        table_run(table, keys, WR_MIN(DIRTY_ROWS - from, BATCH));
    }
    wr_buf_clear(&log);
    uint64_t before = now_ns();
    status = wr_table_save(table, &log, 0, SIZE_MAX);
    WR_ASSERT(status == WR_OK);
    uint64_t ns = now_ns() - before;
    wr_buf_release(&log);
    return (double)ns / 1000;
}

/* Nanoseconds a row to put all rows in the order of their keys, as a firing does. */
static double sort_ns(const struct wr_table *table) {
    struct wr_key_layout layout;
    uint64_t count = wr_table_count(table);
    uint8_t **rows = wr_alloc(&wr_budget_control, count * sizeof *rows);
    struct wr_table_walk walk;
    int status = wr_key_layout_init(&layout, &WR_TYPE(WR_INT64), 1, 0);
    WR_ASSERT(status == WR_OK && rows != NULL);
    uint64_t before = now_ns();
    wr_table_walk_begin(&walk, table);
    for (uint64_t i = 0; i < count; i++)
        rows[i] = wr_table_walk_next(&walk);
    wr_keys_sort(&layout, rows, (uint32_t)count);
    uint64_t ns = now_ns() - before;
    wr_free(&wr_budget_control, rows);
    return per(ns, count);
}

static void measure(uint64_t key_count, const uint64_t *numbers, uint64_t *keys,
                    uint64_t probe_count) {
    uint64_t best = UINT64_MAX, flat_best = UINT64_MAX;
    uint64_t fill_count = (key_count + BATCH - 1) / BATCH * BATCH;
    uint64_t *fill = wr_alloc(&wr_budget_control, fill_count * sizeof *fill);
    for (uint64_t i = 0; i < key_count; i++)
        fill[i] = key_of(i);
    struct wr_table *table = wr_table_new(&wr_budget_control, &shape, SEED);
    struct flat flat = {.rows = flat_rows(1024), .mask = 1023};
    uint64_t before = now_ns();
    table_run(table, fill, key_count);
    uint64_t fill_ns = now_ns() - before;
    before = now_ns();
    flat_run(&flat, fill, key_count);
    uint64_t flat_fill_ns = now_ns() - before;
    for (uint64_t i = 0; i < probe_count; i++)
        keys[i] = fill[numbers[i] % key_count];
    wr_free(&wr_budget_control, fill);
    for (int round = 0; round < ROUNDS; round++) {
        before = now_ns();
        table_run(table, keys, probe_count);
        best = WR_MIN(best, now_ns() - before);
        before = now_ns();
        flat_run(&flat, keys, probe_count);
        flat_best = WR_MIN(flat_best, now_ns() - before);
    }
    double bytes = (double)wr_table_bytes(table) / (double)wr_table_count(table);
    double flat_bytes = (double)((flat.mask + 1) * sizeof(struct row)) / (double)flat.count;
    wr_free(&wr_budget_control, flat.rows);
    double delta = delta_us(table, key_count), sort = sort_ns(table);
    wr_table_free(table);
    double flat_worst, worst = worst_insert_us(key_count, 1, &flat_worst);
    printf("%9" PRIu64 " %8.1f %8.1f %6.2f %8.1f %8.1f %9.0f %9.0f %7.1f %7.1f %9.0f %6.1f\n",
           key_count, per(best, probe_count), per(flat_best, probe_count),
           (double)best / (double)flat_best, per(fill_ns, key_count), per(flat_fill_ns, key_count),
           worst, flat_worst, bytes, flat_bytes, delta, sort);
}

int main(int argc, char **argv) {
    uint64_t probe_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 8000000;
    static const uint64_t standard[] = {1000, 100000, 1000000, 10000000};
    uint64_t *numbers = wr_alloc(&wr_budget_control, probe_count * sizeof *numbers);
    uint64_t *keys = wr_alloc(&wr_budget_control, probe_count * sizeof *keys);
    if (numbers == NULL || keys == NULL)
        return 1;
    for (uint64_t i = 0; i < probe_count; i++)
        numbers[i] = wr_hash_u64(i, 99) >> 8;
    printf("%9s %8s %8s %6s %8s %8s %9s %9s %7s %7s %9s %6s\n", "keys", "probe", "flat", "ratio",
           "fill", "flat", "worst", "flat", "B/key", "flat", "10k delta", "sort");
    printf("%9s %8s %8s %6s %8s %8s %9s %9s %7s %7s %9s %6s\n", "", "ns", "ns", "", "ns", "ns",
           "us", "us", "", "", "us", "ns");
    if (argc > 2)
        for (int i = 2; i < argc; i++)
            measure(strtoull(argv[i], NULL, 10), numbers, keys, probe_count);
    else
        for (size_t i = 0; i < WR_COUNT(standard); i++)
            measure(standard[i], numbers, keys, probe_count);
    wr_free(&wr_budget_control, numbers);
    wr_free(&wr_budget_control, keys);
    return 0;
}
