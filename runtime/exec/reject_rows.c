/* reject_rows.c: rejects as rows of the `rejects` relation. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "exec/reject.h"
#include "exec/unit.h"
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

/* NULL: nil. 0 where there is no memory for a copy. */
static int put_text(struct wr_batch *batch, uint32_t column, uint64_t **valid, const char *text,
                    uint32_t length) {
    if (text == NULL) {
        wr_bit_clear(valid[column], batch->row_count);
        return 1;
    }
    char *copy = wr_arena_strndup(&batch->arena, text, length);
    if (copy != NULL)
        ((struct wr_str *)batch->columns[column].data)[batch->row_count] = wr_str_of(copy, length);
    return copy != NULL;
}

static int put_cstr(struct wr_batch *batch, uint32_t column, uint64_t **valid, const char *text) {
    return put_text(batch, column, valid, text, text == NULL ? 0 : (uint32_t)strlen(text));
}

/* One row of `rejects`, in the order of wr_rejects_schema. */
static int put_row(struct wr_batch *batch, uint64_t **valid, const struct reject_entry *entry) {
    const struct wr_node *node = entry->unit->node;
    uint32_t row = batch->row_count;
    ((int64_t *)batch->columns[0].data)[row] = entry->at;
    if (entry->at == WR_TIME_MIN)
        wr_bit_clear(valid[0], row);
    char code[8];
    snprintf(code, sizeof code, "W%03d", entry->code);
    const char *texts[] = {node->name,
                           code,
                           entry->reason,
                           entry->detail,
                           wr_value_string(node->spec, "script", NULL),
                           entry->source_name,
                           entry->position};
    int has_all = 1;
    for (uint32_t i = 0; i < WR_COUNT(texts); i++)
        has_all &= put_cstr(batch, 1 + i, valid, texts[i]);
    ((int64_t *)batch->columns[8].data)[row] = (int64_t)entry->tried + 1;
    has_all &= put_text(batch, 9, valid, entry->raw, entry->raw_length);
    has_all &= put_text(batch, 10, valid, entry->row_json, entry->row_length);
    batch->row_count++;
    return has_all ? WR_OK : WR_ENOMEM;
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
    for (uint32_t i = 0; i < count; i++) {
        if (!reads_node(reader, entries[i].unit->node) || entries[i].only_warns)
            continue;
        if (put_row(batch, valid, &entries[i]) != WR_OK) {
            wr_batch_unref(batch);
            return WR_ENOMEM;
        }
    }
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
