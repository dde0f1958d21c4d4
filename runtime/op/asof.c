/* asof.c: rows come in and wait. See asof.h. */
#include "op/asof.h"

#include <string.h>

#include "base/status.h"
#include "base/banned.h"

/* What is pushed: rows that take part, with their keys. */
struct work {
    struct wr_batch *in;
    uint32_t side, count;
    uint32_t *rows; /* physical */
    uint8_t *is_end;
    char *keys;
};

/* When a row holds from; of a row that a changelog takes back, until when it held. */
static int64_t time_of(const struct wr_batch *in, uint32_t row) {
    return in->changed != NULL ? in->changed[row] : in->event_time[row];
}

/* Whether number `i` of the rows is the old one of an update of the next, under the same key: the
 * new one says it all. */
static int is_old(const struct asof *self, const struct work *work, uint32_t i) {
    const struct wr_key_layout *layout = &asof_config_of(self)->equi.layout;
    const struct wr_batch *in = work->in;
    uint32_t row = work->rows[i];
    const uint8_t *key = (const uint8_t *)work->keys + (size_t)i * layout->key_bytes;
    return in->replaced != NULL && wr_bit_get(in->replaced, row) && i + 1 < work->count &&
           work->rows[i + 1] == row + 1 &&
           wr_keys_compare(layout, key, key + layout->key_bytes) == 0;
}

/* Rows that are behind their own frontier are late; those of a key that matches nothing are left
 * out, unless they leave without a match. */
static int choose_rows(struct asof *self, struct work *work, struct wr_out *out) {
    const struct asof_config *config = asof_config_of(self);
    const struct wr_batch *in = work->in;
    struct wr_arena *scratch = self->base.env->scratch;
    int must_match = work->side == ASOF_RIGHT || config->inner;
    uint32_t late_count = 0, left = 0, bytes = config->equi.layout.key_bytes;
    uint32_t *late = WR_ARENA_ARRAY(scratch, uint32_t, work->count + 1);
    work->is_end = WR_ARENA_ZEROS(scratch, uint8_t, work->count + 1);
    if (late == NULL || work->is_end == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < work->count; i++) {
        const char *key = work->keys + (size_t)i * bytes;
        uint32_t row = work->rows[i];
        int is_late = in->behind != NULL && time_of(in, row) < in->behind[row];
        if (is_old(self, work, i))
            continue;
        late[late_count] = row;
        late_count += (uint32_t)is_late;
        if (is_late || (must_match && equi_matches_nothing(&config->equi.layout, key)))
            continue;
        work->rows[left] = row;
        work->is_end[left] = in->weight != NULL && in->weight[row] < 0;
        memmove(work->keys + (size_t)left++ * bytes, key, bytes);
    }
    work->count = left;
    return equi_refuse(&self->base, work->in, work->side, late, late_count, out);
}

/* The rows whose keys do not fail, and these. */
static int build_keys(struct asof *self, struct work *work, struct wr_out *out) {
    const struct equi *equi = &asof_config_of(self)->equi;
    struct wr_eval *eval = &self->keys_eval[work->side];
    struct wr_arena *scratch = self->base.env->scratch;
    const uint32_t *sel = work->in->sel;
    work->count = work->in->sel_count;
    int status =
        equi_run_list(&self->base, equi->keys[work->side], eval, work->in, &sel, &work->count, out);
    work->rows = WR_ARENA_ARRAY(scratch, uint32_t, work->count + 1);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, work->count + 1);
    if (status != WR_OK || work->rows == NULL || hashes == NULL)
        return status != WR_OK ? status : WR_ENOMEM;
    for (uint32_t i = 0; i < work->count; i++)
        work->rows[i] = sel == NULL ? i : sel[i];
    return equi_keys(&self->base, equi, work->side, eval, work->in, work->rows, work->count,
                     &work->keys, hashes);
}

/* Fills row `at` of the table in, which was made for number `i` of what is pushed. */
static int fill_row(struct asof *self, const struct work *work, struct wr_table *table, uint8_t *at,
                    uint32_t i) {
    const struct wr_key_layout *layout = &asof_config_of(self)->equi.layout;
    const struct wr_batch *in = work->in;
    struct asof_rows *side = &self->sides[work->side];
    struct asof_row *row = (struct asof_row *)(void *)at;
    uint32_t from = work->rows[i];
    row->time_us = time_of(in, from);
    int made = in->origin.source == NULL;
    row->stream = made ? ASOF_MADE_STREAM : (uint64_t)in->source << 32 | in->partition;
    row->number = wr_origin_number(&in->origin, from);
    row->is_end = work->is_end[i];
    int status =
        wr_keys_put(layout, table, at + sizeof *row, work->keys + (size_t)i * layout->key_bytes);
    if (status == WR_OK)
        status =
            wr_payload_put(&side->payload, table, at + sizeof *row + layout->key_bytes, in, from);
    return status == WR_OK ? wr_time_heap_add(&side->waiting, row->time_us, row->id) : status;
}

static int keep_rows(struct asof *self, const struct work *work) {
    struct asof_rows *side = &self->sides[work->side];
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_table *table = wr_slices_at(&side->rows, 0);
    uint64_t *ids = WR_ARENA_ARRAY(scratch, uint64_t, work->count + 1);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, work->count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, work->count + 1);
    if (table == NULL || ids == NULL || hashes == NULL || rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < work->count; i++) {
        ids[i] = ++self->next_id;
        hashes[i] = wr_shape_hash(&side->shape, &ids[i], self->base.env->seed);
    }
    int status = wr_table_upsert(table, ids, hashes, work->count, rows, NULL);
    for (uint32_t i = 0; i < work->count && status == WR_OK; i++)
        status = fill_row(self, work, table, rows[i], i);
    return status;
}

static int asof_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    struct asof *self = (struct asof *)op;
    struct work work = {.in = in, .side = input};
    /* Results hold their own strings, so none of the state's is in use here. */
    wr_slices_settle(&self->sides[input].rows);
    wr_slices_settle(&self->index);
    int status = self->must_index ? asof_index(self) : WR_OK;
    if (status == WR_OK)
        status = build_keys(self, &work, out);
    if (status == WR_OK && work.count > 0)
        status = choose_rows(self, &work, out);
    if (status == WR_OK && work.count > 0)
        status = keep_rows(self, &work);
    return status;
}

static int asof_route(struct wr_op *op, uint32_t input, const struct wr_batch *in,
                      uint64_t *hashes) {
    struct asof *self = (struct asof *)op;
    return equi_route(op, &asof_config_of(self)->equi, input, &self->keys_eval[input], in, hashes);
}

static int64_t asof_shift(const struct wr_op *op) {
    return ((const struct asof_config *)op->config)->lag_us;
}

static int64_t asof_holds_back(const struct wr_op *op, int64_t frontier) {
    if (frontier == WR_TIME_MAX || frontier == WR_TIME_MIN)
        return frontier;
    return asof_shift(op) == WR_TIME_MAX ? WR_TIME_MIN : wr_time_add(frontier, -asof_shift(op));
}

const struct wr_op_type wr_op_asof_join = {
    .name = "asof_join",
    .size_bytes = sizeof(struct asof),
    .flags = WR_OP_KEYED | WR_OP_MULTI_INPUT | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS |
             WR_OP_TAKES_UPDATES | WR_OP_OBSERVES,
    .bind = asof_bind,
    .needs = asof_needs,
    .open = asof_open,
    .push = asof_push,
    .advance = asof_advance,
    .holds_back = asof_holds_back,
    .shift = asof_shift,
    .route_input = asof_route,
    .compare = asof_compare,
    .measure = asof_measure,
    .save = asof_save,
    .load = asof_load,
    .close = asof_close,
    .explain = asof_explain,
};
