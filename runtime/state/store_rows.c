/* store_rows.c: rows of pieces that lie in `state.rows`, beside the database; see store_file.h.
 * What SQLite would copy four times (into its pages, into its log, back out of it and into its
 * file) is written once. Power may go at any time: the bytes of a checkpoint are synced before its
 * commit, and never written where rows of the checkpoint before stand. So a place that a checkpoint
 * frees is used from the next one on, and no two pieces share a block of the disk. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

#define BLOCK_BYTES UINT64_C(4096) /* a place begins and ends at a multiple */
#define PLACE_BYTES_MAX (UINT64_C(1) << 62)

static uint64_t blocks(uint64_t length) {
    return (length + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* Adds the state to what is wrong with its file, and ends all further work. */
static int fail(struct wr_store *store, int status, const char *what, struct wr_error *err) {
    return wr_store_fail(store, wr_error_add(err, status, "%s state %s", what, store->path));
}

static int damaged(struct wr_store *store, const char *what, struct wr_error *err) {
    return wr_store_fail(
        store, wr_error_set(err, WR_ECORRUPT, "state %s is damaged: %s", store->path, what));
}

/* ---- the file ---- */

int wr_store_rows_check(struct wr_store *store, uint64_t end, struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX];
    struct wr_file_info info;
    wr_store_path(store, WR_STORE_ROWS_NAME, path);
    store->rows.reach_stored = end;
    int status = end == 0 ? WR_OK : store->env->stat(store->env, path, &info);
    if (end == 0 || (status == WR_OK && info.size_bytes >= end))
        return WR_OK;
    if (status != WR_OK && status != WR_ENOENT)
        return wr_store_fail(store, wr_error_set(err, status, "read state %s: cannot look at %s",
                                                 store->path, path));
    wr_error_set(err, WR_ECORRUPT, "state %s is damaged: its %s %s", store->path,
                 WR_STORE_ROWS_NAME, status == WR_ENOENT ? "is missing" : "is shorter than it was");
    wr_error_help(err, "state.db and %s belong together: put back a copy of both; " WR_STORE_ANEW,
                  WR_STORE_ROWS_NAME);
    return wr_store_fail(store, WR_ECORRUPT);
}

/* What a state left here whose removal was cut off is nobody's. */
static int rows_open(struct wr_store *store, struct wr_error *err) {
    struct wr_store_rows_file *rows = &store->rows;
    const struct wr_env *env = store->env;
    char path[WR_STORE_PATH_BYTES_MAX];
    struct wr_file_info info;
    if (rows->file != NULL)
        return WR_OK;
    wr_store_path(store, WR_STORE_ROWS_NAME, path);
    int status = env->open(env, path, WR_FILE_UPDATE, &rows->file, err);
    if (status == WR_OK && rows->is_known && rows->reach == 0 && rows->reach_stored == 0) {
        status = env->info(rows->file, &info);
        if (status != WR_OK)
            wr_error_set(err, status, "cannot look at %s", path);
        else if (info.size_bytes > 0)
            status = env->truncate(rows->file, 0, err);
    }
    return status == WR_OK ? WR_OK : fail(store, status, "open", err);
}

void wr_store_rows_close(struct wr_store *store) {
    struct wr_store_rows_file *rows = &store->rows;
    if (rows->file != NULL)
        store->env->close(rows->file);
    wr_free(&wr_budget_control, rows->gaps);
    rows->file = NULL;
    rows->gaps = NULL;
    rows->gap_count = rows->gap_room = rows->gap = 0;
    rows->is_known = 0;
    wr_buf_release(&rows->read);
}

/* ---- places ---- */

static int gap_add(struct wr_store_rows_file *rows, uint64_t at, uint64_t length) {
    if (rows->gap_count == rows->gap_room &&
        wr_grow(&wr_budget_control, (void **)&rows->gaps, rows->gap_count, &rows->gap_room,
                sizeof *rows->gaps) != WR_OK)
        return WR_ENOMEM;
    rows->gaps[rows->gap_count++] = (struct wr_store_gap){.at = at, .length = length};
    return WR_OK;
}

/* The next place that is taken, behind all before it. */
static int place_pass(struct wr_store *store, int64_t at, int64_t length, struct wr_error *err) {
    struct wr_store_rows_file *rows = &store->rows;
    if (at < 0 || (uint64_t)at > PLACE_BYTES_MAX || (uint64_t)at % BLOCK_BYTES != 0 ||
        length <= 0 || (uint64_t)length > PLACE_BYTES_MAX || (uint64_t)at < rows->end)
        return damaged(store, "places of its rows overlap", err);
    int status = WR_OK;
    if ((uint64_t)at > rows->end)
        status = gap_add(rows, rows->end, (uint64_t)at - rows->end);
    rows->reach = (uint64_t)at + (uint64_t)length;
    rows->end = blocks(rows->reach);
    return status == WR_OK
               ? WR_OK
               : wr_store_fail(store, wr_error_set(err, status, "write state %s: %s", store->path,
                                                   wr_status_text(status)));
}

/* In the midst of a checkpoint the database does not say what is free: rows that it deletes stand
 * until it is committed. */
int wr_store_rows_know(struct wr_store *store, struct wr_error *err) {
    struct wr_store_rows_file *rows = &store->rows;
    sqlite3_stmt *statement = store->statements[WR_STORE_PLACES];
    if (rows->is_known)
        return WR_OK;
    rows->gap_count = rows->gap = 0;
    rows->end = rows->reach = 0;
    int status = WR_OK, code = SQLITE_OK;
    while (status == WR_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        status = place_pass(store, sqlite3_column_int64(statement, 0),
                            sqlite3_column_int64(statement, 1), err);
    if (status == WR_OK && code != SQLITE_DONE)
        status = wr_store_fail_sqlite(store, "read", err);
    sqlite3_reset(statement);
    rows->is_known = status == WR_OK;
    rows->frees = 0;
    return status;
}

/* Gaps that are passed over are asked again when the next ones are known. */
static uint64_t place_take(struct wr_store_rows_file *rows, uint64_t length) {
    uint64_t size = blocks(length), at = rows->end;
    while (rows->gap < rows->gap_count && rows->gaps[rows->gap].length < size)
        rows->gap++;
    if (rows->gap == rows->gap_count) {
        rows->end += size;
        return at;
    }
    struct wr_store_gap *gap = &rows->gaps[rows->gap];
    at = gap->at;
    gap->at += size;
    gap->length -= size;
    return at;
}

/* ---- checkpoints ---- */

int wr_store_rows_write(struct wr_store *store, struct wr_store_rows bytes, uint64_t *at,
                        struct wr_error *err) {
    struct wr_store_rows_file *rows = &store->rows;
    WR_ASSERT(rows->is_known && bytes.length > 0);
    int status = rows_open(store, err);
    if (status != WR_OK)
        return status;
    *at = place_take(rows, bytes.length);
    rows->reach = WR_MAX(rows->reach, *at + bytes.length);
    rows->is_unsynced = 1;
    status = store->env->write_at(rows->file, bytes.bytes, bytes.length, *at, err);
    return status == WR_OK ? WR_OK : fail(store, status, "write", err);
}

int wr_store_rows_delete(struct wr_store *store, int64_t part, struct wr_error *err) {
    sqlite3_stmt *statement = store->statements[WR_STORE_ROWS_DELETE];
    sqlite3_bind_int64(statement, 1, part);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        if (sqlite3_column_type(statement, 0) != SQLITE_NULL)
            store->rows.frees = 1;
    int status = code == SQLITE_DONE ? WR_OK : wr_store_fail_sqlite(store, "write", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

int wr_store_rows_sync(struct wr_store *store, struct wr_error *err) {
    struct wr_store_rows_file *rows = &store->rows;
    if (rows->is_unsynced) {
        int status = store->env->sync(rows->file, err);
        if (status != WR_OK)
            return fail(store, status, "write", err);
        rows->is_unsynced = 0;
    }
    if (rows->frees) { /* the database shows what this checkpoint leaves, for the next one */
        rows->is_known = 0;
        int status = wr_store_rows_know(store, err);
        if (status != WR_OK)
            return status;
    }
    if (rows->reach == rows->reach_stored)
        return WR_OK;
    return wr_store_set_meta(store, "rows", (int64_t)rows->reach, NULL, err);
}

void wr_store_rows_settle(struct wr_store *store, int is_committed) {
    struct wr_store_rows_file *rows = &store->rows;
    if (is_committed)
        rows->reach_stored = rows->reach;
    else
        rows->is_known = 0;
}

/* ---- reading ---- */

static int read_whole(struct wr_store *store, char *bytes, uint64_t length, uint64_t at,
                      struct wr_error *err) {
    int64_t got = wr_env_read_whole(store->rows.file, bytes, length, at);
    if (got < 0)
        return wr_store_fail(store,
                             wr_error_set(err, (int)got, "read state %s: %s: %s", store->path,
                                          WR_STORE_ROWS_NAME, wr_status_text((int)got)));
    return (uint64_t)got == length
               ? WR_OK
               : damaged(store, "its " WR_STORE_ROWS_NAME " is shorter than it was", err);
}

int wr_store_rows_read(struct wr_store *store, int64_t at, int64_t length, struct wr_reader *bytes,
                       struct wr_error *err) {
    struct wr_buf *read = &store->rows.read;
    if (at < 0 || length <= 0 || (uint64_t)length > PLACE_BYTES_MAX)
        return damaged(store, "a place of its rows is none", err);
    int status = rows_open(store, err);
    if (status != WR_OK)
        return status;
    wr_buf_clear(read);
    if (wr_buf_reserve(read, (size_t)length) != WR_OK)
        return wr_store_fail(store, wr_error_set(err, read->status, "read state %s: %s",
                                                 store->path, wr_status_text(read->status)));
    status = read_whole(store, read->bytes, (uint64_t)length, (uint64_t)at, err);
    *bytes = (struct wr_reader){.bytes = read->bytes, .length = (size_t)length};
    return status;
}

/* ---- a copy ---- */

struct copying {
    const struct wr_env *env;
    struct wr_file *file;
    uint64_t at;
    struct wr_error *err;
};

static int copy_rows(void *ctx, struct wr_reader *rows) {
    struct copying *copying = ctx;
    return copying->env->write_at(copying->file, rows->bytes, rows->length, copying->at,
                                  copying->err);
}

static int copy_pieces(struct wr_store *store, struct copying *copying, struct wr_error *err) {
    sqlite3_stmt *pieces = NULL;
    int code = sqlite3_prepare_v2(store->db, "select piece, at from rows where at is not null", -1,
                                  &pieces, NULL);
    int status = code == SQLITE_OK ? WR_OK : wr_store_fail_sqlite(store, "read", err);
    while (status == WR_OK && (code = sqlite3_step(pieces)) == SQLITE_ROW) {
        copying->at = (uint64_t)sqlite3_column_int64(pieces, 1);
        status =
            wr_store_read_rows(store, sqlite3_column_int64(pieces, 0), copy_rows, copying, err);
    }
    if (status == WR_OK && code != SQLITE_DONE)
        status = wr_store_fail_sqlite(store, "read", err);
    sqlite3_finalize(pieces);
    return status;
}

int wr_store_rows_copy(struct wr_store *store, const char *to, struct wr_error *err) {
    const struct wr_env *env = store->env;
    char path[WR_STORE_PATH_BYTES_MAX];
    struct copying copying = {.env = env, .err = err};
    if (store->rows.reach_stored == 0)
        return WR_OK;
    snprintf(path, sizeof path, "%s/%s", to, WR_STORE_ROWS_NAME);
    int status = env->open(env, path, WR_FILE_UPDATE, &copying.file, err);
    if (status != WR_OK)
        return status;
    status = env->truncate(copying.file, 0, err); /* of a copy that was cut off */
    if (status == WR_OK)
        status = copy_pieces(store, &copying, err);
    if (status == WR_OK)
        status = env->sync(copying.file, err);
    env->close(copying.file);
    return status == WR_OK ? WR_OK : wr_error_add(err, status, "copy state %s", store->path);
}
