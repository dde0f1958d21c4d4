/* postgres_check.h: what a session is, and constraints that the server checks at the commit
 * (`deferrable initially deferred`). Private to postgres_session.c and postgres_check.c.
 *
 * Where a table has some, all rows of the epoch have come when they are asked for: `set constraints
 * all immediate`. If that fails, the transaction begins anew with the same rows, and
 *
 *   1  each piece is checked at once: rows that cannot stand where they are, are put aside,
 *   2  then they are tried behind all others, one by one and all together: what they wait for may
 *      have come meanwhile,
 *   3  those that fail then are rejects, and the others are written once more in their order.
 *
 * A piece keeps its rows for that, as bytes, within WR_POSTGRES_KEPT_MAX: those of all tables of
 * the transaction, since a row may refer at once to one that is rejected so. */
#pragma once
#include <stdint.h>

#include "conn/postgres_session.h"

#define WR_POSTGRES_MARK_MAX 32

struct wr_postgres_session {
    struct wr_postgres_session *next;
    const struct wr_env *env;
    struct wr_postgres postgres; /* of the sink that came first, and its `stop` */
    PGconn *connection;
    char mark[WR_POSTGRES_MARK_MAX]; /* its connections' name, by which it finds an old one */
    uint64_t generation;
    struct wr_postgres_user *users;
    uint32_t user_count, begun_count;
    int is_entered;     /* somebody has something to write in this epoch */
    int in_transaction; /* and the server knows; not while the connection is lost */
    int has_mark; /* a piece was written in this transaction: there is a place to go back to */
    int broken;
    uint32_t checked_count; /* users that have asked for the check of this epoch */
    struct wr_postgres_piece *kept, **kept_end; /* of this transaction, in order */
    uint64_t kept_bytes;
    int forgotten;                          /* more was written than is kept */
    char transaction[WR_POSTGRES_MARK_MAX]; /* its number, asked for where no user has a state */
    struct wr_patience patience;            /* since something went well the last time */
};

/* postgres_session.c: the transaction is as it was, on a new connection; or, after a commit whose
 * answer was lost, *happened says that it is done and there is none. `err` has what was lost; where
 * nothing helps it says so. */
int wr_postgres_session_recover(struct wr_postgres_session *session, int committing, int *happened,
                                struct wr_error *err);
/* Its sink is told of what is waited for now. */
void wr_postgres_session_serve(struct wr_postgres_session *session,
                               const struct wr_postgres_user *user);
/* A transaction with what is kept. */
int wr_postgres_session_write_again(struct wr_postgres_session *session, struct wr_error *err);
void wr_postgres_session_forget(struct wr_postgres_session *session);
