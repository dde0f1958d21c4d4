/* twin_catalog.c: what the connectors ask the server's catalogue, answered from the schema of
 * SQLite; and SQLite's own statements, with their failures as a server tells them. A table's name
 * stands for its number. See twin_server.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "conn/postgres_type.h"
#include "sim/twin_server.h"
#include "base/banned.h"

/* ---- SQLite ---------------------------------------------------------------------------------- */

/* "UNIQUE constraint failed: t.a, t.b" */
static const char *failed_names(const char *message) {
    const char *colon = strstr(message, "failed: ");
    return colon == NULL ? "" : colon + strlen("failed: ");
}

/* "t.a, t.b" as "t_a_b" and "(a, b)"; without columns (an index over expressions) as it is. */
static void name_key(const char *names, char table[128], char columns[192]) {
    size_t length = strcspn(names, ".");
    snprintf(table, 128, "%.*s", (int)WR_MIN(length, (size_t)127), names);
    columns[0] = 0;
    while (*names != 0) {
        const char *dot = strchr(names, '.');
        if (dot == NULL)
            break;
        size_t end = strcspn(dot + 1, ","), at = strlen(columns);
        snprintf(columns + at, 192 - at, "%s%.*s", at == 0 ? "" : ", ",
                 (int)WR_MIN(end, (size_t)63), dot + 1);
        names = dot + 1 + end;
        names += strspn(names, ", ");
    }
}

int sqlite_failed(struct backend *backend, struct twin_error *error) {
    const char *message = sqlite3_errmsg(backend->db), *names = failed_names(message);
    char table[128], columns[192];
    size_t bar;
    name_key(names, table, columns);
    switch (sqlite3_extended_errcode(backend->db)) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return twin_fail(error, "23505",
                         "duplicate key value violates unique constraint \"%s_pkey\"", table);
    case SQLITE_CONSTRAINT_UNIQUE:
        for (char *at = columns; *at != 0; at++)
            *at = *at == ',' || *at == ' ' ? '_' : *at;
        return twin_fail(error, "23505",
                         "duplicate key value violates unique constraint \"%s_%s_key\"", table,
                         columns);
    case SQLITE_CONSTRAINT_NOTNULL:
        return twin_fail(error, "23502",
                         "null value in column \"%s\" of relation \"%s\" violates not-null "
                         "constraint",
                         columns, table);
    case SQLITE_CONSTRAINT_CHECK:
        bar = strcspn(names, "|");
        return twin_fail(error, "23514",
                         "new row for relation \"%.*s\" violates check constraint \"%.100s\"",
                         (int)WR_MIN(bar, (size_t)100), names, names + bar + (names[bar] != 0));
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return twin_fail(error, "23503", "insert or update violates foreign key constraint");
    default:
        return twin_fail(error, "42601", "`weir sim` cannot play this: SQLite says: %.200s",
                         message);
    }
}

int sqlite_prepare(struct backend *backend, const char *sql, sqlite3_stmt **made,
                   struct twin_error *error) {
    int code = sqlite3_prepare_v2(backend->db, sql, -1, made, NULL);
    return code == SQLITE_OK ? 0 : sqlite_failed(backend, error);
}

int sqlite_do(struct backend *backend, const char *sql, struct twin_error *error) {
    return sqlite3_exec(backend->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : sqlite_failed(backend, error);
}

void sqlite_bind(sqlite3_stmt *statement, int at, const struct twin_value *value) {
    switch (value->kind) {
    case TWIN_NULL: sqlite3_bind_null(statement, at); break;
    case TWIN_INT: sqlite3_bind_int64(statement, at, value->number); break;
    case TWIN_REAL: sqlite3_bind_double(statement, at, value->real); break;
    case TWIN_TEXT:
        sqlite3_bind_text64(statement, at, value->bytes, value->length, SQLITE_TRANSIENT,
                            SQLITE_UTF8);
        break;
    case TWIN_BLOB:
        sqlite3_bind_blob64(statement, at, value->bytes, value->length, SQLITE_TRANSIENT);
        break;
    }
}

void sqlite_value(sqlite3_stmt *statement, int at, struct twin_value *value) {
    *value = (struct twin_value){.kind = TWIN_NULL};
    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
        value->kind = TWIN_INT;
        value->number = sqlite3_column_int64(statement, at);
        break;
    case SQLITE_FLOAT:
        value->kind = TWIN_REAL;
        value->real = sqlite3_column_double(statement, at);
        break;
    case SQLITE_TEXT:
        value->kind = TWIN_TEXT;
        value->bytes = (const char *)sqlite3_column_text(statement, at);
        break;
    case SQLITE_BLOB:
        value->kind = TWIN_BLOB;
        value->bytes = sqlite3_column_blob(statement, at);
        break;
    default: break;
    }
    value->length = (size_t)sqlite3_column_bytes(statement, at);
    if (value->bytes == NULL)
        value->bytes = "";
}

/* ---- tables --------------------------------------------------------------------------------- */

static sqlite3_stmt *must_ask(struct backend *backend, const char *sql, const char *name) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(backend->db, sql, -1, &statement, NULL);
    WR_ASSERT(code == SQLITE_OK);
    if (name != NULL)
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
    return statement;
}

static int is_there(struct backend *backend, const char *name) {
    sqlite3_stmt *row = must_ask(
        backend, "select 1 from sqlite_master where type in ('table', 'view') and name = ?", name);
    int there = sqlite3_step(row) == SQLITE_ROW;
    sqlite3_finalize(row);
    return there;
}

int table_find(struct twin_table *table, struct backend *backend, const char *name,
               struct wr_arena *arena, struct twin_error *error) {
    sqlite3_stmt *row = must_ask(backend,
                                 "select name, type, \"notnull\", dflt_value is not null, pk "
                                 "from pragma_table_info(?1)",
                                 name);
    *table = (struct twin_table){.name = name};
    table->columns = WR_ARENA_ZEROS(arena, struct twin_column, TWIN_COLUMNS_MAX);
    WR_ASSERT(table->columns != NULL);
    while (sqlite3_step(row) == SQLITE_ROW && table->count < TWIN_COLUMNS_MAX) {
        struct twin_column *column = &table->columns[table->count++];
        const char *text = (const char *)sqlite3_column_text(row, 0);
        column->name = wr_arena_strndup(arena, text, strlen(text));
        if (twin_type_declared(&column->type, (const char *)sqlite3_column_text(row, 1)) != 0)
            column->type = (struct twin_type){WR_OID_TEXT, -1};
        column->is_not_null = sqlite3_column_int(row, 2);
        column->has_default = sqlite3_column_int(row, 3);
        column->is_primary = sqlite3_column_int(row, 4);
        WR_ASSERT(column->name != NULL);
    }
    sqlite3_finalize(row);
    if (table->count > 0)
        return 0;
    return twin_fail(error, "42P01", "relation \"%s\" does not exist", name);
}

int table_column(const struct twin_table *table, const char *name) {
    for (int i = 0; i < table->count; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return i;
    return -1;
}

/* ---- questions ------------------------------------------------------------------------------ */

/* The name in the first parameter: `"sales"."orders"`. */
static const char *name_given(const struct twin_call *call, struct pg_result *result) {
    if (call->count < 1 || call->values[0] == NULL)
        return "";
    struct twin_text text = {call->values[0], call->values[0] + strlen(call->values[0]),
                             &result->arena};
    const char *name = text_table(&text);
    return name == NULL ? "" : name;
}

static void begin_texts(struct pg_result *result, int count) {
    result_columns(result, count);
    for (int i = 0; i < count; i++)
        result_column(result, i, "?column?", &(struct twin_type){WR_OID_TEXT, -1});
}

static void give_texts(struct pg_result *result, const char *const *texts, int count) {
    struct cell *cells = result_row(result);
    for (int i = 0; i < count; i++)
        result_text(result, &cells[i], texts[i]);
}

static void give_one(struct pg_result *result, const char *text) {
    begin_texts(result, 1);
    give_texts(result, &text, 1);
}

static const char *truth(int is_true) {
    return is_true ? "t" : "f";
}

/* Nothing but columns: no key, index or constraint. */
static int is_plain(struct backend *backend, const struct twin_table *table) {
    for (int i = 0; i < table->count; i++)
        if (table->columns[i].is_not_null)
            return 0;
    sqlite3_stmt *row = must_ask(backend,
                                 "select 1 from sqlite_master where tbl_name = ?1 and (type in "
                                 "('index', 'trigger') or sql like '% check (%' or sql like "
                                 "'% references %')",
                                 table->name);
    int found = sqlite3_step(row) == SQLITE_ROW;
    sqlite3_finalize(row);
    return !found;
}

static int answer_find(struct backend *backend, const struct twin_call *call,
                       struct pg_result *result) {
    struct twin_table table;
    const char *name = name_given(call, result);
    begin_texts(result, 5);
    if (!is_there(backend, name) ||
        table_find(&table, backend, name, &result->arena, &result->error) != 0)
        return 0;
    const char *plain = truth(is_plain(backend, &table));
    give_texts(result, (const char *[]){name, "r", plain, "f", "f"}, 5);
    return 0;
}

static int answer_columns(struct backend *backend, const struct twin_call *call,
                          struct pg_result *result) {
    struct twin_table table;
    begin_texts(result, 11);
    if (table_find(&table, backend, call->values[0], &result->arena, &result->error) != 0)
        return -1;
    for (int i = 0; i < table.count; i++) {
        const struct twin_column *column = &table.columns[i];
        char oid[16], modifier[16], type[64], cast[64];
        snprintf(oid, sizeof oid, "%u", column->type.oid);
        snprintf(modifier, sizeof modifier, "%d", column->type.modifier);
        twin_type_text(&column->type, 1, type);
        twin_type_text(&column->type, 0, cast);
        give_texts(result,
                   (const char *[]){column->name, oid, modifier, truth(column->is_not_null),
                                    truth(column->has_default), "f", type, cast, "f",
                                    twin_type_name(column->type.oid), truth(column->is_primary)},
                   11);
    }
    return 0;
}

static void give_index(struct backend *backend, const char *index, struct pg_result *result) {
    sqlite3_stmt *row =
        must_ask(backend, "select name from pragma_index_info(?1) order by seqno", index);
    char *names[32];
    int is_distinct = 1;
    while (sqlite3_step(row) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(row, 0);
        is_distinct = name != NULL;
        if (is_distinct)
            give_texts(result, (const char *[]){index, "f", name}, 3);
    }
    sqlite3_finalize(row);
    if (is_distinct)
        return;
    int count = index_over(backend, index, names, 32, &result->arena);
    for (int i = 0; i < count; i++)
        give_texts(result, (const char *[]){index, "t", names[i]}, 3);
}

static int answer_indexes(struct backend *backend, const struct twin_call *call,
                          struct pg_result *result) {
    begin_texts(result, 3);
    sqlite3_stmt *row = must_ask(backend,
                                 "select name from pragma_index_list(?1) where \"unique\" and not "
                                 "partial order by 1",
                                 call->values[0]);
    while (sqlite3_step(row) == SQLITE_ROW)
        give_index(backend, (const char *)sqlite3_column_text(row, 0), result);
    sqlite3_finalize(row);
    return 0;
}

static int answer_key(struct backend *backend, const struct twin_call *call,
                      struct pg_result *result) {
    struct twin_table table;
    begin_texts(result, 2);
    if (table_find(&table, backend, name_given(call, result), &result->arena, &result->error) != 0)
        return 0;
    for (int place = 1; place <= table.count; place++)
        for (int i = 0; i < table.count; i++) {
            char cast[64];
            if (table.columns[i].is_primary != place)
                continue;
            twin_type_text(&table.columns[i].type, 0, cast);
            give_texts(result, (const char *[]){table.columns[i].name, cast}, 2);
        }
    return 0;
}

static int answer_is_there(struct backend *backend, const struct twin_call *call,
                           struct pg_result *result) {
    give_one(result, truth(is_there(backend, name_given(call, result))));
    return 0;
}

static int answer_tables(struct backend *backend, const struct twin_call *call,
                         struct pg_result *result) {
    (void)call;
    begin_texts(result, 1);
    sqlite3_stmt *row = must_ask(
        backend,
        "select name from sqlite_master where type in ('table', 'view') and name <> '" TWIN_NUMBERS
        "' order by 1",
        NULL);
    while (sqlite3_step(row) == SQLITE_ROW)
        give_texts(result, (const char *[]){(const char *)sqlite3_column_text(row, 0)}, 1);
    sqlite3_finalize(row);
    return 0;
}

static int answer_no_array(struct backend *backend, const struct twin_call *call,
                           struct pg_result *result) {
    (void)backend, (void)call;
    give_one(result, "f");
    return 0;
}

static int answer_end(struct backend *backend, const struct twin_call *call,
                      struct pg_result *result) {
    begin_texts(result, 1);
    int count = database_end(backend->database, call->values[0], backend);
    for (int i = 0; i < count; i++)
        give_texts(result, (const char *[]){"t"}, 1);
    return 0;
}

static int answer_status(struct backend *backend, const struct twin_call *call,
                         struct pg_result *result) {
    give_one(result, database_status_of(backend->database, strtoull(call->values[0], NULL, 10)));
    return 0;
}

static int answer_number(struct backend *backend, const struct twin_call *call,
                         struct pg_result *result) {
    char text[24];
    (void)call;
    snprintf(text, sizeof text, "%llu", (unsigned long long)backend_number(backend));
    give_one(result, text);
    return 0;
}

/* One that commits holds it until it is done. */
static int answer_lock(struct backend *backend, const struct twin_call *call,
                       struct pg_result *result) {
    (void)call;
    database_settle(backend->database);
    give_one(result, "");
    return 0;
}

#define COUNT "select count(*) from "

/* The rows of a table of the client's own transaction, or whether there are any. */
static int answer_count(struct backend *backend, const struct twin_call *call,
                        struct pg_result *result) {
    const char *sql = call->sql + strlen(COUNT);
    struct twin_text text = {sql, sql + strlen(sql), &result->arena};
    int whether_any = text_take(&text, "(select 1 from");
    const char *name = text_table(&text);
    sqlite3_stmt *row = NULL;
    char count[24];
    if (name == NULL)
        return 1;
    char *of_sqlite = sqlite3_mprintf(COUNT "\"%w\"", name);
    WR_ASSERT(of_sqlite != NULL);
    int status = sqlite_prepare(backend, of_sqlite, &row, &result->error);
    sqlite3_free(of_sqlite);
    if (status != 0)
        return -1;
    WR_ASSERT(sqlite3_step(row) == SQLITE_ROW);
    int64_t rows = sqlite3_column_int64(row, 0);
    snprintf(count, sizeof count, "%lld", (long long)(whether_any ? rows > 0 : rows));
    sqlite3_finalize(row);
    give_one(result, count);
    return 0;
}

/* Whether rows without a key can be told by the number of their transaction: they can. */
static int answer_numbers(struct backend *backend, const struct twin_call *call,
                          struct pg_result *result) {
    (void)backend;
    (void)call;
    begin_texts(result, 2);
    give_texts(result, (const char *[]){"", ""}, 2);
    return 0;
}

/* Whether what is kept of a table is by numbers. */
static int answer_marks(struct backend *backend, const struct twin_call *call,
                        struct pg_result *result) {
    struct twin_table table;
    const char *name = name_given(call, result);
    begin_texts(result, 1);
    int status = table_find(&table, backend, name, &result->arena, &result->error);
    if (status == 0 && table_column(&table, "weir xmin") >= 0)
        give_texts(result, (const char *[]){"1"}, 1);
    return status;
}

/* select coalesce(sum("weir rows") filter …), … from NAME: means to SQLite what it means there. */
static int answer_rows(struct backend *backend, const struct twin_call *call,
                       struct pg_result *result) {
    const char *from = strstr(call->sql, " from ");
    if (from == NULL || strstr(call->sql, "\"weir rows\"") == NULL)
        return 1;
    struct twin_text text = {from + strlen(" from "), call->sql + strlen(call->sql),
                             &result->arena};
    sqlite3_stmt *row = NULL;
    char *name = text_table(&text);
    char *sql = sqlite3_mprintf("%.*s from \"%w\"", (int)(from - call->sql), call->sql,
                                name == NULL ? "" : name);
    int status = sqlite_prepare(backend, sql, &row, &result->error);
    sqlite3_free(sql);
    if (status != 0)
        return -1;
    WR_ASSERT(sqlite3_step(row) == SQLITE_ROW);
    begin_texts(result, 2);
    char most[24], kept[24];
    snprintf(most, sizeof most, "%lld", (long long)sqlite3_column_int64(row, 0));
    snprintf(kept, sizeof kept, "%lld", (long long)sqlite3_column_int64(row, 1));
    give_texts(result, (const char *[]){most, kept}, 2);
    sqlite3_finalize(row);
    return 0;
}

int play_catalog(struct backend *backend, const struct twin_call *call, struct pg_result *result) {
    static const struct {
        const char *begin;
        int (*answer)(struct backend *, const struct twin_call *, struct pg_result *);
    } questions[] = {
        {"select c.oid, c.relkind,", answer_find},
        {"select a.attname, coalesce(b.oid, t.oid),", answer_columns},
        {"select i.indexrelid,", answer_indexes},
        {"select (select case when c.relkind", answer_numbers},
        {"select 1 from pg_attribute where attrelid", answer_marks},
        {"select coalesce(sum(", answer_rows},
        {"select a.attname, format_type(", answer_key},
        {"select to_regclass($1) is not null", answer_is_there},
        {"select relname from pg_class", answer_tables},
        {COUNT, answer_count},
        {"select typcategory = 'A' from pg_type", answer_no_array},
        {"select pg_terminate_backend(pid)", answer_end},
        {"select pg_xact_status($1::xid8)", answer_status},
        {"select pg_current_xact_id()", answer_number},
        {"select pg_advisory_xact_lock(", answer_lock},
    };
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), &result->arena};
    for (size_t i = 0; i < WR_COUNT(questions); i++)
        if (text_is(&text, questions[i].begin))
            return questions[i].answer(backend, call, result);
    return 1;
}
