/* postgres_send.h: a piece of rows (postgres_session.h), and how it is sent. Private to the room;
 * see postgres_write.h. */
#pragma once
#include "base/buf.h"
#include "conn/postgres_session.h"

/* Arrays, one a column, one behind the other. */
struct wr_postgres_arrays {
    struct wr_buf bytes;
    uint32_t count; /* of the elements of each */
    size_t *ends;   /* by column: where its array ends */
};

struct wr_postgres_row;

struct wr_postgres_rows {
    struct wr_postgres_piece base;
    int is_copy;
    struct wr_postgres_arrays insert, remove,
        remove_nil; /* a copy has all its rows in insert.bytes */
    struct wr_postgres_arrays keep,
        keep_nil;                 /* keys that are touched first, and whether they are removed */
    struct wr_buf saved;          /* its rows (wr_batch_save), where they may be written anew … */
    struct wr_postgres_row *rows; /* … and what is known of each … */
    uint32_t row_count;           /* … of so many */
    int empties;                  /* what was kept in the epoch before goes first */
    int64_t mark;                 /* of rows without a key (postgres_undo_rows.h); 0: none */
};

/* The `send` and `free_piece` of a user that is a struct wr_postgres_writer. */
int wr_postgres_rows_send(struct wr_postgres_user *user, struct wr_postgres_piece *piece,
                          struct wr_error *err);
void wr_postgres_rows_free(struct wr_postgres_piece *piece);
