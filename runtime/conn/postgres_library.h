/* postgres_library.h: libpq, loaded when the first endpoint needs it. Linked, it would bring
 * a score of libraries (TLS, Kerberos, LDAP) into the start of every run.
 *
 *   const struct wr_pq *pq = wr_pq();
 *   pq->PQfinish(connection);
 *
 * Threads: any, after the first call. */
#pragma once
#include <libpq-fe.h>

struct wr_error;

/* The functions of libpq that are used, each under its own name. */
/* clang-format off */
#define WR_PQ_FUNCTIONS(X) \
    X(PQcancel) X(PQclear) X(PQcmdStatus) X(PQcmdTuples) X(PQconnectPoll) \
    X(PQconnectStartParams) X(PQconsumeInput) X(PQenterPipelineMode) X(PQerrorMessage) \
    X(PQescapeLiteral) X(PQexitPipelineMode) X(PQfinish) X(PQflush) X(PQfmod) X(PQfname) \
    X(PQfreeCancel) X(PQfreemem) X(PQftype) X(PQgetCancel) X(PQgetCopyData) X(PQgetisnull) \
    X(PQgetlength) X(PQgetResult) X(PQgetvalue) X(PQisBusy) X(PQnfields) X(PQnparams) \
    X(PQntuples) X(PQpipelineSync) X(PQputCopyData) X(PQputCopyEnd) X(PQresultErrorField) \
    X(PQresultStatus) X(PQsendDescribePrepared) X(PQsendPrepare) X(PQsendQuery) \
    X(PQsendQueryParams) X(PQsendQueryPrepared) X(PQserverVersion) X(PQsetNoticeProcessor) \
    X(PQsetnonblocking) X(PQsocket) X(PQstatus)
/* clang-format on */

struct wr_pq {
#define WR_PQ_MEMBER(name) __typeof__(name) *name;
    WR_PQ_FUNCTIONS(WR_PQ_MEMBER)
#undef WR_PQ_MEMBER
};

/* Loads it where that has not been done: WR_OK, or WR_EUNSUPPORTED where it is not installed. */
int wr_pq_load(struct wr_error *err);
/* What was loaded, or is used in its place; only after a wr_pq_load that was WR_OK. */
const struct wr_pq *wr_pq(void);
/* Uses these in the place of libpq's, lent, which then is not loaded; NULL: libpq's again. With no
 * connection open, and one thread. */
void wr_pq_use(const struct wr_pq *functions);
