#include "base/sequence.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/banned.h"

/* With the lock: the slot of the next piece, which the caller cuts. */
static struct wr_sequence_slot *begin(struct wr_sequence *self) {
    struct wr_sequence_slot *slot = &self->slots[(self->first + self->count) % self->slot_count];
    self->is_cutting = 1;
    self->is_paused = 0;
    self->count++;
    slot->is_made = 0;
    return slot;
}

/* The same where a piece may be cut before it is asked for; else NULL. */
static struct wr_sequence_slot *begin_ahead(struct wr_sequence *self) {
    const struct wr_sequence_type *type = self->type;
    if (self->is_cutting || self->is_paused || self->count == self->slot_count ||
        (type->has_room != NULL && !type->has_room(self->ctx)))
        return NULL;
    return begin(self);
}

static void made(struct wr_sequence *self, struct wr_sequence_slot *slot) {
    slot->is_made = 1;
    if (self->awaits)
        wr_workers_wake(self->workers);
}

/* Cuts a piece. Returns the next one, if this thread is to cut it, too: where nothing is to be made
 * it goes on, else another thread cuts while it makes. */
static struct wr_sequence_slot *cut(struct wr_sequence *self, struct wr_sequence_slot *slot) {
    int is_whole = self->type->make == NULL;
    int goes_on = self->type->cut(self->ctx, (uint32_t)(slot - self->slots));
    wr_workers_lock(self->workers);
    self->is_cutting = 0;
    self->is_paused = !goes_on;
    if (is_whole)
        made(self, slot);
    struct wr_sequence_slot *next = begin_ahead(self);
    if (next != NULL && !is_whole)
        wr_workers_add(self->workers, &next->task);
    wr_workers_unlock(self->workers);
    return is_whole ? next : NULL;
}

static void make(struct wr_sequence *self, struct wr_sequence_slot *slot) {
    self->type->make(self->ctx, (uint32_t)(slot - self->slots));
    wr_workers_lock(self->workers);
    made(self, slot);
    wr_workers_unlock(self->workers);
}

static void run(struct wr_task *task) {
    char *begin_at = (char *)task - offsetof(struct wr_sequence_slot, task);
    struct wr_sequence_slot *slot = (struct wr_sequence_slot *)begin_at;
    struct wr_sequence *self = slot->sequence;
    for (struct wr_sequence_slot *next = slot; next != NULL;)
        next = cut(self, next);
    if (self->type->make != NULL)
        make(self, slot);
}

void wr_sequence_init(struct wr_sequence *self, const struct wr_sequence_type *type, void *ctx,
                      struct wr_workers *workers, uint32_t slot_count) {
    WR_ASSERT(slot_count >= 2 && slot_count <= WR_SEQUENCE_PIECES_MAX);
    *self = (struct wr_sequence){
        .type = type, .ctx = ctx, .workers = workers, .slot_count = slot_count};
    for (uint32_t i = 0; i < slot_count; i++)
        self->slots[i] = (struct wr_sequence_slot){.task.run = run, .sequence = self};
}

/* With the lock: what was taken is given back. */
static void give_back(struct wr_sequence *self) {
    if (!self->has_taken)
        return;
    self->first = (self->first + 1) % self->slot_count;
    self->count--;
    self->has_taken = 0;
}

/* With the lock: until the first piece is made. Where nobody has begun it, it is made here. */
static void await(struct wr_sequence *self) {
    if (self->count == 0) {
        struct wr_sequence_slot *slot = begin(self);
        wr_workers_unlock(self->workers);
        run(&slot->task);
        wr_workers_lock(self->workers);
    }
    while (!self->slots[self->first].is_made) {
        if (wr_workers_help(self->workers))
            continue;
        self->awaits = 1;
        wr_workers_sleep(self->workers);
        self->awaits = 0;
    }
}

uint32_t wr_sequence_take(struct wr_sequence *self) {
    wr_workers_lock(self->workers);
    give_back(self);
    await(self);
    self->has_taken = 1;
    uint32_t taken = self->first;
    /* Not a piece for each that is taken: waking somebody costs as much as a small one. */
    int is_low = 2 * (self->count - 1) <= self->slot_count;
    struct wr_sequence_slot *next = is_low ? begin_ahead(self) : NULL;
    if (next != NULL)
        wr_workers_add(self->workers, &next->task);
    wr_workers_unlock(self->workers);
    return taken;
}
