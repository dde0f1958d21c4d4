#include "op/op.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/order.h"
#include "base/banned.h"

int wr_op_bind_time(struct wr_list **list, struct wr_bind *bind, const struct wr_value *items,
                    const char *arg, struct wr_error *err) {
    int status = wr_list_bind(list, &bind->scope, WR_LIST_SELECT, items, err);
    if (status != WR_OK) {
        if (err != NULL)
            wr_error_at(err, arg, err->from, err->to);
        return status;
    }
    const struct wr_item *item = &(*list)->items[0];
    if ((*list)->item_count == 1 && item->type.kind == WR_TIMESTAMP)
        return WR_OK;
    char type[64];
    wr_error_script(err, "W104", "`%s` must be a timestamp, this is %s", arg,
                    wr_type_text(&item->type, type, sizeof type));
    wr_error_help(err, "`timestamp(x, 'ms')` and `timestamp(x, format)` make one");
    wr_error_at(err, arg, item->from, item->to);
    return WR_ESCRIPT;
}

int wr_op_set_changed(struct wr_batch *batch, const struct wr_batch *in, const int64_t *least,
                      uint32_t count) {
    const int64_t *times = in->changed != NULL ? in->changed : in->event_time;
    if (times == NULL)
        return WR_OK;
    int64_t *changed = WR_ARENA_ARRAY(&batch->arena, int64_t, count + 1);
    if (changed == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        int64_t time_us = times[batch->cause[i]];
        changed[i] = least == NULL ? time_us : WR_MAX(time_us, least[i]);
    }
    batch->changed = changed;
    return WR_OK;
}

void wr_op_eval_begin(struct wr_op *op, struct wr_eval *eval) {
    eval->user_call = op->env->user_call;
    eval->user_ctx = op->env->user_ctx;
    eval->now_us = op->env->now_us;
    eval->random_seed = op->env->seed;
}

int wr_op_reject_fails(struct wr_op *op, const struct wr_eval *eval, struct wr_batch *in,
                       struct wr_out *out) {
    int status = WR_OK;
    for (uint32_t i = 0; i < eval->fail_count && status >= 0; i++) {
        const struct wr_fail *fail = &eval->fails[i];
        struct wr_reject reject = {.code = fail->code,
                                   .detail = fail->detail,
                                   .stage = op->node,
                                   .row = fail->row,
                                   .batch = in};
        status = out->reject(out, &reject);
    }
    return status;
}

const uint32_t *wr_op_rows_left(struct wr_op *op, const struct wr_eval *eval,
                                const struct wr_batch *in, uint32_t *count, int *status) {
    *status = WR_OK;
    *count = in->sel_count;
    if (eval->fail_count == 0)
        return in->sel;
    uint32_t *sel = WR_ARENA_ARRAY(op->env->scratch, uint32_t, in->sel_count + 1);
    if (sel == NULL) {
        *status = WR_ENOMEM;
        return NULL;
    }
    uint32_t left = 0, fail = 0;
    for (uint32_t i = 0; i < in->sel_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        while (fail < eval->fail_count && eval->fails[fail].row < row)
            fail++;
        if (fail == eval->fail_count || eval->fails[fail].row != row)
            sel[left++] = row;
    }
    *count = left;
    return sel;
}

int wr_op_drop_fails(struct wr_op *op, const struct wr_eval *eval, struct wr_batch *in,
                     struct wr_batch *made, struct wr_out *out) {
    if (eval->fail_count == 0)
        return WR_OK;
    int status = out == NULL ? WR_OK : wr_op_reject_fails(op, eval, in, out);
    if (status < 0)
        return status;
    uint32_t count = 0;
    const uint32_t *sel = wr_op_rows_left(op, eval, in, &count, &status);
    uint32_t *copy = WR_ARENA_ARRAY(&made->arena, uint32_t, count + 1);
    if (status != WR_OK || copy == NULL)
        return WR_ENOMEM;
    memcpy(copy, sel, count * sizeof *copy);
    made->sel = copy;
    made->sel_count = count;
    return WR_OK;
}

int wr_op_emit_late(struct wr_op *op, struct wr_batch *in, const uint32_t *rows, uint32_t count,
                    struct wr_out *out) {
    if (count == 0)
        return WR_OK;
    struct wr_batch *batch = wr_batch_select(op->env->pool, in, rows, count);
    int flow = batch == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_LATE, batch);
    return WR_MIN(flow, WR_OK);
}

int wr_op_compare_behind(const struct wr_schema *hidden, uint32_t first, const struct wr_batch *a,
                         uint32_t row_a, const struct wr_batch *b, uint32_t row_b) {
    for (uint32_t c = first; c < hidden->field_count; c++) {
        int by =
            wr_cell_compare(&hidden->fields[c].type, &a->columns[c], row_a, &b->columns[c], row_b);
        if (by != 0)
            return by;
    }
    return 0;
}

struct wr_value *wr_op_explain(struct wr_arena *arena, const struct wr_list *list,
                               const char *state) {
    int computes = list != NULL && list->program != NULL;
    struct wr_value *map = wr_value_new_map(arena, (uint32_t)computes + (state != NULL));
    if (map == NULL)
        return NULL;
    if (computes) {
        map->names[0] = "expressions";
        if (wr_list_explain(list, arena, &map->items[0]) != WR_OK)
            return NULL;
    }
    if (state != NULL) {
        const struct wr_value *text = wr_value_new_string(arena, state, strlen(state));
        if (text == NULL)
            return NULL;
        map->names[computes] = "state";
        map->items[computes] = *text;
    }
    return map;
}
