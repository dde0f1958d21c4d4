/* follow_source.c: `follow = true` of one file: it is read as it grows, and never ends.
 *
 *   look: has it grown? -> read, decode -> look …
 *         is it shorter, or are its bytes others? -> told; read again from its start
 *         has its name gone to another file? -> once it is quiet: its last line, then the next file
 *
 * The file that is read is held open, so that it is read to its end under any name. The next one is
 * the oldest of those beside it that were changed since (`x.log.1`, where it was rotated twice), at
 * last the one that has the name. A line without its end waits for it, in the file that has the
 * name; in one that was rotated it is a line once nothing has come for a while.
 *
 * Position: the file's number (inode), byte, record, line, and a sum of the bytes around: see
 * follow_find. */
#include "conn/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/connectors.h"
#include "conn/file_look.h"

#include "base/banned.h"

/* 1 does not say when files were made and changed, 2 not which was last, 3 of others that were read
 * not what was in them. */
#define POSITION_VERSION 4
#define QUIET_US 1000000 /* a file whose name has gone is waited for so long behind its last byte */
#define DONE_MAX 16u
#define MISSING_US 5000000 /* a name that nothing has is told after so long */

struct follow_source {
    struct file_reader in;
    struct follow_next next;  /* the file that is read, or that is next; "": that of the address,
                              * or what was rotated behind `last` */
    struct follow_file file;  /* that is read */
    struct follow_file now;   /* it, or the compressed copy of it that is left */
    struct follow_after last; /* that was read to its end before it; not `has_file`: none was */
    int64_t modified_us;      /* when the file was changed, seen last … */
    uint64_t size;            /* … and how long it was then */
    uint64_t end_at;          /* how long it was when it was looked at last */
    struct follow_read done[DONE_MAX]; /* files that were read to their ends, as a ring … */
    uint32_t done_count;               /* … of so many in all */
    int64_t quiet_since_us;            /* its name had gone, and nothing came; -1: not so */
    int64_t missing_since_us;          /* no file has the name; -1: one has */
    int64_t old_looked_us;             /* when files beside it were looked for the last time */
    int64_t missing_at_us; /* by the wall clock: what came since may have gone; 0: nothing */
    uint8_t missing_told;
    uint8_t was_cut; /* it was begun again: what it had may be in a copy of it */
};

static void tell(const struct follow_source *self, const char *text) {
    const struct wr_source *base = &self->in.base;
    if (base->note != NULL)
        base->note(base->reject_ctx, self->in.config->address, text);
}

/* ---- which file ---------------------------------------------------------------------------- */

/* After the reader has opened `path`: what it is. */
static int opened(struct follow_source *self, struct wr_error *err) {
    struct wr_file_info info;
    const char *address = self->in.config->address;
    int has_name = strcmp(self->next.path, address) == 0;
    if (self->in.base.env->info(self->in.input.file, &info) != WR_OK)
        return wr_error_set(err, WR_EIO, "read %s: what it is cannot be seen", self->next.path);
    if (has_name && self->in.input.compression != WR_COMPRESSION_NONE)
        return wr_file_is_compressed(self->in.config->address, err);
    self->file = self->now = (struct follow_file){info.inode, info.born_us};
    self->modified_us = info.modified_us;
    self->size = info.size_bytes;
    self->end_at = 0;
    self->quiet_since_us = -1;
    self->in.grows = self->in.input.compression == WR_COMPRESSION_NONE;
    return WR_OK;
}

/* Whether it is time to look at the files beside it: a directory may hold many. */
static int looks_at_old(struct follow_source *self) {
    int64_t now_us = self->in.base.env->monotonic_us(self->in.base.env);
    if (now_us - self->old_looked_us < QUIET_US)
        return 0;
    self->old_looked_us = now_us;
    return 1;
}

/* Which is behind one: of those that are not read, also not now. */
static int find_behind(struct follow_source *self, struct follow_after *after,
                       struct follow_next *next, struct wr_error *err) {
    struct follow_read done[DONE_MAX + 1];
    uint32_t done_count = WR_MIN(self->done_count, DONE_MAX);
    memcpy(done, self->done, done_count * sizeof *done);
    if (self->in.is_open)
        done[done_count++] = (struct follow_read){.file = self->file};
    return follow_next_old(&self->in, after, done, done_count, next, err);
}

/* A file may have come and been rotated behind the last one, or since the name was looked at. */
static int find_rotated(struct follow_source *self, struct wr_error *err) {
    int64_t now_us = self->in.base.env->now_us(self->in.base.env);
    int status = WR_OK;
    self->next.path[0] = 0;
    if (self->last.has_file && !self->was_cut) {
        status = find_behind(self, &self->last, &self->next, err);
    } else if (self->missing_at_us != 0) {
        struct follow_after then = {.read.modified_us = self->missing_at_us - FOLLOW_CLOCK_US};
        status = find_behind(self, &then, &self->next, err);
    }
    if (status == WR_OK && self->next.path[0] == 0)
        self->missing_at_us = now_us;
    return status;
}

/* Nothing has the name. WR_OK: a file that had it is next. */
static int wait_for_name(struct follow_source *self, struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    int64_t now_us = env->monotonic_us(env);
    self->next.path[0] = 0; /* an old one that was removed just now, too */
    int status = WR_OK;
    if (self->missing_at_us == 0 || looks_at_old(self))
        status = find_rotated(self, err);
    if (status != WR_OK || self->next.path[0] != 0)
        return status;
    if (self->missing_since_us < 0)
        self->missing_since_us = now_us;
    if (!self->missing_told && now_us - self->missing_since_us >= MISSING_US) {
        self->missing_told = 1;
        tell(self, "there is no file of this name: it is waited for");
    }
    return WR_EAGAIN;
}

/* The file that is open is the next one, unless its name passed on before it was opened, or others
 * had the name since it was looked at. Else WR_OK, and none is open. */
static int is_next(struct follow_source *self, int is_named, struct wr_error *err) {
    struct follow_file chosen = self->next.file;
    int is_chosen = chosen.inode == 0 || /* by a state of before */
                    (chosen.inode == self->file.inode && chosen.born_us == self->file.born_us);
    if (is_named ? self->was_cut : is_chosen)
        return WR_OK;
    self->next.path[0] = 0;
    int status = is_named ? find_rotated(self, err) : WR_OK;
    if (status == WR_OK && is_named && self->next.path[0] == 0)
        memcpy(self->next.path, self->in.config->address, strlen(self->in.config->address) + 1);
    else
        file_reader_end(&self->in);
    return status;
}

/* WR_EAGAIN: no file has the name yet. WR_OK, and none is open: it was not the next one. */
static int open_next(struct follow_source *self, struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    const char *address = self->in.config->address;
    struct wr_file_info info;
    if (self->next.path[0] == 0)
        memcpy(self->next.path, address, strlen(address) + 1);
    int is_named = strcmp(self->next.path, address) == 0;
    int is_there, status = wr_file_look(env, self->next.path, &info, &is_there, err);
    if (status == WR_OK && !is_there)
        return wait_for_name(self, err);
    if (status == WR_OK)
        status = file_reader_begin(&self->in, self->next.path, err);
    if (status == WR_ENOENT) {
        self->next.path[0] = 0;
        return WR_EAGAIN;
    }
    if (status == WR_OK)
        status = opened(self, err);
    if (status == WR_OK)
        status = is_next(self, is_named, err);
    if (status != WR_OK) { /* the position stays before it */
        file_reader_end(&self->in);
        return status;
    }
    self->missing_since_us = -1;
    self->missing_told = 0;
    return WR_OK;
}

/* All of it was read. */
static struct follow_after behind_it(struct follow_source *self, const struct wr_file_info *info) {
    return (struct follow_after){.read = {.file = self->now,
                                          .modified_us = info->modified_us,
                                          .offset = self->in.offset,
                                          .sum = file_reader_sum(&self->in)},
                                 .has_file = 1,
                                 .was_cut = self->was_cut};
}

/* The file that is read has no more, and never will: what comes behind it. */
static int choose_next(struct follow_source *self, struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    struct wr_file_info info;
    if (env->info(self->in.input.file, &info) != WR_OK)
        return wr_error_set(err, WR_EIO, "read %s: what it is cannot be seen", self->next.path);
    struct follow_after after = behind_it(self, &info);
    struct follow_next next;
    int status = find_behind(self, &after, &next, err);
    if (status != WR_OK) /* the position stays where it is */
        return status;
    struct follow_read *done = &self->done[self->done_count++ % DONE_MAX];
    *done = after.read;
    done->file = self->file;
    self->missing_at_us = env->now_us(env);
    self->last = after;
    self->next = next;
    self->was_cut = 0;
    file_reader_end(&self->in);
    return WR_OK;
}

/* It is not what was read: told, and read from its start. */
static void begin_again(struct follow_source *self, const char *what, uint64_t size) {
    char text[320];
    snprintf(text, sizeof text,
             "it %s: it was read up to byte %llu and has %llu now; it is read again from its "
             "start, and what was written in between may be missing",
             what, (unsigned long long)self->in.input.bytes_out, (unsigned long long)size);
    tell(self, text);
    file_reader_end(&self->in);
    self->was_cut = 1;
    self->missing_at_us = self->in.base.env->now_us(self->in.base.env);
}

/* Are the first bytes, and those before the place, still what was read? 1, 0 or a status. */
static int is_same(struct follow_source *self, struct wr_error *err) {
    struct file_reader *in = &self->in;
    uint64_t count = in->known.head_length;
    const char *last = in->known.past;
    uint64_t last_length = in->known.past_length;
    if (in->length > 0) { /* of the buffer, which ends where reading goes on */
        last_length = WR_MIN(in->length, (uint64_t)FILE_KNOWN_BYTES);
        last = in->buffer->bytes + in->length - last_length;
    }
    char bytes[FILE_KNOWN_BYTES];
    int64_t got = wr_env_read_whole(in->input.file, bytes, count, 0);
    int same = got == (int64_t)count && memcmp(bytes, in->known.head, count) == 0;
    if (got >= 0 && same && last_length <= in->input.bytes_out) {
        got = wr_env_read_whole(in->input.file, bytes, last_length,
                                in->input.bytes_out - last_length);
        same = got == (int64_t)last_length && memcmp(bytes, last, last_length) == 0;
    }
    if (got < 0)
        return wr_error_set(err, (int)got, "read %s: %s", self->next.path,
                            wr_status_text((int)got));
    return same;
}

/* ---- has it grown? ------------------------------------------------------------------------- */

/* Nothing has the name: was it another file's, that was rotated too? WR_EAGAIN: no. */
static int look_for_later(struct follow_source *self, const struct wr_file_info *info,
                          struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    int64_t quiet_us = env->monotonic_us(env) - self->quiet_since_us;
    struct follow_next later = {.path = ""};
    if (quiet_us >= QUIET_US && looks_at_old(self)) {
        struct follow_after after = behind_it(self, info);
        int status = find_behind(self, &after, &later, err);
        if (status != WR_OK)
            return status;
        self->now = after.read.file;
    }
    if (later.path[0] != 0)
        return WR_OK;
    if (!self->missing_told && quiet_us >= MISSING_US) {
        self->missing_told = 1;
        tell(self, "it was removed or renamed: a new file of this name is waited for");
    }
    return WR_EAGAIN;
}

/* Nothing more in the file: whose is its name? WR_EAGAIN: wait. */
static int look_at_name(struct follow_source *self, const struct wr_file_info *info,
                        struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    struct wr_file_info named;
    int is_there, status = wr_file_look(env, self->in.config->address, &named, &is_there, err);
    int64_t now_us = env->monotonic_us(env);
    if (status != WR_OK)
        return status;
    if (is_there && follow_is_file(&self->file, &named)) {
        self->quiet_since_us = self->missing_since_us = -1;
        return WR_EAGAIN;
    }
    if (self->quiet_since_us < 0)
        self->quiet_since_us = now_us;
    status = now_us - self->quiet_since_us < QUIET_US ? WR_EAGAIN : WR_OK;
    if (!is_there)
        status = look_for_later(self, info, err);
    if (status == WR_OK)
        self->in.grows = 0; /* the next read finds its end */
    return status;
}

/* WR_OK: there is something to read, or it was begun again. WR_EAGAIN: there is not. */
static int look(struct follow_source *self, struct wr_error *err) {
    struct file_reader *in = &self->in;
    struct wr_file_info info;
    uint64_t at = in->input.bytes_out;
    if (in->base.env->info(in->input.file, &info) != WR_OK)
        return wr_error_set(err, WR_EIO, "read %s: what it is cannot be seen", self->next.path);
    int was_written = info.size_bytes != at || self->modified_us != info.modified_us;
    int same = info.size_bytes >= at;
    if (same && was_written && self->end_at == at && at > 0) /* it may have been filled again */
        same = is_same(self, err);
    if (same < 0)
        return same;
    if (!same) {
        begin_again(self, info.size_bytes < at ? "was cut" : "was emptied and written anew",
                    info.size_bytes);
        return WR_OK;
    }
    self->modified_us = info.modified_us;
    self->size = info.size_bytes;
    if (info.size_bytes == at)
        return look_at_name(self, &info, err);
    wr_input_grown(&in->input);
    in->piece_bytes = info.size_bytes - at;
    self->end_at = info.size_bytes;
    self->quiet_since_us = -1;
    self->missing_told = 0;
    return WR_OK;
}

static int follow_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct follow_source *self = (struct follow_source *)source;
    struct file_reader *in = &self->in;
    file_reader_poll(in, batch, err);
    for (uint32_t pieces = 0; pieces < FILE_PIECES_MAX; pieces++) {
        if (file_reader_has_all(in))
            return WR_EEND;
        int status = in->is_open ? WR_OK : open_next(self, err);
        if (status == WR_OK && in->is_open && in->wants_more && in->grows)
            status = look(self, err);
        if (status == WR_OK && !in->is_open)
            continue; /* begun again, or it was not the next one */
        if (status == WR_OK)
            status = file_reader_step(in, batch, err);
        if (status != WR_OK || *batch != NULL)
            return status;
        if (in->input_ended)
            status = choose_next(self, err);
        if (status != WR_OK || in->reject_count >= FILE_REJECTS_MAX)
            return status;
    }
    return WR_OK;
}

/* ---- positions ----------------------------------------------------------------------------- */

static void add_file(struct wr_buf *out, const struct follow_file *file) {
    wr_buf_add_varint(out, file->inode);
    wr_buf_add_varint(out, (uint64_t)file->born_us);
}

static struct follow_file take_file(struct wr_reader *from, uint64_t version) {
    uint64_t inode = wr_reader_varint(from);
    return (struct follow_file){inode, version < 2 ? 0 : (int64_t)wr_reader_varint(from)};
}

static void add_read(struct wr_buf *out, const struct follow_read *read) {
    add_file(out, &read->file);
    wr_buf_add_varint(out, (uint64_t)read->modified_us);
    wr_buf_add_varint(out, read->offset);
    wr_buf_add_u64(out, read->sum);
}

static struct follow_read take_read(struct wr_reader *from, uint64_t version) {
    struct follow_read read = {.file = take_file(from, version)};
    read.modified_us = (int64_t)wr_reader_varint(from);
    read.offset = wr_reader_varint(from);
    read.sum = wr_reader_u64(from);
    return read;
}

enum position_flags { WAS_CUT = 1, HAS_LAST = 2, LAST_WAS_CUT = 4 };

static void add_last(struct wr_buf *out, const struct follow_source *self) {
    const struct follow_after *last = &self->last;
    wr_buf_add_varint(out, (self->was_cut ? WAS_CUT : 0u) | (last->has_file ? HAS_LAST : 0u) |
                               (last->was_cut ? LAST_WAS_CUT : 0u));
    if (last->has_file)
        add_read(out, &last->read);
}

static void take_last(struct wr_reader *from, uint64_t version, struct follow_source *self) {
    struct follow_after *last = &self->last;
    uint64_t flags = version < 3 ? 0 : wr_reader_varint(from);
    self->was_cut = (flags & WAS_CUT) != 0;
    last->has_file = (flags & HAS_LAST) != 0;
    last->was_cut = (flags & LAST_WAS_CUT) != 0;
    if (last->has_file)
        last->read = take_read(from, version);
}

static int follow_save(struct wr_source *source, struct wr_buf *out) {
    struct follow_source *self = (struct follow_source *)source;
    struct file_reader *in = &self->in;
    wr_buf_add_varint(out, POSITION_VERSION);
    wr_buf_add_varint(out, in->decoder->record);
    wr_buf_add_varint(out, self->done_count);
    for (uint32_t i = 0; i < WR_MIN(self->done_count, DONE_MAX); i++)
        add_read(out, &self->done[i]);
    add_last(out, self);
    wr_buf_add_varint(out, (uint64_t)in->is_open);
    if (!in->is_open) {
        wr_buf_add_varint(out, (uint64_t)self->missing_at_us);
        wr_buf_add_varint(out, strlen(self->next.path));
        wr_buf_add_text(out, self->next.path);
        add_file(out, &self->next.file);
        return out->status;
    }
    add_file(out, &self->file);
    wr_buf_add_varint(out, (uint64_t)self->modified_us);
    wr_buf_add_varint(out, self->size);
    wr_buf_add_varint(out, in->offset);
    wr_buf_add_varint(out, in->decoder->line);
    wr_buf_add_u64(out, file_reader_sum(in));
    if (in->config->format->save != NULL)
        return in->config->format->save(in->decoder, out);
    return out->status;
}

static int damaged(const struct follow_source *self, struct wr_error *err) {
    return wr_error_set(err, WR_ECORRUPT, "%s: the stored position is damaged", self->in.base.name);
}

/* The file that the position knows is gone, or may be another one, and nothing was read of it: it
 * is one of those that were rotated since, or was removed. Where none was read before it, it may
 * have the time that it had, if there was something in it, or if its clock knows no parts of
 * seconds. */
static int find_unread(struct follow_source *self, const struct follow_position *at,
                       struct wr_error *err) {
    int is_same_time = at->size > 0 || at->modified_us % FOLLOW_SECOND_US == 0;
    struct follow_after then = {.read.modified_us = at->modified_us + !is_same_time};
    int status = WR_OK;
    if (self->last.has_file)
        status = find_behind(self, &self->last, &self->next, err);
    else if (at->modified_us != 0)
        status = find_behind(self, &then, &self->next, err);
    if (status == WR_OK && self->next.path[0] == 0 &&
        (at->file.born_us != 0 || at->modified_us == 0))
        tell(self, "the file that had this name is gone, and nothing had been read of it");
    return status;
}

/* No file was open. */
static int resume_between(struct follow_source *self, struct wr_reader *from, uint64_t version,
                          struct wr_error *err) {
    int64_t missing_at_us = (int64_t)wr_reader_varint(from);
    uint64_t length = wr_reader_varint(from);
    const char *path = wr_reader_bytes(from, length);
    if (from->failed || length >= sizeof self->next.path)
        return damaged(self, err);
    memcpy(self->next.path, path, length);
    if (version >= 3)
        self->next.file = take_file(from, version);
    self->missing_at_us = missing_at_us;
    if (from->failed)
        return damaged(self, err);
    return length > 0 ? WR_OK : find_rotated(self, err);
}

static int resume(struct follow_source *self, struct wr_reader *from, struct wr_error *err) {
    struct file_reader *in = &self->in;
    struct follow_position at = {0};
    uint64_t version = wr_reader_varint(from), record = wr_reader_varint(from);
    self->done_count = (uint32_t)wr_reader_varint(from);
    for (uint32_t i = 0; i < WR_MIN(self->done_count, DONE_MAX); i++)
        self->done[i] = version < 4 ? (struct follow_read){.file = take_file(from, version)}
                                    : take_read(from, version);
    take_last(from, version, self);
    uint64_t was_open = wr_reader_varint(from);
    in->decoder->record = record;
    if (from->failed || version == 0 || version > POSITION_VERSION)
        return damaged(self, err);
    if (!was_open)
        return resume_between(self, from, version, err);
    at.file = take_file(from, version);
    at.modified_us = version < 2 ? 0 : (int64_t)wr_reader_varint(from);
    at.size = version < 3 ? 0 : wr_reader_varint(from);
    at.offset = wr_reader_varint(from);
    uint64_t line = wr_reader_varint(from);
    at.sum = wr_reader_u64(from);
    int status = from->failed ? damaged(self, err) : follow_find(in, &at, self->next.path, err);
    if (status == WR_OK && self->next.path[0] == 0)
        return find_unread(self, &at, err);
    if (status != WR_OK)
        return status;
    status = opened(self, err);
    if (status == WR_OK && in->config->format->load != NULL)
        status = in->config->format->load(in->decoder, from, err);
    in->decoder->line = line;
    in->decoder->record = record;
    return status == WR_OK && from->failed ? damaged(self, err) : status;
}

static void follow_close(struct wr_source *source) {
    file_reader_release(&((struct follow_source *)source)->in);
}

static void follow_progress(const struct wr_source *source, uint64_t *done, uint64_t *total) {
    const struct file_reader *in = &((const struct follow_source *)source)->in;
    *done = in->bytes_before + (in->is_open ? in->input.bytes_in : 0);
    *total = 0;
}

static int follow_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct follow_source *self = (struct follow_source *)source;
    const struct wr_file_config *config = source->config;
    self->in.config = config;
    self->in.is_one = 1;
    self->quiet_since_us = self->missing_since_us = -1;
    self->old_looked_us = -QUIET_US;
    int status = file_reader_init(&self->in, err);
    if (status == WR_OK && from != NULL)
        status = resume(self, from, err);
    if (status == WR_OK &&
        !self->in.is_open) /* now, so that a first checkpoint knows which it is */
        status = open_next(self, err);
    if (status != WR_OK && status != WR_EAGAIN) {
        follow_close(source);
        return status;
    }
    self->in.tells_missing = from == NULL && config->schema_given;
    file_reader_note_mixed(&self->in);
    return WR_OK;
}

const struct wr_source_type wr_source_follow = {
    .name = "follow",
    .size_bytes = sizeof(struct follow_source),
    .bind = wr_file_source_bind,
    .open = follow_open,
    .poll = follow_poll,
    .save_position = follow_save,
    .close = follow_close,
    .progress = follow_progress,
};
