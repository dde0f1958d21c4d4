/* key_sort.c: rows in the order of their keys. Many rows are sorted by the first 8 bytes of their
 * first column, by digits, and only those that are equal there are compared: a comparison reads two
 * rows from anywhere in memory. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "state/key.h"
#include "base/banned.h"

#define INSERTION_MAX 16 /* rows that are sorted by insertion */
#define RADIX_MIN 256    /* rows from which on digits pay */

static void swap(uint8_t **a, uint8_t **b) {
    uint8_t *row = *a;
    *a = *b;
    *b = row;
}

static void insertion_sort(const struct wr_key_layout *layout, uint8_t **rows, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = i; j > 0 && wr_keys_compare(layout, rows[j], rows[j - 1]) < 0; j--)
            swap(&rows[j], &rows[j - 1]);
}

static void sift(const struct wr_key_layout *layout, uint8_t **rows, uint32_t root,
                 uint32_t count) {
    for (uint64_t child; (child = (uint64_t)root * 2 + 1) < count; root = (uint32_t)child) {
        if (child + 1 < count && wr_keys_compare(layout, rows[child], rows[child + 1]) < 0)
            child++;
        if (wr_keys_compare(layout, rows[root], rows[child]) >= 0)
            return;
        swap(&rows[root], &rows[child]);
    }
}

static void heap_sort(const struct wr_key_layout *layout, uint8_t **rows, uint32_t count) {
    for (uint32_t root = count / 2; root-- > 0;)
        sift(layout, rows, root, count);
    for (uint32_t end = count; end-- > 1;) {
        swap(&rows[0], &rows[end]);
        sift(layout, rows, 0, end);
    }
}

/* Puts the median of three at the front. */
static void choose_pivot(const struct wr_key_layout *layout, uint8_t **rows, uint32_t count) {
    uint8_t **low = &rows[0], **middle = &rows[count / 2], **high = &rows[count - 1];
    if (wr_keys_compare(layout, *middle, *low) < 0)
        swap(middle, low);
    if (wr_keys_compare(layout, *high, *middle) < 0)
        swap(high, middle);
    if (wr_keys_compare(layout, *middle, *low) < 0)
        swap(middle, low);
    swap(low, middle);
}

/* Quicksort that turns to heapsort where pivots are bad, in place: a firing has no memory to spare.
 * Source: Musser, "Introspective sorting and selection algorithms", 1997. */
static void sort_rows(const struct wr_key_layout *layout, uint8_t **rows, uint32_t count,
                      uint32_t depth) {
    while (count > INSERTION_MAX) {
        if (depth-- == 0) {
            heap_sort(layout, rows, count);
            return;
        }
        choose_pivot(layout, rows, count);
        const uint8_t *pivot = rows[0];
        uint32_t low = 0, high = count;
        for (;;) {
            do
                low++;
            while (low < count && wr_keys_compare(layout, rows[low], pivot) < 0);
            do
                high--;
            while (wr_keys_compare(layout, pivot, rows[high]) < 0);
            if (low >= high)
                break;
            swap(&rows[low], &rows[high]);
        }
        swap(&rows[0], &rows[high]);
        sort_rows(layout, rows + high + 1, count - high - 1, depth);
        count = high;
    }
    insertion_sort(layout, rows, count);
}

/* ---- by digits ---- */

struct item {
    uint64_t prefix;
    uint8_t *row;
};

/* Words that are in the order of the values, as far as they tell. */
static uint64_t value_prefix(enum wr_type_kind kind, const uint8_t *value) {
    uint64_t word, sign = UINT64_C(1) << 63;
    if (wr_type_is_text(kind)) {
        const struct wr_str *str = (const struct wr_str *)value;
        char head[8] = {0};
        memcpy(head, wr_str_bytes(str), WR_MIN(str->length, 8u));
        memcpy(&word, head, sizeof word);
        return __builtin_bswap64(word);
    }
    memcpy(&word, value + (kind == WR_DECIMAL ? 8 : 0), sizeof word);
    if (kind == WR_FLOAT64) /* the one NaN of keys is above all numbers */
        return word & sign ? ~word : word | sign;
    return word ^ sign;
}

static uint64_t key_prefix(const struct wr_key_layout *layout, const uint8_t *key) {
    if (layout->nils && wr_bit_get((const uint64_t *)key, 0))
        return UINT64_MAX;
    return value_prefix(layout->types[0].kind, key + layout->offsets[0]);
}

/* Sorts by prefix, least digit first, from `items` to `other` and back; returns where they are.
 * Digits in which all rows agree cost nothing. */
static struct item *radix_sort(struct item *items, struct item *other, uint32_t count) {
    uint32_t counts[256];
    uint64_t differs = 0;
    for (uint32_t i = 1; i < count; i++)
        differs |= items[i].prefix ^ items[0].prefix;
    for (uint32_t shift = 0; shift < 64; shift += 8) {
        if ((differs >> shift & 255) == 0)
            continue;
        memset(counts, 0, sizeof counts);
        for (uint32_t i = 0; i < count; i++)
            counts[items[i].prefix >> shift & 255]++;
        uint32_t at = 0;
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t rows = counts[b];
            counts[b] = at;
            at += rows;
        }
        for (uint32_t i = 0; i < count; i++)
            other[counts[items[i].prefix >> shift & 255]++] = items[i];
        struct item *sorted = other;
        other = items;
        items = sorted;
    }
    return items;
}

static uint32_t depth_max(uint32_t count) {
    uint32_t depth = 2;
    for (; count > 0; count /= 2)
        depth += 2;
    return depth;
}

/* Rows of one prefix stand together; what it does not tell is compared. */
static void sort_runs(const struct wr_key_layout *layout, const struct item *items, uint8_t **rows,
                      uint32_t count) {
    for (uint32_t from = 0; from < count;) {
        uint32_t to = from + 1;
        while (to < count && items[to].prefix == items[from].prefix)
            to++;
        if (to - from > 1)
            sort_rows(layout, rows + from, to - from, depth_max(to - from));
        from = to;
    }
}

void wr_keys_sort(const struct wr_key_layout *layout, uint8_t **rows, uint32_t count) {
    struct item *items = NULL;
    if (count >= RADIX_MIN && layout->column_count > 0)
        items = wr_alloc(&wr_budget_control, (size_t)count * 2 * sizeof *items);
    if (items == NULL) { /* few rows, or no memory: in place */
        sort_rows(layout, rows, count, depth_max(count));
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct item){.prefix = key_prefix(layout, rows[i]), .row = rows[i]};
    const struct item *sorted = radix_sort(items, items + count, count);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = sorted[i].row;
    sort_runs(layout, sorted, rows, count);
    wr_free(&wr_budget_control, items);
}

uint8_t **wr_keys_rows(const struct wr_key_layout *layout, const struct wr_table *table,
                       struct wr_arena *arena) {
    uint64_t total = wr_table_count(table);
    uint8_t **rows = WR_ARENA_ARRAY(arena, uint8_t *, total + 1);
    struct wr_table_walk walk;
    if (rows == NULL)
        return NULL;
    wr_table_walk_begin(&walk, table);
    for (uint64_t i = 0; i < total; i++) {
        rows[i] = wr_table_walk_next(&walk);
        if (rows[i] == NULL) /* what the table owes could not be read */
            return NULL;
    }
    if (layout->column_count > 0)
        wr_keys_sort(layout, rows, (uint32_t)total);
    return rows;
}

int wr_keys_are_words(const struct wr_key_layout *layout) {
    return layout->column_count == 1 && layout->key_bytes == 8;
}

uint8_t **wr_keys_rows_of(const struct wr_key_layout *layout, const struct wr_table *const *tables,
                          uint32_t table_count, struct wr_arena *arena, uint64_t *count) {
    WR_ASSERT(wr_keys_are_words(layout));
    uint64_t total = 0;
    for (uint32_t t = 0; t < table_count; t++)
        total += wr_table_count(tables[t]);
    *count = total;
    uint8_t **rows = WR_ARENA_ARRAY(arena, uint8_t *, total + 1);
    struct item *items = total > UINT32_MAX || rows == NULL
                             ? NULL
                             : wr_alloc(&wr_budget_control, (total + 1) * 2 * sizeof *items);
    if (items == NULL)
        return NULL;
    uint32_t n = 0;
    for (uint32_t t = 0; t < table_count; t++) {
        struct wr_table_walk walk;
        wr_table_walk_begin(&walk, tables[t]);
        for (uint8_t *row; n < total && (row = wr_table_walk_next(&walk)) != NULL;)
            items[n++] = (struct item){.prefix = key_prefix(layout, row), .row = row};
    }
    if (n < total) { /* what a table owes could not be read */
        wr_free(&wr_budget_control, items);
        return NULL;
    }
    const struct item *sorted = radix_sort(items, items + total, n);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = sorted[i].row;
    wr_free(&wr_budget_control, items);
    return rows;
}
