/* fuzz_text.c: numbers, UTF-8, base64 and JSON as text. What was read and written reads back; the
 * forms of a check agree. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/infer.h"
#include "data/json_text.h"
#include "data/show.h"
#include "data/text.h"
#include "data/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void check_numbers(const char *text, size_t length) {
    char written[WR_NUMBER_TEXT_MAX];
    int64_t integer, integer_again;
    if (wr_int64_parse(text, length, &integer)) {
        size_t size = wr_int64_format(integer, written);
        WR_ASSERT(wr_int64_parse(written, size, &integer_again) && integer == integer_again);
    }
    double number, number_again;
    if (wr_float64_parse(text, length, 1, &number)) {
        size_t size = wr_float64_format(number, written);
        WR_ASSERT(wr_float64_parse(written, size, 1, &number_again));
        WR_ASSERT(memcmp(&number, &number_again, sizeof number) == 0 || isnan(number));
    }
    if (length < 300) { /* the C library is the oracle */
        char copy[301], *end;
        memcpy(copy, text, length);
        copy[length] = 0;
        double expected = strtod(copy, &end);
        if (wr_float64_parse(text, length, 0, &number))
            WR_ASSERT(*end == 0 && number == expected);
    }
    for (uint8_t scale = 0; scale <= 38; scale = (uint8_t)(scale + 19)) {
        __int128 decimal, again;
        if (!wr_decimal_parse(text, length, 38, scale, &decimal))
            continue;
        size_t size = wr_decimal_format(decimal, scale, written);
        WR_ASSERT(wr_decimal_parse(written, size, 38, scale, &again) && decimal == again);
    }
}

static void check_json(const char *text, size_t length) {
    struct wr_json_scan scan;
    int escaped = 0;
    const char *end = wr_json_string_end(&scan, text, text + length, &escaped);
    if (end != NULL && length < 100000) {
        char *plain = wr_alloc(&wr_budget_control, length + 1);
        size_t size = wr_json_unescape(text, end, plain);
        WR_ASSERT(size <= length);
        struct wr_buf quoted;
        wr_buf_init(&quoted, &wr_budget_control, 0);
        wr_json_add_string(&quoted, plain, size);
        WR_ASSERT(wr_json_check(&scan, quoted.bytes, quoted.bytes + quoted.length));
        wr_buf_release(&quoted);
        wr_free(&wr_budget_control, plain);
    }
    wr_json_check(&scan, text, text + length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    /* A copy of exactly the size, so that a read behind it is seen. */
    char *text = wr_alloc(&wr_budget_control, size_bytes + 1);
    memcpy(text, data, size_bytes);
    check_numbers(text, size_bytes);
    check_json(text, size_bytes);
    WR_ASSERT(wr_utf8_valid_prefix(text, size_bytes) ==
              wr_utf8_valid_prefix_plain(text, size_bytes));
    wr_infer_text(text, size_bytes);
    struct wr_buf out;
    wr_buf_init(&out, &wr_budget_control, 0);
    uint32_t width = wr_show_text(&out, text, size_bytes, 30);
    WR_ASSERT(width <= 30 && wr_show_width(out.bytes, out.length) == width);
    wr_buf_release(&out);
    size_t count;
    char *bytes = wr_alloc(&wr_budget_control, size_bytes / 4 * 3 + 3);
    if (wr_base64_decode(text, size_bytes, bytes, &count))
        WR_ASSERT(count <= size_bytes / 4 * 3 + 2);
    wr_free(&wr_budget_control, bytes);
    wr_free(&wr_budget_control, text);
    return 0;
}
