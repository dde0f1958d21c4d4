/* aggregates_words.c: count_distinct of values of eight bytes: a flat open-addressing set of words
 * in a blob of the state row. Position-independent:
 *   words_head, then `slots` values; 0 is an empty slot and has a flag of its own
 * Where several aggregates of a stage count the same column under conditions, they share one set
 * of pairs: the value, and a bit for each of them that has seen it (0: the slot is empty). */
#include "base/hash.h"
#include "expr/aggregates.h"
#include "base/banned.h"

#define SLOTS_MIN 4
#define AHEAD 32u /* values whose lines are on their way at once */

struct words_state {
    uint64_t count;    /* the result */
    uint32_t used;     /* slots */
    uint32_t seed_low; /* of the head's seed: a look at a slot needs no line of the head */
    struct wr_blob blob;
};
static const struct wr_cell words_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct words_state, blob)}};

struct words_head {
    uint64_t seed;
    uint64_t zero;
};

static inline uint64_t *words_slots(const struct wr_blob *blob) {
    return (uint64_t *)(void *)(blob->bytes + sizeof(struct words_head));
}
static inline struct words_head *words_head(const struct wr_blob *blob) {
    return (struct words_head *)(void *)blob->bytes;
}
/* Of a blob that is not empty. A slot has 1 word, or 2 where the set is shared: a constant of each
 * loop. */
static inline uint32_t slots_of(const struct wr_blob *blob, uint32_t slot_words) {
    return (blob->length - (uint32_t)sizeof(struct words_head)) / (8 * slot_words);
}

/* The slot of `value`, or the empty one where it belongs. */
static inline uint64_t *words_find(const struct wr_blob *blob, uint64_t value, uint64_t hash,
                                   uint32_t slot_words) {
    uint64_t *slots = words_slots(blob);
    uint32_t mask = slots_of(blob, slot_words) - 1, at = (uint32_t)hash & mask;
    while (slots[at * slot_words + slot_words - 1] != 0 && slots[at * slot_words] != value)
        at = (at + 1) & mask;
    return &slots[at * slot_words];
}

static __attribute__((noinline)) int words_grow(struct wr_table *table, struct words_state *state,
                                                uint32_t slot_words) {
    struct wr_blob *blob = &state->blob;
    struct words_head head = {.seed = wr_table_seed(table)};
    uint32_t old = blob->length == 0 ? 0 : slots_of(blob, slot_words);
    uint64_t slots = WR_MAX(SLOTS_MIN, (uint64_t)old * 2);
    uint64_t bytes = sizeof head + slots * slot_words * 8;
    if (bytes > WR_AGGREGATE_BLOB_BYTES_MAX)
        return WR_ELIMIT;
    if (old > 0)
        head = *words_head(blob);
    struct wr_blob grown = {0};
    int status = wr_blob_reserve(table, &grown, (uint32_t)bytes);
    if (status != WR_OK)
        return status;
    memset(grown.bytes, 0, bytes);
    grown.length = (uint32_t)bytes;
    *words_head(&grown) = head;
    const uint64_t *from = old == 0 ? NULL : words_slots(blob);
    for (uint32_t i = 0; i < old; i++, from += slot_words) {
        if (from[slot_words - 1] == 0)
            continue;
        uint64_t *to = words_find(&grown, from[0], wr_hash_u64(from[0], head.seed), slot_words);
        for (uint32_t w = 0; w < slot_words; w++)
            to[w] = from[w];
    }
    wr_blob_release(table, blob);
    *blob = grown;
    state->seed_low = (uint32_t)head.seed;
    return WR_OK;
}

/* The slot of `value`, with room for it; `hash` is by the table's seed. NULL: *status says why. */
static inline uint64_t *words_reserve(struct wr_table *table, struct words_state *state,
                                      uint64_t value, uint64_t hash, uint32_t slot_words,
                                      int *status) {
    uint32_t slots = state->blob.length == 0 ? 0 : slots_of(&state->blob, slot_words);
    if (WR_UNLIKELY(slots == 0 || state->used >= slots - slots / 4)) {
        *status = words_grow(table, state, slot_words);
        if (*status != WR_OK)
            return NULL;
    }
    if (WR_UNLIKELY(state->seed_low != (uint32_t)wr_table_seed(table)))
        hash = wr_hash_u64(value, words_head(&state->blob)->seed);
    return words_find(&state->blob, value, hash, slot_words);
}

static inline int words_put(struct wr_table *table, struct words_state *state, uint64_t value,
                            uint64_t hash) {
    int status = WR_OK;
    uint64_t *slot = words_reserve(table, state, value, hash, 1, &status);
    if (slot == NULL)
        return status;
    if (WR_UNLIKELY(value == 0)) {
        struct words_head *head = words_head(&state->blob);
        state->count += head->zero == 0;
        head->zero = 1;
    } else if (*slot == 0) {
        *slot = value;
        state->used++;
        state->count++;
    }
    return WR_OK;
}

/* The same where `bits` says which of the aggregates that share the set see the value. */
static inline int pairs_put(const struct wr_aggregate *aggregate, struct wr_table *table,
                            uint8_t *row, uint64_t value, uint64_t hash, uint64_t bits) {
    struct words_state *state = (struct words_state *)(void *)(row + aggregate->offset);
    int status = WR_OK;
    uint64_t *slot = words_reserve(table, state, value, hash, 2, &status);
    if (slot == NULL)
        return status;
    uint64_t added = bits & ~slot[1];
    if (added == 0)
        return WR_OK;
    state->used += slot[1] == 0;
    slot[0] = value;
    slot[1] |= bits;
    for (; added != 0; added &= added - 1) {
        uint32_t offset = aggregate->share->offsets[__builtin_ctzll(added)];
        ++*(uint64_t *)(void *)(row + offset); /* `count` stands first in each state */
    }
    return WR_OK;
}

/* ---- adding rows ---- */

static inline __attribute__((always_inline)) uint64_t word_of(const struct wr_column *column,
                                                              uint32_t row,
                                                              enum wr_type_kind kind) {
    if (kind == WR_BOOL)
        return WR_BOOLS(column)[row];
    if (kind != WR_FLOAT64)
        return (uint64_t)WR_I64(column)[row];
    double canonical = agg_canonical(WR_F64(column)[row]);
    uint64_t value;
    memcpy(&value, &canonical, 8);
    return value;
}

/* `bits`: of a set that is shared. The lines of AHEAD values are asked for before the first is
 * put. */
static inline __attribute__((always_inline)) int words_add(AGG_ADD_PARAMS, const uint64_t *bits,
                                                           uint32_t slot_words,
                                                           enum wr_type_kind kind) {
    uint64_t seed = wr_table_seed(table), hashes[AHEAD];
    for (uint32_t from = 0; from < count; from += AHEAD) {
        uint32_t end = WR_MIN(from + AHEAD, count);
        for (uint32_t i = from; i < end; i++) {
            const struct words_state *state =
                (const struct words_state *)(const void *)(rows[i] + aggregate->offset);
            uint64_t value = word_of(&args[0], sel == NULL ? i : sel[i], kind);
            uint64_t hash = hashes[i - from] = wr_hash_u64(value, seed);
            if (state->blob.length == 0)
                continue;
            uint32_t at = (uint32_t)hash & (slots_of(&state->blob, slot_words) - 1);
            __builtin_prefetch(words_slots(&state->blob) + (size_t)at * slot_words);
        }
        for (uint32_t i = from; i < end; i++) {
            uint32_t row = sel == NULL ? i : sel[i];
            if (wr_column_is_nil(&args[0], row) || (slot_words == 2 && bits[i] == 0))
                continue;
            uint64_t value = word_of(&args[0], row, kind);
            struct words_state *state = (struct words_state *)(void *)(rows[i] + aggregate->offset);
            int status = slot_words == 1 ? words_put(table, state, value, hashes[i - from])
                                         : pairs_put(aggregate, table, rows[i], value,
                                                     hashes[i - from], bits[i]);
            if (status != WR_OK)
                return status;
        }
    }
    (void)batch;
    return WR_OK;
}

/* ---- merging, results ---- */

static int words_merge(AGG_MERGE_PARAMS) {
    struct words_state *state = (struct words_state *)(void *)(into + aggregate->offset);
    const struct words_state *other =
        (const struct words_state *)(const void *)(from + aggregate->offset);
    if (other->blob.length == 0)
        return WR_OK;
    uint64_t seed = wr_table_seed(table);
    int status = WR_OK;
    if (words_head(&other->blob)->zero)
        status = words_put(table, state, 0, wr_hash_u64(0, seed));
    const uint64_t *slots = words_slots(&other->blob);
    uint32_t slot_count = slots_of(&other->blob, 1);
    for (uint32_t i = 0; i < slot_count && status == WR_OK; i++)
        if (slots[i] != 0)
            status = words_put(table, state, slots[i], wr_hash_u64(slots[i], seed));
    return status;
}

static int pairs_merge(AGG_MERGE_PARAMS) {
    const struct words_state *other =
        (const struct words_state *)(const void *)(from + aggregate->offset);
    if (other->blob.length == 0)
        return WR_OK;
    uint64_t seed = wr_table_seed(table);
    const uint64_t *slots = words_slots(&other->blob);
    uint32_t slot_count = slots_of(&other->blob, 2);
    int status = WR_OK;
    for (uint32_t i = 0; i < slot_count && status == WR_OK; i++, slots += 2)
        if (slots[1] != 0)
            status =
                pairs_put(aggregate, table, into, slots[0], wr_hash_u64(slots[0], seed), slots[1]);
    return status;
}

/* What shares a set is added and merged with the first of them. */
static int member_add(AGG_ADD_PARAMS) {
    (void)aggregate, (void)rows, (void)count;
    AGG_UNUSED_ADD;
    return WR_OK;
}
static int member_merge(AGG_MERGE_PARAMS) {
    (void)aggregate, (void)table, (void)into, (void)from;
    return WR_OK;
}

struct count_state {
    uint64_t count;
};
AGG_RESULT(words_result, count_state, int64_t, { result[i] = (int64_t)state->count; })

static const struct wr_aggregate_kernel member = {
    .state_bytes = 8, .add = member_add, .merge = member_merge, .result = words_result};

#define WORDS_KERNEL(name, kind) \
    static int name##_add(AGG_ADD_PARAMS) { \
        return words_add(aggregate, table, rows, args, batch, sel, count, NULL, 1, kind); \
    } \
    static int name##_add_shared(AGG_ADD_PARAMS, const uint64_t *bits) { \
        return words_add(aggregate, table, rows, args, batch, sel, count, bits, 2, kind); \
    } \
    static const struct wr_aggregate_kernel name##_leader = {.state_bytes = \
                                                                 sizeof(struct words_state), \
                                                             .cell_count = 1, \
                                                             .cells = words_cells, \
                                                             .in_row = 1, \
                                                             .add_shared = name##_add_shared, \
                                                             .merge = pairs_merge, \
                                                             .result = words_result}; \
    const struct wr_aggregate_kernel wr_words_##name = {.state_bytes = sizeof(struct words_state), \
                                                        .cell_count = 1, \
                                                        .cells = words_cells, \
                                                        .in_row = 1, \
                                                        .add = name##_add, \
                                                        .merge = words_merge, \
                                                        .result = words_result, \
                                                        .leader = &name##_leader, \
                                                        .member = &member};
WORDS_KERNEL(ints, WR_INT64)
WORDS_KERNEL(floats, WR_FLOAT64)
WORDS_KERNEL(bools, WR_BOOL)
