/* postgres_undo.c: see postgres_undo.h. */
#include "conn/postgres_undo.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "conn/postgres_own.h"
#include "conn/postgres_publish.h"
#include "conn/postgres_type.h"
#include "conn/postgres_undo_rows.h"
#include "conn/sql.h"
#include "conn/table_sink.h"
#include "base/banned.h"

/* Columns of weir's own stand behind those of the table; no table of a user's has such names. */
#define KEY "\"weir k%u\""
#define HAD "\"weir had\""
#define GONE "\"weir gone\""
#define OWN_COLUMNS 2 /* but for the key */

static int no_memory(const struct wr_postgres_table *table, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", table->postgres->place);
}

void wr_postgres_undo_name(struct wr_postgres_undo *undo, const struct wr_postgres_user *user) {
    snprintf(undo->name, sizeof undo->name, "weir_undo_%" PRIu64, user->id);
    undo->table = (struct wr_postgres_name){.schema = user->beside->schema, .table = undo->name};
}

int wr_postgres_undo_find(struct wr_postgres_undo *undo, const struct wr_postgres *postgres,
                          PGconn *connection, const struct wr_postgres_user *user,
                          struct wr_error *err) {
    wr_postgres_undo_name(undo, user);
    return wr_postgres_own_is_there(postgres, connection, user, undo->name, &undo->exists, err);
}

/* ---- columns -------------------------------------------------------------------------------- */

/* Of a table, or the first ones of weir_undo_N. */
struct columns {
    PGresult *rows;
    int count;
};

/* Those that the server does not compute. */
static int is_kept(const struct columns *columns, int row) {
    return wr_pq()->PQgetvalue(columns->rows, row, WR_POSTGRES_COLUMN_GENERATED)[0] != 't';
}

static const char *name_at(const struct columns *columns, int row) {
    return wr_pq()->PQgetvalue(columns->rows, row, WR_POSTGRES_COLUMN_NAME);
}

static void add_columns(const struct columns *columns, const char *before, struct wr_buf *sql) {
    int count = 0;
    for (int row = 0; row < columns->count; row++)
        if (is_kept(columns, row)) {
            wr_buf_addf(sql, "%s%s", count++ == 0 ? "" : ", ", before);
            wr_sql_add_name(sql, name_at(columns, row));
        }
}

/* 0 rows, and nothing to give back, where it fails. */
static int read_columns(struct columns *columns, const struct wr_postgres_table *table,
                        struct wr_error *err) {
    *columns = (struct columns){0};
    int status = wr_postgres_table_columns(table, &columns->rows, err);
    if (status == WR_OK)
        columns->count = wr_pq()->PQntuples(columns->rows);
    return status;
}

static void free_columns(struct columns *columns) {
    if (columns->rows != NULL)
        wr_pq()->PQclear(columns->rows);
}

static void add_key_columns(const struct wr_postgres_table *table, struct wr_buf *sql) {
    for (uint32_t k = 0; k < table->key_count; k++)
        wr_buf_addf(sql, "%s" KEY, k == 0 ? "(" : ", ", k);
    wr_buf_add_char(sql, ')');
}

static const char *type_of(const struct columns *columns, const char *name) {
    int row = 0;
    while (row + 1 < columns->count && strcmp(name_at(columns, row), name) != 0)
        row++;
    return wr_pq()->PQgetvalue(columns->rows, row, WR_POSTGRES_COLUMN_TYPE);
}

/* ---- taking back ---------------------------------------------------------------------------- */

/* delete from NAME as t where exists (select 1 from weir_undo_N as u where …): all, or those that
 * had no row, or were deleted and may have come again. Keys with a nil are few, and looked for one
 * by one. */
static void add_delete(const struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                       int all, int nils, struct wr_buf *sql) {
    wr_buf_add_text(sql, "delete from ");
    wr_postgres_add_table(sql, &table->name);
    wr_buf_add_text(sql, " as t where exists (select 1 from ");
    wr_postgres_add_table(sql, &undo->table);
    wr_buf_add_text(sql, " as u where ");
    for (uint32_t k = 0; k < table->key_count; k++) {
        wr_buf_addf(sql, "%st.", k == 0 ? "" : " and ");
        wr_sql_add_name(sql, table->schema->fields[table->key[k]].name);
        wr_buf_addf(sql, " %s u." KEY, nils ? "is not distinct from" : "=", k);
    }
    for (uint32_t k = 0; k < table->key_count && nils; k++)
        wr_buf_addf(sql, "%su." KEY " is null", k == 0 ? " and (" : " or ", k);
    wr_buf_add_text(sql, nils ? ")" : "");
    wr_buf_add_text(sql, all ? ")" : " and (not u." HAD " or u." GONE "))");
}

static void add_deletes(const struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                        int all, struct wr_buf *sql) {
    for (int nils = 0; nils < 2; nils++) {
        add_delete(undo, table, all, nils, sql);
        wr_buf_add_text(sql, "; ");
    }
}

/* insert into NAME (…) select c0, … from weir_undo_N as weir_rows(c0, …) on conflict …: the first
 * columns are those of the table. */
static void add_insert(const struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                       const struct columns *columns, struct wr_buf *sql) {
    wr_buf_add_text(sql, "insert into ");
    wr_postgres_add_table(sql, &table->name);
    wr_buf_add_text(sql, " (");
    add_columns(columns, "", sql);
    wr_buf_add_text(sql, ") overriding system value select ");
    for (int c = 0; c < columns->count; c++)
        wr_buf_addf(sql, "%sc%d", c == 0 ? "" : ", ", c);
    wr_buf_add_text(sql, " from ");
    wr_postgres_add_table(sql, &undo->table);
    for (int c = 0; c < columns->count; c++)
        wr_buf_addf(sql, "%sc%d", c == 0 ? " as weir_rows(" : ", ", c);
    wr_buf_add_char(sql, ')');
    wr_postgres_table_add_upsert(table, sql);
}

/* WR_EBADROW: a row was refused, or has a column that is not there any more; `err` says why. */
static int try(const struct wr_postgres_table *table, const char *sql, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGresult *result = wr_postgres_exec(table->postgres, table->connection, sql);
    ExecStatusType code = pq->PQresultStatus(result);
    int status = WR_OK;
    if (code != PGRES_COMMAND_OK && code != PGRES_TUPLES_OK) {
        const char *state = wr_postgres_sqlstate(result);
        char message[WR_ERROR_TEXT_MAX / 2];
        int is_row = wr_postgres_is_of_row(state) || strcmp(state, "42703") == 0;
        wr_postgres_message(table->connection, result, message, sizeof message);
        status = is_row ? wr_error_set(err, WR_EBADROW, "%s", message)
                        : wr_postgres_failed(table->postgres, table->connection, result,
                                             "take rows back", err);
    }
    pq->PQclear(result);
    return status;
}

/* Rows may stand in each other's way, where they have exchanged what another index of the table
 * holds unique: then all of them are deleted first. The columns are those that were kept, as
 * weir_undo_N has them. */
static int take_back(const struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                     const struct columns *columns, struct wr_error *error) {
    int status = WR_EBADROW;
    for (int all = 0; all < 2 && status == WR_EBADROW; all++) {
        struct wr_buf sql;
        wr_buf_init(&sql, &wr_budget_control, 0);
        wr_buf_add_text(&sql, all ? "rollback to savepoint weir_back; " : "savepoint weir_back; ");
        add_deletes(undo, table, all, &sql);
        wr_buf_add_text(&sql, "delete from ");
        wr_postgres_add_table(&sql, &undo->table);
        wr_buf_add_text(&sql, " as t where not t." HAD "; ");
        add_insert(undo, table, columns, &sql);
        wr_buf_add_text(&sql, "; release savepoint weir_back");
        status = sql.status != WR_OK ? no_memory(table, error) : try(table, sql.bytes, error);
        wr_buf_release(&sql);
    }
    return status;
}

/* The columns of weir_undo_N that are the table's. */
static int read_kept(const struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                     struct columns *columns, struct wr_error *err) {
    struct wr_postgres_table kept = {
        .postgres = table->postgres, .connection = table->connection, .name = undo->table};
    int status = read_columns(columns, &kept, err);
    columns->count -= (int)table->key_count + OWN_COLUMNS;
    return status;
}

static int back_keys(const struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                     struct wr_error *error) {
    struct columns columns = {0};
    if (table->key_count == 0)
        return wr_error_set(error, WR_EBADROW,
                            "they were written by a key that the script does not name any more");
    int status = read_kept(undo, table, &columns, error);
    if (status == WR_OK)
        status = take_back(undo, table, &columns, error);
    free_columns(&columns);
    return status;
}

static int back(struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                struct wr_error *err) {
    struct wr_error own, *error = err != NULL ? err : &own;
    int has_rows = 0;
    int status = wr_postgres_undo_rows_are(table, &undo->table, &has_rows, error);
    if (status == WR_OK)
        status = has_rows ? wr_postgres_undo_rows_back(table, &undo->table, &undo->back_count,
                                                       &undo->left_count, error)
                          : back_keys(undo, table, error);
    if (status == WR_EBADROW) {
        char why[WR_ERROR_TEXT_MAX];
        memcpy(why, error->text, sizeof why);
        return wr_table_not_back(table->postgres->place, table->name.table, why, error);
    }
    return status;
}

/* ---- keeping -------------------------------------------------------------------------------- */

static int make_rows(const struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                     struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "create table ");
    wr_postgres_add_table(&sql, &undo->table);
    wr_buf_add_text(&sql, " (");
    wr_postgres_undo_rows_add_columns(&sql);
    wr_buf_add_char(&sql, ')');
    return wr_postgres_table_run(table, &sql, "create table weir_undo", err);
}

static int make(const struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                const struct columns *columns, struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "create table ");
    wr_postgres_add_table(&sql, &undo->table);
    wr_buf_add_text(&sql, " (");
    for (int row = 0; row < columns->count; row++)
        if (is_kept(columns, row)) {
            wr_sql_add_name(&sql, name_at(columns, row));
            wr_buf_addf(&sql, " %s, ",
                        wr_pq()->PQgetvalue(columns->rows, row, WR_POSTGRES_COLUMN_TYPE));
        }
    for (uint32_t k = 0; k < table->key_count; k++)
        wr_buf_addf(&sql, KEY " %s, ", k,
                    type_of(columns, table->schema->fields[table->key[k]].name));
    wr_buf_add_text(&sql, HAD " boolean, " GONE " boolean); create unique index on ");
    wr_postgres_add_table(&sql, &undo->table);
    wr_buf_add_char(&sql, ' ');
    add_key_columns(table, &sql);
    int has_nulls = wr_pq()->PQserverVersion(table->connection) >= WR_POSTGRES_NULLS_NOT_DISTINCT;
    wr_buf_add_text(&sql, has_nulls ? " nulls not distinct" : ""); /* else no key has a nil */
    return wr_postgres_table_run(table, &sql, "create table weir_undo", err);
}

int wr_postgres_undo_drop(const struct wr_postgres_undo *undo,
                          const struct wr_postgres_table *table, struct wr_error *err) {
    return wr_postgres_drop(table->postgres, table->connection, &undo->table, err);
}

int wr_postgres_undo_take(struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                          int is_new, int keeps, struct wr_error *err) {
    struct columns columns = {0};
    int status = WR_OK;
    if (undo->is_due && !is_new)
        status = back(undo, table, err);
    if (status == WR_OK && undo->exists)
        status = wr_postgres_undo_drop(undo, table, err);
    if (status == WR_OK && keeps && undo->by_rows)
        return make_rows(undo, table, err);
    if (status == WR_OK && keeps) {
        status = read_columns(&columns, table, err);
        if (status == WR_OK)
            status = make(undo, table, &columns, err);
        free_columns(&columns);
    }
    return status;
}

/* insert into weir_undo_N select t."a", …, coalesce(t."k", c0), …, had, gone from keys left join
 * NAME as t …: the key is that of the row that is there, which to the table may be the one that
 * comes and not the same (citext). */
int wr_postgres_undo_keep(const struct wr_postgres_undo *undo,
                          const struct wr_postgres_table *table, int nils, struct wr_buf *sql,
                          struct wr_error *err) {
    struct columns columns;
    uint32_t count = table->key_count;
    int status = read_columns(&columns, table, err);
    if (status != WR_OK)
        return status;
    wr_buf_add_text(sql, "insert into ");
    wr_postgres_add_table(sql, &undo->table);
    wr_buf_add_text(sql, " select ");
    add_columns(&columns, "t.", sql);
    free_columns(&columns);
    for (uint32_t k = 0; k < count; k++) {
        const char *cast = table->casts[table->key[k]];
        wr_buf_add_text(sql, ", coalesce(t.");
        wr_sql_add_name(sql, table->schema->fields[table->key[k]].name);
        wr_buf_addf(sql, ", c%u%s%s)", k, cast == NULL ? "" : "::", cast == NULL ? "" : cast);
    }
    wr_buf_add_text(sql, ", t.ctid is not null, gone from ");
    for (uint32_t k = 0; k < count; k++)
        wr_buf_addf(sql, "%s$%u::%s[]", k == 0 ? "unnest(" : ", ", k + 1,
                    wr_postgres_wire(&table->schema->fields[table->key[k]].type, NULL));
    wr_buf_addf(sql, ", $%u::bool[]) as weir_keys(", count + 1);
    for (uint32_t k = 0; k < count; k++)
        wr_buf_addf(sql, "c%u, ", k);
    wr_buf_add_text(sql, "gone) left join ");
    wr_postgres_add_table(sql, &table->name);
    wr_buf_add_text(sql, " as t on");
    wr_postgres_table_add_match(table, nils, sql);
    wr_buf_add_text(sql, " on conflict ");
    add_key_columns(table, sql);
    wr_buf_add_text(sql, " do update set " GONE " = true where excluded." GONE);
    return sql->status == WR_OK ? WR_OK : no_memory(table, err);
}

void wr_postgres_undo_begin(struct wr_postgres_undo *undo) {
    undo->is_stale |= undo->has_kept;
    undo->has_kept = 0;
    undo->left_out = 0;
    wr_touched_forget(&undo->touched);
}
