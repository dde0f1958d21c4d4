/* fuzz_state.c: logs of tables and slices that nobody wrote. Whatever the bytes, loading ends with
 * a status, and what was loaded saves and loads again as the same.
 *
 * The first byte chooses: bit 7, slices and not a table; bit 6, the bytes are a body whose header
 * (length, checksum) is put right, since no fuzzer guesses a checksum; the rest, the shape. */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/slices.h"
#include "state/table.h"

#define HEAD_BYTES 20   /* magic, length, checksum */
#define SLICES_BYTES 14 /* magic, no dropped slice, one slice, its start */
#define SEED 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wr_cell text_cells[] = {
    {WR_CELL_STRING, 8}, {WR_CELL_STRING, 40}, {WR_CELL_BLOB, 56}};
static const struct wr_shape shapes[] = {
    {.key_bytes = 8, .row_bytes = 24},
    {.key_bytes = 24, .row_bytes = 72, .cell_count = 3, .cells = text_cells},
    {.key_bytes = 24, .row_bytes = 32},
    {.key_bytes = 0, .row_bytes = 16},
};

/* A log whose body is the input behind the shape, so that deletions and rows are what is fuzzed. */
static void log_make(struct wr_buf *log, const struct wr_shape *shape, const char *body,
                     size_t length) {
    wr_buf_add(log, (char[HEAD_BYTES]){'w', 't', 'l', '1'}, HEAD_BYTES);
    wr_buf_add_varint(log, shape->key_bytes);
    wr_buf_add_varint(log, shape->row_bytes);
    wr_buf_add_varint(log, shape->cell_count);
    for (uint32_t i = 0; i < shape->cell_count; i++)
        wr_buf_add_varint(log, (uint64_t)shape->cells[i].offset * 2 + shape->cells[i].kind);
    wr_buf_add(log, body, length);
    WR_ASSERT(log->status == WR_OK);
    uint64_t body_bytes = log->length - HEAD_BYTES;
    uint64_t sum = wr_hash_bytes(log->bytes + HEAD_BYTES, body_bytes, 0);
    memcpy(log->bytes + 4, &body_bytes, 8);
    memcpy(log->bytes + 12, &sum, 8);
}

static int load(struct wr_table *table, const struct wr_buf *log) {
    struct wr_reader in = {.bytes = log->bytes, .length = log->length};
    return wr_table_load(table, &in);
}

static void try_table(const struct wr_shape *shape, const struct wr_buf *log) {
    struct wr_table *table = wr_table_new(&wr_budget_control, shape, SEED);
    struct wr_table *twin = wr_table_new(&wr_budget_control, shape, SEED);
    struct wr_buf again;
    wr_buf_init(&again, &wr_budget_control, 0);
    WR_ASSERT(table != NULL && twin != NULL);
    int status = load(table, log);
    WR_ASSERT(status == WR_OK || status == WR_ECORRUPT);
    if (status == WR_OK) {
        status = wr_table_save(table, &again, 1, SIZE_MAX);
        WR_ASSERT(status == WR_OK);
        status = load(twin, &again);
        WR_ASSERT(status == WR_OK && wr_table_count(twin) == wr_table_count(table));
    }
    wr_buf_release(&again);
    wr_table_free(table);
    wr_table_free(twin);
}

static void try_slices(const struct wr_shape *shape, const struct wr_buf *log) {
    struct wr_slices slices;
    wr_slices_init(&slices, &wr_budget_control, shape, SEED);
    struct wr_reader in = {.bytes = log->bytes, .length = log->length};
    int status = wr_slices_load(&slices, &in);
    WR_ASSERT(status == WR_OK || status == WR_ECORRUPT);
    wr_slices_release(&slices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    const struct wr_shape *shape = &shapes[data[0] % WR_COUNT(shapes)];
    const char *bytes = (const char *)data + 1;
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    if (data[0] & 0x80) {
        /* A small list of slices whose one table is the input. */
        wr_buf_add(&log, bytes, WR_MIN(size - 1, (size_t)SLICES_BYTES));
        if (size > SLICES_BYTES + 1) {
            struct wr_buf table;
            wr_buf_init(&table, &wr_budget_control, 0);
            log_make(&table, shape, bytes + SLICES_BYTES, size - 1 - SLICES_BYTES);
            wr_buf_add(&log, table.bytes, table.length);
            wr_buf_release(&table);
        }
        try_slices(shape, &log);
    } else {
        if (data[0] & 0x40)
            log_make(&log, shape, bytes, size - 1);
        else
            wr_buf_add(&log, bytes, size - 1);
        try_table(shape, &log);
    }
    wr_buf_release(&log);
    return 0;
}
