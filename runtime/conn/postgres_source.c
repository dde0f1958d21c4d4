/* postgres_source.c: the rows of a table or query of a PostgreSQL database, as one `copy … to
 * stdout` in the binary form: of one state of the database, one row in memory.
 *
 * The schema is given, or that of the server's columns. A value that the type of its column has not
 * (infinity, too many digits) rejects its row (W502).
 *
 * A table with a primary key is read in the order of that key, and a restart goes on behind the
 * last key that was read, whatever has changed before it. Of a query, and of a table without a key,
 * the position is the number of rows: a restart reads them again and forgets them, so the order of
 * a query must be fixed (`order by`). A restart sees the database as it is then.
 *
 * A connection that is lost is made again, as `timeout` and `retries` say (retry.h), and a table
 * with a primary key is read on behind the last key. Of others no row may have come: nobody can
 * tell whether the rows are in the same order on another connection, so that ends the run.
 *
 *   [reads] --lost--> [is lost] --the next poll, behind a pause--> [stands] --ask--> [reads]
 */
#include "conn/connectors.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/builder.h"
#include "conn/endpoint.h"
#include "conn/postgres_rows.h"
#include "conn/sql.h"
#include "data/zone.h"
#include "base/banned.h"

#define POSITION_VERSION 1
#define KEY_COLUMNS_MAX 32 /* of an index of the server */
#define COPY_HEADER_BYTES 19
#define WAIT_MS 20 /* for what the server says, in one poll */

struct postgres_source {
    struct wr_source base;
    const struct postgres_read *config; /* this: */
    struct postgres_read read;          /* the plan's, with what stops it */
    PGconn *connection;
    struct wr_arena arena; /* what was described */
    struct postgres_column *columns;
    uint32_t column_count;
    uint32_t *wanted; /* columns of the schema that are selected, in their order */
    uint32_t wanted_count;
    const char *keys[KEY_COLUMNS_MAX], *key_types[KEY_COLUMNS_MAX];
    uint32_t key_count;
    struct wr_buf last;   /* the key of the last row: texts, each with a 0 behind it */
    uint64_t record;      /* rows read, good and bad */
    uint64_t record_from; /* where a restart goes on; reached at the first poll */
    int asked;            /* the server was asked for the rows … */
    int started;          /* … and has begun to give them */
    int ended, has_header;
    int is_lost; /* … is the connection, and it will be made again; for `why` */
    struct wr_error why;
    struct postgres_wait wait; /* since a row came the last time */
};

/* ---- opening -------------------------------------------------------------------------------- */

/* A failure, or WR_EAGAIN: the connection is lost, and the next poll makes it again. Rows that came
 * before are given first. */
static int lost(struct postgres_source *self, const PGresult *result, struct wr_error *err) {
    struct wr_error own = {0};
    int status =
        wr_postgres_failed(&self->config->postgres, self->connection, result, "read", &own);
    int has_given = self->record > self->record_from;
    status = status == WR_ECANCEL ? WR_EAGAIN : status; /* who polls sees that it is to stop */
    if (status == WR_EAGAIN && (self->key_count > 0 || !has_given)) {
        self->is_lost = 1;
        self->ended = 0;
        self->why = own;
        return WR_EAGAIN;
    }
    int is_gone = status == WR_EAGAIN;
    status = wr_postgres_final(status, &own);
    if (is_gone)
        wr_error_help(&own,
                      "%" PRIu64 " rows had come, and only a `table` with a primary key is read on "
                      "behind them; with `--state` the next run reads them again and passes over "
                      "as many (`order by` keeps their order)",
                      self->record);
    if (err != NULL)
        *err = own;
    return status;
}

/* The columns of the table's primary key, in its order. */
static int find_key(struct postgres_source *self, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    struct wr_buf name;
    PGresult *rows = NULL;
    if (self->config->table.table == NULL)
        return WR_OK;
    wr_buf_init(&name, &wr_budget_control, 0);
    wr_postgres_add_table(&name, &self->config->table);
    const char *text = name.bytes;
    int status =
        name.status != WR_OK
            ? wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name)
            : wr_postgres_ask(&self->config->postgres, self->connection,
                              "select a.attname, format_type(a.atttypid, null) from pg_index i "
                              "cross join lateral unnest(i.indkey::int2[]) with ordinality "
                              "k(attnum, n) join pg_attribute a on a.attrelid = i.indrelid and "
                              "a.attnum = k.attnum where i.indrelid = to_regclass($1) and "
                              "i.indisprimary and k.n <= i.indnkeyatts order by k.n",
                              &text, 1, &rows, err);
    wr_buf_release(&name);
    if (status != WR_OK)
        return status;
    int count = WR_MIN(pq->PQntuples(rows), KEY_COLUMNS_MAX);
    for (int i = 0; i < count && status == WR_OK; i++) {
        const char *column = pq->PQgetvalue(rows, i, 0), *type = pq->PQgetvalue(rows, i, 1);
        self->keys[i] = wr_arena_strndup(&self->arena, column, strlen(column));
        self->key_types[i] = wr_arena_strndup(&self->arena, type, strlen(type));
        if (self->keys[i] == NULL || self->key_types[i] == NULL)
            status = wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
    }
    self->key_count = (uint32_t)count;
    pq->PQclear(rows);
    return status;
}

static void add_keys(const struct postgres_source *self, struct wr_buf *sql) {
    for (uint32_t k = 0; k < self->key_count; k++) {
        wr_buf_add_text(sql, k == 0 ? "weir_rows." : ", weir_rows.");
        wr_sql_add_name(sql, self->keys[k]);
    }
}

/* " where (a, b) > ('1'::bigint, 'x'::text)": behind the last key. */
static void add_from(const struct postgres_source *self, struct wr_buf *sql) {
    const struct wr_pq *pq = wr_pq();
    const char *text = self->last.bytes;
    if (self->key_count == 0 || self->last.length == 0)
        return;
    wr_buf_add_text(sql, " where (");
    add_keys(self, sql);
    wr_buf_add_text(sql, ") > (");
    for (uint32_t k = 0; k < self->key_count; k++, text += strlen(text) + 1) {
        char *literal = pq->PQescapeLiteral(self->connection, text, strlen(text));
        wr_buf_addf(sql, "%s", k == 0 ? "" : ", ");
        wr_buf_add_text(sql, literal == NULL ? "null" : literal);
        wr_buf_addf(sql, "::%s", self->key_types[k]);
        pq->PQfreemem(literal);
    }
    wr_buf_add_char(sql, ')');
}

/* Only columns that somebody reads are asked for; behind them the key, as texts. */
static int build_sql(struct postgres_source *self, struct wr_buf *sql) {
    wr_buf_add_text(sql, "copy (select ");
    for (uint32_t i = 0; i < self->wanted_count; i++) {
        wr_buf_add_text(sql, i == 0 ? "" : ", ");
        postgres_add_column(sql, &self->columns[self->wanted[i]], self->config, self->connection);
    }
    for (uint32_t k = 0; k < self->key_count; k++) {
        wr_buf_add_text(sql, k + self->wanted_count == 0 ? "" : ", ");
        wr_sql_add_name(sql, self->keys[k]);
        wr_buf_add_text(sql, "::text");
    }
    if (self->wanted_count + self->key_count == 0)
        wr_buf_add_text(sql, "null");
    wr_buf_addf(sql, " from (%s\n) as weir_rows", self->config->query);
    add_from(self, sql);
    if (self->key_count > 0) {
        wr_buf_add_text(sql, " order by ");
        add_keys(self, sql);
    }
    return wr_buf_add_text(sql, ") to stdout (format binary)");
}

/* By the first poll all sinks are open. */
static int ask(struct postgres_source *self, struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    int status = build_sql(self, &sql);
    if (status != WR_OK)
        wr_error_set(err, status, "%s: out of memory", self->base.name);
    else if (wr_pq()->PQsendQuery(self->connection, sql.bytes) != 1)
        status = lost(self, NULL, err);
    wr_buf_release(&sql);
    self->asked = status == WR_OK;
    return status;
}

/* Takes what the server has said; where that is nothing, waits for it a little first. A signal ends
 * the wait, so that a query that takes long can be stopped. */
static int hear(struct postgres_source *self, int waits, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    struct pollfd socket = {.fd = pq->PQsocket(self->connection), .events = POLLIN};
    if (waits && socket.fd >= 0)
        (void)poll(&socket, 1, WAIT_MS);
    return pq->PQconsumeInput(self->connection) == 1 ? WR_OK : lost(self, NULL, err);
}

/* WR_EAGAIN: the first row is not there yet. */
static int start(struct postgres_source *self, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    int status = self->asked ? WR_OK : ask(self, err);
    for (int waits = 0; waits < 2 && status == WR_OK && pq->PQisBusy(self->connection); waits++)
        status = hear(self, waits, err);
    if (status != WR_OK || pq->PQisBusy(self->connection))
        return status != WR_OK ? status : WR_EAGAIN;
    PGresult *result = pq->PQgetResult(self->connection);
    if (pq->PQresultStatus(result) != PGRES_COPY_OUT)
        status = lost(self, result, err);
    pq->PQclear(result);
    self->started = status == WR_OK;
    return status;
}

static int other_key(const struct postgres_source *self, struct wr_error *err) {
    wr_error_set(err, WR_ECORRUPT, "%s: the table has another primary key than it had",
                 self->base.name);
    wr_error_help(err, "begin with a new state");
    return WR_ECORRUPT;
}

static int read_position(struct postgres_source *self, struct wr_reader *from,
                         struct wr_error *err) {
    uint64_t version = wr_reader_varint(from);
    self->record_from = wr_reader_varint(from);
    uint64_t key_count = wr_reader_varint(from), length = wr_reader_varint(from);
    const char *last = wr_reader_bytes(from, length);
    if (from->failed || version != POSITION_VERSION)
        return wr_error_set(err, WR_ECORRUPT, "%s: the stored position is damaged",
                            self->base.name);
    if (key_count != self->key_count)
        return other_key(self, err);
    wr_buf_add(&self->last, last, length);
    if (self->key_count > 0)
        self->record = self->record_from; /* it goes on behind the key */
    return self->last.status;
}

static void source_close(struct wr_source *source) {
    struct postgres_source *self = (struct postgres_source *)source;
    wr_postgres_close(&self->connection);
    wr_arena_release(&self->arena);
    wr_buf_release(&self->last);
}

static int choose_columns(struct postgres_source *self, struct wr_error *err) {
    const struct wr_schema *schema = self->base.schema;
    self->wanted = WR_ARENA_ARRAY(&self->arena, uint32_t, schema->field_count + 1);
    if (self->wanted == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (self->base.needed == NULL || wr_bit_get(self->base.needed, c))
            self->wanted[self->wanted_count++] = c;
    return WR_OK;
}

/* Connected, in a transaction, and it knows what to read. WR_EAGAIN: there is no connection. */
static int stand(struct postgres_source *self, struct wr_error *err) {
    struct wr_source *source = &self->base;
    const struct postgres_read *config = self->config;
    wr_postgres_close(&self->connection);
    wr_arena_reset(&self->arena);
    self->wanted_count = 0;
    self->asked = self->started = self->has_header = 0;
    int status = wr_postgres_connect(&self->connection, &config->postgres, source->env, NULL,
                                     source->stop, err);
    if (status == WR_OK)
        status = wr_postgres_run(&config->postgres, self->connection,
                                 "begin isolation level repeatable read read only", "begin", err);
    if (status == WR_OK)
        status = postgres_describe(config, self->connection, &self->arena, &self->columns,
                                   &self->column_count, err);
    if (status == WR_OK)
        status =
            postgres_check(self->columns, self->column_count, source->schema, source->name, err);
    if (status == WR_OK)
        status = find_key(self, err);
    return status == WR_OK ? choose_columns(self, err) : status;
}

static int source_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct postgres_source *self = (struct postgres_source *)source;
    struct wr_error own = {0}, *error = err != NULL ? err : &own;
    self->read = *(const struct postgres_read *)source->config;
    self->read.postgres.stop = source->stop;
    self->config = &self->read;
    postgres_wait_init(&self->wait, self->config, source->env, source->stop);
    wr_arena_init(&self->arena, &wr_budget_control, 4096);
    wr_buf_init(&self->last, &wr_budget_control, 0);
    int status = stand(self, error);
    while (postgres_waits(&self->wait, &self->read, status, error) ||
           (status == WR_EAGAIN && from != NULL)) {
        status = postgres_wait_again(&self->wait, error);
        if (status == WR_OK)
            status = stand(self, error);
    }
    status = wr_postgres_final(status, error);
    if (status == WR_OK && from != NULL)
        status = read_position(self, from, err);
    if (status != WR_OK)
        source_close(source);
    return status;
}

/* WR_EAGAIN: not yet, or the run is to stop. */
static int come_back(struct postgres_source *self, struct wr_error *err) {
    uint32_t key_count = self->key_count;
    int status = postgres_wait_again(&self->wait, &self->why);
    if (status == WR_OK)
        status = stand(self, &self->why);
    if (status == WR_EAGAIN || status == WR_ECANCEL) {
        self->key_count = key_count;
        return WR_EAGAIN;
    }
    if (status == WR_OK && self->key_count != key_count)
        status = other_key(self, &self->why);
    if (status != WR_OK && err != NULL)
        *err = self->why;
    if (self->key_count == 0)
        self->record = 0; /* none of them had been given */
    self->is_lost = 0;
    return status;
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* A row as it came: its fields lie one behind the other. */
struct row {
    const char *at, *end;
};

/* The next field: its length, -1 for nil, -2 where the row is damaged. */
static int64_t next_field(struct row *row, const char **bytes) {
    uint32_t length;
    if (row->end - row->at < (ptrdiff_t)sizeof length)
        return -2;
    memcpy(&length, row->at, sizeof length);
    length = __builtin_bswap32(length);
    row->at += sizeof length;
    *bytes = row->at;
    if (length == UINT32_MAX)
        return -1;
    if (row->end - row->at < (ptrdiff_t)length)
        return -2;
    row->at += length;
    return length;
}

static int refuse_value(struct postgres_source *self, int is_nil, const char *detail,
                        struct wr_error *err) {
    if (self->config->fail) {
        wr_error_set(err, WR_EBADROW, "%s: row %llu: %s", self->base.name,
                     (unsigned long long)self->record + 1, detail);
        wr_error_code(err, is_nil ? "W512" : "W502");
        return WR_EBADROW;
    }
    struct wr_reject reject = {
        .code = is_nil ? WR_REJECT_MISSING : WR_REJECT_TYPE,
        .detail = detail,
        .file = self->config->postgres.place,
        .record = self->record,
        .source = self->base.source,
        .partition = self->base.partition,
    };
    return self->base.reject == NULL ? WR_OK : self->base.reject(self->base.reject_ctx, &reject);
}

/* *good: all values are set. WR_OK or a status. */
static int read_values(struct postgres_source *self, struct wr_builder *builder, struct row *row,
                       int *good, struct wr_error *err) {
    char detail[POSTGRES_DETAIL_MAX];
    *good = 1;
    for (uint32_t i = 0; i < self->wanted_count; i++) {
        uint32_t c = self->wanted[i];
        const struct wr_field *field = &self->base.schema->fields[c];
        const char *bytes = NULL;
        int64_t length = next_field(row, &bytes);
        if (length < -1)
            return wr_error_set(err, WR_ECORRUPT, "%s: a row is damaged", self->base.name);
        if (!*good)
            continue; /* the key stands behind the values */
        int status = WR_OK, is_nil = length < 0;
        if (is_nil)
            wr_builder_nil(builder, c);
        int fits = is_nil ? !field->required
                          : postgres_value(builder, c, self->columns[c].form, bytes,
                                           (uint32_t)length, detail, &status);
        if (status != WR_OK)
            return wr_error_set(err, status, "%s: out of memory", self->base.name);
        if (fits)
            continue;
        if (self->base.shown != NULL && wr_bit_get(self->base.shown, c) && !field->required) {
            wr_builder_nil(builder, c);
            continue;
        }
        if (is_nil)
            snprintf(detail, sizeof detail, "column `%.100s` is required and null", field->name);
        *good = 0;
        status = refuse_value(self, is_nil, detail, err);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

static int keep_key(struct postgres_source *self, struct row *row, struct wr_error *err) {
    wr_buf_clear(&self->last);
    for (uint32_t k = 0; k < self->key_count; k++) {
        const char *bytes = NULL;
        int64_t length = next_field(row, &bytes);
        if (length < 0)
            return wr_error_set(err, WR_ECORRUPT, "%s: a row is damaged", self->base.name);
        wr_buf_add(&self->last, bytes, (size_t)length);
        wr_buf_add_char(&self->last, 0);
    }
    return self->last.status == WR_OK
               ? WR_OK
               : wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
}

static int end_reading(struct postgres_source *self, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    int status = WR_OK;
    self->ended = 1;
    const struct wr_postgres *postgres = &self->config->postgres;
    for (PGresult *result = wr_postgres_result(postgres, self->connection); result != NULL;
         result = wr_postgres_result(postgres, self->connection)) {
        if (status == WR_OK && pq->PQresultStatus(result) != PGRES_COMMAND_OK)
            status = lost(self, result, err);
        pq->PQclear(result);
    }
    /* Gives its locks back: a sink may replace this table. All rows have come. */
    if (status == WR_OK)
        status =
            wr_postgres_run(&self->config->postgres, self->connection, "commit", "commit", err);
    return status == WR_EAGAIN && !self->is_lost ? WR_OK : status;
}

/* The next row, or self->ended, or WR_EAGAIN; `memory` is given back by the caller. */
static int next_row(struct postgres_source *self, struct row *row, char **memory,
                    struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    int length = pq->PQgetCopyData(self->connection, memory, 1), status = WR_OK;
    for (int waits = 0; waits < 2 && length == 0 && status == WR_OK; waits++) {
        status = hear(self, waits, err);
        if (status == WR_OK)
            length = pq->PQgetCopyData(self->connection, memory, 1);
    }
    if (status != WR_OK || length == 0)
        return status != WR_OK ? status : WR_EAGAIN;
    if (length == -1)
        return end_reading(self, err);
    if (length < 0)
        return lost(self, NULL, err);
    *row = (struct row){.at = *memory, .end = *memory + length};
    if (!self->has_header)
        row->at += WR_MIN(length, COPY_HEADER_BYTES);
    self->has_header = 1;
    if (row->end - row->at < 2)
        return wr_error_set(err, WR_ECORRUPT, "%s: a row is damaged", self->base.name);
    int is_last = (unsigned char)row->at[0] == 0xff && (unsigned char)row->at[1] == 0xff;
    row->at += 2;
    if (!is_last)
        return WR_OK;
    wr_pq()->PQfreemem(*memory);
    *memory = NULL;
    return next_row(self, row, memory, err); /* which says that there is no more */
}

static int read_row(struct postgres_source *self, struct wr_builder *builder, uint64_t first,
                    struct wr_error *err) {
    struct row row = {0};
    char *memory = NULL;
    int status = next_row(self, &row, &memory, err);
    if (status == WR_OK && !self->ended) {
        int good = 0, passes = builder == NULL; /* over rows of before a restart */
        if (!passes)
            status = read_values(self, builder, &row, &good, err);
        if (status == WR_OK && !passes)
            status = keep_key(self, &row, err);
        if (status == WR_OK && good)
            wr_builder_next(builder, (uint32_t)(self->record - first));
        self->record++;
        if (self->wait.patience.failures > 0)
            wr_patience_well(&self->wait.patience);
    }
    wr_pq()->PQfreemem(memory);
    return status;
}

static int source_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct postgres_source *self = (struct postgres_source *)source;
    *batch = NULL;
    int status = self->is_lost ? come_back(self, err) : WR_OK;
    if (status == WR_OK && !self->started)
        status = start(self, err);
    while (status == WR_OK && self->record < self->record_from && !self->ended)
        status = read_row(self, NULL, 0, err);
    if (status != WR_OK) /* it has waited, and is not idle: that there will be more is sure */
        return status == WR_EAGAIN ? WR_OK : status;
    uint64_t end = source->record_limit > 0 ? source->record_limit : UINT64_MAX;
    if (self->ended || self->record >= end)
        return WR_EEND;
    struct wr_builder builder;
    uint32_t row_max = (uint32_t)WR_MIN((uint64_t)source->batch_rows, end - self->record);
    if (wr_builder_init(&builder, source->pool, source->schema, source->needed, row_max) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "%s: memory budget `%s` is used up", source->name,
                            source->pool->budget->name);
    builder.zone = self->config->zone;
    uint64_t first = self->record;
    end = WR_MIN(end, first + UINT32_MAX);
    while (status == WR_OK && builder.row < row_max && self->record < end && !self->ended)
        status = read_row(self, &builder, first, err);
    struct wr_batch *made = wr_builder_finish(&builder);
    if (status != WR_OK && status != WR_EAGAIN) {
        wr_batch_unref(made);
        return status;
    }
    if (made == NULL)
        return status == WR_EAGAIN ? WR_OK : WR_EEND;
    made->source = source->source;
    made->partition = source->partition;
    made->origin.source = source->name;
    made->origin.file = self->config->postgres.place;
    made->origin.first_record = first;
    *batch = made;
    return WR_OK;
}

static int source_save(struct wr_source *source, struct wr_buf *out) {
    const struct postgres_source *self = (const struct postgres_source *)source;
    wr_buf_add_varint(out, POSITION_VERSION);
    wr_buf_add_varint(out, WR_MAX(self->record, self->record_from));
    wr_buf_add_varint(out, self->key_count);
    wr_buf_add_varint(out, self->last.length);
    return wr_buf_add(out, self->last.bytes, self->last.length);
}

const struct wr_source_type wr_source_postgres = {
    .name = "postgres",
    .size_bytes = sizeof(struct postgres_source),
    .bind = postgres_source_bind,
    .open = source_open,
    .poll = source_poll,
    .save_position = source_save,
    .close = source_close,
    .asked = &wr_asked_postgres,
};
