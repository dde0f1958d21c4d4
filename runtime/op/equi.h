/* equi.h: `on` of stages that join two streams: the keys of both sides, and the types in which they
 * are compared (one type, or both numbers, exactly). Private to the room. */
#pragma once
#include "op/op.h"
#include "state/key.h"

struct equi {
    struct wr_list *keys[2]; /* over the left stream and over the right one; as many items */
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    struct wr_key_layout layout;
    /* By right column: the left column that says the same, since both are the key; or -1. */
    int32_t *twins;
};

/* From `on` of the spec: items `k` and `l == r`. */
int equi_bind(struct equi *equi, struct wr_bind *bind, const char *stage, struct wr_error *err);
/* A key with a nil, or with what is not a number, matches nothing. */
int equi_matches_nothing(const struct wr_key_layout *layout, const char *key);
