/* store_tables.c: tables of sinks in the state file; see store.h. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

static const char *const own_tables[] = {"meta", "part",  "piece",
                                         "rows", "spool", "weir_partitions"};

int wr_store_owns_table(const char *name) {
    int owns = strncasecmp(name, "weir_", 5) == 0 || strncasecmp(name, "sqlite_", 7) == 0;
    for (size_t i = 0; i < WR_COUNT(own_tables); i++)
        owns |= strcasecmp(name, own_tables[i]) == 0;
    return owns;
}

static int begin(struct wr_store *store, struct wr_error *err) {
    WR_ASSERT(!store->in_checkpoint);
    int status = wr_store_run(store, "write", "begin immediate", err);
    if (status != WR_OK)
        return status;
    store->has_rows = 1;
    store->part_count_before = store->part_count;
    return WR_OK;
}

int wr_store_lend(struct wr_store *store, int writes, struct sqlite3 **db, struct wr_error *err) {
    pthread_mutex_lock(&store->lock_of_database);
    int status = store->failed;
    if (status != WR_OK)
        wr_error_set(err, status,
                     "state %s: an earlier error (%s) makes it unusable until the next start",
                     store->path, wr_status_text(status));
    else if (store->has_rows && sqlite3_get_autocommit(store->db))
        status = wr_store_fail(store, wr_error_set(err, WR_EIO,
                                                   "write state %s: the transaction of the "
                                                   "checkpoint was lost",
                                                   store->path));
    else if (writes && !store->has_rows)
        status = begin(store, err);
    *db = store->db;
    if (status != WR_OK)
        pthread_mutex_unlock(&store->lock_of_database);
    return status;
}

void wr_store_take_back(struct wr_store *store, int status) {
    if (status < 0)
        wr_store_fail(store, status);
    pthread_mutex_unlock(&store->lock_of_database);
}

static int count_rows(struct wr_store *store, const char *name, uint64_t *rows,
                      struct wr_error *err) {
    sqlite3_stmt *count = NULL;
    char *sql = sqlite3_mprintf("select count(*) from \"%w\"", name);
    int code = sql == NULL ? SQLITE_NOMEM : sqlite3_prepare_v2(store->db, sql, -1, &count, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(count);
    *rows = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(count, 0) : 0;
    sqlite3_finalize(count);
    sqlite3_free(sql);
    return code == SQLITE_ROW ? WR_OK : wr_store_fail_sqlite(store, "read", err);
}

static int is_own(const char *name) {
    for (size_t i = 0; i < WR_COUNT(own_tables); i++)
        if (strcmp(name, own_tables[i]) == 0)
            return 1;
    return strncmp(name, "sqlite_", 7) == 0;
}

int wr_store_tables(struct wr_store *store, wr_store_table_fn fn, void *ctx, struct wr_error *err) {
    sqlite3_stmt *names = NULL;
    int code = sqlite3_prepare_v2(
        store->db, "select name from sqlite_schema where type = 'table' order by name", -1, &names,
        NULL);
    int status = code == SQLITE_OK ? WR_OK : wr_store_fail_sqlite(store, "read", err);
    while (status == WR_OK && (code = sqlite3_step(names)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(names, 0);
        uint64_t rows = 0;
        if (name == NULL || is_own(name))
            continue;
        status = count_rows(store, name, &rows, err);
        if (status == WR_OK)
            status = fn(ctx, name, rows);
    }
    if (status == WR_OK && code != SQLITE_DONE)
        status = wr_store_fail_sqlite(store, "read", err);
    sqlite3_finalize(names);
    return status;
}
