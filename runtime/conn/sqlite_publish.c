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

static int take_place(const struct wr_sqlite_publish *publish, const struct wr_sqlite_table *old,
                      struct wr_error *err) {
    const char *beside = publish->beside->name, *name = publish->name;
    if (old->exists && old->same_columns)
        return run(old,
                   sqlite3_mprintf("delete from \"%w\"; insert into \"%w\" select * from \"%w\"; "
                                   "drop table \"%w\"",
                                   name, name, beside, beside),
                   err);
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
                  struct wr_error *err) {
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
    return status == WR_OK ? wr_sqlite_drop(old->db, old->path, publish->beside->name, err)
                           : status;
}

int wr_sqlite_publish(const struct wr_sqlite_publish *publish, struct wr_error *err) {
    struct wr_sqlite_table old = *publish->beside;
    old.name = publish->name;
    int status = wr_sqlite_table_look(&old, 0, err);
    if (status == WR_OK && old.exists && !publish->replaces)
        status = add_to(publish, &old, err);
    else if (status == WR_OK)
        status = take_place(publish, &old, err);
    if (status == WR_OK && publish->gone != NULL)
        status = wr_sqlite_drop(old.db, old.path, publish->gone, err);
    if (status == WR_OK && old.key_count > 0)
        status = wr_sqlite_table_look(&old, 0, err);
    if (status == WR_OK && old.key_count > 0)
        status = wr_sqlite_table_key(&old, err);
    return status;
}
