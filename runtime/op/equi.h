/* equi.h: `on` of stages that join two streams: the keys of both sides, and the types in which they
 * are compared (one type, or both numbers, exactly). Private to the room. */
#pragma once
#include "op/op.h"
#include "state/key.h"

struct equi {
    struct wr_list *keys[2]; /* over the left stream and over the right one; as many items */
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    struct wr_key_layout layout;
    /* By right column: the left column that says the same, since both are the key; or -1. */
    int32_t *twins;
};

/* From `on` of the spec: items `k` and `l == r`. */
int equi_bind(struct equi *equi, struct wr_bind *bind, const char *stage, struct wr_error *err);
/* A key with a nil, or with what is not a number, matches nothing. */
int equi_matches_nothing(const struct wr_key_layout *layout, const char *key);
/* Adds right column `c` to the columns of the result, under its name behind `prefix` of the spec;
 * WR_ESCRIPT (W205): that name is there already. `schema` has room. */
int equi_add_right(struct wr_bind *bind, struct wr_schema *schema, uint32_t c,
                   struct wr_error *err);

/* ---- while running ---- */

/* Runs a list over rows *sel of `in`, and takes those that fail out of it; they are rejects. */
int equi_run_list(struct wr_op *op, const struct wr_list *list, struct wr_eval *eval,
                  struct wr_batch *in, const uint32_t **sel, uint32_t *count, struct wr_out *out);
/* The columns of the keys of a side, whose list has been run; WR_KEY_COLUMNS_MAX of them. */
void equi_columns(const struct equi *equi, uint32_t side, const struct wr_eval *eval,
                  const struct wr_batch *in, struct wr_column *columns);
/* The keys of rows rows[0 … count-1] of `in`, in scratch. WR_OK or WR_ENOMEM. */
int equi_keys(struct wr_op *op, const struct equi *equi, uint32_t side, const struct wr_eval *eval,
              const struct wr_batch *in, const uint32_t *rows, uint32_t count, char **keys,
              uint64_t *hashes);
/* `route_input` of a stage that goes by these keys. */
int equi_route(struct wr_op *op, const struct equi *equi, uint32_t side, struct wr_eval *eval,
               const struct wr_batch *in, uint64_t *hashes);
/* Late rows of the left side leave by the late port; those of the right one, which have another
 * schema, are rejects. */
int equi_refuse(struct wr_op *op, struct wr_batch *in, uint32_t side, const uint32_t *late,
                uint32_t count, struct wr_out *out);
/* Puts the keys of `count` stored rows (keys[i] points at one) into columns from `first` on of a
 * batch, by which rows of shards are put in order. WR_OK or WR_ENOMEM. */
int equi_put_keys(const struct wr_key_layout *layout, uint8_t *const *keys, uint32_t count,
                  struct wr_batch *batch, uint32_t first);
