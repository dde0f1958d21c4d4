/* postgres_refused.h: rows that a PostgreSQL sink refused, until the state knows of their rejects.
 *
 * The database commits before the state does. After a crash between the two the rows come again,
 * and as many as the database has are passed over; those that it refused are refused once more: the
 * table `weir_refused`, beside `weir_commit`, has their numbers and reasons, written in the
 * transaction of their epoch. */
#pragma once
#include <stdint.h>

#include "base/buf.h"
#include "conn/postgres.h"

struct wr_postgres_user;

struct wr_postgres_refused {
    struct wr_buf rows; /* number, length and bytes of the reason, of each, in order */
    uint32_t count;
};

void wr_postgres_refused_init(struct wr_postgres_refused *refused);
void wr_postgres_refused_release(struct wr_postgres_refused *refused);
/* Keeps one of the epoch that is under way. WR_OK or WR_ENOMEM. */
int wr_postgres_refused_add(struct wr_postgres_refused *refused, uint64_t number,
                            const char *detail);
/* Writes those of the epoch, and removes those up to `safe`, of which the state knows. */
int wr_postgres_refused_write(const struct wr_postgres *postgres, PGconn *connection,
                              struct wr_postgres_user *user, struct wr_error *err);
/* Reads those of an instance before, of which the state does not know. */
int wr_postgres_refused_read(const struct wr_postgres *postgres, PGconn *connection,
                             struct wr_postgres_user *user, struct wr_postgres_refused *refused,
                             struct wr_error *err);
/* The reason for which a row was refused, lent; NULL: it was not. Numbers are asked for in
 * order. */
const char *wr_postgres_refused_find(const struct wr_postgres_refused *refused, uint64_t number,
                                     struct wr_reader *at);
