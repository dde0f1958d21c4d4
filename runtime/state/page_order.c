/* page_order.c: dirty pages in the order of their hashes, so that the pieces of a save have hashes
 * that are near to each other, and a piece is read for few ranges (table_owed.c). */
#include <stdlib.h>

#include "state/page.h"
#include "base/banned.h"

#define ORDER_PAGES_MIN 64u /* fewer make few pieces */
#define ORDER_BY_DIRECTORY \
    8u /* where one page in so many is dirty, the directory is gone through */

struct placed {
    uint64_t hash;
    struct wr_page *page;
};

static int by_hash(const void *a, const void *b) {
    const struct placed *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void order_by_directory(struct wr_table *table) {
    uint32_t count = 0;
    for (uint64_t at = 0; at < UINT64_C(1) << table->depth;) {
        struct wr_page *page = table->directory[at];
        at += UINT64_C(1) << (table->depth - page->depth);
        for (; page != NULL; page = page->overflow)
            if (page->listed)
                table->dirty_pages[count++] = page;
    }
    WR_ASSERT(count == table->dirty_count);
}

void wr_pages_order_dirty(struct wr_table *table) {
    uint32_t count = table->dirty_count;
    if (count < ORDER_PAGES_MIN)
        return;
    if (count > table->page_count / ORDER_BY_DIRECTORY) {
        order_by_directory(table);
        return;
    }
    struct placed *placed = wr_table_alloc(table, count * sizeof *placed);
    if (placed == NULL)
        return; /* any order is right */
    for (uint32_t i = 0; i < count; i++) {
        struct wr_page *page = table->dirty_pages[i];
        placed[i].page = page;
        placed[i].hash = page->count == 0 ? 0
                                          : wr_shape_hash(table->shape, wr_page_row(table, page, 0),
                                                          table->seed);
    }
    qsort(placed, count, sizeof *placed, by_hash);
    for (uint32_t i = 0; i < count; i++)
        table->dirty_pages[i] = placed[i].page;
    wr_table_give(table, placed);
}
