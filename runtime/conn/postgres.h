/* postgres.h: what reading and writing PostgreSQL have in common: the address and options of an
 * endpoint, connections, errors, names.
 *
 * A connection speaks UTF-8, ISO dates and UTC, whatever the server's defaults are. It belongs to
 * one thread. A statement that waits for the lock of another program ends after `timeout`; a server
 * that is not heard of for so long (TCP keepalives) is taken for lost. */
#pragma once
#include <stdint.h>

#include "conn/postgres_library.h"
#include "conn/retry.h"
#include "conn/secret.h"

struct wr_buf;
struct wr_endpoint_bind;
struct wr_env;
struct wr_error;
struct wr_options;

#define WR_POSTGRES_TIMEOUT_US (INT64_C(30) * 1000000)
#define WR_POSTGRES_RETRIES 10
#define WR_POSTGRES_NAME_MAX 63 /* bytes of a name; the server cuts longer ones */

enum wr_postgres_tls {
    WR_POSTGRES_TLS_AUTO, /* verify, but on this machine: what the server has */
    WR_POSTGRES_TLS_VERIFY,
    WR_POSTGRES_TLS_ENCRYPT, /* whoever answers */
    WR_POSTGRES_TLS_OFF,
};

/* Where a database is and how it is spoken to; in the plan's arena. */
struct wr_postgres {
    const char *place; /* "postgres:host:5432/app", for messages */
    const char *host, *port, *database;
    const char *user; /* NULL: what libpq takes */
    const char *ca;   /* file of certificates; NULL: the system's */
    struct wr_secret password;
    enum wr_postgres_tls tls;
    int64_t timeout_us;
    struct wr_retry retry; /* of sinks: how they connect again, within the timeout */
    /* Not of the plan, but of who copies this to use it: not 0 when the run is to stop. Then an
     * answer is waited for WR_POSTGRES_STOP_MS more, and what is still asked is cancelled; a server
     * that says nothing to that is given up behind WR_POSTGRES_GONE_MS: WR_ECANCEL. NULL: nothing
     * stops it. */
    const volatile sig_atomic_t *stop;
};
#define WR_POSTGRES_STOP_MS 3000 /* the last commit of a run that ends in order has its time */
#define WR_POSTGRES_GONE_MS 6000

/* The options that both ways have, closed by NULL, and those of them that this reads. */
#define WR_POSTGRES_OPTIONS "table", "user", "password", "tls", "ca", "timeout", "retries"
int wr_postgres_bind(struct wr_postgres *postgres, const struct wr_endpoint_bind *bind,
                     const struct wr_options *options, struct wr_error *err);

/* Connects once. `mark` (NULL: none) is the connection's name among those of the server; `stop`
 * (NULL: nothing does) ends the wait for its answer: WR_ECANCEL. */
int wr_postgres_connect(PGconn **connection, const struct wr_postgres *postgres,
                        const struct wr_env *env, const char *mark,
                        const volatile sig_atomic_t *stop, struct wr_error *err);
void wr_postgres_close(PGconn **connection);

/* The five characters of the error of `result`, or "" where the connection says what went wrong. */
const char *wr_postgres_sqlstate(const PGresult *result);
/* 1 when the connection, or only the transaction, is lost through no fault of the statement: the
 * same may go well on another one. */
int wr_postgres_is_lost(PGconn *connection, const char *sqlstate);
/* 1 when the values of a row are at fault. */
int wr_postgres_is_of_row(const char *sqlstate);
/* "PLACE: WHAT: <message of the server>", the status and code that its SQLSTATE asks for: WR_EAGAIN
 * where it is lost (see above). `result` may be NULL. */
int wr_postgres_failed(const struct wr_postgres *postgres, PGconn *connection,
                       const PGresult *result, const char *what, struct wr_error *err);
/* A connection was refused because the server starts, or stops. */
int wr_postgres_is_starting(const struct wr_error *err);
/* For those who do not try again: makes an error of WR_EAGAIN. */
int wr_postgres_final(int status, struct wr_error *err);
/* Copies the message of the server, one line, into `text`. */
void wr_postgres_message(PGconn *connection, const PGresult *result, char *text, size_t size);
/* As PQexec and PQgetResult, but for `stop`, and for results that were left over. */
PGresult *wr_postgres_exec(const struct wr_postgres *postgres, PGconn *connection, const char *sql);
PGresult *wr_postgres_result(const struct wr_postgres *postgres, PGconn *connection);
/* The last result of what was sent; NULL where it was not (`sent` 0). */
PGresult *wr_postgres_answer(const struct wr_postgres *postgres, PGconn *connection, int sent);
/* Runs statements that give no rows; `what` is for the error. */
int wr_postgres_run(const struct wr_postgres *postgres, PGconn *connection, const char *sql,
                    const char *what, struct wr_error *err);
/* Runs one statement with texts as parameters, and gives its rows as text (the caller clears). */
int wr_postgres_ask(const struct wr_postgres *postgres, PGconn *connection, const char *sql,
                    const char *const *texts, int text_count, PGresult **rows,
                    struct wr_error *err);

/* Whether there is a table of a name, as wr_postgres_add_table writes it. */
int wr_postgres_is_there(const struct wr_postgres *postgres, PGconn *connection, const char *name,
                         int *there, struct wr_error *err);

/* A table as a script names it: `orders`, `sales.orders`, or parts within quotes. W203. */
struct wr_postgres_name {
    const char *schema; /* NULL: the first of the search path */
    const char *table;
};
int wr_postgres_name(struct wr_postgres_name *name, const struct wr_endpoint_bind *bind,
                     const char *text, struct wr_error *err);
int wr_postgres_add_table(struct wr_buf *sql, const struct wr_postgres_name *name);
