/* postgres_own.h: weir's own tables, `weir_commit` and `weir_refused`, beside those of a sink. */
#pragma once
#include "conn/postgres_session.h"

/* Sets the error, and gives the statement back. */
int wr_postgres_own_memory(const struct wr_postgres *postgres, struct wr_buf *sql,
                           struct wr_error *err);
void wr_postgres_own_add(struct wr_buf *sql, const struct wr_postgres_user *user, const char *name);
int wr_postgres_own_is_there(const struct wr_postgres *postgres, PGconn *connection,
                             const struct wr_postgres_user *user, const char *name, int *there,
                             struct wr_error *err);
/* Makes it where it is not there; of two that do at once, one waits. */
int wr_postgres_own_make(const struct wr_postgres *postgres, PGconn *connection,
                         const struct wr_postgres_user *user, const char *name, const char *columns,
                         struct wr_error *err);
