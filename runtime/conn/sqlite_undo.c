/* sqlite_undo.c: see sqlite_undo.h. */
#include "conn/sqlite_undo.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/sql.h"
#include "conn/sqlite.h"
#include "conn/sqlite_commit.h"
#include "conn/sqlite_table.h"
#include "conn/table_sink.h"

#include "base/banned.h"

#define NAME_MAX_BYTES 40
#define OWN_COLUMNS 2  /* had, gone */
#define HAD "weir had" /* of no table of a user's */

/* weir_undo_N(k0, …, had, gone, c0, …), in the order of its rowid: the key; whether it had a row;
 * whether that was deleted then; the columns of that row. */
static void name_of(const struct wr_sqlite_undo *undo, char name[NAME_MAX_BYTES]) {
    snprintf(name, NAME_MAX_BYTES, "weir_undo_%llu", (unsigned long long)undo->id);
}

/* Runs a text, and gives it back. */
static int run(const struct wr_sqlite_table *table, struct wr_buf *sql, struct wr_error *err) {
    int status = sql->status != WR_OK
                     ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", table->path)
                     : wr_sqlite_exec(table->db, table->path, sql->bytes, err);
    wr_buf_release(sql);
    return status;
}

static int prepare(const struct wr_sqlite_table *table, struct wr_buf *sql, sqlite3_stmt **made,
                   struct wr_error *err) {
    int status = sql->status != WR_OK
                     ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", table->path)
                     : wr_sqlite_prepare(table->db, table->path, sql->bytes, made, err);
    wr_buf_release(sql);
    return status;
}

/* Appends "k0, k1, …". */
static void add_numbered(struct wr_buf *sql, char letter, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        wr_buf_addf(sql, "%s%c%u", i == 0 ? "" : ", ", letter, i);
}

/* ---- finding -------------------------------------------------------------------------------- */

int wr_sqlite_undo_find(struct wr_sqlite_undo *undo, sqlite3 *db, const char *path,
                        struct wr_error *err) {
    int there = 0;
    sqlite3_stmt *row = NULL;
    undo->exists = 0;
    int status = wr_sqlite_has_table(db, path, "weir_undo", &there, err);
    if (status != WR_OK || !there)
        return status;
    status = wr_sqlite_prepare(
        db, path, "select fence, back, gone, width from weir_undo where sink = ?1", &row, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_int64(row, 1, (int64_t)undo->id);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW) {
        undo->exists = 1;
        undo->fence = (uint64_t)sqlite3_column_int64(row, 0);
        undo->back = (uint64_t)sqlite3_column_int64(row, 1);
        undo->gone = sqlite3_column_int64(row, 2);
        undo->has_rows = sqlite3_column_int(row, 3) == 0;
    } else if (code != SQLITE_DONE) {
        status = wr_sqlite_failed(db, path, "read weir_undo", err);
    }
    sqlite3_finalize(row);
    return status;
}

/* ---- taking back ---------------------------------------------------------------------------- */

/* A statement over the table, with as many of the first columns of `weir_undo_N` for parameters. */
struct back {
    const struct wr_sqlite_table *table;
    sqlite3_stmt *rows, *remove, *put;
    uint32_t column_count;
    char why[WR_SQLITE_DETAIL_MAX]; /* it was refused */
};

static int is_refused(int code) {
    return (code & 0xff) == SQLITE_CONSTRAINT;
}

/* The code, and the message, stay those of the step. */
static int stepped(sqlite3_stmt *statement) {
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code;
}

/* For the row at hand. A code of SQLite. */
static int put_back(const struct back *back) {
    for (uint32_t c = 0; c < back->column_count; c++)
        sqlite3_bind_value(
            back->put, (int)c + 1,
            sqlite3_column_value(back->rows, (int)(back->table->key_count + OWN_COLUMNS + c)));
    return stepped(back->put);
}

static int remove_one(const struct back *back) {
    for (uint32_t k = 0; k < back->table->key_count; k++)
        sqlite3_bind_value(back->remove, (int)k + 1, sqlite3_column_value(back->rows, (int)k));
    return stepped(back->remove);
}

/* One row: as it was then. */
static int put_one(const struct back *back) {
    int own = (int)back->table->key_count;
    int had = sqlite3_column_int(back->rows, own);
    int gone = sqlite3_column_int(back->rows, own + 1);
    int code = !had || gone ? remove_one(back) : SQLITE_DONE;
    return had && (code == SQLITE_DONE || code == SQLITE_ROW) ? put_back(back) : code;
}

/* The last one first. SQLITE_OK, or a code. */
static int for_each(struct back *back, int (*one)(const struct back *)) {
    int code;
    while ((code = sqlite3_step(back->rows)) == SQLITE_ROW) {
        code = one(back);
        if (code != SQLITE_DONE && code != SQLITE_ROW)
            break;
    }
    if (is_refused(code))
        sqlite3_snprintf(sizeof back->why, back->why, "%s", sqlite3_errmsg(back->table->db));
    sqlite3_reset(back->rows);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int select_rows(const struct wr_sqlite_undo *undo, struct back *back, struct wr_error *err) {
    char name[NAME_MAX_BYTES];
    struct wr_buf sql;
    name_of(undo, name);
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "select * from %s order by rowid desc", name);
    return prepare(back->table, &sql, &back->rows, err);
}

/* The names of the columns that were kept, as `weir_undo` has them. */
static int read_columns(const struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                        struct wr_buf *names, uint32_t *count, struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    int status = wr_sqlite_prepare(
        table->db, table->path, "select columns, width from weir_undo where sink = ?1", &row, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_int64(row, 1, (int64_t)undo->id);
    if (sqlite3_step(row) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(row, 0);
        status = wr_buf_add_text(names, text == NULL ? "" : text);
        *count = (uint32_t)sqlite3_column_int(row, 1);
        if (status != WR_OK)
            wr_error_set(err, status, "sqlite:%s: out of memory", table->path);
    } else {
        status = wr_sqlite_failed(table->db, table->path, "read weir_undo", err);
    }
    sqlite3_finalize(row);
    return status;
}

/* insert into NAME (…) values (?1, …), or the columns of the stream where the key is there. */
static int prepare_put(struct back *back, const struct wr_buf *names, struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "insert into ");
    wr_sql_add_name(&sql, back->table->name);
    wr_buf_add_char(&sql, '(');
    wr_buf_add(&sql, names->bytes, names->length);
    for (uint32_t c = 0; c < back->column_count; c++)
        wr_buf_addf(&sql, "%s?%u", c == 0 ? ") values (" : ", ", c + 1);
    wr_buf_add_char(&sql, ')');
    wr_sqlite_table_add_upsert(back->table, &sql);
    return prepare(back->table, &sql, &back->put, err);
}

static int prepare_remove(struct back *back, struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_sqlite_table_delete(back->table, &sql);
    return prepare(back->table, &sql, &back->remove, err);
}

static int cannot(const struct wr_sqlite_table *table, const char *why, struct wr_error *err) {
    char place[WR_ERROR_TEXT_MAX];
    snprintf(place, sizeof place, "sqlite:%s", table->path);
    return wr_table_not_back(place, table->name, why, err);
}

/* Rows may stand in each other's way, where they have exchanged what another index of the table
 * holds unique: then all of them are deleted first. */
static int take_back(struct back *back, struct wr_error *err) {
    const struct wr_sqlite_table *table = back->table;
    int status = wr_sqlite_exec(table->db, table->path, "savepoint weir_back", err);
    if (status != WR_OK)
        return status;
    int code = for_each(back, put_one);
    if (is_refused(code) && !sqlite3_get_autocommit(table->db)) {
        status = wr_sqlite_exec(table->db, table->path, "rollback to weir_back", err);
        if (status != WR_OK)
            return status;
        code = for_each(back, remove_one);
        if (code == SQLITE_OK)
            code = for_each(back, put_one);
    }
    if (is_refused(code))
        return cannot(table, back->why, err);
    if (code != SQLITE_OK)
        return wr_sqlite_failed(table->db, table->path, "take rows back", err);
    return wr_sqlite_exec(table->db, table->path, "release weir_back", err);
}

static int forget_gone(const struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                       struct wr_error *err) {
    struct wr_buf sql;
    int there = 0;
    int status = undo->gone_table == NULL
                     ? WR_OK
                     : wr_sqlite_has_table(table->db, table->path, undo->gone_table, &there, err);
    if (status != WR_OK || !there)
        return status;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "delete from ");
    wr_sql_add_name(&sql, undo->gone_table);
    wr_buf_addf(&sql, " where rowid > %lld", (long long)undo->gone);
    return run(table, &sql, err);
}

static int back_keys(const struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                     const struct wr_buf *names, uint32_t column_count, struct wr_error *error) {
    struct back back = {.table = table, .column_count = column_count};
    int status = select_rows(undo, &back, error);
    if (status == WR_OK)
        status = prepare_remove(&back, error);
    if (status == WR_OK) {
        status = prepare_put(&back, names, error);
        if (status != WR_OK && (sqlite3_errcode(table->db) & 0xff) == SQLITE_ERROR)
            status = cannot(table, sqlite3_errmsg(table->db), error); /* a column is gone */
    }
    if (status == WR_OK)
        status = take_back(&back, error);
    sqlite3_finalize(back.rows);
    sqlite3_finalize(back.remove);
    sqlite3_finalize(back.put);
    return status == WR_OK ? forget_gone(undo, table, error) : status;
}

static int back_rows(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                     const struct wr_buf *names, struct wr_error *err) {
    char name[NAME_MAX_BYTES];
    name_of(undo, name);
    int status = wr_sqlite_undo_rows_back(table, name, undo->id, names, &undo->back_count,
                                          &undo->left_count, err);
    return status == WR_EBADROW ? cannot(table, sqlite3_errmsg(table->db), err) : status;
}

static int back(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                struct wr_error *err) {
    struct wr_buf names;
    uint32_t column_count = 0;
    struct wr_error own, *error = err != NULL ? err : &own;
    wr_buf_init(&names, &wr_budget_control, 0);
    int status = read_columns(undo, table, &names, &column_count, error);
    if (status == WR_OK)
        status = undo->has_rows ? back_rows(undo, table, &names, error)
                                : back_keys(undo, table, &names, column_count, error);
    wr_buf_release(&names);
    return status;
}

/* ---- keeping -------------------------------------------------------------------------------- */

static int drop(const struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                struct wr_error *err) {
    char sql[2 * NAME_MAX_BYTES], name[NAME_MAX_BYTES];
    name_of(undo, name);
    snprintf(sql, sizeof sql, "drop table if exists %s", name);
    return wr_sqlite_exec(table->db, table->path, sql, err);
}

/* Those of the table that it does not compute itself: "a", "b", … */
static int add_columns(const struct wr_sqlite_table *table, struct wr_buf *out, uint32_t *count,
                       struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    int status =
        wr_sqlite_prepare(table->db, table->path,
                          "select name from pragma_table_xinfo(?1) where hidden = 0", &row, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_text(row, 1, table->name, -1, SQLITE_STATIC);
    int code;
    for (*count = 0; (code = sqlite3_step(row)) == SQLITE_ROW; ++*count) {
        const char *name = (const char *)sqlite3_column_text(row, 0);
        wr_buf_add_text(out, *count == 0 ? "" : ", ");
        wr_sql_add_name(out, name == NULL ? "" : name);
    }
    if (code != SQLITE_DONE)
        status = wr_sqlite_failed(table->db, table->path, "columns of the table", err);
    else if (out->status != WR_OK)
        status = wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", table->path);
    sqlite3_finalize(row);
    return status;
}

static int make(const struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                uint32_t column_count, struct wr_error *err) {
    char name[NAME_MAX_BYTES];
    struct wr_buf sql;
    name_of(undo, name);
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "create table %s(", name);
    add_numbered(&sql, 'k', table->key_count);
    wr_buf_add_text(&sql, ", had, gone, ");
    add_numbered(&sql, 'c', column_count);
    wr_buf_add_char(&sql, ')');
    return run(table, &sql, err);
}

/* insert into weir_undo_N select ?1, …, had, ?gone, the row of the key where it has one */
static int prepare_note(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                        const struct wr_buf *names, struct wr_error *err) {
    char name[NAME_MAX_BYTES];
    struct wr_buf sql;
    name_of(undo, name);
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "insert into %s select ", name);
    for (uint32_t k = 0; k < table->key_count; k++)
        wr_buf_addf(&sql, "?%u, ", k + 1);
    wr_buf_addf(&sql, "t.\"" HAD "\" is not null, ?%u, ", table->key_count + 1);
    wr_buf_add(&sql, names->bytes, names->length);
    wr_buf_add_text(&sql, " from (select 1) left join (select 1 as \"" HAD "\", ");
    wr_buf_add(&sql, names->bytes, names->length);
    wr_buf_add_text(&sql, " from ");
    wr_sql_add_name(&sql, table->name);
    wr_sqlite_table_add_match(table, &sql);
    wr_buf_add_text(&sql, ") as t on true");
    return prepare(table, &sql, &undo->note, err);
}

static int say_first(const struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                     const struct wr_buf *names, uint32_t column_count, struct wr_error *err) {
    char *text = sqlite3_mprintf(
        "create table if not exists weir_undo(sink integer primary key, name text, fence integer, "
        "back integer, gone integer, columns text, width integer);"
        "insert or replace into weir_undo values (%lld, %Q, %lld, %lld, %lld, %Q, %u)",
        (long long)undo->id, table->name, (long long)undo->fence, (long long)undo->back,
        (long long)undo->gone, names->bytes, column_count);
    int status = text == NULL
                     ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", table->path)
                     : wr_sqlite_exec(table->db, table->path, text, err);
    sqlite3_free(text);
    return status;
}

static int begin_rows(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                      const struct wr_buf *names, struct wr_error *err) {
    char name[NAME_MAX_BYTES];
    name_of(undo, name);
    undo->rows.has_range = 0;
    return wr_sqlite_undo_rows_make(&undo->rows, table, name, undo->id, names, &undo->note, err);
}

static int begin_to_keep(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                         struct wr_error *err) {
    struct wr_buf names;
    uint32_t column_count = 0;
    wr_buf_init(&names, &wr_budget_control, 0);
    undo->fence++;
    undo->exists = 1;
    int status = add_columns(table, &names, &column_count, err);
    undo->has_rows = table->key_count == 0;
    if (status == WR_OK)
        status = say_first(undo, table, &names, undo->has_rows ? 0 : column_count, err);
    if (status == WR_OK)
        status = undo->has_rows ? begin_rows(undo, table, &names, err)
                                : make(undo, table, column_count, err);
    if (status == WR_OK && !undo->has_rows)
        status = prepare_note(undo, table, &names, err);
    wr_buf_release(&names);
    return status;
}

/* The row of `weir_undo`, where it is still this instance's. */
static int forget(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                  struct wr_error *err) {
    char sql[96];
    snprintf(sql, sizeof sql, "delete from weir_undo where sink = %llu and fence = %llu",
             (unsigned long long)undo->id, (unsigned long long)undo->fence);
    int status = wr_sqlite_exec(table->db, table->path, sql, err);
    if (status == WR_OK && sqlite3_changes(table->db) != 1)
        status = wr_sqlite_fenced(table->path, table->name, err);
    undo->exists = 0;
    return status;
}

int wr_sqlite_undo_check(const struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                         struct wr_error *err) {
    struct wr_sqlite_undo now = *undo;
    int status = wr_sqlite_undo_find(&now, table->db, table->path, err);
    return status == WR_OK && (now.exists != undo->exists || now.fence != undo->fence)
               ? wr_sqlite_fenced(table->path, table->name, err)
               : status;
}

int wr_sqlite_undo_take(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                        int is_new, int keeps, struct wr_error *err) {
    if (!undo->exists && !keeps)
        return WR_OK;
    int status = wr_sqlite_undo_check(undo, table, err);
    if (status == WR_OK && undo->is_due && !is_new)
        status = back(undo, table, err);
    if (status == WR_OK)
        status = drop(undo, table, err);
    if (status == WR_OK && keeps)
        status = begin_to_keep(undo, table, err);
    else if (status == WR_OK)
        status = forget(undo, table, err);
    undo->is_due = undo->is_stale = undo->has_noted = 0;
    return status;
}

void wr_sqlite_undo_begin(struct wr_sqlite_undo *undo) {
    undo->is_stale |= undo->has_noted;
    undo->has_noted = 0;
}

/* What an epoch before has left, and how many keys were taken back before this one. */
static int empty(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                 struct wr_error *err) {
    char sql[2 * NAME_MAX_BYTES], name[NAME_MAX_BYTES];
    struct wr_buf text;
    sqlite3_stmt *row = NULL;
    name_of(undo, name);
    snprintf(sql, sizeof sql, "delete from %s", name);
    int status = undo->is_stale ? wr_sqlite_exec(table->db, table->path, sql, err) : WR_OK;
    undo->is_stale = 0;
    if (status != WR_OK || undo->gone_table == NULL)
        return status;
    wr_buf_init(&text, &wr_budget_control, 0);
    wr_buf_add_text(&text, "select max(rowid) from ");
    wr_sql_add_name(&text, undo->gone_table);
    status = prepare(table, &text, &row, err);
    if (status == WR_OK && sqlite3_step(row) == SQLITE_ROW)
        undo->gone = sqlite3_column_int64(row, 0);
    else if (status == WR_OK)
        status = wr_sqlite_failed(table->db, table->path, "read keys that were taken back", err);
    sqlite3_finalize(row);
    return status;
}

/* By the statement, whose parameters are bound. */
static int note(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table, const char *what,
                struct wr_error *err) {
    int status = undo->has_noted ? WR_OK : empty(undo, table, err);
    if (status != WR_OK)
        return status;
    undo->has_noted = 1;
    if (sqlite3_step(undo->note) != SQLITE_DONE)
        status = wr_sqlite_failed(table->db, table->path, what, err);
    sqlite3_reset(undo->note);
    return status;
}

int wr_sqlite_undo_keep(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                        int removes, struct wr_error *err) {
    sqlite3_bind_int(undo->note, (int)table->key_count + 1, removes);
    return note(undo, table, "keep what a key had", err);
}

static int note_range(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                      struct wr_error *err) {
    if (!undo->rows.has_range)
        return WR_OK;
    undo->rows.has_range = 0;
    sqlite3_bind_int64(undo->note, 1, undo->rows.first);
    sqlite3_bind_int64(undo->note, 2, undo->rows.last);
    return note(undo, table, "keep which rows are new", err);
}

int wr_sqlite_undo_wrote(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                         int64_t rowid, struct wr_error *err) {
    struct wr_sqlite_undo_rows *rows = &undo->rows;
    int follows = rows->has_range && rows->last < INT64_MAX && rowid == rows->last + 1;
    int status = follows ? WR_OK : note_range(undo, table, err);
    rows->first = follows ? rows->first : rowid;
    rows->last = rowid;
    rows->has_range = 1;
    return status;
}

int wr_sqlite_undo_say(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                       uint64_t back_to, uint64_t rows, struct wr_error *err) {
    char sql[192];
    int status = note_range(undo, table, err);
    if (status == WR_OK && undo->is_stale && rows > back_to)
        status = empty(undo, table, err);
    if (status != WR_OK)
        return status;
    snprintf(sql, sizeof sql,
             "update weir_undo set back = %llu, gone = %lld where sink = %llu and fence = %llu",
             (unsigned long long)back_to, (long long)undo->gone, (unsigned long long)undo->id,
             (unsigned long long)undo->fence);
    status = wr_sqlite_exec(table->db, table->path, sql, err);
    if (status == WR_OK && sqlite3_changes(table->db) != 1)
        status = wr_sqlite_fenced(table->path, table->name, err);
    return status;
}

int wr_sqlite_undo_end(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                       struct wr_error *err) {
    wr_sqlite_undo_release(undo);
    if (!undo->exists)
        return WR_OK;
    int status = forget(undo, table, err);
    return status == WR_OK ? drop(undo, table, err) : status;
}

void wr_sqlite_undo_release(struct wr_sqlite_undo *undo) {
    sqlite3_finalize(undo->note);
    undo->note = NULL;
    undo->rows.has_range = 0;
}
