/* arena.h: memory that goes all at once. A chain of blocks from one budget; freed blocks are kept
 * by the arena for its next life (`wr_arena_reset`), so a steady state allocates nothing; where its
 * budget is nearly used up they go back.
 * Threads: one at a time. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_budget;
struct wr_arena_block;

struct wr_arena {
    struct wr_budget *budget;
    struct wr_arena_block *block; /* the current block; earlier ones hang behind it */
    struct wr_arena_block *spare; /* blocks kept for the next life */
    char *next, *end;             /* free part of the current block */
    size_t first_bytes;           /* size of the first block of a life … */
    size_t block_bytes;           /* … and of ordinary ones */
};

struct wr_arena_mark {
    struct wr_arena_block *block;
    char *next;
};

/* Of an ordinary block: `most`, or less where the budget is small. */
size_t wr_arena_block_bytes(const struct wr_budget *budget, size_t most);
void wr_arena_init(struct wr_arena *arena, struct wr_budget *budget, size_t block_bytes);
/* One that may stay small: its blocks grow from `first_bytes` to `block_bytes`. */
void wr_arena_init_growing(struct wr_arena *arena, struct wr_budget *budget, size_t first_bytes,
                           size_t block_bytes);
void wr_arena_release(struct wr_arena *arena);
/* Forgets everything; keeps the blocks. */
void wr_arena_reset(struct wr_arena *arena);
/* Not cleared, aligned to 16 (to 64 from 256 bytes on, with 64 readable bytes behind the end).
 * NULL when the budget is used up. */
void *wr_arena_alloc(struct wr_arena *arena, size_t size_bytes);
void *wr_arena_alloc_zero(struct wr_arena *arena, size_t size_bytes);
char *wr_arena_strndup(struct wr_arena *arena, const char *text, size_t length);
/* Bytes of its blocks, used or not. */
uint64_t wr_arena_bytes(const struct wr_arena *arena);
struct wr_arena_mark wr_arena_mark(struct wr_arena *arena);
void wr_arena_rewind(struct wr_arena *arena, struct wr_arena_mark mark);

/* An array of `count` elements of `type`; NULL when out of memory. */
#define WR_ARENA_ARRAY(arena, type, count) \
    ((type *)wr_arena_alloc((arena), sizeof(type) * (size_t)(count)))
#define WR_ARENA_ZEROS(arena, type, count) \
    ((type *)wr_arena_alloc_zero((arena), sizeof(type) * (size_t)(count)))
