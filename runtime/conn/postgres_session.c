/* postgres_session.c: see postgres_session.h. */
#include "conn/postgres_session.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/conn.h"
#include "conn/postgres_check.h"
#include "conn/postgres_commit.h"
#include "base/banned.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wr_postgres_session *list;

/* ---- opening -------------------------------------------------------------------------------- */

static int same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct wr_postgres_session *find(const struct wr_env *env, const struct wr_postgres *one) {
    for (struct wr_postgres_session *session = list; session != NULL; session = session->next) {
        const struct wr_postgres *other = &session->postgres;
        if (session->env == env && same_text(one->host, other->host) &&
            same_text(one->port, other->port) && same_text(one->database, other->database) &&
            same_text(one->user, other->user) &&
            same_text(one->password.place, other->password.place) && one->tls == other->tls &&
            same_text(one->ca, other->ca) && one->timeout_us == other->timeout_us)
            return session;
    }
    return NULL;
}

/* Another attempt, behind a pause, or why there is none. `err`: what the last one failed with. */
static int may_try(struct wr_postgres_session *session, struct wr_error *err) {
    int next = wr_patience_again(&session->patience, err->text);
    return next == WR_EEND      ? wr_patience_gone(&session->patience, "W603", err)
           : next == WR_ECANCEL ? wr_patience_stopped(&session->patience, err)
                                : WR_OK;
}

static int connect_first(struct wr_postgres_session *session, int patient, struct wr_error *err) {
    struct wr_error own, *error = err != NULL ? err : &own;
    for (;;) {
        int status = wr_postgres_connect(&session->connection, &session->postgres, session->env,
                                         session->mark, session->patience.stop, error);
        if (status == WR_OK)
            wr_patience_well(&session->patience);
        if (status != WR_EAGAIN)
            return status;
        if (!patient && !wr_postgres_is_starting(error))
            return wr_postgres_final(status, error);
        status = may_try(session, error);
        if (status != WR_OK)
            return status;
    }
}

/* Its sink is told of what is waited for now. */
static void serve(struct wr_postgres_session *session, const struct wr_sink *sink,
                  struct wr_trouble *trouble) {
    session->patience.stop = session->postgres.stop = sink->stop;
    session->patience.warn = sink->warn;
    session->patience.warn_ctx = sink->warn_ctx;
    session->patience.trouble = trouble;
}

void wr_postgres_session_serve(struct wr_postgres_session *session,
                               const struct wr_postgres_user *user) {
    struct wr_sink *sink = user->sink;
    serve(session, sink, &sink->trouble);
}

int wr_postgres_session_open(struct wr_postgres_session **made, struct wr_sink *sink,
                             const struct wr_postgres *postgres, int patient,
                             struct wr_error *err) {
    const struct wr_env *env = sink->env;
    int status = WR_OK;
    pthread_mutex_lock(&list_lock);
    struct wr_postgres_session *session = find(env, postgres);
    if (session == NULL) {
        session = wr_alloc_zero(&wr_budget_control, sizeof *session);
        if (session != NULL) {
            session->env = env;
            session->postgres = *postgres;
            session->postgres.stop = sink->stop;
            session->kept_end = &session->kept;
            wr_patience_init(&session->patience, &postgres->retry, postgres->place, sink);
            snprintf(session->mark, sizeof session->mark, "weir-%016" PRIx64, env->random_u64(env));
            status = connect_first(session, patient, err);
        } else {
            status = wr_error_set(err, WR_ENOMEM, "%s: out of memory", postgres->place);
        }
        if (status == WR_OK) {
            session->next = list;
            list = session;
        } else {
            wr_free(&wr_budget_control, session);
        }
    } else if (session->broken) {
        status =
            wr_error_set(err, WR_EIO, "%s: an earlier error stopped all writing", postgres->place);
    }
    if (status == WR_OK) {
        session->user_count++;
        *made = session;
    }
    pthread_mutex_unlock(&list_lock);
    return status;
}

void wr_postgres_session_forget(struct wr_postgres_session *session) {
    while (session->kept != NULL) {
        struct wr_postgres_piece *piece = session->kept;
        session->kept = piece->next;
        if (!piece->is_lent)
            piece->user->free_piece(piece);
    }
    session->kept_end = &session->kept;
    session->kept_bytes = 0;
}

void wr_postgres_session_break(struct wr_postgres_session *session) {
    if (session->connection != NULL && session->in_transaction)
        (void)wr_postgres_run(&session->postgres, session->connection, "rollback", "roll back",
                              NULL);
    session->is_entered = session->in_transaction = 0;
    session->broken = 1;
    wr_postgres_session_forget(session);
}

void wr_postgres_session_close(struct wr_postgres_session *session, struct wr_postgres_user *user) {
    pthread_mutex_lock(&list_lock);
    if (user->is_begun)
        wr_postgres_session_break(session);
    user->is_begun = user->is_in = 0;
    for (struct wr_postgres_user **link = &session->users; *link != NULL; link = &(*link)->next)
        if (*link == user) {
            *link = user->next;
            break;
        }
    WR_ASSERT(session->user_count > 0);
    if (--session->user_count == 0) {
        struct wr_postgres_session **link = &list;
        while (*link != session)
            link = &(*link)->next;
        *link = session->next;
        wr_postgres_session_forget(session);
        wr_postgres_close(&session->connection);
        wr_free(&wr_budget_control, session);
    }
    pthread_mutex_unlock(&list_lock);
}

int wr_postgres_session_is_broken(const struct wr_postgres_session *session) {
    return session->broken;
}

const struct wr_postgres *wr_postgres_session_place(const struct wr_postgres_session *session) {
    return &session->postgres;
}

PGconn *wr_postgres_session_connection(const struct wr_postgres_session *session) {
    return session->connection;
}

uint64_t wr_postgres_session_generation(const struct wr_postgres_session *session) {
    return session->generation;
}

const char *wr_postgres_session_mark(const struct wr_postgres_session *session) {
    return session->has_mark ? "release savepoint weir_piece; savepoint weir_piece"
                             : "savepoint weir_piece";
}

int wr_postgres_session_failed(const struct wr_postgres_session *session, const PGresult *result,
                               const char *what, struct wr_error *err) {
    int status = wr_postgres_failed(&session->postgres, session->connection, result, what, err);
    if (status == WR_EAGAIN || !wr_postgres_is_of_row(wr_postgres_sqlstate(result)))
        return status;
    char message[WR_ERROR_TEXT_MAX / 2];
    wr_postgres_message(session->connection, result, message, sizeof message);
    return wr_error_set(err, WR_EBADROW, "%s", message);
}

static int stopped(const struct wr_postgres_session *session, struct wr_error *err) {
    return wr_error_set(err, WR_EIO, "%s: an earlier error stopped all writing",
                        session->postgres.place);
}

/* ---- going on after a loss ------------------------------------------------------------------ */

/* Ends what the server still holds of an old connection: its locks, and its transaction. */
static int end_old(struct wr_postgres_session *session, struct wr_error *err) {
    const char *mark = session->mark;
    PGresult *rows = NULL;
    int status = wr_postgres_ask(&session->postgres, session->connection,
                                 "select pg_terminate_backend(pid) from pg_stat_activity where "
                                 "application_name = $1 and pid <> pg_backend_pid()",
                                 &mark, 1, &rows, err);
    if (status == WR_OK)
        wr_pq()->PQclear(rows);
    return status;
}

/* Whether a row is what the commit that was tried would have made it. */
static int says(const struct wr_postgres_found *found, const struct wr_postgres_user *user) {
    return found->exists && found->rows == user->rows && found->epoch == user->epoch &&
           found->finished == user->finished;
}

/* Takes the fences that are this instance's. *happened: the rows say that the commit that was
 * tried is done: all of them, since it may have left one as it was. */
static int take_own(struct wr_postgres_session *session, int committing, int *happened,
                    struct wr_error *err) {
    int tried = 0, done = 0;
    for (struct wr_postgres_user *user = session->users; user != NULL; user = user->next) {
        struct wr_postgres_found found;
        tried += user->has_state && user->is_in;
        if (!user->has_state || (user->fence == 0 && !committing))
            continue;
        int status = wr_postgres_commit_take(&session->postgres, session->connection, user,
                                             session->mark, 1, &found, err);
        if (status == WR_OK && !found.exists && user->fence > 0)
            status = wr_postgres_commit_fenced(&session->postgres, user, err);
        if (status != WR_OK)
            return status;
        done += user->is_in && says(&found, user);
    }
    *happened |= committing && tried > 0 && done == tried;
    return WR_OK;
}

/* Without a state the server tells by the number of the transaction: WR_EAGAIN while it is still
 * under way. */
static int ask_transaction(struct wr_postgres_session *session, int *happened,
                           struct wr_error *err) {
    const char *number = session->transaction;
    if (number[0] == 0 || *happened)
        return WR_OK;
    PGresult *rows = NULL;
    int status = wr_postgres_ask(&session->postgres, session->connection,
                                 "select pg_xact_status($1::xid8)", &number, 1, &rows, err);
    if (status != WR_OK)
        return status;
    const char *word = wr_pq()->PQgetvalue(rows, 0, 0);
    *happened = strcmp(word, "committed") == 0;
    if (strcmp(word, "in progress") == 0)
        status = wr_error_set(err, WR_EAGAIN, "%s: the commit is still under way",
                              session->postgres.place);
    wr_pq()->PQclear(rows);
    return status;
}

static int begin_transaction(struct wr_postgres_session *session, struct wr_error *err) {
    session->has_mark = 0;
    session->transaction[0] = 0;
    int status = wr_postgres_run(&session->postgres, session->connection, "begin", "begin", err);
    session->in_transaction = status == WR_OK;
    return status;
}

int wr_postgres_session_write_again(struct wr_postgres_session *session, struct wr_error *err) {
    int status = begin_transaction(session, err);
    for (struct wr_postgres_user *user = session->users; user != NULL && status == WR_OK;
         user = user->next)
        if (user->is_in)
            status = user->again(user, err);
    for (struct wr_postgres_piece *piece = session->kept; piece != NULL && status == WR_OK;
         piece = piece->next) {
        status = piece->user->send(piece->user, piece, err);
        session->has_mark |= status == WR_OK;
    }
    return status;
}

static int connect_again(struct wr_postgres_session *session, int committing, int *happened,
                         struct wr_error *err) {
    wr_postgres_close(&session->connection);
    session->generation++;
    int status = wr_postgres_connect(&session->connection, &session->postgres, session->env,
                                     session->mark, session->patience.stop, err);
    if (status == WR_OK)
        status = end_old(session, err);
    if (status == WR_OK)
        status = take_own(session, committing, happened, err);
    if (status == WR_OK && committing)
        status = ask_transaction(session, happened, err);
    return status;
}

int wr_postgres_session_recover(struct wr_postgres_session *session, int committing, int *happened,
                                struct wr_error *err) {
    struct wr_error own = {0}, *error = err != NULL ? err : &own;
    int status = WR_EAGAIN, none = 0;
    happened = happened != NULL ? happened : &none;
    session->in_transaction = 0;
    while (status == WR_EAGAIN) {
        status = may_try(session, error);
        if (status == WR_OK)
            status = connect_again(session, committing, happened, error);
        if (status != WR_OK || *happened)
            continue;
        committing = 0; /* it has not happened, and cannot any more */
        if (session->forgotten) {
            wr_error_set(error, WR_EIO,
                         "%s: the connection was lost in an epoch of more than "
                         "%llu MB, which is not kept",
                         session->postgres.place, (unsigned long long)(WR_POSTGRES_KEPT_MAX >> 20));
            wr_error_code(error, "W603");
            wr_error_help(error,
                          "run it again: with `--state` it goes on from the last checkpoint");
            status = WR_EIO;
        } else if (session->is_entered) {
            status = wr_postgres_session_write_again(session, error);
        }
    }
    if (status != WR_OK)
        wr_postgres_session_break(session);
    return status;
}

/* ---- epochs --------------------------------------------------------------------------------- */

int wr_postgres_session_take(struct wr_postgres_session *session, struct wr_postgres_user *user,
                             struct wr_postgres_found *found, struct wr_error *err) {
    return wr_postgres_final(wr_postgres_commit_take(&session->postgres, session->connection, user,
                                                     session->mark, 0, found, err),
                             err);
}

int wr_postgres_session_look(struct wr_postgres_session *session,
                             const struct wr_postgres_user *user, struct wr_postgres_found *found,
                             struct wr_error *err) {
    return wr_postgres_final(
        wr_postgres_commit_look(&session->postgres, session->connection, user, found, err), err);
}

static void know(struct wr_postgres_session *session, struct wr_postgres_user *user) {
    struct wr_postgres_user **link = &session->users;
    while (*link != NULL && *link != user)
        link = &(*link)->next;
    if (*link == NULL) {
        user->next = NULL;
        *link = user;
    }
}

int wr_postgres_session_begin(struct wr_postgres_session *session, struct wr_postgres_user *user,
                              struct wr_error *err) {
    if (session->broken)
        return stopped(session, err);
    know(session, user);
    session->begun_count++;
    user->is_begun = 1;
    return WR_OK;
}

int wr_postgres_session_enter(struct wr_postgres_session *session, struct wr_postgres_user *user,
                              struct wr_error *err) {
    if (session->broken)
        return stopped(session, err);
    WR_ASSERT(user->is_begun);
    int status = WR_OK;
    wr_postgres_session_serve(session, user);
    if (!session->is_entered)
        status = begin_transaction(session, err);
    while (status == WR_EAGAIN) { /* the connection was lost while nothing was written */
        status = wr_postgres_session_recover(session, 0, NULL, err);
        if (status == WR_OK)
            status = begin_transaction(session, err);
    }
    if (status != WR_OK)
        return status;
    if (!session->is_entered)
        wr_patience_well(&session->patience);
    session->is_entered = user->is_in = 1;
    return WR_OK;
}

/* Nothing is written any more. A table that another instance has changed under this one is no fault
 * of the table. */
static int give_up(struct wr_postgres_session *session, int status, struct wr_error *err) {
    wr_postgres_session_break(session);
    if (status == WR_ECANCEL)
        return status;
    struct wr_postgres_found found;
    for (struct wr_postgres_user *user = session->users; user != NULL; user = user->next)
        if (user->has_state && user->fence > 0 &&
            wr_postgres_commit_take(&session->postgres, session->connection, user, session->mark, 1,
                                    &found, NULL) == WR_OK &&
            !found.exists)
            return wr_postgres_commit_fenced(&session->postgres, user, err);
    return status;
}

int wr_postgres_session_do(struct wr_postgres_session *session, struct wr_postgres_user *user,
                           int (*call)(struct wr_postgres_user *, struct wr_error *),
                           struct wr_error *err) {
    if (session->broken)
        return stopped(session, err);
    WR_ASSERT(user->is_in);
    wr_postgres_session_serve(session, user);
    int status = call(user, err);
    while (status == WR_EAGAIN) {
        status = wr_postgres_session_recover(session, 0, NULL, err);
        if (status == WR_OK)
            status = call(user, err);
    }
    if (status != WR_OK)
        return give_up(session, status, err);
    wr_patience_well(&session->patience);
    return WR_OK;
}

static int go_back(struct wr_postgres_session *session, struct wr_error *err) {
    return wr_postgres_run(&session->postgres, session->connection,
                           "rollback to savepoint weir_piece", "go back", err);
}

/* Its row stays wrong, whatever happens to the connection meanwhile. */
static int refused(struct wr_postgres_session *session, struct wr_error *err) {
    struct wr_error other;
    int status = go_back(session, &other);
    if (status == WR_EAGAIN) {
        status = wr_postgres_session_recover(session, 0, NULL, &other);
        if (status == WR_OK)
            wr_patience_well(&session->patience);
    } else {
        session->has_mark = 1;
    }
    if (status == WR_OK)
        return WR_EBADROW;
    if (err != NULL)
        *err = other;
    wr_postgres_session_break(session);
    return status;
}

static void keep(struct wr_postgres_session *session, struct wr_postgres_piece *piece) {
    session->forgotten |= session->kept_bytes + piece->bytes > WR_POSTGRES_KEPT_MAX;
    if (session->forgotten) {
        if (!piece->is_lent)
            piece->user->free_piece(piece);
        wr_postgres_session_forget(session);
        return;
    }
    piece->next = NULL;
    *session->kept_end = piece;
    session->kept_end = &piece->next;
    session->kept_bytes += piece->bytes;
}

int wr_postgres_session_write(struct wr_postgres_session *session, struct wr_postgres_piece *piece,
                              struct wr_error *err) {
    if (session->broken)
        return stopped(session, err);
    WR_ASSERT(session->in_transaction);
    wr_postgres_session_serve(session, piece->user);
    int status = piece->user->send(piece->user, piece, err);
    while (status == WR_EAGAIN) {
        status = wr_postgres_session_recover(session, 0, NULL, err);
        if (status == WR_OK)
            status = piece->user->send(piece->user, piece, err);
    }
    if (status == WR_OK || status == WR_EBADROW)
        wr_patience_well(&session->patience);
    if (status == WR_EBADROW)
        return refused(session, err);
    if (status != WR_OK)
        return session->broken ? status : give_up(session, status, err);
    session->has_mark = 1;
    keep(session, piece);
    return WR_OK;
}

/* What the transaction is called, where no row of `weir_commit` tells. */
static int number_transaction(struct wr_postgres_session *session, struct wr_error *err) {
    PGresult *rows = NULL;
    for (struct wr_postgres_user *user = session->users; user != NULL; user = user->next)
        if (user->is_in && user->has_state)
            return WR_OK;
    int status = wr_postgres_ask(&session->postgres, session->connection,
                                 "select pg_current_xact_id()", NULL, 0, &rows, err);
    if (status != WR_OK)
        return status;
    snprintf(session->transaction, sizeof session->transaction, "%s",
             wr_pq()->PQgetvalue(rows, 0, 0));
    wr_pq()->PQclear(rows);
    return WR_OK;
}

/* *asked: the commit itself was sent, so that nobody knows but the server. */
static int try_commit(struct wr_postgres_session *session, int *asked, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    int status = number_transaction(session, err);
    for (struct wr_postgres_user *user = session->users; user != NULL && status == WR_OK;
         user = user->next)
        if (user->is_in && user->has_state) {
            status = wr_postgres_commit_say(&session->postgres, session->connection, user,
                                            session->mark, err);
            if (status == WR_OK)
                status =
                    wr_postgres_refused_write(&session->postgres, session->connection, user, err);
        }
    if (status != WR_OK)
        return status;
    *asked = 1;
    PGresult *result = wr_postgres_exec(&session->postgres, session->connection, "commit");
    if (pq->PQresultStatus(result) != PGRES_COMMAND_OK)
        status = wr_postgres_commit_failed(&session->postgres, session->connection, result, err);
    else if (strcmp(pq->PQcmdStatus(result), "COMMIT") != 0)
        status = wr_error_set(err, WR_EIO, "%s: commit: the server rolled back",
                              session->postgres.place);
    pq->PQclear(result);
    return status;
}

static void committed(struct wr_postgres_session *session) {
    session->is_entered = session->in_transaction = 0;
    session->forgotten = session->has_mark = 0;
    session->transaction[0] = 0;
    wr_postgres_session_forget(session);
    for (struct wr_postgres_user *user = session->users; user != NULL; user = user->next) {
        if (user->is_in && user->has_state && user->fence == 0)
            user->fence = 1;
        user->has_refused |= user->refused.count > 0;
        wr_postgres_refused_release(&user->refused);
        user->is_begun = user->is_in = 0;
    }
}

int wr_postgres_session_commit(struct wr_postgres_session *session, struct wr_postgres_user *user,
                               struct wr_error *err) {
    WR_ASSERT(session->begun_count > 0 && user->is_begun);
    if (session->broken)
        return stopped(session, err);
    if (--session->begun_count > 0)
        return WR_OK;
    if (!session->is_entered) { /* nothing came, and the server hears nothing */
        committed(session);
        return WR_OK;
    }
    wr_postgres_session_serve(session, user);
    session->begun_count = 1; /* while it is tried, this user's rows are still to be written */
    int happened = 0, asked = 0;
    int status = try_commit(session, &asked, err);
    while (status == WR_EAGAIN && !happened) {
        status = wr_postgres_session_recover(session, asked, &happened, err);
        asked = 0;
        if (status == WR_OK && !happened)
            status = try_commit(session, &asked, err);
    }
    session->begun_count = 0;
    if (status == WR_OK) {
        wr_patience_well(&session->patience);
        committed(session);
    } else {
        wr_postgres_session_break(session);
    }
    return status;
}
