/* shards.h: what a keyed operator in several instances is made of (sharded.c, shard_work.c,
 * shard_split.c, shard_merge.c).
 *
 * Whatever such an operator is told is a *message*: rows, a frontier, a tick of the clock. Each
 * shard works on the messages in their order, and what all of them gave for one message is put
 * together, in one order, when the message's turn has come (is *delivered*). So results do not
 * depend on who works when: on the spot, shard by shard in a seeded order, or in other threads
 * while the run goes on. The frontier of the stage follows what has been delivered.
 *
 * Threads: who stands in a queue, how much is left of it, and the seeded order are guarded by the
 *          lock of the workers; a shard and its results belong to the thread that runs its task;
 *          all else to the thread of the run. */
#pragma once
#include "base/status.h"
#include "base/workers.h"
#include "data/held_rejects.h"
#include "exec/unit.h"

enum message_kind { MESSAGE_ROWS, MESSAGE_FRONTIER, MESSAGE_TICK };

/* What one shard gave for a message. */
struct shard_result {
    struct wr_batch *part; /* its rows; NULL: none */
    uint32_t count[WR_PORTS_MAX], room[WR_PORTS_MAX];
    struct wr_batch **emitted[WR_PORTS_MAX];
    uint64_t bytes; /* of rows of the main port, that have not gone on together */
    struct wr_held_rejects rejects;
    uint32_t head, at; /* while merging … */
    uint32_t shard;    /* … of which it is */
    uint8_t has_more;  /* its operator has: what is here is a part of what it gives */
    uint8_t is_open;   /* it had, and the shard takes no other message until this has gone on */
    int status;        /* of the operator, if it failed */
    int64_t held;      /* of a frontier: what the operator makes of it */
};

struct message {
    struct message *next;
    enum message_kind kind;
    uint8_t has_moved;  /* the frontier; else it is asked what the operator makes of it now */
    uint8_t has_begun;  /* some of what was given for it has gone on */
    uint8_t late_waits; /* its late rows go on behind all others, when no shard has more of them */
    uint32_t input, row_count;
    uint32_t left; /* shards that have not worked on it */
    int64_t frontier, now_us;
    struct shard_result results[];
};

struct shard {
    struct wr_out out; /* first */
    struct wr_task task;
    struct sharded *sharded;
    uint32_t number;
    struct wr_op *op;
    struct wr_op_env env;
    struct wr_arena scratch;
    struct wr_error error, *err; /* what its operator says, in another thread */
    struct shard_result *result; /* of the message that it works on */
    struct message *next;        /* the first that it has not worked on */
    struct wr_batch *gathered;   /* small batches that it gave, until they go on (gather.c) */
    uint32_t waiting_rows, waiting_count;
    int failed; /* a status: what its operator keeps may be half-done, and is not used again */
    uint8_t is_queued; /* its task waits or runs */
    uint8_t is_direct; /* what it gives goes on as it comes */
    uint8_t is_pulled; /* who merges asks for more of it (shard_merge.c) */
    uint8_t is_open;   /* it has more to give for a message, which must go on before another one */
};

struct sharded {
    struct unit *unit;
    struct wr_workers *workers; /* NULL: all is done on the spot */
    /* Says where rows go and which of two goes first; rows are never pushed into it. */
    struct wr_op *guide;
    struct wr_op_env guide_env;
    struct wr_arena guide_scratch;
    uint32_t shard_count;
    uint64_t order_state;
    struct message *first, *last; /* not delivered yet */
    struct message *idle;
    uint32_t rows_ahead_max;
    uint32_t row_count, message_count;   /* of them … */
    uint32_t undone_rows, undone_count;  /* … and of those that some shard has not worked on */
    int64_t awaited_rows, awaited_count; /* the run sleeps until no more are left; -1: it is up */
    uint8_t is_halted;                   /* the run waits until no shard works */
    uint8_t has_stopped;                 /* a shard, before all was worked on: see may_go_on */
    uint8_t shuffles;                    /* for tests: who works when is drawn from the seed */
    uint8_t has_end;   /* of its input, which it is told when all else is delivered */
    uint8_t is_done;   /* nobody wants more of it */
    uint8_t spills;    /* a shard has more than fits into its memory; with the lock */
    uint8_t is_behind; /* the operator may make something else of the last frontier */
    struct shard shards[WR_SHARDS_MAX];
};

/* shard_work.c: where its operator's rows and rejects go. Of several shards rows are merged by what
 * caused them, message by message. */
int shard_emit(struct wr_out *out, enum wr_port port, struct wr_batch *batch);
int shard_reject(struct wr_out *out, const struct wr_reject *reject);
/* Works on a message. Rows may go on later, with those of the next message of rows, if there is
 * one: `more` follow. */
void shard_work_on(struct shard *shard, struct message *message, int more);
/* What was gathered goes with the message that the shard works on. */
int shard_keep_gathered(struct shard *shard);
/* A shard's task: works on all messages that wait for it; where tests shuffle, on some. It ends
 * where memory is full of what it gave: who delivers it begins it again. */
void shard_run(struct wr_task *task);
/* With the lock: whether a shard works on its next message. Where there is no room for what it
 * gives, that is the one whose turn comes next, or none. */
int shard_may_go_on(const struct shard *shard);
/* With the lock: whether what has been worked on must be delivered before there is more of it. */
int shards_are_full(const struct sharded *sharded);
/* A number below `limit` of the seeded order, with the lock. */
uint32_t shards_dice(struct sharded *sharded, uint32_t limit);
/* shard_split.c: the rows of `batch` by the shard of their key, in the results of `message`. WR_OK
 * or a negative status. */
int shards_route(struct sharded *sharded, struct wr_batch *batch, struct message *message);
/* shard_merge.c: hands on what the shards gave for a message, and forgets it. wr_flow or a status;
 * or SHARDS_PAUSED: those below have no room, and it is called again for the rest. */
#define SHARDS_PAUSED 2
int shards_deliver(struct sharded *sharded, struct message *message);
/* What a shard has left to give for a message is worked on, and given to nobody. */
int shards_drop_rest(struct sharded *sharded, struct message *message);
/* Frees what a message holds. */
void shards_forget(struct sharded *sharded, struct message *message);
