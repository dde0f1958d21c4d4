/* schema_value.c: a schema as plain data, the reverse of wr_schema_from_value. */
#include <string.h>

#include "base/arena.h"
#include "data/schema.h"
#include "data/value.h"
#include "base/banned.h"

/* A map that is filled entry by entry; an entry that finds no memory leaves `failed` set. */
struct filler {
    struct wr_arena *arena;
    struct wr_value *map;
    uint32_t used;
    int failed;
};

static struct wr_value *entry(struct filler *filler, const char *name) {
    static _Thread_local struct wr_value nowhere;
    if (filler->map == NULL)
        return &nowhere;
    filler->map->names[filler->used] = name;
    return &filler->map->items[filler->used++];
}

static struct filler filler_new(struct wr_arena *arena, uint32_t room) {
    struct filler filler = {.arena = arena, .map = wr_value_new_map(arena, room)};
    filler.failed = filler.map == NULL;
    return filler;
}

static struct wr_value *filler_done(struct filler *filler) {
    if (filler->failed)
        return NULL;
    filler->map->count = filler->used;
    wr_value_sort(filler->map);
    return filler->map;
}

static void put_tree(struct filler *filler, const char *name, const struct wr_value *tree) {
    struct wr_value *item = entry(filler, name);
    if (tree == NULL)
        filler->failed = 1;
    else
        *item = *tree;
}

static void put_text(struct filler *filler, const char *name, const char *text, size_t length) {
    put_tree(filler, name, wr_value_new_string(filler->arena, text, length));
}

static void put_number(struct filler *filler, const char *name, int64_t number) {
    *entry(filler, name) = (struct wr_value){.kind = WR_VALUE_INT, .integer = number};
}

static void put_true(struct filler *filler, const char *name) {
    *entry(filler, name) = (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = 1};
}

static struct wr_value *type_value(struct wr_arena *arena, const struct wr_type *type) {
    char kind[16];
    struct filler filler = filler_new(arena, 4);
    struct wr_type plain = WR_TYPE(type->kind); /* "decimal" without its digits */
    wr_type_text(&plain, kind, sizeof kind);
    put_text(&filler, "kind", kind, strlen(kind));
    if (type->kind == WR_DECIMAL) {
        put_number(&filler, "precision", type->precision);
        put_number(&filler, "scale", type->scale);
    } else if (type->kind == WR_STRUCT && type->child != NULL) {
        put_tree(&filler, "fields", wr_schema_to_value(arena, type->child));
    } else if (type->child != NULL) {
        for (uint32_t i = 0; i < type->child->field_count; i++)
            put_tree(&filler, type->child->fields[i].name,
                     type_value(arena, &type->child->fields[i].type));
    }
    return filler_done(&filler);
}

static struct wr_value *field_value(struct wr_arena *arena, const struct wr_field *field) {
    struct filler filler = filler_new(arena, 7);
    put_text(&filler, "name", field->name, field->name_length);
    put_tree(&filler, "type", type_value(arena, &field->type));
    if (field->key)
        put_true(&filler, "key");
    if (field->required)
        put_true(&filler, "required");
    if (field->time_format != NULL)
        put_text(&filler, "time_format", field->time_format, strlen(field->time_format));
    if (field->default_value != NULL)
        put_tree(&filler, "default", field->default_value);
    if (field->notes != NULL)
        put_tree(&filler, "notes", field->notes);
    return filler_done(&filler);
}

struct wr_value *wr_schema_to_value(struct wr_arena *arena, const struct wr_schema *schema) {
    struct wr_value *list = wr_value_new_list(arena, schema->field_count);
    if (list == NULL)
        return NULL;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        struct wr_value *field = field_value(arena, &schema->fields[i]);
        if (field == NULL)
            return NULL;
        list->items[i] = *field;
    }
    return list;
}
