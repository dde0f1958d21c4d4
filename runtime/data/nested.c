#include "data/nested.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/batch.h"
#include "data/json_put.h"
#include "data/json_row.h"
#include "data/json_text.h"
#include "base/banned.h"

struct nested {
    struct wr_rows *rows;
    struct wr_buf out;
};

struct entry {
    struct wr_str key;
    const char *at; /* the value */
    uint32_t number;
};

static int put(struct nested *nested, const struct wr_field *field, const char *at,
               const char *end);

static int no_memory(struct nested *nested) {
    nested->rows->no_memory = 1;
    return 0;
}

/* Behind the value at `at`: it has been checked. */
static const char *value_end(const char *at, const char *end) {
    struct wr_json_scan scan;
    return wr_json_value_end(&scan, at, end);
}

/* The key at `at` (its quote), and *behind it and the colon. */
static int read_key(struct nested *nested, const char *at, const char *end, struct wr_str *key,
                    const char **behind) {
    struct wr_json_scan scan;
    int escaped = 0;
    const char *close = wr_json_string_end(&scan, at + 1, end, &escaped);
    char *text = wr_arena_alloc(nested->rows->cells, (size_t)(close - at) + 16);
    if (text == NULL)
        return no_memory(nested);
    uint32_t length = (uint32_t)(close - at) - 1;
    if (escaped)
        length = (uint32_t)wr_json_unescape(at + 1, close, text);
    else
        memcpy(text, at + 1, length);
    *key = wr_str_of(text, length);
    *behind = wr_json_blanks_end(wr_json_blanks_end(close + 1, end) + 1, end);
    return 1;
}

/* The members of the object at `at`: *entries, *count of them. */
static int read_entries(struct nested *nested, const char *at, const char *end,
                        struct entry **entries, uint32_t *count) {
    uint32_t room = 0;
    *entries = NULL;
    *count = 0;
    at = wr_json_blanks_end(at + 1, end);
    while (*at != '}') {
        if (*count == room) {
            uint32_t more = room == 0 ? 8 : 2 * room;
            struct entry *grown = WR_ARENA_ARRAY(nested->rows->cells, struct entry, more);
            if (grown == NULL)
                return no_memory(nested);
            if (room > 0)
                memcpy(grown, *entries, room * sizeof *grown);
            *entries = grown;
            room = more;
        }
        struct entry *entry = &(*entries)[*count];
        entry->number = (*count)++;
        if (!read_key(nested, at, end, &entry->key, &entry->at))
            return 0;
        at = wr_json_blanks_end(value_end(entry->at, end), end);
        if (*at == ',')
            at = wr_json_blanks_end(at + 1, end);
    }
    return 1;
}

static int put_list(struct nested *nested, const struct wr_field *item, const char *at,
                    const char *end) {
    wr_buf_add_char(&nested->out, '[');
    at = wr_json_blanks_end(at + 1, end);
    for (int first = 1; *at != ']'; first = 0) {
        if (!first)
            wr_buf_add_char(&nested->out, ',');
        if (!put(nested, item, at, end))
            return 0;
        at = wr_json_blanks_end(value_end(at, end), end);
        if (*at == ',')
            at = wr_json_blanks_end(at + 1, end);
    }
    wr_buf_add_char(&nested->out, ']');
    return 1;
}

static int put_struct(struct nested *nested, const struct wr_schema *members, const char *at,
                      const char *end) {
    struct entry *entries;
    uint32_t count;
    if (!read_entries(nested, at, end, &entries, &count))
        return 0;
    wr_buf_add_char(&nested->out, '{');
    for (uint32_t m = 0; m < members->field_count; m++) {
        const struct wr_field *member = &members->fields[m];
        uint32_t found = count; /* of equal keys the last, as in a record */
        while (found > 0 && (entries[found - 1].key.length != member->name_length ||
                             memcmp(wr_str_bytes(&entries[found - 1].key), member->name,
                                    member->name_length) != 0))
            found--;
        if (m > 0)
            wr_buf_add_char(&nested->out, ',');
        wr_json_add_string(&nested->out, member->name, member->name_length);
        wr_buf_add_char(&nested->out, ':');
        if (found == 0)
            wr_buf_add_text(&nested->out, "null");
        else if (!put(nested, member, entries[found - 1].at, end))
            return 0;
    }
    wr_buf_add_char(&nested->out, '}');
    return 1;
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = wr_str_compare(&x->key, &y->key);
    return order != 0 ? order : x->number < y->number ? -1 : 1;
}

static int put_map(struct nested *nested, const struct wr_field *item, const char *at,
                   const char *end) {
    struct entry *entries;
    uint32_t count;
    if (!read_entries(nested, at, end, &entries, &count))
        return 0;
    if (count > 0)
        qsort(entries, count, sizeof *entries, compare_entries);
    wr_buf_add_char(&nested->out, '{');
    for (uint32_t i = 0, put_any = 0; i < count; i++) {
        if (i + 1 < count && wr_str_compare(&entries[i].key, &entries[i + 1].key) == 0)
            continue;
        if (put_any)
            wr_buf_add_char(&nested->out, ',');
        put_any = 1;
        wr_json_add_string(&nested->out, wr_str_bytes(&entries[i].key), entries[i].key.length);
        wr_buf_add_char(&nested->out, ':');
        if (!put(nested, item, entries[i].at, end))
            return 0;
    }
    wr_buf_add_char(&nested->out, '}');
    return 1;
}

/* JSON of any kind, without blanks. */
static int put_json(struct nested *nested, const char *at, const char *end) {
    for (end = value_end(at, end); at < end;) {
        struct wr_json_scan scan;
        int escaped;
        const char *behind = at + 1;
        if (*at == '"')
            behind = wr_json_string_end(&scan, at + 1, end, &escaped) + 1;
        if (!wr_json_is_blank(*at))
            wr_buf_add(&nested->out, at, (size_t)(behind - at));
        at = behind;
    }
    return 1;
}

static int put_scalar(struct nested *nested, const struct wr_field *field, const char *at,
                      const char *end) {
    _Alignas(16) char cell[16] = {0};
    uint64_t valid = 1;
    struct wr_slot slot = {.kind = field->type.kind, .data = cell, .valid = &valid, .field = field};
    struct wr_json_value value = {.at = at, .end = value_end(at, end)};
    value.escaped = *at == '"' && memchr(at, '\\', (size_t)(value.end - at)) != NULL;
    if (!wr_json_convert_at(nested->rows, &slot, 0, &value))
        return 0;
    struct wr_column column = {.data = cell, .valid = &valid};
    wr_json_put_value(&nested->out, &field->type, &column, 0);
    return 1;
}

static int put(struct nested *nested, const struct wr_field *field, const char *at,
               const char *end) {
    const struct wr_schema *child = field->type.child;
    if (*at == 'n') {
        wr_buf_add_text(&nested->out, "null");
        return 1;
    }
    switch (field->type.kind) {
    case WR_LIST: return *at == '[' && put_list(nested, &child->fields[0], at, end);
    case WR_STRUCT: return *at == '{' && put_struct(nested, child, at, end);
    case WR_MAP: return *at == '{' && put_map(nested, &child->fields[1], at, end);
    case WR_JSON: return put_json(nested, at, end);
    default: return put_scalar(nested, field, at, end);
    }
}

int wr_nested_read(struct wr_rows *rows, const struct wr_type *type, const char *text,
                   uint32_t length, struct wr_str *value) {
    struct nested nested = {.rows = rows};
    struct wr_field field = {.name = "", .type = *type};
    wr_buf_init(&nested.out, &wr_budget_control, 0);
    int fits = put(&nested, &field, text, text + length);
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
