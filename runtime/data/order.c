#include "data/order.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"

static int compare_float(double a, double b) {
    int nan_a = isnan(a), nan_b = isnan(b);
    if (nan_a || nan_b)
        return nan_a - nan_b;
    return (a > b) - (a < b);
}

int wr_cell_compare(const struct wr_type *type, const struct wr_column *a, uint32_t row_a,
                    const struct wr_column *b, uint32_t row_b) {
    int nil_a = wr_column_is_nil(a, row_a), nil_b = wr_column_is_nil(b, row_b);
    if (nil_a || nil_b)
        return nil_a - nil_b;
    switch (type->kind) {
    case WR_BOOL: return WR_BOOLS(a)[row_a] - WR_BOOLS(b)[row_b];
    case WR_INT64:
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION:
        return (WR_I64(a)[row_a] > WR_I64(b)[row_b]) - (WR_I64(a)[row_a] < WR_I64(b)[row_b]);
    case WR_FLOAT64: return compare_float(WR_F64(a)[row_a], WR_F64(b)[row_b]);
    case WR_DECIMAL: {
        __int128 x, y; /* a cell of stored rows is aligned to 8 */
        memcpy(&x, (const char *)a->data + sizeof x * row_a, sizeof x);
        memcpy(&y, (const char *)b->data + sizeof y * row_b, sizeof y);
        return (x > y) - (x < y);
    }
    case WR_STRING:
    case WR_BYTES:
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: return wr_str_compare(&WR_STR(a)[row_a], &WR_STR(b)[row_b]);
    case WR_NIL:
    case WR_TYPE_KINDS: break;
    }
    return 0;
}
