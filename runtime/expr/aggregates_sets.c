/* aggregates_sets.c: count_distinct, mode: sets of values that live in one blob of a state row.
 *
 * Values of eight bytes are a flat set of words (aggregates_words.c). Everything else, and `mode`,
 * is a set of byte strings: a header, slots with offsets, and entries one behind the other, each
 * with a count. Both are position-independent, so that a state is saved and copied as bytes. The
 * seed of the hash stands in the header: a set that moves to another table stays what it was.
 *   entries_head, then `slots` offsets (from the start; 0: empty), then entries */
#include "base/hash.h"
#include "expr/aggregates.h"
#include "base/banned.h"

struct set_state {
    struct wr_blob blob;
};
static const struct wr_cell set_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct set_state, blob)}};

#define SLOTS_MIN 8

/* ---- entries -------------------------------------------------------------------------------- */

struct entries_head {
    uint64_t seed;
    uint32_t count, slots;
};
struct entry {
    uint64_t count;
    uint32_t length; /* of the value behind it; the next entry is aligned to 8 */
    char bytes[];
};

static inline uint32_t *entries_slots(const struct wr_blob *blob) {
    return (uint32_t *)(void *)(blob->bytes + sizeof(struct entries_head));
}
static inline struct entry *entry_at(const struct wr_blob *blob, uint32_t offset) {
    return (struct entry *)(void *)(blob->bytes + offset);
}
static inline uint64_t entry_bytes(uint32_t length) {
    return (offsetof(struct entry, bytes) + (uint64_t)length + 7) / 8 * 8;
}

static uint32_t *entries_find(const struct wr_blob *blob, const char *bytes, uint32_t length) {
    const struct entries_head *head = (const struct entries_head *)(const void *)blob->bytes;
    uint32_t *slots = entries_slots(blob);
    uint32_t mask = head->slots - 1;
    uint32_t at = (uint32_t)wr_hash_bytes(bytes, length, head->seed) & mask;
    while (slots[at] != 0) {
        const struct entry *entry = entry_at(blob, slots[at]);
        if (entry->length == length && memcmp(entry->bytes, bytes, length) == 0)
            break;
        at = (at + 1) & mask;
    }
    return &slots[at];
}

/* Doubles the slots: entries move as they are, behind more slots. */
static int entries_grow(struct wr_table *table, struct wr_blob *blob) {
    struct entries_head old = {.seed = wr_table_seed(table)};
    uint64_t start = sizeof old;
    if (blob->length != 0) {
        memcpy(&old, blob->bytes, sizeof old);
        start += (uint64_t)old.slots * 4;
    }
    uint64_t slots = WR_MAX(SLOTS_MIN, (uint64_t)old.slots * 2);
    uint64_t heap = blob->length == 0 ? 0 : blob->length - start;
    uint64_t heap_start = sizeof old + slots * 4;
    uint64_t room = heap_start + heap + heap / 2 + 64;
    if (room > WR_AGGREGATE_BLOB_BYTES_MAX)
        return WR_ELIMIT;
    struct wr_blob grown = {0};
    int status = wr_blob_reserve(table, &grown, (uint32_t)room);
    if (status != WR_OK)
        return status;
    memset(grown.bytes, 0, heap_start);
    if (heap > 0)
        memcpy(grown.bytes + heap_start, blob->bytes + start, heap);
    grown.length = (uint32_t)(heap_start + heap);
    struct entries_head head = {.seed = old.seed, .count = old.count, .slots = (uint32_t)slots};
    memcpy(grown.bytes, &head, sizeof head);
    for (uint64_t at = heap_start; at < grown.length;) {
        const struct entry *entry = entry_at(&grown, (uint32_t)at);
        *entries_find(&grown, entry->bytes, entry->length) = (uint32_t)at;
        at += entry_bytes(entry->length);
    }
    wr_blob_release(table, blob);
    *blob = grown;
    return WR_OK;
}

/* Counts `count` more of a value. */
static int entries_put(struct wr_table *table, struct wr_blob *blob, const char *bytes,
                       uint32_t length, uint64_t count) {
    const struct entries_head *head = (const struct entries_head *)(const void *)blob->bytes;
    if (blob->length == 0 || head->count >= head->slots - head->slots / 4) {
        int status = entries_grow(table, blob);
        if (status != WR_OK)
            return status;
    }
    uint32_t *slot = entries_find(blob, bytes, length);
    if (*slot != 0) {
        entry_at(blob, *slot)->count += count;
        return WR_OK;
    }
    if (entry_bytes(length) > WR_AGGREGATE_BLOB_BYTES_MAX)
        return WR_ELIMIT;
    ptrdiff_t slot_at = (char *)slot - blob->bytes;
    int status = wr_blob_more(table, blob, (uint32_t)entry_bytes(length));
    if (status != WR_OK)
        return status;
    struct entry *entry = entry_at(blob, blob->length);
    memset(entry, 0, entry_bytes(length));
    entry->count = count;
    entry->length = length;
    memcpy(entry->bytes, bytes, length);
    *(uint32_t *)(void *)(blob->bytes + slot_at) = blob->length;
    blob->length += (uint32_t)entry_bytes(length);
    ((struct entries_head *)(void *)blob->bytes)->count++;
    return WR_OK;
}

/* The bytes of one value: a text as it is, others canonical. */
static const char *value_bytes(const struct wr_type *type, const struct wr_column *column,
                               uint32_t row, char *room, uint32_t *length) {
    if (wr_type_is_text(type->kind)) {
        *length = WR_STR(column)[row].length;
        return wr_str_bytes(&WR_STR(column)[row]);
    }
    *length = wr_type_bytes(type->kind);
    memcpy(room, (const char *)column->data + (size_t)row * *length, *length);
    if (type->kind == WR_FLOAT64) {
        double canonical = agg_canonical(WR_F64(column)[row]);
        memcpy(room, &canonical, 8);
    }
    return room;
}

static int entries_one_add(AGG_ADD_PARAMS) {
    int status = WR_OK;
    char room[16];
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row))
            continue;
        struct set_state *state = (struct set_state *)(void *)(rows[i] + aggregate->offset);
        uint32_t length;
        const char *bytes = value_bytes(&aggregate->arg_types[0], &args[0], row, room, &length);
        status = entries_put(table, &state->blob, bytes, length, 1);
    }
    (void)batch;
    return status;
}

/* Several arguments: each with its length in front. */
static uint64_t tuple_length(const struct wr_aggregate *aggregate, const struct wr_column *args,
                             uint32_t row) {
    uint64_t total = 0;
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        char room[16];
        uint32_t length;
        value_bytes(&aggregate->arg_types[a], &args[a], row, room, &length);
        total += 4 + (uint64_t)length;
    }
    return total;
}

static void tuple_write(const struct wr_aggregate *aggregate, const struct wr_column *args,
                        uint32_t row, char *to) {
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        char room[16];
        uint32_t length;
        const char *bytes = value_bytes(&aggregate->arg_types[a], &args[a], row, room, &length);
        memcpy(to, &length, 4);
        memcpy(to + 4, bytes, length);
        to += 4 + length;
    }
}

static int entries_tuple_put(const struct wr_aggregate *aggregate, struct wr_table *table,
                             struct wr_blob *blob, const struct wr_column *args, uint32_t row) {
    uint64_t total = tuple_length(aggregate, args, row);
    if (total > WR_AGGREGATE_BLOB_BYTES_MAX / 4)
        return WR_ELIMIT;
    /* Scratch first: putting may move the blob. */
    struct wr_blob tuple = {0};
    char small[256];
    char *to = small;
    if (total > sizeof small) {
        int status = wr_blob_reserve(table, &tuple, (uint32_t)total);
        if (status != WR_OK)
            return status;
        to = tuple.bytes;
    }
    tuple_write(aggregate, args, row, to);
    int status = entries_put(table, blob, to, (uint32_t)total, 1);
    wr_blob_release(table, &tuple);
    return status;
}

static int entries_tuple_add(AGG_ADD_PARAMS) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        int nil = 0;
        for (uint32_t a = 0; a < aggregate->arg_count; a++)
            nil |= wr_column_is_nil(&args[a], row);
        struct set_state *state = (struct set_state *)(void *)(rows[i] + aggregate->offset);
        if (!nil)
            status = entries_tuple_put(aggregate, table, &state->blob, args, row);
    }
    (void)batch;
    return status;
}

static uint64_t entries_start(const struct wr_blob *blob) {
    const struct entries_head *head = (const struct entries_head *)(const void *)blob->bytes;
    return sizeof *head + (uint64_t)head->slots * 4;
}

static int entries_merge(AGG_MERGE_PARAMS) {
    struct set_state *state = (struct set_state *)(void *)(into + aggregate->offset);
    const struct set_state *other =
        (const struct set_state *)(const void *)(from + aggregate->offset);
    if (other->blob.length == 0)
        return WR_OK;
    int status = WR_OK;
    for (uint64_t at = entries_start(&other->blob); at < other->blob.length && status == WR_OK;) {
        const struct entry *entry = entry_at(&other->blob, (uint32_t)at);
        status = entries_put(table, &state->blob, entry->bytes, entry->length, entry->count);
        at += entry_bytes(entry->length);
    }
    return status;
}

AGG_RESULT(entries_result, set_state, int64_t, {
    result[i] = 0;
    if (state->blob.length != 0)
        result[i] = ((const struct entries_head *)(const void *)state->blob.bytes)->count;
})

static const struct wr_aggregate_kernel entries_one = {.state_bytes = sizeof(struct set_state),
                                                       .cell_count = 1,
                                                       .cells = set_cells,
                                                       .add = entries_one_add,
                                                       .merge = entries_merge,
                                                       .result = entries_result};
static const struct wr_aggregate_kernel entries_tuple = {.state_bytes = sizeof(struct set_state),
                                                         .cell_count = 1,
                                                         .cells = set_cells,
                                                         .add = entries_tuple_add,
                                                         .merge = entries_merge,
                                                         .result = entries_result};

static const struct wr_aggregate_kernel *distinct_choose(struct wr_arena *arena,
                                                         const struct wr_type *args,
                                                         uint32_t arg_count, struct wr_type *type) {
    (void)arena;
    *type = WR_TYPE(WR_INT64);
    if (arg_count > 1)
        return &entries_tuple;
    if (agg_is_word(args[0].kind))
        return &wr_words_ints;
    switch (args[0].kind) {
    case WR_NIL: return NULL;
    case WR_BOOL: return &wr_words_bools;
    case WR_FLOAT64: return &wr_words_floats;
    default: return &entries_one;
    }
}

/* ---- mode ----------------------------------------------------------------------------------- */

static int entry_compare(const struct wr_type *type, const struct entry *a, const struct entry *b) {
    if (wr_type_is_text(type->kind)) {
        int order = memcmp(a->bytes, b->bytes, WR_MIN(a->length, b->length));
        return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
    }
    if (type->kind == WR_DECIMAL) {
        __int128 x;
        __int128 y;
        memcpy(&x, a->bytes, 16);
        memcpy(&y, b->bytes, 16);
        return (x > y) - (x < y);
    }
    uint64_t x = 0;
    uint64_t y = 0;
    memcpy(&x, a->bytes, a->length);
    memcpy(&y, b->bytes, b->length);
    if (type->kind == WR_FLOAT64) {
        double u;
        double v;
        memcpy(&u, &x, 8);
        memcpy(&v, &y, 8);
        x = agg_float_order(u);
        y = agg_float_order(v);
        return (x > y) - (x < y);
    }
    return ((int64_t)x > (int64_t)y) - ((int64_t)x < (int64_t)y);
}

AGG_RESULT(mode_result, set_state, char, {
    const struct wr_type *type = &aggregate->type;
    uint32_t width = wr_type_bytes(type->kind);
    char *to = result + (size_t)i * width;
    memset(to, 0, width);
    if (state->blob.length == 0) {
        AGG_NIL(i);
        continue;
    }
    const struct entry *best = NULL;
    for (uint64_t at = entries_start(&state->blob); at < state->blob.length;) {
        const struct entry *entry = entry_at(&state->blob, (uint32_t)at);
        if (best == NULL || entry->count > best->count ||
            (entry->count == best->count && entry_compare(type, entry, best) < 0))
            best = entry;
        at += entry_bytes(entry->length);
    }
    if (wr_type_is_text(type->kind))
        *(struct wr_str *)(void *)to = wr_str_of(best->bytes, best->length);
    else
        memcpy(to, best->bytes, width);
})

static const struct wr_aggregate_kernel mode_entries = {.state_bytes = sizeof(struct set_state),
                                                        .cell_count = 1,
                                                        .cells = set_cells,
                                                        .add = entries_one_add,
                                                        .merge = entries_merge,
                                                        .result = mode_result};

static const struct wr_aggregate_kernel *mode_choose(struct wr_arena *arena,
                                                     const struct wr_type *args, uint32_t arg_count,
                                                     struct wr_type *type) {
    (void)arena;
    (void)arg_count;
    *type = args[0];
    return args[0].kind == WR_NIL ? NULL : &mode_entries;
}

/* ---- of frames ------------------------------------------------------------------------------ */

/* Values that rows were taken back of stay as entries with count 0 until they are most of all. */
struct counted_state {
    struct set_state set; /* first: results read it as one */
    uint64_t live;        /* values with a count */
};

#define DEAD_MIN 16

static int counted_tidy(struct wr_table *table, struct counted_state *state) {
    struct wr_blob *blob = &state->set.blob;
    const struct entries_head *head = (const struct entries_head *)(const void *)blob->bytes;
    if (head->count < DEAD_MIN + 2 * state->live)
        return WR_OK;
    struct wr_blob tidy = {0};
    int status = WR_OK;
    for (uint64_t at = entries_start(blob); at < blob->length && status == WR_OK;) {
        const struct entry *entry = entry_at(blob, (uint32_t)at);
        if (entry->count > 0)
            status = entries_put(table, &tidy, entry->bytes, entry->length, entry->count);
        at += entry_bytes(entry->length);
    }
    wr_blob_release(table, status == WR_OK ? blob : &tidy);
    if (status == WR_OK)
        *blob = tidy;
    return status;
}

static int counted_put(struct wr_table *table, struct counted_state *state, const char *bytes,
                       uint32_t length, int retracts) {
    struct wr_blob *blob = &state->set.blob;
    uint32_t offset = blob->length == 0 ? 0 : *entries_find(blob, bytes, length);
    uint64_t before = offset == 0 ? 0 : entry_at(blob, offset)->count;
    if (retracts && before == 0)
        return WR_OK;
    state->live += (uint64_t)(!retracts && before == 0);
    state->live -= (uint64_t)(retracts && before == 1);
    if (!retracts)
        return entries_put(table, blob, bytes, length, 1);
    entry_at(blob, offset)->count--;
    return before == 1 ? counted_tidy(table, state) : WR_OK;
}

/* The bytes of the arguments of a row, in `room` or in *more. */
static int counted_bytes(const struct wr_aggregate *aggregate, struct wr_table *table,
                         const struct wr_column *args, uint32_t row, char *room, size_t room_bytes,
                         struct wr_blob *more, const char **bytes, uint32_t *length) {
    if (aggregate->arg_count == 1) {
        *bytes = value_bytes(&aggregate->arg_types[0], &args[0], row, room, length);
        return WR_OK;
    }
    uint64_t total = tuple_length(aggregate, args, row);
    if (total > WR_AGGREGATE_BLOB_BYTES_MAX / 4)
        return WR_ELIMIT;
    char *to = room;
    if (total > room_bytes) {
        int status = wr_blob_reserve(table, more, (uint32_t)total);
        if (status != WR_OK)
            return status;
        to = more->bytes;
    }
    *bytes = to;
    *length = (uint32_t)total;
    tuple_write(aggregate, args, row, to);
    return WR_OK;
}

static int counted_move(AGG_ADD_PARAMS, int retracts) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i], length;
        int nil = 0;
        for (uint32_t a = 0; a < aggregate->arg_count; a++)
            nil |= wr_column_is_nil(&args[a], row);
        if (nil)
            continue;
        char room[256];
        const char *bytes;
        struct wr_blob more = {0};
        status =
            counted_bytes(aggregate, table, args, row, room, sizeof room, &more, &bytes, &length);
        if (status == WR_OK)
            status =
                counted_put(table, (struct counted_state *)(void *)(rows[i] + aggregate->offset),
                            bytes, length, retracts);
        wr_blob_release(table, &more);
    }
    (void)batch;
    return status;
}
static int counted_add(AGG_ADD_PARAMS) {
    return counted_move(aggregate, table, rows, args, batch, sel, count, 0);
}
static int counted_retract(AGG_ADD_PARAMS) {
    return counted_move(aggregate, table, rows, args, batch, sel, count, 1);
}
AGG_RESULT(counted_distinct_result, counted_state, int64_t, { result[i] = (int64_t)state->live; })

static int counted_mode_result(AGG_RESULT_PARAMS) {
    int status = mode_result(aggregate, rows, count, out, valid, fails, arena);
    for (uint32_t i = 0; i < count; i++)
        if (((const struct counted_state *)(const void *)(rows[i] + aggregate->offset))->live == 0)
            AGG_NIL(i);
    return status;
}

#define COUNTED_KERNEL(name) \
    static const struct wr_aggregate_kernel counted_##name = {.state_bytes = \
                                                                  sizeof(struct counted_state), \
                                                              .cell_count = 1, \
                                                              .cells = set_cells, \
                                                              .add = counted_add, \
                                                              .retract = counted_retract, \
                                                              .result = counted_##name##_result};
COUNTED_KERNEL(distinct)
COUNTED_KERNEL(mode)

static const struct wr_aggregate_kernel *distinct_choose_framed(AGG_CHOOSE_PARAMS) {
    return distinct_choose(arena, args, arg_count, type) == NULL ? NULL : &counted_distinct;
}
static const struct wr_aggregate_kernel *mode_choose_framed(AGG_CHOOSE_PARAMS) {
    return mode_choose(arena, args, arg_count, type) == NULL ? NULL : &counted_mode;
}

const struct wr_aggregate_function wr_aggregates_sets[] = {
    {.name = "count_distinct",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "The exact number of different values, or of different combinations of several; nil is "
            "not counted, nor a combination with a nil.",
     .signatures = AGG_TEXTS("(x any…) int64"),
     .arg_min = 1,
     .arg_max = WR_AGGREGATE_ARGS_MAX,
     .choose = distinct_choose,
     .choose_framed = distinct_choose_framed,
     .examples = AGG_EXAMPLES({"count_distinct(s)", "2"}, {"count_distinct(x, s)", "3"},
                              {"count_distinct(x where x > 9)", "0"})},
    {.name = "mode",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT,
     .doc = "The most frequent value; of equally frequent ones the smallest.",
     .signatures = AGG_TEXTS("(x T) T"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = mode_choose,
     .choose_framed = mode_choose_framed,
     .examples = AGG_EXAMPLES({"mode(s)", "'a'"}, {"mode(f)", "0.5"})},
    {0},
};
