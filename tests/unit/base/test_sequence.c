/* test_sequence.c: pieces are cut in their order, made once, and taken in order, whoever does it;
 * none is cut ahead where that was not allowed. */
#include "test.h"

#include "base/alloc.h"
#include "base/sequence.h"
#include "base/status.h"

enum { PIECES = 3000, SLOTS = 5, PAUSE_EVERY = 7 };

struct made {
    struct wr_sequence sequence;
    uint32_t cut_count;               /* of who cuts */
    uint32_t cut[SLOTS], made[SLOTS]; /* the number of the piece; and squared */
    uint32_t pauses, makes_nothing;
    _Atomic uint32_t has_room;
};

static int cut(void *ctx, uint32_t slot) {
    struct made *self = ctx;
    self->cut[slot] = self->cut_count++;
    if (self->makes_nothing)
        self->made[slot] = self->cut[slot] * self->cut[slot];
    return !self->pauses || self->cut_count % PAUSE_EVERY != 0;
}

static void make(void *ctx, uint32_t slot) {
    struct made *self = ctx;
    self->made[slot] = self->cut[slot] * self->cut[slot];
}

static int has_room(const void *ctx) {
    return (int)((const struct made *)ctx)->has_room;
}

static void take_all(uint32_t threads, struct made *self) {
    static const struct wr_sequence_type whole = {.cut = cut, .has_room = has_room},
                                         parts = {.cut = cut, .make = make, .has_room = has_room};
    struct wr_workers *workers = NULL;
    CHECK_INT(wr_workers_new(&workers, &wr_budget_control, threads), ==, WR_OK);
    CHECK_INT(wr_workers_count(workers), ==, threads);
    wr_sequence_init(&self->sequence, self->makes_nothing ? &whole : &parts, self, workers, SLOTS);
    for (uint32_t i = 0; i < PIECES; i++) {
        uint32_t slot = wr_sequence_take(&self->sequence);
        CHECK_INT(self->cut[slot], ==, i);
        CHECK_INT(self->made[slot], ==, i * i);
        if (self->pauses && (i + 1) % PAUSE_EVERY == 0)
            CHECK_INT(self->cut_count, ==, i + 1); /* nobody cuts before the next take */
    }
    wr_workers_free(workers);
    CHECK_INT(self->cut_count, >=, PIECES);
    CHECK_INT(self->cut_count, <=, PIECES + SLOTS - 1);
}

TEST(sequence_gives_each_piece_once_and_in_order) {
    for (uint32_t threads = 1; threads <= 4; threads++) {
        struct made parts = {.has_room = 1}, whole = {.has_room = 1, .makes_nothing = 1};
        take_all(threads, &parts);
        take_all(threads, &whole);
    }
}

TEST(sequence_cuts_nothing_ahead_behind_a_pause) {
    for (uint32_t threads = 1; threads <= 4; threads++) {
        struct made parts = {.has_room = 1, .pauses = 1};
        struct made whole = {.has_room = 1, .pauses = 1, .makes_nothing = 1};
        take_all(threads, &parts);
        take_all(threads, &whole);
    }
}

TEST(sequence_without_room_gives_what_is_asked_for_and_no_more) {
    struct made self = {.has_room = 0};
    take_all(3, &self);
    CHECK_INT(self.cut_count, ==, PIECES);
}
