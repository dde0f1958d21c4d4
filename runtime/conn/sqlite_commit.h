/* sqlite_commit.h: the table `weir_commit` of a SQLite file that a pipeline with a state writes:
 * how many rows each sink has seen, written in the transaction that holds those rows. So a restart
 * knows which of the rows that come again are in the file already; and of those that the file
 * refused the table `weir_refused` says why, until the state knows of their rejects. */
#pragma once
#include <stdint.h>

struct sqlite3;
struct wr_error;

/* `id`: of the sink, kept in its state. *skip: how many rows the file is ahead of the state; NULL:
 * other rows than those will come, and a file that is ahead is refused (W601).
 * WR_ECORRUPT when it is behind: another file, or an older copy. `name`: for messages. */
int wr_sqlite_commit_read(struct sqlite3 *db, const char *path, const char *name, uint64_t id,
                          uint64_t rows_seen, uint64_t *skip, struct wr_error *err);
/* Another instance has written to the table: sets the error, W617, and returns WR_EREFUSED. */
int wr_sqlite_fenced(const char *path, const char *table, struct wr_error *err);
/* The state is an older copy than what was there before the last epoch; the same. */
int wr_sqlite_is_older(const char *name, uint64_t rows_seen, uint64_t back, struct wr_error *err);
/* When the transaction has begun. `rows_told`: what the row said when this instance read or wrote
 * it last; where it says otherwise now another instance goes on from a copy of the state: W617. */
int wr_sqlite_commit_check(struct sqlite3 *db, const char *path, const char *table, uint64_t id,
                           uint64_t rows_told, struct wr_error *err);
/* In the transaction of the rows. */
int wr_sqlite_commit_write(struct sqlite3 *db, const char *path, const char *table, uint64_t id,
                           uint64_t rows_seen, struct wr_error *err);
/* In the transaction that puts a table beside in its place. */
int wr_sqlite_commit_publish(struct sqlite3 *db, const char *path, uint64_t id,
                             struct wr_error *err);
/* Whether that was done: 1 or 0; -1: the file was begun by a version that did not say. */
int wr_sqlite_commit_published(struct sqlite3 *db, const char *path, uint64_t id, int *published,
                               struct wr_error *err);

#define WR_SQLITE_DETAIL_MAX 512 /* bytes of why a row was refused */

/* Row number `row` of the sink (from 1) was refused; in the transaction of its epoch. */
int wr_sqlite_refused_add(struct sqlite3 *db, const char *path, uint64_t id, uint64_t row,
                          const char *detail, struct wr_error *err);
/* Why it was, or *found = 0. */
int wr_sqlite_refused_find(struct sqlite3 *db, const char *path, uint64_t id, uint64_t row,
                           char detail[WR_SQLITE_DETAIL_MAX], int *found, struct wr_error *err);
/* The state knows of those up to row `upto`. */
int wr_sqlite_refused_forget(struct sqlite3 *db, const char *path, uint64_t id, uint64_t upto,
                             struct wr_error *err);
/* Those behind row `after` will come once more under other numbers, or not at all. */
int wr_sqlite_refused_drop(struct sqlite3 *db, const char *path, uint64_t id, uint64_t after,
                           struct wr_error *err);
/* Whether the file has the table at all. */
int wr_sqlite_refused_are_there(struct sqlite3 *db, const char *path, int *are,
                                struct wr_error *err);
