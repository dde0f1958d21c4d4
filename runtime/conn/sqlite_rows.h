/* sqlite_rows.h: rows of a SQLite file, for those who read all (sqlite_source.c) and those who ask
 * for some (sqlite_asked.c). Private to the room. */
#pragma once
#include <stdint.h>

#include "data/asked.h"

struct sqlite3;
struct sqlite3_stmt;
struct wr_builder;
struct wr_env;
struct wr_error;
struct wr_field;
struct wr_schema;
struct wr_zone;

#define SQLITE_DETAIL_MAX 256

/* What a `read` of SQLite says. */
struct sqlite_read {
    const char *path, *sql;
    int timeout_ms;
    uint8_t fail;               /* on_error = "fail" */
    const struct wr_zone *zone; /* of timestamps without offset */
};

/* A read-only connection; W401 when there is no such file. */
int sqlite_read_open(struct sqlite3 **db, const struct wr_env *env,
                     const struct sqlite_read *config, struct wr_error *err);
/* Bytes of the query without the semicolon behind it. */
int sqlite_read_length(const struct sqlite_read *config);
/* The columns of a statement must be those of the schema, which may have been given, or seen long
 * ago: else W407. */
int sqlite_read_check(struct sqlite3_stmt *rows, const struct wr_schema *schema, const char *name,
                      struct wr_error *err);
/* Sets one value: 1, or 0 when it is not of the column's type, or *status is not WR_OK. */
int sqlite_read_value(struct wr_builder *builder, uint32_t c, struct sqlite3_stmt *rows,
                      int *status);
/* Why column `c` of the row was refused, in SQLITE_DETAIL_MAX bytes. */
void sqlite_read_refusal(const struct wr_field *field, struct sqlite3_stmt *rows, uint32_t c,
                         char *detail);

extern const struct wr_asked_type wr_asked_sqlite; /* sqlite_asked.c */
