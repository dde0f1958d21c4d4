/* json_put.h: typed values as JSON. */
#pragma once
#include <stdint.h>

struct wr_buf;
struct wr_column;
struct wr_type;

/* Appends one element of a column as NDJSON has it (language 2.8); nil, NaN and Inf are null. */
int wr_json_put_value(struct wr_buf *out, const struct wr_type *type,
                      const struct wr_column *column, uint32_t row);
