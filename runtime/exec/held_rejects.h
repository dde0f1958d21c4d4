/* held_rejects.h: rejects that another thread found, until their turn comes. */
#pragma once
#include "data/reject.h"

struct held_rejects {
    uint32_t count, room;
    struct wr_reject *list; /* their texts are copies, their batches references */
};

/* WR_OK or WR_ENOMEM. */
int held_rejects_add(struct held_rejects *held, const struct wr_reject *reject);
void held_rejects_forget(struct held_rejects *held); /* keeps the room */
void held_rejects_free(struct held_rejects *held);
