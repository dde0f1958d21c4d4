#include "data/nested.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/batch.h"
#include "data/json_members.h"
#include "data/json_put.h"
#include "data/json_row.h"
#include "data/json_text.h"
#include "base/banned.h"

struct nested {
    struct wr_rows *rows;
    struct wr_buf out;
};

struct entry {
    struct wr_json key, value;
    const char *name; /* of a map: the key without quotes and escapes */
    uint32_t name_length, number;
};

static int put(struct nested *nested, const struct wr_field *field, const struct wr_json *value);

static int no_memory(struct nested *nested) {
    nested->rows->no_memory = 1;
    return 0;
}

/* The members of an object: *entries, *count of them. */
static int read_entries(struct nested *nested, const struct wr_json *object, struct entry **entries,
                        uint32_t *count) {
    struct wr_json_walk walk;
    struct wr_json key, value;
    *count = 0;
    for (wr_json_walk(&walk, object); wr_json_next(&walk, &key, &value);)
        (*count)++;
    *entries = WR_ARENA_ARRAY(nested->rows->cells, struct entry, *count + 1);
    if (*entries == NULL)
        return no_memory(nested);
    wr_json_walk(&walk, object);
    for (uint32_t i = 0; wr_json_next(&walk, &key, &value); i++)
        (*entries)[i] = (struct entry){.key = key, .value = value, .number = i};
    return 1;
}

static int put_list(struct nested *nested, const struct wr_field *item,
                    const struct wr_json *array) {
    struct wr_json_walk walk;
    struct wr_json value;
    wr_buf_add_char(&nested->out, '[');
    wr_json_walk(&walk, array);
    for (int first = 1; wr_json_next(&walk, NULL, &value); first = 0) {
        if (!first)
            wr_buf_add_char(&nested->out, ',');
        if (!put(nested, item, &value))
            return 0;
    }
    wr_buf_add_char(&nested->out, ']');
    return 1;
}

static int put_struct(struct nested *nested, const struct wr_schema *members,
                      const struct wr_json *object) {
    struct entry *entries;
    uint32_t count;
    if (!read_entries(nested, object, &entries, &count))
        return 0;
    wr_buf_add_char(&nested->out, '{');
    for (uint32_t m = 0; m < members->field_count; m++) {
        const struct wr_field *member = &members->fields[m];
        uint32_t found = count; /* of equal keys the last, as in a record */
        while (found > 0 &&
               !wr_json_string_is(&entries[found - 1].key, member->name, member->name_length))
            found--;
        if (m > 0)
            wr_buf_add_char(&nested->out, ',');
        wr_json_add_string(&nested->out, member->name, member->name_length);
        wr_buf_add_char(&nested->out, ':');
        if (found == 0)
            wr_buf_add_text(&nested->out, "null");
        else if (!put(nested, member, &entries[found - 1].value))
            return 0;
    }
    wr_buf_add_char(&nested->out, '}');
    return 1;
}

static int read_name(struct nested *nested, struct entry *entry) {
    const char *at = entry->key.bytes + 1, *end = at + entry->key.length - 2;
    entry->name = at;
    entry->name_length = (uint32_t)(end - at);
    if (memchr(at, '\\', (size_t)(end - at)) == NULL)
        return 1;
    char *plain = wr_arena_alloc(nested->rows->cells, (size_t)(end - at));
    if (plain == NULL)
        return no_memory(nested);
    entry->name = plain;
    entry->name_length = (uint32_t)wr_json_unescape(at, end, plain);
    return 1;
}

static int compare_names(const struct entry *a, const struct entry *b) {
    int order = memcmp(a->name, b->name, WR_MIN(a->name_length, b->name_length));
    return order != 0 ? order
                      : (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = compare_names(x, y);
    return order != 0 ? order : x->number < y->number ? -1 : 1;
}

static int put_map(struct nested *nested, const struct wr_field *item,
                   const struct wr_json *object) {
    struct entry *entries;
    uint32_t count;
    if (!read_entries(nested, object, &entries, &count))
        return 0;
    for (uint32_t i = 0; i < count; i++)
        if (!read_name(nested, &entries[i]))
            return 0;
    if (count > 0)
        qsort(entries, count, sizeof *entries, compare_entries);
    wr_buf_add_char(&nested->out, '{');
    for (uint32_t i = 0, put_any = 0; i < count; i++) {
        if (i + 1 < count && compare_names(&entries[i], &entries[i + 1]) == 0)
            continue;
        if (put_any)
            wr_buf_add_char(&nested->out, ',');
        put_any = 1;
        wr_json_add_string(&nested->out, entries[i].name, entries[i].name_length);
        wr_buf_add_char(&nested->out, ':');
        if (!put(nested, item, &entries[i].value))
            return 0;
    }
    wr_buf_add_char(&nested->out, '}');
    return 1;
}

static int put_scalar(struct nested *nested, const struct wr_field *field,
                      const struct wr_json *json) {
    _Alignas(16) char cell[16] = {0};
    uint64_t valid = 1;
    struct wr_slot slot = {.kind = field->type.kind, .data = cell, .valid = &valid, .field = field};
    struct wr_json_value value = {.at = json->bytes, .end = json->bytes + json->length};
    value.escaped = *value.at == '"' && memchr(value.at, '\\', json->length) != NULL;
    if (!wr_json_convert_at(nested->rows, &slot, 0, &value))
        return 0;
    struct wr_column column = {.data = cell, .valid = &valid};
    wr_json_put_value(&nested->out, &field->type, &column, 0);
    return 1;
}

static int put(struct nested *nested, const struct wr_field *field, const struct wr_json *value) {
    const struct wr_schema *child = field->type.child;
    enum wr_json_kind kind = wr_json_kind(value);
    if (kind == WR_JSON_NULL)
        return wr_buf_add_text(&nested->out, "null") == WR_OK;
    switch (field->type.kind) {
    case WR_LIST: return kind == WR_JSON_ARRAY && put_list(nested, &child->fields[0], value);
    case WR_STRUCT: return kind == WR_JSON_OBJECT && put_struct(nested, child, value);
    case WR_MAP: return kind == WR_JSON_OBJECT && put_map(nested, &child->fields[1], value);
    case WR_JSON: return wr_json_put_compact(&nested->out, value) == WR_OK;
    default: return put_scalar(nested, field, value);
    }
}

int wr_nested_read(struct wr_rows *rows, const struct wr_type *type, const char *text,
                   uint32_t length, struct wr_str *value) {
    struct nested nested = {.rows = rows};
    struct wr_field field = {.name = "", .type = *type};
    wr_buf_init(&nested.out, &wr_budget_control, 0);
    int fits = put(&nested, &field, &(struct wr_json){.bytes = text, .length = length});
    if (nested.out.status != WR_OK) {
        wr_buf_release(&nested.out);
        return no_memory(&nested);
    }
    int same = fits && nested.out.length == length && memcmp(nested.out.bytes, text, length) == 0;
    if (same) {
        *value = wr_str_of(text, length);
    } else if (fits) {
        char *copy = wr_arena_alloc(rows->cells, nested.out.length + 16);
        if (copy == NULL)
            fits = no_memory(&nested);
        else
            *value = wr_str_of(memcpy(copy, nested.out.bytes, nested.out.length),
                               (uint32_t)nested.out.length);
    }
    wr_buf_release(&nested.out);
    return fits;
}
