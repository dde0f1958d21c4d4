/* library.h: what the files of the function library share (functions_*.c). */
#pragma once
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/status.h"
#include "data/reject.h"
#include "data/value.h"
#include "expr/function.h"
#include "expr/functions.h"

/* A longer result string fails its row (W504). */
#define WR_RESULT_BYTES_MAX (64u << 20)

/* Runs the statement behind it for each row: `row` is its physical number. */
#define FN_EACH(call, row) \
    for (uint32_t fn_i_ = 0, row; fn_i_ < (call)->count && ((row) = wr_call_at((call), fn_i_), 1); \
         fn_i_++)

static inline const struct wr_str *fn_str(const struct wr_call *call, uint32_t arg, uint32_t row) {
    return &WR_STR(&call->args[arg])[wr_call_row(call, arg, row)];
}
static inline int64_t fn_int(const struct wr_call *call, uint32_t arg, uint32_t row) {
    return WR_I64(&call->args[arg])[wr_call_row(call, arg, row)];
}
static inline double fn_float(const struct wr_call *call, uint32_t arg, uint32_t row) {
    return WR_F64(&call->args[arg])[wr_call_row(call, arg, row)];
}
static inline int fn_bool(const struct wr_call *call, uint32_t arg, uint32_t row) {
    return WR_BOOLS(&call->args[arg])[wr_call_row(call, arg, row)];
}
static inline __int128 fn_decimal(const struct wr_call *call, uint32_t arg, uint32_t row) {
    return ((const __int128 *)call->args[arg].data)[wr_call_row(call, arg, row)];
}
static inline int fn_is_nil(const struct wr_call *call, uint32_t arg, uint32_t row) {
    return wr_column_is_nil(&call->args[arg], wr_call_row(call, arg, row));
}
#define FN_OUT_INT(call) ((int64_t *)(call)->out)
#define FN_OUT_FLOAT(call) ((double *)(call)->out)
#define FN_OUT_BOOL(call) ((uint8_t *)(call)->out)
#define FN_OUT_STR(call) ((struct wr_str *)(call)->out)

/* Room for `length` bytes of the result of `row`: `small` (WR_STR_INLINE_MAX bytes) where they fit,
 * since short strings are copied, else the arena. NULL: the row failed because the result is too
 * long, or memory ran out (then the call's status is set). */
static inline char *fn_room(struct wr_call *call, uint32_t row, uint64_t length, char *small) {
    if (length <= WR_STR_INLINE_MAX)
        return small;
    if (length > WR_RESULT_BYTES_MAX) {
        wr_call_fail(call, row, WR_REJECT_OVERFLOW, "a string of %llu bytes, at most 64 MB",
                     (unsigned long long)length);
        return NULL;
    }
    return wr_call_room(call, (uint32_t)length);
}
/* The result of `row` is a piece of argument `arg`, which outlives it. */
static inline void fn_piece(struct wr_call *call, uint32_t row, const char *bytes, size_t length) {
    FN_OUT_STR(call)[row] = wr_str_of(bytes, (uint32_t)length);
}

/* Appends into the call's arena; the result of a row of unknown length. */
struct fn_text {
    struct wr_call *call;
    char *bytes;
    uint64_t length, room;
    int failed; /* out of memory (the call has its status), or too long */
};
/* Room for `more` bytes behind the text, or NULL. */
static inline char *fn_text_more(struct fn_text *text, uint64_t more) {
    uint64_t need = text->length + more;
    if (text->failed || need > WR_RESULT_BYTES_MAX) {
        text->failed = 1;
        return NULL;
    }
    if (need > text->room) {
        uint64_t room = WR_MAX(WR_MAX(need, text->room * 2), 64);
        char *bytes = wr_call_room(text->call, (uint32_t)WR_MIN(room, WR_RESULT_BYTES_MAX));
        if (bytes == NULL) {
            text->failed = 1;
            return NULL;
        }
        if (text->length > 0)
            memcpy(bytes, text->bytes, text->length);
        text->bytes = bytes;
        text->room = room;
    }
    return text->bytes + text->length;
}
static inline void fn_text_add(struct fn_text *text, const char *bytes, size_t length) {
    char *to = fn_text_more(text, length);
    if (to == NULL)
        return;
    memcpy(to, bytes, length);
    text->length += length;
}
/* Makes the text the result of `row`. */
static inline void fn_text_end(struct fn_text *text, uint32_t row) {
    if (!text->failed)
        fn_piece(text->call, row, text->length == 0 ? "" : text->bytes, text->length);
    else
        wr_call_fail(text->call, row, WR_REJECT_OVERFLOW, "a string of more than 64 MB");
}

/* Signatures and examples of one function. */
#define FN_SIGNATURES(...) ((const struct wr_signature[]){__VA_ARGS__, {0}})
#define FN_EXAMPLES(...) ((const struct wr_example[]){__VA_ARGS__, {0}})
#define FN_PURE (WR_FN_STRICT | WR_FN_METHOD)

double wr_decimal_to_float(__int128 value, uint8_t scale);

/* The result of `row` is the HMAC-SHA-256 of `text`, or its first `bytes`, in hex digits. WR_OK or
 * WR_ENOMEM. */
int wr_call_hmac(struct wr_call *call, uint32_t row, const struct wr_str *text,
                 const struct wr_str *key, unsigned bytes);

/* Kernels of names that stand for several things, whose entries stand with the others. */
int wr_text_concat_kernel(struct wr_call *call);
int wr_text_contains_kernel(struct wr_call *call);
int wr_trunc_int_kernel(struct wr_call *call);
int wr_trunc_float_kernel(struct wr_call *call);
int wr_trunc_decimal_kernel(struct wr_call *call);
