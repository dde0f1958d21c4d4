/* aggregates_entries.h: a set of byte strings in one blob of a state row, each with a count: a
 * header, slots with offsets (from the start; 0: empty), and entries one behind the other. It is
 * position-independent, so that a state is saved and copied as bytes. The seed of the hash stands
 * in the header: a set that moves to another table stays what it was. Behind each value `extra`
 * bytes (a multiple of 8, the same for all entries of a set) are the owner's; they start as zeros.
 */
#pragma once
#include <stddef.h>

#include "expr/aggregates.h"

struct wr_entries_head {
    uint64_t seed;
    uint32_t count, slots;
};
struct wr_entry {
    uint64_t count;
    uint32_t length; /* of the value; the next entry is aligned to 8 */
    char bytes[];
};

static inline struct wr_entry *wr_entry_at(const struct wr_blob *blob, uint64_t offset) {
    return (struct wr_entry *)(void *)(blob->bytes + offset);
}
/* Bytes of a whole entry. */
static inline uint64_t wr_entry_bytes(uint32_t length, uint32_t extra) {
    return (offsetof(struct wr_entry, bytes) + (uint64_t)length + 7) / 8 * 8 + extra;
}
/* The owner's bytes of an entry. */
static inline void *wr_entry_extra(const struct wr_entry *entry, uint32_t extra) {
    return (char *)(uintptr_t)entry + wr_entry_bytes(entry->length, extra) - extra;
}
/* Entries lie from here to blob->length; an empty blob has none. */
static inline uint64_t wr_entries_start(const struct wr_blob *blob) {
    const struct wr_entries_head *head = (const struct wr_entries_head *)(const void *)blob->bytes;
    return blob->length == 0 ? 0 : sizeof *head + (uint64_t)head->slots * 4;
}
static inline uint32_t wr_entries_count(const struct wr_blob *blob) {
    return blob->length == 0 ? 0
                             : ((const struct wr_entries_head *)(const void *)blob->bytes)->count;
}

/* Counts `count` more of a value. `at` (may be NULL): the entry's offset, whose owner's bytes are
 * zeros when its count is `count`. WR_OK, WR_ENOMEM or WR_ELIMIT. */
int wr_entries_put(struct wr_table *table, struct wr_blob *blob, const char *bytes, uint32_t length,
                   uint64_t count, uint32_t extra, uint64_t *at);
/* The bytes of one value: a text as it is, others canonical in `room` (16 bytes). */
const char *wr_entry_value(const struct wr_type *type, const struct wr_column *column, uint32_t row,
                           char *room, uint32_t *length);
/* Defines `static int name(AGG_ADD_PARAMS)`: for each row whose first argument is not nil, `bytes`
 * and `length` are its value, `state` the state as `struct stype *`, and `put` gives a status. */
#define AGG_ADD_VALUES(name, stype, put) \
    static int name(AGG_ADD_PARAMS) { \
        int status = WR_OK; \
        char room[16]; \
        for (uint32_t i = 0; i < count && status == WR_OK; i++) { \
            uint32_t row = sel == NULL ? i : sel[i]; \
            if (wr_column_is_nil(&args[0], row)) \
                continue; \
            struct stype *state = (struct stype *)(void *)(rows[i] + aggregate->offset); \
            uint32_t length; \
            const char *bytes = \
                wr_entry_value(&aggregate->arg_types[0], &args[0], row, room, &length); \
            status = put; \
        } \
        (void)batch; \
        return status; \
    }
/* Order of two values of that type by their bytes: as `sort` has it. */
int wr_entry_compare(const struct wr_type *type, const struct wr_entry *a,
                     const struct wr_entry *b);
/* Appends a value by its bytes as JSON. */
int wr_entry_put_json(struct wr_buf *out, const struct wr_type *type, const char *bytes,
                      uint32_t length);
