/* twin_own.c: statements over the tables of weir's own, `weir_commit` and `weir_refused`: with
 * texts as parameters, and SQLite plays them as they are. See twin_server.h. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "conn/sql.h"
#include "sim/twin_server.h"
#include "base/banned.h"

static void bind_texts(sqlite3_stmt *statement, const struct twin_call *call) {
    for (int i = 0; i < call->count; i++) {
        char name[16];
        snprintf(name, sizeof name, "$%d", i + 1);
        int at = sqlite3_bind_parameter_index(statement, name);
        const char *text = call->values[i];
        if (at == 0 || text == NULL)
            continue;
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            sqlite3_bind_int(statement, at, text[0] == 't');
        else
            sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
    }
}

static void give_row(sqlite3_stmt *statement, const struct twin_table *table,
                     struct pg_result *result) {
    struct cell *cells = result_row(result);
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    for (int i = 0; i < result->field_count; i++) {
        struct twin_value value;
        int column = table_column(table, sqlite3_column_name(statement, i));
        WR_ASSERT(column >= 0);
        wr_buf_clear(&text);
        sqlite_value(statement, i, &value);
        if (value.kind == TWIN_NULL)
            continue;
        twin_write(&text, &value, &table->columns[column].type);
        result_set(result, &cells[i], text.bytes == NULL ? "" : text.bytes, text.length);
    }
    wr_buf_release(&text);
}

/* `verb` stands before its name, which becomes one of SQLite's. */
static int play_one(struct backend *backend, const struct twin_call *call, const char *verb,
                    const char *name, const struct twin_text *behind, struct pg_result *result) {
    struct twin_table table;
    sqlite3_stmt *statement = NULL;
    struct wr_buf sql;
    if (table_find(&table, backend, name, &result->arena, &result->error) != 0)
        return -1;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "%s ", verb);
    wr_sql_add_name(&sql, name);
    wr_buf_add(&sql, behind->at, (size_t)(behind->end - behind->at));
    WR_ASSERT(sql.status == 0);
    int status = sqlite_prepare(backend, sql.bytes, &statement, &result->error);
    wr_buf_release(&sql);
    if (status != 0)
        return -1;
    bind_texts(statement, call);
    int count = sqlite3_column_count(statement);
    int changes = !sqlite3_stmt_readonly(statement);
    if (count > 0)
        result_columns(result, count);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        give_row(statement, &table, result);
    if (code != SQLITE_DONE)
        status = sqlite_failed(backend, &result->error);
    if (changes)
        result->changed = status == 0 ? sqlite3_changes(backend->db) : -1;
    backend->changed |= result->changed > 0;
    sqlite3_finalize(statement);
    return status;
}

/* Whether a name, without its schema, is that of a table of weir's own. */
static int is_own(const char *name, const char *own) {
    const char *dot = name == NULL ? NULL : strrchr(name, '.');
    return name != NULL && strcmp(dot == NULL ? name : dot + 1, own) == 0;
}

int play_own(struct backend *backend, const struct twin_call *call, struct pg_result *result) {
    const char *sql = call->sql;
    static const struct {
        const char *verb, *table;
    } own[] = {{"update", "weir_commit"},
               {"insert into", "weir_commit"},
               {"select fence, rows, epoch, finished from", "weir_commit"},
               {"delete from", "weir_refused"},
               {"select row, detail from", "weir_refused"}};
    for (size_t i = 0; i < WR_COUNT(own); i++) {
        struct twin_text text = {sql, sql + strlen(sql), &result->arena};
        char *name = text_take(&text, own[i].verb) ? text_table(&text) : NULL;
        if (is_own(name, own[i].table))
            return play_one(backend, call, own[i].verb, name, &text, result);
    }
    return 1;
}
