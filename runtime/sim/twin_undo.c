/* twin_undo.c: statements by which a sink keeps what keys had, and takes rows back
 * (conn/postgres_undo.h); what it inserts again is an insert like others. See twin_server.h. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "conn/sql.h"
#include "sim/twin_rows.h"
#include "base/banned.h"

#define OWN_COLUMNS 2 /* behind the key: had, gone */
#define KEY_MAX 32

static int is_wrong(const struct twin_text *text, struct twin_error *error) {
    return twin_fail(error, "42601", "`weir sim` cannot play this statement, at: %.*s",
                     (int)WR_MIN(text->end - text->at, (ptrdiff_t)60), text->at);
}

/* ---- insert into weir_undo_N select … from keys left join NAME … ---------------------------- */

struct keeping {
    struct backend *backend;
    struct twin_table into, of;
    struct rows rows;
    const char *key[KEY_MAX];
    int key_count, columns[KEY_MAX];
    sqlite3_stmt *insert, *mark;
};

/* "t."k" = c0::type and …": the columns of the key. */
static int read_key(struct keeping *keeping, struct twin_text *text, struct twin_error *error) {
    struct twin_type cast;
    char words[80];
    do {
        char *name = text_take(text, "t .") ? text_name(text) : NULL;
        int column = name == NULL ? -1 : table_column(&keeping->of, name);
        if (column < 0 || keeping->key_count == KEY_MAX ||
            (!text_take(text, "=") && !text_take(text, "is not distinct from")) ||
            text_name(text) == NULL)
            return is_wrong(text, error);
        if (text_take(text, "::"))
            text_type(text, &cast, words);
        keeping->key[keeping->key_count] = name;
        keeping->columns[keeping->key_count++] = column;
    } while (text_take(text, "and"));
    return text_is(text, "on conflict") ? 0 : is_wrong(text, error);
}

static void add_where(const struct keeping *keeping, int own, struct wr_buf *sql) {
    for (int k = 0; k < keeping->key_count; k++) {
        wr_buf_add_text(sql, k == 0 ? " where " : " and ");
        if (own)
            wr_buf_addf(sql, "\"weir k%d\"", k);
        else
            wr_sql_add_name(sql, keeping->key[k]);
        wr_buf_addf(sql, " is ?%d", k + 1);
    }
}

static int prepare(struct keeping *keeping, struct twin_error *error) {
    struct wr_buf sql;
    int image = keeping->into.count - keeping->key_count - OWN_COLUMNS;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "insert or ignore into ");
    wr_sql_add_name(&sql, keeping->into.name);
    wr_buf_add_text(&sql, " select ");
    for (int c = 0; c < image; c++) {
        wr_buf_add_text(&sql, "t.");
        wr_sql_add_name(&sql, keeping->into.columns[c].name);
        wr_buf_add_text(&sql, ", ");
    }
    for (int k = 0; k < keeping->key_count; k++) {
        wr_buf_add_text(&sql, "ifnull(t.");
        wr_sql_add_name(&sql, keeping->key[k]);
        wr_buf_addf(&sql, ", ?%d), ", k + 1);
    }
    wr_buf_addf(&sql,
                "t.\"weir one\" is not null, ?%d from (select 1) left join (select 1 as "
                "\"weir one\", * from ",
                keeping->key_count + 1);
    wr_sql_add_name(&sql, keeping->of.name);
    add_where(keeping, 0, &sql);
    wr_buf_add_text(&sql, ") as t on true");
    WR_ASSERT(sql.status == 0);
    int status = sqlite_prepare(keeping->backend, sql.bytes, &keeping->insert, error);
    wr_buf_clear(&sql);
    wr_buf_add_text(&sql, "update ");
    wr_sql_add_name(&sql, keeping->into.name);
    wr_buf_add_text(&sql, " set \"weir gone\" = 1");
    add_where(keeping, 1, &sql);
    WR_ASSERT(sql.status == 0);
    if (status == 0)
        status = sqlite_prepare(keeping->backend, sql.bytes, &keeping->mark, error);
    wr_buf_release(&sql);
    return status;
}

static int step(const struct keeping *keeping, sqlite3_stmt *statement, struct twin_error *error) {
    int code = sqlite3_step(statement);
    int status = code == SQLITE_DONE ? 0 : sqlite_failed(keeping->backend, error);
    sqlite3_reset(statement);
    return status;
}

static int keep_row(struct keeping *keeping, struct twin_error *error) {
    struct twin_value *values = keeping->rows.values;
    for (int k = 0; k < keeping->key_count; k++)
        if (twin_fit(&values[k], &keeping->of.columns[keeping->columns[k]].type,
                     &keeping->rows.arena, error) != 0)
            return -1;
    for (int i = 0; i <= keeping->key_count; i++)
        sqlite_bind(keeping->insert, i + 1, &values[i]);
    for (int k = 0; k < keeping->key_count; k++)
        sqlite_bind(keeping->mark, k + 1, &values[k]);
    int status = step(keeping, keeping->insert, error);
    int is_gone = values[keeping->key_count].number != 0;
    return status == 0 && is_gone ? step(keeping, keeping->mark, error) : status;
}

static int keep(struct backend *backend, const struct twin_call *call, struct twin_text *text,
                const char *into, struct pg_result *result) {
    struct keeping *keeping = WR_ARENA_ZEROS(&result->arena, struct keeping, 1);
    WR_ASSERT(keeping != NULL);
    keeping->backend = backend;
    int status = table_find(&keeping->into, backend, into, &result->arena, &result->error);
    while (status == 0 && text->at < text->end && !text_take(text, "from"))
        text_skip(text);
    if (status != 0)
        return status;
    status = rows_open(&keeping->rows, backend, call, text, &result->error);
    char *of = status == 0 && text_take(text, "left join") ? text_table(text) : NULL;
    if (status == 0 && (of == NULL || !text_take(text, "as t on")))
        status = is_wrong(text, &result->error);
    if (status == 0)
        status = table_find(&keeping->of, backend, of, &result->arena, &result->error);
    if (status == 0)
        status = read_key(keeping, text, &result->error);
    if (status == 0)
        status = prepare(keeping, &result->error);
    int more = 1;
    result->changed = 0;
    while (status == 0 && (more = rows_next(&keeping->rows, &result->error)) > 0) {
        status = keep_row(keeping, &result->error);
        result->changed++;
    }
    backend->changed |= result->changed > 0;
    sqlite3_finalize(keeping->insert);
    sqlite3_finalize(keeping->mark);
    rows_close(&keeping->rows);
    return status == 0 && more < 0 ? -1 : status;
}

/* ---- deletes -------------------------------------------------------------------------------- */

/* "delete from NAME as t where [exists (select 1 from OTHER as u where] …": the rest means to
 * SQLite what it means to the server. */
static int delete_where(struct backend *backend, struct twin_text *text, const char *name,
                        struct pg_result *result) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "delete from ");
    wr_sql_add_name(&sql, name);
    wr_buf_add_text(&sql, " as t where ");
    if (text_take(text, "exists (select 1 from")) {
        char *other = text_table(text);
        wr_buf_add_text(&sql, "exists (select 1 from ");
        wr_sql_add_name(&sql, other == NULL ? "" : other);
    }
    wr_buf_add_char(&sql, ' ');
    wr_buf_add(&sql, text->at, (size_t)(text->end - text->at));
    WR_ASSERT(sql.status == 0);
    int status = sqlite_do(backend, sql.bytes, &result->error);
    wr_buf_release(&sql);
    result->changed = status == 0 ? sqlite3_changes(backend->db) : 0;
    backend->changed |= result->changed > 0;
    return status;
}

static int truncate_table(struct backend *backend, struct twin_text *text,
                          struct pg_result *result) {
    struct wr_buf sql;
    char *name = text_table(text);
    if (name == NULL)
        return is_wrong(text, &result->error);
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "delete from ");
    wr_sql_add_name(&sql, name);
    WR_ASSERT(sql.status == 0);
    int status = sqlite_do(backend, sql.bytes, &result->error);
    wr_buf_release(&sql);
    number_forget(backend, name);
    backend->changed = 1;
    return status;
}

int play_undo(struct backend *backend, const struct twin_call *call, struct pg_result *result) {
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), &result->arena};
    char *name;
    if (text_take(&text, "truncate"))
        return truncate_table(backend, &text, result);
    if (text_take(&text, "delete from")) {
        name = text_table(&text);
        return name != NULL && text_take(&text, "as t where")
                   ? delete_where(backend, &text, name, result)
                   : 1;
    }
    if (!text_take(&text, "insert into"))
        return 1;
    name = text_table(&text);
    return name != NULL && text_take(&text, "select t .") ? keep(backend, call, &text, name, result)
                                                          : 1;
}
