/* threads.h: what other threads do for a run. */
#pragma once

struct wr_batch_pool;
struct wr_error;
struct wr_run;

/* A pool for what a shard makes; all of them are freed when no batch is left. NULL: no memory. */
struct wr_batch_pool *shard_pool_new(struct wr_run *run);
void shard_pools_free(struct wr_run *run);
/* Whether operators may be worked on in other threads at all. */
int threads_may_help(const struct wr_run *run);
/* Lets shards be worked on in other threads where the plan allows it. */
int threads_init(struct wr_run *run, struct wr_error *err);
/* Whether shards have something that has not gone on. */
int run_is_ahead(const struct wr_run *run);
/* Waits for what shards do in other threads, and hands it on, until nothing is in flight. */
int run_settle(struct wr_run *run, int after_rejects);
/* The same, and the rejects of all that. */
int run_settle_step(struct wr_run *run);
