/* replay_decode.c: rows that were rejected, read again: each row of a file of rejects holds the
 * text of a record (`raw`), which is decoded once more as what its file was. The row has the place
 * of the file of rejects, and so have the rejects of it, whose `attempt` is one more.
 *
 * Rows are decoded one at a time, each text by itself: what is broken in one, as a quote that is
 * not closed, must not take the next one with it. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/replay.h"
#include "data/text.h"
#include "base/banned.h"

enum { COLUMN_RAW, COLUMN_SOURCE, COLUMN_ATTEMPT, COLUMN_COUNT };
#define RAW_SLACK_BYTES 64 /* readable behind what a decoder reads */
#define ATTEMPTS_MAX 1000000000

/* The formats that a record may have, by the ending of its file's name. */
static const struct {
    const char *name, *endings[3];
} formats[] = {{"ndjson", {"ndjson", "jsonl", "json"}},
               {"csv", {"csv", NULL, NULL}},
               {"tsv", {"tsv", "tab", NULL}},
               {"lines", {"txt", "log", NULL}}};

struct replay {
    struct wr_decoder base;
    struct wr_decoder *rows;                       /* of the file of rejects, one row a batch */
    struct wr_decoder *records[WR_COUNT(formats)]; /* of what they hold; NULL: not asked for */
    int is_one;                                    /* there is one, whatever the name says */
    uint8_t *came;                                 /* all: no header says what a text lacks */
    uint32_t tried;                                /* how often the record at hand was rejected */
};

/* Of the columns of `rejects`, those that are read. */
static const struct wr_schema row_schema = {
    .field_count = COLUMN_COUNT,
    .fields = {
        [COLUMN_RAW] = {.name = "raw", .name_length = 3, .type = {.kind = WR_BYTES}},
        [COLUMN_SOURCE] = {.name = "source", .name_length = 6, .type = {.kind = WR_STRING}},
        [COLUMN_ATTEMPT] = {.name = "attempt", .name_length = 7, .type = {.kind = WR_INT64}}}};

/* A number that is none takes no record with it. */
static const uint64_t rows_needed[] = {(1u << COLUMN_COUNT) - 1};
static const uint64_t rows_shown[] = {1u << COLUMN_ATTEMPT};

static void decoder_free(struct wr_decoder *decoder) {
    if (decoder == NULL)
        return;
    decoder->type->close(decoder);
    wr_free(&wr_budget_control, decoder);
}

static int decoder_new(struct wr_decoder **made, const char *format,
                       const struct wr_decoder_setup *setup, struct wr_error *err) {
    const struct wr_decoder_type *type = wr_decoder_find(format);
    if (type == NULL)
        return wr_error_script(err, "W402", "format `%s` cannot be read", format);
    struct wr_decoder *decoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (decoder == NULL)
        return wr_error_set(err, WR_ENOMEM, "replay: out of memory");
    decoder->type = type;
    decoder->setup = *setup;
    int status = type->open(decoder, err);
    if (status == WR_OK)
        *made = decoder;
    else
        wr_free(&wr_budget_control, decoder);
    return status;
}

/* What the decoders of records reject. */
static int reject_again(void *ctx, const struct wr_reject *reject) {
    struct replay *self = ctx;
    struct wr_reject again = *reject;
    again.tried = self->tried;
    return self->base.setup.reject(self->base.setup.reject_ctx, &again);
}

static void replay_close(struct wr_decoder *decoder) {
    struct replay *self = (struct replay *)decoder;
    wr_free(&wr_budget_control, self->came);
    decoder_free(self->rows);
    for (size_t i = 0; i < WR_COUNT(formats); i++)
        decoder_free(self->records[i]);
}

static int replay_open(struct wr_decoder *decoder, struct wr_error *err) {
    struct replay *self = (struct replay *)decoder;
    const struct wr_value *options = decoder->setup.options;
    const struct wr_value *records = wr_value_get(options, "records");
    struct wr_decoder_setup setup = decoder->setup;
    setup.batch_rows = 1;
    setup.note = NULL;
    setup.header = NULL;
    setup.reject = decoder->setup.reject == NULL ? NULL : reject_again;
    setup.reject_ctx = self;
    int count = 0, status = WR_OK;
    self->came = wr_alloc(&wr_budget_control, setup.schema->field_count + (size_t)1);
    if (self->came == NULL)
        return wr_error_set(err, WR_ENOMEM, "replay: out of memory");
    memset(self->came, 1, setup.schema->field_count + (size_t)1);
    decoder->came = self->came;
    for (size_t i = 0; i < WR_COUNT(formats) && status == WR_OK; i++) {
        setup.options = records == NULL ? NULL : wr_value_get(records, formats[i].name);
        if (setup.options == NULL)
            continue;
        status = decoder_new(&self->records[i], formats[i].name, &setup, err);
        count++;
    }
    self->is_one = count == 1;
    setup.schema = &row_schema;
    setup.options = NULL;
    setup.needed = rows_needed;
    setup.shown = rows_shown;
    setup.reject = decoder->setup.reject;
    setup.reject_ctx = decoder->setup.reject_ctx;
    setup.record_end = decoder->setup.record_end;
    if (status == WR_OK)
        status = decoder_new(&self->rows, wr_value_string(options, "rows", "ndjson"), &setup, err);
    if (status != WR_OK)
        replay_close(decoder);
    return status;
}

static int replay_begin_file(struct wr_decoder *decoder, const char *file, struct wr_error *err) {
    struct replay *self = (struct replay *)decoder;
    decoder->file = file;
    int status = self->rows->type->begin_file(self->rows, file, err);
    for (size_t i = 0; i < WR_COUNT(formats) && status == WR_OK; i++)
        if (self->records[i] != NULL)
            status = self->records[i]->type->begin_file(self->records[i], file, err);
    return status;
}

/* "in/x.csv.gz" ends with "csv". */
static int has_ending(const char *name, size_t length, const char *ending) {
    size_t tail = strlen(ending);
    if (length > 3 && memcmp(name + length - 3, ".gz", 3) == 0)
        length -= 3;
    else if (length > 4 && memcmp(name + length - 4, ".zst", 4) == 0)
        length -= 4;
    return length > tail && name[length - tail - 1] == '.' &&
           memcmp(name + length - tail, ending, tail) == 0;
}

static struct wr_decoder *decoder_of(const struct replay *self, const struct wr_column *source,
                                     uint32_t row) {
    int is_nil = source->data == NULL || wr_column_is_nil(source, row);
    const char *name = is_nil ? "" : wr_str_bytes(&WR_STR(source)[row]);
    size_t length = is_nil ? 0 : WR_STR(source)[row].length;
    for (size_t i = 0; i < WR_COUNT(formats); i++)
        for (int e = 0; self->records[i] != NULL && e < 3; e++)
            if (self->is_one ||
                (formats[i].endings[e] != NULL && has_ending(name, length, formats[i].endings[e])))
                return self->records[i];
    return NULL;
}

static int reject(struct replay *self, const struct wr_batch *rows, uint32_t row,
                  const char *detail, const char *raw, uint32_t raw_length) {
    const struct wr_decoder_setup *setup = &self->base.setup;
    struct wr_reject reject = {.code = WR_REJECT_PARSE,
                               .detail = detail,
                               .raw = raw,
                               .raw_length = raw_length,
                               .file = self->base.file,
                               .record = wr_origin_record(&rows->origin, row),
                               .line = wr_origin_line(&rows->origin, row),
                               .byte = wr_origin_byte(&rows->origin, row),
                               .tried = self->tried};
    return setup->reject == NULL ? WR_OK : setup->reject(setup->reject_ctx, &reject);
}

/* A file that does not say it, or was written by hand, has records that were rejected once. */
static uint32_t tried_of(const struct wr_column *attempts, uint32_t row) {
    int is_nil = attempts->data == NULL || wr_column_is_nil(attempts, row);
    int64_t attempt = is_nil ? 1 : WR_I64(attempts)[row];
    return (uint32_t)WR_MIN(WR_MAX(attempt, 1), ATTEMPTS_MAX);
}

/* Decodes the record that a row holds. *batch stays NULL where it is none. */
static int take(struct replay *self, const struct wr_batch *rows, struct wr_batch **batch,
                struct wr_error *err) {
    uint32_t row = wr_batch_row(rows, 0);
    const struct wr_column *raws = &rows->columns[COLUMN_RAW];
    self->tried = tried_of(&rows->columns[COLUMN_ATTEMPT], row);
    if (raws->data == NULL || wr_column_is_nil(raws, row))
        return reject(self, rows, row, "it has no `raw`: no record of a source can be read again",
                      NULL, 0);
    const char *raw = wr_str_bytes(&WR_STR(raws)[row]);
    uint32_t length = WR_STR(raws)[row].length;
    struct wr_decoder *decoder = decoder_of(self, &rows->columns[COLUMN_SOURCE], row);
    if (decoder == NULL)
        return reject(self, rows, row,
                      "its `source` does not say a format: `replay = \"csv\"` does for all", raw,
                      length);
    struct wr_buffer *buffer =
        wr_buffer_new(self->base.setup.pool->budget, (uint64_t)length + RAW_SLACK_BYTES);
    if (buffer == NULL)
        return wr_error_set(err, WR_ENOMEM, "replay: out of memory");
    memcpy(buffer->bytes, raw, length);
    memset(buffer->bytes + length, 0, RAW_SLACK_BYTES);
    decoder->record = wr_origin_record(&rows->origin, row);
    decoder->line = wr_origin_line(&rows->origin, row);
    decoder->byte = wr_origin_byte(&rows->origin, row);
    decoder->setup.record_end = decoder->record + 1; /* the text is one record */
    uint64_t used = 0;
    int status =
        decoder->type->decode(decoder, buffer, buffer->bytes, length, 1, &used, batch, err);
    if (status == WR_OK && *batch != NULL && used < length) {
        wr_batch_unref(*batch);
        *batch = NULL;
        status = reject(self, rows, row, "its `raw` is more than one record", raw, length);
    }
    if (*batch != NULL)
        (*batch)->origin.tried = self->tried;
    wr_buffer_unref(buffer);
    return status;
}

static int replay_decode(struct wr_decoder *decoder, struct wr_buffer *buffer, const char *bytes,
                         uint64_t length, int last, uint64_t *used, struct wr_batch **batch,
                         struct wr_error *err) {
    struct replay *self = (struct replay *)decoder;
    struct wr_batch *rows = NULL;
    int status = WR_OK;
    *batch = NULL;
    *used = 0;
    do {
        uint64_t more = 0;
        wr_batch_unref(rows);
        rows = NULL;
        self->rows->record = decoder->record;
        self->rows->line = decoder->line;
        self->rows->byte = decoder->byte;
        status = self->rows->type->decode(self->rows, buffer, bytes + *used, length - *used, last,
                                          &more, &rows, err);
        *used += more;
        decoder->record = self->rows->record;
        decoder->line = self->rows->line;
        decoder->byte = self->rows->byte;
        if (status == WR_OK && rows != NULL)
            status = take(self, rows, batch, err);
    } while (status == WR_OK && rows != NULL && *batch == NULL);
    wr_batch_unref(rows);
    return status;
}

static int replay_save(const struct wr_decoder *decoder, struct wr_buf *out) {
    const struct wr_decoder *rows = ((const struct replay *)decoder)->rows;
    return rows->type->save == NULL ? WR_OK : rows->type->save(rows, out);
}

static int replay_load(struct wr_decoder *decoder, struct wr_reader *from, struct wr_error *err) {
    struct wr_decoder *rows = ((struct replay *)decoder)->rows;
    return rows->type->load == NULL ? WR_OK : rows->type->load(rows, from, err);
}

const struct wr_decoder_type wr_replay_decoder = {
    .name = "replay",
    .size_bytes = sizeof(struct replay),
    .open = replay_open,
    .begin_file = replay_begin_file,
    .decode = replay_decode,
    .save = replay_save,
    .load = replay_load,
    .close = replay_close,
};
