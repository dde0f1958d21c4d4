/* support_run.h: whole runs in a test: a plan in a simulated world, sources whose batches the test
 * writes down, sinks that keep rows as text and lose what was not committed, as real ones do. */
#pragma once
#include "../graph/support_plan.h"

#include "base/buf.h"
#include "base/env_sim.h"
#include "exec/run.h"

#define FEEDS_MAX 16
#define NODES_MAX 64

struct feed {
    uint32_t node, partition;
    const char *text;
};

struct capture {
    struct wr_buf text; /* rows by `|`, cells by blanks */
    size_t committed;   /* bytes of `text` that a new process finds */
    uint64_t batches;
    int refuses;         /* the sink rejects every row (W509) */
    struct wr_sim *slow; /* a commit takes 50 µs of this world; NULL: no time */
    uint64_t commits;
};

/* A plan and what it runs on. Lives through several runs of it. */
struct stand {
    struct wr_sim *sim;
    struct wr_vfs *vfs;
    struct wr_plan *plan;
    struct wr_run_options options; /* what the test wants set; the rest is filled in */
    struct wr_run *run;
    struct wr_summary summary; /* of the run that was closed last */
    uint32_t split;            /* rows of a batch; 0: as the feeds are written */
    uint32_t feed_count;
    struct feed feeds[FEEDS_MAX];
    struct capture captures[NODES_MAX]; /* by node */
    uint64_t polls[FEEDS_MAX];          /* batches that a feed has given */
    uint32_t columns_given[FEEDS_MAX];  /* columns with data in its last batch */
    struct wr_error err;
};

void stand_begin(struct stand *stand);
/* Gives all back; the control budget must be as it was at the begin. */
void stand_end(struct stand *stand);
/* A source of `partitions` partitions under "name type, …". */
uint32_t stand_source(struct stand *stand, const char *schema, uint32_t partitions);
/* What a partition gives: rows by `|`, cells by blanks, batches by `/`. Between batches may stand
 * `-` (nothing yet), `w7` (its own watermark), `!` (the source fails), `xTEXT` (a bad record). */
void stand_feed(struct stand *stand, uint32_t node, uint32_t partition, const char *text);
/* A sink behind a stage; its node. */
uint32_t stand_sink(struct stand *stand, uint32_t input);
/* A new run; WR_OK or what wr_run_new said. */
int stand_open(struct stand *stand);
/* Frees it, as a killed process would leave it. */
void stand_close(struct stand *stand);
/* Steps to the end: WR_OK or the first failure. */
int test_run_all(struct wr_run *run, struct wr_error *err);
/* Opens, runs to the end, closes: WR_OK or the first failure. */
int stand_run(struct stand *stand);
/* The same; a failure fails the test. */
void stand_run_all(struct stand *stand);
/* What a sink has got. */
const char *stand_rows(struct stand *stand, uint32_t sink);
void stand_forget(struct stand *stand); /* what sinks have got, and the state */
