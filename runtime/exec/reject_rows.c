/* reject_rows.c: rejects as rows of the `rejects` relation. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "exec/reject.h"
#include "base/banned.h"

#define COLUMNS_MAX 16

int reject_readers_init(struct reject_readers *readers, struct wr_run *run) {
    readers->run = run;
    readers->units = WR_ARENA_ARRAY(&run->arena, struct unit *, run->unit_count + 1);
    if (readers->units == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (run->units[i]->node->kind == WR_NODE_REJECTS)
            readers->units[readers->count++] = run->units[i];
    return WR_OK;
}

static int reads_node(const struct unit *reader, const struct wr_node *node) {
    for (uint32_t i = 0; i < reader->node->input_count; i++)
        if (reader->node->inputs[i] == node->id)
            return 1;
    return 0;
}

static void put_text(struct wr_batch *batch, uint32_t column, uint64_t **valid, const char *text,
                     uint32_t length) {
    if (text == NULL) {
        wr_bit_clear(valid[column], batch->row_count);
        return;
    }
    char *copy = wr_arena_strndup(&batch->arena, text, length);
    if (copy == NULL)
        wr_bit_clear(valid[column], batch->row_count);
    else
        ((struct wr_str *)batch->columns[column].data)[batch->row_count] = wr_str_of(copy, length);
}

static void put_cstr(struct wr_batch *batch, uint32_t column, uint64_t **valid, const char *text) {
    put_text(batch, column, valid, text, text == NULL ? 0 : (uint32_t)strlen(text));
}

/* One row of `rejects`, in the order of wr_rejects_schema. */
static void put_row(struct wr_batch *batch, uint64_t **valid, const struct reject_entry *entry) {
    const struct wr_node *node = entry->unit->node;
    uint32_t row = batch->row_count;
    ((int64_t *)batch->columns[0].data)[row] = entry->at;
    if (entry->at == WR_TIME_MIN)
        wr_bit_clear(valid[0], row);
    put_cstr(batch, 1, valid, node->name);
    char code[8];
    snprintf(code, sizeof code, "W%03d", entry->code);
    put_cstr(batch, 2, valid, code);
    put_cstr(batch, 3, valid, entry->reason);
    put_cstr(batch, 4, valid, entry->detail);
    put_cstr(batch, 5, valid, wr_value_string(node->spec, "script", NULL));
    put_cstr(batch, 6, valid, entry->source_name);
    put_cstr(batch, 7, valid, entry->position);
    ((int64_t *)batch->columns[8].data)[row] = (int64_t)entry->tried + 1;
    put_text(batch, 9, valid, entry->raw, entry->raw_length);
    put_text(batch, 10, valid, entry->row_json, entry->row_length);
    batch->row_count++;
}

static int give(struct unit *reader, const struct reject_entry *entries, uint32_t count) {
    struct wr_run *run = reader->run;
    struct wr_batch *batch = wr_batch_new(&run->central_pool, reader->node->out.schema);
    if (batch == NULL)
        return WR_ENOMEM;
    uint64_t *valid[COLUMNS_MAX];
    uint32_t columns = batch->schema->field_count;
    WR_ASSERT(columns <= COLUMNS_MAX);
    for (uint32_t c = 0; c < columns; c++) {
        valid[c] = WR_ARENA_ARRAY(&batch->arena, uint64_t, WR_BITS_WORDS(count));
        if (wr_batch_column(batch, c, count) == NULL || valid[c] == NULL) {
            wr_batch_unref(batch);
            return WR_ENOMEM;
        }
        memset(valid[c], 0xff, WR_BITS_WORDS(count) * 8);
        batch->columns[c].valid = valid[c];
    }
    for (uint32_t i = 0; i < count; i++)
        if (reads_node(reader, entries[i].unit->node) && !entries[i].only_warns)
            put_row(batch, valid, &entries[i]);
    batch->sel_count = batch->row_count;
    batch->frontier = WR_TIME_MIN;
    if (batch->row_count == 0) {
        wr_batch_unref(batch);
        return WR_OK;
    }
    return unit_emit(reader, WR_PORT_MAIN, batch);
}

int reject_readers_give(const struct reject_readers *readers, const struct reject_entry *entries,
                        uint32_t count) {
    int status = WR_OK;
    uint32_t step = readers->run->options.batch_rows;
    for (uint32_t r = 0; r < readers->count && status >= 0; r++)
        for (uint32_t first = 0; first < count && status >= 0; first += step)
            status = give(readers->units[r], entries + first, WR_MIN(step, count - first));
    return WR_MIN(status, WR_OK);
}
