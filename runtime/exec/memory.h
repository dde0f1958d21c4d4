/* memory.h: how a run divides its `memory`: what each part of it may take, and what is said where
 * that is not enough.
 *
 *   state       = memory: tables of stages take half of it before they rest in a file; what is on
 *                 its way to shards, and what comes of it, waits while more than three quarters
 *                 are used
 *   input       what is read and not worked on yet
 *   checkpoint  on its way to the store
 *   sink epochs rows of an epoch that a sink may have to write again
 *
 * Where little is given, buffers of fixed sizes are smaller and stages have fewer shards. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_error;
struct wr_run;
struct wr_run_options;

/* Defaults of what depends on memory, where it is not given. */
void memory_set_defaults(struct wr_run_options *options);
/* The budgets. */
void memory_prepare(struct wr_run *run);
/* A block of an arena for one push. */
size_t memory_scratch_bytes(const struct wr_run *run);
/* What a batch that a stage makes may take, about. */
uint64_t memory_batch_bytes(const struct wr_run *run);
/* What a shard may give for a push before that goes on, where its stage can stop. */
uint64_t memory_results_bytes(const struct wr_run *run);
/* Rows of a stage that are on their way to its shards, of so many bytes each, at most. */
uint32_t memory_rows_ahead(const struct wr_run *run, uint64_t row_bytes);
/* A run that is built and has less than it takes before its first row is refused (W602). WR_OK or
 * WR_ENOMEM. */
int memory_check(const struct wr_run *run, struct wr_error *err);
/* Whether there is room for more of what is on its way. */
int memory_has_room(const struct wr_run *run);
/* A run or a step failed. Where an allocation did, because a budget is used up, and nobody has told
 * more: says which (W602), where and what to do. Whether it did; `err` may be NULL. */
int memory_tell_failure(const struct wr_run *run, int status, struct wr_error *err);
