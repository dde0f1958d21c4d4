/* writer.h: the checkpoint that is on its way. At the end of a step the run hands its parts over,
 * as bytes; the writer, a thread of its own, puts them into the store, lets the sinks make durable
 * what they have written, and commits. Steps go on meanwhile: the store and all sinks belong to the
 * writer until the run has taken the outcome, and rows for sinks wait (held.c). One is on its way
 * at a time, and where its bytes come faster than they are written, the run waits at its next step.
 *
 *   begin -> put* -> end: all is handed over, but for rows of large tables, which are copied behind
 *   it (copying.c) -> … -> settle: it is over
 *
 * A checkpoint that the run waits for is written by itself, without a queue. */
#pragma once
#include <stdint.h>

#include "state/store.h"

struct wr_buf;
struct wr_error;
struct wr_run;

/* WR_OK or WR_ENOMEM. Without a state, and where a step must see what its sinks say at once, there
 * is none, and all is written by the run. */
int writer_init(struct wr_run *run);
/* What is on its way is completed, or fails. */
void writer_free(struct wr_run *run);
/* Whether the checkpoint that begins now may be on its way while steps go on. */
int writer_may_go_on(const struct wr_run *run);

/* A checkpoint, once the one before has been settled. `goes_on`: it is on its way behind `end`. */
int writer_begin(struct wr_run *run, int goes_on, struct wr_error *err);
/* Puts a part, with rows apart (NULL: none); may take the memory of both and leave other memory in
 * its place. */
int writer_put(struct wr_run *run, const char *part, struct wr_buf *bytes, struct wr_buf *rows,
               enum wr_store_piece piece, struct wr_error *err);
/* The same for what is copied behind the others, before the end; any thread. Waits where as much is
 * on its way as half of the budget. */
int writer_put_behind(struct wr_run *run, const char *part, struct wr_buf *bytes,
                      struct wr_buf *rows, enum wr_store_piece piece);
/* Whether the checkpoint at hand is written beside the steps, and whether more may be given. */
int writer_goes_on(const struct wr_run *run);
int writer_has_room(const struct wr_run *run);
void writer_await_room(const struct wr_run *run);
int writer_drop_stage(struct wr_run *run, uint32_t number, struct wr_error *err);
/* `status`: of the gathering; where it failed nothing is committed. Returns that, or what became of
 * it where nothing goes on. */
int writer_end(struct wr_run *run, int status, struct wr_error *err);

/* Whether one is on its way: the sinks must not be touched. */
int writer_is_busy(const struct wr_run *run);
/* Whether rows of it are being copied, and there is room for more of them. */
int writer_is_copying(const struct wr_run *run);
/* Takes the outcome, if it is there (WR_EAGAIN: not yet) or waits for it. Then the sinks have begun
 * the next epoch; a poll hands on some of the rows that waited, settling all. */
int writer_poll(struct wr_run *run, struct wr_error *err);
int writer_settle(struct wr_run *run, struct wr_error *err);
