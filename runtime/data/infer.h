/* infer.h: guessing the type of a column from the texts of its values.
 *
 * int64 widens to float64; anything else that is mixed is a string (of JSON, whose values have
 * kinds, it is json: json_infer.c), and so is what would not read back as it was written: leading
 * zeros, a leading `+`, integers beyond 64 bits. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "data/schema.h"

/* What has been seen in a column: a set of bits. */
enum {
    WR_SEEN_INT64 = 1,
    WR_SEEN_FLOAT64 = 2,
    WR_SEEN_BOOL = 4,
    WR_SEEN_TIMESTAMP = 8,
    WR_SEEN_DATE = 16,
    WR_SEEN_STRING = 32,
    WR_SEEN_JSON = 64,    /* an object or array */
    WR_SEEN_SPECIAL = 128 /* nan, inf: a float if there are other numbers */
};

/* What one text is; never nil. */
unsigned wr_infer_text(const char *text, size_t length);
/* The same for the text of a JSON string: a time, a date or a string. */
unsigned wr_infer_json_string(const char *text, size_t length);
/* The type for all that was seen; nothing is a string. */
enum wr_type_kind wr_infer_kind(unsigned seen);
