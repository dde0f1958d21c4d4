/* value.c: building and reading plain data, and its JSON. */
#include "data/value.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/json_text.h"
#include "data/text.h"
#include "base/banned.h"

#define DEPTH_MAX 200 /* levels of a tree that is printed */

const struct wr_value *wr_value_get(const struct wr_value *map, const char *name) {
    if (map == NULL || map->kind != WR_VALUE_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->count; i++)
        if (strcmp(map->names[i], name) == 0)
            return map->items[i].kind == WR_VALUE_NIL ? NULL : &map->items[i];
    return NULL;
}

const char *wr_value_string(const struct wr_value *map, const char *name, const char *otherwise) {
    const struct wr_value *item = wr_value_get(map, name);
    return item != NULL && item->kind == WR_VALUE_STRING ? item->string : otherwise;
}

int64_t wr_value_int(const struct wr_value *map, const char *name, int64_t otherwise) {
    const struct wr_value *item = wr_value_get(map, name);
    if (item == NULL)
        return otherwise;
    if (item->kind == WR_VALUE_INT)
        return item->integer;
    /* A float that is a whole number is one: Lua's 1e6 is meant as a count. */
    if (item->kind == WR_VALUE_FLOAT && item->number >= -0x1p63 && item->number < 0x1p63 &&
        item->number == (double)(int64_t)item->number)
        return (int64_t)item->number;
    return otherwise;
}

int wr_value_bool(const struct wr_value *map, const char *name, int otherwise) {
    const struct wr_value *item = wr_value_get(map, name);
    return item != NULL && item->kind == WR_VALUE_BOOL ? item->boolean : otherwise;
}

const struct wr_value *wr_value_at(const struct wr_value *list, uint32_t index) {
    if (list == NULL || list->kind != WR_VALUE_LIST || index >= list->count)
        return NULL;
    return &list->items[index];
}

uint32_t wr_value_count(const struct wr_value *list) {
    if (list == NULL || (list->kind != WR_VALUE_LIST && list->kind != WR_VALUE_MAP))
        return 0;
    return list->count;
}

struct wr_value *wr_value_new_string(struct wr_arena *arena, const char *text, size_t length) {
    struct wr_value *value = WR_ARENA_ZEROS(arena, struct wr_value, 1);
    char *copy = wr_arena_strndup(arena, text, length);
    if (value == NULL || copy == NULL || length > UINT32_MAX)
        return NULL;
    value->kind = WR_VALUE_STRING;
    value->count = (uint32_t)length;
    value->string = copy;
    return value;
}

struct wr_value *wr_value_new_list(struct wr_arena *arena, uint32_t count) {
    struct wr_value *value = WR_ARENA_ZEROS(arena, struct wr_value, 1);
    struct wr_value *items = WR_ARENA_ZEROS(arena, struct wr_value, count);
    if (value == NULL || items == NULL)
        return NULL;
    *value = (struct wr_value){.kind = WR_VALUE_LIST, .count = count};
    value->items = items;
    return value;
}

struct wr_value *wr_value_new_map(struct wr_arena *arena, uint32_t count) {
    struct wr_value *value = wr_value_new_list(arena, count);
    const char **names = WR_ARENA_ARRAY(arena, const char *, count);
    if (value == NULL || names == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        names[i] = "";
    value->kind = WR_VALUE_MAP;
    value->names = names;
    return value;
}

static void map_swap(struct wr_value *map, uint32_t a, uint32_t b) {
    struct wr_value item = map->items[a];
    const char *name = map->names[a];
    map->items[a] = map->items[b];
    map->names[a] = map->names[b];
    map->items[b] = item;
    map->names[b] = name;
}

static void map_sift(struct wr_value *map, uint32_t root, uint32_t end) {
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= end)
            return;
        if (child + 1 < end && strcmp(map->names[child], map->names[child + 1]) < 0)
            child++;
        if (strcmp(map->names[root], map->names[child]) >= 0)
            return;
        map_swap(map, root, child);
        root = child;
    }
}

/* A heap sort: in place, and no list of names makes it slow. */
void wr_value_sort(struct wr_value *map) {
    WR_ASSERT(map->kind == WR_VALUE_MAP);
    for (uint32_t i = map->count / 2; i-- > 0;)
        map_sift(map, i, map->count);
    for (uint32_t end = map->count; end > 1; end--) {
        map_swap(map, 0, end - 1);
        map_sift(map, 0, end - 1);
    }
}

static void json_line(struct wr_buf *buf, int indent, int depth) {
    if (indent == 0)
        return;
    wr_buf_add_char(buf, '\n');
    for (int i = 0; i < indent * depth; i++)
        wr_buf_add_char(buf, ' ');
}

static int to_json(struct wr_buf *buf, const struct wr_value *value, int indent, int depth) {
    char number[WR_NUMBER_TEXT_MAX];
    if (depth > DEPTH_MAX)
        return buf->status = WR_ELIMIT;
    switch (value->kind) {
    case WR_VALUE_NIL: return wr_buf_add_text(buf, "null");
    case WR_VALUE_BOOL: return wr_buf_add_text(buf, value->boolean ? "true" : "false");
    case WR_VALUE_INT: return wr_buf_add(buf, number, wr_int64_format(value->integer, number));
    case WR_VALUE_FLOAT:
        if (!isfinite(value->number))
            return wr_buf_add_text(buf, "null");
        return wr_buf_add(buf, number, wr_float64_format(value->number, number));
    case WR_VALUE_STRING: return wr_json_add_string(buf, value->string, value->count);
    case WR_VALUE_LIST:
    case WR_VALUE_MAP: break;
    }
    int is_map = value->kind == WR_VALUE_MAP;
    wr_buf_add_char(buf, is_map ? '{' : '[');
    for (uint32_t i = 0; i < value->count; i++) {
        if (i > 0)
            wr_buf_add_text(buf, indent == 0 ? ", " : ",");
        json_line(buf, indent, depth + 1);
        if (is_map) {
            wr_json_add_string(buf, value->names[i], strlen(value->names[i]));
            wr_buf_add_text(buf, ": ");
        }
        if (to_json(buf, &value->items[i], indent, depth + 1) != WR_OK)
            return buf->status;
    }
    if (value->count > 0)
        json_line(buf, indent, depth);
    return wr_buf_add_char(buf, is_map ? '}' : ']');
}

int wr_value_to_json(struct wr_buf *buf, const struct wr_value *value, int indent) {
    return to_json(buf, value, indent, 0);
}
