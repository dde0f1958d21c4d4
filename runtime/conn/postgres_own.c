/* postgres_own.c: see postgres_own.h. */
#include "conn/postgres_own.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/banned.h"

int wr_postgres_own_memory(const struct wr_postgres *postgres, struct wr_buf *sql,
                           struct wr_error *err) {
    wr_buf_release(sql);
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", postgres->place);
}

void wr_postgres_own_add(struct wr_buf *sql, const struct wr_postgres_user *user,
                         const char *name) {
    struct wr_postgres_name table = {.schema = user->beside->schema, .table = name};
    wr_postgres_add_table(sql, &table);
}

int wr_postgres_own_is_there(const struct wr_postgres *postgres, PGconn *connection,
                             const struct wr_postgres_user *user, const char *name, int *there,
                             struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_postgres_own_add(&sql, user, name);
    if (sql.status != WR_OK)
        return wr_postgres_own_memory(postgres, &sql, err);
    int status = wr_postgres_is_there(postgres, connection, sql.bytes, there, err);
    wr_buf_release(&sql);
    return status;
}

int wr_postgres_own_make(const struct wr_postgres *postgres, PGconn *connection,
                         const struct wr_postgres_user *user, const char *name, const char *columns,
                         struct wr_error *err) {
    int there = 0;
    int status = wr_postgres_own_is_there(postgres, connection, user, name, &there, err);
    if (status != WR_OK || there)
        return status;
    struct wr_buf sql;
    char what[64];
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "select pg_advisory_xact_lock(hashtext('weir_commit')); "
                          "create table if not exists ");
    wr_postgres_own_add(&sql, user, name);
    wr_buf_addf(&sql, " (%s)", columns);
    if (sql.status != WR_OK)
        return wr_postgres_own_memory(postgres, &sql, err);
    snprintf(what, sizeof what, "create table %s", name);
    status = wr_postgres_run(postgres, connection, sql.bytes, what, err);
    wr_buf_release(&sql);
    return status;
}
