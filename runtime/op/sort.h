/* sort.h: what the files of `sort` share. Rows are held in memory, in the order in which they came,
 * up to a quarter of `memory`; then they are put in order and written as a *run* into a scratch
 * file (state/scratch.h), from which they come back by a merge (sort_runs.c). Rows of a run are
 * older than those of the runs behind it and than those that are held: ties go by run.
 *
 *     sort.c          the stage: bind, push, the rows that are held
 *     sort_order.c    order of rows, merging, what leaves when the frontier moves
 *     sort_runs.c     runs in the scratch file
 *     sort_state.c    checkpoints */
#pragma once
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/op.h"
#include "state/scratch.h"

#define SORT_HELD_ROWS 1024u /* of one held batch */
#define SORT_RUNS_MAX 64u
#define SORT_RUNS_MIN 16u

struct sort_config {
    struct wr_list *order; /* NULL: by event time */
    int has_time;
    /* Held rows: the input's columns, then a column for each item of the order. */
    struct wr_schema *wide;
    uint32_t first_key;
};

/* Some rows of a run: a batch of the wide schema, as wr_batch_save writes it. */
struct sort_block {
    struct wr_scratch_blob blob;
    int64_t first_us; /* event time of its first row */
    uint32_t row_count;
};

/* Rows in order. Those before row `at` of block `block` have left. */
struct sort_run {
    struct sort_block *blocks;
    uint32_t block_count, block_room;
    uint32_t block, at;
    struct wr_batch *batch; /* that block; NULL: not in memory, and `at` is 0 */
    uint64_t row_count;     /* that are left */
    uint8_t level;          /* how often its rows have been merged */
    uint8_t is_saved;       /* the store knows them */
};

struct sort {
    struct wr_op base;
    struct wr_eval eval;
    struct wr_batch_pool pool; /* of held rows, from the state's budget */
    uint32_t held_count, held_room;
    struct wr_batch **held; /* dense copies, of the wide schema; all full but the last */
    uint64_t row_count;     /* of those that are held */
    uint64_t held_bytes;    /* of all that are full */
    /* What does not fit. */
    struct wr_scratch *scratch; /* made with the first run */
    uint32_t block_bytes;       /* about, of a block of a run */
    uint32_t run_count, runs_max;
    struct sort_run runs[SORT_RUNS_MAX];
    /* What the store knows: runs that say so, the first rows of `held`, and others that have left
     * since. */
    uint64_t saved_rows;
    int64_t released_us; /* rows before this have left since the last save; WR_TIME_MIN: none */
    uint8_t saving;      /* between two pieces */
    uint8_t loading;     /* all rows that come are those of the store */
    /* Where the next piece begins: a row of a block of a run, then a row that is held. */
    struct {
        uint32_t run, block, row;
        struct wr_batch *batch; /* that block, when it is in memory */
        uint64_t held;
    } save;
};

/* A row that is held. */
struct sort_place {
    uint32_t batch, row;
};

/* Rows in order that a merge takes from: a run, or places of held rows. */
struct sort_source {
    struct sort_run *run; /* NULL: places */
    const struct sort_place *places;
    uint64_t place_count;
};

/* Where a merge puts its rows: copies in `out`, of up to `row_max` rows, which `full` takes. */
struct sort_sink {
    struct sort *self;
    struct wr_batch_pool *pool;
    const struct wr_schema *schema; /* the wide one or its head */
    int timed;
    uint32_t row_max;
    uint64_t rows_left; /* at most, that will still come */
    uint64_t bytes_max; /* of `out`; 0: any */
    struct wr_batch *out;
    int (*full)(struct sort_sink *sink, struct wr_batch *batch); /* takes it; a flow or a status */
    struct wr_out *to;                                           /* emitting */
    struct sort_run *run;                                        /* writing */
};

/* sort.c */
struct wr_error *sort_error(const struct sort *self);
int sort_keep_rows(struct sort *self, const struct wr_batch *wide, const uint32_t *rows,
                   uint32_t row_count);
/* All selected rows of a wide batch. */
int sort_keep(struct sort *self, const struct wr_batch *wide);
void sort_forget_held(struct sort *self);
uint64_t sort_row_count(const struct sort *self); /* in memory or not */

/* sort_order.c */
void sort_places(struct sort *self, struct sort_place *places, uint64_t count);
/* Takes the rows before `frontier` out of the sources, by order, then by number of the source. A
 * flow or a status. */
int sort_merge(struct sort *self, const struct sort_source *sources, uint32_t source_count,
               int64_t frontier, struct sort_sink *sink);
/* Rows with event time below `frontier` leave, in their order; the rest is kept. */
int sort_release(struct sort *self, int64_t frontier, struct wr_out *out);
/* Those rows are forgotten. */
int sort_drop(struct sort *self, int64_t frontier);

/* sort_runs.c */
/* Whether rows that are held shall become a run now. */
int sort_must_spill(const struct sort *self);
/* Makes runs of all rows that are held. */
int sort_spill(struct sort *self);
int sort_run_load(struct sort *self, const struct sort_run *run, uint32_t block,
                  struct wr_batch **batch);
/* The event time of its next row. It has rows. */
int64_t sort_run_head_us(const struct sort_run *run);
/* Its next row has left. */
void sort_run_step(struct sort *self, struct sort_run *run);
/* Its rows before `frontier` have left. */
int sort_run_drop(struct sort *self, struct sort_run *run, int64_t frontier);
/* Forgets the runs that have no row left. */
void sort_runs_clear(struct sort *self);
void sort_runs_forget(struct sort *self);

/* sort_state.c */
int sort_save(struct wr_op *op, struct wr_buf *out, int all);
int sort_load(struct wr_op *op, struct wr_reader *in);
