/* twin_server.h: what the files of the twin share. See twin.h. */
#pragma once
#include <libpq-fe.h>
#include <sqlite3.h>

#include "base/arena.h"
#include "base/buf.h"
#include "sim/simulation.h"
#include "sim/twin.h"
#include "sim/twin_value.h"

#define TWIN_MARK_MAX 64
#define TWIN_FENCED_MAX 8
#define TWIN_COLUMNS_MAX 1600 /* of a table, as the server has it */

/* ---- twin_result.c: what a statement gives --------------------------------------------------- */

struct cell {
    const char *bytes; /* NULL: null */
    int length;
};

struct pg_result {
    struct wr_arena arena;
    ExecStatusType status;
    struct twin_error error;
    char command[32];
    int64_t changed; /* rows; -1: it does not say */
    int field_count, row_count, row_room, parameter_count;
    const char **names;
    struct twin_type *types;
    struct cell *cells;
};

struct pg_result *result_new(ExecStatusType status);
void result_free(struct pg_result *result);
void result_columns(struct pg_result *result, int count);
void result_column(struct pg_result *result, int at, const char *name,
                   const struct twin_type *type);
/* A new row of nulls; its cells. */
struct cell *result_row(struct pg_result *result);
void result_set(struct pg_result *result, struct cell *cell, const char *bytes, size_t length);
void result_text(struct pg_result *result, struct cell *cell, const char *text);
/* Those of libpq's functions that read a result. */
struct wr_pq;
void result_functions(struct wr_pq *functions);

/* ---- twin_backend.c: sessions and what others see of them ------------------------------------ */

/* A statement with what goes with it; texts and bytes are lent. */
struct twin_call {
    const char *sql;
    int count, binary; /* parameters, and whether they come in the binary form */
    const char *const *values;
    const int *lengths;
    const char *copied; /* what followed `copy … from stdin` */
    size_t copied_length;
    int binary_result;
};

struct logged; /* a call of a transaction, kept to be done once more */

struct backend {
    struct backend *next; /* among those whose commit is on its way */
    struct database *database;
    sqlite3 *db;
    uint64_t version; /* of the database that its copy was made from */
    uint32_t pid;
    char mark[TWIN_MARK_MAX];
    uint64_t number;     /* of its transaction, once somebody asked; else 0 */
    uint64_t row_number; /* that rows bear which it writes now */
    int in_transaction, failed, changed, fixed; /* fixed: repeatable read */
    struct logged *log, **log_end;
    struct wr_arena arena; /* of the log */
};

struct database {
    struct database *next;
    struct twin *twin;
    char name[SIM_PATH_MAX];
    unsigned char *bytes; /* committed, of SQLite's memory */
    int64_t size;
    uint64_t version;
    struct backend *pending; /* their commit is on its way */
    uint64_t last_number, last_row_number;
    uint64_t *committed; /* numbers of transactions; in the arena */
    uint32_t committed_count, committed_room;
    struct wr_arena arena;
};

struct twin {
    struct wr_sim *sim;
    const struct twin_start *start;
    struct database *databases;
    struct pg_conn *links;
    struct dice dice;
    uint32_t last_pid;
    int was_used, is_armed, sticky;
    uint64_t nth;          /* exchanges until something happens */
    int64_t down_until_us; /* by the clock that never goes back; 0: it is up */
    char met[160];
    char fenced[TWIN_FENCED_MAX]
               [TWIN_MARK_MAX]; /* marks of instances that another one has fenced */
    uint32_t fenced_count;
    char violation[160];
    void (*tell)(void *ctx, const char *text);
    void *tell_ctx;
};

struct database *database_find(struct twin *twin, const char *name);
struct backend *backend_new(struct database *database, const char *mark);
/* What is under way is rolled back. */
void backend_free(struct backend *backend);
/* Does one or several statements; the result of the last one, or of the first that fails. */
struct pg_result *backend_run(struct backend *backend, const struct twin_call *call);
/* The columns that a query gives, as describe_query. */
int backend_describe(struct backend *backend, const char *sql, struct pg_result *result);
/* The link is lost behind a commit that was sent: it is decided later. Takes the backend. */
void backend_leave_pending(struct backend *backend);
/* Somebody waits for what they hold: commits on their way are decided. */
void database_settle(struct database *database);
/* Another instance takes all fences, and writes nothing. */
void database_take(struct database *database);
/* What a transaction of a number has become: "committed", "aborted", "in progress". */
const char *database_status_of(struct database *database, uint64_t number);
/* Ends the sessions of a mark but one; how many. */
int database_end(struct database *database, const char *mark, const struct backend *but);
uint64_t backend_number(struct backend *backend);

/* ---- twin_text.c: statements as tokens ------------------------------------------------------- */

struct twin_text {
    const char *at, *end;
    struct wr_arena *arena;
};

/* Takes words, in any case, and signs that stand there next: 1, or 0 and stays. "on conflict (". */
int text_take(struct twin_text *text, const char *words);
int text_is(const struct twin_text *text, const char *words);
/* A name: NULL where none stands there. Of a table: "public" is left out, else "schema.table". */
char *text_name(struct twin_text *text);
char *text_table(struct twin_text *text);
/* 'a literal': NULL where none stands there. */
char *text_literal(struct twin_text *text, size_t *length);
int text_number(struct twin_text *text, int64_t *number);
/* A type: words, and numbers within brackets. 0 or -1. */
int text_type(struct twin_text *text, struct twin_type *type, char words[80]);
/* Passes one token. */
void text_token(struct twin_text *text);
/* Passes one token, or all up to the bracket that closes one. */
void text_skip(struct twin_text *text);
/* "(a, b)" as names: how many, or -1. */
int text_names(struct twin_text *text, char **names, int most);
/* The next statement of several, without its `;`; 0: there is none. */
int text_statement(struct twin_text *text, struct twin_text *one);

/* ---- twin_catalog.c, twin_make.c, twin_number.c, twin_own.c, twin_read.c, twin_undo.c,
 * twin_write.c */

struct twin_column {
    const char *name;
    struct twin_type type;
    int is_not_null, has_default, is_primary; /* its place in the key, from 1 */
};

struct twin_table {
    const char *name;
    int count;
    struct twin_column *columns;
};

/* Of a table that is there: 0; else -1 with 42P01. */
int table_find(struct twin_table *table, struct backend *backend, const char *name,
               struct wr_arena *arena, struct twin_error *error);
int table_column(const struct twin_table *table, const char *name);
/* The columns of a unique index that holds nulls equal, which SQLite has over expressions; 0: it is
 * none of these. */
int index_over(struct backend *backend, const char *index, char **names, int most,
               struct wr_arena *arena);
/* A statement of SQLite's own; a failure of it as the server tells it. */
int sqlite_prepare(struct backend *backend, const char *sql, sqlite3_stmt **made,
                   struct twin_error *error);
int sqlite_do(struct backend *backend, const char *sql, struct twin_error *error);
int sqlite_failed(struct backend *backend, struct twin_error *error);
void sqlite_bind(sqlite3_stmt *statement, int at, const struct twin_value *value);
void sqlite_value(sqlite3_stmt *statement, int at, struct twin_value *value);

/* Each plays one kind of statement: 0, -1 with result->error, or 1: it is of another kind. */
int play_catalog(struct backend *backend, const struct twin_call *call, struct pg_result *result);
int play_make(struct backend *backend, const struct twin_call *call, struct pg_result *result);
int play_own(struct backend *backend, const struct twin_call *call, struct pg_result *result);
int play_undo(struct backend *backend, const struct twin_call *call, struct pg_result *result);
int play_number(struct backend *backend, const struct twin_call *call, struct pg_result *result);
int play_write(struct backend *backend, const struct twin_call *call, struct pg_result *result);
int play_read(struct backend *backend, const struct twin_call *call, struct pg_result *result);
/* Fits rows that SQLite put there as a file of statements says, into the types of their columns. */
int fit_all_rows(struct backend *backend, struct twin_error *error);
/* Rows that are written from now on bear another number; one does that was written; those of a
 * table bear none; it has another name. */
#define TWIN_NUMBERS "weir_undo_numbers of rows"
void number_begin(struct backend *backend);
void number_row(struct backend *backend, const char *table, int64_t rowid);
void number_forget(struct backend *backend, const char *table);
void number_rename(struct backend *backend, const char *from, const char *to);
/* The columns that a query gives, and how many parameters: into result->names, types. */
int describe_query(struct backend *backend, const char *sql, struct pg_result *result);
