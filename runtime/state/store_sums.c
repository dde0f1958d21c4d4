/* store_sums.c: sums over what the state file says of its bytes: which parts there are, which
 * pieces each has, and the facts of the last checkpoint. Bytes have sums of their own (`piece.sum`,
 * `rows.sum`); these tell that a row has come, gone or changed without the store. A sum is that of
 * the hashes of rows, modulo 2^64: so a checkpoint keeps it up with what it writes alone. That of
 * the pieces of a part is looked at when the part is read, and that of all parts when the file is
 * opened, which reads them anyway. */
#include <string.h>

#include "base/hash.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

uint64_t wr_store_piece_sum(const struct wr_store_piece_facts *facts) {
    return wr_hash_bytes(facts, sizeof *facts, 0);
}

static uint64_t part_sum(const struct wr_store_part *part) {
    const uint64_t facts[] = {(uint64_t)part->id, part->base_bytes_next, part->delta_bytes_next,
                              part->sum_next};
    return wr_hash_bytes(part->name, strlen(part->name), wr_hash_bytes(facts, sizeof facts, 0));
}

/* Never 0. */
static uint64_t whole_sum(const struct wr_store *store, uint64_t number, uint64_t reach) {
    const uint64_t facts[] = {number, store->identity, reach, store->plan_sum};
    uint64_t sum = wr_hash_bytes(facts, sizeof facts, 0);
    for (uint32_t i = 0; i < store->part_count; i++)
        if (!store->parts[i].is_gone_next)
            sum += part_sum(&store->parts[i]);
    return sum != 0 ? sum : 1;
}

int wr_store_sums_put(struct wr_store *store, struct wr_error *err) {
    uint64_t sum = whole_sum(store, store->number + 1, store->rows.reach);
    return wr_store_set_meta(store, "sum", (int64_t)sum, NULL, err);
}

int wr_store_sums_check(struct wr_store *store, int64_t stored, struct wr_error *err) {
    int is_fresh = store->number == 0 && stored == 0 && store->part_count == 0;
    if (is_fresh || (uint64_t)stored == whole_sum(store, store->number, store->rows.reach_stored))
        return WR_OK;
    wr_error_set(err, WR_ECORRUPT,
                 "state %s is damaged: what it says of its parts is not what the last "
                 "checkpoint wrote",
                 store->path);
    wr_error_help(err, "put a copy of it back; " WR_STORE_ANEW);
    return wr_store_fail(store, WR_ECORRUPT);
}

/* ---- states of older formats ---- */

static struct wr_store_part *part_of(const struct wr_store *store, int64_t id) {
    for (uint32_t i = 0; i < store->part_count; i++)
        if (store->parts[i].id == id)
            return &store->parts[i];
    return NULL;
}

static void add_piece(struct wr_store *store, sqlite3_stmt *row) {
    int64_t columns[WR_STORE_PIECE_FACTS];
    for (int i = 0; i < WR_STORE_PIECE_FACTS; i++)
        columns[i] = sqlite3_column_int64(row, i);
    struct wr_store_piece_facts facts;
    _Static_assert(sizeof facts == sizeof columns, "the columns of the query");
    memcpy(&facts, columns, sizeof facts);
    struct wr_store_part *part = part_of(store, facts.part);
    if (part == NULL) /* it is nobody's, and never read: wr_store_check tells */
        return;
    part->sum_next += wr_store_piece_sum(&facts);
    part->is_changed = 1;
}

int wr_store_sums_make(struct wr_store *store, struct wr_error *err) {
    sqlite3_stmt *pieces = NULL;
    const char *text = "select id, part, number, base, chunk, chunk_count, sum from piece";
    int code = sqlite3_prepare_v2(store->db, text, -1, &pieces, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(pieces);
        if (code == SQLITE_ROW)
            add_piece(store, pieces);
    }
    int status = code == SQLITE_DONE ? WR_OK : wr_store_fail_sqlite(store, "read", err);
    sqlite3_finalize(pieces);
    if (status == WR_OK)
        status = wr_store_put_sizes(store, err);
    if (status == WR_OK && store->number > 0) {
        uint64_t sum = whole_sum(store, store->number, store->rows.reach_stored);
        status = wr_store_set_meta(store, "sum", (int64_t)sum, NULL, err);
    }
    for (uint32_t i = 0; i < store->part_count; i++)
        store->parts[i].sum = store->parts[i].sum_next;
    return status == WR_OK ? wr_store_run(store, "change the format of", "commit", err) : status;
}
