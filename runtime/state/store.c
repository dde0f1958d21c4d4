/* store.c: checkpoints of the state file; see store.h. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

#define CHUNK_BYTES (64u << 20) /* of one blob */
#define BASE_DUE_BYTES 65536u   /* deltas of fewer bytes are never worth a new base */

static int is_usable(const struct wr_store *store, struct wr_error *err) {
    if (store->failed == WR_OK)
        return 1;
    wr_error_set(err, store->failed,
                 "state %s: an earlier error (%s) makes it unusable until the "
                 "next start",
                 store->path, wr_status_text(store->failed));
    return 0;
}

/* While a checkpoint is written, rows may be read in another thread. */
static void lock(struct wr_store *store) {
    pthread_mutex_lock(&store->lock_of_database);
}

static int unlock(struct wr_store *store, int status) {
    pthread_mutex_unlock(&store->lock_of_database);
    return status;
}

/* ---- checkpoints ---- */

static int begin(struct wr_store *store, struct wr_error *err) {
    if (!is_usable(store, err))
        return store->failed;
    WR_ASSERT(!store->in_checkpoint);
    WR_FP("store.begin");
    int status = store->has_rows ? WR_OK : wr_store_run(store, "write", "begin immediate", err);
    if (status != WR_OK)
        return status;
    store->has_rows = 0;
    store->in_checkpoint = 1;
    store->part_count_before = store->part_count;
    return wr_store_rows_know(store, err);
}

int wr_store_begin(struct wr_store *store, struct wr_error *err) {
    lock(store);
    return unlock(store, begin(store, err));
}

/* The transaction must still be the one that was begun: a user of the connection may have ended
 * it, or SQLite itself. */
static int is_in_checkpoint(struct wr_store *store, struct wr_error *err) {
    if (!is_usable(store, err))
        return 0;
    WR_ASSERT(store->in_checkpoint);
    if (!sqlite3_get_autocommit(store->db))
        return 1;
    wr_store_fail(store, wr_error_set(err, WR_EIO,
                                      "write state %s: the transaction of the checkpoint "
                                      "was lost",
                                      store->path));
    return 0;
}

static struct wr_store_part *part_named(const struct wr_store *store, const char *name) {
    for (uint32_t i = 0; i < store->part_count; i++)
        if (strcmp(store->parts[i].name, name) == 0)
            return &store->parts[i];
    return NULL;
}

static int part_add(struct wr_store *store, const char *name, struct wr_store_part **part,
                    struct wr_error *err) {
    sqlite3_bind_text(store->statements[WR_STORE_PART_ADD], 1, name, -1, SQLITE_STATIC);
    int status = wr_store_run_bound(store, WR_STORE_PART_ADD, "write", err);
    if (status != WR_OK)
        return status;
    status = wr_store_push_part(store, name, sqlite3_last_insert_rowid(store->db), part);
    if (status != WR_OK)
        wr_store_fail(store, wr_error_set(err, status, "write state %s: %s", store->path,
                                          wr_status_text(status)));
    return status;
}

static int pieces_add(struct wr_store *store, struct wr_store_part *part, const char *bytes,
                      uint64_t length, int base, struct wr_error *err) {
    uint64_t chunk_count = WR_MAX((length + CHUNK_BYTES - 1) / CHUNK_BYTES, UINT64_C(1));
    for (uint64_t chunk = 0; chunk < chunk_count; chunk++) {
        uint64_t at = chunk * CHUNK_BYTES, chunk_bytes = WR_MIN(length - at, CHUNK_BYTES);
        const char *from = length == 0 ? "" : bytes + at;
        struct wr_store_piece_facts facts = {
            .part = part->id,
            .number = (int64_t)store->number + 1,
            .base = base,
            .chunk = (int64_t)chunk,
            .chunk_count = (int64_t)chunk_count,
            .sum = (int64_t)wr_hash_bytes(from, chunk_bytes, (uint64_t)part->id)};
        sqlite3_stmt *statement = store->statements[WR_STORE_PIECE_ADD];
        sqlite3_bind_int64(statement, 1, facts.part);
        sqlite3_bind_int64(statement, 2, facts.number);
        sqlite3_bind_int64(statement, 3, facts.base);
        sqlite3_bind_int64(statement, 4, facts.chunk);
        sqlite3_bind_int64(statement, 5, facts.chunk_count);
        sqlite3_bind_int64(statement, 6, facts.sum);
        sqlite3_bind_blob64(statement, 7, from, chunk_bytes, SQLITE_STATIC);
        int status = wr_store_run_bound(store, WR_STORE_PIECE_ADD, "write", err);
        if (status != WR_OK)
            return status;
        facts.id = sqlite3_last_insert_rowid(store->db);
        part->sum_next += wr_store_piece_sum(&facts);
    }
    return WR_OK;
}

/* Never 0. */
static uint64_t base_sum(const void *bytes, uint64_t length) {
    uint64_t sum = wr_hash_bytes(length == 0 ? "" : bytes, length, 0);
    return sum != 0 ? sum : 1;
}

/* Behind the piece that they belong to. */
static int rows_add(struct wr_store *store, struct wr_store_rows rows, struct wr_error *err) {
    sqlite3_stmt *statement = store->statements[WR_STORE_ROWS_ADD];
    int64_t piece = sqlite3_last_insert_rowid(store->db);
    sqlite3_bind_int64(statement, 1, piece);
    sqlite3_bind_int64(statement, 2,
                       (int64_t)wr_hash_bytes(rows.bytes, rows.length, (uint64_t)piece));
    if (rows.length >= store->rows.bytes_min) {
        uint64_t at;
        int status = wr_store_rows_write(store, rows, &at, err);
        if (status != WR_OK)
            return status;
        sqlite3_bind_int64(statement, 4, (int64_t)at);
        sqlite3_bind_int64(statement, 5, (int64_t)rows.length);
        rows = (struct wr_store_rows){.bytes = ""};
    }
    if (sqlite3_bind_blob64(statement, 3, rows.bytes, rows.length, SQLITE_STATIC) != SQLITE_OK)
        return wr_store_fail_sqlite(store, "write", err);
    return wr_store_run_bound(store, WR_STORE_ROWS_ADD, "write", err);
}

static int pieces_delete(struct wr_store *store, struct wr_store_part *part, struct wr_error *err) {
    part->sum_next = 0;
    int status = wr_store_rows_delete(store, part->id, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_int64(store->statements[WR_STORE_PIECE_DELETE], 1, part->id);
    return wr_store_run_bound(store, WR_STORE_PIECE_DELETE, "write", err);
}

static int put(struct wr_store *store, const char *part_name, const void *bytes, uint64_t length,
               struct wr_store_rows rows, enum wr_store_piece piece, struct wr_error *err) {
    if (!is_in_checkpoint(store, err))
        return store->failed;
    WR_FP("store.put");
    struct wr_store_part *part = part_named(store, part_name);
    int status = part != NULL ? WR_OK : part_add(store, part_name, &part, err);
    WR_ASSERT(status != WR_OK || !part->is_gone_next); /* numbers of stages do not come again */
    if (status == WR_OK) {
        uint64_t sum = piece == WR_STORE_BASE && rows.length == 0 ? base_sum(bytes, length) : 0;
        if (sum != 0 && part->only_sum == sum && part->base_bytes_next == length)
            return WR_OK;
        part->only_sum = sum;
    }
    if (status == WR_OK && piece == WR_STORE_BASE)
        status = pieces_delete(store, part, err);
    if (status == WR_OK)
        status = pieces_add(store, part, bytes, length, piece != WR_STORE_DELTA, err);
    if (status == WR_OK && rows.length > 0)
        status = rows_add(store, rows, err);
    if (status != WR_OK)
        return status;
    length += rows.length;
    if (piece == WR_STORE_BASE)
        part->base_bytes_next = part->delta_bytes_next = 0;
    *(piece == WR_STORE_DELTA ? &part->delta_bytes_next : &part->base_bytes_next) += length;
    part->is_changed = 1;
    return WR_OK;
}

int wr_store_put_sizes(struct wr_store *store, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t i = 0; i < store->part_count && status == WR_OK; i++) {
        struct wr_store_part *part = &store->parts[i];
        if (!part->is_changed)
            continue;
        sqlite3_stmt *statement = store->statements[WR_STORE_PART_SIZES];
        sqlite3_bind_int64(statement, 1, part->id);
        sqlite3_bind_int64(statement, 2, (int64_t)part->base_bytes_next);
        sqlite3_bind_int64(statement, 3, (int64_t)part->delta_bytes_next);
        sqlite3_bind_int64(statement, 4, (int64_t)part->sum_next);
        status = wr_store_run_bound(store, WR_STORE_PART_SIZES, "write", err);
        part->is_changed = 0;
    }
    return status;
}

int wr_store_put_apart(struct wr_store *store, const char *part, const void *bytes, uint64_t length,
                       struct wr_store_rows rows, enum wr_store_piece piece, struct wr_error *err) {
    lock(store);
    return unlock(store, put(store, part, bytes, length, rows, piece, err));
}

int wr_store_put(struct wr_store *store, const char *part, const void *bytes, uint64_t length,
                 enum wr_store_piece piece, struct wr_error *err) {
    return wr_store_put_apart(store, part, bytes, length, (struct wr_store_rows){0}, piece, err);
}

/* The parts stay known, with nothing in them, until the store is opened again. */
static int drop_stage(struct wr_store *store, uint32_t number, struct wr_error *err) {
    if (!is_in_checkpoint(store, err))
        return store->failed;
    for (uint32_t i = 0; i < store->part_count; i++) {
        struct wr_store_part *part = &store->parts[i];
        char kind[16];
        unsigned of;
        if (sscanf(part->name, "%15s %u ", kind, &of) != 2 || of != number)
            continue;
        int status = pieces_delete(store, part, err);
        if (status != WR_OK)
            return status;
        sqlite3_bind_int64(store->statements[WR_STORE_PART_DELETE], 1, part->id);
        status = wr_store_run_bound(store, WR_STORE_PART_DELETE, "write", err);
        if (status != WR_OK)
            return status;
        part->base_bytes_next = part->delta_bytes_next = part->only_sum = 0;
        part->is_gone_next = 1;
    }
    return WR_OK;
}

int wr_store_drop_stage(struct wr_store *store, uint32_t number, struct wr_error *err) {
    lock(store);
    return unlock(store, drop_stage(store, number, err));
}

/* When COMMIT itself fails, nobody knows whether it holds: opening again tells, by the number. */
static int commit(struct wr_store *store, struct wr_error *err) {
    if (!is_in_checkpoint(store, err))
        return store->failed;
    int status = wr_store_put_sizes(store, err);
    if (status == WR_OK)
        status = wr_store_rows_sync(store, err);
    if (status == WR_OK)
        status = wr_store_sums_put(store, err);
    if (status == WR_OK)
        status = wr_store_set_meta(store, "number", (int64_t)store->number + 1, NULL, err);
    if (status != WR_OK)
        return status;
    WR_FP("store.before_commit");
    status = wr_store_run(store, "commit", "commit", err);
    if (status != WR_OK)
        return status;
    WR_FP("store.after_commit");
    store->in_checkpoint = 0;
    store->number++;
    wr_store_rows_settle(store, 1);
    for (uint32_t i = 0; i < store->part_count; i++) {
        store->parts[i].base_bytes = store->parts[i].base_bytes_next;
        store->parts[i].delta_bytes = store->parts[i].delta_bytes_next;
        store->parts[i].sum = store->parts[i].sum_next;
        store->parts[i].is_gone = store->parts[i].is_gone_next;
    }
    return wr_store_made_note(store, err);
}

int wr_store_commit(struct wr_store *store, struct wr_error *err) {
    lock(store);
    return unlock(store, commit(store, err));
}

static void rollback(struct wr_store *store) {
    store->in_checkpoint = store->has_rows = 0;
    if (sqlite3_exec(store->db, "rollback", NULL, NULL, NULL) != SQLITE_OK)
        wr_store_fail(store, WR_EIO);
    while (store->part_count > store->part_count_before)
        wr_free(&wr_budget_control, store->parts[--store->part_count].name);
    for (uint32_t i = 0; i < store->part_count; i++) {
        store->parts[i].base_bytes_next = store->parts[i].base_bytes;
        store->parts[i].delta_bytes_next = store->parts[i].delta_bytes;
        store->parts[i].sum_next = store->parts[i].sum;
        store->parts[i].is_gone_next = store->parts[i].is_gone;
        store->parts[i].only_sum = 0;
        store->parts[i].is_changed = 0;
    }
    wr_store_rows_settle(store, 0);
}

void wr_store_rollback(struct wr_store *store) {
    if (!store->in_checkpoint && !store->has_rows)
        return;
    lock(store);
    rollback(store);
    unlock(store, WR_OK);
}

int wr_store_base_due(const struct wr_store *store, const char *part_name, uint64_t live_bytes) {
    const struct wr_store_part *part = part_named(store, part_name);
    if (part == NULL || part->delta_bytes_next <= BASE_DUE_BYTES)
        return 0;
    return part->delta_bytes_next > part->base_bytes_next / 2 &&
           part->base_bytes_next + part->delta_bytes_next > 2 * live_bytes;
}

uint64_t wr_store_part_bytes(const struct wr_store *store, const char *part_name) {
    const struct wr_store_part *part = part_named(store, part_name);
    return part == NULL ? 0 : part->base_bytes_next + part->delta_bytes_next;
}

/* ---- reading ---- */

struct reading {
    int64_t next_chunk;
    uint64_t sum; /* of the pieces so far */
};

static int part_damaged(struct wr_store *store, const struct wr_store_part *part, const char *what,
                        struct wr_error *err) {
    return wr_store_fail(store, wr_error_set(err, WR_ECORRUPT, "state %s is damaged: part %s: %s",
                                             store->path, part->name, what));
}

/* One chunk, checked; the last of a put hands the whole to `fn`. */
static int read_chunk(struct wr_store *store, const struct wr_store_part *part,
                      struct wr_buf *whole, struct reading *reading, wr_store_fn fn, void *ctx,
                      struct wr_error *err) {
    sqlite3_stmt *row = store->statements[WR_STORE_PIECE_READ];
    struct wr_store_piece_facts facts = {.id = sqlite3_column_int64(row, 0),
                                         .part = part->id,
                                         .number = sqlite3_column_int64(row, 1),
                                         .base = sqlite3_column_int64(row, 2),
                                         .chunk = sqlite3_column_int64(row, 3),
                                         .chunk_count = sqlite3_column_int64(row, 4),
                                         .sum = sqlite3_column_int64(row, 5)};
    int64_t chunk = facts.chunk, chunk_count = facts.chunk_count,
            *next_chunk = &reading->next_chunk;
    int base = facts.base != 0;
    const void *bytes = sqlite3_column_blob(row, 6);
    uint64_t length = (uint64_t)sqlite3_column_bytes(row, 6);
    if (bytes == NULL)
        bytes = "";
    if (chunk != *next_chunk)
        return part_damaged(store, part, "a chunk is missing", err);
    if (wr_hash_bytes(bytes, length, (uint64_t)part->id) != (uint64_t)facts.sum)
        return part_damaged(store, part, "a checksum is wrong", err);
    reading->sum += wr_store_piece_sum(&facts);
    store->piece_read = facts.id;
    struct wr_reader reader = {.bytes = bytes, .length = length};
    if (chunk_count > 1) {
        if (wr_buf_add(whole, bytes, length) != WR_OK)
            return wr_error_set(err, whole->status, "read state %s: %s", store->path,
                                wr_status_text(whole->status));
        reader = (struct wr_reader){.bytes = whole->bytes, .length = whole->length};
    }
    *next_chunk = chunk + 1 == chunk_count ? 0 : chunk + 1;
    if (*next_chunk != 0)
        return WR_OK;
    int status = fn(ctx, &reader, base);
    wr_buf_clear(whole);
    if (status != WR_OK && err != NULL && err->text[0] == 0)
        wr_error_set(err, status, "state %s: part %s: %s", store->path, part->name,
                     wr_status_text(status));
    return status;
}

int wr_store_read(struct wr_store *store, const char *part_name, wr_store_fn fn, void *ctx,
                  struct wr_error *err) {
    if (!is_usable(store, err))
        return store->failed;
    const struct wr_store_part *part = part_named(store, part_name);
    if (part == NULL)
        return WR_OK;
    if (err != NULL)
        err->text[0] = 0;
    struct wr_buf whole;
    wr_buf_init(&whole, &wr_budget_control, 0);
    sqlite3_stmt *statement = store->statements[WR_STORE_PIECE_READ];
    sqlite3_bind_int64(statement, 1, part->id);
    int status = WR_OK, code = SQLITE_OK;
    struct reading reading = {0};
    while (status == WR_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        status = read_chunk(store, part, &whole, &reading, fn, ctx, err);
    if (status == WR_OK && code != SQLITE_DONE)
        status = wr_store_fail_sqlite(store, "read", err);
    if (status == WR_OK && reading.sum != part->sum_next)
        status = part_damaged(store, part, "its pieces are not those that were saved", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    wr_buf_release(&whole);
    return status;
}

int64_t wr_store_piece(const struct wr_store *store) {
    return store->piece_read;
}

static int read_rows(struct wr_store *store, int64_t piece, wr_store_rows_fn fn, void *ctx,
                     struct wr_error *err) {
    if (!is_usable(store, err))
        return store->failed;
    sqlite3_stmt *statement = store->statements[WR_STORE_ROWS_READ];
    sqlite3_bind_int64(statement, 1, piece);
    int code = sqlite3_step(statement), status = WR_OK;
    int is_whole = 0;
    if (code == SQLITE_ROW) {
        struct wr_reader rows = {.bytes = sqlite3_column_blob(statement, 1),
                                 .length = (size_t)sqlite3_column_bytes(statement, 1)};
        uint64_t sum = (uint64_t)sqlite3_column_int64(statement, 0);
        if (sqlite3_column_type(statement, 2) != SQLITE_NULL)
            status = wr_store_rows_read(store, sqlite3_column_int64(statement, 2),
                                        sqlite3_column_int64(statement, 3), &rows, err);
        is_whole = status == WR_OK && rows.bytes != NULL &&
                   wr_hash_bytes(rows.bytes, rows.length, (uint64_t)piece) == sum;
        if (status == WR_OK)
            status = is_whole ? fn(ctx, &rows) : WR_ECORRUPT;
    } else {
        status = code == SQLITE_DONE ? WR_ECORRUPT : wr_store_fail_sqlite(store, "read", err);
    }
    if (status == WR_ECORRUPT && store->failed == WR_OK)
        wr_store_fail(store, wr_error_set(err, WR_ECORRUPT,
                                          "state %s is damaged: rows of piece %" PRId64
                                          " are missing, or their checksum is wrong",
                                          store->path, piece));
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

int wr_store_read_rows(struct wr_store *store, int64_t piece, wr_store_rows_fn fn, void *ctx,
                       struct wr_error *err) {
    lock(store);
    return unlock(store, read_rows(store, piece, fn, ctx, err));
}
