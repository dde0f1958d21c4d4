/* postgres_publish.h: rows that were written into a table beside get to their place, within a
 * transaction: they take the place of the old table, or are added to it by its key. */
#pragma once
#include "conn/postgres_table.h"

struct wr_postgres_publish {
    const struct wr_postgres_table *beside; /* with its rows; its casts are lent for the call */
    const struct wr_postgres_name *gone;    /* a table of keys that were taken back; NULL: none */
    const struct wr_postgres_name *name;    /* of the table that gets them */
    int replaces;                           /* it is emptied before */
};

/* Where the table is not there, the one beside takes its name. Where it is, and is emptied, and has
 * the same columns, its indexes, views and grants stay. What it refuses fails as a whole;
 * *left_out: rows that it did not take. */
int wr_postgres_publish(const struct wr_postgres_publish *publish, PGconn *connection,
                        uint64_t *left_out, struct wr_error *err);
int wr_postgres_drop(const struct wr_postgres *postgres, PGconn *connection,
                     const struct wr_postgres_name *name, struct wr_error *err);
