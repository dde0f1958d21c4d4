/* sqlite_commit.h: the table `weir_commit` of a SQLite file that a pipeline with a state writes:
 * how many rows each sink has seen, written in the transaction that holds those rows. So a restart
 * knows which of the rows that come again are in the file already. */
#pragma once
#include <stdint.h>

struct sqlite3;
struct wr_error;

/* `id`: of the sink, kept in its state. *skip: how many rows the file is ahead of the state.
 * WR_ECORRUPT when it is behind: another file, or an older copy. `name`: for messages. */
int wr_sqlite_commit_read(struct sqlite3 *db, const char *name, uint64_t id, uint64_t rows_seen,
                          uint64_t *skip, struct wr_error *err);
int wr_sqlite_commit_write(struct sqlite3 *db, const char *path, const char *table, uint64_t id,
                           uint64_t rows_seen, struct wr_error *err);
