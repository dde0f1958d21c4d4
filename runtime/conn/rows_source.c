/* rows_source.c: rows that stand in the script itself: values, or a CSV text with its header.
 * Values are checked against the schema when the stage is called; bad records of a text are
 * rejects, as those of a file are. Position: rows given of the values; of a text what its decoder
 * keeps. */
#include "conn/connectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/builder.h"
#include "conn/endpoint.h"
#include "data/codec.h"
#include "data/text.h"
#include "data/zone.h"
#include "base/banned.h"

#define POSITION_VERSION 2

struct config {
    const struct wr_value *rows; /* or */
    const char *text;
    uint64_t text_length;
    const struct wr_value *options; /* of the CSV format */
    const char *timezone;
    const struct wr_zone *zone; /* the same */
};

struct rows_source {
    struct wr_source base;
    const struct config *config;
    uint64_t at; /* rows given of the values; bytes decoded of the text */
    int ended;
    struct wr_decoder *decoder;
    struct wr_buffer *buffer; /* the text */
};

/* ---- values -------------------------------------------------------------------------------- */

static int json_value(struct wr_builder *builder, uint32_t c, const struct wr_value *value,
                      int *status) {
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    *status = wr_value_to_json(&text, value, 0);
    if (*status == WR_OK)
        *status = wr_builder_bytes(builder, c, text.bytes, (uint32_t)text.length);
    wr_buf_release(&text);
    return *status == WR_OK;
}

/* Sets one value of a row: 1, or 0 when it is not of the column's type. */
static int set_value(struct wr_builder *builder, uint32_t c, const struct wr_value *value,
                     int *status) {
    const struct wr_field *field = &builder->batch->schema->fields[c];
    enum wr_type_kind kind = field->type.kind;
    char text[WR_NUMBER_TEXT_MAX];
    *status = WR_OK;
    if (value == NULL || value->kind == WR_VALUE_NIL) {
        if (field->default_value != NULL)
            return set_value(builder, c, field->default_value, status);
        wr_builder_nil(builder, c);
        return !field->required;
    }
    switch (value->kind) {
    case WR_VALUE_BOOL:
        if (kind == WR_JSON)
            return json_value(builder, c, value, status);
        if (kind != WR_BOOL)
            return 0;
        wr_builder_bool(builder, c, value->boolean);
        return 1;
    case WR_VALUE_INT:
        if (kind == WR_INT64)
            wr_builder_int64(builder, c, value->integer);
        else if (kind == WR_FLOAT64)
            wr_builder_float64(builder, c, (double)value->integer);
        else if (kind == WR_JSON)
            return json_value(builder, c, value, status);
        else
            return (kind == WR_DECIMAL || (kind == WR_TIMESTAMP && field->time_format != NULL)) &&
                   wr_builder_text(builder, c, text,
                                   (uint32_t)wr_int64_format(value->integer, text), status);
        return 1;
    case WR_VALUE_FLOAT:
        if (kind == WR_JSON)
            return json_value(builder, c, value, status);
        if (kind != WR_FLOAT64)
            return 0;
        wr_builder_float64(builder, c, value->number);
        return 1;
    case WR_VALUE_STRING:
        if (kind == WR_BYTES) {
            *status = wr_builder_bytes(builder, c, value->string, value->count);
            return *status == WR_OK;
        }
        return kind != WR_INT64 && kind != WR_FLOAT64 && kind != WR_BOOL &&
               wr_builder_text(builder, c, value->string, value->count, status);
    case WR_VALUE_LIST:
    case WR_VALUE_MAP: return kind >= WR_JSON && json_value(builder, c, value, status);
    case WR_VALUE_NIL: break;
    }
    return 0;
}

/* Column `c` of a row by position, by name, or by a position that a table with holes has as a name.
 * */
static const struct wr_value *value_of(const struct wr_value *row, const struct wr_schema *schema,
                                       uint32_t c) {
    if (row->kind == WR_VALUE_LIST)
        return wr_value_at(row, c);
    const struct wr_value *named = wr_value_get(row, schema->fields[c].name);
    if (named != NULL)
        return named;
    char position[16];
    snprintf(position, sizeof position, "%u", c + 1);
    return wr_value_get(row, position);
}

static void say_value(const struct wr_value *value, char *out, size_t size) {
    switch (value == NULL ? WR_VALUE_NIL : value->kind) {
    case WR_VALUE_NIL: snprintf(out, size, "nil"); break;
    case WR_VALUE_BOOL: snprintf(out, size, "%s", value->boolean ? "true" : "false"); break;
    case WR_VALUE_INT: snprintf(out, size, "%lld", (long long)value->integer); break;
    case WR_VALUE_FLOAT: snprintf(out, size, "%.17g", value->number); break;
    case WR_VALUE_STRING: snprintf(out, size, "'%.60s'", value->string); break;
    case WR_VALUE_LIST:
    case WR_VALUE_MAP: snprintf(out, size, "a table"); break;
    }
}

static int check_row(struct wr_builder *builder, const struct wr_value *row, uint32_t number,
                     struct wr_error *err) {
    const struct wr_schema *schema = builder->batch->schema;
    if (row->kind != WR_VALUE_LIST && row->kind != WR_VALUE_MAP) {
        wr_error_script(err, "W203", "row %u must be a table of values", number);
        wr_error_at(err, "2", 0, 0);
        return WR_ESCRIPT;
    }
    if (row->kind == WR_VALUE_LIST && row->count > schema->field_count) {
        wr_error_script(err, "W203", "row %u has %u values, the schema has %u columns", number,
                        row->count, schema->field_count);
        wr_error_at(err, "2", 0, 0);
        return WR_ESCRIPT;
    }
    for (uint32_t c = 0; c < schema->field_count; c++) {
        int status = WR_OK;
        const struct wr_value *value = value_of(row, schema, c);
        if (set_value(builder, c, value, &status))
            continue;
        if (status != WR_OK)
            return wr_error_set(err, status, "rows: out of memory");
        char type[96], got[96];
        wr_type_text(&schema->fields[c].type, type, sizeof type);
        say_value(value, got, sizeof got);
        if (value == NULL || value->kind == WR_VALUE_NIL)
            wr_error_script(err, "W203", "row %u: column `%s` is required", number,
                            schema->fields[c].name);
        else
            wr_error_script(err, "W203", "row %u: column `%s` must be %s, got %s", number,
                            schema->fields[c].name, type, got);
        wr_error_at(err, "2", 0, 0);
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int check_rows(const struct wr_endpoint_bind *bind, const struct config *config,
                      struct wr_error *err) {
    const struct wr_value *rows = config->rows;
    struct wr_budget budget = WR_BUDGET_INIT("rows", 0);
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &budget);
    int status = WR_OK;
    for (uint32_t i = 0; i < rows->count && status == WR_OK; i++) {
        struct wr_builder builder;
        if (wr_builder_init(&builder, &pool, bind->schema, NULL, 1) != WR_OK) {
            status = wr_error_set(err, WR_ENOMEM, "rows: out of memory");
            break;
        }
        builder.zone = config->zone;
        status = check_row(&builder, &rows->items[i], i + 1, err);
        wr_batch_unref(wr_builder_finish(&builder));
    }
    wr_batch_pool_release(&pool);
    return status;
}

/* The first line of a text has to be its header; one that names no column is a row. */
static int check_header(const struct wr_schema *schema, const char *text, uint64_t length,
                        struct wr_error *err) {
    const char *end = memchr(text, '\n', length);
    size_t line = end == NULL ? length : (size_t)(end - text);
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (memmem(text, line, schema->fields[c].name, schema->fields[c].name_length) != NULL)
            return WR_OK;
    wr_error_script(err, "W203",
                    "the first line of a CSV text is its header: `%.*s` names no "
                    "column of the schema",
                    (int)WR_MIN(line, (size_t)80), text);
    wr_error_at(err, "2", 0, 0);
    return WR_ESCRIPT;
}

static int source_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct config *config = WR_ARENA_ZEROS(bind->arena, struct config, 1);
    if (status == WR_OK && config == NULL)
        status = wr_error_set(err, WR_ENOMEM, "rows: out of memory");
    if (status != WR_OK)
        return status;
    const struct wr_value *endpoint = wr_value_get(bind->spec, "endpoint");
    const struct wr_value *text = wr_value_get(endpoint, "text");
    config->timezone = bind->timezone;
    config->rows = wr_value_get(endpoint, "rows");
    status = wr_zone_find(&config->zone, bind->timezone, strlen(bind->timezone), err);
    if (status == WR_OK)
        status =
            wr_options_rest(&options, bind->arena, wr_options_of_read, NULL, &config->options, err);
    if (status == WR_OK)
        status = wr_endpoint_schema(bind, &bind->schema, err);
    if (status == WR_OK && bind->schema == NULL)
        status = wr_error_script(err, "W408", "`rows` needs a schema");
    if (status == WR_OK && text != NULL && text->kind == WR_VALUE_STRING) {
        config->text = text->string;
        config->text_length = text->count;
        status = check_header(bind->schema, text->string, text->count, err);
    } else if (status == WR_OK && config->rows != NULL) {
        status = check_rows(bind, config, err);
    }
    bind->partition_count = 1;
    bind->bounded = 1;
    bind->config = config;
    bind->name = "rows";
    return status;
}

/* ---- running ------------------------------------------------------------------------------- */

static int text_reject(void *ctx, const struct wr_reject *reject) {
    struct rows_source *self = ctx;
    struct wr_reject one = *reject;
    one.source = self->base.source;
    one.partition = self->base.partition;
    return self->base.reject == NULL ? WR_OK : self->base.reject(self->base.reject_ctx, &one);
}

static void text_note(void *ctx, const char *file, const char *text) {
    struct rows_source *self = ctx;
    if (self->base.note != NULL)
        self->base.note(self->base.reject_ctx, file, text);
}

static void source_close(struct wr_source *source) {
    struct rows_source *self = (struct rows_source *)source;
    if (self->decoder != NULL) {
        self->decoder->type->close(self->decoder);
        wr_free(&wr_budget_control, self->decoder);
    }
    wr_buffer_unref(self->buffer);
    self->decoder = NULL;
    self->buffer = NULL;
}

static int open_text(struct rows_source *self, struct wr_error *err) {
    const struct wr_source *base = &self->base;
    const struct wr_decoder_type *type;
    int status = wr_decoder_choose("csv", &type, err);
    if (status != WR_OK)
        return status;
    self->buffer = wr_buffer_new(base->input_budget, self->config->text_length + 64);
    self->decoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (self->buffer == NULL || self->decoder == NULL) {
        wr_free(&wr_budget_control, self->decoder);
        self->decoder = NULL;
        return wr_error_set(err, WR_ENOMEM, "rows: out of memory");
    }
    memcpy(self->buffer->bytes, self->config->text, self->config->text_length);
    memset(self->buffer->bytes + self->config->text_length, 0, 64);
    self->decoder->type = type;
    self->decoder->setup = (struct wr_decoder_setup){.schema = base->schema,
                                                     .options = self->config->options,
                                                     .needed = base->needed,
                                                     .shown = base->shown,
                                                     .keep_text = base->keep_text,
                                                     .batch_rows = base->batch_rows,
                                                     .record_end = base->record_limit,
                                                     .record_bytes_max = WR_RECORD_BYTES_MAX,
                                                     .pool = base->pool,
                                                     .timezone = self->config->timezone,
                                                     .reject = text_reject,
                                                     .note = text_note,
                                                     .reject_ctx = self};
    status = type->open(self->decoder, err);
    if (status != WR_OK) {
        wr_free(&wr_budget_control, self->decoder);
        self->decoder = NULL;
        return status;
    }
    self->decoder->line = 1;
    return type->begin_file(self->decoder, "rows", err);
}

static int source_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct rows_source *self = (struct rows_source *)source;
    self->config = source->config;
    int status = self->config->text != NULL ? open_text(self, err) : WR_OK;
    if (status == WR_OK && from != NULL) {
        uint64_t version = wr_reader_varint(from);
        self->at = wr_reader_varint(from);
        self->ended = (int)wr_reader_varint(from);
        if (self->decoder != NULL) {
            uint64_t line = wr_reader_varint(from), record = wr_reader_varint(from);
            if (self->decoder->type->load != NULL)
                status = self->decoder->type->load(self->decoder, from, err);
            self->decoder->line = line;
            self->decoder->record = record;
            self->decoder->byte = self->at;
        }
        uint64_t size = self->config->text != NULL ? self->config->text_length
                                                   : wr_value_count(self->config->rows);
        if (status == WR_OK && (from->failed || version != POSITION_VERSION || self->at > size))
            status = wr_error_set(err, WR_ECORRUPT, "rows: the stored position is damaged");
    }
    if (status != WR_OK)
        source_close(source);
    return status;
}

static int poll_text(struct rows_source *self, struct wr_batch **batch, struct wr_error *err) {
    uint64_t used = 0;
    int status =
        self->decoder->type->decode(self->decoder, self->buffer, self->buffer->bytes + self->at,
                                    self->config->text_length - self->at, 1, &used, batch, err);
    self->at += used;
    if (status == WR_OK && *batch == NULL)
        self->ended = 1;
    return status;
}

static int poll_values(struct rows_source *self, struct wr_batch **batch, struct wr_error *err) {
    uint64_t end = wr_value_count(self->config->rows);
    if (self->base.record_limit > 0)
        end = WR_MIN(end, self->base.record_limit);
    uint64_t left = end > self->at ? end - self->at : 0;
    struct wr_builder builder;
    if (left == 0) {
        self->ended = 1;
        return WR_OK;
    }
    uint32_t row_max = (uint32_t)WR_MIN((uint64_t)self->base.batch_rows, left);
    if (wr_builder_init(&builder, self->base.pool, self->base.schema, self->base.needed, row_max) !=
        WR_OK)
        return wr_error_set(err, WR_ENOMEM, "rows: memory budget `%s` is used up",
                            self->base.pool->budget->name);
    builder.zone = self->config->zone;
    uint64_t first = self->at;
    int status = WR_OK;
    for (; builder.row < row_max && status == WR_OK; self->at++) {
        const struct wr_value *row = &self->config->rows->items[self->at];
        for (uint32_t c = 0; c < self->base.schema->field_count && status == WR_OK; c++)
            if (wr_builder_wants(&builder, c)) {
                int good = set_value(&builder, c, value_of(row, self->base.schema, c), &status);
                WR_ASSERT(good || status != WR_OK); /* the bind has looked at every value */
            }
        wr_builder_next(&builder, (uint32_t)(self->at - first));
    }
    *batch = wr_builder_finish(&builder);
    if (status != WR_OK) {
        wr_batch_unref(*batch);
        *batch = NULL;
        return wr_error_set(err, status, "rows: out of memory");
    }
    (*batch)->origin.first_record = first;
    return WR_OK;
}

static int source_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct rows_source *self = (struct rows_source *)source;
    *batch = NULL;
    uint64_t limit = source->record_limit;
    if (self->ended || (limit > 0 && self->decoder != NULL && self->decoder->record >= limit))
        return WR_EEND;
    int status =
        self->decoder != NULL ? poll_text(self, batch, err) : poll_values(self, batch, err);
    if (status != WR_OK)
        return status;
    if (*batch == NULL)
        return WR_EEND;
    (*batch)->source = source->source;
    (*batch)->partition = source->partition;
    (*batch)->origin.source = source->name;
    return WR_OK;
}

static int source_save(struct wr_source *source, struct wr_buf *out) {
    struct rows_source *self = (struct rows_source *)source;
    wr_buf_add_varint(out, POSITION_VERSION);
    wr_buf_add_varint(out, self->at);
    wr_buf_add_varint(out, (uint64_t)self->ended);
    if (self->decoder != NULL) {
        wr_buf_add_varint(out, self->decoder->line);
        wr_buf_add_varint(out, self->decoder->record);
        if (self->decoder->type->save != NULL)
            return self->decoder->type->save(self->decoder, out);
    }
    return out->status;
}

const struct wr_source_type wr_source_rows = {
    .name = "rows",
    .size_bytes = sizeof(struct rows_source),
    .reads_ahead = 1,
    .bind = source_bind,
    .open = source_open,
    .poll = source_poll,
    .save_position = source_save,
    .close = source_close,
};
