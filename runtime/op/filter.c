/* filter.c: lets the rows through for which its condition is true; nil counts as not true. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/op.h"
#include "base/banned.h"

struct filter {
    struct wr_op base;
    struct wr_eval eval;
};

static int filter_bind(struct wr_bind *bind, struct wr_error *err) {
    struct wr_list *list = NULL;
    int status =
        wr_list_bind(&list, &bind->scope, WR_LIST_CONDITION, wr_value_get(bind->spec, "expr"), err);
    if (status != WR_OK && err != NULL)
        wr_error_at(err, "1", err->from, err->to);
    bind->config = list;
    bind->never_rejects = status == WR_OK && !wr_list_can_fail(list);
    return status;
}

static void filter_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                         const uint64_t *wanted, uint64_t *columns) {
    (void)input_number;
    for (uint32_t w = 0; w < WR_BITS_WORDS(input->schema->field_count + WR_HIDDEN_COUNT); w++)
        columns[w] |= wanted[w];
    wr_list_reads(config, columns);
}

static struct wr_value *filter_explain(const void *config, struct wr_arena *arena) {
    return wr_op_explain(arena, config, NULL);
}

static int filter_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    wr_eval_init(&((struct filter *)op)->eval, op->env->state_budget);
    return WR_OK;
}

static int filter_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct filter *self = (struct filter *)op;
    uint32_t *sel = WR_ARENA_ARRAY(op->env->scratch, uint32_t, in->sel_count + 1), count = 0;
    if (sel == NULL)
        return WR_ENOMEM;
    wr_op_eval_begin(op, &self->eval);
    int status = wr_list_filter(op->config, &self->eval, in, sel, &count);
    if (status >= 0 && self->eval.fail_count > 0)
        status = wr_op_reject_fails(op, &self->eval, in, out);
    if (status < 0 || count == 0)
        return WR_MIN(status, WR_FLOW_MORE);
    struct wr_batch *kept =
        count == in->sel_count ? wr_batch_ref(in) : wr_batch_select(op->env->pool, in, sel, count);
    return kept == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_MAIN, kept);
}

static void filter_close(struct wr_op *op) {
    wr_eval_release(&((struct filter *)op)->eval);
}

const struct wr_op_type wr_op_filter = {
    .name = "filter",
    .size_bytes = sizeof(struct filter),
    .flags = WR_OP_ROW_BY_ROW,
    .bind = filter_bind,
    .needs = filter_needs,
    .open = filter_open,
    .push = filter_push,
    .close = filter_close,
    .explain = filter_explain,
};
