/* seen.h: rows that bring a key for the first time go through at once: `distinct` (distinct.c) and
 * `dedup` of any row (dedup.c). State: the keys, each window's in a table of its own. Private to
 * the room. */
#pragma once
#include "op/op.h"

/* Binds either; `keys` are columns of the input (NULL: all), `all_columns` says that all of them
 * leave and not the keys alone. Sets bind->type to one of the two below. */
int seen_bind(struct wr_bind *bind, const struct wr_value *keys, int all_columns,
              struct wr_error *err);

extern const struct wr_op_type wr_op_seen;          /* rows stay where they are */
extern const struct wr_op_type wr_op_seen_in_turn;  /* of groups that end with their window */
extern const struct wr_op_type wr_op_seen_windowed; /* a row once for each window */
