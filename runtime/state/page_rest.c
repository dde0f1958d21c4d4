/* page_rest.c: chains of pages that rest in a scratch file, where a table takes more memory than it
 * should. In the place of such a chain stands a page without rows and without an index; its rows
 * lie in the file as a log has them:
 *
 *   blob:  { u8 kind (enum wr_row_kind) · u32 rows · u32 bytes · rows } each
 *
 * A chain comes back, as it was but for the places of its rows, when a key of it is asked for.
 * Those rest first that have not been asked for since the hand came by last (clock, second chance).
 * Where pages rest there is no list of dirty pages: a save looks at all. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/page.h"
#include "state/scratch.h"
#include "state/slices.h"
#include "base/banned.h"

#define SCRATCH_UNIT_BYTES 4096u
#define SECTION_BYTES 9u
#define TABLES_MAX 64u   /* that are relieved at once */
#define LOOKS_A_MOVE 64u /* at chains, for each that came, rested or was split */

/* Of a chain that rests; behind the head of the page that stands for it, which has no more. */
struct rested {
    struct wr_scratch_blob blob;
    uint64_t hash; /* one that its rows may have */
    uint32_t rows;
    uint32_t turn;       /* in which its dirty rows became so; 0: none is */
    uint8_t is_saved;    /* all rows are, whatever the blob says */
    uint8_t is_held_all; /* for a save of all rows that is under way */
};

struct wr_resting {
    struct wr_apart *apart;
    uint64_t rows, length; /* that rest; their bytes in the file */
    uint32_t chains;
    /* Chains that are awake, by a hash each, some twice, and some that rest again; which of them is
     * looked at next. */
    uint64_t *awake;
    uint32_t awake_count, awake_room, hand;
    uint64_t listed_at; /* table->moves when all of it was made */
    uint8_t has_changed;
    struct wr_buf bytes; /* of the blob at hand */
};

static struct rested *rested_of(const struct wr_page *page) {
    return (struct rested *)(uintptr_t)(page + 1);
}

uint64_t wr_rest_rows(const struct wr_table *table) {
    return table->resting->rows;
}

uint64_t wr_rest_hash(const struct wr_page *page) {
    return rested_of(page)->hash;
}

/* ---- what saves know ---- */

int wr_rest_is_wanted(const struct wr_page *page, int all) {
    return all || rested_of(page)->turn != 0;
}

int wr_rest_is_held(const struct wr_table *table, const struct wr_page *page) {
    const struct rested *rested = rested_of(page);
    return rested->is_held_all || (rested->turn != 0 && rested->turn < table->turn);
}

void wr_rest_hold(struct wr_page *page) {
    rested_of(page)->is_held_all = 1;
}

void wr_rest_note_saved(struct wr_page *page) {
    struct rested *rested = rested_of(page);
    rested->turn = 0;
    rested->is_saved = 1;
    rested->is_held_all = 0;
}

int wr_rest_has_changed(const struct wr_table *table) {
    return table->resting->has_changed;
}

void wr_rest_note_listed(struct wr_table *table) {
    table->resting->has_changed = 1;
}

void wr_rest_note_turn(struct wr_table *table) {
    if (table->resting == NULL)
        return;
    table->resting->has_changed = 0;
    table->all_listed = 1;
}

/* ---- blobs ---- */

static int read_blob(struct wr_table *table, const struct rested *rested, struct wr_reader *in) {
    struct wr_resting *resting = table->resting;
    wr_buf_clear(&resting->bytes);
    int status = wr_buf_reserve(&resting->bytes, rested->blob.length);
    if (status == WR_OK && rested->rows > 0)
        status = wr_scratch_get(resting->apart->scratch, &rested->blob, resting->bytes.bytes,
                                wr_apart_error(resting->apart));
    *in = (struct wr_reader){.bytes = resting->bytes.bytes, .length = rested->blob.length};
    return status;
}

struct section {
    unsigned kind;
    uint32_t rows;
    struct wr_reader bytes;
};

/* 0: there is no more. Their hash was right: they are what was written. */
static int section_next(struct wr_reader *in, struct section *section) {
    if (in->at == in->length)
        return 0;
    section->kind = (unsigned char)*wr_reader_bytes(in, 1);
    section->rows = wr_reader_u32(in);
    uint32_t length = wr_reader_u32(in);
    section->bytes = (struct wr_reader){.bytes = wr_reader_bytes(in, length), .length = length};
    WR_ASSERT(!in->failed);
    return 1;
}

int wr_rest_add_rows(struct wr_table *table, const struct wr_page *page, int all,
                     struct wr_buf *out, uint64_t *row_count) {
    const struct rested *rested = rested_of(page);
    struct section section;
    struct wr_reader in;
    int status = read_blob(table, rested, &in);
    while (status == WR_OK && section_next(&in, &section)) {
        int is_dirty = (section.kind & WR_ROW_DIRTY) && !rested->is_saved;
        if (!all && !rested->is_held_all && !is_dirty)
            continue;
        status = wr_buf_add(out, section.bytes.bytes, section.bytes.length);
        *row_count += section.rows;
    }
    return status;
}

/* How many there are. */
static uint32_t add_section(const struct wr_table *table, const struct wr_page *head,
                            unsigned kind) {
    struct wr_buf *out = &table->resting->bytes;
    size_t start = out->length;
    uint32_t count = 0;
    wr_buf_add_char(out, (char)kind);
    wr_buf_add_u32(out, 0);
    wr_buf_add_u32(out, 0);
    for (const struct wr_page *page = head; page != NULL; page = page->overflow)
        for (uint32_t word = 0; word < table->bit_words; word++)
            for (uint64_t rows = wr_page_rows_of(table, page, word, kind); rows != 0;
                 rows &= rows - 1) {
                uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(rows);
                wr_log_add(table->shape, out, wr_page_row(table, page, slot), 0, table->row_bytes);
                count++;
            }
    if (out->status != WR_OK)
        return count;
    uint32_t length = (uint32_t)(out->length - start - SECTION_BYTES);
    memcpy(out->bytes + start + 1, &count, sizeof count);
    memcpy(out->bytes + start + 5, &length, sizeof length);
    if (count == 0)
        out->length = start;
    return count;
}

/* ---- to rest ---- */

void wr_pages_empty(struct wr_table *table, struct wr_page *head) {
    for (struct wr_page *page = head; page != NULL; page = page->overflow) {
        for (uint32_t slot = 0; slot < page->count && table->shape->cell_count > 0; slot++)
            wr_row_release(table, wr_page_row(table, page, slot));
        table->count -= page->count;
        page->count = 0;
    }
}

/* The page that stands in the place of a chain; NULL: out of memory. */
static struct wr_page *stand_in_new(struct wr_table *table, const struct wr_page *head) {
    size_t bytes = sizeof(struct wr_page) + sizeof(struct rested);
    struct wr_page *page = wr_table_alloc(table, bytes);
    if (page == NULL)
        return NULL;
    memset(page, 0, bytes);
    page->depth = head->depth;
    page->rests = 1;
    return page;
}

/* `hash`: one that its rows may have. */
static int chain_rest(struct wr_table *table, struct wr_page *head, uint64_t hash) {
    struct wr_resting *resting = table->resting;
    wr_frozen_copy_chain(table, head);
    struct wr_page *page = stand_in_new(table, head);
    if (page == NULL)
        return WR_ENOMEM;
    struct rested *rested = rested_of(page);
    rested->hash = hash;
    wr_buf_clear(&resting->bytes);
    for (unsigned kind = 0; kind < WR_ROW_KINDS; kind++) {
        uint32_t count = add_section(table, head, kind);
        rested->rows += count;
        if ((kind & WR_ROW_DIRTY) && count > 0)
            rested->turn = page->listed = table->turn;
    }
    int status = resting->bytes.status;
    if (status == WR_OK && rested->rows > 0)
        status =
            wr_scratch_put(resting->apart->scratch, resting->bytes.bytes, resting->bytes.length,
                           &rested->blob, wr_apart_error(resting->apart));
    if (status != WR_OK) {
        wr_table_give(table, page);
        return status;
    }
    wr_pages_empty(table, head);
    resting->rows += rested->rows;
    resting->length += rested->blob.length;
    resting->chains++;
    wr_pages_put(table, rested->hash, page);
    wr_pages_give(table, head);
    table->page_count++;
    table->moves++;
    return WR_OK;
}

/* ---- awake ---- */

static int note_awake(struct wr_table *table, uint64_t hash) {
    struct wr_resting *resting = table->resting;
    if (wr_table_grow(table, (void **)&resting->awake, resting->awake_count, &resting->awake_room,
                      sizeof *resting->awake) != WR_OK)
        return WR_ENOMEM;
    resting->awake[resting->awake_count++] = hash;
    return WR_OK;
}

void wr_rest_note_split(struct wr_table *table, uint64_t low, uint64_t high) {
    /* Without memory for it they are found when the list is made anew. */
    if (note_awake(table, low) == WR_OK)
        (void)note_awake(table, high);
}

/* Goes over the whole directory, most of which may rest. */
static int list_awake(struct wr_table *table) {
    struct wr_resting *resting = table->resting;
    int status = WR_OK;
    resting->awake_count = resting->hand = 0;
    resting->listed_at = table->moves;
    for (uint64_t at = 0; at < UINT64_C(1) << table->depth && status == WR_OK;) {
        const struct wr_page *page = table->directory[at];
        if (!page->rests && page->count > 0)
            status = note_awake(table, table->depth == 0 ? 0 : at << (64 - table->depth));
        at += UINT64_C(1) << (table->depth - page->depth);
    }
    return status;
}

static int chain_wake(struct wr_table *table, struct wr_page *page) {
    struct wr_resting *resting = table->resting;
    const struct rested *rested = rested_of(page);
    struct section section;
    struct wr_reader in;
    wr_frozen_copy_chain(table, page);
    int status = read_blob(table, rested, &in);
    struct wr_page *fresh = status == WR_OK ? wr_pages_new(table, page->depth) : NULL;
    if (fresh == NULL)
        return status == WR_OK ? WR_ENOMEM : status;
    fresh->used = 1;
    wr_pages_put(table, rested->hash, fresh);
    status = note_awake(table, rested->hash);
    while (status == WR_OK && section_next(&in, &section)) {
        int saved = rested->is_saved || (section.kind & WR_ROW_SAVED);
        int dirty = !rested->is_saved && (section.kind & WR_ROW_DIRTY);
        status = wr_log_load_new(table, &section.bytes, section.rows, saved, dirty);
    }
    resting->rows -= rested->rows;
    resting->length -= rested->blob.length;
    resting->chains--;
    wr_scratch_drop(resting->apart->scratch, &rested_of(page)->blob);
    wr_table_give(table, page);
    table->page_count--;
    table->moves++;
    return status;
}

int wr_rest_wake(struct wr_table *table, uint64_t *at) {
    struct wr_page *page = table->directory[*at];
    uint32_t depth = table->depth;
    if (!page->rests)
        return WR_OK;
    int status = chain_wake(table, page);
    *at <<= table->depth - depth;
    return wr_apart_note(table->resting->apart, status);
}

int wr_rest_need(struct wr_table *table, const uint64_t *hashes, uint32_t count) {
    int status = WR_OK;
    if (table->resting->chains == 0)
        return WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct wr_page *page = table->directory[wr_directory_at(table, hashes[i])];
        if (page->rests)
            status = chain_wake(table, page);
        else
            page->used = 1;
    }
    return wr_apart_note(table->resting->apart, status);
}

int wr_rest_complete(struct wr_table *table) {
    int status = WR_OK;
    for (uint64_t at = 0; at < UINT64_C(1) << table->depth && status == WR_OK;) {
        status = wr_rest_wake(table, &at);
        at += UINT64_C(1) << (table->depth - table->directory[at]->depth);
    }
    return status;
}

void wr_rest_forget(struct wr_table *table) {
    struct wr_resting *resting = table->resting;
    if (resting == NULL)
        return;
    table->resting = NULL;
    for (uint64_t at = 0; at < UINT64_C(1) << table->depth && resting->chains > 0;) {
        struct wr_page *page = table->directory[at];
        at += UINT64_C(1) << (table->depth - page->depth);
        if (!page->rests)
            continue;
        resting->chains--;
        wr_scratch_drop(resting->apart->scratch, &rested_of(page)->blob);
        wr_table_give(table, page);
    }
    wr_buf_release(&resting->bytes);
    wr_table_give(table, resting->awake);
    wr_table_give(table, resting);
}

/* ---- which ---- */

uint64_t wr_table_live_bytes(const struct wr_table *table) {
    uint64_t spare = table->spare_bytes + table->text_dead;
    if (table->pool != NULL)
        spare += table->pool->spare_bytes;
    return table->bytes > spare ? table->bytes - spare : 0;
}

int wr_apart_make_scratch(struct wr_apart *apart, struct wr_budget *budget) {
    return apart->scratch != NULL
               ? WR_OK
               : wr_scratch_new(&apart->scratch, apart->env, budget, SCRATCH_UNIT_BYTES);
}

static int begin(struct wr_table *table, struct wr_apart *apart) {
    if (wr_apart_make_scratch(apart, table->budget) != WR_OK)
        return WR_ENOMEM;
    struct wr_resting *resting = wr_table_alloc(table, sizeof *resting);
    if (resting == NULL)
        return WR_ENOMEM;
    *resting = (struct wr_resting){.apart = apart};
    wr_buf_init(&resting->bytes, table->budget, 0);
    resting->has_changed = (uint8_t)(table->dirty_count > 0 || table->all_listed);
    wr_page_list_clear(table);
    table->all_listed = 1;
    table->resting = resting;
    return WR_OK;
}

/* Chains of the list, each twice at most, since one that was asked for stays once. */
static int rest_listed(struct wr_table *table, uint64_t bytes_max) {
    struct wr_resting *resting = table->resting;
    uint64_t looks = 2 * (uint64_t)resting->awake_count;
    int status = WR_OK;
    for (; looks > 0 && resting->awake_count > 0 && status == WR_OK; looks--) {
        if (wr_table_live_bytes(table) <= bytes_max)
            break;
        if (resting->hand >= resting->awake_count)
            resting->hand = 0;
        uint64_t hash = resting->awake[resting->hand];
        struct wr_page *page = table->directory[wr_directory_at(table, hash)];
        if (!page->rests && page->used) {
            page->used = 0;
            resting->hand++;
            continue;
        }
        if (!page->rests && page->count > 0)
            status = chain_rest(table, page, hash);
        resting->awake[resting->hand] = resting->awake[--resting->awake_count];
    }
    return status;
}

int wr_table_relieve(struct wr_table *table, struct wr_apart *apart, uint64_t bytes_max) {
    int status = WR_OK;
    if (table->depth == 0 || table->saving.active || wr_frozen_is_listed(table))
        return WR_OK;
    if (table->resting == NULL)
        status = begin(table, apart);
    if (status == WR_OK)
        status = rest_listed(table, bytes_max);
    /* To make the list costs a look at each chain: not for fewer moves than are worth that. */
    uint64_t moves_min = WR_MAX((UINT64_C(1) << table->depth) / LOOKS_A_MOVE, UINT64_C(1));
    if (status != WR_OK || wr_table_live_bytes(table) <= bytes_max ||
        (table->resting->listed_at != 0 && table->moves - table->resting->listed_at < moves_min))
        return status;
    status = list_awake(table);
    return status == WR_OK ? rest_listed(table, bytes_max) : status;
}

/* All chains rest, and the memory goes that they had. */
static int pack(struct wr_table *table) {
    int status = WR_OK;
    if (table->depth == 0 || table->resting == NULL || table->saving.active ||
        wr_frozen_is_listed(table))
        return WR_OK;
    for (uint64_t at = 0; at < UINT64_C(1) << table->depth && status == WR_OK;) {
        struct wr_page *page = table->directory[at];
        uint64_t hash = at << (64 - table->depth);
        at += UINT64_C(1) << (table->depth - page->depth);
        if (!page->rests)
            status = chain_rest(table, page, hash);
    }
    table->resting->awake_count = 0;
    if (status == WR_OK && table->resting->chains == table->page_count)
        wr_slabs_release(table);
    return status;
}

/* ---- of a stage ---- */

uint64_t wr_apart_live_bytes(const struct wr_apart *apart) {
    uint64_t bytes = 0;
    for (uint32_t s = 0; s < apart->set_count; s++)
        for (uint32_t i = 0; i < apart->sets[s]->count; i++)
            bytes += wr_table_live_bytes(apart->sets[s]->items[i].table);
    return bytes;
}

/* Of a row in memory, and what it has elsewhere: no less than in the file. */
static uint64_t chain_bytes(const struct wr_table *table) {
    const struct wr_resting *resting = table->resting;
    if (resting == NULL || resting->rows == 0)
        return 0;
    uint64_t rows = wr_rows_read(table) / WR_MAX(table->page_count, 1u) + 1;
    return rows * (table->row_bytes + resting->length / resting->rows) + table->index_at;
}

uint64_t wr_apart_chain_bytes(const struct wr_apart *apart) {
    uint64_t most = 0;
    for (uint32_t s = 0; s < apart->set_count; s++)
        for (uint32_t i = 0; i < apart->sets[s]->count; i++) {
            uint64_t bytes = chain_bytes(apart->sets[s]->items[i].table);
            most = WR_MAX(most, bytes);
        }
    return most;
}

/* The largest table of a stage. */
static struct wr_table *largest(const struct wr_apart *apart) {
    struct wr_table *found = NULL;
    for (uint32_t s = 0; s < apart->set_count; s++)
        for (uint32_t i = 0; i < apart->sets[s]->count; i++) {
            struct wr_table *table = apart->sets[s]->items[i].table;
            if (found == NULL || wr_table_live_bytes(table) > wr_table_live_bytes(found))
                found = table;
        }
    return found;
}

int wr_apart_is_full(const struct wr_apart *apart) {
    uint64_t max = apart->memory_bytes;
    return max > 0 && apart->set_count > 0 && apart->sets[0]->budget->bytes_used >= max &&
           wr_apart_live_bytes(apart) > max;
}

/* Memory that pages of one table had is none for those of another: the table gives it back that
 * uses the least of what it has. */
static int relieve_spare(const struct wr_apart *apart) {
    struct wr_table *found = NULL;
    uint64_t total = 0;
    for (uint32_t s = 0; s < apart->set_count; s++)
        for (uint32_t i = 0; i < apart->sets[s]->count; i++) {
            struct wr_table *table = apart->sets[s]->items[i].table;
            total += table->bytes;
            if (found == NULL || table->spare_bytes > found->spare_bytes)
                found = table;
        }
    uint64_t max = apart->memory_bytes;
    return found != NULL && total > max + max / 4 && found->spare_bytes > found->bytes / 2
               ? pack(found)
               : WR_OK;
}

/* An eighth is free then, so that the next row does not bring the next page to rest. */
int wr_apart_relieve(struct wr_apart *apart) {
    if (apart->pages_stay || !wr_apart_is_full(apart))
        return WR_OK;
    uint64_t max = apart->memory_bytes, bytes = wr_apart_live_bytes(apart);
    int status = WR_OK;
    for (uint32_t tries = 0; status == WR_OK && bytes > max - max / 8 && tries < TABLES_MAX;
         tries++) {
        struct wr_table *table = largest(apart);
        uint64_t own = wr_table_live_bytes(table), excess = bytes - (max - max / 8);
        status = wr_table_relieve(table, apart, own > excess ? own - excess : 0);
        if (wr_table_live_bytes(table) == own)
            break; /* it gives no more */
        bytes = wr_apart_live_bytes(apart);
    }
    return status == WR_OK ? relieve_spare(apart) : status;
}

uint64_t wr_apart_resting_bytes(const struct wr_apart *apart) {
    return wr_scratch_bytes(apart->scratch);
}

uint64_t wr_apart_spilled_bytes(const struct wr_apart *apart) {
    return wr_scratch_bytes_peak(apart->scratch);
}
