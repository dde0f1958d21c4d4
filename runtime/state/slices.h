/* slices.h: one table a time slice [start, start + width), for windows. A window's firing merges
 * the tables of its slices in time order; a slice whose last window has closed is dropped whole. */
#pragma once
#include <stdint.h>

#include "state/table.h"
#include "state/table_rest.h"

struct wr_slice {
    int64_t start_us;
    struct wr_table *table; /* NULL: it rests */
    struct wr_rest rest;
    uint64_t used; /* when it was asked for last, in turns of `clock` */
};

struct wr_apart;
struct wr_buf;
struct wr_env;
struct wr_error;

struct wr_slices {
    struct wr_budget *budget;
    const struct wr_shape *shape;
    uint64_t seed;
    uint32_t count, room;
    struct wr_slice *items; /* ascending start */
    uint32_t settle_next;   /* whose turn it is */
    uint32_t last;          /* the one found last: most rows want it again */
    uint32_t dropped_count, dropped_room;
    int64_t *dropped;   /* starts dropped since the last save */
    uint32_t save_next; /* the slice that the next piece of a save begins with */
    uint8_t saving;     /* between two pieces */
    /* Slices that rest, where they may (wr_slices_may_rest). */
    const struct wr_env *env;   /* NULL: they may not */
    struct wr_scratch *scratch; /* made with the first that rests */
    uint64_t memory_bytes;      /* of tables that are awake, about */
    struct wr_error *const *err;
    uint64_t seen_bytes; /* of the budget, when slices were looked at last */
    uint64_t clock;
    struct wr_apart *apart; /* rows are saved there; NULL: with the rest */
    uint32_t apart_set;     /* its number there */
    int failure;            /* of the last table that could not be woken */
};

void wr_slices_init(struct wr_slices *slices, struct wr_budget *budget,
                    const struct wr_shape *shape, uint64_t seed);
void wr_slices_release(struct wr_slices *slices);
/* The table of the slice that starts at `start_us`, made when missing; NULL: out of memory. */
struct wr_table *wr_slices_at(struct wr_slices *slices, int64_t start_us);
/* The same without making, where no slice may rest. */
struct wr_table *wr_slices_find(const struct wr_slices *slices, int64_t start_us);
/* From now on slices that are not in use may rest in a scratch file (table_rest.h), where those
 * that are awake take more than `memory_bytes`, or the budget is nearly used up. A pointer to a
 * table is then good until the next wr_slices_settle or wr_slices_relieve. `*err` is set where the
 * file fails; it may be NULL. */
void wr_slices_may_rest(struct wr_slices *slices, const struct wr_env *env, uint64_t memory_bytes,
                        struct wr_error *const *err);
/* The table of items[at], or of the slice that starts at `start_us` (NULL: there is none), awake.
 * WR_OK or a negative status. */
int wr_slices_wake(struct wr_slices *slices, uint32_t at);
int wr_slices_get(struct wr_slices *slices, int64_t start_us, struct wr_table **table);
/* Lets slices rest, those first that have not been asked for the longest, and never the last one
 * that was. WR_OK or a negative status. */
int wr_slices_relieve(struct wr_slices *slices);
/* Whether slices rest, or have rested. */
int wr_slices_rest(const struct wr_slices *slices);
/* Why wr_slices_at gave NULL. */
int wr_slices_failure(const struct wr_slices *slices);
uint64_t wr_slices_spilled_bytes(const struct wr_slices *slices); /* the most that ever rested */
/* Drops all slices that start before `start_us`. */
void wr_slices_drop_before(struct wr_slices *slices, int64_t start_us);
/* Drops all slices that start after `first_us` and before `start_us`. */
void wr_slices_drop_between(struct wr_slices *slices, int64_t first_us, int64_t start_us);
/* When no view of a string in these tables is held: wr_table_settle for one of them, in turn, so
 * that a call costs the same for any number of slices. Wakes none. */
void wr_slices_settle(struct wr_slices *slices);
uint64_t wr_slices_bytes(const struct wr_slices *slices); /* memory */
uint64_t wr_slices_rows(const struct wr_slices *slices);  /* of all tables */
/* As wr_table_save and wr_table_load, for the slices that changed and those that were dropped. A
 * failed save may have marked some slices as saved: the run ends with it. */
int wr_slices_save(struct wr_slices *slices, struct wr_buf *out, int all, size_t piece_bytes);
int wr_slices_load(struct wr_slices *slices, struct wr_reader *in);
/* From now on rows of these tables are saved apart (apart.h), and read when they are asked for.
 * Only where no slice rests, and no pointer to a row is held while others of its table are looked
 * for. */
void wr_slices_keep_apart(struct wr_slices *slices, struct wr_apart *apart);
/* The same for several that belong together: has_changed also where a save is under way; while
 * there is more of one, those behind it say nothing. */
int wr_slices_sets_have_changed(struct wr_slices *const *sets, uint32_t count);
int wr_slices_save_sets(struct wr_slices *const *sets, uint32_t count, struct wr_buf *out, int all,
                        size_t piece_bytes);
int wr_slices_load_sets(struct wr_slices *const *sets, uint32_t count, struct wr_reader *in);
/* Whether the next delta says anything; and a log that says nothing. */
int wr_slices_has_changed(const struct wr_slices *slices);
void wr_slices_save_none(struct wr_buf *out);
