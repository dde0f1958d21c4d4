/* partition_state.c: what a restart knows of a partitioned directory. A piece is all of it, or what
 * has changed since the piece before:
 *
 *   version, is_all, rows, token, fence, its turn, has_forgotten, was_whole, goes_again
 *   partitions that are forgotten (names), that are there now or have changed
 *   files that are complete and have no name yet: all of them */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/partition.h"
#include "base/banned.h"

#define SAVE_VERSION 6          /* those before are read, too: they have … */
#define SAVE_VERSION_NO_TURN 5  /* … no turn of the fence, nor lengths of complete files, */
#define SAVE_VERSION_WHOLE 4    /* … no changes, and nothing is forgotten, */
#define SAVE_VERSION_UNFENCED 3 /* … nothing of a fence, */
#define SAVE_VERSION_NO_ROWS 2  /* … nor rows of files that are complete */

static void put_name(const struct partition *one, struct wr_buf *out) {
    wr_buf_add_varint(out, strlen(one->name));
    wr_buf_add_text(out, one->name);
}

static void put_one(const struct partition *one, struct wr_buf *out) {
    put_name(one, out);
    wr_buf_add_varint(out, one->number);
    wr_buf_add_varint(out, (uint64_t)one->is_active | (uint64_t)one->is_claimed << 1 |
                               (uint64_t)one->is_renamed << 2);
    wr_buf_add_varint(out, one->rows);
    wr_buf_add_varint(out, one->bytes);
    wr_buf_add_varint(out, one->length);
    wr_buf_add_u64(out, (uint64_t)one->last_us);
    wr_buf_add_u64(out, (uint64_t)one->due_us);
}

int partition_save(struct partition_sink *self, struct wr_buf *out) {
    int all = self->base.saves_all;
    uint32_t count = 0;
    for (uint32_t p = 0; p < self->count; p++)
        count += all || self->partitions[p].is_changed;
    wr_buf_add_varint(out, SAVE_VERSION);
    wr_buf_add_varint(out, (uint64_t)all);
    wr_buf_add_varint(out, self->base.rows_written);
    wr_buf_add_varint(out, self->token);
    wr_fence_save(&self->fence, out);
    wr_buf_add_varint(out, WR_MAX(self->fence.turn, self->fence.turn_kept));
    wr_buf_add_varint(out, (uint64_t)self->has_forgotten | (uint64_t)self->was_whole << 1 |
                               (uint64_t)self->goes_again << 2);
    wr_buf_add_varint(out, all ? 0 : self->removed_count);
    if (!all && self->removed.length > 0)
        wr_buf_add(out, self->removed.bytes, self->removed.length);
    wr_buf_add_varint(out, count);
    for (uint32_t p = 0; p < self->count; p++) {
        struct partition *one = &self->partitions[p];
        if (all || one->is_changed)
            put_one(one, out);
        one->is_changed = 0;
        one->is_saved = 1;
    }
    wr_buf_add_varint(out, self->done_count);
    for (uint32_t i = 0; i < self->done_count; i++) {
        put_name(&self->partitions[self->done[i].partition], out);
        wr_buf_add_varint(out, self->done[i].number);
        wr_buf_add_varint(out, self->done[i].rows);
        wr_buf_add_varint(out, self->done[i].length);
    }
    wr_buf_clear(&self->removed);
    self->removed_count = 0;
    return out->status;
}

static int damaged(const struct partition_sink *self, struct wr_error *err) {
    return wr_error_set(err, WR_ECORRUPT, "%s: what the state says of it is damaged",
                        self->base.name);
}

/* `must_be_new`: 1: no piece before has it; 0: one has. -1: any. */
static int read_name(struct partition_sink *self, struct wr_reader *from, int must_be_new,
                     uint32_t *at, struct wr_error *err) {
    uint64_t length = wr_reader_varint(from);
    const char *name = wr_reader_bytes(from, length);
    uint32_t before = self->count;
    if (name == NULL || (length == 0) != (self->config->column_count == 0) ||
        length >= PARTITION_PATH_MAX)
        return damaged(self, err);
    int status = partition_find_saved(self, name, length, at, err);
    if (status == WR_OK && must_be_new >= 0 && must_be_new != (self->count > before))
        return damaged(self, err);
    return status;
}

static int read_one(struct partition_sink *self, struct wr_reader *from, int is_all,
                    struct wr_error *err) {
    uint32_t at;
    int status = read_name(self, from, is_all ? 1 : -1, &at, err);
    if (status != WR_OK)
        return status;
    struct partition *one = &self->partitions[at];
    one->number = (uint32_t)wr_reader_varint(from);
    uint64_t flags = wr_reader_varint(from);
    one->is_active = flags & 1;
    one->is_claimed = flags >> 1 & 1;
    one->is_renamed = flags >> 2 & 1;
    one->rows = wr_reader_varint(from);
    one->bytes = wr_reader_varint(from);
    one->length = wr_reader_varint(from);
    one->last_us = (int64_t)wr_reader_u64(from);
    one->due_us = (int64_t)wr_reader_u64(from);
    one->is_saved = 1;
    one->is_gone = 0;
    return WR_OK;
}

static int read_done(struct partition_sink *self, struct wr_reader *from, uint64_t version,
                     struct wr_error *err) {
    uint64_t count = wr_reader_varint(from);
    self->done_count = 0;
    for (uint64_t i = 0; i < count && !from->failed; i++) {
        uint32_t at = 0;
        int status = WR_OK;
        if (version > SAVE_VERSION_WHOLE)
            status = read_name(self, from, 0, &at, err);
        else
            at = (uint32_t)wr_reader_varint(from);
        if (status != WR_OK)
            return status;
        if (at >= self->count)
            return damaged(self, err);
        if (wr_grow(self->base.budget, (void **)&self->done, self->done_count, &self->done_room,
                    sizeof *self->done) != WR_OK)
            return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
        struct partition_done *one = &self->done[self->done_count++];
        *one = (struct partition_done){.partition = at};
        one->number = (uint32_t)wr_reader_varint(from);
        one->rows = version > SAVE_VERSION_NO_ROWS ? wr_reader_varint(from) : UINT64_MAX;
        one->length = version > SAVE_VERSION_NO_TURN ? wr_reader_varint(from) : 0;
    }
    return from->failed ? damaged(self, err) : WR_OK;
}

static int read_piece(struct partition_sink *self, struct wr_reader *from, int is_first,
                      struct wr_error *err) {
    uint64_t version = wr_reader_varint(from), removed = 0;
    int is_known = version <= SAVE_VERSION && version >= SAVE_VERSION_NO_ROWS, status = WR_OK;
    int is_all = version <= SAVE_VERSION_WHOLE || wr_reader_varint(from) != 0;
    self->base.rows_written = wr_reader_varint(from);
    self->token = (uint32_t)wr_reader_varint(from);
    if (version > SAVE_VERSION_UNFENCED)
        wr_fence_load(&self->fence, from);
    if (version > SAVE_VERSION_WHOLE) {
        self->fence.turn_kept = version > SAVE_VERSION_NO_TURN ? wr_reader_varint(from) : 0;
        uint64_t flags = wr_reader_varint(from);
        self->has_forgotten = flags & 1;
        self->was_whole = flags >> 1 & 1;
        self->goes_again = flags >> 2 & 1;
        removed = wr_reader_varint(from);
    }
    if (from->failed || !is_known || is_all != is_first || (is_all && removed > 0))
        return damaged(self, err);
    for (uint64_t i = 0; i < removed && status == WR_OK; i++) {
        uint32_t at = 0;
        status = read_name(self, from, 0, &at, err);
        if (status == WR_OK)
            self->partitions[at].is_gone = 1;
    }
    uint64_t count = status == WR_OK ? wr_reader_varint(from) : 0;
    for (uint64_t i = 0; i < count && status == WR_OK; i++)
        status = read_one(self, from, is_all, err);
    if (status == WR_OK)
        status = read_done(self, from, version, err);
    return status == WR_OK && removed > 0 ? partition_drop(self, err) : status;
}

int partition_load(struct partition_sink *self, struct wr_reader *from, struct wr_error *err) {
    self->saved = 1; /* before anything fails: what a state points to is not removed */
    int status = read_piece(self, from, 1, err);
    while (status == WR_OK && from->at < from->length)
        status = read_piece(self, from, 0, err);
    self->done_before = self->done_count;
    return status;
}
