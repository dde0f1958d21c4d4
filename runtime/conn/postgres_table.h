/* postgres_table.h: the table that a PostgreSQL sink writes: is it there and does it fit, making
 * it, its key, and the statements that write it.
 *
 * A nil in a key column is one key, as in `group_by`: the unique index of a key that weir makes
 * holds nulls equal (`nulls not distinct`, PostgreSQL 15). */
#pragma once
#include <stdint.h>

#include "conn/postgres.h"
#include "data/schema.h"

#define WR_POSTGRES_NULLS_NOT_DISTINCT 150000 /* the version of the server that has them */

struct wr_postgres_table {
    const struct wr_postgres *postgres;
    PGconn *connection;
    struct wr_postgres_name name;
    const struct wr_schema *schema;
    uint32_t key_count;
    const uint16_t *key;
    const char **casts; /* by column of the stream: the type to cast to, or NULL; wr_budget_control
                         * owns the texts. Made with room for all columns by the caller */
    /* What wr_postgres_table_look finds: */
    int exists;
    int unique;     /* a unique index over exactly the key columns … */
    int never_null; /* … which finds every key: no index of ours is needed */
    int has_casts;
    int has_rules;         /* which `copy` would pass by */
    int is_deferred;       /* it has constraints that are checked at the commit */
    uint32_t column_count; /* of the table; equal to the stream's when `same_columns` */
    int same_columns;      /* the same names and types in the same order */
    int is_plain;          /* that, and nothing else: no constraint, index or trigger */
};

/* Fills the lower half; with `check`, W403 where a column of the stream does not go in, W307 where
 * the table has another key. */
int wr_postgres_table_look(struct wr_postgres_table *table, int check, struct wr_error *err);
/* Columns of a table that is there, in its order; at these places of a row: its name, "t" where the
 * server computes it, its type. The caller's to clear. */
enum { WR_POSTGRES_COLUMN_NAME = 0, WR_POSTGRES_COLUMN_GENERATED = 5, WR_POSTGRES_COLUMN_TYPE = 6 };
int wr_postgres_table_columns(const struct wr_postgres_table *table, PGresult **rows,
                              struct wr_error *err);
void wr_postgres_table_release(struct wr_postgres_table *table);
int wr_postgres_table_make(const struct wr_postgres_table *table, struct wr_error *err);
/* Makes the index of the key where none finds every key. */
int wr_postgres_table_key(const struct wr_postgres_table *table, struct wr_error *err);
/* Runs a text about the table, and gives it back. */
int wr_postgres_table_run(const struct wr_postgres_table *table, struct wr_buf *sql,
                          const char *what, struct wr_error *err);
/* `copy … from stdin`, in the binary form; only where there are no casts. */
int wr_postgres_table_copy(const struct wr_postgres_table *table, struct wr_buf *sql);
/* Inserts, or upserts, rows of arrays: parameter $1 … is the array of a column. */
int wr_postgres_table_insert(const struct wr_postgres_table *table, struct wr_buf *sql);
/* Whether a row that is there already stays as it is: it has no column beside the key. Then the
 * server says neither that it put it in nor that it left it out. */
int wr_postgres_table_has_only_key(const struct wr_postgres_table *table);
/* Appends ` on conflict (…) do update set …`: the columns of the stream. */
void wr_postgres_table_add_upsert(const struct wr_postgres_table *table, struct wr_buf *sql);
/* Appends ` t."key" = c0 and …`. With `nils`, keys may hold nil. */
void wr_postgres_table_add_match(const struct wr_postgres_table *table, int nils,
                                 struct wr_buf *sql);
/* The same rows from another table, whose columns are the schema's. */
int wr_postgres_table_insert_from(const struct wr_postgres_table *table,
                                  const struct wr_postgres_name *from, struct wr_buf *sql);
/* Deletes the rows whose keys stand in another table, which has the key's columns. */
int wr_postgres_table_delete_by(const struct wr_postgres_table *table,
                                const struct wr_postgres_name *keys, struct wr_buf *sql);
/* Inserts keys: parameter $1 … is the array of a key column of `of`. */
int wr_postgres_table_insert_keys(const struct wr_postgres_table *of,
                                  const struct wr_postgres_name *keys, struct wr_buf *sql);
/* Deletes the rows of keys: parameter $1 … is the array of a key column. With `nils`, keys may hold
 * nil, and are looked for one by one. */
int wr_postgres_table_delete(const struct wr_postgres_table *table, int nils, struct wr_buf *sql);
