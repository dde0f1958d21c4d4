/* twin.h: a PostgreSQL server for the simulated world, behind the functions of libpq that the
 * connectors call (conn/postgres_library.h). Its tables are SQLite's, in memory; it understands the
 * statements that the connectors send, and in a user's own query what SQLite understands. What it
 * keeps is a server's word: transactions that others see when they are done and not before, keys
 * and constraints with their SQLSTATE and row, a commit that is done or not whatever becomes of the
 * link, the rows of `weir_commit` and who may change them.
 *
 *   backend    a session with a copy of the database of its own. Its commit makes the copy the
 *              database; where another one was first, its statements are done once more on what
 *              that one left, and must come to the same (else 40001).
 *   link       what the program holds. When it is lost the backend's transaction is gone, but for a
 *              commit that is on its way: it is decided when somebody must wait for it, or later.
 *
 * Another instance may take the fences of weir_commit: who commits anything after that is wrong.
 *
 * A server is another machine: it lives on when the program dies or loses its power. What befalls
 * it and its links is drawn (`twin_arm`). Threads: one. */
#pragma once
#include <stdint.h>

#include "base/buf.h"

struct twin;
struct wr_error;
struct wr_sim;

/* What the databases of all servers begin with. */
struct twin_start {
    void *bytes; /* of SQLite's memory; NULL: nothing */
    int64_t size;
};
/* From the statements of a file: tables, indexes, rows. */
int twin_start_read(struct twin_start *start, const char *path, const char *text, size_t length,
                    struct wr_error *err);
void twin_start_release(struct twin_start *start);

/* Lends `sim`, whose clock and calls are the server's too, and `start`. NULL: out of memory. */
struct twin *twin_new(struct wr_sim *sim, const struct twin_start *start, uint64_t seed);
void twin_free(struct twin *twin);
/* Connectors speak to this one from now on; NULL: to a server, by libpq. */
void twin_use(struct twin *twin);
/* Told each thing that happens, if not NULL. */
void twin_watch(struct twin *twin, void (*tell)(void *ctx, const char *text), void *ctx);

/* Whether anybody has connected. */
int twin_was_used(const struct twin *twin);
/* At the n-th exchange from now something happens, with `sticky` now and then behind it too. */
void twin_arm(struct twin *twin, uint64_t nth, int sticky);
/* What has happened since it was armed; "": nothing. Lent. */
const char *twin_met(const struct twin *twin);
/* What no client may do, and one did; "": nothing. Lent. */
const char *twin_violation(const struct twin *twin);
/* The process of the links is gone: what it left is decided now or later; nothing happens any
 * more until it is armed. */
void twin_leave(struct twin *twin);
/* Commits that are still on their way are decided. */
void twin_settle(struct twin *twin);

/* Gives each database, by name: "postgres:host:5432/app". `db` is an sqlite3. */
typedef int (*twin_database_fn)(void *ctx, const char *name, void *db);
int twin_each(struct twin *twin, twin_database_fn fn, void *ctx);
