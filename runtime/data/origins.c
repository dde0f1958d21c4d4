/* origins.c: the places that rows of several batches came from, row by row. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

#define BUCKETS 256u

struct wr_places {
    struct wr_budget *budget;
    struct wr_place *buckets[BUCKETS];
};

static struct wr_places *places_of(struct wr_batch_pool *pool) {
    if (pool->places == NULL)
        pool->places = wr_alloc_zero(pool->budget, sizeof *pool->places);
    if (pool->places != NULL)
        pool->places->budget = pool->budget;
    return pool->places;
}

void wr_places_free(struct wr_places *places) {
    for (uint32_t b = 0; places != NULL && b < BUCKETS; b++)
        while (places->buckets[b] != NULL) {
            struct wr_place *place = places->buckets[b];
            places->buckets[b] = place->next;
            wr_free(places->budget, place);
        }
    if (places != NULL)
        wr_free(places->budget, places);
}

static int is_same(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static size_t text_bytes(const char *text) {
    return text == NULL ? 0 : strlen(text) + 1;
}

static const struct wr_place *find_place(struct wr_batch_pool *pool,
                                         const struct wr_row_origin *origin) {
    struct wr_places *places = places_of(pool);
    if (places == NULL)
        return NULL;
    size_t source_bytes = text_bytes(origin->source), file_bytes = text_bytes(origin->file);
    uint64_t hash = wr_hash_bytes(origin->file == NULL ? "" : origin->file,
                                  file_bytes == 0 ? 0 : file_bytes - 1, origin->partition);
    struct wr_place **bucket = &places->buckets[hash % BUCKETS];
    for (struct wr_place *at = *bucket; at != NULL; at = at->next)
        if (at->hash == hash && at->number == origin->number && at->tried == origin->tried &&
            at->partition == origin->partition && is_same(at->file, origin->file) &&
            is_same(at->source, origin->source))
            return at;
    struct wr_place *made = wr_alloc(places->budget, sizeof *made + source_bytes + file_bytes);
    if (made == NULL)
        return NULL;
    char *texts = (char *)(made + 1);
    *made = (struct wr_place){.number = origin->number,
                              .partition = origin->partition,
                              .tried = origin->tried,
                              .hash = hash,
                              .next = *bucket};
    if (source_bytes > 0)
        made->source = memcpy(texts, origin->source, source_bytes);
    if (file_bytes > 0)
        made->file = memcpy(texts + source_bytes, origin->file, file_bytes);
    *bucket = made;
    return made;
}

static const struct wr_place *place_of(struct wr_batch_pool *pool,
                                       const struct wr_row_origin *origin) {
    struct wr_batch_pool *home = pool->home != NULL ? pool->home : pool;
    pthread_mutex_lock(&home->lock);
    const struct wr_place *place = find_place(home, origin);
    pthread_mutex_unlock(&home->lock);
    return place;
}

int wr_origins_keep(struct wr_batch *batch, uint32_t room) {
    WR_ASSERT(batch->row_count == 0);
    struct wr_origins *origins = WR_ARENA_ZEROS(&batch->arena, struct wr_origins, 1);
    if (origins == NULL)
        return WR_ENOMEM;
    origins->room = WR_MAX(room, 1);
    origins->place = WR_ARENA_ZEROS(&batch->arena, const struct wr_place *, origins->room);
    origins->record = WR_ARENA_ZEROS(&batch->arena, uint64_t, origins->room);
    if (origins->place == NULL || origins->record == NULL)
        return WR_ENOMEM;
    batch->origins = origins;
    return WR_OK;
}

static int make_texts(struct wr_batch *batch) {
    struct wr_origins *origins = batch->origins;
    struct wr_arena *arena = &batch->arena;
    if (origins->length != NULL)
        return WR_OK;
    origins->line = WR_ARENA_ZEROS(arena, uint64_t, origins->room);
    origins->byte = WR_ARENA_ZEROS(arena, uint64_t, origins->room);
    origins->raw = WR_ARENA_ZEROS(arena, const char *, origins->room);
    uint32_t *length = WR_ARENA_ZEROS(arena, uint32_t, origins->room);
    if (origins->line == NULL || origins->byte == NULL || origins->raw == NULL || length == NULL)
        return WR_ENOMEM;
    origins->length = length;
    return WR_OK;
}

static int put(struct wr_batch *batch, uint32_t row, const struct wr_place *place,
               const struct wr_row_origin *origin) {
    struct wr_origins *origins = batch->origins;
    WR_ASSERT(row < origins->room);
    origins->place[row] = place;
    origins->record[row] = origin->record;
    if (!origin->has_byte)
        return WR_OK;
    if (make_texts(batch) != WR_OK)
        return WR_ENOMEM;
    origins->line[row] = origin->line;
    origins->byte[row] = origin->byte;
    origins->length[row] = origin->raw_length;
    if (origin->raw != NULL)
        origins->raw[row] = wr_arena_strndup(&batch->arena, origin->raw, origin->raw_length);
    return origin->raw != NULL && origins->raw[row] == NULL ? WR_ENOMEM : WR_OK;
}

int wr_origins_put(struct wr_batch *batch, uint32_t row, const struct wr_row_origin *origin) {
    const struct wr_place *place = place_of(batch->pool, origin);
    return place == NULL ? WR_ENOMEM : put(batch, row, place, origin);
}

int wr_origins_append(struct wr_batch *out, const struct wr_batch *in, const uint32_t *rows,
                      uint32_t count) {
    const struct wr_place *place = NULL;
    struct wr_row_origin origin = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (!wr_batch_origin_next(in, rows[i], &origin))
            continue;
        if (in->origins != NULL)
            place = in->origins->place[rows[i]];
        else if (place == NULL) /* they have all the same */
            place = place_of(out->pool, &origin);
        if (place == NULL || put(out, out->row_count + i, place, &origin) != WR_OK)
            return WR_ENOMEM;
    }
    return WR_OK;
}
