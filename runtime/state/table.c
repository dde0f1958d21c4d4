/* table.c: keyed state; pages are in page.c, long strings in text.c, the log in log.c. */
#include "state/table.h"

#include "base/alloc.h"
#include "base/status.h"
#include "state/page.h"
#include "base/banned.h"

#define PROBE_CHUNK 32u                   /* keys whose lines are on their way at once */
#define PREFETCH_BYTES_MIN (1024u * 1024) /* below, a table is near enough to the core */
#define NUMBERS_RUN 16u                   /* numbers whose rows lie in one page */
#define MADE_LOCAL_MAX 256u               /* keys of a batch whose marks lie on the stack */

/* Its upper half, which says the page, is that of all numbers of a run; the lower one, which says
 * the place there, is Fibonacci hashing (Knuth, volume 3, 6.4): nobody chooses these numbers. */
static inline uint64_t number_hash(uint64_t number, uint64_t seed) {
    return (wr_hash_u64(number / NUMBERS_RUN, seed) & ~(uint64_t)UINT32_MAX) |
           (number * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
}

uint64_t wr_shape_hash(const struct wr_shape *shape, const void *key, uint64_t seed) {
    const uint8_t *bytes = key;
    if (shape->by_number)
        return number_hash(wr_word(bytes), seed);
    if (shape->key_bytes == 8) /* no string: one takes 16 bytes */
        return wr_hash_u64(wr_word(bytes), seed);
    uint64_t hash = 0;
    uint32_t at = 0, cell = 0;
    while (at < shape->key_bytes) {
        int is_first = at == 0;
        uint64_t next;
        if (cell < shape->cell_count && shape->cells[cell].offset == at) {
            const struct wr_str *str = (const struct wr_str *)(bytes + at);
            next = wr_hash_bytes(wr_str_bytes(str), str->length, seed);
            at += (uint32_t)sizeof *str;
            cell++;
        } else {
            next = wr_word(bytes + at);
            if (is_first)
                next = wr_hash_u64(next, seed);
            at += 8;
        }
        hash = is_first ? next : wr_hash_join(hash, next);
    }
    return hash;
}

void wr_shape_hash_rows(const struct wr_shape *shape, const uint8_t *rows, uint32_t count,
                        uint64_t seed, uint64_t *hashes) {
    uint32_t words = shape->key_bytes / 8, stride = shape->row_bytes;
    int has_strings = shape->cell_count > 0 && shape->cells[0].offset < shape->key_bytes;
    if (has_strings || shape->by_number || words == 0) {
        for (uint32_t i = 0; i < count; i++)
            hashes[i] = wr_shape_hash(shape, rows + (size_t)i * stride, seed);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        hashes[i] = wr_hash_u64(wr_word(rows + (size_t)i * stride), seed);
    for (uint32_t w = 1; w < words; w++)
        for (uint32_t i = 0; i < count; i++)
            hashes[i] = wr_hash_join(hashes[i], wr_word(rows + (size_t)i * stride + w * 8));
}

static void shape_check(const struct wr_shape *shape) {
    WR_ASSERT(!shape->by_number || shape->key_bytes == 8);
    WR_ASSERT(shape->key_bytes % 8 == 0 && shape->row_bytes % 8 == 0);
    WR_ASSERT(shape->row_bytes > 0 && shape->row_bytes <= WR_ROW_BYTES_MAX);
    WR_ASSERT(shape->key_bytes <= shape->row_bytes);
    uint32_t free_from = 0;
    for (uint32_t i = 0; i < shape->cell_count; i++) {
        const struct wr_cell *cell = &shape->cells[i];
        WR_ASSERT(cell->offset % 8 == 0 && cell->offset >= free_from);
        WR_ASSERT(cell->kind == WR_CELL_STRING || cell->offset >= shape->key_bytes);
        free_from = cell->offset + 16;
        WR_ASSERT(free_from <= shape->row_bytes);
        WR_ASSERT(cell->offset >= shape->key_bytes || free_from <= shape->key_bytes);
    }
}

struct wr_table *wr_table_new_paged(struct wr_budget *budget, const struct wr_shape *shape,
                                    uint64_t seed, uint32_t page_bytes) {
    shape_check(shape);
    struct wr_table *table = wr_alloc_zero(budget, sizeof *table);
    if (table == NULL)
        return NULL;
    table->budget = budget;
    table->bytes = sizeof *table;
    table->shape = shape;
    table->seed = seed;
    table->page_bytes = page_bytes;
    table->row_bytes = shape->row_bytes;
    table->key_bytes = shape->key_bytes;
    for (uint32_t i = 0; i < shape->cell_count; i++)
        table->key_cell_count += shape->cells[i].offset < shape->key_bytes;
    table->key_kind = table->key_cell_count > 0 ? WR_KEY_TEXT
                      : table->key_bytes == 8   ? WR_KEY_WORD
                                                : WR_KEY_FIXED;
    wr_buf_init(&table->deleted, budget, 0);
    if (wr_pages_init(table) != WR_OK) {
        wr_table_free(table);
        return NULL;
    }
    return table;
}

struct wr_table *wr_table_new(struct wr_budget *budget, const struct wr_shape *shape,
                              uint64_t seed) {
    return wr_table_new_paged(budget, shape, seed, WR_TABLE_PAGE_BYTES);
}

/* Small ones go with the pool. */
static void blobs_release(struct wr_table *table) {
    if (table->large_blobs == 0)
        return;
    struct wr_table_walk walk = {.table = table}; /* of rows that are here */
    for (uint8_t *row; (row = wr_table_walk_next(&walk)) != NULL;)
        wr_row_release(table, row);
}

void wr_table_free(struct wr_table *table) {
    if (table == NULL)
        return;
    struct wr_budget *budget = table->budget;
    wr_frozen_finish(table);
    wr_owed_forget(table);
    wr_rest_forget(table);
    blobs_release(table);
    wr_pages_release(table);
    wr_text_release(table);
    wr_buf_release(&table->deleted);
    wr_free(budget, table);
}

/* ---- probing ---- */

/* What the tags say about a key: where it will be found, unless they are wrong. */
struct guess {
    struct wr_page *page;
    uint8_t *row; /* NULL: not in the first window */
    uint32_t slot;
};

/* Asks for the lines of `count` keys, at most PROBE_CHUNK: first those of the pages, if the table
 * is large, then those of the rows that the tags point at. */
static inline void guess_rows(const struct wr_table *table, const uint64_t *hashes, uint32_t count,
                              struct guess *guesses) {
    uint32_t index_mask = table->index_mask;
    uint32_t further = WR_MIN(table->row_bytes - 8, 64u); /* most rows lie in one line or two */
    if (table->bytes >= PREFETCH_BYTES_MIN) {
        for (uint32_t i = 0; i < count; i++) {
            const struct wr_page *page = table->directory[wr_directory_at(table, hashes[i])];
            __builtin_prefetch(wr_page_index(table, page) + ((uint32_t)hashes[i] & index_mask));
            __builtin_prefetch(page);
            __builtin_prefetch((const char *)page + 64);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct guess *guess = &guesses[i];
        guess->page = table->directory[wr_directory_at(table, hashes[i])];
        const uint16_t *entry =
            wr_page_index(table, guess->page) + ((uint32_t)hashes[i] & index_mask);
        uint32_t ends, same;
        same = wr_page_window(entry, wr_page_tag(table, hashes[i]), table->tag_mask, &ends);
        guess->row = NULL;
        if (WR_LIKELY(same != 0)) {
            guess->slot = entry[__builtin_ctz(same) / 2] & (uint16_t)~table->tag_mask;
            guess->row = wr_page_row(table, guess->page, guess->slot);
            __builtin_prefetch(guess->row, 1);
            __builtin_prefetch(guess->row + further, 1);
        }
    }
}

/* The page and slot of a key, with its kind known to the compiler. */
static inline __attribute__((always_inline)) struct wr_page *probe(const struct wr_table *table,
                                                                   const void *key, uint64_t hash,
                                                                   enum wr_key_kind kind,
                                                                   uint32_t *slot) {
    struct wr_page *page = table->directory[wr_directory_at(table, hash)];
    do {
        *slot = wr_page_find(table, page, key, hash, kind);
        if (WR_LIKELY(*slot != WR_PAGE_NONE))
            return page;
        page = page->overflow;
    } while (WR_UNLIKELY(page != NULL));
    return NULL;
}

/* A batch of upserts that is under way. */
struct upsert {
    struct wr_table *table;
    const uint8_t *keys;
    const uint64_t *hashes;
    uint8_t **rows;
    uint8_t *made;
};

/* Makes room for key number `i`. Rows found before it, in the same chain, may move: they are found
 * again. */
static int make_room(const struct upsert *batch, uint32_t i) {
    struct wr_table *table = batch->table;
    uint64_t hash = batch->hashes[i];
    if (!wr_pages_full(table, hash))
        return wr_pages_reserve(table, hash);
    const struct wr_page *page = table->directory[wr_directory_at(table, hash)];
    for (uint32_t j = 0; j < i; j++)
        if (table->directory[wr_directory_at(table, batch->hashes[j])] == page)
            batch->rows[j] = NULL;
    int status = wr_pages_reserve(table, hash);
    if (status != WR_OK)
        return status;
    for (uint32_t j = 0; j < i; j++) {
        if (batch->rows[j] != NULL)
            continue;
        uint32_t slot;
        const uint8_t *key = batch->keys + (size_t)j * table->key_bytes;
        struct wr_page *found = wr_pages_find(table, key, batch->hashes[j], &slot);
        WR_ASSERT(found != NULL);
        batch->rows[j] = wr_page_row(table, found, slot);
    }
    return WR_OK;
}

static uint64_t long_bytes(const struct wr_table *table, const uint8_t *key) {
    uint64_t length = 0;
    for (uint32_t i = 0; i < table->key_cell_count; i++) {
        const struct wr_str *str = (const struct wr_str *)(key + table->shape->cells[i].offset);
        if (str->length > WR_STR_INLINE_MAX)
            length += str->length;
    }
    return length;
}

/* Makes the row of key number `i`, which is not there. */
static int make_row(const struct upsert *batch, uint32_t i) {
    struct wr_table *table = batch->table;
    const uint8_t *key = batch->keys + (size_t)i * table->key_bytes;
    if (table->key_kind == WR_KEY_TEXT && wr_text_reserve(table, long_bytes(table, key)) != WR_OK)
        return WR_ENOMEM;
    int status = make_room(batch, i);
    if (status != WR_OK)
        return status;
    struct wr_page *page;
    uint32_t slot;
    uint8_t *row = wr_pages_add(table, batch->hashes[i], &page, &slot);
    memcpy(row, key, table->key_bytes);
    for (uint32_t c = 0; c < table->key_cell_count; c++) {
        struct wr_str *str = (struct wr_str *)(row + table->shape->cells[c].offset);
        if (str->length > WR_STR_INLINE_MAX)
            str->pointer = wr_text_copy(table, str->pointer, str->length);
    }
    wr_page_mark(table, page, slot);
    batch->rows[i] = row;
    batch->made[i] = 1;
    return WR_OK;
}

/* Takes back the rows that the batch made before key number `end`. */
static void unmake(const struct upsert *batch, uint32_t end) {
    struct wr_table *table = batch->table;
    for (uint32_t i = end; i-- > 0;) {
        if (!batch->made[i])
            continue;
        uint32_t slot;
        const uint8_t *key = batch->keys + (size_t)i * table->key_bytes;
        struct wr_page *page = wr_pages_find(table, key, batch->hashes[i], &slot);
        WR_ASSERT(page != NULL);
        wr_pages_remove(table, page, slot, batch->hashes[i]);
    }
}

/* Key number `i` where the tags were of no help. Returns WR_OK or WR_ENOMEM. */
static inline __attribute__((always_inline)) int upsert_slowly(const struct upsert *batch,
                                                               uint32_t i, enum wr_key_kind kind) {
    struct wr_table *table = batch->table;
    uint32_t key_bytes = kind == WR_KEY_WORD ? 8 : table->key_bytes, slot;
    const uint8_t *key = batch->keys + (size_t)i * key_bytes;
    struct wr_page *page = probe(table, key, batch->hashes[i], kind, &slot);
    if (page == NULL)
        return make_row(batch, i);
    batch->rows[i] = wr_page_row(table, page, slot);
    batch->made[i] = 0;
    wr_page_mark(table, page, slot);
    return WR_OK;
}

static inline __attribute__((always_inline)) int upsert_keys(const struct upsert *batch,
                                                             uint32_t count,
                                                             enum wr_key_kind kind) {
    struct wr_table *table = batch->table;
    uint32_t key_bytes = kind == WR_KEY_WORD ? 8 : table->key_bytes;
    if (count == 1)
        return upsert_slowly(batch, 0, kind);
    WR_UNINITIALIZED struct guess guesses[PROBE_CHUNK];
    for (uint32_t from = 0; from < count; from += PROBE_CHUNK) {
        uint32_t end = WR_MIN(from + PROBE_CHUNK, count);
        uint64_t moves = table->moves;
        guess_rows(table, batch->hashes + from, end - from, guesses);
        for (uint32_t i = from; i < end; i++) {
            const struct guess *guess = &guesses[i - from];
            const uint8_t *key = batch->keys + (size_t)i * key_bytes;
            /* A row that was made meanwhile may have moved others. */
            if (WR_LIKELY(guess->row != NULL && table->moves == moves &&
                          wr_table_key_equal(table, guess->row, key, kind))) {
                batch->rows[i] = guess->row;
                batch->made[i] = 0;
                wr_page_mark(table, guess->page, guess->slot);
            } else if (upsert_slowly(batch, i, kind) != WR_OK) {
                unmake(batch, i);
                return WR_ENOMEM;
            }
        }
    }
    return WR_OK;
}

static int upsert_batch(const struct upsert *batch, uint32_t count) {
    switch (batch->table->key_kind) {
    case WR_KEY_WORD: return upsert_keys(batch, count, WR_KEY_WORD);
    case WR_KEY_FIXED: return upsert_keys(batch, count, WR_KEY_FIXED);
    case WR_KEY_TEXT: return upsert_keys(batch, count, WR_KEY_TEXT);
    }
    return WR_OK;
}

/* The caller has no use for the marks; going back needs them. */
static __attribute__((noinline)) int upsert_unmarked(struct upsert *batch, uint32_t count) {
    struct wr_table *table = batch->table;
    WR_UNINITIALIZED uint8_t local[MADE_LOCAL_MAX];
    batch->made = count <= MADE_LOCAL_MAX ? local : wr_table_alloc(table, count);
    if (batch->made == NULL)
        return WR_ENOMEM;
    int status = upsert_batch(batch, count);
    if (batch->made != local)
        wr_table_give(table, batch->made);
    return status;
}

/* Rows of these keys are in memory, or there is none. */
static int need(struct wr_table *table, const uint64_t *hashes, uint32_t count) {
    int status = table->owing == NULL ? WR_OK : wr_owed_need(table, hashes, count);
    if (status == WR_OK && table->resting != NULL)
        status = wr_rest_need(table, hashes, count);
    return status;
}

int wr_table_upsert(struct wr_table *table, const void *keys, const uint64_t *hashes,
                    uint32_t count, uint8_t **rows, uint8_t *made) {
    int needed = need(table, hashes, count);
    if (WR_UNLIKELY(needed != WR_OK))
        return needed;
    struct upsert batch = {
        .table = table, .keys = keys, .hashes = hashes, .rows = rows, .made = made};
    return made != NULL ? upsert_batch(&batch, count) : upsert_unmarked(&batch, count);
}

static inline __attribute__((always_inline)) uint8_t *find_key(const struct wr_table *table,
                                                               const uint8_t *key, uint64_t hash,
                                                               enum wr_key_kind kind) {
    uint32_t slot;
    struct wr_page *page = probe(table, key, hash, kind, &slot);
    return page == NULL ? NULL : wr_page_row(table, page, slot);
}

static inline __attribute__((always_inline)) void find_keys(const struct wr_table *table,
                                                            const uint8_t *keys,
                                                            const uint64_t *hashes, uint32_t count,
                                                            uint8_t **rows, enum wr_key_kind kind) {
    uint32_t key_bytes = kind == WR_KEY_WORD ? 8 : table->key_bytes;
    if (count == 1) {
        rows[0] = find_key(table, keys, hashes[0], kind);
        return;
    }
    WR_UNINITIALIZED struct guess guesses[PROBE_CHUNK];
    for (uint32_t from = 0; from < count; from += PROBE_CHUNK) {
        uint32_t end = WR_MIN(from + PROBE_CHUNK, count);
        guess_rows(table, hashes + from, end - from, guesses);
        for (uint32_t i = from; i < end; i++) {
            const uint8_t *key = keys + (size_t)i * key_bytes;
            rows[i] = guesses[i - from].row;
            if (rows[i] == NULL || !wr_table_key_equal(table, rows[i], key, kind))
                rows[i] = find_key(table, key, hashes[i], kind);
        }
    }
}

/* What is in a file is as good as in memory: reading it changes nothing that a caller sees, and a
 * failure waits in `apart`. */
static struct wr_table *reads(const struct wr_table *table) {
    return (struct wr_table *)(uintptr_t)table;
}

void wr_table_find(const struct wr_table *table, const void *keys, const uint64_t *hashes,
                   uint32_t count, uint8_t **rows) {
    need(reads(table), hashes, count);
    switch (table->key_kind) {
    case WR_KEY_WORD: find_keys(table, keys, hashes, count, rows, WR_KEY_WORD); break;
    case WR_KEY_FIXED: find_keys(table, keys, hashes, count, rows, WR_KEY_FIXED); break;
    case WR_KEY_TEXT: find_keys(table, keys, hashes, count, rows, WR_KEY_TEXT); break;
    }
}

uint8_t *wr_table_find_word(const struct wr_table *table, uint64_t key) {
    uint64_t hash = wr_shape_hash(table->shape, &key, table->seed);
    need(reads(table), &hash, 1);
    return find_key(table, (const uint8_t *)&key, hash, WR_KEY_WORD);
}

int wr_table_delete(struct wr_table *table, const void *key, uint64_t hash) {
    uint32_t slot;
    need(table, &hash, 1);
    struct wr_page *page = wr_pages_find(table, key, hash, &slot);
    if (page == NULL)
        return 0;
    wr_frozen_row(table, page, slot); /* then a save has seen it */
    uint8_t *row = wr_page_row(table, page, slot);
    /* One that no save has seen leaves no trace. Failing waits in the buffer for the next save. */
    if (wr_bit_get(wr_page_saved(table, page), slot)) {
        wr_log_add_key(table, &table->deleted, row);
        table->deleted_count++;
    }
    wr_pages_remove(table, page, slot, hash);
    return 1;
}

void wr_table_touch(struct wr_table *table, uint8_t *row) {
    uint32_t slot;
    uint64_t hash = wr_shape_hash(table->shape, row, table->seed);
    struct wr_page *page = wr_pages_find(table, row, hash, &slot);
    WR_ASSERT(page != NULL && wr_page_row(table, page, slot) == row);
    wr_page_mark(table, page, slot);
}

uint64_t wr_table_count(const struct wr_table *table) {
    return wr_rows_read(table) + wr_owed_rows(table);
}

uint64_t wr_table_bytes(const struct wr_table *table) {
    return table->bytes + table->deleted.room;
}

int wr_table_expect(struct wr_table *table, uint64_t row_count) {
    return wr_pages_expect(table, row_count);
}

uint64_t wr_table_seed(const struct wr_table *table) {
    return table->seed;
}

/* A page may be listed whose dirty rows have been deleted since; then the delta is empty. */
int wr_table_has_changed(const struct wr_table *table) {
    int is_listed = table->dirty_count > 0 || table->all_listed;
    if (table->resting != NULL)
        is_listed = wr_rest_has_changed(table);
    return is_listed || table->deleted_count > 0;
}

int wr_table_was_saved(const struct wr_table *table) {
    return table->was_saved;
}

void wr_table_walk_begin(struct wr_table_walk *walk, const struct wr_table *table) {
    if (WR_UNLIKELY(table->owing != NULL))
        wr_owed_complete(reads(table));
    if (WR_UNLIKELY(table->resting != NULL))
        wr_rest_complete(reads(table));
    *walk = (struct wr_table_walk){.table = table};
}

/* `page` is a place in the directory, `slot` counts on through the chain. */
uint8_t *wr_table_walk_next(struct wr_table_walk *walk) {
    const struct wr_table *table = walk->table;
    if (table->directory == NULL)
        return NULL;
    while (walk->page < UINT64_C(1) << table->depth) {
        const struct wr_page *head = table->directory[walk->page], *page = head;
        if (head == NULL)
            return NULL;
        uint64_t slot = walk->slot;
        while (page != NULL && slot >= page->count) {
            slot -= page->count;
            page = page->overflow;
        }
        if (page != NULL) {
            walk->slot++;
            return wr_page_row(table, page, (uint32_t)slot);
        }
        walk->page += UINT64_C(1) << (table->depth - head->depth);
        walk->slot = 0;
    }
    return NULL;
}
