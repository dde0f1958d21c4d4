/* support_decode.c: see support_decode.h. */
#include "support_decode.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/json_text.h"

char test_decode_note[256];

const struct wr_schema *test_schema(struct wr_arena *arena, const char *text) {
    uint32_t count = 1;
    for (const char *at = text; *at != 0; at++)
        count += *at == ',' && at[1] == ' ';
    struct wr_schema *schema = wr_schema_new(arena, *text == 0 ? 0 : count);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        struct wr_field *field = &schema->fields[i];
        char name[64], type[64], flag[64] = "";
        int used = 0;
        int found = sscanf(text, "%63s %63[^, ] %63[^,]%n", name, type, flag, &used);
        if (found < 3)
            WR_ASSERT(sscanf(text, "%63s %63[^, ]%n", name, type, &used) == 2);
        while (text[used] != 0 && !(text[used] == ',' && text[used + 1] == ' '))
            used++; /* decimal(4,2) */
        sscanf(text, "%*s %63[^ ]", type);
        text += used + (text[used] == ',' ? 2 : 0);
        field->name = wr_arena_strndup(arena, name, strlen(name));
        field->name_length = (uint32_t)strlen(name);
        size_t plain = strcspn(type, "(,");
        field->type = WR_TYPE(wr_type_kind_named(type, plain));
        WR_ASSERT(field->type.kind != WR_TYPE_KINDS);
        unsigned precision, scale;
        if (sscanf(type + plain, "(%u,%u)", &precision, &scale) == 2) {
            field->type.precision = (uint8_t)precision;
            field->type.scale = (uint8_t)scale;
        } else if (type[plain] == '(') {
            field->time_format =
                wr_arena_strndup(arena, type + plain + 1, strcspn(type + plain + 1, ")"));
        }
        field->required = found == 3 && strcmp(flag, "required") == 0;
        if (found == 3 && strncmp(flag, "= ", 2) == 0)
            field->default_value = wr_value_new_string(arena, flag + 2, strlen(flag + 2));
    }
    return schema;
}

const struct wr_value *test_options(struct wr_arena *arena, const char *text) {
    if (text == NULL)
        return NULL;
    struct wr_value *map = wr_value_new_map(arena, 8);
    map->count = 0;
    while (*text != 0) {
        size_t name = strcspn(text, "="), value = strcspn(text + name + 1, "&");
        const char *from = text + name + 1;
        map->names[map->count] = wr_arena_strndup(arena, text, name);
        struct wr_value *item = &map->items[map->count++];
        if (value == 4 && memcmp(from, "true", 4) == 0)
            *item = (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = 1};
        else if (value == 5 && memcmp(from, "false", 5) == 0)
            *item = (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = 0};
        else
            *item = *wr_value_new_string(arena, from, value);
        text = from + value + (from[value] == '&');
    }
    wr_value_sort(map);
    return map;
}

static int take_reject(void *ctx, const struct wr_reject *reject) {
    struct wr_buf *out = ctx;
    const char *detail = reject->detail != NULL ? reject->detail : wr_reject_text(reject->code);
    WR_ASSERT(reject->reason == NULL); /* so that rejects are grouped by it */
    wr_buf_addf(out, "! W%d %llu:%llu:%llu:%u %s ", reject->code,
                (unsigned long long)reject->record, (unsigned long long)reject->line,
                (unsigned long long)reject->byte, reject->column, detail);
    wr_json_add_string(out, reject->raw, reject->raw_length);
    return wr_buf_add_char(out, '\n');
}

static void take_note(void *ctx, const char *file, const char *text) {
    (void)ctx;
    snprintf(test_decode_note, sizeof test_decode_note, "%s: %s", file, text);
}

static void show_row(const struct test_decode *run, struct wr_buf *out,
                     const struct wr_batch *batch, uint32_t row) {
    const struct wr_origin *origin = &batch->origin;
    if (run->positions) {
        uint64_t line = origin->base_line;
        for (uint32_t i = 0; i < origin->start[row]; i++)
            line += origin->text[i] == '\n';
        wr_buf_addf(out, "%llu:%llu:%llu ",
                    (unsigned long long)origin->first_record +
                        (origin->record == NULL ? row : origin->record[row]),
                    (unsigned long long)line,
                    (unsigned long long)origin->base_byte + origin->start[row]);
        wr_json_add_string(out, origin->text + origin->start[row], origin->length[row]);
        wr_buf_add_char(out, ' ');
    }
    for (uint32_t i = 0; i < batch->schema->field_count; i++) {
        const struct wr_type *type = &batch->schema->fields[i].type;
        const struct wr_column *column = &batch->columns[i];
        if (i > 0)
            wr_buf_add_char(out, '|');
        if (column->data == NULL) {
            wr_buf_add_char(out, '-');
        } else if (wr_column_is_nil(column, row)) {
            wr_buf_add_text(out, "nil");
        } else if (!run->plain_strings && (type->kind == WR_STRING || type->kind == WR_BYTES)) {
            const struct wr_str *string = &WR_STR(column)[row];
            wr_json_add_string(out, wr_str_bytes(string), string->length);
        } else {
            wr_value_show(out, type, column, row);
        }
    }
    wr_buf_add_char(out, '\n');
}

/* One decoder with what it needs, as a source has it. */
struct reader {
    const struct test_decode *run;
    struct wr_buf *out;
    struct wr_budget budget;
    struct wr_batch_pool pool;
    struct wr_arena arena;
    struct wr_decoder_setup setup;
    struct wr_decoder *decoder;
    struct wr_error err;
};

static int reader_open(struct reader *reader) {
    const struct wr_decoder_type *type = wr_decoder_find(reader->run->format);
    reader->decoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    *reader->decoder = (struct wr_decoder){.type = type, .setup = reader->setup, .line = 1};
    int status = type->open(reader->decoder, &reader->err);
    if (status == WR_OK && type->begin_file != NULL)
        status = type->begin_file(reader->decoder, "f", &reader->err);
    reader->decoder->file = "f";
    return status;
}

static void reader_close(struct reader *reader) {
    if (reader->decoder->type->close != NULL)
        reader->decoder->type->close(reader->decoder);
    wr_free(&wr_budget_control, reader->decoder);
}

static int reader_restart(struct reader *reader) {
    struct wr_buf saved;
    struct wr_decoder *before = reader->decoder;
    wr_buf_init(&saved, &wr_budget_control, 0);
    int status = before->type->save == NULL ? WR_OK : before->type->save(before, &saved);
    uint64_t record = before->record, line = before->line, byte = before->byte;
    reader_close(reader);
    if (reader_open(reader) != WR_OK)
        return WR_EARG;
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    if (status == WR_OK && reader->decoder->type->load != NULL)
        status = reader->decoder->type->load(reader->decoder, &from, &reader->err);
    reader->decoder->record = record;
    reader->decoder->line = line;
    reader->decoder->byte = byte;
    wr_buf_release(&saved);
    return status;
}

static size_t piece_size(const struct test_decode *run, uint64_t *state, size_t left) {
    if (run->piece == 0)
        return left;
    size_t size = run->piece;
    if (run->seed != 0) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        size = 1 + (size_t)(*state >> 33) % run->piece;
    }
    return size < left ? size : left;
}

/* Gives what is there until nothing more is used, then a buffer with more of it. */
static int reader_run(struct reader *reader, const char *text, size_t length) {
    uint64_t state = reader->run->seed;
    size_t given = piece_size(reader->run, &state, length), done = 0;
    for (;;) {
        int last = given == length, status = WR_OK;
        struct wr_buffer *buffer = wr_buffer_new(&reader->budget, given - done);
        memcpy(buffer->bytes, text + done, given - done);
        memset(buffer->bytes + (given - done), 0xee, 64);
        for (size_t at = 0; status == WR_OK;) {
            struct wr_batch *batch = NULL;
            uint64_t used = 0;
            status =
                reader->decoder->type->decode(reader->decoder, buffer, buffer->bytes + at,
                                              given - done - at, last, &used, &batch, &reader->err);
            if (batch != NULL)
                for (uint32_t i = 0; i < batch->row_count; i++)
                    show_row(reader->run, reader->out, batch, i);
            wr_batch_unref(batch);
            at += used;
            if (used == 0 || status != WR_OK) {
                done += at;
                break;
            }
            if (reader->run->restart)
                status = reader_restart(reader);
        }
        wr_buffer_unref(buffer);
        if (status != WR_OK || last)
            return status;
        given += piece_size(reader->run, &state, length - given);
    }
}

void test_decode_run(const struct test_decode *run, struct wr_buf *out) {
    struct reader reader = {.run = run, .out = out, .budget = WR_BUDGET_INIT("test", 0)};
    size_t length = run->length != 0 ? run->length : strlen(run->text);
    wr_buf_init(out, &wr_budget_control, 0);
    wr_buf_add(out, "", 0);
    wr_batch_pool_init(&reader.pool, &reader.budget);
    wr_arena_init(&reader.arena, &wr_budget_control, 4096);
    const struct wr_value *options = test_options(&reader.arena, run->options);
    struct wr_inferred inferred = {0};
    int status = WR_OK;
    const struct wr_schema *schema = NULL;
    if (run->schema != NULL) {
        schema = test_schema(&reader.arena, run->schema);
    } else {
        status = wr_decoder_find(run->format)
                     ->infer(&reader.arena, options, run->text, length, 1, &inferred, &reader.err);
        schema = inferred.schema;
    }
    reader.setup = (struct wr_decoder_setup){
        .schema = schema,
        .options = options,
        .needed = run->needed == 0 ? NULL : &run->needed,
        .check_all = run->check_all,
        .keep_text = run->keep_text || run->positions,
        .batch_rows = run->batch_rows,
        .record_bytes_max = run->record_bytes_max,
        .pool = &reader.pool,
        .timezone = run->timezone == NULL ? "UTC" : run->timezone,
        .reject = take_reject,
        .note = take_note,
        .reject_ctx = out,
    };
    if (status == WR_OK) {
        status = reader_open(&reader);
        if (status == WR_OK)
            status = reader_run(&reader, run->text, length);
        reader_close(&reader);
    }
    if (status != WR_OK)
        wr_buf_addf(out, "error: %s %s\n", reader.err.code, reader.err.text);
    wr_batch_pool_release(&reader.pool);
    wr_arena_release(&reader.arena);
    WR_ASSERT(reader.budget.bytes_used == 0);
}

const char *test_decode_text(const struct test_decode *run) {
    static struct wr_buf texts[4];
    static unsigned turn;
    struct wr_buf *out = &texts[turn++ % 4];
    if (out->bytes != NULL)
        wr_buf_release(out);
    test_decode_note[0] = 0;
    test_decode_run(run, out);
    return out->bytes;
}
