#include "data/json_row.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/json_text.h"
#include "data/nested.h"
#include "data/text.h"
#include "base/banned.h"

static uint32_t name_hash(const char *name, size_t length) {
    return (uint32_t)wr_hash_bytes(name, length, 0);
}

int wr_json_row_open(struct wr_json_row *row, struct wr_decoder *decoder, struct wr_error *err) {
    int status = wr_rows_open(&row->rows, decoder, err);
    if (status != WR_OK)
        return status;
    struct wr_arena *arena = &row->rows.arena;
    uint32_t count = row->rows.slot_count, size = 8;
    while (size < 2 * count)
        size *= 2;
    row->table_mask = size - 1;
    row->slot_table = WR_ARENA_ZEROS(arena, uint32_t, size);
    row->values = WR_ARENA_ZEROS(arena, struct wr_json_value, count);
    row->keys = WR_ARENA_ARRAY(arena, uint32_t, WR_JSON_KEYS_MAX);
    row->key_at = WR_ARENA_ARRAY(arena, const char *, WR_JSON_KEYS_MAX);
    row->key_end = WR_ARENA_ARRAY(arena, const char *, WR_JSON_KEYS_MAX);
    if (row->slot_table == NULL || row->values == NULL || row->keys == NULL ||
        row->key_at == NULL || row->key_end == NULL)
        return wr_error_set(err, WR_ENOMEM, "decoder: out of memory");
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_field *field = row->rows.slots[i].field;
        uint32_t at = name_hash(field->name, field->name_length) & row->table_mask;
        while (row->slot_table[at] != 0)
            at = (at + 1) & row->table_mask;
        row->slot_table[at] = i + 1;
    }
    return WR_OK;
}

void wr_json_row_close(struct wr_json_row *row) {
    wr_rows_close(&row->rows);
}

static uint32_t slot_named(const struct wr_json_row *row, const char *name, size_t length) {
    uint32_t at = name_hash(name, length) & row->table_mask;
    for (; row->slot_table[at] != 0; at = (at + 1) & row->table_mask) {
        const struct wr_field *field = row->rows.slots[row->slot_table[at] - 1].field;
        if (field->name_length == length && memcmp(field->name, name, length) == 0)
            return row->slot_table[at] - 1;
    }
    return UINT32_MAX;
}

/* The slot of a key as it stands between its quotes. Most records have their keys in the order of
 * the one before, which is still in `keys`. */
static uint32_t slot_of_key(struct wr_json_row *row, const char *key, const char *end,
                            int escaped) {
    if (!escaped) {
        size_t length = (size_t)(end - key);
        uint32_t guess = row->key_count < row->keys_known ? row->keys[row->key_count] : UINT32_MAX;
        if (guess != UINT32_MAX && row->rows.slots[guess].field->name_length == length &&
            memcmp(row->rows.slots[guess].field->name, key, length) == 0)
            return guess;
        return slot_named(row, key, length);
    }
    struct wr_arena *arena = row->rows.cells;
    struct wr_arena_mark mark = wr_arena_mark(arena);
    char *plain = wr_arena_alloc(arena, (size_t)(end - key));
    row->rows.no_memory |= plain == NULL;
    uint32_t slot =
        plain == NULL ? UINT32_MAX : slot_named(row, plain, wr_json_unescape(key, end, plain));
    wr_arena_rewind(arena, mark);
    return slot;
}

static int fault_set(struct wr_fault *fault, const char *record, const struct wr_json_scan *scan) {
    *fault = (struct wr_fault){.code = WR_REJECT_PARSE, .text = scan->error};
    fault->column = (uint32_t)(scan->at - record) + 1;
    return 0;
}

static int syntax(struct wr_json_scan *scan, const char *at, const char *error) {
    scan->at = at;
    scan->error = error;
    return 0;
}

/* One `"key": value`; *at moves behind the value. */
static int member(struct wr_json_row *row, struct wr_json_scan *scan, const char **at,
                  const char *end) {
    int escaped = 0;
    const char *key = wr_json_blanks_end(*at, end);
    if (key == end || *key != '"')
        return syntax(scan, key, "a key in quotes is expected");
    const char *key_end = wr_json_string_end(scan, ++key, end, &escaped);
    if (key_end == NULL)
        return 0;
    const char *colon = wr_json_blanks_end(key_end + 1, end);
    if (colon == end || *colon != ':')
        return syntax(scan, colon, "`:` is expected");
    struct wr_json_value value = {.at = wr_json_blanks_end(colon + 1, end)};
    if (value.at < end && *value.at == '"') {
        int value_escaped = 0;
        const char *quote = wr_json_string_end(scan, value.at + 1, end, &value_escaped);
        value.escaped = (uint8_t)value_escaped;
        value.end = quote == NULL ? NULL : quote + 1;
    } else {
        value.end = wr_json_value_end(scan, value.at, end);
    }
    if (value.end == NULL)
        return 0;
    *at = value.end;
    uint32_t slot = slot_of_key(row, key, key_end, escaped);
    if (row->key_count < WR_JSON_KEYS_MAX) {
        row->keys[row->key_count] = slot;
        row->keys_known = WR_MAX(row->keys_known, row->key_count + 1);
        row->key_at[row->key_count] = value.at;
        row->key_end[row->key_count] = value.end;
    }
    row->key_count++;
    if (slot == UINT32_MAX)
        return 1;
    row->keys_twice |= row->values[slot].at != NULL;
    row->values[slot] = value;
    return 1;
}

static int object(struct wr_json_row *row, struct wr_json_scan *scan, const char *at,
                  const char *end) {
    at = wr_json_blanks_end(at, end);
    if (at == end || *at != '{')
        return syntax(scan, at, "an object is expected");
    at = wr_json_blanks_end(at + 1, end);
    if (at < end && *at == '}') {
        at++;
    } else {
        for (;;) {
            if (!member(row, scan, &at, end))
                return 0;
            at = wr_json_blanks_end(at, end);
            if (at == end || (*at != ',' && *at != '}'))
                return syntax(scan, at, "`,` or `}` is expected");
            if (*at++ == '}')
                break;
        }
    }
    row->object_end = at;
    at = wr_json_blanks_end(at, end);
    return at == end ? 1 : syntax(scan, at, "more text behind the object");
}

/* A string in quotes as bytes; unescaped in the arena when it has to be. NULL: no memory. */
static const char *string_of(struct wr_rows *rows, const struct wr_json_value *value,
                             uint32_t *length) {
    const char *at = value->at + 1, *end = value->end - 1;
    if (!value->escaped) {
        *length = (uint32_t)(end - at);
        return at;
    }
    char *plain = wr_arena_alloc(rows->cells, (size_t)(end - at));
    rows->no_memory |= plain == NULL;
    if (plain != NULL)
        *length = (uint32_t)wr_json_unescape(at, end, plain);
    return plain;
}

static int has_numeric_format(const struct wr_slot *slot) {
    const char *format = slot->field->time_format;
    return format != NULL && (strcmp(format, "s") == 0 || strcmp(format, "ms") == 0 ||
                              strcmp(format, "us") == 0 || strcmp(format, "ns") == 0);
}

static int convert_number(struct wr_rows *rows, struct wr_slot *slot, uint32_t row,
                          const struct wr_json_value *value) {
    size_t length = (size_t)(value->end - value->at);
    switch (slot->kind) {
    case WR_INT64: return wr_int64_parse(value->at, length, (int64_t *)slot->data + row);
    case WR_FLOAT64: return wr_float64_parse(value->at, length, 0, (double *)slot->data + row);
    case WR_TIMESTAMP:
    case WR_DATE:
        if (!has_numeric_format(slot))
            return 0;
        break;
    case WR_DECIMAL:
    case WR_JSON: break;
    default: return 0;
    }
    return wr_slot_from_text(rows, slot, row, value->at, (uint32_t)length);
}

int wr_json_convert(struct wr_rows *rows, struct wr_slot *slot, const struct wr_json_value *value) {
    return wr_json_convert_at(rows, slot, rows->row_count, value);
}

int wr_json_convert_at(struct wr_rows *rows, struct wr_slot *slot, uint32_t row,
                       const struct wr_json_value *value) {
    uint32_t length = (uint32_t)(value->end - value->at);
    wr_bit_set(slot->valid, row);
    switch (*value->at) {
    case 'n': wr_slot_nil(slot, row); return !slot->required;
    case 't':
    case 'f':
        if (slot->kind == WR_BOOL)
            ((uint8_t *)slot->data)[row] = *value->at == 't';
        break;
    case '"':
        if (slot->kind == WR_JSON)
            break;
        if (slot->kind == WR_BOOL || slot->kind == WR_INT64 || slot->kind == WR_FLOAT64 ||
            slot->kind > WR_JSON)
            return 0;
        const char *text = string_of(rows, value, &length);
        return text != NULL && wr_slot_from_text(rows, slot, row, text, length);
    case '{':
    case '[':
        if (slot->kind != WR_JSON && slot->kind != (*value->at == '[' ? WR_LIST : WR_STRUCT) &&
            !(*value->at == '{' && slot->kind == WR_MAP))
            return 0;
        if (slot->kind == WR_JSON) {
            wr_slot_str(slot, row, value->at, length);
            return 1;
        }
        return wr_nested_read(rows, &slot->field->type, value->at, length,
                              (struct wr_str *)slot->data + row);
    default: return convert_number(rows, slot, row, value);
    }
    if (slot->kind == WR_JSON)
        wr_slot_str(slot, row, value->at, length);
    return slot->kind == WR_JSON || (slot->kind == WR_BOOL && *value->at != '"');
}

static int convert_all(struct wr_json_row *row, const char *record, struct wr_fault *fault) {
    for (uint32_t i = 0; i < row->rows.slot_count; i++) {
        struct wr_slot *slot = &row->rows.slots[i];
        const struct wr_json_value *value = &row->values[i];
        if (!slot->checked)
            continue;
        if (value->at == NULL) {
            if (wr_slot_absent(&row->rows, slot, row->rows.row_count))
                continue;
            *fault = (struct wr_fault){.code = WR_REJECT_MISSING, .slot = slot};
            return 0;
        }
        row->rows.decoder->came[i] = 1; /* the fast path knows no other keys than came here */
        if (wr_json_convert(&row->rows, slot, value))
            continue;
        if (slot->lenient) {
            wr_slot_nil(slot, row->rows.row_count);
            continue;
        }
        *fault = (struct wr_fault){.code = *value->at == 'n' ? WR_REJECT_MISSING : WR_REJECT_TYPE,
                                   .slot = slot,
                                   .value = value->at,
                                   .value_length = (uint32_t)(value->end - value->at),
                                   .column = (uint32_t)(value->at - record) + 1};
        return 0;
    }
    return 1;
}

int wr_json_row_read(struct wr_json_row *row, const char *at, const char *end,
                     struct wr_fault *fault) {
    struct wr_json_scan scan;
    size_t length = (size_t)(end - at), valid = wr_utf8_valid_prefix(at, length);
    if (valid < length) {
        scan.at = at + valid;
        scan.error = "not valid UTF-8";
        return fault_set(fault, at, &scan);
    }
    memset(row->values, 0, sizeof *row->values * row->rows.slot_count);
    row->key_count = 0;
    row->keys_twice = 0;
    if (!object(row, &scan, at, end))
        return fault_set(fault, at, &scan);
    return convert_all(row, at, fault);
}
