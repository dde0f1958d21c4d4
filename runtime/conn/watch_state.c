/* watch_state.c: what a restart knows of watched files: see watch.h. Names are kept by what they
 * have other than the one before, and so is what a decoder needs. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/watch.h"
#include "base/banned.h"

/* 1 does not say when files were made, 2 not how they begin, 3 not which are gone. */
#define SAVE_VERSION 4

int watch_keep(struct watch_source *self, struct watched *file) {
    struct file_reader *in = &self->in;
    const struct wr_decoder_type *format = in->config->format;
    file->offset = in->offset;
    file->line = in->decoder->line;
    file->sum = file_reader_sum(in);
    uint64_t head = WR_MIN(file->offset, (uint64_t)in->known.head_length);
    if (head > file->head_length) {
        file->head_length = (uint32_t)head;
        file->head_sum = file_known_sum(&in->known, head);
    }
    if (format->save == NULL)
        return WR_OK;
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    int status = format->save(in->decoder, &bytes);
    char *copy = status != WR_OK ? NULL : wr_alloc(&wr_budget_control, bytes.length + 1);
    if (copy == NULL) {
        wr_buf_release(&bytes);
        return status != WR_OK ? status : WR_ENOMEM;
    }
    if (bytes.length > 0)
        memcpy(copy, bytes.bytes, bytes.length);
    wr_free(&wr_budget_control, file->format);
    file->format = copy;
    file->format_length = (uint32_t)bytes.length;
    wr_buf_release(&bytes);
    return WR_OK;
}

enum file_flags {
    FILE_WHOLE = 1,
    FILE_AWAY = 2,
    FILE_AS_BEFORE = 4,
    FILE_HAS_FORMAT = 8,
    FILE_ENDS_OPEN = 16,
    FILE_HAS_REST = 32,
    FILE_COPY = 64,
    FILE_OLD = 128,
    FILE_HEAD_IS_ALL = 256 /* its first bytes that are known are those that were read */
};

/* `last`: that was saved before it; NULL: it is the first. */
static void save_file(struct wr_buf *out, const struct watched *file, const struct watched *last) {
    const char *before = last == NULL ? "" : last->path;
    size_t shared = 0;
    while (before[shared] != 0 && before[shared] == file->path[shared])
        shared++;
    int as_before = last != NULL && last->format_length == file->format_length &&
                    last->format != NULL && file->format != NULL &&
                    memcmp(last->format, file->format, file->format_length) == 0;
    wr_buf_add_varint(out, shared);
    wr_buf_add_varint(out, strlen(file->path + shared));
    wr_buf_add_text(out, file->path + shared);
    wr_buf_add_varint(out, file->inode);
    wr_buf_add_varint(out, (uint64_t)file->born_us);
    wr_buf_add_varint(out, file->size);
    wr_buf_add_varint(out, file->offset);
    wr_buf_add_varint(out, file->looked_to);
    wr_buf_add_varint(out, (uint64_t)file->modified_us);
    wr_buf_add_varint(out, file->line);
    wr_buf_add_u64(out, file->sum);
    int head_is_all = file->head_length == file->offset && file->head_sum == file->sum;
    wr_buf_add_varint(
        out, (file->is_whole ? FILE_WHOLE : 0u) | (file->is_away ? FILE_AWAY : 0u) |
                 (as_before ? FILE_AS_BEFORE : 0u) | (file->ends_open ? FILE_ENDS_OPEN : 0u) |
                 (file->has_rest ? FILE_HAS_REST : 0u) | (file->is_copy ? FILE_COPY : 0u) |
                 (file->is_old ? FILE_OLD : 0u) | (head_is_all ? FILE_HEAD_IS_ALL : 0u) |
                 (file->format != NULL ? FILE_HAS_FORMAT : 0u));
    if (!head_is_all) {
        wr_buf_add_varint(out, file->head_length);
        wr_buf_add_u64(out, file->head_sum);
    }
    if (file->format != NULL && !as_before) {
        wr_buf_add_varint(out, file->format_length);
        wr_buf_add(out, file->format, file->format_length);
    }
}

int watch_save(struct watch_source *self, struct wr_buf *out) {
    const struct watched *last = NULL;
    if (self->in.is_open) {
        int status = watch_keep(self, self->tasks[self->task_at].file);
        if (status != WR_OK)
            return status;
    }
    wr_buf_add_varint(out, SAVE_VERSION);
    wr_buf_add_varint(out, self->in.decoder->record);
    wr_buf_add_varint(out, (uint64_t)self->looked_us);
    wr_buf_add_varint(out, self->directory.inode);
    wr_buf_add_varint(out, (uint64_t)self->directory.born_us);
    wr_buf_add_varint(out, self->count);
    for (uint32_t i = 0; i < self->count; i++) {
        save_file(out, self->files[i], last);
        last = self->files[i];
    }
    wr_buf_add_varint(out, self->task_count - self->task_at);
    for (uint32_t t = self->task_at, i = 0; t < self->task_count; t++) {
        while (self->files[i] != self->tasks[t].file) /* nearly in the order of the files */
            i = (i + 1) % self->count;
        wr_buf_add_varint(out, i);
        wr_buf_add_varint(out, self->tasks[t].upto);
        wr_buf_add_varint(out, self->tasks[t].is_end);
    }
    wr_buf_add_varint(out, self->gone_count);
    last = NULL;
    for (uint32_t i = 0; i < self->gone_count; i++) {
        save_file(out, self->gone[i], last);
        wr_buf_add_varint(out, (uint64_t)self->gone[i]->gone_us);
        last = self->gone[i];
    }
    if (out->status == WR_OK)
        self->is_announced = 1;
    return out->status;
}

static int damaged(const struct watch_source *self, struct wr_error *err) {
    return wr_error_set(err, WR_ECORRUPT, "%s: the stored position is damaged", self->in.base.name);
}

static int no_memory(const struct watch_source *self, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->in.base.name);
}

static int load_format(struct watched *file, const struct watched *last, uint64_t flags,
                       struct wr_reader *from) {
    uint64_t length = last == NULL ? 0 : last->format_length;
    const char *bytes = last == NULL ? NULL : last->format;
    if (!(flags & FILE_AS_BEFORE)) {
        length = wr_reader_varint(from);
        bytes = wr_reader_bytes(from, length);
    }
    if (from->failed || bytes == NULL || length > UINT32_MAX - 1)
        return WR_ECORRUPT;
    file->format = wr_alloc(&wr_budget_control, length + 1);
    if (file->format == NULL)
        return WR_ENOMEM;
    memcpy(file->format, bytes, length);
    file->format_length = (uint32_t)length;
    return WR_OK;
}

static int load_file(struct watch_source *self, const struct watched *last, int64_t now_us,
                     uint64_t version, struct wr_reader *from) {
    char path[FOLLOW_PATH_MAX];
    uint64_t shared = wr_reader_varint(from), length = wr_reader_varint(from);
    const char *rest = wr_reader_bytes(from, length);
    if (rest == NULL || shared >= sizeof path || length >= sizeof path - shared ||
        shared > (last == NULL ? 0 : strlen(last->path)))
        return WR_ECORRUPT;
    if (shared > 0)
        memcpy(path, last->path, shared);
    memcpy(path + shared, rest, length);
    struct watched *file = watch_add(self, path, shared + length);
    if (file == NULL)
        return WR_ENOMEM;
    file->inode = wr_reader_varint(from);
    file->born_us = version < 2 ? 0 : (int64_t)wr_reader_varint(from);
    file->size = wr_reader_varint(from);
    file->offset = wr_reader_varint(from);
    file->looked_to = wr_reader_varint(from);
    file->modified_us = (int64_t)wr_reader_varint(from);
    file->line = wr_reader_varint(from);
    file->sum = wr_reader_u64(from);
    uint64_t flags = wr_reader_varint(from);
    file->is_whole = (flags & FILE_WHOLE) != 0;
    file->is_away = (flags & FILE_AWAY) != 0;
    file->ends_open = (flags & FILE_ENDS_OPEN) != 0;
    file->has_rest = (flags & FILE_HAS_REST) != 0;
    file->is_copy = (flags & FILE_COPY) != 0;
    file->is_old = (flags & FILE_OLD) != 0;
    if (flags & FILE_HEAD_IS_ALL) {
        file->head_length = (uint32_t)file->offset;
        file->head_sum = file->sum;
    } else if (version >= 3) {
        file->head_length = (uint32_t)wr_reader_varint(from);
        file->head_sum = wr_reader_u64(from);
    }
    file->changed_us = now_us;
    if (from->failed || file->head_length > FILE_KNOWN_BYTES)
        return WR_ECORRUPT;
    return flags & FILE_HAS_FORMAT ? load_format(file, last, flags, from) : WR_OK;
}

/* Each was loaded as one that is there. */
static int load_gone(struct watch_source *self, int64_t now_us, uint64_t version,
                     struct wr_reader *from) {
    const struct watched *last = NULL;
    uint64_t count = version < 4 ? 0 : wr_reader_varint(from);
    if (from->failed || count > UINT32_MAX) /* of too many the first are forgotten at a scan */
        return WR_ECORRUPT;
    for (; count > 0; count--) {
        int status = load_file(self, last, now_us, version, from);
        if (status != WR_OK)
            return status;
        struct watched *file = self->files[self->count - 1];
        status = watch_add_gone(self, file, (int64_t)wr_reader_varint(from));
        if (status != WR_OK)
            return status;
        self->count--;
        last = file;
    }
    return WR_OK;
}

int watch_load(struct watch_source *self, struct wr_reader *from, struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    int64_t now_us = env->monotonic_us(env);
    uint64_t version = wr_reader_varint(from);
    self->in.decoder->record = wr_reader_varint(from);
    self->looked_us = version < 3 ? 0 : (int64_t)wr_reader_varint(from);
    self->knows_old = version >= 3;
    if (version >= 3) {
        self->directory.inode = wr_reader_varint(from);
        self->directory.born_us = (int64_t)wr_reader_varint(from);
    }
    uint64_t count = wr_reader_varint(from);
    if (from->failed || version == 0 || version > SAVE_VERSION || count > WR_FILES_MAX)
        return damaged(self, err);
    int status = WR_OK;
    for (uint64_t i = 0; i < count && status == WR_OK; i++)
        status = load_file(self, i == 0 ? NULL : self->files[i - 1], now_us, version, from);
    uint64_t tasks = status == WR_OK ? wr_reader_varint(from) : 0;
    for (uint64_t t = 0; t < tasks && status == WR_OK; t++) {
        uint64_t file = wr_reader_varint(from), upto = wr_reader_varint(from);
        uint64_t is_end = wr_reader_varint(from);
        status = from->failed || file >= self->count
                     ? WR_ECORRUPT
                     : watch_add_task(self, self->files[file], upto, is_end != 0);
        if (status != WR_OK)
            break;
        self->tasks[t].is_again = 1;
        self->tasks[t].from = self->files[file]->offset;
        self->tasks[t].is_plain = !self->files[file]->has_rest &&
                                  follow_length_without_ending(self->files[file]->path) == 0;
    }
    if (status == WR_OK)
        status = load_gone(self, now_us, version, from);
    self->is_announced = 1;
    if (status == WR_ENOMEM)
        return no_memory(self, err);
    return status != WR_OK || from->failed ? damaged(self, err) : WR_OK;
}
