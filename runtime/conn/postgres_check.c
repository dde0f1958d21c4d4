/* postgres_check.c: see postgres_check.h. */
#include "conn/postgres_check.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/conn.h"
#include "conn/postgres_commit.h"
#include "base/banned.h"

#define PASSES_MAX 16u   /* over what is put aside, before all of it is tried together */
#define ATTEMPTS_MAX 100 /* each but the first because the connection was lost meanwhile */

/* What the transaction had, which stays until all of it is settled. */
struct check {
    struct wr_postgres_session *session;
    struct wr_postgres_piece **pieces;
    uint32_t count;
    int is_strict; /* what cannot stand where it is, is bad */
};

/* WR_EBADROW: some row breaks a constraint. What comes behind it comes in any order, too. */
static int ask(struct wr_postgres_session *session, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGresult *result =
        wr_postgres_exec(&session->postgres, session->connection,
                         "set constraints all immediate; set constraints all deferred");
    int status = pq->PQresultStatus(result) == PGRES_COMMAND_OK
                     ? WR_OK
                     : wr_postgres_session_failed(session, result, "check", err);
    pq->PQclear(result);
    return status;
}

static int run(struct wr_postgres_session *session, const char *sql, struct wr_error *err) {
    return wr_postgres_run(&session->postgres, session->connection, sql, "check", err);
}

/* The transaction is empty again, but for what sinks make in it. */
static int begin_anew(struct check *check, struct wr_error *err) {
    struct wr_postgres_session *session = check->session;
    wr_postgres_session_forget(session);
    int status = run(session, "rollback", err);
    session->in_transaction = 0;
    return status == WR_OK ? wr_postgres_session_write_again(session, err) : status;
}

enum which { ALL, THESE, OTHERS };

/* Writes the rows of all pieces: all, those that are `bad`, or all others. What the server refuses
 * at once stands in `tried` then. */
static int put(struct check *check, enum which which, struct wr_error *err) {
    struct wr_postgres_session *session = check->session;
    static const struct wr_postgres_refused none;
    int status = WR_OK;
    for (uint32_t i = 0; i < check->count && status == WR_OK; i++) {
        struct wr_postgres_piece *piece = check->pieces[i];
        struct wr_postgres_user *user = piece->user;
        int splits = piece->has_rows, whole = which == ALL || (which == OTHERS && !splits);
        if (!whole && splits)
            status = user->write_some(user, piece, &user->bad, which == OTHERS, &whole, err);
        if (status != WR_OK || !whole)
            continue;
        status = wr_postgres_session_write(session, piece, err);
        if (status == WR_EBADROW && splits) /* by halves */
            status = user->write_some(user, piece, &none, 1, NULL, err);
    }
    return status;
}

/* What was refused is what is bad now: how many rows that are. */
static uint32_t take_tried(struct wr_postgres_session *session) {
    uint32_t count = 0;
    for (struct wr_postgres_user *user = session->users; user != NULL; user = user->next) {
        wr_postgres_refused_release(&user->bad);
        user->bad = user->tried;
        wr_postgres_refused_init(&user->tried);
        count += user->bad.count;
    }
    return count;
}

static int has_tried(const struct wr_postgres_session *session) {
    int has = 0;
    for (const struct wr_postgres_user *user = session->users; user != NULL; user = user->next)
        has |= user->tried.count > 0;
    return has;
}

static void forget_tried(struct wr_postgres_session *session) {
    for (struct wr_postgres_user *user = session->users; user != NULL; user = user->next)
        wr_postgres_refused_release(&user->tried);
}

/* All that are bad at once, behind all others: they may wait for each other. *left: 0 then. */
static int put_together(struct check *check, uint32_t *left, struct wr_error *err) {
    struct wr_postgres_session *session = check->session;
    struct wr_error refused = {0};
    int status = run(session, "savepoint weir_together; set constraints all deferred", err);
    session->has_mark = 0; /* else releasing it would take the new savepoint with it */
    if (status == WR_OK)
        status = put(check, THESE, err);
    if (status == WR_OK)
        status = ask(session, &refused);
    if (status == WR_OK) {
        *left = take_tried(session);
        return WR_OK;
    }
    forget_tried(session);
    if (status == WR_EBADROW)
        return WR_OK;
    if (err != NULL && refused.status == status)
        *err = refused;
    return status;
}

/* Which rows cannot be there. */
static int find_bad(struct check *check, uint32_t *left, struct wr_error *err) {
    int status = begin_anew(check, err);
    if (status == WR_OK)
        status = run(check->session, "set constraints all immediate", err);
    if (status == WR_OK)
        status = put(check, ALL, err);
    uint32_t count = take_tried(check->session), before = 0;
    *left = count;
    for (uint32_t pass = 0;
         status == WR_OK && *left != before && pass < PASSES_MAX && !check->is_strict; pass++) {
        before = *left;
        status = put(check, THESE, err);
        *left = take_tried(check->session);
    }
    return status == WR_OK && *left > 1 && !check->is_strict ? put_together(check, left, err)
                                                             : status;
}

static int settle_once(struct check *check, struct wr_error *err) {
    uint32_t left = 0;
    int status = find_bad(check, &left, err);
    if (status == WR_OK)
        status = begin_anew(check, err);
    if (status == WR_OK)
        status = put(check, left > 0 ? OTHERS : ALL, err);
    if (status == WR_OK && has_tried(check->session)) /* another program was there meanwhile */
        return wr_error_set(err, WR_EBADROW,
                            "%s: rows that it took were refused when they came again",
                            check->session->postgres.place);
    return status == WR_OK ? ask(check->session, err) : status;
}

/* The pieces are the session's own. */
static int lend_pieces(struct check *check, struct wr_error *err) {
    struct wr_postgres_session *session = check->session;
    for (struct wr_postgres_piece *piece = session->kept; piece != NULL; piece = piece->next)
        check->count++;
    check->pieces = wr_alloc(&wr_budget_control, (check->count + 1) * sizeof(void *));
    if (check->pieces == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", session->postgres.place);
    uint32_t at = 0;
    for (struct wr_postgres_piece *piece = session->kept; piece != NULL; piece = piece->next) {
        piece->is_lent = 1;
        check->pieces[at++] = piece;
    }
    return WR_OK;
}

static void give_back(struct check *check) {
    for (struct wr_postgres_piece *piece = check->session->kept; piece != NULL; piece = piece->next)
        piece->is_lent = 0;
    for (uint32_t i = 0; i < check->count; i++)
        if (check->pieces[i]->is_lent)
            check->pieces[i]->user->free_piece(check->pieces[i]);
    wr_free(&wr_budget_control, check->pieces);
}

static int refuse_bad(struct check *check, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t i = 0; i < check->count && status == WR_OK; i++) {
        struct wr_postgres_piece *piece = check->pieces[i];
        if (piece->user->bad.count > 0)
            status = piece->user->refuse_some(piece->user, piece, &piece->user->bad, err);
    }
    return status;
}

/* What sinks count goes with rows that are written, and these were. */
static void count_again(struct wr_postgres_session *session, int is_end) {
    for (struct wr_postgres_user *user = session->users; user != NULL; user = user->next) {
        struct wr_sink *sink = user->sink;
        user->aside = is_end ? NULL : &user->tried;
        if (is_end) {
            sink->rows_written = user->rows_written - WR_MIN(user->bad.count, user->rows_written);
            sink->left_out = user->left_out;
        }
        user->rows_written = sink->rows_written;
        user->left_out = sink->left_out;
    }
}

static int settle(struct wr_postgres_session *session, struct wr_error *err) {
    struct check check = {.session = session};
    int status = lend_pieces(&check, err);
    if (status != WR_OK)
        return status;
    count_again(session, 0);
    for (uint32_t i = 0; i < ATTEMPTS_MAX; i++) {
        uint64_t generation = session->generation;
        forget_tried(session);
        status = settle_once(&check, err);
        if (status == WR_EAGAIN)
            status = wr_postgres_session_recover(session, 0, NULL, err);
        if (session->broken ||
            (generation == session->generation && (status != WR_EBADROW || check.is_strict)))
            break;
        check.is_strict |= status == WR_EBADROW;
    }
    count_again(session, 1);
    if (status == WR_OK)
        status = refuse_bad(&check, err);
    give_back(&check);
    for (struct wr_postgres_user *user = session->users; user != NULL; user = user->next)
        wr_postgres_refused_release(&user->bad);
    forget_tried(session);
    return status;
}

/* As a commit that fails, which it would. */
static int failed(const struct wr_postgres_session *session, struct wr_error *err) {
    char message[WR_ERROR_TEXT_MAX / 2];
    if (err == NULL)
        return WR_EIO;
    snprintf(message, sizeof message, "%.*s", (int)sizeof message - 1, err->text);
    wr_error_set(err, WR_EIO, "%s: commit: %s", session->postgres.place, message);
    wr_postgres_commit_help(session->forgotten, err);
    return WR_EIO;
}

int wr_postgres_session_is_deferred(const struct wr_postgres_session *session) {
    int is_deferred = 0;
    for (const struct wr_postgres_user *one = session->users; one != NULL; one = one->next)
        is_deferred |= one->is_in && one->is_deferred;
    return is_deferred;
}

int wr_postgres_session_check(struct wr_postgres_session *session, struct wr_postgres_user *user,
                              struct wr_error *err) {
    if (session->broken || ++session->checked_count < session->begun_count)
        return WR_OK; /* who prepares says that it is broken */
    session->checked_count = 0;
    if (!wr_postgres_session_is_deferred(session))
        return WR_OK;
    wr_postgres_session_serve(session, user);
    int status = ask(session, err);
    while (status == WR_EAGAIN) {
        status = wr_postgres_session_recover(session, 0, NULL, err);
        if (status == WR_OK)
            status = ask(session, err);
    }
    if (status == WR_EBADROW && !session->forgotten)
        status = settle(session, err);
    if (status == WR_EBADROW)
        status = failed(session, err);
    if (status != WR_OK && !session->broken)
        wr_postgres_session_break(session);
    if (status == WR_OK && err != NULL)
        err->status = WR_OK; /* of what was tried and refused */
    return status;
}
