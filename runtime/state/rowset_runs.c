/* rowset_runs.c: runs of rows at rest: written, read block by block, kept awake for a while. */
#include "base/alloc.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/rowset_parts.h"
#include "base/banned.h"

#define BLOCK_BYTES 4096u /* of a block, about: what a probe reads */
#define FILTER_ROWS 6u    /* for which a word of the filter is; each sets four of its bits */
/* Of the memory of the stage, at most: where very many rows rest, more blocks are read in vain. */
#define FILTER_PART 2u
#define FILTER_WORDS_MIN UINT64_C(64)

/* ---- filters ---- */

/* All bits of a hash take part: those of a shard's rows begin alike. */
static inline uint64_t filter_hash(uint64_t hash) {
    return hash * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint64_t filter_bits(uint64_t mixed) {
    return UINT64_C(1) << (mixed & 63) | UINT64_C(1) << (mixed >> 6 & 63) |
           UINT64_C(1) << (mixed >> 12 & 63) | UINT64_C(1) << (mixed >> 18 & 63);
}

static inline uint64_t filter_word(const struct wr_rowset_run *run, uint64_t mixed) {
    return (mixed >> 32) * run->filter_words >> 32;
}

int wr_rowset_run_may_have(const struct wr_rowset_run *run, uint64_t hash) {
    uint64_t mixed = filter_hash(hash), bits = filter_bits(mixed);
    return (run->filter[filter_word(run, mixed)] & bits) == bits;
}

static void filter_add(struct wr_rowset_run *run, uint64_t hash) {
    uint64_t mixed = filter_hash(hash);
    if (run->filter_words > 0)
        run->filter[filter_word(run, mixed)] |= filter_bits(mixed);
}

/* ---- writing ---- */

size_t wr_rowset_text_bytes(const struct wr_rowset *set, const struct wr_rowset_row *row) {
    size_t bytes = 0;
    for (uint32_t c = 0; c < set->shape.cell_count; c++) {
        uint32_t length =
            ((const struct wr_str *)(const void *)(row->key + set->shape.cells[c].offset))->length;
        bytes += length > WR_STR_INLINE_MAX ? length : 0;
    }
    return bytes;
}

/* The texts of a row that is going to be written: where they are in memory does not go with it. */
static void take_texts(const struct wr_rowset *set, struct wr_buf *texts,
                       struct wr_rowset_row *row) {
    for (uint32_t c = 0; c < set->shape.cell_count; c++) {
        struct wr_str *str = (struct wr_str *)(void *)(row->key + set->shape.cells[c].offset);
        if (str->length > WR_STR_INLINE_MAX) {
            wr_buf_add(texts, str->pointer, str->length);
            str->pointer = NULL;
        }
    }
}

/* Rows, then their texts, as one blob. */
static int put_blob(struct wr_rowset *set, struct wr_buf *rows, const struct wr_buf *texts,
                    struct wr_scratch_blob *blob) {
    wr_buf_add(rows, texts->bytes, texts->length);
    int status = texts->status != WR_OK ? texts->status : rows->status;
    return status != WR_OK ? status
                           : wr_scratch_put(set->apart->scratch, rows->bytes, rows->length, blob,
                                            wr_apart_error(set->apart));
}

int wr_rowset_write_begin(struct wr_rowset_writer *writer, struct wr_rowset *set, uint64_t rows) {
    uint64_t memory = set->apart->memory_bytes, most = memory / FILTER_PART / sizeof(uint64_t);
    most = memory == 0 ? UINT32_MAX : WR_MIN(WR_MAX(most, FILTER_WORDS_MIN), (uint64_t)UINT32_MAX);
    uint64_t words = rows == 0 ? 0 : WR_MIN(rows / FILTER_ROWS + 1, most);
    *writer = (struct wr_rowset_writer){.set = set};
    wr_buf_init(&writer->rows, set->budget, 0);
    wr_buf_init(&writer->texts, set->budget, 0);
    int status = wr_apart_make_scratch(set->apart, set->budget);
    if (status != WR_OK)
        return status;
    writer->run = wr_alloc_zero(set->budget, sizeof *writer->run + words * sizeof(uint64_t));
    if (writer->run == NULL)
        return WR_ENOMEM;
    writer->run->filter_words = (uint32_t)words;
    writer->run->zone = wr_rowset_no_zone;
    writer->run->id_min = UINT64_MAX;
    return WR_OK;
}

static int end_block(struct wr_rowset_writer *writer) {
    struct wr_rowset_run *run = writer->run;
    if (writer->cold.count == 0)
        return WR_OK;
    int status = wr_grow(writer->set->budget, (void **)&run->blocks, run->block_count,
                         &run->block_room, sizeof *run->blocks);
    if (status == WR_OK)
        status = put_blob(writer->set, &writer->rows, &writer->texts, &writer->cold.blob);
    if (status != WR_OK)
        return status;
    run->blocks[run->block_count++] = writer->cold;
    run->rows += writer->cold.count;
    writer->cold = (struct wr_rowset_cold){0};
    wr_buf_clear(&writer->rows);
    wr_buf_clear(&writer->texts);
    return WR_OK;
}

int wr_rowset_write(struct wr_rowset_writer *writer, const struct wr_rowset_row *row) {
    struct wr_rowset *set = writer->set;
    size_t more = set->row_bytes + wr_rowset_text_bytes(set, row);
    if (writer->rows.length + writer->texts.length + more > BLOCK_BYTES) {
        int status = end_block(writer);
        if (status != WR_OK)
            return status;
    }
    if (writer->cold.count == 0) {
        writer->cold.hash_first = row->hash;
        writer->cold.id_first = row->id;
    }
    writer->run->id_min = WR_MIN(writer->run->id_min, row->id);
    writer->run->id_max = WR_MAX(writer->run->id_max, row->id);
    size_t at = writer->rows.length;
    if (wr_buf_add(&writer->rows, row, set->row_bytes) != WR_OK)
        return writer->rows.status;
    struct wr_rowset_row *copy = (struct wr_rowset_row *)(void *)(writer->rows.bytes + at);
    copy->before = copy->next = NULL;
    copy->place = writer->cold.count++;
    take_texts(set, &writer->texts, copy);
    uint64_t word = wr_rowset_word(set, row->key);
    const struct wr_rowset_zone zone = {row->time_us, row->time_us, row->until_us, word, word};
    wr_rowset_zone_widen(&writer->run->zone, &zone);
    writer->cold.is_dirty |= (row->flags & WR_ROWSET_DIRTY) != 0;
    filter_add(writer->run, row->hash);
    return WR_OK;
}

static uint64_t run_bytes(const struct wr_rowset_run *run) {
    return sizeof *run + run->filter_words * sizeof(uint64_t) +
           run->block_room * sizeof *run->blocks;
}

int wr_rowset_write_end(struct wr_rowset_writer *writer, int status, struct wr_rowset_run **run) {
    if (status == WR_OK)
        status = end_block(writer);
    wr_buf_release(&writer->rows);
    wr_buf_release(&writer->texts);
    struct wr_rowset_run *made = writer->run;
    *run = NULL;
    if (made == NULL)
        return status;
    struct wr_rowset_cold *less =
        made->block_count == made->block_room
            ? NULL
            : wr_realloc(writer->set->budget, made->blocks,
                         WR_MAX(made->block_count, 1u) * sizeof *made->blocks);
    if (less != NULL) { /* else there is room that nobody needs */
        made->blocks = less;
        made->block_room = WR_MAX(made->block_count, 1u);
    }
    writer->set->run_bytes += run_bytes(made);
    if (status == WR_OK)
        *run = made;
    else
        wr_rowset_run_free(writer->set, made);
    return status;
}

/* ---- reading ---- */

/* Rows that were read have their strings in the memory behind them, where each is what it was. */
static void place_texts(const struct wr_rowset *set, struct wr_rowset_block *block) {
    char *text = (char *)wr_rowset_at(set, block, block->count);
    for (uint32_t i = 0; i < block->count; i++)
        for (uint32_t c = 0; c < set->shape.cell_count; c++) {
            uint8_t *key = wr_rowset_at(set, block, i)->key;
            struct wr_str *str = (struct wr_str *)(void *)(key + set->shape.cells[c].offset);
            if (str->length <= WR_STR_INLINE_MAX)
                continue;
            str->pointer = text;
            text += str->length;
        }
}

int wr_rowset_block_read(struct wr_rowset *set, struct wr_rowset_slice *slice,
                         struct wr_rowset_run *run, struct wr_rowset_cold *cold,
                         struct wr_rowset_block **block) {
    struct wr_rowset_block *made = wr_alloc(set->budget, sizeof *made + cold->blob.length);
    *block = NULL;
    if (made == NULL)
        return WR_ENOMEM;
    *made = (struct wr_rowset_block){.slice = slice,
                                     .count = cold->count,
                                     .room = cold->count,
                                     .is_dirty = cold->is_dirty,
                                     .run = run,
                                     .cold = cold};
    int status =
        wr_scratch_get(set->apart->scratch, &cold->blob, made->rows, wr_apart_error(set->apart));
    if (status != WR_OK) {
        wr_free(set->budget, made);
        return status;
    }
    if (set->shape.cell_count > 0)
        place_texts(set, made);
    for (uint32_t i = 0; cold->is_saved && i < made->count; i++) {
        struct wr_rowset_row *row = wr_rowset_at(set, made, i);
        if ((row->flags & WR_ROWSET_GONE) == 0)
            row->flags = WR_ROWSET_SAVED;
    }
    *block = made;
    return WR_OK;
}

/* ---- awake ---- */

int wr_rowset_block_wake(struct wr_rowset *set, struct wr_rowset_slice *slice,
                         struct wr_rowset_run *run, struct wr_rowset_cold *cold,
                         struct wr_rowset_block **block) {
    *block = cold->awake;
    if (*block != NULL) {
        (*block)->was_used = 1;
        return WR_OK;
    }
    if (wr_grow(set->budget, (void **)&set->awake, set->awake_count, &set->awake_room,
                sizeof(struct wr_rowset_block *)) != WR_OK)
        return WR_ENOMEM;
    int status = wr_rowset_block_read(set, slice, run, cold, block);
    if (status != WR_OK)
        return status;
    (*block)->number = set->awake_count;
    set->awake[set->awake_count++] = cold->awake = *block;
    set->awake_bytes += wr_alloc_size(*block);
    return WR_OK;
}

/* Rows of a block that were changed are written anew. */
static int write_back(struct wr_rowset *set, struct wr_rowset_block *block) {
    struct wr_rowset_cold *cold = block->cold;
    struct wr_scratch_blob blob;
    struct wr_buf rows, texts;
    uint8_t is_dirty = 0;
    wr_buf_init(&rows, set->budget, 0);
    wr_buf_init(&texts, set->budget, 0);
    wr_buf_add(&rows, block->rows, (size_t)block->count * set->row_bytes);
    for (uint32_t i = 0; i < block->count && rows.status == WR_OK; i++) {
        char *copy = rows.bytes + (size_t)i * set->row_bytes;
        take_texts(set, &texts, (struct wr_rowset_row *)(void *)copy);
        is_dirty |= (wr_rowset_at(set, block, i)->flags & WR_ROWSET_DIRTY) != 0;
    }
    int status = put_blob(set, &rows, &texts, &blob);
    wr_buf_release(&rows);
    wr_buf_release(&texts);
    if (status != WR_OK)
        return status;
    wr_scratch_drop(set->apart->scratch, &cold->blob);
    cold->blob = blob;
    cold->is_dirty = is_dirty;
    cold->is_saved = 0;
    return WR_OK;
}

/* It is forgotten as it is. */
static void sleep_now(struct wr_rowset *set, struct wr_rowset_block *block) {
    struct wr_rowset_block *last = set->awake[--set->awake_count];
    set->awake[block->number] = last;
    last->number = block->number;
    set->awake_bytes -= wr_alloc_size(block);
    block->cold->awake = NULL;
    wr_free(set->budget, block);
}

static int go_to_rest(struct wr_rowset *set, struct wr_rowset_block *block) {
    int status = block->has_changed ? write_back(set, block) : WR_OK;
    if (status == WR_OK)
        sleep_now(set, block);
    return status;
}

int wr_rowset_run_settle(struct wr_rowset *set, const struct wr_rowset_run *run) {
    int status = WR_OK;
    for (uint32_t b = 0; b < run->block_count && status == WR_OK; b++)
        if (run->blocks[b].awake != NULL)
            status = go_to_rest(set, run->blocks[b].awake);
    return status;
}

int wr_rowset_tend(struct wr_rowset *set, uint64_t awake_bytes_max) {
    int status = WR_OK;
    while (set->awake_bytes > awake_bytes_max && status == WR_OK) {
        if (set->hand >= set->awake_count)
            set->hand = 0;
        struct wr_rowset_block *block = set->awake[set->hand];
        if (block->was_used && awake_bytes_max > 0) {
            block->was_used = 0;
            set->hand++;
        } else {
            status = go_to_rest(set, block);
        }
    }
    return status;
}

void wr_rowset_run_free(struct wr_rowset *set, struct wr_rowset_run *run) {
    if (run == NULL)
        return;
    for (uint32_t b = 0; b < run->block_count; b++) {
        if (run->blocks[b].awake != NULL)
            sleep_now(set, run->blocks[b].awake);
        wr_scratch_drop(set->apart->scratch, &run->blocks[b].blob);
    }
    set->run_bytes -= run_bytes(run);
    wr_free(set->budget, run->blocks);
    wr_free(set->budget, run);
}
