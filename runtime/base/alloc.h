/* alloc.h: memory from named budgets. Running out is a status like any other.
 * Threads: a budget is counted atomically and may be shared.
 * Tests let the n-th allocation of the process fail (`wr_alloc_fail_at`). */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct wr_budget {
    const char *name;   /* "state", "input", …: stands in the error at the limit */
    uint64_t bytes_max; /* 0: no limit of its own */
    _Atomic uint64_t bytes_used;
    _Atomic uint64_t bytes_peak;
    _Atomic uint64_t refused; /* allocations that would have gone beyond bytes_max … */
    _Atomic uint64_t wanted; /* … and what the largest of them would have taken it to, in bytes */
};

#define WR_BUDGET_INIT(budget_name, max) \
    { .name = (budget_name), .bytes_max = (max) }

/* The budget of small control structures; unlimited, but counted. */
extern struct wr_budget wr_budget_control;

/* Whether more than three quarters are used: nothing is kept for later, and what is not worked on
 * yet waits where it is. */
static inline int wr_budget_is_tight(const struct wr_budget *budget) {
    return budget->bytes_max != 0 &&
           atomic_load_explicit(&budget->bytes_used, memory_order_relaxed) >=
               budget->bytes_max / 4 * 3;
}

/* `size_bytes` of memory, not cleared, aligned to 64 when at least 64 bytes long (else 16).
 * Returns NULL when the budget or the machine has no more. */
void *wr_alloc(struct wr_budget *budget, size_t size_bytes);
/* The same, cleared. */
void *wr_alloc_zero(struct wr_budget *budget, size_t size_bytes);
/* Takes `memory` and gives it back at the new size, or NULL with the old one untouched. */
void *wr_realloc(struct wr_budget *budget, void *memory, size_t size_bytes);
/* Gives back; NULL is allowed. `budget` must be the one it came from. */
void wr_free(struct wr_budget *budget, void *memory);
/* The usable size in bytes of a live allocation. */
size_t wr_alloc_size(const void *memory);
/* Room for one more element behind `count` in an array that doubles: `*room` elements of
 * `element_bytes`. WR_OK, or WR_ENOMEM with the array untouched. */
int wr_grow(struct wr_budget *budget, void **array, uint32_t count, uint32_t *room,
            size_t element_bytes);
/* A copy of `length` bytes with a 0 behind, from `budget`; NULL when out of memory. */
char *wr_strndup(struct wr_budget *budget, const char *text, size_t length);

/* Tests only: the n-th allocation from now fails (once, or this and all later ones). 0: none. */
void wr_alloc_fail_at(uint64_t count, int sticky);
/* What follows is not counted, until it is resumed: it is not of what is tested. */
void wr_alloc_fail_pause(void);
void wr_alloc_fail_resume(void);
/* For an allocator that is not ours (Lua's): counts an allocation while a test wants one to fail,
 * and says whether this is the one. */
int wr_alloc_must_fail(void);
/* Allocations made since the last wr_alloc_fail_at. */
uint64_t wr_alloc_count(void);
