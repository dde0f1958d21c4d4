/* postgres_publish.c: see postgres_publish.h. */
#include "conn/postgres_publish.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/sql.h"

#include "base/banned.h"

/* Runs the text, and gives it back. */
static int run(const struct wr_postgres *postgres, PGconn *connection, struct wr_buf *sql,
               const char *what, struct wr_error *err) {
    int status = sql->status != WR_OK
                     ? wr_error_set(err, WR_ENOMEM, "%s: out of memory", postgres->place)
                     : wr_postgres_run(postgres, connection, sql->bytes, what, err);
    wr_buf_release(sql);
    return status;
}

int wr_postgres_drop(const struct wr_postgres *postgres, PGconn *connection,
                     const struct wr_postgres_name *name, struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "drop table if exists ");
    wr_postgres_add_table(&sql, name);
    return run(postgres, connection, &sql, "drop table", err);
}

/* Runs the text, whose last statement puts the rows of the table beside into the other one, and
 * drops the first; *left_out: rows that the other one did not take. */
static int put(const struct wr_postgres_publish *publish, const struct wr_postgres_table *old,
               struct wr_buf *sql, const char *what, uint64_t *left_out, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGresult *result = NULL;
    if (sql->status != WR_OK)
        return run(old->postgres, old->connection, sql, what, err);
    result = wr_postgres_exec(old->postgres, old->connection, sql->bytes);
    int status = WR_OK;
    if (pq->PQresultStatus(result) != PGRES_COMMAND_OK)
        status = wr_postgres_failed(old->postgres, old->connection, result, what, err);
    uint64_t count = status == WR_OK ? strtoull(pq->PQcmdTuples(result), NULL, 10) : 0, rows = 0;
    pq->PQclear(result);
    wr_buf_clear(sql);
    wr_buf_add_text(sql, "select count(*) from ");
    wr_postgres_add_table(sql, &publish->beside->name);
    if (status == WR_OK && sql->status == WR_OK)
        status = wr_postgres_ask(old->postgres, old->connection, sql->bytes, NULL, 0, &result, err);
    if (status == WR_OK && sql->status == WR_OK) {
        rows = strtoull(pq->PQgetvalue(result, 0, 0), NULL, 10);
        pq->PQclear(result);
    }
    *left_out = rows > count && !wr_postgres_table_has_only_key(old) ? rows - count : 0;
    if (status != WR_OK) {
        wr_buf_release(sql);
        return status;
    }
    wr_buf_clear(sql);
    wr_buf_add_text(sql, "drop table ");
    wr_postgres_add_table(sql, &publish->beside->name);
    return run(old->postgres, old->connection, sql, what, err);
}

static int take_place(const struct wr_postgres_publish *publish,
                      const struct wr_postgres_table *old, uint64_t *left_out,
                      struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    int stays = old->exists && old->same_columns;
    wr_buf_add_text(&sql, stays ? "delete from " : "drop table if exists ");
    wr_postgres_add_table(&sql, publish->name);
    if (stays) {
        wr_buf_add_text(&sql, "; insert into ");
        wr_postgres_add_table(&sql, publish->name);
        wr_buf_add_text(&sql, " select * from ");
        wr_postgres_add_table(&sql, &publish->beside->name);
        return put(publish, old, &sql, "replace the table", left_out, err);
    }
    wr_buf_add_text(&sql, "; alter table ");
    wr_postgres_add_table(&sql, &publish->beside->name);
    wr_buf_add_text(&sql, " rename to ");
    wr_sql_add_name(&sql, publish->name->table);
    return run(old->postgres, old->connection, &sql, "replace the table", err);
}

/* Taken back first: a key that came again stands in both. */
static int add_to(const struct wr_postgres_publish *publish, struct wr_postgres_table *old,
                  uint64_t *left_out, struct wr_error *err) {
    struct wr_buf sql;
    int status = wr_postgres_table_look(old, 1, err);
    if (status == WR_OK)
        status = wr_postgres_table_key(old, err);
    if (status != WR_OK)
        return status;
    wr_buf_init(&sql, &wr_budget_control, 0);
    if (publish->gone != NULL) {
        wr_postgres_table_delete_by(old, publish->gone, &sql);
        wr_buf_add_text(&sql, "; ");
    }
    wr_postgres_table_insert_from(old, &publish->beside->name, &sql);
    return put(publish, old, &sql, "publish the rows", left_out, err);
}

int wr_postgres_publish(const struct wr_postgres_publish *publish, PGconn *connection,
                        uint64_t *left_out, struct wr_error *err) {
    *left_out = 0;
    struct wr_postgres_table old = *publish->beside;
    old.name = *publish->name;
    old.connection = connection;
    int status = wr_postgres_table_look(&old, 0, err);
    if (status == WR_OK && old.exists && !publish->replaces)
        status = add_to(publish, &old, left_out, err);
    else if (status == WR_OK)
        status = take_place(publish, &old, left_out, err);
    if (status == WR_OK && publish->gone != NULL)
        status = wr_postgres_drop(old.postgres, connection, publish->gone, err);
    if (status == WR_OK && old.key_count > 0)
        status = wr_postgres_table_look(&old, 0, err);
    if (status == WR_OK && old.key_count > 0)
        status = wr_postgres_table_key(&old, err);
    return status;
}
