/* postgres_type.c: see postgres_type.h. Binary forms: the functions `numeric_recv`, `jsonb_recv`,
 * `interval_recv` … of the server, as its documentation of the protocol leaves them. */
#include "conn/postgres_type.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/text.h"
#include "base/banned.h"

#define EPOCH_DAYS 10957 /* from 1970-01-01 to 2000-01-01 */
#define EPOCH_US (EPOCH_DAYS * INT64_C(86400000000))
#define NUMERIC_BASE 10000
#define NUMERIC_GROUPS_MAX 24 /* 38 digits on either side of a point that cuts a group */
#define NUMERIC_NEGATIVE 0x4000

/* ---- types ---------------------------------------------------------------------------------- */

int wr_postgres_add_type(struct wr_buf *sql, const struct wr_type *type) {
    switch (type->kind) {
    case WR_BOOL: return wr_buf_add_text(sql, "boolean");
    case WR_INT64: return wr_buf_add_text(sql, "bigint");
    case WR_FLOAT64: return wr_buf_add_text(sql, "double precision");
    case WR_DECIMAL: return wr_buf_addf(sql, "numeric(%u,%u)", type->precision, type->scale);
    case WR_BYTES: return wr_buf_add_text(sql, "bytea");
    case WR_TIMESTAMP: return wr_buf_add_text(sql, "timestamp with time zone");
    case WR_DATE: return wr_buf_add_text(sql, "date");
    case WR_DURATION: return wr_buf_add_text(sql, "interval");
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: return wr_buf_add_text(sql, "jsonb");
    case WR_NIL:
    case WR_STRING:
    case WR_TYPE_KINDS: break;
    }
    return wr_buf_add_text(sql, "text");
}

const char *wr_postgres_wire(const struct wr_type *type, uint32_t *oid) {
    static const struct {
        const char *name;
        uint32_t oid;
    } wires[WR_TYPE_KINDS] = {
        [WR_BOOL] = {"bool", WR_OID_BOOL},
        [WR_INT64] = {"int8", WR_OID_INT8},
        [WR_FLOAT64] = {"float8", WR_OID_FLOAT8},
        [WR_DECIMAL] = {"numeric", WR_OID_NUMERIC},
        [WR_STRING] = {"text", WR_OID_TEXT},
        [WR_BYTES] = {"bytea", WR_OID_BYTEA},
        [WR_TIMESTAMP] = {"timestamptz", WR_OID_TIMESTAMPTZ},
        [WR_DATE] = {"date", WR_OID_DATE},
        [WR_DURATION] = {"interval", WR_OID_INTERVAL},
        [WR_JSON] = {"jsonb", WR_OID_JSONB},
        [WR_LIST] = {"jsonb", WR_OID_JSONB},
        [WR_STRUCT] = {"jsonb", WR_OID_JSONB},
        [WR_MAP] = {"jsonb", WR_OID_JSONB},
    };
    WR_ASSERT(wires[type->kind].name != NULL);
    if (oid != NULL)
        *oid = wires[type->kind].oid;
    return wires[type->kind].name;
}

static enum wr_postgres_fit same_if(int is_same) {
    return is_same ? WR_POSTGRES_SAME : WR_POSTGRES_NO;
}

static enum wr_postgres_fit text_fits(const struct wr_postgres_type *column) {
    if (column->oid == WR_OID_TEXT || column->oid == WR_OID_VARCHAR || column->oid == WR_OID_BPCHAR)
        return WR_POSTGRES_SAME;
    if (column->oid == WR_OID_UUID || column->is_enum || strcmp(column->name, "citext") == 0)
        return WR_POSTGRES_CAST;
    return WR_POSTGRES_NO;
}

/* The modifier of numeric(p,s) is (p << 16 | s) + 4; s is 11 bits with a sign. */
static int keeps_digits(const struct wr_postgres_type *column, unsigned scale) {
    if (column->modifier < 4)
        return 1;
    int has = (((column->modifier - 4) & 0x7ff) ^ 1024) - 1024;
    return has >= (int)scale;
}

enum wr_postgres_fit wr_postgres_fits(const struct wr_postgres_type *column,
                                      const struct wr_type *type) {
    uint32_t oid = column->oid;
    switch (type->kind) {
    case WR_BOOL: return same_if(oid == WR_OID_BOOL);
    case WR_INT64:
        if (oid == WR_OID_INT8)
            return WR_POSTGRES_SAME;
        return oid == WR_OID_INT4 || oid == WR_OID_INT2 ||
                       (oid == WR_OID_NUMERIC && keeps_digits(column, 0))
                   ? WR_POSTGRES_CAST
                   : WR_POSTGRES_NO;
    case WR_FLOAT64: return same_if(oid == WR_OID_FLOAT8);
    case WR_DECIMAL: return same_if(oid == WR_OID_NUMERIC && keeps_digits(column, type->scale));
    case WR_STRING: return text_fits(column);
    case WR_BYTES: return same_if(oid == WR_OID_BYTEA);
    case WR_TIMESTAMP:
        return same_if(oid == WR_OID_TIMESTAMPTZ && (column->modifier < 0 || column->modifier > 5));
    case WR_DATE: return same_if(oid == WR_OID_DATE);
    case WR_DURATION: return same_if(oid == WR_OID_INTERVAL && column->modifier < 0);
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP:
        return oid == WR_OID_JSONB  ? WR_POSTGRES_SAME
               : oid == WR_OID_JSON ? WR_POSTGRES_CAST
                                    : WR_POSTGRES_NO;
    case WR_NIL:
    case WR_TYPE_KINDS: break;
    }
    return WR_POSTGRES_NO;
}

/* ---- values --------------------------------------------------------------------------------- */

void wr_postgres_put16(struct wr_buf *out, uint16_t value) {
    value = __builtin_bswap16(value);
    wr_buf_add(out, &value, sizeof value);
}

void wr_postgres_put32(struct wr_buf *out, uint32_t value) {
    value = __builtin_bswap32(value);
    wr_buf_add(out, &value, sizeof value);
}

void wr_postgres_put_array(struct wr_buf *out, const struct wr_type *type, uint32_t count) {
    uint32_t oid = 0;
    wr_postgres_wire(type, &oid);
    wr_postgres_put32(out, 1); /* dimensions */
    wr_postgres_put32(out, 1); /* there may be nulls */
    wr_postgres_put32(out, oid);
    wr_postgres_put32(out, count);
    wr_postgres_put32(out, 1); /* the first index */
}

static void put64(struct wr_buf *out, uint64_t value) {
    struct {
        uint32_t length;
        uint64_t value;
    } __attribute__((packed)) both = {__builtin_bswap32(8), __builtin_bswap64(value)};
    wr_buf_add(out, &both, sizeof both);
}

static void put_interval(struct wr_buf *out, int64_t us) {
    wr_postgres_put32(out, 16);
    uint64_t value = __builtin_bswap64((uint64_t)us);
    wr_buf_add(out, &value, sizeof value);
    wr_postgres_put32(out, 0); /* days */
    wr_postgres_put32(out, 0); /* months */
}

static unsigned __int128 power_of_ten(unsigned exponent) {
    unsigned __int128 power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* Groups of four digits from the highest on, without zeros at either end; `weight` is the power of
 * 10,000 of the first. */
static void put_numeric(struct wr_buf *out, __int128 value, unsigned scale) {
    uint16_t groups[NUMERIC_GROUPS_MAX];
    unsigned count = 0;
    int weight = -1;
    unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    unsigned __int128 unit = power_of_ten(scale), whole = rest / unit;
    rest %= unit;
    for (unsigned __int128 left = whole; left > 0; left /= NUMERIC_BASE)
        weight++;
    for (int i = weight; i >= 0; i--, whole /= NUMERIC_BASE)
        groups[i] = (uint16_t)(whole % NUMERIC_BASE);
    count = (unsigned)(weight + 1);
    for (unsigned left = scale; left > 0;) {
        unsigned take = WR_MIN(left, 4u);
        left -= take;
        unit = power_of_ten(left);
        unsigned group = (unsigned)(rest / unit);
        rest %= unit;
        for (; take < 4; take++)
            group *= 10;
        WR_ASSERT(count < NUMERIC_GROUPS_MAX);
        groups[count++] = (uint16_t)group;
    }
    unsigned first = 0;
    for (; first < count && groups[first] == 0; first++)
        weight--;
    while (count > first && groups[count - 1] == 0)
        count--;
    wr_postgres_put32(out, 8 + 2 * (count - first));
    wr_postgres_put16(out, (uint16_t)(count - first));
    wr_postgres_put16(out, (uint16_t)(count == first ? 0 : weight));
    wr_postgres_put16(out, value < 0 ? NUMERIC_NEGATIVE : 0);
    wr_postgres_put16(out, (uint16_t)scale);
    for (unsigned i = first; i < count; i++)
        wr_postgres_put16(out, groups[i]);
}

/* A text that is no UTF-8 is mended, as in every output. */
static void put_text(struct wr_buf *out, const struct wr_str *str, int is_json) {
    const char *bytes = wr_str_bytes(str);
    size_t length = str->length;
    size_t at = out->length;
    wr_postgres_put32(out, (uint32_t)(length + (size_t)is_json));
    if (is_json)
        wr_buf_add_char(out, 1); /* the version of jsonb's binary form */
    if (WR_LIKELY(wr_utf8_valid_prefix(bytes, length) == length)) {
        wr_buf_add(out, bytes, length);
    } else if (wr_buf_reserve(out, 3 * length) == WR_OK) {
        size_t mended = wr_utf8_mend(bytes, length, out->bytes + out->length);
        uint32_t header = __builtin_bswap32((uint32_t)(mended + (size_t)is_json));
        out->length += mended;
        out->bytes[out->length] = 0;
        memcpy(out->bytes + at, &header, sizeof header);
    }
}

void wr_postgres_put(struct wr_buf *out, const struct wr_type *type, const struct wr_column *column,
                     uint32_t row) {
    if (column->data == NULL || wr_column_is_nil(column, row)) {
        wr_postgres_put32(out, UINT32_MAX);
        return;
    }
    switch (type->kind) {
    case WR_BOOL:
        wr_postgres_put32(out, 1);
        wr_buf_add_char(out, (char)WR_BOOLS(column)[row]);
        return;
    case WR_INT64: put64(out, (uint64_t)WR_I64(column)[row]); return;
    case WR_FLOAT64: {
        uint64_t bits;
        memcpy(&bits, &WR_F64(column)[row], sizeof bits);
        put64(out, bits);
        return;
    }
    case WR_DECIMAL: put_numeric(out, ((const __int128 *)column->data)[row], type->scale); return;
    case WR_TIMESTAMP: put64(out, (uint64_t)(WR_I64(column)[row] - EPOCH_US)); return;
    case WR_DATE:
        wr_postgres_put32(out, 4);
        wr_postgres_put32(out, (uint32_t)(WR_I64(column)[row] - EPOCH_DAYS));
        return;
    case WR_DURATION: put_interval(out, WR_I64(column)[row]); return;
    case WR_BYTES: {
        const struct wr_str *bytes = &WR_STR(column)[row];
        wr_postgres_put32(out, bytes->length);
        wr_buf_add(out, wr_str_bytes(bytes), bytes->length);
        return;
    }
    case WR_STRING: put_text(out, &WR_STR(column)[row], 0); return;
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: put_text(out, &WR_STR(column)[row], 1); return;
    case WR_NIL:
    case WR_TYPE_KINDS: WR_ASSERT(!"a column of a known type");
    }
}

int wr_postgres_lacks(const struct wr_field *field, const struct wr_column *column, uint32_t row,
                      char detail[WR_POSTGRES_DETAIL_MAX]) {
    if (column->data == NULL || wr_column_is_nil(column, row))
        return 0;
    const char *what = NULL;
    int64_t number;
    switch (field->type.kind) {
    case WR_STRING: {
        const struct wr_str *text = &WR_STR(column)[row];
        if (memchr(wr_str_bytes(text), 0, text->length) != NULL)
            what = "has a 0 byte";
        break;
    }
    case WR_TIMESTAMP: /* from 4713 BC; its end is behind that of microseconds since 1970 */
        if (WR_I64(column)[row] < INT64_C(-210866803200000000))
            what = "is too far in the past";
        break;
    case WR_DATE: /* 4713 BC to 5874897 */
        number = WR_I64(column)[row];
        if (number < -2440588 || number >= 2145042906)
            what = "is too far in the past or future";
        break;
    default: break;
    }
    if (what == NULL)
        return 0;
    snprintf(detail, WR_POSTGRES_DETAIL_MAX, "column `%.100s` %s, which PostgreSQL cannot hold",
             field->name, what);
    return 1;
}
