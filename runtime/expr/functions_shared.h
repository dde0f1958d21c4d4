/* functions_shared.h: what the files of conversions share. */
#pragma once
#include <string.h>

#include "base/assert.h"
#include "data/reject.h"
#include "expr/function.h"

#define WR_DETAIL_BYTES_MAX 60 /* of a value that a failed row's detail shows */

/* The rows of a call, by physical number. */
#define WR_CALL_EACH(call, row) \
    for (uint32_t each_ = 0, row = 0; \
         each_ < (call)->count && (row = wr_call_at((call), each_), 1); each_++)
/* Argument `arg` in `row`, an element of C type `type`. */
#define WR_ARG(call, arg, row, type) \
    (((const type *)(call)->args[arg].data)[wr_call_row((call), (arg), (row))])
#define WR_SIGNATURES(...) \
    (const struct wr_signature[]) { \
        __VA_ARGS__, { \
            0 \
        } \
    }
#define WR_EXAMPLES(...) \
    (const struct wr_example[]) { \
        __VA_ARGS__, { \
            0 \
        } \
    }

/* The row fails with W501: "'abc' is no int64". */
static inline void wr_call_no(struct wr_call *call, uint32_t row, const struct wr_str *text,
                              const char *what) {
    wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no %s",
                 (int)WR_MIN(text->length, (uint32_t)WR_DETAIL_BYTES_MAX), wr_str_bytes(text),
                 what);
}
/* The result of `row` is a copy of `text`. WR_OK or WR_ENOMEM. */
int wr_call_copy(struct wr_call *call, uint32_t row, const char *text, uint32_t length);
/* A json argument as the call's type (functions_json_in.c). */
int wr_call_from_json(struct wr_call *call);
