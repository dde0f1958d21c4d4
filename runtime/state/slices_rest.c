/* slices_rest.c: slices that are not in use rest in a scratch file. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "state/slices.h"
#include "base/banned.h"

#define UNIT_BYTES 16384u
#define LOOK_PARTS 32u /* all slices are looked at when this part of the memory more is in use */

void wr_slices_may_rest(struct wr_slices *slices, const struct wr_env *env, uint64_t memory_bytes,
                        struct wr_error *const *err) {
    slices->env = env;
    slices->memory_bytes = memory_bytes;
    slices->err = err;
}

int wr_slices_failure(const struct wr_slices *slices) {
    return slices->failure != WR_OK ? slices->failure : WR_ENOMEM;
}

int wr_slices_rest(const struct wr_slices *slices) {
    return slices->scratch != NULL;
}

uint64_t wr_slices_spilled_bytes(const struct wr_slices *slices) {
    return wr_scratch_bytes_peak(slices->scratch);
}

static struct wr_error *error_of(const struct wr_slices *slices) {
    return slices->err == NULL ? NULL : *slices->err;
}

int wr_slices_wake(struct wr_slices *slices, uint32_t at) {
    struct wr_slice *slice = &slices->items[at];
    slices->last = at;
    slice->used = ++slices->clock;
    if (slice->table != NULL)
        return WR_OK;
    struct wr_table *table = wr_table_new(slices->budget, slices->shape, slices->seed);
    int status = table == NULL
                     ? WR_ENOMEM
                     : wr_table_wake(table, slices->scratch, &slice->rest, error_of(slices));
    if (status != WR_OK) {
        wr_table_free(table);
        slices->failure = status;
        return status;
    }
    wr_rest_drop(&slice->rest, slices->budget, slices->scratch);
    slice->table = table;
    return WR_OK;
}

int wr_slices_get(struct wr_slices *slices, int64_t start_us, struct wr_table **table) {
    *table = NULL;
    for (uint32_t from = 0, to = slices->count; from < to;) {
        uint32_t middle = from + (to - from) / 2;
        int64_t found_us = slices->items[middle].start_us;
        if (found_us == start_us) {
            int status = wr_slices_wake(slices, middle);
            *table = slices->items[middle].table;
            return status;
        }
        if (found_us < start_us)
            from = middle + 1;
        else
            to = middle;
    }
    return WR_OK;
}

/* The one that has not been asked for the longest; UINT32_MAX: only the last one is awake. */
static uint32_t oldest(const struct wr_slices *slices) {
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < slices->count; i++)
        if (i != slices->last && slices->items[i].table != NULL &&
            (found == UINT32_MAX || slices->items[i].used < slices->items[found].used))
            found = i;
    return found;
}

/* Another eighth is free then, so that the next row does not bring the next one to rest. */
static int is_crowded(const struct wr_slices *slices, uint64_t bytes, int is_resting) {
    const struct wr_budget *budget = slices->budget;
    uint64_t max = slices->memory_bytes, budget_max = budget->bytes_max;
    if (is_resting) {
        max -= max / 8;
        budget_max -= budget_max / 8;
    }
    return bytes > max || (budget_max > 0 && budget->bytes_used / 3 > budget_max / 4);
}

int wr_slices_relieve(struct wr_slices *slices) {
    if (slices->env == NULL)
        return WR_OK;
    uint64_t used = slices->budget->bytes_used, max = slices->memory_bytes;
    slices->seen_bytes = WR_MIN(slices->seen_bytes, used);
    if (used < max / 2 || used - slices->seen_bytes < max / LOOK_PARTS)
        return WR_OK;
    slices->seen_bytes = used;
    uint64_t bytes = wr_slices_bytes(slices);
    if (!is_crowded(slices, bytes, 0))
        return WR_OK;
    int status = WR_OK;
    if (slices->scratch == NULL)
        status = wr_scratch_new(&slices->scratch, slices->env, slices->budget, UNIT_BYTES);
    for (uint32_t at; status == WR_OK && is_crowded(slices, bytes, 1);) {
        at = oldest(slices);
        if (at == UINT32_MAX)
            break;
        struct wr_slice *slice = &slices->items[at];
        uint64_t freed = wr_table_bytes(slice->table);
        bytes -= WR_MIN(bytes, freed);
        status = wr_table_rest(slice->table, slices->budget, slices->scratch, &slice->rest,
                               error_of(slices));
        if (status == WR_OK)
            slice->table = NULL;
    }
    return status;
}
