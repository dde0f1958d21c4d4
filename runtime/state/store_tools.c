/* store_tools.c: what is done with a state as a whole; see store.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

int wr_store_parts(const struct wr_store *store, wr_store_part_fn fn, void *ctx) {
    int status = WR_OK;
    for (uint32_t i = 0; i < store->part_count && status == WR_OK; i++)
        status =
            fn(ctx, store->parts[i].name, store->parts[i].base_bytes, store->parts[i].delta_bytes);
    return status;
}

/* Runs a query whose first value should be `expected`. */
static int expect(struct wr_store *store, const char *query, const char *expected, const char *what,
                  struct wr_error *err) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, query, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    const char *got = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    int status = code == SQLITE_ROW ? WR_OK : wr_store_fail_sqlite(store, "read", err);
    if (status == WR_OK && (got == NULL || strcmp(got, expected) != 0))
        status = wr_error_set(err, WR_ECORRUPT, "state %s is damaged: %s%s", store->path, what,
                              got == NULL ? "" : got);
    sqlite3_finalize(statement);
    return status;
}

static int look_away_from_piece(void *ctx, struct wr_reader *bytes, int base) {
    (void)ctx, (void)bytes, (void)base;
    return WR_OK;
}

static int check_parts(struct wr_store *store, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t i = 0; i < store->part_count && status == WR_OK; i++)
        status = wr_store_read(store, store->parts[i].name, look_away_from_piece, NULL, err);
    return status;
}

static int look_away(void *ctx, struct wr_reader *rows) {
    (void)ctx, (void)rows;
    return WR_OK;
}

/* Reads all rows: their sums are right. */
static int check_rows(struct wr_store *store, struct wr_error *err) {
    sqlite3_stmt *pieces = NULL;
    int code = sqlite3_prepare_v2(store->db, "select piece from rows", -1, &pieces, NULL);
    int status = code == SQLITE_OK ? WR_OK : wr_store_fail_sqlite(store, "read", err);
    while (status == WR_OK && (code = sqlite3_step(pieces)) == SQLITE_ROW)
        status = wr_store_read_rows(store, sqlite3_column_int64(pieces, 0), look_away, NULL, err);
    if (status == WR_OK && code != SQLITE_DONE)
        status = wr_store_fail_sqlite(store, "read", err);
    sqlite3_finalize(pieces);
    return status;
}

int wr_store_check(struct wr_store *store, struct wr_error *err) {
    int status = expect(store, "pragma quick_check(1)", "ok", "", err);
    if (status == WR_OK)
        status = expect(store, "select count(*) from piece where part not in (select id from part)",
                        "0", "pieces of parts that are not there: ", err);
    if (status == WR_OK)
        status =
            expect(store, "select count(*) from rows where piece not in (select id from piece)",
                   "0", "rows of pieces that are not there: ", err);
    if (status == WR_OK)
        status = check_parts(store, err);
    store->rows.is_known = 0; /* to know them is to look whether they are right */
    if (status == WR_OK)
        status = wr_store_rows_know(store, err);
    return status == WR_OK ? check_rows(store, err) : status;
}

static int sync_file(const struct wr_env *env, const char *path, enum wr_file_mode mode,
                     struct wr_error *err) {
    struct wr_file *file;
    int status = env->open(env, path, mode, &file, err);
    if (status != WR_OK)
        return status;
    status = env->sync(file, err);
    env->close(file);
    return status;
}

/* A copy under another name takes its place when it is whole and durable. */
static int copy_into(struct wr_store *store, const char *beside, const char *path,
                     struct wr_error *err) {
    const struct wr_env *env = store->env;
    char *sql = sqlite3_mprintf("vacuum into %Q", beside);
    struct wr_file_info info;
    if (env->stat(env, beside, &info) == WR_OK) { /* of a copy that was cut off */
        int status = env->remove(env, beside, err);
        if (status != WR_OK) {
            sqlite3_free(sql);
            return status;
        }
    }
    int status = WR_OK; /* where it cannot be written the state is as good as before */
    if (sql == NULL)
        status = wr_error_set(err, WR_ENOMEM, "copy state %s: out of memory", store->path);
    else if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        status = wr_error_set(err, WR_EIO, "copy state %s to %s: %s", store->path, beside,
                              sqlite3_errmsg(store->db));
    sqlite3_free(sql);
    if (status == WR_OK)
        status = sync_file(env, beside, WR_FILE_APPEND, err);
    return status == WR_OK ? env->rename(env, beside, path, err) : status;
}

int wr_store_copy(struct wr_store *store, const char *to, int begins, struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX], beside[WR_STORE_PATH_BYTES_MAX],
        lock_path[WR_STORE_PATH_BYTES_MAX];
    const struct wr_env *env = store->env;
    struct wr_file_info info;
    struct wr_file *lock;
    const char *here = to[0] == '/' ? "" : "./"; /* so that no path reads as a URI */
    int length = snprintf(beside, sizeof beside, "%s%s/state.db.new", here, to);
    if (length >= (int)sizeof beside)
        return wr_error_set(err, WR_EARG, "copy state %s: the path %.80s… is too long", store->path,
                            to);
    snprintf(path, sizeof path, "%s%s/state.db", here, to);
    snprintf(lock_path, sizeof lock_path, "%s%s/LOCK", here, to);
    if (store->number == 0) {
        wr_error_set(err, WR_ENOENT, "state %s has no checkpoint yet", store->path);
        wr_error_help(err, "a run makes one when it begins, and each second");
        return WR_ENOENT;
    }
    int status = env->make_directory(env, to, err);
    if (status == WR_OK)
        status = env->lock(env, lock_path, &lock, err);
    if (status != WR_OK)
        return status;
    if (env->stat(env, path, &info) == WR_OK) {
        status = wr_error_set(err, WR_EEXIST, "there is a state in %s already", to);
        wr_error_help(err, "give another directory, or remove that one");
    }
    if (status == WR_OK)
        status = wr_store_rows_copy(store, to, err);
    if (status == WR_OK && begins)
        status = wr_store_from_write(store, to, err);
    if (status == WR_OK)
        status = copy_into(store, beside, path, err);
    if (status == WR_OK) {
        snprintf(path, sizeof path, "%s%s/MADE", here, to);
        status = sync_file(env, path, WR_FILE_CREATE, err);
    }
    env->close(lock);
    return status;
}

/* `MADE` goes last: without a number and without state.db it says nothing. */
int wr_store_erase(struct wr_store *store, struct wr_error *err) {
    static const char *const names[] = {
        "state.db-wal", "state.db-shm", "state.db", WR_STORE_ROWS_NAME, "NAMED", "FROM", "MADE"};
    const struct wr_env *env = store->env;
    wr_store_close_database(store);
    int forgotten = wr_store_made_forget(store, err);
    if (forgotten != WR_OK)
        return forgotten;
    for (size_t i = 0; i < WR_COUNT(names); i++) {
        char path[WR_STORE_PATH_BYTES_MAX];
        struct wr_file_info info;
        wr_store_path(store, names[i], path);
        int status = env->stat(env, path, &info) == WR_OK ? env->remove(env, path, err) : WR_OK;
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

int wr_store_unmake(struct wr_store *store, int keeps_directory, struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX];
    int status = wr_store_erase(store, err);
    if (status != WR_OK || keeps_directory)
        return status;
    wr_store_path(store, "LOCK", path); /* it is held: who waits for it opens it again */
    status = store->env->remove(store->env, path, err);
    return status == WR_OK ? store->env->remove(store->env, store->path, err) : status;
}
