/* sqlite_write.h: rows into one table of SQLite, for a file of its own (sqlite_sink.c) and for the
 * state file (state_sink.c): what both mean by a mode, and how rows get there.
 *
 *   append   insert
 *   upsert   insert, or update the row of the same key; in a changelog a row taken back deletes it,
 *            also one from before the run, where the change comes here: those that come to nothing
 *            within one batch do not
 *   replace  into a table beside, `weir_new_NAME`, which takes the place of the old one at finish
 *   new      append to a table that must not exist
 *
 * Where an audit holds them, rows of all modes go into the table beside, and from there to their
 * place at finish, in one transaction (sqlite_publish.h); keys that were taken back stand in
 * `weir_del_NAME` until then. An audit that fails leaves both for looking at.
 *
 * Values are written as the language says (nil null, bool 0 and 1, times and decimals as text). A
 * row that SQLite refuses, or a NaN (SQLite would make it null), leaves as a reject (W509) and the
 * others go on. Transactions are the caller's. Private to the room. */
#pragma once
#include <stdint.h>

#include "conn/sqlite_table.h"
#include "conn/table_sink.h"
#include "data/text.h"

struct wr_sink;

/* What a plan says of the table. */
struct wr_sqlite_target {
    const char *table;
    const char *beside; /* replace, or held: the table that is filled */
    const char *gone;   /* held: the table of keys that were taken back */
    const struct wr_schema
        *gone_schema; /* of upserts of a changelog; NULL: nothing is taken back */
    enum wr_table_mode mode;
    uint32_t key_count;
    const uint16_t *key;
};

struct wr_sqlite_write;
/* How the two sinks differ. */
struct wr_sqlite_write_type {
    /* A row comes: 1 where it comes once more, and is given to `pass_over` instead. NULL: none
     * does. */
    int (*comes)(struct wr_sqlite_write *write);
    int (*pass_over)(struct wr_sqlite_write *write, struct wr_batch *batch, uint32_t row,
                     struct wr_error *err);
    /* The table stands, with its key, before the statements are made; `is_new`: it was made now.
     * NULL: nothing to do. */
    int (*made)(struct wr_sqlite_write *write, int is_new, struct wr_error *err);
    /* The `i`-th row of the batch is to be written over its key, or deleted by it. NULL: that is
     * all. */
    int (*keep)(struct wr_sqlite_write *write, const struct wr_batch *batch, uint32_t i,
                int removes, struct wr_error *err);
    /* A row was written, and has this number (its rowid), where `tells_rows`. */
    int (*wrote)(struct wr_sqlite_write *write, int64_t rowid, struct wr_error *err);
    /* SQLite refused it. */
    int (*refuse)(struct wr_sqlite_write *write, struct wr_batch *batch, uint32_t row,
                  const char *detail, struct wr_error *err);
    /* After any other error: what stands in the transaction must not be committed. */
    void (*fail)(struct wr_sqlite_write *write);
};

struct wr_sqlite_write {
    const struct wr_sqlite_write_type *type;
    const struct wr_sqlite_target *target;
    struct wr_sink *sink;
    struct sqlite3 *db;
    const char *path;             /* of the file, for messages */
    struct wr_sqlite_table table; /* the one that is filled */
    struct wr_sqlite_table gone;  /* no schema: there is none */
    struct sqlite3_stmt *insert, *remove, *remember;
    char (*texts)[WR_NUMBER_TEXT_MAX]; /* one a column: times and decimals while they are bound */
    int stands;    /* the table of the script's name was there when it was opened */
    int is_ready;  /* the table is there and the statements are made */
    int has_made;  /* it was so once, in this life */
    int is_beside; /* rows go into the table beside, until finish */
    int saved;     /* a state knows of it */
    int finished;
    int tells_rows;
};

/* Reads `mode` and the key; `kind`: of the endpoint. The table's name must be set. */
int wr_sqlite_target_bind(struct wr_sqlite_target *target, struct wr_endpoint_bind *bind,
                          const struct wr_options *options, const char *kind, struct wr_error *err);
/* Where rows go, and what the sink says of it (`shown`, `kept`): before `db` is known. */
void wr_sqlite_write_init(struct wr_sqlite_write *write, struct wr_sink *sink,
                          const struct wr_sqlite_target *target);
/* Looks at the table of the script's name: errors come before any row does. `path` is lent. */
int wr_sqlite_write_open(struct wr_sqlite_write *write, struct sqlite3 *db, const char *path,
                         struct wr_error *err);
/* What became of a table that a state knows: of the sink `rows` were committed, and `published`
 * says whether they were put in their place (1, 0; negative: nobody knows). W613 where it is gone.
 */
int wr_sqlite_write_judge(struct wr_sqlite_write *write, uint64_t rows, int published,
                          struct wr_error *err);
/* Makes tables and statements, within the first transaction, so that a run that fails leaves no
 * empty table. */
int wr_sqlite_write_ready(struct wr_sqlite_write *write, struct wr_error *err);
int wr_sqlite_write_batch(struct wr_sqlite_write *write, struct wr_batch *batch,
                          struct wr_error *err);
/* The key's columns of a row, from parameter 1 on. */
int wr_sqlite_write_bind_key(struct wr_sqlite_write *write, struct sqlite3_stmt *statement,
                             const struct wr_batch *batch, uint32_t row, struct wr_error *err);
/* Rows in the table beside get to their place, within a transaction. */
int wr_sqlite_write_publish(struct wr_sqlite_write *write, struct wr_error *err);
/* The tables beside, of a run before. */
int wr_sqlite_write_drop_beside(struct wr_sqlite_write *write, struct wr_error *err);
/* The statements; twice does no harm. */
void wr_sqlite_write_close(struct wr_sqlite_write *write);
void wr_sqlite_write_drop_statements(struct wr_sqlite_write *write);
