#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"

#define GROW_FIRST 16u /* elements of an array that begins */

/* Each allocation carries its size in front, so that the budget can be given back exactly. */
struct header {
    uint64_t size_bytes;
    uint64_t skip_bytes; /* from the start of the block of the C library to the user's memory */
};

struct wr_budget wr_budget_control = WR_BUDGET_INIT("control", 0);

static _Atomic uint64_t alloc_count;
static uint64_t fail_at;
static int fail_sticky;

void wr_alloc_fail_at(uint64_t count, int sticky) {
    fail_at = count;
    fail_sticky = sticky;
    atomic_store(&alloc_count, 0);
}

static uint64_t paused_fail_at, paused_count;

void wr_alloc_fail_pause(void) {
    paused_fail_at = fail_at;
    paused_count = atomic_load(&alloc_count);
    fail_at = 0;
}

void wr_alloc_fail_resume(void) {
    fail_at = paused_fail_at;
    atomic_store(&alloc_count, paused_count);
}

uint64_t wr_alloc_count(void) {
    return atomic_load(&alloc_count);
}

static int must_fail(void) {
    uint64_t count = atomic_fetch_add_explicit(&alloc_count, 1, memory_order_relaxed) + 1;
    return WR_UNLIKELY(fail_at != 0) && (count == fail_at || (fail_sticky && count > fail_at));
}

int wr_alloc_must_fail(void) {
    return WR_UNLIKELY(fail_at != 0) && must_fail();
}

static void raise(_Atomic uint64_t *most, uint64_t to) {
    uint64_t now = atomic_load_explicit(most, memory_order_relaxed);
    while (to > now && !atomic_compare_exchange_weak(most, &now, to)) {}
}

static int budget_take(struct wr_budget *budget, uint64_t size_bytes) {
    uint64_t used =
        atomic_fetch_add_explicit(&budget->bytes_used, size_bytes, memory_order_relaxed);
    used += size_bytes;
    if (budget->bytes_max != 0 && used > budget->bytes_max) {
        atomic_fetch_sub_explicit(&budget->bytes_used, size_bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&budget->refused, 1, memory_order_relaxed);
        raise(&budget->wanted, used);
        return 0;
    }
    raise(&budget->bytes_peak, used);
    return 1;
}

static void budget_give(struct wr_budget *budget, uint64_t size_bytes) {
    uint64_t before =
        atomic_fetch_sub_explicit(&budget->bytes_used, size_bytes, memory_order_relaxed);
    WR_ASSERT(before >= size_bytes);
}

static struct header *header_of(const void *memory) {
    return (struct header *)((uintptr_t)memory - sizeof(struct header));
}

void *wr_alloc(struct wr_budget *budget, size_t size_bytes) {
    if (size_bytes > SIZE_MAX / 2 || must_fail() || !budget_take(budget, size_bytes))
        return NULL;
    size_t align = size_bytes >= 64 ? 64 : 16;
    size_t total = (size_bytes + align + align - 1) / align * align;
    char *block = aligned_alloc(align, total);
    if (block == NULL) {
        budget_give(budget, size_bytes);
        return NULL;
    }
    char *memory = block + align;
    *header_of(memory) = (struct header){.size_bytes = size_bytes, .skip_bytes = align};
    return memory;
}

void *wr_alloc_zero(struct wr_budget *budget, size_t size_bytes) {
    void *memory = wr_alloc(budget, size_bytes);
    if (memory != NULL)
        memset(memory, 0, size_bytes);
    return memory;
}

void *wr_realloc(struct wr_budget *budget, void *memory, size_t size_bytes) {
    void *grown = wr_alloc(budget, size_bytes);
    if (grown == NULL || memory == NULL)
        return grown;
    memcpy(grown, memory, WR_MIN(size_bytes, header_of(memory)->size_bytes));
    wr_free(budget, memory);
    return grown;
}

void wr_free(struct wr_budget *budget, void *memory) {
    if (memory == NULL)
        return;
    struct header *header = header_of(memory);
    budget_give(budget, header->size_bytes);
    free((char *)memory - header->skip_bytes);
}

size_t wr_alloc_size(const void *memory) {
    return header_of(memory)->size_bytes;
}

int wr_grow(struct wr_budget *budget, void **array, uint32_t count, uint32_t *room,
            size_t element_bytes) {
    if (count < *room)
        return WR_OK;
    if (*room > UINT32_MAX / 2)
        return WR_ENOMEM;
    uint32_t wanted = *room == 0 ? GROW_FIRST : *room * 2;
    void *grown = wr_realloc(budget, *array, wanted * element_bytes);
    if (grown == NULL)
        return WR_ENOMEM;
    *array = grown;
    *room = wanted;
    return WR_OK;
}

char *wr_strndup(struct wr_budget *budget, const char *text, size_t length) {
    char *copy = wr_alloc(budget, length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}
