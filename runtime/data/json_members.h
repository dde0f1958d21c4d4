/* json_members.h: elements and members of JSON that has been checked: what reading nested values,
 * functions over json, list and map columns and `list` share. The walkers trust their input's
 * grammar, but never read beyond its end. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_buf;

enum wr_json_kind {
    WR_JSON_NULL,
    WR_JSON_BOOL,
    WR_JSON_NUMBER,
    WR_JSON_STRING,
    WR_JSON_ARRAY,
    WR_JSON_OBJECT,
};

/* Part of a JSON text: one value, without blanks around it. */
struct wr_json {
    const char *bytes;
    uint32_t length;
};

/* A walk over the elements of an array, or the members of an object. */
struct wr_json_walk {
    const char *at, *end;
    int object;
};

/* 1 when the bytes are one JSON value with blanks allowed around it; `value` is the value. */
int wr_json_value_of(struct wr_json *value, const char *text, size_t length);
enum wr_json_kind wr_json_kind(const struct wr_json *value);
/* Starts a walk; 0 when `value` is neither array nor object. */
int wr_json_walk(struct wr_json_walk *walk, const struct wr_json *value);
/* The next element (key: left as it is) or member; 0 at the end. A key keeps its quotes. */
int wr_json_next(struct wr_json_walk *walk, struct wr_json *key, struct wr_json *value);
/* The bytes of a string value or key, without quotes and escapes, appended. A lone surrogate
 * becomes U+FFFD. */
int wr_json_unquote(struct wr_buf *out, const struct wr_json *string);
/* 1 when the string value or key says exactly `bytes`. */
int wr_json_string_is(const struct wr_json *string, const char *bytes, size_t length);
/* Appends the text without blanks between tokens. */
int wr_json_put_compact(struct wr_buf *out, const struct wr_json *value);
