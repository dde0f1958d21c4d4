/* owed.h: rows of a table that are still in the store, for the files of this room that make up
 * `table.h`. */
#pragma once
#include <stdint.h>

struct wr_apart;
struct wr_table;

/* What one log says of rows that lie apart. */
struct wr_owed {
    int64_t piece;
    uint64_t deleted_count, row_count;
    uint64_t hash_from, hash_to; /* that they may have; of none: from > to */
    uint64_t at, length;         /* in the rows of the piece */
};

/* In the order in which they were saved. `table_rows`: of the table behind it. WR_OK or WR_ENOMEM.
 */
int wr_owed_add(struct wr_table *table, struct wr_apart *apart, const struct wr_owed *owed,
                uint64_t table_rows);
