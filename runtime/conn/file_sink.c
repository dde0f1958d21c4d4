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
#include "base/buf.h"
#include "base/status.h"
#include "conn/file_append.h"
#include "conn/file_look.h"
#include "conn/input.h"
#include "conn/named.h"
#include "conn/output.h"
#include "data/codec.h"

#include "base/banned.h"

#define FLUSH_BYTES (64u << 10)
#define PATH_BYTES_MAX 4096
#define SAVE_VERSION 1
#define SAVE_VERSION_BESIDE 2 /* of rows that are appended at the end: with `behind` */

enum mode { MODE_REPLACE, MODE_APPEND, MODE_NEW };

struct config {
    const char *address;
    const struct wr_encoder_type *format;
    const struct wr_value *options;
    enum wr_compression compression;
    enum mode mode;
    int to_stdout; /* "-" */
    struct wr_retry retry;
};

struct file_sink {
    struct wr_sink base;
    const struct config *config;
    struct wr_encoder *encoder;
    struct wr_buf text; /* encoded, not yet written */
    struct wr_output output;
    char path[PATH_BYTES_MAX]; /* what is written: the file itself, or its `.part` */
    uint64_t committed;        /* length of the file at the last commit */
    uint64_t saved_length;     /* as the last checkpoint has it, which may hold or not */
    uint64_t cut_from;         /* how long it was found */
    int must_cut;              /* to `committed`, and opened, when an epoch begins */
    int is_open, begun;        /* `output`; the header is written */
    int saved;                 /* a state points to `path` */
    int had_ended;             /* … since the last checkpoint of a life that ended in order */
    int finished;
    int is_beside;   /* `path` is a `.part` until finish */
    uint64_t behind; /* append, audited: how long the file was that the rows go behind */
    int is_again;    /* an earlier life may have finished it, or begun to */
    int renamed; /* finished, as it seems: `path` is gone and there is a file of the final name */
    int no_more; /* nobody reads the standard output */
};

/* ---- bind ---------------------------------------------------------------------------------- */

static const char *const own_options[] = {"compression", "partitions",     "roll",
                                          "max_ratio",   WR_RETRY_OPTIONS, NULL};

static int sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    static const char *const modes[] = {"replace", "append", "new", NULL};
    static const char *const compressions[] = {"none", "gzip", "zstd", "auto", NULL};
    static const char *const not_yet[] = {"partition_by", "roll", NULL};
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct config *config = WR_ARENA_ZEROS(bind->arena, struct config, 1);
    if (status == WR_OK && config == NULL)
        return wr_error_set(err, WR_ENOMEM, "file: out of memory");
    if (status != WR_OK)
        return status;
    config->address = wr_value_string(wr_value_get(bind->spec, "endpoint"), "address", "");
    config->to_stdout = strcmp(config->address, "-") == 0;
    bind->shows = config->to_stdout != 0;
    bind->name = config->to_stdout ? "stdout" : config->address;
    size_t length = strlen(config->address);
    if (length == 0 || config->address[length - 1] == '/' ||
        strpbrk(config->address, "*?[") != NULL) {
        wr_error_script(err, "W401", "`%s` is no name of a file to write", config->address);
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    wr_format_of_name(config->address, &config->compression);
    int compression = (int)config->compression, mode = MODE_REPLACE;
    status = wr_options_refuse(&options, not_yet, err);
    const char *format = NULL;
    if (status == WR_OK)
        status = wr_option_word(&options, "mode", modes, &mode, err);
    if (status == WR_OK)
        status = wr_option_word(&options, "compression", compressions, &compression, err);
    if (status == WR_OK)
        status = wr_format_choose(bind, config->address, config->to_stdout ? "ndjson" : NULL,
                                  &format, err);
    if (status == WR_OK)
        status = wr_encoder_choose(format, &config->format, err);
    if (status == WR_OK)
        status = wr_options_rest(&options, bind->arena, wr_options_of_write, own_options,
                                 &config->options, err);
    if (status == WR_OK)
        status = wr_encoder_check(bind, config->format, config->options, err);
    if (compression != 3) /* auto: what the name says */
        config->compression = (enum wr_compression)compression;
    config->mode = (enum mode)mode;
    if (status == WR_OK && mode == MODE_APPEND && config->format->end != NULL) {
        wr_error_script(err, "W203", "format `%s` has an end, so nothing can be appended to it",
                        config->format->name);
        wr_error_help(err, "write `.ndjson` or `.csv`, or `mode = \"replace\"`");
        wr_error_at(err, "mode", 0, 0);
        return WR_ESCRIPT;
    }
    config->retry = WR_RETRY_OF_FILES;
    if (status == WR_OK)
        status = wr_retry_bind(&config->retry, bind, &options, 0, err);
    bind->retry = &config->retry;
    bind->config = config;
    return status;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int open_file(struct file_sink *self, enum wr_file_mode mode, uint64_t length,
                     struct wr_error *err) {
    int status = wr_output_open(&self->output, self->base.env, self->base.budget, self->path, mode,
                                self->config->compression, length, err);
    if (status != WR_OK) {
        const char *slash = strrchr(self->path, '/');
        struct wr_file_info info;
        if (slash != NULL && slash != self->path) {
            char directory[PATH_BYTES_MAX];
            size_t directory_length = (size_t)(slash - self->path);
            memcpy(directory, self->path, directory_length);
            directory[directory_length] = 0;
            if (self->base.env->stat(self->base.env, directory, &info) != WR_OK)
                wr_error_help(err, "there is no directory `%s`", directory);
        }
        return status;
    }
    self->is_open = 1;
    self->committed = length;
    return WR_OK;
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

/* An append to a file whose last line has no end would glue two rows together. */
static int end_last_line(struct file_sink *self, uint64_t size, struct wr_error *err) {
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

static int open_beside(struct file_sink *self, struct wr_error *err) {
    const char *address = self->config->address;
    int length = snprintf(self->path, sizeof self->path, "%s.%08" PRIx32 ".part", address,
                          (uint32_t)wr_sink_token(&self->base));
    return length >= (int)sizeof self->path
               ? wr_error_set(err, WR_EARG, "write %.80s…: the path is too long", address)
               : open_file(self, WR_FILE_CREATE, 0, err);
}

static int appends_later(const struct file_sink *self) {
    return self->is_beside && self->config->mode == MODE_APPEND;
}

static int open_fresh(struct file_sink *self, struct wr_error *err) {
    const struct config *config = self->config;
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
            status = end_last_line(self, info.size_bytes, err);
        if (status != WR_OK)
            return status;
    }
    if (!self->is_beside)
        return open_file(self, WR_FILE_APPEND, exists ? info.size_bytes : 0, err);
    self->behind = exists ? info.size_bytes : 0;
    return open_beside(self, err);
}

static int read_saved(struct file_sink *self, struct wr_reader *from, struct wr_error *err) {
    uint64_t version = wr_reader_varint(from), name_length = wr_reader_varint(from);
    const char *name = wr_reader_bytes(from, name_length);
    self->committed = wr_reader_varint(from);
    self->base.rows_written = wr_reader_varint(from);
    uint64_t flags = wr_reader_varint(from);
    self->begun = flags & 1;
    self->had_ended = flags >> 1 & 1;
    self->finished = (int)wr_reader_varint(from);
    if (appends_later(self))
        self->behind = wr_reader_varint(from);
    uint64_t expected = appends_later(self) ? SAVE_VERSION_BESIDE : SAVE_VERSION;
    if (from->failed || version != expected || name_length >= sizeof self->path)
        return wr_error_set(err, WR_ECORRUPT, "%s: what the state says of it is damaged",
                            self->base.name);
    memcpy(self->path, name, name_length);
    self->path[name_length] = 0;
    self->saved = self->is_again = 1;
    return WR_OK;
}

/* What was written before is not there as the state says; `what` is missing. */
static int lost(const struct file_sink *self, const char *what, struct wr_error *err) {
    int status = wr_error_set(err, WR_ECORRUPT,
                              "%s: the state goes on behind %" PRIu64 " bytes of `%s`, and %s",
                              self->base.name, self->committed, self->path, what);
    wr_error_help(err, "put that file back as it was when the run stopped, or begin anew with "
                       "another --state");
    return status;
}

/* More is in an appended file than the state knows of. */
static int check_more(const struct file_sink *self, uint64_t more, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    if (!self->had_ended || sink->goes_back)
        return WR_OK;
    wr_error_set(err, WR_ECORRUPT,
                 "%s: behind the %" PRIu64 " bytes that the state knows stand %" PRIu64
                 " more, and its last run ended in order: they are not of this pipeline",
                 sink->name, self->committed, more);
    wr_error_help(err,
                  "take them out of the file (`truncate -s %" PRIu64 " %s`) and put them into "
                  "another one; with another --state all rows are appended anew, behind them",
                  self->committed, self->path);
    return WR_ECORRUPT;
}

/* The file is brought to what the state says of it. */
static int cut(struct file_sink *self, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    uint64_t length = self->committed, has = self->cut_from;
    if (!self->is_beside && has > length && sink->note != NULL) {
        char text[160];
        snprintf(text, sizeof text,
                 "cut %" PRIu64 " bytes behind byte %" PRIu64 ": they were of no checkpoint",
                 has - length, length);
        sink->note(sink->note_ctx, self->path, text);
    }
    int status = open_file(self, WR_FILE_APPEND, has, err);
    if (status == WR_OK)
        status = wr_output_truncate(&self->output, length, err);
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

static int open_again(struct file_sink *self, struct wr_error *err) {
    const struct wr_env *env = self->base.env;
    uint64_t length = self->committed, least = length + (appends_later(self) ? self->behind : 0);
    struct wr_file_info info;
    int exists, stands = 0, status = wr_file_look(env, self->path, &info, &exists, err);
    if (status == WR_OK && !exists && self->is_beside)
        status = wr_file_look(env, self->config->address, &info, &stands, err);
    if (status != WR_OK)
        return status;
    if (self->finished && exists && appends_later(self)) /* a power cut has brought it back */
        return env->remove(env, self->path, err);
    if (stands && info.size_bytes >= least) { /* else it is a file of before */
        self->finished = self->renamed = 1;   /* and the state had no time to hear of it */
        return env->sync_name(env, self->config->address, err);
    }
    if (!self->finished && !exists && self->is_beside)
        status = look_whether_taken(self, err);
    if (status != WR_OK || self->finished)
        return status;
    if (!exists || info.size_bytes < length)
        return lost(self, exists ? "it has fewer" : "it is not there", err);
    if (!self->is_beside && info.size_bytes > length)
        status = check_more(self, info.size_bytes - length, err);
    if (status != WR_OK)
        return status;
    self->base.is_due = (uint8_t)self->had_ended;
    self->cut_from = info.size_bytes;
    self->must_cut = 1;
    int goes_behind_others = !self->is_beside && self->base.rows_written == 0;
    if (goes_behind_others && length > 0 && self->config->compression == WR_COMPRESSION_NONE)
        status = end_last_line(self, length, err);
    return status;
}

static void sink_close(struct wr_sink *sink);

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    const struct config *config = sink->config;
    self->config = config;
    self->is_beside = !config->to_stdout && (config->mode != MODE_APPEND || sink->held);
    sink->shown = config->to_stdout ? WR_SHOWN_AT_ONCE
                  : self->is_beside ? WR_SHOWN_AT_FINISH
                                    : WR_SHOWN_AT_COMMIT;
    wr_buf_init(&self->text, sink->budget, 0);
    int status = from == NULL ? WR_OK : read_saved(self, from, err);
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
        status = from != NULL ? open_again(self, err) : open_fresh(self, err);
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
    return self->must_cut ? cut(self, err) : WR_OK;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    if (self->renamed) /* it was not: somebody took it away, and an older result stands there */
        return lost(self, "it is not there", err);
    if (self->finished)
        return wr_error_set(err, WR_EEXIST, "%s: it was complete already, and more rows come",
                            sink->name);
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
    (void)epoch;
    if (self->finished)
        return WR_OK;
    int status = must_wait(self) && !self->config->to_stdout ? WR_OK : flush_text(self, err);
    if (self->config->to_stdout)
        return status;
    return status == WR_OK ? wr_output_end_member(&self->output, err) : status;
}

static int sink_sync(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    (void)epoch;
    return self->is_open && !self->finished ? wr_output_sync(&self->output, err) : WR_OK;
}

static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct file_sink *self = (struct file_sink *)sink;
    (void)epoch, (void)err;
    self->committed = self->output.length;
    return WR_OK;
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    struct file_sink *self = (struct file_sink *)sink;
    wr_buf_add_varint(out, appends_later(self) ? SAVE_VERSION_BESIDE : SAVE_VERSION);
    wr_buf_add_varint(out, strlen(self->path));
    wr_buf_add_text(out, self->path);
    wr_buf_add_varint(out, self->output.length);
    wr_buf_add_varint(out, sink->rows_written);
    int begun = self->begun && (self->output.length > 0 || self->text.length == 0);
    int ends = sink->ends && !self->is_beside;
    wr_buf_add_varint(out, (uint64_t)begun | (uint64_t)ends << 1);
    wr_buf_add_varint(out, (uint64_t)self->finished);
    if (appends_later(self))
        wr_buf_add_varint(out, self->behind);
    if (out->status == WR_OK) {
        self->saved = 1;
        self->saved_length = self->output.length;
    }
    return out->status;
}

static int take_place(struct file_sink *self, struct wr_error *err) {
    const struct config *config = self->config;
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
    const struct config *config = self->config;
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
        status = wr_output_sync(&self->output, err);
    if (status != WR_OK)
        return status;
    self->committed = self->output.length;
    if (self->is_beside)
        status = config->mode == MODE_APPEND ? append_beside(self, err) : take_place(self, err);
    self->finished = status == WR_OK;
    return status;
}

/* Stopped before its end: a `.part` that no state points to goes, an appended file is cut. */
static void sink_close(struct wr_sink *sink) {
    struct file_sink *self = (struct file_sink *)sink;
    if (self->is_open) {
        int appends = !self->is_beside;
        /* A checkpoint whose commit failed may be there all the same. */
        uint64_t length = WR_MAX(self->committed, self->saved_length);
        if (!self->finished && appends && self->output.length > length)
            wr_output_truncate(&self->output, length, NULL);
        wr_output_close(&self->output);
        if (!self->finished && !appends && !self->saved)
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
    .bind = sink_bind,
    .open = sink_open,
    .begin = sink_begin,
    .write = sink_write,
    .prepare = sink_prepare,
    .sync = sink_sync,
    .commit = sink_commit,
    .save = sink_save,
    .finish = sink_finish,
    .close = sink_close,
};
