/* postgres_wait.c: what is asked of a server is sent, and its answer waited for, in steps between
 * which a signal is heard. A connection sends what the socket takes and no more (PQsetnonblocking):
 * a server that does not read, because it stands still or its link does, is waited for as one is
 * that does not answer. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "conn/postgres.h"
#include "base/banned.h"

#define POLL_MS 50 /* a signal that another thread takes ends no poll here */

static void *ask_to_cancel(void *ctx) {
    const struct wr_pq *pq = wr_pq();
    char why[64];
    pq->PQcancel(ctx, why, sizeof why);
    pq->PQfreeCancel(ctx);
    return NULL;
}

/* libpq waits for the server to take the request, and has no other way: so it is asked in a thread
 * of its own, for which nobody waits. */
static void cancel(PGconn *connection) {
    const struct wr_pq *pq = wr_pq();
    PGcancel *request = pq->PQgetCancel(connection);
    sigset_t all, before;
    pthread_t thread;
    if (request == NULL)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, ask_to_cancel, request);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        pq->PQfreeCancel(request);
    else
        pthread_detach(thread);
}

/* The run is to stop, and nothing was heard for so long. */
static void hurry(PGconn *connection, int fd, int stopped_ms) {
    if (stopped_ms == WR_POSTGRES_STOP_MS)
        cancel(connection);
    else if (stopped_ms >= WR_POSTGRES_GONE_MS) /* libpq takes it for lost */
        shutdown(fd, SHUT_RDWR);
}

PGresult *wr_postgres_result(const struct wr_postgres *postgres, PGconn *connection) {
    const struct wr_pq *pq = wr_pq();
    int stopped_ms = 0;
    while (connection != NULL && pq->PQisBusy(connection)) {
        int is_left = pq->PQflush(connection) == 1;
        struct pollfd socket = {.fd = pq->PQsocket(connection),
                                .events = (short)(POLLIN | (is_left ? POLLOUT : 0))};
        if (socket.fd >= 0 && poll(&socket, 1, POLL_MS) == 0 && postgres->stop != NULL &&
            *postgres->stop) {
            stopped_ms += POLL_MS;
            hurry(connection, socket.fd, stopped_ms);
        }
        if (pq->PQconsumeInput(connection) != 1)
            break; /* the result says why */
    }
    return pq->PQgetResult(connection);
}
