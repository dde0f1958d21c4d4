/* inspect.h: looking into a state that no run holds, with or without its script. All of it takes
 * the lock of the state's directory, so a run that has it is named and nothing disturbs it. */
#pragma once
#include <stdint.h>

#include "exec/run.h"

struct wr_env;
struct wr_error;

/* What a state has of a source, stage or sink. */
struct wr_state_stage {
    uint32_t number;                                   /* its own for as long as the state lives */
    const char *kind, *stage, *name, *address, *place; /* as in wr_change; "" for none */
    uint64_t bytes;                                    /* of its parts */
    uint64_t rows_in, rows_out;      /* that went through it; of a source: records that were read */
    uint64_t rows;                   /* that it keeps, where it can tell; else 0 */
    uint64_t waiting, waiting_bytes; /* rows that it has not taken, until other inputs have some */
    int64_t frontier;                /* the least of its instances; WR_TIME_MIN: none */
    uint32_t part_count;
    uint8_t ended; /* a source: nothing more is read */
};

/* A table of a sink that stands in the state file. */
struct wr_state_table {
    const char *name;
    uint64_t rows;
};

struct wr_state {
    uint64_t number;  /* of the last checkpoint; 0: none yet */
    int64_t saved_us; /* when, by the wall clock */
    uint64_t rows_in, rejected, late, bytes, shards;
    uint64_t rejects_waiting; /* for the end of the input, since their order is known there */
    const char *script;       /* "" where it was not a file */
    uint32_t count, part_count;
    struct wr_state_stage *stages; /* in the order of the plan */
    uint32_t table_count;
    struct wr_state_table *tables; /* in the order of their names */
};

/* Reads it all into `arena`; WR_ENOENT where there is none. `checks`: each part is read, and its
 * sums compared; the file is looked through as a whole. */
int wr_state_read(struct wr_state *state, struct wr_arena *arena, const struct wr_env *env,
                  const char *path, int checks, struct wr_error *err);
/* Makes a state of the last checkpoint in `to`, which must have none. */
int wr_state_copy(const struct wr_env *env, const char *path, const char *to, struct wr_error *err);
/* The same, also of a state that a run holds: then of its next checkpoint, for which is waited, but
 * no longer than `limit_us` (W618). */
int wr_state_save(const struct wr_env *env, const char *path, const char *to, int64_t limit_us,
                  struct wr_error *err);
/* Forgets what a stage has kept, or the whole state (`number` UINT32_MAX). Sources and sinks alone
 * cannot be: their rows would come twice, or be missing. */
int wr_state_reset(const struct wr_env *env, const char *path, uint32_t number,
                   struct wr_error *err);
/* Gives the rows that a stage would give if its input ended now to a sink, bound from `to` (the
 * spec of a `write` or `print` in the plan's arena). The plan must be finished, and the stage kept
 * in it. Only the columns that the state has. */
int wr_state_rows(struct wr_plan *plan, const struct wr_run_options *options, uint32_t number,
                  const struct wr_value *to, uint64_t *rows, struct wr_error *err);
