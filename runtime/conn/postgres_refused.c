/* postgres_refused.c: see postgres_refused.h. */
#include "conn/postgres_refused.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "conn/postgres_own.h"
#include "conn/postgres_type.h"
#include "base/banned.h"

#define TABLE "weir_refused"
#define NUMBER_MAX 24
#define COLUMNS 3 /* sink, row, detail */

void wr_postgres_refused_init(struct wr_postgres_refused *refused) {
    wr_buf_init(&refused->rows, &wr_budget_control, 0);
    refused->count = 0;
}

void wr_postgres_refused_release(struct wr_postgres_refused *refused) {
    wr_buf_release(&refused->rows);
    refused->count = 0;
}

int wr_postgres_refused_add(struct wr_postgres_refused *refused, uint64_t number,
                            const char *detail) {
    size_t length = strlen(detail);
    wr_buf_add_u64(&refused->rows, number);
    wr_buf_add_u64(&refused->rows, length);
    wr_buf_add(&refused->rows, detail, length + 1);
    refused->count += refused->rows.status == WR_OK;
    return refused->rows.status;
}

/* The next one, or 0. */
static int next(struct wr_reader *at, uint64_t *number, const char **detail) {
    if (at->at >= at->length)
        return 0;
    *number = wr_reader_u64(at);
    uint64_t length = wr_reader_u64(at);
    *detail = wr_reader_bytes(at, length + 1);
    return !at->failed;
}

const char *wr_postgres_refused_find(const struct wr_postgres_refused *refused, uint64_t number,
                                     struct wr_reader *at) {
    uint64_t found;
    const char *detail;
    at->bytes = refused->rows.bytes;
    at->length = refused->rows.length;
    for (size_t before = at->at; next(at, &found, &detail); before = at->at) {
        if (found == number)
            return detail;
        if (found > number) {
            at->at = before;
            return NULL;
        }
    }
    return NULL;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* One array a column, one behind the other; ends[c]: where that of a column ends. */
static int fill(const struct wr_postgres_user *user, struct wr_buf *out, int ends[COLUMNS]) {
    struct wr_type types[COLUMNS] = {WR_TYPE(WR_INT64), WR_TYPE(WR_INT64), WR_TYPE(WR_STRING)};
    for (int c = 0; c < COLUMNS; c++) {
        struct wr_reader at = {user->refused.rows.bytes, user->refused.rows.length, 0, 0};
        uint64_t number;
        const char *detail;
        wr_postgres_put_array(out, &types[c], user->refused.count);
        while (next(&at, &number, &detail)) {
            uint64_t value = __builtin_bswap64(c == 0 ? user->id : number);
            wr_postgres_put32(out,
                              c == COLUMNS - 1 ? (uint32_t)strlen(detail) : (uint32_t)sizeof value);
            wr_buf_add(out, c == COLUMNS - 1 ? detail : (const char *)&value,
                       c == COLUMNS - 1 ? strlen(detail) : sizeof value);
        }
        ends[c] = (int)out->length;
    }
    return out->status;
}

static int insert(const struct wr_postgres *postgres, PGconn *connection,
                  const struct wr_postgres_user *user, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    struct wr_buf sql, arrays;
    int ends[COLUMNS], lengths[COLUMNS], formats[COLUMNS];
    const char *values[COLUMNS];
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_init(&arrays, &wr_budget_control, INT32_MAX);
    wr_buf_add_text(&sql, "insert into ");
    wr_postgres_own_add(&sql, user, TABLE);
    wr_buf_add_text(&sql, " select * from unnest($1::int8[], $2::int8[], $3::text[])");
    int status = fill(user, &arrays, ends);
    if (status != WR_OK || sql.status != WR_OK) {
        wr_buf_release(&arrays);
        return wr_postgres_own_memory(postgres, &sql, err);
    }
    for (int c = 0; c < COLUMNS; c++) {
        int from = c == 0 ? 0 : ends[c - 1];
        values[c] = arrays.bytes + from;
        lengths[c] = ends[c] - from;
        formats[c] = 1;
    }
    int sent =
        pq->PQsendQueryParams(connection, sql.bytes, COLUMNS, NULL, values, lengths, formats, 0);
    PGresult *result = wr_postgres_answer(postgres, connection, sent);
    if (pq->PQresultStatus(result) != PGRES_COMMAND_OK)
        status = wr_postgres_failed(postgres, connection, result, "weir_refused", err);
    pq->PQclear(result);
    wr_buf_release(&sql);
    wr_buf_release(&arrays);
    return status;
}

/* One statement with the sink's number and another one. */
static int ask(const struct wr_postgres *postgres, PGconn *connection, const char *before,
               const struct wr_postgres_user *user, const char *behind, uint64_t number,
               PGresult **rows, struct wr_error *err) {
    struct wr_buf sql;
    char texts[2][NUMBER_MAX];
    const char *values[2] = {texts[0], texts[1]};
    snprintf(texts[0], NUMBER_MAX, "%" PRIu64, user->id);
    snprintf(texts[1], NUMBER_MAX, "%" PRIu64, number);
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, before);
    wr_postgres_own_add(&sql, user, TABLE);
    wr_buf_add_text(&sql, behind);
    if (sql.status != WR_OK)
        return wr_postgres_own_memory(postgres, &sql, err);
    int status = wr_postgres_ask(postgres, connection, sql.bytes, values, 2, rows, err);
    wr_buf_release(&sql);
    return status;
}

int wr_postgres_refused_write(const struct wr_postgres *postgres, PGconn *connection,
                              struct wr_postgres_user *user, struct wr_error *err) {
    PGresult *rows = NULL;
    int status = WR_OK;
    if (user->has_refused) {
        status = ask(postgres, connection, "delete from ", user, " where sink = $1 and row <= $2",
                     user->rows_safe, &rows, err);
        wr_pq()->PQclear(rows);
    }
    if (status != WR_OK || user->refused.count == 0)
        return status;
    status = wr_postgres_own_make(postgres, connection, user, TABLE,
                                  "sink bigint not null, row bigint not null, "
                                  "detail text not null, primary key (sink, row)",
                                  err);
    return status == WR_OK ? insert(postgres, connection, user, err) : status;
}

/* ---- reading -------------------------------------------------------------------------------- */

int wr_postgres_refused_read(const struct wr_postgres *postgres, PGconn *connection,
                             struct wr_postgres_user *user, struct wr_postgres_refused *refused,
                             struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGresult *rows = NULL;
    int there = 0;
    int status = wr_postgres_own_is_there(postgres, connection, user, TABLE, &there, err);
    user->has_refused = there;
    if (status == WR_OK && there)
        status = ask(postgres, connection, "select row, detail from ", user,
                     " where sink = $1 and row > $2 order by row", user->rows_safe, &rows, err);
    for (int i = 0; status == WR_OK && there && i < pq->PQntuples(rows); i++)
        status = wr_postgres_refused_add(refused, strtoull(pq->PQgetvalue(rows, i, 0), NULL, 10),
                                         pq->PQgetvalue(rows, i, 1));
    if (rows != NULL)
        pq->PQclear(rows);
    return status == WR_ENOMEM ? wr_error_set(err, status, "%s: out of memory", postgres->place)
                               : status;
}
