/* file_pieces.c: see file_pieces.h. */
#include "conn/file_pieces.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/sequence.h"
#include "base/status.h"
#include "data/held_rejects.h"
#include "data/record_limit.h"

#include "base/banned.h"

/* More than one thread alone reads at a time: to hand a piece over, and to wake who takes it, costs
 * the same for any length. */
#define PIECE_BYTES (2 * FILE_PIECE_BYTES)
/* Pieces that are cut and not given back: so many more than there are threads, as far as their
 * buffers take no more than this share of the input's budget. */
#define PIECES_MORE 1u
#define INPUT_SHARE_BUFFERS 4u
/* Who makes a piece leaves the rest to who takes it, while more than this share of it is used. */
#define INPUT_SHARE_MADE 2u
/* Where batches are smaller than usual, as in tests, pieces are too. */
#define BYTES_OF_A_ROW (PIECE_BYTES / WR_BATCH_ROWS_DEFAULT)

/* What one call of the decoder gave. The numbers are those behind it. */
struct part {
    struct wr_batch *batch; /* or NULL */
    uint64_t record, line;  /* from the start of the piece, the latter from 1 */
    uint64_t at;            /* of the buffer */
    uint32_t reject_count;
};

struct piece {
    struct wr_buffer *buffer;
    uint64_t begin, at, end; /* of the buffer: the piece, and what is not decoded of it */
    uint64_t offset;         /* decompressed byte of the file at `begin` */
    uint64_t record, line;   /* at `at` */
    const char *path;
    uint32_t file_index;
    uint8_t is_open; /* it is of a file … */
    uint8_t is_last; /* … which ends with it */
    uint64_t bytes_done;
    struct wr_buf state; /* of the decoder behind each of its parts */
    uint32_t part_count, part_room;
    struct part *parts;
    struct wr_held_rejects rejects;
    int status; /* of what comes behind the parts */
    struct wr_error error;
    /* Of its slot. */
    struct wr_decoder *decoder;
    const char *decoder_path; /* it stands in */
    struct file_pieces *pieces;
};

struct file_pieces {
    struct file_reader *in;
    const char *const *files;
    uint32_t file_count, cut_index; /* the file that is cut */
    struct piece *cutting;          /* what the rejects of in->decoder belong to */
    struct wr_sequence sequence;
    /* Of who polls. */
    struct piece *piece;   /* that was taken last; NULL: none yet */
    uint8_t is_between;    /* nothing is left of it */
    uint32_t next_part;    /* of it */
    uint64_t record, line; /* at its start, the latter less 1 */
    uint64_t past_at;      /* `known` goes up to there, in its buffer */
    uint32_t rejects_told;
    struct file_known known;
    struct file_position position;
    struct wr_buf state;
    _Atomic uint32_t batch_rows; /* as the source's when it was polled last */
    uint32_t slot_count;
    struct piece slots[];
};

/* ---- cutting: whoever has the turn ---- */

static int add_part(struct piece *piece, const struct wr_decoder *decoder, struct wr_batch *batch) {
    if (wr_grow(&wr_budget_control, (void **)&piece->parts, piece->part_count, &piece->part_room,
                sizeof *piece->parts) != WR_OK) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    piece->record = decoder->record;
    piece->line = decoder->line;
    piece->parts[piece->part_count++] = (struct part){.batch = batch,
                                                      .record = piece->record,
                                                      .line = piece->line,
                                                      .at = piece->at,
                                                      .reject_count = piece->rejects.count};
    return WR_OK;
}

/* One call of a decoder over the bytes up to `end`. */
static int decode(struct piece *piece, struct wr_decoder *decoder, uint64_t end, int last,
                  uint64_t *used) {
    struct wr_batch *batch = NULL;
    decoder->record = piece->record;
    decoder->line = piece->line;
    decoder->byte = piece->offset + (piece->at - piece->begin);
    decoder->setup.batch_rows =
        atomic_load_explicit(&piece->pieces->batch_rows, memory_order_relaxed);
    int status = decoder->type->decode(decoder, piece->buffer, piece->buffer->bytes + piece->at,
                                       end - piece->at, last, used, &batch, &piece->error);
    if (status != WR_OK)
        return status;
    WR_ASSERT(*used <= end - piece->at);
    piece->at += *used;
    return add_part(piece, decoder, batch);
}

/* What is at the head of a file, or is passed over: one batch of it at most. */
static int decode_here(struct file_pieces *self, struct piece *piece) {
    struct file_reader *in = self->in;
    uint64_t used = 0;
    int status = decode(piece, in->decoder, in->length, in->input_ended, &used);
    if (status != WR_OK)
        return status;
    in->at += used;
    if (in->input_ended && piece->parts[piece->part_count - 1].batch == NULL)
        in->at = in->length; /* it has told of the rest what there is to tell */
    return WR_OK;
}

/* Reads until a record ends behind what is left, and more often only where records are long. *end:
 * where the last one ends, in the buffer; `in->at`: nowhere, yet. */
static int read_on(struct file_reader *in, uint64_t *end, struct wr_error *err) {
    const struct wr_decoder_type *format = in->config->format;
    uint64_t bytes_max = 1 + wr_record_limit(in->decoder); /* a longer one is passed over */
    *end = in->at;
    do {
        int status = in->input_ended ? WR_OK : file_reader_refill(in, err);
        if (status != WR_OK)
            return status;
        if (in->input.compression == WR_COMPRESSION_NONE && in->input.in_ended)
            in->input_ended = 1;
        *end = in->at;
        if (!format->is_between(in->decoder))
            return WR_OK;
        if (in->input_ended)
            *end = in->length;
        else
            *end +=
                format->records_end(in->decoder, in->buffer->bytes + in->at, in->length - in->at);
    } while (*end == in->at && !in->input_ended && in->length - in->at <= bytes_max);
    return WR_OK;
}

static int begin_file(struct file_pieces *self, struct piece *piece) {
    struct file_reader *in = self->in;
    return in->is_open ? WR_OK : file_reader_begin(in, self->files[self->cut_index], &piece->error);
}

static void end_file(struct file_pieces *self) {
    file_reader_end(self->in);
    self->cut_index++;
}

static int cut_piece(struct file_pieces *self, struct piece *piece) {
    struct file_reader *in = self->in;
    const struct wr_decoder_type *format = in->config->format;
    uint64_t end;
    if (self->cut_index == self->file_count)
        return WR_EEND;
    int status = begin_file(self, piece);
    if (status == WR_OK)
        status = read_on(in, &end, &piece->error);
    if (status != WR_OK)
        return status;
    piece->buffer = wr_buffer_ref(in->buffer);
    piece->begin = piece->at = in->at;
    piece->offset = in->offset;
    piece->path = in->path;
    piece->file_index = self->cut_index;
    piece->is_open = 1;
    if (end == in->at && in->at < in->length)
        status = decode_here(self, piece);
    if (status == WR_OK && format->is_between(in->decoder) && in->at > piece->begin)
        end = in->input_ended
                  ? in->length
                  : in->at + format->records_end(in->decoder, in->buffer->bytes + in->at,
                                                 in->length - in->at);
    if (status != WR_OK)
        return status;
    in->at = piece->end = WR_MAX(end, in->at);
    in->offset += piece->end - piece->begin;
    piece->is_last = in->input_ended && in->at == in->length;
    piece->bytes_done = in->bytes_before + in->input.bytes_in;
    status = format->save == NULL ? WR_OK : format->save(in->decoder, &piece->state);
    if (piece->is_last)
        end_file(self);
    return status;
}

static void clear(struct piece *piece) {
    for (uint32_t i = 0; i < piece->part_count; i++)
        wr_batch_unref(piece->parts[i].batch);
    piece->part_count = 0;
    wr_held_rejects_forget(&piece->rejects);
    wr_buffer_unref(piece->buffer);
    piece->buffer = NULL;
    piece->begin = piece->at = piece->end = 0;
    piece->record = 0;
    piece->line = 1;
    piece->is_open = piece->is_last = 0;
    piece->status = piece->error.status = WR_OK;
    wr_buf_clear(&piece->state);
}

static int cut(void *ctx, uint32_t slot) {
    struct file_pieces *self = ctx;
    struct piece *piece = self->cutting = &self->slots[slot];
    clear(piece);
    piece->status = cut_piece(self, piece);
    return piece->status == WR_OK && self->cut_index < self->file_count;
}

/* ---- making: several at a time ---- */

static int hold_of_slot(void *ctx, const struct wr_reject *reject) {
    return wr_held_rejects_add(&((struct piece *)ctx)->rejects, reject);
}

/* The decoder of the slot stands where that of the reader did when the piece was cut. */
static int prepare(struct piece *piece) {
    struct file_reader *in = piece->pieces->in;
    const struct wr_decoder_type *format = in->config->format;
    int status = WR_OK;
    if (piece->decoder == NULL) {
        status = file_reader_decoder(in, &piece->decoder, &piece->error);
        if (status != WR_OK)
            return status;
        struct wr_decoder_setup *setup = &piece->decoder->setup;
        setup->reject = hold_of_slot;
        setup->reject_ctx = piece;
        setup->note = NULL;
        setup->header = NULL;
    }
    if (piece->decoder_path == piece->path)
        return WR_OK;
    struct wr_reader state = {.bytes = piece->state.bytes, .length = piece->state.length};
    status = format->begin_file(piece->decoder, piece->path, &piece->error);
    if (status == WR_OK && format->load != NULL)
        status = format->load(piece->decoder, &state, &piece->error);
    piece->decoder_path = status == WR_OK ? piece->path : NULL;
    return status;
}

static int has_budget(const struct wr_budget *input) {
    return input->bytes_used < input->bytes_max / INPUT_SHARE_MADE;
}

/* The next batch of it. */
static int make_part(struct piece *piece) {
    uint64_t used = 0;
    int status = prepare(piece);
    if (status == WR_OK)
        status = decode(piece, piece->decoder, piece->end, piece->is_last, &used);
    WR_ASSERT(status != WR_OK || used > 0); /* else the format does not know its own records */
    return status;
}

static void make(void *ctx, uint32_t slot) {
    struct file_pieces *self = ctx;
    struct piece *piece = &self->slots[slot];
    while (piece->status == WR_OK && piece->at < piece->end &&
           has_budget(self->in->base.input_budget))
        piece->status = make_part(piece);
}

static int has_room(const void *ctx) {
    return wr_input_has_room(((const struct file_pieces *)ctx)->in->base.input_budget);
}

/* ---- taking: the run ---- */

/* Rejects of the piece up to number `count`, with the numbers that they have in the source. */
static int tell_rejects(struct file_pieces *self, uint32_t count) {
    int status = WR_OK;
    for (; self->rejects_told < count && status == WR_OK; self->rejects_told++) {
        struct wr_reject reject = self->piece->rejects.list[self->rejects_told];
        reject.record += self->record;
        reject.line += self->line;
        status = file_reader_reject(self->in, &reject);
    }
    return status;
}

static int take_part(struct file_pieces *self, struct wr_batch **batch) {
    const struct piece *piece = self->piece;
    struct part *part = &piece->parts[self->next_part++];
    int status = tell_rejects(self, part->reject_count);
    if (status != WR_OK)
        return status;
    self->position.record = self->record + part->record;
    self->position.line = self->line + part->line;
    self->position.offset = piece->offset + (part->at - piece->begin);
    if (part->batch == NULL)
        return WR_OK;
    file_reader_sign(self->in, part->batch);
    part->batch->origin.first_record += self->record;
    part->batch->origin.base_line += self->line;
    *batch = part->batch;
    part->batch = NULL;
    return WR_OK;
}

/* What is behind the piece is not known any more when the next one is taken. */
static void add_known(struct file_pieces *self) {
    const struct piece *piece = self->piece;
    if (piece == NULL || piece->buffer == NULL)
        return;
    uint64_t to = piece->begin + (self->position.offset - piece->offset);
    if (to > self->past_at)
        file_known_add_past(&self->known, piece->buffer->bytes + self->past_at, to - self->past_at);
    self->past_at = to;
}

static int take_piece(struct file_pieces *self) {
    add_known(self);
    struct piece *piece = self->piece = &self->slots[wr_sequence_take(&self->sequence)];
    struct file_position *position = &self->position;
    self->is_between = 0;
    self->next_part = self->rejects_told = 0;
    if (!piece->is_open)
        return WR_OK;
    if (!position->is_open) { /* its file begins */
        self->known.head_length = self->known.past_length = 0;
        position->is_open = 1;
        position->line = 1;
        position->offset = 0;
    }
    self->record = position->record;
    self->line = position->line - 1;
    self->past_at = piece->begin;
    file_known_add_head(&self->known, piece->buffer->bytes + piece->begin,
                        piece->end - piece->begin);
    wr_buf_clear(&self->state);
    if (piece->state.status != WR_OK) /* it was cut where there was no memory to say where */
        return self->state.status = piece->state.status;
    return wr_buf_add(&self->state, piece->state.bytes, piece->state.length);
}

/* Nothing is left of the piece, and what came behind it failed. */
static int failed(struct file_pieces *self, struct wr_error *err) {
    struct piece *piece = self->piece;
    self->is_between = piece->status == WR_EAGAIN;
    int status = tell_rejects(self, piece->rejects.count);
    if (status != WR_OK)
        return status;
    if (err != NULL && piece->error.status == piece->status)
        *err = piece->error;
    return piece->status;
}

static void end_piece(struct file_pieces *self) {
    self->is_between = 1;
    if (!self->piece->is_last)
        return;
    self->position.is_open = 0;
    self->position.file_index++;
}

/* The last piece of the last file has been taken: nobody decodes any more. */
static int end(struct file_pieces *self) {
    struct wr_decoder *decoder = self->in->decoder;
    for (uint32_t s = 0; s < self->slot_count; s++)
        for (uint32_t i = 0; i < self->in->base.schema->field_count && self->slots[s].decoder; i++)
            decoder->came[i] |= self->slots[s].decoder->came[i];
    decoder->record = self->position.record;
    file_reader_note_missing(self->in);
    return WR_EEND;
}

int file_pieces_poll(struct file_pieces *self, struct wr_batch **batch, struct wr_error *err) {
    file_reader_poll(self->in, batch, err);
    atomic_store_explicit(&self->batch_rows, self->in->base.batch_rows, memory_order_relaxed);
    for (uint32_t pieces = 0; pieces < FILE_PIECES_MAX;) {
        int status = WR_OK;
        if (self->is_between && self->position.file_index == self->file_count)
            return end(self);
        if (self->is_between)
            status = take_piece(self);
        struct piece *piece = self->piece;
        if (status != WR_OK)
            return status;
        if (self->next_part < piece->part_count) {
            status = take_part(self, batch);
        } else if (piece->status != WR_OK) {
            return failed(self, err);
        } else if (piece->at < piece->end) { /* who made it stopped for want of memory */
            piece->status = make_part(piece);
        } else {
            end_piece(self);
            pieces++;
        }
        if (status != WR_OK || *batch != NULL || self->in->reject_count >= FILE_REJECTS_MAX)
            return status;
    }
    return WR_OK;
}

const struct file_position *file_pieces_position(struct file_pieces *self) {
    if (self->piece == NULL)
        return NULL;
    add_known(self);
    if (self->position.is_open)
        self->position.sum = file_known_sum(&self->known, self->position.offset);
    return &self->position;
}

uint64_t file_pieces_done(const struct file_pieces *self) {
    return self->piece == NULL ? self->in->bytes_before : self->piece->bytes_done;
}

/* ---- life ---- */

static int hold_of_reader(void *ctx, const struct wr_reject *reject) {
    return wr_held_rejects_add(&((struct file_reader *)ctx)->pieces->cutting->rejects, reject);
}

static uint32_t slots_for(const struct file_reader *in, const struct wr_workers *workers) {
    uint64_t most =
        in->base.input_budget->bytes_max / INPUT_SHARE_BUFFERS / (PIECE_BYTES + FILE_TAIL_BYTES);
    uint64_t wanted = (uint64_t)wr_workers_count(workers) + PIECES_MORE;
    most = WR_MIN(most, wanted);
    return (uint32_t)WR_MIN(WR_MAX(most, UINT64_C(2)), (uint64_t)WR_SEQUENCE_PIECES_MAX);
}

int file_pieces_new(struct file_pieces **made, struct file_reader *in, const char *const *files,
                    uint32_t file_count, uint32_t file_index, struct wr_workers *workers) {
    static const struct wr_sequence_type type = {.cut = cut, .make = make, .has_room = has_room};
    if (in->config->format->records_end == NULL || in->base.record_limit > 0)
        return WR_EREFUSED;
    uint32_t slot_count = slots_for(in, workers);
    struct file_pieces *self =
        wr_alloc_zero(&wr_budget_control, sizeof *self + slot_count * sizeof *self->slots);
    if (self == NULL)
        return WR_ENOMEM;
    self->in = in;
    self->files = files;
    self->file_count = file_count;
    self->cut_index = file_index;
    self->is_between = 1;
    self->known = in->known;
    self->position = (struct file_position){.file_index = file_index,
                                            .is_open = in->is_open,
                                            .record = in->decoder->record,
                                            .line = in->decoder->line,
                                            .offset = in->offset,
                                            .state = &self->state};
    self->slot_count = slot_count;
    atomic_init(&self->batch_rows, in->base.batch_rows);
    wr_buf_init(&self->state, &wr_budget_control, 0);
    for (uint32_t s = 0; s < slot_count; s++) {
        self->slots[s].pieces = self;
        wr_buf_init(&self->slots[s].state, &wr_budget_control, 0);
    }
    wr_sequence_init(&self->sequence, &type, self, workers, slot_count);
    in->pieces = self;
    in->decoder->setup.reject = hold_of_reader;
    in->ordinary_bytes = PIECE_BYTES;
    in->piece_bytes_max =
        WR_MIN((uint64_t)PIECE_BYTES, (uint64_t)in->base.batch_rows * BYTES_OF_A_ROW);
    *made = self;
    return WR_OK;
}

void file_pieces_free(struct file_pieces *self) {
    if (self == NULL)
        return;
    for (uint32_t s = 0; s < self->slot_count; s++) {
        struct piece *piece = &self->slots[s];
        clear(piece);
        wr_held_rejects_free(&piece->rejects);
        wr_buf_release(&piece->state);
        wr_free(&wr_budget_control, piece->parts);
        file_reader_decoder_free(self->in, piece->decoder);
    }
    wr_buf_release(&self->state);
    wr_free(&wr_budget_control, self);
}
