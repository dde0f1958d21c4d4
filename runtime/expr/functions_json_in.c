/* functions_json_in.c: conversions from json, and to it. */
#include <math.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/codec.h"
#include "data/json_text.h"
#include "expr/expr.h"
#include "expr/functions.h"
#include "expr/functions_shared.h"
#include "expr/json_value.h"
#include "base/banned.h"

int wr_call_copy(struct wr_call *call, uint32_t row, const char *text, uint32_t length) {
    if (length > WR_STR_INLINE_MAX) {
        char *copy = wr_call_room(call, length);
        if (copy == NULL)
            return WR_ENOMEM;
        memcpy(copy, text, length);
        text = copy;
    }
    wr_call_string(call, row, text, length);
    return WR_OK;
}

/* Text inside the json counts as what it says: int64(j) of "12" is 12. */
int wr_call_from_json(struct wr_call *call) {
    uint32_t width = wr_type_bytes(call->type.kind);
    WR_CALL_EACH(call, row) {
        const struct wr_str *text = &WR_ARG(call, 0, row, struct wr_str);
        char *out = (char *)call->out + (size_t)row * width;
        struct wr_json_value value;
        memset(out, 0, width);
        if (!wr_json_value_read(call->arena, wr_str_bytes(text), text->length, &value))
            return WR_ENOMEM;
        if (value.is == WR_JSON_IS_NIL) {
            wr_call_nil(call, row);
            continue;
        }
        enum wr_json_fit fit = wr_json_to_element(call->arena, &value, &call->type, 0, out);
        if (fit == WR_JSON_NO_MEMORY)
            return WR_ENOMEM;
        if (fit == WR_JSON_MISFIT) {
            char type[128];
            wr_call_fail(call, row, WR_REJECT_TYPE, "%.*s is no %s",
                         (int)WR_MIN(text->length, (uint32_t)WR_DETAIL_BYTES_MAX),
                         wr_str_bytes(text), wr_type_text(&call->type, type, sizeof type));
        }
    }
    return WR_OK;
}

static int json_of_string(struct wr_call *call) {
    WR_CALL_EACH(call, row) {
        const struct wr_str *x = &WR_ARG(call, 0, row, struct wr_str);
        const char *at = wr_str_bytes(x), *end = at + x->length;
        struct wr_json_scan scan;
        while (at < end && wr_json_is_blank(*at))
            at++;
        while (end > at && wr_json_is_blank(end[-1]))
            end--;
        if (!wr_json_check(&scan, at, end))
            wr_call_no(call, row, x, "json");
        else if (end - at == 4 && memcmp(at, "null", 4) == 0)
            wr_call_nil(call, row);
        else
            wr_call_string(call, row, at, (uint32_t)(end - at));
    }
    return WR_OK;
}

static int json_of_text(struct wr_call *call) {
    uint32_t width = wr_type_bytes(call->type.kind);
    WR_CALL_EACH(call, row) {
        memcpy((char *)call->out + (size_t)row * width, &WR_ARG(call, 0, row, struct wr_str),
               width);
    }
    return WR_OK;
}

/* Numbers and bools as they are, other plain values as strings. */
static int json_of_value(struct wr_call *call) {
    enum wr_type_kind kind = call->arg_types[0].kind;
    int bare = kind == WR_BOOL || kind == WR_INT64 || kind == WR_FLOAT64;
    struct wr_buf buf;
    int status = WR_OK;
    wr_buf_init(&buf, call->eval->budget, 0);
    WR_CALL_EACH(call, row) {
        if (kind == WR_FLOAT64 && !isfinite(WR_ARG(call, 0, row, double))) {
            wr_call_nil(call, row);
            continue;
        }
        wr_buf_clear(&buf);
        if (!bare)
            wr_buf_add_char(&buf, '"');
        wr_value_show(&buf, &call->arg_types[0], &call->args[0], wr_call_row(call, 0, row));
        if (!bare)
            wr_buf_add_char(&buf, '"');
        status = buf.status;
        if (status == WR_OK)
            status = wr_call_copy(call, row, buf.bytes, (uint32_t)buf.length);
        if (status != WR_OK)
            break;
    }
    wr_buf_release(&buf);
    return status;
}

#define CONVERSION (WR_FN_STRICT | WR_FN_CAN_FAIL | WR_FN_METHOD | WR_FN_CAN_NIL)

const struct wr_function wr_functions_json_in[] = {
    {.name = "json",
     .group = "conversion",
     .flags = CONVERSION,
     .doc = "As json: text that is JSON is read (`null` is nil), numbers and bools are themselves, "
            "times, decimals and bytes become strings, lists, structs and maps stay what they are.",
     .signatures = WR_SIGNATURES(
         {"(x json) json", json_of_text, NULL}, {"(x string) json", json_of_string, NULL},
         {"(x list) json", json_of_text, NULL}, {"(x struct) json", json_of_text, NULL},
         {"(x map) json", json_of_text, NULL}, {"(x bool) json", json_of_value, NULL},
         {"(x int64) json", json_of_value, NULL}, {"(x float64) json", json_of_value, NULL},
         {"(x decimal) json", json_of_value, NULL}, {"(x bytes) json", json_of_value, NULL},
         {"(x timestamp) json", json_of_value, NULL}, {"(x date) json", json_of_value, NULL},
         {"(x duration) json", json_of_value, NULL}),
     .examples = WR_EXAMPLES({"json('[1, 2]')[2]", "2"}, {"json(5) == 5", "true"},
                             {"json('{')", "fails W501"})},
    {0},
};
