#include "state/alike.h"

#include <string.h>

#include "base/arena.h"
#include "base/status.h"
#include "state/page.h"
#include "base/banned.h"

#define ROWS_MIN 16 /* of fewer, each is asked for */
/* Where most rows of a batch have keys of their own, so many batches are not looked through. */
#define UNLIKE_BATCHES 15

/* A batch, and what is found out about it. */
struct alike {
    struct wr_table *table;
    const char *keys;
    const uint64_t *hashes;
    uint32_t count, place_count;
    uint64_t *value;  /* by row: its hash, or its row in the table; one more stands in front */
    uint32_t *places; /* the last row of a value, + 1 */
    uint32_t *before; /* the nearest row in front that has the key */
    uint32_t *firsts; /* rows that are the first of their key */
    uint32_t first_count;
};

static int alike_init(struct alike *alike, struct wr_arena *arena, uint32_t *before) {
    alike->place_count = 32;
    while (alike->place_count < 2 * alike->count)
        alike->place_count *= 2;
    alike->value = WR_ARENA_ARRAY(arena, uint64_t, alike->count + 1);
    alike->places = WR_ARENA_ARRAY(arena, uint32_t, alike->place_count);
    alike->firsts = WR_ARENA_ARRAY(arena, uint32_t, alike->count + 1);
    alike->before = before != NULL ? before : WR_ARENA_ARRAY(arena, uint32_t, alike->count);
    if (alike->value == NULL || alike->places == NULL || alike->firsts == NULL ||
        alike->before == NULL)
        return WR_ENOMEM;
    alike->value++;
    return WR_OK;
}

/* Finds the row before of the same value. An empty place fits any value: one question, rarely a no.
 */
static void chain(struct alike *alike) {
    uint64_t *numbered = alike->value - 1;
    uint32_t *last = alike->places, mask = alike->place_count - 1;
    memset(last, 0, alike->place_count * sizeof *last);
    for (uint32_t i = 0; i < alike->count; i++) {
        uint64_t own = numbered[0] = alike->value[i];
        uint32_t at = (uint32_t)(own * UINT64_C(0x9e3779b97f4a7c15) >> 40) & mask;
        while (numbered[last[at]] != own)
            at = (at + 1) & mask;
        alike->before[i] = last[at] - 1; /* NONE where there was none */
        last[at] = i + 1;
    }
}

/* Whether rows with equal hashes have equal keys, of words. */
static int are_keys(const struct alike *alike) {
    uint32_t key_bytes = alike->table->key_bytes;
    uint64_t differs = 0;
    for (uint32_t i = 0; i < alike->count; i++) {
        uint32_t other = alike->before[i] == WR_ALIKE_NONE ? i : alike->before[i];
        const char *a = alike->keys + (size_t)i * key_bytes;
        const char *b = alike->keys + (size_t)other * key_bytes;
        for (uint32_t at = 0; at < key_bytes; at += 8) {
            uint64_t x, y;
            memcpy(&x, a + at, 8);
            memcpy(&y, b + at, 8);
            differs |= x ^ y;
        }
    }
    return differs == 0;
}

static void find_firsts(struct alike *alike) {
    for (uint32_t i = 0; i < alike->count; i++) {
        alike->firsts[alike->first_count] = i;
        alike->first_count += alike->before[i] == WR_ALIKE_NONE;
    }
}

/* Each key once, then what it gave to all of its rows. */
static int upsert_firsts(const struct alike *alike, struct wr_arena *arena, uint8_t **rows,
                         uint8_t *made) {
    uint32_t key_bytes = alike->table->key_bytes, count = alike->first_count;
    char *keys = wr_arena_alloc(arena, (size_t)count * key_bytes);
    uint64_t *hashes = WR_ARENA_ARRAY(arena, uint64_t, count);
    uint8_t **found = WR_ARENA_ARRAY(arena, uint8_t *, count);
    uint8_t *fresh = made == NULL ? NULL : WR_ARENA_ARRAY(arena, uint8_t, count);
    if (keys == NULL || hashes == NULL || found == NULL || (fresh == NULL && made != NULL))
        return WR_ENOMEM;
    for (uint32_t f = 0; f < count; f++) {
        size_t from = alike->firsts[f];
        memcpy(keys + (size_t)f * key_bytes, alike->keys + from * key_bytes, key_bytes);
        hashes[f] = alike->hashes[from];
    }
    int status = wr_table_upsert(alike->table, keys, hashes, count, found, fresh);
    if (status != WR_OK)
        return status;
    if (made != NULL)
        memset(made, 0, alike->count);
    for (uint32_t f = 0; f < count; f++) {
        rows[alike->firsts[f]] = found[f];
        if (made != NULL)
            made[alike->firsts[f]] = fresh[f];
    }
    for (uint32_t i = 0; i < alike->count; i++)
        rows[i] = rows[alike->before[i] == WR_ALIKE_NONE ? i : alike->before[i]];
    return WR_OK;
}

/* By the rows that the keys have, where the keys do not say it at once. */
static int upsert_each(struct alike *alike, uint8_t **rows, uint8_t *made) {
    int status =
        wr_table_upsert(alike->table, alike->keys, alike->hashes, alike->count, rows, made);
    for (uint32_t i = 0; i < alike->count && status == WR_OK; i++)
        alike->value[i] = (uintptr_t)rows[i];
    if (status == WR_OK)
        chain(alike);
    return status;
}

int wr_table_upsert_alike(struct wr_table *table, const char *keys, const uint64_t *hashes,
                          uint32_t count, struct wr_arena *arena, uint8_t **rows, uint8_t *made,
                          uint32_t *before) {
    int is_each = count < ROWS_MIN || table->key_kind == WR_KEY_TEXT;
    if (before == NULL && (is_each || table->unlike_batches > 0)) {
        table->unlike_batches -= table->unlike_batches > 0;
        return wr_table_upsert(table, keys, hashes, count, rows, made);
    }
    struct alike alike = {.table = table, .keys = keys, .hashes = hashes, .count = count};
    if (alike_init(&alike, arena, before) != WR_OK)
        return WR_ENOMEM;
    if (is_each)
        return upsert_each(&alike, rows, made);
    memcpy(alike.value, hashes, count * sizeof *hashes);
    chain(&alike);
    if (!are_keys(&alike))
        return upsert_each(&alike, rows, made);
    find_firsts(&alike);
    if (alike.first_count > count / 4 * 3)
        table->unlike_batches = UNLIKE_BATCHES;
    if (alike.first_count == count)
        return wr_table_upsert(table, keys, hashes, count, rows, made);
    return upsert_firsts(&alike, arena, rows, made);
}
