/* made_pieces.c: see made_pieces.h. */
#include "conn/made_pieces.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/sequence.h"
#include "base/status.h"
#include "conn/conn.h"
#include "data/batch.h"
#include "data/held_rejects.h"

#include "base/banned.h"

/* Pieces that are dealt out and not given back: so many more than there are threads. */
#define PIECES_MORE 1u
/* Batches of a piece: to hand over one costs as much as to make some rows. */
#define BATCHES_OF_A_PIECE 8u

struct part {
    struct wr_batch *batch;
    uint64_t next; /* the number behind it */
    uint32_t reject_count;
};

struct piece {
    uint64_t at, end; /* what is not made of it; who takes it makes what is left */
    uint32_t part_count;
    struct part parts[BATCHES_OF_A_PIECE];
    struct wr_held_rejects rejects;
    int status; /* of what comes behind the parts */
    struct wr_error error;
    void *hand;
};

struct made_pieces {
    const struct made_type *type;
    struct wr_source *source;
    uint64_t cut_at, end, row_numbers; /* cut_at: of who cuts */
    _Atomic uint32_t batch_rows;       /* as the source's when it was polled last */
    struct wr_sequence sequence;
    /* Of who polls. */
    struct piece *piece; /* that was taken last; NULL: nothing is left of it */
    uint32_t next_part;  /* of it */
    uint32_t rejects_told;
    uint64_t taken_to;
    uint32_t slot_count;
    struct piece slots[];
};

/* ---- making: any thread ---- */

static void clear(struct piece *piece) {
    for (uint32_t i = 0; i < piece->part_count; i++)
        wr_batch_unref(piece->parts[i].batch);
    piece->part_count = 0;
    wr_held_rejects_forget(&piece->rejects);
    piece->status = piece->error.status = WR_OK;
}

static int cut(void *ctx, uint32_t slot) {
    struct made_pieces *self = ctx;
    struct piece *piece = &self->slots[slot];
    uint64_t count = BATCHES_OF_A_PIECE * self->row_numbers *
                     atomic_load_explicit(&self->batch_rows, memory_order_relaxed);
    clear(piece);
    piece->at = self->cut_at;
    piece->end = self->cut_at += WR_MIN(count, self->end - self->cut_at);
    return self->cut_at < self->end;
}

static int make_part(struct made_pieces *self, struct piece *piece) {
    struct part part = {0};
    struct made_numbers numbers = {
        .from = piece->at,
        .end = piece->end,
        .batch_rows = atomic_load_explicit(&self->batch_rows, memory_order_relaxed)};
    WR_ASSERT(piece->part_count < BATCHES_OF_A_PIECE);
    int status = self->type->make(self->source, piece->hand, &numbers, &part.batch, &part.next,
                                  &piece->rejects, &piece->error);
    if (status != WR_OK)
        return status;
    WR_ASSERT(part.next > piece->at && part.next <= piece->end);
    part.reject_count = piece->rejects.count;
    piece->at = part.next;
    if (part.batch != NULL)
        piece->parts[piece->part_count++] = part;
    return WR_OK;
}

static int has_room(const void *ctx) {
    return wr_input_has_room(((const struct made_pieces *)ctx)->source->input_budget);
}

static void make(void *ctx, uint32_t slot) {
    struct made_pieces *self = ctx;
    struct piece *piece = &self->slots[slot];
    while (piece->at < piece->end && piece->part_count < BATCHES_OF_A_PIECE &&
           piece->status == WR_OK && (piece->part_count == 0 || has_room(self)))
        piece->status = make_part(self, piece);
}

/* ---- taking: the run ---- */

static int tell_rejects(struct made_pieces *self, uint32_t count) {
    const struct wr_source *source = self->source;
    const struct wr_held_rejects *rejects = &self->piece->rejects;
    int status = WR_OK;
    for (; self->rejects_told < count && status >= 0; self->rejects_told++)
        if (source->reject != NULL)
            status = source->reject(source->reject_ctx, &rejects->list[self->rejects_told]);
    return WR_MIN(status, WR_OK);
}

static int take_part(struct made_pieces *self, struct wr_batch **batch, uint64_t *next) {
    struct part *part = &self->piece->parts[self->next_part];
    int status = tell_rejects(self, part->reject_count);
    if (status != WR_OK)
        return status;
    *batch = part->batch;
    *next = part->next;
    part->batch = NULL;
    self->next_part++;
    return WR_OK;
}

static int failed(const struct piece *piece, struct wr_error *err) {
    if (err != NULL && piece->error.status == piece->status)
        *err = piece->error;
    return piece->status;
}

/* More of the piece than was made ahead. */
static void make_more(struct made_pieces *self) {
    struct piece *piece = self->piece;
    piece->part_count = self->next_part = 0; /* all were given */
    piece->status = make_part(self, piece);
}

int made_pieces_poll(struct made_pieces *self, struct wr_batch **batch, uint64_t *next,
                     struct wr_error *err) {
    atomic_store_explicit(&self->batch_rows, self->source->batch_rows, memory_order_relaxed);
    for (;;) {
        struct piece *piece = self->piece;
        if (piece == NULL && self->taken_to == self->end)
            return WR_EEND;
        if (piece == NULL) {
            self->piece = &self->slots[wr_sequence_take(&self->sequence)];
            self->next_part = self->rejects_told = 0;
        } else if (self->next_part < piece->part_count) {
            return take_part(self, batch, next);
        } else if (piece->status != WR_OK) {
            return failed(piece, err);
        } else if (piece->at < piece->end) {
            make_more(self);
        } else {
            int status = tell_rejects(self, piece->rejects.count);
            if (status != WR_OK)
                return status;
            self->taken_to = piece->end;
            self->piece = NULL;
        }
    }
}

/* ---- life ---- */

void made_pieces_free(struct made_pieces *self) {
    if (self == NULL)
        return;
    for (uint32_t s = 0; s < self->slot_count; s++) {
        struct piece *piece = &self->slots[s];
        clear(piece);
        wr_held_rejects_free(&piece->rejects);
        if (piece->hand != NULL)
            self->type->hand_release(self->source, piece->hand);
        wr_free(&wr_budget_control, piece->hand);
    }
    wr_free(&wr_budget_control, self);
}

static int hands_new(struct made_pieces *self) {
    int status = WR_OK;
    for (uint32_t s = 0; s < self->slot_count && status == WR_OK; s++) {
        void *hand = wr_alloc_zero(&wr_budget_control, self->type->hand_bytes);
        self->slots[s].hand = hand;
        status = hand == NULL ? WR_ENOMEM : self->type->hand_init(self->source, hand);
    }
    return status;
}

int made_pieces_new(struct made_pieces **made, const struct made_type *type,
                    struct wr_source *source, struct wr_workers *workers, uint64_t from,
                    uint64_t end, uint32_t row_numbers) {
    static const struct wr_sequence_type sequence = {
        .cut = cut, .make = make, .has_room = has_room};
    uint32_t threads = wr_workers_count(workers);
    uint32_t slot_count = WR_MIN(threads + PIECES_MORE, (uint32_t)WR_SEQUENCE_PIECES_MAX);
    struct made_pieces *self =
        wr_alloc_zero(&wr_budget_control, sizeof *self + slot_count * sizeof *self->slots);
    if (self == NULL)
        return WR_ENOMEM;
    self->type = type;
    self->source = source;
    self->cut_at = self->taken_to = from;
    self->end = WR_MAX(from, end);
    self->row_numbers = row_numbers;
    self->slot_count = slot_count;
    atomic_init(&self->batch_rows, source->batch_rows);
    if (hands_new(self) != WR_OK) {
        made_pieces_free(self);
        return WR_ENOMEM;
    }
    wr_sequence_init(&self->sequence, &sequence, self, workers, slot_count);
    *made = self;
    return WR_OK;
}
