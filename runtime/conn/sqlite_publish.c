/* sqlite_publish.c: see sqlite_publish.h. */
#include "conn/sqlite_publish.h"

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/sqlite.h"

#include "base/banned.h"

/* Runs a text of sqlite3_mprintf, and frees it. */
static int run(const struct wr_sqlite_table *table, char *sql, struct wr_error *err) {
    int status = sql == NULL ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", table->path)
                             : wr_sqlite_exec(table->db, table->path, sql, err);
    sqlite3_free(sql);
    return status;
}

int wr_sqlite_drop(struct sqlite3 *db, const char *path, const char *name, struct wr_error *err) {
    struct wr_sqlite_table table = {.db = db, .path = path};
    return run(&table, sqlite3_mprintf("drop table if exists \"%w\"", name), err);
}

/* The rows of the table beside, less those that its last statement put into the other one. */
static int count_left_out(const struct wr_sqlite_publish *publish, uint64_t *left_out,
                          struct wr_error *err) {
    const struct wr_sqlite_table *beside = publish->beside;
    sqlite3_stmt *row = NULL;
    int64_t put = sqlite3_changes64(beside->db), rows = 0;
    char *sql = sqlite3_mprintf("select count(*) from \"%w\"", beside->name);
    int status = sql == NULL
                     ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", beside->path)
                     : wr_sqlite_prepare(beside->db, beside->path, sql, &row, err);
    sqlite3_free(sql);
    if (status != WR_OK)
        return status;
    if (sqlite3_step(row) == SQLITE_ROW)
        rows = sqlite3_column_int64(row, 0);
    else
        status = wr_sqlite_failed(beside->db, beside->path, "count", err);
    sqlite3_finalize(row);
    *left_out = (uint64_t)(rows > put ? rows - put : 0);
    return status;
}

static int take_place(const struct wr_sqlite_publish *publish, const struct wr_sqlite_table *old,
                      uint64_t *left_out, struct wr_error *err) {
    const char *beside = publish->beside->name, *name = publish->name;
    if (old->exists && old->same_columns) {
        int status = run(old,
                         sqlite3_mprintf("delete from \"%w\"; insert into \"%w\" select * from "
                                         "\"%w\"",
                                         name, name, beside),
                         err);
        if (status == WR_OK)
            status = count_left_out(publish, left_out, err);
        return status == WR_OK ? wr_sqlite_drop(old->db, old->path, beside, err) : status;
    }
    int status = wr_sqlite_drop(old->db, old->path, name, err);
    if (status != WR_OK)
        return status;
    return run(old,
               sqlite3_mprintf("drop index if exists \"weir_key_%w\"; "
                               "alter table \"%w\" rename to \"%w\"",
                               beside, beside, name),
               err);
}

/* Taken back first: a key that came again stands in both. */
static int add_to(const struct wr_sqlite_publish *publish, struct wr_sqlite_table *old,
                  uint64_t *left_out, struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    int status = wr_sqlite_table_look(old, 1, err);
    if (status == WR_OK)
        status = wr_sqlite_table_key(old, err);
    if (status != WR_OK)
        return status;
    if (publish->gone != NULL) {
        wr_sqlite_table_delete_by(old, publish->gone, &sql);
        wr_buf_add_text(&sql, "; ");
    }
    wr_sqlite_table_insert_from(old, publish->beside->name, old->key_count > 0, &sql);
    status = sql.status != WR_OK
                 ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", old->path)
                 : wr_sqlite_exec(old->db, old->path, sql.bytes, err);
    wr_buf_release(&sql);
    if (status == WR_OK)
        status = count_left_out(publish, left_out, err);
    return status == WR_OK ? wr_sqlite_drop(old->db, old->path, publish->beside->name, err)
                           : status;
}

int wr_sqlite_publish(const struct wr_sqlite_publish *publish, uint64_t *left_out,
                      struct wr_error *err) {
    struct wr_sqlite_table old = *publish->beside;
    old.name = publish->name;
    int status = wr_sqlite_table_look(&old, 0, err);
    if (status == WR_OK && old.exists && !publish->replaces)
        status = add_to(publish, &old, left_out, err);
    else if (status == WR_OK)
        status = take_place(publish, &old, left_out, err);
    if (status == WR_OK && publish->gone != NULL)
        status = wr_sqlite_drop(old.db, old.path, publish->gone, err);
    if (status == WR_OK && old.key_count > 0)
        status = wr_sqlite_table_look(&old, 0, err);
    if (status == WR_OK && old.key_count > 0)
        status = wr_sqlite_table_key(&old, err);
    return status;
}
