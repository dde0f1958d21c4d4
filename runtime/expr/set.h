/* set.h: the constants of `x in (…)`: a hash set, or a few words compared in turn.
 * int64 and float64 members are kept in the type of x; one that x can never equal is left out. */
#pragma once
#include <stdint.h>

#include "data/type.h"

struct wr_bind;
struct wr_node;

#define WR_SET_LINEAR_MAX 8 /* so many words are compared one after the other */

struct wr_set {
    struct wr_type type; /* of x */
    uint32_t count;      /* members, without nil */
    uint32_t mask;       /* slots - 1 */
    uint8_t has_nil;
    uint64_t *words;        /* members: their bits (numbers), or hashes (strings) */
    struct wr_str *strings; /* slots, with strings */
    uint64_t *slots;        /* numbers: the words */
    uint8_t *used;          /* slots that hold one */
};

/* Whether x of this kind is looked up in a set. */
int wr_set_takes(enum wr_type_kind kind);
/* NULL after a fault that `bind` remembers. */
struct wr_set *wr_set_new(struct wr_bind *bind, struct wr_type type,
                          const struct wr_node *const *members, uint32_t count);
