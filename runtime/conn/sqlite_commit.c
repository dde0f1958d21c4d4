/* sqlite_commit.c: see sqlite_commit.h. */
#include "conn/sqlite_commit.h"

#include <inttypes.h>
#include <sqlite3.h>

#include "base/status.h"
#include "conn/sqlite.h"
#include "conn/table_sink.h"

#include "base/banned.h"

/* A number of the sink's row; `none` where there is no such table, column or row. */
static int number_of(struct sqlite3 *db, const char *path, const char *column, uint64_t id,
                     int64_t none, int64_t *number, struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    char sql[96];
    int has;
    *number = none;
    int status = wr_sqlite_has_column(db, path, "weir_commit", column, &has, err);
    if (status != WR_OK || !has)
        return status;
    sqlite3_snprintf(sizeof sql, sql, "select ifnull(%s, 0) from weir_commit where sink = ?1",
                     column);
    status = wr_sqlite_prepare(db, path, sql, &row, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_int64(row, 1, (int64_t)id);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(row, 0);
    else if (code != SQLITE_DONE)
        status = wr_sqlite_failed(db, path, "read weir_commit", err);
    sqlite3_finalize(row);
    return status;
}

/* Before the first commit there is no such table, and nothing was seen. */
static int rows_of(struct sqlite3 *db, const char *path, uint64_t id, uint64_t *rows,
                   struct wr_error *err) {
    int64_t number;
    int status = number_of(db, path, "rows", id, 0, &number, err);
    *rows = (uint64_t)number;
    return status;
}

int wr_sqlite_commit_published(struct sqlite3 *db, const char *path, uint64_t id, int *published,
                               struct wr_error *err) {
    int64_t number;
    int status = number_of(db, path, "published", id, -1, &number, err);
    *published = (int)number;
    return status;
}

int wr_sqlite_commit_read(struct sqlite3 *db, const char *path, const char *name, uint64_t id,
                          uint64_t rows_seen, uint64_t *skip, struct wr_error *err) {
    uint64_t seen;
    int status = rows_of(db, path, id, &seen, err);
    if (status != WR_OK)
        return status;
    if (skip != NULL)
        *skip = seen - rows_seen;
    if (skip == NULL && seen > rows_seen)
        return wr_table_is_ahead(name, seen - rows_seen, err);
    if (seen >= rows_seen)
        return WR_OK;
    wr_error_set(err, WR_ECORRUPT,
                 "%s: by the state %" PRIu64 " rows went into it, by the file %" PRIu64, name,
                 rows_seen, seen);
    wr_error_help(err, "it is another file, or an older copy of it: begin with a new state");
    return WR_ECORRUPT;
}

int wr_sqlite_fenced(const char *path, const char *table, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED,
                 "sqlite:%s/%s: another instance of this pipeline has written to it: nothing "
                 "more is written",
                 path, table);
    wr_error_code(err, "W617");
    wr_error_help(err, "two runs go on from copies of one state directory; leave one of them");
    return WR_EREFUSED;
}

int wr_sqlite_is_older(const char *name, uint64_t rows_seen, uint64_t back, struct wr_error *err) {
    wr_error_set(err, WR_ECORRUPT,
                 "%s: this state directory is older than the file: by the state %" PRIu64
                 " rows went into it, and the file can be taken back to %" PRIu64,
                 name, rows_seen, back);
    wr_error_help(err, "it is an old copy: put a copy of the file of the same time beside it, or "
                       "begin with a new state and another table");
    return WR_ECORRUPT;
}

int wr_sqlite_commit_check(struct sqlite3 *db, const char *path, const char *table, uint64_t id,
                           uint64_t rows_told, struct wr_error *err) {
    uint64_t rows;
    int status = rows_of(db, path, id, &rows, err);
    return status != WR_OK || rows == rows_told ? status : wr_sqlite_fenced(path, table, err);
}

int wr_sqlite_commit_write(struct sqlite3 *db, const char *path, const char *table, uint64_t id,
                           uint64_t rows_seen, struct wr_error *err) {
    char *sql = sqlite3_mprintf(
        "create table if not exists weir_commit(sink integer primary key, name text, rows integer, "
        "published integer);"
        "insert or replace into weir_commit(sink, name, rows) values (%lld, %Q, %lld)",
        (long long)id, table, (long long)rows_seen);
    int status = sql == NULL ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", path)
                             : wr_sqlite_exec(db, path, sql, err);
    sqlite3_free(sql);
    return status;
}

int wr_sqlite_commit_publish(struct sqlite3 *db, const char *path, uint64_t id,
                             struct wr_error *err) {
    char sql[96];
    int has;
    int status = wr_sqlite_has_column(db, path, "weir_commit", "published", &has, err);
    if (status != WR_OK || !has) /* of a version that did not say */
        return status;
    sqlite3_snprintf(sizeof sql, sql, "update weir_commit set published = 1 where sink = %lld",
                     (long long)id);
    return wr_sqlite_exec(db, path, sql, err);
}

/* ---- refused rows -------------------------------------------------------------------------- */

/* Runs a text of sqlite3_mprintf, and frees it. */
static int run(struct sqlite3 *db, const char *path, char *sql, struct wr_error *err) {
    int status = sql == NULL ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", path)
                             : wr_sqlite_exec(db, path, sql, err);
    sqlite3_free(sql);
    return status;
}

int wr_sqlite_refused_add(struct sqlite3 *db, const char *path, uint64_t id, uint64_t row,
                          const char *detail, struct wr_error *err) {
    return run(db, path,
               sqlite3_mprintf("create table if not exists weir_refused(sink integer, row integer, "
                               "detail text, primary key(sink, row)) without rowid;"
                               "insert or replace into weir_refused values (%lld, %lld, %Q)",
                               (long long)id, (long long)row, detail),
               err);
}

int wr_sqlite_refused_find(struct sqlite3 *db, const char *path, uint64_t id, uint64_t row,
                           char detail[WR_SQLITE_DETAIL_MAX], int *found, struct wr_error *err) {
    sqlite3_stmt *statement = NULL;
    *found = 0;
    int status = wr_sqlite_prepare(
        db, path, "select detail from weir_refused where sink = ?1 and row = ?2", &statement, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_int64(statement, 1, (int64_t)id);
    sqlite3_bind_int64(statement, 2, (int64_t)row);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        sqlite3_snprintf(WR_SQLITE_DETAIL_MAX, detail, "%s",
                         text == NULL ? "" : (const char *)text);
        *found = 1;
    } else if (code != SQLITE_DONE) {
        status = wr_sqlite_failed(db, path, "read", err);
    }
    sqlite3_finalize(statement);
    return status;
}

int wr_sqlite_refused_forget(struct sqlite3 *db, const char *path, uint64_t id, uint64_t upto,
                             struct wr_error *err) {
    return run(db, path,
               sqlite3_mprintf("delete from weir_refused where sink = %lld and row <= %lld",
                               (long long)id, (long long)upto),
               err);
}

int wr_sqlite_refused_drop(struct sqlite3 *db, const char *path, uint64_t id, uint64_t after,
                           struct wr_error *err) {
    return run(db, path,
               sqlite3_mprintf("delete from weir_refused where sink = %lld and row > %lld",
                               (long long)id, (long long)after),
               err);
}

int wr_sqlite_refused_are_there(struct sqlite3 *db, const char *path, int *are,
                                struct wr_error *err) {
    return wr_sqlite_has_column(db, path, "weir_refused", "detail", are, err);
}
