/* sqlite.h: what reading and writing SQLite files have in common: opening, names, types, errors.
 *
 *   weir                     declared    affinity
 *   int64, bool              INTEGER, BOOLEAN
 *   float64                  REAL
 *   string                   TEXT
 *   bytes                    BLOB
 *   decimal(p,s)             DECIMAL TEXT(p,s)   text, so that no digit is lost
 *   timestamp date duration  TIMESTAMP TEXT, DATE TEXT, DURATION TEXT
 *   json list struct map     JSON TEXT
 * so that a table made by weir is read back with the types that were written. */
#pragma once
#include <stdint.h>

#include "data/type.h"

struct sqlite3;
struct sqlite3_stmt;
struct wr_buf;
struct wr_env;
struct wr_error;
struct wr_field;

#define WR_SQLITE_TIMEOUT_MS 5000 /* how long a lock is waited for; the option `timeout` */

enum wr_affinity {
    WR_AFFINITY_ANY, /* no type declared, or ANY: values stay as they are */
    WR_AFFINITY_INTEGER,
    WR_AFFINITY_REAL,
    WR_AFFINITY_NUMERIC,
    WR_AFFINITY_TEXT,
    WR_AFFINITY_BLOB,
};

/* Opens with the env's VFS. W401 for a file that is not there when `read_only`. */
int wr_sqlite_open(struct sqlite3 **db, const struct wr_env *env, const char *path, int read_only,
                   int timeout_ms, struct wr_error *err);
/* "PATH: WHAT: <message of SQLite>". Gives WR_ENOMEM, WR_EIO, … as the code asks for. */
int wr_sqlite_failed(struct sqlite3 *db, const char *path, const char *what, struct wr_error *err);
/* Whether it is the state file of a run: `DIR/state.db` beside what a run made there. */
int wr_sqlite_is_state(const struct wr_env *env, const char *path);
int wr_sqlite_exec(struct sqlite3 *db, const char *path, const char *sql, struct wr_error *err);
/* Whether there is such a table with such a column. */
int wr_sqlite_has_column(struct sqlite3 *db, const char *path, const char *table,
                         const char *column, int *has, struct wr_error *err);
int wr_sqlite_prepare(struct sqlite3 *db, const char *path, const char *sql,
                      struct sqlite3_stmt **statement, struct wr_error *err);
/* Binds a text, which is lent until the next step; one that is no UTF-8 is mended in a copy. WR_OK
 * or WR_ENOMEM. */
int wr_sqlite_bind_text(struct sqlite3_stmt *statement, int parameter, const char *text,
                        size_t length);

/* Whether the file has a table of this name. */
int wr_sqlite_has_table(struct sqlite3 *db, const char *path, const char *name, int *there,
                        struct wr_error *err);

/* Appends `ifnull("name", x'')`, over which the index of a key lies that weir has made (see
 * sqlite_table.h); with a parameter's number, the same over that. */
int wr_sqlite_add_key(struct wr_buf *sql, const struct wr_field *field, unsigned parameter);

/* How SQLite treats values of a column so declared (its documentation, "Determination of column
 * affinity"). NULL or "": any. */
enum wr_affinity wr_sqlite_affinity(const char *declared);
/* What weir declares for a type. */
int wr_sqlite_add_type(struct wr_buf *sql, const struct wr_type *type);
/* The type of weir for a declared one; WR_NIL when it says nothing (the values must be looked at).
 * */
struct wr_type wr_sqlite_type(const char *declared);
/* 1 when values of `type` go into such a column and come back as they were. */
int wr_sqlite_takes(const char *declared, const struct wr_type *type);
