/* page.h: the pages of a table, for the files of this room that make up `table.h`.
 *
 * A page is one allocation: header, block pointers, three bits a row (dirty; held: it is to be
 * copied for a save that is under way; saved), and the index.
 * Its rows lie densely in blocks of 2^block_shift rows, in the order in which they came: so a page
 * grows without moving its rows, and one that has just been split holds no more memory than its
 * rows need. The index is open addressing with linear probing: 16 bits an entry, a tag of hash bits
 * above the row's slot; 8 entries are compared at once. Its first 8 entries stand behind its end
 * again, so that a window of 8 never wraps.
 *
 *   hash:  [directory, from the top] … [tag: of bits 16 to 31, what the slot leaves] [home: low]
 *
 * A page whose split would make the directory too deep gets an overflow page behind it instead.
 * Invariant: in a chain all pages but the last are full. */
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/assert.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/hash.h"
#include "state/table.h"

#define WR_PAGE_BLOCK_BYTES 2560       /* a block of rows at most, if it has more than one */
#define WR_PAGE_FIRST_BYTES 640        /* the first block of a table begins with this */
#define WR_PAGE_INDEX_MIN 64u          /* entries; doubles up to what the row size asks for */
#define WR_PAGE_INDEX_MAX 2048u        /* entries: slots take 11 of 16 bits */
#define WR_PAGE_WINDOW 8u              /* entries that are compared at once */
#define WR_PAGE_EMPTY UINT16_MAX       /* no entry: its slot is beyond every row */
#define WR_PAGE_NONE UINT32_MAX        /* no slot */
#define WR_DIRECTORY_SLACK 4u          /* the directory is at most log2(pages) + this deep */
#define WR_SLAB_BYTES_MAX 1048576u     /* pages and blocks are cut from slabs of at most this */
#define WR_POOL_SIZES 28u              /* of small blobs, see text.c */
#define WR_LOG_MAGIC 0x316c7477u       /* "wtl1" */
#define WR_LOG_APART_MAGIC 0x31617477u /* "wta1" */

enum wr_key_kind {
    WR_KEY_WORD,  /* 8 bytes, no string */
    WR_KEY_FIXED, /* more, no string */
    WR_KEY_TEXT,  /* with strings */
};

struct wr_page {
    uint32_t count;      /* rows */
    uint32_t first_rows; /* rows for which block 0 has room; block_mask + 1 beyond small tables */
    uint8_t depth;       /* hash bits that all its rows share, from the top */
    uint8_t rests;       /* its rows are in a scratch file, and so is its index: page_rest.c */
    uint8_t used;        /* since page_rest.c looked at it last, where pages may rest */
    uint32_t listed;     /* the turn in whose list of dirty pages it stands; 0: in none */
    struct wr_page *overflow;
    uint8_t *blocks[];
};

/* Memory from which pages and blocks are cut; it goes when the table goes or is empty again. Only
 * the first page of a table and its block 0, which begin small, are allocations of their own. */
struct wr_slab {
    struct wr_slab *before;
    _Alignas(64) uint8_t bytes[];
};

struct wr_segment {
    struct wr_segment *before;
    uint32_t used, room; /* bytes */
    char bytes[];
};

/* Small blobs of a table. */
struct wr_pool {
    struct wr_segment *segment;    /* from which they are cut; the newest */
    uint8_t *spare[WR_POOL_SIZES]; /* given back, by size, chained by their first 8 bytes */
    uint64_t spare_bytes;
};

/* Pages that a save looks at: the listed ones, or all. */
struct wr_log_walk {
    struct wr_page *chain; /* what follows in the present chain */
    uint64_t at;
    int all;
};

/* How far a save in pieces has come. */
struct wr_log_saving {
    uint8_t active, all;
    uint8_t rests;               /* rows of `page`, which rests, are still to be written */
    uint64_t hash_from, hash_to; /* that rows of this piece may have */
    struct wr_log_walk walk;
    struct wr_page *page;
    uint32_t word;
    uint64_t rows; /* of this word of the page: those that are still to be written */
};

struct wr_frozen;
struct wr_owing;
struct wr_resting;
struct wr_table;

uint64_t wr_rest_rows(const struct wr_table *table); /* that rest in a scratch file */

struct wr_table {
    struct wr_page **directory; /* 2^depth entries; of a small table: &first */
    struct wr_page *first;
    const struct wr_shape *shape;
    uint64_t seed;
    uint64_t count; /* rows */
    uint64_t moves; /* how often rows or pages have moved */
    uint32_t depth;
    uint32_t page_count; /* overflow pages too */
    enum wr_key_kind key_kind;
    uint16_t tag_mask;
    uint32_t row_bytes, key_bytes;
    uint32_t page_bytes; /* the rows of a full page take at most about this */
    uint32_t key_cell_count;
    uint32_t block_shift, block_mask, block_count; /* rows a block: block_mask + 1; blocks a page */
    uint32_t index_mask, index_max;                /* entries now - 1, and in a full-grown page */
    uint32_t rows_max;                             /* rows of a full-grown page */
    uint32_t dirty_at, held_at, saved_at, index_at; /* byte offsets in a page */
    uint32_t bit_words;
    /* Dirty pages of this turn in the order in which they became so. NULL and all_listed: there was
     * no memory for the list, look at every page. A turn ends when the table is frozen. */
    uint32_t turn;
    struct wr_page **dirty_pages;
    uint32_t dirty_count, dirty_room;
    uint8_t all_listed;
    uint8_t was_saved;                   /* or loaded: the store knows of this table */
    struct wr_slab *slab;                /* the newest */
    uint32_t slab_used, slab_room;       /* bytes of it */
    uint8_t *spare_blocks, *spare_pages; /* given back, chained by their first 8 bytes */
    struct wr_segment *segment;          /* the newest */
    struct wr_pool *pool;                /* of small blobs; NULL: there has been none */
    uint64_t large_blobs;                /* those that are allocations of their own */
    uint64_t text_bytes,
        text_dead;         /* bytes of long strings in the segments, and those unreachable */
    struct wr_buf deleted; /* keys deleted since the last save, encoded as a log has them */
    uint64_t deleted_count;
    struct wr_log_saving saving;
    struct wr_budget *budget;
    uint64_t bytes;             /* all memory */
    uint64_t spare_bytes;       /* of it: given back by pages and rows, and not used yet */
    uint32_t unlike_batches;    /* see alike.c */
    struct wr_owing *owing;     /* rows that are still in the store; NULL: none */
    struct wr_resting *resting; /* rows in a scratch file; NULL: there has been none */
    struct wr_frozen *frozen;   /* a save of an earlier turn that has not come to its end */
};

static inline uint8_t *wr_page_row(const struct wr_table *table, const struct wr_page *page,
                                   uint32_t slot) {
    return page->blocks[slot >> table->block_shift] +
           (size_t)(slot & table->block_mask) * table->row_bytes;
}
/* Rows that are not in the store alone. */
static inline uint64_t wr_rows_read(const struct wr_table *table) {
    return table->count + (table->resting == NULL ? 0 : wr_rest_rows(table));
}
static inline uint64_t *wr_page_dirty(const struct wr_table *table, const struct wr_page *page) {
    return (uint64_t *)((uintptr_t)page + table->dirty_at);
}
static inline uint64_t *wr_page_held(const struct wr_table *table, const struct wr_page *page) {
    return (uint64_t *)((uintptr_t)page + table->held_at);
}
static inline uint64_t *wr_page_saved(const struct wr_table *table, const struct wr_page *page) {
    return (uint64_t *)((uintptr_t)page + table->saved_at);
}
static inline uint16_t *wr_page_index(const struct wr_table *table, const struct wr_page *page) {
    return (uint16_t *)((uintptr_t)page + table->index_at);
}
/* The rows of word `word` of a page, as bits: all; and those of which saves know that. */
enum wr_row_kind { WR_ROW_SAVED = 1, WR_ROW_DIRTY = 2, WR_ROW_KINDS = 4 };
static inline uint64_t wr_page_rows(const struct wr_page *page, uint32_t word) {
    if (page->count <= word * 64)
        return 0;
    uint32_t rest = page->count - word * 64;
    return rest >= 64 ? UINT64_MAX : (UINT64_C(1) << rest) - 1;
}
static inline uint64_t wr_page_rows_of(const struct wr_table *table, const struct wr_page *page,
                                       uint32_t word, unsigned kind) {
    uint64_t saved = wr_page_saved(table, page)[word], dirty = wr_page_dirty(table, page)[word];
    uint64_t rows = wr_page_rows(page, word) & (kind & WR_ROW_SAVED ? saved : ~saved);
    return rows & (kind & WR_ROW_DIRTY ? dirty : ~dirty);
}
static inline uint64_t wr_directory_at(const struct wr_table *table, uint64_t hash) {
    return hash >> 1 >> (63 - table->depth);
}
static inline uint16_t wr_page_tag(const struct wr_table *table, uint64_t hash) {
    return (uint16_t)(hash >> 16) & table->tag_mask;
}

static inline uint64_t wr_word(const void *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline int wr_words_equal(const uint8_t *a, const uint8_t *b, uint32_t from, uint32_t to) {
    uint64_t difference = 0;
    for (uint32_t at = from; at < to; at += 8)
        difference |= wr_word(a + at) ^ wr_word(b + at);
    return difference == 0;
}

static inline int wr_text_keys_equal(const struct wr_table *table, const uint8_t *a,
                                     const uint8_t *b) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < table->key_cell_count; i++) {
        uint32_t offset = table->shape->cells[i].offset;
        if (!wr_words_equal(a, b, at, offset) ||
            !wr_str_equal((const struct wr_str *)(a + offset), (const struct wr_str *)(b + offset)))
            return 0;
        at = offset + (uint32_t)sizeof(struct wr_str);
    }
    return wr_words_equal(a, b, at, table->key_bytes);
}

static inline __attribute__((always_inline)) int wr_table_key_equal(const struct wr_table *table,
                                                                    const void *a, const void *b,
                                                                    enum wr_key_kind kind) {
    if (kind == WR_KEY_WORD)
        return wr_word(a) == wr_word(b);
    if (kind == WR_KEY_FIXED)
        return wr_words_equal(a, b, 0, table->key_bytes);
    return wr_text_keys_equal(table, a, b);
}

/* Which of the 8 entries from `entries` on have `tag`, two bits each, cut at the first empty one;
 * `*ends` is not 0 when there is one. */
#if defined(__SSE2__)
static inline uint32_t wr_page_window(const uint16_t *entries, uint16_t tag, uint16_t tag_mask,
                                      uint32_t *ends) {
    __m128i window = _mm_loadu_si128((const __m128i *)entries);
    __m128i tags = _mm_and_si128(window, _mm_set1_epi16((short)tag_mask));
    uint32_t same = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag)));
    uint32_t empty = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(window, _mm_set1_epi16(-1)));
    *ends = empty;
    return same & ((empty & (0u - empty)) - 1);
}
#else
static inline uint32_t wr_page_window(const uint16_t *entries, uint16_t tag, uint16_t tag_mask,
                                      uint32_t *ends) {
    uint32_t same = 0;
    *ends = 0;
    for (uint32_t i = 0; i < WR_PAGE_WINDOW; i++) {
        if (entries[i] == WR_PAGE_EMPTY) {
            *ends = 1;
            break;
        }
        same |= (uint32_t)((entries[i] & tag_mask) == tag) * 3u << (2 * i);
    }
    return same;
}
#endif

/* The slot of a key in one page, or WR_PAGE_NONE. */
static inline __attribute__((always_inline)) uint32_t wr_page_find(const struct wr_table *table,
                                                                   const struct wr_page *page,
                                                                   const void *key, uint64_t hash,
                                                                   enum wr_key_kind kind) {
    const uint16_t *index = wr_page_index(table, page);
    uint16_t tag_mask = table->tag_mask, tag = wr_page_tag(table, hash);
    uint32_t position = (uint32_t)hash & table->index_mask;
    for (;;) {
        uint32_t ends;
        uint32_t same = wr_page_window(index + position, tag, tag_mask, &ends);
        while (same != 0) {
            uint32_t bit = (uint32_t)__builtin_ctz(same);
            uint32_t slot = index[position + bit / 2] & (uint16_t)~tag_mask;
            if (WR_LIKELY(wr_table_key_equal(table, wr_page_row(table, page, slot), key, kind)))
                return slot;
            same &= ~(3u << bit);
        }
        if (ends != 0)
            return WR_PAGE_NONE;
        position = (position + WR_PAGE_WINDOW) & table->index_mask;
    }
}

static inline int wr_page_is_listed(const struct wr_table *table, const struct wr_page *page) {
    return page->listed == table->turn;
}

/* How many pages a save looks at. */
static inline uint64_t wr_pages_to_save(const struct wr_table *table, int all) {
    return all || table->all_listed ? table->page_count : table->dirty_count;
}

/* table_frozen.c: dirty rows are held from now on, for a save that copies them in wr_apart_copy, or
 * before their page is changed. `all`: others will be held, too. WR_OK, or WR_ENOMEM with nothing
 * done. */
int wr_frozen_begin(struct wr_table *table, struct wr_apart *apart, int all);
/* Copies a row that is held … */
void wr_frozen_copy_row(struct wr_table *table, struct wr_page *page, uint32_t slot);
static inline void wr_frozen_row(struct wr_table *table, struct wr_page *page, uint32_t slot) {
    if (WR_UNLIKELY(table->frozen != NULL) && wr_bit_get(wr_page_held(table, page), slot))
        wr_frozen_copy_row(table, page, slot);
}
/* … those of a chain, before rows move in it … */
void wr_frozen_copy_chain(struct wr_table *table, struct wr_page *head);
/* … and all, before they go. */
void wr_frozen_finish(struct wr_table *table);
/* Whether the pages that are copied stand in a list. */
int wr_frozen_is_listed(const struct wr_table *table);
/* A page goes of which no row is held, or all of them. */
void wr_frozen_forget_pages(struct wr_table *table);
void wr_frozen_forget_page(struct wr_table *table, const struct wr_page *page);

/* Puts a page's dirty mark where the next save finds it. */
void wr_page_list(struct wr_table *table, struct wr_page *page);
void wr_page_list_clear(struct wr_table *table);

static inline void wr_page_mark(struct wr_table *table, struct wr_page *page, uint32_t slot) {
    wr_frozen_row(table, page, slot);
    if (!wr_page_is_listed(table, page))
        wr_page_list(table, page);
    wr_bit_set(wr_page_dirty(table, page), slot);
}

/* Memory that `bytes` counts. */
void *wr_table_alloc(struct wr_table *table, size_t size_bytes);
void wr_table_give(struct wr_table *table, void *memory);
/* Room for one more element behind `count`, as wr_grow gives it, of the table's memory. WR_OK, or
 * WR_ENOMEM with the array untouched. */
int wr_table_grow(struct wr_table *table, void **array, uint32_t count, uint32_t *room,
                  size_t element_bytes);

/* The geometry, and one small empty page. */
int wr_pages_init(struct wr_table *table);
/* Gives all pages and rows back, not the strings and blobs; the table has no page then. */
void wr_pages_release(struct wr_table *table);
/* Of a table as wr_pages_init leaves it: it begins as large as for so many rows, up to a page. */
int wr_pages_expect(struct wr_table *table, uint64_t row_count);
/* Makes room for one more row in the chain of `hash`; may move rows of that chain and of no other.
 * WR_OK, or WR_ENOMEM with all rows where they can be found. */
int wr_pages_reserve(struct wr_table *table, uint64_t hash);
/* Whether that would move rows or change the chain. */
int wr_pages_full(const struct wr_table *table, uint64_t hash);
/* Adds a row of zeros for which room was reserved. Sets `*page` and `*slot`. */
uint8_t *wr_pages_add(struct wr_table *table, uint64_t hash, struct wr_page **page, uint32_t *slot);
/* Takes the row out, with what its cells own; the last of the chain takes its place. */
void wr_pages_remove(struct wr_table *table, struct wr_page *page, uint32_t slot, uint64_t hash);
/* page_list.c: puts the dirty pages into the order of their hashes, where that is worth it. */
void wr_pages_order_dirty(struct wr_table *table);
/* The page and slot of a key; NULL: there is none. */
struct wr_page *wr_pages_find(const struct wr_table *table, const void *key, uint64_t hash,
                              uint32_t *slot);

/* Room for `length` bytes of a long string without a further allocation. */
int wr_text_reserve(struct wr_table *table, uint64_t length);
/* Copies a long string into the segments; NULL: out of memory. */
const char *wr_text_copy(struct wr_table *table, const char *bytes, uint32_t length);
void wr_text_release(struct wr_table *table);
/* Gives back the memory of small blobs, of which none is left. */
void wr_pool_release(struct wr_table *table);
/* Gives up what the cells of a row own. */
void wr_row_release(struct wr_table *table, uint8_t *row);
/* Encodes a key as a log has it. */
void wr_log_add_key(const struct wr_table *table, struct wr_buf *out, const uint8_t *key);
/* Encodes the bytes [from, to) of a row, its strings and blobs too. */
void wr_log_add(const struct wr_shape *shape, struct wr_buf *out, const uint8_t *row, uint32_t from,
                uint32_t to);
/* Reads the bytes [0, to) of a row that was encoded, of which no cell is a blob. Strings are views
 * into the reader's bytes. in->failed: damaged. */
void wr_log_read(const struct wr_shape *shape, struct wr_reader *in, uint8_t *row, uint32_t to);
/* A page without rows, which stands in no directory yet; NULL: out of memory. */
struct wr_page *wr_pages_new(struct wr_table *table, uint32_t depth);
/* Where keys of `hash` are looked for, in the place of the chain that has been there. */
void wr_pages_put(struct wr_table *table, uint64_t hash, struct wr_page *page);
/* Gives a chain back that is in no directory and has no row that owns anything. */
void wr_pages_give(struct wr_table *table, struct wr_page *head);
/* All memory of pages and rows, of which none is in use. */
void wr_slabs_release(struct wr_table *table);

/* page_rest.c: chains of pages that rest in a scratch file. Awake are from now on those of these
 * hashes, or all. WR_OK or a negative status. */
int wr_rest_need(struct wr_table *table, const uint64_t *hashes, uint32_t count);
int wr_rest_complete(struct wr_table *table);
/* The chain of a directory entry; *at: its entry then, since the directory may have grown. */
int wr_rest_wake(struct wr_table *table, uint64_t *at);
/* Gives up what the rows of a chain own, which are no more then. */
void wr_pages_empty(struct wr_table *table, struct wr_page *head);
/* Of a page that rests: the hash of one of its rows; whether rows of it are dirty in this turn
 * (`all`: any), or are to be copied for a save of an earlier one. */
uint64_t wr_rest_hash(const struct wr_page *page);
int wr_rest_is_wanted(const struct wr_page *page, int all);
int wr_rest_is_held(const struct wr_table *table, const struct wr_page *page);
void wr_rest_hold(struct wr_page *page); /* all of it */
/* Appends the rows that wr_rest_is_wanted or wr_rest_is_held means, as a log has them; they count
 * as saved when that is noted. WR_OK or a negative status. */
int wr_rest_add_rows(struct wr_table *table, const struct wr_page *page, int all,
                     struct wr_buf *out, uint64_t *row_count);
void wr_rest_note_saved(struct wr_page *page);
/* Where pages rest there is no list of dirty ones; whether there is any then. */
int wr_rest_has_changed(const struct wr_table *table);
void wr_rest_note_listed(struct wr_table *table);
void wr_rest_note_turn(struct wr_table *table);
/* A chain became two, of these hashes. */
void wr_rest_note_split(struct wr_table *table, uint64_t low, uint64_t high);
/* Lets pages rest until the table takes no more than `bytes_max`, or no page is left that could.
 * WR_OK or a negative status. */
int wr_table_relieve(struct wr_table *table, struct wr_apart *apart, uint64_t bytes_max);
/* Memory but for what was given back. */
uint64_t wr_table_live_bytes(const struct wr_table *table);
/* What rests is not wanted any more. */
void wr_rest_forget(struct wr_table *table);

/* Steps over what of a row follows its key. */
void wr_log_skip_rest(const struct wr_shape *shape, struct wr_reader *in);
/* table_owed.c: reads rows that have one of these hashes, or all. WR_OK or a negative status. */
int wr_owed_need(struct wr_table *table, const uint64_t *hashes, uint32_t count);
int wr_owed_complete(struct wr_table *table);
int wr_owed_read(struct wr_table *table, uint64_t bytes); /* some of them, about so much */
/* What is loaded into a table may rest in parts, between two rows of a log: only so much stays. */
int wr_owed_relieve(struct wr_table *table, struct wr_apart *apart);
void wr_owed_forget(struct wr_table *table);
uint64_t wr_owed_rows(const struct wr_table *table);
uint64_t wr_owed_bytes(const struct wr_table *table); /* as they were saved, of all ranges */
/* log.c: the deletions and rows of a body. */
struct wr_log_body {
    uint64_t deleted_count, row_count, hash_from, hash_to;
};
/* Says of such a body where it lies among the rows of a piece; `table_rows`: of the whole table. */
void wr_log_add_apart(const struct wr_table *table, struct wr_buf *out,
                      const struct wr_log_body *body, uint64_t table_rows, size_t at,
                      size_t length);
/* Widens a range to that of a page's rows, of which `hash` is one's. */
void wr_log_widen(const struct wr_page *page, uint64_t hash, uint64_t *hash_from,
                  uint64_t *hash_to);
/* Those with hashes whose first `depth` bits are a number that is wanted. */
struct wr_log_filter {
    const uint64_t *wanted; /* bits */
    uint32_t depth;
    struct wr_apart *rests; /* where rows go while others are read; NULL: they stay in memory */
};
int wr_log_load_body(struct wr_table *table, struct wr_reader *in, const struct wr_log_body *body,
                     const struct wr_log_filter *filter);
/* So many rows of keys that are not there. WR_OK or a negative status. */
int wr_log_load_new(struct wr_table *table, struct wr_reader *in, uint64_t row_count, int saved,
                    int dirty);
/* Rows behind their number, as a log has them, of which saves know that. */
int wr_log_load_rows(struct wr_table *table, struct wr_reader *in, int saved, int dirty);
/* No row is dirty: no page is listed either. */
void wr_log_unlist(struct wr_table *table);
/* How rows are laid out, and whether that is said next. */
void wr_log_add_shape(const struct wr_shape *shape, struct wr_buf *out);
int wr_log_shape_matches(const struct wr_shape *shape, struct wr_reader *in);
