/* twin_connect.c: the functions of libpq that are about a connection, as the twin has them: see
 * twin_library.c. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_sim.h"
#include "conn/postgres_library.h"
#include "sim/twin_link.h"
#include "base/banned.h"

#define SERVER_VERSION 160000
#define ARENA_BYTES 4096u
#define SILENT_US 1000000

static const char *parameter(const char *const *names, const char *const *values,
                             const char *name) {
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0)
            return values[i];
    return "";
}

static PGconn *connect_to(const char *const *names, const char *const *values, int expand) {
    (void)expand;
    wr_alloc_fail_pause();
    struct pg_conn *link = wr_alloc_zero(&wr_budget_control, sizeof *link);
    struct twin *twin = twin_in_use();
    WR_ASSERT(link != NULL && twin != NULL);
    link->twin = twin;
    link->next = twin->links;
    twin->links = link;
    link->waiting_end = &link->waiting;
    link->answers_end = &link->answers;
    wr_arena_init(&link->arena, &wr_budget_control, ARENA_BYTES);
    wr_buf_init(&link->copied, &wr_budget_control, 0);
    snprintf(link->name, sizeof link->name, "postgres:%s:%s/%s", parameter(names, values, "host"),
             parameter(names, values, "port"), parameter(names, values, "dbname"));
    link_open(link, parameter(names, values, "application_name"));
    wr_alloc_fail_resume();
    return link;
}

/* A server that is silent stays so until who waits has waited long enough. */
static PostgresPollingStatusType poll_connection(PGconn *link) {
    if (link == NULL || link->status == CONNECTION_BAD)
        return PGRES_POLLING_FAILED;
    if (link->status == CONNECTION_OK)
        return PGRES_POLLING_OK;
    wr_sim_advance(link->twin->sim, SILENT_US);
    return PGRES_POLLING_READING;
}

static int no_socket(const PGconn *link) {
    (void)link;
    return -1;
}

void link_forget_answers(struct pg_conn *link) {
    while (link->answers != NULL) {
        struct answer *answer = link->answers;
        link->answers = answer->next;
        result_free(answer->result);
        wr_free(&wr_budget_control, answer);
    }
    link->answers_end = &link->answers;
}

static void finish(PGconn *link) {
    wr_alloc_fail_pause();
    struct pg_conn **at = &link->twin->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    backend_free(link->backend);
    link_forget_answers(link);
    while (link->prepared != NULL) {
        struct prepared *prepared = link->prepared;
        link->prepared = prepared->next;
        wr_free(&wr_budget_control, prepared->name);
        wr_free(&wr_budget_control, prepared->sql);
        wr_free(&wr_budget_control, prepared);
    }
    wr_free(&wr_budget_control, link->copying);
    result_free(link->leaving);
    wr_buf_release(&link->copied);
    wr_arena_release(&link->arena);
    wr_free(&wr_budget_control, link);
    wr_alloc_fail_resume();
}

static ConnStatusType status_of(const PGconn *link) {
    return link == NULL ? CONNECTION_BAD : link->status;
}

static char *error_message(const PGconn *link) {
    return link == NULL ? (char *)"connection pointer is NULL" : (char *)link->message;
}

static int server_version(const PGconn *link) {
    (void)link;
    return SERVER_VERSION;
}

static PQnoticeProcessor set_notices(PGconn *link, PQnoticeProcessor to, void *ctx) {
    (void)link, (void)ctx;
    return to;
}

static int is_busy(PGconn *link) {
    (void)link;
    return 0;
}

static int consume_input(PGconn *link) {
    return link != NULL && link->status != CONNECTION_BAD;
}

static int flush(PGconn *link) {
    return link != NULL && link->status != CONNECTION_BAD ? 0 : -1;
}

static int set_nonblocking(PGconn *link, int is) {
    (void)link, (void)is;
    return 0;
}

void connection_functions(struct wr_pq *functions) {
    functions->PQconnectPoll = poll_connection;
    functions->PQconnectStartParams = connect_to;
    functions->PQconsumeInput = consume_input;
    functions->PQerrorMessage = error_message;
    functions->PQfinish = finish;
    functions->PQflush = flush;
    functions->PQisBusy = is_busy;
    functions->PQserverVersion = server_version;
    functions->PQsetNoticeProcessor = set_notices;
    functions->PQsetnonblocking = set_nonblocking;
    functions->PQsocket = no_socket;
    functions->PQstatus = status_of;
}
