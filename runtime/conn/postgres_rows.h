/* postgres_rows.h: rows of a PostgreSQL database, for those who read all (postgres_source.c) and
 * those who ask for some. Private to the room.
 *
 *   PostgreSQL                          weir
 *   boolean                             bool
 *   smallint integer bigint             int64
 *   real, double precision              float64
 *   numeric(p,s), p up to 38            decimal(p,s)
 *   numeric                             decimal(38,9); what does not fit is a reject
 *   text varchar char name uuid         string
 *   bytea                               bytes
 *   timestamptz, timestamp              timestamp (one without a zone is in that of `timezone`)
 *   date, interval                      date, duration (of months: a reject)
 *   json jsonb                          json
 *   arrays of these                     list<…>; of others json
 *   anything else                       string, as the server writes it
 *
 * `infinity` of times and numbers is a reject. A column whose type the script says otherwise is
 * read as the text that the server writes for it. */
#pragma once
#include <signal.h>
#include <stdint.h>

#include "conn/postgres.h"
#include "data/asked.h"
#include "data/schema.h"

struct wr_arena;
struct wr_builder;
struct wr_zone;

#define POSTGRES_DETAIL_MAX 320

/* What a `read` of PostgreSQL says; in the plan's arena. */
struct postgres_read {
    struct wr_postgres postgres;
    const char *query;             /* without the semicolon behind it; for a table: `table …` */
    struct wr_postgres_name table; /* .table is NULL for a query */
    const char *timezone;          /* of timestamps without one, … */
    const struct wr_zone *zone;    /* … also when they come as text */
    uint8_t fail;                  /* on_error = "fail" */
    /* A run goes on: its server is waited for, and who is told. NULL: it has to be there. */
    void (*tell_wait)(const char *place, const char *why);
};

/* How a column comes: in the binary form of its type, or as text. */
enum postgres_form {
    POSTGRES_TEXT,
    POSTGRES_BOOL,
    POSTGRES_INT2,
    POSTGRES_INT4,
    POSTGRES_INT8,
    POSTGRES_FLOAT4,
    POSTGRES_FLOAT8,
    POSTGRES_NUMERIC,
    POSTGRES_BYTES,
    POSTGRES_STRING,
    POSTGRES_TIMESTAMP,
    POSTGRES_DATE,
    POSTGRES_INTERVAL,
};

/* A column of the server. */
struct postgres_column {
    const char *name;
    struct wr_type type; /* that of weir */
    enum postgres_form form;
    enum { POSTGRES_AS_IT_IS, POSTGRES_AS_TEXT, POSTGRES_AS_JSON, POSTGRES_IN_ZONE } cast;
};

/* As `bind` of the table of sources; `config` of the result is a struct postgres_read
 * (postgres_read.c). */
struct wr_endpoint_bind;
int postgres_source_bind(struct wr_endpoint_bind *bind, struct wr_error *err);
/* The columns of a query or table, in `arena`. W401, W203 where the server refuses it, W105. */
int postgres_describe(const struct postgres_read *read, PGconn *connection, struct wr_arena *arena,
                      struct postgres_column **columns, uint32_t *count, struct wr_error *err);
/* The columns must be those of the schema, which may have been given, or seen long ago: else W407.
 * Those of another type are read as text. */
int postgres_check(struct postgres_column *columns, uint32_t count, const struct wr_schema *schema,
                   const char *name, struct wr_error *err);
/* Appends what is selected for a column. */
void postgres_add_column(struct wr_buf *sql, const struct postgres_column *column,
                         const struct postgres_read *read, PGconn *connection);
/* How those who read wait for a server that is gone for a while: as `timeout` and `retries` say,
 * without a breaker. */
struct postgres_wait {
    struct wr_retry retry;
    struct wr_patience patience;
};
void postgres_wait_init(struct postgres_wait *wait, const struct postgres_read *read,
                        const struct wr_env *env, const volatile sig_atomic_t *stop);
/* Whether a server that did not answer when it was to be read first, which gave `status`, is waited
 * for; tells so. */
int postgres_waits(const struct postgres_wait *wait, const struct postgres_read *read, int status,
                   const struct wr_error *why);
/* Waits, and no more than it may. WR_OK: it is to be tried again. `why`: what failed, and then what
 * came of it. */
int postgres_wait_again(struct postgres_wait *wait, struct wr_error *why);

extern const struct wr_asked_type wr_asked_postgres; /* postgres_asked.c */
/* Sets one value that is not nil: 1, or 0 when it is not of the column's type (with the reason in
 * `detail`), or *status is not WR_OK. */
int postgres_value(struct wr_builder *builder, uint32_t c, enum postgres_form form,
                   const char *bytes, uint32_t length, char detail[POSTGRES_DETAIL_MAX],
                   int *status);
