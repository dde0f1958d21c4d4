/* twin_number.c: numbers of transactions that rows bear (xmin), and statements by which a sink
 * takes back rows without a key that bear those of its pieces (conn/postgres_undo_rows.h). They
 * stand in a table of the twin's own, by table and rowid. A new number is given where a server may
 * give one: to a transaction, and behind each word of a savepoint. See twin_server.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "conn/sql.h"
#include "sim/twin_server.h"
#include "base/banned.h"

#define NUMBERS "\"" TWIN_NUMBERS "\""

static int is_wrong(const struct twin_text *text, struct twin_error *error) {
    return twin_fail(error, "42601", "`weir sim` cannot play this statement, at: %.*s",
                     (int)WR_MIN(text->end - text->at, (ptrdiff_t)60), text->at);
}

void number_begin(struct backend *backend) {
    backend->row_number = ++backend->database->last_row_number;
}

/* A statement of which each `%Q` is a name. */
static void run(struct backend *backend, const char *sql, const char *one, const char *other) {
    char *text = sqlite3_mprintf(sql, one, other);
    WR_ASSERT(text != NULL);
    int code = sqlite3_exec(backend->db, text, NULL, NULL, NULL);
    WR_ASSERT(code == SQLITE_OK);
    sqlite3_free(text);
}

static void make(struct backend *backend) {
    run(backend,
        "create table if not exists " NUMBERS "(tab text, row integer, number integer, "
        "primary key(tab, row)) without rowid",
        NULL, NULL);
}

void number_row(struct backend *backend, const char *table, int64_t rowid) {
    char *text = sqlite3_mprintf("insert or replace into " NUMBERS " values (%Q, %lld, %llu)",
                                 table, (long long)rowid, (unsigned long long)backend->row_number);
    make(backend);
    WR_ASSERT(text != NULL);
    int code = sqlite3_exec(backend->db, text, NULL, NULL, NULL);
    WR_ASSERT(code == SQLITE_OK);
    sqlite3_free(text);
}

void number_forget(struct backend *backend, const char *table) {
    make(backend);
    run(backend, "delete from " NUMBERS " where tab = %Q", table, NULL);
}

void number_rename(struct backend *backend, const char *from, const char *to) {
    number_forget(backend, to);
    run(backend, "update " NUMBERS " set tab = %Q where tab = %Q", to, from);
}

/* with weir_mark as (insert into NAME (…) values (ROWS) returning xmin::text as x) insert into NAME
 * select 0, x from weir_mark */
static int mark(struct backend *backend, struct twin_text *text, struct pg_result *result) {
    char *name = text_table(text);
    const char *rows = strstr(text->at, "values (");
    if (name == NULL || rows == NULL)
        return is_wrong(text, &result->error);
    char *first = sqlite3_mprintf("insert into \"%w\" values (%lld, null)", name,
                                  strtoll(rows + strlen("values ("), NULL, 10));
    char *second = sqlite3_mprintf("insert into \"%w\" values (0, '%llu')", name,
                                   (unsigned long long)backend->row_number);
    WR_ASSERT(first != NULL && second != NULL);
    int status = sqlite_do(backend, first, &result->error);
    if (status == 0) {
        number_row(backend, name, sqlite3_last_insert_rowid(backend->db));
        status = sqlite_do(backend, second, &result->error);
    }
    if (status == 0)
        number_row(backend, name, sqlite3_last_insert_rowid(backend->db));
    sqlite3_free(first);
    sqlite3_free(second);
    result->changed = 1;
    backend->changed = 1;
    return status;
}

/* delete from NAME as t where t.xmin in (select u.xmin from OTHER as u where …): of a copy that was
 * put back the numbers in the rows of OTHER are not those that they bear. */
static int take_back(struct backend *backend, const char *name, struct twin_text *text,
                     struct pg_result *result) {
    char *other = text_table(text);
    if (other == NULL)
        return is_wrong(text, &result->error);
    make(backend);
    char *sql = sqlite3_mprintf(
        "delete from \"%w\" where rowid in (select row from " NUMBERS " where tab = %Q and number "
        "in (select n.number from " NUMBERS " as n join \"%w\" as u on n.row = u.rowid where n.tab "
        "= %Q and u.\"weir xmin\" = cast(n.number as text)))",
        name, name, other, other);
    WR_ASSERT(sql != NULL);
    int status = sqlite_do(backend, sql, &result->error);
    result->changed = status == 0 ? sqlite3_changes(backend->db) : 0;
    sqlite3_free(sql);
    if (status == 0) { /* a rowid is given again */
        char *rest = sqlite3_mprintf("delete from " NUMBERS
                                     " where tab = %Q and row not in (select rowid from \"%w\")",
                                     name, name);
        WR_ASSERT(rest != NULL);
        status = sqlite_do(backend, rest, &result->error);
        sqlite3_free(rest);
    }
    backend->changed |= result->changed > 0;
    return status;
}

int play_number(struct backend *backend, const struct twin_call *call, struct pg_result *result) {
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), &result->arena};
    if (text_take(&text, "with weir_mark as ( insert into"))
        return mark(backend, &text, result);
    if (!text_take(&text, "delete from"))
        return 1;
    char *name = text_table(&text);
    return name != NULL && text_take(&text, "as t where t . xmin in ( select u . xmin from")
               ? take_back(backend, name, &text, result)
               : 1;
}
