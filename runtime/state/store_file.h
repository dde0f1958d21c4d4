/* store_file.h: the state file as the files of this room that make up `store.h` see it.
 *
 *   meta(name, value)    "number": the last checkpoint; "plan": the hash of the script's plan;
 *                        "identity": drawn when the state was made; "rows": how far state.rows
 *                        goes; not there: there is none; "sum": of these and all parts
 *   part(id, name, base_bytes, delta_bytes, sum)    `sum`: of its pieces, without their bytes
 *   piece(id, part, number, base, chunk, chunk_count, sum, bytes)
 *   rows(piece, sum, bytes, at, length)    of tables, apart from the rest of a piece: read when
 *                        asked for. `at` null: they are `bytes`; else they lie in the file
 *                        `state.rows`, which has nothing but such places
 *   spool(key, value)    rows that wait for the end (spool.c)
 *   weir_partitions(sink, name, number)    the next file of each partition that a sink has
 *                        forgotten (conn/partition_forget.c)
 *
 * All other tables are of sinks (store_tables.c, which knows the names above). A new one of ours
 * begins with `weir_`: these names no sink takes.
 *
 * A put is one piece, in chunks, since a blob of SQLite ends at a billion bytes; `sum` is
 * their XXH3, since SQLite has no checksum of its own. Pieces of a part in the order of their ids
 * are its base and then its deltas: the first piece of a base deletes what it supersedes. */
#pragma once
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "state/store.h"

#define WR_STORE_ANEW "to begin anew, use another --state or remove that directory" /* help */
#define WR_STORE_ROWS_NAME "state.rows"
#define WR_STORE_PATH_BYTES_MAX 4200 /* a directory, and the name of a file of ours */

enum wr_store_statement {
    WR_STORE_PART_ADD,
    WR_STORE_PART_SIZES,
    WR_STORE_PIECE_ADD,
    WR_STORE_ROWS_DELETE,
    WR_STORE_PIECE_DELETE,
    WR_STORE_PART_DELETE,
    WR_STORE_ROWS_ADD,
    WR_STORE_ROWS_READ,
    WR_STORE_PLACES,
    WR_STORE_PIECE_READ,
    WR_STORE_META_SET,
    WR_STORE_STATEMENTS
};

/* What is known of a part: as committed, and as the checkpoint under way will leave it. */
struct wr_store_part {
    char *name;
    int64_t id;
    uint64_t base_bytes, delta_bytes;
    uint64_t base_bytes_next, delta_bytes_next;
    uint64_t only_sum;      /* of the base, when that is one piece and all there is; else 0 */
    uint64_t sum, sum_next; /* of its pieces (store_sums.c) */
    uint8_t is_gone, is_gone_next; /* its stage is, and it with it */
    uint8_t is_changed;            /* by the checkpoint under way, which ends with its sizes */
};

struct wr_store_gap {
    uint64_t at, length;
};

/* `state.rows`, and where the next rows go in it. */
struct wr_store_rows_file {
    struct wr_file *file;      /* NULL: nothing was asked of it yet */
    struct wr_store_gap *gaps; /* where nothing stands, in the order of their places */
    uint32_t gap_count, gap_room;
    uint32_t gap;          /* those before it are full, or were too small */
    uint64_t end;          /* behind it nothing stands; a multiple of a block */
    uint64_t reach;        /* where the last rows end */
    uint64_t reach_stored; /* as of the last checkpoint */
    uint64_t bytes_min;    /* of rows that go there; fewer stand in the database */
    uint8_t is_known; /* gaps and end are as the last checkpoint left them, and what came since */
    uint8_t frees;    /* the checkpoint at hand deletes rows */
    uint8_t is_unsynced;
    struct wr_buf read; /* the rows that were asked for last */
};

/* `NAMED`, and what the life before has left in it. */
struct wr_store_named {
    struct wr_file *file; /* NULL: this life has written nothing into it */
    uint64_t number;      /* the checkpoint that it was of when it was read or written last */
    struct wr_buf text;   /* of the life before; empty where it is of another checkpoint */
    size_t at;            /* behind the line of it that was found last */
    uint8_t is_read, is_unsynced;
};

struct wr_store {
    const struct wr_env *env;
    struct wr_file *lock;
    sqlite3 *db;
    sqlite3_stmt *statements[WR_STORE_STATEMENTS];
    pthread_mutex_t lock_of_database; /* around each use of `db` and its statements */
    uint64_t number, identity;
    uint64_t plan_sum;    /* of the hash of the plan, as it is stored */
    int64_t piece_read;   /* by wr_store_read: the one that is handed out */
    uint64_t noted;       /* the last checkpoint, as `MADE` had it when the state was opened */
    struct wr_file *made; /* `MADE`; NULL: nothing was written into it yet */
    uint8_t looks;        /* nothing is written, see wr_store_look */
    int is_made;          /* it was there */
    struct wr_store_named named;
    int has_no_sums; /* an older format, which is being changed */
    int in_checkpoint;
    int has_rows; /* a sink has begun the transaction of the next checkpoint */
    int failed; /* the status of the first error: nothing goes on until the store is opened again */
    uint32_t part_count, part_room;
    uint32_t part_count_before;  /* parts that were there when the checkpoint began */
    struct wr_store_part *parts; /* in the order of their first put */
    struct wr_store_rows_file rows;
    char path[];
};

/* The first error ends everything: it rolls back and is remembered. Returns `status`. */
int wr_store_fail(struct wr_store *store, int status);
/* The same with what SQLite says; `what` is a verb: "read state DIR: disk I/O error". */
int wr_store_fail_sqlite(struct wr_store *store, const char *what, struct wr_error *err);
/* Runs SQL text that gives no rows, or a prepared statement with its values bound. */
int wr_store_run(struct wr_store *store, const char *what, const char *text, struct wr_error *err);
int wr_store_run_bound(struct wr_store *store, enum wr_store_statement which, const char *what,
                       struct wr_error *err);
/* Sets a fact; `text` NULL: it is the number. */
int wr_store_set_meta(struct wr_store *store, const char *name, int64_t number, const char *text,
                      struct wr_error *err);
/* Closes the file and keeps the lock. */
void wr_store_close_database(struct wr_store *store);
/* The path of a file of the state. */
void wr_store_path(const struct wr_store *store, const char *name,
                   char path[WR_STORE_PATH_BYTES_MAX]);
/* Adds a part to the list in memory. WR_OK, WR_ENOMEM or WR_ELIMIT. */
int wr_store_push_part(struct wr_store *store, const char *name, int64_t id,
                       struct wr_store_part **part);

/* The sizes and sums of the parts that the checkpoint under way has changed. */
int wr_store_put_sizes(struct wr_store *store, struct wr_error *err);

/* ---- store_sums.c ---- */

/* A piece without its bytes. */
struct wr_store_piece_facts {
    int64_t id, part, number, base, chunk, chunk_count, sum;
};
#define WR_STORE_PIECE_FACTS 7

uint64_t wr_store_piece_sum(const struct wr_store_piece_facts *facts);
/* The sum of all that the checkpoint under way leaves. */
int wr_store_sums_put(struct wr_store *store, struct wr_error *err);
/* Whether the facts and the parts are what the last checkpoint left. */
int wr_store_sums_check(struct wr_store *store, int64_t stored, struct wr_error *err);
/* Ends the change of a format that had none of these sums. */
int wr_store_sums_make(struct wr_store *store, struct wr_error *err);

/* ---- store_made.c ---- */

/* Before the database is opened: what `MADE` says, and whether there is what it says of. */
int wr_store_made_check(struct wr_store *store, const char *database, int has_log,
                        struct wr_error *err);
/* The database has its tables. */
int wr_store_made_set(struct wr_store *store, struct wr_error *err);
/* Refuses a database that is of an older checkpoint than the last one. */
int wr_store_made_compare(struct wr_store *store, struct wr_error *err);
/* A checkpoint stands. */
int wr_store_made_note(struct wr_store *store, struct wr_error *err);
void wr_store_made_close(struct wr_store *store);
/* The state is going to be removed: what is left of it when that is cut off begins anew. */
int wr_store_made_forget(struct wr_store *store, struct wr_error *err);

/* ---- store_named.c ---- */

void wr_store_named_close(struct wr_store *store);

/* ---- store_rows.c ---- */

/* Refuses a state whose rows are gone; `reach`: how far they went. */
int wr_store_rows_check(struct wr_store *store, uint64_t reach, struct wr_error *err);
/* Learns where rows may be written, if that is not known; before a checkpoint changes anything. */
int wr_store_rows_know(struct wr_store *store, struct wr_error *err);
int wr_store_rows_write(struct wr_store *store, struct wr_store_rows bytes, uint64_t *at,
                        struct wr_error *err);
/* Deletes the rows of all pieces of a part. */
int wr_store_rows_delete(struct wr_store *store, int64_t part, struct wr_error *err);
/* Before the commit, when all is put and deleted: what was written is durable. */
int wr_store_rows_sync(struct wr_store *store, struct wr_error *err);
/* The checkpoint stands, or has been rolled back. */
void wr_store_rows_settle(struct wr_store *store, int is_committed);
/* Lends the bytes of a place until the next call. */
int wr_store_rows_read(struct wr_store *store, int64_t at, int64_t length, struct wr_reader *bytes,
                       struct wr_error *err);
/* Writes all rows of the last checkpoint into `state.rows` of another directory. */
int wr_store_rows_copy(struct wr_store *store, const char *to, struct wr_error *err);
int wr_store_from_write(const struct wr_store *store, const char *to, struct wr_error *err);
void wr_store_rows_close(struct wr_store *store);
