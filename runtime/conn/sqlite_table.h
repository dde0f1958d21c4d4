/* sqlite_table.h: the table that a SQLite sink writes: is it there and does it fit, making it, its
 * key, and the statements that write it.
 *
 * A nil in a key column is one key, as in `group_by`, but SQLite's unique indexes hold NULLs apart.
 * So the index of the key is over `ifnull(column, x'')`: an empty blob equals no number and no text
 * (for columns of bytes it is an empty text). */
#pragma once
#include <stdint.h>

#include "data/schema.h"

struct sqlite3;
struct sqlite3_stmt;
struct wr_column;
struct wr_buf;
struct wr_error;

struct wr_sqlite_table {
    struct sqlite3 *db;
    const char *path; /* of the file, for messages */
    const char *name;
    const struct wr_schema *schema;
    uint32_t key_count;
    const uint16_t *key;
    /* What wr_sqlite_table_look finds: */
    int exists;
    int unique;            /* a primary key or unique index over exactly the key columns … */
    int never_null;        /* … none of which takes NULL: no index of ours is needed */
    int numbers_nil;       /* the key is an `integer primary key`, to which a nil is a new number */
    uint32_t column_count; /* of the table; equal to the stream's when `same_columns` */
    int same_columns;      /* the same names and types in the same order */
};

/* Fills the lower half; with `check`, W403 where a column of the stream does not go in, W307 where
 * the table has another key. */
int wr_sqlite_table_look(struct wr_sqlite_table *table, int check, struct wr_error *err);
int wr_sqlite_table_make(const struct wr_sqlite_table *table, struct wr_error *err);
/* Makes the index of the key where it is missing. W307 where it is over other columns. */
int wr_sqlite_table_key(const struct wr_sqlite_table *table, struct wr_error *err);
/* Parameters ?1 … are the columns in the schema's order. */
int wr_sqlite_table_insert(const struct wr_sqlite_table *table, int upsert, struct wr_buf *sql);
/* The same from another table, whose columns are the schema's. */
int wr_sqlite_table_insert_from(const struct wr_sqlite_table *table, const char *from, int upsert,
                                struct wr_buf *sql);
/* Deletes the rows whose keys stand in another table, which has the key's columns. */
int wr_sqlite_table_delete_by(const struct wr_sqlite_table *table, const char *keys,
                              struct wr_buf *sql);
/* Appends ` on conflict(…) do update set …`: the columns of the stream. */
int wr_sqlite_table_add_upsert(const struct wr_sqlite_table *table, struct wr_buf *sql);
/* Appends ` where …`: the row of a key, whose columns are ?1 … in its order. */
int wr_sqlite_table_add_match(const struct wr_sqlite_table *table, struct wr_buf *sql);
/* Deletes the row of a key, as above. */
int wr_sqlite_table_delete(const struct wr_sqlite_table *table, struct wr_buf *sql);
/* Binds a cell as the language writes it. `text`: where times and decimals stand until the
 * statement has run. 0; 1 for NaN, which SQLite does not have; WR_ENOMEM; WR_ELIMIT where it is too
 * long. */
int wr_sqlite_bind_cell(struct sqlite3_stmt *statement, int parameter, const struct wr_type *type,
                        const struct wr_column *values, uint32_t row, char *text);
/* Appends "a, b" of the key's columns. */
int wr_sqlite_table_key_names(const struct wr_sqlite_table *table, struct wr_buf *out);
