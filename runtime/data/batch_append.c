/* batch_append.c: copying rows densely into another batch. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

static void gather_u8(uint8_t *to, const uint8_t *from, const uint32_t *rows, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
}

static void gather_u64(uint64_t *to, const uint64_t *from, const uint32_t *rows, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
}

static void gather_16(__int128 *to, const __int128 *from, const uint32_t *rows, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
}

/* Long strings move into one piece of the batch's arena. A nil row's bytes are cleared. */
static int gather_text(struct wr_arena *arena, struct wr_str *to, const struct wr_column *from,
                       const uint32_t *rows, uint32_t count) {
    const struct wr_str *strings = WR_STR(from);
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (struct wr_str){0};
        if (wr_column_is_nil(from, rows[i]))
            continue;
        to[i] = strings[rows[i]];
        bytes += to[i].length > WR_STR_INLINE_MAX ? to[i].length : 0;
    }
    if (bytes == 0)
        return WR_OK;
    char *next = wr_arena_alloc(arena, bytes);
    if (next == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        if (to[i].length <= WR_STR_INLINE_MAX)
            continue;
        memcpy(next, to[i].pointer, to[i].length);
        to[i].pointer = next;
        next += to[i].length;
    }
    return WR_OK;
}

/* Validity of the rows so far. It is made when the first nil comes, with room for the largest
 * batch, since nothing tells how many rows the column memory is for. NULL: no memory. */
static uint64_t *valid_bits(struct wr_batch *out, struct wr_column *to) {
    uint64_t *bits = (uint64_t *)(uintptr_t)to->valid;
    if (bits != NULL)
        return bits;
    bits = WR_ARENA_ARRAY(&out->arena, uint64_t, WR_BITS_WORDS(WR_BATCH_ROWS_MAX));
    if (bits == NULL)
        return NULL;
    memset(bits, 0xff, sizeof *bits * WR_BITS_WORDS(out->row_count));
    to->valid = bits;
    return bits;
}

/* Validity of rows that join those before. */
static int append_valid(struct wr_batch *out, struct wr_column *to, const struct wr_column *from,
                        const uint32_t *rows, uint32_t count) {
    uint32_t first = out->row_count, nils = 0;
    if (from->valid != NULL)
        for (uint32_t i = 0; i < count; i++)
            nils += !wr_bit_get(from->valid, rows[i]);
    if (nils == 0 && to->valid == NULL)
        return WR_OK;
    uint64_t *bits = valid_bits(out, to);
    if (bits == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        wr_bit_put(bits, first + i, nils == 0 || wr_bit_get(from->valid, rows[i]));
    return WR_OK;
}

/* A column that nobody asked for: not there in `out` either, or nil behind rows that have it. */
static int append_absent(struct wr_batch *out, struct wr_column *to, uint32_t bytes,
                         uint32_t count) {
    uint32_t first = out->row_count;
    if (first == 0 && count > 0) {
        *to = (struct wr_column){0};
        return WR_OK;
    }
    memset((char *)to->data + (size_t)first * bytes, 0, (size_t)count * bytes);
    uint64_t *bits = valid_bits(out, to);
    for (uint32_t i = 0; bits != NULL && i < count; i++)
        wr_bit_clear(bits, first + i);
    return bits == NULL ? WR_ENOMEM : WR_OK;
}

int wr_batch_append(struct wr_batch *out, const struct wr_batch *in, const uint32_t *rows,
                    uint32_t count) {
    WR_ASSERT(out->sel == NULL && out->row_count + count <= WR_BATCH_ROWS_MAX);
    WR_ASSERT(out->schema->field_count == in->schema->field_count);
    uint32_t first = out->row_count;
    for (uint32_t i = 0; i < out->schema->field_count; i++) {
        struct wr_column *to = &out->columns[i];
        const struct wr_column *from = &in->columns[i];
        if (to->data == NULL)
            continue;
        enum wr_type_kind kind = out->schema->fields[i].type.kind;
        int status = WR_OK;
        if (from->data == NULL)
            status = append_absent(out, to, wr_type_bytes(kind), count);
        else if (wr_type_is_text(kind))
            status = gather_text(&out->arena, (struct wr_str *)to->data + first, from, rows, count);
        else if (wr_type_bytes(kind) == 1)
            gather_u8((uint8_t *)to->data + first, from->data, rows, count);
        else if (wr_type_bytes(kind) == 8)
            gather_u64((uint64_t *)to->data + first, from->data, rows, count);
        else
            gather_16((__int128 *)to->data + first, from->data, rows, count);
        if (status == WR_OK && from->data != NULL)
            status = append_valid(out, to, from, rows, count);
        if (status != WR_OK)
            return status;
    }
    if (out->event_time != NULL && in->event_time != NULL) {
        int64_t *times = (int64_t *)(uintptr_t)out->event_time; /* made by wr_batch_room */
        for (uint32_t i = 0; i < count; i++)
            times[first + i] = in->event_time[rows[i]];
    }
    int status = out->origins == NULL ? WR_OK : wr_origins_append(out, in, rows, count);
    out->row_count += count;
    out->sel_count = out->row_count;
    return status;
}

/* ---- whole batches, one behind the other ---- */

static int join_valid(struct wr_batch *out, struct wr_column *to, const struct wr_column *from,
                      uint32_t count) {
    if (from->valid == NULL && to->valid == NULL)
        return WR_OK;
    uint64_t *bits = valid_bits(out, to);
    for (uint32_t i = 0; bits != NULL && i < count; i++)
        wr_bit_put(bits, out->row_count + i, !wr_column_is_nil(from, i));
    return bits == NULL ? WR_ENOMEM : WR_OK;
}

static void join_words(const int64_t *to, const struct wr_batch *out, const int64_t *from,
                       uint32_t count) {
    if (from != NULL) /* made by wr_batch_facts_room */
        memcpy((int64_t *)(uintptr_t)to + out->row_count, from, count * sizeof *from);
}

int wr_batch_join(struct wr_batch *out, const struct wr_batch *in) {
    uint32_t count = in->row_count;
    WR_ASSERT(out->sel == NULL && in->sel == NULL && out->row_count + count <= WR_BATCH_ROWS_MAX);
    for (uint32_t c = 0; c < out->schema->field_count; c++) {
        struct wr_column *to = &out->columns[c];
        size_t bytes = wr_type_bytes(out->schema->fields[c].type.kind);
        if (to->data == NULL)
            continue;
        memcpy((char *)to->data + out->row_count * bytes, in->columns[c].data, count * bytes);
        if (join_valid(out, to, &in->columns[c], count) != WR_OK)
            return WR_ENOMEM;
    }
    join_words(out->event_time, out, in->event_time, count);
    join_words(out->behind, out, in->behind, count);
    join_words(out->weight, out, in->weight, count);
    join_words(out->changed, out, in->changed, count);
    uint64_t *replaced = (uint64_t *)(uintptr_t)out->replaced;
    for (uint32_t i = 0; replaced != NULL && i < count; i++)
        wr_bit_put(replaced, out->row_count + i, wr_bit_get(in->replaced, i));
    out->frontier = in->frontier;
    out->row_count += count;
    out->sel_count = out->row_count;
    return WR_OK;
}

int wr_batch_facts_room(struct wr_batch *out, const struct wr_batch *in, uint32_t row_max) {
    const int64_t *const has[4] = {in->event_time, in->behind, in->weight, in->changed};
    const int64_t **const made[4] = {&out->event_time, &out->behind, &out->weight, &out->changed};
    for (uint32_t i = 0; i < 4; i++) {
        if (has[i] == NULL)
            continue;
        *made[i] = WR_ARENA_ARRAY(&out->arena, int64_t, row_max);
        if (*made[i] == NULL)
            return WR_ENOMEM;
    }
    if (in->replaced != NULL) {
        out->replaced = WR_ARENA_ZEROS(&out->arena, uint64_t, WR_BITS_WORDS(row_max) + 1);
        if (out->replaced == NULL)
            return WR_ENOMEM;
    }
    out->source = in->source;
    out->partition = in->partition;
    return WR_OK;
}

static void pick_cells(size_t bytes, char *to, const char *const *from, const uint8_t *which,
                       const uint32_t *rows, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const char *cell = from[which[i]] + (size_t)rows[i] * bytes;
        switch (bytes) {
        case 1: to[i] = *cell; break;
        case 8: memcpy(to + (size_t)i * 8, cell, 8); break;
        default: memcpy(to + (size_t)i * 16, cell, 16);
        }
    }
}

static int pick_valid(struct wr_batch *out, uint32_t column, struct wr_batch *const *from,
                      uint32_t from_count, const uint8_t *which, const uint32_t *rows,
                      uint32_t count) {
    int any = 0;
    for (uint32_t f = 0; f < from_count; f++)
        any |= from[f]->columns[column].valid != NULL;
    if (!any)
        return WR_OK;
    uint64_t *bits = WR_ARENA_ZEROS(&out->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (bits == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        wr_bit_put(bits, i, !wr_column_is_nil(&from[which[i]]->columns[column], rows[i]));
    out->columns[column].valid = bits;
    return WR_OK;
}

int wr_batch_pick(struct wr_batch *out, struct wr_batch *const *from, uint32_t from_count,
                  const uint8_t *which, const uint32_t *rows, uint32_t count) {
    WR_ASSERT(from_count > 0 && from_count <= WR_BATCH_REFS_MAX);
    out->row_count = out->sel_count = count;
    for (uint32_t c = 0; c < out->schema->field_count; c++) {
        const char *data[WR_BATCH_REFS_MAX];
        for (uint32_t f = 0; f < from_count; f++) {
            data[f] = from[f]->columns[c].data;
            WR_ASSERT((data[f] == NULL) == (data[0] == NULL));
        }
        if (data[0] == NULL)
            continue;
        void *to = wr_batch_column(out, c, count);
        if (to == NULL)
            return WR_ENOMEM;
        pick_cells(wr_type_bytes(out->schema->fields[c].type.kind), to, data, which, rows, count);
        if (pick_valid(out, c, from, from_count, which, rows, count) != WR_OK)
            return WR_ENOMEM;
    }
    for (uint32_t f = 0; f < from_count; f++)
        wr_batch_hold(out, from[f]);
    return WR_OK;
}

int wr_batch_facts_alike(const struct wr_batch *a, const struct wr_batch *b) {
    return (a->event_time == NULL) == (b->event_time == NULL) &&
           (a->behind == NULL) == (b->behind == NULL) &&
           (a->weight == NULL) == (b->weight == NULL) &&
           (a->replaced == NULL) == (b->replaced == NULL) &&
           (a->changed == NULL) == (b->changed == NULL);
}

int wr_batch_columns_alike(const struct wr_batch *a, const struct wr_batch *b) {
    for (uint32_t c = 0; c < a->schema->field_count; c++)
        if ((a->columns[c].data == NULL) != (b->columns[c].data == NULL))
            return 0;
    return 1;
}

/* The same fact of each batch, or none. */
static int pick_words(struct wr_batch *out, const int64_t **made, const int64_t *const *from,
                      const uint8_t *which, const uint32_t *rows) {
    if (from[0] == NULL)
        return WR_OK;
    int64_t *words = WR_ARENA_ARRAY(&out->arena, int64_t, WR_MAX(out->row_count, 1));
    if (words == NULL)
        return WR_ENOMEM;
    pick_cells(sizeof *words, (char *)words, (const char *const *)from, which, rows,
               out->row_count);
    *made = words;
    return WR_OK;
}

int wr_batch_pick_facts(struct wr_batch *out, struct wr_batch *const *from, uint32_t from_count,
                        const uint8_t *which, const uint32_t *rows) {
    const int64_t *facts[4][WR_BATCH_REFS_MAX];
    for (uint32_t f = 0; f < from_count; f++) {
        facts[0][f] = from[f]->event_time;
        facts[1][f] = from[f]->behind;
        facts[2][f] = from[f]->weight;
        facts[3][f] = from[f]->changed;
    }
    const int64_t **const made[4] = {&out->event_time, &out->behind, &out->weight, &out->changed};
    for (uint32_t i = 0; i < 4; i++)
        if (pick_words(out, made[i], facts[i], which, rows) != WR_OK)
            return WR_ENOMEM;
    out->source = from[0]->source;
    out->partition = from[0]->partition;
    if (from[0]->replaced == NULL)
        return WR_OK;
    uint64_t *replaced = WR_ARENA_ZEROS(&out->arena, uint64_t, WR_BITS_WORDS(out->row_count) + 1);
    for (uint32_t i = 0; replaced != NULL && i < out->row_count; i++)
        wr_bit_put(replaced, i, wr_bit_get(from[which[i]]->replaced, rows[i]));
    out->replaced = replaced;
    return replaced == NULL ? WR_ENOMEM : WR_OK;
}

static int carry(struct wr_batch *batch, const int64_t **made, const int64_t *values,
                 const uint32_t *rows) {
    if (values == NULL)
        return WR_OK;
    int64_t *gathered = WR_ARENA_ARRAY(&batch->arena, int64_t, batch->row_count);
    for (uint32_t i = 0; gathered != NULL && i < batch->row_count; i++)
        gathered[i] = values[rows[i]];
    *made = gathered;
    return gathered == NULL ? WR_ENOMEM : WR_OK;
}

int wr_batch_carry(struct wr_batch *batch, struct wr_batch *in, const uint32_t *rows) {
    batch->source = in->source;
    batch->partition = in->partition;
    batch->frontier = WR_TIME_MIN; /* more of the same rows may follow in a batch of their own */
    int status = wr_origin_gather(batch, in, rows);
    if (status == WR_OK)
        status = carry(batch, &batch->event_time, in->event_time, rows);
    if (status == WR_OK)
        status = carry(batch, &batch->behind, in->behind, rows);
    if (status == WR_OK)
        status = carry(batch, &batch->weight, in->weight, rows);
    if (status == WR_OK)
        status = carry(batch, &batch->changed, in->changed, rows);
    return status;
}

struct wr_batch *wr_batch_room(struct wr_batch_pool *pool, const struct wr_schema *schema,
                               uint32_t row_max, int timed) {
    struct wr_batch *batch = wr_batch_new(pool, schema);
    if (batch == NULL)
        return NULL;
    int status = WR_OK;
    for (uint32_t c = 0; c < schema->field_count && status == WR_OK; c++)
        status = wr_batch_column(batch, c, row_max) == NULL ? WR_ENOMEM : WR_OK;
    if (timed)
        batch->event_time = WR_ARENA_ARRAY(&batch->arena, int64_t, row_max);
    if (status != WR_OK || (timed && batch->event_time == NULL)) {
        wr_batch_unref(batch);
        return NULL;
    }
    batch->frontier = WR_TIME_MIN;
    return batch;
}

struct wr_batch *wr_batch_copy(struct wr_batch_pool *pool, const struct wr_batch *in) {
    struct wr_batch *copy = wr_batch_room(pool, in->schema, in->sel_count, in->event_time != NULL);
    enum { CHUNK = 256 };
    uint32_t rows[CHUNK];
    for (uint32_t at = 0; copy != NULL && at < in->sel_count; at += CHUNK) {
        uint32_t count = WR_MIN((uint32_t)CHUNK, in->sel_count - at);
        for (uint32_t i = 0; i < count; i++)
            rows[i] = wr_batch_row(in, at + i);
        if (wr_batch_append(copy, in, rows, count) != WR_OK) {
            wr_batch_unref(copy);
            return NULL;
        }
    }
    return copy;
}
