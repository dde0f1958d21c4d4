/* lookup.h: `lookup` in three files: lookup.c (run time), lookup_bind.c (plan time),
 * lookup_match.c (rows and their matches). Private to the room. */
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
    struct wr_shape shape; /* key, then the numbers of its first and last row of the table */
    const struct wr_schema *right;
    const struct wr_schema *result;
    int32_t *right_of; /* by result column behind the left ones: the right column */
    uint32_t right_count;
    uint8_t *is_twin; /* by right column: it is a key whose left side is a column too */
};

/* A row of the table: by its number, in the order in which rows came. */
struct table_row {
    uint64_t next;  /* the next row of the same key, or NO_ROW */
    uint64_t place; /* batch << 32 | physical row */
};

struct lookup {
    struct wr_op base;
    struct wr_eval left_eval, right_eval;
    struct wr_table *index;
    struct wr_batch_pool pool; /* of the table's rows, from the state's budget */
    uint32_t batch_count, batch_room;
    uint32_t saved_batches; /* at the last checkpoint */
    uint32_t save_next;     /* the batch that the next piece of a save begins with */
    int saving;             /* between two pieces */
    struct wr_batch *
        *batches; /* dense copies of the table's rows, WR_BATCH_ROWS_DEFAULT each at most */
    uint32_t row_count, row_room;
    struct table_row *rows;
};

int lookup_bind(struct wr_bind *bind, struct wr_error *err);
void lookup_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                  const uint64_t *wanted, uint64_t *columns);
/* Keys of the rows of a batch whose `list` has been run. */
int lookup_keys(struct lookup *self, struct wr_list *list, struct wr_eval *eval,
                const struct wr_batch *in, const uint32_t *sel, uint32_t count, char **keys,
                uint64_t **hashes);
/* Rows of input 0, each with its matches. */
int lookup_push_rows(struct lookup *self, struct wr_batch *in, struct wr_out *out);
