/* rowset.c: see rowset.h. */
#include "state/rowset.h"

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/banned.h"

#define ENTRY_BYTES ((uint32_t)sizeof(struct wr_rowset_entry))

int wr_rowset_init(struct wr_rowset *set, struct wr_arena *arena, struct wr_budget *budget,
                   const struct wr_key_layout *keys, const struct wr_schema *schema,
                   const uint64_t *wanted, int64_t width_us, uint64_t seed) {
    memset(set, 0, sizeof *set);
    set->width_us = width_us;
    set->seed = seed;
    if (wr_payload_init(&set->payload, arena, schema, wanted) != WR_OK)
        return WR_ENOMEM;
    uint32_t key_cells = keys->cell_count, row_cells = set->payload.cell_count;
    struct wr_cell *of_key = WR_ARENA_ARRAY(arena, struct wr_cell, key_cells + 1);
    struct wr_cell *of_row = WR_ARENA_ARRAY(arena, struct wr_cell, row_cells + 1);
    if (of_key == NULL || of_row == NULL)
        return WR_ENOMEM;
    memcpy(of_key, keys->cells, key_cells * sizeof *of_key);
    of_key[key_cells] = (struct wr_cell){.kind = WR_CELL_BLOB, .offset = keys->key_bytes};
    for (uint32_t i = 0; i < row_cells; i++) {
        of_row[i] = set->payload.cells[i];
        of_row[i].offset += WR_ROWSET_PAYLOAD;
    }
    set->index_shape = (struct wr_shape){.key_bytes = keys->key_bytes,
                                         .row_bytes = keys->key_bytes + sizeof(struct wr_blob),
                                         .cell_count = key_cells + 1,
                                         .cells = of_key};
    set->row_shape = (struct wr_shape){.key_bytes = 8,
                                       .row_bytes = WR_ROWSET_PAYLOAD + set->payload.bytes,
                                       .cell_count = row_cells,
                                       .cells = of_row,
                                       .by_number = 1};
    if (set->index_shape.row_bytes > WR_ROW_BYTES_MAX ||
        set->row_shape.row_bytes > WR_ROW_BYTES_MAX)
        return WR_ELIMIT;
    wr_slices_init(&set->index, budget, &set->index_shape, seed);
    wr_slices_init(&set->rows, budget, &set->row_shape, seed);
    return WR_OK;
}

void wr_rowset_release(struct wr_rowset *set) {
    wr_slices_release(&set->index);
    wr_slices_release(&set->rows);
}

int64_t wr_rowset_slice(const struct wr_rowset *set, int64_t until_us) {
    if (set->width_us == 0)
        return 0;
    __int128 rest = (__int128)until_us % set->width_us;
    __int128 start = (__int128)until_us - rest - (rest < 0 ? set->width_us : 0);
    return start < WR_TIME_MIN ? WR_TIME_MIN : (int64_t)start;
}

int64_t wr_rowset_slice_end(const struct wr_rowset *set, int64_t start_us) {
    int64_t end;
    if (set->width_us == 0 || __builtin_add_overflow(start_us, set->width_us, &end))
        return WR_TIME_MAX;
    return end;
}

static struct wr_blob *blob_of(const struct wr_rowset *set, uint8_t *row) {
    return (struct wr_blob *)(void *)(row + set->index_shape.key_bytes);
}

static uint64_t id_hash(const struct wr_rowset *set, uint64_t id) {
    return wr_shape_hash(&set->row_shape, &id, set->seed);
}

/* The row of a number, made, with the columns of row `row` of `in`. */
static int put_row(struct wr_rowset *set, struct wr_table *rows,
                   const struct wr_rowset_entry *entry, int64_t matches, const struct wr_batch *in,
                   uint32_t row, uint8_t **at) {
    uint64_t hash = id_hash(set, entry->id);
    int status = wr_table_upsert(rows, &entry->id, &hash, 1, at, NULL);
    if (status != WR_OK)
        return status;
    memcpy(*at + WR_ROWSET_TIME, &entry->time_us, 8);
    memcpy(*at + WR_ROWSET_FROM, &entry->from_us, 8);
    memcpy(*at + WR_ROWSET_MATCHES, &matches, 8);
    return wr_payload_put(&set->payload, rows, *at + WR_ROWSET_PAYLOAD, in, row);
}

int wr_rowset_add(struct wr_rowset *set, const void *key, uint64_t hash,
                  struct wr_rowset_entry *entry, int64_t until_us, int64_t matches,
                  const struct wr_batch *in, uint32_t row) {
    int64_t start = wr_rowset_slice(set, WR_MAX(entry->until_us, until_us));
    struct wr_table *index = wr_slices_at(&set->index, start);
    struct wr_table *rows = wr_slices_at(&set->rows, start);
    uint8_t *at, *stored;
    if (index == NULL || rows == NULL)
        return WR_ENOMEM;
    int status = wr_table_upsert(index, key, &hash, 1, &at, NULL);
    if (status != WR_OK)
        return status;
    struct wr_blob *blob = blob_of(set, at);
    status = wr_blob_reserve(index, blob, blob->length + ENTRY_BYTES);
    entry->id = set->next_id;
    if (status == WR_OK)
        status = put_row(set, rows, entry, matches, in, row, &stored);
    if (status != WR_OK)
        return status;
    memcpy(blob->bytes + blob->length, entry, ENTRY_BYTES);
    blob->length += ENTRY_BYTES;
    set->next_id++;
    return WR_OK;
}

const struct wr_rowset_entry *wr_rowset_entries(const struct wr_rowset *set, const uint8_t *row,
                                                uint32_t *count) {
    const struct wr_blob *blob =
        (const struct wr_blob *)(const void *)(row + set->index_shape.key_bytes);
    *count = blob->length / ENTRY_BYTES;
    return (const struct wr_rowset_entry *)(const void *)blob->bytes;
}

/* Takes entry `e` of an index row away, and the row itself. */
static void take(struct wr_rowset *set, struct wr_table *index, struct wr_table *rows, uint8_t *at,
                 uint64_t hash, uint32_t e) {
    struct wr_blob *blob = blob_of(set, at);
    struct wr_rowset_entry *entries = (struct wr_rowset_entry *)(void *)blob->bytes;
    uint64_t id = entries[e].id;
    wr_table_delete(rows, &id, id_hash(set, id));
    memmove(entries + e, entries + e + 1, blob->length - (size_t)(e + 1) * ENTRY_BYTES);
    blob->length -= ENTRY_BYTES;
    if (blob->length == 0)
        wr_table_delete(index, at, hash);
    else
        wr_table_touch(index, at);
}

/* The last entry of an index row whose row has the payload and `from` of `wanted`, or -1. */
static int64_t last_equal(const struct wr_rowset *set, const struct wr_table *rows,
                          const uint8_t *at, const uint8_t *wanted, int64_t from_us) {
    uint32_t count;
    const struct wr_rowset_entry *entries = wr_rowset_entries(set, at, &count);
    for (uint32_t e = count; e-- > 0;) {
        const uint8_t *row = wr_table_find_word(rows, entries[e].id);
        if (row != NULL && entries[e].from_us == from_us &&
            wr_payload_equal(&set->payload, row + WR_ROWSET_PAYLOAD, wanted + WR_ROWSET_PAYLOAD))
            return e;
    }
    return -1;
}

int wr_rowset_remove(struct wr_rowset *set, const void *key, uint64_t hash, int64_t from_us,
                     const struct wr_batch *in, uint32_t row, int *found) {
    *found = 0;
    for (uint32_t s = set->index.count; s-- > 0 && !*found;) {
        struct wr_table *index = set->index.items[s].table;
        struct wr_table *rows = wr_slices_find(&set->rows, set->index.items[s].start_us);
        uint8_t *at, *wanted;
        wr_table_find(index, key, &hash, 1, &at);
        if (at == NULL || rows == NULL)
            continue;
        struct wr_rowset_entry probe = {.id = UINT64_MAX};
        int status = put_row(set, rows, &probe, 0, in, row, &wanted);
        if (status != WR_OK)
            return status;
        int64_t e = last_equal(set, rows, at, wanted, from_us);
        wr_table_delete(rows, &probe.id, id_hash(set, probe.id));
        if (e >= 0)
            take(set, index, rows, at, hash, (uint32_t)e);
        *found = e >= 0;
    }
    return WR_OK;
}

int wr_rowset_find(const struct wr_rowset *set, int64_t start_us, const uint64_t *ids,
                   uint32_t count, struct wr_arena *scratch, uint8_t **rows) {
    const struct wr_table *table = wr_slices_find(&set->rows, start_us);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (hashes == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        hashes[i] = id_hash(set, ids[i]);
    if (table != NULL)
        wr_table_find(table, ids, hashes, count, rows);
    for (uint32_t i = 0; i < count; i++)
        if (table == NULL || rows[i] == NULL)
            return WR_ECORRUPT; /* of a state that was read back */
    return WR_OK;
}

int64_t wr_rowset_match(struct wr_rowset *set, int64_t start_us, uint8_t *row, int64_t by) {
    int64_t before, after;
    memcpy(&before, row + WR_ROWSET_MATCHES, 8);
    after = before + by;
    memcpy(row + WR_ROWSET_MATCHES, &after, 8);
    wr_table_touch(wr_slices_find(&set->rows, start_us), row);
    return before;
}

void wr_rowset_drop(struct wr_rowset *set, int64_t frontier) {
    int64_t before = WR_TIME_MAX;
    if (frontier != WR_TIME_MAX) {
        if (set->width_us == 0)
            return;
        before = wr_rowset_slice(set, frontier);
    }
    wr_slices_drop_before(&set->index, before);
    wr_slices_drop_before(&set->rows, before);
}

void wr_rowset_settle(struct wr_rowset *set) {
    wr_slices_settle(&set->index);
    wr_slices_settle(&set->rows);
}

int wr_rowset_has_changed(const struct wr_rowset *set) {
    return set->next_id != set->saved_id || wr_rowset_is_saving(set) ||
           wr_slices_has_changed(&set->index) || wr_slices_has_changed(&set->rows);
}

int wr_rowset_is_saving(const struct wr_rowset *set) {
    return set->index.saving || set->rows.saving;
}

/* u64, the next number · the index's log · the rows' log. */
int wr_rowset_save(struct wr_rowset *set, struct wr_buf *out, int all, size_t piece_bytes) {
    struct wr_slices *sets[2] = {&set->index, &set->rows};
    wr_buf_add_u64(out, set->next_id);
    int status = wr_slices_save_sets(sets, 2, out, all, piece_bytes);
    if (status == WR_OK)
        set->saved_id = set->next_id;
    return out->status == WR_OK ? status : out->status;
}

void wr_rowset_save_none(struct wr_rowset *set, struct wr_buf *out) {
    wr_buf_add_u64(out, set->next_id);
    wr_slices_save_none(out);
    wr_slices_save_none(out);
}

/* Slices that were read back stand where this set has them. */
static int is_whole(const struct wr_rowset *set) {
    for (uint32_t s = 0; s < set->index.count; s++)
        if (wr_rowset_slice(set, set->index.items[s].start_us) != set->index.items[s].start_us)
            return 0;
    return 1;
}

int wr_rowset_load(struct wr_rowset *set, struct wr_reader *in) {
    set->next_id = set->saved_id = wr_reader_u64(in);
    struct wr_slices *sets[2] = {&set->index, &set->rows};
    int status = in->failed ? WR_ECORRUPT : wr_slices_load_sets(sets, 2, in);
    return status == WR_OK && !is_whole(set) ? WR_ECORRUPT : status;
}
