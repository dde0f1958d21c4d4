#include "state/scatter.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/page.h"
#include "state/scratch.h"
#include "base/banned.h"

#define PARTS_MIN 4u
#define PARTS_MAX 64u
#define MEMORY_PART 8u /* of the memory of the tables is for blocks that are filled … */
#define BLOCK_BYTES_MIN 4096u
#define BLOCK_BYTES_MAX 65536u
#define FILTER_PART 16u /* … and so much for the filter of keys */
#define FILTER_WORDS_MIN 64u
#define LENGTH_BYTES_MAX 5u /* a varint of 32 bits */
#define LEVEL_SEED UINT64_C(0x5ca77e7ed0000000)

struct block {
    struct wr_scratch_blob blob;
    uint32_t count; /* rows or groups */
    uint8_t has_groups;
};

struct part {
    struct wr_buf bytes; /* of the block that is filled */
    uint32_t count;
    uint32_t block_count, block_room;
    struct block *blocks;
};

struct wr_scatter {
    const struct wr_scatter_form *form;
    uint64_t level_seed;
    uint32_t shift; /* by_range: bits that all hashes share */
    uint64_t bytes; /* that were added */
    size_t block_bytes;
    uint8_t *widths;      /* of columns; 0: text */
    uint32_t nil_bytes;   /* of a row */
    uint32_t fixed_bytes; /* of a row at most, but for its texts */
    uint32_t part_count, part_shift;
    struct part *parts;
    uint64_t *filter;                   /* a word for a key, of whose bits it sets four */
    uint64_t filter_words, filter_bits; /* a power of two; those that are set */
    uint32_t part, block;               /* reading: where it stands */
};

/* ---- which part ---- */

/* Bits of it that no table and no other level go by; or those of its range. */
static uint64_t mix(const struct wr_scatter *self, uint64_t hash) {
    return self->form->by_range ? hash << self->shift : wr_hash_u64(hash, self->level_seed);
}

static struct part *part_of(const struct wr_scatter *self, uint64_t mixed) {
    return &self->parts[mixed >> self->part_shift];
}

static uint64_t filter_mask(uint64_t mixed) {
    return UINT64_C(1) << (mixed & 63) | UINT64_C(1) << (mixed >> 6 & 63) |
           UINT64_C(1) << (mixed >> 12 & 63) | UINT64_C(1) << (mixed >> 18 & 63);
}

static uint64_t *filter_word(const struct wr_scatter *self, uint64_t mixed) {
    return &self->filter[mixed >> 24 & (self->filter_words - 1)];
}

static void note(struct wr_scatter *self, uint64_t mixed) {
    uint64_t *word = filter_word(self, mixed), before = *word;
    *word |= filter_mask(mixed);
    self->filter_bits += (uint64_t)__builtin_popcountll(*word ^ before);
}

int wr_scatter_may_have(const struct wr_scatter *self, uint64_t hash) {
    uint64_t mixed = mix(self, hash), mask = filter_mask(mixed);
    return (*filter_word(self, mixed) & mask) == mask;
}

int wr_scatter_is_crowded(const struct wr_scatter *self) {
    return self->filter_bits > self->filter_words * 32;
}

/* ---- made and freed ---- */

static uint64_t power_below(uint64_t value) {
    return UINT64_C(1) << (63 - __builtin_clzll(value | 1));
}

static void measure_blocks(struct wr_scatter *self, uint64_t memory_bytes, uint32_t level) {
    uint64_t bytes = memory_bytes / MEMORY_PART;
    uint64_t parts = power_below(bytes / BLOCK_BYTES_MIN);
    self->part_count = (uint32_t)WR_MIN(WR_MAX(parts, PARTS_MIN), PARTS_MAX);
    uint32_t part_bits = (uint32_t)__builtin_ctz(self->part_count);
    self->part_shift = 64 - part_bits;
    self->shift = WR_MIN(part_bits * level, 63u);
    uint64_t block = bytes / self->part_count / BLOCK_BYTES_MIN * BLOCK_BYTES_MIN;
    self->block_bytes = (size_t)WR_MIN(WR_MAX(block, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX);
    uint64_t words = self->form->by_range ? 0 : power_below(memory_bytes / FILTER_PART / 8);
    self->filter_words = WR_MAX(words, FILTER_WORDS_MIN);
}

static int measure_rows(struct wr_scatter *self) {
    const struct wr_scatter_form *form = self->form;
    self->widths = wr_alloc_zero(form->budget, form->column_count + 1);
    if (self->widths == NULL)
        return WR_ENOMEM;
    self->nil_bytes = (form->column_count + 7) / 8;
    self->fixed_bytes = self->nil_bytes;
    for (uint32_t c = 0; c < form->column_count; c++) {
        if (!wr_type_is_text(form->kinds[c]))
            self->widths[c] = (uint8_t)wr_type_bytes(form->kinds[c]);
        self->fixed_bytes += self->widths[c] == 0 ? LENGTH_BYTES_MAX : self->widths[c];
    }
    return WR_OK;
}

int wr_scatter_new(struct wr_scatter **made, const struct wr_scatter_form *form, uint32_t level) {
    struct wr_scatter *self = wr_alloc_zero(form->budget, sizeof *self);
    *made = self;
    if (self == NULL)
        return WR_ENOMEM;
    self->form = form;
    self->level_seed = LEVEL_SEED + level;
    measure_blocks(self, form->apart->memory_bytes, level);
    self->parts = wr_alloc_zero(form->budget, self->part_count * sizeof *self->parts);
    self->filter = wr_alloc_zero(form->budget, self->filter_words * sizeof *self->filter);
    for (uint32_t p = 0; self->parts != NULL && p < self->part_count; p++)
        wr_buf_init(&self->parts[p].bytes, form->budget, 0);
    if (self->parts == NULL || self->filter == NULL || measure_rows(self) != WR_OK)
        return WR_ENOMEM;
    return wr_apart_make_scratch(form->apart, form->budget);
}

void wr_scatter_free(struct wr_scatter *self) {
    if (self == NULL)
        return;
    struct wr_budget *budget = self->form->budget;
    for (uint32_t p = 0; self->parts != NULL && p < self->part_count; p++) {
        struct part *part = &self->parts[p];
        for (uint32_t b = 0; b < part->block_count; b++)
            wr_scratch_drop(self->form->apart->scratch, &part->blocks[b].blob);
        wr_free(budget, part->blocks);
        wr_buf_release(&part->bytes);
    }
    wr_free(budget, self->parts);
    wr_free(budget, self->filter);
    wr_free(budget, self->widths);
    wr_free(budget, self);
}

/* ---- in ---- */

static int put_block(struct wr_scatter *self, struct part *part, int has_groups) {
    const struct wr_scatter_form *form = self->form;
    int status = part->bytes.status;
    if (part->count == 0 || status != WR_OK)
        return status;
    status = wr_grow(form->budget, (void **)&part->blocks, part->block_count, &part->block_room,
                     sizeof *part->blocks);
    struct block block = {.count = part->count, .has_groups = (uint8_t)has_groups};
    if (status == WR_OK)
        status = wr_scratch_put(form->apart->scratch, part->bytes.bytes, part->bytes.length,
                                &block.blob, wr_apart_error(form->apart));
    if (status != WR_OK)
        return status;
    part->blocks[part->block_count++] = block;
    part->count = 0;
    if (part->bytes.room > 2 * self->block_bytes) /* there was a long row */
        wr_buf_release(&part->bytes);
    wr_buf_clear(&part->bytes);
    return WR_OK;
}

static int put_blocks(struct wr_scatter *self, int has_groups) {
    int status = WR_OK;
    for (uint32_t p = 0; p < self->part_count && status == WR_OK; p++)
        status = put_block(self, &self->parts[p], has_groups);
    return status;
}

static void copy_cell(char *to, const char *from, uint32_t width) {
    switch (width) {
    case 1: *to = *from; break;
    case 8: memcpy(to, from, 8); break;
    default: memcpy(to, from, 16);
    }
}

static char *put_text(char *at, const struct wr_str *str) {
    uint32_t rest = str->length;
    for (; rest >= 128; rest >>= 7)
        *at++ = (char)(rest | 128);
    *at++ = (char)rest;
    memcpy(at, wr_str_bytes(str), str->length);
    return at + str->length;
}

/* Behind the room for it. */
static char *put_row(const struct wr_scatter *self, char *at, const struct wr_column *columns,
                     uint32_t row) {
    char *nils = at;
    memset(nils, 0, self->nil_bytes);
    at += self->nil_bytes;
    for (uint32_t c = 0; c < self->form->column_count; c++) {
        const struct wr_column *column = &columns[c];
        if (column->data == NULL || wr_column_is_nil(column, row)) {
            nils[c / 8] = (char)(nils[c / 8] | 1 << c % 8);
            continue;
        }
        uint32_t width = self->widths[c];
        if (width == 0)
            at = put_text(at, &WR_STR(column)[row]);
        else
            copy_cell(at, (const char *)column->data + (size_t)row * width, width);
        at += width;
    }
    return at;
}

static uint64_t text_bytes(const struct wr_scatter *self, const struct wr_column *columns,
                           uint32_t row) {
    uint64_t bytes = 0;
    for (uint32_t c = 0; c < self->form->column_count; c++)
        if (self->widths[c] == 0 && columns[c].data != NULL && !wr_column_is_nil(&columns[c], row))
            bytes += WR_STR(&columns[c])[row].length;
    return bytes;
}

int wr_scatter_add(struct wr_scatter *self, const struct wr_column *columns, const uint32_t *rows,
                   const uint64_t *hashes, uint32_t count) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint64_t mixed = mix(self, hashes[i]);
        struct part *part = part_of(self, mixed);
        note(self, mixed);
        uint64_t bytes_max = self->fixed_bytes + text_bytes(self, columns, rows[i]);
        if (part->bytes.length + bytes_max > self->block_bytes)
            status = put_block(self, part, 0);
        if (status == WR_OK)
            status = wr_buf_reserve(&part->bytes, part->bytes.room == 0
                                                      ? WR_MAX(bytes_max, self->block_bytes)
                                                      : bytes_max);
        if (status != WR_OK)
            return status;
        char *start = part->bytes.bytes + part->bytes.length;
        size_t length = (size_t)(put_row(self, start, columns, rows[i]) - start);
        part->bytes.length += length;
        self->bytes += length;
        part->count++;
    }
    return status;
}

int wr_scatter_add_groups(struct wr_scatter *self, const struct wr_table *table) {
    int status = put_blocks(self, 0);
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, table);
    for (const uint8_t *row; status == WR_OK && (row = wr_table_walk_next(&walk)) != NULL;) {
        uint64_t mixed = mix(self, wr_shape_hash(table->shape, row, table->seed));
        struct part *part = part_of(self, mixed);
        note(self, mixed);
        wr_log_add(table->shape, &part->bytes, row, 0, table->row_bytes);
        part->count++;
        if (part->bytes.length >= self->block_bytes || part->bytes.status != WR_OK)
            status = put_block(self, part, 1);
    }
    return status == WR_OK ? put_blocks(self, 1) : status;
}

uint32_t wr_scatter_part_count(const struct wr_scatter *self) {
    return self->part_count;
}

uint64_t wr_scatter_bytes(const struct wr_scatter *self) {
    return self->bytes;
}

int wr_scatter_end(struct wr_scatter *self) {
    int status = put_blocks(self, 0);
    for (uint32_t p = 0; p < self->part_count; p++)
        wr_buf_release(&self->parts[p].bytes);
    wr_free(self->form->budget, self->filter);
    self->filter = NULL;
    return status;
}

/* ---- out ---- */

static uint64_t *make_valid(struct wr_column *column, struct wr_arena *arena, uint32_t count) {
    uint64_t words = WR_BITS_WORDS(count);
    uint64_t *bits = WR_ARENA_ARRAY(arena, uint64_t, words + 1);
    if (bits != NULL)
        memset(bits, 0xff, (words + 1) * sizeof *bits);
    column->valid = bits;
    return bits;
}

static int take_nil(struct wr_column *column, uint32_t width, struct wr_arena *arena, uint32_t row,
                    uint32_t count) {
    uint64_t *bits = (uint64_t *)(uintptr_t)column->valid;
    if (bits == NULL)
        bits = make_valid(column, arena, count);
    if (bits == NULL)
        return WR_ENOMEM;
    wr_bit_clear(bits, row);
    width = width == 0 ? (uint32_t)sizeof(struct wr_str) : width;
    memset((char *)column->data + (size_t)row * width, 0, width);
    return WR_OK;
}

static void take_cell(struct wr_column *column, uint32_t width, struct wr_reader *in,
                      uint32_t row) {
    if (width == 0) {
        uint32_t length = (uint32_t)wr_reader_varint(in);
        ((struct wr_str *)column->data)[row] = wr_str_of(wr_reader_bytes(in, length), length);
        return;
    }
    copy_cell((char *)column->data + (size_t)row * width, wr_reader_bytes(in, width), width);
}

/* Their hash was right: they are what was written. */
static int take_rows(const struct wr_scatter *self, struct wr_arena *arena, struct wr_reader *in,
                     struct wr_scattered *next) {
    const struct wr_scatter_form *form = self->form;
    next->columns = WR_ARENA_ZEROS(arena, struct wr_column, form->column_count + 1);
    for (uint32_t c = 0; next->columns != NULL && c < form->column_count; c++) {
        next->columns[c].data =
            wr_arena_alloc(arena, (size_t)next->count * wr_type_bytes(form->kinds[c]));
        if (next->columns[c].data == NULL)
            return WR_ENOMEM;
    }
    int status = next->columns == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t row = 0; row < next->count && status == WR_OK; row++) {
        const char *nils = wr_reader_bytes(in, self->nil_bytes);
        for (uint32_t c = 0; c < form->column_count && status == WR_OK; c++) {
            if (nils[c / 8] >> c % 8 & 1)
                status = take_nil(&next->columns[c], self->widths[c], arena, row, next->count);
            else
                take_cell(&next->columns[c], self->widths[c], in, row);
        }
    }
    WR_ASSERT(status != WR_OK || (!in->failed && in->at == in->length));
    return status;
}

static int read_block(struct wr_scatter *self, struct wr_arena *arena, struct block *block,
                      struct wr_scattered *next) {
    struct wr_apart *apart = self->form->apart;
    char *bytes = wr_arena_alloc(arena, block->blob.length + 1);
    if (bytes == NULL)
        return WR_ENOMEM;
    struct wr_reader in = {.bytes = bytes, .length = block->blob.length};
    int status = wr_scratch_get(apart->scratch, &block->blob, bytes, wr_apart_error(apart));
    wr_scratch_drop(apart->scratch, &block->blob);
    next->kind = block->has_groups ? WR_SCATTERED_GROUPS : WR_SCATTERED_ROWS;
    next->count = block->count;
    next->groups = in;
    return status != WR_OK || block->has_groups ? status : take_rows(self, arena, &in, next);
}

int wr_scatter_next(struct wr_scatter *self, struct wr_arena *arena, struct wr_scattered *next) {
    WR_ASSERT(self->filter == NULL); /* it has ended */
    *next = (struct wr_scattered){.kind = WR_SCATTERED_END};
    if (self->part == self->part_count)
        return WR_OK;
    struct part *part = &self->parts[self->part];
    if (self->block < part->block_count)
        return read_block(self, arena, &part->blocks[self->block++], next);
    wr_free(self->form->budget, part->blocks);
    *part = (struct part){0};
    self->part++;
    self->block = 0;
    next->kind = WR_SCATTERED_PART_END;
    return WR_OK;
}

int wr_scattered_load(const struct wr_scattered *groups, struct wr_table *table) {
    struct wr_reader in = groups->groups;
    return wr_log_load_new(table, &in, groups->count, 0, 0);
}
