/* frozen.h: a save that goes on while its table is changed, for the files of this room that make up
 * `table.h`. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_apart;
struct wr_frozen;
struct wr_table;

/* The dirty rows (`all`: every one) are those of a save from now on, wherever they are copied: by
 * wr_apart_copy, or before their page is changed. WR_OK, or WR_ENOMEM with nothing done. */
int wr_frozen_begin(struct wr_table *table, struct wr_apart *apart, int all);
/* Goes with its table, or with `apart`: nothing more is copied. */
void wr_frozen_drop(struct wr_table *table);
