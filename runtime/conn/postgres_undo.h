/* postgres_undo.h: what a table had before the last epoch of a sink, as sqlite_undo.h: rows of an
 * epoch that the state never heard of are taken back in the first transaction of the next run. Of a
 * table without a key it is which rows are of that epoch (postgres_undo_rows.h); of one by key as
 * follows.
 *
 * What the keys of a piece have goes into `weir_undo_N`, beside the table, in the statements of the
 * piece (postgres_write.h), a row a key: its columns, the key as the table has it, whether it had a
 * row, and whether that was deleted since. The first piece of an epoch empties the table, which
 * leads back to the epoch before. Who is behind the fence of `weir_commit` has it alone
 * (postgres_session.h). It is gone when a run is complete. */
#pragma once
#include "base/buf.h"
#include "conn/postgres_session.h"
#include "conn/postgres_table.h"
#include "conn/touched.h"

struct wr_postgres_undo {
    char name[40];
    struct wr_postgres_name table; /* of that name */
    int by_rows;                   /* the table has no key */
    int exists;                    /* an instance before has left it */
    int is_due;                    /* rows are to be taken back */
    int has_kept;                  /* in this epoch … */
    int is_stale;                  /* … or in one that the state knows of */
    struct wr_touched touched;
    /* Rows without a key: left out by the table in this epoch; were to be taken back; were changed
     * meanwhile. */
    uint64_t left_out, back_count, left_count;
};

/* Names the table of a sink; looks whether it is there. */
void wr_postgres_undo_name(struct wr_postgres_undo *undo, const struct wr_postgres_user *user);
int wr_postgres_undo_find(struct wr_postgres_undo *undo, const struct wr_postgres *postgres,
                          PGconn *connection, const struct wr_postgres_user *user,
                          struct wr_error *err);
/* In the first transaction, when the table and its key are there: takes rows back where it is due
 * and they are not of a table that is new; then the table of this run is made (`keeps`), or there
 * is none any more. W623. May be called again where the transaction begins anew. */
int wr_postgres_undo_take(struct wr_postgres_undo *undo, const struct wr_postgres_table *table,
                          int is_new, int keeps, struct wr_error *err);
/* The statement that keeps what keys have: parameter $1 … is the array of a key column, the last
 * one says which are deleted now. With `nils` as wr_postgres_table_delete. */
int wr_postgres_undo_keep(const struct wr_postgres_undo *undo,
                          const struct wr_postgres_table *table, int nils, struct wr_buf *sql,
                          struct wr_error *err);
int wr_postgres_undo_drop(const struct wr_postgres_undo *undo,
                          const struct wr_postgres_table *table, struct wr_error *err);
/* An epoch begins, and the state knows of the one before. */
void wr_postgres_undo_begin(struct wr_postgres_undo *undo);
