/* json_value.h: values inside JSON text, as operators and conversions look at them. The text has
 * been checked when it came in, so nothing here fails but by being another kind of value. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "data/batch.h"
#include "data/type.h"

enum wr_json_is {
    WR_JSON_IS_NIL, /* null, or nothing */
    WR_JSON_IS_BOOL,
    WR_JSON_IS_INT,   /* digits that fit int64 */
    WR_JSON_IS_FLOAT, /* any other number */
    WR_JSON_IS_STRING,
    WR_JSON_IS_LIST,
    WR_JSON_IS_MAP,
};

struct wr_json_value {
    enum wr_json_is is;
    int64_t integer; /* bool too */
    double number;
    const char *bytes; /* string: unescaped; list, map, numbers from text: their text */
    uint32_t length;
};

/* What a person calls it: "a number", "a string", … */
const char *wr_json_is_text(enum wr_json_is is);
/* Reads a JSON text. Strings with escapes are unescaped into `arena`; 0: out of memory. */
int wr_json_value_read(struct wr_arena *arena, const char *text, uint32_t length,
                       struct wr_json_value *value);
/* Reads an element of a column: json, list, struct, map, bool, int64, float64, string. */
int wr_json_operand(struct wr_arena *arena, const struct wr_type *type,
                    const struct wr_column *column, uint32_t row, struct wr_json_value *value);
/* The text of member `name` of an object, of element `index` (from 1) of an array; 0: there is
 * none. The last of members with one name counts. */
int wr_json_member(const struct wr_str *object, const char *name, uint32_t name_length,
                   struct wr_str *member);
int wr_json_element(const struct wr_str *array, int64_t index, struct wr_str *element);
/* Elements of an array, members of an object; -1: neither. */
int64_t wr_json_count(const struct wr_str *text);
/* By value: numbers exactly, objects in any order of their members. *status is set to WR_ENOMEM
 * when memory ran out. */
int wr_json_equal(struct wr_arena *arena, const struct wr_json_value *a,
                  const struct wr_json_value *b, int *status);
/* Walks an array: `at` starts as NULL; the next element's text, or 0 at the end. */
int wr_json_next_element(const struct wr_str *array, const char **at, struct wr_str *element);

enum wr_json_fit { WR_JSON_FITS, WR_JSON_MISFIT, WR_JSON_NO_MEMORY };
/* The value as an element of a column of `type`; it is not nil. `strict`: only a value of that
 * kind; else text that says one too (int64('12')). */
enum wr_json_fit wr_json_to_element(struct wr_arena *arena, const struct wr_json_value *value,
                                    const struct wr_type *type, int strict, void *element);
