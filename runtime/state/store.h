/* store.h: the state file: one SQLite database (`DIR/state.db`, WAL, synchronous FULL, one
 * exclusive connection) that holds checkpoints. A checkpoint N is one transaction: named parts ("op
 * 5", "source 0", …), each a delta blob or a new base, and the small facts of the run. Rows of
 * large tables lie in a file beside it (`DIR/state.rows`), synced before the commit that says
 * where. Reading back gives base and deltas in order. Parts whose deltas exceed half of their base
 * are due for a new base (`wr_store_base_due`). Threads: one, but for what says otherwise. After
 * any error the store refuses further work until it is opened again (rule S2). */
#pragma once
#include <stdint.h>

struct wr_buf;
struct wr_env;
struct wr_error;
struct wr_reader;
struct wr_store;
struct sqlite3;

#define WR_STORE_VERSION 12 /* 10 and 11 are read, and become 12 when they are opened */

/* Opens or makes the state in directory `path`. Refuses: a directory in use (names the holder), a
 * another format, a file that is damaged. `plan_hash`: of the script's plan; another one is W601 in
 * `err`. NULL: whose state it is knows the caller. */
int wr_store_open(struct wr_store **store, const struct wr_env *env, const char *path,
                  const char *plan_hash, struct wr_error *err);
/* The same to look into it: the log of a life that died stays as it is, so that the next start
 * finds it. Only a format of before is changed. */
int wr_store_look(struct wr_store **store, const struct wr_env *env, const char *path,
                  struct wr_error *err);
void wr_store_close(struct wr_store *store);
/* The number of the last checkpoint; 0: none yet. */
uint64_t wr_store_number(const struct wr_store *store);
/* A number that was drawn when this state was made, never 0; 0: an older weir made it. What a run
 * makes outside of its state before the first checkpoint is named by it, so that the next run finds
 * it. */
uint64_t wr_store_identity(const struct wr_store *store);
/* A checkpoint: begin, put parts, commit (or roll back). Numbers go up by one. */
int wr_store_begin(struct wr_store *store, struct wr_error *err);
enum wr_store_piece {
    WR_STORE_DELTA,
    WR_STORE_BASE,      /* supersedes everything that was put for this part before; where that was
                         * the same bytes, nothing is written */
    WR_STORE_BASE_MORE, /* goes on a base of the same checkpoint, whose bytes come in pieces */
};
int wr_store_put(struct wr_store *store, const char *part, const void *bytes, uint64_t length,
                 enum wr_store_piece piece, struct wr_error *err);
/* The same with rows of tables, which are kept apart from the rest: of a piece that has
 * WR_STORE_ROWS_BYTES of them or more in a file beside the database. */
struct wr_store_rows {
    const void *bytes;
    uint64_t length;
};
int wr_store_put_apart(struct wr_store *store, const char *part, const void *bytes, uint64_t length,
                       struct wr_store_rows rows, enum wr_store_piece piece, struct wr_error *err);
#define WR_STORE_ROWS_BYTES 16384u
/* Another bound than that, for tests of the file; before the first checkpoint. */
void wr_store_set_rows_bytes(struct wr_store *store, uint64_t bytes_min);
/* Removes all parts "KIND NUMBER …" of a stage. */
int wr_store_drop_stage(struct wr_store *store, uint32_t number, struct wr_error *err);
int wr_store_commit(struct wr_store *store, struct wr_error *err);
void wr_store_rollback(struct wr_store *store);
/* Whether a part wants a new base: what came since the last one is more than half of it, and most
 * of all is of rows that were written again. `live_bytes`: what a base would take; 0: not known. */
int wr_store_base_due(const struct wr_store *store, const char *part, uint64_t live_bytes);
uint64_t wr_store_part_bytes(const struct wr_store *store, const char *part);
/* Calls `fn` with each piece of the base and then each later delta of a part, in order. */
typedef int (*wr_store_fn)(void *ctx, struct wr_reader *bytes, int base);
typedef int (*wr_store_rows_fn)(void *ctx, struct wr_reader *bytes);
int wr_store_read(struct wr_store *store, const char *part, wr_store_fn fn, void *ctx,
                  struct wr_error *err);
/* Which piece it is, while wr_store_read calls `fn`; and its rows apart, later. The latter may be
 * called from any thread, also while another one writes a checkpoint. */
int64_t wr_store_piece(const struct wr_store *store);
int wr_store_read_rows(struct wr_store *store, int64_t piece, wr_store_rows_fn fn, void *ctx,
                       struct wr_error *err);
/* Gives each part, in the order of their first put: its name, the bytes of its base and of what
 * came since. */
typedef int (*wr_store_part_fn)(void *ctx, const char *part, uint64_t base_bytes,
                                uint64_t delta_bytes);
int wr_store_parts(const struct wr_store *store, wr_store_part_fn fn, void *ctx);
/* Whether the file is whole, as SQLite sees it, each part has the pieces that were saved, with
 * their bytes, and no piece is of a part that is not there.
 * WR_OK or WR_ECORRUPT with what is wrong. */
int wr_store_check(struct wr_store *store, struct wr_error *err);
/* Makes a state of the last checkpoint in the directory `to`, which must have none. Behind that
 * checkpoint, before a sink writes again (SQLite refuses it else). With `begins` a run goes on with
 * it: where it began is noted beside it. */
int wr_store_copy(struct wr_store *store, const char *to, int begins, struct wr_error *err);
/* store_from.c: whether the state in `directory` began as a copy of this checkpoint. */
int wr_store_began_from(const struct wr_store *store, const char *directory);
/* … or as a copy of what lay at `path` then, which may be gone, or another one now. */
int wr_store_began_at(const struct wr_env *env, const char *directory, const char *path);
enum wr_store_beginning {
    WR_STORE_FRESH,     /* not as a copy */
    WR_STORE_AS_COPIED, /* no checkpoint has come since */
    WR_STORE_GONE_ON,
};
enum wr_store_beginning wr_store_beginning(const struct wr_store *store);
/* Removes the state from its directory, which is then as fresh; only closing may follow. */
int wr_store_erase(struct wr_store *store, struct wr_error *err);
/* The same; its directory goes with it, and its lock, where that is not kept and nothing else is
 * there. */
int wr_store_unmake(struct wr_store *store, int keeps_directory, struct wr_error *err);
/* The errno behind the error that a call of SQLite has just ended with, in the thread that made it;
 * 0: none is known. */
int wr_store_sqlite_errno(struct sqlite3 *db);
/* The connection, for rows that wait for the end (spool.c). Lent. */
struct sqlite3 *wr_store_connection(struct wr_store *store);

/* store_named.c: files that the last checkpoint says are complete get their names behind it.
 * `path`: the temporary name of one that is there, just before it is renamed. */
int wr_store_naming(struct wr_store *store, const char *path, struct wr_error *err);
/* What was said so is durable; behind the names. */
int wr_store_naming_sync(struct wr_store *store, struct wr_error *err);
/* Whether it was said of that name behind the last checkpoint, by a life before. */
int wr_store_was_named(struct wr_store *store, const char *path, int *was_named,
                       struct wr_error *err);

/* store_tables.c: tables of sinks that live in the file itself. Between the two calls the
 * connection is the caller's, and no other thread uses it. With `writes` the transaction of the
 * next checkpoint has begun, which wr_store_begin then goes on with: what is written stands with
 * that checkpoint, or not at all. */
int wr_store_lend(struct wr_store *store, int writes, struct sqlite3 **db, struct wr_error *err);
/* `status`: of what was done with it. A failure rolls all of the transaction back, and nothing goes
 * on (rule S2). */
void wr_store_take_back(struct wr_store *store, int status);
/* Whether a sink may not have a table of this name: it is one of ours, or may be one day. */
int wr_store_owns_table(const char *name);
/* Gives each table of sinks, in the order of their names. */
typedef int (*wr_store_table_fn)(void *ctx, const char *name, uint64_t rows);
int wr_store_tables(struct wr_store *store, wr_store_table_fn fn, void *ctx, struct wr_error *err);
