/* file_sink_again.c: a file that a life before has written: what the state says of it, and what of
 * it is this pipeline's. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/file_look.h"
#include "conn/file_sink.h"
#include "conn/named.h"
#include "base/banned.h"

/* Of rows that are appended at the end: one more, with `behind`. The versions before had … */
#define SAVE_VERSION 5
#define SAVE_VERSION_NO_TAIL 3  /* … nothing of the contents, nor whether there was a mark, */
#define SAVE_VERSION_UNFENCED 1 /* … nothing of a fence */

int file_sink_save(struct wr_sink *sink, struct wr_buf *out) {
    struct file_sink *self = (struct file_sink *)sink;
    wr_buf_add_varint(out, SAVE_VERSION + (uint64_t)file_sink_appends_later(self));
    wr_buf_add_varint(out, strlen(self->path));
    wr_buf_add_text(out, self->path);
    wr_buf_add_varint(out, self->output.length);
    wr_buf_add_varint(out, sink->rows_written);
    int begun = self->begun && (self->output.length > 0 || self->text.length == 0);
    int ends = sink->ends && !self->is_beside;
    wr_buf_add_varint(out, (uint64_t)begun | (uint64_t)ends << 1);
    wr_buf_add_varint(out, (uint64_t)self->finished);
    if (file_sink_appends_later(self))
        wr_buf_add_varint(out, self->behind);
    wr_fence_save(&self->fence, out);
    wr_buf_add_u64(out, wr_fence_marked(&self->fence));
    wr_buf_add_varint(out, self->output.tail_length);
    wr_buf_add_u64(out, wr_hash_bytes(self->output.tail, self->output.tail_length, 0));
    if (out->status == WR_OK) {
        self->saved = 1;
        self->saved_length = self->output.length;
    }
    return out->status;
}

int file_sink_read_saved(struct file_sink *self, struct wr_reader *from, struct wr_error *err) {
    uint64_t version = wr_reader_varint(from), name_length = wr_reader_varint(from);
    const char *name = wr_reader_bytes(from, name_length);
    self->committed = wr_reader_varint(from);
    self->base.rows_written = wr_reader_varint(from);
    uint64_t flags = wr_reader_varint(from);
    self->begun = flags & 1;
    self->had_ended = flags >> 1 & 1;
    self->finished = (int)wr_reader_varint(from);
    if (file_sink_appends_later(self))
        self->behind = wr_reader_varint(from);
    version -= (uint64_t)file_sink_appends_later(self);
    if (version >= SAVE_VERSION_NO_TAIL)
        wr_fence_load(&self->fence, from);
    if (version >= SAVE_VERSION) {
        self->fence.marked = wr_reader_u64(from);
        self->tail_length = (uint32_t)wr_reader_varint(from);
        self->tail_sum = wr_reader_u64(from);
    }
    int is_known = version == SAVE_VERSION || version == SAVE_VERSION_NO_TAIL ||
                   version == SAVE_VERSION_UNFENCED;
    if (from->failed || !is_known || name_length >= sizeof self->path ||
        self->tail_length > WR_MIN(self->committed, (uint64_t)WR_OUTPUT_TAIL_MAX))
        return wr_error_set(err, WR_ECORRUPT, "%s: what the state says of it is damaged",
                            self->base.name);
    memcpy(self->path, name, name_length);
    self->path[name_length] = 0;
    self->saved = self->is_again = 1;
    return WR_OK;
}

int file_sink_lost(const struct file_sink *self, const char *what, struct wr_error *err) {
    int status = wr_error_set(err, WR_ECORRUPT,
                              "%s: the state goes on behind %" PRIu64 " bytes of `%s`, and %s",
                              self->base.name, self->committed, self->path, what);
    wr_error_help(err, "put that file back as it was when the run stopped, or begin anew with "
                       "another --state");
    return status;
}

/* More is in an appended file than the state knows of: what of it is not of this pipeline, from
 * byte `from` on? */
static int check_more(const struct file_sink *self, uint64_t size, struct wr_fence_found found,
                      struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    uint64_t from = self->committed;
    const char *why;
    if (sink->goes_back)
        return WR_OK;
    if (self->had_ended)
        why = "its last run ended in order";
    else if (found.tail == WR_FENCE_OTHERS)
        why = "another pipeline has written to it since";
    else if (found.tail == WR_FENCE_OURS && size > found.written)
        why = "its last run, which was cut off, had not come that far";
    else if (found.tail == WR_FENCE_COPIED)
        why = "it is a copy without the mark that said how far this pipeline had written";
    else
        return WR_OK;
    if (found.tail == WR_FENCE_OURS && !self->had_ended)
        from = WR_MAX(from, found.written);
    wr_error_set(err, WR_ECORRUPT,
                 "%s: behind the %" PRIu64 " bytes that the state knows stand %" PRIu64
                 " more, and %s: those from byte %" PRIu64 " on are not of this pipeline",
                 sink->name, self->committed, size - self->committed, why, from);
    wr_error_help(err,
                  "take them out of the file (`truncate -s %" PRIu64 " %s`) and put them into "
                  "another one; with another --state all rows are appended anew, behind them",
                  self->committed, self->path);
    return WR_ECORRUPT;
}

/* Whether the bytes before `committed` are those that were written; where nobody can tell they are.
 */
static int look_at_tail(const struct file_sink *self, const char *path, int *is_ours,
                        struct wr_error *err) {
    const struct wr_env *env = self->base.env;
    char tail[WR_OUTPUT_TAIL_MAX];
    struct wr_file *file;
    struct wr_error refused = {0};
    *is_ours = 1;
    if (self->tail_length == 0)
        return WR_OK;
    int status = env->open(env, path, WR_FILE_READ, &file, &refused);
    if (strcmp(refused.code, WR_FENCE_UNREADABLE) == 0)
        return WR_OK;
    if (status != WR_OK && err != NULL)
        *err = refused;
    if (status != WR_OK)
        return status;
    int64_t got =
        wr_env_read_whole(file, tail, self->tail_length, self->committed - self->tail_length);
    env->close(file);
    if (got < 0)
        return wr_error_set(err, (int)got, "read %s: %s", path, wr_status_text((int)got));
    *is_ours =
        got == self->tail_length && wr_hash_bytes(tail, self->tail_length, 0) == self->tail_sum;
    return WR_OK;
}

/* Nothing is cut from a file that is another one than was written. */
static int check_tail(const struct file_sink *self, struct wr_error *err) {
    int is_ours;
    if (self->base.goes_back)
        return WR_OK;
    int status = look_at_tail(self, self->path, &is_ours, err);
    return status != WR_OK || is_ours ? status
                                      : file_sink_lost(self, "other bytes stand there", err);
}

static void note_cut(const struct file_sink *self, uint64_t bytes, uint64_t length) {
    const struct wr_sink *sink = &self->base;
    char text[160];
    if (sink->note == NULL)
        return;
    snprintf(text, sizeof text, "cut %" PRIu64 " bytes behind byte %" PRIu64 ": they %s", bytes,
             length, sink->goes_back ? "came behind the copy" : "were of no checkpoint");
    sink->note(sink->note_ctx, self->path, text);
}

int file_sink_cut(struct file_sink *self, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    uint64_t length = self->committed, has = self->cut_from;
    int status = file_sink_open_file(self, has, err);
    if (status == WR_OK) /* it is held now: nothing has happened since it was looked at */
        status = wr_fence_check(sink->env, self->output.file, self->path, has, err);
    if (status == WR_OK)
        status = wr_fence_judge(&self->fence, self->output.file, self->path, length,
                                sink->goes_back, err);
    if (status == WR_OK)
        status = wr_output_truncate(&self->output, length, err);
    if (status == WR_OK && !self->is_beside && has > length)
        note_cut(self, has - length, length);
    if (status == WR_OK)
        wr_output_read_tail(&self->output);
    if (status == WR_OK)
        status = wr_fence_take(&self->fence, self->output.file, length, err);
    self->committed = length;
    self->must_cut = status != WR_OK;
    return status;
}

/* Somebody has taken it when it had got its name. */
static int look_whether_taken(struct file_sink *self, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    int status = wr_named_look(sink, self->path, &self->finished, err);
    if (status == WR_OK && self->finished && sink->note != NULL)
        sink->note(sink->note_ctx, self->config->address, "it was complete, and was taken away");
    return status;
}

/* A later run has completed the file that this state goes on in the midst of. */
static int completed_since(const struct file_sink *self, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    int goes_back = sink->goes_back, status = goes_back ? WR_ECORRUPT : WR_EREFUSED;
    wr_error_set(err, status,
                 "%s: `%s` was complete already, and more rows come: nothing was "
                 "changed",
                 sink->name, self->config->address);
    if (!goes_back)
        wr_error_code(err, WR_FENCE_TAKEN);
    wr_error_help(err,
                  "the state stands in the midst of that file, completed since by a later run: "
                  "%sor let the sink write to another file%s%.250s%s",
                  goes_back ? "" : "go on with the state of that one, ",
                  file_sink_appends_later(self) ? "" : ", or rename it to `",
                  file_sink_appends_later(self) ? "" : self->path,
                  file_sink_appends_later(self) ? ""
                                                : "`, and its rows from there on are written anew");
    return status;
}

/* The file that the state says is complete is an older one. */
static int older(const struct file_sink *self, const char *path, struct wr_error *err) {
    wr_error_set(err, WR_ECORRUPT,
                 "%s: the state has completed it, and `%s` is an older copy, or another file: "
                 "nothing was changed",
                 self->base.name, path);
    wr_error_help(err, "put back what this state has left, or the state that was copied with it; "
                       "or begin anew with another --state");
    return WR_ECORRUPT;
}

/* A file of the final name, and none of the other: it was renamed, or stands there from before. */
static int look_at_final(struct file_sink *self, uint64_t length, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    int appends = file_sink_appends_later(self), is_ours = 1, status = WR_OK;
    if (length < self->committed + (appends ? self->behind : 0)) {
        int was_finished = self->finished;
        status = was_finished ? WR_OK : wr_named_look(sink, self->path, &was_finished, err);
        return status == WR_OK && was_finished && !appends ? older(self, self->config->address, err)
                                                           : status;
    }
    int knows = sink->is_complete || self->finished;
    if (!knows && !appends)
        status = look_at_tail(self, self->config->address, &is_ours, err);
    if (status != WR_OK || !is_ours)
        return status;
    if (!knows)
        return completed_since(self, err);
    self->finished = self->renamed = 1; /* and the state had no time to hear of it */
    self->must_settle = 1;
    return WR_OK;
}

int file_sink_settle(struct file_sink *self, struct wr_error *err) {
    const struct wr_env *env = self->base.env;
    int status = self->renamed ? env->sync_name(env, self->config->address, err)
                               : env->remove(env, self->path, err);
    self->must_settle = status != WR_OK;
    return status;
}

int file_sink_open_again(struct file_sink *self, struct wr_error *err) {
    const struct wr_env *env = self->base.env;
    uint64_t length = self->committed;
    struct wr_file_info info;
    int exists, stands = 0, status = wr_file_look(env, self->path, &info, &exists, err);
    if (status == WR_OK && !exists && self->is_beside)
        status = wr_file_look(env, self->config->address, &info, &stands, err);
    if (status == WR_OK && self->finished && exists && self->is_beside) {
        self->must_settle = file_sink_appends_later(self); /* a power cut has brought it back */
        return self->must_settle || self->base.goes_back ? WR_OK : older(self, self->path, err);
    }
    if (status == WR_OK && stands)
        status = look_at_final(self, info.size_bytes, err);
    if (status != WR_OK || self->renamed)
        return status;
    if (!self->finished && !exists && self->is_beside)
        status = look_whether_taken(self, err);
    struct wr_fence_found found = {.tail = WR_FENCE_UNKNOWN};
    if (status == WR_OK && exists && !self->finished)
        status =
            wr_fence_judge_at(&self->fence, self->path, length, self->base.goes_back, &found, err);
    if (status != WR_OK || self->finished)
        return status;
    if (!exists || info.size_bytes < length)
        return file_sink_lost(self, exists ? "it has fewer" : "it is not there", err);
    if (!self->is_beside && info.size_bytes > length)
        status = check_more(self, info.size_bytes, found, err);
    if (status == WR_OK && info.size_bytes > length)
        status = check_tail(self, err);
    if (status != WR_OK)
        return status;
    self->base.is_due = (uint8_t)self->had_ended;
    self->cut_from = info.size_bytes;
    self->must_cut = 1;
    int goes_behind_others = !self->is_beside && self->base.rows_written == 0;
    if (goes_behind_others && length > 0 && self->config->compression == WR_COMPRESSION_NONE)
        status = file_sink_end_last_line(self, length, err);
    return status;
}
