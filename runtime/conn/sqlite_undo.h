/* sqlite_undo.h: what a table had before the last epoch of a sink, so that rows of an epoch that
 * the state never heard of can be taken back: what comes again may be other rows, or other changes
 * that come to the same. Of a table without a key it is which rows are of that epoch
 * (sqlite_undo_rows.h); of one by key as follows.
 *
 * In the transaction of an epoch, when a key is touched for the first time (touched.h), the row
 * that it has, or that it has none, goes into the table `weir_undo_N`, where N is the number of the
 * sink in `weir_commit`; and once more when it is deleted for the first time, since that takes
 * columns with it that the stream does not have. The next epoch empties it first: it begins when
 * the state knows of the one before. `weir_undo` has a row for each such sink: to how many rows of
 * the sink its table leads back, and a fence, which each instance raises when it takes over. Both
 * are gone when a run is complete.
 *
 * Rows are taken back in the reverse order in which they were kept, in the first transaction of the
 * next run, which has that run's first rows too. So nobody sees the table go back, and a run that
 * is killed meanwhile has done nothing. A key that had a row gets its columns of the stream again,
 * and all its columns where the row was deleted; one that had none has none; whatever somebody else
 * did to it since. Columns that the stream does not have stay as they are now. */
#pragma once
#include "conn/sqlite_undo_rows.h"

struct sqlite3;
struct sqlite3_stmt;
struct wr_error;
struct wr_sqlite_table;

struct wr_sqlite_undo {
    uint64_t id;            /* of the sink */
    const char *gone_table; /* of keys that were taken back (sqlite_publish.h); NULL: none */
    /* As found: */
    int exists;
    int has_rows; /* of a table without a key */
    uint64_t fence, back;
    int64_t gone; /* the last row of `gone_table` then */
    /* Of this instance: */
    int is_due;                /* rows are to be taken back */
    int has_noted;             /* in this epoch … */
    int is_stale;              /* … or in one that the state knows of */
    struct sqlite3_stmt *note; /* NULL: nothing is kept */
    struct wr_sqlite_undo_rows rows;
    uint64_t back_count, left_count; /* rows without a key: to be taken back; changed meanwhile */
};

/* What an instance before has kept. */
int wr_sqlite_undo_find(struct wr_sqlite_undo *undo, struct sqlite3 *db, const char *path,
                        struct wr_error *err);
/* In the first transaction, when the table and its key are there: takes rows back where it is due
 * and they are not of a table that is new, and `keeps` from then on, or no more. A table without a
 * key must have been looked at (`rows`). W617 where another
 * instance has taken over meanwhile; W623 where the rows cannot be taken back. */
int wr_sqlite_undo_take(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                        int is_new, int keeps, struct wr_error *err);
/* Later, when a transaction has begun: W617 where another instance has taken over meanwhile. */
int wr_sqlite_undo_check(const struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                         struct wr_error *err);
/* An epoch begins, and the state knows of the one before. */
void wr_sqlite_undo_begin(struct wr_sqlite_undo *undo);
/* Keeps the row of a key, to whose columns the parameters of `note` are bound from 1 on.
 * `removes`: it is to be deleted. */
int wr_sqlite_undo_keep(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                        int removes, struct wr_error *err);
/* A row without a key was written. */
int wr_sqlite_undo_wrote(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                         int64_t rowid, struct wr_error *err);
/* Before a commit of `rows` of the sink: the table leads back to so many. All that came may have
 * been refused, so that nothing was kept. W617. */
int wr_sqlite_undo_say(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                       uint64_t back, uint64_t rows, struct wr_error *err);
/* Nothing is to be taken back any more: the state knows of all rows. */
int wr_sqlite_undo_end(struct wr_sqlite_undo *undo, const struct wr_sqlite_table *table,
                       struct wr_error *err);
void wr_sqlite_undo_release(struct wr_sqlite_undo *undo);
