/* sqlite_publish.h: rows that were written into a table beside get to their place, within a
 * transaction: they take the place of the old table, or are added to it by its key. */
#pragma once
#include "conn/sqlite_table.h"

struct wr_sqlite_publish {
    const struct wr_sqlite_table *beside; /* with its rows */
    const char *gone;                     /* a table of keys that were taken back; NULL: none */
    const char *name;                     /* of the table that gets them */
    int replaces;                         /* it is emptied before */
};

/* Where the table is not there, the one beside takes its name. Where it is, and is emptied, and has
 * the same columns, its indexes and triggers stay. What it refuses fails as a whole;
 * *left_out: rows that it did not take. */
int wr_sqlite_publish(const struct wr_sqlite_publish *publish, uint64_t *left_out,
                      struct wr_error *err);
int wr_sqlite_drop(struct sqlite3 *db, const char *path, const char *name, struct wr_error *err);
