/* table_encode.c: batches as a table for people: names, types and aligned cells.
 *
 * Rows are kept until `rows` of them are there, or the end, since the widths come of all of them.
 * Those behind are counted only: "40 of 5,000 rows". */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/codec_options.h"
#include "data/encode.h"
#include "data/show.h"
#include "data/text.h"
#include "base/banned.h"

#define ROWS_DEFAULT 40
#define ROWS_MAX 10000
#define CELL_WIDTH_DEFAULT 60 /* columns on the screen; more is cut with `…` */
#define GAP "  "

struct table_encoder {
    struct wr_encoder base; /* first, so that the runtime's pointer is ours */
    uint64_t rows_max, rows_kept, rows_seen;
    uint32_t cell_width_max, width_max; /* width_max 0: as wide as it gets */
    uint8_t printed;
    uint32_t *widths;    /* of each column, on the screen */
    struct wr_buf cells; /* 0-terminated texts, row by row; names and types are the first two */
};

static int option_count(const struct wr_value *options, const char *name, int64_t least,
                        int64_t most, int64_t *value, struct wr_error *err) {
    const struct wr_value *item = wr_value_get(options, name);
    if (item == NULL)
        return WR_OK;
    *value = wr_value_int(options, name, -1);
    if (*value >= least && *value <= most)
        return WR_OK;
    wr_error_script(err, "W203", "option `%s` must be a whole number from %lld to %lld", name,
                    (long long)least, (long long)most);
    wr_error_at(err, name, 0, 0);
    return WR_ESCRIPT;
}

static void table_close(struct wr_encoder *encoder) {
    struct table_encoder *table = (struct table_encoder *)encoder;
    wr_free(&wr_budget_control, table->widths);
    wr_buf_release(&table->cells);
    table->widths = NULL;
}

static int table_open(struct wr_encoder *encoder, struct wr_error *err) {
    static const char *const names[] = {"rows", "width", "cell_width", NULL};
    struct table_encoder *table = (struct table_encoder *)encoder;
    int64_t rows = ROWS_DEFAULT, width = 0, cell_width = CELL_WIDTH_DEFAULT;
    int status = wr_options_known(encoder->options, encoder->type->name, names, err);
    if (status == WR_OK)
        status = option_count(encoder->options, "rows", 0, ROWS_MAX, &rows, err);
    if (status == WR_OK)
        status = option_count(encoder->options, "width", 0, 10000, &width, err);
    if (status == WR_OK)
        status = option_count(encoder->options, "cell_width", 4, 1000, &cell_width, err);
    if (status != WR_OK)
        return status;
    table->rows_max = (uint64_t)rows;
    table->width_max = (uint32_t)width;
    table->cell_width_max = (uint32_t)cell_width;
    wr_buf_init(&table->cells, &wr_budget_control, 0);
    table->widths =
        wr_alloc_zero(&wr_budget_control, sizeof(uint32_t) * (encoder->schema->field_count + 1));
    return table->widths != NULL ? WR_OK : wr_error_set(err, WR_ENOMEM, "table: out of memory");
}

static int table_begin(struct wr_encoder *encoder, struct wr_buf *out) {
    struct table_encoder *table = (struct table_encoder *)encoder;
    const struct wr_schema *schema = encoder->schema;
    char type[128];
    (void)out;
    table->rows_kept = table->rows_seen = 0;
    table->printed = 0;
    wr_buf_clear(&table->cells);
    memset(table->widths, 0, sizeof(uint32_t) * schema->field_count);
    for (int line = 0; line < 2; line++) {
        for (uint32_t i = 0; i < schema->field_count; i++) {
            const struct wr_field *field = &schema->fields[i];
            const char *text =
                line == 0 ? field->name : wr_type_text(&field->type, type, sizeof type);
            size_t length = line == 0 ? field->name_length : strlen(text);
            uint32_t width = wr_show_text(&table->cells, text, length, table->cell_width_max);
            table->widths[i] = WR_MAX(table->widths[i], width);
            wr_buf_add_char(&table->cells, 0);
        }
    }
    return table->cells.status;
}

static int is_number(enum wr_type_kind kind) {
    return kind == WR_INT64 || kind == WR_FLOAT64 || kind == WR_DECIMAL;
}

/* The columns that fit: the last one is left unpadded. */
static uint32_t columns_shown(const struct table_encoder *table) {
    uint64_t width = 0;
    uint32_t count = table->base.schema->field_count;
    for (uint32_t i = 0; i < count && table->width_max > 0; i++) {
        width += table->widths[i] + (i > 0 ? strlen(GAP) : 0);
        if (width > table->width_max && i > 0)
            return i;
    }
    return count;
}

static void put_padding(struct wr_buf *out, uint32_t count, char byte) {
    for (uint32_t i = 0; i < count; i++)
        wr_buf_add_char(out, byte);
}

static void put_line(const struct table_encoder *table, struct wr_buf *out, const char **cell,
                     uint32_t shown) {
    const struct wr_schema *schema = table->base.schema;
    for (uint32_t i = 0; i < schema->field_count; i++, *cell += strlen(*cell) + 1) {
        if (i >= shown)
            continue;
        uint32_t padding = table->widths[i] - wr_show_width(*cell, strlen(*cell));
        int right = is_number(schema->fields[i].type.kind);
        wr_buf_add_text(out, i > 0 ? GAP : "");
        if (right)
            put_padding(out, padding, ' ');
        wr_buf_add_text(out, *cell);
        if (!right && i + 1 < shown)
            put_padding(out, padding, ' ');
    }
    wr_buf_add_char(out, '\n');
}

static int put_table(struct table_encoder *table, struct wr_buf *out) {
    uint32_t shown = columns_shown(table);
    const char *cell = table->cells.bytes;
    table->printed = 1;
    if (table->cells.status != WR_OK)
        return table->cells.status;
    if (table->base.schema->field_count == 0)
        return WR_OK;
    for (uint64_t line = 0; line < table->rows_kept + 2; line++) {
        put_line(table, out, &cell, shown);
        for (uint32_t i = 0; line == 1 && i < shown; i++) {
            wr_buf_add_text(out, i > 0 ? GAP : "");
            put_padding(out, table->widths[i], '-');
        }
        if (line == 1)
            wr_buf_add_char(out, '\n');
    }
    if (shown < table->base.schema->field_count)
        wr_buf_addf(out, "%u more columns\n", table->base.schema->field_count - shown);
    wr_buf_clear(&table->cells);
    return out->status;
}

static int table_encode(struct wr_encoder *encoder, const struct wr_batch *batch,
                        struct wr_buf *out) {
    struct table_encoder *table = (struct table_encoder *)encoder;
    uint64_t room = table->rows_max - table->rows_kept;
    uint32_t count = (uint32_t)WR_MIN((uint64_t)batch->sel_count, room);
    struct wr_buf text;
    table->rows_seen += batch->sel_count;
    wr_buf_init(&text, &wr_budget_control, 0);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t column = 0; column < batch->schema->field_count; column++) {
            wr_buf_clear(&text);
            wr_show_cell(&text, batch, column, wr_batch_row(batch, i));
            uint32_t width =
                wr_show_text(&table->cells, text.bytes, text.length, table->cell_width_max);
            wr_buf_add_char(&table->cells, 0);
            table->widths[column] = WR_MAX(table->widths[column], width);
        }
    }
    int status = text.status;
    wr_buf_release(&text);
    table->rows_kept += count;
    if (status == WR_OK && !table->printed && table->rows_seen > table->rows_max)
        status = put_table(table, out);
    return status == WR_OK ? table->cells.status : status;
}

/* 5000 as "5,000". */
static void put_count(struct wr_buf *out, uint64_t count) {
    char text[WR_NUMBER_TEXT_MAX];
    size_t length = wr_int64_format((int64_t)count, text);
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            wr_buf_add_char(out, ',');
        wr_buf_add_char(out, text[i]);
    }
}

static int table_end(struct wr_encoder *encoder, struct wr_buf *out) {
    struct table_encoder *table = (struct table_encoder *)encoder;
    int status = table->printed ? WR_OK : put_table(table, out);
    if (table->rows_seen > table->rows_kept) {
        put_count(out, table->rows_kept);
        wr_buf_add_text(out, " of ");
        put_count(out, table->rows_seen);
        wr_buf_add_text(out, " rows\n");
    }
    return status == WR_OK ? out->status : status;
}

static int table_save(const struct wr_encoder *encoder, struct wr_buf *out) {
    const struct table_encoder *table = (const struct table_encoder *)encoder;
    wr_buf_add_varint(out, table->rows_kept);
    wr_buf_add_varint(out, table->rows_seen);
    wr_buf_add_varint(out, table->printed);
    for (uint32_t i = 0; i < table->base.schema->field_count; i++)
        wr_buf_add_varint(out, table->widths[i]);
    wr_buf_add_varint(out, table->cells.length);
    return wr_buf_add(out, table->cells.bytes, table->cells.length);
}

/* The cells must hold the texts of all rows kept, since they are walked by their zeros. */
static int cells_are_whole(const struct table_encoder *table, const char *bytes, uint64_t length) {
    uint64_t zeros = 0;
    for (uint64_t i = 0; i < length; i++)
        zeros += bytes[i] == 0;
    uint64_t rows = table->printed ? 0 : table->rows_kept + 2;
    return zeros == rows * table->base.schema->field_count;
}

static int table_load(struct wr_encoder *encoder, struct wr_reader *in) {
    struct table_encoder *table = (struct table_encoder *)encoder;
    table->rows_kept = wr_reader_varint(in);
    table->rows_seen = wr_reader_varint(in);
    table->printed = (uint8_t)wr_reader_varint(in);
    for (uint32_t i = 0; i < table->base.schema->field_count; i++)
        table->widths[i] = (uint32_t)wr_reader_varint(in);
    uint64_t length = wr_reader_varint(in);
    const char *bytes = wr_reader_bytes(in, length);
    if (bytes == NULL || table->rows_kept > ROWS_MAX || !cells_are_whole(table, bytes, length))
        return WR_ECORRUPT;
    wr_buf_clear(&table->cells);
    return wr_buf_add(&table->cells, bytes, length);
}

const struct wr_encoder_type wr_table_encoder = {
    .name = "table",
    .size_bytes = sizeof(struct table_encoder),
    .open = table_open,
    .begin = table_begin,
    .encode = table_encode,
    .end = table_end,
    .close = table_close,
    .save = table_save,
    .load = table_load,
};
