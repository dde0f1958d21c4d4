/* postgres_write.c: see postgres_write.h. */
#include "conn/postgres_write.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/postgres_type.h"
#include "conn/table_sink.h"
#include "base/banned.h"

#define STATEMENT_NAME_MAX 32
#define COPY_SIGNATURE "PGCOPY\n\377\r\n\0"
#define EMPTY UINT32_MAX
#define GATHERED_BYTES ((size_t)512 << 10)

/* Arrays, one a column, one behind the other. */
struct arrays {
    struct wr_buf bytes;
    uint32_t count; /* of the elements of each */
    size_t *ends;   /* by column: where its array ends */
};

struct piece {
    struct wr_postgres_piece base;
    int is_copy;
    struct arrays insert, remove, remove_nil; /* a copy has all its rows in insert.bytes */
};

static struct wr_postgres_writer *writer_of(struct wr_postgres_user *user) {
    return (struct wr_postgres_writer *)user;
}

static int no_memory(const struct wr_postgres_writer *writer, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", writer->sink->name);
}

static void release_arrays(struct arrays *arrays) {
    wr_buf_release(&arrays->bytes);
    wr_free(&wr_budget_control, arrays->ends);
}

static void free_piece(struct wr_postgres_piece *base) {
    struct piece *piece = (struct piece *)base;
    release_arrays(&piece->insert);
    release_arrays(&piece->remove);
    release_arrays(&piece->remove_nil);
    wr_free(&wr_budget_control, piece);
}

/* ---- sending -------------------------------------------------------------------------------- */

static int prepare_one(struct wr_postgres_writer *writer, const char *kind,
                       const struct wr_buf *sql, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    char name[STATEMENT_NAME_MAX];
    if (sql->length == 0)
        return WR_OK;
    snprintf(name, sizeof name, "weir_%s_%u", kind, writer->sink->node);
    PGresult *result =
        pq->PQprepare(wr_postgres_session_connection(writer->session), name, sql->bytes, 0, NULL);
    int status = pq->PQresultStatus(result) == PGRES_COMMAND_OK
                     ? WR_OK
                     : wr_postgres_session_failed(writer->session, result, "prepare", err);
    pq->PQclear(result);
    return status == WR_EBADROW ? wr_error_set(err, WR_EIO, "%s: prepare", writer->sink->name)
                                : status;
}

static int prepare(struct wr_postgres_writer *writer, struct wr_error *err) {
    uint64_t generation = wr_postgres_session_generation(writer->session) + 1;
    if (writer->prepared == generation)
        return WR_OK;
    int status = prepare_one(writer, "insert", &writer->insert, err);
    if (status == WR_OK)
        status = prepare_one(writer, "remove", &writer->remove, err);
    if (status == WR_OK)
        status = prepare_one(writer, "remove_nil", &writer->remove_nil, err);
    if (status == WR_OK)
        status = prepare_one(writer, "remember", &writer->remember, err);
    if (status == WR_OK)
        writer->prepared = generation;
    return status;
}

/* Reads all answers up to the end; the first that is wrong counts. `expected` of a good one. */
static int read_answers(struct wr_postgres_writer *writer, int pipelined, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGconn *connection = wr_postgres_session_connection(writer->session);
    int status = WR_OK, nulls = 0;
    while (nulls < 2) { /* within a pipeline one NULL ends the answers of a statement */
        PGresult *result = pq->PQgetResult(connection);
        if (result == NULL) {
            nulls = pipelined && pq->PQstatus(connection) == CONNECTION_OK ? nulls + 1 : 2;
            continue;
        }
        nulls = 0;
        ExecStatusType code = pq->PQresultStatus(result);
        if (code != PGRES_COMMAND_OK && code != PGRES_TUPLES_OK && code != PGRES_PIPELINE_SYNC &&
            code != PGRES_PIPELINE_ABORTED && status == WR_OK)
            status = wr_postgres_session_failed(writer->session, result, "write", err);
        pq->PQclear(result);
        if (code == PGRES_PIPELINE_SYNC)
            break;
    }
    if (status == WR_OK && pq->PQstatus(connection) != CONNECTION_OK)
        status = wr_postgres_session_failed(writer->session, NULL, "write", err);
    return status;
}

static int send_copy(struct wr_postgres_writer *writer, const struct piece *piece,
                     struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGconn *connection = wr_postgres_session_connection(writer->session);
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "%s; ", wr_postgres_session_mark(writer->session));
    wr_buf_add(&sql, writer->copy.bytes, writer->copy.length);
    if (sql.status != WR_OK) {
        wr_buf_release(&sql);
        return no_memory(writer, err);
    }
    PGresult *result = pq->PQexec(connection, sql.bytes);
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
    return read_answers(writer, 0, err);
}

static int send_arrays(struct wr_postgres_writer *writer, const char *kind,
                       const struct arrays *arrays, uint32_t column_count) {
    if (arrays->count == 0)
        return 1;
    const struct wr_pq *pq = wr_pq();
    PGconn *connection = wr_postgres_session_connection(writer->session);
    char name[STATEMENT_NAME_MAX];
    snprintf(name, sizeof name, "weir_%s_%u", kind, writer->sink->node);
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

/* The mark, deletes and inserts at once; the answers behind them. */
static int send_all(struct wr_postgres_writer *writer, const struct piece *piece,
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
    sent = sent && send_arrays(writer, "remove", &piece->remove, table->key_count) == 1 &&
           send_arrays(writer, "remove_nil", &piece->remove_nil, table->key_count) == 1 &&
           (writer->gone == NULL ||
            (send_arrays(writer, "remember", &piece->remove, table->key_count) == 1 &&
             send_arrays(writer, "remember", &piece->remove_nil, table->key_count) == 1)) &&
           send_arrays(writer, "insert", &piece->insert, table->schema->field_count) == 1 &&
           pq->PQpipelineSync(connection) == 1;
    int status = sent ? read_answers(writer, 1, err)
                      : wr_postgres_session_failed(writer->session, NULL, "write", err);
    if (pq->PQexitPipelineMode(connection) != 1 && status == WR_OK)
        status = wr_postgres_session_failed(writer->session, NULL, "write", err);
    return status;
}

static int send_piece(struct wr_postgres_user *user, struct wr_postgres_piece *base,
                      struct wr_error *err) {
    struct wr_postgres_writer *writer = writer_of(user);
    const struct piece *piece = (const struct piece *)base;
    if (piece->is_copy)
        return send_copy(writer, piece, err);
    int status = prepare(writer, err);
    return status == WR_OK ? send_all(writer, piece, err) : status;
}

/* ---- making pieces -------------------------------------------------------------------------- */

static int begin_arrays(struct arrays *arrays, uint32_t column_count) {
    wr_buf_init(&arrays->bytes, &wr_budget_control, INT32_MAX);
    arrays->ends = wr_alloc_zero(&wr_budget_control, (column_count + 1) * sizeof *arrays->ends);
    return arrays->ends == NULL ? WR_ENOMEM : WR_OK;
}

static int is_last(const struct wr_postgres_writer *writer, uint32_t i) {
    return writer->table->key_count == 0 || writer->lasts[i];
}

/* Which of the three a row of a piece belongs to: 'i', 'r', 'n' (removed by a key with a nil). */
static char part_of(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                    uint32_t i) {
    const struct wr_postgres_table *table = writer->table;
    if (!writer->rows[i].removes)
        return 'i';
    for (uint32_t k = 0; k < table->key_count; k++)
        if (wr_column_is_nil(&batch->columns[table->key[k]], writer->rows[i].row))
            return 'n';
    return 'r';
}

/* One array of a column over the rows of a part. */
static void put_array(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                      uint32_t column, char part, uint32_t from, uint32_t to,
                      struct arrays *arrays) {
    const struct wr_type *type = &batch->schema->fields[column].type;
    struct wr_buf *out = &arrays->bytes;
    wr_postgres_put_array(out, type, arrays->count);
    for (uint32_t i = from; i < to; i++)
        if (is_last(writer, i) && part_of(writer, batch, i) == part)
            wr_postgres_put(out, type, &batch->columns[column], writer->rows[i].row);
}

static int fill_arrays(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                       char part, uint32_t from, uint32_t to, struct arrays *arrays) {
    const struct wr_postgres_table *table = writer->table;
    uint32_t column_count = part == 'i' ? table->schema->field_count : table->key_count;
    for (uint32_t i = from; i < to; i++)
        arrays->count += is_last(writer, i) && part_of(writer, batch, i) == part;
    if (arrays->count == 0)
        return WR_OK;
    if (begin_arrays(arrays, column_count) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < column_count; c++) {
        put_array(writer, batch, part == 'i' ? c : table->key[c], part, from, to, arrays);
        arrays->ends[c] = arrays->bytes.length;
    }
    return arrays->bytes.status;
}

static int begin_copy(struct arrays *arrays) {
    struct wr_buf *out = &arrays->bytes;
    if (begin_arrays(arrays, 0) != WR_OK)
        return WR_ENOMEM;
    wr_buf_add(out, COPY_SIGNATURE, 11);
    wr_postgres_put32(out, 0); /* flags */
    wr_postgres_put32(out, 0); /* no more of a header */
    return out->status;
}

static int copy_rows(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                     uint32_t from, uint32_t to, struct arrays *arrays) {
    const struct wr_schema *schema = batch->schema;
    struct wr_buf *out = &arrays->bytes;
    for (uint32_t i = from; i < to; i++) {
        wr_postgres_put16(out, (uint16_t)schema->field_count);
        for (uint32_t c = 0; c < schema->field_count; c++)
            wr_postgres_put(out, &schema->fields[c].type, &batch->columns[c], writer->rows[i].row);
    }
    arrays->count += to - from;
    return out->status;
}

static int end_copy(struct arrays *arrays) {
    wr_postgres_put16(&arrays->bytes, UINT16_MAX);
    return arrays->bytes.status;
}

static uint64_t hash_of_key(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                            uint32_t row) {
    uint64_t hash = 0;
    for (uint32_t k = 0; k < writer->table->key_count; k++) {
        uint32_t c = writer->table->key[k];
        const struct wr_column *column = &batch->columns[c];
        enum wr_type_kind kind = batch->schema->fields[c].type.kind;
        uint64_t one = 1;
        if (wr_column_is_nil(column, row)) {
            one = 0;
        } else if (wr_type_is_text(kind)) {
            const struct wr_str *str = &WR_STR(column)[row];
            one = wr_hash_bytes(wr_str_bytes(str), str->length, 1);
        } else {
            uint32_t bytes = wr_type_bytes(kind);
            one = wr_hash_bytes((const char *)column->data + (size_t)row * bytes, bytes, 1);
        }
        hash = wr_hash_join(hash, one);
    }
    return hash;
}

/* Of the rows of a piece that have one key the last counts: a statement touches a row once. */
static void mark_lasts(struct wr_postgres_writer *writer, const struct wr_batch *batch,
                       uint32_t from, uint32_t to) {
    const struct wr_postgres_table *table = writer->table;
    uint32_t room = 2;
    while (room < 2 * (to - from))
        room *= 2;
    memset(writer->places, 0xff, room * sizeof *writer->places);
    for (uint32_t i = to; i-- > from;) {
        uint32_t at = (uint32_t)hash_of_key(writer, batch, writer->rows[i].row) & (room - 1);
        while (writer->places[at] != EMPTY &&
               !wr_table_same_key(batch, table->key, table->key_count,
                                  writer->rows[writer->places[at]].row, writer->rows[i].row))
            at = (at + 1) & (room - 1);
        writer->lasts[i] = writer->places[at] == EMPTY;
        if (writer->lasts[i])
            writer->places[at] = i;
    }
}

static struct piece *new_piece(struct wr_postgres_writer *writer) {
    struct piece *piece = wr_alloc_zero(&wr_budget_control, sizeof *piece);
    if (piece == NULL)
        return NULL;
    piece->base.user = &writer->user;
    piece->is_copy = writer->copy.length > 0;
    return piece;
}

static int make_piece(struct wr_postgres_writer *writer, struct wr_batch *batch, uint32_t from,
                      uint32_t to, struct piece **made) {
    struct piece *piece = *made = new_piece(writer);
    if (piece == NULL)
        return WR_ENOMEM;
    int status;
    if (piece->is_copy) {
        status = begin_copy(&piece->insert);
        if (status == WR_OK)
            status = copy_rows(writer, batch, from, to, &piece->insert);
        if (status == WR_OK)
            status = end_copy(&piece->insert);
    } else {
        if (writer->table->key_count > 0)
            mark_lasts(writer, batch, from, to);
        status = fill_arrays(writer, batch, 'i', from, to, &piece->insert);
        if (status == WR_OK)
            status = fill_arrays(writer, batch, 'r', from, to, &piece->remove);
        if (status == WR_OK)
            status = fill_arrays(writer, batch, 'n', from, to, &piece->remove_nil);
    }
    piece->base.bytes = sizeof *piece + piece->insert.bytes.room + piece->remove.bytes.room +
                        piece->remove_nil.bytes.room;
    return status;
}

int wr_postgres_writer_refuse(struct wr_postgres_writer *writer, struct wr_batch *batch,
                              uint32_t row, uint64_t number, const char *detail) {
    int status = writer->user.has_state
                     ? wr_postgres_refused_add(&writer->user.refused, number, detail)
                     : WR_OK;
    return status == WR_OK ? wr_table_refuse(writer->sink, batch, row, detail) : status;
}

static int write_some(struct wr_postgres_writer *writer, struct wr_batch *batch, uint32_t from,
                      uint32_t to, struct wr_error *err) {
    struct wr_error own, *error = err != NULL ? err : &own;
    struct piece *piece = NULL;
    int status = make_piece(writer, batch, from, to, &piece);
    if (status == WR_OK) {
        status = wr_postgres_session_write(writer->session, &piece->base, error);
        if (status == WR_OK) {
            writer->sink->rows_written += to - from;
            return WR_OK;
        }
    } else if (status == WR_ENOMEM) {
        no_memory(writer, error);
    }
    if (piece != NULL)
        free_piece(&piece->base);
    int halves = status == WR_EBADROW || status == WR_ELIMIT; /* ELIMIT: more than 2 GB */
    if (halves && to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        status = write_some(writer, batch, from, middle, err);
        return status == WR_OK ? write_some(writer, batch, middle, to, err) : status;
    }
    if (status == WR_EBADROW || status == WR_ELIMIT)
        return wr_postgres_writer_refuse(writer, batch, writer->rows[from].row,
                                         writer->rows[from].number,
                                         status == WR_ELIMIT ? "the row is too long" : error->text);
    return status;
}

int wr_postgres_writer_flush(struct wr_postgres_writer *writer, struct wr_error *err) {
    struct piece *piece = (struct piece *)writer->gathered;
    if (piece == NULL)
        return WR_OK;
    writer->gathered = NULL;
    int status = end_copy(&piece->insert);
    if (status != WR_OK)
        no_memory(writer, err);
    piece->base.bytes = sizeof *piece + piece->insert.bytes.room;
    if (status == WR_OK)
        status = wr_postgres_session_write(writer->session, &piece->base, err);
    if (status == WR_OK)
        return WR_OK;
    free_piece(&piece->base);
    if (status != WR_EBADROW)
        return status;
    /* Somebody has changed the table since it was looked at. */
    wr_error_add(err, WR_EREFUSED, "%s: a row was refused by a table that refused none before",
                 writer->sink->name);
    return WR_EREFUSED;
}

static int gather(struct wr_postgres_writer *writer, struct wr_batch *batch, uint32_t count,
                  struct wr_error *err) {
    int status = WR_OK;
    if (writer->gathered == NULL) {
        struct piece *piece = new_piece(writer);
        if (piece == NULL)
            return no_memory(writer, err);
        writer->gathered = &piece->base;
        status = begin_copy(&piece->insert);
    }
    struct piece *piece = (struct piece *)writer->gathered;
    if (status == WR_OK)
        status = copy_rows(writer, batch, 0, count, &piece->insert);
    if (status != WR_OK)
        return no_memory(writer, err);
    writer->sink->rows_written += count;
    return piece->insert.bytes.length < GATHERED_BYTES ? WR_OK
                                                       : wr_postgres_writer_flush(writer, err);
}

int wr_postgres_writer_write(struct wr_postgres_writer *writer, struct wr_batch *batch,
                             uint32_t count, struct wr_error *err) {
    if (count > 0 && writer->gathers)
        return gather(writer, batch, count, err);
    int status = count == 0 ? WR_OK : write_some(writer, batch, 0, count, err);
    if (status == WR_OK && err != NULL)
        err->status = WR_OK; /* of pieces that were tried and refused */
    return status;
}

/* ---- the writer ----------------------------------------------------------------------------- */

void wr_postgres_writer_init(struct wr_postgres_writer *writer, struct wr_sink *sink,
                             struct wr_postgres_table *table) {
    struct wr_buf *const statements[] = {&writer->copy, &writer->insert, &writer->remove,
                                         &writer->remove_nil, &writer->remember};
    writer->sink = sink;
    writer->table = table;
    writer->user.sink = sink;
    writer->user.send = send_piece;
    writer->user.free_piece = free_piece;
    wr_postgres_refused_init(&writer->user.refused);
    for (size_t i = 0; i < WR_COUNT(statements); i++)
        wr_buf_init(statements[i], &wr_budget_control, 0);
}

void wr_postgres_writer_release(struct wr_postgres_writer *writer) {
    wr_buf_release(&writer->copy);
    wr_buf_release(&writer->insert);
    wr_buf_release(&writer->remove);
    wr_buf_release(&writer->remove_nil);
    wr_buf_release(&writer->remember);
    wr_postgres_refused_release(&writer->user.refused);
    if (writer->gathered != NULL)
        free_piece(writer->gathered);
    writer->gathered = NULL;
    wr_free(&wr_budget_control, writer->rows);
    wr_free(&wr_budget_control, writer->places);
    wr_free(&wr_budget_control, writer->lasts);
    writer->rows = NULL;
    writer->places = NULL;
    writer->lasts = NULL;
    writer->row_room = 0;
}

/* JSON has values that jsonb has not (numbers without end, 0 characters). */
static int has_no_json(const struct wr_schema *schema) {
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (schema->fields[c].type.kind >= WR_JSON)
            return 0;
    return 1;
}

int wr_postgres_writer_ready(struct wr_postgres_writer *writer, struct wr_error *err) {
    const struct wr_postgres_table *table = writer->table;
    wr_buf_clear(&writer->copy);
    wr_buf_clear(&writer->insert);
    wr_buf_clear(&writer->remove);
    wr_buf_clear(&writer->remove_nil);
    wr_buf_clear(&writer->remember);
    int status;
    writer->gathers = table->key_count == 0 && table->is_plain && has_no_json(table->schema);
    if (table->key_count == 0 && !table->has_casts) {
        status = wr_postgres_table_copy(table, &writer->copy);
    } else {
        status = wr_postgres_table_insert(table, &writer->insert);
        if (status == WR_OK && table->key_count > 0)
            status = wr_postgres_table_delete(table, 0, &writer->remove);
        if (status == WR_OK && table->key_count > 0)
            status = wr_postgres_table_delete(table, 1, &writer->remove_nil);
        if (status == WR_OK && writer->gone != NULL)
            status = wr_postgres_table_insert_keys(table, writer->gone, &writer->remember);
    }
    return status == WR_OK ? WR_OK : no_memory(writer, err);
}

int wr_postgres_writer_room(struct wr_postgres_writer *writer, uint32_t count,
                            struct wr_error *err) {
    if (count <= writer->row_room)
        return WR_OK;
    uint32_t room = 1024;
    while (room < count)
        room *= 2;
    wr_free(&wr_budget_control, writer->rows);
    wr_free(&wr_budget_control, writer->places);
    wr_free(&wr_budget_control, writer->lasts);
    writer->rows = wr_alloc(&wr_budget_control, room * sizeof *writer->rows);
    writer->places = wr_alloc(&wr_budget_control, 2 * room * sizeof *writer->places);
    writer->lasts = wr_alloc(&wr_budget_control, room);
    int is_there = writer->rows != NULL && writer->places != NULL && writer->lasts != NULL;
    writer->row_room = is_there ? room : 0;
    return is_there ? WR_OK : no_memory(writer, err);
}
