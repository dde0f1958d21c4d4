#include "data/encode.h"

#include "base/assert.h"
#include "data/text.h"
#include "data/time.h"
#include "base/banned.h"

char *wr_cell_put(char *at, const struct wr_type *type, const void *data, uint32_t row) {
    _Static_assert(WR_CELL_TEXT_MAX >= WR_NUMBER_TEXT_MAX, "room for any number");
    _Static_assert(WR_CELL_TEXT_MAX >= WR_TIME_TEXT_MAX, "room for any time");
    switch (type->kind) {
    case WR_BOOL: {
        int value = ((const uint8_t *)data)[row];
        memcpy(at, value ? "true" : "false", 5);
        return at + (value ? 4 : 5);
    }
    case WR_INT64: return wr_put_int64(at, ((const int64_t *)data)[row]);
    case WR_FLOAT64: return at + wr_float64_format(((const double *)data)[row], at);
    case WR_DECIMAL: return at + wr_decimal_format(((const __int128 *)data)[row], type->scale, at);
    case WR_TIMESTAMP: return at + wr_timestamp_format(((const int64_t *)data)[row], at);
    case WR_DATE: return at + wr_date_format(((const int64_t *)data)[row], at);
    case WR_DURATION: return at + wr_duration_format(((const int64_t *)data)[row], at);
    default: break;
    }
    WR_ASSERT(!"a cell that is no text");
    return at;
}
