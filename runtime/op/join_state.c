/* join_state.c: what a join keeps: opened, saved in pieces, read back, closed. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/join.h"
#include "state/apart.h"
#include "base/banned.h"

#define AWAKE_PART 4u /* of the memory of the stage, for rows that were read back */

/* The columns of a side that rows which leave later, or `where`, still want. */
static void kept_columns(const struct join *self, uint32_t side, uint64_t *kept) {
    const struct join_config *config = self->base.config;
    const struct join_columns *const of[2] = {&config->result, &config->joined};
    const uint64_t *const wanted[2] = {self->base.needed, config->where_reads};
    for (uint32_t w = 0; w < 2; w++)
        for (uint32_t c = 0; wanted[w] != NULL && c < of[w]->schema->field_count; c++) {
            const struct join_column *item = &of[w]->items[c];
            if (!wr_bit_get(wanted[w], c))
                continue;
            if (item->from == (enum join_from)side)
                wr_bit_set(kept, item->column);
            if (item->twin >= 0 && side == 1)
                wr_bit_set(kept, (uint32_t)item->twin);
        }
}

/* Where rows are taken back, all that tells them apart is kept. */
static int open_side(struct join *self, uint32_t side) {
    const struct join_config *config = self->base.config;
    const struct wr_op_env *env = self->base.env;
    uint32_t count = config->sides[side]->field_count;
    uint64_t *kept = WR_ARENA_ZEROS(&self->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    self->kept[side] = WR_ARENA_ARRAY(&self->arena, int32_t, count + 1);
    if (kept == NULL || self->kept[side] == NULL)
        return WR_ENOMEM;
    kept_columns(self, side, kept);
    int status = wr_rowset_init(&self->sets[side], &self->arena, env->state_budget, &config->layout,
                                config->sides[side], kept, config->widths_us[side], env->seed);
    wr_rowset_may_rest(&self->sets[side], self->base.apart);
    for (uint32_t c = 0; c < count; c++)
        self->kept[side][c] = -1;
    for (uint32_t k = 0; status == WR_OK && k < self->sets[side].payload.count; k++)
        self->kept[side][self->sets[side].payload.columns[k]] = (int32_t)k;
    return status;
}

int join_open(struct wr_op *op, struct wr_error *err) {
    struct join *self = (struct join *)op;
    struct wr_budget *budget = op->env->state_budget;
    wr_eval_init(&self->keys_eval[0], budget);
    wr_eval_init(&self->keys_eval[1], budget);
    wr_eval_init(&self->bounds_eval, budget);
    wr_eval_init(&self->where_eval, budget);
    wr_arena_init(&self->arena, budget, 4096);
    op->apart->pages_stay = 1; /* there are none; see join_relieve */
    int status = open_side(self, 0);
    if (status == WR_OK)
        status = open_side(self, 1);
    if (status == WR_ELIMIT)
        return wr_error_set(err, status, "rows of a side of the join are wider than %d bytes",
                            WR_ROW_BYTES_MAX);
    return status == WR_OK ? WR_OK : wr_error_set(err, status, "no memory for the join");
}

void join_close(struct wr_op *op) {
    struct join *self = (struct join *)op;
    join_fire_end(self);
    wr_free(self->base.env->state_budget, self->met.items);
    wr_free(self->base.env->state_budget, self->met_before.items);
    wr_batch_unref(self->left_over);
    for (uint32_t side = 0; side < 2; side++) {
        wr_rowset_release(&self->sets[side]);
        wr_eval_release(&self->keys_eval[side]);
    }
    wr_eval_release(&self->bounds_eval);
    wr_eval_release(&self->where_eval);
    wr_arena_release(&self->arena);
}

/* ---- memory ---- */

int join_failed(const struct join *self, int status) {
    struct wr_error *err = wr_apart_error(self->base.apart);
    if (status >= 0 || status == WR_ENOMEM || err == NULL || err->status != status)
        return status;
    return wr_error_add(err, status, "stage join");
}

/* The larger side first, then the other one. An eighth is free then. Nothing has to rest while all
 * stages together take less than half of the memory. */
int join_relieve(struct join *self) {
    const struct wr_op_env *env = self->base.env;
    uint64_t max = self->base.apart->memory_bytes;
    if (max == 0 || env->state_budget->bytes_used < 2 * env->spill_bytes)
        return WR_OK;
    const uint64_t bytes[2] = {wr_rowset_bytes(&self->sets[0]), wr_rowset_bytes(&self->sets[1])};
    if (bytes[0] + bytes[1] <= max)
        return WR_OK;
    uint32_t first = bytes[0] >= bytes[1] ? 0 : 1;
    uint64_t most = max - max / 8, other = bytes[1 - first];
    int status = wr_rowset_relieve(&self->sets[first], most - WR_MIN(most, other));
    uint64_t rest = wr_rowset_bytes(&self->sets[first]);
    if (status == WR_OK && rest + other > most)
        status = wr_rowset_relieve(&self->sets[1 - first], most - WR_MIN(most, rest));
    return join_failed(self, status);
}

static uint64_t awake_most(const struct join *self) {
    return self->base.apart->memory_bytes / AWAKE_PART;
}

int join_is_crowded(const struct join *self) {
    return self->sets[0].awake_bytes + self->sets[1].awake_bytes > awake_most(self);
}

int join_tend(struct join *self) {
    int status = WR_OK;
    for (uint32_t side = 0; side < 2 && status == WR_OK; side++)
        status = wr_rowset_tend(&self->sets[side], awake_most(self) / 4);
    return join_failed(self, status);
}

void join_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct join *self = (const struct join *)op;
    for (uint32_t side = 0; side < 2; side++) {
        state->rows += wr_rowset_rows(&self->sets[side]);
        state->bytes += wr_rowset_bytes(&self->sets[side]);
    }
}

/* A piece: both sides' logs; while there is more of the left one, the right one says nothing. */
int join_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct join *self = (struct join *)op;
    struct wr_rowset *left = &self->sets[0], *right = &self->sets[1];
    if (!all && !wr_rowset_has_changed(left) && !wr_rowset_has_changed(right))
        return WR_OK;
    int status = WR_OK;
    if (self->saving_right)
        wr_rowset_save_none(left, out);
    else
        status = wr_rowset_save(left, out, all, op->env->piece_bytes);
    if (status == WR_OK) {
        status = wr_rowset_save(right, out, all, op->env->piece_bytes);
        self->saving_right = status == WR_EAGAIN;
    } else if (status == WR_EAGAIN) {
        wr_rowset_save_none(right, out);
    }
    return out->status == WR_OK ? status : out->status;
}

int join_load(struct wr_op *op, struct wr_reader *in) {
    struct join *self = (struct join *)op;
    int status = wr_rowset_load(&self->sets[0], in);
    if (status == WR_OK)
        status = wr_rowset_load(&self->sets[1], in);
    return status == WR_OK ? join_relieve(self) : status;
}

int64_t join_shift(const struct wr_op *op) {
    return ((const struct join_config *)op->config)->lag_us;
}

int64_t join_holds_back(const struct wr_op *op, int64_t frontier) {
    if (frontier == WR_TIME_MAX || frontier == WR_TIME_MIN)
        return frontier;
    return join_shift(op) == WR_TIME_MAX ? WR_TIME_MIN : wr_time_add(frontier, -join_shift(op));
}
