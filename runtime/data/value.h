/* value.h: plain data, as a script's plan is made of: what Lua tables become in C and what
 * `explain --json` prints. Trees in an arena; never on the data plane. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_arena;
struct wr_buf;

enum wr_value_kind {
    WR_VALUE_NIL,
    WR_VALUE_BOOL,
    WR_VALUE_INT,
    WR_VALUE_FLOAT,
    WR_VALUE_STRING,
    WR_VALUE_LIST, /* items[0 .. count-1], names NULL */
    WR_VALUE_MAP,  /* items[i] under names[i], sorted by name */
};

struct wr_value {
    enum wr_value_kind kind;
    uint32_t count; /* string: bytes; list, map: items */
    union {
        int boolean;
        int64_t integer;
        double number;
        const char *string; /* a 0 stands behind */
        struct {
            struct wr_value *items;
            const char **names; /* NULL for a list */
        };
    };
};

/* The item under `name` of a map, or NULL (also when `map` is NULL or no map, or it is nil). */
const struct wr_value *wr_value_get(const struct wr_value *map, const char *name);
/* The string under `name`, or `otherwise`. */
const char *wr_value_string(const struct wr_value *map, const char *name, const char *otherwise);
int64_t wr_value_int(const struct wr_value *map, const char *name, int64_t otherwise);
int wr_value_bool(const struct wr_value *map, const char *name, int otherwise);
/* Item `index` of a list (NULL beyond its end). Number of items of a list or map (NULL: 0). */
const struct wr_value *wr_value_at(const struct wr_value *list, uint32_t index);
uint32_t wr_value_count(const struct wr_value *list);
/* Building. The arena owns all; NULL when out of memory. */
struct wr_value *wr_value_new_string(struct wr_arena *arena, const char *text, size_t length);
struct wr_value *wr_value_new_list(struct wr_arena *arena, uint32_t count);
struct wr_value *wr_value_new_map(struct wr_arena *arena, uint32_t count); /* names to be set */
/* Puts a map's items in the order of their names; to be called once after filling. */
void wr_value_sort(struct wr_value *map);
/* Appends it as JSON; `indent` spaces a level (0: one line). */
int wr_value_to_json(struct wr_buf *buf, const struct wr_value *value, int indent);
