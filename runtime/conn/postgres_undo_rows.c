/* postgres_undo_rows.c: see postgres_undo_rows.h. */
#include "conn/postgres_undo_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/postgres.h"
#include "base/banned.h"

/* Columns of weir_undo_N; no table of a user's has such names, and one by key has others. */
#define ROWS "\"weir rows\""
#define NUMBER "\"weir xmin\""

static int no_memory(const struct wr_postgres_table *table, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", table->postgres->place);
}

/* ---- looking -------------------------------------------------------------------------------- */

/* Of the table or one of its partitions; and of the table a trigger, or a rule. */
static const char what_it_is[] =
    "select (select case when c.relkind = 'f' then format('`%s` is a foreign table', c.relname) "
    "when c.relkind not in ('r', 'p') then format('`%s` is a view', c.relname) else "
    "format('`%s` is not a table of the access method `heap`', c.relname) end from pg_class c "
    "where (c.oid = $1::regclass or c.oid in (select relid from pg_partition_tree($1::regclass))) "
    "and not (c.relkind = 'p' or c.relkind = 'r' and "
    "c.relam = (select oid from pg_am where amname = 'heap')) limit 1), "
    "coalesce((select t.tgname from pg_trigger t where t.tgrelid = $1::regclass and not "
    "t.tgisinternal limit 1), (select r.rulename from pg_rewrite r where r.ev_class = $1::regclass "
    "and r.ev_type = '3' limit 1))";

/* The only row of a query whose first parameter is the table's name. */
static int ask(const struct wr_postgres_table *table, const struct wr_postgres_name *name,
               const char *sql, PGresult **rows, struct wr_error *err) {
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    wr_postgres_add_table(&text, name);
    int status = text.status != WR_OK ? no_memory(table, err) : WR_OK;
    const char *value = text.bytes;
    if (status == WR_OK)
        status = wr_postgres_ask(table->postgres, table->connection, sql, &value, 1, rows, err);
    wr_buf_release(&text);
    return status;
}

int wr_postgres_undo_rows_look(const struct wr_postgres_table *table, char why[WR_POSTGRES_WHY_MAX],
                               char trigger[WR_POSTGRES_WHY_MAX], struct wr_error *err) {
    PGresult *rows = NULL;
    int status = ask(table, &table->name, what_it_is, &rows, err);
    if (status != WR_OK)
        return status;
    snprintf(why, WR_POSTGRES_WHY_MAX, "%s", wr_pq()->PQgetvalue(rows, 0, 0));
    snprintf(trigger, WR_POSTGRES_WHY_MAX, "%s", wr_pq()->PQgetvalue(rows, 0, 1));
    wr_pq()->PQclear(rows);
    return WR_OK;
}

int wr_postgres_undo_rows_are(const struct wr_postgres_table *table,
                              const struct wr_postgres_name *name, int *are, struct wr_error *err) {
    PGresult *rows = NULL;
    int status = ask(table, name,
                     "select 1 from pg_attribute where attrelid = $1::regclass and attname = "
                     "'weir xmin'",
                     &rows, err);
    if (status != WR_OK)
        return status;
    *are = wr_pq()->PQntuples(rows) > 0;
    wr_pq()->PQclear(rows);
    return WR_OK;
}

/* ---- keeping -------------------------------------------------------------------------------- */

void wr_postgres_undo_rows_add_columns(struct wr_buf *sql) {
    wr_buf_add_text(sql, ROWS " bigint, " NUMBER " text");
}

void wr_postgres_undo_rows_add_mark(const struct wr_postgres_name *name, int64_t rows,
                                    struct wr_buf *sql) {
    wr_buf_add_text(sql, "with weir_mark as (insert into ");
    wr_postgres_add_table(sql, name);
    wr_buf_addf(sql, " (" ROWS ") values (%" PRId64 ") returning xmin::text as x) insert into ",
                rows);
    wr_postgres_add_table(sql, name);
    wr_buf_add_text(sql, " select 0, x from weir_mark");
}

/* ---- taking back ---------------------------------------------------------------------------- */

/* *most: rows that were sent; *kept: without those that the table left out. */
static int count(const struct wr_postgres_table *table, const struct wr_postgres_name *name,
                 uint64_t *most, uint64_t *kept, struct wr_error *err) {
    struct wr_buf sql;
    PGresult *rows = NULL;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "select coalesce(sum(" ROWS ") filter (where " ROWS " > 0), 0), "
                          "coalesce(sum(" ROWS "), 0) from ");
    wr_postgres_add_table(&sql, name);
    int status = sql.status != WR_OK ? no_memory(table, err)
                                     : wr_postgres_ask(table->postgres, table->connection,
                                                       sql.bytes, NULL, 0, &rows, err);
    wr_buf_release(&sql);
    if (status != WR_OK)
        return status;
    *most = strtoull(wr_pq()->PQgetvalue(rows, 0, 0), NULL, 10);
    *kept = strtoull(wr_pq()->PQgetvalue(rows, 0, 1), NULL, 10);
    wr_pq()->PQclear(rows);
    return WR_OK;
}

/* delete from NAME as t where t.xmin in (select u.xmin from weir_undo_N as u where …) */
static int take_away(const struct wr_postgres_table *table, const struct wr_postgres_name *name,
                     uint64_t *gone, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "delete from ");
    wr_postgres_add_table(&sql, &table->name);
    wr_buf_add_text(&sql, " as t where t.xmin in (select u.xmin from ");
    wr_postgres_add_table(&sql, name);
    wr_buf_add_text(&sql, " as u where u." NUMBER " = u.xmin::text)");
    if (sql.status != WR_OK) {
        wr_buf_release(&sql);
        return no_memory(table, err);
    }
    PGresult *result = wr_postgres_exec(table->postgres, table->connection, sql.bytes);
    wr_buf_release(&sql);
    int status = WR_OK;
    if (pq->PQresultStatus(result) == PGRES_COMMAND_OK) {
        *gone = strtoull(pq->PQcmdTuples(result), NULL, 10);
    } else if (wr_postgres_is_of_row(wr_postgres_sqlstate(result))) {
        char message[WR_ERROR_TEXT_MAX / 2];
        wr_postgres_message(table->connection, result, message, sizeof message);
        status = wr_error_set(err, WR_EBADROW, "%s", message);
    } else {
        status =
            wr_postgres_failed(table->postgres, table->connection, result, "take rows back", err);
    }
    pq->PQclear(result);
    return status;
}

int wr_postgres_undo_rows_back(const struct wr_postgres_table *table,
                               const struct wr_postgres_name *name, uint64_t *kept, uint64_t *left,
                               struct wr_error *err) {
    char why[WR_POSTGRES_WHY_MAX], trigger[WR_POSTGRES_WHY_MAX];
    uint64_t most = 0, gone = 0;
    int status = wr_postgres_undo_rows_look(table, why, trigger, err);
    if (status == WR_OK)
        status = count(table, name, &most, kept, err);
    if (status == WR_OK && most > 0)
        status = take_away(table, name, &gone, err);
    if (status != WR_OK)
        return status;
    *left = *kept > gone ? *kept - gone : 0;
    return gone <= most || trigger[0] != 0
               ? WR_OK
               : wr_error_set(err, WR_EBADROW,
                              "%" PRIu64 " rows of the table bear the numbers (xmin) of the "
                              "transactions that wrote %" PRIu64,
                              gone, most);
}
