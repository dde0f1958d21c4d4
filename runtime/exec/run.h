/* run.h: a finished plan, running: sources polled, batches pushed, frontiers advanced, sinks'
 * epochs. A run is a state machine: each step is bounded work and nothing in it blocks or reads a
 * clock but through env. The program steps it until it is done, a test steps it as it likes.
 *
 *   step: poll the lane that is wanted -> push through its row-by-row stages -> gates merge ->
 *         advance the frontiers in the order of the plan -> flush rejects
 * Threads: a run is called by one thread; it has others for its shards (see shards.h). */
#pragma once
#include <signal.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/status.h"
#include "conn/retry.h"
#include "graph/plan.h"
#include "op/op.h"

struct wr_run;

#define WR_SHARDS_MAX 64
#define WR_REJECT_KINDS_MAX 256 /* (stage, code) pairs that are counted one by one */

/* What becomes of something that a state has, when another script goes on with it. */
enum wr_change_what {
    WR_CHANGE_KEPT,     /* it goes on as if nothing had changed */
    WR_CHANGE_MIGRATED, /* the same; it is called otherwise, or asked for less */
    WR_CHANGE_NEW,      /* it was not there */
    WR_CHANGE_REBUILT,  /* what the state has of it is not what this script would have made */
    WR_CHANGE_REFUSED,  /* it cannot go on, whatever is allowed */
    WR_CHANGE_DROPPED,  /* the script has it no more */
};

struct wr_change {
    enum wr_change_what what;
    uint8_t loses;       /* something is thrown away, or mixed: it must be allowed */
    uint32_t node;       /* of the plan; UINT32_MAX: it was dropped */
    const char *kind;    /* "source", "stage", "sink" */
    const char *stage;   /* "agg" */
    const char *name;    /* as the script calls it; NULL */
    const char *address; /* of a source or sink; NULL */
    const char *place;   /* "clicks.lua:12:3" */
    const char *reason;
};

struct wr_changes {
    const char *directory;
    uint64_t number; /* of the last checkpoint; 0: there is none */
    uint32_t count, loses, refused;
    struct wr_change *items; /* in the order of the plan, then those that were dropped */
};

struct wr_run_options {
    uint32_t batch_rows; /* 0: WR_BATCH_ROWS_DEFAULT */
    uint32_t workers;    /* threads; 0: 1 */
    uint32_t shards;     /* of keyed operators; 0: those of the state, or one less than workers */
    uint64_t shard_order_seed; /* in which order shards are stepped; any gives the same rows */
    uint64_t hash_seed;        /* 0: from env's random */
    uint64_t record_limit;     /* records a source reads at most, bad ones too; 0: all */
    /* The run stops when of each source so many records were read, or when no row before this event
     * time can come any more: then wr_run_step returns WR_ECANCEL, as for a signal. */
    uint64_t until_rows; /* 0: not */
    int64_t until_us;
    uint8_t has_until_time;
    uint8_t drains;              /* … the input counts as ended there, and all is finished */
    uint64_t memory_bytes;       /* of all state; 0: 1 GB */
    uint64_t spill_bytes;        /* that a sort keeps in memory, and half of what tables do; 0:
                                  * a quarter of memory_bytes */
    uint64_t piece_bytes;        /* of state on its way to the store; 0: 32 KB */
    int dry_run;                 /* sinks are bound but nothing is written */
    int measures;                /* wr_node_counts has what it costs to know */
    const char *state_directory; /* NULL: nothing is kept */
    uint8_t is_again;            /* what was noted of its beginning is not noted again */
    const char *savepoint;       /* a fresh state directory begins as a copy of it; may be NULL */
    int allow_rebuild;           /* another script may go on with what is left of the state */
    /* Told once, when there was a state: what becomes of it. May be NULL. */
    void (*tell_changes)(void *ctx, const struct wr_changes *changes);
    void *tell_ctx;
    int64_t checkpoint_us; /* from a checkpoint to the next, by the monotonic clock; 0: each step */
    int quarantine;    /* a row at which the process dies again and again is left out: poison.h */
    int fail_on_error; /* the first row whose expression fails ends the run */
    int is_live;       /* rows come while it runs: nothing may wait for their end */
    int keep_text;     /* rejects show the raw text (costs 8 bytes a row) */
    wr_user_call_fn user_call;
    void *user_ctx;
    int (*show)(void *ctx, const char *bytes, uint64_t length); /* the program's stdout */
    void *show_ctx;
    /* What a source has to tell, about `file`: columns that are not in its schema. May be NULL. */
    void (*note)(void *ctx, const char *file, const char *text);
    void *note_ctx;
    /* What is to be known at once, with the code of its page: a sink that is down, and is there
     * again. It may be called in another thread. May be NULL. */
    void (*warn)(void *ctx, const char *code, const char *text);
    void *warn_ctx;
    int terminal, terminal_columns;
    const volatile sig_atomic_t *stop; /* set by a signal: stop after the step */
    /* Tests put sources and sinks of their own in the place of a node's, or return NULL. */
    const struct wr_source_type *(*replace_source)(void *ctx, const struct wr_node *node);
    const struct wr_sink_type *(*replace_sink)(void *ctx, const struct wr_node *node);
    void *replace_ctx;
};

/* Rejects of one stage and code, with the first as an example. */
struct wr_reject_kind {
    uint32_t node;
    int code;
    int only_warns; /* the rows went on */
    uint64_t count;
    struct {
        uint32_t source, partition;
        uint64_t record;
        int64_t at;
    } order; /* of the example */
    /* The first one in the order of records, each text cut at its room: "flights.csv", "line 7
     * byte 512", … */
    char source[96], position[48], reason[96], detail[160], raw[120];
};

struct wr_node_counts {
    uint64_t rows_in, rows_out, batches_in;
    uint64_t nonfinite_count; /* of a sink: NaN and Inf that its format wrote as null */
    uint64_t left_out;        /* of a sink: rows that its table did not take */
    /* Where the run measures: the time of its own work; what it kept at the end of the step at
     * which that was most; its last frontier before the end of the input. */
    int64_t own_us;
    struct wr_op_state state;
    int64_t frontier; /* WR_TIME_MIN: none */
    int is_held;      /* of a sink: nobody sees the rows before the run has ended, and it has not */
    struct wr_trouble trouble; /* of a sink: what it had to wait for */
};

struct wr_summary {
    uint64_t rows_in;  /* records of all sources, good and bad */
    uint64_t rejected; /* rows in `rejects` */
    uint64_t late;     /* rows that every window refused */
    uint32_t kind_count;
    struct wr_reject_kind kinds[WR_REJECT_KINDS_MAX];
    uint64_t steps;
    int64_t elapsed_us;
    uint64_t state_bytes_peak;
    int has_reached;  /* it stopped where `until_rows` or `until_us` say */
    int was_complete; /* the state is of a run whose input had ended: nothing more was read */
    /* A signal stopped it in the midst of something, as "stopped while o.db was waited for: …":
     * what came behind the last checkpoint is not kept. "": it ended otherwise. */
    char cut_off[WR_ERROR_TEXT_MAX];
};

/* Opens everything. The plan must be finished and outlive the run. With a state directory that
 * holds a checkpoint, goes on from there. */
int wr_run_new(struct wr_run **run, struct wr_plan *plan, const struct wr_run_options *options,
               struct wr_error *err);
void wr_run_free(struct wr_run *run);
/* Says by `tell_changes` what would become of a state, or of a savepoint where a state would begin
 * from it, and changes nothing. */
int wr_run_compare(struct wr_plan *plan, const struct wr_run_options *options,
                   struct wr_error *err);
/* What a run takes of `memory` before its first row, without a state; nothing is opened. WR_OK, or
 * WR_ENOMEM (W602) where that is more than it would have. */
int wr_run_least_memory(struct wr_plan *plan, const struct wr_run_options *options, uint64_t *bytes,
                        struct wr_error *err);
/* WR_OK: there is more to do; WR_EAGAIN: nothing to do now; WR_EEND: all is done and written;
 * WR_ECANCEL: stopped by the signal; or a failure. */
int wr_run_step(struct wr_run *run, struct wr_error *err);
/* Keeps what was complete when the run is stopped early: sinks commit, nothing half-written
 * remains. */
int wr_run_stop(struct wr_run *run, struct wr_error *err);
/* again.c: a run that failed because a disk was full (W610), of a sink or of its state, goes back
 * to its last checkpoint in the same process, as a restart would: all of it is closed, so nothing
 * that came behind the checkpoint is kept, and when the pauses of the sink's breaker have passed it
 * is opened again. The first checkpoint that it makes then ends the episode. Not without a state,
 * nor where a source gives nothing twice (a pipe). And one that wants to (wr_run_wants_again): it
 * looks for a row at which it dies, or has found it. */
struct wr_again {
    struct wr_patience patience;
    struct wr_trouble trouble; /* of all runs before the last one */
    uint64_t epoch;            /* of the run that was opened again, at its start */
};
/* `status`: what wr_run_new, wr_run_step or wr_run_stop gave. WR_OK: *run is another run, to be
 * stepped on. Else the same status, or why it goes on no more (WR_ECANCEL: a signal came while it
 * waited, and *run is NULL). */
int wr_run_again(struct wr_again *again, struct wr_run **run, struct wr_plan *plan,
                 const struct wr_run_options *options, int status, struct wr_error *err);
int wr_run_wants_again(const struct wr_run *run);
/* A step went well. */
void wr_run_goes_on(struct wr_again *again, const struct wr_run *run);
const struct wr_summary *wr_run_summary(const struct wr_run *run);
/* Counts of a node; rows of its sink's are rows_in. */
void wr_run_counts(const struct wr_run *run, uint32_t node, struct wr_node_counts *counts);
/* Bytes read, and in all (0: unknown), over the sources. */
void wr_run_progress(const struct wr_run *run, uint64_t *done, uint64_t *total);
