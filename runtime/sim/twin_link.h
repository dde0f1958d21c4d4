/* twin_link.h: what the program holds of a connection to the twin, and what befalls it. */
#pragma once
#include "sim/twin_server.h"

struct prepared {
    struct prepared *next;
    char *name, *sql;
};

/* A statement that waits for the end of its pipeline. */
struct waiting {
    struct waiting *next;
    struct twin_call call;
};

/* What is still to be read: results, and between them the end of a statement's (NULL). */
struct answer {
    struct answer *next;
    struct pg_result *result;
};

struct pg_conn {
    struct pg_conn *next; /* of all links */
    struct twin *twin;
    struct backend *backend; /* NULL: lost */
    char name[SIM_PATH_MAX]; /* of the database */
    ConnStatusType status;
    char message[TWIN_TEXT_MAX];
    struct prepared *prepared;
    struct waiting *waiting, **waiting_end;
    struct answer *answers, **answers_end;
    struct wr_arena arena; /* of what waits */
    int in_pipeline;
    char *copying;             /* `copy … from stdin`: the statement … */
    struct wr_buf copied;      /* … and what came */
    struct pg_result *leaving; /* rows of `copy … to stdout` */
    int leaving_at, breaks_at; /* -1: the link does not break there */
};

/* What becomes of something that is asked. */
enum fate {
    FATE_GOES,
    FATE_LOST,   /* it did not arrive, and the link is lost */
    FATE_BEHIND, /* it is done, and the link is lost before its answer comes */
    FATE_FAILS,  /* the server says no, as `error` tells */
};
/* `what`: a statement; `print`: of what goes with it. The link is not lost yet. */
enum fate link_ask(struct pg_conn *link, const char *what, uint64_t print,
                   struct twin_error *error);
/* The link is lost; with `commits`, behind a commit that has arrived. */
void link_lose(struct pg_conn *link, int commits);
/* Connects: 0, or -1 with the link's message. */
int link_open(struct pg_conn *link, const char *mark);
/* The functions that libpq has under these names; twin_library.c. */
struct wr_pq;
const struct wr_pq *twin_functions(void);
/* Those of them that are about a connection: twin_connect.c. */
void connection_functions(struct wr_pq *functions);
/* Answers that nobody has asked for yet. */
void link_forget_answers(struct pg_conn *link);
/* The server that connections go to. */
struct twin *twin_in_use(void);
