/* type.h: the types of columns and how their values lie in memory.
 *
 *   type        element of `wr_column.data`
 *   bool        uint8_t, 0 or 1
 *   int64       int64_t                float64    double
 *   decimal     __int128, scaled by 10^scale of the column's type
 *   string      struct wr_str          bytes      struct wr_str
 *   timestamp   int64_t, microseconds since 1970 UTC
 *   date        int64_t, days since 1970-01-01
 *   duration    int64_t, microseconds
 *   json        struct wr_str, JSON text that has been checked
 *   list        struct wr_str, JSON text of an array (its element type is in `child`)
 *   struct map  struct wr_str, JSON text of an object
 * Every type includes nil: a clear bit in `wr_column.valid`. */
#pragma once
#include <stdint.h>
#include <string.h>

enum wr_type_kind {
    WR_NIL, /* the type of a bare nil literal; never of a column of a schema */
    WR_BOOL,
    WR_INT64,
    WR_FLOAT64,
    WR_DECIMAL,
    WR_STRING,
    WR_BYTES,
    WR_TIMESTAMP,
    WR_DATE,
    WR_DURATION,
    WR_JSON,
    WR_LIST,
    WR_STRUCT,
    WR_MAP,
    WR_TYPE_KINDS
};

struct wr_schema;

/* A type; small, passed by pointer or value. `child` (list: one column "item", struct: its fields,
 * map: "key", "value") lives as long as the plan. */
struct wr_type {
    enum wr_type_kind kind;
    uint8_t precision, scale; /* decimal only: at most 38 digits */
    const struct wr_schema *child;
};

#define WR_TYPE(k) ((struct wr_type){.kind = (k)})
#define WR_DECIMAL_DIGITS_MAX 38

/* "int64", "decimal(18,2)", "list<string>"; writes at most `size` bytes, returns `text`. */
char *wr_type_text(const struct wr_type *type, char *text, size_t size);
int wr_type_equal(const struct wr_type *a, const struct wr_type *b);
/* Bytes of one element of a column. */
uint32_t wr_type_bytes(enum wr_type_kind kind);
/* The kind of a plain type's name ("int64"), or WR_TYPE_KINDS. */
enum wr_type_kind wr_type_kind_named(const char *name, size_t length);
static inline int wr_type_is_text(enum wr_type_kind kind) {
    return kind == WR_STRING || kind == WR_BYTES || kind >= WR_JSON;
}

/* A string of a column: 16 bytes. Up to 12 bytes lie inline (unused bytes are 0), longer ones have
 * their first 4 bytes here and a pointer into a buffer that the batch holds. */
struct wr_str {
    uint32_t length;
    union {
        char inlined[12];
        struct {
            char prefix[4];
            const char *pointer;
        } __attribute__((packed, aligned(4)));
    };
};
_Static_assert(sizeof(struct wr_str) == 16, "a string view is 16 bytes");
#define WR_STR_INLINE_MAX 12

static inline const char *wr_str_bytes(const struct wr_str *str) {
    return str->length <= WR_STR_INLINE_MAX ? str->inlined : str->pointer;
}
/* A view of `bytes`, which must outlive it when longer than 12 bytes. Short ones are copied by two
 * moves that may overlap: a memcpy of unknown length would be a call. */
static inline struct wr_str wr_str_of(const char *bytes, uint32_t length) {
    struct wr_str str = {.length = length};
    if (length > WR_STR_INLINE_MAX) {
        memcpy(str.prefix, bytes, 4);
        str.pointer = bytes;
    } else if (length >= 4) {
        memcpy(str.inlined, bytes, 4);
        if (length > 8)
            memcpy(str.inlined + 4, bytes + 4, 4);
        memcpy(str.inlined + (length - 4), bytes + (length - 4), 4);
    } else if (length > 0) {
        str.inlined[0] = bytes[0];
        str.inlined[length / 2] = bytes[length / 2];
        str.inlined[length - 1] = bytes[length - 1];
    }
    return str;
}
static inline int wr_str_equal(const struct wr_str *a, const struct wr_str *b) {
    uint64_t head_a, head_b, tail_a, tail_b;
    memcpy(&head_a, a, 8);
    memcpy(&head_b, b, 8);
    if (head_a != head_b) /* length and first 4 bytes at once */
        return 0;
    if (a->length > WR_STR_INLINE_MAX)
        return memcmp(a->pointer, b->pointer, a->length) == 0;
    memcpy(&tail_a, (const char *)a + 8, 8);
    memcpy(&tail_b, (const char *)b + 8, 8);
    return tail_a == tail_b;
}
/* Order of bytes: negative, 0 or positive. */
int wr_str_compare(const struct wr_str *a, const struct wr_str *b);
