/* batch_store.c: a batch as bytes and back: for checkpoints (rows that wait in a gate, rows of a
 * sort).
 *   varint rows, source, partition; u64 frontier; u8 what follows (enum part);
 *   per column: u8 (0 not there, 1 no nils, 2 with a bitmap), [bitmap], elements
 *   [times] [behind] [weights] [times of changes] [a byte a row: it is replaced by the next]
 *   [origin: maker, source, file, [tried], then per row record, number, line, byte, raw]
 *   [per row: u8 (enum kept), [source, file, number, partition, [tried]], record, line, byte, raw]
 * `tried` only where it is not 0: then the byte before the text of the file, or the one of the
 * place, has a bit. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

enum part {
    PART_TIME = 1,
    PART_BEHIND = 2,
    PART_WEIGHT = 4,
    PART_ORIGIN = 8,
    PART_TEXT = 16,
    PART_KEPT = 32, /* an origin of each row */
    PART_REPLACED = 64,
    PART_CHANGED = 128,
};
enum kept {
    KEPT_NONE,
    KEPT_SAME_PLACE,
    KEPT_PLACE,
    KEPT_TEXT = 4,  /* or-ed, … */
    KEPT_TRIED = 8, /* … the place was read before */
};
enum file { FILE_THERE = 1, FILE_TRIED = 2 };
enum { COLUMN_ABSENT, COLUMN_FULL, COLUMN_NILS };

/* ---- out ---- */

static void add_text(struct wr_buf *out, const char *text, uint64_t length) {
    wr_buf_add_varint(out, length);
    wr_buf_add(out, text, length);
}

static void add_cstr(struct wr_buf *out, const char *text) {
    wr_buf_add_char(out, text != NULL);
    if (text != NULL)
        add_text(out, text, strlen(text));
}

static void add_times(struct wr_buf *out, const struct wr_batch *batch, const int64_t *times) {
    for (uint32_t i = 0; times != NULL && i < batch->sel_count; i++)
        wr_buf_add_u64(out, (uint64_t)times[wr_batch_row(batch, i)]);
}

static void save_column(struct wr_buf *out, const struct wr_batch *batch, uint32_t c) {
    const struct wr_column *column = &batch->columns[c];
    enum wr_type_kind kind = batch->schema->fields[c].type.kind;
    if (column->data == NULL) {
        wr_buf_add_char(out, COLUMN_ABSENT);
        return;
    }
    wr_buf_add_char(out, column->valid == NULL ? COLUMN_FULL : COLUMN_NILS);
    uint32_t bytes = wr_type_bytes(kind);
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        int nil = wr_column_is_nil(column, row);
        if (column->valid != NULL)
            wr_buf_add_char(out, (char)!nil);
        if (nil)
            continue;
        if (wr_type_is_text(kind))
            add_text(out, wr_str_bytes(&WR_STR(column)[row]), WR_STR(column)[row].length);
        else
            wr_buf_add(out, (const char *)column->data + (size_t)row * bytes, bytes);
    }
}

static void add_place_in_file(struct wr_buf *out, const struct wr_row_origin *origin) {
    wr_buf_add_varint(out, origin->line);
    wr_buf_add_varint(out, origin->byte);
    add_text(out, origin->raw, origin->raw_length);
}

static void save_origin(struct wr_buf *out, const struct wr_batch *batch, int with_text) {
    const struct wr_origin *origin = &batch->origin;
    struct wr_row_origin one = {0};
    wr_buf_add_varint(out, origin->maker);
    add_cstr(out, origin->source);
    wr_buf_add_char(out, (char)((origin->file != NULL ? FILE_THERE : 0) |
                                (origin->tried > 0 ? FILE_TRIED : 0)));
    if (origin->file != NULL)
        add_text(out, origin->file, strlen(origin->file));
    if (origin->tried > 0)
        wr_buf_add_varint(out, origin->tried);
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        wr_buf_add_varint(out, wr_origin_record(origin, row));
        wr_buf_add_varint(out, wr_origin_number(origin, row));
        if (!with_text)
            continue;
        wr_batch_origin_next(batch, row, &one);
        add_place_in_file(out, &one);
    }
}

static void save_kept(struct wr_buf *out, const struct wr_batch *batch) {
    const struct wr_place *last = NULL;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        const struct wr_place *place = batch->origins->place[row];
        struct wr_row_origin one;
        if (!wr_batch_origin(batch, row, &one)) {
            wr_buf_add_char(out, KEPT_NONE);
            continue;
        }
        int is_new = place != last;
        wr_buf_add_char(out, (char)((is_new ? KEPT_PLACE : KEPT_SAME_PLACE) |
                                    (one.has_byte ? KEPT_TEXT : 0) |
                                    (is_new && one.tried > 0 ? KEPT_TRIED : 0)));
        if (is_new) {
            add_cstr(out, one.source);
            add_cstr(out, one.file);
            wr_buf_add_varint(out, one.number);
            wr_buf_add_varint(out, one.partition);
            if (one.tried > 0)
                wr_buf_add_varint(out, one.tried);
        }
        last = place;
        wr_buf_add_varint(out, one.record);
        if (one.has_byte)
            add_place_in_file(out, &one);
    }
}

int wr_batch_save(const struct wr_batch *batch, struct wr_buf *out) {
    int has_origin = batch->origin.source != NULL || batch->origin.record != NULL ||
                     batch->origin.first_record != 0 || batch->origin.maker != 0 ||
                     batch->sel != NULL;
    int with_text = has_origin && batch->origin.text != NULL && batch->origin.start != NULL;
    wr_buf_add_varint(out, batch->sel_count);
    wr_buf_add_varint(out, batch->source);
    wr_buf_add_varint(out, batch->partition);
    wr_buf_add_u64(out, (uint64_t)batch->frontier);
    wr_buf_add_char(out, (char)((batch->event_time != NULL ? PART_TIME : 0) |
                                (batch->behind != NULL ? PART_BEHIND : 0) |
                                (batch->weight != NULL ? PART_WEIGHT : 0) |
                                (has_origin ? PART_ORIGIN : 0) | (with_text ? PART_TEXT : 0) |
                                (batch->origins != NULL ? PART_KEPT : 0) |
                                (batch->replaced != NULL ? PART_REPLACED : 0) |
                                (batch->changed != NULL ? PART_CHANGED : 0)));
    for (uint32_t c = 0; c < batch->schema->field_count; c++)
        save_column(out, batch, c);
    add_times(out, batch, batch->event_time);
    add_times(out, batch, batch->behind);
    add_times(out, batch, batch->weight);
    add_times(out, batch, batch->changed);
    for (uint32_t i = 0; batch->replaced != NULL && i < batch->sel_count; i++)
        wr_buf_add_char(out, (char)wr_batch_is_replaced(batch, i));
    if (has_origin)
        save_origin(out, batch, with_text);
    if (batch->origins != NULL)
        save_kept(out, batch);
    return out->status;
}

/* ---- in ---- */

static uint8_t take_byte(struct wr_reader *in) {
    const char *byte = wr_reader_bytes(in, 1);
    return byte == NULL ? 0 : (uint8_t)*byte;
}

/* A text of the stream, copied into the batch; NULL when damaged or out of memory. */
static char *take_text(struct wr_batch *batch, struct wr_reader *in, uint32_t *length) {
    uint64_t bytes = wr_reader_varint(in);
    if (bytes > UINT32_MAX / 2) {
        in->failed = 1;
        return NULL;
    }
    const char *text = wr_reader_bytes(in, bytes);
    *length = (uint32_t)bytes;
    return text == NULL ? NULL : wr_arena_strndup(&batch->arena, text, bytes);
}

static int take_cstr_if(struct wr_batch *batch, struct wr_reader *in, int there,
                        const char **text) {
    uint32_t length;
    *text = there ? take_text(batch, in, &length) : NULL;
    return there && *text == NULL && !in->failed ? WR_ENOMEM : WR_OK;
}

static int take_cstr(struct wr_batch *batch, struct wr_reader *in, const char **text) {
    return take_cstr_if(batch, in, take_byte(in) != 0, text);
}

static int load_cell(struct wr_batch *batch, struct wr_reader *in, enum wr_type_kind kind,
                     void *data, uint32_t row) {
    if (wr_type_is_text(kind)) {
        uint32_t length = 0;
        char *text = take_text(batch, in, &length);
        if (text == NULL)
            return in->failed ? WR_ECORRUPT : WR_ENOMEM;
        ((struct wr_str *)data)[row] = wr_str_of(text, length);
        return WR_OK;
    }
    uint32_t bytes = wr_type_bytes(kind);
    const char *from = wr_reader_bytes(in, bytes);
    if (from == NULL)
        return WR_ECORRUPT;
    memcpy((char *)data + (size_t)row * bytes, from, bytes);
    return WR_OK;
}

static int load_column(struct wr_batch *batch, struct wr_reader *in, uint32_t c) {
    uint8_t form = take_byte(in);
    if (form == COLUMN_ABSENT || in->failed)
        return in->failed ? WR_ECORRUPT : WR_OK;
    uint32_t rows = batch->row_count;
    uint64_t *valid = NULL;
    void *data = wr_batch_column(batch, c, rows);
    if (form == COLUMN_NILS)
        valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(rows));
    if (data == NULL || (form == COLUMN_NILS && valid == NULL))
        return WR_ENOMEM;
    memset(data, 0, (size_t)rows * wr_type_bytes(batch->schema->fields[c].type.kind));
    int status = WR_OK;
    for (uint32_t row = 0; row < rows && status == WR_OK; row++) {
        if (form == COLUMN_NILS && take_byte(in) == 0)
            continue;
        if (valid != NULL)
            wr_bit_set(valid, row);
        status = load_cell(batch, in, batch->schema->fields[c].type.kind, data, row);
    }
    batch->columns[c].valid = valid;
    return in->failed ? WR_ECORRUPT : status;
}

static int load_times(struct wr_batch *batch, struct wr_reader *in, int there,
                      const int64_t **times) {
    if (!there)
        return WR_OK;
    int64_t *made = WR_ARENA_ARRAY(&batch->arena, int64_t, batch->row_count);
    if (made == NULL)
        return WR_ENOMEM;
    for (uint32_t row = 0; row < batch->row_count; row++)
        made[row] = (int64_t)wr_reader_u64(in);
    *times = made;
    return in->failed ? WR_ECORRUPT : WR_OK;
}

static int load_replaced(struct wr_batch *batch, struct wr_reader *in) {
    uint64_t *bits = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(batch->row_count) + 1);
    if (bits == NULL)
        return WR_ENOMEM;
    for (uint32_t row = 0; row < batch->row_count; row++)
        wr_bit_put(bits, row, take_byte(in) != 0);
    batch->replaced = bits;
    return in->failed ? WR_ECORRUPT : WR_OK;
}

static int load_origin(struct wr_batch *batch, struct wr_reader *in, int with_text) {
    struct wr_origin *origin = &batch->origin;
    uint32_t rows = batch->row_count;
    struct wr_arena *arena = &batch->arena;
    origin->maker = (uint32_t)wr_reader_varint(in);
    int status = take_cstr(batch, in, &origin->source);
    uint8_t file = take_byte(in);
    if (status == WR_OK)
        status = take_cstr_if(batch, in, file & FILE_THERE, &origin->file);
    if (status != WR_OK)
        return WR_ENOMEM;
    origin->tried = file & FILE_TRIED ? (uint32_t)wr_reader_varint(in) : 0;
    uint32_t *record = WR_ARENA_ARRAY(arena, uint32_t, rows);
    uint32_t *made = WR_ARENA_ARRAY(arena, uint32_t, rows);
    uint32_t *start = WR_ARENA_ARRAY(arena, uint32_t, rows);
    uint32_t *length = WR_ARENA_ARRAY(arena, uint32_t, rows);
    uint64_t *line = WR_ARENA_ARRAY(arena, uint64_t, rows);
    uint64_t *byte = WR_ARENA_ARRAY(arena, uint64_t, rows);
    struct wr_buf text;
    wr_buf_init(&text, batch->pool->budget, 0);
    if (record == NULL || made == NULL || start == NULL || length == NULL || line == NULL ||
        byte == NULL)
        return WR_ENOMEM;
    for (uint32_t row = 0; row < rows && !in->failed; row++) {
        uint64_t number = wr_reader_varint(in);
        if (row == 0)
            origin->first_record = number;
        record[row] = (uint32_t)(number - origin->first_record);
        number = wr_reader_varint(in);
        if (row == 0)
            origin->made_first = number;
        made[row] = (uint32_t)(number - origin->made_first);
        if (!with_text)
            continue;
        line[row] = wr_reader_varint(in);
        byte[row] = wr_reader_varint(in);
        uint64_t bytes = wr_reader_varint(in);
        const char *raw = wr_reader_bytes(in, bytes);
        start[row] = (uint32_t)text.length;
        length[row] = (uint32_t)bytes;
        if (raw != NULL)
            wr_buf_add(&text, raw, bytes);
    }
    origin->record = record;
    origin->made = made;
    status = in->failed ? WR_ECORRUPT : text.status;
    if (with_text && status == WR_OK) {
        origin->start = start;
        origin->length = length;
        origin->line = line;
        origin->byte = byte;
        origin->text = wr_arena_strndup(arena, text.bytes == NULL ? "" : text.bytes, text.length);
        status = origin->text == NULL ? WR_ENOMEM : WR_OK;
    }
    wr_buf_release(&text);
    return status;
}

static int load_kept(struct wr_batch *batch, struct wr_reader *in) {
    struct wr_row_origin one = {0};
    uint32_t rows = batch->row_count;
    batch->row_count = 0;
    int status = wr_origins_keep(batch, rows);
    batch->row_count = rows;
    for (uint32_t row = 0; row < rows && status == WR_OK; row++) {
        uint8_t kept = take_byte(in);
        if (kept == KEPT_NONE)
            continue;
        if ((kept & KEPT_PLACE) && (take_cstr(batch, in, &one.source) != WR_OK ||
                                    take_cstr(batch, in, &one.file) != WR_OK))
            return WR_ENOMEM;
        if (kept & KEPT_PLACE) {
            one.number = (uint32_t)wr_reader_varint(in);
            one.partition = (uint32_t)wr_reader_varint(in);
            one.tried = kept & KEPT_TRIED ? (uint32_t)wr_reader_varint(in) : 0;
        }
        one.record = wr_reader_varint(in);
        one.has_byte = (kept & KEPT_TEXT) != 0;
        if (one.has_byte) {
            one.line = wr_reader_varint(in);
            one.byte = wr_reader_varint(in);
            one.raw_length = (uint32_t)wr_reader_varint(in);
            one.raw = wr_reader_bytes(in, one.raw_length);
        }
        status = in->failed ? WR_ECORRUPT : wr_origins_put(batch, row, &one);
    }
    return in->failed ? WR_ECORRUPT : status;
}

int wr_batch_load(struct wr_batch_pool *pool, const struct wr_schema *schema, struct wr_reader *in,
                  struct wr_batch **made) {
    uint64_t rows = wr_reader_varint(in);
    if (in->failed || rows == 0 || rows > in->length)
        return WR_ECORRUPT;
    struct wr_batch *batch = wr_batch_new(pool, schema);
    if (batch == NULL)
        return WR_ENOMEM;
    batch->row_count = batch->sel_count = (uint32_t)rows;
    batch->source = (uint32_t)wr_reader_varint(in);
    batch->partition = (uint32_t)wr_reader_varint(in);
    batch->frontier = (int64_t)wr_reader_u64(in);
    uint8_t parts = take_byte(in);
    int status = in->failed ? WR_ECORRUPT : WR_OK;
    for (uint32_t c = 0; c < schema->field_count && status == WR_OK; c++)
        status = load_column(batch, in, c);
    if (status == WR_OK)
        status = load_times(batch, in, parts & PART_TIME, &batch->event_time);
    if (status == WR_OK)
        status = load_times(batch, in, parts & PART_BEHIND, &batch->behind);
    if (status == WR_OK)
        status = load_times(batch, in, parts & PART_WEIGHT, &batch->weight);
    if (status == WR_OK)
        status = load_times(batch, in, parts & PART_CHANGED, &batch->changed);
    if (status == WR_OK && (parts & PART_REPLACED))
        status = load_replaced(batch, in);
    if (status == WR_OK && (parts & PART_ORIGIN))
        status = load_origin(batch, in, parts & PART_TEXT);
    if (status == WR_OK && (parts & PART_KEPT))
        status = load_kept(batch, in);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    *made = batch;
    return WR_OK;
}
