/* held_rejects.h: rejects that another thread found, until their turn comes. */
#pragma once
#include "data/reject.h"

struct wr_held_rejects {
    uint32_t count, room;
    struct wr_reject *list; /* their texts are copies, their batches references */
};

/* WR_OK or WR_ENOMEM. */
int wr_held_rejects_add(struct wr_held_rejects *held, const struct wr_reject *reject);
void wr_held_rejects_forget(struct wr_held_rejects *held); /* keeps the room */
void wr_held_rejects_free(struct wr_held_rejects *held);
