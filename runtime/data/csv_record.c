/* csv_record.c: options of CSV, and one record taken apart byte by byte. */
#include <string.h>

#include "base/status.h"
#include "data/csv.h"
#include "base/banned.h"

int wr_csv_options_read(struct wr_csv_options *csv, const struct wr_value *options,
                        const char *format, int delimiter, struct wr_error *err) {
    static const char *const names[] = {"delimiter", "quote", "header", "null", NULL};
    *csv = (struct wr_csv_options){.delimiter = delimiter, .quote = '"', .header = 1};
    int status = wr_options_known(options, format, names, err);
    if (status == WR_OK)
        status = wr_options_byte(options, "delimiter", 0, -1, &csv->delimiter, err);
    if (status == WR_OK)
        status = wr_options_byte(options, "quote", 1, csv->delimiter, &csv->quote, err);
    if (status == WR_OK)
        status = wr_options_bool(options, "header", &csv->header, err);
    if (status == WR_OK)
        status = wr_options_nulls(options, "null", &csv->nulls, err);
    return status;
}

int wr_csv_is_null(const struct wr_null_texts *nulls, const char *text, uint32_t length) {
    if (length == 0)
        return 1;
    for (uint32_t i = 0; i < nulls->count; i++)
        if (nulls->length[i] == length && memcmp(nulls->text[i], text, length) == 0)
            return 1;
    return 0;
}

static void field_add(struct wr_csv_record *record, const char *at, const char *end, int quoted,
                      int doubled) {
    if (record->field_count < record->field_max)
        record->fields[record->field_count] = (struct wr_csv_field){
            .at = at,
            .length = (uint32_t)(end - at),
            .quoted = (uint8_t)quoted,
            .doubled = (uint8_t)doubled,
        };
    record->field_count++;
}

/* From behind the opening quote to the closing one. NULL: it is not before `end`, or `end` follows
 * and it could be the first half of `""`. */
static const char *quoted_end(const struct wr_csv_options *csv, const char *at, const char *end,
                              int last, int *doubled) {
    for (;;) {
        at = memchr(at, csv->quote, (size_t)(end - at));
        if (at == NULL || (at + 1 == end && !last))
            return NULL;
        if (at + 1 == end || at[1] != (char)csv->quote)
            return at;
        *doubled = 1;
        at += 2;
    }
}

static const char *plain_end(const struct wr_csv_options *csv, const char *at, const char *end,
                             uint8_t *high) {
    char delimiter = (char)csv->delimiter;
    for (; at < end && *at != delimiter && *at != '\n'; at++)
        *high |= (uint8_t)(*at & 0x80);
    return at;
}

static void fault_set(struct wr_csv_record *record, const char *fault, const char *at) {
    if (record->fault == NULL) {
        record->fault = fault;
        record->fault_at = at;
    }
}

int wr_csv_record_read(const struct wr_csv_options *csv, struct wr_csv_record *record,
                       const char *at, const char *end, int last) {
    record->field_count = 0;
    record->fault = NULL;
    record->has_quotes = record->has_high = 0;
    for (;;) {
        const char *field = at, *field_end;
        int quoted = csv->quote >= 0 && at < end && *at == (char)csv->quote, doubled = 0;
        if (quoted) {
            field = at + 1;
            field_end = quoted_end(csv, field, end, last, &doubled);
            record->has_quotes = record->has_high = 1; /* not looked at inside quotes */
            if (field_end == NULL) {
                if (!last)
                    return 0;
                fault_set(record, "the quote is not closed", at);
                record->end = record->next = end;
                return 1;
            }
            at = plain_end(csv, field_end + 1, end, &record->has_high);
            if (at != field_end + 1 &&
                !(at == field_end + 2 && field_end[1] == '\r' && (at == end || *at == '\n')))
                fault_set(record, "text behind a closing quote", field_end + 1);
        } else {
            field_end = at = plain_end(csv, at, end, &record->has_high);
        }
        if (at == end && !last)
            return 0;
        if (at < end && *at != '\n') { /* the delimiter */
            field_add(record, field, field_end, quoted, doubled);
            at++;
            continue;
        }
        const char *text_end = at;
        if (text_end > field && text_end[-1] == '\r')
            text_end--;
        field_add(record, field, WR_MIN(field_end, text_end), quoted, doubled);
        record->end = text_end;
        record->next = at + (at < end);
        return 1;
    }
}

size_t wr_csv_unquote(const struct wr_csv_field *field, int quote, char *out) {
    const char *at = field->at, *end = at + field->length;
    char *to = out;
    while (at < end) {
        const char *next = memchr(at, quote, (size_t)(end - at));
        size_t run = (size_t)((next == NULL ? end : next + 1) - at);
        memcpy(to, at, run);
        to += run;
        at += run + (next != NULL); /* the second of the pair */
    }
    return (size_t)(to - out);
}

/* Behind the quote that closes what begins at `at`; NULL: it does not end before `end`. */
static const char *closed(const char *at, const char *end, int quote) {
    for (;;) {
        at = memchr(at, quote, (size_t)(end - at));
        if (at == NULL)
            return NULL;
        if (at + 1 == end || at[1] != (char)quote)
            return at + 1;
        at += 2;
    }
}

uint64_t wr_csv_records_end(const struct wr_csv_options *csv, const char *bytes, uint64_t length) {
    const char *at = bytes, *end = bytes + length, *found = bytes;
    while (at != NULL) { /* from `at` on there are no quotes open */
        const char *quote = csv->quote < 0 ? NULL : memchr(at, csv->quote, (size_t)(end - at));
        const char *stop = quote == NULL ? end : quote;
        const char *newline = memrchr(at, '\n', (size_t)(stop - at));
        if (newline != NULL)
            found = newline + 1;
        if (quote == NULL)
            break;
        int opens = quote == bytes || quote[-1] == '\n' || quote[-1] == (char)csv->delimiter;
        at = opens ? closed(quote + 1, end, csv->quote) : quote + 1;
    }
    return (uint64_t)(found - bytes);
}

int wr_csv_has_lone_cr(const struct wr_csv_record *record) {
    for (uint32_t i = 0; i < record->field_count; i++)
        if (!record->fields[i].quoted &&
            memchr(record->fields[i].at, '\r', record->fields[i].length) != NULL)
            return 1;
    return 0;
}
