/* schema.c: schemas from plain data and back. */
#include "data/schema.h"

#include <string.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/value.h"
#include "base/banned.h"

#define TYPE_DEPTH_MAX 32 /* levels of list<list<…>> */

struct wr_schema *wr_schema_new(struct wr_arena *arena, uint32_t field_count) {
    struct wr_schema *schema = wr_arena_alloc_zero(
        arena, sizeof(struct wr_schema) + sizeof(struct wr_field) * (size_t)field_count);
    if (schema != NULL)
        schema->field_count = field_count;
    return schema;
}

void wr_schema_forget_windows(struct wr_schema *schema) {
    for (uint32_t c = 0; c < schema->field_count; c++)
        schema->fields[c].ends_window = 0;
}

int wr_schema_find(const struct wr_schema *schema, const char *name, uint32_t name_length) {
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wr_field *field = &schema->fields[i];
        if (field->name_length == name_length && memcmp(field->name, name, name_length) == 0)
            return (int)i;
    }
    return -1;
}

/* A deep copy, so that a schema does not depend on the life of what it was made from. */
static int value_copy(struct wr_value *to, struct wr_arena *arena, const struct wr_value *from,
                      int depth) {
    *to = *from;
    if (depth > TYPE_DEPTH_MAX)
        return WR_ELIMIT;
    if (from->kind == WR_VALUE_STRING) {
        to->string = wr_arena_strndup(arena, from->string, from->count);
        return to->string == NULL ? WR_ENOMEM : WR_OK;
    }
    if (from->kind != WR_VALUE_LIST && from->kind != WR_VALUE_MAP)
        return WR_OK;
    to->items = WR_ARENA_ZEROS(arena, struct wr_value, from->count);
    to->names = NULL;
    if (to->items == NULL)
        return WR_ENOMEM;
    if (from->kind == WR_VALUE_MAP) {
        to->names = WR_ARENA_ARRAY(arena, const char *, from->count);
        if (to->names == NULL)
            return WR_ENOMEM;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        if (from->kind == WR_VALUE_MAP) {
            to->names[i] = wr_arena_strndup(arena, from->names[i], strlen(from->names[i]));
            if (to->names[i] == NULL)
                return WR_ENOMEM;
        }
        int status = value_copy(&to->items[i], arena, &from->items[i], depth + 1);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

static int copy_into(const struct wr_value **to, struct wr_arena *arena,
                     const struct wr_value *from) {
    if (from == NULL)
        return WR_OK;
    struct wr_value *copy = WR_ARENA_ZEROS(arena, struct wr_value, 1);
    if (copy == NULL)
        return WR_ENOMEM;
    *to = copy;
    return value_copy(copy, arena, from, 0);
}

static int fields_from(const struct wr_schema **schema, struct wr_arena *arena,
                       const struct wr_value *list, int depth, struct wr_error *err);

static int type_from(struct wr_type *type, struct wr_arena *arena, const struct wr_value *value,
                     int depth, struct wr_error *err);

/* The child of a list or map: its parts under their own names ("item"; "key", "value"). */
static int child_from(struct wr_type *type, struct wr_arena *arena, const struct wr_value *value,
                      const char *const *parts, int depth, struct wr_error *err) {
    uint32_t count = parts[1] == NULL ? 1 : 2;
    struct wr_schema *child = wr_schema_new(arena, count);
    if (child == NULL)
        return wr_error_set(err, WR_ENOMEM, "schema: out of memory");
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *part = wr_value_get(value, parts[i]);
        child->fields[i].name = parts[i];
        child->fields[i].name_length = (uint32_t)strlen(parts[i]);
        if (part == NULL) /* `list` alone: the elements are any JSON */
            child->fields[i].type = WR_TYPE(i == 0 && count == 2 ? WR_STRING : WR_JSON);
        else {
            int status = type_from(&child->fields[i].type, arena, part, depth + 1, err);
            if (status != WR_OK)
                return status;
        }
    }
    type->child = child;
    return WR_OK;
}

static int decimal_from(struct wr_type *type, const struct wr_value *value, struct wr_error *err) {
    int64_t precision = wr_value_int(value, "precision", WR_DECIMAL_DIGITS_MAX);
    int64_t scale = wr_value_int(value, "scale", 0);
    if (precision < 1 || precision > WR_DECIMAL_DIGITS_MAX || scale < 0 || scale > precision)
        return wr_error_script(err, "W116", "decimal(p,s) needs 1 <= p <= %d and 0 <= s <= p",
                               WR_DECIMAL_DIGITS_MAX);
    type->precision = (uint8_t)precision;
    type->scale = (uint8_t)scale;
    return WR_OK;
}

static int type_from(struct wr_type *type, struct wr_arena *arena, const struct wr_value *value,
                     int depth, struct wr_error *err) {
    static const char *const list_parts[] = {"item", NULL};
    static const char *const map_parts[] = {"key", "value"};
    const char *name = value != NULL && value->kind == WR_VALUE_STRING
                           ? value->string
                           : wr_value_string(value, "kind", "");
    *type = WR_TYPE(wr_type_kind_named(name, strlen(name)));
    if (depth > TYPE_DEPTH_MAX)
        return wr_error_script(err, "W116", "a type nests at most %d levels", TYPE_DEPTH_MAX);
    switch (type->kind) {
    case WR_TYPE_KINDS: return wr_error_script(err, "W116", "unknown type `%s`", name);
    case WR_DECIMAL: return decimal_from(type, value, err);
    case WR_LIST: return child_from(type, arena, value, list_parts, depth, err);
    case WR_MAP: return child_from(type, arena, value, map_parts, depth, err);
    case WR_STRUCT: {
        const struct wr_value *fields = wr_value_get(value, "fields");
        return fields == NULL ? WR_OK : fields_from(&type->child, arena, fields, depth + 1, err);
    }
    default: return WR_OK;
    }
}

static int field_from(struct wr_field *field, struct wr_arena *arena, const struct wr_value *value,
                      int depth, struct wr_error *err) {
    const struct wr_value *name = wr_value_get(value, "name");
    if (name == NULL || name->kind != WR_VALUE_STRING)
        return wr_error_set(err, WR_EARG, "schema: a field without a name");
    field->name = wr_arena_strndup(arena, name->string, name->count);
    field->name_length = name->count;
    if (field->name == NULL)
        return wr_error_set(err, WR_ENOMEM, "schema: out of memory");
    int status = type_from(&field->type, arena, wr_value_get(value, "type"), depth, err);
    if (status != WR_OK)
        return status;
    field->key = wr_value_bool(value, "key", 0) != 0;
    field->required = wr_value_bool(value, "required", 0) != 0;
    const char *format = wr_value_string(value, "time_format", NULL);
    if (format != NULL) {
        field->time_format = wr_arena_strndup(arena, format, strlen(format));
        if (field->time_format == NULL)
            return wr_error_set(err, WR_ENOMEM, "schema: out of memory");
    }
    status = copy_into(&field->default_value, arena, wr_value_get(value, "default"));
    if (status == WR_OK)
        status = copy_into(&field->notes, arena, wr_value_get(value, "notes"));
    return status == WR_OK ? WR_OK
                           : wr_error_set(err, status, "schema: %s", wr_status_text(status));
}

static int fields_from(const struct wr_schema **result, struct wr_arena *arena,
                       const struct wr_value *list, int depth, struct wr_error *err) {
    uint32_t count = wr_value_count(list);
    if (list == NULL || (list->kind != WR_VALUE_LIST && count > 0))
        return wr_error_set(err, WR_EARG, "schema: a list of fields is expected");
    if (count > WR_COLUMNS_MAX)
        return wr_error_script(err, "W203", "a schema has at most %d columns, got %u",
                               WR_COLUMNS_MAX, count);
    struct wr_schema *schema = wr_schema_new(arena, count);
    if (schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "schema: out of memory");
    for (uint32_t i = 0; i < count; i++) {
        struct wr_field *field = &schema->fields[i];
        int status = field_from(field, arena, wr_value_at(list, i), depth, err);
        if (status != WR_OK)
            return status;
        schema->field_count = i; /* only those before it are searched */
        int before = wr_schema_find(schema, field->name, field->name_length);
        schema->field_count = count;
        if (before >= 0)
            return wr_error_script(err, "W105", "duplicate name `%s`", field->name);
    }
    *result = schema;
    return WR_OK;
}

int wr_schema_from_value(const struct wr_schema **schema, struct wr_arena *arena,
                         const struct wr_value *value, struct wr_error *err) {
    return fields_from(schema, arena, value, 0, err);
}
