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
    uint64_t *ranges_read; /* a bit each; NULL: nothing has been read */
    uint64_t *wanted;      /* those that are read next, behind it in memory */
    uint64_t wanted_count, wanted_from, wanted_to;
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
    if (wr_table_grow(table, (void **)&owing->list, owing->count, &owing->room,
                      sizeof *owing->list) != WR_OK)
        return WR_ENOMEM;
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

uint64_t wr_owed_bytes(const struct wr_table *table) {
    return table->owing == NULL ? 0 : table->owing->bytes;
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
    size_t words = WR_BITS_WORDS(owing->ranges_left);
    owing->ranges_read = wr_table_alloc(table, 2 * words * sizeof(uint64_t));
    if (owing->ranges_read == NULL)
        return WR_ENOMEM;
    memset(owing->ranges_read, 0, 2 * words * sizeof(uint64_t));
    owing->wanted = owing->ranges_read + words;
    owing->wanted_from = UINT64_MAX;
    return WR_OK;
}

struct reading {
    struct wr_table *table;
    const struct wr_owed *owed;
    struct wr_log_filter filter;
};

static int read_body(void *ctx, struct wr_reader *rows) {
    const struct reading *reading = ctx;
    const struct wr_owed *owed = reading->owed;
    if (owed->at > rows->length || owed->length > rows->length - owed->at)
        return WR_ECORRUPT;
    struct wr_reader in = {.bytes = rows->bytes + owed->at, .length = owed->length};
    struct wr_log_body body = {.deleted_count = owed->deleted_count, .row_count = owed->row_count};
    return wr_log_load_body(reading->table, &in, &body, &reading->filter);
}

static uint64_t range_of(const struct wr_owing *owing, uint64_t hash) {
    return hash >> 1 >> (63 - owing->depth);
}

/* Whether a log may have rows of a range that is wanted. */
static int is_wanted(const struct wr_owing *owing, const struct wr_owed *owed) {
    if (owed->hash_from > owed->hash_to)
        return 0;
    uint64_t from = range_of(owing, owed->hash_from), to = range_of(owing, owed->hash_to);
    for (uint64_t word = from / 64; word <= to / 64; word++) {
        uint64_t bits = owing->wanted[word];
        if (word == from / 64)
            bits &= UINT64_MAX << (from % 64);
        if (word == to / 64)
            bits &= UINT64_MAX >> (63 - to % 64);
        if (bits != 0)
            return 1;
    }
    return 0;
}

static void want(struct wr_owing *owing, uint64_t range) {
    if (wr_bit_get(owing->ranges_read, range) || wr_bit_get(owing->wanted, range))
        return;
    wr_bit_set(owing->wanted, range);
    owing->wanted_count++;
    owing->wanted_from = WR_MIN(owing->wanted_from, range);
    owing->wanted_to = WR_MAX(owing->wanted_to, range);
}

/* The wanted ranges have been read. */
static void note_read(struct wr_owing *owing) {
    for (uint64_t word = owing->wanted_from / 64; word <= owing->wanted_to / 64; word++) {
        owing->ranges_read[word] |= owing->wanted[word];
        owing->wanted[word] = 0;
    }
    owing->ranges_left -= owing->wanted_count;
    owing->wanted_count = 0;
    owing->wanted_from = UINT64_MAX;
    owing->wanted_to = 0;
}

/* Each log once, for all ranges that are wanted. Meanwhile the table must not ask for what it
 * owes. `rests`: as wr_log_filter has it. */
static int read_wanted(struct wr_table *table, struct wr_owing *owing, struct wr_apart *rests) {
    struct reading reading = {
        .table = table, .filter = {.wanted = owing->wanted, .depth = owing->depth, .rests = rests}};
    struct wr_error *err = wr_apart_error(owing->apart);
    int status = WR_OK;
    uint64_t before = wr_rows_read(table);
    if (owing->wanted_count == 0)
        return WR_OK;
    table->owing = NULL;
    for (uint32_t i = 0; i < owing->count && status == WR_OK; i++) {
        reading.owed = &owing->list[i];
        if (is_wanted(owing, reading.owed))
            status = owing->apart->read(owing->apart->ctx, reading.owed->piece, read_body, &reading,
                                        err);
    }
    table->owing = owing;
    owing->rows_read += wr_rows_read(table) - before;
    note_read(owing);
    if (status == WR_OK && owing->ranges_left == 0 && owing->rows_read != owing->table_rows)
        status = WR_ECORRUPT;
    return status;
}

static int settle(struct wr_table *table, int status) {
    wr_apart_note(table->owing->apart, status);
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
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        want(owing, range_of(owing, hashes[i]));
    if (status == WR_OK)
        status = read_wanted(table, owing, NULL);
    return settle(table, status);
}

/* Ranges in their order, about so many bytes of them. */
static int read_next(struct wr_table *table, uint64_t bytes, struct wr_apart *rests) {
    struct wr_owing *owing = table->owing;
    int status = owing->apart->failure;
    if (status == WR_OK && owing->ranges_read == NULL)
        status = cut_ranges(table);
    if (status != WR_OK)
        return settle(table, status);
    uint64_t left = owing->ranges_left;
    for (uint64_t got = 0; got <= bytes && owing->wanted_count < left; owing->next++) {
        if (wr_bit_get(owing->ranges_read, owing->next))
            continue;
        want(owing, owing->next);
        got += WR_MAX(owing->range_bytes, UINT64_C(1));
    }
    return settle(table, read_wanted(table, owing, rests));
}

int wr_owed_read(struct wr_table *table, uint64_t bytes) {
    return table->owing == NULL ? WR_OK : read_next(table, bytes, NULL);
}

/* Where nothing has been read, each log is read once. */
static int complete(struct wr_table *table, struct wr_apart *rests) {
    if (table->owing == NULL)
        return WR_OK;
    if (table->owing->ranges_read == NULL)
        table->owing->depth_max = 0;
    return read_next(table, UINT64_MAX, rests);
}

int wr_owed_complete(struct wr_table *table) {
    return complete(table, NULL);
}

/* Half of what the tables may take, since long strings are there twice while they are compacted. */
int wr_owed_relieve(struct wr_table *table, struct wr_apart *apart) {
    uint64_t max = apart->memory_bytes / 2;
    if (wr_table_live_bytes(table) > max) {
        int status = wr_table_relieve(table, apart, max - max / 8);
        if (status != WR_OK)
            return status;
    }
    wr_table_settle(table);
    return WR_OK;
}

uint64_t wr_apart_owes(const struct wr_apart *apart) {
    uint64_t bytes = 0;
    for (const struct wr_owing *owing = apart->owing; owing != NULL; owing = owing->next_owing)
        bytes += owing->bytes;
    return bytes;
}

int wr_apart_catch_up(struct wr_apart *apart, uint64_t bytes) {
    struct wr_owing *owing = apart->owing;
    if (owing == NULL)
        return WR_OK;
    const struct wr_budget *budget = owing->table->budget;
    if (budget->bytes_max > 0 && budget->bytes_used > budget->bytes_max / 2)
        return WR_OK;
    return read_next(owing->table, bytes, NULL);
}

/* Rows take about twice the room of what was saved of them. Where logs have rows of all hashes, as
 * those of many small saves do, the first key alone would bring all of it to memory. */
int wr_apart_read_large(struct wr_apart *apart) {
    int status = WR_OK;
    if (apart->memory_bytes == 0 || apart->pages_stay ||
        wr_apart_owes(apart) <= apart->memory_bytes / 2)
        return WR_OK;
    while (status == WR_OK && apart->owing != NULL) {
        status = complete(apart->owing->table, apart);
        if (status == WR_OK)
            status = wr_apart_relieve(apart);
    }
    return wr_apart_note(apart, status);
}
