/* file_sink.c: rows into one file, in the format and compression that its name or an option says.
 *
 *   mode     written to                     at finish
 *   replace  a new file beside, `.part`     renamed over the old one, which stays until then
 *   new      the same                       the same; an existing file is refused
 *   append   the end of the file itself     nothing; stopped before: cut to the last commit
 *   append,  a new file beside, `.part`     copied behind the rows of the file (file_append.h)
 *   audited
 *
 * A commit makes all rows of its epoch part of the file (behind the end of a compressed member).
 * With a state, `save` keeps the name and length of the file; a restart cuts it to that length and
 * goes on. What stands in an appended file behind the last checkpoint of a life that ended in order
 * is of another program: then nothing is cut, and nothing written (W613). */
#include "conn/connectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/file_append.h"
#include "conn/file_look.h"
#include "conn/file_sink.h"
#include "conn/input.h"
#include "conn/named.h"
#include "base/banned.h"

#define FLUSH_BYTES (64u << 10)

/* ---- opening ------------------------------------------------------------------------------- */

static void help_no_directory(const struct file_sink *self, struct wr_error *err) {
    const char *slash = strrchr(self->path, '/');
    struct wr_file_info info;
    if (slash == NULL || slash == self->path)
        return;
    char directory[FILE_SINK_PATH_MAX];
    size_t length = (size_t)(slash - self->path);
    memcpy(directory, self->path, length);
    directory[length] = 0;
    if (self->base.env->stat(self->base.env, directory, &info) != WR_OK)
        wr_error_help(err, "there is no directory `%s`", directory);
}

int file_sink_open_file(struct file_sink *self, uint64_t length, struct wr_error *err) {
    struct wr_output *output = &self->output;
    int status = wr_output_open(output, self->base.env, self->base.budget, self->path,
                                WR_FILE_APPEND, self->config->compression, length, err);
    if (status != WR_OK) {
        help_no_directory(self, err);
        return status;
    }
    self->is_open = 1;
    self->committed = length;
    output->fence = &self->fence;
    status = wr_fence_hold(&self->fence, output->file, self->path, err);
    output->is_changed = status != WR_OK;
    return status;
}

/* The header that the encoder would write must be the one that the file has. */
static int check_header(struct file_sink *self, struct wr_error *err) {
    struct wr_buf header;
    wr_buf_init(&header, self->base.budget, 0);
    int status = self->config->format->begin == NULL
                     ? WR_OK
                     : self->config->format->begin(self->encoder, &header);
    uint64_t got = 0;
    char *head = NULL;
    if (status == WR_OK && header.length > 0) {
        struct wr_input input;
        head = wr_alloc(self->base.budget, header.length);
        status = head == NULL ? WR_ENOMEM
                              : wr_input_open(&input, self->base.env, self->base.budget, self->path,
                                              0, 0, err);
        if (status == WR_OK) {
            status = wr_input_read(&input, head, header.length, &got, err);
            wr_input_close(&input);
        }
        if (status == WR_OK && (got < header.length || memcmp(head, header.bytes, got) != 0)) {
            size_t line = strcspn(header.bytes, "\r\n");
            status = wr_error_script(err, "W403",
                                     "`%s` has other columns than the stream, whose header is "
                                     "`%.*s`",
                                     self->path, (int)WR_MIN(line, (size_t)400), header.bytes);
            wr_error_help(err, "`select` and `rename` make them agree; or `mode = \"replace\"`");
        }
        wr_free(self->base.budget, head);
    }
    wr_buf_release(&header);
    return status;
}

int file_sink_end_last_line(struct file_sink *self, uint64_t size, struct wr_error *err) {
    char last = '\n';
    int status = wr_file_byte(self->base.env, self->path, size - 1, &last, err);
    return status != WR_OK || last == '\n' ? status : wr_buf_add_char(&self->text, '\n');
}

/* Names of the system for open files: what they lead to may be regular, they themselves are not. */
static int is_stream_name(const char *path) {
    static const char *const names[] = {"/dev/std", "/dev/fd/", "/proc/"};
    for (size_t i = 0; i < WR_COUNT(names); i++)
        if (strncmp(path, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}

/* A pipe, a device or a directory must not be replaced by a file. */
static int not_regular(const char *path, int is_directory, struct wr_error *err) {
    wr_error_script(err, "W401", "`%s` is %s: it cannot be written", path,
                    is_directory ? "a directory" : "no regular file");
    wr_error_help(err, "write to a file; `\"-\"` is the standard output");
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

/* What a life that no checkpoint knows of has left in it goes. */
static int open_emptied(struct file_sink *self, struct wr_error *err) {
    int status = file_sink_open_file(self, 0, err);
    if (status == WR_OK)
        status = wr_fence_judge_new(&self->fence, self->output.file, self->path, err);
    self->output.is_changed |= status != WR_OK; /* it is not this one's to remove */
    return status == WR_OK ? wr_output_truncate(&self->output, 0, err) : status;
}

static int open_beside(struct file_sink *self, struct wr_error *err) {
    const char *address = self->config->address;
    int length = snprintf(self->path, sizeof self->path, "%s.%08" PRIx32 ".part", address,
                          (uint32_t)wr_sink_token(&self->base));
    return length >= (int)sizeof self->path
               ? wr_error_set(err, WR_EARG, "write %.80s…: the path is too long", address)
               : open_emptied(self, err);
}

static int open_fresh(struct file_sink *self, struct wr_error *err) {
    const struct file_sink_config *config = self->config;
    const struct wr_env *env = self->base.env;
    struct wr_file_info info;
    int exists, status = wr_file_look(env, config->address, &info, &exists, err);
    if (status != WR_OK)
        return status;
    if (is_stream_name(config->address) || (exists && !info.is_regular))
        return not_regular(config->address, exists && info.is_directory, err);
    if (config->mode == MODE_NEW && exists) {
        wr_error_set(err, WR_EEXIST, "write %s: it exists already", config->address);
        wr_error_help(err,
                      "`mode = \"new\"` writes no file that is there: \"replace\", \"append\"");
        return WR_EEXIST;
    }
    if (config->mode != MODE_APPEND)
        return open_beside(self, err);
    if (strlen(config->address) >= sizeof self->path)
        return wr_error_set(err, WR_EARG, "write %.80s…: the path is too long", config->address);
    memcpy(self->path, config->address, strlen(config->address) + 1);
    if (exists && info.size_bytes > 0) {
        self->begun = 1;
        status = check_header(self, err);
        if (status == WR_OK && config->compression == WR_COMPRESSION_NONE)
            status = file_sink_end_last_line(self, info.size_bytes, err);
        if (status != WR_OK)
            return status;
    }
    if (!self->is_beside) {
        status = file_sink_open_file(self, exists ? info.size_bytes : 0, err);
        if (status == WR_OK && self->base.store != NULL)
            wr_output_read_tail(&self->output);
        return status;
    }
    self->behind = exists ? info.size_bytes : 0;
    return open_beside(self, err);
}

static void sink_close(struct wr_sink *sink);

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    const struct file_sink_config *config = sink->config;
    self->config = config;
    self->is_beside = !config->to_stdout && (config->mode != MODE_APPEND || sink->held);
    sink->shown = config->to_stdout ? WR_SHOWN_AT_ONCE
                  : self->is_beside ? WR_SHOWN_AT_FINISH
                                    : WR_SHOWN_AT_COMMIT;
    wr_buf_init(&self->text, sink->budget, 0);
    wr_fence_init(&self->fence, sink);
    int status = from == NULL ? WR_OK : file_sink_read_saved(self, from, err);
    if (status != WR_OK)
        return status;
    self->encoder = wr_alloc_zero(&wr_budget_control, config->format->size_bytes);
    if (self->encoder == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", sink->name);
    self->encoder->type = config->format;
    self->encoder->schema = sink->schema;
    self->encoder->options = config->options;
    self->encoder->resumed = sink->rows_written > 0;
    self->encoder->at_start = 1; /* as the header that `check_header` asks for is */
    status = config->format->open == NULL ? WR_OK : config->format->open(self->encoder, err);
    if (status != WR_OK) {
        wr_free(&wr_budget_control, self->encoder);
        self->encoder = NULL;
        return status;
    }
    if (!config->to_stdout)
        status = from != NULL ? file_sink_open_again(self, err) : open_fresh(self, err);
    if (self->committed > 0 || self->behind > 0 || sink->rows_written > 0)
        self->encoder->at_start = 0;
    if (status == WR_OK && !self->begun && !self->finished) {
        if (config->format->begin != NULL)
            status = config->format->begin(self->encoder, &self->text);
        self->begun = 1;
    }
    if (status != WR_OK)
        sink_close(sink);
    return status;
}

/* ---- epochs -------------------------------------------------------------------------------- */

static int flush_text(struct file_sink *self, struct wr_error *err) {
    int status = self->text.status;
    if (status != WR_OK)
        return wr_error_set(err, status, "%s: memory budget `%s` is used up", self->base.name,
                            self->base.budget->name);
    if (self->text.length == 0)
        return WR_OK;
    if (self->config->to_stdout) {
        status = wr_show(&self->base, self->text.bytes, self->text.length, &self->no_more, err);
    } else {
        status = wr_output_write(&self->output, self->text.bytes, self->text.length, err);
    }
    wr_buf_clear(&self->text);
    return status;
}

static int sink_begin(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    (void)epoch;
    int status = self->must_settle ? file_sink_settle(self, err) : WR_OK;
    return status == WR_OK && self->must_cut ? file_sink_cut(self, err) : status;
}

/* The script has got another source since. */
static int complete_already(const struct file_sink *self, struct wr_error *err) {
    wr_error_set(err, WR_EEXIST, "%s: `%s` was complete already, and more rows come",
                 self->base.name, self->config->address);
    wr_error_help(err, "this state has completed that file: let the sink write to another one; "
                       "with another --state all of it is written anew");
    return WR_EEXIST;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    if (self->finished)
        return complete_already(self, err);
    if (self->no_more)
        return WR_SINK_DONE;
    int status = self->config->format->encode(self->encoder, batch, &self->text);
    sink->nonfinite_count = self->encoder->nonfinite_count;
    if (status != WR_OK)
        return wr_error_set(err, status, "%s: %s", sink->name, wr_status_text(status));
    sink->rows_written += batch->sel_count;
    return self->text.length >= FLUSH_BYTES ? flush_text(self, err) : WR_OK;
}

/* A file that others see gets its header when the state knows how long it was before: of a part of
 * a header nobody could tell what it is. */
static int must_wait(const struct file_sink *self) {
    return self->base.store != NULL && !self->saved && !self->is_beside &&
           self->base.rows_written == 0;
}

static int sink_prepare(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    self->fence.epoch = epoch;
    if (self->finished)
        return WR_OK;
    int status = must_wait(self) && !self->config->to_stdout ? WR_OK : flush_text(self, err);
    if (self->config->to_stdout)
        return status;
    if (status == WR_OK)
        status = wr_output_end_member(&self->output, err);
    int is_synced = self->base.store != NULL; /* which looks, too */
    return status == WR_OK && !is_synced ? wr_output_check(&self->output, err) : status;
}

static int sink_sync(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    (void)epoch;
    if (!self->is_open || self->finished)
        return WR_OK;
    int status = wr_output_check(&self->output, err);
    return status == WR_OK ? wr_output_sync(&self->output, err) : status;
}

static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    (void)epoch;
    self->committed = self->output.length;
    wr_fence_commit(&self->fence);
    return self->is_open && !self->finished
               ? wr_fence_mark(&self->fence, self->output.file, self->committed, err)
               : WR_OK;
}

static int take_place(struct file_sink *self, struct wr_error *err) {
    const struct file_sink_config *config = self->config;
    const struct wr_env *env = self->base.env;
    struct wr_file_info info;
    int exists = 0, status = WR_OK;
    if (config->mode == MODE_NEW)
        status = wr_file_look(env, config->address, &info, &exists, err);
    if (status != WR_OK)
        return status;
    if (exists)
        return wr_error_set(err, WR_EEXIST,
                            "write %s: it exists already; it was made while this ran",
                            config->address);
    status = wr_fence_clear(&self->fence, self->output.file, err);
    if (status == WR_OK)
        status = wr_named_rename(&self->base, self->path, config->address, 0, err);
    return status == WR_OK ? wr_named_sync(&self->base, err) : status;
}

static int append_beside(struct file_sink *self, struct wr_error *err) {
    struct wr_file_append append = {
        .env = self->base.env,
        .budget = self->base.budget,
        .from = self->path,
        .to = self->config->address,
        .at = self->behind,
        .length = self->output.length,
        .is_again = self->is_again,
        .is_known = self->base.store != NULL,
    };
    return wr_file_append(&append, err);
}

static int sink_finish(struct wr_sink *sink, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    const struct file_sink_config *config = self->config;
    if (self->finished)
        return WR_OK;
    int status = WR_OK;
    if (config->format->end != NULL)
        status = config->format->end(self->encoder, &self->text);
    if (status == WR_OK)
        status = flush_text(self, err);
    self->finished = config->to_stdout && status == WR_OK;
    if (status != WR_OK || config->to_stdout)
        return status;
    status = wr_output_end_member(&self->output, err);
    if (status == WR_OK)
        status = wr_output_check(&self->output, err);
    if (status == WR_OK)
        status = wr_output_sync(&self->output, err);
    if (status != WR_OK)
        return status;
    self->committed = self->output.length;
    if (self->is_beside)
        status = config->mode == MODE_APPEND ? append_beside(self, err) : take_place(self, err);
    self->finished = status == WR_OK;
    return status;
}

static int is_ours(const struct file_sink *self) {
    struct wr_file_info info;
    const struct wr_env *env = self->base.env;
    return !self->output.is_changed && env->info(self->output.file, &info) == WR_OK &&
           info.size_bytes <= self->output.reach;
}

/* What others append from here on is behind the mark, and theirs. */
static void cut_back(struct file_sink *self, uint64_t length) {
    struct wr_output *output = &self->output;
    if (wr_output_truncate(output, length, NULL) == WR_OK)
        wr_fence_mark(&self->fence, output->file, length, NULL);
}

/* Stopped before its end: a `.part` that no state points to goes, an appended file is cut; but not
 * what others have written. */
static void sink_close(struct wr_sink *sink) {
    struct file_sink *self = (struct file_sink *)sink;
    if (self->is_open) {
        int appends = !self->is_beside;
        /* A checkpoint whose commit failed may be there all the same. */
        uint64_t length = WR_MAX(self->committed, self->saved_length);
        if (!self->finished && appends && is_ours(self) && self->output.reach > length)
            cut_back(self, length);
        int is_lost = self->output.is_changed;
        wr_output_close(&self->output);
        if (!self->finished && !appends && !self->saved && !is_lost)
            sink->env->remove(sink->env, self->path, NULL);
        self->is_open = 0;
    }
    if (self->encoder != NULL) {
        if (self->config->format->close != NULL)
            self->config->format->close(self->encoder);
        wr_free(&wr_budget_control, self->encoder);
        self->encoder = NULL;
    }
    wr_buf_release(&self->text);
}

const struct wr_sink_type wr_sink_file = {
    .name = "file",
    .size_bytes = sizeof(struct file_sink),
    .delivery = WR_DELIVERY_ATOMIC,
    .flags = WR_SINK_LOOKS,
    .bind = file_sink_bind,
    .open = sink_open,
    .begin = sink_begin,
    .write = sink_write,
    .prepare = sink_prepare,
    .sync = sink_sync,
    .commit = sink_commit,
    .save = file_sink_save,
    .finish = sink_finish,
    .close = sink_close,
};
