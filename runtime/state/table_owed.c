/* table_owed.c: rows that a table owes: they were saved apart (apart.h) and have not been read. The
 * hashes are cut into ranges of about RANGE_BYTES of what was saved; a range is read, from all logs
 * that may have rows of it and in their order, when a key of it is asked for first. Until then no
 * row of it is in memory. A small table is one range. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/owed.h"
#include "state/page.h"
#include "base/banned.h"

#define RANGE_BYTES 65536u
#define DEPTH_MAX 20u

struct wr_owing {
    struct wr_apart *apart;
    struct wr_table *table;
    struct wr_owing *next_owing; /* of apart->owing */
    uint32_t count, room;
    struct wr_owed *list;
    uint64_t table_rows; /* of the whole table, when it was saved last */
    uint64_t rows_read;
    uint64_t bytes;
    uint32_t depth, depth_max; /* ranges: 2^depth, by the first bits of the hash */
    uint64_t range_bytes;      /* of one, about */
    uint64_t ranges_left;
    uint64_t next;         /* the range that is read next, where nobody asks */
    uint64_t *ranges_read; /* NULL: nothing has been read */
};

void wr_owed_forget(struct wr_table *table) {
    struct wr_owing *owing = table->owing;
    if (owing == NULL)
        return;
    table->owing = NULL;
    struct wr_owing **link = &owing->apart->owing;
    while (*link != owing)
        link = &(*link)->next_owing;
    *link = owing->next_owing;
    wr_table_give(table, owing->list);
    wr_table_give(table, owing->ranges_read);
    wr_table_give(table, owing);
}

int wr_owed_add(struct wr_table *table, struct wr_apart *apart, const struct wr_owed *owed,
                uint64_t table_rows) {
    struct wr_owing *owing = table->owing;
    if (owing == NULL) {
        owing = wr_table_alloc(table, sizeof *owing);
        if (owing == NULL)
            return WR_ENOMEM;
        *owing = (struct wr_owing){
            .apart = apart, .table = table, .next_owing = apart->owing, .depth_max = DEPTH_MAX};
        table->owing = apart->owing = owing;
    }
    owing->table_rows = table_rows;
    if (owed->row_count == 0 && owed->deleted_count == 0)
        return WR_OK;
    if (owing->ranges_read != NULL) /* logs of one save come one after the other */
        return WR_ECORRUPT;
    if (owing->count == owing->room) {
        uint32_t room = WR_MAX(owing->room * 2, 8u);
        struct wr_owed *list = wr_table_alloc(table, room * sizeof *list);
        if (list == NULL)
            return WR_ENOMEM;
        if (owing->count > 0)
            memcpy(list, owing->list, owing->count * sizeof *list);
        wr_table_give(table, owing->list);
        owing->list = list;
        owing->room = room;
    }
    owing->list[owing->count++] = *owed;
    owing->bytes += owed->length;
    return WR_OK;
}

uint64_t wr_owed_rows(const struct wr_table *table) {
    const struct wr_owing *owing = table->owing;
    return owing == NULL || owing->table_rows < owing->rows_read
               ? 0
               : owing->table_rows - owing->rows_read;
}

/* Not more ranges than that what is read for one of them in vain, since a log has rows of others
 * too, is as much as what is wanted. */
static int cut_ranges(struct wr_table *table) {
    struct wr_owing *owing = table->owing;
    double overlap = 0; /* logs that have rows of a hash */
    for (uint32_t i = 0; i < owing->count; i++)
        overlap += ((double)(owing->list[i].hash_to - owing->list[i].hash_from) + 1) / 0x1p64;
    double most = overlap > 0 ? 2 * (double)owing->count / overlap : 1;
    while (owing->depth < owing->depth_max && owing->bytes >> owing->depth > RANGE_BYTES &&
           (double)(UINT64_C(2) << owing->depth) <= most)
        owing->depth++;
    owing->ranges_left = UINT64_C(1) << owing->depth;
    owing->range_bytes = owing->bytes >> owing->depth;
    size_t size_bytes = WR_BITS_WORDS(owing->ranges_left) * sizeof(uint64_t);
    owing->ranges_read = wr_table_alloc(table, size_bytes);
    if (owing->ranges_read == NULL)
        return WR_ENOMEM;
    memset(owing->ranges_read, 0, size_bytes);
    return WR_OK;
}

struct reading {
    struct wr_table *table;
    const struct wr_owed *owed;
    uint64_t hash_from, hash_to;
};

static int read_body(void *ctx, struct wr_reader *rows) {
    const struct reading *reading = ctx;
    const struct wr_owed *owed = reading->owed;
    if (owed->at > rows->length || owed->length > rows->length - owed->at)
        return WR_ECORRUPT;
    struct wr_reader in = {.bytes = rows->bytes + owed->at, .length = owed->length};
    struct wr_log_body body = {.deleted_count = owed->deleted_count,
                               .row_count = owed->row_count,
                               .hash_from = reading->hash_from,
                               .hash_to = reading->hash_to};
    return wr_log_load_body(reading->table, &in, &body);
}

/* While a range is read the table must not ask for what it owes. */
static int read_range(struct wr_table *table, struct wr_owing *owing, uint64_t range) {
    uint64_t rest = owing->depth == 0 ? UINT64_MAX : UINT64_MAX >> owing->depth;
    struct reading reading = {.table = table,
                              .hash_from = owing->depth == 0 ? 0 : range << (64 - owing->depth)};
    reading.hash_to = reading.hash_from | rest;
    struct wr_error *err = owing->apart->err == NULL ? NULL : *owing->apart->err;
    int status = WR_OK;
    uint64_t before = table->count;
    table->owing = NULL;
    for (uint32_t i = 0; i < owing->count && status == WR_OK; i++) {
        reading.owed = &owing->list[i];
        if (reading.owed->hash_from > reading.hash_to || reading.owed->hash_to < reading.hash_from)
            continue;
        status =
            owing->apart->read(owing->apart->ctx, reading.owed->piece, read_body, &reading, err);
    }
    table->owing = owing;
    owing->rows_read += table->count - before;
    wr_bit_set(owing->ranges_read, range);
    owing->ranges_left--;
    if (status == WR_OK && owing->ranges_left == 0 && owing->rows_read != owing->table_rows)
        status = WR_ECORRUPT;
    return status;
}

static int settle(struct wr_table *table, int status) {
    struct wr_apart *apart = table->owing->apart;
    if (status != WR_OK && apart->failure == WR_OK)
        apart->failure = status;
    if (status == WR_OK && table->owing->ranges_left == 0)
        wr_owed_forget(table);
    return status;
}

int wr_owed_need(struct wr_table *table, const uint64_t *hashes, uint32_t count) {
    struct wr_owing *owing = table->owing;
    if (owing == NULL)
        return WR_OK;
    int status = owing->apart->failure;
    if (status == WR_OK && owing->ranges_read == NULL)
        status = cut_ranges(table);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint64_t range = hashes[i] >> 1 >> (63 - owing->depth);
        if (!wr_bit_get(owing->ranges_read, range))
            status = read_range(table, owing, range);
    }
    return settle(table, status);
}

/* Ranges in their order, until about so many bytes have been read. */
static int read_next(struct wr_table *table, uint64_t bytes) {
    struct wr_owing *owing = table->owing;
    int status = owing->apart->failure;
    if (status == WR_OK && owing->ranges_read == NULL)
        status = cut_ranges(table);
    for (uint64_t got = 0; got <= bytes && owing->ranges_left > 0 && status == WR_OK;) {
        while (wr_bit_get(owing->ranges_read, owing->next))
            owing->next++;
        status = read_range(table, owing, owing->next);
        got += WR_MAX(owing->range_bytes, UINT64_C(1));
    }
    return settle(table, status);
}

/* Where nothing has been read, each log is read once. */
int wr_owed_complete(struct wr_table *table) {
    if (table->owing == NULL)
        return WR_OK;
    if (table->owing->ranges_read == NULL)
        table->owing->depth_max = 0;
    return read_next(table, UINT64_MAX);
}

int wr_apart_catch_up(struct wr_apart *apart, uint64_t bytes) {
    struct wr_owing *owing = apart->owing;
    if (owing == NULL)
        return WR_OK;
    const struct wr_budget *budget = owing->table->budget;
    if (budget->bytes_max > 0 && budget->bytes_used > budget->bytes_max / 2)
        return WR_OK;
    return read_next(owing->table, bytes);
}
