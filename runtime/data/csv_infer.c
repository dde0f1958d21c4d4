/* csv_infer.c: a schema from the head of a CSV file. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/csv.h"
#include "data/infer.h"
#include "data/text.h"
#include "base/banned.h"

struct sample {
    struct wr_csv_options options;
    struct wr_csv_record record;
    struct wr_arena *arena; /* the plan's: of the schema */
    struct wr_arena scratch;
    struct wr_schema *schema; /* NULL until the first record */
    unsigned *seen;           /* for each field */
    const char *bytes;        /* the head of the file */
};

#define WHY_BYTES_MAX 24
/* So many records are looked at for what else a column of strings holds. */
#define WHY_RECORDS 1000

/* The field's text, with `""` taken apart in the scratch arena. */
static const char *field_text(struct sample *sample, const struct wr_csv_field *field,
                              size_t *length) {
    *length = field->length;
    if (!field->doubled)
        return field->at;
    char *copy = wr_arena_alloc(&sample->scratch, field->length);
    if (copy != NULL)
        *length = wr_csv_unquote(field, sample->options.quote, copy);
    return copy;
}

/* Fields i and j of the header have one name; one of them may have got it from its place. */
static int name_twice(const struct sample *sample, const struct wr_field *field, uint32_t i,
                      uint32_t j, struct wr_error *err) {
    const struct wr_csv_field *fields = sample->record.fields;
    int unnamed = fields[i].length == 0 ? (int)i : fields[j].length == 0 ? (int)j : -1;
    wr_error_script(err, "W105", "duplicate name `%s` in the header", field->name);
    if (unnamed >= 0)
        wr_error_help(err,
                      "field %d has no name and would be `%s`, as another is called; with "
                      "`schema =` the one with the name is read",
                      unnamed + 1, field->name);
    return WR_ESCRIPT;
}

static int name_fields(struct sample *sample, struct wr_error *err) {
    char numbered[24];
    if (sample->options.header && wr_csv_has_lone_cr(&sample->record)) {
        wr_error_script(err, "W408", "its lines end in CR alone");
        wr_error_help(err, "`tr '\\r' '\\n' < FILE` makes lines of them");
        return WR_ESCRIPT;
    }
    for (uint32_t i = 0; i < sample->schema->field_count; i++) {
        struct wr_field *field = &sample->schema->fields[i];
        size_t length = 0;
        const char *name = "";
        if (sample->options.header)
            name = field_text(sample, &sample->record.fields[i], &length);
        if (name != NULL && length == 0) {
            length = (size_t)snprintf(numbered, sizeof numbered, "column%u", i + 1);
            name = numbered;
        }
        if (name == NULL || (field->name = wr_arena_strndup(sample->arena, name, length)) == NULL)
            return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
        field->name_length = (uint32_t)length;
        if (wr_utf8_valid_prefix(name, length) < length)
            return wr_error_script(err, "W408",
                                   "the header is not valid UTF-8: `schema =` is needed");
        for (uint32_t j = 0; j < i; j++)
            if (sample->schema->fields[j].name_length == length &&
                memcmp(sample->schema->fields[j].name, name, length) == 0)
                return name_twice(sample, field, i, j, err);
    }
    return WR_OK;
}

/* The first record tells how many columns there are, and with a header their names. */
static int first_record(struct sample *sample, const char *at, const char *end, int complete,
                        struct wr_error *err) {
    struct wr_csv_record *record = &sample->record;
    uint32_t count = record->field_count;
    if (count > WR_COLUMNS_MAX)
        return wr_error_set(err, WR_ELIMIT, "csv: %u columns, at most %d", count, WR_COLUMNS_MAX);
    if (record->fault != NULL)
        return wr_error_script(err, "W408", "the first record cannot be read: %s", record->fault);
    record->fields = WR_ARENA_ZEROS(sample->arena, struct wr_csv_field, count);
    sample->seen = WR_ARENA_ZEROS(sample->arena, unsigned, count);
    sample->schema = wr_schema_new(sample->arena, count);
    if (record->fields == NULL || sample->seen == NULL || sample->schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
    record->field_max = count;
    wr_csv_record_read(&sample->options, record, at, end, complete);
    return name_fields(sample, err);
}

/* Remembers the first value that makes a string of a column. */
static int note_string(struct sample *sample, struct wr_field *field, const char *at,
                       const char *text, size_t length) {
    field->why_line = 1;
    const char *next = sample->bytes;
    while ((next = memchr(next, '\n', (size_t)(at - next))) != NULL) {
        next++;
        field->why_line++;
    }
    length = wr_utf8_valid_prefix(text, WR_MIN(length, (size_t)WHY_BYTES_MAX));
    field->why_string = wr_arena_strndup(sample->arena, text, length);
    return field->why_string == NULL ? WR_ENOMEM : WR_OK;
}

static int look_at(struct sample *sample, uint64_t rows, struct wr_error *err) {
    struct wr_csv_record *record = &sample->record;
    wr_arena_reset(&sample->scratch);
    for (uint32_t i = 0; i < record->field_count; i++) {
        const struct wr_csv_field *field = &record->fields[i];
        unsigned before = sample->seen[i];
        if ((before & WR_SEEN_STRING) && (before != WR_SEEN_STRING || rows >= WHY_RECORDS))
            continue;
        if (!field->quoted && wr_csv_is_null(&sample->options.nulls, field->at, field->length))
            continue;
        size_t length;
        const char *text = field_text(sample, field, &length);
        if (text == NULL)
            return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
        sample->seen[i] |= wr_infer_text(text, length);
        if ((sample->seen[i] & ~before & WR_SEEN_STRING) &&
            note_string(sample, &sample->schema->fields[i], field->at, text, length) != WR_OK)
            return wr_error_set(err, WR_ENOMEM, "csv: out of memory");
    }
    return WR_OK;
}

static int read_sample(struct sample *sample, const char *at, const char *end, int complete,
                       uint64_t *rows, struct wr_error *err) {
    struct wr_csv_record *record = &sample->record;
    if (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    while (at < end && wr_csv_record_read(&sample->options, record, at, end, complete)) {
        const char *text = at;
        at = record->next;
        int is_first = sample->schema == NULL, status = WR_OK;
        if (record->end == text && (is_first || sample->schema->field_count != 1))
            continue;
        if (is_first) {
            status = first_record(sample, text, end, complete, err);
            if (status == WR_OK && sample->options.header)
                continue;
        }
        if (status == WR_OK && record->fault == NULL &&
            record->field_count == sample->schema->field_count) {
            status = look_at(sample, *rows, err);
            ++*rows;
        }
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

int wr_csv_infer(struct wr_arena *arena, const struct wr_value *options, int delimiter,
                 const char *bytes, uint64_t length, int complete, const struct wr_schema **schema,
                 uint64_t *rows, struct wr_error *err) {
    struct sample sample = {.arena = arena, .bytes = bytes};
    *rows = 0;
    int status = wr_csv_options_read(&sample.options, options, delimiter == '\t' ? "tsv" : "csv",
                                     delimiter, err);
    if (status != WR_OK)
        return status;
    wr_arena_init(&sample.scratch, &wr_budget_control, 4096);
    status = read_sample(&sample, bytes, bytes + length, complete, rows, err);
    wr_arena_release(&sample.scratch);
    if (status != WR_OK)
        return status;
    if (sample.schema == NULL)
        return wr_error_script(err, "W408", "there is nothing to take a schema from: `schema =`");
    for (uint32_t i = 0; i < sample.schema->field_count; i++) {
        struct wr_field *field = &sample.schema->fields[i];
        field->type = WR_TYPE(wr_infer_kind(sample.seen[i]));
        field->guess = sample.seen[i] == 0 ? WR_GUESS_NOTHING : WR_GUESS_TEXT;
        if (field->type.kind != WR_STRING || sample.seen[i] == WR_SEEN_STRING)
            field->why_string = NULL;
    }
    *schema = sample.schema;
    return WR_OK;
}
