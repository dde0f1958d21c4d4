/* log.c: a table as a log by key: what a checkpoint stores of it. It is read in log_load.c.
 *
 *   log:     u32 magic "wtl1" · u64 length of the body · u64 XXH3 of the body · body
 *   body:    shape · varint deleted_count · deleted keys · varint row_count · rows
 *   shape:   varint key_bytes · row_bytes · cell_count · offset * 2 + kind of each
 *   key:     its words and cells in their order
 *   row:     its key, then the other words and cells
 *   word:    8 bytes            cell:  varint length · bytes (string or blob)
 *
 * Where rows lie apart (apart.h) the log says only where:
 *
 *   apart:   u32 magic "wta1" · shape · varint deleted_count · row_count · u64 first hash ·
 *            u64 last hash · varint rows of the whole table · place · length, both in the rows
 *            of the piece
 *   there:   deleted keys · rows
 *
 * All integers are little-endian. Deletions come first: a key that was deleted and made again is in
 * both lists. Pages, slots and capacities appear nowhere. A save in pieces is several logs: the
 * first has the deletions; row_count takes five bytes, since it is known when the rows are
 * written. */
#include "base/alloc.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/owed.h"
#include "state/page.h"
#include "base/banned.h"

#define LOG_HEAD_BYTES 20u
#define LENGTH_BYTES_MAX 5u /* a varint of 32 bits */
#define ROW_COUNT_BYTES 5u  /* a varint that is not the shortest */

static const char *cell_bytes(const uint8_t *row, const struct wr_cell *cell, uint32_t *length) {
    if (cell->kind == WR_CELL_STRING) {
        const struct wr_str *str = (const struct wr_str *)(row + cell->offset);
        *length = str->length;
        return wr_str_bytes(str);
    }
    const struct wr_blob *blob = (const struct wr_blob *)(row + cell->offset);
    *length = blob->length;
    return blob->bytes;
}

void wr_log_add(const struct wr_shape *shape, struct wr_buf *out, const uint8_t *row, uint32_t from,
                uint32_t to) {
    uint32_t first = 0, end, length;
    while (first < shape->cell_count && shape->cells[first].offset < from)
        first++;
    size_t bytes_max = to - from;
    for (end = first; end < shape->cell_count && shape->cells[end].offset < to; end++) {
        cell_bytes(row, &shape->cells[end], &length);
        bytes_max += (size_t)length + LENGTH_BYTES_MAX;
    }
    if (wr_buf_reserve(out, bytes_max) != WR_OK)
        return;
    char *at = out->bytes + out->length;
    for (uint32_t i = first; i < end; i++) {
        const struct wr_cell *cell = &shape->cells[i];
        const char *bytes = cell_bytes(row, cell, &length);
        memcpy(at, row + from, cell->offset - from);
        at += cell->offset - from;
        for (from = length; from >= 128; from >>= 7)
            *at++ = (char)(from | 128);
        *at++ = (char)from;
        if (length > 0)
            memcpy(at, bytes, length);
        at += length;
        from = cell->offset + 16;
    }
    memcpy(at, row + from, to - from);
    at += to - from;
    *at = 0;
    out->length = (size_t)(at - out->bytes);
}

void wr_log_add_key(const struct wr_table *table, struct wr_buf *out, const uint8_t *key) {
    wr_log_add(table->shape, out, key, 0, table->key_bytes);
}

/* ---- saving ---- */

/* The next page that a save looks at: of the listed ones, or of all. */
static struct wr_page *page_next(const struct wr_table *table, struct wr_log_walk *walk) {
    if (!walk->all) {
        if (walk->at + 8 < table->dirty_count) {
            const char *ahead = (const char *)table->dirty_pages[walk->at + 8];
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + 64);
        }
        return walk->at < table->dirty_count ? table->dirty_pages[walk->at++] : NULL;
    }
    if (walk->chain == NULL) {
        if (walk->at >= UINT64_C(1) << table->depth)
            return NULL;
        walk->chain = table->directory[walk->at];
        walk->at += UINT64_C(1) << (table->depth - walk->chain->depth);
    }
    struct wr_page *page = walk->chain;
    walk->chain = page->overflow;
    return page;
}

/* The rows of word `word` of a page that a save writes, as bits. One that rests has none. */
static uint64_t rows_wanted(const struct wr_table *table, const struct wr_page *page, uint32_t word,
                            int all) {
    if (page->rests)
        return 0;
    if (!all)
        return wr_page_dirty(table, page)[word];
    return wr_page_rows(page, word);
}

void wr_log_widen(const struct wr_page *page, uint64_t hash, uint64_t *hash_from,
                  uint64_t *hash_to) {
    uint64_t rest = page->depth == 0 ? UINT64_MAX : UINT64_MAX >> page->depth;
    *hash_from = WR_MIN(*hash_from, hash & ~rest);
    *hash_to = WR_MAX(*hash_to, hash | rest);
}

/* Moves on to the next rows that this save has to write: of a word of a page, or of one that rests.
 * 0: there are none. */
static int rows_next(const struct wr_table *table, struct wr_log_saving *at) {
    while (at->rows == 0 && !at->rests) {
        if (at->page != NULL && !at->page->rests && at->word + 1 < table->bit_words) {
            at->word++;
        } else {
            at->page = page_next(table, &at->walk);
            at->word = 0;
            if (at->page == NULL)
                return 0;
            at->rests = at->page->rests && wr_rest_is_wanted(at->page, at->all);
        }
        at->rows = rows_wanted(table, at->page, at->word, at->all);
    }
    return 1;
}

static int rested_encode(struct wr_table *table, struct wr_buf *out, uint64_t *row_count) {
    struct wr_log_saving *at = &table->saving;
    at->rests = 0;
    wr_log_widen(at->page, wr_rest_hash(at->page), &at->hash_from, &at->hash_to);
    return wr_rest_add_rows(table, at->page, at->all, out, row_count);
}

/* Rows from where the save stands, until `length_max` bytes stand in `out`; at least one, where
 * there is one. WR_EAGAIN: there are more; or what a page that rests could not be read for. */
static int rows_encode(struct wr_table *table, struct wr_buf *out, size_t length_max,
                       uint64_t *row_count) {
    struct wr_log_saving *at = &table->saving;
    const struct wr_page *noted = NULL;
    int status = WR_OK;
    *row_count = 0;
    while (status == WR_OK && rows_next(table, at)) {
        if (*row_count > 0 && out->length >= length_max)
            return WR_EAGAIN;
        if (at->rests) {
            status = rested_encode(table, out, row_count);
            continue;
        }
        const uint8_t *row =
            wr_page_row(table, at->page, at->word * 64 + (uint32_t)__builtin_ctzll(at->rows));
        if (at->page != noted)
            wr_log_widen(at->page, wr_shape_hash(table->shape, row, table->seed), &at->hash_from,
                         &at->hash_to);
        noted = at->page;
        wr_log_add(table->shape, out, row, 0, table->row_bytes);
        at->rows &= at->rows - 1;
        ++*row_count;
    }
    return status;
}

static void rows_settle(struct wr_table *table) {
    struct wr_log_walk walk = {.all = table->saving.all || table->all_listed};
    for (struct wr_page *page; (page = page_next(table, &walk)) != NULL;) {
        uint64_t *dirty = wr_page_dirty(table, page), *saved = wr_page_saved(table, page);
        for (uint32_t word = 0; word < table->bit_words && !page->rests; word++) {
            saved[word] |= rows_wanted(table, page, word, table->saving.all);
            dirty[word] = 0;
        }
        if (page->rests && wr_rest_is_wanted(page, table->saving.all))
            wr_rest_note_saved(page);
        page->listed = 0;
    }
    table->dirty_count = 0;
    table->all_listed = 0;
    wr_rest_note_turn(table);
    wr_buf_clear(&table->deleted);
    table->deleted_count = 0;
}

void wr_log_add_shape(const struct wr_shape *shape, struct wr_buf *out) {
    wr_buf_add_varint(out, shape->key_bytes);
    wr_buf_add_varint(out, shape->row_bytes);
    wr_buf_add_varint(out, shape->cell_count);
    for (uint32_t i = 0; i < shape->cell_count; i++)
        wr_buf_add_varint(out, (uint64_t)shape->cells[i].offset * 2 + shape->cells[i].kind);
}

/* Begins a piece; how many deletions stand in it. */
static uint64_t piece_begin(struct wr_table *table, int all) {
    struct wr_log_saving *at = &table->saving;
    int is_first = !at->active;
    if (is_first)
        *at = (struct wr_log_saving){
            .active = 1, .all = (uint8_t)(all != 0), .walk = {.all = all || table->all_listed}};
    uint64_t deleted_count = is_first && !at->all ? table->deleted_count : 0;
    at->hash_from = deleted_count > 0 ? 0 : UINT64_MAX;
    at->hash_to = deleted_count > 0 ? UINT64_MAX : 0;
    return deleted_count;
}

/* `more`: of the encoding; `status`: of the buffers. */
static int piece_end(struct wr_table *table, int more, int status) {
    struct wr_log_saving *at = &table->saving;
    if (status == WR_OK && !at->all)
        status = table->deleted.status;
    if (status == WR_OK && more != WR_EAGAIN)
        status = more;
    if (status != WR_OK) {
        at->active = 0;
        return status;
    }
    if (more != WR_OK)
        return more;
    rows_settle(table);
    at->active = 0;
    table->was_saved = 1;
    wr_table_settle(table);
    return WR_OK;
}

int wr_table_save(struct wr_table *table, struct wr_buf *out, int all, size_t piece_bytes) {
    size_t start = out->length;
    int owed = all ? wr_owed_complete(table) : WR_OK;
    if (owed != WR_OK)
        return owed;
    uint64_t deleted_count = piece_begin(table, all), row_count;
    wr_buf_add(out, (char[LOG_HEAD_BYTES]){0}, LOG_HEAD_BYTES);
    wr_log_add_shape(table->shape, out);
    wr_buf_add_varint(out, deleted_count);
    if (deleted_count > 0)
        wr_buf_add(out, table->deleted.bytes, table->deleted.length);
    size_t length_max = piece_bytes > SIZE_MAX - start ? SIZE_MAX : start + piece_bytes;
    size_t count_at = out->length;
    wr_buf_add(out, (char[ROW_COUNT_BYTES]){0}, ROW_COUNT_BYTES);
    int more = rows_encode(table, out, length_max, &row_count);
    for (uint32_t i = 0; out->status == WR_OK && i < ROW_COUNT_BYTES; i++, row_count >>= 7)
        out->bytes[count_at + i] = (char)((row_count & 127) | (i + 1 < ROW_COUNT_BYTES ? 128 : 0));
    if (out->status == WR_OK) {
        char *head = out->bytes + start;
        uint64_t length = out->length - start - LOG_HEAD_BYTES;
        uint64_t sum = wr_hash_bytes(head + LOG_HEAD_BYTES, length, 0);
        memcpy(head, &(uint32_t){WR_LOG_MAGIC}, 4);
        memcpy(head + 4, &length, 8);
        memcpy(head + 12, &sum, 8);
    }
    int status = piece_end(table, more, out->status);
    if (status != WR_OK && status != WR_EAGAIN)
        out->length = start;
    return status;
}

void wr_log_add_apart(const struct wr_table *table, struct wr_buf *out,
                      const struct wr_log_body *body, uint64_t table_rows, size_t at,
                      size_t length) {
    wr_buf_add_u32(out, WR_LOG_APART_MAGIC);
    wr_log_add_shape(table->shape, out);
    wr_buf_add_varint(out, body->deleted_count);
    wr_buf_add_varint(out, body->row_count);
    wr_buf_add_u64(out, body->hash_from);
    wr_buf_add_u64(out, body->hash_to);
    wr_buf_add_varint(out, table_rows);
    wr_buf_add_varint(out, at);
    wr_buf_add_varint(out, length);
}

static int is_large(const struct wr_table *table, const struct wr_apart *apart, int all) {
    return apart->freeze_pages_min > 0 && wr_pages_to_save(table, all) >= apart->freeze_pages_min &&
           !table->saving.active;
}

/* Of a table that has just been frozen: every row, not those alone that were dirty. */
static void hold_all(struct wr_table *table) {
    struct wr_log_walk walk = {.all = 1};
    for (struct wr_page *page; (page = page_next(table, &walk)) != NULL;) {
        if (page->rests)
            wr_rest_hold(page);
        for (uint32_t word = 0; word < table->bit_words && !page->rests; word++)
            wr_page_held(table, page)[word] = rows_wanted(table, page, word, 1);
    }
}

/* Its deletions are saved, its rows follow behind. */
static int save_frozen(struct wr_table *table, struct wr_buf *out, struct wr_apart *apart,
                       int all) {
    struct wr_log_body body = {.deleted_count = all ? 0 : table->deleted_count,
                               .hash_from = UINT64_MAX};
    if (body.deleted_count > 0) {
        body.hash_from = 0;
        body.hash_to = UINT64_MAX;
    }
    struct wr_buf *rows = &apart->rows;
    size_t start = out->length, rows_start = rows->length;
    if (body.deleted_count > 0)
        wr_buf_add(rows, table->deleted.bytes, table->deleted.length);
    wr_log_add_apart(table, out, &body, wr_table_count(table), rows_start,
                     rows->length - rows_start);
    int status = !all && table->deleted.status != WR_OK ? table->deleted.status
                 : rows->status != WR_OK                ? rows->status
                                                        : out->status;
    if (status == WR_OK)
        status = wr_frozen_begin(table, apart, all);
    if (status != WR_OK) {
        out->length = start;
        rows->length = rows_start;
        return status;
    }
    if (all)
        hold_all(table);
    wr_buf_clear(&table->deleted);
    table->deleted_count = 0;
    table->was_saved = 1;
    return WR_OK;
}

int wr_table_save_apart(struct wr_table *table, struct wr_buf *out, struct wr_apart *apart, int all,
                        size_t piece_bytes) {
    if (apart == NULL)
        return wr_table_save(table, out, all, piece_bytes);
    WR_ASSERT(table->frozen == NULL);
    int owed = all ? wr_owed_complete(table) : WR_OK;
    if (owed != WR_OK)
        return owed;
    if (is_large(table, apart, all))
        return save_frozen(table, out, apart, all);
    if (!table->saving.active && !all && !table->all_listed)
        wr_pages_order_dirty(table);
    struct wr_buf *rows = &apart->rows;
    size_t start = out->length, rows_start = rows->length;
    uint64_t deleted_count = piece_begin(table, all), row_count;
    if (deleted_count > 0)
        wr_buf_add(rows, table->deleted.bytes, table->deleted.length);
    size_t length_max = piece_bytes > SIZE_MAX - rows_start ? SIZE_MAX : rows_start + piece_bytes;
    int more = rows_encode(table, rows, length_max, &row_count);
    struct wr_log_body body = {.deleted_count = deleted_count,
                               .row_count = row_count,
                               .hash_from = table->saving.hash_from,
                               .hash_to = table->saving.hash_to};
    wr_log_add_apart(table, out, &body, wr_table_count(table), rows_start,
                     rows->length - rows_start);
    int status = piece_end(table, more, rows->status != WR_OK ? rows->status : out->status);
    if (status != WR_OK && status != WR_EAGAIN) {
        out->length = start;
        rows->length = rows_start;
    }
    return status;
}

void wr_log_unlist(struct wr_table *table) {
    struct wr_log_walk walk = {.all = 1};
    for (struct wr_page *page; (page = page_next(table, &walk)) != NULL;)
        page->listed = 0;
    table->dirty_count = 0;
    table->all_listed = 0;
}
