/* sqlite_commit.c: see sqlite_commit.h. */
#include "conn/sqlite_commit.h"

#include <inttypes.h>
#include <sqlite3.h>

#include "base/status.h"
#include "conn/sqlite.h"

#include "base/banned.h"

int wr_sqlite_commit_read(struct sqlite3 *db, const char *name, uint64_t id, uint64_t rows_seen,
                          uint64_t *skip, struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    uint64_t seen = 0;
    /* Before the first commit there is no such table, and nothing was seen. */
    if (sqlite3_prepare_v2(db, "select rows from weir_commit where sink = ?1", -1, &row, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_int64(row, 1, (int64_t)id);
        if (sqlite3_step(row) == SQLITE_ROW)
            seen = (uint64_t)sqlite3_column_int64(row, 0);
    }
    sqlite3_finalize(row);
    *skip = seen - rows_seen;
    if (seen >= rows_seen)
        return WR_OK;
    wr_error_set(err, WR_ECORRUPT,
                 "%s: by the state %" PRIu64 " rows went into it, by the file %" PRIu64, name,
                 rows_seen, seen);
    wr_error_help(err, "it is another file, or an older copy of it: begin with a new state");
    return WR_ECORRUPT;
}

int wr_sqlite_commit_write(struct sqlite3 *db, const char *path, const char *table, uint64_t id,
                           uint64_t rows_seen, struct wr_error *err) {
    char *sql = sqlite3_mprintf(
        "create table if not exists weir_commit(sink integer primary key, name text, rows integer);"
        "insert or replace into weir_commit values (%lld, %Q, %lld)",
        (long long)id, table, (long long)rows_seen);
    int status = sql == NULL ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", path)
                             : wr_sqlite_exec(db, path, sql, err);
    sqlite3_free(sql);
    return status;
}
