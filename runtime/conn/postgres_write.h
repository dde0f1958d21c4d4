/* postgres_write.h: rows of a batch as pieces that a session writes (postgres_session.h). Private
 * to the room.
 *
 * Rows that are only added go by `copy` in its binary form; rows with a key, and columns that the
 * server converts, as one array a column into `insert … select … from unnest(…)`: one answer for
 * all rows of a piece. Where the server refuses a piece for the values of a row, its halves are
 * tried, down to the row. A table that can refuse no row is given those of many batches at once. */
#pragma once
#include "base/buf.h"
#include "conn/postgres_session.h"
#include "conn/postgres_table.h"
#include "conn/postgres_undo.h"
#include "data/batch.h"

struct wr_sink;

/* A row of a batch: written, or its key deleted. */
struct wr_postgres_row {
    uint64_t number; /* among all rows that came */
    uint32_t row;
    uint32_t at; /* among those of the batch that are selected */
    uint8_t removes;
};

enum wr_postgres_statement {
    WR_POSTGRES_COPY,
    WR_POSTGRES_INSERT,
    WR_POSTGRES_REMOVE,     /* by keys without a nil … */
    WR_POSTGRES_REMOVE_NIL, /* … and with one */
    WR_POSTGRES_REMEMBER,   /* keys that are removed */
    WR_POSTGRES_KEEP,       /* what keys had, as above */
    WR_POSTGRES_KEEP_NIL,
    WR_POSTGRES_STATEMENTS,
};

struct wr_postgres_writer {
    struct wr_postgres_user user; /* first */
    struct wr_postgres_session *session;
    struct wr_sink *sink;
    struct wr_postgres_table *table;
    const struct wr_postgres_name *gone; /* a table of the keys that are removed; NULL: none */
    struct wr_postgres_undo *undo;       /* keeps what keys had; NULL: nothing does */
    struct wr_buf sql[WR_POSTGRES_STATEMENTS]; /* empty: the table needs none */
    uint64_t
        prepared; /* 1 + the generation of the connection on which they are prepared; 0: none */
    struct wr_postgres_row *rows; /* of the batch that is written */
    uint32_t *places;             /* a hash table over their keys */
    uint8_t *lasts;               /* by place in `rows`: no later row of the piece has its key */
    uint32_t row_room;
    struct wr_batch_pool pool; /* of rows that are written anew */
    uint64_t left_out; /* rows of the piece that was sent last, which the table did not take */
    int gathers;       /* rows of many batches, for `copy` */
    struct wr_postgres_piece *gathered; /* that are not sent yet; NULL: none */
};

void wr_postgres_writer_init(struct wr_postgres_writer *writer, struct wr_sink *sink,
                             struct wr_postgres_table *table);
void wr_postgres_writer_release(struct wr_postgres_writer *writer);
/* The statements for the table as it was looked at. */
int wr_postgres_writer_ready(struct wr_postgres_writer *writer, struct wr_error *err);
/* Room for `count` rows in `rows`; the caller fills them. */
int wr_postgres_writer_room(struct wr_postgres_writer *writer, uint32_t count,
                            struct wr_error *err);
/* Writes the first `count` of `rows`; those that the server refuses leave as rejects. */
int wr_postgres_writer_write(struct wr_postgres_writer *writer, struct wr_batch *batch,
                             uint32_t count, struct wr_error *err);
/* A row leaves as a reject, of which the server knows until the state does. */
int wr_postgres_writer_refuse(struct wr_postgres_writer *writer, struct wr_batch *batch,
                              uint32_t row, uint64_t number, const char *detail);
/* What was kept in the epoch before is removed, if that was not done with a row; before the commit
 * of an epoch in which rows came. */
int wr_postgres_writer_forget(struct wr_postgres_writer *writer, struct wr_error *err);
/* Sends what is gathered, and how many rows the table has left out; before each commit. */
int wr_postgres_writer_flush(struct wr_postgres_writer *writer, struct wr_error *err);
