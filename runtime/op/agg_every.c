/* agg_every.c: `agg` whose changes leave at multiples of `every`. Of a group that rows touch, the
 * result that was told last is kept until the next emission: then it goes back, and the one of now
 * goes out. What is kept is the result and not the state, which may hold far more. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/agg_update.h"
#include "base/banned.h"

/* A row of `before`: the key, whether a result was told (8 bytes: 0 or 1), its columns. */

static const struct agg_config *config_of(const struct agg *self) {
    return self->base.config;
}

int agg_every_bind(struct agg_config *config, struct wr_arena *arena, struct wr_error *err) {
    const struct wr_aggregates *aggregates = config->aggregates;
    const struct wr_key_layout *layout = &aggregates->layout;
    if (wr_payload_init(&config->told, arena, aggregates->result, NULL) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    uint32_t count = layout->cell_count + config->told.cell_count;
    struct wr_cell *cells = WR_ARENA_ARRAY(arena, struct wr_cell, count + 1);
    if (cells == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t c = 0; c < count; c++) {
        int is_key = c < layout->cell_count;
        cells[c] = is_key ? layout->cells[c] : config->told.cells[c - layout->cell_count];
        cells[c].offset += is_key ? 0 : layout->key_bytes + 8;
    }
    config->told_shape = (struct wr_shape){.key_bytes = layout->key_bytes,
                                           .row_bytes = layout->key_bytes + 8 + config->told.bytes,
                                           .cell_count = count,
                                           .cells = cells};
    if (config->told_shape.row_bytes > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT,
                            "the results of a stage with `every` take more than %d bytes a group",
                            WR_ROW_BYTES_MAX);
    return WR_OK;
}

static uint64_t *is_told(const struct agg *self, uint8_t *kept) {
    return (uint64_t *)(void *)(kept + config_of(self)->told_shape.key_bytes);
}

static uint8_t *told_at(const struct agg *self, uint8_t *kept) {
    return kept + config_of(self)->told_shape.key_bytes + 8;
}

/* ---- rows in ---- */

/* Keeps the results of groups of one window that are touched first since the last emission. */
static int keep_results(struct agg *self, struct wr_table *table, uint8_t **states,
                        uint8_t *const *kept, uint32_t count, int64_t mark) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, count + 1);
    uint8_t *is_good = WR_ARENA_ARRAY(scratch, uint8_t, count + 1);
    struct wr_batch *result = NULL;
    if (spans == NULL || is_good == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        spans[i] = agg_span_of(self, mark);
    int status = agg_results(self, states, spans, count, NULL, &result, is_good);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        *is_told(self, kept[i]) = is_good[i];
        if (is_good[i])
            status =
                wr_payload_put(&config_of(self)->told, table, told_at(self, kept[i]), result, i);
    }
    wr_batch_unref(result);
    return status;
}

/* The groups of `count` pairs of one window, which no other pair of them has. */
static int keep_window(struct agg *self, const struct rows *rows, const uint32_t *pairs,
                       uint32_t count, int64_t mark) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t key_bytes = config_of(self)->told_shape.key_bytes, left = 0;
    struct wr_table *table = wr_slices_at(&self->before, mark);
    char *keys = wr_arena_alloc(scratch, (size_t)count * key_bytes);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count);
    uint8_t **kept = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    uint8_t **states = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    uint8_t *made = WR_ARENA_ARRAY(scratch, uint8_t, count);
    if (table == NULL || keys == NULL || hashes == NULL || kept == NULL || states == NULL ||
        made == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = rows->pairs[pairs[i]].at;
        memcpy(keys + (size_t)i * key_bytes, agg_key_at(self, rows->keys, at), key_bytes);
        hashes[i] = agg_hash_at(self, rows->hashes, at);
    }
    if (wr_table_upsert(table, keys, hashes, count, kept, made) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct pair *pair = &rows->pairs[pairs[i]];
        if (!made[i] || pair->made || !agg_is_live(self, pair->state))
            continue; /* kept already, or there was nothing to tell of */
        states[left] = pair->state;
        kept[left++] = kept[i];
    }
    return keep_results(self, table, states, kept, left, mark);
}

static int keep_before(struct agg *self, const struct rows *rows) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t *pairs = WR_ARENA_ARRAY(scratch, uint32_t, rows->count), count = 0;
    uint32_t *of_one = WR_ARENA_ARRAY(scratch, uint32_t, rows->count);
    struct agg_seen seen;
    if (pairs == NULL || of_one == NULL || agg_seen_init(&seen, scratch, rows->count) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t p = 0; p < rows->count; p++)
        if (!agg_seen_add(&seen, rows->pairs[p].state))
            pairs[count++] = p;
    int status = WR_OK;
    while (count > 0 && status == WR_OK) { /* a window at a time */
        int64_t mark = rows->pairs[pairs[0]].mark;
        uint32_t same = 0, left = 0;
        for (uint32_t i = 0; i < count; i++)
            if (rows->pairs[pairs[i]].mark == mark)
                of_one[same++] = pairs[i];
            else
                pairs[left++] = pairs[i];
        status = keep_window(self, rows, of_one, same, mark);
        count = left;
    }
    return status;
}

int agg_every_take(struct agg *self, const struct rows *rows) {
    int status = keep_before(self, rows);
    if (status == WR_OK)
        status = agg_add_pairs(self, rows, 0, rows->count);
    return status == WR_OK ? agg_forget_dead(self, rows, 0, rows->count) : status;
}

/* ---- differences out ---- */

/* The results that were told, as a batch whose row i is that of changes[i].old_row = i. */
static int read_told(struct agg *self, uint8_t *const *kept, uint32_t count,
                     struct agg_change *changes, struct wr_batch **result) {
    const struct wr_payload *told = &config_of(self)->told;
    const uint8_t **at = WR_ARENA_ARRAY(self->base.env->scratch, const uint8_t *, count);
    struct wr_batch *batch =
        wr_batch_new(self->base.env->pool, config_of(self)->aggregates->result);
    *result = batch;
    if (at == NULL || batch == NULL)
        return WR_ENOMEM;
    batch->row_count = batch->sel_count = count;
    for (uint32_t i = 0; i < count; i++) {
        int told_of = *is_told(self, kept[i]) != 0;
        at[i] = told_of ? told_at(self, kept[i]) : NULL;
        changes[i].old_row = told_of ? (int32_t)i : -1;
    }
    int status = WR_OK;
    for (uint32_t k = 0; k < told->count && status == WR_OK; k++)
        status = wr_payload_read(told, k, at, count, &batch->arena, &batch->columns[k]);
    return status;
}

/* The states of now of the groups that are kept, or NULL. */
static uint8_t **find_now(struct agg *self, uint8_t *const *kept, uint32_t count, int64_t start) {
    const struct wr_aggregates *aggregates = config_of(self)->aggregates;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t key_bytes = aggregates->layout.key_bytes;
    char *keys = wr_arena_alloc(scratch, (size_t)count * key_bytes);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count);
    uint8_t **now = WR_ARENA_ZEROS(scratch, uint8_t *, count);
    const struct wr_table *table = wr_slices_find(&self->slices, start);
    if (keys == NULL || hashes == NULL || now == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        memcpy(keys + (size_t)i * key_bytes, kept[i], key_bytes);
    if (table != NULL) {
        wr_keys_hash(&aggregates->layout, keys, count, wr_table_seed(table), hashes);
        wr_table_find(table, keys, hashes, count, now);
    }
    return now;
}

/* Changes of up to batch_rows groups of one window since the last emission. */
static int emit_differences(struct agg *self, uint8_t *const *kept, uint32_t count, int64_t start,
                            struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint8_t *is_good = WR_ARENA_ARRAY(scratch, uint8_t, count);
    struct agg_change *changes = WR_ARENA_ARRAY(scratch, struct agg_change, count);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, count);
    uint8_t **now = find_now(self, kept, count, start);
    uint32_t *of = WR_ARENA_ARRAY(scratch, uint32_t, count), found = 0;
    struct agg_span span = agg_span_of(self, start);
    if (is_good == NULL || changes == NULL || spans == NULL || now == NULL || of == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        changes[i] = (struct agg_change){.new_row = -1, .old_end = span.end, .new_end = span.end};
        spans[i] = span;
        if (now[i] == NULL || !agg_is_live(self, now[i]))
            continue;
        of[found] = i;
        now[found++] = now[i];
    }
    struct wr_batch *before = NULL, *after = NULL;
    int status = read_told(self, kept, count, changes, &before);
    if (status == WR_OK)
        status = agg_results(self, now, spans, found, out, &after, is_good);
    for (uint32_t i = 0; i < found && status == WR_OK; i++)
        changes[of[i]].new_row = is_good[i] ? (int32_t)i : -1;
    if (status == WR_OK)
        status = agg_emit_changes(self, changes, count, before, after, NULL, out);
    wr_batch_unref(before);
    wr_batch_unref(after);
    return status;
}

int agg_every_emit(struct agg *self, int64_t limit, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int flow = WR_FLOW_MORE;
    for (uint32_t s = 0; s < self->before.count && flow == WR_FLOW_MORE; s++) {
        const struct wr_slice *slice = &self->before.items[s];
        if (slice->start_us >= limit)
            break;
        uint64_t total = wr_table_count(slice->table);
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        uint8_t **kept = wr_keys_rows(&config_of(self)->aggregates->layout, slice->table, scratch);
        if (kept == NULL)
            return WR_ENOMEM;
        for (uint64_t at = 0; at < total && flow == WR_FLOW_MORE;) {
            struct wr_arena_mark part = wr_arena_mark(scratch);
            uint32_t count = (uint32_t)WR_MIN((uint64_t)self->base.env->batch_rows, total - at);
            flow = emit_differences(self, kept + at, count, slice->start_us, out);
            wr_arena_rewind(scratch, part);
            at += count;
        }
        wr_arena_rewind(scratch, mark);
    }
    if (!config_of(self)->windowed && self->before.count > 0 && limit == WR_TIME_MAX)
        self->fired_any = 1;
    wr_slices_drop_before(&self->before, limit);
    return flow;
}
