/* schema.h: the columns of a stream: names, types and what is declared about them.
 * Immutable once made; lives in the plan's arena. */
#pragma once
#include <stdint.h>

#include "data/type.h"

struct wr_arena;
struct wr_error;
struct wr_value;

#define WR_COLUMNS_MAX 4096 /* columns of one schema */

/* Where the type of a column is from. */
enum wr_guess {
    WR_GUESS_NONE,    /* declared: by a script, a lock file, a table */
    WR_GUESS_TEXT,    /* inferred from texts: any of them is a string too */
    WR_GUESS_VALUE,   /* inferred from values that have kinds of their own */
    WR_GUESS_NOTHING, /* no value was seen: string for want of one */
};

struct wr_field {
    const char *name; /* 0-terminated; `name_length` is true where a name holds a 0 byte */
    uint32_t name_length;
    struct wr_type type;
    uint8_t key, required;
    uint8_t ends_window;     /* a stage wrote it: the end of the row's window */
    uint8_t guess;           /* enum wr_guess */
    const char *time_format; /* how text is read as a timestamp or date: NULL RFC 3339, "ms" … */
    const struct wr_value *default_value; /* NULL: nil */
    const struct wr_value *notes;         /* @pii(…) and the like; NULL: none */
    /* Of a string in which an inferred schema saw other kinds too: the value that is none of them,
     * and where. NULL: none. */
    const char *why_string, *why_file;
    uint64_t why_line;
};

struct wr_schema {
    uint32_t field_count;
    struct wr_field fields[];
};

/* A schema with room for `field_count` fields, cleared. NULL when out of memory. */
struct wr_schema *wr_schema_new(struct wr_arena *arena, uint32_t field_count);
/* The index of a field, or -1. Bytes are compared. */
int wr_schema_find(const struct wr_schema *schema, const char *name, uint32_t name_length);
/* No column ends a window any more: the rows have another time. */
void wr_schema_forget_windows(struct wr_schema *schema);
/* From plain data: a list of {name=, type=, key=, required=, default=, time_format=, notes=}, as
 * `stdlib/weir/schema_text.lua` makes it. */
int wr_schema_from_value(const struct wr_schema **schema, struct wr_arena *arena,
                         const struct wr_value *value, struct wr_error *err);
/* The reverse: plain data that says the same. */
struct wr_value *wr_schema_to_value(struct wr_arena *arena, const struct wr_schema *schema);
