/* json_value.c: reads, compares and converts values inside JSON text. */
#include "expr/json_value.h"

#include <math.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/base64.h"
#include "data/json_text.h"
#include "data/text.h"
#include "data/time.h"
#include "base/banned.h"

#define INT64_END 9223372036854775808.0 /* 2^63 */

const char *wr_json_is_text(enum wr_json_is is) {
    static const char *const texts[] = {"nil",      "a bool", "a number", "a number",
                                        "a string", "a list", "an object"};
    return texts[is];
}

/* ---- reading ---- */

static int read_string(struct wr_arena *arena, const char *text, uint32_t length,
                       struct wr_json_value *value) {
    value->is = WR_JSON_IS_STRING;
    value->bytes = text + 1;
    value->length = length - 2;
    if (memchr(value->bytes, '\\', value->length) == NULL)
        return 1;
    char *plain = wr_arena_alloc(arena, value->length);
    if (plain == NULL)
        return 0;
    value->length = (uint32_t)wr_json_unescape(value->bytes, value->bytes + value->length, plain);
    value->bytes = plain;
    return 1;
}

int wr_json_value_read(struct wr_arena *arena, const char *text, uint32_t length,
                       struct wr_json_value *value) {
    const char *end = text + length;
    text = wr_json_blanks_end(text, end);
    while (end > text && wr_json_is_blank(end[-1]))
        end--;
    *value = (struct wr_json_value){.bytes = text, .length = (uint32_t)(end - text)};
    if (value->length == 0 || *text == 'n')
        return 1;
    switch (*text) {
    case '"': return read_string(arena, text, value->length, value);
    case '[': value->is = WR_JSON_IS_LIST; return 1;
    case '{': value->is = WR_JSON_IS_MAP; return 1;
    case 't':
    case 'f':
        value->is = WR_JSON_IS_BOOL;
        value->integer = *text == 't';
        return 1;
    default: break;
    }
    if (wr_int64_parse(text, value->length, &value->integer)) {
        value->is = WR_JSON_IS_INT;
        return 1;
    }
    value->is = WR_JSON_IS_FLOAT;
    wr_float64_parse(text, value->length, 0, &value->number);
    return 1;
}

int wr_json_operand(struct wr_arena *arena, const struct wr_type *type,
                    const struct wr_column *column, uint32_t row, struct wr_json_value *value) {
    *value = (struct wr_json_value){0};
    if (wr_column_is_nil(column, row))
        return 1;
    switch (type->kind) {
    case WR_BOOL:
        value->is = WR_JSON_IS_BOOL;
        value->integer = WR_BOOLS(column)[row];
        return 1;
    case WR_INT64:
        value->is = WR_JSON_IS_INT;
        value->integer = WR_I64(column)[row];
        return 1;
    case WR_FLOAT64:
        value->is = WR_JSON_IS_FLOAT;
        value->number = WR_F64(column)[row];
        return 1;
    case WR_STRING:
        value->is = WR_JSON_IS_STRING;
        value->bytes = wr_str_bytes(&WR_STR(column)[row]);
        value->length = WR_STR(column)[row].length;
        return 1;
    default: {
        const struct wr_str *str = &WR_STR(column)[row];
        WR_ASSERT(type->kind >= WR_JSON);
        return wr_json_value_read(arena, wr_str_bytes(str), str->length, value);
    }
    }
}

/* ---- walking ---- */

struct walk {
    const char *at, *end;
};

static int walk_start(struct walk *walk, const struct wr_str *text, char open) {
    walk->at = wr_str_bytes(text);
    walk->end = walk->at + text->length;
    walk->at = wr_json_blanks_end(walk->at, walk->end);
    if (walk->at == walk->end || *walk->at != open)
        return 0;
    walk->at++;
    return 1;
}

/* The next value of an array, or the next key or value of an object; 0 at the end. */
static int walk_next(struct walk *walk, const char **from, const char **to) {
    struct wr_json_scan scan;
    while (walk->at < walk->end &&
           (wr_json_is_blank(*walk->at) || *walk->at == ',' || *walk->at == ':'))
        walk->at++;
    if (walk->at >= walk->end || *walk->at == ']' || *walk->at == '}')
        return 0;
    *from = walk->at;
    *to = wr_json_value_end(&scan, walk->at, walk->end);
    if (*to == NULL)
        return 0;
    walk->at = *to;
    return 1;
}

/* Whether the key (with its quotes) says `name`. */
static int key_is(const char *from, const char *to, const char *name, uint32_t length) {
    from++;
    to--;
    if (memchr(from, '\\', (size_t)(to - from)) == NULL)
        return (uint64_t)(to - from) == length && memcmp(from, name, length) == 0;
    char plain[512]; /* a longer key with escapes is never asked for by a path */
    if ((size_t)(to - from) > sizeof plain)
        return 0;
    return wr_json_unescape(from, to, plain) == length && memcmp(plain, name, length) == 0;
}

int wr_json_member(const struct wr_str *object, const char *name, uint32_t name_length,
                   struct wr_str *member) {
    struct walk walk;
    int found = 0;
    const char *key, *key_end, *value, *value_end;
    if (!walk_start(&walk, object, '{'))
        return 0;
    while (walk_next(&walk, &key, &key_end) && walk_next(&walk, &value, &value_end)) {
        if (!key_is(key, key_end, name, name_length))
            continue;
        *member = wr_str_of(value, (uint32_t)(value_end - value));
        found = 1;
    }
    return found;
}

int wr_json_next_element(const struct wr_str *array, const char **at, struct wr_str *element) {
    struct walk walk;
    const char *from, *to;
    if (!walk_start(&walk, array, '['))
        return 0;
    if (*at != NULL)
        walk.at = *at;
    if (!walk_next(&walk, &from, &to))
        return 0;
    *at = walk.at;
    *element = wr_str_of(from, (uint32_t)(to - from));
    return 1;
}

int wr_json_element(const struct wr_str *array, int64_t index, struct wr_str *element) {
    struct walk walk;
    const char *from, *to;
    if (index < 1 || !walk_start(&walk, array, '['))
        return 0;
    for (int64_t i = 1; walk_next(&walk, &from, &to); i++) {
        if (i == index) {
            *element = wr_str_of(from, (uint32_t)(to - from));
            return 1;
        }
    }
    return 0;
}

int64_t wr_json_count(const struct wr_str *text) {
    struct walk walk;
    const char *from, *to;
    int is_object = walk_start(&walk, text, '{');
    if (!is_object && !walk_start(&walk, text, '['))
        return -1;
    int64_t count = 0;
    while (walk_next(&walk, &from, &to))
        count++;
    return is_object ? count / 2 : count;
}

/* ---- equality ---- */

static int number_equal(const struct wr_json_value *a, const struct wr_json_value *b) {
    if (a->is == b->is)
        return a->is == WR_JSON_IS_INT ? a->integer == b->integer : a->number == b->number;
    int64_t integer = a->is == WR_JSON_IS_INT ? a->integer : b->integer;
    double number = a->is == WR_JSON_IS_INT ? b->number : a->number;
    return number >= -INT64_END && number < INT64_END && floor(number) == number &&
           (int64_t)number == integer;
}

static int text_equal(struct wr_arena *arena, const struct wr_str *a, const struct wr_str *b,
                      int *status) {
    struct wr_json_value x, y;
    if (!wr_json_value_read(arena, wr_str_bytes(a), a->length, &x) ||
        !wr_json_value_read(arena, wr_str_bytes(b), b->length, &y)) {
        *status = WR_ENOMEM;
        return 0;
    }
    return wr_json_equal(arena, &x, &y, status);
}

static int lists_equal(struct wr_arena *arena, const struct wr_str *a, const struct wr_str *b,
                       int *status) {
    const char *at_a = NULL, *at_b = NULL;
    struct wr_str x, y;
    while (wr_json_next_element(a, &at_a, &x)) {
        if (!wr_json_next_element(b, &at_b, &y) || !text_equal(arena, &x, &y, status))
            return 0;
    }
    return !wr_json_next_element(b, &at_b, &y);
}

static int maps_equal(struct wr_arena *arena, const struct wr_str *a, const struct wr_str *b,
                      int *status) {
    struct walk walk;
    const char *key, *key_end, *value, *value_end;
    if (wr_json_count(a) != wr_json_count(b) || !walk_start(&walk, a, '{'))
        return 0;
    while (walk_next(&walk, &key, &key_end) && walk_next(&walk, &value, &value_end)) {
        struct wr_json_value name;
        struct wr_str x = wr_str_of(value, (uint32_t)(value_end - value)), y;
        if (!wr_json_value_read(arena, key, (uint32_t)(key_end - key), &name)) {
            *status = WR_ENOMEM;
            return 0;
        }
        if (!wr_json_member(b, name.bytes, name.length, &y) || !text_equal(arena, &x, &y, status))
            return 0;
    }
    return 1;
}

int wr_json_equal(struct wr_arena *arena, const struct wr_json_value *a,
                  const struct wr_json_value *b, int *status) {
    int numbers = (a->is == WR_JSON_IS_INT || a->is == WR_JSON_IS_FLOAT) &&
                  (b->is == WR_JSON_IS_INT || b->is == WR_JSON_IS_FLOAT);
    if (numbers)
        return number_equal(a, b);
    if (a->is != b->is)
        return 0;
    struct wr_str x = wr_str_of(a->bytes, a->length), y = wr_str_of(b->bytes, b->length);
    switch (a->is) {
    case WR_JSON_IS_BOOL: return a->integer == b->integer;
    case WR_JSON_IS_STRING: return wr_str_equal(&x, &y);
    case WR_JSON_IS_LIST: return lists_equal(arena, &x, &y, status);
    case WR_JSON_IS_MAP: return maps_equal(arena, &x, &y, status);
    default: return 1;
    }
}

/* ---- as an element of a column ---- */

static int to_int64(const struct wr_json_value *value, int strict, int64_t *out) {
    *out = value->integer;
    if (value->is == WR_JSON_IS_INT)
        return 1;
    if (value->is == WR_JSON_IS_FLOAT && value->number >= -INT64_END && value->number < INT64_END &&
        floor(value->number) == value->number) {
        *out = (int64_t)value->number;
        return 1;
    }
    if (!strict && value->is == WR_JSON_IS_BOOL)
        return 1;
    return !strict && value->is == WR_JSON_IS_STRING &&
           wr_int64_parse(value->bytes, value->length, out);
}

static int to_float64(const struct wr_json_value *value, int strict, double *out) {
    *out = value->is == WR_JSON_IS_INT ? (double)value->integer : value->number;
    if (value->is == WR_JSON_IS_INT || value->is == WR_JSON_IS_FLOAT)
        return 1;
    return !strict && value->is == WR_JSON_IS_STRING &&
           wr_float64_parse(value->bytes, value->length, 1, out);
}

static int to_bool(const struct wr_json_value *value, int strict, uint8_t *out) {
    *out = (uint8_t)(value->integer != 0);
    if (value->is == WR_JSON_IS_BOOL)
        return 1;
    if (strict)
        return 0;
    if (value->is == WR_JSON_IS_INT)
        return value->integer == 0 || value->integer == 1;
    *out = value->is == WR_JSON_IS_STRING && value->length == 4 &&
           memcmp(value->bytes, "true", 4) == 0;
    return *out || (value->is == WR_JSON_IS_STRING && value->length == 5 &&
                    memcmp(value->bytes, "false", 5) == 0);
}

static int to_time(const struct wr_json_value *value, enum wr_type_kind kind, int64_t *out) {
    if (value->is != WR_JSON_IS_STRING)
        return 0;
    return kind == WR_TIMESTAMP ? wr_timestamp_parse(value->bytes, value->length, out)
           : kind == WR_DATE    ? wr_date_parse(value->bytes, value->length, out)
                                : wr_duration_parse(value->bytes, value->length, out);
}

static enum wr_json_fit to_text(struct wr_arena *arena, const struct wr_json_value *value,
                                const struct wr_type *type, int strict, struct wr_str *out) {
    if (type->kind == WR_BYTES) {
        if (value->is != WR_JSON_IS_STRING)
            return WR_JSON_MISFIT;
        char *bytes = wr_arena_alloc(arena, value->length + 4);
        size_t length = 0;
        if (bytes == NULL)
            return WR_JSON_NO_MEMORY;
        if (!wr_base64_decode(value->bytes, value->length, bytes, &length))
            return WR_JSON_MISFIT;
        *out = wr_str_of(bytes, (uint32_t)length);
        return WR_JSON_FITS;
    }
    int fits = type->kind == WR_JSON     ? 1
               : type->kind == WR_STRING ? value->is == WR_JSON_IS_STRING || !strict
               : type->kind == WR_LIST   ? value->is == WR_JSON_IS_LIST
                                         : value->is == WR_JSON_IS_MAP;
    if (!fits)
        return WR_JSON_MISFIT;
    *out = wr_str_of(value->bytes, value->length);
    return WR_JSON_FITS;
}

enum wr_json_fit wr_json_to_element(struct wr_arena *arena, const struct wr_json_value *value,
                                    const struct wr_type *type, int strict, void *element) {
    int fits = 0;
    switch (type->kind) {
    case WR_BOOL: fits = to_bool(value, strict, element); break;
    case WR_INT64: fits = to_int64(value, strict, element); break;
    case WR_FLOAT64: fits = to_float64(value, strict, element); break;
    case WR_DECIMAL:
        fits = (value->is == WR_JSON_IS_INT || value->is == WR_JSON_IS_FLOAT ||
                value->is == WR_JSON_IS_STRING) &&
               wr_decimal_parse(value->bytes, value->length, type->precision, type->scale, element);
        break;
    case WR_TIMESTAMP:
    case WR_DATE:
    case WR_DURATION: fits = to_time(value, type->kind, element); break;
    default: return to_text(arena, value, type, strict, element);
    }
    return fits ? WR_JSON_FITS : WR_JSON_MISFIT;
}
