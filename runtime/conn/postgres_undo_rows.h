/* postgres_undo_rows.h: what a table without a key had before the last epoch of a sink: all but the
 * rows of that epoch, as sqlite_undo_rows.h. The server marks each row with the number of the
 * transaction that wrote it (xmin), which is one of its own for each piece, since that begins with
 * a savepoint. So a piece also puts a row of its own into `weir_undo_N`, in front of its rows: that
 * row's xmin is theirs, and rows with such a number are of the epoch. It costs no answer more.
 *
 * What somebody changed since has another number, and stays as it is; that is told. A copy of the
 * database that was put back has other numbers, maybe one for all its rows: so the row of a piece
 * says beside how many rows it has and which number it had when it was written, and where that is
 * not its own it counts no more. Numbers come again behind four thousand millions of transactions:
 * more rows than were written are refused, where no trigger may have written them.
 *
 * Foreign tables, views, and tables with another access method than `heap` cannot be taken back so.
 */
#pragma once
#include <stdint.h>

#include "conn/postgres_table.h"

struct wr_buf;
struct wr_error;

#define WR_POSTGRES_WHY_MAX 256 /* bytes */

/* Looks whether rows of the table can be taken back. `why` not, or "" where they can; `trigger`:
 * one that it has, or a rule, what it does elsewhere is not; or "". */
int wr_postgres_undo_rows_look(const struct wr_postgres_table *table, char why[WR_POSTGRES_WHY_MAX],
                               char trigger[WR_POSTGRES_WHY_MAX], struct wr_error *err);
/* Whether `name`, which is there, is of a table without a key. */
int wr_postgres_undo_rows_are(const struct wr_postgres_table *table,
                              const struct wr_postgres_name *name, int *are, struct wr_error *err);
/* Appends the columns of weir_undo_N in a `create table`. */
void wr_postgres_undo_rows_add_columns(struct wr_buf *sql);
/* Appends the statement that marks a piece of `rows`; negative: so many of the epoch were left out
 * by the table. */
void wr_postgres_undo_rows_add_mark(const struct wr_postgres_name *name, int64_t rows,
                                    struct wr_buf *sql);
/* Deletes the rows of the pieces that stand in `name`: `kept` of them were written, `left` were
 * not there as they were. WR_EBADROW where the server refuses it, with its message in `err`. */
int wr_postgres_undo_rows_back(const struct wr_postgres_table *table,
                               const struct wr_postgres_name *name, uint64_t *kept, uint64_t *left,
                               struct wr_error *err);
