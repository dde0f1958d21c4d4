/* markdown_encode.c: batches as a Markdown table (GitHub's), row by row. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec_options.h"
#include "data/show.h"
#include "data/text.h"
#include "base/banned.h"

static int md_open(struct wr_encoder *encoder, struct wr_error *err) {
    static const char *const names[] = {NULL};
    return wr_options_known(encoder->options, encoder->type->name, names, err);
}

/* `|` would end the cell, a line end the row. */
static void put_valid(struct wr_buf *out, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '|': wr_buf_add_text(out, "\\|"); break;
        case '\n': wr_buf_add_text(out, "<br>"); break;
        case '\r': break;
        default: wr_buf_add_char(out, text[i]);
        }
    }
}

/* With each byte that cannot stand in UTF-8 as U+FFFD, as wr_utf8_mend has it. */
static void put_escaped(struct wr_buf *out, const char *text, size_t length) {
    while (length > 0) {
        size_t taken = wr_utf8_valid_prefix(text, length);
        put_valid(out, text, taken);
        if (taken < length) {
            wr_buf_add_text(out, "\xef\xbf\xbd");
            taken++;
        }
        text += taken;
        length -= taken;
    }
}

static int md_begin(struct wr_encoder *encoder, struct wr_buf *out) {
    const struct wr_schema *schema = encoder->schema;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        wr_buf_add_text(out, i == 0 ? "| " : " | ");
        put_escaped(out, schema->fields[i].name, schema->fields[i].name_length);
    }
    wr_buf_add_text(out, schema->field_count == 0 ? "|\n|" : " |\n|");
    for (uint32_t i = 0; i < schema->field_count; i++) {
        enum wr_type_kind kind = schema->fields[i].type.kind;
        int right = kind == WR_INT64 || kind == WR_FLOAT64 || kind == WR_DECIMAL;
        wr_buf_add_text(out, right ? " ---: |" : " --- |");
    }
    return wr_buf_add_char(out, '\n');
}

static int md_encode(struct wr_encoder *encoder, const struct wr_batch *batch, struct wr_buf *out) {
    const struct wr_schema *schema = batch->schema;
    struct wr_buf text;
    (void)encoder;
    wr_buf_init(&text, &wr_budget_control, 0);
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        for (uint32_t column = 0; column < schema->field_count; column++) {
            wr_buf_clear(&text);
            wr_value_show(&text, &schema->fields[column].type, &batch->columns[column], row);
            wr_buf_add_text(out, column == 0 ? "| " : " | ");
            put_escaped(out, text.bytes, text.length);
        }
        wr_buf_add_text(out, schema->field_count == 0 ? "|\n" : " |\n");
    }
    int status = text.status;
    wr_buf_release(&text);
    return status == WR_OK ? out->status : status;
}

const struct wr_encoder_type wr_markdown_encoder = {
    .name = "md",
    .size_bytes = sizeof(struct wr_encoder),
    .open = md_open,
    .begin = md_begin,
    .encode = md_encode,
};
