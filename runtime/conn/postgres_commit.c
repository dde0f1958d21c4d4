/* postgres_commit.c: see postgres_commit.h. */
#include "conn/postgres_commit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/postgres_own.h"
#include "base/banned.h"

#define TABLE "weir_commit"
#define NUMBER_MAX 24

static const char columns[] =
    "sink bigint primary key, name text not null, epoch bigint not null, "
    "rows bigint not null, finished boolean not null, fence bigint not null, "
    "owner text not null, at timestamptz not null default now()";

struct numbers {
    char texts[7][NUMBER_MAX];
    const char *values[7];
};

static void give(struct numbers *numbers, int at, uint64_t value) {
    snprintf(numbers->texts[at], NUMBER_MAX, "%" PRIu64, value);
    numbers->values[at] = numbers->texts[at];
}

/* `before` and `behind` the table's name. The user's number is $1, `owner` is $2; NULL: none. */
static int ask_row(const struct wr_postgres *postgres, PGconn *connection,
                   const struct wr_postgres_user *user, const char *before, const char *behind,
                   const char *owner, PGresult **rows, struct wr_error *err) {
    struct wr_buf sql;
    struct numbers numbers = {0};
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, before);
    wr_postgres_own_add(&sql, user, TABLE);
    wr_buf_add_text(&sql, behind);
    if (sql.status != WR_OK)
        return wr_postgres_own_memory(postgres, &sql, err);
    give(&numbers, 0, user->id);
    numbers.values[1] = owner;
    int status = wr_postgres_ask(postgres, connection, sql.bytes, numbers.values,
                                 owner == NULL ? 1 : 2, rows, err);
    wr_buf_release(&sql);
    return status;
}

/* Its first columns are fence, rows, epoch, finished. */
static void read_found(PGresult *rows, uint64_t *fence, struct wr_postgres_found *found) {
    const struct wr_pq *pq = wr_pq();
    found->exists = pq->PQntuples(rows) > 0;
    if (found->exists) {
        *fence = strtoull(pq->PQgetvalue(rows, 0, 0), NULL, 10);
        found->rows = strtoull(pq->PQgetvalue(rows, 0, 1), NULL, 10);
        found->epoch = strtoull(pq->PQgetvalue(rows, 0, 2), NULL, 10);
        found->finished = pq->PQgetvalue(rows, 0, 3)[0] == 't';
    }
    pq->PQclear(rows);
}

int wr_postgres_commit_take(const struct wr_postgres *postgres, PGconn *connection,
                            struct wr_postgres_user *user, const char *owner, int mine,
                            struct wr_postgres_found *found, struct wr_error *err) {
    int there = 0;
    PGresult *rows = NULL;
    *found = (struct wr_postgres_found){0};
    int status = wr_postgres_own_is_there(postgres, connection, user, TABLE, &there, err);
    if (status != WR_OK || !there)
        return status;
    status = ask_row(postgres, connection, user, "update ",
                     mine ? " set fence = fence + 1, owner = $2 where sink = $1 and owner = $2 "
                            "returning fence, rows, epoch, finished"
                          : " set fence = fence + 1, owner = $2 where sink = $1 returning fence, "
                            "rows, epoch, finished",
                     owner, &rows, err);
    if (status == WR_OK)
        read_found(rows, &user->fence, found);
    return status;
}

int wr_postgres_commit_look(const struct wr_postgres *postgres, PGconn *connection,
                            const struct wr_postgres_user *user, struct wr_postgres_found *found,
                            struct wr_error *err) {
    int there = 0;
    uint64_t fence;
    PGresult *rows = NULL;
    *found = (struct wr_postgres_found){0};
    int status = wr_postgres_own_is_there(postgres, connection, user, TABLE, &there, err);
    if (status == WR_OK && there)
        status = ask_row(postgres, connection, user, "select fence, rows, epoch, finished from ",
                         " where sink = $1", NULL, &rows, err);
    if (status == WR_OK && there)
        read_found(rows, &fence, found);
    return status;
}

int wr_postgres_commit_fenced(const struct wr_postgres *postgres,
                              const struct wr_postgres_user *user, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED,
                 "%s/%s: another instance of this pipeline has taken over: nothing more is written",
                 postgres->place, user->name);
    wr_error_code(err, "W617");
    wr_error_help(err, "two runs go on from copies of one state directory; leave one of them");
    return WR_EREFUSED;
}

int wr_postgres_commit_failed(const struct wr_postgres *postgres, PGconn *connection,
                              const PGresult *result, struct wr_error *err) {
    int status = wr_postgres_failed(postgres, connection, result, "commit", err);
    if (status != WR_EAGAIN && wr_postgres_is_of_row(wr_postgres_sqlstate(result)))
        wr_postgres_commit_help(0, err);
    return status;
}

void wr_postgres_commit_help(int is_large, struct wr_error *err) {
    wr_error_help(
        err,
        "a constraint that is deferred to the commit fails all rows of it%s: let it be "
        "checked at once (`initially immediate`), and the row that breaks it is a reject, "
        "and the run goes on",
        is_large ? ", and these are too many to be tried one by one (a shorter "
                   "`checkpoint` makes them fewer)"
                 : "");
}

int wr_postgres_commit_say(const struct wr_postgres *postgres, PGconn *connection,
                           const struct wr_postgres_user *user, const char *owner,
                           struct wr_error *err) {
    struct wr_buf sql;
    struct numbers numbers = {0};
    int status = user->fence == 0
                     ? wr_postgres_own_make(postgres, connection, user, TABLE, columns, err)
                     : WR_OK;
    if (status != WR_OK)
        return status;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, user->fence == 0 ? "insert into " : "update ");
    wr_postgres_own_add(&sql, user, TABLE);
    wr_buf_add_text(&sql, user->fence == 0
                              ? " (sink, epoch, rows, finished, fence, name, owner) values "
                                "($1, $2, $3, $4, 1, $5, $6) on conflict do nothing"
                              : " set epoch = $2, rows = $3, finished = $4, name = $5, "
                                "at = now() where sink = $1 and owner = $6 and fence = $7");
    if (sql.status != WR_OK)
        return wr_postgres_own_memory(postgres, &sql, err);
    give(&numbers, 0, user->id);
    give(&numbers, 1, user->epoch);
    give(&numbers, 2, user->rows);
    numbers.values[3] = user->finished ? "true" : "false";
    numbers.values[4] = user->name;
    numbers.values[5] = owner;
    give(&numbers, 6, user->fence);
    PGresult *result = NULL;
    status = wr_postgres_ask(postgres, connection, sql.bytes, numbers.values,
                             user->fence == 0 ? 6 : 7, &result, err);
    wr_buf_release(&sql);
    if (status != WR_OK)
        return status;
    int changed = strcmp(wr_pq()->PQcmdTuples(result), "1") == 0;
    wr_pq()->PQclear(result);
    return changed ? WR_OK : wr_postgres_commit_fenced(postgres, user, err);
}
