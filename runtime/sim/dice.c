/* dice.c: what a seed draws. See simulation.h. */
#include <stdio.h>

#include "base/assert.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "sim/simulation.h"
#include "base/banned.h"

uint64_t dice_u64(struct dice *dice) {
    dice->state += UINT64_C(0x9e3779b97f4a7c15);
    return wr_hash_u64(dice->state, UINT64_C(0x1f83d9abfb41bd6b));
}

uint64_t dice_below(struct dice *dice, uint64_t count) {
    WR_ASSERT(count > 0);
    return dice_u64(dice) % count;
}

uint64_t dice_scale(struct dice *dice, unsigned bits) {
    uint64_t most = UINT64_C(1) << (1 + dice_below(dice, bits));
    return 1 + dice_below(dice, most - 1);
}

int dice_one_in(struct dice *dice, uint64_t count) {
    return dice_below(dice, count) == 0;
}

/* ---- how it runs ---- */

#define BATCHES_BITS 6u       /* of all rows, up to 63 … */
#define BATCH_ROWS_MOST 4096u /* … or more, where one would have more rows */

static uint32_t draw_batch_rows(struct dice *dice, uint64_t rows) {
    uint64_t batch_rows = 1 + rows / dice_scale(dice, BATCHES_BITS);
    return (uint32_t)WR_MIN(batch_rows, (uint64_t)BATCH_ROWS_MOST);
}

/* From dice of its own, so that a seed draws all else as it would without. */
int manner_draw_batches(struct manner *manner, uint32_t life, uint64_t rows) {
    struct dice dice = {.state = wr_hash_u64(life, manner->hash_seed)};
    int varies = (manner->hash_seed >> 1 & 1) != 0 && life > 1;
    if (varies)
        manner->batch_rows = draw_batch_rows(&dice, rows);
    return varies;
}

void manner_draw(struct manner *manner, struct dice *dice, unsigned faults, uint64_t rows,
                 int64_t checkpoint_us) {
    static const uint32_t steps_a_checkpoint[] = {1, 1, 2, 4, 8, 16, 64, 1024};
    manner->batch_rows = draw_batch_rows(dice, rows);
    manner->shards = 1 + (uint32_t)dice_below(dice, 4);
    manner->shard_seed = dice_one_in(dice, 4) ? 0 : 1 + dice_below(dice, 1u << 30);
    manner->hash_seed = dice_u64(dice) | 1;
    manner->spill_bytes = dice_one_in(dice, 3) ? dice_scale(dice, 16) : 0;
    manner->piece_bytes = dice_one_in(dice, 3) ? dice_scale(dice, 14) : 0;
    manner->checkpoint_us = checkpoint_us;
    manner->tempo_us =
        checkpoint_us / steps_a_checkpoint[dice_below(dice, WR_COUNT(steps_a_checkpoint))];
    manner->fault_count = 0;
    unsigned deadly = faults & ~(1u << WR_SIM_FAULT_CLOCK);
    if (deadly == 0 || dice_one_in(dice, 8))
        return;
    while (++manner->fault_count < LIFE_FAULTS_MAX && !dice_one_in(dice, 3)) {}
}

/* ---- what goes wrong ---- */

#define SERVER_ONE_IN 3u    /* of the lives that have one, besides */
#define CALL_BITS 8u        /* a call up to the 255th from where a fault waits, … */
#define CALL_BITS_FEW 5u    /* … half of the time up to the 31st, … */
#define ALLOCATION_BITS 11u /* … or an allocation up to the 2,047th */

static enum wr_sim_fault_kind draw_kind(struct dice *dice, unsigned faults) {
    unsigned deadly = faults & ~(1u << WR_SIM_FAULT_CLOCK), count = 0;
    for (unsigned kind = 0; kind < WR_SIM_FAULT_COUNT; kind++)
        count += (deadly >> kind) & 1;
    if (count == 0)
        return WR_SIM_FAULT_COUNT;
    if ((deadly >> WR_SIM_FAULT_SERVER) & 1 && dice_one_in(dice, SERVER_ONE_IN))
        return WR_SIM_FAULT_SERVER;
    uint64_t at = dice_below(dice, count);
    unsigned kind = 0;
    for (;; kind++)
        if ((deadly >> kind) & 1 && at-- == 0)
            return (enum wr_sim_fault_kind)kind;
}

void fault_draw(struct fault *fault, struct dice *dice, unsigned faults, uint64_t rows,
                uint64_t rows_max) {
    static const int io[] = {WR_SIM_EIO, WR_SIM_EIO, WR_SIM_ENOSPC, WR_SIM_SHORT_READ};
    *fault = (struct fault){.kind = draw_kind(dice, faults), .when = WHEN_ROWS};
    uint64_t place = dice_below(dice, 5), left = rows < rows_max ? rows_max - rows : 0;
    fault->rows = rows + (place == 0 ? left : dice_below(dice, left + 1));
    if (place == 1)
        fault->when = WHEN_BEGINS;
    unsigned bits = fault->kind == WR_SIM_FAULT_MEMORY ? ALLOCATION_BITS
                    : dice_one_in(dice, 2)             ? CALL_BITS
                                                       : CALL_BITS_FEW;
    fault->nth = dice_scale(dice, bits);
    fault->io = io[dice_below(dice, WR_COUNT(io))];
    fault->sticky = dice_one_in(dice, 3);
    if (fault->kind == WR_SIM_FAULT_SERVER)
        fault->sticky = !dice_one_in(dice, 3);
    if (fault->kind == WR_SIM_FAULT_SECOND || fault->kind == WR_SIM_FAULT_STOP)
        fault->when = WHEN_ROWS;
}

static const char *const words[] = {
#define WORD(name, word, doc) [WR_SIM_FAULT_##name] = (word),
    WR_SIM_FAULTS(WORD)
#undef WORD
};

const char *wr_sim_fault_word(unsigned kind) {
    return kind < WR_SIM_FAULT_COUNT ? words[kind] : NULL;
}

void fault_describe(const struct fault *fault, char *text, size_t size) {
    static const char *const io[] = {[WR_SIM_EIO] = "fails with EIO",
                                     [WR_SIM_ENOSPC] = "finds the disk full",
                                     [WR_SIM_SHORT_READ] = "reads less"};
    char where[64] = "from its begin";
    unsigned long long nth = fault->nth;
    if (fault->when == WHEN_ROWS)
        snprintf(where, sizeof where, "behind row %llu", (unsigned long long)fault->rows);
    const char *more = fault->sticky ? ", and so do all later ones" : "";
    switch (fault->kind) {
    case WR_SIM_FAULT_KILL: snprintf(text, size, "killed in call %llu %s", nth, where); break;
    case WR_SIM_FAULT_POWER:
        snprintf(text, size, "loses its power in call %llu %s", nth, where);
        break;
    case WR_SIM_FAULT_IO:
        snprintf(text, size, "call %llu %s %s%s", nth, where, io[fault->io], more);
        break;
    case WR_SIM_FAULT_MEMORY:
        snprintf(text, size, "allocation %llu %s fails%s", nth, where, more);
        break;
    case WR_SIM_FAULT_STOP: snprintf(text, size, "stopped %s", where); break;
    case WR_SIM_FAULT_SECOND: snprintf(text, size, "a second process comes %s", where); break;
    case WR_SIM_FAULT_SERVER:
        snprintf(text, size, "question %llu to a server %s goes wrong%s", nth, where,
                 fault->sticky ? ", and others behind it" : "");
        break;
    case WR_SIM_FAULT_CLOCK:
    case WR_SIM_FAULT_COUNT: snprintf(text, size, "undisturbed"); break;
    }
}
