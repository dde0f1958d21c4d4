/* sqlite_shared.h: the one connection through which all sinks of a process write to one SQLite
 * file. A second writer would wait for the first one's transaction, which lasts an epoch, and so
 * for ever.
 * The sinks of a file share one transaction: the first of them that has something to write in an
 * epoch starts it, the last `commit` ends it. In an epoch in which nothing comes there is none, and
 * behind a commit none until the next row: then others may write to the file.
 * Threads: one for each file; the list of files is locked.
 *
 * A lock of another program is waited for inside of the statement that needs it (SQLite's busy
 * handler), as the policy of the sink says: so nothing is done twice, and after any other error the
 * transaction is rolled back and nothing more is written (rule S2: SQLite may have rolled back by
 * itself, and what follows would be written alone). */
#pragma once
#include <stdint.h>

#include "conn/retry.h"

struct sqlite3;
struct wr_env;
struct wr_error;
struct wr_sink;

struct wr_sqlite_shared {
    struct wr_sqlite_shared *next;
    const struct wr_env *env;
    struct sqlite3 *db;
    uint32_t user_count;  /* sinks */
    uint32_t begun_count; /* sinks between begin and commit */
    int in_transaction;   /* one of them has something to write */
    int broken;           /* an error rolled the transaction back: nothing more is written */
    char *path;
    struct wr_patience patience; /* for a lock of another program */
    int ended;                   /* why it waits no more: WR_EEND, WR_ECANCEL; WR_OK: it would */
};

/* Of the first sink of several it has the policy. */
int wr_sqlite_shared_open(struct wr_sqlite_shared **shared, struct wr_sink *sink, const char *path,
                          const struct wr_retry *retry, struct wr_error *err);
/* What is waited for from now on is for this sink. */
void wr_sqlite_shared_serve(struct wr_sqlite_shared *shared, struct wr_sink *sink);
/* The status of a call that wrote: where it failed because a lock was waited for to the end, `err`
 * says how long; WR_ECANCEL where a signal ended it. */
int wr_sqlite_shared_outcome(const struct wr_sqlite_shared *shared, int status,
                             struct wr_error *err);
/* A sink that is still between begin and commit takes the whole transaction back. */
void wr_sqlite_shared_close(struct wr_sqlite_shared *shared, int is_begun);
int wr_sqlite_shared_begin(struct wr_sqlite_shared *shared, struct wr_error *err);
/* Between begin and commit: the transaction has begun. */
int wr_sqlite_shared_enter(struct wr_sqlite_shared *shared, struct wr_error *err);
int wr_sqlite_shared_commit(struct wr_sqlite_shared *shared, struct wr_error *err);
/* After a failure of any statement: rolls back, and refuses from then on (rule S2). */
void wr_sqlite_shared_break(struct wr_sqlite_shared *shared);
/* 1 when a sink of this process writes to the file that `db` has open. */
int wr_sqlite_shared_writes(const struct wr_env *env, struct sqlite3 *db);
