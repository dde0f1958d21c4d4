#include "state/alike.h"

#include <string.h>

#include "base/arena.h"
#include "base/status.h"
#include "state/page.h"
#include "base/banned.h"

#define ROWS_MIN 16 /* of fewer, each is asked for */
/* Where most rows of a batch have keys of their own, so many batches are not looked through. */
#define UNLIKE_BATCHES 15

/* Places are found by a value of each row: its hash, or its row in the table. *value: of row 0, and
 * in front of it is room for one more. An empty place fits any value: one question, rarely a no. */
static int chain(uint64_t *value, uint32_t count, struct wr_arena *arena, uint32_t *before) {
    uint32_t size = 32;
    while (size < 2 * count)
        size *= 2;
    uint32_t *last = WR_ARENA_ZEROS(arena, uint32_t, size); /* the last row of a value, + 1 */
    if (last == NULL)
        return WR_ENOMEM;
    uint64_t *numbered = value - 1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t own = numbered[0] = value[i];
        uint32_t at = (uint32_t)(own * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (size - 1);
        while (numbered[last[at]] != own)
            at = (at + 1) & (size - 1);
        before[i] = last[at] - 1; /* NONE where there was none */
        last[at] = i + 1;
    }
    return WR_OK;
}

/* Whether rows with equal hashes have equal keys, of words. */
static int are_keys(const char *keys, uint32_t key_bytes, uint32_t count, const uint32_t *before) {
    uint64_t differs = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t other = before[i] == WR_ALIKE_NONE ? i : before[i];
        const char *a = keys + (size_t)i * key_bytes, *b = keys + (size_t)other * key_bytes;
        for (uint32_t at = 0; at < key_bytes; at += 8) {
            uint64_t x, y;
            memcpy(&x, a + at, 8);
            memcpy(&y, b + at, 8);
            differs |= x ^ y;
        }
    }
    return differs == 0;
}

/* Those that are the first of their key: *firsts, as many as are returned. */
static uint32_t find_firsts(const uint32_t *before, uint32_t count, uint32_t *firsts) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        firsts[found] = i;
        found += before[i] == WR_ALIKE_NONE;
    }
    return found;
}

/* Each key once, then what it gave to all of its rows. */
static int upsert_firsts(struct wr_table *table, const char *keys, const uint64_t *hashes,
                         uint32_t count, struct wr_arena *arena, const uint32_t *firsts,
                         uint32_t first_count, const uint32_t *before, uint8_t **rows,
                         uint8_t *made) {
    uint32_t key_bytes = table->key_bytes;
    char *first_keys = wr_arena_alloc(arena, (size_t)first_count * key_bytes);
    uint64_t *first_hashes = WR_ARENA_ARRAY(arena, uint64_t, first_count);
    uint8_t **found = WR_ARENA_ARRAY(arena, uint8_t *, first_count);
    uint8_t *fresh = made == NULL ? NULL : WR_ARENA_ARRAY(arena, uint8_t, first_count);
    if (first_keys == NULL || first_hashes == NULL || found == NULL ||
        (fresh == NULL && made != NULL))
        return WR_ENOMEM;
    for (uint32_t f = 0; f < first_count; f++) {
        memcpy(first_keys + (size_t)f * key_bytes, keys + (size_t)firsts[f] * key_bytes, key_bytes);
        first_hashes[f] = hashes[firsts[f]];
    }
    int status = wr_table_upsert(table, first_keys, first_hashes, first_count, found, fresh);
    if (status != WR_OK)
        return status;
    if (made != NULL)
        memset(made, 0, count);
    for (uint32_t f = 0; f < first_count; f++) {
        rows[firsts[f]] = found[f];
        if (made != NULL)
            made[firsts[f]] = fresh[f];
    }
    for (uint32_t i = 0; i < count; i++)
        rows[i] = rows[before[i] == WR_ALIKE_NONE ? i : before[i]];
    return WR_OK;
}

/* By the rows that the keys have, where the keys do not say it at once. */
static int upsert_each(struct wr_table *table, const char *keys, const uint64_t *hashes,
                       uint32_t count, struct wr_arena *arena, uint8_t **rows, uint8_t *made,
                       uint64_t *value, uint32_t *before) {
    int status = wr_table_upsert(table, keys, hashes, count, rows, made);
    if (status != WR_OK || before == NULL)
        return status;
    for (uint32_t i = 0; i < count; i++)
        value[i] = (uintptr_t)rows[i];
    return chain(value, count, arena, before);
}

int wr_table_upsert_alike(struct wr_table *table, const char *keys, const uint64_t *hashes,
                          uint32_t count, struct wr_arena *arena, uint8_t **rows, uint8_t *made,
                          uint32_t *before) {
    if (before == NULL && table->unlike_batches > 0) {
        table->unlike_batches--;
        return wr_table_upsert(table, keys, hashes, count, rows, made);
    }
    uint32_t *chained = before != NULL ? before : WR_ARENA_ARRAY(arena, uint32_t, count);
    uint32_t *firsts = WR_ARENA_ARRAY(arena, uint32_t, count + 1);
    uint64_t *value = WR_ARENA_ARRAY(arena, uint64_t, count + 1);
    if (chained == NULL || firsts == NULL || value == NULL)
        return WR_ENOMEM;
    value++;
    if (count < ROWS_MIN || table->key_kind == WR_KEY_TEXT)
        return upsert_each(table, keys, hashes, count, arena, rows, made, value, before);
    memcpy(value, hashes, count * sizeof *hashes);
    if (chain(value, count, arena, chained) != WR_OK)
        return WR_ENOMEM;
    uint32_t first_count = find_firsts(chained, count, firsts);
    if (!are_keys(keys, table->key_bytes, count, chained))
        return upsert_each(table, keys, hashes, count, arena, rows, made, value, before);
    if (first_count > count / 4 * 3)
        table->unlike_batches = UNLIKE_BATCHES;
    if (first_count == count)
        return wr_table_upsert(table, keys, hashes, count, rows, made);
    return upsert_firsts(table, keys, hashes, count, arena, firsts, first_count, chained, rows,
                         made);
}
