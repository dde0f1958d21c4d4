/* file_source.c: the files of a path, a glob or a directory, each read to its end: see
 * file_reader.h, or by several threads: see file_pieces.h. What goes on growing is read by
 * follow_source.c.
 *
 * Position: (file, decompressed byte, record, line) of the next record. A plain file is entered at
 * that byte, a compressed one read again from its start. With it goes a sum of the first bytes of
 * the file and of the last ones before the position: where those are others now, it is not the file
 * that was read.
 *
 *     next file -> refill -> decode* -> refill -> … -> the end of the file -> next file */
#include "conn/file_pieces.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/connectors.h"

#include "base/banned.h"

#define POSITION_VERSION 4

struct file_source {
    struct file_reader in;
    struct wr_arena arena; /* the list of files, when it was found at open */
    const char *const *files;
    uint32_t file_count, file_index;
    uint64_t bytes_total; /* of all; 0: unknown */
    uint8_t has_pipes;    /* some are no regular files */
};

static const char *file_name(const struct file_source *self) {
    return self->files[self->file_index];
}

/* ---- the table ----------------------------------------------------------------------------- */

static void count_bytes(struct file_source *self) {
    const struct wr_env *env = self->in.base.env;
    for (uint32_t i = 0; i < self->file_count; i++) {
        struct wr_file_info info;
        if (strcmp(self->files[i], "-") == 0 || env->stat(env, self->files[i], &info) != WR_OK) {
            self->bytes_total = 0;
            self->has_pipes = 1;
            return;
        }
        self->has_pipes |= !info.is_regular;
        self->bytes_total += info.size_bytes;
        if (i < self->file_index)
            self->in.bytes_before += info.size_bytes;
    }
}

/* What stands before the place that was reached is not read any more: new files there are told. */
static void note_new_before(const struct file_source *self, uint64_t known) {
    const struct wr_source *base = &self->in.base;
    if (self->file_index <= known || base->note == NULL)
        return;
    uint64_t count = self->file_index - known;
    char text[512];
    snprintf(text, sizeof text,
             "%llu new file%s not read: the state stands in `%.200s`, and files are read in the "
             "order of their names",
             (unsigned long long)count, count == 1 ? " is" : "s are", file_name(self));
    base->note(base->reject_ctx, self->in.config->address, text);
}

static int find_file(struct file_source *self, const char *name, uint64_t length,
                     struct wr_error *err) {
    for (uint32_t i = 0; i < self->file_count; i++)
        if (strlen(self->files[i]) == length && memcmp(self->files[i], name, length) == 0) {
            self->file_index = i;
            return WR_OK;
        }
    return wr_error_set(err, WR_ENOINPUT,
                        "%s: the file `%.*s`, in which the state stands, is no longer there",
                        self->in.base.name, (int)length, name);
}

static int source_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct file_source *self = (struct file_source *)source;
    if (self->in.pieces != NULL)
        return file_pieces_poll(self->in.pieces, batch, err);
    file_reader_poll(&self->in, batch, err);
    for (uint32_t pieces = 0; pieces < FILE_PIECES_MAX; pieces++) {
        if (file_reader_has_all(&self->in))
            return WR_EEND;
        if (self->file_index == self->file_count) {
            file_reader_note_missing(&self->in);
            return WR_EEND;
        }
        int status = self->in.is_open ? WR_OK : file_reader_begin(&self->in, file_name(self), err);
        if (status == WR_OK)
            status = file_reader_step(&self->in, batch, err);
        if (status != WR_OK || *batch != NULL)
            return status;
        if (self->in.input_ended) {
            file_reader_end(&self->in);
            self->file_index++;
        }
        if (self->in.reject_count >= FILE_REJECTS_MAX)
            return WR_OK; /* no good row among so many: they go on their way first */
    }
    return WR_OK; /* no record in so much: a signal and a checkpoint have their turn */
}

/* ---- positions ----------------------------------------------------------------------------- */

static void add_position(struct file_source *self, const struct file_position *position,
                         struct wr_buf *out) {
    uint32_t index = position->file_index;
    const char *name = index < self->file_count ? self->files[index] : "";
    wr_buf_add_varint(out, POSITION_VERSION);
    wr_buf_add_varint(out, strlen(name));
    wr_buf_add_text(out, name);
    wr_buf_add_varint(out, index);
    wr_buf_add_varint(out, position->record);
    wr_buf_add_varint(out, (uint64_t)position->is_open);
    if (!position->is_open)
        return;
    wr_buf_add_varint(out, position->offset);
    wr_buf_add_varint(out, position->line);
    wr_buf_add_u64(out, position->sum);
    if (position->state == NULL)
        return;
    wr_buf_add(out, position->state->bytes, position->state->length);
    if (position->state->status != WR_OK)
        out->status = position->state->status;
}

static int source_save(struct wr_source *source, struct wr_buf *out) {
    struct file_source *self = (struct file_source *)source;
    struct file_reader *in = &self->in;
    const struct file_position *taken =
        in->pieces == NULL ? NULL : file_pieces_position(in->pieces);
    if (taken != NULL) {
        add_position(self, taken, out);
        return out->status;
    }
    struct file_position position = {.file_index = self->file_index,
                                     .is_open = in->is_open,
                                     .record = in->decoder->record,
                                     .line = in->decoder->line,
                                     .offset = in->offset,
                                     .sum = in->is_open ? file_reader_sum(in) : 0};
    add_position(self, &position, out);
    if (in->is_open && in->config->format->save != NULL)
        return in->config->format->save(in->decoder, out);
    return out->status;
}

/* Goes to the position in a file that was just opened, and refuses one that is another now. */
static int go_to(struct file_source *self, uint64_t offset, uint64_t sum, struct wr_error *err) {
    int is_stdin = strcmp(file_name(self), "-") == 0;
    int is_same = 0, status = file_reader_go_to(&self->in, offset, sum, &is_same, err);
    int is_short = is_stdin && status == WR_ECORRUPT && !self->in.input.broken;
    if (is_same || (status != WR_OK && !is_short))
        return status;
    if (is_stdin) {
        wr_error_set(
            err, WR_EREFUSED,
            "the standard input was read up to byte %llu by the run that this state is of, "
            "and what comes now does not begin with the same bytes",
            (unsigned long long)offset);
        wr_error_code(err, "W616");
        wr_error_help(err,
                      "a pipe cannot be read again: give it all of the input once more, or "
                      "begin anew with another --state; a file can be gone on with, also while "
                      "it grows: `follow = true`");
        return WR_EREFUSED;
    }
    wr_error_set(err, WR_EREFUSED,
                 "%s was changed: it is not the file that was read up to byte %llu",
                 file_name(self), (unsigned long long)offset);
    wr_error_code(err, "W616");
    wr_error_help(err, "a state goes on in files that are the same or have grown; "
                       "put it back, or begin anew with another --state");
    return WR_EREFUSED;
}

static int resume(struct file_source *self, struct wr_reader *from, struct wr_error *err) {
    uint64_t version = wr_reader_varint(from), length = wr_reader_varint(from);
    const char *name = wr_reader_bytes(from, length);
    uint64_t files_before = wr_reader_varint(from), record = wr_reader_varint(from);
    int was_open = (int)wr_reader_varint(from);
    if (from->failed || version != POSITION_VERSION)
        return wr_error_set(err, WR_ECORRUPT, "%s: the stored position is damaged",
                            self->in.base.name);
    self->in.decoder->record = record;
    if (length == 0) {
        self->file_index = self->file_count;
        return WR_OK;
    }
    int status = find_file(self, name, length, err);
    if (status == WR_OK)
        note_new_before(self, files_before);
    if (status != WR_OK || !was_open)
        return status;
    uint64_t offset = wr_reader_varint(from), line = wr_reader_varint(from);
    uint64_t sum = wr_reader_u64(from);
    status = file_reader_begin(&self->in, file_name(self), err);
    if (status == WR_OK)
        status = go_to(self, offset, sum, err);
    if (status == WR_OK && self->in.config->format->load != NULL)
        status = self->in.config->format->load(self->in.decoder, from, err);
    if (status == WR_OK && from->failed)
        status = wr_error_set(err, WR_ECORRUPT, "%s: the stored position is damaged",
                              self->in.base.name);
    self->in.decoder->line = line;
    self->in.decoder->record = record;
    return status;
}

static void source_close(struct wr_source *source) {
    struct file_source *self = (struct file_source *)source;
    file_pieces_free(self->in.pieces);
    file_reader_release(&self->in);
    wr_arena_release(&self->arena);
}

static int source_use_workers(struct wr_source *source, struct wr_workers *workers) {
    struct file_source *self = (struct file_source *)source;
    if (self->has_pipes || self->in.config->each) /* then there are lanes to read meanwhile */
        return WR_EREFUSED;
    return file_pieces_new(&self->in.pieces, &self->in, self->files, self->file_count,
                           self->file_index, workers);
}

static void source_progress(const struct wr_source *source, uint64_t *done, uint64_t *total) {
    const struct file_source *self = (const struct file_source *)source;
    if (self->in.pieces != NULL)
        *done = file_pieces_done(self->in.pieces);
    else
        *done = self->in.bytes_before + (self->in.is_open ? self->in.input.bytes_in : 0);
    *total = self->bytes_total;
}

static int source_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct file_source *self = (struct file_source *)source;
    const struct wr_file_config *config = source->config;
    self->in.config = config;
    wr_arena_init(&self->arena, &wr_budget_control, 1024);
    self->files = config->files;
    self->file_count = config->file_count;
    int status = WR_OK;
    if (self->files == NULL)
        status = wr_file_find(source->env, config->address, &self->arena, &self->files,
                              &self->file_count, err);
    if (status == WR_OK && config->each) {
        WR_ASSERT(source->partition < self->file_count);
        self->files += source->partition;
        self->file_count = 1;
    }
    if (status == WR_OK)
        status = file_reader_init(&self->in, err);
    self->in.is_one = self->file_count == 1;
    if (status == WR_OK && from != NULL)
        status = resume(self, from, err);
    if (status != WR_OK) {
        source_close(source);
        return status;
    }
    self->in.tells_missing = from == NULL && config->schema_given && !config->each;
    count_bytes(self);
    file_reader_note_mixed(&self->in);
    return WR_OK;
}

const struct wr_source_type wr_source_file = {
    .name = "file",
    .size_bytes = sizeof(struct file_source),
    .reads_ahead = 1,
    .use_workers = source_use_workers,
    .bind = wr_file_source_bind,
    .open = source_open,
    .poll = source_poll,
    .save_position = source_save,
    .close = source_close,
    .progress = source_progress,
};
