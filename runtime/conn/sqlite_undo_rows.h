/* sqlite_undo_rows.h: what a table without a key had before the last epoch of a sink: all but the
 * rows of that epoch. So in its transaction the number of each of these rows (its rowid) goes into
 * `weir_undo_N`, and a hash of what stands in it (see sqlite_undo.h, which says when). To take them
 * back is to delete them, where they are as they were: what somebody changed meanwhile, took away,
 * or gave another number by a `vacuum`, stays as it is, and is told.
 *
 * Numbers that follow each other are kept by one statement, which reads the rows back, so that what
 * a trigger made of them counts. A virtual table, one `without rowid`, and one in which a
 * row that comes takes the place of others (`on conflict replace`) cannot be taken back so. */
#pragma once
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;
struct wr_buf;
struct wr_error;
struct wr_sqlite_table;

#define WR_SQLITE_WHY_MAX 256 /* bytes */

struct wr_sqlite_undo_rows {
    const char *rowid;   /* its name in this table; NULL: it has none that can be said */
    int has_range;       /* rows that were written, and are not kept yet: */
    int64_t first, last; /* their numbers */
};

/* The function that a row is hashed by, for a connection. WR_OK or WR_ENOMEM. */
int wr_sqlite_undo_rows_init(struct sqlite3 *db);
/* Looks whether rows of the table can be taken back. `why` not, or "" where they can; `trigger`:
 * a trigger that it has, whose rows elsewhere are not, or "". */
int wr_sqlite_undo_rows_look(struct wr_sqlite_undo_rows *rows, const struct wr_sqlite_table *table,
                             char why[WR_SQLITE_WHY_MAX], char trigger[WR_SQLITE_WHY_MAX],
                             struct wr_error *err);
/* The table `name` of a sink, and the statement that keeps the rows from ?1 to ?2 in it. `columns`:
 * "a", "b", … that are hashed. */
int wr_sqlite_undo_rows_make(const struct wr_sqlite_undo_rows *rows,
                             const struct wr_sqlite_table *table, const char *name, uint64_t id,
                             const struct wr_buf *columns, struct sqlite3_stmt **keep,
                             struct wr_error *err);
/* Deletes the rows that stand in the table `name`; of them `left` were not as they were. WR_EBADROW
 * where SQLite refuses it: its message says why. */
int wr_sqlite_undo_rows_back(const struct wr_sqlite_table *table, const char *name, uint64_t id,
                             const struct wr_buf *columns, uint64_t *kept, uint64_t *left,
                             struct wr_error *err);
