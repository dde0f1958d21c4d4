/* rowset_index.c: rings of rows by the hash of their key, and the walk over them and over rows in
 * none. An extendible hash: directory (high bits) -> pages of open addressing by the low ones; a
 * full page splits in two and nothing else moves.
 * Source: Fagin et al., "Extendible hashing", 1979. */
#include "base/alloc.h"
#include "base/status.h"
#include "state/rowset_parts.h"
#include "base/banned.h"

#define PAGE_ENTRIES 256u
#define PAGE_ENTRIES_FULL 192u
#define DEPTH_MAX 32u
#define CHUNK 32u /* hashes whose lines are on their way at once */
/* A row in the index costs as much as a look at so many that are not, and as so many blocks. */
#define INDEX_COST 16u

struct entry {
    uint64_t hash;
    struct wr_rowset_row *head; /* NULL: empty */
};

struct wr_rowset_page {
    uint32_t depth, count;
    struct entry entries[PAGE_ENTRIES];
};

/* ---- pages ---- */

static inline uint64_t directory_at(const struct wr_rowset *set, uint64_t hash) {
    return hash >> 1 >> (63 - set->depth);
}

/* Where a hash is, or would be put. */
static inline struct entry *page_find(struct wr_rowset_page *page, uint64_t hash) {
    uint32_t at = (uint32_t)hash % PAGE_ENTRIES;
    while (page->entries[at].head != NULL && page->entries[at].hash != hash)
        at = (at + 1) % PAGE_ENTRIES;
    return &page->entries[at];
}

static struct wr_rowset_page *page_new(struct wr_rowset *set, uint32_t depth) {
    struct wr_rowset_page *page = wr_alloc_zero(set->budget, sizeof *page);
    if (page == NULL)
        return NULL;
    page->depth = depth;
    set->page_count++;
    return page;
}

static int directory_double(struct wr_rowset *set) {
    uint64_t count = UINT64_C(1) << set->depth;
    if (set->depth == DEPTH_MAX)
        return WR_ENOMEM;
    struct wr_rowset_page **wider =
        wr_alloc(set->budget, 2 * count * sizeof(struct wr_rowset_page *));
    if (wider == NULL)
        return WR_ENOMEM;
    for (uint64_t i = 0; i < 2 * count; i++)
        wider[i] = set->directory[i / 2];
    wr_free(set->budget, set->directory);
    set->directory = wider;
    set->depth++;
    return WR_OK;
}

static int page_split(struct wr_rowset *set, uint64_t hash) {
    struct wr_rowset_page *page = set->directory[directory_at(set, hash)];
    if (page->depth == set->depth && directory_double(set) != WR_OK)
        return WR_ENOMEM;
    struct wr_rowset_page *upper = page_new(set, page->depth + 1);
    if (upper == NULL)
        return WR_ENOMEM;
    struct entry entries[PAGE_ENTRIES];
    memcpy(entries, page->entries, sizeof entries);
    memset(page->entries, 0, sizeof page->entries);
    page->count = 0;
    page->depth++;
    for (uint32_t i = 0; i < PAGE_ENTRIES; i++) {
        if (entries[i].head == NULL)
            continue;
        struct wr_rowset_page *to = (entries[i].hash >> (64 - page->depth)) & 1 ? upper : page;
        *page_find(to, entries[i].hash) = entries[i];
        to->count++;
    }
    uint64_t span = UINT64_C(1) << (set->depth - page->depth);
    uint64_t first = directory_at(set, hash) / (2 * span) * (2 * span) + span;
    for (uint64_t i = 0; i < span; i++)
        set->directory[first + i] = upper;
    return WR_OK;
}

static void entry_remove(struct wr_rowset_page *page, struct entry *entry) {
    uint32_t hole = (uint32_t)(entry - page->entries);
    for (uint32_t at = (hole + 1) % PAGE_ENTRIES; page->entries[at].head != NULL;
         at = (at + 1) % PAGE_ENTRIES) {
        uint32_t home = (uint32_t)page->entries[at].hash % PAGE_ENTRIES;
        /* What stands at or behind its home, seen from the hole on, stays. */
        if ((at - home) % PAGE_ENTRIES < (at - hole) % PAGE_ENTRIES)
            continue;
        page->entries[hole] = page->entries[at];
        hole = at;
    }
    page->entries[hole] = (struct entry){0};
    page->count--;
}

void wr_rowset_index_release(struct wr_rowset *set) {
    uint64_t count = set->directory == NULL ? 0 : UINT64_C(1) << set->depth;
    for (uint64_t i = 0, span; i < count; i += span) {
        span = UINT64_C(1) << (set->depth - set->directory[i]->depth);
        wr_free(set->budget, set->directory[i]);
    }
    wr_free(set->budget, set->directory);
    set->directory = NULL;
    set->depth = set->page_count = 0;
}

uint64_t wr_rowset_index_bytes(const struct wr_rowset *set) {
    if (set->directory == NULL)
        return 0;
    return set->page_count * sizeof(struct wr_rowset_page) +
           (sizeof(struct wr_rowset_page *) << set->depth);
}

/* ---- rings ---- */

struct wr_rowset_row *wr_rowset_ring(const struct wr_rowset *set, uint64_t hash) {
    if (set->directory == NULL)
        return NULL;
    return page_find(set->directory[directory_at(set, hash)], hash)->head;
}

static int link_row(struct wr_rowset *set, struct wr_rowset_row *row) {
    struct wr_rowset_page *page = set->directory[directory_at(set, row->hash)];
    struct entry *entry = page_find(page, row->hash);
    if (entry->head == NULL) {
        while (page->count >= PAGE_ENTRIES_FULL) {
            if (page_split(set, row->hash) != WR_OK)
                return WR_ENOMEM;
            page = set->directory[directory_at(set, row->hash)];
        }
        entry = page_find(page, row->hash);
        *entry = (struct entry){.hash = row->hash, .head = row};
        page->count++;
        row->before = row->next = row;
        return WR_OK;
    }
    struct wr_rowset_row *head = entry->head, *last = head->before;
    row->before = last;
    row->next = head;
    last->next = row;
    head->before = row;
    return WR_OK;
}

void wr_rowset_unlink(struct wr_rowset *set, struct wr_rowset_row *row) {
    if (row->next == NULL)
        return;
    struct wr_rowset_page *page = set->directory[directory_at(set, row->hash)];
    struct entry *entry = page_find(page, row->hash);
    row->before->next = row->next;
    row->next->before = row->before;
    if (row->next == row)
        entry_remove(page, entry);
    else if (entry->head == row)
        entry->head = row->next;
    row->before = row->next = NULL;
}

void wr_rowset_relink(struct wr_rowset *set, struct wr_rowset_row *row, struct wr_rowset_row *to) {
    struct entry *entry = page_find(set->directory[directory_at(set, row->hash)], row->hash);
    if (entry->head == row)
        entry->head = to;
    int is_alone = row->next == row;
    to->before = is_alone ? to : row->before;
    to->next = is_alone ? to : row->next;
    to->before->next = to;
    to->next->before = to;
}

/* *linked: how many are in their rings, when memory ends before all are. */
static int link_chunk(struct wr_rowset *set, struct wr_rowset_row *const *rows, uint32_t count,
                      uint32_t *linked) {
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_rowset_page *page = set->directory[directory_at(set, rows[i]->hash)];
        __builtin_prefetch(&page->entries[(uint32_t)rows[i]->hash % PAGE_ENTRIES], 1);
    }
    for (*linked = 0; *linked < count; ++*linked)
        if (link_row(set, rows[*linked]) != WR_OK)
            return WR_ENOMEM;
    return WR_OK;
}

/* Rows of one block, from where the index ends. */
static int index_block(struct wr_rowset *set, struct wr_rowset_slice *slice,
                       struct wr_rowset_block *block) {
    struct wr_rowset_row *rows[CHUNK];
    while (slice->indexed_rows < block->count) {
        uint32_t count = WR_MIN(CHUNK, block->count - slice->indexed_rows), linked;
        for (uint32_t i = 0; i < count; i++)
            rows[i] = wr_rowset_at(set, block, slice->indexed_rows + i);
        int status = link_chunk(set, rows, count, &linked);
        slice->indexed_rows += linked;
        set->unindexed -= linked;
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

int wr_rowset_index_all(struct wr_rowset *set) {
    if (set->unindexed == 0)
        return WR_OK;
    if (set->directory == NULL) {
        set->directory = wr_alloc(set->budget, sizeof(struct wr_rowset_page *));
        if (set->directory == NULL)
            return WR_ENOMEM;
        set->directory[0] = page_new(set, 0);
        if (set->directory[0] == NULL) {
            wr_free(set->budget, set->directory);
            set->directory = NULL;
            return WR_ENOMEM;
        }
    }
    for (uint32_t s = 0; s < set->count && set->unindexed > 0; s++) {
        struct wr_rowset_slice *slice = set->slices[s];
        while (slice->indexed_blocks < slice->block_count) {
            struct wr_rowset_block *block = slice->blocks[slice->indexed_blocks];
            if (index_block(set, slice, block) != WR_OK)
                return WR_ENOMEM;
            if (block->count < block->room)
                break; /* more rows will come into it */
            slice->indexed_blocks++;
            slice->indexed_rows = 0;
        }
    }
    set->scanned = 0;
    return WR_OK;
}

/* ---- probing ---- */

/* The first block with rows in no ring of which one may be met at `until_min` or later. */
static uint32_t first_block(const struct wr_rowset_slice *slice, int64_t until_min) {
    uint32_t from = slice->indexed_blocks, count = slice->block_count - from;
    while (count > 0) {
        uint32_t half = count / 2;
        int is_before = slice->blocks[from + half]->until_upto < until_min;
        from += is_before ? half + 1 : 0;
        count = is_before ? count - half - 1 : half;
    }
    return from;
}

/* Blocks and rows that a probe would look at. */
static uint64_t look_cost(const struct wr_rowset *set, const struct wr_rowset_bounds *bounds,
                          uint64_t word_min, uint64_t word_max) {
    uint64_t cost = 0;
    for (uint32_t s = 0; s < set->count; s++) {
        const struct wr_rowset_slice *slice = set->slices[s];
        cost++;
        if (slice->indexed_blocks == slice->block_count ||
            wr_rowset_rules_out(&slice->zone, bounds, word_min, word_max))
            continue;
        for (uint32_t b = first_block(slice, bounds->until_min); b < slice->block_count; b++) {
            const struct wr_rowset_block *block = slice->blocks[b];
            cost += wr_rowset_rules_out(&block->zone, bounds, word_min, word_max)
                        ? 1
                        : 1 + block->count;
        }
    }
    return cost;
}

/* Whether the index pays: rows are looked at until that has cost as much. */
static int prepare(struct wr_rowset *set, const char *keys, const struct wr_rowset_bounds *bounds,
                   uint32_t count) {
    struct wr_rowset_bounds all = {INT64_MAX, INT64_MIN, INT64_MAX};
    uint64_t word_min = UINT64_MAX, word_max = 0;
    if (set->unindexed == 0)
        return WR_OK;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = wr_rowset_word(set, keys + (size_t)i * set->keys->key_bytes);
        all.time_min = WR_MIN(all.time_min, bounds[i].time_min);
        all.time_max = WR_MAX(all.time_max, bounds[i].time_max);
        all.until_min = WR_MIN(all.until_min, bounds[i].until_min);
        word_min = WR_MIN(word_min, word);
        word_max = WR_MAX(word_max, word);
    }
    set->scanned += count * look_cost(set, &all, word_min, word_max);
    return set->scanned > INDEX_COST * set->unindexed ? wr_rowset_index_all(set) : WR_OK;
}

static void find_chunk(const struct wr_rowset *set, const uint64_t *hashes, uint32_t count,
                       struct wr_rowset_row **heads) {
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_rowset_page *page = set->directory[directory_at(set, hashes[i])];
        __builtin_prefetch(&page->entries[(uint32_t)hashes[i] % PAGE_ENTRIES]);
    }
    for (uint32_t i = 0; i < count; i++) {
        heads[i] = page_find(set->directory[directory_at(set, hashes[i])], hashes[i])->head;
        if (heads[i] != NULL) {
            __builtin_prefetch(heads[i]);
            __builtin_prefetch((const char *)heads[i] + 64);
        }
    }
}

int wr_rowset_heads(struct wr_rowset *set, const char *keys, const uint64_t *hashes,
                    const struct wr_rowset_bounds *bounds, uint32_t count,
                    struct wr_rowset_row **heads) {
    int status = prepare(set, keys, bounds, count);
    if (status != WR_OK)
        return status;
    if (set->directory == NULL)
        memset(heads, 0, count * sizeof(struct wr_rowset_row *));
    for (uint32_t from = 0; set->directory != NULL && from < count; from += CHUNK)
        find_chunk(set, hashes + from, WR_MIN(CHUNK, count - from), heads + from);
    return WR_OK;
}

int wr_rowset_key_equal(const struct wr_rowset *set, const void *a, const void *b) {
    const uint8_t *x = a, *y = b;
    uint32_t at = 0;
    for (uint32_t i = 0; i <= set->keys->cell_count; i++) {
        int is_end = i == set->keys->cell_count;
        uint32_t to = is_end ? set->keys->key_bytes : set->keys->cells[i].offset;
        for (; at < to; at += 8) {
            uint64_t word_x, word_y;
            memcpy(&word_x, x + at, 8);
            memcpy(&word_y, y + at, 8);
            if (word_x != word_y)
                return 0;
        }
        if (!is_end && !wr_str_equal((const struct wr_str *)(const void *)(x + to),
                                     (const struct wr_str *)(const void *)(y + to)))
            return 0;
        at = to + (uint32_t)sizeof(struct wr_str);
    }
    return 1;
}

void wr_rowset_probe_begin(struct wr_rowset_probe *probe, struct wr_rowset *set, const char *key,
                           uint64_t hash, const struct wr_rowset_bounds *bounds,
                           struct wr_rowset_row *head) {
    *probe = (struct wr_rowset_probe){.set = set,
                                      .key = key,
                                      .hash = hash,
                                      .word = wr_rowset_word(set, key),
                                      .bounds = *bounds,
                                      .head = head,
                                      .at = head,
                                      .block = UINT32_MAX,
                                      .slice = set->unindexed == 0 ? set->count : 0};
    probe->cold.slice = set->rested == 0 ? set->count : 0;
    probe->cold.block = UINT32_MAX;
}

/* The next row of the hash in a block, from probe->row on. */
static struct wr_rowset_row *scan_block(struct wr_rowset_probe *probe,
                                        struct wr_rowset_block *block) {
    if (wr_rowset_rules_out(&block->zone, &probe->bounds, probe->word, probe->word))
        return NULL;
    while (probe->row < block->count) {
        struct wr_rowset_row *row = wr_rowset_at(probe->set, block, probe->row++);
        if (row->hash == probe->hash && wr_rowset_key_equal(probe->set, row->key, probe->key))
            return row;
    }
    return NULL;
}

static struct wr_rowset_row *scan_next(struct wr_rowset_probe *probe) {
    for (; probe->slice < probe->set->count; probe->slice++, probe->block = UINT32_MAX) {
        const struct wr_rowset_slice *slice = probe->set->slices[probe->slice];
        if (probe->block == UINT32_MAX) {
            if (wr_rowset_rules_out(&slice->zone, &probe->bounds, probe->word, probe->word))
                continue;
            probe->block = first_block(slice, probe->bounds.until_min);
            probe->row = probe->block == slice->indexed_blocks ? slice->indexed_rows : 0;
        }
        for (; probe->block < slice->block_count; probe->block++, probe->row = 0) {
            struct wr_rowset_row *row = scan_block(probe, slice->blocks[probe->block]);
            if (row != NULL)
                return row;
        }
    }
    return NULL;
}

struct wr_rowset_row *wr_rowset_probe_next(struct wr_rowset_probe *probe) {
    while (probe->at != NULL) {
        struct wr_rowset_row *row = probe->at;
        probe->at = row->next == probe->head ? NULL : row->next;
        if (wr_rowset_key_equal(probe->set, row->key, probe->key))
            return row;
    }
    struct wr_rowset_row *row = scan_next(probe);
    return row != NULL ? row : wr_rowset_probe_rested(probe);
}
