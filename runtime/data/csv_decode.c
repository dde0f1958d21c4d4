/* csv_decode.c: CSV and TSV into batches. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/csv.h"
#include "data/csv_fast.h"
#include "data/record_limit.h"
#include "data/text.h"
#include "base/banned.h"

#define ABSENT UINT32_MAX

/* How far a record that is too long has been passed over. */
struct skip {
    uint8_t active, in_quotes, at_field, after_quote;
};

struct csv {
    struct wr_decoder base; /* first, so that the runtime's pointer is ours */
    struct wr_csv_options options;
    struct wr_rows rows;
    struct wr_csv_record record;
    struct wr_arena arena; /* of this file's header */
    uint32_t field_count;  /* fields of a record of this file; 0: not known yet */
    uint32_t *slot_of;     /* for each field, its slot, or ABSENT */
    uint8_t *slot_present; /* for each slot: the file has it */
    uint8_t any_absent;
    struct wr_csv_fast fast;
    uint8_t at_start; /* nothing of the file has been seen */
    uint8_t extra_known;
    uint8_t extra_is_odd; /* a name that is there twice, or none beside one like it */
    uint64_t extra_hash;  /* of the names that the first file has beside the schema */
    struct skip skip;
};

static int file_reset(struct csv *csv, struct wr_error *err) {
    csv->field_count = 0;
    csv->any_absent = 0;
    csv->extra_is_odd = 0;
    csv->fast.step_count = 0;
    csv->skip = (struct skip){0};
    wr_arena_reset(&csv->arena);
    csv->slot_present = WR_ARENA_ZEROS(&csv->arena, uint8_t, csv->rows.slot_count);
    csv->record.field_max = 0;
    if (csv->slot_present == NULL)
        return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
    return WR_OK;
}

/* Room for a record of `count` fields, each mapped to nothing yet. */
static int fields_reserve(struct csv *csv, uint32_t count) {
    csv->field_count = count;
    csv->slot_of = WR_ARENA_ARRAY(&csv->arena, uint32_t, count);
    csv->record.fields = WR_ARENA_ZEROS(&csv->arena, struct wr_csv_field, count);
    if (csv->slot_of == NULL || csv->record.fields == NULL)
        return WR_ENOMEM;
    csv->record.field_max = count;
    for (uint32_t i = 0; i < count; i++)
        csv->slot_of[i] = ABSENT;
    return WR_OK;
}

static void slot_map(struct csv *csv, uint32_t field, uint32_t slot) {
    csv->slot_of[field] = slot;
    csv->slot_present[slot] = 1;
    csv->base.came[slot] = 1;
}

/* The fields are mapped to slots. */
static int mapped(struct csv *csv) {
    csv->any_absent = 0;
    for (uint32_t i = 0; i < csv->rows.slot_count; i++)
        csv->any_absent |= !csv->slot_present[i] && csv->rows.slots[i].checked;
    return wr_csv_fast_map(&csv->fast, &csv->arena, csv->field_count, csv->slot_of,
                           csv->slot_present);
}

static void csv_close(struct wr_decoder *decoder) {
    struct csv *csv = (struct csv *)decoder;
    wr_rows_close(&csv->rows);
    wr_arena_release(&csv->arena);
}

static int open_as(struct wr_decoder *decoder, int delimiter, struct wr_error *err) {
    struct csv *csv = (struct csv *)decoder;
    wr_arena_init(&csv->arena, &wr_budget_control, 4096);
    int status = wr_csv_options_read(&csv->options, decoder->setup.options, decoder->type->name,
                                     delimiter, err);
    if (status == WR_OK)
        status = wr_rows_open(&csv->rows, decoder, err);
    if (status != WR_OK)
        csv_close(decoder);
    else
        wr_csv_fast_open(&csv->fast, &csv->rows, &csv->options);
    return status;
}

static int csv_open(struct wr_decoder *decoder, struct wr_error *err) {
    return open_as(decoder, ',', err);
}

static int tsv_open(struct wr_decoder *decoder, struct wr_error *err) {
    return open_as(decoder, '\t', err);
}

static int csv_begin_file(struct wr_decoder *decoder, const char *file, struct wr_error *err) {
    struct csv *csv = (struct csv *)decoder;
    decoder->file = file;
    csv->at_start = 1;
    int status = file_reset(csv, err);
    if (status != WR_OK || csv->options.header)
        return status;
    if (fields_reserve(csv, csv->rows.slot_count) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
    for (uint32_t i = 0; i < csv->rows.slot_count; i++)
        slot_map(csv, i, i);
    if (mapped(csv) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
    return WR_OK;
}

static void note(struct csv *csv, const char *text) {
    const struct wr_decoder_setup *setup = &csv->base.setup;
    if (setup->note != NULL)
        setup->note(setup->reject_ctx, csv->base.file, text);
}

/* Names of the header that the schema does not have. They are told where they may mean something:
 * a name of the schema is missing here, or the first file of a glob had others. A schema that
 * leaves columns out on purpose is no news. */
static void note_extra(struct csv *csv, struct wr_buf *extra) {
    uint64_t hash = extra->length == 0 ? 0 : wr_hash_bytes(extra->bytes, extra->length, 1);
    int is_news = csv->extra_is_odd || (csv->extra_known && hash != csv->extra_hash);
    if (!csv->extra_known) {
        csv->extra_known = 1;
        csv->extra_hash = hash;
    }
    for (uint32_t i = 0; i < csv->rows.slot_count; i++)
        is_news |= !csv->slot_present[i];
    if (extra->length == 0 || !is_news)
        return;
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    wr_buf_addf(&text, "columns that are not in the schema: %s", extra->bytes);
    if (text.status == WR_OK)
        note(csv, text.bytes);
    wr_buf_release(&text);
}

/* Maps a field of the header if it has a name, or has none, as `unnamed` says. Those with names
 * come first: a column without one is `column2` by its place, unless another is called so. */
static int header_field(struct csv *csv, uint32_t index, int unnamed, struct wr_buf *name,
                        struct wr_buf *extra, struct wr_buf *unknown) {
    const struct wr_csv_field *field = &csv->record.fields[index];
    if ((field->length == 0) != unnamed)
        return WR_OK;
    wr_buf_clear(name);
    int status = wr_buf_reserve(name, field->length + 1);
    if (status != WR_OK)
        return status;
    name->length = wr_csv_unquote(field, field->doubled ? csv->options.quote : -1, name->bytes);
    if (unnamed) /* as the inferred schema calls it */
        status = wr_buf_addf(name, "column%u", index + 1);
    if (status != WR_OK)
        return status;
    int slot = wr_schema_find(csv->base.setup.schema, name->bytes, (uint32_t)name->length);
    if (slot >= 0 && !csv->slot_present[slot]) {
        slot_map(csv, index, (uint32_t)slot);
        return WR_OK;
    }
    if (slot < 0) {
        wr_buf_add(unknown, name->bytes, name->length);
        wr_buf_add_char(unknown, 0);
    }
    if (extra->length > 0)
        wr_buf_add_text(extra, ", ");
    csv->extra_is_odd |= slot >= 0;
    if (unnamed && slot >= 0)
        return wr_buf_addf(extra, "field %u, which has no name", index + 1);
    wr_buf_add_char(extra, '`');
    wr_buf_add(extra, name->bytes, name->length);
    return wr_buf_add_text(extra, slot >= 0 ? "` (again)" : "`");
}

/* The header has been read once for its length; now its fields. */
static int header_read(struct csv *csv, const char *at, const char *end, int last,
                       struct wr_error *err) {
    uint32_t count = csv->record.field_count;
    if (csv->record.fault != NULL) {
        wr_error_set(err, WR_EIO, "%s: header: %s", csv->base.file, csv->record.fault);
        wr_error_help(err, "its first line must name the columns; `header = false` reads a file "
                           "that has no such line");
        return WR_EIO;
    }
    if (count > WR_COLUMNS_MAX)
        return wr_error_set(err, WR_ELIMIT, "%s: the header has %u columns, at most %d",
                            csv->base.file, count, WR_COLUMNS_MAX);
    int status = fields_reserve(csv, count);
    struct wr_buf name, extra, unknown;
    wr_buf_init(&name, &wr_budget_control, 0);
    wr_buf_init(&extra, &wr_budget_control, 0);
    wr_buf_init(&unknown, &wr_budget_control, 0);
    if (status == WR_OK)
        wr_csv_record_read(&csv->options, &csv->record, at, end, last);
    if (status == WR_OK && wr_csv_has_lone_cr(&csv->record)) {
        status = wr_error_set(err, WR_EIO, "%s: its lines end in CR alone", csv->base.file);
        wr_error_help(err, "`tr '\\r' '\\n' < FILE` makes lines of them");
        return status;
    }
    for (uint32_t i = 0; i < 2 * count && status == WR_OK; i++)
        status = header_field(csv, i % count, i >= count, &name, &extra, &unknown);
    if (status == WR_OK)
        status = mapped(csv);
    if (status == WR_OK)
        note_extra(csv, &extra);
    if (status == WR_OK && unknown.status == WR_OK && csv->base.setup.header != NULL)
        csv->base.setup.header(csv->base.setup.reject_ctx, csv->base.file, unknown.bytes,
                               unknown.length);
    wr_buf_release(&unknown);
    wr_buf_release(&name);
    wr_buf_release(&extra);
    return status == WR_OK ? WR_OK : wr_error_set(err, status, "csv header: out of memory");
}

/* Fills the cell of one field; 0 when the value does not fit. */
static int field_convert(struct csv *csv, struct wr_slot *slot, const struct wr_csv_field *field) {
    uint32_t row = csv->rows.row_count;
    if (!field->quoted) {
        if (wr_csv_is_null(&csv->options.nulls, field->at, field->length)) {
            wr_slot_nil(slot, row);
            return !slot->required;
        }
        return wr_slot_from_text(&csv->rows, slot, row, field->at, field->length);
    }
    if (!field->doubled)
        return wr_slot_from_text(&csv->rows, slot, row, field->at, field->length);
    char *copy = wr_arena_alloc(csv->rows.cells, field->length);
    csv->rows.no_memory |= copy == NULL;
    if (copy == NULL)
        return 0;
    size_t length = wr_csv_unquote(field, csv->options.quote, copy);
    return wr_slot_from_text(&csv->rows, slot, row, copy, (uint32_t)length);
}

static void fault_of_field(struct wr_fault *fault, const struct wr_slot *slot,
                           const struct wr_csv_field *field, uint32_t row, const char *record) {
    int missing = slot->required && !wr_bit_get(slot->valid, row);
    fault->code = missing ? WR_REJECT_MISSING : WR_REJECT_TYPE;
    fault->slot = slot;
    fault->value = field->at;
    fault->value_length = field->length;
    fault->column = (uint32_t)(field->at - record) + 1;
}

/* Converts the record; 0 with the fault when it has to be rejected. */
static int record_convert(struct csv *csv, const char *at, struct wr_fault *fault) {
    struct wr_csv_record *record = &csv->record;
    uint32_t row = csv->rows.row_count;
    if (record->has_high) {
        size_t length = (size_t)(record->end - at);
        size_t valid = wr_utf8_valid_prefix(at, length);
        if (valid < length) {
            *fault = (struct wr_fault){.code = WR_REJECT_PARSE, .text = "not valid UTF-8"};
            fault->column = (uint32_t)valid + 1;
            return 0;
        }
    }
    if (record->fault != NULL) {
        *fault = (struct wr_fault){.code = WR_REJECT_PARSE, .text = record->fault};
        fault->column = (uint32_t)(record->fault_at - at) + 1;
        return 0;
    }
    if (record->field_count != csv->field_count) {
        *fault = (struct wr_fault){.code = WR_REJECT_PARSE};
        snprintf(fault->room, sizeof fault->room, "%u field%s, expected %u", record->field_count,
                 record->field_count == 1 ? "" : "s", csv->field_count);
        fault->text = fault->room;
        return 0;
    }
    for (uint32_t i = 0; i < csv->field_count; i++) {
        if (csv->slot_of[i] == ABSENT)
            continue;
        struct wr_slot *slot = &csv->rows.slots[csv->slot_of[i]];
        if (slot->checked && !field_convert(csv, slot, &record->fields[i])) {
            if (slot->lenient) {
                wr_slot_nil(slot, row);
                continue;
            }
            *fault = (struct wr_fault){0};
            fault_of_field(fault, slot, &record->fields[i], row, at);
            return 0;
        }
    }
    for (uint32_t i = 0; csv->any_absent && i < csv->rows.slot_count; i++) {
        struct wr_slot *slot = &csv->rows.slots[i];
        if (csv->slot_present[i] || !slot->checked || wr_slot_absent(&csv->rows, slot, row))
            continue;
        *fault = (struct wr_fault){.code = WR_REJECT_MISSING, .slot = slot};
        return 0;
    }
    return 1;
}

/* Goes over the rest of a record that is too long. Returns where the next one begins, or `end`
 * while it is not known. */
static const char *skip_rest(struct csv *csv, const char *at, const char *end) {
    struct skip *skip = &csv->skip;
    char delimiter = (char)csv->options.delimiter;
    int quote = csv->options.quote;
    for (; at < end; at++) {
        int is_quote = quote >= 0 && *at == (char)quote;
        if (skip->in_quotes) {
            skip->after_quote = (uint8_t)is_quote;
            skip->in_quotes = !is_quote;
        } else if (is_quote && (skip->at_field || skip->after_quote)) {
            skip->in_quotes = 1; /* opens, or is the second of a pair */
            skip->at_field = skip->after_quote = 0;
        } else if (*at == '\n') {
            *skip = (struct skip){0};
            return at + 1;
        } else {
            skip->after_quote = 0;
            skip->at_field = *at == delimiter;
        }
    }
    return end;
}

static int header_too_long(struct csv *csv, struct wr_error *err) {
    return wr_error_set(err, WR_ELIMIT, "%s: the header is longer than %u bytes", csv->base.file,
                        WR_RECORD_BYTES_MAX);
}

/* A piece of a record: WR_OK with *at moved when it is too long already and is passed over. */
static int partial(struct csv *csv, const char **at, const char *end, struct wr_error *err) {
    uint64_t length = (uint64_t)(end - *at);
    if (csv->field_count == 0)
        return length <= WR_RECORD_BYTES_MAX + 1 ? WR_EAGAIN : header_too_long(csv, err);
    if (length <= wr_record_limit(&csv->base) + 1) /* one byte may be the CR of its end */
        return WR_EAGAIN;
    csv->fast.newlines_unknown = 1;
    int status = wr_reject_long(&csv->rows, *at);
    csv->skip = (struct skip){.active = 1, .at_field = 1};
    *at = skip_rest(csv, *at, end);
    return status;
}

static int one_record(struct csv *csv, const char **at, const char *end, int last,
                      struct wr_error *err) {
    struct wr_csv_record *record = &csv->record;
    if (!wr_csv_record_read(&csv->options, record, *at, end, last))
        return partial(csv, at, end, err);
    const char *text = *at;
    uint64_t length = (uint64_t)(record->end - text);
    *at = record->next;
    csv->fast.newlines_unknown |= record->has_quotes;
    csv->fast.newlines += record->next > record->end && record->next[-1] == '\n';
    if (length == 0 && csv->field_count != 1)
        return WR_OK;
    if (csv->field_count == 0)
        return length > WR_RECORD_BYTES_MAX ? header_too_long(csv, err)
                                            : header_read(csv, text, end, last, err);
    int status;
    struct wr_fault fault;
    if (length > wr_record_limit(&csv->base))
        status = wr_reject_long(&csv->rows, text);
    else if (record_convert(csv, text, &fault))
        status = wr_rows_commit(&csv->rows, text, length);
    else
        status = wr_rows_reject(&csv->rows, &fault, text, length);
    return status;
}

static int records(struct csv *csv, const char **at, const char *end, int last,
                   struct wr_error *err) {
    const char *newline_last = memrchr(*at, '\n', (size_t)(end - *at));
    const char *limit = newline_last == NULL ? *at : newline_last + 1;
    for (;;) {
        *at = wr_csv_fast_rows(&csv->fast, *at, limit);
        if (*at == end || csv->rows.row_count == csv->rows.row_max)
            return WR_OK;
        int status = one_record(csv, at, end, last, err);
        if (status != WR_OK)
            return status;
    }
}

static int csv_decode(struct wr_decoder *decoder, struct wr_buffer *buffer, const char *bytes,
                      uint64_t length, int last, uint64_t *used, struct wr_batch **batch,
                      struct wr_error *err) {
    struct csv *csv = (struct csv *)decoder;
    const char *at = bytes, *end = bytes + length;
    *used = 0;
    *batch = NULL;
    if (csv->at_start) {
        if ((at = wr_byte_order_mark_end(at, end, last)) == NULL)
            return WR_OK;
        csv->at_start = 0;
    }
    if (at == end && at == bytes)
        return WR_OK;
    int status = wr_rows_begin(&csv->rows, buffer, bytes, err);
    if (status != WR_OK)
        return status;
    csv->fast.newlines = 0;
    csv->fast.newlines_unknown = csv->skip.active;
    wr_csv_fast_begin(&csv->fast);
    if (csv->skip.active)
        at = skip_rest(csv, at, end);
    status = records(csv, &at, end, last, err);
    *used = (uint64_t)(at - bytes);
    *batch =
        wr_rows_end(&csv->rows, at, csv->fast.newlines_unknown ? UINT64_MAX : csv->fast.newlines);
    return wr_rows_result(&csv->rows, status, batch, err);
}

static int csv_save(const struct wr_decoder *decoder, struct wr_buf *out) {
    const struct csv *csv = (const struct csv *)decoder;
    const struct skip *skip = &csv->skip;
    uint32_t flags = skip->active | (uint32_t)skip->in_quotes << 1 | (uint32_t)skip->at_field << 2 |
                     (uint32_t)skip->after_quote << 3 | (uint32_t)csv->at_start << 4;
    wr_buf_add_varint(out, flags);
    wr_buf_add_varint(out, csv->field_count);
    for (uint32_t i = 0; i < csv->field_count; i++)
        wr_buf_add_varint(out, csv->slot_of[i] == ABSENT ? 0 : (uint64_t)csv->slot_of[i] + 1);
    return out->status;
}

static int csv_load(struct wr_decoder *decoder, struct wr_reader *from, struct wr_error *err) {
    struct csv *csv = (struct csv *)decoder;
    uint64_t flags = wr_reader_varint(from), count = wr_reader_varint(from);
    int status = file_reset(csv, err);
    if (status != WR_OK)
        return status;
    csv->skip = (struct skip){.active = flags & 1,
                              .in_quotes = flags >> 1 & 1,
                              .at_field = flags >> 2 & 1,
                              .after_quote = flags >> 3 & 1};
    csv->at_start = flags >> 4 & 1;
    if (from->failed || count > WR_COLUMNS_MAX)
        return wr_error_set(err, WR_ECORRUPT, "csv: the saved header is damaged");
    if (count > 0 && fields_reserve(csv, (uint32_t)count) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
    for (uint32_t i = 0; i < count; i++) {
        uint64_t slot = wr_reader_varint(from);
        if (from->failed || slot > csv->rows.slot_count ||
            (slot > 0 && csv->slot_present[slot - 1]))
            return wr_error_set(err, WR_ECORRUPT, "csv: the saved header is damaged");
        if (slot > 0)
            slot_map(csv, i, (uint32_t)slot - 1);
    }
    if (count > 0 && mapped(csv) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
    return WR_OK;
}

static uint64_t csv_records_end(const struct wr_decoder *decoder, const char *bytes,
                                uint64_t length) {
    return wr_csv_records_end(&((const struct csv *)decoder)->options, bytes, length);
}

static int csv_is_between(const struct wr_decoder *decoder) {
    const struct csv *csv = (const struct csv *)decoder;
    return !csv->at_start && csv->field_count > 0 && !csv->skip.active;
}

static int csv_infer(struct wr_arena *arena, const struct wr_value *options, const char *bytes,
                     uint64_t length, int complete, struct wr_inferred *inferred,
                     struct wr_error *err) {
    return wr_csv_infer(arena, options, ',', bytes, length, complete, &inferred->schema,
                        &inferred->rows, err);
}

static int tsv_infer(struct wr_arena *arena, const struct wr_value *options, const char *bytes,
                     uint64_t length, int complete, struct wr_inferred *inferred,
                     struct wr_error *err) {
    return wr_csv_infer(arena, options, '\t', bytes, length, complete, &inferred->schema,
                        &inferred->rows, err);
}

const struct wr_decoder_type wr_csv_decoder = {
    .name = "csv",
    .size_bytes = sizeof(struct csv),
    .open = csv_open,
    .begin_file = csv_begin_file,
    .decode = csv_decode,
    .save = csv_save,
    .load = csv_load,
    .close = csv_close,
    .records_end = csv_records_end,
    .is_between = csv_is_between,
    .infer = csv_infer,
};

const struct wr_decoder_type wr_tsv_decoder = {
    .name = "tsv",
    .size_bytes = sizeof(struct csv),
    .open = tsv_open,
    .begin_file = csv_begin_file,
    .decode = csv_decode,
    .save = csv_save,
    .load = csv_load,
    .close = csv_close,
    .records_end = csv_records_end,
    .is_between = csv_is_between,
    .infer = tsv_infer,
};
