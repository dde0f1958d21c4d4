/* reject_log.h: rejects in order (see reject.h), counted and handed to `rejects()`. */
#pragma once

struct reject_log;
struct unit;
struct wr_buf;
struct wr_error;
struct wr_reader;
struct wr_reject;
struct wr_run;

int reject_log_new(struct reject_log **log, struct wr_run *run);
void reject_log_free(struct reject_log *log);
/* Shards work in other threads: rejects of a step may come in a later one. */
void reject_log_expect_later(struct reject_log *log);
int reject_log_add(struct reject_log *log, struct unit *unit, const struct wr_reject *reject);
/* Rejects of the push that has ended go out in their order, or are held; where the order of a step
 * is all that is needed, they wait for its end. */
int reject_log_flush(struct reject_log *log);
int reject_log_flush_step(struct reject_log *log);
/* The same at the end of a step, if shards have nothing of it left that they may reject. */
int reject_log_end_step(struct reject_log *log);
/* Whether so many wait for that by now that it is time to wait for the shards. */
int reject_log_is_long(const struct reject_log *log);
/* When all inputs have ended and all windows have fired: gives readers some of the rejects that
 * were held. WR_OK: call again; WR_EEND: that was all. */
int reject_log_end(struct reject_log *log, struct wr_error *err);
/* A checkpoint would free memory. */
int reject_log_is_full(const struct reject_log *log);
/* Some wait to be handed on. */
int reject_log_has_any(const struct reject_log *log);
/* Whether rejects are kept in the state for the end; whether anybody reads them. */
int reject_log_is_kept(const struct reject_log *log);
int reject_log_is_read(const struct reject_log *log);
/* Within a checkpoint's transaction. */
int reject_log_save(struct reject_log *log, struct wr_buf *out, struct wr_error *err);
int reject_log_load(struct reject_log *log, struct wr_reader *in);
/* More rows come behind the end that was saved. */
void reject_log_go_on(struct reject_log *log);
