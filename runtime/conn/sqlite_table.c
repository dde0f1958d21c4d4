/* sqlite_table.c: see sqlite_table.h. */
#include "conn/sqlite_table.h"

#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/sql.h"
#include "conn/sqlite.h"
#include "data/batch.h"
#include "data/text.h"
#include "data/time.h"

#include "base/banned.h"

static int prepared(const struct wr_sqlite_table *table, const char *sql, const char *name,
                    sqlite3_stmt **statement, struct wr_error *err) {
    int status = wr_sqlite_prepare(table->db, table->path, sql, statement, err);
    if (status == WR_OK)
        sqlite3_bind_text(*statement, 1, name, -1, SQLITE_STATIC);
    return status;
}

/* SQLite's names know no case within ASCII. */
static int find_column(const struct wr_schema *schema, const char *name) {
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (strcasecmp(schema->fields[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int is_key(const struct wr_sqlite_table *table, int column) {
    for (uint32_t i = 0; i < table->key_count; i++)
        if (table->key[i] == column)
            return 1;
    return 0;
}

int wr_sqlite_table_key_names(const struct wr_sqlite_table *table, struct wr_buf *out) {
    for (uint32_t i = 0; i < table->key_count; i++)
        wr_buf_addf(out, "%s%s", i == 0 ? "" : ", ", table->schema->fields[table->key[i]].name);
    return out->status;
}

/* ---- looking ------------------------------------------------------------------------------- */

struct looked {
    uint32_t found;               /* columns of the stream that the table has */
    uint32_t pk_count, pk_in_key; /* columns of its primary key; those that are key columns */
    uint32_t key_not_null;
    char pk_names[256];
    int pk_is_rowid; /* one column, INTEGER: an alias of the row's number */
    int pk_in_stream;
};

static int check_column(const struct wr_sqlite_table *table, sqlite3_stmt *row, int field,
                        struct wr_error *err) {
    const char *name = (const char *)sqlite3_column_text(row, 1);
    const char *declared = (const char *)sqlite3_column_text(row, 2);
    int not_null = sqlite3_column_int(row, 3), hidden = sqlite3_column_int(row, 6);
    int has_default = sqlite3_column_type(row, 4) != SQLITE_NULL;
    int is_pk = sqlite3_column_int(row, 5) > 0;
    if (declared == NULL || declared[0] == 0)
        declared = "any";
    if (field < 0) {
        if (!not_null || has_default || hidden != 0 || is_pk)
            return WR_OK;
        wr_error_script(err, "W403",
                        "table `%s` has column `%s`, which must not be null, and the "
                        "stream has no such column",
                        table->name, name);
        wr_error_at(err, "table", 0, 0);
        return WR_ESCRIPT;
    }
    const struct wr_field *column = &table->schema->fields[field];
    char type[128];
    wr_type_text(&column->type, type, sizeof type);
    if (hidden == 2 || hidden == 3)
        wr_error_script(err, "W403",
                        "table `%s` computes its column `%s` itself: it cannot be "
                        "written",
                        table->name, name);
    else if (!wr_sqlite_takes(declared, &column->type))
        wr_error_script(err, "W403", "table `%s` has column `%s` of type %s, the stream has %s",
                        table->name, name, declared, type);
    else
        return WR_OK;
    wr_error_at(err, "table", 0, 0);
    return WR_ESCRIPT;
}

static int look_at_columns(struct wr_sqlite_table *table, struct looked *looked, int check,
                           struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    int status = prepared(table, "select * from pragma_table_xinfo(?1)", table->name, &row, err);
    struct wr_buf type;
    wr_buf_init(&type, &wr_budget_control, 0);
    table->same_columns = 1;
    while (status == WR_OK && sqlite3_step(row) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(row, 1);
        const char *declared = (const char *)sqlite3_column_text(row, 2);
        int field = find_column(table->schema, name);
        uint32_t at = table->column_count++;
        looked->found += field >= 0;
        if (sqlite3_column_int(row, 5) > 0) {
            looked->pk_count++;
            looked->pk_in_key += (uint32_t)is_key(table, field);
            looked->pk_in_stream |= field >= 0;
            looked->pk_is_rowid = declared != NULL && strcasecmp(declared, "integer") == 0;
            size_t length = strlen(looked->pk_names);
            sqlite3_snprintf((int)(sizeof looked->pk_names - length), looked->pk_names + length,
                             "%s%s", length == 0 ? "" : ", ", name);
        }
        if (is_key(table, field))
            looked->key_not_null += sqlite3_column_int(row, 3) != 0;
        if (field >= 0 && table->same_columns) {
            wr_buf_clear(&type);
            wr_sqlite_add_type(&type, &table->schema->fields[field].type);
        }
        table->same_columns &= field == (int)at && type.length > 0 && declared != NULL &&
                               strcasecmp(declared, type.bytes) == 0;
        if (check)
            status = check_column(table, row, field, err);
    }
    if (status == WR_OK && sqlite3_errcode(table->db) != SQLITE_DONE &&
        sqlite3_errcode(table->db) != SQLITE_OK)
        status = wr_sqlite_failed(table->db, table->path, "columns of the table", err);
    sqlite3_finalize(row);
    wr_buf_release(&type);
    table->same_columns &= table->column_count == table->schema->field_count;
    return status;
}

/* 1 when the columns of a unique index are the key's, in any order; a negative status. */
static int index_is_key(const struct wr_sqlite_table *table, const char *index,
                        struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    int status = prepared(table, "select name from pragma_index_info(?1)", index, &row, err);
    uint32_t count = 0, in_key = 0;
    while (status == WR_OK && sqlite3_step(row) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(row, 0);
        count++;
        in_key += name != NULL && is_key(table, find_column(table->schema, name));
    }
    sqlite3_finalize(row);
    return status != WR_OK ? status : count == table->key_count && in_key == count;
}

static int look_at_indexes(struct wr_sqlite_table *table, struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    int status = prepared(table,
                          "select name from pragma_index_list(?1) where \"unique\" and not "
                          "partial",
                          table->name, &row, err);
    while (status == WR_OK && !table->unique && sqlite3_step(row) == SQLITE_ROW) {
        int is = index_is_key(table, (const char *)sqlite3_column_text(row, 0), err);
        if (is < 0)
            status = is;
        else
            table->unique = is;
    }
    sqlite3_finalize(row);
    return status;
}

static int missing_column(const struct wr_sqlite_table *table, struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    int status = prepared(table,
                          "select 1 from pragma_table_xinfo(?1) where name = ?2 collate "
                          "nocase",
                          table->name, &row, err);
    for (uint32_t i = 0; i < table->schema->field_count && status == WR_OK; i++) {
        const struct wr_field *field = &table->schema->fields[i];
        char type[128];
        sqlite3_bind_text(row, 2, field->name, -1, SQLITE_STATIC);
        if (sqlite3_step(row) != SQLITE_ROW) {
            wr_type_text(&field->type, type, sizeof type);
            status = wr_error_script(err, "W403",
                                     "table `%s` has no column `%s`, the stream has "
                                     "it (%s)",
                                     table->name, field->name, type);
            wr_error_help(err, "`drop` it, `alter table` adds it, or `mode = \"replace\"`");
            wr_error_at(err, "table", 0, 0);
        }
        sqlite3_reset(row);
    }
    sqlite3_finalize(row);
    return status;
}

static int check_key(const struct wr_sqlite_table *table, const struct looked *looked,
                     struct wr_error *err) {
    if (table->key_count == 0 || looked->pk_count == 0 || table->unique)
        return WR_OK;
    if (looked->pk_is_rowid && looked->pk_count == 1 && !looked->pk_in_stream)
        return WR_OK; /* the table numbers its rows itself */
    struct wr_buf names;
    wr_buf_init(&names, &wr_budget_control, 0);
    wr_sqlite_table_key_names(table, &names);
    wr_error_script(err, "W307", "key of the sink (%s) is not the stream's key (%s)",
                    looked->pk_names, names.bytes == NULL ? "" : names.bytes);
    wr_error_help(err, "table `%s` has that primary key; `key = \"%s\"` upserts by it", table->name,
                  looked->pk_names);
    wr_error_at(err, "key", 0, 0);
    wr_buf_release(&names);
    return WR_ESCRIPT;
}

int wr_sqlite_table_look(struct wr_sqlite_table *table, int check, struct wr_error *err) {
    table->exists = table->unique = table->never_null = table->same_columns = 0;
    table->numbers_nil = 0;
    table->column_count = 0;
    sqlite3_stmt *row = NULL;
    int is_view = 0;
    int status = prepared(table,
                          "select type from sqlite_schema where name = ?1 collate nocase "
                          "and type in ('table', 'view')",
                          table->name, &row, err);
    if (status == WR_OK && sqlite3_step(row) == SQLITE_ROW) {
        table->exists = 1;
        is_view = strcmp((const char *)sqlite3_column_text(row, 0), "view") == 0;
    }
    sqlite3_finalize(row);
    if (status != WR_OK || !table->exists)
        return status;
    if (is_view) {
        wr_error_script(err, "W403", "`%s` is a view: rows are written to tables", table->name);
        wr_error_at(err, "table", 0, 0);
        return WR_ESCRIPT;
    }
    struct looked looked = {0};
    status = look_at_columns(table, &looked, check, err);
    if (status == WR_OK && check && looked.found < table->schema->field_count)
        status = missing_column(table, err);
    if (status == WR_OK && table->key_count > 0) {
        table->unique = looked.pk_count == table->key_count && looked.pk_in_key == looked.pk_count;
        if (!table->unique)
            status = look_at_indexes(table, err);
        table->numbers_nil =
            table->unique && looked.pk_count == 1 && looked.pk_in_key == 1 && looked.pk_is_rowid;
        table->never_null =
            table->unique && (looked.key_not_null == table->key_count || table->numbers_nil);
        if (status == WR_OK && check)
            status = check_key(table, &looked, err);
    }
    return status;
}

/* ---- statements ---------------------------------------------------------------------------- */

static int run(const struct wr_sqlite_table *table, struct wr_buf *sql, struct wr_error *err) {
    int status = sql->status;
    if (status != WR_OK)
        wr_error_set(err, status, "sqlite:%s: out of memory", table->path);
    else
        status = wr_sqlite_exec(table->db, table->path, sql->bytes, err);
    wr_buf_release(sql);
    return status;
}

int wr_sqlite_table_make(const struct wr_sqlite_table *table, struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "create table ");
    wr_sql_add_name(&sql, table->name);
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        const struct wr_field *field = &table->schema->fields[i];
        wr_buf_add_text(&sql, i == 0 ? "(\n  " : ",\n  ");
        wr_sql_add_name(&sql, field->name);
        wr_buf_add_char(&sql, ' ');
        wr_sqlite_add_type(&sql, &field->type);
    }
    wr_buf_add_text(&sql, "\n)");
    return run(table, &sql, err);
}

static void add_key_part(const struct wr_sqlite_table *table, uint32_t i, unsigned parameter,
                         struct wr_buf *sql) {
    wr_sqlite_add_key(sql, &table->schema->fields[table->key[i]], parameter);
}

static void add_key_list(const struct wr_sqlite_table *table, struct wr_buf *sql) {
    for (uint32_t i = 0; i < table->key_count; i++) {
        wr_buf_add_char(sql, i == 0 ? '(' : ',');
        add_key_part(table, i, 0, sql);
    }
    wr_buf_add_char(sql, ')');
}

static int other_index(const struct wr_sqlite_table *table, const char *has, struct wr_error *err) {
    struct wr_buf names;
    wr_buf_init(&names, &wr_budget_control, 0);
    wr_sqlite_table_key_names(table, &names);
    wr_error_script(err, "W307", "key of the sink %.200s is not the stream's key (%s)", has,
                    names.bytes == NULL ? "" : names.bytes);
    wr_error_help(err,
                  "table `%s` was written with another key: give that one, another table, or "
                  "`mode = \"replace\"`",
                  table->name);
    wr_error_at(err, "key", 0, 0);
    wr_buf_release(&names);
    return WR_ESCRIPT;
}

/* WR_OK with *exists, or W307. */
static int look_for_index(const struct wr_sqlite_table *table, const char *name,
                          const char *columns, int *exists, struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    int status = prepared(table, "select sql from sqlite_schema where type = 'index' and name = ?1",
                          name, &row, err);
    if (status == WR_OK && sqlite3_step(row) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(row, 0);
        const char *has = sql == NULL ? NULL : strstr(sql, "(ifnull(");
        *exists = 1;
        if (has == NULL || strcmp(has, columns) != 0)
            status = other_index(table, has == NULL ? "" : has, err);
    }
    sqlite3_finalize(row);
    return status;
}

int wr_sqlite_table_key(const struct wr_sqlite_table *table, struct wr_error *err) {
    if (table->key_count == 0 || table->never_null)
        return WR_OK;
    struct wr_buf name, columns, sql;
    wr_buf_init(&name, &wr_budget_control, 0);
    wr_buf_init(&columns, &wr_budget_control, 0);
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&name, "weir_key_%s", table->name);
    add_key_list(table, &columns);
    int status = name.status == WR_OK ? columns.status : name.status, exists = 0;
    if (status != WR_OK)
        wr_error_set(err, status, "sqlite:%s: out of memory", table->path);
    else
        status = look_for_index(table, name.bytes, columns.bytes, &exists, err);
    if (status == WR_OK && !exists) {
        wr_buf_add_text(&sql, "create unique index ");
        wr_sql_add_name(&sql, name.bytes);
        wr_buf_add_text(&sql, " on ");
        wr_sql_add_name(&sql, table->name);
        wr_buf_add(&sql, columns.bytes, columns.length);
        status = run(table, &sql, err);
        if (status != WR_OK && (sqlite3_errcode(table->db) & 0xff) == SQLITE_CONSTRAINT) {
            wr_buf_clear(&columns);
            wr_sqlite_table_key_names(table, &columns);
            status =
                wr_error_set(err, WR_EREFUSED,
                             "sqlite:%s: table `%s` holds several rows with one key "
                             "(%s): nothing can be upserted into it",
                             table->path, table->name, columns.bytes == NULL ? "" : columns.bytes);
        }
    }
    wr_buf_release(&name);
    wr_buf_release(&columns);
    return status;
}

/* A row that has only a key stays as it is, but counts as one that is there: `do nothing` would
 * look as if the table had left it out. */
static void add_update(const struct wr_sqlite_table *table, struct wr_buf *sql) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        if (is_key(table, (int)i))
            continue;
        wr_buf_add_text(sql, count++ == 0 ? " do update set " : ", ");
        wr_sql_add_name(sql, table->schema->fields[i].name);
        wr_buf_add_text(sql, " = excluded.");
        wr_sql_add_name(sql, table->schema->fields[i].name);
    }
    if (count > 0)
        return;
    wr_buf_add_text(sql, " do update set ");
    wr_sql_add_name(sql, table->schema->fields[table->key[0]].name);
    wr_buf_add_text(sql, " = ");
    wr_sql_add_name(sql, table->schema->fields[table->key[0]].name);
}

static void add_columns(const struct wr_sqlite_table *table, struct wr_buf *sql) {
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        wr_buf_add_text(sql, i == 0 ? "" : ",");
        wr_sql_add_name(sql, table->schema->fields[i].name);
    }
}

static void add_insert(const struct wr_sqlite_table *table, struct wr_buf *sql) {
    wr_buf_add_text(sql, "insert into ");
    wr_sql_add_name(sql, table->name);
    wr_buf_add_char(sql, '(');
    add_columns(table, sql);
    wr_buf_add_char(sql, ')');
}

int wr_sqlite_table_add_upsert(const struct wr_sqlite_table *table, struct wr_buf *sql) {
    if (table->unique) {
        wr_buf_add_text(sql, " on conflict");
        for (uint32_t i = 0; i < table->key_count; i++) {
            wr_buf_add_char(sql, i == 0 ? '(' : ',');
            wr_sql_add_name(sql, table->schema->fields[table->key[i]].name);
        }
        wr_buf_add_char(sql, ')');
        add_update(table, sql);
    }
    if (!table->never_null) {
        wr_buf_add_text(sql, " on conflict");
        add_key_list(table, sql);
        add_update(table, sql);
    }
    return sql->status;
}

int wr_sqlite_table_insert(const struct wr_sqlite_table *table, int upsert, struct wr_buf *sql) {
    add_insert(table, sql);
    for (uint32_t i = 0; i < table->schema->field_count; i++)
        wr_buf_addf(sql, "%s?%u", i == 0 ? " values (" : ",", i + 1);
    wr_buf_add_char(sql, ')');
    return upsert ? wr_sqlite_table_add_upsert(table, sql) : sql->status;
}

int wr_sqlite_table_insert_from(const struct wr_sqlite_table *table, const char *from, int upsert,
                                struct wr_buf *sql) {
    add_insert(table, sql);
    wr_buf_add_text(sql, " select ");
    add_columns(table, sql);
    wr_buf_add_text(sql, " from ");
    wr_sql_add_name(sql, from);
    wr_buf_add_text(sql, " where true order by rowid"); /* else `on` would belong to a join */
    return upsert ? wr_sqlite_table_add_upsert(table, sql) : sql->status;
}

int wr_sqlite_table_delete_by(const struct wr_sqlite_table *table, const char *keys,
                              struct wr_buf *sql) {
    wr_buf_add_text(sql, "delete from ");
    wr_sql_add_name(sql, table->name);
    for (int side = 0; side < 2; side++) {
        wr_buf_add_text(sql, side == 0 ? " where (" : ") in (select ");
        for (uint32_t i = 0; i < table->key_count; i++) {
            wr_buf_add_text(sql, i == 0 ? "" : ",");
            if (table->never_null)
                wr_sql_add_name(sql, table->schema->fields[table->key[i]].name);
            else
                add_key_part(table, i, 0, sql);
        }
    }
    wr_buf_add_text(sql, " from ");
    wr_sql_add_name(sql, keys);
    wr_buf_add_char(sql, ')');
    return sql->status;
}

/* Where a column is compared itself, it is so by its own collation. */
int wr_sqlite_table_add_match(const struct wr_sqlite_table *table, struct wr_buf *sql) {
    for (uint32_t i = 0; i < table->key_count; i++) {
        wr_buf_add_text(sql, i == 0 ? " where " : " and ");
        if (table->unique) {
            wr_sql_add_name(sql, table->schema->fields[table->key[i]].name);
            wr_buf_addf(sql, " %s ?%u", table->never_null ? "=" : "is", i + 1);
            continue;
        }
        add_key_part(table, i, 0, sql);
        wr_buf_add_text(sql, " = ");
        add_key_part(table, i, i + 1, sql);
    }
    return sql->status;
}

int wr_sqlite_table_delete(const struct wr_sqlite_table *table, struct wr_buf *sql) {
    wr_buf_add_text(sql, "delete from ");
    wr_sql_add_name(sql, table->name);
    return wr_sqlite_table_add_match(table, sql);
}

/* ---- cells --------------------------------------------------------------------------------- */

int wr_sqlite_bind_cell(sqlite3_stmt *statement, int parameter, const struct wr_type *type,
                        const struct wr_column *values, uint32_t row, char *text) {
    if (values->data == NULL || wr_column_is_nil(values, row)) {
        sqlite3_bind_null(statement, parameter);
        return 0;
    }
    size_t length = 0;
    switch (type->kind) {
    case WR_BOOL: sqlite3_bind_int(statement, parameter, WR_BOOLS(values)[row]); return 0;
    case WR_INT64: sqlite3_bind_int64(statement, parameter, WR_I64(values)[row]); return 0;
    case WR_FLOAT64:
        sqlite3_bind_double(statement, parameter, WR_F64(values)[row]);
        return isnan(WR_F64(values)[row]);
    case WR_BYTES: {
        const struct wr_str *bytes = &WR_STR(values)[row];
        sqlite3_bind_blob64(statement, parameter, wr_str_bytes(bytes), bytes->length,
                            SQLITE_STATIC);
        return 0;
    }
    case WR_STRING:
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: {
        const struct wr_str *string = &WR_STR(values)[row];
        return wr_sqlite_bind_text(statement, parameter, wr_str_bytes(string), string->length);
    }
    case WR_DECIMAL:
        length = wr_decimal_format(((const __int128 *)values->data)[row], type->scale, text);
        break;
    case WR_TIMESTAMP: length = wr_timestamp_format(WR_I64(values)[row], text); break;
    case WR_DATE: length = wr_date_format(WR_I64(values)[row], text); break;
    case WR_DURATION: length = wr_duration_format(WR_I64(values)[row], text); break;
    case WR_NIL:
    case WR_TYPE_KINDS: WR_ASSERT(!"a column of a known type");
    }
    sqlite3_bind_text(statement, parameter, text, (int)length, SQLITE_STATIC);
    return 0;
}
