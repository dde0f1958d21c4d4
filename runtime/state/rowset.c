/* rowset.c: see rowset.h. The index is in rowset_index.c, the log in rowset_log.c. */
#include "state/rowset.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/status.h"
#include "state/rowset_parts.h"
#include "base/banned.h"

#define BLOCK_ROWS_MIN 8u
#define BLOCK_ROWS_MAX 128u
#define BLOCK_BYTES_MAX 32768u
#define ARENA_FIRST_BYTES 1024u
#define ARENA_BLOCK_BYTES 65536u
#define ADD_ROWS 256u     /* of a batch that are added at once */
#define GONE_ROWS_MIN 64u /* fewer are not worth moving the others */

const struct wr_rowset_zone wr_rowset_no_zone = {
    .time_min = INT64_MAX, .time_max = INT64_MIN, .until_max = INT64_MIN, .word_min = UINT64_MAX};

int wr_rowset_init(struct wr_rowset *set, struct wr_arena *arena, struct wr_budget *budget,
                   const struct wr_key_layout *keys, const struct wr_schema *schema,
                   const uint64_t *wanted, int64_t width_us, uint64_t seed) {
    *set = (struct wr_rowset){.budget = budget, .keys = keys, .width_us = width_us, .seed = seed};
    if (wr_payload_init(&set->payload, arena, schema, wanted) != WR_OK)
        return WR_ENOMEM;
    uint32_t own = keys->cell_count, rest = set->payload.cell_count;
    struct wr_cell *cells = WR_ARENA_ARRAY(arena, struct wr_cell, own + rest + 1);
    if (cells == NULL)
        return WR_ENOMEM;
    memcpy(cells, keys->cells, own * sizeof *cells);
    for (uint32_t i = 0; i < rest; i++) {
        cells[own + i] = set->payload.cells[i];
        cells[own + i].offset += keys->key_bytes;
    }
    set->shape = (struct wr_shape){.key_bytes = keys->key_bytes,
                                   .row_bytes = keys->key_bytes + set->payload.bytes,
                                   .cell_count = own + rest,
                                   .cells = cells};
    set->word_at = keys->column_count > 0 ? keys->offsets[0] : 0;
    set->payload_at = (uint32_t)sizeof(struct wr_rowset_row) + keys->key_bytes;
    set->row_bytes = set->payload_at + set->payload.bytes;
    return set->row_bytes > WR_ROW_BYTES_MAX ? WR_ELIMIT : WR_OK;
}

/* ---- slices ---- */

static void slice_free(struct wr_rowset *set, struct wr_rowset_slice *slice) {
    if (slice == NULL)
        return;
    wr_rowset_slice_forget(set, slice);
    wr_arena_release(&slice->arena);
    wr_free(set->budget, slice->blocks);
    wr_free(set->budget, slice->deleted);
    wr_free(set->budget, slice);
}

static void spare_free(struct wr_rowset *set) {
    slice_free(set, set->spare);
    set->spare = NULL;
}

void wr_rowset_release(struct wr_rowset *set) {
    for (uint32_t s = 0; s < set->count; s++)
        slice_free(set, set->slices[s]);
    spare_free(set);
    wr_rowset_index_release(set);
    wr_free(set->budget, set->slices);
    wr_free(set->budget, set->dropped);
    wr_free(set->budget, set->awake);
    wr_free(set->budget, set->saving.given);
    set->saving.given = NULL;
    set->slices = NULL;
    set->dropped = NULL;
    set->awake = NULL;
    set->count = set->room = set->last = set->dropped_count = set->dropped_room = 0;
}

int64_t wr_rowset_slice(const struct wr_rowset *set, int64_t until_us) {
    if (set->width_us == 0)
        return 0;
    int64_t rest = until_us % set->width_us, start;
    if (__builtin_sub_overflow(until_us - rest, rest < 0 ? set->width_us : 0, &start))
        return WR_TIME_MIN;
    return start;
}

int64_t wr_rowset_slice_end(const struct wr_rowset *set, int64_t start_us) {
    int64_t end;
    if (set->width_us == 0 || __builtin_add_overflow(start_us, set->width_us, &end))
        return WR_TIME_MAX;
    return end;
}

/* The first slice that starts at `start_us` or later. */
static uint32_t lower_bound(const struct wr_rowset *set, int64_t start_us) {
    uint32_t from = 0, to = set->count;
    if (to > 0 && set->slices[to - 1]->start_us < start_us)
        return to; /* time goes on: most new slices are the last */
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (set->slices[middle]->start_us < start_us)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void arena_init(struct wr_rowset *set, struct wr_rowset_slice *slice) {
    wr_arena_init_growing(&slice->arena, set->budget, ARENA_FIRST_BYTES,
                          wr_arena_block_bytes(set->budget, ARENA_BLOCK_BYTES));
}

static struct wr_rowset_slice *slice_new(struct wr_rowset *set) {
    struct wr_rowset_slice *slice = set->spare;
    set->spare = NULL;
    if (slice == NULL) {
        slice = wr_alloc_zero(set->budget, sizeof *slice);
        if (slice != NULL)
            arena_init(set, slice);
    }
    return slice;
}

struct wr_rowset_slice *wr_rowset_slice_at(struct wr_rowset *set, int64_t start_us) {
    if (set->last < set->count && set->slices[set->last]->start_us == start_us)
        return set->slices[set->last];
    uint32_t at = set->last = lower_bound(set, start_us);
    if (at < set->count && set->slices[at]->start_us == start_us)
        return set->slices[at];
    /* Room for the starts of all slices that there are, so that dropping cannot fail. */
    uint32_t dropped = set->dropped_count + set->count;
    if (wr_grow(set->budget, (void **)&set->slices, set->count, &set->room,
                sizeof(struct wr_rowset_slice *)) != WR_OK ||
        wr_grow(set->budget, (void **)&set->dropped, dropped, &set->dropped_room,
                sizeof *set->dropped) != WR_OK)
        return NULL;
    struct wr_rowset_slice *slice = slice_new(set);
    if (slice == NULL)
        return NULL;
    slice->start_us = start_us;
    slice->zone = wr_rowset_no_zone;
    memmove(&set->slices[at + 1], &set->slices[at],
            (set->count - at) * sizeof(struct wr_rowset_slice *));
    set->slices[at] = slice;
    set->count++;
    return slice;
}

static uint64_t unindexed_of(const struct wr_rowset_slice *slice) {
    uint64_t count = 0;
    for (uint32_t b = slice->indexed_blocks; b < slice->block_count; b++)
        count += slice->blocks[b]->count;
    return count - slice->indexed_rows;
}

/* Rows in rings, and what looking at the others has cost, go with them. */
static void out_of_index(struct wr_rowset *set, struct wr_rowset_slice *slice) {
    struct wr_rowset_walk walk = {.set = set, .slice = slice};
    for (struct wr_rowset_row *row;
         set->directory != NULL && (row = wr_rowset_walk_next(&walk)) != NULL && row->next != NULL;)
        wr_rowset_unlink(set, row);
    uint64_t unindexed = unindexed_of(slice);
    if (unindexed > 0)
        set->scanned -=
            (uint64_t)((double)set->scanned * (double)unindexed / (double)set->unindexed);
    set->unindexed -= unindexed;
    slice->indexed_blocks = slice->indexed_rows = 0;
}

static int is_in_index(const struct wr_rowset_slice *slice) {
    return slice->indexed_blocks > 0 || slice->indexed_rows > 0;
}

void wr_rowset_slice_empty(struct wr_rowset *set, struct wr_rowset_slice *slice) {
    uint32_t others = 0;
    for (uint32_t s = 0; s < set->count; s++)
        others += set->slices[s] != slice && is_in_index(set->slices[s]);
    if (others == 0)
        wr_rowset_index_release(set);
    out_of_index(set, slice);
    spare_free(set);
    wr_arena_release(&slice->arena);
    arena_init(set, slice);
    wr_free(set->budget, slice->blocks);
    slice->blocks = NULL;
    slice->block_count = slice->block_room = slice->dirty_from = 0;
    slice->gone = slice->bytes = 0;
    slice->zone = wr_rowset_no_zone;
}

void wr_rowset_slice_drop(struct wr_rowset *set, uint32_t at) {
    struct wr_rowset_slice *slice = set->slices[at];
    out_of_index(set, slice);
    if (slice->was_saved) {
        WR_ASSERT(set->dropped_count < set->dropped_room);
        set->dropped[set->dropped_count++] = slice->start_us;
    }
    memmove(&set->slices[at], &set->slices[at + 1],
            (set->count - at - 1) * sizeof(struct wr_rowset_slice *));
    set->count--;
    spare_free(set);
    wr_rowset_slice_forget(set, slice);
    wr_arena_reset(&slice->arena);
    *slice = (struct wr_rowset_slice){.arena = slice->arena,
                                      .blocks = slice->blocks,
                                      .block_room = slice->block_room,
                                      .deleted = slice->deleted,
                                      .deleted_room = slice->deleted_room};
    set->spare = slice;
}

void wr_rowset_drop(struct wr_rowset *set, int64_t frontier) {
    int64_t before = WR_TIME_MAX;
    if (frontier != WR_TIME_MAX) {
        if (set->width_us == 0)
            return;
        before = wr_rowset_slice(set, frontier);
    }
    if (set->count > 0 && set->slices[set->count - 1]->start_us < before)
        wr_rowset_index_release(set);
    while (set->count > 0 && set->slices[0]->start_us < before)
        wr_rowset_slice_drop(set, 0);
}

uint64_t wr_rowset_rows(const struct wr_rowset *set) {
    uint64_t rows = 0;
    for (uint32_t s = 0; s < set->count; s++)
        rows += set->slices[s]->live;
    return rows;
}

struct wr_rowset_row *wr_rowset_walk_next(struct wr_rowset_walk *walk) {
    while (walk->block < walk->slice->block_count) {
        struct wr_rowset_block *block = walk->slice->blocks[walk->block];
        if (walk->row == block->count) {
            walk->block++;
            walk->row = 0;
            continue;
        }
        struct wr_rowset_row *row = wr_rowset_at(walk->set, block, walk->row++);
        if ((row->flags & WR_ROWSET_GONE) == 0)
            return row;
    }
    return NULL;
}

/* ---- rows ---- */

static void *slice_alloc(struct wr_rowset *set, struct wr_rowset_slice *slice, size_t bytes) {
    void *memory = wr_arena_alloc(&slice->arena, bytes);
    if (memory == NULL && set->spare != NULL) {
        spare_free(set);
        memory = wr_arena_alloc(&slice->arena, bytes);
    }
    slice->bytes += memory == NULL ? 0 : bytes;
    return memory;
}

static struct wr_rowset_block *block_add(struct wr_rowset *set, struct wr_rowset_slice *slice) {
    uint32_t most = WR_MAX(WR_MIN(BLOCK_BYTES_MAX / set->row_bytes, BLOCK_ROWS_MAX), 1u);
    uint32_t room = BLOCK_ROWS_MIN;
    int64_t upto = INT64_MIN;
    if (slice->block_count > 0) {
        room = slice->blocks[slice->block_count - 1]->room * 2;
        upto = slice->blocks[slice->block_count - 1]->until_upto;
    }
    room = WR_MIN(room, most);
    if (wr_grow(set->budget, (void **)&slice->blocks, slice->block_count, &slice->block_room,
                sizeof(struct wr_rowset_block *)) != WR_OK)
        return NULL;
    struct wr_rowset_block *block =
        slice_alloc(set, slice, sizeof *block + (size_t)room * set->row_bytes);
    if (block == NULL)
        return NULL;
    *block = (struct wr_rowset_block){.slice = slice,
                                      .number = slice->block_count,
                                      .room = room,
                                      .until_upto = upto,
                                      .zone = wr_rowset_no_zone};
    slice->blocks[slice->block_count++] = block;
    return block;
}

/* Long strings of cells that point elsewhere are copied. */
static int own_texts(struct wr_rowset *set, struct wr_rowset_slice *slice, uint8_t *at,
                     const struct wr_cell *cells, uint32_t count) {
    for (uint32_t c = 0; c < count; c++) {
        struct wr_str *str = (struct wr_str *)(void *)(at + cells[c].offset);
        if (str->length <= WR_STR_INLINE_MAX)
            continue;
        char *copy = slice_alloc(set, slice, str->length);
        if (copy == NULL)
            return WR_ENOMEM;
        memcpy(copy, str->pointer, str->length);
        str->pointer = copy;
    }
    return WR_OK;
}

/* Rows behind those of a block, for which it has room, from as many keys, hashes and entries; their
 * numbers go up from `id`. Gives their zone. */
static struct wr_rowset_zone fill_rows(const struct wr_rowset *set, struct wr_rowset_block *block,
                                       uint64_t id, const char *keys, const uint64_t *hashes,
                                       const struct wr_rowset_entry *entries, uint32_t count) {
    struct wr_rowset_zone zone = wr_rowset_no_zone;
    uint32_t key_bytes = set->keys->key_bytes;
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_rowset_entry *entry = &entries[i];
        const char *key = keys + (size_t)i * key_bytes;
        struct wr_rowset_row *row = wr_rowset_at(set, block, block->count + i);
        *row = (struct wr_rowset_row){.id = id + i,
                                      .time_us = entry->time_us,
                                      .from_us = entry->from_us,
                                      .until_us = entry->until_us,
                                      .matches = entry->matches,
                                      .hash = hashes[i],
                                      .place = block->count + i,
                                      .flags = set->adds_saved ? WR_ROWSET_SAVED : WR_ROWSET_DIRTY};
        for (uint32_t at = 0; at < key_bytes; at += 8) /* mostly two words: no call */
            memcpy(row->key + at, key + at, 8);
        uint64_t word = wr_rowset_word(set, key);
        const struct wr_rowset_zone one = {entry->time_us, entry->time_us, entry->until_us, word,
                                           word};
        wr_rowset_zone_widen(&zone, &one);
    }
    return zone;
}

/* As many of `count` rows as the last block, or a new one, has room for. 0: no memory. */
static uint32_t append_some(struct wr_rowset *set, struct wr_rowset_slice *slice, uint64_t id,
                            const char *keys, const uint64_t *hashes,
                            const struct wr_rowset_entry *entries, uint32_t count) {
    struct wr_rowset_block *block =
        slice->block_count == 0 ? NULL : slice->blocks[slice->block_count - 1];
    if (block == NULL || block->count == block->room)
        block = block_add(set, slice);
    if (block == NULL)
        return 0;
    count = WR_MIN(count, block->room - block->count);
    struct wr_rowset_zone zone = fill_rows(set, block, id, keys, hashes, entries, count);
    for (uint32_t i = 0; i < count && set->keys->cell_count > 0; i++)
        if (own_texts(set, slice, wr_rowset_at(set, block, block->count + i)->key, set->keys->cells,
                      set->keys->cell_count) != WR_OK)
            return 0;
    wr_rowset_zone_widen(&block->zone, &zone);
    wr_rowset_zone_widen(&slice->zone, &zone);
    block->until_upto = WR_MAX(block->until_upto, zone.until_max);
    if (!set->adds_saved)
        wr_rowset_mark(block);
    block->count += count;
    slice->live += count;
    set->unindexed += count;
    return count;
}

struct wr_rowset_row *wr_rowset_append(struct wr_rowset *set, struct wr_rowset_slice *slice,
                                       uint64_t id, const char *key, uint64_t hash,
                                       const struct wr_rowset_entry *entry) {
    if (append_some(set, slice, id, key, &hash, entry, 1) == 0)
        return NULL;
    struct wr_rowset_block *block = slice->blocks[slice->block_count - 1];
    return wr_rowset_at(set, block, block->count - 1);
}

int wr_rowset_set_payload(struct wr_rowset *set, struct wr_rowset_row *row,
                          const uint8_t *payload) {
    uint8_t *at = (uint8_t *)row + set->payload_at;
    memcpy(at, payload, set->payload.bytes);
    return own_texts(set, wr_rowset_block_of(set, row)->slice, at, set->payload.cells,
                     set->payload.cell_count);
}

/* Rows that go into one slice. */
static int add_run(struct wr_rowset *set, int64_t start_us, const char *keys,
                   const uint64_t *hashes, const struct wr_rowset_entry *entries,
                   const struct wr_batch *in, const uint32_t *rows, uint32_t count) {
    WR_UNINITIALIZED uint8_t *payloads[ADD_ROWS];
    struct wr_rowset_slice *slice = wr_rowset_slice_at(set, start_us);
    if (slice == NULL)
        return WR_ENOMEM;
    for (uint32_t at = 0, added; at < count; at += added) {
        added = append_some(set, slice, set->next_id, keys + (size_t)at * set->keys->key_bytes,
                            hashes + at, entries + at, count - at);
        if (added == 0)
            return WR_ENOMEM;
        set->next_id += added;
        struct wr_rowset_block *block = slice->blocks[slice->block_count - 1];
        for (uint32_t i = 0; i < added; i++)
            payloads[at + i] =
                (uint8_t *)wr_rowset_at(set, block, block->count - added + i) + set->payload_at;
    }
    int status =
        wr_payload_put_rows(&set->payload, &slice->arena, payloads, in, rows, count, &slice->bytes);
    if (status == WR_OK || set->spare == NULL)
        return status;
    spare_free(set);
    return wr_payload_put_rows(&set->payload, &slice->arena, payloads, in, rows, count,
                               &slice->bytes);
}

int wr_rowset_add(struct wr_rowset *set, const char *keys, const uint64_t *hashes,
                  const struct wr_rowset_entry *entries, const struct wr_batch *in,
                  const uint32_t *rows, uint32_t count) {
    int status = WR_OK;
    for (uint32_t from = 0, end; from < count && status == WR_OK; from = end) {
        int64_t start =
            wr_rowset_slice(set, WR_MAX(entries[from].until_us, entries[from].stays_us));
        int64_t last = wr_rowset_slice_end(set, start);
        for (end = from + 1; end < count && end - from < ADD_ROWS; end++) {
            int64_t until = WR_MAX(entries[end].until_us, entries[end].stays_us);
            if (set->width_us != 0 && (until < start || (until >= last && last != WR_TIME_MAX)))
                break;
        }
        status = add_run(set, start, keys + (size_t)from * set->keys->key_bytes, hashes + from,
                         entries + from, in, rows + from, end - from);
    }
    return status;
}

int wr_rowset_take(struct wr_rowset *set, struct wr_rowset_row *row) {
    struct wr_rowset_block *block = wr_rowset_block_of(set, row);
    struct wr_rowset_slice *slice = block->slice;
    if (row->flags & WR_ROWSET_SAVED) {
        if (wr_grow(set->budget, (void **)&slice->deleted, slice->deleted_count,
                    &slice->deleted_room, sizeof *slice->deleted) != WR_OK)
            return WR_ENOMEM;
        slice->deleted[slice->deleted_count++] =
            (struct wr_rowset_deleted){.id = row->id, .hash = row->hash};
        slice->is_dirty = 1;
    }
    wr_rowset_unlink(set, row);
    row->flags = WR_ROWSET_GONE;
    slice->live--;
    set->has_gone = 1;
    if (block->cold == NULL) {
        slice->gone++;
        return WR_OK;
    }
    block->has_changed = 1;
    block->run->gone++;
    slice->rested--;
    set->rested--;
    return WR_OK;
}

int wr_rowset_remove(struct wr_rowset *set, const char *key, uint64_t hash, int64_t from_us,
                     const struct wr_batch *in, uint32_t row, int *found) {
    static const struct wr_rowset_bounds any = {WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN};
    *found = 0;
    if (wr_rowset_index_all(set) != WR_OK)
        return WR_ENOMEM;
    struct wr_rowset_row *best = NULL;
    struct wr_rowset_probe probe;
    int64_t best_start = 0;
    uint64_t best_id = 0;
    int status = WR_OK;
    wr_rowset_probe_begin(&probe, set, key, hash, &any, wr_rowset_ring(set, hash));
    for (struct wr_rowset_row *at;
         status == WR_OK && (at = wr_rowset_probe_next(&probe)) != NULL;) {
        if (at->from_us == from_us &&
            wr_payload_holds(&set->payload, wr_rowset_payload(set, at), in, row)) {
            int64_t start = wr_rowset_block_of(set, at)->slice->start_us;
            if (!*found || start > best_start || (start == best_start && at->id > best_id)) {
                best = at;
                best_start = start;
                best_id = at->id;
                *found = 1;
            }
        }
        if (!wr_rowset_is_crowded(set))
            continue;
        if (best != NULL && wr_rowset_is_at_rest(set, best))
            best = NULL;
        status = wr_rowset_tend_some(set);
    }
    status = status == WR_OK ? probe.status : status;
    if (status == WR_OK && *found && best == NULL)
        best = wr_rowset_find_rested(set, hash, best_id, &status);
    return status != WR_OK || best == NULL ? status : wr_rowset_take(set, best);
}

int64_t wr_rowset_match(struct wr_rowset *set, struct wr_rowset_row *row, int64_t by) {
    int64_t before = row->matches;
    struct wr_rowset_block *block = wr_rowset_block_of(set, row);
    row->matches += by;
    row->flags |= WR_ROWSET_DIRTY;
    wr_rowset_mark(block);
    return before;
}

/* ---- moving rows together ---- */

/* The rows of `from` that are left, in the empty slice `to`. */
static int move_rows(struct wr_rowset *set, struct wr_rowset_slice *from,
                     struct wr_rowset_slice *to) {
    struct wr_rowset_walk walk = {.set = set, .slice = from};
    for (struct wr_rowset_row *row; (row = wr_rowset_walk_next(&walk)) != NULL;) {
        struct wr_rowset_entry entry = {.time_us = row->time_us,
                                        .from_us = row->from_us,
                                        .until_us = row->until_us,
                                        .matches = row->matches};
        struct wr_rowset_row *copy =
            wr_rowset_append(set, to, row->id, (const char *)row->key, row->hash, &entry);
        if (copy == NULL)
            return WR_ENOMEM;
        set->unindexed--;
        if (wr_rowset_set_payload(set, copy, wr_rowset_payload(set, row)) != WR_OK)
            return WR_ENOMEM;
        copy->flags = row->flags;
    }
    return WR_OK;
}

/* All or nothing: rings are changed when every row has its new place. */
static void slice_pack(struct wr_rowset *set, uint32_t at) {
    struct wr_rowset_slice *from = set->slices[at], *to = slice_new(set);
    if (to == NULL || wr_rowset_index_all(set) != WR_OK) {
        slice_free(set, to);
        return; /* it stays as it is */
    }
    uint64_t unindexed = set->unindexed;
    to->start_us = from->start_us;
    to->zone = wr_rowset_no_zone;
    if (move_rows(set, from, to) != WR_OK) {
        set->unindexed = unindexed;
        slice_free(set, to);
        return;
    }
    struct wr_rowset_walk old = {.set = set, .slice = from}, new = {.set = set, .slice = to};
    for (struct wr_rowset_row *row; (row = wr_rowset_walk_next(&old)) != NULL;)
        wr_rowset_relink(set, row, wr_rowset_walk_next(&new));
    to->indexed_blocks = to->block_count;
    if (to->block_count > 0 &&
        to->blocks[to->block_count - 1]->count < to->blocks[to->block_count - 1]->room)
        to->indexed_rows = to->blocks[--to->indexed_blocks]->count;
    to->is_dirty = from->is_dirty;
    to->was_saved = from->was_saved;
    to->dirty_from = 0;
    struct wr_rowset_deleted *deleted = to->deleted;
    to->deleted = from->deleted;
    to->deleted_count = from->deleted_count;
    to->deleted_room = from->deleted_room;
    from->deleted = deleted;
    wr_rowset_hand_over(set, from, to);
    set->slices[at] = to;
    slice_free(set, from);
}

void wr_rowset_settle(struct wr_rowset *set) {
    set->stays = 0;
    for (uint32_t s = 0; set->has_gone && s < set->count; s++)
        if (set->slices[s]->gone > GONE_ROWS_MIN &&
            set->slices[s]->gone > set->slices[s]->live - set->slices[s]->rested)
            slice_pack(set, s);
    set->has_gone = 0;
}

uint64_t wr_rowset_bytes(const struct wr_rowset *set) {
    uint64_t bytes = wr_rowset_index_bytes(set) + set->run_bytes + set->awake_bytes;
    for (uint32_t s = 0; s < set->count; s++)
        bytes += set->slices[s]->bytes + sizeof *set->slices[s];
    return bytes;
}
