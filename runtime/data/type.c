/* type.c: names, sizes and equality of types; the order of strings. */
#include "data/type.h"

#include <stdio.h>

#include "base/assert.h"
#include "data/schema.h"
#include "base/banned.h"

static const struct {
    const char *name;
    uint32_t bytes;
} kinds[WR_TYPE_KINDS] = {
    [WR_NIL] = {"nil", 1},
    [WR_BOOL] = {"bool", sizeof(uint8_t)},
    [WR_INT64] = {"int64", sizeof(int64_t)},
    [WR_FLOAT64] = {"float64", sizeof(double)},
    [WR_DECIMAL] = {"decimal", sizeof(__int128)},
    [WR_STRING] = {"string", sizeof(struct wr_str)},
    [WR_BYTES] = {"bytes", sizeof(struct wr_str)},
    [WR_TIMESTAMP] = {"timestamp", sizeof(int64_t)},
    [WR_DATE] = {"date", sizeof(int64_t)},
    [WR_DURATION] = {"duration", sizeof(int64_t)},
    [WR_JSON] = {"json", sizeof(struct wr_str)},
    [WR_LIST] = {"list", sizeof(struct wr_str)},
    [WR_STRUCT] = {"struct", sizeof(struct wr_str)},
    [WR_MAP] = {"map", sizeof(struct wr_str)},
};

uint32_t wr_type_bytes(enum wr_type_kind kind) {
    WR_ASSERT((unsigned)kind < WR_TYPE_KINDS);
    return kinds[kind].bytes;
}

enum wr_type_kind wr_type_kind_named(const char *name, size_t length) {
    for (int kind = WR_BOOL; kind < WR_TYPE_KINDS; kind++)
        if (strlen(kinds[kind].name) == length && memcmp(kinds[kind].name, name, length) == 0)
            return (enum wr_type_kind)kind;
    return WR_TYPE_KINDS;
}

/* Text that is cut at the end of its room; always 0-terminated. */
struct cut_text {
    char *text;
    size_t size, length;
};

static void put_bytes(struct cut_text *out, const char *bytes, size_t length) {
    for (size_t i = 0; i < length && out->length + 1 < out->size; i++)
        out->text[out->length++] = bytes[i];
    if (out->size > 0)
        out->text[out->length] = 0;
}

static void put(struct cut_text *out, const char *text) {
    put_bytes(out, text, strlen(text));
}

static void put_type(struct cut_text *out, const struct wr_type *type) {
    put(out, (unsigned)type->kind < WR_TYPE_KINDS ? kinds[type->kind].name : "?");
    if (type->kind == WR_DECIMAL && type->precision > 0) {
        char digits[16];
        snprintf(digits, sizeof digits, "(%u,%u)", type->precision, type->scale);
        put(out, digits);
    }
    if (type->child == NULL)
        return;
    put(out, "<");
    for (uint32_t i = 0; i < type->child->field_count; i++) {
        const struct wr_field *field = &type->child->fields[i];
        if (i > 0)
            put(out, ", ");
        if (type->kind == WR_STRUCT) {
            put_bytes(out, field->name, field->name_length);
            put(out, " ");
        }
        put_type(out, &field->type);
    }
    put(out, ">");
}

char *wr_type_text(const struct wr_type *type, char *text, size_t size) {
    struct cut_text out = {.text = text, .size = size};
    put_type(&out, type);
    return text;
}

int wr_type_equal(const struct wr_type *a, const struct wr_type *b) {
    if (a->kind != b->kind)
        return 0;
    if (a->kind == WR_DECIMAL)
        return a->precision == b->precision && a->scale == b->scale;
    if (a->child == NULL || b->child == NULL)
        return a->child == b->child;
    if (a->child->field_count != b->child->field_count)
        return 0;
    for (uint32_t i = 0; i < a->child->field_count; i++) {
        const struct wr_field *x = &a->child->fields[i], *y = &b->child->fields[i];
        if (!wr_type_equal(&x->type, &y->type))
            return 0;
        if (a->kind == WR_STRUCT &&
            (x->name_length != y->name_length || memcmp(x->name, y->name, x->name_length) != 0))
            return 0;
    }
    return 1;
}

int wr_str_compare(const struct wr_str *a, const struct wr_str *b) {
    uint32_t shorter = WR_MIN(a->length, b->length);
    int order = memcmp(wr_str_bytes(a), wr_str_bytes(b), shorter);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}
