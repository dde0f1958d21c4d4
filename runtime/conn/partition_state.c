/* partition_state.c: what a restart knows of a partitioned directory. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "conn/partition.h"
#include "base/banned.h"

#define SAVE_VERSION 4          /* those before are read, too: they have … */
#define SAVE_VERSION_UNFENCED 3 /* … nothing of a fence, */
#define SAVE_VERSION_NO_ROWS 2  /* … nor rows of files that are complete */

int partition_save(const struct partition_sink *self, struct wr_buf *out) {
    wr_buf_add_varint(out, SAVE_VERSION);
    wr_buf_add_varint(out, self->base.rows_written);
    wr_buf_add_varint(out, self->token);
    wr_fence_save(&self->fence, out);
    wr_buf_add_varint(out, self->count);
    for (uint32_t p = 0; p < self->count; p++) {
        const struct partition *one = &self->partitions[p];
        wr_buf_add_varint(out, strlen(one->name));
        wr_buf_add_text(out, one->name);
        wr_buf_add_varint(out, one->number);
        wr_buf_add_varint(out, (uint64_t)one->is_active | (uint64_t)one->is_claimed << 1 |
                                   (uint64_t)one->is_renamed << 2);
        wr_buf_add_varint(out, one->rows);
        wr_buf_add_varint(out, one->bytes);
        wr_buf_add_varint(out, one->length);
        wr_buf_add_u64(out, (uint64_t)one->last_us);
        wr_buf_add_u64(out, (uint64_t)one->due_us);
    }
    wr_buf_add_varint(out, self->done_count);
    for (uint32_t i = 0; i < self->done_count; i++) {
        wr_buf_add_varint(out, self->done[i].partition);
        wr_buf_add_varint(out, self->done[i].number);
        wr_buf_add_varint(out, self->done[i].rows);
    }
    return out->status;
}

static int damaged(const struct partition_sink *self, struct wr_error *err) {
    return wr_error_set(err, WR_ECORRUPT, "%s: what the state says of it is damaged",
                        self->base.name);
}

int partition_load(struct partition_sink *self, struct wr_reader *from, struct wr_error *err) {
    self->saved = 1; /* before anything fails: what a state points to is not removed */
    uint64_t version = wr_reader_varint(from);
    self->base.rows_written = wr_reader_varint(from);
    self->token = (uint32_t)wr_reader_varint(from);
    if (version == SAVE_VERSION)
        wr_fence_load(&self->fence, from);
    uint64_t count = wr_reader_varint(from);
    int is_known = version <= SAVE_VERSION && version >= SAVE_VERSION_NO_ROWS;
    if (from->failed || !is_known || count > PARTITIONS_MAX)
        return damaged(self, err);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t length = wr_reader_varint(from);
        const char *name = wr_reader_bytes(from, length);
        uint32_t at;
        if (name == NULL || (length == 0) != (self->config->column_count == 0) ||
            length >= PARTITION_PATH_MAX)
            return damaged(self, err);
        int status = partition_find(self, name, length, &at, err);
        if (status != WR_OK)
            return status;
        if (at != i) /* twice */
            return damaged(self, err);
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
    }
    uint64_t done = wr_reader_varint(from);
    for (uint64_t i = 0; i < done && !from->failed; i++) {
        if (wr_grow(self->base.budget, (void **)&self->done, self->done_count, &self->done_room,
                    sizeof *self->done) != WR_OK)
            return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
        struct partition_done *one = &self->done[self->done_count++];
        *one = (struct partition_done){.partition = (uint32_t)wr_reader_varint(from)};
        one->number = (uint32_t)wr_reader_varint(from);
        one->rows = version > SAVE_VERSION_NO_ROWS ? wr_reader_varint(from) : UINT64_MAX;
        if (one->partition >= self->count)
            return damaged(self, err);
    }
    self->done_before = self->done_count;
    return from->failed ? damaged(self, err) : WR_OK;
}
