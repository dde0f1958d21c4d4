#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/banned.h"

#define GROWTH 4         /* of blocks, from the first to ordinary ones */
#define BLOCK_PART 1024u /* of a budget is a block, at most; very many arenas share one */
#define BLOCK_BYTES_MIN ((size_t)4 << 10)
#define SLACK_BYTES 64 /* readable behind every large allocation, so that kernels may over-read */

struct wr_arena_block {
    struct wr_arena_block *before;
    size_t size_bytes; /* of `bytes` */
    _Alignas(64) char bytes[];
};

size_t wr_arena_block_bytes(const struct wr_budget *budget, size_t most) {
    uint64_t bytes = budget->bytes_max == 0 ? most : budget->bytes_max / BLOCK_PART;
    return (size_t)WR_MIN(WR_MAX(bytes, (uint64_t)BLOCK_BYTES_MIN), (uint64_t)most);
}

void wr_arena_init(struct wr_arena *arena, struct wr_budget *budget, size_t block_bytes) {
    wr_arena_init_growing(arena, budget, block_bytes, block_bytes);
}

void wr_arena_init_growing(struct wr_arena *arena, struct wr_budget *budget, size_t first_bytes,
                           size_t block_bytes) {
    *arena =
        (struct wr_arena){.budget = budget, .first_bytes = first_bytes, .block_bytes = block_bytes};
}

static void blocks_free(struct wr_budget *budget, struct wr_arena_block *block) {
    while (block != NULL) {
        struct wr_arena_block *before = block->before;
        wr_free(budget, block);
        block = before;
    }
}

void wr_arena_release(struct wr_arena *arena) {
    blocks_free(arena->budget, arena->block);
    blocks_free(arena->budget, arena->spare);
    arena->block = arena->spare = NULL;
    arena->next = arena->end = NULL;
}

/* Ordinary blocks are kept while there is room; an oversized one goes back, or one odd row would
 * pin its size. */
static void block_retire(struct wr_arena *arena, struct wr_arena_block *block) {
    if (block->size_bytes > arena->block_bytes || wr_budget_is_tight(arena->budget)) {
        wr_free(arena->budget, block);
        return;
    }
    block->before = arena->spare;
    arena->spare = block;
}

static void block_enter(struct wr_arena *arena, struct wr_arena_block *block, char *next) {
    arena->block = block;
    arena->next = next;
    arena->end = block == NULL ? NULL : block->bytes + block->size_bytes;
}

void wr_arena_reset(struct wr_arena *arena) {
    wr_arena_rewind(arena, (struct wr_arena_mark){0});
}

uint64_t wr_arena_bytes(const struct wr_arena *arena) {
    const struct wr_arena_block *const chains[] = {arena->block, arena->spare};
    uint64_t bytes = 0;
    for (size_t i = 0; i < WR_COUNT(chains); i++)
        for (const struct wr_arena_block *block = chains[i]; block != NULL; block = block->before)
            bytes += sizeof *block + block->size_bytes;
    return bytes;
}

struct wr_arena_mark wr_arena_mark(struct wr_arena *arena) {
    return (struct wr_arena_mark){.block = arena->block, .next = arena->next};
}

void wr_arena_rewind(struct wr_arena *arena, struct wr_arena_mark mark) {
    while (arena->block != mark.block) {
        WR_ASSERT(arena->block != NULL);
        struct wr_arena_block *block = arena->block;
        arena->block = block->before;
        block_retire(arena, block);
    }
    block_enter(arena, mark.block, mark.next);
}

/* The first spare block that is large enough, or NULL: not many are not, only those of a beginning
 * are smaller than ordinary ones. */
static struct wr_arena_block *spare_take(struct wr_arena *arena, size_t size_bytes) {
    if (size_bytes > arena->block_bytes)
        return NULL;
    struct wr_arena_block **at = &arena->spare;
    while (*at != NULL && (*at)->size_bytes < size_bytes)
        at = &(*at)->before;
    struct wr_arena_block *block = *at;
    if (block != NULL)
        *at = block->before;
    return block;
}

static int block_add(struct wr_arena *arena, size_t size_bytes) {
    struct wr_arena_block *block = spare_take(arena, size_bytes);
    if (block == NULL) {
        size_t room = arena->first_bytes;
        if (arena->block != NULL)
            room = WR_MIN(arena->block->size_bytes * GROWTH, arena->block_bytes);
        room = WR_MAX(room, size_bytes);
        block = wr_alloc(arena->budget, sizeof *block + room);
        if (block == NULL)
            return 0;
        block->size_bytes = room;
    }
    block->before = arena->block;
    block_enter(arena, block, block->bytes);
    return 1;
}

void *wr_arena_alloc(struct wr_arena *arena, size_t size_bytes) {
    size_t align = size_bytes >= 256 ? 64 : 16;
    if (WR_UNLIKELY(size_bytes > SIZE_MAX / 4))
        return NULL;
    size_t need = (size_bytes + 15) / 16 * 16 + (size_bytes >= 256 ? SLACK_BYTES : 0);
    uintptr_t start = ((uintptr_t)arena->next + align - 1) / align * align;
    if (WR_UNLIKELY(arena->block == NULL || start + need > (uintptr_t)arena->end)) {
        if (!block_add(arena, need + align))
            return NULL;
        start = ((uintptr_t)arena->next + align - 1) / align * align;
    }
    arena->next = (char *)start + need;
    return (void *)start;
}

void *wr_arena_alloc_zero(struct wr_arena *arena, size_t size_bytes) {
    void *memory = wr_arena_alloc(arena, size_bytes);
    if (memory != NULL)
        memset(memory, 0, size_bytes);
    return memory;
}

char *wr_arena_strndup(struct wr_arena *arena, const char *text, size_t length) {
    char *copy = wr_arena_alloc(arena, length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}
