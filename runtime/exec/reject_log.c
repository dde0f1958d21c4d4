/* reject_log.c: the rejects of one push, put into the order of the records, counted, and turned
 * into rows of the `rejects` relation for whoever reads it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec.h"
#include "data/time.h"
#include "exec/unit.h"
#include "base/banned.h"

/* A reject that waits for the end of its push; texts lie in the log's arena. */
struct entry {
    uint64_t record, sequence; /* record: UINT64_MAX when the row has no one origin */
    const struct wr_node *node;
    int code;
    int only_warns;
    int64_t at; /* event time; WR_TIME_MIN: none */
    const char *reason, *detail, *source, *position, *raw, *row;
    uint32_t raw_length, row_length;
};

struct reject_log {
    struct wr_run *run;
    struct wr_arena arena;
    struct wr_buf text; /* scratch for building texts */
    uint32_t count, room;
    struct entry *entries;
    uint64_t sequence;
    int no_memory; /* a text could not be kept: the push fails */
    uint32_t reader_count;
    struct unit **readers; /* units of live rejects nodes */
};

int reject_log_new(struct reject_log **log, struct wr_run *run) {
    struct reject_log *self = wr_alloc_zero(&wr_budget_control, sizeof *self);
    if (self == NULL)
        return WR_ENOMEM;
    self->run = run;
    wr_arena_init(&self->arena, &run->input_budget, 16384);
    wr_buf_init(&self->text, &run->input_budget, 0);
    *log = self;
    for (uint32_t i = 0; i < run->unit_count; i++)
        self->reader_count += run->units[i]->node->kind == WR_NODE_REJECTS;
    self->readers = WR_ARENA_ARRAY(&run->arena, struct unit *, self->reader_count + 1);
    if (self->readers == NULL)
        return WR_ENOMEM;
    uint32_t at = 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        if (run->units[i]->node->kind == WR_NODE_REJECTS)
            self->readers[at++] = run->units[i];
    return WR_OK;
}

void reject_log_free(struct reject_log *log) {
    if (log == NULL)
        return;
    wr_arena_release(&log->arena);
    wr_buf_release(&log->text);
    wr_free(&log->run->input_budget, log->entries);
    wr_free(&wr_budget_control, log);
}

static const char *keep(struct reject_log *log, const char *text, size_t length) {
    const char *copy = text == NULL ? NULL : wr_arena_strndup(&log->arena, text, length);
    log->no_memory |= text != NULL && copy == NULL;
    return copy;
}

static const char *keep_text(struct reject_log *log, const char *text) {
    return text == NULL ? NULL : keep(log, text, strlen(text));
}

/* The columns that a person knows: those that weir makes for itself stand behind them, under names
 * that no script can write. NULL: no memory. */
static const struct wr_schema *shown_columns(struct reject_log *log,
                                             const struct wr_schema *schema) {
    uint32_t count = schema->field_count;
    while (count > 0 && schema->fields[count - 1].name[0] == 1)
        count--;
    if (count == schema->field_count)
        return schema;
    struct wr_schema *shown = wr_schema_new(&log->arena, count);
    if (shown != NULL && count > 0)
        memcpy(shown->fields, schema->fields, count * sizeof *shown->fields);
    return shown;
}

/* The row as JSON: the columns that were converted. */
static int row_json(struct reject_log *log, const struct wr_reject *reject, struct entry *entry) {
    struct wr_batch one = *reject->batch;
    one.schema = shown_columns(log, one.schema);
    if (one.schema == NULL)
        return WR_ENOMEM;
    one.sel = &reject->row;
    one.sel_count = 1;
    const struct wr_encoder_type *type = wr_encoder_find("ndjson");
    struct wr_encoder *encoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (encoder == NULL)
        return WR_ENOMEM;
    encoder->type = type;
    encoder->schema = one.schema;
    wr_buf_clear(&log->text);
    int status = type->open == NULL ? WR_OK : type->open(encoder, NULL);
    if (status == WR_OK)
        status = type->encode(encoder, &one, &log->text);
    if (status == WR_OK && log->text.length > 0) {
        entry->row_length = (uint32_t)log->text.length - 1; /* without the newline */
        entry->row = keep(log, log->text.bytes, entry->row_length);
    }
    if (type->close != NULL)
        type->close(encoder);
    wr_free(&wr_budget_control, encoder);
    return status;
}

static void position_of(struct reject_log *log, const struct wr_reject *reject,
                        struct entry *entry) {
    char text[96];
    if (reject->batch == NULL) {
        snprintf(text, sizeof text, "line %llu byte %llu", (unsigned long long)reject->line,
                 (unsigned long long)reject->byte);
        entry->record = reject->record;
        entry->source = keep_text(log, reject->file);
        entry->position = keep_text(log, text);
        return;
    }
    const struct wr_origin *origin = &reject->batch->origin;
    entry->source = keep_text(log, origin->file != NULL ? origin->file : origin->source);
    if (origin->source == NULL)
        return; /* made of many rows: only `row` tells what it was */
    entry->record = wr_origin_record(origin, reject->row);
    if (origin->start == NULL) {
        snprintf(text, sizeof text, "row %llu", (unsigned long long)entry->record + 1);
    } else {
        snprintf(text, sizeof text, "line %llu byte %llu",
                 (unsigned long long)wr_origin_line(origin, reject->row),
                 (unsigned long long)wr_origin_byte(origin, reject->row));
        if (origin->text != NULL) {
            entry->raw_length = origin->length[reject->row];
            entry->raw = keep(log, origin->text + origin->start[reject->row], entry->raw_length);
        }
    }
    entry->position = keep_text(log, text);
}

static void reason_of(struct reject_log *log, const struct wr_reject *reject, struct entry *entry) {
    const struct wr_batch *batch = reject->batch;
    if (reject->reason != NULL) {
        entry->reason = keep_text(log, reject->reason);
    } else if (reject->code == WR_REJECT_LATE && batch->behind != NULL) {
        char by[WR_TIME_TEXT_MAX], text[WR_TIME_TEXT_MAX + 16];
        wr_duration_format_short(batch->behind[reject->row] - batch->event_time[reject->row], by);
        snprintf(text, sizeof text, "late by %s", by);
        entry->reason = keep_text(log, text);
    } else {
        entry->reason = wr_reject_text(reject->code);
    }
}

static void cut(char *room, size_t size, const char *text) {
    snprintf(room, size, "%s", text == NULL ? "" : text);
}

static void keep_example(struct wr_reject_kind *kind, const struct entry *entry) {
    cut(kind->source, sizeof kind->source, entry->source);
    cut(kind->position, sizeof kind->position, entry->position);
    cut(kind->reason, sizeof kind->reason, entry->reason);
    cut(kind->detail, sizeof kind->detail, entry->detail);
    cut(kind->raw, sizeof kind->raw, entry->raw);
}

static void count_kind(struct reject_log *log, const struct wr_node *node,
                       const struct entry *entry) {
    struct wr_summary *summary = &log->run->summary;
    summary->rejected += !entry->only_warns;
    struct wr_reject_kind *kind = NULL;
    for (uint32_t i = 0; i < summary->kind_count && kind == NULL; i++)
        if (summary->kinds[i].node == node->id && summary->kinds[i].code == entry->code &&
            summary->kinds[i].only_warns == entry->only_warns)
            kind = &summary->kinds[i];
    if (kind == NULL) {
        if (summary->kind_count == WR_REJECT_KINDS_MAX)
            return; /* still in `rejected` */
        kind = &summary->kinds[summary->kind_count++];
        *kind = (struct wr_reject_kind){
            .node = node->id, .code = entry->code, .only_warns = entry->only_warns};
        keep_example(kind, entry);
    }
    kind->count++;
}

/* A late row and a row that is not as expected have a rule of their own, and so has a source. */
static int ends_run(const struct reject_log *log, const struct wr_node *node,
                    const struct wr_reject *reject) {
    if (reject->ends_run)
        return 1;
    return log->run->options.fail_on_error && node->kind == WR_NODE_OP &&
           reject->code != WR_REJECT_LATE && reject->code != WR_REJECT_EXPECT;
}

static int end_run(struct reject_log *log, const struct entry *entry) {
    struct wr_error *err = log->run->err;
    char code[8];
    snprintf(code, sizeof code, "W%03d", entry->code);
    int more = entry->detail != NULL && strcmp(entry->detail, entry->reason) != 0;
    wr_error_script(err, code, "%s: %s%s%s", entry->node->name, entry->reason, more ? ": " : "",
                    more ? entry->detail : "");
    const char *script = wr_value_string(entry->node->spec, "script", NULL);
    wr_error_help(err, "the row is %s%s%s, the stage %s%s%s",
                  entry->source == NULL ? "of no source" : entry->source,
                  entry->position == NULL ? "" : ", ",
                  entry->position == NULL ? "" : entry->position, entry->node->stage,
                  script == NULL ? "" : " of ", script == NULL ? "" : script);
    if (err != NULL)
        err->status = WR_EREFUSED;
    return WR_EREFUSED;
}

int reject_log_add(struct reject_log *log, const struct wr_node *node,
                   const struct wr_reject *reject) {
    if (wr_grow(&log->run->input_budget, (void **)&log->entries, log->count, &log->room,
                sizeof *log->entries) != WR_OK)
        return WR_ENOMEM;
    struct entry *entry = &log->entries[log->count];
    *entry = (struct entry){.record = UINT64_MAX,
                            .sequence = log->sequence++,
                            .node = node,
                            .code = reject->code,
                            .only_warns = reject->only_warns,
                            .at = WR_TIME_MIN};
    const struct wr_batch *batch = reject->batch;
    if (batch != NULL && batch->event_time != NULL)
        entry->at = batch->event_time[reject->row];
    position_of(log, reject, entry);
    reason_of(log, reject, entry);
    entry->detail = keep_text(log, reject->detail);
    if (batch == NULL && reject->raw != NULL) {
        entry->raw = keep(log, reject->raw, reject->raw_length);
        entry->raw_length = reject->raw_length;
    }
    if (log->no_memory)
        return WR_ENOMEM;
    log->count++;
    if (ends_run(log, node, reject))
        return end_run(log, entry);
    if (batch == NULL || reject->only_warns)
        return WR_OK;
    if (log->reader_count == 0 && entry->record != UINT64_MAX)
        return WR_OK; /* nobody reads it, and its order is known without */
    return row_json(log, reject, entry);
}

static int entry_order(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->record != y->record)
        return x->record < y->record ? -1 : 1;
    if (x->node->id != y->node->id)
        return x->node->id < y->node->id ? -1 : 1;
    if (x->record == UINT64_MAX) { /* of groups: in no order that depends on their shards */
        if (x->at != y->at)
            return x->at < y->at ? -1 : 1;
        int by = x->row == NULL || y->row == NULL ? 0 : strcmp(x->row, y->row);
        if (by != 0)
            return by;
    }
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
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
static void put_row(struct wr_batch *batch, uint64_t **valid, const struct entry *entry) {
    uint32_t row = batch->row_count;
    ((int64_t *)batch->columns[0].data)[row] = entry->at;
    if (entry->at == WR_TIME_MIN)
        wr_bit_clear(valid[0], row);
    put_cstr(batch, 1, valid, entry->node->name);
    char code[8];
    snprintf(code, sizeof code, "W%03d", entry->code);
    put_cstr(batch, 2, valid, code);
    put_cstr(batch, 3, valid, entry->reason);
    put_cstr(batch, 4, valid, entry->detail);
    put_cstr(batch, 5, valid, wr_value_string(entry->node->spec, "script", NULL));
    put_cstr(batch, 6, valid, entry->source);
    put_cstr(batch, 7, valid, entry->position);
    ((int64_t *)batch->columns[8].data)[row] = 1;
    put_text(batch, 9, valid, entry->raw, entry->raw_length);
    put_text(batch, 10, valid, entry->row, entry->row_length);
    batch->row_count++;
}

static int give_reader(struct reject_log *log, struct unit *reader, uint32_t first,
                       uint32_t count) {
    struct wr_run *run = log->run;
    struct wr_batch *batch = wr_batch_new(&run->pool, reader->node->out.schema);
    if (batch == NULL)
        return WR_ENOMEM;
    uint64_t *valid[16];
    uint32_t columns = batch->schema->field_count;
    for (uint32_t c = 0; c < columns; c++) {
        valid[c] = WR_ARENA_ARRAY(&batch->arena, uint64_t, WR_BITS_WORDS(count));
        if (wr_batch_column(batch, c, count) == NULL || valid[c] == NULL) {
            wr_batch_unref(batch);
            return WR_ENOMEM;
        }
        memset(valid[c], 0xff, WR_BITS_WORDS(count) * 8);
        batch->columns[c].valid = valid[c];
    }
    for (uint32_t i = first; i < first + count; i++)
        if (reads_node(reader, log->entries[i].node) && !log->entries[i].only_warns)
            put_row(batch, valid, &log->entries[i]);
    batch->sel_count = batch->row_count;
    batch->frontier = WR_TIME_MIN;
    if (batch->row_count == 0) {
        wr_batch_unref(batch);
        return WR_OK;
    }
    return unit_emit(reader, WR_PORT_MAIN, batch);
}

int reject_log_flush(struct reject_log *log) {
    if (log->count == 0)
        return WR_OK;
    struct wr_run *run = log->run;
    qsort(log->entries, log->count, sizeof *log->entries, entry_order);
    for (uint32_t i = 0; i < log->count; i++)
        count_kind(log, log->entries[i].node, &log->entries[i]);
    int status = WR_OK;
    uint32_t count = log->count;
    for (uint32_t r = 0; r < log->reader_count && status >= 0; r++)
        for (uint32_t first = 0; first < count && status >= 0; first += run->options.batch_rows)
            status = give_reader(log, log->readers[r], first,
                                 WR_MIN(run->options.batch_rows, count - first));
    /* What readers' own stages rejected meanwhile is counted, and read by nobody. */
    for (uint32_t i = count; i < log->count; i++)
        count_kind(log, log->entries[i].node, &log->entries[i]);
    log->count = 0;
    wr_arena_reset(&log->arena);
    return WR_MIN(status, WR_OK);
}
