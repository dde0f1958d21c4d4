/* agg_parts.h: what `agg` keeps of windows that each group has for itself, sessions and count
 * windows: a table of groups, each with a short list of parts, and a table of the parts' states.
 * A part that must be looked at when the frontier passes a time stands in a heap. Private to the
 * room. */
#pragma once
#include <stdint.h>

#include "expr/aggregate.h"
#include "state/table.h"
#include "state/time_heap.h"

struct wr_arena;
struct wr_buf;
struct wr_error;
struct wr_reader;

/* A session, or some rows of a count window. */
struct agg_part {
    int64_t id;          /* of its state */
    int64_t first, last; /* least and greatest time of its rows */
    int64_t end;         /* SESSION: where the last gap ends; COUNT: how many rows it has */
    int64_t due;         /* when it is to be looked at, as its entry in the heap says */
};

/* Bytes before an aggregates' row in the table of states: the id, and a word for sorting. */
#define AGG_PART_HEAD_BYTES 16u

struct agg_shapes {
    struct wr_shape groups; /* the key, then a blob of parts and a counter */
    struct wr_shape states;
};

struct agg_parts {
    const struct wr_aggregates *aggregates;
    struct wr_budget *budget;
    uint64_t seed;
    struct wr_table *groups, *states;
    int64_t next_id, saved_next_id;
    struct wr_time_heap heap; /* of numbers of parts */
    uint8_t must_index;       /* state was read: the heap is made anew */
    uint8_t saving;           /* between two pieces: the table that comes next */
};

int agg_shapes_bind(struct agg_shapes **shapes, struct wr_arena *arena,
                    const struct wr_aggregates *aggregates, struct wr_error *err);
int agg_parts_open(struct agg_parts *parts, const struct agg_shapes *shapes,
                   const struct wr_aggregates *aggregates, struct wr_budget *budget, uint64_t seed);
void agg_parts_close(struct agg_parts *parts);
/* Strings move where many are dead; nothing of the tables may be in use. */
void agg_parts_settle(struct agg_parts *parts);

/* Rows of groups, made where missing; valid until the next call, or agg_group_delete. */
int agg_groups_at(struct agg_parts *parts, const char *keys, const uint64_t *hashes, uint32_t count,
                  uint8_t **groups);
/* The same without making: NULL where there is none. */
uint8_t *agg_group_find(const struct agg_parts *parts, const char *key, uint64_t hash);
/* The group that a state is of. */
uint8_t *agg_group_of(const struct agg_parts *parts, const uint8_t *state);
void agg_group_touch(struct agg_parts *parts, uint8_t *group);
void agg_group_delete(struct agg_parts *parts, const char *key, uint64_t hash);
struct agg_part *agg_group_parts(const struct agg_parts *parts, const uint8_t *group,
                                 uint32_t *count);
/* A counter that is the group's own. */
int64_t *agg_group_counter(const struct agg_parts *parts, uint8_t *group);
/* Puts a part at place `at` of the list; or takes that one out. */
int agg_group_insert(struct agg_parts *parts, uint8_t *group, uint32_t at,
                     const struct agg_part *part);
void agg_group_remove(struct agg_parts *parts, uint8_t *group, uint32_t at);

/* Aggregates' rows of parts, made where missing (keys[i]: the key of each); valid until the next
 * call of it or a deletion. */
int agg_states_at(struct agg_parts *parts, struct wr_arena *scratch, const int64_t *ids,
                  const char *const *keys, uint32_t count, uint8_t **states);
/* The same without making: NULL where there is none. */
void agg_states_find(const struct agg_parts *parts, struct wr_arena *scratch, const int64_t *ids,
                     uint32_t count, uint8_t **states);
void agg_state_delete(struct agg_parts *parts, int64_t id);
static inline int64_t *agg_state_word(uint8_t *state) {
    return (int64_t *)(void *)(state - 8);
}

/* Says when a part is to be looked at. */
int agg_due_add(struct agg_parts *parts, struct agg_part *part, int64_t due);
/* How many entries are due at `frontier`; WR_OK or WR_ENOMEM. To be asked before they are taken. */
int agg_due_count(struct agg_parts *parts, int64_t frontier, uint32_t *count);
/* Takes the next entry that is due. 0: there is none. */
int agg_due_next(struct agg_parts *parts, int64_t frontier, struct wr_timer *due);

int agg_parts_has_changed(const struct agg_parts *parts);
int agg_parts_save(struct agg_parts *parts, struct wr_buf *out, int all, size_t piece_bytes);
int agg_parts_load(struct agg_parts *parts, struct wr_reader *in);
