/* twin_rows.h: rows on their way into a table of the twin: from arrays, from `copy`, from another
 * table. */
#pragma once
#include "sim/twin_server.h"

/* Where rows come from, one after the other. */
struct rows {
    struct backend *backend;
    const struct twin_call *call;
    struct wr_arena arena; /* of one row */
    int count;             /* columns */
    /* unnest($1::int8[], …) */
    uint32_t types[TWIN_COLUMNS_MAX];
    const char *at[TWIN_COLUMNS_MAX], *end[TWIN_COLUMNS_MAX];
    uint32_t left;
    /* or a table */
    sqlite3_stmt *from;
    /* or `copy … from stdin` */
    const char *copied, *copied_end;
    struct twin_value *values; /* of the row; `count` of them, in the arena of the statement */
};

/* The source that stands next: `unnest(…)`, `(select distinct * from t)`, `t`; with its alias. */
int rows_open(struct rows *rows, struct backend *backend, const struct twin_call *call,
              struct twin_text *text, struct twin_error *error);
/* What was copied, into these columns. */
int rows_copied(struct rows *rows, struct backend *backend, const struct twin_call *call,
                const struct twin_type *types, int count, struct wr_arena *arena,
                struct twin_error *error);
/* 1: rows->values is the next one, until the one behind it is asked for; 0: there is none; -1. */
int rows_next(struct rows *rows, struct twin_error *error);
void rows_close(struct rows *rows);
