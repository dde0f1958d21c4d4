/* sqlite_undo_rows.c: see sqlite_undo_rows.h. */
#include "conn/sqlite_undo_rows.h"

#include <sqlite3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/sql.h"
#include "conn/sqlite.h"
#include "conn/sqlite_table.h"

#include "base/banned.h"

#define FUNCTION "weir_row"
#define ARGUMENTS_MAX 100 /* SQLite takes 127 */

/* ---- the hash of a row ---------------------------------------------------------------------- */

/* WR_OK or WR_ENOMEM. */
static int hash_value(sqlite3_value *value, uint64_t seed, uint64_t *hash) {
    int type = sqlite3_value_type(value);
    uint64_t own = 0;
    double number;
    const void *bytes;
    switch (type) {
    case SQLITE_INTEGER: own = wr_hash_u64((uint64_t)sqlite3_value_int64(value), seed); break;
    case SQLITE_FLOAT:
        number = sqlite3_value_double(value);
        own = wr_hash_bytes(&number, sizeof number, seed);
        break;
    case SQLITE_NULL: break;
    default:
        bytes = type == SQLITE_TEXT ? sqlite3_value_text(value) : sqlite3_value_blob(value);
        int length = sqlite3_value_bytes(value);
        if (bytes == NULL && length > 0)
            return WR_ENOMEM;
        own = wr_hash_bytes(length == 0 ? "" : bytes, (size_t)length, seed);
    }
    *hash = wr_hash_join(*hash, wr_hash_join(own, (uint64_t)type));
    return WR_OK;
}

/* weir_row(seed, a, b, …) */
static void hash_row(sqlite3_context *context, int count, sqlite3_value **values) {
    uint64_t seed = count == 0 ? 0 : (uint64_t)sqlite3_value_int64(values[0]), hash = seed;
    for (int i = 1; i < count; i++)
        if (hash_value(values[i], seed, &hash) != WR_OK) {
            sqlite3_result_error_nomem(context);
            return;
        }
    sqlite3_result_int64(context, (int64_t)hash);
}

int wr_sqlite_undo_rows_init(sqlite3 *db) {
    int how = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
    int code = sqlite3_create_function(db, FUNCTION, -1, how, NULL, hash_row, NULL, NULL);
    return code == SQLITE_OK ? WR_OK : WR_ENOMEM;
}

/* weir_row(id, "a", …, weir_row(id, …)): a call takes so many columns, and the next one the rest.
 */
static void add_hash(struct wr_buf *sql, uint64_t id, const struct wr_buf *columns) {
    uint32_t calls = 1, count = 0;
    int is_quoted = 0;
    wr_buf_addf(sql, FUNCTION "(%llu, ", (unsigned long long)id);
    for (uint64_t i = 0; i < columns->length; i++) {
        char c = columns->bytes[i];
        is_quoted ^= c == '"';
        wr_buf_add_char(sql, c);
        if (c == ',' && !is_quoted && ++count % ARGUMENTS_MAX == 0) {
            wr_buf_addf(sql, " " FUNCTION "(%llu, ", (unsigned long long)id);
            calls++;
        }
    }
    while (calls-- > 0)
        wr_buf_add_char(sql, ')');
}

/* ---- looking -------------------------------------------------------------------------------- */

/* The first column of the only row of a query about the table ?1, or "". */
static int ask(const struct wr_sqlite_table *table, const char *sql, char text[WR_SQLITE_WHY_MAX],
               struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    text[0] = 0;
    int status = wr_sqlite_prepare(table->db, table->path, sql, &row, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_text(row, 1, table->name, -1, SQLITE_STATIC);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW && sqlite3_column_type(row, 0) != SQLITE_NULL)
        sqlite3_snprintf(WR_SQLITE_WHY_MAX, text, "%s", (const char *)sqlite3_column_text(row, 0));
    else if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = wr_sqlite_failed(table->db, table->path, "look at the table", err);
    sqlite3_finalize(row);
    return status;
}

static const char what_it_is[] =
    "select case when type <> 'table' then 'it is a virtual table' when wr then 'it is a table "
    "`without rowid`' end from pragma_table_list where schema = "
    "'main' and name = ?1 collate nocase";
static const char replaces[] =
    "select 'a row that comes takes the place of others there (`on conflict replace`)' from "
    "sqlite_schema where tbl_name = ?1 collate nocase and type in ('table', 'index') and sql like "
    "'%on%conflict%replace%'";
static const char names_of_rowid[] =
    "select name from (select 'rowid' as name union all select '_rowid_' union all select 'oid') "
    "where name not in (select lower(x.name) from pragma_table_xinfo(?1) as x) limit 1";
static const char trigger_of[] =
    "select name from sqlite_schema where type = 'trigger' and tbl_name "
    "= ?1 collate nocase limit 1";

int wr_sqlite_undo_rows_look(struct wr_sqlite_undo_rows *rows, const struct wr_sqlite_table *table,
                             char why[WR_SQLITE_WHY_MAX], char trigger[WR_SQLITE_WHY_MAX],
                             struct wr_error *err) {
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    char name[WR_SQLITE_WHY_MAX];
    rows->rowid = NULL;
    trigger[0] = 0;
    int status = ask(table, what_it_is, why, err);
    if (status == WR_OK && why[0] == 0)
        status = ask(table, replaces, why, err);
    if (status != WR_OK || why[0] != 0)
        return status;
    status = ask(table, names_of_rowid, name, err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            rows->rowid = names[i];
    if (rows->rowid == NULL)
        sqlite3_snprintf(WR_SQLITE_WHY_MAX, why,
                         "its columns have all names that a row's number has");
    return status == WR_OK ? ask(table, trigger_of, trigger, err) : status;
}

/* ---- keeping -------------------------------------------------------------------------------- */

static int no_memory(const struct wr_sqlite_table *table, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", table->path);
}

int wr_sqlite_undo_rows_make(const struct wr_sqlite_undo_rows *rows,
                             const struct wr_sqlite_table *table, const char *name, uint64_t id,
                             const struct wr_buf *columns, sqlite3_stmt **keep,
                             struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "create table %s(r integer primary key, h, here)", name);
    int status = sql.status != WR_OK ? no_memory(table, err)
                                     : wr_sqlite_exec(table->db, table->path, sql.bytes, err);
    wr_buf_clear(&sql);
    wr_buf_addf(&sql, "insert or replace into %s select %s, ", name, rows->rowid);
    add_hash(&sql, id, columns);
    wr_buf_add_text(&sql, ", 0 from ");
    wr_sql_add_name(&sql, table->name);
    wr_buf_addf(&sql, " where %s between ?1 and ?2", rows->rowid);
    if (status == WR_OK)
        status = sql.status != WR_OK
                     ? no_memory(table, err)
                     : wr_sqlite_prepare(table->db, table->path, sql.bytes, keep, err);
    wr_buf_release(&sql);
    return status;
}

/* ---- taking back ---------------------------------------------------------------------------- */

/* update weir_undo_N set here = 1 where exists (the same row); delete from NAME where it is here */
static void add_statements(struct wr_buf *sql, const char *rowid,
                           const struct wr_sqlite_table *table, const char *name, uint64_t id,
                           const struct wr_buf *columns) {
    wr_buf_addf(sql, "update %s set here = 1 where exists (select 1 from ", name);
    wr_sql_add_name(sql, table->name);
    wr_buf_addf(sql, " as t where t.%s = %s.r and %s.h = ", rowid, name, name);
    add_hash(sql, id, columns);
    wr_buf_add_text(sql, "); delete from ");
    wr_sql_add_name(sql, table->name);
    wr_buf_addf(sql, " where %s in (select r from %s where here)", rowid, name);
}

static int is_of_table(int code) {
    return (code & 0xff) == SQLITE_CONSTRAINT || (code & 0xff) == SQLITE_ERROR;
}

static int count(const struct wr_sqlite_table *table, const char *name, uint64_t *rows,
                 struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    char sql[96];
    sqlite3_snprintf(sizeof sql, sql, "select count(*) from %s", name);
    int status = wr_sqlite_prepare(table->db, table->path, sql, &row, err);
    if (status == WR_OK && sqlite3_step(row) == SQLITE_ROW)
        *rows = (uint64_t)sqlite3_column_int64(row, 0);
    else if (status == WR_OK)
        status = wr_sqlite_failed(table->db, table->path, "count rows that are kept", err);
    sqlite3_finalize(row);
    return status;
}

int wr_sqlite_undo_rows_back(const struct wr_sqlite_table *table, const char *name, uint64_t id,
                             const struct wr_buf *columns, uint64_t *kept, uint64_t *left,
                             struct wr_error *err) {
    char rowid[WR_SQLITE_WHY_MAX];
    struct wr_buf sql;
    int status = count(table, name, kept, err);
    if (status == WR_OK)
        status = ask(table, names_of_rowid, rowid, err);
    if (status != WR_OK || *kept == 0)
        return status;
    wr_buf_init(&sql, &wr_budget_control, 0);
    add_statements(&sql, rowid, table, name, id, columns);
    if (sql.status != WR_OK)
        status = no_memory(table, err);
    else if (sqlite3_exec(table->db, sql.bytes, NULL, NULL, NULL) != SQLITE_OK)
        status = is_of_table(sqlite3_errcode(table->db))
                     ? WR_EBADROW
                     : wr_sqlite_failed(table->db, table->path, "take rows back", err);
    else
        *left = *kept - (uint64_t)sqlite3_changes64(table->db);
    wr_buf_release(&sql);
    return status;
}
