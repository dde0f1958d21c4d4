/* twin_read.c: statements of the twin that read: what a query gives, `copy … to stdout`, and rows
 * for keys. The query within them is the script's: SQLite plays it as it is. See twin_server.h. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/postgres_type.h"
#include "conn/sql.h"
#include "data/time.h"
#include "data/zone.h"
#include "sim/twin_rows.h"
#include "base/banned.h"

#define KEY_MAX 32
#define AROUND "\n) as weir_rows"
#define HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
#define HEADER_BYTES 19u

static int is_wrong(const struct twin_text *text, struct twin_error *error) {
    return twin_fail(error, "42601", "`weir sim` cannot play this statement, at: %.*s",
                     (int)WR_MIN(text->end - text->at, (ptrdiff_t)60), text->at);
}

/* ---- the query of a script ------------------------------------------------------------------- */

/* The query that begins here and ends before `) as weir_rows`, as SQLite reads it; the text stands
 * behind it. */
static char *take_query(struct twin_text *text, struct backend *backend, struct twin_error *error) {
    const char *end = NULL, *at = text->at;
    size_t around = strlen(AROUND);
    while ((at = memmem(at, (size_t)(text->end - at), AROUND, around)) != NULL)
        end = at++;
    if (end == NULL) {
        is_wrong(text, error);
        return NULL;
    }
    struct twin_text query = {text->at, end, text->arena};
    text->at = end + around;
    if (!text_take(&query, "table"))
        return wr_arena_strndup(text->arena, query.at, (size_t)(end - query.at));
    struct twin_table table;
    char *name = text_table(&query);
    struct wr_buf sql;
    if (name == NULL || table_find(&table, backend, name, text->arena, error) != 0)
        return NULL;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "select * from ");
    wr_sql_add_name(&sql, name);
    char *made = wr_arena_strndup(text->arena, sql.bytes, sql.length);
    wr_buf_release(&sql);
    return made;
}

/* The type of a column: of a table's as it is declared, of a computed one by its first value. */
static void type_of(sqlite3_stmt *statement, int at, int has_row, struct twin_type *type) {
    *type = (struct twin_type){WR_OID_TEXT, -1};
    if (twin_type_declared(type, sqlite3_column_decltype(statement, at)) == 0 || !has_row)
        return;
    int kind = sqlite3_column_type(statement, at);
    type->modifier = -1;
    type->oid = kind == SQLITE_INTEGER ? WR_OID_INT8
                : kind == SQLITE_FLOAT ? WR_OID_FLOAT8
                : kind == SQLITE_BLOB  ? WR_OID_BYTEA
                                       : WR_OID_TEXT;
}

int describe_query(struct backend *backend, const char *sql, struct pg_result *result) {
    struct twin_text text = {sql, sql + strlen(sql), &result->arena};
    sqlite3_stmt *statement = NULL;
    int good = text_take(&text, "select * from (");
    WR_ASSERT(good);
    char *query = take_query(&text, backend, &result->error);
    if (query == NULL)
        return -1;
    const char *tail = NULL;
    if (sqlite3_prepare_v2(backend->db, query, -1, &statement, &tail) != SQLITE_OK)
        return sqlite_failed(backend, &result->error);
    if (tail != NULL && tail[strspn(tail, " \t\r\n;")] != 0) {
        sqlite3_finalize(statement);
        return twin_fail(&result->error, "42601", "syntax error at or near \"%.40s\"", tail);
    }
    int is_select = statement != NULL && sqlite3_stmt_readonly(statement);
    int count = is_select ? sqlite3_column_count(statement) : 0;
    result_columns(result, count);
    result->parameter_count = sqlite3_bind_parameter_count(statement);
    int has_row = is_select && sqlite3_step(statement) == SQLITE_ROW;
    for (int i = 0; i < count; i++) {
        struct twin_type type;
        type_of(statement, i, has_row, &type);
        result_column(result, i, sqlite3_column_name(statement, i), &type);
    }
    sqlite3_finalize(statement);
    return is_select ? 0 : twin_fail(&result->error, "42601", "it is no `select`");
}

/* ---- what is selected ------------------------------------------------------------------------ */

enum form { AS_IT_IS, AS_TEXT, IN_ZONE, AS_NULL };

struct item {
    const char *name;
    enum form form;
    const struct wr_zone *zone;
};

struct select {
    struct backend *backend;
    int count;
    struct item items[TWIN_COLUMNS_MAX];
    struct twin_type types[TWIN_COLUMNS_MAX];
    sqlite3_stmt *statement;
};

/* `"a"`, `("a")::text`, `"a"::text`, `("a" at time zone 'UTC')`, `null`. */
static int read_item(struct twin_text *text, struct item *item, struct twin_error *error) {
    size_t length = 0;
    *item = (struct item){.form = AS_IT_IS};
    if (text_take(text, "null")) {
        item->form = AS_NULL;
        return 0;
    }
    int bracket = text_take(text, "(");
    item->name = text_name(text);
    if (item->name == NULL || (!bracket && text_is(text, "(")))
        return is_wrong(text, error);
    if (bracket && text_take(text, "at time zone")) {
        char *zone = text_literal(text, &length);
        item->form = IN_ZONE;
        if (zone == NULL || wr_zone_find(&item->zone, zone, length, NULL) != WR_OK)
            return is_wrong(text, error);
    }
    if (bracket && !text_take(text, ")"))
        return is_wrong(text, error);
    if (text_take(text, "::text"))
        item->form = AS_TEXT;
    return 0;
}

static int read_items(struct select *select, struct twin_text *text, struct twin_error *error) {
    do {
        if (select->count == TWIN_COLUMNS_MAX)
            return is_wrong(text, error);
        if (read_item(text, &select->items[select->count++], error) != 0)
            return -1;
    } while (text_take(text, ","));
    return 0;
}

static void add_items(const struct select *select, struct wr_buf *sql) {
    wr_buf_add_text(sql, "select ");
    for (int i = 0; i < select->count; i++) {
        wr_buf_add_text(sql, i == 0 ? "" : ", ");
        if (select->items[i].form == AS_NULL)
            wr_buf_add_text(sql, "null");
        else
            wr_sql_add_name(sql, select->items[i].name);
    }
}

static int prepare_select(struct select *select, struct wr_buf *sql, struct twin_error *error) {
    WR_ASSERT(sql->status == 0);
    int status = sqlite_prepare(select->backend, sql->bytes, &select->statement, error);
    wr_buf_release(sql);
    return status;
}

/* Types of computed columns are known by the first row. */
static void see_types(struct select *select) {
    for (int i = 0; i < select->count; i++)
        type_of(select->statement, i, 1, &select->types[i]);
}

static int send_item(struct select *select, int at, const struct twin_value *value,
                     struct wr_buf *out, struct twin_error *error) {
    const struct item *item = &select->items[at];
    const struct twin_type *type = &select->types[at];
    int64_t us = 0;
    if (item->form == AS_TEXT) {
        twin_write(out, value, type);
        return 0;
    }
    if (item->form != IN_ZONE)
        return twin_send(out, value, type->oid, error);
    if (type->oid != WR_OID_TIMESTAMP || value->kind != TWIN_TEXT ||
        !wr_timestamp_parse(value->bytes, value->length, &us) ||
        !wr_zone_from_local_us(item->zone, &us))
        return twin_fail(error, "22008", "timestamp out of range");
    us -= INT64_C(10957) * WR_US_PER_DAY;
    wr_postgres_put32(out, (uint32_t)((uint64_t)us >> 32));
    wr_postgres_put32(out, (uint32_t)us);
    return 0;
}

/* The value of an item into `out`: 1, 0 where it is null, or -1. */
static int send_value(struct select *select, int at, struct wr_buf *out, struct twin_error *error) {
    struct twin_value value;
    sqlite_value(select->statement, at, &value);
    if (value.kind == TWIN_NULL)
        return 0;
    return send_item(select, at, &value, out, error) == 0 ? 1 : -1;
}

/* ---- copy … to stdout ------------------------------------------------------------------------ */

/* " where (weir_rows.a, …) > ('1'::bigint, …)" behind the last key: its values. */
static int read_from(struct twin_text *text, struct wr_buf *sql, struct twin_value *values,
                     int *count, struct twin_error *error) {
    if (!text_take(text, "where ("))
        return 0;
    wr_buf_add_text(sql, " where (");
    do {
        text_take(text, "weir_rows.");
        char *name = text_name(text);
        if (name == NULL || *count == KEY_MAX)
            return is_wrong(text, error);
        wr_buf_add_text(sql, *count == 0 ? "" : ", ");
        wr_sql_add_name(sql, name);
        ++*count;
    } while (text_take(text, ","));
    int includes = text_take(text, ") >= (");
    if (!includes && !text_take(text, ") > ("))
        return is_wrong(text, error);
    wr_buf_add_text(sql, includes ? ") >= (" : ") > (");
    for (int i = 0; i < *count; i++) {
        size_t length = 0;
        struct twin_type type;
        char words[80];
        char *literal = text_literal(text, &length);
        if (literal == NULL || !text_take(text, "::") || text_type(text, &type, words) != 0 ||
            twin_parse(&values[i], &type, literal, length, text->arena, error) != 0)
            return is_wrong(text, error);
        text_take(text, ",");
        wr_buf_addf(sql, "%s?%d", i == 0 ? "" : ", ", i + 1);
    }
    wr_buf_add_char(sql, ')');
    return text_take(text, ")") ? 0 : is_wrong(text, error);
}

static int copy_row(struct select *select, struct wr_buf *out, struct twin_error *error) {
    struct wr_buf value;
    int status = 0;
    wr_buf_init(&value, &wr_budget_control, 0);
    wr_postgres_put16(out, (uint16_t)select->count);
    for (int i = 0; i < select->count && status >= 0; i++) {
        wr_buf_clear(&value);
        status = send_value(select, i, &value, error);
        wr_postgres_put32(out, status > 0 ? (uint32_t)value.length : UINT32_MAX);
        if (status > 0 && value.length > 0)
            wr_buf_add(out, value.bytes, value.length);
    }
    wr_buf_release(&value);
    return status < 0 ? -1 : 0;
}

static int copy_rows(struct select *select, struct pg_result *result) {
    struct wr_buf out;
    int status = 0, code;
    wr_buf_init(&out, &wr_budget_control, 0);
    result_columns(result, 1);
    result_column(result, 0, "copy", &(struct twin_type){WR_OID_BYTEA, -1});
    wr_buf_add(&out, HEADER, HEADER_BYTES);
    while (status == 0 && (code = sqlite3_step(select->statement)) == SQLITE_ROW) {
        if (result->row_count == 0)
            see_types(select);
        status = copy_row(select, &out, &result->error);
        result_set(result, result_row(result), out.bytes, out.length);
        wr_buf_clear(&out);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = sqlite_failed(select->backend, &result->error);
    wr_postgres_put16(&out, UINT16_MAX);
    result_set(result, result_row(result), out.bytes, out.length);
    wr_buf_release(&out);
    result->status = PGRES_COPY_OUT;
    return status;
}

static int copy_out(struct backend *backend, struct twin_text *text, struct pg_result *result) {
    struct select *select = WR_ARENA_ZEROS(&result->arena, struct select, 1);
    struct twin_value values[KEY_MAX];
    struct wr_buf sql;
    int count = 0;
    WR_ASSERT(select != NULL);
    select->backend = backend;
    if (read_items(select, text, &result->error) != 0)
        return -1;
    if (!text_take(text, "from ("))
        return is_wrong(text, &result->error);
    char *query = take_query(text, backend, &result->error);
    if (query == NULL)
        return -1;
    wr_buf_init(&sql, &wr_budget_control, 0);
    add_items(select, &sql);
    wr_buf_addf(&sql, " from (%s\n) as weir_rows", query);
    int status = read_from(text, &sql, values, &count, &result->error);
    const char *order = text->at;
    if (status == 0 && text_is(text, "order by"))
        while (text->at < text->end && !text_is(text, ")"))
            text_skip(text);
    wr_buf_add_char(&sql, ' ');
    wr_buf_add(&sql, order, (size_t)(text->at - order));
    if (status == 0 && !text_is(text, ") to stdout (format binary)"))
        status = is_wrong(text, &result->error);
    if (status == 0)
        status = prepare_select(select, &sql, &result->error);
    wr_buf_release(&sql);
    for (int i = 0; i < count && status == 0; i++)
        sqlite_bind(select->statement, i + 1, &values[i]);
    if (status == 0)
        status = copy_rows(select, result);
    sqlite3_finalize(select->statement);
    return status;
}

/* ---- rows for keys --------------------------------------------------------------------------- */

/* "on "a" = weir_key_0 and …": as a condition of SQLite's. */
static int read_on(struct twin_text *text, struct wr_buf *sql, struct twin_error *error) {
    struct item item;
    int count = 0;
    if (!text_take(text, "on"))
        return is_wrong(text, error);
    do {
        if (read_item(text, &item, error) != 0 || !text_take(text, "=") || text_name(text) == NULL)
            return is_wrong(text, error);
        if (item.form != AS_IT_IS)
            return twin_fail(error, "0A000",
                             "`weir sim` cannot ask for keys of column \"%s\": it is read as text",
                             item.name);
        wr_buf_add_text(sql, count == 0 ? " where " : " and ");
        wr_sql_add_name(sql, item.name);
        wr_buf_addf(sql, " = ?%d", ++count);
    } while (text_take(text, "and"));
    return text_take(text, "order by weir_keys.place") ? 0 : is_wrong(text, error);
}

static int give_row(struct select *select, const struct twin_value *place,
                    struct pg_result *result) {
    struct cell *cells = result_row(result);
    struct wr_buf value;
    wr_buf_init(&value, &wr_budget_control, 0);
    int status = twin_send(&value, place, WR_OID_INT8, &result->error);
    result_set(result, &cells[0], value.bytes, value.length);
    for (int i = 0; i < select->count && status >= 0; i++) {
        wr_buf_clear(&value);
        status = send_value(select, i, &value, &result->error);
        if (status > 0)
            result_set(result, &cells[i + 1], value.bytes == NULL ? "" : value.bytes, value.length);
    }
    wr_buf_release(&value);
    return status < 0 ? -1 : 0;
}

static int find_rows(struct select *select, struct rows *keys, struct pg_result *result) {
    sqlite3_stmt *statement = select->statement;
    int more, status = 0;
    result_columns(result, select->count + 1);
    for (int i = 0; i <= select->count; i++)
        result_column(result, i, "?column?", &(struct twin_type){WR_OID_TEXT, -1});
    while (status == 0 && (more = rows_next(keys, &result->error)) != 0) {
        if (more < 0)
            return -1;
        sqlite3_reset(statement);
        for (int k = 0; k + 1 < keys->count; k++)
            sqlite_bind(statement, k + 1, &keys->values[k]);
        while (status == 0 && sqlite3_step(statement) == SQLITE_ROW) {
            see_types(select);
            status = give_row(select, &keys->values[keys->count - 1], result);
        }
    }
    return status;
}

static int look_up(struct backend *backend, const struct twin_call *call, struct twin_text *text,
                   struct pg_result *result) {
    struct select *select = WR_ARENA_ZEROS(&result->arena, struct select, 1);
    struct rows *keys = WR_ARENA_ZEROS(&result->arena, struct rows, 1);
    struct wr_buf sql;
    WR_ASSERT(select != NULL && keys != NULL);
    select->backend = backend;
    if (read_items(select, text, &result->error) != 0)
        return -1;
    if (!text_take(text, "from"))
        return is_wrong(text, &result->error);
    wr_buf_init(&sql, &wr_budget_control, 0);
    int status = rows_open(keys, backend, call, text, &result->error);
    if (status == 0 && !text_take(text, "join ("))
        status = is_wrong(text, &result->error);
    char *query = status == 0 ? take_query(text, backend, &result->error) : NULL;
    if (query != NULL) {
        add_items(select, &sql);
        wr_buf_addf(&sql, " from (%s\n) as weir_rows", query);
        status = read_on(text, &sql, &result->error);
        if (status == 0)
            status = prepare_select(select, &sql, &result->error);
    }
    if (query != NULL && status == 0)
        status = find_rows(select, keys, result);
    wr_buf_release(&sql);
    sqlite3_finalize(select->statement);
    rows_close(keys);
    return query == NULL ? -1 : status;
}

int play_read(struct backend *backend, const struct twin_call *call, struct pg_result *result) {
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), &result->arena};
    if (text_take(&text, "copy (select"))
        return copy_out(backend, &text, result);
    if (text_take(&text, "select weir_keys.place,"))
        return look_up(backend, call, &text, result);
    return 1;
}

/* ---- rows of a file -------------------------------------------------------------------------- */

/* Each value that is not as its column has it, in place. */
static int fit_rows(struct backend *backend, const struct twin_table *table, int at,
                    struct wr_arena *arena, struct twin_error *error) {
    sqlite3_stmt *row = NULL, *update = NULL;
    const struct twin_column *column = &table->columns[at];
    char *read = sqlite3_mprintf("select rowid, \"%w\" from \"%w\" where \"%w\" is not null",
                                 column->name, table->name, column->name);
    char *write = sqlite3_mprintf("update \"%w\" set \"%w\" = ?1 where rowid = ?2", table->name,
                                  column->name);
    int status = sqlite_prepare(backend, read, &row, error);
    if (status == 0)
        status = sqlite_prepare(backend, write, &update, error);
    while (status == 0 && sqlite3_step(row) == SQLITE_ROW) {
        struct twin_value value, fitted;
        char number[40];
        sqlite_value(row, 1, &value);
        fitted = value;
        if (value.kind == TWIN_INT && strcmp(twin_type_name(column->type.oid), "text") == 0) {
            snprintf(number, sizeof number, "%lld", (long long)value.number);
            fitted =
                (struct twin_value){.kind = TWIN_TEXT, .bytes = number, .length = strlen(number)};
        }
        status = twin_fit(&fitted, &column->type, arena, error);
        if (status != 0 || (fitted.kind == value.kind && fitted.bytes == value.bytes &&
                            fitted.length == value.length && fitted.number == value.number))
            continue;
        sqlite_bind(update, 1, &fitted);
        sqlite3_bind_int64(update, 2, sqlite3_column_int64(row, 0));
        status = sqlite3_step(update) == SQLITE_DONE ? 0 : sqlite_failed(backend, error);
        sqlite3_reset(update);
    }
    sqlite3_finalize(row);
    sqlite3_finalize(update);
    sqlite3_free(read);
    sqlite3_free(write);
    return status;
}

int fit_all_rows(struct backend *backend, struct twin_error *error) {
    struct wr_arena arena;
    sqlite3_stmt *row = NULL;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    int status =
        sqlite_prepare(backend, "select name from sqlite_master where type = 'table'", &row, error);
    while (status == 0 && sqlite3_step(row) == SQLITE_ROW) {
        struct twin_table table;
        const char *name = (const char *)sqlite3_column_text(row, 0);
        status = table_find(&table, backend, name, &arena, error);
        for (int i = 0; i < table.count && status == 0; i++)
            status = fit_rows(backend, &table, i, &arena, error);
    }
    sqlite3_finalize(row);
    wr_arena_release(&arena);
    return status;
}
