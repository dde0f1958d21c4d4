/* aggregates_picks.c: first, last, any_value, min_by, max_by: the value of one chosen row.
 *
 * A row stands at (key, event time, source and partition, record). The smallest place wins; `last`
 * and `max_by` complement what they want largest. Without event time the places of `first` and
 * `last` are all equal, and arrival decides: the first keeps, the last replaces. */
#include "expr/aggregates.h"
#include "base/banned.h"

struct place {
    uint64_t key;
    uint64_t time;
    uint64_t stream; /* source << 32 | partition */
    uint64_t record;
};
struct pick_state {
    uint64_t seen;
    struct place place;
    uint64_t value[2]; /* an element of any type; a struct wr_str is a cell */
};
static const struct wr_cell pick_cells[] = {
    {.kind = WR_CELL_STRING, .offset = offsetof(struct pick_state, value)}};

/* any_value keeps no place. */
struct any_state {
    uint64_t seen;
    uint64_t value[2];
};
static const struct wr_cell any_cells[] = {
    {.kind = WR_CELL_STRING, .offset = offsetof(struct any_state, value)}};

enum pick { PICK_FIRST, PICK_LAST, PICK_MIN, PICK_MAX };

static inline int place_before(const struct place *a, const struct place *b, int on_equal) {
    if (a->key != b->key)
        return a->key < b->key;
    if (a->time != b->time)
        return a->time < b->time;
    if (a->stream != b->stream)
        return a->stream < b->stream;
    if (a->record != b->record)
        return a->record < b->record;
    return on_equal;
}

static inline void place_of(struct place *place, const struct wr_batch *batch, uint32_t row,
                            enum pick pick) {
    place->time = place->stream = place->record = 0;
    if (batch->event_time == NULL)
        return;
    place->time = agg_int_order(batch->event_time[row]);
    if (batch->origin.source != NULL) { /* rows made of several stand as they arrive */
        place->stream = (uint64_t)batch->source << 32 | batch->partition;
        place->record = wr_origin_record(&batch->origin, row);
    }
    if (pick == PICK_LAST) {
        place->time = ~place->time;
        place->stream = ~place->stream;
        place->record = ~place->record;
    }
}

static inline int value_set(struct wr_table *table, uint64_t *cell, const struct wr_column *column,
                            uint32_t row, int width) {
    switch (width) {
    case 1: *cell = WR_BOOLS(column)[row]; return WR_OK;
    case 8: *cell = ((const uint64_t *)column->data)[row]; return WR_OK;
    case 16: memcpy(cell, (const char *)column->data + (size_t)row * 16, 16); return WR_OK;
    default: break;
    }
    const struct wr_str *str = &WR_STR(column)[row];
    return wr_table_set_string(table, (struct wr_str *)(void *)cell, wr_str_bytes(str),
                               str->length);
}

static inline int value_copy(struct wr_table *table, uint64_t *cell, const uint64_t *other,
                             int width) {
    if (width != 0) {
        memcpy(cell, other, 16);
        return WR_OK;
    }
    const struct wr_str *str = (const struct wr_str *)(const void *)other;
    return wr_table_set_string(table, (struct wr_str *)(void *)cell, wr_str_bytes(str),
                               str->length);
}

static inline void value_get(void *out, uint32_t i, const uint64_t *cell, int width) {
    if (width == 1)
        ((uint8_t *)out)[i] = (uint8_t)*cell;
    else if (width == 8)
        ((uint64_t *)out)[i] = *cell;
    else
        memcpy((char *)out + (size_t)i * 16, cell, 16);
}

static inline uint64_t key_of(const struct wr_aggregate *aggregate, const struct wr_column *args,
                              uint32_t row, enum pick pick) {
    if (pick != PICK_MIN && pick != PICK_MAX)
        return 0;
    uint64_t key = aggregate->arg_types[1].kind == WR_FLOAT64
                       ? agg_float_order(WR_F64(&args[1])[row])
                       : agg_int_order(WR_I64(&args[1])[row]);
    return pick == PICK_MAX ? ~key : key;
}

#define RECENT 256 /* states remembered while looking for rows whose value is replaced at once */

/* Marks rows whose state takes a later row of the same call: their strings need no copy. Looks from
 * the end; a state that was forgotten meanwhile only costs that copy. */
static void mark_replaced(uint8_t *const *rows, const struct wr_column *column, const uint32_t *sel,
                          uint32_t first, uint32_t count, uint8_t *replaced) {
    const uint8_t *recent[RECENT] = {NULL};
    for (uint32_t i = count; i-- > 0;) {
        uint32_t row = sel == NULL ? first + i : sel[first + i];
        const uint8_t *state = rows[first + i];
        uint64_t hash = (uint64_t)(uintptr_t)state * UINT64_C(0x9e3779b97f4a7c15) >> 56;
        replaced[i] = recent[hash] == state;
        if (!wr_column_is_nil(column, row))
            recent[hash] = state;
    }
}

/* `last` of rows without event time: the later row replaces, no place is compared. */
static inline __attribute__((always_inline)) int last_by_arrival(AGG_ADD_PARAMS, int width) {
    enum { CHUNK = 1024 };
    uint8_t replaced[CHUNK];
    int status = WR_OK;
    (void)batch;
    for (uint32_t first = 0; first < count && status == WR_OK; first += CHUNK) {
        uint32_t chunk = WR_MIN((uint32_t)CHUNK, count - first);
        if (width == 0)
            mark_replaced(rows, &args[0], sel, first, chunk, replaced);
        for (uint32_t i = 0; i < chunk && status == WR_OK; i++) {
            uint32_t row = sel == NULL ? first + i : sel[first + i];
            if (wr_column_is_nil(&args[0], row) || (width == 0 && replaced[i]))
                continue;
            struct pick_state *state =
                (struct pick_state *)(void *)(rows[first + i] + aggregate->offset);
            state->seen = 1;
            status = value_set(table, state->value, &args[0], row, width);
        }
    }
    return status;
}

static inline __attribute__((always_inline)) int pick_add(AGG_ADD_PARAMS, enum pick pick,
                                                          int width) {
    int by = pick == PICK_MIN || pick == PICK_MAX;
    int status = WR_OK;
    if (pick == PICK_LAST && batch->event_time == NULL)
        return last_by_arrival(aggregate, table, rows, args, batch, sel, count, width);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        if (wr_column_is_nil(&args[0], row) || (by && wr_column_is_nil(&args[1], row)))
            continue;
        struct pick_state *state = (struct pick_state *)(void *)(rows[i] + aggregate->offset);
        struct place place;
        place.key = key_of(aggregate, args, row, pick);
        place_of(&place, batch, row, pick);
        if (state->seen && !place_before(&place, &state->place, pick == PICK_LAST))
            continue;
        state->seen = 1;
        state->place = place;
        status = value_set(table, state->value, &args[0], row, width);
    }
    return status;
}

static inline int pick_merge(AGG_MERGE_PARAMS, enum pick pick, int width) {
    struct pick_state *state = (struct pick_state *)(void *)(into + aggregate->offset);
    const struct pick_state *other =
        (const struct pick_state *)(const void *)(from + aggregate->offset);
    if (!other->seen ||
        (state->seen && !place_before(&other->place, &state->place, pick == PICK_LAST)))
        return WR_OK;
    state->seen = 1;
    state->place = other->place;
    return value_copy(table, state->value, other->value, width);
}

#define PICK_RESULT(name, stype, width) \
    AGG_RESULT(name, stype, char, { \
        value_get(result, i, state->value, width); \
        if (!state->seen) \
            AGG_NIL(i); \
    })
PICK_RESULT(pick_result_1, pick_state, 1)
PICK_RESULT(pick_result_8, pick_state, 8)
PICK_RESULT(pick_result_16, pick_state, 16)
PICK_RESULT(any_result_1, any_state, 1)
PICK_RESULT(any_result_8, any_state, 8)
PICK_RESULT(any_result_16, any_state, 16)

/* ---- any_value ------------------------------------------------------------------------------ */

static inline __attribute__((always_inline)) int any_add(AGG_ADD_PARAMS, int width) {
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        struct any_state *state = (struct any_state *)(void *)(rows[i] + aggregate->offset);
        if (state->seen || wr_column_is_nil(&args[0], row))
            continue;
        state->seen = 1;
        status = value_set(table, state->value, &args[0], row, width);
    }
    (void)batch;
    return status;
}

static inline int any_merge(AGG_MERGE_PARAMS, int width) {
    struct any_state *state = (struct any_state *)(void *)(into + aggregate->offset);
    const struct any_state *other =
        (const struct any_state *)(const void *)(from + aggregate->offset);
    if (state->seen || !other->seen)
        return WR_OK;
    state->seen = 1;
    return value_copy(table, state->value, other->value, width);
}

/* ---- kernels by function and width ---------------------------------------------------------- */

/* Width 0 is a string, whose result has 16 bytes. */
#define PICK_KERNEL(name, pick, width, result_width) \
    static int name##_add_##width(AGG_ADD_PARAMS) { \
        return pick_add(aggregate, table, rows, args, batch, sel, count, pick, width); \
    } \
    static int name##_merge_##width(AGG_MERGE_PARAMS) { \
        return pick_merge(aggregate, table, into, from, pick, width); \
    } \
    static const struct wr_aggregate_kernel name##_kernel_##width = { \
        .state_bytes = sizeof(struct pick_state), \
        .cell_count = width == 0, \
        .cells = width == 0 ? pick_cells : NULL, \
        .add = name##_add_##width, \
        .merge = name##_merge_##width, \
        .result = pick_result_##result_width};
#define ANY_KERNEL(name, unused, width, result_width) \
    static int name##_add_##width(AGG_ADD_PARAMS) { \
        return any_add(aggregate, table, rows, args, batch, sel, count, width); \
    } \
    static int name##_merge_##width(AGG_MERGE_PARAMS) { \
        return any_merge(aggregate, table, into, from, width); \
    } \
    static const struct wr_aggregate_kernel name##_kernel_##width = { \
        .state_bytes = sizeof(struct any_state), \
        .cell_count = width == 0, \
        .cells = width == 0 ? any_cells : NULL, \
        .add = name##_add_##width, \
        .merge = name##_merge_##width, \
        .result = any_result_##result_width};
#define WIDTHS(KERNEL, name, pick) \
    KERNEL(name, pick, 1, 1) \
    KERNEL(name, pick, 8, 8) \
    KERNEL(name, pick, 16, 16) \
    KERNEL(name, pick, 0, 16) \
    static const struct wr_aggregate_kernel *name##_choose( \
        struct wr_arena *arena, const struct wr_type *args, uint32_t arg_count, \
        struct wr_type *type) { \
        (void)arena; \
        *type = args[0]; \
        if (arg_count == 2 && !agg_is_word(args[1].kind) && args[1].kind != WR_FLOAT64) \
            return NULL; \
        if (wr_type_is_text(args[0].kind)) \
            return &name##_kernel_0; \
        switch (wr_type_bytes(args[0].kind)) { \
        case 1: return &name##_kernel_1; \
        case 8: return &name##_kernel_8; \
        case 16: return &name##_kernel_16; \
        default: return NULL; \
        } \
    }
WIDTHS(PICK_KERNEL, first, PICK_FIRST)
WIDTHS(PICK_KERNEL, last, PICK_LAST)
WIDTHS(PICK_KERNEL, min_by, PICK_MIN)
WIDTHS(PICK_KERNEL, max_by, PICK_MAX)
WIDTHS(ANY_KERNEL, any_value, 0)

const struct wr_aggregate_function wr_aggregates_picks[] = {
    {.name = "first",
     .flags = WR_AGG_MERGES | WR_AGG_ORDERED | WR_AGG_EXACT_SPLIT | WR_AGG_PLACED,
     .doc = "The first value that is not nil, by `order by`, else event time, else arrival.",
     .signatures = AGG_TEXTS("(x T) T"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = first_choose,
     .examples = AGG_EXAMPLES({"first(s)", "'a'"}, {"first(x order by f desc)", "4"})},
    {.name = "last",
     .flags = WR_AGG_MERGES | WR_AGG_ORDERED | WR_AGG_EXACT_SPLIT | WR_AGG_PLACED,
     .doc = "The last value that is not nil, by `order by`, else event time, else arrival.",
     .signatures = AGG_TEXTS("(x T) T"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = last_choose,
     .examples = AGG_EXAMPLES({"last(s)", "'a'"}, {"last(x order by s)", "3"})},
    {.name = "any_value",
     .flags = WR_AGG_MERGES,
     .doc = "Some value that is not nil: the first that arrived. A window that overlaps others is "
            "made of parts as long as the greatest common divisor of its size and `every`: there "
            "it is the first that arrived in the earliest part that has one, and rows that some of "
            "their windows refused as late come last. Where it matters which, write `first`.",
     .signatures = AGG_TEXTS("(x T) T"),
     .arg_min = 1,
     .arg_max = 1,
     .choose = any_value_choose,
     .examples = AGG_EXAMPLES({"any_value(s)", "'a'"}, {"any_value(x where x > 9)", "nil"})},
    {.name = "min_by",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT | WR_AGG_PLACED,
     .doc = "The value of x in the row where `by` is smallest; of equal ones the first by event "
            "time. Rows with a nil in either are skipped.",
     .signatures = AGG_TEXTS("(x T, by number) T", "(x T, by timestamp) T", "(x T, by date) T",
                             "(x T, by duration) T"),
     .arg_min = 2,
     .arg_max = 2,
     .choose = min_by_choose,
     .examples = AGG_EXAMPLES({"min_by(s, x)", "'a'"}, {"min_by(x, f)", "1"})},
    {.name = "max_by",
     .flags = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT | WR_AGG_PLACED,
     .doc = "The value of x in the row where `by` is largest; of equal ones the first by event "
            "time. Rows with a nil in either are skipped.",
     .signatures = AGG_TEXTS("(x T, by number) T", "(x T, by timestamp) T", "(x T, by date) T",
                             "(x T, by duration) T"),
     .arg_min = 2,
     .arg_max = 2,
     .choose = max_by_choose,
     .examples = AGG_EXAMPLES({"max_by(s, x)", "'a'"}, {"max_by(x, f)", "4"})},
    {0},
};
