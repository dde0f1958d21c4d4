/* postgres_table.c: see postgres_table.h. */
#include "conn/postgres_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/postgres_type.h"
#include "conn/sql.h"
#include "base/banned.h"

static const char sql_find[] =
    "select c.oid, c.relkind, c.relkind = 'r' and c.relchecks = 0 and not c.relhasrules "
    "and not c.relrowsecurity and not c.relhastriggers "
    "and not exists (select from pg_constraint where conrelid = c.oid) "
    "and not exists (select from pg_index where indrelid = c.oid) "
    "and not exists (select from pg_attribute where attrelid = c.oid and attnum > 0 and "
    "attnotnull), c.relhasrules, "
    "exists (select from pg_constraint where condeferred and c.oid in (conrelid, confrelid)) "
    "from pg_class c where c.oid = to_regclass($1)";
static const char sql_columns[] =
    "select a.attname, coalesce(b.oid, t.oid), "
    "case when b.oid is null then a.atttypmod else t.typtypmod end, "
    "a.attnotnull or t.typnotnull, a.atthasdef or a.attidentity <> '', a.attgenerated <> '', "
    "format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, null), "
    "coalesce(b.typtype, t.typtype) = 'e', coalesce(b.typname, t.typname), "
    "a.attnum = any (coalesce((select i.indkey::int2[] from pg_index i where i.indrelid = $1::oid "
    "and i.indisprimary), '{}')) "
    "from pg_attribute a join pg_type t on t.oid = a.atttypid "
    "left join pg_type b on b.oid = t.typbasetype and t.typtype = 'd' "
    "where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped order by a.attnum";
enum column_field {
    C_NAME,
    C_OID,
    C_MODIFIER,
    C_NOT_NULL,
    C_DEFAULT,
    C_GENERATED,
    C_TYPE,
    C_CAST,
    C_ENUM,
    C_TYPE_NAME,
    C_PRIMARY
};
static const char sql_indexes[] =
    "select i.indexrelid, coalesce((to_jsonb(i)->>'indnullsnotdistinct')::bool, false), a.attname "
    "from pg_index i cross join lateral unnest(i.indkey::int2[]) with ordinality k(attnum, n) "
    "join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum "
    "where i.indrelid = $1::oid and i.indisunique and i.indisvalid and i.indimmediate "
    "and i.indpred is null and i.indexprs is null and k.n <= i.indnkeyatts order by 1, k.n";

static const char *cell(const PGresult *rows, int row, int column) {
    return wr_pq()->PQgetvalue(rows, row, column);
}

static int is_true(const PGresult *rows, int row, int column) {
    return cell(rows, row, column)[0] == 't';
}

static int find_column(const struct wr_schema *schema, const char *name) {
    return wr_schema_find(schema, name, (uint32_t)strlen(name));
}

static int is_key(const struct wr_postgres_table *table, int column) {
    for (uint32_t i = 0; i < table->key_count; i++)
        if (table->key[i] == column)
            return 1;
    return 0;
}

static void add_names(const struct wr_postgres_table *table, struct wr_buf *out) {
    for (uint32_t i = 0; i < table->key_count; i++)
        wr_buf_addf(out, "%s%s", i == 0 ? "" : ", ", table->schema->fields[table->key[i]].name);
}

static int no_memory(const struct wr_postgres_table *table, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", table->postgres->place);
}

/* ---- looking ------------------------------------------------------------------------------- */

struct looked {
    uint32_t found;               /* columns of the stream that the table has */
    uint32_t pk_count, pk_in_key; /* columns of its primary key; those that are key columns */
    uint32_t key_not_null;
    struct wr_buf pk_names;
    int pk_is_its_own; /* not a column of the stream, and with a default: it numbers its rows */
};

static int misfit(const struct wr_postgres_table *table, struct wr_error *err, const char *verb,
                  const char *name, const char *why) {
    wr_error_script(err, "W403", "table `%s` %s column `%s`%s", table->name.table, verb, name, why);
    wr_error_at(err, "table", 0, 0);
    return WR_ESCRIPT;
}

static int check_column(const struct wr_postgres_table *table, const PGresult *rows, int row,
                        int field, enum wr_postgres_fit fit, struct wr_error *err) {
    const char *name = cell(rows, row, C_NAME);
    if (field < 0) {
        if (!is_true(rows, row, C_NOT_NULL) || is_true(rows, row, C_DEFAULT) ||
            is_true(rows, row, C_GENERATED))
            return WR_OK;
        return misfit(table, err, "has", name,
                      ", which must not be null, and the stream has no such column");
    }
    if (is_true(rows, row, C_GENERATED))
        return misfit(table, err, "computes its", name, " itself: it cannot be written");
    if (fit != WR_POSTGRES_NO)
        return WR_OK;
    char type[128];
    wr_type_text(&table->schema->fields[field].type, type, sizeof type);
    wr_error_script(err, "W403", "table `%s` has column `%s` of type %s, the stream has %s",
                    table->name.table, name, cell(rows, row, C_TYPE), type);
    wr_error_at(err, "table", 0, 0);
    return WR_ESCRIPT;
}

static int keep_cast(struct wr_postgres_table *table, int field, const char *cast,
                     struct wr_error *err) {
    table->casts[field] = wr_strndup(&wr_budget_control, cast, strlen(cast));
    table->has_casts = 1;
    return table->casts[field] == NULL ? no_memory(table, err) : WR_OK;
}

static int look_at_column(struct wr_postgres_table *table, const PGresult *rows, int row,
                          struct looked *looked, int check, struct wr_error *err) {
    const char *name = cell(rows, row, C_NAME);
    int field = find_column(table->schema, name);
    int primary = is_true(rows, row, C_PRIMARY), not_null = is_true(rows, row, C_NOT_NULL);
    uint32_t at = table->column_count++;
    enum wr_postgres_fit fit = WR_POSTGRES_NO;
    int status = WR_OK;
    looked->found += field >= 0;
    looked->key_not_null += is_key(table, field) && not_null;
    if (primary) {
        wr_buf_addf(&looked->pk_names, "%s%s", looked->pk_count == 0 ? "" : ", ", name);
        looked->pk_is_its_own = field < 0 && is_true(rows, row, C_DEFAULT);
        looked->pk_count++;
        looked->pk_in_key += (uint32_t)is_key(table, field);
    }
    if (field >= 0) {
        struct wr_postgres_type type = {
            .oid = (uint32_t)strtoul(cell(rows, row, C_OID), NULL, 10),
            .modifier = (int32_t)strtol(cell(rows, row, C_MODIFIER), NULL, 10),
            .is_enum = (uint8_t)is_true(rows, row, C_ENUM),
            .name = cell(rows, row, C_TYPE_NAME),
        };
        struct wr_buf made;
        wr_buf_init(&made, &wr_budget_control, 0);
        wr_postgres_add_type(&made, &table->schema->fields[field].type);
        table->same_columns &= field == (int)at && made.bytes != NULL &&
                               strcmp(made.bytes, cell(rows, row, C_TYPE)) == 0;
        wr_buf_release(&made);
        fit = wr_postgres_fits(&type, &table->schema->fields[field].type);
        if (fit == WR_POSTGRES_CAST)
            status = keep_cast(table, field, cell(rows, row, C_CAST), err);
    } else {
        table->same_columns = 0;
    }
    if (status == WR_OK && check)
        status = check_column(table, rows, row, field, fit, err);
    return status;
}

static int missing_column(const struct wr_postgres_table *table, const PGresult *rows,
                          struct wr_error *err) {
    int count = wr_pq()->PQntuples(rows);
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        const struct wr_field *field = &table->schema->fields[i];
        int row = 0;
        while (row < count && strcmp(cell(rows, row, C_NAME), field->name) != 0)
            row++;
        if (row < count)
            continue;
        char type[128];
        wr_type_text(&field->type, type, sizeof type);
        wr_error_script(err, "W403", "table `%s` has no column `%s`, the stream has it (%s)",
                        table->name.table, field->name, type);
        wr_error_help(err, "`drop` it, `alter table` adds it, or `mode = \"replace\"`");
        wr_error_at(err, "table", 0, 0);
        return WR_ESCRIPT;
    }
    return WR_OK;
}

/* A unique index whose columns are the key's, in any order. */
static int look_at_indexes(struct wr_postgres_table *table, const char *oid,
                           const struct looked *looked, struct wr_error *err) {
    PGresult *rows = NULL;
    int status =
        wr_postgres_ask(table->postgres, table->connection, sql_indexes, &oid, 1, &rows, err);
    if (status != WR_OK)
        return status;
    int count = wr_pq()->PQntuples(rows), next;
    for (int row = 0; row < count; row = next) {
        uint32_t in_key = 0, columns = 0;
        for (next = row; next < count && strcmp(cell(rows, next, 0), cell(rows, row, 0)) == 0;
             next++) {
            columns++;
            in_key += (uint32_t)is_key(table, find_column(table->schema, cell(rows, next, 2)));
        }
        if (columns != table->key_count || in_key != columns)
            continue;
        table->unique = 1;
        table->never_null |= is_true(rows, row, 1) || looked->key_not_null == table->key_count;
    }
    wr_pq()->PQclear(rows);
    return WR_OK;
}

static int check_key(const struct wr_postgres_table *table, const struct looked *looked,
                     struct wr_error *err) {
    if (table->key_count == 0 || looked->pk_count == 0 || table->unique)
        return WR_OK;
    if (looked->pk_count == 1 && looked->pk_is_its_own)
        return WR_OK;
    struct wr_buf names;
    wr_buf_init(&names, &wr_budget_control, 0);
    add_names(table, &names);
    wr_error_script(err, "W307", "key of the sink (%s) is not the stream's key (%s)",
                    looked->pk_names.bytes, names.bytes == NULL ? "" : names.bytes);
    wr_error_help(err, "table `%s` has that primary key; `key = \"%s\"` upserts by it",
                  table->name.table, looked->pk_names.bytes);
    wr_error_at(err, "key", 0, 0);
    wr_buf_release(&names);
    return WR_ESCRIPT;
}

static int look_inside(struct wr_postgres_table *table, const char *oid, int check,
                       struct wr_error *err) {
    struct looked looked = {0};
    PGresult *rows = NULL;
    wr_buf_init(&looked.pk_names, &wr_budget_control, 0);
    int status =
        wr_postgres_ask(table->postgres, table->connection, sql_columns, &oid, 1, &rows, err);
    int count = status == WR_OK ? wr_pq()->PQntuples(rows) : 0;
    for (int row = 0; row < count && status == WR_OK; row++)
        status = look_at_column(table, rows, row, &looked, check, err);
    if (status == WR_OK && check && looked.found < table->schema->field_count)
        status = missing_column(table, rows, err);
    table->same_columns &= table->column_count == table->schema->field_count;
    if (rows != NULL)
        wr_pq()->PQclear(rows);
    if (status == WR_OK && table->key_count > 0)
        status = look_at_indexes(table, oid, &looked, err);
    if (status == WR_OK && check)
        status = check_key(table, &looked, err);
    wr_buf_release(&looked.pk_names);
    return status;
}

static void forget(struct wr_postgres_table *table) {
    table->exists = table->unique = table->never_null = table->has_casts = table->is_plain = 0;
    table->same_columns = 1;
    table->column_count = 0;
    for (uint32_t i = 0; i < table->schema->field_count && table->casts != NULL; i++) {
        wr_free(&wr_budget_control, (void *)(uintptr_t)table->casts[i]);
        table->casts[i] = NULL;
    }
}

void wr_postgres_table_release(struct wr_postgres_table *table) {
    if (table->schema != NULL)
        forget(table);
    wr_free(&wr_budget_control, table->casts);
    table->casts = NULL;
}

/* What the catalogue says of the table: no row where it is not there. */
static int find(const struct wr_postgres_table *table, PGresult **found, struct wr_error *err) {
    struct wr_buf name;
    wr_buf_init(&name, &wr_budget_control, 0);
    wr_postgres_add_table(&name, &table->name);
    const char *text = name.bytes;
    int status = name.status != WR_OK ? no_memory(table, err)
                                      : wr_postgres_ask(table->postgres, table->connection,
                                                        sql_find, &text, 1, found, err);
    wr_buf_release(&name);
    return status;
}

int wr_postgres_table_columns(const struct wr_postgres_table *table, PGresult **rows,
                              struct wr_error *err) {
    static_assert((int)C_NAME == WR_POSTGRES_COLUMN_NAME, "the same place");
    static_assert((int)C_GENERATED == WR_POSTGRES_COLUMN_GENERATED, "the same place");
    static_assert((int)C_TYPE == WR_POSTGRES_COLUMN_TYPE, "the same place");
    PGresult *found = NULL;
    int status = find(table, &found, err);
    if (status != WR_OK)
        return status;
    if (wr_pq()->PQntuples(found) == 0)
        status = wr_error_set(err, WR_EREFUSED, "%s: there is no table `%s` any more",
                              table->postgres->place, table->name.table);
    const char *oid = status == WR_OK ? cell(found, 0, 0) : "";
    if (status == WR_OK)
        status =
            wr_postgres_ask(table->postgres, table->connection, sql_columns, &oid, 1, rows, err);
    wr_pq()->PQclear(found);
    return status;
}

int wr_postgres_table_look(struct wr_postgres_table *table, int check, struct wr_error *err) {
    PGresult *rows = NULL;
    forget(table);
    int status = find(table, &rows, err);
    if (status != WR_OK)
        return status;
    table->exists = wr_pq()->PQntuples(rows) > 0;
    char kind = table->exists ? cell(rows, 0, 1)[0] : 'r';
    if (kind != 'r' && kind != 'p')
        status =
            wr_error_script(err, "W403", "`%s` is a %s: rows are written to tables",
                            table->name.table, kind == 'v' ? "view" : "relation of another kind");
    if (status != WR_OK)
        wr_error_at(err, "table", 0, 0);
    if (status == WR_OK && table->exists)
        status = look_inside(table, cell(rows, 0, 0), check, err);
    table->is_plain = table->exists && table->same_columns && is_true(rows, 0, 2);
    table->has_rules = table->exists && is_true(rows, 0, 3);
    table->is_deferred = table->exists && is_true(rows, 0, 4);
    wr_pq()->PQclear(rows);
    return status;
}

/* ---- statements ---------------------------------------------------------------------------- */

int wr_postgres_table_run(const struct wr_postgres_table *table, struct wr_buf *sql,
                          const char *what, struct wr_error *err) {
    int status = sql->status != WR_OK
                     ? no_memory(table, err)
                     : wr_postgres_run(table->postgres, table->connection, sql->bytes, what, err);
    wr_buf_release(sql);
    return status;
}

static void add_columns(const struct wr_postgres_table *table, const char *before,
                        struct wr_buf *sql) {
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        wr_buf_add_text(sql, i == 0 ? before : ", ");
        wr_sql_add_name(sql, table->schema->fields[i].name);
    }
}

static void add_key(const struct wr_postgres_table *table, struct wr_buf *sql) {
    for (uint32_t i = 0; i < table->key_count; i++) {
        wr_buf_add_char(sql, i == 0 ? '(' : ',');
        wr_sql_add_name(sql, table->schema->fields[table->key[i]].name);
    }
    wr_buf_add_char(sql, ')');
}

int wr_postgres_table_make(const struct wr_postgres_table *table, struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "create table ");
    wr_postgres_add_table(&sql, &table->name);
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        wr_buf_add_text(&sql, i == 0 ? " (" : ", ");
        wr_sql_add_name(&sql, table->schema->fields[i].name);
        wr_buf_add_char(&sql, ' ');
        wr_postgres_add_type(&sql, &table->schema->fields[i].type);
    }
    wr_buf_add_char(&sql, ')');
    return wr_postgres_table_run(table, &sql, "create table", err);
}

int wr_postgres_table_key(const struct wr_postgres_table *table, struct wr_error *err) {
    if (table->key_count == 0 || table->never_null)
        return WR_OK;
    if (wr_pq()->PQserverVersion(table->connection) < WR_POSTGRES_NULLS_NOT_DISTINCT) {
        wr_error_set(err, WR_EUNSUPPORTED,
                     "%s: before PostgreSQL 15 no index takes a nil in a key for a value",
                     table->postgres->place);
        wr_error_help(err,
                      "give table `%s` a primary key, or a unique index over columns that "
                      "are `not null`, of the key's columns",
                      table->name.table);
        return WR_EUNSUPPORTED;
    }
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "create unique index on ");
    wr_postgres_add_table(&sql, &table->name);
    wr_buf_add_char(&sql, ' ');
    add_key(table, &sql);
    wr_buf_add_text(&sql, " nulls not distinct");
    return wr_postgres_table_run(table, &sql, "create index", err);
}

int wr_postgres_table_copy(const struct wr_postgres_table *table, struct wr_buf *sql) {
    WR_ASSERT(!table->has_casts);
    wr_buf_add_text(sql, "copy ");
    wr_postgres_add_table(sql, &table->name);
    add_columns(table, " (", sql);
    return wr_buf_add_text(sql, ") from stdin (format binary)");
}

int wr_postgres_table_has_only_key(const struct wr_postgres_table *table) {
    return table->key_count > 0 && table->key_count == table->schema->field_count;
}

void wr_postgres_table_add_upsert(const struct wr_postgres_table *table, struct wr_buf *sql) {
    uint32_t count = 0;
    wr_buf_add_text(sql, " on conflict ");
    add_key(table, sql);
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        if (is_key(table, (int)i))
            continue;
        wr_buf_add_text(sql, count++ == 0 ? " do update set " : ", ");
        wr_sql_add_name(sql, table->schema->fields[i].name);
        wr_buf_add_text(sql, " = excluded.");
        wr_sql_add_name(sql, table->schema->fields[i].name);
    }
    if (count == 0)
        wr_buf_add_text(sql, " do nothing");
}

/* insert into … select c0, c1::type, … */
static void add_insert(const struct wr_postgres_table *table, struct wr_buf *sql) {
    wr_buf_add_text(sql, "insert into ");
    wr_postgres_add_table(sql, &table->name);
    add_columns(table, " (", sql);
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        wr_buf_addf(sql, "%sc%u", i == 0 ? ") select " : ", ", i);
        if (table->casts[i] != NULL)
            wr_buf_addf(sql, "::%s", table->casts[i]);
    }
}

/* as weir_rows(c0, c1, …) */
static void add_alias(const char *name, uint32_t column_count, struct wr_buf *sql) {
    for (uint32_t i = 0; i < column_count; i++) {
        if (i == 0)
            wr_buf_addf(sql, " as %s(", name);
        wr_buf_addf(sql, "%sc%u", i == 0 ? "" : ", ", i);
    }
    wr_buf_add_char(sql, ')');
}

/* t."key" = c0::type and … */
void wr_postgres_table_add_match(const struct wr_postgres_table *table, int nils,
                                 struct wr_buf *sql) {
    for (uint32_t i = 0; i < table->key_count; i++) {
        const char *cast = table->casts[table->key[i]];
        wr_buf_add_text(sql, i == 0 ? " t." : " and t.");
        wr_sql_add_name(sql, table->schema->fields[table->key[i]].name);
        wr_buf_addf(sql, " %s c%u", nils ? "is not distinct from" : "=", i);
        if (cast != NULL)
            wr_buf_addf(sql, "::%s", cast);
    }
}

static void add_where(const struct wr_postgres_table *table, int nils, struct wr_buf *sql) {
    wr_buf_add_text(sql, " where");
    wr_postgres_table_add_match(table, nils, sql);
}

/* unnest($1::type[], …), one array a key column */
static void add_key_arrays(const struct wr_postgres_table *table, struct wr_buf *sql) {
    for (uint32_t i = 0; i < table->key_count; i++)
        wr_buf_addf(sql, "%s$%u::%s[]", i == 0 ? "unnest(" : ", ", i + 1,
                    wr_postgres_wire(&table->schema->fields[table->key[i]].type, NULL));
    wr_buf_add_char(sql, ')');
}

int wr_postgres_table_insert(const struct wr_postgres_table *table, struct wr_buf *sql) {
    const struct wr_schema *schema = table->schema;
    add_insert(table, sql);
    for (uint32_t i = 0; i < schema->field_count; i++)
        wr_buf_addf(sql, "%s$%u::%s[]", i == 0 ? " from unnest(" : ", ", i + 1,
                    wr_postgres_wire(&schema->fields[i].type, NULL));
    wr_buf_add_char(sql, ')');
    add_alias("weir_rows", schema->field_count, sql);
    if (table->key_count > 0)
        wr_postgres_table_add_upsert(table, sql);
    return sql->status;
}

int wr_postgres_table_insert_from(const struct wr_postgres_table *table,
                                  const struct wr_postgres_name *from, struct wr_buf *sql) {
    add_insert(table, sql);
    wr_buf_add_text(sql, " from ");
    wr_postgres_add_table(sql, from);
    add_alias("weir_rows", table->schema->field_count, sql);
    if (table->key_count > 0)
        wr_postgres_table_add_upsert(table, sql);
    return sql->status;
}

int wr_postgres_table_insert_keys(const struct wr_postgres_table *of,
                                  const struct wr_postgres_name *keys, struct wr_buf *sql) {
    wr_buf_add_text(sql, "insert into ");
    wr_postgres_add_table(sql, keys);
    wr_buf_add_text(sql, " select * from ");
    add_key_arrays(of, sql);
    return sql->status;
}

/* Keys with a nil are few, and looked for one by one. */
int wr_postgres_table_delete_by(const struct wr_postgres_table *table,
                                const struct wr_postgres_name *keys, struct wr_buf *sql) {
    for (int nils = 0; nils < 2; nils++) {
        wr_buf_add_text(sql, nils ? "; delete from " : "delete from ");
        wr_postgres_add_table(sql, &table->name);
        wr_buf_add_text(sql, " as t using (select distinct * from ");
        wr_postgres_add_table(sql, keys);
        wr_buf_add_char(sql, ')');
        add_alias("weir_keys", table->key_count, sql);
        add_where(table, nils, sql);
        for (uint32_t i = 0; i < table->key_count && nils; i++)
            wr_buf_addf(sql, "%sc%u is null", i == 0 ? " and (" : " or ", i);
        wr_buf_add_text(sql, nils ? ")" : "");
    }
    return sql->status;
}

int wr_postgres_table_delete(const struct wr_postgres_table *table, int nils, struct wr_buf *sql) {
    wr_buf_add_text(sql, "delete from ");
    wr_postgres_add_table(sql, &table->name);
    wr_buf_add_text(sql, " as t using ");
    add_key_arrays(table, sql);
    add_alias("weir_keys", table->key_count, sql);
    add_where(table, nils, sql);
    return sql->status;
}
