/* support_rowset.h: a set of rows beside a plain list of them. Rows have a key, a value that is
 * their number, and a text of it: every third has none, every other one a long one. */
#pragma once
#include "base/arena.h"
#include "data/batch.h"
#include "state/apart.h"
#include "state/rowset.h"

struct wr_sim;

#define ROWS_MAX 20000
#define ROWS_SEED 7

/* A row as the model has it: key, number of what it says, and when it may be met. */
struct rows_fact {
    int64_t key, value, time_us, until_us, matches;
    int is_gone;
};

struct rows_world {
    struct wr_rowset set;
    struct wr_arena arena;
    struct wr_batch_pool pool;
    struct wr_schema *schema;
    struct wr_key_layout keys;
    uint32_t count;
    struct rows_fact *facts;
    struct wr_sim *sim;
    struct wr_apart apart;
};

void rows_open(struct rows_world *world, int64_t width_us);
void rows_close(struct rows_world *world);
/* Every third value has no text, every other one a long one. */
struct wr_batch *rows_batch_of(struct rows_world *world, const struct rows_fact *facts,
                               uint32_t count);
void rows_key_of(const struct rows_world *world, int64_t key, char *bytes, uint64_t *hash);
void rows_add(struct rows_world *world, uint32_t count);
/* Takes fact `i` back. Facts differ in their values. */
void rows_take(struct rows_world *world, uint32_t i);
void rows_check_row(struct rows_world *world, const struct wr_rowset_row *row,
                    const struct rows_fact *fact);
/* All rows of a key within bounds, beside those of the model; each of them counts a match. */
void rows_look(struct rows_world *world, int64_t key, struct wr_rowset_bounds bounds);
void rows_drop(struct rows_world *world, int64_t frontier);
/* The set as it is after it was written and read, by what has changed or as a whole. */
void rows_ship(struct rows_world *world, struct wr_rowset *twin, int all, size_t piece_bytes);
uint64_t rows_next(uint64_t *state);
void rows_facts_make(struct rows_world *world, uint32_t count, int64_t time, uint64_t key_count,
                     uint64_t *random);
struct wr_rowset_bounds rows_some_bounds(int64_t time, uint64_t *random);
/* All rows of the model, and no others, whether they rest or not. */
void rows_check_rows(struct rows_world *world, struct wr_rowset *set, uint64_t key_count);
