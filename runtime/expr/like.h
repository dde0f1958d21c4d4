/* like.h: SQL's patterns: `%` any bytes, `_` one character, `\` takes the next character as it is.
 * Compiled once into pieces between the `%`; those are found from the left, which is enough because
 * a piece found earlier leaves more for the rest. Linear in practice; at worst pieces × length. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "data/type.h"

struct wr_like_piece {
    const char *bytes;  /* with `_` as any byte, where `any` says so */
    const uint8_t *any; /* for each byte: 1 is `_`; NULL: none is */
    uint32_t length;
};

struct wr_like {
    uint32_t piece_count;
    uint8_t open_start, open_end; /* the pattern begins, ends with % */
    uint32_t length_min;          /* bytes that a text has at least */
    struct wr_like_piece *pieces;
};

/* NULL when out of memory. 0 in *bad, or the 1-based byte at which the pattern is wrong (a `\` at
 * its end). */
struct wr_like *wr_like_new(struct wr_arena *arena, const char *pattern, uint32_t length,
                            uint32_t *bad);
int wr_like_match(const struct wr_like *like, const struct wr_str *text);
