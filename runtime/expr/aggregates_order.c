/* aggregates_order.c: the collector: puts an aggregate's rows in order, and cuts them at a limit.
 *
 * A state keeps its rows as entries in a blob: the place of the row as bytes that memcmp orders,
 * then its arguments. At the result they are sorted and the first `limit` of them fed to the
 * kernel of the function itself, in a table made for the purpose. With a limit, entries that
 * cannot be among the first are dropped whenever twice as many have gathered.
 *
 * A place is: for each item of `order by` a byte (0: a value, 1: nil, which is last in both
 * directions) and the value, complemented for `desc`; then event time, source and partition,
 * record. Strings end in 0 0, with each 0 byte inside written as 0 1. Equal places keep the order
 * of arrival. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "expr/aggregates.h"
#include "base/banned.h"

struct entries_state {
    struct wr_blob blob;
    uint64_t count;
};
static const struct wr_cell entries_cells[] = {
    {.kind = WR_CELL_BLOB, .offset = offsetof(struct entries_state, blob)}};

struct entry_head {
    uint32_t entry_bytes, place_bytes; /* the whole entry, a multiple of 8; the place behind this */
};

#define SLACK_ENTRIES 32

/* ---- writing an entry ----------------------------------------------------------------------- */

static void put_word(struct wr_buf *out, uint64_t word, int desc) {
    word = __builtin_bswap64(desc ? ~word : word);
    wr_buf_add(out, &word, 8);
}

static void put_text(struct wr_buf *out, const struct wr_str *str, int desc) {
    const char *bytes = wr_str_bytes(str);
    size_t start = out->length;
    for (uint32_t at = 0; at < str->length;) {
        const char *zero = memchr(bytes + at, 0, str->length - at);
        uint32_t end = zero == NULL ? str->length : (uint32_t)(zero - bytes);
        wr_buf_add(out, bytes + at, end - at);
        if (zero != NULL)
            wr_buf_add(out, "\0\1", 2);
        at = end + (zero != NULL);
    }
    wr_buf_add(out, "\0\0", 2);
    for (size_t i = start; desc && out->status == WR_OK && i < out->length; i++)
        out->bytes[i] = (char)~out->bytes[i];
}

static void put_place(struct wr_buf *out, const struct wr_type *type,
                      const struct wr_column *column, uint32_t row, int desc) {
    int nil = wr_column_is_nil(column, row);
    wr_buf_add_char(out, (char)nil);
    if (nil)
        return;
    if (wr_type_is_text(type->kind)) {
        put_text(out, &WR_STR(column)[row], desc);
    } else if (type->kind == WR_DECIMAL) {
        __int128 value = ((const __int128 *)column->data)[row];
        put_word(out, agg_int_order((int64_t)(value >> 64)), desc);
        put_word(out, (uint64_t)value, desc);
    } else if (type->kind == WR_FLOAT64) {
        put_word(out, agg_float_order(WR_F64(column)[row]), desc);
    } else {
        int64_t value = type->kind == WR_BOOL ? WR_BOOLS(column)[row] : WR_I64(column)[row];
        put_word(out, agg_int_order(value), desc);
    }
}

static void put_row_place(struct wr_buf *out, const struct wr_batch *batch, uint32_t row) {
    if (batch->event_time == NULL)
        return;
    put_word(out, agg_int_order(batch->event_time[row]), 0);
    int made = batch->origin.source == NULL; /* of several rows: they stand as they arrive */
    put_word(out, made ? 0 : (uint64_t)batch->source << 32 | batch->partition, 0);
    put_word(out, made ? 0 : wr_origin_record(&batch->origin, row), 0);
}

static void put_argument(struct wr_buf *out, const struct wr_type *type,
                         const struct wr_column *column, uint32_t row) {
    if (wr_type_is_text(type->kind)) {
        const struct wr_str *str = &WR_STR(column)[row];
        wr_buf_add_u32(out, str->length);
        wr_buf_add(out, wr_str_bytes(str), str->length);
        return;
    }
    uint32_t width = wr_type_bytes(type->kind);
    if (wr_column_is_nil(column, row)) /* a condition that is not met */
        wr_buf_add_char(out, 0);
    else
        wr_buf_add(out, (const char *)column->data + (size_t)row * width, width);
}

static int entry_put(struct wr_buf *out, const struct wr_aggregate *aggregate,
                     const struct wr_column *args, const struct wr_batch *batch, uint32_t row) {
    static const char zeros[8];
    struct entry_head head = {0};
    wr_buf_clear(out);
    wr_buf_add(out, &head, sizeof head);
    for (uint32_t o = 0; o < aggregate->order_count; o++)
        put_place(out, &aggregate->order_types[o], &args[aggregate->arg_count + o], row,
                  aggregate->order_desc[o]);
    if (!aggregate->retracts) /* a row that takes another back came from elsewhere */
        put_row_place(out, batch, row);
    head.place_bytes = (uint32_t)(out->length - sizeof head);
    for (size_t i = sizeof head; aggregate->reversed && i < out->length; i++)
        out->bytes[i] = (char)~out->bytes[i];
    for (uint32_t a = 0; a < aggregate->arg_count; a++)
        if (aggregate->constants[a] == NULL)
            put_argument(out, &aggregate->arg_types[a], &args[a], row);
    wr_buf_add(out, zeros, (8 - out->length % 8) % 8);
    if (out->status != WR_OK)
        return out->status;
    head.entry_bytes = (uint32_t)out->length;
    memcpy(out->bytes, &head, sizeof head);
    return WR_OK;
}

/* ---- sorting -------------------------------------------------------------------------------- */

static int entry_compare(const void *a, const void *b) {
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;
    struct entry_head p;
    struct entry_head q;
    memcpy(&p, x, sizeof p);
    memcpy(&q, y, sizeof q);
    int order = memcmp(x + sizeof p, y + sizeof q, WR_MIN(p.place_bytes, q.place_bytes));
    if (order != 0)
        return order;
    if (p.place_bytes != q.place_bytes)
        return p.place_bytes < q.place_bytes ? -1 : 1;
    return (x > y) - (x < y); /* arrival */
}
/* Of a complemented order, where the last to arrive comes first. */
static int entry_compare_reversed(const void *a, const void *b) {
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;
    int order = entry_compare(a, b);
    struct entry_head p;
    struct entry_head q;
    memcpy(&p, x, sizeof p);
    memcpy(&q, y, sizeof q);
    if (p.place_bytes == q.place_bytes && memcmp(x + sizeof p, y + sizeof q, p.place_bytes) == 0)
        return -order;
    return order;
}

/* Fills `entries` (state->count of them) in order. */
static void entries_sort(const struct wr_aggregate *aggregate, const struct entries_state *state,
                         const char **entries) {
    int (*compare)(const void *, const void *) =
        aggregate->reversed ? entry_compare_reversed : entry_compare;
    const char *at = state->blob.bytes;
    int sorted = 1;
    for (uint64_t i = 0; i < state->count; i++) {
        struct entry_head head;
        memcpy(&head, at, sizeof head);
        entries[i] = at;
        if (i > 0 && sorted)
            sorted = compare(&entries[i - 1], &entries[i]) < 0;
        at += head.entry_bytes;
    }
    if (!sorted)
        qsort(entries, state->count, sizeof *entries, compare);
}

/* Keeps the first `limit` entries. */
static int entries_cut(const struct wr_aggregate *aggregate, struct wr_table *table,
                       struct entries_state *state, uint64_t limit) {
    const char **entries = wr_alloc(&wr_budget_control, state->count * sizeof *entries);
    if (entries == NULL)
        return WR_ENOMEM;
    entries_sort(aggregate, state, entries);
    struct wr_blob kept = {0};
    int status = wr_blob_reserve(table, &kept, state->blob.length);
    for (uint64_t i = 0; i < limit && status == WR_OK; i++) {
        struct entry_head head;
        memcpy(&head, entries[i], sizeof head);
        memcpy(kept.bytes + kept.length, entries[i], head.entry_bytes);
        kept.length += head.entry_bytes;
    }
    wr_free(&wr_budget_control, entries);
    if (status != WR_OK)
        return status;
    wr_blob_release(table, &state->blob);
    state->blob = kept;
    state->count = limit;
    return WR_OK;
}

static int entries_append(const struct wr_aggregate *aggregate, struct wr_table *table,
                          struct entries_state *state, const char *bytes, uint32_t length,
                          uint64_t count) {
    int status = wr_blob_more(table, &state->blob, length);
    if (status != WR_OK || length == 0)
        return status;
    memcpy(state->blob.bytes + state->blob.length, bytes, length);
    state->blob.length += length;
    state->count += count;
    uint64_t limit = (uint64_t)aggregate->limit;
    if (aggregate->limit >= 0 && !aggregate->retracts && state->count >= 2 * limit + SLACK_ENTRIES)
        return entries_cut(aggregate, table, state, limit);
    return WR_OK;
}

/* Takes the first equal entry out; there is one, unless the changelog took back what it had not
 * sent. */
static void entries_remove(struct entries_state *state, const char *entry, uint32_t length) {
    char *at = state->blob.bytes, *end = at + state->blob.length;
    while (at < end) {
        struct entry_head head;
        memcpy(&head, at, sizeof head);
        if (head.entry_bytes == length && memcmp(at, entry, length) == 0) {
            memmove(at, at + length, (size_t)(end - at) - length);
            state->blob.length -= length;
            state->count--;
            return;
        }
        at += head.entry_bytes;
    }
}

static int takes_row(const struct wr_aggregate *aggregate, const struct wr_column *args,
                     uint32_t row) {
    int conditions = (aggregate->function->flags & WR_AGG_CONDITIONS) != 0;
    uint32_t nils = 0, truths = 0;
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        int nil = aggregate->constants[a] == NULL && wr_column_is_nil(&args[a], row);
        nils += (uint32_t)nil;
        truths += conditions && !nil && WR_BOOLS(&args[a])[row];
    }
    return conditions ? truths > 0 : nils == 0;
}

static int collector_move(AGG_ADD_PARAMS, int retracts) {
    struct wr_buf entry;
    wr_buf_init(&entry, &wr_budget_control, WR_AGGREGATE_BLOB_BYTES_MAX);
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        struct entries_state *state = (struct entries_state *)(void *)(rows[i] + aggregate->offset);
        if (!takes_row(aggregate, args, row))
            continue;
        status = entry_put(&entry, aggregate, args, batch, row);
        if (status == WR_OK && retracts)
            entries_remove(state, entry.bytes, (uint32_t)entry.length);
        else if (status == WR_OK)
            status =
                entries_append(aggregate, table, state, entry.bytes, (uint32_t)entry.length, 1);
    }
    wr_buf_release(&entry);
    return status;
}

static int collector_add(AGG_ADD_PARAMS) {
    return collector_move(aggregate, table, rows, args, batch, sel, count, 0);
}

static int collector_retract(AGG_ADD_PARAMS) {
    return collector_move(aggregate, table, rows, args, batch, sel, count, 1);
}

static int collector_merge(AGG_MERGE_PARAMS) {
    const struct entries_state *other =
        (const struct entries_state *)(const void *)(from + aggregate->offset);
    return entries_append(aggregate, table,
                          (struct entries_state *)(void *)(into + aggregate->offset),
                          other->blob.bytes, other->blob.length, other->count);
}

/* ---- the result ----------------------------------------------------------------------------- */

/* The arguments of sorted entries as columns. */
static int columns_read(const struct wr_aggregate *aggregate, const char *const *entries,
                        uint32_t count, struct wr_arena *arena, struct wr_column *columns) {
    const char **at = WR_ARENA_ARRAY(arena, const char *, count);
    if (at == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct entry_head head;
        memcpy(&head, entries[i], sizeof head);
        at[i] = entries[i] + sizeof head + head.place_bytes;
    }
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        columns[a] = (struct wr_column){0};
        if (aggregate->constants[a] != NULL)
            continue;
        int text = wr_type_is_text(aggregate->arg_types[a].kind);
        uint32_t width = wr_type_bytes(aggregate->arg_types[a].kind);
        char *data = wr_arena_alloc(arena, (size_t)count * width);
        if (data == NULL)
            return WR_ENOMEM;
        columns[a].data = data;
        for (uint32_t i = 0; i < count; i++) {
            if (!text) {
                memcpy(data + (size_t)i * width, at[i], width);
                at[i] += width;
                continue;
            }
            uint32_t length;
            memcpy(&length, at[i], 4);
            ((struct wr_str *)(void *)data)[i] = wr_str_of(at[i] + 4, length);
            at[i] += 4 + length;
        }
    }
    return WR_OK;
}

/* Feeds one state's entries to the inner kernel's state `row`. */
static int state_replay(const struct wr_aggregate *inner, const struct wr_aggregate *aggregate,
                        const struct entries_state *state, struct wr_table *table, uint8_t *row,
                        struct wr_arena *arena) {
    static const struct wr_batch no_batch;
    if (state->count == 0)
        return WR_OK;
    const char **entries = WR_ARENA_ARRAY(arena, const char *, state->count);
    if (entries == NULL)
        return WR_ENOMEM;
    entries_sort(aggregate, state, entries);
    uint64_t count = state->count;
    if (aggregate->limit >= 0)
        count = WR_MIN(count, (uint64_t)aggregate->limit);
    struct wr_column columns[WR_AGGREGATE_ARGS_MAX];
    uint8_t *rows[WR_BATCH_ROWS_DEFAULT];
    for (uint32_t i = 0; i < WR_COUNT(rows); i++)
        rows[i] = row;
    for (uint64_t done = 0; done < count;) {
        uint32_t piece = (uint32_t)WR_MIN(count - done, WR_COUNT(rows));
        int status = columns_read(aggregate, entries + done, piece, arena, columns);
        if (status == WR_OK)
            status = inner->kernel->add(inner, table, rows, columns, &no_batch, NULL, piece);
        if (status != WR_OK)
            return status;
        done += piece;
    }
    return WR_OK;
}

/* Strings of the result may point into states that go away: their bytes move to the arena. */
static int texts_keep(struct wr_str *texts, uint32_t count, struct wr_arena *arena) {
    for (uint32_t i = 0; i < count; i++) {
        if (texts[i].length <= WR_STR_INLINE_MAX)
            continue;
        char *bytes = wr_arena_alloc(arena, texts[i].length);
        if (bytes == NULL)
            return WR_ENOMEM;
        memcpy(bytes, texts[i].pointer, texts[i].length);
        texts[i].pointer = bytes;
    }
    return WR_OK;
}

/* A table with a row for each of `count` states. */
static struct wr_table *table_for(struct wr_aggregate *inner, uint32_t count, struct wr_cell *cells,
                                  struct wr_arena *scratch, uint8_t ***rows) {
    const struct wr_aggregate_kernel *kernel = inner->kernel;
    inner->offset = 8;
    for (uint32_t c = 0; c < kernel->cell_count; c++)
        cells[c] =
            (struct wr_cell){.kind = kernel->cells[c].kind, .offset = kernel->cells[c].offset + 8};
    struct wr_shape *shape = wr_arena_alloc(scratch, sizeof *shape);
    uint64_t *keys = WR_ARENA_ARRAY(scratch, uint64_t, count);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count);
    *rows = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    if (shape == NULL || keys == NULL || hashes == NULL || *rows == NULL)
        return NULL;
    *shape = (struct wr_shape){.key_bytes = 8,
                               .row_bytes = 8 + kernel->state_bytes,
                               .cell_count = kernel->cell_count,
                               .cells = cells};
    struct wr_type type = WR_TYPE(WR_INT64);
    struct wr_key_layout layout;
    if (wr_key_layout_init(&layout, &type, 1, 0) != WR_OK)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        keys[i] = i;
    struct wr_column column = {.data = keys};
    uint64_t *packed = WR_ARENA_ARRAY(scratch, uint64_t, count);
    struct wr_table *table = wr_table_new(scratch->budget, shape, 0);
    if (table == NULL || packed == NULL)
        return table;
    wr_keys_build(&layout, &column, NULL, count, wr_table_seed(table), packed, hashes);
    if (wr_table_upsert(table, packed, hashes, count, *rows, NULL) != WR_OK) {
        wr_table_free(table);
        return NULL;
    }
    return table;
}

static int collector_result(AGG_RESULT_PARAMS) {
    struct wr_aggregate inner = *aggregate;
    inner.kernel = aggregate->inner;
    inner.order_count = 0;
    inner.limit = -1;
    struct wr_cell cells[4];
    WR_ASSERT(inner.kernel->cell_count <= WR_COUNT(cells));
    struct wr_arena scratch;
    wr_arena_init(&scratch, arena->budget, 16384);
    uint8_t **states = NULL;
    struct wr_table *table = table_for(&inner, count, cells, &scratch, &states);
    int status = table == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct wr_arena_mark mark = wr_arena_mark(&scratch);
        status =
            state_replay(&inner, aggregate,
                         (const struct entries_state *)(const void *)(rows[i] + aggregate->offset),
                         table, states[i], &scratch);
        wr_arena_rewind(&scratch, mark);
    }
    if (status == WR_OK)
        status = inner.kernel->result(&inner, states, count, out, valid, fails, arena);
    if (status == WR_OK && wr_type_is_text(aggregate->type.kind))
        status = texts_keep(out, count, arena);
    if (table != NULL)
        wr_table_free(table);
    wr_arena_release(&scratch);
    return status;
}

const struct wr_aggregate_kernel wr_aggregate_collector = {.state_bytes =
                                                               sizeof(struct entries_state),
                                                           .cell_count = 1,
                                                           .cells = entries_cells,
                                                           .add = collector_add,
                                                           .retract = collector_retract,
                                                           .merge = collector_merge,
                                                           .result = collector_result};
