/* aggregate_run.c: running bound aggregates: adding rows, merging states, reading results. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "expr/aggregates.h"
#include "base/banned.h"

/* The column that holds an item of the list of inputs. */
static struct wr_column item_column(const struct wr_aggregates *aggregates,
                                    const struct wr_eval *eval, const struct wr_batch *batch,
                                    uint32_t index) {
    const struct wr_item *item = &aggregates->inputs->items[index];
    if (item->output >= 0)
        return eval->outputs[item->output];
    WR_ASSERT(item->column >= 0);
    return batch->columns[item->column];
}

/* The rows for which a condition is true; shared by neighbours with the same condition. */
struct chosen {
    int32_t where;
    uint32_t *sel;
    uint8_t **rows;
    uint32_t count;
};

static int rows_choose(struct chosen *chosen, struct wr_arena *arena,
                       const struct wr_column *condition, uint8_t *const *rows, const uint32_t *sel,
                       uint32_t count) {
    if (chosen->sel == NULL) {
        chosen->sel = WR_ARENA_ARRAY(arena, uint32_t, count + 1);
        chosen->rows = WR_ARENA_ARRAY(arena, uint8_t *, count + 1);
        if (chosen->sel == NULL || chosen->rows == NULL)
            return WR_ENOMEM;
    }
    const uint8_t *truth = WR_BOOLS(condition);
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        chosen->sel[n] = row;
        chosen->rows[n] = rows[i];
        n += (uint32_t)(truth[row] != 0 && !wr_column_is_nil(condition, row));
    }
    chosen->count = n;
    return WR_OK;
}

/* Which of the aggregates of a share take each row, as bits. */
static uint64_t *share_bits(const struct wr_aggregates *aggregates,
                            const struct wr_aggregate_share *share, struct wr_eval *eval,
                            const struct wr_batch *batch, const uint32_t *sel, uint32_t count) {
    uint64_t *bits = WR_ARENA_ZEROS(&eval->scratch, uint64_t, count + 1);
    for (uint32_t m = 0; bits != NULL && m < share->count; m++) {
        int32_t where = aggregates->aggregates[share->members[m]].where;
        uint64_t bit = UINT64_C(1) << m;
        if (where < 0) {
            for (uint32_t i = 0; i < count; i++)
                bits[i] |= bit;
            continue;
        }
        struct wr_column condition = item_column(aggregates, eval, batch, (uint32_t)where);
        const uint8_t *truth = WR_BOOLS(&condition);
        for (uint32_t i = 0; i < count; i++) { /* no branch that goes by the data */
            uint32_t row = sel == NULL ? i : sel[i];
            uint64_t is_true = truth[row] != 0;
            if (condition.valid != NULL)
                is_true &= (uint64_t)wr_bit_get(condition.valid, row);
            bits[i] |= is_true << m;
        }
    }
    return bits;
}

/* `bits`: of a leader's share; else NULL. */
static int aggregate_add(const struct wr_aggregates *aggregates,
                         const struct wr_aggregate *aggregate, const struct wr_eval *eval,
                         struct wr_table *table, uint8_t *const *rows, const struct wr_batch *batch,
                         const uint32_t *sel, uint32_t count, const uint64_t *bits) {
    struct wr_column columns[WR_AGGREGATE_ARGS_MAX + WR_AGGREGATE_ORDER_MAX];
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        if (aggregate->constants[a] != NULL)
            columns[a] = (struct wr_column){0};
        else
            columns[a] = item_column(aggregates, eval, batch, aggregate->args[a]);
    }
    for (uint32_t o = 0; o < aggregate->order_count; o++)
        columns[aggregate->arg_count + o] =
            item_column(aggregates, eval, batch, aggregate->order[o]);
    if (bits != NULL)
        return aggregate->kernel->add_shared(aggregate, table, rows, columns, batch, sel, count,
                                             bits);
    int retracts =
        batch->weight != NULL && count > 0 && batch->weight[sel == NULL ? 0 : sel[0]] < 0;
    return (retracts ? aggregate->kernel->retract
                     : aggregate->kernel->add)(aggregate, table, rows, columns, batch, sel, count);
}

/* Rows of one sign of weight. */
static int add_alike(const struct wr_aggregates *aggregates, struct wr_eval *eval,
                     struct wr_table *table, uint8_t *const *rows, const struct wr_batch *batch,
                     const uint32_t *sel, uint32_t count) {
    struct chosen chosen = {.where = -1};
    struct wr_arena_mark mark = wr_arena_mark(&eval->scratch);
    int status = WR_OK;
    for (uint32_t i = 0; i < aggregates->aggregate_count && status == WR_OK; i++) {
        const struct wr_aggregate *aggregate = &aggregates->aggregates[i];
        if (aggregate->is_member)
            continue;
        const uint64_t *bits = NULL;
        if (aggregate->share != NULL) {
            bits = share_bits(aggregates, aggregate->share, eval, batch, sel, count);
            if (bits == NULL)
                status = WR_ENOMEM;
        }
        if (status == WR_OK && (aggregate->where < 0 || bits != NULL)) {
            status =
                aggregate_add(aggregates, aggregate, eval, table, rows, batch, sel, count, bits);
            continue;
        }
        if (status == WR_OK && aggregate->kernel->add_where != NULL && batch->weight == NULL) {
            struct wr_column condition =
                item_column(aggregates, eval, batch, (uint32_t)aggregate->where);
            aggregate->kernel->add_where(aggregate, rows, &condition, sel, count);
            continue;
        }
        if (status == WR_OK && aggregate->where != chosen.where) {
            struct wr_column condition =
                item_column(aggregates, eval, batch, (uint32_t)aggregate->where);
            status = rows_choose(&chosen, &eval->scratch, &condition, rows, sel, count);
            chosen.where = aggregate->where;
        }
        if (status == WR_OK)
            status = aggregate_add(aggregates, aggregate, eval, table, chosen.rows, batch,
                                   chosen.sel, chosen.count, NULL);
    }
    wr_arena_rewind(&eval->scratch, mark);
    return status;
}

int wr_aggregates_add(const struct wr_aggregates *aggregates, struct wr_eval *eval,
                      struct wr_table *table, uint8_t *const *rows, const struct wr_batch *batch,
                      const uint32_t *sel, uint32_t count) {
    if (batch->weight == NULL)
        return add_alike(aggregates, eval, table, rows, batch, sel, count);
    struct wr_arena_mark mark = wr_arena_mark(&eval->scratch);
    uint32_t *numbers = WR_ARENA_ARRAY(&eval->scratch, uint32_t, count + 1);
    int status = numbers == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; numbers != NULL && i < count; i++)
        numbers[i] = sel == NULL ? i : sel[i];
    for (uint32_t first = 0, i = 1; first < count && status == WR_OK; i++) {
        if (i < count && (batch->weight[numbers[i]] < 0) == (batch->weight[numbers[first]] < 0))
            continue;
        status =
            add_alike(aggregates, eval, table, rows + first, batch, numbers + first, i - first);
        first = i;
    }
    wr_arena_rewind(&eval->scratch, mark);
    return status;
}

int wr_aggregates_in_row(const struct wr_aggregates *aggregates) {
    for (uint32_t i = 0; i < aggregates->aggregate_count; i++) {
        const struct wr_aggregate *aggregate = &aggregates->aggregates[i];
        const struct wr_aggregate_kernel *kernel = aggregate->kernel;
        if (aggregate->inner != NULL || aggregate->function->user != NULL)
            return 0;
        for (uint32_t c = 0; c < kernel->cell_count && !kernel->in_row; c++)
            if (kernel->cells[c].kind == WR_CELL_BLOB)
                return 0;
    }
    return 1;
}

int wr_aggregates_are_placed(const struct wr_aggregates *aggregates) {
    for (uint32_t i = 0; i < aggregates->aggregate_count; i++)
        if (aggregates->aggregates[i].inner != NULL ||
            (aggregates->aggregates[i].function->flags & WR_AGG_PLACED))
            return 1;
    return 0;
}

int64_t wr_aggregates_live(const struct wr_aggregates *aggregates, const uint8_t *row) {
    int64_t count;
    memcpy(&count, row + aggregates->aggregates[aggregates->live].offset, sizeof count);
    return count;
}

const char *wr_aggregates_detail(const struct wr_aggregates *aggregates, uint16_t guilty,
                                 const uint8_t *row, struct wr_arena *arena) {
    const struct wr_aggregate *aggregate = &aggregates->aggregates[guilty];
    const char *why =
        aggregate->kernel->detail == NULL ? NULL : aggregate->kernel->detail(aggregate, row);
    if (aggregate->label == NULL)
        return why;
    size_t size = strlen(aggregate->label) + (why == NULL ? 0 : strlen(why)) + 8;
    char *text = wr_arena_alloc(arena, size);
    if (text != NULL)
        snprintf(text, size, "`%s`%s%s", aggregate->label, why == NULL ? "" : ": ",
                 why == NULL ? "" : why);
    return text;
}

int wr_aggregates_merge(const struct wr_aggregates *aggregates, struct wr_table *table,
                        uint8_t *into, const uint8_t *from) {
    for (uint32_t i = 0; i < aggregates->aggregate_count; i++) {
        const struct wr_aggregate *aggregate = &aggregates->aggregates[i];
        int status = aggregate->kernel->merge(aggregate, table, into, from);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

/* A bitmap with all bits of `count` rows set. */
static uint64_t *bits_all(struct wr_arena *arena, uint32_t count) {
    uint64_t *bits = WR_ARENA_ARRAY(arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (bits != NULL)
        memset(bits, 0xff, (WR_BITS_WORDS(count) + 1) * 8);
    return bits;
}

static int bits_are_all(const uint64_t *bits, uint32_t count) {
    for (uint64_t w = 0; w < WR_BITS_WORDS(count); w++)
        if (~bits[w] != 0)
            return 0;
    return 1;
}

/* Column `column` of the middle: memory and validity for `count` results. */
static int column_open(struct wr_batch *middle, uint32_t column, uint32_t count, void **out,
                       uint64_t **valid) {
    *out = wr_batch_column(middle, column, count);
    *valid = bits_all(&middle->arena, count);
    return *out != NULL && *valid != NULL ? WR_OK : WR_ENOMEM;
}

/* Long strings are copied into the batch: it may wait in a gate until long after the state that it
 * was read from has been dropped. `failed` NULL: no row failed. */
static int column_close(struct wr_batch *middle, uint32_t column, uint32_t count,
                        const uint64_t *valid, const uint16_t *failed) {
    middle->columns[column].valid = bits_are_all(valid, count) ? NULL : valid;
    if (!wr_type_is_text(middle->schema->fields[column].type.kind))
        return WR_OK;
    struct wr_str *strings = middle->columns[column].data;
    for (uint32_t r = 0; r < count; r++) {
        struct wr_str *str = &strings[r];
        if (!wr_bit_get(valid, r) || (failed != NULL && failed[r] != 0) ||
            str->length <= WR_STR_INLINE_MAX)
            continue;
        char *copy = wr_arena_strndup(&middle->arena, str->pointer, str->length);
        if (copy == NULL)
            return WR_ENOMEM;
        str->pointer = copy;
    }
    return WR_OK;
}

int wr_aggregates_result(const struct wr_aggregates *aggregates, uint8_t *const *rows,
                         uint32_t count, struct wr_batch *middle, uint16_t *fails,
                         uint16_t *guilty) {
    uint32_t column = aggregates->windowed ? 2 : 0;
    void *out;
    uint64_t *valid;
    memset(fails, 0, count * sizeof *fails);
    for (uint32_t k = 0; k < aggregates->key_count; k++, column++) {
        if (column_open(middle, column, count, &out, &valid) != WR_OK)
            return WR_ENOMEM;
        wr_keys_read(&aggregates->layout, k, rows, count, out, valid);
        if (column_close(middle, column, count, valid, NULL) != WR_OK)
            return WR_ENOMEM;
    }
    uint16_t *failed = WR_ARENA_ARRAY(&middle->arena, uint16_t, count);
    if (failed == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < aggregates->aggregate_count; i++, column++) {
        const struct wr_aggregate *aggregate = &aggregates->aggregates[i];
        if (column_open(middle, column, count, &out, &valid) != WR_OK)
            return WR_ENOMEM;
        memset(failed, 0, count * sizeof *failed);
        int status =
            aggregate->kernel->result(aggregate, rows, count, out, valid, failed, &middle->arena);
        if (status != WR_OK)
            return status;
        for (uint32_t r = 0; r < count; r++) {
            if (failed[r] == 0 || fails[r] != 0)
                continue;
            fails[r] = failed[r];
            guilty[r] = (uint16_t)i;
        }
        if (column_close(middle, column, count, valid, failed) != WR_OK)
            return WR_ENOMEM;
    }
    middle->row_count = count;
    middle->sel_count = count;
    middle->sel = NULL;
    return WR_OK;
}
