/* file_reader.c: see file_reader.h. */
#include "conn/file_reader.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"

#include "base/banned.h"

/* Records may be shorter than those before them: by so much more a batch has room. */
#define ROWS_MORE 8
#define ROWS_MORE_PART 4

/* ---- what is told ------------------------------------------------------------------------- */

static void set_reject_code(struct wr_error *err, int code) {
    char text[8];
    snprintf(text, sizeof text, "W%03u", (unsigned)code % 1000);
    wr_error_code(err, text);
}

int file_reader_reject(struct file_reader *self, const struct wr_reject *reject) {
    struct wr_reject one = *reject;
    self->reject_count++;
    one.source = self->base.source;
    one.partition = self->base.partition;
    if (one.file == NULL)
        one.file = self->path;
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

static int source_reject(void *ctx, const struct wr_reject *reject) {
    return file_reader_reject(ctx, reject);
}

static void source_note(void *ctx, const char *file, const char *text) {
    struct file_reader *self = ctx;
    uint64_t hash = wr_hash_bytes(text, strlen(text), 0);
    int again = hash == self->note_hash; /* the next file of a glob says the same */
    self->note_hash = hash;
    if (self->base.note != NULL && !again)
        self->base.note(self->base.reject_ctx, file, text);
}

/* Does column `i` stand in a given schema, is it read, and has no header or record had it yet? */
static int is_missing(const struct file_reader *self, uint32_t i) {
    const struct wr_source *base = &self->base;
    int is_needed = base->needed == NULL || (base->needed[i / 64] >> (i % 64) & 1);
    return !self->decoder->came[i] && is_needed && base->schema->fields[i].default_value == NULL;
}

/* At once, of a name of a given schema that the header does not have. Of several files, another
 * one may have it: then only where a name is near that the schema does not have. */
static void source_header(void *ctx, const char *file, const char *unknown, uint64_t length) {
    struct file_reader *self = ctx;
    for (uint32_t i = 0; self->tells_missing && i < self->base.schema->field_count; i++) {
        const char *name = self->base.schema->fields[i].name, *near = NULL;
        uint32_t distance = WR_NAME_FAR;
        if (!is_missing(self, i))
            continue;
        for (uint64_t at = 0; at < length; at += strlen(unknown + at) + 1)
            wr_name_nearer(name, unknown + at, &near, &distance);
        if (near == NULL && !self->is_one)
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

void file_reader_end(struct file_reader *self) {
    if (!self->is_open)
        return;
    self->bytes_before += self->input.bytes_in;
    wr_input_close(&self->input);
    self->is_open = 0;
}

static int stand_at_start(struct file_reader *self, const char *path, struct wr_error *err) {
    self->path = path;
    self->is_open = 1;
    self->input_ended = 0;
    self->at = self->length = self->past_at = 0;
    self->offset = 0;
    self->known.head_length = self->known.past_length = 0;
    self->wants_more = 1;
    self->decoder->line = 1;
    self->decoder->byte = 0;
    int status = self->config->format->begin_file(self->decoder, path, err);
    if (status != WR_OK)
        file_reader_end(self);
    return status;
}

int file_reader_begin(struct file_reader *self, const char *path, struct wr_error *err) {
    int status = wr_input_open(&self->input, self->base.env, self->base.input_budget, path,
                               self->config->ratio_max, 0, err);
    return status == WR_OK ? stand_at_start(self, path, err) : status;
}

int file_reader_begin_file(struct file_reader *self, const char *path, struct wr_file *file,
                           struct wr_error *err) {
    int status = wr_input_open_file(&self->input, self->base.env, self->base.input_budget, path,
                                    file, self->config->ratio_max, err);
    return status == WR_OK ? stand_at_start(self, path, err) : status;
}

/* ---- knowing a file again ------------------------------------------------------------------ */

void file_known_add_past(struct file_known *known, const char *bytes, uint64_t length) {
    uint64_t count = WR_MIN(length, (uint64_t)FILE_KNOWN_BYTES);
    uint64_t keep = WR_MIN((uint64_t)known->past_length, FILE_KNOWN_BYTES - count);
    if (count == 0)
        return;
    memmove(known->past, known->past + known->past_length - keep, keep);
    memcpy(known->past + keep, bytes + length - count, count);
    known->past_length = (uint32_t)(keep + count);
}

void file_known_add_head(struct file_known *known, const char *bytes, uint64_t length) {
    uint64_t count = WR_MIN(length, (uint64_t)(FILE_KNOWN_BYTES - known->head_length));
    if (count > 0)
        memcpy(known->head + known->head_length, bytes, count);
    known->head_length += (uint32_t)count;
}

/* Bytes before `offset` that count, behind the head. */
static uint64_t tail_length(uint64_t offset) {
    return offset <= FILE_KNOWN_BYTES
               ? 0
               : WR_MIN(offset - FILE_KNOWN_BYTES, (uint64_t)FILE_KNOWN_BYTES);
}

/* Of the head, and of the bytes before the position, which are the last in `past`. */
uint64_t file_known_sum(const struct file_known *known, uint64_t offset) {
    uint64_t head = WR_MIN(offset, (uint64_t)FILE_KNOWN_BYTES);
    uint64_t tail = tail_length(offset);
    WR_ASSERT(head <= known->head_length && tail <= known->past_length);
    uint64_t sum = wr_hash_bytes(known->head, head, 0);
    return wr_hash_bytes(known->past + known->past_length - tail, tail, sum);
}

/* Keeps the last bytes of what the decoder has taken of the buffer. */
static void add_past(struct file_reader *self) {
    if (self->at > self->past_at)
        file_known_add_past(&self->known, self->buffer->bytes + self->past_at,
                            self->at - self->past_at);
    self->past_at = self->at;
}

uint64_t file_reader_sum(struct file_reader *self) {
    add_past(self);
    return file_known_sum(&self->known, self->offset);
}

/* Reads `length` bytes, or what there is. */
static int read_whole(struct wr_input *input, char *bytes, uint64_t length, struct wr_error *err) {
    int status = WR_OK;
    uint64_t got = 1;
    for (uint64_t at = 0; at < length && got > 0 && status == WR_OK; at += got) {
        do {
            status = wr_input_read(input, bytes + at, length - at, &got, err);
        } while (status == WR_EAGAIN); /* a pipe */
    }
    return status;
}

int file_known_read(struct file_known *known, struct wr_input *input, uint64_t offset,
                    struct wr_error *err) {
    uint64_t head = WR_MIN(offset, (uint64_t)FILE_KNOWN_BYTES), tail = tail_length(offset);
    int status = read_whole(input, known->head, head, err);
    if (status == WR_OK && tail > 0)
        status = wr_input_skip(input, offset - tail, err);
    if (status == WR_OK && tail > 0)
        status = read_whole(input, known->past, tail, err);
    if (status == WR_OK) /* there already, or the file is too short */
        status = wr_input_skip(input, offset, err);
    known->head_length = (uint32_t)head;
    known->past_length = (uint32_t)tail;
    return status;
}

int file_reader_go_to(struct file_reader *self, uint64_t offset, uint64_t sum, int *is_same,
                      struct wr_error *err) {
    int status = file_known_read(&self->known, &self->input, offset, err);
    if (status != WR_OK)
        return status;
    self->offset = self->decoder->byte = offset;
    *is_same = file_reader_sum(self) == sum;
    return WR_OK;
}

/* ---- buffers ------------------------------------------------------------------------------- */

static uint64_t ordinary_size(const struct file_reader *self) {
    return self->ordinary_bytes + FILE_TAIL_BYTES;
}

/* A buffer of `size` bytes that only the caller holds. Ordinary ones are used again. */
static struct wr_buffer *take_buffer(struct file_reader *self, uint64_t size) {
    if (size != ordinary_size(self))
        return wr_buffer_new(self->base.input_budget, size);
    int empty = -1;
    for (int i = 0; i < FILE_BUFFERS_KEPT; i++) {
        struct wr_buffer *kept = self->kept[i];
        if (kept != NULL && kept->size_bytes != size) { /* from before there were threads */
            wr_buffer_unref(kept);
            kept = self->kept[i] = NULL;
        }
        if (kept == NULL)
            empty = i;
        else if (atomic_load(&kept->ref_count) == 1)
            return wr_buffer_ref(kept);
    }
    struct wr_buffer *buffer = wr_buffer_new(self->base.input_budget, size);
    if (buffer != NULL && empty >= 0)
        self->kept[empty] = wr_buffer_ref(buffer);
    return buffer;
}

static int no_memory(const struct file_reader *self, struct wr_error *err) {
    wr_error_script(err, "W602", "memory budget `%s` is used up: %s", self->base.input_budget->name,
                    self->base.name);
    if (err != NULL)
        err->status = WR_ENOMEM;
    return WR_ENOMEM;
}

int file_reader_refill(struct file_reader *self, struct wr_error *err) {
    uint64_t tail = self->length - self->at, got = 0;
    uint64_t room = ordinary_size(self);
    uint64_t piece = self->piece_bytes_max;
    if (self->grows && self->piece_bytes < piece)
        piece = self->piece_bytes;
    if (tail > FILE_TAIL_BYTES || piece < self->ordinary_bytes)
        room = tail + piece;
    struct wr_buffer *buffer = take_buffer(self, room);
    if (buffer == NULL)
        return no_memory(self, err);
    if (tail > 0)
        memcpy(buffer->bytes, self->buffer->bytes + self->at, tail);
    add_past(self);
    wr_buffer_unref(self->buffer);
    self->buffer = buffer;
    self->at = self->past_at = 0;
    self->length = tail;
    int status = wr_input_read(&self->input, buffer->bytes + tail, piece, &got, err);
    file_known_add_head(&self->known, buffer->bytes + tail, got);
    self->length += got;
    if (status == WR_OK && got == 0)
        self->input_ended = !self->grows;
    memset(buffer->bytes + self->length, 0,
           WR_MIN(buffer->size_bytes - self->length, (uint64_t)64));
    return status;
}

/* ---- decoding ------------------------------------------------------------------------------ */

int file_reader_decoder(struct file_reader *self, struct wr_decoder **made, struct wr_error *err) {
    const struct wr_decoder_type *format = self->config->format;
    const struct wr_source *base = &self->base;
    struct wr_decoder *decoder = wr_alloc_zero(&wr_budget_control, format->size_bytes);
    if (decoder == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", base->name);
    decoder->type = format;
    decoder->setup = (struct wr_decoder_setup){
        .schema = base->schema,
        .options = self->config->options,
        .needed = base->needed,
        .shown = base->shown,
        .check_all = self->config->check_all,
        .keep_text = base->keep_text,
        .record_end = base->record_limit,
        .record_bytes_max = self->config->record_bytes_max,
        .pool = base->pool,
        .timezone = self->config->timezone,
        .reject = source_reject,
        .note = source_note,
        .header = source_header,
        .reject_ctx = self,
    };
    int status = format->open(decoder, err);
    if (status != WR_OK)
        wr_free(&wr_budget_control, decoder);
    else
        *made = decoder;
    return status;
}

void file_reader_decoder_free(struct file_reader *self, struct wr_decoder *decoder) {
    if (decoder == NULL)
        return;
    self->config->format->close(decoder);
    wr_free(&wr_budget_control, decoder);
}

int file_reader_init(struct file_reader *self, struct wr_error *err) {
    self->piece_bytes_max = self->ordinary_bytes = FILE_PIECE_BYTES;
    return file_reader_decoder(self, &self->decoder, err);
}

void file_reader_sign(struct file_reader *self, struct wr_batch *batch) {
    self->row_came = 1;
    batch->source = self->base.source;
    batch->partition = self->base.partition;
    batch->origin.source = self->base.name;
}

/* How many rows a batch should have room for. Of a file that grows the buffer may hold few: batches
 * of them, which may wait in large numbers, take no more memory than they need. */
static uint32_t rows_wanted(const struct file_reader *self) {
    uint64_t most = self->base.batch_rows;
    if (!self->grows || self->record_bytes == 0)
        return (uint32_t)most;
    uint64_t rows = (self->length - self->at) / self->record_bytes;
    return (uint32_t)WR_MIN(most, rows + rows / ROWS_MORE_PART + ROWS_MORE);
}

/* Decodes what the buffer holds. WR_OK with a batch, or with NULL: more is wanted. */
static int decode(struct file_reader *self, struct wr_batch **batch, struct wr_error *err) {
    struct wr_decoder *decoder = self->decoder;
    decoder->setup.batch_rows = rows_wanted(self);
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
        file_reader_sign(self, *batch);
        self->record_bytes = used / WR_MAX((*batch)->row_count, 1);
    }
    return WR_OK;
}

/* A restart may stand at the end of a file, of which nothing is read any more. */
static int hold_nothing(struct file_reader *self, struct wr_error *err) {
    self->buffer = take_buffer(self, ordinary_size(self));
    if (self->buffer == NULL)
        return no_memory(self, err);
    memset(self->buffer->bytes, 0, 64);
    self->at = self->past_at = self->length = 0;
    return WR_OK;
}

int file_reader_step(struct file_reader *self, struct wr_batch **batch, struct wr_error *err) {
    int status = WR_OK;
    if (self->wants_more && !self->input_ended)
        status = file_reader_refill(self, err);
    else if (self->buffer == NULL)
        status = hold_nothing(self, err);
    if (status == WR_OK)
        status = decode(self, batch, err);
    if (status == WR_OK)
        self->wants_more = *batch == NULL;
    return status;
}

void file_reader_poll(struct file_reader *self, struct wr_batch **batch, struct wr_error *err) {
    *batch = NULL;
    self->err = err;
    self->reject_count = 0;
}

int file_reader_has_all(struct file_reader *self) {
    uint64_t limit = self->base.record_limit;
    if (limit == 0 || self->decoder->record < limit)
        return 0;
    file_reader_note_missing(self);
    return 1;
}

void file_reader_note_missing(struct file_reader *self) {
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

void file_reader_note_mixed(const struct file_reader *self) {
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

void file_reader_release(struct file_reader *self) {
    file_reader_end(self);
    file_reader_decoder_free(self, self->decoder);
    self->decoder = NULL;
    wr_buffer_unref(self->buffer);
    self->buffer = NULL;
    for (int i = 0; i < FILE_BUFFERS_KEPT; i++) {
        wr_buffer_unref(self->kept[i]);
        self->kept[i] = NULL;
    }
}
