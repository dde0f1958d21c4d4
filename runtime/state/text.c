/* text.c: what rows own outside themselves: long strings in segments, and blobs.
 * A segment is only appended to, so a string's bytes stay where they are until wr_table_settle.
 * Small blobs are cut from segments of their own, in sizes of which there are four to a doubling;
 * one that is given back is there for the next of its size. A blob's size is its `room`. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "state/page.h"
#include "base/banned.h"

#define SEGMENT_BYTES_MIN 512u
#define SEGMENT_BYTES_MAX 65536u /* of ordinary ones; a longer string has one of its own */
#define DEAD_BYTES_MIN 4096u     /* fewer are not worth a compaction */
#define BLOB_BYTES_MIN 16u
#define BLOB_POOL_BYTES_MAX 4096u /* of a small one; the last of WR_POOL_SIZES */
#define POOL_BYTES_MIN 1024u
#define BLOB_BYTES_MAX (1u << 31)

static struct wr_segment *segment_new(struct wr_table *table, struct wr_segment **newest,
                                      uint64_t room) {
    struct wr_segment *segment = wr_table_alloc(table, sizeof *segment + room);
    if (segment == NULL)
        return NULL;
    *segment = (struct wr_segment){.before = *newest, .room = (uint32_t)room};
    *newest = segment;
    return segment;
}

int wr_text_reserve(struct wr_table *table, uint64_t length) {
    const struct wr_segment *segment = table->segment;
    if (length == 0 || (segment != NULL && segment->room - segment->used >= length))
        return WR_OK;
    if (length > UINT32_MAX)
        return WR_ENOMEM;
    uint64_t room = segment == NULL ? SEGMENT_BYTES_MIN : (uint64_t)segment->room * 2;
    room = WR_MAX(WR_MIN(room, SEGMENT_BYTES_MAX), length);
    return segment_new(table, &table->segment, room) == NULL ? WR_ENOMEM : WR_OK;
}

const char *wr_text_copy(struct wr_table *table, const char *bytes, uint32_t length) {
    if (wr_text_reserve(table, length) != WR_OK)
        return NULL;
    struct wr_segment *segment = table->segment;
    char *copy = segment->bytes + segment->used;
    memcpy(copy, bytes, length);
    segment->used += length;
    table->text_bytes += length;
    return copy;
}

static void segments_free(struct wr_table *table, struct wr_segment *segment) {
    while (segment != NULL) {
        struct wr_segment *before = segment->before;
        wr_table_give(table, segment);
        segment = before;
    }
}

void wr_text_release(struct wr_table *table) {
    segments_free(table, table->segment);
    table->segment = NULL;
    table->text_bytes = table->text_dead = 0;
    wr_pool_release(table);
}

void wr_pool_release(struct wr_table *table) {
    if (table->pool == NULL)
        return;
    segments_free(table, table->pool->segment);
    wr_table_give(table, table->pool);
    table->pool = NULL;
}

int wr_table_set_string(struct wr_table *table, struct wr_str *cell, const char *bytes,
                        uint32_t length) {
    struct wr_str value = wr_str_of(bytes, length);
    if (length > WR_STR_INLINE_MAX) {
        value.pointer = wr_text_copy(table, bytes, length);
        if (value.pointer == NULL)
            return WR_ENOMEM;
    }
    if (cell->length > WR_STR_INLINE_MAX)
        table->text_dead += cell->length;
    *cell = value;
    return WR_OK;
}

void wr_row_release(struct wr_table *table, uint8_t *row) {
    for (uint32_t i = 0; i < table->shape->cell_count; i++) {
        const struct wr_cell *cell = &table->shape->cells[i];
        if (cell->kind == WR_CELL_BLOB) {
            wr_blob_release(table, (struct wr_blob *)(row + cell->offset));
            continue;
        }
        const struct wr_str *str = (const struct wr_str *)(row + cell->offset);
        if (str->length > WR_STR_INLINE_MAX)
            table->text_dead += str->length;
    }
}

/* The bytes of long strings that rows still point at go into one fresh segment, so that nothing can
 * fail once the first has moved. */
static int compact(struct wr_table *table) {
    uint64_t live = table->text_bytes - table->text_dead;
    struct wr_segment *old = table->segment;
    struct wr_table_walk walk = {.table = table}; /* of rows that are here, not of those it owes */
    table->segment = NULL;
    if (live > UINT32_MAX / 2 || (live > 0 && segment_new(table, &table->segment, live) == NULL)) {
        table->segment = old;
        return WR_ENOMEM;
    }
    table->text_bytes = table->text_dead = 0;
    for (uint8_t *row; (row = wr_table_walk_next(&walk)) != NULL;) {
        for (uint32_t i = 0; i < table->shape->cell_count; i++) {
            const struct wr_cell *cell = &table->shape->cells[i];
            struct wr_str *str = (struct wr_str *)(row + cell->offset);
            if (cell->kind == WR_CELL_STRING && str->length > WR_STR_INLINE_MAX)
                str->pointer = wr_text_copy(table, str->pointer, str->length);
        }
    }
    WR_ASSERT(table->text_bytes == live);
    segments_free(table, old);
    return WR_OK;
}

/* Where pages rest memory is short: what is dead and the copy of what lives must fit beside it. */
void wr_table_settle(struct wr_table *table) {
    uint64_t part = table->resting != NULL ? 5 : 2;
    if (table->text_dead >= DEAD_BYTES_MIN && table->text_dead > table->text_bytes / part)
        compact(table);
}

/* ---- blobs ---- */

/* Which size takes `bytes`: 16, 32, 48, 64, then quarters of each doubling. */
static uint32_t pool_size(uint32_t bytes) {
    if (bytes <= 64)
        return (bytes + 15) / 16 - (bytes > 0);
    uint32_t power = 31 - (uint32_t)__builtin_clz(bytes - 1);
    return 4 * (power - 6) + ((bytes - 1) >> (power - 2) & 3) + 4;
}

static uint32_t pool_bytes(uint32_t size) {
    return size < 4 ? 16 * (size + 1) : (5 + size % 4) << (size / 4 + 3);
}

static char *pool_take(struct wr_table *table, uint32_t size) {
    struct wr_pool *pool = table->pool;
    uint8_t *piece = pool->spare[size];
    if (piece != NULL) {
        memcpy(&pool->spare[size], piece, sizeof piece);
        pool->spare_bytes -= pool_bytes(size);
        return (char *)piece;
    }
    uint32_t bytes = pool_bytes(size);
    struct wr_segment *segment = pool->segment;
    if (segment == NULL || segment->room - segment->used < bytes) {
        uint64_t room = segment == NULL ? POOL_BYTES_MIN : (uint64_t)segment->room * 2;
        room = WR_MAX(WR_MIN(room, SEGMENT_BYTES_MAX), bytes);
        segment = segment_new(table, &pool->segment, room);
    }
    if (segment == NULL)
        return NULL;
    segment->used += bytes;
    return segment->bytes + segment->used - bytes;
}

static void pool_give(struct wr_table *table, struct wr_blob *blob) {
    uint32_t size = pool_size(blob->room);
    WR_ASSERT_DEBUG(pool_bytes(size) == blob->room);
    memcpy(blob->bytes, &table->pool->spare[size], sizeof(uint8_t *));
    table->pool->spare[size] = (uint8_t *)blob->bytes;
    table->pool->spare_bytes += blob->room;
}

static int pool_begin(struct wr_table *table) {
    if (table->pool != NULL)
        return WR_OK;
    table->pool = wr_table_alloc(table, sizeof *table->pool);
    if (table->pool == NULL)
        return WR_ENOMEM;
    *table->pool = (struct wr_pool){0};
    return WR_OK;
}

/* From the pool, or to it, or within it. */
static int blob_move(struct wr_table *table, struct wr_blob *blob, uint32_t room) {
    int is_small = room <= BLOB_POOL_BYTES_MAX;
    if (is_small && pool_begin(table) != WR_OK)
        return WR_ENOMEM;
    char *bytes = is_small ? pool_take(table, pool_size(room)) : wr_table_alloc(table, room);
    if (bytes == NULL)
        return WR_ENOMEM;
    if (blob->length > 0)
        memcpy(bytes, blob->bytes, blob->length);
    if (blob->room > 0)
        pool_give(table, blob);
    table->large_blobs += !is_small;
    blob->bytes = bytes;
    blob->room = is_small ? pool_bytes(pool_size(room)) : room;
    return WR_OK;
}

int wr_blob_reserve(struct wr_table *table, struct wr_blob *blob, uint32_t room) {
    if (room <= blob->room)
        return WR_OK;
    if (room > BLOB_BYTES_MAX)
        return WR_ENOMEM;
    uint64_t grown = WR_MAX((uint64_t)blob->room * 2, BLOB_BYTES_MIN);
    grown = WR_MIN(WR_MAX(grown, room), BLOB_BYTES_MAX);
    if (blob->room <= BLOB_POOL_BYTES_MAX)
        return blob_move(table, blob, (uint32_t)grown);
    uint64_t before = wr_alloc_size(blob->bytes);
    char *bytes = wr_realloc(table->budget, blob->bytes, grown);
    if (bytes == NULL)
        return WR_ENOMEM;
    table->bytes += grown - before;
    blob->bytes = bytes;
    blob->room = (uint32_t)grown;
    return WR_OK;
}

void wr_blob_release(struct wr_table *table, struct wr_blob *blob) {
    if (blob->room > BLOB_POOL_BYTES_MAX) {
        wr_table_give(table, blob->bytes);
        table->large_blobs--;
    } else if (blob->room > 0) {
        pool_give(table, blob);
    }
    *blob = (struct wr_blob){0};
}
