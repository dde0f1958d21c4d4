/* page_list.c: the list of dirty pages, and their order: that of their hashes, so that the pieces
 * of a save have hashes that are near to each other, and a piece is read for few ranges
 * (table_owed.c). */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "state/page.h"
#include "base/banned.h"

#define ORDER_PAGES_MIN 64u /* fewer make few pieces */
#define ORDER_BY_DIRECTORY \
    8u /* where one page in so many is dirty, the directory is gone through */

int wr_table_grow(struct wr_table *table, void **array, uint32_t count, uint32_t *room,
                  size_t element_bytes) {
    if (count < *room)
        return WR_OK;
    uint32_t more = WR_MAX(*room * 2, 8u);
    void *grown = wr_table_alloc(table, more * element_bytes);
    if (grown == NULL)
        return WR_ENOMEM;
    if (count > 0)
        memcpy(grown, *array, count * element_bytes);
    wr_table_give(table, *array);
    *array = grown;
    *room = more;
    return WR_OK;
}

void wr_page_list_clear(struct wr_table *table) {
    wr_table_give(table, table->dirty_pages);
    table->dirty_pages = NULL;
    table->dirty_count = table->dirty_room = 0;
    table->all_listed = 0;
}

void wr_page_list(struct wr_table *table, struct wr_page *page) {
    page->listed = table->turn;
    if (table->resting != NULL)
        wr_rest_note_listed(table);
    if (table->all_listed)
        return;
    if (wr_table_grow(table, (void **)&table->dirty_pages, table->dirty_count, &table->dirty_room,
                      sizeof(struct wr_page *)) != WR_OK) {
        wr_page_list_clear(table);
        table->all_listed = 1;
        return;
    }
    table->dirty_pages[table->dirty_count++] = page;
}

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
            if (wr_page_is_listed(table, page))
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
