/* builder.c: see builder.h. */
#include "conn/builder.h"

#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/json_text.h"
#include "data/nested.h"
#include "data/text.h"
#include "data/time.h"
#include "data/zone.h"
#include "base/banned.h"

int wr_builder_init(struct wr_builder *builder, struct wr_batch_pool *pool,
                    const struct wr_schema *schema, const uint64_t *needed, uint32_t row_max) {
    *builder = (struct wr_builder){.row_max = row_max};
    struct wr_batch *batch = wr_batch_new(pool, schema);
    if (batch == NULL)
        return WR_ENOMEM;
    uint32_t count = schema->field_count;
    struct wr_arena *arena = &batch->arena;
    builder->batch = batch;
    builder->valid = WR_ARENA_ZEROS(arena, uint64_t *, count);
    builder->nil_count = WR_ARENA_ZEROS(arena, uint32_t, count);
    builder->row_nil = WR_ARENA_ZEROS(arena, uint8_t, count);
    builder->record = WR_ARENA_ARRAY(arena, uint32_t, row_max);
    int good = builder->valid != NULL && builder->nil_count != NULL && builder->row_nil != NULL &&
               builder->record != NULL;
    for (uint32_t c = 0; c < count && good; c++) {
        if (needed != NULL && !wr_bit_get(needed, c))
            continue;
        uint64_t words = WR_BITS_WORDS(row_max);
        builder->valid[c] = WR_ARENA_ARRAY(arena, uint64_t, words);
        good = builder->valid[c] != NULL && wr_batch_column(batch, c, row_max) != NULL;
        if (good)
            memset(builder->valid[c], 0xff, words * sizeof(uint64_t));
    }
    if (good)
        return WR_OK;
    wr_batch_unref(batch);
    builder->batch = NULL;
    return WR_ENOMEM;
}

/* A column without a value still has bytes that may be read. */
void wr_builder_nil(struct wr_builder *builder, uint32_t column) {
    struct wr_batch *batch = builder->batch;
    uint32_t bytes = wr_type_bytes(batch->schema->fields[column].type.kind);
    memset((char *)batch->columns[column].data + (size_t)builder->row * bytes, 0, bytes);
    builder->row_nil[column] = 1;
}

static void set(struct wr_builder *builder, uint32_t column, const void *value, uint32_t bytes) {
    char *data = builder->batch->columns[column].data;
    memcpy(data + (size_t)builder->row * bytes, value, bytes);
    builder->row_nil[column] = 0;
}

void wr_builder_int64(struct wr_builder *builder, uint32_t column, int64_t value) {
    set(builder, column, &value, sizeof value);
}

void wr_builder_float64(struct wr_builder *builder, uint32_t column, double value) {
    set(builder, column, &value, sizeof value);
}

void wr_builder_bool(struct wr_builder *builder, uint32_t column, int value) {
    uint8_t byte = value != 0;
    set(builder, column, &byte, sizeof byte);
}

void wr_builder_decimal(struct wr_builder *builder, uint32_t column, __int128 value) {
    set(builder, column, &value, sizeof value);
}

int wr_builder_bytes(struct wr_builder *builder, uint32_t column, const char *bytes,
                     uint32_t length) {
    if (length > WR_STR_INLINE_MAX) {
        char *copy = wr_arena_alloc(&builder->batch->arena, length);
        if (copy == NULL)
            return WR_ENOMEM;
        memcpy(copy, bytes, length);
        bytes = copy;
    }
    struct wr_str str = wr_str_of(bytes, length);
    set(builder, column, &str, sizeof str);
    return WR_OK;
}

static int nested_text(struct wr_builder *builder, uint32_t column, const char *text,
                       uint32_t length, int *status) {
    const struct wr_type *type = &builder->batch->schema->fields[column].type;
    struct wr_rows rows = {.zone = builder->zone, .cells = &builder->batch->arena};
    struct wr_str value;
    if (!wr_json_check(&(struct wr_json_scan){0}, text, text + length))
        return 0;
    int fits = wr_nested_read(&rows, type, text, length, &value);
    if (rows.no_memory)
        *status = WR_ENOMEM;
    else if (fits)
        *status = wr_builder_bytes(builder, column, wr_str_bytes(&value), value.length);
    return fits && *status == WR_OK;
}

static int base64_text(struct wr_builder *builder, uint32_t column, const char *text,
                       uint32_t length, int *status) {
    char *bytes = wr_arena_alloc(&builder->batch->arena, (size_t)length + 4);
    if (bytes == NULL) {
        *status = WR_ENOMEM;
        return 0;
    }
    size_t written = 0;
    if (!wr_base64_decode(text, length, bytes, &written))
        return 0;
    struct wr_str str = wr_str_of(bytes, (uint32_t)written);
    set(builder, column, &str, sizeof str);
    return 1;
}

static int bool_text(struct wr_builder *builder, uint32_t column, const char *text,
                     uint32_t length) {
    int is_true = length == 4 && strncasecmp(text, "true", 4) == 0;
    if (!is_true && !(length == 5 && strncasecmp(text, "false", 5) == 0))
        return 0;
    wr_builder_bool(builder, column, is_true);
    return 1;
}

static int timestamp_text(const struct wr_builder *builder, const struct wr_field *field,
                          const char *text, uint32_t length, int64_t *time_us) {
    int has_offset;
    if (!wr_timestamp_parse_local(field->time_format, text, length, time_us, &has_offset))
        return 0;
    return has_offset || builder->zone == NULL || wr_zone_from_local_us(builder->zone, time_us);
}

int wr_builder_text(struct wr_builder *builder, uint32_t column, const char *text, uint32_t length,
                    int *status) {
    const struct wr_field *field = &builder->batch->schema->fields[column];
    int64_t integer = 0;
    double number;
    __int128 digits;
    *status = WR_OK;
    switch (field->type.kind) {
    case WR_BOOL: return bool_text(builder, column, text, length);
    case WR_INT64:
        if (!wr_int64_parse(text, length, &integer))
            return 0;
        break;
    case WR_FLOAT64:
        if (!wr_float64_parse(text, length, 1, &number))
            return 0;
        wr_builder_float64(builder, column, number);
        return 1;
    case WR_DECIMAL:
        if (!wr_decimal_parse(text, length, field->type.precision, field->type.scale, &digits))
            return 0;
        wr_builder_decimal(builder, column, digits);
        return 1;
    case WR_TIMESTAMP:
        if (!timestamp_text(builder, field, text, length, &integer))
            return 0;
        break;
    case WR_DATE:
        if (field->time_format == NULL
                ? !wr_date_parse(text, length, &integer)
                : !wr_timestamp_parse_as(field->time_format, text, length, &integer))
            return 0;
        if (field->time_format != NULL) /* floor: days before 1970 too */
            integer = integer / WR_US_PER_DAY - (integer % WR_US_PER_DAY < 0);
        break;
    case WR_DURATION:
        if (!wr_duration_parse(text, length, &integer))
            return 0;
        break;
    case WR_BYTES: return base64_text(builder, column, text, length, status);
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: return nested_text(builder, column, text, length, status);
    case WR_JSON:
        if (!wr_json_check(&(struct wr_json_scan){0}, text, text + length))
            return 0;
        *status = wr_builder_bytes(builder, column, text, length);
        return *status == WR_OK;
    case WR_STRING:
        if (wr_utf8_valid_prefix(text, length) != length)
            return 0;
        *status = wr_builder_bytes(builder, column, text, length);
        return *status == WR_OK;
    case WR_NIL:
    case WR_TYPE_KINDS: return 0;
    }
    wr_builder_int64(builder, column, integer);
    return 1;
}

void wr_builder_next(struct wr_builder *builder, uint32_t record) {
    WR_ASSERT(builder->row < builder->row_max);
    uint32_t count = builder->batch->schema->field_count;
    for (uint32_t c = 0; c < count; c++)
        if (builder->row_nil[c]) {
            builder->row_nil[c] = 0;
            if (builder->valid[c] == NULL)
                continue;
            wr_bit_clear(builder->valid[c], builder->row);
            builder->nil_count[c]++;
        }
    builder->record[builder->row++] = record;
}

struct wr_batch *wr_builder_finish(struct wr_builder *builder) {
    struct wr_batch *batch = builder->batch;
    builder->batch = NULL;
    if (builder->row == 0) {
        wr_batch_unref(batch);
        return NULL;
    }
    for (uint32_t c = 0; c < batch->schema->field_count; c++)
        if (builder->nil_count[c] > 0)
            batch->columns[c].valid = builder->valid[c];
    batch->row_count = batch->sel_count = builder->row;
    batch->origin.record = builder->record;
    batch->frontier = WR_TIME_MIN;
    return batch;
}
