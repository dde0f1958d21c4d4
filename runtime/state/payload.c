/* payload.c: rows of columns as bytes of keyed state. See payload.h. */
#include "state/payload.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/order.h"
#include "base/banned.h"

static uint32_t width_of(enum wr_type_kind kind) {
    return wr_type_bytes(kind) == 16 ? 16 : 8;
}

int wr_payload_init(struct wr_payload *payload, struct wr_arena *arena,
                    const struct wr_schema *schema, const uint64_t *wanted) {
    uint32_t room = schema->field_count + 1, count = 0;
    *payload = (struct wr_payload){.columns = WR_ARENA_ARRAY(arena, uint32_t, room),
                                   .offsets = WR_ARENA_ARRAY(arena, uint32_t, room),
                                   .types = WR_ARENA_ARRAY(arena, struct wr_type, room),
                                   .cells = WR_ARENA_ARRAY(arena, struct wr_cell, room)};
    if (payload->columns == NULL || payload->offsets == NULL || payload->types == NULL ||
        payload->cells == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (wanted == NULL || wr_bit_get(wanted, c))
            payload->columns[count++] = c;
    uint32_t at = (uint32_t)(WR_BITS_WORDS(count) * 8);
    for (uint32_t k = 0; k < count; k++) {
        payload->types[k] = schema->fields[payload->columns[k]].type;
        payload->offsets[k] = at;
        if (wr_type_is_text(payload->types[k].kind))
            payload->cells[payload->cell_count++] =
                (struct wr_cell){.kind = WR_CELL_STRING, .offset = at};
        at += width_of(payload->types[k].kind);
    }
    payload->count = count;
    payload->bytes = at;
    return WR_OK;
}

/* Value `row` of a column of fixed width, or zeros. */
static inline void put_word(uint8_t *cell, const void *values, uint32_t row, uint32_t bytes) {
    uint64_t words[2] = {0, 0};
    if (values != NULL && bytes == 8)
        words[0] = ((const uint64_t *)values)[row];
    else if (values != NULL && bytes == 16)
        memcpy(words, (const char *)values + (size_t)row * 16, 16);
    else if (values != NULL)
        words[0] = ((const uint8_t *)values)[row];
    memcpy(cell, words, bytes == 16 ? 16 : 8);
}

int wr_payload_put(const struct wr_payload *payload, struct wr_table *table, uint8_t *at,
                   const struct wr_batch *in, uint32_t row) {
    uint64_t *nils = (uint64_t *)(void *)at;
    memset(nils, 0, WR_BITS_WORDS(payload->count) * 8);
    for (uint32_t k = 0; k < payload->count; k++) {
        const struct wr_column *column = &in->columns[payload->columns[k]];
        uint8_t *cell = at + payload->offsets[k];
        enum wr_type_kind kind = payload->types[k].kind;
        int nil = column->data == NULL || wr_column_is_nil(column, row);
        if (nil)
            wr_bit_set(nils, k);
        if (wr_type_is_text(kind)) {
            static const struct wr_str none;
            const struct wr_str *str = nil ? &none : &WR_STR(column)[row];
            if (wr_table_set_string(table, (struct wr_str *)(void *)cell, wr_str_bytes(str),
                                    str->length) != WR_OK)
                return WR_ENOMEM;
            continue;
        }
        put_word(cell, nil ? NULL : column->data, row, wr_type_bytes(kind));
    }
    return WR_OK;
}

/* ---- many rows at once, column by column ---- */

/* Sets the bits of column `k` for rows that have none, and puts zeros there. */
static void put_nils(const struct wr_payload *payload, uint32_t k, uint8_t *const *at,
                     const struct wr_column *column, const uint32_t *rows, uint32_t count) {
    uint32_t bytes = width_of(payload->types[k].kind);
    for (uint32_t i = 0; i < count; i++) {
        if (column->data != NULL && !wr_column_is_nil(column, rows[i]))
            continue;
        wr_bit_set((uint64_t *)(void *)at[i], k);
        memset(at[i] + payload->offsets[k], 0, bytes);
    }
}

/* Long strings of column `k`, whose views were put, go into one piece of memory. */
static int own_texts(uint32_t offset, struct wr_arena *texts, uint8_t *const *at, uint32_t count,
                     uint64_t *bytes) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_str *str = (const struct wr_str *)(const void *)(at[i] + offset);
        total += str->length > WR_STR_INLINE_MAX ? str->length : 0;
    }
    char *to = total == 0 ? NULL : wr_arena_alloc(texts, total);
    if (total > 0 && to == NULL)
        return WR_ENOMEM;
    *bytes += total;
    for (uint32_t i = 0; i < count && total > 0; i++) {
        struct wr_str *str = (struct wr_str *)(void *)(at[i] + offset);
        if (str->length > WR_STR_INLINE_MAX) {
            str->pointer = memcpy(to, str->pointer, str->length);
            to += str->length;
        }
    }
    return WR_OK;
}

static void put_column(const struct wr_payload *payload, uint32_t k, uint8_t *const *at,
                       const struct wr_column *column, const uint32_t *rows, uint32_t count) {
    uint32_t bytes = wr_type_bytes(payload->types[k].kind), offset = payload->offsets[k];
    const char *values = column->data;
    if (bytes == 8)
        for (uint32_t i = 0; i < count; i++)
            memcpy(at[i] + offset, values + (size_t)rows[i] * 8, 8);
    else if (bytes == 16)
        for (uint32_t i = 0; i < count; i++)
            memcpy(at[i] + offset, values + (size_t)rows[i] * 16, 16);
    else
        for (uint32_t i = 0; i < count; i++)
            put_word(at[i] + offset, values, rows[i], bytes);
}

int wr_payload_put_rows(const struct wr_payload *payload, struct wr_arena *texts,
                        uint8_t *const *at, const struct wr_batch *in, const uint32_t *rows,
                        uint32_t count, uint64_t *bytes) {
    size_t nil_bytes = WR_BITS_WORDS(payload->count) * 8;
    for (uint32_t i = 0; i < count; i++)
        memset(at[i], 0, nil_bytes);
    for (uint32_t k = 0; k < payload->count; k++) {
        const struct wr_column *column = &in->columns[payload->columns[k]];
        if (column->data != NULL)
            put_column(payload, k, at, column, rows, count);
        if (column->data == NULL || column->valid != NULL)
            put_nils(payload, k, at, column, rows, count);
        if (wr_type_is_text(payload->types[k].kind) &&
            own_texts(payload->offsets[k], texts, at, count, bytes) != WR_OK)
            return WR_ENOMEM;
    }
    return WR_OK;
}

int wr_payload_copy(const struct wr_payload *payload, struct wr_table *table, uint8_t *at,
                    const uint8_t *from) {
    for (uint32_t c = 0, done = 0; c <= payload->cell_count; c++) {
        uint32_t end = c == payload->cell_count ? payload->bytes : payload->cells[c].offset;
        memcpy(at + done, from + done, end - done);
        if (c == payload->cell_count)
            break;
        struct wr_str text;
        memcpy(&text, from + end, sizeof text);
        if (wr_table_set_string(table, (struct wr_str *)(void *)(at + end), wr_str_bytes(&text),
                                text.length) != WR_OK)
            return WR_ENOMEM;
        done = end + (uint32_t)sizeof text;
    }
    return WR_OK;
}

static int is_nil(const uint8_t *at, uint32_t k) {
    return at == NULL || wr_bit_get((const uint64_t *)(const void *)at, k);
}

/* Long strings, all of them in one piece of memory. */
static int read_texts(const struct wr_payload *payload, uint32_t k, const uint8_t *const *at,
                      uint32_t count, struct wr_arena *arena, struct wr_str *to) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (struct wr_str){0};
        if (!is_nil(at[i], k))
            memcpy(&to[i], at[i] + payload->offsets[k], sizeof to[i]);
        total += to[i].length > WR_STR_INLINE_MAX ? to[i].length : 0;
    }
    char *copy = total == 0 ? NULL : wr_arena_alloc(arena, total);
    if (total > 0 && copy == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count && total > 0; i++) {
        if (to[i].length > WR_STR_INLINE_MAX) {
            to[i].pointer = memcpy(copy, to[i].pointer, to[i].length);
            copy += to[i].length;
        }
    }
    return WR_OK;
}

int wr_payload_read(const struct wr_payload *payload, uint32_t k, const uint8_t *const *at,
                    uint32_t count, struct wr_arena *arena, struct wr_column *column) {
    enum wr_type_kind kind = payload->types[k].kind;
    uint32_t bytes = wr_type_bytes(kind), nils = 0;
    char *data = wr_arena_alloc(arena, (size_t)count * bytes + 1);
    if (data == NULL)
        return WR_ENOMEM;
    *column = (struct wr_column){.data = data};
    for (uint32_t i = 0; i < count; i++)
        nils += (uint32_t)is_nil(at[i], k);
    if (nils > 0) {
        uint64_t *valid = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(count) + 1);
        if (valid == NULL)
            return WR_ENOMEM;
        for (uint32_t i = 0; i < count; i++)
            wr_bit_put(valid, i, !is_nil(at[i], k));
        column->valid = valid;
    }
    if (wr_type_is_text(kind))
        return read_texts(payload, k, at, count, arena, (struct wr_str *)(void *)data);
    uint32_t offset = payload->offsets[k];
    if (nils == 0 && bytes == 8) { /* mostly; the compiler has a loop of moves for it */
        for (uint32_t i = 0; i < count; i++)
            memcpy(data + (size_t)i * 8, at[i] + offset, 8);
        return WR_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (at[i] == NULL)
            memset(data + (size_t)i * bytes, 0, bytes);
        else
            memcpy(data + (size_t)i * bytes, at[i] + offset, bytes);
    }
    return WR_OK;
}

static int cells_equal(enum wr_type_kind kind, const uint8_t *a, const uint8_t *b) {
    if (wr_type_is_text(kind))
        return wr_str_equal((const struct wr_str *)(const void *)a,
                            (const struct wr_str *)(const void *)b);
    if (kind == WR_FLOAT64) {
        double x, y;
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        return x == y || (x != x && y != y);
    }
    return memcmp(a, b, width_of(kind)) == 0;
}

int wr_payload_equal(const struct wr_payload *payload, const uint8_t *a, const uint8_t *b) {
    for (uint32_t k = 0; k < payload->count; k++) {
        int nil = is_nil(a, k);
        if (nil != is_nil(b, k))
            return 0;
        if (!nil &&
            !cells_equal(payload->types[k].kind, a + payload->offsets[k], b + payload->offsets[k]))
            return 0;
    }
    return 1;
}

/* A cell as a column of one row. */
static struct wr_column column_of(const struct wr_payload *payload, uint32_t k, const uint8_t *at) {
    static const uint64_t none = 0;
    return (struct wr_column){.data = (void *)(uintptr_t)(at + payload->offsets[k]),
                              .valid = is_nil(at, k) ? &none : NULL};
}

int wr_payload_compare(const struct wr_payload *payload, uint32_t k, const uint8_t *a,
                       const uint8_t *b) {
    struct wr_column x = column_of(payload, k, a), y = column_of(payload, k, b);
    return wr_cell_compare(&payload->types[k], &x, 0, &y, 0);
}

int wr_payload_compare_row(const struct wr_payload *payload, uint32_t k,
                           const struct wr_column *column, uint32_t row, const uint8_t *at) {
    struct wr_column y = column_of(payload, k, at);
    return wr_cell_compare(&payload->types[k], column, row, &y, 0);
}

int wr_payload_is_nil(const uint8_t *at, uint32_t k) {
    return is_nil(at, k);
}

static int is_absent(const struct wr_column *column, uint32_t row) {
    return column->data == NULL || wr_column_is_nil(column, row);
}

static uint64_t cell_hash(enum wr_type_kind kind, const struct wr_column *column, uint32_t row) {
    uint64_t word;
    if (wr_type_is_text(kind))
        return wr_hash_bytes(wr_str_bytes(&WR_STR(column)[row]), WR_STR(column)[row].length, 0);
    if (kind == WR_DECIMAL)
        return wr_hash_bytes((const char *)column->data + (size_t)row * 16, 16, 0);
    if (kind == WR_BOOL)
        return wr_hash_u64(WR_BOOLS(column)[row], 1);
    memcpy(&word, (const char *)column->data + (size_t)row * 8, 8);
    if (kind == WR_FLOAT64 && WR_F64(column)[row] == 0)
        word = 0; /* -0.0 too */
    if (kind == WR_FLOAT64 && WR_F64(column)[row] != WR_F64(column)[row])
        word = 1; /* any NaN */
    return wr_hash_u64(word, 2);
}

uint64_t wr_payload_hash(const struct wr_payload *payload, const struct wr_batch *in, uint32_t row,
                         uint64_t seed) {
    uint64_t hash = seed;
    for (uint32_t k = 0; k < payload->count; k++) {
        const struct wr_column *column = &in->columns[payload->columns[k]];
        uint64_t cell = is_absent(column, row) ? 3 : cell_hash(payload->types[k].kind, column, row);
        hash = wr_hash_join(hash, cell);
    }
    return hash;
}

int wr_payload_holds(const struct wr_payload *payload, const uint8_t *at, const struct wr_batch *in,
                     uint32_t row) {
    for (uint32_t k = 0; k < payload->count; k++) {
        const struct wr_column *column = &in->columns[payload->columns[k]];
        int nil = is_absent(column, row);
        if (nil != is_nil(at, k) ||
            (!nil && wr_payload_compare_row(payload, k, column, row, at) != 0))
            return 0;
    }
    return 1;
}
