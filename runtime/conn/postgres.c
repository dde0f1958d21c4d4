/* postgres.c: see postgres.h. */
#include "conn/postgres.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/sql.h"
#include "base/banned.h"

#define CERTIFICATES "/etc/ssl/certs/ca-certificates.crt"
#define PARAMETERS_MAX 20
#define POLL_MS 50 /* a signal that another thread takes ends no poll here */
#define PAUSE_US_MIN (INT64_C(200) * 1000)
#define PAUSE_US_MAX (INT64_C(5) * 1000000)

/* ---- the address ---------------------------------------------------------------------------- */

static int bad_address(const char *address, const char *why, struct wr_error *err) {
    wr_error_script(err, "W402", "`postgres:%s`: %s", address, why);
    wr_error_help(err, "`host/database`, `host:5433/database`, or for a socket "
                       "`/run/postgresql/database`");
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

static int is_port(const char *text, size_t length) {
    if (length == 0 || length > 5)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return 0;
    return 1;
}

/* host[:port]/database, [::1]:5432/database, /directory/of/the/socket[:port]/database */
static int read_address(struct wr_postgres *postgres, struct wr_arena *arena, const char *address,
                        struct wr_error *err) {
    const char *slash = strrchr(address, '/');
    if (slash == NULL || slash[1] == 0 || slash == address)
        return bad_address(address, "it names a host and a database", err);
    if (strchr(address, '@') != NULL)
        return bad_address(address, "the user is an option, `user = \"app\"`", err);
    size_t length = (size_t)(slash - address);
    const char *colon = memrchr(address, ':', length);
    if (colon != NULL && is_port(colon + 1, (size_t)(slash - colon) - 1)) {
        postgres->port = wr_arena_strndup(arena, colon + 1, (size_t)(slash - colon) - 1);
        length = (size_t)(colon - address);
    } else {
        postgres->port = "5432";
        if (colon != NULL && address[0] != '/' && slash[-1] != ']')
            return bad_address(address, "what stands behind the `:` is no port", err);
    }
    int bracketed = address[0] == '[' && length > 2 && address[length - 1] == ']';
    postgres->host = wr_arena_strndup(arena, address + bracketed, length - 2 * (size_t)bracketed);
    postgres->database = slash + 1;
    postgres->place = wr_endpoint_textf(arena, "postgres:%s", address);
    if (length == 0)
        return bad_address(address, "it names no host", err);
    if (postgres->host == NULL || postgres->port == NULL || postgres->place == NULL)
        return wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
    return WR_OK;
}

int wr_postgres_bind(struct wr_postgres *postgres, const struct wr_endpoint_bind *bind,
                     const struct wr_options *options, struct wr_error *err) {
    static const char *const tls[] = {"auto", "verify", "encrypt", "off", NULL};
    const char *address = wr_value_string(wr_value_get(bind->spec, "endpoint"), "address", "");
    int tls_index = WR_POSTGRES_TLS_AUTO;
    uint64_t timeout_us = WR_POSTGRES_TIMEOUT_US;
    postgres->retry = (struct wr_retry){.retries = WR_POSTGRES_RETRIES,
                                        .timeout_us = WR_POSTGRES_TIMEOUT_US,
                                        .pause_us_min = PAUSE_US_MIN,
                                        .pause_us_max = PAUSE_US_MAX,
                                        .failures = WR_RETRY_FAILURES};
    int status = read_address(postgres, bind->arena, address, err);
    if (status == WR_OK)
        status = wr_option_text(options, "user", &postgres->user, err);
    if (status == WR_OK)
        status = wr_option_text(options, "ca", &postgres->ca, err);
    if (status == WR_OK)
        status = wr_secret_option(options, "password", &postgres->password, err);
    if (status == WR_OK)
        status = wr_option_word(options, "tls", tls, &tls_index, err);
    if (status == WR_OK)
        status = wr_option_duration(options, "timeout", &timeout_us, err);
    if (status == WR_OK)
        status = wr_retry_bind(&postgres->retry, bind, options, 1, err);
    postgres->tls = (enum wr_postgres_tls)tls_index;
    postgres->timeout_us = (int64_t)WR_MIN(timeout_us, (uint64_t)INT32_MAX * 1000);
    return status;
}

/* ---- connections ---------------------------------------------------------------------------- */

static void say_nothing(void *ctx, const char *message) {
    (void)ctx, (void)message;
}

static int is_of_this_machine(const char *host) {
    return host[0] == '/' || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strncmp(host, "127.", 4) == 0;
}

static const char *sslmode(const struct wr_postgres *postgres) {
    switch (postgres->tls) {
    case WR_POSTGRES_TLS_AUTO: break;
    case WR_POSTGRES_TLS_VERIFY: return "verify-full";
    case WR_POSTGRES_TLS_ENCRYPT: return "require";
    case WR_POSTGRES_TLS_OFF: return "disable";
    }
    return is_of_this_machine(postgres->host) ? "prefer" : "verify-full";
}

struct parameters {
    const char *names[PARAMETERS_MAX + 1], *values[PARAMETERS_MAX + 1];
    unsigned count;
};

static void give(struct parameters *parameters, const char *name, const char *value) {
    if (value == NULL)
        return;
    WR_ASSERT(parameters->count < PARAMETERS_MAX);
    parameters->names[parameters->count] = name;
    parameters->values[parameters->count++] = value;
}

static int settle(const struct wr_postgres *postgres, PGconn *connection, struct wr_error *err) {
    char sql[256];
    snprintf(sql, sizeof sql,
             "set datestyle = iso; set intervalstyle = iso_8601; set timezone = 'UTC'; "
             "set extra_float_digits = 1; set standard_conforming_strings = on; "
             "set lock_timeout = %lld",
             (long long)(postgres->timeout_us / 1000));
    return wr_postgres_run(postgres, connection, sql, "settings", err);
}

/* Until the connection stands or is bad; else nothing was heard in time, or it is to stop. */
static void wait_for_answer(PGconn *connection, const struct wr_env *env, int64_t timeout_us,
                            const volatile sig_atomic_t *stop) {
    const struct wr_pq *pq = wr_pq();
    int64_t end_us = env->monotonic_us(env) + timeout_us;
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while ((next == PGRES_POLLING_WRITING || next == PGRES_POLLING_READING) &&
           pq->PQstatus(connection) != CONNECTION_BAD && env->monotonic_us(env) < end_us &&
           (stop == NULL || !*stop)) {
        struct pollfd socket = {.fd = pq->PQsocket(connection),
                                .events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        if (socket.fd < 0 || poll(&socket, 1, POLL_MS) > 0)
            next = pq->PQconnectPoll(connection);
    }
}

static int no_answer(const struct wr_postgres *postgres, const volatile sig_atomic_t *stop,
                     struct wr_error *err) {
    if (stop != NULL && *stop)
        return wr_error_set(err, WR_ECANCEL, "stopped while %s was waited for: connect",
                            postgres->place);
    return wr_error_set(err, WR_EAGAIN, "%s: connect: no answer in %lld s", postgres->place,
                        (long long)(postgres->timeout_us / 1000000));
}

int wr_postgres_connect(PGconn **made, const struct wr_postgres *postgres, const struct wr_env *env,
                        const char *mark, const volatile sig_atomic_t *stop, struct wr_error *err) {
    const struct wr_pq *pq;
    struct wr_buf password;
    char seconds[24], milliseconds[24];
    *made = NULL;
    int status = wr_pq_load(err);
    if (status != WR_OK)
        return status;
    pq = wr_pq();
    wr_buf_init(&password, &wr_budget_control, WR_SECRET_BYTES_MAX);
    if (postgres->password.place != NULL)
        status = wr_secret_read(&postgres->password, env, &password, err);
    if (status != WR_OK) {
        wr_secret_wipe(&password);
        return wr_error_add(err, status, "%s", postgres->place);
    }
    snprintf(seconds, sizeof seconds, "%lld", (long long)(postgres->timeout_us / 1000000 + 1));
    snprintf(milliseconds, sizeof milliseconds, "%lld", (long long)(postgres->timeout_us / 1000));
    struct parameters all = {0};
    give(&all, "host", postgres->host);
    give(&all, "port", postgres->port);
    give(&all, "dbname", postgres->database);
    give(&all, "user", postgres->user);
    give(&all, "password", password.bytes);
    give(&all, "sslmode", sslmode(postgres));
    if (postgres->ca != NULL) /* given, libpq verifies in all modes */
        give(&all, "sslrootcert", postgres->ca);
    else if (strcmp(sslmode(postgres), "verify-full") == 0)
        give(&all, "sslrootcert", CERTIFICATES);
    give(&all, "keepalives_idle", seconds);
    give(&all, "keepalives_interval", "5");
    give(&all, "keepalives_count", "3");
    give(&all, "tcp_user_timeout", milliseconds);
    give(&all, "client_encoding", "UTF8");
    give(&all, "application_name", mark != NULL ? mark : "weir");
    PGconn *connection = pq->PQconnectStartParams(all.names, all.values, 0);
    wr_secret_wipe(&password);
    if (connection == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", postgres->place);
    wait_for_answer(connection, env, postgres->timeout_us, stop);
    ConnStatusType state = pq->PQstatus(connection);
    if (state != CONNECTION_OK && state != CONNECTION_BAD) {
        status = no_answer(postgres, stop, err);
    } else if (state == CONNECTION_OK) {
        pq->PQsetNoticeProcessor(connection, say_nothing, NULL);
        pq->PQsetnonblocking(connection, 1); /* a server that does not read stops nobody */
        status = settle(postgres, connection, err);
    } else {
        status = wr_postgres_failed(postgres, connection, NULL, "connect", err);
    }
    if (status != WR_OK)
        wr_postgres_close(&connection);
    *made = connection;
    return status;
}

void wr_postgres_close(PGconn **connection) {
    if (*connection != NULL)
        wr_pq()->PQfinish(*connection);
    *connection = NULL;
}

/* ---- errors --------------------------------------------------------------------------------- */

const char *wr_postgres_sqlstate(const PGresult *result) {
    const char *state =
        result == NULL ? NULL : wr_pq()->PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state != NULL ? state : "";
}

int wr_postgres_is_lost(PGconn *connection, const char *sqlstate) {
    if (connection == NULL || wr_pq()->PQstatus(connection) == CONNECTION_BAD)
        return 1;
    /* 57P01 to 57P05: the server goes down, or another one ended the connection. */
    return strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P", 3) == 0 ||
           strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0 ||
           strcmp(sqlstate, "25P03") == 0 || strcmp(sqlstate, "25P04") == 0;
}

int wr_postgres_is_of_row(const char *sqlstate) {
    /* 22: data; 23: constraints; 44: a view's check; P0001: a trigger refused; 21000: two rows of
     * a piece are one to the table; 54000: too long for an index. */
    return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
           strncmp(sqlstate, "44", 2) == 0 || strcmp(sqlstate, "P0001") == 0 ||
           strcmp(sqlstate, "21000") == 0 || strcmp(sqlstate, "54000") == 0;
}

void wr_postgres_message(PGconn *connection, const PGresult *result, char *text, size_t size) {
    const struct wr_pq *pq = wr_pq();
    const char *primary =
        result == NULL ? NULL : pq->PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail =
        result == NULL ? NULL : pq->PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    if (detail != NULL && strncmp(detail, "Failing row", 11) == 0)
        detail = NULL; /* the row, with what the server drew for it */
    if (primary == NULL)
        primary = connection == NULL ? "out of memory" : pq->PQerrorMessage(connection);
    snprintf(text, size, "%s%s%s", primary, detail == NULL ? "" : ": ",
             detail == NULL ? "" : detail);
    size_t length = strlen(text);
    while (length > 0 && strchr(" \n.", text[length - 1]) != NULL)
        text[--length] = 0;
    for (char *at = text; *at != 0; at++)
        if (*at == '\n' || *at == '\r' || *at == '\t')
            *at = ' ';
}

static void add_help(const struct wr_postgres *postgres, const char *state, const char *message,
                     struct wr_error *err) {
    if (strcmp(state, "55P03") == 0)
        wr_error_help(err, "another program holds a lock for longer than `timeout`");
    else if (strcmp(state, "42501") == 0)
        wr_error_help(err, "`grant` the user `%s` what it needs, or name another: `user = …`",
                      postgres->user != NULL ? postgres->user : "it connects as");
    else if (strstr(message, "password") != NULL)
        wr_error_help(err, "`user = \"NAME\", password = weir.secret \"env:NAME\"`");
    else if (strstr(message, "certificate") != NULL || strstr(message, "SSL") != NULL)
        wr_error_help(err, "`ca = \"FILE\"` names the certificates to trust; `tls = \"encrypt\"` "
                           "trusts whoever answers, `tls = \"off\"` does without");
    else if (strstr(message, "Connection refused") != NULL ||
             strstr(message, "No such file") != NULL)
        wr_error_help(err, "is the server running, and does it listen on port %s?", postgres->port);
}

/* What failed here and not in the server has no SQLSTATE. libpq may report a write into a link that
 * the other end has closed before it takes the connection for bad. */
static int failed_here(const char *sqlstate, const char *message) {
    return sqlstate[0] == 0 && strstr(message, "out of memory") == NULL;
}

int wr_postgres_failed(const struct wr_postgres *postgres, PGconn *connection,
                       const PGresult *result, const char *what, struct wr_error *err) {
    char message[512];
    const char *state = wr_postgres_sqlstate(result);
    wr_postgres_message(connection, result, message, sizeof message);
    int is_refusal = strncmp(state, "42", 2) == 0 || strcmp(state, "55P03") == 0;
    int is_lost = wr_postgres_is_lost(connection, state) || failed_here(state, message);
    if (postgres->stop != NULL && *postgres->stop && (is_lost || strcmp(state, "57014") == 0))
        return wr_error_set(err, WR_ECANCEL,
                            "stopped while %s was waited for: %s: there was no answer, perhaps for "
                            "a lock of another program",
                            postgres->place, what);
    int status = is_lost ? WR_EAGAIN : is_refusal ? WR_EREFUSED : WR_EIO;
    wr_error_set(err, status, "%s: %s: %s", postgres->place, what, message);
    if (strncmp(state, "53100", 5) == 0)
        wr_error_code(err, "W610");
    else if (strcmp(state, "42501") == 0)
        wr_error_code(err, "W611");
    else if (is_refusal)
        wr_error_code(err, strcmp(state, "55P03") == 0 ? "W612" : "W614");
    add_help(postgres, state, message, err);
    return status;
}

int wr_postgres_is_starting(const struct wr_error *err) {
    return strstr(err->text, "the database system is") != NULL;
}

int wr_postgres_final(int status, struct wr_error *err) {
    if (status != WR_EAGAIN)
        return status;
    if (err != NULL)
        err->status = WR_EIO;
    wr_error_code(err, "W614");
    return WR_EIO;
}

/* ---- statements ----------------------------------------------------------------------------- */

PGresult *wr_postgres_answer(const struct wr_postgres *postgres, PGconn *connection, int sent) {
    const struct wr_pq *pq = wr_pq();
    PGresult *last = NULL;
    for (PGresult *next = NULL; sent && (next = wr_postgres_result(postgres, connection)) != NULL;
         last = next) {
        pq->PQclear(last);
        if (pq->PQresultStatus(next) == PGRES_COPY_IN || pq->PQstatus(connection) == CONNECTION_BAD)
            return next;
    }
    return last;
}

/* Of a copy that was broken off there is no last one. */
static void forget_results(const struct wr_postgres *postgres, PGconn *connection) {
    const struct wr_pq *pq = wr_pq();
    ExecStatusType code = PGRES_COMMAND_OK;
    while (code != PGRES_COPY_IN && code != PGRES_COPY_OUT) {
        PGresult *left = wr_postgres_result(postgres, connection);
        if (left == NULL)
            return;
        code = pq->PQresultStatus(left);
        pq->PQclear(left);
    }
}

PGresult *wr_postgres_exec(const struct wr_postgres *postgres, PGconn *connection,
                           const char *sql) {
    forget_results(postgres, connection);
    return wr_postgres_answer(postgres, connection, wr_pq()->PQsendQuery(connection, sql));
}

int wr_postgres_run(const struct wr_postgres *postgres, PGconn *connection, const char *sql,
                    const char *what, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    PGresult *result = wr_postgres_exec(postgres, connection, sql);
    ExecStatusType code = pq->PQresultStatus(result);
    int status = code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK
                     ? WR_OK
                     : wr_postgres_failed(postgres, connection, result, what, err);
    pq->PQclear(result);
    return status;
}

int wr_postgres_ask(const struct wr_postgres *postgres, PGconn *connection, const char *sql,
                    const char *const *texts, int text_count, PGresult **rows,
                    struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    forget_results(postgres, connection);
    int sent = pq->PQsendQueryParams(connection, sql, text_count, NULL, texts, NULL, NULL, 0);
    *rows = wr_postgres_answer(postgres, connection, sent);
    ExecStatusType code = pq->PQresultStatus(*rows);
    if (code == PGRES_TUPLES_OK || code == PGRES_COMMAND_OK)
        return WR_OK;
    int status = wr_postgres_failed(postgres, connection, *rows, "ask", err);
    pq->PQclear(*rows);
    *rows = NULL;
    return status;
}

int wr_postgres_is_there(const struct wr_postgres *postgres, PGconn *connection, const char *name,
                         int *there, struct wr_error *err) {
    PGresult *rows = NULL;
    int status = wr_postgres_ask(postgres, connection, "select to_regclass($1) is not null", &name,
                                 1, &rows, err);
    if (status != WR_OK)
        return status;
    *there = wr_pq()->PQgetvalue(rows, 0, 0)[0] == 't';
    wr_pq()->PQclear(rows);
    return WR_OK;
}

/* ---- names ---------------------------------------------------------------------------------- */

int wr_postgres_add_table(struct wr_buf *sql, const struct wr_postgres_name *name) {
    if (name->schema != NULL) {
        wr_sql_add_name(sql, name->schema);
        wr_buf_add_char(sql, '.');
    }
    return wr_sql_add_name(sql, name->table);
}

/* One part of a name: up to a dot, or within quotes, of which two are one. */
static const char *read_part(struct wr_arena *arena, const char **at) {
    const char *from = *at;
    int quoted = *from == '"';
    char *part = wr_arena_alloc(arena, strlen(from) + 1);
    size_t length = 0;
    if (part == NULL)
        return NULL;
    for (from += quoted; *from != 0; from++) {
        if (quoted ? *from == '"' && from[1] != '"' : *from == '.')
            break;
        from += quoted && *from == '"';
        part[length++] = *from;
    }
    from += quoted && *from == '"';
    part[length] = 0;
    *at = from;
    return part;
}

int wr_postgres_name(struct wr_postgres_name *name, const struct wr_endpoint_bind *bind,
                     const char *text, struct wr_error *err) {
    const char *at = text;
    name->schema = NULL;
    name->table = read_part(bind->arena, &at);
    if (name->table != NULL && *at == '.') {
        at++;
        name->schema = name->table;
        name->table = read_part(bind->arena, &at);
    }
    if (name->table == NULL)
        return wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
    int is_good = *at == 0 && name->table[0] != 0 && (name->schema == NULL || name->schema[0] != 0);
    if (is_good && strlen(name->table) <= WR_POSTGRES_NAME_MAX)
        return WR_OK;
    wr_error_script(err, "W203",
                    is_good ? "option `table`: `%s` is longer than 63 bytes"
                            : "option `table`: `%s` is no name of a table",
                    text);
    wr_error_help(err, "`orders`, or `sales.orders`; a name with a dot stands within \"\"");
    wr_error_at(err, "table", 0, 0);
    return WR_ESCRIPT;
}
