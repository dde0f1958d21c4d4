/* aggregates_entries.c: sets of byte strings with counts, in a blob. */
#include "base/buf.h"
#include "base/hash.h"
#include "expr/aggregates_entries.h"
#include "data/json_members.h"
#include "data/json_put.h"
#include "base/banned.h"

#define SLOTS_MIN 8

static inline uint32_t *entries_slots(const struct wr_blob *blob) {
    return (uint32_t *)(void *)(blob->bytes + sizeof(struct wr_entries_head));
}
static uint32_t *entries_find(const struct wr_blob *blob, const char *bytes, uint32_t length) {
    const struct wr_entries_head *head = (const struct wr_entries_head *)(const void *)blob->bytes;
    uint32_t *slots = entries_slots(blob);
    uint32_t mask = head->slots - 1;
    uint32_t at = (uint32_t)wr_hash_bytes(bytes, length, head->seed) & mask;
    while (slots[at] != 0) {
        const struct wr_entry *entry = wr_entry_at(blob, slots[at]);
        if (entry->length == length && memcmp(entry->bytes, bytes, length) == 0)
            break;
        at = (at + 1) & mask;
    }
    return &slots[at];
}

/* Doubles the slots: entries move as they are, behind more slots. */
static int entries_grow(struct wr_table *table, struct wr_blob *blob, uint32_t extra) {
    struct wr_entries_head old = {.seed = wr_table_seed(table)};
    uint64_t start = sizeof old;
    if (blob->length != 0) {
        memcpy(&old, blob->bytes, sizeof old);
        start += (uint64_t)old.slots * 4;
    }
    uint64_t slots = WR_MAX(SLOTS_MIN, (uint64_t)old.slots * 2);
    uint64_t heap = blob->length == 0 ? 0 : blob->length - start;
    uint64_t heap_start = sizeof old + slots * 4;
    uint64_t room = heap_start + heap + heap / 2 + 64;
    if (room > WR_AGGREGATE_BLOB_BYTES_MAX)
        return WR_ELIMIT;
    struct wr_blob grown = {0};
    int status = wr_blob_reserve(table, &grown, (uint32_t)room);
    if (status != WR_OK)
        return status;
    memset(grown.bytes, 0, heap_start);
    if (heap > 0)
        memcpy(grown.bytes + heap_start, blob->bytes + start, heap);
    grown.length = (uint32_t)(heap_start + heap);
    struct wr_entries_head head = {.seed = old.seed, .count = old.count, .slots = (uint32_t)slots};
    memcpy(grown.bytes, &head, sizeof head);
    for (uint64_t at = heap_start; at < grown.length;) {
        const struct wr_entry *entry = wr_entry_at(&grown, (uint32_t)at);
        *entries_find(&grown, entry->bytes, entry->length) = (uint32_t)at;
        at += wr_entry_bytes(entry->length, extra);
    }
    wr_blob_release(table, blob);
    *blob = grown;
    return WR_OK;
}

int wr_entries_put(struct wr_table *table, struct wr_blob *blob, const char *bytes, uint32_t length,
                   uint64_t count, uint32_t extra, uint64_t *at) {
    const struct wr_entries_head *head = (const struct wr_entries_head *)(const void *)blob->bytes;
    if (blob->length == 0 || head->count >= head->slots - head->slots / 4) {
        int status = entries_grow(table, blob, extra);
        if (status != WR_OK)
            return status;
    }
    uint32_t *slot = entries_find(blob, bytes, length);
    if (*slot != 0) {
        if (at != NULL)
            *at = *slot;
        wr_entry_at(blob, *slot)->count += count;
        return WR_OK;
    }
    if (wr_entry_bytes(length, extra) > WR_AGGREGATE_BLOB_BYTES_MAX)
        return WR_ELIMIT;
    ptrdiff_t slot_at = (char *)slot - blob->bytes;
    int status = wr_blob_more(table, blob, (uint32_t)wr_entry_bytes(length, extra));
    if (status != WR_OK)
        return status;
    struct wr_entry *entry = wr_entry_at(blob, blob->length);
    memset(entry, 0, wr_entry_bytes(length, extra));
    entry->count = count;
    entry->length = length;
    memcpy(entry->bytes, bytes, length);
    *(uint32_t *)(void *)(blob->bytes + slot_at) = blob->length;
    if (at != NULL)
        *at = blob->length;
    blob->length += (uint32_t)wr_entry_bytes(length, extra);
    ((struct wr_entries_head *)(void *)blob->bytes)->count++;
    return WR_OK;
}

const char *wr_entry_value(const struct wr_type *type, const struct wr_column *column, uint32_t row,
                           char *room, uint32_t *length) {
    if (wr_type_is_text(type->kind)) {
        *length = WR_STR(column)[row].length;
        return wr_str_bytes(&WR_STR(column)[row]);
    }
    *length = wr_type_bytes(type->kind);
    memcpy(room, (const char *)column->data + (size_t)row * *length, *length);
    if (type->kind == WR_FLOAT64) {
        double canonical = agg_canonical(WR_F64(column)[row]);
        memcpy(room, &canonical, 8);
    }
    return room;
}

int wr_entry_compare(const struct wr_type *type, const struct wr_entry *a,
                     const struct wr_entry *b) {
    if (wr_type_is_text(type->kind)) {
        int order = memcmp(a->bytes, b->bytes, WR_MIN(a->length, b->length));
        return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
    }
    if (type->kind == WR_DECIMAL) {
        __int128 x;
        __int128 y;
        memcpy(&x, a->bytes, 16);
        memcpy(&y, b->bytes, 16);
        return (x > y) - (x < y);
    }
    uint64_t x = 0;
    uint64_t y = 0;
    memcpy(&x, a->bytes, a->length);
    memcpy(&y, b->bytes, b->length);
    if (type->kind == WR_FLOAT64) {
        double u;
        double v;
        memcpy(&u, &x, 8);
        memcpy(&v, &y, 8);
        x = agg_float_order(u);
        y = agg_float_order(v);
        return (x > y) - (x < y);
    }
    return ((int64_t)x > (int64_t)y) - ((int64_t)x < (int64_t)y);
}

int wr_entry_put_json(struct wr_buf *out, const struct wr_type *type, const char *bytes,
                      uint32_t length) {
    union {
        struct wr_str text;
        uint64_t words[2];
    } element;
    struct wr_column column = {.data = &element};
    if (wr_type_is_text(type->kind))
        element.text = wr_str_of(bytes, length);
    else
        memcpy(&element, bytes, WR_MIN((size_t)length, sizeof element));
    return wr_json_put_value(out, type, &column, 0);
}
