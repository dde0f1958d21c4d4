#include "data/rows.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/json_text.h"
#include "data/nested.h"
#include "data/text.h"
#include "data/time.h"
#include "base/banned.h"

#define RAW_BYTES_MAX 4096 /* of a record that is longer than the limit, shown in its reject */

/* Converts the default once, where a script's author still sees the error. */
static int default_check(struct wr_rows *rows, struct wr_slot *slot, struct wr_error *err) {
    char type[128];
    slot->data = wr_arena_alloc(&rows->arena, wr_type_bytes(slot->kind));
    if (slot->data == NULL)
        return wr_error_set(err, WR_ENOMEM, "decoder: out of memory");
    int fits = wr_slot_from_text(rows, slot, 0, slot->default_text, slot->default_length);
    slot->data = NULL;
    if (fits)
        return WR_OK;
    return wr_error_script(err, "W203", "the default of `%s` must be %s, got `%s`",
                           slot->field->name, wr_type_text(&slot->field->type, type, sizeof type),
                           slot->default_text);
}

static int slot_open(struct wr_rows *rows, uint32_t index, struct wr_error *err) {
    const struct wr_decoder_setup *setup = &rows->decoder->setup;
    struct wr_slot *slot = &rows->slots[index];
    const struct wr_field *field = &setup->schema->fields[index];
    slot->field = field;
    slot->kind = field->type.kind;
    slot->required = field->required;
    slot->stored = setup->needed == NULL || wr_bit_get(setup->needed, index);
    slot->checked = slot->stored || slot->required || setup->check_all;
    slot->lenient = setup->shown != NULL && wr_bit_get(setup->shown, index) && !slot->required &&
                    !setup->check_all;
    const struct wr_value *value = field->default_value;
    if (value == NULL || value->kind == WR_VALUE_NIL)
        return WR_OK;
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, WR_RECORD_BYTES_MAX);
    int status = WR_OK;
    if (value->kind == WR_VALUE_STRING)
        status = wr_buf_add(&text, value->string, value->count);
    else
        status = wr_value_to_json(&text, value, 0);
    if (status == WR_OK) {
        slot->default_text = wr_arena_strndup(&rows->arena, text.bytes, text.length);
        slot->default_length = (uint32_t)text.length;
        status = slot->default_text == NULL ? WR_ENOMEM : WR_OK;
    }
    wr_buf_release(&text);
    if (status == WR_OK)
        return default_check(rows, slot, err);
    return wr_error_set(err, status, "default of `%s`: %s", field->name, wr_status_text(status));
}

int wr_rows_open(struct wr_rows *rows, struct wr_decoder *decoder, struct wr_error *err) {
    const struct wr_schema *schema = decoder->setup.schema;
    *rows = (struct wr_rows){.decoder = decoder, .slot_count = schema->field_count};
    wr_arena_init(&rows->arena, &wr_budget_control, 1024);
    rows->cells = &rows->arena;
    const char *timezone = decoder->setup.timezone;
    if (timezone != NULL && strcmp(timezone, "UTC") != 0) {
        int status = wr_zone_find(&rows->zone, timezone, strlen(timezone), err);
        if (status != WR_OK)
            return status;
    }
    rows->slots = WR_ARENA_ZEROS(&rows->arena, struct wr_slot, schema->field_count);
    decoder->came = WR_ARENA_ZEROS(&rows->arena, uint8_t, schema->field_count);
    if (rows->slots == NULL || decoder->came == NULL)
        return wr_error_set(err, WR_ENOMEM, "decoder: out of memory");
    for (uint32_t i = 0; i < rows->slot_count; i++) {
        int status = slot_open(rows, i, err);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

void wr_rows_close(struct wr_rows *rows) {
    wr_batch_unref(rows->batch);
    rows->batch = NULL;
    if (rows->decoder != NULL) /* opened */
        wr_arena_release(&rows->arena);
}

static int columns_begin(struct wr_rows *rows) {
    struct wr_batch *batch = rows->batch;
    for (uint32_t i = 0; i < rows->slot_count; i++) {
        struct wr_slot *slot = &rows->slots[i];
        if (!slot->checked)
            continue;
        slot->data = wr_batch_column(batch, i, rows->row_max);
        slot->valid = WR_ARENA_ARRAY(&batch->arena, uint64_t, WR_BITS_WORDS(rows->row_max));
        slot->has_nil = 0;
        if (slot->data == NULL || slot->valid == NULL)
            return WR_ENOMEM;
        memset(slot->valid, 0xff, sizeof(uint64_t) * WR_BITS_WORDS(rows->row_max));
    }
    rows->start = rows->length = rows->record = NULL;
    if (rows->decoder->setup.keep_text) {
        rows->start = WR_ARENA_ARRAY(&batch->arena, uint32_t, rows->row_max);
        rows->length = WR_ARENA_ARRAY(&batch->arena, uint32_t, rows->row_max);
        if (rows->start == NULL || rows->length == NULL)
            return WR_ENOMEM;
    }
    return WR_OK;
}

/* No more rows than records are left to read. */
static void rows_max_lower(struct wr_rows *rows) {
    uint64_t record = rows->decoder->record, end = rows->decoder->setup.record_end;
    if (end > 0)
        rows->row_max = (uint32_t)WR_MIN((uint64_t)rows->row_max,
                                         rows->row_count + (record < end ? end - record : 0));
}

int wr_rows_begin(struct wr_rows *rows, struct wr_buffer *buffer, const char *text,
                  struct wr_error *err) {
    struct wr_decoder *decoder = rows->decoder;
    WR_ASSERT(rows->batch == NULL);
    rows->row_count = rows->rejected = 0;
    uint32_t row_max = decoder->setup.batch_rows;
    rows->row_max = row_max == 0 ? WR_BATCH_ROWS_DEFAULT : WR_MIN(row_max, WR_BATCH_ROWS_MAX);
    rows_max_lower(rows);
    rows->batch = wr_batch_new(decoder->setup.pool, decoder->setup.schema);
    int status = rows->batch == NULL ? WR_ENOMEM : columns_begin(rows);
    if (status != WR_OK) {
        wr_batch_unref(rows->batch);
        rows->batch = NULL;
        return wr_error_set(err, status, "decoding %s: %s", decoder->file, wr_status_text(status));
    }
    wr_batch_hold_buffer(rows->batch, buffer);
    rows->no_memory = 0;
    rows->cells = &rows->batch->arena;
    rows->text = rows->line_at = text;
    rows->byte = decoder->byte;
    rows->line = decoder->line;
    struct wr_origin *origin = &rows->batch->origin;
    origin->file = decoder->file;
    origin->base_byte = decoder->byte;
    origin->base_line = decoder->line;
    origin->first_record = decoder->record;
    return WR_OK;
}

static uint64_t newlines_between(const char *from, const char *to) {
    uint64_t count = 0;
    while ((from = memchr(from, '\n', (size_t)(to - from))) != NULL) {
        count++;
        from++;
    }
    return count;
}

static void line_move(struct wr_rows *rows, const char *to) {
    rows->line += newlines_between(rows->line_at, to);
    rows->byte += (uint64_t)(to - rows->line_at);
    rows->line_at = to;
}

struct wr_batch *wr_rows_end(struct wr_rows *rows, const char *end, uint64_t newlines) {
    struct wr_decoder *decoder = rows->decoder;
    struct wr_batch *batch = rows->batch;
    if (newlines == UINT64_MAX) {
        line_move(rows, end);
        decoder->line = rows->line;
    } else {
        decoder->line += newlines;
    }
    decoder->byte += (uint64_t)(end - rows->text);
    rows->batch = NULL;
    if (rows->row_count == 0) {
        wr_batch_unref(batch);
        return NULL;
    }
    for (uint32_t i = 0; i < rows->slot_count; i++) {
        struct wr_slot *slot = &rows->slots[i];
        struct wr_column *column = &batch->columns[i];
        if (!slot->stored)
            *column = (struct wr_column){0};
        else if (slot->has_nil)
            column->valid = slot->valid;
    }
    if (rows->start != NULL)
        batch->origin.text = rows->text;
    batch->origin.start = rows->start;
    batch->origin.length = rows->length;
    batch->origin.record = rows->record;
    batch->row_count = batch->sel_count = rows->row_count;
    return batch;
}

int wr_rows_result(const struct wr_rows *rows, int status, struct wr_batch **batch,
                   struct wr_error *err) {
    if (rows->no_memory)
        status = WR_ENOMEM;
    if (status == WR_OK || status == WR_EAGAIN)
        return WR_OK;
    wr_batch_unref(*batch);
    *batch = NULL;
    if (err == NULL || err->status == status)
        return status;
    return wr_error_set(err, status, "decoding %s: %s", rows->decoder->file,
                        wr_status_text(status));
}

int wr_rows_origin(struct wr_rows *rows, const char *record, uint64_t length) {
    if (rows->start != NULL) {
        rows->start[rows->row_count] = (uint32_t)(record - rows->text);
        rows->length[rows->row_count] = (uint32_t)length;
    }
    if (rows->record != NULL)
        rows->record[rows->row_count] =
            (uint32_t)(rows->decoder->record - rows->batch->origin.first_record);
    return WR_OK;
}

/* From the first reject of a batch on, record numbers have gaps. */
static int record_numbers_begin(struct wr_rows *rows) {
    if (rows->record != NULL)
        return WR_OK;
    rows->record = WR_ARENA_ARRAY(&rows->batch->arena, uint32_t, rows->row_max);
    if (rows->record == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < rows->row_count; i++)
        rows->record[i] = i;
    return WR_OK;
}

/* The value on one line, cut between characters. */
static void value_shown(const struct wr_fault *fault, char *text, size_t size) {
    size_t length = 0, at = 0;
    for (; at < fault->value_length && at < 60 && length + 8 < size; at++) {
        unsigned char byte = (unsigned char)fault->value[at];
        if (byte < 0x20 || byte == 0x7f)
            length += (size_t)snprintf(text + length, size - length, "\\x%02x", byte);
        else
            text[length++] = (char)byte;
    }
    length = wr_utf8_valid_prefix(text, length);
    snprintf(text + length, size - length, "%s", at < fault->value_length ? "…" : "");
}

/* What is particular to this record; NULL where the code says it all. */
static const char *detail_of(const struct wr_fault *fault, char *room, size_t size) {
    if (fault->slot == NULL)
        return fault->text;
    const char *name = fault->slot->field->name;
    if (fault->code == WR_REJECT_TYPE) {
        char type[128], value[280];
        value_shown(fault, value, sizeof value);
        snprintf(room, size, "value `%s` does not fit %s (column `%s`)", value,
                 wr_type_text(&fault->slot->field->type, type, sizeof type), name);
        return room;
    }
    if (fault->code == WR_REJECT_MISSING) {
        snprintf(room, size, "missing required column `%s`", name);
        return room;
    }
    return fault->text;
}

int wr_rows_reject(struct wr_rows *rows, const struct wr_fault *fault, const char *record,
                   uint64_t length) {
    struct wr_decoder *decoder = rows->decoder;
    char room[600];
    if (rows->no_memory)
        return WR_ENOMEM;
    line_move(rows, record);
    struct wr_reject reject = {
        .code = fault->code,
        .detail = detail_of(fault, room, sizeof room),
        .raw = record,
        .raw_length = (uint32_t)WR_MIN(length, (uint64_t)WR_RECORD_BYTES_HARD),
        .file = decoder->file,
        .record = decoder->record,
        .line = rows->line,
        .byte = rows->byte,
        .column = fault->column,
    };
    if (fault->code == WR_REJECT_LENGTH)
        reject.raw_length = (uint32_t)WR_MIN(length, (uint64_t)RAW_BYTES_MAX);
    for (uint32_t i = 0; i < rows->slot_count; i++)
        if (rows->slots[i].valid != NULL && rows->row_count < rows->row_max)
            wr_bit_set(rows->slots[i].valid, rows->row_count);
    decoder->record++;
    rows->rejected++;
    int status = record_numbers_begin(rows);
    rows_max_lower(rows);
    if (status == WR_OK && decoder->setup.reject != NULL)
        status = decoder->setup.reject(decoder->setup.reject_ctx, &reject);
    return status;
}

static int bool_parse(const char *text, uint32_t length, uint8_t *value) {
    if (length == 4 && strncasecmp(text, "true", 4) == 0)
        return *value = 1, 1;
    if (length == 5 && strncasecmp(text, "false", 5) == 0)
        return *value = 0, 1;
    return 0;
}

static int time_parse(const struct wr_rows *rows, const struct wr_slot *slot, const char *text,
                      uint32_t length, int64_t *value) {
    int has_offset;
    if (slot->kind == WR_DATE && slot->field->time_format == NULL)
        return wr_date_parse(text, length, value);
    if (!wr_timestamp_parse_local(slot->field->time_format, text, length, value, &has_offset))
        return 0;
    if (slot->kind == WR_DATE)
        *value = *value / WR_US_PER_DAY - (*value % WR_US_PER_DAY < 0);
    else if (!has_offset && rows->zone != NULL)
        return wr_zone_from_local_us(rows->zone, value);
    return 1;
}

static int bytes_parse(struct wr_rows *rows, struct wr_str *cell, const char *text,
                       uint32_t length) {
    size_t count;
    char *bytes = wr_arena_alloc(rows->cells, (size_t)length / 4 * 3 + 3);
    rows->no_memory |= bytes == NULL;
    if (bytes == NULL || !wr_base64_decode(text, length, bytes, &count))
        return 0;
    *cell = wr_str_of(bytes, (uint32_t)count);
    return 1;
}

int wr_slot_from_text(struct wr_rows *rows, struct wr_slot *slot, uint32_t row, const char *text,
                      uint32_t length) {
    const struct wr_type *type = &slot->field->type;
    void *data = slot->data;
    switch (slot->kind) {
    case WR_BOOL: return bool_parse(text, length, (uint8_t *)data + row);
    case WR_INT64: return wr_int64_parse(text, length, (int64_t *)data + row);
    case WR_FLOAT64: return wr_float64_parse(text, length, 1, (double *)data + row);
    case WR_DECIMAL:
        return wr_decimal_parse(text, length, type->precision, type->scale, (__int128 *)data + row);
    case WR_STRING: ((struct wr_str *)data)[row] = wr_str_of(text, length); return 1;
    case WR_BYTES: return bytes_parse(rows, (struct wr_str *)data + row, text, length);
    case WR_TIMESTAMP:
    case WR_DATE: return time_parse(rows, slot, text, length, (int64_t *)data + row);
    case WR_DURATION: return wr_duration_parse(text, length, (int64_t *)data + row);
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: {
        struct wr_json_scan scan;
        if (!wr_json_check(&scan, text, text + length) || (slot->kind == WR_LIST && *text != '[') ||
            ((slot->kind == WR_STRUCT || slot->kind == WR_MAP) && *text != '{'))
            return 0;
        if (slot->kind != WR_JSON)
            return wr_nested_read(rows, type, text, length, (struct wr_str *)data + row);
        ((struct wr_str *)data)[row] = wr_str_of(text, length);
        return 1;
    }
    case WR_NIL:
    case WR_TYPE_KINDS: break;
    }
    WR_ASSERT(!"a column of a known type");
    return 0;
}

int wr_slot_absent(struct wr_rows *rows, struct wr_slot *slot, uint32_t row) {
    if (slot->default_text != NULL) {
        /* The arena of the rows dies before the batch does. */
        char *copy = wr_arena_strndup(rows->cells, slot->default_text, slot->default_length);
        rows->no_memory |= copy == NULL;
        return copy != NULL && wr_slot_from_text(rows, slot, row, copy, slot->default_length);
    }
    wr_slot_nil(slot, row);
    return !slot->required;
}
