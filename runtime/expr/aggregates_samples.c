/* aggregates_samples.c: approx_top, sample: some of the values, in bounded memory. What is kept is
 * a function of the values in the order of the edge and of the states merged, in theirs; there is
 * no chance in it. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "expr/aggregates_entries.h"
#include "base/banned.h"

/* ---- approx_top -----------------------------------------------------------------------------
 *
 * Each value that is kept has a count since it came in, and how much may be missing from that: what
 * had been taken off by then. When there are too many values, the median of what they are worth
 * (count + missing - taken) is taken off all, and those that are worth nothing any more go. So at
 * least half go, and no count is too low by more than 2 / capacity of the rows. Sources: Manku,
 * Motwani, "Approximate frequency counts over data streams", 2002; Anderson et al., "A
 * high-performance algorithm for identifying frequent items in data streams", 2017. */

#define TOP_VALUES_MAX 1000
#define TOP_CAPACITY_MIN 512

struct top_state {
    struct wr_blob blob; /* entries; behind each value what is missing */
    uint64_t taken;
};
static const struct wr_cell top_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct top_state, blob)}};
enum { TOP_EXTRA = 8 };

static uint64_t top_limit(const struct wr_aggregate *aggregate) {
    return (uint64_t)aggregate->constants[1]->integer;
}
static uint32_t top_capacity(const struct wr_aggregate *aggregate) {
    uint64_t limit = top_limit(aggregate);
    return (uint32_t)WR_MAX(limit * 32, TOP_CAPACITY_MIN);
}
static inline uint64_t *missing_of(const struct wr_entry *entry) {
    return wr_entry_extra(entry, TOP_EXTRA);
}
static inline uint64_t worth_of(const struct top_state *state, const struct wr_entry *entry) {
    return entry->count + *missing_of(entry) - state->taken;
}

static int count_compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Takes the median off all values. */
static int top_purge(struct wr_table *table, struct top_state *state) {
    uint32_t count = wr_entries_count(&state->blob), n = 0;
    uint64_t *worths = wr_alloc(&wr_budget_control, count * sizeof *worths);
    if (worths == NULL)
        return WR_ENOMEM;
    struct wr_blob old = state->blob;
    for (uint64_t at = wr_entries_start(&old); at < old.length && n < count;) {
        const struct wr_entry *entry = wr_entry_at(&old, at);
        worths[n++] = worth_of(state, entry);
        at += wr_entry_bytes(entry->length, TOP_EXTRA);
    }
    qsort(worths, n, sizeof *worths, count_compare);
    uint64_t less = worths[n / 2];
    wr_free(&wr_budget_control, worths);
    struct wr_blob kept = {0};
    int status = WR_OK;
    for (uint64_t at = wr_entries_start(&old); at < old.length && status == WR_OK;) {
        const struct wr_entry *entry = wr_entry_at(&old, at);
        uint64_t made;
        if (worth_of(state, entry) > less) {
            status = wr_entries_put(table, &kept, entry->bytes, entry->length, entry->count,
                                    TOP_EXTRA, &made);
            if (status == WR_OK)
                *missing_of(wr_entry_at(&kept, made)) = *missing_of(entry);
        }
        at += wr_entry_bytes(entry->length, TOP_EXTRA);
    }
    wr_blob_release(table, status == WR_OK ? &old : &kept);
    if (status != WR_OK)
        return status;
    state->blob = kept;
    state->taken += less;
    return WR_OK;
}

static int top_put(const struct wr_aggregate *aggregate, struct wr_table *table,
                   struct top_state *state, const char *bytes, uint32_t length) {
    uint64_t at;
    uint32_t before = wr_entries_count(&state->blob);
    int status = wr_entries_put(table, &state->blob, bytes, length, 1, TOP_EXTRA, &at);
    if (status != WR_OK || wr_entries_count(&state->blob) == before)
        return status;
    *missing_of(wr_entry_at(&state->blob, at)) = state->taken;
    return before >= top_capacity(aggregate) ? top_purge(table, state) : WR_OK;
}

AGG_ADD_VALUES(top_add, top_state, top_put(aggregate, table, state, bytes, length))

/* Of a value that only one state has, as much may be missing as the other took off. */
static int top_merge(AGG_MERGE_PARAMS) {
    struct top_state *state = (struct top_state *)(void *)(into + aggregate->offset);
    const struct top_state *other =
        (const struct top_state *)(const void *)(from + aggregate->offset);
    for (uint64_t at = wr_entries_start(&state->blob); at < state->blob.length;) {
        struct wr_entry *entry = wr_entry_at(&state->blob, at);
        *missing_of(entry) += other->taken;
        at += wr_entry_bytes(entry->length, TOP_EXTRA);
    }
    uint64_t own = state->taken;
    state->taken += other->taken;
    int status = WR_OK;
    for (uint64_t at = wr_entries_start(&other->blob);
         at < other->blob.length && status == WR_OK;) {
        const struct wr_entry *entry = wr_entry_at(&other->blob, at);
        uint32_t before = wr_entries_count(&state->blob);
        uint64_t made;
        status = wr_entries_put(table, &state->blob, entry->bytes, entry->length, entry->count,
                                TOP_EXTRA, &made);
        if (status == WR_OK && wr_entries_count(&state->blob) > before)
            *missing_of(wr_entry_at(&state->blob, made)) = *missing_of(entry) + own;
        else if (status == WR_OK)
            *missing_of(wr_entry_at(&state->blob, made)) += *missing_of(entry) - other->taken;
        at += wr_entry_bytes(entry->length, TOP_EXTRA);
    }
    while (status == WR_OK && wr_entries_count(&state->blob) > top_capacity(aggregate))
        status = top_purge(table, state);
    return status;
}

/* Whether `a` stands before `b` in the result: the larger count, then the smaller value. */
static int stands_before(const struct wr_type *type, const struct wr_entry *a,
                         const struct wr_entry *b) {
    return a->count != b->count ? a->count > b->count : wr_entry_compare(type, a, b) < 0;
}

/* The first `limit` entries in order, by insertion: most of the others only look at the last. */
static uint64_t top_select(const struct wr_type *type, const struct wr_blob *blob,
                           const struct wr_entry **first, uint64_t limit) {
    uint64_t found = 0;
    for (uint64_t at = wr_entries_start(blob); at < blob->length;) {
        const struct wr_entry *entry = wr_entry_at(blob, at);
        at += wr_entry_bytes(entry->length, TOP_EXTRA);
        if (found == limit && !stands_before(type, entry, first[limit - 1]))
            continue;
        uint64_t place = found < limit ? found++ : limit - 1;
        for (; place > 0 && stands_before(type, entry, first[place - 1]); place--)
            first[place] = first[place - 1];
        first[place] = entry;
    }
    return found;
}

static int top_put_list(const struct wr_aggregate *aggregate, const uint8_t *bytes,
                        struct wr_buf *text, uint16_t *fail) {
    const struct top_state *state = (const struct top_state *)(const void *)bytes;
    const struct wr_type *type = &aggregate->arg_types[0];
    const struct wr_entry *first[TOP_VALUES_MAX];
    uint64_t found = top_select(type, &state->blob, first, top_limit(aggregate));
    int status = WR_OK;
    for (uint64_t f = 0; f < found && status == WR_OK; f++) {
        const struct wr_type whole = WR_TYPE(WR_INT64);
        wr_buf_add_text(text, f == 0 ? "{\"value\":" : ",{\"value\":");
        status = wr_entry_put_json(text, type, first[f]->bytes, first[f]->length);
        wr_buf_add_text(text, ",\"count\":");
        if (status == WR_OK)
            status = wr_entry_put_json(text, &whole, (const char *)&first[f]->count, 8);
        wr_buf_add_char(text, '}');
    }
    (void)fail;
    return status;
}
static int top_result(AGG_RESULT_PARAMS) {
    return wr_agg_lists_result(aggregate, rows, count, out, valid, fails, arena, top_put_list);
}

static const struct wr_aggregate_kernel *top_choose(struct wr_arena *arena,
                                                    const struct wr_type *args, uint32_t arg_count,
                                                    struct wr_type *type) {
    static const struct wr_aggregate_kernel kernel = {.state_bytes = sizeof(struct top_state),
                                                      .cell_count = 1,
                                                      .cells = top_cells,
                                                      .add = top_add,
                                                      .merge = top_merge,
                                                      .result = top_result};
    static const char *const names[] = {"value", "count"};
    const struct wr_type fields[] = {args[0], WR_TYPE(WR_INT64)};
    (void)arg_count;
    if (args[0].kind == WR_NIL ||
        wr_agg_list_of_structs(arena, WR_COUNT(fields), names, fields, type) != WR_OK)
        return NULL;
    return &kernel;
}

static const char *top_check(const struct wr_value *const *constants, uint32_t arg_count) {
    (void)arg_count;
    if (constants[1]->kind != WR_VALUE_INT || constants[1]->integer < 1 ||
        constants[1]->integer > TOP_VALUES_MAX)
        return "n must be a whole number from 1 to 1000";
    return NULL;
}

/* ---- sample ---------------------------------------------------------------------------------
 *
 * Each value gets a number that looks like chance: a hash of itself, its event time, and how many
 * came before it. Those with the n least are the sample, so that two samples join to the one of
 * all: Cohen, Kaplan, "Summarizing data using bottom-k sketches", 2007. */

#define SAMPLE_SEED UINT64_C(0xbb67ae8584caa73b)

struct sample_state {
    struct wr_blob blob; /* drawn values, in the order of arrival */
    uint64_t count;      /* values that came */
    uint64_t largest;    /* number of the drawn ones, where there are n */
    uint64_t drawn;
};
static const struct wr_cell sample_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct sample_state, blob)}};
struct drawn {
    uint64_t number;
    uint32_t length; /* of the value; the next one is aligned to 8 */
    char bytes[];
};

static inline uint64_t drawn_bytes(uint32_t length) {
    return (offsetof(struct drawn, bytes) + (uint64_t)length + 7) / 8 * 8;
}
static inline struct drawn *drawn_at(const struct wr_blob *blob, uint64_t at) {
    return (struct drawn *)(void *)(blob->bytes + at);
}

/* The largest number, of equal ones the last; its place in *where. */
static uint64_t drawn_largest(const struct sample_state *state, uint64_t *where) {
    uint64_t largest = 0;
    for (uint64_t at = 0; at < state->blob.length;) {
        const struct drawn *drawn = drawn_at(&state->blob, at);
        if (drawn->number >= largest) {
            largest = drawn->number;
            *where = at;
        }
        at += drawn_bytes(drawn->length);
    }
    return largest;
}

static int sample_put(struct wr_table *table, struct sample_state *state, uint64_t n,
                      uint64_t number, const char *bytes, uint32_t length) {
    if (state->drawn == n && number >= state->largest)
        return WR_OK;
    if (length > WR_AGGREGATE_BLOB_BYTES_MAX / 2)
        return WR_ELIMIT;
    int status = wr_blob_more(table, &state->blob, (uint32_t)drawn_bytes(length));
    if (status != WR_OK)
        return status;
    if (state->drawn == n) {
        uint64_t at = 0;
        drawn_largest(state, &at);
        uint32_t gone = (uint32_t)drawn_bytes(drawn_at(&state->blob, at)->length);
        memmove(state->blob.bytes + at, state->blob.bytes + at + gone,
                state->blob.length - at - gone);
        state->blob.length -= gone;
        state->drawn--;
    }
    struct drawn *drawn = drawn_at(&state->blob, state->blob.length);
    memset(drawn, 0, drawn_bytes(length));
    drawn->number = number;
    drawn->length = length;
    memcpy(drawn->bytes, bytes, length);
    state->blob.length += (uint32_t)drawn_bytes(length);
    state->drawn++;
    uint64_t at;
    if (state->drawn == n)
        state->largest = drawn_largest(state, &at);
    return WR_OK;
}

static uint64_t sample_number(const struct wr_batch *batch, uint32_t row, uint64_t count,
                              const char *bytes, uint32_t length) {
    uint64_t time = batch->event_time == NULL ? 0 : (uint64_t)batch->event_time[row];
    uint64_t number = wr_hash_join(wr_hash_u64(time, SAMPLE_SEED), count);
    return wr_hash_join(number, wr_hash_bytes(bytes, length, SAMPLE_SEED));
}

AGG_ADD_VALUES(sample_add, sample_state,
               sample_put(table, state, (uint64_t)aggregate->constants[1]->integer,
                          sample_number(batch, row, state->count++, bytes, length), bytes, length))

static int sample_merge(AGG_MERGE_PARAMS) {
    struct sample_state *state = (struct sample_state *)(void *)(into + aggregate->offset);
    const struct sample_state *other =
        (const struct sample_state *)(const void *)(from + aggregate->offset);
    uint64_t n = (uint64_t)aggregate->constants[1]->integer;
    int status = WR_OK;
    for (uint64_t at = 0; at < other->blob.length && status == WR_OK;) {
        const struct drawn *drawn = drawn_at(&other->blob, at);
        status = sample_put(table, state, n, drawn->number, drawn->bytes, drawn->length);
        at += drawn_bytes(drawn->length);
    }
    state->count += other->count;
    return status;
}

static int sample_put_list(const struct wr_aggregate *aggregate, const uint8_t *bytes,
                           struct wr_buf *text, uint16_t *fail) {
    const struct sample_state *state = (const struct sample_state *)(const void *)bytes;
    int status = WR_OK;
    for (uint64_t at = 0; at < state->blob.length && status == WR_OK;) {
        const struct drawn *drawn = drawn_at(&state->blob, at);
        if (at > 0)
            wr_buf_add_char(text, ',');
        status = wr_entry_put_json(text, &aggregate->arg_types[0], drawn->bytes, drawn->length);
        at += drawn_bytes(drawn->length);
    }
    (void)fail;
    return status;
}
static int sample_result(AGG_RESULT_PARAMS) {
    return wr_agg_lists_result(aggregate, rows, count, out, valid, fails, arena, sample_put_list);
}

static const struct wr_aggregate_kernel *sample_choose(struct wr_arena *arena,
                                                       const struct wr_type *args,
                                                       uint32_t arg_count, struct wr_type *type) {
    static const struct wr_aggregate_kernel kernel = {.state_bytes = sizeof(struct sample_state),
                                                      .cell_count = 1,
                                                      .cells = sample_cells,
                                                      .add = sample_add,
                                                      .merge = sample_merge,
                                                      .result = sample_result};
    (void)arg_count;
    if (args[0].kind == WR_NIL || wr_agg_list_of(arena, args[0], type) != WR_OK)
        return NULL;
    return &kernel;
}

static const char *sample_check(const struct wr_value *const *constants, uint32_t arg_count) {
    (void)arg_count;
    if (constants[1]->kind != WR_VALUE_INT || constants[1]->integer < 1 ||
        constants[1]->integer > 10000)
        return "n must be a whole number from 1 to 10000";
    return NULL;
}

const struct wr_aggregate_function wr_aggregates_samples[] = {
    {.name = "approx_top",
     .flags = WR_AGG_NO_RETRACT,
     .doc = "About the n most frequent values and how often they came, the most frequent first, of "
            "equally frequent ones the smallest. Exact while a group has at most 512 different "
            "values (32 n, where that is more), beyond that no count is too high, nor too low by "
            "more than 0.4 % of all rows.",
     .keeps = "512 values, or 32 n",
     .signatures = AGG_TEXTS("(x T, n const int64) list<struct<value T, count int64>>"),
     .arg_min = 2,
     .arg_max = 2,
     .constants = 2,
     .choose = top_choose,
     .check = top_check,
     .examples = AGG_EXAMPLES({"approx_top(s, 1)", "[{\"value\":\"a\",\"count\":2}]"},
                              {"approx_top(f, 2)", "[{\"value\":0.5,\"count\":2},{\"value\":1.0,"
                                                   "\"count\":1}]"},
                              {"approx_top(x, 3 where x > 9)", "nil"})},
    {.name = "sample",
     .flags = WR_AGG_NO_RETRACT | WR_AGG_PLACED,
     .doc = "n of the values that are not nil, each row with the same chance, in the order of "
            "arrival; all of them where there are no more. The choice is by a hash of value, event "
            "time and number of the row: the same rows in the same order give the same sample.",
     .keeps = "n values",
     .instead = "list",
     .signatures = AGG_TEXTS("(x T, n const int64) list<T>"),
     .arg_min = 2,
     .arg_max = 2,
     .constants = 2,
     .choose = sample_choose,
     .check = sample_check,
     .examples = AGG_EXAMPLES({"sample(x, 10)", "[1,2,3,4]"}, {"sample(x * 0, 2)", "[0,0]"},
                              {"sample(x, 3 where x > 9)", "nil"})},
    {0},
};
