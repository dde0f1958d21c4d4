#include "op/agg_parts.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/banned.h"

enum { TABLE_GROUPS, TABLE_STATES, TABLE_COUNT };

/* ---- shapes and tables ---------------------------------------------------------------------- */

int agg_shapes_bind(struct agg_shapes **shapes, struct wr_arena *arena,
                    const struct wr_aggregates *aggregates, struct wr_error *err) {
    const struct wr_key_layout *layout = &aggregates->layout;
    const struct wr_shape *shape = &aggregates->shape;
    *shapes = WR_ARENA_ZEROS(arena, struct agg_shapes, 1);
    struct wr_cell *groups = WR_ARENA_ARRAY(arena, struct wr_cell, layout->cell_count + 1);
    struct wr_cell *states = WR_ARENA_ARRAY(arena, struct wr_cell, shape->cell_count + 1);
    if (*shapes == NULL || groups == NULL || states == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    uint32_t row_bytes = shape->row_bytes + AGG_PART_HEAD_BYTES;
    if (row_bytes > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT,
                            "the aggregates of one stage take more than %d bytes a group",
                            WR_ROW_BYTES_MAX);
    for (uint32_t c = 0; c < layout->cell_count; c++)
        groups[c] = layout->cells[c];
    groups[layout->cell_count] =
        (struct wr_cell){.kind = WR_CELL_BLOB, .offset = layout->key_bytes};
    for (uint32_t c = 0; c < shape->cell_count; c++)
        states[c] = (struct wr_cell){.kind = shape->cells[c].kind,
                                     .offset = shape->cells[c].offset + AGG_PART_HEAD_BYTES};
    (*shapes)->groups =
        (struct wr_shape){.key_bytes = layout->key_bytes,
                          .row_bytes = layout->key_bytes + (uint32_t)sizeof(struct wr_blob) + 8,
                          .cell_count = layout->cell_count + 1,
                          .cells = groups};
    (*shapes)->states = (struct wr_shape){
        .key_bytes = 8, .row_bytes = row_bytes, .cell_count = shape->cell_count, .cells = states};
    return WR_OK;
}

int agg_parts_open(struct agg_parts *parts, const struct agg_shapes *shapes,
                   const struct wr_aggregates *aggregates, struct wr_budget *budget,
                   uint64_t seed) {
    *parts = (struct agg_parts){.aggregates = aggregates, .budget = budget, .seed = seed};
    wr_time_heap_init(&parts->heap, budget);
    parts->groups = wr_table_new(budget, &shapes->groups, seed);
    parts->states = wr_table_new(budget, &shapes->states, seed);
    return parts->groups == NULL || parts->states == NULL ? WR_ENOMEM : WR_OK;
}

void agg_parts_close(struct agg_parts *parts) {
    if (parts->groups != NULL)
        wr_table_free(parts->groups);
    if (parts->states != NULL)
        wr_table_free(parts->states);
    wr_time_heap_release(&parts->heap);
    parts->groups = parts->states = NULL;
}

void agg_parts_settle(struct agg_parts *parts) {
    wr_table_settle(parts->groups);
    wr_table_settle(parts->states);
}

/* ---- groups --------------------------------------------------------------------------------- */

static struct wr_blob *blob_of(const struct agg_parts *parts, const uint8_t *group) {
    return (struct wr_blob *)(uintptr_t)(group + parts->aggregates->layout.key_bytes);
}

int agg_groups_at(struct agg_parts *parts, const char *keys, const uint64_t *hashes, uint32_t count,
                  uint8_t **groups) {
    if (parts->aggregates->key_count > 0)
        return wr_table_upsert(parts->groups, keys, hashes, count, groups, NULL);
    int status = wr_table_upsert(parts->groups, keys, hashes, 1, groups, NULL);
    for (uint32_t i = 1; i < count; i++)
        groups[i] = groups[0];
    return status;
}

uint8_t *agg_group_find(const struct agg_parts *parts, const char *key, uint64_t hash) {
    uint8_t *group;
    wr_table_find(parts->groups, key, &hash, 1, &group);
    return group;
}

uint8_t *agg_group_of(const struct agg_parts *parts, const uint8_t *state) {
    uint64_t hash;
    wr_keys_hash(&parts->aggregates->layout, state, 1, parts->seed, &hash);
    return agg_group_find(parts, (const char *)state, hash);
}

void agg_group_touch(struct agg_parts *parts, uint8_t *group) {
    wr_table_touch(parts->groups, group);
}

void agg_group_delete(struct agg_parts *parts, const char *key, uint64_t hash) {
    wr_table_delete(parts->groups, key, hash);
}

struct agg_part *agg_group_parts(const struct agg_parts *parts, const uint8_t *group,
                                 uint32_t *count) {
    const struct wr_blob *blob = blob_of(parts, group);
    *count = blob->length / (uint32_t)sizeof(struct agg_part);
    return (struct agg_part *)(void *)blob->bytes;
}

int64_t *agg_group_counter(const struct agg_parts *parts, uint8_t *group) {
    return (int64_t *)(void *)(group + parts->aggregates->layout.key_bytes +
                               sizeof(struct wr_blob));
}

int agg_group_insert(struct agg_parts *parts, uint8_t *group, uint32_t at,
                     const struct agg_part *part) {
    struct wr_blob *blob = blob_of(parts, group);
    uint32_t bytes = (uint32_t)sizeof *part, from = at * bytes;
    WR_ASSERT(from <= blob->length);
    if (blob->length > UINT32_MAX / 2)
        return WR_ELIMIT;
    uint32_t room = blob->length + bytes;
    if (room > blob->room) {
        int status = wr_blob_reserve(parts->groups, blob, blob->length == 0 ? bytes : 2 * room);
        if (status != WR_OK)
            return status;
    }
    memmove(blob->bytes + from + bytes, blob->bytes + from, blob->length - from);
    memcpy(blob->bytes + from, part, bytes);
    blob->length = room;
    return WR_OK;
}

void agg_group_remove(struct agg_parts *parts, uint8_t *group, uint32_t at) {
    struct wr_blob *blob = blob_of(parts, group);
    uint32_t bytes = (uint32_t)sizeof(struct agg_part), from = at * bytes;
    WR_ASSERT(from + bytes <= blob->length);
    memmove(blob->bytes + from, blob->bytes + from + bytes, blob->length - from - bytes);
    blob->length -= bytes;
}

/* ---- states --------------------------------------------------------------------------------- */

static uint64_t id_hash(const struct agg_parts *parts, int64_t id) {
    return wr_shape_hash(&(struct wr_shape){.key_bytes = 8}, &id, parts->seed);
}

int agg_states_at(struct agg_parts *parts, struct wr_arena *scratch, const int64_t *ids,
                  const char *const *keys, uint32_t count, uint8_t **states) {
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    uint8_t *made = WR_ARENA_ZEROS(scratch, uint8_t, count + 1);
    if (hashes == NULL || made == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        hashes[i] = id_hash(parts, ids[i]);
    int status = wr_table_upsert(parts->states, ids, hashes, count, states, made);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        states[i] += AGG_PART_HEAD_BYTES;
        if (made[i])
            status = wr_keys_put(&parts->aggregates->layout, parts->states, states[i], keys[i]);
    }
    return status;
}

void agg_states_find(const struct agg_parts *parts, struct wr_arena *scratch, const int64_t *ids,
                     uint32_t count, uint8_t **states) {
    (void)scratch;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = id_hash(parts, ids[i]);
        wr_table_find(parts->states, &ids[i], &hash, 1, &states[i]);
        if (states[i] != NULL)
            states[i] += AGG_PART_HEAD_BYTES;
    }
}

void agg_state_delete(struct agg_parts *parts, int64_t id) {
    wr_table_delete(parts->states, &id, id_hash(parts, id));
}

/* ---- what is due ---------------------------------------------------------------------------- */

int agg_due_add(struct agg_parts *parts, struct agg_part *part, int64_t due) {
    part->due = due;
    return wr_time_heap_add(&parts->heap, due, (uint64_t)part->id);
}

/* After a restart: an entry for each part of each group. */
static int index_parts(struct agg_parts *parts) {
    struct wr_table_walk walk;
    int status = WR_OK;
    parts->must_index = 0;
    parts->heap.count = 0;
    wr_table_walk_begin(&walk, parts->groups);
    for (uint8_t *group; status == WR_OK && (group = wr_table_walk_next(&walk)) != NULL;) {
        uint32_t count;
        const struct agg_part *list = agg_group_parts(parts, group, &count);
        for (uint32_t i = 0; i < count && status == WR_OK; i++)
            status = wr_time_heap_add(&parts->heap, list[i].due, (uint64_t)list[i].id);
    }
    return status;
}

int agg_due_count(struct agg_parts *parts, int64_t frontier, uint32_t *count) {
    int status = parts->must_index ? index_parts(parts) : WR_OK;
    *count = status == WR_OK ? wr_time_heap_count(&parts->heap, frontier) : 0;
    return status;
}

int agg_due_next(struct agg_parts *parts, int64_t frontier, struct wr_timer *due) {
    if (parts->heap.count == 0 || parts->heap.items[0].time_us > frontier)
        return 0;
    *due = wr_time_heap_take(&parts->heap);
    return 1;
}

/* ---- state ---------------------------------------------------------------------------------- */

int agg_parts_has_changed(const struct agg_parts *parts) {
    return parts->saving != 0 || parts->next_id != parts->saved_next_id ||
           wr_table_has_changed(parts->groups) || wr_table_has_changed(parts->states);
}

/* A piece: next id, which table, a log of it. */
int agg_parts_save(struct agg_parts *parts, struct wr_buf *out, int all, size_t piece_bytes) {
    struct wr_table *table = parts->saving == TABLE_GROUPS ? parts->groups : parts->states;
    wr_buf_add_u64(out, (uint64_t)parts->next_id);
    wr_buf_add_u32(out, parts->saving);
    int status = wr_table_save(table, out, all, piece_bytes);
    if (status == WR_OK && parts->saving == TABLE_GROUPS) {
        parts->saving = TABLE_STATES;
        return WR_EAGAIN;
    }
    if (status == WR_OK) {
        parts->saving = TABLE_GROUPS;
        parts->saved_next_id = parts->next_id;
    }
    return status;
}

int agg_parts_load(struct agg_parts *parts, struct wr_reader *in) {
    parts->next_id = parts->saved_next_id = (int64_t)wr_reader_u64(in);
    uint32_t which = wr_reader_u32(in);
    if (in->failed || which >= TABLE_COUNT)
        return WR_ECORRUPT;
    parts->must_index = 1;
    return wr_table_load(which == TABLE_GROUPS ? parts->groups : parts->states, in);
}
