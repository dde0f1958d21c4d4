/* postgres_session.h: the one connection through which all sinks of a process write to one
 * database, and their one transaction an epoch: the first of them that has something to write in it
 * starts it (`enter`), the last `commit` ends it. In an epoch in which nothing comes there is none:
 * an open one that does nothing would keep the server from clearing old rows away. A second
 * connection would wait for the first one's locks, which last an epoch, and so for ever.
 *
 * What an epoch has written is kept, up to WR_POSTGRES_KEPT_MAX bytes. When the connection is lost
 * the session connects again, with growing pauses, and writes it once more; the sinks notice
 * nothing. Whether a commit whose answer was lost has happened is read, never guessed: from
 * `weir_commit`, or without a state from the server's word on the transaction's number.
 *
 * `weir_commit`, beside the tables that are written, has a row for each sink with a state: how many
 * rows of it are in the database, in which epoch, and its `fence`. Who takes a fence raises it; a
 * commit under an older one is refused, so that of two instances of a pipeline only the one that
 * came last writes. Taking waits for a commit that is on its way, since both touch the row.
 *
 * Threads: one. */
#pragma once
#include <stdint.h>

#include "conn/postgres.h"
#include "conn/postgres_refused.h"

struct wr_postgres_session;
struct wr_postgres_user;
struct wr_sink;

#define WR_POSTGRES_KEPT_MAX (UINT64_C(64) << 20)

/* Some rows that are written by one or a few statements. */
struct wr_postgres_piece {
    struct wr_postgres_piece *next;
    struct wr_postgres_user *user;
    uint64_t bytes; /* about what it takes in memory */
    int is_lent;    /* whoever keeps it does not free it */
    int has_rows;   /* it can be written in parts */
};

/* A sink, as the session knows it; lies in the sink. */
struct wr_postgres_user {
    struct wr_postgres_user *next;
    void *sink; /* a struct wr_sink, with what its type has behind */
    /* Sends a piece and reads all answers. WR_OK; WR_EBADROW: the values of a row are at fault,
     * with the message in `err`; WR_EAGAIN: the connection or transaction is lost. */
    int (*send)(struct wr_postgres_user *user, struct wr_postgres_piece *piece,
                struct wr_error *err);
    /* The transaction has begun anew: what the sink made in it (its table) is to be made again. As
     * `send`. */
    int (*again)(struct wr_postgres_user *user, struct wr_error *err);
    void (*free_piece)(struct wr_postgres_piece *piece);
    /* Of a piece that was written, for postgres_check.h; rows are known by their numbers. Writes
     * anew those that are in `list`, or, with `others`, those that are not; what the server refuses
     * goes into `aside`. *whole: that would be the piece as it is, and nothing was done (NULL: it
     * is). */
    int (*write_some)(struct wr_postgres_user *user, struct wr_postgres_piece *piece,
                      const struct wr_postgres_refused *list, int others, int *whole,
                      struct wr_error *err);
    /* Its rows that are in the list leave as rejects. */
    int (*refuse_some)(struct wr_postgres_user *user, struct wr_postgres_piece *piece,
                       const struct wr_postgres_refused *list, struct wr_error *err);
    int is_deferred; /* its table has constraints that are checked at the commit */
    struct wr_postgres_refused *aside; /* NULL: a row that is refused is a reject at once */
    struct wr_postgres_refused bad, tried;
    uint64_t rows_written, left_out; /* of the sink, before the check */
    int is_begun;                    /* in an epoch … */
    int is_in;                       /* … and in its transaction: it has something to write */
    /* With a state: its row in `weir_commit`. */
    int has_state;
    const struct wr_postgres_name *beside; /* the table whose schema `weir_commit` is in */
    const char *name;                      /* of the table, for those who look */
    uint64_t id, fence;                    /* fence 0: there is no row yet */
    uint64_t rows, epoch;                  /* what the next commit says */
    int finished;
    struct wr_postgres_refused refused; /* of this transaction */
    int has_refused;                    /* the server keeps some */
    uint64_t rows_safe;                 /* up to here the state knows of them */
};

/* The session of this database in this process; of the first sink of several it has the policy of
 * retries. `patient`: a server that is not there is waited for. */
int wr_postgres_session_open(struct wr_postgres_session **session, struct wr_sink *sink,
                             const struct wr_postgres *postgres, int patient, struct wr_error *err);
/* A sink that is still between begin and commit takes the whole transaction back. */
void wr_postgres_session_close(struct wr_postgres_session *session, struct wr_postgres_user *user);

/* What a row of `weir_commit` said when its fence was taken. */
struct wr_postgres_found {
    int exists, finished;
    uint64_t rows, epoch;
};
int wr_postgres_session_take(struct wr_postgres_session *session, struct wr_postgres_user *user,
                             struct wr_postgres_found *found, struct wr_error *err);
/* Only reads the row. */
int wr_postgres_session_look(struct wr_postgres_session *session,
                             const struct wr_postgres_user *user, struct wr_postgres_found *found,
                             struct wr_error *err);

int wr_postgres_session_begin(struct wr_postgres_session *session, struct wr_postgres_user *user,
                              struct wr_error *err);
/* Between begin and commit: the user is in the transaction, which has begun. */
int wr_postgres_session_enter(struct wr_postgres_session *session, struct wr_postgres_user *user,
                              struct wr_error *err);
/* Runs what a sink that has entered does once in a transaction, again where the connection is lost:
 * as `send`. */
int wr_postgres_session_do(struct wr_postgres_session *session, struct wr_postgres_user *user,
                           int (*call)(struct wr_postgres_user *, struct wr_error *),
                           struct wr_error *err);
/* Writes a piece. WR_OK: the session has taken it. WR_EBADROW: nothing of it is written, and it is
 * still the caller's. Anything else: nothing is written any more. */
int wr_postgres_session_write(struct wr_postgres_session *session, struct wr_postgres_piece *piece,
                              struct wr_error *err);
/* When all rows of the epoch have come, by each that has begun; before any of them commits: rows
 * that break a constraint of the commit leave as rejects. */
int wr_postgres_session_check(struct wr_postgres_session *session, struct wr_postgres_user *user,
                              struct wr_error *err);
int wr_postgres_session_commit(struct wr_postgres_session *session, struct wr_postgres_user *user,
                               struct wr_error *err);
/* Rolls back, and refuses from then on. */
void wr_postgres_session_break(struct wr_postgres_session *session);
int wr_postgres_session_is_broken(const struct wr_postgres_session *session);
/* Whether a table of this transaction has constraints that are checked at the commit: then rows of
 * others may be taken back too, that refer to its. */
int wr_postgres_session_is_deferred(const struct wr_postgres_session *session);

/* The database, as those speak to it who may be stopped while they wait. */
const struct wr_postgres *wr_postgres_session_place(const struct wr_postgres_session *session);
PGconn *wr_postgres_session_connection(const struct wr_postgres_session *session);
/* Changes with each connection: what was prepared on the one before is gone. */
uint64_t wr_postgres_session_generation(const struct wr_postgres_session *session);
/* Turns a failed result into what `send` returns. */
int wr_postgres_session_failed(const struct wr_postgres_session *session, const PGresult *result,
                               const char *what, struct wr_error *err);
/* Statements that begin a piece: a place to go back to, which takes that of the piece before with
 * it. */
const char *wr_postgres_session_mark(const struct wr_postgres_session *session);
