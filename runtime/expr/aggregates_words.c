/* aggregates_words.c: count_distinct of values of eight bytes: a flat open-addressing set in one
 * blob of a state row (see aggregates_sets.c): words_head, then `slots` values; 0 is an empty slot
 * and has a flag of its own. */
#include "base/hash.h"
#include "expr/aggregates.h"
#include "base/banned.h"

struct set_state {
    struct wr_blob blob;
};
static const struct wr_cell set_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct set_state, blob)}};

#define SLOTS_MIN 8

struct words_head {
    uint64_t seed;
    uint32_t count, slots; /* count: without the zero */
    uint64_t zero;
};

static inline uint64_t *words_slots(const struct wr_blob *blob) {
    return (uint64_t *)(void *)(blob->bytes + sizeof(struct words_head));
}

/* The slot of `value`, or the empty one where it belongs. */
static inline uint64_t *words_find(const struct wr_blob *blob, uint64_t value) {
    const struct words_head *head = (const struct words_head *)(const void *)blob->bytes;
    uint64_t *slots = words_slots(blob);
    uint32_t mask = head->slots - 1;
    uint32_t at = (uint32_t)wr_hash_u64(value, head->seed) & mask;
    while (slots[at] != 0 && slots[at] != value)
        at = (at + 1) & mask;
    return &slots[at];
}

static int words_grow(struct wr_table *table, struct wr_blob *blob) {
    struct words_head old = {.seed = wr_table_seed(table)};
    if (blob->length != 0)
        memcpy(&old, blob->bytes, sizeof old);
    uint64_t slots = WR_MAX(SLOTS_MIN, (uint64_t)old.slots * 2);
    uint64_t bytes = sizeof(struct words_head) + slots * 8;
    if (bytes > WR_AGGREGATE_BLOB_BYTES_MAX)
        return WR_ELIMIT;
    struct wr_blob grown = {0};
    int status = wr_blob_reserve(table, &grown, (uint32_t)bytes);
    if (status != WR_OK)
        return status;
    memset(grown.bytes, 0, bytes);
    grown.length = (uint32_t)bytes;
    struct words_head head = {
        .seed = old.seed, .count = old.count, .slots = (uint32_t)slots, .zero = old.zero};
    memcpy(grown.bytes, &head, sizeof head);
    for (uint32_t i = 0; i < old.slots; i++) {
        uint64_t value = words_slots(blob)[i];
        if (value != 0)
            *words_find(&grown, value) = value;
    }
    wr_blob_release(table, blob);
    *blob = grown;
    return WR_OK;
}

static inline int words_put(struct wr_table *table, struct wr_blob *blob, uint64_t value) {
    struct words_head *head = (struct words_head *)(void *)blob->bytes;
    if (WR_UNLIKELY(blob->length == 0 || head->count >= head->slots - head->slots / 4)) {
        int status = words_grow(table, blob);
        if (status != WR_OK)
            return status;
        head = (struct words_head *)(void *)blob->bytes;
    }
    if (value == 0) {
        head->zero = 1;
        return WR_OK;
    }
    uint64_t *slot = words_find(blob, value);
    head->count += *slot == 0;
    *slot = value;
    return WR_OK;
}

static inline __attribute__((always_inline)) int words_add(AGG_ADD_PARAMS, enum wr_type_kind kind) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        uint64_t value;
        if (kind == WR_FLOAT64) {
            double canonical = agg_canonical(WR_F64(&args[0])[row]);
            memcpy(&value, &canonical, 8);
        } else {
            value = kind == WR_BOOL ? WR_BOOLS(&args[0])[row] : (uint64_t)WR_I64(&args[0])[row];
        }
        struct set_state *state = (struct set_state *)(void *)(rows[i] + aggregate->offset);
        status = words_put(table, &state->blob, value);
    }
    (void)batch;
    return status;
}
static int words_ints_add(AGG_ADD_PARAMS) {
    return words_add(aggregate, table, rows, args, batch, sel, count, WR_INT64);
}
static int words_floats_add(AGG_ADD_PARAMS) {
    return words_add(aggregate, table, rows, args, batch, sel, count, WR_FLOAT64);
}
static int words_bools_add(AGG_ADD_PARAMS) {
    return words_add(aggregate, table, rows, args, batch, sel, count, WR_BOOL);
}

static int words_merge(AGG_MERGE_PARAMS) {
    struct set_state *state = (struct set_state *)(void *)(into + aggregate->offset);
    const struct set_state *other =
        (const struct set_state *)(const void *)(from + aggregate->offset);
    if (other->blob.length == 0)
        return WR_OK;
    const struct words_head *head = (const struct words_head *)(const void *)other->blob.bytes;
    int status = head->zero ? words_put(table, &state->blob, 0) : WR_OK;
    for (uint32_t i = 0; i < head->slots && status == WR_OK; i++)
        if (words_slots(&other->blob)[i] != 0)
            status = words_put(table, &state->blob, words_slots(&other->blob)[i]);
    return status;
}

AGG_RESULT(words_result, set_state, int64_t, {
    result[i] = 0;
    if (state->blob.length != 0) {
        const struct words_head *head = (const struct words_head *)(const void *)state->blob.bytes;
        result[i] = (int64_t)(head->count + head->zero);
    }
})

#define WORDS_KERNEL(name) \
    const struct wr_aggregate_kernel wr_words_##name = {.state_bytes = sizeof(struct set_state), \
                                                        .cell_count = 1, \
                                                        .cells = set_cells, \
                                                        .add = words_##name##_add, \
                                                        .merge = words_merge, \
                                                        .result = words_result};
WORDS_KERNEL(ints)
WORDS_KERNEL(floats)
WORDS_KERNEL(bools)
