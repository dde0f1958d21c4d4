/* table_frozen.c: tables whose save goes on while they are changed. What is dirty when it begins is
 * held. wr_apart_copy copies held rows page by page, some at a time; a row that is to be changed
 * before its turn is copied first, and so are those of a chain in which rows are to move. What was
 * copied leaves in pieces through apart->give, each with few hashes, so that a restart reads few
 * of them for a key (table_owed.c): rows out of their turn are gathered by the first bits. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/page.h"
#include "base/banned.h"

#define EARLY_BITS_MAX 6u /* of the hash: rows out of their turn make so many pieces */
#define EARLY_PAGES 64u   /* of a piece, about */
#define EARLY_PART 4u     /* of the memory of the tables is taken by such pieces at most */
#define FEW_PAGES 8u      /* fewer than one in so many are listed */
#define HEADS_AHEAD 12u   /* pages: the head of one is asked for … */
#define ROWS_AHEAD 4u     /* … and, when it is here, the first of its rows */
#define AHEAD 8u          /* rows: what one has elsewhere is asked for; twice as many: itself */
#define CELL_LINES_MAX 3u /* cache lines that are asked for of it */
/* What work costs, in bytes of rows: */
#define CHAIN_COST_BYTES 64u
#define LISTED_COST_BYTES 512u

struct piece {
    struct wr_buf rows;
    struct wr_log_body body;
};

struct wr_frozen {
    struct wr_apart *apart;
    struct wr_table *table;
    struct wr_frozen *next; /* of apart->frozen */
    uint32_t set;           /* of the table; see apart.h */
    int64_t start_us;
    uint64_t row_count; /* of the table, as it was */
    /* Pages with held rows, where they are few (NULL in it: gone); else NULL, and the chains are
     * gone through in the order of their hashes. */
    struct wr_page **pages;
    uint32_t page_count;
    uint64_t at;         /* pages of the list, or chains of smaller hashes, have been copied */
    uint64_t room_bytes; /* of a piece, which ends behind the page that fills it */
    uint32_t early_bits;
    struct piece in_turn;
    struct piece early[1u << EARLY_BITS_MAX];
};

/* Room for the whole of a piece, once: to grow from nothing would copy as much as is gathered. */
static void make_room(struct wr_frozen *self, struct piece *piece) {
    if (piece->rows.room == 0)
        wr_buf_reserve(&piece->rows, self->room_bytes);
}

static void piece_clear(struct piece *piece) {
    wr_buf_clear(&piece->rows);
    piece->body = (struct wr_log_body){.hash_from = UINT64_MAX};
}

static void give_rows(struct wr_frozen *self, struct piece *piece) {
    struct wr_apart *apart = self->apart;
    if (piece->body.row_count == 0 || apart->failure != WR_OK)
        return;
    struct wr_buf bytes;
    wr_buf_init(&bytes, piece->rows.budget, 0);
    wr_apart_add_place(&bytes, self->set, self->start_us);
    wr_log_add_apart(self->table, &bytes, &piece->body, self->row_count, 0, piece->rows.length);
    int status = piece->rows.status != WR_OK ? piece->rows.status : bytes.status;
    if (status == WR_OK)
        status = apart->give(apart->give_ctx, &bytes, &piece->rows);
    apart->failure = status;
    wr_buf_release(&bytes);
    piece_clear(piece);
}

/* The slots of rows that are held, in `slots`, which are held no more. */
static uint32_t take_held(const struct wr_table *table, struct wr_page *page, uint16_t *slots) {
    uint64_t *held = wr_page_held(table, page), *saved = wr_page_saved(table, page);
    uint32_t count = 0;
    for (uint32_t word = 0; word < table->bit_words; word++) {
        for (uint64_t rows = held[word]; rows != 0; rows &= rows - 1)
            slots[count++] = (uint16_t)(word * 64 + (uint32_t)__builtin_ctzll(rows));
        saved[word] |= held[word];
        held[word] = 0;
    }
    return count;
}

/* What a row has elsewhere is on its way when its turn comes. */
static void fetch_cells(const struct wr_shape *shape, const uint8_t *row) {
    for (uint32_t i = 0; i < shape->cell_count; i++) {
        const struct wr_cell *cell = &shape->cells[i];
        const struct wr_str *str = (const struct wr_str *)(row + cell->offset);
        const struct wr_blob *blob = (const struct wr_blob *)(const void *)str;
        int is_string = cell->kind == WR_CELL_STRING;
        const char *bytes = is_string ? wr_str_bytes(str) : blob->bytes;
        uint32_t length = is_string ? str->length : blob->length;
        for (uint32_t line = 0; line < CELL_LINES_MAX && line * 64 < length; line++)
            __builtin_prefetch(bytes + (size_t)line * 64);
    }
}

static void fetch_row(const struct wr_table *table, const uint8_t *row) {
    __builtin_prefetch(row);
    __builtin_prefetch(row + table->row_bytes - 1);
}

/* The rows of `slots`, with what they have elsewhere, which lies in no order. */
static void copy_rows(const struct wr_table *table, const struct wr_page *page,
                      const uint16_t *slots, uint32_t count, struct wr_buf *out) {
    for (uint32_t i = 0; i < WR_MIN(count, 2 * AHEAD); i++)
        fetch_row(table, wr_page_row(table, page, slots[i]));
    for (uint32_t i = 0; i < WR_MIN(count, AHEAD); i++)
        fetch_cells(table->shape, wr_page_row(table, page, slots[i]));
    for (uint32_t i = 0; i < count; i++) {
        if (i + 2 * AHEAD < count)
            fetch_row(table, wr_page_row(table, page, slots[i + 2 * AHEAD]));
        if (i + AHEAD < count)
            fetch_cells(table->shape, wr_page_row(table, page, slots[i + AHEAD]));
        wr_log_add(table->shape, out, wr_page_row(table, page, slots[i]), 0, table->row_bytes);
    }
}

static uint64_t hash_of(const struct wr_table *table, const struct wr_page *page, uint32_t slot) {
    return wr_shape_hash(table->shape, wr_page_row(table, page, slot), table->seed);
}

/* `count` rows of a page have been copied to a piece; `hash`: of any of its rows. */
static void note_copied(struct wr_frozen *self, struct piece *piece, const struct wr_page *page,
                        uint64_t hash, uint32_t count) {
    piece->body.row_count += count;
    wr_log_widen(page, hash, &piece->body.hash_from, &piece->body.hash_to);
    if (piece->rows.length >= self->apart->piece_bytes || piece->rows.status != WR_OK)
        give_rows(self, piece);
}

static struct piece *early_of(struct wr_frozen *self, uint64_t hash) {
    return &self->early[self->early_bits == 0 ? 0 : hash >> (64 - self->early_bits)];
}

/* The same of a page that rests. */
static void copy_rested(struct wr_frozen *self, struct wr_page *page, int is_early) {
    struct wr_table *table = self->table;
    uint64_t hash = wr_rest_hash(page), count = 0;
    struct piece *piece = is_early ? early_of(self, hash) : &self->in_turn;
    if (!wr_rest_is_held(table, page))
        return;
    wr_apart_note(self->apart, wr_rest_add_rows(table, page, 0, &piece->rows, &count));
    wr_rest_note_saved(page);
    note_copied(self, piece, page, hash, (uint32_t)count);
}

/* The held rows of a page; out of their turn, or in it. */
static void copy_page(struct wr_frozen *self, struct wr_page *page, int is_early) {
    const struct wr_table *table = self->table;
    if (WR_UNLIKELY(page->rests)) {
        copy_rested(self, page, is_early);
        return;
    }
    WR_UNINITIALIZED uint16_t slots[WR_PAGE_INDEX_MAX];
    uint32_t count = take_held(table, page, slots);
    if (count == 0)
        return;
    uint64_t hash = hash_of(table, page, slots[0]);
    struct piece *piece = is_early ? early_of(self, hash) : &self->in_turn;
    make_room(self, piece);
    copy_rows(table, page, slots, count, &piece->rows);
    note_copied(self, piece, page, hash, count);
}

void wr_frozen_copy_row(struct wr_table *table, struct wr_page *page, uint32_t slot) {
    struct wr_frozen *self = table->frozen;
    uint64_t hash = hash_of(table, page, slot);
    struct piece *piece = early_of(self, hash);
    make_room(self, piece);
    wr_log_add(table->shape, &piece->rows, wr_page_row(table, page, slot), 0, table->row_bytes);
    wr_bit_set(wr_page_saved(table, page), slot);
    wr_bit_clear(wr_page_held(table, page), slot);
    note_copied(self, piece, page, hash, 1);
}

static void drop(struct wr_frozen *self) {
    struct wr_table *table = self->table;
    table->frozen = NULL;
    struct wr_frozen **link = &self->apart->frozen;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    wr_buf_release(&self->in_turn.rows);
    for (uint32_t i = 0; i < 1u << self->early_bits; i++)
        wr_buf_release(&self->early[i].rows);
    self->apart->frozen_count--;
    wr_table_give(table, self->pages);
    wr_table_give(table, self);
}

int wr_frozen_begin(struct wr_table *table, struct wr_apart *apart, int all) {
    WR_ASSERT(table->frozen == NULL);
    struct wr_frozen *self = wr_table_alloc(table, sizeof *self);
    if (self == NULL)
        return WR_ENOMEM;
    memset(self, 0, sizeof *self);
    self->apart = apart;
    self->table = table;
    self->set = apart->set;
    self->start_us = apart->start_us;
    self->row_count = wr_table_count(table);
    uint64_t pages = wr_pages_to_save(table, all);
    uint64_t page_bytes = table->bytes / WR_MAX(table->page_count, 1u);
    self->room_bytes =
        WR_MIN(WR_MIN(apart->piece_bytes, page_bytes) + apart->piece_bytes, pages * page_bytes);
    uint64_t early_max = apart->memory_bytes == 0 ? UINT64_MAX : apart->memory_bytes / EARLY_PART;
    while (self->early_bits < EARLY_BITS_MAX && pages >> self->early_bits > EARLY_PAGES &&
           self->room_bytes << (self->early_bits + 1) <= early_max)
        self->early_bits++;
    wr_buf_init(&self->in_turn.rows, apart->rows.budget, 0);
    piece_clear(&self->in_turn);
    for (uint32_t i = 0; i < 1u << self->early_bits; i++) {
        wr_buf_init(&self->early[i].rows, apart->rows.budget, 0);
        piece_clear(&self->early[i]);
    }
    if (!all && !table->all_listed && pages < table->page_count / FEW_PAGES) {
        self->pages = table->dirty_pages;
        self->page_count = table->dirty_count;
        table->dirty_pages = NULL;
    }
    wr_page_list_clear(table);
    uint32_t held_at = table->held_at; /* of which no bit is set */
    table->held_at = table->dirty_at;
    table->dirty_at = held_at;
    table->turn++;
    wr_rest_note_turn(table);
    table->frozen = self;
    self->next = apart->frozen;
    apart->frozen = self;
    apart->frozen_count++;
    return WR_OK;
}

/* Strings of its table may be in use, so that is not settled here. */
static void end(struct wr_frozen *self) {
    give_rows(self, &self->in_turn);
    for (uint32_t i = 0; i < 1u << self->early_bits; i++)
        give_rows(self, &self->early[i]);
    drop(self);
}

/* A page lies anywhere. So that copying does not wait for memory, its head and the bits of held
 * rows are asked for long before its turn, and when they are here its first held row. */
static void fetch_head(const struct wr_table *table, const struct wr_page *page) {
    if (page != NULL) {
        __builtin_prefetch(page);
        __builtin_prefetch((const char *)page + table->held_at);
    }
}

static void fetch_held(const struct wr_table *table, struct wr_page *page) {
    if (page == NULL || page->rests)
        return;
    const uint64_t *held = wr_page_held(table, page);
    for (uint32_t word = 0; word < table->bit_words; word++)
        if (held[word] != 0) {
            uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(held[word]);
            fetch_row(table, wr_page_row(table, page, slot));
            return;
        }
}

/* Listed pages from where it stands, until about so much has been done. 1: that was all. */
static int copy_listed(struct wr_frozen *self, uint64_t bytes) {
    const struct wr_table *table = self->table;
    uint64_t at = self->at, end = self->page_count;
    for (uint64_t i = at; i < WR_MIN(at + HEADS_AHEAD, end); i++)
        fetch_head(table, self->pages[i]);
    for (uint64_t done = 0; at < end && done < bytes; self->at = ++at) {
        if (at + HEADS_AHEAD < end)
            fetch_head(table, self->pages[at + HEADS_AHEAD]);
        if (at + ROWS_AHEAD < end)
            fetch_held(table, self->pages[at + ROWS_AHEAD]);
        if (self->pages[at] != NULL)
            copy_page(self, self->pages[at], 1);
        done += LISTED_COST_BYTES;
    }
    return at == end;
}

/* Of the directory: where the next chain begins. */
static uint64_t chain_behind(const struct wr_table *table, uint64_t index) {
    uint64_t end = UINT64_C(1) << table->depth;
    const struct wr_page *page = index < end ? table->directory[index] : NULL;
    while (index < end && table->directory[index] == page)
        index++;
    return index;
}

static struct wr_page *chain_at(const struct wr_table *table, uint64_t index) {
    return index < UINT64_C(1) << table->depth ? table->directory[index] : NULL;
}

/* The same with chains, in the order of their hashes. */
static int copy_chains(struct wr_frozen *self, uint64_t bytes) {
    const struct wr_table *table = self->table;
    uint64_t index = wr_directory_at(table, self->at), heads = index, rows = index;
    for (uint32_t i = 0; i < HEADS_AHEAD; i++) {
        fetch_head(table, chain_at(table, heads));
        heads = chain_behind(table, heads);
        rows = i < ROWS_AHEAD ? heads : rows;
    }
    int is_end = 0;
    for (uint64_t done = 0; !is_end && done < bytes;) {
        fetch_head(table, chain_at(table, heads));
        fetch_held(table, chain_at(table, rows));
        heads = chain_behind(table, heads);
        rows = chain_behind(table, rows);
        struct wr_page *page = table->directory[wr_directory_at(table, self->at)];
        uint64_t span = page->depth == 0 ? 0 : UINT64_C(1) << (64 - page->depth);
        for (; page != NULL; page = page->overflow) {
            uint64_t before = self->in_turn.rows.length;
            copy_page(self, page, 0);
            uint64_t now = self->in_turn.rows.length;
            done += CHAIN_COST_BYTES + (now > before ? now - before : now);
        }
        self->at = span == 0 ? 0 : (self->at & ~(span - 1)) + span;
        is_end = self->at == 0;
    }
    return is_end;
}

static int copy_some(struct wr_frozen *self, uint64_t bytes) {
    return self->pages != NULL ? copy_listed(self, bytes) : copy_chains(self, bytes);
}

void wr_frozen_finish(struct wr_table *table) {
    struct wr_frozen *self = table->frozen;
    if (self != NULL && copy_some(self, UINT64_MAX))
        end(self);
}

void wr_frozen_copy_chain(struct wr_table *table, struct wr_page *head) {
    struct wr_frozen *self = table->frozen;
    for (struct wr_page *page = head; self != NULL && page != NULL; page = page->overflow)
        copy_page(self, page, 1);
}

int wr_frozen_is_listed(const struct wr_table *table) {
    return table->frozen != NULL && table->frozen->pages != NULL;
}

void wr_frozen_forget_pages(struct wr_table *table) {
    struct wr_frozen *self = table->frozen;
    if (self != NULL && self->pages != NULL)
        self->page_count = (uint32_t)self->at;
}

void wr_frozen_forget_page(struct wr_table *table, const struct wr_page *page) {
    const struct wr_frozen *self = table->frozen;
    for (uint32_t i = 0; self != NULL && self->pages != NULL && i < self->page_count; i++)
        if (self->pages[i] == page)
            self->pages[i] = NULL;
}

int wr_apart_copy(struct wr_apart *apart, uint64_t bytes) {
    struct wr_frozen *self = apart->frozen;
    if (self != NULL && apart->failure == WR_OK && copy_some(self, bytes) &&
        apart->failure == WR_OK)
        end(self);
    return apart->failure != WR_OK ? apart->failure : apart->frozen == NULL ? WR_OK : WR_EAGAIN;
}

void wr_apart_drop_frozen(struct wr_apart *apart) {
    while (apart->frozen != NULL)
        drop(apart->frozen);
}
