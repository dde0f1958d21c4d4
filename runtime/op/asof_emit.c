/* asof_emit.c: left rows leave with the columns of their versions. See asof.h. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/order.h"
#include "op/asof.h"
#include "base/banned.h"

struct leaving {
    const struct asof_row *left, *right; /* right NULL: without a match */
};

static int compare_words(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

/* By time, source, partition and record; those of one record, which several branches of a stream
 * may give, by key and coming. */
static int compare_leaving(const void *a, const void *b, void *ctx) {
    const struct asof_row *x = ((const struct leaving *)a)->left;
    const struct asof_row *y = ((const struct leaving *)b)->left;
    if (x->time_us != y->time_us)
        return x->time_us < y->time_us ? -1 : 1;
    int by = compare_words(x->stream, y->stream);
    if (by == 0)
        by = compare_words(x->number, y->number);
    if (by == 0)
        by = wr_keys_compare(ctx, (const uint8_t *)asof_key(x), (const uint8_t *)asof_key(y));
    return by != 0 ? by : compare_words(x->id, y->id);
}

int asof_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                 const struct wr_batch *b, uint32_t row_b) {
    const struct asof_config *config = op->config;
    if (a->event_time[row_a] != b->event_time[row_b])
        return a->event_time[row_a] < b->event_time[row_b] ? -1 : 1;
    for (uint32_t c = config->result->field_count; c < config->wide->field_count; c++) {
        int by = wr_cell_compare(&config->wide->fields[c].type, &a->columns[c], row_a,
                                 &b->columns[c], row_b);
        if (by != 0)
            return by;
    }
    return 0;
}

/* Stream, record and key behind the columns of the result, where there are other shards. */
static int put_wide(struct asof *self, struct wr_batch *batch, const struct leaving *rows) {
    const struct asof_config *config = asof_config_of(self);
    uint32_t count = batch->row_count, at = config->result->field_count;
    if (self->base.env->shard_count <= 1)
        return WR_OK;
    int64_t *streams = wr_batch_column(batch, at, count);
    int64_t *numbers = wr_batch_column(batch, at + 1, count);
    uint8_t **keys = WR_ARENA_ARRAY(self->base.env->scratch, uint8_t *, count + 1);
    if (streams == NULL || numbers == NULL || keys == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        streams[i] = (int64_t)rows[i].left->stream;
        numbers[i] = (int64_t)rows[i].left->number;
        keys[i] = (uint8_t *)asof_key(rows[i].left);
    }
    return equi_put_keys(&config->equi.layout, keys, count, batch, at + 2);
}

static int put_columns(struct asof *self, struct wr_batch *batch, uint32_t side,
                       const struct leaving *rows) {
    const struct asof_config *config = asof_config_of(self);
    uint32_t left = config->sides[ASOF_LEFT]->field_count, count = batch->row_count;
    uint32_t first = side == ASOF_LEFT ? 0 : left;
    uint32_t end = side == ASOF_LEFT ? left : config->result->field_count;
    const uint8_t **payloads = WR_ARENA_ARRAY(self->base.env->scratch, const uint8_t *, count + 1);
    if (payloads == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct asof_row *row = side == ASOF_LEFT ? rows[i].left : rows[i].right;
        payloads[i] =
            row == NULL ? NULL : (const uint8_t *)row + sizeof *row + config->equi.layout.key_bytes;
    }
    int status = WR_OK;
    for (uint32_t c = first; c < end && status == WR_OK; c++) {
        uint32_t of = side == ASOF_LEFT ? c : config->right_of[c - left];
        if (!wr_bit_get(self->base.needed, c))
            continue;
        WR_ASSERT(self->sides[side].kept[of] >= 0);
        status = wr_payload_read(&self->sides[side].payload, (uint32_t)self->sides[side].kept[of],
                                 payloads, count, &batch->arena, &batch->columns[c]);
    }
    return status;
}

static int emit_rows(struct asof *self, const struct leaving *rows, uint32_t count,
                     struct wr_out *out) {
    const struct asof_config *config = asof_config_of(self);
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, config->wide);
    int64_t *times = batch == NULL ? NULL : WR_ARENA_ARRAY(&batch->arena, int64_t, count);
    if (times == NULL) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    batch->row_count = batch->sel_count = count;
    for (uint32_t i = 0; i < count; i++)
        times[i] = rows[i].left->time_us;
    batch->event_time = times;
    int status = put_columns(self, batch, ASOF_LEFT, rows);
    if (status == WR_OK)
        status = put_columns(self, batch, ASOF_RIGHT, rows);
    if (status == WR_OK)
        status = put_wide(self, batch, rows);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    batch->schema = config->result;
    return out->emit(out, WR_PORT_MAIN, batch);
}

int asof_emit(struct asof *self, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint32_t count = self->match_count, room = self->base.env->batch_rows;
    struct leaving *rows = WR_ARENA_ARRAY(scratch, struct leaving, count + 1);
    int flow = rows == NULL ? WR_ENOMEM : WR_FLOW_MORE;
    for (uint32_t i = 0; i < count && flow == WR_FLOW_MORE; i++) {
        const struct asof_match *match = &self->matches[i];
        rows[i].left = asof_row(self, ASOF_LEFT, match->left);
        rows[i].right = match->right == 0 ? NULL : asof_row(self, ASOF_RIGHT, match->right);
        if (rows[i].left == NULL || (rows[i].right == NULL && match->right != 0))
            flow = WR_ECORRUPT;
    }
    if (flow == WR_FLOW_MORE)
        qsort_r(rows, count, sizeof *rows, compare_leaving,
                (void *)(uintptr_t)&asof_config_of(self)->equi.layout);
    for (uint32_t at = 0; at < count && flow == WR_FLOW_MORE; at += room) {
        struct wr_arena_mark part = wr_arena_mark(scratch);
        flow = emit_rows(self, rows + at, WR_MIN(room, count - at), out);
        wr_arena_rewind(scratch, part);
    }
    wr_arena_rewind(scratch, mark);
    return flow;
}
