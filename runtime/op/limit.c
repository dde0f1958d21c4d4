/* limit: lets the first `rows` rows through, after `offset` that it skips, then asks for no more.
 */
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/op.h"
#include "base/banned.h"

struct limit_config {
    uint64_t rows, offset;
};

struct limit {
    struct wr_op base;
    uint64_t skip_left, rows_left;
};

static int limit_bind(struct wr_bind *bind, struct wr_error *err) {
    struct limit_config *config = WR_ARENA_ZEROS(bind->arena, struct limit_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    int64_t rows = wr_value_int(bind->spec, "rows", -1);
    int64_t offset = wr_value_int(bind->spec, "offset", 0);
    if (rows < 0 || offset < 0) {
        wr_error_script(err, "W203", "`limit` takes a count of rows, at least 0");
        wr_error_at(err, rows < 0 ? "1" : "offset", 0, 0);
        return WR_ESCRIPT;
    }
    config->rows = (uint64_t)rows;
    config->offset = (uint64_t)offset;
    bind->config = config;
    return WR_OK;
}

static void limit_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                        const uint64_t *wanted, uint64_t *columns) {
    (void)config;
    (void)input_number;
    memcpy(columns, wanted, WR_BITS_WORDS(input->schema->field_count + WR_HIDDEN_COUNT) * 8);
}

static struct wr_value *limit_explain(const void *config, struct wr_arena *arena) {
    (void)config;
    return wr_op_explain(arena, NULL, "two counts");
}

static int limit_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    struct limit *self = (struct limit *)op;
    const struct limit_config *config = op->config;
    self->skip_left = config->offset;
    self->rows_left = config->rows;
    return WR_OK;
}

static int limit_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct limit *self = (struct limit *)op;
    out->rows_taken = 0;
    if (self->rows_left == 0)
        return WR_FLOW_DONE;
    out->rows_taken = UINT32_MAX;
    uint32_t skip = (uint32_t)WR_MIN(self->skip_left, (uint64_t)in->sel_count);
    uint32_t count = (uint32_t)WR_MIN(self->rows_left, (uint64_t)(in->sel_count - skip));
    self->skip_left -= skip;
    self->rows_left -= count;
    int flow = WR_FLOW_MORE;
    if (count == in->sel_count) {
        flow = out->emit(out, WR_PORT_MAIN, wr_batch_ref(in));
    } else if (count > 0) {
        struct wr_batch *part = wr_batch_part(op->env->pool, in, skip, count);
        flow = part == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_MAIN, part);
    }
    if (flow != WR_FLOW_MORE || self->rows_left > 0)
        return flow;
    out->rows_taken = skip + count;
    return WR_FLOW_DONE;
}

static int limit_save(struct wr_op *op, struct wr_buf *out, int all) {
    (void)all;
    wr_buf_add_u64(out, ((struct limit *)op)->skip_left);
    return wr_buf_add_u64(out, ((struct limit *)op)->rows_left);
}

static int limit_load(struct wr_op *op, struct wr_reader *in) {
    ((struct limit *)op)->skip_left = wr_reader_u64(in);
    ((struct limit *)op)->rows_left = wr_reader_u64(in);
    return in->failed ? WR_ECORRUPT : WR_OK;
}

const struct wr_op_type wr_op_limit = {
    .name = "limit",
    .size_bytes = sizeof(struct limit),
    .flags = WR_OP_STOPS | WR_OP_NEVER_REJECTS,
    .bind = limit_bind,
    .needs = limit_needs,
    .open = limit_open,
    .push = limit_push,
    .save = limit_save,
    .load = limit_load,
    .explain = limit_explain,
};
