#include "data/json_put.h"

#include "base/buf.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/batch.h"
#include "data/json_text.h"
#include "data/text.h"
#include "data/time.h"
#include "base/banned.h"

static int put_quoted(struct wr_buf *out, const char *text, size_t length) {
    wr_buf_add_char(out, '"');
    wr_buf_add(out, text, length);
    return wr_buf_add_char(out, '"');
}

int wr_json_put_value(struct wr_buf *out, const struct wr_type *type,
                      const struct wr_column *column, uint32_t row) {
    char text[64];
    if (wr_column_is_nil(column, row))
        return wr_buf_add_text(out, "null");
    switch (type->kind) {
    case WR_BOOL: return wr_buf_add_text(out, WR_BOOLS(column)[row] ? "true" : "false");
    case WR_INT64: return wr_buf_add(out, text, wr_int64_format(WR_I64(column)[row], text));
    case WR_FLOAT64: {
        double value = WR_F64(column)[row];
        if (value - value != 0)
            return wr_buf_add_text(out, "null");
        return wr_buf_add(out, text, wr_float64_format(value, text));
    }
    case WR_DECIMAL:
        return put_quoted(
            out, text, wr_decimal_format(((const __int128 *)column->data)[row], type->scale, text));
    case WR_TIMESTAMP: return put_quoted(out, text, wr_timestamp_format(WR_I64(column)[row], text));
    case WR_DATE: return put_quoted(out, text, wr_date_format(WR_I64(column)[row], text));
    case WR_DURATION: return put_quoted(out, text, wr_duration_format(WR_I64(column)[row], text));
    case WR_STRING:
        return wr_json_add_string(out, wr_str_bytes(&WR_STR(column)[row]),
                                  WR_STR(column)[row].length);
    case WR_BYTES: {
        const struct wr_str *str = &WR_STR(column)[row];
        size_t length = wr_base64_length(str->length);
        if (wr_buf_reserve(out, length + 2) != WR_OK)
            return out->status;
        wr_buf_add_char(out, '"');
        wr_base64_encode(wr_str_bytes(str), str->length, out->bytes + out->length);
        out->length += length;
        return wr_buf_add_char(out, '"');
    }
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP:
        return wr_buf_add(out, wr_str_bytes(&WR_STR(column)[row]), WR_STR(column)[row].length);
    case WR_NIL:
    case WR_TYPE_KINDS: break;
    }
    return wr_buf_add_text(out, "null");
}
