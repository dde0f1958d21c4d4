/* postgres_send.c: see postgres_send.h. */
#include "conn/postgres_send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/conn.h"
#include "conn/postgres_undo_rows.h"
#include "conn/postgres_write.h"
#include "base/banned.h"

#define STATEMENT_NAME_MAX 32

static struct wr_postgres_writer *writer_of(struct wr_postgres_user *user) {
    return (struct wr_postgres_writer *)user;
}

static int no_memory(const struct wr_postgres_writer *writer, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", writer->sink->name);
}

static void release_arrays(struct wr_postgres_arrays *arrays) {
    wr_buf_release(&arrays->bytes);
    wr_free(&wr_budget_control, arrays->ends);
}

void wr_postgres_rows_free(struct wr_postgres_piece *base) {
    struct wr_postgres_rows *piece = (struct wr_postgres_rows *)base;
    release_arrays(&piece->insert);
    release_arrays(&piece->remove);
    release_arrays(&piece->remove_nil);
    release_arrays(&piece->keep);
    release_arrays(&piece->keep_nil);
    wr_buf_release(&piece->saved);
    wr_free(&wr_budget_control, piece->rows);
    wr_free(&wr_budget_control, piece);
}

static void name_of(const struct wr_postgres_writer *writer, enum wr_postgres_statement which,
                    char name[STATEMENT_NAME_MAX]) {
    static const char *const words[WR_POSTGRES_STATEMENTS] = {
        [WR_POSTGRES_COPY] = "copy",         [WR_POSTGRES_INSERT] = "insert",
        [WR_POSTGRES_REMOVE] = "remove",     [WR_POSTGRES_REMOVE_NIL] = "remove_nil",
        [WR_POSTGRES_REMEMBER] = "remember", [WR_POSTGRES_KEEP] = "keep",
        [WR_POSTGRES_KEEP_NIL] = "keep_nil",
    };
    snprintf(name, STATEMENT_NAME_MAX, "weir_%s_%u", words[which], writer->sink->node);
}

static int prepare_one(struct wr_postgres_writer *writer, enum wr_postgres_statement which,
                       struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    char name[STATEMENT_NAME_MAX];
    name_of(writer, which, name);
    PGconn *connection = wr_postgres_session_connection(writer->session);
    int sent = pq->PQsendPrepare(connection, name, writer->sql[which].bytes, 0, NULL);
    PGresult *result =
        wr_postgres_answer(wr_postgres_session_place(writer->session), connection, sent);
    int status = pq->PQresultStatus(result) == PGRES_COMMAND_OK
                     ? WR_OK
                     : wr_postgres_session_failed(writer->session, result, "prepare", err);
    pq->PQclear(result);
    return status == WR_EBADROW ? wr_error_set(err, WR_EIO, "%s: prepare", writer->sink->name)
                                : status;
}

static int prepare(struct wr_postgres_writer *writer, struct wr_error *err) {
    uint64_t generation = wr_postgres_session_generation(writer->session) + 1;
    int status = WR_OK;
    if (writer->prepared == generation)
        return WR_OK;
    for (int s = WR_POSTGRES_COPY + 1; s < WR_POSTGRES_STATEMENTS && status == WR_OK; s++)
        if (writer->sql[s].length > 0)
            status = prepare_one(writer, (enum wr_postgres_statement)s, err);
    if (status == WR_OK)
        writer->prepared = generation;
    return status;
}

/* Of `count` rows the server may have put in fewer: it says how many with each statement, and the
 * insert is the last. */
static void note_left_out(struct wr_postgres_writer *writer, PGresult *result, uint32_t count) {
    const char *put = wr_pq()->PQcmdTuples(result);
    uint64_t rows = put[0] == 0 ? count : strtoull(put, NULL, 10);
    int tells = !wr_postgres_table_has_only_key(writer->table);
    writer->left_out = tells && rows < count ? count - rows : 0;
}

/* Reads all answers up to the end; the first that is wrong counts. `count` rows go in. */
static int read_answers(struct wr_postgres_writer *writer, int pipelined, uint32_t count,
                        struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    const struct wr_postgres *postgres = wr_postgres_session_place(writer->session);
    PGconn *connection = wr_postgres_session_connection(writer->session);
    int status = WR_OK, nulls = 0;
    while (nulls < 2) { /* within a pipeline one NULL ends the answers of a statement */
        PGresult *result = wr_postgres_result(postgres, connection);
        if (result == NULL) {
            nulls = pipelined && pq->PQstatus(connection) == CONNECTION_OK ? nulls + 1 : 2;
            continue;
        }
        nulls = 0;
        ExecStatusType code = pq->PQresultStatus(result);
        if (code != PGRES_COMMAND_OK && code != PGRES_TUPLES_OK && code != PGRES_PIPELINE_SYNC &&
            code != PGRES_PIPELINE_ABORTED && status == WR_OK)
            status = wr_postgres_session_failed(writer->session, result, "write", err);
        if (code == PGRES_COMMAND_OK)
            note_left_out(writer, result, count);
        pq->PQclear(result);
        if (code == PGRES_PIPELINE_SYNC)
            break;
    }
    if (status == WR_OK && pq->PQstatus(connection) != CONNECTION_OK)
        status = wr_postgres_session_failed(writer->session, NULL, "write", err);
    return status;
}

static void add_empty(const struct wr_postgres_writer *writer, struct wr_buf *sql) {
    wr_buf_add_text(sql, "truncate ");
    wr_postgres_add_table(sql, &writer->undo->table);
}

static int send_copy(struct wr_postgres_writer *writer, const struct wr_postgres_rows *piece,
                     struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGconn *connection = wr_postgres_session_connection(writer->session);
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "%s; ", wr_postgres_session_mark(writer->session));
    if (piece->empties) {
        add_empty(writer, &sql);
        wr_buf_add_text(&sql, "; ");
    }
    if (piece->mark != 0) {
        wr_postgres_undo_rows_add_mark(&writer->undo->table, piece->mark, &sql);
        wr_buf_add_text(&sql, "; ");
    }
    const struct wr_buf *copy = &writer->sql[WR_POSTGRES_COPY];
    wr_buf_add(&sql, copy->bytes, copy->length);
    if (sql.status != WR_OK) {
        wr_buf_release(&sql);
        return no_memory(writer, err);
    }
    PGresult *result =
        wr_postgres_exec(wr_postgres_session_place(writer->session), connection, sql.bytes);
    wr_buf_release(&sql);
    int status = WR_OK;
    if (pq->PQresultStatus(result) != PGRES_COPY_IN)
        status = wr_postgres_session_failed(writer->session, result, "copy", err);
    pq->PQclear(result);
    if (status != WR_OK)
        return status;
    WR_ASSERT(piece->insert.bytes.length <= INT32_MAX);
    if (pq->PQputCopyData(connection, piece->insert.bytes.bytes, (int)piece->insert.bytes.length) !=
            1 ||
        pq->PQputCopyEnd(connection, NULL) != 1)
        return wr_postgres_session_failed(writer->session, NULL, "copy", err);
    return read_answers(writer, 0, piece->insert.count, err);
}

static int send_arrays(struct wr_postgres_writer *writer, enum wr_postgres_statement which,
                       const struct wr_postgres_arrays *arrays, uint32_t column_count) {
    if (arrays->count == 0)
        return 1;
    const struct wr_pq *pq = wr_pq();
    PGconn *connection = wr_postgres_session_connection(writer->session);
    char name[STATEMENT_NAME_MAX];
    name_of(writer, which, name);
    size_t room = column_count * (sizeof(char *) + 2 * sizeof(int));
    const char **values = wr_alloc(&wr_budget_control, room);
    if (values == NULL)
        return 0;
    int *lengths = (int *)(values + column_count), *formats = lengths + column_count;
    for (uint32_t c = 0; c < column_count; c++) {
        size_t from = c == 0 ? 0 : arrays->ends[c - 1];
        values[c] = arrays->bytes.bytes + from;
        lengths[c] = (int)(arrays->ends[c] - from);
        formats[c] = 1;
    }
    int sent =
        pq->PQsendQueryPrepared(connection, name, (int)column_count, values, lengths, formats, 1);
    wr_free(&wr_budget_control, values);
    return sent;
}

/* And gives it back. */
static int send_text(const struct wr_postgres_writer *writer, struct wr_buf *sql) {
    int sent = sql->status == WR_OK &&
               wr_pq()->PQsendQueryParams(wr_postgres_session_connection(writer->session),
                                          sql->bytes, 0, NULL, NULL, NULL, NULL, 1) == 1;
    wr_buf_release(sql);
    return sent;
}

static int send_empty(const struct wr_postgres_writer *writer) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    add_empty(writer, &sql);
    return send_text(writer, &sql);
}

static int send_row_mark(const struct wr_postgres_writer *writer, int64_t rows) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_postgres_undo_rows_add_mark(&writer->undo->table, rows, &sql);
    return send_text(writer, &sql);
}

/* The mark, what keys have, deletes and inserts at once; the answers behind them. */
static int send_all(struct wr_postgres_writer *writer, const struct wr_postgres_rows *piece,
                    struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGconn *connection = wr_postgres_session_connection(writer->session);
    const struct wr_postgres_table *table = writer->table;
    const char *mark = wr_postgres_session_mark(writer->session);
    const char *second = strchr(mark, ';');
    char first[64];
    snprintf(first, sizeof first, "%.*s",
             (int)(second == NULL ? strlen(mark) : (size_t)(second - mark)), mark);
    int sent = pq->PQenterPipelineMode(connection) == 1 &&
               pq->PQsendQueryParams(connection, first, 0, NULL, NULL, NULL, NULL, 1) == 1;
    if (sent && second != NULL)
        sent = pq->PQsendQueryParams(connection, second + 1, 0, NULL, NULL, NULL, NULL, 1) == 1;
    sent =
        sent && (!piece->empties || send_empty(writer) == 1) &&
        (piece->mark == 0 || send_row_mark(writer, piece->mark) == 1) &&
        send_arrays(writer, WR_POSTGRES_KEEP, &piece->keep, table->key_count + 1) == 1 &&
        send_arrays(writer, WR_POSTGRES_KEEP_NIL, &piece->keep_nil, table->key_count + 1) == 1 &&
        send_arrays(writer, WR_POSTGRES_REMOVE, &piece->remove, table->key_count) == 1 &&
        send_arrays(writer, WR_POSTGRES_REMOVE_NIL, &piece->remove_nil, table->key_count) == 1 &&
        (writer->gone == NULL ||
         (send_arrays(writer, WR_POSTGRES_REMEMBER, &piece->remove, table->key_count) == 1 &&
          send_arrays(writer, WR_POSTGRES_REMEMBER, &piece->remove_nil, table->key_count) == 1)) &&
        send_arrays(writer, WR_POSTGRES_INSERT, &piece->insert, table->schema->field_count) == 1 &&
        pq->PQpipelineSync(connection) == 1;
    int status = sent ? read_answers(writer, 1, piece->insert.count, err)
                      : wr_postgres_session_failed(writer->session, NULL, "write", err);
    if (pq->PQexitPipelineMode(connection) != 1 && status == WR_OK)
        status = wr_postgres_session_failed(writer->session, NULL, "write", err);
    return status;
}

int wr_postgres_rows_send(struct wr_postgres_user *user, struct wr_postgres_piece *base,
                          struct wr_error *err) {
    struct wr_postgres_writer *writer = writer_of(user);
    const struct wr_postgres_rows *piece = (const struct wr_postgres_rows *)base;
    if (piece->is_copy)
        return send_copy(writer, piece, err);
    int status = prepare(writer, err);
    return status == WR_OK ? send_all(writer, piece, err) : status;
}
