/* file_source.c: reads files piece by piece and gives the pieces to a decoder.
 *
 * A piece is WR_PIECE_BYTES of decompressed data in a counted buffer, which the batches made of it
 * hold. What is left of it at its end, a piece of a record, is copied to the head of the next
 * buffer. A buffer that no batch holds any more is used again, so that a steady run allocates
 * nothing.
 *
 * Position: (file, decompressed byte, record, line) of the next record. A plain file is entered at
 * that byte, a compressed one read again from its start. With it goes a sum of the first bytes of
 * the file and of the last ones before the position: where those are others now, it is not the file
 * that was read.
 *
 *     next file -> refill -> decode* -> refill -> … -> the end of the file -> next file */
#include "conn/file_source.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/connectors.h"
#include "conn/input.h"

#include "base/banned.h"

#define POLL_REJECTS_MAX 1024 /* of a poll that has found no good row */
#define WR_PIECE_BYTES (512u << 10)
#define WR_PIECE_TAIL_BYTES (32u << 10) /* room for the piece of a record that comes before it */
#define WR_BUFFERS_KEPT 4
#define POLL_PIECES_MAX 16u
#define POSITION_VERSION 4
#define KNOWN_BYTES 4096u /* of the head of a file, and before a position: what tells it again */

struct file_source {
    struct wr_source base;
    const struct wr_file_config *config;
    struct wr_arena arena; /* the list of files, when it was found at open */
    const char *const *files;
    uint32_t file_count, file_index;
    struct wr_input input;
    int is_open;     /* `input` stands in files[file_index] */
    int input_ended; /* all of the file is in `buffer` */
    struct wr_decoder *decoder;
    struct wr_buffer *buffer, *kept[WR_BUFFERS_KEPT];
    uint64_t at, length;    /* of the buffer: what is not yet decoded */
    uint64_t offset;        /* decompressed byte of the file at `at` */
    char head[KNOWN_BYTES]; /* the first bytes of the file */
    char past[KNOWN_BYTES]; /* those before byte `past_at` of the buffer */
    uint32_t head_length, past_length;
    uint64_t past_at;
    int wants_more;                     /* the decoder has done all it can with the buffer */
    uint64_t reject_count;              /* of the poll that runs */
    uint64_t bytes_before, bytes_total; /* of the files that are done; of all; 0: unknown */
    uint64_t note_hash;                 /* of the last note */
    uint8_t tells_missing;              /* of columns that never came, when a row has come */
    uint8_t row_came;
    struct wr_error *err; /* of the poll that runs; for rejects that fail it */
};

static void set_reject_code(struct wr_error *err, int code) {
    char text[8];
    snprintf(text, sizeof text, "W%03u", (unsigned)code % 1000);
    wr_error_code(err, text);
}

static int source_reject(void *ctx, const struct wr_reject *reject) {
    struct file_source *self = ctx;
    struct wr_reject one = *reject;
    self->reject_count++;
    one.source = self->base.source;
    one.partition = self->base.partition;
    if (one.file == NULL)
        one.file = self->files[self->file_index];
    if (self->config->fail) {
        wr_error_set(self->err, WR_EBADROW, "%s:%llu:%u: %s", one.file,
                     (unsigned long long)one.line, one.column == 0 ? 1 : one.column,
                     one.detail != NULL ? one.detail : wr_reject_text(one.code));
        set_reject_code(self->err, one.code);
        wr_error_help(self->err, "`on_error = \"fail\"` stops at the first row that cannot be "
                                 "read");
        return WR_EBADROW;
    }
    return self->base.reject == NULL ? WR_OK : self->base.reject(self->base.reject_ctx, &one);
}

static void source_note(void *ctx, const char *file, const char *text) {
    struct file_source *self = ctx;
    uint64_t hash = wr_hash_bytes(text, strlen(text), 0);
    int again = hash == self->note_hash; /* the next file of a glob says the same */
    self->note_hash = hash;
    if (self->base.note != NULL && !again)
        self->base.note(self->base.reject_ctx, file, text);
}

/* Does column `i` stand in a given schema, is it read, and has no header or record had it yet? */
static int is_missing(const struct file_source *self, uint32_t i) {
    const struct wr_source *base = &self->base;
    int is_needed = base->needed == NULL || (base->needed[i / 64] >> (i % 64) & 1);
    return !self->decoder->came[i] && is_needed && base->schema->fields[i].default_value == NULL;
}

/* At once, of a name of a given schema that the header does not have. Of several files, another
 * one may have it: then only where a name is near that the schema does not have. */
static void source_header(void *ctx, const char *file, const char *unknown, uint64_t length) {
    struct file_source *self = ctx;
    for (uint32_t i = 0; self->tells_missing && i < self->base.schema->field_count; i++) {
        const char *name = self->base.schema->fields[i].name, *near = NULL;
        uint32_t distance = WR_NAME_FAR;
        if (!is_missing(self, i))
            continue;
        for (uint64_t at = 0; at < length; at += strlen(unknown + at) + 1)
            wr_name_nearer(name, unknown + at, &near, &distance);
        if (near == NULL && self->file_count > 1)
            continue;
        char text[512];
        snprintf(text, sizeof text,
                 "`%.128s` of the schema is not in the header, so it is nil: %s%.128s%s", name,
                 near == NULL ? "is it spelled as in the file?" : "did you mean `",
                 near == NULL ? "" : near, near == NULL ? "" : "`?");
        source_note(self, file, text);
        self->decoder->came[i] = 1; /* so that the end does not tell it again */
    }
}

/* ---- files --------------------------------------------------------------------------------- */

static int next_file(struct file_source *self, struct wr_error *err) {
    const char *path = self->files[self->file_index];
    int status = wr_input_open(&self->input, self->base.env, self->base.input_budget, path,
                               self->config->ratio_max, 0, err);
    if (status != WR_OK)
        return status;
    self->is_open = 1;
    self->input_ended = 0;
    self->at = self->length = self->past_at = 0;
    self->offset = 0;
    self->head_length = self->past_length = 0;
    self->wants_more = 1;
    self->decoder->line = 1;
    self->decoder->byte = 0;
    return self->config->format->begin_file(self->decoder, path, err);
}

static void end_file(struct file_source *self) {
    if (!self->is_open)
        return;
    self->bytes_before += self->input.bytes_in;
    wr_input_close(&self->input);
    self->is_open = 0;
}

/* ---- knowing a file again ------------------------------------------------------------------ */

/* Keeps the last bytes of what the decoder has taken of the buffer. */
static void add_past(struct file_source *self) {
    uint64_t count = WR_MIN(self->at - self->past_at, (uint64_t)KNOWN_BYTES);
    uint64_t keep = WR_MIN((uint64_t)self->past_length, KNOWN_BYTES - count);
    self->past_at = self->at;
    if (count == 0)
        return;
    memmove(self->past, self->past + self->past_length - keep, keep);
    memcpy(self->past + keep, self->buffer->bytes + self->at - count, count);
    self->past_length = (uint32_t)(keep + count);
}

static void add_head(struct file_source *self, const char *bytes, uint64_t length) {
    uint64_t count = WR_MIN(length, (uint64_t)(KNOWN_BYTES - self->head_length));
    if (count > 0)
        memcpy(self->head + self->head_length, bytes, count);
    self->head_length += (uint32_t)count;
}

/* Bytes before `offset` that count, behind the head. */
static uint64_t tail_length(uint64_t offset) {
    return offset <= KNOWN_BYTES ? 0 : WR_MIN(offset - KNOWN_BYTES, (uint64_t)KNOWN_BYTES);
}

/* Of the head, and of the bytes before the position, which are the last in `past`. */
static uint64_t known_sum(const struct file_source *self) {
    uint64_t head = WR_MIN(self->offset, (uint64_t)KNOWN_BYTES), tail = tail_length(self->offset);
    WR_ASSERT(head <= self->head_length && tail <= self->past_length);
    uint64_t sum = wr_hash_bytes(self->head, head, 0);
    return wr_hash_bytes(self->past + self->past_length - tail, tail, sum);
}

/* Reads `length` bytes, or what there is. */
static int read_whole(struct file_source *self, char *bytes, uint64_t length,
                      struct wr_error *err) {
    int status = WR_OK;
    uint64_t got = 1;
    for (uint64_t at = 0; at < length && got > 0 && status == WR_OK; at += got) {
        do {
            status = wr_input_read(&self->input, bytes + at, length - at, &got, err);
        } while (status == WR_EAGAIN); /* a pipe */
    }
    return status;
}

/* Goes to the position in a file that was just opened, and refuses one that is another now. */
static int go_to(struct file_source *self, uint64_t offset, uint64_t sum, struct wr_error *err) {
    uint64_t head = WR_MIN(offset, (uint64_t)KNOWN_BYTES), tail = tail_length(offset);
    int status = read_whole(self, self->head, head, err);
    if (status == WR_OK && tail > 0)
        status = wr_input_skip(&self->input, offset - tail, err);
    if (status == WR_OK && tail > 0)
        status = read_whole(self, self->past, tail, err);
    if (status == WR_OK) /* there already, or the file is too short */
        status = wr_input_skip(&self->input, offset, err);
    if (status != WR_OK)
        return status;
    self->head_length = (uint32_t)head;
    self->past_length = (uint32_t)tail;
    self->offset = self->decoder->byte = offset;
    if (known_sum(self) == sum)
        return WR_OK;
    wr_error_set(err, WR_EREFUSED,
                 "%s was changed: it is not the file that was read up to byte %llu",
                 self->files[self->file_index], (unsigned long long)offset);
    wr_error_code(err, "W616");
    wr_error_help(err, "a state goes on in files that are the same or have grown; "
                       "put it back, or begin anew with another --state");
    return WR_EREFUSED;
}

/* ---- buffers ------------------------------------------------------------------------------- */

/* A buffer of `size` bytes that only the caller holds. Ordinary ones are used again. */
static struct wr_buffer *take_buffer(struct file_source *self, uint64_t size) {
    uint64_t ordinary = WR_PIECE_BYTES + WR_PIECE_TAIL_BYTES;
    if (size > ordinary)
        return wr_buffer_new(self->base.input_budget, size);
    int empty = -1;
    for (int i = 0; i < WR_BUFFERS_KEPT; i++) {
        if (self->kept[i] == NULL)
            empty = i;
        else if (atomic_load(&self->kept[i]->ref_count) == 1)
            return wr_buffer_ref(self->kept[i]);
    }
    struct wr_buffer *buffer = wr_buffer_new(self->base.input_budget, ordinary);
    if (buffer != NULL && empty >= 0)
        self->kept[empty] = wr_buffer_ref(buffer);
    return buffer;
}

/* Puts what is left at the head of a fresh buffer and reads more behind it. */
static int refill(struct file_source *self, struct wr_error *err) {
    uint64_t tail = self->length - self->at, got = 0;
    uint64_t room = WR_PIECE_BYTES + WR_PIECE_TAIL_BYTES;
    if (tail > WR_PIECE_TAIL_BYTES)
        room = tail + WR_PIECE_BYTES;
    struct wr_buffer *buffer = take_buffer(self, room);
    if (buffer == NULL) {
        wr_error_script(err, "W602", "memory budget `%s` is used up: %s",
                        self->base.input_budget->name, self->base.name);
        if (err != NULL)
            err->status = WR_ENOMEM;
        return WR_ENOMEM;
    }
    if (tail > 0)
        memcpy(buffer->bytes, self->buffer->bytes + self->at, tail);
    add_past(self);
    wr_buffer_unref(self->buffer);
    self->buffer = buffer;
    self->at = self->past_at = 0;
    self->length = tail;
    int status = wr_input_read(&self->input, buffer->bytes + tail,
                               WR_MIN(room - tail, (uint64_t)WR_PIECE_BYTES), &got, err);
    add_head(self, buffer->bytes + tail, got);
    self->length += got;
    if (status == WR_OK && got == 0)
        self->input_ended = 1;
    memset(buffer->bytes + self->length, 0,
           WR_MIN(buffer->size_bytes - self->length, (uint64_t)64));
    return status;
}

/* ---- the table ----------------------------------------------------------------------------- */

static int open_decoder(struct file_source *self, struct wr_error *err) {
    const struct wr_decoder_type *format = self->config->format;
    const struct wr_source *base = &self->base;
    self->decoder = wr_alloc_zero(&wr_budget_control, format->size_bytes);
    if (self->decoder == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", base->name);
    self->decoder->type = format;
    self->decoder->setup = (struct wr_decoder_setup){
        .schema = base->schema,
        .options = self->config->options,
        .needed = base->needed,
        .shown = base->shown,
        .check_all = self->config->check_all,
        .keep_text = base->keep_text,
        .batch_rows = base->batch_rows,
        .record_end = base->record_limit,
        .record_bytes_max = self->config->record_bytes_max,
        .pool = base->pool,
        .timezone = self->config->timezone,
        .reject = source_reject,
        .note = source_note,
        .header = source_header,
        .reject_ctx = self,
    };
    int status = format->open(self->decoder, err);
    if (status != WR_OK) {
        wr_free(&wr_budget_control, self->decoder);
        self->decoder = NULL;
    }
    return status;
}

static void count_bytes(struct file_source *self) {
    const struct wr_env *env = self->base.env;
    for (uint32_t i = 0; i < self->file_count; i++) {
        struct wr_file_info info;
        if (strcmp(self->files[i], "-") == 0 || env->stat(env, self->files[i], &info) != WR_OK) {
            self->bytes_total = 0;
            return;
        }
        self->bytes_total += info.size_bytes;
        if (i < self->file_index)
            self->bytes_before += info.size_bytes;
    }
}

/* What stands before the place that was reached is not read any more: new files there are told. */
static void note_new_before(const struct file_source *self, uint64_t known) {
    const struct wr_source *base = &self->base;
    if (self->file_index <= known || base->note == NULL)
        return;
    uint64_t count = self->file_index - known;
    char text[512];
    snprintf(text, sizeof text,
             "%llu new file%s not read: the state stands in `%.200s`, and files are read in the "
             "order of their names",
             (unsigned long long)count, count == 1 ? " is" : "s are",
             self->files[self->file_index]);
    base->note(base->reject_ctx, self->config->address, text);
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
                        self->base.name, (int)length, name);
}

/* Decodes what the buffer holds. WR_OK with a batch, or with NULL: more is wanted. */
static int decode(struct file_source *self, struct wr_batch **batch, struct wr_error *err) {
    struct wr_decoder *decoder = self->decoder;
    uint64_t used = 0;
    int status =
        self->config->format->decode(decoder, self->buffer, self->buffer->bytes + self->at,
                                     self->length - self->at, self->input_ended, &used, batch, err);
    WR_ASSERT(used <= self->length - self->at);
    self->at += used;
    self->offset += used;
    if (status != WR_OK)
        return status;
    if (*batch != NULL) {
        self->row_came = 1;
        (*batch)->source = self->base.source;
        (*batch)->partition = self->base.partition;
        (*batch)->origin.source = self->base.name;
    }
    return WR_OK;
}

/* Once, at the end: names of a given schema that nothing had, so that they were always nil. */
static void note_missing(struct file_source *self) {
    const struct wr_source *base = &self->base;
    if (!self->tells_missing || !self->row_came || base->note == NULL)
        return;
    self->tells_missing = 0;
    for (uint32_t i = 0; i < base->schema->field_count; i++) {
        const struct wr_field *field = &base->schema->fields[i];
        if (!is_missing(self, i))
            continue;
        char text[512];
        snprintf(text, sizeof text,
                 "`%.128s` of the schema was in none of %llu record%s, so it is always nil: is it "
                 "spelled as in the file?",
                 field->name, (unsigned long long)self->decoder->record,
                 self->decoder->record == 1 ? "" : "s");
        base->note(base->reject_ctx, self->config->address, text);
    }
}

static int source_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct file_source *self = (struct file_source *)source;
    *batch = NULL;
    self->err = err;
    self->reject_count = 0;
    for (uint32_t pieces = 0; pieces < POLL_PIECES_MAX; pieces++) {
        if (self->file_index == self->file_count ||
            (source->record_limit > 0 && self->decoder->record >= source->record_limit)) {
            note_missing(self);
            return WR_EEND;
        }
        int status = self->is_open ? WR_OK : next_file(self, err);
        if (status == WR_OK && self->wants_more && !self->input_ended)
            status = refill(self, err);
        if (status == WR_OK)
            status = decode(self, batch, err);
        if (status != WR_OK)
            return status;
        self->wants_more = *batch == NULL;
        if (*batch != NULL)
            return WR_OK;
        if (self->input_ended) {
            end_file(self);
            self->file_index++;
        }
        if (self->reject_count >= POLL_REJECTS_MAX)
            return WR_OK; /* no good row among so many: they go on their way first */
    }
    return WR_OK; /* no record in so much: a signal and a checkpoint have their turn */
}

/* ---- positions ----------------------------------------------------------------------------- */

static int source_save(struct wr_source *source, struct wr_buf *out) {
    struct file_source *self = (struct file_source *)source;
    const char *name = self->file_index < self->file_count ? self->files[self->file_index] : "";
    wr_buf_add_varint(out, POSITION_VERSION);
    wr_buf_add_varint(out, strlen(name));
    wr_buf_add_text(out, name);
    wr_buf_add_varint(out, self->file_index);
    wr_buf_add_varint(out, self->decoder->record);
    wr_buf_add_varint(out, (uint64_t)self->is_open);
    if (self->is_open) {
        add_past(self);
        wr_buf_add_varint(out, self->offset);
        wr_buf_add_varint(out, self->decoder->line);
        wr_buf_add_u64(out, known_sum(self));
        if (self->config->format->save != NULL)
            return self->config->format->save(self->decoder, out);
    }
    return out->status;
}

static int resume(struct file_source *self, struct wr_reader *from, struct wr_error *err) {
    uint64_t version = wr_reader_varint(from), length = wr_reader_varint(from);
    const char *name = wr_reader_bytes(from, length);
    uint64_t files_before = wr_reader_varint(from), record = wr_reader_varint(from);
    int was_open = (int)wr_reader_varint(from);
    if (from->failed || version != POSITION_VERSION)
        return wr_error_set(err, WR_ECORRUPT, "%s: the stored position is damaged",
                            self->base.name);
    self->decoder->record = record;
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
    status = next_file(self, err);
    if (status == WR_OK)
        status = go_to(self, offset, sum, err);
    if (status == WR_OK && self->config->format->load != NULL)
        status = self->config->format->load(self->decoder, from, err);
    if (status == WR_OK && from->failed)
        status =
            wr_error_set(err, WR_ECORRUPT, "%s: the stored position is damaged", self->base.name);
    self->decoder->line = line;
    self->decoder->record = record;
    return status;
}

static void source_close(struct wr_source *source) {
    struct file_source *self = (struct file_source *)source;
    end_file(self);
    if (self->decoder != NULL) {
        self->config->format->close(self->decoder);
        wr_free(&wr_budget_control, self->decoder);
        self->decoder = NULL;
    }
    wr_buffer_unref(self->buffer);
    self->buffer = NULL;
    for (int i = 0; i < WR_BUFFERS_KEPT; i++) {
        wr_buffer_unref(self->kept[i]);
        self->kept[i] = NULL;
    }
    wr_arena_release(&self->arena);
}

static void source_progress(const struct wr_source *source, uint64_t *done, uint64_t *total) {
    const struct file_source *self = (const struct file_source *)source;
    *done = self->bytes_before + (self->is_open ? self->input.bytes_in : 0);
    *total = self->bytes_total;
}

/* Of columns that somebody reads and that are json because their values are of several kinds. */
static void note_mixed(const struct file_source *self) {
    const struct wr_source *base = &self->base;
    const char *const *mixed = self->config->mixed;
    if (mixed == NULL || base->note == NULL || base->partition > 0)
        return;
    for (uint32_t i = 0; i < base->schema->field_count; i++) {
        char text[512];
        if (mixed[i] == NULL || (base->needed != NULL && !(base->needed[i / 64] >> (i % 64) & 1)))
            continue;
        const char *name = base->schema->fields[i].name;
        int length = snprintf(text, sizeof text, "`%s` was inferred as json: %s", name, mixed[i]);
        if (strstr(mixed[i], "number") != NULL && length > 0 && (size_t)length < sizeof text)
            snprintf(text + length, sizeof text - (size_t)length,
                     "; `float64(%s)` takes its numbers", name);
        base->note(base->reject_ctx, self->config->address, text);
    }
}

static int source_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct file_source *self = (struct file_source *)source;
    const struct wr_file_config *config = source->config;
    self->config = config;
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
        status = open_decoder(self, err);
    if (status == WR_OK && from != NULL)
        status = resume(self, from, err);
    if (status != WR_OK) {
        source_close(source);
        return status;
    }
    self->tells_missing = from == NULL && config->schema_given && !config->each;
    count_bytes(self);
    note_mixed(self);
    return WR_OK;
}

const struct wr_source_type wr_source_file = {
    .name = "file",
    .size_bytes = sizeof(struct file_source),
    .reads_ahead = 1,
    .bind = wr_file_source_bind,
    .open = source_open,
    .poll = source_poll,
    .save_position = source_save,
    .close = source_close,
    .progress = source_progress,
};
