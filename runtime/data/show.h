/* show.h: text for screens: its width in columns, cutting, and nothing that would move the cursor;
 * the encoders for people. */
#pragma once
#include "data/codec.h"

struct wr_buf;

/* Columns that valid UTF-8 takes on a terminal: 2 for East Asian wide characters and emoji, 0 for
 * combining marks. Bytes that are not valid UTF-8 count as one each. */
uint32_t wr_show_width(const char *text, size_t length);
/* Appends text at most `width_max` columns wide, cut with `…`; control characters as `\n`, `\x1b`.
 * Returns its width. */
uint32_t wr_show_text(struct wr_buf *out, const char *text, size_t length, uint32_t width_max);
/* Appends the value of a cell; `nil` is spelled out. */
int wr_show_cell(struct wr_buf *out, const struct wr_batch *batch, uint32_t column, uint32_t row);

extern const struct wr_encoder_type wr_table_encoder, wr_markdown_encoder;
