/* postgres_asked.c: a table or query of a PostgreSQL database that is asked for the rows of keys:
 * one statement for all keys of a batch, which go as one array a column and are joined to it. A
 * server does not say what has changed, so no answer is kept for the next batch. */
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/builder.h"
#include "conn/postgres_rows.h"
#include "conn/postgres_type.h"
#include "base/banned.h"

#define STATEMENT "weir_ask"

struct config {
    const struct postgres_read *read;
    uint32_t key_count;
    const uint16_t *keys; /* columns of the schema */
};

struct postgres_asked {
    struct wr_asked base;
    PGconn *connection;
    struct postgres_wait wait; /* since an answer came the last time */
    struct postgres_read read; /* … with what stops it */
    struct wr_arena arena;     /* what was described */
    struct postgres_column *columns;
    uint32_t column_count;
    PGresult *answers;
    int answer, answer_count;
};

static int no_memory(struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
}

static int asked_bind(struct wr_arena *arena, const struct wr_env *env, const void *source,
                      const struct wr_schema *schema, const uint16_t *keys, uint32_t count,
                      void **made, int *scans, struct wr_error *err) {
    struct config *config = WR_ARENA_ZEROS(arena, struct config, 1);
    uint16_t *copy = WR_ARENA_ARRAY(arena, uint16_t, count + 1);
    (void)env;
    if (config == NULL || copy == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_field *field = &schema->fields[keys[i]];
        copy[i] = keys[i];
        if (field->type.kind < WR_JSON)
            continue;
        char name[96];
        wr_type_text(&field->type, name, sizeof name);
        wr_error_script(err, "W203", "a database is not asked for keys of type %s (column `%s`)",
                        name, field->name);
        wr_error_help(err, "`weir.read(…)` of it is read whole, and takes any key");
        wr_error_at(err, "on", 0, 0);
        return WR_ESCRIPT;
    }
    *config = (struct config){.read = source, .key_count = count, .keys = copy};
    *made = config;
    *scans = 0; /* the server's planner decides */
    return WR_OK;
}

/* All columns of the schema, behind the place of the key that each row was found for. */
static void build_sql(const struct postgres_asked *self, struct wr_buf *sql) {
    const struct config *config = self->base.config;
    const struct wr_schema *schema = self->base.schema;
    wr_buf_add_text(sql, "select weir_keys.place");
    for (uint32_t c = 0; c < schema->field_count; c++) {
        wr_buf_add_text(sql, ", ");
        postgres_add_column(sql, &self->columns[c], config->read, self->connection);
    }
    wr_buf_add_text(sql, " from unnest(");
    for (uint32_t k = 0; k < config->key_count; k++)
        wr_buf_addf(sql, "$%u::%s[], ", k + 1,
                    wr_postgres_wire(&schema->fields[config->keys[k]].type, NULL));
    wr_buf_addf(sql, "$%u::int8[]) as weir_keys(", config->key_count + 1);
    for (uint32_t k = 0; k < config->key_count; k++)
        wr_buf_addf(sql, "weir_key_%u, ", k);
    wr_buf_addf(sql, "place) join (%s\n) as weir_rows on ", config->read->query);
    for (uint32_t k = 0; k < config->key_count; k++) {
        wr_buf_add_text(sql, k == 0 ? "" : " and ");
        postgres_add_column(sql, &self->columns[config->keys[k]], config->read, self->connection);
        wr_buf_addf(sql, " = weir_key_%u", k);
    }
    wr_buf_add_text(sql, " order by weir_keys.place");
}

static int prepare(struct postgres_asked *self, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    build_sql(self, &sql);
    int status = sql.status != WR_OK ? no_memory(err) : WR_OK;
    if (status == WR_OK) {
        int sent = pq->PQsendPrepare(self->connection, STATEMENT, sql.bytes, 0, NULL);
        PGresult *result = wr_postgres_answer(&self->read.postgres, self->connection, sent);
        if (pq->PQresultStatus(result) != PGRES_COMMAND_OK)
            status = wr_postgres_failed(&self->read.postgres, self->connection, result, "ask", err);
        pq->PQclear(result);
    }
    wr_buf_release(&sql);
    return status;
}

static void forget_answers(struct postgres_asked *self) {
    if (self->answers != NULL)
        wr_pq()->PQclear(self->answers);
    self->answers = NULL;
    self->answer = self->answer_count = 0;
}

static void asked_close(struct wr_asked *asked) {
    struct postgres_asked *self = (struct postgres_asked *)asked;
    forget_answers(self);
    wr_postgres_close(&self->connection);
    wr_arena_release(&self->arena);
}

/* Connected, and the statement is there. WR_EAGAIN: there is no connection. */
static int stand(struct postgres_asked *self, struct wr_error *err) {
    const struct wr_asked *asked = &self->base;
    const struct postgres_read *read = &self->read;
    wr_postgres_close(&self->connection);
    wr_arena_reset(&self->arena);
    int status =
        wr_postgres_connect(&self->connection, &read->postgres, asked->env, NULL, asked->stop, err);
    if (status == WR_OK)
        status = wr_postgres_run(&read->postgres, self->connection,
                                 "set default_transaction_read_only = on", "settings", err);
    if (status == WR_OK)
        status = postgres_describe(read, self->connection, &self->arena, &self->columns,
                                   &self->column_count, err);
    if (status == WR_OK)
        status = postgres_check(self->columns, self->column_count, asked->schema, asked->name, err);
    return status == WR_OK ? prepare(self, err) : status;
}

/* Behind WR_EAGAIN: stands again, or WR_EAGAIN where it does not yet. */
static int stand_again(struct postgres_asked *self, struct wr_error *err) {
    int status = postgres_wait_again(&self->wait, err);
    return status == WR_OK ? stand(self, err) : status;
}

static int asked_open(struct wr_asked *asked, struct wr_error *err) {
    struct postgres_asked *self = (struct postgres_asked *)asked;
    struct wr_error own = {0}, *error = err != NULL ? err : &own;
    self->read = *((const struct config *)asked->config)->read;
    self->read.postgres.stop = asked->stop;
    postgres_wait_init(&self->wait, &self->read, asked->env, asked->stop);
    wr_arena_init(&self->arena, &wr_budget_control, 4096);
    int status = stand(self, error);
    while (postgres_waits(&self->wait, &self->read, status, error))
        status = stand_again(self, error);
    return wr_postgres_final(status, error);
}

static int asked_changed(struct wr_asked *asked, int *changed, struct wr_error *err) {
    (void)asked, (void)err;
    *changed = 1;
    return WR_OK;
}

/* Keys that the server cannot hold have no rows there. */
static int is_possible(const struct postgres_asked *self, const struct wr_column *columns,
                       uint32_t row) {
    const struct config *config = self->base.config;
    char detail[WR_POSTGRES_DETAIL_MAX];
    for (uint32_t k = 0; k < config->key_count; k++)
        if (wr_postgres_lacks(&self->base.schema->fields[config->keys[k]], &columns[k], row,
                              detail))
            return 0;
    return 1;
}

/* One array behind the other; ends[i]: where array i ends. */
static void fill(const struct postgres_asked *self, const struct wr_column *columns,
                 const uint32_t *rows, uint32_t count, struct wr_buf *out, size_t *ends) {
    const struct config *config = self->base.config;
    struct wr_type place = WR_TYPE(WR_INT64);
    uint32_t possible = 0;
    for (uint32_t i = 0; i < count; i++)
        possible += (uint32_t)is_possible(self, columns, rows[i]);
    for (uint32_t k = 0; k <= config->key_count; k++) {
        const struct wr_type *type =
            k == config->key_count ? &place : &self->base.schema->fields[config->keys[k]].type;
        wr_postgres_put_array(out, type, possible);
        for (uint32_t i = 0; i < count; i++) {
            int64_t number = i;
            struct wr_column places = {.data = &number};
            if (!is_possible(self, columns, rows[i]))
                continue;
            if (k == config->key_count)
                wr_postgres_put(out, type, &places, 0);
            else
                wr_postgres_put(out, type, &columns[k], rows[i]);
        }
        ends[k] = out->length;
    }
}

/* WR_EAGAIN: the connection is lost. */
static int ask_once(struct postgres_asked *self, const struct wr_column *columns,
                    const uint32_t *rows, uint32_t count, struct wr_error *err) {
    const struct config *config = self->base.config;
    const struct wr_pq *pq = wr_pq();
    uint32_t parameters = config->key_count + 1;
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, INT32_MAX);
    size_t *ends = wr_alloc_zero(&wr_budget_control, parameters * sizeof *ends);
    const char **values = wr_alloc_zero(&wr_budget_control, parameters * sizeof *values);
    int *lengths = wr_alloc_zero(&wr_budget_control, 2 * parameters * sizeof *lengths);
    int status = ends == NULL || values == NULL || lengths == NULL ? no_memory(err) : WR_OK;
    forget_answers(self);
    if (status == WR_OK)
        fill(self, columns, rows, count, &bytes, ends);
    if (status == WR_OK && bytes.status != WR_OK)
        status = no_memory(err);
    for (uint32_t k = 0; k < parameters && status == WR_OK; k++) {
        size_t from = k == 0 ? 0 : ends[k - 1];
        values[k] = bytes.bytes + from;
        lengths[k] = (int)(ends[k] - from);
        lengths[parameters + k] = 1; /* binary */
    }
    if (status == WR_OK) {
        int sent = pq->PQsendQueryPrepared(self->connection, STATEMENT, (int)parameters, values,
                                           lengths, lengths + parameters, 1);
        self->answers = wr_postgres_answer(&self->read.postgres, self->connection, sent);
        if (pq->PQresultStatus(self->answers) == PGRES_TUPLES_OK)
            self->answer_count = pq->PQntuples(self->answers);
        else
            status = wr_postgres_failed(&self->read.postgres, self->connection, self->answers,
                                        "ask", err);
    }
    wr_free(&wr_budget_control, ends);
    wr_free(&wr_budget_control, values);
    wr_free(&wr_budget_control, lengths);
    wr_buf_release(&bytes);
    return status;
}

/* All answers of a batch are here before the first is given: whoever loses the connection before
 * that asks again on another one. */
static int asked_ask(struct wr_asked *asked, const struct wr_column *columns, const uint32_t *rows,
                     uint32_t count, struct wr_error *err) {
    struct postgres_asked *self = (struct postgres_asked *)asked;
    struct wr_error own = {0}, *error = err != NULL ? err : &own;
    int status = ask_once(self, columns, rows, count, error);
    while (status == WR_EAGAIN) {
        forget_answers(self);
        status = stand_again(self, error);
        if (status == WR_OK)
            status = ask_once(self, columns, rows, count, error);
    }
    if (status == WR_OK)
        wr_patience_well(&self->wait.patience);
    return status;
}

static int read_row(struct postgres_asked *self, struct wr_builder *builder, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    char detail[POSTGRES_DETAIL_MAX];
    for (uint32_t c = 0; c < self->base.schema->field_count; c++) {
        int status = WR_OK, column = (int)c + 1;
        if (!wr_builder_wants(builder, c))
            continue;
        if (pq->PQgetisnull(self->answers, self->answer, column)) {
            wr_builder_nil(builder, c);
            continue;
        }
        if (postgres_value(builder, c, self->columns[c].form,
                           pq->PQgetvalue(self->answers, self->answer, column),
                           (uint32_t)pq->PQgetlength(self->answers, self->answer, column), detail,
                           &status))
            continue;
        if (status != WR_OK)
            return no_memory(err);
        wr_error_script(err, "W502", "%s: %s", self->base.name, detail);
        return WR_ESCRIPT;
    }
    wr_builder_next(builder, builder->row);
    return WR_OK;
}

static uint32_t place_of(const struct postgres_asked *self) {
    uint64_t place;
    memcpy(&place, wr_pq()->PQgetvalue(self->answers, self->answer, 0), sizeof place);
    return (uint32_t)__builtin_bswap64(place);
}

static int asked_next(struct wr_asked *asked, struct wr_batch **batch, const uint32_t **found_for,
                      struct wr_error *err) {
    struct postgres_asked *self = (struct postgres_asked *)asked;
    const struct config *config = asked->config;
    struct wr_builder builder;
    *batch = NULL;
    if (self->answer == self->answer_count) {
        forget_answers(self);
        return WR_EEND;
    }
    if (wr_builder_init(&builder, asked->pool, asked->schema, asked->needed, asked->batch_rows) !=
        WR_OK)
        return WR_ENOMEM;
    builder.zone = config->read->zone;
    uint32_t *of = WR_ARENA_ARRAY(&builder.batch->arena, uint32_t, builder.row_max);
    int status = of == NULL ? WR_ENOMEM : WR_OK;
    *found_for = of;
    for (; status == WR_OK && self->answer < self->answer_count && builder.row < builder.row_max;
         self->answer++) {
        of[builder.row] = place_of(self);
        status = read_row(self, &builder, err);
    }
    *batch = wr_builder_finish(&builder);
    if (status == WR_OK)
        return WR_OK;
    wr_batch_unref(*batch);
    *batch = NULL;
    return status;
}

const struct wr_asked_type wr_asked_postgres = {
    .size_bytes = sizeof(struct postgres_asked),
    .bind = asked_bind,
    .open = asked_open,
    .changed = asked_changed,
    .ask = asked_ask,
    .next = asked_next,
    .close = asked_close,
};
