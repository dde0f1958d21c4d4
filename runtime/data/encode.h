/* encode.h: writing cells through a bare pointer, after room for the whole row has been reserved;
 * shared by the encoders. */
#pragma once
#include <string.h>

#include "base/buf.h"
#include "data/batch.h"
#include "data/digits.h"

/* Bytes that the text of a cell of this kind needs at most, without a string's own bytes. */
#define WR_CELL_TEXT_MAX 48

/* The text of one cell that is not nil and of no text type; returns behind it. */
char *wr_cell_put(char *at, const struct wr_type *type, const void *data, uint32_t row);

/* Bytes of all strings of a row, and whether it has columns at all (NULL data is nil). */
static inline size_t wr_row_text_bytes(const struct wr_batch *batch, uint32_t row) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < batch->schema->field_count; i++)
        if (wr_type_is_text(batch->schema->fields[i].type.kind) && batch->columns[i].data != NULL &&
            !wr_column_is_nil(&batch->columns[i], row))
            bytes += WR_STR(&batch->columns[i])[row].length;
    return bytes;
}
