/* log_load.c: rows of a log by key (log.c) back into a table. */
#include "base/alloc.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/owed.h"
#include "state/page.h"
#include "base/banned.h"

#define LOAD_ROWS 64u         /* rows that are upserted at once */
#define LOAD_KEY_BYTES 16384u /* bytes of their keys */

void wr_log_read(const struct wr_shape *shape, struct wr_reader *in, uint8_t *row, uint32_t to) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < shape->cell_count && shape->cells[i].offset < to; i++) {
        uint32_t offset = shape->cells[i].offset;
        const char *words = wr_reader_bytes(in, offset - at);
        uint64_t length = wr_reader_varint(in);
        const char *bytes = length > UINT32_MAX ? NULL : wr_reader_bytes(in, length);
        if (words == NULL || bytes == NULL) {
            in->failed = 1;
            return;
        }
        memcpy(row + at, words, offset - at);
        *(struct wr_str *)(row + offset) = wr_str_of(bytes, (uint32_t)length);
        at = offset + 16;
    }
    const char *words = wr_reader_bytes(in, to - at);
    if (words != NULL)
        memcpy(row + at, words, to - at);
}

void wr_log_skip_rest(const struct wr_shape *shape, struct wr_reader *in) {
    uint32_t at = shape->key_bytes;
    for (uint32_t i = 0; i < shape->cell_count; i++) {
        if (shape->cells[i].offset < at)
            continue;
        wr_reader_bytes(in, shape->cells[i].offset - at);
        wr_reader_bytes(in, wr_reader_varint(in));
        at = shape->cells[i].offset + 16;
    }
    wr_reader_bytes(in, shape->row_bytes - at);
}

static int place_cell(struct wr_table *table, uint8_t *row, const struct wr_cell *cell,
                      struct wr_reader *in) {
    uint64_t length = wr_reader_varint(in);
    const char *bytes = wr_reader_bytes(in, length);
    if (bytes == NULL || length > UINT32_MAX)
        return WR_ECORRUPT;
    if (cell->kind == WR_CELL_STRING)
        return wr_table_set_string(table, (struct wr_str *)(row + cell->offset), bytes,
                                   (uint32_t)length);
    struct wr_blob *blob = (struct wr_blob *)(row + cell->offset);
    if (wr_blob_reserve(table, blob, (uint32_t)length) != WR_OK)
        return WR_ENOMEM;
    if (length > 0)
        memcpy(blob->bytes, bytes, length);
    blob->length = (uint32_t)length;
    return WR_OK;
}

/* Reads the part of a row behind its key into a row of the table, over what it held. */
static int place_rest(struct wr_table *table, uint8_t *row, struct wr_reader *in) {
    uint32_t at = table->key_bytes;
    for (uint32_t i = table->key_cell_count; i <= table->shape->cell_count; i++) {
        int is_end = i == table->shape->cell_count;
        uint32_t to = is_end ? table->row_bytes : table->shape->cells[i].offset;
        const char *words = wr_reader_bytes(in, to - at);
        if (words == NULL)
            return WR_ECORRUPT;
        memcpy(row + at, words, to - at);
        if (is_end)
            break;
        int status = place_cell(table, row, &table->shape->cells[i], in);
        if (status != WR_OK)
            return status;
        at = to + 16;
    }
    return WR_OK;
}

/* What of a key is long is copied. */
static int place_key(struct wr_table *table, uint8_t *row, const uint8_t *key) {
    memcpy(row, key, table->key_bytes);
    for (uint32_t i = 0; i < table->key_cell_count; i++) {
        struct wr_str *str = (struct wr_str *)(row + table->shape->cells[i].offset);
        if (str->length <= WR_STR_INLINE_MAX)
            continue;
        str->pointer = wr_text_copy(table, str->pointer, str->length);
        if (str->pointer == NULL)
            return WR_ENOMEM;
    }
    return WR_OK;
}

/* What saves know of rows that are loaded. */
struct known {
    int saved, dirty;
    const struct wr_log_filter *filter; /* NULL: all are loaded */
};

static int is_wanted(const struct wr_log_filter *filter, uint64_t hash) {
    return filter == NULL || wr_bit_get(filter->wanted, hash >> 1 >> (63 - filter->depth));
}

static void mark(struct wr_table *table, const uint8_t *key, uint64_t hash, struct known known) {
    uint32_t slot;
    struct wr_page *page = wr_pages_find(table, key, hash, &slot);
    WR_ASSERT(page != NULL);
    if (known.saved)
        wr_bit_set(wr_page_saved(table, page), slot);
    if (!known.dirty)
        wr_bit_clear(wr_page_dirty(table, page), slot);
}

/* Rows that are applied together. */
struct load_batch {
    uint64_t hashes[LOAD_ROWS];
    uint8_t *rows[LOAD_ROWS];
    size_t rest_at[LOAD_ROWS]; /* where the part behind the key stands in the log */
    uint8_t made[LOAD_ROWS];
    _Alignas(16) uint8_t keys[LOAD_KEY_BYTES];
};

static int load_some_rows(struct wr_table *table, struct wr_reader *in, struct known known,
                          struct load_batch *batch, uint32_t count) {
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *key = batch->keys + (size_t)wanted * table->key_bytes;
        wr_log_read(table->shape, in, key, table->key_bytes);
        if (in->failed)
            return WR_ECORRUPT;
        uint64_t hash = wr_shape_hash(table->shape, key, table->seed);
        batch->hashes[wanted] = hash;
        batch->rest_at[wanted] = in->at;
        wanted += (uint32_t)is_wanted(known.filter, hash);
        wr_log_skip_rest(table->shape, in);
    }
    if (in->failed)
        return WR_ECORRUPT;
    if (wanted == 0)
        return WR_OK;
    count = wanted;
    int status =
        wr_table_upsert(table, batch->keys, batch->hashes, count, batch->rows, batch->made);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct wr_reader rest = *in;
        rest.at = batch->rest_at[i];
        status = place_rest(table, batch->rows[i], &rest);
        if (status == WR_OK && table->shape->is_sound != NULL &&
            !table->shape->is_sound(table->shape, batch->rows[i]))
            status = WR_ECORRUPT;
        mark(table, batch->keys + (size_t)i * table->key_bytes, batch->hashes[i], known);
    }
    return status;
}

static int relieve(struct wr_table *table, const struct wr_log_filter *filter) {
    return filter == NULL || filter->rests == NULL ? WR_OK : wr_owed_relieve(table, filter->rests);
}

static int load_some(struct wr_table *table, struct wr_reader *in, struct known known,
                     uint64_t row_count) {
    struct load_batch *batch = wr_table_alloc(table, sizeof *batch);
    if (batch == NULL)
        return WR_ENOMEM;
    uint32_t batch_rows = LOAD_ROWS;
    if (table->key_bytes > 0)
        batch_rows = WR_MIN(batch_rows, LOAD_KEY_BYTES / table->key_bytes);
    int status = in->failed ? WR_ECORRUPT : WR_OK;
    while (row_count > 0 && status == WR_OK) {
        uint32_t count = (uint32_t)WR_MIN(row_count, batch_rows);
        status = load_some_rows(table, in, known, batch, count);
        row_count -= count;
        if (status == WR_OK)
            status = relieve(table, known.filter);
    }
    wr_table_give(table, batch);
    return status;
}

static int load_rows(struct wr_table *table, struct wr_reader *in, struct known known) {
    uint64_t row_count = wr_reader_varint(in);
    return load_some(table, in, known, row_count);
}

int wr_log_load_new(struct wr_table *table, struct wr_reader *in, uint64_t row_count, int saved,
                    int dirty) {
    _Alignas(16) uint8_t key[WR_ROW_BYTES_MAX];
    int status = WR_OK;
    while (row_count-- > 0 && status == WR_OK) {
        wr_log_read(table->shape, in, key, table->key_bytes);
        if (in->failed)
            return WR_ECORRUPT;
        uint64_t hash = wr_shape_hash(table->shape, key, table->seed);
        status = wr_pages_reserve(table, hash);
        if (status != WR_OK)
            break;
        struct wr_page *page;
        uint32_t slot;
        uint8_t *row = wr_pages_add(table, hash, &page, &slot);
        status = place_key(table, row, key);
        if (status == WR_OK)
            status = place_rest(table, row, in);
        if (saved)
            wr_bit_set(wr_page_saved(table, page), slot);
        if (!dirty)
            continue;
        wr_bit_set(wr_page_dirty(table, page), slot);
        page->listed = table->turn;
    }
    return status;
}

int wr_log_load_rows(struct wr_table *table, struct wr_reader *in, int saved, int dirty) {
    return load_rows(table, in, (struct known){.saved = saved, .dirty = dirty});
}

/* Deleting a key that is not there is right: a base may be younger than the deletion. */
static int load_deletions(struct wr_table *table, struct wr_reader *in, uint64_t count,
                          const struct wr_log_filter *filter) {
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        _Alignas(16) uint8_t key[WR_ROW_BYTES_MAX];
        wr_log_read(table->shape, in, key, table->key_bytes);
        if (in->failed)
            break;
        if (table->key_bytes == 0 && i > 0)
            return WR_ECORRUPT; /* there is but one empty key */
        uint64_t hash = wr_shape_hash(table->shape, key, table->seed);
        uint32_t slot;
        struct wr_page *page = NULL;
        int status = i % LOAD_ROWS == 0 ? relieve(table, filter) : WR_OK;
        if (status == WR_OK && table->resting != NULL)
            status = wr_rest_need(table, &hash, 1);
        if (status != WR_OK)
            return status;
        if (is_wanted(filter, hash))
            page = wr_pages_find(table, key, hash, &slot);
        if (page == NULL)
            continue;
        wr_pages_remove(table, page, slot, hash);
    }
    return in->failed ? WR_ECORRUPT : WR_OK;
}

int wr_log_shape_matches(const struct wr_shape *shape, struct wr_reader *in) {
    if (wr_reader_varint(in) != shape->key_bytes || wr_reader_varint(in) != shape->row_bytes ||
        wr_reader_varint(in) != shape->cell_count)
        return 0;
    for (uint32_t i = 0; i < shape->cell_count; i++)
        if (wr_reader_varint(in) != (uint64_t)shape->cells[i].offset * 2 + shape->cells[i].kind)
            return 0;
    return !in->failed;
}

int wr_table_load(struct wr_table *table, struct wr_reader *in) {
    uint32_t magic = wr_reader_u32(in);
    uint64_t length = wr_reader_u64(in), sum = wr_reader_u64(in);
    const char *bytes = wr_reader_bytes(in, length);
    if (in->failed || magic != WR_LOG_MAGIC || wr_hash_bytes(bytes, length, 0) != sum)
        return WR_ECORRUPT;
    struct wr_reader body = {.bytes = bytes, .length = length};
    if (!wr_log_shape_matches(table->shape, &body))
        return WR_ECORRUPT;
    table->was_saved = 1;
    uint64_t deleted_count = wr_reader_varint(&body);
    int status = load_deletions(table, &body, deleted_count, NULL);
    if (status == WR_OK)
        status = load_rows(table, &body, (struct known){.saved = 1});
    if (status == WR_OK && body.at != body.length)
        status = WR_ECORRUPT;
    return status;
}

int wr_log_load_body(struct wr_table *table, struct wr_reader *in, const struct wr_log_body *body,
                     const struct wr_log_filter *filter) {
    struct known known = {.saved = 1, .filter = filter};
    int status = load_deletions(table, in, body->deleted_count, filter);
    if (status == WR_OK)
        status = load_some(table, in, known, body->row_count);
    return status == WR_OK && (in->failed || in->at != in->length) ? WR_ECORRUPT : status;
}

int wr_table_load_apart(struct wr_table *table, struct wr_reader *in, struct wr_apart *apart) {
    struct wr_owed owed = {.piece = apart->piece};
    if (wr_reader_u32(in) != WR_LOG_APART_MAGIC || !wr_log_shape_matches(table->shape, in))
        return WR_ECORRUPT;
    owed.deleted_count = wr_reader_varint(in);
    owed.row_count = wr_reader_varint(in);
    owed.hash_from = wr_reader_u64(in);
    owed.hash_to = wr_reader_u64(in);
    uint64_t table_rows = wr_reader_varint(in);
    owed.at = wr_reader_varint(in);
    owed.length = wr_reader_varint(in);
    if (in->failed)
        return WR_ECORRUPT;
    table->was_saved = 1;
    return wr_owed_add(table, apart, &owed, table_rows);
}
