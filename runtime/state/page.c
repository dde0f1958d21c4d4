/* page.c: pages that fill, split and chain; see page.h. */
#include "state/page.h"

#include "base/alloc.h"
#include "base/status.h"
#include "base/banned.h"

void *wr_table_alloc(struct wr_table *table, size_t size_bytes) {
    void *memory = wr_alloc(table->budget, size_bytes);
    if (memory != NULL)
        table->bytes += size_bytes;
    return memory;
}

void wr_table_give(struct wr_table *table, void *memory) {
    if (memory == NULL)
        return;
    table->bytes -= wr_alloc_size(memory);
    wr_free(table->budget, memory);
}

/* Rows that an index of `entries` takes: three quarters, so that probes stay short. */
static uint32_t index_rows(uint32_t entries) {
    return entries / 4 * 3;
}

/* ---- slabs ---- */

/* An eighth of the table, so that what is not yet cut stays in proportion; a small table takes
 * single pieces. */
static int slab_new(struct wr_table *table, size_t need) {
    size_t size_bytes = WR_MIN(table->bytes / 8, (size_t)WR_SLAB_BYTES_MAX) / 4096 * 4096;
    if (size_bytes < need * 8)
        size_bytes = need + sizeof(struct wr_slab);
    struct wr_slab *slab = wr_alloc(table->budget, size_bytes);
    if (slab == NULL)
        return WR_ENOMEM;
    table->bytes += size_bytes;
    slab->before = table->slab;
    table->slab = slab;
    table->slab_used = 0;
    table->slab_room = (uint32_t)(size_bytes - sizeof *slab);
    return WR_OK;
}

/* A piece that was given back, or a fresh one. */
static void *slab_take(struct wr_table *table, uint8_t **spare, size_t size_bytes) {
    uint8_t *piece = *spare;
    if (piece != NULL) {
        memcpy(spare, piece, sizeof *spare);
        table->spare_bytes -= size_bytes;
        return piece;
    }
    uint32_t need = (uint32_t)((size_bytes + 15) / 16 * 16);
    if (table->slab_room - table->slab_used < need && slab_new(table, need) != WR_OK)
        return NULL;
    piece = table->slab->bytes + table->slab_used;
    table->slab_used += need;
    return piece;
}

static void slab_give(struct wr_table *table, uint8_t **spare, void *piece, size_t size_bytes) {
    memcpy(piece, spare, sizeof *spare);
    *spare = piece;
    table->spare_bytes += size_bytes;
}

static size_t page_bytes(const struct wr_table *table, uint32_t entries) {
    return table->index_at + (entries + WR_PAGE_WINDOW) * sizeof(uint16_t);
}

static void page_clear(struct wr_table *table, struct wr_page *page, uint32_t entries) {
    memset(page, 0, table->index_at);
    memset(wr_page_index(table, page), 0xff, (entries + WR_PAGE_WINDOW) * sizeof(uint16_t));
}

/* The page of a small table. */
static struct wr_page *first_page_new(struct wr_table *table, uint32_t entries) {
    struct wr_page *page = wr_table_alloc(table, page_bytes(table, entries));
    if (page != NULL)
        page_clear(table, page, entries);
    return page;
}

static struct wr_page *page_new(struct wr_table *table, uint32_t depth) {
    uint32_t entries = table->index_max;
    struct wr_page *page = slab_take(table, &table->spare_pages, page_bytes(table, entries));
    if (page == NULL)
        return NULL;
    page_clear(table, page, entries);
    page->depth = (uint8_t)depth;
    page->first_rows = table->block_mask + 1;
    table->page_count++;
    return page;
}

int wr_pages_init(struct wr_table *table) {
    uint32_t row_bytes = table->row_bytes;
    uint32_t entries = wr_power_floor(table->page_bytes / 3 * 4 / row_bytes + 1);
    table->index_max = WR_MIN(WR_MAX(entries, WR_PAGE_INDEX_MIN), WR_PAGE_INDEX_MAX);
    table->rows_max = index_rows(table->index_max);
    table->block_shift = wr_log2_floor(wr_power_floor(WR_PAGE_BLOCK_BYTES / row_bytes + 1));
    if (row_bytes << table->block_shift > WR_PAGE_BLOCK_BYTES && table->block_shift > 0)
        table->block_shift--;
    table->block_mask = (1u << table->block_shift) - 1;
    table->block_count = (table->rows_max + table->block_mask) >> table->block_shift;
    table->bit_words = (uint32_t)WR_BITS_WORDS(table->rows_max);
    table->dirty_at = (uint32_t)(sizeof(struct wr_page) + table->block_count * sizeof(uint8_t *));
    table->held_at = table->dirty_at + table->bit_words * 8;
    table->saved_at = table->held_at + table->bit_words * 8;
    table->index_at = (table->saved_at + table->bit_words * 8 + 15) / 16 * 16;
    table->index_mask = WR_PAGE_INDEX_MIN - 1;
    table->tag_mask = (uint16_t) ~(table->index_max - 1);
    table->depth = 0;
    table->turn = table->turn == 0 ? 1 : table->turn;
    table->page_count = 1;
    table->first = first_page_new(table, WR_PAGE_INDEX_MIN);
    table->directory = &table->first;
    if (table->first == NULL)
        return WR_ENOMEM;
    uint32_t rows = wr_power_floor(WR_MAX(WR_PAGE_FIRST_BYTES / row_bytes, 1u));
    table->first->first_rows = WR_MIN(rows, table->block_mask + 1);
    return WR_OK;
}

/* ---- blocks ---- */

static size_t block_bytes(const struct wr_table *table) {
    return (size_t)(table->block_mask + 1) * table->row_bytes;
}

static uint8_t *block_take(struct wr_table *table) {
    return slab_take(table, &table->spare_blocks, block_bytes(table));
}

/* Gives the blocks from number `from` on back. */
static void blocks_trim(struct wr_table *table, struct wr_page *page, uint32_t from) {
    for (uint32_t block = from; block < table->block_count; block++) {
        if (page->blocks[block] == NULL)
            continue;
        if (block == 0 && page == table->first)
            wr_table_give(table, page->blocks[0]);
        else
            slab_give(table, &table->spare_blocks, page->blocks[block], block_bytes(table));
        page->blocks[block] = NULL;
    }
}

/* Gives a chain back; the table's first page stays, without rows. */
void wr_pages_give(struct wr_table *table, struct wr_page *page) {
    while (page != NULL) {
        struct wr_page *overflow = page->overflow;
        blocks_trim(table, page, 0);
        page->overflow = NULL;
        if (page != table->first)
            slab_give(table, &table->spare_pages, page, page_bytes(table, table->index_max));
        table->page_count--;
        page = overflow;
    }
}

void wr_slabs_release(struct wr_table *table) {
    while (table->slab != NULL) {
        struct wr_slab *slab = table->slab;
        table->slab = slab->before;
        wr_table_give(table, slab);
    }
    table->spare_blocks = table->spare_pages = NULL;
    table->spare_bytes = 0;
    table->slab_used = table->slab_room = 0;
}

void wr_pages_release(struct wr_table *table) {
    wr_page_list_clear(table);
    if (table->first != NULL)
        wr_table_give(table, table->first->blocks[0]);
    wr_table_give(table, table->first);
    if (table->directory != &table->first)
        wr_table_give(table, table->directory);
    wr_slabs_release(table);
    table->first = NULL;
    table->directory = NULL;
    table->count = 0;
}

/* ---- the index ---- */

static void index_set(struct wr_table *table, struct wr_page *page, uint32_t position,
                      uint16_t entry) {
    uint16_t *index = wr_page_index(table, page);
    index[position] = entry;
    if (position < WR_PAGE_WINDOW)
        index[table->index_mask + 1 + position] = entry;
}

static void index_clear(struct wr_table *table, struct wr_page *page) {
    size_t entries = table->index_mask + 1 + WR_PAGE_WINDOW;
    memset(wr_page_index(table, page), 0xff, entries * sizeof(uint16_t));
}

static void index_add(struct wr_table *table, struct wr_page *page, uint32_t slot, uint64_t hash) {
    const uint16_t *index = wr_page_index(table, page);
    uint32_t position = (uint32_t)hash & table->index_mask;
    while (index[position] != WR_PAGE_EMPTY)
        position = (position + 1) & table->index_mask;
    index_set(table, page, position, (uint16_t)(wr_page_tag(table, hash) | slot));
}

static uint32_t index_position(const struct wr_table *table, const struct wr_page *page,
                               uint32_t slot, uint64_t hash) {
    const uint16_t *index = wr_page_index(table, page);
    uint16_t entry = (uint16_t)(wr_page_tag(table, hash) | slot);
    uint32_t position = (uint32_t)hash & table->index_mask;
    while (index[position] != entry) {
        WR_ASSERT(index[position] != WR_PAGE_EMPTY);
        position = (position + 1) & table->index_mask;
    }
    return position;
}

static uint64_t slot_hash(const struct wr_table *table, const struct wr_page *page, uint32_t slot) {
    return wr_shape_hash(table->shape, wr_page_row(table, page, slot), table->seed);
}

/* Of all rows of a page. */
static void page_hashes(const struct wr_table *table, const struct wr_page *page,
                        uint64_t *hashes) {
    uint32_t rows = table->block_mask + 1;
    for (uint32_t slot = 0; slot < page->count; slot += rows)
        wr_shape_hash_rows(table->shape, wr_page_row(table, page, slot),
                           WR_MIN(rows, page->count - slot), table->seed, hashes + slot);
}

/* Takes the entry out and draws those behind it nearer to their homes, so that no gap ends a probe
 * too early. Source: Knuth, "The Art of Computer Programming", volume 3, 6.4, algorithm R. */
static void index_remove(struct wr_table *table, struct wr_page *page, uint32_t hole) {
    const uint16_t *index = wr_page_index(table, page);
    uint32_t mask = table->index_mask;
    for (uint32_t next = (hole + 1) & mask; index[next] != WR_PAGE_EMPTY;
         next = (next + 1) & mask) {
        uint32_t slot = index[next] & (uint16_t)~table->tag_mask;
        uint32_t home = (uint32_t)slot_hash(table, page, slot) & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            index_set(table, page, hole, index[next]);
            hole = next;
        }
    }
    index_set(table, page, hole, WR_PAGE_EMPTY);
}

/* ---- growing ---- */

/* The one page of a small table gets an index of twice the size. */
static int index_grow(struct wr_table *table) {
    uint32_t entries = (table->index_mask + 1) * 2;
    struct wr_page *old = table->first;
    table->moves++;
    struct wr_page *page = first_page_new(table, entries);
    if (page == NULL)
        return WR_ENOMEM;
    memcpy(page, old, table->index_at);
    table->index_mask = entries - 1;
    WR_UNINITIALIZED uint64_t hashes[WR_PAGE_INDEX_MAX];
    page_hashes(table, page, hashes);
    for (uint32_t slot = 0; slot < page->count; slot++)
        index_add(table, page, slot, hashes[slot]);
    for (uint32_t i = 0; i < table->dirty_count; i++)
        table->dirty_pages[i] = page;
    wr_table_give(table, old);
    table->first = page;
    return WR_OK;
}

int wr_pages_expect(struct wr_table *table, uint64_t row_count) {
    uint32_t entries = table->index_mask + 1, rows = table->first->first_rows;
    uint32_t room = index_rows(table->index_max), wanted = (uint32_t)WR_MIN(row_count, room);
    WR_ASSERT(table->count == 0 && table->page_count == 1 && table->first->blocks[0] == NULL);
    while (entries < table->index_max && index_rows(entries) < wanted)
        entries *= 2;
    while (rows < table->block_mask + 1 && rows < wanted)
        rows *= 2;
    struct wr_page *page = first_page_new(table, entries);
    if (page == NULL)
        return WR_ENOMEM;
    page->first_rows = rows;
    wr_table_give(table, table->first);
    table->index_mask = entries - 1;
    table->first = page;
    return WR_OK;
}

/* Block 0 of the first page doubles. */
static int first_block_grow(struct wr_table *table, struct wr_page *page) {
    uint32_t rows = page->blocks[0] == NULL ? page->first_rows : page->first_rows * 2;
    table->moves++;
    uint8_t *block = wr_table_alloc(table, (size_t)rows * table->row_bytes);
    if (block == NULL)
        return WR_ENOMEM;
    if (page->blocks[0] != NULL)
        memcpy(block, page->blocks[0], (size_t)page->count * table->row_bytes);
    wr_table_give(table, page->blocks[0]);
    page->blocks[0] = block;
    page->first_rows = rows;
    return WR_OK;
}

/* A block for the next row of a page that is not full. */
static int block_reserve(struct wr_table *table, struct wr_page *page) {
    uint32_t block = page->count >> table->block_shift;
    if (block == 0 && page == table->first) {
        int lacks = page->blocks[0] == NULL || page->count == page->first_rows;
        return lacks ? first_block_grow(table, page) : WR_OK;
    }
    if (page->blocks[block] == NULL)
        page->blocks[block] = block_take(table);
    return page->blocks[block] == NULL ? WR_ENOMEM : WR_OK;
}

static struct wr_page *chain_last(struct wr_page *page) {
    while (page->overflow != NULL)
        page = page->overflow;
    return page;
}

/* An empty chain with room for `row_count` rows; NULL: out of memory. */
static struct wr_page *chain_new(struct wr_table *table, uint64_t row_count, uint32_t depth) {
    struct wr_page *head = NULL, **link = &head;
    do {
        uint64_t rows = WR_MIN(row_count, table->rows_max);
        struct wr_page *page = page_new(table, depth);
        if (page == NULL)
            goto fail;
        *link = page;
        link = &page->overflow;
        for (uint32_t block = 0; (uint64_t)block << table->block_shift < rows; block++) {
            page->blocks[block] = block_take(table);
            if (page->blocks[block] == NULL)
                goto fail;
        }
        row_count -= rows;
    } while (row_count > 0);
    return head;
fail:
    wr_pages_give(table, head);
    return NULL;
}

static int directory_double(struct wr_table *table) {
    uint64_t entry_count = UINT64_C(2) << table->depth;
    struct wr_page **entries = wr_table_alloc(table, entry_count * sizeof *entries);
    if (entries == NULL)
        return WR_ENOMEM;
    for (uint64_t i = 0; i < entry_count; i += 2)
        entries[i] = entries[i + 1] = table->directory[i / 2];
    if (table->directory != &table->first)
        wr_table_give(table, table->directory);
    table->directory = entries;
    table->depth++;
    return WR_OK;
}

/* Where rows go while a chain is dealt out. */
struct dealer {
    struct wr_page *page;
    struct wr_page *head;
};

static void deal(struct wr_table *table, struct dealer *to, const struct wr_page *from,
                 uint32_t slot, uint64_t hash) {
    int dirty = wr_bit_get(wr_page_dirty(table, from), slot);
    int saved = wr_bit_get(wr_page_saved(table, from), slot);
    if (to->page->count == table->rows_max)
        to->page = to->page->overflow;
    struct wr_page *page = to->page;
    uint32_t new_slot = page->count++;
    uint8_t *target = wr_page_row(table, page, new_slot);
    const uint8_t *source = wr_page_row(table, from, slot);
    if (target != source)
        memcpy(target, source, table->row_bytes);
    wr_bit_put(wr_page_dirty(table, page), new_slot, dirty);
    wr_bit_put(wr_page_saved(table, page), new_slot, saved);
    index_add(table, page, new_slot, hash);
}

static uint64_t hash_bit(uint64_t hash, uint32_t depth) {
    return hash >> (63 - depth) & 1;
}

/* Forgets the pages and blocks behind the last row of a chain. Dirty lists hold heads and overflow
 * pages alike, so a freed page leaves the list. */
static void chain_trim(struct wr_table *table, struct dealer *chain) {
    struct wr_page *last = chain->page;
    blocks_trim(table, last, (last->count + table->block_mask) >> table->block_shift);
    for (struct wr_page *page = last->overflow; page != NULL; page = page->overflow) {
        wr_frozen_forget_page(table, page);
        if (wr_page_is_listed(table, page))
            for (uint32_t i = 0; i < table->dirty_count; i++)
                if (table->dirty_pages[i] == page)
                    table->dirty_pages[i--] = table->dirty_pages[--table->dirty_count];
    }
    wr_pages_give(table, last->overflow);
    last->overflow = NULL;
}

static int is_listed(const struct wr_table *table, const struct wr_page *page) {
    for (; page != NULL; page = page->overflow)
        if (wr_page_is_listed(table, page))
            return 1;
    return 0;
}

static void chain_list(struct wr_table *table, struct wr_page *page) {
    for (; page != NULL; page = page->overflow)
        if (!wr_page_is_listed(table, page))
            wr_page_list(table, page);
}

/* Deals the rows of the chain `low` out by the next bit of their hashes, to itself and to `high`.
 * A row never moves up within `low`: what it overwrites has been dealt. `hashes`: of the rows of
 * the first page. */
static void chain_deal(struct wr_table *table, struct wr_page *low, struct wr_page *high,
                       const uint64_t *hashes) {
    struct dealer to[2] = {{.page = low, .head = low}, {.page = high, .head = high}};
    uint32_t depth = low->depth;
    for (struct wr_page *from = low; from != NULL; from = from->overflow) {
        uint32_t count = from->count;
        from->count = 0;
        from->depth++;
        index_clear(table, from);
        for (uint32_t slot = 0; slot < count; slot++) {
            uint64_t hash = from == low ? hashes[slot] : slot_hash(table, from, slot);
            deal(table, &to[hash_bit(hash, depth)], from, slot, hash);
        }
    }
    for (int side = 0; side < 2; side++)
        for (struct wr_page *page = to[side].head; page != NULL; page = page->overflow)
            for (uint32_t slot = page->count; slot < table->bit_words * 64; slot++) {
                wr_bit_clear(wr_page_dirty(table, page), slot);
                wr_bit_clear(wr_page_saved(table, page), slot);
            }
    chain_trim(table, &to[0]);
}

struct wr_page *wr_pages_new(struct wr_table *table, uint32_t depth) {
    return page_new(table, depth);
}

void wr_pages_put(struct wr_table *table, uint64_t hash, struct wr_page *page) {
    uint64_t span = UINT64_C(1) << (table->depth - page->depth);
    uint64_t from = wr_directory_at(table, hash) & ~(span - 1);
    for (uint64_t i = from; i < from + span; i++)
        table->directory[i] = page;
}

/* Splits the chain of `hash` by one more bit. */
static int chain_split(struct wr_table *table, uint64_t hash) {
    struct wr_page *low = table->directory[wr_directory_at(table, hash)];
    WR_UNINITIALIZED uint64_t hashes[WR_PAGE_INDEX_MAX]; /* computed once, but for overflow pages */
    uint64_t high_rows = 0;
    table->moves++;
    wr_frozen_copy_chain(table, low);
    page_hashes(table, low, hashes);
    for (uint32_t slot = 0; slot < low->count; slot++)
        high_rows += hash_bit(hashes[slot], low->depth);
    for (struct wr_page *page = low->overflow; page != NULL; page = page->overflow)
        for (uint32_t slot = 0; slot < page->count; slot++)
            high_rows += hash_bit(slot_hash(table, page, slot), low->depth);
    if (low->depth == table->depth && directory_double(table) != WR_OK)
        return WR_ENOMEM;
    struct wr_page *high = chain_new(table, high_rows, low->depth + 1u);
    if (high == NULL)
        return WR_ENOMEM;
    int listed = is_listed(table, low); /* before a page of it, which alone may be listed, goes */
    chain_deal(table, low, high, hashes);
    if (listed) {
        chain_list(table, low);
        chain_list(table, high);
    }
    uint64_t bit = UINT64_C(1) << (64 - low->depth);
    wr_pages_put(table, hash | bit, high);
    if (table->resting != NULL)
        wr_rest_note_split(table, hash & ~bit, hash | bit);
    return WR_OK;
}

static int may_split(const struct wr_table *table, const struct wr_page *page) {
    return page->depth < wr_log2_floor(table->page_count) + WR_DIRECTORY_SLACK && page->depth < 40;
}

static int chain_extend(struct wr_table *table, struct wr_page *last) {
    last->overflow = page_new(table, last->depth);
    return last->overflow == NULL ? WR_ENOMEM : WR_OK;
}

int wr_pages_full(const struct wr_table *table, uint64_t hash) {
    struct wr_page *last = chain_last(table->directory[wr_directory_at(table, hash)]);
    return last->count >= index_rows(table->index_mask + 1) ||
           (last == table->first && last->count == last->first_rows);
}

int wr_pages_reserve(struct wr_table *table, uint64_t hash) {
    for (;;) {
        struct wr_page *head = table->directory[wr_directory_at(table, hash)];
        struct wr_page *last = chain_last(head);
        int status;
        if (last->count < index_rows(table->index_mask + 1))
            return block_reserve(table, last);
        if (table->index_mask + 1 < table->index_max)
            status = index_grow(table);
        else if (may_split(table, head))
            status = chain_split(table, hash);
        else
            status = chain_extend(table, last);
        if (status != WR_OK)
            return status;
    }
}

uint8_t *wr_pages_add(struct wr_table *table, uint64_t hash, struct wr_page **page,
                      uint32_t *slot) {
    struct wr_page *last = chain_last(table->directory[wr_directory_at(table, hash)]);
    *page = last;
    *slot = last->count++;
    table->count++;
    index_add(table, last, *slot, hash);
    uint8_t *row = wr_page_row(table, last, *slot);
    memset(row, 0, table->row_bytes);
    return row;
}

/* ---- removing ---- */

/* Back to one small page once the last row has gone, so that a burst leaves nothing behind. */
static void pages_reset(struct wr_table *table) {
    const struct wr_pool *pool = table->pool;
    if (pool != NULL && pool->segment != NULL && pool->segment->before != NULL)
        wr_pool_release(table);
    if (table->page_count == 1)
        return;
    struct wr_table fresh = *table;
    if (wr_pages_init(&fresh) != WR_OK)
        return; /* then it stays as large as it is */
    table->bytes = fresh.bytes;
    wr_frozen_forget_pages(table);
    wr_rest_forget(table);
    wr_pages_release(table);
    table->first = fresh.first;
    table->directory = &table->first;
    table->depth = 0;
    table->page_count = 1;
    table->index_mask = fresh.index_mask;
}

void wr_pages_remove(struct wr_table *table, struct wr_page *page, uint32_t slot, uint64_t hash) {
    struct wr_page *before = NULL, *last = table->directory[wr_directory_at(table, hash)];
    wr_frozen_copy_chain(table, last);
    wr_row_release(table, wr_page_row(table, page, slot));
    index_remove(table, page, index_position(table, page, slot, hash));
    for (; last->overflow != NULL;
         last = last->overflow) /* from the head: `page` may be the last */
        before = last;
    uint32_t last_slot = last->count - 1;
    uint64_t *dirty = wr_page_dirty(table, last), *saved = wr_page_saved(table, last);
    if (last != page || last_slot != slot) {
        uint64_t last_hash = slot_hash(table, last, last_slot);
        index_remove(table, last, index_position(table, last, last_slot, last_hash));
        memcpy(wr_page_row(table, page, slot), wr_page_row(table, last, last_slot),
               table->row_bytes);
        index_add(table, page, slot, last_hash);
        wr_bit_put(wr_page_saved(table, page), slot, wr_bit_get(saved, last_slot));
        if (wr_bit_get(dirty, last_slot))
            wr_page_mark(table, page, slot);
        else
            wr_bit_clear(wr_page_dirty(table, page), slot);
    }
    wr_bit_clear(dirty, last_slot);
    wr_bit_clear(saved, last_slot);
    last->count--;
    table->count--;
    if (wr_rows_read(table) == 0) {
        pages_reset(table);
    } else if (last->count == 0 && before != NULL) {
        struct dealer chain = {.page = before, .head = before};
        chain_trim(table, &chain);
    } else {
        /* One block stays behind the last row, lest a row on the edge take and give it in turn. */
        blocks_trim(table, last, ((last->count + table->block_mask) >> table->block_shift) + 1);
    }
}

struct wr_page *wr_pages_find(const struct wr_table *table, const void *key, uint64_t hash,
                              uint32_t *slot) {
    struct wr_page *page = table->directory[wr_directory_at(table, hash)];
    for (; page != NULL; page = page->overflow) {
        *slot = wr_page_find(table, page, key, hash, table->key_kind);
        if (*slot != WR_PAGE_NONE)
            return page;
    }
    return NULL;
}
