/* nested.h: lists, structs and maps as they are read. A value has one text, however it was written:
 * no blanks, members of a struct in the order of its type (those that are missing null, others
 * dropped), keys of a map ascending (of equal ones the last), scalars as NDJSON has their types. So
 * two values are equal where their bytes are, in keys as elsewhere. */
#pragma once
#include "data/rows.h"

/* Reads [text, text + length), which is one JSON value, as a value of `type`. *value points into
 * `text` where that is how it is written, else into rows->cells. 1, or 0 when it does not fit or
 * (rows->no_memory) there is no memory. */
int wr_nested_read(struct wr_rows *rows, const struct wr_type *type, const char *text,
                   uint32_t length, struct wr_str *value);
