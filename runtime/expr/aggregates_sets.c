/* aggregates_sets.c: count_distinct, mode: sets of values that live in one blob of a state row, as
 * entries (aggregates_entries.h); those of values of eight bytes are in aggregates_words.c. */
#include "expr/aggregates.h"
#include "expr/aggregates_entries.h"
#include "base/banned.h"

struct set_state {
    struct wr_blob blob;
};
static const struct wr_cell set_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct set_state, blob)}};

/* ---- entries -------------------------------------------------------------------------------- */

AGG_ADD_VALUES(entries_one_add, set_state,
               wr_entries_put(table, &state->blob, bytes, length, 1, 0, NULL))

/* Several arguments: each with its length in front, gathered behind the last entry. */
static int entries_tuple_put(const struct wr_aggregate *aggregate, struct wr_table *table,
                             struct wr_blob *blob, const struct wr_column *args, uint32_t row,
                             uint64_t by, uint64_t *at) {
    uint64_t total = 0;
    char room[16];
    uint32_t length;
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        wr_entry_value(&aggregate->arg_types[a], &args[a], row, room, &length);
        total += 4 + (uint64_t)length;
    }
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
    char *end = to;
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        const char *bytes = wr_entry_value(&aggregate->arg_types[a], &args[a], row, room, &length);
        memcpy(end, &length, 4);
        memcpy(end + 4, bytes, length);
        end += 4 + length;
    }
    int status = wr_entries_put(table, blob, to, (uint32_t)total, by, 0, at);
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
            status = entries_tuple_put(aggregate, table, &state->blob, args, row, 1, NULL);
    }
    (void)batch;
    return status;
}

static int entries_merge(AGG_MERGE_PARAMS) {
    struct set_state *state = (struct set_state *)(void *)(into + aggregate->offset);
    const struct set_state *other =
        (const struct set_state *)(const void *)(from + aggregate->offset);
    if (other->blob.length == 0)
        return WR_OK;
    int status = WR_OK;
    for (uint64_t at = wr_entries_start(&other->blob);
         at < other->blob.length && status == WR_OK;) {
        const struct wr_entry *entry = wr_entry_at(&other->blob, (uint32_t)at);
        status =
            wr_entries_put(table, &state->blob, entry->bytes, entry->length, entry->count, 0, NULL);
        at += wr_entry_bytes(entry->length, 0);
    }
    return status;
}

AGG_RESULT(entries_result, set_state, int64_t, { result[i] = wr_entries_count(&state->blob); })

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

AGG_RESULT(mode_result, set_state, char, {
    const struct wr_type *type = &aggregate->type;
    uint32_t width = wr_type_bytes(type->kind);
    char *to = result + (size_t)i * width;
    memset(to, 0, width);
    if (state->blob.length == 0) {
        AGG_NIL(i);
        continue;
    }
    const struct wr_entry *best = NULL;
    for (uint64_t at = wr_entries_start(&state->blob); at < state->blob.length;) {
        const struct wr_entry *entry = wr_entry_at(&state->blob, (uint32_t)at);
        if (best == NULL || entry->count > best->count ||
            (entry->count == best->count && wr_entry_compare(type, entry, best) < 0))
            best = entry;
        at += wr_entry_bytes(entry->length, 0);
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
    struct wr_blob *blob = &state->set.blob, tidy = {0};
    if (wr_entries_count(blob) < DEAD_MIN + 2 * state->live)
        return WR_OK;
    int status = WR_OK;
    for (uint64_t at = wr_entries_start(blob); at < blob->length && status == WR_OK;) {
        const struct wr_entry *entry = wr_entry_at(blob, at);
        if (entry->count > 0)
            status =
                wr_entries_put(table, &tidy, entry->bytes, entry->length, entry->count, 0, NULL);
        at += wr_entry_bytes(entry->length, 0);
    }
    wr_blob_release(table, status == WR_OK ? blob : &tidy);
    if (status == WR_OK)
        *blob = tidy;
    return status;
}

static int counted_move(AGG_ADD_PARAMS, int retracts) {
    int status = WR_OK;
    uint64_t by = retracts ? UINT64_MAX : 1, at;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i], length;
        int nil = 0;
        for (uint32_t a = 0; a < aggregate->arg_count; a++)
            nil |= wr_column_is_nil(&args[a], row);
        if (nil)
            continue;
        struct counted_state *state = (struct counted_state *)(void *)(rows[i] + aggregate->offset);
        struct wr_blob *blob = &state->set.blob;
        char room[16];
        if (aggregate->arg_count > 1) {
            status = entries_tuple_put(aggregate, table, blob, args, row, by, &at);
        } else {
            const char *bytes =
                wr_entry_value(&aggregate->arg_types[0], &args[0], row, room, &length);
            status = wr_entries_put(table, blob, bytes, length, by, 0, &at);
        }
        if (status != WR_OK)
            return status;
        uint64_t left = wr_entry_at(blob, at)->count;
        state->live += (uint64_t)(!retracts && left == 1);
        state->live -= (uint64_t)(retracts && left == 0);
        if (retracts && left == 0)
            status = counted_tidy(table, state);
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
