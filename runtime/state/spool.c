#include "state/spool.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

struct row {
    const char *key, *value;
    uint32_t key_bytes, value_bytes;
};

struct wr_spool {
    const struct wr_env *env;
    struct wr_store *store;
    struct wr_budget *budget;
    uint64_t memory_bytes_max;
    /* In memory: put since the last save, or all of them. */
    struct wr_arena arena;
    struct row *rows;
    uint32_t count, room, taken;
    uint64_t bytes;
    int is_sorted;
    /* In SQLite. */
    sqlite3 *db; /* the store's, or our own */
    sqlite3_stmt *put, *take;
    char *last; /* the key that was taken last; NULL: none */
    uint32_t last_bytes;
    int forget; /* rows up to `last` are still in the state file */
};

int wr_spool_new(struct wr_spool **made, const struct wr_env *env, struct wr_store *store,
                 struct wr_budget *budget, uint64_t memory_bytes) {
    struct wr_spool *spool = wr_alloc_zero(budget, sizeof *spool);
    if (spool == NULL)
        return WR_ENOMEM;
    spool->env = env;
    spool->store = store;
    spool->budget = budget;
    spool->memory_bytes_max = memory_bytes == 0 ? WR_SPOOL_MEMORY_BYTES : memory_bytes;
    wr_arena_init(&spool->arena, budget, 65536);
    *made = spool;
    return WR_OK;
}

void wr_spool_free(struct wr_spool *spool) {
    if (spool == NULL)
        return;
    sqlite3_finalize(spool->put);
    sqlite3_finalize(spool->take);
    if (spool->store == NULL)
        sqlite3_close(spool->db);
    wr_arena_release(&spool->arena);
    wr_free(spool->budget, spool->rows);
    wr_free(spool->budget, spool->last);
    wr_free(spool->budget, spool);
}

static int failed(struct wr_spool *spool, struct wr_error *err) {
    if (spool->store != NULL)
        return wr_store_fail_sqlite(spool->store, "write", err);
    int number = spool->db == NULL ? 0 : wr_store_sqlite_errno(spool->db);
    const char *text = spool->db == NULL ? "out of memory" : sqlite3_errmsg(spool->db);
    int code = spool->db == NULL ? SQLITE_NOMEM : sqlite3_errcode(spool->db);
    if (number == EFBIG)
        return wr_env_fail(err, "write", "a temporary file of rows that wait for the end", number);
    return wr_error_set(err, code == SQLITE_NOMEM ? WR_ENOMEM : WR_EIO,
                        "rows that wait for the end, in a temporary file: %s", text);
}

/* ---- SQLite ---- */

static const char make_text[] = "create table if not exists spool(key blob primary key, value blob "
                                "not null) without rowid";

/* The table, in the state file or in a temporary database. */
static int open_table(struct wr_spool *spool, struct wr_error *err) {
    if (spool->put != NULL)
        return WR_OK;
    int code = SQLITE_OK;
    if (spool->store != NULL)
        spool->db = wr_store_connection(spool->store);
    else if (spool->db == NULL) {
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        code = sqlite3_open_v2("", &spool->db, flags, spool->env->sqlite_vfs);
        if (code == SQLITE_OK)
            code = sqlite3_exec(spool->db,
                                "pragma journal_mode = off; pragma synchronous = off; "
                                "pragma cache_size = -4096; begin",
                                NULL, NULL, NULL);
    }
    if (code == SQLITE_OK)
        code = sqlite3_exec(spool->db, make_text, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v3(spool->db, "insert or replace into spool values(?1, ?2)", -1,
                                  SQLITE_PREPARE_PERSISTENT, &spool->put, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v3(spool->db,
                                  "select key, value from spool where key > ?1 order by key", -1,
                                  SQLITE_PREPARE_PERSISTENT, &spool->take, NULL);
    return code == SQLITE_OK ? WR_OK : failed(spool, err);
}

static void forget_memory(struct wr_spool *spool) {
    spool->count = spool->taken = 0;
    spool->bytes = 0;
    spool->is_sorted = 0;
    wr_arena_reset(&spool->arena);
}

/* Moves the rows in memory to the table. */
static int move_out(struct wr_spool *spool, struct wr_error *err) {
    int status = open_table(spool, err);
    for (uint32_t i = 0; i < spool->count && status == WR_OK; i++) {
        const struct row *row = &spool->rows[i];
        sqlite3_bind_blob64(spool->put, 1, row->key, row->key_bytes, SQLITE_STATIC);
        sqlite3_bind_blob64(spool->put, 2, row->value, row->value_bytes, SQLITE_STATIC);
        if (sqlite3_step(spool->put) != SQLITE_DONE)
            status = failed(spool, err);
        sqlite3_reset(spool->put);
    }
    if (status == WR_OK)
        forget_memory(spool);
    return status;
}

int wr_spool_save(struct wr_spool *spool, struct wr_error *err) {
    WR_ASSERT(spool->store != NULL);
    WR_ASSERT((spool->count == 0 && !spool->forget) || spool->store->in_checkpoint);
    int status = spool->count > 0 ? move_out(spool, err) : WR_OK;
    if (status != WR_OK || !spool->forget)
        return status;
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v2(spool->db, "delete from spool where key <= ?1", -1, &statement, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_blob64(statement, 1, spool->last, spool->last_bytes, SQLITE_STATIC);
        code = sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
    }
    if (code != SQLITE_OK)
        status = failed(spool, err);
    sqlite3_finalize(statement);
    spool->forget = status != WR_OK;
    return status;
}

/* ---- in ---- */

int wr_spool_is_full(const struct wr_spool *spool) {
    return spool->store != NULL && spool->bytes > spool->memory_bytes_max;
}

int wr_spool_put(struct wr_spool *spool, const void *key, uint32_t key_bytes, const void *value,
                 uint32_t value_bytes, struct wr_error *err) {
    WR_ASSERT(spool->last == NULL && spool->taken == 0);
    if (wr_grow(spool->budget, (void **)&spool->rows, spool->count, &spool->room,
                sizeof *spool->rows) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows that wait for the end");
    struct row *row = &spool->rows[spool->count];
    *row = (struct row){.key = wr_arena_strndup(&spool->arena, key, key_bytes),
                        .value = wr_arena_strndup(&spool->arena, value, value_bytes),
                        .key_bytes = key_bytes,
                        .value_bytes = value_bytes};
    if (row->key == NULL || row->value == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows that wait for the end");
    spool->count++;
    spool->bytes += sizeof *row + key_bytes + value_bytes;
    if (spool->store != NULL || spool->bytes <= spool->memory_bytes_max)
        return WR_OK;
    return move_out(spool, err);
}

/* ---- out ---- */

static int by_key(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    int order = memcmp(x->key, y->key, WR_MIN(x->key_bytes, y->key_bytes));
    if (order != 0)
        return order;
    return x->key_bytes < y->key_bytes ? -1 : x->key_bytes > y->key_bytes;
}

static int take_memory(struct wr_spool *spool, uint32_t row_max, wr_spool_fn fn, void *ctx) {
    if (!spool->is_sorted && spool->count > 0)
        qsort(spool->rows, spool->count, sizeof *spool->rows, by_key);
    spool->is_sorted = 1;
    for (uint32_t n = 0; n < row_max && spool->taken < spool->count; n++) {
        const struct row *row = &spool->rows[spool->taken++];
        int status = fn(ctx, row->key, row->key_bytes, row->value, row->value_bytes);
        if (status < 0)
            return status;
    }
    return spool->taken < spool->count ? WR_OK : WR_EEND;
}

static int keep_last(struct wr_spool *spool, const void *key, uint32_t key_bytes) {
    char *grown = wr_realloc(spool->budget, spool->last, key_bytes + 1);
    if (grown == NULL)
        return WR_ENOMEM;
    memcpy(grown, key, key_bytes);
    spool->last = grown;
    spool->last_bytes = key_bytes;
    spool->forget = spool->store != NULL;
    return WR_OK;
}

static int take_table(struct wr_spool *spool, uint32_t row_max, wr_spool_fn fn, void *ctx,
                      struct wr_error *err) {
    sqlite3_stmt *take = spool->take;
    sqlite3_bind_blob64(take, 1, spool->last == NULL ? "" : spool->last, spool->last_bytes,
                        SQLITE_TRANSIENT);
    int status = WR_OK;
    for (uint32_t n = 0; n < row_max && status == WR_OK; n++) {
        int code = sqlite3_step(take);
        if (code == SQLITE_DONE) {
            status = WR_EEND;
        } else if (code != SQLITE_ROW) {
            status = failed(spool, err);
        } else {
            const void *key = sqlite3_column_blob(take, 0), *value = sqlite3_column_blob(take, 1);
            uint32_t key_bytes = (uint32_t)sqlite3_column_bytes(take, 0);
            uint32_t value_bytes = (uint32_t)sqlite3_column_bytes(take, 1);
            int taken = fn(ctx, key, key_bytes, value, value_bytes);
            status = WR_MIN(taken, WR_OK);
            if (status == WR_OK)
                status = keep_last(spool, key, key_bytes);
        }
    }
    sqlite3_reset(take);
    return status;
}

int wr_spool_take(struct wr_spool *spool, uint32_t row_max, wr_spool_fn fn, void *ctx,
                  struct wr_error *err) {
    if (spool->store == NULL && spool->put == NULL)
        return take_memory(spool, row_max, fn, ctx);
    WR_ASSERT(spool->store == NULL || spool->count == 0);
    int status = spool->count > 0 ? move_out(spool, err) : open_table(spool, err);
    return status == WR_OK ? take_table(spool, row_max, fn, ctx, err) : status;
}
