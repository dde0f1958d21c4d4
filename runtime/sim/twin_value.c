/* twin_value.c: see twin_value.h. */
#include "sim/twin_value.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "conn/postgres_type.h"
#include "data/float_text.h"
#include "data/text.h"
#include "data/time.h"
#include "base/banned.h"

#define EPOCH_DAYS 10957 /* from 1970-01-01 to 2000-01-01 */

int twin_fail(struct twin_error *error, const char *state, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    snprintf(error->state, sizeof error->state, "%s", state);
    error->detail[0] = 0;
    return -1;
}

/* ---- types ---------------------------------------------------------------------------------- */

static const struct {
    uint32_t oid;
    const char *name, *text; /* int8, bigint */
    const char *more;        /* a third word for it */
    const char *affinity;    /* of its column */
} types[] = {
    {WR_OID_BOOL, "bool", "boolean", NULL, "INT"},
    {WR_OID_INT2, "int2", "smallint", NULL, "INT"},
    {WR_OID_INT4, "int4", "integer", "int", "INT"},
    {WR_OID_INT8, "int8", "bigint", NULL, "INT"},
    {WR_OID_FLOAT4, "float4", "real", NULL, "REAL"},
    {WR_OID_FLOAT8, "float8", "double precision", "float", "REAL"},
    {WR_OID_NUMERIC, "numeric", "numeric", "decimal", "BLOB"},
    {WR_OID_TEXT, "text", "text", NULL, "BLOB"},
    {WR_OID_VARCHAR, "varchar", "character varying", NULL, "BLOB"},
    {WR_OID_BPCHAR, "bpchar", "character", "char", "BLOB"},
    {WR_OID_UUID, "uuid", "uuid", NULL, "BLOB"},
    {WR_OID_BYTEA, "bytea", "bytea", NULL, "BLOB"},
    {WR_OID_DATE, "date", "date", NULL, "BLOB"},
    {WR_OID_TIMESTAMP, "timestamp", "timestamp without time zone", NULL, "BLOB"},
    {WR_OID_TIMESTAMPTZ, "timestamptz", "timestamp with time zone", NULL, "BLOB"},
    {WR_OID_INTERVAL, "interval", "interval", NULL, "BLOB"},
    {WR_OID_JSON, "json", "json", NULL, "BLOB"},
    {WR_OID_JSONB, "jsonb", "jsonb", NULL, "BLOB"},
};

static size_t place_of(uint32_t oid) {
    size_t at = 0;
    while (at < WR_COUNT(types) && types[at].oid != oid)
        at++;
    return at;
}

int twin_type_find(struct twin_type *type, const char *words, const int64_t *numbers,
                   int number_count) {
    for (size_t i = 0; i < WR_COUNT(types); i++) {
        if (strcmp(words, types[i].name) != 0 && strcmp(words, types[i].text) != 0 &&
            (types[i].more == NULL || strcmp(words, types[i].more) != 0))
            continue;
        *type = (struct twin_type){types[i].oid, -1};
        int is_numeric = type->oid == WR_OID_NUMERIC;
        int has_length = type->oid == WR_OID_VARCHAR || type->oid == WR_OID_BPCHAR;
        if (number_count > (is_numeric ? 2 : has_length ? 1 : 0))
            return -1;
        if (is_numeric && number_count > 0)
            type->modifier =
                (int32_t)((numbers[0] << 16 | ((number_count > 1 ? numbers[1] : 0) & 0x7ff)) + 4);
        else if (has_length && number_count > 0)
            type->modifier = (int32_t)numbers[0] + 4;
        else if (type->oid == WR_OID_BPCHAR)
            type->modifier = 1 + 4;
        return 0;
    }
    return -1;
}

void twin_type_text(const struct twin_type *type, int with_modifier, char text[64]) {
    size_t at = place_of(type->oid);
    int modifier = type->modifier - 4;
    const char *name = at < WR_COUNT(types) ? types[at].text : "unknown";
    if (!with_modifier || modifier < 0)
        snprintf(text, 64, "%s", name);
    else if (type->oid == WR_OID_NUMERIC)
        snprintf(text, 64, "%s(%d,%d)", name, modifier >> 16, ((modifier & 0x7ff) ^ 1024) - 1024);
    else
        snprintf(text, 64, "%s(%d)", name, modifier);
}

const char *twin_type_name(uint32_t oid) {
    size_t at = place_of(oid);
    return at < WR_COUNT(types) ? types[at].name : "unknown";
}

void twin_type_declare(const struct twin_type *type, char text[64]) {
    size_t at = place_of(type->oid);
    WR_ASSERT(at < WR_COUNT(types));
    snprintf(text, 64, "%s(%u,%d)", types[at].affinity, type->oid, type->modifier);
}

int twin_type_declared(struct twin_type *type, const char *declared) {
    const char *open = declared == NULL ? NULL : strchr(declared, '(');
    char *end = NULL;
    if (open == NULL)
        return -1;
    type->oid = (uint32_t)strtoul(open + 1, &end, 10);
    if (end == NULL || *end != ',')
        return -1;
    type->modifier = (int32_t)strtol(end + 1, NULL, 10);
    return place_of(type->oid) < WR_COUNT(types) ? 0 : -1;
}

/* ---- values --------------------------------------------------------------------------------- */

static struct twin_value of_int(int64_t number) {
    return (struct twin_value){.kind = TWIN_INT, .number = number};
}

static struct twin_value of_text(const char *text, size_t length, struct wr_arena *arena) {
    struct twin_value value = {.kind = TWIN_TEXT, .length = length};
    value.bytes = wr_arena_strndup(arena, text, length);
    WR_ASSERT(value.bytes != NULL);
    return value;
}

static struct twin_value of_real(double real, struct wr_arena *arena) {
    if (isnan(real)) /* SQLite takes it for null */
        return of_text("NaN", 3, arena);
    return (struct twin_value){.kind = TWIN_REAL, .real = real};
}

static uint64_t get(const char *bytes, size_t length) {
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value << 8 | (unsigned char)bytes[i];
    return value;
}

static void put64(struct wr_buf *out, uint64_t value) {
    wr_postgres_put32(out, (uint32_t)(value >> 32));
    wr_postgres_put32(out, (uint32_t)value);
}

/* "2024-01-01 00:00:00.5+00" */
static int time_text(struct twin_value *value, int64_t us, int with_zone, struct wr_arena *arena,
                     struct twin_error *error) {
    struct wr_civil civil;
    char text[64], fraction[16] = "";
    wr_civil_from_timestamp(us, &civil);
    if (civil.year < 1 || civil.year > 9999)
        return twin_fail(error, "22008", "`weir sim` plays no timestamp of the year %lld",
                         (long long)civil.year);
    if (civil.microsecond != 0) {
        int length = snprintf(fraction, sizeof fraction, ".%06d", civil.microsecond);
        while (length > 1 && fraction[length - 1] == '0')
            fraction[--length] = 0;
    }
    snprintf(text, sizeof text, "%04lld-%02d-%02d %02d:%02d:%02d%s%s", (long long)civil.year,
             civil.month, civil.day, civil.hour, civil.minute, civil.second, fraction,
             with_zone ? "+00" : "");
    *value = of_text(text, strlen(text), arena);
    return 0;
}

static int date_text(struct twin_value *value, int64_t days, struct wr_arena *arena,
                     struct twin_error *error) {
    char text[64];
    int64_t year;
    int month, day;
    wr_civil_from_days(days, &year, &month, &day);
    if (year < 1 || year > 9999)
        return twin_fail(error, "22008", "`weir sim` plays no date of the year %lld",
                         (long long)year);
    snprintf(text, sizeof text, "%04lld-%02d-%02d", (long long)year, month, day);
    *value = of_text(text, strlen(text), arena);
    return 0;
}

static int json_text(struct twin_value *value, const char *text, size_t length,
                     struct wr_arena *arena, struct twin_error *error) {
    if (memmem(text, length, "\\u0000", 6) != NULL) {
        twin_fail(error, "22P05", "unsupported Unicode escape sequence");
        snprintf(error->detail, sizeof error->detail, "\\u0000 cannot be converted to text.");
        return -1;
    }
    *value = of_text(text, length, arena);
    return 0;
}

static int is_damaged(uint32_t oid, struct twin_error *error) {
    return twin_fail(error, "22P03", "incorrect binary data format of type %s",
                     twin_type_name(oid));
}

int twin_receive(struct twin_value *value, uint32_t oid, const char *bytes, size_t length,
                 struct wr_arena *arena, struct twin_error *error) {
    uint64_t bits = length <= 8 ? get(bytes, length) : 0;
    double real;
    size_t need = oid == WR_OID_BOOL                             ? 1
                  : oid == WR_OID_DATE                           ? 4
                  : oid == WR_OID_INTERVAL                       ? 16
                  : oid == WR_OID_TEXT || oid == WR_OID_BYTEA    ? length
                  : oid == WR_OID_NUMERIC || oid == WR_OID_JSONB ? length
                                                                 : 8;
    if (length != need || (oid == WR_OID_JSONB && length == 0))
        return is_damaged(oid, error);
    switch (oid) {
    case WR_OID_BOOL: *value = of_int(bits != 0); return 0;
    case WR_OID_INT8: *value = of_int((int64_t)bits); return 0;
    case WR_OID_FLOAT8:
        memcpy(&real, &bits, sizeof real);
        *value = of_real(real, arena);
        return 0;
    case WR_OID_NUMERIC:
        return twin_numeric_receive(value, bytes, length, arena) == 0 ? 0 : is_damaged(oid, error);
    case WR_OID_TEXT:
        *value = of_text(bytes, length, arena);
        if (memchr(bytes, 0, length) != NULL || wr_utf8_valid_prefix(bytes, length) != length)
            return twin_fail(error, "22021", "invalid byte sequence for encoding \"UTF8\"");
        return 0;
    case WR_OID_BYTEA:
        *value = of_text(bytes, length, arena);
        value->kind = TWIN_BLOB;
        return 0;
    case WR_OID_TIMESTAMPTZ:
        return time_text(value, (int64_t)bits + EPOCH_DAYS * WR_US_PER_DAY, 1, arena, error);
    case WR_OID_DATE: return date_text(value, (int32_t)bits + EPOCH_DAYS, arena, error);
    case WR_OID_INTERVAL:
        *value = of_int((int64_t)get(bytes, 8));
        return get(bytes + 8, 8) == 0 ? 0 : is_damaged(oid, error);
    case WR_OID_JSONB: return json_text(value, bytes + 1, length - 1, arena, error);
    default: return is_damaged(oid, error);
    }
}

/* Timestamps and dates as microseconds and days. */
static int64_t time_of(const struct twin_value *value, uint32_t oid) {
    int64_t number = 0;
    int good = oid == WR_OID_DATE ? wr_date_parse(value->bytes, value->length, &number)
                                  : wr_timestamp_parse(value->bytes, value->length, &number);
    WR_ASSERT(good);
    return number;
}

static void send_float(struct wr_buf *out, const struct twin_value *value, uint32_t oid) {
    double real = value->kind == TWIN_REAL  ? value->real
                  : value->kind == TWIN_INT ? (double)value->number
                                            : (double)NAN;
    float small = (float)real;
    uint64_t bits;
    uint32_t bits32;
    memcpy(&bits, &real, sizeof bits);
    memcpy(&bits32, &small, sizeof bits32);
    if (oid == WR_OID_FLOAT4)
        wr_postgres_put32(out, bits32);
    else
        put64(out, bits);
}

int twin_send(struct wr_buf *out, const struct twin_value *value, uint32_t oid,
              struct twin_error *error) {
    int is_number = value->kind == TWIN_INT;
    switch (oid) {
    case WR_OID_BOOL:
        if (is_number)
            return wr_buf_add_char(out, (char)(value->number != 0)), 0;
        break;
    case WR_OID_INT2:
        if (is_number)
            return wr_postgres_put16(out, (uint16_t)value->number), 0;
        break;
    case WR_OID_INT4:
        if (is_number)
            return wr_postgres_put32(out, (uint32_t)value->number), 0;
        break;
    case WR_OID_INT8:
        if (is_number)
            return put64(out, (uint64_t)value->number), 0;
        break;
    case WR_OID_INTERVAL:
        if (is_number)
            return put64(out, (uint64_t)value->number), put64(out, 0), 0;
        break;
    case WR_OID_FLOAT4:
    case WR_OID_FLOAT8: return send_float(out, value, oid), 0;
    case WR_OID_NUMERIC: return twin_numeric_send(out, value), 0;
    case WR_OID_TIMESTAMP:
    case WR_OID_TIMESTAMPTZ:
        if (value->kind == TWIN_TEXT)
            return put64(out, (uint64_t)(time_of(value, oid) - EPOCH_DAYS * WR_US_PER_DAY)), 0;
        break;
    case WR_OID_DATE:
        if (value->kind == TWIN_TEXT)
            return wr_postgres_put32(out, (uint32_t)(time_of(value, oid) - EPOCH_DAYS)), 0;
        break;
    default:
        if (value->kind == TWIN_TEXT || value->kind == TWIN_BLOB)
            return wr_buf_add(out, value->bytes, value->length), 0;
    }
    return twin_fail(error, "XX000",
                     "`weir sim` cannot play this query: it gives a value that is "
                     "no %s",
                     twin_type_name(oid));
}

/* ---- text ----------------------------------------------------------------------------------- */

static void write_real(struct wr_buf *out, double real) {
    char text[64], *at;
    if (isinf(real)) {
        wr_buf_add_text(out, real < 0 ? "-Infinity" : "Infinity");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads back equal */
        snprintf(text, sizeof text, "%.*g", digits, real);
        double back = strtod(text, &at);
        if (memcmp(&back, &real, sizeof real) == 0)
            break;
    }
    wr_buf_add_text(out, text);
}

void twin_write(struct wr_buf *out, const struct twin_value *value, const struct twin_type *type) {
    char text[WR_TIME_TEXT_MAX];
    int scale = type->modifier < 4 ? -1 : (((type->modifier - 4) & 0x7ff) ^ 1024) - 1024;
    switch (type->oid) {
    case WR_OID_BOOL: wr_buf_add_text(out, value->number ? "true" : "false"); return;
    case WR_OID_NUMERIC: twin_numeric_write(out, value, scale); return;
    case WR_OID_INTERVAL:
        wr_duration_format(value->number, text);
        wr_buf_add_text(out, text);
        return;
    case WR_OID_BYTEA:
        wr_buf_add_text(out, "\\x");
        for (size_t i = 0; i < value->length; i++)
            wr_buf_addf(out, "%02x", (unsigned char)value->bytes[i]);
        return;
    default: break;
    }
    if (value->kind == TWIN_INT)
        wr_buf_addf(out, "%" PRId64, value->number);
    else if (value->kind == TWIN_REAL)
        write_real(out, value->real);
    else
        wr_buf_add(out, value->bytes, value->length);
}

static int is_no(const struct twin_type *type, const char *text, size_t length,
                 struct twin_error *error) {
    return twin_fail(error, "22P02", "invalid input syntax for type %s: \"%.*s\"",
                     twin_type_name(type->oid), (int)WR_MIN(length, (size_t)80), text);
}

static int parse_int(struct twin_value *value, const struct twin_type *type, const char *text,
                     size_t length, struct twin_error *error) {
    struct wr_buf copy;
    char *end = NULL, digits[32];
    (void)copy;
    snprintf(digits, sizeof digits, "%.*s", (int)WR_MIN(length, sizeof digits - 1), text);
    *value = of_int(strtoll(digits, &end, 10));
    return length > 0 && length < sizeof digits && *end == 0 ? 0 : is_no(type, text, length, error);
}

static int parse_bool(struct twin_value *value, const char *text, size_t length) {
    int is_true = (length == 1 && text[0] == 't') || (length == 4 && memcmp(text, "true", 4) == 0);
    int is_false =
        (length == 1 && text[0] == 'f') || (length == 5 && memcmp(text, "false", 5) == 0);
    *value = of_int(is_true);
    return is_true || is_false ? 0 : -1;
}

static int parse_real(struct twin_value *value, const char *text, size_t length,
                      struct wr_arena *arena) {
    char copy[400], *end = NULL;
    snprintf(copy, sizeof copy, "%.*s", (int)WR_MIN(length, sizeof copy - 1), text);
    *value = of_real(strtod(copy, &end), arena);
    return length > 0 && length < sizeof copy && *end == 0 ? 0 : -1;
}

int twin_parse(struct twin_value *value, const struct twin_type *type, const char *text,
               size_t length, struct wr_arena *arena, struct twin_error *error) {
    int64_t number = 0;
    int status = 0;
    switch (type->oid) {
    case WR_OID_BOOL: status = parse_bool(value, text, length); break;
    case WR_OID_INT2:
    case WR_OID_INT4:
    case WR_OID_INT8: return parse_int(value, type, text, length, error);
    case WR_OID_FLOAT4:
    case WR_OID_FLOAT8: status = parse_real(value, text, length, arena); break;
    case WR_OID_NUMERIC: status = twin_numeric_parse(value, text, length, arena); break;
    case WR_OID_DATE:
        if (wr_date_parse(text, length, &number))
            return date_text(value, number, arena, error);
        status = -1;
        break;
    case WR_OID_TIMESTAMP:
    case WR_OID_TIMESTAMPTZ:
        if (wr_timestamp_parse(text, length, &number))
            return time_text(value, number, type->oid == WR_OID_TIMESTAMPTZ, arena, error);
        status = -1;
        break;
    case WR_OID_INTERVAL:
        status = wr_duration_parse(text, length, &number) ? 0 : -1;
        *value = of_int(number);
        break;
    case WR_OID_JSON:
    case WR_OID_JSONB: return json_text(value, text, length, arena, error);
    default: *value = of_text(text, length, arena);
    }
    return status == 0 ? 0 : is_no(type, text, length, error);
}

/* ---- into a column -------------------------------------------------------------------------- */

static int fit_int(const struct twin_value *value, const struct twin_type *type,
                   struct twin_error *error) {
    int64_t least = type->oid == WR_OID_INT2 ? INT16_MIN : INT32_MIN;
    int64_t most = type->oid == WR_OID_INT2 ? INT16_MAX : INT32_MAX;
    char text[64];
    if (type->oid == WR_OID_INT8 || (value->number >= least && value->number <= most))
        return 0;
    twin_type_text(type, 0, text);
    return twin_fail(error, "22003", "%s out of range", text);
}

/* Letters, of which a character may have several bytes. */
static size_t letters_of(const struct twin_value *value) {
    size_t count = 0;
    for (size_t i = 0; i < value->length; i++)
        count += ((unsigned char)value->bytes[i] & 0xc0) != 0x80;
    return count;
}

static int fit_text(struct twin_value *value, const struct twin_type *type, struct wr_arena *arena,
                    struct twin_error *error) {
    size_t most = type->modifier < 4 ? SIZE_MAX : (size_t)type->modifier - 4;
    size_t letters = letters_of(value);
    char text[64];
    while (letters > most && value->length > 0 && value->bytes[value->length - 1] == ' ') {
        value->length--;
        letters--;
    }
    if (letters > most) {
        twin_type_text(type, 1, text);
        return twin_fail(error, "22001", "value too long for type %s", text);
    }
    if (type->oid != WR_OID_BPCHAR || letters >= most || most == SIZE_MAX)
        return 0;
    char *padded = wr_arena_alloc(arena, value->length + (most - letters) + 1);
    WR_ASSERT(padded != NULL);
    memcpy(padded, value->bytes, value->length);
    memset(padded + value->length, ' ', most - letters);
    value->bytes = padded;
    value->length += most - letters;
    return 0;
}

static int fit_uuid(struct twin_value *value, struct wr_arena *arena, struct twin_error *error) {
    char *text = wr_arena_strndup(arena, value->bytes, value->length);
    int good = value->length == 36;
    WR_ASSERT(text != NULL);
    for (size_t i = 0; i < value->length && good; i++) {
        if (text[i] >= 'A' && text[i] <= 'F')
            text[i] = (char)(text[i] + 'a' - 'A');
        good = i == 8 || i == 13 || i == 18 || i == 23
                   ? text[i] == '-'
                   : (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    }
    if (!good)
        return is_no(&(struct twin_type){WR_OID_UUID, -1}, value->bytes, value->length, error);
    value->bytes = text;
    return 0;
}

static int is_text_type(uint32_t oid) {
    return oid == WR_OID_TEXT || oid == WR_OID_VARCHAR || oid == WR_OID_BPCHAR ||
           oid == WR_OID_UUID || oid == WR_OID_JSON || oid == WR_OID_JSONB;
}

int twin_fit(struct twin_value *value, const struct twin_type *type, struct wr_arena *arena,
             struct twin_error *error) {
    uint32_t oid = type->oid;
    if (value->kind == TWIN_NULL)
        return 0;
    int is_literal = value->kind == TWIN_TEXT && !is_text_type(oid) &&
                     !(oid == WR_OID_NUMERIC || oid == WR_OID_DATE || oid == WR_OID_TIMESTAMPTZ);
    if (is_literal && oid != WR_OID_BYTEA) {
        struct twin_value text = *value;
        if (twin_parse(value, type, text.bytes, text.length, arena, error) != 0)
            return -1;
    }
    switch (oid) {
    case WR_OID_INT2:
    case WR_OID_INT4:
    case WR_OID_INT8:
        return value->kind == TWIN_INT ? fit_int(value, type, error) : is_no(type, "", 0, error);
    case WR_OID_NUMERIC: {
        struct twin_value text = *value;
        if (text.kind == TWIN_TEXT &&
            twin_numeric_parse(value, text.bytes, text.length, arena) != 0)
            return is_no(type, text.bytes, text.length, error);
        return twin_numeric_fit(value, type->modifier, arena, error);
    }
    case WR_OID_DATE:
    case WR_OID_TIMESTAMPTZ: {
        struct twin_value text = *value;
        return text.kind == TWIN_TEXT
                   ? twin_parse(value, type, text.bytes, text.length, arena, error)
                   : is_no(type, "", 0, error);
    }
    case WR_OID_VARCHAR:
    case WR_OID_BPCHAR: return fit_text(value, type, arena, error);
    case WR_OID_UUID: return fit_uuid(value, arena, error);
    default: return 0;
    }
}
