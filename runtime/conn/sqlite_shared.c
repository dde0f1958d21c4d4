/* sqlite_shared.c: see sqlite_shared.h. */
#include "conn/sqlite_shared.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/conn.h"
#include "conn/sqlite.h"
#include "conn/sqlite_undo_rows.h"

#include "base/banned.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wr_sqlite_shared *list;

/* The connection to the file that `db` has open, under whatever name it was opened. */
static struct wr_sqlite_shared *find(const struct wr_env *env, sqlite3 *db) {
    const char *path = sqlite3_db_filename(db, "main"); /* absolute, links followed */
    for (struct wr_sqlite_shared *shared = list; shared != NULL; shared = shared->next) {
        const char *other = sqlite3_db_filename(shared->db, "main");
        if (shared->env == env && path != NULL && other != NULL && path[0] != 0 &&
            strcmp(path, other) == 0)
            return shared;
    }
    return NULL;
}

/* SQLite asks whether it shall try again to get a lock. */
static int on_busy(void *ctx, int count) {
    struct wr_sqlite_shared *shared = ctx;
    (void)count;
    shared->ended = wr_patience_again(&shared->patience, "database is locked");
    return shared->ended == WR_OK;
}

void wr_sqlite_shared_serve(struct wr_sqlite_shared *shared, struct wr_sink *sink) {
    shared->patience.stop = sink->stop;
    shared->patience.warn = sink->warn;
    shared->patience.warn_ctx = sink->warn_ctx;
    shared->patience.trouble = &sink->trouble;
    shared->ended = WR_OK;
}

static int outcome_of(const struct wr_patience *patience, int ended, int status,
                      struct wr_error *err) {
    if (status == WR_OK || ended == WR_OK)
        return status;
    if (ended == WR_ECANCEL)
        return wr_patience_stopped(patience, err);
    status = wr_patience_gone(patience, "W612", err);
    wr_error_help(err, "another program writes to this file: `timeout = \"30s\"` waits longer, "
                       "`breaker = true` until it is through");
    return status;
}

int wr_sqlite_shared_outcome(const struct wr_sqlite_shared *shared, int status,
                             struct wr_error *err) {
    return outcome_of(&shared->patience, shared->ended, status, err);
}

static int add(struct wr_sqlite_shared **result, const struct wr_patience *patience, sqlite3 *db,
               const char *path, struct wr_error *err) {
    struct wr_sqlite_shared *shared = wr_alloc_zero(&wr_budget_control, sizeof *shared);
    char *copy = wr_strndup(&wr_budget_control, path, strlen(path));
    if (shared == NULL || copy == NULL || wr_sqlite_undo_rows_init(db) != WR_OK) {
        wr_free(&wr_budget_control, shared);
        wr_free(&wr_budget_control, copy);
        return wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", path);
    }
    /* A commit ends with the removal of a journal: with less than this, a power cut may bring that
     * back, and the rows of an epoch that the state already counts would be gone. */
    sqlite3_exec(db, "pragma synchronous = extra", NULL, NULL, NULL);
    /* Pages that do not fit into it are written in the midst of an epoch, behind a sync of the
     * journal that the step would wait for. Memory is taken as pages are. */
    sqlite3_exec(db, "pragma cache_size = -16384", NULL, NULL, NULL);
    /* A table that takes another's place may stand in views: they are not looked into. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, 1, NULL);
    *shared = (struct wr_sqlite_shared){
        .next = list, .env = patience->env, .db = db, .path = copy, .patience = *patience};
    shared->patience.place = copy;
    sqlite3_busy_handler(db, on_busy, shared);
    list = shared;
    *result = shared;
    return WR_OK;
}

/* The first look into the file may meet a lock too. */
static int open_patiently(sqlite3 **db, struct wr_patience *patience, const char *path,
                          struct wr_error *err) {
    struct wr_error own, *error = err != NULL ? err : &own;
    int status, ended = WR_OK;
    do {
        status = wr_sqlite_open(db, patience->env, path, 0, 0, error);
        if (status == WR_EREFUSED)
            ended = wr_patience_again(patience, "database is locked");
    } while (status == WR_EREFUSED && ended == WR_OK);
    if (status == WR_OK)
        wr_patience_well(patience);
    return outcome_of(patience, ended, status, error);
}

int wr_sqlite_shared_open(struct wr_sqlite_shared **result, struct wr_sink *sink, const char *path,
                          const struct wr_retry *retry, struct wr_error *err) {
    sqlite3 *db = NULL;
    const struct wr_env *env = sink->env;
    struct wr_patience patience;
    wr_patience_init(&patience, retry, path, sink);
    int status = open_patiently(&db, &patience, path, err);
    if (status != WR_OK)
        return status;
    pthread_mutex_lock(&list_lock);
    struct wr_sqlite_shared *shared = find(env, db);
    int is_new = shared == NULL;
    if (is_new)
        status = add(&shared, &patience, db, path, err);
    else if (shared->broken)
        status = wr_error_set(err, WR_EIO, "sqlite:%s: an earlier error stopped all writing", path);
    if (status == WR_OK) {
        shared->user_count++;
        wr_sqlite_shared_serve(shared, sink);
        *result = shared;
    }
    pthread_mutex_unlock(&list_lock);
    if (!is_new || status != WR_OK)
        sqlite3_close(db);
    return status;
}

void wr_sqlite_shared_break(struct wr_sqlite_shared *shared) {
    if (!sqlite3_get_autocommit(shared->db))
        sqlite3_exec(shared->db, "rollback", NULL, NULL, NULL);
    shared->in_transaction = 0;
    sqlite3_db_config(shared->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    shared->broken = 1;
}

void wr_sqlite_shared_close(struct wr_sqlite_shared *shared, int is_begun) {
    pthread_mutex_lock(&list_lock);
    if (is_begun)
        wr_sqlite_shared_break(shared);
    WR_ASSERT(shared->user_count > 0);
    if (--shared->user_count == 0) {
        struct wr_sqlite_shared **link = &list;
        while (*link != shared)
            link = &(*link)->next;
        *link = shared->next;
        int code = sqlite3_close(shared->db);
        WR_ASSERT(code == SQLITE_OK); /* every statement was finalised */
        wr_free(&wr_budget_control, shared->path);
        wr_free(&wr_budget_control, shared);
    }
    pthread_mutex_unlock(&list_lock);
}

static int stopped(const struct wr_sqlite_shared *shared, struct wr_error *err) {
    return wr_error_set(err, WR_EIO, "sqlite:%s: an earlier error stopped all writing",
                        shared->path);
}

int wr_sqlite_shared_begin(struct wr_sqlite_shared *shared, struct wr_error *err) {
    if (shared->broken)
        return stopped(shared, err);
    shared->begun_count++;
    return WR_OK;
}

int wr_sqlite_shared_enter(struct wr_sqlite_shared *shared, struct wr_error *err) {
    WR_ASSERT(shared->begun_count > 0);
    if (shared->broken)
        return stopped(shared, err);
    if (shared->in_transaction)
        return WR_OK;
    int status = wr_sqlite_exec(shared->db, shared->path, "begin immediate", err);
    if (status != WR_OK)
        return status;
    wr_patience_well(&shared->patience);
    shared->in_transaction = 1;
    return WR_OK;
}

int wr_sqlite_shared_commit(struct wr_sqlite_shared *shared, struct wr_error *err) {
    WR_ASSERT(shared->begun_count > 0);
    shared->begun_count--;
    if (shared->broken)
        return stopped(shared, err);
    if (shared->begun_count > 0 || !shared->in_transaction)
        return WR_OK;
    int status = wr_sqlite_exec(shared->db, shared->path, "commit", err);
    shared->in_transaction = 0;
    if (status == WR_OK)
        wr_patience_well(&shared->patience);
    else
        wr_sqlite_shared_break(shared);
    return status;
}

int wr_sqlite_shared_writes(const struct wr_env *env, struct sqlite3 *db) {
    pthread_mutex_lock(&list_lock);
    int writes = find(env, db) != NULL;
    pthread_mutex_unlock(&list_lock);
    return writes;
}
