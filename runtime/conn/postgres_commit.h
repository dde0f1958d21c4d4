/* postgres_commit.h: the statements of the table `weir_commit`; see postgres_session.h. */
#pragma once
#include "conn/postgres_session.h"

/* Takes the fence of a row for `owner`: of any instance (`mine` 0), or only where it is the owner's
 * already. found->exists is 0 where there is no such row, or no such table. */
int wr_postgres_commit_take(const struct wr_postgres *postgres, PGconn *connection,
                            struct wr_postgres_user *user, const char *owner, int mine,
                            struct wr_postgres_found *found, struct wr_error *err);
/* The same, and nothing is changed. */
int wr_postgres_commit_look(const struct wr_postgres *postgres, PGconn *connection,
                            const struct wr_postgres_user *user, struct wr_postgres_found *found,
                            struct wr_error *err);
/* Within the transaction: says how far the rows are. WR_EREFUSED: another instance has the
 * fence. */
int wr_postgres_commit_say(const struct wr_postgres *postgres, PGconn *connection,
                           const struct wr_postgres_user *user, const char *owner,
                           struct wr_error *err);
/* The commit itself failed, as wr_postgres_failed. Of a deferred constraint nobody knows any more
 * which row it is that breaks it. */
int wr_postgres_commit_failed(const struct wr_postgres *postgres, PGconn *connection,
                              const PGresult *result, struct wr_error *err);
/* What to do about it; `is_large`: the rows are too many to be tried (postgres_check.h). */
void wr_postgres_commit_help(int is_large, struct wr_error *err);
int wr_postgres_commit_fenced(const struct wr_postgres *postgres,
                              const struct wr_postgres_user *user, struct wr_error *err);
