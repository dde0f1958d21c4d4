/* expect.c: rows for which a named condition is not true are rejected (W508) with the condition's
 * name as reason, or only counted, or end the run. */
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/op.h"
#include "base/banned.h"

enum on_fail { ON_FAIL_REJECT, ON_FAIL_WARN, ON_FAIL_END };

struct expect_config {
    struct wr_list *list;
    enum on_fail on_fail;
};

struct expect {
    struct wr_op base;
    struct wr_eval eval;
    struct wr_buf names;
};

static int expect_bind(struct wr_bind *bind, struct wr_error *err) {
    static const char *const policies[] = {"reject", "warn", "fail"};
    struct expect_config *config = WR_ARENA_ZEROS(bind->arena, struct expect_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    int status = wr_list_bind(&config->list, &bind->scope, WR_LIST_CONDITIONS,
                              wr_value_get(bind->spec, "items"), err);
    if (status != WR_OK) {
        wr_error_at(err, "1", err == NULL ? 0 : err->from, err == NULL ? 0 : err->to);
        return status;
    }
    const char *policy = wr_value_string(bind->spec, "on_fail", "reject");
    size_t at = 0;
    while (at < WR_COUNT(policies) && strcmp(policies[at], policy) != 0)
        at++;
    if (at == WR_COUNT(policies)) {
        wr_error_script(err, "W203", "option `on_fail` must be reject, warn or fail, got `%s`",
                        policy);
        wr_error_at(err, "on_fail", 0, 0);
        return WR_ESCRIPT;
    }
    config->on_fail = (enum on_fail)at;
    bind->config = config;
    return WR_OK;
}

static void expect_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                         const uint64_t *wanted, uint64_t *columns) {
    (void)input_number;
    for (uint32_t w = 0; w < WR_BITS_WORDS(input->schema->field_count + WR_HIDDEN_COUNT); w++)
        columns[w] |= wanted[w];
    wr_list_reads(((const struct expect_config *)config)->list, columns);
}

static struct wr_value *expect_explain(const void *config, struct wr_arena *arena) {
    return wr_op_explain(arena, ((const struct expect_config *)config)->list, NULL);
}

static int expect_open(struct wr_op *op, struct wr_error *err) {
    (void)err;
    struct expect *self = (struct expect *)op;
    wr_eval_init(&self->eval, op->env->state_budget);
    wr_buf_init(&self->names, op->env->state_budget, 0);
    return WR_OK;
}

static int holds(const struct expect *self, const struct wr_batch *in, const struct wr_item *item,
                 uint32_t row) {
    const struct wr_column *column =
        item->column >= 0 ? &in->columns[item->column] : &self->eval.outputs[item->output];
    return !wr_column_is_nil(column, row) && WR_BOOLS(column)[row];
}

/* The names of the conditions that do not hold for a row, in self->names; the first one is
 * *reason. */
static int failing(struct expect *self, const struct wr_batch *in, uint32_t row,
                   const char **reason) {
    const struct expect_config *config = self->base.config;
    *reason = NULL;
    wr_buf_clear(&self->names);
    for (uint32_t i = 0; i < config->list->item_count; i++) {
        const struct wr_item *item = &config->list->items[i];
        if (holds(self, in, item, row))
            continue;
        if (*reason == NULL)
            *reason = item->name;
        else
            wr_buf_add_text(&self->names, ", ");
        wr_buf_add_text(&self->names, item->name);
    }
    return self->names.status;
}

static int judge_rows(struct expect *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                      uint32_t *kept, uint32_t *kept_count, struct wr_out *out) {
    const struct expect_config *config = self->base.config;
    *kept_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        const char *reason;
        int status = failing(self, in, row, &reason);
        if (status != WR_OK)
            return status;
        if (reason == NULL || config->on_fail == ON_FAIL_WARN)
            kept[(*kept_count)++] = row;
        if (reason == NULL)
            continue;
        struct wr_reject reject = {.code = WR_REJECT_EXPECT,
                                   .reason = reason,
                                   .detail = self->names.bytes,
                                   .only_warns = config->on_fail == ON_FAIL_WARN,
                                   .ends_run = config->on_fail == ON_FAIL_END,
                                   .stage = self->base.node,
                                   .row = row,
                                   .batch = in};
        status = out->reject(out, &reject);
        if (status < 0)
            return status;
    }
    return WR_OK;
}

static int expect_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct expect *self = (struct expect *)op;
    const struct expect_config *config = op->config;
    wr_op_eval_begin(op, &self->eval);
    int status = wr_list_run(config->list, &self->eval, in, op->env->scratch);
    if (status >= 0 && self->eval.fail_count > 0)
        status = wr_op_reject_fails(op, &self->eval, in, out);
    if (status < 0)
        return status;
    uint32_t count = 0, kept_count = 0;
    const uint32_t *sel = wr_op_rows_left(op, &self->eval, in, &count, &status);
    uint32_t *kept = WR_ARENA_ARRAY(op->env->scratch, uint32_t, count + 1);
    if (status != WR_OK || kept == NULL)
        return WR_ENOMEM;
    status = judge_rows(self, in, sel, count, kept, &kept_count, out);
    if (status < 0 || kept_count == 0)
        return status;
    struct wr_batch *batch = kept_count == in->sel_count
                                 ? wr_batch_ref(in)
                                 : wr_batch_select(op->env->pool, in, kept, kept_count);
    return batch == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_MAIN, batch);
}

static void expect_close(struct wr_op *op) {
    struct expect *self = (struct expect *)op;
    wr_eval_release(&self->eval);
    wr_buf_release(&self->names);
}

const struct wr_op_type wr_op_expect = {
    .name = "expect",
    .size_bytes = sizeof(struct expect),
    .flags = WR_OP_ROW_BY_ROW,
    .bind = expect_bind,
    .needs = expect_needs,
    .open = expect_open,
    .push = expect_push,
    .close = expect_close,
    .explain = expect_explain,
};
