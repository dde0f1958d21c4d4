/* rowset_log.c: a set of rows as a log of what changed: what a checkpoint stores of it.
 *
 *   log:    u64 the next number · u32 magic "wrl2" · shape · varint dropped_count ·
 *           u64 start each · u32 slice_count · slices
 *   slice:  u64 start · varint deleted_count · u64 number, u64 hash each · u32 row_count · rows
 *   row:    number · time · from · until · matches, 8 bytes each · its key and payload (log.c)
 *
 * A row whose number has its highest bit set stands in an earlier log too, and has only changed
 * its matches. A save in pieces is several logs: the first has the starts that were dropped, and a
 * large slice stands in more than one. Rows in memory come in the order of their numbers, those at
 * rest by their hashes.
 *
 * In "wrl1", which was written before rows could rest, deleted rows have no hash, all rows come in
 * the order of their numbers, and one whose number is not behind the others has only changed. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "state/page.h"
#include "state/rowset_parts.h"
#include "base/banned.h"

#define LOG_MAGIC 0x326c7277u        /* "wrl2" */
#define LOG_MAGIC_BEFORE 0x316c7277u /* "wrl1" */
#define CHANGED_BIT (UINT64_C(1) << 63)

int wr_rowset_has_changed(const struct wr_rowset *set) {
    if (set->next_id != set->saved_id || set->saving.active || set->dropped_count > 0)
        return 1;
    for (uint32_t s = 0; s < set->count; s++)
        if (set->slices[s]->is_dirty)
            return 1;
    return 0;
}

/* ---- saving ---- */

static void add_head(const struct wr_rowset *set, struct wr_buf *out) {
    wr_buf_add_u64(out, set->next_id);
    wr_buf_add_u32(out, LOG_MAGIC);
    wr_log_add_shape(&set->shape, out);
}

void wr_rowset_save_none(const struct wr_rowset *set, struct wr_buf *out) {
    add_head(set, out);
    wr_buf_add_varint(out, 0);
    wr_buf_add_u32(out, 0);
}

static struct wr_rowset_row *note_saved(struct wr_rowset_row *row) {
    row->flags = (row->flags & ~(uint32_t)WR_ROWSET_DIRTY) | WR_ROWSET_SAVED;
    return row;
}

static void add_row(const struct wr_rowset *set, struct wr_buf *out, struct wr_rowset_row *row) {
    int has_been = !set->saving.all && (row->flags & WR_ROWSET_SAVED);
    const int64_t facts[5] = {(int64_t)(row->id | (has_been ? CHANGED_BIT : 0)), row->time_us,
                              row->from_us, row->until_us, row->matches};
    wr_buf_add(out, facts, sizeof facts);
    wr_log_add(&set->shape, out, row->key, 0, set->shape.row_bytes);
    note_saved(row);
}

/* The next row that this save has to write, from where it stands in a slice; NULL: no more. */
static struct wr_rowset_row *row_next(struct wr_rowset *set, const struct wr_rowset_slice *slice) {
    if (!set->saving.all)
        set->saving.block = WR_MAX(set->saving.block, slice->dirty_from);
    for (; set->saving.block < slice->block_count; set->saving.block++, set->saving.row = 0) {
        struct wr_rowset_block *block = slice->blocks[set->saving.block];
        uint32_t wanted = set->saving.all ? 0 : WR_ROWSET_DIRTY;
        if (!set->saving.all && !block->is_dirty)
            continue;
        for (; set->saving.row < block->count; set->saving.row++) {
            struct wr_rowset_row *row = wr_rowset_at(set, block, set->saving.row);
            if ((row->flags & (WR_ROWSET_GONE | wanted)) == wanted)
                return row;
        }
        block->is_dirty = 0;
    }
    return NULL;
}

/* What this save has to write of a block at rest. Blocks that nobody has asked for stay so. */
static int save_cold(struct wr_rowset *set, struct wr_rowset_slice *slice,
                     struct wr_rowset_run *run, struct wr_rowset_cold *cold, struct wr_buf *out,
                     uint32_t *count) {
    struct wr_rowset_block *block = cold->awake;
    uint32_t wanted = set->saving.all ? 0 : WR_ROWSET_DIRTY;
    int status = block != NULL ? WR_OK : wr_rowset_block_read(set, slice, run, cold, &block);
    if (status != WR_OK)
        return status;
    for (uint32_t i = 0; i < block->count; i++) {
        struct wr_rowset_row *row = wr_rowset_at(set, block, i);
        if ((row->flags & (WR_ROWSET_GONE | wanted)) != wanted)
            continue;
        add_row(set, out, row);
        ++*count;
    }
    block->is_dirty = cold->is_dirty = 0;
    cold->is_saved = 1;
    if (block != cold->awake)
        wr_free(set->budget, block);
    return WR_OK;
}

/* The same of all that rests of a slice, from where the save stands. WR_EAGAIN: there is more. */
static int save_runs(struct wr_rowset *set, struct wr_rowset_slice *slice, struct wr_buf *out,
                     size_t length_max, uint32_t *count) {
    for (; set->saving.run < slice->run_count; set->saving.run++, set->saving.cold = 0) {
        struct wr_rowset_run *run = slice->runs[set->saving.run];
        for (; set->saving.cold < run->block_count; set->saving.cold++) {
            struct wr_rowset_cold *cold = &run->blocks[set->saving.cold];
            if (!set->saving.all && !cold->is_dirty)
                continue;
            if (*count > 0 && out->length >= length_max)
                return WR_EAGAIN;
            int status = save_cold(set, slice, run, cold, out, count);
            if (status != WR_OK)
                return status;
        }
    }
    return WR_OK;
}

/* A slice, or as much of it as fits. WR_EAGAIN: there is more. */
static int save_slice(struct wr_rowset *set, struct wr_rowset_slice *slice, struct wr_buf *out,
                      size_t length_max) {
    uint32_t deleted = set->saving.all ? 0 : slice->deleted_count, count = 0;
    wr_buf_add_u64(out, (uint64_t)slice->start_us);
    wr_buf_add_varint(out, deleted);
    for (uint32_t i = 0; i < deleted; i++) {
        wr_buf_add_u64(out, slice->deleted[i].id);
        wr_buf_add_u64(out, slice->deleted[i].hash);
    }
    size_t count_at = out->length;
    wr_buf_add_u32(out, 0);
    slice->deleted_count = 0;
    struct wr_rowset_row *row;
    while ((row = row_next(set, slice)) != NULL && (count == 0 || out->length < length_max)) {
        add_row(set, out, row);
        set->saving.row++;
        count++;
    }
    int status = row != NULL ? WR_EAGAIN : save_runs(set, slice, out, length_max, &count);
    if (out->status != WR_OK || (status != WR_OK && status != WR_EAGAIN))
        return out->status != WR_OK ? out->status : status;
    memcpy(out->bytes + count_at, &count, sizeof count);
    slice->was_saved = 1;
    if (status == WR_EAGAIN)
        return status;
    slice->is_dirty = 0;
    slice->dirty_from = slice->block_count;
    return WR_OK;
}

/* Slices from where the save stands; the last one may be in this piece in part. */
static int save_slices(struct wr_rowset *set, struct wr_buf *out, size_t length_max) {
    size_t count_at = out->length;
    uint32_t count = 0;
    int status = wr_buf_add_u32(out, 0);
    for (; set->saving.slice < set->count && status == WR_OK; set->saving.slice++) {
        struct wr_rowset_slice *slice = set->slices[set->saving.slice];
        if (!slice->is_dirty && !set->saving.all)
            continue;
        if (count > 0 && out->length >= length_max) {
            status = WR_EAGAIN;
            break;
        }
        status = save_slice(set, slice, out, length_max);
        count++;
        if (status != WR_OK)
            break;
        set->saving.block = set->saving.row = set->saving.run = set->saving.cold = 0;
    }
    if (out->status == WR_OK)
        memcpy(out->bytes + count_at, &count, sizeof count);
    return status;
}

int wr_rowset_save(struct wr_rowset *set, struct wr_buf *out, int all, size_t piece_bytes) {
    size_t start = out->length;
    int is_first = !set->saving.active;
    if (is_first) {
        memset(&set->saving, 0, sizeof set->saving);
        set->saving.active = 1;
        set->saving.all = (uint8_t)(all != 0);
    }
    uint32_t dropped = is_first && !set->saving.all ? set->dropped_count : 0;
    add_head(set, out);
    wr_buf_add_varint(out, dropped);
    for (uint32_t i = 0; i < dropped; i++)
        wr_buf_add_u64(out, (uint64_t)set->dropped[i]);
    int status =
        save_slices(set, out, piece_bytes > SIZE_MAX - start ? SIZE_MAX : start + piece_bytes);
    if (status == WR_EAGAIN)
        return status;
    set->saving.active = 0;
    if (out->status == WR_OK && status == WR_OK) {
        set->dropped_count = 0;
        set->saved_id = set->next_id;
    }
    return out->status == WR_OK ? status : out->status;
}

/* ---- saving, by another log ---- */

/* What this save has to give of a block at rest. One that nobody has asked for is read for this. */
static int give_cold(struct wr_rowset *set, struct wr_rowset_slice *slice,
                     struct wr_rowset_run *run, struct wr_rowset_cold *cold,
                     struct wr_rowset_row **rows, uint32_t *count) {
    struct wr_rowset_block *block = cold->awake;
    if (block == NULL) {
        int status = wr_rowset_block_read(set, slice, run, cold, &set->saving.given);
        if (status != WR_OK)
            return status;
        block = set->saving.given;
    }
    uint32_t wanted = set->saving.all ? 0 : WR_ROWSET_DIRTY;
    for (uint32_t i = 0; i < block->count; i++) {
        struct wr_rowset_row *row = wr_rowset_at(set, block, i);
        if ((row->flags & (WR_ROWSET_GONE | wanted)) == wanted)
            rows[(*count)++] = note_saved(row);
    }
    block->is_dirty = cold->is_dirty = 0;
    cold->is_saved = 1;
    return WR_OK;
}

/* Rows of a slice, of one block or as many as there is room for. */
static int give_rows(struct wr_rowset *set, struct wr_rowset_slice *slice,
                     struct wr_rowset_row **rows, uint32_t room, uint32_t *count) {
    for (; set->saving.run < slice->run_count; set->saving.run++, set->saving.cold = 0) {
        struct wr_rowset_run *run = slice->runs[set->saving.run];
        while (set->saving.cold < run->block_count) {
            struct wr_rowset_cold *cold = &run->blocks[set->saving.cold++];
            if (!set->saving.all && !cold->is_dirty)
                continue;
            int status = give_cold(set, slice, run, cold, rows, count);
            if (status != WR_OK || *count > 0)
                return status;
        }
    }
    for (struct wr_rowset_row *row; *count < room && (row = row_next(set, slice)) != NULL;) {
        rows[(*count)++] = note_saved(row);
        set->saving.row++;
    }
    return WR_OK;
}

int wr_rowset_save_rows(struct wr_rowset *set, int all, struct wr_rowset_row **rows, uint32_t room,
                        uint32_t *count) {
    WR_ASSERT(room >= WR_ROWSET_SAVE_ROWS_MIN);
    wr_free(set->budget, set->saving.given);
    set->saving.given = NULL;
    *count = 0;
    if (!set->saving.active) {
        memset(&set->saving, 0, sizeof set->saving);
        set->saving.active = 1;
        set->saving.all = (uint8_t)(all != 0);
    }
    while (set->saving.slice < set->count) {
        struct wr_rowset_slice *slice = set->slices[set->saving.slice];
        int status =
            !slice->is_dirty && !set->saving.all ? WR_OK : give_rows(set, slice, rows, room, count);
        if (status != WR_OK || *count > 0)
            return status;
        slice->is_dirty = 0;
        slice->dirty_from = slice->block_count;
        slice->was_saved = 1;
        set->saving.slice++;
        set->saving.block = set->saving.row = set->saving.run = set->saving.cold = 0;
    }
    set->saving.active = 0;
    set->dropped_count = 0;
    set->saved_id = set->next_id;
    return WR_OK;
}

/* ---- loading ---- */

static int load_dropped(struct wr_rowset *set, struct wr_reader *in) {
    uint64_t count = wr_reader_varint(in);
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        int64_t start_us = (int64_t)wr_reader_u64(in);
        for (uint32_t s = 0; !in->failed && s < set->count; s++) {
            if (set->slices[s]->start_us != start_us)
                continue;
            set->slices[s]->was_saved = 0;
            wr_rowset_slice_drop(set, s);
            break;
        }
    }
    return in->failed ? WR_ECORRUPT : WR_OK;
}

/* The row of a number, which stand in ascending order; NULL: there is none. */
static struct wr_rowset_row *find_number(const struct wr_rowset *set,
                                         const struct wr_rowset_slice *slice, uint64_t id) {
    uint32_t from = 0, to = slice->block_count;
    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        if (wr_rowset_at(set, slice->blocks[middle], 0)->id <= id)
            from = middle;
        else
            to = middle;
    }
    if (from == to)
        return NULL;
    struct wr_rowset_block *block = slice->blocks[from];
    for (from = 0, to = block->count; from < to;) {
        uint32_t middle = from + (to - from) / 2;
        struct wr_rowset_row *row = wr_rowset_at(set, block, middle);
        if (row->id == id)
            return row->flags & WR_ROWSET_GONE ? NULL : row;
        if (row->id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static uint64_t last_number(const struct wr_rowset *set, const struct wr_rowset_slice *slice) {
    struct wr_rowset_block *block =
        slice->block_count == 0 ? NULL : slice->blocks[slice->block_count - 1];
    return block == NULL ? 0 : wr_rowset_at(set, block, block->count - 1)->id;
}

/* The row of a hash and a number, wherever it is; NULL: there is none, or *status. */
static struct wr_rowset_row *find_row(struct wr_rowset *set, uint64_t hash, uint64_t id,
                                      int *status) {
    *status = wr_rowset_index_all(set);
    if (*status == WR_OK)
        *status = wr_rowset_tend_some(set);
    struct wr_rowset_row *head = *status == WR_OK ? wr_rowset_ring(set, hash) : NULL, *at = head;
    for (; at != NULL; at = at->next == head ? NULL : at->next)
        if (at->id == id)
            return at;
    return *status == WR_OK ? wr_rowset_find_rested(set, hash, id, status) : NULL;
}

static int load_deleted(struct wr_rowset *set, struct wr_rowset_slice *slice, struct wr_reader *in,
                        int before) {
    uint64_t count = wr_reader_varint(in);
    int status = count == 0 ? WR_OK : wr_rowset_index_all(set);
    for (uint64_t i = 0; i < count && !in->failed && status == WR_OK; i++) {
        uint64_t id = wr_reader_u64(in), hash = before ? 0 : wr_reader_u64(in);
        struct wr_rowset_row *row =
            before ? find_number(set, slice, id) : find_row(set, hash, id, &status);
        if (row == NULL)
            return status != WR_OK ? status : WR_ECORRUPT;
        row->flags = 0; /* the log knows */
        status = wr_rowset_take(set, row);
    }
    return in->failed ? WR_ECORRUPT : status;
}

static int load_row(struct wr_rowset *set, struct wr_rowset_slice *slice, struct wr_reader *in,
                    int before) {
    _Alignas(16) uint8_t bytes[WR_ROW_BYTES_MAX];
    uint64_t facts[5], hash;
    for (uint32_t i = 0; i < 5; i++)
        facts[i] = wr_reader_u64(in);
    struct wr_rowset_entry entry = {.time_us = (int64_t)facts[1],
                                    .from_us = (int64_t)facts[2],
                                    .until_us = (int64_t)facts[3],
                                    .matches = (int64_t)facts[4]};
    int has_changed = before ? slice->block_count > 0 && facts[0] <= last_number(set, slice)
                             : (facts[0] & CHANGED_BIT) != 0;
    uint64_t id = facts[0] & ~CHANGED_BIT;
    wr_log_read(&set->shape, in, bytes, set->shape.row_bytes);
    if (in->failed || id >= set->next_id)
        return WR_ECORRUPT;
    wr_keys_hash(set->keys, bytes, 1, set->seed, &hash);
    if (has_changed) {
        int status = WR_OK;
        struct wr_rowset_row *there =
            before ? find_number(set, slice, id) : find_row(set, hash, id, &status);
        if (there == NULL)
            return status != WR_OK ? status : WR_ECORRUPT;
        there->matches = entry.matches;
        wr_rowset_block_of(set, there)->has_changed = 1;
        return WR_OK;
    }
    struct wr_rowset_row *row = wr_rowset_append(set, slice, id, (const char *)bytes, hash, &entry);
    if (row == NULL)
        return WR_ENOMEM;
    row->flags = WR_ROWSET_SAVED;
    return wr_rowset_set_payload(set, row, bytes + set->keys->key_bytes);
}

static int load_slice(struct wr_rowset *set, struct wr_reader *in, int before) {
    int64_t start_us = (int64_t)wr_reader_u64(in);
    if (in->failed || wr_rowset_slice(set, start_us) != start_us)
        return WR_ECORRUPT; /* slices do not stand there */
    struct wr_rowset_slice *slice = wr_rowset_slice_at(set, start_us);
    if (slice == NULL)
        return WR_ENOMEM;
    int status = load_deleted(set, slice, in, before);
    uint32_t count = status == WR_OK ? wr_reader_u32(in) : 0;
    for (uint32_t i = 0; i < count && status == WR_OK && !in->failed; i++)
        status = load_row(set, slice, in, before);
    for (uint32_t b = 0; b < slice->block_count; b++)
        slice->blocks[b]->is_dirty = 0;
    slice->is_dirty = 0;
    slice->dirty_from = slice->block_count;
    slice->was_saved = 1;
    return in->failed ? WR_ECORRUPT : status;
}

int wr_rowset_load(struct wr_rowset *set, struct wr_reader *in) {
    set->next_id = set->saved_id = wr_reader_u64(in);
    uint32_t magic = wr_reader_u32(in);
    int before = set->stays = magic == LOG_MAGIC_BEFORE;
    if ((magic != LOG_MAGIC && !before) || in->failed || !wr_log_shape_matches(&set->shape, in))
        return WR_ECORRUPT;
    int status = load_dropped(set, in);
    uint32_t count = status == WR_OK ? wr_reader_u32(in) : 0;
    for (uint32_t s = 0; s < count && status == WR_OK && !in->failed; s++)
        status = load_slice(set, in, before);
    return in->failed ? WR_ECORRUPT : status;
}
