/* watch_source.c: `follow = true` of a directory or a glob: files that come are read, files that
 * grow are read on.
 *
 *   scan -> tasks: (file, up to byte), in the order of the names -> read -> scan …
 *
 * A scan says what of which file is read next. With a state its tasks are kept before the first of
 * their rows leaves, so that a restart reads the same rows in the same order, whatever has come
 * since: a sink that decides itself passes over as many as it has. Without a state they are read
 * at once.
 *
 * One file is open at a time. What is known of the others is where the next record begins, and a
 * sum of the bytes around. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/connectors.h"
#include "conn/watch.h"

#include "base/banned.h"

#define SCAN_US 100000       /* from one scan to the next, at least … */
#define SCAN_COST_FACTOR 50  /* … and so many times as long as one takes … */
#define SCAN_US_MAX 10000000 /* … up to this */

/* ---- a task -------------------------------------------------------------------------------- */

static int end_task(struct watch_source *self, struct wr_error *err) {
    struct watch_task *task = &self->tasks[self->task_at];
    struct watched *file = task->file;
    int status = watch_keep(self, file);
    file->looked_to = task->upto;
    file->ends_open = task->is_end && self->in.known.past_length > 0 &&
                      self->in.known.past[self->in.known.past_length - 1] != '\n';
    if (self->in.input.compression != WR_COMPRESSION_NONE && !self->in.grows) {
        file->is_whole = 1;
        file->has_rest = 0;
    }
    file_reader_end(&self->in);
    watch_let_go(self, file, file->is_whole);
    self->task_at++;
    return status == WR_OK ? WR_OK
                           : wr_error_set(err, status, "%s: out of memory", self->in.base.name);
}

/* The end of a line that was read without it. */
static int pass_line_end(struct file_reader *in, const struct watched *file, struct wr_error *err) {
    char next;
    int same;
    if (in->input.compression != WR_COMPRESSION_NONE)
        return WR_OK;
    int status = wr_input_byte(&in->input, file->offset, &next, err);
    if (status != WR_OK || next != '\n')
        return status;
    file_reader_end(in);
    status = file_reader_begin_file(in, file->path, file->held, err);
    return status == WR_OK ? file_reader_go_to(in, file->offset + 1, 0, &same, err) : status;
}

/* Is all that is left of the task to come as it was said, since a sink passes over rows of it? */
static int must_be_same(const struct watch_source *self) {
    const struct watch_task *task = &self->tasks[self->task_at];
    return self->in.base.must_repeat && task->is_again && !task->file->is_whole &&
           (!task->is_plain || task->from < task->upto);
}

static int not_again(const struct watch_source *self, const char *why, struct wr_error *err) {
    const struct watch_task *task = &self->tasks[self->task_at];
    wr_error_set(err, WR_EREFUSED,
                 "%s: %s, and a table has rows behind the last checkpoint, which may be of its "
                 "bytes from %llu on: those that come now would be taken for them",
                 task->file->path, why, (unsigned long long)task->from);
    wr_error_code(err, "W616");
    wr_error_help(err, "put the file back as it was when the last run was cut off; or begin anew, "
                       "with another --state and another table");
    return WR_EREFUSED;
}

/* Where what was read of it is not there any more, it is told, and read from its start. */
static int go_on(struct watch_source *self, struct watched *file, struct wr_error *err) {
    struct file_reader *in = &self->in;
    struct wr_error why = {0};
    int same = 0;
    int status = file_reader_go_to(in, file->offset, file->sum, &same, &why);
    int is_short = status == WR_ECORRUPT && !in->input.broken;
    if (status != WR_OK && !is_short) { /* nobody knows what stands there */
        if (err != NULL)
            *err = why;
        return status;
    }
    if ((is_short || !same) && must_be_same(self))
        return not_again(self, "it was written anew", err);
    if (is_short || !same) {
        watch_tell(self, file->path,
                   "it was written anew: it was read up to byte %llu, and what stands there is "
                   "something else now; it is read again from its start",
                   (unsigned long long)file->offset);
        file_reader_end(in);
        watch_forget_content(file);
        return file_reader_begin_file(in, file->path, file->held, err);
    }
    if (file->ends_open)
        status = pass_line_end(in, file, err);
    if (status == WR_OK && in->config->format->load != NULL && file->format != NULL) {
        struct wr_reader bytes = {.bytes = file->format, .length = file->format_length};
        status = in->config->format->load(in->decoder, &bytes, err);
    }
    in->decoder->line = file->line;
    return status;
}

static int begin_task(struct watch_source *self, struct wr_error *err) {
    const struct watch_task *task = &self->tasks[self->task_at];
    struct watched *file = task->file;
    uint64_t record = self->in.decoder->record;
    if (must_be_same(self) && file->offset != task->from)
        return not_again(self, "it was written anew", err);
    int status = file->is_seen ? watch_take(self, file, err) : WR_ENOENT;
    if (status == WR_ENOENT && must_be_same(self))
        return not_again(self, "it is not there any more", err);
    if (status == WR_ENOENT) { /* the next scan tells what is missing */
        self->task_at++;
        return WR_EAGAIN;
    }
    if (status == WR_OK)
        status = file_reader_begin_file(&self->in, file->path, file->held, err);
    if (status == WR_OK && file->offset > 0)
        status = go_on(self, file, err);
    self->in.decoder->record = record;
    if (status == WR_OK) /* of a copy so much as was said of the file, and then its rest */
        self->in.grows = self->in.input.compression == WR_COMPRESSION_NONE ||
                         (file->has_rest && task->is_plain && !task->is_end);
    else /* what is known of the file stays, and not where the reader has come to */
        file_reader_end(&self->in);
    return status;
}

/* Reads on, up to the end of the task. */
static int step(struct watch_source *self, struct wr_batch **batch, struct wr_error *err) {
    struct file_reader *in = &self->in;
    const struct watch_task *task = &self->tasks[self->task_at];
    uint64_t at = in->input.bytes_out;
    int reads = in->wants_more && !in->input_ended;
    if (reads && in->grows && at >= task->upto) {
        if (!task->is_end)
            return end_task(self, err);
        in->input_ended = 1;
        reads = 0;
    }
    if (reads && in->grows)
        in->piece_bytes = task->upto - at;
    int status = file_reader_step(in, batch, err);
    if (status != WR_OK || *batch != NULL)
        return status;
    int is_short = reads && in->grows && in->input.bytes_out == at; /* it was cut meanwhile */
    if (is_short && must_be_same(self))
        return not_again(self, "it was cut", err);
    return in->input_ended || is_short ? end_task(self, err) : WR_OK;
}

/* ---- the table ----------------------------------------------------------------------------- */

static int scan_if_due(struct watch_source *self, struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    int64_t before_us = env->monotonic_us(env);
    if (before_us < self->scan_due_us)
        return WR_EAGAIN;
    int status = watch_scan(self, err);
    int64_t after_us = env->monotonic_us(env), cost_us = (after_us - before_us) * SCAN_COST_FACTOR;
    self->scan_due_us = after_us + WR_MIN(WR_MAX(cost_us, SCAN_US), SCAN_US_MAX);
    self->is_announced = !self->in.base.has_state;
    return status;
}

static int watch_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct watch_source *self = (struct watch_source *)source;
    struct file_reader *in = &self->in;
    file_reader_poll(in, batch, err);
    source->has_more = 0;
    for (uint32_t pieces = 0; pieces < FILE_PIECES_MAX; pieces++) {
        if (file_reader_has_all(in))
            return WR_EEND;
        int status = WR_OK;
        if (self->task_at == self->task_count)
            status = scan_if_due(self, err);
        if (status == WR_OK && (self->task_at == self->task_count || !self->is_announced)) {
            source->has_more = self->task_at < self->task_count;
            status = WR_EAGAIN;
        }
        if (status == WR_OK && !in->is_open)
            status = begin_task(self, err);
        if (status == WR_OK)
            status = step(self, batch, err);
        if (status != WR_OK || *batch != NULL || in->reject_count >= FILE_REJECTS_MAX)
            return status;
    }
    return WR_OK;
}

static void watch_close(struct wr_source *source) {
    struct watch_source *self = (struct watch_source *)source;
    file_reader_release(&self->in);
    watch_free_all(self);
}

static void watch_progress(const struct wr_source *source, uint64_t *done, uint64_t *total) {
    const struct file_reader *in = &((const struct watch_source *)source)->in;
    *done = in->bytes_before + (in->is_open ? in->input.bytes_in : 0);
    *total = 0;
}

static int watch_save_position(struct wr_source *source, struct wr_buf *out) {
    return watch_save((struct watch_source *)source, out);
}

static int watch_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct watch_source *self = (struct watch_source *)source;
    const struct wr_file_config *config = source->config;
    self->in.config = config;
    int status = file_reader_init(&self->in, err);
    if (status == WR_OK && from != NULL)
        status = watch_load(self, from, err);
    if (status == WR_OK && (from == NULL || self->task_count > 0)) /* where are their files? */
        status = from == NULL ? scan_if_due(self, err) : watch_scan(self, err);
    if (status != WR_OK) {
        watch_close(source);
        return status;
    }
    self->in.tells_missing = from == NULL && config->schema_given;
    file_reader_note_mixed(&self->in);
    return WR_OK;
}

const struct wr_source_type wr_source_watch = {
    .name = "watch",
    .size_bytes = sizeof(struct watch_source),
    .bind = wr_file_source_bind,
    .open = watch_open,
    .poll = watch_poll,
    .save_position = watch_save_position,
    .close = watch_close,
    .progress = watch_progress,
};
