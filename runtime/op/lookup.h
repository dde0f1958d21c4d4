/* lookup.h: `lookup` in five files: lookup.c (run time), lookup_bind.c (plan time),
 * lookup_match.c (rows and their matches), lookup_rest.c (a table that does not fit into memory),
 * lookup_asked.c (a table that is asked row by row, whose answers are the rows here). Private to
 * the room. */
#pragma once
#include "op/equi.h"
#include "op/op.h"
#include "state/key.h"

enum how { HOW_LEFT, HOW_INNER, HOW_SEMI, HOW_ANTI };

#define NO_ROW UINT64_MAX

struct lookup_config {
    enum how how;
    int many;
    struct wr_list *left_keys, *right_keys;
    struct wr_key_layout layout;
    struct wr_shape shape;             /* key, then struct table_key */
    const struct wr_asked_type *asked; /* NULL: the table is read whole */
    const void *asked_config;
    const char *asked_name;
    int64_t reload_us; /* how long a table is used before it is read again; 0: for ever */
    int64_t cache_us; /* how long an answer holds; 0: until the endpoint says that it has changed */
    int asked_scans;
    const struct wr_schema *right;
    const struct wr_schema *result;
    int32_t *right_of; /* by result column behind the left ones: the right column */
    uint32_t right_count;
    uint8_t *is_twin; /* by right column: it is a key whose left side is a column too */
};

/* Rows of a key: the numbers of its first and last one, or NO_ROW. */
struct table_key {
    uint64_t first, last;
    int64_t asked_us; /* of a table that is asked alone: when, … */
    uint64_t turn;    /* … and in which turn */
};

/* A row of the table: by its number, in the order in which rows came. */
struct table_row {
    uint64_t next;  /* the next row of the same key, or NO_ROW */
    uint64_t place; /* batch << 32 | physical row */
};

struct lookup_rest;

struct lookup_table {
    struct wr_table *index;
    uint32_t batch_count, batch_room;
    struct wr_batch **batches; /* dense copies of rows, WR_BATCH_ROWS_DEFAULT each at most */
    uint32_t row_count, row_room;
    struct table_row *rows;
    uint64_t bytes;           /* of the batches */
    struct lookup_rest *rest; /* all rows, where they do not fit; the others are empty then */
};

struct lookup {
    struct wr_op base;
    struct wr_eval left_eval, right_eval;
    struct wr_batch_pool pool; /* of the tables' rows, from the state's budget */
    struct lookup_table table;
    struct lookup_table next; /* the same, read again, until it is complete */
    struct lookup_table *filling;
    uint32_t saved_batches; /* at the last checkpoint */
    uint32_t save_next;     /* the batch that the next piece of a save begins with */
    uint8_t saving;         /* between two pieces */
    uint8_t loading;        /* rows that come are those of the store */
    uint8_t is_new;         /* the table is another one than at the last checkpoint */
    struct wr_asked *asked;
    uint64_t *asked_needed;
    uint64_t turn, bytes; /* of asking; of answers that are kept */
};

extern const struct wr_op_type wr_op_lookup_asked;

int lookup_bind(struct wr_bind *bind, struct wr_error *err);
void lookup_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                  const uint64_t *wanted, uint64_t *columns);
/* The columns of the keys of a batch whose `list` has been run, WR_KEY_COLUMNS_MAX at most; and the
 * keys of its rows, of which those that hold a nil match nothing. */
void lookup_columns(const struct wr_list *list, const struct wr_eval *eval,
                    const struct wr_batch *in, struct wr_column *columns);
int lookup_keys(struct lookup *self, struct wr_list *list, struct wr_eval *eval,
                const struct wr_batch *in, const uint32_t *sel, uint32_t count, char **keys,
                uint64_t **hashes);
/* What is known of a key, behind it in its row of the index. */
static inline struct table_key *lookup_key_of(const struct lookup *self, uint8_t *row) {
    const struct lookup_config *config = self->base.config;
    return (struct table_key *)(void *)(row + config->layout.key_bytes);
}
/* Adds a row that stands at `place` to those of a key. `in` and its row are for messages. */
int lookup_add_row(struct lookup *self, struct wr_batch *in, uint32_t in_row, struct table_key *key,
                   uint64_t place, struct wr_out *out);
/* A dense copy of the rows of `in` is the last batch of the table that is being filled. */
int lookup_keep(struct lookup *self, const struct wr_batch *in);
int lookup_table_open(struct lookup *self, struct lookup_table *table);
void lookup_table_release(struct lookup *self, struct lookup_table *table);

/* A second row for a key, whose first one is row `before` of columns of the table. A flow. */
int lookup_second_row(struct lookup *self, struct wr_batch *in, uint32_t row,
                      const struct wr_column *columns, uint32_t before, struct wr_out *out);

/* lookup_rest.c. Whether the table, which is in memory, may rest while rows that were found in it
 * are still on their way: they have their strings themselves then. */
int lookup_may_rest(const struct lookup *self);
/* When no row of the table is in use: where it takes more memory than it may, its
 * rows go to a scratch file. WR_OK or a negative status. */
int lookup_relieve(struct lookup *self, struct lookup_table *table);
void lookup_rest_free(struct lookup *self, struct lookup_table *table);
/* As what lookup.c and lookup_match.c do in memory. `keys` and `hashes` are changed. */
int lookup_rest_add(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                    char *keys, uint64_t *hashes, struct wr_out *out);
int lookup_rest_push(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                     const char *keys, const uint64_t *hashes, struct wr_out *out);
int lookup_rest_save(struct lookup *self, struct wr_buf *out, int all);
/* Column `column` of stored rows (NO_ROW: nil) as column `to` of a batch. WR_OK or WR_ENOMEM. */
int lookup_rest_column(const struct lookup *self, uint32_t column, const uint64_t *stored,
                       uint32_t count, struct wr_batch *batch, uint32_t to);

/* lookup_match.c: rows that leave, each a row of `in` and a row of the table: its number, or where
 * it is stored, or NO_ROW. */
struct lookup_pairs {
    struct wr_batch *in;
    uint32_t count, room;
    uint32_t *left;
    uint64_t *right;
};
int lookup_pairs_begin(struct lookup *self, struct wr_batch *in, struct lookup_pairs *pairs);
int lookup_pairs_add(struct lookup *self, struct lookup_pairs *pairs, uint32_t left, uint64_t right,
                     struct wr_out *out);
int lookup_pairs_flush(struct lookup *self, struct lookup_pairs *pairs, struct wr_out *out);
/* Rows of `in` with the first match of each, or by whether it has one. */
int lookup_emit_firsts(struct lookup *self, struct wr_batch *in, const uint32_t *sel,
                       uint32_t count, const uint64_t *first, struct wr_out *out);

/* lookup_asked.c */
int lookup_asked_bind(struct wr_bind *bind, struct lookup_config *config, struct wr_error *err);
int lookup_asked_open(struct lookup *self, struct wr_error *err);
void lookup_asked_close(struct lookup *self);
/* Sees to it that the index has all keys of these rows but those that match nothing. */
int lookup_ask(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
               const char *keys, const uint64_t *hashes, struct wr_out *out);

/* Rows of input 0, each with its matches. */
int lookup_push_rows(struct lookup *self, struct wr_batch *in, struct wr_out *out);
