/* aggregates_approx.c: approx_count_distinct: how many different values there are, in at most
 * 16 KB.
 *
 * A value counts by a hash of 64 bits. While there are few, the state is a set of 32-bit words: the
 * first 26 bits of the hash, and how many zeros stand behind them (+ 1); equal starts keep the
 * larger one. It says the exact number but for one pair in 2^26 that falls together. A set that is
 * full becomes registers: 2^14 of them, by the first 14 bits of the hash, each the most zeros that
 * were seen behind these (+ 1). Which of the two a state is, and what is in it, depends on the
 * values alone and not on their order or on how they were split.
 *   head, then `slots` words (0: empty), or with slots 0 the registers
 * Sources: Heule, Nunkesser, Hall, "HyperLogLog in practice", 2013 (the sparse form); Ertl, "New
 * cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6 (the estimate). */
#include <math.h>

#include "base/hash.h"
#include "expr/aggregates.h"
#include "expr/aggregates_entries.h"
#include "base/banned.h"

#define REGISTER_BITS 14 /* an error of 1.04 / sqrt(2^14): 0.8 % */
#define REGISTERS (1u << REGISTER_BITS)
#define START_BITS 26 /* of a word of the sparse form; 6 bits of zeros are left */
#define WORD_SLOTS_MIN 8
#define WORD_SLOTS_MAX (REGISTERS / 4) /* as many bytes as the registers; three in four are used */
/* The same for all runs, so that all give the same estimate. */
#define HASH_SEED UINT64_C(0x6a09e667f3bcc909)

struct cardinality_state {
    struct wr_blob blob;
};
static const struct wr_cell cardinality_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct cardinality_state, blob)}};
struct cardinality_head {
    uint32_t count, slots;
};

static inline struct cardinality_head *head_of(const struct wr_blob *blob) {
    return (struct cardinality_head *)(void *)blob->bytes;
}
static inline uint32_t *words_of(const struct wr_blob *blob) {
    return (uint32_t *)(void *)(blob->bytes + sizeof(struct cardinality_head));
}
static inline uint8_t *registers_of(const struct wr_blob *blob) {
    return (uint8_t *)blob->bytes + sizeof(struct cardinality_head);
}

static inline uint32_t word_of_hash(uint64_t hash) {
    uint64_t behind = hash << START_BITS | UINT64_C(1) << (START_BITS - 1);
    return (uint32_t)(hash >> (64 - START_BITS)) << 6 | (uint32_t)(__builtin_clzll(behind) + 1);
}

/* What a word says of the registers. */
static inline void register_put(uint8_t *registers, uint32_t word) {
    const uint32_t more = START_BITS - REGISTER_BITS;
    uint32_t start = word >> 6;
    uint32_t between = start & ((1u << more) - 1);
    uint32_t zeros =
        between == 0 ? more + (word & 63) : (uint32_t)__builtin_clz(between) - (32 - more) + 1;
    uint8_t *to = &registers[start >> more];
    *to = (uint8_t)WR_MAX((uint32_t)*to, zeros);
}

/* A set of `slots` words, or with 0 registers, with what `old` holds; `old` is given back. */
static int cardinality_rebuild(struct wr_table *table, struct wr_blob *old, uint32_t slots);

static int word_put(struct wr_table *table, struct wr_blob *blob, uint32_t word) {
    for (;;) {
        struct cardinality_head *head = head_of(blob);
        if (blob->length != 0 && head->slots == 0) {
            register_put(registers_of(blob), word);
            return WR_OK;
        }
        uint32_t slots = blob->length == 0 ? 0 : head->slots;
        if (slots > 0) {
            uint32_t *words = words_of(blob);
            uint32_t at = (word >> 6) * UINT32_C(0x9e3779b1) >> 7 & (slots - 1);
            while (words[at] != 0 && words[at] >> 6 != word >> 6)
                at = (at + 1) & (slots - 1);
            if (words[at] != 0 || head->count < slots - slots / 4) {
                head->count += words[at] == 0;
                words[at] = WR_MAX(words[at], word);
                return WR_OK;
            }
        }
        uint32_t more = slots == WORD_SLOTS_MAX ? 0 : WR_MAX(slots * 2, WORD_SLOTS_MIN);
        int status = cardinality_rebuild(table, blob, more);
        if (status != WR_OK)
            return status;
    }
}

static int cardinality_rebuild(struct wr_table *table, struct wr_blob *old, uint32_t slots) {
    struct wr_blob made = {0};
    uint32_t bytes =
        (uint32_t)sizeof(struct cardinality_head) + (slots == 0 ? REGISTERS : slots * 4);
    int status = wr_blob_reserve(table, &made, bytes);
    if (status != WR_OK)
        return status;
    memset(made.bytes, 0, bytes);
    made.length = bytes;
    head_of(&made)->slots = slots;
    uint32_t old_slots = old->length == 0 ? 0 : head_of(old)->slots;
    for (uint32_t s = 0; s < old_slots && status == WR_OK; s++)
        if (words_of(old)[s] != 0)
            status = word_put(table, &made, words_of(old)[s]); /* there is room: made once only */
    wr_blob_release(table, old);
    *old = made;
    return status;
}

static uint64_t value_hash(const struct wr_type *type, const struct wr_column *column,
                           uint32_t row) {
    char room[16];
    uint32_t length;
    const char *bytes = wr_entry_value(type, column, row, room, &length);
    if (length != 8 || wr_type_is_text(type->kind))
        return wr_hash_bytes(bytes, length, HASH_SEED);
    uint64_t word;
    memcpy(&word, bytes, 8);
    return wr_hash_u64(word, HASH_SEED);
}

static int cardinality_add(AGG_ADD_PARAMS) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        uint64_t hash = 0;
        int nil = 0;
        for (uint32_t a = 0; a < aggregate->arg_count && !nil; a++) {
            nil = wr_column_is_nil(&args[a], row);
            uint64_t one = nil ? 0 : value_hash(&aggregate->arg_types[a], &args[a], row);
            hash = a == 0 ? one : wr_hash_join(hash, one);
        }
        struct cardinality_state *state =
            (struct cardinality_state *)(void *)(rows[i] + aggregate->offset);
        if (!nil)
            status = word_put(table, &state->blob, word_of_hash(hash));
    }
    (void)batch;
    return status;
}

static int cardinality_merge(AGG_MERGE_PARAMS) {
    struct wr_blob *blob = &((struct cardinality_state *)(void *)(into + aggregate->offset))->blob;
    const struct wr_blob *other =
        &((const struct cardinality_state *)(const void *)(from + aggregate->offset))->blob;
    if (other->length == 0)
        return WR_OK;
    int status = WR_OK;
    for (uint32_t s = 0; s < head_of(other)->slots && status == WR_OK; s++)
        if (words_of(other)[s] != 0)
            status = word_put(table, blob, words_of(other)[s]);
    if (head_of(other)->slots > 0 || status != WR_OK)
        return status;
    if (blob->length == 0 || head_of(blob)->slots > 0)
        status = cardinality_rebuild(table, blob, 0);
    if (status != WR_OK)
        return status;
    uint8_t *registers = registers_of(blob);
    const uint8_t *others = registers_of(other);
    for (uint32_t r = 0; r < REGISTERS; r++)
        registers[r] = WR_MAX(registers[r], others[r]);
    return WR_OK;
}

static double sigma(double x) {
    if (x == 1)
        return INFINITY;
    double y = 1, z = x, before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}
static double tau(double x) {
    if (x == 0 || x == 1)
        return 0;
    double y = 1, z = 1 - x, before;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static int64_t registers_estimate(const uint8_t *registers) {
    enum { ZEROS_MAX = 64 - REGISTER_BITS };
    const double m = REGISTERS;
    uint32_t counts[ZEROS_MAX + 2] = {0};
    for (uint32_t r = 0; r < REGISTERS; r++)
        counts[WR_MIN(registers[r], ZEROS_MAX + 1)]++; /* a damaged state may say more */
    double z = m * tau(1 - counts[ZEROS_MAX + 1] / m);
    for (uint32_t k = ZEROS_MAX; k >= 1; k--)
        z = 0.5 * (z + counts[k]);
    z += m * sigma(counts[0] / m);
    return (int64_t)(m / (2 * M_LN2) * m / z + 0.5);
}

AGG_RESULT(cardinality_result, cardinality_state, int64_t, {
    const struct wr_blob *blob = &state->blob;
    if (blob->length == 0)
        result[i] = 0;
    else if (head_of(blob)->slots > 0)
        result[i] = head_of(blob)->count;
    else
        result[i] = registers_estimate(registers_of(blob));
})

static const struct wr_aggregate_kernel *cardinality_choose(struct wr_arena *arena,
                                                            const struct wr_type *args,
                                                            uint32_t arg_count,
                                                            struct wr_type *type) {
    static const struct wr_aggregate_kernel kernel = {.state_bytes =
                                                          sizeof(struct cardinality_state),
                                                      .cell_count = 1,
                                                      .cells = cardinality_cells,
                                                      .add = cardinality_add,
                                                      .merge = cardinality_merge,
                                                      .result = cardinality_result};
    (void)arena;
    (void)arg_count;
    *type = WR_TYPE(WR_INT64);
    return arg_count == 1 && args[0].kind == WR_NIL ? NULL : &kernel;
}

const struct wr_aggregate_function wr_aggregates_approx[] = {
    {.name = "approx_count_distinct",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT | WR_AGG_NO_RETRACT,
     .doc =
         "About how many different values there are, or combinations of several; nil is not "
         "counted, nor a combination with a nil. Up to 3,072 values it is exact but for a pair in "
         "2^26 that falls together, beyond that it has a standard error of 0.8 % in 16 KB a "
         "group (HyperLogLog). The same input gives the same estimate.",
     .keeps = "16 KB",
     .instead = "count_distinct",
     .signatures = AGG_TEXTS("(x any…) int64"),
     .arg_min = 1,
     .arg_max = WR_AGGREGATE_ARGS_MAX,
     .choose = cardinality_choose,
     .examples =
         AGG_EXAMPLES({"approx_count_distinct(s)", "2"}, {"approx_count_distinct(x, s)", "3"},
                      {"approx_count_distinct(x where x > 9)", "0"})},
    {0},
};
