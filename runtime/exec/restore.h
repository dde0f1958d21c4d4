/* restore.h: a run goes on where the last checkpoint left it. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_error;
struct wr_op;
struct wr_run;

/* The seed of the keys' hashes must be known before tables are made. */
int run_restore_seed(struct wr_run *run, struct wr_error *err);
/* Opens sources and sinks, where the last checkpoint left them. */
int run_restore(struct wr_run *run, struct wr_error *err);
/* Loads one instance of a stage from the store. */
int run_restore_op(struct wr_run *run, struct unit *unit, struct wr_op *op, uint32_t shard,
                   struct wr_error *err);
/* Reads run->before, where there is a state. */
int run_restore_past(struct wr_run *run, struct wr_error *err);
/* Whether that state is complete: run->is_complete, as far as it says so. */
int run_restore_flags(struct wr_run *run, struct wr_error *err);
/* How many rows a stage has got, by its number in the state. */
uint64_t run_rows_of(struct wr_run *run, uint32_t number);
/* Whether a lane of a source, by its number in the state, had come to its end. */
int run_source_had_ended(struct wr_run *run, uint32_t number, uint32_t lane);
/* Of a run that only looks (run_new_to_look): whether the state is complete … */
int run_note_complete(struct wr_run *run, struct wr_error *err);
/* … and then a sink of files is opened, which looks and changes nothing. */
int run_look_at_sink(struct wr_run *run, struct unit *unit, struct wr_error *err);
