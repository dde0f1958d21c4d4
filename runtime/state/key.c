/* key.c: see key.h. Keys are built column by column, so that each loop has one type. */
#include "state/key.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/banned.h"

/* Bytes of a column's value in a key; 0: no column has this type. */
static uint32_t value_bytes(enum wr_type_kind kind) {
    switch (kind) {
    case WR_BOOL:
    case WR_INT64:
    case WR_FLOAT64:
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION: return 8;
    case WR_DECIMAL:
    case WR_STRING:
    case WR_BYTES:
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: return 16;
    case WR_NIL:
    case WR_TYPE_KINDS: break;
    }
    return 0;
}

int wr_key_layout_init(struct wr_key_layout *layout, const struct wr_type *types,
                       uint32_t column_count, int can_be_nil) {
    memset(layout, 0, sizeof *layout);
    if (column_count > WR_KEY_COLUMNS_MAX)
        return WR_ELIMIT;
    layout->column_count = column_count;
    layout->nils = can_be_nil && column_count > 0;
    uint32_t at = layout->nils ? 8 : 0;
    for (uint32_t c = 0; c < column_count; c++) {
        uint32_t bytes = value_bytes(types[c].kind);
        if (bytes == 0)
            return WR_EUNSUPPORTED;
        layout->types[c] = types[c];
        layout->offsets[c] = at;
        if (wr_type_is_text(types[c].kind))
            layout->cells[layout->cell_count++] =
                (struct wr_cell){.kind = WR_CELL_STRING, .offset = at};
        at += bytes;
    }
    layout->key_bytes = at;
    return WR_OK;
}

/* ---- building ---- */

static inline uint64_t float_word(double value) {
    uint64_t word;
    if (value == 0)
        value = 0; /* -0.0 too */
    memcpy(&word, &value, sizeof word);
    return value != value ? UINT64_C(0x7ff8000000000000) : word;
}

/* One column of many: where it goes and which rows it takes. */
struct column_job {
    const struct wr_column *column;
    const uint32_t *sel;
    uint32_t count;
    uint32_t stride; /* key_bytes */
    uint8_t *target; /* of the first key */
};

#define GATHER(job, type, word_of) \
    do { \
        const type *values_ = (job)->column->data; \
        uint8_t *to_ = (job)->target; \
        for (uint32_t i_ = 0; i_ < (job)->count; i_++, to_ += (job)->stride) { \
            uint64_t word_ = word_of(values_[(job)->sel == NULL ? i_ : (job)->sel[i_]]); \
            memcpy(to_, &word_, 8); \
        } \
    } while (0)
#define AS_WORD(value) ((uint64_t)(value))

static void gather_wide(const struct column_job *job) {
    const char *values = job->column->data;
    uint8_t *to = job->target;
    for (uint32_t i = 0; i < job->count; i++, to += job->stride)
        memcpy(to, values + (size_t)(job->sel == NULL ? i : job->sel[i]) * 16, 16);
}

static void gather(const struct column_job *job, enum wr_type_kind kind) {
    switch (kind) {
    case WR_BOOL: GATHER(job, uint8_t, AS_WORD); break;
    case WR_FLOAT64: GATHER(job, double, float_word); break;
    case WR_INT64:
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION: GATHER(job, uint64_t, AS_WORD); break;
    default: gather_wide(job); break;
    }
}

/* Values of nil rows become zeros, and their bits are set in the nil words. */
static void gather_nils(const struct column_job *job, uint8_t *nil_words, uint32_t column,
                        uint32_t bytes) {
    for (uint32_t i = 0; i < job->count; i++) {
        uint32_t row = job->sel == NULL ? i : job->sel[i];
        if (wr_bit_get(job->column->valid, row))
            continue;
        uint8_t *word_bytes = nil_words + (size_t)i * job->stride;
        uint64_t word;
        memcpy(&word, word_bytes, 8);
        word |= UINT64_C(1) << column;
        memcpy(word_bytes, &word, 8);
        memset(job->target + (size_t)i * job->stride, 0, bytes);
    }
}

static void hash_words(const uint8_t *keys, uint32_t stride, uint32_t count, int is_first,
                       uint64_t seed, uint64_t *hashes) {
    for (uint32_t i = 0; i < count; i++, keys += stride) {
        uint64_t word;
        memcpy(&word, keys, 8);
        hashes[i] = is_first ? wr_hash_u64(word, seed) : wr_hash_join(hashes[i], word);
    }
}

/* Of the bits that say which columns are nil: most often none. */
static void hash_nils(const uint8_t *keys, uint32_t stride, uint32_t count, uint64_t seed,
                      uint64_t *hashes) {
    uint64_t none = wr_hash_u64(0, seed);
    for (uint32_t i = 0; i < count; i++, keys += stride) {
        uint64_t word;
        memcpy(&word, keys, 8);
        hashes[i] = WR_LIKELY(word == 0) ? none : wr_hash_u64(word, seed);
    }
}

static void hash_strings(const uint8_t *keys, uint32_t stride, uint32_t count, int is_first,
                         uint64_t seed, uint64_t *hashes) {
    for (uint32_t i = 0; i < count; i++, keys += stride) {
        const struct wr_str *str = (const struct wr_str *)keys;
        uint64_t next = wr_hash_bytes(wr_str_bytes(str), str->length, seed);
        hashes[i] = is_first ? next : wr_hash_join(hashes[i], next);
    }
}

/* The same hashes as wr_shape_hash gives. */
void wr_keys_hash(const struct wr_key_layout *layout, const void *bytes, uint32_t count,
                  uint64_t seed, uint64_t *hashes) {
    const uint8_t *keys = bytes;
    uint32_t stride = layout->key_bytes;
    if (stride == 0)
        memset(hashes, 0, count * sizeof *hashes);
    if (layout->nils)
        hash_nils(keys, stride, count, seed, hashes);
    for (uint32_t c = 0; c < layout->column_count; c++) {
        uint32_t at = layout->offsets[c];
        if (wr_type_is_text(layout->types[c].kind)) {
            hash_strings(keys + at, stride, count, at == 0, seed, hashes);
            continue;
        }
        hash_words(keys + at, stride, count, at == 0, seed, hashes);
        if (layout->types[c].kind == WR_DECIMAL)
            hash_words(keys + at + 8, stride, count, 0, seed, hashes);
    }
}

void wr_keys_build(const struct wr_key_layout *layout, const struct wr_column *columns,
                   const uint32_t *sel, uint32_t count, uint64_t seed, void *keys,
                   uint64_t *hashes) {
    uint8_t *bytes = keys;
    uint32_t stride = layout->key_bytes;
    if (layout->nils)
        for (uint32_t i = 0; i < count; i++)
            memset(bytes + (size_t)i * stride, 0, 8);
    for (uint32_t c = 0; c < layout->column_count; c++) {
        enum wr_type_kind kind = layout->types[c].kind;
        struct column_job job = {.column = &columns[c],
                                 .sel = sel,
                                 .count = count,
                                 .stride = stride,
                                 .target = bytes + layout->offsets[c]};
        gather(&job, kind);
        if (layout->nils && columns[c].valid != NULL)
            gather_nils(&job, bytes, c, value_bytes(kind));
    }
    wr_keys_hash(layout, bytes, count, seed, hashes);
}

/* ---- reading ---- */

int wr_keys_put(const struct wr_key_layout *layout, struct wr_table *table, uint8_t *at,
                const char *key) {
    memcpy(at, key, layout->key_bytes);
    for (uint32_t c = 0; c < layout->cell_count; c++)
        memset(at + layout->cells[c].offset, 0, sizeof(struct wr_str));
    for (uint32_t c = 0; c < layout->cell_count; c++) {
        struct wr_str text, *cell = (struct wr_str *)(void *)(at + layout->cells[c].offset);
        memcpy(&text, key + layout->cells[c].offset, sizeof text);
        int status = wr_table_set_string(table, cell, wr_str_bytes(&text), text.length);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

void wr_keys_read(const struct wr_key_layout *layout, uint32_t column, uint8_t *const *rows,
                  uint32_t count, void *out, uint64_t *valid) {
    WR_ASSERT(column < layout->column_count);
    uint32_t at = layout->offsets[column];
    enum wr_type_kind kind = layout->types[column].kind;
    if (kind == WR_BOOL) {
        uint8_t *bools = out;
        for (uint32_t i = 0; i < count; i++)
            bools[i] = rows[i][at];
    } else {
        uint32_t bytes = value_bytes(kind);
        char *to = out;
        for (uint32_t i = 0; i < count; i++, to += bytes)
            memcpy(to, rows[i] + at, bytes);
    }
    if (valid == NULL)
        return;
    memset(valid, 0, WR_BITS_WORDS(count) * 8);
    for (uint32_t i = 0; i < count; i++)
        if (!layout->nils || !wr_bit_get((const uint64_t *)rows[i], column))
            wr_bit_set(valid, i);
}

/* ---- order ---- */

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int64_t read_i64(const uint8_t *bytes) {
    int64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static int compare_floats(const uint8_t *a, const uint8_t *b) {
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    if (x != x || y != y)
        return (x != x) - (y != y);
    return ORDER(x, y);
}

static int compare_values(enum wr_type_kind kind, const uint8_t *a, const uint8_t *b) {
    if (wr_type_is_text(kind))
        return wr_str_compare((const struct wr_str *)a, (const struct wr_str *)b);
    if (kind == WR_FLOAT64)
        return compare_floats(a, b);
    if (kind == WR_DECIMAL) {
        __int128 x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return ORDER(x, y);
    }
    int64_t x = read_i64(a), y = read_i64(b);
    return ORDER(x, y);
}

int wr_keys_column(const struct wr_key_layout *layout, uint32_t column, uint8_t *const *rows,
                   uint32_t count, struct wr_batch *batch, uint32_t to) {
    void *data = wr_batch_column(batch, to, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (data == NULL || valid == NULL)
        return WR_ENOMEM;
    wr_keys_read(layout, column, rows, count, data, valid);
    batch->columns[to].valid = valid;
    struct wr_str *strs = data;
    for (uint32_t i = 0; wr_type_is_text(layout->types[column].kind) && i < count; i++) {
        if (strs[i].length <= WR_STR_INLINE_MAX)
            continue;
        strs[i].pointer = wr_arena_strndup(&batch->arena, strs[i].pointer, strs[i].length);
        if (strs[i].pointer == NULL)
            return WR_ENOMEM;
    }
    return WR_OK;
}

int wr_keys_compare(const struct wr_key_layout *layout, const uint8_t *a, const uint8_t *b) {
    for (uint32_t c = 0; c < layout->column_count; c++) {
        if (layout->nils) {
            int nil_a = wr_bit_get((const uint64_t *)a, c);
            int nil_b = wr_bit_get((const uint64_t *)b, c);
            if (nil_a != nil_b)
                return nil_a - nil_b;
            if (nil_a)
                continue;
        }
        uint32_t at = layout->offsets[c];
        int order = compare_values(layout->types[c].kind, a + at, b + at);
        if (order != 0)
            return order;
    }
    return 0;
}
