/* codec.c: finding a format by its name, and one value as text. */
#include "data/codec.h"

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/csv.h"
#include "data/json.h"
#include "data/lines.h"
#include "data/replay.h"
#include "data/show.h"
#include "data/text.h"
#include "data/time.h"
#include "base/banned.h"

static const struct wr_decoder_type *const decoders[] = {&wr_ndjson_decoder, &wr_csv_decoder,
                                                         &wr_tsv_decoder,    &wr_json_decoder,
                                                         &wr_lines_decoder,  &wr_replay_decoder};
static const struct wr_encoder_type *const encoders[] = {&wr_csv_encoder,    &wr_tsv_encoder,
                                                         &wr_ndjson_encoder, &wr_json_encoder,
                                                         &wr_table_encoder,  &wr_markdown_encoder};

const struct wr_decoder_type *wr_decoder_find(const char *format) {
    for (size_t i = 0; i < WR_COUNT(decoders); i++)
        if (strcmp(decoders[i]->name, format) == 0)
            return decoders[i];
    return NULL;
}

const struct wr_encoder_type *wr_encoder_find(const char *format) {
    for (size_t i = 0; i < WR_COUNT(encoders); i++)
        if (strcmp(encoders[i]->name, format) == 0)
            return encoders[i];
    return NULL;
}

int wr_value_show(struct wr_buf *out, const struct wr_type *type, const struct wr_column *column,
                  uint32_t row) {
    char text[WR_NUMBER_TEXT_MAX];
    _Static_assert(WR_NUMBER_TEXT_MAX >= WR_TIME_TEXT_MAX, "one room for both");
    if (column->data == NULL || wr_column_is_nil(column, row))
        return wr_buf_add(out, "", 0);
    switch (type->kind) {
    case WR_NIL: return wr_buf_add(out, "", 0);
    case WR_BOOL: return wr_buf_add_text(out, WR_BOOLS(column)[row] ? "true" : "false");
    case WR_INT64: return wr_buf_add(out, text, wr_int64_format(WR_I64(column)[row], text));
    case WR_FLOAT64: return wr_buf_add(out, text, wr_float64_format(WR_F64(column)[row], text));
    case WR_DECIMAL: {
        __int128 value = ((const __int128 *)column->data)[row];
        return wr_buf_add(out, text, wr_decimal_format(value, type->scale, text));
    }
    case WR_TIMESTAMP: return wr_buf_add(out, text, wr_timestamp_format(WR_I64(column)[row], text));
    case WR_DATE: return wr_buf_add(out, text, wr_date_format(WR_I64(column)[row], text));
    case WR_DURATION: return wr_buf_add(out, text, wr_duration_format(WR_I64(column)[row], text));
    case WR_BYTES: {
        const struct wr_str *bytes = &WR_STR(column)[row];
        if (wr_buf_reserve(out, wr_base64_length(bytes->length)) == WR_OK) {
            out->length +=
                wr_base64_encode(wr_str_bytes(bytes), bytes->length, out->bytes + out->length);
            out->bytes[out->length] = 0;
        }
        return out->status;
    }
    case WR_STRING:
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: {
        const struct wr_str *string = &WR_STR(column)[row];
        return wr_buf_add(out, wr_str_bytes(string), string->length);
    }
    case WR_TYPE_KINDS: break;
    }
    WR_ASSERT(!"a column of a known type");
    return WR_EARG;
}
