/* support_world.h: a table beside a simple model of it, for random tests. Keys are numbers from 0
 * on that each kind of world turns into key bytes of its own shape. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "state/table.h"

#define WORLD_KEYS_MAX 4096

enum world_kind {
    WORLD_WORD,  /* an 8-byte key */
    WORLD_FIXED, /* 24 bytes */
    WORLD_TEXT,  /* a word and a string; the row has a string and a blob too */
    WORLD_WIDE,  /* an 8-byte key in a row of 8 KB */
    WORLD_KINDS
};

struct world_value {
    bool present;
    uint64_t counter;
    uint32_t text; /* length of the string and the blob */
};

struct world {
    enum world_kind kind;
    struct wr_budget budget;
    struct wr_table *table;
    uint64_t random;
    uint32_t key_count; /* numbers that are used */
    uint32_t present_count;
    struct world_value values[WORLD_KEYS_MAX];
};

extern const struct wr_shape world_shapes[WORLD_KINDS];

uint64_t world_random(struct world *world, uint64_t below);
struct world *world_new(enum world_kind kind, uint32_t key_count, uint64_t seed);
void world_free(struct world *world);
/* Writes the key of a number, and its hash. `text` holds a long string's bytes. */
void world_key(enum world_kind kind, uint64_t seed, uint32_t number, void *key, char *text,
               uint64_t *hash);
/* Upserts `count` random numbers in one batch and counts each once. */
int world_upsert(struct world *world, uint32_t count);
/* Deletes a random number. */
void world_delete(struct world *world);
/* The table holds what the model holds, by walking and by finding. */
void world_check(struct world *world, const struct wr_table *table);
