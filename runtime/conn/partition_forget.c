/* partition_forget.c: partitions whose files are all complete, and that no row has come to for a
 * while, leave memory and what each checkpoint says of the sink. What remains of one is the number
 * of its next file: in a table of the state (`weir_partitions`), written with the checkpoint that
 * forgets it, so that the two are one; without a state in a table of hashes in memory, 16 bytes
 * each. The files themselves cannot tell: whoever reads them may have taken them away, and one of
 * the same name would take the place of the first.
 *
 * Forgetting changes nothing that anybody sees, so when it is done is no matter of order. */
#include <sqlite3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/partition.h"
#include "conn/sqlite.h"
#include "state/store.h"
#include "base/banned.h"

#define FORGET_LEAST 1024u  /* in memory; fewer are no burden */
#define STILL_BATCHES 16u   /* a partition that a row came to within so many is not forgotten */
#define FORGET_LEAST_SIM 2u /* in a simulated world, whose inputs are small */
#define STILL_BATCHES_SIM 2u

#define CREATE_SQL \
    "create table if not exists weir_partitions(sink integer, name text, number integer, " \
    "primary key(sink, name)) without rowid"
#define PUT_SQL "insert or replace into weir_partitions values (?1, ?2, ?3)"
#define GET_SQL "select number from weir_partitions where sink = ?1 and name = ?2"

/* ---- in the state -------------------------------------------------------------------------- */

static int put_all(const struct partition_sink *self, struct sqlite3 *db, struct wr_error *err) {
    sqlite3_stmt *put = NULL;
    int status = wr_sqlite_exec(db, self->base.name, CREATE_SQL, err);
    if (status == WR_OK)
        status = wr_sqlite_prepare(db, self->base.name, PUT_SQL, &put, err);
    for (uint32_t p = 0; p < self->count && status == WR_OK; p++) {
        const struct partition *one = &self->partitions[p];
        if (!one->is_gone)
            continue;
        sqlite3_bind_int64(put, 1, self->token);
        sqlite3_bind_text(put, 2, one->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(put, 3, one->number);
        if (sqlite3_step(put) != SQLITE_DONE)
            status = wr_sqlite_failed(db, self->base.name, "forget partitions", err);
        sqlite3_reset(put);
    }
    sqlite3_finalize(put);
    return status;
}

static int get_one(const struct partition_sink *self, struct sqlite3 *db, const char *name,
                   size_t length, int64_t *number, struct wr_error *err) {
    sqlite3_stmt *get = NULL;
    int status = wr_sqlite_prepare(db, self->base.name, GET_SQL, &get, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_int64(get, 1, self->token);
    sqlite3_bind_text(get, 2, name, (int)length, SQLITE_STATIC);
    int code = sqlite3_step(get);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(get, 0);
    else if (code != SQLITE_DONE)
        status = wr_sqlite_failed(db, self->base.name, "read forgotten partitions", err);
    sqlite3_finalize(get);
    return status;
}

/* ---- in memory ----------------------------------------------------------------------------- */

static struct partition_kept *kept_at(const struct partition_sink *self, uint64_t hash) {
    uint32_t at = (uint32_t)hash & self->kept_mask;
    while (self->kept[at].number != 0 && self->kept[at].hash != hash)
        at = (at + 1) & self->kept_mask;
    return &self->kept[at];
}

/* At most half full. */
static int keep_grow(struct partition_sink *self) {
    if (self->kept != NULL && 2 * self->kept_count < self->kept_mask)
        return WR_OK;
    struct partition_kept *old = self->kept;
    uint32_t size = old == NULL ? 2 * FORGET_LEAST : 2 * (self->kept_mask + 1);
    uint32_t old_size = old == NULL ? 0 : self->kept_mask + 1;
    struct partition_kept *kept = wr_alloc_zero(self->base.budget, size * sizeof *kept);
    if (kept == NULL)
        return WR_ENOMEM;
    self->kept = kept;
    self->kept_mask = size - 1;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].number != 0)
            *kept_at(self, old[i].hash) = old[i];
    wr_free(self->base.budget, old);
    return WR_OK;
}

static int keep_all(struct partition_sink *self) {
    int status = WR_OK;
    for (uint32_t p = 0; p < self->count && status == WR_OK; p++) {
        const struct partition *one = &self->partitions[p];
        if (!one->is_gone || one->number == 0)
            continue;
        status = keep_grow(self);
        if (status != WR_OK)
            break;
        struct partition_kept *kept = kept_at(self, one->hash);
        self->kept_count += kept->number == 0;
        *kept = (struct partition_kept){.hash = one->hash, .number = one->number};
    }
    return status;
}

/* ---- both ---------------------------------------------------------------------------------- */

static int is_real(const struct partition_sink *self) {
    return self->base.env == wr_env_real();
}

/* Which are at rest: nothing of them is written, or waits for its name. */
static uint32_t choose(struct partition_sink *self) {
    uint32_t count = 0, still = is_real(self) ? STILL_BATCHES : STILL_BATCHES_SIM;
    for (uint32_t p = 0; p < self->count; p++) {
        struct partition *one = &self->partitions[p];
        one->is_gone = !one->is_active && !one->is_renamed && one->slot == NULL &&
                       self->batches - one->touched >= still;
    }
    for (uint32_t i = 0; i < self->done_count; i++)
        self->partitions[self->done[i].partition].is_gone = 0;
    for (uint32_t p = 0; p < self->count; p++)
        count += self->partitions[p].is_gone;
    return count;
}

/* The next checkpoint says of each that it is not to be kept any more, if one has said anything. */
static int note_removed(struct partition_sink *self, struct wr_error *err) {
    for (uint32_t p = 0; p < self->count && self->base.store != NULL; p++) {
        const struct partition *one = &self->partitions[p];
        if (!one->is_gone || !one->is_saved)
            continue;
        wr_buf_add_varint(&self->removed, strlen(one->name));
        wr_buf_add_text(&self->removed, one->name);
        self->removed_count++;
    }
    return self->removed.status == WR_OK ? WR_OK : partition_no_memory(self, err);
}

int partition_drop(struct partition_sink *self, struct wr_error *err) {
    uint32_t *places = wr_alloc(self->base.budget, (self->count + 1) * sizeof *places), left = 0;
    if (places == NULL)
        return partition_no_memory(self, err);
    for (uint32_t p = 0; p < self->count; p++) {
        struct partition *one = &self->partitions[p];
        places[p] = left;
        if (one->is_gone)
            wr_free(self->base.budget, one->name);
        else
            self->partitions[left++] = *one;
    }
    self->count = left;
    for (uint32_t i = 0; i < self->done_count; i++)
        self->done[i].partition = places[self->done[i].partition];
    for (uint32_t i = 0; i < PARTITION_FILES_MAX; i++)
        if (self->slots[i].is_open)
            self->slots[i].partition = places[self->slots[i].partition];
    wr_free(self->base.budget, places);
    partition_index_all(self);
    return WR_OK;
}

int partition_forget(struct partition_sink *self, struct wr_error *err) {
    struct sqlite3 *db;
    self->batches++;
    uint32_t least = is_real(self) ? FORGET_LEAST : FORGET_LEAST_SIM;
    if (self->count < WR_MAX(self->forget_at, least))
        return WR_OK;
    int status = WR_OK;
    if (choose(self) > 0) {
        if (self->base.store == NULL) {
            status = keep_all(self) == WR_OK ? WR_OK : partition_no_memory(self, err);
        } else {
            status = wr_store_lend(self->base.store, 1, &db, err);
            if (status != WR_OK)
                return status;
            status = put_all(self, db, err);
            wr_store_take_back(self->base.store, status);
        }
        if (status == WR_OK)
            status = note_removed(self, err);
        if (status == WR_OK)
            status = partition_drop(self, err);
        self->has_forgotten = 1;
    }
    self->forget_at = 2 * self->count;
    return status;
}

int partition_recall(struct partition_sink *self, const char *name, size_t length, uint64_t hash,
                     uint32_t *number, struct wr_error *err) {
    struct sqlite3 *db;
    int64_t found = 0;
    *number = 0;
    if (!self->has_forgotten)
        return WR_OK;
    if (self->base.store == NULL) {
        *number = self->kept == NULL ? 0 : kept_at(self, hash)->number;
        return WR_OK;
    }
    int status = wr_store_lend(self->base.store, 0, &db, err);
    if (status != WR_OK)
        return status;
    status = get_one(self, db, name, length, &found, err);
    wr_store_take_back(self->base.store, status);
    *number = (uint32_t)found;
    return status;
}
